"""Sequences of tensors whose length the file fixes: they are taken apart again, and no layer knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .batches import Axes
from .convert import HANDLERS, TAKES_CONSTANTS, Converter, operator
from .file import Op
from .values import Constant, Refusal, Signal, Special, Tensor

LONGEST = 1 << 12  # parts of one tensor

TAKES_CONSTANTS.add("SequenceConstruct")


@dataclass(frozen=True, eq=False)
class Listed(Special):
    """A sequence of tensors."""

    items: tuple[Tensor, ...]

    @property
    def described(self) -> str:
        return f"holds a sequence of {len(self.items)} tensors"

    def read_by(self, ctx: Converter, op: Op) -> Sequence[Tensor]:
        return HANDLERS[op.kind](ctx, op)

    def at(self, position: int, *, end: int = 0) -> int:
        """Return a position counted from the start; ``end`` is 1 where one behind the last is meant, too."""
        size = len(self.items)
        if not -size <= position < size + end:
            raise Refusal(f"position {position} of a sequence of {size}")
        return position + size if position < 0 else position


def _listed(ctx: Converter, name: str) -> Listed:
    tensor = ctx.tensor(name)
    if not isinstance(tensor, Listed):
        raise Refusal(f"'{name}' holds no sequence")
    return tensor


@operator("SequenceConstruct", "SequenceEmpty", axes=Axes.OTHER)
def _construct(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [Listed(tuple(ctx.tensor(name) for name in op.inputs))]


@operator("SplitToSequence", axes=Axes.OTHER)
def _split(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Parts along an axis: of one value each, of a size, or of the sizes that are given."""
    x, axis = ctx.signal(op, op.inputs[0]), int(op.attributes.get("axis", 0))
    size = x.size(x.axis(axis))
    if size is None:
        raise Refusal("it splits an axis of free size")
    sizes = [1] * size
    single = not ctx.has(op, 1)
    if not single:
        given = ctx.constant(op.inputs[1])
        sizes = given.integers()
        if given.array().ndim == 0:
            step = sizes[0]
            if step < 1:
                raise Refusal(f"parts of size {step}")
            sizes = [min(step, size - k) for k in range(0, size, step)]
    if len(sizes) > LONGEST:
        raise Refusal(f"a sequence of {len(sizes)} tensors")
    names = tuple(f"{op.outputs[0]}/{k}" for k in range(len(sizes)))
    attributes = {"axis": axis, "split": tuple(sizes)}
    parts = HANDLERS["Split"](
        ctx, replace(op, kind="Split", inputs=op.inputs[:1], outputs=names, attributes=attributes)
    )
    if single and not op.attributes.get("keepdims", 1):
        parts = [_without(ctx, op, ctx.define(n, p), axis) for n, p in zip(names, parts, strict=True)]
    return [Listed(tuple(parts))]


def _without(ctx: Converter, op: Op, name: str, axis: int) -> Tensor:
    node = replace(op, kind="Squeeze", inputs=(name,), outputs=(name,), attributes={"axes": (axis,)})
    return HANDLERS["Squeeze"](ctx, node)[0]


@operator("SequenceAt", axes=Axes.OTHER)
def _at(ctx: Converter, op: Op) -> Sequence[Tensor]:
    found = _listed(ctx, op.inputs[0])
    return [found.items[found.at(ctx.constant(op.inputs[1]).integers()[0])]]


@operator("SequenceLength", axes=Axes.OTHER)
def _length(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [Constant.fixed(np.array(len(_listed(ctx, op.inputs[0]).items), np.int64))]


@operator("SequenceInsert", axes=Axes.OTHER)
def _insert(ctx: Converter, op: Op) -> Sequence[Tensor]:
    found = _listed(ctx, op.inputs[0])
    place = len(found.items)
    if ctx.has(op, 2):
        place = found.at(ctx.constant(op.inputs[2]).integers()[0], end=1)
    return [Listed((*found.items[:place], ctx.tensor(op.inputs[1]), *found.items[place:]))]


@operator("SequenceErase", axes=Axes.OTHER)
def _erase(ctx: Converter, op: Op) -> Sequence[Tensor]:
    found = _listed(ctx, op.inputs[0])
    place = found.at(ctx.constant(op.inputs[1]).integers()[0] if ctx.has(op, 1) else -1)
    return [Listed((*found.items[:place], *found.items[place + 1 :]))]


@operator("ConcatFromSequence", axes=Axes.OTHER)
def _concat(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The tensors one behind the other; with ``new_axis`` along an axis that they get before."""
    items, axis = _listed(ctx, op.inputs[0]).items, int(op.attributes["axis"])
    names = tuple(ctx.define(f"{op.outputs[0]}/{k}", item) for k, item in enumerate(items))
    if not items or not any(isinstance(item, Signal) for item in items):
        raise Refusal("a sequence without a tensor that depends on the input")
    if op.attributes.get("new_axis", 0):
        for name, item in zip(names, items, strict=True):
            if not isinstance(item, Signal):
                raise Refusal("a constant beside signals, along a new axis")
            node = replace(op, kind="Unsqueeze", inputs=(name,), outputs=(name,), attributes={"axes": (axis,)})
            ctx.define(name, HANDLERS["Unsqueeze"](ctx, node)[0])
    return HANDLERS["Concat"](ctx, replace(op, kind="Concat", inputs=names, attributes={"axis": axis}))
