"""``lrp-ref evaluate``: methods × measures on a data set, with the curves and their spread."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from .. import heatmap
from ..loaders.preprocess import declare, load_sidecar
from . import comparing
from .asked import make_methods, method_options
from .options import FILE, architecture_option, find_target, load_network, output_option
from .output import progress, warn
from .report import Results


@click.command()
@click.argument("model", type=FILE)
@click.argument("data", metavar="DATA...", nargs=-1, required=True, type=FILE)
@click.option("--methods", "wanted", required=True, help=comparing.METHODS_HELP)
@click.option("--measures", help=comparing.MEASURES_HELP)
@method_options
@click.option("--masks", type=FILE, help="Of the objects: .npy or .npz (masks, boxes).")
@click.option("-t", "--target", help="Output to explain: number or class name. Default: each sample's largest.")
@click.option("--limit-samples", type=click.IntRange(min=1), help="Take this many samples. Default: all.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the random map and draws.")
@output_option
@architecture_option
@click.option("-o", "--directory", default="evaluation", show_default=True, type=FILE, help="For the results.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
def evaluate(model: Path, data: tuple[Path, ...], **options: Any) -> None:
    """Measure methods on DATA: .npy or .npz files with the network's inputs, pictures, or folders of them.

    Prints medians with quartiles over the samples, beside a random map, and which method is best or cannot be told from
    it. Writes evaluation.json (every number, the seeds and versions), scores.png, and MEASURE.png with the curves and
    their spread. The score that is explained and measured is the logit, below a final softmax or sigmoid.
    """
    methods = make_methods(comparing.names(options["wanted"], ()), options["given"], options["dialect"])
    chosen = comparing.measures(options["measures"], masked=options["masks"] is not None)
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    name = comparing.one_array(net, model)
    dtype = "float64" if options["float64"] else str(net.dtype or "float32")
    samples, refused = comparing.read(data, net, sidecar, model, dtype, options["limit_samples"])
    x = comparing.joined(samples, name)
    masks, boxes = (None, None)
    if options["masks"] is not None:
        masks, boxes = comparing.objects(options["masks"], len(x), x.shape[2:])
    target = None if options["target"] is None else find_target(options["target"], sidecar.classes if sidecar else ())
    results = Results(options["directory"], (*data, model))
    if len(x) < 10:
        warn(f"{len(x)} samples tell little: quartiles and ties are of so few")
    with progress(len(methods) + 1, "evaluating") as step:
        found = comparing.compared(net, x, methods, target=target, canonized=True, step=step)
        report = comparing.reported(
            found, methods, chosen, masks=masks, boxes=boxes, seed=options["seed"],
            progress=partial(step.within, "measuring"),
        )  # fmt: skip
    click.echo(repr(report))
    paths = [results.path("evaluation.json"), results.path("scores.png")]
    comparing.save_json(paths[0], report, comparing.about(model, found, methods, samples))
    heatmap.save(report.picture(title=f"{model.name}: {len(x)} samples"), paths[1])
    for measure in dict.fromkeys(of for _, of, _ in report.curves):
        paths.append(results.path(f"{measure}.png"))
        heatmap.save(report.curves_picture(measure), paths[-1])
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")
    comparing.tell_refused(refused)
