"""Two networks learn the same faces, and one has seen other pictures before. Do they look at the same parts?

Lapuschkin et al. found that what a network of age or gender looks at depends on what it was trained on before. No
labels of age or gender are here, so these two are not tested; the method is: faces are registered, so that eyes lie on
eyes; maps of relevance of many faces are averaged; and networks are compared by the part of the relevance that lies on
eyes, nose, mouth, outline, skin and background, over the area of each. 1 is chance.

The task is to say which of 40 persons it is, from five pictures of each; five others are held out. One kind of network
starts from weights by chance, the other from weights that had learnt to tell ten kinds of garments, each from several
seeds. That is the point: two networks that differ in nothing but their seed look at different parts too, and a
difference between kinds says something only if it is larger. Six networks can be split in ten ways into threes; if
pretraining matters, the true split has the largest difference.

The maps are means in the coordinates of registered faces, smoothed; no face is shown.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ... import layers
from ...evaluate import relevance_mass
from ...network import Network, Node
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, training
from ..analysis import agreement
from ..application import Application, Finding, Found, Run
from ..sources import faces, given, morphs, shipped

KINDS = ("from chance", "pretrained")
REGIONS = tuple(faces.regions())
LEARNT = 5  # pictures of each person
PERSONS, GARMENTS = 40, 10
Images = NDArray[np.float32]


def run(at: Run) -> Found:
    """Train networks of both kinds from several seeds, and compare where the relevance of faces held out lies."""
    images, persons = faces.read(at.file("att_faces.tar.xz"), persons=40, each=10)
    x = faces.halved(faces.registered(images, rounds=at.few(5, 1)))[:, None]
    learnt = np.arange(len(x)) % (2 * LEARNT) < LEARNT
    garments = given.pictures(at.file("fashion_6000.npz"), "train")
    others, kinds = enlarged(garments["train_images"]), garments["train_labels"].astype(np.int64)
    few, epochs, seeds = at.few(4000, 128), at.few(30, 1), at.few(3, 1)
    nets: dict[str, list[Network]] = {kind: [] for kind in (*KINDS, "untrained")}
    for seed in range(at.seed, at.seed + seeds):
        rng = np.random.default_rng(seed)
        start = _network(rng, PERSONS)
        first = training.fit(_network(rng, GARMENTS), others[:few], kinds[:few], epochs=at.few(2, 1), seed=seed)
        for kind, net in zip(KINDS, (start, _with_head(first, start)), strict=True):
            nets[kind].append(training.fit(net, x[learnt], persons[learnt], epochs=epochs, batch=32, seed=seed,
                                           augment=_moved))  # fmt: skip
        nets["untrained"].append(start)
        at.tell("seeds", seed - at.seed + 1, seeds)
    tested, whose = x[~learnt], persons[~learnt]
    accuracy = {k: [float((n.forward(tested).argmax(axis=1) == whose).mean()) for n in of] for k, of in nets.items()}
    maps = {kind: np.stack([_relevance(net, tested, whose) for net in of]) for kind, of in nets.items()}
    density = {kind: np.stack([_densities(one) for one in of]) for kind, of in maps.items()}
    splits = agreement.halves(np.concatenate([density[kind] for kind in KINDS]))
    larger = int((splits > splits[0] * (1 + 1e-9)).sum())
    within = float(np.mean([np.abs(a - b).mean() for kind in KINDS for a, b in combinations(density[kind], 2)] or [0]))
    across = float(np.mean([np.abs(a - b).mean() for a in density[KINDS[0]] for b in density[KINDS[1]]]))
    mean = {kind: dict(zip(REGIONS, of.mean(axis=0).tolist(), strict=True)) for kind, of in density.items()}
    right = {kind: float(np.mean(of)) for kind, of in accuracy.items()}
    parts = [f"{region} {mean[KINDS[0]][region]:.2f} and {mean[KINDS[1]][region]:.2f}" for region in REGIONS]
    eyes = [mean[kind]["eyes"] > 1 and mean[kind]["eyes"] > mean[kind]["skin"] for kind in KINDS]
    return Found(
        sentence=f"With and without pretraining, relevance per area differs by {across:.2f}, between seeds by "
        f"{within:.2f}; {right[KINDS[1]]:.0%} and {right[KINDS[0]]:.0%} right.",
        findings=(
            Finding("What a network was trained on before changes which parts of a face it looks at.",
                    f"relevance per area, from chance and pretrained: {', '.join(parts)}; mean difference of two "
                    f"networks {across:.2f} between kinds, {within:.2f} between seeds; of {len(splits)} ways to split "
                    f"the networks, {larger} differ more than the true one",
                    "no" if larger else "yes" if across > 1.5 * within else "in part"),
            Finding("Pretraining makes a better network from few pictures.",
                    f"right on faces held out: pretrained {right[KINDS[1]]:.1%}, from chance {right[KINDS[0]]:.1%} "
                    f"(means of {seeds} seeds; lowest and highest {min(accuracy[KINDS[1]]):.1%}–"
                    f"{max(accuracy[KINDS[1]]):.1%} and {min(accuracy[KINDS[0]]):.1%}–{max(accuracy[KINDS[0]]):.1%})",
                    "yes" if min(accuracy[KINDS[1]]) > max(accuracy[KINDS[0]]) else
                    "in part" if right[KINDS[1]] > right[KINDS[0]] + 0.01 else "no"),
            Finding("Networks for faces look at the eyes.",
                    f"relevance per area on the eyes: from chance {mean[KINDS[0]]['eyes']:.2f}, pretrained "
                    f"{mean[KINDS[1]]['eyes']:.2f}, untrained {mean['untrained']['eyes']:.2f}; on the outline "
                    f"{mean[KINDS[0]]['outline']:.2f}, {mean[KINDS[1]]['outline']:.2f}",
                    "yes" if all(eyes) else "in part" if any(eyes) else "no"),
            Finding("Networks for age and for gender look at different parts.",
                    "no labels of age or gender can be had for these faces", "not tested"),
        ),
        numbers={"faces_held_out": len(tested), "seeds": seeds, "accuracy": accuracy, "density": mean,
                 "between_kinds": across, "between_seeds": within, "splits": splits, "larger_splits": larger},
        picture=_picture(maps, density, accuracy),
        alt="Mean maps of relevance of networks from chance and of pretrained ones with the outlines of a face, and a "
        "chart of relevance per area on eyes, nose, mouth, outline, skin and background for each network.",
    )  # fmt: skip


def enlarged(garments: NDArray[np.uint8]) -> Images:
    """Return garments (N, 28, 28) at twice their size, cut to the width of halved faces: (N, 1, 56, 46) in 0…1."""
    large = garments.repeat(2, axis=1).repeat(2, axis=2)[:, None, :, 5:51]
    return np.asarray(large / 255, np.float32)


def _moved(rng: np.random.Generator, x: Images) -> Images:
    """Return faces (N, 1, H, W) moved by up to two pixels, of other brightness and contrast."""
    contrast, brightness = rng.uniform(0.8, 1.2, (len(x), 1, 1, 1)), rng.uniform(-0.1, 0.1, (len(x), 1, 1, 1))
    return np.asarray(np.clip(morphs.shifted(rng, x) * contrast + brightness, 0, 1), np.float32)


def _network(rng: np.random.Generator, classes: int) -> Network:
    return Network.sequential([
        training.conv(rng, 1, 12, 6, 6, stride=2, padding=2), layers.ReLU(),
        training.conv(rng, 12, 16, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 16, 32, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        layers.Flatten(), training.dense(rng, 32 * 7 * 5, classes),
    ])  # fmt: skip


def _with_head(net: Network, other: Network) -> Network:
    """Return a network whose last layer is that of another one."""
    last = net.nodes[-1]
    return replace(net, nodes=(*net.nodes[:-1], Node(last.name, other.nodes[-1].layer, last.inputs)))


def _relevance(net: Network, x: Images, whose: NDArray[np.int64]) -> NDArray[Any]:
    """Return maps (N, 56, 46) for the right person against all others, each over the sum of its magnitudes."""
    rules = composites.get("epsilon_gamma_box", low=0.0, high=1.0)
    heat = explain(net, x, start="log_odds", target=whose, composite=rules).relevance
    return np.asarray(heat[:, 0] / np.abs(heat).sum(axis=(1, 2, 3))[:, None, None])


def _densities(maps: NDArray[Any]) -> NDArray[Any]:
    """Return the part of the positive relevance of maps (N, H, W) in each region over its area, the mean over maps."""
    masks = [mask[::2, ::2] for mask in faces.regions().values()]
    return np.array([(relevance_mass(maps, np.broadcast_to(m, maps.shape)) / m.mean()).mean() for m in masks])


def _picture(maps: dict[str, Any], density: dict[str, Any], accuracy: dict[str, list[float]]) -> Any:
    means = {kind: maps[kind].mean(axis=1) for kind in KINDS}
    limit = max(float(np.percentile(np.abs(gaussian_filter(one, (0, 1, 1))), 99)) for one in means.values())
    with figures.sheet(800, title="Which parts of a face say who it is, with and without pretraining") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(4, 3))
        for part, kind in zip(left.subfigures(2, 1), KINDS, strict=True):
            for seed, axes in enumerate(np.atleast_1d(part.subplots(1, len(means[kind])))):
                figures.show_map(axes, gaussian_filter(means[kind][seed], 1), limit=limit,
                                 title=f"{kind}\n{accuracy[kind][seed]:.0%} right")  # fmt: skip
                faces.outlines(axes, scale=0.5)
                axes.set(xlim=(-0.5, 45.5), ylim=(55.5, -0.5))
        axes, place = right.subplots(), np.arange(len(REGIONS))
        for shift, (kind, hue) in enumerate(zip((*KINDS, "untrained"), figures.HUES[:3], strict=True)):
            axes.barh(place + 0.27 * (shift - 1), density[kind].mean(axis=0), 0.25, color=hue, alpha=0.45, label=kind)
            for one in density[kind]:
                axes.plot(one, place + 0.27 * (shift - 1), "o", color=figures.INK, markersize=4)
        axes.axvline(1, color=figures.PALE, linewidth=1)
        axes.set(yticks=place, yticklabels=REGIONS, xlabel="a dot is a network, a bar the mean")
        axes.set_title("relevance per area (1: as everywhere)")
        axes.invert_yaxis()
        axes.legend(loc="lower right")
        return figures.finish(figure)


APPLICATION = Application(
    title="Faces with and without pretraining",
    source="Lapuschkin, Binder, Müller, Samek 2017, ICCV Workshops (age and gender)",
    data="400 faces of 40 persons (AT&T Laboratories Cambridge), half held out; 4,000 garments (Fashion-MNIST).",
    model="Three convolutions on 56 × 46 pixels, trained here from several seeds, with and without garments before.",
    wing="strategies", run=run, extras=("torch",),
    needs=(faces.NEED,
           shipped.FASHION),
)  # fmt: skip
