"""Where a sum went, step by step, as a picture: from what started down to what arrived."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..base.tables import number
from ..errors import ShapeError
from . import svg
from .colours import floats

MOST = 14  # steps with a bar of their own
ROW, TOP = 26, 12
WORDS = 32  # characters before a bar
NAMES, BARS, NUMBERS = 250, 610, 706  # where names end, bars end, numbers end
ROUNDING = 1e-12  # of the largest number: below it a step is rounding alone

Step = tuple[str, str, float]


def waterfall(steps: Iterable[Step], *, start: float, arrived: float, title: str = "") -> str:
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
    steps = [(str(name), str(part), value) for name, part, value in _threes(steps)]
    first, *taken, last = (float(v) for v in floats("waterfall", [start, *(s[2] for s in steps), arrived]))
    told = [(name, part, value) for (name, part, _), value in zip(steps, taken, strict=True)]
    size = max(abs(first), abs(last), *map(abs, taken)) or 1.0
    bars = _merged([step for step in told if step[2] != 0])
    rest = _rest(told, first, last)
    bars += [("rounding", "rounding", rest)] if rest else []
    levels = [0.0, first / size, last / size]  # relative to the largest, so that no difference of two is infinite
    running = first / size
    for _, _, value in bars:
        running -= value / size
        levels.append(running)
    low, high = min(levels), max(levels)
    scale = (BARS - NAMES) / ((high - low) or 1.0)

    def x(level: float) -> float:
        return NAMES + (level - low) * scale

    drawn = [svg.element("line", x1=x(0), x2=x(0), y1=TOP - 4, y2=TOP + ROW * (len(bars) + 2), stroke=svg.LINE)]
    drawn += _row(0, "start", x(0), x(first / size), first, svg.SIGNS[svg.sign_of(first)], dash=first < 0)
    before = levels[1:2] + levels[3:]
    for k, (name, part, value) in enumerate(bars, start=1):
        colour = svg.PARTS.get(part, svg.QUIET)
        ends = x(before[k - 1]), x(before[k])
        drawn += _row(k, name, *ends, -value, colour, part="" if part == name else part, dash=value < 0)
    drawn += _row(len(bars) + 1, "arrived", x(0), x(last / size), last, svg.SIGNS[svg.sign_of(last)], dash=last < 0)
    height = TOP + ROW * (len(bars) + 2) + 6
    silent = {name for name, _, _ in told} - {name for name, _, value in told if value}
    if silent:
        words = f"{len(silent)} nodes take nothing" if len(silent) > 1 else "1 node takes nothing"
        drawn.append(svg.label(words, NAMES, height + 10, size=12, longest=60, fill=svg.QUIET))
        height += 20
    return svg.picture(drawn, height=height, title=title, sentence=account(told, first, last), class_="waterfall")


def _threes(steps: Iterable[Step]) -> list[Step]:
    """Return steps as a list, each of which has to have three parts."""
    found = list(steps) if isinstance(steps, Iterable) else [""]
    if any(isinstance(step, str) or len(step) != 3 for step in found):
        raise ShapeError("waterfall: a step is (name, part, taken)")
    return found


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
    rest = _rest(steps, start, arrived)
    took += [f"rounding is {number(rest)}"] if rest else []
    words = "; ".join([f"Of {number(start)} that started, {part_of(arrived)} arrived", *took])
    return f"{words}." if took else f"{words}; nothing was taken on the way."


def _rest(steps: Sequence[Step], start: float, arrived: float) -> float:
    """Return start − Σ taken − arrived; 0 where it is no more than the rounding of these numbers themselves."""
    numbers = (start, -arrived, *(-value for _, _, value in steps))
    size = max(map(abs, numbers)) or 1.0
    rest = math.fsum(v / size for v in numbers)
    return rest * size if abs(rest) > ROUNDING else 0.0


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
    k: int, name: str, start: float, end: float, value: float, colour: str, *, part: str | None = None, dash: bool
) -> list[str]:
    """Return the name, the bar and the number of one step; a bar that goes the other way has a dashed rim.

    A step has a part, "" where its name says it already; what started and what arrived have none.
    """
    y, behind = TOP + ROW * k, f": {part}" if part else ""
    bar = svg.element(
        "rect", svg.element("title", svg.text_of(f"{name}{behind}: {number(value)}")),
        x=min(start, end), y=y + 4, width=max(abs(end - start), 1.0), height=ROW - 9, fill=colour,
        fill_opacity=0.35 if dash else 0.85, stroke=colour, stroke_dasharray=svg.DASH if dash else None,
        data_node=None if part is None else name, data_part=part or None, data_value=repr(value),
    )  # fmt: skip
    short = svg.shortened(name, WORDS - len(behind)) + behind
    whole = () if len(name) + len(behind) <= WORDS else (svg.element("title", svg.text_of(name + behind)),)
    return [
        svg.element("text", *whole, svg.text_of(short), x=NAMES - 10, y=y + 18, fill=svg.INK, font_size=13,
                    text_anchor="end"),
        bar,
        svg.label(svg.signed(number(value), value), NUMBERS, y + 18, anchor="end", fill=svg.INK),
    ]  # fmt: skip
