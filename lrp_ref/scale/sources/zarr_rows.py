"""A zarr array of any size, format 2 or 3, of which some samples at a time are read; what it says is checked first."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError, require
from ...loaders.limits import json_value, size_of
from ...loaders.npy import KINDS
from .blosc_headers import store_of
from .fingerprints import Entry
from .given import Host, changed
from .regular import fill, kind_of, regular, require_file, unreadable

METADATA = ("zarr.json", ".zarray", ".zgroup")
BESIDE = (*METADATA, ".zattrs", ".zmetadata")
LONGEST = 10_000_000  # bytes of metadata
LARGEST = 1 << 31  # bytes of a chunk, which is read as a whole
# Codecs that compute with numbers and bytes. Others may run what a file says: one of them is Python's pickle.
CODECS = frozenset((
    "adler32", "astype", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "endian", "fixedscaleoffset",
    "fletcher32", "gzip", "lz4", "lzma", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose", "zlib",
    "zstd",
))  # fmt: skip
# What zarr and its codecs raise for chunks that are damaged.
DAMAGED = (ValueError, TypeError, KeyError, RuntimeError, OSError, EOFError, MemoryError, SystemError, zlib.error,
           lzma.LZMAError)  # fmt: skip
Said = tuple[tuple[int, ...], np.dtype[Any], str]  # shape, type, and the codec that the bytes of a chunk come from


@dataclass(frozen=True)
class ZarrRows:
    """A zarr array as it was when it was looked at.

    Attributes:
        path: of its folder.
        shape: of the array.
        dtype: of its numbers.
        version: of the format, 2 or 3.
        blosc: whether its chunks are of Blosc.
        said: hash of what its metadata say.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    version: int
    blosc: bool
    said: str

    @staticmethod
    def of(path: str | Path, where: str = "") -> ZarrRows:
        """Return an array, after looking at its metadata.

        Args:
            path: of its folder.
            where: as errors have it; "" for the path.

        Raises:
            ModelFormatError: there is none, or one of other things than numbers, of codecs that are not allowed, or of
                chunks that are too large.
        """
        where = where or str(path)
        name, content = metadata(path, where)
        version = 3 if name == METADATA[0] else 2
        try:
            shape, dtype, outermost = (_format_3 if version == 3 else _format_2)(content, where)
        except LrpError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            what = f"{type(error).__name__} {error}"
            raise ModelFormatError(f"{where}: the metadata of the zarr array are damaged: {what}") from error
        blosc = outermost.removeprefix("numcodecs.") == "blosc"
        rows = ZarrRows(str(path), shape, dtype.str, version, blosc, _hash(content))
        try:
            _opened(rows)
        except LrpError:
            raise
        except DAMAGED as error:
            raise ModelFormatError(f"{where}: zarr does not open the array: {_told(error, rows)}") from error
        return rows

    @property
    def name(self) -> str:
        """The name of the folder, without those that it is in."""
        return Path(self.path).name

    def require_unchanged(self) -> None:
        """Raise unless the array's metadata say what they said.

        Raises:
            ModelFormatError: they do not, or cannot be read any more.
        """
        if ZarrRows.of(self.path, self.name) != self:
            raise changed(self.name, "the zarr array has changed")

    def read(self, start: int, stop: int, where: str = "") -> Host:
        """Return some samples; of a chunk that is not there, the fill value.

        Raises:
            ModelFormatError: a chunk is damaged or cannot be read.
        """
        try:
            return np.asarray(_opened(self)[start:stop])
        except DAMAGED as error:
            what = _told(error, self)
            raise ModelFormatError(f"{where or self.name}: a chunk of it cannot be read: {what}") from error

    def files(self) -> list[Entry]:
        """Return the files of the chunks: their names in the array's folder, where they are, and their sizes.

        Raises:
            ModelFormatError: a chunk is a pipe or a device, or cannot be looked at.
        """
        return sorted(_chunks(self.path, "", self.name))


def _told(error: BaseException, rows: ZarrRows) -> str:
    """Return what another library says, without the folders of this machine."""
    return " ".join(str(error).replace(rows.path, rows.name).split()) or type(error).__name__


@lru_cache(maxsize=16)
def _opened(rows: ZarrRows) -> Any:
    """Return the array, opened by itself: what a group says of it beside is not looked at."""
    zarr = require("zarr", extra="scale", purpose="read zarr arrays")
    return zarr.open_array(store_of(rows.path, rows.blosc, BESIDE), mode="r", zarr_format=rows.version)


def metadata(path: str | Path, where: str) -> tuple[str, dict[str, Any]]:
    """Return the file with the metadata of a zarr array or group, and what it says.

    Raises:
        ModelFormatError: no such file, or no JSON.
    """
    for name in METADATA:
        file = Path(path) / name
        if not os.path.lexists(file):
            continue
        with regular(file, f"{where}/{name}") as (stream, size):
            text = bytearray(min(size, LONGEST + 1))
            fill(stream, 0, memoryview(text), f"{where}/{name}")
        content = json_value(text, f"{where}/{name}", longest=LONGEST)
        if not isinstance(content, dict):
            raise ModelFormatError(f"{where}/{name}: its metadata are no JSON object")
        return name, content
    raise ModelFormatError(f"{where}: no zarr array: it has neither {', '.join(METADATA[:-1])} nor {METADATA[-1]}")


def is_group(name: str, content: Mapping[str, Any]) -> bool:
    """Return whether metadata in a file of this name are of a group."""
    return name == ".zgroup" or content.get("node_type") == "group"


def _format_2(content: Mapping[str, Any], where: str) -> Said:
    given = content["dtype"]
    dtype = _number(given if isinstance(given, str) else "O", where)
    for codec in (content["compressor"], *(content["filters"] or ())):
        if codec is not None:
            _require_codec(codec["id"], where)
    shape = _checked(content["shape"], content["chunks"], dtype, where)
    return shape, dtype, content["compressor"]["id"] if content["compressor"] else ""


def _format_3(content: Mapping[str, Any], where: str) -> Said:
    given = content["data_type"]
    dtype = _number(given if isinstance(given, str) and given != "string" else "O", where)
    chunk, codecs = content["chunk_grid"]["configuration"]["chunk_shape"], list(content["codecs"])
    outermost = codecs[-1]["name"]
    while codecs:
        codec = codecs.pop()
        _require_codec(codec["name"], where)
        if codec["name"] == "sharding_indexed":
            chunk = codec["configuration"]["chunk_shape"]
            codecs += [*codec["configuration"]["codecs"], *codec["configuration"]["index_codecs"]]
    return _checked(content["shape"], chunk, dtype, where), dtype, outermost


def _number(given: str, where: str) -> np.dtype[Any]:
    dtype = np.dtype(given)
    if dtype.kind not in KINDS:
        held = "objects or texts" if dtype.kind == "O" else dtype
        raise ModelFormatError(f"{where}: the zarr array holds {held}, no real numbers")
    return dtype


def _require_codec(name: str, where: str) -> None:
    if name.removeprefix("numcodecs.") not in CODECS:
        raise ModelFormatError(
            f"{where}: its chunks are coded by '{name}', which is not read here: write them with zstd, blosc or gzip"
        )


def _checked(shape: Any, chunk: Any, dtype: np.dtype[Any], where: str) -> tuple[int, ...]:
    size_of(shape, dtype.itemsize, where)
    taken = size_of(chunk, dtype.itemsize, f"{where}: a chunk")
    if len(shape) != len(chunk) or 0 in chunk:
        raise ModelFormatError(f"{where}: chunks of {tuple(chunk)} do not fit an array of {tuple(shape)}")
    if taken > LARGEST:
        raise ModelFormatError(
            f"{where}: a chunk of {tuple(chunk)} takes {taken} bytes, and is read as a whole; {LARGEST} are allowed: "
            "write the array in smaller chunks, such as one of a few samples each"
        )
    return tuple(shape)


def _hash(content: Mapping[str, Any]) -> str:
    """Return a hash of what metadata say of the numbers; names and notes that somebody adds do not count."""
    told = {key: value for key, value in content.items() if key not in ("attributes", "dimension_names")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _chunks(folder: str, inside: str, whose: str, around: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Entry]:
    """Go through the files of the chunks; a link to a folder is followed unless it leads to one that it is in."""
    try:
        status = Path(folder).stat()
        here = (status.st_dev, status.st_ino)
        if here in around:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{inside}{entry.name}"
                if entry.is_dir():
                    yield from _chunks(entry.path, f"{name}/", whose, around | {here})
                elif not entry.name.startswith(".") and entry.name not in BESIDE:
                    require_file(kind_of(entry.path, f"{whose}, chunk {name}"), f"{whose}, chunk {name}")
                    yield name, entry.path, entry.stat().st_size
    except OSError as error:
        raise unreadable(f"{whose}, {inside or 'its folder'}", error) from error
