"""What ``lrp-ref explain`` writes and prints for one sample."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..errors import ParameterError
from ..explanation import Explanation
from ..layers import Softmax
from ..tables import number
from ..trace import COLUMNS
from .inputs import Sample
from .job import Job
from .output import percent, print_table

if TYPE_CHECKING:
    from PIL.Image import Image


ROUNDED = 1e-2  # of the start relevance: a ledger that rounding leaves open by more tells nothing


class Results:
    """The folder for results: made at the first result, no file is written twice, no input overwritten.

    Args:
        folder: where results go.
        sources: files that must stay as they are.
    """

    def __init__(self, folder: Path, sources: Iterable[Path]) -> None:
        self.folder = folder
        self.taken = {path.resolve() for path in sources}

    def path(self, name: str) -> Path:
        """Return the path of a new result.

        Raises:
            ParameterError: it is one of the inputs, or has been written before in this run.
        """
        path = self.folder / name
        if path.resolve() in self.taken:
            raise ParameterError(f"{path} is an input or a result of this run; choose another folder with -o")
        self.taken.add(path.resolve())
        self.folder.mkdir(parents=True, exist_ok=True)
        return path


class LedgerFile:
    """All ledgers as one table, .csv or .json: written under a temporary name, renamed at the end.

    Args:
        path: of the file; its suffix says the format.
    """

    FIELDS = ("input", "target", "node", "rule", *COLUMNS)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.csv = path.suffix.lower() == ".csv"
        if not self.csv and path.suffix.lower() != ".json":
            raise ParameterError(f"{path}: a ledger is written as .csv or .json")
        if not path.parent.is_dir():
            raise ParameterError(f"{path}: the folder {path.parent} does not exist")
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.rows = 0

    def __enter__(self) -> LedgerFile:
        self.file = self.part.open("w", encoding="utf-8", newline="")
        if self.csv:
            csv.writer(self.file).writerow(self.FIELDS)
        return self

    def add(self, name: str, explanations: list[Explanation]) -> None:
        """Append the ledgers of one sample."""
        for e in explanations:
            for row in e.ledger:
                numbers = [float(getattr(row, c)[0]) for c in COLUMNS]
                cells = [name, "" if e.target is None else int(e.target[0, 0]), row.node, row.rule, *numbers]
                if self.csv:
                    csv.writer(self.file).writerow(cells)
                else:
                    line = json.dumps(dict(zip(self.FIELDS, cells, strict=True)), ensure_ascii=False)
                    self.file.write((",\n" if self.rows else "[\n") + line)
                self.rows += 1

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        try:
            if not self.csv:
                self.file.write("\n]\n" if self.rows else "[]\n")
            self.file.close()
            if kind is None:
                self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)


def probabilities(job: Job, e: Explanation) -> NDArray[Any] | None:
    """Return the softmax of the outputs (K,), or the outputs where they are one; None for a single output."""
    values = e.output.reshape(-1).astype(np.float64)
    if values.size < 2:
        return None
    if isinstance(e.plan[-1].layer, Softmax):
        return np.asarray(values)
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


def label(job: Job, index: int) -> str:
    """Return the name of an output."""
    return job.classes[index] if job.classes else f"output {index}"


def _headline(job: Job, e: Explanation) -> str:
    """Return what was explained, and what was predicted where that is another class."""
    values, chances = e.output.reshape(-1), probabilities(job, e)

    def one(index: int) -> str:
        return label(job, index) + (f", {100 * chances[index]:.0f} %" if chances is not None else "")

    best = int(values.argmax())
    if values.size == 1:
        return f"{label(job, 0)}: {number(float(values[0]))}"
    if e.target is None or int(e.target[0, 0]) == best:
        return one(best)
    return f"for {one(int(e.target[0, 0]))} (predicted: {one(best)})"


def picture(job: Job, sample: Sample, e: Explanation) -> Image | None:
    """Return an explanation as a picture; None for inputs that are neither an image nor a known series."""
    if isinstance(e.relevance, dict):
        return None
    relevance, x = e.relevance[0], next(iter(sample.x.values()))[0]
    look: dict[str, Any] = {"limit": _limit(job)}
    if job.options["cmap"]:
        look["cmap"] = job.options["cmap"]
    sidecar, headline = job.sidecar, _headline(job, e)
    if sidecar is not None and sidecar.kind == "series" and relevance.ndim == 2:
        if sidecar.layout == "NTC":
            relevance, x = relevance.T, x.T
        names = sidecar.channel_names or None
        title = f"{headline} · {e.rules} · sum of relevance {number(float(relevance.sum()))}"
        return heatmap.series(x, relevance, channel_names=names, title=title, **look)
    if relevance.ndim != 3:
        return None
    if sidecar is not None and sidecar.kind == "image" and sidecar.layout == "NHWC":
        relevance, x = relevance.transpose(2, 0, 1), x.transpose(2, 0, 1)
    look |= {"size": job.options["size"], "interpolation": "bicubic" if job.options["smooth"] else "nearest"}
    if sample.shown is None and x.shape[0] not in (1, 3):
        return heatmap.image(relevance, title=f"{headline} · {e.rules}", **look)
    note = None if e.start == "Logit()" else f"start {e.start}"
    shown = x if sample.shown is None else sample.shown
    return heatmap.panel(relevance, shown, prediction=headline, composite=e.rules, note=note, **look)


def _limit(job: Job) -> float | str | None:
    text = job.options["limit"]
    if text is None:
        return job.sidecar.limit if job.sidecar else None
    try:
        return float(text)
    except ValueError:
        return str(text)


def write(job: Job, results: Results, sample: Sample, found: list[Explanation]) -> list[list[Path]]:
    """Write picture (if there is one) and relevances of each explanation; return their paths."""
    # All pictures are drawn before the first file is written: an unusable option leaves no files.
    drawn = [picture(job, sample, e) for e in found]
    paths: list[list[Path]] = []
    for e, image in zip(found, drawn, strict=True):
        name = sample.name if len(found) == 1 or e.target is None else f"{sample.name}_target{int(e.target[0, 0])}"
        paths.append([])
        if image is not None:
            paths[-1].append(heatmap.save(image, results.path(f"{name}.png")))
            if job.options["view"]:
                image.show()
        paths[-1].append(e.save(results.path(f"{name}.npz"), trace=e.kept is not None))
    return paths


def tell(job: Job, sample: Sample, found: list[Explanation], paths: list[list[Path]], *, brief: bool) -> None:
    """Print what was predicted, where the relevance went and what was written."""
    if brief:
        for e, (path, *_) in zip(found, paths, strict=True):
            start, arrived = float(e.start_relevance.sum()), _arrived(e)
            click.echo(
                f"{sample.name}: {_headline(job, e)}; relevance {number(start)}, at the input {number(arrived)}, "
                f"ledger residual {e.ledger.residual:.1e}; {path}"
            )
        return
    _tell_classes(job, found[0])
    for e in found:
        _tell_ledger(job, e)
    click.echo("\nwritten: " + ", ".join(str(path) for pair in paths for path in pair))


def _tell_classes(job: Job, e: Explanation) -> None:
    values, chances = e.output.reshape(-1), probabilities(job, e)
    best = (-values).argsort(kind="stable")[:5]
    shares = [""] * len(best) if chances is None else [f"{100 * chances[k]:.2f} %" for k in best]
    rows = [[str(k), label(job, k), number(float(values[k])), s] for k, s in zip(best, shares, strict=True)]
    print_table(("output", "class", "value", "softmax"), rows, right=(0, 2, 3))


def _tell_ledger(job: Job, e: Explanation) -> None:
    """Print where every unit of the start relevance went: start = input + bias + stabiliser + dropped + residual."""
    start = float(e.start_relevance.sum())
    of = "" if e.target is None else f" of {label(job, int(e.target[0, 0]))}"
    click.echo(f"\nrelevance{of}, start {e.start}, composite {e.rules}, {e.output.dtype}")
    rows = [["start", number(start), percent(start, start), ""]]
    rows.append(["to the input", number(_arrived(e)), percent(_arrived(e), start), ""])
    for column, total in e.ledger.total().items():
        value = float(np.asarray(total).sum())
        most = max(e.ledger, key=lambda row: abs(float(getattr(row, column)[0])), default=None)
        part = float(getattr(most, column)[0]) if most is not None else 0.0
        where = f"{most.node} {number(part)}" if most is not None and part and column != "residual" else ""
        words = {"bias": "to biases", "stabiliser": "to stabilisers", "residual": "residual (rounding)"}
        rows.append([words.get(column, column), number(value), percent(value, start), where])
    print_table(("where it went", "relevance", "share", "most at"), rows, right=(1, 2))
    for note in e.notes:
        click.echo(f"note: {note}")
    if e.ledger.residual > ROUNDED:
        click.echo(
            f"note: rounding is {e.ledger.residual:.0e} of the start relevance, as denominators nearly vanish: such a "
            "result does not tell why the network predicts what it does; take another --bias or --composite"
        )
    if job.options["ledger"]:
        click.echo(f"\n{e.ledger.table(0)}")


def _arrived(e: Explanation) -> float:
    parts = e.relevance.values() if isinstance(e.relevance, dict) else [e.relevance]
    return float(sum(p.sum() for p in parts))
