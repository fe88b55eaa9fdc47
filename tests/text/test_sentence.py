"""Relevance of pieces to relevance of words: nothing is lost, and special pieces stay apart."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.text.sentence import grouped, require_sentence

F = Fraction
FIVE = lrp.text.Sentence(
    "not likeable", (2, 4, 7, 8, 3), ("[CLS]", "not", "like", "##able", "[SEP]"), (None, 0, 1, 1, None),
    ("not", "likeable"),
)  # fmt: skip


def test_pieces_add_up_to_words_exactly() -> None:
    given = np.array([F(1, 3), F(-2, 7), F(5, 11), F(1, 13), F(-1, 2), F(1, 17), F(0)], dtype=object)
    found = lrp.text.words(FIVE, given)
    assert found.texts == ("[CLS]", "not", "likeable", "[SEP]", "padding")
    assert list(found.relevance) == [F(1, 3), F(-2, 7), F(5, 11) + F(1, 13), F(-1, 2), F(1, 17)]
    assert found.special == (True, False, False, True, True)
    assert sum(found.relevance) == sum(given)
    words, special = found.apart()
    assert words.texts == ("not", "likeable")
    assert sum(words.relevance) + sum(special.relevance) == sum(given)


@pytest.mark.parametrize("seed", range(5))
def test_random_sentences_lose_nothing(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 12))
    of: list[int | None] = []
    for _ in range(count):
        last = max((w for w in of if w is not None), default=-1)
        of.append([None, max(last, 0), last + 1][int(draw.integers(3))])
    spelled = tuple(f"w{k}" for k in range(1 + max((w for w in of if w is not None), default=-1)))
    sentence = lrp.text.Sentence("", (0,) * count, ("p",) * count, tuple(of), spelled)
    parts = draw.integers(1, 50, size=(count + seed, 2))
    given = np.array([F(int(n), int(m)) for n, m in parts], dtype=object) * draw.choice(
        [-1, 1], size=len(parts)
    ).astype(object)
    found = lrp.text.words(sentence, given)
    by_hand = {text: F(0) for text in spelled}
    for piece, word in enumerate(of):
        if word is not None:
            by_hand[spelled[word]] += given[piece]
    assert {t: r for t, r, s in zip(found.texts, found.relevance, found.special, strict=True) if not s} == by_hand
    assert sum(found.relevance) == sum(given)
    assert len(found.texts) == len(by_hand) + sum(w is None for w in of) + (seed > 0)


def test_the_relevance_of_each_dimension_is_added_up() -> None:
    given = np.array([[F(1), F(2, 3)], [F(-1, 5), F(0)], [F(1, 7), F(1)], [F(2), F(-2)], [F(0), F(3)]], dtype=object)
    assert list(lrp.text.words(FIVE, given).relevance) == [F(5, 3), F(-1, 5), F(8, 7), F(3)]


def test_float32_stays_float32() -> None:
    assert lrp.text.words(FIVE, np.ones(5, "f4")).relevance.dtype == np.float32


@pytest.mark.parametrize("given", [np.ones(4), np.ones((1, 5, 1)), np.ones(())])
def test_relevance_that_does_not_fit_is_refused(given: Any) -> None:
    with pytest.raises(ShapeError, match="for the 5 pieces of 'not likeable'"):
        lrp.text.words(FIVE, given)


@pytest.mark.parametrize(
    ("text", "numbers", "spans", "words"),
    [
        ("not good", [0, 1], [(0, 3), (4, 8)], ((0, 1), ("not", "good"))),
        # The tokenizer takes the sentence for one word: blanks divide it, in front of a piece or between two.
        ("not good.", [0, 0, 0], [(0, 3), (3, 8), (8, 9)], ((0, 1, 1), ("not", "good."))),
        ("not good", [0, 0], [(0, 3), (4, 8)], ((0, 1), ("not", "good"))),
        # Blanks alone belong to the word behind them, at the end to the last one.
        ("a  b", [0, 1, 2], [(0, 1), (1, 2), (2, 4)], ((0, 1, 1), ("a", "b"))),
        ("a b ", [0, 1, 2], [(0, 1), (1, 3), (3, 4)], ((0, 1, 1), ("a", "b"))),
        # The bytes of one letter have the same place.
        ("中 b", [0, 0, 0, 1], [(0, 1), (0, 1), (0, 1), (1, 3)], ((0, 0, 0, 1), ("中", "b"))),
        # A special piece ends a word, even where the tokenizer's number goes on.
        ("ab", [0, None, 0], [(0, 1), (0, 0), (1, 2)], ((0, None, 1), ("a", "b"))),
        ("", [None, None], [(0, 0), (0, 0)], ((None, None), ())),
    ],
)  # fmt: skip
def test_words_of_pieces(text: str, numbers: list[int | None], spans: list[tuple[int, int]], words: Any) -> None:
    assert grouped(text, numbers, spans) == words


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "is empty"), (" \t\n", "is empty"), ("a" * 10_001, "10001 characters"), ("a\udcff", "UTF-8")],
)
def test_sentences_that_no_network_reads(text: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        require_sentence(text)
