"""Many samples as points in a plane, in a colour for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError
from . import canvas
from .colours import HUES, floats

if TYPE_CHECKING:
    from PIL.Image import Image

_FINE = 3  # drawn this many times larger and averaged down
_RADIUS, _ROOM = 3.5, 14  # pixels


def scatter(
    points: NDArray[Any],
    classes: Sequence[int],
    *,
    names: Sequence[str] | None = None,
    size: int = 480,
    axes: tuple[str, str] = ("", ""),
    title: str | None = None,
) -> Image:
    """Return points in a plane, such as documents in their first two principal components, coloured by class.

    Both axes have the same scale, so that distances are those of the plane.

    Args:
        points: real array (N, 2).
        classes: of each point, from 0.
        names: of the classes, for the legend.
        size: of the square, in pixels.
        axes: what the horizontal and the vertical axis are.
        title: a line above.

    Returns:
        RGB picture.

    Raises:
        ShapeError: another shape, or classes that do not fit it.
        NonFiniteError: values that are not finite.
        ParameterError: a class below 0 or without a name, or a size below 64.

    Example:
        >>> scatter(np.array([[0.0, 1.0], [2.0, -1.0]]), [0, 1], names=["neg", "pos"], size=100).size[0]
        132
    """
    from PIL import Image, ImageDraw

    where = floats("points", points)
    if where.ndim != 2 or where.shape[1] != 2 or not len(where) or len(classes) != len(where):
        raise ShapeError(f"points has shape {where.shape} for {len(classes)} classes; expected (N, 2), not empty")
    kinds = [int(c) for c in classes]
    if min(kinds) < 0 or (names is not None and max(kinds) >= len(names)):
        raise ParameterError(f"classes go from {min(kinds)} to {max(kinds)}, and there are {len(names or ())} names")
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 64:
        raise ParameterError(f"size is {size!r}; give a whole number of pixels, 64 or more")
    low, high = where.min(axis=0), where.max(axis=0)
    span = float((high - low).max()) or 1.0
    unit = (where - (low + high) / 2) / span * (size - 2 * _ROOM)
    across = (size / 2 + unit[:, 0]) * _FINE
    down = (size / 2 - unit[:, 1]) * _FINE
    plane = Image.new("RGB", (size * _FINE, size * _FINE), canvas.PAPER)
    draw, r = ImageDraw.Draw(plane), _RADIUS * _FINE
    for x, y, kind in zip(across, down, kinds, strict=True):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=HUES[kind % len(HUES)], outline=canvas.PAPER, width=2)
    square = canvas.framed(plane.resize((size - 2, size - 2), Image.Resampling.BOX))
    blocks = [canvas.label(title, size=canvas.LARGE, width=size)] if title else []
    shown = " · ".join(f"{way}: {axis}" for way, axis in zip(("across", "up"), axes, strict=True) if axis)
    blocks += [square, *([canvas.label(shown, size=canvas.SMALL, ink=canvas.SOFT, width=size)] if shown else [])]
    for kind in sorted(set(kinds)) if names is not None else ():
        blocks.append(_entry(str((names or ())[kind]), HUES[kind % len(HUES)], size))
    inner = canvas.stack(blocks, 6)
    sheet = canvas.blank(inner.width + 2 * canvas.MARGIN, inner.height + 2 * canvas.MARGIN)
    canvas.place(sheet, inner, canvas.MARGIN, canvas.MARGIN)
    return sheet


def _entry(name: str, hue: tuple[int, int, int], width: int) -> Image:
    text = canvas.label(name, width=width - 20)
    sheet = canvas.blank(width, text.height)
    canvas.place(sheet, canvas.blank(10, 10, hue), 0, max(0, (canvas.line_height(canvas.NORMAL) - 10) // 2))
    canvas.place(sheet, text, 18, 0)
    return sheet
