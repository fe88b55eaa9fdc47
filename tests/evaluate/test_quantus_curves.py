"""What Quantus returns while it replaces more and more is that of loops over samples, steps and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from quantus_case import (
    FILLS,
    TARGET,
    R,
    Values,
    W,
    X,
    filled,
    going,
    measured,
    outputs,
)

from lrp_ref import evaluate
from lrp_ref.evaluate import quantus


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("step", [1, 3])
def test_pixel_flipping_is_that_of_a_loop(step: int, fill: float | str, softmax: bool) -> None:
    found = quantus.pixel_flipping(outputs, X, R, TARGET, fill=fill, step=step, softmax=softmax)
    assert found.shape == (5, 60 // step)
    for k in range(5):
        order = sorted(range(60), key=lambda i, k=k: -R[k].reshape(-1)[i])
        parts = [order[at : at + step] for at in range(0, 60, step)]
        np.testing.assert_allclose(found[k], going(X[k], parts, fill, TARGET[k], softmax), rtol=1e-10)


def test_the_mean_drifts() -> None:
    """Ours is the mean of the sample as it was given, and only the first step is the same."""
    mean = np.broadcast_to(X.mean(axis=(1, 2, 3), keepdims=True), X.shape)
    ours = evaluate.pixel_flipping(outputs, X, R, TARGET, fill=mean, per="number")
    theirs = quantus.pixel_flipping(outputs, X, R, TARGET, fill="mean", softmax=False)
    np.testing.assert_allclose(theirs[:, 0], ours.curve[:, 1], rtol=1e-10)
    assert (abs(theirs[:, 30] - ours.curve[:, 31]) > 1e-3).all()


def test_only_the_unperturbed_point_is_missing() -> None:
    ours = evaluate.pixel_flipping(outputs, X, R, TARGET, fill=0.5, per="number")
    theirs = quantus.pixel_flipping(outputs, X, R, TARGET, fill=0.5, softmax=False)
    np.testing.assert_allclose(theirs, ours.curve[:, 1:], rtol=1e-10)
    np.testing.assert_allclose(quantus.area(theirs), np.trapezoid(theirs, axis=1), rtol=1e-12)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_regions_are_those_of_a_loop(size: int, fill: float | str, softmax: bool) -> None:
    """Pictures of 5 × 6 are padded on both sides to a multiple of the size, the smaller half first."""
    above, left = (-5 % size) // 2, (-6 % size) // 2
    wide, high = (6 + size - 1) // size, (5 + size - 1) // size
    given = (outputs, X, R, TARGET)
    for order, sign in (("morf", -1), ("lerf", 1)):
        falls = quantus.region_perturbation(*given, size=size, fill=fill, order=order, softmax=softmax)
        assert falls.shape == (5, wide * high)
        for k in range(5):
            padded = np.pad(X[k], ((0, 0), (above, -5 % size - above), (left, -6 % size - left)), mode="edge")
            squares, sums = [], []
            for row in range(high):
                for column in range(wide):
                    places = [
                        (c, row * size + i, column * size + j)
                        for c in range(2) for i in range(size) for j in range(size)
                    ]  # fmt: skip
                    squares.append(places)
                    inner = [
                        R[k, c, i - above, j - left]
                        for c, i, j in places if 0 <= i - above < 5 and 0 <= j - left < 6
                    ]  # fmt: skip
                    sums.append(sign * sum(inner))
            whole, curve = measured(X[k], TARGET[k], softmax), []
            for number in sorted(range(len(squares)), key=sums.__getitem__):
                value = filled(padded.reshape(-1).tolist(), fill)
                for place in squares[number]:
                    padded[place] = value
                curve.append(measured(padded[:, above : above + 5, left : left + 6], TARGET[k], softmax))
            np.testing.assert_allclose(falls[k], [whole - value for value in curve], rtol=1e-9, atol=1e-12)
            if order == "morf":
                after = quantus.selectivity(*given, size=size, fill=fill, softmax=softmax)[k]
                np.testing.assert_allclose(after, curve, rtol=1e-10)


def test_only_so_many_regions() -> None:
    every = quantus.region_perturbation(outputs, X, R, TARGET, size=2)
    assert np.array_equal(quantus.region_perturbation(outputs, X, R, TARGET, size=2, regions=4), every[:, :4])


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("batch", [64, 3])
def test_sensitivity_n_correlates_samples(step: int, batch: int) -> None:
    """Cumulative falls against the sums of each step, over the samples of the first batch, for 0.8 of 30 pixels."""
    found = quantus.sensitivity_n(outputs, X, R, TARGET, fill="mean", step=step, softmax=False, batch=batch)
    n, steps = min(5, batch), 24 // step
    falls, sums = [], []
    scores = R / abs(R).max()
    for k in range(n):
        order = sorted(range(60), key=lambda i, k=k: -R[k].reshape(-1)[i])
        parts = [order[at : at + step] for at in range(0, 60, step)]
        whole = measured(X[k], TARGET[k], False)
        falls.append([whole - value for value in going(X[k], parts, "mean", TARGET[k], False)][:steps])
        sums.append([sum(scores[k].reshape(-1)[i] for i in part) for part in parts][:steps])
    each = [np.corrcoef([row[j] for row in falls], [row[j] for row in sums])[0, 1] for j in range(steps)]
    assert found == pytest.approx(np.mean(each), rel=1e-9)


def test_sensitivity_n_is_not_1_on_a_linear_model() -> None:
    def linear(x: Values) -> Values:
        return x.reshape(len(x), -1) @ W

    maps = X * W[:, 0].reshape(1, 2, 5, 6)
    theirs = quantus.sensitivity_n(linear, X, maps, 0, fill=0.0, softmax=False)
    ours = evaluate.sensitivity_n(linear, X, maps, 0, n=9, fill=0.0)
    np.testing.assert_allclose(ours, 1, atol=1e-12)
    assert theirs < 0.9


def test_a_map_of_one_channel_or_none_is_that_of_all() -> None:
    single = R[:, :1]
    full = np.broadcast_to(single, X.shape)
    for curve in (quantus.pixel_flipping, quantus.region_perturbation):
        wanted = curve(outputs, X, full, TARGET)
        assert np.array_equal(curve(outputs, X, single, TARGET), wanted)
        assert np.array_equal(curve(outputs, X, single[:, 0], TARGET), wanted)
