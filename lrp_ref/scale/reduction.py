"""What a store keeps of a relevance map: all of it, the sum over channels, or its strongest numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NonFiniteError, ParameterError, ShapeError

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

        Args:
            relevance: (n, ...).
            dtype: of the numbers that are kept.

        Raises:
            ShapeError: a sum over channels of an input that has none.
            NonFiniteError: numbers that are beyond what ``dtype`` can say.

        Example:
            >>> kept = Reduction("top-2").parts(np.array([[1.0, -3.0, 0.0, 2.0]]), "float32")
            >>> kept[""].tolist(), kept["place"].tolist()
            ([[-3.0, 2.0]], [[1, 3]])
        """
        if self.name == "channels":
            if relevance.ndim < 3:
                raise ShapeError(f"the input {relevance.shape[1:]} has no channels to add up: reduce is none or top-K")
            return {"": narrowed(relevance.sum(axis=self.channel), dtype)}
        if not self.top:
            return {"": narrowed(relevance, dtype)}
        flat = relevance.reshape(len(relevance), math.prod(relevance.shape[1:]))
        # A stable order, so that of equal numbers the first is kept, whatever the machine.
        order = np.argsort(-np.abs(flat), axis=1, kind="stable")[:, : self.top]
        return {"": narrowed(np.take_along_axis(flat, order, axis=1), dtype), PLACE: order.astype(np.int64)}


def narrowed(array: Host, dtype: str) -> Host:
    """Return numbers as ``dtype``.

    Raises:
        NonFiniteError: a number that becomes infinite.

    Example:
        >>> narrowed(np.array([70000.0]), "float16")
        Traceback (most recent call last):
        lrp_ref.errors.NonFiniteError: relevance of 7e+04 is beyond float16, whose largest number is 65500: use float32
    """
    with np.errstate(over="ignore"):
        made = array.astype(dtype)
    if not np.isfinite(made).all() and np.isfinite(array).all():
        raise NonFiniteError(
            f"relevance of {float(np.abs(array).max()):.3g} is beyond {dtype}, whose largest number is "
            f"{float(np.finfo(dtype).max):.3g}: use {'float32' if dtype == 'float16' else 'float64'}"
        )
    return made
