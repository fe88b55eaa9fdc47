"""An .npy file of any size, of which some samples at a time are read; no page of it stays mapped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path

import numpy as np

from ...loaders.npy import LONGEST, Header, header
from .given import Host, changed
from .regular import fill, regular

SPAN = 1 << 23  # bytes of columns that are read at a time
APART = 1 << 16  # bytes between the parts of a sample from which on each is read by itself


@dataclass(frozen=True)
class NpyRows:
    """An .npy file as it was when it was looked at.

    Attributes:
        path: of the file.
        shape: of its array.
        dtype: of its numbers, in the file's byte order.
        column_major: whether the parts of a sample lie apart.
        begin: where the numbers begin, in bytes.
        size: bytes of the file.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    column_major: bool
    begin: int
    size: int

    @staticmethod
    def of(path: str | Path, where: str = "") -> NpyRows:
        """Return a file, after looking at its header and its size.

        Args:
            path: of the file.
            where: as errors have it; "" for the path.

        Raises:
            ModelFormatError: it cannot be read, or is no array of numbers as large as its header says.
        """
        with regular(path, where) as (stream, size):
            found = _header(stream, size, where or str(path))
        return NpyRows(str(path), found.shape, found.dtype.str, found.column_major, found.start, size)

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return Path(self.path).name

    def require_unchanged(self) -> None:
        """Raise unless the file still has the size, shape and type that it had.

        Raises:
            ModelFormatError: it has not, or cannot be read any more.
        """
        now = NpyRows.of(self.path, self.name)
        if now != self:
            what = f"{now.dtype} {now.shape}, it was {self.dtype} {self.shape}"
            raise changed(self.name, f"the file has changed ({what})")

    def read(self, start: int, stop: int, where: str = "") -> Host:
        """Return some samples, in the file's byte order.

        Raises:
            ModelFormatError: the file cannot be read, or has become shorter.
        """
        where = where or self.name
        n, rest = stop - start, self.shape[1:]
        with regular(self.path, where) as (stream, _):
            if not self.column_major:
                found = np.empty((n, *rest), dtype=self.dtype)
                fill(stream, self.begin + start * _bytes(rest, found), _room(found), where)
                return found
            columns = np.empty((math.prod(rest), n), dtype=self.dtype)
            self._columns(stream, start, columns, where)
        return np.ascontiguousarray(columns.reshape(*rest[::-1], n).T)

    def _columns(self, stream: FileIO, start: int, columns: Host, where: str) -> None:
        """Read the same few numbers (P, n) out of each of the P places of a sample, which lie N numbers apart."""
        n, apart = columns.shape[1], self.shape[0] * columns.itemsize
        if apart > APART:
            for place, row in enumerate(columns):
                fill(stream, self.begin + place * apart + start * row.itemsize, _room(row), where)
            return
        step = max(SPAN // max(apart, 1), 1)
        for first in range(0, len(columns), step):
            block = np.empty((min(step, len(columns) - first), self.shape[0]), dtype=self.dtype)
            fill(stream, self.begin + first * apart, _room(block), where)
            columns[first : first + len(block)] = block[:, start : start + n]


def _bytes(shape: tuple[int, ...], array: Host) -> int:
    return math.prod(shape) * array.itemsize


def _room(array: Host) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(bytearray())


def _header(stream: FileIO, size: int, where: str) -> Header:
    head = bytearray(min(LONGEST, size))
    fill(stream, 0, memoryview(head), where)
    alone = bytes(head[: _length(head)])
    try:
        return _said(alone, size)
    except ValueError:
        return header(bytes(head), size, where)


@lru_cache(maxsize=256)
def _said(head: bytes, size: int) -> Header:
    """Return what a header says, without reading the same one of a hundred thousand files again and again."""
    return header(head, size, "the file")


def _length(head: bytearray) -> int:
    """Return the bytes of a header with what stands before it, as far as it says so itself."""
    wide = 2 if head[6:7] == b"\x01" else 4
    return 8 + wide + int.from_bytes(head[8 : 8 + wide], "little")
