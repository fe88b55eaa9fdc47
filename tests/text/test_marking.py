"""Documents explained word by word: sums on rationals, occurrences, n-grams, words that are not known, colours."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from golden_nonneural import Golden, needed

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers import Affine, Dense, UnitNorm
from lrp_ref.text import BagOfWords, Counted, explain, marked, require_columns, token_relevance

GRAMS = BagOfWords(["ice", "moon", "new", "new moon", "moon new moon"], ngram_range=(1, 3))
DOCUMENT = "A new moon! And (new) MOON on ice?"


def by_hand(bag: BagOfWords, document: str, relevance: list[Any]) -> list[Any]:
    """Return the relevance of tokens by trying every word of the vocabulary at every place."""
    spelled = [token.text for token in bag.tokens(document)]
    found: list[Any] = [Fraction(0)] * len(spelled)
    for word, total in zip(bag.words, relevance, strict=True):
        parts = word.split(" ")
        at = [k for k in range(len(spelled)) if spelled[k : k + len(parts)] == parts]
        for k in at:
            for j in range(len(parts)):
                found[k + j] += total / len(at) / len(parts)
    return found


def test_shares_and_sums_on_rationals() -> None:
    relevance = [Fraction(3, 7), Fraction(-5, 3), Fraction(2), Fraction(1, 2), Fraction(11, 13)]
    given = np.array(relevance, dtype=object)
    tokens = token_relevance(GRAMS, DOCUMENT, given)
    assert [str(t) for t in tokens] == [str(t) for t in by_hand(GRAMS, DOCUMENT, relevance)]
    # "moon new moon" is not there, because "and" stands between: its relevance would be 0.
    assert sum(tokens) == sum(relevance) - relevance[4]
    together = "New moon. New moon."
    assert sum(token_relevance(GRAMS, together, given)) == sum(relevance) - relevance[0]
    assert sum(marked(GRAMS, together, given).relevance) == sum(relevance) - relevance[0]


def test_pieces_of_a_document() -> None:
    found = marked(BagOfWords(["moon", "on"]), " A Moon!\n\n(on, ice) ", np.array([2.0, -1.0]))
    assert found.texts == ("A", "Moon", "!", "(", "on", ",", "ice", ")")
    assert found.relevance.tolist() == [0, 2, 0, 0, -1, 0, 0, 0]
    assert found.known == (False, True, False, False, True, False, False, False)
    assert found.special == (False,) * 8
    assert str(found) == "A Moon(+2) ! ( on(-1) , ice )"
    words, special = found.apart()
    assert (words.known, special.known) == (found.known, ())
    pair = BagOfWords(["new moon"], ngram_range=(2, 2))
    assert marked(pair, "the new moon", np.array([1.0])).known == (False, True, True)
    assert marked(BagOfWords(["moon"]), "", np.array([0.0])).texts == ()
    assert marked(BagOfWords(["moon"]), "", np.array([0.0], dtype=np.float32)).relevance.dtype == np.float32
    with pytest.raises(ShapeError, match=r"shape \(3,\); the vocabulary has 1 words"):
        marked(BagOfWords(["moon"]), "moon", np.zeros(3))


def network(v: int) -> lrp.Network:
    draw = np.random.default_rng(0)
    top = Dense(draw.normal(size=(v, 3)), draw.normal(size=3))
    return lrp.Network.sequential([("idf", Affine(draw.random(v) + 0.5)), ("norm", UnitNorm()), ("scores", top)])


def test_documents_are_explained() -> None:
    net, documents = network(5), [DOCUMENT, "", "nothing here", "Ice, ice; new moon new moon"]
    found = explain(net, GRAMS, documents, composite="lrp0")
    dense = lrp.explain(net, GRAMS.counts(documents).toarray(), composite="lrp0")
    np.testing.assert_allclose(found.relevance.toarray(), dense.relevance, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.output, dense.output, rtol=1e-13)
    assert found.target is not None
    assert found.target.tolist() == dense.target.tolist()
    assert found.ledger.residual <= 1e-12
    assert len(found) == 4
    for k, document in enumerate(documents):
        tokens, values = found.tokens(k)
        assert [document[t.begin : t.end].lower() for t in tokens] == [t.text for t in tokens]
        np.testing.assert_allclose(values, token_relevance(GRAMS, document, dense.relevance[k]), rtol=1e-12)
        np.testing.assert_allclose(found.words(k).relevance.sum(), dense.relevance[k].sum(), rtol=1e-12, atol=1e-15)
        columns = found.columns(k)
        assert list(columns.values()) == sorted(columns.values(), reverse=True)
        assert {GRAMS.columns[word] for word in columns} == set(np.nonzero(GRAMS.counts(document).toarray()[0])[0])
    assert found.words(-1).texts == found.words(3).texts
    for bad in (4, -5, "a"):
        with pytest.raises(ParameterError, match=f"there is no document {bad}: there are 4"):
            found.words(bad)  # type: ignore[arg-type]
    # The only document of a call is that of the batch.
    alone = explain(net, GRAMS, documents[3], composite="lrp0")
    np.testing.assert_allclose(alone.words().relevance, found.words(3).relevance, rtol=1e-12)
    assert explain(net.astype(np.float32), GRAMS, documents).relevance.dtype == np.float32


def test_unknown_words_are_grey() -> None:
    found = explain(network(5), GRAMS, "ice <b>", composite="lrp0")
    html, plain = found.html(), found.terminal(color=False)
    assert '<span style="color:#696d74;' in html
    assert "&lt;" in html
    assert html.count("title=") == 1
    assert plain.endswith(") <b>")
    assert "\x1b[38;2;138;142;150m<b>\x1b[0m" in found.terminal()


def test_another_vocabulary_is_refused_with_both_numbers() -> None:
    with pytest.raises(ParameterError, match="the vocabulary has 1 words, the network takes 5") as caught:
        explain(network(5), {"moon": 0}, "moon")
    assert "\n" not in str(caught.value)
    require_columns(network(5), GRAMS)


def test_a_document_as_input_of_the_dense_call() -> None:
    net = network(5)
    counted = Counted.of(net, GRAMS, DOCUMENT)
    e = lrp.explain(net, counted.x, composite="lrp0", target=1)
    sparse = explain(net, GRAMS, DOCUMENT, composite="lrp0", target=1)
    np.testing.assert_allclose(counted.words(e).relevance, sparse.words().relevance, rtol=1e-12)
    (sentence,) = counted.sentences
    assert sentence.text == DOCUMENT
    assert [sentence.spelled[at] for at in sentence.word_of if at is not None] == [
        DOCUMENT[t.begin : t.end] for t in GRAMS.tokens(DOCUMENT)
    ]
    assert sentence.ids == tuple(GRAMS.columns.get(t.text, -1) for t in GRAMS.tokens(DOCUMENT))
    assert counted.others(e) == {}


@needed
def test_stored_documents() -> None:
    """From texts to words: counts, scores and relevance of a tf-idf pipeline."""
    g = Golden("tfidf_linearsvc")
    top = Dense(g["weight"].reshape(-1, 1), g["bias"])
    net = lrp.Network.sequential([Affine(g["idf"]), UnitNorm(), top])
    bag = BagOfWords(g.about["vocabulary"])
    found = explain(net, bag, g.about["documents"], composite="lrp0")
    g.agrees(bag.counts(g.about["documents"]).toarray(), "counts")
    g.agrees(found.output[:, 0], "output")
    g.agrees(found.relevance.toarray(), "relevance")
    for k, document in enumerate(g.about["documents"]):
        counts = g["counts"][k]
        each = [g["relevance"][k, bag.columns[word]] / counts[bag.columns[word]] for word in document.split()]
        np.testing.assert_allclose(found.words(k).relevance, each, rtol=1e-12, atol=1e-15)


def test_a_pipeline_of_scikit_learn_from_documents_to_words() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    pipeline, svm = pytest.importorskip("sklearn.pipeline"), pytest.importorskip("sklearn.svm")
    draw = np.random.default_rng(0)
    words = np.array(["moon", "orbit", "shuttle", "launch", "hockey", "puck", "goal", "team", "the", "and", "of"])
    documents = [" ".join(draw.choice(words, size=draw.integers(1, 20))) for _ in range(60)]
    groups = draw.integers(0, 3, 60)
    for options in ({}, {"sublinear_tf": True, "ngram_range": (1, 2), "norm": "l1"}, {"binary": True, "norm": None}):
        model = pipeline.make_pipeline(text.TfidfVectorizer(**options), svm.LinearSVC()).fit(documents, groups)
        found = explain(lrp.neuralise.from_sklearn(model), model, [*documents, "", "unknown"])
        scores = model.decision_function([*documents, "", "unknown"])
        np.testing.assert_allclose(found.output, scores, rtol=0, atol=1e-11)
        assert found.ledger.residual <= 1e-12
        best = scores.argmax(axis=1)
        arrived = np.array([found.words(k).relevance.sum() for k in range(62)])
        np.testing.assert_allclose(arrived, scores.max(axis=1) - model[-1].intercept_[best], rtol=0, atol=1e-11)
