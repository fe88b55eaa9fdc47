"""Does a better network have a cleaner heat map?

Binder et al. (2016) set heat maps of networks side by side, and those of the better network looked cleaner: less
scattered, more on the object. Here EfficientNet-Lite0 and SqueezeNet name the same photos; the first does it much
better. Clean is made a number: how concentrated the positive relevance of a map is, by its Gini index (0 where every
pixel has as much, 1 where one has all) and by its entropy over that of an even map (1 where it is even).

One pair of networks differs in much beside quality, so the difference needs controls. *Architecture:* the same two
with random weights in every convolution, which know nothing, explained for the class that they say. *Grain:* a stride
spreads relevance unevenly over neighbouring pixels; sums over squares leave that out. *Rule:* the same by a second
rule. *Object:* concentrated is not yet right, so on photos with boxes the part of the positive relevance that lies on
the animal is measured as well. Photos are compared in pairs, by Wilcoxon's test.

**Reading the picture.** Photos of which both networks are asked for the label; below, their maps, and whether the
network itself says so. Charts: the Gini index of each photo, a line a photo, for the trained and for random networks;
both rules.

**Traps.** Two networks are two points: whatever comes out says little of networks in general. The photos have 224
pixels a side for the one and 227 for the other; shares of pixels, not numbers of pixels, are compared. ImageNet's
pictures are not free, so there are few photos here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from ... import evaluate, layers
from ...errors import ModelFormatError
from ...evaluate.randomise import randomised_layers
from ...loaders.archive import Archive
from ...loaders.preprocess import Sidecar, parse_sidecar
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Held, Need, Run
from ..sources import shipped, voc

WALLABY = 104
CHANCE = 0.05  # what Wilcoxon's test finds below this is no chance
RULES = ("epsilon_gamma_box", "epsilon_plus")
SQUARE = 16  # pixels, of the sums that leave the grain out
BATCH = 5
BETTER, WORSE = "EfficientNet-Lite0", "SqueezeNet"
# SqueezeNet as its makers gave it: blue first, minus the mean colour.
SQUEEZENET: dict[str, Any] = {
    "kind": "image", "size": [227, 227], "channels": "BGR", "layout": "NCHW", "mean": [104, 117, 123], "scale": 1,
    "resize": "stretch", "resample": "bicubic",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Model:
    """A network, and how its input is made."""

    net: Network
    sidecar: Sidecar

    def maps(self, x: NDArray[Any], target: Any, rule: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the positive relevance (N, H, W), and the class that the network says (N,)."""
        low, high = self.sidecar.bounds()
        rules = composites.get(rule, **({"low": low, "high": high} if rule.endswith("box") else {}))
        parts = [explain(self.net, x[k : k + BATCH], target=None if target is None else target[k : k + BATCH],
                         composite=rules) for k in range(0, len(x), BATCH)]  # fmt: skip
        said = [e.output.reshape(len(e.output), -1).argmax(axis=1) for e in parts]
        return np.concatenate([np.maximum(e.relevance.sum(axis=1), 0) for e in parts]), np.concatenate(said)

    def random(self, seed: int) -> Model:
        """Return the same with random weights, of the same mean square, in convolutions and dense layers."""
        names = [node.name for node in self.net.nodes if isinstance(node.layer, layers.Conv | layers.Dense)]
        return Model(self.net.replaced(randomised_layers(self.net, seed=seed, at=names)), self.sidecar)


def run(at: Run) -> Found:
    """Measure how concentrated the maps of two networks are, trained and random, by two rules."""
    models = {BETTER: Model(at.network("efficientnet_lite0.onnx"), at.sidecar("efficientnet_lite0.onnx")),
              WORSE: Model(at.network("squeezenet_dc.onnx"), parse_sidecar({"input": SQUEEZENET}))}  # fmt: skip
    photos, labels = labelled(at.file("foolbox-3.3.4-py3-none-any.whl"), at.few(20, 2))
    animals = voc.some(at.file("kangaroo.tar"), at.few(20, 2))
    found: dict[str, NDArray[Any]] = {}
    shown, right = {}, {}
    jobs = [(name, rule, kind) for name in models for rule in RULES for kind in ("trained", "random")]
    for k, (name, rule, kind) in enumerate(jobs):
        at.tell("maps", k, len(jobs))
        model, seeds = models[name], range(at.seed, at.seed + at.few(2, 1))
        x, target = voc.seen(photos, model.sidecar).x, labels if kind == "trained" else None
        draws = [model] if kind == "trained" else [model.random(seed) for seed in seeds]
        maps = [one.maps(x, target, rule) for one in draws]
        found[f"Gini, {name}, {kind}, {rule}"] = np.mean([evaluate.gini(heat) for heat, _ in maps], axis=0)
        if (kind, rule) == ("trained", RULES[0]):
            shown[name], right[name] = maps[0][0], maps[0][1] == labels
            found[f"entropy, {name}"] = evaluate.entropy(shown[name]) / np.log(shown[name][0].size)
            found[f"Gini of squares, {name}"] = evaluate.gini(squares(shown[name]))
            seen = voc.seen(animals, model.sidecar)
            on_animals, _ = model.maps(seen.x, np.full(len(seen.x), WALLABY), rule)
            found[f"part on kangaroos, {name}"] = evaluate.relevance_mass(on_animals, seen.masks)
    first, random, second = ([found[f"Gini, {name}, {kind}, {rule}"] for name in models] for kind, rule in (
        ("trained", RULES[0]), ("random", RULES[0]), ("trained", RULES[1])))  # fmt: skip
    gained = [trained - control for trained, control in zip(first, random, strict=True)]
    even, by_squares, on_animal = ([found[f"{what}, {name}"] for name in models] for what in (
        "entropy", "Gini of squares", "part on kangaroos"))  # fmt: skip
    return Found(
        sentence=f"Gini index of the better network's maps {np.median(first[0]):.2f}, of the worse one's "
        f"{np.median(first[1]):.2f}; by another rule {np.median(second[0]):.2f} and {np.median(second[1]):.2f}.",
        findings=(
            Finding("The better network has the cleaner heat map (Gini index).", *_more(*first)),
            Finding("The same by entropy: that of the better network's map is less.", *_more(*even, sign=-1)),
            Finding("Architecture does not explain it: training adds more to the index of the better network.",
                    *_more(*gained, of="trained − random")),
            Finding(f"Grain does not explain it: the same of sums over {SQUARE} × {SQUARE} pixels.",
                    *_more(*by_squares)),
            Finding(f"The rule does not explain it: the same by {RULES[1]}.", *_more(*second)),
            Finding("Cleaner is on the object: the better network has more of its relevance in the boxes of kangaroos.",
                    *_more(*on_animal, of="part of R⁺")),
        ),
        numbers={"photos": len(labels), "right": {name: one.sum() for name, one in right.items()},
                 "medians": {name: np.median(one) for name, one in found.items()}},
        picture=_picture(photos, shown, right, found),
        alt="Five photos and their heat maps by EfficientNet-Lite0 and SqueezeNet; lines of the Gini index of each "
        "photo from the one network to the other, trained and random, by two rules.",
    )  # fmt: skip


def labelled(path: Any, count: int) -> tuple[list[voc.Photo], NDArray[np.int64]]:
    """Return the first photos of ImageNet that a wheel of foolbox has, and their classes, which are in their names."""
    with Archive(path) as wheel:
        names = sorted(n for n in wheel.sizes if re.fullmatch(r"foolbox/data/imagenet_\d\d_\d{1,3}\.jpg", n))[:count]
        if len(names) < count:
            raise ModelFormatError(f"{path}: {len(names)} photos foolbox/data/imagenet_NN_CLASS.jpg; needed: {count}")
        read = [voc.pixels(bytes(wheel.read(name, voc.MOST[".jpg"])), f"{path}: {name}") for name in names]
        found = [voc.Photo(name, image, []) for name, image in zip(names, read, strict=True)]
    return found, np.array([int(re.split(r"[_.]", name)[-2]) for name in names])


def squares(maps: NDArray[Any]) -> NDArray[Any]:
    """Return sums over squares of pixels (N, H, W) → (N, H // 16, W // 16); what is left at the end is left out."""
    high, wide = (n // SQUARE for n in maps.shape[1:])
    cut = maps[:, : high * SQUARE, : wide * SQUARE]
    return np.asarray(cut.reshape(len(maps), high, SQUARE, wide, SQUARE).sum(axis=(2, 4)))


def _more(better: NDArray[Any], worse: NDArray[Any], *, sign: int = 1, of: str = "") -> tuple[str, Held]:
    """Return the medians of two, and whether the first is more, beyond what Wilcoxon's test leaves to chance."""
    lead = sign * (better - worse)
    p = wilcoxon(lead).pvalue
    measured = (
        f"median {of + ' ' if of else ''}{np.median(better):.2f} against {np.median(worse):.2f}; so on "
        f"{(lead > 0).sum()} of {len(lead)} photos (Wilcoxon p = {p:.2g})"
    )
    return measured, "yes" if np.median(lead) > 0 and p < CHANCE else "no"


def _picture(photos: list[voc.Photo], shown: Any, right: Any, found: Any) -> Any:
    some = [*range(0, len(photos), 4)][:5]
    with figures.sheet(880, title="Is the better network's heat map the cleaner one?") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(2, 1))
        rows = above.subplots(3, len(some), squeeze=False)
        for column, k in enumerate(some):
            figures.show_image(rows[0, column], photos[k].image)
            for row, name in enumerate(shown, start=1):
                figures.show_map(rows[row, column], shown[name][k], limit="99.5%",
                                 title="named right" if right[name][k] else "named wrong")  # fmt: skip
        for axes, name in zip(rows[:, 0], ("photo", *shown), strict=True):
            axes.set_ylabel(name)
        panels = below.subplots(1, 2 * len(RULES), sharey=True)
        for axes, (rule, kind) in zip(panels, ((r, k) for r in RULES for k in ("trained", "random")), strict=True):
            pairs = np.array([found[f"Gini, {name}, {kind}, {rule}"] for name in shown])
            axes.plot([0, 1], pairs, color=figures.PALE, linewidth=1)
            axes.plot([0, 1], np.median(pairs, axis=1), color=figures.POSITIVE, linewidth=4, marker="o")
            axes.set(xticks=[0, 1], xticklabels=["Lite0", "Squeeze"], xlim=(-0.3, 1.3), title=f"{rule}\n{kind}")
        panels[0].set_ylabel("Gini index")
        return figures.finish(figure)


APPLICATION = Application(
    title="The cleaner heat map",
    source="Binder, Bach, Montavon, Müller, Samek 2016, ICISA (LRP for deep neural network architectures)",
    data="20 labelled photos of ImageNet, and 20 photos of kangaroos with boxes.",
    model="EfficientNet-Lite0 (87.8% right on 1,000 photos of ImageNet) and SqueezeNet v1.0 (66.8%).",
    wing="images",
    run=run,
    needs=(
        shipped.LITE0,
        Need("squeezenet_dc.onnx", "SqueezeNet v1.0 with compressed weights, as ONNX", "the weights of "
             "https://github.com/songhan/SqueezeNet-Deep-Compression, decoded", "BSD"),
        Need("foolbox-3.3.4-py3-none-any.whl", "20 labelled photos", "PyPI foolbox 3.3.4 (pip download --no-deps "
             "foolbox==3.3.4)", "MIT"),
        replace(voc.KANGAROOS, showable=True),  # none of them is drawn
    ),
)  # fmt: skip
