"""``lrp-ref dissect``: which concepts the units of a network detect, with the ceiling and the control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from .. import heatmap
from ..errors import ModelFormatError, ParameterError
from ..loaders.numbers import require_floats
from ..loaders.preprocess import load_sidecar
from ..network.network import Network
from ..scale.sources import Batches, batches, source
from ..scale.sources.regular import kind_of, require_file
from ..units import Dissection, UnitCard, top_samples, unit_cards
from ..units import dissect as dissected
from ..units.cards import CROPS
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

    IMAGES is an .npy file (N, C, H, W), a zarr array, a folder of pictures or of .npy files, or a list of such files
    (.txt), of which a batch at a time is in memory, or an .npz file; MASKS is an .npy or .npz file of integer labels
    (N, H, W) or of booleans (N, C, H, W). What is printed for each concept: its part of the pixels, the ceiling of the
    IoU, its detectors, and how many there are when each image has the masks of another one.
    """
    if options["cards"] and options["directory"] is None:
        raise ParameterError("--cards are files: say where to, -o DIRECTORY")
    net = load_network(model, output_name, architecture)
    if options["cards"] and len(net.inputs) > 1:
        raise ParameterError(f"--cards cuts out of one input; the network has {', '.join(i.name for i in net.inputs)}")
    fed = _images(images, net, model, options["batch"])
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


def _images(path: Path, net: Network, model: Path, batch: int) -> Batches | dict[str, Any]:
    """Return the images in batches that are read when they are needed; those of an .npz file as a whole."""
    if path.suffix.lower() != ".npz":
        return batches(source(path, net, load_sidecar(model)), batch)
    fed = read_arrays(path, net)
    require_floats(path, fed, None)
    return fed


def _masks(path: Path) -> Any:
    """Return the array of a file of masks; that of an .npy file is mapped, not read."""
    require_file(kind_of(path), path)
    try:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                return np.load(path, mmap_mode="r", allow_pickle=False)
            stream.seek(0)
            content = np.load(stream, allow_pickle=False)
            if len(content.files) == 1:
                return content[content.files[0]]
            held = ", ".join(content.files[:8])
    except (*DAMAGED, OSError) as error:
        raise ModelFormatError(f"{path}: not a readable .npy or .npz file of masks") from error
    raise ModelFormatError(f"{path}: holds {held or 'nothing'}: give one array of masks")


def _write(
    directory: Path, found: Dissection, net: Network, fed: Batches | dict[str, Any], options: dict[str, Any]
) -> None:
    """Write the numbers, the chart, and cards of the best units."""
    directory.mkdir(parents=True, exist_ok=True)
    written = [found.save(directory / "dissection.npz")]
    written.append(heatmap.save(found.picture(options["minimum"]), directory / "chart.png"))
    best = found.detectors(0.0)[: options["cards"]].tolist()
    for card in _cards(net, fed, best, found, options["batch"]) if best else ():
        written.append(heatmap.save(card.picture(), directory / f"unit_{card.unit:04d}.png"))
    click.echo(f"\nwritten: {', '.join(map(str, written))}")


def _cards(
    net: Network, fed: Batches | dict[str, Any], units: list[int], found: Dissection, batch: int
) -> list[UnitCard]:
    """Return cards of units; of images in batches, only those are read once more that a card shows."""
    if not isinstance(fed, Batches):
        (x,) = fed.values()
        return list(unit_cards(net, x, units, at=found.at, dissection=found, batch=batch))
    best = top_samples(net, fed, at=found.at, k=CROPS)
    shown = np.unique(best.samples[:, units])
    x = np.concatenate([next(iter(fed.source.read(k, k + 1).x.values())) for k in shown.tolist()])
    cards = unit_cards(net, x, units, at=found.at, dissection=found, batch=batch)
    return [replace(card, samples=shown[card.samples]) for card in cards]
