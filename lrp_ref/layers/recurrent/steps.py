"""The loops of an LSTM over its time steps, one forward and one back; what a step back does is in ``back``.

Arrays hold all directions D at once, step by step in the order in which each direction reads: (T, D, units, N), so
that the numbers of one step lie together, and in it those of one gate. What a step reads stands in one column,
(x_t, 1, h_{t−1}): a step forward is one product with the weights (W, b, U), a step back one with their transpose, and
what arrives at the 1 is the bias' part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...arithmetic import no_exact_value, scalar
from ...base.arrays import Array, namespace
from ...fast import buffers

CELL, FORGET, INPUT, OUTPUT = 2, 1, 0, 3  # gates of the parameters: i, f, g, o
GATES = (CELL, FORGET, INPUT, OUTPUT)  # in the order of the loops
FEW = 16  # samples, for which one small product per gate is as fast as one for all gates, and other passes are faster
BLOCK = 2**16  # numbers of each array of a block of steps
KEEP = {"last": 0, "states": 0, "cell": 1, "gates": 4}  # how many gates' z the forward loop keeps


@dataclass(frozen=True, eq=False)
class Weights:
    """Parameters (directions, 4, hidden, features | hidden) and (directions, 4, hidden), gates i, f, g, o."""

    input: Array
    hidden: Array
    bias: Array

    def of(self, gate: int) -> tuple[Array, Array, Array]:
        """Return W, U and b of one gate: (directions, hidden, features | hidden) and (directions, hidden)."""
        return self.input[:, gate], self.hidden[:, gate], self.bias[:, gate]

    def rows(self, gates: Sequence[int]) -> Array:
        """Return (W, b, U) of some gates: (directions, gates, hidden, features + 1 + hidden)."""
        count, _, hidden, features = self.input.shape
        shape = (count, len(gates), hidden, features + 1 + hidden)
        rows = namespace(self.input).empty(shape, dtype=self.input.dtype)
        for to, gate in enumerate(gates):
            rows[:, to, :, :features] = self.input[:, gate]
            rows[:, to, :, features] = self.bias[:, gate]
            rows[:, to, :, features + 1 :] = self.hidden[:, gate]
        return rows


@dataclass(frozen=True, eq=False)
class Tape:
    """What the forward loop leaves for the way back, in reading order.

    Attributes:
        read: (T + 1, D, features + 1 + hidden, N), x_t, 1 and h_{t−1} of every step; after the last only h. Of fewer
            steps, the last ones, if no more was kept.
        parts: (T, 2, D, hidden, N), f⊙c_{t−1} and i⊙g, whose sum is c_t.
        z: pre-activations (T, gates, D, hidden, N) of g, or of g, f, i and o, those of f, i and o halved.
        start: c before the first step, (D, hidden, N).
        features: number of them.
    """

    read: Array
    parts: Array
    z: Array
    start: Array
    features: int

    @property
    def x(self) -> Array:
        """(T, D, features, N)."""
        return self.read[:-1, :, : self.features]

    @property
    def h(self) -> Array:
        """(T + 1, D, hidden, N), the states before each step, and the last."""
        return self.read[:, :, self.features + 1 :]

    @property
    def cells(self) -> Array:
        """(T + 1, D, hidden, N), c before each step, and the last."""
        cells = namespace(self.read).empty(self.h.shape, dtype=self.read.dtype)
        cells[0] = self.start
        cells[1:] = self.parts[:, 0] + self.parts[:, 1]
        return cells


def steps_forward(weights: Weights, xs: Sequence[Array], start: tuple[Array, Array], keep: str) -> Tape:
    """Run through the time steps: c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙tanh(c_t).

    Args:
        weights: parameters of all directions.
        xs: what each direction reads, (T, N, features), in its order.
        start: h and c before the first step, (D, hidden, N).
        keep: a key of ``KEEP``: the last h, every h, and with that the parts of c_t and z of g or of all gates.
    """
    no_exact_value(xs[0], "tanh")
    xp, dtype = namespace(*xs, weights.input), xs[0].dtype
    (count, hidden, n), (steps, _, features) = start[0].shape, xs[0].shape
    # σ(z) = ½ tanh(½ z) + ½: the weights of f, i and o are halved once rather than z at every step.
    matrix = weights.rows(GATES)
    matrix[:, 1:] *= 0.5
    gates, fit = KEEP[keep], BLOCK // max(count * n * (features + 1 + hidden), 1)
    size = max(1, min(steps, fit) if keep == "last" else steps)
    read = buffers.empty((size + 1, count, features + 1 + hidden, n), dtype, xp)
    parts = buffers.empty((steps if gates else 0, 2, count, hidden, n), dtype, xp)
    kept = buffers.empty((steps if gates else 0, gates, count, hidden, n), dtype, xp)
    states = read[:, :, features + 1 :]
    read[:, :, features] = 1.0
    states[0] = start[0]
    # c and g stand next to each other, and so do f and i: both parts of c_t are one product.
    planes, squashed = xp.empty((5, count, hidden, n), dtype=dtype), xp.empty((count, hidden, n), dtype=dtype)
    c, activated, sigmoids, output, left, right = planes[0], planes[1:], planes[2:], planes[4], planes[:2], planes[2:4]
    c[...] = start[1]
    part, half = xp.empty((2, count, hidden, n), dtype=dtype), 0.5 * xp.ones(sigmoids.shape, dtype=dtype)
    if n > FEW:  # one product for all gates of a direction, which leaves them next to each other
        matrix = matrix.reshape(count, 4 * hidden, features + 1 + hidden)
        product = xp.empty((count, 4 * hidden, n), dtype=dtype)
        z = product.reshape(count, 4, hidden, n).transpose(1, 0, 2, 3)
    else:
        matrix = matrix.transpose(1, 0, 2, 3)
        z = product = xp.empty((4, count, hidden, n), dtype=dtype)
    add, multiply, tanh, matmul = xp.add, xp.multiply, xp.tanh, xp.matmul
    many = 0
    for first in range(0, steps, size):
        if first:
            states[0] = states[many]
        many = min(size, steps - first)
        for k, x in enumerate(xs):
            read[:many, k, :features] = x[first : first + many].transpose(0, 2, 1)
        for t in range(many):
            matmul(matrix, read[t], product)
            if gates:
                kept[t] = z[:gates]
                part = parts[t]
            tanh(z, activated)
            multiply(sigmoids, half, sigmoids)  # arrays of one shape are faster than a number
            add(sigmoids, half, sigmoids)
            multiply(left, right, part)
            add(part[0], part[1], c)
            tanh(c, squashed)
            multiply(output, squashed, states[t + 1])
    return Tape(read[: many + 1], parts, kept, start[1], features)


# -- back ---------------------------------------------------------------------------------------------------------


class Recorded(Protocol):
    """What every loop leaves for the way back, in reading order; what arrives at x takes its place there."""

    @property
    def x(self) -> Array:
        """What was read, (T, D, features, N)."""

    @property
    def h(self) -> Array:
        """The states h before each step, and the last, (T + 1, D, hidden, N)."""


class StepsBack(Protocol):
    """What :func:`steps_back` needs: steps of a block, which it enters at its end and leaves at its beginning."""

    def enter(self, steps: slice) -> None:
        """Prepare the block of these steps."""

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        """Return what arrives at h_{t−1} and c_{t−1} from what arrives at h_t and c_t, (D, hidden, N) each.

        ``t`` counts from the block's beginning.
        """

    def leave(self, steps: slice) -> None:
        """Finish the block."""


@dataclass(frozen=True, eq=False)
class Arriving:
    """What arrives from outside at the states.

    Attributes:
        steps_h, steps_c: at h_t and c_t of each step (T, D, hidden, N), or None for nothing.
        last_h, last_c: at the states after the last step, (D, hidden, N).
    """

    steps_h: Array | None
    steps_c: Array | None
    last_h: Array
    last_c: Array


def steps_back(tape: Recorded, arriving: Arriving, back: StepsBack) -> tuple[Array, Array]:
    """Go back through the steps; return what arrives at the h and c before the first, (D, hidden, N) each."""
    h, c = arriving.last_h, arriving.last_c
    if not h.size:  # no unit, and so nobody to whom anything could arrive
        tape.x[...] = scalar(0, tape.h)
        return h, c
    size = max(BLOCK // h.size, 1)
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
