"""NumPy's file of one array, from anywhere: numbers only, and as many as its header says."""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelFormatError
from .limits import size_of

RANK = 32
HEADER = 10_000  # characters
LONGEST = HEADER + 64  # bytes of a header with what stands before it
KINDS = "fiub"
# What NumPy's reader of headers raises; it falls back on Python's tokenizer.
DAMAGED = (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError, OverflowError, EOFError)


def npy(data: bytes | bytearray, what: str, *, kinds: str = "") -> np.ndarray[Any, Any]:
    """Return the array in the bytes of an .npy file, without a copy of its numbers.

    Args:
        data: the whole file.
        what: the file, as errors have it.
        kinds: of NumPy's types that are read: "" for numbers, "U" for texts.

    Raises:
        ModelFormatError: another format, objects, text or records instead of numbers, more than 32 axes, or another
            number of bytes than the header says.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.array([[1.5, -2.0]]))
        >>> npy(file.getvalue(), "array.npy")
        array([[ 1.5, -2. ]])
    """
    shape, column_major, dtype, start = header(data, len(data), what, kinds=kinds)
    there = len(data) - start
    numbers = np.frombuffer(memoryview(data)[start:], dtype=dtype) if there else np.empty(0, dtype)
    array = numbers.reshape(shape[::-1]).T if column_major else numbers.reshape(shape)
    return array if array.flags.aligned else array.copy(order="A")


class Header(NamedTuple):
    """What an .npy file says of its array.

    Attributes:
        shape: of the array.
        column_major: whether its first axis is the one that runs fastest.
        dtype: of its numbers.
        start: where in the file they begin, in bytes.
    """

    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[Any]
    start: int


def header(data: bytes | bytearray, size: int, what: str, *, kinds: str = "") -> Header:
    """Return what an .npy file says of its array, checked against the file's size; nothing of that size is allocated.

    Args:
        data: the beginning of the file, LONGEST bytes if it has so many.
        size: bytes of the whole file.
        what, kinds: as of :func:`npy`.

    Raises:
        ModelFormatError: as of :func:`npy`.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.zeros((3, 2), dtype="float32"))
        >>> header(file.getvalue(), len(file.getvalue()), "array.npy")
        Header(shape=(3, 2), column_major=False, dtype=dtype('float32'), start=128)
    """
    found = _header(data, what)
    shape, _, dtype, start = found
    if dtype.hasobject:
        raise ModelFormatError(f"{what} is no array: it holds pickled objects, which are never read")
    if dtype.kind not in (kinds or KINDS) or not dtype.itemsize:
        raise ModelFormatError(f"{what} holds {dtype}, no {'texts' if kinds == 'U' else 'numbers'}")
    if len(shape) > RANK:
        raise ModelFormatError(f"{what} has {len(shape)} axes; {RANK} are allowed")
    there = size - start
    if size_of(shape, dtype.itemsize, what) != there:
        raise ModelFormatError(f"{what} is no array: shape {shape} of {dtype} does not fit its {there} bytes")
    return found


def _header(data: bytes | bytearray, what: str) -> Header:
    """Return what a file says of its array, as it stands there."""
    stream = io.BytesIO(bytes(data[: HEADER + 64]))
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        if version > (3, 0):
            raise ValueError(f"version {version}")
        shape, column_major, dtype = read(stream, max_header_size=HEADER)
    except DAMAGED as error:
        raise ModelFormatError(f"{what} is no array: {error or type(error).__name__}") from error
    return Header(shape, column_major, dtype, stream.tell())
