"""Squared distances, differences of outputs and soft minima, term by term: clusters, mixtures, one-class models.

The distance of x to centre k is h_k = s sum_i (x - mu_k)_i [P_k (x - mu_k)]_i + b_k, of which every input has a term of
its own; the difference of output c to another one is f_c - f_k; and o = -log(sum_k e^{-gamma h_k}) / gamma is a soft
minimum, whose shares are p_k = e^{-gamma h_k} / sum_l e^{-gamma h_l}. gamma = math.inf: the smallest h_k share equally.

The last three functions are the relevance of whole models as their papers state it, without any of these layers.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .rules import Bias, Messages
from .scalars import Array, common_dtype, divide


def terms(x: Array, center: Array, precision: Array | None = None, factor: Any = 1) -> list[Any]:
    """Return the terms s (x - mu)_i [P (x - mu)]_i of one distance; precision is a matrix (D, D), None for identity.

    >>> [float(t) for t in terms(np.array([1.0, 2.0]), np.array([0.0, 0.0]), np.array([[1.0, -1.0], [0.0, 3.0]]))]
    [-1.0, 12.0]
    """
    apart = [x[i] - center[i] for i in range(len(x))]
    if precision is None:
        return [factor * a * a for a in apart]
    return [
        factor * apart[i] * sum(precision[i, j] * apart[j] for j in range(len(x)) if precision[i, j] != 0)
        for i in range(len(x))
    ]


def squared_distances(
    x: Array,
    R: Array,
    centers: Array,
    precisions: Sequence[Array | None] | None = None,
    offset: Array | None = None,
    factor: Any = 1,
    bias: Bias = "absorb",
) -> Messages:
    """Return R_{i<-k} = t_ki / h_k R_k for all centres, t_ki the terms and h_k their sum and b_k.

    bias says what becomes of b_k / h_k R_k, as in ``rules``: it is in the column (absorb); the distance without b_k is
    the denominator (ignore); it goes to all inputs evenly (spread), or to those with x_i != 0 (nonzero). R_k of a
    denominator that is 0 is dropped.

    >>> told = squared_distances(np.array([1.0, 2.0]), np.array([6.0]), np.array([[0.0, 0.0]]), offset=np.array([1.0]))
    >>> told.messages[:, 0].tolist(), told.bias.tolist()
    ([1.0, 4.0], [1.0])
    """
    many, inputs = centers.shape
    told = _nothing(inputs, many, common_dtype(x=x, R=R, centers=centers))
    for k in range(many):
        part = terms(x, centers[k], None if precisions is None else precisions[k], factor)
        b = 0 if offset is None or bias == "ignore" else offset[k]
        h = sum(part) + b
        if h == 0:
            told.dropped[k] = R[k]
            continue
        there = {"spread": list(range(inputs)), "nonzero": [i for i in range(inputs) if x[i] != 0]}.get(bias, [])
        for i in range(inputs):
            extra = divide(b, len(there)) if i in there else 0
            told.messages[i, k] = divide((part[i] + extra) * R[k], h)
        told.bias[k] = 0 if there else divide(b * R[k], h)
    return told


def differences(f: Array, R: Array) -> Messages:
    """Return the messages to f (K,) from h_ck = f_c - f_k, k != c, flattened: f_c / h R and -f_k / h R.

    >>> differences(np.array([3.0, 1.0]), np.array([4.0, 2.0])).messages.tolist()
    [[6.0, 3.0], [-2.0, -1.0]]
    """
    many = len(f)
    told = _nothing(many, many * (many - 1), common_dtype(f=f, R=R))
    place = 0
    for c in range(many):
        for k in range(many):
            if k == c:
                continue
            h = f[c] - f[k]
            if h == 0:
                told.dropped[place] = R[place]
            else:
                told.messages[c, place] = divide(f[c] * R[place], h)
                told.messages[k, place] = divide(-f[k] * R[place], h)
            place += 1
    return told


def shares(h: Array, gamma: Any) -> list[Any]:
    """Return p_k, the softmax of -gamma h_k.

    >>> shares(np.array([1.0, 1.0, 2.0]), math.inf)
    [Fraction(1, 2), Fraction(1, 2), Fraction(0, 1)]
    """
    if gamma == math.inf:
        least = min(h)
        powers: list[Any] = [1 if value == least else 0 for value in h]
    else:
        powers = [math.exp(-gamma * value) for value in h]
    return [divide(power, sum(powers)) for power in powers]


def soft_minimum(h: Array, gamma: Any, hard: bool = False) -> Any:
    """Return o, or min_k h_k if it is hard.

    >>> round(soft_minimum(np.array([0.0, 0.0]), 1.0), 4), soft_minimum(np.array([2.0, 1.0]), 1.0, hard=True)
    (-0.6931, 1.0)
    """
    if hard or gamma == math.inf:
        return h.tolist()[h.tolist().index(min(h))]
    return -math.log(sum(math.exp(-gamma * value) for value in h)) / gamma


def minimum(
    h: Array, R: Any, gamma: Any, hard: bool = False, share: Literal["most", "mean"] = "most"
) -> tuple[list[Any], Any, Any]:
    """Return the relevance of h (K,), that of the bias, and what is dropped, for the relevance R of the minimum.

    most: R_k = p_k R. mean: R_k = p_k h_k / o R, and what o is more than sum_k p_k h_k, the entropy -H(p) / gamma of a
    soft one, is bias; where o = 0, R is dropped.

    >>> minimum(np.array([1.0, 1.0, 2.0]), 6.0, math.inf)
    ([3.0, 3.0, 0.0], 0, 0)
    """
    p = shares(h, gamma)
    if share == "most":
        return [p_k * R for p_k in p], 0, 0
    o = soft_minimum(h, gamma, hard)
    if o == 0:
        return [0 * R for _ in p], 0, R
    mean = sum(p_k * h_k for p_k, h_k in zip(p, h, strict=True))
    return [divide(p_k * h_k * R, o) for p_k, h_k in zip(p, h, strict=True)], divide((o - mean) * R, o), 0


def one_class(x: Array, points: Array, alpha: Array, gamma: Any) -> tuple[Any, list[Any]]:
    """Return the outlier score and the relevance of x (D,) in a one-class model (Kauffmann et al. 2020).

    h_j = |x - u_j|^2 - log(alpha_j) / gamma, o the soft minimum, R_j = p_j o, R_i = sum_j (x - u_j)_i^2 / |x - u_j|^2
    R_j: the constants are ignored, and the inputs share the whole score; a point that is x itself drops its R_j.
    """
    far = [sum((x[i] - u[i]) ** 2 for i in range(len(x))) for u in points]
    h = np.array([d - math.log(a) / gamma for d, a in zip(far, alpha, strict=True)])
    o, p = soft_minimum(h, gamma), shares(h, gamma)
    return o, [
        sum((x[i] - u[i]) ** 2 / d * p_j * o for u, d, p_j in zip(points, far, p, strict=True) if d != 0)
        for i in range(len(x))
    ]


def cluster(x: Array, centers: Array, beta: Any, c: int) -> tuple[Any, list[Any]]:
    """Return by how much x (D,) is nearer to centre c than to any other, and its relevance (Kauffmann et al. 2022).

    h_k = w_k . x + b_k with w_k = 2 (mu_c - mu_k), b_k = |mu_k|^2 - |mu_c|^2; f_c = min_k h_k, R_k = p_k f_c, and
    R_i = sum_k w_ki (x - m_k)_i / h_k R_k with the midpoint m_k = (mu_c + mu_k) / 2.
    """
    inputs, others = range(len(x)), [k for k in range(len(centers)) if k != c]
    w = {k: [2 * (centers[c][i] - centers[k][i]) for i in inputs] for k in others}
    b = {k: sum(centers[k][i] ** 2 - centers[c][i] ** 2 for i in inputs) for k in others}
    h = np.array([sum(w[k][i] * x[i] for i in inputs) + b[k] for k in others])
    f, p = soft_minimum(h, beta, hard=True), shares(h, beta)
    received = [0 * f for _ in inputs]
    for place, k in enumerate(others):
        for i in inputs:
            apart = x[i] - divide(centers[c][i] + centers[k][i], 2)
            received[i] += divide(w[k][i] * apart * p[place] * f, h[place]) if h[place] != 0 else 0
    return f, received


def mixture(x: Array, scores: Sequence[Any], q: Sequence[list[Any]], c: int) -> tuple[Any, list[Any]]:
    """Return the log-odds of component c of a mixture, and the relevance of x (D,).

    scores: l_k = constants - q_k / 2, q: the terms q_ki of every component, q_k their sum. h_k = l_c - l_k, o their
    soft minimum at gamma = 1, R_k = p_k o, R_i = sum_k R_k / h_k (q_ki - q_ci) / 2.
    """
    others = [k for k in range(len(scores)) if k != c]
    h = np.array([scores[c] - scores[k] for k in others])
    o, p = soft_minimum(h, 1), shares(h, 1)
    received = [
        sum(p_k * o / h_k * (q[k][i] - q[c][i]) / 2 for k, h_k, p_k in zip(others, h, p, strict=True) if h_k != 0)
        for i in range(len(x))
    ]
    return o, received


def _nothing(inputs: int, outputs: int, dtype: Any) -> Messages:
    return Messages(np.zeros((inputs, outputs), dtype), *(np.zeros(outputs, dtype) for _ in range(3)))
