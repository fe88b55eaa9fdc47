"""When do the units of a network come to stand for something?

A small network learns to say which shapes are in a scene. Scenes are generated: two things on grey ground, each with a
shape, a colour and a texture, and for each of these 16 concepts the exact pixels are known. After every epoch the 48
units of the last convolution are dissected on scenes that were not trained on: the best overlap of where a unit is
active with where a concept is (intersection over union, IoU) makes it a detector of that concept from 0.04 on. *Unique*
detectors are the different concepts that have one.

Two levels stand beside the curve. One is the network as it was drawn, before any training. The other is the same
dissection with the masks of other scenes, which knows where things are as a rule, and not what they are. All of it is
done for three networks, which differ in their random numbers.

**Read the picture:** bars are units by the kind of concept that they detect, lines the unique detectors of each
network. Beside are the scenes in which three units of one network are most active, before and after training, dark
where they are not.

**Traps.** That a network which was never trained has detectors is no error: a random filter that adds channels up
prefers some colour, and so does its unit. What training adds is seen only by kind. And the number of unique detectors
says little about how well a network does: it can fall while the network learns.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import units
from ...network import Network
from .. import figures, training
from ..application import Application, Finding, Found, Held, Run
from ..sources.scenes import CATEGORIES, CONCEPTS, KINDS, UNITS, Scenes, card, detector, right, scenes

TASK = "shape"
QUANTILE, LEAST = 0.99, 0.04  # above which a unit is active; from which IoU on it is a detector
PERMUTATIONS = (0, 1)
NETWORKS, EPOCHS = 3, 8
SHOWN = 5  # scenes of a unit


def run(at: Run) -> Found:
    """Train some networks, and dissect each after every epoch."""
    trained, seen = scenes(at.rng, at.few(3000, 96)), scenes(np.random.default_rng(at.seed + 1), at.few(240, 24))
    runs = [_learnt(at, trained, seen, k) for k in range(at.few(NETWORKS, 1))]
    kinds = np.array([[_by_kind(one) for one in found] for found, _, _ in runs])
    unique = np.array([[one.unique(LEAST) for one in found] for found, _, _ in runs])
    accuracy = np.array([answers for _, answers, _ in runs])
    by_chance = max(len(other.detectors(LEAST)) for found, _, _ in runs for one in found for other in one.by_chance)
    shapes = np.array([[_shapes(one) for one in (found[0], found[-1])] for found, _, _ in runs])
    nothing = 1 - float(seen.present(TASK).mean())
    before, after = (", ".join(f"{n:.1f} of {kind}s" for kind, n in zip(KINDS, kinds[:, k].mean(axis=0), strict=True))
                     for k in (0, -1))  # fmt: skip
    start, end = kinds[:, 0].mean(axis=0), kinds[:, -1].mean(axis=0)
    found, _, nets = runs[0]
    return Found(
        sentence=f"Of 48 units {start[1]:.0f} detect colours and {start[0]:.0f} shapes before training; {end[1]:.0f} "
        f"and {end[0]:.0f} after learning shapes (mean of {len(runs)} networks).",
        findings=(
            Finding("Unique detectors become more during training.",
                    f"concepts with a detector {_pairs(unique[:, (0, -1)])} in {len(runs)} networks, {EPOCHS} epochs; "
                    f"answers right {accuracy[:, 0].mean():.0%} → {accuracy[:, -1].mean():.0%} (always no: "
                    f"{nothing:.0%})",
                    "no" if unique[:, -1].mean() <= unique[:, 0].mean() else _verdict(unique[:, -1] > unique[:, 0])),
            Finding("A network that is not trained has no detectors beyond chance.",
                    f"before training {before}, mean of {len(runs)} networks; with masks of other scenes at most "
                    f"{by_chance} in all", _verdict(kinds[:, 0].sum(axis=1) <= by_chance + 2)),
            Finding("What emerges is what the task asks for, here shapes.",
                    f"units before training: {before}; at the end: {after}; different shapes {_pairs(shapes)} of "
                    f"{len(KINDS[TASK])}", _verdict(kinds[:, -1, 0] > kinds[:, 0, 0] + 2)),
            Finding("Detectors are no matter of where things usually are.",
                    f"with masks of other scenes at most {by_chance} of 48 units in any epoch",
                    "yes" if by_chance <= 2 else "in part" if by_chance <= 4 else "no"),
        ),
        numbers={"epochs": EPOCHS, "networks": len(runs), "scenes_trained_on": len(trained),
                 "scenes_dissected": len(seen), "unique": unique, "by_chance": by_chance, "different_shapes": shapes,
                 "detectors_by_kind": {kind: kinds[:, :, k] for k, kind in enumerate(KINDS)},
                 "answers_right": accuracy, "always_no": nothing, "ceiling_of_shapes": found[0].ceiling[:6]},
        picture=_picture(kinds.mean(axis=0), unique, accuracy, _cards(nets, (found[0], found[-1]), seen)),
        alt="Bars of detectors by kind of concept over epochs: colours disappear and shapes appear; and scenes in "
        "which three units are most active, before and after training.",
    )  # fmt: skip


def _learnt(
    at: Run, trained: Scenes, seen: Scenes, k: int
) -> tuple[list[units.Dissection], list[float], tuple[Network, Network]]:
    """Train a network, and return its dissections and answers after every epoch, and how it was first and last."""
    first = last = detector(np.random.default_rng([at.seed, k]), len(KINDS[TASK]))
    later = training.epochs_of(first, trained.x, trained.present(TASK), epochs=at.few(EPOCHS, 1), batch=32, rate=5e-3,
                               seed=k, tell=at.tell)  # fmt: skip
    found, accuracy, masks = [], [], seen.masks
    for net in chain([first], later):
        found.append(units.dissect(net, seen.x, masks, at=UNITS, quantile=QUANTILE, concepts=CONCEPTS,
                                   permuted=PERMUTATIONS))  # fmt: skip
        accuracy.append(right(net, seen, TASK))
        last = net
    return found, accuracy, (first, last)


def _verdict(held: NDArray[Any]) -> Held:
    """Return what is to be said of a claim that held for some networks."""
    return "yes" if held.all() else "in part" if held.any() else "no"


def _pairs(values: NDArray[Any]) -> str:
    return ", ".join(f"{a} → {b}" for a, b in values)


def _shapes(found: units.Dissection) -> int:
    """Return how many different shapes have a detector."""
    return len({c for c in found.concept[found.detectors(LEAST)] if CATEGORIES[c] == TASK})


def _by_kind(found: units.Dissection) -> list[int]:
    """Return how many units are detectors of a shape, a colour and a texture."""
    kinds = [CATEGORIES[c] for c in found.concept[found.detectors(LEAST)]]
    return [kinds.count(kind) for kind in KINDS]


def _cards(
    nets: tuple[Network, Network], found: tuple[units.Dissection, units.Dissection], seen: Scenes
) -> list[tuple[str, NDArray[Any]]]:
    """Return cards of the units that detect shapes best at the end, each before and after training."""
    best, tasked = found[1], [k for k, category in enumerate(CATEGORIES) if category == TASK]
    of_shapes = best.iou[:, tasked]
    order = np.argsort(-of_shapes.max(axis=0), kind="stable")
    chosen = list(dict.fromkeys(int(unit) for unit in of_shapes[:, order].argmax(axis=0)))[:3]
    cards = []
    for unit in chosen:
        for when, net, one in zip(("before training", "after"), nets, found, strict=True):
            title = f"unit {unit} {when}: {CONCEPTS[one.concept[unit]]}, IoU {one.best[unit]:.2f}"
            cards.append((title, card(net, seen, unit, one.threshold[unit], SHOWN)))
    return cards


def _picture(
    kinds: NDArray[Any], unique: NDArray[Any], accuracy: NDArray[Any], cards: list[tuple[str, NDArray[Any]]]
) -> Any:
    with figures.sheet(900, title="Units become detectors of shapes while a network learns shapes") as figure:
        left, right_ = figure.subfigures(1, 2, width_ratios=(6, 5))
        chart, small = left.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        epoch, below = np.arange(len(kinds)), np.zeros(len(kinds))
        for k, kind in enumerate(KINDS):
            chart.bar(
                epoch, kinds[:, k], bottom=below, color=figures.HUES[k], alpha=0.75, label=f"detectors of {kind}s"
            )
            below = below + kinds[:, k]
        for k, line in enumerate(unique):
            chart.plot(epoch, line, color=figures.INK, marker="o", markersize=4, linewidth=1.2,
                       label="" if k else f"different concepts, of {len(unique)} networks")  # fmt: skip
        chart.set(ylabel="units of 48, mean", ylim=(0, 1.4 * max(below.max(), unique.max(), 1)))
        chart.yaxis.get_major_locator().set_params(integer=True)
        chart.legend(loc="upper right")
        small.plot(epoch, accuracy.T, color=figures.INK)
        small.set(xlabel="epochs of training (0: as it was drawn)", ylabel="answers right")
        for row, (title, pictures) in zip(right_.subfigures(len(cards), 1), cards, strict=True):
            row.suptitle(title, x=0.01, ha="left", fontsize=12)
            for place, picture in zip(row.subplots(1, SHOWN), pictures, strict=True):
                figures.show_image(place, picture)
        return figures.finish(figure)


APPLICATION = Application(
    title="How detectors emerge in training",
    source="Bau, Zhou, Khosla, Oliva and Torralba 2017, Network Dissection, arXiv:1704.05796",
    data="3,000 generated scenes of shapes, colours and textures with exact masks, and 240 others to dissect.",
    model="Four convolutions and a dense layer, trained here to say which shapes there are.",
    wing="units",
    run=run,
    extras=("torch",),
)
