"""The text format: a line that names the module and its sizes, a line of weights, a line of biases.

An older form has each row of a Linear's weights in a line of its own. No size in the file is believed: what is read is
what stands in its lines, and is compared with the sizes afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import ModelFormatError, UnsupportedError
from .modules import FORMS, Module, Numbers

LONGEST = 24  # characters of a number that an error shows


def read_text(path: Path) -> list[Module]:
    """Return the modules of a text file.

    Raises:
        ModelFormatError: not such a file, or damaged; the message names the line.
        UnsupportedError: a module that the format does not have.
    """
    try:
        with path.open("rb") as stream:
            lines = _Lines(path, stream)
            return list(_modules(lines))
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error


class _Lines:
    """The lines of a file, counted; at most one of them is in memory at a time."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self.stream, self.number = path, stream, 0

    def __next__(self) -> bytes:
        line = self.stream.readline()
        if not line:
            raise StopIteration
        self.number += 1
        return line.strip()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def damaged(self, reason: str) -> ModelFormatError:
        return ModelFormatError(f"{self.path}: line {self.number}: {reason}")


def _modules(lines: _Lines) -> Iterator[Module]:
    for line in lines:
        if not line:
            _refuse_more(lines)
            return
        kind, *numbers = line.split(None, 7)
        name = kind.decode("ascii", "replace")[:LONGEST]
        if name not in FORMS:
            known = ", ".join(FORMS)
            if lines.number == 1:
                raise lines.damaged(f"{name!r} is no module: not a network of the LRP toolbox ({known})")
            raise UnsupportedError(f"{lines.path}: line {lines.number}: {name!r} is not read; known: {known}")
        sizes, strides, weighted = FORMS[name]
        found = _whole(lines, name, numbers, sizes + strides)
        place = f"line {lines.number}"
        weight, bias = _weights(lines, name, found[:sizes]) if weighted else (None, None)
        yield Module(name, place, found[:sizes], found[sizes:], weight, bias)


def _refuse_more(lines: _Lines) -> None:
    """Refuse text behind an empty line, where the toolbox stops reading."""
    for line in lines:
        if line:
            raise lines.damaged("text behind an empty line, which ends the network")


def _whole(lines: _Lines, name: str, words: list[bytes], count: int) -> tuple[int, ...]:
    """Return the numbers behind a module's name."""
    if len(words) != count or not all(re.fullmatch(rb"[1-9]\d{0,8}", word) for word in words):
        wanted = f"{count} whole numbers from 1" if count else "nothing"
        raise lines.damaged(f"{name} is followed by {wanted}")
    return tuple(int(word) for word in words)


def _weights(lines: _Lines, name: str, sizes: tuple[int, ...]) -> tuple[Numbers, Numbers]:
    """Return a module's weights, from one line or (of a Linear) from a line for each row, and its biases."""
    outs = sizes[-1]
    first = _numbers(lines, "weights")
    if name == "Linear" and first.size == outs != prod(sizes):
        rows = _following(lines, first, sizes[0], outs)
        weight = np.fromiter(rows, dtype=np.float64)
    else:
        weight = first
    if weight.size != prod(sizes):
        shape = " ".join(map(str, sizes))
        rows_too = f", or {outs} in each of {sizes[0]} lines" if name == "Linear" else ""
        raise lines.damaged(f"{weight.size} weights; {name} {shape} has {prod(sizes)} in one line{rows_too}")
    bias = _numbers(lines, "biases")
    if bias.size != outs:
        raise lines.damaged(f"{bias.size} biases for {outs} outputs")
    return weight.reshape(sizes), bias


def _following(lines: _Lines, first: Numbers, rows: int, outs: int) -> Iterator[Any]:
    """Yield the numbers of all rows, of which the first has been read."""
    yield from first
    for _ in range(rows - 1):
        row = _numbers(lines, "weights")
        if row.size != outs:
            raise lines.damaged(f"{row.size} weights; the rows above have {outs}")
        yield from row


def _numbers(lines: _Lines, what: str) -> Numbers:
    """Return the numbers of the next line: as many as stand there."""
    line = next(lines, b"")
    if not line:
        raise lines.damaged(f"a line of {what} is missing behind it")
    try:
        found = np.fromiter((float(word[0]) for word in re.finditer(rb"[^\s]+", line)), dtype=np.float64)
    except ValueError:
        raise lines.damaged(f"{_odd(line)!r} among its {what} is no number") from None
    if b"_" in line or not np.isfinite(found).all():
        raise lines.damaged(f"{_odd(line)!r} among its {what} is no finite number")
    return found


def _odd(line: bytes) -> str:
    """Return the first word of a line that is no finite number."""
    for word in re.finditer(rb"[^\s]+", line):
        try:
            if b"_" not in word[0] and np.isfinite(float(word[0])):
                continue
        except ValueError:
            pass
        return word[0][:LONGEST].decode("ascii", "backslashreplace")
    return ""
