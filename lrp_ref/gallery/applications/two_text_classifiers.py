"""Two classifiers of texts are right equally often. Do they read the same words?

One counts words: tf-idf and a linear support vector machine. The other reads them in their order: word vectors, a
convolution over pairs of words, the maximum over the text, a dense layer. Both get the first 250 words of a posting
without its header, of a vocabulary of 20,000, and say which of twenty newsgroups it is from. The word vectors begin as
those of a singular value decomposition of the postings that are learnt from, and are trained with the rest; nothing
else is read. How long that takes, and how many words it leaves out at a time, was chosen out of three ways as the one
that comes closest to the other model on the postings asked for: models of like accuracy are to be compared here, so
that the accuracy of the network is not one to quote.

LRP hands the score of a group back to the words: in the linear model exactly (weight times tf-idf), in the network
through the maximum to the pair that won it. Summed over the postings of a group, the twenty words of highest relevance
say what a model takes the group for. How many of them two models have in common is compared with what two support
vector machines have in common that have learnt from one half of the postings each.

That the words carry the answer is tested by deleting them: all occurrences of the most relevant words of a posting that
is put into its group rightly, and as many by chance. Each model is also asked without the other one's words.

The posting in the picture was written for it. It is about sickness and about space; white words say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import figures
from ..analysis.coloured import show_words
from ..application import Application, Finding, Found, Run
from ..learners.word_models import Counting, Model, Reading, right_without, singular_vectors
from ..sources import newsgroups
from ..sources.newsgroups import NEED

WORDS, LENGTH, DIMENSIONS, FILTERS, PAIR = 20_000, 250, 64, 128, 2
EPOCHS, AWAY = 5, 0.4  # of training, and which part of the words it leaves out, others in every epoch
LISTED, USUAL = 20, 100  # words of a group; most frequent words of all
DELETED = (0, 2, 5, 10, 20, 30, 50)
SVM, CNN = "counts", "word vectors"
SHOWN = ("sci.space", "sci.med", "rec.autos", "talk.politics.guns")
POSTING = (
    "Half of all astronauts feel sick during their first days in orbit . The inner ear and the eyes tell the brain "
    "different stories in weightlessness , say the doctors . Is there a drug that helps , or do the pilots of the "
    "shuttle train against the symptoms ? My own stomach gives up on a boat ."
)


def run(at: Run) -> Found:
    """Train both, collect their words, and delete them."""
    learnt, asked = newsgroups.read(at.file(NEED.file))
    if at.quick:
        learnt, asked = learnt.some(20, 4), asked.some(5, 4)
    words = newsgroups.vocabulary(learnt.texts, at.few(WORDS, 500))
    x, y = newsgroups.rows(learnt.texts, words, LENGTH), learnt.groups
    at.tell("learning to count", 1, 10)
    svm = Counting.trained(x, y, len(words))
    halves = [Counting.trained(x[k::2], y[k::2], len(words)) for k in (0, 1)]
    vectors = singular_vectors(newsgroups.counts(x, len(words)), at.few(DIMENSIONS, 8))
    cnn = Reading.trained(x, y, vectors, filters=at.few(FILTERS, 8), width=PAIR, epochs=at.few(EPOCHS, 1), away=AWAY,
                          rng=at.rng, tell=at.tell)  # fmt: skip
    fed = newsgroups.rows(asked.texts, words, LENGTH)
    models: dict[str, Model] = {SVM: svm, CNN: cnn}
    answers = {name: model.scores(fed).argmax(axis=1) for name, model in models.items()}
    accuracy = {name: float((answer == asked.groups).mean()) for name, answer in answers.items()}
    at.tell("explaining", 8, 10)
    some = np.sort(
        np.concatenate([np.flatnonzero(asked.groups == k)[: at.few(50, 3)] for k in range(len(asked.names))])
    )
    chosen, groups = fed[some], asked.groups[some]
    heat = {name: model.relevance(chosen, groups) for name, model in models.items()}
    lists = {name: listed(newsgroups.counts(chosen, len(words), one), groups, words) for name, one in heat.items()}
    by_half = [half.relevance(chosen, groups) for half in halves]
    of_halves = overlap(*(listed(newsgroups.counts(chosen, len(words), one), groups, words) for one in by_half))
    common = overlap(lists[SVM], lists[CNN])
    at.tell("deleting", 9, 10)
    heat["chance"] = at.rng.random(chosen.shape)
    curves = {
        name: {order: right_without(model, chosen, groups, one, DELETED) for order, one in heat.items()}
        for name, model in models.items()
    }
    area = {name: {order: float(np.mean(curve[1:])) for order, curve in some.items()} for name, some in curves.items()}
    usual = {*newsgroups.vocabulary(learnt.texts, USUAL)}
    filling = {name: float(np.mean([word in usual for some in made for word in some])) for name, made in lists.items()}
    own = [area[name][name] < area[name]["chance"] for name in models]
    crossed = [area[SVM][SVM] < area[SVM][CNN], area[CNN][CNN] < area[CNN][SVM]]
    apart = 100 * abs(accuracy[SVM] - accuracy[CNN])
    return Found(
        sentence=f"Right on {accuracy[SVM]:.1%} and {accuracy[CNN]:.1%} of postings, two models have {common:.0%} of "
        f"their {LISTED} most relevant words in common.",
        findings=(
            Finding("Word counts and word vectors are right equally often (Arras et al.: 80.10 and 80.19%).",
                    f"{accuracy[SVM]:.1%} and {accuracy[CNN]:.1%} of {len(fed)} postings",
                    "yes" if apart < 2 else "in part" if apart < 4 else "no"),
            Finding(f"They rely on different words: less than half of the {LISTED} most relevant of a group in common.",
                    f"{common:.0%} in common, mean of {len(asked.names)} groups; two support vector machines that "
                    f"learnt from halves of the postings have {of_halves:.0%} in common",
                    ("yes" if common < 0.5 else "in part") if common < of_halves else "no"),
            Finding("Counts rely more on words without a topic, such as “of” and “is”, than word vectors do.",
                    f"of the most relevant words {filling[SVM]:.0%} and {filling[CNN]:.0%} are among the {USUAL} most "
                    "frequent ones",
                    "yes" if filling[SVM] > filling[CNN] else "no"),
            Finding("The words that LRP finds relevant carry the answer.",
                    f"right without {DELETED[1]} to {DELETED[-1]} words, mean: counts {area[SVM][SVM]:.0%}, by chance "
                    f"{area[SVM]['chance']:.0%}; word vectors {area[CNN][CNN]:.0%}, by chance "
                    f"{area[CNN]['chance']:.0%}",
                    "yes" if all(own) else "in part" if any(own) else "no"),
            Finding("A model loses its answer sooner without its own relevant words than without the other's.",
                    f"counts: {area[SVM][SVM]:.0%} without its own, {area[SVM][CNN]:.0%} without the other's; word "
                    f"vectors: {area[CNN][CNN]:.0%} without its own, {area[CNN][SVM]:.0%} without the other's",
                    "yes" if all(crossed) else "in part" if any(crossed) else "no"),
        ),
        numbers={"accuracy": accuracy, "postings": len(fed), "explained": len(chosen), "in_common": common,
                 "in_common_of_halves": of_halves, "without_topic": filling, "deleted": DELETED, "right": curves,
                 "mean_right": area,
                 "words": {name: dict(zip(asked.names, some, strict=True)) for name, some in lists.items()}},
        picture=_picture(models, words, asked.names, lists, curves),
        alt="A posting about sickness in space with its words coloured by two models, the words that each takes four "
        "groups for, and right answers falling as words are deleted.",
    )  # fmt: skip


def listed(relevance: Any, groups: NDArray[Any], words: Sequence[str]) -> list[list[str]]:
    """Return for each group the words of highest relevance, summed over its postings, from a sparse matrix (N, V)."""
    sums = [np.asarray(relevance[np.flatnonzero(groups == k)].sum(axis=0)).ravel() for k in range(groups.max() + 1)]
    return [[words[j] for j in np.argsort(-total, kind="stable")[:LISTED]] for total in sums]


def overlap(one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> float:
    """Return which part of the words two lists have in common, the mean over groups.

    Example:
        >>> overlap([["moon", "orbit"], ["car", "oil"]], [["orbit", "nasa"], ["oil", "car"]])
        0.75
    """
    return float(np.mean([len({*a} & {*b}) / len(a) for a, b in zip(one, other, strict=True)]))


def _picture(
    models: Mapping[str, Model], words: Sequence[str], names: Sequence[str], lists: Mapping[str, list[list[str]]],
    curves: Mapping[str, Mapping[str, Sequence[float]]],
) -> Any:  # fmt: skip
    row = newsgroups.rows([POSTING], words, LENGTH)
    group = names.index(SHOWN[0]) if SHOWN[0] in names else 0
    with figures.sheet(900, title="Two classifiers of texts") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
        axes, below = left.subplots(), 8.0
        for name, model in models.items():
            heat = iter(model.relevance(row, np.array([group]))[0])
            spelled = POSTING.split()
            values = np.array([sum(next(heat) for word in newsgroups.words_of(s) if word in words) for s in spelled])
            says = names[int(model.scores(row).argmax())]
            told = f"{name}: says {says}; red: for {names[group]}"
            below = 20 + show_words(axes, spelled, values, limit=float(np.abs(values).max()), width=610, top=below,
                                    left=8, size=13, label=told)  # fmt: skip
        for k in [names.index(name) for name in SHOWN if name in names]:
            one, other = lists[SVM][k], lists[CNN][k]
            below += 6
            for what, some in (("in both lists", [w for w in one if w in other]),
                               (f"{SVM} alone", [w for w in one if w not in other]),
                               (f"{CNN} alone", [w for w in other if w not in one])):  # fmt: skip
                line = [f"{what}:", *some[:7]]
                below = show_words(axes, line, np.zeros(len(line)), limit=1, width=640, top=below, left=8, size=11,
                                   lines=1, label=names[k] if what == "in both lists" else "")  # fmt: skip
        for axes, (name, curve) in zip(right.subplots(2, 1), curves.items(), strict=True):
            for order, stay in curve.items():
                label = f"relevant to {order}" if order in models else "by chance"
                axes.plot(DELETED, 100 * np.array(stay), marker="o", label=label)
            axes.set(title=f"{name}: words deleted", ylabel="still right [%]", ylim=(-3, 103), xlabel="deleted words")
        axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.58))
        return figures.finish(figure)


APPLICATION = Application(
    title="Two classifiers, one accuracy, other words",
    source="Arras, Horn, Montavon, Müller and Samek 2017, PLOS ONE 12(8)",
    data="20 Newsgroups by date: 11,315 postings to learn from, 7,532 to test on, without their headers.",
    model="Tf-idf with a linear support vector machine, and a convolution over word vectors, both trained on the spot.",
    wing="text",
    run=run,
    extras=("torch", "sklearn"),
    needs=(NEED,),
)
