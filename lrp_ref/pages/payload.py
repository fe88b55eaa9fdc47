"""What one explanation puts into a page: every node with its map and sums, and as much more as the budget allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import to_float
from ..errors import LrpError, NonFiniteError
from ..heatmap.colours import floats
from ..network.network import owner
from ..propagation.explanation import Explanation
from ..propagation.plan import Planned
from ..propagation.trace import Trace
from . import pictures
from .layout import channel_axes, channels_first, flat_map, input_axis, kind, pooled
from .rule_json import rule_json
from .shown import Shown, about, finite, waterfall
from .store import FLOAT, Store
from .units import Unit, affordable, inputs_of_one, places, tells, unit

MOST_PIXELS = 512 * 512  # of a map; more are added up in squares, which the page says
MOST_ROW = 4096  # numbers of a vector, or of a series all of whose channels are shown as rows
MOST_CHANNELS = 24  # of a node that a page shows one by one
MOST_UNITS = 8  # of a node
FEW, MOST_MESSAGES = 130, 32  # all messages of a unit with few inputs, the strongest of others
WHOLE, FIRST = 600, 2  # all messages of the first units of a node with more inputs
MOST_SIZE = float(np.finfo(np.float32).max) / 1e6  # of a number, so that sums over a map are float32 too
LONG_RULE = 4000  # characters of a rule that a page executes


@dataclass(eq=False)
class More:
    """What a page has where there is room: by rank, the strongest of each node first.

    Attributes:
        rank: of the channel or unit at its node.
        cost: in characters, about.
        write: puts it into the page.
    """

    rank: int
    cost: float
    write: Callable[[], object]


@dataclass(eq=False)
class View:
    """One explanation ready for a page: what has to be there, and what may be."""

    said: dict[str, Any]
    waterfall: str = ""
    channels: list[More] = field(default_factory=list)
    units: list[More] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


def require_finite(e: Explanation) -> None:
    """Raise if relevance of an input is NaN or infinite.

    Raises:
        NonFiniteError: how many numbers are, and where the first is.
    """
    for name, part in e.to_numpy().maps().items():
        floats("the relevance of the input" if name == "relevance" else f"the relevance of '{name}'", to_float(part))


def require_small(name: str, array: Any) -> None:
    """Raise if a page, whose numbers are float32, cannot hold numbers.

    Raises:
        NonFiniteError: the largest, and where it is.
    """
    size = abs(np.asarray(array, dtype=np.float64))
    if size.size and size.max() > MOST_SIZE:
        at = tuple(int(k) for k in np.unravel_index(int(size.argmax()), size.shape))
        raise NonFiniteError(
            f"{name} is {size.max():.3g} at {at}; a page holds float32, at most {MOST_SIZE:.3g}: scale the network's "
            "input or output"
        )


def view(shown: Shown, store: Store, allowance: float) -> View:
    """Write what has to be there of one explanation into the store, and return the rest.

    Args:
        shown: the explanation.
        store: of the page.
        allowance: characters for maps; those of large nodes that do not fit are left out.

    Raises:
        NonFiniteError: relevance that is NaN or infinite, or numbers that are too large for float32.
    """
    e = shown.e.to_numpy().sample(0)
    trace = e.trace
    if not trace.values:  # made elsewhere, without the question: what there is are maps of the inputs
        trace = Trace({}, {("input" if n == "relevance" else n): r for n, r in e.maps().items()}, {})
    made = View(about(e, shown), waterfall(e))
    axes = channel_axes(e, trace)
    planned = {p.node: p for p in e.plan}
    nodes = [_node(n, e, shown, trace, axes, planned) for n in _names(trace, planned)]
    # Small maps first: a budget leaves out the largest.
    sized = sorted(nodes, key=lambda n: n.pixels)
    left = []
    for n in sized:
        if n.map.size:
            costs = 0 if store.has(n.map) else n.map.size * 4 * FLOAT
            if n.layer and store.size + costs > allowance:
                left.append(n.said["name"])
                continue
            n.said["map"] = [store.floats(n.map), *n.map.shape, n.by]
    if left:
        made.said["left"].append(f"maps of {len(left)} large node{'s' if len(left) > 1 else ''} (their sums are here)")
    for n in nodes:
        if not n.layer:
            n.said["input"] = _input(n, shown, store, allowance - store.size)
        _channels(n, store, made)
        if n.layer:
            _units(n, planned[n.said["name"]], trace, store, made)
    made.said["waterfall"] = bool(made.waterfall)
    made.said["nodes"] = [n.said for n in nodes]
    return made


def _names(trace: Trace, planned: dict[str, Planned]) -> list[str]:
    """Return the values of a trace that received relevance, the inputs first, then in execution order."""
    names = [n for n in trace.values if n in trace.relevance] or list(trace.relevance)
    return [n for n in names if owner(n, planned) not in planned] + [n for n in names if owner(n, planned) in planned]


@dataclass(eq=False)
class _Node:
    """A value on its way into a page."""

    said: dict[str, Any]
    layer: str
    value: NDArray[Any] | None  # (C, …)
    relevance: NDArray[Any] | None  # (C, …)
    axis: int
    map: NDArray[Any]
    by: int

    @property
    def pixels(self) -> int:
        return 0 if self.relevance is None else self.map.size


def _node(
    name: str, e: Explanation, shown: Shown, trace: Trace, axes: dict[str, int], planned: dict[str, Planned]
) -> _Node:
    node = owner(name, planned)
    made = planned.get(node)
    relevance = floats(f"the relevance of '{name}'", to_float(trace.relevance[name][0]))
    value = trace.values[name][0] if name in trace.values else None
    require_small(f"the relevance of '{name}'", relevance)
    if value is not None:
        require_small(f"the value of '{name}'", to_float(value))
    axis = axes.get(name, input_axis(relevance.shape))
    of = kind(relevance.shape, axis)
    channels = channels_first(relevance, axis)
    whole = of == "series" and channels.size <= MOST_ROW
    flat, by = (channels, 1) if whole else pooled(flat_map(channels, of), MOST_PIXELS if of == "image" else MOST_ROW)
    reads = trace.nodes[node].reads if node in trace.nodes else ()
    said: dict[str, Any] = {
        "name": name,
        "layer": "" if made is None else type(made.layer).__name__,
        "rule": "" if made is None else made.label,
        "formula": "" if made is None or made.rule is None else made.rule.formula(),
        "why": "" if made is None else made.why,
        "twin": None if made is None else _twin(made, trace, reads),
        "reads": list(reads),
        "shape": list(relevance.shape),
        "axis": axis,
        "kind": of,
        "sum": float(relevance.sum()),
        "positive": float(relevance[relevance > 0].sum()),
        "map": None,
        "whole": whole,
        "channels": [],
        "units": [],
    }
    values = None if value is None else channels_first(to_float(value), axis)
    return _Node(said, said["layer"], values, channels, axis, flat, by)


def _twin(planned: Planned, trace: Trace, reads: Sequence[str]) -> Any:
    """Return the rule as JSON that the page executes on a unit; None where it cannot."""
    try:
        said = rule_json(planned.rule, planned.layer, trace.values[reads[0]].shape[1:] if reads else ())
        return said if len(json.dumps(said, allow_nan=False)) <= LONG_RULE else None
    except (LrpError, KeyError, ValueError, TypeError):
        return None


def _input(n: _Node, shown: Shown, store: Store, allowance: float) -> dict[str, Any]:
    """Return what a page shows of an input besides its relevance."""
    found: dict[str, Any] = {"features": list(shown.features)}
    of = n.said["kind"]
    if shown.words is not None:
        special = shown.words.special or (False,) * len(shown.words.texts)
        sums = [float(r) for r in to_float(np.asarray(shown.words.relevance))]
        found["words"] = [list(one) for one in zip(shown.words.texts, sums, map(bool, special), strict=True)]
    if n.value is None:
        return found
    if of == "image":
        found |= pictures.written(store, n.value, shown.image, allowance / 3, n.by)
    elif n.value.size <= MOST_PIXELS:
        found["values"] = store.floats(n.value)
    return found


def _channels(n: _Node, store: Store, made: View) -> None:
    """Say how much each channel has, the strongest first, and offer their maps."""
    if n.relevance is None or n.said["kind"] == "vector" or n.said["whole"]:
        return
    count = len(n.relevance)
    flat = n.relevance.reshape(count, -1)
    sums, sizes = flat.sum(axis=1), abs(flat).sum(axis=1)
    order = [int(c) for c in np.argsort(-sizes, kind="stable")[:MOST_CHANNELS]]
    n.said["channels"] = [[c, float(sums[c]), None, None] for c in order]
    n.said["channelCount"] = count
    if n.said["kind"] == "array" or (count == 1 and n.layer):
        return
    for rank, c in enumerate(order):
        maps = [flat_map(n.relevance[c : c + 1], n.said["kind"])]
        if n.layer and n.value is not None:
            maps.append(flat_map(n.value[c : c + 1], n.said["kind"]))
        if maps[0].size > MOST_PIXELS:
            made.left["channels"] = made.left.get("channels", 0) + 1
            continue

        def write(row: list[Any] = n.said["channels"][rank], maps: list[NDArray[Any]] = maps) -> None:
            row[2:] = [store.floats(m) for m in maps] + [None] * (2 - len(maps))

        made.channels.append(More(rank, sum(4 * m.size * FLOAT for m in maps), write))


def _units(n: _Node, planned: Planned, trace: Trace, store: Store, made: View) -> None:
    """Offer the messages of the strongest units."""
    name = n.said["name"]
    reads = n.said["reads"]
    if name != planned.node or f"{name}:1" in trace.values or not tells(planned.layer):
        return
    if not reads or any(r not in trace.values for r in reads):
        return
    xs = tuple(trace.values[r] for r in reads)
    value, relevance = trace.values[name], trace.relevance[name]
    wanted = affordable(planned.layer, xs, value, MOST_UNITS)
    at = places(to_float(relevance[0]), n.axis, wanted)
    inputs = inputs_of_one(planned.layer, xs)

    def most(rank: int) -> int:
        return inputs if inputs <= (WHOLE if rank < FIRST else FEW) else MOST_MESSAGES

    if not wanted:
        made.left["units"] = made.left.get("units", 0) + 1

    def write(rank: int) -> None:
        found = unit(planned, xs, value, relevance, at[rank], most(rank))
        if found is not None and all(
            np.isfinite(part).all() and (abs(part) < MOST_SIZE).all()
            for part in (np.nan_to_num(found.weights, posinf=np.inf), found.messages)
        ):
            n.said["units"].append(_said(found, store))

    for rank in range(len(at)):
        made.units.append(More(rank, min(inputs, most(rank)) * 16 * FLOAT + 150, partial(write, rank)))


def _said(unit: Unit, store: Store) -> dict[str, Any]:
    table = np.stack([unit.inputs.astype(np.float64), unit.values, np.nan_to_num(unit.weights), unit.messages])
    return {
        "at": list(unit.at),
        "relevance": unit.relevance,
        "value": finite(unit.value),
        "table": [store.floats(table), len(unit.inputs)],
        "weighted": bool(len(unit.weights)) and not bool(np.isnan(unit.weights).any()),
        "others": unit.others,
        "rest": unit.rest,
        "b": unit.b,
        "bias": unit.bias,
        "stabiliser": unit.stabiliser,
        "dropped": unit.dropped,
    }
