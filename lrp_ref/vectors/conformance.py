"""A test of every case, for projects that test with pytest: one decorator.

    from lrp_ref.vectors import conformance

    @conformance(groups=["core"], xfails={"flag:gamma-bias": "we leave the bias out"})
    def test_lrp(case):
        return my_relevance(case)

A case of the alternatives is no test by itself, since one option of a topic has to be met: there is one test per topic.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

from ..errors import LrpError, ParameterError, require, unknown
from .adapters import AdapterError, Answer, answer_of
from .cases import DTYPES, Case, load
from .compare import PASS, SKIP, UNSUPPORTED, XFAIL, judge
from .report import reasons_by_case, wrong_lines
from .runner import FAILURES, Report, check_choices, choose_options, settle
from .xfails import check_patterns, expect

F = TypeVar("F", bound=Callable[..., Any])
ARGUMENT = "case"
ANY = "some-case-is-answered"


@dataclass(frozen=True, eq=False)
class Item:
    """What one test asks: a case, or all cases of a topic; ``any`` asks until one is answered."""

    id: str
    cases: tuple[Case, ...]
    any: bool = False


@dataclass(frozen=True, eq=False)
class Habit:
    """What the decorator was given."""

    function: Callable[..., Any]
    dtype: str
    xfails: Mapping[str, str]
    choose: Mapping[str, str]


@overload
def conformance(function: F, /) -> F: ...
@overload
def conformance(
    *,
    groups: Iterable[str] = (),
    only: Iterable[str] = (),
    xfails: Mapping[str, str] | None = None,
    dtype: str = "float64",
    choose: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
) -> Callable[[F], F]: ...
def conformance(
    function: Any = None,
    /,
    *,
    groups: Iterable[str] = (),
    only: Iterable[str] = (),
    xfails: Mapping[str, str] | None = None,
    dtype: str = "float64",
    choose: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
) -> Any:
    """Make a pytest test of every case out of an adapter.

    The function, or method of a class, has a parameter ``case``; others are fixtures. It returns the relevance and
    raises ``Unsupported`` or ``Skip`` as an adapter does (see :func:`run`): both skip the test, as ``pytest.skip``
    does. An exception fails the test, and passes it where a case is to be refused. The cases of a topic are one
    test ``alternatives/TOPIC``, which passes if all cases of one option do. One more test fails if no case at all is
    answered.

    Args:
        function: the function, where there is nothing else to say (``@conformance``).
        groups: which groups; none for all.
        only: globs of case ids; none for all.
        xfails: what is expected to fail, with the reason: ids or globs of cases, or ``flag:NAME`` for all cases with a
            flag. They are strict: a listed case that passes fails, and a pattern that fits no case is an error.
        dtype: float64 or float32.
        choose: the option that has to be met, by topic; else one of them.
        folder: of other vectors than those of this package.

    Raises:
        ParameterError: an unknown name, no case selected, a pattern that fits no case, or what is decorated is no
            function with a parameter ``case``.
        ModelFormatError: no readable vectors.
        MissingExtraError: pytest is not installed.

    Example:
        >>> from lrp_ref.vectors import Unsupported
        >>> @conformance(only=["core/dense/*"], xfails={"flag:gamma-bias": "we leave the bias out"})
        ... def test_lrp(case):
        ...     raise Unsupported(case["layer"]["type"])
        >>> [mark.name for mark in test_lrp.pytestmark]
        ['parametrize']
    """
    if function is not None and not inspect.isfunction(function):
        raise ParameterError(f"conformance decorates a function or a method, not {_kind(function)}")
    everything = load(folder)
    cases = load(folder, groups=groups, only=only)
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    check_choices(choose or {}, cases)
    if xfails is not None and not isinstance(xfails, Mapping):
        raise ParameterError("xfails: give a dict, pattern: reason")
    check_patterns(xfails or {}, everything)
    items = items_of(cases)

    def decorate(function: Any) -> Any:
        return _decorated(Habit(function, dtype, dict(xfails or {}), dict(choose or {})), items)

    return decorate if function is None else decorate(function)


def items_of(cases: Sequence[Case]) -> list[Item]:
    """Return the tests: of every case, of every topic, and whether there is an answer at all.

    Example:
        >>> from lrp_ref import vectors
        >>> [item.id for item in items_of(vectors.load(only=["core/small/G-1", "alternatives/gamma/*"]))]
        ['core/small/G-1', 'alternatives/gamma-signs', 'some-case-is-answered']
    """
    topics: dict[str, list[Case]] = {}
    for case in cases:
        topics.setdefault(f"alternatives/{case.topic}" if case.topic else case.id, []).append(case)
    return [*(Item(name, tuple(found)) for name, found in topics.items()), Item(ANY, tuple(cases), any=True)]


def _decorated(habit: Habit, items: list[Item]) -> Any:
    function = habit.function
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise ParameterError(f"conformance decorates a function or a method, not {_kind(function)}")
    name = function.__qualname__
    if ARGUMENT not in inspect.signature(function).parameters:
        raise ParameterError(f"conformance: {name} has no parameter '{ARGUMENT}'")
    pytest = require("pytest", extra="test", purpose="make tests of the cases")

    @functools.wraps(function)
    def test(*arguments: Any, **fixtures: Any) -> None:
        __tracebackhide__ = True
        item = fixtures.pop(ARGUMENT, None)
        if not isinstance(item, Item):
            raise LrpError(f"{name}: only pytest calls it, and not as a method of unittest.TestCase")

        def ask(question: dict[str, Any]) -> Any:
            return function(*arguments, **{ARGUMENT: question}, **fixtures)

        (_ask_for_any if item.any else _ask_all)(habit, item, ask)

    mark = pytest.mark.parametrize(ARGUMENT, [pytest.param(item, id=item.id) for item in items])
    return mark(test)


def _kind(found: Any) -> str:
    if inspect.isclass(found):
        return f"the class {found.__name__}: decorate its methods"
    if isinstance(found, staticmethod | classmethod):
        return f"a {type(found).__name__}: put it below @{type(found).__name__}"
    if inspect.iscoroutinefunction(found):
        return f"the coroutine {found.__name__}: answer in a function, such as by asyncio.run"
    return f"a {type(found).__name__}"


def _ask_all(habit: Habit, item: Item, ask: Callable[[dict[str, Any]], Any]) -> None:
    """Ask all cases of a test, and let pytest know what became of them."""
    __tracebackhide__ = True
    import pytest

    answers = [_answer(ask, case, habit.dtype, pytest) for case in item.cases]
    results = [judge(*pair, habit.dtype) for pair in zip(item.cases, answers, strict=True)]
    options = choose_options(results, habit.choose)
    settled = [expect(settle(r, options), habit.xfails) for r in results]
    failures = [r for r in settled if r.status in FAILURES]
    listed = [r for r in settled if r.status == XFAIL]
    if listed and not failures:
        pytest.xfail(listed[0].reason or "it is listed as an expected failure")
    if failures or listed:  # with --runxfail pytest goes on
        wrong = {r.case.id for r in failures or listed}
        told = [r for r in (settled if failures else results) if r.case.id in wrong]
        cause = next((a.cause for case, a in zip(item.cases, answers, strict=True) if case.id in wrong), None)
        _fail(_told(Report(tuple(told), habit.dtype, options)), cause, pytest)
    if not any(r.status == PASS for r in settled):
        left = next((r for r in settled if r.status in (UNSUPPORTED, SKIP)), settled[0])
        pytest.skip(f"{left.status}: {left.reason or 'no reason given'}")


def _ask_for_any(habit: Habit, item: Item, ask: Callable[[dict[str, Any]], Any]) -> None:
    """Fail if every case is unsupported or left out: nothing would be tested, and every test be skipped."""
    import pytest

    for case in item.cases:
        question = case.question(habit.dtype)
        if answer_of(ask, question, _place(question)).kind in ("relevance", "refused"):
            return
    pytest.fail(f"none of the {len(item.cases)} cases is answered: all are unsupported or left out", pytrace=False)


def _answer(ask: Callable[[dict[str, Any]], Any], case: Case, dtype: str, pytest: Any) -> Answer:
    """Return the answer; what cannot be one fails the test."""
    question = case.question(dtype)
    try:
        return answer_of(ask, question, _place(question))
    except pytest.skip.Exception as skipped:
        return Answer("skip", str(skipped))
    except AdapterError as error:
        pytest.fail(str(error), pytrace=False)
        raise


def _place(question: Mapping[str, Any]) -> str:
    return f"the test's function, on {question['id']}"


def _told(failures: Report) -> str:
    """Return what is wrong, as the runner says it: first the numbers, which pytest's summary shows."""
    why, lines = reasons_by_case(failures), list[str]()
    for topic in dict.fromkeys(r.case.topic for r in failures.results if r.case.topic):
        lines.append(f"no option of {topic} is met in all its cases; compared with {failures.options[topic]}:")
    for result in failures.results:
        first, *rest = wrong_lines(result, why)
        lines += [f"{result.case.id}: {first}" if result.case.topic else first, *rest]
        lines += [result.case.note] if result.case.note else []
    return "\n".join([*lines, f"{failures.release}, {failures.dtype}"])


def _fail(message: str, cause: Exception | None, pytest: Any) -> None:
    """Fail the test; with the traceback of an exception, if there was one."""
    if cause is None:
        pytest.fail(message, pytrace=False)
    raise pytest.fail.Exception(message) from cause
