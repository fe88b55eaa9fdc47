"""What a rule does to inputs, weights and biases, and how it stabilises a denominator: frozen, printable values.

Names follow the formulas: ``w⁺ = max(w, 0)``, ``w⁻ = min(w, 0)``, ``sgn(0) = sgn(-0.0) = +1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..arithmetic import Adjustable, no_exact_value, scalar
from ..base.arrays import Array, channelwise, fits, namespace, none_negative, sample_sum, with_sign
from ..base.frozen import Value, frozen, real
from ..errors import ParameterError, ShapeError


@dataclass(frozen=True)
class Edit:
    """An elementwise change of inputs, weights or biases.

    Attributes:
        name: how the edit is called in a repr: keep, pos, neg, zero, ones, square.
        pattern: how it prints in a formula, ``{}`` standing for the edited symbol.
    """

    name: str
    pattern: str

    def __call__(self, x: Array) -> Array:
        """Return the edited array, of the same shape, dtype and library."""
        return _FUNCTIONS[self.name](x)

    def number(self, value: Any) -> Any:
        """Return the edit of one Python number (the weight of a pooling layer)."""
        return _NUMBERS[self.name](value)

    def symbol(self, name: str) -> str:
        """Return the formula of the edited symbol, such as ``w_ij⁺``."""
        return self.pattern.format(name)

    def __repr__(self) -> str:
        return self.name


def _ones(x: Array) -> Array:
    ones = namespace(x).ones(x.shape, dtype=x.dtype)
    return ones * scalar(1, x) if x.dtype == object else ones  # Python's integers divide to floats


def _zeros(x: Array) -> Array:
    return namespace(x).zeros(x.shape, dtype=x.dtype)


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "keep": lambda x: x,
    "pos": lambda x: namespace(x).maximum(x, scalar(0, x)),
    "neg": lambda x: namespace(x).minimum(x, scalar(0, x)),
    "zero": _zeros,
    "ones": _ones,
    "square": lambda x: x * x,
}

_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "keep": lambda v: v,
    "pos": lambda v: max(v, 0),
    "neg": lambda v: min(v, 0),
    "zero": lambda v: 0,
    "ones": lambda v: 1,
    "square": lambda v: v * v,
}

KEEP = Edit("keep", "{}")
POS = Edit("pos", "{}⁺")
NEG = Edit("neg", "{}⁻")
ZERO = Edit("zero", "0")
ONES = Edit("ones", "1")
SQUARE = Edit("square", "{}²")


@dataclass(frozen=True, repr=False)
class Boost(Edit):
    """Favour one sign: x + γ x⁺ (part "pos") or x + γ x⁻ (part "neg").

    Example:
        >>> Boost(0.25, "pos").symbol("w_ij")
        '(w_ij + 0.25·w_ij⁺)'
    """

    name: str
    pattern: str
    gamma: Any
    part: Edit

    def __init__(self, gamma: Any, part: str) -> None:
        edit = {"pos": POS, "neg": NEG}[part]
        for key, value in (
            ("name", f"boost({gamma}, {part})"),
            ("pattern", f"({{0}} + {gamma}·{edit.pattern.replace('{}', '{0}')})"),
            ("gamma", gamma),
            ("part", edit),
        ):
            object.__setattr__(self, key, value)

    def __call__(self, x: Array) -> Array:
        return x + scalar(self.gamma, x) * self.part(x)

    def number(self, value: Any) -> Any:
        gamma = Fraction(self.gamma) if isinstance(value, Fraction) else self.gamma
        return value + gamma * self.part.number(value)


@dataclass(frozen=True, eq=False, repr=False)
class Const(Value):
    """Replace the inputs by a constant: a number, one per channel (1-D), or an array of the sample's shape."""

    value: Any
    label: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", frozen(self.value))

    def __call__(self, x: Array) -> Array:
        """Return the constant with the shape of ``x``."""
        if self.value is None:
            raise ParameterError(
                f"{self.label} of the z^B-rule is not known: give the rule its bounds, such as "
                "lrp.rules.ZBox(low=0.0, high=1.0)"
            )
        return namespace(x).broadcast_to(_fitting(self.value, self.label, x), x.shape)

    def symbol(self, name: str) -> str:
        """Return the constant's letter in the formula."""
        return self.label


@dataclass(frozen=True, eq=False, repr=False)
class Less(Value):
    """Take a constant off the inputs, x − c: a number, one per channel (1-D), or an array of the sample's shape.

    One run over x − c, not the difference of one over x and one over c: where x = c nothing is left, whatever the
    rounding of the two sums, and the layer is run once.
    """

    value: Any
    label: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", frozen(self.value))

    def __call__(self, x: Array) -> Array:
        """Return x − c, with the shape of ``x``."""
        return x - _fitting(self.value, self.label, x)

    def symbol(self, name: str) -> str:
        """Return the difference in the formula."""
        return f"({name} − {self.label})"


def _fitting(value: Any, label: str, x: Array) -> Array:
    """Return a constant so that it broadcasts against the inputs ``x``, or raise where it would enlarge them."""
    constant = channelwise(value, x)
    if not fits(constant.shape, x.shape):
        raise ShapeError(
            f"{label} of shape {constant.shape} does not fit inputs of shape {x.shape}: give a number, "
            "one per channel, or an array of the sample's shape"
        )
    return constant


@dataclass(frozen=True)
class Stabiliser:
    """How a denominator z is kept away from 0.

    Formula, with sgn(0) = +1 and the strength ε:

    =========  =================================================
    exact      z; a unit with z = 0 is dropped, and counted
    add        z + ε sgn(z)
    clip       sgn(z) max(\\|z\\|, ε)
    relative   z + ε sgn(z) sqrt(mean of z² over that sample)
    =========  =================================================

    Source: Bach et al. 2015 (add); the others are variants that implementations use.

    Example:
        >>> import numpy as np
        >>> add(0.1)(np.array([[1.0, -1.0, 0.0]]))
        array([[ 1.1, -1.1,  0.1]])
    """

    kind: str = "exact"
    epsilon: Any = 0

    def __post_init__(self) -> None:
        if self.kind not in ("exact", "add", "clip", "relative"):
            raise ParameterError(f"stabiliser '{self.kind}' is not known: use exact, add, clip or relative")
        object.__setattr__(self, "epsilon", real(f"stabiliser {self.kind}: epsilon", self.epsilon))
        if not self.epsilon >= 0:
            raise ParameterError(f"stabiliser {self.kind}: epsilon must be ≥ 0, got {self.epsilon}")

    @property
    def _nothing(self) -> bool:
        return self.kind == "exact" or self.epsilon == 0

    def never_zero(self, z: Array) -> bool:
        """Whether a stabilised denominator of the dtype of ``z`` cannot be 0; an ε that rounds to 0 is none."""
        if type(self.epsilon) is Adjustable:  # 0 may be fed
            return False
        return self.kind in ("add", "clip") and z.dtype.kind == "f" and bool(z.dtype.type(self.epsilon) > 0)

    def __call__(self, z: Array) -> Array:
        """Return the stabilised denominators, same shape as ``z`` (N, ...)."""
        offset = self.offset(z)
        return z if offset is None else z + offset

    def offset(self, z: Array) -> Array | None:
        """Return what is added to ``z``, same shape, or None where nothing is."""
        if self._nothing:
            return None
        xp = namespace(z)
        epsilon = scalar(self.epsilon, z)
        if self.kind == "add":
            return with_sign(epsilon, z)
        if self.kind == "clip":
            return xp.where(z < 0, xp.minimum(z, -epsilon), xp.maximum(z, epsilon)).astype(z.dtype) - z
        no_exact_value(z, "the root mean square")
        mean = sample_sum(z * z) / max(math.prod(z.shape[1:]), 1)
        size = epsilon * xp.sqrt(mean).reshape((z.shape[0],) + (1,) * (z.ndim - 1))
        return xp.where(z < 0, -size, size)

    def constant(self, z: Array) -> Any:
        """Return the number that is added to every z, or None where it may differ: ε if none of them is negative."""
        alike = self.kind == "add" and not self._nothing and none_negative(z)
        return z.dtype.type(self.epsilon) if alike else None

    def formula(self, z: str) -> str:
        """Return how the stabilised ``z`` prints."""
        if self._nothing:
            return z
        size = f"{self.epsilon}·RMS(z)" if self.kind == "relative" else f"{self.epsilon}"
        return f"{z} clipped to |z| ≥ {size}" if self.kind == "clip" else f"{z} + {size}·sgn(z_j)"

    def __repr__(self) -> str:
        return "exact" if self.kind == "exact" else f"{self.kind}({self.epsilon!r})"


EXACT = Stabiliser()


def add(epsilon: Any) -> Stabiliser:
    """Return the stabiliser z + ε sgn(z) of Bach et al. 2015."""
    return Stabiliser("add", epsilon)


def clip(epsilon: Any) -> Stabiliser:
    """Return the stabiliser sgn(z) max(abs(z), ε)."""
    return Stabiliser("clip", epsilon)


def relative(epsilon: Any) -> Stabiliser:
    """Return the stabiliser z + ε sgn(z) RMS(z), the RMS taken over each sample by itself."""
    return Stabiliser("relative", epsilon)
