"""Functions of every element, by name, and activations with a parameter that are no mere thresholds.

Relevance passes unchanged: R_i = R_j. So it does through sign, floor, ceil and round: their derivative is 0 nearly
everywhere, but their value depends on the input all the same, as that of every activation does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, Namespace, namespace
from ..base.functions import erf, sigmoid
from ..errors import ParameterError, unknown
from .base import Elementwise

Formula = Callable[[Namespace, Array], Array]


def _sign(xp: Namespace, x: Array) -> Array:
    one, zero = scalar(1, x), scalar(0, x)
    return (xp.where(x > 0, one, zero) - xp.where(x < 0, one, zero)).astype(x.dtype)


def _flat(xp: Namespace, x: Array) -> Array:
    return xp.zeros(x.shape, dtype=x.dtype)


def _minus_one(xp: Namespace, x: Array) -> Array:
    return xp.zeros(x.shape, dtype=x.dtype) - scalar(1, x)


def _steepness(xp: Namespace, x: Array) -> Array:
    return scalar(1, x) / (scalar(1, x) + xp.abs(x))


# name: (f, f'). Those of the second table have a value on rationals too.
SMOOTH: dict[str, tuple[Formula, Formula]] = {
    "sin": (lambda xp, x: xp.sin(x), lambda xp, x: xp.cos(x)),
    "cos": (lambda xp, x: xp.cos(x), lambda xp, x: -xp.sin(x)),
    "tan": (lambda xp, x: xp.tan(x), lambda xp, x: 1 + xp.tan(x) * xp.tan(x)),
    "asin": (lambda xp, x: xp.arcsin(x), lambda xp, x: 1 / xp.sqrt((1 - x) * (1 + x))),
    "acos": (lambda xp, x: xp.arccos(x), lambda xp, x: -1 / xp.sqrt((1 - x) * (1 + x))),
    "atan": (lambda xp, x: xp.arctan(x), lambda xp, x: 1 / (1 + x * x)),
    "sinh": (lambda xp, x: xp.sinh(x), lambda xp, x: xp.cosh(x)),
    "cosh": (lambda xp, x: xp.cosh(x), lambda xp, x: xp.sinh(x)),
    "asinh": (lambda xp, x: xp.arcsinh(x), lambda xp, x: 1 / xp.sqrt(1 + x * x)),
    "acosh": (lambda xp, x: xp.arccosh(x), lambda xp, x: 1 / xp.sqrt((x - 1) * (x + 1))),
    "atanh": (lambda xp, x: xp.arctanh(x), lambda xp, x: 1 / ((1 - x) * (1 + x))),
    "erf": (lambda xp, x: erf(x), lambda xp, x: 2 / math.sqrt(math.pi) * xp.exp(-x * x)),
    "floor": (lambda xp, x: xp.floor(x), _flat),
    "ceil": (lambda xp, x: xp.ceil(x), _flat),
    "round": (lambda xp, x: xp.rint(x), _flat),
}
RATIONAL: dict[str, tuple[Formula, Formula]] = {
    "negative": (lambda xp, x: -x, _minus_one),
    "sign": (_sign, _flat),
    "softsign": (lambda xp, x: x / (scalar(1, x) + xp.abs(x)), lambda xp, x: _steepness(xp, x) * _steepness(xp, x)),
}
FUNCTIONS = {**SMOOTH, **RATIONAL}


@dataclass(frozen=True, eq=False, repr=False)
class Function(Elementwise):
    """y = f(x) for a function that is called by its name.

    =============================  =================================================================
    sin cos tan asin acos atan     angles in radians
    sinh cosh … asinh acosh atanh  hyperbolic
    erf                            2/sqrt(π) ∫₀ˣ exp(−t²) dt
    softsign                       x/(1 + abs(x))
    negative                       −x
    sign                           −1, 0 or 1
    floor ceil round               to a whole number; round takes the even one of two that are as near
    =============================  =================================================================

    Args:
        name: one of these.

    Raises:
        ParameterError: another name.

    Example:
        >>> import numpy as np
        >>> Function("softsign").forward(np.array([[1.0, -3.0]]))
        array([[ 0.5 , -0.75]])
    """

    name: str = "sin"

    def __post_init__(self) -> None:
        if self.name not in FUNCTIONS:
            raise unknown("function", self.name, FUNCTIONS)

    @property
    def kinks(self) -> tuple[float, ...]:
        """0 for sign. Those that round jump at every whole number, or halfway between: none is said of them."""
        return (0.0,) if self.name == "sign" else ()

    def forward(self, *xs: Array) -> Array:
        """Return f(x)."""
        (x,) = xs
        if self.name in SMOOTH:
            no_exact_value(x, self.name)
        value: Array = FUNCTIONS[self.name][0](namespace(x), x)
        return value

    def slope(self, x: Array) -> Array:
        """Return f'(x); 0 for sign, floor, ceil and round."""
        if self.name in SMOOTH:
            no_exact_value(x, self.name)
        slope: Array = FUNCTIONS[self.name][1](namespace(x), x)
        return slope


@dataclass(frozen=True, eq=False, repr=False)
class CELU(Elementwise):
    """y = x for x > 0, alpha (exp(x/alpha) − 1) otherwise.

    Args:
        alpha: saturation for x → −∞, not 0.

    Source: Barron 2017.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ParameterError(f"CELU: alpha must be > 0, got {self.alpha}")

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "exp")
        xp = namespace(x)
        low = xp.minimum(x, scalar(0, x))
        return xp.maximum(x, scalar(0, x)) + self.alpha * xp.expm1(low / self.alpha)

    def slope(self, x: Array) -> Array:
        """Return 1, or exp(x/alpha)."""
        no_exact_value(x, "exp")
        xp = namespace(x)
        return xp.exp(xp.minimum(x, scalar(0, x)) / self.alpha)


@dataclass(frozen=True, eq=False, repr=False)
class Swish(Elementwise):
    """y = x·sigmoid(alpha x): SiLU with another steepness; with 1.702 the quick approximation of GELU.

    Args:
        alpha: steepness.

    Source: Ramachandran et al. 2017; Hendrycks & Gimpel 2016.
    """

    alpha: float = 1.0

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return x * sigmoid(self.alpha * x)

    def slope(self, x: Array) -> Array:
        """Return s + alpha x s (1 − s)."""
        s = sigmoid(self.alpha * x)
        return s + self.alpha * x * s * (1 - s)
