"""autoLRP: rules by the names of torch's autograd nodes, here with a configuration for each node of the network.

The nodes of torch's graph that a module makes are marked with its name, and the program's own installers are asked with
that module's configuration, so that rules and ε can differ from node to node.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...rules import Pass, Zero
from ..gradient_walk import record_gradients
from ..named_rules import only_gates
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from .autolrp_rules import entries

MARK = "lrp_ref"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Mark the nodes of torch's graph and let autoLRP walk back; see ``Adapter.record``."""
    import autolrp

    model, configs, left_out = to_torch(task.network), {}, {}
    for node in task.network.nodes:
        getattr(model, model.child[node.name]).register_forward_hook(_marker(node.name))
        try:
            rule = task.rules.get(node.name)  # nothing arrives at a softmax that only gates, whatever its rule
            idle = isinstance(rule, Zero) and only_gates(task, node.name)
            rules, epsilon = entries(node.layer, Pass() if idle else rule)
            configs[node.name] = autolrp.LRPConfig(rule={**autolrp.BASE, **rules}, eps=epsilon)
        except NoRule as error:
            left_out[node.name] = str(error)

    def here(install: Callable[..., Any]) -> Callable[..., Any]:
        return lambda node, config: install(node, configs.get(node.metadata.get(MARK), config))

    def walk(out: Any, start: Any, inputs: list[Any]) -> None:
        out.register_hook(lambda ones: start)
        autolrp.graph_lrp(out, strategy={name: here(f) if f else None for name, f in autolrp.INSTALLERS.items()})

    trace = record_gradients(task, model, left_out, autolrp.tensor, walk)
    return Recording(trace, "autoLRP", autolrp.__version__, left_out)


def _marker(name: str) -> Callable[..., None]:
    def mark(module: Any, xs: Any, out: Any) -> None:
        todo = [out.grad_fn]
        while todo:
            node = todo.pop()
            if node is not None and MARK not in node.metadata:  # what is further down was marked before
                node.metadata[MARK] = name
                todo += [below for below, _ in node.next_functions]

    return mark
