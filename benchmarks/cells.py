"""One row per cell (network, batch, composite): the seconds of every side next to each other, and who loses to whom."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping

import numpy as np

from .options import largest_difference
from .report import Cell, Table
from .sides import CAPTUM, COMPILED, GRADIENT, NUMPY, PASSED, UNIT, ZENNIT
from .timing import Times

SIDES = {
    NUMPY: "NumPy",
    COMPILED: "compiled",
    ZENNIT: "zennit",
    CAPTUM: "captum",
    UNIT: "forward",
    GRADIENT: "gradient",
}
RATIOS = ((ZENNIT, COMPILED), (ZENNIT, NUMPY), (NUMPY, COMPILED), (COMPILED, UNIT), (COMPILED, GRADIENT))
CONTESTS = ((COMPILED, NUMPY), (COMPILED, ZENNIT), (NUMPY, ZENNIT))  # ours, and whom it may lose to
FIRST = ["network", "batch", "composite"]


class Cells:
    """The cells that were timed, in their order."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.notes: list[str] = []
        self.seconds: list[list[Cell]] = []
        self.ratios: list[list[Cell]] = []
        self.contests: dict[tuple[str, str], dict[str, float]] = {}

    def add(
        self,
        network: str,
        batch: int,
        composite: str,
        times: Mapping[str, Times],
        relevance: Mapping[str, np.ndarray],
    ) -> None:
        """Add a cell: the seconds of its sides, and the relevance of those that compute the same numbers."""
        first: list[Cell] = [network, batch, composite]
        self.seconds.append([*first, *(times[side].median if side in times else None for side in SIDES)])
        ratios = [times[a].over(times[b]) if a in times and b in times else None for a, b in RATIOS]
        self.ratios.append([*first, *ratios, *largest(relevance)])
        for mine, other in CONTESTS:
            if mine in times and other in times:
                contest = self.contests.setdefault((mine, other), {})
                contest[f"{network}, {batch}, {composite}"] = times[mine].over(times[other])

    def tables(self, suffix: str = "") -> list[Table]:
        """Return the seconds and their ratios, and in which cells lrp_ref takes longer."""
        title = f"Images, float32, {self.where}"
        seconds = Table(
            "seconds" + suffix, f"{title}: medians of the seconds", [*FIRST, *(f"{s} [s]" for s in SIDES.values())]
        )
        seconds.rows = self.seconds
        labels = [f"{SIDES[slow]} ÷ {SIDES[fast]} [×]" for slow, fast in RATIOS]
        ratios = Table(
            "ratios" + suffix, f"{title}: medians of the rounds' ratios", [*FIRST, *labels, "difference", "between"]
        )
        ratios.rows = self.ratios
        ratios.notes = [
            "difference: the largest max |R − R′| / max |R| of two sides that compute the same numbers, in float32 as "
            "timed, and which two, R first (how far each is from its own float64: --only accuracy)",
            *(self._mean(k, label) for k, label in enumerate(labels, len(FIRST))),
            *(self._lost(*pair) for pair in self.contests),
            *self.notes,
        ]
        ratios.notes = [note for note in ratios.notes if note]
        return [seconds, ratios]

    def _mean(self, column: int, label: str) -> str:
        found = [float(row[column]) for row in self.ratios if row[column] is not None]  # type: ignore[arg-type]
        if not found:
            return ""
        mean = statistics.geometric_mean(found)
        return f"{label.removesuffix(' [×]')}: {min(found):.2f} to {max(found):.2f}, geometric mean {mean:.2f}"

    def _lost(self, mine: str, other: str) -> str:
        cells = self.contests[mine, other]
        lost = [f"{cell} ({ratio:.2f} times)" for cell, ratio in cells.items() if ratio > 1]
        where = ": " + "; ".join(lost) if lost else ""
        return f"{SIDES[mine]} takes longer than {SIDES[other]} in {len(lost)} of {len(cells)} cells{where}"


def largest(relevance: Mapping[str, np.ndarray]) -> tuple[float | None, str | None]:
    """Return the largest difference of two sides that compute the same numbers, as a share of the first, and which."""
    same = {side: found for side, found in relevance.items() if side != PASSED}
    differences = {(a, b): largest_difference(same[b], same[a]) for a, b in itertools.combinations(same, 2)}
    if not differences:
        return None, None
    a, b = max(differences, key=lambda pair: differences[pair])
    return differences[a, b], f"{SIDES[a]}, {SIDES[b]}"
