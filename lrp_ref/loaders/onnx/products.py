"""Matrix products: of a signal with weights, which is a dense layer, and of two signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Dense, MatMul, Squeeze, Transpose, Unsqueeze
from .arithmetic import affine, aligned
from .batches import Axes
from .convert import HANDLERS, Converter, operator
from .file import Op
from .layout import constant_signal
from .values import WHOLE, Constant, Refusal, Signal, Tensor


@operator("Gemm", axes=Axes.OTHER)
def _gemm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    a = op.attributes
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    if not isinstance(ctx.tensor(op.inputs[1]), Constant) or isinstance(ctx.tensor(op.inputs[0]), Constant):
        return [_gemm_of_signals(ctx, op)]
    x, weight = ctx.signal(op, op.inputs[0]), ctx.weight(op.inputs[1])
    if x.rank < 2 or weight.ndim != 2 or (a.get("transA", 0) and x.rank > 2):
        raise Refusal(f"operands with {x.rank} and {weight.ndim} axes instead of 2")
    batch = x.batch
    if a.get("transA", 0) and x.batch == WHOLE:
        x = ctx.emit(op, Transpose((0, 2, 1)), [x], tag="transpose")
    elif a.get("transA", 0):
        batch = 1 - batch
    if batch == x.rank - 1:
        raise Refusal("it sums over the batch")
    weight = weight.T if a.get("transB", 0) else weight
    weight = weight if alpha == 1 else weight * weight.dtype.type(alpha)
    if not ctx.has(op, 2) or beta == 0:
        return [ctx.emit(op, Dense(np.ascontiguousarray(weight)), [x], batch=batch)]
    if not isinstance(ctx.tensor(op.inputs[2]), Constant):  # such as the squares of the inputs, in distances
        y = ctx.named(ctx.emit(op, Dense(np.ascontiguousarray(weight)), [x], batch=batch, tag="dense"))
        other = op.inputs[2]
        if beta != 1:
            other = ctx.named(affine(ctx, op, other, scale=np.full(1, beta, ctx.dtype), tag="bias"))
        return HANDLERS["Add"](ctx, replace(op, inputs=(y, other), attributes={}))
    bias = ctx.weight(op.inputs[2])
    bias = bias if beta == 1 else bias * bias.dtype.type(beta)
    if batch == WHOLE and not _is_row(bias, weight.shape[1]):
        return [shifted(ctx, op, ctx.emit(op, Dense(np.ascontiguousarray(weight)), [x], tag="dense"), bias)]
    return [ctx.emit(op, Dense(np.ascontiguousarray(weight), _row(bias, weight.shape[1])), [x], batch=batch)]


def shifted(ctx: Converter, op: Op, x: Signal, shift: np.ndarray[Any, Any]) -> Signal:
    """Return x + shift for a constant that ONNX broadcasts against x."""
    return affine(ctx, op, ctx.named(x), shift=shift)


def _is_row(bias: np.ndarray[Any, Any], outs: int) -> bool:
    rows = bias.reshape((1,) * (2 - bias.ndim) + bias.shape)
    return rows.ndim == 2 and rows.shape[1] in (1, outs) and bool((rows == rows[:1]).all())


def _row(bias: np.ndarray[Any, Any], outs: int) -> np.ndarray[Any, Any]:
    """Return a bias that broadcasts to (N, outs) as (outs,)."""
    if not _is_row(bias, outs):
        raise Refusal(f"a bias of shape {bias.shape} that is not one number for each of {outs} units")
    rows = bias.reshape((1,) * (2 - bias.ndim) + bias.shape)
    return np.ascontiguousarray(np.broadcast_to(rows[0], (outs,)))


def _gemm_of_signals(ctx: Converter, op: Op) -> Signal:
    """Return alpha·A·B + beta·C where A or both are signals; the samples of a batch are no matrix."""
    a = op.attributes
    signals = []
    for name, turned in zip(op.inputs, (a.get("transA", 0), a.get("transB", 0)), strict=False):
        if isinstance(ctx.tensor(name), Constant):
            weight = ctx.weight(name)
            signals.append(ctx.named(Constant.fixed(np.ascontiguousarray(weight.T if turned else weight))))
            continue
        x = ctx.unbatched(op, ctx.signal(op, name)) if ctx.whole else ctx.signal(op, name)
        if x.batch != WHOLE or x.rank != 2:
            raise Refusal("its matrices hold the samples of a batch")
        signals.append(ctx.named(ctx.emit(op, Transpose((0, 2, 1)), [x], tag="transpose") if turned else x))
    z = product(ctx, op, signals[0], signals[1])
    if a.get("alpha", 1.0) != 1:
        z = affine(ctx, op, ctx.named(z), scale=np.full(1, a["alpha"], ctx.dtype))
    if not ctx.has(op, 2) or a.get("beta", 1.0) == 0:
        return z
    if not isinstance(ctx.tensor(op.inputs[2]), Constant):
        raise Refusal("a bias that is a signal")
    bias = ctx.weight(op.inputs[2])
    return shifted(ctx, op, z, bias * bias.dtype.type(a.get("beta", 1.0)))


@operator("MatMul", axes=Axes.SAME)
def _matmul(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [product(ctx, op, *op.inputs)]


def product(ctx: Converter, op: Op, first: str, second: str) -> Signal:
    """Return the matrix product of two tensors, as NumPy and ONNX define it for any number of axes."""
    ranks = ctx.rank(first), ctx.rank(second)
    if not all(ranks):
        raise Refusal("a matrix product with a single number")
    # One that a free number of samples repeats is no weight, but a signal that is the same for all.
    constants = [isinstance(t := ctx.tensor(n), Constant) and t.is_fixed for n in (first, second)]
    if constants[1]:
        weight = ctx.weight(second)
        while weight.ndim > 2 and weight.shape[0] == 1 and weight.ndim <= ranks[0]:
            weight = weight[0]
        if weight.ndim <= 2:
            return _dense(ctx, op, ctx.signal(op, first), weight)
    if constants[0] and ranks[0] == 2 and ranks[1] > 1:
        x = ctx.signal(op, second)
        if x.batch < x.rank - 2:
            return _dense_on_columns(ctx, op, x, ctx.weight(first))
    return _of_signals(ctx, op, (first, second), ranks)


def _dense(ctx: Converter, op: Op, x: Signal, weight: np.ndarray[Any, Any]) -> Signal:
    """Return x·W over the last axis of x; a vector in place of W has one output, and no axis for it."""
    if x.batch == x.rank - 1:
        raise Refusal("it sums over the batch")
    if weight.ndim == 2:
        return ctx.emit(op, Dense(np.ascontiguousarray(weight)), [x])
    one = ctx.emit(op, Dense(np.ascontiguousarray(weight[:, None])), [x], tag="dense")
    return ctx.emit(op, Squeeze((one.depth - 1,)), [one])


def _dense_on_columns(ctx: Converter, op: Op, x: Signal, weight: np.ndarray[Any, Any]) -> Signal:
    """Return W·x for matrices x."""
    swap = Transpose((*range(x.depth - 2), x.depth - 1, x.depth - 2))
    columns = ctx.emit(op, swap, [x], tag="transpose")
    dense = ctx.emit(op, Dense(np.ascontiguousarray(weight.T)), [columns], tag="dense")
    return ctx.emit(op, swap, [dense])


def _of_signals(ctx: Converter, op: Op, names: tuple[str, str], ranks: tuple[int, int]) -> Signal:
    """Return the product of two signals; a constant among them is a layer, and the gate of the other."""
    signals = {n: ctx.signal(op, n) for n in names if not isinstance(ctx.tensor(n), Constant)}
    if any(0 <= x.batch >= x.rank - min(x.rank, 2) for x in signals.values()):
        raise Refusal("its matrices hold the samples of a batch")
    like = next(iter(signals.values()))
    pair = [signals[n] if n in signals else constant_signal(ctx, op, n, like) for n in names]
    if ranks[0] == 1:
        pair[0] = ctx.emit(op, Unsqueeze((pair[0].depth - 1,)), [pair[0]], tag="row")
    if ranks[1] == 1:
        pair[1] = ctx.emit(op, Unsqueeze((pair[1].depth,)), [pair[1]], tag="column")
    (a, b), batch = aligned(ctx, op, [ctx.named(x) for x in pair])
    gates = [n not in signals or ctx.patterns.is_gate(x) for n, x in zip(names, pair, strict=True)]
    z = ctx.emit(op, MatMul(gate=gates.index(True) if sum(gates) == 1 else None), [a, b], batch=batch)
    if ranks[1] == 1:
        z = ctx.emit(op, Squeeze((z.depth - 1,)), [z], tag="squeeze")
    if ranks[0] == 1:
        z = ctx.emit(op, Squeeze((z.depth - (1 if ranks[1] == 1 else 2),)), [z], tag="squeeze")
    return z
