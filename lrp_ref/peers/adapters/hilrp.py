"""HiLRP: functions of one layer each, handed from node to node here, as its own reference models do.

It takes γ from zennit, and has no rule for convolutions and pools. Its entry for whole models knows timm's alone and
patches torch, zennit and timm for the rest of the process, so that it is not called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...layers import Add, Dense, Elementwise, MatMul, Normalize, Softmax
from ...layers.base import Route
from ...network.network import Node
from ...rules import LRP0, Epsilon, Pass, Product
from ..layer_walk import walk_layers
from ..named_rules import strength
from ..task import NoRule, Recording, Task

WALK = "HiLRP has rules and no walk: lrp_ref hands the relevance from node to node"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Hand the relevance down with the rules of ``hilrp.rules``; see ``Adapter.record``."""
    import hilrp
    import torch

    def parts(node: Node, xs: Sequence[Any], r: Any) -> list[Any]:
        received = _parts(node.layer, task.rules.get(node.name), [torch.tensor(x) for x in xs], torch.tensor(r))
        return [part.numpy() for part in received]

    trace, left_out = walk_layers(task, parts)
    return Recording(trace, "HiLRP", hilrp.__version__, left_out, (WALK,))


def _parts(layer: Any, rule: Any, xs: list[Any], r: Any) -> tuple[Any, ...]:
    import torch
    from hilrp import rules

    alike = len(xs) == 2 and xs[0].shape[:-2] == xs[1].shape[:-2]  # nothing of it broadcasts
    match layer, rule:
        case Route(), None:  # a selection of its inputs, which relevance follows back
            return tuple(map(torch.tensor, layer.redistribute(tuple(x.numpy() for x in xs), r.numpy()).relevances))
        case (Elementwise(), None | Pass()) | (Softmax(), Pass()):
            return (rules.lrp_softmax_identity(r),)
        case Normalize(), None | Pass():
            return (rules.lrp_layernorm_identity(r),)
        case Dense(), Epsilon() | LRP0():
            weight, bias = (None if a is None else r.new_tensor(a) for a in (layer.weight.T, layer.bias))
            return (rules.lrp_linear(xs[0], weight, bias, r, eps=strength(rule)),)
        case Add(coefficients=()), Epsilon() | LRP0() if alike and xs[0].shape == xs[1].shape:
            return tuple(rules.residual_lrp(*xs, r, eps=strength(rule)))
        case MatMul(), Product(product="half") if alike:
            return tuple(rules.bilinear_lrp(*xs, r, eps=strength(rule)))
    raise NoRule(f"HiLRP has no {type(rule).__name__} for a {type(layer).__name__}")
