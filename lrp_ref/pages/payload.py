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
from ..base.arrays import Array
from ..errors import LrpError, ParameterError
from ..heatmap.colours import floats
from ..network.inputs import batch_first
from ..network.network import owner
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from ..propagation.plan import Planned
from ..propagation.targets import described
from ..propagation.trace import Trace
from . import pictures
from .layout import channel_axes, channels_first, flat_map, kind, pooled
from .rule_json import rule_json
from .store import FLOAT, Store
from .units import Unit, affordable, places, tells, unit

MOST_PIXELS = 512 * 512  # of a map; more are added up in squares, which the page says
MOST_ROW = 4096  # numbers of a vector, or of a series all of whose channels are shown as rows
MOST_CHANNELS = 24  # of a node that a page shows one by one
MOST_UNITS = 8  # of a node
FEW, MOST_MESSAGES = 130, 32  # all messages of a unit with few inputs, the strongest of others
WHOLE, FIRST = 600, 2  # all messages of the first units of a node with more inputs
LONG_RULE = 4000  # characters of a rule that a page executes
BEST = 5  # outputs that are listed


@dataclass(frozen=True)
class Words:
    """The words of a text with their relevance.

    Attributes:
        texts: in their order.
        relevance: of each.
        special: which are pieces that a tokenizer added.
    """

    texts: Sequence[str]
    relevance: Any
    special: Sequence[bool] = ()


@dataclass(frozen=True, eq=False)
class Shown:
    """One explanation on a page, of one sample.

    Attributes:
        e: the explanation; of several samples the first is shown.
        name: of the sample and of what is explained, for the choice between several.
        classes: names of the outputs.
        image: the picture as the network sees it, (H, W) or (H, W, 3) uint8; None for one made of the numbers.
        features: names of the numbers of a vector, or of the channels of a series.
        words: of a text.
        sample: which explanations are of one sample, and can be compared.
    """

    e: Explanation
    name: str = ""
    classes: Sequence[str] = ()
    image: Any = None
    features: Sequence[str] = ()
    words: Words | None = None
    sample: str = ""


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
    channels: list[More] = field(default_factory=list)
    units: list[More] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


def view(shown: Shown, store: Store, allowance: float) -> View:
    """Write what has to be there of one explanation into the store, and return the rest.

    Args:
        shown: the explanation.
        store: of the page.
        allowance: characters for maps; those of large nodes that do not fit are left out.

    Raises:
        NonFiniteError: relevance that is NaN or infinite.
        ParameterError: an explanation of no sample.
    """
    if not shown.e.samples:
        raise ParameterError("an explanation of no samples has nothing to show on a page")
    e = shown.e.to_numpy().sample(0)
    for name, part in e.maps().items():
        floats(f"the relevance of '{name}'", to_float(part))
    trace = e.trace
    if not trace.values:  # made elsewhere, without the question: what there is are maps of the inputs
        trace = Trace({}, {("input" if n == "relevance" else n): r for n, r in e.maps().items()}, {})
    made = View(_about(e, shown))
    axes = channel_axes(e, trace)
    planned = {p.node: p for p in e.plan}
    nodes = [_node(n, e, shown, trace, axes, planned) for n in _names(trace, planned)]
    # Small maps first: a budget leaves out the largest.
    sized = sorted(nodes, key=lambda n: n.pixels)
    left = []
    for n in sized:
        if n.relevance is not None:
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
    made.said["nodes"] = [n.said for n in nodes]
    return made


def _names(trace: Trace, planned: dict[str, Planned]) -> list[str]:
    """Return the values of a trace that received relevance, the inputs first, then in execution order."""
    names = [n for n in trace.values if n in trace.relevance] or list(trace.relevance)
    return [n for n in names if owner(n, planned) not in planned] + [n for n in names if owner(n, planned) in planned]


def _about(e: Explanation, shown: Shown) -> dict[str, Any]:
    """Return what is said of the whole explanation."""
    output = to_float(batch_first(e.output, e.output_axis)[0]).reshape(-1)
    chance = e.probability
    chances = None if chance is None else to_float(batch_first(chance, e.output_axis)[0]).reshape(-1)
    asked = [] if e.target is None else [int(k) for k in np.asarray(e.target)[0]]
    against = None if e.against is None else int(np.asarray(e.against).reshape(-1)[0])
    finite = np.where(np.isfinite(output), output, -np.inf)
    best = [int(k) for k in np.argsort(-finite, kind="stable")[:BEST]]
    best += [k for k in (*asked, *([] if against is None else [against])) if k not in best]
    outputs = [
        {
            "name": described([k], None, e.output_shape, shown.classes),
            "value": _finite(output[k]),
            "chance": None if chances is None or not np.isfinite(chances[k]) else float(chances[k]),
            "asked": k in asked,
            "against": k == against,
        }
        for k in best
    ]
    exact = e.output.dtype == object
    notes = [*e.notes, *(["the numbers are exact; this page shows them rounded to floats"] if exact else [])]
    rows = []
    if e.ledger.made:
        rows = [[r.node, r.rule, *(float(to_float(getattr(r, c))[0]) for c in COLUMNS)] for r in e.ledger]
    return {
        "name": shown.name,
        "sample": shown.sample,
        "asked": e.asked(0, shown.classes),
        "negative": e.negative(0),
        "composite": e.rules,
        "start": e.start,
        "startsAt": e.starts_at,
        "notes": notes,
        "dtype": "exact" if exact else str(e.output.dtype),
        "outputs": outputs,
        "outputCount": int(output.size),
        "started": float(to_float(np.asarray(e.started)).reshape(-1)[0]),
        "arrived": float(to_float(np.asarray(e.arrived)).reshape(-1)[0]),
        "ledger": rows,
        "ledgerMade": e.ledger.made,
        "left": [],
        "nodes": [],
    }


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
    axis = axes.get(name, _first_axis(relevance.shape))
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


def _first_axis(shape: tuple[int, ...]) -> int:
    return 2 if len(shape) == 3 and shape[-1] in (1, 3) and shape[0] not in (1, 3) else 0


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
        found |= pictures.written(store, n.value, shown.image, allowance / 3)
    elif n.value.size <= MOST_PIXELS:
        found["values"] = store.floats(n.value)
    return found


def _channels(n: _Node, store: Store, made: View) -> None:
    """Say how much each channel has, the strongest first, and offer their maps."""
    if n.relevance is None or n.said["kind"] == "vector":
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
    inputs = sum(int(np.prod(x.shape[1:])) for x in xs)

    def most(rank: int) -> int:
        return inputs if inputs <= (WHOLE if rank < FIRST else FEW) else MOST_MESSAGES

    if not wanted:
        made.left["units"] = made.left.get("units", 0) + 1

    def write(rank: int) -> None:
        found = unit(planned, xs, value, relevance, at[rank], most(rank))
        if found is not None:
            n.said["units"].append(_said(found, store))

    for rank in range(len(at)):
        made.units.append(More(rank, min(inputs, most(rank)) * 16 * FLOAT + 150, partial(write, rank)))


def _said(unit: Unit, store: Store) -> dict[str, Any]:
    table = np.stack([unit.inputs.astype(np.float64), unit.values, np.nan_to_num(unit.weights), unit.messages])
    return {
        "at": list(unit.at),
        "relevance": unit.relevance,
        "value": _finite(unit.value),
        "table": [store.floats(table), len(unit.inputs)],
        "weighted": bool(len(unit.weights)) and not bool(np.isnan(unit.weights).any()),
        "others": unit.others,
        "rest": unit.rest,
        "b": unit.b,
        "bias": unit.bias,
        "stabiliser": unit.stabiliser,
        "dropped": unit.dropped,
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
