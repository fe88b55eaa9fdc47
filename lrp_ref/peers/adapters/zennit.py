"""zennit: a hook for each node, by its rules of the same names; the relevance is the gradient that it replaces."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ...layers import Add
from ..beside_torch import import_zennit
from ..task import NoRule, Recording, Task
from ..torch_calls import stacked
from ..torch_graph import to_torch
from ..torch_places import walk
from .zennit_rules import hook_of


def record(task: Task, folder: Path | None = None) -> Recording:
    """Register a hook for every node and walk back; see ``Adapter.record``."""
    zennit = import_zennit()
    model, left_out, hooks = to_torch(task.network, functional_add=task.functional_add), {}, []
    for node in task.network.nodes:
        try:
            hook, child = hook_of(zennit, node.layer, task.rules.get(node.name)), model.child.get(node.name)
            if child is not None and isinstance(node.layer, Add):  # zennit sums one tensor, of stacked operands
                setattr(model, child, stacked(zennit.layer.Sum()))
                child += ".total"
            hooks += [([child], hook)] if hook is not None and child is not None else []
        except NoRule as error:
            left_out[node.name] = str(error)
    with zennit.composites.NameMapComposite(hooks).context(model):
        trace = walk(task, model, left_out)
    return Recording(trace, "zennit", version("zennit"), left_out)
