"""One answer against the exact one: the result of a case, in multiples of its tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .adapters import Answer
from .cases import Case

PASS, FAIL, UNSUPPORTED, SKIP = "pass", "fail", "unsupported", "skip"
XFAIL, XPASS, OTHER = "xfail", "xpass", "other"
FLOAT32, VISIBLE = 2.0**-23, 1e-4
STATUSES = (PASS, FAIL, XFAIL, XPASS, UNSUPPORTED, SKIP, OTHER)


@dataclass(frozen=True, eq=False)
class Result:
    """What became of one case.

    Attributes:
        case: the case.
        status: pass; fail; unsupported; skip (left out for now); xfail (fails as listed); xpass (listed, but passes:
            counts as a failure); other (an alternative that the implementation has not chosen).
        reason: in words, where there are no numbers to compare, or why a failure is expected; of a skip it may be
            the address of an issue.
        times: the largest abs(difference) / tolerance, where numbers were compared; 1 is allowed.
        where: which number that is, such as ``input 0 [1, 2]``.
        expected, got: that number.
        seconds: that the answer took.
        visible: whether the relevance of the inputs is wrong by what a flag stands for (see :func:`is_visible`).
        part: how far the relevance of the inputs is off, as a part of its largest number, where it fails.
        answer: the relevance of the inputs as it was answered, by name, where it fails.
        refused: of a case that has an answer, the exception that was raised in place of one, or "refused"; else "".
    """

    case: Case
    status: str
    reason: str = ""
    times: float | None = None
    where: str = ""
    expected: float = 0.0
    got: float = 0.0
    seconds: float = 0.0
    visible: bool = False
    part: float = 0.0
    answer: Mapping[str, Any] | None = field(default=None, repr=False)
    refused: str = ""

    @property
    def differs(self) -> bool:
        """Whether numbers of the right shape were answered, and they are wrong."""
        return self.times is not None and not self.times <= 1

    @property
    def difference(self) -> str:
        """What is wrong, in words; "" where nothing is."""
        if self.differs:
            return (
                f"{self.where}: expected {self.expected:.9g}, got {self.got:.9g}; "
                f"difference / tolerance = {self.times:.3g}"
            )
        return self.reason

    def become(self, status: str, reason: str = "") -> Result:
        """Return the result with another status."""
        return replace(self, status=status, reason=reason or self.reason)


def judge(case: Case, answer: Answer, dtype: str) -> Result:
    """Return the result of ``case``.

    Formula: abs(r − expected) ≤ ulp·eps(dtype)·scale + tiny(dtype), for every number.

    Args:
        case: the case.
        answer: to its question.
        dtype: the run's: float64 or float32.

    Example:
        >>> from lrp_ref import vectors
        >>> case = vectors.load(groups=["core"])[0]
        >>> judge(case, Answer("unsupported", "no such layer"), "float64").status
        'unsupported'
    """
    if answer.kind in (UNSUPPORTED, SKIP):
        return Result(case, answer.kind, answer.reason)
    if case.refuse:
        if answer.kind == "refused":
            return Result(case, PASS, f"refused: {answer.reason}")
        return Result(case, FAIL, "answered instead of refusing")
    if answer.kind == "refused":
        return Result(case, FAIL, f"refused: {answer.reason}", refused=answer.error or "refused")
    got = _by_name(case, answer)
    expected = case.expected()
    wrong = _misfit(case, got, {name: value.shape for name, (value, _) in expected.items()})
    if wrong:
        return Result(case, FAIL, wrong)
    worst = Result(case, PASS, times=0.0)
    for name, (value, scale) in expected.items():
        array = got.get(name)
        if array is None:
            continue
        found = _farthest(case, name, value, array, case.ulp * scale, dtype)
        if found.times > 1:  # type: ignore[operator]  # of a network, the first departure of the walk back
            inputs = {name: got[name] for name in case.inputs}
            seen, part = is_visible(case, expected, got), part_of_largest(case, expected, got)
            return replace(found, visible=seen, part=part, answer=inputs)
        worst = max(worst, found, key=lambda r: r.times or 0.0)
    return worst


def is_visible(case: Case, expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Return whether some input's relevance is wrong by more than the float32 tolerance and 1e-4 of the largest.

    Flags are set by this measure, in every dtype: smaller differences are failures, but tell nothing of their reason.
    """
    largest = _largest(case, expected)
    for name in case.inputs:
        value, scale = expected[name]
        gap = np.abs(got[name] - value)
        if not (gap <= np.maximum(case.ulp * FLOAT32 * scale, VISIBLE * largest)).all():
            return True
    return False


def part_of_largest(case: Case, expected: Mapping[str, Any], got: Mapping[str, Any]) -> float:
    """Return the largest difference of the inputs' relevance as a part of the largest number that is expected."""
    gap = max((float(np.abs(got[n] - expected[n][0]).max(initial=0.0)) for n in case.inputs), default=0.0)
    return gap / (_largest(case, expected) or 1.0)


def _largest(case: Case, expected: Mapping[str, Any]) -> float:
    return max((float(np.abs(expected[n][0]).max(initial=0.0)) for n in case.inputs), default=0.0)


def _by_name(case: Case, answer: Answer) -> dict[str, Any]:
    """Return the arrays by the names of the case; a network with one input may be answered with one array."""
    arrays = dict(answer.arrays or {})
    if not answer.named and "network" in case.body and len(case.inputs) == len(arrays) == 1:
        return dict(zip(case.inputs, arrays.values(), strict=True))
    return arrays


def _misfit(case: Case, got: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> str:
    """Return what is wrong with names and shapes, or ""."""
    network = "network" in case.body
    missing = [name for name in case.inputs if got.get(name) is None]
    count = len(case.body.get("relevance_in", ()))
    if missing or (not network and len(got) != count):
        if network:
            return f"no relevance for input {', '.join(missing)}; answered: {', '.join(got)}"
        return f"{len(got)} arrays for {count} operands" if len(got) != count else f"no relevance {', '.join(missing)}"
    for name, shape in shapes.items():
        array = got.get(name)
        if array is not None and array.shape != shape:
            return f"{_place(case, name)}: expected shape {shape}, got {array.shape}"
    return ""


def _place(case: Case, name: str) -> str:
    return f"'{name}'" if "network" in case.body else f"input {name}"


def _farthest(case: Case, name: str, value: Any, got: Any, bound: Any, dtype: str) -> Result:
    """Return the result of the number that is farthest from its expected one, in multiples of its tolerance."""
    if not value.size:
        return Result(case, PASS, times=0.0)
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        times = np.abs(got - value) / (bound * float(limits.eps) + float(limits.tiny))
    times = np.where(np.isnan(times), np.inf, times)
    at = np.unravel_index(int(times.argmax()), times.shape)
    return Result(
        case,
        PASS if times[at] <= 1 else FAIL,
        times=float(times[at]),
        where=f"{_place(case, name)} [{', '.join(str(int(k)) for k in at)}]",
        expected=float(value[at]),
        got=float(got[at]),
    )
