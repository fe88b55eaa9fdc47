"""What the formulas need of numbers, the same for floats and for exact rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def common_dtype(**arrays: Array) -> np.dtype[Any]:
    """Return the dtype of a result that is computed from these named arrays.

    Raises TypeError where they are neither floats nor objects (integers would be truncated), and where exact
    objects and floats are mixed (the result would look exact and not be).
    """
    exact = {name for name, array in arrays.items() if array.dtype.kind == "O"}
    for name, array in arrays.items():
        if array.dtype.kind not in "fO":
            raise TypeError(f"{name} has dtype {array.dtype}; pass floats or an object array of Fractions")
        if exact and name not in exact:
            raise TypeError(
                f"{name} is {array.dtype} but {', '.join(sorted(exact))} exact; convert all of them to one kind"
            )
    return np.result_type(*arrays.values())


def vector(value: Array, length: int, name: str) -> Array:
    """Return value as an array of shape (length,); raises ValueError where it has another shape."""
    array = np.asarray(value)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({length},)")
    return array


def sign(z: Any) -> int:
    """Return sgn(z): +1 for z >= 0 (so also for 0 and -0.0) and -1 below (Bach et al. 2015, eq. 58).

    >>> sign(0), sign(-0.0), sign(-0.1)
    (1, 1, -1)
    """
    return 1 if z >= 0 else -1


def positive(x: Array) -> Array:
    """Return x^+ = max(x, 0), elementwise and of the same shape."""
    return np.asarray(np.maximum(x, 0))


def negative(x: Array) -> Array:
    """Return x^- = min(x, 0) <= 0, elementwise and of the same shape."""
    return np.asarray(np.minimum(x, 0))


def divide(numerator: Any, denominator: Any) -> Any:
    """Return numerator / denominator of two numbers, exact also where both are Python integers.

    Object arrays hold plain 0 and 1 next to Fractions, and 1 / 3 of two ints would be a float.

    >>> divide(1, 3), divide(0.5, 2)
    (Fraction(1, 3), 0.25)
    """
    if isinstance(numerator, int) and isinstance(denominator, int):
        return Fraction(numerator, denominator)
    return numerator / denominator
