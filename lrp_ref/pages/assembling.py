"""One HTML file of parts: markup, style, modules, a JSON header and arrays, which asks the network for nothing."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ..base.files import replace_file
from ..errors import ParameterError

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
    title = plain("title", title)
    policy = POLICY.format(wasm=" 'wasm-unsafe-eval'" if wasm else "")
    style = "\n".join(asset(name) for name in styles)
    packed = "".join(
        f'<script type="application/octet-stream" id="block-{escape(name)}">'
        f"{_base64(gzip.compress(data, 9, mtime=0))}</script>\n"
        for name, data in (blocks or {}).items()
    )
    return encodable(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="header">{script_json(header)}</script>\n{packed}'
        f'<script type="importmap">{script_json({"imports": urls})}</script>\n'
        f'<script type="module">import "lrp/{start}";</script>\n</body></html>\n'
    )


def write(path: str | Path, page: str, *, reads: Iterable[Path] = ()) -> Path:
    """Write a page in UTF-8, whole or not at all, and return its path.

    Args:
        path: of the file.
        page: of :func:`document`.
        reads: files that the page is made from, none of which is written over.

    Raises:
        ParameterError: the path is a folder, lies in none, or is one of ``reads``.
        OSError: the file cannot be written.
    """
    where = Path(path)
    if "\0" in str(where) or where.is_dir():
        raise ParameterError(
            f"{str(path)!r} is {'a folder' if where.is_dir() else 'no name of a file'}: a page is a file"
        )
    if not where.parent.is_dir():
        raise ParameterError(f"{where}: there is no folder {where.parent}; make it first")
    if where.resolve() in {one.resolve() for one in reads}:
        raise ParameterError(f"{where}: the page is made from this file; choose another one")
    replace_file(where, lambda stream: stream.write(page.encode()))
    return where


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


def encodable(text: str) -> str:
    """Return a text that UTF-8 can hold: half a letter, which a name may have, becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def plain(name: str, value: Any) -> str:
    """Return a text that was given.

    Raises:
        ParameterError: it is no text.
    """
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a text, got {type(value).__name__}")
    return value


def names(what: str, given: Any) -> tuple[str, ...]:
    """Return names that were given, numbers among them as texts.

    Raises:
        ParameterError: one text in place of several, or nothing that has an order.

    Example:
        >>> names("classes", np.array([0, 1]))
        ('0', '1')
    """
    if isinstance(given, str | bytes | set | frozenset | dict):
        raise ParameterError(f"{what} must be a list of names, got {type(given).__name__} {given!r:.60}")
    try:
        return tuple(str(one) for one in given)
    except TypeError as error:
        raise ParameterError(f"{what} must be a list of names, got {type(given).__name__}") from error


def framed(page: str, *, title: str, height: int) -> str:
    """Return a page as an element for a notebook or another page, in which it has a document of its own.

    Args:
        page: of :func:`document`.
        title: what the frame shows, for those who hear it.
        height: in CSS pixels.

    Raises:
        ParameterError: a height that is no number above 0.
    """
    if isinstance(height, bool) or not isinstance(height, int | float) or not 0 < height < float("inf"):
        raise ParameterError(f"height {height!r}: give a number of pixels, such as 640")
    return encodable(
        f'<iframe title="{escape(plain("title", title))}" srcdoc="{escape(page)}" loading="lazy" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
