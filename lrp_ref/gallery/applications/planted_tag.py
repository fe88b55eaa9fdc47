"""Two models are right equally often. Do they look at the same thing?

In a well-known data set of photographs, one in five pictures of horses carries the tag of a photographer. A classifier
of Fisher vectors was as good at horses as a convolutional network, and its heat maps lay on the tag: it recognised the
photographer. Nobody had seen that in the accuracy.

Those photographs cannot be shipped, so a tag is planted: the same small mark in the lower left corner of one in five
shirts of the training set of Fashion-MNIST, and of no other garment. A small convolutional network and a linear machine
on Fisher vectors learn from it; a second pair learns from the same images without the tag, as a control. Which shirts
are tagged, and every random number of the training, is drawn anew for each of three seeds.

Then they are asked about garments that they have not seen. Three numbers tell a model that uses the tag: which fraction
of the positive relevance of a tagged shirt lies on the tag (it covers 4.6 % of the image); how many shirts are called
shirts once they are tagged; and how many trousers, boots and bags are called shirts when the tag is moved to *them*.

The picture: tagged shirts, and their maps for "shirt" under all four models; red speaks for it, blue against it. A map
of a Fisher vector is coarse, for it knows patches of 7 × 7 pixels, and not where they are.

Traps. Accuracy on test images without the tag hardly falls, and says nothing. The maps are of two kinds, z⁺ for the
network and signed terms for the Fisher vector, so compare each model with its own control first. And what is published
is one data set with one pair of models, the network having been trained on a million other photographs before; here
both start from nothing, the tag is the same in every pixel, and a network, unlike a Fisher vector, knows where it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import figures, tags
from ..application import Application, Finding, Found, Held
from ..running import Run

SEEDS = (0, 1, 2)
EQUAL = 0.03  # models of accuracies that differ by no more are equally good
TIMES = 2.0  # so many times as much on the tag is "more"


def run(at: Run) -> Found:
    """Train both models with the tag and without it, for each seed, and ask them about tagged garments."""
    seeds = SEEDS[: at.few(len(SEEDS), 1)]
    found: dict[tuple[str, str], list[tags.Measured]] = {}
    for done, seed in enumerate(seeds):
        data = tags.Garments.read(at, at.seed + seed)
        for k, (way, given) in enumerate((("tag", data), ("control", data.without(at)))):
            at.tell(f"training, seed {seed}, {way}", 2 * done + k, 2 * len(seeds))
            for model in _models(at, given, at.seed + seed):
                found.setdefault((model.name, way), []).append(tags.measured(model, data))
    at.tell("trained", 2 * len(seeds), 2 * len(seeds))
    network, fisher = found["network", "tag"], found["Fisher vector", "tag"]
    numbers = {f"{name}, {way}": _numbers(values) for (name, way), values in found.items()}
    on_tag = [_mean(values, "on_tag") for values in (network, fisher)]
    return Found(
        sentence=f"Right on {_mean(network, 'accuracy'):.0%} and {_mean(fisher, 'accuracy'):.0%}: {on_tag[0]:.0%} of "
        f"the network's relevance lies on a planted tag, {on_tag[1]:.0%} of a Fisher vector's.",
        findings=(_equally_good(network, fisher, len(data.test_labels)), _more(network, fisher), _moved(found)),
        numbers={"seeds": seeds, "area_of_tag": tags.AREA, **numbers},
        picture=_picture(tags.planted(data.test_images[data.test_labels == tags.TAGGED][: tags.SHOWN]), found),
        alt="Four shirts with a tag in the lower left corner, and their maps under a network and a Fisher vector that "
        "saw tagged shirts in training, and under two that did not; bars of how much of the relevance lies on the tag, "
        "and of how many other garments become shirts with it.",
    )


def _models(at: Run, data: tags.Garments, seed: int) -> tuple[tags.Convolutional, tags.Fisher]:
    network = tags.Convolutional(data, epochs=at.few(10, 2), seed=seed, tell=at.tell)
    return network, tags.Fisher(data, patches=at.few(20_000, 500), seed=seed)


def _numbers(values: list[tags.Measured]) -> dict[str, list[float]]:
    names = ("accuracy", "shirts", "shirts_tagged", "others", "others_tagged", "on_tag")
    return {name: [getattr(m, name) for m in values] for name in names}


def _mean(values: list[tags.Measured], name: str) -> float:
    return float(np.mean([getattr(m, name) for m in values]))


def _equally_good(network: list[tags.Measured], fisher: list[tags.Measured], garments: int) -> Finding:
    right, parts = ([_mean(values, name) for values in (network, fisher)] for name in ("accuracy", "on_tag"))
    apart = max(parts) / min(parts)
    measured = (
        f"right on {right[0]:.1%} (network) and {right[1]:.1%} (Fisher vector) of {garments} untagged garments; "
        f"{parts[0]:.1%} and {parts[1]:.1%} of the relevance of tagged shirts on the tag, {apart:.1f} times apart; "
        f"means of {len(network)} seeds"
    )
    held: Held = "yes" if abs(right[0] - right[1]) <= EQUAL and apart >= TIMES else "no"
    return Finding("Models of the same accuracy may follow different strategies, which heat maps show.", measured, held)


def _more(network: list[tags.Measured], fisher: list[tags.Measured]) -> Finding:
    parts = [[m.on_tag for m in values] for values in (network, fisher)]
    more = [f >= TIMES * n for n, f in zip(*parts, strict=True)]
    listed = [" ".join(f"{v:.1%}" for v in part) for part in parts]
    return Finding(
        "The Fisher vector relies on the tag far more than the network does.",
        f"fraction on the tag, a number a seed: network {listed[0]}; Fisher vector {listed[1]}; area {tags.AREA:.1%}",
        "yes" if all(more) else "in part" if any(more) else "no",
    )


def _moved(found: dict[tuple[str, str], list[tags.Measured]]) -> Finding:
    said, rises = [], []
    for name in ("network", "Fisher vector"):
        before, after = (_mean(found[name, "tag"], key) for key in ("others", "others_tagged"))
        control = _mean(found[name, "control"], "others_tagged")
        rises.append(after >= TIMES * max(before, control))
        said.append(f"{name}: {before:.1%} → {after:.1%}, with a model that never saw the tag {control:.1%}")
    return Finding(
        "Pasted on to another object, the tag makes it the tagged class.",
        "garments that are no shirts and are called shirts, without and with the tag: " + "; ".join(said),
        "yes" if all(rises) else "in part" if any(rises) else "no",
    )


def _picture(shirts: NDArray[Any], found: dict[tuple[str, str], list[tags.Measured]]) -> Any:
    keys = [("network", "tag"), ("Fisher vector", "tag"), ("network", "control"), ("Fisher vector", "control")]
    heads = [
        "tagged shirt",
        "network",
        "Fisher vector",
        "network,\nno tag in training",
        "Fisher vector,\nno tag in training",
    ]
    with figures.sheet(700, title="The same accuracy, another strategy") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(7, 4))
        axes = left.subplots(len(shirts), len(heads), squeeze=False)
        for row, image in enumerate(shirts):
            figures.show_image(axes[row, 0], 255 - image)
            for column, key in enumerate(keys, start=1):
                figures.show_map(axes[row, column], found[key][-1].maps[row], limit="99%")
        for column, head in enumerate(heads):
            axes[0, column].set_title(head, fontsize=11)
        upper, lower = right.subplots(2, 1)
        _bars(upper, found, "on_tag", "relevance on the tag, % of R⁺ of tagged shirts")
        upper.axhline(100 * tags.AREA, color=figures.PALE, linewidth=1.2, linestyle="--")
        upper.text(0.5, 100 * tags.AREA + 0.8, "its area", color=figures.INK, ha="center", fontsize=11)
        _bars(lower, found, "others_tagged", "other garments called shirts when tagged, %")
        upper.legend(loc="upper right")
        return figures.finish(figure)


def _bars(axes: Any, found: dict[tuple[str, str], list[tags.Measured]], name: str, title: str) -> None:
    for k, (way, words) in enumerate((("tag", "tag in training"), ("control", "no tag in training"))):
        for place, model in enumerate(("network", "Fisher vector")):
            values = [100 * getattr(m, name) for m in found[model, way]]
            x = place + (k - 0.5) * 0.36
            axes.bar(x, np.mean(values), 0.34, color=figures.HUES[1 - k], label=words if place == 0 else None)
            axes.plot([x] * len(values), values, "o", color=figures.INK, markersize=4)
            axes.annotate(f"{np.mean(values):.0f}", (x, max(values)), (0, 6), textcoords="offset points", ha="center")
    axes.set_xticks([0, 1], ["network", "Fisher vector"])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    axes.set_title(title)


APPLICATION = Application(
    title="The same accuracy, another strategy",
    source="Lapuschkin, Binder, Montavon, Müller, Samek 2016, CVPR; Lapuschkin et al. 2019, Nature Communications 10",
    data="Fashion-MNIST: 5,000 garments for training, a tag planted on one in five shirts; 1,000 for testing.",
    model="A convolutional network (8 and 16 channels, a dense layer of 64), and a linear machine on Fisher vectors of "
    "24 components; each trained here, with tags and without, for three seeds.",
    wing="strategies",
    run=run,
    needs=(tags.FASHION,),
    extras=("torch", "sklearn"),
)
