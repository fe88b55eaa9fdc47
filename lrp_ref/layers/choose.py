"""Choices that signals make: comparisons, whose answers are 0 and 1, and the choice between two signals by them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, require_dtype, sample_sum
from ..errors import ParameterError, ShapeError, UnsupportedError
from ..rules.rescale import Rescale
from ..rules.rule import Redistribution, Seen
from .base import OwnWay, pull_broadcast
from .promises import Promises

COMPARISONS = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
}


@dataclass(frozen=True, eq=False, repr=False)
class Compare(OwnWay):
    """y = 1 where the comparison holds, else 0.

    An answer is no sum of its operands and does not change with small changes of them: the derivative is 0, and
    relevance that arrives is dropped.

    Args:
        comparison: "equal", "not_equal", "greater", "greater_equal", "less" or "less_equal".
        bound: what the input is compared with, a shape that broadcasts to the sample's; None for a second input.

    Example:
        >>> import numpy as np
        >>> Compare("greater", np.array([1.0])).forward(np.array([[0.5, 1.0, 2.0]]))
        array([[0., 0., 1.]])
    """

    operands: ClassVar[int | None] = None
    own_rule: ClassVar[str | None] = "none of it: an answer is no sum of its operands"
    promises: ClassVar[Promises] = Promises(stays_finite=True, tells_sign=True)

    comparison: str
    bound: Array | None = None

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            known = ", ".join(COMPARISONS)
            raise ParameterError(f"Compare: comparison must be one of {known}, got {self.comparison!r}")
        if self.bound is not None and self.bound.ndim == 0:
            object.__setattr__(self, "bound", self.bound.reshape(1))

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def _pair(self, xs: tuple[Array, ...]) -> tuple[Array, Array]:
        if len(xs) != (2 if self.bound is None else 1):
            raise ShapeError(f"Compare: {len(xs)} inputs {'without' if self.bound is None else 'beside'} a bound")
        x = xs[0]
        if self.bound is None:
            return x, xs[1]
        require_dtype(x, self.bound, "Compare")
        if self.bound.ndim >= x.ndim and self.bound.size > 1:
            raise ShapeError(f"Compare: bound of shape {self.bound.shape} has more axes than a sample of {x.shape}")
        return x, self.bound if self.bound.size > 1 else self.bound.reshape((1,) * x.ndim)

    def forward(self, *xs: Array) -> Array:
        """Return 0 and 1."""
        a, b = self._pair(xs)
        xp = namespace(a, b)
        try:
            true = COMPARISONS[self.comparison](a, b)
        except ValueError as error:
            raise ShapeError(f"Compare: operands of shapes {a.shape} and {b.shape} do not broadcast") from error
        if not hasattr(true, "shape"):  # what NumPy answers on arrays that do not broadcast
            raise ShapeError(f"Compare: operands of shapes {a.shape} and {b.shape} do not broadcast")
        return xp.where(true, scalar(1, a), scalar(0, a)).astype(a.dtype)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return 0."""
        return tuple(namespace(g).zeros(x.shape, dtype=g.dtype) for x in xs)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        return Redistribution.routed(self.pull(xs, relevance), relevance, dropped=sample_sum(relevance))


@dataclass(frozen=True, eq=False, repr=False)
class Where(OwnWay):
    """y = a where the condition is not 0, else b; its inputs are the condition, a and b.

    Relevance goes to what was chosen, and none to the condition.

    Example:
        >>> import numpy as np
        >>> mask, a, b = np.array([[1.0, 0.0]]), np.array([[2.0, 3.0]]), np.array([[5.0, 7.0]])
        >>> Where().forward(mask, a, b)
        array([[2., 7.]])
        >>> [r.tolist() for r in Where().relevance_backward((mask, a, b), np.array([[1.0, 4.0]]))]
        [[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 4.0]]]
    """

    operands: ClassVar[int | None] = 3
    own_rule: ClassVar[str | None] = "relevance goes to what was chosen"
    promises: ClassVar[Promises] = Promises(stays_finite=True, tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs[1:])

    def forward(self, *xs: Array) -> Array:
        """Return what is chosen; inputs broadcast as in NumPy."""
        condition, a, b = xs
        xp = namespace(*xs)
        require_dtype(a, b, "Where")
        try:
            return xp.where(condition != 0, a, b)
        except ValueError as error:
            raise ShapeError(f"Where: inputs of shapes {[x.shape for x in xs]} do not broadcast") from error

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return 0 for the condition, and g where each of the others was chosen."""
        xp, zero, chosen = namespace(*xs, g), scalar(0, g), xs[0] != 0
        parts = (xp.where(chosen, g, zero), xp.where(chosen, zero, g))
        return (xp.zeros(xs[0].shape, dtype=g.dtype), *pull_broadcast(xs[1:], parts))

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return the transpose, where the reference chooses alike."""
        if bool(((here.xs[0] != 0) != (there.xs[0] != 0)).any()):
            raise UnsupportedError(
                "Where has multipliers of the rescale rule only where samples and reference choose alike"
            )
        return self.pull(here.xs, gs[0])
