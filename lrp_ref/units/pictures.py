"""Pictures of units: cards with cut-outs, and the chart of detectors by concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..base.tables import number
from ..heatmap import canvas
from ..heatmap.colours import HUES
from .feeding import Host

if TYPE_CHECKING:
    from PIL.Image import Image

PALE = 0.35  # how much of a picture is left where a unit is not active
RIM = (213, 94, 0)  # around where it is
BAR, WIDE, ROW = 13, 340, 44  # of the chart, in pixels


def as_bytes(picture: Host, low: float | None = None, high: float | None = None) -> Host:
    """Return a picture as bytes (h, w, 3): bytes as they are, numbers from white to black between two of them.

    Example:
        >>> as_bytes(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    values = picture.transpose(1, 2, 0) if picture.ndim == 3 and picture.shape[2] != 3 else picture
    values = values[..., None] if values.ndim == 2 else values
    values = values if values.shape[2] in (1, 3) else values.mean(axis=2, keepdims=True)
    if values.dtype != np.uint8:
        low, high = (values.min() if low is None else low), (values.max() if high is None else high)
        values = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * 255
    return np.broadcast_to(values, (*values.shape[:2], 3)).round().astype(np.uint8)


def masked(picture: Host, mask: Host) -> Host:
    """Return a picture (h, w, 3) that is grey and pale outside of a mask (h, w) of its size, with a rim around this."""
    grey = picture.mean(axis=2, keepdims=True)
    found = np.where(mask[..., None], picture, (255 - PALE * (255 - grey)).astype(np.uint8))
    inside = np.pad(mask, 1, mode="edge")
    whole = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    found[mask & ~whole] = RIM
    return found


def card(crops: Sequence[Host], masks: Sequence[Host], captions: Sequence[str], title: str, size: int) -> Image:
    """Return cut-outs side by side, each ``size`` pixels high with its mask, a caption below and a title above."""
    numbers = [one for one in crops if one.dtype != np.uint8]
    low = min((float(one.min()) for one in numbers), default=None)
    high = max((float(one.max()) for one in numbers), default=None)
    tiles = []
    for crop, mask, caption in zip(crops, masks, captions, strict=True):
        tile = tiled(as_bytes(crop, low, high), mask, size)
        tiles.append(canvas.stack([canvas.framed(tile), canvas.label(caption, size=canvas.SMALL)], 3, "center"))
    wide = sum(tile.width for tile in tiles) + canvas.GAP * max(len(tiles) - 1, 0)
    row = canvas.blank(wide, max((tile.height for tile in tiles), default=1))
    left = 0
    for tile in tiles:
        canvas.place(row, tile, left, 0)
        left += tile.width + canvas.GAP
    body = canvas.stack([canvas.label(title, size=canvas.NORMAL), row], 8)
    sheet = canvas.blank(body.width + 2 * canvas.MARGIN, body.height + 2 * canvas.MARGIN)
    canvas.place(sheet, body, canvas.MARGIN, canvas.MARGIN)
    return sheet


def tiled(picture: Host, mask: Host, size: int) -> Image:
    """Return a picture of bytes with its mask, ``size`` pixels high."""
    from PIL import Image

    height, width = mask.shape
    shape = (max(round(size * width / max(height, 1)), 1), size)
    large = Image.fromarray(picture).resize(shape, Image.Resampling.BICUBIC)
    where = Image.fromarray(mask.astype(np.uint8) * 255).resize(shape, Image.Resampling.NEAREST)
    return Image.fromarray(masked(np.asarray(large), np.asarray(where) > 0))


def chart(counts: Mapping[str, int], expected: Mapping[str, float], ceilings: Mapping[str, float], title: str) -> Image:
    """Return bars of how many units detect each concept, below them in grey how many do by chance, and the ceilings."""
    from PIL import ImageDraw

    names = sorted(ceilings, key=lambda name: (-counts.get(name, 0), -expected.get(name, 0.0)))
    most = max([1.0, *map(float, counts.values()), *expected.values()])
    left = 20 + max(canvas.label(name).width for name in names)
    head = canvas.label(title, width=left + WIDE + 190)
    sheet = canvas.blank(head.width + 2 * canvas.MARGIN, head.height + ROW * len(names) + 3 * canvas.MARGIN + 20)
    draw = ImageDraw.Draw(sheet)
    canvas.place(sheet, head, canvas.MARGIN, canvas.MARGIN)
    top = canvas.MARGIN + head.height + 26
    end = canvas.MARGIN + left + WIDE + 190
    draw.text((end, top - 20), "ceiling of the IoU", font=canvas.font(canvas.SMALL), fill=canvas.SOFT, anchor="ra")
    for k, name in enumerate(names):
        y, x = top + k * ROW, canvas.MARGIN + left
        draw.text(
            (x - 10, y + BAR), canvas.printable(name), font=canvas.font(canvas.NORMAL), fill=canvas.INK, anchor="rm"
        )
        for row, (value, colour) in enumerate(((counts.get(name, 0), HUES[0]), (expected.get(name), canvas.LINE))):
            if value is None:
                continue
            long = round(WIDE * value / most)
            draw.rectangle((x, y + row * BAR, x + long, y + row * BAR + BAR - 2), fill=colour)
            said = str(value) if not row else f"{number(value)} by chance"
            draw.text(
                (x + long + 6, y + row * BAR + BAR // 2), said, font=canvas.font(canvas.SMALL),
                fill=canvas.SOFT if row else canvas.INK, anchor="lm",
            )  # fmt: skip
        draw.text((end, y + BAR), number(ceilings[name]), font=canvas.font(canvas.NORMAL), fill=canvas.INK, anchor="rm")
    return sheet
