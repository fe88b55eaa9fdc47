"""Rigorous real balls: a midpoint and a radius that certainly hold the true value (python-flint's ``arb``).

A comparison that a ball cannot decide raises ``UndecidedError``; it never guesses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ..errors import ParameterError, UndecidedError, require
from .casts import cast, number_of
from .numbers import Number, Operation


def ball(x: Any, *, bits: int = 128) -> Any:
    """Cast an array, a number or a whole ``Network`` to balls around the exact values.

    Args:
        x: array of any shape with finite floats, rationals or balls, a number, or an object with ``map_arrays``.
        bits: precision of every operation on the result, in bits of the midpoint (53 is a float64's).

    Returns:
        An object array of :class:`Ball` of the same shape (or the network with such arrays).

    Raises:
        NonFiniteError: a value is NaN or infinite.
        ParameterError: ``bits`` below 2.
        MissingExtraError: python-flint is not installed.

    Source: Johansson 2017, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic".

    Example:
        >>> third = 1 / ball(3.0, bits=64)[()]
        >>> third.contains(1), third.radius < 1e-19
        (False, True)
    """
    if bits < 2:
        raise ParameterError(f"balls need at least 2 bits of precision, got {bits}")
    flint = require("flint", extra="exact", purpose="compute with rigorous balls")
    with precision(bits):
        zero = Ball(flint.arb(0), bits, flint.ctx)
        return cast(x, zero.convert, "ball")


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Set flint's precision for a while, so that operations on balls of that precision need not do it each."""
    context = require("flint", extra="exact", purpose="compute with rigorous balls").ctx
    before, context.prec = context.prec, bits
    try:
        yield
    finally:
        context.prec = before


def settled(*arrays: Any) -> Any:
    """Return a context in which the precision is that of the balls in ``arrays``; none for other numbers."""
    for array in arrays:
        bits = getattr(number_of(array), "bits", None) if array.dtype == object else None
        if bits is not None:
            return precision(bits)
    return nullcontext()


def largest(x: Any) -> Any:
    """Return the absolute values of an array as numbers that can be compared: floats above every value of a ball.

    Example:
        >>> largest(np.array([-2.0, 1.0])).tolist()
        [2.0, 1.0]
    """
    if x.dtype != object or not any(isinstance(v, Ball) for v in x.flat):
        return np.abs(x)
    bounds = [math.nextafter(float(v.value.abs_upper()), math.inf) if isinstance(v, Ball) else abs(v) for v in x.flat]
    return np.array(bounds, dtype=np.float64).reshape(x.shape)


class Ball(Number):
    """A real number known to lie within ``radius`` of ``midpoint``; made by :func:`ball`.

    Attributes:
        value: the ``flint.arb``.
        bits: precision of the operations on it.
        context: flint's context, which holds the precision of the moment.
    """

    __slots__ = ("bits", "context", "value")
    transcendental: ClassVar[bool] = True

    def __init__(self, value: Any, bits: int, context: Any) -> None:
        self.value, self.bits, self.context = value, bits, context

    @property
    def midpoint(self) -> float:
        """The centre, rounded to a float."""
        return float(self.value.mid())

    @property
    def radius(self) -> float:
        """The radius, rounded to a float."""
        return float(self.value.rad())

    def contains(self, value: Any) -> bool:
        """Return whether the plain number ``value`` may be the true one."""
        return bool(self.value.overlaps(self.convert(value).value))

    def convert(self, value: Any) -> Ball:
        """Return a ball that holds the exact value of a plain number; floats and integers have radius 0."""
        if isinstance(value, Ball):
            return Ball(value.value, self.bits, self.context)
        if isinstance(value, Fraction) and self.context.prec != self.bits:
            with precision(self.bits):
                return Ball(enclosed(value, type(self.value)), self.bits, self.context)
        return Ball(enclosed(value, type(self.value)), self.bits, self.context)

    def apply(self, operation: Operation, other: Ball) -> Ball:
        """Return a ball that holds the operation's result for all values that the operands may have."""
        if self.context.prec != self.bits:
            with precision(self.bits):
                return Ball(operation(self.value, other.value), self.bits, self.context)
        return Ball(operation(self.value, other.value), self.bits, self.context)

    def less(self, other: Ball) -> bool:
        """Return whether self < other.

        Raises:
            UndecidedError: the balls overlap.
        """
        if self.value < other.value:
            return True
        if self.value >= other.value:
            return False
        raise self.undecided(other)

    def equal(self, other: Ball) -> bool:
        """Return whether self = other.

        Raises:
            UndecidedError: the balls overlap and are no single points.
        """
        if self.value == other.value:  # certain, so two equal points
            return True
        if not self.value.overlaps(other.value):
            return False
        raise self.undecided(other)

    def undecided(self, other: Ball) -> UndecidedError:
        """Return the error that names both balls."""
        return UndecidedError(
            f"balls of {self.bits} bits cannot tell {self} from {other}: take more bits, or the values are equal and "
            "the result of a float is a matter of rounding",
            (self, other),
        )

    def _function(self, name: str) -> Ball:
        with precision(self.bits):
            return Ball(getattr(self.value, name)(), self.bits, self.context)

    def __neg__(self) -> Ball:
        return Ball(-self.value, self.bits, self.context) if self.context.prec == self.bits else super().__neg__()

    def __abs__(self) -> Ball:
        return self._function("__abs__")  # needs no decision

    def exp(self) -> Ball:
        """Return e to the power of it."""
        return self._function("exp")

    def expm1(self) -> Ball:
        """Return exp − 1."""
        return self._function("expm1")

    def log(self) -> Ball:
        """Return the natural logarithm."""
        return self._function("log")

    def log1p(self) -> Ball:
        """Return log(1 + x)."""
        return self._function("log1p")

    def tanh(self) -> Ball:
        """Return the hyperbolic tangent."""
        return self._function("tanh")

    def sqrt(self) -> Ball:
        """Return the square root."""
        return self._function("sqrt")

    def erf(self) -> Ball:
        """Return the error function."""
        return self._function("erf")

    def __float__(self) -> float:
        return self.midpoint

    def __reduce__(self) -> Any:
        middle, radius = self.value.mid().man_exp(), self.value.rad().man_exp()
        return _restored, (*(int(v) for v in (*middle, *radius)), self.bits)

    def __str__(self) -> str:
        return str(self.value.str(15))

    def __repr__(self) -> str:
        return f"Ball({self})"


def enclosed(value: Any, arb: Any) -> Any:
    """Return the ball of a plain number: a point for integers and floats, at flint's precision for a fraction."""
    if isinstance(value, Fraction):
        return arb(value.numerator) / value.denominator
    return arb(value if isinstance(value, int | float) else value.item())


def _restored(middle: int, exponent: int, radius: int, scale: int, bits: int) -> Ball:
    flint = require("flint", extra="exact", purpose="compute with rigorous balls")
    value = flint.arb((middle, exponent), (radius, scale))
    return Ball(value, bits, flint.ctx)
