"""Normalisation of a sample by its own mean and deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace
from ..errors import ParameterError, ShapeError
from ..rules.edits import Edit
from ..rules.linear import LRP0
from ..rules.rule import AnyRule, Redistribution, Rule
from ..rules.share import Given, share
from .base import Layer, Linear, same_shape
from .reduction import reduced_axes


@dataclass(frozen=True, eq=False, repr=False)
class Normalize(Layer):
    """Divide by the deviation along axes of a sample: LayerNorm, RMSNorm, GroupNorm and InstanceNorm without scale.

    Formula: y = (x − μ)/s with μ the mean and s = sqrt(mean of (x − μ)² + ε) over the axes; without ``centre`` μ = 0.

    Its rules take the deviation s for a constant, as if it were a weight. What is left is linear, with the weights
    w_ij = (δ_ij − 1/n)/s between the n values of a group, or δ_ij/s without ``centre``, and every rule for linear
    layers runs on it. Its own is LRP-0, in which s cancels: R_i = a_i (q_i − mean of q), q_j = R_j/(a_j − μ); without
    ``centre`` that is R_i = R_j. All relevance stays in the sample but for that of outputs that are 0, which is
    dropped, and what a rule's stabiliser takes.

    Args:
        axes: over which axes mean and deviation are taken, never the batch.
        epsilon: added to the mean square.
        centre: whether the mean is taken away.
        groups: into how many groups axis 1 is divided, each with a mean and a deviation of its own.

    Raises:
        ShapeError: axes that do not exist, or groups that do not divide axis 1.
        ParameterError: a negative epsilon, or groups of an axis that is not among those.

    Source: Ba et al. 2016 (LayerNorm), Zhang & Sennrich 2019 (RMSNorm), Wu & He 2018 (GroupNorm); the deviation as a
    constant: Ali et al. 2022, Achtibat et al. 2024.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 3.0, 5.0, 7.0]])
        >>> Normalize(epsilon=4.0).forward(x)
        array([[-1.        , -0.33333333,  0.33333333,  1.        ]])
        >>> Normalize(epsilon=4.0).relevance_backward(x, np.array([[0.0, 0.0, 0.0, 6.0]]))
        array([[-0.5, -1.5, -2.5, 10.5]])
    """

    own_rule: ClassVar[str | None] = "LRP-0 with the deviation as a constant"

    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-5
    centre: bool = True
    groups: int = 1

    def __post_init__(self) -> None:
        if not self.epsilon >= 0:
            raise ParameterError(f"Normalize: epsilon must be ≥ 0, got {self.epsilon}")
        if self.groups < 1 or (self.groups > 1 and 1 not in self.axes):
            raise ParameterError(f"Normalize: {self.groups} groups of axis 1 in axes {self.axes}")

    def _grouped(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Return x with an axis for the groups, and the axes over which mean and deviation are taken."""
        axes = reduced_axes(self, x)
        if self.groups == 1:
            return x, axes
        if x.shape[1] % self.groups:
            raise ShapeError(f"Normalize: {x.shape[1]} channels of {x.shape} do not divide into {self.groups} groups")
        shape = (x.shape[0], self.groups, x.shape[1] // self.groups, *x.shape[2:])
        return x.reshape(shape), tuple(a + 1 for a in axes)

    def _centred(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x - _mean(x, axes) if self.centre else x

    def _deviation(self, centred: Array, axes: tuple[int, ...]) -> Array:
        no_exact_value(centred, "a root")
        return namespace(centred).sqrt(_mean(centred * centred, axes) + self.epsilon)

    def forward(self, *xs: Array) -> Array:
        """Return y, same shape."""
        (x,) = xs
        grouped, axes = self._grouped(x)
        centred = self._centred(grouped, axes)
        return (centred / self._deviation(centred, axes)).reshape(x.shape)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return (g − mean of g − y·mean of (y g))/s, without the mean of g where nothing is centred."""
        (x,) = xs
        grouped, axes = self._grouped(x)
        centred, there = self._centred(grouped, axes), g.reshape(grouped.shape)
        deviation = self._deviation(centred, axes)
        y = centred / deviation
        pulled = (self._centred(there, axes) - y * _mean(y * there, axes)) / deviation
        return (pulled.reshape(x.shape),)

    def held(self, x: Array) -> Linear:
        """Return the linear layer that this one is for its rules: with the deviation at x as a constant."""
        grouped, axes = self._grouped(x)
        count = max(1, math.prod(grouped.shape[a] for a in axes))
        inverse = 1 / self._deviation(self._centred(grouped, axes), axes)
        if not self.centre:
            return _Held(grouped.shape, axes, inverse)
        nth = inverse / scalar(count, x)
        return _Held(grouped.shape, axes, inverse - nth, -nth)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        rule = LRP0() if rule is None else rule
        if not isinstance(rule, Rule):
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (x,), (relevance,) = xs, relevances
        same_shape(self, relevance, x)
        # The output as forward rounds it: of an input that is the mean it is 0 exactly.
        return share(self.held(x), xs, relevance, rule, Given(z=self.forward(x) if z is None else z))


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the mean over the axes, which stay with size 1; 0 where there is none to sum."""
    return x.sum(axis=axes, keepdims=True) / scalar(max(1, math.prod(x.shape[a] for a in axes)), x)


@dataclass(frozen=True, eq=False, repr=False)
class _Held(Linear):
    """z_j = own·x_j + other·Σ_{i≠j} x_i among the values of a group; it is its own transpose.

    Args:
        shape: in which the groups are apart.
        axes: along which a group's values lie.
        own: the weight of each value for itself, (N, ...) with size 1 along the axes.
        other: its weight for the others, likewise; None for no such connection.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    own: Array
    other: Array | None = None

    def forward(self, *xs: Array) -> Array:
        """Return z, same shape."""
        return self.pull(xs, xs[0])[0]

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return what forward makes of g."""
        there = g.reshape(self.shape)
        if self.other is None:
            return ((self.own * there).reshape(g.shape),)
        total = there.sum(axis=self.axes, keepdims=True)
        return ((self.own * there + self.other * (total - there)).reshape(g.shape),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the layer with both weights edited."""
        return replace(self, own=weights(self.own), other=None if self.other is None else weights(self.other))
