"""What Quantus returns where it explains again, by hand and as loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from quantus_case import (
    TARGET,
    B,
    Values,
    W,
    X,
    detector,
    gradient,
    gradient_x_input,
)

import lrp_ref as lrp
from lrp_ref import evaluate
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Conv, Dense, Flatten, ReLU

RNG = np.random.default_rng(4)


def test_input_invariance_does_not_shift_the_first_number() -> None:
    """ReLU(x_0) with x_0 = −½ has gradient 0; the bias that takes off the shift of −1 makes it ReLU(½)."""
    net, x = detector(0), np.array([[[-0.5, 2.0, -3.0, 2.0]], [[0.5, 2.0, -3.0, 2.0]]])
    assert quantus.input_invariance(net, gradient, x, 0).tolist() == [0, 1]
    np.testing.assert_allclose(evaluate.input_invariance(net, gradient, x, 0, shift=-1.0), 0, atol=1e-12)


def test_input_invariance_takes_off_the_smallest_shift_at_the_border_too() -> None:
    """The shift of −1 is −3 inside and −2 at the end; 3 are taken off, and x_2 + x_3 = −½ becomes ½."""
    net, x = detector(1), np.array([[[5.0, 2.0, 1.0, -1.5]], [[5.0, 2.0, 1.0, 1.5]]])
    assert quantus.input_invariance(net, gradient, x, 0).tolist() == [0, 1]


def test_input_invariance_of_a_bias_and_by_how_much() -> None:
    """A bias is kept, and numbers that differ by less than 10⁻⁴ agree."""
    conv = Conv(np.ones((1, 1, 1)), np.array([7.0]))
    biased = lrp.Network.sequential([conv, ReLU(), Flatten(), Dense(np.ones((4, 1)))])
    x = np.array([[[-6.5, 2.0, -3.0, 2.0]], [[-7.5, 2.0, -3.0, 2.0]]])
    assert quantus.input_invariance(biased, gradient, x, 0).tolist() == [1, 0]

    def nearly(by: float) -> Callable[..., Values]:
        return lambda net, x, target: x * 0 + by * (x[:, :, 1:2] < 1.5)

    assert quantus.input_invariance(detector(0), nearly(0.9e-4), x, 0).tolist() == [1, 1]
    assert quantus.input_invariance(detector(0), nearly(1.1e-4), x, 0).tolist() == [0, 0]


HIDDEN = Dense(RNG.normal(size=(60, 9)) / 4, RNG.normal(size=9))
NET = lrp.Network.sequential([Flatten(), HIDDEN, ReLU(), Dense(RNG.normal(size=(9, 3)), RNG.normal(size=3))])


def test_random_logit_is_of_vectors() -> None:
    """A window of seven goes from the end of a line into the next; ours is of pictures."""
    metrics = pytest.importorskip("skimage.metrics")
    x = RNG.normal(size=(3, 1, 8, 8))
    made = {0: RNG.normal(size=(8, 8)), 1: RNG.normal(size=(8, 8))}

    def explain(net: Any, x: Values, target: Any) -> Values:
        return np.stack([made[int(t)][None] * (k + 1) for k, t in enumerate(target)])

    net = lrp.Network.sequential([Flatten(), Dense(RNG.normal(size=(64, 2)))])
    found = quantus.random_logit(net, explain, x, 0, num_classes=2)
    for k in range(3):
        pair = [made[t].reshape(-1) * (k + 1) / (3 * abs(made[t]).max()) for t in (0, 1)]
        together = np.concatenate(pair)
        span = together.max() - together.min()
        assert found[k] == pytest.approx(metrics.structural_similarity(*pair, data_range=span), rel=1e-9)
        as_pictures = metrics.structural_similarity(*(p.reshape(8, 8) for p in pair), data_range=span)
        assert abs(found[k] - as_pictures) > 1e-3
    whole = quantus.random_logit(net, explain, x, 0, others=1, normalise=False)
    together = np.concatenate([made[0].reshape(-1), made[1].reshape(-1)])
    span = together.max() - together.min()
    raw = metrics.structural_similarity(made[0].reshape(-1), made[1].reshape(-1), data_range=span)
    assert whole[0] == pytest.approx(raw, rel=1e-9)


def test_random_logit_takes_another_class_than_the_target() -> None:
    pytest.importorskip("skimage")
    asked: list[Values] = []

    def explain(net: Any, x: Values, target: Any) -> Values:
        asked.append(np.array(target))
        return x

    x = RNG.normal(size=(40, 1, 3, 20))
    target = np.arange(40) % 3
    net = lrp.Network.sequential([Flatten(), Dense(W, B)])
    assert quantus.random_logit(net, explain, x, target, num_classes=3).tolist() == pytest.approx([1] * 40)
    first, other = asked
    assert np.array_equal(first, target)
    assert (other != target).all()
    assert set(other.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("normalise", [False, True])
def test_stability_is_that_of_a_loop(normalise: bool) -> None:
    noise = np.random.default_rng(3).uniform(-1, 1, size=(4, *X.shape))

    def maps(x: Values) -> Values:
        found = gradient_x_input(NET, x, TARGET)
        return found / abs(found).max() if normalise else found

    given = (NET, gradient_x_input, X, TARGET)
    steep = quantus.local_lipschitz(*given, noise=noise, sigma=0.3, normalise=normalise)
    moved = quantus.max_sensitivity(*given, noise=noise, radius=0.3, normalise=normalise)
    still = maps(X)
    again = [maps(X + 0.3 * one) for one in noise]
    for k in range(5):
        moves = [math.sqrt(((one[k] - still[k]) ** 2).sum()) for one in again]
        ways = [math.sqrt(((0.3 * one[k]) ** 2).sum()) for one in noise]
        assert steep[k] == pytest.approx(max(m / w for m, w in zip(moves, ways, strict=True)), rel=1e-8)
        assert moved[k] == pytest.approx(max(moves) / math.sqrt((still[k] ** 2).sum()), rel=1e-10)
    same = np.stack([noise[:, 0]] * 5, axis=1)
    if not normalise:  # without the division it is ours, when all samples have the same draws
        theirs = quantus.max_sensitivity(*given, noise=same, radius=0.3, normalise=False)
        ours = evaluate.max_sensitivity(*given, noise=noise[:, 0], radius=0.3)
        np.testing.assert_allclose(theirs, ours, rtol=1e-12)


def test_a_map_that_grows_does_not_move() -> None:
    x = np.array([[1.0, 2.0]])
    net = lrp.Network.sequential([Dense(np.ones((2, 1)))])

    def grows(net: Any, x: Values, target: Any) -> Values:
        return 3 * x

    theirs = quantus.max_sensitivity(net, grows, x, 0, noise=x[None] / 2, radius=1.0, normalise=True)
    ours = evaluate.max_sensitivity(net, grows, x, 0, noise=x / 2, radius=1.0)
    assert theirs[0] == pytest.approx(0, abs=1e-12)
    assert ours[0] == pytest.approx(0.5, rel=1e-12)
    assert quantus.max_sensitivity(net, grows, x, 0, noise=x[None] / 2, radius=1.0)[0] == pytest.approx(0.5, rel=1e-12)


def test_a_map_of_zeros_moves_by_infinitely_much() -> None:
    x, net = np.zeros((1, 2)), lrp.Network.sequential([Dense(np.ones((2, 1)))])
    noise = np.full((1, 1, 2), 0.5)
    assert quantus.max_sensitivity(net, lambda net, x, target: 3 * x, x, 0, noise=noise).tolist() == [math.inf]
    assert np.isnan(quantus.max_sensitivity(net, lambda net, x, target: 0 * x, x, 0, noise=noise)).all()
    assert np.isnan(evaluate.max_sensitivity(net, lambda net, x, target: 3 * x, x, 0, noise=noise[0])).all()
