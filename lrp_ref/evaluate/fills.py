"""What takes the place of the parts of an input that are removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, fits, is_float, like, namespace, to_numpy
from ..base.frozen import is_array, real
from ..errors import ParameterError, ShapeError, UnsupportedError, unknown

NAMES = ("blur", "mean", "noise")
SIGMA, RADIUS = 5.0, 5  # of the Gaussian, in pixels: a kernel of 11


def filling(fill: Any, x: Array, seed: int | tuple[int, ...] = 0) -> Callable[[slice], Array]:
    """Return the function from some samples to what their parts are replaced with, broadcasting to these samples of x.

    Args:
        fill: a number; an array (C,) with one for each channel; an array like x, or like one sample; or a name.

            - "mean": of the sample as it was given, of each channel over its pixels; without spatial axes of all its
              numbers.
            - "noise": uniform between the smallest and the largest number of the sample, of each channel as "mean".
              The draw is the same for every sample, so that what a sample gets does not depend on the batch.
            - "blur": the sample after a Gaussian of σ = 5 pixels, cut at 5 pixels, reflected at the border
              (scipy.ndimage, on the host).
        x: (N, C, ...).
        seed: of "noise".

    Raises:
        ParameterError: another name, or a number that is none.
        ShapeError: an array that fits neither channels nor x, or a blur without spatial axes.
        UnsupportedError: noise and blur of exact numbers.

    Example:
        >>> x = np.array([[[1.0, 3.0], [5.0, 9.0]]])
        >>> filling("mean", x)(slice(None)).tolist(), filling([0.5, 2.0], x)(slice(None)).tolist()
        ([[[2.0], [7.0]]], [[[0.5], [2.0]]])
    """
    if isinstance(fill, str):
        if fill not in NAMES:
            raise unknown("fill", fill, NAMES)
        if fill != "mean" and x.dtype == object:
            raise UnsupportedError(f"fill='{fill}' has no exact value: give a number, an array, or 'mean'")
        if fill == "mean":
            return lambda cut: _mean(x[cut])
        if fill == "blur":
            if x.ndim < 3:
                raise ShapeError(f"fill='blur': x {tuple(x.shape)} has no spatial axes; give a number or 'mean'")
            return lambda cut: _blurred(x[cut])
        drawn = convert(np.random.default_rng(seed).random(tuple(x.shape[1:])).astype(x.dtype), namespace(x))
        return lambda cut: _noise(x[cut], drawn)
    if not is_array(fill) and not isinstance(fill, list | tuple):
        if not real("fill", fill) == fill:
            raise ParameterError("fill must be finite, got NaN")
        value = like(real("fill", fill), x)
        return lambda cut: value
    return _given(fill, x)


def _given(fill: Any, x: Array) -> Callable[[slice], Array]:
    """Return an array of numbers for each channel, for one sample, or for all, cut as the samples are."""
    try:
        host = fill if is_array(fill) else np.asarray(fill)
    except ValueError as error:
        raise ParameterError("fill has rows of different lengths: give an array") from error
    if host.dtype.kind not in "biufO":
        raise ParameterError(f"fill is {host.dtype}: give a number, an array, or one of {', '.join(NAMES)}")
    if host.dtype.kind == "f" and not bool(np.isfinite(to_numpy(host)).all()):
        raise ParameterError("fill must be finite, got NaN or infinity in an array")
    values, shape = like(host, x), tuple(x.shape)
    if values.ndim == 1 and len(values) in (1, shape[1]):
        values = values.reshape((1, len(values)) + (1,) * (len(shape) - 2))
    elif values.ndim == 1 or not fits(tuple(values.shape), shape):
        raise ShapeError(
            f"fill has shape {tuple(values.shape)} and x {shape}: expected a number, ({shape[1]},) for the channels, "
            f"{shape[1:]} or {shape}"
        )
    if values.ndim == len(shape) and values.shape[0] == shape[0]:
        return lambda cut: values[cut]
    return lambda cut: values


def _over(x: Array) -> tuple[int, ...]:
    """Return the axes over which a mean or a range is taken."""
    return tuple(range(2, x.ndim)) if x.ndim > 2 else (1,)


def _mean(x: Array) -> Array:
    if is_float(x) and x.dtype != object:
        return x.mean(axis=_over(x), keepdims=True)
    count = int(np.prod([x.shape[axis] for axis in _over(x)]))
    return x.sum(axis=_over(x), keepdims=True) / count


def _noise(x: Array, drawn: Array) -> Array:
    low, high = x.min(axis=_over(x), keepdims=True), x.max(axis=_over(x), keepdims=True)
    return low + (high - low) * drawn


def _blurred(x: Array) -> Array:
    from scipy.ndimage import gaussian_filter

    sigma = (0.0, 0.0) + (SIGMA,) * (x.ndim - 2)
    found = gaussian_filter(to_numpy(x), sigma, mode="reflect", truncate=RADIUS / SIGMA)
    return convert(found, namespace(x))
