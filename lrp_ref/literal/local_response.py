"""Local response normalisation channel by channel, one position of one sample at a time.

Binder et al. 2016 ("Layer-wise relevance propagation for neural networks with local renormalization layers"): with
b = alpha / (size k) the output is y_k = k^{-beta} x_k / (1 + b S_k)^beta, S_k the sum of x_j^2 over the window of
channel k, to which k belongs.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .scalars import Array, common_dtype, divide


@dataclass(frozen=True, eq=False)
class Normalization:
    """What a local response normalisation is: size, alpha, beta, and k, which frameworks also call bias.

    An even size has one channel more behind its centre ("onnx") or before it ("torch").
    """

    size: int
    alpha: Any
    beta: Any
    k: Any
    window: Literal["onnx", "torch"] = "onnx"

    def looked_at(self, c: int, channels: int) -> list[int]:
        """Return the channels in the window of channel c.

        >>> Normalization(4, 1, 1, 1).looked_at(2, 9), Normalization(4, 1, 1, 1, "torch").looked_at(2, 9)
        ([1, 2, 3, 4], [0, 1, 2, 3])
        """
        less, more = (self.size - 1) // 2, self.size // 2
        before, behind = (less, more) if self.window == "onnx" else (more, less)
        return [j for j in range(c - before, c + behind + 1) if 0 <= j < channels]


def forward(norm: Normalization, x: Array) -> Array:
    """Return y (channels,) of x (channels,); on Fractions beta must be a whole number."""
    x = np.asarray(x)
    y = np.zeros(x.shape, common_dtype(x=x))
    for c in range(len(x)):
        squares = sum(x[j] * x[j] for j in norm.looked_at(c, len(x)))
        y[c] = divide(x[c], (norm.k + divide(norm.alpha, norm.size) * squares) ** norm.beta)
    return y


def contributions(norm: Normalization, x: Array, kind: Literal["taylor", "path"]) -> Array:
    """Return z (channels, channels), z[j, k] what channel j adds to y_k times k^beta.

    taylor: z_kk = x_k (1 + b x_k^2)^{-c}, z_jk = -2 b c x_k x_j^2 (1 + b S_k)^{-c-1}, b = alpha / (size k), c = beta.
    path: the same z_kk, z_jk = x_j^2 / (S_k - x_k^2) (k^beta y_k - z_kk); not published.
    """
    x = np.asarray(x)
    b, c = divide(norm.alpha, norm.size * norm.k), norm.beta
    z = np.zeros((len(x), len(x)), common_dtype(x=x))
    for k in range(len(x)):
        others = [j for j in norm.looked_at(k, len(x)) if j != k]
        rest = sum(x[j] * x[j] for j in others)
        whole = 1 + b * (x[k] * x[k] + rest)
        z[k, k] = divide(x[k], (1 + b * x[k] * x[k]) ** c)
        for j in others:
            if kind == "taylor":
                z[j, k] = divide(-2 * b * c * x[k] * x[j] * x[j], whole ** (c + 1))
            elif rest != 0:
                z[j, k] = divide(x[j] * x[j], rest) * (divide(x[k], whole**c) - z[k, k])
    return z


def relevance(
    norm: Normalization, x: Array, R: Array, kind: Literal["taylor", "path", "toolbox"]
) -> tuple[Array, Array]:
    """Return the relevance of x (channels,) and what each output drops, for the relevance R (channels,) of y.

    taylor, path: R_j = sum_k z_jk / (sum_i z_ik) R_k, where 0/0 := 0 and R_k is dropped. toolbox (the Caffe program
    of the LRP toolbox): R_j = sum_k k^{-beta} z_jk R_k with taylor's terms; R_k - sum_j k^{-beta} z_jk R_k is dropped.

    >>> norm, x, R = Normalization(3, 3.0, 1, 1.0), np.array([1.0, 2.0, 0.0]), np.array([0.0, 1.0, 0.5])
    >>> [part.round(4).tolist() for part in relevance(norm, x, R, "path")]
    [[-0.2, 1.2, 0.0], [0.0, 0.0, 0.5]]
    """
    x, R = np.asarray(x), np.asarray(R)
    z = contributions(norm, x, "path" if kind == "path" else "taylor")
    received, dropped = np.zeros(x.shape, common_dtype(x=x, R=R)), np.zeros(x.shape, common_dtype(x=x, R=R))
    for k in range(len(x)):
        denominator = norm.k**norm.beta if kind == "toolbox" else sum(z[j, k] for j in range(len(x)))
        if denominator == 0:
            dropped[k] = R[k]
            continue
        for j in range(len(x)):
            received[j] += divide(z[j, k] * R[k], denominator)
        if kind == "toolbox":
            dropped[k] = R[k] - sum(divide(z[j, k] * R[k], denominator) for j in range(len(x)))
    return received, dropped
