"""Set one unit to the mean of its layer and see what the output loses: is that what LRP says of the unit?

The plainest way to ask what a unit does is to replace it: the unit gets the mean of all units of its layer, and what
the logit of the class loses is its relevance. It takes a forward pass for every unit. LRP answers for all units of all
layers in one pass forward and one back. Do the two answers agree?

Both are asked of handwritten digits, at the pixels and at three layers inside, and compared by their ranks: Spearman's
ρ over all units of a layer, the mean over digits. Two more answers say what a disagreement is about. The first replaces
the unit by 0 instead of the mean. The second is a pass back that knows of the mean: gradient × (unit − mean of
the layer), to which replacing would come down if the network were linear.

How to read the chart: the lines of LRP say how well each rule ranks the units as replacing them by the mean does. The
two dotted lines are LRP-0 against replacing by 0, and the pass back that knows of the mean against replacing by the
mean. Where they are above the others, it is not the rule that separates the answers but the question: LRP asks what a
unit contributes as against its absence, and a unit that is off contributes nothing; to give it the mean of the layer is
to switch it on. The maps show it at the pixels: blank paper that is made grey changes the logit, everywhere. Each
column of maps has its own scale.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluate import random_map, spearman
from ...methods import attribute
from ...network import Network
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Run
from ..sources import given, shipped
from .digits import RULES

LAYERS = {"image": "pixels", "pool1": "pool 1", "pool2": "pool 2", "relu3": "ReLU 3"}
MEAN, ZERO, LINEAR = "unit ← mean", "unit ← 0", "gradient × (unit − mean)"
AGREE = 0.8  # a ρ from here on is agreement
SHOWN = ("LRP-0", "γ = 0.25", "z⁺ and zᴮ")  # rules in the picture's maps

Maps = dict[str, dict[str, NDArray[Any]]]  # by way of asking and layer


@dataclass(frozen=True)
class Cost:
    """What one digit costs: seconds, and passes through the network or its upper part, all layers together."""

    replacing: float
    lrp: float
    units: int


def run(at: Run) -> Found:
    """Replace every unit of every layer, and ask LRP."""
    net = at.network("digits_cnn.onnx")
    held_out = given.pictures(at.file("samples/digits_test200.npz"))
    chosen = np.arange(0, 200, 10)[:: at.few(1, 10)]
    x = (held_out["images"][chosen, None] / 255).astype(np.float32)
    digits = held_out["labels"][chosen]
    layers = tuple(LAYERS)[:: at.few(1, 3)]
    maps, cost = asked(net, x, digits, layers, at.tell)
    rho = {way: {layer: _ranks(one[layer], maps[MEAN][layer]) for layer in layers} for way, one in maps.items()}
    by_zero = {layer: _ranks(maps["LRP-0"][layer], maps[ZERO][layer]) for layer in layers}
    chance = {layer: float(_ranks(random_map(one), one).mean()) for layer, one in maps[MEAN].items()}
    means = {way: {layer: float(r.mean()) for layer, r in by.items()} for way, by in rho.items() if way != MEAN}
    rules = {way: means[way] for way in RULES}
    zero = {layer: float(r.mean()) for layer, r in by_zero.items()}
    best = {layer: max(rule[layer] for rule in rules.values()) for layer in layers}
    ratio = cost.replacing / cost.lrp
    return Found(
        sentence=f"LRP-0 ranks units as setting them to 0 does (ρ {_range(zero)}), not as setting them to the layer's "
        f"mean (ρ {_range(means['LRP-0'])}).",
        findings=(
            Finding("LRP says what the output loses when a unit gets the mean of its layer.",
                    f"Spearman, mean over {len(x)} digits: best rule {_listed(best)}; a "
                    f"random map within ±{max(map(abs, chance.values())):.2f}", _held(best)),
            Finding("LRP-0 says what the output loses when a unit is taken away (set to 0).",
                    f"Spearman: {_listed(zero)}", _held(zero)),
            Finding("What separates the two answers is the reference, not that LRP takes one pass.",
                    f"gradient × (unit − mean), also one pass back, against replacing by the mean: "
                    f"{_listed(means[LINEAR])}", _held(means[LINEAR])),
            Finding("LRP costs a pass forward and one back; replacing costs a pass for every unit.",
                    f"{1e3 * cost.lrp:.1f} ms against {cost.replacing:.2f} s a digit, for {cost.units} units: "
                    f"{ratio:.0f} times", "yes" if ratio > 10 else "no"),
        ),
        numbers={"digits": len(x), "spearman_with_replacing_by_mean": means, "spearman_lrp0_with_replacing_by_0": zero,
                 "random_map": chance, "units": cost.units,
                 "seconds_a_digit_replacing": cost.replacing, "seconds_a_digit_lrp": cost.lrp},
        picture=_picture(x[::5, 0], {way: by["image"][::5, 0] for way, by in maps.items()}, means, zero),
        alt="Maps of handwritten digits by replacing each pixel by the mean, by 0, and by LRP under three rules; and a "
        "chart of how well the ranks of units agree, layer by layer.",
    )  # fmt: skip


def asked(net: Network, x: NDArray[Any], digits: NDArray[Any], layers: tuple[str, ...], tell: Any) -> tuple[Maps, Cost]:
    """Return what every way says of the units of the layers, and what it cost a digit."""
    maps: Maps = {MEAN: {}, ZERO: {}}
    seconds = 0.0
    for k, layer in enumerate(layers):
        for way, by in ((MEAN, "sample_mean"), (ZERO, 0)):
            begun = time.perf_counter()
            made = attribute(net, x, "replace_units", target=digits, at=layer, by=by, progress=_told(tell, k, layers))
            maps[way][layer] = made.relevance
            seconds += (time.perf_counter() - begun) * (way == MEAN)
    for name, rules in RULES.items():
        trace = explain(net, x, target=digits, composite=rules, trace=True).trace
        maps[name] = {layer: trace.relevance[layer] for layer in layers}
    ones = np.eye(net.forward(x[:1]).shape[1], dtype=x.dtype)[digits]
    trace = explain(net, x, start=ones, composite="gradient", trace=True).trace
    maps[LINEAR] = {layer: trace.relevance[layer] * centred(trace.values[layer]) for layer in layers}
    begun = time.perf_counter()
    explain(net, x, target=digits, composite=RULES["LRP-0"])
    units = sum(maps[MEAN][layer][0].size for layer in layers)
    return maps, Cost(seconds / len(x), (time.perf_counter() - begun) / len(x), units)


def centred(values: NDArray[Any]) -> NDArray[Any]:
    """Return units (N, C, H, W) minus the mean of the layer, of each sample."""
    return np.asarray(values - values.mean(axis=(1, 2, 3), keepdims=True))


def _told(tell: Any, k: int, layers: tuple[str, ...]) -> Any:
    return lambda done, total: tell(f"units of {layers[k]}", k * total + done, len(layers) * total)


def _ranks(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return Spearman's ρ over all units of a layer, channels apart, per digit."""
    return spearman(a, b, per="number")


def _held(rho: dict[str, float]) -> Any:
    """Return yes where the ranks agree in all layers, in part where in some."""
    agree = [r >= AGREE for r in rho.values()]
    return "yes" if all(agree) else "in part" if any(agree) else "no"


def _listed(rho: dict[str, float]) -> str:
    return ", ".join(f"{LAYERS[layer]} {r:.2f}" for layer, r in rho.items())


def _range(rho: dict[str, float]) -> str:
    return f"{min(rho.values()):.2f} to {max(rho.values()):.2f}"


def _picture(images: NDArray[Any], maps: dict[str, Any], means: dict[str, Any], zero: dict[str, float]) -> Any:
    shown = (MEAN, ZERO, *SHOWN)
    with figures.sheet(720, title="One unit to the mean of its layer, and LRP") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(7, 5))
        grid = left.subplots(len(images), 1 + len(shown), squeeze=False)
        for k, image in enumerate(images):
            figures.show_image(grid[k, 0], 1 - image)
            for axes, way in zip(grid[k, 1:], shown, strict=True):
                figures.show_map(axes, maps[way][k], limit=float(np.quantile(np.abs(maps[way]), 0.995)))
                axes.set_title("" if k else way.replace("z⁺ and zᴮ", "z⁺, zᴮ"), loc="center", fontsize=11)
        axes = right.subplots()
        labels = [LAYERS[layer] for layer in zero]
        axes.plot(labels, list(zero.values()), ":o", color=figures.INK, label="LRP-0, units ← 0")
        axes.plot(labels, list(means[LINEAR].values()), ":s", color=figures.PALE, label=f"{LINEAR}, units ← mean")
        for name, hue in zip(RULES, figures.HUES, strict=False):
            axes.plot(labels, list(means[name].values()), "-o", color=hue, label=f"{name}, units ← mean")
        axes.axhline(0, color=figures.PALE, linewidth=1)
        axes.set(ylim=(-0.1, 1.05), ylabel="Spearman's ρ over the units of a layer, mean of digits")
        axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=1, labelspacing=0.3)
        return figures.finish(figure)


APPLICATION = Application(
    title="Units set to the mean of their layer",
    source="the German lectures of Samek and Müller on explaining networks; Bach et al. 2015; Montavon et al. 2018",
    data="20 handwritten digits, two of each, that the network was not trained on (MNIST).",
    model="`digits_cnn.onnx`, three convolutions, right on 98.70% of held-out digits.",
    wing="method",
    run=run,
    needs=(
        shipped.DIGITS_CNN,
        shipped.DIGITS,
    ),
)
