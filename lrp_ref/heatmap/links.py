"""Relevance of pairs: lines between two pictures, and a matrix with words at its sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError
from . import canvas
from .colours import DEFAULT, Floats, floats, paint, positions, resolve_limit
from .pictures import Box, captioned, photo, sheet_of

if TYPE_CHECKING:
    from PIL.Image import Image

STRONGEST = 40  # pairs that are drawn as lines
_FINE = 3  # lines are drawn this many times larger and averaged down, which makes them smooth
_BETWEEN = 72  # pixels between the two pictures
_CELL = 26  # pixels of a matrix's squares


def pairs(
    relevance: NDArray[Any],
    inputs: tuple[NDArray[Any], NDArray[Any]],
    grids: tuple[tuple[int, int], tuple[int, int]],
    *,
    strongest: int = STRONGEST,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    size: int = 280,
    titles: tuple[str, str] = ("x", "y"),
    remark: str | None = None,
) -> Image:
    """Return two pictures, and lines between the features whose pairs have the largest |R|.

    A line goes from the middle of feature i to that of feature j. Its colour says the sign of R_ij, its opacity and
    width how large it is: √(|R| / limit). The strongest lie on top.

    Args:
        relevance: real NumPy array (I, J), any unit: of the features of both grids in C order.
        inputs: two photos as the network saw them, (H, W), (1 | 3, H, W) or (H, W, 1 | 3 | 4).
        grids: rows and columns of features of each; they cover its picture.
        strongest: pairs that are drawn.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        size: height of both pictures in pixels.
        titles: what stands above the two pictures.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "boxes", the pictures' (left, top, right, bottom) in pixels, "pairs", the drawn
        (i, j) from the strongest on, and "relevance_limit", the limit as text.

    Raises:
        ShapeError: grids or inputs that do not match.
        NonFiniteError: values that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> grey = np.linspace(0.0, 1.0, 16).reshape(4, 4)
        >>> picture = pairs(np.diag([1.0, -3.0, 0.0, 2.0]), (grey, grey), ((2, 2), (2, 2)), strongest=2)
        >>> picture.info["pairs"], picture.info["relevance_limit"]
        (((1, 1), (3, 3)), '3.0')
    """
    values = _pairs(relevance)
    for name, count in (("strongest", strongest), ("size", size)):
        if type(count) is not int or count < 1:
            raise ParameterError(f"{name} is {count!r}; give a whole number, 1 or more")
    counted = tuple(int(np.prod(grid)) for grid in grids)
    if counted != values.shape or any(len(grid) != 2 for grid in grids):
        raise ShapeError(f"relevance has shape {values.shape}; grids {grids} have {' and '.join(map(str, counted))}")
    found = resolve_limit(values, limit)
    order = np.argsort(-np.abs(values).reshape(-1), kind="stable")[:strongest]
    chosen = [divmod(int(k), values.shape[1]) for k in order if values.reshape(-1)[k]]
    tiles = [_faint(given, size) for given in inputs]
    sheet, boxes = sheet_of(tiles, list(titles), cmap=cmap, limit=found, colorbar=True, gap=_BETWEEN)
    drawn = sum(values[pair] for pair in chosen)
    note = (
        f"{len(chosen)} strongest of {values.size} pairs: they add up to {canvas.number(float(drawn), sign=True)}, "
        f"all to {canvas.number(float(values.sum()), sign=True)}"
    )
    clipped = canvas.clip_note(float(np.abs(values).max()), found, limit)
    lines = [(remark or "", canvas.NORMAL, canvas.INK), (note, canvas.NORMAL, canvas.SOFT)]
    ends = [tuple(_middle(k, g, b) for k, g, b in zip(pair, grids, boxes, strict=True)) for pair in chosen]
    linked = _linked(sheet, ends, positions(np.array([values[pair] for pair in chosen]), found), cmap)
    sheet = captioned(linked, [*lines, (clipped, canvas.SMALL, canvas.SOFT)])
    sheet.info.update(relevance_limit=repr(found), boxes=boxes, pairs=tuple(chosen))
    return sheet


def pair_matrix(
    relevance: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return pairs of words as a matrix of coloured squares, with the words at its left and above it.

    Args:
        relevance: real NumPy array (I, J), any unit.
        rows, columns: I and J words, of the first text and of the second.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        title: a line above.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "map_box", the matrix's (left, top, right, bottom) in pixels, and
        "relevance_limit", the limit as text.

    Raises:
        ShapeError: words that do not match, or an array of another number of axes.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit.

    Example:
        >>> picture = pair_matrix(np.array([[2.0, -1.0]]), ["good"], ["fine", "film"])
        >>> left, top, right, bottom = picture.info["map_box"]
        >>> picture.getpixel((left, top)), right - left
        ((255, 0, 0), 52)
    """
    from PIL import Image as Module

    values = _pairs(relevance)
    if values.shape != (len(rows), len(columns)) or isinstance(rows, str) or isinstance(columns, str):
        raise ShapeError(f"relevance has shape {values.shape}; given are {len(rows)} and {len(columns)} words")
    found = resolve_limit(values, limit)
    squares = paint(positions(values, found), cmap).repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    above = [canvas.label(word).rotate(90, expand=True) for word in columns]
    before = [canvas.label(word) for word in rows]
    edge = canvas.MARGIN
    head = canvas.label(title, size=canvas.LARGE) if title else None
    left = edge + max(word.width for word in before) + 8
    top = edge + max(word.height for word in above) + 6 + (head.height + 8 if head else 0)
    high, wide = squares.shape[:2]
    scale = canvas.bar(high + 2, cmap, found)
    sheet = canvas.blank(left + wide + 2 + canvas.GAP + scale.width + edge, top + max(high + 2, scale.height) + edge)
    if head is not None:
        sheet = _widened(sheet, head.width + 2 * edge)
        canvas.place(sheet, head, edge, edge)
    for k, word in enumerate(above):
        canvas.place(sheet, word, left + 1 + k * _CELL + (_CELL - word.width) // 2, top - 6 - word.height)
    for k, word in enumerate(before):
        canvas.place(sheet, word, left - 8 - word.width, top + 1 + k * _CELL + (_CELL - word.height) // 2)
    canvas.place(sheet, canvas.framed(Module.fromarray(squares)), left, top)
    canvas.place(sheet, scale, left + wide + 2 + canvas.GAP, top)
    note = canvas.clip_note(float(np.abs(values).max()), found, limit)
    sheet = captioned(sheet, [(remark or "", canvas.NORMAL, canvas.INK), (note, canvas.SMALL, canvas.SOFT)])
    sheet.info.update(relevance_limit=repr(found), map_box=(left + 1, top + 1, left + 1 + wide, top + 1 + high))
    return sheet


def _pairs(relevance: Any) -> Floats:
    """Return the relevance of pairs (I, J), which must be some."""
    values = floats("relevance", relevance)
    if values.ndim != 2 or values.size == 0:
        hint = "; a batch is drawn one sample at a time: relevance[0]" if values.ndim == 3 else ""
        raise ShapeError(f"relevance has shape {values.shape}; of pairs it is (I, J){hint}")
    return values


def _faint(given: Any, height: int) -> Image:
    """Return a photo in pale grey, `height` pixels high."""
    from PIL import Image as Module

    shape = np.shape(given)
    channels_first = len(shape) == 3 and shape[0] in (1, 3)
    high, wide = (*shape[channels_first:], 1, 1)[:2]  # of another shape, `photo` says so
    width = max(round(height * wide / high), 1)
    how = Module.Resampling.NEAREST if height >= 4 * high else Module.Resampling.LANCZOS
    grey = photo(given, wide, high).convert("L").convert("RGB").resize((width, height), how)
    return Module.blend(grey, canvas.blank(width, height), 0.45)


def _middle(k: int, grid: tuple[int, int], box: Box) -> tuple[float, float]:
    """Return the middle of the k-th feature of a grid that covers a box, in pixels from the left and the top."""
    row, column = divmod(k, grid[1])
    left, top, right, bottom = box
    return left + (column + 0.5) / grid[1] * (right - left), top + (row + 0.5) / grid[0] * (bottom - top)


def _linked(sheet: Image, ends: list[Any], place: Floats, cmap: str) -> Image:
    """Return a sheet with lines between points, given from the strongest on, by their places on the colour map."""
    from PIL import Image as Module
    from PIL import ImageDraw

    fine = sheet.resize((sheet.width * _FINE, sheet.height * _FINE), Module.Resampling.NEAREST)
    draw = ImageDraw.Draw(fine, "RGBA")
    strength = np.sqrt(np.abs(place))
    # Opacity and width say how much, colour which sign: the pale middle of a map would not be seen.
    colours = paint(np.sign(place) * (0.7 + 0.3 * np.abs(place)), cmap)
    for (start, stop), colour, much in reversed(list(zip(ends, colours, strength, strict=True))):
        ink = (*(int(c) for c in colour), round(40 + 200 * float(much)))
        points = [tuple(c * _FINE for c in point) for point in (start, stop)]
        draw.line(points, fill=ink, width=max(round(_FINE * (0.6 + 1.8 * float(much))), 1))
        for x, y in points:
            size = _FINE * (1.2 + 2 * float(much))
            draw.ellipse((x - size, y - size, x + size, y + size), fill=ink)
    return fine.resize(sheet.size, Module.Resampling.BOX)


def _widened(sheet: Image, width: int) -> Image:
    """Return a sheet that is at least `width` pixels wide."""
    if sheet.width >= width:
        return sheet
    wider = canvas.blank(width, sheet.height)
    wider.paste(sheet, (0, 0))
    return wider
