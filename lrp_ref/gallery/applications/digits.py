"""One prediction, five rules, five maps: where did the relevance go?

A network reads handwritten digits. LRP hands the logit of the right class back to the pixels, layer by layer, and how a
layer hands it on is its *rule*. The ten digits are explained under five rules that many papers use: LRP-0, which is the
plain proportional rule; ε, which takes away from what is small; γ, which favours positive weights; α2β1, which treats
the parts for and against separately; and z⁺ with the box rule zᴮ for the pixels (deep Taylor decomposition). Everything
else is the same, and all maps of the picture have one scale.

LRP is said to conserve relevance. The bar beside each row is the ledger's answer for all digits: of the logit, the part
that arrives at pixels, and the parts that biases and the stabiliser ε keep, or that are dropped at units which have no
input to hand them on to. The parts always add up to the whole, to rounding; what differs is how much of it anybody gets
to see. A bar beyond 100% means that a rule hands on more than it was given, which somebody has to pay for: under α2β1
the biases, and the units that have nothing to hand on.

How to read the maps: a red pixel speaks for the digit, a blue one against it. The row of LRP-0 shows red and blue side
by side on the same stroke, amounts that cancel in the sum: *cancelling*, above the bars, is Σ|R| / |ΣR|, which is 1
where nothing cancels. γ and z⁺ leave little or nothing to cancel. That makes a map easy to read; it does not by itself
make it right. A trap: ε is measured in the unit of the layer's outputs, so that the same ε swallows more of a network
with smaller activations.

A detail of the code: LRP-0 is named for the average pools as well. A layer without a rule of its own gets ε = 1e-6, and
that alone would make LRP-0 differ from gradient × input in the third digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import AveragePool, Conv, Dense
from ...methods import attribute
from ...network import Network
from ...propagation.explaining import explain
from ...propagation.plan import Composite, first
from ...rules import LRP0, AlphaBeta, Epsilon, Gamma, ZBox, ZPlus
from .. import figures
from ..application import Application, Finding, Found, Run
from ..sources import given, shipped

WEIGHTED = (Conv, Dense)
RULES = {
    "LRP-0": Composite([((*WEIGHTED, AveragePool), LRP0())]),
    "ε = 0.25": Composite([(WEIGHTED, Epsilon(0.25))]),
    "γ = 0.25": Composite([(WEIGHTED, Gamma(0.25))]),
    "α2β1": Composite([(WEIGHTED, AlphaBeta(2, 1))]),
    "z⁺ and zᴮ": Composite([(first(Conv), ZBox(0.0, 1.0)), (WEIGHTED, ZPlus())]),
}
PARTS = ("pixels", "bias", "stabiliser", "dropped")
NEARLY = 0.99  # of the logit, at pixels, counts as all of it


@dataclass(frozen=True)
class Explained:
    """All digits under one rule.

    Attributes:
        maps: (N, 28, 28).
        parts: of the logits of all digits, the fraction that each of PARTS has.
        cancelling: Σ|R| / |ΣR|, the median over the digits.
        residual: what the ledger cannot account for, of the largest relevance.
    """

    maps: NDArray[Any]
    parts: NDArray[Any]
    cancelling: float
    residual: float


def run(at: Run) -> Found:
    """Explain digits under every rule and ask the ledger where the logits went."""
    net = at.network("digits_cnn.onnx").astype("float64")
    held_out = given.pictures(at.file("samples/digits_test200.npz"))
    each = at.few(20, 1)
    chosen = np.concatenate([np.flatnonzero(held_out["labels"] == digit)[:each] for digit in range(10)])
    x, digits = held_out["images"][chosen, None] / 255, held_out["labels"][chosen]
    found = {}
    for name, rules in RULES.items():
        found[name] = explained(net, x, digits, rules)
        at.tell(name, len(found), len(RULES))
    gradient = attribute(net, x, "gradient_x_input", target=digits).relevance[:, 0]
    apart = float(np.abs(found["LRP-0"].maps - gradient).max())
    pixels = {name: float(e.parts[0]) for name, e in found.items()}
    least = {name: float(e.maps.min()) for name, e in found.items()}
    cancelling = {name: e.cancelling for name, e in found.items()}
    whole = [name for name, part in pixels.items() if abs(part - 1) < 1 - NEARLY]
    residual = max(e.residual for e in found.values())
    order = [cancelling[name] for name in ("LRP-0", "ε = 0.25", "γ = 0.25", "z⁺ and zᴮ")]
    return Found(
        sentence=f"Of the same logits, {min(pixels.values()):.0%} to {max(pixels.values()):.0%} arrive at pixels: "
        f"biases and ε keep the rest, and the ledger finds all of it.",
        findings=(
            Finding("Relevance is conserved: the pixels get what the output has.",
                    f"at pixels arrive, of the logit: {_listed(pixels, '.1%')}; with bias, stabiliser and dropped "
                    f"the sums close to {residual:.0e}",
                    "yes" if len(whole) == len(RULES) else "in part" if whole or residual < 1e-9 else "no"),
            Finding("Under z⁺ with zᴮ no relevance is negative.",
                    f"smallest relevance of a pixel, in logits: {_listed(least, '.2g')}",
                    "yes" if least["z⁺ and zᴮ"] >= 0 else "no"),
            Finding("LRP-0 in a network of ReLUs is gradient × input.",
                    f"the two differ by at most {apart:.0e} logits at any pixel", "yes" if apart < 1e-6 else "no"),
            Finding("ε and γ take the noise out of LRP-0, and z⁺ takes out the rest.",
                    f"Σ|R| / |ΣR|, median of {len(x)} digits: {_listed(cancelling, '.2f')}",
                    "yes" if order == sorted(order, reverse=True) else "no"),
        ),
        numbers={"digits": len(x), "mean_logit": float(net.forward(x)[np.arange(len(x)), digits].mean()),
                 "parts_of_the_logit": {n: dict(zip(PARTS, e.parts, strict=True)) for n, e in found.items()},
                 "smallest_relevance": least, "cancelling": cancelling, "residual": residual,
                 "from_gradient_x_input": apart},
        picture=_picture(x[::each, 0], {name: e.maps[::each] for name, e in found.items()}, found),
        alt="Ten handwritten digits and below them their maps under five rules, all on one scale; beside each row a "
        "bar of how much of the logit arrived at pixels, and how much is bias, stabiliser or dropped.",
    )  # fmt: skip


def explained(net: Network, x: NDArray[Any], digits: NDArray[Any], rules: Composite) -> Explained:
    """Return maps and ledger of the digits under a rule."""
    explanation = explain(net, x, target=digits, composite=rules)
    maps, total = explanation.relevance[:, 0], explanation.ledger.total()
    sums = np.array([maps.sum(), *(total[name].sum() for name in PARTS[1:])])
    logits = net.forward(x)[np.arange(len(x)), digits]
    cancelling = np.abs(maps).sum(axis=(1, 2)) / np.abs(maps.sum(axis=(1, 2)))
    return Explained(maps, sums / logits.sum(), float(np.median(cancelling)), explanation.ledger.residual)


def _listed(values: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in values.items())


def _picture(images: NDArray[Any], maps: dict[str, NDArray[Any]], found: dict[str, Explained]) -> Any:
    limit = float(np.quantile(np.abs(np.stack(list(maps.values()))), 0.98))
    with figures.sheet(720, title="Ten digits, five rules, one scale: where did the relevance go?") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(5, 2))
        rows = left.subplots(len(maps) + 1, len(images))
        for axes, image in zip(rows[0], images, strict=True):
            figures.show_image(axes, 1 - image)
        for row, (name, heats) in zip(rows[1:], maps.items(), strict=True):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
            for axes, heat in zip(row, heats, strict=True):
                figures.show_map(axes, heat, limit=limit)
        bars = right.subplots(len(maps) + 1, 1, sharex=True)
        bars[0].axis("off")
        colours = (figures.POSITIVE, *figures.HUES[1:4])
        handles = [bars[0].barh([0], [0], color=colour) for colour in colours]
        bars[0].legend(handles, PARTS, ncols=2, loc="lower left", title="of the logit, percent, all digits",
                       alignment="left", borderaxespad=0)  # fmt: skip
        for axes, (name, one) in zip(bars[1:], found.items(), strict=True):
            _bar(axes, one, colours, last=name == list(found)[-1])
        return figures.finish(figure)


def _bar(axes: Any, one: Explained, colours: tuple[str, ...], *, last: bool) -> None:
    """Draw the parts of the logit on both sides of 0, negative ones to the left."""
    reached = {True: 0.0, False: 0.0}
    for part, colour in zip(100 * one.parts, colours, strict=True):
        axes.barh([0], [part], left=[reached[part >= 0]], color=colour, height=0.5)
        reached[part >= 0] += part
    axes.axvline(100, color=figures.INK, linewidth=1, linestyle=":")
    axes.axvline(0, color=figures.INK, linewidth=1)
    axes.text(0, 0.42, f"pixels {one.parts[0]:.0%}, cancelling {one.cancelling:.2f}", va="bottom")
    axes.set(ylim=(-0.4, 0.9), yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(bottom=last, labelbottom=last)


APPLICATION = Application(
    title="Digits under five rules",
    source="Bach et al. 2015, PLOS ONE 10(7); Montavon et al. 2017, Pattern Recognition 65; Montavon et al. 2019",
    data="200 handwritten digits that the network was not trained on (MNIST).",
    model="`digits_cnn.onnx`, three convolutions, right on 98.70% of held-out digits.",
    wing="method",
    run=run,
    needs=(
        shipped.DIGITS_CNN,
        shipped.DIGITS,
    ),
)
