"""A part of a large layer on which the search is quick: one sample, and of windows a few positions where it departs.

Relevance is linear in the relevance that arrives, and a position receives it from the windows that read it alone: what
a rule does there is computed from these windows exactly. Only a stabiliser that looks at the whole sample is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import AveragePool, Conv, Layer, MaxPool, SumPool
from ...layers.conv import pairs, per_axis
from .agreement import gaps, off
from .changes import Switches
from .recorded import Cone, Recorded
from .searching import Explained, Spot, searched_here, work_at

Array = np.ndarray[Any, Any]

LARGE = 2e6  # multiplications of one run from which on a part is taken
SIZE = 6  # positions of the part along each axis
ENOUGH = 8  # numbers of the part that have to differ


def searched(spot: Spot, switches: Switches, seen: tuple[Explained, ...] = ()) -> Spot:
    """Return a spot with the smallest sets of changes that predict its numbers; of large layers found on a part.

    Args:
        spot: where relevance departs.
        switches: those that are known.
        seen: sets that explained other names.
    """
    part = focused(spot) if spot.plain.shape == spot.got.shape else None
    if part is None:
        return searched_here(spot, switches, seen)
    found = searched_here(part, switches, seen)
    explained = []
    for way in found.explained:
        predicted = _predicted(spot, way)
        if predicted is not None and spot.fits(predicted):
            explained.append(replace(way, predicted=predicted, off=off(predicted, spot.got)))
    return replace(spot, explained=tuple(explained))


def _predicted(spot: Spot, way: Explained) -> Array | None:
    """Return what changes predict for the whole layer; None for what is no change of rules."""
    changes = {name: change.rule for name, change in way.changes.items()}
    found = spot.cone.predict(changes)
    return found if found.shape == spot.got.shape else None


def focused(spot: Spot) -> Spot | None:
    """Return the part of a spot on which to search; None where the whole of it is small, or cannot be cut."""
    recorded, cone = spot.cone.recorded, spot.cone
    if len(cone.nodes) != 1 or len(cone.direct) != 1 or sum(work_at(recorded, n) for n in cone.nodes) < LARGE:
        return None
    (node,) = cone.nodes
    layer, x = recorded.layer(node), recorded.values[cone.name]
    if len(node.inputs) != 1 or node.name not in recorded.relevance or not _cuts(layer, x):
        return None
    gap = gaps(spot.plain, spot.got).reshape(spot.got.shape)
    sample, _, *at = np.unravel_index(int(gap.argmax()), gap.shape)
    around = [_around(int(p), n) for p, n in zip(at, x.shape[2:], strict=True)]
    axes = x.ndim - 2
    kernel = layer.weight.shape[2:] if isinstance(layer, Conv) else per_axis(layer.kernel, axes, "kernel")  # type: ignore[attr-defined]
    stride = per_axis(kernel if layer.stride is None else layer.stride, axes, "stride")  # type: ignore[attr-defined]
    dilation = per_axis(layer.dilation, axes, "dilation")  # type: ignore[attr-defined]
    padding = pairs(layer.padding, axes, "padding")  # type: ignore[attr-defined]
    made = recorded.relevance[node.name].shape[2:]
    read, windows, pads, inner = [], [], [], []
    for (low, high), n, m, k, s, d, (before, _) in zip(
        around, x.shape[2:], made, kernel, stride, dilation, padding, strict=True
    ):
        reach = d * (k - 1)
        first, last = max(0, -(-(low + before - reach) // s)), min(m - 1, (high - 1 + before) // s)
        if last < first:
            return None
        start, stop = first * s - before, last * s - before + reach + 1
        windows.append(slice(first, last + 1))
        # What no window reads is read along, so that the part lies within what is cut out.
        left, right = min(max(start, 0), low), max(min(stop, n), high)
        if left < start or right > stop:
            return None
        read.append(slice(left, right))
        pads.append((max(0, -start), max(0, stop - n)))
        inner.append(slice(low - left, high - left))
    one = (slice(int(sample), int(sample) + 1), slice(None))
    cut = replace(layer, padding=tuple(pads))  # type: ignore[call-arg]
    small: Recorded = object.__new__(Recorded)
    small.__dict__.update(recorded.__dict__)
    small.layers = {**recorded.layers, node.name: cut}
    small.values = {**recorded.values, cone.name: x[(*one, *read)]}
    small.values[node.name] = np.asarray(cut.forward(small.values[cone.name]))
    arrived = recorded.relevance[node.name][(*one, *windows)]
    if small.values[node.name].shape != arrived.shape:
        return None
    small.relevance = {**recorded.relevance, node.name: arrived}
    window = (slice(None), slice(None), *inner)
    got = spot.got[(*one, *(slice(low, high) for low, high in around))]
    part = Cone(small, cone.name, window)
    found = Spot(part, spot.limits, part.predict({}), got, spot.noise[int(sample) : int(sample) + 1])
    if off(found.plain, spot.plain[(*one, *(slice(low, high) for low, high in around))]) > spot.limits.agrees:
        return None
    return found if int(found.differing.sum()) >= ENOUGH else None


def _cuts(layer: Layer, x: Array) -> bool:
    """Return whether the windows of a layer can be taken apart."""
    if x.ndim < 3 or (isinstance(layer, SumPool | MaxPool) and layer.ceil_mode):
        return False
    if isinstance(layer, Conv):
        return layer.bias is None or layer.bias.ndim == 1
    return type(layer) in (SumPool, AveragePool, MaxPool)


def _around(place: int, size: int) -> tuple[int, int]:
    """Return the bounds of a part of an axis around a place."""
    low = min(max(place - SIZE // 2, 0), max(size - SIZE, 0))
    return low, min(low + SIZE, size)
