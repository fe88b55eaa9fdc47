"""The part of a network that a program of chains can run: from the output down to where it is no chain any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..network.network import Node
from .task import NoRule, Task

CHAIN = "its models are chains of layers"


@dataclass(frozen=True, eq=False)
class Chain:
    """The layers of another program, one after the other.

    Attributes:
        start: name of the value that the first one reads.
        made: (node, what the program has for it), in execution order.
        left_out: node → why the program has nothing for it; the chain ends there.
    """

    start: str
    made: tuple[tuple[Node, Any], ...]
    left_out: dict[str, str]


def chain(task: Task, make: Callable[[Node, Any], Any], values: dict[str, Any]) -> Chain:
    """Return the longest chain that ends at the output.

    Args:
        task: what is asked.
        make: what the program has for a node and its input; it raises ``NoRule`` for what it has not.
        values: every value of the network, by name.

    Raises:
        NoRule: the program has nothing for the last node.
    """
    made: list[tuple[Node, Any]] = []
    left_out: dict[str, str] = {}
    name, nodes = task.network.outputs[0], {node.name: node for node in task.network.nodes}
    while name in nodes:
        node = nodes[name]
        try:
            if len(node.inputs) != 1:
                raise NoRule(f"it reads {len(node.inputs)} values; {CHAIN}")
            made.append((node, make(node, values[node.inputs[0]])))
        except NoRule as error:
            left_out[name] = str(error)
            break
        name = node.inputs[0]
    if not made:
        raise NoRule(next(iter(left_out.values())))
    return Chain(name, tuple(reversed(made)), left_out)
