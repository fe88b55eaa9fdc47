"""RNN: the simple recurrent layer of Elman."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...base.arrays import Array
from ...rules.cells import Recurrent
from ...rules.rule import AnyRule, Rule
from ..base import Elementwise
from .activations import Activation, function_of
from .shared import SignalBack
from .stepwise import StepTape, Stepwise, product, transposed


@dataclass(frozen=True, eq=False, repr=False)
class RNN(Stepwise):
    """Simple recurrent layer over (N, time, features), one- or bidirectional, with variable lengths.

    Formula: h_t = tanh(W x_t + U h_{t−1} + b).

    Relevance: the dense rule takes R_{h_t} to x_t and h_{t−1}; the tanh passes it on. What arrives at the initial
    state, and relevance of sequence outputs after a sample's end, is in the ledger as dropped.

    Args:
        weight_input: (directions, 1, hidden, features).
        weight_hidden: (directions, 1, hidden, hidden).
        bias: (directions, 1, hidden), the sum of both biases where a framework has two.
        direction: "forward", "reverse" or "bidirectional".
        returns: "sequence" (N, time, directions·hidden), "last" (N, directions·hidden: of each direction the state
            after its last step), or "all": (sequence, h (N, directions, hidden)).
        lengths: whether a second input holds the number of valid steps of each sample, integers (N,).
            States after the end stay as they were; sequence outputs there are 0.
        state: whether the last input is the initial h, (N, directions, hidden); else zeros.
        activation: what stands for the tanh, such as "relu"; see ``activations``.
        clip: what it is applied to is clipped to [−clip, clip]; None for no bound.

    Source: Elman 1990; the rule as for the LSTM in Arras et al. 2017, §2.

    Example:
        >>> import numpy as np
        >>> layer = RNN(np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1)), activation="relu")
        >>> layer.forward(np.array([[[1.0], [2.0], [-5.0]]]))[0, :, 0]
        array([1., 3., 0.])
    """

    gates: ClassVar[int] = 1

    activation: Activation = "tanh"
    clip: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._function()

    def _function(self) -> Elementwise:
        return function_of("RNN", self.activation, self.clip)

    def _step(self, x: Array, states: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        w, u, b = self._by_gate()
        z = product(w, x) + product(u, states[0]) + b
        return z, (self._function().forward(z[0]),)

    def _pull_step(self, z: Array, states: Sequence[Array], h: Array, c: Array) -> tuple[Array, Array, Array]:
        to_z = h * self._function().slope(z)
        return to_z, transposed(self._by_gate()[1], to_z), c

    def _relevance(self, tape: StepTape, rule: Recurrent) -> SignalBack:
        return _RelevanceSteps(tape, self._of_gate(0), rule)

    def _rules(self, rule: AnyRule | None) -> Recurrent:
        """Return the rule of the dense layer, twice: there is nothing else, and so any rule for it is enough."""
        return Recurrent(rule, rule) if isinstance(rule, Rule) else super()._rules(rule)


class _RelevanceSteps(SignalBack):
    """Nothing is kept, and nothing is multiplied: h_t is the new alone."""

    def terms(self, t: int, k: int) -> None:
        return None
