"""The loops of an LSTM over its time steps: one forward, one back, and what a step back does.

Arrays hold all directions D at once, step by step in the order in which each direction reads: (T, D, N, units), so
that the numbers of one step lie together. What does not depend on the step before is computed for many steps at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..arithmetic import no_exact_value, scalar
from ..arrays import Array, Namespace, namespace
from ..edits import KEEP, Stabiliser
from ..rule import Group, Known, Rule, share
from .dense import Dense
from .merge import Add

CELL, OUTPUT = 2, 3
DRIVEN = 2**13  # numbers of a block of pre-activations: it stays in the cache until its steps have been made
WALKED = 2**15  # numbers of each array of a block of steps back


@dataclass(frozen=True, eq=False)
class Weights:
    """Parameters (directions, 4, hidden, features | hidden) and (directions, 4, hidden), gates i, f, g, o."""

    input: Array
    hidden: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Tape:
    """What the forward loop leaves for the way back, in reading order.

    Attributes:
        x: (D, T·N, features).
        h: (T + 1, D, N, hidden), the states before each step, and the last.
        parts: (T, 2, D, N, hidden), f⊙c_{t−1} and i⊙g, whose sum is c_t; of one step only if nothing was kept.
        z: pre-activations (T, D, N, hidden) of g, or (T, D, N, 4, hidden) of all gates, those of i, f and o halved.
    """

    x: Array
    h: Array
    parts: Array
    z: Array


def halves(like: Array, hidden: int, xp: Namespace) -> Array:
    """Return (4, hidden) factors p: a gate is p·tanh(p·z) + (1 − p), with p = ½ for σ and p = 1 for tanh."""
    half = xp.ones((4, hidden), dtype=like.dtype) * 0.5
    half[CELL] = 1.0
    return half


def run(weights: Weights, x: Array, start: tuple[Array, Array], steps: int, *, keep: str = "nothing") -> Tape:
    """Run through the time steps: c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙tanh(c_t).

    Args:
        weights: parameters of all directions.
        x: (D, steps·N, features), in reading order.
        start: h and c before the first step, (D, N, hidden).
        steps: T.
        keep: "nothing", "cell" (the parts of c_t, and z of g) or "gates" (the parts of c_t, and z of all gates).
    """
    no_exact_value(x, "tanh")
    xp = namespace(x, weights.input)
    (count, n, hidden), kept = start[0].shape, keep != "nothing"
    half = halves(x, hidden, xp)
    driving, pushing = (_columns(w * half.reshape(4, hidden, 1)) for w in (weights.input, weights.hidden))
    bias = (weights.bias * half).reshape(count, 1, 4 * hidden)
    half = xp.ones((4, count, n, hidden), dtype=x.dtype) * half.reshape(4, 1, 1, hidden)
    rest = 1 - half

    def empty(*shape: int) -> Array:
        return xp.empty(shape, dtype=x.dtype)

    states, parts = empty(steps + 1, count, n, hidden), empty(steps if kept else 1, 2, count, n, hidden)
    z = empty(steps if kept else 0, count, n, *((4, hidden) if keep == "gates" else (hidden,)))
    columns = (slice(None),) * 3 + ((slice(None) if keep == "gates" else CELL),)
    # c and i stand next to each other, and so do f and g: both parts of c_t are one product.
    planes, pushed, squashed = empty(5, count, n, hidden), empty(count, n, 4, hidden), empty(count, n, hidden)
    c, gates, output, left, right = planes[0], planes[1:], planes[4], planes[0:2], planes[2:4]
    gates_by_sample, pushed_rows = gates.transpose(1, 2, 0, 3), pushed.reshape(count, n, 4 * hidden)
    states[0] = start[0]
    c[...] = start[1]
    h, part = states[0], parts[0] if not kept else None
    add, multiply, tanh, matmul = xp.add, xp.multiply, xp.tanh, xp.matmul
    size = max(DRIVEN // max(pushed.size, 1), 1)
    for first in range(0, steps, size):
        many = min(size, steps - first)
        driven = matmul(x[:, first * n : (first + many) * n], driving)
        driven += bias
        drive = driven.reshape(count, many, n, 4, hidden).transpose(1, 0, 2, 3, 4)
        if many > 1:  # bring together what belongs to one step
            drive, drive[...] = empty(*drive.shape), drive
        for t in range(many):
            here = drive[t]
            matmul(h, pushing, pushed_rows)
            here += pushed
            tanh(here, gates_by_sample)
            gates *= half
            gates += rest
            if kept:
                part = parts[first + t]
            multiply(left, right, part)
            add(part[0], part[1], c)
            tanh(c, squashed)
            h = states[first + t + 1]
            multiply(output, squashed, h)
        if kept:
            z[first : first + many] = drive[columns]
    return Tape(x, states, parts, z)


def _columns(weight: Array) -> Array:
    """Return (directions, 4, hidden, in) as matrices (directions, in, 4·hidden)."""
    return weight.reshape(weight.shape[0], -1, weight.shape[3]).transpose(0, 2, 1)


# -- back ---------------------------------------------------------------------------------------------------------


class StepsBack(Protocol):
    """What :func:`walk_back` needs: steps of a block, which it enters at its end and leaves at its beginning."""

    x: Array

    def enter(self, steps: slice) -> None:
        """Prepare the block of these steps."""

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        """Return what arrives at h_{t−1} and c_{t−1} from what arrives at h_t and c_t, (D, N, hidden) each.

        ``t`` counts from the block's beginning.
        """

    def leave(self, steps: slice) -> None:
        """Finish the block."""


@dataclass(frozen=True, eq=False)
class Arriving:
    """What arrives from outside at the states.

    Attributes:
        steps_h, steps_c: at h_t and c_t of each step (T, D, N, hidden), or None for nothing.
        last_h, last_c: at the states after the last step, (D, N, hidden).
    """

    steps_h: Array | None
    steps_c: Array | None
    last_h: Array
    last_c: Array


def walk_back(tape: Tape, arriving: Arriving, back: StepsBack) -> tuple[Array, Array]:
    """Walk back through the steps; return what arrives at the h and c before the first, (D, N, hidden) each."""
    h, c = arriving.last_h, arriving.last_c
    if not h.size:
        return h, c
    size = max(WALKED // h.size, 1)
    for stop in range(tape.h.shape[0] - 1, 0, -size):
        first = max(stop - size, 0)
        back.enter(slice(first, stop))
        for t in range(stop - 1, first - 1, -1):
            if arriving.steps_h is not None:
                h = h + arriving.steps_h[t]
            if arriving.steps_c is not None:
                c = c + arriving.steps_c[t]
            h, c = back.step(t - first, h, c)
        back.leave(slice(first, stop))
    return h, c


def _rows(x: Array, steps: slice, tape: Tape) -> Array:
    """Return the rows (D, steps·N, features) of some steps."""
    n = tape.h.shape[2]
    return x[:, steps.start * n : steps.stop * n]


def _by_direction(array: Array) -> Array:
    """Return (steps, D, N, ...) as rows (D, steps·N, units)."""
    steps, count, n = array.shape[:3]
    array = array.reshape(steps, count, n, -1)
    return array.transpose(1, 0, 2, 3).reshape(count, steps * n, array.shape[3])


class DerivativeBack:
    """Back-propagation through time. ``x`` (D, T·N, features) is what arrives at the inputs."""

    def __init__(self, weights: Weights, tape: Tape) -> None:
        self.xp, self.tape = namespace(tape.x), tape
        count, _, self.hidden, features = weights.input.shape
        self.to_x = weights.input.reshape(count, 4 * self.hidden, features)
        self.to_h = weights.hidden.reshape(count, 4 * self.hidden, self.hidden)
        self.x = self.xp.empty(tape.x.shape, dtype=tape.x.dtype)

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        half = halves(tape.x, self.hidden, xp)
        gates = xp.tanh(tape.z[steps]) * half + (1 - half)
        i, f, g, o = (gates[:, :, :, k] for k in range(4))
        kept, new = tape.parts[steps, 0], tape.parts[steps, 1]
        squashed = xp.tanh(kept + new)
        self.to_c, self.carry, self.to_output = o * (1 - squashed * squashed), f, squashed * o * (1 - o)
        self.to_gates = xp.stack((new * (1 - i), kept * (1 - f), i * (1 - g * g)), axis=3)
        self.dz = xp.empty(gates.shape, dtype=gates.dtype)

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        dz = self.dz[t]
        count, n, hidden = h.shape
        c = c + h * self.to_c[t]
        dz[:, :, :OUTPUT] = c.reshape(count, n, 1, hidden) * self.to_gates[t]
        dz[:, :, OUTPUT] = h * self.to_output[t]
        return self.xp.matmul(dz.reshape(count, n, 4 * hidden), self.to_h), c * self.carry[t]

    def leave(self, steps: slice) -> None:
        _rows(self.x, steps, self.tape)[...] = self.xp.matmul(_by_direction(self.dz), self.to_x)


class RelevanceBack:
    """Base of the two ways to redistribute: ``x`` is the relevance of the inputs, and per sample three sums."""

    def __init__(self, weights: Weights, tape: Tape, dense: Rule, state: Rule) -> None:
        self.xp, self.tape, self.weights = namespace(tape.x), tape, weights
        self.dense, self.state = dense, state
        self.x = self.xp.empty(tape.x.shape, dtype=tape.x.dtype)
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
        x, below_x = (_rows(a, slice(at, at + 1), tape) for a in (tape.x, self.x))
        features, to_h, to_c = x.shape[2], [], []
        for k, layer in enumerate(self.layers):
            kept, new = tape.parts[at, 0, k], tape.parts[at, 1, k]
            cell = share(_CellSum(), (new, kept), h[k] + c[k], self.state, known=Known(z=new + kept))
            joint = self.xp.concatenate((x[k], tape.h[at, k]), axis=1)
            below = share(layer, (joint,), cell.relevances[0], self.dense)
            for account in (cell, below):
                self.bias = self.bias + account.bias
                self.stabiliser = self.stabiliser + account.stabiliser
                self.dropped = self.dropped + account.dropped
            below_x[k] = below.relevances[0][:, :features]
            to_h.append(below.relevances[0][:, features:])
            to_c.append(cell.relevances[1])
        return self.xp.stack(to_h), self.xp.stack(to_c)

    def leave(self, steps: slice) -> None:
        pass


@dataclass(frozen=True, eq=False, repr=False)
class _CellSum(Add):
    """c_t = i⊙g + f⊙c_{t−1}, whose even spread runs over all 2·hidden units, as in a dense layer (I, I)."""

    def evenly(self) -> Any:
        return _Everything()


class _Everything(Add):
    """The dense layer of ones over all units of all operands."""

    def forward(self, *xs: Array) -> Array:
        total = sum(x.sum(axis=1, keepdims=True) for x in xs)
        return namespace(*xs).broadcast_to(total, xs[0].shape)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        spread = namespace(g).broadcast_to(g.sum(axis=1, keepdims=True), g.shape)
        return (spread,) * len(xs)


def plain(rule: Rule) -> Group | None:
    """Return the group of a rule that is a·w·R/stabilise(z) and nothing else, or None."""
    if len(rule.groups) != 1 or len(rule.groups[0].runs) != 1:
        return None
    (group,) = rule.groups
    (run,) = group.runs
    unedited = (run.inputs, run.weights, run.bias) == (KEEP, KEEP, KEEP) and run.sign > 0
    return group if unedited and group.weight == 1 and group.gate is None else None


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
        self.to_x, self.to_h, self.b = weights.input[:, CELL], weights.hidden[:, CELL], weights.bias[:, CELL]
        self.spreads = bool(cell.stabiliser_share or below.stabiliser_share or below.bias_share)

    def enter(self, steps: slice) -> None:
        xp, tape = self.xp, self.tape
        kept, new = tape.parts[steps, 0], tape.parts[steps, 1]
        c, z, self.h = kept + new, tape.z[steps], tape.h[steps]
        stable_c, offset_c, dead_c = _stable(c, self.cell.stabiliser, xp)
        stable_z, self.offset_z, dead_z = _stable(z, self.below.stabiliser, xp)
        self.carry, self.to_g = _over(kept, stable_c, dead_c, xp), _over(new, stable_c, dead_c, xp)
        self.to_z = _over(self.to_g, stable_z, dead_z, xp)
        self.offset_c = None if offset_c is None else _over(offset_c, stable_c, dead_c, xp)
        self.lost: Array | None = None
        if dead_c is not None or dead_z is not None:
            zero = scalar(0, c)
            lost = zero if dead_z is None else xp.where(dead_z, self.to_g, zero)
            self.lost = lost if dead_c is None else xp.where(dead_c, scalar(1, c), lost)
        self.arrived, self.sent = (xp.empty(c.shape, dtype=c.dtype) for _ in range(2))
        if self.spreads:
            self._prepare_spread(stable_z, dead_z)

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
        received = _rows(self.x, steps, self.tape)
        received[...] = self.xp.matmul(_by_direction(self.sent), self.to_x)
        received *= _rows(self.tape.x, steps, self.tape)
        if self.spreads:
            received += _by_direction(self.even_z)
        dense, cell = self.below, self.cell
        bias = (self.sent.sum(axis=0) * self.b.reshape(-1, 1, self.b.shape[1])).sum(axis=(0, 2))
        self.bias = self.bias + bias * (1 - scalar(dense.bias_share, bias))
        for factor, mass, part in (
            (self.offset_c, self.arrived, cell.stabiliser_share),
            (self.offset_z, self.sent, dense.stabiliser_share),
        ):
            if factor is not None:
                self.stabiliser = self.stabiliser + _per_sample(factor * mass) * (1 - scalar(part, bias))
        if self.lost is not None:
            self.dropped = self.dropped + _per_sample(self.lost * self.arrived)
            if self.spreads and self.dead_z is not None:
                self.dropped = self.dropped + _per_sample(self.even_c * self.dead_z)

    # Shares of stabilisers and biases that are spread evenly: over 2·hidden units of c_t's sum, and over the
    # features and the hidden units below z.

    def _prepare_spread(self, stable_z: Array, dead_z: Array | None) -> None:
        xp, below, cell = self.xp, self.below, self.cell
        hidden, features = self.to_x.shape[1:]
        self.through_z, self.dead_z = _over(scalar(1, stable_z), stable_z, dead_z, xp), dead_z
        self.share_c = None
        if self.offset_c is not None and cell.stabiliser_share:
            self.share_c = self.offset_c * (scalar(cell.stabiliser_share, stable_z) / (2 * hidden))
        fan_in = features + hidden
        spread = self.b.reshape(-1, 1, hidden) * (scalar(below.bias_share, stable_z) / fan_in)
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
    return mass.sum(axis=0).sum(axis=(0, 2))


def _stable(z: Array, stabiliser: Stabiliser, xp: Namespace) -> tuple[Array, Array | None, Array | None]:
    """Return stabilised denominators (steps, D, N, hidden), what was added, and where they are 0 if they can be."""
    offset = stabiliser.offset(z.reshape(-1, z.shape[3]))
    offset = None if offset is None else offset.reshape(z.shape)
    stable = z if offset is None else z + offset
    if stabiliser.never_zero:
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
