"""Pooling by the p-norm, as the layers that it is made of: (Σ_i abs(x_i)^p)^(1/p)."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers import Abs, Power, Sum, SumPool
from ...layers.base import Layer
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .linear import channels_first, per_axis, window_pads
from .values import Refusal, Signal, Tensor


@operator("LpPool", axes=Axes.CHANNELS_FIRST)
def _lp_pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, kernel = channels_first(ctx, op, op.inputs[0]), tuple(op.attributes["kernel_shape"])
    if len(kernel) != x.rank - 2:
        raise Refusal(f"kernel {kernel} for {x.rank - 2} spatial axes")
    stride, dilation = per_axis(op, "strides", len(kernel)), per_axis(op, "dilations", len(kernel))
    pads = tuple(window_pads(op, x, kernel, stride, dilation))
    ceil = bool(op.attributes.get("ceil_mode", 0))
    return [_norm(ctx, op, x, SumPool(kernel, stride, pads, dilation, ceil))]


@operator("GlobalLpPool", axes=Axes.CHANNELS_FIRST)
def _global_lp_pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = channels_first(ctx, op, op.inputs[0])
    return [_norm(ctx, op, x, Sum(tuple(range(2, x.rank)), keepdims=True))]


def _norm(ctx: Converter, op: Op, x: Signal, total: Layer) -> Signal:
    p = int(op.attributes.get("p", 2))
    if p < 1:
        raise Refusal(f"p {p}")
    if p % 2:
        x = ctx.emit(op, Abs(), [x], tag="abs")
    if p == 1:
        return ctx.emit(op, total, [x])
    raised = ctx.emit(op, Power(p), [x], tag="power")
    return ctx.emit(op, Power(1 / p), [ctx.emit(op, total, [raised], tag="sum")])
