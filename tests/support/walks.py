"""A walk back through a network in a dozen lines, independent of ``lrp_ref.explain``; and small networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lrp_ref import layers
from lrp_ref.network import Input, Network, Node


def walk(
    net: Network, x: Any, relevance: Any, rule: Callable[[Node], Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the relevance of every value by name, and the ledger's totals per sample.

    rule: the rule of a node, None for its own. Relevance of a value that several nodes read is the sum.
    """
    inputs = x if isinstance(x, Mapping) else {net.inputs[0].name: x}
    values = net.values(inputs)
    found, totals = {net.outputs[0]: relevance}, dict.fromkeys(("bias", "stabiliser", "dropped"), 0)
    for node in reversed(net.nodes):
        if node.name not in found:
            continue
        shared = node.layer.redistribute(tuple(values[n] for n in node.inputs), found[node.name], rule(node))
        for name, part in zip(node.inputs, shared.relevances, strict=True):
            found[name] = found[name] + part if name in found else part
        for column in totals:
            totals[column] = totals[column] + getattr(shared, column)
    return found, totals


def gradient(net: Network, x: Any, g: Any) -> Any:
    """Return the derivative of ⟨output, g⟩ by the chain rule over ``vjp``."""
    values = net.values({net.inputs[0].name: x})
    found = {net.outputs[0]: g}
    for node in reversed(net.nodes):
        parts = node.layer.vjp(tuple(values[n] for n in node.inputs), found[node.name])
        for name, part in zip(node.inputs, parts, strict=True):
            found[name] = found[name] + part if name in found else part
    return found[net.inputs[0].name]


def small_networks(draw: Callable[..., Any], *, bias: bool) -> dict[str, tuple[Network, tuple[int, ...]]]:
    """Return networks of exact layers and the shapes of one sample."""

    def b(n: int) -> Any:
        return draw(n) if bias else None

    add = Network(
        (
            Node("one", layers.Dense(draw(4, 4), b(4)), ("x",)),
            Node("relu", layers.ReLU(), ("one",)),
            Node("sum", layers.Add(), ("x", "relu")),
            Node("top", layers.Dense(draw(4, 3), b(3)), ("sum",)),
        ),
        (Input("x"),),
        ("top",),
    )
    shared = layers.Dense(draw(3, 3), b(3))
    return {
        "dense": (
            Network.sequential(
                [layers.Dense(draw(4, 5), b(5)), layers.ReLU(), layers.Dense(draw(5, 4), b(4)), layers.ReLU(),
                 layers.Dense(draw(4, 3), b(3))]
            ),
            (4,),
        ),
        "conv": (
            Network.sequential(
                [layers.Conv(draw(3, 2, 2, 2), b(3), padding=1), layers.ReLU(), layers.MaxPool(2),
                 layers.Conv(draw(2, 3, 2, 2), b(2), padding=((0, 1), (0, 1))), layers.ReLU(),
                 layers.AveragePool(2, stride=1), layers.Flatten(), layers.Dense(draw(2, 3), b(3))]
            ),
            (2, 3, 3),
        ),
        "residual": (add, (4,)),
        "reused": (
            Network.sequential([shared, layers.ReLU(), shared, layers.ReLU(), shared]),
            (3,),
        ),
    }  # fmt: skip
