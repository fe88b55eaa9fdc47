"""The plain loop of cells that are not tuned: whole-batch products and a few functions, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...base.arrays import Array, namespace
from .layer import RecurrentLayer

Step = Callable[[Array, Sequence[Array]], tuple[Array, tuple[Array, ...]]]


@dataclass(frozen=True, eq=False)
class StepTape:
    """What the plain loop leaves for the way back, in reading order.

    Attributes:
        x: what was read, (T, D, features, N).
        states: each state before every step and after the last, (T + 1, D, hidden, N); h is the first.
        z: what the functions of the cell are applied to, (T, gates, D, hidden, N).
    """

    x: Array
    states: tuple[Array, ...]
    z: Array

    @property
    def h(self) -> Array:
        """(T + 1, D, hidden, N)."""
        return self.states[0]


class Stepwise(RecurrentLayer):
    """Base of cells with a plain loop: a cell adds a step forward, and a step of the derivative."""

    def _step(self, x: Array, states: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
        """Return z (gates, D, hidden, N) and the next states from x_t (D, features, N) and the states before it."""
        raise NotImplementedError

    def _steps(self, x: Array, tape: Array | None) -> tuple[Iterator[Array], Step]:
        """Return what a step reads, of every step of x (T, D, features, N), and the function of a step.

        What it reads may be the step's place in the tape of z; it is there then when the function returns it.
        """
        return (x[t] for t in range(x.shape[0])), self._step

    def _pull_step(self, z: Array, states: Sequence[Array], h: Array, c: Array) -> tuple[Array, Array, Array]:
        """Return what arrives at z, h_{t−1} and c_{t−1} from what arrives at h_t and c_t.

        ``states`` are those before the step; the c of a cell that has none is handed on as it is.
        """
        raise NotImplementedError

    def _of_gate(self, gate: int) -> tuple[Array, Array, Array]:
        """Return W (D, hidden, features), U (D, hidden, hidden) and b (D, hidden) of one gate."""
        return self.weight_input[:, gate], self.weight_hidden[:, gate], self.bias[:, gate]

    def _by_gate(self) -> tuple[Array, Array, Array]:
        """Return W (gates, D, hidden, features), U (gates, D, hidden, hidden) and b (gates, D, hidden, 1)."""
        w, u = (a.transpose(1, 0, 2, 3) for a in (self.weight_input, self.weight_hidden))
        return w, u, self.bias.transpose(1, 0, 2)[..., None]

    def _loop(self, read: list[Array], start: tuple[Array, ...], keep: str) -> StepTape:
        xp, dtype = namespace(*read, self.weight_input), read[0].dtype
        x, steps, shape = xp.stack(read, axis=1).transpose(0, 1, 3, 2), read[0].shape[0], start[0].shape
        taped, places = keep in ("cell", "gates"), 1 if keep == "last" else steps + 1
        z = xp.empty((steps if taped else 0, self.gates, *shape), dtype=dtype)
        every = tuple(xp.empty((places, *shape), dtype=dtype) for _ in start)
        states, (inputs, step) = start, self._steps(x, z if taped else None)
        for t in range(steps + 1):
            for place, state in zip(every, states, strict=True):
                place[t % places] = state
            if t < steps:
                read_now = next(inputs)
                now, states = step(read_now, states)
                if taped and now is not read_now:
                    z[t] = now
        return StepTape(x, every, z)

    def _more_states(self, tape: StepTape, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        return tape.states[1:]

    def _derivative(self, tape: StepTape) -> DerivativeSteps:
        return DerivativeSteps(self, tape)


class DerivativeSteps:
    """Back-propagation through time: what arrives at x_t takes its place in the tape."""

    def __init__(self, layer: Stepwise, tape: StepTape) -> None:
        self.layer, self.tape = layer, tape
        self.weights = layer._by_gate()[0]

    def enter(self, steps: slice) -> None:
        self.start = steps.start

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        at = self.start + t
        dz, h, c = self.layer._pull_step(self.tape.z[at], [s[at] for s in self.tape.states], h, c)
        self.tape.x[at] = transposed(self.weights, dz)
        return h, c

    def leave(self, steps: slice) -> None:
        pass


def product(weights: Array, vector: Array) -> Array:
    """Return the products (..., D, out, N) of weights (..., D, out, in) with (D, in, N)."""
    return namespace(weights, vector).matmul(weights, vector)


def transposed(weights: Array, arrived: Array) -> Array:
    """Return Σ over gates of the transposed products, (D, in, N), for what arrived at (gates, D, out, N)."""
    return namespace(weights, arrived).matmul(weights.transpose(0, 1, 3, 2), arrived).sum(axis=0)
