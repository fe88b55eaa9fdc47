"""The kangaroo that was not seen: what did the network look at instead?

EfficientNet-Lite0 has a class for kangaroos, 104, the wallaby, and gives another name to many of the photos. A map of
the wrong class and a map of the right class of one photo tell two kinds of failure apart: the network may look *beside*
the animal, at a thing that is on the photo as well; or it looks *at* the animal and takes it for another one.

A person's boxes say where the animal is. The context ratio μ is the mean positive relevance outside the boxes over the
mean inside: below 1 the map lies on the animal, above 1 beside it. It is measured of CAM, which is coarse, and of LRP,
which has the detail of the photo; and of the class that won as well as of the class that should have.

**Reading the picture.** Each column is a photo (grey where it may not be published) with the wrong name above it: a
thing where there is one, then the animals that were named most often. Below it, CAM and LRP of the wrong class, and of
the wallaby. Bars: what kangaroos were taken for. Points: μ of the wrong class against μ of the wallaby, of LRP, for
each photo; a dashed line is where inside and outside are even.

**Traps.** A photo with a kangaroo and a van shows both: "moving van" is then no error of the network, but one of the
question. Few photos are of that kind, so what is said of them is said of few. That two classes have similar maps does
not say that the network has similar reasons: dogs and antelopes share legs, ears and fur with kangaroos, and the map
says where evidence is, not what it is.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import mannwhitneyu

from ... import evaluate
from ...methods import attribute
from ...propagation import composites
from .. import figures
from ..application import Application, Finding, Found, Run
from ..sources import shipped, voc

WALLABY = 104
ANIMALS = 398  # of ImageNet's classes the first, which are animals; those from here on are things
CHANCE = 0.05  # what a rank test finds below this is no chance
BATCH = 8
BLUR = 8  # of LRP's maps in a picture that may not show photos, in pixels: such a map shows the photo, nearly
COLUMNS, NAMED = 6, 9  # photos and names in the picture


def run(at: Run) -> Found:
    """Lay the maps of the class that won and of the wallaby over each photo that was not named wallaby."""
    net, sidecar = at.network("efficientnet_lite0.onnx"), at.sidecar("efficientnet_lite0.onnx")
    photos = voc.seen(voc.some(at.file("kangaroo.tar"), at.few(164, 6)), sidecar)
    low, high = sidecar.bounds()
    rules = composites.get("epsilon_gamma_box", low=low, high=high)
    logits = []
    for start in range(0, len(photos.x), BATCH):
        logits.append(net.forward(photos.x[start : start + BATCH]))
        at.tell("names", start, len(photos.x))
    rank = (-np.concatenate(logits)).argsort(axis=1)
    wrong = rank[:, 0] != WALLABY
    photos, rank, total = photos.some(wrong), rank[wrong], len(photos.x)
    maps: dict[str, list[Any]] = {f"{how}, {of}": [] for how in ("CAM", "LRP") for of in ("wrong class", "wallaby")}
    for start in range(0, len(photos.x), BATCH):
        x, won = photos.x[start : start + BATCH], rank[start : start + BATCH, 0]
        for of, target in (("wrong class", won), ("wallaby", np.full_like(won, WALLABY))):
            maps[f"CAM, {of}"].append(attribute(net, x, "cam", target=target).relevance[:, 0])
            maps[f"LRP, {of}"].append(attribute(net, x, rules, target=target).relevance.sum(axis=1))
        at.tell("maps of two classes", start + len(x), len(photos.x))
    heat = {name: np.concatenate(parts) for name, parts in maps.items()}
    ratio = {name: evaluate.context_ratio(one, photos.masks) for name, one in heat.items()}
    hits = {name: evaluate.pointing_game(one, photos.masks).mean() for name, one in heat.items()}
    alike = evaluate.pearson(heat["CAM, wrong class"], heat["CAM, wallaby"])
    thing = rank[:, 0] >= ANIMALS
    names = np.array([sidecar.classes[k] for k in rank[:, 0]])
    median = {name: np.median(one) for name, one in ratio.items()}
    on = {name: (one < 1).mean() for name, one in ratio.items()}
    among_five = (rank[:, :5] == WALLABY).any(axis=1)
    of_things, of_animals = (float(np.median(ratio["LRP, wrong class"][rows])) if rows.any() else np.nan
                             for rows in (thing, ~thing))  # fmt: skip
    both = thing.any() and (~thing).any()
    p = mannwhitneyu(*(ratio["LRP, wrong class"][rows] for rows in (thing, ~thing))).pvalue if both else 1.0
    return Found(
        sentence=f"{(~thing).sum()} of {len(thing)} unseen kangaroos are taken for another animal; "
        f"on {on['LRP, wrong class']:.0%} the wrong class looks at the kangaroo, not beside it.",
        findings=(
            Finding("A network that gives the wrong name has looked beside the object.",
                    f"the wrong class lies on the animal (μ < 1) on {on['CAM, wrong class']:.0%} of the photos by CAM, "
                    f"{on['LRP, wrong class']:.0%} by LRP; median μ {median['CAM, wrong class']:.2f} and "
                    f"{median['LRP, wrong class']:.2f}",
                    "yes" if max(on["CAM, wrong class"], on["LRP, wrong class"]) < 0.5 else "no"),
            Finding("It does so where it names a thing: that is on the photo as well, beside the animal.",
                    f"{thing.sum()} photos ({', '.join(names[thing])}): median μ of LRP {of_things:.2f}, of the others "
                    f"{of_animals:.2f} (Mann-Whitney p = {p:.2g})",
                    "yes" if of_things > 1 > of_animals and p < CHANCE else "no"),
            Finding("The map of the right class is on the object, though another class won.",
                    f"μ < 1 on {on['CAM, wallaby']:.0%} by CAM, {on['LRP, wallaby']:.0%} by LRP; the maximum is on an "
                    f"animal on {hits['CAM, wallaby']:.0%} and {hits['LRP, wallaby']:.0%}; animals cover "
                    f"{photos.masks.mean():.0%}; wallaby is among the first five on {among_five.sum()} of {len(thing)}",
                    "yes" if min(on["CAM, wallaby"], on["LRP, wallaby"]) > 0.5 else "no"),
            Finding("CAM of the wrong class lights up another region than CAM of the right one.",
                    f"correlation of the two maps: median {np.median(alike):.2f}; below 0 on {(alike < 0).sum()} of "
                    f"{len(thing)} photos", "no" if np.median(alike) > 0.5 else "yes"),
        ),
        numbers={"photos": total, "not_named_wallaby": len(thing), "taken_for": dict(Counter(names).most_common()),
                 "taken_for_animals": (~thing).sum(), "taken_for_things": thing.sum(),
                 "wallaby_in_five": among_five.sum(), "area_of_animals": photos.masks.mean(),
                 "median_context_ratio": median, "on_the_animal": on, "pointing": hits,
                 "median_context_ratio_of_things": of_things,
                 "median_context_ratio_of_animals": of_animals, "correlation_of_cams": np.median(alike)},
        picture=_picture(at, photos, heat, ratio, names, thing),
        alt="Photos of kangaroos with the wrong names that the network gave them; maps of the wrong class and of the "
        "wallaby by CAM and LRP; bars of what they were taken for; context ratios of both classes.",
    )  # fmt: skip


def _shown(names: NDArray[Any], thing: NDArray[Any]) -> list[int]:
    """Return the photos of the picture: things first, then one of each of the animals that were named most often."""
    often = [name for name, _ in Counter(names[~thing]).most_common()]
    first = [int(np.flatnonzero(names == name)[0]) for name in often]
    return [*np.flatnonzero(thing)[: COLUMNS // 2].tolist(), *first][:COLUMNS]


def _picture(at: Run, photos: voc.Seen, heat: Any, ratio: Any, names: NDArray[Any], thing: NDArray[Any]) -> Any:
    with figures.sheet(840, title="Kangaroos that were taken for something else") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(2.3, 1))
        rows = left.subplots(1 + len(heat), COLUMNS, squeeze=False)
        for column, k in enumerate(_shown(names, thing)):
            figures.show_image(rows[0, column], photos.images[k], title=names[k], withheld=at.withheld)
            for box in photos.boxes[k]:
                figures.show_box(rows[0, column], box, figures.INK if at.withheld else "white")
            for row, (name, one) in enumerate(heat.items(), start=1):
                fine = name.startswith("LRP")
                shown = gaussian_filter(one[k], BLUR) if fine and at.withheld else one[k]
                figures.show_map(rows[row, column], shown, limit="99.5%" if fine else None)
                for box in photos.boxes[k]:
                    figures.show_box(rows[row, column], box, figures.PALE)
        for axes, name in zip(rows[:, 0], ("photo", *heat), strict=True):
            axes.set_ylabel(name.replace(", ", "\n"))
        above, below = right.subplots(2, 1, height_ratios=(1, 1.1))
        often, counts = zip(*Counter(names).most_common(NAMED), strict=True)
        above.barh(often, counts, color=figures.HUES[0])
        above.invert_yaxis()
        above.set(title="Taken for", xlabel="photos")
        for rows_of, hue, label in ((~thing, figures.HUES[0], "animal"), (thing, figures.POSITIVE, "thing")):
            below.scatter(ratio["LRP, wallaby"][rows_of], ratio["LRP, wrong class"][rows_of], color=hue, label=label)
        for line in (below.axhline, below.axvline):
            line(1, color=figures.PALE, linewidth=1, linestyle="--")
        below.set(xscale="log", yscale="log", xlabel="μ of the wallaby", ylabel="μ of the wrong class",
                  title="Context ratio μ, by LRP")  # fmt: skip
        below.legend(loc="lower right")
        return figures.finish(figure)


APPLICATION = Application(
    title="The kangaroo that was not seen",
    source="Zhou et al. 2016, CVPR; Lapuschkin et al. 2016, CVPR (context ratio)",
    data="The photos of kangaroos, of 164 with boxes, to which the network gives another name.",
    model="`efficientnet_lite0.onnx`, EfficientNet-Lite0 of ImageNet.",
    wing="images",
    run=run,
    needs=(shipped.LITE0, voc.KANGAROOS),
)
