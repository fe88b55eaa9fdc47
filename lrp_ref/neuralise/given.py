"""What parameters of models have to be: arrays of numbers that are finite, positive numbers, pairs of classes."""

from __future__ import annotations

import math
from typing import Any

from ..base.arrays import Array, is_float, require_finite
from ..base.frozen import real
from ..errors import ParameterError


def array(what: str, value: Any) -> Array:
    """Return an array of floats or exact numbers, or raise for what is none.

    Raises:
        ParameterError: no array, or one of integers or other things.
        NonFiniteError: NaN or infinity in it.

    Example:
        >>> import numpy as np
        >>> array("data", np.array([1.0]))
        array([1.])
    """
    if not hasattr(value, "dtype") or not hasattr(value, "reshape"):
        raise ParameterError(f"{what} must be an array of floats, got {type(value).__name__}")
    if not is_float(value):
        raise ParameterError(f"{what} must be an array of floats, got {value.dtype}")
    require_finite(value, what)
    return value


def positive(what: str, value: Any) -> float:
    """Return a parameter that is a finite number above 0, or raise a ParameterError that names it.

    Example:
        >>> positive("gamma", 2)
        2.0
    """
    number = real(what, value)
    try:
        found = float(number)
    except OverflowError:
        found = math.inf
    if not 0 < found < math.inf:
        raise ParameterError(f"{what} must be > 0{' and a float' if number > 0 else ''}, got {value!r}")
    return found
