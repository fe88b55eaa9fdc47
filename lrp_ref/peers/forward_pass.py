"""Whether another program ran the same network: its forward pass against this package's, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import is_float, unwarned

CLOSE = {"float64": 1e-9, "float32": 1e-4}  # relative to the largest number: as far as two forward passes may differ


@dataclass(frozen=True)
class Departure:
    """The first value that a program has otherwise.

    Attributes:
        name: of the value.
        words: where and by how much, in a sentence.
    """

    name: str
    words: str


def departure(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Departure | None:
    """Return the first value, in the order of execution, that a program has otherwise; None where there is none.

    What only one of them has is not compared, and neither are values that are no floats.

    Example:
        >>> one, other = {"fc": np.array([[1.0, 2.0]])}, {"fc": np.array([[1.0, 2.5]])}
        >>> departure(one, one) is None, departure(one, other).name
        (True, 'fc')
    """
    for name, value in ours.items():
        if name not in theirs or not is_float(value):
            continue
        a, b = np.asarray(value), np.asarray(theirs[name])
        if a.shape != b.shape:
            return Departure(
                name, f"the value of '{name}' has shape {b.shape}, expected {a.shape}: not the same network"
            )
        with unwarned():
            off = np.abs(a - b)
        largest = max(float(np.abs(a).max(initial=0.0)), float(np.finfo(a.dtype).tiny))
        if not off.max(initial=0.0) <= CLOSE.get(a.dtype.name, 1e-2) * largest:
            at = np.unravel_index(int(np.nan_to_num(off, nan=np.inf).argmax()), off.shape)
            place = ", ".join(map(str, map(int, at)))
            return Departure(
                name,
                f"its forward pass departs at node '{name}' [{place}]: {b[at]:.6g} instead of {a[at]:.6g}; "
                "relevances of another forward pass are not compared",
            )
    return None
