"""Models are right equally often. Do they look at the same thing?

In a well-known data set of photographs, one in five pictures of horses carries the tag of a photographer. A classifier
of Fisher vectors was as good at horses as a convolutional network, and its heat maps lay on the tag: it recognised the
photographer. Nobody had seen that in the accuracy.

Those photographs cannot be shipped, so a tag is planted: the same small mark in the lower left corner of one in five
shirts of the training set of Fashion-MNIST, and of no other garment. Three kinds of models learn from it: a small
convolutional network; a second one that averages over all places before it decides; and a linear machine on Fisher
vectors, which do not know either where in the image something was. Which shirts are tagged, and every number drawn in
training, is another for each of three seeds; and each learns once from the same images without the tag, as a control.

Then they are asked about garments that they have not seen. Three numbers tell a model that uses the tag: which fraction
of the positive relevance of a tagged shirt lies on the tag (it covers 4.6% of the image); how many shirts are called
shirts once they are tagged; and how many trousers, boots and bags are called shirts when the tag is moved to *them*.

The picture: tagged shirts, and their maps for "shirt"; red speaks for it, blue against it. A map of a Fisher vector is
coarse, for it knows patches of 7 × 7 pixels only. "Blind" is the network that averages over places.

Traps. Accuracy on test images without the tag hardly falls, and says nothing. The maps are of two kinds, z⁺ for the
networks and signed terms for the Fisher vector, so compare each model with its own control first. And what is
published is one data set with one pair of models, the network having been trained on a million other photographs
before; here all start from nothing, and the tag is the same in every pixel and always in its place, which is easy to
learn for a network that knows places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import figures
from ..application import Application, Finding, Found, Held, Run
from ..learners import tags
from ..sources import shipped

SEEDS = (0, 1, 2)
KINDS = ("network", "blind network", "Fisher vector")
EQUAL = 0.03  # models of accuracies that differ by no more are equally good
TIMES = 2.0  # so many times as much on the tag is "more"


def run(at: Run) -> Found:
    """Train the models with the tag, for each seed, and once without it, and ask them about tagged garments."""
    seeds = SEEDS[: at.few(len(SEEDS), 1)]
    given = [("tag", seed, tags.Garments.read(at, at.seed + seed)) for seed in seeds]
    data = given[0][2]
    given.append(("control", seeds[0], data.without(at)))
    found: dict[tuple[str, str], list[tags.Measured]] = {}
    for done, (way, seed, learnt) in enumerate(given):
        at.tell(f"training, {way}, seed {seed}", done, len(given))
        for model in _models(at, learnt, at.seed + seed):
            found.setdefault((model.name, way), []).append(tags.measured(model, learnt))
    at.tell("trained", len(given), len(given))
    right, on_tag = ([_mean(found[name, "tag"], key) for name in KINDS] for key in ("accuracy", "on_tag"))
    return Found(
        sentence=f"Right on {min(right):.0%} to {max(right):.0%}; relevance on a planted tag: network {on_tag[0]:.0%}, "
        f"one blind to places {on_tag[1]:.0%}, Fisher vector {on_tag[2]:.0%}.",
        findings=(_equally_good(found, len(data.test_labels)), _more(found), _moved(found)),
        numbers={"seeds": seeds, "area_of_tag": tags.AREA} | {", ".join(k): _numbers(v) for k, v in found.items()},
        picture=_picture(tags.planted(data.test_images[data.test_labels == tags.TAGGED][: tags.SHOWN]), found),
        alt="Four shirts with a tag in the lower left corner, and their maps under two networks and a Fisher vector "
        "that saw tagged shirts in training, and under a network that did not; bars of how much of the relevance "
        "lies on the tag, and of how many other garments become shirts with it.",
    )


def _models(at: Run, data: tags.Garments, seed: int) -> tuple[tags.Convolutional | tags.Fisher, ...]:
    return (
        tags.Convolutional(data, epochs=at.few(10, 2), seed=seed, tell=at.tell),
        tags.Convolutional(data, blind=True, epochs=at.few(25, 2), seed=seed, tell=at.tell),
        tags.Fisher(data, patches=at.few(20_000, 500), seed=seed),
    )


def _numbers(values: list[tags.Measured]) -> dict[str, list[float]]:
    names = ("accuracy", "shirts", "shirts_tagged", "others", "others_tagged", "on_tag")
    return {name: [getattr(m, name) for m in values] for name in names}


def _mean(values: list[tags.Measured], name: str) -> float:
    return float(np.mean([getattr(m, name) for m in values]))


def _all(held: list[bool]) -> Held:
    return "yes" if all(held) else "in part" if any(held) else "no"


def _equally_good(found: dict[tuple[str, str], list[tags.Measured]], garments: int) -> Finding:
    right, parts = ([_mean(found[name, "tag"], key) for name in KINDS] for key in ("accuracy", "on_tag"))
    apart = max(parts) / min(parts)
    said = "; ".join(f"{name} {r:.1%} and {p:.1%}" for name, r, p in zip(KINDS, right, parts, strict=True))
    return Finding(
        "Models of the same accuracy may follow different strategies, which heat maps show.",
        f"right on {garments} untagged garments, and relevance of tagged shirts on the tag, means of "
        f"{len(found['network', 'tag'])} seeds: {said}; the latter {apart:.1f} times apart",
        "yes" if max(right) - min(right) <= EQUAL and apart >= TIMES else "no",
    )


def _more(found: dict[tuple[str, str], list[tags.Measured]]) -> Finding:
    parts = {name: [m.on_tag for m in found[name, "tag"]] for name in KINDS}
    networks = [n for name in KINDS[:2] for n in parts[name]]
    said = "; ".join(f"{name} {', '.join(f'{v:.1%}' for v in values)}" for name, values in parts.items())
    return Finding(
        "The Fisher vector relies on the tag far more than a network does.",
        f"relevance on the tag, a number for each seed: {said}; the tag covers {tags.AREA:.1%}",
        _all([f >= TIMES * n for f, n in zip(parts[KINDS[2]] * 2, networks, strict=True)]),
    )


def _moved(found: dict[tuple[str, str], list[tags.Measured]]) -> Finding:
    said, rises = [], []
    for name in KINDS:
        before, after = (_mean(found[name, "tag"], key) for key in ("others", "others_tagged"))
        control = _mean(found[name, "control"], "others_tagged")
        rises.append(after >= TIMES * max(before, control))
        said.append(f"{name} {before:.1%} → {after:.1%} (control {control:.1%})")
    return Finding(
        "Pasted on to another object, the tag makes it the tagged class.",
        "other garments called shirts, without → with the tag (control: no tag in training): " + "; ".join(said),
        _all(rises),
    )


def _picture(shirts: NDArray[Any], found: dict[tuple[str, str], list[tags.Measured]]) -> Any:
    keys = [*((name, "tag") for name in KINDS), ("network", "control")]
    heads = ["tagged shirt", "network", "blind network", "Fisher vector", "network,\nno tag in training"]
    with figures.sheet(700, title="Equally accurate, another strategy") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(7, 4))
        axes = left.subplots(len(shirts), len(heads), squeeze=False)
        for row, image in enumerate(shirts):
            figures.show_image(axes[row, 0], 255 - image)
            for column, key in enumerate(keys, start=1):
                figures.show_map(axes[row, column], found[key][0].maps[row], limit="99%")
        for column, head in enumerate(heads):
            axes[0, column].set_title(head, fontsize=11)
        upper, lower = right.subplots(2, 1)
        _bars(upper, found, "on_tag", "relevance on the tag, % of R⁺ of tagged shirts")
        upper.legend(loc="upper right")
        _bars(lower, found, "others_tagged", "other garments called shirts when tagged, %")
        return figures.finish(figure)


def _bars(axes: Any, found: dict[tuple[str, str], list[tags.Measured]], name: str, title: str) -> None:
    for k, (way, words) in enumerate((("tag", "tag in training"), ("control", "no tag in training"))):
        for place, model in enumerate(KINDS):
            values = [100 * getattr(m, name) for m in found[model, way]]
            x = place + (k - 0.5) * 0.4
            axes.bar(x, np.mean(values), 0.38, color=figures.HUES[1 - k], label=words if place == 0 else None)
            axes.plot([x] * len(values), values, "o", color=figures.INK, markersize=4)
            axes.annotate(f"{np.mean(values):.0f}", (x, max(values)), (0, 6), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(KINDS)), KINDS)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    axes.set_title(title)


APPLICATION = Application(
    title="Equally accurate, another strategy",
    source="Lapuschkin, Binder, Montavon, Müller, Samek 2016, CVPR; Lapuschkin et al. 2019, Nature "
    "Communications 10:1096",
    data="Fashion-MNIST: 5,000 garments for training, a tag planted on one in five shirts; 1,000 for testing.",
    model="A convolutional network (8 and 16 channels, a dense layer of 64), one that averages over places "
    "(16, 32, 64), and a linear machine on Fisher vectors of 24 components; trained here for three seeds, "
    "and once without tags.",
    wing="strategies",
    run=run,
    needs=(shipped.FASHION,),
    extras=("torch", "sklearn"),
)
