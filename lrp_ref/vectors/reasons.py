"""Why cases fail: the known faults whose numbers a program answers, rule by rule and kind of layer by kind of layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from .compare import FAIL, XFAIL, Result
from .faults import NOTHING_ELSE
from .matching import Match, Numbers
from .places import NETWORKS, Place, layers_of, place_of

MOST = 3  # faults that are told together of one rule on one kind of layer
FEWEST = 3  # cases that faults have to explain where others of the same rule and kind stay unexplained
LARGEST_REST = 0.25  # of the failing cases of a place, the part that may stay unexplained
PROOF = 2  # numbers that a fault has to predict before it is named


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
        unexplained: visibly wrong numbers that none of the known faults explains.
        follow: wrong networks that have layers in which the reasons are found: their numbers are not predicted.
        slight: wrong numbers too near the right ones to tell a fault by.
    """

    reasons: tuple[Reason, ...] = ()
    unexplained: tuple[Result, ...] = ()
    follow: tuple[Result, ...] = ()
    slight: tuple[Result, ...] = ()


@dataclass(eq=False)
class Group:
    """The results of one place.

    Attributes:
        place: the rule and kind of layer.
        failing: what is visibly wrong.
        matches: by case, the faults whose numbers it has.
        shows: by case, the faults that would show in it.
        refuted: faults that would show in a case that passes.
        passing: number of cases that pass.
        barred: faults that are not to be looked for.
    """

    place: Place
    failing: list[Result] = field(default_factory=list)
    matches: dict[str, list[Match]] = field(default_factory=dict)
    shows: dict[str, frozenset[str]] = field(default_factory=dict)
    refuted: set[str] = field(default_factory=set)
    passing: int = 0
    barred: frozenset[str] = frozenset()

    def add(self, result: Result, dtype: str) -> None:
        """Take in a result: a fault that would show in a case that passes is not there."""
        numbers = Numbers(result.case)
        shown = frozenset(name for name in result.case.faults if numbers.tells(name))
        if not result.differs:
            self.refuted |= shown
            self.passing += 1
        elif result.visible and result.answer is not None:
            name, matches = result.case.id, numbers.matches(result.answer, dtype)
            if matches or not result.case.topic:
                self.failing.append(result)
                self.shows[name], self.matches[name] = shown, matches

    def explained(self, chosen: frozenset[str]) -> tuple[list[str], list[str]] | None:
        """Return the cases whose numbers chosen faults give, and those that several of them change at once.

        None where the faults are refuted: one of them would show in a case whose numbers are others'.
        """
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
        return sorted(found - self.refuted - self.barred)

    def sure(self) -> set[str]:
        """Return the faults of which only NaN is seen that may be there, and not all that is answered is NaN."""
        finite = any(match.finite for matches in self.matches.values() for match in matches)
        return set(self.candidates()) & NOTHING_ELSE if self.passing or finite else set()

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


def find_reasons(results: Iterable[Result], dtype: str = "float64") -> Verdict:
    """Return the known faults that explain wrong numbers.

    Every rule on every kind of layer is looked at alone. A fault explains a failing case if the answer has the fault's
    numbers (1e-5 of the largest); a case that passes and would show a fault refutes it there, and so does a failing
    case with other numbers that no second reason accounts for. The fewest faults that explain all failing cases of a
    place are taken; where none do, those that explain at least three quarters of them. Then the same fault is told
    once for all its places. Of several faults with the same numbers the one is named that explains most cases of the
    same rule or kind of layer, then the one that fewest cases speak against; where that does not tell, all of them.

    A network is explained by faults that are found in layers, or that nothing in layers speaks against. A fault that
    would show in more unexplained layers than it explains is not named: something else does what it does in some.
    Cases of alternatives count where the faults of their place explain them, and are not told as unexplained.

    Args:
        results: of a run.
        dtype: of the run.
    """
    groups, slight = dict[Place, Group](), []
    for result in results:
        if result.times is None or result.case.refuse or result.status not in COUNTED:
            continue
        if result.differs and not result.visible:
            slight.append(result)
            continue
        place = place_of(result.case)
        groups.setdefault(place, Group(place)).add(result, dtype)
    ordered = [group for group in groups.values() if group.failing]
    nowhere = NOTHING_ELSE - set[str]().union(*(group.sure() for group in ordered))
    for group in ordered:
        group.barred = nowhere
    layers = [group for group in ordered if group.place.kind != NETWORKS]
    chosen = dict(zip(map(id, layers), _choose(layers), strict=True))
    found = {name for sets in chosen.values() for names in sets for name in names}
    against = set[str]().union(*(g.contradicted() for g in groups.values() if g.place.kind != NETWORKS))
    whole = [group for group in ordered if group.place.kind == NETWORKS]
    for group in whole:
        group.barred = nowhere | (against - found)
    chosen |= dict(zip(map(id, whole), _choose(whole), strict=True))
    reasons = _joined(ordered, [chosen[id(group)] for group in ordered])
    shows = {name: shown for group in ordered for name, shown in group.shows.items()}
    while True:
        known = {name for reason in reasons for name in (*reason.cases, *reason.together)}
        left = [r for g in ordered for r in g.failing if r.case.id not in known and not r.case.topic]
        layer = [shows[r.case.id] for r in left if place_of(r.case).kind != NETWORKS]
        kept = tuple(r for r in reasons if sum(r.names[0] in shown for shown in layer) <= len(r.cases))
        if kept == reasons:
            places = {place for reason in reasons for place in reason.places}
            follow = tuple(r for r in left if places & set(layers_of(r.case)))
            return Verdict(reasons, tuple(r for r in left if r not in follow), follow, tuple(slight))
        reasons = kept


COUNTED = ("pass", FAIL, XFAIL, "xpass")


def _choose(groups: list[Group]) -> list[list[frozenset[str]]]:
    """Return per group the set of faults that is taken; several where nothing tells them apart."""
    against = Counter[str]()
    choices = [group.choices() for group in groups]
    for group in groups:
        against.update(group.refuted)
        for name, matches in group.matches.items():
            against.update(group.shows[name] - {n for match in matches for n in match.names})

    def near(group: Group, name: str) -> int:
        """Failing cases of the same rule, or the same kind of layer, that a fault may explain."""
        return sum(
            len(other.failing)
            for other, sets in zip(groups, choices, strict=True)
            if (other.place.rule == group.place.rule or other.place.kind == group.place.kind)
            and any(name in names for names in sets)
        )

    def weight(group: Group, names: frozenset[str]) -> tuple[int, int, int]:
        return group.equal(names), sum(near(group, n) for n in names), -sum(against[n] for n in names)

    chosen = []
    for group, sets in zip(groups, choices, strict=True):
        best = max((weight(group, names) for names in sets), default=None)
        chosen.append([names for names in sets if weight(group, names) == best])
    return chosen


def _joined(groups: list[Group], chosen: list[list[frozenset[str]]]) -> tuple[Reason, ...]:
    """Return the reasons of all groups, the same names together."""
    found: dict[tuple[str, ...], list[tuple[Group, list[str], list[str], int]]] = {}
    for group, sets in zip(groups, chosen, strict=True):
        for names, taken in _told(sets):
            explained = group.explained(taken)
            assert explained is not None
            mine = [c for c in explained[0] if any(names[0] in m.names <= taken for m in group.matches[c])]
            both = [c for c in explained[1] if names[0] in group.shows[c]]
            found.setdefault(names, []).append((group, mine, both, group.evidence(names[0], taken)))
    reasons = []
    for names, parts in found.items():
        if sum(evidence for *_, evidence in parts) < PROOF:
            continue
        reasons.append(
            Reason(
                names,
                tuple(sorted(group.place for group, *_ in parts)),
                tuple(case for _, mine, _, _ in parts for case in mine),
                tuple(case for _, _, both, _ in parts for case in both),
                sum(len(group.failing) for group, *_ in parts),
            )
        )
    return tuple(sorted(reasons, key=lambda r: (-len(r.cases), r.names)))


def _told(sets: list[frozenset[str]]) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    """Yield names to tell and the set that they belong to: sets that differ by one name only are told as one."""
    if not sets:
        return
    shared = frozenset.intersection(*sets)
    rests = [names - shared for names in sets]
    for name in sorted(shared):
        yield (name,), sets[0]
    if all(len(rest) == 1 for rest in rests):
        yield tuple(sorted(name for rest in rests for name in rest)), sets[0]
