"""LSTM: the cell's equations once, and two walks back over the time steps (derivative, relevance)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..arrays import Array, Namespace, namespace, require_dtype, sample_sum
from ..edits import ZERO
from ..errors import ParameterError, ShapeError
from ..rule import Known, Redistribution, Rule, share
from .base import Layer, same_shape
from .dense import Dense
from .elementwise import Sigmoid
from .merge import Add

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
RETURNS = ("sequence", "last", "all")
INPUT, FORGET, CELL, OUTPUT = range(4)


@dataclass(frozen=True)
class Step:
    """What one time step of one direction computed; arrays (N, hidden) unless said otherwise."""

    x: Array  # (N, features)
    h_before: Array
    c_before: Array
    gates: tuple[Array, Array, Array, Array]  # i, f, g, o
    c: Array
    active: Array  # (N, 1) bool: the sample still has this step


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


@dataclass(frozen=True, eq=False, repr=False)
class LSTM(Layer):
    """Long short-term memory over (N, time, features), one- or bidirectional, with variable lengths.

    Formula: (i, f, o) = σ(W x_t + U h_{t−1} + b), g = tanh(W_g x_t + U_g h_{t−1} + b_g),
    c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙tanh(c_t).

    Relevance: gates take none (LRP-all): R_{c_t} += R_{h_t}; the ε-rule splits c_t into i⊙g and f⊙c_{t−1}; the
    dense rule takes R_g to x_t and h_{t−1}. What arrives at the initial state, and relevance of sequence outputs
    after a sample's end, is in the ledger as dropped.

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

    Source: Arras et al. 2017, §2 and Arras et al. 2019, §11.3.

    Example:
        >>> import numpy as np
        >>> layer = LSTM(np.ones((1, 4, 1, 1)), np.ones((1, 4, 1, 1)), np.zeros((1, 4, 1)))
        >>> layer.forward(np.zeros((1, 2, 1))).shape
        (1, 2, 1)
    """

    operands: ClassVar[int | None] = None

    weight_input: Array
    weight_hidden: Array
    bias: Array
    direction: str = "forward"
    returns: str = "sequence"
    lengths: bool = False
    state: bool = False

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ParameterError(f"LSTM: direction must be one of {', '.join(DIRECTIONS)}, got {self.direction!r}")
        if self.returns not in RETURNS:
            raise ParameterError(f"LSTM: returns must be one of {', '.join(RETURNS)}, got {self.returns!r}")
        count = len(DIRECTIONS[self.direction])
        shape = self.weight_input.shape
        if len(shape) != 4 or shape[:2] != (count, 4):
            raise ShapeError(f"LSTM: weight_input must be ({count}, 4, hidden, features), got {shape}")
        hidden = shape[2]
        if self.weight_hidden.shape != (count, 4, hidden, hidden) or self.bias.shape != (count, 4, hidden):
            raise ShapeError(
                f"LSTM: weight_hidden {self.weight_hidden.shape} and bias {self.bias.shape} do not fit "
                f"({count}, 4, {hidden}, {hidden}) and ({count}, 4, {hidden})"
            )

    @property
    def hidden(self) -> int:
        """Number of units of one direction."""
        return int(self.weight_input.shape[2])

    # -- inputs -------------------------------------------------------------------------------------------------

    def _unpack(self, xs: tuple[Array, ...]) -> tuple[Array, Array | None, Array | None, Array | None]:
        expected = 1 + self.lengths + 2 * self.state
        if len(xs) != expected:
            raise ShapeError(
                f"LSTM: expects {expected} inputs (x, lengths if declared, h and c if declared), got {len(xs)}"
            )
        x = xs[0]
        if x.ndim != 3 or x.shape[2] != self.weight_input.shape[3]:
            raise ShapeError(f"LSTM: input of shape {x.shape} is not (N, time, {self.weight_input.shape[3]})")
        require_dtype(x, self.weight_input, "LSTM")
        lengths = xs[1] if self.lengths else None
        if lengths is not None and lengths.shape != (x.shape[0],):
            raise ShapeError(f"LSTM: lengths of shape {lengths.shape} for {x.shape[0]} samples")
        h, c = xs[-2:] if self.state else (None, None)
        return x, lengths, h, c

    def _order(self, x: Array, lengths: Array | None, reverse: bool, xp: Namespace) -> Array:
        """Return (N, T) positions in the order in which the direction reads them."""
        n, steps = x.shape[0], x.shape[1]
        order = xp.broadcast_to(xp.arange(steps), (n, steps))
        if not reverse:
            return order
        if lengths is None:
            return steps - 1 - order
        last = lengths.reshape(-1, 1)
        return xp.where(order < last, last - 1 - order, order)

    # -- forward ------------------------------------------------------------------------------------------------

    def _steps(self, xs: tuple[Array, ...], k: int, reverse: bool) -> tuple[list[Step], Array, Array, Array]:
        """Run direction k; return its steps in reading order, the order (N, T), and the last h and c."""
        x, lengths, h0, c0 = self._unpack(xs)
        xp = namespace(x, self.weight_input)
        n, steps, _ = x.shape
        order = self._order(x, lengths, reverse, xp)
        rows = xp.arange(n).reshape(-1, 1)
        read = x[rows, order]
        drive = xp.matmul(read, self._flat(self.weight_input, k).T) + self.bias[k].reshape(-1)
        zero = xp.zeros((n, self.hidden), dtype=x.dtype)
        h = zero if h0 is None else h0[:, k]
        c = zero if c0 is None else c0[:, k]
        recurrent, done = self._flat(self.weight_hidden, k).T, []
        for t in range(steps):
            z = drive[:, t] + xp.matmul(h, recurrent)
            i, f, g, o = (z[:, j * self.hidden : (j + 1) * self.hidden] for j in range(4))
            i, f, o = _sigmoid(i), _sigmoid(f), _sigmoid(o)
            g = _tanh(g)
            c_next = f * c + i * g
            active = xp.ones((n, 1), dtype=bool) if lengths is None else (t < lengths).reshape(-1, 1)
            done.append(Step(read[:, t], h, c, (i, f, g, o), c_next, active))
            h_next = o * _tanh(c_next)
            h, c = (h_next, c_next) if lengths is None else (xp.where(active, h_next, h), xp.where(active, c_next, c))
        return done, order, h, c

    def _flat(self, weight: Array, k: int) -> Array:
        return weight[k].reshape(4 * self.hidden, -1)

    def forward(self, *xs: Array) -> Any:
        """Return the outputs that ``returns`` names."""
        xp = namespace(xs[0], self.weight_input)
        sequences, hs, cs = [], [], []
        for k, reverse in enumerate(DIRECTIONS[self.direction]):
            steps, order, h, c = self._steps(xs, k, reverse)
            hs.append(h)
            cs.append(c)
            if self.returns != "last":
                sequences.append(self._sequence(steps, order, xs[0], xp))
        if self.returns == "last":
            return xp.concatenate(hs, axis=1)
        sequence = xp.concatenate(sequences, axis=2)
        return sequence if self.returns == "sequence" else (sequence, xp.stack(hs, axis=1), xp.stack(cs, axis=1))

    def _sequence(self, steps: Sequence[Step], order: Array, x: Array, xp: Namespace) -> Array:
        """Return the outputs (N, T, hidden) in the order of time."""
        out = xp.zeros((x.shape[0], x.shape[1], self.hidden), dtype=x.dtype)
        rows = xp.arange(x.shape[0])
        for t, step in enumerate(steps):
            h = step.gates[OUTPUT] * _tanh(step.c)
            out[rows, order[:, t]] = xp.where(step.active, h, scalar(0, h))
        return out

    # -- backward -----------------------------------------------------------------------------------------------

    def _incoming(self, g: Any, k: int, x: Array, xp: Namespace) -> tuple[Array | None, Array, Array]:
        """Split what arrives at the outputs into direction k's sequence part and last h and c parts."""
        part = slice(k * self.hidden, (k + 1) * self.hidden)
        zero = xp.zeros((x.shape[0], self.hidden), dtype=x.dtype)
        if self.returns == "last":
            return None, g[:, part], zero
        if self.returns == "sequence":
            return g[:, :, part], zero, zero
        return g[0][:, :, part], g[1][:, k], g[2][:, k]

    def _walk_back(self, xs: tuple[Array, ...], g: Any, step_back: Any) -> tuple[Array, ...]:
        """Walk every direction back in time with ``step_back(k, step, dh, dc) -> (dx, dh, dc)``.

        Returns:
            What arrives at each operand (lengths receive zeros), then at the initial h and c, (N, directions, hidden).
        """
        x = xs[0]
        xp = namespace(x, self.weight_input)
        dx = xp.zeros(x.shape, dtype=x.dtype)
        rows, first_h, first_c = xp.arange(x.shape[0]), [], []
        for k, reverse in enumerate(DIRECTIONS[self.direction]):
            steps, order, _, _ = self._steps(xs, k, reverse)
            sequence, dh, dc = self._incoming(g, k, x, xp)
            for t in reversed(range(len(steps))):
                step, at = steps[t], order[:, t]
                here = dh if sequence is None else dh + sequence[rows, at]
                zero = scalar(0, here)
                new_x, new_h, new_c = step_back(
                    k, step, xp.where(step.active, here, zero), xp.where(step.active, dc, zero)
                )
                dx[rows, at] += new_x
                dh, dc = xp.where(step.active, new_h, dh), xp.where(step.active, new_c, dc)
            first_h.append(dh)
            first_c.append(dc)
        middle = (xp.zeros(xs[1].shape, dtype=x.dtype),) if self.lengths else ()
        return (dx, *middle, xp.stack(first_h, axis=1), xp.stack(first_c, axis=1))

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the derivative: back-propagation through time."""
        xp = namespace(xs[0], self.weight_input)

        def step_back(k: int, step: Step, dh: Array, dc: Array) -> tuple[Array, Array, Array]:
            i, f, c_in, o = step.gates
            squashed = _tanh(step.c)
            dc = dc + dh * o * (1 - squashed * squashed)
            dz = xp.concatenate(
                (
                    dc * c_in * i * (1 - i),
                    dc * step.c_before * f * (1 - f),
                    dc * i * (1 - c_in * c_in),
                    dh * squashed * o * (1 - o),
                ),
                axis=1,
            )
            wx, wh = self._flat(self.weight_input, k), self._flat(self.weight_hidden, k)
            return xp.matmul(dz, wx), xp.matmul(dz, wh), dc * f

        pulled = self._walk_back(xs, g, step_back)
        return pulled if self.state else pulled[:-2]

    def _redistribute(self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: Any, z: Any) -> Redistribution:
        dense_rule, state_rule = self._rules(rule)
        z = self.forward(*xs) if z is None else z
        for relevance, output in zip(relevances, z if isinstance(z, tuple) else (z,), strict=True):
            same_shape(self, relevance, output)
        xp = namespace(*relevances)
        columns = [xp.zeros(xs[0].shape[0], dtype=relevances[0].dtype)] * 3
        dense = [self._cell_input(k, xp) for k in range(len(DIRECTIONS[self.direction]))]
        features = xs[0].shape[2]

        def step_back(k: int, step: Step, r_h: Array, r_c: Array) -> tuple[Array, Array, Array]:
            i, f, g, _ = step.gates
            parts = (i * g, f * step.c_before)
            cell = share(_CellSum(), parts, r_h + r_c, state_rule, known=Known(z=step.c))
            joint = xp.concatenate((step.x, step.h_before), axis=1)
            below = share(dense[k], (joint,), cell.relevances[0], dense_rule)
            for account in (cell, below):
                columns[0] = columns[0] + account.bias
                columns[1] = columns[1] + account.stabiliser
                columns[2] = columns[2] + account.dropped
            (received,) = below.relevances
            return received[:, :features], received[:, features:], cell.relevances[1]

        received = self._walk_back(xs, relevances if self.returns == "all" else relevances[0], step_back)
        if self.lengths and self.returns != "last":
            columns[2] = columns[2] + self._after_the_end(xs, relevances[0], xp)
        if not self.state:
            columns[2] = columns[2] + sample_sum(received[-2]) + sample_sum(received[-1])
            received = received[:-2]
        return Redistribution(received, *columns)

    def _after_the_end(self, xs: tuple[Array, ...], sequence: Array, xp: Namespace) -> Array:
        """Relevance (N,) of sequence outputs after each sample's end: they are constants."""
        ended = xp.arange(sequence.shape[1]) >= xs[1].reshape(-1, 1)
        return sample_sum(xp.where(ended.reshape(*ended.shape, 1), sequence, scalar(0, sequence)))

    def _cell_input(self, k: int, xp: Namespace) -> Dense:
        """The dense layer from (x_t, h_{t−1}) to the pre-activation of g."""
        weight = xp.concatenate((self.weight_input[k, CELL].T, self.weight_hidden[k, CELL].T), axis=0)
        return Dense(weight, self.bias[k, CELL])

    def _rules(self, rule: Any) -> tuple[Rule, Rule]:
        """Return the rules of the cell-input layer and of the cell's sum."""
        if isinstance(rule, Rule):
            groups = rule.groups
            if len(groups) == 1 and len(groups[0].runs) == 1 and groups[0].runs[0].bias != ZERO:
                return rule, rule
            raise ParameterError(
                f"LSTM: {rule!r} holds for its dense layer only; say what the cell's sum gets: "
                "lrp.rules.Recurrent(dense=..., state=lrp.rules.Epsilon(1e-3))"
            )
        dense, state = getattr(rule, "dense", None), getattr(rule, "state", None)
        if dense is None or state is None:
            raise self._refuse(rule)
        return dense, state


def _tanh(x: Array) -> Array:
    no_exact_value(x, "tanh")
    return namespace(x).tanh(x)


_sigmoid = Sigmoid().forward
