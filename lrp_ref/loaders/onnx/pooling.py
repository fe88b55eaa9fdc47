"""Pooling over windows and over all positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...layers import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .linear import channels_first, per_axis, window_pads
from .values import Refusal, Tensor

WIDEST = 1 << 16  # places of a window that is pooled


@operator("MaxPool", "AveragePool", axes=Axes.CHANNELS_FIRST)
def _pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = channels_first(ctx, op, op.inputs[0])
    kernel = tuple(op.attributes["kernel_shape"])
    if len(kernel) != x.rank - 2:
        raise Refusal(f"kernel {kernel} for {x.rank - 2} spatial axes")
    if math.prod(kernel) > WIDEST:
        raise Refusal(f"a window of {math.prod(kernel)} places; {WIDEST} are allowed")
    stride, dilation = per_axis(op, "strides", len(kernel)), per_axis(op, "dilations", len(kernel))
    pads = tuple(window_pads(op, x, kernel, stride, dilation))
    ceil = bool(op.attributes.get("ceil_mode", 0))
    if op.kind == "MaxPool":
        if any(n and ctx.consumers[n] for n in op.outputs[1:]):
            raise Refusal("its indices are used")
        return [ctx.emit(op, MaxPool(kernel, stride, pads, dilation, ceil), [x])]
    counted = bool(op.attributes.get("count_include_pad", 0))
    for sizes in x.sizes:  # how many places of a window are inside is counted on a map of the input's size
        padded = math.prod(n + sum(pair) for n, pair in zip(sizes[1:], pads, strict=True))
        ctx.allowance.require(2 * padded, "a map for counting")
    return [ctx.emit(op, AveragePool(kernel, stride, pads, dilation, ceil, count_include_pad=counted), [x])]


@operator("GlobalAveragePool", "GlobalMaxPool", axes=Axes.CHANNELS_FIRST)
def _global_pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    layer = GlobalAveragePool() if op.kind == "GlobalAveragePool" else GlobalMaxPool()
    return [ctx.emit(op, layer, [channels_first(ctx, op, op.inputs[0])])]
