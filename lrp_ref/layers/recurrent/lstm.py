"""LSTM: its formula and its parts; the loops are in ``steps``, what it has in common with others in ``layer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...base.arrays import Array, namespace
from ...rules.cells import Recurrent
from .back import DerivativeBack, relevance_back
from .general_lstm import GatesBack, GeneralLSTM
from .layer import RecurrentLayer
from .shared import RelevanceBack
from .steps import Tape, Weights, steps_forward
from .stepwise import StepTape


@dataclass(frozen=True, eq=False, repr=False)
class LSTM(RecurrentLayer):
    """Long short-term memory over (N, time, features), one- or bidirectional, with variable lengths.

    Formula: (i, f, o) = σ(W x_t + U h_{t−1} + b), g = tanh(W_g x_t + U_g h_{t−1} + b_g),
    c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙tanh(c_t).

    Relevance: the product rule takes R_{h_t} to o and tanh(c_t), which passes it on to c_t; the ε-rule splits c_t into
    i⊙g and f⊙c_{t−1}, and the product rule those; the dense rule takes what g and the gates receive to x_t and h_{t−1}.
    By default gates take none (LRP-all), so that R_{c_t} += R_{h_t}. What arrives at the initial state, and relevance
    of sequence outputs after a sample's end, is in the ledger as dropped.

    Args:
        weight_input: (directions, 4, hidden, features), gates in the order i, f, g, o.
        weight_hidden: (directions, 4, hidden, hidden).
        bias: (directions, 4, hidden), the sum of both biases where a framework has two.
        direction: "forward", "reverse" or "bidirectional".
        returns: "sequence" (N, time, directions·hidden), "last" (N, directions·hidden: of each direction the state
            after its last step), or "all": (sequence, h (N, directions, hidden), c (N, directions, hidden)).
        lengths: whether a second input holds the number of valid steps of each sample, integers (N,).
            States after the end stay as they were; sequence outputs there are 0.
        state: whether the last two inputs are the initial h and c, (N, directions, hidden) each; else zeros.

    Source: Arras et al. 2017, §2 and Arras et al. 2019, §11.3.

    Example:
        >>> import numpy as np
        >>> layer = LSTM(np.ones((1, 4, 1, 1)), np.ones((1, 4, 1, 1)), np.zeros((1, 4, 1)))
        >>> layer.forward(np.zeros((1, 2, 1))).shape
        (1, 2, 1)
    """

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    def _weights(self) -> Weights:
        return Weights(self.weight_input, self.weight_hidden, self.bias)

    def _loop(self, read: list[Array], start: tuple[Array, ...], keep: str) -> Tape:
        h, c = start
        return steps_forward(self._weights(), read, (h, c), keep)

    def _more_states(self, tape: Tape, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        return (tape.cells,)

    def _derivative(self, tape: Tape) -> DerivativeBack:
        return DerivativeBack(self._weights(), tape)

    def _relevance(self, tape: Tape, rule: Recurrent) -> RelevanceBack:
        if rule.product == "signal":
            return relevance_back(self._weights(), tape, rule)
        general = GeneralLSTM(self.weight_input, self.weight_hidden, self.bias, self.direction)
        return GatesBack(general, self._tape_of_gates(tape), rule)

    def _tape_of_gates(self, tape: Tape) -> StepTape:
        """Return the tape of the general LSTM, with z of all gates, which the loop forward does not keep."""
        (steps, count, features, n), gates = tape.x.shape, range(self.gates)
        rows = self._weights().rows(gates).reshape(count, self.gates * self.hidden, features + 1 + self.hidden)
        z = namespace(rows).matmul(rows, tape.read[:-1]).reshape(steps, count, self.gates, self.hidden, n)
        return StepTape(tape.x, (tape.h, tape.cells), z.transpose(0, 2, 1, 3, 4))
