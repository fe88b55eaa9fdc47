"""Selective scan: the literal loop, the graph of primitive layers, PyTorch with and without detach, a Mamba block."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from samples import exactly

import lrp_ref as lrp
from lrp_ref import literal, rules
from lrp_ref.arithmetic import rational
from lrp_ref.layers import (
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Exp,
    Gather,
    Identity,
    Multiply,
    SelectiveScan,
    SiLU,
    Slice,
    Softplus,
    Split,
    Sum,
    Transpose,
    Unsqueeze,
)
from lrp_ref.literal import stabilisers
from lrp_ref.network import Input, Network, Node

NAMES = ("x", "delta", "b", "c", "state")
RULES = [rules.Selection(product, epsilon) for product in ("signal", "half") for epsilon in (0, Fraction(1, 4))]
SIZES = [(2, 4, 3, 2), (1, 1, 1, 1), (1, 3, 1, 3), (3, 2, 2, 1)]  # samples, steps, channels, states
KINDS = [(skip, state) for skip in (False, True) for state in (False, True)]


def drawn(size: tuple[int, int, int, int], seed: int, kind: str = "grid") -> Any:
    """Return a, skip, the five operands, and relevance of the output: of both signs, on a grid with zeros and ties."""
    (n, steps, channels, states), rng = size, np.random.default_rng(seed)

    def some(*shape: int) -> Any:
        if kind == "normal":
            return rng.normal(size=shape)
        return np.where(rng.random(shape) < 0.2, 0.0, rng.integers(-6, 7, size=shape) / 4)

    a = -np.abs(some(channels, states))
    by_step = [some(n, steps, k) for k in (channels, channels, states, states)]
    return a, some(channels), (*by_step, some(n, channels, states)), some(n, steps, channels)


def literally(layer: SelectiveScan, xs: tuple[Any, ...], r: Any, rule: rules.Selection, n: int) -> Any:
    """Return what the literal loop says of sample n."""
    nothing = layer.a[:, 0] * 0 if layer.skip is None else layer.skip
    first = xs[4][n] if layer.state else layer.a * 0
    decay: Any = math.exp if layer.decay == "exp" else lambda v: v + 1
    scan = literal.scan.Scan(*(x[n] for x in xs[:4]), layer.a, nothing, first, decay)
    stabiliser = stabilisers.exact if rule.epsilon == 0 else stabilisers.add(rule.epsilon)
    return literal.scan.forward(scan)[0], literal.scan.relevance(scan, r[n], rule.product, stabiliser)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("skip", "state"), KINDS)
def test_it_is_the_literal_loop_exactly(size: Any, skip: bool, state: bool, rule: rules.Selection) -> None:
    for seed in range(3):
        a, along, xs, r = map(exactly, drawn(size, seed))
        layer = SelectiveScan(a, along if skip else None, "linear", state)
        told = layer.redistribute(xs[: 4 + state], r, rule)
        y = layer.forward(*xs[: 4 + state])
        for n in range(size[0]):
            forward, said = literally(layer, xs, r, rule, n)
            assert (forward == y[n]).all()
            for name, received in zip(NAMES, told.relevances, strict=False):
                assert (received[n] == getattr(said, name)).all(), name
            assert (told.bias[n], told.stabiliser[n], told.dropped[n]) == (0, said.stabiliser, said.dropped)
            arrived = sum(part[n].sum() for part in told.relevances) + told.stabiliser[n] + told.dropped[n]
            assert arrived == r[n].sum()
        if rule.product == "signal":
            assert all((part == 0).all() for part in told.relevances[1:4])


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_is_the_literal_loop_with_the_exponential(rule: rules.Selection, dtype: Any) -> None:
    a, skip, xs, r = drawn((2, 5, 3, 4), 5, "normal")
    layer, close = SelectiveScan(a, skip, state=True), {"rtol": 1e-9, "atol": 1e-10}
    rule = rules.Selection(rule.product, float(rule.epsilon))
    single = layer.map_arrays(lambda v: v.astype(dtype))
    told = single.redistribute(tuple(x.astype(dtype) for x in xs), r.astype(dtype), rule)
    if dtype == np.float32:
        close = {"rtol": 2e-3, "atol": 2e-3}
    for n in range(2):
        forward, said = literally(layer, xs, r, rule, n)
        np.testing.assert_allclose(layer.forward(*xs)[n], forward, rtol=1e-12, atol=1e-13)
        for name, received in zip(NAMES, told.relevances, strict=True):
            assert received.dtype == dtype
            np.testing.assert_allclose(received[n], getattr(said, name), err_msg=name, **close)
        np.testing.assert_allclose(told.stabiliser[n], said.stabiliser, **close)


# The graph of primitive layers -----------------------------------------------------------------------------------


def unrolled(layer: SelectiveScan, steps: int, rule: rules.Selection) -> tuple[Network, lrp.Composite]:
    """Return a network of products, sums and exponentials, one node each, and the rules of these nodes."""
    channels, states = layer.a.shape
    nodes: list[Node] = []

    def node(name: str, made: Any, *reads: str) -> str:
        nodes.append(Node(name, made, reads))
        return name

    wide, along, h = Gather((0,) * states, 2), Gather((0,) * channels, 1), "state" if layer.state else ""
    one, outputs = np.ones_like(layer.a), []
    for t in range(steps):
        x, delta, b, c = (node(f"{name}{t}", Gather(t, 1), name) for name in NAMES[:4])
        b, c = (node(f"{v} wide", along, node(f"{v} column", Unsqueeze((1,)), v)) for v in (b, c))
        steps_wide = node(f"delta wide {t}", wide, node(f"delta column {t}", Unsqueeze((2,)), delta))
        exponent = node(f"exponent {t}", Affine(layer.a), steps_wide)
        decay = node(f"decay {t}", Exp() if layer.decay == "exp" else Affine(None, one), exponent)
        fed = node(f"fed {t}", Multiply(0), delta, x)
        fed = node(f"fed wide {t}", wide, node(f"fed column {t}", Unsqueeze((2,)), fed))
        parts = [node(f"in {t}", Multiply(1), fed, b)]
        if h:
            parts.insert(0, node(f"kept {t}", Multiply(0), decay, h))
        h = node(f"sum h {t}", Add(), *parts)
        terms = [node(f"out {t}", Multiply(0), c, h)]
        if layer.skip is not None:
            terms.append(node(f"skipped {t}", Unsqueeze((2,)), node(f"skip {t}", Affine(layer.skip), x)))
        y = node(f"sum y {t}", Sum((2,), keepdims=False), node(f"terms {t}", Concat(2), *terms))
        outputs.append(node(f"y {t}", Unsqueeze((1,)), y))
    node("y", Concat(1), *outputs)
    inputs = tuple(Input(name) for name in NAMES[: 4 + layer.state])
    shared = rules.Epsilon(rule.epsilon) if rule.epsilon else rules.LRP0()
    entries = [("sum *", shared), (Multiply, rules.Product(rule.product))]
    return Network(tuple(nodes), inputs, ("y",)), lrp.Composite(entries)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize(("skip", "state"), KINDS)
def test_it_is_the_graph_of_primitive_layers_exactly(skip: bool, state: bool, rule: rules.Selection) -> None:
    size = (2, 3, 2, 2)
    a, along, xs, r = map(exactly, drawn(size, 11))
    layer = SelectiveScan(a, along if skip else None, "linear", state)
    net, composite = unrolled(layer, size[1], rule)
    fed = dict(zip(NAMES, xs[: 4 + state], strict=False))
    e = lrp.explain(net, fed, composite=composite, start=r, canonize=False)
    told = layer.redistribute(xs[: 4 + state], r, rule)
    assert (e.output == layer.forward(*xs[: 4 + state])).all()
    assert e.ledger.residual == 0
    for name, received in zip(NAMES, told.relevances, strict=False):
        assert (e.relevance[name] == received).all(), name
    for column in ("stabiliser", "dropped"):
        assert (sum(getattr(row, column) for row in e.ledger) == getattr(told, column)).all(), column


def test_the_graph_of_primitive_layers_with_the_exponential() -> None:
    size = (2, 4, 3, 2)
    a, skip, xs, r = drawn(size, 12, "normal")
    layer = SelectiveScan(a, skip, state=True)
    for rule in (rules.Selection(), rules.Selection("half", 0.25)):
        net, composite = unrolled(layer, size[1], rule)
        e = lrp.explain(net, dict(zip(NAMES, xs, strict=True)), composite=composite, start=r, canonize=False)
        np.testing.assert_allclose(e.output, layer.forward(*xs), rtol=1e-12)
        for name, received in zip(NAMES, layer.redistribute(xs, r, rule).relevances, strict=True):
            np.testing.assert_allclose(e.relevance[name], received, rtol=1e-9, atol=1e-11)


# PyTorch -----------------------------------------------------------------------------------------------------------


def torch_scan(torch: Any, x: Any, delta: Any, b: Any, c: Any, h: Any, a: Any, skip: Any) -> Any:
    outputs = []
    for t in range(x.shape[1]):
        fed = (delta[:, t] * x[:, t])[..., None] * b[:, t, None]
        h = torch.exp(delta[:, t, :, None] * a) * h + fed
        outputs.append((h * c[:, t, None]).sum(-1) + skip * x[:, t])
    return torch.stack(outputs, 1)


def test_forward_and_derivative_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    a, skip, xs, g = drawn((3, 6, 4, 3), 21, "normal")
    layer, there = SelectiveScan(a, skip, state=True), [torch.tensor(v, requires_grad=True) for v in xs]
    y = torch_scan(torch, *there, torch.tensor(a), torch.tensor(skip))
    y.backward(torch.tensor(g))
    np.testing.assert_allclose(layer.forward(*xs), y.detach().numpy(), rtol=1e-12, atol=1e-13)
    for name, ours, theirs in zip(NAMES, layer.vjp(xs, g), there, strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-10, atol=1e-11, err_msg=name)
    without = SelectiveScan(a, skip).vjp(xs[:4], g)
    zero = SelectiveScan(a, skip, state=True).vjp((*xs[:4], xs[4] * 0), g)
    assert all(np.array_equal(u, v) for u, v in zip(without, zero, strict=False))


def test_signal_is_the_derivative_times_the_input_with_the_selection_held() -> None:
    """MambaLRP: what PyTorch gives with delta, B and C detached, the output's quotient R/y in place of 1."""
    torch = pytest.importorskip("torch")
    a, skip, xs, r = drawn((3, 6, 4, 3), 22, "normal")
    x, h = (torch.tensor(xs[k], requires_grad=True) for k in (0, 4))
    held = [torch.tensor(v, requires_grad=True) for v in xs[1:4]]
    y = torch_scan(torch, x, *(v.detach() for v in held), h, torch.tensor(a), torch.tensor(skip))
    y.backward(torch.tensor(r) / y.detach())
    told = SelectiveScan(a, skip, state=True).redistribute(xs, r)
    np.testing.assert_allclose(told.relevances[0], (x * x.grad).detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(told.relevances[4], (h * h.grad).detach().numpy(), rtol=1e-9, atol=1e-12)
    assert not any(part.any() for part in told.relevances[1:4])
    assert not told.stabiliser.any()
    assert not told.dropped.any()


# Corners -----------------------------------------------------------------------------------------------------------


def test_halves_of_one_step_by_hand() -> None:
    """y = C·(Δx)B of one state from 0: ½ for C, of the other half ½ for B, and ¼ of that half each for x and Δ."""
    one, r = np.ones((1, 1, 1)), np.array([[[8.0]]])
    told = SelectiveScan(np.array([[-1.0]])).redistribute((3 * one, 2 * one, one, -one), r, rules.Selection("half"))
    assert [part.item() for part in told.relevances] == [1.0, 1.0, 2.0, 4.0]


def test_a_sum_that_is_zero_drops_and_a_state_that_is_zero_has_nothing() -> None:
    one = np.ones((1, 1, 1))
    told = SelectiveScan(np.array([[-1.0]]), np.array([-1.0])).redistribute((one, one, one, one), 5 * one)
    assert told.dropped.tolist() == [5.0]  # y = C h − x = 0
    layer = SelectiveScan(np.array([[-1.0]]), np.array([2.0]), "linear", state=True)
    # h = (1 − 0.5)·2 − 1 = 0, so that all of y = 2 x comes from the skip.
    told = layer.redistribute((-2 * one, one / 2, one, one, 2 * one), 5 * one)
    assert [part.item() for part in told.relevances] == [5.0, 0.0, 0.0, 0.0, 0.0]
    assert told.dropped.tolist() == [0.0]


def test_no_steps_and_no_samples() -> None:
    a, r = -np.ones((2, 3)), np.zeros((2, 0, 2))
    xs = (np.ones((2, 0, 2)),) * 2 + (np.ones((2, 0, 3)),) * 2 + (np.ones((2, 2, 3)),)
    layer = SelectiveScan(a, state=True)
    assert layer.forward(*xs).shape == (2, 0, 2)
    assert [part.shape for part in layer.relevance_backward(xs, r)] == [x.shape for x in xs]
    assert not layer.vjp(xs, r)[4].any()
    many = tuple(np.broadcast_to(np.zeros((1, 1, 1)), (0, 1 << 36, k)) for k in (2, 2, 3, 3))
    assert SelectiveScan(a).forward(*many).shape == (0, 1 << 36, 2)  # at once: nobody goes through the steps


def test_the_exponential_has_no_value_on_rationals_and_has_one_in_balls() -> None:
    a, skip, xs, r = drawn((1, 2, 2, 2), 31, "normal")
    with pytest.raises(lrp.errors.UnsupportedError, match="exp has no exact value on rationals"):
        SelectiveScan(rational(a)).forward(*map(rational, xs[:4]))
    pytest.importorskip("flint")
    ball = lrp.arithmetic.ball
    told = SelectiveScan(ball(a), ball(skip)).relevance_backward(tuple(map(ball, xs[:4])), ball(r))
    ours = SelectiveScan(a, skip).relevance_backward(xs[:4], r)
    np.testing.assert_allclose(ours[0], told[0].astype(float), rtol=1e-12)


# A block of Mamba ----------------------------------------------------------------------------------------------------

FEATURES, CHANNELS, STATES, RANK, KERNEL = 3, 4, 2, 2, 3


def block_weights(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {
        "in": (FEATURES, 2 * CHANNELS), "conv": (CHANNELS, 1, KERNEL), "conv bias": (CHANNELS,),
        "select": (CHANNELS, RANK + 2 * STATES), "dt": (RANK, CHANNELS), "dt bias": (CHANNELS,),
        "skip": (CHANNELS,), "out": (CHANNELS, FEATURES),
    }  # fmt: skip
    found = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
    return {**found, "a": -np.exp(rng.normal(size=(CHANNELS, STATES)))}


def block(w: dict[str, Any]) -> Network:
    """in_proj → causal depthwise convolution → SiLU → selection and scan → gate SiLU(z) → out_proj."""
    turn = Transpose((0, 2, 1))
    return Network(
        (
            Node("in", Dense(w["in"]), ("tokens",)),
            Node("halves", Split((CHANNELS, CHANNELS), 2), ("in",)),
            Node("turned", turn, ("halves",)),
            Node("conv", Conv(w["conv"], w["conv bias"], padding=KERNEL - 1, groups=CHANNELS), ("turned",)),
            Node("causal", Slice((2,), (None,), (1 - KERNEL,)), ("conv",)),
            Node("along", turn, ("causal",)),
            Node("x", SiLU(), ("along",)),
            Node("select", Dense(w["select"]), ("x",)),
            Node("parts", Split((RANK, STATES, STATES), 2), ("select",)),
            Node("dt", Dense(w["dt"], w["dt bias"]), ("parts",)),
            Node("delta", Softplus(), ("dt",)),
            Node("scan", SelectiveScan(w["a"], w["skip"]), ("x", "delta", "parts:1", "parts:2")),
            Node("gate", SiLU(), ("halves:1",)),
            Node("gated", Multiply(), ("scan", "gate")),
            Node("out", Dense(w["out"]), ("gated",)),
        ),
        (Input("tokens", (None, None, FEATURES)),),
        ("out",),
    )


def torch_block(torch: Any, w: dict[str, Any], tokens: Any, *, held: bool) -> Any:
    """Return the block's output; with ``held`` its derivative times the input is the relevance."""
    w = {name: torch.tensor(value) for name, value in w.items()}
    functional = torch.nn.functional

    def silu(v: Any) -> Any:
        return v * torch.sigmoid(v).detach() if held else functional.silu(v)

    x, z = (tokens @ w["in"]).split(CHANNELS, -1)
    x = functional.conv1d(x.transpose(1, 2), w["conv"], w["conv bias"], padding=KERNEL - 1, groups=CHANNELS)
    x = silu(x[..., : 1 - KERNEL].transpose(1, 2))
    step, b, c = (x @ w["select"]).split((RANK, STATES, STATES), -1)
    delta = functional.softplus(step @ w["dt"] + w["dt bias"])
    if held:
        delta, b, c = delta.detach(), b.detach(), c.detach()
    h = torch.zeros(x.shape[0], CHANNELS, STATES, dtype=x.dtype)
    gated = torch_scan(torch, x, delta, b, c, h, w["a"], w["skip"]) * silu(z)
    return (gated / 2 + (gated / 2).detach() if held else gated) @ w["out"]


def test_a_block_of_mamba_is_explained_as_pytorch_with_constants_would() -> None:
    torch = pytest.importorskip("torch")
    for seed in range(3):
        w, tokens = block_weights(seed), np.random.default_rng(40 + seed).normal(size=(2, 6, FEATURES))
        net = block(w)
        there = torch.tensor(tokens, requires_grad=True)
        np.testing.assert_allclose(
            net.forward(tokens), torch_block(torch, w, there, held=False).detach().numpy(), rtol=1e-10, atol=1e-12
        )
        start = np.zeros((2, 6, FEATURES))
        y = torch_block(torch, w, there, held=True)
        start[:, -1, 1] = y[:, -1, 1].detach().numpy()
        y[:, -1, 1].sum().backward()
        e = lrp.explain(net, tokens, composite="lrp0", start=start)
        np.testing.assert_allclose(e.relevance, (there * there.grad).detach().numpy(), rtol=1e-9, atol=1e-12)
        assert e.ledger.residual < 1e-13
        planned = {row.node: row.label for row in e.plan}
        assert planned["scan"] == SelectiveScan.own_rule
        assert planned["gated"] == "R_k = R/2"
        both = lrp.explain(net, tokens, composite=[(SelectiveScan, rules.Selection("half", 1e-6)),
                                                   ((Dense, Conv), rules.Epsilon(1e-6))], start=start)  # fmt: skip
        assert both.ledger.residual < 1e-11
        assert abs(both.trace.relevance["dt"]).max() > 0  # what speaks for the selection, too
        assert not e.trace.relevance["dt"].any()


def test_a_saved_block_is_the_same(tmp_path: Any) -> None:
    net = block(block_weights(3))
    lrp.save(net, tmp_path / "mamba.npz")
    assert lrp.load(tmp_path / "mamba.npz") == net
    pytest.importorskip("onnx")
    with pytest.raises(lrp.errors.UnsupportedError, match=r"SelectiveScan 'scan' \(only ONNX's Scan"):
        lrp.save(net, tmp_path / "mamba.onnx")


def test_in_a_network_every_operand_has_its_relevance_and_the_ledger_what_is_dropped() -> None:
    a, skip, xs, r = map(exactly, drawn((2, 3, 2, 2), 51))
    net = Network(
        (Node("scan", SelectiveScan(a, skip, "linear"), NAMES[:4]), Node("end", Identity(), ("scan",))),
        tuple(Input(name) for name in NAMES[:4]),
        ("end",),
    )
    e = lrp.explain(net, dict(zip(NAMES, xs[:4], strict=False)), composite="lrp0", start=r)
    assert e.ledger.residual == 0
    expected = net["scan"].layer.redistribute(xs[:4], r)
    assert (e.relevance["x"] == expected.relevances[0]).all()
    (row,) = (row for row in e.ledger if row.node == "scan")
    assert (row.dropped == expected.dropped).all()
    assert row.dropped.any()
