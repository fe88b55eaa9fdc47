"""The numbers of a vector as bars, the largest first, with the sum they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.tables import number
from ..errors import ShapeError
from . import svg
from .colours import Floats, floats

MOST = 12  # numbers with a bar of their own
ROW, TOP = 26, 8
LEFT, RIGHT, NUMBERS = 210, 600, 706  # where the space of bars begins and ends, and where numbers end


def bars(values: Any, *, names: Sequence[str] | None = None, title: str = "") -> str:
    """Return the numbers of a vector as SVG: a bar for each of the largest, one for the sum of the others.

    Bars of positive numbers go right and are red, those of negative ones go left, are blue and have a dashed rim.

    Args:
        values: (F,), such as the relevance of each feature.
        names: of the numbers, instead of "x_0", "x_1", ….
        title: what the picture is of, in a few words.

    Raises:
        ShapeError: not one axis, no numbers, or another count of names.
        NonFiniteError: numbers that are not finite.

    Example:
        >>> drawn = bars([0.25, -1.0], names=["width", "height"], title="relevance")
        >>> drawn.count("<rect"), "relevance. The largest is height with −1; all 2 add up to −0.75." in drawn
        (2, True)
    """
    v = floats("bars", values)
    if v.ndim != 1 or not len(v):
        raise ShapeError(f"bars: expected the numbers of one vector (F,), got shape {v.shape}")
    if names is not None and len(names) != len(v):
        raise ShapeError(f"bars: {len(names)} names for {len(v)} numbers")
    called = [f"x_{k}" for k in range(len(v))] if names is None else [str(name) for name in names]
    order = np.argsort(-abs(v), kind="stable")
    shown = order if len(v) <= MOST else order[: MOST - 1]
    rows = [(called[k], float(v[k]), int(k)) for k in shown]
    if len(shown) < len(v):
        rows.append((f"{len(v) - len(shown)} others", float(v[order[len(shown) :]].sum()), -1))
    size = max(abs(value) for _, value, _ in rows) or 1.0
    low, high = min(0.0, *(value / size for _, value, _ in rows)), max(0.0, *(value / size for _, value, _ in rows))
    scale = (RIGHT - LEFT) / ((high - low) or 1.0)
    zero = LEFT - low * scale
    drawn = [svg.element("line", x1=zero, x2=zero, y1=TOP - 4, y2=TOP + ROW * len(rows), stroke=svg.LINE)]
    for k, (name, value, at) in enumerate(rows):
        y, width, colour = TOP + ROW * k, abs(value / size) * scale, svg.SIGNS[svg.sign_of(value)]
        drawn += [
            svg.label(name, LEFT - 10, y + 18, anchor="end", longest=28),
            svg.element(
                "rect", svg.element("title", svg.text_of(f"{name}: {number(value)}")),
                x=zero if value >= 0 else zero - width, y=y + 4, width=width, height=ROW - 9,
                fill=colour, fill_opacity=0.35 if value < 0 else 0.85, stroke=colour,
                stroke_dasharray=svg.DASH if value < 0 else None,
                data_index=at if at >= 0 else None, data_value=repr(value),
            ),
            svg.label(svg.signed(number(value), value), NUMBERS, y + 18, anchor="end", fill=colour, font_weight="600"),
        ]  # fmt: skip
    first = svg.shortened(called[order[0]], svg.LONGEST)
    return svg.picture(
        drawn, height=TOP + ROW * len(rows) + 6, title=title, sentence=_sentence(v, first, float(v[order[0]])),
        class_="bars",
    )  # fmt: skip


def _sentence(v: Floats, name: str, largest: float) -> str:
    """Return what the picture shows, in words."""
    total = float(v.sum())
    if not largest:
        return f"All {len(v)} are 0."
    return (
        f"The largest is {name} with {svg.signed(number(largest), largest).removeprefix('+')}; "
        f"all {len(v)} add up to {svg.signed(number(total), total).removeprefix('+')}."
    )
