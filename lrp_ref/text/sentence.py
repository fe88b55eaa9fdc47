"""A sentence as a network reads it, piece by piece, and the relevance of its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import to_numpy
from ..errors import ParameterError, ShapeError

LONGEST = 10_000  # characters of a sentence; no network reads more, and a tokenizer takes time and memory for each


@dataclass(frozen=True)
class Sentence:
    """A sentence in pieces.

    Attributes:
        text: as it was given.
        ids: row of the table for each piece.
        pieces: as the tokenizer names them, such as "##able", "Ġgood" or "[CLS]".
        word_of: for each piece the number of its word, counted from 0; None for a special piece, which the tokenizer
            has added.
        spelled: the words, as they stand in the text.
        types: for each piece the number of its segment; 0 throughout for one sentence.
        unknown: the words that the vocabulary lacks, and that are read as its word for those.

    Example:
        >>> Sentence("bad", (1, 7, 2), ("[CLS]", "bad", "[SEP]"), (None, 0, None), ("bad",)).spelled
        ('bad',)
    """

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    word_of: tuple[int | None, ...]
    spelled: tuple[str, ...]
    types: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Words:
    """What stands in a sentence, in its order, with its relevance.

    Attributes:
        texts: the words, and the special pieces by their names; all padding is one entry.
        relevance: of each, in the unit of what was given.
        special: whether an entry is a special piece or the padding, and no word.
        known: whether the model knows an entry; what it does not has no relevance. None: all.

    Example:
        >>> print(Words(("[CLS]", "bad"), np.array([0.5, -2.0]), (True, False)))
        [CLS](+0.5) bad(-2)
        >>> print(Words(("a", "bad"), np.array([0.0, -2.0]), (False, False), (False, True)))
        a bad(-2)
    """

    texts: tuple[str, ...]
    relevance: NDArray[Any]
    special: tuple[bool, ...]
    known: tuple[bool, ...] | None = None

    def apart(self) -> tuple[Words, Words]:
        """Return the words, and the special pieces with the padding.

        Example:
            >>> both = Words(("[CLS]", "bad"), np.array([0.5, -2.0]), (True, False))
            >>> print(*both.apart(), sep=" | ")
            bad(-2) | [CLS](+0.5)
        """

        def some(wanted: bool) -> Words:
            at = [k for k, special in enumerate(self.special) if special == wanted]
            texts, known = tuple(self.texts[k] for k in at), self.known
            there = None if known is None else tuple(known[k] for k in at)
            return Words(texts, self.relevance[np.array(at, dtype=int)], (wanted,) * len(at), there)

        return some(False), some(True)

    def __str__(self) -> str:
        known = self.known or (True,) * len(self.texts)
        each = zip(self.texts, self.relevance, known, strict=True)
        return " ".join(f"{text}({float(r):+.3g})" if there else text for text, r, there in each)


def words(sentence: Sentence, relevance: Any) -> Words:
    """Return the relevance of the words of a sentence: R_word = Σ R_piece over the pieces of the word.

    Special pieces stay apart, each by its own, and so does the padding, as one. The sum over all entries is the sum of
    the relevance, exactly on rationals and up to the order of summation on floats.

    Args:
        sentence: T pieces.
        relevance: (T,) or longer, (T', ); what is behind the last piece is that of the padding. Or (T', D), with the
            relevance of each dimension of each piece, which is added up.

    Raises:
        ShapeError: fewer relevances than pieces, or another number of axes.

    Source: Arras et al. 2016, "What is relevant in a text document?", §2, for the sum over dimensions.

    Example:
        >>> able = Sentence("likeable", (1, 5, 6, 2), ("[CLS]", "like", "##able", "[SEP]"), (None, 0, 0, None),
        ...                 ("likeable",))
        >>> print(words(able, np.array([0.25, 1.0, 0.5, -0.25, 0.0])))
        [CLS](+0.25) likeable(+1.5) [SEP](-0.25) padding(+0)
    """
    values = to_numpy(relevance) if hasattr(relevance, "dtype") else np.asarray(relevance)
    if values.ndim == 2:
        values = values.sum(axis=1)
    count = len(sentence)
    if values.ndim != 1 or len(values) < count:
        raise ShapeError(f"relevance has shape {np.shape(relevance)} for the {count} pieces of '{sentence.text}'")
    texts: list[str] = []
    places: list[list[int]] = []
    special: list[bool] = []
    at: dict[int, int] = {}
    for k, (piece, word) in enumerate(zip(sentence.pieces, sentence.word_of, strict=True)):
        if word is not None and word in at:
            places[at[word]].append(k)
            continue
        if word is not None:
            at[word] = len(texts)
        texts.append(piece if word is None else sentence.spelled[word])
        places.append([k])
        special.append(word is None)
    if len(values) > count:
        texts.append("padding")
        places.append(list(range(count, len(values))))
        special.append(True)
    # Selected from the array, not from a list, so that each number system adds up its own numbers.
    sums = np.array([values[np.array(p)].sum() for p in places], dtype=values.dtype)
    return Words(tuple(texts), sums, tuple(special))


def require_sentence(text: str) -> None:
    """Refuse a sentence that has no word in it, or that no network reads.

    Raises:
        ParameterError: it is no text, or empty, or longer than 10,000 characters, or not Unicode.

    Example:
        >>> require_sentence("  ")
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: the sentence is empty: there is no word in it to explain
    """
    if not isinstance(text, str):
        raise ParameterError(f"a sentence is a text, got {type(text).__name__}")
    if not text.strip():
        raise ParameterError("the sentence is empty: there is no word in it to explain")
    if len(text) > LONGEST:
        raise ParameterError(f"the sentence has {len(text)} characters; {LONGEST} are allowed: explain it in parts")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ParameterError("the sentence holds bytes that are no UTF-8: save it in UTF-8")


def grouped(
    text: str, numbers: Sequence[int | None], spans: Sequence[tuple[int, int]]
) -> tuple[tuple[int | None, ...], tuple[str, ...]]:
    """Return for each piece the number of its word, and the words.

    A word ends where the tokenizer's own number changes, and where the text has a blank, for tokenizers that take the
    whole sentence for one word. A piece that is nothing but blanks belongs to the word behind it, or to the last.

    Args:
        text: the sentence.
        numbers: for each piece the number that the tokenizer gives its word; None for a special piece.
        spans: for each piece where it begins and ends in the text.

    Example:
        >>> grouped("not  good.", [0, 1, 2, 2], [(0, 3), (3, 4), (4, 7), (7, 10)])
        ((0, 1, 1, 1), ('not', 'good.'))
    """
    found: list[int | None] = []
    edges: list[tuple[int, int]] = []
    before: int | None = None
    for number, (begin, end) in zip(numbers, spans, strict=True):
        if number is None:
            found.append(None)
            before = None
            continue
        new = not edges or before is None or number != before
        if not new:
            new = text[begin : begin + 1].isspace() or any(map(str.isspace, text[edges[-1][1] : begin]))
        if new and edges and before is not None and not text[slice(*edges[-1])].strip():
            new = False  # nothing but blanks so far
        if new:
            edges.append((begin, end))
        else:
            edges[-1] = (min(edges[-1][0], begin), max(edges[-1][1], end))
        found.append(len(edges) - 1)
        before = number
    if len(edges) > 1 and not text[slice(*edges[-1])].strip():
        last = len(edges) - 1
        edges.pop()
        found = [last - 1 if word == last else word for word in found]
    return tuple(found), tuple(text[slice(*edge)].strip() for edge in edges)
