"""Text as INPUT: on the command line, and in text files, a sentence a line or a document a file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LrpError, ModelFormatError
from ..loaders import suffixes
from ..loaders.elsewhere import EXPORTS, PICTURES
from ..loaders.preprocess import Sidecar
from ..network.network import Network
from ..text import BagOfWords, Counted, Fed, Tokenizer, Vocabulary, feed, find_bag, find_tokenizer, require_columns
from ..text import require_fit as require_pieces
from ..text.sentence import LONGEST

LINES = ".txt"
MOST_BYTES = 4 * LONGEST  # of a line in UTF-8
DOCUMENT = 1 << 20  # bytes of a document, of which every word is drawn
NAME = 40  # letters of a result's name
FILES = (".npy", ".npz", ".txt", ".csv", ".tsv", ".json", ".md", *PICTURES, *suffixes(), *EXPORTS)


@dataclass(frozen=True)
class Typed:
    """A sentence on the command line."""

    text: str

    def __str__(self) -> str:
        return f"'{self.text[:60]}{'...' if len(self.text) > 60 else ''}'"


@dataclass(frozen=True)
class Reader:
    """What turns sentences into the network's inputs.

    Attributes:
        net: whose inputs they are to be.
        tokenizer: of the network.
        length: in pieces, for networks that leave it free.
        dtype: of inputs that are floats.
    """

    net: Network
    tokenizer: Tokenizer
    length: int | None
    dtype: str

    @property
    def path(self) -> Path | None:
        """The file of the tokenizer."""
        return self.tokenizer.path

    def texts(self, path: Path) -> Iterator[tuple[int, int, str | LrpError]]:
        """Yield the sentences of a file, one a line, as :func:`lines`."""
        return lines(path)

    def read(self, text: str) -> Fed:
        """Return a sentence as the network's inputs; errors as of :func:`lrp_ref.text.feed`."""
        return feed(self.net, self.tokenizer, text, length=self.length, dtype=self.dtype)


@dataclass(frozen=True)
class BagReader:
    """What turns documents into the input of a network that reads bags of words; a file is one document.

    Attributes:
        net: whose input it is to be.
        bag: its words.
        dtype: of the counts.
        path: the file of the words, where it is not the model's.
    """

    net: Network
    bag: BagOfWords
    dtype: str
    path: Path | None = None

    def texts(self, path: Path) -> Iterator[tuple[int, int, str | LrpError]]:
        """Yield the only document of a file."""
        yield 0, 1, document(path)

    def read(self, text: str) -> Counted:
        """Return a document as the network's input."""
        return Counted.of(self.net, self.bag, text, dtype=self.dtype)


def reader_of(
    net: Network, model: Path, sidecar: Sidecar | None, tokenizer: Tokenizer | None, length: int | None, dtype: str
) -> Reader | BagReader | None:
    """Return what reads text for a network; None where nothing is found that could.

    A list of words is a tokenizer of networks that look words up, and the columns of those that take counts.

    Args:
        net: the network.
        model: its file.
        sidecar: of the model.
        tokenizer: that is asked for; None for what the model has.
        length: in pieces.
        dtype: of inputs that are floats.

    Raises:
        LrpError: a tokenizer, or a bag of words, that does not fit the network.
    """
    bag = find_bag(model) if tokenizer is None else None
    found = find_tokenizer(model, sidecar) if tokenizer is None and bag is None else tokenizer
    # Where outputs are left out, those that look words up may be among them.
    if isinstance(found, Vocabulary) and not net.tokens and len(net.inputs) == 1 and not net.left_out:
        bag = BagOfWords(found.entries)
    if bag is not None:
        require_columns(net, bag)
        return BagReader(net, bag, dtype, None if found is None else found.path)
    if found is None:
        return None
    require_pieces(net, found)
    return Reader(net, found, length, dtype)


def document(path: Path) -> str | LrpError:
    """Return a document, or what is wrong with it.

    Raises:
        ModelFormatError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            held = stream.read(DOCUMENT + 1)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(held) > DOCUMENT:
        return ModelFormatError(f"more than {DOCUMENT} bytes: explain it in parts")
    try:
        return held.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        return ModelFormatError(f"no UTF-8: {error.reason} at byte {error.start}: save it in UTF-8")


def is_sentence(given: str) -> bool:
    """Return whether an INPUT that is no file is meant as a sentence, not as the name of a file that is not there.

    Example:
        >>> is_sentence("not good"), is_sentence("good."), is_sentence("reviews.txt"), is_sentence("folder/cat")
        (True, True, False, False)
    """
    if given.split() != [given]:  # a blank in it, or nothing at all
        return True
    return Path(given).suffix.lower() not in FILES and "/" not in given and "\\" not in given


def has_text(given: Sequence[str]) -> bool:
    """Return whether any INPUT is text: a sentence, or a file of sentences."""
    for one in given:
        there = bool(one.strip()) and exists(Path(one))
        if (there and Path(one).suffix.lower() == LINES) or (not there and is_sentence(one)):
            return True
    return False


def exists(path: Path) -> bool:
    """Return whether there is such a file; a long sentence, or one with a zero byte, is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def slug(text: str) -> str:
    """Return a name for the results of a sentence.

    Example:
        >>> slug("The movie isn't bad at all!"), slug("好")
        ('the_movie_isn_t_bad_at_all', 'sentence')
    """
    words = re.findall(r"[a-z0-9]+", text.lower()[:1000])
    return "_".join(words)[:NAME].strip("_") or "sentence"


def lines(path: Path) -> Iterator[tuple[int, int, str | LrpError]]:
    """Yield the lines of a file: their number from 0, how many there are, and the text or what is wrong with it.

    Raises:
        ModelFormatError: the file cannot be read, or has no line.
    """
    try:
        with path.open("rb") as stream:
            count, last = 0, b"\n"
            while part := stream.read(1 << 20):
                count, last = count + part.count(b"\n"), part
            count += not last.endswith(b"\n")
            if not count:
                raise ModelFormatError(f"{path}: no sentence in it: write one a line")
            stream.seek(0)
            for number in range(count):
                held = stream.readline(MOST_BYTES + 2)
                # Some editors mark UTF-8 at the beginning of a file; the mark is no letter of its first word.
                yield number, count, _line(held if number else held.removeprefix(codecs.BOM_UTF8), stream)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror or error}") from error


def _line(held: bytes, stream: object) -> str | LrpError:
    """Return one line as text; of a line that is too long the rest is passed over."""
    if len(held) > MOST_BYTES and not held.endswith(b"\n"):
        while not held.endswith(b"\n") and held:
            held = stream.readline(1 << 20)  # type: ignore[attr-defined]  # a binary file
        return ModelFormatError(f"more than {MOST_BYTES} bytes in a line: one sentence a line")
    try:
        return held.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        return ModelFormatError(f"no UTF-8: {error.reason} at byte {error.start} of the line")
