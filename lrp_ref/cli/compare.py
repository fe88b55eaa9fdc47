"""``lrp-ref compare``: methods × measures on some inputs, as a picture and a table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from .. import heatmap
from ..evaluate import Report, random_map
from ..loaders.preprocess import declare, load_sidecar
from . import comparing, drawing
from .asked import make_methods, method_options
from .attribute import MethodJob
from .options import FILE, architecture_option, find_target, load_network, output_option
from .output import progress
from .report import Results
from .samples import Sample

DRAWN = 6  # samples in the picture


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True, type=FILE)
@click.option("--methods", "wanted", help=f"{comparing.METHODS_HELP} Default: {', '.join(comparing.METHODS)}.")
@click.option("--measures", help=comparing.MEASURES_HELP)
@method_options
@click.option("--masks", type=FILE, help="Of the objects: .npy or .npz (masks, boxes), or a picture for one input.")
@click.option("-t", "--target", help="Output to explain: number or class name. Default: the largest.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the random map and draws.")
@output_option
@architecture_option
@click.option("-o", "--directory", default="comparison", show_default=True, type=FILE, help="For the results.")
@click.option("--cmap", help="Colour map of the pictures.")
@click.option("--limit", help="|R| where colours end: a number or a percentile such as 99%.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
def compare(model: Path, inputs_: tuple[Path, ...], **options: Any) -> None:
    """Compare what methods make of INPUT, and measure it, beside a random map.

    Writes comparison.png (methods in rows: their maps, each on its own scale, and what the measures say) and
    comparison.json. The score that is explained and measured is the logit, below a final softmax or sigmoid.
    """
    methods = make_methods(comparing.names(options["wanted"], comparing.METHODS), options["given"], options["dialect"])
    chosen = comparing.measures(options["measures"], masked=options["masks"] is not None)
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    name = comparing.one_array(net, model)
    dtype = "float64" if options["float64"] else str(net.dtype or "float32")
    samples, refused = comparing.read(inputs_, net, sidecar, model, dtype, None)
    x = comparing.joined(samples, name)
    masks, boxes = (None, None)
    if options["masks"] is not None:
        masks, boxes = comparing.objects(options["masks"], len(x), x.shape[2:])
    target = None if options["target"] is None else find_target(options["target"], sidecar.classes if sidecar else ())
    kept = {"smooth": False, "size": None, "view": False, "no_canonize": False}
    job = MethodJob(model, net, sidecar, methods, (), 1, "logit", options | kept)
    drawing.check_look(job)
    results = Results(options["directory"], (*inputs_, model))
    with progress(2 * len(methods) + 1, "comparing") as step:
        found = comparing.compared(net, x, methods, target=target, canonized=True, step=step)
        report = comparing.reported(
            found, methods, chosen, masks=masks, boxes=boxes, seed=options["seed"],
            progress=partial(step.within, "measuring"),
        )  # fmt: skip
    click.echo(repr(report))
    paths = [results.path("comparison.png")]
    heatmap.save(_picture(job, samples, found, report), paths[0])
    paths.append(results.path("comparison.json"))
    comparing.save_json(paths[-1], report, comparing.about(model, found, methods, samples))
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")
    comparing.tell_refused(refused)


def _picture(job: MethodJob, samples: list[Sample], found: comparing.Compared, report: Report) -> Any:
    """Return the maps of the first inputs beside the scores; scores alone where the inputs are no pictures."""
    on = drawing.canvas(job, samples[0])
    title = f"{job.model.name}: methods and measures"
    if on.form not in ("photo", "map"):
        return report.picture(title=title)
    drawn = samples[:DRAWN]
    random = random_map(found.x, report.seed)
    maps = [[on.laid(r[k]) for k in range(len(drawn))] for r in (*(a.relevance for a in found.made.values()), random)]
    photos = [on.laid(s.x[job.net.inputs[0].name][0]) if s.shown is None else s.shown for s in drawn]
    labels = [job.classes[k] if job.classes else f"output {k}" for k in (int(t) for t in found.target[: len(drawn)])]
    looks = report.looks()
    if len(samples) > len(drawn):
        looks["remark"] += f"; {len(samples) - len(drawn)} more inputs are measured and not drawn"
    return heatmap.comparison(
        maps, report.middle, inputs=photos if on.form == "photo" else None, input_labels=labels, title=title,
        limit=drawing.limit(job), **({"cmap": job.options["cmap"]} if job.options["cmap"] else {}), **looks,
    )  # fmt: skip
