"""A pen for handwritten digits: where the arms of a 3 end, strokes from one place to another, and what they enclose.

Images are (H, W), 0 paper and 1 ink; places are (row, column).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INK = 0.3  # of full ink is ink
WIDTH = 3.0  # of the pen, pixels
UPPER, MIDDLE, LOWER = range(3)  # tips


def tips(image: NDArray[Any]) -> NDArray[Any]:
    """Return the tips (3, 2) of the upper, middle and lower arm: the leftmost ink between the bays of a 3."""
    ink = image > INK
    rows = np.arange(np.flatnonzero(ink.any(axis=1))[0], np.flatnonzero(ink.any(axis=1))[-1] + 1)
    left = np.where(ink[rows].any(axis=1), ink[rows].argmax(axis=1), image.shape[1])
    first, half, last = (int(part * len(rows)) for part in (0.12, 0.5, 0.92))
    upper, lower = first + left[first : half + 1].argmax(), half + left[half:last].argmax()
    places = (left[: upper + 1].argmin(), upper + left[upper : lower + 1].argmin(), lower + left[lower:].argmin())
    return np.array([(rows[k], left[k]) for k in places])


def stroke(start: NDArray[Any], end: NDArray[Any], width: float = WIDTH, size: int = 28) -> NDArray[Any]:
    """Return a straight stroke of a soft pen, 0…1 (size, size)."""
    way, places = end - start, np.moveaxis(np.mgrid[:size, :size], 0, -1) - start
    along = np.clip(places @ way / max(float(way @ way), 1e-9), 0, 1)
    far = np.linalg.norm(places - along[..., None] * way, axis=-1)
    return np.asarray(np.clip(width / 2 + 0.5 - far, 0, 1), dtype=np.float32)


def gap(image: NDArray[Any], upper: NDArray[Any], lower: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the blank pixels between the line from tip to tip and the first ink to its right."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    line = upper[1] + (lower[1] - upper[1]) * (rows - upper[0]) / max(1, lower[0] - upper[0])
    before = ~np.logical_or.accumulate(image > INK, axis=1) & (image > INK).any(axis=1, keepdims=True)
    return np.asarray((rows >= upper[0]) & (rows <= lower[0]) & (columns >= line) & before)


def without_arm(image: NDArray[Any], ends: NDArray[Any]) -> NDArray[Any]:
    """Return a 3 without its lower arm: from the row of the lower bay on, nothing to the left of the bay."""
    rows = slice(ends[MIDDLE][0], ends[LOWER][0] + 1)
    ink = image[rows] > INK
    left = np.where(ink.any(axis=1), ink.argmax(axis=1), 0)
    cut = image.copy()
    cut[rows.start + left.argmax() :, : left.max()] = 0
    return cut


def in_box(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the bounding box of what is not 0 is."""
    box = np.zeros(image.shape, bool)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box
