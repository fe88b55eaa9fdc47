"""One sample of an INPUT, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError
from ..text import Counted, Fed


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample to explain.

    Attributes:
        name: of its results, without suffix.
        x: the network's inputs by name, one sample each, with the batch axis where the network has it.
        shown: the picture as the network sees it, (H, W, 3) or (H, W) uint8; None for arrays.
        where: its file, and which sample of several.
        number: of the sample in its file, from 0.
        count: of the samples in its file.
        fed: of text, the sentence or document and its pieces.
    """

    name: str
    x: dict[str, NDArray[Any]]
    shown: NDArray[np.uint8] | None = None
    where: str = ""
    number: int = 0
    count: int = 1
    fed: Fed | Counted | None = None

    @property
    def several(self) -> bool:
        """Whether its file holds more samples."""
        return self.count > 1


@dataclass(frozen=True, eq=False)
class Refused:
    """An input that cannot be explained.

    Attributes:
        where: its file, and which sample of several.
        error: what is wrong with it.
        number: of the sample in its file, from 0.
        count: of the samples in its file, as far as it could be read.
    """

    where: str
    error: LrpError
    number: int = 0
    count: int = 1

    @property
    def reason(self) -> str:
        """What is wrong, in one line without the name of the file."""
        return " ".join(str(self.error).removeprefix(f"{self.where}: ").split())


def places(refused: Sequence[Refused]) -> list[str]:
    """Return where inputs are that are refused alike, a run of samples of one file as one place.

    Example:
        >>> error = LrpError("not finite")
        >>> places([Refused(f"x.npy, sample {k}", error, k, 9) for k in (0, 1, 2, 5)])
        ['x.npy, samples 0 to 2', 'x.npy, sample 5']
    """
    found: list[str] = []
    first = 0  # of the run that is the last place
    for before, one in zip((None, *refused), refused, strict=False):
        file = one.where.removesuffix(f", sample {one.number}")
        follows = before is not None and before.where == f"{file}, sample {one.number - 1}"
        if follows and file != one.where:
            found[-1] = f"{file}, samples {first} to {one.number}"
        else:
            first = one.number
            found.append(one.where)
    return found


def grouped(refused: Sequence[Refused]) -> list[str]:
    """Return a line for each reason, with all places where it holds.

    Example:
        >>> bad = LrpError("not finite")
        >>> grouped([Refused("a.npy, sample 0", bad, 0, 2), Refused("a.npy, sample 1", bad, 1, 2)])
        ['a.npy, samples 0 to 1: not finite']
    """
    reasons: dict[str, list[Refused]] = {}
    for one in refused:
        reasons.setdefault(one.reason, []).append(one)
    return [f"{', '.join(places(alike))}: {reason}" for reason, alike in reasons.items()]
