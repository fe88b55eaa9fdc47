"""Activations that are cut at thresholds: shrinkage, thresholded ReLU, and bounds of each element's own.

Relevance passes unchanged: R_i = R_j.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, channelwise, fits, namespace, to_numpy
from ..errors import ParameterError, ShapeError
from .base import Elementwise
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class Shrink(Elementwise):
    """y = x + bias for x < −threshold, x − bias for x > threshold, 0 between.

    Hard shrinkage has bias 0, soft shrinkage bias = threshold. At a threshold the derivative is 0.

    Args:
        threshold: at least 0.
        bias: what is taken from the size of x.

    Example:
        >>> import numpy as np
        >>> Shrink(1.0, bias=1.0).forward(np.array([[-3.0, 0.5, 2.0]]))
        array([[-2.,  0.,  1.]])
    """

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    threshold: Any = 0.5
    bias: Any = 0

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise ParameterError(f"Shrink: threshold must be ≥ 0, got {self.threshold}")

    @property
    def kinks(self) -> tuple[float, ...]:
        """The thresholds."""
        return tuple(sorted({-float(self.threshold), float(self.threshold)}))

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and self.bias <= self.threshold

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        xp, bias, zero = namespace(x), scalar(self.bias, x), scalar(0, x)
        low, high = self._outside(x)
        return xp.where(high, x - bias, xp.where(low, x + bias, zero)).astype(x.dtype)

    def slope(self, x: Array) -> Array:
        """Return 1 beyond the thresholds, else 0."""
        xp, one, zero = namespace(x), scalar(1, x), scalar(0, x)
        low, high = self._outside(x)
        return xp.where(high, one, xp.where(low, one, zero)).astype(x.dtype)

    def _outside(self, x: Array) -> tuple[Array, Array]:
        threshold = scalar(self.threshold, x)
        return x < -threshold, x > threshold


@dataclass(frozen=True, eq=False, repr=False)
class ThresholdedReLU(Elementwise):
    """y = x for x > alpha, else 0. At alpha the derivative is 0.

    Args:
        alpha: the threshold.

    Source: Konda et al. 2014.
    """

    promises: ClassVar[Promises] = Promises(cheap=True, tells_sign=True)

    alpha: Any = 1

    @property
    def kinks(self) -> tuple[float, ...]:
        """alpha."""
        return (float(self.alpha),)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.alpha >= 0 or all(inputs)

    def vanishes(self, above: bool) -> bool:
        return above and self.alpha >= 0

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return namespace(x).where(x > scalar(self.alpha, x), x, scalar(0, x)).astype(x.dtype)

    def slope(self, x: Array) -> Array:
        """Return 1 for x > alpha, else 0."""
        return namespace(x).where(x > scalar(self.alpha, x), scalar(1, x), scalar(0, x)).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class Bounds(Elementwise):
    """y = min(max(x, low), high) with bounds for each channel or element: Clip for what is not one number.

    Args:
        low, high: (C,) per channel, or a shape that broadcasts to the sample's shape; None leaves a side open.

    Raises:
        ShapeError: bounds that do not fit the input.

    Example:
        >>> import numpy as np
        >>> Bounds(low=np.array([0.0, 1.0])).forward(np.array([[-1.0, 0.5]]))
        array([[0., 1.]])
    """

    low: Array | None = None
    high: Array | None = None

    def _bound(self, bound: Array, x: Array) -> Array:
        fitted = channelwise(bound, x)
        if not fits(fitted.shape, x.shape):
            raise ShapeError(f"Bounds: a bound of shape {bound.shape} does not fit an input of shape {x.shape}")
        return fitted

    @property
    def kinks(self) -> tuple[float, ...]:
        """Every bound of any element."""
        bounds = [b for b in (self.low, self.high) if b is not None]
        return tuple(sorted({float(v) for b in bounds for v in to_numpy(b).reshape(-1).tolist()}))

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        xp = namespace(x)
        y = x if self.low is None else xp.maximum(x, self._bound(self.low, x))
        return y if self.high is None else xp.minimum(y, self._bound(self.high, x))

    def slope(self, x: Array) -> Array:
        """Return 1 strictly between the bounds, else 0."""
        xp, zero = namespace(x), scalar(0, x)
        slope = xp.ones(x.shape, dtype=x.dtype)
        if self.low is not None:
            slope = xp.where(x > self._bound(self.low, x), slope, zero)
        if self.high is not None:
            slope = xp.where(x < self._bound(self.high, x), slope, zero)
        return slope.astype(x.dtype)
