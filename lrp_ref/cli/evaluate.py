"""``lrp-ref evaluate``: methods × measures on a data set, with the curves and their spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import heatmap
from ..errors import ParameterError
from . import comparing
from .options import FILE
from .output import progress, warn
from .report import Results

FEW = 10  # samples, of which quartiles tell little


@click.command()
@click.argument("model", type=FILE)
@click.argument("data", metavar="DATA...", nargs=-1, required=True, type=FILE)
@click.option("--methods", "wanted", required=True, help=comparing.METHODS_HELP)
@comparing.comparing_options
@click.option("--labels", "of_labels", is_flag=True, help="Explain the class that DATA gives each sample.")
@click.option("--limit-samples", type=click.IntRange(min=1), help="Take this many samples. Default: all.")
@click.option("-o", "--directory", default="evaluation", show_default=True, type=FILE, help="For the results.")
def evaluate(model: Path, data: tuple[Path, ...], **options: Any) -> None:
    """Measure methods on DATA: .npz or .npy files with the network's input, pictures, or folders of them.

    An .npz file may hold labels, masks and boxes beside the input; pixels in bytes are scaled as the sidecar says.
    Prints medians with quartiles over the samples, beside a random map, and which method is best or cannot be told from
    it. Writes evaluation.json (every number, the seeds and versions), scores.png, and MEASURE.png with the curves and
    their spread. The score is the logit, below a final softmax or sigmoid, unless --start output is given.
    """
    if options["of_labels"] and options["target"] is not None:
        raise ParameterError("--labels and --target exclude each other: give one of them")
    with comparing.patience("--limit-samples N takes fewer samples"):
        question = comparing.ask(model, data, options, ())
        results = Results(options["directory"], [f for f in (*data, model, options["masks"]) if f is not None])
        if len(question.data.x) < FEW:
            warn(f"{len(question.data.x)} samples tell little: quartiles and ties are of so few")
        with progress(len(question.methods) + 1, "evaluating") as step:
            found = comparing.compared(question, step)
    comparing.tell(question, found)
    paths = [results.path("evaluation.json"), results.path("scores.png")]
    comparing.save(paths[0], question, found)
    title = f"{model.name}: {len(question.data.x)} samples"
    heatmap.save(found.report.picture(title=title), paths[1])
    for measure in dict.fromkeys(of for _, of, _ in found.report.curves):
        paths.append(results.path(f"{measure.partition('(')[0]}.png"))
        heatmap.save(found.report.curves_picture(measure), paths[-1])
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")
    comparing.finish(question.data.refused)
