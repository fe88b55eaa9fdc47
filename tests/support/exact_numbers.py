"""Exact numbers for the textbook's tests."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.rules.edits import KEEP, NEG, ONES, POS, SQUARE, ZERO, Boost

F = Fraction
EDITED = [  # an edit, and what it makes of one number
    (KEEP, lambda c: c),
    (POS, lambda c: max(c, 0)),
    (NEG, lambda c: min(c, 0)),
    (ZERO, lambda c: 0),
    (ONES, lambda c: 1),
    (SQUARE, lambda c: c * c),
    (Boost(F(1, 4), "pos"), lambda c: c + F(1, 4) * max(c, 0)),
    (Boost(F(1, 4), "neg"), lambda c: c + F(1, 4) * min(c, 0)),
]


def exact(*values: Any) -> Any:
    """Return an object array of Fractions from nested sequences, numbers or strings like "1/2"."""
    return np.vectorize(F, otypes=[object])(np.array(values, dtype=object))


def rationals(rng: np.random.Generator, *shape: int) -> Any:
    """Return random rationals of both signs in which about one in four is zero."""
    size = int(np.prod(shape))
    drawn = zip(rng.integers(-5, 6, size), rng.integers(1, 7, size), rng.random(size) < 0.8, strict=True)
    return np.array([F(int(n), int(d)) if keep else F(0) for n, d, keep in drawn]).reshape(shape)
