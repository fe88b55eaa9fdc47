"""Nobody says that there is a tag. Can heat maps alone show it?

One heat map shows one case. To look at five hundred is tedious, and to know what to look for is to know the answer.
Spectral Relevance Analysis (SpRAy) looks for groups: maps of one class are joined to the maps nearest to them, and the
smallest eigenvalues of that graph say into how many groups it nearly falls. Each group is a strategy, and one map of each
is enough to look at.

A network learns Fashion-MNIST, in which one in five shirts of the training set has a small mark in its corner (the same
as in the application *planted-tag*). SpRAy gets the maps of all training shirts and nothing else: not which carry the
mark, not that there is one, not how many groups to look for. Which shirts were marked is looked up afterwards. The same
is done for all ten classes, since in earnest one does not know the class either, and with a network that never saw the mark.

The picture: every shirt is a point, near to those with a similar map; colours are SpRAy's groups, and black rings are the
marked shirts, which it did not know. Beside it, each group's mean map and some of its shirts; the eigenvalues, whose
largest gap says how many groups; and the classes ordered by that gap.

Traps. Groups are no verdict: garments of one class differ by nature, and the maps of trousers fall into groups as well
without anything being wrong. So the order of the classes says where to look first, not what is wrong there. The number of
groups depends on how small the maps are made: smaller ones forgive small shifts. It was fixed at 14 × 14 here, and the
page states what becomes of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import spray
from ...errors import require
from .. import figures, tags
from ..application import Application, Finding, Found, Held
from ..running import Run

SEEDS = (0, 1, 2)
SIZE, OTHER_SIZES = 14, (28, 20, 10, 7)  # of the maps that are compared
AGREE = 0.9  # adjusted Rand index from which on a group is the tagged shirts
SHOWN = 5  # shirts of each group


@dataclass(frozen=True)
class Trial:
    """What SpRAy finds for one network.

    Attributes:
        ranking: of all classes.
        shirts: the clusters of the shirts' maps.
        tagged: which of the shirts carry the tag; looked at afterwards only.
        images, maps: of the shirts.
        accuracy: of the network on test images.
    """

    ranking: spray.Ranking
    shirts: spray.Clusters
    tagged: NDArray[np.bool_]
    images: NDArray[np.uint8]
    maps: NDArray[Any]
    accuracy: float

    @property
    def place(self) -> int:
        """The place of the shirts among the classes, from 1."""
        return self.ranking.classes.index(tags.NAMES[tags.TAGGED]) + 1

    def agreement(self, found: spray.Clusters | None = None) -> tuple[float, int]:
        """Return the adjusted Rand index of the cluster that is nearest to the tagged shirts, and which that is."""
        index = require("sklearn.metrics", extra="gallery", purpose="compare clusters").adjusted_rand_score
        clusters = self.shirts if found is None else found
        return max((float(index(self.tagged, clusters.labels == c)), c) for c in range(clusters.k))


def run(at: Run) -> Found:
    """Train with the tag, for each seed, and once without; look for groups; only then look up who was tagged."""
    seeds = SEEDS[: at.few(len(SEEDS), 1)]
    trials = []
    for done, seed in enumerate(seeds):
        at.tell(f"network and maps, seed {seed}", done, len(seeds) + 1)
        trials.append(_trial(at, tags.Garments.read(at, at.seed + seed), at.seed + seed))
    at.tell("a network that never saw the tag", len(seeds), len(seeds) + 1)
    marked = tags.Garments.read(at, at.seed)
    control = _trial(at, marked.without(at), at.seed)
    first = trials[0]
    at.tell("other sizes of maps", len(seeds), len(seeds) + 1)
    sizes = {n: spray.cluster(first.maps, size=n, embedding="spectral") for n in OTHER_SIZES[: at.few(4, 1)]}
    agreed, nearest = first.agreement()
    size = first.shirts.sizes[nearest]
    return Found(
        sentence=f"Untold, SpRAy splits {len(first.tagged)} shirts into {first.shirts.k}: {size} maps are a group that "
        f"agrees with the {first.tagged.sum()} tagged ones (ARI {agreed:.2f}).",
        findings=(_groups(trials, control), _agree(trials, sizes), _first(trials, control)),
        numbers={
            "seeds": seeds, "accuracy": [t.accuracy for t in trials], "clusters": [t.shirts.k for t in trials],
            "sizes": [t.shirts.sizes for t in trials], "gap": [t.shirts.gap for t in trials],
            "eigenvalues": first.shirts.eigenvalues[:12], "adjusted_rand": [t.agreement()[0] for t in trials],
            "control_clusters": control.shirts.k, "control_eigenvalues": control.shirts.eigenvalues[:12],
            "place": [t.place for t in trials], "control_place": control.place,
            "largest_gap_of_classes": {c: f.split for c, f in zip(first.ranking.classes, first.ranking.found, strict=True)},
            "second_eigenvalue_of_classes": _second(first), "control_second_eigenvalue": _second(control),
            "other_sizes": {f"{n} × {n}": {"clusters": f.k, "adjusted_rand": first.agreement(f)[0]}
                            for n, f in sizes.items()},
        },
        picture=_picture(first),
        alt="Shirts as points: most in one cloud, the tagged ones apart from it in a colour of their own; the mean map of "
        "that group is a dark red spot in the lower left corner; eigenvalues as bars; classes ordered by eigengap.",
    )  # fmt: skip


def _trial(at: Run, data: tags.Garments, seed: int) -> Trial:
    model = tags.Convolutional(data, epochs=at.few(10, 6), seed=seed, tell=at.tell)
    maps = model.maps(data.images, data.labels)
    there = maps.reshape(len(maps), -1).any(axis=1)  # a garment that no unit answers to has an empty map
    options = {"size": SIZE, "seed": seed, "neighbours": at.few(10, 3)}
    ranking = spray.rank(maps[there], data.labels[there], names=tags.NAMES, **options)
    own = there & (data.labels == tags.TAGGED)
    clusters = spray.cluster(maps[own], embedding="tsne" if seed == at.seed else "spectral", **options)
    accuracy = float((model.classes(data.test_images) == data.test_labels).mean())
    return Trial(ranking, clusters, data.tagged[own], data.images[own], maps[own], accuracy)


def _second(trial: Trial) -> dict[str, float]:
    pairs = zip(trial.ranking.classes, trial.ranking.found, strict=True)
    return {name: float(found.eigenvalues[1]) for name, found in pairs}


def _all(held: list[bool]) -> Held:
    return "yes" if all(held) else "in part" if any(held) else "no"


def _groups(trials: list[Trial], control: Trial) -> Finding:
    said = "; ".join(f"{t.shirts.k} ({' + '.join(map(str, t.shirts.sizes))})" for t in trials)
    second = ", ".join(f"{t.shirts.eigenvalues[1]:.4f}" for t in trials)
    return Finding(
        "A planted strategy shows as a gap among the smallest eigenvalues, at two clusters or more.",
        f"clusters for seeds {SEEDS[: len(trials)]}: {said}; second eigenvalue {second}, and "
        f"{control.shirts.eigenvalues[1]:.4f} with a network that never saw the tag ({control.shirts.k} clusters)",
        _all([t.shirts.chosen >= 2 and t.shirts.eigenvalues[1] < control.shirts.eigenvalues[1] / 2 for t in trials]),
    )


def _agree(trials: list[Trial], sizes: dict[int, spray.Clusters]) -> Finding:
    listed = ", ".join(f"{t.agreement()[0]:.3f}" for t in trials)
    others = ", ".join(f"{n} × {n} {trials[0].agreement(f)[0]:.2f}" for n, f in sizes.items())
    return Finding(
        "One of the clusters is the samples with the artefact.",
        f"adjusted Rand index of the nearest cluster and the tag: {listed} (maps of {SIZE} × {SIZE}; at other sizes, "
        f"first seed: {others})",
        _all([t.agreement()[0] > AGREE for t in trials]),
    )


def _first(trials: list[Trial], control: Trial) -> Finding:
    places = ", ".join(str(t.place) for t in trials)
    least = [min(_second(t), key=_second(t).__getitem__) == tags.NAMES[tags.TAGGED] for t in trials]
    return Finding(
        "Ordered by eigengap, the class with the artefact comes first.",
        f"place of the shirts among 10 classes: {places}; with a network that never saw the tag {control.place}. First was "
        f"{', '.join(str(t.ranking.classes[0]) for t in trials)}. By the second eigenvalue, the least first, the shirts "
        f"come first for {sum(least)} of {len(trials)} seeds",
        _all([t.place == 1 for t in trials]),
    )


def _picture(trial: Trial) -> Any:
    found = trial.shirts
    with figures.sheet(820, title=f"{len(found.labels)} maps of shirts, sorted by nobody") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(11, 10))
        _points(left.subplots(), trial)
        upper, lower = right.subfigures(2, 1, height_ratios=(11, 9))
        groups = range(min(found.k, 4))
        rows = upper.subplots(len(groups), SHOWN + 1, squeeze=False)
        limit = float(np.abs(found.means).max()) * 0.6
        for c, axes in zip(groups, rows, strict=True):
            figures.show_map(axes[0], found.means[c], limit=limit, title="" if c else "mean map")
            for cell, k in zip(axes[1:], found.members(c)[:SHOWN], strict=False):
                figures.show_image(cell, 255 - trial.images[k])
            axes[0].set_ylabel(f"group {c + 1}", color=figures.HUES[c], fontweight="bold", fontsize=12)
        values, order = lower.subplots(1, 2)
        few = found.eigenvalues[:10]
        colours = [figures.HUES[0] if k < found.chosen else figures.PALE for k in range(len(few))]
        values.bar(np.arange(1, len(few) + 1), few, color=colours)
        values.set(title=f"eigenvalues: gap behind {found.chosen}", xticks=range(1, len(few) + 1))
        names, splits = trial.ranking.classes[::-1], [f.split for f in trial.ranking.found[::-1]]
        tagged = [figures.HUES[1] if n == tags.NAMES[tags.TAGGED] else figures.PALE for n in names]
        order.barh(range(len(names)), splits, color=tagged)
        order.set(title="gap, from 2 groups on", yticks=range(len(names)), yticklabels=names)
        return figures.finish(figure)


def _points(axes: Any, trial: Trial) -> None:
    for c, size in enumerate(trial.shirts.sizes):
        own = trial.shirts.members(c)
        axes.scatter(*trial.shirts.embedding[own].T, s=26, color=figures.HUES[c % 8], label=f"group {c + 1}: {size} maps")
    ringed = trial.shirts.embedding[trial.tagged].T
    axes.scatter(*ringed, s=70, facecolors="none", edgecolors=figures.INK, linewidths=1.1, label="tagged (not told)")
    axes.set(xticks=[], yticks=[], title="t-SNE of the maps")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=12)


APPLICATION = Application(
    title="Nobody says that there is a tag",
    source="Lapuschkin, Wäldchen, Binder, Montavon, Samek, Müller 2019, Nature Communications 10, 1096",
    data="Fashion-MNIST: 5,000 garments, a tag planted on one in five shirts.",
    model="A convolutional network (8 and 16 channels, a dense layer of 64), trained here for three seeds, and once "
    "without tags.",
    wing="strategies",
    run=run,
    needs=(tags.FASHION,),
    extras=("torch", "sklearn"),
)
