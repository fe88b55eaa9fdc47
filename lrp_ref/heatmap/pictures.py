"""Relevance of images: a heatmap, and the panel photo | heatmap | heatmap on photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, ShapeError, unknown
from . import canvas
from .colours import DEFAULT, Floats, Pixels, flat_map, floats, paint, positions, resolve_limit

if TYPE_CHECKING:
    from PIL.Image import Image

Interpolation = Literal["nearest", "bicubic"]
Box = tuple[int, int, int, int]
LEAST = 224  # pixels of the longer side, where neither scale nor size is given
OPACITY = 0.9
_NARROW = 160  # pixels that a title or caption has at least, however small the map


def factor(shape: tuple[int, ...], scale: int | None, size: int | None) -> int:
    """Return the enlargement of a map (H, W): `scale`, or the least that brings the longer side to `size`."""
    if scale is not None and size is not None:
        raise ParameterError(f"scale={scale!r} and size={size!r}: give one of them")
    name, given = ("scale", scale) if scale is not None else ("size", LEAST if size is None else size)
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 1:
        raise ParameterError(f"{name} is {given!r}; give a whole number of pixels, 1 or more")
    return int(given) if scale is not None else -(-int(given) // max(shape))


def enlarge(place: Floats, times: int, interpolation: Interpolation) -> Floats:
    """Return places on the colour map (H, W) enlarged to (H·times, W·times), still within −1…1."""
    if interpolation == "nearest":
        return place.repeat(times, axis=0).repeat(times, axis=1)
    if interpolation != "bicubic":
        raise unknown("interpolation", str(interpolation), ("nearest", "bicubic"))
    from PIL import Image

    # Numbers are smoothed, not colours: a mixture of two colours may be none of the map's. Overshoot is cut.
    small = Image.fromarray(place.astype(np.float32))
    large = small.resize((small.width * times, small.height * times), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(large, dtype=np.float64), -1.0, 1.0)


def photo(given: Any, width: int, height: int) -> Image:
    """Return the input of a network as a picture of `width` × `height` pixels.

    uint8 is shown as it is; real numbers within 0…1 times 255; other real numbers stretched, least black,
    largest white. An input of another size than the map's is resized; it must have the same aspect ratio.

    Args:
        given: (H', W), (1 | 3, H', W') or (H', W', 1 | 3 | 4) array.
        width: of the result, in pixels.
        height: of the result, in pixels.

    Raises:
        ShapeError: neither of these shapes, or another aspect ratio.
    """
    from PIL import Image

    values = floats("input", given)
    if values.ndim == 3 and values.shape[0] in (1, 3):
        values = values.transpose(1, 2, 0)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or values.size == 0:
        raise ShapeError(f"input has shape {np.shape(given)}; a photo is (H, W), (1|3, H, W) or (H, W, 1|3|4)")
    high, wide = values.shape[:2]
    if abs(high * width - wide * height) > max(width, height):
        raise ShapeError(
            f"input is {high} x {wide} (height x width), the relevance map drawn {height} x {width}: "
            "the aspect ratios differ; crop the input as the network saw it"
        )
    values = values[:, :, :3]
    if np.asarray(given).dtype != np.uint8:
        low, top = (0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else (values.min(), values.max())
        # Halves first, so that the span of the largest floats is finite.
        span = top / 2 - low / 2
        values = (values / 2 - low / 2) / (span if span > 0 else 1.0) * 255.0
    picture = Image.fromarray(np.rint(np.broadcast_to(values, (high, wide, 3))).astype(np.uint8))
    whole = width % wide == 0 and height % high == 0 and max(wide, high) < LEAST
    how = Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS
    return picture if picture.size == (width, height) else picture.resize((width, height), how)


def blend(place: Floats, given: Any, cmap: str, overlay: float) -> Pixels:
    """Return relevance over the grey input, uint8 (H, W, 3).

    With t the place on the colour map: (1 − a)·grey + a·map(sign(t)·(0.7 + 0.3·|t|)), a = overlay·√|t|.
    """
    if isinstance(overlay, bool) or not isinstance(overlay, (int, float)) or not 0 <= overlay <= 1:
        raise ParameterError(f"overlay is {overlay!r}; an opacity is between 0 and 1")
    grey = np.asarray(photo(given, place.shape[1], place.shape[0]).convert("L"), dtype=np.float64)[:, :, None]
    alpha = overlay * np.sqrt(np.abs(place))[:, :, None]
    # Opacity says how much, colour which sign: the pale middle of a map would look like a part of the photo.
    strong = paint(np.sign(place) * (0.7 + 0.3 * np.abs(place)), cmap)
    return np.rint((1 - alpha) * grey + alpha * strong).astype(np.uint8)


def sheet_of(
    tiles: list[Image], titles: list[str], *, cmap: str, limit: float, colorbar: bool, gap: int = canvas.GAP
) -> tuple[Image, list[Box]]:
    """Return framed tiles side by side under their titles, with a colour bar, and the tiles' boxes."""
    least = 0 if len(tiles) > 1 else _NARROW
    heads = [
        canvas.label(title, width=max(tile.width, least), align="center" if len(tiles) > 1 else "left")
        for title, tile in zip(titles, tiles, strict=True)
        if any(titles)
    ]
    edge = canvas.MARGIN
    top = edge + (max(head.height for head in heads) + 6 if heads else 0)
    scale = canvas.bar(tiles[0].height + 2, cmap, limit) if colorbar else None
    width = edge + sum(tile.width + 2 for tile in tiles) + gap * (len(tiles) - 1) + edge
    high = max(tiles[0].height + 2, scale.height if scale else 0)
    wide = max(width + (gap + scale.width if scale else 0), 2 * edge + _NARROW)
    sheet = canvas.blank(wide, top + high + edge)
    left, boxes = edge, []
    for position, tile in enumerate(tiles):
        if heads:
            canvas.place(sheet, heads[position], left + 1, top - 6 - heads[position].height)
        canvas.place(sheet, canvas.framed(tile), left, top)
        boxes.append((left + 1, top + 1, left + 1 + tile.width, top + 1 + tile.height))
        left += tile.width + 2 + gap
    if scale is not None:
        canvas.place(sheet, scale, left, top)
    return sheet, boxes


def captioned(sheet: Image, lines: list[tuple[str, int, canvas.Ink]]) -> Image:
    """Return `sheet` with lines of (text, size, ink) below; the sheet's own margin is kept at the foot."""
    wide = sheet.width - 2 * canvas.MARGIN
    words = [canvas.label(text, size=size, ink=ink, width=wide) for text, size, ink in lines if text]
    if not words:
        return sheet
    block = canvas.stack(words, 3)
    full = canvas.blank(sheet.width, sheet.height + block.height + 10 - canvas.MARGIN // 2)
    full.paste(sheet, (0, 0))
    full.paste(block, (canvas.MARGIN, sheet.height - canvas.MARGIN + 10))
    return full


def image(
    relevance: NDArray[Any],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    scale: int | None = None,
    size: int | None = None,
    interpolation: Interpolation = "nearest",
    colorbar: bool = True,
    input: NDArray[Any] | None = None,  # noqa: A002 - the word for it everywhere else, and keyword only
    overlay: float | None = None,
    title: str | None = None,
    remark: str | None = None,
) -> Image:
    """Return a relevance map as a picture.

    R[h, w] = Σ_c R[c, h, w], coloured as by `colorize`, every number a square of scale × scale pixels. Over
    an input, with t = R / limit: (1 − a)·grey + a·map(sign(t)·(0.7 + 0.3·|t|)), a = overlay·√|t|.

    Args:
        relevance: real NumPy array (H, W) or (C, H, W), any unit.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`; said under the map if below the largest |R|.
        scale: whole enlargement, 1 or more.
        size: in place of scale, the least length of the longer side in pixels; 224 where both are None.
        interpolation: "nearest" draws squares, "bicubic" smooths the numbers before they are coloured.
        colorbar: whether a bar with numbers, 0 in its middle, stands at the right.
        input: what to lay the map over, in grey: (H', W'), (1 | 3, H', W') or (H', W', 1 | 3 | 4); uint8 as
            it is, numbers within 0…1 times 255, other numbers stretched from their least to their largest.
        overlay: opacity 0…1 of the map at |R| = limit, 0.9 where None; only with an input.
        title: a line above the map.
        remark: a sentence below the map.

    Returns:
        RGB picture; without colour bar, title and remark the bare map, W·scale × H·scale. Its `info` has "map_box",
        the map's (left, top, right, bottom) in pixels, and "relevance_limit", the limit as text.

    Raises:
        ShapeError: relevance or input of another shape.
        NonFiniteError: values that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> picture = image(np.array([[-1.0, 0.0], [0.0, 1.0]]), scale=10, colorbar=False)
        >>> picture.size, picture.getpixel((0, 0)), picture.info["relevance_limit"]
        ((20, 20), (0, 0, 255), '1.0')
    """
    from PIL import Image

    values = flat_map("relevance", relevance)
    found = resolve_limit(values, limit)
    place = enlarge(positions(values, found), factor(values.shape, scale, size), interpolation)
    if input is not None:
        pixels = blend(place, input, cmap, OPACITY if overlay is None else overlay)
    elif overlay is None:
        pixels = paint(place, cmap)
    else:
        raise ParameterError(f"overlay={overlay!r} without an input to lay the map over; give input=")
    sheet, box = Image.fromarray(pixels), (0, 0, pixels.shape[1], pixels.shape[0])
    if colorbar or title or remark:
        sheet, (box,) = sheet_of([sheet], [title or ""], cmap=cmap, limit=found, colorbar=colorbar)
        note = canvas.clip_note(float(np.abs(values).max()), found, limit)
        sheet = captioned(sheet, [(remark or "", canvas.NORMAL, canvas.INK), (note, canvas.SMALL, canvas.SOFT)])
    sheet.info.update(relevance_limit=repr(found), map_box=box)
    return sheet


def panel(
    relevance: NDArray[Any],
    input: NDArray[Any],  # noqa: A002 - the word for it everywhere else
    *,
    prediction: str | None = None,
    composite: str | None = None,
    note: str | None = None,
    remark: str | None = None,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    scale: int | None = None,
    size: int | None = None,
    interpolation: Interpolation = "nearest",
    overlay: float = OPACITY,
    titles: tuple[str, str, str] = ("input", "relevance", "relevance on input"),
) -> Image:
    """Return an explanation to look at: input | heatmap | heatmap on input, a colour bar and a caption.

    The three are drawn as by `image`. The caption has the prediction, then the composite, Σ R over the whole
    map, and where colours end if that is below the largest |R|.

    Args:
        relevance: real NumPy array (H, W) or (C, H, W), any unit.
        input: the photo as the network saw it, (H', W'), (1 | 3, H', W') or (H', W', 1 | 3 | 4).
        prediction: the caption's first line, such as "tabby cat, 92 %".
        composite: name of the composite or rule.
        note: anything else for the caption's second line.
        remark: a sentence for the caption's third line.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        scale: whole enlargement, 1 or more.
        size: in place of scale, the least length of a map's longer side in pixels; 224 where both are None.
        interpolation: "nearest" or "bicubic".
        overlay: opacity 0…1 of the map at |R| = limit in the third picture.
        titles: what stands above the three pictures.

    Returns:
        RGB picture; its `info` has "boxes", the three pictures' (left, top, right, bottom) in pixels, and
        "relevance_limit", the limit as text.

    Raises:
        ShapeError: relevance or input of another shape.
        NonFiniteError: values that are not finite.
        ParameterError: any other argument out of its range.

    Example:
        >>> ramp = np.linspace(-1.0, 1.0, 64).reshape(8, 8)
        >>> panel(ramp, np.abs(ramp), prediction="ramp", composite="none").info["relevance_limit"]
        '1.0'
    """
    from PIL import Image

    values = flat_map("relevance", relevance)
    found = resolve_limit(values, limit)
    place = enlarge(positions(values, found), factor(values.shape, scale, size), interpolation)
    tiles = [
        photo(input, place.shape[1], place.shape[0]),
        Image.fromarray(paint(place, cmap)),
        Image.fromarray(blend(place, input, cmap, overlay)),
    ]
    sheet, boxes = sheet_of(tiles, list(titles), cmap=cmap, limit=found, colorbar=True)
    total = f"sum of relevance {canvas.number(float(values.sum()), sign=True)}"
    facts = "  ·  ".join(fact for fact in (composite, total, note) if fact)
    clipped = canvas.clip_note(float(np.abs(values).max()), found, limit)
    sheet = captioned(sheet, _caption(prediction, facts, remark, clipped))
    sheet.info.update(relevance_limit=repr(found), boxes=boxes)
    return sheet


def _caption(prediction: str | None, facts: str, remark: str | None, clipped: str) -> list[tuple[str, int, canvas.Ink]]:
    """Return the lines of a panel's caption, each with its size and ink; empty ones are left out where drawn."""
    return [
        (prediction or "", canvas.LARGE, canvas.INK),
        (facts, canvas.NORMAL, canvas.SOFT),
        (remark or "", canvas.NORMAL, canvas.INK),
        (clipped, canvas.SMALL, canvas.SOFT),
    ]
