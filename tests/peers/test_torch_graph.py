"""Networks as torch modules: the same numbers for every kind of layer, and what zennit and Captum make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
from peers_live import captum_only, zennit_only

import lrp_ref as lrp
from lrp_ref import Input, Network, Node
from lrp_ref import layers as of
from lrp_ref.layers.route import Gather, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze, Upsample
from lrp_ref.peers import NoRule, PeerError, Task
from lrp_ref.peers.asking import ask
from lrp_ref.peers.torch_graph import to_torch

_R = np.random.default_rng(21)


def r(*shape: int) -> Any:
    return _R.normal(size=shape)


KINDS: list[tuple[of.Layer, tuple[int, ...]]] = [
    (of.Dense(r(5, 2), r(2)), (2, 3, 5)),
    (of.Conv(r(4, 1, 3, 3), r(4), groups=2, stride=(2, 1), padding=(1, 2)), (2, 2, 7, 6)),
    (of.Conv(r(4, 2, 3, 2, 1), None, dilation=(1, 2, 1), padding=1), (2, 2, 7, 6, 3)),
    (of.Conv(r(4, 2, 3), r(4), padding=((1, 2),), stride=2), (2, 2, 7)),
    (of.Conv(r(4, 2, 3, 3), r(4), padding=((0, 1), (2, 0)), stride=2), (2, 2, 6, 7)),
    (of.ConvTranspose(r(4, 3, 3, 3), r(6), padding=1, stride=2, output_padding=1, groups=2, dilation=2), (2, 4, 5, 5)),
    (of.MaxPool(3, stride=2, padding=1, ceil_mode=True), (2, 2, 8, 7)),
    (of.MaxPool((3, 2), stride=2, dilation=2), (2, 2, 8, 8)),
    (of.MaxPool(3, stride=2, padding=((0, 1), (1, 0))), (2, 2, 8, 8)),
    (of.MaxPool(2), (1, 2, 4, 4, 4)),
    (of.AveragePool(3, stride=2, padding=1, ceil_mode=True), (2, 2, 8, 7)),
    (of.AveragePool(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), (2, 2, 8)),
    (of.SumPool((2, 3), factor=0.5), (2, 2, 8, 9)),
    (of.GlobalAveragePool(), (2, 3, 5)),
    (of.GlobalMaxPool(keepdims=False), (2, 3, 4, 4)),
    (of.Mean((1,), keepdims=False), (2, 3, 5)),
    (of.Sum((1, 2)), (2, 3, 5)),
    (of.Affine(r(3), r(3)), (2, 3)),
    (of.Affine(r(3), None), (2, 3, 2, 2, 2)),
    (of.Affine(None, r(2, 2)), (2, 2, 2)),
    (of.Normalize((1, 2)), (2, 3, 4)),
    (of.Softmax(-1, log=True), (2, 3, 4)),
    *(
        (layer, (2, 3, 4))
        for layer in (
            of.ReLU(), of.LeakyReLU(0.2), of.LeakyReLU(r(3)), of.ELU(0.7), of.ELU(1.0, 2.0), of.SELU(), of.GELU(),
            of.GELU("tanh"), of.Sigmoid(), of.SiLU(), of.Tanh(), of.Softplus(2.0), of.Clip(0, 6), of.Clip(None, 1),
            of.HardSigmoid(), of.HardSigmoid(0.2, 0.5), of.HardSwish(), of.HardTanh(), of.Abs(), of.Exp(), of.Power(2),
            of.Identity(), of.CELU(0.5), of.Swish(1.5),
        )
    ),
    (Squeeze((2,)), (2, 3, 1)),
    (Unsqueeze((1, -1)), (2, 3)),
    (Reshape((2, -1)), (2, 3, 4)),
    (Transpose((0, 2, 1)), (2, 3, 4)),
    (Slice((1,), (None,), (None,), (-2,)), (2, 5)),
    (Gather((0, 0, 2)), (2, 3)),
    (Gather(-1), (2, 3, 2)),
    (Pad(((0, 0), (-1, 2)), value=3.0), (2, 2, 3)),
    (Upsample((2, 3)), (2, 2, 3, 3)),
    (of.Flatten(), (2,)),
    (of.Flatten(2), (2, 3, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), KINDS, ids=lambda v: repr(v).split("=")[0][:24])
def test_a_layer_has_the_same_values_and_gradients_in_torch(layer: of.Layer, shape: tuple[int, ...]) -> None:
    net, x = Network.sequential([("only", layer)], input_name="x"), r(*shape)
    for dtype in (np.float64, np.float32):
        model, given = to_torch(net.astype(dtype)), torch.tensor(x.astype(dtype), requires_grad=True)
        out, ours = model(given), net.astype(dtype).forward(x.astype(dtype))
        assert (out.numpy(force=True).dtype, out.shape) == (ours.dtype, ours.shape)
        tolerance = 1e-12 if dtype is np.float64 else 2e-6
        np.testing.assert_allclose(out.numpy(force=True), ours, rtol=tolerance, atol=tolerance)
        g = r(*ours.shape).astype(dtype)
        (pulled,) = torch.autograd.grad(out, given, torch.tensor(g))
        np.testing.assert_allclose(pulled.numpy(), layer.astype(dtype).vjp(x.astype(dtype), g) if hasattr(
            layer, "astype") else net.astype(dtype)["only"].layer.vjp(x.astype(dtype), g), rtol=tolerance * 10,
            atol=tolerance * 10)  # fmt: skip


def test_names_that_modules_cannot_have() -> None:
    names = ["forward", "training", "eval", "a.b/c", "β", "", "child", "tap", "a_b_c", "weight", "1", "x y", "_modules"]
    nodes, before = list[Node](), "x"
    for name in names:
        nodes.append(Node(name, of.Affine(r(3), r(3)), (before,)))
        before = name
    net, x = Network(tuple(nodes), (Input("x"),), (before,)), r(2, 3)
    model = to_torch(net)
    assert list(model.child) == names
    assert len({*model.child.values()}) == len(names) == len(list(model.children()))
    np.testing.assert_allclose(model(torch.tensor(x)).numpy(), net.forward(x), rtol=1e-12)


def test_several_inputs_several_outputs_and_one_layer_twice() -> None:
    same = of.Dense(r(3, 3), r(3))
    nodes = (
        Node("a", same, ("x",)),
        Node("b", same, ("a",)),
        Node("parts", Split((1, 2)), ("b",)),
        Node("more", of.Dense(r(2, 3), None), ("parts:1",)),
        Node("sum", of.Add((1, -2)), ("more", "y")),
        Node("all", of.Concat(), ("sum", "parts")),
    )
    net = Network(nodes, (Input("x"), Input("y")), ("all",))
    for n in (2, 1, 0):
        x = {"x": r(n, 3), "y": r(n, 3)}
        model = to_torch(net)
        expected = net.forward(x)
        np.testing.assert_allclose(model({k: torch.tensor(v) for k, v in x.items()}).numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(model(*map(torch.tensor, x.values())).numpy(), expected, rtol=1e-12)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_the_module_has_memory_of_its_own_and_draws_no_numbers() -> None:
    net = Network.sequential([("d", of.Dense(r(3, 3), r(3)))])
    before, state = net["d"].layer.weight.copy(), torch.random.get_rng_state()
    model = to_torch(net)
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    np.testing.assert_array_equal(net["d"].layer.weight, before)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (of.AveragePool(3, padding=((0, 1),)), (1, 1, 5), r"torch pads both sides alike, not by \(\(0, 1\),\)"),
        (of.Normalize((1,)), (1, 2, 3), "torch normalises over the last axes, not over"),
    ],
)
def test_what_torch_has_not_is_said_with_the_node(layer: of.Layer, shape: tuple[int, ...], message: str) -> None:
    net = Network.sequential([("only", layer)])
    with pytest.raises(NoRule, match=f"node 'only': {message}"):
        to_torch(net)(torch.tensor(r(*shape)))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (of.ConvTranspose(r(1, 1, 3), padding=((0, 1),)), (1, 1, 5), "torch pads both sides alike"),
        (of.MaxPool(2, ties="share"), (1, 1, 4), "torch gives the first of several winners all"),
        (Pad(((0, 0), (1, 1)), mode="edge"), (1, 2, 3), "torch pads any axis with one constant"),
        (of.LogSumExp((1,)), (1, 3), "torch has no module for a LogSumExp"),
    ],
)  # fmt: skip
def test_what_torch_has_not_is_computed_here_and_hands_nothing_down(
    layer: of.Layer, shape: tuple[int, ...], message: str
) -> None:
    net = Network.sequential([("only", layer)])
    model, x = to_torch(net), torch.tensor(r(*shape), requires_grad=True)
    assert model.without["only"].startswith(message)
    made = model(x)
    np.testing.assert_allclose(made.detach().numpy(), net.values({"input": x.detach().numpy()})["only"], rtol=1e-12)
    made.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize(
    "program", [pytest.param("zennit", marks=zennit_only), pytest.param("captum", marks=captum_only)]
)
def test_what_is_above_a_layer_that_torch_has_not_is_compared(program: str) -> None:
    lstm = of.LSTM(r(1, 4, 3, 4), r(1, 4, 3, 3), r(1, 4, 3), returns="last")
    net = Network.sequential([("words", of.Dense(r(4, 4), r(4))), ("lstm", lstm), ("out", of.Dense(r(3, 2), r(2)))])
    found = lrp.crosscheck(net, r(2, 5, 4), peer=program, composite="epsilon")
    assert found.equal
    assert set(found.recording.left_out) == {"lstm"}
    assert {row.node for row in found.rows if row.relevance is not None} == {"out", "lstm"}


def test_exact_numbers_are_refused_with_what_to_do() -> None:
    net = lrp.arithmetic.rational(Network.sequential([("only", of.Dense(r(2, 2)))]))
    with pytest.raises(PeerError, match=r"torch has no exact numbers: ask with lrp\.arithmetic\.to_float\(network\)"):
        to_torch(net)
    to_torch(lrp.arithmetic.to_float(net))  # as it was told


# Asked of the programs -------------------------------------------------------------------------------------------


def uneven(fork: bool = True) -> tuple[Network, Any]:
    """Convolutions and pools padded as other frameworks do, a split, slopes per channel, and a sum around them."""
    nodes = (
        Node("conv", of.Conv(r(4, 2, 3, 3), r(4), stride=2, padding=((0, 1), (0, 1))), ("x",)),
        Node("prelu", of.LeakyReLU(np.array([0.1, 0.2, 0.3, 0.4])), ("conv",)),
        Node("pool", of.MaxPool(3, stride=2, padding=((0, 1), (1, 0))), ("prelu",)),
        Node("parts", Split((3, 1)), ("pool",)),
        Node("deep", of.Conv(r(3, 1, 3, 3), r(3), padding=1, groups=3), ("parts",)),
        Node("swish", of.Swish(1.5), ("deep",)),
        Node("all", of.Concat(), ("swish", "parts:1")),
        Node("sum", of.Add(), ("all", "pool" if fork else "all")),
        Node("flat", of.Flatten(), ("sum",)),
        Node("out", of.Dense(r(16, 3), r(3)), ("flat",)),
    )
    return Network(nodes, (Input("x"),), ("out",)), r(3, 2, 8, 8)


def asked(peer: str, net: Network, x: Any, composite: lrp.Composite, start: Any) -> Any:
    task = Task(net, {"x": x}, {p.node: p.rule for p in composite.plan(net)}, start)
    return ask(peer, task)


@pytest.mark.parametrize("samples", [3, 1, 0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["Epsilon", "Flat"])
@zennit_only
def test_zennit_on_networks_of_other_frameworks(rule: str, dtype: str, samples: int) -> None:
    net, x = uneven()
    net, x = net.astype(dtype), x[:samples].astype(dtype)
    start = r(samples, 3).astype(dtype)
    flat = lrp.rules.Flat(lrp.edits.add(1e-6))
    chosen = flat if rule == "Flat" else lrp.rules.Epsilon(0.01)
    composite = lrp.Composite([(of.Conv, chosen), (of.Dense, lrp.rules.Epsilon(0.01))])
    ours = lrp.explain(net, x, composite=composite, start=start, canonize=False, trace=True).trace
    found = asked("zennit", net, x, composite, start)
    assert not found.left_out
    assert set(found.trace.relevance) == set(ours.relevance)
    for name, relevance in ours.relevance.items():
        assert found.trace.relevance[name].dtype == dtype
        scale = np.abs(relevance).max(initial=1e-9)
        np.testing.assert_allclose(
            found.trace.relevance[name], relevance, atol=scale * (1e-11 if dtype == "float64" else 1e-3), err_msg=name
        )


@captum_only
def test_captum_on_networks_of_other_frameworks() -> None:
    net, x = uneven(fork=False)
    composite = lrp.Composite([((of.Conv, of.Dense, of.Add), lrp.rules.Epsilon(0.01))])
    start = r(3, 3)
    found = asked("captum", net, x, composite, start)
    assert not found.left_out
    # Its own way of max pools is R a/(a + ε): with the pool's input away from 0 that is nothing to speak of.
    ours = lrp.explain(net, x, composite=composite, start=start, canonize=False, trace=True).trace
    for name, relevance in ours.relevance.items():
        scale = np.abs(relevance).max()
        np.testing.assert_allclose(found.trace.relevance[name], relevance, atol=1e-6 * scale, err_msg=name)


@zennit_only
def test_a_forward_pass_that_differs_is_told_with_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.peers import PeerError, torch_weights

    net, x = uneven()
    real = torch_weights.dense

    def shifted(layer: Any) -> Any:
        made = real(layer)
        made.bias.data += 1e-3
        return made

    monkeypatch.setitem(__import__("lrp_ref.peers.torch_modules", fromlist=["_MODULES"])._MODULES, of.Dense, shifted)
    with pytest.raises(
        PeerError, match=r"zennit [0-9.]+: its forward pass departs at node 'out' \[\d, \d\]: .* instead of"
    ):
        asked("zennit", net, x, lrp.Composite([((of.Conv, of.Dense), lrp.rules.Epsilon())]), r(3, 3))
