"""Exact quantiles of each unit's activation over a data set, of which only the largest numbers are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..base.frozen import Value, real, whole
from ..errors import NonFiniteError, ParameterError, ShapeError
from ..network.network import Network
from .feeding import BATCH, DataSet, Host, is_whole, length, require_again

Progress = Callable[[int, int], object]  # samples that are done, of how many


@dataclass(frozen=True, eq=False, repr=False)
class Largest(Value):
    """The largest of the numbers of each unit that have been seen so far: as many as the quantile can depend on.

    Of n numbers in all, the quantile q lies at the place (n − 1)·q of their order, so the n − ⌊(n − 1)·q⌋ largest
    decide it. Those are kept, whatever else goes by, and so the quantile is that of all numbers at once, bit for bit,
    in whatever parts and order they came.

    Attributes:
        quantile: q, from 0 to 1.
        total: n, the numbers that a unit will have in the end.
        seen: the numbers that a unit has had.
        kept: the largest of them, in rising order (U, ...); None before the first.

    Example:
        >>> parts = Largest(0.5, total=5).and_also(np.array([[1.0, 9.0]])).and_also(np.array([[4.0, 3.0, 7.0]]))
        >>> parts.kept, parts.threshold
        (array([[4., 7., 9.]]), array([4.]))
    """

    quantile: float
    total: int
    seen: int = 0
    kept: Host | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantile", require_quantile(self.quantile))
        whole("total", self.total)

    @property
    def most(self) -> int:
        """How many numbers of each unit are kept."""
        return max(self.total - math.floor((self.total - 1) * self.quantile), 1)

    def and_also(self, values: Host) -> Largest:
        """Return what is kept after more numbers (U, n).

        Raises:
            NonFiniteError: NaN or infinity among them.
            ShapeError: numbers of another count of units, or more of them than ``total``.
        """
        if not np.isfinite(values).all():
            raise NonFiniteError("a quantile of numbers among which there are NaN or infinity")
        seen = self.seen + values.shape[1]
        if seen > self.total or (self.kept is not None and len(self.kept) != len(values)):
            raise ShapeError(
                f"{values.shape[1]} more numbers of {len(values)} units after {self.seen} of {self.total}: "
                "there are more than was said, or other units"
            )
        joined = values if self.kept is None else np.concatenate([self.kept, values], axis=1)
        if joined.shape[1] > self.most:
            joined = np.partition(joined, joined.shape[1] - self.most, axis=1)[:, -self.most :]
        return replace(self, seen=seen, kept=np.sort(joined + 0, axis=1))  # −0 + 0 is 0: equal numbers, equal bits

    @property
    def threshold(self) -> Host:
        """The quantile of each unit (U,), in the dtype of the numbers: between two of them on a line, as NumPy has it.

        Of whole numbers it is float64.

        Raises:
            ParameterError: not all numbers have been seen.
        """
        if self.kept is None or self.seen != self.total:
            raise ParameterError(
                f"{self.seen} of {self.total} numbers of each unit have been seen: the quantile needs all"
            )
        place = (self.total - 1) * self.quantile
        below = math.floor(place)
        first = self.kept.shape[1] - (self.total - below)
        low, high = (self.kept[:, first + step].astype(np.float64) for step in (0, int(below + 1 < self.total)))
        over = place - below
        # From the nearer end, so that the result is never outside of the two.
        with np.errstate(over="ignore"):
            far = high - low
        if np.isfinite(far).all():
            found = low + far * over if over < 0.5 else high - far * (1 - over)
        else:  # the two are further apart than the largest number
            found = low * (1 - over) + high * over
        return np.asarray(found.astype(self.kept.dtype if self.kept.dtype.kind == "f" else np.float64))


def thresholds(
    net: Network,
    x: Any,
    *,
    at: str,
    quantile: float = 0.995,
    batch: int = BATCH,
    samples: int | None = None,
    canonize: bool = True,
    progress: Progress | None = None,
) -> Host:
    """Return for each unit of a value the number T that its activation exceeds at a part 1 − q of all positions.

    P(a > T) = 1 − q over every position of every sample: the exact quantile, of which only the 1 − q largest numbers
    are kept. Where the place (n − 1)·q is between two numbers, T is between them on a line (NumPy's quantile).

    Args:
        net: the network.
        x: the data set (N, ...), several arrays by name, or batches of it, of which one at a time is in memory.
        at: name of the value; its units are axis 1. A value means what it means to :func:`lrp_ref.explain`.
        quantile: q, from 0 to 1.
        batch: samples at a time, where ``x`` is an array.
        samples: N; needed of batches that can be read once only. Others are counted.
        canonize: as of :func:`lrp_ref.explain`.
        progress: is called after each batch with the samples done, and N.

    Returns:
        (U,), in the unit and dtype of the activation; float64 where that is whole numbers.

    Raises:
        ParameterError: no such value, a quantile out of its range, no samples, or batches that cannot be counted.
        NonFiniteError: NaN or infinity in an activation.

    Source: Bau et al. 2017, "Network dissection", §2.2 (q = 0.995).

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("units", lrp.layers.Affine(np.array([1.0, -1.0]), None))])
        >>> lrp.units.thresholds(net, np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 4.0]]), at="units", quantile=0.75)
        array([ 1.5, -0.5])
    """
    n = counted(x) if samples is None else samples
    data = DataSet(net, x, at, batch, canonize, n)
    return exact_thresholds(data, quantile, lambda done: None if progress is None else progress(done, n))


def exact_thresholds(data: DataSet, quantile: float, told: Callable[[int], object]) -> Host:
    """Return the quantile of each unit of a value on a data set; ``told`` is called with the samples done."""
    require_quantile(quantile)
    if not data.samples:
        raise ParameterError("the data set has no samples: give x (N, ...), or an iterable of batches")
    found: Largest | None = None
    for first, maps in data.maps():
        if found is None:
            found = Largest(quantile, data.samples * math.prod(maps.shape[2:]))
            if not maps.size:
                raise ShapeError(f"'{data.at}' is {maps.shape[1:]} for each sample: it has no units, or no positions")
        found = found.and_also(np.moveaxis(maps, 1, 0).reshape(maps.shape[1], -1))
        told(first + len(maps))
    assert found is not None
    return found.threshold


def require_quantile(quantile: float) -> float:
    """Return a quantile as a float, or raise where it is none."""
    if not 0 <= real("quantile", quantile) <= 1:
        raise ParameterError(f"quantile is {quantile!r}: give a part of the numbers, from 0 to 1, such as 0.995")
    return float(quantile)


def counted(x: Any) -> int:
    """Return how many samples a data set has; batches are gone through for that.

    Raises:
        ParameterError: batches that can be read once only.
    """
    if is_whole(x):
        return length(x)
    require_again(
        x, "say how many samples there are, samples=N, or give batches that can be read again, such as a list"
    )
    return sum(length(few) for few in x)
