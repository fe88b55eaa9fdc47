"""How the values of a network are laid out: which axis holds the channels, and what kind of input it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..layers import (
    AveragePool,
    Conv,
    ConvTranspose,
    Dense,
    Embedding,
    Layer,
    MatMul,
    MaxPool,
    RecurrentLayer,
    SumPool,
    Transpose,
)
from ..network.network import owner
from ..propagation.explanation import Explanation
from ..propagation.trace import Trace

IN_FRONT = (Conv, ConvTranspose, MaxPool, AveragePool, SumPool)
BEHIND = (Dense, RecurrentLayer, Embedding, MatMul)
COLOURS = (1, 3)


def channel_axes(e: Explanation, trace: Trace) -> dict[str, int]:
    """Return for each value of a trace the axis of one sample (…) that holds its channels.

    Of three and more axes it is the first, or the last of inputs that are declared so; of two the one that the layer
    below, or the first layer above, works on.
    """
    layers: dict[str, Layer] = {planned.node: planned.layer for planned in e.plan}
    declared = {} if e.again is None else {i.name: i.axes for i in e.again.net.inputs}
    found: dict[str, int] = {}
    for name, value in trace.values.items():
        node = owner(name, layers)
        shape = tuple(value.shape[1:])
        if node not in layers:
            found[name] = _of_input(name, shape, declared.get(name, ()), layers, trace)
        elif len(shape) == 2:
            found[name] = _of_two(layers[node], trace.nodes[node].reads if node in trace.nodes else (), found, trace)
        else:
            found[name] = 0
    return found


def _of_input(
    name: str, shape: tuple[int, ...], axes: tuple[str, ...], layers: Mapping[str, Layer], trace: Trace
) -> int:
    if len(shape) == 3:
        return 2 if axes[-1:] == ("channels",) else 0 if axes else input_axis(shape)
    if len(shape) != 2:
        return 0
    turned = False
    while True:
        reader = next((n for n, node in trace.nodes.items() if name in node.reads), None)
        if reader is None or reader not in layers:
            return 1
        layer = layers[reader]
        if isinstance(layer, (*IN_FRONT, *BEHIND)):
            return int(isinstance(layer, BEHIND)) ^ int(turned)
        turned ^= isinstance(layer, Transpose)
        name = reader


def input_axis(shape: tuple[int, ...]) -> int:
    """Return the axis of an image's channels by its shape alone: the last where it looks like colours, else the first.

    Example:
        >>> input_axis((3, 28, 28)), input_axis((28, 28, 3)), input_axis((2, 1, 1)), input_axis((4,))
        (0, 2, 0, 0)
    """
    looks = len(shape) == 3 and shape[-1] in COLOURS and shape[0] not in COLOURS
    return 2 if looks and min(shape[:2]) > shape[-1] else 0


def _of_two(layer: Layer, reads: tuple[str, ...], found: Mapping[str, int], trace: Trace) -> int:
    if isinstance(layer, IN_FRONT):
        return 0
    if isinstance(layer, BEHIND) or not reads or reads[0] not in found:
        return 1
    below = trace.values[reads[0]]
    if below.ndim != 3:
        return 1
    return found[reads[0]] ^ int(isinstance(layer, Transpose))


def kind(shape: tuple[int, ...], axis: int) -> str:
    """Return what a value of one sample is: "vector", "series", "image", or "array" of more axes.

    Example:
        >>> kind((4,), 0), kind((3, 28, 28), 0), kind((7, 3), 1), kind((512, 1, 1), 0)
        ('vector', 'image', 'series', 'vector')
    """
    rest = [n for k, n in enumerate(shape) if k != axis]
    if len(shape) < 2 or all(n == 1 for n in rest):
        return "vector"
    return {1: "series", 2: "image"}.get(len(rest), "array")


def channels_first(sample: Array, axis: int) -> Array:
    """Return one sample's array as (C, …); a number alone is one channel."""
    return np.moveaxis(sample, axis, 0) if sample.ndim else sample.reshape(1)


def flat_map(channels: Any, of: str) -> Any:
    """Return the relevance of channels (C, …) added up as a map (H, W); of a vector a row, of a series a row.

    Args:
        channels: numbers.
        of: their kind, see :func:`kind`.
    """
    if of == "vector":
        return channels.reshape(1, -1)
    added = channels.sum(axis=0)
    if of == "series":
        return added.reshape(1, -1)
    while added.ndim > 2:
        added = added.sum(axis=0)
    return added


def pooled(array: Any, most: int) -> tuple[Any, int]:
    """Return a map (H, W) of at most ``most`` numbers, each the sum of a square of f × f, and f; sums stay the same.

    Example:
        >>> pooled(np.arange(6.0).reshape(2, 3), 2)
        (array([[8., 7.]]), 2)
    """
    high, wide = array.shape
    by = 1
    while -(-high // by) * -(-wide // by) > most:
        by += 1
    if by == 1:
        return array, 1
    rows, columns = (np.arange(0, n, by) for n in (high, wide))
    return np.add.reduceat(np.add.reduceat(array, rows, axis=0), columns, axis=1), by
