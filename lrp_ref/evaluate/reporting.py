"""Methods × measures on the same samples, always with a random map beside them, and honest about ties."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, convert, namespace, to_numpy
from ..base.files import replace_file
from ..base.frozen import Value
from ..base.tables import html, number, text
from ..errors import ParameterError, ShapeError, unknown
from ..network.network import Network
from .control import RandomExplainer
from .curve import Curve
from .detection import mask_boxes
from .given import Host, Output, Progress, require_input
from .measures import LARGER, SMALLER, Given, Measure, find
from .stream import batch_size
from .ties import LEAST, LEVEL, best, quantile, summary

if TYPE_CHECKING:
    from PIL.Image import Image

RANDOM = "random"
ARROWS = {LARGER: "↑", SMALLER: "↓", "neither": ""}
USUAL = ("pixel_flipping", "insertion", "deletion", "gini", "entropy")
USUAL_MASKED = ("pointing_game", "relevance_mass", "relevance_rank", "context_ratio")
HELD = f"the best, or not distinguishable from it (paired Wilcoxon test, p ≥ {LEVEL}, not corrected)"
Explainer = Callable[[Any, Array, Any], Array]


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
            >>> from lrp_ref.evaluate import known
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


def report(
    f_or_net: Network | Callable[[Array], Array],
    x: Array,
    maps: Mapping[str, Array] | None = None,
    *,
    measures: Sequence[str | Measure] | None = None,
    target: Any = None,
    masks: Array | None = None,
    boxes: Array | None = None,
    explainers: Mapping[str, Explainer] | None = None,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare maps of the same samples under measures, with a random map as the control.

    Args:
        f_or_net: a network, or a function from a batch to outputs (N, K). What it returns is measured: of a network
            that ends in a softmax the probability.
        x: (N, ...).
        maps: name → relevance, as measures take it; not "random".
        measures: names of ``lrp.evaluate.MEASURES``, or these ``with_options(...)``; None for pixel_flipping,
            insertion, deletion, gini and entropy, and with masks pointing_game, relevance_mass, relevance_rank and
            context_ratio.
        target: the explained output, as in :func:`lrp_ref.explain`; None for each sample's largest output.
        masks: of the objects, see :mod:`lrp_ref.evaluate.localise`.
        boxes: of the objects (N, 4); None for the tightest around each mask.
        explainers: name → function from (net, x, target) to maps, for measures that explain again, and for names that
            are not in ``maps``.
        seed: of the random map, and of what measures draw.
        batch: rows that f is given at once.
        progress: called with (done, total) after each map under each measure.

    Returns:
        A Report; it prints as a table.

    Raises:
        ParameterError: an unknown measure, a name "random", or what a measure needs and has not been given.
        LrpError: what a measure raises.

    Example:
        >>> from lrp_ref.evaluate import known
        >>> made = known.patch(samples=20)
        >>> found = report(made.net, made.x, {"right": made.relevance}, masks=made.masks, target=0,
        ...                measures=["pixel_flipping", "pointing_game"])
        >>> found
        map           pixel_flipping ↑    pointing_game ↑
        ─────────────────────────────────────────────────
        right   10.74 [10.42, 11.91] *                1 *
        random    5.863 [5.628, 6.638]                0.1
        20 samples: median [25 %, 75 %], of hits the mean
        * the best, or not distinguishable from it (paired Wilcoxon test, p ≥ 0.05, not corrected)
    """
    require_input(x)
    net = f_or_net if isinstance(f_or_net, Network) else None
    f = net.forward if net is not None else f_or_net
    if not callable(f):
        raise ParameterError(f"f_or_net is a {type(f_or_net).__name__}: give a network, or a function like net.forward")
    if target is None and len(x):
        output = Output(f, None, len(x), softmax=False)
        output.predict(x, batch_size(batch, x), lambda done: None)
        assert output.chosen is not None
        target = output.chosen[:, 0]
    ways = dict(explainers or {})
    rows = _rows(dict(maps or {}), ways, net, x, target)
    rows[RANDOM] = RandomExplainer(seed)(net, x, target)
    ways[RANDOM] = RandomExplainer(seed)
    masks, boxes = _objects(x, masks, boxes)
    chosen = [find(m) for m in (_usual(x, masks) if measures is None else measures)]
    if not chosen:
        raise ParameterError("measures is empty: give at least one, or None for the usual ones")
    _require_ways(chosen, list(rows), ways)
    values = np.full((len(rows), len(chosen), len(x)), np.nan)
    curves = []
    for r, (name, relevance) in enumerate(rows.items()):
        given = Given(f, x, relevance, target, masks, boxes, net, ways.get(name), seed, batch)
        for k, measure in enumerate(chosen):
            if name in ways or "explain" not in measure.fields.values():
                values[r, k], curve = measure(given)
                curves += [(name, measure.name, curve)] if curve is not None else []
            if progress is not None:
                progress(r * len(chosen) + k + 1, len(rows) * len(chosen))
    return Report(tuple(rows), tuple(chosen), values, tuple(curves), seed)


def _rows(maps: dict[str, Array], ways: Mapping[str, Explainer], net: Any, x: Array, target: Any) -> dict[str, Array]:
    """Return the map of every name, those that are not given by their explainers."""
    if RANDOM in maps or RANDOM in ways:
        raise ParameterError(f"the name '{RANDOM}' is that of the control, which every report has: give another name")
    if not maps and not ways:
        raise ParameterError("there are no maps to compare: give maps={'name': relevance}, or explainers=")
    for name, relevance in maps.items():
        namespace(x, relevance)
        if relevance.shape[:1] != x.shape[:1]:
            raise ShapeError(f"maps['{name}'] has shape {tuple(relevance.shape)}, and x {tuple(x.shape)}")
    missing = [name for name in ways if name not in maps]
    if missing and net is None:
        raise ParameterError(f"to explain by '{missing[0]}' the network is needed: give it in place of f, or the map")
    return maps | {name: ways[name](net, x, target) for name in missing}


def _usual(x: Array, masks: Array | None) -> tuple[str, ...]:
    return USUAL + (USUAL_MASKED if masks is not None else ())


def _objects(x: Array, masks: Array | None, boxes: Array | None) -> tuple[Array | None, Array | None]:
    """Return masks and boxes, each from the other where one is missing and x is (N, C, H, W)."""
    if masks is not None and boxes is None and x.ndim == 4:
        if tuple(masks.shape) == (len(x), 4):
            return masks, masks
        return masks, convert(mask_boxes(masks), namespace(x))
    return (boxes, boxes) if masks is None and boxes is not None else (masks, boxes)


def _require_ways(chosen: Sequence[Measure], names: Sequence[str], ways: Mapping[str, Explainer]) -> None:
    for measure in chosen:
        if "explain" in measure.fields.values() and not set(ways) & set(names[:-1]):
            raise ParameterError(
                f"measure '{measure.name}' explains again: give explainers={{name: function of (net, x, target)}}"
            )
