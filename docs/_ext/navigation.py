"""The navigation beside every page, made once: captions, pages, and within a section its own pages.

The theme would copy the whole tree for every page, which takes minutes with this many. Headings get the level that
screen readers ask for.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

Entry = tuple[str, str]  # title, name of the page


def sections(env: BuildEnvironment, docname: str) -> list[tuple[str, list[Entry]]]:
    """Return the captions of a page's tables of contents, with the pages below each."""
    found = []
    for tree in env.tocs[docname].findall(addnodes.toctree):
        pages = [(title or env.titles[name].astext(), name) for title, name in tree["entries"] if name in env.titles]
        found.append((tree.get("caption") or "", pages))
    return found


def tree(app: Sphinx, docname: str) -> str:
    """Return the navigation as one page has it."""
    parts = []
    for caption, pages in sections(app.env, app.config.root_doc):
        parts.append(
            f'<p class="caption" role="heading" aria-level="2"><span class="caption-text">{escape(caption)}</span></p>'
        )
        parts.append(f"<ul>{''.join(_item(app, docname, entry, 1) for entry in pages)}</ul>")
    return "\n".join(parts)


def _item(app: Sphinx, docname: str, entry: Entry, level: int) -> str:
    title, name = entry
    below = [page for _, pages in sections(app.env, name) for page in pages] if level == 1 else []
    inside = docname == name or docname in {n for _, n in below}
    kinds = f"toctree-l{level}" + (" current" if inside else "") + (" current-page" if docname == name else "")
    here = ' aria-current="page"' if docname == name else ""
    link = "#" if docname == name else app.builder.get_relative_uri(docname, name)
    lower = f"<ul>{''.join(_item(app, docname, page, level + 1) for page in below)}</ul>" if inside and below else ""
    return f'<li class="{kinds}"><a class="reference internal"{here} href="{link}">{escape(title)}</a>{lower}</li>'


def _no_tree(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    context["toctree"] = lambda **_: ""


def _own_tree(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    context["furo_navigation_tree"] = tree(app, pagename)


def _one_document(app: Sphinx, doctree: nodes.document) -> None:
    """Let go of the documents in which docstrings were parsed: they would be stored with every page."""
    for node in doctree.findall():
        if node is not doctree:
            node.document = doctree


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the own tree in the place of the theme's, which is made at priority 500."""
    app.connect("doctree-read", _one_document)
    app.connect("html-page-context", _no_tree, priority=400)
    app.connect("html-page-context", _own_tree, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
