"""Boxes of maps at several blurs and thresholds, and which of these suit a kind of map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ... import evaluate

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # τ, parts of a map's maximum
BLURS = (0, 8, 16)  # standard deviations of a Gaussian, in pixels


def blurred(maps: NDArray[Any], blur: float) -> NDArray[Any]:
    """Return maps (N, H, W) after a Gaussian; 0 leaves them as they are."""
    return np.asarray(gaussian_filter(maps, (0, blur, blur)) if blur else maps)


def hits(maps: NDArray[Any], boxes: NDArray[Any]) -> NDArray[Any]:
    """Return 1 where the box of a map (N, H, W) is that of an object (N, K, 4), else 0: (blurs, thresholds, N)."""
    soft = [blurred(maps, blur) for blur in BLURS]
    return np.array([[evaluate.localisation_accuracy(m, boxes, threshold=t) for t in THRESHOLDS] for m in soft])


def best(found: NDArray[Any]) -> tuple[int, int]:
    """Return the numbers of the blur and of the threshold that hit most, the first of several.

    Example:
        >>> best(np.array([[[0, 0, 1], [1, 0, 1]], [[0, 0, 0], [0, 1, 1]]]))
        (0, 1)
    """
    rates = found.mean(axis=2)
    first = int(rates.argmax())
    return first // found.shape[1], first % found.shape[1]


def best_of_other_half(found: NDArray[Any]) -> NDArray[Any]:
    """Return hits (N,), of every second photo by what is best for the others, and of those by what is best for these.

    Nobody's choice is made on the photos that it is measured on.

    Example:
        >>> best_of_other_half(np.array([[[1, 0, 1, 0], [0, 1, 0, 1]]]))
        array([0, 0, 0, 0])
    """
    even = np.arange(found.shape[2]) % 2 == 0
    return np.asarray(np.where(even, found[best(found[..., ~even])], found[best(found[..., even])]))


def no_network(boxes: NDArray[Any], size: tuple[int, ...], side: float) -> float:
    """Return the accuracy of one box for all photos of a size (H, W), in the middle, with a part of their sides."""
    high, wide = size
    y, x = (round(n * (1 - side) / 2) for n in (high, wide))
    same = np.broadcast_to(np.array([y, x, high - y, wide - x]), (len(boxes), 4))
    overlaps = [np.nan_to_num(evaluate.iou(same, boxes[:, k])) for k in range(boxes.shape[1])]
    return float((np.max(overlaps, axis=0) >= 0.5).mean())
