"""What does a network think the perfect pullover looks like?

Activation maximisation changes a picture step by step until the logit of a class is as large as it gets. Nothing says
that the result looks like anything: a network answers to every picture, and most pictures are noise. So the score is
given a penalty. Four ways are compared, from the same number of steps: nothing but the logit; minus λ‖x‖²; also minus
total variation, with the picture shifted by up to two pixels before each step (jitter); and a generator, of which only
the code is changed, so that whatever it makes looks like a garment.

Is the result a pullover? Four numbers say how far. The logit, against that of the best of 6,000 real pictures. A second
network of another architecture, which nobody maximised: does it agree? How much the prototype correlates with the most
similar real picture, against what held-out real pictures reach. And how alike the prototypes of one class are that
began at different places: they show a class, but not its variety.

**Read the picture:** a column is a class, a row a way. Below each prototype stands the logit of the network, and a tick
or a cross for the second network's answer. The last row is the best real picture.

**Traps.** The generator is told the label, so that it makes a garment of the class before any step; its codes as they
were drawn stand beside the result. Distances in pixels would favour faint pictures, since dark ones are near to all;
correlation does not see contrast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...methods import L2, TotalVariation, maximise, prototypes
from ...network import Network
from .. import figures
from ..application import Application, Finding, Found, Run
from ..sources import given, shipped
from ..sources.garments import GENERATOR, JUDGE, LABEL, NAMES, NOISE, codes

PICTURE = "sequential.conv2d_transpose_1.sigmoid"  # what the generator makes, (N, 1, 28, 28)
LIMIT = 2.5  # of the codes, which were drawn with a standard deviation of 1
WAYS: dict[str, dict[str, Any]] = {
    "logit alone": {"penalties": ()},
    "− λ‖x‖²": {"penalties": (L2(0.05),)},
    "− λ‖x‖², total variation, jitter": {"penalties": (L2(0.02), TotalVariation(0.2)), "jitter": 2},
    "generator": {"penalties": (L2(0.005),)},
}
PLAIN, _, REGULARISED, MADE = WAYS


def run(at: Run) -> Found:
    """Make prototypes of all classes in four ways, and judge them."""
    net, second = at.network("fashion_cnn.onnx"), at.network("fashion_dense.onnx")
    generator = at.network("fashion_cgan_generator.h5").until(PICTURE)
    data = given.pictures(at.file("fashion_6000.npz"), "train", "test")
    real, held = (_pictures(data[part][: at.few(5000, 200)]) for part in ("train_images", "test_images"))
    best = prototypes(net, [*np.array_split(real, 20), *np.array_split(held, 5)])
    target = np.tile(np.arange(10), at.few(3, 1))
    drawn = codes(at.rng, len(target))
    noise = at.rng.uniform(0, 0.1, (len(target), 1, 28, 28)).astype(np.float32)
    made, logits, unmoved = {}, {}, {}
    for k, (way, options) in enumerate(WAYS.items()):
        at.tell(way, k, len(WAYS))
        limits = {"generator": generator, "code_bounds": (-LIMIT, LIMIT)} if way == MADE else {"bounds": (0.0, 1.0)}
        found = maximise(net, drawn if way == MADE else noise, target=target, steps=at.few(150, 3),
                         rate=0.05 if way == MADE else 0.03, optimiser="adam", **limits, **options)  # fmt: skip
        made[way], logits[way] = np.asarray(found.x), found.scores[:, -1]
        unmoved[way] = float(found.scores[:, 0].mean())
    before = generator.forward({NOISE: drawn[NOISE], LABEL: drawn[LABEL]})
    agrees = {way: second.forward(x).argmax(axis=1) == target for way, x in (made | {"codes as drawn": before}).items()}
    likeness = {way: _likeness(x, real) for way, x in made.items()}
    usual = _likeness(held[:200], real)
    reached = {way: int((f.reshape(-1, 10).mean(axis=0) >= best.score[:, 0]).sum()) for way, f in logits.items()}
    part = {way: float(right.mean()) for way, right in agrees.items()}
    alike, varied = _alike(made[MADE]), _alike(_some_of_each(data, len(target) // 10))
    means = {way: float(f.mean()) for way, f in logits.items()}
    best_real = float(best.score[:, 0].mean())
    like = {way: float(np.median(values)) for way, values in likeness.items()}
    return Found(
        sentence=f"A second network agrees with {part[PLAIN]:.0%} of plain prototypes (logit {means[PLAIN]:.0f}), "
        f"{part[MADE]:.0%} of a generator's ({means[MADE]:.1f}; best real {best_real:.1f}).",
        findings=(
            Finding("A regularised prototype has a larger logit than any real picture.",
                    f"mean logit {means[REGULARISED]:.1f} against {best_real:.1f} of the best real picture of "
                    f"{len(real) + len(held)}, larger for {reached[REGULARISED]} of 10 classes; with the generator "
                    f"{unmoved[MADE]:.1f} → {means[MADE]:.1f}, for {reached[MADE]}",
                    "yes" if reached[REGULARISED] >= 9 else "in part" if reached[REGULARISED] >= 5 else "no"),
            Finding("A second network agrees with the prototypes of a generator, and less with plain ones.",
                    f"{part[MADE]:.0%} with those of the generator ({part['codes as drawn']:.0%} before any step), "
                    f"{part[PLAIN]:.0%} with plain ones, {part[REGULARISED]:.0%} with regularised ones",
                    "no" if part[MADE] < 0.8 or part[PLAIN] >= part[MADE] else
                    "yes" if part[MADE] > part["codes as drawn"] else "in part"),
            Finding("Only with a strong prior do prototypes look like data.",
                    f"correlation with the most similar real picture, median: {like[PLAIN]:.2f} plain, "
                    f"{like[REGULARISED]:.2f} regularised, {like[MADE]:.2f} generator; held-out pictures "
                    f"{np.median(usual):.2f} (a tenth below {np.quantile(usual, 0.1):.2f})",
                    "yes" if like[MADE] >= np.quantile(usual, 0.1) > like[REGULARISED] else "no"),
            Finding("Prototypes do not show the variety of a class.",
                    f"mean correlation of two prototypes of a class {alike:.2f} (generator), of two real pictures "
                    f"{varied:.2f}", "not tested" if len(target) < 20 else "yes" if alike > varied else "no"),
        ),
        numbers={"prototypes_a_way": len(target), "logit": means, "logit_before": unmoved,
                 "best_real_logit": best.score[:, 0], "agrees": part,
                 "classes_above_best_real": reached, "likeness": like, "likeness_of_real": float(np.median(usual)),
                 "least_tenth_of_real": float(np.quantile(usual, 0.1)), "alike_generator": alike, "alike_real": varied,
                 "logit_by_class": {way: f.reshape(-1, 10).mean(axis=0) for way, f in logits.items()}},
        picture=_picture(made, logits, agrees, best.x[:, 0], best.score[:, 0], second, withheld=at.withheld),
        alt="Prototypes of ten garments in four rows: noise, fainter noise, blurred outlines, and garments made by a "
        "generator; below them the best real pictures.",
    )  # fmt: skip


def _pictures(grey: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray((grey[:, None] / 255).astype(np.float32))


def _centred(x: NDArray[Any]) -> NDArray[Any]:
    """Return pictures as vectors of mean 0 and length 1, whose products are correlations."""
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))


def _likeness(x: NDArray[Any], real: NDArray[Any]) -> NDArray[Any]:
    """Return the correlation of each picture with the real picture that it is most like."""
    return np.asarray((_centred(x) @ _centred(real).T).max(axis=1))


def _some_of_each(data: Any, count: int) -> NDArray[np.float32]:
    """Return the first real pictures of each class, in turn, as the prototypes are ordered."""
    first = np.stack([np.flatnonzero(data["train_labels"] == c)[:count] for c in range(10)], axis=1)
    return _pictures(data["train_images"][first.ravel()])


def _alike(x: NDArray[Any]) -> float:
    """Return the mean correlation of two pictures of a class, of pictures of all ten classes in turn."""
    several = _centred(x).reshape(-1, 10, x[0].size)
    pairs = np.einsum("acp,bcp->cab", several, several)
    count = len(several)
    return float((pairs.sum() / 10 - count) / (count * (count - 1))) if count > 1 else float("nan")


def _picture(
    made: dict[str, NDArray[Any]], logits: dict[str, NDArray[Any]], agrees: dict[str, NDArray[Any]],
    best: NDArray[Any], best_score: NDArray[Any], second: Network, *, withheld: bool,
) -> Any:  # fmt: skip
    rows = [(way, made[way][:10], logits[way], agrees[way]) for way in WAYS]
    rows.append(("best real picture", best, best_score, second.forward(best).argmax(axis=1) == np.arange(10)))
    with figures.sheet(900, title="Prototypes of ten garments") as figure:
        for k, (row, (title, x, f, right)) in enumerate(zip(figure.subfigures(len(rows), 1), rows, strict=True)):
            row.suptitle(title, x=0.005, ha="left", fontsize=12, fontweight="bold")
            for c, axes in enumerate(row.subplots(1, 10)):
                figures.show_image(axes, x[c, 0], withheld=withheld and title == MADE)
                axes.set_title(NAMES[c] if k == 0 else "", loc="center", fontsize=11)
                told = f"{f[c]:.1f}  {'✓' if right[c] else '✗'}"
                axes.set_xlabel(told, color=figures.HUES[2] if right[c] else figures.POSITIVE, labelpad=2)
        return figures.finish(figure)


APPLICATION = Application(
    title="The perfect pullover",
    source="Erhan et al. 2009; Simonyan et al. 2014, arXiv:1312.6034; Nguyen et al. 2016, arXiv:1605.09304",
    data="6,000 garments of Fashion-MNIST, to compare with.",
    model="`fashion_cnn.onnx` is maximised and `fashion_dense.onnx` judges; the conditional generator is by others.",
    wing="images",
    run=run,
    needs=(
        GENERATOR,
        JUDGE,
        shipped.FASHION_DENSE,
        shipped.FASHION,
    ),
    extras=("h5py",),
)
