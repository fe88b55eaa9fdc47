"""The lessons of docs/course as plain Python and as notebooks, linked at the top of each.

A script has the prose as comments, and prints what a notebook shows below a cell. It reads models by the paths of its
lesson, so that it runs in ``docs/course`` of a clone.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COURSE = Path(__file__).parents[1] / "course"
FRONT = re.compile(r"\A---\n.*?^---\n", re.M | re.S)
CELL = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S)
OPTIONS = re.compile(r"\A(?::[\w-]+:[^\n]*\n)+\n*|\A---\n.*?^---\n", re.M | re.S)
ADMONITION = re.compile(r"^:{3,}\{\w+\}[ ]*(.*)\n((?::[\w-]+:.*\n)*)", re.M)
CLOSING = re.compile(r"^:{3,}[ ]*\n?", re.M)
HEADING = re.compile(r"^# .*$", re.M)


def lessons() -> list[Path]:
    """Return the lessons in their order."""
    return sorted(COURSE.glob("[0-9][0-9]-*.md"))


def cells(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a lesson consists of, in its order: ("markdown", prose) and ("code", Python)."""
    text, kept = FRONT.sub("", text), 0
    for found in CELL.finditer(text):
        yield "markdown", _plain(text[kept : found.start()])
        yield "code", OPTIONS.sub("", found["body"]).rstrip()
        kept = found.end()
    yield "markdown", _plain(text[kept:])


def _plain(prose: str) -> str:
    """Return prose without the marks that only this site's Markdown has."""
    named = ADMONITION.sub(lambda found: f"**{found[1].strip()}.**\n\n" if found[1].strip() else "", prose)
    return CLOSING.sub("", named).strip()


def script(text: str, name: str) -> str:
    """Return a lesson as plain Python.

    Args:
        text: of the lesson.
        name: of its file, for the first line.
    """
    parts = [f"# {name} as plain Python. Run it in docs/course of a clone of lrp_ref, whose models it reads."]
    for kind, source in cells(text):
        if kind == "code":
            parts.append(shown(source))
        elif source:
            parts.append("\n".join(f"# {line}".rstrip() for line in source.splitlines()))
    return "\n\n".join(parts) + "\n"


def shown(code: str) -> str:
    """Return a cell that prints the value of its last expression, which a notebook shows."""
    body = ast.parse(code).body
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or code.endswith(";"):
        return code
    called = last.value.func if isinstance(last.value, ast.Call) else None
    if isinstance(called, ast.Name) and called.id == "print":
        return code
    lines = code.splitlines()
    expression = ast.unparse(last.value) if last.col_offset else "\n".join(lines[last.lineno - 1 : last.end_lineno])
    return "\n".join([*lines[: last.lineno - 1], f"print({expression.partition('  #')[0]})"])


def notebook(text: str) -> str:
    """Return a lesson as a Jupyter notebook without outputs."""
    made = []
    for k, (kind, source) in enumerate((k, s) for k, s in cells(text) if s):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{k}", "metadata": {}, "source": source}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _write(app: Sphinx, _error: Exception | None) -> None:
    target = Path(app.outdir) / "course"
    target.mkdir(exist_ok=True)
    for lesson in lessons():
        text = lesson.read_text(encoding="utf-8")
        (target / f"{lesson.stem}.py").write_text(script(text, lesson.name), encoding="utf-8")
        (target / f"{lesson.stem}.ipynb").write_text(notebook(text), encoding="utf-8")


def _link(app: Sphinx, docname: str, source: list[str]) -> None:
    folder, _, name = docname.rpartition("/")
    if folder == "course" and name[:2].isdigit():
        links = (
            f'<p class="lesson-files">Take it along: <a href="{name}.py" download>plain Python</a>, '
            f'<a href="{name}.ipynb" download>notebook</a>.</p>'
        )
        source[0] = HEADING.sub(lambda found: f"{found[0]}\n\n{links}\n", source[0], count=1)


def setup(app: Sphinx) -> dict[str, Any]:
    """Link the files where a lesson is read, and write them when the site is."""
    app.connect("source-read", _link)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
