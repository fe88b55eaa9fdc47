"""A store of .npy files, for which NumPy is enough: NAME.npy for each array, the state of each chunk in done.npy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError
from .layout import Layout, spec
from .stores import ERRORS, Store

ATTRIBUTES, DONE_FILE = "attributes.json", "done.npy"


class NpyStore(Store):
    """A folder of .npy files; what is not written yet is 0, and takes no space where the file system can tell."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        content = json.loads((self.path / ATTRIBUTES).read_text(encoding="utf-8"))
        self.attributes = content
        arrays = {name: self._open(name, "r") for name in content["arrays"]}
        specs = [spec(name, len(a), a.shape[1:], str(a.dtype)) for name, a in arrays.items()]
        self.layout = Layout(tuple(specs), specs[0].shape[0], content["batch"], content["batch"] * content["together"])

    def _open(self, name: str, mode: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(self.path / f"{name}.npy", mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
        return found

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done."""
        for one in layout.arrays:
            np.lib.format.open_memmap(path / f"{one.name}.npy", mode="w+", dtype=one.dtype, shape=one.shape)
        np.lib.format.open_memmap(path / DONE_FILE, mode="w+", dtype="uint8", shape=(layout.chunks,))
        (path / ERRORS).mkdir()
        content = {**attributes, "arrays": [one.name for one in layout.arrays]}
        (path / ATTRIBUTES).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def write(self, part: slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the rows of a chunk in every array."""
        for name, array in arrays.items():
            self._open(name, "r+")[part] = array

    def mark(self, chunk: int, state: int) -> None:
        """Say what became of a chunk: one byte, which no other process writes."""
        np.load(self.path / DONE_FILE, mmap_mode="r+", allow_pickle=False)[chunk] = state

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk."""
        return np.asarray(np.load(self.path / DONE_FILE, allow_pickle=False))

    def __getitem__(self, name: str) -> Any:
        if name not in self.attributes["arrays"]:
            held = ", ".join(self.attributes["arrays"])
            raise ModelFormatError(f"{self.path}: there is no array '{name}'; it has {held}")
        return self._open(name, "r")
