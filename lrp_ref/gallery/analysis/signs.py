"""Whether a claim held, by how often something was so: the sign test."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest

from ..application import Held

LEVEL = 0.05


def often(times: int, of: int) -> bool:
    """Return whether something was so more often than a coin would fall (sign test, two sides, level 0.05).

    Example:
        >>> often(9, 10), often(7, 10), often(1, 10)
        (True, False, False)
    """
    return bool(of and times > of / 2 and binomtest(times, of).pvalue < LEVEL)


def verdict(whole: bool, part: bool) -> Held:
    """Return yes where all of a claim is so, in part where a part of it is, else no."""
    return "yes" if whole else "in part" if part else "no"


def held(times: Sequence[int], of: int) -> Held:
    """Return yes where each of several counts is more than chance, in part where some are, no where none is.

    Example:
        >>> held([9, 10], 10), held([9, 6], 10), held([5, 6], 10)
        ('yes', 'in part', 'no')
    """
    so = [often(n, of) for n in times]
    return verdict(all(so), any(so))
