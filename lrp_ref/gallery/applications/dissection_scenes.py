"""Are single units special, or would any mixture of them do?

A network learns which shapes, colours and textures are in generated scenes, for which the exact pixels of all 16
concepts are known. The units of each of its layers are dissected: how much does where a unit is active overlap with
where a concept is (intersection over union, IoU)? From 0.04 on it is a detector.

Then the units of the last layer are mixed: they are rotated, all at once, by a random orthogonal matrix. Whatever the
next layer can read it can still read, for rotation loses nothing. If meaning belongs to the layer and not to its single
units, the rotated ones are as good detectors as the units themselves. A rotation that goes part of the way says how
fast it is lost.

**Read the picture:** bars count detectors by kind of concept, layer after layer; the curve counts those of the last
layer while it is rotated. Beside are the scenes in which the best units are most active, dark where they are not.

**Traps.** No unit can have a larger IoU than the ceiling of its concept, which depends on how many pixels both have: at
a higher quantile fewer concepts can be detected at all. And deeper layers have more units and coarser maps, so that
counts of layers are to be compared by kind rather than as such.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import units
from ...layers import Conv
from ...network import Network
from .. import figures, training
from ..analysis.signs import verdict
from ..application import Application, Finding, Found, Run
from ..sources.scenes import CATEGORIES, CONCEPTS, KINDS, UNITS, Scenes, card, detector, scenes

LAYERS = ("relu1", "relu2", "relu3", UNITS)
QUANTILE, STRICT, LEAST = 0.99, 0.995, 0.04  # above which a unit is active; from which IoU on it is a detector
TURNS = (0.0, 0.1, 0.25, 0.5, 1.0)  # how far the units are rotated, of the way to a random rotation
SHOWN = 5  # scenes of a unit


def run(at: Run) -> Found:
    """Train on everything that is in a scene, then dissect layers and rotated units."""
    trained, seen = scenes(at.rng, at.few(3000, 96)), scenes(np.random.default_rng(at.seed + 1), at.few(240, 24))
    net = detector(np.random.default_rng(at.seed + 2), len(CONCEPTS))
    net = training.fit(net, trained.x, _answers(trained), epochs=at.few(12, 1), batch=32, rate=5e-3, seed=at.seed,
                       tell=at.tell)  # fmt: skip
    right = float(((net.forward(seen.x) > 0.5) == (_answers(seen) > 0.5)).mean())
    nothing = 1 - float(_answers(seen).mean())
    layers = [_dissected(net, seen, layer) for layer in LAYERS]
    strict = _dissected(net, seen, UNITS, STRICT)
    turned = [
        [_dissected(_rotated(net, draw, turn), seen, "rotated") for draw in range(at.few(6, 1))] for turn in TURNS
    ]
    kinds = np.array([_by_kind(one) for one in layers])
    unique = np.array([[one.unique(LEAST) for one in some] for some in turned])
    counts = np.array([[len(one.detectors(LEAST)) for one in some] for some in turned])
    overlap = np.array([[one.iou.max(axis=0).mean() for one in some] for some in turned])
    last, chance = layers[-1], max(len(other.detectors(LEAST)) for one in layers for other in one.by_chance)
    told = "; ".join(f"{layer} " + ", ".join(f"{n} {kind}" for n, kind in zip(row, KINDS, strict=True))
                     for layer, row in zip(LAYERS, kinds, strict=True))  # fmt: skip
    shapes, colours = kinds[:, 0] / np.maximum(kinds.sum(axis=1), 1), kinds[:, 1] / np.maximum(kinds.sum(axis=1), 1)
    possible = int((strict.ceiling >= LEAST).sum())
    return Found(
        sentence=f"{last.unique(LEAST)} of 16 concepts have a detector among 48 units; after a random rotation of the "
        f"units {unique[-1].mean():.1f} have.",
        findings=(
            Finding("Units of a trained network are detectors of concepts, beyond chance.",
                    f"{len(last.detectors(LEAST))} of 48 units of the last layer, for {last.unique(LEAST)} of 16 "
                    f"concepts (best IoU {last.best.max():.2f}); with masks of other scenes at most {chance}; "
                    f"answers right {right:.0%} (always no: {nothing:.0%})",
                    "yes" if len(last.detectors(LEAST)) > 3 * chance else "no"),
            Finding("What units stand for belongs to single units: a rotation destroys it.",
                    f"concepts with a detector {unique[0, 0]} → {unique[-1].mean():.1f} ({unique[-1].min()} to "
                    f"{unique[-1].max()} in {unique.shape[1]} rotations); the best IoU of a concept, mean over the 16, "
                    f"{overlap[0, 0]:.3f} → {overlap[-1].mean():.3f}",
                    verdict(unique[-1].max() <= unique[0, 0] / 2,
                             unique[-1].max() < unique[0, 0] and overlap[-1].max() < overlap[0, 0])),
            Finding("Lower layers detect colours, higher ones shapes.", told,
                    verdict(shapes[-1] > 0.5 > colours[-1], shapes[-1] > shapes[0])),
            Finding("A higher quantile leaves less to be found.",
                    f"{len(last.detectors(LEAST))} detectors at {QUANTILE:.1%}, {len(strict.detectors(LEAST))} at "
                    f"{STRICT:.1%}, where {possible} of 16 concepts have a ceiling of {LEAST} or more",
                    "yes" if len(strict.detectors(LEAST)) < len(last.detectors(LEAST)) else "no"),
        ),
        numbers={"answers_right": right, "always_no": nothing, "layers": LAYERS,
                 "detectors_by_kind": {kind: kinds[:, k] for k, kind in enumerate(KINDS)}, "by_chance": chance,
                 "unique_by_layer": [one.unique(LEAST) for one in layers], "turns": TURNS,
                 "unique_when_turned": unique, "best_iou_when_turned": overlap, "detectors_when_turned": counts,
                 "best_iou": dict(zip(CONCEPTS, last.iou.max(axis=0), strict=True)),
                 "ceiling": dict(zip(CONCEPTS, last.ceiling, strict=True)),
                 "ceiling_at_a_higher_quantile": dict(zip(CONCEPTS, strict.ceiling, strict=True))},
        picture=_picture(kinds, unique, _cards(net, last, seen)),
        alt="Bars of detectors by kind for four layers, a curve of unique detectors while units are rotated, and "
        "scenes in which the best units are most active.",
    )  # fmt: skip


def _answers(given: Scenes) -> NDArray[np.float32]:
    """Return which concepts can be seen (N, 16)."""
    return np.concatenate([given.present(kind) for kind in KINDS], axis=1)


def _dissected(net: Network, seen: Scenes, at: str, quantile: float = QUANTILE) -> units.Dissection:
    return units.dissect(net, seen.x, seen.masks, at=at, quantile=quantile, concepts=CONCEPTS, permuted=(0, 1))


def _rotated(net: Network, draw: int, turn: float) -> Network:
    """Return the network up to its units, rotated: Q^turn · a at each position, Q a random rotation."""
    count = net.until(UNITS).nodes[-2].layer.weight.shape[0]  # type: ignore[attr-defined]
    weight = rotation(np.random.default_rng(draw), count, turn).astype(np.float32)
    nodes = [(node.name, node.layer) for node in net.until(UNITS).nodes]
    return Network.sequential([*nodes, ("rotated", Conv(weight[:, :, None, None]))])


def rotation(rng: np.random.Generator, count: int, turn: float) -> NDArray[np.float64]:
    """Return a part of a random rotation: its angles, all of them, times ``turn``.

    A rotation is exp(S) for a skew-symmetric S, whose eigenvalues are ±i times the angles; the part is exp(turn·S).
    """
    if turn == 0:
        return np.eye(count)  # exactly, so that a unit that is never active stays so
    q, r = np.linalg.qr(rng.standard_normal((count, count)))
    q = q * np.sign(np.diag(r))  # uniform among the orthogonal matrices
    if np.linalg.det(q) < 0:
        q[:, 0] *= -1
    values, vectors = np.linalg.eig(q)
    part = vectors @ np.diag(np.exp(1j * turn * np.angle(values))) @ np.linalg.inv(vectors)
    return np.asarray(part.real)


def _by_kind(found: units.Dissection) -> list[int]:
    """Return how many units are detectors of a shape, a colour and a texture."""
    kinds = [CATEGORIES[c] for c in found.concept[found.detectors(LEAST)]]
    return [kinds.count(kind) for kind in KINDS]


def _cards(net: Network, found: units.Dissection, seen: Scenes) -> list[tuple[str, NDArray[Any]]]:
    """Return cards of the best two units of each kind of concept."""
    cards = []
    for kind in KINDS:
        own = found.iou[:, [category == kind for category in CATEGORIES]]
        order = np.argsort(-own.max(axis=0), kind="stable")
        for unit in list(dict.fromkeys(own[:, order].argmax(axis=0).tolist()))[:2]:
            names = KINDS[kind]
            title = f"unit {unit}: {names[own[unit].argmax()]}, IoU {own[unit].max():.2f}"
            cards.append((title, card(net, seen, unit, found.threshold[unit], SHOWN)))
    return cards


def _picture(kinds: NDArray[Any], unique: NDArray[Any], cards: list[tuple[str, NDArray[Any]]]) -> Any:
    with figures.sheet(900, title="Detectors of 16 concepts, layer by layer and rotated") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(6, 5))
        bars, curve = left.subplots(2, 1)
        below = np.zeros(len(LAYERS))
        for k, kind in enumerate(KINDS):
            bars.bar(LAYERS, kinds[:, k], bottom=below, color=figures.HUES[k], alpha=0.75, label=f"of {kind}s")
            below = below + kinds[:, k]
        bars.set(ylabel="units that are detectors", ylim=(0, 1.3 * max(below.max(), 1)))
        bars.legend(loc="upper left", ncols=3)
        curve.plot(TURNS, unique.mean(axis=1), color=figures.INK, marker="o")
        curve.fill_between(TURNS, unique.min(axis=1), unique.max(axis=1), color=figures.PALE, alpha=0.3, linewidth=0)
        curve.set(xlabel="part of a random rotation", ylabel="concepts with a detector",
                  ylim=(0, 1.15 * max(unique.max(), 1)))  # fmt: skip
        for row, (title, pictures) in zip(right.subfigures(len(cards), 1), cards, strict=True):
            row.suptitle(title, x=0.01, ha="left", fontsize=12)
            for place, picture in zip(row.subplots(1, SHOWN), pictures, strict=True):
                figures.show_image(place, picture)
        return figures.finish(figure)


APPLICATION = Application(
    title="Single units, and mixtures of them",
    source="Bau, Zhou, Khosla, Oliva and Torralba 2017, Network Dissection, arXiv:1704.05796",
    data="3,000 generated scenes of shapes, colours and textures with exact masks, and 240 others to dissect.",
    model="Four convolutions and a dense layer, trained here for 12 epochs to say what is in a scene.",
    wing="units",
    run=run,
    extras=("torch",),
)
