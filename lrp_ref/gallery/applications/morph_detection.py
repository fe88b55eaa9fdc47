"""Two faces are blended into one, which passes for both at a border. Which parts of a face does a detector look at?

One network is trained in three ways on the same faces of the same persons: on *complete* morphs, of which every pixel
is blended; on *one region*, where only the left eye, the right eye, the nose or the mouth is; and on one region as
*many classes*, where it has to say which. All are tested on persons that none has seen. In a morph of one region the
other three are genuine: an attacker who cleans up a complete morph there makes the same.

Where the morph is, is known to the pixel. So the relevance for "morph" against "genuine" can be counted: the part of it
that lies in the blended region, over the part of the area that this region has; 1 is chance. As eyes draw relevance in
every face, the same number for the three genuine regions of the same face stands beside it.

A trap lies in the sign. A blend has less fine detail than a face, and a network that finds detail missing can say
"morph" without a single pixel that speaks for it: what detail is left in the blended region speaks against, and is
blue. So positive relevance (red) and its magnitude are counted apart. Seibold et al. later changed LRP for morphs,
because it marks genuine parts too.

The maps are means over morphs, in the coordinates of registered faces: no face is shown. The blend does not warp: faces
are moved onto each other, and the second takes mean and contrast of the first. The networks see faces without their
coarse shades (a Gaussian of 4 pixels is subtracted).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

from ... import layers
from ...evaluate import roc_auc
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, training
from ..application import Application, Finding, Found, Run
from ..sources import faces, morphs

LEARNT = 28  # persons of 40
KINDS = {"complete": (False, False), "one region": (True, False), "many classes": (True, True)}


class Judged(NamedTuple):
    """What networks of one kind of training say, over all seeds."""

    auc: dict[str, float]  # areas under ROC curves, by the kind of morphs in the test
    here: NDArray[Any]  # relevance per area in the blended region, positive and |R|, (2, N)
    elsewhere: NDArray[Any]  # the same in the three others, the mean
    maps: NDArray[Any]  # mean maps by region, each map over the sum of its magnitudes


def run(at: Run) -> Found:
    """Train three kinds of detectors, test each on both kinds of morphs, and count relevance in the blended region."""
    images, persons = faces.read(at.file("att_faces.tar.xz"), persons=40, each=10)
    images = faces.registered(images, rounds=at.few(5, 1))
    known, new = persons < LEARNT, persons >= LEARNT
    rng, seeds, kinds = at.rng, at.few(2, 1), list(KINDS)
    learn, test = (
        {one: morphs.drawn(rng, images[some], persons[some], count, one_region=one) for one in (False, True)}
        for some, count in ((known, at.few(5000, 128)), (new, at.few(600, 40)))
    )
    judged: dict[str, Judged] = {}
    for kind, (one, many) in KINDS.items():
        nets = []
        for seed in range(at.seed, at.seed + seeds):
            x, region = learn[one]
            y = region if many else (region > 0).astype(np.int64)
            net = _network(np.random.default_rng(seed), 5 if many else 2)
            nets.append(training.fit(net, x, y, epochs=at.few(6, 1), batch=32, seed=seed, augment=morphs.shifted))
            at.tell(f"trained '{kind}'", len(judged) * seeds + len(nets), len(KINDS) * seeds)
        judged[kind] = _judged(nets, test)
    a, b, c = judged.values()
    blended = {kind: np.median(j.here, axis=1) for kind, j in judged.items()}
    genuine = {kind: np.median(j.elsewhere, axis=1) for kind, j in judged.items()}
    more = {kind: (j.here > j.elsewhere).mean(axis=1) for kind, j in judged.items()}
    p = {kind: [float(binomtest(int(n), j.here.shape[1]).pvalue) for n in (j.here > j.elsewhere).sum(axis=1)]
         for kind, j in judged.items()}  # fmt: skip
    looks = [[more[kind][part] > 0.5 and p[kind][part] < 1e-3 for kind in kinds] for part in (0, 1)]
    told = ["; ".join(f"{kind} {blended[kind][part]:.2f}, {genuine[kind][part]:.2f} (more in {more[kind][part]:.0%}, "
                      f"p = {p[kind][part]:.1g})" for kind in kinds) for part in (0, 1)]  # fmt: skip
    return Found(
        sentence=f"Relevance per area where blended: |R| {blended[kinds[2]][1]:.1f}, R⁺ {blended[kinds[2]][0]:.2f} if "
        f"trained to say where; {blended[kinds[0]][1]:.1f}, {blended[kinds[0]][0]:.2f} if on complete morphs.",
        findings=(
            Finding("Detectors that learn from morphs of one region have their positive relevance where the morph is.",
                    f"positive relevance per area in the blended region and in the genuine ones: {told[0]}",
                    "yes" if all(looks[0][1:]) else "in part" if any(looks[0][1:]) else "no"),
            Finding("They look at the blended region, whatever the sign; detectors of complete morphs do not.",
                    f"|relevance| per area in the blended region and in the genuine ones: {told[1]}",
                    "yes" if all(looks[1][1:]) and not looks[1][0] else "in part" if any(looks[1][1:]) else "no"),
            Finding("A detector of complete morphs fails where all but one region is genuine.",
                    f"area under the ROC curve {a.auc['complete']:.3f} for complete morphs, {a.auc['one region']:.3f} "
                    f"for one region; there 'one region' has {b.auc['one region']:.3f}, 'many classes' "
                    f"{c.auc['one region']:.3f}", "yes" if a.auc["complete"] - a.auc["one region"] > 0.15
                    and c.auc["one region"] > a.auc["one region"] else "no"),
            Finding("What learns from one region knows complete morphs as well.",
                    f"area under the ROC curve for complete morphs: 'one region' {b.auc['complete']:.3f}, "
                    f"'many classes' {c.auc['complete']:.3f}, 'complete' {a.auc['complete']:.3f}",
                    "yes" if min(b.auc["complete"], c.auc["complete"]) > a.auc["complete"] - 0.05 else
                    "in part" if max(b.auc["complete"], c.auc["complete"]) > 0.75 else "no"),
        ),
        numbers={"persons": {"learnt": LEARNT, "tested": len(set(persons[new]))}, "seeds": seeds,
                 "morphs_of_one_region": a.here.shape[1] // seeds, "area_of_regions": morphs.INSIDE.mean(axis=(1, 2)),
                 "density_positive_and_magnitude": blended, "in_genuine_regions": genuine, "more_in_blended": more,
                 "p": p, "area_under_roc": {kind: j.auc for kind, j in judged.items()}},
        picture=_picture(judged, blended, genuine),
        alt="Mean maps of relevance for morphs of one eye, the other eye, the nose and the mouth, for three detectors; "
        "charts of the density of relevance in the blended region and of areas under ROC curves.",
    )  # fmt: skip


def _network(rng: np.random.Generator, classes: int) -> Network:
    return Network.sequential([
        training.conv(rng, 1, 8, 6, 6, stride=2, padding=2), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 8, 16, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 16, 32, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        layers.Flatten(), training.dense(rng, 32 * 5 * 4, classes),
    ])  # fmt: skip


def _judged(nets: list[Network], test: dict[bool, tuple[NDArray[Any], NDArray[Any]]]) -> Judged:
    """Return what networks say of complete morphs and of those of one region, and where their relevance lies."""
    auc: dict[str, list[float]] = {"complete": [], "one region": []}
    here, elsewhere, maps = [], [], []
    for net in nets:
        for one, name in enumerate(auc):
            x, region = test[bool(one)]
            z = net.forward(x)
            score = np.log(np.exp(z[:, 1:] - z[:, :1]).sum(axis=1))
            auc[name].append(float(roc_auc(score[None], (region > 0)[None])[0]))
        x, region = test[True]
        x, region = x[region > 0], region[region > 0] - 1
        target = 1 + net.forward(x)[:, 1:].argmax(axis=1)
        rules = composites.get("epsilon_plus")
        heat = explain(net, x, start="difference", target=target, against=np.zeros_like(target), composite=rules)
        true = np.eye(4, dtype=bool)[region]
        density = np.stack([morphs.densities(heat.relevance[:, 0], part) for part in ("positive", "absolute")])
        here.append(density[:, true])
        elsewhere.append(density[:, ~true].reshape(2, -1, 3).mean(axis=2))
        scaled = heat.relevance[:, 0] / np.maximum(np.abs(heat.relevance[:, 0]).sum(axis=(1, 2), keepdims=True), 1e-9)
        maps.append(np.stack([scaled[region == k].mean(axis=0) for k in range(4)]))
    areas = {name: float(np.mean(one)) for name, one in auc.items()}
    return Judged(areas, np.concatenate(here, axis=1), np.concatenate(elsewhere, axis=1), np.mean(maps, axis=0))


def _picture(judged: dict[str, Judged], blended: dict[str, Any], genuine: dict[str, Any]) -> Any:
    with figures.sheet(860, title="Which part of a face gives a morph away?") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(7, 5))
        grid = left.subplots(3, 4)
        for row, (kind, found) in enumerate(judged.items()):
            for k, name in enumerate(morphs.NAMES):
                figures.show_map(grid[row, k], gaussian_filter(found.maps[k], 1), limit="99.5%",
                                 title="" if row else name if k else f"blended: {name}")  # fmt: skip
                faces.outlines(grid[row, k], bold=name, origin=(morphs.CROP[0].start, morphs.CROP[1].start))
                grid[row, k].set(xlim=(-0.5, morphs.INSIDE.shape[2] - 0.5), ylim=(morphs.INSIDE.shape[1] - 0.5, -0.5))
            grid[row, 0].set_ylabel(f"learnt from:\n{kind}", fontsize=12)
        *charts, last = right.subplots(3, 1)
        place = np.arange(len(judged))
        for part, axes in enumerate(charts):
            for shift, values, name in ((-0.2, blended, "blended region"), (0.2, genuine, "genuine regions")):
                axes.bar(place + shift, [values[kind][part] for kind in judged], 0.4, label=name)
            axes.axhline(1, color=figures.PALE, linewidth=1)
            axes.set_title(("red relevance per area (1: as everywhere)", "red and blue relevance per area")[part])
        for shift, name in ((-0.2, "complete"), (0.2, "one region")):
            last.bar(place + shift, [j.auc[name] for j in judged.values()], 0.4, label=f"tested on {name}")
        last.axhline(0.5, color=figures.PALE, linewidth=1)
        last.set(title="area under the ROC curve (0.5: chance)", ylim=(0.4, 1))
        for axes in (*charts, last):
            axes.set(xticks=place, xticklabels=list(judged), ylim=(axes.get_ylim()[0], 1.3 * axes.get_ylim()[1]))
            axes.legend(loc="upper left", ncols=2, fontsize=11, columnspacing=1, handlelength=1)
        return figures.finish(figure)


APPLICATION = Application(
    title="Detectors of morphed faces",
    source="Seibold, Samek, Hilsmann, Eisert 2018 and 2020 (Journal of Information Security and Applications 53)",
    data="400 faces of 40 persons (AT&T Laboratories Cambridge), blended here; 28 persons learnt, 12 tested.",
    model="Three convolutions on the inner face, 88 × 72 pixels, trained here in three ways from two seeds each.",
    wing="strategies", run=run, extras=("torch",), needs=(faces.NEED,),
)  # fmt: skip
