"""Does a recurrent network that judges films understand "not"? Its words say.

A bidirectional LSTM reads a sentence about a film from both ends and gives two numbers: how much it speaks against the
film, and how much for it. LRP hands the difference of the two back through gates and states to the words: red ones
speak for the film, blue ones against it.

Whether such words are right is measured on sentences that the network has not seen. Of a sentence that is judged
rightly the words that speak most for the right answer are deleted one by one (their vectors become 0): the better the
order, the sooner the answer is lost. Of a sentence that is judged wrongly those go that speak most against the right
answer: the better the order, the more often the answer becomes right. Beside LRP stand gradient × input, sensitivity
(the squared gradient, which has no sign and so knows no for or against) and words by chance.

"Not" is asked for with a pattern: twenty words of praise and twenty of blame stand in "the film is …" and in "the film
is not …". A network that had understood negation would turn its answer in both cases. Where the answer turns, the map
says how: not by another meaning of the word behind "not", but by "not" itself.

The colours of the picture belong to sentences that were written for it; the curves to real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import loaders, text
from ...errors import ModelFormatError
from ...methods import attribute
from ...network import Network
from ...propagation.explaining import explain
from ...propagation.explanation import Explanation
from ...rules import Epsilon
from .. import figures
from ..analysis.coloured import show_words
from ..analysis.deletion import right_after, sign_test
from ..application import Application, Finding, Found, Need, Run
from ..sources import given

AGAINST, FOR = 0, 1
DELETED = tuple(range(6))  # words
SHORTEST = 10  # words of a sentence that is counted
EPSILON = 1e-3
TERMS = "terms of the Stanford Sentiment Treebank"
METHODS = {"LRP": "epsilon", "gradient × input": "gradient_x_input", "sensitivity": "sensitivity", "by chance": None}
WORDS = {
    "praise": "good great funny moving charming clever fresh brilliant beautiful wonderful entertaining enjoyable "
    "delightful smart engaging powerful original satisfying impressive exciting",
    "blame": "bad dull boring stupid awful terrible tedious bland predictable silly ugly pointless lame shallow "
    "annoying unfunny pretentious mediocre dreadful weak",
}
SHOWN = (
    "the film is good", "the film is not good", "the film is not bad", "neither funny nor moving , but never dull",
    "it is not that the jokes are bad , there are just not enough of them",
    "i did not expect to like this film , and i was wrong",
)  # fmt: skip
GRADIENT = "gradient × input"
LARGEST = 1 << 23  # bytes of a table of sentences
Curves = dict[str, NDArray[Any]]  # by method, whether each sentence is judged rightly after each deletion


def run(at: Run) -> Found:
    """Delete words by several orders, then set "not" before words of praise and blame."""
    path = at.file("sst2_bilstm_h60.npz")
    words, net = text.load_tokenizer(path), loaders.load(path).astype("float64")
    vectors = loaders.load(path, embedded=True).astype("float64")
    sentences, answers = read(at.file("sst2.tar.xz"))
    some = at.few(len(sentences), 60)
    right, wrong, accuracy = deleted(net, vectors, [words.encode(s).ids for s in sentences[:some]], answers[:some], at)
    fall, rise = ({m: float(made[m][:, 1:].mean()) for m in METHODS} for made in (right, wrong))
    p = [sign_test(right[GRADIENT], right["LRP"]), sign_test(wrong["LRP"], wrong[GRADIENT])]
    sooner = fall["LRP"] < fall[GRADIENT] < fall["by chance"], rise["LRP"] > rise[GRADIENT] > rise["by chance"]
    blind = rise["sensitivity"] - rise["by chance"] < (rise["LRP"] - rise["by chance"]) / 4
    turned, of_not, of_word = negated(net, words)
    praise, blame = turned["praise"], turned["blame"]
    left = {m: right[m][:, -1].mean() for m in METHODS}
    return Found(
        sentence=f"“Not” turns {praise:.0%} of praise and {blame:.0%} of blame; {DELETED[-1]} words deleted by LRP "
        f"leave {left['LRP']:.0%} right, by chance {left['by chance']:.0%}.",
        findings=(
            Finding("Words deleted by LRP change the answer sooner than by gradient × input, and these than by chance.",
                    f"right after 1 to {DELETED[-1]} words, of {len(right['LRP'])} rightly and {len(wrong['LRP'])} "
                    f"wrongly judged sentences: LRP {fall['LRP']:.1%} and {rise['LRP']:.1%}, gradient × input "
                    f"{fall[GRADIENT]:.1%} and {rise[GRADIENT]:.1%}, chance {fall['by chance']:.1%} and "
                    f"{rise['by chance']:.1%}; LRP against gradient × input, sign tests: p = {p[0]:.1g}, {p[1]:.1g}",
                    "yes" if all(sooner) and max(p) < 0.05 else "in part" if any(sooner) else "no"),
            Finding("Sensitivity finds words that matter, but not those that speak against the right answer.",
                    f"rightly judged: {fall['sensitivity']:.1%} against {fall['by chance']:.1%} by chance; wrongly "
                    f"judged: {rise['sensitivity']:.1%} against {rise['by chance']:.1%}, by LRP {rise['LRP']:.1%}",
                    "yes" if fall["sensitivity"] < fall["by chance"] and blind else "no"),
            Finding("The network has understood negation, and its relevance shows how.",
                    f"“not” turns the answer of {praise:.0%} of 20 words of praise and of {blame:.0%} of 20 of blame; "
                    f"mean relevance of “not” {of_not['praise']:+.1f} and {of_not['blame']:+.1f}, of the word behind "
                    f"it {of_word['praise']:+.1f} and {of_word['blame']:+.1f} logits",
                    "yes" if min(praise, blame) > 0.9 else "in part" if max(praise, blame) > 0.9 else "no"),
        ),
        numbers={"accuracy": accuracy, "sentences": [len(right["LRP"]), len(wrong["LRP"])], "deleted": DELETED,
                 "right_of_rightly_judged": {m: right[m].mean(axis=0) for m in METHODS},
                 "right_of_wrongly_judged": {m: wrong[m].mean(axis=0) for m in METHODS}, "mean": [fall, rise],
                 "p": p, "turned_by_not": turned, "relevance_of_not": of_not, "relevance_of_word": of_word},
        picture=_picture(net, words, right, wrong),
        alt="Six sentences with negations, each word on the colour of its relevance, and two charts: right answers as "
        "words are deleted by four orders; LRP changes them most.",
    )  # fmt: skip


def read(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return the sentences that the network was not trained on, and whether they speak for a film."""
    with given.tar(path) as held:
        content = next((held.content(one, LARGEST) for one in held if one.name == "SST2/dev.tsv"), None)
        if content is None:
            raise ModelFormatError(f"{path}: no table of sentences SST2/dev.tsv in it")
        rows = [line.rsplit("\t", 1) for line in content.decode().splitlines()[1:]]
        sentences, answers = [sentence for sentence, _ in rows], np.array([int(label) for _, label in rows])
    if set(answers.tolist()) != {0, 1} or not all(map(str.strip, sentences)):
        raise ModelFormatError(f"{path}: SST2/dev.tsv is no table of sentences and answers, which are 0 or 1")
    return sentences, answers


def deleted(
    net: Network, vectors: Network, rows: Sequence[Sequence[int]], answers: NDArray[np.int64], at: Run
) -> tuple[Curves, Curves, float]:
    """Return whether answers are right after each deletion, of sentences judged rightly and wrongly, and the accuracy.

    Sentences of one length are taken together, so that none is filled up.
    """
    table, rng = net["embedding"].layer.table, at.rng  # type: ignore[attr-defined]
    found: dict[bool, dict[str, list[NDArray[Any]]]] = {side: {m: [] for m in METHODS} for side in (True, False)}
    judged, lengths = [], sorted({len(row) for row in rows})
    for step, length in enumerate(lengths):
        at.tell("deleting words", step, len(lengths))
        of = [k for k, row in enumerate(rows) if len(row) == length]
        x, y = table[np.array([rows[k] for k in of])], answers[of]
        right = vectors.forward(x).argmax(axis=1) == y
        judged.append(right)
        for method, name in METHODS.items() if length >= SHORTEST else ():
            options: dict[str, Any] = {"epsilon": EPSILON} if method == "LRP" else {}
            heat = rng.random(x.shape) if name is None else attribute(vectors, x, name, target=y, **options).relevance
            for side in (True, False):
                some, order = right == side, "morf" if side or method == "sensitivity" else "lerf"
                if some.any():
                    found[side][method].append(
                        right_after(vectors, x[some], heat[some].sum(axis=2), y[some], DELETED, order)
                    )
    made = [{m: np.concatenate(parts) for m, parts in found[side].items()} for side in (True, False)]
    return made[0], made[1], float(np.concatenate(judged).mean())


def negated(net: Network, words: text.Tokenizer) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return, for praise and blame, how often "not" turns the answer, its mean relevance and that of the next word."""
    found: tuple[dict[str, float], ...] = ({}, {}, {})
    for name, those in WORDS.items():
        plain = np.array([words.encode(f"the film is {word}").ids for word in those.split()])
        e = _explained(net, [words.encode(f"the film is not {word}").ids for word in those.split()])
        turned = (net.forward(plain).argmax(axis=1) != e.output.argmax(axis=1)).mean()
        for held, value in zip(found, (turned, *e.relevance[:, -2:].mean(axis=0)), strict=True):
            held[name] = float(value)
    return found[0], found[1], found[2]


def _explained(net: Network, ids: Sequence[Sequence[int]]) -> Explanation:
    """Explain by how much sentences of one length speak for a film."""
    return explain(net, np.array(ids), start="difference", target=FOR, against=AGAINST, composite=Epsilon(EPSILON))


def _picture(net: Network, words: text.Tokenizer, right: Curves, wrong: Curves) -> Any:
    titles = "rightly judged: words for the right answer go", "wrongly judged: words against it go"
    with figures.sheet(780, title="Does it understand “not”?") as figure:
        left, side = figure.subfigures(1, 2)
        axes = left.subplots()
        place: dict[str, Any] = {"limit": 4.0, "width": 560.0, "left": 8.0, "size": 16.0}
        below = 40 + show_words(axes, ["red: for the film", "blue: against it"], np.array([2, -2]), top=12, **place)
        for sentence in SHOWN:
            e = _explained(net, [words.encode(sentence).ids])
            lead = float(e.output[0, FOR] - e.output[0, AGAINST])
            judged = f"judged {'for' if lead > 0 else 'against'} the film, by {abs(lead):.1f} logits"
            below = 28 + show_words(axes, sentence.split(), e.relevance[0], top=below, label=judged, **place)
        for chart, made, title in zip(side.subplots(2, 1), (right, wrong), titles, strict=True):
            for name in METHODS:
                chart.plot(DELETED, 100 * made[name].mean(axis=0), marker="o", label=name)
            chart.set(title=title, xlabel="deleted words", ylabel="right answers [%]", ylim=(-3, 103))
            if made is right:
                chart.legend(loc="lower left")
        return figures.finish(figure)


APPLICATION = Application(
    title="Does it understand “not”?",
    source="Arras, Montavon, Müller and Samek 2017, WASSA; Arras et al. 2019, in Explainable AI, ch. 11",
    data="872 sentences about films (SST-2, development part); those of ten words and more are counted.",
    model="A bidirectional LSTM of 60 units a direction, trained on SST-2 by others; given.",
    wing="text",
    run=run,
    needs=(
        Need("sst2.tar.xz", "sentences about films", "https://nlp.stanford.edu/sentiment, as SST2/dev.tsv", TERMS),
        Need("sst2_bilstm_h60.npz", "a bidirectional LSTM and its words",
             "training on SST-2; its arrays have the names of https://github.com/ArrasL/LRP_for_LSTM", TERMS),
    ),
)  # fmt: skip
