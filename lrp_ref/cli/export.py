"""``lrp-ref export``: the explanation of a model as one ONNX file, which any runtime computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..network.network import Network
from ..network.sizes import parse_shape
from .options import (
    FILE,
    STARTS,
    architecture_option,
    class_names,
    composite_options,
    dialect_option,
    find_outputs,
    find_preset,
    find_target,
    load_network,
    make_start,
    one_composite,
    output_option,
    rule_option,
    warn_unused_rules,
    with_rules,
)
from .output import print_table

TARGETS = (
    "Output to explain: number, class name, or c,h,w of a map; repeatable: the graph then takes one sample and "
    "explains each of them. "
    "'argmax' (default): each sample's largest. 'input': an input of the graph says it."
)


@click.command()
@click.argument("model", type=FILE)
@click.option("-o", "--file", "path", type=FILE, help="The .onnx file. Default: MODEL.lrp.onnx in this folder.")
@one_composite
@composite_options
@dialect_option
@rule_option
@click.option("-t", "--target", "targets", multiple=True, metavar="NUMBER|NAME|argmax|input", help=TARGETS)
@click.option("--start", help=f"Start relevance: {STARTS}. Default: logit.")
@click.option("--against", help="Explain the difference of the target and this output.")
@output_option
@architecture_option
@click.option(
    "--shape", multiple=True, metavar="NAME=SIZE,...", help="Sizes of one sample of an input that the file leaves open."
)
@click.option("--adjustable", multiple=True, metavar="epsilon|gamma", help="Make it an input of the graph; repeatable.")
@click.option("--no-ledger", is_flag=True, help="Leave the ledger out.")
@click.option("--forward", is_flag=True, help="Write the forward pass alone too, as NAME.forward.onnx.")
@click.option("--optimize", type=click.Choice(["size", "speed"]), default="size", show_default=True,
              help="'speed' keeps a second copy of weights where the way back is faster by it.")  # fmt: skip
@click.option("--opset", type=click.IntRange(17, 23), default=17, show_default=True, help="Version of the operators.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
def export(model: Path, path: Path | None, composite: str | None, targets: tuple[str, ...], **options: Any) -> None:
    """Write the explanation of MODEL as a graph of standard ONNX operators.

    A program feeds the network's inputs and gets output, relevance and ledger, without lrp_ref.
    """
    from ..export.exporting import export_onnx

    path = Path(f"{model.stem}.lrp.onnx") if path is None else path
    _require_free(path, model, options)
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    warn_unused_rules(net, options["rules"], canonized=not options["no_canonize"])
    classes = class_names(net, sidecar)
    chosen = _targets(targets, classes)
    against = None if options["against"] is None else find_target(options["against"], classes)
    if isinstance(chosen, list) and against in chosen:
        raise ParameterError(f"--target and --against are both {options['against']}: give two different outputs")
    preset, parameters = find_preset(composite, net, sidecar, options)
    if options["spoken"] is not None:
        parameters["dialect"] = options["spoken"]
    rules: Any = preset
    if options["rules"]:
        if options["adjustable"]:
            raise ParameterError("--adjustable and --rule exclude each other: with rules of its own it is no preset")
        rules, parameters = with_rules(_resolved(preset, parameters), options["rules"]), {}
    written = export_onnx(
        net, rules, path, targets=chosen, start=make_start(options["start"], against),
        canonize=not options["no_canonize"], shapes=dict(map(parse_shape, options["shape"])) or _known(net, sidecar),
        adjustable=options["adjustable"], ledger=not options["no_ledger"], forward=options["forward"],
        opset=options["opset"], optimize=options["optimize"], **parameters,
    )  # fmt: skip
    click.echo(f"composite {written.composite}, start {written.start}, targets {_said(chosen, classes)}\n")
    print_table(written.headers, written.rows())
    for file in filter(None, (written.path, written.forward)):
        click.echo(f"{file}: {file.stat().st_size:,} bytes")


def _known(net: Network, sidecar: Sidecar | None) -> dict[str, tuple[int, ...]] | None:
    """Return the sizes of the only input where the sidecar tells those that the network leaves free."""
    sizes = None if sidecar is None else sidecar.shape()
    one = net.inputs[0]
    if sizes is None or len(net.inputs) > 1 or not (one.sample is None or None in one.sample):
        return None
    return {one.name: tuple(sizes[1:])}


def _require_free(path: Path, model: Path, options: dict[str, Any]) -> None:
    """Raise if a file that is read would be written over."""
    from ..export.exporting import forward_path

    named = (model, options["sidecar"] or model.with_suffix(".json"), options["architecture"])
    read = [f for f in named if f is not None and f.exists()]
    for file in (path, forward_path(path)) if options["forward"] else (path,):
        if file.exists() and any(file.samefile(one) for one in read):
            raise ParameterError(f"--file {path}: {file} would be written over, which is read: give another name")


def _said(targets: Any, classes: Sequence[str]) -> str:
    """Return which outputs are explained."""
    if isinstance(targets, str):
        return targets
    return ", ".join(classes[t] if 0 <= t < len(classes) else str(t) for t in targets)


def _resolved(preset: str, parameters: dict[str, Any]) -> Any:
    from ..propagation import composites

    return composites.resolve(preset, parameters)


def _targets(targets: tuple[str, ...], classes: tuple[str, ...]) -> Any:
    """Return "argmax", "input" or numbers of outputs."""
    words = [t for t in targets if t in ("argmax", "input")]
    if words and len(targets) > 1:
        raise ParameterError(f"--target {' and '.join(targets)}: '{words[0]}' stands alone")
    if not targets:
        return "argmax"
    if words:
        return words[0]
    found = [find_outputs(t, classes) for t in targets]
    for text, one in zip(targets, found, strict=True):
        if isinstance(one, tuple) and isinstance(one[0], tuple):
            raise ParameterError(f"--target {text}: a graph explains no sums; add what it gives for each of them")
    return found
