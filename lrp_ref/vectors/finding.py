"""Finding reasons: the known faults whose numbers a program answers, rule by rule on each kind of layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..dialects import SWITCHES, Switch
from .compare import FAIL, XFAIL, Result
from .faults import NOTHING_ELSE
from .groups import Group
from .matching import Numbers
from .places import NETWORKS, Place, layers_of, place_of
from .reasons import Reason, Verdict
from .switched import layer_answer, network_answer, pairs

PAIRED = 2  # failing cases of a place from which pairs are looked for
PROOF = 2  # numbers that a fault has to predict before it is named


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
            break
        reasons = kept
    named = {name for reason in reasons for name in reason.names}
    told = {place for reason in reasons for place in reason.places}  # a reason that was dropped explains nothing
    more = [reason for g in layers if g.place not in told for reason in _by_switches(g, named, dtype)]
    reasons = _together([*reasons, *more])
    known = {case for reason in reasons for case in reason.cases}
    places: dict[Place, list[str]] = {}
    for reason in reasons:
        for place in reason.places:
            places.setdefault(place, []).extend(reason.names[0].split("+"))
    below = [r for r in left if set(places) & set(layers_of(r.case))]
    predicted = [r for r in below if _is_predicted(r, places, dtype)]
    follow = [r for r in below if r not in predicted]
    left = [r for r in left if r not in below and r.case.id not in known]
    ranked = sorted(reasons, key=lambda r: (-len(r.cases), r.names))
    return Verdict(tuple(ranked), tuple(predicted), tuple(follow), tuple(left), tuple(slight))


def _is_predicted(result: Result, places: dict[Place, list[str]], dtype: str) -> bool:
    """Return whether a network has the numbers of the reasons in its layers."""
    computed = network_answer(result.case, places)
    if computed is None or result.answer is None:
        return False
    return bool(Numbers(result.case).agrees(result.answer, computed, dtype))


def _by_switches(group: Group, named: set[str], dtype: str) -> tuple[Reason, ...]:
    """Return the switch of dialects, else the pair of them, whose numbers all cases of a place have; several by "or".

    Where only few cases fail, only a switch that is a reason elsewhere is tried.
    """
    smallest = min(group.failing, key=lambda r: Numbers(r.case).right.size)
    enough = len(group.failing) >= PAIRED
    one = [(s,) for s in SWITCHES.values() if s.id in named or (enough and not s.is_fault)]
    for sets in (one, pairs(smallest.case) if enough else ()):
        found = [switches for switches in sets if _is_there(group, smallest, switches, dtype)]
        if found:
            cases = tuple(r.case.id for r in group.failing)
            names = _once(["+".join(s.id for s in switches) for switches in found])
            return (Reason(tuple(names), (group.place,), cases, (), len(cases)),)
    return ()


def _is_there(group: Group, first: Result, switches: Sequence[Switch], dtype: str) -> bool:
    """Return whether all failing cases have the numbers of some switches, which would not show in those that pass."""

    def shared(result: Result) -> int | None:
        computed = layer_answer(result.case, switches)
        if computed is None or result.answer is None:
            return None
        return Numbers(result.case).agrees(result.answer, computed, dtype)

    def absent(result: Result) -> bool:
        computed, numbers = layer_answer(result.case, switches), Numbers(result.case)
        return computed is None or not numbers.visible(numbers.row(computed)).any()

    if shared(first) is None:
        return False
    counts = [n for n in map(shared, group.failing) if n is not None]
    return len(counts) == len(group.failing) and sum(counts) >= PROOF and all(map(absent, group.passing))


def _together(parts: list[Reason]) -> tuple[Reason, ...]:
    """Return reasons with the same names as one."""
    found: dict[tuple[str, ...], Reason] = {}
    for part in parts:
        one = found.get(part.names, Reason(part.names, (), (), (), 0))
        places, cases = tuple(sorted({*one.places, *part.places})), (*one.cases, *part.cases)
        together = (*one.together, *part.together)
        found[part.names] = Reason(part.names, places, cases, together, one.failing + part.failing)
    return tuple(found.values())


def _once(names: list[str]) -> list[str]:
    """Return pairs once, whatever their order."""
    kept: dict[frozenset[str], str] = {}
    for name in names:
        kept.setdefault(frozenset(name.split("+")), name)
    return list(kept.values())


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
