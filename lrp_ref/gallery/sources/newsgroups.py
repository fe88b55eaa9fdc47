"""20 Newsgroups by date: postings of twenty groups, the earlier ones to learn from and the later ones to be asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from ..application import Need
from . import given

LARGEST = 1 << 20  # bytes of a posting
LETTERS = re.compile(r"[a-z]+")  # of a word; numbers are none
NEED = Need(
    "20news-bydate.tar.xz",
    "18,846 postings of 20 newsgroups, by date",
    "https://qwone.com/~jason/20Newsgroups (20news-bydate), packed again with xz",
    "none stated",
)


@dataclass(frozen=True)
class Postings:
    """Postings and their groups.

    Attributes:
        texts: without the header, which names the group.
        groups: (N,), the number of the group of each.
        names: of the groups, by number.
    """

    texts: tuple[str, ...]
    groups: NDArray[np.int64]
    names: tuple[str, ...]

    def some(self, of_each: int, at_most: int | None = None) -> Postings:
        """Return the first ``of_each`` postings of each of the first ``at_most`` groups, all for None."""
        kept = [k for g in range(len(self.names))[:at_most] for k in np.flatnonzero(self.groups == g)[:of_each]]
        chosen = np.sort(np.array(kept, dtype=np.int64))
        return Postings(tuple(self.texts[k] for k in chosen), self.groups[chosen], self.names[:at_most])


def read(path: Path) -> tuple[Postings, Postings]:
    """Return the postings to learn from and those to be asked, from an archive that is not unpacked.

    In some copies of the collection every line ends in a tab; without a line's end no header ends.

    Raises:
        ModelFormatError: no such archive, or a posting of more than 1 MB.
    """
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    with given.tar(path) as held:
        for member in held:
            parts = member.name.split("/")
            part = parts[0].rpartition("-")[2]
            if len(parts) == 3 and part in found:
                found[part].append((parts[1], body(held.content(member, LARGEST).decode("latin-1"))))
    names = tuple(sorted({group for group, _ in found["train"]}))
    if len(names) < 2 or not found["test"] or {group for group, _ in found["test"]} - set(names):
        raise ModelFormatError(f"{path}: no postings as 20news-bydate-train/GROUP/NUMBER and 20news-bydate-test/…")
    number = {name: k for k, name in enumerate(names)}
    made = [
        Postings(tuple(text for _, text in some), np.array([number[group] for group, _ in some], np.int64), names)
        for some in (found["train"], found["test"])
    ]
    return made[0], made[1]


def body(posting: str) -> str:
    """Return a posting without its header.

    Example:
        >>> body("From: a@b.c\\nNewsgroups: sci.space\\n\\nThe moon.\\nIs it far?")
        'The moon.\\nIs it far?'
    """
    return posting.replace("\t", "\n").partition("\n\n")[2]


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters.

    Example:
        >>> words_of("It's 3 o'clock")
        ['it', 's', 'o', 'clock']
    """
    return LETTERS.findall(text.lower())


def vocabulary(texts: Iterable[str], size: int) -> tuple[str, ...]:
    """Return the most frequent words, in the order of the alphabet."""
    count = Counter(word for text in texts for word in words_of(text))
    return tuple(sorted(word for word, _ in count.most_common(size)))


def rows(texts: Sequence[str], words: Sequence[str], length: int) -> NDArray[np.int64]:
    """Return the first ``length`` words of each text that are in a vocabulary, by number, filled up with its size.

    Example:
        >>> rows(["new moon, old moon"], ("moon", "new"), 4)
        array([[1, 0, 0, 2]])
    """
    number = {word: k for k, word in enumerate(words)}
    found = np.full((len(texts), length), len(words), dtype=np.int64)
    for k, text in enumerate(texts):
        known = [number[word] for word in words_of(text) if word in number][:length]
        found[k, : len(known)] = known
    return found


def counts(numbers: NDArray[np.int64], size: int, weights: NDArray[Any] | None = None) -> Any:
    """Return how often each word is in each row, a ``scipy.sparse.csr_array`` (N, size); fillings are left out.

    Args:
        numbers: as of :func:`rows`.
        size: of the vocabulary.
        weights: what is added up for each word in the place of 1, such as its relevance, (N, length).

    Example:
        >>> counts(np.array([[1, 0, 0, 2]]), 2).toarray()
        array([[2., 1.]])
    """
    from scipy.sparse import coo_array

    real = numbers < size
    values = np.ones(numbers.shape) if weights is None else weights
    places = np.nonzero(real)[0].astype(np.int32), numbers[real].astype(np.int32)  # scikit-learn takes no longer ones
    return coo_array((values[real], places), shape=(len(numbers), size)).tocsr()
