"""``lrp-ref compare``: methods × measures on some inputs, as a picture and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from .. import heatmap
from ..base.arrays import Array
from ..evaluate import random_map
from . import comparing, drawing
from .attribute import MethodJob
from .options import FILE
from .output import progress, warn
from .report import Results

DRAWN = 6  # samples in the picture
LONGEST = 1024  # numbers along an axis of a map that is drawn


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True, type=FILE)
@click.option(
    "--methods",
    "wanted",
    help=f"{comparing.METHODS_HELP} Default: {', '.join(comparing.METHODS)} (or the model's own composite).",
)
@comparing.comparing_options
@click.option("-o", "--directory", default="comparison", show_default=True, type=FILE, help="For the results.")
@click.option("--cmap", help="Colour map of the maps.")
@click.option("--limit", help="|R| where the colours of each map end: a number or a percentile such as 99%.")
@click.option("--smooth", is_flag=True, help="Smooth maps between pixels.")
@click.option("--size", type=click.IntRange(1, 8192), help="Least length of a map's longer side in pixels.")
def compare(model: Path, inputs_: tuple[Path, ...], **options: Any) -> None:
    """Compare what methods make of INPUT, and measure it, beside a random map.

    Writes comparison.png (methods in rows: their maps, each on its own scale, and what the measures say) and
    comparison.json. INPUT is a picture, a folder of pictures, or an .npy or .npz file. The score that is explained and
    measured is the logit, below a final softmax or sigmoid, unless --start output is given.
    """
    with comparing.patience("fewer --methods or --measures take less time"):
        question = comparing.ask(model, inputs_, options, comparing.METHODS)
        job = MethodJob(
            model, question.net, question.sidecar, question.methods, (), 1, options["start"], {**options, "view": False}
        )
        drawing.check_look(job)
        results = Results(options["directory"], [f for f in (*inputs_, model, options["masks"]) if f is not None])
        with progress(len(question.methods) + 1, "comparing") as step:
            found = comparing.compared(question, step)
    comparing.tell(question, found)
    paths = [results.path("comparison.png")]
    heatmap.save(_picture(job, question, found), paths[0])
    paths.append(results.path("comparison.json"))
    comparing.save(paths[-1], question, found)
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")
    comparing.finish(question.data.refused)


def _picture(job: MethodJob, question: comparing.Question, found: comparing.Compared) -> Any:
    """Return the maps of the first inputs beside the scores; scores alone where a map cannot be drawn."""
    report, data = found.report, question.data
    title = f"{job.model.name}: methods and measures"
    on = drawing.canvas(job, data.samples[0])
    turned = on.turned and data.x.ndim == 3  # of pictures the batch has its channels in front
    drawn = data.samples[:DRAWN]
    shown = [_flat(one, turned=turned) for one in data.x[: len(drawn)]]
    looks = report.looks()
    if shown[0] is None or max(shown[0].shape[-2:]) > LONGEST:
        unused = [f"--{key}" for key in ("cmap", "limit", "smooth", "size") if question.options[key]]
        if unused:
            verb = "has" if len(unused) == 1 else "have"
            warn(f"{', '.join(unused)} {verb} no effect: maps of shape {data.x.shape[1:]} are not drawn")
        return report.picture(title=title)
    rows = [*(a.relevance for a in found.made.values()), random_map(data.x, report.seed)]
    maps = [[_flat(relevance[k], turned=turned) for k in range(len(drawn))] for relevance in rows]
    photos = [x if s.shown is None else s.shown for x, s in zip(shown, drawn, strict=True)]
    classes = question.classes
    labels = [classes[k] if k < len(classes) else f"output {k}" for k in map(int, found.target[: len(drawn)])]
    if len(data.samples) > len(drawn):
        looks["remark"] += f"; {len(data.samples) - len(drawn)} more inputs are measured and not drawn"
    looks["remark"] += "; each map has its own scale, which ends at the number below it"
    colours = {"cmap": question.options["cmap"]} if question.options["cmap"] else {}
    photo = all(p is not None and (p.ndim == 2 or p.shape[0] in (1, 3) or p.dtype == np.uint8) for p in photos)
    return heatmap.comparison(
        maps, report.middle, inputs=photos if photo else None, input_labels=labels, title=title,
        limit=drawing.limit(job), size=question.options["size"],
        interpolation="bicubic" if question.options["smooth"] else "nearest", **colours, **looks,
    )  # fmt: skip


def _flat(array: Array, *, turned: bool) -> Any:
    """Return one sample, or its map, as something that can be drawn: a vector is a row, a signal channels × steps."""
    if array.ndim == 1:
        return array[None]
    if array.ndim == 2:
        return array.T if turned else array
    return array if array.ndim == 3 else None
