"""Upsampling of maps by a named convention: where the centres of their cells lie, and what is between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..base.arrays import Array, is_float, like, namespace
from ..errors import ShapeError, unknown

Pair = tuple[Array, Array, Array, int]


def upsampled(maps: Array, sizes: Sequence[int], convention: str = "half_pixel") -> Array:
    """Return maps (N, C, *grid) at other sizes (N, C, *sizes), along one axis after the other; n → m along an axis:

    =============  ==================================================================================================
    "half_pixel"   linear between the centres: position i reads (i + ½)·n/m − ½, at the border the outermost value
    "corners"      linear, and the first and last values keep their places: position i reads i·(n − 1)/(m − 1)
    "nearest"      position i has the value ⌊i·n/m⌋
    =============  ==================================================================================================

    The weights are quotients of whole numbers, so that rationals stay exact. These are the conventions of PyTorch's
    interpolation with align_corners=False, with True, and of its mode "nearest". Whole numbers become float64.

    Args:
        maps: of any number of axes.
        sizes: along each axis of the grid; none smaller than the map's.
        convention: one of the three.

    Raises:
        ParameterError: another convention.
        ShapeError: a size that is smaller than the map's, or another number of sizes: nothing is sampled down.

    Example:
        >>> import numpy as np
        >>> upsampled(np.array([[[0.0, 4.0]]]), (4,))
        array([[[0., 1., 3., 4.]]])
        >>> upsampled(np.array([[[0.0, 3.0]]]), (4,), "corners"), upsampled(np.array([[[0.0, 4.0]]]), (4,), "nearest")
        (array([[[0., 1., 2., 3.]]]), array([[[0., 0., 4., 4.]]]))
    """
    require_convention(convention)
    grid = tuple(maps.shape[2:])
    if len(sizes) != len(grid) or any(m < n for n, m in zip(grid, sizes, strict=True)):
        raise ShapeError(
            f"a map {grid} cannot be upsampled to {tuple(sizes)}, which is smaller or has other axes: upsample=None "
            "leaves it at its own size"
        )
    xp = namespace(maps)
    found = maps = maps if is_float(maps) else maps.astype(float)  # bytes would wrap around, and booleans have no minus
    for axis, (n, m) in enumerate(zip(grid, sizes, strict=True), start=2):
        if n == m:
            continue
        low, high, over, of = _CONVENTIONS[convention](xp.arange(m), n, m)
        first = xp.take(found, low, axis=axis)
        if of == 1:
            found = first
            continue
        share = (like(over, maps) / of).reshape((m,) + (1,) * (found.ndim - axis - 1))
        found = first + share * (xp.take(found, high, axis=axis) - first)
    return found


def require_convention(convention: str) -> None:
    """Raise unless a convention is known.

    Raises:
        ParameterError: with the nearest name.
    """
    if convention not in _CONVENTIONS:
        raise unknown("upsampling", str(convention), _CONVENTIONS)


def _half_pixel(place: Array, n: int, m: int) -> Pair:
    return _between((2 * place + 1) * n - m, 2 * m, n)


def _corners(place: Array, n: int, m: int) -> Pair:
    return _between(place * (n - 1), max(m - 1, 1), n)


def _nearest(place: Array, n: int, m: int) -> Pair:
    low = place * n // m
    return low, low, low, 1


def _between(read: Array, of: int, n: int) -> Pair:
    """Return the values on both sides of the places read/of, and how far between them these lie: over/of."""
    xp = namespace(read)
    inside = xp.minimum(xp.maximum(read, 0), (n - 1) * of)
    low = inside // of
    return low, xp.minimum(low + 1, n - 1), inside - low * of, of


_CONVENTIONS: dict[str, Callable[[Array, int, int], Pair]] = {
    "half_pixel": _half_pixel,
    "corners": _corners,
    "nearest": _nearest,
}
CONVENTIONS = tuple(_CONVENTIONS)
