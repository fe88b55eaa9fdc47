"""An action is recognised from motion vectors alone. Where in the clip is it, and when?

A compressed video holds motion vectors: for each block of a frame, whence its content came. Srinivasan and colleagues
recognised actions from these alone, without decoding a pixel: local histograms of motion, encoded as Fisher vectors,
and a linear support vector machine. No network is part of that, yet LRP explains it, for each step is a layer: the
score is a sum over the Fisher vector's numbers, and each of those a sum over local descriptors. So each descriptor,
which has a place and a time, gets its part of the score.

Here stick figures wave, walk, jump or kick. They stand still first, act for some twelve to seventeen frames, and stand
still again; a ball rolls through every clip, and tells nothing of the action. Motion vectors are found by trying every
shift, as encoders do. Of each block that moves, a descriptor says how the nine blocks around it move in three frames
(eight directions and rest), and how high in the picture they are.

What is right is known: where the figure itself moves, and when. The most relevant descriptor should lie there. What it
has to beat: a moving block drawn by chance, which may belong to the ball, and the block that moves fastest.

Red blocks speak for the action that was recognised, blue ones against it. Descriptors' parts have both signs and may
cancel, so ε damps what the Fisher vector hands down; the ledger knows what it takes. The ball is not without relevance:
its motion enters the same sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import require
from ...layers import Dense, FisherVector, SignedRoot, UnitNorm
from ...neuralise import fisher_vector
from ...propagation.explaining import explain
from ...propagation.plan import Composite
from ...rules import LRP0, Epsilon
from .. import figures
from ..application import Application, Finding, Found, Run
from ..sources.actions import ACTIONS, BLOCK, FRAMES, SIZE, Actions, actions, motion_vectors

COMPONENTS = 12  # of the mixture
DIRECTIONS = 8
DAMPED = Composite([(FisherVector, Epsilon(1e-3)), (Dense, LRP0())], name="damped")
SHOWN = 6  # frames of a clip in the picture


def run(at: Run) -> Found:
    """Fit mixture and machine, explain every clip of the test, and look where the largest relevance is."""
    trained_on, test = (actions(at.rng, at.few(n, few)) for n, few in ((240, 12), (120, 6)))
    described = [_described(one, at) for one in (trained_on, test)]
    net, right = _classifier(described, trained_on, test, at)
    hits: dict[str, list[float]] = {"LRP": [], "chance": [], "fastest": []}
    when, net_sums, maps = [], [], []
    for n, (places, given, speed) in enumerate(described[1]):
        said = int(net.forward(given[None]).argmax())
        relevance = explain(net, given[None], target=said, composite=DAMPED).relevance[0].sum(axis=-1)
        inside = _around(test.moving[n])[tuple(places.T)]
        hits["LRP"].append(float(inside[relevance.argmax()]))
        hits["chance"].append(float(inside.mean()))
        hits["fastest"].append(float(inside[speed == speed.max()].mean()))
        positive, acting = np.maximum(relevance, 0), test.during[n][places[:, 0]]
        when.append((positive[acting].sum() / positive.sum(), acting.mean()))
        net_sums.append([relevance[inside].sum(), relevance[~inside].sum()] / np.abs(relevance).sum())
        heat = np.zeros(test.moving[n].shape)
        heat[tuple(places.T)] = relevance
        maps.append(heat)
        at.tell("explaining", n + 1, len(described[1]))
    rate = {name: float(np.mean(hit)) for name, hit in hits.items()}
    in_time, in_time_by_chance = np.mean(when, axis=0)
    on_figure, elsewhere = np.mean(net_sums, axis=0)
    best = max(rate["chance"], rate["fastest"])
    return Found(
        sentence=f"The most relevant block lies on the acting figure in {rate['LRP']:.0%} of clips; "
        f"a moving block by chance in {rate['chance']:.0%}.",
        findings=(
            Finding("Actions can be told from motion vectors, with Fisher vectors and a linear machine.",
                    f"{right:.1%} of {len(maps)} clips right, of four actions (chance {1 / len(ACTIONS):.0%})",
                    "yes" if right > 2 / len(ACTIONS) else "no"),
            Finding("LRP shows where the action is.",
                    f"largest relevance where the figure moves: {rate['LRP']:.1%} of clips; moving block by chance "
                    f"{rate['chance']:.1%}, fastest block {rate['fastest']:.1%}. Red less blue, of all colour: figure "
                    f"{on_figure:+.1%}, elsewhere {elsewhere:+.1%}",
                    "yes" if rate["LRP"] > best + 2 * (best * (1 - best) / len(maps)) ** 0.5 else "no"),
            Finding("LRP shows when the action is.",
                    f"{in_time:.1%} of positive relevance is in the frames of the action, and {in_time_by_chance:.1%} "
                    "of the blocks that move", "yes" if np.mean([a > b for a, b in when]) > 0.75 else "no"),
        ),
        numbers={"clips": len(maps), "accuracy": right, "pointing": rate, "relevance_during_action": in_time,
                 "moving_blocks_during_action": in_time_by_chance,
                 "net_relevance_on_figure": on_figure, "net_relevance_elsewhere": elsewhere,
                 "more_during_action_in": np.mean([a > b for a, b in when]),
                 "descriptors_per_clip": np.mean([len(d[0]) for d in described[1]])},
        picture=_picture(test, np.array(maps), rate),
        alt="Four stick figures that wave, walk, jump and kick, with the blocks whose motion spoke for the action in "
        "red; relevance over time within the frames of the action; how often the largest relevance is on the figure.",
    )  # fmt: skip


def _described(clips: Actions, at: Run) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Return the descriptors of each clip: their places (L, 3) in time, row and column, numbers (L, D), speeds."""
    found = []
    for n, frames in enumerate(clips.frames):
        found.append(descriptors(motion_vectors(frames)))
        at.tell("motion vectors", n + 1, len(clips.frames))
    return found


def descriptors(vectors: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return where blocks move, (L, 3), what moves around them, (L, 10), and how fast they are, (L,)."""
    speed = np.hypot(vectors[..., 0], vectors[..., 1])
    angle = np.arctan2(vectors[..., 1], vectors[..., 0]) / (2 * np.pi)
    direction = np.round(angle * DIRECTIONS).astype(int) % DIRECTIONS
    histogram = np.eye(DIRECTIONS)[direction] * speed[..., None]
    each = np.concatenate([histogram, (speed == 0)[..., None]], axis=-1)
    around = np.pad(each, ((1, 1), (1, 1), (1, 1), (0, 0)))
    summed = np.lib.stride_tricks.sliding_window_view(around, (3, 3, 3), axis=(0, 1, 2)).sum(axis=(-3, -2, -1))
    moving = np.argwhere(speed > 0)
    height = moving[:, 1:2] / speed.shape[1] * 3
    chosen = tuple(moving.T)
    return moving, np.concatenate([np.sqrt(summed[chosen]), height], axis=1), speed[chosen]


def _classifier(described: list[Any], trained_on: Actions, test: Actions, at: Run) -> tuple[Any, float]:
    """Return mixture and machine as one network, and which part of the test it gets right."""
    require("sklearn", extra="sklearn", purpose="fit a mixture and a support vector machine")
    from sklearn.mixture import GaussianMixture
    from sklearn.svm import LinearSVC

    every = np.concatenate([given for _, given, _ in described[0]])
    few = at.rng.choice(len(every), min(len(every), at.few(8000, 500)), replace=False)
    mixture = GaussianMixture(COMPONENTS, covariance_type="diag", reg_covar=1e-2, random_state=at.seed).fit(every[few])
    parameters = mixture.weights_ / mixture.weights_.sum(), mixture.means_, mixture.covariances_
    encoding, root, norm = FisherVector(*parameters), SignedRoot(), UnitNorm()
    codes = np.concatenate([norm.forward(root.forward(encoding.forward(given[None]))) for _, given, _ in described[0]])
    machine = LinearSVC(C=1.0, random_state=at.seed).fit(codes, trained_on.kind)
    net = fisher_vector(*parameters, machine.coef_.T, machine.intercept_)
    said = np.array([net.forward(given[None]).argmax() for _, given, _ in described[1]])
    return net, float((said == test.kind).mean())


def _around(moving: NDArray[Any]) -> NDArray[Any]:
    """Return the blocks (T, rows, columns) that move, with those next to them in the frame, which descriptors count."""
    padded = np.pad(moving, ((0, 0), (1, 1), (1, 1)))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).any(axis=(-2, -1)))


def _picture(test: Actions, maps: NDArray[Any], rate: dict[str, float]) -> Any:
    with figures.sheet(height=820, title="Where the action is, from motion vectors alone") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(2.5, 1))
        rows = left.subplots(len(ACTIONS), 1)
        above, below = right.subplots(2, 1, height_ratios=(1.6, 1))
        for k, name in enumerate(ACTIONS):
            n = int(np.append(np.flatnonzero(test.kind == k), 0)[0])
            acting = np.flatnonzero(test.during[n])
            frames = np.linspace(max(acting[0] - 2, 0), min(acting[-1] + 2, FRAMES - 2), SHOWN).astype(int)
            strip = np.concatenate([test.frames[n, t + 1] for t in frames], axis=1)
            heat = np.concatenate([np.kron(maps[n, t], np.ones((BLOCK, BLOCK))) for t in frames], axis=1)
            figures.show_image(rows[k], _over(strip, heat / np.abs(maps[n]).max()), title=name)
            for side in range(1, SHOWN):
                rows[k].axvline(side * SIZE - 0.5, color=figures.PALE, linewidth=0.5)
            positive = np.maximum(maps[n], 0).sum(axis=(1, 2))
            foot = len(ACTIONS) - 1 - k
            above.fill_between(range(FRAMES - 1), foot, foot + 0.85 * test.during[n], color="#e4e4e4", step="mid")
            above.plot(foot + 0.8 * positive / positive.max(), color=figures.POSITIVE)
        above.set(xlabel="frame", yticks=np.arange(len(ACTIONS)) + 0.4, yticklabels=ACTIONS[::-1])
        above.set_title("relevance for the action\n(grey: it is under way)")
        below.barh(["chance", "fastest", "LRP"], [100 * rate[k] for k in ("chance", "fastest", "LRP")],
                   color=[figures.PALE, figures.PALE, figures.POSITIVE])  # fmt: skip
        below.set(xlabel="% of clips", xlim=(0, 100))
        below.set_title("block on the acting figure?")
        return figures.finish(figure)


def _over(image: NDArray[Any], heat: NDArray[Any]) -> NDArray[Any]:
    """Return a dark picture as grey on white with red (1) and blue (−1) blocks over it, (H, W, 3)."""
    paper = np.repeat((1 - 0.75 * image)[..., None], 3, axis=2)
    hue = np.where(heat[..., None] > 0, (0.78, 0.18, 0.18), (0.17, 0.37, 0.72))
    strength = 0.8 * np.sqrt(np.abs(heat))[..., None]
    return np.asarray(paper * (1 - strength) + hue * strength)


APPLICATION = Application(
    title="Where and when is the action, from motion vectors alone?",
    source="Srinivasan, Lapuschkin, Hellge, Müller, Samek 2017, 'Interpretable human action recognition in compressed "
    "domain' (ICASSP)",
    data="120 generated clips of stick figures that wave, walk, jump or kick while a ball rolls by.",
    model="Fisher vectors of motion histograms (12 Gaussians) and a linear support vector machine, fitted here on 240 "
    "clips.",
    wing="signals",
    run=run,
    extras=("sklearn",),
)
