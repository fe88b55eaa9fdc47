"""Concept relevance on an array module that has only what is asked of one, as on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from strict import STRICT, StrictArray

import lrp_ref as lrp
from lrp_ref.layers import AveragePool, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.methods import actmax, attribution_graph, concept_table, conditional_maps, relmax
from lrp_ref.network import Network

RNG = np.random.default_rng(193)
LAYERS = [
    ("conv1", Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3))), ("relu1", ReLU()),
    ("max", MaxPool(2, stride=1)),
    ("conv2", Conv(RNG.normal(size=(4, 3, 2, 2)), RNG.normal(size=4))), ("mean", AveragePool((2, 1))),
    ("flat", Flatten()), ("dense", Dense(RNG.normal(size=(8, 3)), RNG.normal(size=3))),
]  # fmt: skip
NET, X = Network.sequential(LAYERS), RNG.normal(size=(3, 2, 5, 5))
DEVICE, GIVEN = NET.map_arrays(STRICT.asarray), STRICT.asarray(X)
ASKED: dict[str, Any] = {"composite": "epsilon_plus", "target": 1}


def close(found: Any, expected: Any) -> bool:
    assert isinstance(found, StrictArray)
    return bool(np.abs(found.get() - expected).max() <= 1e-13)


def test_conditions() -> None:
    for given in ([0, 2], RNG.random((3, 4)) < 0.5, RNG.random((3, 4, 2, 2)) < 0.5):
        e = lrp.explain(DEVICE, GIVEN, conditions={"conv2": given}, **ASKED)
        assert close(e.relevance, lrp.explain(NET, X, conditions={"conv2": given}, **ASKED).relevance)
        on_device = STRICT.asarray(np.asarray(given))
        same = lrp.explain(DEVICE, GIVEN, conditions={"conv2": on_device}, **ASKED)
        assert close(same.relevance, e.relevance.get())


def test_maps_and_tables() -> None:
    maps, expected = (
        conditional_maps(n, x, at="conv2", channels=[3, 1], **ASKED) for n, x in ((DEVICE, GIVEN), (NET, X))
    )
    assert close(maps.relevance, expected.relevance)
    assert close(maps.concepts, expected.concepts)
    for norm in (None, "crp"):
        table, right = (concept_table(n, x, at="conv2", norm=norm, **ASKED) for n, x in ((DEVICE, GIVEN), (NET, X)))
        assert close(table.relevance, right.relevance)
        assert repr(table) == repr(right)


def test_graphs_and_searches_end_on_the_host() -> None:
    graph, expected = (
        attribution_graph(n, x[:1], at=["conv2", "conv1"], **ASKED) for n, x in ((DEVICE, GIVEN), (NET, X))
    )
    assert repr(graph) == repr(expected)
    for by in ("sum", "max"):
        found, right = (
            relmax(n, x, at="conv2", k=2, by=by, norm="crp", **ASKED) for n, x in ((DEVICE, GIVEN), (NET, X))
        )
        assert isinstance(found.values, np.ndarray)
        assert repr(found) == repr(right)
        active, expected_active = (actmax(n, x, at="conv2", k=2, by=by) for n, x in ((DEVICE, GIVEN), (NET, X)))
        assert repr(active) == repr(expected_active)
