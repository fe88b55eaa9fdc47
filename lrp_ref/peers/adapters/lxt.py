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

    model, left_out = to_torch(task.network), dict[str, str]()
    for node in task.network.nodes:
        try:
            rule, child = task.rules.get(node.name), model.child[node.name]
            setattr(model, child, wrapped(node.layer, rule, getattr(model, child), len(node.inputs)))
        except NoRule as error:
            left_out[node.name] = str(error)

    def walk(out: Any, start: Any, inputs: list[Any]) -> None:
        torch.autograd.grad(out, inputs, start, allow_unused=True)

    trace = record_gradients(task, model, left_out, lambda x: x.requires_grad_(), walk)
    return Recording(trace, "LXT", version("lxt"), left_out)
