"""Exact numbers for the textbook's tests."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

F = Fraction


def exact(*values: Any) -> Any:
    """Return an object array of Fractions from nested sequences, numbers or strings like "1/2"."""
    return np.vectorize(F, otypes=[object])(np.array(values, dtype=object))


def rationals(rng: np.random.Generator, *shape: int) -> Any:
    """Return random rationals of both signs in which about one in four is zero."""
    size = int(np.prod(shape))
    drawn = zip(rng.integers(-5, 6, size), rng.integers(1, 7, size), rng.random(size) < 0.8, strict=True)
    return np.array([F(int(n), int(d)) if keep else F(0) for n, d, keep in drawn]).reshape(shape)
