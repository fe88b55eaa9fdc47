"""One rule on one kind of layer: which faults may be at work there."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

from .compare import Result
from .faults import NOTHING_ELSE
from .matching import Match, Numbers
from .places import Place

MOST = 3  # faults that are told together of one rule on one kind of layer
FEWEST = 3  # cases that faults have to explain where others of the same rule and kind stay unexplained
LARGEST_REST = 0.25  # of the failing cases of a place, the part that may stay unexplained


@dataclass(eq=False)
class Group:
    """The results of one place.

    Attributes:
        place: the rule and kind of layer.
        failing: what is visibly wrong.
        matches: by case, the faults whose numbers it has.
        shows: by case, the faults that would show in it.
        refuted: faults that would show in a case that passes.
        passing: what passes.
        barred: faults that are not to be looked for.
    """

    place: Place
    failing: list[Result] = field(default_factory=list)
    matches: dict[str, list[Match]] = field(default_factory=dict)
    shows: dict[str, frozenset[str]] = field(default_factory=dict)
    refuted: set[str] = field(default_factory=set)
    passing: list[Result] = field(default_factory=list)
    barred: frozenset[str] = frozenset()

    def add(self, result: Result, dtype: str) -> None:
        """Take in a result: a fault that would show in a case that passes is not there."""
        numbers = Numbers(result.case)
        shown = frozenset(name for name in result.case.faults if numbers.tells(name))
        if not result.differs:
            self.refuted |= shown
            self.passing.append(result)
        elif result.visible and result.answer is not None:
            name, matches = result.case.id, numbers.matches(result.answer, dtype)
            if matches or not result.case.topic:
                self.failing.append(result)
                self.shows[name], self.matches[name] = shown, matches

    def explained(self, chosen: frozenset[str]) -> tuple[list[str], list[str]] | None:
        """Return the cases whose numbers chosen faults give, and those that several of them change at once.

        None where the faults are refuted: one of them would show in a case whose numbers are others'. Where another
        fault is at work, its denominators are 0 elsewhere, so that a case that passes says nothing of 0/0.
        """
        if (chosen & self.refuted and (chosen & self.refuted) - NOTHING_ELSE) or chosen <= self.refuted:
            return None
        alone, together = [], []
        for name, matches in self.matches.items():
            if any(match.names <= chosen for match in matches):
                alone.append(name)
            elif len(self.shows[name] & chosen) > 1:
                together.append(name)
            elif self.shows[name] & chosen:
                return None
        needed = all(
            any(not any(m.names <= chosen - {name} for m in self.matches[case]) for case in alone) for name in chosen
        )
        return (alone, together) if needed and len(together) <= len(alone) else None

    def candidates(self) -> list[str]:
        """Return the faults that may be there: some case has their numbers, and none that passes shows them."""
        found = {name for matches in self.matches.values() for match in matches for name in match.names}
        return sorted(found - (self.refuted - NOTHING_ELSE) - self.barred)

    def sure(self) -> set[str]:
        """Return the faults of which only NaN is seen that may be there, and not all that is answered is NaN."""
        finite = any(match.finite for matches in self.matches.values() for match in matches)
        return set(self.candidates()) & NOTHING_ELSE - self.refuted if self.passing or finite else set()

    def contradicted(self) -> set[str]:
        """Return the faults that are not there, or not alone: a case would show them, and has other numbers."""
        found = set(self.refuted)
        for name, matches in self.matches.items():
            found |= self.shows[name] - {n for match in matches for n in match.names}
        return found

    def choices(self) -> list[frozenset[str]]:
        """Return the smallest sets of faults that explain all that fails; else those that explain most of it."""
        partly: dict[frozenset[str], int] = {}
        names = self.candidates()
        for size in range(1, MOST + 1):
            whole = []
            for chosen in map(frozenset, combinations(names, size)):
                found = self.explained(chosen)
                if found is None:
                    continue
                if sum(map(len, found)) == len(self.failing):
                    whole.append(chosen)
                partly[chosen] = len(found[0])
            if whole:
                return whole
        most = max(partly.values(), default=0)
        if most < FEWEST or len(self.failing) - most > LARGEST_REST * len(self.failing):
            return []
        best = [chosen for chosen, count in partly.items() if count == most]
        fewest = min(map(len, best))
        return [chosen for chosen in best if len(chosen) == fewest]

    def evidence(self, name: str, chosen: frozenset[str]) -> int:
        """Return how many numbers show a fault among the chosen ones."""
        return sum(
            max((m.evidence(name) for m in found if name in m.names and m.names <= chosen), default=0)
            for found in self.matches.values()
        )

    def equal(self, chosen: frozenset[str]) -> int:
        """Return the number of cases whose numbers the chosen faults give in all digits."""
        return sum(any(m.equal and m.names <= chosen for m in found) for found in self.matches.values())
