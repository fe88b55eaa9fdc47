"""Work buffers that are used again: on the CPU, first touching new memory costs as much as several passes over it.

Large arrays that the kernels make lie in buffers which come back when the last view of them is gone. At most
``KEPT_BYTES`` wait for their next use. Nobody sees any of it: what is handed out is an ordinary array.
"""

from __future__ import annotations

import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import Array, Namespace

KEPT_BYTES = 256 << 20  # of all waiting buffers together
LARGE_BYTES = 256 << 10  # smaller arrays come from the allocator, which keeps their memory anyway


class _Store:
    """Waiting buffers by size, shared by all threads."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.waiting: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        self.kept = 0
        self.lock = threading.RLock()  # a buffer may come back while its own thread is taking another

    def take(self, size: int) -> np.ndarray:
        with self.lock:
            if self.waiting[size]:
                self.kept -= size
                return self.waiting[size].pop()
        return np.empty(size, dtype=np.uint8)

    def give(self, buffer: np.ndarray) -> None:
        with self.lock:
            if self.kept + buffer.nbytes > KEPT_BYTES:  # other sizes are in use now: forget the ones that wait
                self.waiting.clear()
                self.kept = 0
            if buffer.nbytes <= KEPT_BYTES:
                self.kept += buffer.nbytes
                self.waiting[buffer.nbytes].append(buffer)


_STORE = _Store()
if hasattr(os, "register_at_fork"):  # a child must not wait for a thread that it does not have
    os.register_at_fork(after_in_child=_STORE.begin)


class _Loan:
    """Owner of one buffer: the base of every view of it."""

    def __init__(self, buffer: np.ndarray) -> None:
        self.buffer, self.give = buffer, _STORE.give  # found again even while the interpreter ends
        self.__array_interface__ = buffer.__array_interface__

    def __del__(self) -> None:
        self.give(self.buffer)


def empty(shape: Sequence[int], dtype: Any, xp: Namespace) -> Array:
    """Return an array whose values are arbitrary, in a used buffer if one waits."""
    size = int(math.prod(shape)) * np.dtype(dtype).itemsize
    if xp is not np or size < LARGE_BYTES or np.dtype(dtype).hasobject:
        return xp.empty(tuple(shape), dtype=dtype)
    step = 1 << (size.bit_length() - 3)  # buffers of sizes 1, 1¼, 1½ and 1¾ times a power of 2
    loan: Any = _Loan(_STORE.take(-(-size // step) * step))
    return np.asarray(loan)[:size].view(dtype).reshape(tuple(shape))


def zeros(shape: Sequence[int], dtype: Any, xp: Namespace) -> Array:
    """Return zeros, in a used buffer if one waits."""
    array = empty(shape, dtype, xp)
    array[...] = 0
    return array


def computed(function: Callable[..., Array], x: Array, number: Any) -> Array:
    """Return ``function(x, number)`` of every element, in the shape and dtype of ``x``."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return function(x, number, out=empty(x.shape, x.dtype, np))
    return function(x, number)


def times(x: Array, g: Array, *, keep: Array) -> Array:
    """Return x·g, written into ``g`` if it can hold the product and shares no memory with ``keep``."""
    own = isinstance(g, np.ndarray) and g.flags.writeable and (g.dtype, g.shape) == (x.dtype, x.shape)
    return np.multiply(x, g, out=g) if own and not np.may_share_memory(g, keep) else x * g
