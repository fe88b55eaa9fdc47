"""The messages between a few inputs and outputs as a picture: a line for each, as wide as it is large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.tables import number
from ..errors import ShapeError
from . import svg
from .colours import Floats, floats

LEFT, RIGHT, BOX = 190, 530, 96  # where the boxes of inputs end and those of outputs begin, and how wide they are
ROW, TOP, WIDEST, THINNEST = 58, 34, 15.0, 0.9
NUMBER = 62.0, 15.0  # how wide and high the place of a number is
MOST_LABELS = 16  # messages with a number at their line
MOST = 24  # inputs or outputs of a picture


def message_graph(
    inputs: Any,
    outputs: Any,
    messages: Any,
    *,
    weights: Any = None,
    relevance_out: Any = None,
    bias: Any = None,
    stabiliser: Any = None,
    dropped: Any = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    title: str = "",
) -> str:
    """Return the messages of a layer as SVG: inputs left, outputs right, a line as wide as |R_i←j| is large.

    A positive message is red and solid, a negative one blue and dashed. What of an output's relevance went to its bias,
    to the stabiliser or nowhere has lines of its own, so that the lines of an output add up to its relevance.

    Args:
        inputs: a_i (I,).
        outputs: z_j (J,).
        messages: R_i←j (I, J), in the unit of the relevance.
        weights: w_ij (I, J), for the titles of the lines.
        relevance_out: R_j (J,); None for the sums of what is drawn.
        bias, stabiliser, dropped: of each output (J,), in the unit of the relevance.
        input_names, output_names: instead of "a_0", "z_0", ….
        title: what the picture is of, in a few words.

    Raises:
        ShapeError: sizes that do not fit, or more than 24 inputs or outputs.
        NonFiniteError: numbers that are not finite.

    Example:
        >>> drawn = message_graph([1, 2], [1], [[0.75], [0.25]], title="one neuron")
        >>> drawn.count("<path"), "one neuron. Of +1 at z_0" in drawn
        (2, True)
    """
    a, z = floats("inputs", inputs).reshape(-1), floats("outputs", outputs).reshape(-1)
    m = _fitting("messages", messages, (len(a), len(z)))
    w = None if weights is None else _fitting("weights", weights, m.shape)
    for name, many in (("inputs", len(a)), ("outputs", len(z))):
        if not 0 < many <= MOST:
            raise ShapeError(f"message_graph: {many} {name}; a picture has 1 to {MOST}")
    taken = {
        name: _fitting(name, 0 * z if part is None else part, z.shape)
        for name, part in (("bias", bias), ("stabiliser", stabiliser), ("dropped", dropped))
    }
    with np.errstate(over="ignore"):
        floats("message_graph: the sum of all messages", abs(m).sum() + sum(abs(part).sum() for part in taken.values()))
    r = (
        m.sum(axis=0) + sum(taken.values())
        if relevance_out is None
        else _fitting("relevance_out", relevance_out, z.shape)
    )
    left = [*_names(input_names, "a", len(a)), *(name for name, part in taken.items() if part.any())]
    right = _names(output_names, "z", len(z))
    rows = np.concatenate([m, *(part[None] for part in taken.values() if part.any())])
    height = TOP + ROW * max(len(left), len(z)) + 8
    drawn = _lines(rows, w, left, right, len(a), height)
    drawn += [_head("R_i", 38), _head("input", LEFT - BOX / 2), _head("output", RIGHT + BOX / 2), _head("R_j", 682)]
    for i, name in enumerate(left):
        y, value = _place(i, len(left), height), float(rows[i].sum())
        drawn += _box(
            LEFT - BOX, y, name, float(a[i]) if i < len(a) else None, colour=None if i < len(a) else svg.PARTS[name]
        )
        drawn.append(_number(value, 84, y + 5, "end"))
    for j, name in enumerate(right):
        y = _place(j, len(right), height)
        drawn += _box(RIGHT, y, name, float(z[j]))
        drawn.append(_number(float(r[j]), 636, y + 5, "start"))
    return svg.picture(
        drawn, height=height, title=title, sentence=sentence(m, r, taken, left, right), class_="messages"
    )


def sentence(m: Floats, r: Floats, taken: dict[str, Floats], left: Sequence[str], right: Sequence[str]) -> str:
    """Return what the picture shows, in words."""
    received = m.sum(axis=1)
    words = [
        f"{svg.signed(number(float(v)), float(v))} to {svg.shortened(left[i], svg.LONGEST)}"
        for i, v in enumerate(received[:8])
    ]
    words += [f"{len(received) - 8} further inputs"] * (len(received) > 8)
    words += [f"{svg.signed(number(float(p.sum())), float(p.sum()))} to {name}" for name, p in taken.items() if p.any()]
    start = " and ".join(
        f"{svg.signed(number(float(v)), float(v))} at {svg.shortened(name, svg.LONGEST)}"
        for v, name in zip(r[:4], right[:4], strict=True)
    )
    more = f" and {len(r) - 4} further outputs" if len(r) > 4 else ""
    return f"Of {start}{more} go {', '.join(words)}."


def _lines(
    rows: Floats, w: Floats | None, left: Sequence[str], right: Sequence[str], real: int, height: float
) -> list[str]:
    """Return the lines of all messages, the widest first, so that thin ones stay visible."""
    largest = float(abs(rows).max(initial=0.0)) or 1.0
    numbered = np.count_nonzero(rows) <= MOST_LABELS
    drawn: list[str] = []
    numbers: list[str] = []
    places: list[tuple[float, float]] = []
    for i, j in sorted(np.ndindex(rows.shape), key=lambda ij: -abs(rows[ij])):
        value = float(rows[i, j])
        y0, y1 = _place(i, len(left), height), _place(j, len(right), height)
        colour = svg.SIGNS[svg.sign_of(value)] if i < real else svg.PARTS[left[i]]
        weight = f", weight {number(float(w[i, j]))}" if w is not None and i < real else ""
        told = f"{left[i]} ← {right[j]}: {svg.signed(number(value), value)}{weight}"
        drawn.append(
            svg.element(
                "path", svg.element("title", svg.text_of(told)),
                d=f"M{LEFT} {y0:.1f} C{LEFT + 120} {y0:.1f} {RIGHT - 120} {y1:.1f} {RIGHT} {y1:.1f}", fill="none",
                stroke=colour, stroke_width=max(WIDEST * abs(value) / largest, THINNEST) if value else 0.8,
                stroke_dasharray=svg.DASH if value < 0 else "1 5" if value == 0 else None, stroke_opacity=0.82,
                data_message=repr(value), data_edge=f"{i},{j}",
            )
        )  # fmt: skip
        if numbered and value:
            places.append(_free(places, y0, y1))
            x, y = places[-1]
            numbers.append(_number(value, x, y + 4, "middle", halo=True))
    return drawn + numbers


def _free(taken: Sequence[tuple[float, float]], y0: float, y1: float) -> tuple[float, float]:
    """Return the point of a line for its number: the one nearest the middle that is clear of the others' numbers."""

    def room(point: tuple[float, float]) -> float:
        apart = (max(abs(point[0] - x) / NUMBER[0], abs(point[1] - y) / NUMBER[1]) for x, y in taken)
        return min(min(apart, default=1.0), 1.0)

    return max((_along(0.5 + t, y0, y1) for t in sorted(np.linspace(-0.42, 0.42, 57), key=abs)), key=room)


def _along(t: float, y0: float, y1: float) -> tuple[float, float]:
    """Return the point of a line between two boxes at t in [0, 1]."""
    s = 1 - t
    x = s**3 * LEFT + 3 * s * s * t * (LEFT + 120) + 3 * s * t * t * (RIGHT - 120) + t**3 * RIGHT
    return x, s * s * (s + 3 * t) * y0 + t * t * (t + 3 * s) * y1


def _place(k: int, many: int, height: float) -> float:
    """Return the middle of the k-th of many boxes, which stand in the middle of the picture's height."""
    return TOP + (height - TOP - 8 - ROW * many) / 2 + ROW * (k + 0.5)


def _box(x: float, y: float, name: str, value: float | None, colour: str | None = None) -> list[str]:
    rim = svg.element(
        "rect", x=x, y=y - 21, width=BOX, height=42, rx=7, fill=svg.PANEL, stroke=colour or svg.LINE, stroke_width=1.5
    )
    middle = x + BOX / 2
    if value is None:
        return [rim, svg.label(name, middle, y + 5, anchor="middle", fill=colour)]
    head = svg.label(name, middle, y - 4, anchor="middle", size=12, longest=11, fill=svg.QUIET)
    return [rim, head, svg.label(number(value).replace("-", "−", 1), middle, y + 13, anchor="middle", size=14)]


def _number(value: float, x: float, y: float, anchor: str, *, halo: bool = False) -> str:
    rim: dict[str, Any] = {"stroke": svg.PAPER, "stroke_width": 8, "paint_order": "stroke"} if halo else {}
    colour = svg.SIGNS[svg.sign_of(value)]
    return svg.label(
        svg.signed(number(value), value), x, y, anchor=anchor, size=13, fill=colour, font_weight="600", **rim
    )


def _head(words: str, x: float) -> str:
    return svg.label(words, x, 20, anchor="middle", size=12, fill=svg.QUIET)


def _names(given: Sequence[str] | None, letter: str, many: int) -> list[str]:
    if given is None:
        return [f"{letter}_{k}" for k in range(many)]
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise ShapeError(f"message_graph: {given!r:.60} are no names for {many} units")
    if len(given) != many:
        raise ShapeError(f"message_graph: {len(given)} names for {many} units")
    return [str(name) for name in given]


def _fitting(name: str, values: Any, shape: tuple[int, ...]) -> Floats:
    array = floats(name, values)
    if array.shape != shape:
        raise ShapeError(f"message_graph: {name} has shape {array.shape}, expected {shape}")
    return array
