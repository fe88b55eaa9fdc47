"""Other programs for tests: one written with NumPy alone, for dense layers and ReLU, and what may go wrong with one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.layers import Dense, ReLU
from lrp_ref.peers import PEERS, Peer, Recording, Task
from lrp_ref.rules import Epsilon, ZPlus

Record = Callable[[Task, Path | None], Recording]


@dataclass(frozen=True)
class FakePeer(Peer):
    """A program whose adapter is a function."""

    function: Record | None = None

    def load(self) -> Any:
        return self

    def record(self, task: Task, folder: Path | None = None) -> Recording:
        assert self.function is not None
        return self.function(task, folder)


def add(monkeypatch: Any, function: Record, name: str = "fake", **more: Any) -> None:
    """Put a program into the table of programs for one test."""
    facts = {"module": "numpy", "install": "pip install fake==1.0", "dialect": "", "homepage": "", "issues": ""}
    monkeypatch.setitem(PEERS, name, FakePeer(name=name, title="Fake", **(facts | more), function=function))


def numpy_program(
    task: Task,
    folder: Path | None = None,
    *,
    bias_in_zplus: Collection[str] = (),
    without: str = "",
    forward: float = 0.0,
    version: str = "1.0",
) -> Recording:
    """Run a chain of dense layers and ReLU with formulas that are written down here.

    Args:
        task, folder: as of every adapter.
        bias_in_zplus: nodes whose z⁺ has b⁺ in its denominator.
        without: a node that it has no rule for; nothing below it has relevance then.
        forward: what is added to the output of the first layer.
        version: of it.
    """
    (spec,) = task.network.inputs
    values = {spec.name: np.asarray(task.inputs[spec.name])}
    for k, node in enumerate(task.network.nodes):
        (x,) = (values[name] for name in node.inputs)
        layer = node.layer
        if isinstance(layer, Dense):
            bias = 0.0 if layer.bias is None else layer.bias
            values[node.name] = x @ layer.weight + bias + (0.0 if k else forward)
        else:
            assert isinstance(layer, ReLU)
            values[node.name] = np.maximum(x, 0)
    relevance = {task.network.outputs[0]: task.start}
    left_out = {}
    for node in reversed(task.network.nodes):
        if node.name == without:
            left_out[node.name] = f"no rule for {type(node.layer).__name__}"
            break
        (name,) = node.inputs
        relevance[name] = _back(
            node.layer, task.rules[node.name], values[name], relevance[node.name], node.name in bias_in_zplus
        )
    return Recording(lrp.Trace(values, relevance), "Fake", version, left_out)


def _back(layer: Any, rule: Any, a: Any, R: Any, bias_in_zplus: bool) -> Any:  # noqa: N803 - as in the papers
    if isinstance(layer, ReLU):
        return R
    w, b = layer.weight, np.zeros(layer.weight.shape[1]) if layer.bias is None else layer.bias
    if isinstance(rule, ZPlus):
        positive = np.maximum(a, 0) @ np.maximum(w, 0) + np.minimum(a, 0) @ np.minimum(w, 0)
        z = positive + (np.maximum(b, 0) if bias_in_zplus else 0)
        s = np.where(z > 0, R / np.where(z > 0, z, 1), 0)
        return np.maximum(a, 0) * (s @ np.maximum(w, 0).T) + np.minimum(a, 0) * (s @ np.minimum(w, 0).T)
    assert isinstance(rule, Epsilon)
    z = a @ w + b
    s = R / (z + rule.epsilon * np.where(z >= 0, 1, -1))
    return a * (s @ w.T)


def chain(seed: int = 0, dtype: str = "float64", hidden: int = 5) -> lrp.Network:
    """Return dense, ReLU, dense, ReLU, dense with biases of both signs."""
    rng = np.random.default_rng(seed)
    sizes = (4, hidden, hidden, 3)
    layers: list[Any] = []
    for k, (n, m) in enumerate(itertools.pairwise(sizes)):
        layers += [(f"fc{k}", Dense(rng.normal(size=(n, m)).astype(dtype), rng.normal(size=m).astype(dtype)))]
        layers += [(f"relu{k}", ReLU())] if k < len(sizes) - 2 else []
    return lrp.Network.sequential(layers)
