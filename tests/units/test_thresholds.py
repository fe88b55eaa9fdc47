"""Thresholds of units: the quantile of all numbers at once, though only the largest are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.units import Largest, thresholds
from tests.support import golden_methods

NET = lrp.Network.sequential([("units", lrp.layers.Identity())])
HUGE = lrp.Network.sequential([("huge", lrp.layers.Conv(np.full((1, 4, 1, 1), 1.7e308), None))])
QUANTILES = (0.0, 0.1, 1 / 3, 0.5, 0.9, 0.95, 0.995, 0.9999, 1.0)


def ties() -> np.ndarray[Any, Any]:
    """Negative numbers, zeros of both signs, and every number several times."""
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (13, 4, 3, 5)).astype(float) / 4
    x[:, 1] = np.maximum(x[:, 1], 0)  # as behind a ReLU
    x[:, 2] = -0.0
    x[:, 3] = rng.standard_normal((13, 3, 5))
    return x


@golden_methods.needed
@pytest.mark.parametrize("quantile", [0.995, 0.99, 0.95])
def test_the_stored_thresholds(quantile: float) -> None:
    stored = golden_methods.arrays("extra")
    found = thresholds(NET, stored["netdissect/activation"], at="units", quantile=quantile, batch=7)
    np.testing.assert_allclose(found, stored[f"netdissect/threshold_{quantile}"], rtol=1e-12)


@pytest.mark.parametrize("quantile", QUANTILES)
@pytest.mark.parametrize("sizes", [(13,), (1,) * 13, (2, 5, 6), (0, 7, 0, 0, 6, 0), (12, 1)])
def test_in_any_batches_bit_for_bit_the_quantile_of_all_at_once(quantile: float, sizes: tuple[int, ...]) -> None:
    x, ends = ties(), np.cumsum(sizes)
    batches = [x[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    expected = np.quantile(np.moveaxis(x, 1, 0).reshape(4, -1) + 0.0, quantile, axis=1)
    for given in (batches, tuple(batches)):
        assert thresholds(NET, given, at="units", quantile=quantile).tobytes() == expected.tobytes()
    once = thresholds(NET, iter(batches), at="units", quantile=quantile, samples=13)
    whole = thresholds(NET, x, at="units", quantile=quantile, batch=3)
    assert once.tobytes() == whole.tobytes() == expected.tobytes()


@pytest.mark.parametrize("quantile", QUANTILES)
@pytest.mark.parametrize("n", [1, 2, 3, 200, 201, 1000])
def test_places_between_two_numbers(quantile: float, n: int) -> None:
    values = np.random.default_rng(n).standard_normal((3, n))
    found = Largest(quantile, n)
    for cut in np.array_split(np.arange(n), 7):
        found = found.and_also(values[:, cut])
        assert found.kept is not None
        assert found.kept.shape[1] <= found.most <= np.ceil(n * (1 - quantile)) + 1
    assert found.threshold.tobytes() == np.quantile(values, quantile, axis=1).tobytes()


def test_the_part_above_the_threshold_is_what_was_asked_for() -> None:
    x = np.random.default_rng(1).standard_normal((40, 6, 7, 7))
    for quantile in (0.9, 0.95, 0.995):
        above = (x > thresholds(NET, x, at="units", quantile=quantile).reshape(-1, 1, 1)).sum(axis=(0, 2, 3))
        assert (abs(above - 40 * 49 * (1 - quantile)) < 1).all()


def test_float32_stays_and_lies_between_its_two_numbers() -> None:
    x = ties().astype(np.float32)
    found = thresholds(NET.astype("float32"), x, at="units", quantile=0.93)
    exact = np.quantile(np.moveaxis(x, 1, 0).reshape(4, -1).astype(np.float64), 0.93, axis=1)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, exact.astype(np.float32))


def test_one_image_units_without_positions_and_inputs() -> None:
    np.testing.assert_array_equal(thresholds(NET, ties()[:1], at="units", quantile=1.0), ties()[0].max(axis=(1, 2)))
    dense = lrp.Network.sequential([("fc", lrp.layers.Dense(np.eye(2)))])
    x = np.array([[1.0, 4.0], [2.0, 0.0], [3.0, 2.0]])
    np.testing.assert_array_equal(thresholds(dense, x, at="fc", quantile=0.5), [2.0, 2.0])
    np.testing.assert_array_equal(thresholds(dense, {"input": x}, at="input", quantile=0.5), [2.0, 2.0])


def test_progress_counts_the_samples() -> None:
    told: list[tuple[int, int]] = []
    thresholds(NET, ties(), at="units", batch=5, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 13), (10, 13), (13, 13)]


def one_by_one(x: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    for one in x:
        yield one[None]


def spoilt(value: float) -> np.ndarray[Any, Any]:
    x = ties()
    x[7, 3, 1, 2] = value
    return x


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (lambda: thresholds(NET, spoilt(np.nan), at="units"), NonFiniteError, "nan at .7, 3, 1, 2."),
        (lambda: thresholds(NET, spoilt(np.inf), at="input"), NonFiniteError, "inf at .7, 3, 1, 2."),
        (lambda: thresholds(HUGE, ties(), at="huge"), NonFiniteError, "node 'huge': the output"),
        (lambda: Largest(0.5, 2).and_also(np.array([[np.nan]])), NonFiniteError, "NaN or infinity"),
        (lambda: thresholds(NET, ties(), at="unit"), ParameterError, "unknown node 'unit': did you mean 'units'"),
        (lambda: thresholds(NET, ties(), at="units", quantile=1.5), ParameterError, "quantile is 1.5: give a part"),
        (lambda: thresholds(NET, ties(), at="units", quantile=np.nan), ParameterError, "quantile is nan: give"),
        (lambda: thresholds(NET, ties(), at="units", batch=0), ParameterError, "batch=0: take at least one"),
        (lambda: thresholds(NET, ties()[:0], at="units"), ParameterError, "the data set has no samples"),
        (lambda: thresholds(NET, [], at="units"), ParameterError, "the data set has no samples"),
        (lambda: thresholds(NET, one_by_one(ties()), at="units"), ParameterError, "a generator, which can be read"),
        (lambda: thresholds(NET, one_by_one(ties()), at="units", samples=14), ShapeError, "has 13 samples where 14"),
        (lambda: thresholds(NET, one_by_one(ties()), at="units", samples=12), ShapeError, "has 13 samples or more"),
        (lambda: thresholds(NET, [ties(), ties()[..., :4]], at="units"), ShapeError, "from sample 13 on: all"),
        (lambda: thresholds(NET, np.zeros(3), at="input"), ParameterError, "one number for each sample"),
        (lambda: Largest(0.5, 2).and_also(np.zeros((1, 3))), ShapeError, "3 more numbers of 1 units after 0 of 2"),
        (lambda: Largest(0.5, 3).and_also(np.zeros((1, 2))).threshold, ParameterError, "2 of 3 numbers"),
        (
            lambda: Largest(0.5, 3).and_also(np.zeros((1, 2))).and_also(np.zeros((2, 1))),
            ShapeError,
            "1 more numbers of 2 units after 2 of 3",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(asked: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        asked()
