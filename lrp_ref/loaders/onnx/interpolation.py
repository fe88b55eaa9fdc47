"""Resize with linear interpolation: along each axis a fixed matrix, a dense layer over that axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Dense, Transpose
from .convert import Converter
from .file import Op
from .values import PROBES, Refusal, Signal


def linearly_resized(ctx: Converter, op: Op, x: Signal) -> Signal:
    """Return a signal of rank 3 or more resized along its spatial axes.

    Formula: y_o = (1 − f) x_⌊p⌋ + f x_⌊p⌋₊₁ with p the place of o among the inputs, kept inside, and f = p − ⌊p⌋.
    """
    if op.attributes.get("antialias", 0):
        raise Refusal("antialias")
    mode = op.attributes.get("coordinate_transformation_mode", "half_pixel")
    for axis, (size, out, scale) in enumerate(_targets(ctx, op, x), 1):
        if (size, scale) == (out, 1):
            continue
        if axis == 1:
            raise Refusal("it resizes the channels")
        if mode == "align_corners" and not math.isclose(size * scale, out):
            # The operator's definition counts with the fraction, onnxruntime without it.
            raise Refusal(f"align_corners with {size * scale:g} positions, which is not a whole number")
        weight = np.ascontiguousarray(_weights(size, out, scale, mode).astype(ctx.dtype))
        last = x.rank - 1
        if axis == last:
            x = ctx.emit(op, Dense(weight), [x])
            continue
        order = list(range(x.rank))
        order[axis], order[last] = last, axis
        swapped = ctx.emit(op, Transpose(tuple(order)), [x], tag="transpose")
        x = ctx.emit(op, Transpose(tuple(order)), [ctx.emit(op, Dense(weight), [swapped], tag="dense")])
    return x


def _targets(ctx: Converter, op: Op, x: Signal) -> list[tuple[int, int, float]]:
    """Return for each axis behind the batch: its size, the size that it gets, and the scale of positions."""
    axes = [a % x.rank for a in op.attributes.get("axes", range(x.rank))]
    given = 1 if ctx.opset < 11 else 2
    scales: Sequence[Any] | None = None
    if ctx.has(op, given) and ctx.constant(op.inputs[given]).probes[0].size:
        scales = ctx.constant(op.inputs[given]).array().tolist()
    elif given == 2 and ctx.has(op, 3):
        sizes = [p.tolist() for p in ctx.constant(op.inputs[3]).probes]
    else:
        raise Refusal("neither scales nor sizes are given")
    found = []
    for axis in range(x.rank):
        old = {x.shape(k, ctx.samples[k])[axis] for k in range(PROBES)}
        if axis not in axes:
            scale, new = 1.0, old
        elif scales is not None:
            scale = float(scales[axes.index(axis)])
            new = {math.floor(n * scale) for n in old}
        else:
            new = {int(s[axes.index(axis)]) for s in sizes}
            scale = min(new) / min(old)
        if axis == 0:
            if new != old:
                raise Refusal("it resizes the batch")
        elif old == new and scale == 1:
            found.append((0, 0, 1.0))
        elif len(old) > 1 or len(new) > 1:
            raise Refusal("it depends on a free size of the input: fix it with load(..., shapes=...)")
        else:
            found.append((old.pop(), new.pop(), scale))
    return found


def _weights(size: int, out: int, scale: float, mode: str) -> np.ndarray[Any, Any]:
    """Return the matrix (size, out) of the interpolation along one axis."""
    o = np.arange(out, dtype=np.float64)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and out > 1):
        places = (o + 0.5) / scale - 0.5
    elif mode == "pytorch_half_pixel":
        places = 0 * o
    elif mode == "align_corners":
        places = o * (size - 1) / max(out - 1, 1)
    elif mode == "asymmetric":
        places = o / scale
    else:
        raise Refusal(f"coordinate_transformation_mode {mode}")
    places = np.clip(places, 0, size - 1)
    first = np.floor(places).astype(int)
    weight = np.zeros((size, out))
    columns = np.arange(out)
    np.add.at(weight, (first, columns), 1 - (places - first))
    np.add.at(weight, (np.minimum(first + 1, size - 1), columns), places - first)
    return weight
