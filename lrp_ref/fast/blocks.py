"""Large arrays block by block: several elementwise passes over one block find it in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..base.arrays import Array, Namespace, namespace
from . import buffers, threads
from .own import kernels

BLOCK_BYTES = 1 << 20  # of one array on the CPU
DEVICE_BYTES = 1 << 28  # of one array on a device, which has no cache to hit but an end of its memory


def blocks(rows: int, row_bytes: int, xp: Namespace) -> Iterator[slice]:
    """Yield slices of ``rows`` rows that hold at most ``BLOCK_BYTES`` (one row at least); all rows on a device."""
    many = max(1, BLOCK_BYTES // max(row_bytes, 1)) if xp.__name__ == "numpy" else max(rows, 1)
    for first in range(0, rows, many):
        yield slice(first, min(first + many, rows))


def tiles(rows: int, columns: int, cell_bytes: int, xp: Namespace) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of a table a tile at a time, so that a tile's cells are a small array.

    How the columns are cut does not depend on the number of rows, so that sums over them do not either.
    """
    if kernels(xp) is not None:  # it has its own way to divide work
        yield slice(0, rows), slice(0, columns)
        return
    most = max(1, (BLOCK_BYTES if xp.__name__ == "numpy" else DEVICE_BYTES) // max(cell_bytes, 1))
    wide = max(1, min(columns, most))
    high = max(1, most // wide)
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            yield slice(top, min(top + high, rows)), slice(left, min(left + wide, columns))


def scaled(
    x: Array, scale: Array | None, shift: Array | None, finish: Callable[[Array], object] = lambda part: None
) -> Array:
    """Return x·scale + shift after ``finish`` was called on all of it, or on each of its parts; always a new array.

    Args:
        x: (N, ...).
        scale, shift: of shapes that broadcast against x, or enlarge it; None for 1 and for 0.
        finish: takes a part of the result that may still be in the cache, and may write into it.
    """
    xp, given = namespace(x), [p for p in (scale, shift) if p is not None]
    channels = (x.shape[1], *(1,) * (x.ndim - 2)) if x.ndim > 2 else ()
    each = isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.flags.c_contiguous
    if not (each and channels and all(p.shape == channels and p.dtype == x.dtype for p in given)):
        y = x if scale is None else x * scale
        y = y if shift is None else y + shift
        finish(y)
        return y
    y = buffers.empty(x.shape, x.dtype, xp)

    def work(parts: Iterator[tuple[int, slice]]) -> None:
        for n, part in parts:
            source, here = x[n, part], y[n, part]
            if scale is not None:
                source = np.multiply(source, scale[part], out=here)
            if shift is not None:
                np.add(source, shift[part], out=here)
            finish(here)

    some = list(blocks(x.shape[1], x[0, :1].nbytes if len(x) else 0, np))
    parts = [(n, part) for n in range(len(x)) for part in some]
    if x.nbytes > BLOCK_BYTES:
        threads.each(parts, work)
    else:
        work(iter(parts))
    return y


def add_product(x: Array, g: Array, into: Array | None, *, sign: int, keep: Array) -> tuple[Array, Array | None]:
    """Return ``into`` ± x·g, and its sum per sample (N,) where it was formed on the way.

    Args:
        x, g: of one shape (N, ...); the product is written into ``g`` where g can hold it.
        into: what the product is added to, in its own memory if that is large; None for 0.
        sign: 1 or -1.
        keep: an array that must stay as it is, and with which ``g`` may share memory.
    """
    alike = isinstance(g, np.ndarray) and (g.dtype, g.shape) == (x.dtype, x.shape)
    own = alike and g.flags.writeable and not np.may_share_memory(g, keep)
    large = alike and g.dtype.kind == "f" and g.nbytes > BLOCK_BYTES
    if not (large and all(a is None or a.flags.c_contiguous for a in (x, g, into))):
        xp = namespace(x, g)
        part = buffers.computed(xp.multiply, x, g, out=g if own else None)
        part = part if sign > 0 else -part
        return part if into is None else buffers.computed(xp.add, into, part), None
    rows = math.prod(g.shape[: 2 if g.ndim > 2 else 1])
    made = g if own else buffers.empty(g.shape, g.dtype, np) if into is None else None
    flat = [None if a is None else a.reshape(rows, -1) for a in (x, g, into, made)]
    sums = np.empty(rows, dtype=g.dtype)

    def work(parts: Iterator[slice]) -> None:
        for part in parts:
            views: list[Any] = [None if a is None else a[part] for a in flat]
            factor, given, whole, place = views
            here = np.multiply(factor, given, out=place)
            if sign < 0:
                np.negative(here, out=here)
            if whole is not None:
                here = np.add(whole, here, out=whole)
            sums[part] = here.sum(axis=1)

    threads.each(blocks(rows, g.nbytes // rows, np), work)
    return made if into is None else into, sums.reshape(g.shape[0], -1).sum(axis=1)
