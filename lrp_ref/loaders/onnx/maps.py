"""Fixed linear maps along one axis: a matrix, as a dense layer over that axis; and positions, as a route."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Constant, Dense, Layer, MatMul, Squeeze, Transpose, Unsqueeze
from .convert import Converter
from .file import Op
from .values import Refusal, Signal

FURTHEST = 2048  # positions of which all pairs are looked at, where the file leaves their number free
LARGEST = 1 << 26  # elements of one matrix that a file does not hold itself


def along(
    ctx: Converter,
    op: Op,
    x: Signal,
    axis: int,
    weight: np.ndarray[Any, Any],
    bias: np.ndarray[Any, Any] | None = None,
    *,
    tag: str = "",
) -> Signal:
    """Return y[..., j, ...] = Σ_i x[..., i, ...] weight[i, j] + bias[j] along the network's axis ``axis``.

    ``tag`` is given where this is only a part of what the node computes.
    """
    weight = np.ascontiguousarray(weight.astype(ctx.dtype))
    layer = Dense(weight, None if bias is None or not bias.any() else bias.astype(ctx.dtype))
    last = x.depth - 1
    if axis == last:
        return ctx.emit(op, layer, [x], tag=tag)
    order = list(range(last + 1))
    order[axis], order[last] = last, axis
    swap = Transpose(tuple(order))
    swapped = ctx.emit(op, swap, [x], tag="transpose")
    return ctx.emit(op, swap, [ctx.emit(op, layer, [swapped], tag="dense")], tag=tag)


def along_free(ctx: Converter, op: Op, x: Signal, axis: int, matrix: np.ndarray[Any, Any]) -> Signal:
    """Return what :func:`along` does for an axis of free size, of which ``matrix`` is for the largest size.

    That for a smaller size is its beginning: a product with a layer that is cut to the size.
    """
    constant = ctx.emit(op, Constant(matrix.astype(ctx.dtype), cut=((1, axis), (2, axis))), [x], tag="constant")
    last, batch = x.depth - 1, x.batch
    swap = Transpose((*(k for k in range(last + 1) if k != axis), axis)) if axis != last else None
    rows = x if swap is None else ctx.emit(op, swap, [x], tag="transpose")
    rows = ctx.emit(op, Unsqueeze((last,)), [rows], tag="row")
    missing = rows.depth - constant.depth
    if missing:
        constant = ctx.emit(op, Unsqueeze(tuple(range(1, missing + 1))), [constant], tag="constant")
    sums = ctx.emit(op, MatMul(gate=1), [rows, constant], tag="sums")
    back = ctx.emit(op, Squeeze((last,)), [sums], batch=batch, tag="" if swap is None else "squeeze")
    if swap is None:
        return back
    order = sorted(range(last + 1), key=lambda k: swap.axes[k])
    return ctx.emit(op, Transpose(tuple(order)), [back], batch=batch)


def chained(
    ctx: Converter, op: Op, x: Signal, steps: Sequence[tuple[str, Layer]], batch: int, *, part: bool = False
) -> Signal:
    """Return the signal after layers that follow each other; the last one has the node's name, unless it is a part.

    Args:
        ctx, op, x: the node, and what the first layer reads.
        steps: a name for each layer, and the layer.
        batch: the batch axis of the ONNX tensor behind them.
        part: whether more of what the node computes comes after them.
    """
    for k, (tag, layer) in enumerate(steps, 1):
        x = ctx.emit(op, layer, [x], tag=tag if part or k < len(steps) else "")
    return x.moved(batch)


def require_pairs(ctx: Converter, sizes: Sequence[int], what: str) -> None:
    """Count a matrix of pairs of positions, which is made for the largest size of a sequence that is free.

    Raises:
        Refusal: it would be too large; the file is read again for shorter sequences.
    """
    if max(sizes) > FURTHEST:
        ctx.longest = min(FURTHEST, ctx.longest or FURTHEST)
        raise Refusal(f"{what} of {max(sizes)} positions; {FURTHEST} are allowed where their number is free")
    ctx.allowance.take(math.prod(sizes), what)


def require_matrix(rows: int, columns: int) -> None:
    """Refuse a matrix that would be made from a few numbers of the file and is beyond all bounds."""
    if rows * columns > LARGEST:
        raise Refusal(f"a matrix of {rows} × {columns} would be made; the limit is {LARGEST} elements")
