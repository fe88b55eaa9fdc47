"""The loops of an LSTM over its time steps, one forward and one back; what a step back does is in ``stepback``.

Arrays hold all directions D at once, step by step in the order in which each direction reads: (T, D, N, units), so
that the numbers of one step lie together. What does not depend on the step before is computed for many steps at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from .. import buffers
from ..arithmetic import no_exact_value
from ..arrays import Array, Namespace, namespace

CELL, OUTPUT = 2, 3  # of the gates i, f, g, o
DRIVEN = 2**13  # numbers of a block of pre-activations: it stays in the cache until its steps have been made
WALKED = 2**16  # numbers of each array of a block of steps back
# What the forward loop keeps: the last h, every h, and with that the parts of c_t and z of g or of all gates.
KEEP = {"last": None, "states": None, "cell": slice(CELL, CELL + 1), "gates": slice(0, 4)}


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
        h: (T + 1, D, N, hidden), the states before each step, and the last; (1, D, N, hidden) if only that was kept.
        parts: (T, 2, D, N, hidden), f⊙c_{t−1} and i⊙g, whose sum is c_t.
        z: pre-activations (T, gates, D, N, hidden) of g, or of all gates, those of i, f and o halved.
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


def run(weights: Weights, x: Array, start: tuple[Array, Array], steps: int, keep: str) -> Tape:
    """Run through the time steps: c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙tanh(c_t).

    Args:
        weights: parameters of all directions.
        x: (D, steps·N, features), in reading order.
        start: h and c before the first step, (D, N, hidden).
        steps: T.
        keep: a key of ``KEEP``.
    """
    no_exact_value(x, "tanh")
    xp = namespace(x, weights.input)
    count, n, hidden = start[0].shape
    # σ(z) = ½ tanh(½ z) + ½, gate by gate: (4, D, in, hidden), scaled once rather than at every step.
    factors = halves(x, hidden, xp)
    driving, pushing = (_by_gate(w, factors, xp) for w in (weights.input, weights.hidden))
    bias = (weights.bias * factors).transpose(1, 0, 2).reshape(4, count, 1, hidden)
    # Of full size, as arrays of one shape multiply fastest.
    half = xp.ones((4, count, n, hidden), dtype=x.dtype) * factors.reshape(4, 1, 1, hidden)
    rest = 1 - half

    def empty(*shape: int) -> Array:
        return xp.empty(shape, dtype=x.dtype)

    # One array: h, the two parts, and the pre-activations.
    last, gates_kept = keep == "last", KEEP[keep]
    planes_kept = 1 if gates_kept is None else 3 + len(range(4)[gates_kept])
    kept = buffers.empty((1 if last else steps + 1, planes_kept, count, n, hidden), x.dtype, xp)
    # c and i stand next to each other, and so do f and g: both parts of c_t are one product.
    planes, pushed, squashed = empty(5, count, n, hidden), empty(4, count, n, hidden), empty(count, n, hidden)
    c, gates, output, left, right = planes[0], planes[1:], planes[4], planes[0:2], planes[2:4]
    kept[0, 0] = start[0]
    c[...] = start[1]
    h, part = kept[0, 0], empty(2, count, n, hidden)
    add, multiply, tanh, matmul = xp.add, xp.multiply, xp.tanh, xp.matmul
    size = max(DRIVEN // max(pushed.size, 1), 1)
    for first in range(0, steps, size):
        many = min(size, steps - first)
        drive = matmul(x[None, :, first * n : (first + many) * n], driving)
        drive += bias
        for t in range(many):
            here = drive[:, :, t * n : (t + 1) * n]
            matmul(h[None], pushing, pushed)
            here += pushed
            tanh(here, gates)
            gates *= half
            gates += rest
            if gates_kept is not None:
                part = kept[first + t, 1:3]
            multiply(left, right, part)
            add(part[0], part[1], c)
            tanh(c, squashed)
            h = h if last else kept[first + t + 1, 0]
            multiply(output, squashed, h)
        if gates_kept is not None:
            z = drive[gates_kept].reshape(planes_kept - 3, count, many, n, hidden)
            kept[first : first + many, 3:] = z.transpose(2, 0, 1, 3, 4)
    return Tape(x, kept[:, 0], kept[:-1, 1:3], kept[:-1, 3:])


def _by_gate(weight: Array, factors: Array, xp: Namespace) -> Array:
    """Return (directions, 4, hidden, in) times (4, hidden) as matrices (4, directions, in, hidden)."""
    count, _, hidden, inner = weight.shape
    made = xp.empty((4, count, inner, hidden), dtype=weight.dtype)
    made[...] = (weight * factors[..., None]).transpose(1, 0, 3, 2)
    return made


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


def rows(x: Array, steps: slice, tape: Tape) -> Array:
    """Return the rows (D, steps·N, features) of some steps."""
    n = tape.h.shape[2]
    return x[:, steps.start * n : steps.stop * n]


def by_direction(array: Array) -> Array:
    """Return (steps, D, N, ...) as rows (D, steps·N, units)."""
    steps, count, n, *units = array.shape
    size = math.prod(units)
    return array.reshape(steps, count, n, size).transpose(1, 0, 2, 3).reshape(count, steps * n, size)
