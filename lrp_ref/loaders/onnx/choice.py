"""Comparisons, what is true of both or one, and the choice by them; rectifiers and softplus written as a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Add, Clip, Max, Multiply, ReLU, Softmax, ThresholdedReLU, Where
from .arithmetic import affine, aligned, alongside, operand, wide_enough
from .batches import Axes
from .convert import Converter, operator
from .elementwise import sample_parameter
from .file import Op
from .growing import growing
from .layout import alike, raised
from .values import Above, Constant, Refusal, Signal, Tensor, lowest

Array = np.ndarray[Any, Any]
NEGLIGIBLE = 1e-9  # relative difference of softplus and its linear part from which on both are one


COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
}
TURNED = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}


@operator(*COMPARISONS, axes=Axes.OTHER)
def _compare(ctx: Converter, op: Op) -> Sequence[Tensor]:
    how = COMPARISONS[op.kind]
    constants = [isinstance(ctx.tensor(n), Constant) for n in op.inputs]
    if not any(constants):
        signals, batch = aligned(ctx, op, op.inputs)
        return [ctx.compared(op, how, signals).moved(batch)]
    signal, number = reversed(op.inputs) if constants[0] else op.inputs
    how = TURNED.get(how, how) if constants[0] else how
    x, bound = ctx.signal(op, signal), ctx.constant(number).array()
    x = raised(ctx, op, x, bound.ndim)
    if bound.dtype.kind == "f" and np.isneginf(bound).all() and how == "equal":
        # In place of −∞ a mask has a number: what was masked lies below half of it.
        return [ctx.compared(op, "less", [x], np.full(1, lowest(ctx.dtype) / 2, ctx.dtype))]
    if bound.size == 1 and op.kind != "Equal":
        return [Above(x, float(bound.reshape(-1)[0]), how, op.outputs[0])]
    return [_against(ctx, op, how, x, ctx.parameter(bound, number))]


def _against(ctx: Converter, op: Op, how: str, x: Signal, bound: Array) -> Signal:
    """Return a comparison with a constant of at most as many axes, which may repeat what it is compared with."""
    parameter = sample_parameter(ctx, bound, x)
    x = wide_enough(ctx, op, x, [parameter])
    if parameter.ndim == 1:  # one number for each channel, where a comparison broadcasts from the last axis on
        parameter = parameter.reshape(-1, *(1,) * (x.depth - 2))
    return ctx.compared(op, how, [x], np.ascontiguousarray(parameter))


@operator("IsNaN", "IsInf", axes=Axes.EACH)
def _is_not_finite(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """A network's values are finite; what the file has as NaN is a softmax of nothing but masked numbers."""
    x = ctx.signal(op, op.inputs[0])
    softmax = ctx.maker(x)
    if op.kind == "IsInf":
        if not op.attributes.get("detect_negative", 1) or not ctx.kinds.is_masked(x):
            raise Refusal("a network's values are finite")
        return [ctx.compared(op, "less", [x], np.full(1, lowest(ctx.dtype) / 2, ctx.dtype))]
    if softmax is None or not isinstance(softmax.layer, Softmax):
        raise Refusal("a network's values are finite")
    scores = replace(x, value=softmax.reads[0])
    largest = ctx.emit(op, Max((softmax.layer.axis,)), [scores], tag="largest")
    return [ctx.compared(op, "less", [largest], np.full(1, lowest(ctx.dtype) / 2, ctx.dtype))]


@operator("Not", axes=Axes.EACH)
def _not(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [ctx.compared(op, "equal", [ctx.signal(op, op.inputs[0])], np.zeros(1, ctx.dtype))]


@operator("And", "Or", "Xor", axes=Axes.OTHER)
def _logic(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Of numbers 0 and 1: both where the product is 1, one where the sum is not 0, one alone where they differ."""
    constants = [n for n in op.inputs if isinstance(ctx.tensor(n), Constant)]
    signals = [n for n in op.inputs if n not in constants]
    if not constants:
        reads, batch = aligned(ctx, op, signals)
        if op.kind == "And":
            return [ctx.emit(op, Multiply(), reads, batch=batch)]
        if op.kind == "Or":
            total = ctx.emit(op, Add(), reads, batch=batch, tag="sum")
            return [ctx.compared(op, "not_equal", [total], np.zeros(1, ctx.dtype))]
        return [ctx.compared(op, "not_equal", reads).moved(batch)]
    other = operand(ctx, constants[0], signals[0])
    if op.kind == "And":
        made = affine(ctx, op, signals[0], scale=other.array, lengths=other.lengths)
        ctx.kinds.mark_truth(made)
        return [made]
    if op.kind == "Xor":
        x = raised(ctx, op, ctx.signal(op, signals[0]), other.array.ndim)
        return [_against(ctx, op, "not_equal", x, ctx.weight(constants[0]))]
    total = affine(ctx, op, signals[0], shift=other.array, lengths=other.lengths)
    return [ctx.compared(op, "not_equal", [total], np.zeros(1, ctx.dtype))]


@operator("Where", axes=Axes.OTHER)
def _where(ctx: Converter, op: Op) -> Sequence[Tensor]:
    condition = ctx.tensor(op.inputs[0])
    if isinstance(condition, Constant):
        return [_masked(ctx, op, condition)]
    if isinstance(condition, Above):
        names = op.inputs[:0:-1] if condition.negated else op.inputs[1:]
        kinds = [type(ctx.tensor(name)) for name in names]
        found = None
        if sorted(kind.__name__ for kind in kinds) == ["Constant", "Signal"]:
            found = _bounded(ctx, op, condition, *names)
        elif kinds == [Signal, Signal]:
            found = _softplus(ctx, op, condition, *names)
        if found is not None:
            return [found]
    reads, batch = alongside(ctx, op, op.inputs)
    made = ctx.emit(op, Where(), reads, batch=batch)
    signals = [
        x for name, x in zip(op.inputs[1:], reads[1:], strict=True) if not isinstance(ctx.tensor(name), Constant)
    ]
    if signals and all(map(ctx.patterns.is_gate, signals)):
        ctx.patterns.mark_gate(made)  # attention weights, and 0 where everything is masked
    return [made]


def _masked(ctx: Converter, op: Op, condition: Constant) -> Signal:
    """Return a choice by a mask in the file, as products with it."""
    chosen = growing(condition)
    mask, lengths = chosen.array.astype(bool), chosen.lengths
    masks = (mask.astype(ctx.dtype), (~mask).astype(ctx.dtype))
    names = op.inputs[1:]
    signals = [isinstance(ctx.tensor(n), Signal | Above) for n in names]
    if all(signals):
        scaled = [affine(ctx, op, name, scale=m, lengths=lengths) for name, m in zip(names, masks, strict=True)]
        parts = alike(ctx, op, scaled)
        if len({(p.rank, p.batch) for p in parts}) != 1:
            raise Refusal("the operands have their batch at different axes")
        return ctx.emit(op, Add(), parts)
    k = signals.index(True)
    other = operand(ctx, names[1 - k], names[k])
    shift, lengths = masks[1 - k] * other.array, {**lengths, **other.lengths}
    if shift.any():
        return affine(ctx, op, names[k], scale=masks[k], shift=shift, lengths=lengths)
    # What is never chosen still says how often the rest is repeated, and along how many axes.
    return affine(ctx, op, names[k], scale=np.broadcast_to(masks[k], shift.shape), lengths=lengths)


def _bounded(ctx: Converter, op: Op, condition: Above, above: str, below: str) -> Signal | None:
    """Return max(x, t) for a choice of x where it is above t, and of t elsewhere; min(x, t) for the opposite.

    With 0 in place of t elsewhere, the first is a thresholded ReLU.
    """
    low = isinstance(ctx.tensor(below), Constant)
    signal, number = (above, below) if low else (below, above)
    x, bound, t = ctx.signal(op, signal), ctx.constant(number).array(), condition.threshold
    if x != condition.signal or bound.size != 1 or bound.ndim > x.rank:
        return None
    if not (bound == np.asarray(t, bound.dtype)).all():
        strictly = low and not bound.any() and condition.comparison in ("greater", "less_equal")
        return ctx.emit(op, ThresholdedReLU(t), [x]) if strictly else None
    return ctx.emit(op, (ReLU() if t == 0 else Clip(t, None)) if low else Clip(None, t), [x])


def _softplus(ctx: Converter, op: Op, condition: Above, above: str, below: str) -> Signal | None:
    """Return softplus(β·x)/β for a choice of x where β·x is above a number t.

    Above t they differ by log(1 + e^(−β·x))/β, relative to x by less than e^(−t)/t.
    """
    t = condition.threshold
    x, y = ctx.signal(op, above), ctx.signal(op, below)
    if t <= 0 or math.exp(-t) / t > NEGLIGIBLE or not ctx.patterns.softplus_of(y, x, condition.signal):
        return None
    return y
