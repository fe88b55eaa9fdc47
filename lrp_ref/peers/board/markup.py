"""Pieces of HTML that the board's pages share. What programs say is escaped, and only real addresses become links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from ...vectors.cases import DTYPES
from ...vectors.compare import PASS, UNSUPPORTED
from ...vectors.program import is_address
from .counts import TOLD
from .results import DEPARTS, UNEXPLAINED
from .style import STYLE

MARKS = {PASS: "✓", DEPARTS: "≠", UNEXPLAINED: "?", UNSUPPORTED: "–"}
MEANINGS = {
    PASS: "the exact answer",
    DEPARTS: "another answer, and it is known which: the numbers are those of a named departure",
    UNEXPLAINED: "another answer, or none, and no known departure gives it",
    UNSUPPORTED: "the program, or its adapter, has no means for it",
}


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page that loads nothing else."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def link(address: str, text: str) -> str:
    """Return a link where the address is one of the web, else the text.

    Example:
        >>> link("javascript:alert(1)", "<x>")
        '&lt;x&gt;'
    """
    if not is_address(address):
        return escape(text)
    return f'<a href="{escape(address)}" rel="nofollow noopener">{escape(text)}</a>'


def bar(found: Mapping[str, int]) -> str:
    """Return counts as a bar of their parts."""
    parts = "".join(f'<i class="{status}" style="flex:{n}"></i>' for status, n in found.items() if n)
    return f'<span class="bar" aria-hidden="true">{parts}</span>'


def tally(found: Mapping[str, int]) -> str:
    """Return counts with their marks, without those that are 0."""
    marks = "".join(
        f'<span class="mark {status}" title="{escape(words(status, n))}">{MARKS[status]} {n}</span>'
        for status, n in found.items()
        if n
    )
    return f'<span class="tally">{marks}</span>'


def words(status: str, n: int) -> str:
    """Return a count in words.

    Example:
        >>> words("departs", 3)
        '3 named departure'
    """
    return f"{n} {'named departure' if status == DEPARTS else status}"


def key() -> str:
    """Return what the marks mean."""
    items = "".join(
        f'<li><span class="mark {status}">{MARKS[status]}</span> {escape(MEANINGS[status])}</li>' for status in TOLD
    )
    return f'<ul class="key small">{items}</ul>'


def dtype_filter(dtypes: Iterable[str]) -> str:
    """Return a choice of dtype that works without scripts; nothing where there is one dtype alone."""
    known = [name for name in DTYPES if name in set(dtypes)]
    if len(known) < 2:
        return ""
    boxes = "".join(
        f'<label><input type="radio" name="dtype" id="{name}"{" checked" if not k else ""}> {text}</label>'
        for k, (name, text) in enumerate((*((name, name) for name in known), ("both", "both")))
    )
    return f'<fieldset class="filter"><legend>dtype</legend>{boxes}</fieldset>'


def only(dtype: str, dtypes: Iterable[str]) -> str:
    """Return the class that the choice of dtype hides; none where there is one dtype alone."""
    return f"only-{dtype}" if len(set(dtypes)) > 1 else ""


def kind_chip(kind: str) -> str:
    """Return how a departure is to be taken, as a small label."""
    return f'<span class="kind {escape(kind)}">{escape("not judged" if kind == "open" else kind)}</span>'
