"""Where the numbers of a map lie, in a sentence for those who do not see its picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from .colours import floats

QUARTER, HALF = 0.55, 0.6  # of Σ|v|: from here on a quarter, or a half, is named


def whereabouts(values: Any) -> str:
    """Return which part of a map has most of Σ|v|, in a sentence: a quarter of it, or a half where that says as much.

    A middle row or column counts half for each side, so that parts add up to one.

    Args:
        values: (H, W) or (C, H, W); channels are added up first, as in the picture.

    Raises:
        ShapeError: another shape.
        NonFiniteError: numbers that are not finite.

    Example:
        >>> whereabouts([[0.0, 0.0], [1.0, -3.0]])
        '75 % of |relevance| lies in the lower right quarter.'
        >>> whereabouts([[0.5, 0.0], [0.5, 0.0]])
        '100 % of |relevance| lies in the left half.'
    """
    v = floats("whereabouts", values)
    if v.ndim not in (2, 3) or not v.size:
        raise ShapeError(f"whereabouts: expected a map (H, W) or (C, H, W), got shape {v.shape}")
    size = float(abs(v).max())
    if not size:
        return "Relevance is 0 everywhere."
    v = abs((v / size).sum(axis=0) if v.ndim == 3 else v / size)
    if not v.any():
        return "The channels of every place cancel."
    lower, right = (_second(length) for length in v.shape)
    rows = {"upper": 1 - lower, "lower": lower}
    columns = {"left": 1 - right, "right": right}
    parts = {f"{a} {b} quarter": float(r @ v @ c / v.sum()) for a, r in rows.items() for b, c in columns.items()}
    halves = {f"{a} half": float((r @ v).sum() / v.sum()) for a, r in rows.items()}
    halves |= {f"{b} half": float((v @ c).sum() / v.sum()) for b, c in columns.items()}
    place, most = max(parts.items(), key=lambda item: item[1])
    if most < QUARTER:
        place, most = max(halves.items(), key=lambda item: item[1])
    if most < HALF:
        return f"|Relevance| is spread over all quarters: the largest of them has {100 * max(parts.values()):.0f} %."
    return f"{100 * most:.0f} % of |relevance| lies in the {place}."


def _second(length: int) -> Any:
    """Return how much of each row (or column) lies in the second half: 0, 1, or a half of the middle one."""
    return np.clip(np.arange(length) + 1 - length / 2, 0.0, 1.0)
