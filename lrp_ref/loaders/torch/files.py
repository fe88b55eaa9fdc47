"""Both containers that ``torch.save`` has written: a zip file since 1.6, one program after another before that."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import ModelFormatError, UnsupportedError
from ..archive import Archive
from ..described.tensors import PLAIN, Stored, Tensors, shown
from .description import SAVE, Storage, View, load
from .paths import tensors

Floats = np.ndarray[Any, Any]

DESCRIPTION = 64 << 20  # bytes of the program that describes the tensors
ZIP = b"PK\x03\x04"
# What a file without a zip begins with: a program that makes the number 0x1950A86A20F9469CFC6C.
OLDER = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
VERSION = 1001


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a file by name; see :func:`lrp_ref.loaders.torch.read`."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(OLDER))
            if start.startswith(ZIP):
                return _zip(path, size)
            if start != OLDER:
                raise ModelFormatError(f"{path}: not a file of torch.save; {SAVE}")
            return _sequence(path, file, size)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error


def _zip(path: Path, size: int) -> Tensors:
    """Read NAME/data.pkl, the description, and NAME/data/KEY, the numbers of each storage as they are in memory."""
    with Archive(path) as archive:
        found = [name for name in archive.sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(found) != 1:
            raise ModelFormatError(f"{path}: a zip file with {len(found)} entries NAME/data.pkl, so none of PyTorch")
        folder = found[0].partition("/")[0]
        if f"{folder}/constants.pkl" in archive.sizes:
            raise UnsupportedError(f"{path}: a TorchScript program, not weights alone; {SAVE}")
        made = load(io.BytesIO(archive.read(found[0], DESCRIPTION)), str(path), size)
        views = tensors(made, str(path))
        storages = _storages(views, path)
        for key, storage in storages.items():
            _check_size(path, storage, archive.sizes.get(f"{folder}/data/{key}", -1))
        content = {key: archive.read(f"{folder}/data/{key}") for key in storages}
        return _tensors(path, views, size, content, _order(archive, f"{folder}/byteorder"))


def _order(archive: Archive, name: str) -> str:
    """Return how numbers are written, "<" or ">"."""
    order = bytes(archive.read(name, 16)) if name in archive.sizes else b"little"
    if order not in (b"little", b"big"):
        raise ModelFormatError(f"{archive.path}: its byteorder is neither little nor big")
    return "<" if order == b"little" else ">"


def _sequence(path: Path, file: IO[bytes], size: int) -> Tensors:
    """Read version, system, description and keys, then of each key the number of its elements and the elements."""
    what, programs = str(path), io.BytesIO(file.read(DESCRIPTION))
    version, system = load(programs, what, size), load(programs, what, size)
    if version != VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:
        again = f'with PyTorch: torch.save(torch.load("{path.name}", weights_only=True), "{path.name}")'
        raise UnsupportedError(f"{path}: an old form of torch.save that is not read; {again}")
    views = tensors(load(programs, what, size), what)
    keys = load(programs, what, size)
    storages = _storages(views, path)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ModelFormatError(f"{path}: its list of storages is not that of its tensors")
    file.seek(len(OLDER) + programs.tell())
    content = {}
    for key in keys:
        declared, storage = int.from_bytes(file.read(8), "little"), storages[key]
        needed = storage.elements * PLAIN[storage.kind]
        if declared != storage.elements or file.tell() + needed > size:
            _check_size(path, storage, -1 if declared == storage.elements else declared * PLAIN[storage.kind])
        content[key] = bytearray(file.read(needed))
        _check_size(path, storage, len(content[key]))
    return _tensors(path, views, size, content, "<")


def _storages(views: Mapping[str, View], path: Path) -> dict[str, Storage]:
    """Return the storages of all tensors by key; each key has one type and one size."""
    found: dict[str, Storage] = {}
    for view in views.values():
        if found.setdefault(view.storage.key, view.storage) != view.storage:
            raise ModelFormatError(f"{path}: the storage {shown(view.storage.key)} has two types or sizes")
    return found


def _check_size(path: Path, storage: Storage, size: int) -> None:
    needed = storage.elements * PLAIN[storage.kind]
    if size != needed:
        there = "is missing or cut off" if size < 0 else f"has {size} bytes"
        raise ModelFormatError(
            f"{path}: storage {shown(storage.key)} {there}; {storage.elements} of {storage.kind} have {needed}"
        )


def _tensors(path: Path, views: Mapping[str, View], size: int, content: Mapping[str, bytearray], order: str) -> Tensors:
    def reader(view: View) -> Callable[[], Floats]:
        return lambda: _array(view, content[view.storage.key], order)

    stored = {name: Stored(view.storage.kind, view.shape, reader(view)) for name, view in views.items()}
    return Tensors(str(path), stored, size)


def _array(view: View, content: bytearray, order: str) -> Floats:
    """Return the places of a storage that a tensor is, as an array of its own."""
    kind = "uint16" if view.storage.kind == "bfloat16" else view.storage.kind
    dtype = np.dtype(kind).newbyteorder(order)  # type: ignore[arg-type]  # one of "<" and ">"
    if 0 in view.shape:
        return np.empty(view.shape, kind)
    strides = tuple(stride * dtype.itemsize for stride in view.strides)
    return np.ndarray(view.shape, dtype, memoryview(content), view.offset * dtype.itemsize, strides).astype(kind, "C")
