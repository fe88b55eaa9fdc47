"""The messages of single units, as the layers themselves compute them: relevance at one unit alone, handed down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import to_float
from ..base.arrays import Array
from ..errors import LrpError
from ..layers import Affine, AveragePool, Conv, Elementwise, Layer, Linear, MaxPool, SumPool
from ..propagation.plan import Planned

MOST_NUMBERS = 6_000_000  # read and made by a layer for all units of a node together


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit j, and what it hands down.

    Attributes:
        at: its place in the sample's output.
        relevance: R_j.
        value: z_j.
        inputs: places in all operands, one behind the other and flat (M,).
        values: a_i at these places.
        weights: w_ij; NaN where the layer is not linear.
        messages: R_i←j.
        others, rest: how many further inputs receive something, and how much together.
        b: b_j; None without a bias.
        bias, stabiliser, dropped: what the rule assigned elsewhere.
    """

    at: tuple[int, ...]
    relevance: float
    value: float
    inputs: NDArray[Any]
    values: NDArray[Any]
    weights: NDArray[Any]
    messages: NDArray[Any]
    others: int
    rest: float
    b: float | None
    bias: float
    stabiliser: float
    dropped: float


def tells(layer: Layer) -> bool:
    """Whether a layer's units have messages to look at: not where each output has one input, and passes all to it."""
    return not (layer.moves or isinstance(layer, Elementwise | Affine))


def affordable(layer: Layer, xs: tuple[Array, ...], made: Array, wanted: int) -> int:
    """Return how many units can be looked at without more memory and time than an explanation should take."""
    if type(layer) is Conv:  # a unit sees its window alone
        return wanted
    each = made.size + sum(x.size for x in xs)
    return min(wanted, int(MOST_NUMBERS // max(each, 1)))


def inputs_of_one(layer: Layer, xs: tuple[Array, ...]) -> int:
    """Return how many inputs one unit has at most: those in its window, or all that the layer reads."""
    if isinstance(layer, Conv):
        return int(np.prod(layer.weight.shape[1:]))
    window = getattr(layer, "kernel", None)
    if isinstance(layer, SumPool | AveragePool | MaxPool) and window is not None:
        return int(np.prod(window))
    return sum(int(np.prod(x.shape[1:])) for x in xs)


def places(relevance: NDArray[Any], axis: int, wanted: int) -> list[tuple[int, ...]]:
    """Return the units with the largest abs(R), of each channel at most one; of a vector the largest of all.

    Args:
        relevance: of one sample (…).
        axis: of its channels.
        wanted: how many.

    Example:
        >>> places(np.array([[0.0, 5.0], [-7.0, 4.0], [0.0, 0.0]]), 0, 2)
        [(1, 0), (0, 1)]
    """
    if not relevance.size:
        return []
    size = abs(np.moveaxis(relevance, axis, 0).reshape(relevance.shape[axis] if relevance.ndim else 1, -1))
    best = size.max(axis=1)
    order = [int(c) for c in np.argsort(-best, kind="stable")[:wanted] if best[c] > 0]
    rest = [n for k, n in enumerate(relevance.shape) if k != axis]
    found = []
    for c in order:
        spot = [int(k) for k in np.unravel_index(int(size[c].argmax()), rest)] if rest else []
        spot.insert(axis, c)
        found.append(tuple(spot[: relevance.ndim]))
    return found


def unit(
    planned: Planned, xs: tuple[Array, ...], made: Array, relevance: Array, place: tuple[int, ...], most: int
) -> Unit | None:
    """Return one unit of a node with its strongest messages; None where the layer cannot tell of one unit alone.

    Args:
        planned: the node, its layer and rule.
        xs: what it reads, one sample each (1, …).
        made: its output (1, …).
        relevance: that arrived at its output (1, …).
        place: of the unit.
        most: messages.
    """
    own = next((a.dtype for a in planned.layer.arrays() if a.dtype.kind == "f"), None)
    if own is not None and made.dtype.kind == "f" and made.dtype != own:  # of a compiled explanation, in float32
        xs = tuple(x.astype(own) if x.dtype.kind == "f" else x for x in xs)
        made, relevance = made.astype(own), relevance.astype(own)
    part = _part(planned, xs, place)
    alone = made * 0 if part.place is None else made[(slice(None), *map(_slice, place))] * 0
    spot = (0, *place) if part.place is None else (0, *part.place)
    alone[spot] = relevance[(0, *place)]
    layer = part.layer
    try:
        handed = layer.redistribute(part.xs if len(part.xs) > 1 else part.xs[0], alone, planned.rule)
        weights = None
        if isinstance(layer, Linear):
            one = alone * 0
            one[spot] = 1
            weights = layer.pull(part.xs, one)
    except (LrpError, ValueError, TypeError, IndexError):  # a rule that needs a reference, or looks at all of a layer
        return None
    bias = layer.bias_map(alone) if isinstance(layer, Linear) else None
    values, messages = _flat(part.xs), _flat(handed.relevances)
    slopes = np.full(values.shape, np.nan) if weights is None else _flat(weights)
    there = np.flatnonzero((messages != 0) | (np.nan_to_num(slopes) != 0))
    order = there[np.argsort(-abs(messages[there]), kind="stable")]
    shown, other = order[:most], order[most:]
    return Unit(
        place,
        _number(relevance[(0, *place)]),
        _number(made[(0, *place)]),
        shown if part.inputs is None else part.inputs[shown],
        values[shown],
        slopes[shown],
        messages[shown],
        len(other),
        float(messages[other].sum()),
        None if bias is None else _number(np.broadcast_to(bias, alone.shape)[spot]),
        *(_number(getattr(handed, column)[0]) for column in ("bias", "stabiliser", "dropped")),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """The part of a layer that one unit sees: itself, what it reads, where the unit is in it, and where its inputs are.

    Of a convolution it is one output of one window, whose taps beyond the border of the input are cut off.
    """

    layer: Layer
    xs: tuple[Array, ...]
    place: tuple[int, ...] | None = None
    inputs: NDArray[Any] | None = None


def _part(planned: Planned, xs: tuple[Array, ...], place: tuple[int, ...]) -> _Part:
    layer = planned.layer
    if type(layer) is not Conv or any(np.ndim(getattr(planned.rule, b, 0)) > 0 for b in ("low", "high")):
        return _Part(layer, xs)
    (x,) = xs
    out, spots = place[0], place[1:]
    each = layer.weight.shape[1]
    first = out // (layer.weight.shape[0] // layer.groups) * each
    taps: list[slice] = []
    windows: list[slice] = []
    for k, spot in enumerate(spots):
        begin = spot * layer.stride[k] - layer.padding[k][0]
        at = begin + layer.dilation[k] * np.arange(layer.weight.shape[2 + k])
        inside = np.flatnonzero((at >= 0) & (at < x.shape[2 + k]))
        if not len(inside):
            return _Part(layer, xs)
        taps.append(slice(int(inside[0]), int(inside[-1]) + 1))
        windows.append(slice(int(at[inside[0]]), int(at[inside[-1]]) + 1))
    window = (slice(first, first + each), *windows)
    bias = None if layer.bias is None else layer.bias[(out, *spots)[: layer.bias.ndim]].reshape(1)
    weight = layer.weight[(slice(out, out + 1), slice(None), *taps)]
    alone = Conv(weight, bias, dilation=layer.dilation)
    inputs = np.arange(x[0].size).reshape(x.shape[1:])[window].reshape(-1)
    return _Part(alone, (x[(slice(None), *window)],), (0,) * len(place), inputs)


def _slice(k: int) -> slice:
    return slice(k, k + 1)


def _flat(arrays: tuple[Array, ...]) -> NDArray[Any]:
    """Return arrays of one sample as floats, one behind the other (M,)."""
    return np.concatenate([to_float(a).reshape(-1) for a in arrays])


def _number(value: Any) -> float:
    return float(to_float(np.asarray(value)).reshape(()))
