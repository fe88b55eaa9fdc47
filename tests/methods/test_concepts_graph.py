"""Attribution graphs: each concept's relevance against conditions on every value above it."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.layers import Add, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.methods import AttributionGraph, Concept, attribution_graph
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(192)
PLUS: dict[str, Any] = {"composite": "epsilon_plus"}


def small() -> Network:
    layers = [
        ("conv1", Conv(RNG.normal(size=(4, 2, 2, 2)), RNG.normal(size=4))), ("relu1", ReLU()),
        ("max", MaxPool(2, stride=1)),
        ("conv2", Conv(RNG.normal(size=(5, 4, 2, 2)), RNG.normal(size=5))), ("relu2", ReLU()), ("flat", Flatten()),
        ("dense1", Dense(RNG.normal(size=(20, 6)), RNG.normal(size=6))), ("relu3", ReLU()),
        ("dense2", Dense(RNG.normal(size=(6, 3)), RNG.normal(size=3))),
    ]  # fmt: skip
    return Network.sequential(layers)


SMALL, X = small(), RNG.normal(size=(1, 2, 5, 5))
AT = ("dense1", "conv2", "conv1")


def by_conditions(path: list[Concept], net: Network, x: Any, **asked: Any) -> Any:
    """Return the relevance (C,) of the channels of the last concept's value, under conditions on all above it."""
    conditions = {c.at: [c.channel] for c in path[:-1]}
    e = lrp.explain(net, x, conditions=conditions, trace=True, **asked)
    arrived = e.trace.relevance[path[-1].at]
    return arrived.reshape(*arrived.shape[:2], -1).sum(axis=2)[0]


def paths(concepts: tuple[Concept, ...], above: tuple[Concept, ...] = ()) -> list[list[Concept]]:
    found = []
    for c in concepts:
        found += [[*above, c], *paths(c.parts, (*above, c))]
    return found


@pytest.mark.parametrize("target", [0, 2])
def test_every_concept_is_the_strongest_under_the_conditions_above(target: int) -> None:
    asked: dict[str, Any] = {"target": target, **PLUS}
    graph = attribution_graph(SMALL, X, at=AT, width=[3, 2, 2], **asked)
    assert len(graph.top) == 3
    found = paths(graph.top)
    assert len(found) == 3 + 3 * 2 + 3 * 2 * 2
    for path in found:
        relevance = by_conditions(path, SMALL, X, **asked)
        concept = path[-1]
        assert concept.relevance == pytest.approx(relevance[concept.channel], abs=1e-14)
        assert concept.share == pytest.approx(relevance[concept.channel] / relevance.sum(), rel=1e-9)
    for siblings in (graph.top, *(c.parts for p in found for c in p[-1:] if c.parts)):
        path = next(p for p in found if p[-1] is siblings[0])
        relevance = by_conditions(path, SMALL, X, **asked)
        order = sorted(range(len(relevance)), key=lambda k: -abs(relevance[k]))
        assert [c.channel for c in siblings] == order[: len(siblings)]


def test_all_parts_of_a_concept_add_up_to_what_goes_down_from_it() -> None:
    """What is missing to the concept's own relevance went to biases between the values: so says the ledger."""
    net, x = rational(SMALL), rational(X)
    graph = attribution_graph(net, x, at=AT, width=[6, 5, 4], target=1, composite="epsilon_plus")
    for concept in graph.top:
        e = lrp.explain(net, x, target=1, conditions={"dense1": [concept.channel]}, **PLUS)
        rows = {r.node: r for r in e.ledger}
        assert sum(c.relevance for c in concept.parts) == pytest.approx(
            float(rows["conv2"].relevance_out[0]), abs=1e-12
        )


def test_around_a_branch_only_what_comes_from_the_concept_counts() -> None:
    nodes = (
        Node("conv1", Conv(RNG.normal(size=(3, 2, 3, 3)), RNG.normal(size=3), padding=1), ("x",)),
        Node("conv2", Conv(RNG.normal(size=(3, 3, 3, 3)), RNG.normal(size=3), padding=1), ("conv1",)),
        Node("sum", Add(), ("conv2", "conv1")),
        Node("flat", Flatten(), ("sum",)),
        Node("dense", Dense(RNG.normal(size=(27, 3)), RNG.normal(size=3)), ("flat",)),
    )
    net, x = Network(nodes, (Input("x", (None, 2, 3, 3)),), ("dense",)), RNG.normal(size=(1, 2, 3, 3))
    graph = attribution_graph(net, x, at=["conv2", "conv1"], width=[3], target=0, **PLUS)
    top = lrp.explain(net, x, target=0, trace=True, **PLUS).trace.relevance["conv2"]
    for concept in graph.top:
        start = np.where((np.arange(3) == concept.channel).reshape(1, 3, 1, 1), top, 0.0)
        down = lrp.explain(net.until("conv2"), x, start=start, trace=True, **PLUS).trace.relevance["conv1"]
        for part in concept.parts:
            assert part.relevance == pytest.approx(down[0, part.channel].sum(), abs=1e-14)


def test_chosen_channels_and_the_last_width_for_all_further_values() -> None:
    graph = attribution_graph(SMALL, X, at=AT, channels=[5, 0], target=0, **PLUS)
    assert [c.channel for c in graph.top] == [5, 0]
    reached = [c for c in graph.top if c.relevance]
    assert {len(c.parts) for c in reached} <= {2}
    assert {len(p.parts) for c in reached for p in c.parts if p.relevance} <= {2}


def test_a_concept_without_relevance_has_no_parts() -> None:
    layers = [("one", Dense(np.eye(2))), ("two", Dense(np.eye(2))), ("f", Dense(np.ones((2, 1))))]
    graph = attribution_graph(Network.sequential(layers), np.array([[3.0, 0.0]]), at=["two", "one"], composite="lrp0")
    assert [(c.channel, c.relevance, len(c.parts)) for c in graph.top] == [(0, 3.0, 2), (1, 0.0, 0)]
    nothing = attribution_graph(Network.sequential(layers), np.zeros((1, 2)), at=["two", "one"], composite="lrp0")
    assert [(c.relevance, c.share) for c in nothing.top] == [(0.0, 0.0)] * 2
    assert "digraph" in nothing.to_dot()


def test_as_json_as_dot_and_as_a_table() -> None:
    low = (Concept("conv1", 3, 0.5, 0.25), Concept("conv1", 0, -1.5, -0.75))
    top = (Concept('a "b"\\', 7, 2.0, 0.5, low), Concept("conv2", 1, 1.0, 0.25, (Concept("conv1", 3, 0.25, 0.25),)))
    graph = AttributionGraph(top, ("conv2", "conv1"))
    told = json.loads(json.dumps(graph.to_dict()))
    assert told["top"][0]["parts"][1] == {"at": "conv1", "channel": 0, "relevance": -1.5, "share": -0.75, "parts": []}
    dot = graph.to_dot()
    assert '"conv1[3]" [label="conv1[3]\\n0.75"]' in dot  # on two paths one node, with the sum of both
    assert '"a \\"b\\"\\\\[7]" -> "conv1[0]" [label="-1.5", penwidth=4.50, color="royalblue"]' in dot
    assert len(re.findall("->", dot)) == 3
    assert [r[0] for r in graph.rows()] == ['a "b"\\[7]', "  conv1[3]", "  conv1[0]", "conv2[1]", "  conv1[3]"]
    assert "<table" in graph._repr_html_()


WRONG: list[tuple[Any, type[LrpError], str]] = [
    (lambda: attribution_graph(SMALL, X, at=[]), ParameterError, "give at least one value, and widths from 1 on"),
    (lambda: attribution_graph(SMALL, X, at=AT, width=[2, 0]), ParameterError, "give at least one value, and widths"),
    (lambda: attribution_graph(SMALL, X, at=AT[::-1]), ParameterError, "give the values from the output down"),
    (lambda: attribution_graph(SMALL, X, at=["conv2", "conv2"]), ParameterError, "from the output down, each once"),
    (lambda: attribution_graph(SMALL, X, at=["conv3"]), ParameterError, "unknown node 'conv3'"),
    (lambda: attribution_graph(SMALL, X, at=AT, channels=[6]), ParameterError, "'dense1' has no channel 6; it has 6"),
    (lambda: attribution_graph(SMALL, X.repeat(2, axis=0), at=AT), ShapeError, "an attribution graph is of one sample; "
     "there are 2: give x[:1]"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_errors_say_what_to_do(call: Any, kind: type[LrpError], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        call()
