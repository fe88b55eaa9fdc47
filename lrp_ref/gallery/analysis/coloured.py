"""Words on the colour of their relevance, in lines like text, on axes of a picture of the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...heatmap import colours
from ..figures import DPI, PALE

PAD = 2  # pixels of colour around a word
BETWEEN = 3  # pixels between two boxes
LEADING = 9  # pixels between two lines


def show_words(
    axes: Any,
    words: Sequence[str],
    relevance: NDArray[Any],
    *,
    limit: float,
    width: float,
    top: float = 0.0,
    left: float = 0.0,
    size: float = 12.0,
    label: str = "",
    lines: int | None = None,
) -> float:
    """Write words from left to right, each on its colour, and return how far below the axes' top they end, in pixels.

    Args:
        axes: where; what is written hangs from their upper left corner.
        words: T of them.
        relevance: of each, (T,): red positive, blue negative, white none.
        limit: |R| at which colours end.
        width: of a line, in pixels.
        top, left: where the first line begins, in pixels from the upper left corner.
        size: of the letters, in points.
        label: a grey line above.
        lines: how many are written at most, None for all; "…" stands behind the last where words are left over.
    """
    axes.set_axis_off()
    height = size * DPI / 72 + LEADING
    y = top
    if label:
        _write(axes, label, left, y, size=11.0, color=PALE)
        y += 11 * DPI / 72 + LEADING
    painted = colours.paint(colours.positions(np.asarray(relevance, dtype=np.float64), limit), colours.DEFAULT)
    places = layout([_length(axes, word, size) for word in words], width)
    for word, colour, (line, x) in zip(words, painted, places, strict=True):
        if lines is not None and line >= lines:
            _write(axes, "…", left + width, y + (lines - 1) * height, size=size)
            break
        box = {"facecolor": colour / 255, "edgecolor": "none", "pad": PAD * 72 / DPI}
        ink = "#{:02x}{:02x}{:02x}".format(*colours.ink_on(colour))
        _write(axes, word, left + x, y + line * height, size=size, color=ink, bbox=box)
    used = places[-1][0] + 1 if places else 0
    return y + height * (used if lines is None else min(used, lines))


def layout(lengths: Sequence[float], width: float) -> list[tuple[int, float]]:
    """Return the line of each word and where it begins in it, words of these lengths, in pixels.

    Example:
        >>> layout([40.0, 40.0, 40.0], 100)
        [(0, 0.0), (0, 47.0), (1, 0.0)]
    """
    places, line, x = [], 0, 0.0
    for length in lengths:
        if x and x + length > width:
            line, x = line + 1, 0.0
        places.append((line, x))
        x += length + 2 * PAD + BETWEEN
    return places


def _length(axes: Any, word: str, size: float) -> float:
    """Return how long a word is, in pixels."""
    from matplotlib.font_manager import FontProperties

    renderer = axes.figure.canvas.get_renderer()
    shown = word.replace("$", "")
    return float(renderer.get_text_width_height_descent(shown, FontProperties(size=size), False)[0])


def _write(axes: Any, text: str, x: float, y: float, **options: Any) -> None:
    """Write a text x pixels right of and y pixels below the upper left corner of the axes."""
    written = axes.annotate(
        text, (0, 1), xycoords="axes fraction", xytext=(x * 72 / DPI, -y * 72 / DPI), textcoords="offset points",
        ha="left", va="top", parse_math=False, **options,
    )  # fmt: skip
    written.set_in_layout(False)
