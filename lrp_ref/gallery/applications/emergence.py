"""When do the units of a network come to stand for something?

A small network learns to say which shapes are in a scene. Scenes are generated: two things on grey ground, each with a
shape, a colour and a texture, and for each of these 16 concepts the exact pixels are known. After every epoch the 48
units of the last convolution are dissected on scenes that were not trained on: the best overlap of where a unit is
active with where a concept is (intersection over union, IoU) makes it a detector of that concept from 0.04 on. *Unique*
detectors are the different concepts that have one.

Two levels stand beside the curve. One is the network as it was drawn, before any training, with four others of other
random numbers. The other is the same dissection with the masks of other scenes, which knows where things are as a rule,
and not what they are.

**Read the picture:** bars are units by the kind of concept that they detect; the line is the number of unique
detectors. Beside are the scenes in which three units are most active, before and after training, dark where they are
not.

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
from ..application import Application, Finding, Found, Run
from ..sources.scenes import CATEGORIES, CONCEPTS, KINDS, UNITS, Scenes, card, detector, right, scenes

TASK = "shape"
QUANTILE, LEAST = 0.99, 0.04  # above which a unit is active; from which IoU on it is a detector
PERMUTATIONS = (0, 1, 2)
SHOWN = 5  # scenes of a unit


def run(at: Run) -> Found:
    """Train, and dissect after every epoch."""
    trained, seen = scenes(at.rng, at.few(3000, 96)), scenes(np.random.default_rng(at.seed + 1), at.few(240, 24))
    masks = seen.masks
    first = detector(np.random.default_rng(at.seed + 2), len(KINDS[TASK]))
    epochs = at.few(12, 1)
    later = training.epochs_of(first, trained.x, trained.present(TASK), epochs=epochs, batch=32, rate=5e-3,
                               seed=at.seed, tell=at.tell)  # fmt: skip
    found, accuracy, last = [], [], first
    for net in chain([first], later):
        found.append(units.dissect(net, seen.x, masks, at=UNITS, quantile=QUANTILE, concepts=CONCEPTS,
                                   permuted=PERMUTATIONS))  # fmt: skip
        accuracy.append(right(net, seen, TASK))
        last = net
    others = [
        units.dissect(detector(np.random.default_rng([at.seed, k]), len(KINDS[TASK])), seen.x, masks, at=UNITS,
                      quantile=QUANTILE, concepts=CONCEPTS) for k in range(at.few(4, 1))
    ]  # fmt: skip
    drawn = [found[0].unique(LEAST), *(one.unique(LEAST) for one in others)]
    kinds = np.array([_by_kind(one) for one in found])
    unique = [one.unique(LEAST) for one in found]
    by_chance = [max(len(other.detectors(LEAST)) for other in one.by_chance) for one in found]
    nothing = 1 - float(seen.present(TASK).mean())
    shapes = [len({c for c in one.concept[one.detectors(LEAST)] if CATEGORIES[c] == TASK}) for one in found]
    before, after = (", ".join(f"{n} of {kind}s" for kind, n in zip(KINDS, kinds[k], strict=True)) for k in (0, -1))
    return Found(
        sentence=f"Of 48 units {kinds[0, 1]} detect colours and {kinds[0, 0]} shapes before training; {kinds[-1, 1]} "
        f"and {kinds[-1, 0]} after the network has learnt shapes.",
        findings=(
            Finding("Unique detectors become more during training.",
                    f"{unique[0]} concepts before training ({min(drawn)} to {max(drawn)} in {len(drawn)} random "
                    f"networks), {unique[-1]} after {epochs} epochs (most {max(unique)}); answers right "
                    f"{accuracy[0]:.0%} → {accuracy[-1]:.0%} (always no: {nothing:.0%})",
                    "yes" if unique[-1] > max(drawn) else "in part" if unique[-1] > unique[0] else "no"),
            Finding("A network that is not trained has no detectors beyond chance.",
                    f"{kinds[0].sum()} of 48 units before training ({before}); with masks of other scenes at most "
                    f"{by_chance[0]}", "yes" if kinds[0].sum() <= by_chance[0] + 2 else "no"),
            Finding("What emerges is what the task asks for, here shapes.",
                    f"units before training: {before}; at the end: {after}; different shapes {shapes[0]} → "
                    f"{shapes[-1]} of {len(KINDS[TASK])}", "yes" if kinds[-1, 0] > kinds[0, 0] + 2 else "no"),
            Finding("Detectors are no matter of where things usually are.",
                    f"with masks of other scenes at most {max(by_chance)} of 48 units in any epoch",
                    "yes" if max(by_chance) <= 2 else "in part" if max(by_chance) < kinds[-1].sum() / 2 else "no"),
        ),
        numbers={"epochs": epochs, "scenes_trained_on": len(trained), "scenes_dissected": len(seen), "unique": unique,
                 "unique_of_networks_as_drawn": drawn,
                 "detectors_by_kind": {kind: kinds[:, k] for k, kind in enumerate(KINDS)}, "by_chance": by_chance,
                 "different_shapes": shapes, "answers_right": accuracy, "always_no": nothing,
                 "best_iou": [float(one.best.max()) for one in found], "ceiling_of_shapes": found[0].ceiling[:6]},
        picture=_picture(kinds, unique, by_chance, accuracy, _cards((first, last), (found[0], found[-1]), seen)),
        alt="Bars of detectors by kind of concept over epochs: colours disappear and shapes appear; and scenes in "
        "which three units are most active, before and after training.",
    )  # fmt: skip


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


def _picture(kinds: NDArray[Any], unique: list[int], by_chance: list[int], accuracy: list[float],
             cards: list[tuple[str, NDArray[Any]]]) -> Any:  # fmt: skip
    with figures.sheet(900, title="Units become detectors of shapes while a network learns shapes") as figure:
        left, right_ = figure.subfigures(1, 2, width_ratios=(6, 5))
        chart, small = left.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        epoch, below = np.arange(len(kinds)), np.zeros(len(kinds))
        for k, kind in enumerate(KINDS):
            chart.bar(
                epoch, kinds[:, k], bottom=below, color=figures.HUES[k], alpha=0.75, label=f"detectors of {kind}s"
            )
            below = below + kinds[:, k]
        chart.plot(epoch, unique, color=figures.INK, marker="o", label="unique detectors: different concepts")
        chart.plot(epoch, by_chance, color=figures.PALE, linestyle="--", label="units, with masks of other scenes")
        chart.set(ylabel="units of 48", ylim=(0, 1.35 * max(below.max(), max(unique), 1)))
        chart.yaxis.get_major_locator().set_params(integer=True)
        chart.legend(loc="upper right")
        small.plot(epoch, accuracy, color=figures.INK)
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
    model="Four convolutions and a dense layer, trained here for 12 epochs to say which shapes there are.",
    wing="units",
    run=run,
    extras=("torch",),
)
