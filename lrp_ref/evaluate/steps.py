"""In which order the parts of an input are removed, and at which step each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError, unknown
from .given import Host

ORDERS = ("morf", "lerf")
MOST = 100  # steps, where nothing else is said


def counts_of(steps: Any, units: int) -> tuple[int, ...]:
    """Return how many units are removed at each point of a curve, from 0.

    Args:
        steps: K, for K equal steps until nothing is left (floor(kP/K) units at step k); or the counts themselves,
            rising; None for a step per unit, and at most 100.
        units: P.

    Raises:
        ParameterError: more steps than units, or counts that do not rise within 0…P.

    Example:
        >>> counts_of(4, 10), counts_of(None, 3), counts_of([2, 5], 10)
        ((0, 2, 5, 7, 10), (0, 1, 2, 3), (0, 2, 5))
    """
    if steps is None:
        steps = min(MOST, units)
    if isinstance(steps, Sequence | np.ndarray) and not isinstance(steps, str):
        return _counts(steps, units)
    return tuple(k * units // _number(steps, units) for k in range(_number(steps, units) + 1))


def _number(steps: Any, units: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or not 1 <= steps <= units:
        raise ParameterError(
            f"steps is {steps!r}, and a sample has {units} units: give a whole number from 1 to {units}"
        )
    return int(steps)


def _counts(steps: Any, units: int) -> tuple[int, ...]:
    numbers = [int(c) if isinstance(c, int | np.integer) else -1 for c in steps]
    numbers = numbers if numbers[:1] == [0] else [0, *numbers]
    rising = all(a < b for a, b in itertools.pairwise(numbers))
    if len(numbers) < 2 or not rising or numbers[-1] > units:
        raise ParameterError(
            f"steps is {list(steps)!r}: counts of removed units are whole numbers that rise, from 1 to {units} at most"
        )
    return tuple(numbers)


def removed_at(scores: Host, counts: Sequence[int], order: str) -> NDArray[Any]:
    """Return the step (N, P) at which each unit goes, from 1; len(counts) where it stays.

    "morf" removes the most relevant first, "lerf" the least; of units with one score the first goes first.

    Example:
        >>> removed_at(np.array([[1.0, 3.0, 1.0, 2.0]]), (0, 1, 3), "morf").tolist()
        [[2, 1, 3, 2]]
    """
    if order not in ORDERS:
        raise unknown("order", str(order), ORDERS)
    samples, units = scores.shape
    first = in_order(-scores if order == "morf" else scores)
    # Step of the rank r: the first whose count is above r. Small integers are compared many at a time.
    small = np.min_scalar_type(len(counts))
    by_rank = np.searchsorted(np.asarray(counts), np.arange(units), side="right").astype(small)
    found = np.empty((samples, units), dtype=small)
    np.put_along_axis(found, first, np.broadcast_to(by_rank, (samples, units)), axis=1)
    return found


def in_order(keys: Host) -> Host:
    """Return the places of rising numbers (N, P) in each row; of equal ones the first comes first.

    A sort that keeps ties takes up to four times as long as NumPy's other one: only rows with ties are sorted so.

    Example:
        >>> in_order(np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 2.0]])).tolist()
        [[1, 0, 2], [1, 2, 0]]
    """
    if keys.dtype == object:
        return np.argsort(keys, axis=1, kind="stable")
    found = np.argsort(keys, axis=1)
    ordered = np.take_along_axis(keys, found, axis=1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if tied.any():
        found[tied] = np.argsort(keys[tied], axis=1, kind="stable")
    return found


class Regions:
    """Blocks of r × r units, from the first corner on; those at the last borders are cut.

    Args:
        size: r, or one number per axis.
        sizes: of the axes of the units.

    Raises:
        ParameterError: a size that is no whole number above 0.
        ShapeError: a number of sizes that is not that of the axes.

    Example:
        >>> blocks = Regions(2, (3, 3))
        >>> blocks.count, blocks.sums(np.ones((1, 9))).tolist(), blocks.of_units.tolist()
        (4, [[4.0, 2.0, 2.0, 1.0]], [0, 0, 1, 0, 0, 1, 2, 2, 3])
    """

    def __init__(self, size: int | Sequence[int], sizes: Sequence[int]) -> None:
        each = (size,) * len(sizes) if isinstance(size, int | np.integer) else tuple(size)
        if any(isinstance(s, bool) or not isinstance(s, int | np.integer) or s < 1 for s in each):
            raise ParameterError(f"size is {size!r}: give the side of a region in pixels, 1 or more")
        if len(each) != len(sizes):
            raise ShapeError(
                f"size is {size!r}, and a map has the axes {tuple(sizes)}: give one number, or {len(sizes)}"
            )
        self.size, self.sizes = tuple(min(int(s), n) for s, n in zip(each, sizes, strict=True)), tuple(sizes)
        self.blocks = tuple(-(-n // s) for s, n in zip(self.size, self.sizes, strict=True))
        self.count = math.prod(self.blocks)
        places = [np.arange(n) // s for s, n in zip(self.size, self.sizes, strict=True)]
        self.of_units = np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), self.blocks).ravel()

    def sums(self, scores: Host) -> Host:
        """Return the sum of the scores (N, units) in each region, (N, regions)."""
        samples = len(scores)
        spare = [(0, b * s - n) for b, s, n in zip(self.blocks, self.size, self.sizes, strict=True)]
        whole = np.pad(scores.reshape(samples, *self.sizes), [(0, 0), *spare])  # zeros add nothing
        apart = [n for b, s in zip(self.blocks, self.size, strict=True) for n in (b, s)]
        axes = tuple(range(2, 2 * len(self.sizes) + 1, 2))
        found: Host = whole.reshape(samples, *apart).sum(axis=axes).reshape(samples, self.count)
        return found
