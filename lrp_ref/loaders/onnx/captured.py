"""What a node reads besides its inputs: tensors that the graphs in its attributes take from around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .file import Op


def reads(op: Op) -> tuple[str, ...]:
    """Return the names of all tensors that a node reads, those in its branches too."""
    return (*op.inputs, *inside(op.proto)) if op.proto is not None else op.inputs


def inside(node: Any) -> Iterator[str]:
    """Yield the names of all tensors that the graphs in a node's attributes read, theirs and those around them."""
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]:
            for inner in graph.node:
                yield from inner.input
                yield from inside(inner)
            yield from (value.name for value in graph.output)
