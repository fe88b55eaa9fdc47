"""One direction of a GRU (Cho et al. 2014), unrolled by hand: forward pass and relevance, one sample at a time.

r, z = sigmoid(pre), h_t = (1 - z) * n + z * h_{t-1}, and with the reset gate after the product, as most programs have
it, n = tanh(W x_t + b + r * (U h_{t-1} + c)), before it n = tanh(W x_t + b + U (r * h_{t-1}) + c). T steps of E
features, D hidden units.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import matrices
from .recurrent import Account, Explanation, Function, Gate, Product, columns, diagonal, sigmoid, sum_of_two
from .rules import Rule
from .scalars import Array, common_dtype


@dataclass(frozen=True, eq=False)
class Cell:
    """The three blocks of a GRU: reset gate r, update gate z, and n, whose input_bias is b and recurrent_bias c."""

    r: Gate
    z: Gate
    n: Gate
    reset_after: bool = True


@dataclass(frozen=True, eq=False)
class States:
    """What a forward pass computed: h (T + 1, D), entry 0 initial; r, z and n (T, D)."""

    h: Array
    r: Array
    z: Array
    n: Array


def forward(
    cell: Cell, x: Array, h0: Array | None = None, *, sigmoid: Function = sigmoid, tanh: Function = np.tanh
) -> States:
    """Return all states of the GRU over x (T, E); h0 (D,) is zero where None.

    The two functions can be replaced by rational ones, so that the whole is exact on object arrays.
    """
    x = np.asarray(x)
    steps, units = len(x), len(cell.n.input_bias)
    dtype = common_dtype(x=x, weight=cell.n.input_weight)
    h, (r, z, n) = np.zeros((steps + 1, units), dtype), (np.zeros((steps, units), dtype) for _ in range(3))
    h[0] = 0 if h0 is None else h0
    for t in range(steps):
        r[t], z[t] = (sigmoid(gate.forward(x[t], h[t])) for gate in (cell.r, cell.z))
        if cell.reset_after:
            from_x = matrices.dense(cell.n.input_weight, cell.n.input_bias).forward(x[t])
            n[t] = tanh(from_x + r[t] * _whole(cell).forward(h[t]))
        else:
            n[t] = tanh(cell.n.forward(x[t], r[t] * h[t]))
        h[t + 1] = (1 - z[t]) * n[t] + z[t] * h[t]
    return States(h, r, z, n)


def relevance(
    cell: Cell, x: Array, states: States, R_h: Array, *, dense: Rule, state: Rule, product: Product = "signal"
) -> Explanation:
    """Return the relevance of x (T, E) and h_0 for R_h (T, D) on the hidden states.

    From the last step to the first, P standing for the product rule, which "signal" makes LRP-all (no gate takes any):

        R_new, R_kept  = state rule on h_t = sum of ((1 - z) n, z h_{t-1})
        R_1-z, R_n     = P on (1 - z) n
        R_z, R_h[t-1]  = P on z h_{t-1};  R_z += R_1-z
        R_x, R_q       = dense rule on W x + q + b, q = r (U h_{t-1} + c), or on W x + U q + b, q = r h_{t-1}
        R_r, R_whole   = P on q; from the whole U h_{t-1} + c by the dense rule to h_{t-1}, where r comes after
        R_x, R_h[t-1] += dense rule on the pre-activations of r and z, with R_r and R_z

    With r after the product "signal" takes r for a constant: R_x, R_h[t-1] = dense rule on W x + (r U) h + (b + r c).
    A share of bias or stabiliser goes in equal parts to all inputs of a dense layer: E + D of them also of W x + q + b,
    and 2 D of the sum h_t.
    """
    x, R_h = np.asarray(x), np.asarray(R_h)
    h, (steps, units) = states.h, states.n.shape
    dtype = common_dtype(x=x, R_h=R_h, h=h)
    r_h, r_x, accounts = np.zeros(h.shape, dtype), np.zeros(x.shape, dtype), [Account(product) for _ in x]
    r_h[1:] += R_h
    for t in reversed(range(steps)):
        account, r, z, n = accounts[t], states.r[t], states.z[t], states.n[t]
        terms = [(1 - z) * n, z * h[t]]
        to_new, to_kept = account.linear(state, terms, sum_of_two(units, dtype), r_h[t + 1])
        to_left, to_n = account.multiply(1 - z, n, to_new)
        to_z, through_z = account.multiply(z, h[t], to_kept)
        if cell.reset_after and product == "signal":
            r_x[t], through_n = account.linear(dense, [x[t], h[t]], _gated(cell, r), to_n)
            to_r = to_n * 0
        elif cell.reset_after:
            whole = _whole(cell).forward(h[t])
            joint = np.concatenate([cell.n.input_weight, diagonal(r * 0 + 1)])
            r_x[t], to_q = account.linear(dense, [x[t], r * whole], matrices.dense(joint, cell.n.input_bias), to_n)
            to_r, to_whole = account.multiply(r, whole, to_q)
            (through_n,) = account.linear(dense, [h[t]], _whole(cell), to_whole)
        else:
            r_x[t], to_q = account.linear(dense, [x[t], r * h[t]], cell.n.matrix(), to_n)
            to_r, through_n = account.multiply(r, h[t], to_q)
        r_h[t] += through_z + through_n
        if product != "signal":  # else the gates received nothing
            for gate, arrived in ((cell.r, to_r), (cell.z, to_z + to_left)):
                to_x, to_h = account.linear(dense, [x[t], h[t]], gate.matrix(), arrived)
                r_x[t] += to_x
                r_h[t] += to_h
    return Explanation(r_x, r_h[0], *columns(accounts, dtype), r_h)


def _whole(cell: Cell) -> matrices.Matrix:
    """Return U h + c, all that the reset gate multiplies where it comes after the product."""
    return matrices.dense(cell.n.recurrent_weight, cell.n.recurrent_bias)


def _gated(cell: Cell, r: Array) -> matrices.Matrix:
    """Return W x + (r U) h + (b + r c), r being a constant."""
    weight = np.concatenate([cell.n.input_weight, cell.n.recurrent_weight * r])
    return matrices.dense(weight, cell.n.input_bias + r * cell.n.recurrent_bias)
