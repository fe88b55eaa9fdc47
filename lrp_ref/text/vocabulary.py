"""A plain list of words: a sentence is split at blanks, and each word has a number."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import ModelFormatError, ParameterError
from ..loaders.archive import Archive
from ..loaders.npy import npy
from .sentence import Sentence, require_sentence

UNKNOWN = ("<unk>", "[UNK]", "<UNK>", "UNK")
PADDING = ("<pad>", "[PAD]", "<PAD>", "PAD")
LARGEST = 64 << 20  # bytes of a list of words
FEW = 5  # words that an error names


@dataclass(frozen=True)
class Vocabulary:
    """A list of words, which is all that a word model knows of language.

    A sentence is split at blanks. A word that the list lacks is looked for in small letters, and is then read as the
    list's "<unk>" (or "[UNK]"), if it has one. Punctuation counts as part of a word unless a blank stands before it.

    Args:
        entries: the words, by the rows of the network's table.
        path: the file they are from.

    Raises:
        ParameterError: no words, or one that is there twice.

    Example:
        >>> few = Vocabulary(("<unk>", "not", "good"))
        >>> few.encode("Not very good")
        Sentence(text='Not very good', ids=(1, 0, 2), pieces=('not', '<unk>', 'good'), word_of=(0, 1, 2),
        spelled=('Not', 'very', 'good'), types=(0, 0, 0), unknown=('very',))
    """

    entries: tuple[str, ...]
    path: Path | None = None
    numbers: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.entries:
            raise ParameterError("a vocabulary without words")
        self.numbers.update((word, k) for k, word in enumerate(self.entries))
        if len(self.numbers) != len(self.entries):
            twice = next(word for k, word in enumerate(self.entries) if self.numbers[word] != k)
            raise ParameterError(f"the word '{twice}' is there twice")

    @property
    def size(self) -> int:
        """How many rows of a table the words need."""
        return len(self.entries)

    @property
    def padding(self) -> tuple[int, str] | None:
        """The number and the name of the word that fills up sentences, None where there is none."""
        return next(((self.numbers[name], name) for name in PADDING if name in self.numbers), None)

    def encode(self, text: str) -> Sentence:
        """Return a sentence in pieces.

        Raises:
            ParameterError: the sentence is empty, or has words that the vocabulary lacks, if it has no "<unk>".
        """
        require_sentence(text)
        spelled = tuple(text.split())
        other = next((self.numbers[name] for name in UNKNOWN if name in self.numbers), None)
        found = [self.numbers.get(word, self.numbers.get(word.lower())) for word in spelled]
        lacking = tuple(dict.fromkeys(w for w, number in zip(spelled, found, strict=True) if number is None))
        if lacking and other is None:
            named = ", ".join(f"'{word}'" for word in lacking[:FEW]) + (", ..." if len(lacking) > FEW else "")
            raise ParameterError(
                f"the vocabulary lacks {named} and has no <unk> for them: use other words, and set blanks before "
                "punctuation"
            )
        ids = tuple(int(other or 0) if number is None else number for number in found)
        pieces = tuple(self.entries[number] for number in ids)
        return Sentence(text, ids, pieces, tuple(range(len(ids))), spelled, (0,) * len(ids), lacking)


def from_lines(path: Path) -> Vocabulary:
    """Return the vocabulary of a text file, one word a line, the first of row 0.

    Raises:
        ModelFormatError: not UTF-8, larger than 64 MB, a word twice, or pieces of words, which take a tokenizer.json.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "vocab.txt").write_text("<unk>\\nnot\\ngood\\n")
        ...     from_lines(Path(folder) / "vocab.txt").entries
        ('<unk>', 'not', 'good')
    """
    try:
        # A line ends where text files end theirs, and nowhere else: str.splitlines() would also part a word at other
        # letters, such as U+2028 or U+0085, and all words behind it would have the wrong row.
        entries = re.split("\r\n|\r|\n", read_bounded(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{path}: not a list of words in UTF-8: {error.reason} at byte {error.start}") from error
    if not entries[-1]:  # behind the end of the last line
        entries.pop()
    if any(word.startswith(("##", "Ġ", "▁")) for word in entries):
        raise ModelFormatError(f"{path}: its entries are pieces of words; give the tokenizer.json of the same model")
    return _made(entries, path)


def from_arrays(path: Path) -> Vocabulary | None:
    """Return the vocabulary that a model file (.npz) holds as its entry ``vocab``; None if it has none.

    Raises:
        ModelFormatError: not an .npz file, or an entry that is no list of texts.
    """
    with Archive(path) as archive:
        if "vocab.npy" not in archive.sizes:
            return None
        held = npy(archive.read("vocab.npy", LARGEST), f"{path}: entry 'vocab.npy'", kinds="U")
    if held.ndim != 1:
        raise ModelFormatError(f"{path}: entry 'vocab.npy' has shape {held.shape}; a vocabulary is one list")
    codes = held.astype(held.dtype.newbyteorder("=")).view(np.uint32)
    if (
        (codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))
    ).any():  # NumPy makes texts of them all the same
        raise ModelFormatError(f"{path}: entry 'vocab.npy' is no text: it has numbers that are no letters")
    return _made([str(word) for word in held], path)


def read_bounded(path: Path) -> bytes:
    """Return a file of at most 64 MB; no more than that is read of a larger one.

    Raises:
        ModelFormatError: there is no such file, it cannot be read or is larger.
    """
    try:
        if not path.is_file():
            raise ModelFormatError(f"{path}: there is no such file")
        with path.open("rb") as stream:
            held = stream.read(LARGEST + 1)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(held) > LARGEST:
        raise ModelFormatError(f"{path}: more than {LARGEST} bytes, which no tokenizer file has")
    return held


def _made(entries: Sequence[str], path: Path) -> Vocabulary:
    try:
        return Vocabulary(tuple(entries), path)
    except ParameterError as error:
        raise ModelFormatError(f"{path}: {error}") from error
