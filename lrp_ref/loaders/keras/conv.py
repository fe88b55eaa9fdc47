"""Convolutions, their transposes, depthwise and separable ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...layers import Conv, ConvTranspose
from .activations import activated
from .build import FREE, Array, Refusal, Signal, Site, layer
from .config import shown

FORMATS = ("channels_last", "channels_first")


def channels_first(site: Site, x: Signal, axes: int) -> Signal:
    """Return a signal with positions along ``axes`` axes, its channels in front as Keras or this loader puts them."""
    if x.rank != axes + 2:
        raise Refusal(f"an input with {x.rank} axes for {axes} spatial axes")
    if site.text("data_format", FORMATS[0], FORMATS) == FORMATS[1]:
        return site.last(x)  # that is how Keras itself has it
    return site.first(x)


def sizes_of(x: Signal) -> list[int | None]:
    """Return the sizes of the positions of a signal with its channels in front."""
    return [x.size(k) for k in (range(1, x.rank - 1) if x.moved else range(2, x.rank))]


def same_pads(
    sizes: Sequence[int | None], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (before, after) per axis for padding "same".

    Formula: total = max(0, (ceil(size/stride) − 1) stride + dilation (kernel − 1) + 1 − size); the odd one goes after.
    """
    found = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        if n is None and s > 1:
            raise Refusal(f"its padding {FREE}")
        total = d * (k - 1) if n is None else max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        found.append((total // 2, total - total // 2))
    return found


def positive(values: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Return sizes, which are at least 1."""
    if any(v < 1 for v in values):
        raise Refusal(f"{what} {values} is not positive")
    return values


def _geometry(site: Site, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    stride = positive(site.integers("strides", axes, 1), "strides")
    return stride, positive(site.integers("dilation_rate", axes, 1), "dilation_rate")


def _pads(site: Site, x: Signal, kernel: Sequence[int]) -> list[tuple[int, int]]:
    stride, dilation = _geometry(site, len(kernel))
    mode = site.text("padding", "valid", ("valid", "same", "causal"))
    if mode == "causal":
        if len(kernel) != 1:
            raise Refusal(f"causal padding along {len(kernel)} axes")
        return [(dilation[0] * (kernel[0] - 1), 0)]
    return same_pads(sizes_of(x), kernel, stride, dilation) if mode == "same" else [(0, 0)] * len(kernel)


def _weights(site: Site, *names: str) -> tuple[list[Array], Array | None]:
    """Return the kernels and the bias of a layer."""
    biased = site.flag("use_bias", True)
    found = site.weights(*names, *(["bias"] if biased else []))
    return found[: len(names)], found[-1] if biased else None


def _axes(site: Site) -> int:
    """Return the number of axes in a class: 2 of Conv2D."""
    return int(next(c for c in site.spec.kind if c.isdigit()))


def _checked(kernel: Array, rank: int) -> Array:
    if kernel.ndim != rank:
        raise Refusal(f"a kernel of shape {kernel.shape}, which should have {rank} axes")
    return kernel


def _in_front(kernel: Array) -> Array:
    """Return a kernel (*size, in, out) as (out, in, *size)."""
    return np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))


def _by_channel(kernel: Array) -> Array:
    """Return a depthwise kernel (*size, in, multiplier) as (in·multiplier, 1, *size)."""
    moved = np.moveaxis(kernel, (-2, -1), (0, 1))
    return np.ascontiguousarray(moved.reshape(-1, 1, *kernel.shape[:-2]))


@layer("Conv1D", "Conv2D", "Conv3D")
def _conv(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    (kernel,), bias = _weights(site, "kernel")
    weight = _in_front(_checked(kernel, axes + 2))
    stride, dilation = _geometry(site, axes)
    pads = tuple(_pads(site, x, weight.shape[2:]))
    y = site.emit(Conv(weight, bias, stride, pads, dilation, site.integer("groups", 1)), [x])
    return [activated(site, y, site.setting("activation"))]


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    (kernel,), bias = _weights(site, "depthwise_kernel|kernel")
    y = site.emit(_depthwise_conv(site, x, _checked(kernel, axes + 2), bias), [x])
    return [activated(site, y, site.setting("activation"))]


def _depthwise_conv(site: Site, x: Signal, kernel: Array, bias: Array | None) -> Conv:
    stride, dilation = _geometry(site, kernel.ndim - 2)
    pads = tuple(_pads(site, x, kernel.shape[:-2]))
    return Conv(_by_channel(kernel), bias, stride, pads, dilation, kernel.shape[-2])


@layer("SeparableConv1D", "SeparableConv2D")
def _separable(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    x = channels_first(site, site.only, axes)
    (depthwise, pointwise), bias = _weights(site, "depthwise_kernel", "pointwise_kernel")
    conv = _depthwise_conv(site, x, _checked(depthwise, axes + 2), None)
    inner = site.emit(conv, [x], "depthwise")
    y = site.emit(Conv(_in_front(_checked(pointwise, axes + 2)), bias), [inner])
    return [activated(site, y, site.setting("activation"))]


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _conv_transpose(site: Site) -> Sequence[Signal]:
    axes = _axes(site)
    if site.integer("groups", 1) != 1:
        raise Refusal("a transposed convolution with groups")
    x = channels_first(site, site.only, axes)
    (kernel,), bias = _weights(site, "kernel")
    weight = _in_front(_checked(kernel, axes + 2))  # Keras has (*size, out, in): in comes first here too
    stride, dilation = _geometry(site, axes)
    extra = site.setting("output_padding")
    added = None if extra is None else site.integers("output_padding", axes)
    same = site.text("padding", "valid", ("valid", "same")) == "same"
    pads, more = [], []
    for k in range(axes):
        one = None if added is None else added[k]
        before, after, rest = _crop(weight.shape[2 + k], stride[k], dilation[k], one, same)
        pads.append((before, after))
        more.append(rest)
    y = site.emit(ConvTranspose(weight, bias, stride, tuple(pads), tuple(more), dilation), [x])
    return [activated(site, y, site.setting("activation"))]


def _crop(kernel: int, stride: int, dilation: int, added: int | None, same: bool) -> tuple[int, int, int]:
    """Return what is cropped before and after an axis, and what is added after it.

    Formula: of reach = dilation (kernel − 1) + 1 positions, size' is size·stride, or without "same"
    size·stride + max(reach − stride, 0); with an output padding, (size − 1) stride + reach − 2·(reach // 2 if same) +
    padding. Of the (size − 1) stride + reach positions that the windows reach, the excess is cropped, its odd one
    after.
    """
    reach = dilation * (kernel - 1) + 1
    if added is None:
        excess = reach - stride if same else min(reach - stride, 0)
    else:
        if not 0 <= added < stride:
            raise Refusal(f"output_padding {shown(added)} with a stride of {stride}")
        excess = (2 * (reach // 2) if same else 0) - added
    crop = max(excess, 0)
    return crop // 2, crop - crop // 2, max(-excess, 0)
