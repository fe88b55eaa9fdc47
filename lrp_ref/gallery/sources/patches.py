"""Square patches of a picture on a grid, and maps of patches put together to one of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Corners = Sequence[tuple[int, int]]


def corners(shape: tuple[int, ...], side: int, step: int) -> list[tuple[int, int]]:
    """Return the upper left corners, row and column, of the patches that lie in a picture (H, W, …), row by row.

    Example:
        >>> corners((4, 6), 4, 2)
        [(0, 0), (0, 2)]
    """
    rows, columns = (range(0, size - side + 1, step) for size in shape[:2])
    return [(y, x) for y in rows for x in columns]


def cut(image: NDArray[Any], places: Corners, side: int) -> NDArray[Any]:
    """Return the patches (n, side, side, …) of a picture at corners."""
    return np.stack([image[y : y + side, x : x + side] for y, x in places])


def assembled(patches: NDArray[Any], places: Corners, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mean, at each pixel, of the patches (n, side, side) that cover it; 0 where there is none.

    Example:
        >>> assembled(np.array([[[2.0]], [[4.0]]]), [(0, 1), (0, 1)], (1, 3))
        array([[0., 3., 0.]])
    """
    total, count, side = np.zeros(shape), np.zeros(shape), patches.shape[1]
    for patch, (y, x) in zip(patches, places, strict=True):
        total[y : y + side, x : x + side] += patch
        count[y : y + side, x : x + side] += 1
    return np.asarray(total / np.maximum(count, 1))
