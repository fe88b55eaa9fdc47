"""A network says that this is a 3. What would it take to be a 9?

The difference of two outputs is an output like any other: LRP hands the logit of the 3 minus the logit of the 9 back to
the pixels. Red pixels speak for the 3 and against the 9, blue ones the other way round. Most of what a 9 has and a 3
lacks is ink at the upper left, which would close the loop; so blank paper there is evidence for the 3. A rule that
multiplies by the input cannot say so, for blank paper is 0; the box rule (zᴮ) of the first layer can.

Whether the map is right can be tested with a pen: the blank pixels of most evidence are filled with ink, a few at a
time, and the logits are read again. Beside it stands the same number of pixels drawn by chance from the blank ones of
the digit's bounding box.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Need, Run

THREE, NINE = 3, 9
FILLED = tuple(range(0, 31, 3))  # pixels that are filled with ink
SHOWN = 4  # digits in the picture


def run(at: Run) -> Found:
    """Explain every 3 against 9, then write into the blank pixels that spoke for the 3."""
    net = at.network("digits_cnn.onnx")
    held_out = np.load(at.file("samples/digits_test200.npz"))
    threes = (held_out["images"][held_out["labels"] == THREE][: at.few(20, SHOWN), None] / 255).astype(np.float32)
    rules = composites.get("epsilon_gamma_box", low=0.0, high=1.0)
    relevance = explain(net, threes, start="difference", target=THREE, against=NINE, composite=rules).relevance
    at.tell("explained", 1, 2)
    chance = at.rng.random(threes.shape) * _in_box(threes)
    led = np.array([_lead(net, _filled(threes, relevance, count)) for count in FILLED])
    by_chance = np.array([_lead(net, _filled(threes, chance, count)) for count in FILLED])
    blank = threes == 0
    on_blank = float((relevance * blank).sum() / relevance.sum())
    turned, turned_by_chance = ((lead[-1] < 0).mean() for lead in (led, by_chance))
    measured = (
        f"{FILLED[-1]} pixels filled take the lead of the 3 from {led[0].mean():.1f} to {led[-1].mean():.1f} logits, "
        f"{turned:.0%} of {len(threes)} digits become 9; by chance: {by_chance[-1].mean():.1f}, {turned_by_chance:.0%}"
    )
    return Found(
        sentence=f"Ink on the {FILLED[-1]} blank pixels of most evidence turns {turned:.0%} of the 3s into 9s; "
        f"by chance {turned_by_chance:.0%}.",
        findings=(
            Finding("Closing the upper left gap of a 3 speaks for a 9, and LRP shows the gap.", measured,
                    "yes" if led[-1].mean() < by_chance[-1].mean() else "no"),
        ),
        numbers={"digits": len(threes), "relevance_on_blank_pixels": on_blank, "filled": FILLED,
                 "lead_in_logits": led.mean(axis=1), "lead_by_chance": by_chance.mean(axis=1),
                 "turned": turned, "turned_by_chance": turned_by_chance},
        picture=_picture(threes, relevance, led, by_chance),
        alt="Four handwritten 3s, their maps of 3 against 9 the same digits with ink where blank paper "
        "spoke for the 3, and the lead of the 3 falling with the number of filled pixels.",
    )  # fmt: skip


def _lead(net: Network, x: NDArray[Any]) -> NDArray[Any]:
    """Return by how many logits the 3 leads the 9, per digit."""
    logits = net.forward(x)
    return np.asarray(logits[:, THREE] - logits[:, NINE])


def _in_box(x: NDArray[Any]) -> NDArray[Any]:
    """Return where the bounding box of each digit is."""
    rows, columns = x.any(axis=3, keepdims=True), x.any(axis=2, keepdims=True)
    return np.asarray(_between(np.asarray(rows), 2) & _between(np.asarray(columns), 3))


def _between(some: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return where an axis is between the first and the last True."""
    after = np.logical_or.accumulate(some, axis=axis)
    return np.asarray(after & np.flip(np.logical_or.accumulate(np.flip(some, axis), axis=axis), axis))


def _filled(x: NDArray[Any], order: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the digits with ink on the ``count`` blank pixels that are first in order, of each."""
    blank_first = np.where(x == 0, order, -np.inf).reshape(len(x), -1)
    filled = x.reshape(len(x), -1).copy()
    np.put_along_axis(filled, np.argsort(-blank_first, axis=1)[:, :count], 1.0, axis=1)
    return filled.reshape(x.shape)


def _picture(threes: NDArray[Any], relevance: NDArray[Any], led: NDArray[Any], by_chance: NDArray[Any]) -> Any:
    limit = float(np.abs(relevance[:SHOWN]).max())
    with figures.sheet(title="3 against 9") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
        columns = left.subplots(3, SHOWN)
        for k, (image, heat, more) in enumerate(
            zip(threes, relevance, _filled(threes, relevance, FILLED[-1])[:SHOWN], strict=False)
        ):
            figures.show_image(columns[0, k], 1 - image, title="" if k else "a 3")
            figures.show_map(columns[1, k], heat, limit=limit, title="" if k else "red: for 3, against 9")
            figures.show_image(columns[2, k], 1 - more, title="" if k else "ink where blank spoke for the 3")
        axes = right.subplots()
        axes.plot(FILLED, led.mean(axis=1), label="most relevant blank pixels")
        axes.plot(FILLED, by_chance.mean(axis=1), label="blank pixels by chance")
        axes.axhline(0, color=figures.PALE, linewidth=1)
        axes.set(xlabel="pixels filled with ink", ylabel="logit of 3 − logit of 9, mean")
        axes.legend()
        return figures.finish(figure)


APPLICATION = Application(
    title="What makes a 3 not a 9",
    source="the tutorials of Samek, Montavon and Müller; Bach et al. 2015, PLOS ONE 10(7)",
    data="20 handwritten 3s that the network was not trained on (MNIST).",
    model="`digits_cnn.onnx`, three convolutions, right on 98.70 % of held-out digits.",
    wing="images",
    run=run,
    needs=(
        Need("digits_cnn.onnx", "a trained network of digits", "models/ of the project", "BSD-3-Clause", shipped=True),
        Need("samples/digits_test200.npz", "200 digits", "models/ of the project", "MIT", shipped=True),
    ),
)
