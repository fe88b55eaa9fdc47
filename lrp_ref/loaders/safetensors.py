"""Weights in a ``.safetensors`` file, onto a described architecture.

The file is eight bytes with the length of a JSON header, the header, and the bytes of all tensors without a gap. It is
read here and not with the package of that name, whose NumPy interface takes the last of two tensors of one name without
a word, and ends in an error of NumPy at bfloat16, the type in which most such files are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..network.network import Network
from . import described
from .described.tensors import MOST, PLAIN, Stored, Tensors, shown
from .limits import json_value, size_of

HEADER = 100_000_000  # bytes; the format's own limit
METADATA = "__metadata__"
KINDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
# Types that are skipped over, with the bytes of an element; only a tensor that is asked for needs a meaning.
OTHERS = {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}


def load(path: Path, *, output: str | Sequence[str] | None = None, architecture: Any = None) -> Network:
    """Read the weights of a file onto an architecture; see :func:`lrp_ref.loaders.described.load`."""
    return described.load(path, read(path), output=output, architecture=architecture)


def read(path: str | Path) -> Tensors:
    """Return the tensors of a file by name.

    Raises:
        ModelFormatError: not such a file or damaged; tensors that overlap, leave bytes between them, have a name in
            common, or do not have the bytes of their shape.

    Example:
        >>> import struct, tempfile
        >>> header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "w.safetensors").write_bytes(struct.pack("<Q54s2f", 54, header, 1.5, -2.0))
        ...     read(Path(folder) / "w.safetensors")["w"]
        array([ 1.5, -2. ], dtype=float32)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(HEADER, size - 8):
                raise ModelFormatError(f"{path}: not a safetensors file: its header would have {length} bytes")
            header = json_value(file.read(length), f"{path}: its header", longest=HEADER)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(header, dict):
        raise ModelFormatError(f"{path}: its header is no object")
    header.pop(METADATA, None)
    if len(header) > MOST:
        raise ModelFormatError(f"{path}: {len(header)} tensors; {MOST} are allowed")
    entries = {name: _entry(f"{path}: tensor {shown(name)}", value) for name, value in header.items()}
    _check_places(path, entries, size - 8 - length)
    stored = {
        name: Stored(KINDS.get(kind, kind), shape, _Part(path, KINDS.get(kind, ""), shape, 8 + length + start))
        for name, (kind, shape, start, _) in entries.items()
    }
    return Tensors(str(path), stored, size)


def _entry(what: str, value: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Return type, shape, and first and last place of a tensor's bytes."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ModelFormatError(f"{what} is not declared by dtype, shape and data_offsets")
    kind, shape, places = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in {**KINDS, **OTHERS}:
        raise ModelFormatError(f"{what} has elements of a type that is not known, {shown(kind)}")
    if not isinstance(shape, list) or not isinstance(places, list) or len(places) != 2:
        raise ModelFormatError(f"{what}: shape and data_offsets are lists, the second of two numbers")
    width = PLAIN[KINDS[kind]] if kind in KINDS else OTHERS[kind]
    declared = size_of(shape, width, what)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in places) or places[1] - places[0] != declared:
        raise ModelFormatError(f"{what}: its data_offsets are not the {declared} bytes of its shape apart")
    return kind, tuple(shape), places[0], places[1]


def _check_places(path: Path, entries: dict[str, tuple[str, tuple[int, ...], int, int]], size: int) -> None:
    """Refuse tensors that overlap, or bytes that belong to none."""
    end = 0
    for name, (_, _, start, stop) in sorted(entries.items(), key=lambda entry: entry[1][2:]):
        if start != end:
            what = "overlaps the tensor before it" if start < end else "leaves bytes before it that belong to no tensor"
            raise ModelFormatError(f"{path}: tensor {shown(name)} {what}")
        end = stop
    if end != size:
        raise ModelFormatError(f"{path}: the tensors have {end} bytes, and the file {size} for them")


class _Part:
    """Reads an array from a place of a file."""

    def __init__(self, path: Path, kind: str, shape: tuple[int, ...], start: int) -> None:
        self.path, self.shape, self.start = path, shape, start
        self.kind = "uint16" if kind == "bfloat16" else kind

    def __call__(self) -> np.ndarray[Any, Any]:
        dtype = np.dtype(self.kind).newbyteorder("<")
        size = math.prod(self.shape) * dtype.itemsize
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                data = file.read(size)
        except OSError as error:
            raise ModelFormatError(f"{self.path}: cannot be read: {error.strerror}") from error
        if len(data) != size:
            raise ModelFormatError(f"{self.path}: it became shorter while it was read")
        return np.ndarray(self.shape, dtype, data).astype(self.kind)
