"""What a step back in time does in an LSTM: the derivative, and relevance under two rules where gates take none."""

from __future__ import annotations

from ...arithmetic import scalar
from ...base.arrays import Array, Namespace, namespace
from ...fast import buffers
from ...rules.cells import Recurrent
from ...rules.edits import ZERO, Stabiliser
from ...rules.rule import Group, Rule, Run
from .shared import RelevanceBack, SignalBack
from .steps import CELL, GATES, Recorded, Tape, Weights


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


class QuotientBack(RelevanceBack):
    """Two rules that are :func:`plain`, as their groups: a step multiplies by quotients that are known beforehand.

    Formula, with what arrives m = R_{h_t} + R_{c_t}, and c̃, z̃ the stabilised sum c = kept + new and pre-activation of
    the new: s = m new/(c̃ z̃), R_kept = m kept/c̃; the products of s with the weights go on (``down``, ``finish``).

    Args:
        tape: of the steps.
        below, cell: the groups of the dense layer and of the sum.
        fan_in: number of inputs of the dense layer.
    """

    b: Array  # biases of what makes the new, (D, hidden, 1)
    makes_of_nothing: bool = True  # whether the new may be another number than 0 where z is 0

    def __init__(self, tape: Recorded, below: Group, cell: Group, fan_in: int) -> None:
        super().__init__(tape)
        self.below, self.cell, self.fan_in = below, cell, fan_in
        self.bias_of_unit: Array | None = None  # where it is not b alone, (steps, D, hidden, N)
        self.spreads = bool(cell.stabiliser_share or below.stabiliser_share or below.bias_share)
        self.room: list[Array] = []

    def parts(self, steps: slice) -> tuple[Array, Array, Array]:
        """Return the kept, the new and z of a block, (steps, D, hidden, N) each."""
        raise NotImplementedError

    def down(self, t: int, sent: Array, even: Array | None) -> Array:
        """Return what h_{t−1} receives of ``sent``, and of an even share (D, 1, N) for each input."""
        raise NotImplementedError

    def finish(self, steps: slice, even: Array | None) -> Array:
        """Finish a block; ``even`` are the shares of its steps (steps, D, 1, N). Return what biases got (N,)."""
        raise NotImplementedError

    def enter(self, steps: slice) -> None:
        xp, (kept, new, z) = self.xp, self.parts(steps)
        if not self.room:  # the first block is the largest, and its memory serves all: touching new memory is slow
            room = buffers.empty((8, *z.shape), z.dtype, xp)
            self.room = [room[k] for k in range(room.shape[0])]
        fitting = (array[: z.shape[0]] for array in self.room)
        self.carry, self.to_g, self.to_z, self.arrived, self.sent, self.left, c, stable = fitting
        xp.add(kept, new, c)
        stable_c, offset_c, dead_c = _stable(c, self.cell.stabiliser, stable, xp)
        _divide(kept, stable_c, dead_c, self.carry, xp)
        _divide(new, stable_c, dead_c, self.to_g, xp)
        self.offset_c = None if offset_c is None else _divide(offset_c, stable_c, dead_c, offset_c, xp)
        stable_z, self.offset_z, dead_z = _stable(z, self.below.stabiliser, stable, xp)
        _divide(self.to_g, stable_z, dead_z, self.to_z, xp)
        # What a dead c_t was to hand on is lost. Where a dead z makes the new 0, so is what that gets in proportion,
        # and only a share that was spread evenly is lost there.
        self.dead_c, self.dead_z = dead_c, dead_z
        if self.spreads:
            self._prepare_spread(stable_z)

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        xp, arrived, sent, left, even = self.xp, self.arrived[t], self.sent[t], self.left[t], None
        xp.add(h, c, arrived)
        xp.multiply(arrived, self.to_z[t], sent)
        xp.multiply(arrived, self.carry[t], left)
        if self.spreads:
            even = self._spread(t, arrived, sent, left)
        return self.down(t, sent, even), left

    def leave(self, steps: slice) -> None:
        xp, dense, cell = self.xp, self.below, self.cell
        bias = self.finish(steps, self.even_z if self.spreads else None)
        self.bias = self.bias + bias * (1 - scalar(dense.bias_share, bias))
        for factor, mass, part in (
            (self.offset_c, self.arrived, cell.stabiliser_share),
            (self.offset_z, self.sent, dense.stabiliser_share),
        ):
            if factor is not None:
                taken = per_sample(xp.multiply(factor, mass, factor))
                self.stabiliser = self.stabiliser + taken * (1 - scalar(part, bias))
        if self.dead_c is not None:
            self.dropped = self.dropped + per_sample(self.arrived * self.dead_c)
        if self.spreads and self.dead_z is not None:
            self.dropped = self.dropped + per_sample(self.even_c * self.dead_z)
        if self.makes_of_nothing and self.dead_z is not None:
            self.dropped = self.dropped + per_sample(self.arrived * self.to_g * self.dead_z)

    # Shares of stabilisers and biases that are spread evenly: over 2·hidden units of c_t's sum, and over the
    # features and the hidden units below z.

    def _prepare_spread(self, stable_z: Array) -> None:
        xp, below, cell = self.xp, self.below, self.cell
        hidden, fan_in = stable_z.shape[2], self.fan_in
        self.through_z = _divide(
            scalar(1, stable_z), stable_z, self.dead_z, xp.empty(stable_z.shape, dtype=stable_z.dtype), xp
        )
        self.share_c = None
        if self.offset_c is not None and cell.stabiliser_share:
            self.share_c = self.offset_c * (scalar(cell.stabiliser_share, stable_z) / (2 * hidden))
        bias = self.b if self.bias_of_unit is None else self.bias_of_unit
        spread = bias * (scalar(below.bias_share, stable_z) / fan_in)
        if self.offset_z is not None:
            spread = spread + self.offset_z * (scalar(below.stabiliser_share, stable_z) / fan_in)
        self.share_z = xp.broadcast_to(spread, stable_z.shape)
        one = (*stable_z.shape[:2], 1, stable_z.shape[3])
        self.even_c, self.even_z = (xp.zeros(one, dtype=stable_z.dtype) for _ in range(2))

    def _spread(self, t: int, arrived: Array, sent: Array, c: Array) -> Array:
        """Spread what the sum's stabiliser took, and return what goes to each input of the dense layer, (D, 1, N)."""
        if self.share_c is not None:
            even = (arrived * self.share_c[t]).sum(axis=1, keepdims=True)
            self.even_c[t] = even
            sent += even * self.through_z[t]
            c += even
        self.even_z[t] = (sent * self.share_z[t]).sum(axis=1, keepdims=True)
        even_z: Array = self.even_z[t]
        return even_z


class PlainBack(QuotientBack):
    """The LSTM's: R_{c_{t−1}} = R_kept, R_{h_{t−1}} = h_{t−1}⊙(U_gᵀ s), R_{x_t} = x_t⊙(W_gᵀ s), in one product."""

    def __init__(self, weights: Weights, tape: Tape, below: Group, cell: Group) -> None:
        super().__init__(tape, below, cell, tape.read.shape[2] - 1)
        self.tape = tape
        rows = weights.rows((CELL,))[:, 0]
        self.bare = None  # the weights of z without its bias, where the rule leaves that out
        if below.runs[0].bias == ZERO:
            rows[:, :, tape.features] = scalar(0, rows)
            self.bare = rows
        self.makes_of_nothing = self.bare is not None  # the tanh is applied to z with its bias
        self.below_weights = rows.transpose(0, 2, 1)
        self.b = weights.bias[:, CELL, :, None]

    def parts(self, steps: slice) -> tuple[Array, Array, Array]:
        xp, tape = self.xp, self.tape
        kept, new, self.read = tape.parts[steps, 0], tape.parts[steps, 1], tape.read[steps]
        z = tape.z[steps, 0] if self.bare is None else xp.matmul(self.bare, self.read)
        if not self.room:
            self.below_room = xp.empty((*z.shape[1:2], self.read.shape[2], z.shape[3]), dtype=z.dtype)
        return kept, new, z

    def down(self, t: int, sent: Array, even: Array | None) -> Array:
        features, read = self.tape.features, self.read[t]
        read *= self.xp.matmul(self.below_weights, sent, self.below_room)
        if even is not None:
            read[:, :features] += even
            read[:, features + 1 :] += even
        return read[:, features + 1 :]

    def finish(self, steps: slice, even: Array | None) -> Array:
        return self.read[:, :, self.tape.features].sum(axis=(0, 1))


def per_sample(mass: Array) -> Array:
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
