"""What one program answered to the vectors in one dtype: a row of the board, case by case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...dialects import Dialect
from ...errors import one_line
from ...vectors import Report, Result
from ...vectors.compare import OTHER, PASS, UNSUPPORTED, XPASS
from ...vectors.places import place_of
from ...vectors.program import Program
from .predicted import UNGUARDED, candidates, switches_of

DEPARTS, UNEXPLAINED = "departs", "unexplained"
STATUSES = (PASS, DEPARTS, UNSUPPORTED, UNEXPLAINED, OTHER)
LEFT_OUT = ("unsupported", "skip")
WHOLE = 6  # numbers of an answer that are told in full; of a longer one the number that is farthest off
LONGEST = 200  # characters of a message
SLIGHT = "too near the exact numbers to tell a cause"


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        id: of the case.
        rule, layer: see ``vectors.places``; the layer of a network is "networks".
        status: pass; departs (has the numbers of a named departure); unsupported; unexplained; other (another option
            of a convention than the one that the program has).
        dialects: ids of the departures; one that cannot be told from another is "a or b".
        reason: in words: what it has no means for, what it raised, why no cause is told.
        where: the number that is farthest off, "" where all are given.
        expected, got: numbers of the relevance of the inputs.
        choice: topic and option of a convention.
    """

    id: str
    rule: str
    layer: str
    status: str
    dialects: tuple[str, ...] = ()
    reason: str = ""
    where: str = ""
    expected: tuple[float, ...] = ()
    got: tuple[float, ...] = ()
    choice: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The ids alone: of "a or b" both."""
        return tuple(name for told in self.dialects for name in told.split(" or "))


@dataclass(frozen=True)
class Results:
    """A row of the board.

    Attributes:
        program: name, version, language and addresses.
        title: as its authors write it.
        dtype: of the run.
        vectors: version of the cases.
        date: of the run, as 2026-11-29.
        seconds: wall time of all cases, with the program's start.
        reproduce: the commands that make this row again.
        made: version of lrp_ref.
        options: the option that was met, by topic of the conventions.
        outcomes: one per case.
    """

    program: Program
    title: str
    dtype: str
    vectors: str
    date: str
    seconds: float
    reproduce: str
    made: str
    options: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one of: name, version, dtype."""
        return self.program.name, self.program.version, self.dtype

    @property
    def full_title(self) -> str:
        """Title and version."""
        return f"{self.title or self.program.name} {self.program.version}".strip()


def outcomes_of(report: Report, dialect: Dialect | None = None, title: str = "") -> tuple[Outcome, ...]:
    """Return what a report says, case by case, with the departures whose numbers each answer has.

    Args:
        report: of a run.
        dialect: of the program: what the vectors' files of faults do not explain is held against its switches.
        title: of the program: switches that are said of it are tried too.

    Example:
        >>> from lrp_ref import vectors
        >>> some = vectors.load(only=["core/small/AB-4/zplus"])
        >>> outcomes_of(vectors.run(lambda case: [np.array([[2 / 3, 0.0]])], cases=some))[0].got
        (0.6666666666666666, 0.0)
    """
    causes: dict[str, list[str]] = {}
    for reason in report.verdict.reasons:
        for name in (*reason.cases, *reason.together):
            causes.setdefault(name, []).extend(_told(reason.names))
    among = candidates(dialect, title) if dialect is not None else ()
    for r in report.results if dialect is not None else ():
        if r.case.id not in causes and r.differs and r.answer is not None:
            found = switches_of(r.case, r.answer, report.dtype, dialect, among, close=not r.visible)  # type: ignore[arg-type]
            causes[r.case.id] = list(found)
    slight = {result.case.id for result in report.verdict.slight}
    return tuple(
        _outcome(r, tuple(dict.fromkeys(causes.get(r.case.id, ()))), r.case.id in slight) for r in report.results
    )


def _told(names: tuple[str, ...]) -> list[str]:
    """Return the departures of a reason: of faults that act together each, of those that are one answer "a or b".

    Example:
        >>> _told(("ab-bias-full+zero-division-nan",)), _told(("absolute", "zero-division-nan"))
        (['ab-bias-full', 'zero-division-nan'], ['absolute or zero-division-nan'])
    """
    told = " or ".join(dict.fromkeys(names))
    return told.split("+") if " or " not in told else [told]


def _outcome(result: Result, causes: tuple[str, ...], slight: bool) -> Outcome:
    case, place = result.case, place_of(result.case)
    choice = f"{case.topic}: {case.option}" if case.topic else ""
    if result.status in LEFT_OUT:
        return Outcome(case.id, place.rule, place.kind, UNSUPPORTED, reason=_short(result.reason), choice=choice)
    if result.status in (PASS, XPASS):
        return Outcome(case.id, place.rule, place.kind, PASS, choice=choice)
    if len(causes) > 1 and result.answer is not None and all(np.isfinite(a).all() for a in result.answer.values()):
        causes = tuple(name for name in causes if name != UNGUARDED)  # found beside it in other cases
    aside = result.status == OTHER or (case.topic and not causes)  # a convention in which every option departs
    status = OTHER if aside else DEPARTS if causes else UNEXPLAINED
    reason = SLIGHT if slight and not causes else "" if result.differs else _short(result.reason)
    where, expected, got = _numbers(result) if result.differs else ("", (), ())
    return Outcome(case.id, place.rule, place.kind, status, causes, reason, where, expected, got, choice)


def _numbers(result: Result) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    """Return where an answer is off, what is expected and what there is: all numbers if they are few."""
    if result.answer is not None:
        right = result.case.expected()
        expected, got = (
            tuple(_flat(told[name] for name in result.case.inputs))
            for told in ({name: pair[0] for name, pair in right.items()}, result.answer)
        )
        if len(expected) <= WHOLE and len(expected) == len(got):
            return "", expected, got
    return result.where, (result.expected,), (result.got,)


def _flat(arrays: Iterator[Any]) -> Iterator[float]:
    for array in arrays:
        yield from np.asarray(array, dtype=np.float64).reshape(-1).tolist()


def _short(text: str) -> str:
    return one_line(text, LONGEST)
