"""Captum: a rule on every module, its LRP; what places record behind its hooks is the relevance."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from ..torch_places import walk
from .captum_rules import rule_of


def record(task: Task, folder: Path | None = None) -> Recording:
    """Give every module a rule and let Captum walk back; see ``Adapter.record``."""
    import torch
    from captum.attr import LRP

    model, left_out = to_torch(task.network, functional_add=task.functional_add), dict[str, str]()
    for node in task.network.nodes:
        if node.name not in model.child:
            continue
        try:
            rule, child = rule_of(node.layer, task.rules.get(node.name)), model.child[node.name]
        except NoRule as error:
            rule, child, left_out[node.name] = None, model.child[node.name], str(error)
        module = getattr(model, child)
        if rule is not None:
            module.rule = rule
        elif not isinstance(module, torch.nn.ReLU | torch.nn.Tanh):  # a function in Captum's eyes: torch's gradient
            delattr(model, child)
            model.__dict__[child] = module

    def back(model: Any, fed: list[Any], start: Any) -> None:
        lrp = LRP(model)
        lrp.gradient_func = lambda run, xs, target, more: torch.autograd.grad(run(*xs), xs, start)  # its seed is 1
        lrp.attribute(tuple(fed), target=0 if start.ndim == 2 else (0,) * (start.ndim - 1))

    return Recording(walk(task, model, left_out, back), "Captum", version("captum"), left_out)
