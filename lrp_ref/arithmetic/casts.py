"""Into a number system, out of it, and numbers of the system that an array is of."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import NonFiniteError, UnsupportedError
from .adjustable import Adjustable
from .numbers import Number


def cast(x: Any, element: Callable[[Any], Any], system: str) -> Any:
    """Return an array, a number, or a whole network or layer with ``element`` applied to every float.

    Integer and boolean arrays inside a network or layer are indices and stay as they are.

    Args:
        x: array of any shape with finite values, a number, or an object with ``map_arrays``.
        element: from a Python number (int, float, Fraction, or a number of another system) to the system's number.
        system: its name for the error message.

    Raises:
        NonFiniteError: a value is NaN or infinite.
    """
    if hasattr(x, "map_arrays"):
        return x.map_arrays(lambda a: cast(a, element, system) if a.dtype.kind in "fO" else a)
    array = np.asarray(x)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NonFiniteError(f"NaN and infinity have no {system} value: remove them before {system}()")
    made = np.empty(array.shape, dtype=object)
    made.ravel()[...] = [element(v) for v in array.ravel().tolist()]
    return made


def to_float(x: Any, dtype: Any = np.float64) -> Any:
    """Round an array of exact numbers, or a whole ``Network``, to floats; a ball gives its midpoint.

    Example:
        >>> from lrp_ref.arithmetic import rational
        >>> to_float(rational([0.1, 0.25]))
        array([0.1 , 0.25])
    """
    if hasattr(x, "map_arrays"):
        return x.map_arrays(lambda a: to_float(a, dtype) if a.dtype == object else a)
    return np.asarray(x).astype(dtype)


def number_of(like: Any) -> Number | None:
    """Return a number of the system that the object array ``like`` holds; None for ``Fraction`` and integers."""
    return next((v for v in like.flat if isinstance(v, Number)), None)


def scalar(value: Any, like: Any) -> Any:
    """Return the number ``value`` as a scalar that keeps the number system of the array ``like``.

    A Python float next to a float32 array stays float32; next to rationals it must be a rational, or the
    result would silently turn into floats.
    """
    if like.dtype != object:
        return value if type(value) is Adjustable else float(value)
    if isinstance(value, Number):
        return value
    number = number_of(like)
    return Fraction(value) if number is None else number.convert(value)


def cast_like(values: Any, like: Any) -> Any:
    """Return an array of finite numbers as an object array of the number system of ``like``."""
    number = number_of(like)
    convert: Callable[[Any], Any] = Fraction if number is None else number.convert
    return cast(values, lambda v: v if isinstance(v, Number) else convert(v), "exact")


def no_exact_value(x: Any, function: str) -> None:
    """Raise if ``x`` holds exact numbers, on which the transcendental ``function`` has no exact value.

    Raises:
        UnsupportedError: with the function, and which number systems have a value.
    """
    if x.dtype == object and x.size:
        number = number_of(x)
        if number is None or not number.transcendental:
            kind = "rationals" if number is None else f"numbers of type {type(number).__name__}"
            raise UnsupportedError(
                f"{function} has no exact value on {kind}: use lrp.arithmetic.ball() for rigorous bounds, float64, "
                "or replace the activation (ReLU, leaky ReLU, clip and hard-* are exact)"
            )
