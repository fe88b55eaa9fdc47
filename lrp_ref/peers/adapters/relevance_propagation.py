"""PyTorchRelevancePropagation, from the folder that the user names: its modules by its table of layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...layers import Conv, Dense
from ...network.network import Node
from ...rules import LRP0, Epsilon, Pass, ZPlus
from ..installed import folder_of
from ..module_walk import WALK, walk_modules
from ..named_rules import strength_or
from ..peer import find
from ..source import package
from ..task import NoRule, Recording, Task

OWN = 1e-5
NOTE = "its ε is 1e-5 unless another is asked for; max pools are averaged over 2 × 2, as they are by default"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Call the program's module of each layer with what the layer reads and its relevance; see ``Adapter.record``."""
    import torch

    with package(folder_of(find("relevance_propagation"), folder), "src") as part:
        table = part("utils").layers_lookup()

        def step(node: Node, module: Any, xs: Sequence[Any], r: Any) -> list[Any]:
            if type(module) not in table or len(xs) != 1:
                raise NoRule(f"it has nothing for a {type(node.layer).__name__}")
            if isinstance(node.layer, Dense | Conv) and module.bias is None:  # it sets a bias to 0, and expects one
                module.bias = torch.nn.Parameter(torch.zeros(module.weight.shape[0]))
            return [table[type(module)](layer=module, **_options(node.layer, task.rules.get(node.name)))(xs[0], r)]

        trace, left_out = walk_modules(task, step)
    return Recording(trace, "PyTorchRelevancePropagation", "2022-11-02", left_out, (WALK, NOTE))


def _options(layer: Any, rule: Any) -> dict[str, Any]:
    match rule:
        case None | Pass() if not isinstance(layer, Dense | Conv):
            return {}
        case ZPlus() if isinstance(layer, Dense | Conv):
            return {"mode": "z_plus", "eps": strength_or(rule, OWN)}
        case Epsilon() | LRP0() if isinstance(layer, Dense | Conv):
            return {"mode": "", "eps": strength_or(rule, OWN)}
        case Epsilon() | LRP0() if not isinstance(layer, Dense | Conv):
            return {"eps": strength_or(rule, OWN)}
    raise NoRule(f"it has no {type(rule).__name__} for a {type(layer).__name__}")
