"""What a diagnosis says: per departing node what explains its numbers, and all of it in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...base import tables
from ...errors import ParameterError
from .writing import write


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One name at which numbers depart, and why.

    Attributes:
        node: whose step departs: which made the value, or handed the relevance back; where the numbers do not tell
            which of several did, the last one in the order of execution, and ``note`` says so.
        layer: its kind; "" where the relevance that starts at it departs.
        rule: as it was asked for; "" for a value.
        kind: "value" or "relevance".
        at: the name of the value, or of that whose relevance it is.
        switches: ids of what explains all numbers; empty where nothing known does.
        alternatives: other sets of ids that explain them as well.
        numbers: parameter → number, where one was found in the numbers.
        says: what the switches are, in words.
        relative: by how much the numbers depart at most, relative to the largest of their sample.
        off: the same after the explanation; infinite without one.
        count: how many numbers there are.
        differing: how many of them depart clearly.
        note: what else has to be known.
    """

    node: str
    layer: str
    rule: str
    kind: str
    at: str
    switches: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    relative: float = 0.0
    off: float = float("inf")
    count: int = 0
    differing: int = 0
    note: str = ""

    @property
    def unexplained(self) -> bool:
        """Whether nothing known gives these numbers."""
        return not self.switches

    @property
    def name(self) -> str:
        """The ids of the switches, with their alternatives; "unexplained" where there are none."""
        return " or ".join(" + ".join(ids) for ids in (self.switches, *self.alternatives)) or "unexplained"

    @property
    def statement(self) -> str:
        """What departs and why, in one sentence."""
        place = f"the relevance that it hands to '{self.at}'" if self.kind == "relevance" else "its value"
        if self.kind == "relevance" and not self.layer:
            place = "the relevance that starts there"
        about = ", ".join(p for p in (self.layer, self.rule) if p)
        who = f"node '{self.node}' ({about})" if about else f"output '{self.at}'"
        head = f"{who}: {place} departs by {self.relative:.2g} of the largest number"
        if self.unexplained:
            return f"{head}, which is unexplained" + (f" ({self.note})" if self.note else "")
        undecided = ": the data of this layer does not tell them apart" if self.alternatives else ""
        said = f" ({'; '.join(self.says)})" if self.says else ""
        return (
            f"{head}; {self.name}{undecided}{said} gives all {self.count} numbers, of which {self.differing} differ "
            f"clearly, to {self.off:.1g}" + (f" ({self.note})" if self.note else "")
        )

    def __repr__(self) -> str:
        return self.statement


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """Why the numbers of another program depart from this package's.

    Attributes:
        steps: every name at which the other program's own step departs: values in the order of execution, then
            relevances in the order of the walk back.
        summary: said where there is no such name.
        reproduce: makes :attr:`case`; None where no relevance departs.

    Example:
        >>> Diagnosis(())
        no node's own step departs
    """

    steps: tuple[Step, ...]
    summary: str = "no node's own step departs"
    reproduce: Callable[[], dict[str, Any] | None] | None = field(default=None, compare=False)

    @property
    def first(self) -> Step | None:
        """The first step that departs."""
        return self.steps[0] if self.steps else None

    @property
    def node(self) -> str:
        """The first node that departs; "" where none does."""
        return self.steps[0].node if self.steps else ""

    @property
    def kind(self) -> str:
        """What departs first: "value" or "relevance"; "" for nothing."""
        return self.steps[0].kind if self.steps else ""

    @property
    def switches(self) -> tuple[str, ...]:
        """The ids of all switches that explain the steps, each once, in their order."""
        return tuple(dict.fromkeys(key for step in self.steps for key in step.switches))

    @property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """The sets of ids that explain the first step as well as its own."""
        return self.steps[0].alternatives if self.steps else ()

    @property
    def unexplained(self) -> tuple[str, ...]:
        """The nodes whose numbers nothing known gives."""
        return tuple(dict.fromkeys(step.node for step in self.steps if step.unexplained))

    @property
    def statement(self) -> str:
        """What departs first and why, and how many others do, in one sentence."""
        if not self.steps:
            return self.summary
        first, others = self.steps[0], self.steps[1:]
        if not others:
            return first.statement
        same = sum(s.name == first.name for s in others)
        more = f"; {len(others)} more steps depart"
        if same == len(others):
            return f"{first.statement}{more}, by the same"
        names = dict.fromkeys(s.name for s in others if s.name != first.name)
        return f"{first.statement}{more}: {', '.join(names)}" + (f", and {same} by the same" if same else "")

    def __str__(self) -> str:
        return self.statement

    def __repr__(self) -> str:
        return self.statement

    @cached_property
    def case(self) -> dict[str, Any] | None:
        """The first step that nothing known explains, else the first one, as a case of the conformance vectors.

        The expected relevance is this package's, in exact fractions where the layer's arithmetic has them; ``got`` is
        the other program's. None where no relevance departs, or the rule cannot be written into a case.
        """
        return None if self.reproduce is None else self.reproduce()

    def save_case(self, folder: str | Path) -> Path:
        """Write :attr:`case` as a folder of vectors, for ``lrp-ref vectors run --vectors FOLDER``.

        Args:
            folder: that does not exist yet, or is empty.

        Returns:
            The folder.

        Raises:
            ParameterError: there is no case, or something stands in the folder.
        """
        case = self.case
        if case is None:
            raise ParameterError("there is no case to save: no relevance departs at a layer that a case can hold")
        return write(case, folder)

    headers = ("", "node", "layer", "rule", "at", "relative", "explained by", "found", "off")

    def cells(self) -> list[list[str]]:
        """Return the table's cells."""
        return [
            [
                s.kind, s.node, s.layer, s.rule, s.at, tables.number(s.relative), s.name,
                ", ".join(f"{k} = {v:.6g}" for k, v in s.numbers.items()), "" if s.unexplained else f"{s.off:.1g}",
            ]
            for s in self.steps
        ]  # fmt: skip

    def table(self) -> str:
        """Return the steps as text."""
        return tables.text(self.headers, self.cells(), right=(5, 8))

    def _repr_html_(self) -> str:
        return tables.html(self.headers, self.cells(), title=self.statement, right=(5, 8))
