"""Formulas as HTML when the site is built: one Node process with KaTeX, no program at reading time.

``npm ci --prefix docs`` brings KaTeX; its style and fonts are copied into the site, and nothing of it is committed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

HERE = Path(__file__).parent
MODULES = HERE.parent / "node_modules"
LOGGER = logging.getLogger(__name__)

Formula = tuple[str, bool]  # LaTeX, whether it has lines of its own


def require_packages() -> None:
    """Raise one line that says what to run, where Node or a package of npm is missing.

    Raises:
        ExtensionError: they are.
    """
    if shutil.which("node") is None:
        raise ExtensionError("formulas need node, which is not installed (Debian: apt-get install nodejs npm)")
    if not (MODULES / "katex" / "dist" / "katex.min.css").is_file():
        raise ExtensionError(f"{MODULES} has no KaTeX; run: npm ci --prefix docs")


def render(formulas: Iterable[Formula]) -> dict[Formula, tuple[str | None, str | None]]:
    """Return the HTML of each formula, or what is wrong with it."""
    asked = sorted(set(formulas))
    if not asked:
        return {}
    done = subprocess.run(  # noqa: S603  this folder's program
        ["node", str(HERE / "formulas.mjs"), str(MODULES)],  # noqa: S607
        input=json.dumps(asked), capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    return dict(zip(asked, map(tuple, json.loads(done.stdout)), strict=True))


def _of(node: nodes.Node) -> Formula:
    latex, displayed = node.astext().strip(), isinstance(node, nodes.math_block)
    if displayed and r"\\" in latex and r"\begin" not in latex:  # rows of a docstring's formula
        latex = f"\\begin{{aligned}}\n{latex}\n\\end{{aligned}}"
    return latex, displayed


def _collect(app: Sphinx, doctree: nodes.document) -> None:
    found = {_of(n) for kind in (nodes.math, nodes.math_block) for n in doctree.findall(kind)}
    app.env.lrp_formulas[app.env.docname] = sorted(found)  # type: ignore[attr-defined]


def _begin(app: Sphinx, env: BuildEnvironment, _docnames: Any) -> None:
    if not hasattr(env, "lrp_formulas"):
        env.lrp_formulas = {}  # type: ignore[attr-defined]


def _forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    env.lrp_formulas.pop(docname, None)  # type: ignore[attr-defined]


def _merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: Any) -> None:
    env.lrp_formulas.update({d: other.lrp_formulas[d] for d in docnames if d in other.lrp_formulas})  # type: ignore[attr-defined]


def _render_all(app: Sphinx, env: BuildEnvironment) -> None:
    made = render(f for found in env.lrp_formulas.values() for f in found)  # type: ignore[attr-defined]
    for docname, found in env.lrp_formulas.items():  # type: ignore[attr-defined]
        for formula in found:
            if made[formula][1]:
                LOGGER.warning("KaTeX: %s: %s", made[formula][1], formula[0], location=docname)
    app.lrp_rendered = made  # type: ignore[attr-defined]


def _html(translator: Any, node: nodes.Node) -> str:
    rendered = translator.builder.app.lrp_rendered
    formula = _of(node)
    if formula not in rendered:
        rendered.update(render([formula]))
    html, error = rendered[formula]
    return html or f"<code>{escape(formula[0])} ({escape(error or '')})</code>"


def _inline(translator: Any, node: nodes.Node) -> None:
    translator.body.append(_html(translator, node))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.Node) -> None:
    attributes = {"class": "math-block"}
    translator.body.append(translator.starttag(node, "div", "", **attributes))
    translator.body.append(_html(translator, node) + "</div>\n")
    raise nodes.SkipNode


def _copy(app: Sphinx) -> None:
    require_packages()
    source, target = MODULES / "katex" / "dist", Path(app.outdir) / "_static" / "katex"
    (target / "fonts").mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "katex.min.css", target)
    for font in (source / "fonts").glob("*.woff2"):
        shutil.copy(font, target / "fonts")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer and its stages."""
    app.add_html_math_renderer("formulas", (_inline, None), (_block, None))
    app.add_css_file("katex/katex.min.css")
    app.connect("builder-inited", _copy)
    app.connect("env-before-read-docs", _begin)
    app.connect("env-purge-doc", _forget)
    app.connect("doctree-read", _collect)
    app.connect("env-merge-info", _merge)
    app.connect("env-updated", _render_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
