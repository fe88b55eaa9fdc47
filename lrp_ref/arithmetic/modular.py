"""Values in a prime field, with the signs taken from a ball: exact identities at a fixed cost per operation.

An exact rational relevance gathers the denominators of all units above it, so its digits grow with the network. In
a field of 61-bit numbers nothing grows: an identity that holds for rationals holds for their residues, and one that
does not hold for rationals fails for their residues unless its numerator happens to be divisible by the prime. Two
primes at once are one modulus, their product (Chinese remainder theorem). Order does not exist in a field, so every
number carries a ball of its real value, and comparisons are decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..errors import ParameterError, UndecidedError, require
from .balls import Ball, ball, enclosed, precision
from .casts import cast
from .numbers import Number, Operation

PRIMES = (2305843009213693951, 2305843009213693921)  # 2⁶¹ − 1 and 2⁶¹ − 31
DENSITY = 2.6e16  # primes between 2⁶⁰ and 2⁶¹, a lower bound: 2⁶⁰ / ln 2⁶¹ = 2.7e16


def modular(x: Any, *, bits: int = 256, primes: tuple[int, ...] = PRIMES) -> Any:
    """Cast an array, a number or a whole ``Network`` to residues modulo primes, each with a ball of its real value.

    Args:
        x: array of any shape with finite values, a number, or an object with ``map_arrays`` (network, layer).
        bits: precision of the balls that decide the signs.
        primes: different primes; the values are kept modulo their product. Draw them at random
            (:func:`random_primes`) where the bound of :func:`error_probability` is to hold as a probability.

    Returns:
        An object array of :class:`Modular` of the same shape (or the network with such arrays).

    Raises:
        NonFiniteError: a value is NaN or infinite.
        ParameterError: a number among ``primes`` that is not prime, or one twice.
        MissingExtraError: python-flint is not installed.

    Example:
        >>> third = 1 / modular(3.0)[()]
        >>> third + third + third == 1
        True
    """
    flint = require("flint", extra="exact", purpose="compute in a prime field")
    if not primes or len(set(primes)) < len(primes) or not all(flint.fmpz(p).is_prime() and p > 2 for p in primes):
        raise ParameterError(f"the moduli must be different odd primes, got {primes}")
    modulus = 1
    for prime in primes:
        modulus *= prime
    field = Field(modulus, tuple(primes), bits, flint.ctx, flint.arb)
    with precision(bits):
        return cast(x, field.number, "modular")


def random_primes(seed: int, count: int = 2) -> tuple[int, ...]:
    """Return ``count`` different random primes between 2⁶⁰ and 2⁶¹; the same for the same seed.

    Example:
        >>> [p.bit_length() for p in random_primes(0)]
        [61, 61]
    """
    import random

    fmpz = require("flint", extra="exact", purpose="find primes").fmpz
    source = random.Random(seed)
    found: set[int] = set()
    while len(found) < count:
        candidate = source.randrange(2**60, 2**61) | 1
        if fmpz(candidate).is_prime():
            found.add(candidate)
    return tuple(sorted(found))


def error_probability(numerator_bits: float, count: int = 2) -> float:
    """Return how probable it is that a non-zero number vanishes modulo all of ``count`` random 61-bit primes.

    Formula: (B/60 / π)^count for a numerator of B bits: it has at most B/60 prime factors between 2⁶⁰ and 2⁶¹, of
    which there are π ≥ 2.6e16.

    Example:
        >>> f"{error_probability(1e7):.0e}"
        '4e-23'
    """
    return float((numerator_bits / 60 / DENSITY) ** count)


@dataclass(frozen=True)
class Field:
    """The modulus, and the precision of the balls beside it."""

    modulus: int
    primes: tuple[int, ...]
    bits: int
    context: Any
    arb: Any

    def number(self, value: Any) -> Modular:
        """Return a finite plain number as a residue with its ball."""
        if isinstance(value, Modular):
            return value
        exact = Fraction(value)
        return Modular(self.quotient(exact.numerator, exact.denominator), enclosed(value, self.arb), self)

    def quotient(self, numerator: int, denominator: int) -> int:
        """Return numerator / denominator modulo the primes.

        Raises:
            ParameterError: the denominator is divisible by one of the primes.
        """
        try:
            return numerator * pow(denominator, -1, self.modulus) % self.modulus
        except ValueError as error:
            raise ParameterError(
                f"a denominator is divisible by one of the primes {self.primes}: take other primes"
            ) from error


class Modular(Number):
    """A rational number modulo primes, with a ball of its real value; made by :func:`modular`."""

    __slots__ = ("field", "residue", "value")

    def __init__(self, residue: int, value: Any, field: Field) -> None:
        self.residue, self.value, self.field = residue, value, field

    @property
    def bits(self) -> int:
        """Precision of the ball."""
        return self.field.bits

    def convert(self, value: Any) -> Modular:
        """Return a plain number with its exact residue."""
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, Fraction) and self.field.context.prec != self.field.bits:
            with precision(self.field.bits):
                return self.field.number(value)
        return self.field.number(value)

    def apply(self, operation: Operation, other: Modular) -> Modular:
        """Return the operation's residue and ball."""
        field = self.field
        if operation.__name__ == "truediv":
            residue = field.quotient(self.residue, other.residue)
        else:
            residue = operation(self.residue, other.residue) % field.modulus
        if field.context.prec != field.bits:
            with precision(field.bits):
                return Modular(residue, operation(self.value, other.value), field)
        return Modular(residue, operation(self.value, other.value), field)

    def less(self, other: Modular) -> bool:
        """Return whether self < other: the balls are apart, or the residues equal.

        Raises:
            UndecidedError: the residues differ, and the balls overlap.
        """
        if self.value < other.value:
            return True
        if self.value >= other.value or self.residue == other.residue:
            return False
        raise UndecidedError(
            f"{self} and {other} differ, and balls of {self.field.bits} bits cannot tell which is larger: "
            "take more bits",
            (self, other),
        )

    def equal(self, other: Modular) -> bool:
        """Return whether the residues are equal; never undecided."""
        return self.residue == other.residue

    def __float__(self) -> float:
        return 0.0 if self.residue == 0 else float(self.value.mid())

    def __reduce__(self) -> Any:
        return _restored, (self.residue, Ball(self.value, self.field.bits, self.field.context), self.field.primes)

    def __str__(self) -> str:
        return str(self.value.str(15))

    def __repr__(self) -> str:
        return f"Modular({self.residue}, {self})"


def _restored(residue: int, value: Ball, primes: tuple[int, ...]) -> Modular:
    field: Field = modular(0, bits=value.bits, primes=primes)[()].field
    return Modular(residue, ball(value, bits=value.bits)[()].value, field)
