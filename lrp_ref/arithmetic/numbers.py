"""What the number classes have in common: operators that lift the other operand, and comparisons that may refuse."""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

Operation = Callable[[Any, Any], Any]
PLAIN = (int, float, Fraction, np.integer, np.floating)  # what every number class takes as an exact operand


def _forward(operation: Operation) -> Any:
    def method(self: Any, other: Any) -> Any:
        if type(other) is not type(self):
            if not isinstance(other, PLAIN):
                return NotImplemented
            other = self.convert(other)
        return self.apply(operation, other)

    return method


def _reflected(operation: Operation) -> Any:
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, PLAIN):
            return NotImplemented
        return self.convert(other).apply(operation, self)

    return method


def _infinite(value: Any) -> bool:
    """Whether a value is ±∞, which max pools pad with: no operand, but larger or smaller than every number."""
    return isinstance(value, float) and math.isinf(value)


class Number:
    """Base of the elements of object arrays on which layers and rules run.

    A subclass says how a plain number is converted, how an operation is applied to two of its own kind, and which
    comparisons hold. Every operand is converted with its exact value; a float is the rational number that it is.

    Class attributes:
        transcendental: whether exp, tanh, ... have a value in this number system.
    """

    __slots__ = ()
    transcendental: ClassVar[bool] = False

    @abstractmethod
    def convert(self, value: Any) -> Any:
        """Return the plain number ``value`` as a number of the same system and precision."""

    @abstractmethod
    def apply(self, operation: Operation, other: Any) -> Any:
        """Return ``operation(self, other)``, both being of this class."""

    @abstractmethod
    def less(self, other: Any) -> bool:
        """Return whether self < other, or raise ``UndecidedError``."""

    @abstractmethod
    def equal(self, other: Any) -> bool:
        """Return whether self = other, or raise ``UndecidedError``."""

    __add__, __radd__ = _forward(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _forward(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _forward(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _forward(operator.truediv), _reflected(operator.truediv)

    def __neg__(self) -> Any:
        return self.convert(0).apply(operator.sub, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    def __pow__(self, exponent: int) -> Any:
        result = self.convert(1)
        for _ in range(exponent):
            result = result * self
        return result

    def __lt__(self, other: Any) -> bool:
        return other > 0 if _infinite(other) else self.less(self._own(other))

    def __gt__(self, other: Any) -> bool:
        return other < 0 if _infinite(other) else bool(self._own(other).less(self))

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        if type(other) is not type(self) and not isinstance(other, PLAIN):
            return NotImplemented
        return False if _infinite(other) else self.equal(self._own(other))

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self != 0

    def _own(self, other: Any) -> Any:
        if type(other) is type(self):
            return other
        if isinstance(other, PLAIN):
            return self.convert(other)
        raise TypeError(f"{type(self).__name__} cannot be compared with {type(other).__name__}")
