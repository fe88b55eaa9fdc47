"""Formulas as numbers: elements of object arrays that carry a SymPy expression and a witness.

The layers and rules run on them as on any other number. A comparison (which weight is positive, which unit is
active) is answered by the witness, an exact rational value of the expression, and can be recorded: the formula that
comes out holds wherever the comparisons come out in the same way.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError, UndecidedError, require
from .numbers import Number, Operation


def sympy() -> Any:
    """Return the module SymPy.

    Raises:
        MissingExtraError: it is not installed.
    """
    return require("sympy", extra="symbols", purpose="write formulas")


class Asked:
    """The comparisons that were made: each difference with its sign at the witness, in the order of asking.

    Attributes:
        signs: difference of the two sides (SymPy) → −1, 0 or 1; the sign of the reversed difference is not repeated.
        ordered: differences of which an order (<, >), not only equality, was asked.
    """

    def __init__(self) -> None:
        self.signs: dict[Any, int] = {}
        self.ordered: set[Any] = set()

    def note(self, difference: Any, sign: int, *, order: bool) -> None:
        """Record one comparison; those between plain numbers say nothing and are left out."""
        if not difference.free_symbols or difference.has(*_infinities()):
            return
        if -difference in self.signs:
            difference, sign = -difference, -sign
        self.signs[difference] = sign
        if order:
            self.ordered.add(difference)


def _infinities() -> tuple[Any, ...]:
    s = sympy().S
    return (s.Infinity, s.NegativeInfinity, s.NaN)


class Symbol(Number):
    """A SymPy expression as a number, with an exact value at which comparisons are decided.

    Args:
        expr: the expression.
        value: its witness, a ``Fraction``; None if there is none, and then only comparisons that SymPy can decide
            from the expression have an answer.
        asked: where comparisons are recorded, or None.

    Raises:
        UndecidedError: by a comparison without an answer.

    Example:
        >>> x, w = symbols("x", 2, at=[1, 2]), symbols("w", (2, 1), at=[[1], [-1]])
        >>> np.matmul(x, w)[0], np.matmul(x, w)[0] < 0
        (Symbol(w_11*x_1 + w_21*x_2, at -1), True)
    """

    __slots__ = ("asked", "expr", "value")

    def __init__(self, expr: Any, value: Any = None, asked: Asked | None = None) -> None:
        self.expr, self.value, self.asked = expr, value, asked

    def convert(self, value: Any) -> Symbol:
        """Return a plain number with its exact value; infinities stay what they are, so that they can be compared."""
        if isinstance(value, float | np.floating) and not math.isfinite(value):
            return Symbol(sympy().Float(value), float(value), self.asked)
        exact = Fraction(value)
        return Symbol(sympy().Rational(exact.numerator, exact.denominator), exact, self.asked)

    def apply(self, operation: Operation, other: Symbol) -> Symbol:
        """Return the operation on both expressions and on both witnesses."""
        known = self.value is not None and other.value is not None
        value = operation(self.value, other.value) if known else None
        return Symbol(operation(self.expr, other.expr), value, self.asked or other.asked)

    def __neg__(self) -> Symbol:
        return Symbol(-self.expr, None if self.value is None else -self.value, self.asked)

    def __pow__(self, exponent: int) -> Symbol:
        return Symbol(self.expr**exponent, None if self.value is None else self.value**exponent, self.asked)

    def less(self, other: Symbol) -> bool:
        """Return whether self < other at the witness."""
        return self._sign(other, order=True) < 0

    def equal(self, other: Symbol) -> bool:
        """Return whether self = other at the witness."""
        return self._sign(other, order=False) == 0

    def _sign(self, other: Symbol, *, order: bool) -> int:
        """Return the sign of self − other: of the witness, or what SymPy knows about the expression."""
        if self.value is not None and other.value is not None:
            sign = int(self.value > other.value) - int(self.value < other.value)
            asked = self.asked or other.asked
            if asked is not None:
                asked.note(self.expr - other.expr, sign, order=order)
            return sign
        difference = self.expr - other.expr
        for holds, sign in ((difference.is_zero, 0), (difference.is_positive, 1), (difference.is_negative, -1)):
            if holds:
                return sign
        if not order and difference.is_nonzero:
            return 1
        raise UndecidedError(
            f"whether {self.expr} is less than, equal to or greater than {other.expr} is not known: give the symbols "
            "values to decide it by, lrp.arithmetic.symbols(name, shape, at=values)",
            (self, other),
        )

    def __hash__(self) -> int:  # type: ignore[override]
        # Numbers that are equal have one hash: by the witness, or without one by the expression.
        return hash(self.expr if self.value is None else self.value)

    def __float__(self) -> float:
        if self.value is not None:
            return float(self.value)
        if self.expr.is_number:
            return float(self.expr)
        raise UndecidedError(f"{self.expr} has no value: give its symbols one, symbols(name, shape, at=values)")

    def __str__(self) -> str:
        return str(self.expr)

    def __repr__(self) -> str:
        return f"Symbol({self.expr})" if self.value is None else f"Symbol({self.expr}, at {self.value})"


def symbols(name: str, shape: Any, at: Any = None) -> Any:
    """Return an array of symbols name_1, name_2, … (name_11, name_12, … for several axes; indices from 1).

    Args:
        name: the letter.
        shape: of the array, an integer or a tuple; () gives an array with the one symbol ``name``.
        at: values of the symbols, by which comparisons are decided: an array of that shape (floats are taken as the
            rational numbers that they are); None for symbols without values.

    Returns:
        An object array of :class:`Symbol`.

    Raises:
        ShapeError: ``at`` has another shape.
        ParameterError: a value that is not finite.
        MissingExtraError: SymPy is not installed.

    Example:
        >>> symbols("w", (2, 2))[1, 0], symbols("x", 2, at=[0.5, 3])[1]
        (Symbol(w_21), Symbol(x_2, at 3))
    """
    made = np.empty(shape, dtype=object)
    values = np.full(made.shape, None) if at is None else np.asarray(at, dtype=object)
    if values.shape != made.shape:
        raise ShapeError(f"symbols '{name}' of shape {made.shape} cannot have values of shape {values.shape}")
    for index in np.ndindex(made.shape):
        made[index] = Symbol(sympy().Symbol(indexed(name, index)), _witness(name, values[index]))
    return made


def indexed(name: str, index: tuple[int, ...]) -> str:
    """Return a name with its indices, counted from 1; commas between them where one has several digits.

    Example:
        >>> indexed("w", (0, 1)), indexed("w", (9, 1)), indexed("γ", ())
        ('w_12', 'w_10,2', 'γ')
    """
    digits = [str(k + 1) for k in index]
    text = ("," if any(len(d) > 1 for d in digits) else "").join(digits)
    return f"{name}_{text}" if text else name


def _witness(name: str, value: Any) -> Fraction | None:
    if value is None:
        return None
    try:
        return value.value if isinstance(value, Symbol) else Fraction(value)
    except (OverflowError, ValueError, TypeError) as error:
        raise ParameterError(f"symbols '{name}': {value!r} is no finite number") from error
