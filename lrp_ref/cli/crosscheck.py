"""``lrp-ref crosscheck``: another program on the same weights, compared node by node, and why it departs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..dialects import DIALECTS
from ..errors import LrpError, NonFiniteError, ParameterError, ShapeError
from ..loaders.preprocess import declare, load_sidecar
from ..network.network import Network
from ..peers import PEERS, find
from ..peers import page as pages
from ..peers.crosscheck import Crosscheck
from ..peers.crosscheck import crosscheck as check_against
from ..peers.rows import RIGHT
from . import inputs
from .options import (
    FILE,
    STARTS,
    architecture_option,
    class_names,
    composite_options,
    find_outputs,
    load_network,
    make_composite,
    make_start,
    one_composite,
    output_option,
    rule_option,
    tolerance_option,
    warn_unused_rules,
)
from .output import print_table, progress, warn
from .reproduce import command_line
from .samples import Refused, Sample
from .stream import Tally, joined

TOGETHER = 16  # samples of a file that are explained at a time
MOST = 20  # rows of a table, unless all are asked for
PEER_HELP = f"The other program: {', '.join(PEERS)}."


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True)
@click.option("--peer", required=True, metavar="NAME", help=PEER_HELP)
@one_composite
@composite_options
@rule_option
@click.option("-t", "--target", help="Output to explain: number, class name, c,h,w or A+B. Default: the largest.")
@click.option("--against", help="Explain the difference of the target and this output.")
@click.option("--start", help=f"Start relevance: {STARTS}. Default: logit.")
@click.option("--dialect", metavar="NAME", help=f"Compute here as that program does: {', '.join(DIALECTS)}.")
@output_option
@architecture_option
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--python", type=FILE, metavar="PATH", help="Interpreter in which the program is installed.")
@click.option("--folder", type=FILE, metavar="DIR", help="Where the program's files are, if it is no package.")
@click.option("--timeout", default=600.0, show_default=True, type=click.FloatRange(min=0, min_open=True),
              metavar="SECONDS", help="For each run of the program.")  # fmt: skip
@tolerance_option
@click.option("--functional-add", is_flag=True, help="Give the program sums as a bare +, as most models have them.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
@click.option("--html", type=FILE, metavar="FILE", help="Write one page with pictures, nodes and reasons.")
@click.option("--case", type=FILE, metavar="DIR", help="Write the first departing layer as a vector case (JSON).")
@click.option("--all", "everything", is_flag=True, help="Print every node, not only those that depart.")
def crosscheck(model: Path, inputs_: tuple[str, ...], **options: Any) -> None:
    """Compare the explanation of each INPUT by another program with this package's, node by node.

    The program gets the network of MODEL with the same weights, and at every node its rule of the same name. Prints
    whether the two agree, else the first node that departs and the reason; layers for which the program has no rule are
    named and the rest is compared. An INPUT is an array file or a picture, as of 'lrp-ref explain'.

    Exit status: 0 they agree, 1 they differ (or an INPUT is refused among others), 2 nothing could be compared.
    """
    find(options["peer"])
    _require_free(options)
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    if options["float64"] and net.tokens >= {i.name for i in net.inputs}:
        net = net.astype("float64")
    warn_unused_rules(net, options["rules"], canonized=not options["no_canonize"])
    asked = _asked(net, sidecar, options)
    files, refused = inputs.found(inputs_, typed=False)
    paths = {name: file for name, file in files.items() if isinstance(file, Path)}
    tally, done = Tally(), list[Crosscheck]()
    for one in refused:
        tally.refuse(one)
    dtype = "float64" if options["float64"] else str(net.dtype or "float32")
    with progress(len(paths), "crosschecking") as step:
        for name, path in paths.items():
            for group in _groups(inputs.attempt(name, path, net, sidecar, model, dtype), net, tally):
                found = _compared(net, group, asked, tally)
                if found is not None:
                    done.append(found)
                    _tell(found, options["everything"])
                    tally.explained += 1
            step()
    tally.fail_if_none()
    _write(done, options)
    tally.finish()
    if not all(c.equal for c in done):
        raise click.exceptions.Exit(1)


def _asked(net: Network, sidecar: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of every comparison."""
    classes = class_names(net, sidecar)
    against = None if options["against"] is None else find_outputs(options["against"], classes)
    target = None if options["target"] is None else find_outputs(options["target"], classes)
    taken = ("peer", "dialect", "python", "folder", "timeout", "tolerance", "functional_add")
    return {key: options[key] for key in taken} | {
        "composite": make_composite(options["composite"], net, sidecar, options),
        "target": target,
        "start": make_start(options["start"], against),
        "canonize": not options["no_canonize"],
    }


def _groups(samples: Iterator[Sample | Refused], net: Network, tally: Tally) -> Iterator[list[Sample]]:
    """Yield the samples of a file that can be read, those of one shape together."""
    most = 1 if any(spec.batch_axis is None for spec in net.inputs) else TOGETHER  # one array may be one sample

    def readable() -> Iterator[Sample]:
        for one in samples:
            if isinstance(one, Refused):
                tally.refuse(one)
            else:
                yield one

    yield from inputs.batches(readable(), lambda sample: most)


def _compared(net: Network, group: list[Sample], asked: dict[str, Any], tally: Tally) -> Crosscheck | None:
    """Return the comparison of some samples; None where they are refused.

    Raises:
        LrpError: what is wrong with the program or the question, not with these samples, if nothing was compared yet.
    """
    x = {spec.name: joined([s.x[spec.name] for s in group], spec.batch_axis) for spec in net.inputs}
    try:
        found = check_against(net, x, **asked)
    except LrpError as error:
        if not tally.explained and not isinstance(error, ShapeError | NonFiniteError):
            raise
        for sample in group:
            tally.refuse(Refused(sample.where, error, sample.number, sample.count))
        return None
    return replace(
        found, reproduce=command_line(click.get_current_context()), titles=tuple(sample.name for sample in group)
    )


def _tell(c: Crosscheck, everything: bool) -> None:
    """Print one comparison: the verdict, the reason, what has to be known, and the nodes."""
    click.echo(f"{', '.join(c.titles[:3])}{' …' if len(c.titles) > 3 else ''}: {c.verdict}")
    if c.reason:
        click.echo(c.reason)
    for words in c.remarks:
        click.echo(f"note: {words}")
    rows = c.cells(everything=everything)
    if rows:
        print_table(c.headers, rows if everything else rows[:MOST], right=RIGHT)
    if not everything and len(rows) > MOST:
        click.echo(f"and {len(rows) - MOST} more; --all prints every node")


def _require_free(options: dict[str, Any]) -> None:
    """Raise before anything is computed if results could not be written."""
    for key in ("html", "case"):
        path = options[key]
        if path is not None and not path.parent.is_dir():
            raise ParameterError(f"--{key} {path}: the folder {path.parent} does not exist")
    case = options["case"]
    if case is not None and case.exists() and (not case.is_dir() or any(case.iterdir())):
        raise ParameterError(f"--case {case}: something stands there; name a new folder")


def _write(done: list[Crosscheck], options: dict[str, Any]) -> None:
    """Write the page, and the case of the first comparison that has one."""
    if options["html"] is not None:
        click.echo(f"written: {pages.write(options['html'], done)}")
    if options["case"] is None:
        return
    cases = [c.diagnosis for c in done if c.diagnosis is not None and c.diagnosis.case is not None]
    if cases:
        click.echo(f"written: {cases[0].save_case(options['case'])}")
    else:
        warn("--case has no effect: no relevance departs at a layer that a vector case can hold")
