"""What a search through a data set finds: for each channel its strongest samples; as files that zennit-crp reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import tables
from ...base.tables import number
from ...errors import ModelFormatError, ParameterError
from ...network.network import Network
from .receptive import Box, receptive_field

FILES = {"samples": "data", "positions": "rf", "values": "rel"}  # as zennit-crp calls them
KINDS = {"relevance": "RelMax", "activation": "ActMax"}
BY = ("sum", "max")
LISTED = (8, 4)  # channels, and samples of each, that are printed
Host = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Strongest:
    """For each channel of a value, the samples of a data set in which it is strongest.

    Attributes:
        at: the value.
        kind: "relevance" or "activation".
        by: "sum" over the positions of a channel, or their "max".
        norm: None, or "crp" where each sample was divided by the sum of its channels' absolute values.
        samples: their numbers in the data set (k, C), strongest first; of equal ones the lower number.
        values: how strong (k, C).
        positions: where in the channel the largest number is (k, C), counted over all positions in C order.
    """

    at: str
    kind: str
    by: str
    norm: str | None
    samples: Host
    values: Host
    positions: Host

    def __repr__(self) -> str:
        k, channels = self.samples.shape
        shown, each = LISTED
        rows = [
            [
                str(c),
                ", ".join(f"{self.samples[j, c]}: {number(float(self.values[j, c]))}" for j in range(min(k, each))),
            ]
            for c in range(min(channels, shown))
        ]
        norm = f", norm {self.norm}" if self.norm else ""
        head = f"{self.kind} of '{self.at}' by {self.by}{norm}: {k} samples for each of {channels} channels"
        more = f"\n{channels - shown} more channels" if channels > shown else ""
        return f"{head}\n{tables.text(('channel', 'strongest samples'), rows)}{more}"

    def merged(self, other: Strongest, k: int) -> Strongest:
        """Return the k strongest of both; of equal ones the sample of the lower number comes first."""
        samples = np.concatenate([self.samples, other.samples])
        values = np.concatenate([self.values, other.values])
        return self.of(samples, values, np.concatenate([self.positions, other.positions]), k)

    def of(self, samples: Host, values: Host, positions: Host, k: int) -> Strongest:
        """Return the k strongest of these (n, C), found in the same way."""
        order = np.lexsort((samples, -values), axis=0)[:k]
        samples, values, positions = (np.take_along_axis(a, order, axis=0) for a in (samples, values, positions))
        return replace(self, samples=samples, values=values, positions=positions)

    def boxes(self, net: Network, shape: Sequence[int], channel: int) -> list[Box]:
        """Return what a channel's strongest positions see of the input, for each of its samples a box.

        Args:
            net: the network that was searched.
            shape: of one sample of the input (C, ...).
            channel: which.

        Raises:
            ParameterError: a channel that is not there, or a network of several inputs.
        """
        channels = self.samples.shape[1]
        if not 0 <= channel < channels:
            raise ParameterError(f"'{self.at}' has no channel {channel}; it has {channels}, from 0")
        return receptive_field(net, self.at, [int(p) for p in self.positions[:, channel]], shape)

    # -- files --------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        """The name of the folder in which zennit-crp keeps such results."""
        return f"{KINDS[self.kind]}_{self.by}_{'unnormed' if self.norm is None else 'normed'}"

    def save(self, path: str | Path) -> Path:
        """Write the arrays as zennit-crp does, FOLDER/NAME_data.npy, NAME_rel.npy and NAME_rf.npy; return the folder.

        Args:
            path: the folder in which ``folder`` is made.

        Raises:
            ParameterError: the name of the value cannot be a file's.

        Example:
            >>> from tempfile import mkdtemp
            >>> one = np.array([[0]])
            >>> found = Strongest("conv5", "relevance", "sum", None, one, np.array([[2.0]]), one)
            >>> Strongest.load(found.save(mkdtemp()), "conv5")
            relevance of 'conv5' by sum: 1 samples for each of 1 channels
            channel  strongest samples
            ──────────────────────────
            0        0: 2
        """
        require_file_name(self.at)
        into = Path(path) / self.folder
        into.mkdir(parents=True, exist_ok=True)
        for name, suffix in FILES.items():
            array = getattr(self, name)
            # Its tables of numbers of samples and positions are of 64 bits on every machine.
            array = array if name == "values" else array.astype(np.int64)
            np.save(into / f"{self.at}_{suffix}.npy", array, allow_pickle=False)
        return into

    @staticmethod
    def load(path: str | Path, at: str) -> Strongest:
        """Read what :meth:`save`, or zennit-crp, wrote of a value.

        Args:
            path: the folder RelMax_... or ActMax_....
            at: the value.

        Raises:
            ModelFormatError: no such folder or files, or arrays of other kinds or shapes.
            ParameterError: the name of the value cannot be a file's.
        """
        folder = Path(path)
        found = re.fullmatch(r"(Rel|Act)Max_(sum|max)_(normed|unnormed)", folder.name)
        if found is None:
            raise ModelFormatError(f"{folder}: give the folder of one search, called RelMax_sum_normed or the like")
        require_file_name(at)
        arrays = {name: _read(folder / f"{at}_{suffix}.npy") for name, suffix in FILES.items()}
        if not _fit(**arrays):
            told = ", ".join(f"{name} {a.dtype} {a.shape}" for name, a in arrays.items())
            raise ModelFormatError(
                f"{folder}: the arrays of '{at}' are no tables (k, C) of samples and positions from 0 on and finite "
                f"values: {told}"
            )
        kind = {"Rel": "relevance", "Act": "activation"}[found[1]]
        return Strongest(at, kind, found[2], "crp" if found[3] == "normed" else None, **arrays)


def require_file_name(name: str) -> None:
    """Raise unless the name of a value can be a file's, in one folder and on every system."""
    if not re.fullmatch(r"[\w-][\w.:-]*", name):
        raise ParameterError(f"'{name}' cannot be the name of a file: rename the node, of letters, digits, '_.-'")


def _read(file: Path) -> Host:
    """Return the array of a file."""
    try:
        # Mapped: what the header says is held against the file's size before anything is read or allocated.
        return np.array(np.load(file, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise ModelFormatError(f"{file}: no such file") from error
    except (ValueError, OSError, EOFError) as error:
        raise ModelFormatError(f"{file}: not a readable array: it is damaged or holds Python objects") from error


def _fit(samples: Host, positions: Host, values: Host) -> bool:
    tables_of_numbers = (samples, positions)
    return bool(
        samples.ndim == 2
        and samples.shape == positions.shape == values.shape
        and all(a.dtype.kind in "iu" and (a >= 0).all() for a in tables_of_numbers)
        and values.dtype.kind == "f"
        and np.isfinite(values).all()
    )
