"""Many heatmaps on one sheet: classes × rules, with labels and a common or a separate colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError, unknown
from . import canvas
from .colours import DEFAULT, Floats, flat_map, paint, positions, resolve_limit
from .pictures import Box, Interpolation, captioned, enlarge, factor, photo

if TYPE_CHECKING:
    from PIL.Image import Image

Share = Literal["each", "row", "all"]
_CELL = 112  # least pixels of a cell's longer side
_LABEL = 110  # widest row label in pixels
_GAP = 8


def grid(
    rows: Sequence[Sequence[NDArray[Any]]],
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    inputs: Sequence[NDArray[Any]] | None = None,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    share_limit: Share = "each",
    scale: int | None = None,
    size: int | None = None,
    interpolation: Interpolation = "nearest",
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return heatmaps in rows and columns, such as classes × rules.

    Args:
        rows: rows of relevance maps, all (H, W) or (C, H, W) with one H and W, any unit.
        row_labels: a label for each row, at its left.
        column_labels: a label for each column, above it.
        inputs: a photo for each row, drawn in front of it, see `panel`.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`, taken over the maps that share it.
        share_limit: "each" map has its own limit, written below it; "row": one for a row, with a colour bar
            each; "all": one for the sheet.
        scale: whole enlargement, 1 or more.
        size: in place of scale, the least length of a map's longer side in pixels; 112 where both are None.
        interpolation: "nearest" or "bicubic".
        title: a line above the sheet.
        remark: a sentence below the sheet.

    Returns:
        RGB picture; its `info` has "cell_boxes" and "relevance_limits", both rows of columns.

    Raises:
        ShapeError: maps of different sizes, rows of different lengths, labels or inputs that do not match.
        NonFiniteError: values that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> ramp = np.linspace(-1.0, 1.0, 16).reshape(4, 4)
        >>> sheet = grid([[ramp, 2 * ramp]], column_labels=["epsilon", "gamma"], share_limit="row")
        >>> sheet.info["relevance_limits"]
        ((2.0, 2.0),)
    """
    maps = _maps(rows)
    _match("row_labels", row_labels, len(maps), "rows")
    _match("column_labels", column_labels, len(maps[0]), "columns")
    _match("inputs", inputs, len(maps), "rows")
    limits = _limits(maps, limit, share_limit)
    times = factor(maps[0][0].shape, scale, _CELL if scale is None and size is None else size)
    high, wide = (side * times for side in maps[0][0].shape)
    tiles = _tiles(maps, limits, times, interpolation, cmap)
    photos = [photo(one, wide, high) for one in inputs] if inputs is not None else None
    names, heads = _row_names(row_labels), _column_heads(column_labels, wide + 2)
    bars = _bars(limits, cmap, share_limit, high + 2, len(tiles))
    sheet, boxes = _lay_out(tiles, photos, names, heads, bars, share_limit == "each")
    if share_limit == "each":
        _write_limits(sheet, boxes, limits)
    if title:
        sheet, boxes = _below_title(sheet, boxes, title)
    notes = [(remark or "", canvas.NORMAL, canvas.INK), (_clip_note(maps, limits), canvas.SMALL, canvas.SOFT)]
    sheet = captioned(sheet, notes)
    sheet.info.update(
        relevance_limits=tuple(tuple(line) for line in limits),
        cell_boxes=tuple(tuple(line) for line in boxes),
    )
    return sheet


def _maps(rows: Sequence[Sequence[NDArray[Any]]]) -> list[list[Floats]]:
    maps = [[flat_map(f"rows[{i}][{j}]", one) for j, one in enumerate(row)] for i, row in enumerate(rows)]
    lengths = [len(row) for row in maps]
    if not maps or min(lengths) == 0 or len(set(lengths)) > 1:
        raise ShapeError(f"a grid needs rows of one length, at least one map each; these have {lengths} maps")
    shapes = sorted({one.shape for row in maps for one in row})
    if len(shapes) > 1:
        raise ShapeError(f"the maps of a grid need one height and width, not {', '.join(map(str, shapes))}")
    return maps


def _match(name: str, values: Sequence[Any] | None, count: int, what: str) -> None:
    if values is not None and len(values) != count:
        raise ShapeError(f"{name} has {len(values)} entries for {count} {what}")


def _limits(maps: list[list[Floats]], limit: float | str | None, share_limit: Share) -> list[list[float]]:
    if share_limit == "each":
        return [[resolve_limit(one, limit) for one in row] for row in maps]
    if share_limit == "row":
        return [[resolve_limit(np.stack(row), limit)] * len(row) for row in maps]
    if share_limit == "all":
        found = resolve_limit(np.stack([one for row in maps for one in row]), limit)
        return [[found] * len(row) for row in maps]
    raise unknown("share_limit", str(share_limit), ("each", "row", "all"))


def _tiles(
    maps: list[list[Floats]], limits: list[list[float]], times: int, interpolation: Interpolation, cmap: str
) -> list[list[Image]]:
    from PIL import Image

    return [
        [
            Image.fromarray(paint(enlarge(positions(values, found), times, interpolation), cmap))
            for values, found in zip(line, line_limits, strict=True)
        ]
        for line, line_limits in zip(maps, limits, strict=True)
    ]


def _bars(limits: list[list[float]], cmap: str, share_limit: Share, height: int, rows: int) -> list[Image]:
    """Return a bar for each row, or one for all rows."""
    if share_limit == "row":
        return [canvas.bar(height, cmap, line[0]) for line in limits]
    if share_limit == "all":
        return [canvas.bar(rows * height + (rows - 1) * _GAP, cmap, limits[0][0])]
    return [canvas.bar(height, cmap, max(max(line) for line in limits), ends="limit")]


def _row_names(names: Sequence[str] | None) -> list[Image]:
    """Return the labels at the left of the rows, all as wide as the widest, or none."""
    wide = max((canvas.label(name).width for name in names or ()), default=0)
    return [canvas.label(name, width=max(1, min(wide, _LABEL)), align="right") for name in names or ()]


def _column_heads(names: Sequence[str] | None, width: int) -> list[Image]:
    """Return the labels above the columns, or none."""
    return [canvas.label(name, size=canvas.SMALL, width=width, align="center") for name in names or ()]


def _lay_out(
    tiles: list[list[Image]],
    photos: list[Image] | None,
    names: list[Image],
    heads: list[Image],
    bars: list[Image],
    separate: bool,
) -> tuple[Image, list[list[Box]]]:
    """Return the sheet and the boxes of the maps; photos take the first column, which has no label above."""
    cell_high, cell_wide = tiles[0][0].height + 2, tiles[0][0].width + 2
    pitch = max(cell_high, bars[0].height if len(bars) > 1 else 0) + _GAP
    # Separate limits need a line of text below each map; the numbers of several bars must not touch.
    foot = canvas.line_height(canvas.SMALL) if separate else 8 if len(bars) > 1 else 0
    start = canvas.MARGIN + (names[0].width + 10 if names else 0)
    shift = cell_wide + _GAP + 4 if photos else 0
    top = canvas.MARGIN + (max(head.height for head in heads) + 5 if heads else 0)
    right = start + shift + len(tiles[0]) * (cell_wide + _GAP) + 4
    high = max(len(tiles) * (pitch + foot) - _GAP, bars[0].height)
    sheet = canvas.blank(right + max(one.width for one in bars) + canvas.MARGIN, top + high + canvas.MARGIN)
    for column, head in enumerate(heads):
        canvas.place(sheet, head, start + shift + column * (cell_wide + _GAP), top - 5 - head.height)
    boxes: list[list[Box]] = []
    for row, line in enumerate(tiles):
        y = top + row * (pitch + foot)
        if names:
            canvas.place(sheet, names[row], canvas.MARGIN, y + (cell_high - names[row].height) // 2)
        if photos:
            canvas.place(sheet, canvas.framed(photos[row]), start, y)
        boxes.append([])
        for column, tile in enumerate(line):
            left, up, east, down = canvas.place(
                sheet, canvas.framed(tile), start + shift + column * (cell_wide + _GAP), y
            )
            boxes[-1].append((left + 1, up + 1, east - 1, down - 1))
        if row < len(bars):
            canvas.place(sheet, bars[row], right, y)
    return sheet, boxes


def _below_title(sheet: Image, boxes: list[list[Box]], title: str) -> tuple[Image, list[list[Box]]]:
    """Return the sheet with a line above it, and the boxes where they are now."""
    head = canvas.label(title, size=canvas.LARGE, width=sheet.width - 2 * canvas.MARGIN)
    shift = head.height + canvas.GAP
    lower = canvas.blank(sheet.width, sheet.height + shift)
    canvas.place(lower, sheet, 0, shift)
    canvas.place(lower, head, canvas.MARGIN, canvas.MARGIN)
    return lower, [[(a, b + shift, c, d + shift) for a, b, c, d in line] for line in boxes]


def _write_limits(sheet: Image, boxes: list[list[Box]], limits: list[list[float]]) -> None:
    for line, line_limits in zip(boxes, limits, strict=True):
        for (left, _, right, down), found in zip(line, line_limits, strict=True):
            text = f"±{canvas.number(found)}" if found else "all 0"
            words = canvas.label(text, size=canvas.SMALL, ink=canvas.SOFT, width=right - left, align="center")
            # A cell narrower than the number shows the first line of it rather than cover the cell below.
            first = words.crop((0, 0, words.width, canvas.line_height(canvas.SMALL)))
            canvas.place(sheet, first, left, down + 2)


def _clip_note(maps: list[list[Floats]], limits: list[list[float]]) -> str:
    """Return the line that says in how many maps colours end below the largest |R|, empty where in none."""
    pairs = zip((one for row in maps for one in row), (one for row in limits for one in row), strict=True)
    above = [largest for values, found in pairs if (largest := float(np.abs(values).max())) > found]
    count = sum(len(row) for row in maps)
    return f"colours end below the largest |R| in {len(above)} of {count} maps" if above else ""
