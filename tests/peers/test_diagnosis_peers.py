"""Stored relevances of other programs against the papers' rules: the diagnosis names the dialects that they have."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from peer_cases import FOLDER, Case, lstm_network, names, network, read
from peer_recipes import recipe

from lrp_ref.dialects import dialect
from lrp_ref.network.network import Network
from lrp_ref.peers.diagnosis import Diagnosis, diagnose
from lrp_ref.propagation.explaining import at_the_door, explain
from lrp_ref.propagation.prepare import Question, prepare
from lrp_ref.propagation.trace import Trace

NAMES = names()

pytestmark = pytest.mark.skipif(not NAMES, reason=f"{FOLDER} is absent: the peers' numbers are not distributed")

OWN_EPSILON = {
    "eps-default",
    "epsilon-ignored",
}  # what a program adds to denominators that the papers leave as they are


def prepared(case: Case) -> tuple[Network, dict[str, object], Trace, Trace]:
    """The papers' network, rules and trace, and the relevances that the program shows, without any of its values."""
    chosen = recipe(case)
    net = lstm_network(case) if case.model == "G" else network(case, **chosen.options)
    x, stored = case.arrays["input"], case.arrays["start_relevance"]
    start = {"stored": stored, "one": (stored != 0) * 1.0, "positive": np.maximum(stored, 0)}[chosen.start]
    ready = prepare(*at_the_door(net, x, "numpy"), Question(chosen.paper, start=start))
    shown = {**case.relevances(), ready.net.outputs[0]: start, ready.net.inputs[0].name: case.arrays["relevance"]}
    ours = explain(net, x, start=start, composite=chosen.paper).trace
    return ready.net, {p.node: p.rule for p in ready.plan}, ours, Trace({}, shown)


def diagnosed(name: str) -> Diagnosis:
    return diagnose(*prepared(read(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_dialects_of_a_stored_case_are_named(name: str) -> None:
    chosen = recipe(read(name))
    expected = set(chosen.dialects) | ({"times-input"} if chosen.times_input else set())
    found = diagnosed(name)
    assert found.unexplained == (), found.table()
    named = set[str]()
    for step in found.steps:  # what the numbers leave open holds the dialect that is the right one
        fits = [set(ids) for ids in (step.switches, *step.alternatives) if set(ids) <= expected | OWN_EPSILON]
        assert fits, found.table()
        named |= fits[0]
    assert named - OWN_EPSILON == expected, found.table()
    own = dialect(chosen.spoken) if chosen.spoken else None
    for step in found.steps:
        assert step.off <= 1e-9
        told = step.numbers.get("epsilon")
        if told is not None and own is not None and own.epsilon is not None:
            assert told in (own.epsilon, own.pool, *read(name).parameters.values())


def test_what_the_numbers_leave_open_is_little() -> None:
    """In all stored cases, the steps that are explained by more than one set of switches."""
    steps = {(name, step.node): step.name for name in NAMES for step in diagnosed(name).steps if step.alternatives}
    both_biases = "ab-bias-both or ab-bias-full"  # the same for inputs that are not negative
    no_bias = "ab-bias-full + eps-default or eps-default + unsplit"  # the same where the bias is left out
    assert Counter(steps.values()) == {both_biases: 2, no_bias: 3}
