"""Two data sets explained, measured and clustered out of their stores: ``python -m benchmarks.demonstration OUT``.

Ten thousand pictures of clothing (the test part of Fashion-MNIST, Debian's package ``dataset-fashion-mnist``) through
models/fashion_cnn.onnx, and the photos of a folder (``python -m benchmarks.crops`` makes one) through
models/efficientnet_lite0.onnx. Each step is one command ``lrp-ref``, whose wall time and memory are written down; each
leaves a picture. A step whose store is there already goes on with it.
"""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

import lrp_ref as lrp
from lrp_ref.loaders.preprocess import load_sidecar

from . import timing
from .report import Table
from .scale_run import high_water
from .scale_sets import MODELS

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
SHOWN = 8  # maps in the picture of a store


@dataclass(frozen=True)
class DataSet:
    """A data set of the demonstration.

    Attributes:
        name: of its results.
        network: a file of models/, without its ending.
        data: what ``lrp-ref`` reads.
        of: the class whose maps are clustered; None for the one that is predicted most often.
        explain: options of ``lrp-ref explain-set``.
    """

    name: str
    network: str
    data: Path
    of: str | None
    explain: tuple[str, ...]

    @property
    def model(self) -> Path:
        return MODELS / f"{self.network}.onnx"


def fashion(folder: Path, out: Path) -> DataSet:
    """Write the test pictures of Fashion-MNIST as the network's input (10000, 1, 28, 28), from 0 to 1."""
    raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    data = out / "fashion.npy"
    np.save(data, np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    return DataSet("fashion", "fashion_cnn", data, "Shirt", ("--batch", "32"))


def photos(folder: Path) -> DataSet:
    """Return the photos of a folder, whose maps are kept as the sum over their channels."""
    options = ("--batch", "8", "--reduce", "channels", "--dtype", "float16")
    return DataSet("photos", "efficientnet_lite0", folder, None, options)


def steps(given: DataSet, out: Path, workers: int | None, flips: int) -> Iterator[tuple[str, list[str]]]:
    """Go through the commands; each is made when those before it have ended."""
    store = out / f"{given.name}.zarr"
    processes = [] if workers is None else ["--workers", str(workers)]
    yield "explain-set", [str(given.data), str(store), "--model", str(given.model), *given.explain, *processes]
    into = ["-o", str(out / f"{given.name}_evaluated")]
    measure = ["--measures", "pixel_flipping", "--set", f"pixel_flipping.steps={flips}"]
    yield "evaluate", [str(given.model), str(given.data), "--explained", str(store), *measure, *into]
    of = most_often(store) if given.of is None else given.of
    # Maps of 28 numbers a side: strategies are not told apart by single pixels.
    yield "spray", [str(store), "--target", of, "--size", "28", "-o", str(out / f"{given.name}_clustered")]


def most_often(store: Path) -> str:
    """Return the number of the output that most samples of a store are explained for."""
    targets = np.asarray(lrp.scale.open_store(store)["target"][:])
    return str(np.bincount(targets[targets >= 0]).argmax())


def done(command: list[str], log: Path) -> tuple[float, int, int]:
    """Run ``lrp-ref``; return the seconds, and the bytes of the largest process and of all of them at their largest.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    begin = time.perf_counter()
    with high_water() as marks, log.open("a") as stream:
        stream.write(f"$ lrp-ref {shlex.join(command)}\n")
        stream.flush()
        ended = subprocess.run(
            [sys.executable, "-m", "lrp_ref", *command], cwd=timing.ROOT, stdout=stream, stderr=stream, check=False
        )
    if ended.returncode > 1:  # 1: samples that cannot be explained
        raise RuntimeError(f"lrp-ref {shlex.join(command)} failed: {log.read_text()[-500:]}")
    return time.perf_counter() - begin, max(marks.values(), default=0), sum(marks.values())


def draw(given: DataSet, out: Path) -> Path:
    """Draw the first maps of a store, above what the other steps drew."""
    store = lrp.scale.open_store(out / f"{given.name}.zarr")
    targets = np.asarray(store["target"][:SHOWN])
    sidecar = load_sidecar(given.model)
    names = [str(t) if sidecar is None else sidecar.classes[t] for t in targets]
    maps = np.asarray(store["relevance"][:SHOWN]).astype(np.float32)
    title = f"The first {len(maps)} of {store.samples:,} maps"
    lrp.heatmap.save(lrp.heatmap.grid([list(maps)], column_labels=names, limit="99%", title=title),
                     out / f"{given.name}_explained.png")  # fmt: skip
    left, right = f"{given.name}_evaluated/pixel_flipping.png", f"{given.name}_clustered/clusters.png"
    above, *below = (Image.open(out / name) for name in (f"{given.name}_explained.png", left, right))
    width = max(above.width, sum(picture.width for picture in below))
    sheet = Image.new("RGB", (width, above.height + max(picture.height for picture in below)), "white")
    sheet.paste(above, (0, 0))
    sheet.paste(below[0], (0, above.height))
    sheet.paste(below[1], (below[0].width, above.height))
    path = out / f"{given.name}.png"
    sheet.save(path, optimize=True)
    return path


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--fashion", "fashion_folder", type=FOLDER, help="Folder of t10k-images-idx3-ubyte.gz.")
@click.option("--photos", "photo_folder", type=FOLDER, help="Folder of photos.")
@click.option("--workers", type=click.IntRange(1), help="Processes of explain-set. Default: none but its own.")
@click.option("--steps", "flips", default=10, show_default=True, type=click.IntRange(1), help="Of pixel flipping.")
def main(out: Path, fashion_folder: Path | None, photo_folder: Path | None, workers: int | None, flips: int) -> None:
    """Explain, measure and cluster data sets; results, pictures and demonstration.json are written to OUT."""
    out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()  # the commands run in another folder
    sets = [] if fashion_folder is None else [fashion(fashion_folder, out)]
    sets += [] if photo_folder is None else [photos(photo_folder.resolve())]
    if not sets:
        raise click.ClickException("nothing to do: give --fashion FOLDER or --photos FOLDER")
    table = Table(
        "demonstration",
        "Data sets explained, measured and clustered out of their stores",
        ["data", "command", "wall [s]", "largest process [MB]", "all processes [MB]"],
        notes=["all processes: each at its largest, added up: what they took together is less"],
    )
    pictures: list[Path] = []
    for given in sets:
        for command, arguments in steps(given, out, workers, flips):
            click.echo(f"  {given.name}: {command}", err=True)
            table.rows.append([given.name, command, *done([command, *arguments], out / f"{given.name}.log")])
        pictures.append(draw(given, out))
    table.show()
    (out / "demonstration.json").write_text(json.dumps({"columns": table.columns, "rows": table.rows}, indent=1) + "\n")
    click.echo(f"pictures: {', '.join(map(str, pictures))}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.demonstration")
