"""What a tokenizer.json may hold before the tokenizers package sees it: a file from anywhere.

Refused are patterns that the package would compile (regular expressions other than the well-known ones, compiled
character maps), pieces drawn at random, and replacements and templates that make a sentence much longer. Truncation and
padding are left out: what a network takes is its own affair, and nothing of a sentence is cut off in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFormatError
from ..loaders.limits import json_value
from .vocabulary import LARGEST, PADDING

DEEPEST = 32
MODELS = ("WordPiece", "BPE", "Unigram", "WordLevel")
GROWTH = 64  # how many letters a normalizer may make of one
MOST_SPECIAL = 64  # pieces that are put around a sentence
LONGEST_WORD = 1000  # letters of a word that is looked through for pieces, which takes the square of them
_CONTRACTED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_OTHERS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# The patterns of GPT-2, of CLIP, of Llama 3 and of Qwen 2, and runs of blanks (T5, ALBERT, XLM-R).
PATTERNS = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    _CONTRACTED + r"\p{N}{1,3}" + _OTHERS,
    _CONTRACTED + r"\p{N}" + _OTHERS,
    " {2,}",
    r"\s+",
)


def checked(data: bytes, path: Path) -> dict[str, Any]:
    """Return what the file holds, without truncation, padding and decoder.

    Raises:
        ModelFormatError: not the JSON of a tokenizer, or one of the above; the message names the file and the pattern.

    Example:
        >>> checked(b'{"model": {"type": "WordLevel"}, "truncation": {"max_length": 9}}', Path("t.json"))["truncation"]
        >>> bad = b'{"model": {"type": "BPE"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}}}'
        >>> checked(bad, Path("t.json"))
        Traceback (most recent call last):
        lrp_ref.errors.ModelFormatError: t.json: pre_tokenizer.pattern has the regular expression '(a+)+$', which is
        none of the well-known ones: patterns of a file are not compiled
    """
    content = json_value(data, str(path), longest=LARGEST, deepest=DEEPEST)
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(content, dict) or not isinstance(model, Mapping):
        raise ModelFormatError(f"{path}: JSON, but no tokenizer: it has no 'model'; give a tokenizer.json")
    kind = model.get("type")
    if kind not in MODELS and kind is not None:
        raise ModelFormatError(f"{path}: a tokenizer of the type {kind!r}; {', '.join(MODELS)} are read")
    if model.get("dropout"):
        raise ModelFormatError(f"{path}: model.dropout is {model['dropout']}: pieces would be random; set it to null")
    longest = model.get("max_input_chars_per_word", 0)
    if not isinstance(longest, int) or longest > LONGEST_WORD:
        raise ModelFormatError(f"{path}: model.max_input_chars_per_word is {longest}; {LONGEST_WORD} is allowed")
    kept = {k: v for k, v in content.items() if k not in ("decoder", "padding", "truncation")}
    growth, special = 1, 0
    for where, part in _parts({k: v for k, v in kept.items() if k not in ("added_tokens", "model")}):
        _require_known(part, f"{path}: {where}")
        growth *= _growth(part, f"{path}: {where}")
        special += _special(part, f"{path}: {where}")
    if growth > GROWTH:
        raise ModelFormatError(f"{path}: its normalizer makes up to {growth} letters of one; {GROWTH} are allowed")
    if special > MOST_SPECIAL:
        raise ModelFormatError(f"{path}: it puts {special} pieces around a sentence; {MOST_SPECIAL} are allowed")
    return {**kept, "decoder": None, "padding": None, "truncation": None}


def padding_of(data: bytes, path: Path, numbers: Mapping[str, int]) -> tuple[int, str] | None:
    """Return the number and the name of the piece that fills up sentences: the file's, or one called so."""
    content = json_value(data, str(path), longest=LARGEST, deepest=DEEPEST)
    told = content.get("padding")
    name = told.get("pad_token") if isinstance(told, Mapping) else None
    if isinstance(name, str) and name in numbers:
        return numbers[name], name
    return next(((numbers[name], name) for name in PADDING if name in numbers), None)


def _parts(value: Any, where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object with its place, such as normalizer.normalizers[1]."""
    if isinstance(value, Mapping):
        if where:
            yield where, value
        for key, inner in value.items():
            yield from _parts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from _parts(inner, f"{where}[{k}]")


def _require_known(part: Mapping[str, Any], where: str) -> None:
    if "Regex" in part and part["Regex"] not in PATTERNS:
        shown = str(part["Regex"])
        raise ModelFormatError(
            f"{where} has the regular expression '{shown[:80]}{'...' if len(shown) > 80 else ''}', which is none of "
            "the well-known ones: patterns of a file are not compiled"
        )
    if part.get("type") == "Precompiled" or "precompiled_charsmap" in part:
        raise ModelFormatError(
            f"{where} is a compiled map of characters, which is not read: name what it does (NFKC), or leave it out"
        )


def _growth(part: Mapping[str, Any], where: str) -> int:
    """Return how many letters this part of a normalizer makes of one, at most."""
    if part.get("type") == "Replace":
        pattern, content = part.get("pattern"), part.get("content")
        if not isinstance(content, str) or pattern in ({"String": ""}, ""):
            raise ModelFormatError(f"{where} replaces nothing, or not by a text")
        return max(1, len(content))
    if part.get("type") == "Prepend" and len(str(part.get("prepend"))) > GROWTH:
        raise ModelFormatError(f"{where} puts {len(str(part.get('prepend')))} letters in front; {GROWTH} are allowed")
    return 1


def _special(part: Mapping[str, Any], where: str) -> int:
    """Return how many pieces a template puts around a sentence, at most; the sentence it has once.

    What is no template is left to the package, which says what is wrong with it.
    """
    template, held = part.get("single"), part.get("special_tokens")
    if not isinstance(template, list):
        return 0
    named = sum(isinstance(piece, Mapping) and "SpecialToken" in piece for piece in template)
    if len(template) - named > 1:
        raise ModelFormatError(f"{where} has the sentence {len(template) - named} times; once is allowed")
    known = [one.get("ids") for one in held.values() if isinstance(one, Mapping)] if isinstance(held, Mapping) else []
    return named * max((len(ids) for ids in known if isinstance(ids, list)), default=1)
