"""The three kinds of numbers that a literal formula is run on: fractions, measured numbers, balls.

On fractions a formula gives the expected answer, on measured numbers the size of its rounding errors, and on balls,
where exp and tanh leave the rationals, the digits that are certain.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.errors import require

from .values import Array, decimal, square_root

BITS = 320
Convert = Callable[[Fraction], Any]


class Measured:
    """A number and the size of its rounding error in units of eps, to first order.

    Every operation adds the size of its terms to what it inherits through its derivatives. Numbers that are given are
    without error, and so are sums with 0 and products with 0, 1 and −1.
    """

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: float = 0.0) -> None:
        self.value, self.error = short(Fraction(value)), float(error)

    @property
    def _size(self) -> float:
        return abs(float(self.value))

    def _plain(self, value: int) -> bool:
        return self.error == 0 and self.value == value

    def __add__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        b = measured(other)
        if self._plain(0) or b._plain(0):
            return b if self._plain(0) else self
        value = self.value + b.value
        return Measured(value, max(self._size, b._size, abs(float(value))) + self.error + b.error)

    def __mul__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        b = measured(other)
        for one, two in ((self, b), (b, self)):
            if one._plain(0):
                return one
            if one._plain(1) or one._plain(-1):
                return Measured(one.value * two.value, two.error)
        value = self.value * b.value
        return Measured(value, abs(float(value)) + self.error * b._size + self._size * b.error)

    def __truediv__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        b = measured(other)
        if self._plain(0) or b._plain(1):
            return self
        value = self.value / b.value
        size = abs(float(value))
        return Measured(value, size + self.error / b._size + size / b._size * b.error)

    def __pow__(self, exponent: Any) -> Measured:
        result = Measured(1)
        for _ in range(int(exponent)):
            result = result * self
        return result

    def __neg__(self) -> Measured:
        return Measured(-self.value, self.error)

    def __abs__(self) -> Measured:
        return Measured(abs(self.value), self.error)

    def __sub__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return self + -measured(other)

    def __rsub__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return measured(other) + -self

    def __rtruediv__(self, other: Any) -> Measured:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return measured(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> bool:
        return self.value == measured(other).value

    def __lt__(self, other: Any) -> bool:
        return self.value < measured(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= measured(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > measured(other).value

    def __ge__(self, other: Any) -> bool:
        return self.value >= measured(other).value

    __hash__ = None  # type: ignore[assignment]

    def after(self, value: Fraction, slope: Fraction) -> Measured:
        """Return the value of a function at this number, from its value and derivative here."""
        return Measured(value, abs(float(value)) + abs(float(slope)) * self.error)


def short(value: Fraction) -> Fraction:
    """Return a fraction of many digits rounded to 160 bits: more than the size of an error can feel."""
    if value.denominator.bit_length() <= 160:
        return value
    places = 160 + value.denominator.bit_length() - abs(value.numerator).bit_length()
    return Fraction(round(value * 2**places), 2**places)


def measured(value: Any) -> Measured:
    """Return a number that may already be measured as one that is."""
    return value if isinstance(value, Measured) else Measured(value)


def ball(value: Fraction) -> Any:
    """Return a fraction as a ball."""
    flint = require("flint", extra="exact", purpose="generate the vectors with exp and tanh")
    return flint.arb(Fraction(value).numerator) / Fraction(value).denominator


def middle(value: Any) -> Fraction:
    """Return the middle of a ball, exactly; object arrays hold plain zeros next to balls."""
    if isinstance(value, int):
        return Fraction(value)
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def digits(value: Any) -> str:
    """Return the decimal of a ball; raises ArithmeticError where a digit is uncertain."""
    centre, radius = middle(value), Fraction(0) if isinstance(value, int) else middle(value.rad())
    low, high = decimal(centre - radius), decimal(centre + radius)
    if low != high:
        raise ArithmeticError(f"the digits of {value} are not certain")
    return low


def certain(values: Array) -> None:
    """Raise ArithmeticError where a ball may be 0 and need not be: the sign of a denominator decides."""
    for v in values.reshape(-1):
        if not (v > 0 or v < 0 or v == 0):
            raise ArithmeticError(f"the sign of {v} is not certain")


def converted(entry: Any, convert: Convert) -> Any:
    """Return a layer, a rule or an array with every fraction converted; integers and words stay."""
    if isinstance(entry, dict):
        return {name: converted(part, convert) for name, part in entry.items()}
    if isinstance(entry, np.ndarray):
        return _over(lambda number: convert(Fraction(number)), entry)
    if isinstance(entry, list | tuple):
        return [converted(part, convert) for part in entry]
    return convert(entry) if isinstance(entry, Fraction) else entry


# Functions that leave the rationals, element by element ----------------------------------------------------------


def _over(function: Callable[[Any], Any], x: Array) -> Array:
    result = np.empty(np.shape(x), dtype=object)
    for index in np.ndindex(*result.shape):
        result[index] = function(x[index])
    return result


def _smooth(name: str, slope: Callable[[Fraction], Fraction]) -> Callable[[Array], Array]:
    """Return a function of a ball on all kinds; of a fraction it is one of 128 bits, which no flag feels."""

    def of_fraction(x: Fraction) -> Fraction:
        flint = require("flint", extra="exact", purpose="generate the vectors with exp and tanh")
        with flint.ctx.workprec(BITS):
            return Fraction(round(middle(getattr(ball(x), name)()) * 2**128), 2**128)

    def of_one(x: Any) -> Any:
        if isinstance(x, Measured):
            y = of_fraction(x.value)
            return x.after(y, slope(y))
        return of_fraction(Fraction(x)) if isinstance(x, int | Fraction) else getattr(x, name)()

    return lambda x: _over(of_one, x)


exp = _smooth("exp", lambda y: y)
tanh = _smooth("tanh", lambda y: 1 - y * y)


def root(x: Any) -> Any:
    """Return the square root of a fraction that is a square, of a measured number, or of a ball."""
    if isinstance(x, Measured):
        y = square_root(x.value)
        return x.after(y, 1 / (2 * y))
    return square_root(Fraction(x)) if isinstance(x, int | Fraction) else x.sqrt()
