"""Recordings as networks take them, the difference of groups, and what replacing values does to a known network."""

from __future__ import annotations

import numpy as np

from lrp_ref import Network, layers
from lrp_ref.gallery.applications import gait


def test_channels_and_times_come_back_to_their_places() -> None:
    x = np.arange(2 * 101 * 6.0).reshape(2, 101, 6)
    assert gait.fed("linear", x)[0, 6] == x[0, 1, 0], "time after time"
    assert gait.fed(gait.CNN, x)[0, 1, 0, 0] == x[0, 1, 0], "channel after channel"
    for name in gait.FILES:
        assert np.array_equal(gait.unfed(name, gait.fed(name, x)), x)


def test_cohens_d_by_hand() -> None:
    x = np.array([[1.0, 0.0], [3.0, 0.0], [6.0, 0.0], [8.0, 0.0], [10.0, 0.0]])
    spread = (1 * 2.0 + 2 * 4.0) / 3
    assert np.allclose(gait.cohen(x, np.array([0, 0, 1, 1, 1])), [(8 - 2) / spread**0.5, 0])


def test_what_carries_the_answer_is_lost_first() -> None:
    weight = np.zeros((606, 2))
    weight[:10, 1] = 1.0  # the first ten times of the first channel
    net = Network.sequential([layers.Flatten(), layers.Dense(weight, np.array([0.5, 0.0]))])
    x = np.ones((3, 101, 6))
    heat = np.zeros_like(x)
    heat[:, :10, 0] = 1.0
    found = gait.changed(net, x, np.ones(3, int), np.zeros((101, 6)), {"right": heat, "wrong": -heat})
    assert found["right"].tolist() == [1.0] + [0.0] * (len(gait.CHANGED) - 1)
    assert found["wrong"].tolist() == [1.0] * len(gait.CHANGED)
