"""The arrays of a store: their names, shapes and types, and what stands where nothing has been written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

TO_DO, DONE, FAILED = 0, 1, 2  # what the array "done" says of a chunk
NO_TARGET = -1  # of a sample that was not explained
LEDGER = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped")  # columns; the residual follows from them


@dataclass(frozen=True)
class ArraySpec:
    """One array.

    Attributes:
        name: of the array.
        shape: (N, ...), N samples.
        dtype: of NumPy.
        fill: what stands where nothing has been written.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    fill: float

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers, not compressed."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Layout:
    """All arrays with an entry for each sample.

    Attributes:
        arrays: which.
        samples: N.
        batch: samples that are explained together.
        chunk: samples of one unit of work, a multiple of ``batch``.
    """

    arrays: tuple[ArraySpec, ...]
    samples: int
    batch: int
    chunk: int

    @property
    def chunks(self) -> int:
        """How many units of work there are."""
        return -(-self.samples // self.chunk)

    @property
    def cut(self) -> tuple[int, int]:
        """Rows of a batch and of a unit of work in a file: no more than there are samples, whatever was asked for.

        Example:
            >>> Layout((), 10, 32, 320).cut, Layout((), 10, 4, 4000).cut, Layout((), 10, 4, 8).cut
            ((10, 10), (4, 12), (4, 8))
        """
        batch = min(self.batch, self.samples)
        return batch, min(self.chunk, -(-self.samples // batch) * batch)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, not compressed."""
        return sum(one.nbytes for one in self.arrays)

    def __getitem__(self, name: str) -> ArraySpec:
        return next(one for one in self.arrays if one.name == name)


def spec(name: str, samples: int, shape: Iterable[int], dtype: str) -> ArraySpec:
    """Return an array of numbers of that shape for each sample, NaN where nothing is written, −1 of whole numbers."""
    return ArraySpec(name, (samples, *shape), dtype, fill_of(np.dtype(dtype)))


def fill_of(dtype: np.dtype[Any]) -> float:
    """Return what stands where nothing has been written."""
    return float("nan") if dtype.kind == "f" else NO_TARGET


def size_text(count: int) -> str:
    """Return a number of bytes in the largest of the units of 1000 that it fills.

    Example:
        >>> [size_text(n) for n in (0, 999, 1000, 12_345_678, 999_999, 2 * 10**15)]
        ['0 bytes', '999 bytes', '1 kB', '12.3 MB', '1 MB', '2000 TB']
    """
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:  # what is printed as 1000 of a unit is 1 of the next
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"
