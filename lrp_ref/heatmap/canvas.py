"""What every picture is put together from: text in the built-in font, the colour bar, boxes side by side."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedError
from .colours import Floats, paint

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Ink = tuple[int, int, int]
PAPER: Ink = (255, 255, 255)
INK: Ink = (32, 33, 36)
SOFT: Ink = (105, 109, 116)
LINE: Ink = (196, 199, 204)

MARGIN = 16
GAP = 14
SMALL, NORMAL, LARGE = 12, 14, 17
_BAR = 14  # width of the colour bar
_LEAST_BAR = 56  # its least height, which three numbers need


@functools.cache
def font(size: int) -> FreeTypeFont:
    """Return Pillow's built-in font at `size` pixels."""
    from PIL import ImageFont

    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise UnsupportedError("this Pillow is built without FreeType, which writes the numbers; install a wheel")
    return found


def printable(text: str) -> str:
    """Return `text` in letters that the built-in font has, which are ASCII's.

    Accents fall, Greek letters are spelled out, whatever else is left becomes its escape, never an empty box.

    Example:
        >>> printable("α2β1, Zürich, −1, 中")
        'alpha2beta1, Zurich, -1, \\\\u4e2d'
    """
    letters = []
    for letter in text.replace("\u2212", "-").replace("\u2013", "-").replace("\u2014", "-"):
        if letter in "·±…":
            letters.append(letter)
            continue
        name = unicodedata.name(letter, "")
        if name.startswith(("GREEK SMALL LETTER ", "GREEK CAPITAL LETTER ")):
            letters.append(name.split("LETTER ")[1].split()[0].lower())
            continue
        plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
        printed = plain.isascii() and plain.isprintable() and plain != ""
        letters.append(plain if printed else letter.encode("ascii", "backslashreplace").decode())
    return "".join(letters)


def number(value: float, sign: bool = False) -> str:
    """Return `value` in three digits.

    Example:
        >>> number(0.012345), number(2.0, sign=True), number(-1234567.0)
        ('0.0123', '+2', '-1.23e+06')
    """
    if value == 0:
        return "0"
    return f"{value:+.3g}" if sign else f"{value:.3g}"


def blank(width: int, height: int, colour: Ink = PAPER) -> Image:
    """Return an empty sheet of `width` × `height` pixels."""
    from PIL import Image

    return Image.new("RGB", (max(width, 1), max(height, 1)), colour)


def wrap(text: str, size: int, width: int) -> list[str]:
    """Return `text` in lines within `width` pixels, broken at spaces, underscores, hyphens or anywhere."""
    lines: list[str] = []
    for paragraph in printable_lines(text):
        line = ""
        for piece in paragraph.replace("_", "_\0").replace(" ", " \0").replace("-", "-\0").split("\0"):
            if line and font(size).getlength((line + piece).rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            while len(piece) > 1 and font(size).getlength(piece.rstrip()) > width:
                fits = [n for n in range(2, len(piece)) if font(size).getlength(piece[:n]) <= width]
                cut = max(fits, default=1)
                lines.append(piece[:cut])
                piece = piece[cut:]
            line += piece
        lines.append(line.rstrip())
    return lines


def printable_lines(text: str) -> list[str]:
    """Return the lines of `text`, each in printable letters."""
    return [printable(line) for line in str(text).split("\n")]


def label(text: str, *, size: int = NORMAL, ink: Ink = INK, width: int | None = None, align: str = "left") -> Image:
    """Return `text` on paper, within `width` pixels if given; `align` is left, center or right."""
    from PIL import ImageDraw

    lines = printable_lines(text) if width is None else wrap(text, size, width)
    used = max(int(np.ceil(font(size).getlength(line))) for line in lines)
    full = used if width is None else width
    step = line_height(size)
    sheet = blank(full, step * len(lines))
    draw = ImageDraw.Draw(sheet)
    for row, line in enumerate(lines):
        spare = full - font(size).getlength(line)
        left = {"left": 0.0, "center": spare / 2, "right": spare}[align]
        # Whole pixels: glyphs set between pixels look blurred.
        draw.text((round(left), row * step), line, font=font(size), fill=ink)
    return sheet


def line_height(size: int) -> int:
    """Return the distance of two lines of text of `size` pixels."""
    ascent, descent = font(size).getmetrics()
    return ascent + descent + 1


def framed(picture: Image) -> Image:
    """Return `picture` with a hairline around it, outside: two pixels wider and higher."""
    sheet = blank(picture.width + 2, picture.height + 2, LINE)
    sheet.paste(picture, (1, 1))
    return sheet


def place(sheet: Image, picture: Image, left: int, top: int) -> tuple[int, int, int, int]:
    """Paste `picture` and return its box (left, top, right, bottom)."""
    sheet.paste(picture, (left, top))
    return left, top, left + picture.width, top + picture.height


def stack(pictures: Sequence[Image], gap: int, align: str = "left") -> Image:
    """Return `pictures` below each other."""
    sheet = blank(max(p.width for p in pictures), sum(p.height for p in pictures) + gap * (len(pictures) - 1))
    top = 0
    for picture in pictures:
        spare = sheet.width - picture.width
        place(sheet, picture, {"left": 0, "center": spare // 2, "right": spare}[align], top)
        top += picture.height + gap
    return sheet


def bar(height: int, cmap: str, limit: float, ends: str | None = None) -> Image:
    """Return a colour bar `height` pixels high: +limit on top, 0 exactly in the middle, −limit at the bottom.

    It is 56 pixels high at least, which its numbers need. `ends` is a word to write in place of the limit,
    for maps with a limit each.
    """
    from PIL import Image, ImageDraw

    height = max(height, _LEAST_BAR)
    inner: Floats = np.linspace(1.0, -1.0, height - 2) * (limit > 0)
    strip = np.repeat(paint(inner, cmap)[:, None, :], _BAR, axis=1)
    fractions = [0.0] if limit == 0 else [1.0, 0.0, -1.0]
    if limit > 0 and ends is None and height >= 8 * line_height(SMALL):
        fractions = [1.0, 0.5, 0.0, -0.5, -1.0]
    texts = [number(fraction * limit, sign=True) for fraction in fractions]
    if ends is not None:
        texts = [f"+{ends}", "0", f"-{ends}"] if limit > 0 else ["0"]
    wide = max(int(np.ceil(font(SMALL).getlength(text))) for text in texts)
    sheet = blank(_BAR + 2 + 8 + wide, height)
    sheet.paste(framed(Image.fromarray(strip)), (0, 0))
    draw = ImageDraw.Draw(sheet)
    ascent = font(SMALL).getbbox("0", anchor="ls")[1]  # negative: how far digits rise over the baseline
    for fraction, text in zip(fractions, texts, strict=True):
        y = round((1 - fraction) / 2 * (height - 1))
        draw.line([(_BAR + 2, y), (_BAR + 5, y)], fill=SOFT)
        # The outer numbers stay within the bar's height, so that a bar is as high as the map beside it.
        base = min(max(y - ascent / 2, -ascent), height - 1)
        draw.text((_BAR + 9, round(base)), text, font=font(SMALL), fill=INK, anchor="ls")
    return sheet


def clip_note(largest: float, limit: float, asked: float | str | None) -> str:
    """Return the line that says that colours end below the largest |R|, empty where they do not."""
    if largest <= limit:
        return ""
    how = f"the {asked.removesuffix('%')} % quantile of |R|" if isinstance(asked, str) else "the limit given"
    return f"colours end at {number(limit)}, {how}; largest |R| {number(largest)}"
