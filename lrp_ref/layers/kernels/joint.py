"""Kernels that are no sums over features: k(x, v) of two points as a whole, and their gradients, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from ...arithmetic import no_exact_value, scalar
from ...base.arrays import Array, namespace
from ...base.functions import length
from ...fast.blocks import tiles
from ...fast.quotient import divide
from .features import DISTANCES, Paired


@dataclass(frozen=True)
class Joint:
    """A kernel of two points.

    Class attributes:
        takes: which of the parameters it has.
        positive: whether it is defined for numbers ≥ 0 only.
        formula: as text.
    """

    takes: ClassVar[tuple[str, ...]] = ("gamma",)
    positive: ClassVar[bool] = False
    formula: ClassVar[str] = ""

    gamma: Any = None
    degree: Any = 3
    coef0: Any = 0

    def values(self, x: Array, v: Array) -> Array:
        """Return k(x_n, v_s) (n, s) for points (n, D), (s, D)."""
        raise NotImplementedError

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return Σ_s w_ns ∂k(x_n, v_s)/∂x_n (n, D) for weights (n, s)."""
        raise NotImplementedError


def squared_distances(x: Array, v: Array) -> Array:
    """Return ‖x_n − v_s‖² (n, s) of points (n, D), (s, D).

    Floats are multiplied out around the mean of the v, so that no more digits cancel than the points are spread.
    """
    xp = namespace(x, v)
    if x.dtype == object:
        apart = x.reshape(len(x), 1, x.shape[1]) - v.reshape(1, len(v), v.shape[1])
        return (apart * apart).sum(axis=2)
    middle = v.mean(axis=0)
    x, v = x - middle, v - middle
    squares = (x * x).sum(axis=1).reshape(-1, 1) + (v * v).sum(axis=1)
    return xp.maximum(squares - scalar(2, x) * (x @ v.T), scalar(0, x)).astype(x.dtype)


class Rbf(Joint):
    """exp(−γ‖x − v‖²)."""

    formula = "exp(−γ‖x − v‖²)"

    def values(self, x: Array, v: Array) -> Array:
        """Return the kernel's values."""
        no_exact_value(x, "exp")
        return namespace(x).exp(scalar(-self.gamma, x) * squared_distances(x, v))

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return −2γ Σ w k (x − v)."""
        powers = weights * self.values(x, v)
        return scalar(-2 * self.gamma, x) * (x * powers.sum(axis=1).reshape(-1, 1) - powers @ v)


class Poly(Joint):
    """(γ x·v + c)^d; exact on rationals for a whole d."""

    takes = ("gamma", "degree", "coef0")
    formula = "(γ x·v + c₀)^d"

    def _base(self, x: Array, v: Array) -> Array:
        return scalar(self.gamma, x) * (x @ v.T) + scalar(self.coef0, x)

    def _power(self, base: Array, exponent: Any) -> Array:
        if exponent == int(exponent):
            return base ** int(exponent)
        no_exact_value(base, f"the power {exponent}")
        return namespace(base).exp(scalar(exponent, base) * namespace(base).log(base))

    def values(self, x: Array, v: Array) -> Array:
        """Return the kernel's values."""
        return self._power(self._base(x, v), self.degree)

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return γ d Σ w (γ x·v + c)^(d−1) v."""
        if self.degree == 0:
            return namespace(x).zeros(x.shape, dtype=x.dtype)
        slope = weights * self._power(self._base(x, v), self.degree - 1)
        return scalar(self.gamma, x) * scalar(self.degree, x) * (slope @ v)


class Sigmoid(Joint):
    """tanh(γ x·v + c)."""

    takes = ("gamma", "coef0")
    formula = "tanh(γ x·v + c₀)"

    def values(self, x: Array, v: Array) -> Array:
        """Return the kernel's values."""
        no_exact_value(x, "tanh")
        return namespace(x).tanh(scalar(self.gamma, x) * (x @ v.T) + scalar(self.coef0, x))

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return γ Σ w (1 − tanh²) v."""
        tanh = self.values(x, v)
        return scalar(self.gamma, x) * ((weights * (scalar(1, x) - tanh * tanh)) @ v)


class Cosine(Joint):
    """x·v/(‖x‖‖v‖), 0 where one of them is 0."""

    takes = ()
    formula = "x·v / (‖x‖‖v‖)"

    def values(self, x: Array, v: Array) -> Array:
        """Return the kernel's values."""
        return length(x)[1] @ length(v)[1].T

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return Σ w (v/‖v‖ − k x/‖x‖)/‖x‖; 0 at x = 0."""
        (size, unit), other = length(x), length(v)[1]
        along = (weights * (unit @ other.T)).sum(axis=1).reshape(-1, 1)
        rest = weights @ other - along * unit
        return divide(rest, namespace(x).broadcast_to(size, x.shape), namespace(x))[0]


class _Exponential(Joint):
    """exp(−γ Σ_i δ(x_i, v_i)), a tile of pairs at a time."""

    distance: ClassVar[Paired]

    def _pairs(self, x: Array, v: Array) -> Iterator[tuple[slice, slice, Array, Array]]:
        for rows, some in tiles(len(x), len(v), x.dtype.itemsize * max(x.shape[1], 1), namespace(x)):
            here, there = x[rows], v[some]
            yield rows, some, here.reshape(len(here), 1, x.shape[1]), there.reshape(1, len(there), x.shape[1])

    def values(self, x: Array, v: Array) -> Array:
        """Return the kernel's values."""
        no_exact_value(x, "exp")
        far = namespace(x, v).zeros((len(x), len(v)), dtype=x.dtype)
        for rows, some, here, there in self._pairs(x, v):
            far[rows, some] = self.distance.value(here, there).sum(axis=2)
        return namespace(x).exp(scalar(-self.gamma, x) * far)

    def gradient(self, x: Array, v: Array, weights: Array) -> Array:
        """Return −γ Σ w k ∂δ/∂x."""
        powers = weights * self.values(x, v)
        total = namespace(x, v).zeros(x.shape, dtype=x.dtype)
        for rows, some, here, there in self._pairs(x, v):
            part = powers[rows, some]
            slopes = part.reshape(len(part), 1, part.shape[1]) @ self.distance.slope(here, there)
            total[rows] = total[rows] + slopes.reshape(len(part), x.shape[1])
        return scalar(-self.gamma, x) * total


class Chi2Rbf(_Exponential):
    """exp(−γ Σ_i (x_i − v_i)²/(x_i + v_i)), 0/0 := 0: scikit-learn's ``chi2_kernel``."""

    positive = True
    formula = "exp(−γ Σ_i (x_i − v_i)²/(x_i + v_i))"
    distance = DISTANCES["chi2"]


class Laplacian(_Exponential):
    """exp(−γ Σ_i |x_i − v_i|); its slope at x_i = v_i is taken as 0."""

    formula = "exp(−γ Σ_i |x_i − v_i|)"
    distance = DISTANCES["absolute"]


JOINT: dict[str, type[Joint]] = {
    "rbf": Rbf,
    "poly": Poly,
    "sigmoid": Sigmoid,
    "chi2_rbf": Chi2Rbf,
    "laplacian": Laplacian,
    "cosine": Cosine,
}
