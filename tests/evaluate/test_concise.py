"""Conciseness against definitions that are not the code's, and at its ends."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref.arithmetic import rational
from lrp_ref.errors import NonFiniteError, ParameterError, UnsupportedError
from lrp_ref.evaluate import effective_complexity, entropy, gini, relevance_mass

RNG = np.random.default_rng(4)
R = RNG.normal(size=(6, 2, 4, 5))
R[2] = R[2].round()
FLAT = R.sum(axis=1).reshape(6, -1)
MEASURES = [gini, entropy, effective_complexity]


def test_gini_is_half_the_mean_difference_over_the_mean() -> None:
    for k in range(6):
        size = np.abs(FLAT[k])
        expected = np.abs(size[:, None] - size).mean() / (2 * size.mean())
        assert gini(R)[k] == pytest.approx(expected, abs=1e-12)


def test_gini_of_rationals_is_exact() -> None:
    rows = rational(RNG.integers(-9, 9, size=(3, 7)))
    for row, found in zip(rows, gini(rows), strict=True):
        size = [abs(Fraction(v)) for v in row]
        assert found == sum(abs(a - b) for a in size for b in size) / (2 * 7 * sum(size))
    with pytest.raises(UnsupportedError, match="entropy"):
        entropy(rows)


def test_entropy_is_that_of_scipy() -> None:
    from scipy.stats import entropy as expected

    np.testing.assert_allclose(entropy(R), [expected(np.abs(row)) for row in FLAT], atol=1e-12)


def test_the_effective_complexity_counts() -> None:
    for epsilon in (0, 1e-5, 0.3, 1):
        expected = [sum(abs(v) > epsilon * max(abs(row)) for v in row) for row in FLAT]
        assert effective_complexity(R, epsilon=epsilon).tolist() == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([0, 0, 0, -5], (0.75, 0, 1)),
        ([2, -2, 2, 2], (0, math.log(4), 4)),
        ([0, 0, 0, 0], (math.nan, 0, 0)),
    ],
)
def test_the_ends(row: list[float], expected: tuple[float, ...]) -> None:
    found = [measure(np.array([row], dtype=float))[0] for measure in MEASURES]
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("measure", MEASURES)
def test_units_alone_none_dtype_and_refusals(measure: Any) -> None:
    full = measure(R)
    np.testing.assert_allclose(measure(R.sum(axis=1)), full, atol=1e-12)
    np.testing.assert_allclose(measure(R, per="number"), measure(R.reshape(6, -1)), atol=1e-12)
    np.testing.assert_allclose([measure(R[k : k + 1])[0] for k in range(6)], full, atol=1e-12)
    np.testing.assert_allclose(measure(R * 1000), full, rtol=1e-10)
    assert measure(R[:0]).shape == (0,)
    assert measure(R.astype("f4")).dtype == np.float32
    with pytest.raises(NonFiniteError):
        measure(np.array([[np.nan, 1.0]]))
    with pytest.raises(ParameterError, match="unknown per"):
        measure(R, per="pixels")
    with pytest.raises(ParameterError, match="epsilon"):
        effective_complexity(R, epsilon=-1)


def test_half_and_single_precision_are_summed_in_double() -> None:
    """A constant map of n numbers has the entropy ln n, whatever its precision and size."""
    half = np.full((1, 1, 32, 32), 100, dtype=np.float16)
    large = np.full((1, 1, 32, 32), 1e37, dtype=np.float32)
    mask = np.zeros((1, 32, 32), dtype=bool)
    mask[:, :16] = True
    for maps in (half, large):
        assert abs(float(entropy(maps)[0]) - np.log(1024)) <= 4e-3
        assert abs(float(relevance_mass(maps, mask)[0]) - 0.5) <= 1e-3
