"""A store of zarr arrays (format 3): one chunk a batch; a unit of work of several batches is one shard."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.files import PART, replace_file
from ...errors import ModelFormatError, require
from .layout import DONE, FAILED, TO_DO, Layout
from .stated import LARGEST, Attributes, Stated, read_json
from .store import DAMAGED, ERRORS, Store

DONE_ARRAY = "done"
METADATA = "zarr.json"
PARTIAL = ".partial"  # how zarr's temporary files end
# All files of an array lie in one folder, as c.17.0.0: it is listed at once, where a tree had to be searched.
KEYS = {"name": "default", "separator": "."}
CODECS = {"bytes", "zstd", "sharding_indexed", "crc32c"}  # what is written here; others might run anything
_FLAG = re.compile(r"c\.(0|[1-9]\d{0,8})")


class ZarrStore(Store):
    """A folder NAME.zarr."""

    suffix: ClassVar[str] = ".zarr"

    def _read(self) -> None:
        head = read_json(self.path / METADATA, self.path)
        stated = Stated.of(self.path, head.get("attributes"))
        self.attributes = Attributes(head["attributes"])
        for name in (*stated.names, DONE_ARRAY):
            self._require_plain(name)
        group = _zarr().open_group(self.path, mode="r+" if self.writable else "r", zarr_format=3)
        arrays = {name: group[name] for name in stated.names}
        done = group[DONE_ARRAY]
        specs = [(name, a.shape, str(a.dtype), float(a.fill_value)) for name, a in arrays.items()]
        if done.dtype != np.uint8 or done.chunks != (1,):
            raise ModelFormatError(f"{self.path}: damaged: '{DONE_ARRAY}' is {done.dtype} {done.chunks}")
        self.layout = stated.layout(specs, done.shape)
        for name, array in arrays.items():
            rows = array.chunks[:1], (array.shards or array.chunks)[:1]
            rest = array.chunks[1:], (array.shards or array.chunks)[1:]
            if rows != tuple((n,) for n in self.layout.cut) or rest != (array.shape[1:],) * 2:
                raise ModelFormatError(
                    f"{self.path}: damaged: '{name}' is cut into {array.chunks}, {array.shards}; expected whole "
                    f"samples, {' and '.join(map(str, self.layout.cut))}"
                )
        # Also chunks that are all fill value are stored: of what is not there it cannot be said whether it was done.
        self._arrays = {name: array.with_config({"write_empty_chunks": True}) for name, array in arrays.items()}

    def _require_plain(self, name: str) -> None:
        """Raise unless zarr can be given an array's metadata: another codec, or other names of files, are not ours."""
        found = read_json(self.path / name / METADATA, self.path)
        shape, keys = found.get("shape"), found.get("chunk_key_encoding")
        sizes = isinstance(shape, list) and all(isinstance(n, int) and 0 <= n < LARGEST * LARGEST for n in shape)
        named = isinstance(keys, dict) and (keys.get("configuration") or {}).get("separator") == KEYS["separator"]
        if found.get("node_type") != "array" or not sizes or not named or not _codecs(found.get("codecs")) <= CODECS:
            raise ModelFormatError(f"{self.path}: {name}/{METADATA} is damaged, or not of an array of lrp_ref")

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done."""
        zarr = _zarr()
        group = zarr.create_group(path, attributes=dict(attributes), overwrite=True, zarr_format=3)
        batch, shard = layout.cut  # zarr holds the whole of a chunk in memory, also where the samples end
        for one in layout.arrays:
            rest = one.shape[1:]
            # Only maps are large, and of many zeros; to compress the others takes longer than to write them.
            compressors = [zarr.codecs.ZstdCodec(level=0)] if one.name.startswith("relevance") else None
            group.create_array(
                one.name, shape=one.shape, dtype=one.dtype, fill_value=one.fill, chunks=(batch, *rest),
                shards=(shard, *rest) if shard > batch else None, compressors=compressors, chunk_key_encoding=KEYS,
            )  # fmt: skip
        # One file a chunk: two processes that write flags of one file lose some.
        group.create_array(
            DONE_ARRAY, shape=(layout.chunks,), dtype="uint8", fill_value=0, chunks=(1,), compressors=None,
            chunk_key_encoding=KEYS,
        )  # fmt: skip
        group.create_group(ERRORS)

    def _write(self, part: slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        _together(*(self._arrays[name].async_array.setitem(part, array) for name, array in arrays.items()))

    def _mark(self, chunk: int, state: int) -> None:
        # As zarr writes it, a byte that is not compressed, without a turn through its event loop; states() reads it so.
        file = self.path / DONE_ARRAY / f"c.{chunk}"
        replace_file(file, lambda stream: stream.write(bytes([state])))

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk: files of a byte, read as such: zarr takes ten times as long."""
        found = np.zeros(self.layout.chunks, dtype=np.uint8)
        with os.scandir(self.path / DONE_ARRAY) as entries:
            for entry in entries:
                flag = _FLAG.fullmatch(entry.name)
                if flag:
                    state = _byte(entry.path)
                    if int(flag[1]) >= len(found) or state > FAILED:
                        raise ModelFormatError(f"{self.path}: {DONE_ARRAY}/{entry.name} is damaged: no state")
                    found[int(flag[1])] = state
        return found

    def state(self, chunk: int) -> int:
        """Return what became of one chunk, without a look at the others."""
        try:
            return _byte(str(self.path / DONE_ARRAY / f"c.{chunk}"))
        except FileNotFoundError:
            return TO_DO

    def lost(self, states: NDArray[np.uint8]) -> list[int]:
        """Return chunks that are done, by their states, and of whose files some are missing or empty.

        One that failed may have none: its worker died.
        """
        done = np.flatnonzero(states == DONE).tolist()
        lost: set[int] = set()
        for name, array in self._arrays.items():
            if not array.size:
                continue
            with os.scandir(self.path / name) as entries:
                there = {entry.name for entry in entries if entry.stat().st_size}
            rest = ".0" * (array.ndim - 1)
            lost |= {i for i in done if f"c.{i}{rest}" not in there}
        return sorted(lost)

    def sweep(self) -> None:
        """Remove what processes that were killed have left behind."""
        super().sweep()
        for name in (*self._arrays, DONE_ARRAY):
            with os.scandir(self.path / name) as entries:
                for file in [entry.path for entry in entries if entry.name.endswith((PARTIAL, PART))]:
                    Path(file).unlink(missing_ok=True)

    def __getitem__(self, name: str) -> Any:
        if name not in self._arrays:
            raise ModelFormatError(f"{self.path}: there is no array '{name}'; it has {', '.join(self._arrays)}")
        return Slices(self._arrays[name], f"{self.path}: '{name}'")


class Slices:
    """An array to be read: what is damaged in one of its files is told in a line.

    Attributes:
        shape, dtype, ndim, size: of the array.
    """

    def __init__(self, array: Any, what: str) -> None:
        self._array, self._what = array, what
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.ndim, self.size = array.ndim, array.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> NDArray[Any]:
        try:
            return np.asarray(self._array[which])
        except DAMAGED as error:
            reason = str(error) or type(error).__name__
            raise ModelFormatError(f"{self._what} cannot be read, a file of it is damaged: {reason}") from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)


def _byte(path: str) -> int:
    """Return the only byte of a file, 256 where there are none or several."""
    handle = os.open(path, os.O_RDONLY)
    try:
        data = os.read(handle, 2)
    finally:
        os.close(handle)
    return data[0] if len(data) == 1 else 256


def _codecs(found: Any) -> set[str]:
    """Return the names of an array's codecs, also of those in shards."""
    names: set[str] = set()
    for one in found if isinstance(found, list) else [None]:
        if not isinstance(one, dict):
            return {"no codec"}
        names.add(str(one.get("name")))
        inside = one.get("configuration") or {}
        for key in ("codecs", "index_codecs"):
            if isinstance(inside, dict) and key in inside:
                names |= _codecs(inside[key])
    return names


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop that runs in a thread of its own, as long as the process does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="lrp_ref.scale", daemon=True).start()
    return loop


if hasattr(os, "register_at_fork"):  # a forked process has the loop, and not the thread
    os.register_at_fork(after_in_child=_loop.cache_clear)


def _together(*writes: Coroutine[Any, Any, None]) -> None:
    """Wait for writes at the same time: one after the other, each waits in turn for zarr's threads."""

    async def all_of_them() -> None:
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    asyncio.run_coroutine_threadsafe(all_of_them(), _loop()).result()


def _zarr() -> Any:
    return require("zarr", extra="scale", purpose="read and write stores that end in .zarr")
