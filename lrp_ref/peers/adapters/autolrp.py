"""autoLRP: rules by the names of torch's autograd nodes, here with a configuration for each node of the network.

The nodes of torch's graph are marked with it, and the program's own installers are asked with what its mark says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...rules import Pass, Zero
from ..named_rules import only_gates
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from ..torch_places import walk
from .autolrp_rules import entries

MARK = "lrp_ref"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Mark the nodes of torch's graph and let autoLRP walk back; see ``Adapter.record``."""
    import autolrp

    model, configs, left_out = to_torch(task.network, functional_add=task.functional_add), {}, dict[str, str]()
    for name, why in model.without.items():  # its walk has to reach an input of its own
        raise NoRule(f"node '{name}': {why}")
    for node in task.network.nodes:
        try:
            rule = task.rules.get(node.name)  # nothing arrives at a softmax that only gates, whatever its rule
            idle = isinstance(rule, Zero) and only_gates(task, node.name)
            rules, epsilon = entries(node.layer, Pass() if idle else rule)
            configs[node.name] = autolrp.LRPConfig(rule={**autolrp.BASE, **rules}, eps=epsilon)
        except NoRule as error:
            left_out[node.name] = str(error)

    def here(install: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return install and (lambda node, config: install(node, configs.get(node.metadata.get(MARK), config)))

    def back(model: Any, fed: Sequence[Any], start: Any) -> None:
        place = model.tap
        model.tap = lambda name, value: _marked(name, place(name, value))
        out = model(*(autolrp.tensor(x) if x.requires_grad else x for x in fed))
        out.register_hook(lambda ones: start)
        known = {name: here(install) for name, install in autolrp.INSTALLERS.items()}
        autolrp.graph_lrp(out, strategy={**known, "PlaceBackward": lambda node, config: None})

    return Recording(walk(task, model, left_out, back), "autoLRP", autolrp.__version__, left_out)


def _marked(name: str, out: Any) -> Any:
    """Return a value after the nodes of torch's graph that made it got its name; what is further down has one."""
    todo = [out.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and MARK not in node.metadata:
            node.metadata[MARK] = name
            todo += [below for below, _ in node.next_functions]
    return out
