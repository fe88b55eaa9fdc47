"""What the cells have in common: blocks of weights, the account of a step, and what became of the relevance."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import nonlinear
from .matrices import Matrix, dense
from .rules import Messages, Rule
from .scalars import Array

Function = Callable[[Array], Array]
Product = Literal["signal", "prop", "abs", "half"]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, elementwise; the second form cannot overflow."""
    return np.asarray((1 + np.tanh(x / 2)) / 2)


@dataclass(frozen=True, eq=False)
class Gate:
    """One block of weights: pre = W x_t + U h_{t-1} + b_W + b_U, as sums over inputs.

    input_weight (E, D), recurrent_weight (D, D), input_bias (D,), recurrent_bias (D,); rows are inputs. A peephole
    p (D,), of a gate of an LSTM, adds p * c, elementwise.
    """

    input_weight: Array
    recurrent_weight: Array
    input_bias: Array
    recurrent_bias: Array
    peephole: Array | None = None

    def matrix(self) -> Matrix:
        """Return the block as one dense layer over (x_t, h_{t-1}), with a peephole over (x_t, h_{t-1}, c).

        Its two biases are summed, and a peephole is a diagonal matrix; shape (E + D, D) or (E + 2 D, D).
        """
        parts = [self.input_weight, self.recurrent_weight]
        if self.peephole is not None:
            parts.append(diagonal(self.peephole))
        return dense(np.concatenate(parts), self.input_bias + self.recurrent_bias)

    def reads(self, x: Array, h: Array, c: Array | None = None) -> list[Array]:
        """Return the inputs of the block one after the other: x_t (E,), h_{t-1} (D,) and, with a peephole, c (D,)."""
        return [x, h] if self.peephole is None or c is None else [x, h, c]

    def forward(self, x: Array, h: Array, c: Array | None = None) -> Array:
        """Return pre (D,)."""
        return self.matrix().forward(np.concatenate(self.reads(x, h, c)))


def diagonal(entries: Array) -> Array:
    """Return the matrix (D, D) of an elementwise product with entries (D,)."""
    matrix = np.zeros((len(entries), len(entries)), entries.dtype)
    for j, entry in enumerate(entries):
        matrix[j, j] = entry
    return matrix


def sum_of_two(units: int, dtype: np.dtype[Any], connected: Literal["all", "own"] = "all") -> Matrix:
    """Return y_j = u_j + v_j over the inputs (u, v), connected to all 2 D of them or to its own two.

    Raises ValueError for another word than "all" or "own".
    """
    if connected not in ("all", "own"):
        raise ValueError(f"cell_inputs must be 'all' or 'own', got {connected!r}")
    weight = np.zeros((2 * units, units), dtype)
    for j in range(units):
        weight[j, j] = weight[units + j, j] = 1
    taps = np.ones(weight.shape, dtype=bool) if connected == "all" else weight != 0
    return Matrix(weight, np.zeros(units, dtype), taps)


class Account:
    """One step back: each part of it is redistributed here, and what did not arrive is summed up in three columns."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.bias: Any = 0
        self.stabiliser: Any = 0
        self.dropped: Any = 0

    def linear(self, rule: Rule, reads: Sequence[Array], matrix: Matrix, R: Array) -> list[Array]:
        """Return the relevance of several arrays that a linear layer reads one after the other."""
        told: Messages = rule(np.concatenate(reads), matrix, R)
        self.bias = self.bias + told.bias.sum()
        self.stabiliser = self.stabiliser + told.stabiliser.sum()
        self.dropped = self.dropped + told.dropped.sum()
        ends = np.cumsum([len(read) for read in reads])
        return np.split(told.relevance, ends[:-1])

    def multiply(self, gate: Array, signal: Array, R: Array) -> tuple[Array, Array]:
        """Return the relevance of gate and signal, whose product has relevance R, all (D,)."""
        told = nonlinear.product(gate, signal, R, self.product)
        self.dropped = self.dropped + told.dropped.sum()
        to_gate, to_signal = told.inputs
        return to_gate, to_signal


def columns(accounts: Sequence[Account], dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Return bias, stabiliser and dropped of every step, (T,) each."""
    bias = np.array([account.bias for account in accounts], dtype)
    stabiliser = np.array([account.stabiliser for account in accounts], dtype)
    return bias, stabiliser, np.array([account.dropped for account in accounts], dtype)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the relevance of the hidden states of a cell went whose only state is h.

    x (T, E) and h0 (D,) got relevance; bias, stabiliser and dropped (T,) are the account of each step. h (T + 1, D,
    entry 0 initial) is the relevance on the way.
    """

    x: Array
    h0: Array
    bias: Array
    stabiliser: Array
    dropped: Array
    h: Array

    @property
    def total(self) -> Any:
        """Return the sum of everything, which is the relevance put in, in exact arithmetic."""
        return self.x.sum() + self.h0.sum() + self.bias.sum() + self.stabiliser.sum() + self.dropped.sum()
