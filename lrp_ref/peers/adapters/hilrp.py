"""HiLRP: functions of one layer each, handed from node to node here, as its own reference models do.

It takes γ from zennit, and has no rule for convolutions and pools. Its entry for whole models knows timm's alone and
patches torch, zennit and timm for the rest of the process, so that it is not called.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from ...layers import Add, Dense, Elementwise, Layer, MatMul, Multiply, Normalize, Softmax
from ...layers.base import Route
from ...propagation.trace import Trace
from ...rules import LRP0, Epsilon, Pass, Product
from ..named_rules import strength
from ..task import NoRule, Recording, Task

WALK = "HiLRP has rules and no walk: lrp_ref hands the relevance from node to node"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Hand the relevance down with the rules of ``hilrp.rules``; see ``Adapter.record``."""
    import hilrp
    import torch

    values = task.network.values(dict(task.inputs))
    arrived: dict[str, list[Any]] = {task.network.outputs[0]: [torch.tensor(task.start)]}
    left_out: dict[str, str] = {}
    for node in reversed(task.network.nodes):
        if node.name in arrived:
            xs = [torch.tensor(values[name]) for name in node.inputs]
            try:
                parts = _parts(node.layer, task.rules.get(node.name), xs, reduce(add, arrived[node.name]))
            except NoRule as error:
                left_out[node.name] = str(error)
                continue
            for name, part in zip(node.inputs, parts, strict=True):
                arrived.setdefault(name, []).append(part)
    relevance = {name: reduce(add, arrived[name]).numpy() for name in reversed(values) if name in arrived}
    return Recording(Trace(values, relevance), "HiLRP", hilrp.__version__, left_out, (WALK,))


def _parts(layer: Layer, rule: Any, xs: list[Any], r: Any) -> tuple[Any, ...]:
    from hilrp import rules

    if isinstance(layer, Route):  # a selection of its inputs, which relevance follows back
        return tuple(r.new_tensor(part) for part in layer.pull(tuple(x.numpy() for x in xs), r.numpy()))
    if isinstance(layer, Elementwise | Softmax | Normalize) and (isinstance(rule, Pass) or (rule is None and layer.own_rule)):
        return (rules.lrp_layernorm_identity(r) if isinstance(layer, Normalize) else rules.lrp_softmax_identity(r),)
    linear = isinstance(rule, Epsilon | LRP0)
    if isinstance(layer, Dense) and linear:
        weight, bias = (None if a is None else r.new_tensor(a) for a in (layer.weight.T, layer.bias))
        return (rules.lrp_linear(xs[0], weight, bias, r, eps=strength(rule)),)
    if isinstance(layer, Add) and linear and len(xs) == 2 and not layer.coefficients:
        return tuple(rules.residual_lrp(*xs, r, eps=strength(rule)))
    if isinstance(layer, MatMul) and isinstance(rule, Product) and rule.product == "half":
        return tuple(rules.bilinear_lrp(*xs, r, eps=strength(rule)))
    raise NoRule(f"HiLRP has no {type(rule).__name__} for a {type(layer).__name__}")
