"""Units set to the mean of their layer: in a linear network, the pass back that knows of the mean is replacing."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref import layers
from lrp_ref.gallery.applications import unit_to_layer_mean as application
from lrp_ref.network import Network


def told(what: str, done: int, total: int) -> None:
    """Be told."""


def test_in_a_linear_network_gradient_times_distance_from_the_mean_is_replacing() -> None:
    rng = np.random.default_rng(0)
    net = Network.sequential([
        layers.Conv(rng.normal(size=(2, 1, 3, 3)), rng.normal(size=2)), layers.Flatten(),
        layers.Dense(rng.normal(size=(18, 10)), rng.normal(size=10)),
    ])  # fmt: skip
    x = rng.uniform(size=(3, 1, 5, 5))
    maps, cost = application.asked(net, x, np.array([1, 2, 3]), ("input", "conv1"), told)
    for layer in ("input", "conv1"):
        assert maps[application.LINEAR][layer] == pytest.approx(maps[application.MEAN][layer], abs=1e-9)
    assert cost.units == 25 + 18


def test_centred_units_have_mean_zero_in_each_sample() -> None:
    found = application.centred(np.random.default_rng(1).uniform(size=(2, 3, 4, 4)))
    assert found.mean(axis=(1, 2, 3)) == pytest.approx(np.zeros(2), abs=1e-12)
