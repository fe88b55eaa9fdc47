"""Twenty ways to explain one prediction: which of them says what the network really looks at?

One network that tells garments apart, one test set, and every method of this package that makes a map of pixels:
gradients and what is made of them, perturbation, class activation maps, simple Taylor decomposition, and LRP under
several composites. All are asked why the network says what it says, and all are put on one scale by the same test,
*pixel flipping*: pixels are taken away in the order of a map, once the most relevant first, once the least relevant
first, and the logit is watched. If the map is right, the first curve falls early and the second late; the area between
the two perturbation curves, in logits, is the score (ABPC). A map drawn at random scores 0.

What a pixel is replaced with is a choice that the ranking may hang on, so there are three: black, which is what empty
background is here; uniform noise; and the blurred image. The test is of pairs: a method is better than another if it
scores higher on more garments than a coin would give (sign test, level 0.05).

How to read the picture: the maps explain one garment, each divided by its largest value, for their units differ. In the
chart each method has three points, one for each filling; a full point is better than the gradient by the sign test, a
hollow one is not. Traps: a method may score high because it asks what the test asks (occlusion, where black is taken
for empty); and a method that wins under one filling may be no better than chance under another: images with flipped
pixels are no garments any more, and the network answers to what it has never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluate import pixel_flipping, random_map
from ...methods import attribute
from ...network import Network
from ...rules import Epsilon, Gamma
from .. import figures
from ..analysis import signs
from ..application import Application, Finding, Found, Run
from ..sources import given, shipped

FILLS = {"black": 0.0, "noise": "noise", "blur": "blur"}
CONTROL, GRADIENT = "random", "gradient"
UPSAMPLED = {"upsample": "half_pixel"}

# name: method, its parameters
METHODS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    GRADIENT: ("gradient", {}),
    "gradient²": ("sensitivity", {}),
    "gradient × input": ("gradient_x_input", {}),
    "SmoothGrad": ("smoothgrad", {"draws": 20}),
    "guided backprop": ("guided_backprop", {}),
    "deconvnet": ("deconvnet", {}),
    "integrated gradients": ("integrated_gradients", {"steps": 20}),
    "expected gradients": ("expected_gradients", {"samples": 40}),
    "DeepLIFT": ("deeplift", {}),
    "simple Taylor": ("simple_taylor", {"search": "descent"}),
    "occlusion 5×5": ("occlusion", {"patch": 5}),
    "Grad-CAM": ("grad_cam", UPSAMPLED),
    "HiResCAM": ("hirescam", UPSAMPLED),
    "guided Grad-CAM": ("guided_grad_cam", {}),
    "LRP-ε": (Epsilon(0.25), {}),
    "LRP-γ": (Gamma(0.25), {}),
    "LRP ε, z⁺": ("epsilon_plus", {}),
    "LRP ε, α2β1": ("epsilon_alpha2_beta1", {}),
    "LRP ε, z⁺, flat": ("epsilon_plus_flat", {}),
    "LRP ε, γ, zᴮ": ("epsilon_gamma_box", {"low": 0.0, "high": 1.0}),
}
LRP = tuple(name for name in METHODS if name.startswith("LRP"))

Scores = dict[str, dict[str, NDArray[Any]]]  # by filling and method, per garment


def run(at: Run) -> Found:
    """Explain the garments by every method and flip their pixels."""
    net = at.network("fashion_cnn.onnx")
    held_out = given.pictures(at.file("samples/fashion_test200.npz"))
    images = (held_out["images"][:, None] / 255).astype(np.float32)
    x, others = images[:: at.few(4, 100)], images[1 :: at.few(4, 100)]
    target = net.forward(x).argmax(axis=1)
    maps = {name: explained(net, x, target, name, others) for name in told(at, METHODS)}
    maps[CONTROL] = random_map(x, at.seed)
    scores: Scores = {fill: {} for fill in FILLS}
    for fill in FILLS:
        for name in told(at, maps, f"flipping to {fill}"):
            scores[fill][name] = between(net, x, maps[name], target, FILLS[fill], at.seed, steps=at.few(20, 4))
    n = len(x)
    means = {fill: {name: float(s.mean()) for name, s in one.items()} for fill, one in scores.items()}
    above = {fill: {name: int((s > one[GRADIENT]).sum()) for name, s in one.items()} for fill, one in scores.items()}
    rival = {fill: max(set(one) - set(LRP), key=lambda name: one[name]) for fill, one in means.items()}
    first = {fill: max(LRP, key=lambda name: one[name]) for fill, one in means.items()}
    ahead = {fill: int((one[first[fill]] > one[rival[fill]]).sum()) for fill, one in scores.items()}
    lrp_above = [above[fill][name] for fill in FILLS for name in LRP]
    by_chance = {name: [int((s[name] > s[CONTROL]).sum()) for s in scores.values()] for name in METHODS}
    ranks = np.array([np.argsort(np.argsort(list(one.values()))) for one in means.values()])
    alike = np.corrcoef(ranks)[np.triu_indices(len(FILLS), 1)]
    steady = [name for name, counts in by_chance.items() if signs.held(counts, n) == "yes"]
    won = "; ".join(
        f"{fill}: {first[fill]} {one[first[fill]]:.2f}, {rival[fill]} {one[rival[fill]]:.2f}, higher on {ahead[fill]}"
        for fill, one in means.items()
    )
    return Found(
        sentence=f"LRP beats the gradient in {sum(signs.often(k, n) for k in lrp_above)} of {len(lrp_above)} tests; "
        f"{len(steady)} of {len(METHODS)} methods beat chance under all three fillings.",
        findings=(
            Finding("LRP is more faithful than the gradient.",
                    f"area between the curves, logits (black, noise, blur): "
                    f"{'; '.join(f'{name} {_listed(means, name)}' for name in (GRADIENT, *LRP))}; higher on "
                    f"{min(lrp_above)} to {max(lrp_above)} of {n} garments", signs.held(lrp_above, n)),
            Finding("The gradient is more faithful than chance.",
                    f"higher than a random map on {', '.join(map(str, by_chance[GRADIENT]))} of {n} garments",
                    signs.held(by_chance[GRADIENT], n)),
            Finding("LRP is the most faithful of the methods.",
                    f"the best LRP against the best other method, by mean: {won}", signs.held(list(ahead.values()), n)),
            Finding("Pixel flipping ranks methods whatever it fills in.",
                    f"correlation of ranks between fillings {alike.min():.2f} to {alike.max():.2f}; better than "
                    f"chance under all three: {', '.join(steady) or 'none'}",
                    "yes" if alike.min() > 0.8 else "in part" if alike.min() > 0.5 else "no"),
        ),
        numbers={"garments": n, "area_between_curves": means, "above_gradient_on": above, "above_random_on": by_chance,
                 "ranks_alike": alike, "best_lrp_ahead_on": ahead, "above_chance_under_all": steady},
        picture=_picture(x, maps, scores, n),
        alt="One garment and its maps by twenty methods and at random; and a chart of how far each method's orders of "
        "pixels are apart under three fillings.",
    )  # fmt: skip


def told(at: Run, names: Mapping[str, Any], what: str = "explaining") -> Any:
    """Yield the names, and tell how far it is."""
    for k, name in enumerate(names):
        at.tell(f"{what}, {name}", k, len(names))
        yield name


def explained(net: Network, x: NDArray[Any], target: Any, name: str, others: NDArray[Any]) -> NDArray[Any]:
    """Return the maps of a method; 0 where it finds none."""
    method, parameters = METHODS[name]
    more: dict[str, Any] = {"background": others} if method == "expected_gradients" else {}
    return np.asarray(np.nan_to_num(attribute(net, x, method, target=target, **parameters, **more).relevance))


def between(net: Network, x: Any, maps: Any, target: Any, fill: Any, seed: int, *, steps: int) -> NDArray[Any]:
    """Return the area between the curves of the least and of the most relevant pixels first, in logits (N,)."""
    morf, lerf = (
        pixel_flipping(net.forward, x, maps, target, fill=fill, order=order, steps=steps, seed=seed).curve
        for order in ("morf", "lerf")
    )
    return np.asarray((lerf - morf).mean(axis=1))


def _listed(means: dict[str, dict[str, float]], name: str) -> str:
    return ", ".join(f"{one[name]:.2f}" for one in means.values())


def _broken(name: str) -> str:
    return name.replace(" ", "\n", 1) if len(name) > 14 else name


def _picture(x: NDArray[Any], maps: dict[str, NDArray[Any]], scores: Scores, n: int) -> Any:
    order = sorted(maps, key=lambda name: np.mean([one[name].mean() for one in scores.values()]))
    with figures.sheet(900, title="Twenty methods and a random map, on one scale") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
        cells = left.subplots(6, 4).ravel()
        shown = len(x) // 2
        figures.show_image(cells[0], 1 - x[shown], title="explained")
        for axes in cells[1 + len(maps) :]:
            axes.axis("off")
        for axes, name in zip(cells[1:], reversed(order), strict=False):
            figures.show_map(
                axes, maps[name][shown] / max(float(np.abs(maps[name][shown]).max()), 1e-12), title=_broken(name)
            )
        for axes in cells:
            axes.title.set(fontsize=11)
        chart = right.subplots()
        for k, (fill, one) in enumerate(scores.items()):
            full = [signs.often(int((one[name] > one[GRADIENT]).sum()), n) for name in order]
            where = np.array([one[name].mean() for name in order])
            for better in (True, False):
                rows = np.flatnonzero(np.array(full) == better)
                chart.scatter(where[rows], rows, s=55, edgecolor=figures.HUES[k], linewidth=1.5, zorder=2,
                              facecolor=figures.HUES[k] if better else "white",
                              label=fill if better else None)  # fmt: skip
        chart.axvline(0, color=figures.INK, linewidth=1)
        chart.hlines(range(len(order)), *chart.get_xlim(), color="#e8e8e8", linewidth=1, zorder=0)
        chart.set_yticks(range(len(order)), order)
        chart.set_xlabel("area between the curves, logits (full: above gradient)")
        chart.legend(title="pixels become", loc="lower right")
        return figures.finish(figure)


APPLICATION = Application(
    title="Every method on one scale",
    source="Samek et al. 2017, IEEE TNNLS 28(11); Bach et al. 2015",
    data="50 test images of garments, five of each class (Fashion-MNIST).",
    model="`fashion_cnn.onnx`, four convolutions, right on 93.70% of the test images.",
    wing="method",
    run=run,
    needs=(
        shipped.FASHION_CNN,
        shipped.GARMENTS,
    ),
)
