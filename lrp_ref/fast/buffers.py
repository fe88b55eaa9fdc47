"""Work memory that is used again: on the CPU, first touching new memory costs as much as several passes over it.

Large arrays that the kernels make lie in one region of at most ``REGION_BYTES``, at the lowest place that is free, and
give their place back when their last view is gone. What does not fit comes from the allocator. Only touched pages of
the region take up memory: as many as were ever in use at the same time. Nobody sees any of it: what is handed out is an
ordinary array.
"""

from __future__ import annotations

import bisect
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, Namespace

REGION_BYTES = 256 << 20
LARGE_BYTES = 256 << 10  # smaller arrays come from the allocator, which keeps their memory anyway
PAGE = 4096  # places begin and end at multiples of it


class _Region:
    """One piece of memory and the free intervals of it, by their beginnings; one for all threads."""

    def __init__(self) -> None:
        self.memory: np.ndarray | None = None
        self.free = [(0, REGION_BYTES)]
        self.after_fork()

    def after_fork(self) -> None:
        """Begin with a lock that no thread of the parent holds."""
        self.lock = threading.RLock()  # a place may come back while its own thread is taking another

    def take(self, size: int) -> int | None:
        """Return where the lowest free place of this size begins, which is taken then, or None."""
        with self.lock:
            for k, (start, stop) in enumerate(self.free):
                if stop - start >= size:
                    self.free[k : k + 1] = [(start + size, stop)] if stop - start > size else []
                    return start
        return None

    def give(self, start: int, size: int) -> None:
        """Take a place back, and join it with the free ones at its sides."""
        with self.lock:
            k = bisect.bisect(self.free, (start, 0))
            before, stop = k, start + size
            if k > 0 and self.free[k - 1][1] == start:
                before, start = k - 1, self.free[k - 1][0]
            if k < len(self.free) and self.free[k][0] == stop:
                k, stop = k + 1, self.free[k][1]
            self.free[before:k] = [(start, stop)]

    def view(self, start: int, size: int) -> np.ndarray:
        """Return the bytes of a place."""
        with self.lock:
            if self.memory is None:
                self.memory = np.empty(REGION_BYTES, dtype=np.uint8)
        return self.memory[start : start + size]


_REGION = _Region()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_REGION.after_fork)


class _Loan:
    """Owner of one place: the base of every view of it."""

    def __init__(self, region: _Region, start: int, size: int) -> None:
        self.region, self.start, self.size = region, start, size
        self.__array_interface__ = region.view(start, size).__array_interface__

    def __del__(self) -> None:
        self.region.give(self.start, self.size)


def empty(shape: Sequence[int], dtype: Any, xp: Namespace) -> Array:
    """Return an array whose values are arbitrary, in used memory if it is large."""
    size = int(math.prod(shape)) * np.dtype(dtype).itemsize
    if xp is not np or size < LARGE_BYTES or np.dtype(dtype).hasobject:
        return xp.empty(tuple(shape), dtype=dtype)
    room = -(-size // PAGE) * PAGE
    start = _REGION.take(room)
    if start is None:
        return xp.empty(tuple(shape), dtype=dtype)
    loan: Any = _Loan(_REGION, start, room)
    return np.asarray(loan)[:size].view(dtype).reshape(tuple(shape))


def zeros(shape: Sequence[int], dtype: Any, xp: Namespace) -> Array:
    """Return zeros, in used memory if they are many."""
    array = empty(shape, dtype, xp)
    array[...] = 0
    return array


def concatenated(parts: Sequence[Array], axis: int, xp: Namespace) -> Array:
    """Return the parts one after the other along an axis (0 and up), in used memory if they are large and of floats."""
    first = parts[0]
    if xp is not np or any(p.dtype != first.dtype or p.ndim != first.ndim for p in parts) or first.dtype.kind != "f":
        return xp.concatenate(parts, axis=axis)
    shape = list(first.shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    return np.concatenate(parts, axis=axis, out=empty(shape, first.dtype, np))


def computed(function: Callable[..., Array], x: Array, y: Any, *, out: Array | None = None) -> Array:
    """Return ``function(x, y)`` of every element, in used memory if the result is a large array of floats.

    Args:
        function: of the array module; its result has the shape and dtype of ``x`` if ``y`` has them or is a number.
        x, y: an array, and an array or a number of its dtype.
        out: where the result is to stand, if the caller has a place for it.
    """
    alike = isinstance(x, np.ndarray) and x.dtype.kind == "f" and np.shape(y) in ((), x.shape)
    if out is None and alike and getattr(y, "dtype", x.dtype) == x.dtype:
        out = empty(x.shape, x.dtype, np)
    return function(x, y) if out is None else function(x, y, out=out)
