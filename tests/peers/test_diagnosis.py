"""Planted differences: one step of an independent implementation is changed, and the node and the cause are named."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dialects_base import groups_of, hand_back, up
from planted import Net, Plant, named, trace
from plants import (
    ALPHA1,
    BIG,
    DIALECTS,
    GAMMA,
    IMAGE,
    NORMALISED,
    RESIDUAL,
    TIED,
    UNKNOWN,
    ZERO_PLUS,
    L,
    diagnosed,
    of_sample,
    ours,
    times,
)  # fmt: skip

import lrp_ref as lrp
from lrp_ref.peers.diagnosis import diagnose, focusing


@pytest.mark.parametrize("name", DIALECTS)
def test_a_planted_dialect_is_named(name: str) -> None:
    case = DIALECTS[name]
    found = diagnosed(case.net, Plant(steps={case.node: case.wrong}))
    assert (found.node, found.kind) == (case.node, "relevance"), found
    assert found.switches == case.switches, found.table()
    assert found.alternatives == () or name in UNDECIDED, found
    assert not found.unexplained
    assert {s.node for s in found.steps} == {case.node}
    for key, value in (case.numbers or {}).items():
        assert found.steps[0].numbers[key] == pytest.approx(value, rel=1e-6)


UNDECIDED: tuple[str, ...] = ()


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_name_is_unexplained_at_its_node(name: str) -> None:
    net, node, wrong = UNKNOWN[name]
    found = diagnosed(net, Plant(steps={node: wrong}))
    assert (found.node, found.kind) == (node, "relevance"), found
    assert found.switches == ()
    assert found.unexplained == (node,), found.table()
    assert "unexplained" in found.statement


# The forward pass -------------------------------------------------------------------------------------------------


def spec_of(net: Net, node: str, **changes: Any) -> Any:
    spec = next(s for n, s, _ in net.nodes if n == node)
    return {**spec, **changes}


W2 = spec_of(IMAGE, "c2")["weight"]
LAYERS = {
    "kernel-transposed": (IMAGE, "c2", spec_of(IMAGE, "c2", weight=W2.swapaxes(2, 3))),
    "kernel-flipped": (IMAGE, "c2", spec_of(IMAGE, "c2", weight=W2[:, :, ::-1, ::-1])),
    "channels-transposed": (IMAGE, "c2", spec_of(IMAGE, "c2", weight=W2.swapaxes(0, 1))),
    "padding-shifted": (IMAGE, "c1", spec_of(IMAGE, "c1", padding=[[2, 0], [2, 0]])),
    "weight-transposed": (L, "d2", spec_of(L, "d2", weight=spec_of(L, "d2")["weight"].T)),
    "bias-forgotten": (L, "d2", spec_of(L, "d2", bias=None)),
    "count-include-pad": (IMAGE, "mean", spec_of(IMAGE, "mean", count_include_pad=False)),
    "activation-forgotten": (L, "r2", {"type": "Flatten"}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_another_layer_is_named_where_it_gives_the_values(name: str) -> None:
    """The value departs, and nothing else: the relevance is that of the other layer."""
    net, node, spec = LAYERS[name]
    found = diagnosed(net, Plant(layers={node: spec}))
    assert (found.node, found.kind, found.switches) == (node, "value", (name,)), found
    assert len(found.steps) == 1, found.table()


@pytest.mark.parametrize(
    ("net", "node"), [(NORMALISED, "bn"), (IMAGE, "c1"), (L, "r1"), (RESIDUAL, "sum"), (IMAGE, "mean")]
)
def test_values_without_a_name_are_unexplained_at_their_node(net: Net, node: str) -> None:
    found = diagnosed(net, Plant(values={node: lambda v: 1.01 * v + 0.1 * np.tanh(v)}))
    assert (found.node, found.kind, found.switches) == (node, "value", ())
    assert found.unexplained[0] == node


# Forks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handed", "switch", "node"),
    [
        (lambda parts: parts[0], "branch-forgotten", "a"),
        (lambda parts: parts[1], "branch-forgotten", "sum"),
        (lambda parts: parts[0] + 2 * parts[1], "branch-doubled", "a"),
    ],
)
def test_a_branch_that_is_not_counted_is_named(handed: Any, switch: str, node: str) -> None:
    found = diagnosed(RESIDUAL, Plant(handed={"relu": handed}))
    assert (found.switches, found.node, found.steps[0].at) == ((switch,), node, "relu")


def test_the_branch_that_departs_is_told_from_the_sum() -> None:
    """Both hand relevance to one value; what the sum hands to its other operand is right, so that it is cleared."""
    found = diagnosed(RESIDUAL, Plant(steps={"a": times(1.1)}))
    assert (found.node, found.unexplained, found.steps[0].at) == ("a", ("a",), "relu")


# Several differences ----------------------------------------------------------------------------------------------


def test_differences_at_several_nodes_are_each_named() -> None:
    net = L.ruled(d1={"name": "WSquare"}, d2=ZERO_PLUS, d3=BIG)
    steps = {"d1": named("wsquare-bias"), "d2": named("zplus-bias"), "d3": named("eps-unsigned")}
    found = diagnosed(net, Plant(steps=steps))
    assert [(s.node, s.switches) for s in found.steps] == [
        ("d3", ("eps-unsigned",)), ("d2", ("zplus-bias",)), ("d1", ("wsquare-bias",)),
    ]  # fmt: skip
    assert found.switches == ("eps-unsigned", "zplus-bias", "wsquare-bias")


def test_two_differences_at_one_node_are_named_together() -> None:
    net = L.ruled(d3={**GAMMA, "stabiliser": {"kind": "add", "epsilon": 0.1}})

    def both(s: Any) -> Any:
        W, b = s.m.W + 0.25 * up(s.m.W), s.m.b
        return s.a * (W @ (s.R / (s.a @ W + b + 0.1)))

    found = diagnosed(net, Plant(steps={"d3": of_sample(both)}))
    assert set(found.switches) == {"gamma-bias", "eps-unsigned"}, found


def test_a_switch_and_a_number_are_named_together() -> None:
    net = IMAGE.ruled(c1=ZERO_PLUS)

    def both(s: Any) -> Any:
        (g,) = groups_of(replace(s, rule=ALPHA1))
        return hand_back(replace(g, b=g.b + 1e-3))

    found = diagnosed(net, Plant(steps={"c1": of_sample(both)}))
    assert set(found.switches) == {"zplus-bias", "eps-default"}, found
    assert found.steps[0].numbers == {"epsilon": 1e-3}


def test_a_trace_that_agrees_has_no_step() -> None:
    for net in (L, IMAGE, RESIDUAL, NORMALISED, TIED):
        found = diagnosed(net, Plant())
        assert (found.steps, found.node, found.kind, found.case) == ((), "", "", None)
        assert "no difference above" in found.statement


def test_what_one_layer_does_not_tell_apart_another_one_does() -> None:
    """On inputs that are not negative α1β0 with b⁺ + b⁻ is α1β0 with all of b; a layer with negative inputs decides."""
    net = L.ruled(d1=ALPHA1, d3=ALPHA1)
    wrong = named("ab-bias-both")
    found = diagnosed(L.ruled(d3=ALPHA1), Plant(steps={"d3": wrong}))
    assert {found.switches, *found.alternatives} == {("ab-bias-both",), ("ab-bias-full",)}
    assert "ab-bias-both or ab-bias-full: the data of this layer does not tell them apart" in found.statement
    decided = diagnosed(net, Plant(steps={"d1": wrong, "d3": wrong}))
    assert [(s.node, s.name) for s in decided.steps] == [("d3", "ab-bias-both"), ("d1", "ab-bias-both")]


def test_what_would_have_changed_a_layer_that_agrees_is_not_named() -> None:
    """Both forms of the bias fit the last layer; one of them would have changed the first one, which agrees."""
    nodes = tuple((n, {**s, "bias": np.abs(s["bias"])} if n == "d1" else s, i) for n, s, i in L.nodes)
    net, wrong = replace(L, nodes=nodes).ruled(d1=ALPHA1, d3=ALPHA1), named("ab-bias-both")
    found = diagnosed(net, Plant(steps={"d1": wrong, "d3": wrong}))
    assert [(s.node, s.name) for s in found.steps] == [("d3", "ab-bias-both")]


def test_too_few_numbers_are_enough_for_what_another_layer_proves() -> None:
    wrong = named("ab-bias-both")
    alone = diagnosed(L.ruled(d2=ALPHA1), Plant(steps={"d2": wrong}))
    assert alone.switches == ()
    assert alone.steps[0].differing == 1
    assert "ab-bias-both or ab-bias-full would give it, but too few numbers differ" in alone.statement
    found = diagnosed(L.ruled(d2=ALPHA1, d3=ALPHA1), Plant(steps={"d2": wrong, "d3": wrong}))
    assert [(s.node, s.name) for s in found.steps] == [
        ("d3", "ab-bias-both or ab-bias-full"), ("d2", "ab-bias-both or ab-bias-full"),
    ]  # fmt: skip


def test_one_number_alone_is_no_proof() -> None:
    """Where a single number differs, what would give it is told, and nothing is named."""
    nodes = tuple((n, {**s, "bias": np.zeros(5)} if n == "d2" else s, i) for n, s, i in L.nodes)
    net = replace(L, nodes=nodes, x=L.x[:1], start=L.start[:1])
    theirs = trace(net)
    wrong = theirs.relevance["r1"].copy()
    wrong[0, 0] *= 1.5
    changed = lrp.Trace(theirs.values, {**theirs.relevance, "r1": wrong, "d1": wrong})
    found = diagnose(net.network, net.asked, ours(net), changed)
    assert found.switches == ()
    assert found.steps[0].differing == 1


# What a trace shows -----------------------------------------------------------------------------------------------


def test_relevances_alone_are_enough_and_gaps_are_walked() -> None:
    """Of programs that show no values, and relevances at some layers only."""
    net = IMAGE.ruled(c1=ZERO_PLUS)
    theirs = trace(net, Plant(steps={"c1": named("zplus-bias")}))
    for names in (("d", "c1", "input"), ("d", "mean", "max", "input")):
        found = diagnose(net.network, net.asked, ours(net), lrp.Trace({}, {n: theirs.relevance[n] for n in names}))
        assert (found.node, found.switches) == ("c1", ("zplus-bias",)), found
    shown = {n: theirs.values[n] for n in ("d", "c2")}
    found = diagnose(net.network, net.asked, ours(net), lrp.Trace(shown, theirs.relevance))
    assert (found.node, found.switches) == ("c1", ("zplus-bias",)), found


def test_names_of_the_other_program_are_found_or_given() -> None:
    net = L.ruled(d2=ZERO_PLUS)
    theirs = trace(net, Plant(steps={"d2": named("zplus-bias")}))
    other = [{f"module.{n}": v for n, v in part.items()} for part in (theirs.values, theirs.relevance)]
    found = diagnose(net.network, net.asked, ours(net), lrp.Trace(*other))
    assert (found.node, found.switches) == ("d2", ("zplus-bias",))
    mapping = {n: f"module.{n}" for n in theirs.values}
    found = diagnose(net.network, net.asked, ours(net), lrp.Trace(*other), mapping=mapping)
    assert (found.node, found.switches) == ("d2", ("zplus-bias",))


@pytest.mark.parametrize("name", ["zplus-bias", "ab-bias-both", "epsilon", "gamma-bias", "maxpool-flat", "bn-kind"])
def test_float32_traces_are_diagnosed(name: str) -> None:
    case = DIALECTS[name]
    theirs = trace(case.net, Plant(steps={case.node: case.wrong})).map(lambda a: a.astype(np.float32))
    own = ours(case.net).map(lambda a: a.astype(np.float32))
    found = diagnose(case.net.network.astype("float32"), case.net.asked, own, theirs)
    assert (found.node, found.switches) == (case.node, case.switches), found


def test_a_float32_trace_that_agrees_has_no_step() -> None:
    for net in (L, IMAGE, RESIDUAL, NORMALISED):
        theirs = trace(net).map(lambda a: a.astype(np.float32))
        found = diagnose(net.network, net.asked, ours(net), theirs)
        assert found.steps == (), found


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (lambda n, v: (n.start != 0) * 1.0, "1 at the explained outputs"),
        (lambda n, v: v, "the values of all outputs"),
        (lambda n, v: np.maximum(n.start, 0), "nothing where it would be negative"),
    ],
)
def test_another_start_is_named(start: Any, says: str) -> None:
    net = replace(L, start=L.start * (np.arange(4) != 2))
    value = trace(L).values["d3"]
    found = diagnose(L.network, L.asked, ours(net), trace(replace(net, start=start(net, value))))
    assert (found.switches, found.steps[0].at, len(found.steps)) == (("start",), "d3", 1)
    assert says in found.statement


def test_a_start_without_a_name_is_unexplained() -> None:
    found = diagnose(L.network, L.asked, ours(L), trace(replace(L, start=L.start * 1.7)))
    assert found.switches == ()
    assert found.unexplained == ("d3",)


# Large layers -----------------------------------------------------------------------------------------------------

WINDOWED = ["ab-bias-both-conv", "zplus-bias-conv", "gamma-bias", "wsquare-bias", "flat-border",
            "maxpool-flat", "mean-uniform", "epsilon-conv"]  # fmt: skip


@pytest.mark.parametrize("name", WINDOWED)
def test_a_part_of_a_layer_tells_what_the_whole_tells(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search on a few positions: the same names, and what they predict is checked on the whole layer."""
    parts = []
    cut = focusing.focused

    def watched(spot: Any) -> Any:
        parts.append(cut(spot))
        return parts[-1]

    for key, value in (("LARGE", 1), ("SIZE", 3), ("focused", watched)):
        monkeypatch.setattr(focusing, key, value)
    case = DIALECTS[name]
    found = diagnosed(case.net, Plant(steps={case.node: case.wrong}))
    assert (found.node, found.switches, found.unexplained) == (case.node, case.switches, ())
    assert [p.got.shape[0] for p in parts if p is not None] == [1]
    assert found.steps[0].count == trace(case.net).relevance[found.steps[0].at].size


def test_a_large_convolution_is_diagnosed_in_seconds() -> None:
    """With z⁺ as αβ(1, 0) and 1e-6 in every denominator, as zennit has it: a switch and a number."""
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(32, 32, 3, 3)), random.normal(size=32)
    net = lrp.Network.sequential([("conv", lrp.layers.Conv(weight, bias, padding=1)), ("relu", lrp.layers.ReLU())])
    x = np.abs(random.normal(size=(1, 32, 96, 96)))
    start = net.forward(x)
    asked, computed = lrp.rules.ZPlus(), lrp.rules.AlphaBeta(1, 0, lrp.edits.add(1e-6))
    own, theirs = (
        lrp.explain(net, x, composite=lrp.Composite([("conv", rule)]), start=start).trace for rule in (asked, computed)
    )
    began = time.perf_counter()
    found = diagnose(net, {"conv": asked}, own, theirs)
    assert time.perf_counter() - began < 20
    assert (set(found.switches), found.steps[0].numbers) == ({"zplus-bias", "eps-default"}, {"epsilon": 1e-6})


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.999])
def test_one_factor_for_all_numbers_is_no_proof_of_an_epsilon(factor: float) -> None:
    """Of one output unit some ε gives any factor below 1, and all inputs agree: they tell one number."""
    start = np.array([[0.0, L.start[0, 1], 0.0, 0.0]])
    net = replace(L, x=L.x[:1], start=start)
    found = diagnosed(net, Plant(steps={"d3": times(factor)}))
    assert (found.node, found.switches) == ("d3", ()), found
    assert "too few numbers differ to tell it from chance" in found.statement
