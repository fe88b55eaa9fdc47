"""What a run found, as tables of text and as JUnit XML."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import tables
from .compare import FAIL, OTHER, PASS, SKIP, STATUSES, UNSUPPORTED, XFAIL, XPASS, Result
from .places import place_of, rule_of
from .program import is_address
from .reasons import told
from .runner import FAILURES, Report

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SKIPPED = (UNSUPPORTED, SKIP, XFAIL, OTHER)
HEADINGS = {OTHER: "other option"}
RIGHT, RULE_RIGHT = range(1, 2 + len(STATUSES)), range(1, 8)
NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def headings() -> list[str]:
    """Return the heads of the table per group."""
    return ["group", "cases", *(HEADINGS.get(s, s) for s in STATUSES)]


def by_group(report: Report) -> dict[str, list[Result]]:
    """Return the results of each group, in the order of the files."""
    found: dict[str, list[Result]] = {}
    for result in report.results:
        found.setdefault(result.case.group, []).append(result)
    return found


def group_rows(report: Report) -> list[list[str]]:
    """Return the rows of the table per group, with a last one for all groups if there are several."""
    groups = by_group(report)
    if len(groups) > 1:
        groups["all"] = list(report.results)
    rows = []
    for name, results in groups.items():
        counts = Counter(r.status for r in results)
        rows.append([name, str(len(results)), *(str(counts[s]) if counts[s] else "" for s in STATUSES)])
    return rows


def rule_headings() -> list[str]:
    """Return the heads of the table per rule."""
    return ["rule", "cases", "pass", "fail", "refused", "unsupported", "skip", HEADINGS[OTHER], "refused with"]


def rule_rows(report: Report) -> list[list[str]]:
    """Return the rows of the table per rule, the group faulty left out; expected failures are failures here.

    A case is refused if the program raised an exception in place of an answer.
    """
    rules: dict[str, list[Result]] = {}
    for result in report.results:
        if not result.case.refuse:
            rules.setdefault(rule_of(result.case), []).append(result)
    rows = []
    for rule, results in rules.items():
        errors = Counter(r.refused for r in results if r.refused)
        refused, statuses = errors.total(), Counter(r.status for r in results)
        fails = statuses[FAIL] + statuses[XFAIL] - refused
        counts = [statuses[PASS] + statuses[XPASS], fails, refused, *(statuses[s] for s in (UNSUPPORTED, SKIP, OTHER))]
        names = ", ".join(f"{name} {n}" for name, n in errors.most_common())
        rows.append([rule, str(len(results)), *(str(n or "") for n in counts), names])
    return rows


def failure_lines(report: Report, limit: int) -> list[str]:
    """Return three lines for each of the first ``limit`` failures: the case, what is wrong, whose numbers it has."""
    why = reasons_by_case(report)
    lines = []
    for result in report.failures[:limit]:
        lines.append(f"{result.status.upper()} {result.case.id}")
        lines += [f"  {line}" for line in wrong_lines(result, why)]
    more = len(report.failures) - limit
    return [*lines, f"and {more} more failures (--limit, --junit)"] if more > 0 else lines


def wrong_lines(result: Result, why: Mapping[str, str]) -> list[str]:
    """Return what is wrong, and what is known of it by case (see ``reasons_by_case``)."""
    return [line for line in (result.difference, why.get(result.case.id, "")) if line]


def reasons_by_case(report: Report) -> dict[str, str]:
    """Return what is known of a wrong number, by case."""
    found: dict[str, list[str]] = {}
    for reason in report.reasons:
        for case in (*reason.cases, *reason.together):
            found.setdefault(case, []).append(" or ".join(reason.names))
    known = {case: f"the numbers of {' and '.join(names)}" for case, names in found.items()}
    known |= {r.case.id: "the numbers of the reasons of its layers" for r in report.verdict.predicted}
    return known | {r.case.id: "none of the faults known" for r in report.unexplained}


def summary_lines(report: Report) -> list[str]:
    """Return what there is to say about all cases: options met, what is unsupported, named reasons, the verdict."""
    lines = [f"alternatives: {topic} is {option}" for topic, option in report.options.items()]
    for status in (UNSUPPORTED, SKIP):
        missing = Counter(r.reason or "no reason given" for r in report.results if r.status == status)
        lines += [f"{status}: {reason} ({count})" for reason, count in missing.most_common(10)]
    lines += [f"reason: {reason}" for reason in report.reasons]
    left, slight = report.unexplained, report.verdict.slight
    if left:
        places = Counter(place_of(r.case) for r in left)
        where = "; ".join(f"{told([place])} ({n})" for place, n in places.most_common(5))
        more = f"; and {len(places) - 5} more places" if len(places) > 5 else ""
        lines.append(f"unexplained: none of the faults known explains {cases(len(left))}: {where}{more}")
        lines.append(f"  the first is {left[0].case.id}")
    if report.verdict.predicted:
        lines.append(
            f"networks: {cases(len(report.verdict.predicted))} with the numbers of these reasons in their layers"
        )
    if report.verdict.follow:
        lines.append(
            f"networks: {cases(len(report.verdict.follow))} wrong in a way not predicted, with layers as above"
        )
    if slight:
        most = max(r.part for r in slight)
        lines.append(
            f"slight: {cases(len(slight))} off by at most {most:.2g} of the largest relevance, too little to tell"
        )
    refused = Counter(r.refused for r in report.results if r.refused)
    lines += [f"refused: {cases(n)} with {name}" for name, n in refused.most_common(5)]
    return [*lines, asked(report), verdict(report)]


def asked(report: Report) -> str:
    """Return who was asked which vectors, as a line."""
    program = report.program
    address = f", issues: {program.issues}" if program.issues else ""
    return f"asked: {program}{address}; {report.release}"


def cases(count: int) -> str:
    """Return a number of cases in words.

    Example:
        >>> cases(1), cases(2)
        ('1 case', '2 cases')
    """
    return f"{count} case{'s' if count != 1 else ''}"


def verdict(report: Report) -> str:
    """Return the last line: whether it holds, and the number nearest to its tolerance."""
    counts, total = report.counts, len(report.results)
    if report.failures:
        kinds = {"fail": counts[FAIL], "pass unexpectedly": counts[XPASS]}
        return f"{total} cases in {report.dtype}: {' and '.join(f'{n} {kind}' for kind, n in kinds.items() if n)}"
    if not report.holds:
        return f"{total} cases in {report.dtype}: nothing was checked, every case is unsupported or left out"
    worst = max((r.times for r in report.results if r.times is not None and not r.differs), default=0.0)
    kept = [f"{n} {HEADINGS.get(s, s)}" for s, n in counts.items() if n and s not in FAILURES]
    return f"{total} cases in {report.dtype}: {', '.join(kept)}; largest difference {worst:.2g} of its tolerance"


def text(report: Report, *, limit: int = 20) -> str:
    """Return the whole report as text.

    Args:
        report: of a run.
        limit: of failures that are told in full.

    Example:
        >>> from lrp_ref import vectors
        >>> report = vectors.run(lambda case: {"refused": "no"}, cases=vectors.load(groups=["faulty"])[:1])
        >>> text(report).splitlines()[-1]
        '1 cases in float64: 1 pass; largest difference 0 of its tolerance'
    """
    parts = [
        tables.text(headings(), group_rows(report), right=tuple(RIGHT)),
        tables.text(rule_headings(), rule_rows(report), right=tuple(RULE_RIGHT)),
    ]
    parts += ["\n".join(lines) for lines in (failure_lines(report, limit), summary_lines(report)) if lines]
    return "\n\n".join(parts)


def write_junit(report: Report, path: str | Path) -> None:
    """Write JUnit XML, a test suite per group: under a temporary name first, then renamed.

    Unsupported cases, those that are left out, expected failures and options that were not chosen are skipped tests.
    Each suite has properties that say which program was asked which vectors; a test, the issue that it is left out for.
    """
    from xml.etree import ElementTree

    path = Path(path)
    tree = ElementTree.ElementTree(_suites(report))
    ElementTree.indent(tree)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            tree.write(stream, encoding="utf-8", xml_declaration=True)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _suites(report: Report) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    title = NOT_XML.sub("?", f"{report.release} {report.dtype}: {report.program}")
    root = Element("testsuites", {"name": title, **_totals(list(report.results))})
    why = reasons_by_case(report)
    for group, results in by_group(report).items():
        suite = SubElement(root, "testsuite", {"name": group, **_totals(results)})
        _properties(suite, _about(report))
        for r in results:
            where = f"lrp-vectors.{r.case.file.removesuffix('.json').replace('/', '.')}"
            test = SubElement(suite, "testcase", classname=where, name=r.case.id, time=f"{r.seconds:.4f}")
            if r.status == SKIP and is_address(r.reason):
                _properties(test, {"issue": r.reason})
            message = NOT_XML.sub("?", r.difference)
            if r.status in FAILURES:
                failure = SubElement(test, "failure", type=r.status, message=message)
                failure.text = NOT_XML.sub("?", "\n".join(failure_text(r, why)))
            elif r.status in SKIPPED:
                SubElement(test, "skipped", message=NOT_XML.sub("?", f"{r.status}: {r.reason}"))
    return root


def _about(report: Report) -> dict[str, str]:
    """Return what is known of the run, as properties."""
    told = {f"program.{k}": v for k, v in asdict(report.program).items()}
    vectors = {f"vectors.{k}": v for k, v in asdict(report.release).items()}
    return {k: v for k, v in {**told, **vectors, "dtype": report.dtype}.items() if v}


def _properties(element: Element, found: Mapping[str, str]) -> None:
    from xml.etree.ElementTree import SubElement

    properties = SubElement(element, "properties")
    for name, value in found.items():
        SubElement(properties, "property", name=name, value=NOT_XML.sub("?", value))


def failure_text(result: Result, why: Mapping[str, str]) -> list[str]:
    """Return what is known of a failure, as lines."""
    return [line for line in (result.case.note, *wrong_lines(result, why)) if line]


def _totals(results: list[Result]) -> dict[str, str]:
    skipped = sum(r.status in SKIPPED for r in results)
    failures = sum(r.status in FAILURES for r in results)
    seconds = sum(r.seconds for r in results)
    return {
        "tests": str(len(results)), "failures": str(failures), "errors": "0", "skipped": str(skipped),
        "time": f"{seconds:.3f}",
    }  # fmt: skip
