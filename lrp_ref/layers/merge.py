"""Layers that bring several operands together: their sum, or all of them side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..errors import ShapeError
from ..fast import buffers
from ..rules.edits import Edit
from .base import Route, Unweighted, pull_broadcast


@dataclass(frozen=True, eq=False, repr=False)
class Add(Unweighted):
    """Sum of signals: y = Σ_k c_k x_k.

    A residual connection is a linear layer over its operands: R_k = c_k x_k / y · R by LRP-0.

    Args:
        coefficients: one number per operand; empty for all ones. A subtraction is (1, −1).

    Example:
        >>> import numpy as np
        >>> one, three = np.array([[1.0]]), np.array([[3.0]])
        >>> Add().relevance_backward((one, three), np.array([[8.0]]))
        (array([[2.]]), array([[6.]]))
    """

    operands: ClassVar[int | None] = None

    coefficients: tuple[Any, ...] = ()

    def _coefficients(self, xs: tuple[Array, ...]) -> tuple[Any, ...]:
        if self.coefficients and len(self.coefficients) != len(xs):
            raise ShapeError(f"Add: {len(self.coefficients)} coefficients for {len(xs)} operands")
        return self.coefficients or (1,) * len(xs)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and all(c >= 0 for c in self.coefficients)

    def forward(self, *xs: Array) -> Array:
        """Return y; operands broadcast as in NumPy."""
        xp = namespace(*xs)
        terms = [x if c == 1 else scalar(c, x) * x for c, x in zip(self._coefficients(xs), xs, strict=True)]
        try:
            total = terms[0]
            for term in terms[1:]:
                total = buffers.computed(xp.add, total, term)
        except ValueError as error:
            raise ShapeError(f"Add: operands of shapes {[x.shape for x in xs]} do not broadcast") from error
        return total

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return c_k g, summed over broadcast axes."""
        return pull_broadcast(xs, [g if c == 1 else scalar(c, g) * g for c in self._coefficients(xs)])

    def edited(self, weights: Edit, bias: Edit) -> Add:
        """Return the sum with edited coefficients."""
        if self.coefficients:
            return replace(self, coefficients=tuple(weights.number(c) for c in self.coefficients))
        return _Uniform(common=weights.number(1))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class _Uniform(Add):
    """Sum whose operands, however many, all have one edited coefficient."""

    common: Any

    def _coefficients(self, xs: tuple[Array, ...]) -> tuple[Any, ...]:
        return (self.common,) * len(xs)


@dataclass(frozen=True, eq=False, repr=False)
class Concat(Route):
    """Concatenate along an axis (1, the channels, by default).

    Example:
        >>> import numpy as np
        >>> Concat().forward(np.array([[1.0]]), np.array([[2.0, 3.0]]))
        array([[1., 2., 3.]])
    """

    operands: ClassVar[int | None] = None

    axis: int = 1

    def forward(self, *xs: Array) -> Array:
        """Return the concatenation."""
        xp, axis = namespace(*xs), self._axis(xs)
        try:
            return buffers.concatenated(xs, axis, xp)
        except ValueError as error:
            raise ShapeError(f"Concat: shapes {[x.shape for x in xs]} differ outside axis {axis}") from error

    def _axis(self, xs: tuple[Array, ...]) -> int:
        ndim: int = xs[0].ndim
        if not -ndim < self.axis < ndim or self.axis == 0:
            raise ShapeError(f"Concat: axis {self.axis} of shape {xs[0].shape} is the batch, or does not exist")
        return self.axis % ndim

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the parts of g."""
        axis, start, parts = self._axis(xs), 0, []
        for x in xs:
            stop = start + x.shape[axis]
            parts.append(g[(slice(None),) * axis + (slice(start, stop),)])
            start = stop
        return tuple(parts)
