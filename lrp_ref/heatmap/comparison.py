"""Maps and what measures say of them in one picture: methods in rows, their maps and numbers beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..errors import ShapeError
from . import canvas
from .colours import DEFAULT, Floats, flat_map, paint, positions, resolve_limit
from .pictures import Interpolation, enlarge, factor, photo
from .scores import scores

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL = 96  # least pixels of a map's longer side


def comparison(
    maps: Sequence[Sequence[NDArray[Any]]],
    values: NDArray[Any],
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    better: Sequence[str],
    best: NDArray[Any] | None = None,
    inputs: Sequence[NDArray[Any]] | None = None,
    input_labels: Sequence[str] | None = None,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    scale: int | None = None,
    size: int | None = None,
    interpolation: Interpolation = "nearest",
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return maps in rows, such as of methods, with the numbers that measures give each row.

    Every map has its own limit, which is written below it: methods differ in unit, and their sizes cannot be compared.

    Args:
        maps: rows of maps, one per input, all (H, W) or (C, H, W) with one H and W, any unit.
        values: real array (rows, measures), see :func:`scores`; NaN where there is none.
        row_labels, column_labels: a label for each row and each measure.
        better: of each measure "larger", "smaller", or "neither".
        best: bool (rows, measures): the cells that get a frame.
        inputs: a photo of each input, drawn above its maps, see `panel`.
        input_labels: words for each input, above its maps.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which the colours of a map end, see `resolve_limit`; None for its largest.
        scale: whole enlargement of the maps, 1 or more.
        size: in place of scale, the least length of a map's longer side in pixels; 96 where both are None.
        interpolation: "nearest" or "bicubic".
        title: a line above.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "picture_boxes" and "cell_boxes", rows of columns of (left, top, right, bottom) in
        pixels, and "relevance_limits", the limit of each map.

    Raises:
        ShapeError: maps of different sizes, rows of different lengths, labels or inputs that do not match.
        NonFiniteError: maps that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> import numpy as np
        >>> ramp = np.linspace(-1.0, 1.0, 16).reshape(4, 4)
        >>> made = comparison([[ramp], [2 * ramp]], np.array([[1.0], [3.0]]), row_labels=["a", "b"],
        ...                   column_labels=["measure"], better=["larger"])
        >>> made.info["relevance_limits"]
        ((1.0,), (2.0,))
    """
    flat = [[flat_map(f"maps[{i}][{j}]", one) for j, one in enumerate(row)] for i, row in enumerate(maps)]
    shapes = sorted({one.shape for row in flat for one in row})
    if len(shapes) != 1:
        raise ShapeError(f"the maps need one height and width, and there is at least one; not {shapes}")
    count = len(flat[0])
    for name, given in (("inputs", inputs), ("input_labels", input_labels)):
        if given is not None and len(given) != count:
            raise ShapeError(f"{name} has {len(given)} entries for {count} columns of maps")
    times = factor(shapes[0], scale, _CELL if scale is None and size is None else size)
    limits = [[resolve_limit(one, limit) for one in row] for row in flat]
    tiles = [
        [_tile(one, found, times, interpolation, cmap) for one, found in zip(row, row_limits, strict=True)]
        for row, row_limits in zip(flat, limits, strict=True)
    ]
    high, wide = (side * times for side in shapes[0])
    heads = _heads(inputs, input_labels, wide, high)
    sheet = scores(
        values, row_labels=row_labels, column_labels=column_labels, better=better, best=best, pictures=tiles,
        picture_heads=heads, title=title, remark=remark,
    )  # fmt: skip
    sheet.info["relevance_limits"] = tuple(tuple(row) for row in limits)
    return sheet


def _tile(values: Floats, limit: float, times: int, interpolation: Interpolation, cmap: str) -> Image:
    """Return one map in a frame, with its limit below it."""
    from PIL import Image

    drawn = Image.fromarray(paint(enlarge(positions(values, limit), times, interpolation), cmap))
    words = f"±{canvas.number(limit)}" if limit else "all 0"
    under = canvas.label(words, size=canvas.SMALL, ink=canvas.SOFT, width=drawn.width + 2, align="center")
    return canvas.stack([canvas.framed(drawn), under], 1)


def _heads(
    inputs: Sequence[NDArray[Any]] | None, labels: Sequence[str] | None, width: int, height: int
) -> list[Image] | None:
    """Return what stands above each column of maps: words, and the input."""
    if inputs is None and labels is None:
        return None
    count = len(inputs if inputs is not None else labels or ())
    found = []
    for k in range(count):
        parts = [canvas.label(labels[k], size=canvas.SMALL, width=width + 2, align="center")] if labels else []
        parts += [canvas.framed(photo(inputs[k], width, height))] if inputs is not None else []
        found.append(canvas.stack(parts, 3))
    return found
