"""lrp_ref's side: the network of a description, the composites, one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lrp_ref as lrp

from .networks import BOUND, Graph, Op, Parameters

EPSILON = 1e-6
TARGET = 3
COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1")


def network(graph: Graph, given: Parameters) -> lrp.Network:
    """Return the network with BatchNorm merged; it shares the arrays of ``given`` where it can."""
    nodes = tuple(lrp.Node(op.name, _layer(op, given.get(op.name, {})), op.inputs) for op in graph.ops)
    return lrp.canonize(lrp.Network(nodes, (lrp.Input("input", (None, *graph.shape)),), (graph.ops[-1].name,)))


def _layer(op: Op, arrays: dict[str, np.ndarray]) -> Any:
    layers = lrp.layers
    if op.kind == "conv":
        return layers.Conv(arrays["weight"], arrays.get("bias"), stride=op.stride, padding=op.padding)
    if op.kind == "dense":
        return layers.Dense(arrays["weight"].T, arrays.get("bias"))
    if op.kind == "batchnorm":
        gamma, beta, mean, variance = (arrays[k] for k in ("weight", "bias", "mean", "variance"))
        return layers.Affine.batch_norm(gamma, beta, mean, variance, epsilon=0.0)
    if op.kind in ("maxpool", "averagepool"):
        pool = layers.MaxPool if op.kind == "maxpool" else layers.AveragePool
        return pool(op.kernel, stride=op.stride, padding=op.padding)
    return {
        "relu": layers.ReLU,
        "average": layers.GlobalAveragePool,
        "flatten": layers.Flatten,
        "add": layers.Add,
        "concat": layers.Concat,
    }[op.kind]()


def composite(name: str) -> lrp.Composite:
    """Return the composite that computes the same numbers as zennit's of this name.

    zennit's z⁺ has b⁺ in the denominator, which is αβ(1, 0) here; this is what both sides compute and are timed at.
    """
    if name == "epsilon":
        return lrp.composites.get("epsilon", epsilon=EPSILON)
    if name == "epsilon_plus":
        positive = lrp.rules.AlphaBeta(1, 0, lrp.edits.add(EPSILON))
        entries: list[tuple[Any, Any]] = [(lrp.layers.Conv, positive), (lrp.layers.Dense, lrp.rules.Epsilon(EPSILON))]
        return lrp.Composite(entries, name=name)
    bounds = {"low": -BOUND, "high": BOUND} if name == "epsilon_gamma_box" else {}
    return lrp.composites.get(name, **bounds)


def call(
    graph: Graph,
    given: Parameters,
    x: np.ndarray,
    name: str,
    *,
    backend: str = "numpy",
    targets: Sequence[int] | None = None,
) -> Callable[[], Any]:
    """Return a function of no arguments that explains ``x`` and returns the relevance.

    Args:
        targets: several, each explained for itself on the one image of ``x``; None for the usual one.
    """
    net, chosen = network(graph, given), composite(name)
    inputs: Any = x if targets is None else np.repeat(x, len(targets), axis=0)
    target = TARGET if targets is None else list(targets)
    if backend == "cupy":
        import cupy

        net, inputs = net.to("cupy"), cupy.asarray(inputs)
    return lambda: lrp.explain(net, inputs, composite=chosen, target=target).relevance
