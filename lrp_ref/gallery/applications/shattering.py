"""On the way from one digit to another, how much do the gradient and LRP change, and does depth matter?

The gradient of a deep network of ReLUs is said to shatter: between two inputs that look the same, it changes as if it
were noise, the more so the deeper the network. What is made of one gradient inherits that, such as the simple Taylor
decomposition: the gradient at a root of the logit, times the way there. Of the root it is said besides that it is hard
to find and far away. LRP is said to stay stable, for its rules look at one layer at a time.

Networks of fully connected layers of one width read the small digits that come with scikit-learn; they have 1 to 20
layers, and are looked at before and after training. Paths lead in straight lines from one test digit to another, and at
each of their points the logit of the first digit's class is explained. Measured is the autocorrelation: how well the
maps at one point of a path foretell those a sixteenth of the path further on, 1 if perfectly and 0 if not at all, after
the mean over the path is taken away. The input itself moves along the path; its own autocorrelation is the dotted line,
above which only a map can be that changes less than the input. A constant map counts as 1.

How to read the picture: each strip shows one path from left to right, one row a pixel. Smooth bands are maps that
change slowly, fine vertical stripes are shattering. A trap: LRP is a family. In a network of ReLUs LRP-0 is gradient ×
input, and ε is close to it, so that it may shatter with the gradient; rules that favour positive weights are another
matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import require
from ...layers import Dense, ReLU
from ...methods import attribute
from ...network import Network
from ...propagation.explaining import explain
from ...propagation.plan import Composite
from ...rules import Epsilon, GeneralizedGamma, ZPlus
from .. import figures
from ..analysis import signs
from ..analysis.paths import autocorrelation, path, roots
from ..application import Application, Finding, Found, Run
from ..training import dense, fit

DEPTHS = (1, 2, 3, 5, 8, 12, 16, 20)
WIDTH = 100
POINTS = 128  # of a path
LAG = POINTS // 16
PATHS = 16
SEEN = 1400  # digits that are trained on
RULES = {"LRP-ε": Epsilon(1e-6), "LRP-γ": GeneralizedGamma(0.25), "LRP-z⁺": ZPlus()}
WAYS = ("gradient", *RULES)
STATES = ("untrained", "trained")


@dataclass(frozen=True)
class Looked:
    """Of one network: maps (POINTS, 64) of the first path and the autocorrelation of each, by way; accuracy; roots."""

    maps: dict[str, NDArray[Any]]
    stable: dict[str, NDArray[Any]]
    accuracy: float
    taylor: NDArray[Any]  # as of roots()


def run(at: Run) -> Found:
    """Look at networks of every depth, untrained and trained."""
    datasets = require("sklearn.datasets", extra="gallery", purpose="read its digits")
    digits = datasets.load_digits()
    order = at.rng.permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype(np.float32), digits.target[order]
    depths, seeds = DEPTHS[: at.few(8, 2)], range(at.seed, at.seed + at.few(2, 1))
    looked: dict[tuple[str, int], list[Looked]] = {(state, depth): [] for state in STATES for depth in depths}
    for k, seed in enumerate(seeds):
        for j, depth in enumerate(depths):
            net = network(depth, seed)
            looked["untrained", depth].append(look(net, x, y))
            net = fit(net, x[:SEEN], y[:SEEN], epochs=at.few(15, 1), batch=64, decay=1e-2, seed=seed)
            looked["trained", depth].append(look(net, x, y))
            at.tell(f"{depth} layers", k * len(depths) + j + 1, len(seeds) * len(depths))
    stable = {
        (s, w): np.array([np.concatenate([one.stable[w] for one in looked[s, d]]) for d in depths])
        for s in STATES for w in WAYS
    }  # fmt: skip
    curves = {f"{w}, {s}": one.mean(axis=1) for (s, w), one in stable.items()}
    taylor = np.array([np.nanmedian(np.hstack([one.taylor for one in looked["trained", d]]), axis=1) for d in depths])
    found_roots = [float(np.hstack([one.taylor for one in looked["trained", d]])[0].mean()) for d in depths]
    shallow = 1 if len(depths) > 2 else 0  # one layer has a constant gradient
    fell = {key: int((one[-1] < one[shallow]).sum()) for key, one in stable.items()}
    paths = len(stable["trained", "gradient"][0])
    said = {key: f"{one[shallow].mean():.2f} → {one[-1].mean():.2f} (lower on {fell[key]} of {paths} paths)"
            for key, one in stable.items()}  # fmt: skip
    ramp = float(autocorrelation(path(x[SEEN], x[SEEN + 1], POINTS)[None], LAG)[0])
    accuracy = [float(np.mean([one.accuracy for one in looked["trained", d]])) for d in depths]
    span = f"{depths[shallow]} to {depths[-1]} layers"
    better = {w: int((stable["trained", w][-1] > stable["trained", "gradient"][-1]).sum()) for w in RULES}
    return Found(
        sentence=f"With {depths[-1]} layers the gradient's autocorrelation is {curves['gradient, trained'][-1]:.2f}, "
        f"that of LRP-ε {curves['LRP-ε, trained'][-1]:.2f}, of LRP-γ {curves['LRP-γ, trained'][-1]:.2f}.",
        findings=(
            Finding("Gradients shatter with depth: their autocorrelation falls.",
                    f"{span}: untrained {said['untrained', 'gradient']}, trained {said['trained', 'gradient']}",
                    signs.held([fell[s, "gradient"] for s in STATES], paths)),
            Finding("The relevance of LRP stays stable where the gradient shatters.",
                    f"{span}, trained: " + "; ".join(f"{w} {said['trained', w]}, above the gradient at "
                    f"{depths[-1]} layers on {better[w]}" for w in RULES) + f"; the input itself {ramp:.2f}",
                    signs.held([paths - fell["trained", w] for w in RULES], paths)),
            Finding("A root of the logit is far from the digit, and hard to find.",
                    f"Newton's steps find a root for {min(found_roots):.0%} to {max(found_roots):.0%} of digits, "
                    f"{taylor[:, 1].min():.2f} to {taylor[:, 1].max():.2f} ‖x‖ away (medians); {taylor[-1, 3]:.0%} of "
                    f"its pixels are brighter than white or darker than black",
                    "no" if min(found_roots) > 0.9 and taylor[:, 1].max() < 0.5 else "yes"),
            Finding("What simple Taylor decomposition leaves unexplained grows with depth.",
                    f"remainder of the logit, median: {taylor[0, 2]:.0%} with {depths[0]} layer, {taylor[-1, 2]:.0%} "
                    f"with {depths[-1]}", "yes" if taylor[-1, 2] > taylor[0, 2] + 0.1 else "no"),
        ),
        numbers={"depths": depths, "autocorrelation": curves, "input": ramp, "paths": paths, "fell": {
                    f"{w}, {s}": n for (s, w), n in fell.items()}, "accuracy": accuracy, "roots_found": found_roots,
                 "root_distance": taylor[:, 1], "remainder": taylor[:, 2], "root_outside": taylor[:, 3]},
        picture=_picture(path(x[SEEN], x[SEEN + 1], POINTS), looked, depths, stable, ramp, taylor),
        alt="A path from one small digit to another; along it the gradient and LRP of a shallow and of a deep network "
        "as strips; autocorrelation and the remainder of simple Taylor decomposition against depth.",
    )  # fmt: skip


def network(depth: int, seed: int) -> Network:
    """Return an untrained network of dense layers with ReLUs between them, biases 0."""
    rng, sizes = np.random.default_rng(seed), [64, *[WIDTH] * (depth - 1), 10]
    layers = [layer for k in range(depth) for layer in (dense(rng, sizes[k], sizes[k + 1]), ReLU())]
    return Network.sequential(layers[:-1])


def look(net: Network, x: NDArray[Any], y: NDArray[Any]) -> Looked:
    """Explain the paths between test digits under every way, and look for roots."""
    test, outputs = x[SEEN:], net.forward(x[SEEN:])
    paths = np.concatenate([path(test[2 * k], test[2 * k + 1], POINTS) for k in range(PATHS)])
    target = np.repeat(outputs[: 2 * PATHS : 2].argmax(axis=1), POINTS)
    maps = {"gradient": attribute(net, paths, "gradient", target=target).relevance}
    for name, rule in RULES.items():
        maps[name] = explain(net, paths, target=target, composite=Composite([(Dense, rule)])).relevance
    cut = {way: one.reshape(PATHS, POINTS, -1).astype(np.float64) for way, one in maps.items()}
    stable = {way: autocorrelation(one, LAG) for way, one in cut.items()}
    accuracy = float((outputs.argmax(axis=1) == y[SEEN:]).mean())
    return Looked({way: one[0] for way, one in cut.items()}, stable, accuracy, roots(net, test[:30]))


def _picture(way: NDArray[Any], looked: Any, depths: Any, stable: Any, ramp: float, taylor: NDArray[Any]) -> Any:
    hues = dict(zip(WAYS, (figures.INK, *figures.HUES), strict=False))
    with figures.sheet(860, title="Along a path from one digit to another: what shatters with depth?") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(6, 5))
        top, below = left.subfigures(2, 1, height_ratios=(1, 6))
        for axes, point in zip(top.subplots(1, 9), way[:: POINTS // 8 - 1], strict=False):
            figures.show_image(axes, 1 - point.reshape(8, 8))
        shown = (depths[min(1, len(depths) - 1)], depths[-1])
        grid = below.subplots(len(WAYS), 2)
        for row, name in zip(grid, WAYS, strict=True):
            row[0].set_ylabel(f"{name}\n64 pixels")
            for axes, depth in zip(row, shown, strict=True):
                strip = looked["trained", depth][0].maps[name].T
                figures.show_map(axes, strip, limit="99%", title=f"{depth} layers" if name == WAYS[0] else "")
                axes.set_aspect("auto")
        upper, lower = right.subplots(2, 1, sharex=True)
        for (state, name), one in stable.items():
            upper.plot(depths, one.mean(axis=1), "-o" if state == "trained" else "--", color=hues[name], markersize=4,
                       label=name if state == "trained" else None)  # fmt: skip
        upper.axhline(ramp, color=figures.PALE, linestyle=":", label="the input itself")
        upper.plot([], [], "--", color=figures.PALE, label="untrained")
        upper.set(ylim=(0, 1.05), ylabel="autocorrelation, 1/16 of the path apart")
        upper.legend(ncols=2, loc="lower left")
        lower.plot(depths, taylor[:, 2], "-o", color=figures.HUES[1], label="remainder / logit")
        lower.plot(depths, taylor[:, 1], "-o", color=figures.HUES[0], label="way to the root / ‖x‖")
        lower.set(ylim=(0, None), xlabel="layers", ylabel="simple Taylor, trained, median", xticks=depths)
        lower.legend(loc="upper left")
        return figures.finish(figure)


APPLICATION = Application(
    title="Shattered gradients and simple Taylor",
    source="Balduzzi et al. 2017, ICML; Montavon et al. 2017, Pattern Recognition 65; Montavon et al. 2019",
    data="1,797 handwritten digits of 8×8 pixels, as scikit-learn has them (UCI; CC BY 4.0).",
    model="Fully connected networks of 1 to 20 layers of 100 units, trained for 15 epochs on 1,400 digits.",
    wing="method",
    run=run,
    extras=("sklearn", "torch"),
)
