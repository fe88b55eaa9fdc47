"""``lrp-ref explain``: pictures, relevances and the ledger of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ..arrays import Array
from ..errors import ModelFormatError, ParameterError
from ..explanation import Explanation
from ..preprocess import declare, load_sidecar
from . import inputs, report
from .inputs import Sample
from .job import Job, single
from .options import FILE, composite_options, find_target, load_network, make_composite, output_option, rule_option
from .output import progress


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True, type=FILE)
@click.option(
    "-t", "--target", "targets", multiple=True, help="Output to explain, by number or class name; repeatable."
)
@click.option("--top", default=1, type=click.IntRange(min=1), help="Explain this many of the largest outputs.")
@click.option("-c", "--composite", help="Which rules; 'lrp-ref composites' lists them. Default: the sidecar's.")
@composite_options
@rule_option
@click.option("--start", default="logit", show_default=True, help="Start relevance; reference=VALUE for regressions.")
@output_option
@click.option("-o", "--directory", default="explanations", show_default=True, type=FILE, help="For the results.")
@click.option("--cmap", help="Colour map of the pictures.")
@click.option("--limit", help="|R| where colours end: a number or a percentile such as 99%.")
@click.option("--smooth", is_flag=True, help="Smooth pictures between pixels.")
@click.option("--size", type=click.IntRange(min=1), help="Least length of a map's longer side in pixels.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
@click.option("--xp", type=click.Choice(["numpy", "cupy"]), help="Array library to compute with.")
@click.option("--batch-size", default=1, show_default=True, type=click.IntRange(min=1), help="Samples at a time.")
@click.option("--trace", is_flag=True, help="Keep the values and relevances of all nodes in the .npz, for 'diff'.")
@click.option("--ledger", is_flag=True, help="Print the ledger node by node.")
@click.option("--ledger-file", type=FILE, help="Write all ledgers as .csv or .json.")
@click.option("--plan", is_flag=True, help="Print which rule every node gets, and why.")
@click.option("--show", "view", is_flag=True, help="Open the pictures.")
def explain(model: Path, inputs_: tuple[Path, ...], targets: tuple[str, ...], **options: Any) -> None:
    """Explain the outputs of MODEL for each INPUT.

    INPUT is a picture, a folder of pictures, or an .npy or .npz file with the network's inputs, as the model file
    declares them ('lrp-ref show' says which axis is the batch). Writes NAME.png (input, relevance, relevance on input)
    and NAME.npz (relevance, output, target).
    """
    if targets and options["top"] > 1:
        raise ParameterError("--target and --top exclude each other: give one of them")
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"]), sidecar)
    classes = sidecar.classes if sidecar else ()
    chosen = tuple(dict.fromkeys(find_target(t, classes) for t in targets))
    composite = make_composite(options["composite"], sidecar, options)
    job = Job(model, net, sidecar, composite, chosen, options["top"], options)
    files = inputs.expand(inputs_)
    results = report.Results(options["directory"], files.values())
    with ExitStack() as stack:
        ledgers = stack.enter_context(report.LedgerFile(options["ledger_file"])) if options["ledger_file"] else None
        step = stack.enter_context(progress(len(files), "explaining"))
        for number, (sample, found) in enumerate(_explained(job, files, step)):
            if number == 0:
                _check_classes(job, found[0])
                if options["plan"]:
                    click.echo(f"{found[0].plan!r}\n")
            paths = report.write(job, results, sample, found)
            report.tell(job, sample, found, paths, brief=len(files) > 1 or sample.several)
            if ledgers is not None:
                ledgers.add(sample.name, found)


def _explained(
    job: Job, files: dict[str, Path], step: Callable[[], None]
) -> Iterator[tuple[Sample, list[Explanation]]]:
    """Yield every sample with its explanations."""

    def samples() -> Iterator[Sample]:
        for name, path in files.items():
            yield from inputs.read(name, path, job.net, job.sidecar, job.model, job.dtype)
            step()

    for batch in inputs.batches(samples(), job.options["batch_size"]):
        found = job.explain_all({i.name: _joined([s.x[i.name] for s in batch], i.batch_axis) for i in job.net.inputs})
        for k, sample in enumerate(batch):
            yield sample, [single(e, k) for e in found]


def _joined(arrays: list[Array], axis: int) -> Array:
    import numpy as np

    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def _check_classes(job: Job, e: Explanation) -> None:
    count = e.output.reshape(-1).shape[0]
    if job.classes and len(job.classes) != count:
        raise ModelFormatError(
            f"the sidecar of {job.model} names {len(job.classes)} classes; the output has {count} numbers"
        )
