"""Kernels and distances that are sums over features: k(x, v) = Σ_i k_i(x_i, v_i), by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...arithmetic import no_exact_value, scalar
from ...base.arrays import Array, namespace
from ...fast.quotient import divide


@dataclass(frozen=True)
class Mapped:
    """k_i(x, v) = φ(x) φ(v): a product once the feature map φ is taken of both.

    Attributes:
        map, slope: φ and its derivative, elementwise.
        positive: whether it is defined for numbers ≥ 0 only.
    """

    map: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    positive: bool = False


@dataclass(frozen=True)
class Paired:
    """k_i(x, v) of two numbers; arrays of both broadcast against each other.

    Attributes:
        value, slope: k_i and ∂k_i/∂x.
        positive: whether it is defined for numbers ≥ 0 only.
    """

    value: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    positive: bool = False


def _root(x: Array) -> Array:
    no_exact_value(x, "the square root")
    return namespace(x).sqrt(x)


def _root_slope(x: Array) -> Array:
    """Return 1/(2√x); at 0, where the slope is infinite, 0."""
    return divide(scalar(1, x), scalar(2, x) * _root(x), namespace(x))[0]


def _signed_root(x: Array) -> Array:
    root = _root(abs(x))
    return namespace(x).where(x < scalar(0, x), -root, root)


def _smaller(x: Array, v: Array) -> Array:
    return namespace(x, v).minimum(x, v)


def _steps(x: Array, v: Array, below: float, at: float, above: float) -> Array:
    """Return a number for x < v, one for x = v and one for x > v."""
    xp = namespace(x, v)
    here = xp.where(x == v, scalar(at, x), scalar(above, x))
    return xp.where(x < v, scalar(below, x), here).astype(x.dtype)


def _harmonic(x: Array, v: Array) -> Array:
    """Return 2xv/(x + v), 0/0 := 0, without a product that may be too small or too large for a float."""
    part, _ = divide(v, x + v, namespace(x, v))
    return scalar(2, x) * x * part


def _harmonic_slope(x: Array, v: Array) -> Array:
    part, _ = divide(v, x + v, namespace(x, v))
    return scalar(2, x) * part * part


def _chi2(x: Array, v: Array) -> Array:
    """Return (x − v)²/(x + v), 0/0 := 0, without a square that may be too small or too large for a float."""
    part, _ = divide(x - v, x + v, namespace(x, v))
    return (x - v) * part


def _chi2_slope(x: Array, v: Array) -> Array:
    """Return (x − v)(x + 3v)/(x + v)²."""
    part, _ = divide(x - v, x + v, namespace(x, v))
    rest, _ = divide(x + scalar(3, x) * v, x + v, namespace(x, v))
    return part * rest


# Where a smaller one is the other, the derivative is taken half way between those on either side, as frameworks do.
KERNELS: dict[str, Mapped | Paired] = {
    "linear": Mapped(lambda x: x, lambda x: namespace(x).ones(x.shape, dtype=x.dtype) * scalar(1, x)),
    "intersection": Paired(_smaller, lambda x, v: _steps(x, v, 1, 0.5, 0), positive=True),
    "hellinger": Mapped(_root, _root_slope, positive=True),
    "signed_hellinger": Mapped(_signed_root, lambda x: _root_slope(abs(x))),
    "chi2": Paired(_harmonic, _harmonic_slope, positive=True),
    "additive_chi2": Paired(lambda x, v: -_chi2(x, v), lambda x, v: -_chi2_slope(x, v), positive=True),
}
DISTANCES: dict[str, Paired] = {
    "absolute": Paired(lambda x, v: abs(x - v), lambda x, v: _steps(x, v, -1, 0, 1)),
    "chi2": Paired(_chi2, _chi2_slope, positive=True),
}
