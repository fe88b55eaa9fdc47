"""Where a layer of a piecewise linear network bends along a line: its input passes a kink, or another input wins.

Everything here looks at intervals of lines, at whose ends the values of a layer's input are known and between which
they are linear. Where a bend lies is told as a fraction t of its interval, 0 < t < 1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..arithmetic import scalar
from ..base.arrays import Array, channelwise, namespace, to_numpy
from ..errors import LrpError, UnsupportedError
from ..layers import (
    Abs,
    Bilinear,
    Bounds,
    Centred,
    Clip,
    Compare,
    Function,
    GlobalMaxPool,
    HardSigmoid,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Linear,
    Max,
    MaxPool,
    ReLU,
    Route,
    Shrink,
    SoftMin,
    ThresholdedReLU,
    Where,
)
from ..network.network import Node

Bends = tuple[Any, Any]  # of every bend, on the host: which interval, and at what fraction of it

WAY_OUT = "take rule='midpoint' or another sum"


def _at_zero(layer: Any, x: Array) -> list[Any]:
    return [scalar(0, x)]


def _at_bounds(layer: Any, x: Array) -> list[Any]:
    return [scalar(b, x) for b in (layer.low, layer.high) if b is not None]


def _at_bounds_of_each(layer: Any, x: Array) -> list[Any]:
    return [channelwise(b, x) for b in (layer.low, layer.high) if b is not None]


def _at_hard_ends(layer: Any, x: Array) -> list[Any]:
    alpha, beta = scalar(layer.alpha, x), scalar(layer.beta, x)
    return [] if not layer.alpha else [(scalar(end, x) - beta) / alpha for end in (0, 1)]


def _at_thresholds(layer: Any, x: Array) -> list[Any]:
    return [-scalar(layer.threshold, x), scalar(layer.threshold, x)]


def _nowhere(layer: Any, x: Array) -> list[Any]:
    return []


# Activations that are linear between kinks and do not jump there, with their kinks in the numbers of the input: a
# property ``Layer.kinks`` has floats, in which the bound of a Clip on rationals may have no value.
KINKS: dict[type[Layer], Callable[[Any, Array], list[Any]]] = {
    ReLU: _at_zero,
    LeakyReLU: _at_zero,
    Abs: _at_zero,
    Clip: _at_bounds,
    HardTanh: _at_bounds,
    Bounds: _at_bounds_of_each,
    HardSigmoid: _at_hard_ends,
    Shrink: _at_thresholds,  # if it is soft
    ThresholdedReLU: _at_zero,  # if the threshold is 0
    Function: _nowhere,  # if it is the negative
    Identity: _nowhere,
}
MAXIMA = (MaxPool, GlobalMaxPool, Max)
STRAIGHT = (Identity, Centred)  # activations without a kink


def jumps(layer: Layer) -> bool:
    """Return whether an activation with kinks jumps at them, or is none that is linear between."""
    if isinstance(layer, Shrink):
        return bool(layer.bias != layer.threshold)
    if isinstance(layer, ThresholdedReLU):
        return bool(layer.alpha != 0)
    return isinstance(layer, Function) and layer.name != "negative"


def bends(node: Node, moving: Sequence[bool]) -> bool:
    """Return whether the values of a node may bend where its inputs do not; raise where they are no straight pieces.

    Args:
        node: of the network.
        moving: of its inputs, which change along the line; at least one does.

    Raises:
        UnsupportedError: with the node, why its output is no sequence of straight pieces, and the way out.
    """
    layer = node.layer
    if isinstance(layer, Linear | Route) or type(layer) in STRAIGHT:
        return False
    if _takes_one(layer):
        return True
    if type(layer) in KINKS and not jumps(layer):
        return type(layer) is not Function
    if isinstance(layer, Bilinear) and sum(moving) < 2:
        return False  # by a constant
    if isinstance(layer, Where) and not moving[0]:
        return False
    raise _refused(layer).at(node.name)


def _takes_one(layer: Layer) -> bool:
    """Return whether each output is one of the inputs, the largest or the smallest."""
    return isinstance(layer, MAXIMA) or (isinstance(layer, SoftMin) and layer.least)


def _refused(layer: Layer) -> LrpError:
    name = type(layer).__name__
    if isinstance(layer, Bilinear):
        why = f"{name} multiplies two values that both change along the path, which is no straight piece"
    elif isinstance(layer, Where):
        why = "the condition of Where changes along the path, at which its output jumps"
    elif type(layer) in KINKS or isinstance(layer, Compare):
        why = f"{layer!r} jumps, and no integral of its gradient knows of that"
    else:
        why = f"{name} is not piecewise linear, so that there are no pieces to sum"
    return UnsupportedError(f"{why}: {WAY_OUT}")


def bends_between(layer: Layer, x: Array, left: Any) -> Bends:
    """Return where a layer that bends does so.

    Args:
        layer: of one input.
        x: its input at the ends of the intervals (M, ...), in their order.
        left: on the host, which of them have an interval up to the next.
    """
    if _takes_one(layer):
        return _winners(layer, x, left)
    return _crossings(KINKS[type(layer)](layer, x), x, left)


def _crossings(kinks: Sequence[Any], x: Array, left: Any) -> Bends:
    """Return where values pass a kink."""
    a, b = x[left], x[left + 1]
    places, fractions = [], []
    for kink in kinks:
        passes = ((a < kink) & (b > kink)) | ((a > kink) & (b < kink))
        if not bool(passes.any()):
            continue
        at = namespace(x).broadcast_to(kink, a.shape)[passes] if hasattr(kink, "shape") else kink
        places.append(np.nonzero(to_numpy(passes))[0])
        fractions.append(to_numpy((at - a[passes]) / (b[passes] - a[passes])))
    return _together(places, fractions, x)


def _winners(layer: Any, x: Array, left: Any) -> Bends:
    """Return where another input becomes the largest: the corners of the upper envelope of straight lines."""
    if not len(left) or not x.size:
        return _together([], [], x)
    beyond = x.min() - scalar(1, x)  # what is beyond the border never wins, as −∞ would not
    numbers = layer.compared(x, beyond if x.dtype == object else float(beyond))  # (K, M, ...)
    a, b = numbers[:, left], numbers[:, left + 1]
    start, end = a.max(axis=0), b.max(axis=0)
    # Of the lines that are largest at the start, the steepest is so at once; where it is largest at the end too, no
    # other ever is.
    first = _largest(namespace(x), a == start, b)
    changes = to_numpy(first < end)
    if not changes.any():
        return _together([], [], x)
    mask = first < end
    a, b, here = to_numpy(a[:, mask]), to_numpy(b[:, mask]), np.nonzero(changes)[0]
    return _together(*_envelope(a, b, here), x)


def _largest(xp: Any, where: Array, values: Array) -> Array:
    """Return the largest of the values (K, ...) for which ``where`` holds."""
    return xp.where(where, values, values.min(axis=0)).max(axis=0)


def _envelope(a: Any, b: Any, here: Any) -> tuple[list[Any], list[Any]]:
    """Walk from corner to corner of the upper envelopes of lines with the values a and b (K, W) at their ends.

    Args:
        a, b: on the host; in every column there is a corner.
        here: of each of the W columns, the interval that it belongs to.
    """
    places, fractions = [], []
    below = b.min(axis=0) - abs(b.min(axis=0)) - 1  # than every line, so that none of those left out is taken
    current = np.where(a == a.max(axis=0), b, below).argmax(axis=0)
    for _ in range(len(a)):  # each corner leads to a steeper line
        one, other = (np.take_along_axis(v, current[None], axis=0)[0] for v in (a, b))
        going = other < b.max(axis=0)
        if not going.any():
            break
        a, b, here, one, other = a[:, going], b[:, going], here[going], one[going], other[going]
        steeper = (b - a) - (other - one)  # how fast a line gains on the largest one
        behind = one - a
        gains = steeper > 0
        t = behind / np.where(gains, steeper, steeper * 0 + 1)
        t = np.where(gains, t, t * 0 + 2)
        soonest = t.min(axis=0)
        places.append(here)
        fractions.append(soonest)
        current = np.where(t == soonest, b, b.min(axis=0)).argmax(axis=0)
    return places, fractions


def _together(places: list[Any], fractions: list[Any], x: Array) -> Bends:
    """Return bends on the host, those that lie strictly inside their intervals."""
    if not places:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=x.dtype)
    place, t = np.concatenate(places), np.concatenate(fractions)
    inside = reduce(operator.and_, (t > 0, t < 1))
    return place[inside], t[inside]
