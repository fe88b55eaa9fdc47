"""``lrp-ref dissect``: which concepts the units of a network detect, with the ceiling and the control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from .. import heatmap
from ..errors import ModelFormatError, ParameterError
from ..loaders.numbers import require_floats
from ..units import Dissection, unit_cards
from ..units import dissect as dissected
from ..units.dissection import HEAD, NUMBERS
from .arrays import DAMAGED, read_arrays
from .options import FILE, architecture_option, load_network, output_option
from .output import print_table, progress


@click.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE)
@click.argument("masks", type=FILE)
@click.option("--at", required=True, metavar="NODE", help="The value whose units are dissected.")
@click.option("--names", metavar="A,B,...", help="Of the labels 0, 1, ...; an empty one is no concept.")
@click.option("--ignore", multiple=True, type=int, metavar="LABEL", help="Pixels that do not count; repeatable.")
@click.option("--quantile", default=0.995, show_default=True, type=float, help="Of the thresholds.")
@click.option("--minimum", default=0.04, show_default=True, type=float, help="IoU from which on a unit is a detector.")
@click.option("--permutations", default=5, show_default=True, type=click.IntRange(min=0), help="Of the control.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the first permutation.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(min=1), help="Images at a time.")
@click.option("--cards", default=0, show_default=True, type=click.IntRange(min=0), help="Units to draw, the best.")
@click.option("-o", "--directory", type=FILE, help="For dissection.npz, chart.png and the cards.")
@output_option
@architecture_option
def dissect(
    model: Path, images: Path, masks: Path, output_name: str | None, architecture: Path | None, **options: Any
) -> None:
    """Compare the units of MODEL with concepts: IMAGES are its inputs, MASKS where the concepts are.

    IMAGES is an .npy or .npz file (N, C, H, W), MASKS one of integer labels (N, H, W) or of booleans (N, C, H, W). What
    is printed for each concept: its part of the pixels, the ceiling of the IoU, its detectors, and how many there are
    when each image has the masks of another one.
    """
    if options["cards"] and options["directory"] is None:
        raise ParameterError("--cards are files: say where to, -o DIRECTORY")
    net = load_network(model, output_name, architecture)
    fed = read_arrays(images, net)
    if options["cards"] and len(fed) > 1:
        raise ParameterError(f"--cards cuts out of one input; the network has {', '.join(fed)}")
    require_floats(images, fed, None)
    names = options["names"]
    known = None if names is None else [name.strip() or None for name in names.split(",")]
    seeds = range(options["seed"], options["seed"] + options["permutations"]) or None
    with progress(1, "dissecting") as step:
        found = dissected(
            net, fed, _masks(masks), at=options["at"], quantile=options["quantile"], batch=options["batch"],
            concepts=known, ignore=options["ignore"] or None, permuted=seeds,
            progress=lambda done, total: step.within("images", done, total),
        )  # fmt: skip
    click.echo(f"{found.summary(options['minimum'])}\n")
    print_table(HEAD, found.rows(options["minimum"]), right=NUMBERS)
    if found.control is not None:
        above = ", ".join(found.above_chance(options["minimum"])) or "none"
        click.echo(f"\nmore detectors than under any of {len(found.permuted)} permutations: {above}")
    if options["directory"] is not None:
        _write(options["directory"], found, net, fed, options)


def _masks(path: Path) -> Any:
    """Return the array of a file of masks."""
    try:
        with path.open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            if len(content.files) == 1:
                return content[content.files[0]]
            held = ", ".join(content.files[:8])
    except DAMAGED as error:
        raise ModelFormatError(f"{path}: not a readable .npy or .npz file of masks") from error
    raise ModelFormatError(f"{path}: holds {held or 'nothing'}: give one array of masks")


def _write(directory: Path, found: Dissection, net: Any, fed: dict[str, Any], options: dict[str, Any]) -> None:
    """Write the numbers, the chart, and cards of the best units."""
    directory.mkdir(parents=True, exist_ok=True)
    written = [found.save(directory / "dissection.npz")]
    written.append(heatmap.save(found.picture(options["minimum"]), directory / "chart.png"))
    best = found.detectors(0.0)[: options["cards"]].tolist()
    if best:
        (x,) = fed.values()
        for card in unit_cards(net, x, best, at=found.at, dissection=found, batch=options["batch"]):
            written.append(heatmap.save(card.picture(), directory / f"unit_{card.unit:04d}.png"))
    click.echo(f"\nwritten: {', '.join(map(str, written))}")
