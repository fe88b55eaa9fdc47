"""The samples of a job, read a slice at a time: an .npy file, pictures or arrays of a folder or a list, zarr arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError
from ..loaders.preprocess import Sidecar
from ..network.network import Network

Host = NDArray[Any]


@dataclass(frozen=True)
class Read:
    """Some samples.

    Attributes:
        x: the network's inputs by name (n, ...), of the samples that could be read.
        refused: the others by their numbers in the whole set, and why.
    """

    x: dict[str, Host]
    refused: dict[int, str] = field(default_factory=dict)


class Source(Protocol):
    """Where samples come from: a small value that a worker can be sent."""

    @property
    def samples(self) -> int:
        """How many there are."""

    def read(self, start: int, stop: int) -> Read:
        """Return the samples from ``start`` to before ``stop``; nothing of the others is kept in memory.

        Raises:
            ModelFormatError: the data have changed since the job was made.
        """

    def zeros(self) -> dict[str, Host]:
        """Return one sample of zeros, by the names of the network's inputs, (1, ...)."""

    def attributes(self) -> dict[str, Any]:
        """Return what says which data they are: name, kind, and a hash; no path with folders."""


@dataclass(frozen=True)
class ArrayFile:
    """The samples of one .npy file (N, ...)."""

    path: str
    input: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.shape[0]

    def read(self, start: int, stop: int) -> Read:
        """Return some samples."""
        # Mapped anew each time: pages that were read are given back.
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return Read({self.input: np.array(array[start:stop])})

    def zeros(self) -> dict[str, Host]:
        """Return one sample of zeros."""
        return {self.input: np.zeros((1, *self.shape[1:]), dtype=self.dtype)}

    def attributes(self) -> dict[str, Any]:
        """Return what says which data they are."""
        return {"name": Path(self.path).name, "kind": "npy", "sha256": self.sha256}


def source(path: str | Path, net: Network, sidecar: Sidecar | None) -> Source:
    """Return the samples of a file or folder."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not array.ndim:
        raise ModelFormatError(f"{path}: one number")
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode()).hexdigest()
    return ArrayFile(str(path), net.inputs[0].name, tuple(array.shape), array.dtype.str, digest)
