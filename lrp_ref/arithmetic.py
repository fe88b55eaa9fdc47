"""Number systems for NumPy object arrays: the same layers and rules on exact numbers.

A float is a rational number, so a network cast to rationals has exactly the values of its floats.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from .errors import NonFiniteError, UnsupportedError


def rational(x: Any) -> Any:
    """Cast an array, a number or a whole ``Network`` to exact rationals (``fractions.Fraction``).

    Args:
        x: array of any shape with finite values, a number, or an object with ``map_arrays`` (network, layer).

    Returns:
        An object array of ``Fraction`` of the same shape (or the network with such arrays).
        Integer and boolean arrays inside a network are indices and stay as they are.

    Raises:
        NonFiniteError: a value is NaN or infinite and has no rational value.

    Example:
        >>> rational([0.5, 0.1])
        array([Fraction(1, 2), Fraction(3602879701896397, 36028797018963968)], dtype=object)
    """
    if hasattr(x, "map_arrays"):
        return x.map_arrays(lambda a: rational(a) if a.dtype.kind == "f" else a)
    array = np.asarray(x)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NonFiniteError("NaN and infinity have no rational value: remove them before rational()")
    exact = np.empty(array.shape, dtype=object)
    exact.ravel()[...] = [Fraction(v) for v in array.ravel().tolist()]
    return exact


def to_float(x: Any, dtype: Any = np.float64) -> Any:
    """Round an array of exact numbers, or a whole ``Network``, to floats.

    Example:
        >>> to_float(rational([0.1, 0.25]))
        array([0.1 , 0.25])
    """
    if hasattr(x, "map_arrays"):
        return x.map_arrays(lambda a: to_float(a, dtype) if a.dtype == object else a)
    return np.asarray(x).astype(dtype)


def scalar(value: Any, like: Any) -> Any:
    """Return the number ``value`` as a scalar that keeps the number system of the array ``like``.

    A Python float next to a float32 array stays float32; next to rationals it must be a rational, or the
    result would silently turn into floats.
    """
    if like.dtype == object:
        return Fraction(value)
    return float(value)


def no_exact_value(x: Any, function: str) -> None:
    """Raise if ``x`` holds exact numbers, on which the transcendental ``function`` has no exact value."""
    if x.dtype == object:
        raise UnsupportedError(
            f"{function} has no exact value on rationals: use float64 for this network, "
            "or replace the activation (ReLU, leaky ReLU, clip and hard-* are exact)"
        )
