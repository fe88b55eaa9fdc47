"""Relevance of time series: each channel as a line over the colours of its relevance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError
from . import canvas
from .colours import DEFAULT, Floats, floats, luminance, paint, positions, resolve_limit

if TYPE_CHECKING:
    from PIL.Image import Image

_FINE = 4  # the line is drawn this many times larger and averaged down, which makes it smooth
_GAP = 10
_AXIS = 44  # pixels of the time axis with its numbers and its name


def series(
    signal: NDArray[Any],
    relevance: NDArray[Any],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    width: int = 720,
    height: int | None = None,
    channel_names: Sequence[str] | None = None,
    sample_rate: float | None = None,
    axis: str = "sample",
    colorbar: bool = True,
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return a signal as lines over the colours of its relevance, channels below each other.

    All channels share the colour scale; each has its own vertical scale. Where there are more samples than
    pixels, a pixel has the R that is largest in size among its samples, so that no peak is lost.

    Args:
        signal: real NumPy array (T,) or (C, T).
        relevance: array of the same shape, any unit.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`; one below the largest |R| is said below.
        width: of the plots, in pixels.
        height: of one channel's plot, in pixels; 150 for one channel and 72 for several where None.
        channel_names: a name for each channel.
        sample_rate: samples per second; the axis then counts seconds, not samples.
        axis: what one step of the axis is, such as "time step" or "frame", where it does not count seconds.
        colorbar: whether a bar with numbers, 0 in its middle, stands at the right.
        title: a line above.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "boxes", the plots' (left, top, right, bottom) in pixels, and
        "relevance_limit", the limit as text.

    Raises:
        ShapeError: other shapes, or shapes or names that do not match.
        NonFiniteError: values that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> time = np.linspace(0.0, 1.0, 50)
        >>> series(np.sin(9 * time), time - 0.5, width=200).info["relevance_limit"]
        '0.5'
    """
    lines, values = _channels(signal, relevance)
    if channel_names is not None and len(channel_names) != len(lines):
        raise ShapeError(f"channel_names has {len(channel_names)} entries for {len(lines)} channel(s)")
    high = (150 if len(lines) == 1 else 72) if height is None else height
    _require_pixels("width", width)
    _require_pixels("height", high)
    if sample_rate is not None and not (np.isfinite(sample_rate) and sample_rate > 0):
        raise ParameterError(f"sample_rate is {sample_rate!r}; give a positive number of samples per second")
    found = resolve_limit(values, limit)
    places = positions(values, found)
    plots = [_plot(line, place, cmap, width, high) for line, place in zip(lines, places, strict=True)]
    scale = (cmap, found) if colorbar else None
    sheet, boxes = _lay_out(plots, lines, channel_names, _Time(sample_rate, axis), title, scale)
    note = canvas.clip_note(float(np.abs(values).max()), found, limit)
    for text, size, ink in ((remark, canvas.NORMAL, canvas.INK), (note, canvas.SMALL, canvas.SOFT)):
        if text:
            sheet = _above(sheet, canvas.label(text, size=size, ink=ink, width=width), boxes[0][0])
    sheet.info.update(relevance_limit=repr(found), boxes=boxes)
    return sheet


def _channels(signal: Any, relevance: Any) -> tuple[Floats, Floats]:
    """Return signal and relevance as (C, T), which they must both be, or both (T,)."""
    lines, values = _same("signal", signal), _same("relevance", relevance)
    if lines.shape != values.shape or np.ndim(signal) != np.ndim(relevance):
        raise ShapeError(f"signal has shape {np.shape(signal)}, but relevance {np.shape(relevance)}")
    return lines, values


def _require_pixels(name: str, given: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 16:
        raise ParameterError(f"{name} is {given!r}; give a whole number of pixels, 16 or more")


def _above(sheet: Image, words: Image, left: int) -> Image:
    """Return the sheet above a line of words that begins at ``left``."""
    longer = canvas.blank(sheet.width, sheet.height + words.height)
    canvas.place(longer, sheet, 0, 0)
    canvas.place(longer, words, left, sheet.height - canvas.MARGIN + 6)
    return longer


def _same(name: str, values: Any) -> Floats:
    array = floats(name, values)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ShapeError(f"{name} has shape {array.shape}; a series is (T,) or (C, T), and not empty")
    return np.atleast_2d(array)


def _columns(place: Floats, width: int) -> Floats:
    """Return the place on the colour map of each of `width` pixel columns."""
    length = len(place)
    if length <= width:
        return place[np.arange(width) * length // width]
    starts = np.arange(width) * length // width
    top, low = np.maximum.reduceat(place, starts), np.minimum.reduceat(place, starts)
    return np.where(top >= -low, top, low)


def _span(line: Floats) -> tuple[float, float]:
    """Return the lower and upper end of a channel's vertical axis, with room around the line."""
    low, high = float(line.min()), float(line.max())
    size = max(abs(low), abs(high))
    # What differs by rounding alone, or by less than floats can be divided by, is drawn as a flat line.
    room = 0.08 * (high - low) if high - low > max(1e-12 * size, 1e-300) else max(size, 1.0)
    return low - room, high + room


def _plot(line: Floats, place: Floats, cmap: str, width: int, height: int) -> Image:
    """Return one channel: columns in the colours of relevance, and on them the line with a halo."""
    from PIL import Image, ImageDraw

    back = np.broadcast_to(paint(_columns(place, width), cmap), (height, width, 3))
    picture = Image.fromarray(np.ascontiguousarray(back))
    low, high = _span(line)
    middle = paint(np.zeros(()), cmap)
    dark = float(luminance(middle)) < 0.5
    ink, halo = ((255, 255, 255), (0, 0, 0)) if dark else ((20, 20, 24), (255, 255, 255))
    across = (np.arange(len(line)) + 0.5) / len(line) * width * _FINE
    down = (high - line) / (high - low) * (height - 1) * _FINE
    if len(line) == 1:
        across, down = np.array([0.0, width * _FINE]), down.repeat(2)
    points = np.stack([across, down], axis=1).ravel().tolist()
    for colour, thick, strength in ((halo, 3.6, 0.55), (ink, 1.5, 1.0)):
        mask = Image.new("L", (width * _FINE, height * _FINE))
        broad = round(thick * _FINE)
        ImageDraw.Draw(mask).line(points, fill=round(255 * strength), width=broad, joint="curve")
        picture.paste(colour, (0, 0), mask.resize((width, height), Image.Resampling.BOX))
    return picture


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 round numbers within low…high, 1, 2 or 5 times a power of ten apart.

    Example:
        >>> ticks(0.0, 100.0, 5), ticks(-0.31, 0.42, 5)
        ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [-0.2, 0.0, 0.2, 0.4])
    """
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    steps = [times * power for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9)]
    step = float(min(steps, default=10 * power))
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _marks(line: Floats, most: int) -> list[float]:
    """Return the ticks of a channel's vertical axis, two or more."""
    return next(found for count in range(most, 99) if len(found := ticks(*_span(line), count)) >= 2)


def _digits(mark: float) -> str:
    return f"{mark:.10g}"


class _Time(NamedTuple):
    """The horizontal axis: samples per second, and its name where these are not known."""

    rate: float | None
    axis: str


def _lay_out(
    plots: list[Image],
    lines: Floats,
    names: Sequence[str] | None,
    time: _Time,
    title: str | None,
    scale: tuple[str, float] | None,
) -> tuple[Image, list[tuple[int, int, int, int]]]:
    from PIL import ImageDraw

    wide, high = plots[0].size
    marks = [_marks(line, max(3, high // 40)) for line in lines]
    marks_wide = max(canvas.label(_digits(m), size=canvas.SMALL).width for row in marks for m in row)
    labels = [canvas.label(name, align="right", width=_name_width(names)) for name in names or ()]
    left = canvas.MARGIN + (labels[0].width + 10 if labels else 0) + marks_wide + 8
    head = canvas.label(title, size=canvas.LARGE, width=wide) if title else None
    top = canvas.MARGIN + (head.height + 6 if head else 0)
    step = high + 2 + _GAP
    foot = top + len(plots) * step - _GAP
    bar = canvas.bar(foot - top, *scale) if scale else None
    right = left + wide + 2
    foot = max(foot, top + bar.height - _AXIS) if bar else foot
    full = right + (canvas.GAP + bar.width if bar else 0) + canvas.MARGIN
    sheet = canvas.blank(full, foot + _AXIS + canvas.MARGIN // 2)
    if head:
        canvas.place(sheet, head, left, canvas.MARGIN)
    draw, small, boxes = ImageDraw.Draw(sheet), canvas.font(canvas.SMALL), []
    for index, plot in enumerate(plots):
        y = top + index * step
        canvas.place(sheet, canvas.framed(plot), left, y)
        boxes.append((left + 1, y + 1, left + 1 + wide, y + 1 + high))
        if labels:
            canvas.place(sheet, labels[index], canvas.MARGIN, y + (high + 2 - labels[index].height) // 2)
        low, upper = _span(lines[index])
        for mark in marks[index]:
            at = y + 1 + round((upper - mark) / (upper - low) * (high - 1))
            draw.line([(left - 4, at), (left - 1, at)], fill=canvas.SOFT)
            draw.text((left - 7, at), _digits(mark), font=small, fill=canvas.SOFT, anchor="rm")
    _time_axis(sheet, boxes[-1], lines.shape[1], time)
    if bar:
        canvas.place(sheet, bar, right + canvas.GAP, top)
    return sheet, boxes


def _name_width(names: Sequence[str] | None) -> int:
    return max(1, min(120, max((canvas.label(name).width for name in names or ()), default=1)))


def _time_axis(sheet: Image, box: tuple[int, int, int, int], length: int, time: _Time) -> None:
    """Draw the axis below the last plot; sample k is in the middle of its column, time k / sample_rate."""
    from PIL import ImageDraw

    left, _, right, down = box
    draw = ImageDraw.Draw(sheet)
    rate = 1.0 if time.rate is None else time.rate
    small = canvas.font(canvas.SMALL)
    marks = ticks(0.0, max(length - 1, 1) / rate, max(2, (right - left) // 90))
    for mark in marks:
        if time.rate is None and mark != round(mark):
            continue
        at = round(left + (mark * rate + 0.5) / length * (right - left))
        draw.line([(at, down + 1), (at, down + 5)], fill=canvas.SOFT)
        draw.text((at, down + 8), _digits(mark), font=small, fill=canvas.SOFT, anchor="ma")
    name = canvas.printable(time.axis) if time.rate is None else "time in s"
    draw.text(((left + right) // 2, down + 24), name, font=small, fill=canvas.INK, anchor="ma")
