"""Local response normalisations that exporters write as several nodes: x/(k + α·average of padded squares)^β."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import (
    Affine,
    AveragePool,
    Flatten,
    Layer,
    LocalResponseNorm,
    Pad,
    Power,
    Reshape,
    Squeeze,
    Unsqueeze,
)
from ..shapes import shapes_of
from .convert import Converter
from .values import Signal

SHAPED = (Reshape, Flatten, Squeeze, Unsqueeze)  # the same numbers in the same order
LONGEST = 12  # layers between a signal and its divisor


def local_response(ctx: Converter, x: Signal, divisor: Signal) -> LocalResponseNorm | None:
    """Return the normalisation that x/divisor is, if it is one.

    Its squares are averaged along the channels, in windows of which the padding says where their centres are: PyTorch
    puts the channels behind an axis of size 1 so that a pool over space goes along them.
    """
    steps = _between(ctx, x, divisor)
    if len(steps) < 4 or x.sizes != divisor.sizes or x.pending or divisor.pending or steps.pop(0) != Power(2):
        return None
    place = next((k for k, layer in enumerate(steps) if not isinstance(layer, SHAPED)), len(steps))
    shaped, rest = steps[:place], steps[place:]
    if len(rest) < 2 or not isinstance(pad := rest[0], Pad) or not isinstance(pool := rest[1], AveragePool):
        return None
    for layer in shaped:
        sizes = [shapes[0] for shapes in shapes_of(layer, [x.sizes], ctx.dtype)]
        x = Signal(x.value, x.batch, tuple(sizes), tuple(sizes))
    if any(
        len(sizes) < 2 or sizes[0] != 1 or sizes[1] != of[0] for sizes, of in zip(x.sizes, divisor.sizes, strict=True)
    ):
        return None
    window = _window(pad, pool, len(x.sizes[0]))
    numbers = _numbers([layer for layer in rest[2:] if not isinstance(layer, SHAPED)])
    if window is None or numbers is None:
        return None
    size, name = window
    alpha, beta, bias = numbers
    return LocalResponseNorm(size, alpha, beta, bias, name)


def _between(ctx: Converter, x: Signal, end: Signal) -> list[Layer]:
    """Return the layers of one operand that lead from x to ``end``, [] if other ways lead there."""
    found: list[Layer] = []
    value = end
    while value.value != x.value:
        built = ctx.maker(value)
        if built is None or len(built.reads) != 1 or len(found) == LONGEST:
            return []
        found.insert(0, built.layer)
        value = Signal(built.reads[0], value.batch, value.sizes, value.stored)
    return found


def _window(pad: Pad, pool: AveragePool, axes: int) -> tuple[int, str] | None:
    """Return size and place of windows along the second axis of a sample of which all padding is averaged too."""
    size, *others = np.ravel(pool.kernel).tolist()
    kept = {*others, *np.ravel(pool.stride).tolist(), *np.ravel(pool.dilation).tolist()}
    if kept != {1} or np.any(pool.padding) or pad.mode != "constant" or np.any(pad.value):
        return None
    for name, before, behind in (("torch", size // 2, (size - 1) // 2), ("onnx", (size - 1) // 2, size // 2)):
        if tuple(map(tuple, pad.amounts)) == ((0, 0), (before, behind), *((0, 0),) * (axes - 2)):
            return size, name
    return None


def _numbers(layers: list[Layer]) -> tuple[float, float, float] | None:
    """Return α, β and k of (k + α·average)^β."""
    alpha, bias, beta = 1.0, 0.0, 1.0
    for k, layer in enumerate(layers):
        if isinstance(layer, Affine) and (scale := _one(layer.scale, 1.0)) and (shift := _one(layer.shift, 0.0)):
            alpha, bias = alpha * scale[0], bias * scale[0] + shift[0]
        elif isinstance(layer, Power) and k == len(layers) - 1 and not hasattr(layer.exponent, "shape"):
            beta = float(layer.exponent)
        else:
            return None
    return alpha, beta, bias


def _one(parameter: Any, without: float) -> tuple[float] | None:
    """Return the only number that a parameter has, or None where there are several."""
    if parameter is None:
        return (without,)
    first = parameter.reshape(-1)[:1]
    return (float(first[0]),) if first.size and (parameter == first).all() else None
