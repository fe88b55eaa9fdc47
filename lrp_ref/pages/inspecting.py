"""The inspector: one explanation, or several to choose from and compare, as one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, heatmap
from ..arithmetic import to_float
from ..base.files import replace_file
from ..base.tables import html as table_html
from ..base.tables import number
from ..errors import ParameterError
from ..heatmap.colours import DEFAULT, paint
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from .assembling import document, framed
from .layout import channels_first, flat_map, input_axis, pooled
from .payload import View, require_finite, view
from .provenance import provenance
from .shown import Shown, Words
from .store import Store

SMALL, LARGE = 300_000, 2_000_000  # bytes of a page about an input of few numbers (a digit), and of others
FEW_NUMBERS = 4096
MOST_VIEWS = 24  # explanations on one page
PALETTES = (DEFAULT, "purple-orange")  # the second for those who cannot tell the first apart; never red and green
STILL, ROWS = 128 * 128, 64  # of a map, and numbers of a vector, for readers without JavaScript
FILLED, MARGIN = 5, 4000  # how often room is looked for, and what is never filled
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
    if against is not None and against.samples != e.samples:
        raise ParameterError(f"against explains {against.samples} samples, the explanation {e.samples}")
    pair = (e,) if against is None else (e, against)
    several = e.samples > 1
    shown = []
    for k in range(min(e.samples, MOST_VIEWS)):
        each = several and image is not None and len(image) == e.samples and np.ndim(image) > 2
        for one in pair:
            name = [f"sample {k}"] if several else []
            name += [one.asked(k, classes), *([one.rules] if against is not None else [])]
            look = image[k] if each else image
            shown.append(Shown(one.sample(k), " · ".join(name), classes, look, features, words, sample=str(k)))
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
        ParameterError: no sample, or not even the least that a page has fits into ``budget``.
        NonFiniteError: relevance that is NaN or infinite.
    """
    if not shown or not all(one.e.samples for one in shown):
        raise ParameterError("an explanation of no samples has nothing to show on a page")
    for one in shown:
        require_finite(one.e)
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
    """Return the bytes of a page where none are given: 300 KB for small inputs, 2 MB for others; more for several."""
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
    text = document(
        title=title,
        body=BODY.format(title=escape(title), tables=tables, waterfalls="".join(v.waterfall for v in views)),
        start="inspector.js",
        header=header,
        blocks={"views": said.encode("utf-8", "replace"), **store.blocks()},
        styles=("page.css", "unit.css", "inspector.css"),
    )
    return text.encode("utf-8", "replace").decode("utf-8")  # a name may hold half a letter


BODY = """<header><h1 id="title"><bdi>{title}</bdi></h1><p id="summary" class="quiet"></p>
<div id="choice" hidden></div></header>
<main><p id="notice" role="status"></p>
<noscript>{tables}</noscript>
<div id="page"></div>
<div id="waterfalls">{waterfalls}</div></main>
<dialog id="help" aria-labelledby="help-title"></dialog>"""


def _title(e: Explanation, classes: Sequence[str]) -> str:
    return e.asked(0, classes) if e.samples == 1 else f"{e.samples} explanations"


def _without_script(shown: Shown) -> str:
    """Return what a reader without JavaScript sees: the maps as pictures or tables, and the ledger."""
    e = shown.e.to_numpy().sample(0)
    parts = ["<p>This page needs JavaScript to be explored; here is what it starts with.</p>"]
    for name, array in e.maps().items():
        words = f"{e.asked(0, shown.classes)}: {name}"
        sample = np.asarray(to_float(array[0]))
        if sample.ndim == 3:
            small, by = pooled(flat_map(channels_first(sample, input_axis(sample.shape)), "image"), STILL)
            note = f", each square the sum of {by} × {by} numbers" if by > 1 else ""
            uri = heatmap.to_data_uri(heatmap.image(small))
            parts.append(f'<figure><img src="{uri}" alt="relevance">')
            parts.append(f"<figcaption>{escape(words + note)}</figcaption></figure>")
            continue
        flat = sample.reshape(-1)
        rows = [[str(k), number(float(flat[k]))] for k in range(min(len(flat), ROWS))]
        more = f", the first {ROWS} of {len(flat)}" if len(flat) > ROWS else ""
        parts.append(table_html(("place", "relevance"), rows, title=words + more, right=(0, 1)))
    if e.ledger.made:
        parts.append(table_html(("node", "rule", *COLUMNS), e.ledger.cells(), right=range(2, 8)))
    return "".join(parts)
