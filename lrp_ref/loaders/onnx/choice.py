"""Choices between tensors: by a mask in the file, and a softplus that exporters write with its linear part apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...layers import Add
from .arithmetic import affine
from .convert import Converter, operator
from .file import Op
from .values import Above, Constant, Refusal, Signal, Tensor

NEGLIGIBLE = 1e-9  # relative difference of softplus and its linear part from which on both are one


@operator("Greater", "GreaterOrEqual")
def _greater(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, bound = ctx.signal(op, op.inputs[0]), ctx.constant(op.inputs[1]).array()
    if bound.size != 1:
        raise Refusal(f"a comparison with numbers of shape {bound.shape}")
    return [Above(x, float(bound.reshape(-1)[0]))]


@operator("Where")
def _where(ctx: Converter, op: Op) -> Sequence[Tensor]:
    condition = ctx.tensor(op.inputs[0])
    if isinstance(condition, Above):
        return [_softplus(ctx, op, condition)]
    if not isinstance(condition, Constant):
        raise Refusal("its condition is computed from the input")
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


def _softplus(ctx: Converter, op: Op, condition: Above) -> Signal:
    """Return softplus(β·x)/β for a choice of x where β·x is above a number t.

    Above t they differ by log(1 + e^(−β·x))/β, relative to x by less than e^(−t)/t.
    """
    t = condition.threshold
    if any(not isinstance(ctx.tensor(name), Signal) for name in op.inputs[1:]):
        raise Refusal("its condition is computed from the input")
    x, y = (ctx.signal(op, name) for name in op.inputs[1:])
    if not ctx.patterns.softplus_of(y, x, condition.signal):
        raise Refusal("its condition is computed from the input, and it is not a softplus with its linear part")
    if t <= 0 or math.exp(-t) / t > NEGLIGIBLE:
        raise Refusal(f"a softplus that is cut off at {t:g}, where it is not yet linear: export it with threshold 20")
    return y
