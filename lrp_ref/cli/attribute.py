"""``lrp-ref attribute``: maps of predictions by the methods that are set beside LRP."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..base.arrays import Array
from ..base.tables import number
from ..errors import NonFiniteError, ParameterError, ShapeError
from ..loaders.preprocess import declare, load_sidecar
from ..methods import METHODS, Attribution
from ..methods import attribute as attribute_network
from ..text import sizes
from . import drawing, inputs, report, stream
from .asked import make_methods, method_options, parameters
from .job import Found, Job
from .options import FILE, architecture_option, class_names, find_outputs, load_network, output_option
from .output import Progress, print_table, progress, warn
from .samples import Refused, Sample
from .sentences import BagReader, Reader, has_text, reader_of
from .wording import headline, label

METHOD_HELP = f"Which method; repeatable: several make one sheet. {', '.join(METHODS)}, or a composite for LRP."
TARGET_HELP = "Output to explain: number, class name, or a sum A+B; repeatable. Default: the largest."


@dataclass(frozen=True)
class MethodJob(Job):
    """A job whose results are attributions.

    Attributes:
        against: the output that is subtracted from the target.
        step: what counts the inputs, and is told how far a method is with one.
    """

    against: Any = None
    step: list[Progress] = field(default_factory=list)

    @property
    def one_scale(self) -> bool:
        return False  # a gradient and a share of f are in different units

    def explain(self, x: dict[str, Array], composite: Any, target: Any) -> Attribution:
        """Return what one method makes of a batch, on the host."""
        given = x if len(self.net.inputs) > 1 else next(iter(x.values()))
        tell = None if not self.step else lambda done, total: self.step[0].within(composite.label, done, total)
        a = attribute_network(
            self.net, given, composite, target=target, start=self.start, against=self.against,
            canonize=not self.options["no_canonize"], xp=self.options["xp"], progress=tell,
        )  # fmt: skip
        return a.to_numpy()

    def batch(self, sample: Sample) -> int:
        """Return how many samples to give to a method at a time: it divides them as fits into memory.

        Raises:
            LrpError: what is wrong with the question, for every sample of this kind: it is asked of no samples first.
        """
        of = inputs.kind(sample)
        if of not in self.batches:
            self.batches[of] = int(self.options["batch_size"] or 8)
            axes = {i.name: i.batch_axis for i in self.net.inputs}
            if None not in axes.values():
                none = {name: np.take(a, [], axis=axes[name] or 0) for name, a in sample.x.items()}
                with suppress(ShapeError, NonFiniteError):  # of this sample alone, perhaps
                    for method in self.composites.values():
                        for target in self.targets or (None,):
                            self.explain(none, method, target)
        return self.batches[of]


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True)
@click.option("-m", "--method", "names", multiple=True, required=True, help=METHOD_HELP)
@method_options
@click.option("-t", "--target", "targets", multiple=True, help=TARGET_HELP)
@click.option("--against", help="Explain the difference of the target and this output.")
@click.option("--start", default="logit", show_default=True, help="Look at the logit, or at the 'output' as it is.")
@output_option
@architecture_option
@click.option("-o", "--directory", default="attributions", show_default=True, type=FILE, help="For the results.")
@click.option("--cmap", help="Colour map of the pictures.")
@click.option("--limit", help="|R| where colours end: a number or a percentile such as 99%.")
@click.option("--smooth", is_flag=True, help="Smooth pictures between pixels.")
@click.option("--size", type=click.IntRange(1, 8192), help="Least length of a map's longer side in pixels.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm as it is in the file.")
@click.option("--xp", type=click.Choice(["numpy", "cupy"]), help="Array library to compute with.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Inputs at a time. Default: 8.")
@click.option("--strict", is_flag=True, help="Stop at the first input that cannot be explained.")
@click.option("--show", "view", is_flag=True, help="Open the pictures.")
def attribute(model: Path, inputs_: tuple[str, ...], targets: tuple[str, ...], **options: Any) -> None:
    """Explain the outputs of MODEL for each INPUT by another method than LRP, or by LRP beside others.

    'lrp-ref methods' lists the methods with their parameters, which --set gives. INPUT is what 'lrp-ref explain' takes.
    Writes NAME.png and NAME.npz (relevance, output, target and what else was found); with several methods one sheet
    and NAME_METHOD.npz for each.
    """
    methods = make_methods(options.pop("names"), parameters(options), options["dialect"])
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"], **sizes(model, None)), sidecar)
    if options["float64"] and net.tokens >= {i.name for i in net.inputs}:
        net = net.astype("float64")
    classes = class_names(net, sidecar)
    chosen = tuple(dict.fromkeys(find_outputs(t, classes) for t in targets))
    against = None if options["against"] is None else find_outputs(options["against"], classes)
    if against is not None and against in chosen:
        raise ParameterError(f"--target and --against are both {options['against']}: give two different outputs")
    kept = {"top": 1, "trace": False, "ledger": False, "latex": False, "skip_existing": False}
    named = {_file_name(name): method for name, method in methods.items()}
    job = MethodJob(model, net, sidecar, named, chosen, 1, options["start"], options | kept, against=against)
    job = replace(job, reader=_reader(job, inputs_))
    drawing.check_look(job)
    files, refused = inputs.found(inputs_, text=job.reader is not None)
    tally = stream.Tally(strict=options["strict"])
    _run(job, files, refused, tally)
    tally.finish()


def _file_name(label: str) -> str:
    """Return the label of a method as it may be in the name of a file."""
    return "".join(c if c.isalnum() or c in "._-=" else "_" for c in label).strip("_")


def _reader(job: Job, given: tuple[str, ...]) -> Reader | BagReader | None:
    """Return what reads the text among the inputs; None where there is none."""
    return reader_of(job.net, job.model, job.sidecar, None, None, job.dtype) if has_text(given) else None


def _run(job: MethodJob, files: dict[str, inputs.Source], refused: list[Refused], tally: stream.Tally) -> None:
    """Explain all inputs; write and print the results of each as soon as they are there."""
    noted = set[str]()
    sidecar = job.model.with_suffix(".json") if job.options["sidecar"] is None else job.options["sidecar"]
    given = (*files.values(), job.model, sidecar)
    results = report.Results(job.options["directory"], [f for f in given if isinstance(f, Path)])
    with progress(len(files), "attributing") as step:
        job.step.append(step)
        for one in refused:
            tally.refuse(one)
        for sample, found, on, drawn in stream.explained(job, files, results, tally, step):
            note = drawing.unused(job, on)
            if note and note not in noted:
                noted.add(note)
                warn(note)
            paths = report.write(job, results, sample, found, drawn)
            _tell(job, sample, found, paths, brief=len(files) > 1 or sample.several)
        tally.fail_if_none()


def _tell(job: Job, sample: Sample, found: Found, paths: list[Path], *, brief: bool) -> None:
    """Print what was predicted, what each method makes of it, and what was written."""
    first: Attribution = next(iter(found.values()))[0]
    if not brief:
        asked = [int(k) for a in next(iter(found.values())) for k in a.target.reshape(-1)]
        report.tell_classes(job, first, list(dict.fromkeys(asked)))
        click.echo("")
    rows = [_row(job, a) for several in found.values() for a in several]
    if brief:
        for row in rows:
            click.echo(
                f"{sample.name}: {headline(job, first)}; {row[0]}: sum {row[2]}, misses {row[4] or 'no promise'}"
            )
        click.echo(f"{sample.name}: {', '.join(map(str, paths))}")
    else:
        headers = ("method", "of", "sum of relevance", "what it explains", "misses it by", "found")
        print_table(headers, rows, right=(2, 3, 4))
        for words in dict.fromkeys(note for several in found.values() for a in several for note in a.notes):
            click.echo(f"note: {words}")
        if first.starts_at and first.starts_at not in first.notes:
            click.echo(first.starts_at)
        if len(rows) == 1 and sample.fed is None:
            report.tell_vector(job, sample, first)
    for several in found.values():
        for a in several:
            report.tell_words(job, sample, a)
    if not brief:
        click.echo("\nwritten: " + ", ".join(map(str, paths)))


def _row(job: Job, a: Attribution) -> list[str]:
    """Return what a method makes of one sample, as a row of the table; no promise of a sum is an empty cell."""
    explained, missed = float(a.explained[0]), float(a.completeness[0])
    promised = explained == explained
    alone = {name: array for name, array in a.found.items() if np.ndim(array) == 1}
    found = ", ".join(f"{name} {number(float(array[0]))}" for name, array in alone.items())
    return [
        a.rules, label(job, a), number(float(a.arrived[0])), number(explained) if promised else "",
        f"{missed:.1e}" if promised else "", found,
    ]  # fmt: skip
