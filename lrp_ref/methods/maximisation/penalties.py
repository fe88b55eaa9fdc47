"""What an input that maximises a score is kept from: large numbers, and neighbours that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...arithmetic import scalar
from ...base.arrays import Array, namespace, sample_sum
from ...base.frozen import Value
from ...errors import ParameterError, ShapeError


class Penalty(Value):
    """Base of the penalties P that are taken from the score: a number per sample, and its derivative."""

    shows_defaults = True

    def value(self, x: Array) -> Array:
        """Return P of every sample (N,)."""
        raise NotImplementedError

    def gradient(self, x: Array) -> Array:
        """Return ∂P/∂x, of the shape of x."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class L2(Penalty):
    """P = λ Σ_i x_i².

    Args:
        weight: λ, at least 0.

    Raises:
        ParameterError: a weight below 0.

    Source: Simonyan et al. 2014, §2.

    Example:
        >>> import numpy as np
        >>> L2(0.5).value(np.array([[3.0, 4.0]])), L2(0.5).gradient(np.array([[3.0, 4.0]]))
        (array([12.5]), array([[3., 4.]]))
    """

    weight: float = 0.01

    def __post_init__(self) -> None:
        _require_weight(self, self.weight)

    def value(self, x: Array) -> Array:
        return scalar(self.weight, x) * sample_sum(x * x)

    def gradient(self, x: Array) -> Array:
        return scalar(2 * self.weight, x) * x


@dataclass(frozen=True, eq=False, repr=False)
class TotalVariation(Penalty):
    """P = λ Σ |x_i − x_j|^p over neighbours i, j along each spatial axis, of every channel by itself.

    Args:
        weight: λ, at least 0.
        power: p, 2 or 1; of equal neighbours the derivative for 1 is taken as 0.

    Raises:
        ParameterError: a weight below 0, another power.
        ShapeError: an input without spatial axes.

    Source: Mahendran & Vedaldi 2015 (with p as its β, of which each axis has its own term here).

    Example:
        >>> import numpy as np
        >>> TotalVariation(1.0).value(np.array([[[1.0, 3.0, 2.0]]]))
        array([5.])
        >>> TotalVariation(1.0).gradient(np.array([[[1.0, 3.0, 2.0]]]))
        array([[[-4.,  6., -2.]]])
    """

    weight: float = 0.05
    power: int = 2

    def __post_init__(self) -> None:
        _require_weight(self, self.weight)
        if self.power not in (1, 2):
            raise ParameterError(f"TotalVariation: power must be 1 or 2, got {self.power!r}")

    def value(self, x: Array) -> Array:
        total: Any = scalar(0, x)
        for upper, lower in _neighbours(x):
            difference = x[upper] - x[lower]
            total = total + sample_sum(difference * difference if self.power == 2 else abs(difference))
        return scalar(self.weight, x) * total

    def gradient(self, x: Array) -> Array:
        xp, found = namespace(x), namespace(x).zeros(x.shape, dtype=x.dtype)
        if x.dtype == object:
            found = found + scalar(0, x)
        one, zero = scalar(1, x), scalar(0, x)
        for upper, lower in _neighbours(x):
            difference = x[upper] - x[lower]
            sign = xp.where(difference > zero, one, xp.where(difference < zero, -one, zero)).astype(x.dtype)
            slope = scalar(2, x) * difference if self.power == 2 else sign
            found[upper] += slope
            found[lower] -= slope
        return scalar(self.weight, x) * found


def _neighbours(x: Array) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Return the slices of the upper and the lower of two neighbours along each spatial axis."""
    if x.ndim < 3:
        raise ShapeError(f"TotalVariation: an input of shape {x.shape} has no spatial axis; expected (N, C, size, ...)")
    every = slice(None)
    return [((every,) * axis + (slice(1, None),), (every,) * axis + (slice(None, -1),)) for axis in range(2, x.ndim)]


def _require_weight(penalty: Penalty, weight: Any) -> None:
    if not weight >= 0:
        raise ParameterError(f"{type(penalty).__name__}: weight must be ≥ 0, got {weight!r}")
