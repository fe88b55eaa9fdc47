"""A constant among signals: a class token, a learned position, a mask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from ..base.arrays import Array, namespace, sample_sum
from ..errors import ShapeError
from ..rules.rule import Redistribution
from .base import OwnWay


@dataclass(frozen=True, eq=False, repr=False)
class Constant(OwnWay):
    """The same value for every sample; the input only says how many samples there are.

    Relevance that arrives is the ``bias`` column of the ledger, as that of any number which no input made.

    Args:
        value: of one sample, any shape.
        cut: pairs of an axis of the output and one of the input (1 and up): along the first, as much of the value is
            taken as the input is long along the second.

    Raises:
        ShapeError: an input that is longer than the value along an axis that is cut.

    Example:
        >>> import numpy as np
        >>> token = Constant(np.array([[0.5, -1.0]]))
        >>> token.forward(np.zeros((2, 3))).shape
        (2, 1, 2)
    """

    own_rule: ClassVar[str | None] = "it is the relevance of a bias"

    value: Array
    cut: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)

    def forward(self, *xs: Array) -> Array:
        """Return the value for every sample (N, ...)."""
        (x,) = xs
        xp, value = namespace(x, self.value), self.value
        for axis, other in self.cut:
            if not (0 < axis <= value.ndim and 0 < other < x.ndim):
                raise ShapeError(
                    f"Constant: axes {axis} and {other} to cut it at are not those of a value of shape {value.shape} "
                    f"and an input of shape {x.shape}"
                )
            if value.shape[axis - 1] < x.shape[other]:
                raise ShapeError(
                    f"Constant: an input of shape {x.shape} is longer than {value.shape[axis - 1]} along axis {other}, "
                    "which is as far as the value is known"
                )
            value = value[(slice(None),) * (axis - 1) + (slice(x.shape[other]),)]
        return xp.broadcast_to(value[None], (x.shape[0], *value.shape))

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return 0."""
        (x,) = xs
        return (namespace(g).zeros(x.shape, dtype=g.dtype),)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        return replace(Redistribution.routed(self.pull(xs, relevance), relevance), bias=sample_sum(relevance))
