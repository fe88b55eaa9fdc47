"""What a vectorizer of scikit-learn counts: an object in memory, its plain data, or a ``.skops`` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ParameterError, UnsupportedError, require
from ..neuralise.fitted import Fitted

VECTORIZERS = ("CountVectorizer", "TfidfVectorizer")
FUNCTIONS = ("preprocessor", "tokenizer", "strip_accents")
# A regular expression may take longer than anyone waits, so that only these of a file are compiled: none of them has
# to try more than one way to read a text.
PATTERNS = frozenset(
    mode + pattern
    for mode in ("(?u)", "")
    for pattern in (
        r"\b\w\w+\b", r"\b\w+\b", r"\w+", r"\w\w+", r"\b\w\w\w+\b", r"\b\w{2,}\b", r"\b\w{3,}\b", r"\S+", r"[^\s]+",
        r"[a-zA-Z]+", r"\b[a-zA-Z]+\b", r"\b[a-zA-Z][a-zA-Z]+\b", r"\b[a-zA-Z]{2,}\b", r"\b[a-zA-Z]{3,}\b", r"[a-z]+",
        r"\b[a-z]+\b", r"\b[a-z]{2,}\b", r"\b[a-z]{3,}\b", r"[A-Za-z]+", r"\b[A-Za-z]+\b", r"[a-zA-Z0-9]+",
        r"[A-Za-z0-9]+", r"\b[^\d\W]+\b", r"[^\d\W]+",
    )
)  # fmt: skip


def counted(source: Any) -> dict[str, Any]:
    """Return what a vectorizer counts, as arguments of :class:`.bag.BagOfWords`.

    Of an object in memory every token pattern is compiled, for it is the caller's own; of a ``Fitted`` or a file only
    those that are known to be harmless.

    Args:
        source: as of :meth:`.bag.BagOfWords.of`.

    Raises:
        ParameterError: a vectorizer that is not fitted, or a pipeline that does not begin with one.
        UnsupportedError: n-grams of letters, functions of one's own, a HashingVectorizer, a pattern that is not known.
        MissingExtraError: the stop words "english" are needed, and scikit-learn is not installed.
        ModelFormatError: a file that is no skops file.

    Example:
        >>> counted(Fitted("CountVectorizer", {"vocabulary_": {"moon": 0}, "binary": True}))["binary"]
        True
    """
    if isinstance(source, str | Path):
        from ..loaders import skops

        return _of_fitted(skops.read(source), known=True)
    if isinstance(source, Mapping):
        return {"words": source}
    return _of_fitted(Fitted.of(source), known=isinstance(source, Fitted))


def has_words(fitted: Fitted) -> bool:
    """Return whether an estimator takes documents: a vectorizer, or a pipeline that begins with one.

    Example:
        >>> has_words(Fitted("LinearSVC", {})), has_words(Fitted("TfidfVectorizer", {}))
        (False, True)
    """
    first = _first(fitted)
    return first is not None and (first.kind in VECTORIZERS or first.kind == "HashingVectorizer")


def _first(fitted: Fitted) -> Fitted | None:
    """Return the first step of a pipeline that does anything; an estimator that is none is its own."""
    while fitted.kind == "Pipeline":
        steps = fitted.get("steps", ())
        held = [step[1] for step in steps if isinstance(step, tuple) and len(step) == 2]
        done = [step for step in held if step is not None and step != "passthrough"]
        if not done or not isinstance(done[0], Fitted):
            return None
        fitted = done[0]
    return fitted


def _of_fitted(fitted: Fitted, *, known: bool) -> dict[str, Any]:
    """Return what an estimator counts; ``known`` where only known patterns are compiled."""
    first = _first(fitted)
    if first is None or first.kind not in (*VECTORIZERS, "HashingVectorizer"):
        begins = "" if first is None or first is fitted else f" that begins with {first.kind}"
        raise ParameterError(
            f"{fitted.kind}{begins} has no vocabulary: give a CountVectorizer, a TfidfVectorizer, or a pipeline that "
            "begins with one"
        )
    if first.kind == "HashingVectorizer":
        raise UnsupportedError(
            "HashingVectorizer has no vocabulary: a column of it is not one word; fit a CountVectorizer"
        )
    analyzer = first.get("analyzer", "word")
    if not (isinstance(analyzer, str) and analyzer == "word"):
        raise UnsupportedError(
            f"{first.kind}: analyzer={_shown(analyzer)} counts no words; documents are split by "
            "analyzer='word', and counts may be explained with lrp.neuralise.explain_sparse"
        )
    accents = first.get("strip_accents")
    for name in FUNCTIONS:
        if first.get(name) is not None and not (name == "strip_accents" and isinstance(accents, str)):
            raise UnsupportedError(
                f"{first.kind}: its {name} is a function of its own, which is not called; its counts may be explained "
                "with lrp.neuralise.explain_sparse"
            )
    pattern = first.get("token_pattern")
    if known and "token_pattern" in first and not (isinstance(pattern, str) and pattern in PATTERNS):
        raise UnsupportedError(
            f"{first.kind}: the token pattern {str(pattern)[:80]!r} is none of the well-known ones, and patterns of a "
            "file are not compiled, as one may run for ever; if you trust it, give BagOfWords(…, token_pattern=…)"
        )
    if "vocabulary_" not in first:
        raise ParameterError(f"{first.kind} has no vocabulary_: fit it first")
    same = ("lowercase", "strip_accents", "token_pattern", "ngram_range", "binary")
    found = {name: first[name] for name in same if name in first}
    return {"words": first["vocabulary_"], "stop_words": _stop_words(first), **found}


def _stop_words(first: Fitted) -> frozenset[str]:
    """Return the stop words, as far as they change what is counted.

    Those called "english" are scikit-learn's list. A vocabulary of single words that was learned has none of them.
    """
    given = first.get("stop_words")
    if given is None:
        return frozenset()
    if isinstance(given, str):
        if given != "english":
            raise ParameterError(f"{first.kind}: stop_words={given!r}; 'english', a list or None are known")
        if first.get("ngram_range", (1, 1)) == (1, 1) and first.get("fixed_vocabulary_", True) is False:
            return frozenset()
        purpose = "know its English stop words, which a vectorizer of n-grams leaves out"
        found: frozenset[str] = require(
            "sklearn.feature_extraction.text", extra="sklearn", purpose=purpose
        ).ENGLISH_STOP_WORDS
        return found
    if not isinstance(given, tuple | list | set | frozenset) or any(not isinstance(word, str) for word in given):
        raise ParameterError(f"{first.kind}: its stop words are no list of texts")
    return frozenset(given)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else "a function"
