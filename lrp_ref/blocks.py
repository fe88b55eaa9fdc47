"""Large arrays block by block: several elementwise passes over one block find it in the cache."""

from __future__ import annotations

from collections.abc import Iterator

from .arrays import Namespace

BLOCK_BYTES = 256 << 10  # of one array on the CPU


def blocks(rows: int, row_bytes: int, xp: Namespace) -> Iterator[slice]:
    """Yield slices of ``rows`` rows that hold at most ``BLOCK_BYTES`` (one row at least); all rows on a device."""
    many = max(1, BLOCK_BYTES // max(row_bytes, 1)) if xp.__name__ == "numpy" else max(rows, 1)
    for first in range(0, rows, many):
        yield slice(first, min(first + many, rows))


def tiles(n: int, size: int, itemsize: int, xp: Namespace) -> Iterator[tuple[slice, slice]]:
    """Yield (samples, units) of an (n, size) matrix, block by block: whole samples where several fit one block."""
    for samples in blocks(n, size * itemsize, xp):
        for units in blocks(size, itemsize, xp) if size * itemsize > BLOCK_BYTES else (slice(0, size),):
            yield samples, units
