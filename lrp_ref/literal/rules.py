"""The rules for linear layers, as formulas for the message R_{i<-j} from output j to input i.

Every function takes the inputs a (I,) of one sample, the layer as an explicit Matrix of I inputs and J
outputs and the relevance R (J,) of its outputs, and returns all messages (I, J) with the account of what did
not become a message. z_ij = a_i w_ij, z_j = sum_i z_ij + b_j, x^+ = max(x, 0), x^- = min(x, 0), sgn(0) = +1.

All but epsilon and the trivial ones take a stabiliser st, by default exact: st(d) = d. Where st(d_j) is
exactly 0 the fraction is 0 by convention and its relevance is dropped. All raise ValueError where shapes do
not fit or a parameter is out of range, and TypeError where floats and exact numbers are mixed.

Those whose denominator has a bias take bias, what becomes of it:

absorb  the denominator is d_j = sum_i q_ij + b_j, and b_j / st(d_j) R_j goes nowhere: it is in the column bias;
ignore  the denominator is sum_i q_ij, as if there were no bias (zennit and iNNvestigate have this choice);
spread  the denominator is as in absorb, and the part of the bias goes to the N_j inputs connected to j, to each
        b_j / (N_j st(d_j)) R_j; without any input it stays in the column (Bach et al. 2015; Arras et al. 2017);
nonzero the same, but N_j counts, and only those inputs get a share, that are not 0: the words of a document, in a
        bag of all words (Arras et al. 2017, of text).

Here q_ij and b_j are those of the rule, such as z_ij^+ and b_j^+ in the positive part of alpha-beta.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import stabilisers
from .matrices import Matrix
from .scalars import Array, common_dtype, divide, negative, positive, sign, vector
from .stabilisers import Stabiliser


@dataclass(frozen=True, eq=False)
class Messages:
    """What became of the relevance of J outputs: messages (I, J) and, per output, three columns (J,).

    messages: to each input; bias: the share of the bias; stabiliser: what the stabiliser took; dropped:
    relevance of a denominator that is exactly 0, of a part of the rule without contributor, or dropped by the
    rule's definition.
    """

    messages: Array
    bias: Array
    stabiliser: Array
    dropped: Array

    @property
    def relevance(self) -> Array:
        """Return the relevance of the inputs, R_i = sum_j R_{i<-j}, shape (I,)."""
        return np.asarray(self.messages.sum(axis=1))

    @property
    def total(self) -> Array:
        """Return messages + bias + stabiliser + dropped per output, (J,): R_j, in exact arithmetic."""
        return np.asarray(self.messages.sum(axis=0) + self.bias + self.stabiliser + self.dropped)

    def __add__(self, other: Messages) -> Messages:
        """Return the sum of two parts of one rule, entry by entry."""
        return Messages(
            self.messages + other.messages,
            self.bias + other.bias,
            self.stabiliser + other.stabiliser,
            self.dropped + other.dropped,
        )


Rule = Callable[[Array, Matrix, Array], Messages]
Bias = Literal["absorb", "ignore", "spread", "nonzero"]


def lrp0(
    a: Array, matrix: Matrix, R: Array, stabiliser: Stabiliser = stabilisers.exact, bias: Bias = "absorb"
) -> Messages:
    """Return R_{i<-j} = z_ij / st(z_j) R_j (Bach et al. 2015, eq. 56; Montavon et al. 2019).

    >>> layer = Matrix(np.array([[1.0], [1.0]]), np.array([2.0]), np.ones((2, 1), dtype=bool))
    >>> for bias in ("absorb", "ignore", "spread", "nonzero"):
    ...     told = lrp0(np.array([1.0, 5.0]), layer, np.array([24.0]), bias=bias)
    ...     print(bias, told.relevance.tolist(), told.bias.tolist())
    absorb [3.0, 15.0] [6.0]
    ignore [4.0, 20.0] [0.0]
    spread [6.0, 18.0] [0.0]
    nonzero [6.0, 18.0] [0.0]
    """
    a, R = _checked(a, matrix, R)
    return _in_proportion(matrix.contributions(a), matrix.bias, R, stabiliser, _counted(a, matrix, bias), bias)


def epsilon(
    a: Array,
    matrix: Matrix,
    R: Array,
    epsilon: Any,
    bias_share: Any = 0,
    epsilon_share: Any = None,
    bias: Bias = "absorb",
) -> Messages:
    """Return the epsilon rule, whose bias and epsilon may be shared out among the inputs.

    R_{i<-j} = (z_ij + (delta b_j + delta' epsilon sgn z_j) / N_j) / (z_j + epsilon sgn z_j) R_j, where N_j is
    the number of inputs connected to j and only those get a share; what is not shared is in the columns.
    delta = bias_share and delta' = epsilon_share are in [0, 1]. delta = delta' = 0 is Bach et al. 2015, eq.
    58. In Arras et al. 2017, epsilon is always shared: epsilon_share=1, with bias_share 0 or 1. By default
    epsilon_share = bias_share, the later form of the same authors: either both absorb, or neither. bias "ignore"
    is b_j = 0, "spread" is delta = 1; neither changes delta'. "nonzero" is delta = 1 with N_j counting, and only
    those inputs getting a share, that are connected to j and not 0.

    >>> told = epsilon(np.array([1.0, 2.0]), Matrix(np.array([[1.0], [-1.0]]), np.array([2.0]),
    ...                np.ones((2, 1), dtype=bool)), np.array([3.0]), epsilon=0.5, bias_share=1)
    >>> told.messages.tolist(), told.bias.tolist(), told.stabiliser.tolist()
    ([[4.5], [-1.5]], [0.0], [0.0])
    """
    a, R = _checked(a, matrix, R)
    epsilon_share = bias_share if epsilon_share is None else epsilon_share
    if not (epsilon >= 0 and 0 <= bias_share <= 1 and 0 <= epsilon_share <= 1):
        raise ValueError(f"epsilon {epsilon} must be >= 0, shares {bias_share} and {epsilon_share} in [0, 1]")
    told = _nothing(a, matrix, R)
    z_ij, b = matrix.contributions(a), matrix.bias
    if _policy(bias) == "ignore":
        b = 0 * b
    elif bias in ("spread", "nonzero"):
        bias_share = 1
    taps = _counted(a, matrix, bias)
    z = z_ij.sum(axis=0) + b
    for j in range(len(R)):
        extra = epsilon * sign(z[j])
        if z[j] + extra == 0:
            told.dropped[j] = R[j]
            continue
        connected = int(taps[:, j].sum())
        of_bias, of_epsilon = (bias_share, epsilon_share) if connected else (0, 0)
        for i in range(len(a)):
            share = divide(of_bias * b[j] + of_epsilon * extra, connected) if taps[i, j] else 0
            told.messages[i, j] = divide((z_ij[i, j] + share) * R[j], z[j] + extra)
        told.bias[j] = divide((1 - of_bias) * b[j] * R[j], z[j] + extra)
        told.stabiliser[j] = divide((1 - of_epsilon) * extra * R[j], z[j] + extra)
    return told


def gamma(
    a: Array,
    matrix: Matrix,
    R: Array,
    gamma: Any,
    stabiliser: Stabiliser = stabilisers.exact,
    bias: Bias = "absorb",
) -> Messages:
    """Return R_{i<-j} = a_i (w_ij + gamma w_ij^+) / st(d_j) R_j.

    d_j = sum_i a_i (w_ij + gamma w_ij^+) + b_j + gamma b_j^+: the bias is the weight of an input a_0 = 1.
    Stated for a >= 0 (Montavon et al. 2019, section 10.2.1), computed for any a; gamma >= 0.
    """
    a, R = _checked(a, matrix, R)
    _not_negative(gamma, "gamma")
    w = matrix.weight + gamma * positive(matrix.weight)
    b = matrix.bias + gamma * positive(matrix.bias)
    return _in_proportion(a[:, np.newaxis] * w, b, R, stabiliser, _counted(a, matrix, bias), bias)


def generalized_gamma(
    a: Array,
    matrix: Matrix,
    R: Array,
    gamma: Any,
    stabiliser: Stabiliser = stabilisers.exact,
    bias: Bias = "absorb",
) -> Messages:
    """Return the gamma rule for inputs of any sign, which favours the contributions that have z_j's sign.

    z_j > 0: q_ij = a_i^+ (w_ij + gamma w_ij^+) + a_i^- (w_ij + gamma w_ij^-), bias b_j + gamma b_j^+;
    z_j < 0: q_ij = a_i^+ (w_ij + gamma w_ij^-) + a_i^- (w_ij + gamma w_ij^+), bias b_j + gamma b_j^-;
    R_{i<-j} = q_ij / st(sum_i q_ij + bias) R_j; the relevance of units with z_j = 0 is dropped. A stabiliser
    sees the denominators of all units for each of the two signs. gamma >= 0. Andeol et al. 2021. The sign of z_j
    is that of the unit with its bias, also where the denominators ignore it.
    """
    a, R = _checked(a, matrix, R)
    _not_negative(gamma, "gamma")
    z, w, b = matrix.forward(a), matrix.weight, matrix.bias
    up, down = w + gamma * positive(w), w + gamma * negative(w)
    a_up, a_down = positive(a)[:, np.newaxis], negative(a)[:, np.newaxis]
    told = _nothing(a, matrix, R)
    for j in range(len(R)):
        told.dropped[j] = R[j] if z[j] == 0 else 0
    above, below = R * (z > 0), R * (z < 0)
    q_above, b_above = a_up * up + a_down * down, b + gamma * positive(b)
    q_below, b_below = a_up * down + a_down * up, b + gamma * negative(b)
    told += _in_proportion(q_above, b_above, above, stabiliser, _counted(a, matrix, bias), bias)
    told += _in_proportion(q_below, b_below, below, stabiliser, _counted(a, matrix, bias), bias)
    return told


def alpha_beta(
    a: Array,
    matrix: Matrix,
    R: Array,
    alpha: Any,
    beta: Any,
    stabiliser: Stabiliser = stabilisers.exact,
    bias: Bias = "absorb",
) -> Messages:
    """Return R_{i<-j} = (alpha z_ij^+ / st(z_j^+) - beta z_ij^- / st(z_j^-)) R_j.

    alpha - beta = 1, beta >= 0, z_j^+ = sum_i z_ij^+ + b_j^+ and z_j^- = sum_i z_ij^- + b_j^-. A unit without
    positive part drops alpha R_j, one without negative part -beta R_j. Bach et al. 2015, eq. 60 (there alpha
    + beta = 1 and beta <= 0).
    """
    a, R = _checked(a, matrix, R)
    _not_negative(beta, "beta")
    if abs(alpha - beta - 1) * 10**12 > 1:
        raise ValueError(f"alpha - beta must be 1, got alpha {alpha} and beta {beta}")
    z_ij, b = matrix.contributions(a), matrix.bias
    plus = _in_proportion(positive(z_ij), positive(b), alpha * R, stabiliser, _counted(a, matrix, bias), bias)
    return plus + _in_proportion(negative(z_ij), negative(b), -beta * R, stabiliser, _counted(a, matrix, bias), bias)


def zplus(a: Array, matrix: Matrix, R: Array, stabiliser: Stabiliser = stabilisers.exact) -> Messages:
    """Return R_{i<-j} = z_ij^+ / st(sum_i z_ij^+) R_j: no bias (Montavon et al. 2017, the z+ rule)."""
    a, R = _checked(a, matrix, R)
    return _in_proportion(positive(matrix.contributions(a)), matrix.bias * 0, R, stabiliser, matrix.taps)


def wsquare(a: Array, matrix: Matrix, R: Array, stabiliser: Stabiliser = stabilisers.exact) -> Messages:
    """Return R_{i<-j} = w_ij^2 / st(sum_i w_ij^2) R_j, over connections that exist.

    No bias (Montavon et al. 2017, the w^2 rule).
    """
    a, R = _checked(a, matrix, R)
    return _in_proportion(matrix.weight * matrix.weight, matrix.bias * 0, R, stabiliser, matrix.taps)


def flat(a: Array, matrix: Matrix, R: Array, stabiliser: Stabiliser = stabilisers.exact) -> Messages:
    """Return R_{i<-j} = 1 / st(N_j) R_j to each of the N_j inputs connected to j (Lapuschkin et al. 2017)."""
    a, R = _checked(a, matrix, R)
    ones = np.zeros(matrix.taps.shape, dtype=matrix.weight.dtype)
    ones[matrix.taps] = 1
    return _in_proportion(ones, matrix.bias * 0, R, stabiliser, matrix.taps)


def zbox(
    a: Array, matrix: Matrix, R: Array, low: Any, high: Any, stabiliser: Stabiliser = stabilisers.exact
) -> Messages:
    """Return R_{i<-j} = q_ij / st(sum_i q_ij) R_j with q_ij = a_i w_ij - l_i w_ij^+ - h_i w_ij^-, no bias.

    low l and high h are a number or one per input (I,), in any shape of I numbers; the rule is meant for
    l <= a <= h. Montavon et al. 2017, the z^B rule.
    """
    a, R = _checked(a, matrix, R)
    lows, highs = (np.broadcast_to(np.asarray(v, dtype=a.dtype).reshape(-1), a.shape) for v in (low, high))
    if not (lows <= highs).all():
        raise ValueError("zbox: low is above high for some inputs")
    q_ij = (
        matrix.contributions(a)
        - lows[:, np.newaxis] * positive(matrix.weight)
        - highs[:, np.newaxis] * negative(matrix.weight)
    )
    return _in_proportion(q_ij, matrix.bias * 0, R, stabiliser, matrix.taps)


def reference(a: Array, matrix: Matrix, R: Array, x0: Any, stabiliser: Stabiliser = stabilisers.exact) -> Messages:
    """Return R_{i<-j} = (a_i - x0_i) w_ij / st(sum_i (a_i - x0_i) w_ij) R_j, no bias.

    The reference x0 is a number or one per input (I,), in any shape of I numbers. Where a unit is 0 at x0 these are
    the terms of its Taylor expansion there, of which a linear unit has the first order alone (Bach et al. 2015).

    >>> told = reference(np.array([3.0, 2.0]), Matrix(np.array([[2.0], [-1.0]]), np.array([-1.0]),
    ...                  np.ones((2, 1), dtype=bool)), np.array([3.0]), x0=1)
    >>> told.relevance.tolist()
    [4.0, -1.0]
    """
    a, R = _checked(a, matrix, R)
    root = np.broadcast_to(np.asarray(x0, dtype=a.dtype).reshape(-1), a.shape)
    return _in_proportion(matrix.contributions(a - root), matrix.bias * 0, R, stabiliser, matrix.taps)


def pass_on(a: Array, matrix: Matrix, R: Array) -> Messages:
    """Return R_{i<-i} = R_i, the pass rule; raises ValueError unless there are as many outputs as inputs."""
    a, R = _checked(a, matrix, R)
    if len(a) != len(R):
        raise ValueError(f"pass_on: {len(a)} inputs and {len(R)} outputs")
    told = _nothing(a, matrix, R)
    for i in range(len(a)):
        told.messages[i, i] = R[i]
    return told


def zero(a: Array, matrix: Matrix, R: Array) -> Messages:
    """Return no message at all, R_{i<-j} = 0: everything is dropped, by definition."""
    a, R = _checked(a, matrix, R)
    told = _nothing(a, matrix, R)
    told.dropped[:] = R
    return told


def _in_proportion(
    q: Array, b: Array, R: Array, stabiliser: Stabiliser, taps: Array, bias: Bias = "absorb"
) -> Messages:
    """Return the messages q_ij / st(d_j) R_j with d_j = sum_i q_ij + b_j, and what is not a message."""
    shape = q.shape
    dtype = common_dtype(q=q, bias=b, R=R)
    told = Messages(np.zeros(shape, dtype), *(np.zeros(shape[1], dtype) for _ in range(3)))
    if _policy(bias) == "ignore":
        b = 0 * b
    d = q.sum(axis=0) + b
    stabilised = stabiliser(d)
    for j in range(shape[1]):
        if stabilised[j] == 0:
            told.dropped[j] = R[j]
            continue
        for i in range(shape[0]):
            told.messages[i, j] = divide(q[i, j] * R[j], stabilised[j])
        told.bias[j] = divide(b[j] * R[j], stabilised[j])
        told.stabiliser[j] = divide((stabilised[j] - d[j]) * R[j], stabilised[j])
        connected = int(taps[:, j].sum())
        if bias in ("spread", "nonzero") and connected > 0:
            for i in range(shape[0]):
                if taps[i, j]:
                    told.messages[i, j] += divide(told.bias[j], connected)
            told.bias[j] = 0
    return told


def _counted(a: Array, matrix: Matrix, bias: Bias) -> Array:
    """Return which inputs (I, J) a bias that is spread goes to: those connected to j; under "nonzero" if not 0."""
    return matrix.taps & (a != 0)[:, np.newaxis] if bias == "nonzero" else matrix.taps


def _policy(bias: str) -> str:
    """Return the name of what becomes of a bias; raises ValueError where it is none."""
    if bias not in ("absorb", "ignore", "spread", "nonzero"):
        raise ValueError(f"bias must be absorb, ignore, spread or nonzero, got {bias!r}")
    return bias


def _checked(a: Array, matrix: Matrix, R: Array) -> tuple[Array, Array]:
    """Return a (I,) and R (J,), flattened from any shape, after checking sizes and kinds of numbers."""
    inputs, outputs = matrix.weight.shape
    a, R = np.asarray(a).reshape(-1), np.asarray(R).reshape(-1)
    common_dtype(a=a, weight=matrix.weight, bias=matrix.bias, R=R)
    if matrix.taps.shape != (inputs, outputs):
        raise ValueError(f"taps have shape {matrix.taps.shape}, weight {matrix.weight.shape}")
    vector(matrix.bias, outputs, "bias")
    return vector(a, inputs, "a"), vector(R, outputs, "R")


def _nothing(a: Array, matrix: Matrix, R: Array) -> Messages:
    dtype = common_dtype(a=a, weight=matrix.weight, bias=matrix.bias, R=R)
    return Messages(np.zeros((len(a), len(R)), dtype), *(np.zeros(len(R), dtype) for _ in range(3)))


def _not_negative(value: Any, name: str) -> None:
    if not value >= 0:
        raise ValueError(f"{name} must be >= 0, got {value}")
