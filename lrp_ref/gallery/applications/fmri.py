"""A brain is scanned while pictures are looked at. A network reads what kind they were of: from which places?

In DeepLight (Thomas et al. 2019) the slices of a volume go through convolutions, and an LSTM reads them one after the
other. Here there is one slice, so the LSTM reads the volumes of a block in the place of slices. Its answer, one of
eight categories, is handed back to every voxel of every volume. One run of twelve is held out in turn, so that each map
is of a whole run that its network was not trained on. Only windows of volumes that are read rightly are explained, with
the logit of their category.

Does the relevance lie where the ordinary, univariate analysis says? That has for each voxel the F statistic of its
means over blocks: does it tell the categories apart? And for one category |t| against the others. The positive
relevance, on average over what was seen in a run, is compared with these by rank correlation over the voxels, and by
how dense it is in the voxels that F finds; 1 is chance. The same network with the weights that it had before training
says what one gets for nothing. And maps of a category should be more alike from run to run than maps of different
categories.

All is of one slice of one subject, and 96 blocks are few: a logistic regression on mean volumes stands beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...evaluate import relevance_mass
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, training
from ..analysis import agreement
from ..application import Application, Finding, Found, Held, Run
from ..sources import haxby

LEVEL = 0.001  # of p, below which F finds a voxel
CHANNELS, HIDDEN, NOISE, EPOCHS = 4, 32, 1.0, 20

Floats = NDArray[np.floating[Any]]
Brain = NDArray[np.bool_]


def run(at: Run) -> Found:
    """Hold out each run in turn, train, explain what is read rightly, and compare with the univariate analysis."""
    volumes, onsets = haxby.read(at.file("haxby2001_1slice.tar.xz"))
    mean = volumes.mean(axis=(0, 1))
    brain = mean > haxby.BRAIN * mean.max()
    x, y, runs = haxby.windows(haxby.cleaned(volumes) * brain, onsets)
    folds = at.few(haxby.RUNS, 1)
    right, linear = np.zeros(len(y), bool), np.zeros(len(y), bool)
    sizes = (folds, len(haxby.NAMES), brain.sum())
    kept = {name: np.full(sizes, np.nan) for name in ("trained", "untrained", "signed")}
    times = []
    for fold in range(folds):
        out = runs == fold
        linear[out] = _by_regression(x[~out], y[~out], x[out], brain) == y[out]
        start = _network(np.random.default_rng(at.seed + fold))
        net = training.fit(start, x[~out], y[~out], epochs=at.few(EPOCHS, 1), batch=32, rate=5e-3, seed=at.seed,
                           augment=_noisy)  # fmt: skip
        right[out] = net.forward(x[out]).argmax(axis=1) == y[out]
        for category in np.unique(y[out & right]):
            heat, before = (_relevance(one, x[out & right & (y == category)], category) for one in (net, start))
            for name, one in zip(kept, (np.maximum(heat, 0), np.maximum(before, 0), heat), strict=True):
                kept[name][fold, category] = one.mean(axis=(0, 1))[brain]
            times.append(np.maximum(heat, 0).sum(axis=(2, 3)).mean(axis=0))
        at.tell("runs held out", fold + 1, folds)
    each = slice(None, None, len(haxby.STARTS))  # one window of each block
    f, p_f, t = haxby.univariate(x[each, 0].mean(axis=1)[:, brain], y[each])
    found = p_f < LEVEL
    signed = kept.pop("signed")
    all_of_run = {name: np.nanmean(m, axis=1)[:, None] for name, m in kept.items()}
    with_f = {name: agreement.with_known(m, [f])[0] for name, m in all_of_run.items()}
    density = {name: relevance_mass(m[:, 0], np.broadcast_to(found, m[:, 0].shape)) / found.mean()
               for name, m in all_of_run.items()}  # fmt: skip
    own, other = agreement.with_known(kept["trained"], t)
    same, different = agreement.across_runs(kept["trained"])
    accuracy, lines = float(right[runs < folds].mean()), float(linear[runs < folds].mean())
    p = {
        "F": agreement.p_value(*with_f.values()),
        "density": agreement.p_value(*density.values()),
        "t": agreement.p_value(own, other),
    }
    r, dense = ({name: float(np.mean(one)) for name, one in each.items()} for each in (with_f, density))
    part = np.sum(times, axis=0) / np.sum(times)
    return Found(
        sentence=f"Relevance is {dense['trained']:.1f} times as dense where F finds categories (untrained "
        f"{dense['untrained']:.1f}); {accuracy:.0%} read rightly, linear {lines:.0%}.",
        findings=(
            Finding("Maps of relevance lie where the univariate analysis says.",
                    f"density in the {found.sum()} of {brain.sum()} voxels of p < {LEVEL}: {dense['trained']:.2f}, "
                    f"before training {dense['untrained']:.2f} (p = {p['density']:.1g}); rank correlation with F: "
                    f"{r['trained']:.2f}, before training {r['untrained']:.2f} (p = {p['F']:.1g})",
                    _held(dense["trained"] > 1.5 and r["trained"] > 0.3, p["density"] < 0.01 and p["F"] < 0.01)),
            Finding("The map of a category lies where that category differs from the others.",
                    f"rank correlation with |t| of its own category {own.mean():.2f}, of the other seven "
                    f"{other.mean():.2f} (p = {p['t']:.1g}, {len(own)} maps)",
                    _held(own.mean() > 0.3, own.mean() > other.mean() and p["t"] < 0.01)),
            Finding("Maps of a category agree from run to run.",
                    f"correlation of maps of two runs: same category {same:.2f}, different categories {different:.2f}",
                    _held(same > 0.3 and same > different + 0.1, same > different + 0.02)),
            Finding("Convolution and LSTM read more from the volumes than linear models do.",
                    f"{folds} runs held out in turn, windows of {haxby.LENGTH} volumes: network {accuracy:.1%}, "
                    f"logistic regression {lines:.1%}, chance 12.5%", "yes" if accuracy > lines else "no"),
        ),
        numbers={"folds": folds, "voxels": brain.sum(), "found_by_f": found.sum(), "accuracy": accuracy,
                 "accuracy_logistic": lines, "correlation_with_f": r, "density_where_f_finds": dense, "p": p,
                 "own_t": own.mean(), "other_t": other.mean(), "same_category": same, "different_category": different,
                 "part_of_relevance_by_volume": part},
        picture=_picture(signed, f, brain, density, (accuracy, lines), part),
        alt="Maps of relevance of one slice of a brain for eight categories, the F-map, and charts of the density of "
        "relevance where F finds categories, of accuracies and of relevance by volume.",
    )  # fmt: skip


def _held(all_of_it: Any, some: Any) -> Held:
    return "yes" if all_of_it and some else "in part" if some else "no"


def _network(rng: np.random.Generator) -> Network:
    features = CHANNELS * haxby.HEIGHT * haxby.WIDTH // 4
    return Network.sequential([
        training.conv(rng, 1, CHANNELS, 1, 3, 3, padding=((0, 0), (1, 1), (1, 1))), layers.ReLU(),
        layers.AveragePool((1, 2, 2)), layers.Transpose((0, 2, 1, 3, 4)), layers.Reshape((haxby.LENGTH, features)),
        training.lstm(rng, features, HIDDEN, returns="last"), training.dense(rng, HIDDEN, len(haxby.NAMES)),
    ])  # fmt: skip


def _noisy(rng: np.random.Generator, x: Floats) -> Floats:
    """Return windows with noise in the voxels of the brain."""
    return np.asarray((x + NOISE * rng.standard_normal(x.shape, np.float32)) * (x != 0), np.float32)


def _by_regression(x: Floats, y: NDArray[Any], tested: Floats, brain: Brain) -> NDArray[Any]:
    """Return what logistic regression says of the mean volume of windows."""
    from sklearn.linear_model import LogisticRegression

    learnt = LogisticRegression(C=0.01, max_iter=200).fit(x[:, 0].mean(axis=1)[:, brain], y)
    return np.asarray(learnt.predict(tested[:, 0].mean(axis=1)[:, brain]))


def _relevance(net: Network, x: Floats, category: int) -> Floats:
    """Return the relevance (N, volumes, H, W) for a category."""
    return np.asarray(explain(net, x, target=int(category), composite=composites.get("epsilon_plus")).relevance[:, 0])


def _show(axes: Any, values: Floats, brain: Brain, **options: Any) -> None:
    """Draw values of the voxels of the brain, with its outline."""
    whole = np.zeros(brain.shape)
    whole[brain] = values
    rows, columns = np.flatnonzero(brain.any(axis=1)), np.flatnonzero(brain.any(axis=0))
    inside = (slice(rows[-1], rows[0] - 1 if rows[0] else None, -1), slice(columns[0], columns[-1] + 1))
    figures.show_map(axes, whole[inside], **options)
    axes.contour(brain[inside], levels=[0.5], colors=figures.PALE, linewidths=0.8)


def _picture(maps: Floats, f: Floats, brain: Brain, density: dict[str, Any], right: tuple[float, float],
             part: Floats) -> Any:  # fmt: skip
    with figures.sheet(800, title="What was seen: where in one slice of a brain it is read from") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(3, 2))
        for k, (axes, name) in enumerate(zip(above.subplots(2, 4).flat, haxby.NAMES, strict=True)):
            known = maps[~np.isnan(maps[:, k]).any(axis=1), k]
            of_name = known.mean(axis=0) if len(known) else np.zeros(brain.sum())
            _show(axes, of_name, brain, limit="99.5%", title=f"{name}, {len(known)} runs")
        left, *charts = below.subplots(1, 4, width_ratios=(5, 3, 3, 3))
        _show(left, f, brain, limit="99.5%", title="F: tells categories apart")
        charts[0].boxplot(list(density.values()), widths=0.6, medianprops={"color": "black"})
        charts[0].axhline(1, color=figures.PALE, linewidth=1)
        charts[0].set(title="density where F is high", xticks=(1, 2), xticklabels=tuple(density))
        charts[1].bar(range(3), (100 * right[0], 100 * right[1], 12.5), color=figures.HUES[:3])
        charts[1].set(title="read rightly, %", xticks=range(3), xticklabels=("network", "linear", "chance"))
        charts[2].bar(range(1, haxby.LENGTH + 1), 100 * part)
        charts[2].set(title="relevance, %, by volume", xticks=range(1, haxby.LENGTH + 1))
        return figures.finish(figure)


APPLICATION = Application(
    title="From a brain, what is looked at",
    source="Thomas, Heekeren, Müller, Samek 2019, Frontiers in Neuroscience 13 (DeepLight)",
    data="One slice of subject 1 of Haxby et al. 2001, 12 runs of 8 blocks, fMRI every 2.5 s.",
    model="A convolution per volume and an LSTM over 6 volumes, trained here 12 times, each without one run.",
    wing="signals", run=run, extras=("torch", "sklearn"), needs=(haxby.NEED,),
)  # fmt: skip
