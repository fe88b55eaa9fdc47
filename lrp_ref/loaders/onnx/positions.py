"""Where the values of a resized axis come from: positions, the nearest one of them, and the weights between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .values import Refusal

FREE = "it depends on a free size of the input: fix it with load(..., shapes=...)"
Floats = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Resized:
    """What becomes of one axis.

    Attributes:
        axis: the network's axis.
        size: its size; None where it is free.
        out: the size that it gets; None where it is free.
        scale: out/size, or what the file says in its place.
        start, end: the part of the axis that ``tf_crop_and_resize`` takes, as fractions.
    """

    axis: int
    size: int | None
    out: int | None
    scale: float
    start: float = 0.0
    end: float = 1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Return both sizes, which must not be free."""
        if self.size is None or self.out is None:
            raise Refusal(FREE)
        return self.size, self.out

    @property
    def whole(self) -> bool:
        """Whether scale·size is the size that the axis gets, without a fraction that is cut off."""
        return self.size is None or self.out is None or math.isclose(self.size * self.scale, self.out, rel_tol=1e-6)


def positions(to: Resized, mode: str, dtype: Any) -> Floats:
    """Return the place among the inputs of each output of an axis.

    Args:
        to: the axis; its sizes are known.
        mode: ``coordinate_transformation_mode``.
        dtype: onnxruntime counts in float32, which decides where a position lies exactly between two inputs.
    """
    one = np.dtype(dtype).type
    size, out, scale, half = (one(v) for v in (*to.sizes, to.scale, 0.5))
    o = np.arange(to.sizes[1], dtype=dtype)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and out > 1):
        return np.asarray((o + half) / scale - half)
    if mode == "pytorch_half_pixel":
        return 0 * o
    if mode == "half_pixel_symmetric":
        middle = np.float64(size / 2 * (one(1) - out / (scale * size)))
        return np.asarray(middle + (o.astype(np.float64) + 0.5) / np.float64(scale) - 0.5).astype(dtype)
    if mode == "asymmetric":
        return np.asarray(o / scale)
    if mode == "tf_half_pixel_for_nn":
        return np.asarray((o + half) / scale)
    if mode in ("align_corners", "tf_crop_and_resize") and not to.whole:
        # The operator's definition counts with the fraction, onnxruntime without it.
        raise Refusal(f"{mode} with {size * scale:g} positions, which is not a whole number")
    if mode == "align_corners":
        return np.asarray(o * (size - 1) / max(out - 1, one(1)))
    if mode == "tf_crop_and_resize":
        if to.scale == 1 and (to.start, to.end) != (0, 1):
            # The operator's definition crops the axis, onnxruntime does not.
            raise Refusal(f"{mode} of an axis whose size stays {to.size}")
        start, end = one(to.start), one(to.end)
        if to.out == 1:
            return np.asarray((half * (start + end) * (size - 1)).reshape(1))
        return np.asarray(start * (size - 1) + o * (end - start) * (size - 1) / (out - 1))
    raise Refusal(f"coordinate_transformation_mode {mode}")


def nearest(places: Floats, rounding: str, scale: float) -> np.ndarray[Any, Any]:
    """Return the input nearest to each place, before it is kept inside.

    Args:
        places: positions among the inputs.
        rounding: ``nearest_mode``; "simple" is that of the opsets before 11.
        scale: of the axis.
    """
    floor = np.floor(places)
    if rounding == "simple":
        found = np.ceil(places) if scale < 1 else np.trunc(places)
    elif rounding == "floor":
        found = floor
    elif rounding == "ceil":
        found = np.ceil(places)
    elif rounding == "round_prefer_floor":
        found = np.where(places - floor <= 0.5, floor, floor + 1)
    elif rounding == "round_prefer_ceil":
        found = np.where(places - floor < 0.5, floor, floor + 1)
    else:
        raise Refusal(f"nearest_mode {rounding}")
    return np.asarray(found.astype(np.int64))


def triangle(distance: Floats) -> Floats:
    """Return the weight of linear interpolation, max(0, 1 − d)."""
    return np.asarray(np.clip(1 - np.abs(distance), 0, None))


def cubic(distance: Floats, a: float) -> Floats:
    """Return the weight of cubic interpolation, by Keys.

    Formula: (a + 2)d³ − (a + 3)d² + 1 for d ≤ 1; a(d³ − 5d² + 8d − 4) for d < 2; 0 elsewhere.
    """
    d = np.abs(distance)
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def weights(to: Resized, places: Floats, *, a: float | None, antialias: bool, exclude_outside: bool) -> Floats:
    """Return the matrix (size, out) of the interpolation along one axis.

    Weights of inputs beyond the ends go to the ends, or are excluded and the others made to sum to one.

    Args:
        to: the axis.
        places: positions among the inputs.
        a: coefficient of the cubic weights; None for linear ones.
        antialias: whether the weights are as wide as the inputs lie between two outputs, where there are fewer outputs.
        exclude_outside: as the operator has it.
    """
    last, width = to.sizes[0] - 1, (min(to.scale, 1.0) if antialias else 1.0)
    reach = math.ceil((1 if a is None else 2) / width)
    if reach > 2 * last + 6:
        raise Refusal(f"antialias over {reach} positions of an axis of {last + 1}")
    taps = np.floor(places)[None, :].astype(int) + np.arange(-reach, reach + 2)[:, None]
    distance = (taps - places[None, :]) * width
    share = triangle(distance) if a is None else cubic(distance, a)
    if exclude_outside:
        share = np.where((taps < 0) | (taps > last), 0, share)
    share = share / share.sum(axis=0)
    matrix = np.zeros((last + 1, len(places)))
    columns = np.broadcast_to(np.arange(len(places)), taps.shape)
    np.add.at(matrix, (np.clip(taps, 0, last), columns), share)
    return matrix
