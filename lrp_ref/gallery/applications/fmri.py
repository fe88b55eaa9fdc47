"""A brain is scanned while pictures are looked at. A network reads what kind they were of: from which places, and when?

As in DeepLight (Thomas et al. 2019), each volume goes through a convolution, and an LSTM reads the volumes of a block
one after the other. Its answer, one of eight categories, is handed back to every voxel of every volume. One run of
twelve is held out in turn, so each map is of a whole run that its network was not trained on. Only windows that are
read rightly are explained, with the logit of their category.

What one would like to know is whether the relevance lies where the ordinary, univariate analysis says. That has for
each voxel the F statistic of its means over blocks (does it tell the categories apart?), and for one category |t|
against the others. A map of relevance is compared with these by rank correlation over the voxels of the brain. A
network with the weights it had before training sees the same volumes: its maps say what one gets for nothing. And maps
of a category should be more alike from run to run than maps of different categories.

All is of one slice of one subject, so that categories are read worse than from a whole brain, and 96 blocks
are few for a network: logistic regression on the mean of the same volumes stands beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f_oneway, spearmanr, ttest_ind, wilcoxon

from ... import layers
from ...network import Network
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures, haxby, training
from ..application import Application, Finding, Found, Need
from ..running import Run

BRAIN = 0.25  # of the brightest voxel's mean: darker ones are not of the brain
CHANNELS, HIDDEN, NOISE = 8, 32, 0.5
Floats, Brain = NDArray[np.floating[Any]], NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]


def run(at: Run) -> Found:
    """Hold out each run in turn, train, explain what is read rightly, and compare with the univariate analysis."""
    volumes, onsets = haxby.read(at.file("haxby2001_1slice.tar.xz"))
    mean = volumes.mean(axis=(0, 1))
    brain = mean > BRAIN * mean.max()
    x, y, runs = haxby.windows(haxby.cleaned(volumes) * brain, onsets)
    folds = at.few(haxby.RUNS, 1)
    right, right_lines, votes = np.zeros(len(y)), np.zeros(len(y)), []
    (maps, untrained), times = np.full((2, folds, 8, *brain.shape), np.nan), []
    for fold in range(folds):
        tested = runs == fold
        right_lines[tested] = _by_regression(x[~tested], y[~tested], x[tested], brain) == y[tested]
        start = _network(np.random.default_rng(at.seed + fold))
        net = training.fit(start, x[~tested], y[~tested], epochs=at.few(8, 1), batch=32, seed=at.seed, augment=_noisy)
        z = net.forward(x[tested])
        right[tested] = z.argmax(axis=1) == y[tested]
        votes.append(_block_means(z).argmax(axis=1) == y[tested][:: len(haxby.STARTS)])
        shown = tested & (right > 0)
        for category in np.unique(y[shown]):
            these = x[shown & (y == category)]
            heat = _relevance(net, these, category)
            maps[fold, category] = heat.mean(axis=(0, 1))
            times.append(np.abs(heat).sum(axis=(2, 3)).mean(axis=0))
            untrained[fold, category] = _relevance(start, these, category).mean(axis=(0, 1))
        at.tell("runs held out", fold + 1, folds)
    blocks = x[:, 0].mean(axis=1)[len(haxby.STARTS) // 2 :: len(haxby.STARTS)]
    kinds = y[:: len(haxby.STARTS)]
    f_map = f_oneway(*(blocks[kinds == k] for k in range(8))).statistic
    t_maps = [np.abs(ttest_ind(blocks[kinds == k], blocks[kinds != k]).statistic) for k in range(8)]
    with_f = [_like(np.abs(m).reshape(-1, *brain.shape), f_map, brain) for m in (maps, untrained)]
    own, other = _specific(maps, t_maps, brain)
    same, different = _agreement(maps, brain)
    accuracy, lines = float(right[runs < folds].mean()), float(right_lines[runs < folds].mean())
    p = _p(with_f[0], with_f[1])
    more = float(np.mean(with_f[0])), float(np.mean(with_f[1]))
    part = np.sum(times, axis=0) / np.sum(times)
    return Found(
        sentence=f"Relevance lies where the F-map is high: rank correlation {more[0]:.2f}, untrained {more[1]:.2f}; "
        f"{accuracy:.0%} read rightly (chance 12.5 %).",
        findings=(
            Finding("Maps of relevance lie where the univariate analysis says.",
                    f"rank correlation of |relevance| with F over {brain.sum()} voxels: {more[0]:.2f} (mean of "
                    f"{len(with_f[0])} maps), the same network before training {more[1]:.2f}, p = {p:.1g}",
                    "yes" if more[0] > 0.3 and more[0] > more[1] and p < 0.01 else
                    "in part" if more[0] > more[1] and p < 0.01 else "no"),
            Finding("The map of a category lies where that category differs from the others.",
                    f"rank correlation with |t|: of its own category {np.mean(own):.2f}, of the other seven "
                    f"{np.mean(other):.2f}, p = {_p(own, other):.1g}",
                    "yes" if np.mean(own) > np.mean(other) and _p(own, other) < 0.01 else "no"),
            Finding("Maps of a category agree from run to run.",
                    f"correlation of maps of two runs: same category {same:.2f}, different categories {different:.2f}",
                    "yes" if same > different + 0.1 else "in part" if same > different + 0.02 else "no"),
            Finding("Convolution and LSTM read more from the volumes than linear models do.",
                    f"{folds} runs held out in turn: network {accuracy:.1%}, logistic regression {lines:.1%} of windows "
                    f"of {haxby.LENGTH} volumes; chance 12.5 %; the network by votes of a block's windows "
                    f"{np.mean(votes):.1%}", "yes" if accuracy > lines else "no"),
        ),
        numbers={"folds": folds, "voxels": brain.sum(), "accuracy": accuracy, "accuracy_logistic": lines,
                 "accuracy_of_blocks": np.mean(votes), "correlation_with_f": more[0], "untrained": more[1], "p": p,
                 "own_t": np.mean(own), "other_t": np.mean(other), "same_category": same,
                 "different_category": different, "part_of_relevance_by_volume": part},
        picture=_picture(np.nanmean(maps, axis=0), np.where(brain, f_map, np.nan), brain, with_f, accuracy, lines, part),
        alt="Maps of relevance of one slice of a brain for eight categories, the F-map, and charts of the rank "
        "correlation with it, of accuracies and of relevance by volume.",
    )  # fmt: skip


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


def _block_means(z: Floats) -> Floats:
    return np.asarray(z.reshape(-1, len(haxby.STARTS), z.shape[1]).mean(axis=1))


def _relevance(net: Network, x: Floats, category: int) -> Floats:
    """Return the relevance (N, haxby.LENGTH, H, W) for a category."""
    return np.asarray(explain(net, x, target=int(category), composite=composites.get("epsilon_plus")).relevance[:, 0])


def _like(maps: Floats, known: Floats, brain: Brain) -> list[float]:
    """Return the rank correlation of each map with a known one, over the brain; maps of NaN are left out."""
    return [float(spearmanr(m[brain], known[brain]).statistic) for m in maps if not np.isnan(m).any()]


def _specific(maps: Floats, known: list[Floats], brain: Brain) -> tuple[list[float], list[float]]:
    """Return the rank correlations of |relevance| with |t| of the own category, and with those of the others (mean)."""
    own, other = [], []
    for of_run in maps:
        for category, one in enumerate(of_run):
            if not np.isnan(one).any():
                found = [_like(np.abs(one)[None], t, brain)[0] for t in known]
                own.append(found.pop(category))
                other.append(float(np.mean(found)))
    return own, other


def _agreement(maps: Floats, brain: Brain) -> tuple[float, float]:
    """Return the mean correlation of maps of two runs: of the same category, and of different ones."""
    folds, categories = maps.shape[:2]
    flat = maps[:, :, brain].reshape(folds * categories, -1)
    run, category = np.divmod(np.arange(len(flat)), categories)
    known = ~np.isnan(flat).any(axis=1)
    between = np.corrcoef(flat[known])
    other_run = run[known][:, None] != run[known]
    alike = category[known][:, None] == category[known]
    return tuple(float(between[other_run & which].mean()) if (other_run & which).any() else 0.0
                 for which in (alike, ~alike))  # type: ignore[return-value]  # fmt: skip


def _p(one: list[float], other: list[float]) -> float:
    """Return the p-value of Wilcoxon's signed-rank test that pairs do not differ."""
    return float(wilcoxon(one, other).pvalue) if len(one) > 1 else 1.0


def _picture(maps: Floats, f_map: Floats, brain: Brain, with_f: list[list[float]], accuracy: float, lines: float,
             part: Floats) -> Any:  # fmt: skip
    rows, columns = (slice(np.flatnonzero(some)[0], np.flatnonzero(some)[-1] + 1) for some in
                     (brain.any(axis=1), brain.any(axis=0)))  # fmt: skip
    limit = float(np.nanpercentile(np.abs(maps), 99))
    with figures.sheet(860, title="What was seen: where in one slice of a brain it is read from") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(5, 3))
        for axes, one, name in zip(above.subplots(2, 4).flat, maps, haxby.NAMES, strict=True):
            figures.show_map(axes, np.nan_to_num(np.where(brain, one, 0))[rows, columns][::-1], limit=limit, title=name)
            axes.contour(brain[rows, columns][::-1], levels=[0.5], colors=figures.PALE, linewidths=0.8)
        left, *charts = below.subplots(1, 4)
        left.imshow(f_map[rows, columns][::-1], cmap="Greys")
        left.set(xticks=[], yticks=[], title="F of 8 categories (dark: high)")
        charts[0].boxplot(with_f, widths=0.6, medianprops={"color": "black"})
        charts[0].set(title="rank correlation with F", xticks=(1, 2), xticklabels=("trained", "untrained"))
        charts[1].bar(range(3), (100 * accuracy, 100 * lines, 12.5), color=figures.HUES[:3])
        charts[1].set(title="read rightly, %", xticks=range(3), xticklabels=("network", "logistic", "chance"))
        charts[2].bar(range(1, haxby.LENGTH + 1), 100 * part)
        charts[2].set(title="relevance, %, by volume")
        return figures.finish(figure)


APPLICATION = Application(
    title="What a brain looks at",
    source="Thomas, Heekeren, Müller, Samek 2019, Frontiers in Neuroscience 13 (DeepLight)",
    data="one slice of subject 1 of Haxby et al. 2001, 12 runs of 8 blocks, fMRI every 2.5 s.",
    model="a convolution per volume and an LSTM over 6 volumes, trained here 12 times, each without one run.",
    wing="signals",
    run=run,
    needs=(
        Need("haxby2001_1slice.tar.xz", "one slice of 12 runs of fMRI with onsets of 8 categories",
             "Haxby et al. 2001, openfmri.org ds000105, as PyMVPA's test data have it", "CC BY-SA"),
    ),
    extras=("torch", "sklearn"),
)  # fmt: skip
