"""LXT, its explicit side: modules and functions that hand relevance back in place of gradients.

It has ε for anything linear, and rules for sums, products, softmax and normalisation; all others it takes from zennit.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..gradient_walk import record_gradients
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from .lxt_rules import wrapped


def record(task: Task, folder: Path | None = None) -> Recording:
    """Put LXT's rules around the modules and walk back; see ``Adapter.record``."""
    import torch

    model, left_out = to_torch(task.network, functional_add=task.functional_add), dict[str, str]()
    for node in task.network.nodes:
        child, rule = model.child[node.name], task.rules.get(node.name)
        try:
            setattr(model, child, wrapped(node.layer, rule, getattr(model, child), len(node.inputs)))
        except NoRule as error:
            left_out[node.name] = str(error)

    def explain(fed: dict[str, Any], start: Any) -> None:
        inputs = [x for x in fed.values() if x.requires_grad]
        torch.autograd.grad(model(fed), inputs, start, allow_unused=True)

    return Recording(record_gradients(task, model, left_out, explain), "LXT", version("lxt"), left_out)
