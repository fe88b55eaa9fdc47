"""The input of a network as a page shows it: a picture of bytes, and the numbers behind its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from .layout import COLOURS
from .store import FLOAT, Store

Pixels = NDArray[np.uint8]


def picture(channels: NDArray[Any], given: Any = None) -> Pixels | None:
    """Return an input (C, H, W) as pixels (H, W, 1 | 3): what is given of its size, else its numbers stretched.

    Numbers within 0…1 are taken times 255; others from their least, black, to their largest, white. None where the
    input has another number of channels.

    Raises:
        ShapeError: a picture that has not the height and width of the input.
    """
    if given is not None:
        shown = np.asarray(given)
        shown = shown[:, :, None] if shown.ndim == 2 else shown
        if shown.dtype != np.uint8 or shown.ndim != 3 or shown.shape[2] not in (1, 3, 4):
            raise ShapeError(
                f"image has shape {np.shape(given)} and dtype {shown.dtype}; give uint8 (H, W) or (H, W, 3)"
            )
        if channels.ndim != 3 or shown.shape[:2] != channels.shape[1:]:
            raise ShapeError(
                f"image is {shown.shape[0]} x {shown.shape[1]} (height x width), the input has shape {channels.shape}: "
                "give it as the network sees it"
            )
        return np.ascontiguousarray(shown[:, :, :3])
    if channels.ndim != 3 or len(channels) not in COLOURS:
        return None
    return _bytes(channels.astype(np.float64)).transpose(1, 2, 0)


def _bytes(values: NDArray[Any]) -> Pixels:
    low, top = (0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else (float(values.min()), float(values.max()))
    span = top / 2 - low / 2  # halves first, so that the span of the largest floats is finite
    return np.rint((values / 2 - low / 2) / (span if span > 0 else 1.0) * 255.0).astype(np.uint8)


def written(store: Store, channels: NDArray[Any], given: Any, allowance: float, by: int = 1) -> dict[str, Any]:
    """Write an image to a page; return what says where its picture and its numbers are.

    Where the numbers are a function of the picture's bytes, as after reading a file, bytes and a table hold both.

    Args:
        store: of the page.
        channels: the input (C, H, W).
        given: its picture, or None.
        allowance: characters that the numbers may take where the picture does not tell them.
        by: where the map is of squares of so many pixels, the picture has the first pixel of each, and no numbers.
    """
    shown = picture(channels, given)
    if by > 1:
        shown = None if shown is None else shown[::by, ::by]
        place = None if shown is None else [store.pixels(shown), *shown.shape]
        return {"picture": place, "tables": None, "values": None, "channels": len(channels)}
    found: dict[str, Any] = {"picture": None, "tables": None, "values": None, "channels": len(channels)}
    if shown is not None:
        if shown.shape[2] == len(channels) == 3 and given is None and not (shown != shown[:, :, :1]).any():
            shown = shown[:, :, :1]
        found["picture"] = [store.pixels(shown), *shown.shape]
        planes = np.broadcast_to(shown, (*shown.shape[:2], len(channels))) if shown.shape[2] == 1 else shown
        if planes.shape[2] == len(channels):
            tables = [_table(planes[:, :, c], channels[c]) for c in range(len(channels))]
            if all(table is not None for table in tables):
                found["tables"] = tables
                return found
    if channels.size * 4 * FLOAT <= allowance:
        found["values"] = store.floats(channels)
    return found


def _table(codes: Pixels, values: NDArray[Any]) -> list[float] | None:
    """Return the number behind each of 256 bytes, if there is one for all pixels with that byte."""
    table = np.zeros(256)
    table[codes.reshape(-1)] = values.reshape(-1)
    if (table[codes] != values).any():
        return None
    return [float(v) for v in table]
