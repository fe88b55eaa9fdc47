"""What a run found, as tables of text and as JUnit XML."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import tables
from .compare import FAIL, OTHER, STATUSES, UNSUPPORTED, XFAIL, XPASS, Result
from .runner import FAILURES, Report

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

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
        lines.append(f"  {result.difference}")
        if result.differs and result.case.catches:
            lines.append(f"  may be: {', '.join(result.case.catches)}")
    more = len(report.failures) - limit
    return [*lines, f"and {more} more failures (--limit, --junit)"] if more > 0 else lines


def summary_lines(report: Report) -> list[str]:
    """Return what there is to say about all cases: options met, what is unsupported, named reasons, the verdict."""
    lines = [f"alternatives: {topic} is {option}" for topic, option in report.options.items()]
    missing = Counter(r.reason or "no reason given" for r in report.results if r.status == UNSUPPORTED)
    lines += [f"unsupported: {reason} ({count})" for reason, count in missing.most_common(10)]
    failed = sum(r.status in (FAIL, XFAIL) for r in report.results)
    for reason in report.reasons:
        rest = failed - reason.failing
        beside = f" (beside {rest} that are alternatives, no numbers, or too slight to tell)" if rest else ""
        lines.append(f"reason{beside}: {reason}")
    lines.append(verdict(report))
    return lines


def verdict(report: Report) -> str:
    """Return the last line: whether it holds, and the number nearest to its tolerance."""
    counts, total = report.counts, len(report.results)
    if report.failures:
        kinds = {"fail": counts[FAIL], "pass unexpectedly": counts[XPASS]}
        return f"{total} cases in {report.dtype}: {' and '.join(f'{n} {kind}' for kind, n in kinds.items() if n)}"
    if not report.holds:
        return f"{total} cases in {report.dtype}: nothing was checked, every case is unsupported"
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

    Unsupported cases, expected failures and options that were not chosen are skipped tests.
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

    root = Element("testsuites", {"name": f"lrp-vectors {report.dtype}", **_totals(list(report.results))})
    for group, results in by_group(report).items():
        suite = SubElement(root, "testsuite", {"name": group, **_totals(results)})
        for r in results:
            where = f"lrp-vectors.{r.case.file.removesuffix('.json').replace('/', '.')}"
            test = SubElement(suite, "testcase", classname=where, name=r.case.id, time=f"{r.seconds:.4f}")
            message = NOT_XML.sub("?", r.difference)
            if r.status in FAILURES:
                failure = SubElement(test, "failure", type=r.status, message=message)
                failure.text = NOT_XML.sub("?", "\n".join(failure_text(r)))
            elif r.status in (UNSUPPORTED, XFAIL, OTHER):
                SubElement(test, "skipped", message=NOT_XML.sub("?", f"{r.status}: {r.reason}"))
    return root


def failure_text(result: Result) -> list[str]:
    """Return what is known of a failure, as lines."""
    flags = f"may be: {', '.join(result.case.catches)}" if result.differs and result.case.catches else ""
    return [line for line in (result.case.note, result.difference, flags) if line]


def _totals(results: list[Result]) -> dict[str, str]:
    skipped = sum(r.status in (UNSUPPORTED, XFAIL, OTHER) for r in results)
    failures = sum(r.status in FAILURES for r in results)
    seconds = sum(r.seconds for r in results)
    return {
        "tests": str(len(results)), "failures": str(failures), "errors": "0", "skipped": str(skipped),
        "time": f"{seconds:.3f}",
    }  # fmt: skip
