"""The inspector: one explanation, or several to choose from and compare, as one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, heatmap
from ..base.files import replace_file
from ..base.tables import html as table_html
from ..base.tables import number
from ..errors import ParameterError
from ..heatmap.colours import DEFAULT, paint
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from .assembling import document, framed
from .payload import Shown, View, Words, view
from .provenance import provenance
from .store import Store

SMALL, LARGE = 300_000, 2_000_000  # bytes of a page about an input of few numbers (a digit), and of others
FEW_NUMBERS = 4096
MOST_VIEWS = 24  # explanations on one page
PALETTES = (DEFAULT, "purple-orange")  # the second for those who cannot tell the first apart; never red and green
FILLED, MARGIN = 3, 4000  # how often room is looked for, and what is never filled
COLOURS = 511  # of a palette: the middle one is exactly that of 0


def page(
    e: Explanation,
    *,
    against: Explanation | None = None,
    classes: Sequence[str] = (),
    image: Any = None,
    features: Sequence[str] = (),
    words: Words | None = None,
    title: str | None = None,
    budget: int | None = None,
    command: str = "",
) -> str:
    """Return the page of an explanation as text; arguments and errors as of ``Explanation.to_html``, and further

    Args:
        features: names of the numbers of a vector, or of the channels of a series.
        words: of a text, with their relevance.
        command: what makes the page again, for its last section; "" for the Python line.
    """
    several = e.samples > 1
    shown = []
    for k in range(min(e.samples, MOST_VIEWS)):
        for number_, one in enumerate((e,) if against is None else (e, against)):
            said = [f"sample {k}"] if several else []
            said += [one.asked(k, classes)] if k < one.samples else []
            said += [f"{one.rules}"] if against is not None else []
            if k >= one.samples:
                raise ParameterError(f"against explains {one.samples} samples, the explanation {e.samples}")
            picture = (
                image[k] if several and image is not None and np.ndim(image) > 2 and len(image) == e.samples else image
            )
            shown.append(Shown(one.sample(k), " · ".join(said), classes, picture, features, words, sample=str(k)))
    return assembled(
        shown, title=title or _title(e, classes), budget=budget, command=command, left_out=e.samples - MOST_VIEWS,
        compare=against is not None,
    )  # fmt: skip


def inspector(e: Explanation, *, height: int = 860, **options: Any) -> str:
    """Return the page of an explanation as an element for a notebook, in a frame of its own; options of :func:`page`.

    Args:
        e: the explanation.
        height: of the frame in CSS pixels.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((2, 3)))])
        >>> inspector(lrp.explain(net, np.ones((1, 2)), composite="lrp0"))[:21]
        '<iframe title="output'
    """
    made = page(e, **options)
    return framed(made, title=options.get("title") or _title(e, options.get("classes", ())), height=height)


def write(path: str | Path, text: str) -> Path:
    """Write a page in UTF-8, whole or not at all, and return its path."""
    where = Path(path)
    replace_file(where, lambda stream: stream.write(text.encode()))
    return where


def assembled(
    shown: Sequence[Shown],
    *,
    title: str,
    budget: int | None = None,
    command: str = "",
    compare: bool = False,
    left_out: int = 0,
) -> str:
    """Return the page of several explanations.

    Args:
        shown: what can be chosen from, the first one first.
        title: plain text.
        budget: bytes of the page.
        command: what makes it again.
        compare: whether the second is set against the first when the page opens.
        left_out: how many further explanations are not on it.

    Raises:
        ParameterError: not even the least that a page has fits into ``budget``.
        NonFiniteError: relevance that is NaN or infinite.
    """
    allowed = budget if budget is not None else usual_budget(shown)
    header = {
        "title": title,
        "version": __version__,
        "palettes": {name: paint(np.linspace(-1, 1, COLOURS), name).tobytes().hex() for name in PALETTES},
        "signs": {name: list(heatmap.sign_colours(name)) for name in PALETTES},
        "compare": 1 if compare else None,
        "provenance": provenance(shown[0].e, command),
    }
    tables = _without_script(shown[0])
    empty = len(_document(title, header, [], Store(), tables))
    extra = max(allowed - empty, 0.0)
    for _ in range(8):
        store = Store()
        views = [view(one, store, 0.75 * (allowed - empty) * (k + 1) / len(shown)) for k, one in enumerate(shown)]
        for _ in range(FILLED):  # what is there twice, or zero, takes less than was expected
            size = len(_document(title, header, views, store, tables).encode())
            _fill(views, min(allowed - size - MARGIN, extra))
        _say_left(views, left_out)
        text = _document(title, header, views, store, tables)
        size = len(text.encode())
        if size <= allowed or extra <= 0:
            break
        extra = 0.0 if extra < MARGIN else 0.6 * extra
    if size > allowed and budget is not None:
        raise ParameterError(f"budget {budget}: the page takes at least {size} bytes; give that many, or None")
    return text


def usual_budget(shown: Sequence[Shown]) -> int:
    """Return the bytes of a page unless they are asked for: 300 KB for small inputs, 2 MB for others; for several more."""
    largest = max(int(np.prod(p.shape)) // max(s.e.samples, 1) for s in shown for p in s.e.parts().values())
    return (SMALL if largest <= FEW_NUMBERS else LARGE) * min(len(shown), 4)


def _fill(views: Sequence[View], room: float) -> None:
    """Put into the page what fits: the strongest units, up to half of the room, then channels."""
    spent = 0.0
    for queue, most in (("units", 0.5 * room), ("channels", room)):
        waiting = [(one.rank, one.cost, k, one) for k, v in enumerate(views) for one in getattr(v, queue)]
        for _, cost, k, one in sorted(waiting, key=lambda entry: entry[:3]):
            if spent + cost <= most:
                getattr(views[k], queue).remove(one)
                one.write()
                spent += cost


def _say_left(views: Sequence[View], left_out: int) -> None:
    for v in views:
        if count := len(v.channels) + v.left.get("channels", 0):
            v.said["left"].append(f"maps of {count} channels among the strongest (their sums are here)")
        if v.units:
            v.said["left"].append(f"messages of {len(v.units)} units among the strongest")
        if count := v.left.get("units", 0):
            v.said["left"].append(
                f"messages of the units of {count} node{'s' if count > 1 else ''}, which are too large"
            )
        shrunk = [n["name"] for n in v.said["nodes"] if n["map"] and n["map"][3] > 1]
        if shrunk:
            v.said["left"].append(f"single numbers of {len(shrunk)} large maps: each square is the sum of several")
        if left_out > 0:
            v.said["left"].append(f"{left_out} further samples")


def _document(title: str, header: Mapping[str, Any], views: Sequence[View], store: Store, tables: str) -> str:
    said = json.dumps([v.said for v in views], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return document(
        title=title,
        body=BODY.format(title=escape(title), tables=tables),
        start="inspector.js",
        header=header,
        blocks={"views": said.encode("utf-8", "replace"), **store.blocks()},
        styles=("page.css", "unit.css", "inspector.css"),
    )


BODY = """<header><h1 id="title"><bdi>{title}</bdi></h1><p id="summary" class="quiet"></p>
<div id="choice" hidden></div></header>
<main><p id="notice" role="status"></p>
<noscript>{tables}</noscript>
<div id="page"></div></main>
<dialog id="help" aria-labelledby="help-title"></dialog>"""


def _title(e: Explanation, classes: Sequence[str]) -> str:
    return e.asked(0, classes) if e.samples == 1 else f"{e.samples} explanations"


def _without_script(shown: Shown) -> str:
    """Return what a reader without JavaScript sees: the maps as pictures, and the ledger."""
    from ..propagation.reading import pictures as drawn

    e = shown.e.to_numpy().sample(0)
    words = "<p>This page needs JavaScript to be explored; here is what it starts with.</p>"
    if e.output.dtype == object:
        return words + e.ledger._repr_html_()
    maps = drawn(e.maps(), lambda k: e.asked(k, shown.classes))
    values = ""
    if not maps:
        rows = [
            [name, str(k), number(float(r))]
            for name, part in e.maps().items()
            for k, r in enumerate(part[0].reshape(-1)[:64])
        ]
        values = table_html(("input", "place", "relevance"), rows, right=(1, 2))
    ledger = table_html(("node", "rule", *COLUMNS), e.ledger.cells(), right=range(2, 8)) if e.ledger.made else ""
    return words + maps + values + ledger
