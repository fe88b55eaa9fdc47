"""LXT, its explicit side: modules and functions that hand relevance back in place of gradients.

It has ε for anything linear, and rules for sums, products, softmax and normalisation; all others it takes from zennit.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from ..torch_places import walk
from .lxt_rules import wrapped


def record(task: Task, folder: Path | None = None) -> Recording:
    """Put LXT's rules around the modules and walk back; see ``Adapter.record``."""
    model, left_out = to_torch(task.network, functional_add=task.functional_add), dict[str, str]()
    for node in task.network.nodes:
        child = model.child.get(node.name)
        if child is not None:  # a bare sum is no module that a rule can be put around
            try:
                rule, module = task.rules.get(node.name), getattr(model, child)
                setattr(model, child, wrapped(node.layer, rule, module, len(node.inputs)))
            except NoRule as error:
                left_out[node.name] = str(error)
    return Recording(walk(task, model, left_out), "LXT", version("lxt"), left_out)
