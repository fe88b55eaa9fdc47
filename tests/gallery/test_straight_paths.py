"""Paths and the autocorrelation of maps along them: sequences whose autocorrelation is known."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref import layers
from lrp_ref.gallery.analysis import paths
from lrp_ref.gallery.analysis.signs import held, often
from lrp_ref.network import Network


def test_a_path_leads_in_equal_steps_from_one_input_to_the_other() -> None:
    found = paths.path(np.array([0.0, 2.0]), np.array([4.0, 0.0]), 5)
    assert found.tolist() == [[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]]


def test_waves_return_after_their_length_and_are_opposite_after_half() -> None:
    wave = np.sin(2 * np.pi * np.arange(2000) / 20)[None, :, None]
    after = [float(paths.autocorrelation(wave, lag)[0]) for lag in (20, 10, 5)]
    assert after == pytest.approx([1, -1, 0], abs=0.02)


def test_noise_foretells_nothing_and_a_constant_everything() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 2000, 8))
    assert abs(float(paths.autocorrelation(noise, 3)[0])) < 0.05
    assert paths.autocorrelation(np.full((2, 50, 4), 7.5), 3).tolist() == [1, 1]


def test_the_autocorrelation_agrees_with_numpy() -> None:
    maps = np.random.default_rng(1).normal(size=(3, 40, 5)).cumsum(axis=1)
    literal = []
    for one in maps:
        apart = one - one.mean(axis=0)
        pairs = [apart[t] @ apart[t + 4] for t in range(36)]
        literal.append(np.mean(pairs) / np.mean([v @ v for v in apart]))
    assert paths.autocorrelation(maps, 4) == pytest.approx(np.array(literal))


def test_the_root_of_a_linear_output_is_its_foot_and_leaves_nothing_unexplained() -> None:
    net = Network.sequential([layers.Dense(np.array([[3.0], [4.0]]), np.array([-1.0]))])
    there, far, remainder, outside = paths.roots(net, np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert there.tolist() == [1, 1]
    assert far == pytest.approx([2 / 5, 3 / 5])  # |f| / ‖w‖, of inputs of length 1
    assert remainder == pytest.approx([0, 0], abs=1e-9)
    assert outside.tolist() == [0.5, 0.5]  # (0.76, −0.32) and (−0.36, 0.52)


def test_the_sign_test_wants_more_than_chance() -> None:
    assert [often(n, 20) for n in (20, 15, 14, 10, 5)] == [True, True, False, False, False]
    assert held([20, 20], 20) == "yes"
    assert held([20, 2], 20) == "in part"
    assert held([0], 0) == "no"
