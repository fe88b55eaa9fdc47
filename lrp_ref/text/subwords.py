"""A tokenizer.json, read by the tokenizers package: words in pieces (WordPiece, BPE, Unigram)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelFormatError, ParameterError, require
from .allowed import checked, padding_of
from .sentence import Sentence, grouped, require_sentence
from .vocabulary import read_bounded


@dataclass(frozen=True)
class Subwords:
    """A tokenizer that cuts words into pieces; :func:`load_tokenizer` makes it.

    Args:
        inner: the tokenizers package's object.
        size: how many rows of a table its pieces need.
        padding: number and name of the piece that fills up sentences; None where there is none.
        unknown: name of the piece for what it cannot spell, "" where there is none.
        path: the file.

    Example:
        >>> import tempfile
        >>> from lrp_ref.errors import MissingExtraError
        >>> file = '{"model": {"type": "WordLevel", "vocab": {"not": 0, "good": 1}, "unk_token": "not"}}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "tokenizer.json").write_text(file)
        ...     try:
        ...         print(from_json(Path(folder) / "tokenizer.json").encode("good").ids)
        ...     except MissingExtraError:
        ...         print("(1,)")  # the tokenizers package is not installed
        (1,)
    """

    inner: Any = field(repr=False, compare=False)
    size: int
    padding: tuple[int, str] | None
    unknown: str
    path: Path | None

    def encode(self, text: str) -> Sentence:
        """Return a sentence in pieces, with those that the tokenizer adds, such as [CLS]; nothing is cut off.

        Raises:
            ParameterError: the sentence is empty, or nothing of it is left, or the tokenizer fails on it.
        """
        require_sentence(text)
        try:
            found = self.inner.encode(text)
        except (KeyboardInterrupt, MemoryError, SystemExit):
            raise
        except BaseException as error:  # a panic of the package is no Exception
            raise ParameterError(f"{self.path}: fails on '{text[:40]}': {_reason(error)}") from error
        special = found.special_tokens_mask
        lists = (found.ids, found.tokens, found.type_ids, found.word_ids, found.offsets)
        if any(len(one) != len(special) for one in lists):
            raise ParameterError(f"{self.path}: damaged: the pieces that it adds have other names than numbers")
        # What stands in the text and is no word to the tokenizer, as an added token, is a word of its own.
        numbers = [
            None if mask else -k - 1 if number is None else number
            for k, (mask, number) in enumerate(zip(special, found.word_ids, strict=True))
        ]
        word_of, spelled = grouped(text, numbers, found.offsets)
        if not spelled:
            raise ParameterError(f"the tokenizer leaves no word of '{text[:40]}'")
        pieces = tuple(found.tokens)
        places = {w for p, w in zip(pieces, word_of, strict=True) if p == self.unknown and w is not None}
        unknown = tuple(dict.fromkeys(spelled[w] for w in sorted(places)))
        return Sentence(text, tuple(found.ids), pieces, word_of, spelled, tuple(found.type_ids), unknown)


def from_json(path: Path) -> Subwords:
    """Return the tokenizer of a tokenizer.json.

    Raises:
        ModelFormatError: not such a file, damaged, larger than 64 MB, or with patterns that are not compiled.
        MissingExtraError: the tokenizers package is not installed.
    """
    data = read_bounded(path)
    content = checked(data, path)
    package = require("tokenizers", extra="text", purpose=f"read {path}")
    try:
        inner = package.Tokenizer.from_str(json.dumps(content))
        numbers = inner.get_vocab(with_added_tokens=True)
    except (KeyboardInterrupt, MemoryError, SystemExit):
        raise
    except BaseException as error:  # a panic of the package is no Exception
        raise ModelFormatError(
            f"{path}: not a tokenizer that the tokenizers package reads: {_reason(error)}"
        ) from error
    if not numbers:
        raise ModelFormatError(f"{path}: a tokenizer without pieces")
    unknown = content["model"].get("unk_token") or ""
    return Subwords(inner, max(numbers.values()) + 1, padding_of(data, path, numbers), str(unknown), path)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
