"""Large arrays block by block: several elementwise passes over one block find it in the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
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


def add_product(x: Array, g: Array, into: Array | None, *, sign: int, keep: Array) -> tuple[Array, Array | None]:
    """Return ``into`` ± x·g, and its sum per sample (N,) where it was formed on the way.

    Args:
        x, g: of one shape (N, ...); the product is written into ``g`` where g can hold it.
        into: what the product is added to, in its own memory if that is large; None for 0.
        sign: 1 or -1.
        keep: an array that must stay as it is, and with which ``g`` may share memory.
    """
    own = isinstance(g, np.ndarray) and g.flags.writeable and (g.dtype, g.shape) == (x.dtype, x.shape)
    own = own and not np.may_share_memory(g, keep)
    large = own and g.dtype.kind == "f" and g.nbytes > BLOCK_BYTES
    if not (large and all(a is None or a.flags.c_contiguous for a in (x, g, into))):
        xp = namespace(x, g)
        part = buffers.computed(xp.multiply, x, g, out=g if own else None)
        part = part if sign > 0 else -part
        return part if into is None else buffers.computed(xp.add, into, part), None
    rows = math.prod(g.shape[: 2 if g.ndim > 2 else 1])
    flat = [None if a is None else a.reshape(rows, -1) for a in (x, g, into)]
    sums = np.empty(rows, dtype=g.dtype)

    def work(parts: Iterator[slice]) -> None:
        for part in parts:
            views: list[Any] = [None if a is None else a[part] for a in flat]
            factor, here, whole = views
            np.multiply(factor, here, out=here)
            if sign < 0:
                np.negative(here, out=here)
            if whole is not None:
                here = np.add(whole, here, out=whole)
            sums[part] = here.sum(axis=1)

    threads.each(blocks(rows, g.nbytes // rows, np), work)
    return g if into is None else into, sums.reshape(g.shape[0], -1).sum(axis=1)
