"""How far maps move with their input: against loops, and where the answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from strict import STRICT, to_strict

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.evaluate import local_lipschitz, max_sensitivity, smoothed
from lrp_ref.evaluate.explainers import draws_like
from lrp_ref.layers import Dense, Flatten, ReLU, Tanh
from lrp_ref.network import Network

RNG = np.random.default_rng(61)
W = RNG.normal(size=(24, 5))
LINEAR = Network.sequential([Flatten(), Dense(W, RNG.normal(size=5))])
CURVED = Network.sequential([Flatten(), Dense(W, RNG.normal(size=5)), Tanh(), Dense(RNG.normal(size=(5, 3)))])
X = RNG.normal(size=(5, 2, 3, 4))
TARGET = np.array([0, 2, 1, 1, 0])
MEASURES = [max_sensitivity, local_lipschitz]


def gradient(net: Network, x: Any, target: Any) -> Any:
    return lrp.attribute(net, x, "gradient", target=target).relevance


def gradient_x_input(net: Network, x: Any, target: Any) -> Any:
    return gradient(net, x, target) * x


def size(a: Any) -> float:
    return math.sqrt(sum(float(v) ** 2 for v in np.ravel(a)))


def loop(measure: Any, net: Network, explain: Any, scale: float, noise: Any) -> list[float]:
    """The formulas, one sample and one draw at a time."""
    found = []
    for k in range(5):
        still = explain(net, X[k : k + 1], TARGET[k : k + 1])
        ratios = []
        for one in noise:
            moved = X[k : k + 1] + scale * one
            change = size(explain(net, moved, TARGET[k : k + 1]) - still)
            ratios.append(change / size(still) if measure is max_sensitivity else change / size(scale * one))
        found.append(max(ratios))
    return found


@pytest.mark.parametrize("explain", [gradient, gradient_x_input])
@pytest.mark.parametrize("scale", [0.02, 0.3])
@pytest.mark.parametrize("measure", MEASURES)
def test_each_is_that_of_a_loop(measure: Any, scale: float, explain: Any) -> None:
    noise = RNG.uniform(-1, 1, size=(6, 2, 3, 4))
    name = "radius" if measure is max_sensitivity else "sigma"
    found = measure(CURVED, explain, X, TARGET, noise=noise, **{name: scale})
    np.testing.assert_allclose(found, loop(measure, CURVED, explain, scale, noise), rtol=1e-9)
    drawn = draws_like(X, 6, 9, "uniform" if measure is max_sensitivity else "normal")
    found = measure(CURVED, explain, X, TARGET, draws=6, seed=9, **{name: scale})
    np.testing.assert_allclose(found, loop(measure, CURVED, explain, scale, drawn), rtol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_constant_gradient_does_not_move(measure: Any) -> None:
    assert (measure(LINEAR, gradient, X, TARGET) == 0).all()
    assert (measure(CURVED, gradient, X, TARGET) > 0).all()


def test_known_answers_of_gradient_times_input() -> None:
    """On a linear model R(x + δ) − R(x) = w δ: no more than r ‖w‖ over ‖w x‖, and that at a corner."""
    w = W[:, TARGET].T.reshape(X.shape)
    corners = np.sign(RNG.normal(size=(4, 2, 3, 4)))
    expected = [0.25 * size(w[k]) / size(w[k] * X[k]) for k in range(5)]
    found = max_sensitivity(LINEAR, gradient_x_input, X, TARGET, radius=0.25, noise=corners)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (max_sensitivity(LINEAR, gradient_x_input, X, TARGET, radius=0.25) < expected).all()
    # ‖w ξ‖/‖ξ‖ is at most the largest |w|, and that along its axis
    axis = np.zeros((1, 24))
    axis[0, np.argmax(abs(W[:, 1]))] = -3.0
    found = local_lipschitz(LINEAR, gradient_x_input, X, 1, noise=axis.reshape(1, 2, 3, 4))
    np.testing.assert_allclose(found, abs(W[:, 1]).max(), rtol=1e-12)
    assert (local_lipschitz(LINEAR, gradient_x_input, X, 1, draws=50) < abs(W[:, 1]).max()).all()


def test_the_largest_of_the_draws_counts() -> None:
    noise = RNG.uniform(-1, 1, size=(7, 2, 3, 4))
    for measure in MEASURES:
        each = [measure(CURVED, gradient, X, TARGET, noise=noise[k : k + 1]) for k in range(7)]
        np.testing.assert_allclose(measure(CURVED, gradient, X, TARGET, noise=noise), np.max(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_target_is_that_of_the_unmoved_input(measure: Any) -> None:
    asked: list[Any] = []

    def explain(net: Network, x: Any, target: Any) -> Any:
        asked.append(np.array(target))
        return gradient(net, x, target)

    best = CURVED.forward(X).argmax(axis=1)
    name = "radius" if measure is max_sensitivity else "sigma"
    found = measure(CURVED, explain, X, draws=4, batch=6, **{name: 2.0})
    assert (found == measure(CURVED, gradient, X, best, draws=4, batch=6, **{name: 2.0})).all()
    assert (asked[0] == best).all()
    assert all(len(one) <= 6 for one in asked)
    assert (np.concatenate(asked[1:]) == np.tile(best, (4, 1)).reshape(-1)).mean() == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_zero_maps_and_no_way(measure: Any) -> None:
    zero = lambda net, x, target: x * 0  # noqa: E731
    found = measure(CURVED, zero, X, TARGET)
    assert np.isnan(found).all() if measure is max_sensitivity else (found == 0).all()
    still = measure(CURVED, gradient, X, TARGET, noise=np.zeros((2, 2, 3, 4)))
    assert (still == 0).all() if measure is max_sensitivity else np.isnan(still).all()
    some = np.concatenate([np.zeros((1, 2, 3, 4)), np.ones((1, 2, 3, 4))])
    assert (measure(CURVED, gradient, X, TARGET, noise=some) > 0).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_one_sample_none_and_a_batch(measure: Any) -> None:
    whole = measure(CURVED, gradient_x_input, X, TARGET, seed=5)
    assert (whole == measure(CURVED, gradient_x_input, X, TARGET, seed=5)).all()
    assert (whole != measure(CURVED, gradient_x_input, X, TARGET, seed=6)).all()
    for k in range(5):
        alone = measure(CURVED, gradient_x_input, X[k : k + 1], TARGET[k], seed=5)
        assert alone[0] == pytest.approx(whole[k], rel=1e-9)
    for batch in (1, 3, 1000):
        found = measure(CURVED, gradient_x_input, X, TARGET, seed=5, batch=batch)
        np.testing.assert_allclose(found, whole, rtol=1e-9)
    assert measure(CURVED, gradient_x_input, X[:0], []).shape == (0,)
    assert measure(CURVED, gradient_x_input, X[:0]).shape == (0,)


@pytest.mark.parametrize("measure", MEASURES)
def test_progress_and_rows(measure: Any) -> None:
    seen: list[tuple[int, int]] = []
    measure(CURVED, gradient, X, TARGET, draws=8, batch=7, progress=lambda *told: seen.append(told))
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("measure", MEASURES)
def test_other_numbers_and_libraries(measure: Any) -> None:
    whole = measure(CURVED, gradient_x_input, X, TARGET)
    small = measure(CURVED.map_arrays(lambda a: a.astype(np.float32)), gradient_x_input, X.astype(np.float32), TARGET)
    assert small.dtype == np.float64
    np.testing.assert_allclose(small, whole, rtol=1e-3)
    there = measure(CURVED.to(STRICT), gradient_x_input, to_strict(X), TARGET)
    np.testing.assert_allclose(there, whole, rtol=1e-9)
    net = Network.sequential([Flatten(), Dense(W.round(1)), ReLU(), Dense(np.ones((5, 1)))])
    x = X.round(1)
    exact = measure(net.map_arrays(rational), gradient_x_input, rational(x), 0, draws=3)
    np.testing.assert_allclose(exact, measure(net, gradient_x_input, x, 0, draws=3), rtol=1e-9)


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**600])
def test_the_size_of_maps_does_not_matter(scale: float) -> None:
    """Their squares would be 0, or not finite."""
    scaled = lambda net, x, target: gradient_x_input(net, x, target) * scale  # noqa: E731
    whole = max_sensitivity(CURVED, gradient_x_input, X, TARGET)
    np.testing.assert_allclose(max_sensitivity(CURVED, scaled, X, TARGET), whole, rtol=1e-12)
    lipschitz = local_lipschitz(CURVED, gradient_x_input, X, TARGET) * scale
    np.testing.assert_allclose(local_lipschitz(CURVED, scaled, X, TARGET), lipschitz, rtol=1e-12)


# Smoothed explainers ------------------------------------------------------------------------------------------------


def test_a_smoothed_map_is_the_mean_over_noisy_inputs() -> None:
    noise = draws_like(X, 7, 4, "normal")
    spans = [X[k].max() - X[k].min() for k in range(5)]
    expected = [
        np.mean([gradient(CURVED, X[k : k + 1] + 0.2 * spans[k] * one, TARGET[k])[0] for one in noise], axis=0)
        for k in range(5)
    ]
    found = smoothed(gradient, draws=7, sigma=0.2, seed=4)(CURVED, X, TARGET)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(smoothed(gradient, draws=7, sigma=0.0)(LINEAR, X, TARGET).shape, X.shape)
    assert smoothed(gradient, draws=2)(CURVED, X.astype(np.float32), TARGET).dtype == np.float32
    assert smoothed(gradient)(CURVED, X[:0], []).shape == (0, 2, 3, 4)


def test_a_smoothed_map_does_not_depend_on_the_batch() -> None:
    explain = smoothed(gradient, draws=300, seed=4)  # more than one micro-batch
    whole = explain(CURVED, X, TARGET)
    for k in range(5):
        np.testing.assert_allclose(explain(CURVED, X[k : k + 1], TARGET[k]), whole[k : k + 1], atol=1e-13)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: max_sensitivity(LINEAR, gradient, X, 0, radius=0), ParameterError, "radius must be > 0, got 0"),
        (lambda: max_sensitivity(LINEAR, gradient, X, 0, radius=math.nan), ParameterError, "radius must be > 0"),
        (lambda: max_sensitivity(LINEAR, gradient, X, 0, radius="a"), ParameterError, "radius"),
        (lambda: local_lipschitz(LINEAR, gradient, X, 0, sigma=-1), ParameterError, "sigma must be > 0, got -1"),
        (lambda: local_lipschitz(LINEAR, gradient, X, 0, draws=0), ParameterError, "draw at least once"),
        (lambda: max_sensitivity(LINEAR, gradient, X, 0, noise=np.full((1, 2, 3, 4), 1.5)), ParameterError, "±1"),
        (lambda: max_sensitivity(LINEAR, gradient, X, 0, noise=X[0]), ShapeError, r"give \(draws, 2, 3, 4\)"),
        (lambda: local_lipschitz(LINEAR, gradient, X, 0, noise=X[:0]), ShapeError, r"give \(draws, 2, 3, 4\)"),
        (lambda: local_lipschitz(LINEAR, gradient, X, 0, noise=X * np.inf), NonFiniteError, "noise"),
        (lambda: local_lipschitz(LINEAR, gradient, X, 7), ParameterError, "target 7 is out of range"),
        (lambda: local_lipschitz(LINEAR, lambda *a: X * np.nan, X, 0), NonFiniteError, "the map of the explainer"),
        (lambda: smoothed(gradient, draws=0), ParameterError, "draw at least once"),
        (lambda: smoothed(gradient, sigma=-0.1), ParameterError, "sigma must be ≥ 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
