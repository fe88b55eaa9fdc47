"""Perturbation curves written out, a sample and a unit at a time; nothing of the package is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def ranks(scores: Sequence[Any], order: str) -> list[int]:
    """The units in the order in which they go: of equal ones the first."""
    sign = -1 if order == "morf" else 1
    return sorted(range(len(scores)), key=lambda unit: (sign * scores[unit], unit))


def curve(
    f: Callable[[Any], Any], x: Any, groups: Sequence[Any], scores: Sequence[Any], counts: Sequence[int], fill: Any,
    order: str = "morf", insert: bool = False,
) -> list[Any]:  # fmt: skip
    """f of one sample x after each count.

    Args:
        f: from one sample to one number.
        x: one sample.
        groups: of each unit, the indices into x that it has.
        scores: of each unit.
        counts: of units that are gone.
        fill: like x.
    """
    found = []
    order_of = ranks(scores, order)
    for count in counts:
        changed = (fill if insert else x).copy()
        for unit in order_of[:count]:
            for index in groups[unit]:
                changed[index] = (x if insert else fill)[index]
        found.append(f(changed))
    return found


def numbers(shape: Sequence[int]) -> list[list[tuple[int, ...]]]:
    """Every number as a unit."""
    return [[index] for index in np.ndindex(*shape)]


def pixels(shape: Sequence[int]) -> list[list[tuple[int, ...]]]:
    """Every pixel of (C, ...) as a unit, with all its channels."""
    return [[(c, *place) for c in range(shape[0])] for place in np.ndindex(*shape[1:])]


def squares(shape: Sequence[int], size: int) -> list[list[tuple[int, ...]]]:
    """Every block of (C, H, W) as a unit."""
    made = []
    for top in range(0, shape[1], size):
        for left in range(0, shape[2], size):
            made.append([
                (c, y, x) for c in range(shape[0]) for y in range(top, min(top + size, shape[1]))
                for x in range(left, min(left + size, shape[2]))
            ])  # fmt: skip
    return made
