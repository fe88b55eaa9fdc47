"""Targets that differ from sample to sample: a file with one number for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError, ParameterError, ShapeError
from ...exact import file_hash


@dataclass(frozen=True)
class Labels:
    """The target of each sample, in an .npy file.

    Attributes:
        path: of the file, one whole number for each sample.
        sha256: of its bytes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "labels.npy", np.array([3, 1, 2]))
        ...     Labels.of(Path(folder) / "labels.npy").load()
        array([3, 1, 2])
    """

    path: str
    sha256: str

    @staticmethod
    def of(path: str | Path) -> Labels:
        """Return a file of targets.

        Raises:
            ModelFormatError: there is no such file.
        """
        return Labels(str(Path(path).absolute()), file_hash(path))

    def load(self) -> NDArray[np.int64]:
        """Return the targets (N,); they are read once in a process, and must not be written into.

        Raises:
            ModelFormatError: another file than the job is about, or no whole numbers.
        """
        return _labels(self)

    def check(self, samples: int, outputs: int | None = None) -> None:
        """Raise unless there is a target for each sample, and an output for each target.

        Raises:
            ShapeError: more or fewer targets than samples.
            ParameterError: a target that is no output.
        """
        found = self.load()
        if len(found) != samples:
            raise ShapeError(f"{self.path}: {len(found)} targets for {samples} samples: give one for each")
        wrong = np.flatnonzero((found < 0) | (found >= (outputs or np.iinfo(np.int64).max)))
        if len(wrong):
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            last = "" if outputs is None else f" to {outputs - 1}"
            raise ParameterError(
                f"{self.path}: target {found[wrong[0]]} of sample {wrong[0]}{more}: outputs are numbered from 0{last}"
            )


@lru_cache(maxsize=2)
def _labels(labels: Labels) -> NDArray[np.int64]:
    if file_hash(labels.path) != labels.sha256:
        raise ModelFormatError(f"{labels.path}: the targets have changed since the job was made")
    try:
        found = np.load(labels.path, allow_pickle=False, mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise ModelFormatError(f"{labels.path}: not a readable .npy file of targets") from error
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "iu":
        told = f"holds {found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "holds several arrays"
        raise ModelFormatError(f"{labels.path}: {told}: give one whole number for each sample, (N,), in an .npy file")
    return np.array(found, dtype=np.int64)
