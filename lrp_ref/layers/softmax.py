"""Softmax: as an output, below which explanations start, or as the weights of an attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value
from ..base.arrays import Array, namespace
from ..errors import ShapeError
from ..rules.rule import AnyRule, Redistribution
from .base import Layer
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class Softmax(Layer):
    """y_i = exp(x_i) / Σ_k exp(x_k) along an axis.

    It has no relevance rule of its own: explanations start below a final softmax (``lrp.canonize`` leaves it out), and
    one that makes the gate of a product receives no relevance. Elsewhere name one of Taylor() (the rule of AttnLRP),
    Zero() (a constant), Pass(), Gradient().

    Args:
        axis: 1 (the classes) by default.
        log: whether to return the logarithm.

    Example:
        >>> import numpy as np
        >>> Softmax().forward(np.array([[0.0, 0.0]]))
        array([[0.5, 0.5]])
    """

    own_rule: ClassVar[str | None] = None
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    axis: int = 1
    log: bool = False

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return not self.log

    def forward(self, *xs: Array) -> Array:
        """Return the probabilities, or their logarithms."""
        (x,) = xs
        no_exact_value(x, "exp")
        if not -x.ndim < self.axis < x.ndim or self.axis == 0:
            raise ShapeError(f"Softmax: axis {self.axis} of shape {x.shape} is the batch, or does not exist")
        if not x.shape[self.axis]:
            return x  # of no numbers, which have no largest: a sequence without steps
        xp = namespace(x)
        shifted = x - x.max(axis=self.axis, keepdims=True)
        if self.log:
            return shifted - xp.log(xp.exp(shifted).sum(axis=self.axis, keepdims=True))
        powers = xp.exp(shifted)
        return powers / powers.sum(axis=self.axis, keepdims=True)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the transposed Jacobian applied to g."""
        return self.pull_at(xs, self.forward(*xs), g)

    def pull_at(self, xs: tuple[Array, ...], z: Array, g: Array) -> tuple[Array, ...]:
        """Return the same, by the output z."""
        if self.log:
            return (g - namespace(g).exp(z) * g.sum(axis=self.axis, keepdims=True),)
        return (z * (g - (g * z).sum(axis=self.axis, keepdims=True)),)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        raise self._refuse(rule, "Taylor")
