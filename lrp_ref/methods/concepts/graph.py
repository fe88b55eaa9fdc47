"""The attribution graph: which concepts of lower values a concept's relevance comes from, value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...base import tables
from ...base.tables import number
from ...errors import ParameterError, ShapeError
from ...network.network import Network
from .arrived import Asked, Walked
from .conditional import alone, channel_sums, chosen_channels, on_host

WIDTH = (4, 2)


@dataclass(frozen=True)
class Concept:
    """A channel of a value, reached along one path of concepts.

    Attributes:
        at: the value.
        channel: its number.
        relevance: Σ over its positions, of what flows along the path, as a float.
        share: of all relevance that reaches the value along the path above it; 0 where that adds up to 0.
        parts: the concepts of the next value below that it comes from, strongest first.
    """

    at: str
    channel: int
    relevance: float
    share: float
    parts: tuple[Concept, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the concept and all below it as plain dicts and lists, for JSON."""
        return {
            "at": self.at, "channel": self.channel, "relevance": self.relevance, "share": self.share,
            "parts": [part.to_dict() for part in self.parts],
        }  # fmt: skip

    def rows(self, depth: int = 0) -> list[list[str]]:
        """Return the rows of the printed table, each concept indented below that which it is a part of."""
        row = [f"{'  ' * depth}{self.at}[{self.channel}]", number(self.relevance), f"{self.share:.1%}"]
        return [row, *(more for part in self.parts for more in part.rows(depth + 1))]


@dataclass(frozen=True, eq=False, repr=False)
class AttributionGraph:
    """The concepts that a prediction rests on, and those that these rest on.

    Attributes:
        top: the concepts of the uppermost value, strongest first.
        at: the values, uppermost first.
    """

    top: tuple[Concept, ...]
    at: tuple[str, ...]

    def rows(self) -> list[list[str]]:
        """Return the rows of the printed table."""
        return [row for concept in self.top for row in concept.rows()]

    def __repr__(self) -> str:
        return tables.text(("concept", "relevance", "share"), self.rows(), right=(1, 2))

    def _repr_html_(self) -> str:
        return tables.html(("concept", "relevance", "share"), self.rows(), right=(1, 2))

    def to_dict(self) -> dict[str, Any]:
        """Return the graph as plain dicts and lists, for JSON."""
        return {"at": list(self.at), "top": [concept.to_dict() for concept in self.top]}

    def to_dot(self) -> str:
        """Return the graph in the language of Graphviz.

        A concept on several paths is one node, with the sum of their relevance; edges are as wide as what flows.
        """
        reached: dict[str, float] = {}
        edges: dict[tuple[str, str], float] = {}

        def add(concept: Concept) -> str:
            name = f"{concept.at}[{concept.channel}]"
            reached[name] = reached.get(name, 0.0) + concept.relevance
            for part in concept.parts:
                edge = (name, add(part))
                edges[edge] = edges.get(edge, 0.0) + part.relevance
            return name

        for concept in self.top:
            add(concept)
        largest = max((abs(value) for value in edges.values()), default=1.0) or 1.0
        labels = {name: f"{name}\n{number(value)}" for name, value in reached.items()}
        lines = [f"  {_quoted(name)} [label={_quoted(label)}];" for name, label in labels.items()]
        lines += [
            f'  {_quoted(a)} -> {_quoted(b)} [label="{number(v)}", penwidth={0.5 + 4 * abs(v) / largest:.2f}, '
            f'color="{"firebrick" if v >= 0 else "royalblue"}"];'
            for (a, b), v in edges.items()
        ]
        return "digraph concepts {\n  node [shape=box];\n" + "\n".join(lines) + "\n}\n"


def attribution_graph(
    net: Network,
    x: Any,
    *,
    at: Sequence[str],
    channels: Sequence[int] | None = None,
    width: Sequence[int] = WIDTH,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    **parameters: Any,
) -> AttributionGraph:
    """Return which concepts a prediction rests on, and which lower concepts each of these rests on in turn.

    The relevance of a concept is that which flows along its path of concepts from the output: conditions hold on every
    value above. At each value the channels of most relevance by size are followed, as many as ``width`` says.

    Args:
        net, target, composite, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        x: one sample, with its batch axis.
        at: names of the values, uppermost first.
        channels: of the uppermost value that are followed; None for the strongest, ``width[0]`` of them.
        width: how many channels to follow at each value; the last number holds for all further values.
        parameters: of the composite.

    Raises:
        ParameterError: values that are not there or not in this order, or a width below 1.
        ShapeError: several samples.

    Source: Achtibat et al. 2023 (attribution graphs).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 2)))), ("fc3", lrp.layers.Dense(np.array([[1.0], [2.0]])))]
        >>> net = lrp.Network.sequential(layers)
        >>> at, x = ["fc2", "fc1"], np.array([[1.0, 1.0]])
        >>> lrp.methods.attribution_graph(net, x, at=at, composite="lrp0", width=[1, 2])
        concept   relevance  share
        ──────────────────────────
        fc2[1]           14  66.7%
          fc1[0]          8  57.1%
          fc1[1]          6  42.9%
    """
    if not at or not width or min(width) < 1:
        raise ParameterError(f"at={list(at)!r}, width={list(width)!r}: give at least one value, and widths from 1 on")
    arrived = Asked(composite, target, start, against, output, canonize, xp, parameters).of(net, x, at)
    if len(arrived) != 1:
        raise ShapeError(f"an attribution graph is of one sample; there are {len(arrived)}: give x[:1]")
    order = [n.name for n in arrived.prepared.net.nodes]
    places = [order.index(name) if name in order else -1 for name in at]
    if places != sorted(places, reverse=True) or len(set(at)) != len(at):
        raise ParameterError(f"at={list(at)!r}: give the values from the output down, each once")
    widths = [width[min(depth, len(width) - 1)] for depth in range(len(at))]
    chosen = None if channels is None else chosen_channels(at[0], channels, arrived.shapes[at[0]])
    (top,) = arrived.each(lambda walked: _concepts(walked, tuple(at), widths, walked.relevance[at[0]], chosen))
    return AttributionGraph(top, tuple(at))


def _concepts(
    walked: Walked, at: tuple[str, ...], widths: Sequence[int], relevance: Any,
    channels: Sequence[int] | None = None,
) -> tuple[Concept, ...]:  # fmt: skip
    """Return the strongest concepts of the first value, of whose channels this is the relevance, with their parts."""
    sums = on_host(channel_sums(relevance))[0]
    total = float(sums.sum())
    strongest = (-abs(sums)).argsort(kind="stable")[: widths[0]] if channels is None else channels
    found = []
    for k in (int(c) for c in strongest):
        parts: tuple[Concept, ...] = ()
        if len(at) > 1 and sums[k] != 0:
            below: Mapping[str, Any] = walked.below(at[0], alone(relevance, [k]), held=at[1:2])
            if at[1] in below:
                parts = _concepts(walked, at[1:], widths[1:], below[at[1]])
        found.append(Concept(at[0], k, float(sums[k]), float(sums[k]) / total if total else 0.0, parts))
    return tuple(found)


def _quoted(text: str) -> str:
    """Return a text as a string of Graphviz, in which a line ends with the two characters backslash and n."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
