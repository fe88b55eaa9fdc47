"""Normalisation by a sample's own mean and deviation, by norms, and by neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Abs, Add, Affine, Clip, Layer, LocalResponseNorm, Mean, Multiply, Normalize, Power, Sum
from .arithmetic import aligned, scaled
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .linear import channels_first
from .reductions import chained
from .values import Refusal, Signal, Tensor

SMALLEST = float(np.finfo(np.float32).tiny)  # what a norm is at least, so that zeros divided by theirs are zeros
# The operators that divide by a root mean square: those without a name of their own in ONNX are onnxruntime's.
ROOT_MEAN_SQUARE = ("RMSNormalization", "SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization")


@operator("LayerNormalization", *ROOT_MEAN_SQUARE, axes=Axes.SAME)
def _layer_norm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, centre = ctx.signal(op, op.inputs[0]), op.kind == "LayerNormalization"
    bias = ctx.weight(op.inputs[2]) if centre and ctx.has(op, 2) else None
    y, axes, epsilon = _normalized(ctx, op, x, ctx.weight(op.inputs[1]), bias, centre)
    wanted = [bool(n and ctx.consumers[n]) for n in op.outputs]
    if not any(wanted[1:]):
        return [y]
    mean = ctx.emit(op, Mean(axes), [x], tag="mean")
    inverse = _inverse_deviation(ctx, op, x, mean if centre else None, axes, epsilon)
    return [y, mean, inverse] if centre else [y, inverse]


@operator("com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization", axes=Axes.SAME)
def _skip_layer_norm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The sum of two signals and a bias is normalised; it is an output too."""
    centre = "Simplified" not in op.kind
    signals, batch = aligned(ctx, op, op.inputs[:2])
    x = ctx.emit(op, Add(), signals, batch=batch, tag="add")
    place = 4 if centre else 3
    if ctx.has(op, place):
        x = scaled(ctx, op, x, None, ctx.weight(op.inputs[place]), tag="bias")
    bias = ctx.weight(op.inputs[3]) if centre and ctx.has(op, 3) else None
    if any(n and ctx.consumers[n] for n in op.outputs[1:3]):
        raise Refusal("its mean or deviation is used")
    y, _, _ = _normalized(ctx, op, x, ctx.weight(op.inputs[2]), bias, centre, epsilon=1e-12)
    return [y, y, y, x]


def _normalized(
    ctx: Converter, op: Op, x: Signal, scale: Any, bias: Any, centre: bool, epsilon: float = 1e-5
) -> tuple[Signal, tuple[int, ...], float]:
    """Return the signal normalised from an axis on, with scale and bias, and the axes and ε."""
    first = op.attributes.get("axis", -1)
    if not -x.rank <= first < x.rank:
        raise Refusal(f"axis {first} of a tensor with {x.rank} axes does not exist")
    axes = tuple(sorted(x.axis(a) for a in range(first % x.rank, x.rank)))
    epsilon = float(op.attributes.get("epsilon", epsilon))
    return _emitted(ctx, op, x, Normalize(axes, epsilon, centre), scale, bias), axes, epsilon


def _emitted(ctx: Converter, op: Op, x: Signal, layer: Layer, scale: Any, bias: Any) -> Signal:
    """Return what a layer makes of a signal, times a scale and plus a bias; those that change nothing are left out."""
    scale = None if scale is None or (scale == 1).all() else scale
    bias = None if bias is None or not bias.any() else bias
    if scale is None and bias is None:
        return ctx.emit(op, layer, [x])
    y = scaled(ctx, op, ctx.emit(op, layer, [x], tag="normalize"), scale, bias)
    if y.sizes != x.sizes:
        raise Refusal(f"a scale or bias that does not fit samples of shape {x.sizes[0]}")
    return y


def _inverse_deviation(
    ctx: Converter, op: Op, x: Signal, mean: Signal | None, axes: tuple[int, ...], epsilon: float
) -> Signal:
    centred = x if mean is None else ctx.emit(op, Add((1, -1)), [x, mean], tag="centred")
    steps = [Power(2), Mean(axes), Affine(shift=np.full((1,), epsilon, dtype=ctx.dtype)), Power(-0.5)]
    return chained(ctx, op, centred, steps, tag="deviation")


@operator("InstanceNormalization", "GroupNormalization", axes=Axes.CHANNELS_FIRST)
def _group_norm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Each channel, or each group of channels, is normalised over space."""
    x = channels_first(ctx, op, op.inputs[0])
    channels = x.size(1) if x.rank > 1 else None
    if channels is None or x.rank < 3:
        raise Refusal(f"an input with {x.rank} axes whose channels or space are not known")
    epsilon, scale, bias = float(op.attributes.get("epsilon", 1e-5)), ctx.weight(op.inputs[1]), ctx.weight(op.inputs[2])
    space, per = tuple(range(2, x.rank)), channels
    layer = Normalize(space, epsilon)
    if op.kind == "GroupNormalization":
        groups = int(op.attributes["num_groups"])
        layer = Normalize((1, *space), epsilon, groups=groups)
        per = groups if ctx.opset < 21 else channels  # before opset 21 scale and bias are one number for each group
    if scale.shape != (per,) or bias.shape != (per,) or channels % per:
        raise Refusal(f"scale and bias of shapes {scale.shape} and {bias.shape} instead of ({per},)")
    parameters = (np.repeat(v, channels // per).reshape(-1, *(1,) * len(space)) for v in (scale, bias))
    return [_emitted(ctx, op, x, layer, *parameters)]


@operator("MeanVarianceNormalization", axes=Axes.SAME)
def _mean_variance(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Here 1e-9 is added to the deviation itself; 1e-18 under the root is as much where it matters, at 0."""
    x = ctx.signal(op, op.inputs[0])
    axes = tuple(sorted(x.axis(a) for a in op.attributes.get("axes", (0, 2, 3))))
    return [ctx.emit(op, Normalize(axes, 1e-18), [x])]


@operator("LpNormalization", axes=Axes.SAME)
def _norm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, p = ctx.signal(op, op.inputs[0]), op.attributes.get("p", 2)
    if p not in (1, 2):
        raise Refusal(f"p {p}; only 1 and 2 are supported")
    return [by_its_norm(ctx, op, x, p, x.axis(op.attributes.get("axis", -1)))]


def by_its_norm(ctx: Converter, op: Op, x: Signal, p: int, axis: int) -> Signal:
    """Return x divided by its norm (p: 1 or 2) along an axis, which is as a gate: x takes all the relevance."""
    axes = (axis,)
    norm: list[Layer] = [Abs(), Sum(axes)] if p == 1 else [Power(2), Sum(axes), Power(0.5)]
    inverse = chained(ctx, op, x, [*norm, Clip(SMALLEST), Power(-1)], tag="reciprocal")
    return ctx.emit(op, Multiply(gate=1), [x, inverse])


@operator("LRN", axes=Axes.CHANNELS_FIRST)
def _local_response(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, a = channels_first(ctx, op, op.inputs[0]), op.attributes
    alpha, beta, bias = (float(a.get(key, value)) for key, value in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return [ctx.emit(op, LocalResponseNorm(int(a["size"]), alpha, beta, bias), [x])]
