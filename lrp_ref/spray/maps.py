"""What is compared: relevance maps, summed over channels, made smaller, and of one size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, require_finite, to_numpy, unwarned
from ..base.frozen import real_array
from ..errors import ParameterError, ShapeError, unknown

Floats = NDArray[np.float64]
Size = int | tuple[int, int] | None
NORMALISE = ("l1", "l2", "max", "none")


def prepare(relevance: Array | Iterable[Array], *, size: Size = 100, normalise: str = "l1") -> Floats:
    """Return relevance maps as they are compared: one number a place, at most ``size`` places a side.

    Channels are summed. A map that is larger than ``size`` is made smaller by sums over blocks, so that the sum of the
    map stays; where the sides do not divide, a number at the border of two blocks goes to both in proportion. None is
    made larger. Then each map is divided by its own Σ|R| ("l1"), √ΣR² ("l2") or max |R| ("max"), since a clear and a
    doubtful prediction may rest on the same.

    Args:
        relevance: (N, C, H, W) or (N, H, W), or vectors (N, F), which keep their places. Or what gives such arrays of
            some maps one after the other, a generator or the like, of which one at a time is in memory as it came; a
            list is one array.
        size: the largest height and width, one number or two; None keeps them. Smaller maps forgive small shifts.
        normalise: "l1", "l2", "max", or "none".

    Returns:
        float64, (N, h, w), or (N, F).

    Raises:
        ShapeError: no maps, another number of axes, or arrays of maps of different sizes.
        NonFiniteError: NaN or infinity; says how many and where.
        ParameterError: maps that are 0 everywhere once channels are summed: they rest on nothing, and have no
            direction to compare; a size or a way to normalise that is none.

    Example:
        >>> prepare(np.arange(8.0).reshape(1, 2, 2, 2), size=1, normalise="none"), prepare(np.array([[3.0, -1.0]]))
        (array([[[28.]]]), array([[ 0.75, -0.25]]))
    """
    if hasattr(relevance, "dtype") or not isinstance(relevance, Iterable) or isinstance(relevance, Sequence):
        return _prepared(relevance, size, normalise)
    made: list[Floats] = []
    done = 0
    for few in relevance:
        made.append(_prepared(few, size, normalise, done))
        done += len(made[-1])
        if made[-1].shape[1:] != made[0].shape[1:]:
            raise ShapeError(
                f"maps from number {done - len(made[-1])} on are prepared to {made[-1].shape[1:]}, and those before to "
                f"{made[0].shape[1:]}: they are compared place by place, give maps of one size"
            )
    if not made:
        raise ShapeError("there are no maps: what was to give them gives nothing, or was gone through before")
    return np.concatenate(made)


def _prepared(relevance: Array, size: Size, normalise: str, first: int = 0) -> Floats:
    """Return the maps of one array prepared; ``first`` is the number of its first map."""
    host = to_numpy(relevance) if hasattr(relevance, "dtype") else real_array("relevance", relevance)
    if host.dtype.kind not in "fiub":
        raise ParameterError(f"relevance has dtype {host.dtype}; maps are compared as real numbers")
    if host.ndim not in (2, 3, 4) or 0 in host.shape:
        raise ShapeError(
            f"relevance of shape {host.shape}; expected maps (N, C, H, W) or (N, H, W), or vectors (N, F), not empty"
        )
    what = "relevance" if not first else f"relevance, of the maps from number {first} on,"
    require_finite(host, what)
    maps = host.astype(np.float64)
    with unwarned():  # about numbers so large that their sum is none
        maps = maps.sum(axis=1) if maps.ndim == 4 else maps
        if maps.ndim == 3:
            maps = _smaller(maps, size)
    require_finite(maps, f"{what.rstrip(',')}, summed over channels and blocks,")
    if normalise not in NORMALISE:
        raise unknown("way to normalise maps", str(normalise), NORMALISE)
    flat = maps.reshape(len(maps), -1)
    largest = np.abs(flat).max(axis=1)
    if not largest.all():
        empty = np.flatnonzero(largest == 0)
        raise ParameterError(
            f"{len(empty)} of {len(maps)} maps are 0 everywhere, the first is number {first + empty[0]}: "
            "they rest on nothing that could be compared; leave these samples out"
        )
    flat = flat / largest[:, None] if normalise != "none" else flat
    if normalise == "l1":
        flat = flat / np.abs(flat).sum(axis=1, keepdims=True)
    if normalise == "l2":
        flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat.reshape(maps.shape))


def _smaller(maps: Floats, size: Size) -> Floats:
    """Return maps (N, H, W) of at most ``size`` places a side, by sums over blocks."""
    if size is None:
        return maps
    sides = tuple(size) if isinstance(size, Iterable) else (size, size)
    if len(sides) != 2 or any(isinstance(s, bool) or not isinstance(s, int | np.integer) or s < 1 for s in sides):
        raise ParameterError(f"size is {size!r}; give one or two whole numbers of places, 1 or more, or None")
    rows, columns = (_blocks(n, min(n, int(side))) for n, side in zip(maps.shape[1:], sides, strict=True))
    return np.asarray(rows @ maps @ columns.T)


def _blocks(places: int, blocks: int) -> Floats:
    """Return how much of each place lies in each block (blocks, places); the columns sum to 1."""
    edges = np.linspace(0, places, blocks + 1)
    low, high = np.maximum(edges[:-1, None], np.arange(places)), np.minimum(edges[1:, None], np.arange(1, places + 1))
    return np.asarray(np.maximum(high - low, 0.0))
