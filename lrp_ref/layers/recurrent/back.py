"""What a step back in time does in an LSTM: the derivative, and relevance under two rules where gates take none."""

from __future__ import annotations

from ...arithmetic import scalar
from ...base.arrays import Array, Namespace, namespace
from ...fast import buffers
from ...rules.cells import Recurrent
from ...rules.edits import ZERO, Stabiliser
from ...rules.rule import Group, Rule, Run
from .shared import RelevanceBack, SignalBack
from .steps import CELL, GATES, Tape, Weights


class DerivativeBack:
    """Back-propagation through time. What arrives at x_t, 1 and h_{t−1} takes their place in the tape."""

    def __init__(self, weights: Weights, tape: Tape) -> None:
        self.xp, self.tape = namespace(tape.read), tape
        rows = weights.rows(GATES)
        count, gates, hidden, inner = rows.shape
        self.weights = rows.reshape(count, gates * hidden, inner).transpose(0, 2, 1)

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        kept, new = tape.parts[steps, 0], tape.parts[steps, 1]
        gates = xp.tanh(tape.z[steps])
        gates[:, 1:] *= 0.5
        gates[:, 1:] += 0.5
        g, f, i, o = (gates[:, k] for k in range(4))
        squashed = xp.tanh(kept + new)
        self.to_c, self.carry, self.to_output = o * (1 - squashed * squashed), f, squashed * o * (1 - o)
        self.to_gates = xp.stack((i * (1 - g * g), kept * (1 - f), new * (1 - i)), axis=2)
        self.read = tape.read[steps]

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        xp = self.xp
        count, hidden, n = h.shape
        c = c + h * self.to_c[t]
        dz = xp.empty((count, 4, hidden, n), dtype=h.dtype)
        dz[:, :3] = c[:, None] * self.to_gates[t]
        dz[:, 3] = h * self.to_output[t]
        self.read[t] = xp.matmul(self.weights, dz.reshape(count, 4 * hidden, n))
        return self.read[t, :, self.tape.features + 1 :], c * self.carry[t]

    def leave(self, steps: slice) -> None:
        pass


class LSTMShared(SignalBack):
    """Any two rules: the new is i⊙g, the kept f⊙c_{t−1}, which hands what it gets to c_{t−1}."""

    def __init__(self, weights: Weights, tape: Tape, rule: Recurrent) -> None:
        super().__init__(tape, weights.of(CELL), rule)
        self.tape = tape

    def terms(self, t: int, k: int) -> tuple[Array, Array]:
        return self.tape.parts[t, 1, k].T, self.tape.parts[t, 0, k].T


def plain(rule: Rule) -> Group | None:
    """Return the group of a rule that is a·w·R/stabilise(z), with or without bias, and nothing else, or None."""
    groups = rule.groups
    if len(groups) != 1 or groups[0].runs not in ((Run(),), (Run(bias=ZERO),)):
        return None
    (group,) = groups
    return group if group.weight == 1 and group.gate is None else None


class PlainBack(RelevanceBack):
    """Two rules that are :func:`plain`, as their groups: a step multiplies by quotients that are known beforehand.

    Formula, with m = R_{h_t} + R_{c_t} and c̃, z̃ the stabilised c_t and pre-activation of g: s = m i⊙g/(c̃ z̃),
    R_{c_{t−1}} = m f⊙c_{t−1}/c̃, R_{h_{t−1}} = h_{t−1}⊙(U_gᵀ s), R_{x_t} = x_t⊙(W_gᵀ s).
    """

    def __init__(self, weights: Weights, tape: Tape, below: Group, cell: Group) -> None:
        super().__init__(tape)
        self.tape = tape
        self.below, self.cell = below, cell
        rows = weights.rows((CELL,))[:, 0]
        self.bare = None  # the weights of z without its bias, where the rule leaves that out
        if below.runs[0].bias == ZERO:
            rows[:, :, tape.features] = scalar(0, rows)
            self.bare = rows
        self.below_weights = rows.transpose(0, 2, 1)
        self.b = weights.bias[:, CELL, :, None]
        self.spreads = bool(cell.stabiliser_share or below.stabiliser_share or below.bias_share)
        self.room: list[Array] = []

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        kept, new, self.read = tape.parts[steps, 0], tape.parts[steps, 1], tape.read[steps]
        z = tape.z[steps, 0] if self.bare is None else xp.matmul(self.bare, self.read)
        if not self.room:  # the first block is the largest, and its memory serves all: touching new memory is slow
            room = buffers.empty((8, *z.shape), z.dtype, xp)
            self.room = [room[k] for k in range(room.shape[0])]
            self.below_room = xp.empty((*z.shape[1:2], self.read.shape[2], z.shape[3]), dtype=z.dtype)
        fitting = (array[: z.shape[0]] for array in self.room)
        self.carry, self.to_g, self.to_z, self.arrived, self.sent, self.left, c, stable = fitting
        xp.add(kept, new, c)
        stable_c, offset_c, dead_c = _stable(c, self.cell.stabiliser, stable, xp)
        _divide(kept, stable_c, dead_c, self.carry, xp)
        _divide(new, stable_c, dead_c, self.to_g, xp)
        self.offset_c = None if offset_c is None else _divide(offset_c, stable_c, dead_c, offset_c, xp)
        stable_z, self.offset_z, dead_z = _stable(z, self.below.stabiliser, stable, xp)
        _divide(self.to_g, stable_z, dead_z, self.to_z, xp)
        # What a dead c_t was to hand on is lost. A dead z is 0, so that g and what it gets in proportion are, unless z
        # has lost its bias: otherwise only a share that was spread evenly is lost there.
        self.dead_c, self.dead_z = dead_c, dead_z
        if self.spreads:
            self._prepare_spread(stable_z)

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        xp, arrived, sent, left, read = self.xp, self.arrived[t], self.sent[t], self.left[t], self.read[t]
        xp.add(h, c, arrived)
        xp.multiply(arrived, self.to_z[t], sent)
        xp.multiply(arrived, self.carry[t], left)
        if self.spreads:
            return self._step_spread(t, arrived, sent, left)
        read *= xp.matmul(self.below_weights, sent, self.below_room)
        return read[:, self.tape.features + 1 :], left

    def leave(self, steps: slice) -> None:
        xp, dense, cell, features = self.xp, self.below, self.cell, self.tape.features
        bias = self.read[:, :, features].sum(axis=(0, 1))
        self.bias = self.bias + bias * (1 - scalar(dense.bias_share, bias))
        for factor, mass, part in (
            (self.offset_c, self.arrived, cell.stabiliser_share),
            (self.offset_z, self.sent, dense.stabiliser_share),
        ):
            if factor is not None:
                taken = _per_sample(xp.multiply(factor, mass, factor))
                self.stabiliser = self.stabiliser + taken * (1 - scalar(part, bias))
        if self.dead_c is not None:
            self.dropped = self.dropped + _per_sample(self.arrived * self.dead_c)
        if self.spreads and self.dead_z is not None:
            self.dropped = self.dropped + _per_sample(self.even_c * self.dead_z)
        if self.bare is not None and self.dead_z is not None:
            self.dropped = self.dropped + _per_sample(self.arrived * self.to_g * self.dead_z)

    # Shares of stabilisers and biases that are spread evenly: over 2·hidden units of c_t's sum, and over the
    # features and the hidden units below z.

    def _prepare_spread(self, stable_z: Array) -> None:
        xp, below, cell = self.xp, self.below, self.cell
        hidden, fan_in = stable_z.shape[2], self.read.shape[2] - 1
        self.through_z = _divide(
            scalar(1, stable_z), stable_z, self.dead_z, xp.empty(stable_z.shape, dtype=stable_z.dtype), xp
        )
        self.share_c = None
        if self.offset_c is not None and cell.stabiliser_share:
            self.share_c = self.offset_c * (scalar(cell.stabiliser_share, stable_z) / (2 * hidden))
        spread = self.b * (scalar(below.bias_share, stable_z) / fan_in)
        if self.offset_z is not None:
            spread = spread + self.offset_z * (scalar(below.stabiliser_share, stable_z) / fan_in)
        self.share_z = xp.broadcast_to(spread, stable_z.shape)
        self.even_c = xp.zeros((*stable_z.shape[:2], 1, stable_z.shape[3]), dtype=stable_z.dtype)

    def _step_spread(self, t: int, arrived: Array, sent: Array, c: Array) -> tuple[Array, Array]:
        features, read = self.tape.features, self.read[t]
        if self.share_c is not None:
            even = (arrived * self.share_c[t]).sum(axis=1, keepdims=True)
            self.even_c[t] = even
            sent += even * self.through_z[t]
            c += even
        even = (sent * self.share_z[t]).sum(axis=1, keepdims=True)
        read *= self.xp.matmul(self.below_weights, sent, self.below_room)
        read[:, :features] += even
        read[:, features + 1 :] += even
        return read[:, features + 1 :], c


def _per_sample(mass: Array) -> Array:
    """Sum (steps, D, units, N) to (N,)."""
    return mass.sum(axis=0).sum(axis=(0, 1))


def _stable(z: Array, stabiliser: Stabiliser, out: Array, xp: Namespace) -> tuple[Array, Array | None, Array | None]:
    """Return stabilised denominators (steps, D, hidden, N), what was added, and where they are 0 if they can be.

    The denominators take the memory of ``out``, unless they are z.
    """
    steps, count, hidden, n = z.shape
    if stabiliser.kind == "relative":  # to the units of each sample
        size = stabiliser.offset(z.transpose(0, 1, 3, 2).reshape(steps * count * n, hidden))
        offset = None if size is None else size.reshape(steps, count, n, hidden).transpose(0, 1, 3, 2)
    else:
        offset = stabiliser.offset(z)
    stable = z if offset is None else xp.add(z, offset, out)
    if stabiliser.never_zero(z):
        return stable, offset, None
    dead = stable == 0
    return xp.where(dead, scalar(1, z), stable), offset, dead


def _divide(numerator: Array, stable: Array, dead: Array | None, out: Array, xp: Namespace) -> Array:
    """Write numerator / stable, 0 for dead units, into ``out``."""
    xp.divide(numerator, stable, out)
    if dead is not None:
        out[...] = xp.where(dead, scalar(0, out), out)
    return out


def relevance_back(weights: Weights, tape: Tape, rule: Recurrent) -> RelevanceBack:
    """Return the way to make steps back in which gates take none, under the rules of the cell input and of c_t."""
    below, cell = plain(rule.dense), plain(rule.state)
    if below is None or cell is None:
        return LSTMShared(weights, tape, rule)
    return PlainBack(weights, tape, below, cell)
