"""zennit: rules as hooks on modules; sums are modules of its own, as its canonizers make them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ...layers import Add
from ..task import NoRule, Recording, Task
from ..torch_calls import tensor
from ..torch_graph import to_torch
from ..torch_taps import taps, trace
from .zennit_rules import hook, import_zennit, stacked_sum


def record(task: Task, folder: Path | None = None) -> Recording:
    """Hang zennit's rules on the modules and walk back; see ``Adapter.record``."""
    import torch

    zennit = import_zennit()
    model, left_out, handles = to_torch(task.network, functional_add=task.functional_add), dict[str, str](), []
    for node in task.network.nodes:
        child = model.child.get(node.name)
        if child is None:  # a bare +, which no rule reaches
            continue
        try:
            found = hook(zennit.rules, node.layer, task.rules.get(node.name))
        except NoRule as error:
            left_out[node.name] = str(error)
            continue
        summed = isinstance(node.layer, Add) and not node.layer.coefficients
        if summed:
            setattr(model, child, stacked_sum(zennit))
        if found is not None:
            handles.append(found.register(getattr(model, child).sum if summed else getattr(model, child)))
    tapped = taps(model)
    inputs = [tensor(task.inputs[name]) for name in tapped.reads]
    taking = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    try:
        torch.autograd.grad(tapped(*inputs), taking, tensor(task.start), allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return Recording(trace(tapped, task.network, task.start, left_out), "zennit", version("zennit"), left_out)
