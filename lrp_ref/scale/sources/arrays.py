"""Samples in arrays whose first axis they are: an .npy file or a zarr array, or one for each input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LrpError, ShapeError
from ...loaders.numbers import require_floats
from .fingerprints import Entry, fingerprint
from .given import Host, Read, put_together, require_part
from .npy_rows import NpyRows
from .wanted import Taken, Wanted
from .zarr_rows import ZarrRows

Rows = NpyRows | ZarrRows


@dataclass(frozen=True)
class Column:
    """The samples of one input.

    Attributes:
        rows: the array that they are in.
        taken: how they become the input.
    """

    rows: Rows
    taken: Taken

    def read(self, start: int, stop: int) -> Host:
        """Return some samples as the network takes them.

        Raises:
            LrpError: they cannot be read.
        """
        return self.taken.fed(self.rows.name, self.rows.read(start, stop))


@dataclass(frozen=True)
class Arrays:
    """Samples in arrays on disk.

    Attributes:
        path: of the file, or of the folder with all of them.
        kind: "npy" or "zarr".
        columns: of each input.
        fingerprint: which data they are.
    """

    path: str
    kind: str
    columns: tuple[Column, ...]
    fingerprint: str

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.columns[0].rows.shape[0]

    def read(self, start: int, stop: int) -> Read:
        """Return the samples from ``start`` to before ``stop``; one in a damaged chunk is refused by itself.

        Raises:
            ModelFormatError: size, shape or type of the data have changed since they were looked at.
            ParameterError: there are not so many samples.
        """
        require_part(start, stop, self.samples)
        for column in self.columns:
            column.rows.require_unchanged()
        try:
            return Read({column.taken.name: column.read(start, stop) for column in self.columns})
        except LrpError:
            return self._one_by_one(start, stop)

    def _one_by_one(self, start: int, stop: int) -> Read:
        parts: dict[str, list[Host]] = {column.taken.name: [] for column in self.columns}
        refused: dict[int, str] = {}
        for k in range(start, stop):
            try:
                one = {column.taken.name: column.read(k, k + 1) for column in self.columns}
            except LrpError as error:
                refused[k] = str(error)
                continue
            for name, array in one.items():
                parts[name].append(array)
        taken = [column.taken for column in self.columns]
        return Read({t.name: put_together(parts[t.name], t.shape, t.dtype) for t in taken}, refused)

    def zeros(self) -> dict[str, Host]:
        """Return one sample of zeros, by the names of the network's inputs."""
        return {column.taken.name: column.taken.zeros() for column in self.columns}

    def attributes(self) -> dict[str, Any]:
        """Return what says which data they are, and how bytes become the input."""
        found = {"name": Path(self.path).name, "kind": self.kind, "fingerprint": self.fingerprint}
        pixels = self.columns[0].taken.pixels
        return found if pixels is None else found | {"pixels": told_pixels(pixels)}


def told_pixels(sidecar: Any) -> dict[str, Any]:
    """Return how pixels become an input, as JSON can hold it."""
    keys = ("size", "channels", "layout", "mean", "scale")
    return {key: list(v) if isinstance(v := getattr(sidecar, key), tuple) else v for key in keys}


def array_source(path: str | Path, kind: str, found: dict[str, Rows], wanted: tuple[Wanted, ...]) -> Arrays:
    """Return arrays on disk as the samples of a network's inputs.

    Args:
        path: of the file or folder, as errors have it.
        kind: "npy" or "zarr".
        found: the array of each input.
        wanted: what the inputs take.

    Raises:
        ModelFormatError: numbers that an input does not take.
        ShapeError: samples of another shape, none at all, or another number for each input.
    """
    columns, alone = [], len(wanted) == 1
    for one in wanted:
        rows = found[one.name]
        where = str(path) if alone else str(rows.path)
        dtype = np.dtype(rows.dtype)
        first = rows.read(0, min(rows.shape[0], 1)) if dtype.kind in "iu" and rows.shape else None
        columns.append(Column(rows, one.taken(where, rows.shape, dtype, first)))
    counts = sorted({column.rows.shape[0] for column in columns})
    if len(counts) > 1:
        raise ShapeError(f"{path}: its arrays have different numbers of samples: {counts}")
    if not counts[0]:
        raise ShapeError(f"{path}: no sample in it (the first axis has length 0)")
    if not any(w.tokens or np.dtype(c.taken.dtype).kind == "f" for w, c in zip(wanted, columns, strict=True)):
        given = {w.name: np.empty(0, column.rows.dtype) for w, column in zip(wanted, columns, strict=True)}
        require_floats(path, given, None)
    about = [(c.taken.name, c.rows.shape, c.rows.dtype, getattr(c.rows, "said", "")) for c in columns]
    return Arrays(str(path), kind, tuple(columns), fingerprint(["arrays", *about], _files(columns)))


def _files(columns: list[Column]) -> list[Entry]:
    """Return the files whose sizes and contents count; the name of one that stands alone does not."""
    files: list[Entry] = []
    for column in columns:
        rows = column.rows
        if isinstance(rows, NpyRows):
            files.append((column.taken.name, rows.path, rows.size))
        else:
            files += [(f"{column.taken.name}/{name}", path, size) for name, path, size in rows.files()]
    return files
