"""Pooling, padding, cropping and enlarging: what changes the number of positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...layers import (
    AveragePool,
    Dense,
    GlobalAveragePool,
    GlobalMaxPool,
    Layer,
    MaxPool,
    Mean,
    Pad,
    Transpose,
    Upsample,
)
from .build import FREE, Refusal, Signal, Site, integers, layer
from .config import shown
from .conv import FORMATS, channels_first, positive, same_pads, sizes_of

TAPS = 1 << 16  # positions of one window, each of which is a pass over the array
POSITIONS = 1 << 25  # of an array that says how many of them a window has
MATRIX = 1 << 25  # numbers of an interpolation along one axis


def _axes(site: Site) -> int:
    """Return the number of axes in a class: 2 of MaxPooling2D."""
    return int(next(c for c in site.spec.kind if c.isdigit()))


@layer(*(f"{kind}{pool}{n}D" for kind in ("Max", "Average") for pool in ("Pooling", "Pool") for n in (1, 2, 3)))
def _pool(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    key = "pool_length" if "pool_length" in site.spec.settings else "pool_size"
    kernel = positive(site.integers(key, axes, 2), key)
    stride = kernel if site.setting("strides") is None else positive(site.integers("strides", axes), "strides")
    if math.prod(kernel) > TAPS:
        raise Refusal(f"a window of {math.prod(kernel)} positions; {TAPS} are supported")
    sizes = sizes_of(x)
    pads = ((0, 0),) * axes
    if site.text("padding", "valid", ("valid", "same")) == "same":
        pads = tuple(same_pads(sizes, kernel, stride, (1,) * axes))
    if site.spec.kind.startswith("Max"):
        return [site.emit(MaxPool(kernel, stride, pads), [x])]
    if math.prod(n or 1 for n in sizes) > POSITIONS:
        raise Refusal(f"{sizes} positions")
    return [site.emit(AveragePool(kernel, stride, pads, count_include_pad=False), [x])]


@layer(*(f"Global{kind}{pool}{n}D" for kind in ("Max", "Average") for pool in ("Pooling", "Pool") for n in (1, 2, 3)))
def _global_pool(site: Site) -> Sequence[Signal]:
    x, axes, keep = site.only, _axes(site), site.flag("keepdims")
    if x.rank != axes + 2:
        raise Refusal(f"an input with {x.rank} axes for {axes} spatial axes")
    average = site.spec.kind.startswith("GlobalAverage")
    if average and x.masked:
        raise Refusal("a mean without the steps that Keras skips (mask_zero)")
    in_front = site.text("data_format", FORMATS[0], FORMATS) == FORMATS[1]
    if average and axes == 1:  # a mean along one axis, wherever it is
        return [site.emit(Mean((site.last(x).axis(2 if in_front else 1),), keep), [site.last(x)])]
    x = channels_first(site, x, axes)
    pool: Layer = GlobalAveragePool(keepdims=keep) if average else GlobalMaxPool(keepdims=keep)
    return [site.emit(pool, [x], moved=x.moved and keep)]


def _amounts(site: Site, key: str, axes: int) -> list[tuple[int, int]]:
    """Return (before, after) for each spatial axis, from one number, one for each axis, or pairs."""
    value = site.setting(key, 1)
    if axes == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = [value]
    entries = [value] * axes if isinstance(value, int) else value
    if not isinstance(entries, list | tuple) or len(entries) != axes:
        raise Refusal(f"{key} is {shown(value)}, not one entry for each of {axes} axes")
    found = [integers(entry, 2, key) for entry in entries]
    if any(min(pair) < 0 for pair in found):
        raise Refusal(f"{key} is {shown(value)}, with a number below 0")
    return [(a, b) for a, b in found]


@layer(*(f"ZeroPadding{n}D" for n in (1, 2, 3)))
def _zero_padding(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    return [site.emit(Pad(((0, 0), *_amounts(site, "padding", axes))), [x])]


@layer(*(f"Cropping{n}D" for n in (1, 2, 3)))
def _cropping(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    amounts = _amounts(site, "cropping", axes)
    return [site.emit(Pad(((0, 0), *((-a, -b) for a, b in amounts))), [x])]


@layer(*(f"UpSampling{n}D" for n in (1, 2, 3)))
def _upsampling(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    factors = positive(site.integers("size", axes, 2), "size")
    if site.text("interpolation", "nearest", ("nearest", "bilinear")) == "nearest":
        return [site.emit(Upsample(factors), [x])]
    y = x
    for k, (size, factor) in enumerate(zip(sizes_of(x), factors, strict=True)):
        if factor > 1:
            y = _stretched(site, y, 2 + k, size, factor, "" if k == axes - 1 else f"axis{k + 1}")
    return [y]


def _stretched(site: Site, x: Signal, axis: int, size: int | None, factor: int, tag: str) -> Signal:
    """Return a signal with an axis of the network's value enlarged by linear interpolation: a matrix over that axis."""
    if size is None:
        raise Refusal(f"its interpolation {FREE}")
    if size * size * factor > MATRIX:
        raise Refusal(f"an interpolation of {size} positions to {size * factor}")
    weight = site.parameter(interpolation(size, factor))
    last = x.rank - 1
    order = list(range(x.rank))
    order[axis], order[last] = last, axis
    turns = axis != last
    if turns:
        x = site.emit(Transpose(tuple(order)), [x], "transpose")
    x = site.emit(Dense(weight), [x], "stretch" if turns else tag)
    return site.emit(Transpose(tuple(order)), [x], tag) if turns else x


def interpolation(size: int, factor: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the matrix (size, size·factor) that interpolates linearly between the middles of pixels.

    Example:
        >>> interpolation(2, 2)
        array([[1.  , 0.75, 0.25, 0.  ],
               [0.  , 0.25, 0.75, 1.  ]])
    """
    places = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    first = np.minimum(places.astype(int), max(size - 2, 0))
    weight = np.zeros((size, size * factor))
    columns = np.arange(size * factor)
    weight[first, columns] = 1 - (places - first)
    weight[np.minimum(first + 1, size - 1), columns] += places - first
    return weight
