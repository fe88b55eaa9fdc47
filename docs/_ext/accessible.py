"""What the theme and the notebooks leave open for keyboards and screen readers."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

# A label in the place of what a button says is not what a reader sees (WCAG 2.5.3).
REPLACED = {'<summary aria-label="Toggle hidden content">': "<summary>"}


def _mend(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    for found, better in REPLACED.items():
        context["body"] = context.get("body", "").replace(found, better)


def setup(app: Sphinx) -> dict[str, Any]:
    """Mend the body of each page, and add the program that makes scrolling blocks reachable."""
    app.add_js_file("site.js", loading_method="defer")
    app.connect("html-page-context", _mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
