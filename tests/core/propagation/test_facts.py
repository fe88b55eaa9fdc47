"""What follows from the graph holds in numbers, and leaving empty passes out changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from textbook_nets import BOUNDS, conv_net, draw, residual_net, seed

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.layers import Add, Clip, Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Tanh
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites, prepare
from lrp_ref.propagation.facts import Facts, facts


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    seed(request.node.name)


def deep_net() -> tuple[Network, tuple[int, ...]]:
    """ReLU6, overlapping max pool, a tanh and a residual sum: some inputs are ≥ 0 by the graph, some are not."""
    conv = [Conv(draw(4, c, 3, 3), draw(4), padding=1) for c in (2, 4, 4, 4)]
    nodes = [
        Node("c1", conv[0], ("x",)), Node("r1", Clip(0, 6), ("c1",)), Node("p1", MaxPool(3, stride=2), ("r1",)),
        Node("c2", conv[1], ("p1",)), Node("t2", Tanh(), ("c2",)), Node("c3", conv[2], ("t2",)),
        Node("add", Add(), ("c3", "p1")), Node("r3", ReLU(), ("add",)), Node("c4", conv[3], ("r3",)),
        Node("s4", Sigmoid(), ("c4",)), Node("flat", Flatten(), ("s4",)),
        Node("fc", Dense(draw(64, 3), draw(3)), ("flat",)),
    ]  # fmt: skip
    return Network(tuple(nodes), (Input("x"),), ("fc",)), (2, 9, 9)


NETS = [conv_net, residual_net, deep_net]


@pytest.mark.parametrize("build", NETS)
@pytest.mark.parametrize("name", composites.names())
def test_leaving_out_what_is_empty_by_the_graph_changes_nothing(
    name: str, build: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, shape = build()  # type: ignore[operator]
    x, start = draw(2, *shape), draw(2, 3)
    composite = composites.get(name, **BOUNDS.get(name, {}))
    with_facts = lrp.explain(net, x, start=start, composite=composite, trace=True)
    monkeypatch.setattr(prepare, "facts", lambda net, plan: (Facts(False, False),) * len(net))
    without = lrp.explain(net.map_arrays(lambda a: a), x, start=start, composite=composite, trace=True)
    assert with_facts.trace.diff(without.trace, tolerance=1e-13).equal
    for a, b in zip(with_facts.ledger, without.ledger, strict=True):
        for column in ("bias", "stabiliser", "dropped"):
            scale = np.abs(with_facts.trace.relevance[a.node]).reshape(2, -1).sum(axis=1).max()
            np.testing.assert_allclose(getattr(a, column), getattr(b, column), rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("build", NETS)
@pytest.mark.parametrize("name", composites.names())
def test_facts_hold_in_numbers(name: str, build: object) -> None:
    net, shape = build()  # type: ignore[operator]
    e = lrp.explain(
        net, draw(3, *shape), start=draw(3, 3), composite=composites.get(name, **BOUNDS.get(name, {})), canonize=False,
        trace=True,
    )  # fmt: skip
    for node, fact in zip(net.nodes, facts(net, e.plan), strict=True):
        if fact.nonnegative:
            assert all((e.trace.values[i] >= 0).all() for i in node.inputs), node.name
        if fact.active and node.name in e.trace.relevance:
            assert not e.trace.relevance[node.name][e.trace.values[node.name] <= 0].any(), node.name


def test_the_facts_of_a_chain() -> None:
    net = Network.sequential([Dense(draw(3, 3)), ReLU(), Dense(draw(3, 3)), ReLU(), Dense(draw(3, 2))])
    told = facts(net, composites.of_rule(rules.GeneralizedGamma(0.25)).plan(net))
    assert [f.nonnegative for f in told] == [False, False, True, False, True]
    assert [f.active for f in told] == [True, True, True, True, False]
    flat = facts(net, composites.of_rule(rules.Flat()).plan(net))
    assert [f.active for f in flat] == [False, False, False, False, False]
    spread = facts(net, composites.of_rule(rules.Epsilon(0.1, bias_share=1)).plan(net))
    assert not any(f.active for f in spread)


def test_false_facts_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    net, shape = deep_net()
    x = draw(2, *shape)
    right = lrp.explain(net, x, composite="epsilon_plus").relevance
    monkeypatch.setattr(prepare, "facts", lambda net, plan: (Facts(True, False),) * len(net))
    wrong = lrp.explain(net.map_arrays(lambda a: a), x, composite="epsilon_plus").relevance
    assert np.abs(right - wrong).max() > 1e-6 * np.abs(right).max()
