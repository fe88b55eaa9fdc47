"""The LSTM in its rarer forms: peepholes, one gate for input and forgetting, clipping, other activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...arithmetic import scalar
from ...base.arrays import Array, namespace
from ...errors import ShapeError
from ...rules.cells import Recurrent
from ..base import Elementwise
from .activations import Activation, function_of
from .shared import ProductBack, SharedBack, SignalBack, diagonal, joint_layers
from .stepwise import StepTape, Stepwise, product, transposed

INPUT, FORGET, CELL, OUTPUT = 0, 1, 2, 3  # the gates of the parameters
PEEPHOLES = {INPUT: 0, FORGET: 1, OUTPUT: 2}  # the gates that look at c, and their places in the parameter


@dataclass(frozen=True, eq=False, repr=False)
class GeneralLSTM(Stepwise):
    """LSTM with peepholes, a coupled forget gate, clipping or other activations; ``LSTM`` is the usual, faster one.

    Formula: i = σ(W_i x_t + U_i h_{t−1} + p_i⊙c_{t−1} + b_i), g = tanh(W_g x_t + U_g h_{t−1} + b_g),
    f = σ(W_f x_t + U_f h_{t−1} + p_f⊙c_{t−1} + b_f) or 1 − i, c_t = f⊙c_{t−1} + i⊙g,
    o = σ(W_o x_t + U_o h_{t−1} + p_o⊙c_t + b_o), h_t = o⊙tanh(c_t).

    Relevance: as in ``LSTM``. Peepholes are part of the dense layer of their gate, as a diagonal matrix: what the gate
    receives arrives through them at the c that it looks at, c_{t−1} of i and f, c_t of o. What arrives at a coupled
    f = 1 − i is i's.

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
        peephole: (directions, 3, hidden), p of i, f and o; None for none.
        coupled: whether f is 1 − i, and the weights of f are not read.
        gate: σ, see ``activations``: a name, or a tuple of the name and its parameters.
        activation: what stands for the tanh of g.
        output_activation: what stands for the tanh of c_t.
        clip: what σ and the tanh of g are applied to is clipped to [−clip, clip]; None for no bound.

    Source: Gers et al. 2002 (peepholes), Greff et al. 2017 (coupled gates); the rule: Arras et al. 2017, §2.

    Example:
        >>> import numpy as np
        >>> ones = np.ones((1, 4, 1, 1))
        >>> layer = GeneralLSTM(ones, ones, np.zeros((1, 4, 1)), peephole=np.ones((1, 3, 1)), coupled=True)
        >>> layer.forward(np.zeros((1, 2, 1))).shape
        (1, 2, 1)
    """

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    peephole: Array | None = None
    coupled: bool = False
    gate: Activation = "sigmoid"
    activation: Activation = "tanh"
    output_activation: Activation = "tanh"
    clip: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (self.weight_input.shape[0], 3, self.hidden)
        if self.peephole is not None and self.peephole.shape != shape:
            raise ShapeError(f"GeneralLSTM: peephole must be {shape}, got {self.peephole.shape}")
        self._functions()

    def _functions(self) -> tuple[Elementwise, Elementwise, Elementwise]:
        """Return σ, the function of g, and that of c_t, which is not clipped."""
        name = type(self).__name__
        gates = function_of(name, self.gate, self.clip)
        return gates, function_of(name, self.activation, self.clip), function_of(name, self.output_activation)

    def _peepholes(self) -> Array | None:
        """Return p (3, D, hidden, 1)."""
        return None if self.peephole is None else self.peephole.transpose(1, 0, 2)[..., None]

    def _weights_of(self, gate: int) -> tuple[Array, ...]:
        """Return W, U and, of a gate that looks at c, the diagonal matrix of p, (D, hidden, units) each."""
        weights = self._of_gate(gate)[:2]
        if self.peephole is None or gate not in PEEPHOLES:
            return weights
        return (*weights, diagonal(self.peephole[:, PEEPHOLES[gate]]))

    def _gates(self, z: Array) -> tuple[Array, Array, Array]:
        """Return i, f and g."""
        sigmoid, tanh, _ = self._functions()
        i = sigmoid.forward(z[INPUT])
        f = 1 - i if self.coupled else sigmoid.forward(z[FORGET])
        return i, f, tanh.forward(z[CELL])

    def _step(self, x: Array, states: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        (h, c), (sigmoid, _, out), (w, u, b) = states, self._functions(), self._by_gate()
        z, p = product(w, x) + product(u, h) + b, self._peepholes()
        if p is not None:
            z = namespace(x, h).concatenate((z[:CELL] + p[:CELL] * c, z[CELL:]))
        i, f, g = self._gates(z)
        c = f * c + i * g
        if p is not None:
            z = namespace(x, h).concatenate((z[:OUTPUT], z[OUTPUT:] + p[2:] * c))
        return z, (sigmoid.forward(z[OUTPUT]) * out.forward(c), c)

    def _pull_step(self, z: Array, states: Sequence[Array], h: Array, c: Array) -> tuple[Array, Array, Array]:
        before, (sigmoid, tanh, out), (i, f, g) = states[1], self._functions(), self._gates(z)
        now, p = f * before + i * g, self._peepholes()
        to_o = h * out.forward(now) * sigmoid.slope(z[OUTPUT])
        to_c = c + h * sigmoid.forward(z[OUTPUT]) * out.slope(now)
        to_c = to_c if p is None else to_c + to_o * p[2]
        to_i, to_f = to_c * g, to_c * before
        if self.coupled:
            to_i, to_f = to_i - to_f, to_f * 0
        to_i, to_f = to_i * sigmoid.slope(z[INPUT]), to_f * sigmoid.slope(z[FORGET])
        to_z = namespace(z, h).stack((to_i, to_f, to_c * i * tanh.slope(z[CELL]), to_o))
        carried = to_c * f
        carried = carried if p is None else carried + to_i * p[INPUT] + to_f * p[FORGET]
        return to_z, transposed(self._by_gate()[1], to_z), carried

    def _relevance(self, tape: StepTape, rule: Recurrent) -> SharedBack:
        return _RelevanceSteps(self, tape, rule) if rule.product == "signal" else GatesBack(self, tape, rule)


class _RelevanceSteps(SignalBack):
    """The new is i⊙g, the kept f⊙c_{t−1}, which hands what it gets to c_{t−1}."""

    def __init__(self, layer: GeneralLSTM, tape: StepTape, rule: Recurrent) -> None:
        super().__init__(tape, layer._of_gate(CELL), rule)
        self.layer, self.tape = layer, tape

    def terms(self, t: int, k: int) -> tuple[Array, Array]:
        i, f, g = self.layer._gates(self.tape.z[t, :, k])
        return (i * g).T, (f * self.tape.states[1][t, k]).T


class GatesBack(ProductBack):
    """Gates take relevance: o from h_t, i and f from the terms of c_t; peepholes take it on to c_t and c_{t−1}."""

    def __init__(self, layer: GeneralLSTM, tape: StepTape, rule: Recurrent) -> None:
        super().__init__(tape, rule)
        self.layer, self.tape, self.functions = layer, tape, layer._functions()
        self.below = [joint_layers(layer._weights_of(gate), layer.bias[:, gate]) for gate in range(layer.gates)]

    def through(self, at: int, k: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        (sigmoid, _, out), z, cells = self.functions, self.tape.z[at, :, k], self.tape.states[1]
        (i, f, g), before, now = (gate.T for gate in self.layer._gates(z)), cells[at, k].T, cells[at + 1, k].T
        to_o, to_now = self.through_product(sigmoid.forward(z[OUTPUT]).T, out.forward(now), h)
        x, below, peeped = self._through_gate(OUTPUT, at, k, now, to_o)
        to_new, to_kept = self.through_sum(i * g, f * before, c + to_now + peeped)
        to_i, to_g = self.through_product(i, g, to_new)
        to_f, carried = self.through_product(f, before, to_kept)
        gates = {INPUT: to_i + to_f} if self.layer.coupled else {INPUT: to_i, FORGET: to_f}
        for gate, arrived in (*gates.items(), (CELL, to_g)):
            to_x, to_h, peeped = self._through_gate(gate, at, k, before, arrived)
            x, below, carried = x + to_x, below + to_h, carried + peeped
        return x, below, carried

    def _through_gate(self, gate: int, at: int, k: int, cell: Array, arrived: Array) -> tuple[Array, Array, Array]:
        """Return what x_t, h_{t−1} and the c that a gate looks at receive from what arrives at its pre-activation."""
        peeps = self.layer.peephole is not None and gate in PEEPHOLES
        reads = (*self.before(at, k), cell) if peeps else self.before(at, k)
        x, h, *peeped = self.through_joint(self.below[gate][k], reads, arrived, self.tape.z[at, gate, k].T)
        return x, h, peeped[0] if peeped else arrived * scalar(0, arrived)
