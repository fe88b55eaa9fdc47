"""Stored relevances of other programs against the papers' rules: the diagnosis names the dialects that they have."""

from __future__ import annotations

import numpy as np
import pytest
from peer_cases import FOLDER, Case, lstm_network, names, network, read
from peer_recipes import recipe

from lrp_ref.network.network import Network
from lrp_ref.peers.diagnosis import Diagnosis, diagnose
from lrp_ref.propagation.explaining import at_the_door, explain
from lrp_ref.propagation.prepare import Question, prepare
from lrp_ref.propagation.trace import Trace

NAMES = names()

pytestmark = pytest.mark.skipif(not NAMES, reason=f"{FOLDER} is absent: the peers' numbers are not distributed")

# The program has no ε in pools, which these presets have here.
NO_EPSILON_IN_POOLS = tuple(n for n in NAMES if n.startswith("B__lrp.sequential_preset"))


def prepared(case: Case) -> tuple[Network, dict[str, object], Trace, Trace]:
    """The papers' network, rules and trace, and the relevances that the program shows, without any of its values."""
    chosen = recipe(case)
    options = {k: v for k, v in chosen.options.items() if k not in ("sum_pool", "ties")}
    net = lstm_network(case) if case.model == "G" else network(case, **options)
    x, stored = case.arrays["input"], case.arrays["start_relevance"]
    start = {"stored": stored, "one": (stored != 0) * 1.0, "positive": np.maximum(stored, 0)}[chosen.start]
    composite = chosen.composite if chosen.paper is None else chosen.paper
    ready = prepare(*at_the_door(net, x, "numpy"), Question(composite, start=start))
    shown = {**case.relevances(), ready.net.outputs[0]: start, ready.net.inputs[0].name: case.arrays["relevance"]}
    ours = explain(net, x, start=start, composite=composite).trace
    return ready.net, {p.node: p.rule for p in ready.plan}, ours, Trace({}, shown)


def diagnosed(name: str) -> Diagnosis:
    return diagnose(*prepared(read(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_dialects_of_a_stored_case_are_named(name: str) -> None:
    expected = set(recipe(read(name)).dialects)
    if name in NO_EPSILON_IN_POOLS:
        expected.add("epsilon-ignored")
    if recipe(read(name)).times_input:
        expected.add("times-input")
    found = diagnosed(name)
    assert found.unexplained == (), found.table()
    assert set(found.switches) == expected, found.table()
    for step in found.steps:  # what stays open is open between dialects that give the same numbers
        assert step.off <= 1e-9


def test_what_the_numbers_leave_open_is_little() -> None:
    """In all stored cases, the steps that are explained by more than one set of switches."""
    steps = {(name, step.node): step.name for name in NAMES for step in diagnosed(name).steps if step.alternatives}
    assert set(steps.values()) <= {"ab-bias-both or ab-bias-full"}, steps
    assert len(steps) == 2, steps
