"""What becomes of the units of a network that is trained further, for something else?

A network has learnt which shapes are in a scene. Its last layer is replaced, and all of it is trained on to say which
textures there are. The same 48 units of the last convolution are dissected before and after, on the same scenes with
exact masks of 16 concepts: is unit 7 still what it was? Beside it stands a network of the same architecture that learns
textures from nothing, for as long as the fine-tuning took. All of it is done with three networks.

That units keep what they stand for needs a comparison as well: in a network where many units detect rings, many would
by chance be a detector of rings before and after. So the pairs (before, after) are compared with those of units that
are paired at random.

**Read the picture:** each point is a unit, by its best overlap (IoU) with a shape, and with a texture: before, and
after. Below the diagonal a unit lost, above it gained. At the right are the scenes in which three units are most
active, before and after; what is dark is where they are not.

**Traps.** A unit has a best concept whatever it does; it counts as a detector from an IoU of 0.04 on. Units of one
network have nothing to do with the units of another with the same numbers: only fine-tuning makes them comparable.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import units
from ...network import Network
from .. import figures, training
from ..analysis.signs import verdict
from ..application import Application, Finding, Found, Run
from ..sources.scenes import CATEGORIES, CONCEPTS, KINDS, UNITS, Scenes, card, detector, right, scenes

FIRST, SECOND = "shape", "texture"
QUANTILE, LEAST = 0.99, 0.04  # above which a unit is active; from which IoU on it is a detector
SHOWN = 5  # scenes of a unit
SHUFFLES = 500
NETWORKS, EPOCHS = 3, (7, 3)


def run(at: Run) -> Found:
    """Learn shapes, then textures, and dissect in between; with several networks."""
    trained, seen = scenes(at.rng, at.few(3000, 96)), scenes(np.random.default_rng(at.seed + 1), at.few(240, 24))
    runs = [_transferred(at, trained, seen, k) for k in range(at.few(NETWORKS, 1))]
    count = {kind: np.array([[_detectors(one, kind) for one in found] for found, _ in runs]) for kind in KINDS}
    had = sum(len(found[0].detectors(LEAST)) for found, _ in runs)
    kept = np.array([_kept(found[0], found[1], at.rng) for found, _ in runs])
    same, expected = int(kept[:, 0].sum()), float(kept[:, 1].sum())
    answers = np.array([[right(net, seen, SECOND) for net in nets[1:]] for _, nets in runs])
    faster = answers[:, 0] > answers[:, 1] + 0.01
    first = [right(nets[0], seen, FIRST) for _, nets in runs]
    nothing = 1 - float(seen.present(SECOND).mean())
    chance = max(len(other.detectors(LEAST)) for found, _ in runs for one in found for other in one.by_chance)
    (old, new, alone), (lost, rest, _) = (count[kind].T for kind in (SECOND, FIRST))
    found, nets = runs[0]
    return Found(
        sentence=f"{EPOCHS[1]} epochs of fine-tuning take detectors of textures from {old.mean():.0f} to "
        f"{new.mean():.0f} of 48 units, of shapes from {lost.mean():.0f} to {rest.mean():.0f} (mean of {len(runs)}).",
        findings=(
            Finding("Units take up the concepts of the new task.",
                    f"detectors of textures {_pairs(old, new)} of 48 units in {len(runs)} networks; from nothing "
                    f"{_told(alone)}; with masks of other scenes at most {chance}",
                    verdict((new > old + 2).all(), (new > old + 2).any())),
            Finding("Units of the old task give up its concepts.",
                    f"detectors of shapes {_pairs(lost, rest)} of 48 units",
                    verdict((rest < lost / 2).all(), (rest < lost).any())),
            Finding("Many units keep the concept that they stand for.",
                    f"{same} of {had} detectors of {len(runs)} networks have the same concept as before; of units "
                    f"paired at random {expected:.1f}",
                    verdict(same > had / 2 and same > 2 * expected, same > had / 4 and same > 2 * expected)),
            Finding("A network that has learnt something else learns faster.",
                    f"answers about textures that are right after {EPOCHS[1]} epochs, from nothing → fine-tuned: "
                    f"{_pairs(answers[:, 1], answers[:, 0], '.1%')} (always no: {nothing:.1%})",
                    verdict(bool(faster.all()), bool(faster.any()))),
        ),
        numbers={"epochs": EPOCHS, "networks": len(runs), "scenes_trained_on": len(trained),
                 "scenes_dissected": len(seen), "detectors_before_after_from_nothing": count, "detectors_before": had,
                 "same_concept": same, "same_at_random": expected, "by_chance": chance,
                 "unique": [[one.unique(LEAST) for one in some] for some, _ in runs], "answers_right": answers,
                 "always_no": nothing, "shapes_right_before": first},
        picture=_picture([some for some, _ in runs], _cards((nets[0], nets[1]), (found[0], found[1]), seen)),
        alt="Scatter plots of the units' overlap with shapes and with textures before and after fine-tuning, and "
        "scenes in which three units are most active before and after.",
    )  # fmt: skip


def _transferred(at: Run, trained: Scenes, seen: Scenes, k: int) -> tuple[list[units.Dissection], list[Network]]:
    """Return a network of shapes, the same for textures, one for textures from nothing, and their dissections."""
    first, second = (detector(np.random.default_rng([at.seed, k, j]), len(KINDS[kind]))
                     for j, kind in enumerate((FIRST, SECOND)))  # fmt: skip
    shapes = _learnt(at, first, trained, FIRST, at.few(EPOCHS[0], 1))
    textures = _learnt(at, _with_head(shapes, second), trained, SECOND, at.few(EPOCHS[1], 1))
    scratch = _learnt(at, second, trained, SECOND, at.few(EPOCHS[1], 1))
    nets, masks = [shapes, textures, scratch], seen.masks
    return [units.dissect(net, seen.x, masks, at=UNITS, quantile=QUANTILE, concepts=CONCEPTS, permuted=(0, 1))
            for net in nets], nets  # fmt: skip


def _told(values: NDArray[Any], form: str = "") -> str:
    return ", ".join(format(value, form) for value in values.tolist())


def _pairs(before: NDArray[Any], after: NDArray[Any], form: str = "") -> str:
    return ", ".join(f"{a:{form}} → {b:{form}}" for a, b in zip(before.tolist(), after.tolist(), strict=True))


def _learnt(at: Run, net: Network, trained: Scenes, kind: str, epochs: int) -> Network:
    return training.fit(net, trained.x, trained.present(kind), epochs=epochs, batch=32, rate=4e-3, seed=at.seed,
                        tell=at.tell)  # fmt: skip


def _with_head(net: Network, other: Network) -> Network:
    """Return a network with the last layer of another."""
    return replace(net, nodes=(*net.nodes[:-1], other.nodes[-1]))


def _best(found: units.Dissection, kind: str) -> NDArray[Any]:
    """Return the best IoU of each unit with a concept of a kind."""
    return np.asarray(found.iou[:, [category == kind for category in CATEGORIES]].max(axis=1))


def _detectors(found: units.Dissection, kind: str) -> int:
    """Return how many units are detectors of a concept of a kind."""
    return sum(CATEGORIES[c] == kind for c in found.concept[found.detectors(LEAST)])


def _kept(before: units.Dissection, after: units.Dissection, rng: np.random.Generator) -> tuple[int, float]:
    """Return how many units detect the same before and after, and how many of random pairs do."""
    first, second = (np.where(one.best >= LEAST, one.concept, -1 - k) for k, one in enumerate((before, after)))
    others = [(first == rng.permutation(second)).sum() for _ in range(SHUFFLES)]
    return int((first == second).sum()), float(np.mean(others))


def _cards(
    nets: tuple[Network, Network], found: tuple[units.Dissection, units.Dissection], seen: Scenes
) -> list[tuple[str, NDArray[Any]]]:
    """Return cards of three units that are active at both times: the best shape that is lost, two textures won."""
    before, after = found
    alive = (before.threshold > 0) & (after.threshold > 0)
    shape = np.array([CATEGORIES[c] == FIRST for c in before.concept])
    lost = int(np.where(alive & shape, before.best - _best(after, FIRST), -1).argmax())
    won = np.where(alive, _best(after, SECOND) - _best(before, SECOND), -1)
    won[lost] = -1
    first = int(won.argmax())
    second = int(np.where(after.concept == after.concept[first], -1, won).argmax())
    cards = []
    for unit in (lost, first, second):
        for when, net, one in zip(("before", "after"), nets, found, strict=True):
            title = f"unit {unit} {when}: {CONCEPTS[one.concept[unit]]}, IoU {one.best[unit]:.2f}"
            cards.append((title, card(net, seen, unit, one.threshold[unit], SHOWN)))
    return cards


def _picture(found: list[list[units.Dissection]], cards: list[tuple[str, NDArray[Any]]]) -> Any:
    with figures.sheet(900, title="The same units before and after they learn textures instead of shapes") as figure:
        left, right_ = figure.subfigures(1, 2, width_ratios=(1, 1))
        for k, (axes, kind) in enumerate(zip(left.subplots(2, 1), (FIRST, SECOND), strict=True)):
            x, y = (np.concatenate([_best(some[when], kind) for some in found]) for when in (0, 1))
            most = 1.1 * float(max(x.max(), y.max(), LEAST))
            axes.plot([0, most], [0, most], color=figures.PALE, linewidth=1)
            axes.axhline(LEAST, color=figures.PALE, linewidth=1, linestyle=":")
            axes.axvline(LEAST, color=figures.PALE, linewidth=1, linestyle=":")
            axes.scatter(x, y, color=figures.HUES[2 * k], s=30, alpha=0.6)
            axes.set(xlim=(0, most), ylim=(0, most), xlabel="IoU before", ylabel="IoU after",
                     title=f"best overlap with a {kind}, of 48 units of {len(found)} networks")  # fmt: skip
        for row, (title, pictures) in zip(right_.subfigures(len(cards), 1), cards, strict=True):
            row.suptitle(title, x=0.01, ha="left", fontsize=12)
            for place, picture in zip(row.subplots(1, SHOWN), pictures, strict=True):
                figures.show_image(place, picture)
        return figures.finish(figure)


APPLICATION = Application(
    title="What becomes of units when a network learns something else",
    source="Bau, Zhou, Khosla, Oliva and Torralba 2017, Network Dissection, arXiv:1704.05796; Zhou, Bau, Oliva and "
    "Torralba 2019, IEEE TPAMI 41(9), arXiv:1711.05611",
    data="3,000 generated scenes of shapes, colours and textures with exact masks, and 240 others to dissect.",
    model="Four convolutions and a dense layer, trained here for shapes, then for textures.",
    wing="units",
    run=run,
    extras=("torch",),
)
