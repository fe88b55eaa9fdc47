"""Choices between tensors: by a mask in the file; and rectifiers and softplus, where exporters write them as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...layers import Add, Clip, ReLU
from .arithmetic import affine
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .values import Above, Constant, Refusal, Signal, Tensor

COMPUTED = "its condition is computed from the input"
NEGLIGIBLE = 1e-9  # relative difference of softplus and its linear part from which on both are one


@operator("Greater", "GreaterOrEqual", "Less", "LessOrEqual", axes=Axes.OTHER)
def _compare(ctx: Converter, op: Op) -> Sequence[Tensor]:
    turned = isinstance(ctx.tensor(op.inputs[0]), Constant)
    signal, number = reversed(op.inputs) if turned else op.inputs
    x, bound = ctx.signal(op, signal), ctx.constant(number).array()
    if bound.size != 1 or bound.ndim > x.rank:
        raise Refusal(f"a comparison with numbers of shape {bound.shape}")
    return [Above(x, float(bound.reshape(-1)[0]), negated=op.kind.startswith("Less") != turned)]


@operator("Where", axes=Axes.OTHER)
def _where(ctx: Converter, op: Op) -> Sequence[Tensor]:
    condition = ctx.tensor(op.inputs[0])
    if isinstance(condition, Above):
        names = op.inputs[:0:-1] if condition.negated else op.inputs[1:]
        kinds = [type(ctx.tensor(name)) for name in names]
        if sorted(kind.__name__ for kind in kinds) == ["Constant", "Signal"]:
            return [_bounded(ctx, op, condition, *names)]
        if kinds == [Signal, Signal]:
            return [_softplus(ctx, op, condition, *names)]
        raise Refusal(COMPUTED)
    if not isinstance(condition, Constant):
        raise Refusal(COMPUTED)
    mask = condition.array().astype(bool)
    masks = (mask.astype(ctx.dtype), (~mask).astype(ctx.dtype))
    names = op.inputs[1:]
    signals = [isinstance(ctx.tensor(n), Signal) for n in names]
    if all(signals):
        parts = [affine(ctx, op, name, scale=chosen) for name, chosen in zip(names, masks, strict=True)]
        if len({(p.rank, p.batch) for p in parts}) != 1:
            raise Refusal("the operands have their batch at different axes")
        return [ctx.emit(op, Add(), parts)]
    k = signals.index(True)
    shift = masks[1 - k] * ctx.weight(names[1 - k])
    return [affine(ctx, op, names[k], scale=masks[k], shift=shift if shift.any() else None)]


def _bounded(ctx: Converter, op: Op, condition: Above, above: str, below: str) -> Signal:
    """Return max(x, t) for a choice of x where it is above t, and of t elsewhere; min(x, t) for the opposite."""
    low = isinstance(ctx.tensor(below), Constant)
    signal, number = (above, below) if low else (below, above)
    x, bound, t = ctx.signal(op, signal), ctx.constant(number).array(), condition.threshold
    if (
        x != condition.signal
        or bound.size != 1
        or bound.ndim > x.rank
        or not (bound == np.asarray(t, bound.dtype)).all()
    ):
        raise Refusal(f"{COMPUTED}, and it is not a bound")
    return ctx.emit(op, (ReLU() if t == 0 else Clip(t, None)) if low else Clip(None, t), [x])


def _softplus(ctx: Converter, op: Op, condition: Above, above: str, below: str) -> Signal:
    """Return softplus(β·x)/β for a choice of x where β·x is above a number t.

    Above t they differ by log(1 + e^(−β·x))/β, relative to x by less than e^(−t)/t.
    """
    t = condition.threshold
    x, y = ctx.signal(op, above), ctx.signal(op, below)
    if not ctx.patterns.softplus_of(y, x, condition.signal):
        raise Refusal(f"{COMPUTED}, and it is not a softplus with its linear part")
    if t <= 0 or math.exp(-t) / t > NEGLIGIBLE:
        raise Refusal(f"a softplus that is cut off at {t:g}, where it is not yet linear: export it with threshold 20")
    return y
