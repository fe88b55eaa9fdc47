"""Curves over samples: their median as a line, and their spread as a band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError
from . import canvas
from .colours import HUES, Floats, floats
from .signals import ticks

if TYPE_CHECKING:
    from PIL.Image import Image

_FINE = 3  # drawn this many times larger and averaged down, which makes lines smooth
_BAND = 0.16  # how much of its hue the band has
_CONTROL = (128, 128, 128)
_AXIS = 44  # pixels below the plot, for numbers and the name of the axis


class _Frame(NamedTuple):
    """Where numbers are on the plot."""

    left: float
    right: float
    low: float
    high: float
    width: int
    height: int

    def across(self, places: Any) -> Any:
        return (np.asarray(places) - self.left) / (self.right - self.left) * (self.width - 1)

    def down(self, values: Any) -> Any:
        return (self.high - np.asarray(values)) / (self.high - self.low) * (self.height - 1)


def curves(
    lines: Mapping[str, NDArray[Any]],
    places: Sequence[float],
    *,
    width: int = 560,
    height: int = 320,
    axes: tuple[str, str] = ("", ""),
    spread: bool = True,
    control: str = "",
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return curves of many samples: of each name the median over the samples, and the middle half as a band.

    Args:
        lines: name → curves (N, K) of N samples, any unit; the same unit for all names.
        places: on the horizontal axis (K), rising.
        width, height: of the plot, in pixels.
        axes: what the horizontal and the vertical axis are.
        spread: whether the band from the 25 % to the 75 % quantile is drawn, where there is more than one sample.
        control: the name of the curve that the others are compared with, which is grey.
        title: a line above.
        remark: a sentence below.

    Returns:
        RGB picture; its `info` has "box", the plot's (left, top, right, bottom) in pixels.

    Raises:
        ShapeError: curves that are not (N, K), without samples, or of another length than `places`.
        NonFiniteError: values that are not finite.
        ParameterError: places that do not rise, or sizes below 64.

    Example:
        >>> curves({"MoRF": np.array([[3.0, 1.0, 0.5]])}, [0.0, 0.5, 1.0], width=200, height=100).info["box"][2:]
        (232, 117)
    """
    from PIL import Image, ImageDraw

    where, made = _checked(lines, places, width, height)
    band = {name: np.quantile(each, (0.25, 0.5, 0.75), axis=0) for name, each in made.items()}
    frame = _frame(where, list(band.values()), spread, width, height)
    plot = Image.new("RGB", (width * _FINE, height * _FINE), canvas.PAPER)
    if frame.low < 0 < frame.high:
        zero = round(float(frame.down(0.0)) * _FINE)
        ImageDraw.Draw(plot).line([(0, zero), (width * _FINE, zero)], fill=canvas.LINE, width=_FINE)
    across = frame.across(where) * _FINE
    hues = _hues(band, control)
    for name, (low, _, high) in band.items():
        if spread:
            edge = [*zip(across, frame.down(high) * _FINE, strict=True)]
            edge += [*zip(across[::-1], frame.down(low[::-1]) * _FINE, strict=True)]
            mask = Image.new("L", plot.size)
            ImageDraw.Draw(mask).polygon([(float(a), float(b)) for a, b in edge], fill=round(255 * _BAND))
            plot.paste(hues[name][0], (0, 0), mask)
    for name, (_, middle, _) in band.items():
        points = [(float(a), float(b)) for a, b in zip(across, frame.down(middle) * _FINE, strict=True)]
        hue, thick = hues[name]
        ImageDraw.Draw(plot).line(points, fill=hue, width=round(thick * _FINE), joint="curve")
    inner = canvas.framed(plot.resize((width, height), Image.Resampling.BOX))
    return _lay_out(inner, frame, hues, axes, title, remark)


def _hues(names: Iterable[str], control: str) -> dict[str, tuple[canvas.Ink, float]]:
    """Return the colour and the width of each line; beyond the eighth the hues come again, thinner."""
    others = [name for name in names if name != control]
    found = {name: (HUES[k % len(HUES)], 2.2 if k < len(HUES) else 1.1) for k, name in enumerate(others)}
    return {name: found.get(name, (_CONTROL, 2.2)) for name in names}


def _checked(
    lines: Mapping[str, Any], places: Sequence[float], width: int, height: int
) -> tuple[Floats, dict[str, Floats]]:
    where = floats("places", list(places))
    if where.ndim != 1 or len(where) < 2 or not bool((np.diff(where) > 0).all()):
        raise ParameterError("places must be two numbers or more, each above the one before")
    for name, size in (("width", width), ("height", height)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 64:
            raise ParameterError(f"{name} is {size!r}; give a whole number of pixels, 64 or more")
    if not lines:
        raise ShapeError("there are no curves to draw")
    made = {str(name): floats(f"lines[{name!r}]", values) for name, values in lines.items()}
    for name, values in made.items():
        if values.ndim != 2 or not len(values) or values.shape[1] != len(where):
            raise ShapeError(
                f"lines[{name!r}] has shape {values.shape}; expected (N, {len(where)}) with a sample or more"
            )
    return where, made


def _frame(where: Floats, bands: list[Floats], spread: bool, width: int, height: int) -> _Frame:
    shown = np.concatenate([band if spread else band[1:2] for band in bands])
    low, high = float(shown.min()), float(shown.max())
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return _Frame(float(where[0]), float(where[-1]), low - room, high + room, width, height)


def _lay_out(
    plot: Image,
    frame: _Frame,
    hues: Mapping[str, tuple[canvas.Ink, float]],
    axes: tuple[str, str],
    title: str | None,
    remark: str | None,
) -> Image:
    from PIL import ImageDraw

    small = canvas.font(canvas.SMALL)
    marks = ticks(frame.low, frame.high, max(3, frame.height // 45))
    texts = [f"{mark:.10g}" for mark in marks]
    left = canvas.MARGIN + max(canvas.label(text, size=canvas.SMALL).width for text in texts) + 8
    wide = plot.width
    blocks = [canvas.label(title, size=canvas.LARGE, width=wide)] if title else []
    blocks += [canvas.label(axes[1], size=canvas.SMALL, ink=canvas.SOFT, width=wide)] if axes[1] else []
    top = canvas.MARGIN + sum(block.height + 4 for block in blocks)
    legend = [_entry(name, hue, round(thick * 1.4), wide) for name, (hue, thick) in hues.items()]
    legend += [canvas.label(remark, size=canvas.SMALL, ink=canvas.SOFT, width=wide)] if remark else []
    foot = top + plot.height + _AXIS
    sheet = canvas.blank(left + wide + canvas.MARGIN, foot + sum(entry.height + 2 for entry in legend) + canvas.MARGIN)
    y = canvas.MARGIN
    for block in blocks:
        canvas.place(sheet, block, left, y)
        y += block.height + 4
    box = canvas.place(sheet, plot, left, top)
    draw = ImageDraw.Draw(sheet)
    for mark, text in zip(marks, texts, strict=True):
        at = top + 1 + round(float(frame.down(mark)))
        draw.line([(left - 4, at), (left - 1, at)], fill=canvas.SOFT)
        draw.text((left - 7, at), text, font=small, fill=canvas.SOFT, anchor="rm")
    for mark in ticks(frame.left, frame.right, max(2, frame.width // 90)):
        at = left + 1 + round(float(frame.across(mark)))
        draw.line([(at, box[3]), (at, box[3] + 4)], fill=canvas.SOFT)
        draw.text((at, box[3] + 7), f"{mark:.10g}", font=small, fill=canvas.SOFT, anchor="ma")
    if axes[0]:
        name = canvas.printable(axes[0])
        draw.text((left + wide // 2, box[3] + 23), name, font=small, fill=canvas.INK, anchor="ma")
    y = foot
    for entry in legend:
        canvas.place(sheet, entry, left, y)
        y += entry.height + 2
    sheet.info["box"] = (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)
    return sheet


def _entry(name: str, hue: canvas.Ink, thick: int, width: int) -> Image:
    text = canvas.label(name, width=max(1, width - 30))
    sheet = canvas.blank(width, text.height)
    canvas.place(sheet, canvas.blank(20, thick, hue), 0, canvas.line_height(canvas.NORMAL) // 2 - 1)
    canvas.place(sheet, text, 28, 0)
    return sheet
