"""Why cases fail: known faults, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .compare import Result
from .places import NETWORKS, Place


@dataclass(frozen=True)
class Reason:
    """A known fault whose numbers a program answers.

    Attributes:
        names: its id; several where their numbers are the same in all cases that fail.
        places: the rules and kinds of layers where it is found.
        cases: ids of the failing cases whose numbers are those of the fault.
        together: ids of the failing cases that it changes together with another reason of the same place, whose
            numbers are not predicted.
        failing: number of all failing cases of these places.
    """

    names: tuple[str, ...]
    places: tuple[Place, ...]
    cases: tuple[str, ...]
    together: tuple[str, ...]
    failing: int

    @property
    def exact(self) -> bool:
        """Whether all failing cases of its places have its numbers."""
        return len(self.cases) == self.failing

    def __str__(self) -> str:
        return f"{' or '.join(self.names)}: {len(self.cases)} of {self.failing} failing cases of {told(self.places)}"


def told(places: Sequence[Place]) -> str:
    """Return places in words, rules with the same kinds of layers together.

    Example:
        >>> told([Place("ZPlus", "Conv"), Place("ZPlus", "Dense"), Place("Flat", "Conv")])
        'ZPlus on Conv, Dense; Flat on Conv'
    """
    kinds: dict[str, list[str]] = {}
    for place in (p for p in places if p.kind != NETWORKS):
        kinds.setdefault(place.rule, []).append(place.kind)
    rules: dict[tuple[str, ...], list[str]] = {}
    for rule, names in kinds.items():
        rules.setdefault(tuple(sorted(names)), []).append(rule)
    words = [f"{', '.join(names)} on {', '.join(where)}" for where, names in rules.items()]
    return "; ".join([*words, *([NETWORKS] if any(p.kind == NETWORKS for p in places) else [])])


@dataclass(frozen=True)
class Verdict:
    """What is known of the failures of a run.

    Attributes:
        reasons: the known faults that explain them, the one with most cases first.
        predicted: networks with the numbers that the reasons give, each in its layers.
        follow: wrong networks with other numbers that have layers in which the reasons are found.
        unexplained: visibly wrong numbers that none of the known faults explains.
        slight: wrong numbers too near the right ones to tell a fault by.
    """

    reasons: tuple[Reason, ...] = ()
    predicted: tuple[Result, ...] = ()
    follow: tuple[Result, ...] = ()
    unexplained: tuple[Result, ...] = ()
    slight: tuple[Result, ...] = ()
