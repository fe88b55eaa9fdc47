"""One direction of an LSTM, unrolled by hand: forward pass and relevance, one sample at a time.

Arras et al. 2017 ("Explaining recurrent neural network predictions in sentiment analysis") and Arras et
al. 2019: in the products i * g, f * c and o * tanh(c) the signal takes all and the gate nothing (or another product
rule holds), tanh passes relevance on, and the two sums of a step, cell and cell input, are explained by the epsilon
rule. T steps of E features, D hidden units. A bidirectional LSTM is two of these, the second one on the reversed
sequence.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from . import rules
from .recurrent import Account, Function, Gate, Product, columns, sigmoid, sum_of_two
from .rules import Rule
from .scalars import Array, common_dtype


@dataclass(frozen=True, eq=False)
class Cell:
    """The four blocks of an LSTM: input gate i, cell input g, forget gate f, output gate o.

    f is None where it is coupled to i: 1 - i (Greff et al. 2017).
    """

    i: Gate
    g: Gate
    f: Gate | None
    o: Gate


@dataclass(frozen=True, eq=False)
class States:
    """What a forward pass computed: h, c (T + 1, D), entry 0 initial; i, g, f, o, pre_g and tanh(c_t) (T, D)."""

    h: Array
    c: Array
    i: Array
    g: Array
    f: Array
    o: Array
    pre_g: Array
    tanh_c: Array


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


def forward(
    cell: Cell,
    x: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    *,
    sigmoid: Function = sigmoid,
    tanh: Function = np.tanh,
    tanh_of_c: Function | None = None,
) -> States:
    """Return all states of the LSTM over x (T, E): c_t = i_t g_t + f_t c_{t-1}, h_t = o_t tanh(c_t).

    i, f, o = sigmoid(pre) and g = tanh(pre_g); peepholes look at c_{t-1} in i and f, at c_t in o (Gers et al. 2002).
    h0 and c0 (D,) are zero where None. The functions can be replaced by rational ones, so that the whole is exact on
    object arrays; tanh_of_c None is tanh.
    """
    x = np.asarray(x)
    steps, units = len(x), len(cell.g.input_bias)
    dtype = common_dtype(x=x, weight=cell.g.input_weight)
    h, c = np.zeros((steps + 1, units), dtype), np.zeros((steps + 1, units), dtype)
    i, g, f, o, pre_g, tanh_c = (np.zeros((steps, units), dtype) for _ in range(6))
    h[0], c[0] = (0 if h0 is None else h0), (0 if c0 is None else c0)
    for t in range(steps):
        pre_g[t] = cell.g.forward(x[t], h[t])
        g[t], i[t] = tanh(pre_g[t]), sigmoid(cell.i.forward(x[t], h[t], c[t]))
        f[t] = 1 - i[t] if cell.f is None else sigmoid(cell.f.forward(x[t], h[t], c[t]))
        c[t + 1] = i[t] * g[t] + f[t] * c[t]
        o[t] = sigmoid(cell.o.forward(x[t], h[t], c[t + 1]))
        tanh_c[t] = (tanh_of_c or tanh)(c[t + 1])
        h[t + 1] = o[t] * tanh_c[t]
    return States(h, c, i, g, f, o, pre_g, tanh_c)


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
    sum_rule: Rule | None = None,
    product: Product = "signal",
) -> Explanation:
    """Return the relevance of x (T, E), h_0 and c_0 for R_h (T, D) on the hidden states and R_c (D,) on c_T.

    From the last step to the first, with the epsilon rule at epsilon and bias_share delta, P standing for the product
    rule, which "signal" makes LRP-all (no gate takes any):

        R_o, R_tanh          = P on o_t tanh(c_t);  R_c[t] += R_tanh, as tanh passes
        R_new, R_kept        = rule on c_t = sum of (i_t g_t, f_t c_{t-1})     (sum_rule, if given, in its place)
        R_i, R_g             = P on i_t g_t
        R_f, R_c[t-1]        = P on f_t c_{t-1}
        R_x[t], R_h[t-1]     = rule on pre_g = W x_t + U h_{t-1} + b     (input_rule, if given, in its place)
        R_x[t], R_h[t-1]    += the same rule on the pre-activations of o, i and f, with R_o, R_i and R_f

    What a coupled f = 1 - i receives is i's. A peephole is part of its gate's pre-activation: what arrives through that
    of o at c_t is there before c_t is explained, that of i and f is in R_c[t-1].

    The sum c_t has no bias, so that bias (see rules) holds for pre_g, unless input_rule is given, and for the gates.
    A shared epsilon goes in equal parts to N inputs: E + D of them for pre_g, E + 2 D for
    a gate with a peephole and, for the cell, all 2 D products with cell_inputs "all" (as the authors' program does: an
    identity is a dense layer to it), or to the two products of the unit itself with "own".
    """
    x, R_h = np.asarray(x), np.asarray(R_h)
    h, c, (steps, units) = states.h, states.c, states.g.shape
    dtype = common_dtype(x=x, R_h=R_h, h=h)
    r_h, r_c = np.zeros((steps + 1, units), dtype), np.zeros((steps + 1, units), dtype)
    r_x, r_g = np.zeros(x.shape, dtype), np.zeros((steps, units), dtype)
    accounts = [Account(product) for _ in range(steps)]
    r_h[1:] += R_h
    if R_c is not None:
        r_c[steps] += R_c
    usual = partial(rules.epsilon, epsilon=epsilon, bias_share=bias_share)
    dense, both = input_rule or partial(usual, bias=bias), sum_of_two(units, dtype, cell_inputs)

    def through(gate: Gate, t: int, looked_at: int, arrived: Array) -> None:
        """Hand on what arrives at a gate's pre-activation in step t; a peephole looks at c[looked_at]."""
        reads = gate.reads(x[t], h[t], c[looked_at])
        to_x, to_h, *to_c = accounts[t].linear(dense, reads, gate.matrix(), arrived)
        r_x[t] += to_x
        r_h[t] += to_h
        for part in to_c:
            r_c[looked_at] += part

    for t in reversed(range(steps)):
        account, i, g, f, o = accounts[t], states.i[t], states.g[t], states.f[t], states.o[t]
        to_o, to_tanh = account.multiply(o, states.tanh_c[t], r_h[t + 1])
        if product != "signal":  # else the gates receive nothing
            through(cell.o, t, t + 1, to_o)
        r_c[t + 1] += to_tanh
        to_new, to_kept = account.linear(sum_rule or usual, [i * g, f * c[t]], both, r_c[t + 1])
        to_i, r_g[t] = account.multiply(i, g, to_new)
        to_f, to_before = account.multiply(f, c[t], to_kept)
        r_c[t] += to_before
        through(cell.g, t, t, r_g[t])
        if product != "signal":
            through(cell.i, t, t, to_i if cell.f is not None else to_i + to_f)
            if cell.f is not None:
                through(cell.f, t, t, to_f)
    return Explanation(r_x, r_h[0], r_c[0], *columns(accounts, dtype), r_h, r_c, r_g)
