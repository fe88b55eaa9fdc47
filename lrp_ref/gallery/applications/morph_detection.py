"""Two faces are blended into one, which passes for both at a border. Which parts of a face does a detector look at?

The same network learns three times, from the same faces of the same persons: from *complete* morphs, of which every
pixel is blended; from *one region*, where only the left eye, the right eye, the nose or the mouth is; and from one
region as *many classes*, where it has to say which. All are tested on persons that none has seen. In a morph of one
region the other three are genuine: an attacker who cleans up a complete morph there makes the same.

Where the morph is, is known to the pixel. So the relevance for "morph" can be counted: the part of it that lies in the
blended region, over the part of the area that this region has; 1 is chance. As eyes draw relevance in every face, the
same number for the three genuine regions stands beside it.

The maps are means over the morphs of a region, in the coordinates of registered faces: no face is shown. The blend
does not warp: faces are moved onto each other, and the second takes mean and contrast of the first. The networks see
faces without their coarse shades (a Gaussian of 4 pixels is subtracted).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

from ... import layers
from ...evaluate import relevance_mass, roc_auc
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import faces, figures, morphs, training
from ..application import Application, Finding, Found, Need
from ..running import Run

LEARNT = 28  # persons of 40
KINDS = {"complete": (False, False), "one region": (True, False), "many classes": (True, True)}


@dataclass(frozen=True)
class Judged:
    """What networks of one kind of training say, over all seeds: areas under ROC curves, right answers, densities."""

    auc: dict[str, float]
    right: dict[str, float]
    here: NDArray[Any]
    elsewhere: NDArray[Any]
    maps: NDArray[Any]


def run(at: Run) -> Found:
    """Train three kinds of detectors, test each on both kinds of morphs, and count relevance in the blended region."""
    images, persons = faces.read(at.file("att_faces.tar.xz"))
    images = faces.registered(images)
    known, new = persons < LEARNT, persons >= LEARNT
    rng, seeds, kinds = at.rng, at.few(2, 1), list(KINDS)
    learn, test = (
        {one: morphs.drawn(rng, images[some], persons[some], count, one_region=one) for one in (False, True)}
        for some, count in ((known, at.few(5000, 128)), (new, at.few(600, 40)))
    )
    judged = {}
    for place, (kind, (one, many)) in enumerate(KINDS.items()):
        nets = []
        for seed in range(at.seed, at.seed + seeds):
            x, region = learn[one]
            net = _network(np.random.default_rng(seed), 5 if many else 2)
            nets.append(training.fit(net, x, region if many else (region > 0).astype(np.int64), rate=3e-3, seed=seed,
                                     epochs=at.few(6, 1)))  # fmt: skip
            at.tell(f"trained '{kind}'", place * seeds + len(nets), len(KINDS) * seeds)
        judged[kind] = _judged(nets, test)
    a, b, c = (judged[kind] for kind in kinds)
    density = {kind: float(np.median(j.here)) for kind, j in judged.items()}
    genuine = {kind: float(np.median(j.elsewhere)) for kind, j in judged.items()}
    more = {kind: float((j.here > a.here).mean()) for kind, j in list(judged.items())[1:]}
    p = {kind: float(binomtest(int((judged[kind].here > a.here).sum()), len(a.here)).pvalue) for kind in more}
    looks = [more[kind] > 0.5 and p[kind] < 1e-3 for kind in more]
    return Found(
        sentence=f"Relevance in the one blended region, over its area: {density[kinds[0]]:.1f} if trained on complete "
        f"morphs, {density[kinds[2]]:.1f} if on which region.",
        findings=(
            Finding("Detectors that learn from morphs of one region look at what is morphed, others do not.",
                    "; ".join(f"{kind}: {density[kind]:.2f} in the region, {genuine[kind]:.2f} in genuine ones"
                              for kind in kinds) + "; above 'complete' in " + ", ".join(
                        f"{more[kind]:.0%} ('{kind}', p = {p[kind]:.1g})" for kind in more),
                    "yes" if all(looks) else "in part" if any(looks) else "no"),
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
                 "morphs_of_one_region": len(a.here) // seeds, "area_of_regions": morphs.INSIDE.mean(axis=(1, 2)),
                 "density": density, "density_in_genuine_regions": genuine, "above_complete": more, "p": p,
                 "area_under_roc": {kind: j.auc for kind, j in judged.items()},
                 "right_answers": {kind: j.right for kind, j in judged.items()}},
        picture=_picture(judged, density, genuine),
        alt="Mean maps of relevance for morphs of one eye, the other eye, the nose and the mouth, for three detectors; "
        "charts of the density of relevance in the blended region and of areas under ROC curves.",
    )  # fmt: skip


def _network(rng: np.random.Generator, classes: int) -> Network:
    return Network.sequential([
        training.conv(rng, 1, 10, 6, 6, stride=2, padding=2), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 10, 20, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        training.conv(rng, 20, 32, 3, 3, padding=1), layers.ReLU(), layers.MaxPool(2),
        layers.Flatten(), training.dense(rng, 32 * 5 * 4, classes),
    ])  # fmt: skip


def _judged(nets: list[Network], test: dict[bool, tuple[NDArray[Any], NDArray[Any]]]) -> Judged:
    """Return what networks say of complete morphs and of those of one region, and where their relevance lies."""
    auc: dict[str, list[float]] = {"complete": [], "one region": []}
    right: dict[str, list[float]] = {"complete": [], "one region": []}
    here, elsewhere, maps = [], [], []
    for net in nets:
        for one, name in enumerate(auc):
            x, region = test[bool(one)]
            z = net.forward(x)
            score = np.log(np.exp(z[:, 1:] - z[:, :1]).sum(axis=1))
            auc[name].append(float(roc_auc(score[None], (region > 0)[None])[0]))
            right[name].append(float(np.mean([((score > 0) == k)[(region > 0) == k].mean() for k in (False, True)])))
        x, region = test[True]
        x, region = x[region > 0], region[region > 0] - 1
        target = 1 + net.forward(x)[:, 1:].argmax(axis=1)
        rules = composites.get("epsilon_plus")
        heat = explain(net, x, start="difference", target=target, against=np.zeros_like(target), composite=rules)
        density = np.stack([relevance_mass(heat.relevance[:, 0], np.broadcast_to(m, (len(x), *m.shape))) / m.mean()
                            for m in morphs.INSIDE], axis=1)  # fmt: skip
        density = np.nan_to_num(density)  # a map without positive relevance has none anywhere
        true = np.eye(4, dtype=bool)[region]
        here, elsewhere = [*here, density[true]], [*elsewhere, density[~true].reshape(-1, 3).mean(axis=1)]
        scaled = heat.relevance[:, 0] / np.maximum(np.abs(heat.relevance[:, 0]).sum(axis=(1, 2), keepdims=True), 1e-9)
        maps.append(np.stack([scaled[region == k].mean(axis=0) for k in range(4)]))
    return Judged({k: float(np.mean(v)) for k, v in auc.items()}, {k: float(np.mean(v)) for k, v in right.items()},
                  np.concatenate(here), np.concatenate(elsewhere), np.mean(maps, axis=0))  # fmt: skip


def _picture(judged: dict[str, Judged], density: dict[str, float], genuine: dict[str, float]) -> Any:
    with figures.sheet(860, title="Which part of a face gives a morph away?") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
        grid = left.subplots(3, 4)
        for row, (kind, found) in enumerate(judged.items()):
            for k, name in enumerate(morphs.NAMES):
                figures.show_map(grid[row, k], gaussian_filter(found.maps[k], 1), limit="99.5%",
                                 title="" if row else f"blended: {name}")  # fmt: skip
                faces.outlines(grid[row, k], bold=name, origin=(morphs.CROP[0].start, morphs.CROP[1].start))
                grid[row, k].set(xlim=(-0.5, morphs.INSIDE.shape[2] - 0.5), ylim=(morphs.INSIDE.shape[1] - 0.5, -0.5))
            grid[row, 0].set_ylabel(f"learnt from:\n{kind}", fontsize=12)
        above, below = right.subplots(2, 1)
        place = np.arange(len(judged))
        above.bar(place - 0.2, list(density.values()), 0.4, label="the blended region")
        above.bar(place + 0.2, list(genuine.values()), 0.4, label="the genuine ones")
        above.axhline(1, color=figures.PALE, linewidth=1)
        above.set(title="relevance per area (1: as everywhere)", xticks=place, xticklabels=list(judged))
        for shift, name in ((-0.2, "complete"), (0.2, "one region")):
            below.bar(place + shift, [j.auc[name] for j in judged.values()], 0.4, label=f"tested on: {name}")
        below.axhline(0.5, color=figures.PALE, linewidth=1)
        below.set(title="area under the ROC curve (0.5: chance)", xticks=place, xticklabels=list(judged),
                  ylim=(0.4, 1.12))  # fmt: skip
        for axes in (above, below):
            axes.legend(loc="upper left", ncols=2, fontsize=11)
        above.set_ylim(0, 1.25 * max(*density.values(), *genuine.values()))
        return figures.finish(figure)


APPLICATION = Application(
    title="Detectors of morphed faces",
    source="Seibold, Samek, Hilsmann, Eisert 2018 and 2020 (Journal of Information Security and Applications 53)",
    data="400 faces of 40 persons (AT&T Laboratories Cambridge), blended here; 28 persons learnt, 12 tested.",
    model="three convolutions on the inner face, 88 × 72 pixels, trained here three times.",
    wing="strategies",
    run=run,
    needs=(
        Need("att_faces.tar.xz", "400 grey faces, sPERSON/NUMBER.pgm in a tar archive",
             "AT&T Laboratories Cambridge, 'The Database of Faces' (cam-orl.co.uk/facedatabase.html)", "none stated"),
    ),
    extras=("torch",),
)  # fmt: skip
