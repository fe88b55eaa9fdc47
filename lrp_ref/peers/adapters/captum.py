"""Captum: its LRP, with a rule at each module; relevance starts as the gradient at the network's output."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...layers import Add
from ..gradient_walk import record_gradients
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from .captum_rules import FUNCTION, rule_of


def record(task: Task, folder: Path | None = None) -> Recording:
    """Give the modules Captum's rules and let it attribute; see ``Adapter.record``."""
    import torch
    from captum.attr import LRP
    from captum.attr._utils.custom_modules import Addition_Module

    model, left_out, apart = to_torch(task.network, functional_add=task.functional_add), dict[str, str](), set[str]()
    for node in task.network.nodes:
        child = model.child[node.name]
        if isinstance(node.layer, Add) and task.functional_add:
            apart.add(node.name)
            continue
        try:
            rule = rule_of(node.layer, task.rules.get(node.name), len(node.inputs))
        except NoRule as error:
            left_out[node.name], rule = str(error), FUNCTION
        if isinstance(node.layer, Add) and rule is not FUNCTION:
            setattr(model, child, Addition_Module())
        if rule is FUNCTION:
            model.hide(node.name)
        elif rule is not None:
            getattr(model, child).rule = rule
        if rule is FUNCTION or rule is None:
            apart.add(node.name)

    class Started(torch.nn.Module):
        def __init__(self, start: Any) -> None:
            super().__init__()
            self.start = start
            if any(True for _ in model.children()):
                self.model = model
            else:  # all of it is functions, and a module without children would be asked for its rule
                object.__setattr__(self, "model", model)

        def forward(self, *xs: Any) -> Any:
            out = self.model(dict(zip(task.inputs, xs, strict=True)))
            return (out * self.start).reshape(len(out), -1).sum(1)

    def explain(fed: dict[str, Any], start: Any) -> None:
        LRP(Started(start)).attribute(tuple(fed.values()))

    trace = record_gradients(task, model, left_out, explain, apart=apart)
    return Recording(trace, "Captum", version("captum"), left_out)
