"""Pytorch-LRP, from the folder that the user names: its propagator, with the e-rule or the b-rule of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ...layers import Conv, Dense, Flatten
from ...network.network import Node
from ...rules import LRP0, AlphaBeta, Epsilon, Pass
from ..installed import folder_of
from ..module_walk import WALK, walk_modules
from ..named_rules import strength_or
from ..peer import find
from ..source import package
from ..task import NoRule, Recording, Task

NOTE = "αβ is its b-rule with β; its ε is 1e-6 unless another is asked for"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Run the program's hook and its step back for each layer; see ``Adapter.record``."""
    import torch

    utils = ModuleType("utils")  # its own reads data, with packages that its rules do not need
    utils.pprint, utils.Flatten = print, torch.nn.Flatten  # type: ignore[attr-defined]
    with package(folder_of(find("pytorch_lrp"), folder), "inverter_util", given={"utils": utils}) as part:

        def step(node: Node, module: Any, xs: Sequence[Any], r: Any) -> list[Any]:
            options = _options(node.layer, task.rules.get(node.name))
            program = part("").RelevancePropagator(lrp_exponent=1, device=torch.device("cpu"), **options)
            with torch.no_grad():
                x = xs[0].detach()
                program.get_layer_fwd_hook(module)(module, (x,), module(x))
                back = program.compute_propagated_relevance(module, r.clone())
            return [back.view(x.shape) if isinstance(node.layer, Flatten) else back]  # the layer below it does that

        trace, left_out = walk_modules(task, step)
    return Recording(trace, "Pytorch-LRP", "2020-10-14", left_out, (WALK, NOTE))


def _options(layer: Any, rule: Any) -> dict[str, Any]:
    match rule:
        case Epsilon() | LRP0():
            return {"method": "e-rule", "beta": 0.0, "epsilon": strength_or(rule, 1e-6)}
        case AlphaBeta():
            return {"method": "b-rule", "beta": float(rule.beta), "epsilon": strength_or(rule, 1e-6)}
        case None | Pass() if not isinstance(layer, Dense | Conv):
            return {"method": "e-rule", "beta": 0.0, "epsilon": 1e-6}
    raise NoRule(f"it has no {type(rule).__name__} for a {type(layer).__name__}")
