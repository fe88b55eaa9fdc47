"""Traces of a program that is wrong in one step: the independent implementation's walk, with one thing changed.

Nothing here runs the package's layers or rules: values and relevances are those of ``dialects_right``, and what is
changed is a literal formula of ``dialects_wrong`` or of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dialects_layers  # which registers the faults of whole layers
import numpy as np
from dialects_base import forward
from dialects_right import Call, right

from lrp_ref.network import Network
from lrp_ref.propagation.trace import Trace
from lrp_ref.vectors.own import make_network, make_rule

Array = np.ndarray[Any, Any]
Spec = dict[str, Any]
Step = Callable[[Call], list[Array]]

EPSILON = {"name": "Epsilon", "epsilon": 1e-6}


def named(fault: str) -> Step:
    """The step of a fault of ``dialects_wrong``."""

    def step(c: Call) -> list[Array]:
        return dialects_layers.layer(c.spec, c.rule, c.xs, c.R, fault)

    return step


def ruled(**rule: Any) -> Step:
    """The right step of another rule."""
    return lambda c: right(replace(c, rule=rule))


@dataclass(frozen=True)
class Net:
    """A network in the words of the vectors, its rules, and one input."""

    nodes: tuple[tuple[str, Spec, tuple[str, ...]], ...]
    rules: Mapping[str, Spec]
    x: Array
    start: Array

    @property
    def case(self) -> dict[str, Any]:
        nodes = [{"name": n, "layer": layer, "inputs": list(inputs)} for n, layer, inputs in self.nodes]
        return {"network": {"inputs": ["input"], "nodes": nodes, "output": self.nodes[-1][0]}, "rules": {}}

    @property
    def network(self) -> Network:
        return make_network(self.case)

    @property
    def asked(self) -> dict[str, Any]:
        return {name: make_rule(rule) for name, rule in self.rules.items()}

    def ruled(self, **rules: Spec) -> Net:
        return replace(self, rules={**self.rules, **rules})


@dataclass(frozen=True)
class Plant:
    """What is wrong.

    Attributes:
        steps: node → the wrong step back.
        layers: node → the layer that is computed in its place, forward and back.
        values: node → function of its value, forward alone.
        handed: name → function of the parts that are handed to it, in the order of the walk back.
    """

    steps: Mapping[str, Step] = field(default_factory=dict)
    layers: Mapping[str, Spec] = field(default_factory=dict)
    values: Mapping[str, Callable[[Array], Array]] = field(default_factory=dict)
    handed: Mapping[str, Callable[[list[Array]], Array]] = field(default_factory=dict)


def trace(net: Net, plant: Plant = Plant()) -> Trace:
    """The trace of the independent implementation, with something wrong."""
    values: dict[str, Array] = {"input": net.x}
    for name, spec, inputs in net.nodes:
        value = forward(plant.layers.get(name, spec), [values[i] for i in inputs])
        values[name] = plant.values[name](value) if name in plant.values else value
    parts: dict[str, list[Array]] = {}
    relevance = {net.nodes[-1][0]: net.start}
    for name, spec, inputs in reversed(net.nodes):
        if name not in relevance:
            relevance[name] = plant.handed.get(name, sum)(parts[name])
        call = Call(
            plant.layers.get(name, spec), net.rules.get(name, {"name": "own"}), [values[i] for i in inputs],
            relevance[name],
        )  # fmt: skip
        with np.errstate(all="ignore"):
            handed = plant.steps.get(name, right)(call)
        for source, part in zip(inputs, handed, strict=True):
            parts.setdefault(source, []).append(part)
    relevance["input"] = plant.handed.get("input", sum)(parts["input"])
    order = ["input", *(n for n, _, _ in net.nodes)]
    return Trace(values, {n: relevance[n] for n in reversed(order)})


# Networks ---------------------------------------------------------------------------------------------------------


def numbers(seed: int) -> Callable[..., Array]:
    """Numbers of both signs, none of them 0."""
    random = np.random.default_rng(seed)
    return lambda *shape: random.normal(size=shape) + 0.01


def dense(draw: Any, inputs: int, outputs: int) -> Spec:
    return {"type": "Dense", "weight": draw(inputs, outputs), "bias": draw(outputs)}


def conv(draw: Any, inputs: int, outputs: int, **more: Any) -> Spec:
    axes = more.pop("axes", 2)
    geometry = {"stride": [1] * axes, "padding": [[1, 1]] * axes, "dilation": [1] * axes, "groups": 1}
    weight = draw(outputs, inputs, *(3,) * axes)
    return {"type": "Conv", "weight": weight, "bias": draw(outputs), **geometry, **more}


RELU: Spec = {"type": "ReLU"}
PASS: Spec = {"name": "Pass"}


def layers() -> Net:
    """Dense, ReLU, dense (square), ReLU, dense; three samples."""
    draw = numbers(1)
    nodes = (
        ("d1", dense(draw, 6, 5), ("input",)), ("r1", RELU, ("d1",)), ("d2", dense(draw, 5, 5), ("r1",)),
        ("r2", RELU, ("d2",)), ("d3", dense(draw, 5, 4), ("r2",)),
    )  # fmt: skip
    return Net(nodes, dict.fromkeys(("d1", "d2", "d3"), EPSILON), draw(3, 6), draw(3, 4))


def image() -> Net:
    """Convolution, ReLU, max pool, convolution, ReLU, average pool, flatten, dense; two samples."""
    draw = numbers(2)
    nodes = (
        ("c1", conv(draw, 2, 3), ("input",)), ("r1", RELU, ("c1",)),
        ("max", {"type": "MaxPool", "kernel": [2, 2]}, ("r1",)),
        ("c2", conv(draw, 3, 3), ("max",)), ("r2", RELU, ("c2",)),
        ("mean", {"type": "AveragePool", "kernel": [3, 3], "stride": [2, 2], "padding": [[1, 1], [1, 1]]}, ("r2",)),
        ("flat", {"type": "Flatten"}, ("mean",)), ("d", dense(draw, 12, 4), ("flat",)),
    )  # fmt: skip
    rules = dict.fromkeys(("c1", "c2", "mean", "d"), EPSILON)
    return Net(nodes, rules, draw(2, 2, 8, 8), draw(2, 4))


def residual() -> Net:
    """Dense, ReLU, then its value and two dense layers of it added; dense; three samples."""
    draw = numbers(3)
    nodes = (
        ("stem", dense(draw, 6, 5), ("input",)), ("relu", RELU, ("stem",)), ("a", dense(draw, 5, 5), ("relu",)),
        ("act", RELU, ("a",)), ("b", dense(draw, 5, 5), ("act",)), ("sum", {"type": "Add"}, ("relu", "b")),
        ("top", dense(draw, 5, 4), ("sum",)),
    )  # fmt: skip
    return Net(nodes, dict.fromkeys(("stem", "a", "b", "sum", "top"), EPSILON), draw(3, 6), draw(3, 4))


def normalised() -> Net:
    """Convolution, BatchNorm, ReLU, flatten, dense; two samples."""
    draw = numbers(4)
    nodes = (
        ("c", conv(draw, 2, 3), ("input",)), ("bn", {"type": "Affine", "scale": draw(3), "shift": draw(3)}, ("c",)),
        ("r", RELU, ("bn",)), ("flat", {"type": "Flatten"}, ("r",)), ("d", dense(draw, 75, 4), ("flat",)),
    )  # fmt: skip
    return Net(nodes, {"c": EPSILON, "bn": PASS, "d": EPSILON}, draw(2, 2, 5, 5), draw(2, 4))


def pooled() -> Net:
    """Average pool of numbers of both signs, flatten, dense; two samples."""
    draw = numbers(5)
    nodes = (
        ("mean", {"type": "AveragePool", "kernel": [2, 2]}, ("input",)), ("flat", {"type": "Flatten"}, ("mean",)),
        ("d", dense(draw, 8, 4), ("flat",)),
    )  # fmt: skip
    return Net(nodes, {"mean": {"name": "Epsilon", "epsilon": 0.1}, "d": EPSILON}, draw(2, 2, 4, 4), draw(2, 4))
