"""A vector for a text: which words should count how much?

Add up the vectors of a text's words, and texts become points in a space. If every word counts the same, the words that
are in every text drown the others. tf-idf counts rare words more. Relevance counts words by what they did for the
answer of a classifier, and it can be negative.

The classifier is a linear support vector machine on tf-idf; the word vectors are those of a singular value
decomposition of the postings that it learnt from, and know nothing of groups. Postings that it has not seen become
points in three ways, and two questions are asked of the points: how do they lie in the plane of their two principal
components (the colours are groups of a kind: computers, sport and traffic, science, politics, religion, sales)? And do
the nearest neighbours of a posting come from its group? The neighbours are looked for among one half of the postings,
for those of the other half, and this for four random halves; all points are put on the unit sphere.

There is a trap. The relevance is that of the group that the classifier says; so its answer is in the weights, and the
points of one answer lie together even where the answer is wrong. Neighbours then repeat the classifier, which is the
dashed line. Controls tell how much of the gain is that: relevance for another group, which is drawn for each posting;
and relevance for all groups, whose mean absolute value says how much a word matters and not what for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...text import document_vectors, principal_components
from .. import figures
from ..analysis.deletion import sign_test
from ..application import Application, Finding, Found, Run
from ..learners.word_models import Counting, singular_vectors
from ..sources import newsgroups
from ..sources.newsgroups import NEED

WORDS, LENGTH, DIMENSIONS = 20_000, 250, 100
NEIGHBOURS = tuple(range(1, 11))
MIDDLE, SPLITS = 5, 4
UNIFORM, TFIDF, RELEVANCE = "counts", "tf-idf", "relevance"
OTHER, ALL = "relevance for another group", "mean |relevance| for all groups"
KINDS = ("comp", "rec", "sci", "politics", "religion", "misc")
KIND_NAMES = ("computers", "sport and traffic", "science", "politics", "religion", "for sale")


def run(at: Run) -> Found:
    """Weigh words in five ways, and ask for neighbours and planes."""
    learnt, asked = newsgroups.read(at.file(NEED.file))
    if at.quick:
        learnt, asked = learnt.some(20, 4), asked.some(10, 4)
    words = newsgroups.vocabulary(learnt.texts, at.few(WORDS, 500))
    rows = newsgroups.rows(learnt.texts, words, LENGTH)
    at.tell("learning", 1, 5)
    model = Counting.trained(rows, learnt.groups, len(words))
    vectors = singular_vectors(newsgroups.counts(rows, len(words)), at.few(DIMENSIONS, 8))
    given = newsgroups.rows(asked.texts, words, LENGTH)
    kept = (given < len(words)).any(axis=1)
    given, groups = given[kept], asked.groups[kept]
    at.tell("explaining", 2, 5)
    answers = model.scores(given).argmax(axis=1)
    weights = weighted(model, given, answers, len(asked.names), at.rng)
    points = {name: unit(document_vectors(vectors, weight)).astype(np.float32) for name, weight in weights.items()}
    at.tell("asking neighbours", 4, 5)
    hits: dict[str, NDArray[Any]] = {}
    repeated: dict[str, float] = {}
    for name, some in points.items():
        rng = at.rng  # anew, so that the halves are the same for each
        halves = [nearest(some, rng) for _ in range(at.few(SPLITS, 1))]
        hits[name] = np.stack([agreeing(groups, one, near) for one, near in halves])
        repeated[name] = float(np.mean([agreeing(answers, one, near)[:, -1] for one, near in halves]))
    right = {name: some.mean(axis=(0, 1)) for name, some in hits.items()}
    p = {
        name: sign_test(hits[RELEVANCE][0][:, [MIDDLE - 1]], hits[name][0][:, [MIDDLE - 1]])
        for name in (TFIDF, UNIFORM)
    }
    best = {name: float(some.max()) for name, some in right.items()}
    planes = {name: principal_components(points[name], 2) for name in (UNIFORM, TFIDF, RELEVANCE)}
    apart = {name: between(plane.points, groups) for name, plane in planes.items()}
    accuracy = float((answers == groups).mean())
    ordered = best[RELEVANCE] > best[TFIDF] > best[UNIFORM]
    return Found(
        sentence=f"Nearest neighbours know the group of {best[RELEVANCE]:.1%} of postings by relevance, "
        f"{best[TFIDF]:.1%} by tf-idf, {best[UNIFORM]:.1%} by counts.",
        findings=(
            Finding("Word vectors added up by relevance tell groups better than by tf-idf, and these than unweighted.",
                    f"right of {len(groups)} postings, best of 1 to 10 neighbours: {best[RELEVANCE]:.1%}, "
                    f"{best[TFIDF]:.1%} and {best[UNIFORM]:.1%}; sign tests of relevance with {MIDDLE} neighbours "
                    f"against tf-idf p = {p[TFIDF]:.1g}, against counts p = {p[UNIFORM]:.1g}",
                    "yes" if ordered and max(p.values()) < 0.05 else "in part" if ordered else "no"),
            Finding("In the plane of two principal components groups lie apart by relevance, and not unweighted.",
                    f"part of the variance in the plane that is between groups: {apart[RELEVANCE]:.2f} by relevance, "
                    f"{apart[TFIDF]:.2f} by tf-idf, {apart[UNIFORM]:.2f} by counts",
                    "yes" if apart[RELEVANCE] > apart[TFIDF] > apart[UNIFORM] else "no"),
            Finding("They tell more of a group than the classifier's answer, which relevance gives away.",
                    f"the classifier itself is right in {accuracy:.1%}; neighbours by relevance repeat its answer in "
                    f"{repeated[RELEVANCE]:.1%} (by tf-idf {repeated[TFIDF]:.1%}). Relevance for another group leaves "
                    f"{best[OTHER]:.1%} right, mean |relevance| for all groups {best[ALL]:.1%}",
                    "yes" if best[RELEVANCE] > accuracy + 0.005 else "no"),
        ),
        numbers={"postings": len(groups), "classifier": accuracy, "neighbours": NEIGHBOURS, "right": right,
                 "best": best, "p": p,
                 "answer_repeated": repeated, "variance_between_groups": apart,
                 "explained_by_plane": {name: plane.explained for name, plane in planes.items()}},
        picture=_picture(planes, groups, asked.names, right, accuracy),
        alt="Three planes of points in six colours, mixed by counts and tf-idf and in rays by relevance, and how often "
        "nearest neighbours come from the right group.",
    )  # fmt: skip


def weighted(
    model: Counting, rows: NDArray[Any], answers: NDArray[Any], groups: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return what each word of each posting counts, sparse matrices (N, V), by the way of weighing."""
    counts = newsgroups.counts(rows, model.size)
    others = (answers + rng.integers(1, groups, len(answers))) % groups
    every = abs(model.explained(rows, np.zeros(len(rows), int)).relevance)
    for group in range(1, groups):
        every = every + abs(model.explained(rows, np.full(len(rows), group)).relevance)
    return {UNIFORM: counts, TFIDF: model.tfidf(rows), RELEVANCE: model.explained(rows, answers).relevance,
            OTHER: model.explained(rows, others).relevance, ALL: every / groups}  # fmt: skip


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return vectors of length 1; those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length == 0, 1, length))


def nearest(points: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a random half of the points (M,), and the nearest of the others for each, nearest first, (M, K)."""
    one, other = np.array_split(rng.permutation(len(points)), 2)
    alike = points[one] @ points[other].T
    near = np.argpartition(-alike, NEIGHBOURS[-1], axis=1)[:, : NEIGHBOURS[-1]]
    order = np.argsort(-np.take_along_axis(alike, near, axis=1), axis=1, kind="stable")
    return one, other[np.take_along_axis(near, order, axis=1)]


def voted(near: NDArray[Any], k: int) -> NDArray[Any]:
    """Return the most frequent of the first k groups (M, K) of each row; of equally frequent ones the first.

    Example:
        >>> voted(np.array([[4, 7, 7], [1, 2, 3]]), 3)
        array([7, 1])
    """
    votes = (near[:, :k, None] == near[:, None, :k]).sum(axis=2)
    return np.asarray(near[np.arange(len(near)), votes.argmax(axis=1)])


def agreeing(groups: NDArray[Any], one: NDArray[Any], near: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether k neighbours vote for a point's group, for each point and k, (M, K)."""
    return np.stack([voted(groups[near], k) == groups[one] for k in NEIGHBOURS], axis=1)


def between(points: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return the part of the variance of points that lies between the means of groups.

    Example:
        >>> between(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]))
        0.8
    """
    centred = points - points.mean(axis=0)
    means = np.stack([centred[groups == k].mean(axis=0) for k in range(groups.max() + 1)])
    return float((means[groups] ** 2).sum() / (centred**2).sum())


def _picture(planes: Any, groups: NDArray[Any], names: Any, right: Any, accuracy: float) -> Any:
    kind = np.array([next(k for k, what in enumerate(KINDS) if what in name.replace("alt.atheism", "religion")
                          and (what != "misc" or "religion" not in name)) for name in names])[groups]  # fmt: skip
    with figures.sheet(820, title="Which words make a text?") as figure:
        top, bottom = figure.subfigures(2, 1, height_ratios=(5, 4))
        for axes, (name, plane) in zip(top.subplots(1, 3), planes.items(), strict=True):
            for k, label in enumerate(KIND_NAMES):
                some = plane.points[kind == k]
                axes.scatter(*some.T, s=5, color=figures.HUES[k], label=label, linewidths=0, alpha=0.6)
            axes.set(title=f"words weighted by {name}", xticks=[], yticks=[])
        axes = bottom.subplots()
        for name, some in right.items():
            axes.plot(NEIGHBOURS, 100 * some, marker="o", label=name)
        axes.axhline(100 * accuracy, color=figures.INK, linewidth=1, linestyle="--", label="the classifier itself")
        axes.set(xlabel="nearest neighbours", ylabel="right group [%]", xticks=NEIGHBOURS)
        lines = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="lines: words weighted by")
        axes.add_artist(lines)
        points = top.axes[0].get_legend_handles_labels()
        axes.legend(
            *points, loc="upper left", bbox_to_anchor=(1.0, 0.42), markerscale=3, ncols=2, title="points: groups"
        )
        return figures.finish(figure)


APPLICATION = Application(
    title="Which words make a text?",
    source="Arras, Horn, Montavon, Müller and Samek 2016 (arXiv:1606.07298) and 2017, PLOS ONE 12(8)",
    data="20 Newsgroups by date: 11,315 postings to learn from, 7,532 to test on, without their headers.",
    model="Tf-idf with a linear support vector machine, trained on the spot; word vectors by singular values.",
    wing="text",
    run=run,
    extras=("sklearn",),
    needs=(NEED,),
)
