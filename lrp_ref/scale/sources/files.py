"""Samples in many files: pictures of a folder or a list, or .npy files with one or more samples each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError, ShapeError, one_line
from ...loaders.preprocess import EXAMPLE, read_image
from .arrays import told_pixels
from .fingerprints import fingerprint
from .given import Host, Read, changed, put_together, require_part
from .listing import MISSING, Listing, listing
from .npy_rows import NpyRows
from .regular import file_size
from .wanted import Taken, Wanted, alike

MOST = 4  # folders whose files are kept in memory


@dataclass(frozen=True)
class Found:
    """The files of a source, as they were when they were looked at.

    Attributes:
        listing: which.
        starts: the number of the first sample of each file, and behind the last that of all samples.
        fingerprint: which data they are.
    """

    listing: Listing
    starts: list[int]
    fingerprint: str


@dataclass(frozen=True)
class Files:
    """Samples in many files; which files these are each process looks up for itself.

    Attributes:
        path: of the folder or the list.
        kind: "folder" or "list".
        arrays: whether the files are .npy files, not pictures.
        samples: how many there are.
        fingerprint: which data they are.
        wanted: what the network's input takes.
        taken: how samples become the input.
    """

    path: str
    kind: str
    arrays: bool
    samples: int
    fingerprint: str
    wanted: Wanted
    taken: Taken

    def read(self, start: int, stop: int) -> Read:
        """Return the samples from ``start`` to before ``stop``; one that cannot be read is refused by itself.

        Raises:
            ModelFormatError: files have come, gone or changed their size since the job was made.
            ParameterError: there are not so many samples.
        """
        require_part(start, stop, self.samples)
        files = _files_of(self)
        parts: list[Host] = []
        refused: dict[int, str] = {}
        for number, first, last in _touched(files.starts, start, stop):
            name, path, size = files.listing.entries[number]
            offset = files.starts[number]
            try:
                if size == MISSING:
                    file_size(path, name)
                    raise changed(name, "the file has come")
                held = files.starts[number + 1] - offset
                if self.arrays:
                    parts.append(self._rows(name, path, size, held, first - offset, last - offset))
                else:
                    parts.append(self._picture(name, path, size))
            except LrpError as error:
                refused |= dict.fromkeys(range(first, last), _without_folders(error, path, name))
        return Read({self.taken.name: put_together(parts, self.taken.shape, self.taken.dtype)}, refused)

    def _picture(self, name: str, path: str, size: int) -> Host:
        if file_size(path, name) != size:
            raise changed(name, "the file has changed")
        assert self.taken.pixels is not None, "pictures have a sidecar"
        return read_image(path, self.taken.pixels, dtype=self.taken.dtype)[0]

    def _rows(self, name: str, path: str, size: int, held: int, start: int, stop: int) -> Host:
        rows = _samples(self.wanted, NpyRows.of(path, name))
        taken = self.wanted.taken(name, rows.shape, np.dtype(rows.dtype))
        if not rows.shape[0]:
            raise ShapeError(f"{name}: no sample in it (the first axis has length 0)")
        if alike(taken, self.taken) is None:
            kinds = f"{taken.dtype} {taken.shape}, the first {self.taken.dtype} {self.taken.shape}"
            raise ShapeError(
                f"{name}: a sample is {kinds}: all samples of a data set need one shape and kind of number"
            )
        if rows.size != size or rows.shape[0] != held:
            raise changed(name, "the file has changed")
        return taken.fed(name, rows.read(start, stop, name)).astype(self.taken.dtype, copy=False)

    def zeros(self) -> dict[str, Host]:
        """Return one sample of zeros, by the name of the network's input."""
        return {self.taken.name: self.taken.zeros()}

    def attributes(self) -> dict[str, Any]:
        """Return what says which data they are, and how pixels become the input."""
        kind = f"{self.kind} of {'npy' if self.arrays else 'pictures'}"
        found = {"name": Path(self.path).name, "kind": kind, "fingerprint": self.fingerprint}
        if self.taken.pixels is None:
            return found
        made = told_pixels(self.taken.pixels)
        if not self.arrays:
            made |= {"resize": self.taken.pixels.resize, "resample": self.taken.pixels.resample}
        return found | {"pixels": made}


def _without_folders(error: LrpError, path: str, name: str) -> str:
    """Return why a file is refused, with the name that it has in the data set instead of where it lies."""
    return one_line(str(error).replace(one_line(path), name))


def _touched(starts: list[int], start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Return the files that some samples are in: their numbers, and the first and the last sample of theirs."""
    while start < stop:
        number = bisect_right(starts, start) - 1
        last = min(stop, starts[number + 1])
        yield number, start, last
        start = last


# -- what files there are ---------------------------------------------------------------------------------------------


_LOOKED_UP: dict[Files, Found] = {}
_LOOKING = RLock()  # one thread looks up, the others wait for what it finds


def _files_of(source: Files) -> Found:
    """Return the files of a source; they are looked up once in each process.

    Raises:
        ModelFormatError: others than when the source was made.
    """
    with _LOOKING:
        found = _LOOKED_UP.get(source)
        if found is None:
            found = _found(source.path, source.wanted)[0]
            if found.fingerprint != source.fingerprint:
                raise changed(Path(source.path).name, "files have come, gone or changed")
            _keep(source, found)
        return found


def _keep(source: Files, found: Found) -> None:
    with _LOOKING:
        while len(_LOOKED_UP) >= MOST:
            _LOOKED_UP.pop(next(iter(_LOOKED_UP)))
        _LOOKED_UP[source] = found


def _found(path: str, wanted: Wanted) -> tuple[Found, Taken]:
    listed = listing(path)
    counts, taken = _arrays(path, listed, wanted) if listed.arrays else _pictures(path, listed, wanted)
    starts = [0, *accumulate(counts)]
    return Found(listed, starts, fingerprint(["arrays" if listed.arrays else "pictures"], listed.entries)), taken


def _pictures(path: str, listed: Listing, wanted: Wanted) -> tuple[list[int], Taken]:
    if wanted.sidecar is None:
        raise ModelFormatError(
            f"{path}: to read pictures, the model needs a sidecar that says how: a file of the model's name that "
            f"ends in .json, with, for example, {EXAMPLE}"
        )
    return [1] * len(listed.entries), wanted.picture(path)


def _arrays(path: str, listed: Listing, wanted: Wanted) -> tuple[list[int], Taken]:
    """Return how many samples each file counts for, one that cannot be read for one, and how they become the input.

    Raises:
        LrpError: why the first file is refused, if all are.
    """
    counts: list[int] = []
    seen: set[tuple[tuple[int, ...], str]] = set()
    common: Taken | None = None
    why: LrpError | None = None
    for name, file, _ in listed.entries:
        where = f"{path}, {name}"
        counts.append(1)
        try:
            rows = _samples(wanted, NpyRows.of(file, where))
            counts[-1] = max(rows.shape[0], 1) if rows.shape else 1
            key = (rows.shape[1:], rows.dtype)
            if key not in seen:
                seen.add(key)
                taken = wanted.taken(where, rows.shape, np.dtype(rows.dtype))
                common = taken if common is None else alike(common, taken) or common
        except LrpError as error:
            why = why or error
    if common is None:
        assert why is not None, "there is a file, and it is refused"
        raise why
    return counts, common


def _samples(wanted: Wanted, rows: NpyRows) -> NpyRows:
    """Return a file whose first axis are the samples, also where it holds one sample without that axis."""
    return replace(rows, shape=(1, *rows.shape)) if wanted.alone(rows.shape, np.dtype(rows.dtype)) else rows


def file_source(path: str | Path, wanted: Wanted) -> Files:
    """Return the files of a folder or a list as the samples of a network's input.

    Raises:
        LrpError: nothing of it can be read; says why.
    """
    found, taken = _found(str(path), wanted)
    source = Files(
        str(path), found.listing.kind, found.listing.arrays, found.starts[-1], found.fingerprint, wanted, taken
    )
    _keep(source, found)
    return source
