"""The arrays of a store: their names, shapes and types, and what stands where nothing has been written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

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
    def nbytes(self) -> int:
        """Bytes of all arrays, not compressed."""
        return sum(one.nbytes for one in self.arrays)

    def __getitem__(self, name: str) -> ArraySpec:
        return next(one for one in self.arrays if one.name == name)


def spec(name: str, samples: int, shape: Iterable[int], dtype: str) -> ArraySpec:
    """Return an array of numbers of that shape for each sample, NaN where nothing is written, −1 of whole numbers."""
    fill = float("nan") if np.dtype(dtype).kind == "f" else NO_TARGET
    return ArraySpec(name, (samples, *shape), dtype, fill)
