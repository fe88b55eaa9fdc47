"""The features that pairs are made of: an input's numbers, summed over an axis and pooled to a coarser grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..base.arrays import Array, namespace
from ..base.frozen import Value
from ..errors import ParameterError

CHANNELS = "channels"


@dataclass(frozen=True, eq=False, repr=False)
class Features(Value):
    """How the numbers of one input are summed to features; relevance of a feature is the sum of its numbers'.

    Args:
        axis: of a sample that is summed over: "channels" for the first where a sample has two or more axes, as in
            (C, H, W); a number, such as −1 for the vectors of tokens (T, D); None for none.
        pool: numbers along each of the axes that are left that make one feature, or one number for each of them. The
            last feature of an axis has what is left.

    Raises:
        ParameterError: an axis that a sample does not have, or a pool that is no whole number, 1 or more.

    Example:
        >>> Features(pool=4).grid((3, 9, 8)), Features(axis=-1).grid((12, 64)), Features().grid((7,))
        ((3, 2), (12,), (7,))
    """

    axis: int | str | None = CHANNELS
    pool: int | tuple[int, ...] = 1

    def __post_init__(self) -> None:
        pool = tuple(self.pool) if isinstance(self.pool, list | tuple) else self.pool
        object.__setattr__(self, "pool", pool)
        if any(type(n) is not int or n < 1 for n in (pool if isinstance(pool, tuple) else (pool,))):
            raise ParameterError(f"pool is {self.pool!r}; give a whole number of 1 or more, or one for each axis")
        if self.axis not in (CHANNELS, None) and type(self.axis) is not int:
            raise ParameterError(f"axis is {self.axis!r}; give 'channels', a number of a sample's axis, or None")

    def grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return how many features there are along each axis, for a sample of this shape."""
        left, pool = self._left(shape)
        return tuple(-(-n // p) for n, p in zip(left, pool, strict=True))

    def of(self, relevance: Array) -> Array:
        """Return the relevance of features (N, M, I) from that of numbers (N, M, *shape); I in C order of the grid."""
        (n, m), shape, xp = relevance.shape[:2], tuple(relevance.shape[2:]), namespace(relevance)
        (_, pool), axis = self._left(shape), self._axis(shape)
        summed = relevance if axis is None else relevance.sum(axis=2 + axis)
        for k, (size, width) in enumerate(zip(summed.shape[2:], pool, strict=True), start=2):
            if width == 1:
                continue
            count = -(-size // width)
            if short := count * width - size:
                zeros = xp.zeros((*summed.shape[:k], short, *summed.shape[k + 1 :]), dtype=summed.dtype)
                summed = xp.concatenate((summed, zeros), axis=k)
            summed = summed.reshape(*summed.shape[:k], count, width, *summed.shape[k + 1 :]).sum(axis=k + 1)
        return summed.reshape(n, m, math.prod(self.grid(shape)))

    def _axis(self, shape: Sequence[int]) -> int | None:
        """Return the number of the axis that is summed over; None for none."""
        if self.axis is None or (self.axis == CHANNELS and len(shape) < 2):
            return None
        axis = 0 if isinstance(self.axis, str) else self.axis
        if not -len(shape) <= axis < len(shape):
            raise ParameterError(f"axis {axis}: a sample of shape {tuple(shape)} has {len(shape)}; give one of them")
        return axis % len(shape)

    def _left(self, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the sizes of the axes that are left, and the pool along each."""
        axis = self._axis(shape)
        left = tuple(n for k, n in enumerate(shape) if k != axis)
        pool = self.pool if isinstance(self.pool, tuple) else (self.pool,) * len(left)
        if len(pool) != len(left):
            raise ParameterError(
                f"pool {pool} has {len(pool)} numbers; of a sample of shape {tuple(shape)}, {len(left)} axes are "
                f"pooled: {left}"
            )
        return left, pool


def features_of(given: Any) -> tuple[Features, Features]:
    """Return the features of both sides, where one is given for both, or a pair of them.

    Raises:
        ParameterError: neither.

    Example:
        >>> features_of(8)
        (Features(pool=8), Features(pool=8))
    """
    sides = given if isinstance(given, tuple) else (given, given)
    sides = tuple(Features(pool=side) if type(side) is int else side for side in sides)
    if len(sides) != 2 or not all(isinstance(side, Features) for side in sides):
        raise ParameterError(
            f"reduce={given!r}: give the width of a pool, lrp.bilrp.Features(axis=..., pool=...), or a pair of these, "
            "the first for x and the second for y"
        )
    return sides[0], sides[1]
