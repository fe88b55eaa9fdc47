"""One direction of a simple recurrent network (Elman 1990), unrolled by hand, one sample at a time.

h_t = tanh(W x_t + U h_{t-1} + b): a dense layer over (x_t, h_{t-1}) at every step, and a function that passes
relevance on. T steps of E features, D hidden units.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import numpy as np

from .recurrent import Account, Explanation, Function, Gate, columns
from .rules import Rule
from .scalars import Array, common_dtype


def forward(cell: Gate, x: Array, h0: Array | None = None, *, tanh: Function = np.tanh) -> Array:
    """Return the states h (T + 1, D), entry 0 initial, over x (T, E); h0 (D,) is zero where None.

    tanh can be another function, such as a rational one, so that the whole is exact on object arrays.
    """
    x = np.asarray(x)
    h = np.zeros((len(x) + 1, len(cell.input_bias)), common_dtype(x=x, weight=cell.input_weight))
    h[0] = 0 if h0 is None else h0
    for t in range(len(x)):
        h[t + 1] = tanh(cell.forward(x[t], h[t]))
    return h


def relevance(cell: Gate, x: Array, h: Array, R_h: Array, *, dense: Rule) -> Explanation:
    """Return the relevance of x (T, E) and h_0 for R_h (T, D) on the hidden states h (T + 1, D).

    From the last step to the first R_x[t], R_h[t-1] = rule on W x_t + U h_{t-1} + b.
    """
    x, R_h = np.asarray(x), np.asarray(R_h)
    dtype = common_dtype(x=x, R_h=R_h, h=h)
    r_h, r_x, accounts = np.zeros(h.shape, dtype), np.zeros(x.shape, dtype), [Account("signal") for _ in x]
    r_h[1:] += R_h
    for t in reversed(range(len(x))):
        r_x[t], to_h = accounts[t].linear(dense, cell.reads(x[t], h[t]), cell.matrix(), r_h[t + 1])
        r_h[t] += to_h
    return Explanation(r_x, r_h[0], *columns(accounts, dtype), r_h)
