"""Where a sum went, step by step, as a picture: from what started down to what arrived."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.tables import number
from . import svg
from .colours import floats

MOST = 14  # steps with a bar of their own
ROW, TOP = 26, 12
NAME = 17  # characters of a node's name
NAMES, BARS, NUMBERS = 210, 610, 706  # where names end, bars end, numbers end
ROUNDING = 1e-12  # of the largest number: below it a step is rounding alone

Step = tuple[str, str, float]


def waterfall(steps: Sequence[Step], *, start: float, arrived: float, title: str = "") -> str:
    """Return as SVG what each step took of a sum: start − Σ taken − rounding = arrived, so that it always closes.

    Args:
        steps: (name, part, taken) in their order; part is "bias", "stabiliser", "dropped" or another word.
        start: what there was before the first step.
        arrived: what there is behind the last one.
        title: what the picture is of, in a few words.

    Raises:
        NonFiniteError: numbers that are not finite.

    Example:
        >>> drawn = waterfall([("fc", "bias", 0.25)], start=1.0, arrived=0.75)
        >>> drawn.count("<rect"), "Of 1 that started, 0.75 (75 %) arrived; bias took 0.25 (25 %)." in drawn
        (3, True)
    """
    first, *taken, last = (float(v) for v in floats("waterfall", [start, *(s[2] for s in steps), arrived]))
    told = [(name, part, value) for (name, part, _), value in zip(steps, taken, strict=True)]
    bars = _merged([step for step in told if step[2] != 0])
    rest = first - sum(taken) - last
    size = max(abs(first), abs(last), *map(abs, taken), 1e-300)
    if abs(rest) > ROUNDING * size:
        bars.append(("rounding", "rounding", rest))
    running, levels = first, [0.0, first, last]
    for _, _, value in bars:
        running -= value
        levels.append(running)
    low, high = min(levels), max(levels)
    scale = (BARS - NAMES) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return NAMES + (value - low) * scale

    drawn = [svg.element("line", x1=x(0), x2=x(0), y1=TOP - 4, y2=TOP + ROW * (len(bars) + 2), stroke=svg.LINE)]
    drawn += _row(0, "start", x(0), x(first), first, svg.SIGNS[svg.sign_of(first)], dash=first < 0)
    running = first
    for k, (name, part, value) in enumerate(bars, start=1):
        words = name if part == "rounding" else f"{svg.shortened(name, NAME)}: {part}"
        colour = svg.PARTS.get(part, svg.QUIET)
        drawn += _row(k, words, x(running), x(running - value), -value, colour, node=name, dash=value < 0)
        running -= value
    drawn += _row(len(bars) + 1, "arrived", x(0), x(last), last, svg.SIGNS[svg.sign_of(last)], dash=last < 0)
    height = TOP + ROW * (len(bars) + 2) + 6
    return svg.picture(drawn, height=height, title=title, sentence=account(told, first, last), class_="waterfall")


def account(steps: Sequence[Step], start: float, arrived: float) -> str:
    """Return what a waterfall shows, in words.

    Example:
        >>> account([("a", "bias", 1.0), ("b", "bias", 2.0), ("b", "dropped", 0.0)], 4.0, 1.0)
        'Of 4 that started, 1 (25 %) arrived; bias took 3 (75 %).'
    """

    def part_of(value: float) -> str:
        percent = 100 * value / start if start else 0.0
        return f"{number(value)}" + (f" ({percent:.3g} %)" if start and abs(percent) < 1e6 else "")

    sums: dict[str, float] = {}
    for _, part, value in steps:
        sums[part] = sums.get(part, 0.0) + value
    took = [f"{part} took {part_of(value)}" for part, value in sums.items() if value]
    words = "; ".join([f"Of {number(start)} that started, {part_of(arrived)} arrived", *took])
    return f"{words}." if took else f"{words}; nothing was taken on the way."


def _merged(steps: list[Step]) -> list[Step]:
    """Return the largest steps in their order, and what the others took of each part, in one step at the end."""
    if len(steps) <= MOST:
        return steps
    kept = sorted(range(len(steps)), key=lambda k: -abs(steps[k][2]))[:MOST]
    rest: dict[str, list[float]] = {}
    for k, (_, part, value) in enumerate(steps):
        if k not in kept:
            rest.setdefault(part, []).append(value)
    others = [(f"{len(values)} others", part, sum(values)) for part, values in rest.items()]
    return [steps[k] for k in sorted(kept)] + others


def _row(
    k: int,
    words: str,
    start: float,
    end: float,
    value: float,
    colour: str,
    *,
    node: str | None = None,
    dash: bool = False,
) -> list[str]:
    """Return the name, the bar and the number of one step; a bar that goes the other way has a dashed rim."""
    y = TOP + ROW * k
    bar = svg.element(
        "rect", svg.element("title", svg.text_of(f"{words[:1000]}: {number(value)}")),
        x=min(start, end), y=y + 4, width=max(abs(end - start), 1.0), height=ROW - 9, fill=colour,
        fill_opacity=0.35 if dash else 0.85, stroke=colour, stroke_dasharray=svg.DASH if dash else None,
        data_node=node, data_value=repr(value),
    )  # fmt: skip
    return [
        svg.label(words, NAMES - 10, y + 18, anchor="end"),
        bar,
        svg.label(svg.signed(number(value), value), NUMBERS, y + 18, anchor="end", fill=svg.INK),
    ]
