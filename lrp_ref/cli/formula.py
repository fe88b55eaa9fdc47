"""``lrp-ref formula``: the relevances of a small network as formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import ParameterError
from ..loaders.preprocess import load_sidecar
from ..network.inputs import batch_back
from ..network.sizes import SMALLEST
from ..teach.formulas import symbolic
from . import inputs
from .options import (
    FILE,
    architecture_option,
    class_names,
    composite_options,
    find_target,
    load_network,
    make_composite,
    one_composite,
    output_option,
    rule_option,
    warn_unused_rules,
)
from .shapes import chosen_shapes, refuse_with_input, shape_option


@click.command()
@click.argument("model", type=FILE)
@click.argument("input_", metavar="[INPUT]", required=False, type=FILE)
@click.option("-t", "--target", help="Output to explain, by number or class name. Default: the largest.")
@one_composite
@composite_options
@rule_option
@output_option
@architecture_option
@shape_option
@click.option("--latex", "form", flag_value="latex", help="Print LaTeX: one aligned block per node.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown with math blocks.")
@click.option("--numbers", is_flag=True, help="Show the numbers inserted, and the values.")
def formula(model: Path, input_: Path | None, target: str | None, **options: Any) -> None:
    """Print each relevance of a small MODEL as a formula, and the conservation identity.

    INPUT (one sample, default: ones) decides which units are active; the text says for which region the formulas hold.
    """
    refuse_with_input(input_, options["shape"])
    net, sidecar = load_network(model, options["output_name"], options["architecture"]), load_sidecar(model)
    warn_unused_rules(net, options["rules"])
    if input_ is None:
        shapes = chosen_shapes(net, sidecar, options["shape"], SMALLEST)
        x: dict[str, Any] = {i.name: batch_back(np.ones((1, *shapes[i.name])), i.batch_axis) for i in net.inputs}
    else:
        samples = list(inputs.read(input_.stem, input_, net, sidecar, model, "float64"))
        if len(samples) != 1:
            raise ParameterError(f"{input_}: {len(samples)} samples; formulas are written at one")
        x = samples[0].x
    chosen = make_composite(options["composite"], net, sidecar, options)
    index = None if target is None else find_target(target, class_names(net, sidecar))
    made = symbolic(net, x, composite=chosen, target=index, numbers=options["numbers"])
    click.echo(getattr(made, options["form"] or "text").rstrip("\n"))
