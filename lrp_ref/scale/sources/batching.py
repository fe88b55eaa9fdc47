"""A source in batches that can be gone through again, as Network Dissection and lists of the strongest take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...base.frozen import whole
from ...errors import ModelFormatError
from .given import Source


class Batches:
    """The samples of a source, some at a time.

    Args:
        source: of the samples.
        size: samples of a batch; the last may have fewer.
        leave_out: whether samples that cannot be read are left out; else the first of them ends it.

    Attributes:
        refused: the samples that were left out so far, by their numbers in the whole set, and why.

    Raises:
        ModelFormatError: a sample cannot be read; says which, and why.
        ParameterError: batches of no samples.
    """

    def __init__(self, source: Source, size: int, *, leave_out: bool = False) -> None:
        self.source, self.size, self.leave_out = source, whole("size", size, 1), leave_out
        self.refused: dict[int, str] = {}

    def __len__(self) -> int:
        return -(-self.source.samples // self.size)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self.source.samples, self.size):
            read = self.source.read(start, min(start + self.size, self.source.samples))
            if read.refused and not self.leave_out:
                first = min(read.refused)
                name = self.source.attributes()["name"]
                raise ModelFormatError(f"{name}: sample {first} cannot be read: {read.refused[first]}")
            self.refused |= read.refused
            arrays = list(read.x.values())
            if len(arrays[0]):
                yield read.x if len(arrays) > 1 else arrays[0]


def batches(source: Source, size: int, *, leave_out: bool = False) -> Batches:
    """Return the samples of a source in batches: arrays (n, ...), of several inputs arrays by name.

    It can be gone through as often as one likes, and holds one batch at a time in memory.

    Args:
        source: of the samples.
        size: samples of a batch; the last may have fewer.
        leave_out: whether samples that cannot be read are left out; ``refused`` of the result then has their numbers,
            as far as it was gone through.

    Raises:
        ParameterError: batches of no samples. Going through them raises ModelFormatError for a sample that cannot be
            read, unless such samples are left out.

    Example:
        >>> import tempfile, numpy as np, lrp_ref as lrp
        >>> from pathlib import Path
        >>> from lrp_ref.scale.sources import source
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "x.npy", np.ones((5, 3)))
        ...     few = batches(source(Path(folder) / "x.npy", net, None), 2)
        ...     len(few), [len(x) for x in few], [len(x) for x in few]
        (3, [2, 2, 1], [2, 2, 1])
    """
    return Batches(source, size, leave_out=leave_out)
