"""Networks walked back by the textbook, node by node: every layer as its explicit matrix, one sample at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.layers import Add, Affine, AveragePool, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.literal import matrices, nonlinear
from lrp_ref.literal import rules as textbook
from lrp_ref.literal import stabilisers as stable
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(1)


def seed(name: str) -> None:
    """Let the numbers that are drawn next depend on the test's name alone, not on the tests before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    """Multiples of 1/8 of both signs, some of them 0."""
    return RNG.integers(-12, 13, size=shape) / 8


def two_inputs() -> Network:
    nodes = (
        Node("left", Dense(draw(3, 2), draw(2)), ("a",)),
        Node("right", Dense(draw(4, 2), draw(2)), ("b",)),
        Node("sum", Add(), ("left", "right")),
        Node("alone", Dense(draw(2, 2)), ("left",)),
    )
    return Network(nodes, (Input("a"), Input("b")), ("sum", "alone"))


def literal_matrix(layer: Any, shape: tuple[int, ...], dtype: Any) -> matrices.Matrix:
    match layer:
        case Dense():
            return matrices.dense(layer.weight, layer.bias)
        case Conv():
            return matrices.conv(
                layer.weight, layer.bias, input_shape=shape, stride=layer.stride, padding=layer.padding
            )
        case AveragePool():
            return matrices.average_pool(shape, layer.kernel, stride=layer.stride, dtype=dtype)
        case Affine():
            return matrices.affine(layer.scale, layer.shift, input_shape=shape)
    raise AssertionError(layer)


Messages = Callable[[Any, matrices.Matrix, Any], textbook.Messages]


def literal_walk(
    net: Network, x: Any, start: Any, rule: Callable[[Node], Messages], ties: Any = "first"
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Return values, relevances and columns per node of one sample x (without batch axis), by the papers' formulas."""
    values = {net.inputs[0].name: x}
    for node in net.nodes:
        xs = [values[n] for n in node.inputs]
        match node.layer:
            case ReLU():
                out = np.where(xs[0] > 0, xs[0], xs[0] * 0)
            case Flatten():
                out = xs[0].reshape(-1)
            case MaxPool():
                out = nonlinear.max_pool_forward(xs[0], node.layer.kernel, stride=node.layer.stride)
            case Add():
                out = xs[0] + xs[1]
            case _:
                m = literal_matrix(node.layer, xs[0].shape, x.dtype)
                out = m.forward(xs[0]).reshape(m.output_shape)
        values[node.name] = out
    relevance, columns = {net.outputs[0]: start}, {}
    for node in reversed(net.nodes):
        xs, r = [values[n] for n in node.inputs], relevance[node.name]
        told: dict[str, Any] = dict.fromkeys(("bias", "stabiliser", "dropped"), 0)
        match node.layer:
            case ReLU() | Flatten():
                parts = [r.reshape(xs[0].shape)]
            case MaxPool():
                parts = [nonlinear.max_pool(xs[0], r, node.layer.kernel, stride=node.layer.stride, ties=ties).inputs[0]]
            case Add():
                shares = nonlinear.add(xs, r, stable.add(tiny(x)))
                parts = list(shares.inputs)
                told |= {"stabiliser": shares.stabiliser.sum(), "dropped": shares.dropped.sum()}
            case _:
                m = rule(node)(xs[0].reshape(-1), literal_matrix(node.layer, xs[0].shape, x.dtype), r.reshape(-1))
                parts = [m.relevance.reshape(xs[0].shape)]
                told = {"bias": m.bias.sum(), "stabiliser": m.stabiliser.sum(), "dropped": m.dropped.sum()}
        for name, part in zip(node.inputs, parts, strict=True):
            relevance[name] = relevance[name] + part if name in relevance else part
        columns[node.name] = told
    return values, relevance, columns


def tiny(x: Any) -> Any:
    """1e-6, the ε of the base map, in the number system of x."""
    return Fraction(1e-6) if x.dtype == object else 1e-6


def conv_net() -> tuple[Network, tuple[int, ...]]:
    """conv – ReLU – max pool – conv – ReLU – average pool – flatten – dense – ReLU – dense, biases everywhere."""
    net = Network.sequential([
        Conv(draw(3, 1, 2, 2), draw(3), padding=1), ReLU(), MaxPool(2, stride=1),
        Conv(draw(2, 3, 2, 2), draw(2), stride=2), ReLU(), AveragePool((1, 2)), Flatten(),
        Dense(draw(4, 4), draw(4)), ReLU(), Dense(draw(4, 3), draw(3)),
    ])  # fmt: skip
    return net, (1, 4, 5)


def residual_net() -> tuple[Network, tuple[int, ...]]:
    nodes = (
        Node("in", Dense(draw(4, 4), draw(4)), ("x",)),
        Node("relu", ReLU(), ("in",)),
        Node("a", Dense(draw(4, 4), draw(4)), ("relu",)),
        Node("act", ReLU(), ("a",)),
        Node("b", Dense(draw(4, 4), draw(4)), ("act",)),
        Node("sum", Add(), ("relu", "b")),
        Node("top", Dense(draw(4, 3), draw(3)), ("sum",)),
    )
    return Network(nodes, (Input("x"),), ("top",)), (4,)


def f(value: float, x: Any) -> Any:
    return Fraction(value) if x.dtype == object else value


def book(name: str, net: Network, x: Any) -> Callable[[Node], Messages]:
    """Return the textbook's rule of every node for a composite, by the composite's published description."""
    weighted = [n.name for n in net.nodes if isinstance(n.layer, Conv | Dense)]
    convolutions = [n.name for n in net.nodes if isinstance(n.layer, Conv)]
    small = stable.add(tiny(x))

    def epsilon(value: float) -> Messages:
        return lambda a, m, r: textbook.epsilon(a, m, r, f(value, x))

    def of_convolutions(node: Node) -> Messages:
        if name.endswith("_flat") and node.name == weighted[0]:
            return lambda a, m, r: textbook.flat(a, m, r, small)
        if name == "epsilon_gamma_box" and node.name == convolutions[0]:
            return lambda a, m, r: textbook.zbox(a, m, r, f(-2, x), f(2, x), small)
        if name == "epsilon_gamma_box":
            return lambda a, m, r: textbook.generalized_gamma(a, m, r, f(0.25, x), small)
        if "alpha2_beta1" in name:
            return lambda a, m, r: textbook.alpha_beta(a, m, r, f(2, x), f(1, x), small)
        return lambda a, m, r: textbook.zplus(a, m, r, small)

    def rule(node: Node) -> Messages:
        if isinstance(node.layer, AveragePool):
            return epsilon(1e-6)
        if name == "lrp0":
            return textbook.lrp0
        if name == "epsilon":
            return epsilon(1e-6)
        # A first dense layer is flat in the flat presets and ε in all others.
        flat = name.endswith("_flat") and node.name == weighted[0]
        if isinstance(node.layer, Conv) or flat or name == "excitation_backprop":
            return of_convolutions(node)
        return epsilon(1e-6)

    return rule


BOUNDS = {"epsilon_gamma_box": {"low": -2, "high": 2}, "montavon_vgg16": {"low": -2, "high": 2}}
LITERAL = (
    "lrp0", "epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
    "epsilon_gamma_box", "excitation_backprop",
)  # fmt: skip
