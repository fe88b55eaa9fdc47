"""What the pages of the reference have in common: docstrings, tables, lists of vectors and of tests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from lrp_ref.vectors import Case

from .latex import latex
from .worked import Worked, shown

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"


def documented(name: str) -> str:
    """Return the block that shows the docstring of a class, with its members."""
    return f"```{{eval-rst}}\n.. autoclass:: {name}\n   :members:\n   :show-inheritance:\n```"


def first_sentence(kind: Any) -> str:
    """Return the first paragraph of a docstring as Markdown."""
    told = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    told = re.sub(r":[a-z]+:`~?([^`]*)`", r"``\1``", told)
    parts = re.split(r"(``.*?``)", told)
    return "".join(p[1:-1] if p.startswith("``") else re.sub(r"([*_|<\[\]$])", r"\\\1", p) for p in parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"(?<!\\\\)\|", r"\\|", cell) for cell in line) + " |" for line in lines)


def raw(html: str) -> str:
    """Return HTML as a block of a page."""
    return f"````{{raw}} html\n{html}\n````"


def index(title: str, kind: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the page that lists all of a kind.

    Args:
        title, kind: plural and singular.
        head, rows: of the table; the first cell is a link.
    """
    links = "```{toctree}\n:hidden:\n" + "\n".join(row[0].split("[")[1].split("]")[0] for row in rows) + "\n```"
    told = (
        f"Every {kind} has a page with its docstring, its formula, numbers that this build computed, and the vectors "
        "or tests that prove it."
    )
    return f"# {title}\n\n{told}\n\n{table(head, rows)}\n\n{links}"


def formula(text: str) -> str:
    """Return a formula: in LaTeX unless it has words, and as the package prints it."""
    drawn = latex(text)
    return (f"```math\n{drawn}\n```\n\n" if drawn else "") + f"```text\n{text}\n```"


def worked(done: Worked) -> str:
    """Return the numbers of an example as Markdown."""
    numbers = "in exact fractions" if done.exact else "in float64, four decimals"
    parts = [f"```python\n{done.code}\n```", f"The numbers, {numbers}, for relevance 1 at each output:", ""]
    rows = [("y" if len(done.outputs) == 1 else f"y, output {k}", f"`{shown(y)}`") for k, y in enumerate(done.outputs)]
    one = len(done.relevances) == 1
    rows += [("R_i" if one else f"R_i of operand {k}", f"`{shown(r)}`") for k, r in enumerate(done.relevances)]
    parts.append(table(("", ""), rows))
    parts.append(
        "\nEvery message $R_{i \\leftarrow j}$ from an output j to an input i, in C order; each column adds up to its "
        "$R_j$, and what does not reach an input is in a row of its own:\n"
    )
    parts.append(raw(f'<div class="worked">{done.table._repr_html_()}</div>'))
    return "\n".join(parts)


def place(case: Case) -> str:
    """Return the name of the page with a vector, such as ``core-dense``."""
    return case.file.removesuffix(".json").replace("/", "-")


def anchor(case: Case) -> str:
    """Return the anchor of a vector on its page."""
    return re.sub(r"[^\w-]", "-", case.id)


def proof(cases: Sequence[Case], names: Sequence[str]) -> str:
    """Return which vectors prove a rule, layer or method, and which tests name it.

    Args:
        cases: those in which it takes part.
        names: how tests call it.
    """
    said = f"Tests that name it: {', '.join(f'`{path}`' for path in naming(tuple(names)))}."
    if not cases:
        return f"No vector has it. {said}"
    items = "".join(f'<li><a href="../vectors/{place(c)}.html#{anchor(c)}">{escape(c.id)}</a></li>\n' for c in cases)
    count = f"{len(cases)} conformance vectors have it" if len(cases) > 1 else "One conformance vector has it"
    listed = f'<ul class="vectors">\n{items}</ul>'
    if len(cases) > 12:
        listed = f"<details><summary>Their names</summary>\n{listed}</details>"
    return f"{count}, with the exact answer. {said}\n\n{raw(listed)}"


@cache
def _tests() -> tuple[tuple[str, frozenset[str]], ...]:
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        words = re.findall(r"\w+", path.read_text(encoding="utf-8"))
        found.append((path.relative_to(ROOT).as_posix(), frozenset(words)))
    return tuple(found)


def naming(names: tuple[str, ...], most: int = 6) -> list[str]:
    """Return the test files that name a class or a method, those of its own folder first."""
    found = [path for path, words in _tests() if words & set(names)]
    own = [p for p in found if p.startswith(("tests/core/", "tests/methods/", "tests/literal/"))]
    rest = [p for p in found if p not in own]
    return (own + rest)[:most] + (["…"] if len(found) > most else [])
