"""GRU: gated recurrent unit, in both of its conventions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...arithmetic import scalar
from ...base.arrays import Array, namespace
from ...errors import ParameterError, ShapeError
from ...rules.cells import Recurrent
from ...rules.edits import ZERO
from ...rules.rule import Group
from ..base import Linear
from .activations import Activation, function_of
from .back import QuotientBack, per_sample, plain
from .shared import GatedDense, ProductBack, RelevanceBack, SignalBack, diagonal, joint_layers
from .steps import BLOCK, FEW
from .stepwise import Step, StepTape, Stepwise, product, transposed

RESET, UPDATE, NEW = 0, 1, 2  # the gates of the parameters


@dataclass(frozen=True, eq=False, repr=False)
class GRU(Stepwise):
    """Gated recurrent unit over (N, time, features), one- or bidirectional, with variable lengths.

    Formula: (r, z) = σ(W x_t + U h_{t−1} + b), h_t = (1 − z)⊙n + z⊙h_{t−1}, and with the reset gate after the product
    n = tanh(W_n x_t + b_n + r⊙(U_n h_{t−1} + c)), before it n = tanh(W_n x_t + U_n (r⊙h_{t−1}) + b_n).

    Relevance: the ε-rule splits h_t into (1 − z)⊙n and z⊙h_{t−1}. Gates take none (LRP-all): the dense rule takes R_n
    to x_t and h_{t−1}, r being a constant there: with the reset gate after the product its weights are (W_n, r⊙U_n)
    and its bias b_n + r⊙c. Under another product rule the dense rule takes R_n to x_t and q = r⊙(U_n h_{t−1} + c), of
    which n is the tanh of W_n x_t + q + b_n, or to x_t and q = r⊙h_{t−1}; the product rule takes R_q to r and the other
    factor, and the dense rule what U_n h_{t−1} + c gets to h_{t−1}, and what r and z get to x_t and h_{t−1}. What
    arrives at the initial state, and relevance of sequence outputs after a sample's end, is in the ledger as dropped.

    Args:
        weight_input: (directions, 3, hidden, features), gates in the order r, z, n, as PyTorch has them.
        weight_hidden: (directions, 3, hidden, hidden).
        bias: (directions, 3, hidden); of r and z the sum of both biases where a framework has two, of n the one that
            stands outside r⊙(...).
        direction: "forward", "reverse" or "bidirectional".
        returns: "sequence" (N, time, directions·hidden), "last" (N, directions·hidden: of each direction the state
            after its last step), or "all": (sequence, h (N, directions, hidden)).
        lengths: whether a second input holds the number of valid steps of each sample, integers (N,).
            States after the end stay as they were; sequence outputs there are 0.
        state: whether the last input is the initial h, (N, directions, hidden); else zeros.
        bias_hidden: c (directions, hidden), where the reset gate comes after the product; None for zeros.
        reset_after: whether r is applied to U_n h_{t−1} + c (PyTorch, Keras' reset_after, ONNX's linear_before_reset)
            or to h_{t−1} (Cho et al. 2014).
        gate: σ, see ``activations``: a name, or a tuple of the name and its parameters.
        activation: what stands for the tanh.
        clip: what σ and the tanh are applied to is clipped to [−clip, clip]; None for no bound.

    Source: Cho et al. 2014, §2.3; the rule as for the LSTM in Arras et al. 2017, §2.

    Example:
        >>> import numpy as np
        >>> layer = GRU(np.ones((1, 3, 1, 1)), np.ones((1, 3, 1, 1)), np.zeros((1, 3, 1)))
        >>> layer.forward(np.ones((1, 1, 1))).round(4)
        array([[[0.2048]]])
    """

    gates: ClassVar[int] = 3

    bias_hidden: Array | None = None
    reset_after: bool = True
    gate: Activation = "sigmoid"
    activation: Activation = "tanh"
    clip: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (self.weight_input.shape[0], self.hidden)
        if self.bias_hidden is not None and self.bias_hidden.shape != shape:
            raise ShapeError(f"GRU: bias_hidden must be {shape}, got {self.bias_hidden.shape}")
        if self.bias_hidden is not None and not self.reset_after:
            raise ParameterError("GRU: with the reset gate before the product, add bias_hidden to the bias of n")
        self._functions()

    def _functions(self) -> tuple[Any, Any]:
        return function_of("GRU", self.gate, self.clip), function_of("GRU", self.activation, self.clip)

    def _ungated(self, h: Array) -> Array:
        """Return U_n h_{t−1} + c."""
        return self._with_bias(product(self.weight_hidden[:, NEW], h))

    def _steps(self, x: Array, tape: Array | None) -> tuple[Iterator[Array], Step]:
        (gate, tanh), count = self._functions(), x.shape[1]
        joint = self.weight_hidden[:, : 3 if self.reset_after else NEW]  # in one product, all that multiplies h_{t−1}
        gates, u_new = joint.shape[1], self.weight_hidden[:, NEW]
        joint = joint.reshape(count, gates * self.hidden, self.hidden)

        def step(z: Array, states: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
            (h,) = states
            from_h = product(joint, h).reshape(count, gates, *h.shape[1:]).transpose(1, 0, 2, 3)
            z[:NEW] += from_h[:NEW]
            both = gate.forward(z[:NEW])
            r, keep = both[RESET], both[UPDATE]
            z[NEW] += r * self._with_bias(from_h[NEW]) if self.reset_after else product(u_new, r * h)
            return z, ((1 - keep) * tanh.forward(z[NEW]) + keep * h,)

        return self._from_inputs(x, tape), step

    def _from_inputs(self, x: Array, tape: Array | None) -> Iterator[Array]:
        """Return W x_t + b of each step, (gates, D, hidden, N), in the tape of z if there is one.

        Of few samples a block of steps takes one product for each direction, so that weights are read once for it.
        """
        xp, (steps, count, features, n) = namespace(x), x.shape
        outputs, shape = self.gates * self.hidden, (self.gates, self.hidden, n)
        rows = self.weight_input.reshape(count, outputs, features)
        size = max(BLOCK // max(count * self.gates * self.hidden * n, 1), 1)
        room = xp.empty((min(size, steps), self.gates, count, self.hidden, n), dtype=x.dtype) if tape is None else tape
        for first in range(0, steps, size):
            block = x[first : first + size].transpose(1, 0, 2, 3)
            many = block.shape[1]
            if n > FEW:
                made = xp.matmul(rows[:, None], block)
            else:
                columns = block.transpose(0, 1, 3, 2).reshape(count, many * n, features)
                made = xp.matmul(columns, rows.transpose(0, 2, 1)).reshape(count, many, n, outputs)
                made = made.transpose(0, 1, 3, 2)
            z = room[first : first + many] if tape is not None else room[:many]
            z[...] = made.reshape(count, many, *shape).transpose(1, 2, 0, 3, 4)
            z += self.bias.transpose(1, 0, 2)[..., None]
            for t in range(many):
                yield z[t]

    def _with_bias(self, from_h: Array) -> Array:
        """Return U_n h_{t−1} + c."""
        return from_h if self.bias_hidden is None else from_h + self.bias_hidden[..., None]

    def _pull_step(self, z: Array, states: Sequence[Array], h: Array, c: Array) -> tuple[Array, Array, Array]:
        (before,), (gate, tanh), xp = states, self._functions(), namespace(z, h)
        r, keep = (gate.forward(z[k]) for k in (RESET, UPDATE))
        to_new = h * (1 - keep) * tanh.slope(z[NEW])
        u = self._by_gate()[1]
        if self.reset_after:
            to_r, to_h = to_new * self._ungated(before), transposed(u[NEW:], (to_new * r)[None])
        else:
            to_read = transposed(u[NEW:], to_new[None])
            to_r, to_h = to_read * before, to_read * r
        to_gates = xp.stack((to_r, h * (before - tanh.forward(z[NEW])))) * gate.slope(z[:NEW])
        below = h * keep + to_h + transposed(u[:NEW], to_gates)
        return xp.concatenate((to_gates, to_new[None])), below, c

    def _relevance(self, tape: StepTape, rule: Recurrent) -> RelevanceBack:
        if rule.product != "signal":
            return _GatesBack(self, tape, rule)
        below, cell = plain(rule.dense), plain(rule.state)
        known = below is not None and cell is not None and below.runs[0].bias != ZERO
        if below is None or cell is None or not known or tape.h.dtype.kind != "f":
            return _RelevanceSteps(self, tape, rule)
        return _PlainSteps(self, tape, below, cell)


class _RelevanceSteps(SignalBack):
    """The new is (1 − z)⊙n, the kept z⊙h_{t−1}; what both hand down arrives at h_{t−1}."""

    def __init__(self, layer: GRU, tape: StepTape, rule: Recurrent) -> None:
        super().__init__(tape, layer._of_gate(NEW), rule)
        self.layer, self.tape, (self.gate, self.tanh) = layer, tape, layer._functions()
        self.weights = [(layer.weight_input[k, NEW].T, layer.weight_hidden[k, NEW].T) for k in range(tape.h.shape[1])]

    def terms(self, t: int, k: int) -> tuple[Array, Array]:
        keep, n = self.gate.forward(self.tape.z[t, UPDATE, k]).T, self.tanh.forward(self.tape.z[t, NEW, k]).T
        return (1 - keep) * n, keep * self.tape.h[t, k].T

    def below(self, t: int, k: int) -> tuple[Linear, Array]:
        x, h, r = self.tape.x[t, k].T, self.tape.h[t, k].T, self.gate.forward(self.tape.z[t, RESET, k]).T
        if not self.layer.reset_after:
            return self.layers[k], self.xp.concatenate((x, r * h), axis=1)
        bias, c = self.layer.bias[k, NEW], self.layer.bias_hidden
        whole = r * 0 + bias if c is None else bias + r * c[k]
        return GatedDense(*self.weights[k], r, whole), self.xp.concatenate((x, h), axis=1)

    def through(self, at: int, k: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        x, through_n, kept = super().through(at, k, h, c)
        return x, through_n + kept, c


class _PlainSteps(QuotientBack):
    """The same under plain rules: r is known of a block, and a step multiplies by quotients and by U_n alone."""

    def __init__(self, layer: GRU, tape: StepTape, below: Group, cell: Group) -> None:
        super().__init__(tape, below, cell, tape.x.shape[2] + layer.hidden)
        self.layer, self.tape, (self.gate, self.tanh) = layer, tape, layer._functions()
        self.u, self.b = layer.weight_hidden[:, NEW].transpose(0, 2, 1), layer.bias[:, NEW, :, None]

    def parts(self, steps: slice) -> tuple[Array, Array, Array]:
        z, before, after = self.tape.z[steps], self.tape.h[steps], self.layer.reset_after
        gates, n = self.gate.forward(z[:, :NEW]), self.tanh.forward(z[:, NEW])
        self.reset, keep = gates[:, RESET], gates[:, UPDATE]
        self.reads = before if after else self.reset * before
        c = self.layer.bias_hidden
        self.bias_of_unit = self.b + self.reset * c[..., None] if after and c is not None else self.b
        return keep * before, (1 - keep) * n, z[:, NEW]

    def down(self, t: int, sent: Array, even: Array | None) -> Array:
        through = self.reset[t] * sent if self.layer.reset_after else sent
        below = self.xp.matmul(self.u, through)
        below *= self.reads[t]
        return below if even is None else below + even

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        below, kept = super().step(t, h, c)
        below += kept
        return below, c

    def finish(self, steps: slice, even: Array | None) -> Array:
        """Hand on to every x_t, with one product for the block; return what the bias took (N,)."""
        x, w = self.tape.x, self.layer.weight_input[:, NEW]
        for k in range(w.shape[0]):
            sent = self.sent[:, k].transpose(0, 2, 1)
            many, n, hidden = sent.shape
            sent = sent if n > FEW else sent.reshape(1, many * n, hidden)
            x[steps, k] *= self.xp.matmul(sent, w[k]).reshape(many, n, w.shape[2]).transpose(0, 2, 1)
            if even is not None:
                x[steps, k] += even[:, k]
        return per_sample(self.sent * self.bias_of_unit)


class _GatesBack(ProductBack):
    """Gates take relevance: z and 1 − z from the terms of h_t, r from what n reads of h_{t−1}."""

    def __init__(self, layer: GRU, tape: StepTape, rule: Recurrent) -> None:
        super().__init__(tape, rule)
        self.layer, self.tape, (self.gate, self.tanh) = layer, tape, layer._functions()
        self.gates = {gate: joint_layers(layer._of_gate(gate)[:2], layer.bias[:, gate]) for gate in (RESET, UPDATE)}
        w, u, b = layer._of_gate(NEW)
        ones = self.xp.zeros(b.shape, dtype=b.dtype) + scalar(1, b)
        self.new = joint_layers((w, diagonal(ones) if layer.reset_after else u), b)
        self.recurrent = joint_layers((u,), layer.bias_hidden)

    def through(self, at: int, k: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        z, (x, before) = self.tape.z[at, :, k], self.before(at, k)
        (r, keep), n = (self.gate.forward(z[gate]).T for gate in (RESET, UPDATE)), self.tanh.forward(z[NEW]).T
        to_new, to_kept = self.through_sum((1 - keep) * n, keep * before, h)
        to_left, to_n = self.through_product(1 - keep, n, to_new)
        to_keep, below = self.through_product(keep, before, to_kept)
        # The reset gate multiplies what n reads: the whole U h + c, or h itself.
        whole = self.recurrent[k].forward(before) if self.layer.reset_after else before
        received, to_gated = self.through_joint(self.new[k], (x, r * whole), to_n, z[NEW].T)
        to_r, to_whole = self.through_product(r, whole, to_gated)
        reset_after = self.layer.reset_after
        below = below + (self.through_dense(self.recurrent[k], before, to_whole, whole) if reset_after else to_whole)
        for gate, arrived in ((RESET, to_r), (UPDATE, to_left + to_keep)):
            to_x, to_h = self.through_joint(self.gates[gate][k], (x, before), arrived, z[gate].T)
            received, below = received + to_x, below + to_h
        return received, below, c
