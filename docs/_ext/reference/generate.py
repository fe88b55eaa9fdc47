"""All pages of the reference, written into docs/reference."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from written import write

from lrp_ref import vectors

from .api import api_pages
from .methods_pages import method_pages
from .parts import REFERENCE
from .rules_layers import layer_pages, rule_pages
from .vectors_pages import vector_pages


def generate(target: Path = REFERENCE) -> None:
    """Write all pages, and remove those of names that are gone."""
    cases = vectors.load()
    kinds: dict[str, Iterable[tuple[str, str]]] = {
        "rules": rule_pages(cases),
        "layers": layer_pages(cases),
        "methods": method_pages(),
        "vectors": vector_pages(cases),
        "api": api_pages(),
    }
    for kind, pages in kinds.items():
        written = {write(target / kind / f"{name}.md", f"{text}\n") for name, text in pages}
        for path in (target / kind).iterdir():
            if path not in written:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
