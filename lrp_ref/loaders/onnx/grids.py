"""Operators that copy values along axes: expand, tile, gather at the points of a grid, space to channels and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Concat, Flatten, Gather, Multiply, Reshape, Slice, Transpose, Unsqueeze
from ...layers import Constant as ConstantLayer
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .growing import Growing, cut_by
from .layout import raised
from .places import bounded, gathered_points
from .values import PROBES, WHOLE, Refusal, Signal, Sizes, Tensor, merge_sizes

LONGEST = 1 << 16  # how often a signal is repeated at most where the file leaves it free
FREE = "depends on a free size of the input: fix it with load(..., shapes=...)"


def widened(ctx: Converter, op: Op, x: Signal, sizes: Sequence[Sizes]) -> Signal:
    """Return a signal with its axes of size 1 repeated, so that its samples have these sizes in each probe."""
    if tuple(sizes) == x.sizes:
        return x
    for axis in range(1, x.depth):
        old, all_new = {s[axis - 1] for s in x.sizes}, {s[axis - 1] for s in sizes}
        if any(s[axis - 1] != n[axis - 1] for s, n in zip(x.sizes, sizes, strict=True)):
            if old != {1}:
                raise Refusal(f"its shape {FREE}")
            if len(all_new) > 1:
                x = _as_long_as_an_input(ctx, op, x, axis, tuple(n[axis - 1] for n in sizes))
                continue
            (new,) = all_new
            ctx.allowance.take(new, f"axis {axis}")
            x = ctx.emit(op, Gather((0,) * new, axis), [x])
    return x


def _as_long_as_an_input(ctx: Converter, op: Op, x: Signal, axis: int, sizes: Sizes) -> Signal:
    """Return a signal repeated along an axis as often as an input is long, as a product with as many ones."""
    ones = np.ones((LONGEST, *(1,) * (x.depth - 1 - axis)), dtype=ctx.dtype)
    source, cut = cut_by(Growing(ones, {-ones.ndim: sizes}), ctx.inputs.values())
    constant = ctx.emit(op, ConstantLayer(ones, cut=cut), [source], tag="ones")
    constant = ctx.emit(op, Unsqueeze(tuple(range(1, axis))), [constant], tag="ones") if axis > 1 else constant
    made = ctx.emit(op, Multiply(gate=1), [x, constant], batch=x.batch)
    if ctx.kinds.is_truth(x):
        ctx.kinds.mark_truth(made)
    return made


@operator("Expand", axes=Axes.OTHER)
def _expand(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0])
    found = []
    for k, target in enumerate(ctx.constant(op.inputs[1]).probes):
        shape = x.shape(k, ctx.samples[k])
        full = tuple(int(v) for v in np.broadcast_shapes(shape, tuple(int(v) for v in target)))
        if x.batch == WHOLE:
            found.append(full)
            continue
        batch = x.batch + len(full) - len(shape)
        if full[batch] != shape[x.batch]:
            raise Refusal("it repeats the batch")
        found.append((*full[:batch], *full[batch + 1 :]))
    if tuple(found) == x.sizes:
        return [x]
    rank = len(found[0]) + (x.batch != WHOLE)
    return [widened(ctx, op, raised(ctx, op, ctx.signal(op, op.inputs[0]), rank), found)]


@operator("Tile", axes=Axes.OTHER)
def _tile(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    for axis, times in enumerate(ctx.constant(op.inputs[1]).integers()):
        if times == 1:
            continue
        if times < 1:
            raise Refusal(f"it repeats axis {axis} {times} times")
        place = x.axis(axis)
        size = x.size(place)
        if size is None:
            raise Refusal("it repeats an axis of free size")
        ctx.allowance.take(5 * size * times, f"axis {axis}")
        x = ctx.emit(op, Gather(tuple(range(size)) * times, place), [x])
    return [x]


@operator("GatherND", axes=Axes.OTHER)
def _gather_points(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Positions that are a grid (each index depends on axes of its own) are one Gather per axis."""
    x, constant = ctx.signal(op, op.inputs[0]), ctx.constant(op.inputs[1])
    if op.attributes.get("batch_dims", 0) or not constant.is_fixed or 0 <= x.batch < constant.array().shape[-1]:
        return [gathered_points(ctx, op, x)]
    indices = constant.array()
    grid, depth = indices.shape[:-1], indices.shape[-1]
    axes = [x.axis(k) for k in range(depth)]
    blocks = _blocks(indices) if grid else None
    if blocks is None:
        return [gathered_points(ctx, op, x)]
    for axis, (first, last) in zip(axes, blocks, strict=True):
        lead = tuple(slice(None) if first <= d < last else 0 for d in range(len(grid)))
        positions = indices[(*lead, axis - axes[0])].reshape(-1)
        size = x.size(axis)
        if size is None:
            raise Refusal(f"its positions count along an axis whose size is free: {FREE}")
        if ((positions < -size) | (positions >= size)).any():
            raise Refusal(f"a position is outside an axis of size {size}")
        x = ctx.emit(op, Gather(tuple(int(p) for p in positions), axis), [x])
    batch = WHOLE if x.batch == WHOLE else x.batch - depth + len(grid)
    sizes = tuple((*grid, *s[depth:]) for s in x.sizes)
    return [x.moved(batch) if sizes == x.sizes else ctx.emit(op, Reshape(merge_sizes(sizes)), [x], batch=batch)]


def _blocks(indices: np.ndarray[Any, Any]) -> list[tuple[int, int]] | None:
    """Return for each gathered axis the axes of the grid, from first to before last, that its positions vary along.

    None for positions that are not a grid, with axes in their order.
    """
    rank, depth = indices.ndim - 1, indices.shape[-1]
    varies = [
        [k for k in range(depth) if (indices[..., k] != np.take(indices[..., k], [0], axis=d)).any()]
        for d in range(rank)
    ]
    owners: list[int] = []
    for d, found in enumerate(varies):
        # An axis along which nothing varies repeats: it goes with the axis before it.
        owners.append(found[0] if found else owners[-1] if owners else next((v[0] for v in varies if v), 0))
        if len(found) > 1 or (d and owners[d] < owners[d - 1]):
            return None
    return [(sum(o < k for o in owners), sum(o <= k for o in owners)) for k in range(depth)]


@operator("DepthToSpace", "SpaceToDepth", axes=Axes.OTHER)
def _shuffle(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Blocks of b × b pixels are b² channels: DCR has the block's axes before the channels, CRD behind them."""
    x, b = ctx.signal(op, op.inputs[0]), int(op.attributes["blocksize"])
    if x.rank != 4 or x.batch != 0:
        raise Refusal(f"an input with {x.rank} axes and its batch at axis {x.batch}")
    crd = op.attributes.get("mode", "DCR") == "CRD"
    split, joined = [], []
    for k in range(PROBES):
        c, h, w = x.sizes[k]
        if op.kind == "DepthToSpace":
            split.append((c // b**2, b, b, h, w) if crd else (b, b, c // b**2, h, w))
            joined.append((c // b**2, h * b, w * b))
        else:
            split.append((c, h // b, b, w // b, b))
            joined.append((c * b**2, h // b, w // b))
    if op.kind == "DepthToSpace" and x.size(2) is None and x.size(3) is None:
        return [_interleaved(ctx, op, x, b, crd=crd)]
    if op.kind == "DepthToSpace":
        order = (1, 4, 2, 5, 3) if crd else (3, 4, 1, 5, 2)
    else:
        order = (1, 3, 5, 2, 4) if crd else (3, 5, 1, 2, 4)
    blocks = ctx.emit(op, Reshape(merge_sizes(tuple(split))), [x], tag="blocks")
    moved = ctx.emit(op, Transpose((0, *order)), [blocks], tag="transpose")
    return [ctx.emit(op, Reshape(merge_sizes(tuple(joined))), [moved])]


def _interleaved(ctx: Converter, op: Op, x: Signal, b: int, *, crd: bool) -> Signal:
    """Return DepthToSpace for two free sizes: b images side by side along the columns, then along the rows.

    A reshape has one free size only; to join an axis with the one behind it, none needs to be known.
    """
    channels = x.sizes[0][0]
    if b < 1 or channels % b**2:
        raise Refusal(f"{channels} channels for blocks of {b} × {b}")
    numbers = np.arange(channels)
    of = numbers.reshape(-1, b, b).transpose(1, 2, 0) if crd else numbers.reshape(b, b, -1)  # row, column, channel
    turn = Transpose((0, 1, 3, 2))
    x = _side_by_side(ctx, op, x, [of[:, column].reshape(-1) for column in range(b)])
    x = ctx.emit(op, turn, [x], tag="transpose")
    x = _side_by_side(ctx, op, x, np.split(np.arange(channels // b), b))
    return ctx.emit(op, turn, [x])


def _side_by_side(ctx: Converter, op: Op, x: Signal, parts: Sequence[np.ndarray[Any, Any]]) -> Signal:
    """Return the channels of each part as one image: of all parts, the first values of the last axis, and so on."""
    taken = [ctx.emit(op, Gather(tuple(p.tolist()), 1), [x], tag="part") for p in parts]
    wide = [ctx.emit(op, Unsqueeze((4,)), [t], tag="part") for t in taken]
    return ctx.emit(op, Flatten(3), [ctx.emit(op, Concat(4), wide, tag="parts")], tag="joined")


def wrapped(ctx: Converter, op: Op, x: Signal, pairs: Sequence[tuple[int, int]]) -> Signal:
    """Return a signal that goes on at the other end: as many values from there as ``pairs`` says, per axis."""
    for axis, (before, after) in enumerate(pairs, 1):
        size = x.size(axis)
        if size is not None and max(before, after) > size:
            bounded(before + size + after)
            x = ctx.emit(op, Gather(tuple(k % size for k in range(-before, size + after)), axis), [x])
            continue
        parts = [x]
        if before:
            parts.insert(0, ctx.emit(op, Slice((axis,), (-before,), (None,), (1,)), [x], tag="before"))
        if after:
            parts.append(ctx.emit(op, Slice((axis,), (0,), (after,), (1,)), [x], tag="after"))
        if len(parts) > 1:
            x = ctx.emit(op, Concat(axis), parts)
    return x
