"""When numbers of another program agree with a prediction: all of them, and enough to tell it from chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.arrays import unwarned
from ...propagation.differences import TOLERANCES

Array = np.ndarray[Any, Any]

EPS = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
# Relative to a sample's largest number: up to where a prediction is that of a program that computes in this dtype. A
# layer's rounding is far below what counts as a departure of whole traces.
PREDICTED = {"float16": 1e-2, "float32": 2e-5, "float64": 1e-9}
LEAST = 2  # numbers that have to differ from the plain prediction before a reason is named


@dataclass(frozen=True)
class Limits:
    """Relative differences by which numbers depart, and up to which a prediction agrees.

    Attributes:
        dtype: the less precise one of the two arrays.
        departs: from here on two arrays depart.
        agrees: up to here a prediction is right.
    """

    dtype: str
    departs: float
    agrees: float

    @staticmethod
    def of(dtype: str, tolerance: float | None) -> Limits:
        """Return the limits of a dtype, or those with a tolerance that is given."""
        departs = TOLERANCES[dtype] if tolerance is None else tolerance
        return Limits(dtype, departs, min(departs, PREDICTED[dtype]))


def shaken(array: Array, seed: int, eps: float) -> Array:
    """Return floats off by ±eps of themselves, equal ones by the same, so that ties stay ties; integers as they are."""
    if array.dtype.kind != "f":
        return array
    with unwarned():
        sign = np.where(np.sin(array * (12345.678 + 1000.1 * seed)) < 0, -1.0, 1.0)
        found: Array = np.where(np.isfinite(array), array * (1 + eps * sign), array)
    return found


def rows(array: Array) -> Array:
    """Return an array (N, ...) as (N, numbers)."""
    return array.reshape(len(array), -1)


def scale(predicted: Array, got: Array) -> Array:
    """Return each sample's largest finite number of both (N, 1)."""
    both = np.concatenate([rows(np.abs(predicted)), rows(np.abs(got))], axis=1)
    largest: Array = np.where(np.isfinite(both), both, 0.0).max(axis=1, initial=0.0)[:, None]
    return largest


def gaps(predicted: Array, got: Array) -> Array:
    """Return abs(predicted − got) (N, numbers); 0 where both are NaN or the same infinity, infinite where one is."""
    a, b = rows(predicted), rows(got)
    with unwarned():
        gap = np.abs(a - b)
    same = (np.isnan(a) & np.isnan(b)) | (a == b)
    found: Array = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
    return found


def off(predicted: Array, got: Array) -> float:
    """Return the largest difference relative to its sample's largest number; infinite where the shapes differ."""
    if predicted.shape != got.shape:
        return float("inf")
    if not got.size:
        return 0.0
    gap, size = gaps(predicted, got), scale(predicted, got)
    return float(np.where(gap == 0, 0.0, gap / np.where(size == 0, 1.0, size)).max())


def differing(predicted: Array, got: Array, limit: float) -> Array:
    """Return which numbers differ by more than a limit, relative to their sample's largest (N, numbers)."""
    found: Array = gaps(predicted, got) > limit * scale(predicted, got)
    return found
