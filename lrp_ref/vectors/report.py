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
from .compare import FAIL, OTHER, SKIP, STATUSES, UNSUPPORTED, XFAIL, XPASS, Result
from .program import is_address
from .runner import FAILURES, Report

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SKIPPED = (UNSUPPORTED, SKIP, XFAIL, OTHER)
HEADINGS = {OTHER: "other option"}
RIGHT = range(1, 2 + len(STATUSES))
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


def failure_lines(report: Report, limit: int) -> list[str]:
    """Return three lines for each of the first ``limit`` failures: the case, what is wrong, what it may be."""
    lines = []
    for result in report.failures[:limit]:
        lines.append(f"{result.status.upper()} {result.case.id}")
        lines += [f"  {line}" for line in wrong_lines(result)]
    more = len(report.failures) - limit
    return [*lines, f"and {more} more failures (--limit, --junit)"] if more > 0 else lines


def wrong_lines(result: Result) -> list[str]:
    """Return what is wrong, and what it may be."""
    flags = f"may be: {', '.join(result.case.catches)}" if result.differs and result.case.catches else ""
    return [line for line in (result.difference, flags) if line]


def summary_lines(report: Report) -> list[str]:
    """Return what there is to say about all cases: options met, what is unsupported, named reasons, the verdict."""
    lines = [f"alternatives: {topic} is {option}" for topic, option in report.options.items()]
    for status in (UNSUPPORTED, SKIP):
        missing = Counter(r.reason or "no reason given" for r in report.results if r.status == status)
        lines += [f"{status}: {reason} ({count})" for reason, count in missing.most_common(10)]
    failed = sum(r.status in (FAIL, XFAIL) for r in report.results)
    for reason in report.reasons:
        rest = failed - reason.failing
        beside = f" (beside {rest} that are alternatives, no numbers, or too slight to tell)" if rest else ""
        lines.append(f"reason{beside}: {reason}")
    lines += [asked(report), verdict(report)]
    return lines


def asked(report: Report) -> str:
    """Return who was asked which vectors, as a line."""
    program = report.program
    address = f", issues: {program.issues}" if program.issues else ""
    return f"asked: {program}{address}; {report.release}"


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
    parts = [tables.text(headings(), group_rows(report), right=tuple(RIGHT))]
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
                failure.text = NOT_XML.sub("?", "\n".join(failure_text(r)))
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


def failure_text(result: Result) -> list[str]:
    """Return what is known of a failure, as lines."""
    return [line for line in (result.case.note, *wrong_lines(result)) if line]


def _totals(results: list[Result]) -> dict[str, str]:
    skipped = sum(r.status in SKIPPED for r in results)
    failures = sum(r.status in FAILURES for r in results)
    seconds = sum(r.seconds for r in results)
    return {
        "tests": str(len(results)), "failures": str(failures), "errors": "0", "skipped": str(skipped),
        "time": f"{seconds:.3f}",
    }  # fmt: skip
