"""Pooling and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ...layers import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool, Upsample
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .interpolation import linearly_resized
from .linear import channels_first, per_axis, window_pads
from .values import PROBES, Refusal, Signal, Tensor


@operator("MaxPool", "AveragePool", axes=Axes.CHANNELS_FIRST)
def _pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = channels_first(ctx, op, op.inputs[0])
    kernel = tuple(op.attributes["kernel_shape"])
    if len(kernel) != x.rank - 2:
        raise Refusal(f"kernel {kernel} for {x.rank - 2} spatial axes")
    stride, dilation = per_axis(op, "strides", len(kernel)), per_axis(op, "dilations", len(kernel))
    pads = tuple(window_pads(op, x, kernel, stride, dilation))
    ceil = bool(op.attributes.get("ceil_mode", 0))
    if op.kind == "MaxPool":
        if any(n and ctx.consumers[n] for n in op.outputs[1:]):
            raise Refusal("its indices are used")
        return [ctx.emit(op, MaxPool(kernel, stride, pads, dilation, ceil), [x])]
    counted = bool(op.attributes.get("count_include_pad", 0))
    return [ctx.emit(op, AveragePool(kernel, stride, pads, dilation, ceil, count_include_pad=counted), [x])]


@operator("GlobalAveragePool", "GlobalMaxPool", axes=Axes.CHANNELS_FIRST)
def _global_pool(ctx: Converter, op: Op) -> Sequence[Tensor]:
    layer = GlobalAveragePool() if op.kind == "GlobalAveragePool" else GlobalMaxPool()
    return [ctx.emit(op, layer, [channels_first(ctx, op, op.inputs[0])])]


@operator("Resize", "Upsample", axes=Axes.CHANNELS_FIRST)
def _resize(ctx: Converter, op: Op) -> Sequence[Tensor]:
    a = op.attributes
    x = channels_first(ctx, op, op.inputs[0])
    if a.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refusal(f"keep_aspect_ratio_policy {a['keep_aspect_ratio_policy']}")
    if op.kind == "Resize" and a.get("mode", "nearest") == "linear":
        return [linearly_resized(ctx, op, x)]
    if a.get("mode", "nearest") != "nearest":
        raise Refusal(f"mode {a['mode']}; only nearest and linear are supported")
    factors = _factors(ctx, op, x)
    for factor in factors:
        _require_repeat(ctx, op, factor)
    return [x] if all(f == 1 for f in factors) else [ctx.emit(op, Upsample(factors), [x])]


def _factors(ctx: Converter, op: Op, x: Signal) -> tuple[int, ...]:
    """Return the whole factor of each spatial axis from scales or sizes, as an attribute or an input."""
    axes = [a % x.rank for a in op.attributes.get("axes", range(x.rank))]
    places = {"Upsample": (1, None), "Resize": (1, None) if ctx.opset < 11 else (2, 3)}[op.kind]
    ratios: list[set[Any]] = [{Fraction(1)} for _ in range(x.rank)]
    if "scales" in op.attributes:
        values: Any = [op.attributes["scales"]] * PROBES
    elif ctx.has(op, places[0]) and ctx.constant(op.inputs[places[0]]).probes[0].size:
        values = [p.tolist() for p in ctx.constant(op.inputs[places[0]]).probes]
    elif places[1] is not None and ctx.has(op, places[1]):
        targets = ctx.constant(op.inputs[places[1]]).probes
        shapes = [x.shape(k, ctx.samples[k]) for k in range(PROBES)]
        values = [
            [Fraction(int(t), shape[axis]) for t, axis in zip(target.tolist(), axes, strict=True)]
            for target, shape in zip(targets, shapes, strict=True)
        ]
    else:
        raise Refusal("neither scales nor sizes are given")
    for j, axis in enumerate(axes):
        ratios[axis] = {Fraction(v[j]) for v in values}
    if any(len(r) != 1 or next(iter(r)).denominator != 1 or next(iter(r)) < 1 for r in ratios):
        raise Refusal("the factors are not whole numbers, fixed by the file")
    factors = [int(next(iter(r))) for r in ratios]
    if factors[:2] != [1, 1]:
        raise Refusal("it resizes the batch or the channels")
    return tuple(factors[2:])


def _require_repeat(ctx: Converter, op: Op, factor: int) -> None:
    """Refuse unless the rounding of source positions repeats every value ``factor`` times."""
    old = op.kind == "Upsample" or ctx.opset < 11
    mode = "asymmetric" if old else op.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else op.attributes.get("nearest_mode", "round_prefer_floor")
    if factor == 1:
        return
    if mode not in ("asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
        raise Refusal(f"coordinate_transformation_mode {mode}")
    half = Fraction(1, 2)
    for k in range(3 * factor):
        place = Fraction(k, factor) if mode == "asymmetric" else (k + half) / factor - half
        source = {
            "floor": place.__floor__(),
            "ceil": place.__ceil__(),
            "round_prefer_floor": (place - half).__ceil__(),
            "round_prefer_ceil": (place + half).__floor__(),
        }.get(rounding)
        if source is None or min(max(source, 0), 2) != k // factor:
            raise Refusal(f"{mode} positions with {rounding} do not repeat every value {factor} times")
