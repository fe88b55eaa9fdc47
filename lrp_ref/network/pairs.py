"""Two layers, one of them an Affine, as one layer; every merge is checked.

It is verified on random inputs of the merged layer: the pair and the merged layer must give the same output to
rounding, or the step is refused with an error (it would be a bug).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace, to_numpy, unwarned
from ..errors import GraphError
from ..layers import Affine, Conv, ConvTranspose, Dense, Layer

Shape = tuple[int | None, ...]


def merged(first: Layer, second: Layer, shape_of: Callable[[], Shape | None], where: str) -> Layer | None:
    """Return one layer that does what ``second`` does behind ``first``; None where the two stay two.

    Args:
        first, second: the layers.
        shape_of: returns the shape of the first one's input, if that is known.
        where: what they are called, for the error.

    Raises:
        GraphError: the merged layer does not reproduce the pair's output.
    """
    if any(isinstance(layer, Affine) and layer.cut for layer in (first, second)):
        return None  # its parameters are other ones for other sizes
    layer: Layer | None = None
    shape: Shape | None = None
    if isinstance(second, Affine) and isinstance(first, Dense | Conv | ConvTranspose):
        shape = shape_of() if isinstance(first, Dense) else None
        layer = _after(first, second, shape)
    elif isinstance(second, Affine) and isinstance(first, Affine):
        layer = _affines(first, second)
    elif isinstance(first, Affine) and isinstance(second, Dense | Conv | ConvTranspose):
        shape = shape_of()
        layer = _before(first, second, shape)
    if layer is not None:
        _check(first, second, layer, shape, where)
    return layer


def _channel_vector(parameter: Array, channels: int, axes: int) -> Array | None:
    """Return a parameter of an Affine as (channels,), or None if it is not one number, or one per channel.

    Args:
        parameter: (channels,), or with the ``axes`` of a sample, of which only the channels' may be longer than 1.
        channels: their number.
        axes: of a sample.
    """
    size = math.prod(parameter.shape)
    per_channel = parameter.ndim == 1 or (parameter.ndim == axes and parameter.shape[0] == size)
    if parameter.ndim > axes or size not in (1, channels) or not (size == 1 or per_channel):
        return None
    return namespace(parameter).broadcast_to(parameter.reshape(-1), (channels,))


def _parameters(affine: Affine, channels: int, like: Array) -> tuple[Array, Array] | None:
    """Return (scale, shift) of an Affine beside a layer with weight ``like``, missing ones filled in, or None."""
    xp, parts = namespace(like), []
    for parameter, default in ((affine.scale, 1), (affine.shift, 0)):
        if parameter is None:
            vector = xp.zeros((channels,), dtype=like.dtype) + default
        else:
            vector = _channel_vector(parameter, channels, like.ndim - 1)
            if vector is None:
                return None
        parts.append(vector)
    return parts[0], parts[1]


def _along(vector: Array, axis: int, ndim: int) -> Array:
    return vector.reshape(tuple(-1 if k == axis else 1 for k in range(ndim)))


def _after(layer: Dense | Conv | ConvTranspose, affine: Affine, shape: Shape | None) -> Layer | None:
    """Merge y = s·(layer x) + t: W' = s W, b' = s b + t; ``shape`` is that of a dense layer's input, if known."""
    weight = layer.weight
    transposed = isinstance(layer, ConvTranspose)
    if shape is not None and len(shape) != 2:
        return None
    channels = (
        weight.shape[1]
        if isinstance(layer, Dense)
        else weight.shape[1] * layer.groups
        if transposed
        else weight.shape[0]
    )
    if channels == 1:  # one number for several channels: then the layer gets that many
        channels = max(math.prod(p.shape) for p in (affine.scale, affine.shift) if p is not None)
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    scale, shift = found
    if isinstance(layer, Dense):
        scaled = weight * scale
    elif transposed:
        # Output channel o of group g is column o of the rows of that group.
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        scaled = by_group * scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
        scaled = scaled.reshape(weight.shape[0], *scaled.shape[2:])
    else:
        scaled = weight * _along(scale, 0, weight.ndim)
    bias = layer.bias if layer.bias is None else layer.bias * _along(scale, 0, layer.bias.ndim)
    return replace(layer, weight=scaled, bias=bias if affine.shift is None else _sum(bias, shift))


def _affines(first: Affine, second: Affine) -> Layer | None:
    """Merge two Affines whose parameters have one shape, single numbers aside."""
    given = [p for a in (first, second) for p in (a.scale, a.shift) if p is not None]
    if len({p.shape for p in given} - {(1,)}) > 1:
        return None
    like = next((p for p in given if p.shape != (1,)), given[0])
    one = namespace(like).ones(like.shape, dtype=like.dtype)
    s1, t1 = (one if first.scale is None else first.scale), (0 * one if first.shift is None else first.shift)
    s2, t2 = (one if second.scale is None else second.scale), (0 * one if second.shift is None else second.shift)
    return Affine(s1 * s2, t1 * s2 + t2)


def _before(affine: Affine, layer: Dense | Conv | ConvTranspose, shape: Shape | None) -> Layer | None:
    """Merge layer(s·x + t): W' = W s, b' = b + what the layer makes of t, which may be another number at each place."""
    weight = layer.weight
    channels = weight.shape[1] * layer.groups if isinstance(layer, Conv) else weight.shape[0]
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    if shape is not None and (len(shape) != weight.ndim or shape[1] not in (None, channels)):
        return None
    scale, shift = found
    if isinstance(layer, Conv):
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        scaled = (by_group * scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)
    else:
        scaled = weight * _along(scale, 0, weight.ndim)
    if affine.shift is None:
        return replace(layer, weight=scaled)
    through = _through(shift, layer, shape)
    if through is None:
        return None
    return replace(layer, weight=scaled, bias=_sum(layer.bias, through))


def _through(shift: Array, layer: Dense | Conv | ConvTranspose, shape: Shape | None) -> Array | None:
    """Return what the layer's weights make of a shift: (out,), or (out, *size) where it meets places unlike.

    None where the latter would need a size of the input that is not known.
    """
    weight, xp = layer.weight, namespace(layer.weight)
    if isinstance(layer, Dense):
        return xp.matmul(shift.reshape(1, -1), weight).reshape(-1)
    if isinstance(layer, Conv) and not any(map(any, layer.padding)):
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        per_tap = by_group * shift.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
        return per_tap.reshape(weight.shape[0], -1).sum(axis=1)
    if isinstance(layer, ConvTranspose) and _one_tap(layer):
        matrices = weight.reshape(layer.groups, -1, weight.shape[1])
        return xp.matmul(shift.reshape(layer.groups, 1, -1), matrices).reshape(-1)
    if shape is None or None in shape:
        return None
    constant = xp.zeros((1, *shape[1:]), dtype=weight.dtype) + _along(shift, 1, weight.ndim)
    through: Array = replace(layer, bias=None).forward(constant)[0]
    return through


def _one_tap(layer: ConvTranspose) -> bool:
    """Whether every output of a transposed convolution sees one position of the input through one tap."""
    return all(n == 1 for n in (*layer.weight.shape[2:], *layer.stride)) and not any(layer.output_padding)


def _sum(bias: Array | None, more: Array) -> Array:
    """Add two biases, of which either may be one number per output channel."""
    if bias is None:
        return more
    ndim = max(bias.ndim, more.ndim)
    aligned = (b if b.ndim == ndim else _along(b, 0, ndim) for b in (bias, more))
    total: Array = sum(aligned)
    return total


def _check(first: Layer, second: Layer, merged: Layer, shape: Shape | None, where: str) -> None:
    """Raise unless ``merged`` reproduces ``second(first(x))`` on a random input."""
    x = _probe(merged, shape)
    if x.dtype == object:
        return
    with unwarned():  # a mask of −3.4e38 takes half of the probe beyond all floats, with and without the merge
        pair, one = to_numpy(second.forward(first.forward(x))), to_numpy(merged.forward(x))
    finite = np.isfinite(pair) & np.isfinite(one)
    apart = np.abs(np.where(finite, pair, 0) - np.where(finite, one, 0)).max(initial=0)
    scale = float(np.abs(pair[finite]).max(initial=0)) or 1.0
    allowed = 1e4 * float(np.finfo(pair.dtype).eps)
    if not apart <= allowed * scale or not np.array_equal(pair[~finite], one[~finite], equal_nan=True):
        raise GraphError(f"merging {where} changes the output by {apart:.3g} of {scale:.3g}")


def _probe(merged: Any, shape: Shape | None) -> Array:
    """Return a small random input for ``merged``; ``shape`` is that of its input where it is known."""
    rng = np.random.default_rng(0)
    parameter = merged.weight if hasattr(merged, "weight") else merged.scale
    if isinstance(merged, Affine):
        sample: tuple[int, ...] = tuple(parameter.shape)
    elif isinstance(merged, Dense):
        sample = (parameter.shape[0],)
    else:
        transposed = isinstance(merged, ConvTranspose)
        channels = parameter.shape[0] if transposed else parameter.shape[1] * merged.groups
        by_place = merged.bias is not None and merged.bias.ndim > 1
        if by_place and shape is not None and None not in shape:
            sample = tuple(n for n in shape[1:] if n is not None)
        elif by_place:
            sample = (channels, *map(_input_size, *_geometry(merged), merged.bias.shape[1:]))
        elif transposed:
            sample = (channels, *(max(3, a + b + 1) for a, b in merged.padding))
        else:
            sizes = zip(parameter.shape[2:], merged.stride, merged.dilation, strict=True)
            sample = (channels, *(2 * s + d * (k - 1) + 1 for k, s, d in sizes))
    return _like(rng.normal(size=(2, *sample)), parameter)


def _geometry(layer: Conv | ConvTranspose) -> tuple[tuple[Any, ...], ...]:
    """Return kernel, stride, dilation, padding and output padding (None for a convolution), one entry per axis."""
    extra = layer.output_padding if isinstance(layer, ConvTranspose) else (None,) * (layer.weight.ndim - 2)
    return layer.weight.shape[2:], layer.stride, layer.dilation, layer.padding, extra


def _input_size(kernel: int, stride: int, dilation: int, padding: tuple[int, int], extra: int | None, size: int) -> int:
    """Return a size of the input along an axis for which the output has ``size``."""
    reach = dilation * (kernel - 1) + 1
    if extra is None:
        return max(1, (size - 1) * stride + reach - sum(padding))
    return (size + sum(padding) - extra - reach) // stride + 1


def _like(host: Any, parameter: Array) -> Array:
    if parameter.dtype == object:
        return host.astype(object)
    return convert(host.astype(to_numpy(parameter).dtype), namespace(parameter))
