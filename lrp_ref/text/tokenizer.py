"""What makes pieces of a sentence, whichever file it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..errors import ModelFormatError, UnsupportedError
from ..loaders.preprocess import Sidecar
from . import subwords, vocabulary
from .sentence import Sentence


class Tokenizer(Protocol):
    """What :func:`load_tokenizer` returns: a :class:`Subwords` or a :class:`Vocabulary`."""

    @property
    def path(self) -> Path | None:
        """The file, for messages."""

    @property
    def size(self) -> int:
        """How many rows of a table the pieces need."""

    @property
    def padding(self) -> tuple[int, str] | None:
        """The number and the name of the piece that fills up sentences; None where there is none."""

    def encode(self, text: str) -> Sentence:
        """Return a sentence in pieces."""


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer: a ``tokenizer.json``, a list of words (``.txt``), or the entry ``vocab`` of a model (``.npz``).

    A file may come from anywhere: it is at most 64 MB, its JSON at most 32 deep, and of its patterns only the
    well-known ones are compiled. Truncation and padding that it asks for are left out.

    Args:
        path: the file.

    Raises:
        ModelFormatError: there is no such file, or it is no tokenizer, or a damaged or refused one.
        UnsupportedError: another suffix.
        MissingExtraError: a tokenizer.json, and the tokenizers package is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "words.txt").write_text("<unk>\\nnot\\ngood\\n")
        ...     load_tokenizer(Path(folder) / "words.txt").encode("not good").ids
        (1, 2)
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".json":
        return subwords.from_json(file)
    if suffix == ".txt":
        return vocabulary.from_lines(file)
    if suffix == ".npz":
        if not file.is_file():
            raise ModelFormatError(f"{file}: there is no such file")
        found = vocabulary.from_arrays(file)
        if found is None:
            raise ModelFormatError(f"{file}: it has no entry 'vocab', the list of its words")
        return found
    raise UnsupportedError(
        f"{file}: tokenizers are read from a tokenizer.json, from a list of words (.txt) or from a model's vocab (.npz)"
    )


def find_tokenizer(model: str | Path, sidecar: Sidecar | None = None) -> Tokenizer | None:
    """Return the tokenizer of a model: the one that its sidecar names, ``tokenizer.json`` beside it, or its own words.

    Args:
        model: the file of the network.
        sidecar: of the model, if there is one.

    Returns:
        None where there is none of these.

    Raises:
        LrpError: as :func:`load_tokenizer`, for the file that was found.

    Example:
        >>> find_tokenizer("no_such_folder/net.onnx") is None
        True
    """
    file = Path(model)
    if sidecar is not None and sidecar.tokenizer:
        return load_tokenizer(file.with_name(sidecar.tokenizer))
    if (beside := file.with_name("tokenizer.json")).is_file():
        return load_tokenizer(beside)
    return vocabulary.from_arrays(file) if file.suffix.lower() == ".npz" and file.is_file() else None
