"""Two networks one behind the other: an encoder from a file, and a head of one's own."""

from __future__ import annotations

from dataclasses import replace

from ..errors import GraphError, ShapeError
from .network import Network, Node


def join(first: Network, second: Network, *, output: str | None = None) -> Network:
    """Return the network that computes ``second`` of an output of ``first``.

    Its inputs are those of the first, its outputs those of the second; a node of the second whose name the first has
    too is called after it, with a number. Of the first only what the output needs is kept.

    Args:
        first: such as an encoder.
        second: with one input, such as a head.
        output: which value of the first the second reads; None for its only output.

    Raises:
        GraphError: several outputs of which none is named, a name that is not there, or several inputs of the second.
        ShapeError: batches at different axes of the arrays between them.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, ReLU
        >>> encoder = Network.sequential([Dense(np.eye(2)), ReLU()])
        >>> head = Network.sequential([Dense(np.array([[1.0], [2.0]]))])
        >>> join(encoder, head)
        Network input → output dense1_2
          dense1    Dense(weight=float64[2, 2])  ← input
          relu1     ReLU()                       ← dense1
          dense1_2  Dense(weight=float64[2, 1])  ← relu1
    """
    if len(second.inputs) != 1:
        raise GraphError(f"the second network has {len(second.inputs)} inputs; one that reads the first has one")
    if output is None and len(first.outputs) != 1:
        raise GraphError(f"name the output that the second network reads: {', '.join(first.outputs)}")
    between = first.outputs[0] if output is None else output
    part = first.until(between)
    (spec,) = second.inputs
    axis = part.output_axes[0] if part.output_axes else 0
    if axis != spec.batch_axis:
        raise ShapeError(f"'{between}' has its batch at axis {axis}, the second network's input at {spec.batch_axis}")
    taken = {node.name for node in part.nodes} | {i.name for i in part.inputs}
    named = {spec.name: between}
    nodes = list(part.nodes)
    for node in second.nodes:
        new, number = node.name, 1
        while new in taken:
            number += 1
            new = f"{node.name}_{number}"
        taken.add(new)
        named[node.name] = new
        nodes.append(Node(new, node.layer, tuple(_renamed(name, named) for name in node.inputs)))
    outputs = tuple(_renamed(name, named) for name in second.outputs)
    whole = Network(tuple(nodes), part.inputs, outputs, second.output_axes)
    composite = first.composite if first.composite == second.composite else ""
    return replace(whole, notes=(*first.notes, *second.notes), composite=composite, classes=second.classes)


def _renamed(name: str, named: dict[str, str]) -> str:
    """Return a value's new name; an output k of a node of several is called NODE:k."""
    if name in named:
        return named[name]
    base, colon, index = name.rpartition(":")
    return f"{named[base]}{colon}{index}"
