"""Reductions over whole axes that are not linear: products, and logarithms of sums of exponentials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace, sample_sum
from ..errors import ShapeError
from ..rules.rule import Redistribution
from .base import OwnWay
from .promises import Promises
from .reduction import reduced_axes


def _kept(x: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a reduction whose axes stay with size 1."""
    return tuple(1 if k in axes else n for k, n in enumerate(x.shape))


@dataclass(frozen=True, eq=False, repr=False)
class Prod(OwnWay):
    """Product over whole axes; its factors get equal parts of the relevance.

    Formula: z = Π_{i in axes} a_i; R_i = R/n for n factors. A product of none is 1, and its relevance is dropped.

    Args:
        axes: which axes, never the batch; None for all spatial axes (2 and up).
        keepdims: whether the reduced axes stay with size 1.

    Raises:
        ShapeError: axes that do not exist.

    Source: Arras et al. 2019 (LRP-half, of two factors).

    Example:
        >>> import numpy as np
        >>> x = np.array([[[2.0, 3.0, 4.0]]])
        >>> Prod().forward(x), Prod().relevance_backward(x, np.array([[[6.0]]]))
        (array([[[24.]]]), array([[[2., 2., 2.]]]))
    """

    own_rule: ClassVar[str | None] = "equal parts for all factors"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    axes: tuple[int, ...] | None = None
    keepdims: bool = True

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return the products."""
        (x,) = xs
        axes = reduced_axes(self, x)
        z = _product(x, axes)
        return z if self.keepdims else z.reshape(tuple(n for k, n in enumerate(x.shape) if k not in axes))

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g times the product of the other factors, also where some of them are 0."""
        (x,) = xs
        xp, axes = namespace(x, g), reduced_axes(self, x)
        one, zero = scalar(1, x), scalar(0, x)
        empty = x == zero
        rest = xp.where(empty, one, x).astype(x.dtype)
        whole, zeros = _product(rest, axes), xp.where(empty, 1, 0).sum(axis=axes, keepdims=True)
        alone = xp.where(xp.logical_and(zeros == 1, empty), whole, zero)
        others = xp.where(zeros == 0, whole / rest, alone).astype(x.dtype)
        return (others * g.reshape(_kept(x, axes)),)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        (x,) = xs
        axes = reduced_axes(self, x)
        count = math.prod(x.shape[a] for a in axes)
        if not count:
            received = namespace(x).zeros(x.shape, dtype=x.dtype)
            return Redistribution.routed((received,), relevance, dropped=sample_sum(relevance))
        part = relevance.reshape(_kept(x, axes)) / scalar(count, relevance)
        return Redistribution.routed((namespace(x).broadcast_to(part, x.shape),), relevance)


def _product(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the product over the axes, which stay with size 1."""
    # One axis after the other, as they are written to a file: the order of the factors decides the last bit.
    for axis in axes:
        x = x.prod(axis=axis, keepdims=True) * scalar(1, x)  # of no exact factors NumPy makes the integer 1
    return x


@dataclass(frozen=True, eq=False, repr=False)
class LogSumExp(OwnWay):
    """Logarithm of a sum of exponentials over whole axes, without overflow.

    Formula: z = log Σ_{i in axes} exp(a_i); R_i = exp(a_i)/Σ_k exp(a_k)·R: what Exp, Sum by LRP-0 and Log give
    one after the other.

    Args:
        axes: which axes, never the batch; None for all spatial axes (2 and up).
        keepdims: whether the reduced axes stay with size 1.

    Raises:
        ShapeError: axes that do not exist.

    Source: Montavon et al. 2019, §10.4 (pooling in proportion to exponentials).

    Example:
        >>> import numpy as np
        >>> x = np.log(np.array([[1.0, 3.0]]))
        >>> LogSumExp((1,)).relevance_backward(x, np.array([[4.0]]))
        array([[1., 3.]])
    """

    own_rule: ClassVar[str | None] = "in proportion to exp(a_i)"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    axes: tuple[int, ...] | None = None
    keepdims: bool = True

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)  # each of them adds at least exp(0)

    def _parts(self, x: Array) -> tuple[Array, Array, Array, tuple[int, ...]]:
        """Return the largest value, the exponentials of the distances to it, their sum, and the axes."""
        no_exact_value(x, "exp")
        axes = reduced_axes(self, x)
        if not math.prod(x.shape[a] for a in axes):
            raise ShapeError(f"LogSumExp: an input of shape {x.shape} has nothing to add up")
        top = x.max(axis=axes, keepdims=True)
        powers = namespace(x).exp(x - top)
        return top, powers, powers.sum(axis=axes, keepdims=True), axes

    def forward(self, *xs: Array) -> Array:
        """Return the logarithms."""
        (x,) = xs
        top, _, total, axes = self._parts(x)
        z = top + namespace(x).log(total)
        return z if self.keepdims else z.reshape(tuple(n for k, n in enumerate(x.shape) if k not in axes))

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g in proportion to the exponentials."""
        (x,) = xs
        _, powers, total, axes = self._parts(x)
        return (powers * (g.reshape(_kept(x, axes)) / total),)
