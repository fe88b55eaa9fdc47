"""Which of several explanations of one node the other nodes of the trace leave standing."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import LrpError
from .agreement import off
from .changes import Switches, same, switched
from .numbers import EPSILON
from .recorded import Recorded
from .searching import Explained, Spot

MOST_CHECKED = 40  # names at which it is asked whether a switch would have changed them


def chosen(
    recorded: Recorded, spots: Sequence[Spot], agreeing: Sequence[str], switches: Switches
) -> list[tuple[Explained | None, tuple[Explained, ...]]]:
    """Return for every spot the explanation that is named, and those that stay possible beside it.

    Where too few numbers differ, what explains another node for certain is named. Preferred is what explains most other
    spots too; then what would not have changed the names that agree; of two switches that make one rule of the rule,
    the way of a program before a mistake that any may have.

    Args:
        recorded: the other program's numbers.
        spots: where relevance departs.
        agreeing: the names where it does not.
        switches: those that are known.
    """
    known = [{_key(e) for e in s.explained} for s in spots]
    proven = [e for s in spots for e in s.explained]
    refuted: dict[tuple[str, ...], bool] = {}
    found = list[tuple[Explained | None, tuple[Explained, ...]]]()
    for spot in spots:
        # Too few numbers to tell by themselves are enough for what the numbers of another node prove.
        left = _distinct(spot.explained or [e for e in spot.weak if _is_part_of(e, proven)], switches)
        if len(left) > 1:
            support = [sum(_key(e) in keys for keys in known) for e in left]
            left = [e for e, n in zip(left, support, strict=True) if n == max(support)]
        if len(left) > 1:
            for e in left:
                if e.ids not in refuted:
                    refuted[e.ids] = _changes_others(recorded, e.ids, agreeing, switches)
            left = [e for e in left if not refuted[e.ids]] or left
        if len(left) > 1:
            left.sort(key=lambda e: any(switches[k].is_fault for k in e.ids if k in switches))
        found.append((left[0], tuple(left[1:])) if left else (None, ()))
    return found


def _key(explained: Explained) -> frozenset[str]:
    """Return the switches without the program's ε, which may be too small to be seen at another node."""
    return frozenset(explained.ids) - {EPSILON} or frozenset(explained.ids)


def _is_part_of(explained: Explained, proven: Sequence[Explained]) -> bool:
    """Return whether another explanation has the same switches with the same numbers, and maybe more."""
    numbers = explained.numbers.items()
    return any(set(explained.ids) <= set(p.ids) and numbers <= p.numbers.items() for p in proven)


def _distinct(explained: Sequence[Explained], switches: Switches) -> list[Explained]:
    """Return explanations without mistakes that another one has too: the same rules at the same nodes."""

    def is_fault(e: Explained) -> bool:
        return any(switches[k].is_fault for k in e.ids if k in switches)

    kept: list[Explained] = []
    for e in sorted(explained, key=is_fault):
        rules = {name: change.rule for name, change in e.changes.items()}
        for other in kept:
            theirs = {name: change.rule for name, change in other.changes.items()}
            alike = rules.keys() == theirs.keys() and all(same(rules[n], theirs[n]) for n in rules)
            if is_fault(e) and alike:
                break
        else:
            kept.append(e)
    return [e for e in explained if e in kept]


def _changes_others(recorded: Recorded, ids: tuple[str, ...], agreeing: Sequence[str], switches: Switches) -> bool:
    """Return whether switches would change the relevance of a name that agrees, where a program has them everywhere."""
    if any(key not in switches for key in ids):
        return False
    for name in agreeing[:MOST_CHECKED]:
        cone = recorded.cone(name)
        ways = {n.name: switched(recorded.layer(n), recorded.rules[n.name], ids, switches) for n in cone.nodes}
        changes = {name: way.rule for name, way in ways.items() if way is not None}
        if not changes:
            continue
        try:
            predicted = cone.predict(changes)
        except (LrpError, ArithmeticError, ValueError):
            continue
        if off(predicted, recorded.relevance[name]) > recorded.limits["relevance", name].departs:
            return True
    return False
