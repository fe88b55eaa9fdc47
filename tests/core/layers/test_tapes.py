"""What a forward pass leaves for the way back: it is made once, used once, and then gone."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from samples import Draw

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.layers import LSTM, Dense, ReLU
from lrp_ref.layers.recurrent import lstm as recurrent
from lrp_ref.propagation import prepare
from lrp_ref.rules.share import Given

N, STEPS, FEATURES, HIDDEN = 5, 4, 2, 3
DRAW = Draw("tapes", "normal")
LAYER = LSTM(DRAW(1, 4, HIDDEN, FEATURES), DRAW(1, 4, HIDDEN, HIDDEN), DRAW(1, 4, HIDDEN), returns="last")
HEAD = Dense(DRAW(HIDDEN, 2), DRAW(2))
NET = lrp.Network.sequential([LAYER, HEAD])
X, EPSILON = DRAW(N, STEPS, FEATURES), rules.Epsilon(0.25)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """(what the tape keeps, samples, weak reference to the tape) of every pass over the steps."""
    made: list[Any] = []
    forward = recurrent.steps_forward

    def watched(weights: Any, xs: Any, start: Any, keep: str) -> Any:
        tape, n = forward(weights, xs, start, keep), start[0].shape[2]
        if n:  # (without samples, only the shapes are of interest)
            made.append((keep, n, weakref.ref(tape)))
        return tape

    monkeypatch.setattr(recurrent, "steps_forward", watched)
    return made


def expected() -> np.ndarray:
    """Layer by layer, without a tape."""
    h = LAYER.forward(X)
    start = np.zeros((N, 2))
    start[:, 1] = HEAD.forward(h)[:, 1]
    return LAYER.redistribute(X, HEAD.redistribute(h, start, EPSILON).relevances[0], EPSILON).relevances[0]


@pytest.mark.parametrize("trace", [False, True])
def test_the_steps_are_gone_through_once_for_both_ways(passes: list[Any], trace: bool) -> None:
    right = expected()
    passes.clear()
    for times in (1, 2):
        found = lrp.explain(NET, X, composite=EPSILON, target=1, trace=trace)
        assert [(keep, n) for keep, n, _ in passes] == [("cell", N)] * times
        assert [tape() for _, _, tape in passes] == [None] * times, "a tape lives on after its way back"
        np.testing.assert_array_equal(found.relevance, right)


def test_the_steps_are_gone_through_once_for_each_part(passes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    right = expected()
    passes.clear()
    monkeypatch.setattr(prepare.PreparedNetwork, "samples", lambda *a: 2)
    found = lrp.explain(NET, X, composite=EPSILON, target=1)
    assert [(keep, n) for keep, n, _ in passes] == [("cell", 2), ("cell", 2), ("cell", 1)]
    np.testing.assert_allclose(found.relevance, right, rtol=1e-12)


def test_rules_for_any_layer_leave_no_tape(passes: list[Any]) -> None:
    lrp.explain(NET, X, composite=rules.Gradient(), target=1)
    assert [keep for keep, _, _ in passes] == ["last", "gates"]


def test_a_layer_makes_use_of_what_it_is_given(passes: list[Any]) -> None:
    out, tape = LAYER.forward_taped(X)
    np.testing.assert_array_equal(out, LAYER.forward(X))
    right = LAYER.redistribute(X, out, EPSILON)
    passes.clear()
    for z in (out, None):
        found = LAYER.redistribute(X, out, EPSILON, given=Given(z=z, tape=tape))
        assert not passes
        np.testing.assert_array_equal(found.relevances[0], right.relevances[0])
        for column in ("bias", "stabiliser", "dropped"):
            np.testing.assert_array_equal(getattr(found, column), getattr(right, column))
        _, tape = LAYER.forward_taped(X)  # it is used up
        passes.clear()


@pytest.mark.parametrize("layer", [ReLU(), Dense(np.eye(FEATURES))], ids=repr)
def test_other_layers_leave_no_tape(layer: Any) -> None:
    out, tape = layer.forward_taped(X)
    assert tape is None
    np.testing.assert_array_equal(out, layer.forward(X))
