"""``--shape NAME=SIZE,...``: the sizes of an input that the network leaves free, where no INPUT is given."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..errors import ParameterError
from ..loaders.preprocess import Sidecar
from ..network.network import Network
from ..network.sizes import parse_shape, sample_shapes

shape_option = click.option(
    "--shape",
    multiple=True,
    metavar="NAME=SIZE,...",
    help="Sizes of an input without its batch axis, such as image=3,32,32, where no INPUT is given; repeatable.",
)


def refuse_with_input(given: object, shapes: Iterable[str]) -> None:
    """Raise where sizes are chosen for an input that is given.

    Raises:
        ParameterError: both are there.
    """
    if given and tuple(shapes):
        raise ParameterError("--shape is for a made input and INPUT is given: leave one of them out")


def chosen_shapes(
    net: Network, sidecar: Sidecar | None, given: Iterable[str], sizes: Iterable[int]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of one sample of every input; what was tried out is told on stderr.

    Raises:
        LrpError: sizes that do not fit, or none that was tried does.
    """
    chosen = dict(map(parse_shape, given))
    known = sidecar.shape() if sidecar is not None else None
    shapes = sample_shapes(net, given=chosen, known=None if known is None else known[1:], sizes=sizes)
    for spec in net.inputs:
        if spec.name not in chosen and known is None and (spec.sample is None or None in spec.sample):
            text = ",".join(map(str, shapes[spec.name]))
            click.echo(
                f"the network leaves the size of input '{spec.name}' free: taken as {text}; "
                f"--shape {spec.name}={text} chooses another",
                err=True,
            )
    return shapes
