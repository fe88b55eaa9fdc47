"""Run the vectors against an implementation; what fails is set against the list of expected failures and named."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..errors import unknown
from .adapters import Adapter, Function, PythonAdapter, load_function
from .cases import DTYPES, FORMAT, Case, Release, load
from .compare import FAIL, OTHER, PASS, SKIP, STATUSES, UNSUPPORTED, XFAIL, XPASS, Result, judge
from .finding import find_reasons
from .program import Program
from .reasons import Reason, Verdict
from .xfails import check_patterns, expect

FAILURES = (FAIL, XPASS)


@dataclass(frozen=True, eq=False)
class Report:
    """The results of a run.

    Attributes:
        results: one per case, in the order of the files.
        dtype: of the run.
        options: the option that was met, by topic of the alternatives.
        program: that was asked, as it says itself.
    """

    results: tuple[Result, ...]
    dtype: str
    options: Mapping[str, str]
    program: Program = field(default_factory=Program)

    @property
    def release(self) -> Release:
        """Of the vectors."""
        return next((r.case.release for r in self.results), Release())

    @property
    def counts(self) -> dict[str, int]:
        """Number of cases by status."""
        found = Counter(r.status for r in self.results)
        return {status: found[status] for status in STATUSES}

    @property
    def failures(self) -> tuple[Result, ...]:
        """What fails, and what passes though it is listed as an expected failure."""
        return tuple(r for r in self.results if r.status in FAILURES)

    @property
    def holds(self) -> bool:
        """Whether nothing fails and something was checked."""
        return not self.failures and any(r.status in (PASS, XFAIL) for r in self.results)

    @functools.cached_property
    def verdict(self) -> Verdict:
        """What is known of the failures, see ``find_reasons``."""
        return find_reasons(self.results, self.dtype)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The known faults that explain wrong numbers."""
        return self.verdict.reasons

    @property
    def unexplained(self) -> tuple[Result, ...]:
        """Visibly wrong numbers that none of the known faults explains."""
        return self.verdict.unexplained

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {status}" for status, n in self.counts.items() if n)
        return f"Report({len(self.results)} cases in {self.dtype}: {counts})"


def run(
    adapter: str | Function | Adapter | None = None,
    *,
    cases: Sequence[Case] | None = None,
    dtype: str = "float64",
    xfails: Mapping[str, str] | Iterable[str] = (),
    choose: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    step: Callable[[], None] = lambda: None,
) -> Report:
    """Ask an implementation all cases, and compare its answers with the exact ones.

    Args:
        adapter: a function of one case, its name ``module:function``, or an ``Adapter``; None for lrp_ref itself.
            The function returns an array, a list of them (one per operand), for a network a dict by name; it raises
            ``Unsupported`` for what the implementation does not have.
        cases: of :func:`load`; None for all.
        dtype: float64 or float32: of the arrays that are handed out, and of the tolerance.
        xfails: what is expected to fail: ids or globs of cases, or ``flag:NAME`` for all cases with a flag; a mapping
            gives the reasons.
        choose: the option that is asked for, by topic of the alternatives; else the one that is met.
        timeout: seconds per answer.
        step: called after every case.

    Raises:
        AdapterError: the adapter cannot be used.
        ParameterError: an unknown dtype, topic or option, or an expected failure that names no case.

    Example:
        >>> from lrp_ref import vectors
        >>> some = vectors.load(only=["core/dense/*"])
        >>> vectors.run(cases=some).holds
        True
        >>> wrong = vectors.run(lambda case: [0 * x for x in case["inputs"]], cases=some)
        >>> wrong.holds, wrong.counts["pass"] < len(some)
        (False, True)
    """
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    cases = load() if cases is None else tuple(cases)
    reasons = dict(xfails) if isinstance(xfails, Mapping) else dict.fromkeys(xfails, "")
    check_patterns(reasons, cases)
    choose = dict(choose or {})
    asked = adapter_of(adapter, timeout)
    try:
        check_choices(choose, cases)
        introduce(asked, cases)
        results = []
        for case in cases:
            begin = time.perf_counter()
            result = judge(case, asked.ask(case.question(dtype)), dtype)
            results.append(replace(result, seconds=time.perf_counter() - begin))
            step()
    finally:
        asked.close()
    options = choose_options(results, choose)
    settled = [settle(r, options) for r in results]
    program = getattr(asked, "program", None) or Program(type(asked).__name__)
    return Report(tuple(expect(r, reasons) for r in settled), dtype, options, program)


def adapter_of(adapter: str | Function | Adapter | None, timeout: float) -> Adapter:
    """Return something that can be asked."""
    if adapter is None:
        from .own import relevance

        return PythonAdapter(relevance, timeout)
    if isinstance(adapter, str):
        return PythonAdapter(load_function(adapter), timeout, adapter)
    return adapter if isinstance(adapter, Adapter) else PythonAdapter(adapter, timeout)


def introduce(adapter: Adapter, cases: Iterable[Case]) -> None:
    """Tell an adapter that can be told so which vectors it will be asked."""
    start, release = getattr(adapter, "start", None), next((c.release for c in cases), None)
    if start is not None and release is not None:
        start({"format": FORMAT, "version": release.version, "tag": release.tag})


# Alternatives ----------------------------------------------------------------------------------------------------


def check_choices(choose: Mapping[str, str], cases: Iterable[Case]) -> None:
    """Raise unless topics and options are those of the cases.

    Raises:
        ParameterError: with the ones there are.
    """
    known: dict[str, set[str]] = {}
    for case in cases:
        if case.topic:
            known.setdefault(case.topic, set()).add(case.option)
    for topic, option in choose.items():
        if topic not in known:
            raise unknown("topic", topic, known)
        if option not in known[topic]:
            raise unknown(f"option of {topic}", option, known[topic])


def choose_options(results: Iterable[Result], choose: Mapping[str, str]) -> dict[str, str]:
    """Return the option per topic: the given one, else the one whose cases all pass, else the one with most passes.

    Several options whose cases all pass (an implementation that honours the ``choice``) are joined by " and ".
    """
    topics: dict[str, dict[str, list[str]]] = {}
    for r in results:
        if r.case.topic:
            topics.setdefault(r.case.topic, {}).setdefault(r.case.option, []).append(r.status)
    chosen = {}
    for topic, options in topics.items():
        if not any(PASS in found or FAIL in found for found in options.values()):
            continue  # nothing of the topic is supported
        met = [name for name, found in options.items() if PASS in found and FAIL not in found]
        nearest = max(options, key=lambda name: (options[name].count(PASS), options[name].count(UNSUPPORTED)))
        chosen[topic] = choose.get(topic) or " and ".join(met) or nearest
    return chosen


def settle(result: Result, options: Mapping[str, str]) -> Result:
    """Set aside the options that were not chosen."""
    case = result.case
    if not case.topic or result.status in (UNSUPPORTED, SKIP):
        return result
    chosen = options[case.topic]
    return result if case.option in chosen.split(" and ") else result.become(OTHER, f"the option is {chosen}")
