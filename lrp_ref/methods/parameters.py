"""Parameters of methods as values: nobody can write into them, and they can be compared and printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.arrays import Array, like
from ..base.frozen import Value, frozen, short
from ..errors import LrpError, ParameterError


@dataclass(frozen=True, eq=False, repr=False)
class ByInput(Value):
    """A parameter that says something else of every input, as pairs of an input's name and what holds of it."""

    pairs: tuple[tuple[str, Any], ...]

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {short(value)}' for name, value in self.pairs)}}}"


def comparable(value: Any) -> Any:
    """Return a parameter as a value that nobody can write into and that can be compared; a dict by input likewise.

    Example:
        >>> comparable([0, 1]), comparable({"x": 0.5})
        ((0, 1), {'x': 0.5})
    """
    if isinstance(value, Mapping):
        return ByInput(tuple((str(name), frozen(one)) for name, one in value.items()))
    return frozen(value)


def numbers_like(value: Any, x: Array, what: str) -> Array:
    """Return a parameter as numbers of the library and number system of ``x``.

    Args:
        value: a number, a list or an array.
        x: what it is to be like.
        what: it is, for the message.

    Raises:
        ParameterError: words, complex numbers, or rows of different lengths.
    """
    try:
        if hasattr(value, "dtype") and value.dtype.kind not in "biufO":
            raise TypeError(value.dtype)
        return like(value, x)
    except (TypeError, ValueError) as error:
        if isinstance(error, LrpError):
            raise
        told = value.dtype if hasattr(value, "dtype") else repr(value)
        raise ParameterError(f"{what} is {told}: give a number, or an array of real numbers") from error
