"""Why cases fail: the known faults and dialects that change just these cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .compare import Result

MOST = 3  # faults that are named together
NEAR = 0.3  # of the cases that fail or are flagged, the part that is both, from which a flag is worth a word


@dataclass(frozen=True)
class Reason:
    """A named reason of failures.

    Attributes:
        names: ids of the faults and dialects, more than one where they change the same cases.
        both: number of cases that fail and are flagged.
        failing: number of cases that fail.
        flagged: number of cases that are flagged.
    """

    names: tuple[str, ...]
    both: int
    failing: int
    flagged: int

    @property
    def exact(self) -> bool:
        """Whether just the flagged cases fail."""
        return self.both == self.failing == self.flagged

    def __str__(self) -> str:
        name = " or ".join(self.names)
        if self.both < self.flagged:
            return (
                f"nearest is {name}: {self.both} of the {self.failing} failing cases are flagged, {self.both} of the "
                f"{self.flagged} flagged cases fail"
            )
        if not self.exact:
            these = f"{self.both} of the {self.failing} failing cases are"
        elif self.failing > 1:
            these = f"all {self.failing} failing cases are"
        else:
            these = "the failing case is"
        return f"{these} flagged {name}; all cases flagged {name} fail"


def find_reasons(results: Iterable[Result]) -> tuple[Reason, ...]:
    """Return the faults and dialects that explain wrong numbers.

    A flag says that a fault's exact result differs in this case by more than float32 hides, so an implementation with
    that fault fails in all flagged cases, and in no others. Named is the fault of which just the cases fail; else up
    to three faults whose cases together are those that fail; else the nearest one. Cases of alternatives are left out.
    Where every case fails, each flag would fit, and none is named.
    """
    compared = [r for r in results if r.times is not None and not r.case.topic and not r.case.refuse]
    wrong = frozenset(r.case.id for r in compared if r.visible)
    if not wrong or len(wrong) == len(compared):
        return ()
    flagged: dict[str, set[str]] = {}
    for r in compared:
        for flag in r.case.catches:
            flagged.setdefault(flag, set()).add(r.case.id)
    same: dict[frozenset[str], list[str]] = {}
    for flag, ids in sorted(flagged.items()):
        same.setdefault(frozenset(ids), []).append(flag)
    chosen = _cover(wrong, [ids for ids in same if ids <= wrong]) or _nearest(wrong, list(same))
    return tuple(Reason(tuple(same[ids]), len(ids & wrong), len(wrong), len(ids)) for ids in chosen)


def _cover(wrong: frozenset[str], sets: list[frozenset[str]]) -> list[frozenset[str]]:
    """Return the fewest sets, taken greedily, whose union is ``wrong``; none if that takes too many."""
    left, chosen = set(wrong), list[frozenset[str]]()
    while left and sets and len(chosen) < MOST:
        best = max(sets, key=lambda ids: (len(ids & left), -len(ids)))
        chosen.append(best)
        left -= best
    return [] if left else chosen


def _nearest(wrong: frozenset[str], sets: list[frozenset[str]]) -> list[frozenset[str]]:
    """Return the set that shares a fair part with ``wrong`` and most of it; several if they hold all of it."""

    def near(ids: frozenset[str]) -> float:
        return len(ids & wrong) / len(ids | wrong)

    fair = sorted((ids for ids in sets if near(ids) >= NEAR), key=near, reverse=True)
    return [ids for ids in fair if wrong <= ids][:MOST] or fair[:1]
