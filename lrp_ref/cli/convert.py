"""``lrp-ref convert``: a model file of any format that is read, written as ONNX or in the own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..network.sizes import parse_shape
from .options import FILE, architecture_option, load_network, output_option


@click.command()
@click.argument("model", type=FILE)
@click.argument("out", type=FILE)
@output_option
@architecture_option
@click.option("--shape", multiple=True, metavar="NAME=SIZE,...", help="Sizes of an input that the file leaves open.")
@click.option("--opset", type=click.IntRange(17, 21), help="Version of ONNX's operators. Default: 20.")
@click.option("--double/--single", "double", default=None, help="Precision of the parameters. Default: the file's.")
def convert(
    model: Path,
    out: Path,
    output_name: str | None,
    architecture: Path | None,
    shape: tuple[str, ...],
    opset: int | None,
    double: bool | None,
) -> None:
    """Write MODEL to OUT, an .onnx file or an .npz file of lrp_ref.

    An .npz file holds the network as it is. An .onnx file holds what it computes, for other programs.
    """
    from .. import loaders

    net = load_network(model, output_name, architecture)
    if double is not None:
        net = net.astype("float64" if double else "float32")
    options: dict[str, Any] = {}
    if shape:
        options["shapes"] = dict(map(parse_shape, shape))
    if opset is not None:
        options["opset"] = opset
    loaders.save(net, out, **options)
    click.echo(f"{out}: {len(net)} nodes, {out.stat().st_size:,} bytes")
