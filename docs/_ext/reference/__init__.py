"""The reference, made at build time into docs/reference from the registries of rules, layers, methods and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _generate(app: Sphinx) -> None:
    from .generate import generate  # here, since tests read the examples without Sphinx

    generate()


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages before any is read."""
    app.connect("builder-inited", _generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
