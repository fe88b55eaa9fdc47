"""``lrp-ref evaluate``: methods × measures on a data set, with the curves and their spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError
from . import comparing, stored
from .options import FILE
from .output import progress, warn
from .report import Results

FEW = 10  # samples, of which quartiles tell little
EXPLAINED_HELP = (
    "In place of --methods and of what methods take (-t, --labels, --start, --dialect, --baseline): a store of "
    "'lrp-ref explain-set', whose maps of DATA are measured as they are."
)


@click.command()
@click.argument("model", type=FILE)
@click.argument("data", metavar="DATA...", nargs=-1, required=True, type=FILE)
@click.option("--methods", "wanted", help=comparing.METHODS_HELP)
@click.option("--explained", metavar="STORE", type=FILE, help=EXPLAINED_HELP)
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

    With --explained the maps of a store are measured, a few at a time: DATA is what it was made of, whatever its size.
    """
    if options["explained"] is not None:
        with comparing.patience("--limit-samples N takes fewer samples"):
            stored.evaluate(model, data, options)
        return
    if options["wanted"] is None:
        raise ParameterError("what is to be measured? Give --methods NAME,... or --explained STORE")
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
    paths = [results.path("evaluation.json")]
    comparing.save(paths[0], question, found)
    paths += stored.pictures(results, found.report, f"{model.name}: {len(question.data.x)} samples")
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")
    comparing.finish(question.data.refused)
