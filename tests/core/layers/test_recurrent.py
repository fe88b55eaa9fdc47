"""The LSTM in every form: its formula by hand, its derivative by complex steps, and what it refuses."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import checks
import numpy as np
import pytest
from samples import Draw
from test_lstm import LSTM_RULES, lstm_by_hand

from lrp_ref import rules
from lrp_ref.errors import BackendError, LrpError, ParameterError, ShapeError
from lrp_ref.layers import LSTM
from lrp_ref.rules.rule import Group, Rule, Run
from lrp_ref.rules.share import Given

N, STEPS, HIDDEN, FEATURES = 4, 3, 2, 5
LENGTHS = np.array([2, 0, 3, 1])
READS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
FORMS = list(itertools.product(READS, ("sequence", "last", "all"), (False, True), (False, True)))
every_form = pytest.mark.parametrize(("direction", "returns", "lengths", "state"), FORMS)


def make(direction: str, returns: str, lengths: bool, state: bool) -> tuple[LSTM, tuple[Any, ...]]:
    """Return a layer of the form and operands for it."""
    count, draw = len(READS[direction]), Draw(f"{direction} {returns} {lengths} {state}", "normal")
    layer = LSTM(
        draw(count, 4, HIDDEN, FEATURES) / 2, draw(count, 4, HIDDEN, HIDDEN), draw(count, 4, HIDDEN),
        direction, returns, lengths, state,
    )  # fmt: skip
    x, h, c = draw(N, STEPS, FEATURES), draw(N, count, HIDDEN), draw(N, count, HIDDEN)
    return layer, (x, *((LENGTHS,) if lengths else ()), *((h, c) if state else ()))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def by_hand(layer: LSTM, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return (sequence, h, c) by the formula, one sample, direction and step at a time."""
    reads = READS[layer.direction]
    sequence = np.zeros((N, STEPS, len(reads) * HIDDEN), dtype=xs[0].dtype)
    last_h, last_c = (np.zeros((N, len(reads), HIDDEN), dtype=xs[0].dtype) for _ in range(2))
    for n, (k, reverse) in itertools.product(range(N), enumerate(reads)):
        length = int(xs[1][n]) if layer.lengths else STEPS
        h, c = (a[n, k] for a in xs[-2:]) if layer.state else (np.zeros(HIDDEN), np.zeros(HIDDEN))
        for t in sorted(range(length), reverse=reverse):
            i, f, g, o = (
                layer.weight_input[k, gate] @ xs[0][n, t] + layer.weight_hidden[k, gate] @ h + layer.bias[k, gate]
                for gate in range(4)
            )
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            sequence[n, t, k * HIDDEN : (k + 1) * HIDDEN] = h
        last_h[n, k], last_c[n, k] = h, c
    return sequence, last_h, last_c


def outputs(layer: LSTM, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what the layer returns, by hand."""
    sequence, h, c = by_hand(layer, xs)
    return {"sequence": (sequence,), "last": (h.reshape(N, -1),), "all": (sequence, h, c)}[layer.returns]


@every_form
def test_the_formula(direction: str, returns: str, lengths: bool, state: bool) -> None:
    layer, xs = make(direction, returns, lengths, state)
    for found, expected in zip(checks.outputs(layer.forward(*xs)), outputs(layer, xs), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@every_form
def test_the_derivative(direction: str, returns: str, lengths: bool, state: bool) -> None:
    """A step of 1e−30 i has no rounding: the imaginary part is the derivative along it."""
    layer, xs = make(direction, returns, lengths, state)
    draw = Draw("derivative", "normal")
    gs = tuple(draw(*out.shape) for out in outputs(layer, xs))
    along = tuple(draw(*x.shape) if x.dtype.kind == "f" else 0 for x in xs)
    moved = tuple(x + 1e-30j * v if x.dtype.kind == "f" else x for x, v in zip(xs, along, strict=True))
    rises = [out.imag / 1e-30 * g for out, g in zip(outputs(layer, moved), gs, strict=True)]
    expected = sum(rise.reshape(N, -1).sum(axis=1) for rise in rises)
    pulled = layer.vjp(xs, gs if returns == "all" else gs[0])
    assert [p.shape for p in pulled] == [x.shape for x in xs]
    found = sum((p * v).reshape(N, -1).sum(axis=1) for p, v in zip(pulled, along, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@every_form
@pytest.mark.parametrize("rule", ["half", "gamma"])
def test_the_relevance(direction: str, returns: str, lengths: bool, state: bool, rule: str) -> None:
    layer, xs = make(direction, returns, lengths, state)
    draw = Draw("relevance", "normal")
    rs = tuple(draw(*out.shape) for out in outputs(layer, xs))
    ours, options = LSTM_RULES[rule]
    told = layer.redistribute(xs, rs, ours)
    assert [r.shape for r in told.relevances] == [x.shape for x in xs]
    for n in range(N):
        x_said, h_said, c_said, account, beyond = lstm_by_hand(layer, xs, rs, n, options)
        checks.close(told.relevances[0][n], x_said, rtol=1e-10)
        if state:
            checks.close(told.relevances[-2][n], h_said, rtol=1e-10)
            checks.close(told.relevances[-1][n], c_said, rtol=1e-10)
        lost = beyond if state else beyond + h_said.sum() + c_said.sum()
        found = [told.bias[n], told.stabiliser[n], told.dropped[n]]
        np.testing.assert_allclose(found, account + np.array([0.0, 0.0, lost]), rtol=1e-10, atol=1e-12)


@every_form
def test_the_output_may_be_given(direction: str, returns: str, lengths: bool, state: bool) -> None:
    layer, xs = make(direction, returns, lengths, state)
    z = layer.forward(*xs)
    rs = tuple(Draw("given", "normal")(*out.shape) for out in checks.outputs(z))
    told, again = (layer.redistribute(xs, rs, rules.Epsilon(0.25), given=Given(z=some)) for some in (z, None))
    for a, b in zip(checks.columns(told), checks.columns(again), strict=True):
        assert np.array_equal(a, b)


@every_form
def test_single_precision_stays(direction: str, returns: str, lengths: bool, state: bool) -> None:
    layer, xs = make(direction, returns, lengths, state)
    exact = layer.forward(*xs)
    layer = layer.map_arrays(lambda a: a.astype(np.float32))
    xs = tuple(x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs)
    out = layer.forward(*xs)
    for a, b in zip(checks.outputs(out), checks.outputs(exact), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        told = layer.redistribute(xs, checks.outputs(out), rule)
        assert all(a.dtype == np.float32 for a in (*told.relevances, told.bias, told.stabiliser, told.dropped))
    assert all(a.dtype == np.float32 for a in layer.vjp(xs, out))


# Refusals ----------------------------------------------------------------------------------------------------


def test_forms_that_do_not_exist() -> None:
    w, u, b = np.ones((1, 4, 2, 5)), np.ones((1, 4, 2, 2)), np.ones((1, 4, 2))
    for options in ({"direction": "backward"}, {"direction": ""}, {"returns": "first"}, {"returns": "states"}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            LSTM(w, u, b, **options)
    with pytest.raises(ShapeError, match="weight_input"):
        LSTM(w, u, b, "bidirectional")
    with pytest.raises(ShapeError, match="weight_input"):
        LSTM(np.ones((2, 4, 2, 5)), np.ones((2, 4, 2, 2)), np.ones((2, 4, 2)))


W, U, B = (1, 4, 2, 5), (1, 4, 2, 2), (1, 4, 2)


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 4, 2), U, B), ((1, 4, 2, 5, 1), U, B), ((1, 4, 2, 5, 5), U, B), ((1, 3, 2, 5), U, B), ((2, 4, 2, 5), U, B),
        ((1, 5, 2, 5), U, B), ((1, 4, 3, 5), U, B), ((1, 4, 1, 5), U, B), ((0, 4, 2, 5), U, B),
        (W, (1, 4, 2, 1), B), (W, (1, 4, 2, 3), B), (W, (1, 4, 3, 2), B), (W, (1, 3, 2, 2), B), (W, (2, 4, 2, 2), B),
        (W, (1, 4, 2), B), (W, (1, 4, 2, 2, 1), B), (W, U, (1, 4, 1)), (W, U, (1, 4, 3)), (W, U, (1, 3, 2)),
        (W, U, (2, 4, 2)), (W, U, (4, 2)), (W, U, (1, 4, 2, 1)), (W, U, (1, 4, 2, 2)),
    ],
    ids=str,
)  # fmt: skip
def test_weights_that_do_not_fit(shapes: tuple[tuple[int, ...], ...]) -> None:
    LSTM(*map(np.ones, (W, U, B)))
    with pytest.raises(ShapeError, match=r"LSTM: weight_(input|hidden)"):
        LSTM(*map(np.ones, shapes))


@pytest.mark.parametrize(("lengths", "state"), [(False, False), (True, False), (False, True), (True, True)])
def test_other_numbers_of_inputs(lengths: bool, state: bool) -> None:
    layer, xs = make("forward", "sequence", lengths, state)
    assert layer.forward(*xs).shape == (N, STEPS, HIDDEN)
    for given in ((), xs[:-1], (*xs, xs[-1]), (*xs, xs[-1], xs[-1]), (*xs[:-2], *xs)):
        if len(given) != len(xs):
            with pytest.raises(ShapeError, match=rf"expects {len(xs)} inputs .* got {len(given)}"):
                layer.forward(*given)


@pytest.mark.parametrize(
    "shape", [(4, 3), (4, 3, 4), (4, 3, 6), (4, 3, 5, 1), (4, 3, 5, 5), (3, 4, 3, 5), (5,), (4, 5, 3)]
)
def test_inputs_that_do_not_fit(shape: tuple[int, ...]) -> None:
    layer, _ = make("forward", "sequence", False, False)
    with pytest.raises(ShapeError, match=r"is not \(N, time, 5\)"):
        layer.forward(np.ones(shape))


@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), (1, 4), (), (4, 4)])
def test_lengths_of_other_shapes(shape: tuple[int, ...]) -> None:
    layer, xs = make("forward", "sequence", True, False)
    with pytest.raises(ShapeError, match="lengths of shape"):
        layer.forward(xs[0], np.ones(shape, dtype=int))


@pytest.mark.parametrize("wrong", [STEPS + 1, STEPS + 2, -1])
def test_lengths_that_are_none(wrong: int) -> None:
    layer, (x, _) = make("forward", "sequence", True, False)
    assert layer.forward(x, np.array([0, 1, 2, STEPS])).shape == (N, STEPS, HIDDEN)
    with pytest.raises(ParameterError, match=f"lengths must be 0 to 3, got {wrong}"):
        layer.forward(x, np.array([0, 1, 2, wrong]))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "uint64", "int8"])
def test_lengths_of_every_kind_of_integer(kind: str, direction: str) -> None:
    layer, (x, lengths) = make(direction, "all", True, False)
    xs = (x, lengths.astype(kind))
    assert 0 in lengths  # of integers without a sign 0 − 1 is a large number
    for found, expected in zip(layer.forward(*xs), outputs(layer, (x, lengths)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    "shape", [(3, 1, 2), (5, 1, 2), (4, 2, 2), (4, 1, 1), (4, 1, 3), (4, 2), (1, 4, 2), (4, 1, 2, 1)]
)
def test_initial_states_of_other_shapes(shape: tuple[int, ...]) -> None:
    layer, (x, h, c) = make("forward", "sequence", False, True)
    for wrong in ((np.ones(shape), c), (h, np.ones(shape))):
        with pytest.raises(ShapeError, match="initial state of shape"):
            layer.forward(x, *wrong)


def test_a_mixture_of_precisions_is_refused() -> None:
    layer, xs = make("forward", "sequence", False, True)
    for k in range(3):
        with pytest.raises(BackendError, match="float32"):
            layer.forward(*(x.astype(np.float32) if j == k else x for j, x in enumerate(xs)))


@every_form
def test_relevance_of_another_shape(direction: str, returns: str, lengths: bool, state: bool) -> None:
    layer, xs = make(direction, returns, lengths, state)
    rs = checks.outputs(layer.forward(*xs))
    for k in range(len(rs)):
        with pytest.raises(ShapeError, match="LSTM: the output has shape"):
            layer.redistribute(xs, tuple(r[:-1] if j == k else r for j, r in enumerate(rs)), rules.Epsilon(0.25))
    for wrong in (rs[:-1], (*rs, rs[0])):
        with pytest.raises(ShapeError, match="number of outputs"):
            layer.redistribute(xs, wrong, rules.Epsilon(0.25))


def test_one_rule_for_both_layers() -> None:
    """A rule of a single run that keeps its bias has a meaning for c_t, too; another one has to be given with it."""
    layer, xs = make("forward", "last", False, False)
    r = layer.forward(*xs)
    alone = Rule((Group((Run(),)),))
    both = layer.redistribute(xs, r, rules.Recurrent(alone, alone))
    for a, b in zip(checks.columns(layer.redistribute(xs, r, alone)), checks.columns(both), strict=True):
        assert np.array_equal(a, b)
    two_runs, two_groups = Rule((Group((Run(), Run())),)), Rule((Group((Run(),)), Group((Run(),), weight=-1.0)))
    for rule in (two_runs, two_groups, rules.ZPlus(), rules.AlphaBeta(2, 1)):
        with pytest.raises(ParameterError, match="say what the cell's sum gets"):
            layer.redistribute(xs, r, rule)
    with pytest.raises(LrpError, match="has no rule of its own"):
        layer.redistribute(xs, r)
    for half in (SimpleNamespace(dense=alone), SimpleNamespace(state=alone)):
        with pytest.raises(LrpError, match="is not a rule for LSTM"):
            layer.redistribute(xs, r, half)
