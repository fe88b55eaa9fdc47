"""The numbers and bytes of a page: one block of each, in which what comes twice is written once."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .assembling import little_endian

FLOAT = 1.28  # characters of a page per byte of float32, which gzip hardly makes smaller, in base64
BYTE = 1.2  # the same of the pixels of a picture


class Store:
    """Arrays one behind the other; each is found again by its offset."""

    def __init__(self) -> None:
        self._parts: dict[str, list[bytes]] = {"numbers": [], "bytes": []}
        self._ends = {"numbers": 0, "bytes": 0}
        self._seen: dict[bytes, int] = {}

    def floats(self, array: Any) -> int:
        """Add an array as float32 and return where it begins, counted in numbers."""
        return self._add("numbers", little_endian(array), 4)

    def pixels(self, array: NDArray[np.uint8]) -> int:
        """Add an array of bytes and return where it begins."""
        return self._add("bytes", np.ascontiguousarray(array).tobytes(), 1)

    def _add(self, block: str, data: bytes, width: int) -> int:
        key = block.encode() + hashlib.sha256(data).digest()
        if key not in self._seen:
            self._seen[key] = self._ends[block] // width
            self._parts[block].append(data)
            self._ends[block] += len(data)
        return self._seen[key]

    def has(self, array: Any) -> bool:
        """Whether these numbers are there already, so that adding them costs nothing."""
        return b"numbers" + hashlib.sha256(little_endian(array)).digest() in self._seen

    @property
    def size(self) -> float:
        """About how many characters of a page the arrays take."""
        return FLOAT * self._ends["numbers"] + BYTE * self._ends["bytes"]

    def blocks(self) -> dict[str, bytes]:
        """Return the blocks by name."""
        return {name: b"".join(parts) for name, parts in self._parts.items()}
