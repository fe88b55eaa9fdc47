"""Activations: y_i = f(x_i), each with its derivative. Relevance passes unchanged: R_i = R_j.

At a kink the derivative is that of the left side for ReLU and its kin (f'(0) = 0, as in every framework), that of the
piece outside the bounds where something is clipped, and 0 for Abs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, Namespace, channelwise, namespace, only
from ..base.functions import erf, sigmoid
from ..errors import ParameterError
from ..fast import buffers
from .base import Elementwise
from .promises import Promises


def _choose(xp: Namespace, mask: Array, yes: Any, no: Any, like: Array) -> Array:
    """Return ``where(mask, yes, no)`` in the dtype of ``like``."""
    return xp.where(mask, yes, no).astype(like.dtype)


class Identity(Elementwise):
    """y = x (dropout in inference, casts between floats)."""

    promises = Promises(cheap=True, tells_sign=True)
    moves = True

    @property
    def keeps_channels(self) -> bool:
        """True."""
        return True

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return x."""
        (x,) = xs
        return x

    def slope(self, x: Array) -> Array:
        """Return 1."""
        return namespace(x).ones(x.shape, dtype=x.dtype)


class ReLU(Elementwise):
    """y = max(x, 0).

    Example:
        >>> import numpy as np
        >>> ReLU().forward(np.array([[-1.0, 2.0]]))
        array([[0., 2.]])
        >>> ReLU().relevance_backward(np.array([[-1.0, 2.0]]), np.array([[3.0, 4.0]]))
        array([[3., 4.]])
    """

    promises = Promises(stays_finite=True, writes_over=True, cheap=True, rectifies=True, tells_sign=True)

    @property
    def kinks(self) -> tuple[float, ...]:
        """0."""
        return (0.0,)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def vanishes(self, above: bool) -> bool:
        return above

    def forward(self, *xs: Array) -> Array:
        """Return max(x, 0)."""
        (x,) = xs
        return buffers.computed(namespace(x).maximum, x, scalar(0, x))

    def forward_over(self, x: Array) -> None:
        """Write max(x, 0) over x."""
        namespace(x).maximum(x, scalar(0, x), out=x)

    def slope(self, x: Array) -> Array:
        """Return 1 for x > 0, else 0."""
        return _choose(namespace(x), x > 0, scalar(1, x), scalar(0, x), x)

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return g for x > 0, else 0."""
        (x,) = xs
        return (only(g, x > 0),)


@dataclass(frozen=True, eq=False, repr=False)
class LeakyReLU(Elementwise):
    """y = x for x > 0, alpha x otherwise.

    Args:
        alpha: slope for x ≤ 0: a number, or one per channel (PReLU) as an array (C,).
    """

    promises: ClassVar[Promises] = Promises(cheap=True)

    alpha: Any = 0.01

    @property
    def kinks(self) -> tuple[float, ...]:
        """0."""
        return (0.0,)

    def _alpha(self, x: Array) -> Array:
        return channelwise(self.alpha, x) if hasattr(self.alpha, "shape") else scalar(self.alpha, x)

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return _choose(namespace(x), x > 0, x, self._alpha(x) * x, x)

    def slope(self, x: Array) -> Array:
        """Return 1 or alpha."""
        return _choose(namespace(x), x > 0, scalar(1, x), self._alpha(x), x)


@dataclass(frozen=True, eq=False, repr=False)
class ELU(Elementwise):
    """y = scale·x for x > 0, scale·alpha (exp(x) − 1) otherwise.

    Args:
        alpha: saturation for x → −∞.
        scale: common factor.
    """

    alpha: float = 1.0
    scale: float = 1.0

    @property
    def kinks(self) -> tuple[float, ...]:
        """0."""
        return (0.0,)

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "exp")
        xp = namespace(x)
        return self.scale * _choose(xp, x > 0, x, self.alpha * xp.expm1(xp.minimum(x, 0.0)), x)

    def slope(self, x: Array) -> Array:
        """Return scale, or scale·alpha·exp(x)."""
        no_exact_value(x, "exp")
        xp = namespace(x)
        return self.scale * _choose(xp, x > 0, 1.0, self.alpha * xp.exp(xp.minimum(x, 0.0)), x)


@dataclass(frozen=True, eq=False, repr=False)
class SELU(ELU):
    """ELU with the constants of Klambauer et al. 2017."""

    alpha: float = 1.6732632423543772
    scale: float = 1.0507009873554805


@dataclass(frozen=True, eq=False, repr=False)
class GELU(Elementwise):
    """y = x Φ(x) with the normal distribution function Φ, or its tanh approximation.

    Args:
        approximate: "none" (erf) or "tanh".
    """

    approximate: str = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise ParameterError(f"GELU: approximate must be 'none' or 'tanh', got {self.approximate!r}")

    def _gate(self, x: Array) -> Array:
        if self.approximate == "none":
            return 0.5 * (1 + erf(x / math.sqrt(2)))
        no_exact_value(x, "tanh")
        return 0.5 * (1 + namespace(x).tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return (x * self._gate(x)).astype(x.dtype)

    def slope(self, x: Array) -> Array:
        """Return Φ(x) + x φ(x), or the derivative of the approximation."""
        gate = self._gate(x)
        if self.approximate == "none":
            density = namespace(x).exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            return (gate + x * density).astype(x.dtype)
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return gate + 2 * x * gate * (1 - gate) * inner


class Sigmoid(Elementwise):
    """y = 1/(1 + exp(−x))."""

    promises = Promises(tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return sigmoid(x)

    def slope(self, x: Array) -> Array:
        """Return y (1 − y)."""
        y = sigmoid(x)
        return y * (1 - y)


class SiLU(Elementwise):
    """y = x·sigmoid(x)."""

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return x * sigmoid(x)

    def slope(self, x: Array) -> Array:
        """Return s + x s (1 − s)."""
        s = sigmoid(x)
        return s + x * s * (1 - s)


class Tanh(Elementwise):
    """y = tanh(x)."""

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "tanh")
        return namespace(x).tanh(x)

    def slope(self, x: Array) -> Array:
        """Return 1 − y²."""
        y = self.forward(x)
        return 1 - y * y


@dataclass(frozen=True, eq=False, repr=False)
class Softplus(Elementwise):
    """y = log(1 + exp(beta x))/beta."""

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    beta: float = 1.0

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "log")
        xp = namespace(x)
        scaled = self.beta * x
        return (xp.maximum(scaled, 0.0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / self.beta

    def slope(self, x: Array) -> Array:
        """Return sigmoid(beta x)."""
        return sigmoid(self.beta * x)


@dataclass(frozen=True, eq=False, repr=False)
class Clip(Elementwise):
    """y = min(max(x, low), high); ReLU6 is ``Clip(0, 6)``. None leaves a side open."""

    promises: ClassVar[Promises] = Promises(cheap=True, tells_sign=True)

    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(f"Clip: low {self.low} is above high {self.high}")

    @property
    def open_between(self) -> tuple[Any, Any]:
        """The bounds."""
        return self.low, self.high

    @property
    def kinks(self) -> tuple[float, ...]:
        """The bounds that there are.

        Example:
            >>> Clip(0, 6).kinks, Clip(high=1).kinks
            ((0.0, 6.0), (1.0,))
        """
        return tuple(float(v) for v in (self.low, self.high) if v is not None)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return (self.low is not None and self.low >= 0) or ((self.high is None or self.high >= 0) and all(inputs))

    def vanishes(self, above: bool) -> bool:
        return self.low == 0 and above

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        xp = namespace(x)
        y = x if self.low is None else xp.maximum(x, scalar(self.low, x))
        return y if self.high is None else xp.minimum(y, scalar(self.high, x))

    def slope(self, x: Array) -> Array:
        """Return 1 strictly between the bounds, else 0."""
        return self.pull((x,), namespace(x).ones(x.shape, dtype=x.dtype))[0]

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return g strictly between the bounds, else 0."""
        (x,) = xs
        above = None if self.low is None else x > scalar(self.low, x)
        below = None if self.high is None else x < scalar(self.high, x)
        if above is None or below is None:
            mask = below if above is None else above
            return (g if mask is None else only(g, mask),)
        return (only(g, namespace(x).logical_and(above, below)),)


@dataclass(frozen=True, eq=False, repr=False)
class HardSigmoid(Elementwise):
    """y = min(max(alpha x + beta, 0), 1). PyTorch: alpha 1/6, beta 1/2; ONNX's and Keras' default: 0.2, 0.5."""

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    alpha: Any = 1 / 6
    beta: Any = 0.5

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return Clip(0, 1).forward(scalar(self.alpha, x) * x + scalar(self.beta, x))

    def slope(self, x: Array) -> Array:
        """Return alpha between the kinks, else 0."""
        return scalar(self.alpha, x) * Clip(0, 1).slope(scalar(self.alpha, x) * x + scalar(self.beta, x))


class HardSwish(Elementwise):
    """y = x·min(max(x/6 + 1/2, 0), 1)."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """-3 and 3."""
        return (-3.0, 3.0)

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return x * Clip(0, 1).forward((x + scalar(3, x)) / scalar(6, x))

    def slope(self, x: Array) -> Array:
        """Return gate + x gate'."""
        inner = (x + scalar(3, x)) / scalar(6, x)
        return Clip(0, 1).forward(inner) + x * Clip(0, 1).slope(inner) / scalar(6, x)


@dataclass(frozen=True, eq=False, repr=False)
class HardTanh(Clip):
    """y = min(max(x, −1), 1)."""

    low: Any = -1
    high: Any = 1


class Abs(Elementwise):
    """y = abs(x)."""

    promises = Promises(tells_sign=True)

    @property
    def kinks(self) -> tuple[float, ...]:
        """0."""
        return (0.0,)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return namespace(x).abs(x)

    def slope(self, x: Array) -> Array:
        """Return the sign, 0 at 0."""
        xp, one, zero = namespace(x), scalar(1, x), scalar(0, x)
        return _choose(xp, x > 0, one, zero, x) - _choose(xp, x < 0, one, zero, x)


@dataclass(frozen=True, eq=False, repr=False)
class Power(Elementwise):
    """y = x^exponent (squares and square roots in signal models).

    Args:
        exponent: a number; 0.5 is computed as a square root. Or an array: (C,) per channel, or a shape that broadcasts
            to the sample's shape.
    """

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    exponent: Any = 2

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return not self._several and self.exponent in (2, 0.5)

    @property
    def _several(self) -> bool:
        return hasattr(self.exponent, "shape")

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        if self._several:
            no_exact_value(x, "a power")
            return x ** channelwise(self.exponent, x)
        if self.exponent == 2:
            return x * x
        no_exact_value(x, "a power")
        return namespace(x).sqrt(x) if self.exponent == 0.5 else x**self.exponent

    def slope(self, x: Array) -> Array:
        """Return exponent·x^(exponent − 1)."""
        if self._several:
            no_exact_value(x, "a power")
            exponent = channelwise(self.exponent, x)
            return exponent * x ** (exponent - 1)
        if self.exponent == 2:
            return scalar(2, x) * x
        no_exact_value(x, "a power")
        return self.exponent * x ** (self.exponent - 1)


class Exp(Elementwise):
    """y = exp(x)."""

    promises = Promises(tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "exp")
        return namespace(x).exp(x)

    def slope(self, x: Array) -> Array:
        """Return exp(x)."""
        return self.forward(x)


class Log(Elementwise):
    """y = log(x)."""

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        no_exact_value(x, "log")
        return namespace(x).log(x)

    def slope(self, x: Array) -> Array:
        """Return 1/x."""
        return 1 / x
