"""Does a network that performs badly lean on what stands beside the object?

A boat is on water, and a classifier may look at the water. Lapuschkin et al. (2016) measured that: the context ratio μ
is the mean relevance outside the object's box over the mean inside, and it was larger where performance was worse. To
see what μ says, one needs data of which one knows how much the context tells. So each scene here is a garment
(Fashion-MNIST) with a mark beside it, one of ten. With a chance p the mark is the one of the garment's class, else it
is drawn by chance: p = 0 is a context that tells nothing.

Is μ what it is taken for? Networks of one size are trained at several p, and μ is set against what they lose when the
marks of the test are drawn by chance, which is what they owe to the context. Then the claim, twice: over a ladder of
networks of growing width and training at one p, and over the ten classes within each of them. Last, on photos: CAM of
EfficientNet-Lite0 for the wallaby, on kangaroos that it names so and on others.

**Reading the picture.** Scenes, with the box of the garment, and LRP maps of the true class by the smallest and the
largest network of the ladder (red speaks for it, blue against). Left: μ against p. Middle: μ against accuracy of the
ladder, and beside it what is lost without the marks. Right: classes of the largest network.

**Traps.** The map of a poor network may be diffuse, and then μ is large whatever the network uses: only the loss tells
use from blur. The box rule gives relevance to black pixels, too, so μ is not 0 where the context tells nothing;
what counts is the difference. μ is of the positive part of the relevance, as its signed mean may cross zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, mannwhitneyu, spearmanr

from ... import evaluate
from ...methods import attribute
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, training
from ..application import Application, Finding, Found, Run
from ..sources import beside, given, shipped, voc

WALLABY = 104
LADDER = ((2, 2), (3, 3), (5, 5), (8, 8))  # channels of the first layer, epochs
MIDDLE = LADDER[2]  # the networks that are trained at every p
CHANCES = (0.0, 0.4, 0.7, 0.9)  # p
LADDERS = CHANCES[2]  # p of the ladder
CHANCE = 0.05  # what a test finds below this is no chance
BOX = composites.get("epsilon_gamma_box", low=0.0, high=1.0)


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, the p of its scenes, and how it does: all by class (10,), but for the ratios of the scenes."""

    p: float
    net: Network
    ratios: NDArray[Any]
    accuracy: NDArray[Any]
    lost: NDArray[Any]
    ratio: NDArray[Any]


def run(at: Run) -> Found:
    """Train networks on garments with marks, and ask them, and a network of photos, how much they use the context."""
    data = given.pictures(at.file("fashion_6000.npz"), "train", "test")
    jobs = [(seed, p, rung) for seed in range(at.few(3, 1)) for p in CHANCES
            for rung in (LADDER if p == LADDERS else (MIDDLE,))]  # fmt: skip
    nets = []
    for k, (seed, p, rung) in enumerate(jobs):
        at.tell("networks", k, len(jobs))
        nets.append(_trained(at, data, at.seed + seed, p, rung))
    ladder = [one for one in nets if one.p == LADDERS]
    even = [one for one, job in zip(nets, jobs, strict=True) if job[2] == MIDDLE]
    ratio, right = _kangaroos(at)
    valid, valid_lost = (spearmanr(values, _medians(even)).statistic for values in (
        [one.p for one in even], [one.lost.mean() for one in even]))  # fmt: skip
    accuracy, lost = (
        [values.mean() for values in of] for of in zip(*((one.accuracy, one.lost) for one in ladder), strict=True)
    )
    over_nets, lost_over_nets = spearmanr(accuracy, _medians(ladder)), spearmanr(accuracy, lost)
    over_classes = np.array([spearmanr(one.accuracy, one.ratio).statistic for one in ladder])
    negative = int((over_classes < 0).sum())
    p_classes = binomtest(negative, len(ladder)).pvalue
    p_photos = mannwhitneyu(ratio[right], ratio[~right], alternative="less").pvalue if right.any() else 1.0
    return Found(
        sentence=f"Context use against accuracy: rank correlation {np.median(over_classes):.2f} over the classes of a "
        f"network, {over_nets.statistic:.2f} over networks.",
        findings=(
            Finding("μ measures how much a network uses the context.",
                    f"{len(even)} networks of one size: Spearman ρ of μ with p {valid:.2f}, with the accuracy that is "
                    f"lost when marks are drawn by chance {valid_lost:.2f}",
                    "yes" if min(valid, valid_lost) > 0.8 else "in part" if max(valid, valid_lost) > 0.8 else "no"),
            Finding("Context use is anti-correlated with performance, over classes.",
                    f"ρ < 0 in {negative} of {len(ladder)} networks, median {np.median(over_classes):.2f} (sign test "
                    f"p = {p_classes:.2g})",
                    "yes" if np.median(over_classes) < 0 and p_classes < CHANCE else "no"),
            Finding("Context use is anti-correlated with performance, over networks.",
                    f"{len(ladder)} networks of accuracy {min(accuracy):.2f} to {max(accuracy):.2f}: ρ = "
                    f"{over_nets.statistic:.2f} (p = {over_nets.pvalue:.2g}); of what the marks give them, ρ = "
                    f"{lost_over_nets.statistic:.2f} (p = {lost_over_nets.pvalue:.2g})",
                    "yes" if over_nets.statistic < 0 and over_nets.pvalue < CHANCE else "no"),
            Finding("Photos that are named wrong use more context.",
                    f"CAM of EfficientNet-Lite0 on {len(right)} photos of kangaroos: median μ {np.median(ratio):.2f}; "
                    f"named wallaby {np.median(ratio[right]):.2f}, others {np.median(ratio[~right]):.2f} "
                    f"(Mann-Whitney p = {p_photos:.2g})", "yes" if p_photos < CHANCE else "no"),
        ),
        numbers={"p": [one.p for one in nets], "accuracy": [one.accuracy.mean() for one in nets],
                 "lost": [one.lost.mean() for one in nets], "median_ratio": _medians(nets),
                 "rho_over_classes": over_classes, "median_ratio_of_kangaroos": np.median(ratio)},
        picture=_picture(at, data, nets, ladder, even),
        alt="Garments with marks beside them, and maps of a small and a large network; context ratio against how much "
        "the context tells, against accuracy over networks, and over classes.",
    )  # fmt: skip


def _medians(nets: list[Trained]) -> list[float]:
    return [float(np.median(one.ratios)) for one in nets]


def _trained(at: Run, data: Any, seed: int, p: float, rung: tuple[int, int]) -> Trained:
    """Train a network, and measure it on scenes like those it was trained on, and on marks by chance."""
    (width, epochs), rng, few = rung, np.random.default_rng(seed), at.few(6000, 100)
    labels, truth = (data[name].astype(np.int64)[:few] for name in ("train_labels", "test_labels"))
    train, test = (beside.Scenes.made(rng, data[f"{part}_images"][:few], one, p)
                   for part, one in (("train", labels), ("test", truth)))  # fmt: skip
    by_chance = beside.Scenes.made(rng, data["test_images"][:few], truth, 0.0)
    net = training.fit(beside.network(rng, width), train.x, labels, epochs=at.few(epochs, 1), rate=4e-3, seed=seed)
    right, then = (net.forward(scenes.x).argmax(axis=1) == truth for scenes in (test, by_chance))
    relevance = explain(net, test.x, target=truth, composite=BOX).relevance
    ratios = evaluate.context_use(relevance, test.boxes).positive
    by_class = [(right[of].mean(), right[of].mean() - then[of].mean(), np.median(ratios[of]))
                for of in (truth == k for k in range(beside.CLASSES))]  # fmt: skip
    return Trained(p, net, ratios, *np.array(by_class).T)


def _kangaroos(at: Run) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return μ of CAM for the wallaby on photos of kangaroos, and which of them are named so."""
    net, found, named = at.network("efficientnet_lite0.onnx"), [], []
    photos = voc.seen(voc.some(at.file("kangaroo.tar"), at.few(164, 2)), at.sidecar("efficientnet_lite0.onnx"))
    for start in range(0, len(photos.x), 8):
        cam = attribute(net, photos.x[start : start + 8], "cam", target=WALLABY)
        found.append(evaluate.context_ratio(cam.relevance, photos.masks[start : start + 8]))
        named.append(cam.output.argmax(axis=1) == WALLABY)
        at.tell("photos", start, len(photos.x))
    return np.concatenate(found), np.concatenate(named)


def _picture(at: Run, data: Any, nets: list[Trained], ladder: list[Trained], even: list[Trained]) -> Any:
    scenes = beside.Scenes.made(at.rng, data["test_images"][:5], data["test_labels"][:5], LADDERS)
    truth = data["test_labels"][:5].astype(np.int64)
    with figures.sheet(820, title="A garment, a mark beside it, and how much the mark is used") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        rows = above.subplots(3, 5)
        for k in range(5):
            figures.show_image(rows[0, k], 1 - scenes.x[k])
            figures.show_box(rows[0, k], scenes.boxes[k], figures.HUES[0])
        for row, one, name in ((1, ladder[0], "smallest\nnetwork"), (2, ladder[len(LADDER) - 1], "largest\nnetwork")):
            for k, heat in enumerate(explain(one.net, scenes.x, target=truth, composite=BOX).relevance):
                figures.show_map(rows[row, k], heat, limit="99.5%")
            rows[row, 0].set_ylabel(name)
        rows[0, 0].set_ylabel("scene")
        tells, over, classes = below.subplots(1, 3)
        tells.scatter([one.p for one in even], _medians(even), color=figures.HUES[0])
        tells.set(xlabel="p, how often the mark tells the class", ylabel="context ratio μ", ylim=(0, None),
                  title="μ follows what the context tells")  # fmt: skip
        accuracy = [one.accuracy.mean() for one in ladder]
        over.scatter(accuracy, _medians(ladder), color=figures.HUES[0], label="μ")
        over.scatter(accuracy, [one.lost.mean() for one in ladder], color=figures.HUES[1], marker="x",
                     label="accuracy lost\nwithout the marks")  # fmt: skip
        over.set(xlabel="accuracy of the network", ylim=(0, 1), title=f"{len(ladder)} networks, p = {LADDERS}")
        over.legend(loc="upper left")
        last = [one for k, one in enumerate(ladder) if k % len(LADDER) == len(LADDER) - 1]
        for one, hue in zip(last, figures.HUES, strict=False):
            classes.scatter(one.accuracy, one.ratio, color=hue)
        classes.set(xlabel="accuracy of the class", ylim=(0, None), title="Ten classes, the largest networks")
        return figures.finish(figure)


APPLICATION = Application(
    title="Who looks at the water?",
    source="Lapuschkin, Binder, Montavon, Müller, Samek 2016, CVPR",
    data="Fashion-MNIST garments with a mark beside them, made here; 164 photos of kangaroos with boxes.",
    model="Convolutional networks of four sizes, trained here; EfficientNet-Lite0 for the photos.",
    wing="images",
    run=run,
    needs=(
        shipped.FASHION,
        shipped.LITE0,
        replace(voc.KANGAROOS, showable=True),  # none of them is drawn
    ),
    extras=("torch",),
)
