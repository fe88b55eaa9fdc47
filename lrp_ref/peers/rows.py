"""A comparison with another program node by node, in the order of the walk back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..base.tables import number
from ..network.network import Network, owner
from ..propagation.differences import Difference, TraceDiff, TracedNode
from ..propagation.explanation import Explanation
from ..propagation.trace import Trace
from .task import Recording, Task

HEADERS = ("node", "layer", "rule", "Δ relevance", "in ulp", "Δ value", "in ulp", "")
RIGHT = (3, 4, 5, 6)


@dataclass(frozen=True)
class Compared:
    """One node, or one input, of both programs.

    Attributes:
        node: its name.
        layer, rule: of this package; "input" and "" of an input.
        value: the difference of its output; None where the other program does not show it.
        relevance: the difference of the relevance that arrived there; None likewise.
        left_out: why the other program has no rule for it; "" where it has one.
        own: what explains its own step, which is not that of the other program: what it hands back, or its value; ids
            of switches, or "unexplained"; "" where its step is the same.
    """

    node: str
    layer: str
    rule: str
    value: Difference | None
    relevance: Difference | None
    left_out: str = ""
    own: str = ""

    @property
    def departs(self) -> bool:
        """Whether value or relevance differ by more than the tolerance."""
        return any(found is not None and found.departs for found in (self.value, self.relevance))

    @property
    def relative(self) -> float:
        """The relative difference of the relevance, max abs(a − b) / max abs(a); 0 where it is not known."""
        return 0.0 if self.relevance is None else self.relevance.relative

    @property
    def ulps(self) -> float:
        """The same in units in the last place of the largest relevance."""
        return 0.0 if self.relevance is None else self.relevance.ulps

    def cells(self) -> list[str]:
        """Return the cells of its row."""
        numbers = [
            text
            for found in (self.relevance, self.value)
            for text in (("", "") if found is None else (number(found.relative), number(found.ulps)))
        ]
        return [self.node, self.layer, self.rule, *numbers, "; ".join(self.notes)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it: whether it departs, here first, and why it is not compared."""
        odd = (found.note for found in (self.relevance, self.value) if found is not None and found.note)
        left = f"left out: {self.left_out}" if self.left_out else "not compared" if self.relevance is None else ""
        told = (
            "departs" if self.departs else "",
            *odd,
            left,
            f"own step departs: {self.own}" if self.own else "",
        )
        return tuple(filter(None, told))


def ordered(
    network: Network, ours: Trace, found: TraceDiff, left_out: Mapping[str, str], own: Mapping[str, str]
) -> tuple[Compared, ...]:
    """Return a row for each node and input, from the output back.

    Args:
        network: as it was explained.
        ours: this package's trace of it.
        found: its comparison with the other program's.
        left_out: node → why the other program has no rule for it.
        own: node → what explains its own step, where that departs.
    """
    by = {(row.kind, row.name): row for row in found.rows}
    names = [*(i.name for i in network.inputs), *(n.name for n in network.nodes)][::-1]
    rows = []
    for name in names:
        node = ours.nodes.get(name, TracedNode("input", ""))
        parts = [name] + [key for key in ours.values if key != name and owner(key, ours.nodes) == name]
        values, relevances = ([by[kind, key] for key in parts if (kind, key) in by] for kind in ("value", "relevance"))
        worst = _worst(values), _worst(relevances)
        rows.append(Compared(name, node.layer, node.rule, *worst, left_out.get(name, ""), own.get(name, "")))
    return tuple(rows)


def _worst(found: list[Difference]) -> Difference | None:
    """Return the largest difference of the outputs of a node, which may have several."""
    return max(found, key=lambda one: one.relative, default=None)


def departing(first: Difference, nodes: Mapping[str, TracedNode]) -> list[str]:
    """Return the nodes that a difference may come from: which made a value, or handed a relevance back."""
    if first.kind == "value":
        return [owner(first.name, nodes)]
    return [name for name, node in nodes.items() if first.name in node.reads] or [first.name]


class Comparison(Protocol):
    """What a page shows: a ``Crosscheck``, which makes its page and is therefore not imported."""

    headers: ClassVar[tuple[str, ...]]

    @property
    def explanation(self) -> Explanation:
        """Of this package."""

    @property
    def recording(self) -> Recording:
        """Of the other program."""

    @property
    def task(self) -> Task:
        """What was asked."""

    @property
    def found(self) -> TraceDiff:
        """The comparison of both traces."""

    @property
    def rows(self) -> tuple[Compared, ...]:
        """One for each node and input."""

    @property
    def seconds(self) -> tuple[float, float]:
        """Of both programs."""

    @property
    def titles(self) -> tuple[str, ...]:
        """What the samples are called."""

    @property
    def reproduce(self) -> str:
        """The command that does the same again."""

    @property
    def program(self) -> str:
        """The other program with its version."""

    @property
    def equal(self) -> bool:
        """Whether they agree."""

    @property
    def first(self) -> str:
        """The first node that departs."""

    @property
    def verdict(self) -> str:
        """In one sentence."""

    @property
    def reason(self) -> str:
        """Why they depart."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else has to be known."""
