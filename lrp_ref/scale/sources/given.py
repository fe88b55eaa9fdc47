"""What every source of samples is: a small value that reads any slice, and says which data they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError, ParameterError

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
            ParameterError: there are not so many.
        """

    def zeros(self) -> dict[str, Host]:
        """Return one sample of zeros, by the names of the network's inputs, (1, ...)."""

    def attributes(self) -> dict[str, Any]:
        """Return what says which data they are: name, kind, and a hash; no path with folders."""


def require_part(start: int, stop: int, samples: int) -> None:
    """Raise unless there are these samples.

    Raises:
        ParameterError: there are not.
    """
    if not 0 <= start <= stop <= samples:
        raise ParameterError(f"samples {start} to before {stop}: the data set has {samples}, from 0")


def put_together(parts: list[Host], shape: tuple[int, ...], dtype: str) -> Host:
    """Return arrays (n, *shape), one behind the other; also of none."""
    return np.concatenate(parts) if parts else np.empty((0, *shape), dtype=dtype)


def changed(name: str, what: str) -> ModelFormatError:
    """Return the error for data that are no longer those that the job is about."""
    return ModelFormatError(f"{name}: {what} since the job was made: put the old data back, or begin a new store")
