"""A page for every file of conformance vectors, with question and exact answer of each case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Any

from lrp_ref.vectors import Case

from .parts import anchor, place, raw, table

EXPECTED = ("relevance_in", "ledger", "values", "relevance")
ASKED = ("layer", "network", "inputs", "output", "rule", "rules", "relevance_out", "start", "choice")


def vector_pages(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every page, and of their table."""
    rows = []
    for file, group in groupby(cases, key=lambda case: case.file):
        listed = list(group)
        name = place(listed[0])
        told = (
            f"{len(listed)} cases of `lrp_ref/vectors/v1/{file}`. Numbers are fractions, or 20 digits where a function "
            "leaves the rationals; arrays are nested as their shape is. "
            "[The format](../project/vectors-format.md) says what the words mean."
        )
        yield name, "\n\n".join([f"# {file.removesuffix('.json')}", told, raw("\n".join(map(_case, listed)))])
        rows.append((f"[{file.removesuffix('.json')}]({name}.md)", str(len(listed)), listed[0].group))
    links = "```{toctree}\n:hidden:\n" + "\n".join(row[0].split("](")[1][:-4] for row in rows) + "\n```"
    guide = "[How to check an implementation](../../vectors.md)"
    told = f"Every conformance vector: what is asked, and the exact answer. {guide}."
    yield "index", f"# Vectors\n\n{told}\n\n{table(('file', 'cases', 'group'), rows)}\n\n{links}"


def _case(case: Case) -> str:
    answer = "".join(_row(key, case.body[key]) for key in EXPECTED if case.body.get(key) is not None)
    if case.refuse:
        answer = "<tr><th>expected</th><td>an error, and no numbers</td></tr>"
    asked = "".join(_row(key, case.body[key]) for key in ASKED if case.body.get(key) is not None)
    return (
        f'<section class="vector" id="{anchor(case)}"><h2>{escape(case.id)}</h2><p>{escape(case.note)}</p>'
        f"<table><tbody>{asked}{answer}</tbody></table></section>"
    )


def _row(key: str, value: Any) -> str:
    return f"<tr><th>{escape(key)}</th><td><code>{escape(text(value))}</code></td></tr>"


def text(value: Any) -> str:
    """Return a value of a case on one line, an array as nested lists."""
    if isinstance(value, dict) and "decimal" in value:
        numbers = value["exact"] if value.get("exact") is not None else value["decimal"]
        return _nested(list(numbers), value["shape"]) if "shape" in value else str(numbers)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    return "none" if value is None else str(value)


def _nested(numbers: list[str], shape: Sequence[int]) -> str:
    if not shape:
        return numbers[0]
    size = len(numbers) // shape[0] if shape[0] else 0
    return "[" + ", ".join(_nested(numbers[k * size : (k + 1) * size], shape[1:]) for k in range(shape[0])) + "]"
