"""The LSTM against the textbook, against PyTorch, and against its unrolled graph."""

from __future__ import annotations

import itertools
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, SAMPLES, Draw, Sample
from textbook import LINEAR_RULES, lstm_cell
from walks import walk

from lrp_ref import layers, rules
from lrp_ref.errors import LrpError, ParameterError
from lrp_ref.layers.recurrent import back as stepback
from lrp_ref.layers.recurrent import steps as recurrence
from lrp_ref.layers.recurrent.layer import DIRECTIONS
from lrp_ref.literal import lstm as literal_lstm
from lrp_ref.literal import rules as textbook
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Group, Rule, Run

# LSTM --------------------------------------------------------------------------------------------------------

LSTM_RULES = {
    "epsilon": (rules.Epsilon(0.125), {"epsilon": 0.125}),
    "share": (rules.Epsilon(0.25, 1), {"epsilon": 0.25, "bias_share": 1.0}),
    "half": (rules.Epsilon(0.25, 0.5), {"epsilon": 0.25, "bias_share": 0.5}),
    "short": (
        rules.Recurrent(rules.Epsilon(0.25, 0.5), rules.Epsilon(0.25, 0.5)), {"epsilon": 0.25, "bias_share": 0.5}
    ),
    "zplus": (
        rules.Recurrent(rules.ZPlus(), rules.Epsilon(0.125)), {"epsilon": 0.125, "input_rule": textbook.zplus}
    ),
    "gamma": (
        rules.Recurrent(rules.Gamma(0.25), rules.Epsilon(0.5)),
        {"epsilon": 0.5, "input_rule": lambda a, m, r: textbook.gamma(a, m, r, 0.25)},
    ),
    "ignore": (rules.Epsilon(0.125).with_bias("ignore"), {"epsilon": 0.125, "bias": "ignore"}),
    "spread": (rules.Epsilon(0.125).with_bias("spread"), {"epsilon": 0.125, "bias": "spread"}),
    "half, ignore": (
        rules.Epsilon(0.25, 0.5).with_bias("ignore"), {"epsilon": 0.25, "bias_share": 0.5, "bias": "ignore"}
    ),
    "recurrent, spread": (
        rules.Recurrent(rules.Gamma(0.25), rules.Epsilon(0.5)).with_bias("spread"),
        {"epsilon": 0.5, "input_rule": lambda a, m, r: textbook.gamma(a, m, r, 0.25, bias="spread")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind == "LSTM"], ids=lambda s: s.name)
@pytest.mark.parametrize("rule", LSTM_RULES)
def test_lstm_is_the_textbooks(sample: Sample, rule: str) -> None:
    layer, xs, rs = sample.layer("normal"), sample.inputs(5, "normal"), sample.relevances(5, "normal")
    ours, options = LSTM_RULES[rule]
    shared = layer.redistribute(xs, rs, ours)
    checks.check_ledger(shared, rs)
    for n in range(5):
        x_said, said_h, said_c, account, beyond = lstm_by_hand(layer, xs, rs, n, options)
        checks.close(shared.relevances[0][n], x_said, rtol=1e-10)
        if layer.state:
            checks.close(shared.relevances[-2][n], said_h, rtol=1e-10)
            checks.close(shared.relevances[-1][n], said_c, rtol=1e-10)
        lost = beyond if layer.state else beyond + said_h.sum() + said_c.sum()
        found = [shared.bias[n], shared.stabiliser[n], shared.dropped[n]]
        np.testing.assert_allclose(found, account + np.array([0.0, 0.0, lost]), rtol=1e-10, atol=1e-12)
        if layer.lengths:
            assert not shared.relevances[1].any()


def lstm_by_hand(layer: Any, xs: Any, rs: Any, n: int, options: Any) -> Any:
    """Return sample n's relevance of x, h_0 and c_0, its account, and what lay after its end."""
    steps, hidden = xs[0].shape[1], layer.hidden
    length = int(xs[1][n]) if layer.lengths else steps
    x_said, account, beyond = np.zeros(xs[0].shape[1:]), np.zeros(3), 0.0
    firsts = []
    for k, reverse in enumerate(DIRECTIONS[layer.direction]):
        part = slice(k * hidden, (k + 1) * hidden)
        order = slice(None, None, -1) if reverse else slice(None)
        h0, c0 = (xs[-2][n, k], xs[-1][n, k]) if layer.state else (np.zeros(hidden), np.zeros(hidden))
        put_h, put_c = np.zeros((length, hidden)), np.zeros(hidden)
        last = np.zeros(hidden)
        if layer.returns != "last":
            put_h += rs[0][n, :length, part][order]
            beyond += rs[0][n, length:, part].sum()
        if layer.returns == "last":
            last = rs[0][n, part]
        elif layer.returns == "all":
            last, put_c = rs[1][n, k], rs[2][n, k]
        if not length:
            firsts.append((last, put_c))
            continue
        put_h[-1] += last
        cell, x = lstm_cell(layer, k), xs[0][n, :length][order]
        states = literal_lstm.forward(cell, x, h0, c0)
        told = literal_lstm.relevance(cell, x, states, put_h, put_c, **options)
        x_said[:length] += told.x[order]
        account += [told.bias.sum(), told.stabiliser.sum(), told.dropped.sum()]
        firsts.append((told.h0, told.c0))
    return x_said, *(np.array(v) for v in zip(*firsts, strict=True)), account, beyond


SHARES = [
    rules.LRP0(),
    rules.Epsilon(1e-3),
    rules.Epsilon(0.25, 1),
    rules.Epsilon(0.25, 0.5),
    rules.LRP0(edits.clip(0.25)),
    rules.LRP0(edits.relative(0.25)),
    Rule((Group((Run(),), stabiliser=edits.relative(0.25), bias_share=0.25, stabiliser_share=0.75),)),
    Rule((Group((Run(),), bias_share=0.5),)),
    rules.LRP0().with_bias("ignore"),
    rules.Epsilon(0.25, 0.5).with_bias("ignore"),
    rules.LRP0().with_bias("spread"),
]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind == "LSTM"], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_quotients_made_beforehand_are_those_of_every_step(
    sample: Sample, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rules through the general step, with blocks of one step, of a few, and of all."""
    layer, xs, rs = sample.layer(kind), sample.inputs(5, kind), sample.relevances(5, kind)
    for dense, state in itertools.product(SHARES, SHARES):
        rule = rules.Recurrent(dense, state)
        with monkeypatch.context() as patch:
            patch.setattr(stepback, "plain", lambda rule: None)
            expected = checks.columns(layer.redistribute(xs, rs, rule))
        for walked in (1, 30, 2**16):
            monkeypatch.setattr(recurrence, "BLOCK", walked)
            found = checks.columns(layer.redistribute(xs, rs, rule))
            size = max(np.abs(e).max() for e in expected)
            for a, b in zip(found, expected, strict=True):
                checks.close(a, b, rtol=1e-13, scale=size, what=f"{dense} {state} {walked}")


@pytest.mark.parametrize("blocks", [1, 100])
def test_blocks_of_steps_change_nothing(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = BY_NAME["LSTM-everything"]
    layer, xs, rs = sample.layer("normal"), sample.inputs(5, "normal"), sample.relevances(5, "normal")
    expected = (*layer.forward(*xs), *layer.vjp(xs, rs))
    monkeypatch.setattr(recurrence, "BLOCK", blocks)
    for a, b in zip((*layer.forward(*xs), *layer.vjp(xs, rs)), expected, strict=True):
        checks.close(a, b, rtol=1e-14)


def test_units_without_a_denominator_are_dropped() -> None:
    """Weights and biases are 0, so every z and every c_t is: nothing arrives, and the ledger says so."""
    layer = layers.LSTM(np.zeros((1, 4, 2, 3)), np.zeros((1, 4, 2, 2)), np.zeros((1, 4, 2)), returns="last")
    x, r = np.ones((2, 3, 3)), np.array([[1.0, -3.0], [0.5, 0.25]])
    for rule in (rules.LRP0(), rules.LRP0(edits.relative(0.5))):
        told = layer.redistribute(x, r, rule)
        assert not told.relevances[0].any()
        assert not told.bias.any()
        assert not told.stabiliser.any()
        np.testing.assert_array_equal(told.dropped, r.sum(axis=1))


def test_what_lies_after_the_end_is_not_read() -> None:
    sample = BY_NAME["LSTM-everything"]
    layer, xs, rs = sample.layer("normal"), sample.inputs(5, "normal"), sample.relevances(5, "normal")
    beyond = np.arange(xs[0].shape[1]) >= xs[1][:, None]
    assert beyond.any()
    spoilt = (np.where(beyond[..., None], np.nan, xs[0]), *xs[1:])
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        for a, b in zip(layer.forward(*spoilt), layer.forward(*xs), strict=True):
            assert np.array_equal(a, b)
        told = [checks.columns(layer.redistribute(some, rs, rule)) for some in (spoilt, xs)]
        for a, b in zip(*told, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("returns", ["last", "sequence", "all"])
@pytest.mark.parametrize(("n", "steps"), [(0, 4), (3, 0), (0, 0)])
def test_no_samples_and_no_steps(returns: str, n: int, steps: int) -> None:
    draw = Draw("empty", "normal")
    layer = layers.LSTM(draw(2, 4, 2, 3), draw(2, 4, 2, 2), draw(2, 4, 2), "bidirectional", returns, state=True)
    x, h, c = np.zeros((n, steps, 3)), draw(n, 2, 2), draw(n, 2, 2)
    out = layer.forward(x, h, c)
    last = {"last": lambda: out.reshape(n, 2, 2), "all": lambda: out[1], "sequence": lambda: h}[returns]()
    rs = tuple(draw(*o.shape) for o in checks.outputs(out))
    for rule in (rules.Epsilon(0.25, 0.5), rules.Recurrent(rules.Gamma(0.25), rules.LRP0())):
        told = layer.redistribute((x, h, c), rs, rule)
        assert [r.shape for r in told.relevances] == [x.shape, h.shape, c.shape]
        if not steps:
            assert np.array_equal(last, h)
            given = {"last": lambda: rs[0].reshape(n, 2, 2), "all": lambda: rs[1], "sequence": lambda: 0 * h}[returns]()
            assert np.array_equal(told.relevances[1], given)
    assert [g.shape for g in layer.vjp((x, h, c), rs if returns == "all" else rs[0])] == [x.shape, h.shape, c.shape]


def test_initial_states_have_to_fit() -> None:
    layer = layers.LSTM(np.ones((1, 4, 2, 3)), np.ones((1, 4, 2, 2)), np.ones((1, 4, 2)), state=True)
    x, h = np.ones((5, 4, 3)), np.ones((5, 1, 2))
    with pytest.raises(LrpError, match=r"initial state of shape \(5, 2\) is not .* \(5, 1, 2\)"):
        layer.forward(x, h, h[:, 0])
    with pytest.raises(LrpError, match="float32"):
        layer.forward(x, h, h.astype(np.float32))


def test_lstm_refuses_rules_that_say_nothing_about_its_sum() -> None:
    layer, xs, rs = (getattr(BY_NAME["LSTM-last"], what)() for what in ("layer", "inputs", "relevances"))
    for rule, words in (
        (None, "has no rule of its own"),
        (rules.ZPlus(), "say what the cell's sum gets"),
        (rules.AlphaBeta(2, 1), "say what the cell's sum gets"),
        (rules.Product("half"), "is not a rule for LSTM"),
    ):
        with pytest.raises(LrpError, match=words):
            layer.redistribute(xs, rs, rule)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
def test_lstm_and_its_derivative_are_pytorchs(direction: str, ragged: bool) -> None:
    torch = pytest.importorskip("torch")
    count, rng = len(DIRECTIONS[direction]), Draw("torch lstm", "normal")
    layer = layers.LSTM(
        rng(count, 4, 3, 2), rng(count, 4, 3, 3), rng(count, 4, 3), direction, "all", lengths=ragged, state=True
    )
    peer = torch.nn.LSTM(2, 3, batch_first=True, bidirectional=count == 2, dtype=torch.float64)
    with torch.no_grad():
        for k, suffix in enumerate(("", "_reverse")[:count]):
            getattr(peer, f"weight_ih_l0{suffix}")[:] = torch.tensor(layer.weight_input[k].reshape(12, 2))
            getattr(peer, f"weight_hh_l0{suffix}")[:] = torch.tensor(layer.weight_hidden[k].reshape(12, 3))
            getattr(peer, f"bias_ih_l0{suffix}")[:] = torch.tensor(layer.bias[k].reshape(12))
            getattr(peer, f"bias_hh_l0{suffix}")[:] = 0
    x, h, c = rng(4, 5, 2), rng(4, count, 3), rng(4, count, 3)
    lengths = np.array([5, 2, 4, 1])
    xs = (x, *((lengths,) if ragged else ()), h, c)
    tx, th, tc = (torch.tensor(a, requires_grad=True) for a in (x, h, c))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        tx, torch.tensor(lengths if ragged else [5] * 4), batch_first=True, enforce_sorted=False
    )
    y, (hn, cn) = peer(packed, (th.transpose(0, 1).contiguous(), tc.transpose(0, 1).contiguous()))
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=5)
    peers = (y, hn.transpose(0, 1), cn.transpose(0, 1))
    ours, gs = layer.forward(*xs), tuple(rng(*p.shape) for p in peers)
    for a, b in zip(ours, peers, strict=True):
        checks.close(a, b.detach().numpy(), rtol=1e-12)
    torch.autograd.backward(peers, [torch.tensor(g) for g in gs])
    pulled = layer.vjp(xs, gs)
    for a, b in zip((pulled[0], *pulled[-2:]), (tx, th, tc), strict=True):
        checks.close(a, b.grad.numpy(), rtol=1e-11)


def test_forward_is_the_textbooks() -> None:
    sample = BY_NAME["LSTM-both-ways-all-state"]
    layer, xs = sample.layer("normal"), sample.inputs(2, "normal")
    sequence, h, c = layer.forward(*xs)
    for n, k in itertools.product(range(2), range(2)):
        cell = lstm_cell(layer, k)
        x = xs[0][n][::-1] if k else xs[0][n]
        states = literal_lstm.forward(cell, x, xs[1][n, k], xs[2][n, k])
        order = slice(None, None, -1) if k else slice(None)
        checks.close(sequence[n, :, 2 * k : 2 * k + 2], states.h[1:][order], rtol=1e-13)
        checks.close(h[n, k], states.h[-1], rtol=1e-13)
        checks.close(c[n, k], states.c[-1], rtol=1e-13)


# 7. Fused and unrolled LSTM ----------------------------------------------------------------------------------


def unrolled(lstm: Any, steps: int) -> Network:
    """The same forward LSTM as a graph of primitive nodes; initial h and c are inputs."""
    nodes, h, c = [], "h_start", "c_start"

    def node(name: str, layer: Any, *inputs: str) -> str:
        nodes.append(Node(name, layer, inputs))
        return name

    weights = {
        gate: layers.Dense(np.concatenate((lstm.weight_input[0, k].T, lstm.weight_hidden[0, k].T)), lstm.bias[0, k])
        for k, gate in enumerate("ifgo")
    }
    for t in range(steps):
        joint = node(f"joint{t}", layers.Concat(), node(f"x{t}", layers.Gather(t, axis=1), "x"), h)
        i, f, g, o = (
            node(f"{k}{t}", layers.Tanh() if k == "g" else layers.Sigmoid(), node(f"pre_{k}{t}", weights[k], joint))
            for k in "ifgo"
        )
        gated, kept = node(f"ig{t}", layers.Multiply(gate=0), i, g), node(f"fc{t}", layers.Multiply(gate=0), f, c)
        c = node(f"c{t}", layers.Add(), gated, kept)
        h = node(f"h{t}", layers.Multiply(gate=0), o, node(f"tanh{t}", layers.Tanh(), c))
    return Network(tuple(nodes), (Input("x"), Input("h_start"), Input("c_start")), (h,))


STATE_RULES = [rules.Epsilon(0.125), rules.LRP0(), rules.Gamma(0.25), rules.AlphaBeta(2, 1), rules.Flat(),
               rules.ZPlus(), rules.GeneralizedGamma(0.5), rules.LRP0(edits.relative(0.25))]  # fmt: skip


@pytest.mark.parametrize("dense", [r for r in LINEAR_RULES if r.main or not r.exact], ids=lambda r: r.name)
def test_fused_lstm_is_the_unrolled_graph(dense: Any) -> None:
    draw = Draw("unrolled", "normal")
    lstm = layers.LSTM(draw(1, 4, 3, 2), draw(1, 4, 3, 3), draw(1, 4, 3), returns="last", state=True)
    x, h, c, r = draw(3, 4, 2), draw(3, 1, 3), draw(3, 1, 3), draw(3, 3)
    graph = unrolled(lstm, 4)
    for state in STATE_RULES:

        def rule(node: Node, state: Any = state) -> Any:
            if node.name.startswith("pre_"):
                return dense.rule
            return state if isinstance(node.layer, layers.Add) else None

        fused = lstm.redistribute((x, h, c), r, rules.Recurrent(dense.rule, state))
        found, totals = walk(graph, {"x": x, "h_start": h[:, 0], "c_start": c[:, 0]}, r, rule)
        checks.close(fused.relevances[0], found["x"], rtol=1e-9)
        checks.close(fused.relevances[1][:, 0], found["h_start"], rtol=1e-9)
        checks.close(fused.relevances[2][:, 0], found["c_start"], rtol=1e-9)
        for column, value in totals.items():
            size = np.abs(value).max() + np.abs(found["x"]).max()
            np.testing.assert_allclose(getattr(fused, column), value, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([4, 2], "LSTM: lengths must be 0 to 3, got 4"),
        ([1, -1], "LSTM: lengths must be 0 to 3, got -1"),
        ([1.0, 2.0], "LSTM: lengths must be integers, got float64"),
    ],
)
def test_lengths_that_do_not_exist_are_refused(lengths: list[float], message: str) -> None:
    ones = np.ones
    layer = layers.LSTM(
        ones((2, 4, 1, 1)), ones((2, 4, 1, 1)), ones((2, 4, 1)), direction="bidirectional", lengths=True
    )
    layer.forward(ones((2, 3, 1)), np.array([3, 0]))
    with pytest.raises(ParameterError, match=message):
        layer.forward(ones((2, 3, 1)), np.array(lengths))
