"""Digits under five rules: the parts of the logit add up to it, on a small network and by an own sum."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref import layers
from lrp_ref.gallery.applications import digits
from lrp_ref.network import Network


def network() -> Network:
    rng = np.random.default_rng(3)
    return Network.sequential([
        layers.Conv(rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3)), layers.ReLU(), layers.AveragePool((2, 2)),
        layers.Flatten(), layers.Dense(rng.normal(size=(27, 10)), rng.normal(size=10)),
    ])  # fmt: skip


@pytest.mark.parametrize("rule", digits.RULES)
def test_the_parts_are_the_whole(rule: str) -> None:
    x = np.random.default_rng(1).uniform(size=(4, 1, 8, 8))
    net = network()
    chosen = net.forward(x).argmax(axis=1)
    found = digits.explained(net, x, chosen, digits.RULES[rule])
    assert found.parts.sum() == pytest.approx(1, abs=1e-9)
    assert found.residual < 1e-9
    logits = net.forward(x)[np.arange(4), chosen]
    assert found.parts[0] == pytest.approx(found.maps.sum() / logits.sum())


def test_nothing_cancels_under_z_plus() -> None:
    x = np.random.default_rng(2).uniform(size=(3, 1, 8, 8))
    net = network()
    found = digits.explained(net, x, net.forward(x).argmax(axis=1), digits.RULES["z⁺ and zᴮ"])
    assert found.maps.min() >= 0
    assert found.cancelling == pytest.approx(1)
