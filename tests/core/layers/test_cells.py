"""GRU, RNN and the general LSTM: formulas by hand, derivatives by complex steps and PyTorch's, relevance in loops."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import checks
import numpy as np
import pytest
from samples import Draw, exactly
from walks import walk

from lrp_ref import layers, rules
from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.layers.recurrent.shared import GatedDense
from lrp_ref.literal import matrices
from lrp_ref.literal import rules as textbook
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import edits

N, STEPS, HIDDEN, FEATURES = 4, 3, 2, 5
LENGTHS = np.array([2, 0, 3, 1])
READS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
FORMS = list(itertools.product(READS, ("sequence", "last", "all"), (False, True), (False, True)))
every_form = pytest.mark.parametrize(("direction", "returns", "lengths", "state"), FORMS)

# A cell, with what it has besides weights; a tuple of a shape is drawn, behind the number of directions.
CELLS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "RNN": ("RNN", 1, {}),
    "RNN sigmoid": ("RNN", 1, {"activation": "sigmoid"}),
    "GRU": ("GRU", 3, {"bias_hidden": (HIDDEN,)}),
    "GRU without the second bias": ("GRU", 3, {}),
    "GRU before": ("GRU", 3, {"reset_after": False}),
    "LSTM": ("GeneralLSTM", 4, {}),
    "peepholes": ("GeneralLSTM", 4, {"peephole": (3, HIDDEN)}),
    "coupled": ("GeneralLSTM", 4, {"coupled": True, "output_activation": "linear"}),
    "both": ("GeneralLSTM", 4, {"peephole": (3, HIDDEN), "coupled": True, "activation": "sigmoid"}),
}
every_cell = pytest.mark.parametrize("cell", CELLS)


def make(cell: str, direction: str, returns: str, lengths: bool, state: bool) -> tuple[Any, tuple[Any, ...]]:
    """Return a layer of the form and operands for it."""
    kind, gates, options = CELLS[cell]
    count, draw = len(READS[direction]), Draw(f"{cell} {direction} {returns} {lengths} {state}", "normal")
    own = {k: draw(count, *v) if isinstance(v, tuple) else v for k, v in options.items()}
    weights = draw(count, gates, HIDDEN, FEATURES) / 2, draw(count, gates, HIDDEN, HIDDEN), draw(count, gates, HIDDEN)
    layer = getattr(layers, kind)(*weights, direction, returns, lengths, state, **own)
    states = tuple(draw(N, count, HIDDEN) for _ in layer.states) if state else ()
    return layer, (draw(N, STEPS, FEATURES), *((LENGTHS,) if lengths else ()), *states)


# Formulas, for one sample and direction --------------------------------------------------------------------------

FUNCTIONS = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "linear": lambda z: z}
sigmoid = FUNCTIONS["sigmoid"]


class Hand:
    """One direction of a layer, one sample: the steps forward, and relevance back through them."""

    def __init__(self, layer: Any, k: int) -> None:
        self.layer, self.w, self.u, self.b = layer, layer.weight_input[k], layer.weight_hidden[k], layer.bias[k]
        self.c = None if getattr(layer, "bias_hidden", None) is None else layer.bias_hidden[k]
        self.p = None if getattr(layer, "peephole", None) is None else layer.peephole[k]
        self.f = FUNCTIONS[layer.activation]
        self.steps: list[Any] = []  # new, kept; inputs, weights (in, out) and bias of the dense layer

    def z(self, gate: int, x: Any, h: Any) -> Any:
        return self.w[gate] @ x + self.u[gate] @ h + self.b[gate]

    def dense(self, gate: int, x: Any, h: Any, r: Any = 1.0, bias: Any = None) -> Any:
        """Inputs, weights and bias of the dense layer; r multiplies the recurrent weights of every unit."""
        weight = np.concatenate((self.w[gate], np.reshape(r, (-1, 1)) * self.u[gate]), axis=1).T
        return np.concatenate((x, h)), weight, self.b[gate] if bias is None else bias

    def step(self, x: Any, states: list[Any]) -> list[Any]:
        return {"RNN": self.rnn, "GRU": self.gru, "GeneralLSTM": self.lstm}[type(self.layer).__name__](x, *states)

    def rnn(self, x: Any, h: Any) -> list[Any]:
        self.steps.append((None, None, *self.dense(0, x, h)))
        return [self.f(self.z(0, x, h))]

    def gru(self, x: Any, h: Any) -> list[Any]:
        r, z = (sigmoid(self.z(gate, x, h)) for gate in (0, 1))
        if self.layer.reset_after:
            c = np.zeros(HIDDEN) if self.c is None else self.c
            n = self.f(self.w[2] @ x + self.b[2] + r * (self.u[2] @ h + c))
            below = self.dense(2, x, h, r, self.b[2] + r * c)
        else:
            n = self.f(self.w[2] @ x + self.u[2] @ (r * h) + self.b[2])
            below = self.dense(2, x, r * h)
        self.steps.append(((1 - z) * n, z * h, *below))
        return [(1 - z) * n + z * h]

    def lstm(self, x: Any, h: Any, c: Any) -> list[Any]:
        p = np.zeros((3, HIDDEN)) if self.p is None else self.p
        i = sigmoid(self.z(0, x, h) + p[0] * c)
        f = 1 - i if self.layer.coupled else sigmoid(self.z(1, x, h) + p[1] * c)
        g = self.f(self.z(2, x, h))
        now = f * c + i * g
        o = sigmoid(self.z(3, x, h) + p[2] * now)
        self.steps.append((i * g, f * c, *self.dense(2, x, h)))
        return [o * FUNCTIONS[self.layer.output_activation](now), now]

    def back(self, put_h: Any, last: list[Any], dense: Any, state: Any) -> tuple[Any, list[Any], Any]:
        """Return relevance of x (T, features) and of the initial states, and (bias, stabiliser, dropped)."""
        to_x, account = np.zeros((len(self.steps), FEATURES)), np.zeros(3)
        carried, kind = list(last), type(self.layer).__name__
        both = matrices.dense(np.concatenate((np.eye(HIDDEN), np.eye(HIDDEN))), np.zeros(HIDDEN))
        for t in reversed(range(len(self.steps))):
            new, kept, inputs, weight, bias = self.steps[t]
            mass, to_kept = sum(carried) + put_h[t], np.zeros(HIDDEN)
            if new is not None:
                told = state(np.concatenate((new, kept)), both, mass)
                account += [told.bias.sum(), told.stabiliser.sum(), told.dropped.sum()]
                mass, to_kept = told.relevance[:HIDDEN], told.relevance[HIDDEN:]
            told = dense(inputs, matrices.dense(weight, bias), mass)
            account += [told.bias.sum(), told.stabiliser.sum(), told.dropped.sum()]
            to_x[t], to_h = told.relevance[:FEATURES], told.relevance[FEATURES:]
            carried = [to_h, to_kept] if kind == "GeneralLSTM" else [to_h + to_kept]
        return to_x, carried, account


def by_hand(layer: Any, xs: tuple[Any, ...]) -> tuple[Any, list[Any], dict[tuple[int, int], Hand]]:
    """Return the sequence, the last states, and the hands that computed them, by sample and direction."""
    reads, known = READS[layer.direction], len(layer.states)
    sequence = np.zeros((N, STEPS, len(reads) * HIDDEN), dtype=xs[0].dtype)
    last = [np.zeros((N, len(reads), HIDDEN), dtype=xs[0].dtype) for _ in range(known)]
    hands = {}
    for n, (k, reverse) in itertools.product(range(N), enumerate(reads)):
        length = int(xs[1][n]) if layer.lengths else STEPS
        states = [a[n, k] for a in xs[-known:]] if layer.state else [np.zeros(HIDDEN)] * known
        hands[n, k] = hand = Hand(layer, k)
        for t in sorted(range(length), reverse=reverse):
            states = hand.step(xs[0][n, t], states)
            sequence[n, t, k * HIDDEN : (k + 1) * HIDDEN] = states[0]
        for place, state in zip(last, states, strict=True):
            place[n, k] = state
    return sequence, last, hands


def outputs(layer: Any, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what the layer returns, by hand."""
    sequence, last, _ = by_hand(layer, xs)
    return {"sequence": (sequence,), "last": (last[0].reshape(N, -1),), "all": (sequence, *last)}[layer.returns]


@every_cell
@every_form
def test_the_formula(cell: str, direction: str, returns: str, lengths: bool, state: bool) -> None:
    layer, xs = make(cell, direction, returns, lengths, state)
    for found, expected in zip(checks.outputs(layer.forward(*xs)), outputs(layer, xs), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@every_cell
@every_form
def test_the_derivative(cell: str, direction: str, returns: str, lengths: bool, state: bool) -> None:
    """A step of 1e−30 i has no rounding: the imaginary part is the derivative along it."""
    layer, xs = make(cell, direction, returns, lengths, state)
    draw = Draw("derivative", "normal")
    gs = tuple(draw(*out.shape) for out in outputs(layer, xs))
    along = tuple(draw(*x.shape) if x.dtype.kind == "f" else 0 for x in xs)
    moved = tuple(x + 1e-30j * v if x.dtype.kind == "f" else x for x, v in zip(xs, along, strict=True))
    rises = [out.imag / 1e-30 * g for out, g in zip(outputs(layer, moved), gs, strict=True)]
    expected = sum(rise.reshape(N, -1).sum(axis=1) for rise in rises)
    pulled = layer.vjp(xs, gs if returns == "all" else gs[0]) if len(xs) > 1 else (layer.vjp(xs[0], first(gs)),)
    assert [p.shape for p in pulled] == [x.shape for x in xs]
    found = sum((p * v).reshape(N, -1).sum(axis=1) for p, v in zip(pulled, along, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def first(gs: tuple[Any, ...]) -> Any:
    return gs if len(gs) > 1 else gs[0]


# Relevance -------------------------------------------------------------------------------------------------------


def epsilon(size: float, share: float = 0.0, **more: Any) -> Any:
    return lambda a, m, r: textbook.epsilon(a, m, r, size, share, **more)


# A rule, and the textbook's functions of (inputs, matrix, relevance) for the dense layer and for the sum.
RULES: dict[str, tuple[Any, Any, Any]] = {
    "epsilon": (rules.Epsilon(0.125), epsilon(0.125), epsilon(0.125)),
    "half": (rules.Epsilon(0.25, 0.5), epsilon(0.25, 0.5), epsilon(0.25, 0.5)),
    "spread": (rules.Epsilon(0.125).with_bias("spread"), epsilon(0.125, bias="spread"), epsilon(0.125)),
    "ignore": (rules.Epsilon(0.125).with_bias("ignore"), epsilon(0.125, bias="ignore"), epsilon(0.125)),
    "zplus": (rules.Recurrent(rules.ZPlus(), rules.Epsilon(0.5)), textbook.zplus, epsilon(0.5)),
    "flat": (rules.Recurrent(rules.Flat(), rules.LRP0()), textbook.flat, textbook.lrp0),
    "w²": (rules.Recurrent(rules.WSquare(), rules.LRP0()), textbook.wsquare, textbook.lrp0),
    "gamma": (
        rules.Recurrent(rules.Gamma(0.25), rules.ZPlus()),
        lambda a, m, r: textbook.gamma(a, m, r, 0.25), textbook.zplus,
    ),
    "alpha-beta": (
        rules.Recurrent(rules.AlphaBeta(2, 1), rules.Epsilon(0.5)).with_bias("spread"),
        lambda a, m, r: textbook.alpha_beta(a, m, r, 2, 1, bias="spread"), epsilon(0.5),
    ),
}  # fmt: skip


def check_relevance(layer: Any, xs: tuple[Any, ...], rule: str) -> None:
    ours, dense, state = RULES[rule]
    _, _, hands = by_hand(layer, xs)
    draw = Draw("relevance", "normal")
    rs = tuple(draw(*out.shape) for out in outputs(layer, xs))
    told = layer.redistribute(xs, rs, ours)
    checks.check_ledger(told, rs)
    assert [r.shape for r in told.relevances] == [x.shape for x in xs]
    known = len(layer.states)
    for n in range(N):
        length = int(xs[1][n]) if layer.lengths else STEPS
        to_x, firsts, account = np.zeros((STEPS, FEATURES)), [], np.zeros(3)
        for k, reverse in enumerate(READS[layer.direction]):
            part, order = slice(k * HIDDEN, (k + 1) * HIDDEN), slice(None, None, -1) if reverse else slice(None)
            put, last = np.zeros((length, HIDDEN)), [np.zeros(HIDDEN)] * known
            if layer.returns != "last":
                put += rs[0][n, :length, part][order]
                account[2] += rs[0][n, length:, part].sum()
            if layer.returns == "last":
                last = [rs[0][n, part], *last[1:]]
            elif layer.returns == "all":
                last = [r[n, k] for r in rs[1:]]
            received, carried, columns = hands[n, k].back(put, last, dense, state)
            to_x[:length] += received[order]
            account += columns
            firsts.append(carried)
        checks.close(told.relevances[0][n], to_x, rtol=1e-10)
        for j in range(known):
            initial = np.array([f[j] for f in firsts])
            if layer.state:
                checks.close(told.relevances[j - known][n], initial, rtol=1e-10)
            else:
                account[2] += initial.sum()
        np.testing.assert_allclose(
            [told.bias[n], told.stabiliser[n], told.dropped[n]],
            account,
            rtol=1e-9,
            atol=1e-11 * abs(to_x).max() + 1e-12,
        )


@every_cell
@pytest.mark.parametrize("rule", RULES)
def test_the_relevance(cell: str, rule: str) -> None:
    check_relevance(*make(cell, "bidirectional", "all", True, True), rule)


@every_cell
@every_form
def test_the_relevance_in_every_form(cell: str, direction: str, returns: str, lengths: bool, state: bool) -> None:
    check_relevance(*make(cell, direction, returns, lengths, state), "half")


@every_cell
def test_a_planted_fault_is_seen(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that takes a hundredth, and a step of the derivative that hands on a hundredth less."""
    layer, xs = make(cell, "forward", "last", False, False)
    monkeypatch.setattr(
        Hand, "back", lambda self, put, last, *rest, back=Hand.back: back(self, put, [0.99 * r for r in last], *rest)
    )
    with pytest.raises(AssertionError):
        check_relevance(layer, xs, "epsilon")
    pull = type(layer)._pull_step
    monkeypatch.setattr(type(layer), "_pull_step", lambda self, z, s, h, c: pull(self, z, s, 0.99 * h, c))
    with pytest.raises(AssertionError):
        test_the_derivative(cell, "forward", "last", False, False)


def test_the_general_lstm_without_its_generality_is_the_lstm() -> None:
    general, xs = make("LSTM", "bidirectional", "all", True, True)
    usual = layers.LSTM(general.weight_input, general.weight_hidden, general.bias, "bidirectional", "all", True, True)
    rs = usual.forward(*xs)
    for found, expected in zip(general.forward(*xs), rs, strict=True):
        checks.close(found, expected, rtol=1e-13)
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        told = (checks.columns(layer.redistribute(xs, rs, rule)) for layer in (general, usual))
        for found, expected in zip(*told, strict=True):
            checks.close(found, expected, rtol=1e-10)
    for found, expected in zip(general.vjp(xs, rs), usual.vjp(xs, rs), strict=True):
        checks.close(found, expected, rtol=1e-12)


# The unrolled graph ----------------------------------------------------------------------------------------------


def unrolled(gru: Any, steps: int) -> Network:
    """A GRU whose reset gate comes after the product as primitive nodes, with a sum inside n."""
    nodes: list[Node] = []

    def node(name: str, layer: Any, *inputs: str) -> str:
        nodes.append(Node(name, layer, inputs))
        return name

    (w, u, b), h = (a[0] for a in (gru.weight_input, gru.weight_hidden, gru.bias)), "h_start"
    for t in range(steps):
        x = node(f"x{t}", layers.Gather(t, axis=1), "x")
        joint = node(f"joint{t}", layers.Concat(), x, h)
        gates = []
        for k, name in enumerate("rz"):
            weight = np.concatenate((w[k].T, u[k].T))
            gates.append(
                node(f"{name}{t}", layers.Sigmoid(), node(f"pre_{name}{t}", layers.Dense(weight, b[k]), joint))
            )
        read = node(f"un{t}", layers.Dense(u[2].T, gru.bias_hidden[0]), h)
        gated = node(f"run{t}", layers.Multiply(gate=0), gates[0], read)
        inner = node(f"inner{t}", layers.Add(), node(f"wn{t}", layers.Dense(w[2].T, b[2]), x), gated)
        n = node(f"n{t}", layers.Tanh(), inner)
        left = node(f"left{t}", layers.Affine(-np.ones(HIDDEN), np.ones(HIDDEN)), gates[1])
        new = node(f"new{t}", layers.Multiply(gate=0), left, n)
        h = node(f"h{t}", layers.Add(), new, node(f"kept{t}", layers.Multiply(gate=0), gates[1], h))
    return Network(tuple(nodes), (Input("x"), Input("h_start")), (h,))


def test_the_unrolled_gru_has_the_same_relevance_without_a_stabiliser() -> None:
    """With ε the fused n has one denominator where the graph has two; LRP-0 is the same in both."""
    gru, (x, h) = make("GRU", "forward", "last", False, True)
    r = Draw("unrolled", "normal")(N, HIDDEN)

    def rule(node: Node) -> Any:
        return rules.Zero() if isinstance(node.layer, layers.Affine) else rules.LRP0() if has_weights(node) else None

    fused = gru.redistribute((x, h), r, rules.LRP0())
    found, totals = walk(unrolled(gru, STEPS), {"x": x, "h_start": h[:, 0]}, r, rule)
    checks.close(fused.relevances[0], found["x"], rtol=1e-9)
    checks.close(fused.relevances[1][:, 0], found["h_start"], rtol=1e-9)
    np.testing.assert_allclose(fused.bias, totals["bias"], rtol=1e-9)


def has_weights(node: Node) -> bool:
    return isinstance(node.layer, layers.Dense | layers.Add)


# The dense layer with a gate -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [rules.LRP0(), rules.Epsilon(0.25, 0.5), rules.WSquare(), rules.AlphaBeta(2, 1)], ids=repr
)
@pytest.mark.parametrize("exact", [False, True])
def test_a_gated_dense_layer_is_a_dense_layer_for_each_sample(rule: Any, exact: bool) -> None:
    """Gates of either sign, and one that is 0."""
    draw, hidden = Draw("gated"), 3
    w, u, b, r = draw(4, hidden), draw(hidden, hidden), draw(N, hidden), draw(N, hidden)
    r[0, 0], r[1, 1] = 0.0, -0.5
    read, relevance = draw(N, 4 + hidden), draw(N, hidden)
    if exact:
        w, u, b, r, read, relevance = (exactly(a) for a in (w, u, b, r, read, relevance))
    told = GatedDense(w, u, r, b).redistribute(read, relevance, rule)
    checks.check_ledger(told, (relevance,))
    for n in range(N):
        alone = layers.Dense(np.concatenate((w, r[n] * u)), b[n])
        expected = alone.redistribute(read[n : n + 1], relevance[n : n + 1], rule)
        z = GatedDense(w, u, r, b).forward(read)
        pairs = [(z, alone.forward(read[n : n + 1])), *zip(checks.columns(told), checks.columns(expected), strict=True)]
        for found, right in pairs:
            if exact:
                assert np.all(found[n] == right[0])
            else:
                np.testing.assert_allclose(found[n], right[0], rtol=1e-12, atol=1e-13)


# Small points ----------------------------------------------------------------------------------------------------


def test_a_simple_rnn_takes_any_rule_for_its_dense_layer() -> None:
    layer, xs = make("RNN", "forward", "last", False, False)
    r = layer.forward(*xs)
    for rule in (rules.ZPlus(), rules.AlphaBeta(2, 1), rules.Gamma(0.25).with_bias("ignore")):
        both = layer.redistribute(xs, r, rules.Recurrent(rule, rules.LRP0()))
        for a, b in zip(checks.columns(layer.redistribute(xs, r, rule)), checks.columns(both), strict=True):
            assert np.array_equal(a, b)
    gru, xs = make("GRU", "forward", "last", False, False)
    with pytest.raises(ParameterError, match=r"GRU: .* holds for its dense layer only; say what the cell's sum gets"):
        gru.redistribute(xs, r, rules.ZPlus())
    for one in (layer, gru):
        with pytest.raises(UnsupportedError, match=f"is not a rule for {type(one).__name__}"):
            one.redistribute(xs, r, rules.Product("half"))
        with pytest.raises(ParameterError, match="has no rule of its own"):
            one.redistribute(xs, r)


def test_units_without_a_denominator_are_dropped() -> None:
    zero = np.zeros
    x, r = np.ones((2, 3, 3)), np.array([[1.0, -3.0], [0.5, 0.25]])
    for kind, gates in (("RNN", 1), ("GRU", 3), ("GeneralLSTM", 4)):
        layer = getattr(layers, kind)(
            zero((1, gates, 2, 3)), zero((1, gates, 2, 2)), zero((1, gates, 2)), returns="last"
        )
        for rule in (rules.LRP0(), rules.LRP0(edits.relative(0.5))):
            told = layer.redistribute(x, r, rule)
            assert not told.relevances[0].any()
            np.testing.assert_array_equal(told.dropped, r.sum(axis=1))


@pytest.mark.parametrize("returns", ["last", "sequence", "all"])
@pytest.mark.parametrize(("n", "steps"), [(0, 4), (3, 0), (0, 0)])
@every_cell
def test_no_samples_and_no_steps(cell: str, returns: str, n: int, steps: int) -> None:
    layer, operands = make(cell, "bidirectional", returns, False, True)
    xs = (np.zeros((n, steps, FEATURES)), *(a[:n] for a in operands[1:]))
    out = layer.forward(*xs)
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        told = layer.redistribute(xs, checks.outputs(out), rule)
        assert [r.shape for r in told.relevances] == [x.shape for x in xs]
        if not steps and returns == "last":
            np.testing.assert_array_equal(told.relevances[1], out.reshape(n, 2, HIDDEN))
    assert [g.shape for g in layer.vjp(xs, out)] == [x.shape for x in xs]


@every_cell
def test_what_lies_after_the_end_is_not_read(cell: str) -> None:
    layer, xs = make(cell, "bidirectional", "all", True, True)
    beyond = np.arange(STEPS) >= LENGTHS[:, None]
    spoilt = (np.where(beyond[..., None], np.nan, xs[0]), *xs[1:])
    for a, b in zip(layer.forward(*spoilt), layer.forward(*xs), strict=True):
        assert np.array_equal(a, b)
    rs = layer.forward(*xs)
    told = [checks.columns(layer.redistribute(some, rs, rules.Epsilon(0.25, 0.5))) for some in (spoilt, xs)]
    for a, b in zip(*told, strict=True):
        assert np.array_equal(a, b)


@every_cell
def test_single_precision_stays(cell: str) -> None:
    layer, xs = make(cell, "bidirectional", "all", True, True)
    exact, layer = layer.forward(*xs), layer.map_arrays(lambda a: a.astype(np.float32))
    xs = tuple(x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs)
    out = layer.forward(*xs)
    for a, b in zip(out, exact, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        told = layer.redistribute(xs, out, rule)
        assert all(a.dtype == np.float32 for a in (*told.relevances, told.bias, told.stabiliser, told.dropped))
    assert all(a.dtype == np.float32 for a in layer.vjp(xs, out))


def test_what_is_clipped_has_no_slope_and_passes_relevance() -> None:
    """One unit, one step, by hand: z = 2·1 + 1 = 3 is clipped to 2 and goes through ReLU."""
    one = np.ones((1, 1, 1, 1))
    layer = layers.RNN(2 * one, one, np.ones((1, 1, 1)), returns="last", activation="relu", clip=2)
    x = np.ones((1, 1, 1))
    assert layer.forward(x) == 2
    assert layer.vjp(x, np.ones((1, 1))) == 0
    told = layer.redistribute(x, np.ones((1, 1)) * 6, rules.LRP0())
    assert (told.relevances[0].item(), told.bias.item()) == (4, 2)
    assert (
        layers.RNN(2 * one, one, np.ones((1, 1, 1)), returns="last", activation="relu", clip=4).vjp(x, np.ones((1, 1)))
        == 2
    )


@pytest.mark.parametrize(
    ("activation", "z", "value"),
    [
        ("relu", -3, 0), ("linear", -3, -3), (("hardsigmoid", 0.2, 0.5), 1, 0.7), (("hardsigmoid", 0.2, 0.5), 9, 1),
        (("leakyrelu", 0.5), -4, -2), (("elu", 2.0), -1, 2 * np.expm1(-1)), ("softplus", 0, np.log(2)),
        ("silu", 1, 1 / (1 + np.exp(-1))), ("gelu", 0, 0), ("selu", 1, 1.0507009873554805),
    ],
    ids=str,
)  # fmt: skip
def test_activations_by_name(activation: Any, z: float, value: float) -> None:
    layer = layers.RNN(*(np.ones((1, 1, 1, 1)),) * 2, np.zeros((1, 1, 1)), activation=activation, returns="last")
    assert layer.forward(np.full((1, 1, 1), float(z))) == pytest.approx(value, rel=1e-14)
    assert replace(layer, direction="reverse").forward(np.full((1, 1, 1), float(z))) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("kind", ["GRU", "RNN tanh", "RNN relu"])
@pytest.mark.parametrize("both", [False, True], ids=["one", "both"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
def test_the_cells_and_their_derivatives_are_pytorchs(kind: str, both: bool, ragged: bool) -> None:
    torch = pytest.importorskip("torch")
    count, gates, draw = 1 + both, 3 if kind == "GRU" else 1, Draw(f"torch {kind}", "normal")
    w, u, b, c = draw(count, gates, 3, 2), draw(count, gates, 3, 3), draw(count, gates, 3), draw(count, gates, 3)
    own = {} if kind == "GRU" else {"nonlinearity": kind.split()[1]}
    peer = getattr(torch.nn, kind.split()[0])(2, 3, batch_first=True, bidirectional=both, dtype=torch.float64, **own)
    with torch.no_grad():
        for k, suffix in enumerate(("", "_reverse")[:count]):
            for name, array in (("weight_ih", w), ("weight_hh", u), ("bias_ih", b), ("bias_hh", c)):
                getattr(peer, f"{name}_l0{suffix}")[:] = torch.tensor(array[k].reshape(gates * 3, *array.shape[3:]))
    form = ("bidirectional" if both else "forward", "all", ragged, True)
    if kind == "GRU":
        layer: Any = layers.GRU(w, u, np.stack((b[:, 0] + c[:, 0], b[:, 1] + c[:, 1], b[:, 2]), 1), *form, c[:, 2])
    else:
        layer = layers.RNN(w, u, b + c, *form, activation=kind.split()[1])
    x, h, lengths = draw(4, 5, 2), draw(4, count, 3), np.array([5, 2, 4, 1])
    xs = (x, *((lengths,) if ragged else ()), h)
    tx, th = (torch.tensor(a, requires_grad=True) for a in (x, h))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        tx, torch.tensor(lengths if ragged else [5] * 4), batch_first=True, enforce_sorted=False
    )
    y, hn = peer(packed, th.transpose(0, 1).contiguous())
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=5)
    peers = (y, hn.transpose(0, 1))
    gs = tuple(draw(*p.shape) for p in peers)
    for a, p in zip(layer.forward(*xs), peers, strict=True):
        checks.close(a, p.detach().numpy(), rtol=1e-12)
    torch.autograd.backward(peers, [torch.tensor(g) for g in gs])
    pulled = layer.vjp(xs, gs)
    for a, t in ((pulled[0], tx), (pulled[-1], th)):
        checks.close(a, t.grad.numpy(), rtol=1e-11)
