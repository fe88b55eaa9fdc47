"""What a step back in time does in an LSTM: the derivative, and relevance under two rules in two ways."""

from __future__ import annotations

from typing import Any

from ..arithmetic import scalar
from ..arrays import Array, Namespace, namespace
from ..edits import Stabiliser
from ..rule import Group, Known, Rule, Run, share
from .dense import Dense
from .merge import Add
from .recurrence import CELL, OUTPUT, Tape, Weights, by_direction, halves, rows


class DerivativeBack:
    """Back-propagation through time. What arrives at the inputs takes their place in the tape, ``x``."""

    def __init__(self, weights: Weights, tape: Tape) -> None:
        self.xp, self.tape = namespace(tape.x), tape
        count, _, self.hidden, features = weights.input.shape
        self.to_x = weights.input.reshape(count, 4 * self.hidden, features)
        self.to_h = weights.hidden.reshape(count, 4 * self.hidden, self.hidden)
        self.x = tape.x

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        half = halves(tape.x, self.hidden, xp)
        half = half.reshape(4, 1, 1, self.hidden)
        gates = xp.tanh(tape.z[steps]) * half + (1 - half)
        i, f, g, o = (gates[:, k] for k in range(4))
        kept, new = tape.parts[steps, 0], tape.parts[steps, 1]
        squashed = xp.tanh(kept + new)
        self.to_c, self.carry, self.to_output = o * (1 - squashed * squashed), f, squashed * o * (1 - o)
        self.to_gates = xp.stack((new * (1 - i), kept * (1 - f), i * (1 - g * g)), axis=3)
        self.dz = xp.empty((*f.shape[:3], 4, self.hidden), dtype=f.dtype)

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        dz = self.dz[t]
        count, n, hidden = h.shape
        c = c + h * self.to_c[t]
        dz[:, :, :OUTPUT] = c.reshape(count, n, 1, hidden) * self.to_gates[t]
        dz[:, :, OUTPUT] = h * self.to_output[t]
        return self.xp.matmul(dz.reshape(count, n, 4 * hidden), self.to_h), c * self.carry[t]

    def leave(self, steps: slice) -> None:
        rows(self.x, steps, self.tape)[...] = self.xp.matmul(by_direction(self.dz), self.to_x)


class RelevanceBack:
    """Base of the two ways to redistribute: relevance takes the place of the inputs in the tape, ``x``.

    ``bias``, ``stabiliser`` and ``dropped`` (N,) are the columns of the ledger.
    """

    def __init__(self, weights: Weights, tape: Tape, dense: Rule, state: Rule) -> None:
        self.xp, self.tape, self.weights = namespace(tape.x), tape, weights
        self.dense, self.state = dense, state
        self.x = tape.x
        zero = self.xp.zeros(tape.h.shape[2], dtype=tape.x.dtype)
        self.bias, self.stabiliser, self.dropped = zero, zero, zero

    def enter(self, steps: slice) -> None:
        raise NotImplementedError

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        raise NotImplementedError

    def leave(self, steps: slice) -> None:
        raise NotImplementedError


class SharedBack(RelevanceBack):
    """Any two rules: every step is two linear layers, one direction after the other."""

    def __init__(self, weights: Weights, tape: Tape, dense: Rule, state: Rule) -> None:
        super().__init__(weights, tape, dense, state)
        wx, wh, b = weights.input[:, CELL], weights.hidden[:, CELL], weights.bias[:, CELL]
        joint = self.xp.concatenate((wx, wh), axis=2)
        self.layers = [Dense(joint[k].T, b[k]) for k in range(joint.shape[0])]

    def enter(self, steps: slice) -> None:
        self.start = steps.start

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        tape, at = self.tape, self.start + t
        x = rows(self.x, slice(at, at + 1), tape)
        features, to_h, to_c = x.shape[2], [], []
        for k, layer in enumerate(self.layers):
            kept, new = tape.parts[at, 0, k], tape.parts[at, 1, k]
            cell = share(_CellSum(), (new, kept), h[k] + c[k], self.state, known=Known(z=new + kept))
            to_new, to_kept = cell.relevances
            joint = self.xp.concatenate((x[k], tape.h[at, k]), axis=1)
            below = share(layer, (joint,), to_new, self.dense)
            (received,) = below.relevances
            for account in (cell, below):
                self.bias = self.bias + account.bias
                self.stabiliser = self.stabiliser + account.stabiliser
                self.dropped = self.dropped + account.dropped
            x[k] = received[:, :features]
            to_h.append(received[:, features:])
            to_c.append(to_kept)
        return self.xp.stack(to_h), self.xp.stack(to_c)

    def leave(self, steps: slice) -> None:
        pass


class _CellSum(Add):
    """c_t = i⊙g + f⊙c_{t−1}, whose even spread runs over all 2·hidden units, as in a dense layer (I, I)."""

    def evenly(self) -> Any:
        return _Everything()


class _Everything(Add):
    """The dense layer of ones over all units of all operands."""

    def forward(self, *xs: Array) -> Array:
        new, kept = xs
        total = (new + kept).sum(axis=1, keepdims=True)
        return namespace(new, kept).broadcast_to(total, new.shape)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        spread = namespace(g).broadcast_to(g.sum(axis=1, keepdims=True), g.shape)
        return (spread,) * len(xs)


def plain(rule: Rule) -> Group | None:
    """Return the group of a rule that is a·w·R/stabilise(z) and nothing else, or None."""
    if [group.runs for group in rule.groups] != [(Run(),)]:
        return None
    (group,) = rule.groups
    return group if group.weight == 1 and group.gate is None else None


class PlainBack(RelevanceBack):
    """Two rules that are :func:`plain`: a step multiplies by quotients that are known beforehand.

    Formula, with m = R_{h_t} + R_{c_t} and c̃, z̃ the stabilised c_t and pre-activation of g: s = m i⊙g/(c̃ z̃),
    R_{c_{t−1}} = m f⊙c_{t−1}/c̃, R_{h_{t−1}} = h_{t−1}⊙(U_gᵀ s), R_{x_t} = x_t⊙(W_gᵀ s).
    """

    def __init__(self, weights: Weights, tape: Tape, dense: Rule, state: Rule) -> None:
        super().__init__(weights, tape, dense, state)
        below, cell = plain(dense), plain(state)
        assert below is not None
        assert cell is not None
        self.below, self.cell = below, cell
        count, _, hidden, _ = weights.input.shape
        self.to_x, self.to_h = weights.input[:, CELL], weights.hidden[:, CELL]
        self.b = weights.bias[:, CELL].reshape(count, 1, hidden)
        self.spreads = bool(cell.stabiliser_share or below.stabiliser_share or below.bias_share)

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        kept, new = tape.parts[steps, 0], tape.parts[steps, 1]
        c, z, self.h = kept + new, tape.z[steps, 0], tape.h[steps]
        stable_c, offset_c, dead_c = _stable(c, self.cell.stabiliser, xp)
        stable_z, self.offset_z, dead_z = _stable(z, self.below.stabiliser, xp)
        self.carry, self.to_g = _over(kept, stable_c, dead_c, xp), _over(new, stable_c, dead_c, xp)
        self.to_z = _over(self.to_g, stable_z, dead_z, xp)
        self.offset_c = None if offset_c is None else _over(offset_c, stable_c, dead_c, xp)
        # What a dead c_t was to hand on is lost. A dead z is 0, so that g and what it gets in proportion are: there
        # only a share that was spread evenly is lost.
        self.dead_c, self.dead_z = dead_c, dead_z
        self.arrived, self.sent = (xp.empty(c.shape, dtype=c.dtype) for _ in range(2))
        if self.spreads:
            self._prepare_spread(stable_z)

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        xp, arrived, sent = self.xp, self.arrived[t], self.sent[t]
        xp.add(h, c, arrived)
        xp.multiply(arrived, self.to_z[t], sent)
        c = arrived * self.carry[t]
        if self.spreads:
            return self._step_spread(t, arrived, sent, c)
        h = xp.matmul(sent, self.to_h)
        h *= self.h[t]
        return h, c

    def leave(self, steps: slice) -> None:
        received = rows(self.x, steps, self.tape)
        received *= self.xp.matmul(by_direction(self.sent), self.to_x)
        if self.spreads:
            received += by_direction(self.even_z)
        dense, cell = self.below, self.cell
        bias = (self.sent.sum(axis=0) * self.b).sum(axis=(0, 2))
        self.bias = self.bias + bias * (1 - scalar(dense.bias_share, bias))
        for factor, mass, part in (
            (self.offset_c, self.arrived, cell.stabiliser_share),
            (self.offset_z, self.sent, dense.stabiliser_share),
        ):
            if factor is not None:
                self.stabiliser = self.stabiliser + _per_sample(factor * mass) * (1 - scalar(part, bias))
        if self.dead_c is not None:
            self.dropped = self.dropped + _per_sample(self.arrived * self.dead_c)
        if self.spreads and self.dead_z is not None:
            self.dropped = self.dropped + _per_sample(self.even_c * self.dead_z)

    # Shares of stabilisers and biases that are spread evenly: over 2·hidden units of c_t's sum, and over the
    # features and the hidden units below z.

    def _prepare_spread(self, stable_z: Array) -> None:
        xp, below, cell = self.xp, self.below, self.cell
        hidden, features = self.to_x.shape[1:]
        self.through_z = _over(scalar(1, stable_z), stable_z, self.dead_z, xp)
        self.share_c = None
        if self.offset_c is not None and cell.stabiliser_share:
            self.share_c = self.offset_c * (scalar(cell.stabiliser_share, stable_z) / (2 * hidden))
        fan_in = features + hidden
        spread = self.b * (scalar(below.bias_share, stable_z) / fan_in)
        if self.offset_z is not None:
            spread = spread + self.offset_z * (scalar(below.stabiliser_share, stable_z) / fan_in)
        self.share_z = xp.broadcast_to(spread, stable_z.shape)
        self.even_c, self.even_z = (xp.zeros((*stable_z.shape[:3], 1), dtype=stable_z.dtype) for _ in range(2))

    def _step_spread(self, t: int, arrived: Array, sent: Array, c: Array) -> tuple[Array, Array]:
        if self.share_c is not None:
            even = (arrived * self.share_c[t]).sum(axis=2, keepdims=True)
            self.even_c[t] = even
            sent += even * self.through_z[t]
            c += even
        even = (sent * self.share_z[t]).sum(axis=2, keepdims=True)
        self.even_z[t] = even
        return self.xp.matmul(sent, self.to_h) * self.h[t] + even, c


def _per_sample(mass: Array) -> Array:
    """Sum (steps, D, N, units) to (N,)."""
    return mass.sum(axis=(0, 1)).sum(axis=1)


def _stable(z: Array, stabiliser: Stabiliser, xp: Namespace) -> tuple[Array, Array | None, Array | None]:
    """Return stabilised denominators (steps, D, N, hidden), what was added, and where they are 0 if they can be."""
    steps, count, n, hidden = z.shape
    offset = stabiliser.offset(z.reshape(steps * count * n, hidden))
    offset = None if offset is None else offset.reshape(z.shape)
    stable = z if offset is None else z + offset
    if stabiliser.never_zero(z):
        return stable, offset, None
    dead = stable == 0
    return xp.where(dead, scalar(1, z), stable), offset, dead


def _over(numerator: Array, stable: Array, dead: Array | None, xp: Namespace) -> Array:
    """Return numerator / stable, 0 for dead units."""
    quotient = numerator / stable
    return quotient if dead is None else xp.where(dead, scalar(0, quotient), quotient)


def relevance_back(weights: Weights, tape: Tape, dense: Rule, state: Rule) -> RelevanceBack:
    """Return the way to make steps back under the rules of the cell input and of the sum c_t."""
    kind = SharedBack if plain(dense) is None or plain(state) is None else PlainBack
    return kind(weights, tape, dense, state)
