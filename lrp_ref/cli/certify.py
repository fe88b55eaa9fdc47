"""``lrp-ref certify`` and ``lrp-ref verify``: rigorous bounds on an explanation, and whether to believe somebody's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import LrpError, ModelFormatError, ParameterError
from ..exact import Certificate, file_hash, verify
from ..exact import certify as certify_network
from ..exact.exact import SYSTEMS
from ..exact.rows import DECISION_HEADERS, HEADERS
from ..loaders.preprocess import declare, load_sidecar
from ..propagation.explanation import load_relevance
from ..propagation.start import STARTS
from . import inputs
from .options import (
    FILE,
    architecture_option,
    class_names,
    composite_options,
    find_preset,
    find_target,
    load_network,
    one_composite,
    output_option,
)
from .output import on_terminal, print_table
from .samples import Sample

SYSTEM_HELP = "Exact numbers for the ledger's identities: rationals, a prime field, auto by size, or none."


@click.command()
@click.argument("model", type=FILE)
@click.argument("input_", metavar="INPUT", type=FILE)
@click.option("-t", "--target", help="Output to explain, by number or class name. Default: the largest.")
@one_composite
@composite_options
@click.option("--start", default="logit", show_default=True, help=f"Start relevance: {', '.join(STARTS)}.")
@output_option
@architecture_option
@click.option("--sample", type=click.IntRange(min=0), help="Which sample of an INPUT with several, from 0.")
@click.option("-o", "--file", "target_file", type=FILE, help="For the certificate. Default: INPUT.certificate.json.")
@click.option("--bits", default=128, show_default=True, type=click.IntRange(min=64), help="Precision at first.")
@click.option("--limit", default=4096, show_default=True, type=click.IntRange(min=64), help="Highest precision.")
@click.option("--system", default="auto", show_default=True, type=click.Choice(SYSTEMS), help=SYSTEM_HELP)
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
def certify(model: Path, input_: Path, target: str | None, target_file: Path | None, **options: Any) -> None:
    """Bound the float64 error of an explanation of MODEL for INPUT rigorously, at every node.

    Runs float64 and balls at a precision that decides every comparison; prints and writes the bounds in ulp, condition
    numbers, decisions closer than rounding, ties, and whether the ledger closes exactly. Exit status 1 if the
    explanation cannot be certified.
    """
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    preset, parameters = find_preset(options["composite"], net, sidecar, options)
    sample = _sample(input_, net, sidecar, model, options["sample"])
    where = target_file or Path(f"{sample.name}.certificate.json")
    if not where.parent.is_dir():
        raise ParameterError(f"{where}: the folder {where.parent} does not exist; create it first")
    with _status() as say:
        made = certify_network(
            net, sample.x, target=None if target is None else find_target(target, class_names(net, sidecar)),
            composite=preset, start=options["start"], bits=options["bits"],
            canonize=not options["no_canonize"], limit=options["limit"], system=options["system"],
            model_hash=file_hash(model), say=say, **parameters,
        )  # fmt: skip
    request = replace(
        made.request, model=str(model), input=str(input_), sample=options["sample"], output=options["output_name"],
    )  # fmt: skip
    made = replace(made, request=request)
    made.save(where)
    _tell(made)
    click.echo(f"\n{where}")
    if not made.certified:
        raise click.exceptions.Exit(1)


@click.command("verify")
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--model", type=FILE, help="Model file. Default: the certificate's.")
@architecture_option
@click.option("--input", "input_", type=FILE, help="Input file. Default: the certificate's.")
@click.option("--heatmap", type=FILE, help="Relevance of the input to accept or refuse: .npy, or .npz as of 'explain'.")
@click.option("--ulp", type=click.FloatRange(min=0), help="Error of the heatmap that is allowed, in ulp of max |R|.")
@click.option("--system", default="auto", show_default=True, type=click.Choice(SYSTEMS), help=SYSTEM_HELP)
@click.option("--sidecar", type=FILE, help="JSON file that describes the input. Default: beside the model.")
def verify_file(file: Path, heatmap: Path | None, ulp: float | None, system: str, **options: Any) -> None:
    """Recompute the certificate FILE, and accept (exit status 0) or refuse (1) it and a heatmap.

    Model and input must have the certificate's hashes; verdict, rules, true relevance and bounds must be those that
    are found anew. Nothing that FILE says is believed.
    """
    stated = Certificate.load(file)
    model = options["model"] or _beside(file, stated.request.model, "model")
    given = options["input_"] or _beside(file, stated.request.input, "input")
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, stated.request.output, options["architecture"]), sidecar)
    # The network has only the output that the certificate is about.
    stated = replace(stated, request=replace(stated.request, output=None))
    sample = _sample(given, net, sidecar, model, stated.request.sample)
    claimed = None if heatmap is None else _heatmap(heatmap, [i.name for i in net.inputs])
    with _status() as say:
        found = verify(
            stated, net, sample.x, heatmap=claimed, ulp=ulp, model_hash=file_hash(model), system=system, say=say
        )
    print_table(("check", "found", ""), found.cells())
    click.echo(f"\n{'accepted' if found.accepted else 'refused'}: {file}")
    if not found.accepted:
        raise click.exceptions.Exit(1)


def _tell(made: Certificate) -> None:
    click.echo(f"{made.verdict}\n")
    if made.nodes:
        print_table(HEADERS, [n.cells() for n in made.nodes], right=(2, 3, 4, 5, 7))
    if made.decisions:
        click.echo("")
        print_table(DECISION_HEADERS, [d.cells() for d in made.decisions], right=(2, 3, 4, 5))
    worst = made.worst
    if worst is not None:
        click.echo(
            f"\nlargest error of a relevance: {worst.relevance_ulp:.3g} ulp of the largest |R|, at '{worst.node}'; "
            f"balls of {made.bits} bits"
        )
    click.echo(str(made.identities))
    for note in made.notes:
        click.echo(f"note: {note}")


def _sample(path: Path, net: Any, sidecar: Any, model: Path, number: int | None) -> Sample:
    """Return the one sample of a file, or the one that was asked for."""
    ((name, file),) = list(inputs.expand([path]).items())[:1]
    for k, sample in enumerate(inputs.read(name, file, net, sidecar, model, "float64")):
        if number is None and sample.several:
            raise ParameterError(f"{path} holds several samples: say which with --sample")
        if k == (number or 0):
            return sample
    raise ParameterError(f"{path} has no sample {number}")


def _beside(file: Path, stated: str | None, what: str) -> Path:
    """Return a path of a certificate: as it stands, or from the certificate's folder."""
    if stated is None:
        raise ParameterError(f"{file} names no {what}: give it with --{what}")
    path = Path(stated)
    return path if path.exists() or not (file.parent / path).exists() else file.parent / path


def _heatmap(path: Path, names: list[str]) -> Any:
    """Return the relevances of a file: an array, or a dict by name of the input."""
    try:
        if path.suffix.lower() == ".npz":
            try:
                return load_relevance(path)["relevance"]
            except LrpError:
                with np.load(path, allow_pickle=False) as file:
                    found = {k: file[k] for k in file.files}
                return found if set(found) <= set(names) else _only(path, found)
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: there is no such file") from error
    except LrpError:
        raise
    except Exception as error:
        # A damaged file fails anywhere in zipfile, zlib or NumPy's header parser, in as many ways.
        raise ModelFormatError(f"{path}: not a readable heatmap (.npy or .npz): {type(error).__name__}") from error


def _only(path: Path, found: dict[str, Any]) -> Any:
    if len(found) != 1:
        raise ModelFormatError(f"{path}: holds {', '.join(found) or 'nothing'}; expected one array, or one per input")
    return next(iter(found.values()))


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Show what is being computed on stderr, if that is a terminal."""
    if not on_terminal(sys.stderr):
        yield lambda line: None
        return
    from rich.console import Console

    with Console(stderr=True).status("certifying") as status:
        yield lambda line: status.update(f"certifying: {line}")
