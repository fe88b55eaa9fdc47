"""``lrp-ref export-set``: a store of explanations as files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import ParameterError, require
from ..scale import Explained, Labels, Store, open_store, to_crp, to_npy, to_virelay
from ..scale.reading.exporting import HDF5
from ..scale.stores.layout import size_text
from .options import FILE
from .output import Progress, print_table, progress, warn

KINDS = ("npy", "virelay", "crp")
# Which options are of one kind of files alone, and how they are called.
ONLY = {
    "labels": ("virelay", "--labels"), "of": ("virelay", "--of"), "at": ("crp", "--at"), "k": ("crp", "-k"),
    "by": ("crp", "--by"), "norm": ("crp", "--norm"),
}  # fmt: skip


@click.command("export-set")
@click.argument("store", type=FILE)
@click.argument("goal", type=FILE)
@click.option("--as", "kind", type=click.Choice(KINDS), help="What to write. Default: virelay where GOAL ends in .h5.")
@click.option(
    "--labels", type=FILE, help="virelay: .npy file, the class of each sample. Default: the explained output."
)
@click.option("--of", metavar="INPUT", help="virelay: the input whose maps they are, where there are several.")
@click.option(
    "--at", multiple=True, metavar="NODE", help="crp: a value; repeatable. Default: all that the store keeps."
)
@click.option("-k", type=click.IntRange(min=1), help="crp: samples for each channel. Default: 40.")
@click.option("--by", type=click.Choice(["sum", "max"]), help="crp: over the positions of a channel. Default: both.")
@click.option("--norm", type=click.Choice(["crp"]), help="crp: divide by the sum of |R| over a sample's channels.")
@click.option("--partial", is_flag=True, help="Also where chunks are left to do: what is there.")
def export_set(store: Path, goal: Path, kind: str | None, partial: bool, **options: Any) -> None:
    """Write what STORE, of 'lrp-ref explain-set', has of each sample as files that others read, to GOAL.

    npy: a folder of .npy files, one for each array, which NumPy maps into memory. virelay: attribution.h5 of a ViRelAy
    project. crp: the folders RelMax_... of zennit-crp, of a store that keeps channels. GOAL must not be there yet.
    """
    found = _kind(goal, kind)
    given = {key: value for key, value in options.items() if value not in (None, ())}
    for name in given:
        own, flag = ONLY[name]
        if own != found:
            raise ParameterError(f"{flag} is of --as {own}, and {goal} is written as {found}: leave it out")
    opened = open_store(store, writable=False)
    # Before anything is written; the same samples of each input are explained.
    notes = Explained(opened, of=given.get("of") or opened.attributes["inputs"][0]).notes
    with progress(1, f"writing {goal.name}") as step:
        _write(opened, goal, found, partial, given, step)
    print_table(("file", "holds", "of shape", "size"), _rows(goal), right=(3,))
    for words in notes:
        missing = words.partition(":")[0]
        warn(f"note: {store}: {f'{missing}: NaN stands for them, and −1 for targets' if found == 'npy' else words}")


def _kind(goal: Path, kind: str | None) -> str:
    """Return what is written."""
    hdf5 = goal.suffix.lower() in HDF5
    if kind is None and not hdf5:
        ways = "--as npy or --as crp, or give a name that ends in .h5 for ViRelAy"
        raise ParameterError(f"{goal}: say what to write, {ways}")
    if hdf5 and kind not in (None, "virelay"):
        raise ParameterError(f"{goal}: --as {kind} makes a folder, and the name is a file's: give another name")
    return kind or "virelay"


def _write(store: Store, goal: Path, kind: str, partial: bool, given: dict[str, Any], step: Progress) -> None:
    def told(done: int, total: int) -> None:
        step.within("samples", done, total)

    if kind == "npy":
        to_npy(store, goal, partial=partial, progress=told)
    elif kind == "crp":
        to_crp(store, goal, partial=partial, progress=told, **given)
    else:
        if "labels" in given:
            given["labels"] = Labels.of(given["labels"]).load()
        to_virelay(store, goal, partial=partial, progress=told, **given)


def _rows(goal: Path) -> list[tuple[str, str, str, str]]:
    """Return a line for each array that was written: where, its type, shape and size."""
    if goal.is_dir():
        files = sorted(goal.rglob("*.npy"))
        arrays: list[tuple[str, Any]] = [(str(f.relative_to(goal.parent)), np.load(f, mmap_mode="r")) for f in files]
        return [(name, str(a.dtype), str(a.shape), size_text(a.nbytes)) for name, a in arrays]
    h5py = require("h5py", extra="virelay", purpose="read what was written")
    with h5py.File(goal) as file:
        return [(f"{goal.name}: {n}", str(a.dtype), str(a.shape), size_text(a.nbytes)) for n, a in file.items()]
