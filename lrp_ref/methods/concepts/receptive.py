"""Receptive fields: which positions of the input a position of a value depends on, whatever the layers between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arithmetic import to_float
from ...errors import ParameterError, unknown
from ...layers import Elementwise, Layer, Linear, MaxPool, Route, SumPool
from ...layers.bilinear import Multiply
from ...layers.merge import Add
from ...network.network import Network

Box = tuple[slice, ...]


def receptive_field(net: Network, at: str, positions: Sequence[Any], shape: Sequence[int]) -> list[Box]:
    """Return for positions of a value the smallest boxes of the input that they depend on.

    Connections are followed back from layer to layer: a linear layer's by its transpose with weights of 1, a max pool's
    as those of a sum, others position by position where they keep the shape; a layer of another kind reads everything.

    Args:
        net: a network of one input.
        at: name of the value (N, C, ...).
        positions: for each box, a position (y, x, ...) of the axes after the channels, or its number in C order.
        shape: of one sample of the input (C, ...).

    Returns:
        For each position one slice for each axis of the input after the channels.

    Raises:
        ParameterError: a value that is not there, a position outside of it, or a network of several inputs.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Conv, MaxPool
        >>> net = Network.sequential([Conv(np.ones((1, 1, 3, 3)), padding=1), MaxPool(2)])
        >>> receptive_field(net, "maxpool1", [(0, 0), (1, 1)], (1, 6, 6))
        [(slice(0, 3, None), slice(0, 3, None)), (slice(1, 5, None), slice(1, 5, None))]
    """
    if len(net.inputs) != 1:
        raise ParameterError(f"receptive fields need a network of one input; it has {len(net.inputs)}")
    names = {n.name for n in net.nodes}
    if at not in names:
        raise unknown("node", at, sorted(names))
    # Which numbers are read is the same in every precision and on every device.
    part, source = to_float(net.batch_first().until(at).to("numpy")).astype("float64"), net.inputs[0].name
    values = part.values({source: np.zeros((1, *shape))}, check=False)
    size = values[at].shape[2:]
    wanted = np.zeros((len(positions), *values[at].shape[1:]), dtype=bool)
    for k, position in enumerate(positions):
        place = _place(position, size, at)
        chosen: Any = (k, slice(None), *place)
        wanted[chosen] = True
    reached: dict[str, np.ndarray[Any, Any]] = {at: wanted}
    for node in reversed(part.nodes):
        if node.name in reached:
            xs = tuple(np.zeros((len(positions), *values[n].shape[1:])) for n in node.inputs)
            found = _read(node.layer, xs, reached.pop(node.name))
            for name, one in zip(node.inputs, found, strict=True):
                reached[name] = reached[name] | one if name in reached else one
    everything = np.zeros((len(positions), *shape), dtype=bool)
    return [_box(mask) for mask in reached.get(source, everything)]


def _place(position: Any, size: tuple[int, ...], at: str) -> tuple[int, ...]:
    """Return a position along the axes of a value, that is given so or as a number."""
    if np.ndim(position) == 0 and 0 <= position < math.prod(size):
        return tuple(int(p) for p in np.unravel_index(int(position), size)) if size else ()
    place = tuple(int(p) for p in np.atleast_1d(position))
    if (
        np.ndim(position) == 0
        or len(place) != len(size)
        or not all(0 <= p < s for p, s in zip(place, size, strict=True))
    ):
        raise ParameterError(f"position {position} is outside of '{at}', whose positions are {size}, from 0")
    return place


def _read(
    layer: Layer, xs: tuple[np.ndarray[Any, Any], ...], wanted: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], ...]:
    """Return which numbers of a layer's inputs (k, ...) the wanted numbers of its output depend on."""
    ones = wanted.astype(float)
    if isinstance(layer, MaxPool):
        layer = SumPool(layer.kernel, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)
    if isinstance(layer, Linear) and not isinstance(layer, Add):
        return tuple(g != 0 for g in layer.evenly().pull(xs, ones))
    if isinstance(layer, Route):
        return tuple(g != 0 for g in layer.pull(xs, ones))
    if isinstance(layer, Elementwise | Add | Multiply) and all(x.shape == wanted.shape for x in xs):
        return (wanted,) * len(xs)
    some = wanted.reshape(len(wanted), -1).any(axis=1)
    return tuple(np.broadcast_to(some.reshape(-1, *(1,) * (x.ndim - 1)), x.shape) for x in xs)


def _box(mask: np.ndarray[Any, Any]) -> Box:
    """Return the smallest box of the positions (C, ...) that are reached, over all channels."""
    places = np.nonzero(mask.any(axis=0))
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) if axis.size else slice(0, 0) for axis in places)


def crops(x: Any, boxes: Sequence[Box], samples: Sequence[int]) -> list[Any]:
    """Return the cut-outs of samples (N, C, ...) at boxes, one for each: of which sample, says ``samples``."""
    return [x[(sample, slice(None), *box)] for sample, box in zip(samples, boxes, strict=True)]
