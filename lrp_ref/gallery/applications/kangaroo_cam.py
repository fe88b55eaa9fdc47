"""A network that was taught names only: can it say where the animal is?

EfficientNet-Lite0 knows 1,000 names of things and has never seen a box. It ends in a mean over positions and a linear
layer, so the logit of a class is the mean of a map, one number per position: the *class activation map* (CAM). The box
around the largest region above τ times the maximum of the map says where the network sees its evidence. It is a hit if
it overlaps the box that a person drew by half (intersection over union ≥ 0.5).

The class is always 104, the wallaby: ImageNet has no other kangaroo. Three maps of its logit are compared: CAM;
*backprop* (Simonyan et al. 2014), the largest |gradient| of the three colours; and LRP. The last two have as much
detail as the photo, and one strong pixel decides where their threshold is. So they are compared twice: by the recipe
that was made for CAM, and with the blur and the τ that hit most on one half of the photos, counted on the other half.
The pointing game asks less: does the maximum of the map lie on an animal?

**Reading the picture.** Photos from CAM's best box to its worst, at equal steps of rank, or grey fields and blurred
maps where the photos may not be published: red is what CAM found, white or black what a person drew. Below, the three
maps, each with its box at its best blur and τ. Lines: hits against τ, as the map is (thin) and blurred (thick).
Dashed: a box that needs no network.

**Traps.** Photos are squeezed into the square that the network sees; to cut out the centre, as is usual for naming,
would cut off animals. Maps are brought to the size of the photo by the half-pixel convention; with aligned corners
many boxes miss. Where a photo has several animals, the box of one is enough. One JPEG of the archive ends too early:
what it lacks is grey, and it counts. The errors that papers report are of another data set and of five guesses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ... import evaluate
from ...methods import attribute
from ...propagation import composites
from .. import figures
from ..analysis import boxing
from ..application import Application, Finding, Found, Held, Run
from ..sources import shipped, voc

WALLABY = 104
RECIPE = 0.2  # CAM's threshold
CHANCE = 0.05  # what a sign test finds below this is no chance
MIDDLE = 0.75  # of the sides of the photo
BATCH = 8
SHOWN = 5  # photos in the picture


def run(at: Run) -> Found:
    """Draw boxes from three maps of the wallaby, and count how many are those that a person drew."""
    net, sidecar = at.network("efficientnet_lite0.onnx"), at.sidecar("efficientnet_lite0.onnx")
    photos = voc.seen(voc.some(at.file("kangaroo.tar"), at.few(164, 2)), sidecar)
    low, high = sidecar.bounds()
    rules = composites.get("epsilon_gamma_box", low=low, high=high)
    parts: dict[str, list[Any]] = {"CAM": [], "backprop": [], "LRP": []}
    logits = []
    for start in range(0, len(photos.x), BATCH):
        x = photos.x[start : start + BATCH]
        cam = attribute(net, x, "cam", target=WALLABY)
        logits.append(cam.output)
        parts["CAM"].append(cam.relevance[:, 0])
        parts["backprop"].append(abs(attribute(net, x, "gradient", target=WALLABY).relevance).max(axis=1))
        parts["LRP"].append(attribute(net, x, rules, target=WALLABY).relevance.sum(axis=1))
        at.tell("maps", start + len(x), len(photos.x))
    named = np.concatenate(logits).argmax(axis=1) == WALLABY
    maps = {name: np.concatenate(part) for name, part in parts.items()}
    hits = {name: boxing.hits(one, photos.boxes) for name, one in maps.items()}
    recipe = {name: one[0, boxing.THRESHOLDS.index(RECIPE)] for name, one in hits.items()}
    best = {name: boxing.best_of_other_half(one) for name, one in hits.items()}
    points = {name: evaluate.pointing_game(one, photos.masks) for name, one in maps.items()}
    whole, middle = (
        boxing.no_network(photos.boxes, photos.masks.shape[1:], 1),
        boxing.no_network(photos.boxes, photos.masks.shape[1:], MIDDLE),
    )
    rates = {name: one.mean() for name, one in best.items()}
    return Found(
        sentence=f"Taught names only, CAM's box hits the kangaroo on {rates['CAM']:.0%} of {len(named)} photos, "
        f"backprop's on {rates['backprop']:.0%}, LRP's on {rates['LRP']:.0%}; chance {middle:.0%}.",
        findings=(
            Finding("A network that was taught names localises: CAM's boxes beat those that need no network.",
                    f"τ {RECIPE}: {recipe['CAM'].mean():.3f} of the photos ({recipe['CAM'][named].mean():.3f} of the "
                    f"{named.sum()} that are named wallaby); whole photo {whole:.3f}, its middle {middle:.3f}",
                    "yes" if recipe["CAM"].mean() > middle else "no"),
            Finding("CAM localises better than backprop (ILSVRC top-5 error 37.1% against 46.4%): CAM's recipe.",
                    *_against(recipe, "CAM", "backprop")),
            Finding("CAM localises better than backprop, each with the blur and τ that suit it.",
                    *_against(best, "CAM", "backprop")),
            Finding("LRP, which has the detail of the photo, localises better than CAM, each with what suits it.",
                    *_against(best, "LRP", "CAM")),
            Finding("The maximum of a map lies on the animal (pointing game).",
                    f"CAM {points['CAM'].mean():.3f}, backprop {points['backprop'].mean():.3f}, LRP "
                    f"{points['LRP'].mean():.3f} of the photos, of whose area animals cover {photos.masks.mean():.3f}",
                    "yes" if min(one.mean() for one in points.values()) > 2 * photos.masks.mean() else "no"),
        ),
        numbers={"photos": len(named), "named_wallaby": named.sum(), "area_of_animals": photos.masks.mean(),
                 "thresholds": boxing.THRESHOLDS, "blurs": boxing.BLURS, "whole_photo": whole,
                 "middle_of_photo": middle,
                 "accuracy": {name: one.mean(axis=2) for name, one in hits.items()}, "best_of_other_half": rates,
                 "accuracy_if_named_wallaby": {name: one[..., named].mean(axis=2) for name, one in hits.items()},
                 "pointing": {name: one.mean() for name, one in points.items()},
                 "pointing_if_named_wallaby": {name: one[named].mean() for name, one in points.items()}},
        picture=_picture(at, photos, maps, hits, points, middle),
        alt="Five photos of kangaroos with a person's boxes and CAM's, from the best to the worst; their maps by CAM, "
        "backprop and LRP with boxes; the part of photos hit against the threshold, and the pointing game.",
    )  # fmt: skip


def _against(hits: dict[str, NDArray[Any]], one: str, other: str) -> tuple[str, Held]:
    """Return how often two hit, and whether the first hits more often than the sign test leaves to chance."""
    only_one, only_other = int((hits[one] > hits[other]).sum()), int((hits[other] > hits[one]).sum())
    p = binomtest(only_one, only_one + only_other).pvalue if only_one + only_other else 1.0
    measured = (
        f"{one} {hits[one].mean():.3f}, {other} {hits[other].mean():.3f} of the photos; only {one} hits {only_one}, "
        f"only {other} {only_other} (sign test p = {p:.2g})"
    )
    return measured, "yes" if only_one > only_other and p < CHANCE else "no"


def _picture(at: Run, photos: voc.Seen, maps: Any, hits: Any, points: Any, middle: float) -> Any:
    found = evaluate.boxes(maps["CAM"], threshold=RECIPE)
    overlap = np.max([evaluate.iou(found, photos.boxes[:, k]) for k in range(photos.boxes.shape[1])], axis=0)
    ranks = np.linspace(0, len(overlap) - 1, SHOWN).round().astype(int)
    chosen = np.argsort(-overlap, kind="stable")[ranks]
    with figures.sheet(860, title="Where is the kangaroo? Boxes of a network that was taught names only") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(2.3, 1))
        rows = left.subplots(1 + len(maps), SHOWN)
        for column, k in enumerate(chosen):
            figures.show_image(rows[0, column], photos.images[k], withheld=at.withheld)
            for box in photos.boxes[k]:
                figures.show_box(rows[0, column], box, figures.INK if at.withheld else "white")
            figures.show_box(rows[0, column], found[k], figures.POSITIVE)
            for row, (name, one) in enumerate(maps.items(), start=1):
                blur, threshold = boxing.best(hits[name])
                soft = boxing.blurred(one[k : k + 1], boxing.BLURS[blur])
                shown = soft[0] if at.withheld else one[k]  # what a detailed map shows is the photo, nearly
                figures.show_map(rows[row, column], shown, limit=None if name == "CAM" else "99.5%")
                (box,) = evaluate.boxes(soft, threshold=boxing.THRESHOLDS[threshold])
                figures.show_box(rows[row, column], box, figures.INK)
        for axes, name in zip(rows[:, 0], ("photo", *maps), strict=True):
            axes.set_ylabel(name)
        above, below = right.subplots(2, 1, height_ratios=(2, 1))
        for (name, one), hue in zip(hits.items(), figures.HUES, strict=False):
            rates, blur = one.mean(axis=2), boxing.best(one)[0]
            above.plot(boxing.THRESHOLDS, rates[0], color=hue, linewidth=1)
            above.plot(
                boxing.THRESHOLDS,
                rates[blur],
                color=hue,
                linewidth=3,
                marker="o",
                label=f"{name}, blur {boxing.BLURS[blur]}",
            )
        above.axhline(middle, color=figures.PALE, linewidth=1, linestyle="--", label="middle of the photo")
        above.set(xlabel="threshold τ", ylabel="photos hit (IoU ≥ 0.5)", ylim=(0, 0.8), title="The box is right")
        above.legend(fontsize=11)
        rates = [one.mean() for one in points.values()]
        bars = below.barh(list(points), rates, color=figures.HUES[: len(points)])
        below.bar_label(bars, [f"{rate:.0%}" for rate in rates], padding=3)
        below.invert_yaxis()
        below.set(xlim=(0, 1.15), xticks=[], title="The maximum is on an animal")
        return figures.finish(figure)


APPLICATION = Application(
    title="Where is the kangaroo?",
    source="Zhou et al. 2016, CVPR (class activation maps); Simonyan et al. 2014, ICLR workshop (backprop)",
    data="164 photos with boxes of 266 kangaroos.",
    model="`efficientnet_lite0.onnx`, EfficientNet-Lite0 of ImageNet.",
    wing="images",
    run=run,
    needs=(shipped.LITE0, voc.KANGAROOS),
)
