"""Resize and Upsample: along each axis a fixed linear map, which takes the nearest value or interpolates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Gather, Pad, Upsample
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .maps import along, require_matrix
from .positions import FREE, Resized, nearest, positions, weights
from .values import PROBES, Refusal, Signal, Tensor

LARGEST = 4096  # a factor of an axis
STAND_IN = 6  # size of an axis whose size is free: a whole factor shows there whether it repeats every value
CROP = "tf_crop_and_resize"


@operator("Resize", "Upsample", axes=Axes.CHANNELS_FIRST)
def _resize(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, mode = ctx.signal(op, op.inputs[0]), op.attributes.get("mode", "nearest")
    changed = [to for to in _targets(ctx, op, x) if not _same(to)]
    if mode == "nearest":
        return [_nearest(ctx, op, x, changed)]
    if mode not in ("linear", "bilinear", "cubic"):
        raise Refusal(f"mode {mode}")
    for to in changed:
        x = _interpolated(ctx, op, x, to, cubic=mode == "cubic")
    return [x]


def _same(to: Resized) -> bool:
    return to.scale == 1 and to.size == to.out and (to.start, to.end) == (0, 1)


def _coordinates(ctx: Converter, op: Op) -> tuple[str, str]:
    """Return how positions are counted, and how they are rounded; both are fixed before opset 11."""
    if op.kind == "Upsample" or ctx.opset < 11:
        return "asymmetric", "simple"
    a = op.attributes
    return a.get("coordinate_transformation_mode", "half_pixel"), a.get("nearest_mode", "round_prefer_floor")


# -- what becomes of each axis -----------------------------------------------------------------------------------------


def _targets(ctx: Converter, op: Op, x: Signal) -> list[Resized]:
    """Return for each axis but the batch what becomes of it."""
    rank = x.rank
    axes = [int(a) % rank for a in op.attributes.get("axes", range(rank))]
    if len(set(axes)) != len(axes):
        raise Refusal(f"axes {axes}, one of them twice")
    given = 2 if op.kind == "Resize" and ctx.opset >= 11 else 1
    scales = op.attributes.get("scales")
    if scales is None and ctx.has(op, given) and ctx.constant(op.inputs[given]).probes[0].size:
        scales = ctx.constant(op.inputs[given]).array().reshape(-1).tolist()
    if scales is not None:
        found = [_by_scale(_sizes(ctx, x, k), float(s)) for k, s in zip(axes, scales, strict=True)]
    elif given == 2 and ctx.has(op, 3):
        found = _by_sizes(ctx, op, x, axes)
    else:
        raise Refusal("neither scales nor sizes are given")
    crop = _coordinates(ctx, op)[0] == CROP
    if crop:
        region = ctx.constant(op.inputs[1]).array().reshape(-1).tolist()
        if len(region) != 2 * len(axes):
            raise Refusal(f"a region of {len(region)} numbers for {len(axes)} axes")
        found = [replace(t, start=s, end=e) for t, s, e in zip(found, region, region[len(axes) :], strict=False)]
    kept = []
    for axis, to in zip(axes, found, strict=True):
        if axis == x.batch:
            if not _same(to):
                raise Refusal("it resizes the batch")
            continue
        kept.append(replace(to, axis=x.axis(axis)))
    return sorted(kept, key=lambda to: to.axis)


def _sizes(ctx: Converter, x: Signal, axis: int) -> tuple[int, ...]:
    """Return the size of an axis of the file's tensor, in each probe."""
    return tuple(x.shape(k, ctx.samples[k])[axis] for k in range(PROBES))


def _by_scale(sizes: Sequence[int], scale: float) -> Resized:
    if not math.isfinite(scale) or scale <= 0:
        raise Refusal(f"a scale of {scale:g}")
    # In single precision, as onnxruntime counts.
    outs = {int(np.float32(n) * np.float32(scale)) for n in sizes}
    return Resized(0, _fixed(sizes), outs.pop() if len(outs) == 1 else None, scale)


def _fixed(sizes: Sequence[int]) -> int | None:
    return sizes[0] if len(set(sizes)) == 1 else None


def _by_sizes(ctx: Converter, op: Op, x: Signal, axes: Sequence[int]) -> list[Resized]:
    """Return what becomes of axes that get the sizes of an input; a policy gives all of them one scale."""
    outs = list(zip(*(p.reshape(-1).tolist() for p in ctx.constant(op.inputs[3]).probes), strict=True))
    sizes = [_sizes(ctx, x, axis) for axis in axes]
    if len(outs) != len(axes):
        raise Refusal(f"{len(outs)} sizes for {len(axes)} axes")
    policy = op.attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        return _of_one_scale([_known(s) for s in sizes], [_known(o) for o in outs], policy)
    found = []
    for old, new in zip(sizes, outs, strict=True):
        scales = {n / o for n, o in zip(new, old, strict=True)}
        if len(scales) != 1:
            raise Refusal(FREE)
        found.append(Resized(0, _fixed(old), _fixed(new), scales.pop()))
    return found


def _known(sizes: Sequence[int]) -> int:
    size = _fixed(sizes)
    if size is None:
        raise Refusal(FREE)
    return size


def _of_one_scale(sizes: Sequence[int], outs: Sequence[int], policy: str) -> list[Resized]:
    choice = {"not_larger": min, "not_smaller": max}.get(policy)
    if choice is None:
        raise Refusal(f"keep_aspect_ratio_policy {policy}")
    scale = choice(np.float32(new) / np.float32(old) for new, old in zip(outs, sizes, strict=True))
    return [Resized(0, n, math.floor(float(scale * np.float32(n)) + 0.5), float(scale)) for n in sizes]


# -- nearest -----------------------------------------------------------------------------------------------------------


def _nearest(ctx: Converter, op: Op, x: Signal, changed: Sequence[Resized]) -> Signal:
    """Return the nearest values: whole factors of spatial axes repeat them, otherwise they are taken by position."""
    factors = {to.axis: _factor(ctx, op, to) for to in changed}
    if factors and all(factors.values()) and min(factors) > 1:
        most = max(factors.values())
        if most > LARGEST:
            raise Refusal(f"it repeats every value {most} times; {LARGEST} are allowed")
        return ctx.emit(op, Upsample(tuple(factors.get(k, 1) for k in range(2, x.depth))), [x])
    for to in changed:
        x = _taken(ctx, op, x, to)
    return x


def _sources(ctx: Converter, op: Op, to: Resized) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the input that each output of an axis takes, and which outputs lie outside of a crop."""
    last = to.sizes[0] - 1
    mode, rounding = _coordinates(ctx, op)
    places = positions(to, mode, np.float32)
    outside = (places < 0) | (places > last) if mode == CROP else np.zeros(places.shape, dtype=bool)
    return np.clip(nearest(places, rounding, to.scale), 0, last), outside


def _factor(ctx: Converter, op: Op, to: Resized) -> int:
    """Return how often every value is repeated, or 0 if it is not so."""
    if not to.scale.is_integer() or (to.start, to.end) != (0, 1):
        return 0
    factor = int(to.scale)
    size = STAND_IN if to.size is None else to.size
    if size * factor > 1 << 31:
        raise Refusal(f"a factor of {factor}")
    ctx.allowance.require(5 * size * factor, "positions")
    found, outside = _sources(ctx, op, replace(to, size=size, out=size * factor))
    return factor if not outside.any() and (found == np.arange(size * factor) // factor).all() else 0


def _taken(ctx: Converter, op: Op, x: Signal, to: Resized) -> Signal:
    size, out = to.sizes
    require_matrix(1, out)
    ctx.allowance.take(5 * out, "positions")
    found, outside = _sources(ctx, op, to)
    if outside.any():
        # One more value behind the axis is what those take that lie outside.
        pairs = [(0, 1) if k == to.axis else (0, 0) for k in range(1, x.depth)]
        value = float(op.attributes.get("extrapolation_value", 0.0))
        x = ctx.emit(op, Pad(tuple(pairs), "constant", value), [x], tag="outside")
        found = np.where(outside, size, found)
    return ctx.emit(op, Gather(tuple(found.tolist()), to.axis), [x])


# -- linear and cubic --------------------------------------------------------------------------------------------------


def _interpolated(ctx: Converter, op: Op, x: Signal, to: Resized, *, cubic: bool) -> Signal:
    """Return a signal with one axis interpolated: a dense layer over it."""
    size, out = to.sizes
    require_matrix(size, out)
    ctx.allowance.take(2 * size * out, "an interpolation")  # what a chain of them makes adds up
    attributes, mode = op.attributes, _coordinates(ctx, op)[0]
    if mode == CROP and attributes.get("antialias", 0):
        raise Refusal(f"antialias with {CROP}")
    places = positions(to, mode, np.float32 if mode == CROP else np.float64).astype(np.float64)
    matrix = weights(
        to,
        places,
        a=float(attributes.get("cubic_coeff_a", -0.75)) if cubic else None,
        antialias=bool(attributes.get("antialias", 0)),
        exclude_outside=bool(attributes.get("exclude_outside", 0)),
    )
    bias = None
    if mode == CROP:
        outside = (places < 0) | (places > size - 1)
        matrix = np.where(outside, 0, matrix)
        bias = np.where(outside, float(attributes.get("extrapolation_value", 0.0)), 0)
    return along(ctx, op, x, to.axis, matrix, bias)
