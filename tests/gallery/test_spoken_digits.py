"""What is said and who says it: profiles of maps, and bands that are silenced."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.applications import spoken_digits as application
from lrp_ref.gallery.sources import speech


def test_a_profile_is_of_positive_relevance_and_of_each_clip() -> None:
    maps = np.zeros((2, speech.BANDS, speech.FRAMES))
    maps[0, 4:6, 10], maps[0, 20, 3], maps[0, 30] = 3.0, 2.0, -9.0
    maps[1, 63, :2] = 1.0
    found = application.profile(maps)
    assert found.shape == (2, application.PAIRS)
    assert (found[0, 2], found[0, 10], found[1, 31]) == pytest.approx((0.75, 0.25, 1))
    assert found.sum(axis=1) == pytest.approx([1, 1])


def test_profiles_without_common_bands_are_wholly_apart() -> None:
    assert application.apart(np.array([1.0, 0, 0]), np.array([0, 0.5, 0.5])) == 1
    assert application.apart(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == 0.25


def test_silenced_bands_are_as_usual_and_the_others_as_they_were() -> None:
    x = np.random.default_rng(0).normal(size=(3, 1, speech.BANDS, speech.FRAMES))
    usual = np.arange(speech.BANDS) / 10
    found = application.silenced(x, np.array([0, 5]), usual)
    assert (found[:, 0, [0, 1, 10, 11]] == usual[[0, 1, 10, 11], None]).all()
    assert (found[:, :, 12:] == x[:, :, 12:]).all()
    assert (x != found).any()


def test_the_network_takes_spectrograms() -> None:
    x = np.zeros((2, 1, speech.BANDS, speech.FRAMES), np.float32)
    assert application.network(6, seed=1).forward(x).shape == (2, 6)
