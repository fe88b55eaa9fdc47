"""Stabilisers: what a rule puts under the fraction bar in place of the denominators d_j of one sample.

Each is a function from the vector of all denominators of a layer's output, shape (J,), to the stabilised
vector of the same shape. sgn(0) = +1. A stabilised denominator of exactly 0 means that the unit is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .scalars import Array, sign

Stabiliser = Callable[[Array], Array]


def exact(denominators: Array) -> Array:
    """Return the denominators (J,) as they are: st(d) = d."""
    return denominators


def add(epsilon: Any) -> Stabiliser:
    """Return st(d) = d + epsilon sgn(d), epsilon >= 0 (Bach et al. 2015, eq. 58).

    >>> from fractions import Fraction as F
    >>> [str(s) for s in add(F(1, 10))(np.array([F(0), F(-1, 20), F(-1, 10), F(-1)]))]
    ['1/10', '-3/20', '-1/5', '-11/10']
    """
    _check(epsilon)

    def stabilise(denominators: Array) -> Array:
        result = denominators.copy()
        for j, d in enumerate(denominators):
            result[j] = d + epsilon * sign(d)
        return result

    return stabilise


def clip(epsilon: Any) -> Stabiliser:
    """Return st(d) = sgn(d) max(|d|, epsilon), epsilon >= 0: only small denominators are moved.

    >>> clip(0.1)(np.array([0.0, -0.05, -0.5, 2.0])).tolist()
    [0.1, -0.1, -0.5, 2.0]
    """
    _check(epsilon)

    def stabilise(denominators: Array) -> Array:
        result = denominators.copy()
        for j, d in enumerate(denominators):
            result[j] = sign(d) * max(abs(d), epsilon)
        return result

    return stabilise


def relative(epsilon: Any) -> Stabiliser:
    """Return st(d) = d + epsilon rms(d) sgn(d), rms(d) = sqrt(sum_j d_j^2 / J).

    The root mean square is over all J units of one sample. Floats only, as the root is irrational; raises
    TypeError on object arrays.

    >>> relative(0.5)(np.array([3.0, -3.0, 3.0])).tolist()
    [4.5, -4.5, 4.5]
    """
    _check(epsilon)

    def stabilise(denominators: Array) -> Array:
        if denominators.dtype.kind != "f":
            raise TypeError(f"relative({epsilon}) needs a square root: floats, not {denominators.dtype}")
        rms = np.sqrt(sum(d * d for d in denominators) / len(denominators))
        return add(epsilon * rms)(denominators)

    return stabilise


def _check(epsilon: Any) -> None:
    if not epsilon >= 0:
        raise ValueError(f"epsilon must be >= 0, got {epsilon}")
