"""Operators that are a fixed linear map of their input: running sums, windows put together, grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import ConvTranspose, Pad, Reshape, Transpose
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .linear import channels_first
from .maps import along, along_free, require_matrix, require_pairs
from .values import Refusal, Signal, Tensor, count

FREE = "it depends on a free size of the input: fix it with load(..., shapes=...)"


def fixed_size(x: Signal, axis: int) -> int:
    """Return the size of the network's axis ``axis``, which must not be free."""
    size = x.size(axis)
    if size is None:
        raise Refusal(FREE)
    return size


@operator("CumSum", axes=Axes.SAME)
def _running_sum(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """y_j = Σ_{i ≤ j} x_i; ``exclusive`` leaves out x_j itself, ``reverse`` counts from the end."""
    x = ctx.signal(op, op.inputs[0])
    axis = x.axis(ctx.constant(op.inputs[1]).integers()[0])
    free = x.size(axis) is None
    size = max(s[axis - 1] for s in x.sizes)
    if free:
        require_pairs(ctx, (size, size), "a running sum")
    else:
        require_matrix(size, size)
    before = np.arange(size)[:, None] <= np.arange(size)[None, :] - int(bool(op.attributes.get("exclusive", 0)))
    matrix = before[::-1, ::-1] if op.attributes.get("reverse", 0) else before
    return [along_free(ctx, op, x, axis, matrix) if free else along(ctx, op, x, axis, matrix)]


@operator("Col2Im", axes=Axes.CHANNELS_FIRST)
def _windows_to_image(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Columns (N, C·Πk, L) back to an image: a transposed convolution that has one weight of 1 for each column."""
    x = channels_first(ctx, op, op.inputs[0])
    shape, kernel = (tuple(ctx.constant(n).integers()) for n in op.inputs[1:3])
    d, block = len(shape), count(kernel)
    a = op.attributes
    strides, dilations = (tuple(int(v) for v in a.get(k, (1,) * d)) for k in ("strides", "dilations"))
    pads = tuple(int(v) for v in a.get("pads", (0,) * 2 * d))
    if x.rank != 3 or len({len(kernel), len(strides), len(dilations), len(pads) // 2, d}) != 1 or min(kernel) < 1:
        raise Refusal(f"columns with {x.rank} axes, a kernel {kernel} and an image of {shape}")
    rows = fixed_size(x, 1)
    if rows % block:
        raise Refusal(f"{rows} rows for windows of {block} positions")
    require_matrix(rows, block)
    counts, extra = [], []
    for n, k, s, w, before, after in zip(shape, kernel, strides, dilations, pads[:d], pads[d:], strict=True):
        room = n + before + after - w * (k - 1) - 1
        if room < 0:
            raise Refusal(f"windows {kernel} in an image of {shape}")
        counts.append(room // s + 1)
        extra.append(room % s)
    weight = np.zeros((rows, 1, block), dtype=ctx.dtype)
    weight[np.arange(rows), 0, np.arange(rows) % block] = 1
    windows = ctx.emit(op, Reshape((rows, *counts)), [x], tag="windows")
    layer = ConvTranspose(
        weight.reshape(rows, 1, *kernel), None, strides, tuple(zip(pads[:d], pads[d:], strict=True)), tuple(extra),
        dilations, rows // block,
    )  # fmt: skip
    return [ctx.emit(op, layer, [windows])]


@operator("CenterCropPad", axes=Axes.SAME)
def _center(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Crop or pad around the middle; of an odd number, the larger part comes after."""
    x = ctx.signal(op, op.inputs[0])
    sizes = ctx.constant(op.inputs[1]).integers()
    axes = op.attributes.get("axes", range(x.rank))
    pairs = [(0, 0)] * len(x.sizes[0])
    for axis, new in zip(axes, sizes, strict=True):
        if axis % x.rank == x.batch and all(n == new for n in ctx.samples):
            continue
        place = x.axis(int(axis))
        missing = new - fixed_size(x, place)
        before = missing // 2 if missing > 0 else -(-missing // 2)
        pairs[place - 1] = (before, missing - before)
    return [ctx.emit(op, Pad(tuple(pairs)), [x]) if any(map(any, pairs)) else x]


# -- grids -------------------------------------------------------------------------------------------------------------


@operator("AffineGrid", axes=Axes.OTHER)
def _affine_grid(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The places θ·(x, y, 1) of a regular grid of −1…1, for matrices θ that depend on the input."""
    theta = channels_first(ctx, op, op.inputs[0])
    shapes = [p.reshape(-1).tolist() for p in ctx.constant(op.inputs[1]).probes]
    space = tuple(int(n) for n in shapes[0][2:])
    if any(tuple(s[2:]) != space for s in shapes) or len(space) not in (2, 3):
        raise Refusal(f"a grid of shape {tuple(shapes[0])}")
    require_matrix(len(space) + 1, count(space))
    if theta.rank != 3 or theta.size(2) != len(space) + 1:
        raise Refusal(f"matrices of shape {theta.sizes[0]} for a grid of {len(space)} axes")
    lines = [_centers(n, bool(op.attributes.get("align_corners", 0))) for n in space]
    # The last axis of the image is the first coordinate.
    grid = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(space)]).reshape(len(space) + 1, -1)
    places = along(ctx, op, theta, 2, grid, tag="places")
    moved = ctx.emit(op, Transpose((0, 2, 1)), [places], tag="transpose")
    return [ctx.emit(op, Reshape((*space, len(space))), [moved])]


def _centers(n: int, corners: bool) -> np.ndarray[Any, Any]:
    """Return n places in −1…1: from corner to corner, or the middles of n equal parts."""
    if corners and n == 1:
        raise Refusal("align_corners of an axis of size 1, where programs differ")
    if corners:
        return np.linspace(-1, 1, n)
    return (2 * np.arange(n) + 1) / n - 1
