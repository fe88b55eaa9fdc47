"""Exact rationals: ``fractions.Fraction``, or python-flint's ``fmpq``, which is faster for long numerators."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..errors import ParameterError, require
from .casts import cast
from .numbers import Number, Operation


def rational(x: Any, *, library: str = "fractions") -> Any:
    """Cast an array, a number or a whole ``Network`` to exact rationals.

    Args:
        x: array of any shape with finite values, a number, or an object with ``map_arrays`` (network, layer).
        library: "fractions" for Python's ``Fraction``, "flint" for python-flint's ``fmpq`` in a :class:`Rational`.
            The values are the same; which one is used never depends on what is installed.

    Returns:
        An object array of the same shape (or the network with such arrays).
        Integer and boolean arrays inside a network are indices and stay as they are.

    Raises:
        NonFiniteError: a value is NaN or infinite and has no rational value.
        ParameterError: a library that is not known.
        MissingExtraError: python-flint is asked for and not installed.

    Example:
        >>> rational([0.5, 0.1])
        array([Fraction(1, 2), Fraction(3602879701896397, 36028797018963968)], dtype=object)
    """
    if library == "fractions":
        return cast(x, lambda v: v.fraction() if isinstance(v, Rational) else Fraction(v), "rational")
    if library != "flint":
        raise ParameterError(f"library of rationals '{library}' is not known: use 'fractions' or 'flint'")
    one = Rational(require("flint", extra="exact", purpose="compute with its rationals").fmpq(1))
    return cast(x, lambda v: v if isinstance(v, Rational) else one.convert(v), "rational")


class Rational(Number):
    """A rational number of python-flint; made by ``rational(x, library="flint")``."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def convert(self, value: Any) -> Rational:
        """Return a plain number with its exact value."""
        exact = Fraction(value)
        return Rational(type(self.value)(exact.numerator, exact.denominator))

    def apply(self, operation: Operation, other: Rational) -> Rational:
        """Return the operation's exact result."""
        return Rational(operation(self.value, other.value))

    def less(self, other: Rational) -> bool:
        """Return whether self < other."""
        return bool(self.value < other.value)

    def equal(self, other: Rational) -> bool:
        """Return whether self = other."""
        return bool(self.value == other.value)

    def fraction(self) -> Fraction:
        """Return the number as a ``Fraction``."""
        return Fraction(int(self.value.numerator), int(self.value.denominator))

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.fraction())

    def __float__(self) -> float:
        return float(self.fraction())

    def __reduce__(self) -> Any:
        return _restored, (self.fraction(),)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"Rational({self.value})"


def _restored(value: Fraction) -> Any:
    return rational(value, library="flint")[()]
