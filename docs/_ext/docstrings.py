"""Docstrings as the package writes them, made reStructuredText: |x|, a*b and x_ are no markup there."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

# What stays as it is: literals, roles, a literal block's colons.
KEPT = re.compile(r"``.*?``|:[a-z:]+:`[^`]*`|`[^`]*`_?")
MARKS = re.compile(r"(?<!\\)([*|])|(?<=\w)_(?!\w)")
EXAMPLE = re.compile(r"^\s*(>>>|\.\.\.)")


def plain(line: str) -> str:
    """Return a line in which stars, bars and final underscores stand for themselves."""
    parts, kept = [], 0
    for found in KEPT.finditer(line):
        parts += [MARKS.sub(r"\\\g<0>", line[kept : found.start()]), found[0]]
        kept = found.end()
    return "".join([*parts, MARKS.sub(r"\\\g<0>", line[kept:])])


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    code = False
    for k, line in enumerate(lines):
        code = bool(EXAMPLE.match(line)) or (code and bool(line.strip()))
        if not code:
            lines[k] = plain(line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Change docstrings before their sections are read, which happens at priority 500."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
