"""One direction of an LSTM, unrolled by hand: forward pass and relevance, one sample at a time.

Arras et al. 2017 ("Explaining recurrent neural network predictions in sentiment analysis") and Arras et
al. 2019: in the products i * g, f * c and o * tanh(c) the signal takes all and the gate nothing, tanh passes
relevance on, and the two sums of a step, cell and cell input, are explained by the epsilon rule. T steps of E
features, D hidden units. A bidirectional LSTM is two of these, the second one on the reversed sequence.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from . import rules
from .matrices import Matrix, dense
from .rules import Messages, Rule
from .scalars import Array, common_dtype

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Gate:
    """One block of weights: pre = W x_t + U h_{t-1} + b_W + b_U, as sums over inputs.

    input_weight (E, D), recurrent_weight (D, D), input_bias (D,), recurrent_bias (D,); rows are inputs.
    """

    input_weight: Array
    recurrent_weight: Array
    input_bias: Array
    recurrent_bias: Array

    def matrix(self) -> Matrix:
        """Return the block as one dense layer (E + D, D) over (x_t, h_{t-1}), its two biases summed."""
        weight = np.concatenate([self.input_weight, self.recurrent_weight])
        return dense(weight, self.input_bias + self.recurrent_bias)


@dataclass(frozen=True, eq=False)
class Cell:
    """The four blocks of an LSTM: input gate i, cell input g, forget gate f, output gate o."""

    i: Gate
    g: Gate
    f: Gate
    o: Gate


@dataclass(frozen=True, eq=False)
class States:
    """What a forward pass computed: h, c (T + 1, D), entry 0 initial; i, g, f, o and pre_g (T, D)."""

    h: Array
    c: Array
    i: Array
    g: Array
    f: Array
    o: Array
    pre_g: Array


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the relevance of the hidden states went.

    x (T, E), h0 (D,) and c0 (D,) got relevance; bias, stabiliser and dropped (T,) are the account of each
    step. h and c (T + 1, D, entry 0 initial) and g (T, D) are the relevances on the way: c holds what comes
    down through h too.
    """

    x: Array
    h0: Array
    c0: Array
    bias: Array
    stabiliser: Array
    dropped: Array
    h: Array
    c: Array
    g: Array

    @property
    def total(self) -> Any:
        """Return the sum of everything, which is the relevance put in, in exact arithmetic."""
        arrived = self.x.sum() + self.h0.sum() + self.c0.sum()
        return arrived + self.bias.sum() + self.stabiliser.sum() + self.dropped.sum()


def split_gates(
    input_weight: Array, recurrent_weight: Array, input_bias: Array, recurrent_bias: Array | None, order: str
) -> Cell:
    """Return the Cell of stacked weights (4 D, E), (4 D, D), (4 D,), (4 D,), whose rows are outputs.

    order names the blocks from the first row on: "igfo" (LRP_for_LSTM), "ifgo" (PyTorch, Keras), "iofg"
    (ONNX). recurrent_bias None is zero. Raises ValueError where order is not a permutation of "ifgo".
    """
    if sorted(order) != sorted("ifgo"):
        raise ValueError(f"order must be a permutation of 'ifgo', got {order!r}")
    units = len(input_weight) // 4
    second = input_bias * 0 if recurrent_bias is None else recurrent_bias
    blocks = {}
    for k, name in enumerate(order):
        rows = slice(k * units, (k + 1) * units)
        blocks[name] = Gate(input_weight[rows].T, recurrent_weight[rows].T, input_bias[rows], second[rows])
    return Cell(**blocks)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, elementwise; the second form cannot overflow."""
    return np.asarray((1 + np.tanh(x / 2)) / 2)


def forward(
    cell: Cell,
    x: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    *,
    sigmoid: Function = sigmoid,
    tanh: Function = np.tanh,
) -> States:
    """Return all states of the LSTM over x (T, E): c_t = i_t g_t + f_t c_{t-1}, h_t = o_t tanh(c_t).

    i, f, o = sigmoid(pre) and g = tanh(pre_g). h0 and c0 (D,) are zero where None. The two functions can be
    replaced by rational ones, so that the whole is exact on object arrays.
    """
    x = np.asarray(x)
    steps, units = len(x), len(cell.g.input_bias)
    dtype = common_dtype(x=x, weight=cell.g.input_weight)
    h, c = np.zeros((steps + 1, units), dtype), np.zeros((steps + 1, units), dtype)
    i, g, f, o, pre_g = (np.zeros((steps, units), dtype) for _ in range(5))
    h[0], c[0] = (0 if h0 is None else h0), (0 if c0 is None else c0)
    for t in range(steps):
        below = np.concatenate([x[t], h[t]])
        pre_g[t] = cell.g.matrix().forward(below)
        g[t] = tanh(pre_g[t])
        i[t], f[t], o[t] = (sigmoid(gate.matrix().forward(below)) for gate in (cell.i, cell.f, cell.o))
        c[t + 1] = i[t] * g[t] + f[t] * c[t]
        h[t + 1] = o[t] * tanh(c[t + 1])
    return States(h, c, i, g, f, o, pre_g)


def relevance(
    cell: Cell,
    x: Array,
    states: States,
    R_h: Array,
    R_c: Array | None = None,
    *,
    epsilon: Any,
    bias_share: Any = 0,
    bias: rules.Bias = "absorb",
    cell_inputs: Literal["all", "own"] = "all",
    input_rule: Rule | None = None,
) -> Explanation:
    """Return the relevance of x (T, E), h_0 and c_0 for R_h (T, D) on the hidden states and R_c (D,) on c_T.

    From the last step to the first, with the epsilon rule at epsilon and bias_share delta:

        R_c[t]   += R_h[t]                                       o and tanh: signal takes all, tanh passes
        R_g[t], R_c[t-1]     = rule on c_t = sum of (i_t g_t, f_t c_{t-1})
        R_x[t], R_h[t-1]     = rule on pre_g = W x_t + U h_{t-1} + b     (input_rule, if given, in its place)

    The sum c_t has no bias, so that bias (absorb, ignore or spread, see rules) holds for pre_g, unless input_rule
    is given. A shared epsilon goes in equal parts to N inputs: E + D of them for pre_g and, for the cell, all 2 D
    products with cell_inputs "all" (as the authors' program does: an identity is a dense layer to it), or to
    the two products of the unit itself with "own".
    """
    x, R_h = np.asarray(x), np.asarray(R_h)
    steps, units = len(x), len(cell.g.input_bias)
    dtype = common_dtype(x=x, R_h=R_h, h=states.h)
    r_h, r_c = np.zeros((steps + 1, units), dtype), np.zeros((steps + 1, units), dtype)
    r_x, r_g = np.zeros(x.shape, dtype), np.zeros((steps, units), dtype)
    told: list[tuple[Messages, Messages]] = []
    r_h[1:] += R_h
    if R_c is not None:
        r_c[steps] += R_c
    sum_rule = partial(rules.epsilon, epsilon=epsilon, bias_share=bias_share)
    for t in reversed(range(steps)):
        r_c[t + 1] += r_h[t + 1]
        products = np.concatenate([states.i[t] * states.g[t], states.f[t] * states.c[t]])
        cell_sum = sum_rule(products, _sum_of_two(units, dtype, cell_inputs), r_c[t + 1])
        r_g[t], r_c[t] = cell_sum.relevance[:units], cell_sum.relevance[units:]
        below = np.concatenate([x[t], states.h[t]])
        cell_input = (input_rule or partial(sum_rule, bias=bias))(below, cell.g.matrix(), r_g[t])
        r_x[t] = cell_input.relevance[: x.shape[1]]
        r_h[t] += cell_input.relevance[x.shape[1] :]
        told.insert(0, (cell_sum, cell_input))
    return Explanation(
        r_x,
        r_h[0],
        r_c[0],
        np.array([m.bias.sum() + n.bias.sum() for m, n in told], dtype),
        np.array([m.stabiliser.sum() + n.stabiliser.sum() for m, n in told], dtype),
        np.array([m.dropped.sum() + n.dropped.sum() for m, n in told], dtype),
        r_h,
        r_c,
        r_g,
    )


def _sum_of_two(units: int, dtype: np.dtype[Any], connected: Literal["all", "own"]) -> Matrix:
    """Return y_j = u_j + v_j over the inputs (u, v), connected to all 2 D of them or to its own two."""
    if connected not in ("all", "own"):
        raise ValueError(f"cell_inputs must be 'all' or 'own', got {connected!r}")
    weight = np.zeros((2 * units, units), dtype)
    for j in range(units):
        weight[j, j] = weight[units + j, j] = 1
    taps = np.ones(weight.shape, dtype=bool) if connected == "all" else weight != 0
    return Matrix(weight, np.zeros(units, dtype), taps)
