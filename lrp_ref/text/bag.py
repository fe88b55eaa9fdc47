"""Bags of words: a document as the counts of the words of a vocabulary, and where in the document each of them is."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LrpError, ParameterError
from .vectorizers import counted, has_words

DEFAULT = r"(?u)\b\w\w+\b"  # two letters, digits or underscores and more
ACCENTS = ("ascii", "unicode")


@dataclass(frozen=True)
class Token:
    """A piece of a document that the vocabulary is asked for.

    Attributes:
        text: as it is looked up: in small letters, without accents, as the analyser says.
        begin, end: where it is, document[begin:end].
    """

    text: str
    begin: int
    end: int


@dataclass(frozen=True, eq=False, repr=False)
class BagOfWords:
    """A vocabulary whose words are the columns of a network's input, and how documents are split into them.

    What scikit-learn's CountVectorizer and TfidfVectorizer count with ``analyzer="word"`` is counted here, in the same
    steps: small letters, accents, tokens by a regular expression, stop words left out, n-grams of what is left.

    Args:
        words: the vocabulary, by column; or a dict word → column. An n-gram is its tokens, a blank between two.
        lowercase: whether documents are put into small letters.
        strip_accents: "unicode" takes accents away, "ascii" also all that then is no ASCII; None for neither.
        token_pattern: the regular expression of a token, with at most one group, which then is the token.
        ngram_range: the least and the largest number of tokens of a word of the vocabulary.
        stop_words: tokens that are left out before n-grams are made.
        binary: whether a word counts once, however often it is there.

    Raises:
        ParameterError: no words, one that is there twice, columns that are not 0 … V−1, or an option that is none.

    Example:
        >>> bag = BagOfWords({"ice": 0, "moon": 1, "new moon": 2}, ngram_range=(1, 2))
        >>> bag
        BagOfWords(3 words, ngram_range=(1, 2))
        >>> bag.counts("New Moon, new ice. A moon.").toarray()
        array([[1., 2., 1.]])
        >>> bag.tokens("A new Moon")[1]
        Token(text='moon', begin=6, end=10)
    """

    words: Sequence[str] | Mapping[str, int]
    lowercase: bool = True
    strip_accents: str | None = None
    token_pattern: str = DEFAULT
    ngram_range: tuple[int, int] = (1, 1)
    stop_words: frozenset[str] = field(default=frozenset())
    binary: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", _by_column(self.words))
        object.__setattr__(self, "stop_words", frozenset(self.stop_words))
        accents = self.strip_accents
        if accents is not None and not (isinstance(accents, str) and accents in ACCENTS):
            raise ParameterError(f"strip_accents is {accents!r}; give 'ascii', 'unicode' or None")
        for name in ("lowercase", "binary"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ParameterError(f"{name} is {getattr(self, name)!r}; give True or False")
        object.__setattr__(self, "ngram_range", _range(self.ngram_range))
        if self._pattern.groups > 1:
            raise ParameterError(f"token_pattern {self.token_pattern!r} has {self._pattern.groups} groups; one at most")

    @staticmethod
    def of(source: Any) -> BagOfWords:
        """Return the bag of words that a vectorizer counts; itself for one.

        Args:
            source: a dict word → column; a fitted CountVectorizer or TfidfVectorizer of scikit-learn, or a pipeline
                that begins with one; the same as a ``Fitted``; or the path of a ``.skops`` file with one of these.

        Raises:
            ParameterError: a vectorizer that is not fitted, or a pipeline that does not begin with one.
            UnsupportedError: n-grams of letters, functions of one's own, a HashingVectorizer; in a file or a ``Fitted``
                a token pattern that is none of the well-known ones, for such a one may run for ever.
            MissingExtraError: the stop words "english" are needed, and scikit-learn is not installed.
            ModelFormatError: a file that is no skops file.

        Example:
            >>> BagOfWords.of({"ice": 0, "moon": 1}).words
            ('ice', 'moon')
        """
        if isinstance(source, BagOfWords):
            return source
        try:
            return BagOfWords(**counted(source))
        except LrpError as error:
            if not isinstance(source, str | Path) or str(error).startswith(str(source)):
                raise
            raise type(error)(f"{source}: {error}") from error

    @property
    def size(self) -> int:
        """The number of words V."""
        return len(self.words)

    @cached_property
    def columns(self) -> Mapping[str, int]:
        """The column of each word."""
        return {str(word): k for k, word in enumerate(self.words)}

    @cached_property
    def _sizes(self) -> range:
        """How many tokens n-grams have: as asked for, and no more than a word of the vocabulary can have.

        Between n tokens there are n − 1 blanks, so that longer ones are of no word.
        """
        least, most = self.ngram_range
        return range(least, min(most, 1 + max(word.count(" ") for word in self.words)) + 1)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.token_pattern)
        except (re.error, TypeError) as error:
            raise ParameterError(f"token_pattern {self.token_pattern!r} is no regular expression: {error}") from error

    def __repr__(self) -> str:
        usual = {"lowercase": True, "strip_accents": None, "token_pattern": DEFAULT, "ngram_range": (1, 1)}
        usual |= {"binary": False}
        told = "".join(f", {k}={getattr(self, k)!r}" for k, v in usual.items() if getattr(self, k) != v)
        stop = f", {len(self.stop_words)} stop words" if self.stop_words else ""
        return f"BagOfWords({self.size} words{told}{stop})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BagOfWords) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        options = (self.lowercase, self.strip_accents, self.token_pattern, self.ngram_range, self.stop_words)
        return (self.words, *options, self.binary)

    # -- counting -----------------------------------------------------------------------------------------------

    def counts(self, documents: str | Sequence[str], *, dtype: Any = float) -> Any:
        """Return how often each word of the vocabulary is in each document.

        Args:
            documents: N of them, or one.
            dtype: of the counts; floats by default, as networks take them.

        Returns:
            (N, V), a ``scipy.sparse.csr_array`` with sorted columns.

        Raises:
            ParameterError: a document that is no text.
        """
        from scipy.sparse import csr_array

        columns, numbers, ends = array("q"), array("q"), array("q", [0])
        for document in texts(documents):
            grams = self._grams(self._tokens(self._normalised(document)))
            found = [(k, n) for gram, n in Counter(grams).items() if (k := self.columns.get(gram)) is not None]
            found.sort()
            columns.extend(k for k, _ in found)
            numbers.extend(n for _, n in found)
            ends.append(len(columns))
        at, rows = (np.array(a, dtype=np.int64) for a in (columns, ends))
        small = np.int32 if len(at) <= np.iinfo(np.int32).max else np.int64
        held = np.ones(len(at)) if self.binary else np.array(numbers)
        return csr_array((held.astype(dtype), at.astype(small), rows.astype(small)), shape=(len(ends) - 1, self.size))

    def _normalised(self, document: str) -> str:
        text = document.lower() if self.lowercase else document
        if self.strip_accents is None or text.isascii():
            return text
        return _plain(text, self.strip_accents)

    def _tokens(self, text: str) -> list[str]:
        tokens = self._pattern.findall(text)
        return [token for token in tokens if token not in self.stop_words] if self.stop_words else tokens

    def _grams(self, tokens: list[str]) -> Iterator[str]:
        """Yield what is looked up: the tokens, and n-grams of them."""
        for n in self._sizes:
            if n == 1:
                yield from tokens
            else:
                for k in range(len(tokens) - n + 1):
                    yield " ".join(tokens[k : k + n])

    # -- places -------------------------------------------------------------------------------------------------

    def tokens(self, document: str) -> tuple[Token, ...]:
        """Return the tokens of a document in its order, without stop words, and where they are in it.

        Example:
            >>> BagOfWords(["istanbul"], strip_accents="unicode").tokens("in İstanbul!")[1]
            Token(text='istanbul', begin=3, end=11)
        """
        (document,) = texts(document)
        text = self._normalised(document)
        same = document.isascii() or (self.strip_accents is None and len(text) == len(document))
        origin = None if same else self._origin(document)
        group, found = min(self._pattern.groups, 1), []
        for match in self._pattern.finditer(text):
            token = match[group] or ""  # a group that took no part is empty, as findall has it
            begin, end = match.span(group) if match[group] is not None else (match.start(), match.start())
            if token in self.stop_words:
                continue
            if origin is not None:
                begin, end = _outward(origin, begin, end)
            found.append(Token(token, begin, end))
        return tuple(found)

    def _origin(self, document: str) -> list[int]:
        """Return for each letter of the text that tokens are looked for in the letter of the document it is from.

        Small letters and accents are made letter by letter; what depends on the neighbours of a letter (the sigma at
        the end of a word, the order of accents that are taken away) changes no number of letters.
        """
        places = []
        for k, letter in enumerate(document):
            small = letter.lower() if self.lowercase else letter
            places += [k] * len(small if self.strip_accents is None else _plain(small, self.strip_accents))
        return places

    def occurrences(self, document: str) -> list[tuple[int, int, int]]:
        """Return where words of the vocabulary are in a document: (column, first token, number of tokens).

        Example:
            >>> BagOfWords(["moon", "new moon"], ngram_range=(1, 2)).occurrences("new moon")
            [(0, 1, 1), (1, 0, 2)]
        """
        return self.places(self.tokens(document))

    def places(self, tokens: tuple[Token, ...]) -> list[tuple[int, int, int]]:
        """Return the same of a document that is in tokens already."""
        spelled, found = [token.text for token in tokens], []
        for n in self._sizes:
            for k in range(len(spelled) - n + 1):
                column = self.columns.get(spelled[k] if n == 1 else " ".join(spelled[k : k + n]))
                if column is not None:
                    found.append((column, k, n))
        return found


def find_bag(model: str | Path) -> BagOfWords | None:
    """Return the bag of words that a model file brings: a ``.skops`` file that begins with a vectorizer.

    Returns:
        None for a file of another kind, or one of a model that takes no documents.

    Raises:
        LrpError: as :meth:`BagOfWords.of`.

    Example:
        >>> find_bag("no_such_folder/net.onnx") is None
        True
    """
    if Path(model).suffix.lower() != ".skops":
        return None
    from ..loaders import skops

    return BagOfWords.of(model) if has_words(skops.read(model)) else None


def texts(documents: Any) -> list[str]:
    """Return documents as a list; one text is one document.

    Raises:
        ParameterError: a document that is no text.
    """
    if isinstance(documents, str):
        return [documents]
    if isinstance(documents, bytes | Mapping) or not hasattr(documents, "__iter__"):
        raise ParameterError(f'documents are texts, got {type(documents).__name__}; of bytes take .decode("utf-8")')
    found = list(documents)
    for k, document in enumerate(found):
        if not isinstance(document, str):
            raise ParameterError(
                f'document {k} is a {type(document).__name__}, not a text; of bytes take .decode("utf-8")'
            )
    return found


def _by_column(words: Any) -> tuple[str, ...]:
    """Return the words in the order of their columns."""
    if isinstance(words, str) or not hasattr(words, "__iter__"):
        raise ParameterError(f"a vocabulary is a list of words, or a dict word → column; got {type(words).__name__}")
    if isinstance(words, Mapping):
        whole = all(isinstance(column, int | np.integer) for column in words.values())
        _require_texts(words)
        numbers = sorted((int(column), word) for word, column in words.items()) if whole else []
        if not whole or [column for column, _ in numbers] != list(range(len(numbers))):
            raise ParameterError(f"the columns of {len(words)} words are not 0 … {len(words) - 1}, each once")
        words = [word for _, word in numbers]
    found = tuple(words)
    if not found:
        raise ParameterError("a vocabulary without words")
    found = tuple(str(word) if isinstance(word, np.str_) else word for word in found)
    _require_texts(found)
    if len(set(found)) != len(found):
        twice = Counter(found).most_common(1)[0][0]
        raise ParameterError(f"the word '{twice}' is there twice")
    return found


def _require_texts(words: Iterable[Any]) -> None:
    for word in words:
        if not isinstance(word, str):
            raise ParameterError(f"{word!r} in the vocabulary is no text")


def _range(given: Any) -> tuple[int, int]:
    """Return the least and the largest number of tokens of an n-gram."""
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) for n in pair) or not 1 <= pair[0] <= pair[1]:
        raise ParameterError(f"ngram_range is {given!r}; give two numbers, 1 or more, the smaller first: (1, 2)")
    return int(pair[0]), int(pair[1])


def _plain(text: str, way: str) -> str:
    """Return a text without accents."""
    apart = unicodedata.normalize("NFKD", text)
    if way == "ascii":
        return apart.encode("ascii", "ignore").decode("ascii")
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _outward(origin: list[int], begin: int, end: int) -> tuple[int, int]:
    """Return the part of a document that a part of its normalised text is from."""
    if begin == end:
        place = origin[begin] if begin < len(origin) else (origin[-1] + 1 if origin else 0)
        return place, place
    return origin[begin], origin[end - 1] + 1
