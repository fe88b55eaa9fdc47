"""Outlier scores, clusters and mixtures by their formulas, one number at a time, for comparison."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def soft_minimum(h: Any, gamma: float) -> tuple[float, list[float]]:
    """Return −γ⁻¹ log Σ exp(−γ h) and the shares, for one sample."""
    least = min(h)
    powers = [math.exp(-gamma * (v - least)) for v in h]
    total = sum(powers)
    return least - math.log(total) / gamma, [v / total for v in powers]


def one_class(x: Any, points: Any, coefficients: Any, gamma: float, *, root: bool = False, factor: float = 1.0) -> Any:
    """Return o, the relevance that x shares with the bias, that of the bias, and that where x takes all; one sample."""
    total, d = sum(coefficients), len(x)
    square = [[(x[i] - u[i]) ** 2 for i in range(d)] for u in points]
    length = [factor * (math.sqrt(sum(s)) if root else sum(s)) for s in square]
    h = [length[j] - math.log(a / total) / gamma for j, a in enumerate(coefficients)]
    o, p = soft_minimum(h, gamma)
    shared, absorbed, bias = np.zeros(d), np.zeros(d), 0.0
    for j, squares in enumerate(square):
        whole = sum(squares)
        for i in range(d):
            part = squares[i] / whole if whole else 0.0
            absorbed[i] += part * p[j] * o
            shared[i] += part * length[j] / h[j] * p[j] * o if h[j] else 0.0
        bias += (h[j] - length[j]) / h[j] * p[j] * o if h[j] else 0.0
    return o, shared, bias, absorbed


def kmeans(x: Any, centers: Any, c: int, beta: float) -> tuple[float, Any]:
    """Return f_c and the relevance by w·(x − m), for one sample."""
    others = [k for k in range(len(centers)) if k != c]
    w = {k: 2 * (centers[c] - centers[k]) for k in others}
    h = {k: float(w[k] @ x + centers[k] @ centers[k] - centers[c] @ centers[c]) for k in others}
    f = min(h.values())
    _, p = soft_minimum([h[k] for k in others], beta)
    relevance = np.zeros(len(x))
    for share, k in zip(p, others, strict=True):
        middle = (centers[c] + centers[k]) / 2
        relevance += w[k] * (x - middle) / h[k] * share * f
    return f, relevance


def log_joint(x: Any, weights: Any, means: Any, matrices: Any) -> list[float]:
    """Return log π_k + log N(x; μ_k, P_k⁻¹) of one sample, with determinants and products as they are defined."""
    d = len(x)
    found = []
    for w, m, p in zip(weights, means, matrices, strict=True):
        q = sum((x[i] - m[i]) * p[i, j] * (x[j] - m[j]) for i in range(d) for j in range(d))
        found.append(math.log(w) + math.log(np.linalg.det(p)) / 2 - d / 2 * math.log(2 * math.pi) - q / 2)
    return found
