"""Bags of words: counts by hand and as scikit-learn has them, where tokens are, and what is not compiled."""

from __future__ import annotations

import random
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.neuralise import Fitted
from lrp_ref.text import BagOfWords, find_bag
from lrp_ref.text.vectorizers import PATTERNS

VOCABULARY = {"moon": 2, "ice": 0, "new moon": 3, "it's": 1}


def split_by(pattern: str, words: Any = VOCABULARY, **options: Any) -> BagOfWords:
    return BagOfWords(words, token_pattern=pattern, **options)


def counts(bag: BagOfWords, *documents: str) -> list[list[float]]:
    found: list[list[float]] = bag.counts(documents).toarray().tolist()
    return found


def test_counts_by_hand() -> None:
    plain = BagOfWords(VOCABULARY)
    assert plain.words == ("ice", "it's", "moon", "new moon")
    assert counts(plain, "Moon, moon; ICE it's", "", "new moon") == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert counts(BagOfWords(VOCABULARY, binary=True), "moon moon") == [[0, 0, 1, 0]]
    assert counts(BagOfWords(VOCABULARY, lowercase=False), "Moon moon") == [[0, 0, 1, 0]]
    assert counts(BagOfWords(VOCABULARY, ngram_range=(1, 2)), "new, MOON") == [[0, 0, 1, 1]]
    assert counts(BagOfWords(VOCABULARY, ngram_range=(2, 2)), "new moon ice") == [[0, 0, 0, 1]]
    assert counts(split_by(r"\S+"), "it's moon.") == [[0, 1, 0, 0]]
    # A stop word is gone before n-grams are made, so that its neighbours become one.
    stop = BagOfWords(VOCABULARY, ngram_range=(1, 2), stop_words=frozenset(["blue"]))
    assert counts(stop, "new blue moon") == [[0, 0, 1, 1]]
    assert counts(BagOfWords(["cafe", "café"], strip_accents="unicode"), "Café cafe\u0301") == [[2, 0]]
    assert counts(BagOfWords(["straße", "strae"], strip_accents="ascii"), "Straße") == [[0, 1]]
    assert counts(split_by(r"m(\w+)", ["oon"]), "moon Mars") == [[1]]


def test_the_matrix_of_counts() -> None:
    found = BagOfWords(VOCABULARY).counts(["moon ice", "ice"])
    assert found.format == "csr"
    assert found.dtype == np.float64
    assert found.has_sorted_indices
    assert BagOfWords(VOCABULARY).counts("moon", dtype="int64").dtype == np.int64
    assert BagOfWords(VOCABULARY).counts([]).shape == (0, 4)
    assert BagOfWords(VOCABULARY).counts("moon").shape == (1, 4)
    assert BagOfWords(VOCABULARY) == BagOfWords(["ice", "it's", "moon", "new moon"])
    assert BagOfWords(VOCABULARY) != BagOfWords(VOCABULARY, binary=True)
    assert hash(BagOfWords(VOCABULARY)) == hash(BagOfWords(dict(reversed(VOCABULARY.items()))))


# Where tokens are -----------------------------------------------------------------------------------------------------

ODD = [
    "İstanbul",
    "ΣΊΣΥΦΟΣ",
    "Straße",
    "ﬁne",
    "cafe\u0301",
    "ŉa",
    "ǅabc",
    "한국어",
    "ｆｕｌｌ",
    "e\u0323\u0307xy",
    "moon",
]


@pytest.mark.parametrize("accents", [None, "ascii", "unicode"])
@pytest.mark.parametrize("lower", [True, False])
def test_every_token_is_where_it_says(lower: bool, accents: str | None) -> None:
    """A document of one odd word between plain ones: its place is known beforehand."""
    for odd in ODD:
        document = f"aa {odd}, bb"
        bag = BagOfWords(["x"], lower, accents)
        tokens = bag.tokens(document)
        assert (tokens[0].begin, tokens[0].end) == (0, 2)
        assert (tokens[-1].begin, tokens[-1].end, tokens[-1].text) == (len(document) - 2, len(document), "bb")
        if len(tokens) == 3:
            inside = document[tokens[1].begin : tokens[1].end]
            # A mark is no letter: where it is not taken away it parts a word, else it may stand behind the token.
            before, _, behind = odd.partition(inside)
            assert inside
            assert all(unicodedata.combining(c) for c in behind)
            assert accents is None or not before
            assert bag._normalised(inside) == tokens[1].text


def test_small_letters_and_accents_go_letter_by_letter() -> None:
    """The length of what becomes of a text is the sum of those of its letters, whatever stands beside them."""
    letters = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    odd = [c for c in letters if len(c.lower()) != 1 or unicodedata.normalize("NFKD", c) != c]
    random.Random(0).shuffle(odd)
    assert len(odd) > 10_000
    for lower in (True, False):
        for accents in (None, "ascii", "unicode"):
            bag = BagOfWords(["x"], lower, accents)
            for first in range(0, len(odd), 1000):
                document = "".join(odd[first : first + 1000])
                assert len(bag._normalised(document)) == len(bag._origin(document))


def test_occurrences_are_what_is_counted() -> None:
    bag = BagOfWords(["new", "moon", "new moon", "moon new moon"], ngram_range=(1, 3))
    document = "New moon. New moon!"
    found = bag.occurrences(document)
    assert found == [(0, 0, 1), (1, 1, 1), (0, 2, 1), (1, 3, 1), (2, 0, 2), (2, 2, 2), (3, 1, 3)]
    held = bag.counts(document).toarray()[0]
    assert [sum(c == k for c, _, _ in found) for k in range(4)] == held.tolist()


def test_n_grams_longer_than_any_word_cost_nothing() -> None:
    """A file may ask for n-grams of any length; those of a long document would be the square of it."""
    bag = split_by(r"\S+", ["a b"], ngram_range=(1, 10**9))
    assert counts(bag, "a b " * 20_000) == [[20_000]]


# As scikit-learn ------------------------------------------------------------------------------------------------------


def documents(n: int) -> list[str]:
    draw = random.Random(0)
    plain = [
        "moon",
        "Moon",
        "the",
        "a",
        "I",
        "it's",
        "3.5",
        "x_y",
        "__",
        "日本語",
        "\n",
        "\t",
        "-",
        "co-op",
        "A1",
        "new",
        "of",
    ]
    pieces = [*plain, *ODD, "\u00a0", "\u200b"]
    made = [
        "".join(draw.choice(pieces) + draw.choice([" ", "", "-", " "]) for _ in range(draw.randint(0, 30)))
        for _ in range(n)
    ]
    return [*made, "", "   ", "a"]


@pytest.mark.parametrize("kind", ["CountVectorizer", "TfidfVectorizer"])
def test_counts_are_those_of_scikit_learn(kind: str) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    given, tried = documents(120), 0
    for lowercase in (True, False):
        for accents in (None, "ascii", "unicode"):
            for pattern in (r"(?u)\b\w\w+\b", r"\S+", r"x|(\w\w)"):
                for grams in ((1, 1), (1, 2), (2, 3)):
                    for stop in (None, ["the", "of", "moon"], "english"):
                        options = {
                            "lowercase": lowercase, "strip_accents": accents, "token_pattern": pattern,
                            "ngram_range": grams, "stop_words": stop, "binary": tried % 2 == 1,
                        }  # fmt: skip
                        counter = text.CountVectorizer(**options)
                        counter._check_stop_words_consistency = lambda *_: None
                        counter.fit(given[:60])
                        other = getattr(text, kind)(**options, vocabulary=None).fit(given[:60])
                        bag, expected = BagOfWords.of(other), counter.transform(given)
                        assert (bag.counts(given) != expected).nnz == 0, options
                        tried += 1
    assert tried == 162


def test_a_pipeline_and_its_file() -> None:
    text, pipeline = pytest.importorskip("sklearn.feature_extraction.text"), pytest.importorskip("sklearn.pipeline")
    given = documents(40)
    made = pipeline.make_pipeline("passthrough", text.CountVectorizer(), text.TfidfTransformer()).fit(given)
    bag = BagOfWords.of(made)
    assert (bag.counts(given) != made[1].transform(given)).nnz == 0
    assert BagOfWords.of(Fitted.of(made)) == bag


def test_a_file_of_skops(tmp_path: Path) -> None:
    io, text = pytest.importorskip("skops.io"), pytest.importorskip("sklearn.feature_extraction.text")
    made = text.TfidfVectorizer(ngram_range=(1, 2)).fit(documents(20))
    io.dump(made, tmp_path / "v.skops")
    assert BagOfWords.of(tmp_path / "v.skops") == find_bag(tmp_path / "v.skops") == BagOfWords.of(made)
    odd = text.TfidfVectorizer(**NESTED).fit(["aab"])
    io.dump(odd, tmp_path / "odd.skops")
    with pytest.raises(UnsupportedError, match=r"odd.skops: TfidfVectorizer: the token pattern '\(a\+\)\+b'"):
        BagOfWords.of(str(tmp_path / "odd.skops"))
    assert BagOfWords.of(odd).token_pattern == NESTED["token_pattern"]


# What is refused ------------------------------------------------------------------------------------------------------


NESTED = {"token_pattern": "(a+)+b"}


def fitted(**attributes: Any) -> Fitted:
    return Fitted("CountVectorizer", {"vocabulary_": {"moon": 0, "new moon": 1}, **attributes})


BAD: dict[str, tuple[Any, type[LrpError], str]] = {
    "pattern": (fitted(**NESTED), UnsupportedError, r"the token pattern '\(a\+\)\+b' is none of the"),
    "pattern of numbers": (fitted(token_pattern=np.ones(2)), UnsupportedError, "none of the well-known"),
    "pattern of a dict": (fitted(token_pattern={"a": 1}), UnsupportedError, "none of the well-known"),
    "letters": (fitted(analyzer="char_wb"), UnsupportedError, "analyzer='char_wb' counts no words"),
    "analyzer of numbers": (fitted(analyzer=np.ones(2)), UnsupportedError, "analyzer=a function counts no words"),
    "function": (fitted(tokenizer=str.split), UnsupportedError, "its tokenizer is a function of its own"),
    "accents": (fitted(strip_accents=str.lower), UnsupportedError, "its strip_accents is a function of its own"),
    "accents of another name": (fitted(strip_accents="latin"), ParameterError, "strip_accents is 'latin'; give"),
    "not fitted": (Fitted("TfidfVectorizer", {}), ParameterError, "TfidfVectorizer has no vocabulary_: fit it first"),
    "hashing": (Fitted("HashingVectorizer", {}), UnsupportedError, "HashingVectorizer has no vocabulary"),
    "another": (Fitted("LinearSVC", {}), ParameterError, "LinearSVC has no vocabulary: give a CountVectorizer"),
    "pipeline": (
        Fitted("Pipeline", {"steps": [("pca", Fitted("PCA", {}))]}), ParameterError, "Pipeline that begins with PCA"
    ),
    "empty pipeline": (Fitted("Pipeline", {"steps": []}), ParameterError, "Pipeline has no vocabulary"),
    "stop words": (fitted(stop_words="french"), ParameterError, "stop_words='french'"),
    "stop words of numbers": (fitted(stop_words=np.ones(2)), ParameterError, "stop words are no list of texts"),
    "n-grams": (fitted(ngram_range=(2, 1)), ParameterError, r"ngram_range is \(2, 1\)"),
    "n-grams of text": (fitted(ngram_range="ab"), ParameterError, "ngram_range is 'ab'"),
    "n-grams of numbers": (fitted(ngram_range=np.ones(2)), ParameterError, "ngram_range is array"),
    "binary": (fitted(binary="yes"), ParameterError, "binary is 'yes'; give True or False"),
    "columns": ({"moon": 1}, ParameterError, "the columns of 1 words are not 0 … 0, each once"),
    "columns twice": ({"moon": 0, "ice": 0}, ParameterError, "the columns of 2 words are not 0 … 1, each once"),
    "columns of text": ({"moon": "0"}, ParameterError, "the columns of 1 words are not 0"),
    "no words": ({}, ParameterError, "a vocabulary without words"),
    "words of numbers": ({1: 0, "a": 1}, ParameterError, "1 in the vocabulary is no text"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_bag_is_refused_in_a_line(name: str) -> None:
    source, kind, said = BAD[name]
    with pytest.raises(kind, match=said) as caught:
        BagOfWords.of(source)
    assert "\n" not in str(caught.value)


def test_what_is_no_vocabulary_or_document() -> None:
    for words, said in ((["a", "a"], "'a' is there twice"), ("moon", "a vocabulary is a list"), (3, "got int")):
        with pytest.raises(ParameterError, match=said):
            BagOfWords(words)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="is no regular expression"):
        split_by("(")
    with pytest.raises(ParameterError, match="has 2 groups; one at most"):
        split_by("(a)(b)")
    bag = BagOfWords(["a"])
    for given, said in ((b"a", "got bytes"), (["a", b"a"], "document 1 is a bytes"), (None, "got NoneType")):
        with pytest.raises(ParameterError, match=said):
            bag.counts(given)  # type: ignore[arg-type]


def test_english_stop_words_are_needed_only_where_they_change_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn: words that were learned have none of them, unless they are n-grams or were given."""
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    learned = fitted(stop_words="english", fixed_vocabulary_=False)
    assert BagOfWords.of(learned).stop_words == frozenset()
    for needs in (fitted(stop_words="english", fixed_vocabulary_=True), fitted(
        stop_words="english", fixed_vocabulary_=False, ngram_range=(1, 2)
    )):  # fmt: skip
        with pytest.raises(lrp.errors.MissingExtraError, match="English stop words"):
            BagOfWords.of(needs)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"absent\.skops"):
        BagOfWords.of(tmp_path / "absent.skops")
    with zipfile.ZipFile(tmp_path / "a.skops", "w") as held:
        held.writestr("other", "x")
    with pytest.raises(ModelFormatError, match=r"a\.skops"):
        find_bag(tmp_path / "a.skops")


def test_known_patterns_take_no_time() -> None:
    """Each of them reads texts that are all letters, all blanks and all in between; none begins anew at each letter."""
    import re
    import time

    for pattern in sorted(PATTERNS):
        for text in ("a" * 200_000, " " * 200_000, "a1" * 100_000, "a" * 200_000 + "é", "a-" * 100_000, "9" * 200_000):
            begun = time.process_time()
            re.compile(pattern).findall(text)
            assert time.process_time() - begun < 2, (pattern, text[:4])
