"""From balls to floats with rigorous bounds: every rounding goes outwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..errors import require

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Floats that certainly lie within ``radius`` of the true values.

    Attributes:
        midpoint: the true values rounded to float64, same shape; 0 where the ball holds 0.
        radius: upper bounds of abs(true value − midpoint), the rounding of the midpoint included.
        own: the radii of the balls themselves, without that rounding.
        zero: where the true value is certainly 0.
    """

    midpoint: Floats
    radius: Floats
    own: Floats
    zero: NDArray[np.bool_]

    @property
    def scale(self) -> Floats:
        """The largest abs(midpoint) of each sample (N, 1, ...)."""
        axes = tuple(range(1, self.midpoint.ndim))
        largest: Floats = np.abs(self.midpoint).max(axis=axes, keepdims=True, initial=0.0)
        return largest

    @property
    def ulp(self) -> Floats:
        """The distance of neighbouring float64 at the largest value of each sample (N, 1, ...)."""
        return np.spacing(self.scale)

    @property
    def loose(self) -> NDArray[np.bool_]:
        """Where the ball is wider than a float64 ulp of its value and no noise beside the sample's largest value."""
        return (self.own > np.spacing(np.abs(self.midpoint))) & (self.own > self.ulp * 2.0**-53)


def up(value: Any) -> float:
    """Return a float that is not below an exact non-negative ``flint.arb``."""
    if value.is_zero():
        return 0.0
    rounded = float(value)
    return math.inf if math.isnan(rounded) else math.nextafter(rounded, math.inf)


def balls(exact: Array) -> list[Any]:
    """Return the ``flint.arb`` of every element of an object array; zeros that nothing computed are plain integers."""
    arb = require("flint", extra="exact", purpose="enclose exact numbers").arb
    return [arb(v) if isinstance(v, int) else v.value for v in exact.flat]


def enclose(exact: Array) -> Enclosure:
    """Return the float enclosure of an object array whose elements have a ball ``value``."""
    shape = exact.shape
    values = balls(exact)
    middle = [0.0 if v.contains(0) else float(v.mid()) for v in values]
    radius = [up((v - m).abs_upper()) for v, m in zip(values, middle, strict=True)]
    own = [up(v.rad()) for v in values]
    zero = [getattr(e, "residue", None) == 0 or bool(v.is_zero()) for e, v in zip(exact.flat, values, strict=True)]
    floats = [np.array(part, dtype=np.float64).reshape(shape) for part in (middle, radius, own)]
    return Enclosure(floats[0], floats[1], floats[2], np.array(zero, dtype=bool).reshape(shape))


def distance(exact: Array, floats: Floats) -> Floats:
    """Return upper bounds of abs(float − true value), same shape."""
    found = [up((v - f).abs_upper()) for v, f in zip(balls(exact), floats.ravel().tolist(), strict=True)]
    return np.array(found, dtype=np.float64).reshape(exact.shape)
