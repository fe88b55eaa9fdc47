"""Which methods cannot be told from the best one: a paired test over the samples."""

from __future__ import annotations

import math

import numpy as np

from .given import Host

LEVEL = 0.05
ROUNDING = 1e-9  # of the larger of two numbers
LEAST = 6  # samples, below which no differences are unlikely enough: 2/2⁵ is above the level
EXACT = 100  # differences of which all signs are counted


def quantile(values: Host, part: float) -> Host:
    """Return a quantile over the last axis (..., N), of the numbers that are not NaN; NaN where there are none.

    The q-th of n numbers is the one at place qn, counted from 1 and rounded up; where qn is whole, the mean of that one
    and the next, so that the half is the usual median. Infinite numbers may be among them.

    Example:
        >>> quantile(np.array([1.0, np.inf, np.nan, 3.0]), 0.5), quantile(np.array([4.0, 2.0]), 0.5)
        (array(3.), array(3.))
    """
    kept = ~np.isnan(values)
    count = kept.sum(axis=-1, keepdims=True)
    ordered = np.sort(values, axis=-1)  # NaN last
    if not ordered.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    place = part * count
    upper = np.clip(np.floor(place).astype(int), 0, np.maximum(count - 1, 0))
    lower = np.clip(np.ceil(place).astype(int) - 1, 0, None)
    low, high = (np.take_along_axis(ordered, k, axis=-1)[..., 0] for k in (lower, upper))
    found: Host = np.where(low == high, low, (low + high) / 2)
    return found


def summary(values: Host, mean: bool) -> Host:
    """Return the median, or the mean, over the last axis (..., N), of the samples that are not NaN; NaN of none."""
    if not mean:
        return quantile(values, 0.5)
    count = (~np.isnan(values)).sum(axis=-1)
    found: Host = np.where(count > 0, np.nansum(values, axis=-1) / np.maximum(count, 1), np.nan)
    return found


def best(values: Host, better: str, mean: bool) -> Host:
    """Return which rows of (R, N) are the best, or not distinguishable from it.

    The best is the row with the best median (or mean). Another is as good if a two-sided Wilcoxon signed-rank test of
    its paired differences to the best, over the samples of both, has p ≥ 0.05: also where the samples are too few
    (below 6) for any difference to show. The p values are not corrected for the number of rows.

    Args:
        values: (R, N).
        better: "larger", "smaller", or "neither", of which no row is best.
        mean: as in :func:`summary`.

    Example:
        >>> best(np.array([[1.0] * 8, [1.0] * 7 + [2.0], [3.0] * 8]), "smaller", False).tolist()
        [True, True, False]
    """
    middle = summary(values, mean)
    marked = np.zeros(len(values), dtype=bool)
    if better == "neither" or not (~np.isnan(middle)).any():
        return marked
    first = int(np.nanargmax(middle) if better == "larger" else np.nanargmin(middle))
    for k, row in enumerate(values):
        marked[k] = k == first or same(row, values[first])
    return marked


def same(a: Host, b: Host) -> bool:
    """Return whether a paired test finds no difference between two rows (N,); False where no sample has both.

    A difference below 10⁻⁹ of the larger number is rounding, and counts as none.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    if not both.any():
        return False
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(a[both]), np.abs(b[both]))
        alike = (a[both] == b[both]) | (np.abs(a[both] - b[both]) <= ROUNDING * size) & np.isfinite(size)
        differences = np.where(alike, 0.0, a[both] - b[both])
    return signed_ranks(differences) >= LEVEL


def signed_ranks(differences: Host) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of differences (N,): both signs are alike.

    Differences of 0 are left out, equal sizes have their mean rank. Up to 100 differences p is exact, ties included,
    which scipy's test is in some versions only; above, it is that of the normal distribution.

    Source: Wilcoxon 1945, doi:10.2307/3001968.

    Example:
        >>> signed_ranks(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), signed_ranks(np.array([0.0]))
        (0.03125, 1.0)
    """
    kept = differences[differences != 0]
    _, which, count = np.unique(np.abs(kept), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(count) - count + 1)[which].astype(np.int64)  # twice the mean rank, a whole number
    positive, total = int(doubled[kept > 0].sum()), int(doubled.sum())
    if len(kept) > EXACT:
        distance = abs(positive - total / 2) / math.sqrt(float((doubled**2).sum()) / 4)
        return math.erfc(distance / math.sqrt(2))
    chance = np.ones(1)  # of each sum of ranks, where each sign is a coin
    for rank in doubled.tolist():
        longer = np.zeros(len(chance) + rank)
        longer[: len(chance)] += chance / 2
        longer[rank:] += chance / 2
        chance = longer
    tail = min(positive, total - positive)
    return min(1.0, 2 * float(chance[: tail + 1].sum()))
