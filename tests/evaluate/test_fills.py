"""What takes the place of what is removed, against loops and another filter."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref.arithmetic import rational
from lrp_ref.evaluate.fills import filling

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 2, 9, 8))
ALL = slice(None)


def full(fill: Any, x: Any = X, seed: int = 0) -> Any:
    return np.broadcast_to(filling(fill, x, seed)(ALL), x.shape)


def test_the_mean_is_that_of_each_channel_of_the_sample() -> None:
    for k in range(3):
        for c in range(2):
            np.testing.assert_allclose(full("mean")[k, c], X[k, c].sum() / 72, atol=1e-14)
    flat = X[:, 0, 0]
    np.testing.assert_allclose(full("mean", flat), flat.sum(axis=1, keepdims=True) / 8 * np.ones((1, 8)), atol=1e-14)


def test_the_mean_of_rationals_is_exact() -> None:
    x = rational(np.arange(6).reshape(1, 2, 3))
    assert [full("mean", x)[0, c, 0] for c in (0, 1)] == [Fraction(1), Fraction(4)]
    assert full(0.1, x)[0, 0, 0] == Fraction(0.1)


def test_noise_lies_in_the_range_of_the_channel_and_comes_from_the_seed() -> None:
    made = full("noise", seed=4)
    low, high = X.min(axis=(2, 3), keepdims=True), X.max(axis=(2, 3), keepdims=True)
    place = (made - low) / (high - low)
    assert ((place >= 0) & (place < 1)).all()
    np.testing.assert_allclose(place, np.random.default_rng(4).random((2, 9, 8))[None].repeat(3, axis=0), atol=1e-12)
    np.testing.assert_array_equal(made, full("noise", seed=4))
    assert (made != full("noise", seed=5)).all()


def test_blur_is_a_gaussian_of_eleven_pixels() -> None:
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / 5) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(X, [(0, 0), (0, 0), (5, 5), (5, 5)], mode="symmetric")
    rows = sum(k * padded[:, :, i : i + 9, :] for i, k in enumerate(kernel))
    expected = sum(k * rows[:, :, :, i : i + 8] for i, k in enumerate(kernel))
    np.testing.assert_allclose(full("blur"), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "noise", "blur"])
def test_float32_stays_float32(name: str) -> None:
    assert filling(name, X.astype("f4"))(ALL).dtype == np.float32


def test_arrays_for_channels_for_a_sample_and_for_all() -> None:
    np.testing.assert_array_equal(full([1.0, 2.0])[2, 1], 2.0)
    np.testing.assert_array_equal(full(np.array([7.0])), 7.0)
    sample = RNG.normal(size=(2, 9, 8))
    np.testing.assert_array_equal(full(sample)[1], sample)
    whole = RNG.normal(size=X.shape)
    np.testing.assert_array_equal(filling(whole, X)(slice(1, 3)), whole[1:3])
