"""Convolutions and batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Affine, Conv, ConvTranspose, Layer, Pad
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .layout import batched
from .values import Refusal, Signal, Tensor


def channels_first(ctx: Converter, op: Op, name: str) -> Signal:
    """Return a signal whose batch is at axis 0 of the ONNX tensor, as spatial operators want it."""
    x = batched(ctx, op, ctx.signal(op, name))
    if x.batch != 0:
        raise Refusal(f"the batch is at axis {x.batch} of its input, where it has its channels or positions")
    return x


def window_pads(
    op: Op, x: Signal, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (before, after) per spatial axis from ``pads`` or ``auto_pad``.

    Formula for SAME: total = max(0, (ceil(size/stride) − 1) stride + dilation (kernel − 1) + 1 − size); the odd one
    goes after (SAME_UPPER) or before (SAME_LOWER).
    """
    axes, mode = len(kernel), op.attributes.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = op.attributes.get("pads", (0,) * 2 * axes)
        return list(zip(pads[:axes], pads[axes:], strict=True))
    if mode == "VALID":
        return [(0, 0)] * axes
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"auto_pad {mode}")
    found = []
    for axis, k, s, d in zip(range(2, x.rank), kernel, stride, dilation, strict=True):
        n = x.size(axis)
        if n is None and s > 1:
            raise Refusal("its padding depends on a free size of the input: fix it with load(..., shapes=...)")
        total = d * (k - 1) if n is None else max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        small, large = total // 2, total - total // 2
        found.append((small, large) if mode == "SAME_UPPER" else (large, small))
    return found


def per_axis(op: Op, name: str, axes: int) -> tuple[int, ...]:
    """Return an attribute with one integer per spatial axis; 1 by default."""
    values = tuple(int(v) for v in op.attributes.get(name, (1,) * axes))
    if len(values) != axes:
        raise Refusal(f"{name} {values} for {axes} spatial axes")
    return values


def _kernel(op: Op, weight: np.ndarray[Any, Any], x: Signal) -> tuple[int, ...]:
    kernel = tuple(weight.shape[2:])
    if weight.ndim != x.rank or not kernel:
        raise Refusal(f"a weight with {weight.ndim} axes for an input with {x.rank}")
    if tuple(op.attributes.get("kernel_shape", kernel)) != kernel:
        raise Refusal(f"kernel_shape {op.attributes['kernel_shape']} differs from the weight's {kernel}")
    return kernel


@operator("Conv", axes=Axes.CHANNELS_FIRST)
def _conv(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, weight = channels_first(ctx, op, op.inputs[0]), ctx.weight(op.inputs[1])
    kernel = _kernel(op, weight, x)
    stride, dilation = per_axis(op, "strides", len(kernel)), per_axis(op, "dilations", len(kernel))
    pads = window_pads(op, x, kernel, stride, dilation)
    if min(min(p) for p in pads) < 0:
        x = ctx.emit(op, Pad(((0, 0), *pads)), [x], tag="crop")
        pads = [(0, 0)] * len(kernel)
    bias = ctx.weight(op.inputs[2]) if ctx.has(op, 2) else None
    layer = Conv(weight, bias, stride, tuple(pads), dilation, int(op.attributes.get("group", 1)))
    return [ctx.emit(op, layer, [x])]


@operator("ConvTranspose", axes=Axes.CHANNELS_FIRST)
def _conv_transpose(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, weight = channels_first(ctx, op, op.inputs[0]), ctx.weight(op.inputs[1])
    kernel = _kernel(op, weight, x)
    stride, dilation = per_axis(op, "strides", len(kernel)), per_axis(op, "dilations", len(kernel))
    extra = tuple(op.attributes.get("output_padding", (0,) * len(kernel)))
    pads, extra = _transposed_pads(op, x, kernel, stride, dilation, extra)
    bias = ctx.weight(op.inputs[2]) if ctx.has(op, 2) else None
    layer = ConvTranspose(weight, bias, stride, tuple(pads), extra, dilation, int(op.attributes.get("group", 1)))
    return [ctx.emit(op, layer, [x])]


def _transposed_pads(
    op: Op, x: Signal, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], extra: tuple[int, ...]
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Return what is cropped from each axis, and the output padding.

    Formula: total = stride (size − 1) + output_padding + dilation (kernel − 1) + 1 − output_shape; with auto_pad
    SAME the output shape is size·stride. The odd one of the total is cropped after (SAME_UPPER) or before; an
    output larger than the windows reach (total < 0) is larger at its end, as in onnx's own cases and onnxruntime.
    """
    axes, mode = len(kernel), op.attributes.get("auto_pad", "NOTSET")
    shape = op.attributes.get("output_shape")
    if shape is None and not mode.startswith("SAME"):
        pads = window_pads(op, x, kernel, stride, dilation)
        if min(min(p) for p in pads) < 0:
            raise Refusal(f"negative padding {pads}")
        return pads, extra
    found = set()
    for sizes in x.sizes:
        here = []
        for k, n in enumerate(sizes[1:]):
            wanted = n * stride[k] if shape is None else shape[len(shape) - axes + k]
            here.append(stride[k] * (n - 1) + extra[k] + dilation[k] * (kernel[k] - 1) + 1 - wanted)
        found.add(tuple(here))
    if len(found) > 1:
        raise Refusal("its padding depends on a free size of the input: fix it with load(..., shapes=...)")
    totals = found.pop()
    halves = [(max(t, 0) // 2, max(t, 0) - max(t, 0) // 2) for t in totals]
    pads = halves if mode == "SAME_UPPER" else [(b, a) for a, b in halves]
    return pads, tuple(e + max(-t, 0) for e, t in zip(extra, totals, strict=True))


@operator("BatchNormalization", axes=Axes.SAME)
def _batch_norm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    if op.attributes.get("training_mode", 0) or not op.attributes.get("spatial", 1):
        raise Refusal("only inference with one mean per channel is supported")
    if any(n and ctx.consumers[n] for n in op.outputs[1:]):
        raise Refusal("its running statistics are used")
    x = channels_first(ctx, op, op.inputs[0])
    gamma, beta, mean, variance = (ctx.weight(n) for n in op.inputs[1:5])
    if {p.shape for p in (gamma, beta, mean, variance)} != {(x.size(1),)}:
        raise Refusal(
            f"parameters of shapes {[p.shape for p in (gamma, beta, mean, variance)]} for {x.size(1)} channels"
        )
    epsilon = float(op.attributes.get("epsilon", 1e-5))
    if not (variance + epsilon > 0).all():
        raise Refusal(f"a variance of {variance.min():g}, which is not positive with epsilon {epsilon:g}")
    layer: Layer = Affine.batch_norm(
        # In double precision, rounded once.
        *(p.astype(np.float64) for p in (gamma, beta, mean, variance)),
        epsilon=epsilon,
    ).map_arrays(lambda a: a.astype(ctx.dtype))
    return [ctx.emit(op, layer, [x])]
