"""Tables that integers look up: tokens, positions, categories."""

from __future__ import annotations

import numpy as np

from ...layers import Embedding, Reshape
from .convert import Converter
from .file import Op
from .values import Refusal, Signal


def looked_up(ctx: Converter, op: Op) -> Signal:
    """Return the rows of a constant that a signal of whole numbers names, as a Gather along its first axis has them."""
    if op.attributes.get("axis", 0) % max(ctx.rank(op.inputs[0]), 1):
        raise Refusal(f"a table that is looked up along axis {op.attributes['axis']}")
    places = ctx.signal(op, op.inputs[1])
    if not ctx.kinds.is_whole(places):
        raise Refusal("a table that is looked up by numbers that are not whole")
    if places.integer and ctx.kinds.is_truth(places):
        places = ctx.number(op, places)  # a row is no truth value
    table = ctx.weight(op.inputs[0])
    if not table.ndim or not table.shape[0]:
        raise Refusal(f"a table of shape {table.shape}")
    rows, tail = table.shape[0], table.shape[1:]
    rank = len(places.sizes[0])
    found = ctx.emit(op, Embedding(np.ascontiguousarray(table.reshape(rows, -1))), [places], batch=places.batch)
    if len(tail) == 1:
        return found
    whole = all(s == found.sizes[0] for s in found.sizes)
    if not whole and (rank != 1 or sum(a != b for a, b in zip(*(s[:rank] for s in found.sizes), strict=True)) > 1):
        raise Refusal("a table with rows of several axes, looked up by integers of several free sizes")
    free = [-1 if a != b else a for a, b in zip(*(s[:rank] for s in found.sizes), strict=True)]
    return ctx.emit(op, Reshape((*free, *tail)), [found], batch=places.batch, tag="reshape")
