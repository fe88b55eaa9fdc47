"""Numbers of the vectors: exact rationals in memory, decimal strings and fractions in the files."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DIGITS = 20


def decimal(value: Fraction, digits: int = DIGITS) -> str:
    """Return a rational with this many significant digits, rounded half to even; short where it ends earlier.

    Example:
        >>> decimal(Fraction(1, 4)), decimal(Fraction(-2, 3)), decimal(Fraction(1, 2**20))
        ('0.25', '-0.66666666666666666667', '9.5367431640625e-7')
    """
    if value == 0:
        return "0"
    size, exponent = abs(value), 0
    exponent = len(str(size.numerator)) - len(str(size.denominator))
    exponent -= size < Fraction(10) ** exponent
    scaled = round(size / Fraction(10) ** (exponent - digits + 1))
    if scaled == 10**digits:
        scaled, exponent = scaled // 10, exponent + 1
    figures = str(scaled).rstrip("0")
    sign = "-" if value < 0 else ""
    if not -4 <= exponent < digits:
        mantissa = figures[0] + ("." + figures[1:] if len(figures) > 1 else "")
        return f"{sign}{mantissa}e{exponent}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{figures}"
    whole = figures[: exponent + 1].ljust(exponent + 1, "0")
    rest = figures[exponent + 1 :]
    return sign + whole + ("." + rest if rest else "")


def upwards(value: Fraction, digits: int = 6) -> str:
    """Return a rational >= 0 rounded up to this many significant digits.

    Example:
        >>> upwards(Fraction(2, 3)), upwards(Fraction(1, 2)), upwards(Fraction(0))
        ('0.666667', '0.5', '0')
    """
    if value == 0:
        return "0"
    exponent = len(str(value.numerator)) - len(str(value.denominator))
    exponent -= value < Fraction(10) ** exponent
    unit = Fraction(10) ** (exponent - digits + 1)
    return decimal(-(-value // unit) * unit, digits + 1)


def array(values: Any) -> Array:
    """Return nested lists of numbers, or of strings such as "1/3", as an object array of Fractions."""
    nested = np.array(values, dtype=object)
    flat = np.empty(nested.size, dtype=object)
    flat[:] = [Fraction(v) for v in nested.reshape(-1).tolist()]
    return flat.reshape(nested.shape)


def zeros(shape: Any) -> Array:
    """Return an object array of exact zeros."""
    result = np.empty(shape, dtype=object)
    result[...] = Fraction(0)
    return result


def square_root(value: Fraction) -> Fraction:
    """Return the square root of a rational square; raises ValueError for other numbers."""
    result = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if result * result != value:
        raise ValueError(f"{value} is not a square of a rational")
    return result


def number_to_json(value: Any) -> dict[str, str]:
    """Return a NUMBER: one parameter as decimal and fraction."""
    value = Fraction(value)
    return {"decimal": decimal(value), "exact": str(value)}


def array_to_json(values: Array) -> dict[str, Any]:
    """Return NUMBERS: an array as its shape, decimals and fractions in C order."""
    flat = [Fraction(v) for v in values.reshape(-1)]
    return {"shape": list(values.shape), "decimal": [decimal(v) for v in flat], "exact": [str(v) for v in flat]}


def scale_to_json(values: Array) -> dict[str, Any]:
    """Return the scale of a tolerance: decimals only, rounded up."""
    return {"shape": list(values.shape), "decimal": [upwards(Fraction(v)) for v in values.reshape(-1)]}


class Draw:
    """Small dyadic numbers that depend on a name alone, the same on every machine and version.

    Args:
        name: of the case; another name gives other numbers.
    """

    def __init__(self, name: str) -> None:
        self.name, self.count = name, 0

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        self.count += 1
        digest = hashlib.sha256(f"{self.name}/{self.count}".encode()).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low + 1)

    def __call__(self, *shape: int, low: int = -8, high: int = 8, nonzero: bool = False, parts: int = 4) -> Array:
        """Return multiples of 1/parts from low/parts to high/parts."""
        result = zeros(shape)
        for index in np.ndindex(*shape):
            k = self.integer(low, high)
            while nonzero and k == 0:
                k = self.integer(low, high)
            result[index] = Fraction(k, parts)
        return result
