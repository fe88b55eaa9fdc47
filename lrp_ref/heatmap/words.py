"""Relevance of words as a picture: each word on the colour of its relevance, in lines like text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError
from . import canvas
from .colours import DEFAULT, Floats, floats, ink_on, paint, positions, resolve_limit

if TYPE_CHECKING:
    from PIL.Image import Image

_PAD, _BETWEEN, _LEADING = 4, 4, 8  # pixels within a word's box, between two words, between two lines
_FEWEST = 64


def text_image(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    apart: tuple[Sequence[str], NDArray[Any] | Sequence[float]] | None = None,
    labels: Sequence[str] | None = None,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    width: int = 640,
    colorbar: bool = True,
    title: str | None = None,
    remark: str | None = None,
    known: Sequence[bool] | None = None,
) -> Image:
    """Return tokens as a picture, each on the colour of its relevance, black or white as is easier to read.

    Letters that the built-in font lacks are written as their numbers; text_html shows every letter.

    Args:
        tokens: T strings.
        relevances: T real numbers, any unit, or (K, T) for the same tokens K times below each other, on one scale.
        apart: further tokens with their relevances (S,) or (K, S), which stand in a line of their own: special ones.
        labels: K texts, one above each of several.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`; one below the largest |R| is said below.
        width: of the lines, in pixels.
        colorbar: whether a bar with numbers, 0 in its middle, stands at the right.
        title: a line above.
        remark: a sentence below.
        known: which tokens the model knows; the others are grey, without colour. None: all.

    Returns:
        RGB picture; its `info` has "relevance_limit", the limit as text.

    Raises:
        ShapeError: numbers that do not fit the tokens, or no token.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit, a width below 64.

    Example:
        >>> text_image(["not", "bad"], [-1.5, 2.0], width=100).info["relevance_limit"]
        '2.0'
    """
    if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < _FEWEST:
        raise ParameterError(f"width is {width!r}; give a whole number of pixels, {_FEWEST} or more")
    rows, there = _rows("relevances", tokens, relevances), given(tokens, known)
    if not len(tokens):
        raise ShapeError("no token is given")
    extra = _rows("apart", *apart) if apart is not None and len(apart[0]) else np.zeros((len(rows), 0))
    if len(extra) != len(rows) or (labels is not None and len(labels) != len(rows)):
        raise ShapeError(f"relevances of {len(rows)} row(s), apart of {len(extra)}, {len(labels or rows)} label(s)")
    everything = np.concatenate([rows, extra], axis=1)
    found = resolve_limit(everything, limit)
    blocks = [canvas.label(title, size=canvas.LARGE, width=width)] if title else []
    for k, row in enumerate(everything):
        if labels is not None:
            blocks.append(canvas.label(labels[k], size=canvas.NORMAL, ink=canvas.SOFT, width=width))
        blocks.append(_lines(tokens, row[: len(tokens)], found, cmap, width, canvas.LARGE, there))
        if extra.shape[1] and apart is not None:
            blocks.append(_lines(apart[0], row[len(tokens) :], found, cmap, width, canvas.SMALL, given(apart[0])))
    bottom = (remark, canvas.clip_note(float(abs(everything).max()), found, limit))
    blocks += [canvas.label(text, size=canvas.SMALL, ink=canvas.SOFT, width=width) for text in bottom if text]
    inner = canvas.stack(blocks, 10)
    bar = canvas.bar(inner.height, cmap, found) if colorbar else canvas.blank(0, 1)
    sheet = canvas.blank(
        width + 2 * canvas.MARGIN + (canvas.GAP + bar.width if colorbar else 0),
        max(inner.height, bar.height) + 2 * canvas.MARGIN,
    )
    canvas.place(sheet, inner, canvas.MARGIN, canvas.MARGIN)
    if colorbar:
        canvas.place(sheet, bar, canvas.MARGIN + width + canvas.GAP, canvas.MARGIN)
    sheet.info["relevance_limit"] = repr(found)
    return sheet


def _rows(name: str, tokens: Sequence[str], relevances: Any) -> Floats:
    if isinstance(tokens, str):
        raise ShapeError(f"tokens is one string of {len(tokens)} letters; give a list of tokens")
    values = floats(name, relevances)
    if values.ndim not in (1, 2) or values.shape[-1] != len(tokens):
        raise ShapeError(f"{len(tokens)} token(s), but {name} of shape {values.shape}")
    return np.atleast_2d(values)


def given(tokens: Sequence[str], known: Sequence[bool] | None = None) -> Sequence[bool]:
    """Return which tokens are known: all, unless it is said.

    Raises:
        ShapeError: not one answer a token.

    Example:
        >>> given(["not", "bad"])
        (True, True)
    """
    if known is None:
        return (True,) * len(tokens)
    if len(known) != len(tokens):
        raise ShapeError(f"{len(tokens)} token(s), but known of {len(known)}")
    return known


def _lines(
    tokens: Sequence[str], values: Floats, limit: float, cmap: str, width: int, size: int, known: Sequence[bool]
) -> Image:
    """Return tokens in lines of `width` pixels."""
    boxes = [
        _box(token, tuple(int(part) for part in colour) if there else None, size, width)
        for token, colour, there in zip(tokens, paint(positions(values, limit), cmap), known, strict=True)
    ]
    step = canvas.line_height(size) + 2 * _PAD + _LEADING
    left = top = 0
    places = []
    for box in boxes:
        if left and left + box.width > width:
            left, top = 0, top + step
        places.append((left, top))
        left += box.width + _BETWEEN
    sheet = canvas.blank(width, top + step - _LEADING)
    for box, (x, y) in zip(boxes, places, strict=True):
        canvas.place(sheet, box, x, y)
    return sheet


def _box(token: str, colour: tuple[int, ...] | None, size: int, width: int) -> Image:
    """Return a word in its box, or grey without a colour; of one that is wider than a line the end is left out."""
    from PIL import ImageDraw

    text, font = canvas.printable(token), canvas.font(size)
    while len(text) > 1 and font.getlength(text) > width - 2 * _PAD:
        text = text[: -2 if text.endswith("…") else -1].rstrip("…") + "…"
    wide = int(np.ceil(font.getlength(text))) + 2 * _PAD
    if colour is None:
        box, ink = canvas.blank(wide, canvas.line_height(size) + 2 * _PAD), canvas.SOFT
    else:
        red, green, blue = colour
        box = canvas.blank(wide, canvas.line_height(size) + 2 * _PAD, (red, green, blue))
        ink = ink_on(np.array(colour))
    ImageDraw.Draw(box).text((_PAD, _PAD), text, font=font, fill=ink)
    return box
