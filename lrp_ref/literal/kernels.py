"""Kernel machines one sample at a time: sums over features, two pools of exponential kernels, expansions at a root.

A machine is f(x) = sum_s a_s k(x, v_s) + b with supports v (S, D) and coefficients a (S,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from .scalars import Array, common_dtype, divide

Kernel = Literal["linear", "intersection", "hellinger", "signed_hellinger", "chi2", "additive_chi2"]


def feature(kernel: Kernel, x: Any, v: Any) -> Any:
    """Return k_i(x, v) of two numbers, of a kernel that is the sum of these (Bach et al. 2015).

    >>> feature("intersection", 2.0, 3.0), feature("hellinger", 4.0, 9.0), feature("chi2", 1.0, 3.0)
    (2.0, 6.0, 1.5)
    """
    if kernel == "linear":
        return x * v
    if kernel == "intersection":
        return min(x, v)
    if kernel == "hellinger":
        return math.sqrt(x * v)
    if kernel == "signed_hellinger":
        return math.copysign(1, x) * math.copysign(1, v) * math.sqrt(abs(x * v))
    if x + v == 0:
        return 0 * x
    return divide(2 * x * v, x + v) if kernel == "chi2" else -divide((x - v) * (x - v), x + v)


def terms(kernel: Kernel, x: Array, supports: Array, coefficients: Array) -> Array:
    """Return t (D,), t_i = sum_s a_s k_i(x_i, v_si): the relevance of the inputs for f - b.

    >>> terms("intersection", np.array([2.0, 5.0]), np.array([[1.0, 3.0], [4.0, 0.0]]), np.array([2.0, -1.0]))
    array([0., 6.])
    """
    t = np.zeros(x.shape, common_dtype(x=x, supports=supports, coefficients=coefficients))
    for i in range(len(x)):
        for s in range(len(supports)):
            t[i] += coefficients[s] * feature(kernel, x[i], supports[s, i])
    return t


def log_ratio(
    x: Array,
    supports: Array,
    coefficients: Array,
    gamma: float,
    distance: Callable[[Any, Any], Any] = lambda x, v: (x - v) ** 2,
) -> tuple[float, Array, float, float]:
    """Return u = log S_plus - log S_minus of kernels exp(-gamma sum_i distance(x_i, v_i)), and what it is made of.

    S_plus sums a_s k_s over a_s > 0, S_minus -a_s k_s over a_s < 0; p_s is the share of a support in its sum. Then
    u = sum_i R_i + logs + entropies with R_i = gamma (E_minus[d_i] - E_plus[d_i]), logs = E_plus[log a] -
    E_minus[log -a] and entropies = H(p_plus) - H(p_minus). Not published.

    >>> v, a = np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([-1.0, 1.0])
    >>> u, R, logs, entropies = log_ratio(np.array([2.0, 2.0]), v, a, 0.5)
    >>> u, R.tolist(), logs, entropies
    (2.0, [2.0, 0.0], 0.0, 0.0)
    """
    sums = {1: 0.0, -1: 0.0}
    weight = np.zeros(len(supports))
    for s in range(len(supports)):
        far = sum(distance(x[i], supports[s, i]) for i in range(len(x)))
        weight[s] = abs(coefficients[s]) * math.exp(-gamma * far)
        sums[1 if coefficients[s] > 0 else -1] += weight[s]
    R, logs, entropies = np.zeros(len(x)), 0.0, 0.0
    for s in range(len(supports)):
        side = 1 if coefficients[s] > 0 else -1
        p = weight[s] / sums[side]
        logs += side * p * math.log(abs(coefficients[s]))
        entropies -= side * p * math.log(p)
        for i in range(len(x)):
            R[i] -= side * gamma * p * distance(x[i], supports[s, i])
    return math.log(sums[1]) - math.log(sums[-1]), R, float(logs), float(entropies)


def from_root(
    gradient: Callable[[Array], Array], x: Array, root: Array, way: Literal["segment", "taylor"], steps: int = 1000
) -> Array:
    """Return R (D,) of f(x) from a root of f: R_i = (x - root)_i times the derivative at the root, or its mean between.

    The mean over the segment is taken at the middle of each of ``steps`` equal pieces of it.

    >>> from_root(lambda x: 2 * x, np.array([3.0]), np.array([0.0]), "segment").round(6)
    array([9.])
    """
    at = [0.0] if way == "taylor" else [(k + 0.5) / steps for k in range(steps)]
    R = np.zeros(len(x))
    for t in at:
        slope = gradient(root + t * (x - root))
        for i in range(len(x)):
            R[i] += (x[i] - root[i]) * slope[i] / len(at)
    return R
