"""Functions of every element that array modules lack, or compute badly for large numbers."""

from __future__ import annotations

import numpy as np

from ..arithmetic import no_exact_value, scalar
from ..errors import require
from .arrays import Array, namespace


def sigmoid(x: Array) -> Array:
    """Return 1/(1 + exp(−x)) of every element, without overflow for large negative x."""
    no_exact_value(x, "sigmoid")
    return 0.5 * (namespace(x).tanh(0.5 * x) + 1)


def erf(x: Array) -> Array:
    """Return the error function of every element."""
    no_exact_value(x, "erf")
    xp = namespace(x)
    if x.dtype == object:
        values = np.empty(x.shape, dtype=object)
        values.ravel()[...] = [v.erf() for v in x.flat]
        return values
    if xp is np:
        from scipy.special import erf as host_erf

        return host_erf(x)
    if xp.__name__ == "cupy":
        return require("cupyx.scipy.special", extra="cupy", purpose="compute erf on a GPU").erf(x)
    return xp.erf(x)


def same_side(a: Array, b: Array) -> Array:
    """Return where two scores have the same sign, neither being 0."""
    zero = scalar(0, b)
    return ((a > zero) & (b > zero)) | ((a < zero) & (b < zero))


def length(x: Array) -> tuple[Array, Array]:
    """Return the Euclidean length of vectors along the last axis (..., 1), and x divided by it; of zeros zeros.

    No square is too large or too small for a float: numbers are divided by the largest of their vector first.

    Args:
        x: (..., D), floats.

    Example:
        >>> n, unit = length(np.array([[3.0, 4.0], [0.0, 0.0]]) * 2.0**700)
        >>> (n / 2.0**700).ravel().tolist(), unit.tolist()
        ([5.0, 0.0], [[0.6, 0.8], [0.0, 0.0]])
    """
    no_exact_value(x, "the square root")
    xp, one = namespace(x), scalar(1, x)
    if not x.shape[-1]:
        return xp.zeros((*x.shape[:-1], 1), dtype=x.dtype), x
    largest = abs(x).max(axis=-1, keepdims=True)
    parts = x / xp.where(largest == 0, one, largest).astype(x.dtype)
    root = xp.sqrt((parts * parts).sum(axis=-1, keepdims=True))
    return largest * root, parts / xp.where(root == 0, one, root).astype(x.dtype)
