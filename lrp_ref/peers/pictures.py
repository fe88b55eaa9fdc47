"""The relevances of two programs side by side, as HTML: maps on one scale and their difference, or bars and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from ..base.tables import number
from .rows import Compared, Comparison

SHOWN = 4  # samples with a picture
BARS = 24  # numbers of a vector that are drawn
SIDE = 160  # pixels of a map's longer side


def pictures(c: Comparison) -> Iterator[str]:
    """Yield the relevance of both programs and their difference, for the first samples of each input.

    Where the other program shows none of an input, the last value of the walk back that both have stands for it.
    """
    compared = [
        row for row in c.rows if row.relevance is not None and row.relevance.name in c.recording.trace.relevance
    ]
    inputs = [row for row in compared if row.node in c.task.inputs]
    for row in inputs or compared[-1:]:
        yield f"<h2>Relevance of {'input ' if inputs else ''}'{escape(row.node)}'</h2>"
        ours, theirs = (t.relevance[row.node] for t in (c.explanation.trace, c.recording.trace))
        if ours.shape != theirs.shape:
            yield f"<p>shapes {ours.shape} and {theirs.shape}</p>"
            continue
        for k in range(min(len(ours), SHOWN)):
            yield _sample(c, row, k, np.asarray(ours[k]), np.asarray(theirs[k]))
        if len(ours) > SHOWN:
            yield f"<p>the first {SHOWN} of {len(ours)} samples</p>"


def _sample(c: Comparison, row: Compared, k: int, ours: Any, theirs: Any) -> str:
    """Return the pictures of one sample, or what there is in their place."""
    name = f"sample {k}: {c.explanation.asked(k)}" if c.explanation.samples > 1 else c.explanation.asked(k)
    wrong = int((~np.isfinite(theirs)).sum())
    if wrong:
        return f"<p>{escape(name)}: the relevance of {escape(c.program)} is not finite at {wrong} of {theirs.size}</p>"
    shown = c.task.inputs.get(row.node)
    photo = None if shown is None else np.asarray(shown[k])
    if ours.ndim in (2, 3) and ours.size:
        return _maps(c, ours, theirs, photo, name)
    return f"<p>{escape(name)}</p>{_bars(c, ours, theirs)}"


def _maps(c: Comparison, ours: Any, theirs: Any, photo: Any, name: str) -> str:
    """Return both maps on one scale, with the input where it is a picture, and their difference on its own."""
    from .. import heatmap

    ours, theirs = (_channels_first(array).astype(np.float64) for array in (ours, theirs))
    flat = [array.sum(axis=0) if array.ndim == 3 else array for array in (ours, theirs)]
    photo = None if photo is None else _channels_first(photo)
    seen = photo is not None and photo.ndim == 3 and photo.shape[0] in (1, 3) and bool(np.isfinite(photo).all())
    both = heatmap.grid(
        [flat], column_labels=["lrp_ref", c.program], share_limit="all", inputs=[photo] if seen else None, size=SIDE
    )
    apart = flat[1] - flat[0]
    off = heatmap.image(apart, size=SIDE, title="difference")
    sums = " and ".join(number(float(one.sum())) for one in flat)
    where = f"largest difference {np.abs(apart).max():.2g} of {np.abs(flat[0]).max():.2g}"
    if seen:
        name = f"input, lrp_ref, {c.program}; {name}"
    figures = (
        (both, f"{name}; one scale for both; sums {sums}"),
        (off, f"{c.program} − lrp_ref, on a scale of its own; {where}"),
    )
    return "".join(
        f'<figure><img src="{heatmap.to_data_uri(drawn)}" alt="relevance"><figcaption>{escape(words)}</figcaption>'
        "</figure>"
        for drawn, words in figures
    )


def _channels_first(array: Any) -> Any:
    """Return a picture with its channels first, where they are last, as in networks from Keras."""
    last = array.ndim == 3 and array.shape[-1] in (1, 3) and array.shape[0] not in (1, 3)
    return np.moveaxis(array, -1, 0) if last else array


def _bars(c: Comparison, ours: Any, theirs: Any) -> str:
    """Return numbers side by side with bars; of many those that differ most, then the largest."""
    flat, other = ours.reshape(-1).astype(np.float64), theirs.reshape(-1).astype(np.float64)
    off, size = np.abs(other - flat), np.abs(flat)
    order = np.lexsort((-size, -off))[:BARS] if flat.size > BARS else np.arange(flat.size)
    largest = float(max(size.max(initial=0.0), np.abs(other).max(initial=0.0))) or 1.0
    rows = ""
    for j in sorted(order.tolist()):
        place = ", ".join(str(int(i)) for i in np.unravel_index(j, ours.shape)) if ours.ndim > 1 else str(j)
        bars = "".join(_bar(value / largest) for value in (flat[j], other[j]))
        mark = ' class="off"' if off[j] > c.found.rows[-1].tolerance * size.max(initial=0.0) else ""
        numbers = "".join(f"<td class=n>{number(float(v))}</td>" for v in (flat[j], other[j], other[j] - flat[j]))
        rows += f'<tr{mark}><td class=n>{place}</td><td class="bar">{bars}</td>{numbers}</tr>'
    head = "".join(f"<th>{escape(name)}</th>" for name in ("place", "both", "lrp_ref", c.program, "difference"))
    more = f"<p>{BARS} of {flat.size} numbers: those that differ most</p>" if flat.size > BARS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _bar(part: float) -> str:
    """Return a bar to the right of the middle for a positive number, to the left for a negative one."""
    kind = "pos" if part >= 0 else "neg"
    return f'<div class="half"><span class="{kind}" style="width:{100 * abs(part):.4g}%"></span></div>'
