"""onnxruntime's own operators of transformers, as its optimizer writes them: embeddings and attention in one node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Add, Affine, Dense, MatMul, Reshape, Softmax, Split, Squeeze, Sum, Transpose, Unsqueeze
from ...layers import Constant as ConstantLayer
from .arithmetic import affine, aligned_signals, operand, scaled
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .growing import growing
from .lookup import looked_up
from .maps import require_pairs
from .normalization import normalized
from .values import Constant, Refusal, Signal, Tensor, merge_sizes

HIDDEN = -10000.0  # what is added to scores that are masked, unless a node says another number
USED_ONCE = "the keys and values of earlier steps: load the model as exported without them (use_cache=False)"


@operator("com.microsoft.Attention", axes=Axes.OTHER)
def _attention(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Self-attention with the weights of queries, keys and values side by side."""
    _refuse_past(ctx, op, (4, 6))
    if op.attributes.get("do_rotary", 0):
        raise Refusal("rotary positions inside of it: load the file as it was before onnxruntime's optimizer")
    x, weight = _sequence(ctx, op, 0), ctx.weight(op.inputs[1])
    bias = ctx.weight(op.inputs[2]) if ctx.has(op, 2) else None
    widths = tuple(int(n) for n in op.attributes.get("qkv_hidden_sizes", (weight.shape[-1] // 3,) * 3))
    if weight.ndim != 2 or len(widths) != 3 or sum(widths) != weight.shape[1]:
        raise Refusal(f"weights of shape {weight.shape} for queries, keys and values of {widths}")
    side_by_side = ctx.emit(op, Dense(np.ascontiguousarray(weight), bias), [x], tag="qkv")
    q, k, v = ctx.emit_all(op, Split(widths, 2), [side_by_side], outputs=3, tag="split")
    return [_attended(ctx, op, (q, k, v), mask=3, bias=5)]


@operator("com.microsoft.MultiHeadAttention", axes=Axes.OTHER)
def _multi_head_attention(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Attention of queries, keys and values (N, steps, heads·features), whose bias may be added here."""
    _refuse_past(ctx, op, (6, 7, 8, 9))
    if not (ctx.has(op, 1) and ctx.has(op, 2)):
        raise Refusal("queries, keys and values in one tensor: load the file as it was before onnxruntime's optimizer")
    parts = [_sequence(ctx, op, k) for k in range(3)]
    if ctx.has(op, 3):
        bias, widths = ctx.weight(op.inputs[3]), [x.size(2) or 0 for x in parts]
        if bias.shape != (sum(widths),):
            raise Refusal(f"a bias of shape {bias.shape} for queries, keys and values of {widths}")
        cuts = np.split(bias, np.cumsum(widths)[:-1])
        parts = [scaled(ctx, op, x, None, b, tag="bias") for x, b in zip(parts, cuts, strict=True)]
    return [_attended(ctx, op, tuple(parts), mask=4, bias=5)]


def _refuse_past(ctx: Converter, op: Op, places: Sequence[int]) -> None:
    if any(ctx.has(op, k) for k in places) or any(n and ctx.consumers[n] for n in op.outputs[1:]):
        raise Refusal(USED_ONCE)


def _sequence(ctx: Converter, op: Op, k: int) -> Signal:
    x = ctx.signal(op, op.inputs[k])
    if x.rank != 3 or x.batch != 0 or x.size(2) is None:
        raise Refusal(f"an operand with {x.rank} axes and its batch at axis {x.batch}, not (N, steps, features)")
    return x


def _attended(ctx: Converter, op: Op, parts: Sequence[Signal], *, mask: int, bias: int) -> Signal:
    """Return softmax(scale·Q·Kᵀ + masks)·V of every head, side by side.

    Args:
        ctx, op: of the node.
        parts: queries, keys and values (N, steps, heads·features).
        mask, bias: which inputs hold a mask of the keys, and what is added to the scores.
    """
    count = int(op.attributes["num_heads"])
    q, k, v = (_heads(ctx, op, x, count) for x in parts)
    scale = float(op.attributes.get("scale", 0.0)) or 1 / math.sqrt(q.sizes[0][-1])
    keys = ctx.emit(op, Transpose((0, 1, 3, 2)), [k], tag="transpose")
    scores = ctx.emit(op, MatMul(), [q, keys], tag="scores")
    scores = scaled(ctx, op, scores, np.full(1, scale, ctx.dtype), None, tag="scale")
    if ctx.has(op, bias):
        scores = _added(ctx, op, scores, op.inputs[bias])
    if ctx.has(op, mask):
        hidden = _hidden_keys(ctx, op, ctx.signal(op, op.inputs[mask]), parts[1])
        filled = Affine(np.full(1, op.attributes.get("mask_filter_value", HIDDEN), ctx.dtype))
        scores = _sum(ctx, op, scores, ctx.emit(op, filled, [hidden], tag="mask"))
    if op.attributes.get("unidirectional", 0):
        scores = _causal(ctx, op, scores)
    weights = ctx.emit(op, Softmax(3), [scores], tag="softmax")
    ctx.patterns.mark_gate(weights)
    heads = ctx.emit(op, MatMul(gate=0), [weights, v], tag="values")
    turned = ctx.emit(op, Transpose((0, 2, 1, 3)), [heads], tag="transpose")
    joined = tuple((steps, number * features) for steps, number, features in turned.sizes)
    return ctx.emit(op, Reshape(merge_sizes(joined)), [turned])


def _heads(ctx: Converter, op: Op, x: Signal, count: int) -> Signal:
    """Return (N, steps, heads·features) as (N, heads, steps, features)."""
    if count < 1 or any(s[1] % count for s in x.sizes):
        raise Refusal(f"{x.sizes[0][1]} features for {count} heads")
    apart = merge_sizes(tuple((steps, count, width // count) for steps, width in x.sizes))
    return ctx.emit(op, Transpose((0, 2, 1, 3)), [ctx.emit(op, Reshape(apart), [x], tag="heads")], tag="transpose")


def _sum(ctx: Converter, op: Op, a: Signal, b: Signal) -> Signal:
    pair, batch = aligned_signals(ctx, op, (a, b))
    return ctx.emit(op, Add(), pair, batch=batch, tag="add")


def _added(ctx: Converter, op: Op, scores: Signal, name: str) -> Signal:
    """Return scores with what is added to them, a signal or a constant."""
    if not isinstance(ctx.tensor(name), Constant):
        return _sum(ctx, op, scores, ctx.signal(op, name))
    named = ctx.named(scores)
    added = operand(ctx, name, named)
    return affine(ctx, op, named, shift=added.array, lengths=added.lengths, tag="bias")


def _hidden_keys(ctx: Converter, op: Op, mask: Signal, keys: Signal) -> Signal:
    """Return 1 for keys that are hidden (N, 1, 1, keys): those whose mask is 0, or behind a sample's length."""
    zero = np.zeros(1, ctx.dtype)
    if mask.rank == 1 and mask.batch == 0:
        places = np.arange(max(s[0] for s in keys.sizes)).astype(ctx.dtype)
        numbers = ctx.emit(op, ConstantLayer(places, cut=((1, 1),)), [keys], tag="places")
        lengths = ctx.emit(op, Unsqueeze((1,)), [mask], tag="lengths")
        hidden = ctx.compared(op, "greater_equal", [numbers, lengths], tag="hidden")
    elif mask.rank == 2 and mask.batch == 0 and [s[:1] for s in mask.sizes] == [s[:1] for s in keys.sizes]:
        hidden = ctx.compared(op, "less_equal", [mask], zero, tag="hidden")
    else:
        raise Refusal(f"a mask (N, *{mask.sizes[0]}); only (N, keys) and the lengths (N,) are supported")
    return ctx.emit(op, Unsqueeze((1, 2)), [hidden], batch=0, tag="hidden")


def _causal(ctx: Converter, op: Op, scores: Signal) -> Signal:
    """Return scores of which none is of a later key."""
    rows, columns = (max(s[k] for s in scores.sizes) for k in (1, 2))
    require_pairs(ctx, (rows, columns), "a causal mask")
    later = np.arange(columns)[None, :] > np.arange(rows)[:, None]
    lowest = np.where(later, np.finfo(ctx.dtype).min / 4, 0).astype(ctx.dtype)
    lengths = {k: tuple(s[k] for s in scores.sizes) for k in (-2, -1) if scores.size(scores.depth + k) is None}
    return scaled(ctx, op, scores, None, lowest, lengths=lengths, tag="causal")


@operator("com.microsoft.EmbedLayerNormalization", axes=Axes.OTHER)
def _embeddings(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The normalised sum of the rows of words, positions and segments; and how many words the mask leaves."""
    x = _rows(ctx, op, 2, 0)
    if not isinstance(x, Signal):
        raise Refusal(f"word ids '{op.inputs[0]}' that are a constant")
    for table, ids in ((3, 8), (4, 1)):
        if not ctx.has(op, table):
            continue
        rows = _rows(ctx, op, table, ids) if ctx.has(op, ids) else _first_rows(ctx, op, table, x)
        if isinstance(rows, Signal):
            x = _sum(ctx, op, x, rows)
        else:
            x = scaled(ctx, op, x, None, rows[0], lengths=rows[1], tag="positions")
    y, _, _ = normalized(ctx, op, x, ctx.weight(op.inputs[5]), ctx.weight(op.inputs[6]), True, epsilon=1e-12)
    if not (len(op.outputs) > 1 and op.outputs[1] and ctx.consumers[op.outputs[1]]):
        return [y, y, x]
    if not ctx.has(op, 7):
        raise Refusal("how many words there are is used, and it has no mask")
    there = ctx.compared(op, "not_equal", [ctx.signal(op, op.inputs[7])], np.zeros(1, ctx.dtype), tag="there")
    words = ctx.emit(op, Squeeze((1,)), [ctx.emit(op, Sum((1,)), [there], tag="words")], tag="words")
    return [y, words, x]


def _rows(ctx: Converter, op: Op, table: int, ids: int) -> Any:
    """Return the rows of a table that an input names: a signal, or a constant with its lengths."""
    if isinstance(ctx.tensor(op.inputs[ids]), Constant):
        places = growing(ctx.constant(op.inputs[ids]).once(-2))
        rows = ctx.weight(op.inputs[table])
        return rows[places.array], {axis - 1: sizes for axis, sizes in places.lengths.items()}
    return looked_up(ctx, replace(op, inputs=(op.inputs[table], op.inputs[ids]), outputs=(), attributes={}))


def _first_rows(ctx: Converter, op: Op, table: int, x: Signal) -> Any:
    """Return the rows of a table from the first on, one for each step of a signal."""
    rows = ctx.weight(op.inputs[table])
    if table != 3:
        raise Refusal("a table that nothing looks up")
    ctx.longest = min(len(rows), ctx.longest or len(rows))
    steps = tuple(s[0] for s in x.sizes)
    return (rows, {-2: steps}) if x.size(1) is None else (rows[: steps[0]], {})
