"""Counts of a row: families of rules × what became of their cases, and the departures that a program has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...vectors.compare import OTHER, PASS, UNSUPPORTED
from .results import DEPARTS, UNEXPLAINED, Outcome, Results

TOLD = (PASS, DEPARTS, UNEXPLAINED, UNSUPPORTED)  # in the order in which they are shown
LAYERS = {
    "networks": "networks", "BatchNorm": "norms", "Normalize": "norms", "LocalResponseNorm": "norms",
    "LSTM": "recurrent", "GeneralLSTM": "recurrent", "GRU": "recurrent", "RNN": "recurrent",
    "SelectiveScan": "recurrent", "MaxPool": "routes",
}  # fmt: skip
RULES = {
    "LRP0": "epsilon", "Epsilon": "epsilon", "Gamma": "gamma", "GeneralizedGamma": "gamma", "AlphaBeta": "alpha-beta",
    "ZPlus": "z-plus", "WSquare": "flat", "Flat": "flat", "ZBox": "z-box", "Product": "products", "Taylor": "products",
    "Zero": "products",
}  # fmt: skip
FAMILIES = {
    "epsilon": "LRP-0, ε", "gamma": "γ", "alpha-beta": "αβ", "z-plus": "z⁺", "z-box": "zᴮ", "flat": "w², flat",
    "routes": "max pools, routes", "products": "products, softmax", "norms": "norms", "recurrent": "recurrent",
    "networks": "networks",
}  # fmt: skip
SMALLEST = ("core/small/", "core/magnitude/")  # cases that are made to be read


def family(outcome: Outcome) -> str:
    """Return the family of rules that a case belongs to.

    Example:
        >>> family(Outcome("a", "AlphaBeta (β = 0)", "Conv", "pass")), family(Outcome("b", "own", "Concat", "pass"))
        ('alpha-beta', 'routes')
    """
    return LAYERS.get(outcome.layer) or RULES.get(outcome.rule.partition(" ")[0], "routes")


def by_family(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Return the cases of every family, in the order of the columns; families without cases too."""
    found: dict[str, list[Outcome]] = {name: [] for name in FAMILIES}
    for outcome in outcomes:
        found[family(outcome)].append(outcome)
    return found


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return the number of cases by status, in the order in which they are shown; options set aside are not counted."""
    found = Counter(o.status for o in outcomes)
    return {status: found[status] for status in TOLD}


def count(n: int) -> str:
    """Return a number of cases in words.

    Example:
        >>> count(1), count(2)
        ('1 case', '2 cases')
    """
    return f"{n} case" if n == 1 else f"{n} cases"


def set_aside(results: Results) -> int:
    """Return the number of cases of options that the program has not chosen."""
    return sum(o.status == OTHER for o in results.outcomes)


@dataclass(frozen=True)
class Departed:
    """A departure that a program has.

    Attributes:
        names: its id; of departures with the same numbers all their ids.
        cases: whose numbers are the departure's.
        smallest: the one that is easiest to read.
    """

    names: tuple[str, ...]
    cases: tuple[Outcome, ...]
    smallest: Outcome

    @property
    def families(self) -> Mapping[str, int]:
        """Number of cases by family."""
        found = Counter(family(o) for o in self.cases)
        return {name: found[name] for name in FAMILIES if found[name]}


def departures(outcomes: Iterable[Outcome]) -> list[Departed]:
    """Return the departures of a program, the one with most cases first."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for told in outcome.dialects if outcome.status == DEPARTS else ():
            found.setdefault(told, []).append(outcome)
    listed = [Departed(tuple(told.split(" or ")), tuple(cases), smallest(cases)) for told, cases in found.items()]
    return sorted(listed, key=lambda d: (-len(d.cases), d.names))


def smallest(cases: Iterable[Outcome]) -> Outcome:
    """Return the case that is easiest to read: alone in its cause, made to be read, with few numbers, but two."""

    def size(outcome: Outcome) -> tuple[bool, bool, bool, bool, int, int]:
        alone, whole, many = len(outcome.dialects) == 1, not outcome.where, len(outcome.expected)
        return not alone, not whole, not outcome.id.startswith(SMALLEST), many < 2, many, len(outcome.id)

    return min(cases, key=size)


def verdict(outcomes: Iterable[Outcome]) -> str:
    """Return the counts in words, those that are 0 left out except the unexplained.

    Example:
        >>> verdict([Outcome("a", "Flat", "Dense", "pass"), Outcome("b", "Flat", "Dense", "departs")])
        '1 pass, 1 with a named departure, 0 unexplained'
    """
    found = counts(outcomes)
    words = {PASS: "pass", DEPARTS: "with a named departure", UNEXPLAINED: "unexplained", UNSUPPORTED: "unsupported"}
    return ", ".join(f"{n} {words[status]}" for status, n in found.items() if n or status in (PASS, UNEXPLAINED))
