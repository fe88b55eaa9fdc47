"""The figure of why one Taylor expansion fails on deep networks, and what Deep Taylor pays: six small plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...base.arrays import Array
from ...heatmap import canvas
from ...heatmap.signals import ticks
from .shattering import Measured, line, maps_of, random_network

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE, HIGH = 316, 178  # of one plot's frame
_FINE = 4  # lines are drawn this many times larger and averaged down, which makes them smooth
_LEFT, _RIGHT, _TOP, _FOOT = 56, 16, 42, 74  # room for the numbers, the last mark, the titles, axis and legend
RED, BLUE, GREEN, GREY = (197, 48, 38), (31, 89, 172), (22, 138, 108), (140, 144, 150)
INKS = {"gradient": RED, "Taylor": RED, "LRP-ε": GREY, "LRP-γ": GREEN, "deep Taylor": BLUE}


@dataclass(frozen=True)
class Curve:
    """A line with a name, or a band where ``low`` is given; points that are not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    dots: bool = True


@dataclass(frozen=True)
class Plot:
    """Curves in one frame, over ``marks``: (position, text) pairs below the frame."""

    title: str
    note: str
    curves: Sequence[Curve]
    across: str
    marks: Sequence[tuple[float, str]]
    low: float
    high: float
    notes: Sequence[tuple[float, str]] = field(default=())


def figure(measured: Sequence[Measured], *, seed: int = 3) -> Image:
    """Return the figure: roots and residuals, gradients along a line, autocorrelation and its price, over depth.

    Args:
        measured: what ``study`` returned, from the shallowest to the deepest networks.
        seed: of the two networks, the first and the last depth's, whose gradients are drawn along a line.

    Returns:
        RGB picture.
    """
    depths = [m.depth for m in measured]
    plots = [
        _roots(measured), _along(depths[0], seed), _over_depth(measured, "autocorrelation"),
        _residuals(measured), _along(depths[-1], seed), _over_depth(measured, "targets"),
    ]  # fmt: skip
    drawn = [_draw(plot) for plot in plots]
    wide, high = drawn[0].size
    sheet = canvas.blank(3 * wide + 2 * canvas.GAP + 2 * canvas.MARGIN, 2 * high + canvas.GAP + 2 * canvas.MARGIN)
    for k, picture in enumerate(drawn):
        left = canvas.MARGIN + (k % 3) * (wide + canvas.GAP)
        canvas.place(sheet, picture, left, canvas.MARGIN + (k // 3) * (high + canvas.GAP))
    return sheet


def _marks(measured: Sequence[Measured]) -> list[tuple[float, str]]:
    return [(k, str(m.depth)) for k, m in enumerate(measured)]


def _roots(measured: Sequence[Measured]) -> Plot:
    places = list(range(len(measured)))
    low, middle, high = zip(*(m.distance for m in measured), strict=True)
    top = 1.1 * max((v for v in (*low, *middle, *high) if math.isfinite(v)), default=1.0)
    band = [min(v, top) for v in high]
    return Plot(
        "The root is far, or not found",
        "|x - root| / |x|, median and quartiles",
        [Curve("", places, band, low=low), Curve("Taylor", places, middle)],
        "hidden layers",
        _marks(measured),
        0.0,
        top,
        [(k, f"{m.without_root:.0%}") for k, m in enumerate(measured)],
    )


def _residuals(measured: Sequence[Measured]) -> Plot:
    places = list(range(len(measured)))
    curves = [Curve(name, places, [m.missed[name] for m in measured]) for name in ("Taylor", "LRP-ε", "deep Taylor")]
    top = 1.15 * max(v for c in curves for v in c.y if math.isfinite(v))
    return Plot(
        "What the terms leave over",
        "|f - sum of R| / |f|, median",
        curves,
        "hidden layers",
        _marks(measured),
        0.0,
        top,
    )


def _over_depth(measured: Sequence[Measured], what: str) -> Plot:
    title, note = {
        "autocorrelation": ("Gradients shatter, deep Taylor does not", "autocorrelation, inputs 5 % of |x| apart"),
        "targets": ("The price: one map for every output", "|cos| of the maps of two outputs, median"),
    }[what]
    places = list(range(len(measured)))
    names = ("gradient", "LRP-ε", "LRP-γ", "deep Taylor")
    curves = [Curve(name, places, [getattr(m, what)[name] for m in measured]) for name in names]
    return Plot(title, note, curves, "hidden layers", _marks(measured), 0.0, 1.08)


def _along(depth: int, seed: int) -> Plot:
    net, path = random_network(depth, seed=seed), line(seed, points=401)
    found = maps_of(net, path)
    unit = int(np.argmax(np.ptp(found["gradient"][0], axis=0)))
    places = np.linspace(-0.5, 0.5, len(path)).tolist()
    curves = [
        Curve(name, places, _scaled(found[name][0][:, unit]).tolist(), dots=False)
        for name in ("gradient", "deep Taylor")
    ]
    layers = "1 hidden layer" if depth == 1 else f"{depth} hidden layers"
    marks = [(k, f"{k:g}") for k in (-0.5, -0.25, 0.0, 0.25, 0.5)]
    note = "one input's gradient and relevance, each scaled"
    return Plot(f"Along a line, {layers}", note, curves, "position on the line / |x|", marks, -1.15, 1.15)


def _scaled(values: Array) -> Array:
    """Return values moved and stretched to −1 … 1."""
    low, high = values.min(), values.max()
    scaled: Array = (2 * values - low - high) / (high - low) if high > low else 0 * values
    return scaled


def _draw(plot: Plot) -> Image:
    from PIL import ImageDraw

    sheet = canvas.blank(_LEFT + WIDE + _RIGHT, _TOP + HIGH + 2 + _FOOT)
    canvas.place(sheet, canvas.label(plot.title, size=canvas.LARGE), _LEFT, 0)
    canvas.place(sheet, canvas.label(plot.note, size=canvas.SMALL, ink=canvas.SOFT), _LEFT, 22)
    canvas.place(sheet, canvas.framed(_lines(plot)), _LEFT, _TOP)
    draw, small = ImageDraw.Draw(sheet), canvas.font(canvas.SMALL)
    top, foot = _TOP + 1, _TOP + 1 + HIGH
    for mark in ticks(plot.low, plot.high, 5):
        at = round(top + (plot.high - mark) / (plot.high - plot.low) * (HIGH - 1))
        draw.line([(_LEFT - 4, at), (_LEFT - 1, at)], fill=canvas.SOFT)
        draw.text((_LEFT - 7, at), f"{mark:g}", font=small, fill=canvas.SOFT, anchor="rm")
    for place, text in plot.marks:
        at = round(_LEFT + 1 + _across(plot, place))
        draw.line([(at, foot + 1), (at, foot + 5)], fill=canvas.SOFT)
        draw.text((at, foot + 8), text, font=small, fill=canvas.SOFT, anchor="ma")
    for place, text in plot.notes:
        at = round(_LEFT + 1 + _across(plot, place))
        draw.text((at, foot + 46), text, font=small, fill=RED, anchor="ma")
    draw.text((_LEFT + WIDE // 2, foot + 24), plot.across, font=small, fill=canvas.INK, anchor="ma")
    if plot.notes:
        draw.text((_LEFT - 7, foot + 46), "no root", font=small, fill=RED, anchor="ra")
    else:
        _legend(sheet, [c.name for c in plot.curves if c.name], foot + 44)
    return sheet


def _legend(sheet: Image, names: Sequence[str], top: int) -> None:
    from PIL import ImageDraw

    draw, small = ImageDraw.Draw(sheet), canvas.font(canvas.SMALL)
    texts = [canvas.printable(name) for name in names]
    wide = sum(round(small.getlength(text)) + 30 for text in texts)
    left = max(min(_LEFT, sheet.width - wide), 0)
    for name, text in zip(names, texts, strict=True):
        draw.line([(left, top + 8), (left + 14, top + 8)], fill=INKS[name], width=3)
        draw.text((left + 18, top + 8), text, font=small, fill=canvas.INK, anchor="lm")
        left += 18 + round(small.getlength(text)) + 12


def _across(plot: Plot, place: float) -> float:
    """Return the pixel of a position; the outer marks stand a little within the frame."""
    first, last = plot.marks[0][0], plot.marks[-1][0]
    edge = 0 if isinstance(first, float) else 18
    return edge + (place - first) / max(last - first, 1e-9) * (WIDE - 1 - 2 * edge)


def _lines(plot: Plot) -> Image:
    """Return the inside of the frame: hairlines at 0, bands, curves, dots."""
    from PIL import Image, ImageDraw

    picture = canvas.blank(WIDE, HIGH)
    for mark in ticks(plot.low, plot.high, 5):
        at = round((plot.high - mark) / (plot.high - plot.low) * (HIGH - 1))
        ImageDraw.Draw(picture).line([(0, at), (WIDE, at)], fill=canvas.LINE if mark == 0 else (236, 237, 239))
    for curve in plot.curves:
        mask = Image.new("L", (WIDE * _FINE, HIGH * _FINE))
        draw = ImageDraw.Draw(mask)
        points = _points(plot, curve.x, curve.y)
        if len(points) < 2:
            points = 2 * points or [(-9.0, -9.0)] * 2  # a dot, or nothing in sight
        if curve.low is not None:
            draw.polygon(points + _points(plot, curve.x, curve.low)[::-1], fill=45)
        else:
            draw.line(points, fill=255, width=round((2.0 if curve.dots else 1.4) * _FINE), joint="curve")
            size = 3.4 * _FINE
            for x, y in points if curve.dots else ():
                draw.ellipse((x - size, y - size, x + size, y + size), fill=255)
        ink = INKS.get(curve.name, RED)
        picture.paste(ink, (0, 0), mask.resize((WIDE, HIGH), Image.Resampling.BOX))
    return picture


def _points(plot: Plot, x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    return [
        (_across(plot, a) * _FINE, (plot.high - b) / (plot.high - plot.low) * (HIGH - 1) * _FINE)
        for a, b in zip(x, y, strict=True)
        if math.isfinite(b)
    ]
