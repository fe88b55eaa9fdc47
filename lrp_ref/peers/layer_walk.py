"""The walk back for programs that have rules for layers and no networks: lrp_ref hands relevance from node to node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

from ..network.network import Node
from ..propagation.trace import Trace
from .incomplete import below
from .task import NoRule, Task

Parts = Callable[[Node, Sequence[Any], Any], Sequence[Any]]


def walk_layers(task: Task, parts: Parts) -> tuple[Trace, dict[str, str]]:
    """Return values and relevances by name, and why nodes are left out.

    Args:
        task: what is asked; the values of the forward pass are lrp_ref's.
        parts: what a node's inputs receive, for the node, its inputs and the relevance of its output; it raises
            ``NoRule`` for what the program does not have.
    """
    values = task.network.values(dict(task.inputs))
    arrived: dict[str, list[Any]] = {task.network.outputs[0]: [task.start]}
    left_out: dict[str, str] = {}
    for node in reversed(task.network.nodes):
        if node.name not in arrived:
            continue
        try:
            received = parts(node, [values[name] for name in node.inputs], reduce(add, arrived[node.name]))
        except NoRule as error:
            left_out[node.name] = str(error)
            continue
        for name, part in zip(node.inputs, received, strict=True):
            arrived.setdefault(name, []).append(part)
    known = set(arrived) - below(task.network, left_out)
    return Trace(values, {name: reduce(add, arrived[name]) for name in reversed(values) if name in known}), left_out
