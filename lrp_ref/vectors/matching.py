"""An answer held against the numbers of the known faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cases import Case
from .compare import FLOAT32, VISIBLE
from .faults import NOTHING_ELSE, UNGUARDED, Fault

CLOSE, EQUAL = 1e-5, 6e-6  # of the largest number: an agreement; of the number itself: as close as six digits tell
ROUNDED = 1e-12  # of the largest number, beside EQUAL

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Match:
    """An answer that has the numbers of known faults.

    Attributes:
        names: the faults at work: one, or one beside divisions by 0 that nothing guards.
        numbers: how many numbers agree that are visibly not the right ones; 0 where all are 0, which much may be.
        spoiled: how many are not finite, in a sample of a layer in which a denominator is 0.
        finite: how many are finite and were compared.
        equal: whether they agree in all six digits.
    """

    names: frozenset[str]
    numbers: int
    spoiled: int
    finite: int
    equal: bool

    def evidence(self, name: str) -> int:
        """Return how many numbers show one of the faults."""
        return self.spoiled if name in NOTHING_ELSE else self.numbers


class Numbers:
    """All numbers of one case in a row, the inputs one after another.

    Args:
        case: with expected numbers.

    Attributes:
        right, bound: float64, flat: what is expected, and ulp times the scale of its tolerance.
        sample: which sample of the batch each belongs to.
    """

    def __init__(self, case: Case) -> None:
        pairs = [case.expected()[name] for name in case.inputs]
        self.case = case
        self.right = np.concatenate([value.reshape(-1) for value, _ in pairs])
        self.bound = case.ulp * np.concatenate([scale.reshape(-1) for _, scale in pairs])
        self.sample = np.concatenate([np.indices(value.shape)[0].reshape(-1) for value, _ in pairs])
        self.largest = float(np.abs(self.right).max(initial=0.0))

    def visible(self, values: Array) -> Array:
        """Return which values are visibly not the right ones, which is what a flag stands for; never where NaN."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(values - self.right) > np.maximum(FLOAT32 * self.bound, VISIBLE * self.largest))

    def tells(self, name: str) -> bool:
        """Return whether a fault shows in this case, however it guards a division by 0."""
        fault = self.case.faults.get(name)
        if fault is None:
            return False
        return bool(self.visible(fault.values).any()) or (name in NOTHING_ELSE and bool(fault.open.any()))

    def among(self, which: Array, samples: Iterable[int]) -> bool:
        """Return whether numbers stand in some samples only."""
        return bool(np.isin(self.sample[which], list(samples)).all())

    def matches(self, got: Mapping[str, Array], dtype: str) -> list[Match]:
        """Return the known faults whose numbers an answer has.

        Formula: abs(r − fault's) ≤ 1e-5 of the fault's largest number, in single precision at least the tolerance.
        A division by 0 that nothing guards may spoil all numbers of its sample.

        Args:
            got: arrays by input.
            dtype: of the run.
        """
        row = self.row(got)
        found = (self.match(name, fault, row, dtype) for name, fault in self.case.faults.items())
        return [match for match in found if match is not None]

    def row(self, got: Mapping[str, Array]) -> Array:
        """Return the numbers of an answer one input after another."""
        return np.concatenate([np.asarray(got[name], dtype=np.float64).reshape(-1) for name in self.case.inputs])

    def agrees(self, got: Mapping[str, Array], computed: Mapping[str, Array], dtype: str) -> int | None:
        """Return how many visibly wrong numbers an answer shares with a computed one; None where they differ.

        NaN and infinities have to stand in the same places, and are no evidence.
        """
        theirs, ours = self.row(got), self.row(computed)
        finite = np.isfinite(ours)
        if (np.isfinite(theirs) != finite).any():
            return None
        bound = self.allowed(np.abs(ours[finite]).max(initial=0.0), finite, dtype)
        if not (np.abs(theirs[finite] - ours[finite]) <= bound).all():
            return None
        return int(self.visible(np.where(finite, ours, self.right)).sum()) if ours[finite].any() else 0

    def allowed(self, largest: float, which: Array, dtype: str) -> Any:
        """Return what two answers may differ by, the largest number of one of them given."""
        close = CLOSE * (largest or self.largest)
        return np.maximum(FLOAT32 * self.bound[which], close) if dtype == "float32" else close

    def match(self, name: str, fault: Fault, got: Array, dtype: str) -> Match | None:
        """Return how an answer agrees with a fault, None where it does not."""
        if fault.values.shape != got.shape:
            return None
        names, bad = {name}, ~np.isfinite(got)
        if not self.among(bad, set(self.sample[fault.open])):
            right = self.case.faults.get(UNGUARDED)
            if not self.among(bad, {*fault.zero, *(right.zero if right is not None else ())}):
                return None
            names.add(UNGUARDED)
        if name in NOTHING_ELSE and not bad.any():
            return None
        compared = ~bad & ~fault.open
        values = fault.values[compared]
        size = float(np.abs(values).max(initial=0.0)) or self.largest
        gap = np.abs(got[compared] - values)
        if not (gap <= self.allowed(size, compared, dtype)).all():
            return None
        equal = bool((gap <= EQUAL * np.abs(values) + ROUNDED * size).all())
        shown = int((self.visible(fault.values) & compared).sum()) if values.any() else 0
        known = "network" not in self.case.body  # of a network nobody knows where NaN comes from
        return Match(frozenset(names), shown, int(bad.sum()) * known, int(compared.sum()), equal)
