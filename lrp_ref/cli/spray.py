"""``lrp-ref spray``: groups of the maps of a store, such as the strategies behind one class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..base.files import replace_file
from ..base.tables import number
from ..errors import ParameterError
from ..scale import Explained
from ..scale.reading.rows import channels_in_front
from ..spray import Clusters, cluster
from ..spray.clusters import EMBEDDINGS
from ..spray.graphs import GRAPHS
from . import members, stored
from .options import FILE, architecture_option, output_option
from .output import percent, print_table, warn

FIRST = 6  # samples of a cluster that are named
OUTPUTS = 3  # outputs that most samples of a cluster are explained for
SECONDS = 60.0  # that 10,000 maps of 28 × 28 take on one core


@click.command()
@click.argument("store", type=FILE)
@click.option("-t", "--target", help="Take the samples explained for this output: number or class name. Default: all.")
@click.option("--size", default=100, show_default=True, type=click.IntRange(min=1), help="Largest side of a map.")
@click.option("--neighbours", default=10, show_default=True, type=click.IntRange(min=1), help="Of each map.")
@click.option("--clusters", type=click.IntRange(min=1), help="How many. Default: what the largest gap says.")
@click.option("--graph", type=click.Choice(GRAPHS), default="union", show_default=True, help="Who is whose neighbour.")
@click.option("--embedding", type=click.Choice(EMBEDDINGS), default="tsne", show_default=True, help="In a plane.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of k-means and t-SNE.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first samples, at most so many. Default: all.")
@click.option("--input", "of", metavar="NAME", help="The input whose maps are compared, where there are several.")
@click.option("--data", type=FILE, metavar="DATA", help="What STORE was made of, to draw samples; with --model.")
@click.option("--model", type=FILE, help="The model that STORE is of; with --data.")
@click.option("--sidecar", type=FILE, help="JSON file of input and classes. Default: beside the model.")
@architecture_option
@output_option
@click.option("-o", "--directory", default="spray", show_default=True, type=FILE, help="For the results.")
def spray(store: Path, **options: Any) -> None:
    """Sort the maps of STORE into groups, by Spectral Relevance Analysis.

    STORE is of 'lrp-ref explain-set'. Prints how many groups the largest gap of eigenvalues says, how large each is,
    and some of its samples. Writes clusters.npz (numbers of the samples in the data set, labels, targets, eigenvalues,
    embedding, means) and clusters.png; with --data and --model also samples.png, the first samples of each group with
    their maps. Every map is compared with every other one.
    """
    if (options["data"] is None) != (options["model"] is None):
        raise ParameterError("--data and --model draw samples together: give both, or neither")
    if options["model"] is None and any(options[key] is not None for key in ("sidecar", "architecture", "output_name")):
        raise ParameterError("--sidecar, --architecture and --output say how --model is read: give it, with --data")
    some = stored.explained(store, target=options["target"], of=options["of"], limit=options["limit"])
    results = stored.results(options["directory"], some.store)
    given = None
    if options["data"] is not None:
        given = stored.data_of(some.store, options["data"], stored.model_of(some.store, options["model"], options))
        members.require_pictures(given, some.store)
    warn(f"note: {_patience(some)}")
    taken = Taken(some)
    chosen = {name: options[name] for name in ("size", "neighbours", "clusters", "graph", "embedding", "seed")}
    found = cluster(taken.maps(), **chosen)
    taken.tell()
    click.echo(f"{len(taken.numbers)} maps of {stored.brief(some.store)}")
    click.echo(_summary(found))
    outputs, classes = taken.targets, some.store.attributes["classes"]
    headers, rows = _table(found, taken.numbers, outputs, classes)
    print_table(headers, rows, right=(1, 2))
    paths = [results.path("clusters.npz"), results.path("clusters.png")]
    _save(paths[0], found, taken.numbers, outputs, {**stored.about(some.store), "options": chosen})
    title = f"{len(taken.numbers)} maps of {stored.brief(some.store)}"
    if options["target"] is not None:
        title += f", explained for {_called(int(outputs[0]), classes)}"
    heatmap.save(found.picture(title=title), paths[1])
    if given is not None:
        paths.append(results.path("samples.png"))
        drawn = members.sheet(some.store, given, found, taken.numbers, of=options["of"], title=title)
        heatmap.save(drawn, paths[-1])
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")


class Taken:
    """The maps that are compared: those that are 0 everywhere rest on nothing, and are left out.

    Attributes:
        numbers, targets: of the samples, once their maps have been gone through.
        empty: the numbers of those that are left out.
    """

    def __init__(self, some: Explained) -> None:
        self.some = some
        self.numbers: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.targets: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.empty: list[int] = []

    def maps(self) -> Iterator[NDArray[Any]]:
        """Go through the maps, some at a time."""
        numbers, targets = [], []
        for few in self.some:
            relevance = channels_in_front(self.some.store, few.relevance)
            wide = relevance.astype(np.float64)
            summed = wide.sum(axis=1) if wide.ndim == 4 else wide
            kept = summed.reshape(len(few), -1).any(axis=1)
            self.empty += few.numbers[~kept].tolist()
            numbers.append(few.numbers[kept])
            targets.append(few.target[kept])
            if kept.any():
                yield relevance[kept]
        self.numbers, self.targets = np.concatenate(numbers), np.concatenate(targets)
        if not len(self.numbers):
            raise ParameterError(
                f"{self.some.store.path}: all {len(self.empty)} maps are 0 everywhere: nothing to compare"
            )

    def tell(self) -> None:
        """Say which maps are left out."""
        if self.empty:
            few = ", ".join(map(str, self.empty[:FIRST]))
            more = f" and {len(self.empty) - FIRST} more" if len(self.empty) > FIRST else ""
            many = "map is" if len(self.empty) == 1 else "maps are"
            warn(f"note: {len(self.empty)} {many} 0 everywhere and left out: of sample {few}{more}")


def _patience(some: Explained) -> str:
    """Return how many maps are taken, and what that means for the time."""
    n = len(some)
    minutes = SECONDS / 60 * (n / 10_000) ** 2
    about = f"; at 28 × 28 places that is about {number(round(minutes, 1))} min" if minutes >= 1 else ""
    less = "; --limit N takes fewer" if minutes >= 1 else ""
    return f"{n:,} maps, each compared with every other one: N² = {n * n:,} distances{about}{less}"


def _summary(found: Clusters) -> str:
    """Return in a sentence how many clusters there are, and why."""
    said = "1 cluster" if found.chosen == 1 else f"{found.chosen} clusters"
    first = ", ".join(number(float(v)) for v in found.eigenvalues[: found.chosen + 1])
    asked = "" if found.k == found.chosen else f"; {found.k} were asked for"
    return f"the largest gap of eigenvalues, {number(found.gap)}, says {said} ({first}, …){asked}"


def _table(
    found: Clusters, numbers: NDArray[Any], targets: NDArray[Any], classes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return a row for each cluster: its size, what its samples are explained for, and the first of them."""
    rows = []
    for c, size in enumerate(found.sizes):
        members = found.members(c)
        first = ", ".join(map(str, numbers[members][:FIRST].tolist())) + (", …" if size > FIRST else "")
        rows.append([str(c), str(size), percent(size, len(numbers)), _outputs(targets[members], classes), first])
    return ["cluster", "maps", "part", "explained for", "samples"], rows


def _outputs(targets: NDArray[Any], classes: list[str]) -> str:
    """Return the outputs that most samples are explained for, with how many."""
    if targets.ndim > 1:
        return "sums of outputs"
    which, count = np.unique(targets, return_counts=True)
    order = np.argsort(-count, kind="stable")
    told = [f"{_called(int(which[k]), classes)}: {count[k]}" for k in order[:OUTPUTS]]
    return ", ".join(told) + (", …" if len(which) > OUTPUTS else "")


def _called(target: int, classes: list[str]) -> str:
    """Return the name of an output, or its number where it has none."""
    return classes[target] if target < len(classes) else str(target)


def _save(path: Path, found: Clusters, numbers: Any, targets: Any, about: dict[str, Any]) -> None:
    """Write the clusters as arrays, whole or not at all; ``about`` is JSON."""
    text = json.dumps({**about, "chosen": found.chosen, "gap": found.gap}, ensure_ascii=False, default=str)
    arrays = {
        "numbers": numbers, "labels": found.labels, "targets": targets, "eigenvalues": found.eigenvalues,
        "embedding": found.embedding, "means": found.means, "about": np.array(text),
    }  # fmt: skip
    replace_file(path, lambda stream: np.savez(stream, **arrays))
