"""A drawn digit as the network's input: lines of a pen → 28×28 numbers, as MNIST's digits were prepared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIDE, BOX = 28, 20  # of the picture, and of the square in it that the ink fills, in pixels
PEN = 1.3  # half the width of a line, in pixels
SMALLEST = 0.05  # a drawing is enlarged as if it were at least so large, so that a dot stays one
Line = Sequence[tuple[float, float]]

# Points of lines through which a smooth curve goes; (0, 0) is the upper left corner of the pad, (1, 1) the lower right.
SAMPLES: dict[str, tuple[Line, ...]] = {
    "0": (((0.52, 0.17), (0.36, 0.25), (0.28, 0.48), (0.34, 0.74), (0.5, 0.84), (0.66, 0.74), (0.72, 0.48),
           (0.65, 0.25), (0.5, 0.17)),),
    "1": (((0.4, 0.3), (0.52, 0.18), (0.51, 0.5), (0.5, 0.84)),),
    "2": (((0.32, 0.34), (0.38, 0.2), (0.54, 0.16), (0.67, 0.26), (0.64, 0.44), (0.48, 0.62), (0.3, 0.8), (0.36, 0.82),
           (0.54, 0.81), (0.73, 0.8)),),
    "3": (((0.32, 0.24), (0.46, 0.16), (0.63, 0.22), (0.62, 0.38), (0.46, 0.47), (0.64, 0.54), (0.68, 0.7),
           (0.52, 0.84), (0.31, 0.77)),),
    "4": (((0.36, 0.18), (0.33, 0.36), (0.3, 0.54), (0.5, 0.56), (0.74, 0.54)),
          ((0.62, 0.2), (0.6, 0.5), (0.59, 0.84))),
    "5": (((0.67, 0.18), (0.52, 0.18), (0.39, 0.19), (0.37, 0.34), (0.36, 0.46), (0.52, 0.43), (0.67, 0.53),
           (0.66, 0.73), (0.5, 0.84), (0.31, 0.78)),),
    "6": (((0.61, 0.17), (0.44, 0.32), (0.34, 0.55), (0.37, 0.76), (0.52, 0.84), (0.65, 0.74), (0.63, 0.57),
           (0.49, 0.52), (0.37, 0.62)),),
    "7": (((0.3, 0.2), (0.5, 0.2), (0.7, 0.19), (0.6, 0.4), (0.5, 0.62), (0.44, 0.84)),),
    "8": (((0.63, 0.27), (0.5, 0.17), (0.37, 0.27), (0.42, 0.42), (0.56, 0.52), (0.66, 0.68), (0.52, 0.84),
           (0.36, 0.72), (0.44, 0.53), (0.58, 0.41), (0.63, 0.27)),),
    "9": (((0.65, 0.3), (0.51, 0.18), (0.36, 0.28), (0.38, 0.46), (0.52, 0.5), (0.65, 0.36), (0.64, 0.28),
           (0.63, 0.55), (0.6, 0.84)),),
}  # fmt: skip

LOOP: Line = ((0.32, 0.24), (0.28, 0.36), (0.36, 0.47), (0.46, 0.47))  # closes the upper arc of the 3: a 9


def smooth(line: Line, pieces: int = 8) -> list[tuple[float, float]]:
    """Return points on the curve through a line's points (Catmull, Rom 1974).

    Args:
        line: K points.
        pieces: how many straight pieces stand for the curve between two points.
    """
    p = np.array([line[0], *line, line[-1]], dtype=np.float64)
    t = np.arange(pieces)[:, None] / pieces
    a, b, c, d = (p[None, k : len(p) - 3 + k] for k in range(4))
    t = t[:, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    points = [*curve.transpose(1, 0, 2).reshape(-1, 2).round(4).tolist(), list(line[-1])]
    return [(x, y) for x, y in points]


def picture(lines: Sequence[Line], pen: float = PEN) -> NDArray[np.float32]:
    """Return a drawing as numbers (28, 28) from 0 (paper) to 1 (ink).

    The ink fills a square of 20×20 pixels on its longer side, and its centre of mass stands in the middle. A pixel
    holds min(max(r + ½ − d, 0), 1): r half the pen's width, d the distance of its centre from the nearest line.

    Args:
        lines: (x, y) points each, in any unit; y grows downwards.
        pen: r, in pixels of the result.

    Example:
        >>> ink = picture([[(0.5, 0.1), (0.5, 0.9)]])
        >>> [int((ink > 0).any(axis=axis).sum()) for axis in (0, 1)]
        [4, 20]
    """
    kept = [np.asarray(line, dtype=np.float64).reshape(-1, 2) for line in lines if len(line)]
    if not kept:
        return np.zeros((SIDE, SIDE), dtype=np.float32)
    points = np.concatenate(kept)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (BOX - 2 * pen) / max(float((high - low).max()), SMALLEST)
    middle = (SIDE - 1) / 2
    placed = [(line - (low + high) / 2) * scale + middle for line in kept]
    ink = _inked(placed, pen)
    rows, columns = np.indices(ink.shape)
    mass = np.array([(ink * columns).sum(), (ink * rows).sum()]) / ink.sum()
    return _inked([line + (middle - mass) for line in placed], pen).astype(np.float32)


def _inked(lines: Sequence[NDArray[np.float64]], pen: float) -> NDArray[np.float64]:
    """Return the ink of lines whose points are pixels' columns and rows."""
    rows, columns = np.indices((SIDE, SIDE))
    centres = np.stack([columns, rows], axis=-1).astype(np.float64)
    nearest = np.full((SIDE, SIDE), np.inf)
    for line in lines:
        for a, b in zip(line, line[1:] if len(line) > 1 else line, strict=False):
            along = b - a
            length = float(along @ along)
            t = np.clip((centres - a) @ along / length, 0, 1) if length else np.zeros((SIDE, SIDE))
            nearest = np.minimum(nearest, np.hypot(*np.moveaxis(centres - (a + t[..., None] * along), -1, 0)))
    return np.clip(pen + 0.5 - nearest, 0, 1)
