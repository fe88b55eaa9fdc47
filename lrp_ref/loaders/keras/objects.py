"""The parts of an HDF5 file as they lie in it: object headers, groups, types, attributes.

Read is the oldest form of the format, which is what HDF5 writes unless it is told otherwise, and so what Keras has. It
is read in Python: the C library never comes back from some damaged files. Numbers in the file are little-endian; what
an address says is checked against the file's size before anything is read there.

Source: HDF5 File Format Specification, version 2.0, sections II.A, III.A to III.E, IV.A.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOWHERE = 0xFFFFFFFFFFFFFFFF  # an address where nothing was stored
SPACE, TYPE, EXTERNAL, LAYOUT, FILTERS, ATTRIBUTE, CONTINUED, TABLE = 0x01, 0x03, 0x07, 0x08, 0x0B, 0x0C, 0x10, 0x11
LINKS, LINK = 0x02, 0x06  # of groups in a newer form, which are the only ones with external links
BLOCKS = 100_000  # headers, nodes and blocks of one walk
NEWER = "it is written in a newer form of HDF5; write it with libver='earliest'"


class Damaged(Exception):  # noqa: N818  it is turned into the package's error, with the file's name
    """What is wrong with the file."""


class Bytes:
    """A file, of which only parts that lie inside are read.

    Args:
        source: a file that is open for reading, or the bytes of one.
    """

    def __init__(self, source: BinaryIO | bytes | bytearray) -> None:
        self.source = source
        self.size = len(source) if isinstance(source, bytes | bytearray) else source.seek(0, 2)

    def at(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        if address == NOWHERE or address + size > self.size:
            raise Damaged("an address outside the file")
        if isinstance(self.source, bytes | bytearray):
            return bytes(memoryview(self.source)[address : address + size])
        self.source.seek(address)
        data = self.source.read(size)
        if len(data) != size:
            raise Damaged("the file is shorter than it was")
        return data

    def numbers(self, form: str, address: int) -> tuple[int, ...]:
        """Return integers as ``struct`` reads them."""
        form = f"<{form}"
        return struct.unpack(form, self.at(address, struct.calcsize(form)))

    def root(self) -> int:
        """Return the address of the root group's header."""
        start = self.at(0, min(self.size, 64))
        if not start.startswith(SIGNATURE):
            raise Damaged("not an HDF5 file")
        if start[8:9] not in (b"\0", b"\1"):
            raise Damaged(NEWER)
        offsets, lengths = self.numbers("BB", 13)
        more = 4 * start[8]
        base, _, end, _ = self.numbers("QQQQ", 24 + more)
        if (offsets, lengths, base) != (8, 8, 0) or end > self.size:
            raise Damaged("the file is cut off, or its numbers have other sizes than 8 bytes")
        (address,) = self.numbers("Q", 64 + more)
        return address


def unpack(form: str, data: bytes, offset: int = 0) -> tuple[int, ...]:
    """Return integers out of a part of the file that was read."""
    form = f"<{form}"
    if offset + struct.calcsize(form) > len(data):
        raise Damaged("a part that is too short for what it should hold")
    return struct.unpack_from(form, data, offset)


@dataclass(frozen=True)
class Message:
    """One entry of an object header."""

    kind: int
    flags: int
    data: bytes


@dataclass
class Objects:
    """The objects of one file; counts what it reads, so that no loop in the file is one here."""

    file: Bytes
    blocks: int = 0
    seen: set[int] = field(default_factory=set)

    def block(self, address: int) -> None:
        """Count a block that must not be met twice."""
        self.blocks += 1
        if address in self.seen:
            raise Damaged("a part of it is there twice")
        if self.blocks > BLOCKS:
            raise Damaged(f"more than {BLOCKS} parts")
        self.seen.add(address)

    def header(self, address: int) -> tuple[Message, ...]:
        """Return the messages of an object."""
        version, _, number, _, size = self.file.numbers("BBHII", address)
        if version != 1:
            raise Damaged(NEWER)
        found: list[Message] = []
        pending = [(address + 16, size)]
        met = set()
        while pending:
            start, size = pending.pop(0)
            if start in met:
                raise Damaged("an object that goes on in itself")
            met.add(start)
            for message in self._messages(start, size):
                if message.kind == CONTINUED:
                    where, length = unpack("QQ", message.data)
                    pending.append((where, length))
                found.append(message)
                if len(found) > number:
                    raise Damaged("an object with more entries than it declares")
        return tuple(found)

    def _messages(self, start: int, size: int) -> Iterator[Message]:
        data, place = self.file.at(start, size), 0
        while place + 8 <= size:
            kind, length, flags = unpack("HHB", data, place)
            if place + 8 + length > size:
                raise Damaged("an entry that is longer than its object")
            yield Message(kind, flags, data[place + 8 : place + 8 + length])
            place += 8 + length

    # -- groups ---------------------------------------------------------------------------------------------------

    def members(self, messages: tuple[Message, ...]) -> Iterator[tuple[str, int]]:
        """Yield the names and addresses in a group."""
        tables = [m for m in messages if m.kind == TABLE]
        if len(tables) != 1:
            raise Damaged("a group in a newer form; only hard links of the oldest form are followed")
        tree, heap = unpack("QQ", tables[0].data)
        if self.file.at(heap, 4) != b"HEAP":
            raise Damaged("a group without its names")
        length, _, names = self.file.numbers("QQQ", heap + 8)
        text = self.file.at(names, length)
        for node in self._leaves(tree, 0, 1):
            self.block(node[0])
            if self.file.at(node[0], 4) != b"SNOD":
                raise Damaged("a group without its entries")
            (number,) = self.file.numbers("H", node[0] + 6)
            entries = self.file.at(node[0] + 8, 40 * number)
            for k in range(number):
                offset, address, cached = unpack("QQI", entries, 40 * k)
                name = text[offset : text.find(b"\0", offset)]
                if cached == 2:
                    raise Damaged(f"{name!r} is a soft link; only hard links are followed")
                yield name.decode(), address

    def _leaves(self, address: int, kind: int, key: int) -> Iterator[tuple[int, bytes]]:
        """Yield the addresses at the end of a tree of a kind, with the keys before them of ``key`` times 8 bytes."""
        pending: list[tuple[int, int | None]] = [(address, None)]
        while pending:
            address, wanted = pending.pop()
            self.block(address)
            mark, its, level, number = struct.unpack("<4sBBH", self.file.at(address, 8))
            if mark != b"TREE" or its != kind or (wanted is not None and level != wanted):
                raise Damaged("a tree that is none")
            step = 8 * key + 8
            entries = self.file.at(address + 24, step * number)
            below = []
            for k in range(number):
                (child,) = unpack("Q", entries, step * k + 8 * key)
                if level:
                    below.append((child, level - 1))
                else:
                    yield child, entries[step * k : step * k + 8 * key]
            pending += reversed(below)

    def chunks(self, address: int, axes: int) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
        """Yield the address, bytes, skipped filters and first position of each part of a dataset."""
        for child, key in self._leaves(address, 1, axes + 2):
            size, mask, *start = unpack(f"II{axes + 1}Q", key)
            yield child, size, mask, tuple(start[:axes])

    # -- texts ----------------------------------------------------------------------------------------------------

    def attribute(self, messages: tuple[Message, ...], name: str) -> str | None:
        """Return an attribute that is one text; None where there is none."""
        for message in messages:
            if message.kind == ATTRIBUTE and (found := self._attribute(message.data, name)) is not None:
                return found
        return None

    def _attribute(self, data: bytes, wanted: str) -> str | None:
        version, flags, name, kind, space = unpack("BBHHH", data)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise Damaged("an attribute in a newer form")
        padded = [-(-n // 8) * 8 if version == 1 else n for n in (name, kind, space)]
        start = 9 if version == 3 else 8
        places = [start, start + padded[0], start + padded[0] + padded[1], start + sum(padded)]
        if data[start : start + name].rstrip(b"\0") != wanted.encode():
            return None
        if shape(data[places[2] : places[3]]) != ():
            raise Damaged("not one text")
        its, size = data[places[1]] & 15 if places[1] < len(data) else 0, unpack("I", data, places[1] + 4)[0]
        value = data[places[3] :]
        if its == 3 and len(value) >= size:
            return value[:size].split(b"\0")[0].decode()
        if its == 9 and data[places[1] + 1] & 15 == 1:
            return self._heaped(*unpack("IQI", value)).decode()
        raise Damaged("not one text")

    def _heaped(self, length: int, address: int, index: int) -> bytes:
        """Return a text out of the heap for texts of any length."""
        if self.file.at(address, 4) != b"GCOL":
            raise Damaged("a text that is not where it should be")
        (whole,) = self.file.numbers("Q", address + 8)
        end, place = address + whole, address + 16
        for _ in range(1 << 16):
            if place + 16 > end:
                break
            number, _, _, size = self.file.numbers("HHIQ", place)
            if number == index:
                return self.file.at(place + 16, min(length, size))
            if number == 0:
                break
            place += 16 + -(-size // 8) * 8
        raise Damaged("a text that is not where it should be")


def shape(data: bytes) -> tuple[int, ...] | None:
    """Return the sizes that a dataspace declares; None for one that holds nothing."""
    version, rank, _, kind = unpack("BBBB", data)
    if version not in (1, 2) or rank > 32:
        raise Damaged("a shape in a newer form")
    if version == 2 and kind == 2:
        return None
    return unpack(f"{rank}Q", data, 8 if version == 1 else 4)


FLOATS: dict[tuple[int, tuple[int, ...]], str] = {
    (2, (0, 16, 10, 5, 0, 10, 15)): "f2",
    (4, (0, 32, 23, 8, 0, 23, 127)): "f4",
    (8, (0, 64, 52, 11, 0, 52, 1023)): "f8",
    (2, (0, 16, 7, 8, 0, 7, 127)): "bfloat16",
}


def element(data: bytes) -> str | None:
    """Return the type of plain numbers as NumPy writes it, "bfloat16", or "opaque2" for two bytes without a meaning."""
    head, low, high, _, size = unpack("BBBBI", data)
    kind, order = head & 15, ">" if low & 1 else "<"
    if kind == 5 and size == 2:
        return "opaque2"
    if kind == 0 and size in (1, 2, 4, 8) and unpack("HH", data, 8) == (0, 8 * size):
        return f"{order}{'i' if low & 8 else 'u'}{size}"
    if kind == 1 and not low & 64 and high == 8 * size - 1:
        found = FLOATS.get((size, unpack("HHBBBBI", data, 8)))
        return found if found in (None, "bfloat16") else f"{order}{found}"
    return None
