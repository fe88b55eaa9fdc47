"""``lrp-ref check``: does the network compute what its file says, and do the rules keep their promises on it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import LrpError, ParameterError, UnsupportedError
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..model_checks import Examination, Report
from ..model_checks.samples import random_samples
from ..network.inputs import batch_first
from ..network.network import Network
from ..network.sizes import USUAL, parse_shape
from ..propagation import composites
from ..propagation.composites import Composite
from . import inputs
from .options import (
    FILE,
    PARAMETERS,
    architecture_option,
    composite_options,
    load_network,
    make_composite,
    output_option,
    rule_option,
    warn_unused_rules,
)
from .output import print_table, progress
from .samples import Sample
from .shapes import chosen_shapes, refuse_with_input, shape_option

TOGETHER = 16  # samples in a batch
COLUMNS = ("composite", "start", "at the input", "not conserved", "least R / largest", "ledger residual", "keeps")


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="[INPUT]...", nargs=-1, type=FILE)
@click.option("-c", "--composite", "names", multiple=True, help="Only these composites; repeatable. Default: all.")
@composite_options
@rule_option
@output_option
@architecture_option
@click.option("--samples", type=click.IntRange(min=1), help="Look at the first so many samples only. Default: all.")
@shape_option
@click.option("--sidecar", type=FILE, help="JSON file that describes the input. Default: beside the model.")
@click.option("--float32", is_flag=True, help="Check in float32; default: float64.")
@click.option("--seed", default=0, show_default=True, help="Of the random input, where no INPUT is given.")
def check(model: Path, inputs_: tuple[Path, ...], names: tuple[str, ...], **options: Any) -> None:
    """Check MODEL and the rules on it; exit status 1 if a check fails or could not be made.

    On all samples of every INPUT the outputs, and the values of all nodes, must agree with onnxruntime's (if that is
    installed), the outputs also with the canonized network's and with those of the sample alone; every composite must
    give finite relevances and close its ledger. Conservation and positivity are properties of the rule and are
    reported. Without INPUT a random sample of the network's shape is used (--samples: so many): tokens are rows of
    their table, other integers 1. A composite that cannot run fails if it was asked for, or if no LRP
    composite can.
    """
    refuse_with_input(inputs_, options["shape"])
    sidecar = load_sidecar(model, options["sidecar"])
    net, fixed = _loaded(model, options["output_name"], options["shape"], options["architecture"])
    net = declare(net, sidecar)
    warn_unused_rules(net, options["rules"])
    dtype = "float32" if options["float32"] else "float64"
    chosen, left_out = _composites(names, net, sidecar, options)
    looked = Looked(options["samples"])
    if inputs_:
        samples = looked.at(_given(model, inputs_, net, sidecar, dtype))
        looked.source = ", ".join(map(str, inputs_))
    else:
        shapes, count = chosen_shapes(net, sidecar, options["shape"], USUAL), options["samples"] or 1
        x = random_samples(net, shapes, sidecar, count=count, seed=options["seed"], dtype=dtype)
        samples = looked.at(Sample(f"random_{k}", {n: a[k : k + 1] for n, a in x.items()}) for k in range(count))
        looked.source = f"random, seed {options['seed']}"
    exam = Examination(
        net, chosen, path=model, dtype=dtype, first=sidecar.composite if sidecar else "", required=bool(names),
        left_out=left_out, output=options["output_name"], options=fixed,
    )  # fmt: skip
    for group in inputs.batches(samples, lambda _: TOGETHER):
        with progress(len(exam), f"samples {exam.samples + 1} to {exam.samples + len(group)}") as step:
            x = {key: np.concatenate([s.x[key] for s in group]) for key in group[0].x}
            exam.see(x, [s.name for s in group], step)
    report = exam.report()
    click.echo(f"{model}: {len(net)} nodes, {dtype}; {looked.told()}")
    click.echo(f"compared: {', '.join(net.outputs)}; explained: each sample's largest number of {net.outputs[0]}\n")
    _tell(report)
    if not report.holds:
        raise click.exceptions.Exit(1)


def _loaded(
    model: Path, output: str | None, shapes: tuple[str, ...], architecture: Path | None
) -> tuple[Network, dict[str, Any]]:
    """Return the network and the loader's options: sizes that are chosen fix those of a file that needs it."""
    try:
        return load_network(model, output, architecture), {}
    except UnsupportedError as error:
        if "shapes=" not in str(error):
            raise
        if not shapes:
            raise UnsupportedError(f"{error}; on the command line --shape NAME=SIZE,...") from error
    fixed: dict[str, Any] = {"shapes": {name: (None, *sizes) for name, sizes in map(parse_shape, shapes)}}
    return load_network(model, output, architecture, **fixed), fixed


@dataclass
class Looked:
    """Which samples were looked at.

    Attributes:
        most: how many at most; None for all.
        source: where they come from.
        count: how many there were.
        more: whether others were given.
        shapes: of one sample, as text.
    """

    most: int | None
    source: str = ""
    count: int = 0
    more: bool = False
    shapes: dict[str, None] = field(default_factory=dict)

    def at(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Pass samples on, and keep count."""
        while self.most is None or self.count < self.most:
            sample = next(samples, None)
            if sample is None:
                return
            self.count += 1
            self.shapes[", ".join(f"{k} {tuple(a.shape[1:])}" for k, a in sample.x.items())] = None
            yield sample
        try:
            self.more = next(samples, None) is not None
        except LrpError:
            self.more = True  # what nobody looks at may be unusable

    def told(self) -> str:
        """Return what was looked at."""
        samples = "1 sample" if self.count == 1 else f"{self.count} samples"
        which = f"the first {samples} only, more were given" if self.more else samples
        shapes = list(self.shapes)[:3] + (["..."] if len(self.shapes) > 3 else [])
        return f"looked at {which} ({self.source}): {'; '.join(shapes)}"


def _given(model: Path, paths: tuple[Path, ...], net: Network, sidecar: Sidecar | None, dtype: str) -> Iterator[Sample]:
    """Yield the samples of all files, the batch in front, floats in the dtype of the check."""
    for name, path in inputs.expand(paths).items():
        for sample in inputs.read(name, path, net, sidecar, model, dtype):
            x = {i.name: batch_first(sample.x[i.name], i.batch_axis) for i in net.inputs}
            yield Sample(sample.name, {key: a.astype(dtype) if a.dtype.kind == "f" else a for key, a in x.items()})


def _composites(
    names: tuple[str, ...], net: Network, sidecar: Sidecar | None, given: dict[str, Any]
) -> tuple[dict[str, Composite], dict[str, str]]:
    """Return the composites to check: the given ones, or all; and the reason why others cannot be made."""
    if names:
        return {name: make_composite(name, net, sidecar, given) for name in names}, {}
    found, left_out = {}, {}
    for name in composites.names():
        # A parameter is for those presets that take it.
        taken = composites.takes(name)
        some = {key: value for key, value in given.items() if key not in PARAMETERS or key in taken}
        try:
            found[name] = make_composite(name, net, sidecar, some)
        except ParameterError as error:
            left_out[name] = str(error).removeprefix(f"composite '{name}' ")
    return found, left_out


def _tell(report: Report) -> None:
    """Print the findings, what every composite keeps, which could not run and why, and the sum."""
    headers = ("check", "relative difference", "limit", "")
    print_table(headers, [f.cells() for f in report.findings], right=(1, 2))
    click.echo("")
    if report.ran:
        print_table(COLUMNS, [p.cells() for p in report.ran], right=(1, 2, 3, 4, 5))
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, finding in report.stopped.items():
        reasons.setdefault((finding.verdict, finding.measured), []).append(name)
    if report.ran and report.several:
        click.echo("\nstart and at the input: of the sample of which the largest part does not arrive")
    for k, ((verdict, reason), stopped) in enumerate(reasons.items()):
        click.echo(f"{'' if k else chr(10)}{verdict}: {', '.join(stopped)}: {reason}")
    click.echo(f"\n{report.summary()}")
