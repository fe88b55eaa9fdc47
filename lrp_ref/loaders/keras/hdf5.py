"""HDF5 files from anywhere: what they declare is checked before it is read, and nothing but the file itself is.

HDF5 can point to other files (external links, external storage, virtual datasets) and at itself, and its filters grow
without a bound. Here only hard links are followed, only plain numbers are read, and compressed parts are unpacked as
far as they may reach and no further.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ..limits import DEEPEST, Budget, bound, size_of
from .objects import EXTERNAL, FILTERS, LAYOUT, NOWHERE, SPACE, TYPE, Bytes, Damaged, Message, Objects, element, shape

MEMBERS = 100_000  # groups and datasets of one file
RATIO = 200  # of a compressed part's bytes to those in the file
SMALL = 1 << 20  # a part up to this size may have any ratio: a bias of zeros shrinks to a thousandth
DEFLATE, SHUFFLE = 1, 2  # HDF5's numbers of the filters
COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
LONGEST_NAME = 1000

Array = np.ndarray[Any, Any]


class Hdf5:
    """The datasets of an HDF5 file by their path; a context manager that closes the file.

    Refused are: soft and external links, virtual datasets, external storage, groups that two links lead to, more than
    10⁵ members or 64 levels, and, once a dataset is read: types other than integers and floats, filters other than
    gzip and shuffle, and sizes that differ from what the file holds or are above what a file of its size may take.

    Args:
        source: the file, or its bytes.
        what: the file, as errors have it.
        size: bytes of the file on disk, which decide how much may be read.

    Attributes:
        names: the paths of all datasets, such as "layers/dense/vars/0".

    Raises:
        ModelFormatError: not an HDF5 file, or one of the above.
    """

    def __init__(self, source: Path | bytes | bytearray, what: str, size: int) -> None:
        self._what = what
        self._budget = Budget(bound(size), what)
        opened = source.open("rb") if isinstance(source, Path) else source
        self._opened = None if isinstance(opened, bytes | bytearray) else opened
        self._file = Bytes(opened)
        self._objects = Objects(self._file)
        self._groups: dict[str, tuple[Message, ...]] = {}
        self._datasets: dict[str, tuple[Message, ...]] = {}
        try:
            with self._readable(""):
                self._walk()
        except BaseException:
            self.close()
            raise
        self.names = tuple(self._datasets)

    def __enter__(self) -> Hdf5:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()

    @contextmanager
    def _readable(self, place: str) -> Iterator[None]:
        """Turn what is wrong with a file into the package's error."""
        try:
            yield
        except Damaged as damaged:
            raise ModelFormatError(f"{self._what}: {place}{damaged}") from damaged
        except (OSError, ValueError, struct.error, zlib.error, OverflowError, MemoryError) as error:
            if isinstance(error, ModelFormatError):
                raise
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelFormatError(f"{self._what}: {place}damaged: {text}") from error

    def _walk(self) -> None:
        """Find all groups and datasets: each group is reached once, by hard links alone."""
        pending = [("", self._file.root(), 0)]
        while pending:
            path, address, depth = pending.pop()
            messages = self._objects.header(address)
            if len(path) > LONGEST_NAME or depth > DEEPEST:
                raise Damaged(f"a path of {len(path)} characters and {depth} levels")
            if len(self._datasets) + len(self._groups) >= MEMBERS:
                raise Damaged(f"more than {MEMBERS} groups and datasets")
            if path and any(m.kind == LAYOUT for m in messages):
                self._datasets[path] = messages
                continue
            self._objects.block(address)
            if path in self._groups or path in self._datasets:
                raise Damaged("two members of one name")
            self._groups[path] = messages
            below = [(f"{path}/{name}" if path else name, where) for name, where in self._objects.members(messages)]
            pending += [(name, where, depth + 1) for name, where in reversed(below)]

    # -- attributes -----------------------------------------------------------------------------------------------

    def text(self, name: str, limit: int, of: str = "") -> str | None:
        """Return an attribute that is one text, or None where there is none.

        Args:
            name: of the attribute.
            limit: its most bytes.
            of: the group or dataset that has it.

        Raises:
            ModelFormatError: anything but one text, or one of more than ``limit`` bytes.
        """
        with self._readable(f"attribute '{name}': "):
            found = self._objects.attribute(self._groups.get(of) or self._datasets.get(of) or (), name)
        if found is not None and len(found.encode()) > limit:
            raise ModelFormatError(f"{self._what}: attribute '{name}': longer than {limit} bytes")
        return found

    # -- datasets -------------------------------------------------------------------------------------------------

    def kind(self, name: str) -> str:
        """Return the type of a dataset's elements: "<f4", "bfloat16", ..., "" for what is not read."""
        with self._readable(f"dataset '{name}': "):
            found = element(self._part(name, TYPE)) or ""
        if found == "opaque2":  # the type that Keras says beside it
            return "bfloat16" if self.text("dtype", 64, name) == "bfloat16" else ""
        return found

    def _part(self, name: str, kind: int) -> bytes:
        """Return the one message of a kind in a dataset's header."""
        found = [m for m in self._datasets[name] if m.kind == kind]
        if len(found) != 1 or found[0].flags & 2:
            raise Damaged("without its type or shape, or one that lies elsewhere")
        return found[0].data

    def array(self, name: str) -> Array:
        """Return the numbers of a dataset, half precision as float32.

        Raises:
            ModelFormatError: what the class refuses.
        """
        kind = self.kind(name)
        with self._readable(f"dataset '{name}': "):
            if not kind:
                raise Damaged("only plain numbers are read")
            sizes = shape(self._part(name, SPACE))
            if sizes is None:
                raise Damaged("it is empty")
            if any(m.kind == EXTERNAL for m in self._datasets[name]):
                raise Damaged("it is stored in another file, which is never read")
            dtype = np.dtype("<u2" if kind == "bfloat16" else kind)
            size = size_of(sizes, dtype.itemsize, f"{self._what}: dataset '{name}'")
            array = self._numbers(name, dtype, sizes, size)
        if kind == "bfloat16":  # the upper half of a float32
            return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return array.astype(np.float32) if array.dtype.str[1:] == "f2" else array.astype(dtype.newbyteorder("="))

    def _numbers(self, name: str, dtype: np.dtype[Any], sizes: tuple[int, ...], size: int) -> Array:
        layout = self._part(name, LAYOUT)
        version, where = layout[:1], layout[1] if len(layout) > 1 else -1
        if version != b"\3" or where not in (COMPACT, CONTIGUOUS, CHUNKED):
            raise Damaged("it is virtual, which is stored in another file, or laid out in a newer way")
        if where == CHUNKED:
            return self._chunked(name, dtype, sizes, size, layout)
        if where == COMPACT:
            data = layout[4:]
            (stored,) = struct.unpack_from("<H", layout, 2)
        else:
            address, stored = struct.unpack_from("<QQ", layout, 2)
        if stored != size or (where == CONTIGUOUS and address == NOWHERE and size):
            raise Damaged(f"{size} bytes by its shape, and not as many in the file")
        self._budget.take(size, f"dataset '{name}'")
        if where == CONTIGUOUS:
            data = self._file.at(address, size) if size else b""
        return np.frombuffer(data[:size], dtype).reshape(sizes)

    def _chunked(self, name: str, dtype: np.dtype[Any], sizes: tuple[int, ...], size: int, layout: bytes) -> Array:
        """Return a dataset that is stored in parts, which may be compressed."""
        rank = layout[2] - 1
        if rank != len(sizes) or rank < 1:
            raise Damaged("parts with other axes than it has itself")
        address, *chunk = struct.unpack_from(f"<Q{rank + 1}I", layout, 3)
        if chunk.pop() != dtype.itemsize or 0 in chunk:
            raise Damaged("parts of other numbers than it has itself")
        filters = self._filters(name)
        starts = set(itertools.product(*self._steps(sizes, chunk)))
        part = size_of(chunk, dtype.itemsize, f"{self._what}: a part of dataset '{name}'")
        self._budget.take(size + part * len(starts), f"dataset '{name}'")
        array = np.zeros(sizes, dtype)
        for where, stored, mask, start in self._objects.chunks(address, rank):
            if start not in starts or mask or part > max(RATIO * stored, SMALL):
                raise Damaged(f"a part of {stored} bytes that claims {part}, or lies elsewhere")
            starts.remove(start)
            values = _unpacked(self._file.at(where, stored), filters, part, dtype).reshape(chunk)
            box = tuple(slice(s, min(s + c, n)) for s, c, n in zip(start, chunk, sizes, strict=True))
            array[box] = values[tuple(slice(0, b.stop - b.start) for b in box)]
        if starts:
            raise Damaged("it is not stored whole")
        return array

    def _steps(self, sizes: tuple[int, ...], chunk: Sequence[int]) -> list[range]:
        steps = [range(0, n, c) for n, c in zip(sizes, chunk, strict=True)]
        if math.prod(map(len, steps)) > MEMBERS:
            raise Damaged(f"it is stored in more than {MEMBERS} parts")
        return steps

    def _filters(self, name: str) -> list[int]:
        """Return the numbers of the filters that its parts went through, in their order."""
        found = [m.data for m in self._datasets[name] if m.kind == FILTERS]
        if not found:
            return []
        version, number = struct.unpack_from("<BB", found[0])
        if version != 1:
            raise Damaged("its filters are listed in a newer form")
        place, filters = 8, []
        for _ in range(number):
            kind, length, _, values = struct.unpack_from("<HHHH", found[0], place)
            filters.append(kind)
            place += 8 + -(-length // 8) * 8 + 4 * (values + values % 2)
        if filters not in ([DEFLATE], [SHUFFLE], [SHUFFLE, DEFLATE]):
            raise Damaged(f"it went through the filters {filters}; only gzip and shuffle are undone")
        return filters


def _unpacked(raw: bytes, filters: Sequence[int], size: int, dtype: np.dtype[Any]) -> Array:
    """Return the numbers of one part; no more is unpacked than they take."""
    if DEFLATE in filters:
        raw = zlib.decompressobj().decompress(raw, size + 1)
    if len(raw) != size:
        raise Damaged(f"a part of {len(raw)} bytes that claims {size}")
    if SHUFFLE in filters:  # the first bytes of all numbers, then the second ones
        raw = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1).T.tobytes()
    return np.frombuffer(raw, dtype)
