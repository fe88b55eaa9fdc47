"""One HTML file of parts: markup, style, modules, a JSON header and arrays, which asks the network for nothing."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

ASSETS = files("lrp_ref.pages") / "assets"
IMPORT = re.compile(r'^\s*(?:import|export)\b[^;]*?from\s+"lrp/([\w-]+\.js)";', re.M)
# A page may run what stands in it and nothing else; modules are data: URLs, a runtime is a blob:.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data: blob:{wasm}; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src data: blob:; worker-src blob:"
)


def document(
    *,
    title: str,
    body: str,
    start: str,
    header: Any = None,
    blocks: Mapping[str, bytes] | None = None,
    styles: Iterable[str] = ("page.css",),
    wasm: bool = False,
) -> str:
    """Return a page as text.

    Args:
        title: plain text.
        body: HTML in which every text from a model or a file is escaped.
        start: the module of ``assets/`` that the page runs, such as "inspector.js"; what it imports comes along.
        header: a JSON value, which ``header()`` of blocks.js returns.
        blocks: bytes by name, which ``bytes(name)`` and ``floats(name)`` of blocks.js return.
        styles: files of ``assets/``.
        wasm: whether the page runs WebAssembly.
    """
    urls = {f"lrp/{name}": f"data:text/javascript;base64,{_base64(asset(name).encode())}" for name in modules(start)}
    policy = POLICY.format(wasm=" 'wasm-unsafe-eval'" if wasm else "")
    style = "\n".join(asset(name) for name in styles)
    packed = "".join(
        f'<script type="application/octet-stream" id="block-{escape(name)}">'
        f"{_base64(gzip.compress(data, 9, mtime=0))}</script>\n"
        for name, data in (blocks or {}).items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="header">{script_json(header)}</script>\n{packed}'
        f'<script type="importmap">{script_json({"imports": urls})}</script>\n'
        f'<script type="module">import "lrp/{start}";</script>\n</body></html>\n'
    )


def modules(start: str) -> list[str]:
    """Return the module and all that it imports, each once, sorted by name."""
    found, open_ = {start}, [start]
    while open_:
        for name in IMPORT.findall(asset(open_.pop())):
            if name not in found:
                found.add(name)
                open_.append(name)
    return sorted(found)


def asset(name: str) -> str:
    """Return the text of a file of ``assets/``."""
    return (ASSETS / name).read_text(encoding="utf-8")


def script_json(value: Any) -> str:
    """Return a value as JSON that may stand in a script element: it has no ``<``."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def little_endian(array: Any, dtype: str = "<f4") -> bytes:
    """Return an array's numbers in C order as bytes, float32 unless said otherwise."""
    return np.ascontiguousarray(array).astype(dtype).tobytes()


def framed(page: str, *, title: str, height: int) -> str:
    """Return a page as an element for a notebook or another page, in which it has a document of its own.

    Args:
        page: of :func:`document`.
        title: what the frame shows, for those who hear it.
        height: in CSS pixels.
    """
    return (
        f'<iframe title="{escape(title)}" srcdoc="{escape(page)}" loading="lazy" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
