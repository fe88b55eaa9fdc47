"""How alike two maps are: by rank, linearly, or as pictures; a number per sample."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arithmetic.casts import to_float
from ..base.arrays import Array
from ..errors import ParameterError, ShapeError, require, unknown
from .given import PER, Host, host_map, quotient, values


def pearson(a: Array, b: Array, *, per: str | None = None) -> Host:
    """Return Pearson's correlation of two maps (N,); NaN where one of them is constant.

    Args:
        a, b: maps (N, ...) of one shape.
        per: "pixel" sums channels first, "number" compares every number; None for pixels of pictures.

    Raises:
        ShapeError: two shapes.

    Example:
        >>> pearson(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 4.0, 6.0]]))
        array([1.])
    """
    return _correlation(*_pair(a, b, per))


def spearman(a: Array, b: Array, *, per: str | None = None) -> Host:
    """Return Spearman's rank correlation ρ of two maps (N,), equal numbers having their mean rank; NaN if constant.

    Args:
        a, b, per: as of :func:`pearson`.

    Example:
        >>> spearman(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 4.0, 9.0]]))
        array([1.])
    """
    return _ranks(*_pair(a, b, per))


def spearman_absolute(a: Array, b: Array, *, per: str | None = None) -> Host:
    """Return Spearman's ρ of the absolute values of two maps (N,), as in Adebayo et al. 2018.

    Args:
        a, b, per: as of :func:`pearson`.

    Example:
        >>> spearman_absolute(np.array([[1.0, -2.0, 3.0]]), np.array([[-1.0, 4.0, 9.0]]))
        array([1.])
    """
    return _ranks(*(abs(part) for part in _pair(a, b, per)))


def ssim(a: Array, b: Array, *, per: str | None = None) -> Host:
    """Return the structural similarity of two maps as pictures (N,), on their common range; NaN if that is empty.

    A window of 7 × 7 pixels, or the largest odd one that fits (scikit-image, on the host, in float64). Channels are
    summed.

    Args:
        a, b: maps (N, C, H, W) or (N, H, W) of one shape.
        per: None or "pixel".

    Raises:
        ShapeError: maps that are no pictures, or smaller than 3 × 3.
        ParameterError: per="number".
        MissingExtraError: scikit-image is not installed.

    Source: Wang et al. 2004.

    Example:
        >>> find_similarity("ssim") is ssim
        True
    """
    if per == "number":
        raise ParameterError("per='number': ssim compares pictures; give per='pixel', or similarity='spearman'")
    if per not in (None, "pixel"):
        raise unknown("per", str(per), PER)
    metrics = require("skimage.metrics", extra="evaluate", purpose="compare maps as pictures (ssim)")
    one, other = (np.asarray(to_float(host_map(m)), dtype=float) for m in (a, b))
    _same(one, other)
    pictures = [m.sum(axis=1) if m.ndim == 4 else m for m in (one, other)]
    if pictures[0].ndim != 3 or min(pictures[0].shape[1:]) < 3:
        raise ShapeError(f"ssim needs pictures of at least 3 × 3 pixels; the maps have shape {one.shape}")
    window = min(7, *(size - 1 + size % 2 for size in pictures[0].shape[1:]))
    found = []
    for x, y in zip(*pictures, strict=True):
        span = max(x.max(), y.max()) - min(x.min(), y.min())
        value = math.nan if span == 0 else metrics.structural_similarity(x, y, win_size=window, data_range=float(span))
        found.append(value)
    return np.array(found, dtype=float)


SIMILARITIES: dict[str, Callable[..., Host]] = {
    "spearman_absolute": spearman_absolute,
    "spearman": spearman,
    "pearson": pearson,
    "ssim": ssim,
}


def find_similarity(name: str) -> Callable[..., Host]:
    """Return the similarity of that name.

    Raises:
        ParameterError: a name that is not known; the nearest is suggested.
    """
    if name not in SIMILARITIES:
        raise unknown("similarity", str(name), SIMILARITIES)
    return SIMILARITIES[name]


def _same(a: Host, b: Host) -> None:
    if a.shape != b.shape:
        raise ShapeError(f"two maps are compared that have shapes {a.shape} and {b.shape}")


def _pair(a: Array, b: Array, per: str | None) -> tuple[Host, Host]:
    _same(a, b)
    one, other = (to_float(values(m, per)) for m in (a, b))
    return np.asarray(one, dtype=float), np.asarray(other, dtype=float)


def _ranks(a: Host, b: Host) -> Host:
    from scipy.stats import rankdata

    return _correlation(rankdata(a, axis=1), rankdata(b, axis=1))


def _correlation(a: Host, b: Host) -> Host:
    """Return the correlation of two arrays (N, units)."""
    if not a.shape[1]:
        return np.full(len(a), math.nan)
    # The mean of equal numbers is rounded, and they would differ from it; that of ones is exact.
    a, b = (_scaled(part) for part in (a, b))
    a, b = (_scaled(part - part.mean(axis=1, keepdims=True)) for part in (a, b))
    found = quotient((a * b).sum(axis=1), np.sqrt((a * a).sum(axis=1)) * np.sqrt((b * b).sum(axis=1)))
    return np.asarray(np.clip(found, -1, 1), dtype=float)


def _scaled(a: Host) -> Host:
    """Return rows divided by their largest number, whose squares are then neither 0 nor infinite."""
    most = abs(a).max(axis=1, keepdims=True)
    return a / np.where(most == 0, 1, most)
