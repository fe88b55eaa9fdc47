"""A store of .npy files, for which NumPy is enough: NAME.npy for each array, the state of each chunk in done.npy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from .layout import DONE, FAILED, TO_DO, Layout, fill_of
from .stated import Attributes, Stated, read_json
from .store import DAMAGED, ERRORS, Store

ATTRIBUTES, DONE_FILE = "attributes.json", "done.npy"


class NpyStore(Store):
    """A folder of .npy files; what is not written yet is 0, and takes no space where the file system can tell."""

    def _read(self) -> None:
        self.attributes = Attributes(read_json(self.path / ATTRIBUTES, self.path))
        stated = Stated.of(self.path, self.attributes)
        maps = {name: self._mapped(f"{name}.npy") for name in stated.names}
        done = self._mapped(DONE_FILE)
        if done.dtype != np.uint8:
            raise ModelFormatError(f"{self.path}: {DONE_FILE} is damaged: {done.dtype}")
        shaped = [(name, a.shape, str(a.dtype), fill_of(a.dtype)) for name, a in maps.items()]
        self.layout = stated.layout(shaped, done.shape)
        # Where in its file the numbers of each array begin.
        self._begin = {name: int(a.offset) for name, a in (*maps.items(), (DONE_FILE, done))}

    def _mapped(self, file: str) -> Any:
        """Return the array of a file, of which nothing is read before it is asked for."""
        path = self.path / file
        try:
            # To map a file is refused where it has fewer bytes than its header says.
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise ModelFormatError(f"{self.path}: {file} is missing") from error
        except DAMAGED as error:
            raise ModelFormatError(f"{self.path}: {file} is damaged: not a readable array of numbers") from error
        if not isinstance(found, np.memmap) or found.offset + found.nbytes != size or not found.flags.c_contiguous:
            raise ModelFormatError(f"{self.path}: {file} is damaged: as many bytes as its header says were expected")
        return found

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done."""
        for one in layout.arrays:
            np.lib.format.open_memmap(path / f"{one.name}.npy", mode="w+", dtype=one.dtype, shape=one.shape)
        np.lib.format.open_memmap(path / DONE_FILE, mode="w+", dtype="uint8", shape=(layout.chunks,))
        (path / ERRORS).mkdir()
        content = json.dumps(attributes, ensure_ascii=False, indent=1) + "\n"
        (path / ATTRIBUTES).write_text(content, encoding="utf-8", errors="backslashreplace")

    def _write(self, part: slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, array in arrays.items():
            row = array.nbytes // max(len(array), 1)
            self._put(f"{name}.npy", self._begin[name] + part.start * row, np.ascontiguousarray(array).tobytes())

    def _mark(self, chunk: int, state: int) -> None:
        # One byte, which no other process writes.
        self._put(DONE_FILE, self._begin[DONE_FILE] + chunk, bytes([state]))

    def _put(self, file: str, place: int, data: bytes) -> None:
        """Write bytes in the middle of a file, not through a map of it: a full disk is an error then, not a signal."""
        with (self.path / file).open("r+b") as stream:
            stream.seek(place)
            stream.write(data)

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk."""
        found = np.array(self._mapped(DONE_FILE))
        if found.shape != (self.layout.chunks,) or not np.isin(found, (TO_DO, DONE, FAILED)).all():
            raise ModelFormatError(f"{self.path}: {DONE_FILE} is damaged: it holds what is no state of a chunk")
        return found

    def __getitem__(self, name: str) -> Any:
        if name not in self.attributes["arrays"]:
            held = ", ".join(self.attributes["arrays"])
            raise ModelFormatError(f"{self.path}: there is no array '{name}'; it has {held}")
        return self._mapped(f"{name}.npy")
