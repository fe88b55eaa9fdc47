"""ROAD: imputation against a dense solver, and against what is known to be harmonic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import road
from lrp_ref.evaluate.imputation import impute, neighbours

RNG = np.random.default_rng(8)
X = RNG.normal(size=(4, 2, 6, 5))
R = RNG.normal(size=X.shape)
W = RNG.normal(size=(60, 3))


def f(x: Any) -> Any:
    return x.reshape(len(x), -1) @ W


def literal(sample: Any, removed: Any) -> Any:
    """Every removed pixel is the weighted mean of its neighbours: 1 along an axis, 1/2 across."""
    channels, high, wide = sample.shape
    found = sample.copy()
    places = [(y, x) for y in range(high) for x in range(wide) if removed[y, x]]
    for c in range(channels):
        system, right = np.zeros((len(places), len(places))), np.zeros(len(places))
        for row, (y, x) in enumerate(places):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    near = (y + dy, x + dx)
                    if (dy, dx) == (0, 0) or not (0 <= near[0] < high and 0 <= near[1] < wide):
                        continue
                    weight = 1.0 if 0 in (dy, dx) else 0.5
                    system[row, row] += weight
                    if removed[near]:
                        system[row, places.index(near)] -= weight
                    else:
                        right[row] += weight * sample[c][near]
        for (y, x), value in zip(places, np.linalg.solve(system, right), strict=True):
            found[c, y, x] = value
    return found


def test_imputation_is_that_of_a_dense_system() -> None:
    graph = neighbours((6, 5))
    for _ in range(10):
        removed = RNG.random((6, 5)) < RNG.uniform(0.1, 0.9)
        made = impute(X[0], removed.ravel(), graph, np.zeros((2, 6, 5)))
        np.testing.assert_allclose(made, literal(X[0], removed), atol=1e-10)


def test_a_gap_of_a_signal_is_a_straight_line() -> None:
    made = impute(
        np.array([[0.0, 9.0, 9.0, 9.0, 8.0]]), np.array([0, 1, 1, 1, 0], bool), neighbours((5,)), np.zeros((1, 5))
    )
    np.testing.assert_allclose(made, [[0.0, 2.0, 4.0, 6.0, 8.0]], atol=1e-12)


def test_a_plane_is_filled_in_without_error() -> None:
    """Inside, every pixel of a plane is the mean of its neighbours: f does not change."""
    y, x = np.mgrid[:6, :5]
    plane = np.stack([2.0 * y - 3.0 * x + 1.0, 0.5 * x + y])[None]
    scores = np.zeros((1, 6, 5))
    scores[0, 1:5, 1:4] = RNG.random((4, 3)) + 1
    made = (
        road(f, plane, scores, 1, steps=12, noise=0.0)
        if False
        else road(f, plane, scores, 1, steps=list(range(1, 13)), noise=0.0)
    )
    np.testing.assert_allclose(made.curve, made.curve[:, :1] * np.ones((1, 13)), atol=1e-9)
    with_noise = road(f, plane, scores, 1, steps=[12], noise=0.5)
    assert abs(with_noise.curve[0, 1] - with_noise.curve[0, 0]) > 1e-3


def test_the_whole_of_nothing_is_the_mean_of_the_channel() -> None:
    made = road(f, X, R, 0, steps=[30], noise=0.0)
    means = np.broadcast_to(X.mean(axis=(2, 3), keepdims=True), X.shape)
    np.testing.assert_allclose(made.curve[:, 1], f(means)[:, 0], atol=1e-12)


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_the_curve_removes_in_the_order_of_relevance(order: str) -> None:
    made = road(f, X, R, 2, order=order, noise=0.0, batch=7)
    assert made.counts == (0, 3, 6, 9, 12, 15, 18, 21, 24, 27)
    for k in range(4):
        scores = R[k].sum(axis=0).ravel()
        first = sorted(range(30), key=lambda unit: (-scores[unit] if order == "morf" else scores[unit], unit))
        for point, count in enumerate(made.counts):
            removed = np.zeros(30, bool)
            removed[first[:count]] = True
            np.testing.assert_allclose(
                made.curve[k, point], f(literal(X[k], removed.reshape(6, 5))[None])[0, 2], atol=1e-9
            )


def test_noise_comes_from_the_seed_alone() -> None:
    full = road(f, X, R, 0, noise=0.1, seed=2).curve
    np.testing.assert_array_equal(full, road(f, X, R, 0, noise=0.1, seed=2).curve)
    assert (full[:, 1:] != road(f, X, R, 0, noise=0.1, seed=3).curve[:, 1:]).all()
    np.testing.assert_allclose(road(f, X[2:3], R[2:3], 0, noise=0.1, seed=2).curve[0], full[2], atol=1e-12)
    # A linear f shows the noise: σ · draw on the removed pixels.
    drawn = np.random.default_rng(2).standard_normal((2, 6, 5)) * 0.1
    clean = road(f, X, R, 0, steps=[30], noise=0.0).curve
    noisy = road(f, X, R, 0, steps=[30], noise=0.1, seed=2).curve
    np.testing.assert_allclose(noisy[:, 1] - clean[:, 1], f(drawn[None])[0, 0], atol=1e-10)


def test_dtype_none_and_refusals() -> None:
    weights = W.astype("f4")
    made = road(lambda x: x.reshape(len(x), -1) @ weights, X.astype("f4"), R.astype("f4"), 0)
    assert made.curve.dtype == np.float32
    assert road(f, X[:0], R[:0]).curve.shape == (0, 10)
    with pytest.raises(ShapeError, match="spatial axes"):
        road(f, X.reshape(4, -1), R.reshape(4, -1), 0)
    with pytest.raises(ParameterError, match="noise is -1"):
        road(f, X, R, 0, noise=-1)
    with pytest.raises(UnsupportedError, match="to_float"):
        road(f, rational(X), rational(R), 0)
