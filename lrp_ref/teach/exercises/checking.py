"""Run a learner's function on the cases of an exercise and say what is wrong, in one sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ...base import tables
from .exercise import Case, Exercise
from .sheets import exercise

HINTED = 24  # so many failing cases are compared with the known mistakes
LONG = 240  # characters of an array that is shown
WRONG, ENDLESS = "the numbers are wrong", "it returns NaN or infinity: something is divided by 0"


@dataclass(frozen=True, eq=False)
class Failure:
    """The first case that fails.

    Attributes:
        case: what was asked.
        got: what was returned; None where nothing was.
        sentence: what is wrong with it.
        hint: which mistake has these numbers; "" where none is known.
    """

    case: Case
    got: Any
    sentence: str
    hint: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What became of the cases of an exercise; true where all of them pass.

    Attributes:
        name: of the exercise.
        passed, of: number of cases.
        failure: the first one that fails, or None.
        quiet: whether only one line is shown.
    """

    name: str
    passed: int
    of: int
    failure: Failure | None = None
    quiet: bool = False

    def __bool__(self) -> bool:
        return self.failure is None and self.passed == self.of > 0

    @property
    def line(self) -> str:
        """The result in one line."""
        if self:
            return f"{self.name}: passed, {self.passed} of {self.of} cases"
        sentence = "" if self.failure is None else f": {self.failure.sentence}"
        return f"{self.name}: not yet, {self.passed} of {self.of} cases pass{sentence}"

    def _rows(self) -> list[list[str]]:
        if self.failure is None:
            return []
        case = self.failure.case
        rows = [["case", case.name], *([name, _show(value)] for name, value in case.arguments.items())]
        rows += [["expected", _show(case.expected)], ["got", _show(self.failure.got)]]
        return [*rows, ["hint", self.failure.hint]] if self.failure.hint else rows

    def __repr__(self) -> str:
        rows = [] if self.quiet else self._rows()
        wide = max((len(name) for name, _ in rows), default=0)
        told = [f"  {name:{wide}}  {value.replace(chr(10), chr(10) + ' ' * (wide + 4))}" for name, value in rows]
        return "\n".join([self.line, *told])

    def _repr_html_(self) -> str:
        mark = "✓" if self else "✗"
        table = "" if self.quiet or self else tables.html(["", "first case that fails"], self._rows())
        return f"<div><p><strong>{mark} {escape(self.line)}</strong></p>{table}</div>"


def check(name: str, function: Callable[..., Any], *, quiet: bool = False) -> Result:
    """Return how a function does on the cases of an exercise: conformance vectors, and drawn ones with exact answers.

    It passes only with finite numbers of the right shape that are right in every case, and with arguments that are left
    as they were.

    Args:
        name: of the exercise; :func:`sheet` lists them.
        function: the learner's; its arguments are passed by position.
        quiet: show one line only, without the case that fails.

    Raises:
        ParameterError: an exercise that does not exist.
        TypeError: something that cannot be called.

    Example:
        >>> check("taylor_terms", lambda w, x, root: w * (x - root))
        taylor_terms: passed, 12 of 12 cases
        >>> check("taylor_terms", lambda w, x, root: w * x, quiet=True)
        taylor_terms: not yet, 0 of 12 cases pass: the numbers are wrong
    """
    asked = exercise(name)
    if not callable(function):
        raise TypeError(f"check('{name}', …) needs a function {asked.signature}, got {type(function).__name__}")
    cases = asked.cases()
    failures = [f for f in (_asked(case, function) for case in cases) if f is not None]
    if not failures:
        return Result(name, len(cases), len(cases), quiet=quiet)
    first = failures[0]
    told = Failure(first.case, first.got, first.sentence, _hint(asked, failures))
    return Result(name, len(cases) - len(failures), len(cases), told, quiet)


def _asked(case: Case, function: Callable[..., Any]) -> Failure | None:
    """Return what is wrong with the answer to one case; None where it is right."""
    given = copy.deepcopy(dict(case.arguments))
    try:
        with np.errstate(all="ignore"):
            answer = function(*given.values())
    except (Exception, SystemExit) as error:  # whatever a learner's function raises is told, not passed on
        return Failure(case, None, f"it raises {type(error).__name__}: {_text(error, str)}")
    changed = [k for k, v in case.arguments.items() if not _same(v, given[k])]
    if answer is None:
        return Failure(case, None, "it returns nothing: the line with return is missing")
    try:
        raw = np.asarray(answer)
        with np.errstate(all="ignore"):
            got = raw.astype(np.float64) if raw.dtype.kind in "bifuO" else None
    except Exception:  # an object may do anything when it is asked for numbers
        got = None
    if got is None:
        return Failure(case, answer, f"it returns {type(answer).__name__}, which is not an array of real numbers")
    if got.shape != case.expected.shape:
        return Failure(case, got, f"it returns the shape {got.shape}, the answer has the shape {case.expected.shape}")
    if not np.isfinite(got).all():
        return Failure(case, got, ENDLESS)
    if changed:
        return Failure(case, got, f"it changes its argument {changed[0]}: work on a copy")
    return None if case.near(got) else Failure(case, got, WRONG)


def _same(before: Any, after: Any) -> bool:
    return bool(np.array_equal(np.asarray(before), np.asarray(after)))


def _hint(asked: Exercise, failures: list[Failure]) -> str:
    """Return the sentence of the mistake whose numbers are those of every failing case, or ""."""
    seen = [f for f in failures if f.sentence == WRONG][:HINTED]
    if not seen:
        return (
            "a denominator is 0 here: 0/0 := 0, and with an ε sgn(0) = +1"
            if all(f.sentence == ENDLESS for f in failures)
            else ""
        )
    for sentence, wrong in asked.wrong.items():
        if all(_answers(wrong, f.case.arguments, f.got) for f in seen):
            return sentence
    if all(_close(f.got, -f.case.expected) for f in seen):
        return "all signs are reversed"
    factors = [_factor(f) for f in seen]
    if None not in factors and _close(np.array(factors), np.full(len(factors), factors[0])):
        return f"every number is {factors[0]:.6g} times the right one"
    known = set.intersection(*({k for k, v in f.case.faults.items() if _close(f.got, v)} for f in seen))
    return f"these are the numbers of the known fault “{min(known)}” (lrp-ref vectors list --flags)" if known else ""


def _factor(failure: Failure) -> float | None:
    """Return c where got = c · expected, or None."""
    expected, got = failure.case.expected.ravel(), failure.got.ravel()
    square = float(expected @ expected)
    c = float(expected @ got) / square if square else 0.0
    return c if c and _close(got, c * expected) else None


def _answers(wrong: Callable[..., Any], arguments: Mapping[str, Any], got: Any) -> bool:
    """Return whether a mistake has these numbers."""
    try:
        with np.errstate(all="ignore"):
            answer = np.asarray(wrong(*copy.deepcopy(list(arguments.values()))), dtype=np.float64)
    except (ValueError, IndexError):  # shapes in which the mistake cannot be made
        return False
    return _close(got, answer)


def _close(got: Any, answer: Any) -> bool:
    return bool(np.shape(got) == np.shape(answer) and np.allclose(got, answer, rtol=1e-6, atol=1e-9))


def _show(value: Any) -> str:
    shown = (
        np.array2string(value, separator=", ", formatter={"float_kind": "{:.6g}".format})
        if isinstance(value, np.ndarray)
        else _text(value, repr)
    )
    return shown if len(shown) <= LONG else f"{shown[:LONG]}…"


def _text(value: Any, how: Callable[[Any], str]) -> str:
    """Return an object of a learner in words that can be printed, also where it has none."""
    try:
        words = how(value)[: LONG + 1]
    except Exception:  # it is the learner's own
        words = f"a {type(value).__name__} that cannot be shown"
    return words.encode("utf-8", "replace").decode("utf-8")
