"""Badges: a row in one line, in the format that shields.io reads from an address. Counts, no percentage."""

from __future__ import annotations

import json

from ...vectors.compare import PASS
from .counts import counts, departures
from .known import DEFECT, note
from .results import DEPARTS, UNEXPLAINED, Results

LABEL = "LRP vectors"


def badge(row: Results) -> str:
    """Return a row's badge as JSON.

    Example:
        >>> from ...vectors.program import Program
        >>> json.loads(badge(Results(Program("p", "1"), "p", "float64", "", "", 0.0, "", "")))["message"]
        '0 pass'
    """
    found = counts(row.outcomes)
    words = [f"{found[PASS]} pass"]
    words += [f"{found[DEPARTS]} named"] if found[DEPARTS] else []
    words += [f"{found[UNEXPLAINED]} unexplained"] if found[UNEXPLAINED] else []
    told = {"schemaVersion": 1, "label": f"{LABEL} {row.dtype}", "message": " · ".join(words), "color": colour(row)}
    return json.dumps(told, ensure_ascii=False) + "\n"


def colour(row: Results) -> str:
    """Return the badge's colour: what is unexplained, then defects, then departures, then nothing to say."""
    found = counts(row.outcomes)
    if found[UNEXPLAINED]:
        return "orange"
    kinds = {note(name, row.program.name).kind for d in departures(row.outcomes) for name in d.names}
    if DEFECT in kinds:
        return "yellow"
    if found[DEPARTS]:
        return "yellowgreen"
    return "brightgreen" if found[PASS] else "lightgrey"


def badge_name(row: Results, slug: str) -> str:
    """Return the name of a row's badge."""
    return f"{slug}-{row.dtype}.json"


def markdown_badge(row: Results, slug: str) -> str:
    """Return what a README writes to show a badge; SITE is where the pages are served."""
    return f"![{LABEL}](https://img.shields.io/endpoint?url=https://SITE/badges/{badge_name(row, slug)})"
