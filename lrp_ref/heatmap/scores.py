"""A table of numbers as a picture: methods × measures, each column coloured from its worst to its best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError, unknown
from . import canvas
from .colours import HUES, Floats

if TYPE_CHECKING:
    from PIL.Image import Image

BETTER = ("larger", "smaller", "neither")
_HIGH, _LEAST, _MOST = 30, 76, 150  # of a cell, in pixels
_LABEL = 190  # widest row label
_GAP = 8  # between pictures


def scores(
    values: NDArray[Any],
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    better: Sequence[str],
    best: NDArray[Any] | None = None,
    pictures: Sequence[Sequence[Image]] | None = None,
    picture_heads: Sequence[Image] | None = None,
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return numbers in rows and columns, each column from white (its worst) to blue (its best).

    Args:
        values: real array (rows, columns), any unit in each column; NaN where there is none.
        row_labels, column_labels: a label for each.
        better: of each column "larger", "smaller", or "neither", which stays white.
        best: bool (rows, columns): the cells that get a frame, such as the best and what cannot be told from it.
        pictures: of each row the pictures between its label and its numbers, such as maps, as many in every row.
        picture_heads: a picture above each of these columns, such as the inputs.
        title: a line above.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "cell_boxes" and "picture_boxes", rows of columns of (left, top, right, bottom) in
        pixels.

    Raises:
        ShapeError: another shape, an empty table, or labels that do not fit.
        ParameterError: another word in `better`.

    Example:
        >>> made = scores(np.array([[1.0], [3.0]]), row_labels=["a", "b"], column_labels=["m"], better=["larger"])
        >>> left, top, right, bottom = made.info["cell_boxes"][1][0]
        >>> made.getpixel((left + 4, top + 4))
        (128, 184, 216)
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size or table.shape != (len(row_labels), len(column_labels)):
        raise ShapeError(
            f"values has shape {table.shape} for {len(row_labels)} rows and {len(column_labels)} columns; expected "
            "(rows, columns), not empty"
        )
    if len(better) != table.shape[1]:
        raise ShapeError(f"better has {len(better)} entries for {table.shape[1]} columns")
    framed = np.zeros(table.shape, dtype=bool) if best is None else np.asarray(best)
    if framed.shape != table.shape or framed.dtype != bool:
        raise ParameterError(f"best is {framed.dtype} of shape {framed.shape}; give bool of shape {table.shape}")
    for word in better:
        if word not in BETTER:
            raise unknown("better", str(word), BETTER)
    beside = _beside(pictures, picture_heads, len(table))
    return _lay_out(table, framed, _places(table, better), beside, row_labels, column_labels, title, remark)


class _Beside(NamedTuple):
    """The pictures between labels and numbers, and what stands above them."""

    rows: list[list[Image]]
    heads: list[Image]

    @property
    def widths(self) -> list[int]:
        """Of each column of pictures, in pixels."""
        lines = [*self.rows, *([self.heads] if self.heads else [])]
        return [max(one.width for one in column) for column in zip(*lines, strict=True)]


def _beside(pictures: Sequence[Sequence[Image]] | None, heads: Sequence[Image] | None, rows: int) -> _Beside:
    """Return the pictures that stand beside the numbers, checked."""
    found = [list(row) for row in pictures] if pictures is not None else [[] for _ in range(rows)]
    lengths = sorted({len(row) for row in found})
    if len(found) != rows or len(lengths) != 1:
        raise ShapeError(f"pictures has rows of {lengths} for {len(found)} rows; expected {rows} rows of one length")
    if heads is not None and len(heads) != lengths[0]:
        raise ShapeError(f"picture_heads has {len(heads)} entries for {lengths[0]} columns of pictures")
    return _Beside(found, list(heads or ()))


def _places(table: Floats, better: Sequence[str]) -> Floats:
    """Return where each value lies from its column's worst, 0, to its best, 1; 0 where all are equal."""
    places = np.zeros(table.shape)
    for k, word in enumerate(better):
        column = table[:, k] if word != "smaller" else -table[:, k]
        finite = np.isfinite(column)
        if word == "neither" or not finite.any():
            continue
        low, high = column[finite].min(), column[finite].max()
        if high > low:
            places[finite, k] = (column[finite] - low) / (high - low)
        places[column == np.inf, k] = 1.0
    return places


def _lay_out(
    table: Floats, framed: NDArray[np.bool_], places: Floats, beside: _Beside, rows: Sequence[str],
    columns: Sequence[str], title: str | None, remark: str | None,
) -> Image:  # fmt: skip
    from PIL import ImageDraw

    names = [canvas.label(name, width=min(_LABEL, canvas.label(name).width), align="right") for name in rows]
    wide = min(_MOST, max(_LEAST, *(canvas.label(name, size=canvas.SMALL).width + 8 for name in columns)))
    heads = [canvas.label(name, size=canvas.SMALL, width=wide - 4, align="center") for name in columns]
    first = canvas.MARGIN + max(name.width for name in names) + 10
    lefts = [first + sum(beside.widths[:k]) + _GAP * k for k in range(len(beside.widths) + 1)]
    left = lefts[-1]
    full = left + wide * len(columns)
    head = [canvas.label(title, size=canvas.LARGE, width=full - canvas.MARGIN)] if title else []
    top = canvas.MARGIN + sum(h.height + 8 for h in head) + max(h.height for h in (*heads, *beside.heads)) + 6
    high = max(_HIGH, *(name.height + 6 for name in names), *(p.height + 6 for row in beside.rows for p in row))
    foot = [canvas.label(remark, size=canvas.SMALL, ink=canvas.SOFT, width=full - canvas.MARGIN)] if remark else []
    bottom = top + high * len(rows)
    sheet = canvas.blank(full + canvas.MARGIN, bottom + sum(f.height + 8 for f in foot) + canvas.MARGIN)
    for one in head:
        canvas.place(sheet, one, canvas.MARGIN, canvas.MARGIN)
    for one in foot:
        canvas.place(sheet, one, canvas.MARGIN, bottom + 8)
    draw, font = ImageDraw.Draw(sheet), canvas.font(canvas.NORMAL)
    for k, one in enumerate(heads):
        canvas.place(sheet, one, left + k * wide + 2, top - 6 - one.height)
    for column, one in enumerate(beside.heads):
        canvas.place(sheet, one, lefts[column], top - 6 - one.height)
    boxes: list[list[tuple[int, int, int, int]]] = []
    drawn: list[list[tuple[int, int, int, int]]] = []
    for row, name in enumerate(names):
        y = top + row * high
        canvas.place(sheet, name, first - 10 - name.width, y + (high - name.height) // 2)
        around = [(one, lefts[k], y + (high - one.height) // 2) for k, one in enumerate(beside.rows[row])]
        drawn.append([canvas.place(sheet, one, across, down) for one, across, down in around])
        boxes.append([])
        for column in range(len(columns)):
            x = left + column * wide
            box = (x, y, x + wide - 1, y + high - 1)
            # Half of the hue at most, so that black numbers can be read on it.
            part = 0.5 * float(places[row, column])
            colour = tuple(round(255 + (hue - 255) * part) for hue in HUES[0])
            draw.rectangle(box, fill=colour, outline=canvas.LINE)
            if framed[row, column]:
                draw.rectangle((x + 2, y + 2, x + wide - 3, y + high - 3), outline=canvas.INK, width=2)
            text = canvas.number(float(table[row, column])) if not np.isnan(table[row, column]) else "-"
            ink = canvas.INK if text != "-" else canvas.SOFT
            draw.text((x + wide // 2, y + high // 2), text, font=font, fill=ink, anchor="mm")
            boxes[-1].append(box)
    sheet.info["cell_boxes"] = tuple(tuple(line) for line in boxes)
    sheet.info["picture_boxes"] = tuple(tuple(line) for line in drawn)
    return sheet
