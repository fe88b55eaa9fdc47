"""A network sees small patches of blood smears and says whether a white cell is in the middle. Where is that cell?

Nobody told it: the patches of training carry one label each, and no outline. The relevance of its answer is handed back
to the pixels of each patch, and the maps of overlapping patches are averaged into one map of the whole smear, as Binder
et al. did with stained tissue. Red is evidence for a white cell, blue against.

The smears have boxes around the cells, which the network never saw on the smears that it is tested on. So one can
count: the part of the red relevance that lies inside the boxes of white cells, over the part of the area that these
boxes have. 1 is chance. Three maps stand beside it. The same maps, laid on the boxes of another smear, say what one
gets for nothing from the sizes of boxes and blobs. The map of scores, made from the answers for the patches alone, says
what the patches know without any explanation. And the colour alone, how purple a pixel is, says how hard the task is:
white cells are stained, so that a ruler for purple finds them too.

A box holds corners beside a round cell, so that even a perfect map of the cell fills the box in part only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...evaluate import relevance_mass, roc_auc
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, training
from ..application import Application, Finding, Found, Held, Need, Run
from ..sources import patches, voc

SIDE, STEP = 48, 16  # of a patch, and between patches of a smear, in pixels
TRAINED = 40  # smears; the others are held out
WHITE, RED = "WBC", "RBC"
SHOWN = 4
Maps = NDArray[np.floating[Any]]


def run(at: Run) -> Found:
    """Train on patches, explain every patch of the smears held out, and count relevance in boxes."""
    smears = voc.some(at.file("bccd_60.tar"), 60)
    learnt, held_out = smears[: TRAINED : at.few(1, 10)], smears[TRAINED:][: at.few(99, SHOWN)]
    rng = at.rng
    x, y = drawn(rng, learnt, at.few(60, 8))
    net = training.fit(_network(rng), x, y, epochs=at.few(6, 1), seed=at.seed, tell=at.tell)
    tested, truth = drawn(rng, held_out, at.few(30, 4))
    accuracy = float(np.mean([(net.forward(tested[truth == k]).argmax(axis=1) == k).mean() for k in (0, 1)]))
    found = []
    for smear in held_out:
        found.append(_explained(net, smear.image, at.few(STEP, 3 * STEP)))
        at.tell("explained smears", len(found), len(held_out))
    heat, scores = (np.stack(maps) for maps in zip(*found, strict=True))
    images = np.stack([smear.image for smear in held_out]).astype(np.float64)
    boxes = {label: np.stack([mask(smear, label) for smear in held_out]) for label in (WHITE, RED)}
    area, red = boxes[WHITE].mean(axis=(1, 2)), boxes[RED] & ~boxes[WHITE]
    some = area > 0
    candidates = {"relevance": heat, "relevance, boxes of another smear": np.roll(heat, 1, axis=0),
                  "scores of patches": scores, "purple": np.maximum(images[..., 2] - images[..., 1], 0)}  # fmt: skip
    ratio = {name: relevance_mass(m[some], boxes[WHITE][some]) / area[some] for name, m in candidates.items()}
    area_under = {name: roc_auc(m[some], boxes[WHITE][some]) for name, m in candidates.items()}
    median = {name: float(np.median(one)) for name, one in ratio.items()}
    auc = {name: float(np.mean(one)) for name, one in area_under.items()}
    on_red = float(np.median(relevance_mass(heat[some], red[some]) / red[some].mean(axis=(1, 2))))
    above, chance = float((ratio["relevance"] > 2).mean()), median["relevance, boxes of another smear"]
    finer = float((area_under["relevance"] > area_under["scores of patches"]).mean())
    return Found(
        sentence=f"Of a network that never saw an outline, relevance is {median['relevance']:.1f} times as dense in "
        f"boxes of white cells; by chance {chance:.1f}.",
        findings=(
            Finding("Relevance of a patch classifier finds the cells: it is more than twice as dense in their boxes.",
                    f"red relevance in boxes of white cells over their area: {median['relevance']:.2f} (median of "
                    f"{some.sum()} smears, above 2 in {above:.0%}); on boxes of another smear {chance:.2f}; on red "
                    f"cells {on_red:.2f}", "yes" if median["relevance"] > 2 and chance < 2 else
                    "no" if median["relevance"] <= chance else "in part"),
            Finding("Its maps are finer than the patches that were labelled.",
                    f"area under the ROC curve, pixels in boxes of white cells against others: relevance "
                    f"{auc['relevance']:.3f}, scores of the patches {auc['scores of patches']:.3f}; relevance is ahead "
                    f"in {finer:.0%} of the smears; density {median['scores of patches']:.2f} with scores",
                    _held(auc, median, "scores of patches")),
            Finding("The map says more than the colour of the stain does.",
                    f"how purple a pixel is: area under the ROC curve {auc['purple']:.3f}, density "
                    f"{median['purple']:.2f}; relevance {auc['relevance']:.3f} and {median['relevance']:.2f}",
                    _held(auc, median, "purple")),
        ),
        numbers={"smears": len(held_out), "smears_with_white_cells": some.sum(), "patches": len(y),
                 "balanced_accuracy": accuracy, "area_of_boxes": area[some].mean(), "median_density": median,
                 "area_under_roc": auc, "density_on_red_cells": on_red, "above_2": above, "finer_than_scores": finer},
        picture=_picture(held_out, heat, scores, ratio, some),
        alt="Four blood smears, the patch scores on them, and maps of relevance whose red lies on the white cells; "
        "a chart of the density in the boxes for relevance, for boxes of another smear, for scores and for purple.",
    )  # fmt: skip


def _held(auc: dict[str, float], density: dict[str, float], other: str) -> Held:
    """Return whether relevance is ahead of another map by both measures, by one, or by none."""
    words: tuple[Held, ...] = ("no", "in part", "yes")
    return words[sum(measure["relevance"] > measure[other] for measure in (auc, density))]


def _network(rng: np.random.Generator) -> Network:
    return Network.sequential([
        training.conv(rng, 3, 8, 4, 4, stride=2, padding=1), layers.ReLU(),
        training.conv(rng, 8, 16, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 16, 24, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        layers.Flatten(), training.dense(rng, 24 * (SIDE // 8) ** 2, 2),
    ])  # fmt: skip


def drawn(rng: np.random.Generator, smears: Sequence[voc.Photo], count: int) -> tuple[Maps, NDArray[np.int64]]:
    """Return ``count`` patches of each smear, half of them with the middle in a white cell, where there is one."""
    images, labels = [], []
    for smear in smears:
        height, width = smear.image.shape[:2]
        white = mask(smear, WHITE)[SIDE // 2 : height - SIDE // 2, SIDE // 2 : width - SIDE // 2]
        for label in (0, 1):
            rows, columns = np.nonzero(white == label)
            for k in rng.integers(len(rows), size=count // 2) if len(rows) else ():
                patch = smear.image[rows[k] : rows[k] + SIDE, columns[k] : columns[k] + SIDE]
                images.append(patch[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))])
                labels.append(label)
    return _input(np.stack(images)), np.array(labels)


def _input(images: NDArray[np.uint8]) -> Maps:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)


def mask(smear: voc.Photo, label: str) -> NDArray[np.bool_]:
    """Return where the boxes of a kind of cell are."""
    inside = np.zeros(smear.image.shape[:2], bool)
    for name, (y0, x0, y1, x1) in smear.objects:
        inside[y0:y1, x0:x1] |= name == label
    return inside


def _explained(net: Network, image: NDArray[np.uint8], step: int) -> tuple[Maps, Maps]:
    """Return, averaged over the patches that cover a pixel, the relevance for a white cell and its probability."""
    places = patches.corners(image.shape, SIDE, step)
    rules = composites.get("epsilon_gamma_box", low=0.0, high=1.0)
    found = explain(net, _input(patches.cut(image, places, SIDE)), start="difference", target=1, against=0,
                    composite=rules)  # fmt: skip
    probability = 1 / (1 + np.exp(found.output[:, 0] - found.output[:, 1]))
    each = (found.relevance.sum(axis=1), np.broadcast_to(probability[:, None, None], (len(places), SIDE, SIDE)))
    heat, score = (patches.assembled(one, places, image.shape[:2]) for one in each)
    return heat, score


def _picture(smears: Sequence[voc.Photo], heat: Maps, scores: Maps, ratio: dict[str, Maps], some: Any) -> Any:
    from matplotlib.patches import Rectangle

    best = np.flatnonzero(some)[:SHOWN]
    with figures.sheet(900, title="White cells, found by a network of small patches") as figure:
        top, bottom = figure.subfigures(2, 1, height_ratios=(4.2, 1))
        columns = top.subplots(3, SHOWN)
        for k, n in enumerate(best):
            figures.show_image(columns[0, k], smears[n].image, title="" if k else "a smear; boxes nobody showed it")
            figures.show_image(columns[1, k], scores[n], title="" if k else "its answers, patch by patch")
            figures.show_map(columns[2, k], heat[n], limit="99.5%", title="" if k else "relevance: red, a white cell")
            for row in (0, 2):
                for y0, x0, y1, x1 in (box for name, box in smears[n].objects if name == WHITE):
                    columns[row, k].add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, linewidth=1.3))
        axes = bottom.subplots()
        axes.boxplot(list(ratio.values())[::-1], orientation="horizontal", widths=0.6, medianprops={"color": "black"})
        axes.set_yticklabels(list(ratio)[::-1])
        axes.axvline(1, color=figures.PALE, linewidth=1)
        axes.set_xlabel("density inside the boxes of white cells (1: as everywhere)")
        return figures.finish(figure)


APPLICATION = Application(
    title="White cells in blood smears",
    source="Binder et al. 2021, Nature Machine Intelligence 3 (stained tissue, patch classifiers)",
    data="60 blood smears with boxes of cells (BCCD), 40 to learn from and 20 to test on.",
    model="Three convolutions on patches of 48 × 48 pixels, a white cell in the middle or not, trained here.",
    wing="images", run=run, extras=("torch",),
    needs=(Need("bccd_60.tar", "60 blood smears with boxes", "github.com/Shenggan/BCCD_Dataset", "MIT", shipped=True),),
)  # fmt: skip
