"""What a store keeps of a relevance map: all of it, the sum over channels, or its strongest numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import NonFiniteError, ParameterError, ShapeError

Host = NDArray[Any]
DTYPES = ("float16", "float32", "float64")
PLACE = "place"  # of the strongest numbers: where each was in the map, counted in C order


@dataclass(frozen=True)
class Reduction:
    """How a map (n, ...) becomes what is kept of it.

    Attributes:
        name: "none", "channels" or "top-K".
        channel: the axis of the channels, that of the samples counted.
    """

    name: str = "none"
    channel: int = 1

    def __post_init__(self) -> None:
        if self.name not in ("none", "channels") and not self.top:
            raise ParameterError(
                f"reduce is {self.name!r}: give none, channels (their sum) or top-K, the K strongest numbers, top-100"
            )

    @property
    def top(self) -> int:
        """K of "top-K", else 0."""
        found = re.fullmatch(r"top-([1-9]\d{0,8})", self.name)
        return int(found[1]) if found else 0

    def parts(self, relevance: Host, dtype: str) -> dict[str, Host]:
        """Return what is kept of maps, by the name behind that of the map: "" for numbers, "place" for where they were.

        Sums over channels are added up in float64. Of the K strongest numbers, the largest |R|, the strongest comes
        first; of equal ones that of the lower place, counted in C order.

        Args:
            relevance: (n, ...).
            dtype: of the numbers that are kept.

        Raises:
            ShapeError: a sum over channels of an input that has none, or more numbers than a map has.
            NonFiniteError: numbers that are beyond what ``dtype`` can say; NaN or infinity, which have no order.

        Example:
            >>> kept = Reduction("top-2").parts(np.array([[1.0, -3.0, 0.0, 2.0]]), "float32")
            >>> kept[""].tolist(), kept["place"].tolist()
            ([[-3.0, 2.0]], [[1, 3]])
        """
        if self.name == "channels":
            if relevance.ndim < 3 or not 0 < self.channel < relevance.ndim:
                raise ShapeError(f"the input {relevance.shape[1:]} has no channels to add up: reduce is none or top-K")
            return {"": narrowed(relevance.sum(axis=self.channel, dtype=np.float64), dtype)}
        if not self.top:
            return {"": narrowed(relevance, dtype)}
        flat = relevance.reshape(len(relevance), math.prod(relevance.shape[1:]))
        if self.top > flat.shape[1]:
            raise ShapeError(
                f"reduce is {self.name}, and a map has {flat.shape[1]} numbers: keep fewer, or none for all"
            )
        places = np.empty((len(flat), self.top), dtype=np.int64)
        for k, row in enumerate(flat):
            places[k] = strongest_places(row, self.top)
        return {"": narrowed(np.take_along_axis(flat, places, axis=1), dtype), PLACE: places}


def strongest_places(row: Host, k: int) -> Host:
    """Return where the k numbers of largest magnitude are, the strongest first, of equal ones the first.

    The order is the one of a stable sort of all by −|R|, whatever the machine; only k numbers are sorted.

    Args:
        row: (n,), real numbers.
        k: from 1 to n.

    Raises:
        NonFiniteError: NaN or infinity.

    Example:
        >>> strongest_places(np.array([1.0, -2.0, 2.0, 0.0, 1.0]), 3).tolist()
        [1, 2, 0]
    """
    size = np.abs(row)
    if not np.isfinite(size).all():
        raise NonFiniteError("relevance that is NaN or infinite has no strongest numbers")
    least = np.partition(size, len(size) - k)[len(size) - k]
    larger = np.flatnonzero(size > least)
    equal = np.flatnonzero(size == least)[: k - len(larger)]
    return np.concatenate([larger[np.argsort(-size[larger], kind="stable")], equal])


def narrowed(array: Host, dtype: str) -> Host:
    """Return numbers as ``dtype``.

    Small numbers may become 0: float16 has none below 6e-8, and fewer digits below 6.1e-5. Relevance that is so small
    beside the rest of its map is lost; where whole maps are, keep float32.

    Raises:
        NonFiniteError: a number that becomes infinite.

    Example:
        >>> narrowed(np.array([70000.0]), "float16")
        Traceback (most recent call last):
        lrp_ref.errors.NonFiniteError: relevance of 7e+04 is beyond float16, whose largest number is 65504: use float32
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        made = array.astype(dtype, copy=False)
    beyond = np.isinf(made) & np.isfinite(array)
    if beyond.any():
        raise NonFiniteError(
            f"relevance of {float(np.abs(array[beyond]).max()):.3g} is beyond {dtype}, whose largest number is "
            f"{float(np.finfo(dtype).max):.5g}: use {'float32' if dtype == 'float16' else 'float64'}"
        )
    return made
