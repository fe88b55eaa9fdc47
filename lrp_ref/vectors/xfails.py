"""Expected failures: which cases they are, and what becomes of a case that is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import ModelFormatError, ParameterError, nearest
from .cases import Case, load
from .compare import FAIL, PASS, XFAIL, XPASS, Result

FLAG = "flag:"


def fits(pattern: str, case: Case) -> bool:
    """Return whether a case is meant: by its id, by a glob of ids, or as ``flag:NAME`` by one of its flags.

    Example:
        >>> from lrp_ref import vectors
        >>> case = vectors.load(only=["core/small/G-1"])[0]
        >>> fits("core/*/G-1", case), fits("flag:gamma-ignored", case), fits("flag:eps-rms", case)
        (True, True, False)
    """
    if pattern.startswith(FLAG):
        return any(fnmatchcase(flag, pattern.removeprefix(FLAG)) for flag in case.catches)
    return pattern == case.id or fnmatchcase(case.id, pattern)


def check_patterns(patterns: Iterable[str], cases: Iterable[Case], where: str = "xfails") -> None:
    """Raise unless every pattern fits a case, so that a list of expected failures cannot grow stale.

    Raises:
        ParameterError: with the nearest name that there is.
    """
    cases = tuple(cases)
    for pattern in patterns:
        if any(fits(pattern, case) for case in cases):
            continue
        if pattern.startswith(FLAG):
            known = {f"{FLAG}{flag}" for case in cases for flag in case.catches}
        else:
            known = {case.id for case in cases}
        near = nearest(pattern, known)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ParameterError(f"{where}: no case fits '{pattern}': {hint}see lrp-ref vectors list --cases")


def read_xfails(path: str | Path, cases: Iterable[Case] | None = None) -> dict[str, str]:
    """Return the reason of each id, glob or flag of a file: one a line, the reason behind ``#``.

    Args:
        path: of the file.
        cases: all cases there are; None for those of this package.

    Raises:
        ModelFormatError: no readable file.
        ParameterError: a line that names no case.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFormatError(f"{path}: not readable as text ({error})") from error
    known = load() if cases is None else tuple(cases)
    found = {}
    for number, line in enumerate(lines, start=1):
        pattern, _, reason = (part.strip() for part in line.partition("#"))
        if pattern:
            check_patterns([pattern], known, f"{path}, line {number}")
            found[pattern] = reason
    return found


def expect(result: Result, xfails: Mapping[str, str]) -> Result:
    """Return a failure or pass set against the expected failures: a listed case that passes is a failure too.

    Of several patterns that fit, the first gives the reason.
    """
    listed = [pattern for pattern in xfails if fits(pattern, result.case)]
    if not listed or result.status not in (PASS, FAIL):
        return result
    if result.status == FAIL:
        return result.become(XFAIL, xfails[listed[0]])
    named = " and ".join(f"'{pattern}'" for pattern in listed)
    lists = "lists" if len(listed) == 1 else "list"
    return result.become(XPASS, f"it passes, but {named} {lists} it as an expected failure: take the line out")
