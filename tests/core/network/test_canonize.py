"""Canonizing: what is merged, what stays, and that neither outputs nor the relevance below change."""

from __future__ import annotations

import importlib
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import canonize, rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import GraphError
from lrp_ref.layers import LSTM, Add, Affine, Conv, ConvTranspose, Dense, Flatten, Layer, ReLU, Softmax
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(5)
ALL_LRP0 = [((Dense, Conv, ConvTranspose, Affine), rules.LRP0())]


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    return RNG.normal(size=shape)


def affine(channels: int) -> Affine:
    """A BatchNorm with scales of both signs."""
    gamma = np.where(np.arange(channels) % 2, -1.0, 1.0) * (0.5 + RNG.random(channels))
    return Affine.batch_norm(gamma, draw(channels), draw(channels), 0.5 + RNG.random(channels), epsilon=1e-5)


def kinds(net: Network) -> list[str]:
    return [type(n.layer).__name__ for n in net.nodes]


# name: layer, its sample's shape, its input and output channels
LAYERS: dict[str, tuple[Layer, tuple[int, ...], int, int]] = {
    "dense": (Dense(draw(4, 3), draw(3)), (4,), 4, 3),
    "dense-no-bias": (Dense(draw(4, 3)), (4,), 4, 3),
    "conv": (Conv(draw(3, 2, 2, 3), draw(3)), (2, 4, 5), 2, 3),
    "conv-no-bias": (Conv(draw(3, 2, 3)), (2, 6), 2, 3),
    "conv-3d": (Conv(draw(2, 2, 2, 1, 2), draw(2)), (2, 3, 3, 3), 2, 2),
    "conv-stride": (Conv(draw(3, 2, 3, 3), draw(3), stride=(2, 3)), (2, 7, 7), 2, 3),
    "conv-padding": (Conv(draw(3, 2, 3, 3), draw(3), padding=1), (2, 4, 5), 2, 3),
    "conv-no-bias-padding": (Conv(draw(3, 2, 3), padding=((2, 1),)), (2, 5), 2, 3),
    "conv-stride-padding": (Conv(draw(3, 2, 3, 3), draw(3), stride=2, padding=((0, 2), (1, 1))), (2, 6, 5), 2, 3),
    "conv-dilation": (Conv(draw(2, 2, 2, 2), draw(2), dilation=2, padding=2), (2, 5, 5), 2, 2),
    "conv-grouped": (Conv(draw(6, 2, 3), draw(6), groups=3, padding=1), (6, 5), 6, 6),
    "conv-depthwise": (Conv(draw(3, 1, 2, 2), draw(3), groups=3), (3, 4, 4), 3, 3),
    "conv-depthwise-multiplier": (Conv(draw(6, 1, 3), draw(6), groups=3, padding=1), (3, 4), 3, 6),
    "conv-map-bias": (Conv(draw(2, 2, 3), draw(2, 3), stride=2, padding=1), (2, 5), 2, 2),
    "transposed": (ConvTranspose(draw(2, 3, 3), draw(3), stride=2), (2, 4), 2, 3),
    "transposed-no-bias": (ConvTranspose(draw(2, 3, 2, 2)), (2, 3, 3), 2, 3),
    "transposed-grouped": (ConvTranspose(draw(4, 3, 3), draw(6), groups=2, padding=1), (4, 5), 4, 6),
    "transposed-depthwise": (
        ConvTranspose(draw(3, 1, 2), draw(3), groups=3, stride=2, output_padding=1),
        (3, 3),
        3,
        3,
    ),
    "transposed-3d": (ConvTranspose(draw(2, 2, 2, 1, 2), draw(2), stride=(2, 1, 2)), (2, 2, 3, 2), 2, 2),
    "transposed-output-padding": (
        ConvTranspose(draw(4, 2, 3, 2), draw(4), groups=2, stride=(3, 2), padding=((1, 0), (0, 1)),
                      output_padding=(2, 1), dilation=(2, 1)),
        (4, 3, 3),
        4,
        4,
    ),
    "transposed-map-bias": (ConvTranspose(draw(2, 3, 3), draw(3, 7), stride=2, padding=((1, 1),)), (2, 4), 2, 3),
    "transposed-one-tap": (ConvTranspose(draw(4, 3, 1, 1), draw(6), groups=2), (4, 3, 2), 4, 6),
    "transposed-one-tap-cropped": (ConvTranspose(draw(2, 3, 1), draw(3), padding=1), (2, 5), 2, 3),
    "transposed-one-tap-added": (ConvTranspose(draw(2, 3, 1), draw(3), output_padding=1), (2, 4), 2, 3),
    "transposed-one-tap-stride": (ConvTranspose(draw(2, 3, 1), draw(3), stride=2), (2, 4), 2, 3),
}  # fmt: skip
# Layers whose shift in front is another number at each place of the output.
BY_PLACE = {
    "conv-padding", "conv-no-bias-padding", "conv-stride-padding", "conv-dilation", "conv-grouped", "conv-map-bias",
    "conv-depthwise-multiplier", "transposed", "transposed-no-bias", "transposed-grouped", "transposed-depthwise",
    "transposed-3d", "transposed-output-padding", "transposed-map-bias", "transposed-one-tap-stride",
    "transposed-one-tap-added",
}  # fmt: skip
after_ = pytest.mark.parametrize("name", LAYERS)
before_ = pytest.mark.parametrize("name", LAYERS)


def chain(name: str, place: str) -> tuple[Network, Any]:
    layer, shape, ins, outs = LAYERS[name]
    layers = [("layer", layer), ("bn", affine(outs))] if place == "after" else [("bn", affine(ins)), ("layer", layer)]
    net = Network.sequential([*layers, ReLU()])
    sized = Network(net.nodes, (Input("input", (None, *shape)),), net.outputs)
    return sized, draw(3, *shape)


def check_same(net: Network, merged: Network, x: Any) -> None:
    """Outputs agree to 1e-12; so does the LRP-0 relevance of the input, and exactly on rationals."""
    expected = net.forward(x)
    np.testing.assert_allclose(merged.forward(x), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    start = draw(*expected.shape)
    for n, m, data, r in ((net, merged, x, start), (rational(net), None, rational(x), rational(start))):
        m = canonize(n) if m is None else m
        apart = lrp.explain(n, data, composite=ALL_LRP0, start=r, canonize=False).relevance
        joined = lrp.explain(m, data, composite=ALL_LRP0, start=r, canonize=False).relevance
        if data.dtype == object:
            assert (apart == joined).all(), "LRP-0 on rationals: merging changed the relevance"
        else:
            np.testing.assert_allclose(joined, apart, rtol=1e-9, atol=1e-9 * np.abs(apart).max())


@after_
def test_batch_norm_behind_a_layer(name: str) -> None:
    net, x = chain(name, "after")
    merged = canonize(net)
    assert [n.name for n in merged.nodes] == ["layer", "relu1"]
    assert kinds(merged) == [type(LAYERS[name][0]).__name__, "ReLU"]
    check_same(net, merged, x)


@before_
def test_batch_norm_in_front_of_a_layer(name: str) -> None:
    net, x = chain(name, "before")
    merged = canonize(net)
    assert [n.name for n in merged.nodes] == ["layer", "relu1"]
    layer, _, _, outs = LAYERS[name]
    by_place = name in BY_PLACE
    bias = merged["layer"].layer.bias  # type: ignore[attr-defined]
    assert bias.shape == (net.until("layer").forward(x).shape[1:] if by_place else (outs,))
    if not isinstance(layer, Dense):
        # What the layer makes of zeros is what the pair makes of them, place by place.
        zeros = np.zeros_like(x)
        np.testing.assert_allclose(merged.forward(zeros), net.forward(zeros), rtol=1e-12, atol=1e-12)
    check_same(net, merged, x)


@before_
def test_a_scale_alone_needs_no_bias_per_position(name: str) -> None:
    layer, shape, ins, _ = LAYERS[name]
    net = Network.sequential([("bn", Affine(scale=draw(ins))), ("layer", layer)])
    merged = canonize(net)
    assert kinds(merged) == [type(layer).__name__]
    assert merged["layer"].layer.bias is layer.bias  # type: ignore[attr-defined]
    check_same(net, merged, draw(2, *shape))


def test_a_shift_per_position_by_hand() -> None:
    """x + 1 in front of a sum of three neighbours with zero padding: the border sees one shift less."""
    net = Network.sequential([Affine(shift=np.ones(1)), Conv(np.ones((1, 1, 3)), padding=1)])
    sized = Network(net.nodes, (Input("input", (None, 1, 4)),), net.outputs)
    merged = canonize(sized)["conv1"].layer
    assert merged.bias.tolist() == [[2.0, 3.0, 3.0, 2.0]]  # type: ignore[attr-defined]


def test_a_shift_in_front_of_a_transposed_convolution_by_hand() -> None:
    """x + 1 spread by taps (1, 10, 100) with stride 2: places see one tap or two, the added last place none."""
    layer = ConvTranspose(np.array([[[1.0, 10.0, 100.0]]]), np.array([0.5]), stride=2, output_padding=1)
    net = Network.sequential([Affine(shift=np.ones(1)), layer])
    sized = Network(net.nodes, (Input("input", (None, 1, 2)),), net.outputs)
    merged = canonize(sized)["convtranspose1"].layer
    assert merged.bias.tolist() == [[1.5, 10.5, 101.5, 10.5, 100.5, 0.5]]  # type: ignore[attr-defined]
    cropped = replace(layer, padding=((1, 2),))
    sized = Network((net.nodes[0], replace(net.nodes[1], layer=cropped)), sized.inputs, sized.outputs)
    assert canonize(sized)["convtranspose1"].layer.bias.tolist() == [[10.5, 101.5, 10.5]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in LAYERS if "transposed" in n])
def test_a_transposed_convolution_of_unknown_input(name: str) -> None:
    """Where the shift is one number at each place, the size has to be known; explain knows it."""
    layer, shape, ins, _ = LAYERS[name]
    net = Network.sequential([affine(ins), layer])
    assert kinds(canonize(net)) == (["Affine", "ConvTranspose"] if name in BY_PLACE else ["ConvTranspose"])
    x = draw(2, *shape)
    e = lrp.explain(net, x, composite="lrp0")
    assert [type(p.layer).__name__ for p in e.plan] == ["ConvTranspose"]
    np.testing.assert_allclose(e.output, net.forward(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "dense-no-bias"])
def test_merged_layers_against_autograd(name: str) -> None:
    """LRP-0 of the merged chain is x·∂f/∂x of the apart one, which torch computes."""
    torch = pytest.importorskip("torch")
    net, x = chain(name, "before")
    (bn, layer), f = (n.layer for n in net.nodes[:2]), torch.nn.functional
    t = torch.tensor(x, requires_grad=True)
    per = (-1, *(1,) * (x.ndim - 2)) if x.ndim > 2 else (-1,)
    y = t * torch.tensor(bn.scale).reshape(per) + torch.tensor(bn.shift).reshape(per)  # type: ignore[attr-defined]
    w, b = torch.tensor(layer.weight), layer.bias  # type: ignore[attr-defined]
    if isinstance(layer, Dense):
        y = y @ w
    elif isinstance(layer, ConvTranspose):
        call = getattr(f, f"conv_transpose{w.ndim - 2}d")
        y = call(y, w, stride=layer.stride, groups=layer.groups, dilation=layer.dilation)
        y = f.pad(y, [e for extra in reversed(layer.output_padding) for e in (0, extra)])
        cut = zip(y.shape[2:], layer.padding, strict=True)
        y = y[(slice(None), slice(None), *(slice(a, n - c) for n, (a, c) in cut))]
    else:
        assert isinstance(layer, Conv)
        y = f.pad(y, [p for pair in reversed(layer.padding) for p in pair])
        call = getattr(f, f"conv{w.ndim - 2}d")
        y = call(y, w, stride=layer.stride, groups=layer.groups, dilation=layer.dilation)
    if b is not None:
        y = y + torch.tensor(b if b.ndim > 1 else b.reshape(per))
    out = torch.relu(y)
    start = draw(*out.shape)
    e = lrp.explain(
        net, x, composite=[((Dense, Conv, ConvTranspose), rules.LRP0())], start=out.detach().numpy() * start
    )
    np.testing.assert_allclose(e.output, out.detach().numpy(), rtol=1e-10, atol=1e-10)
    (out * torch.tensor(start)).sum().backward()
    right = x * t.grad.numpy()
    np.testing.assert_allclose(e.relevance, right, rtol=1e-8, atol=1e-8 * np.abs(right).max())


@pytest.mark.parametrize("shape", [None, (None, 2, None), (None, None, 5)])
def test_an_unknown_size_leaves_it_unmerged(shape: Any) -> None:
    net = Network.sequential([affine(2), Conv(draw(3, 2, 3), padding=1)])
    net = Network(net.nodes, (Input("input", shape),), net.outputs)
    assert canonize(net) == net
    # explain knows the size from its input.
    e = lrp.explain(net, draw(1, 2, 5), composite="lrp0")
    assert [p.node for p in e.plan] == ["conv1"]
    assert e.output.shape == (1, 3, 5)


def test_a_size_known_further_up_is_followed() -> None:
    net = Network.sequential([Conv(draw(2, 1, 2), stride=2), ReLU(), affine(2), Conv(draw(2, 2, 3), padding=1)])
    net = Network(net.nodes, (Input("input", (None, 1, 8)),), net.outputs)
    merged = canonize(net)
    assert kinds(merged) == ["Conv", "ReLU", "Conv"]
    check_same(net, merged, draw(2, 1, 8))


def test_batch_norm_on_both_sides_of_a_padded_convolution() -> None:
    net = Network.sequential([affine(2), Conv(draw(3, 2, 3, 3), draw(3), padding=1, stride=2), affine(3)])
    net = Network(net.nodes, (Input("input", (None, 2, 6, 7)),), net.outputs)
    merged = canonize(net)
    assert kinds(merged) == ["Conv"]
    check_same(net, merged, draw(2, 2, 6, 7))


def test_chains_of_batch_norms() -> None:
    apart = Network.sequential([ReLU(), affine(3), affine(3), affine(3), ReLU()])
    merged = canonize(apart)
    assert [n.name for n in merged.nodes] == ["relu1", "affine1", "relu2"]
    check_same(apart, merged, draw(2, 3))
    between = Network.sequential([affine(4), affine(4), Dense(draw(4, 3)), affine(3), affine(3)])
    assert kinds(canonize(between)) == ["Dense"]
    check_same(between, canonize(between), draw(2, 4))
    halves = Network.sequential([Affine(scale=draw(3)), Affine(scale=draw(3)), ReLU()])
    assert kinds(canonize(halves)) == ["Affine", "ReLU"]
    shifts = Network.sequential([Affine(shift=draw(3)), Affine(shift=draw(3)), ReLU()])
    check_same(shifts, canonize(shifts), draw(2, 3))


def test_affines_of_other_shapes_stay() -> None:
    for parameter in (draw(3, 4), draw(1, 4)):
        net = Network.sequential([Conv(draw(3, 2, 2)), Affine(parameter, parameter), ReLU()])
        assert canonize(net) == net
    mixed = Network.sequential([ReLU(), Affine(draw(3), draw(3)), Affine(draw(3, 1)), ReLU()])
    assert canonize(mixed) == mixed


@pytest.mark.parametrize("place", ["before", "after"])
def test_one_number_per_row_is_not_one_per_channel(place: str) -> None:
    """(4, 1) beside maps (4, 4, 5) belongs to the rows, although there are four channels too."""
    rows = Affine(draw(4, 1), draw(4, 1))
    layers = [rows, Conv(draw(4, 4, 1, 1))] if place == "before" else [Conv(draw(4, 4, 1, 1)), rows]
    net = Network(Network.sequential(layers).nodes, (Input("input", (None, 4, 4, 5)),), ("conv1",))
    net = net if place == "before" else replace(net, outputs=("affine1",))
    assert canonize(net) == net
    x = draw(2, 4, 4, 5)
    assert np.array_equal(lrp.explain(net, x, composite=ALL_LRP0).output, net.forward(x))
    per_channel = Network.sequential([Conv(draw(3, 4, 1, 1)), Affine(draw(3, 1, 1), draw(3, 1, 1))])
    assert kinds(canonize(per_channel)) == ["Conv"]
    check_same(per_channel, canonize(per_channel), x)


def test_single_numbers_beside_any_layer() -> None:
    for layer, shape in ((Dense(draw(4, 3)), (4,)), (Conv(draw(3, 2, 2), draw(3)), (2, 5)),
                         (ConvTranspose(draw(2, 3, 1), draw(3)), (2, 5))):  # fmt: skip
        for layers in ([layer, Affine(draw(1), draw(1))], [Affine(draw(1), draw(1)), layer]):
            net = Network.sequential(layers)
            assert len(canonize(net)) == 1
            check_same(net, canonize(net), draw(2, *shape))
    for one, other in ((draw(1), draw(3)), (draw(3, 1), draw(1)), (draw(1), draw(1))):
        net = Network.sequential([ReLU(), Affine(one, one), Affine(None, other), Affine(other), ReLU()])
        assert kinds(canonize(net)) == ["ReLU", "Affine", "ReLU"]
        check_same(net, canonize(net), draw(2, 3, 4))


def test_nothing_becomes_a_bias_where_there_was_none() -> None:
    net = Network.sequential([Dense(draw(3, 2)), Affine(draw(2))])
    assert canonize(net)["dense1"].layer.bias is None  # type: ignore[attr-defined]


def test_an_affine_that_enlarges_stays_in_the_middle_too() -> None:
    net = Network.sequential([Conv(draw(1, 2, 1)), ReLU(), Affine(draw(3), draw(3)), Conv(draw(2, 3, 1))])
    sized = Network(net.nodes, (Input("input", (None, 2, 4)),), net.outputs)
    assert canonize(sized) == sized
    x = draw(2, 2, 4)
    e = lrp.explain(net, x, composite=ALL_LRP0)
    np.testing.assert_allclose(e.output, net.forward(x), rtol=1e-12)


def test_a_dense_layer_over_an_axis_of_unknown_length_keeps_its_affine() -> None:
    """The number of axes is known, their lengths are not: that is enough to see that it is no (N, features)."""
    net = Network.sequential([Dense(draw(3, 4)), affine(4)])
    sized = Network(net.nodes, (Input("input", (None, None, 3)),), net.outputs)
    assert canonize(sized) == sized


def test_an_affine_that_several_read_stays() -> None:
    nodes = (Node("bn", affine(2), ("x",)), Node("up", ConvTranspose(draw(2, 2, 1)), ("bn",)),
             Node("sum", Add(), ("up", "bn")))  # fmt: skip
    net = Network(nodes, (Input("x", (None, 2, 3)),), ("sum",))
    assert canonize(net) == net


# What prevents merging ---------------------------------------------------------------------------------------


def test_fan_out_prevents_merging() -> None:
    conv, bn = Conv(draw(2, 2, 1), draw(2)), affine(2)
    nodes = (
        Node("conv", conv, ("x",)),
        Node("bn", bn, ("conv",)),
        Node("sum", Add(), ("bn", "conv")),
    )
    net = Network(nodes, (Input("x"),), ("sum",))
    assert canonize(net) == net
    before = Network(
        (Node("bn", bn, ("x",)), Node("a", conv, ("bn",)), Node("b", conv, ("bn",)), Node("sum", Add(), ("a", "b"))),
        (Input("x"),),
        ("sum",),
    )
    assert canonize(before) == before


def test_a_value_that_is_an_output_stays() -> None:
    net = Network.sequential([Dense(draw(3, 2)), affine(2)])
    both = Network(net.nodes, net.inputs, ("affine1", "dense1"))
    assert canonize(both) == both


def test_readers_of_the_batch_norm_read_the_merged_layer() -> None:
    nodes = (
        Node("conv", Conv(draw(2, 2, 1), draw(2)), ("x",)),
        Node("bn", affine(2), ("conv",)),
        Node("relu", ReLU(), ("bn",)),
        Node("sum", Add(), ("bn", "relu")),
    )
    net = Network(nodes, (Input("x"),), ("sum", "bn"))
    merged = canonize(net)
    assert [(n.name, n.inputs) for n in merged.nodes] == [
        ("conv", ("x",)),
        ("relu", ("conv",)),
        ("sum", ("conv", "relu")),
    ]
    assert merged.outputs == ("sum", "conv")
    x = draw(2, 2, 3)
    for a, b in zip(net.forward(x).values(), merged.forward(x).values(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_a_dense_layer_over_time_keeps_its_affine() -> None:
    """Channels are axis 1, features the last axis: with as many steps as features only the shape tells them apart."""
    net = Network.sequential([Dense(draw(3, 4)), affine(4)])
    sized = Network(net.nodes, (Input("input", (None, 4, 3)),), net.outputs)
    assert canonize(sized) == sized
    x = draw(2, 4, 3)
    e = lrp.explain(net, x, composite=ALL_LRP0)
    assert np.array_equal(e.output, net.forward(x))
    before = Network.sequential([affine(4), Dense(draw(4, 2))])
    assert np.array_equal(lrp.explain(before, draw(1, 4, 4), composite=ALL_LRP0).output.shape, (1, 4, 2))
    sized = Network(before.nodes, (Input("input", (None, 4, 4)),), before.outputs)
    assert canonize(sized) == sized


def test_an_affine_that_enlarges_its_input_stays() -> None:
    """One grey channel, normalised for a layer of three."""
    net = Network.sequential([Affine(draw(3), draw(3)), Conv(draw(2, 3, 1))])
    sized = Network(net.nodes, (Input("input", (None, 1, 4)),), net.outputs)
    assert canonize(sized) == sized
    x = draw(2, 1, 4)
    assert np.array_equal(lrp.explain(net, x, composite=ALL_LRP0).output, net.forward(x))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("parts", ["both", "scale", "shift"])
def test_an_affine_that_makes_several_channels_of_one_is_merged(bias: bool, parts: str) -> None:
    scale, shift = (draw(3) if parts in ("both", name) else None for name in ("scale", "shift"))
    one = draw(1) if bias else None
    for layer, shape in ((Dense(draw(4, 1), one), (4,)), (Conv(draw(1, 2, 2), one), (2, 5)),
                         (ConvTranspose(draw(2, 1, 2), one, stride=2), (2, 5))):  # fmt: skip
        net = Network.sequential([layer, Affine(scale, shift)])
        assert kinds(canonize(net)) == [type(layer).__name__]
        check_same(net, canonize(net), draw(2, *shape))


def test_a_network_whose_sizes_cannot_be_probed_is_still_canonized() -> None:
    lstm = LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="last", lengths=True)
    nodes = (
        Node("lstm", lstm, ("x", "lengths")),
        Node("fc", Dense(draw(2, 2)), ("lstm",)),
        Node("bn", affine(2), ("fc",)),
    )
    net = Network(nodes, (Input("x", (None, 5, 3)), Input("lengths", (None,))), ("bn",))
    assert [n.name for n in canonize(net).nodes] == ["lstm", "fc"]
    feed = {"x": draw(2, 5, 3), "lengths": np.array([2, 5])}
    np.testing.assert_allclose(canonize(net).forward(feed), net.forward(feed), atol=1e-12)


def test_merge_and_softmax_can_be_left_out() -> None:
    net = Network.sequential([Dense(draw(3, 2)), affine(2), Softmax()])
    assert kinds(canonize(net, merge=False)) == ["Dense", "Affine"]
    assert kinds(canonize(net, drop_softmax=False)) == ["Dense", "Softmax"]
    assert canonize(net, merge=False, drop_softmax=False) == net


# Softmax -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log", [False, True])
def test_a_final_softmax_is_left_out(log: bool) -> None:
    net = Network.sequential([("logits", Dense(draw(3, 2))), Softmax(log=log)])
    merged = canonize(net)
    assert merged == net.until("logits")
    x = draw(2, 3)
    assert np.array_equal(lrp.explain(net, x, composite="lrp0").output, net.until("logits").forward(x))


def test_a_softmax_that_a_layer_reads_stays_for_it() -> None:
    """An output that only moves its values starts at the logits; what a dense layer makes of it is untouched."""
    nodes = (
        Node("a", Dense(draw(3, 3)), ("x",)),
        Node("attention", Softmax(), ("a",)),
        Node("moved", Flatten(), ("attention",)),
        Node("fc", Dense(draw(3, 2)), ("attention",)),
    )
    net = Network(nodes, (Input("x"),), ("moved", "attention", "fc"))
    merged = canonize(net)
    x = draw(2, 3)
    a = net.until("a").forward(x)
    found = list(merged.forward(x).values())
    np.testing.assert_allclose(found[0], a, rtol=1e-12)
    np.testing.assert_allclose(found[1], a, rtol=1e-12)
    np.testing.assert_allclose(found[2], net.until("fc").forward(x), rtol=1e-12)


def test_a_softmax_next_to_another_output() -> None:
    nodes = (
        Node("logits", Dense(draw(3, 2)), ("x",)),
        Node("p", Softmax(), ("logits",)),
        Node("other", Dense(draw(3, 1)), ("x",)),
    )
    net = Network(nodes, (Input("x"),), ("p", "other"))
    merged = canonize(net)
    assert merged.outputs == ("logits", "other")
    x = draw(2, 3)
    assert np.array_equal(lrp.explain(net, x, output="p").output, net.until("logits").forward(x))
    assert np.array_equal(lrp.explain(net, x, output="other").output, net.until("other").forward(x))


def test_a_network_of_nothing_but_a_softmax_hands_on_its_input() -> None:
    x = draw(2, 3)
    net = canonize(Network.sequential([Softmax()]))
    assert kinds(net) == ["Identity"]
    assert np.array_equal(net.forward(x), x)


# Number systems and the check --------------------------------------------------------------------------------


def test_float32_networks_are_merged_in_float32() -> None:
    net, x = chain("conv-padding", "before")
    merged = canonize(net.astype("float32"))
    assert kinds(merged) == ["Conv", "ReLU"]
    assert {p.dtype for p in merged.parameters} == {np.dtype(np.float32)}
    np.testing.assert_allclose(merged.forward(x.astype(np.float32)), net.forward(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", ["before", "after"])
def test_exact_networks_are_merged_exactly(place: str) -> None:
    net, x = chain("conv-grouped", place)
    exact = rational(net)
    merged = canonize(exact)
    assert kinds(merged) == ["Conv", "ReLU"]
    assert (merged.forward(rational(x)) == exact.forward(rational(x))).all()


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "name", ["dense", "conv", "conv-stride-padding", "conv-grouped", "transposed", "transposed-one-tap"]
)
@pytest.mark.parametrize("fault", ["weight", "bias"])
def test_a_wrong_merge_is_refused(place: str, name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that is off by 1e-6 in one number must not get through."""
    source = importlib.import_module("lrp_ref.network.pairs")
    right = getattr(source, f"_{place}")

    def wrong(*args: Any) -> Any:
        layer = right(*args)
        array = getattr(layer, fault).copy()
        array.reshape(-1)[-1] += 1e-6
        return replace(layer, **{fault: array})

    net, _ = chain(name, place)
    canonize(net)
    monkeypatch.setattr(source, f"_{place}", wrong)
    pair = "layer + bn" if place == "after" else "bn + layer"
    with pytest.raises(GraphError, match=rf"^merging {pair.replace('+', '.')} changes the output by .* of "):
        canonize(net)


def test_a_wrong_chain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = importlib.import_module("lrp_ref.network.pairs")
    monkeypatch.setattr(source, "_affines", lambda first, second: first)
    with pytest.raises(GraphError, match=r"merging affine1 . affine2 changes the output"):
        canonize(Network.sequential([affine(3), affine(3)]))


@pytest.mark.parametrize("pairs", [3, 60])
def test_all_pairs_are_merged_on_one_way_through_the_network(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the number of nodes, not with its square: no network is made for a pair."""
    made: list[int] = []
    check = Network.__post_init__
    monkeypatch.setattr(Network, "__post_init__", lambda net: (made.append(len(net.nodes)), check(net))[1])
    layers_ = [layer for _ in range(pairs) for layer in (Dense(np.eye(3), np.ones(3)), affine(3), ReLU())]
    net = Network.sequential(layers_)
    made.clear()
    assert len(canonize(net)) == 2 * pairs
    assert len(made) <= 4
