"""A store of zarr arrays (format 3): one chunk a batch; a unit of work of several batches is one shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError, require
from .layout import ArraySpec, Layout
from .stores import ERRORS, Store

DONE_ARRAY = "done"


class ZarrStore(Store):
    """A folder NAME.zarr."""

    suffix: ClassVar[str] = ".zarr"

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.group = _zarr().open_group(self.path, mode="r+")
        self.attributes = dict(self.group.attrs)
        names = self.attributes["arrays"]
        self._arrays = {name: _written_whole(self.group[name]) for name in names}
        self._done = self.group[DONE_ARRAY]
        specs = tuple(ArraySpec(n, a.shape, str(a.dtype), float(a.fill_value)) for n, a in self._arrays.items())
        self.layout = Layout(specs, specs[0].shape[0], self.attributes["batch"],
                             self.attributes["batch"] * self.attributes["together"])  # fmt: skip

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done."""
        names = [one.name for one in layout.arrays]
        group = _zarr().create_group(path, attributes={**attributes, "arrays": names}, overwrite=True)
        several = layout.chunk > layout.batch
        for one in layout.arrays:
            rest = one.shape[1:]
            group.create_array(
                one.name, shape=one.shape, dtype=one.dtype, fill_value=one.fill, chunks=(layout.batch, *rest),
                shards=(layout.chunk, *rest) if several else None,
            )  # fmt: skip
        # One file a chunk: two processes that write flags of one file lose some.
        group.create_array(
            DONE_ARRAY, shape=(layout.chunks,), dtype="uint8", fill_value=0, chunks=(1,), compressors=None
        )
        group.create_group(ERRORS)

    def write(self, part: slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the rows of a chunk in every array."""
        for name, array in arrays.items():
            self._arrays[name][part] = array

    def mark(self, chunk: int, state: int) -> None:
        """Say what became of a chunk."""
        self._done[chunk] = state

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk."""
        found: NDArray[np.uint8] = self._done[:]
        return found

    def __getitem__(self, name: str) -> Any:
        if name not in self._arrays:
            raise ModelFormatError(f"{self.path}: there is no array '{name}'; it has {', '.join(self._arrays)}")
        return self._arrays[name]


def _written_whole(array: Any) -> Any:
    """Return an array of which also those chunks are stored that are all fill value."""
    return array.with_config({"write_empty_chunks": True})


def _zarr() -> Any:
    return require("zarr", extra="scale", purpose="read and write stores that end in .zarr")
