"""The pieces of an attention, number by number: the product of two matrices, softmax, and a norm; one sample at a time.

Achtibat et al. 2024 ("AttnLRP") for the products and the softmax; Ali et al. 2022 ("XAI for transformers") for the
norm, whose deviation is a constant, and for the choice that the weights of an attention are constants.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from . import stabilisers
from .matrices import Matrix
from .nonlinear import Shares
from .scalars import Array, common_dtype, divide
from .stabilisers import Stabiliser

Index = tuple[int, ...]


def matmul(a: Array, b: Array) -> Array:
    """Return y_jk = sum_i a_ji b_ik over the last two axes of a (..., rows, inner) and b (..., inner, columns).

    Axes in front of the matrices broadcast: one of size 1 serves all places. Raises ValueError where shapes do not fit.
    """
    y = np.zeros(_made(a, b), common_dtype(a=a, b=b))
    for place, left, right in _terms(a, b):
        y[place] += a[left] * b[right]
    return y


def matmul_relevance(
    a: Array,
    b: Array,
    R: Array,
    product: Literal["signal", "half"],
    gate: int | None = None,
    stabiliser: Stabiliser = stabilisers.exact,
) -> Shares:
    """Return what a and b receive: the term a_ji b_ik of y_jk gets a_ji b_ik / st(y_jk) R_jk, and its factors share it.

    signal: the factor that is not the gate takes all of a term; half: both take half. Where st(y_jk) = 0, R_jk is
    dropped. Raises ValueError for signal without a gate, and for another product.

    >>> weights, values = np.array([[0.5, 0.5]]), np.array([[1.0], [3.0]])
    >>> for how in ("signal", "half"):
    ...     told = matmul_relevance(weights, values, np.array([[2.0]]), how, gate=0)
    ...     print([part.ravel().tolist() for part in told.inputs])
    [[0.0, 0.0], [0.5, 1.5]]
    [[0.25, 0.75], [0.25, 0.75]]
    """
    if product not in ("signal", "half") or (product == "signal" and gate not in (0, 1)):
        raise ValueError(f"product must be 'half', or 'signal' with gate 0 or 1, got {product!r} with gate {gate}")
    y, dtype = matmul(a, b), common_dtype(a=a, b=b, R=R)
    stable = stabiliser(y.reshape(-1)).reshape(y.shape)
    received = [np.zeros(a.shape, dtype), np.zeros(b.shape, dtype)]
    taken, dropped = np.zeros(y.shape, dtype), np.zeros(y.shape, dtype)
    for place in np.ndindex(*y.shape):
        if stable[place] == 0:
            dropped[place] = R[place]
        else:
            taken[place] = divide((stable[place] - y[place]) * R[place], stable[place])
    for place, left, right in _terms(a, b):
        if stable[place] == 0:
            continue
        share = divide(a[left] * b[right] * R[place], stable[place])
        if product == "half":
            received[0][left] += divide(share, 2)
            received[1][right] += divide(share, 2)
        else:
            received[1 - int(gate or 0)][(left, right)[1 - int(gate or 0)]] += share
    return Shares((received[0], received[1]), taken, dropped)


def _made(a: Array, b: Array) -> Index:
    """Return the shape of a product."""
    if a.ndim != b.ndim or a.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matrices {a.shape} and {b.shape} do not fit")
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])


def _terms(a: Array, b: Array) -> Iterator[tuple[Index, Index, Index]]:
    """Yield where a term goes, and where its two factors are."""
    *front, rows, columns = _made(a, b)
    for place in itertools.product(*map(range, front)):
        of_a = tuple(0 if n == 1 else p for p, n in zip(place, a.shape[:-2], strict=True))
        of_b = tuple(0 if n == 1 else p for p, n in zip(place, b.shape[:-2], strict=True))
        for j, k, i in itertools.product(range(rows), range(columns), range(a.shape[-1])):
            yield (*place, j, k), (*of_a, j, i), (*of_b, i, k)


def softmax(x: Array, exp: Callable[[Array], Array] = np.exp) -> Array:
    """Return y_i = exp(x_i) / sum_k exp(x_k) along the last axis, from which the largest x is taken first."""
    y = np.zeros(x.shape, common_dtype(x=x))
    for row in np.ndindex(*x.shape[:-1]):
        powers = exp(x[row] - max(x[row]))
        total: Any = sum(powers)
        for i, power in enumerate(powers):
            y[(*row, i)] = divide(power, total)
    return y


def softmax_relevance(x: Array, R: Array, exp: Callable[[Array], Array] = np.exp) -> Shares:
    """Return R_i = x_i (R_i - y_i sum_j R_j) along the last axis, the first-order terms at 0; the rest is dropped.

    Achtibat et al. 2024, proposition 3.1. What is dropped stands at the first place of its row.

    >>> told = softmax_relevance(np.log(np.array([2.0, 3.0])), np.array([0.0, 1.0]))
    >>> told.inputs[0].round(4).tolist(), told.dropped.round(4).tolist()
    ([-0.2773, 0.4394], [0.8378, 0.0])
    """
    y, dtype = softmax(x, exp), common_dtype(x=x, R=R)
    received, dropped = np.zeros(x.shape, dtype), np.zeros(x.shape, dtype)
    for row in np.ndindex(*x.shape[:-1]):
        total: Any = sum(R[row])
        for i in range(x.shape[-1]):
            received[(*row, i)] = x[(*row, i)] * (R[(*row, i)] - y[(*row, i)] * total)
        dropped[(*row, 0)] = total - sum(received[row])
    return Shares((received,), np.zeros(x.shape, dtype), dropped)


def norm(
    x: Array,
    members: Sequence[Sequence[int]],
    epsilon: Any,
    centre: bool = True,
    root: Callable[[Any], Any] = np.sqrt,
) -> Matrix:
    """Return the matrix that a norm is at x (I,), its deviation being a constant: y_j = (x_j - mu) / s.

    w_ij = ([i = j] - 1/n) / s among the n numbers of a group, w_jj = 1 / s without centre, and s = root(mean of
    (x - mu)^2 + epsilon), mu = 0 without centre. members holds the places of the numbers of each group.

    >>> norm(np.array([1.0, 3.0]), [[0, 1]], 3.0).weight.tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    weight = np.zeros((len(x), len(x)), common_dtype(x=x))
    taps = np.zeros(weight.shape, dtype=bool)
    for group in members:
        count = len(group)
        mean: Any = divide(sum(x[i] for i in group), count) if centre else 0
        square: Any = sum((x[i] - mean) * (x[i] - mean) for i in group)
        deviation = root(divide(square, count) + epsilon)
        for i, j in itertools.product(group, group):
            if centre:
                weight[i, j] = divide((count if i == j else 0) - 1, count * deviation)
            elif i == j:
                weight[i, j] = divide(1, deviation)
            taps[i, j] = centre or i == j
    return Matrix(weight, np.zeros(len(x), weight.dtype), taps)
