"""Pages and sources that lie outside docs/: links to them lead to pages of the site.

What GitHub shows is not touched: links are rewritten while a page is read, and pages such as CONTRIBUTING.md are
copied, with their links rewritten, into ``docs/reference/project``. A source file, or each file of a folder, that a
page links to is shown on a page in ``docs/reference/source``. Git ignores ``docs/reference``.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from written import write

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = {
    "README.md": "readme",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "models/README.md": "models",
    "lrp_ref/vectors/v1/README.md": "vectors-format",
}
PARTS = re.compile(r"(^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ ]*$)", re.M | re.S)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
GITHUB_MATH = re.compile(r"\$`([^`]+)`\$")


def prose(text: str, change: Callable[[str], str]) -> str:
    """Return a page with its text changed, and its fenced blocks as they are."""
    parts, kept = [], 0
    for fence in PARTS.finditer(text):
        parts += [change(text[kept : fence.start()]), fence[0]]
        kept = fence.end()
    return "".join([*parts, change(text[kept:])])


def place(path: PurePosixPath) -> PurePosixPath:
    """Return the page of the site, relative to the project, for a path that a page names.

    Raises:
        ExtensionError: there is none.
    """
    if path.parts[0] == "docs":
        return path
    if str(path) in PAGES:
        return PurePosixPath("docs/reference/project", f"{PAGES[str(path)]}.md")
    source = PurePosixPath("docs/reference/source")
    if (ROOT / path).is_dir():
        return source / path / "index.md"
    if path.suffix == ".py" or path.name == "LICENSE":
        return source / f"{path}.md"
    raise ExtensionError(f"a page links to {path}, for which the site has no page (docs/_ext/outside.py)")


def rewritten(text: str, page: PurePosixPath, shown: PurePosixPath) -> str:
    """Return a page whose links lead to pages of the site.

    Args:
        text: Markdown as on GitHub.
        page: where it lies, relative to the project.
        shown: where the site has it, relative to the project.
    """

    def link(found: re.Match[str]) -> str:
        target = PurePosixPath(os.path.normpath(page.parent / found[1]))
        if not (ROOT / target).exists():  # what is made at build time, such as live.html, is linked as it is
            return found[0]
        return os.path.relpath(place(target), shown.parent) + (found[2] or "")

    def change(part: str) -> str:
        return GITHUB_MATH.sub(r"$\1$", LINK.sub(link, part))

    return prose(text, change)


def _written_pages() -> Iterator[tuple[PurePosixPath, str]]:
    generated = {"node_modules", "_build", "reference"}
    for path in [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]:
        relative = path.relative_to(ROOT)
        if not generated & set(relative.parts):
            yield PurePosixPath(relative.as_posix()), path.read_text(encoding="utf-8")


def _linked() -> set[PurePosixPath]:
    found = set()
    for page, text in _written_pages():

        def note(part: str, page: PurePosixPath = page) -> str:
            found.update(PurePosixPath(os.path.normpath(page.parent / target)) for target, _ in LINK.findall(part))
            return part

        prose(text, note)
    return {p for p in found if p.parts[0] != "docs" and str(p) not in PAGES and (ROOT / p).exists()}


def _first_sentence(path: Path) -> str:
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(told.split("\n\n")[0].split())


def _source_page(path: PurePosixPath) -> None:
    page = ROOT / "docs" / "reference" / "source" / f"{path}.md"
    language = "python" if path.suffix == ".py" else "text"
    source = os.path.relpath(ROOT / path, page.parent)
    write(page, f"---\norphan: true\n---\n# {path}\n\n```{{literalinclude}} {source}\n:language: {language}\n```\n")


def _folder_page(folder: PurePosixPath) -> None:
    files = sorted((ROOT / folder).glob("*.py"))
    rows = [f"| [{f.name}]({f.name}.md) | {_first_sentence(f)} |" for f in files]
    text = "\n".join([f"# {folder}", "", "| file | what |", "| --- | --- |", *rows])
    write(ROOT / "docs" / "reference" / "source" / folder / "index.md", f"---\norphan: true\n---\n{text}\n")
    for file in files:
        _source_page(folder / file.name)


def _generate(app: Sphinx) -> None:
    for name, title in PAGES.items():
        shown = PurePosixPath("docs/reference/project", f"{title}.md")
        text = (ROOT / name).read_text(encoding="utf-8")
        write(ROOT / shown, rewritten(text, PurePosixPath(name), shown))
    for path in sorted(_linked()):
        if (ROOT / path).is_dir():
            _folder_page(path)
        else:
            place(path)
            _source_page(path)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if not docname.startswith("reference/"):
        page = PurePosixPath("docs", f"{docname}.md")
        source[0] = rewritten(source[0], page, page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages before any is read, and rewrite the others while they are."""
    app.connect("builder-inited", _generate)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
