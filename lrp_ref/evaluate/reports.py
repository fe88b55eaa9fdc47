"""What a report is: numbers of maps under measures for each sample, as table, picture and file, honest about ties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, to_numpy
from ..base.files import replace_file
from ..base.frozen import Value
from ..base.tables import html, number, text
from ..errors import ParameterError, unknown
from .curve import Curve
from .given import Host
from .measures import LARGER, SMALLER, Measure
from .ties import LEAST, LEVEL, best, quantile, summary

if TYPE_CHECKING:
    from PIL.Image import Image

RANDOM = "random"
ARROWS = {LARGER: "↑", SMALLER: "↓", "neither": ""}
HELD = f"the best, or not distinguishable from it (paired Wilcoxon test, p ≥ {LEVEL}, not corrected)"


@dataclass(frozen=True, eq=False, repr=False)
class Report(Value):
    """Numbers per sample of each map under each measure.

    Attributes:
        names: of the maps (R); the last is "random", the control.
        measures: (M).
        values: (R, M, N), float64; NaN where a measure says nothing of a sample.
        curves: name of the map, name of the measure, and the curve that it sums up.
        seed: of what was drawn.
    """

    names: tuple[str, ...]
    measures: tuple[Measure, ...]
    values: Array
    curves: tuple[tuple[str, str, Curve], ...] = ()
    seed: int = 0

    @staticmethod
    def joined(reports: Sequence[Report]) -> Report:
        """Return the report on all samples of several parts of a data set, one part behind the other.

        It is that of all of them at once, up to rounding: every number is of one sample, and so is its random map.

        Args:
            reports: with the same maps, measures and seed.

        Raises:
            ParameterError: none are given, or reports of which these differ.

        Example:
            >>> from lrp_ref.evaluate import known, report
            >>> made = known.patch(samples=4)
            >>> parts = [report(made.net, made.x[k : k + 2], {"right": made.relevance[k : k + 2]}) for k in (0, 2)]
            >>> whole = report(made.net, made.x, {"right": made.relevance})
            >>> bool(np.allclose(Report.joined(parts).values, whole.values, rtol=1e-12, atol=0))
            True
        """
        if not reports:
            raise ParameterError("there are no reports to join: give at least one")
        first = reports[0]
        for k, other in enumerate(reports):
            for what in ("names", "measures", "seed"):
                ours, theirs = getattr(first, what), getattr(other, what)
                if ours != theirs:
                    raise ParameterError(
                        f"report {k} has the {'maps' if what == 'names' else what} {_told(theirs)}, and the first "
                        f"{_told(ours)}: join reports on the same maps, measures and seed"
                    )
        curves = [
            (name, measure, Curve.joined([other.curves[place][2] for other in reports]))
            for place, (name, measure, _) in enumerate(first.curves)
        ]
        values = np.concatenate([to_numpy(other.values) for other in reports], axis=2)
        return Report(first.names, first.measures, values, tuple(curves), first.seed)

    @property
    def samples(self) -> int:
        """N."""
        return int(self.values.shape[2])

    @property
    def middle(self) -> Host:
        """The median over the samples (R, M), of hits the mean; NaN left out."""
        columns = [summary(self.values[:, k], measure.mean) for k, measure in enumerate(self.measures)]
        return np.stack(columns, axis=1)

    @property
    def spread(self) -> Host:
        """The 25 % and the 75 % quantile over the samples (2, R, M); NaN left out."""
        return np.stack([quantile(self.values, part) for part in (0.25, 0.75)])

    @property
    def best(self) -> NDArray[np.bool_]:
        """Which maps are the best under each measure (R, M), or cannot be told from it, see :mod:`.ties`."""
        columns = [best(self.values[:, k], measure.better, measure.mean) for k, measure in enumerate(self.measures)]
        return np.stack(columns, axis=1)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The measures under which the random map is as good as any: they say nothing here."""
        return tuple(m.name for m, ties in zip(self.measures, self.best[-1], strict=True) if ties)

    def __getitem__(self, key: tuple[str, str]) -> Host:
        """Return the numbers (N,) of a map under a measure: ``report["lrp", "gini"]``."""
        name, measure = key
        return np.asarray(self.values[self._row(name), self._column(measure)])

    def _row(self, name: str) -> int:
        if name not in self.names:
            raise unknown("map", str(name), self.names)
        return self.names.index(name)

    def _column(self, name: str) -> int:
        columns = [measure.name for measure in self.measures]
        if name not in columns:
            raise unknown("measure", str(name), columns)
        return columns.index(name)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the headers and the rows of the table that it prints as."""
        middle, (low, high), ties = self.middle, self.spread, self.best
        rows = []
        for r, name in enumerate(self.names):
            cells = [name]
            for k, measure in enumerate(self.measures):
                kept = int((~np.isnan(self.values[r, k])).sum())
                cell = number(middle[r, k]) if kept else "–"
                cell += f" [{number(low[r, k])}, {number(high[r, k])}]" if kept > 1 and not measure.mean else ""
                cell += f" n={kept}" if 0 < kept < self.samples else ""
                cells.append(cell + (" *" if ties[r, k] and self.samples >= LEAST else "  "))
            rows.append(cells)
        heads = [f"{measure.name} {ARROWS[measure.better]}".strip() + "  " for measure in self.measures]
        return ["map", *heads], rows

    def notes(self) -> list[str]:
        """Return what has to be known to read the table, a line each."""
        if self.samples == 1:
            return ["1 sample: nothing can be told apart"]
        read = f"{self.samples} samples: median [25 %, 75 %], of hits the mean"
        if self.samples < LEAST:
            return [read, f"fewer than {LEAST} samples: nothing can be told apart"]
        notes = [read, f"* {HELD}"]
        if self.undecided:
            notes.append(f"the random map is as good as any under {', '.join(self.undecided)}: no ranking there")
        return notes

    def __repr__(self) -> str:
        return "\n".join([text(*self.table(), right=range(1, len(self.measures) + 1)), *self.notes()])

    def _repr_html_(self) -> str:
        return html(*self.table(), title="; ".join(self.notes()), right=range(1, len(self.measures) + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the curves as JSON can hold it: NaN is None, ∞ "inf"."""
        return {
            "samples": self.samples,
            "seed": self.seed,
            "maps": list(self.names),
            "measures": [
                {"name": m.name, "kind": m.kind, "better": m.better, "unit": m.unit, "summary": _summed(m)}
                for m in self.measures
            ],
            "values": _plain(self.values),
            "middle": _plain(self.middle),
            "quartiles": _plain(self.spread),
            "best": self.best.tolist(),
            "undecided": list(self.undecided),
            "test": HELD,
        }

    def save(self, path: str | Path) -> Path:
        """Write :meth:`to_dict` as a JSON file, whole or not at all.

        Raises:
            ParameterError: another suffix than .json, or a folder that does not exist.
        """
        goal = Path(path)
        if goal.suffix.lower() != ".json":
            raise ParameterError(f"cannot write {goal}: a report is saved as JSON, give a name that ends in .json")
        if not goal.parent.is_dir():
            raise ParameterError(f"cannot write {goal}: the folder {goal.parent} does not exist")
        content = json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False, indent=1) + "\n"
        replace_file(goal, lambda stream: stream.write(content.encode("utf-8")))
        return goal

    def picture(self, *, title: str | None = None) -> Image:
        """Draw methods × measures, each measure from its worst to its best, see :func:`lrp_ref.heatmap.scores`."""
        from ..heatmap import scores

        return scores(self.middle, title=title, **self.looks())

    def looks(self) -> dict[str, Any]:
        """Return labels, directions and frames as :func:`lrp_ref.heatmap.scores` takes them."""
        few = self.samples < LEAST
        told = "one input" if self.samples == 1 else f"fewer than {LEAST} inputs"
        return {
            "row_labels": self.names,
            "column_labels": [m.name for m in self.measures],
            "better": [m.better for m in self.measures],
            "best": None if few else self.best,
            "remark": f"{told}: nothing can be told apart" if few else "framed: " + HELD.replace("≥", ">="),
        }

    def curves_picture(self, measure: str, **arguments: Any) -> Image:
        """Draw the curves of all maps under a measure that has them, see :func:`lrp_ref.heatmap.curves`.

        Raises:
            ParameterError: a measure without curves.
        """
        from ..heatmap import curves

        self._column(measure)
        made = {name: curve for name, of, curve in self.curves if of == measure}
        if not made:
            has = sorted({of for _, of, _ in self.curves})
            raise ParameterError(f"measure '{measure}' has no curves; those with curves: {', '.join(has) or 'none'}")
        first = next(iter(made.values()))
        lines = {name: to_numpy(curve.curve).astype(np.float64) for name, curve in made.items()}
        return curves(lines, first.fractions, **{"axes": first.axes, "title": measure, "control": RANDOM} | arguments)


def _told(what: Any) -> str:
    """Return names, measures or a seed in words."""
    return ", ".join(str(getattr(one, "name", one)) for one in what) if isinstance(what, tuple) else str(what)


def _summed(measure: Measure) -> str:
    return "mean" if measure.mean else "median"


def _plain(values: Any) -> Any:
    """Return numbers in nested lists as JSON can hold them."""
    if isinstance(values, np.ndarray):
        return _plain(values.tolist())
    if isinstance(values, list):
        return [_plain(value) for value in values]
    if values != values:
        return None
    return values if abs(values) != np.inf else "inf" if values > 0 else "-inf"
