"""zennit: a hook at each module, under the rule's name there."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...layers import Add
from ..gradient_walk import record_gradients
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from .zennit_import import import_zennit
from .zennit_rules import hook_of


def record(task: Task, folder: Path | None = None) -> Recording:
    """Register zennit's hooks and walk back; see ``Adapter.record``."""
    import torch

    zennit = import_zennit()
    model, left_out, registered = to_torch(task.network, functional_add=task.functional_add), dict[str, str](), []
    for node in task.network.nodes:
        child = model.child[node.name]
        module = getattr(model, child)
        if isinstance(node.layer, Add) and task.functional_add:
            continue
        try:
            hook = hook_of(node.layer, task.rules.get(node.name), len(node.inputs))
        except NoRule as error:
            left_out[node.name] = str(error)
            continue
        if isinstance(node.layer, Add):
            module = _stacked(zennit)
            setattr(model, child, module)
            module = module.sum
        if hook is not None:
            registered.append(hook.register(module))

    def explain(fed: dict[str, Any], start: Any) -> None:
        inputs = [x for x in fed.values() if x.requires_grad]
        torch.autograd.grad(model(fed), inputs, start, allow_unused=True)

    try:
        return Recording(record_gradients(task, model, left_out, explain), "zennit", version("zennit"), left_out)
    finally:
        for handle in registered:
            handle.remove()


def _stacked(zennit: Any) -> Any:
    """Return a module that adds its operands as zennit asks for it: side by side, along a new last axis."""
    import torch

    class Stacked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum = zennit.layer.Sum(dim=-1)

        def forward(self, *xs: Any) -> Any:
            return self.sum(torch.stack(torch.broadcast_tensors(*xs), dim=-1))

    return Stacked()
