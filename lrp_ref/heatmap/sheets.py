"""Relevance of one time series by several rules and for several outputs: series in rows and columns, one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from . import canvas
from .colours import DEFAULT, floats, resolve_limit
from .pictures import captioned
from .signals import series

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDE = 900  # pixels of all plots of a row together
_LEAST = 180  # pixels of one plot
_SEVERAL = 48  # height of a channel's plot, where there are several channels


def series_grid(
    signal: NDArray[Any],
    rows: Sequence[Sequence[NDArray[Any]]],
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    channel_names: Sequence[str] | None = None,
    axis: str = "sample",
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return a signal over the colours of several relevances, such as classes × rules, with one colour scale.

    Args:
        signal: real NumPy array (T,) or (C, T).
        rows: rows of relevances, each of the signal's shape.
        row_labels: a label for each row, above it.
        column_labels: a label for each column, above it.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`, taken over all relevances.
        channel_names: a name for each channel.
        axis: what one step of the axis is, such as "time step" or "frame".
        title: a line above the sheet.
        remark: a sentence below the sheet.

    Returns:
        RGB picture; its `info` has "relevance_limit", the limit as text.

    Raises:
        ShapeError: other shapes, rows of different lengths, labels that do not match.
        NonFiniteError: values that are not finite.

    Example:
        >>> wave = np.array([0.0, 1.0, 0.0, -1.0])
        >>> series_grid(wave, [[wave, 2 * wave]], column_labels=["a", "b"]).info["relevance_limit"]
        '2.0'
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(f"a grid needs rows of one length, at least one series each; these have {[*map(len, rows)]}")
    for name, labels, count in (("row", row_labels, len(rows)), ("column", column_labels, len(rows[0]))):
        if labels is not None and len(labels) != count:
            raise ShapeError(f"{name}_labels has {len(labels)} entries for {count} {name}s")
    values = [[floats(f"rows[{i}][{j}]", one) for j, one in enumerate(row)] for i, row in enumerate(rows)]
    every = np.concatenate([one.reshape(-1) for row in values for one in row])
    found = resolve_limit(every, limit)
    look: dict[str, Any] = {
        "cmap": cmap, "limit": found or None, "channel_names": channel_names, "axis": axis, "colorbar": False,
        "width": max(_LEAST, _WIDE // len(rows[0])),
        "height": None if np.ndim(signal) == 1 or len(signal) == 1 else _SEVERAL,
    }  # fmt: skip
    cells = [[_bare(series(signal, one, **look)) for one in row] for row in values]
    sheet = _lay_out(cells, row_labels, column_labels, title, cmap, found)
    clipped = canvas.clip_note(float(np.abs(every).max()), found, limit)
    sheet = captioned(sheet, [(remark or "", canvas.NORMAL, canvas.INK), (clipped, canvas.SMALL, canvas.SOFT)])
    sheet.info.update(relevance_limit=repr(found))
    return sheet


def _lay_out(
    cells: list[list[Image]],
    row_labels: Sequence[str] | None,
    column_labels: Sequence[str] | None,
    title: str | None,
    cmap: str,
    limit: float,
) -> Image:
    """Return the cells in rows under their labels, with the title above and the colour bar beside them."""
    parts: list[Image] = []
    if column_labels is not None:
        parts.append(_beside([_head(name, cell) for name, cell in zip(column_labels, cells[0], strict=True)]))
    for number, row in enumerate(cells):
        if row_labels is not None:
            parts.append(canvas.label(row_labels[number], width=sum(cell.width for cell in row)))
        parts.append(_beside(row))
    block, edge = canvas.stack(parts, 4), canvas.MARGIN
    bar = canvas.bar(max(block.height - edge, 1), cmap, limit)
    head = canvas.label(title, size=canvas.LARGE, width=block.width) if title else None
    top = edge + (head.height + canvas.GAP if head else 0)
    sheet = canvas.blank(edge + block.width + bar.width + edge, top + max(block.height, bar.height) + edge)
    if head:
        canvas.place(sheet, head, edge, edge)
    canvas.place(sheet, block, edge, top)
    canvas.place(sheet, bar, edge + block.width, top)
    return sheet


def _bare(picture: Image) -> Image:
    """Return a series without the margins around it, but at its right, where the next one begins."""
    left, top, _, _ = picture.info["boxes"][0]
    bare = picture.crop((canvas.MARGIN // 2, top - 1, picture.width, picture.height))
    bare.info["left"] = left - canvas.MARGIN // 2
    return bare


def _head(name: str, cell: Image) -> Image:
    """Return the label of a column, over its plot."""
    left = cell.info["left"]
    words = canvas.label(name, size=canvas.NORMAL, width=cell.width - left - canvas.MARGIN, align="center")
    sheet = canvas.blank(cell.width, words.height)
    canvas.place(sheet, words, left, 0)
    return sheet


def _beside(pictures: Sequence[Image]) -> Image:
    """Return pictures side by side."""
    sheet = canvas.blank(sum(p.width for p in pictures), max(p.height for p in pictures))
    left = 0
    for picture in pictures:
        canvas.place(sheet, picture, left, sheet.height - picture.height)
        left += picture.width
    return sheet
