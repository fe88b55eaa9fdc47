"""LSTM: its inputs and outputs, and the order in which each direction reads; the loops are in ``steps``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar

from ...arithmetic import scalar
from ...base.arrays import Array, Namespace, namespace, require_dtype, require_indices, sample_sum
from ...errors import ParameterError, ShapeError
from ...fast import buffers
from ...rules.edits import ZERO
from ...rules.rule import AnyRule, Redistribution, Rule, WithBias
from ...rules.share import Given
from ..base import Layer, same_shape
from ..promises import Promises
from .back import DerivativeBack, relevance_back
from .steps import Arriving, Tape, Weights, steps_back, steps_forward

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
RETURNS = ("sequence", "last", "all")


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
    promises: ClassVar[Promises] = Promises(leaves_tape=True)
    recurrent: ClassVar[bool] = True

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

    def _unpack(self, xs: tuple[Array, ...]) -> tuple[Array, Array | None, tuple[Array, ...]]:
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
        if lengths is not None:
            require_indices(lengths, x.shape[1] + 1, "LSTM: lengths")
        states = xs[-2:] if self.state else ()
        for state in states:
            require_dtype(state, self.weight_hidden, "LSTM")
            if state.shape != (x.shape[0], self.weight_input.shape[0], self.hidden):
                raise ShapeError(
                    f"LSTM: initial state of shape {state.shape} is not (N, directions, hidden) = "
                    f"{(x.shape[0], self.weight_input.shape[0], self.hidden)}"
                )
        return x, lengths, states

    def _steps_forward(self, xs: tuple[Array, ...], keep: str) -> Tape:
        """Run all directions over the inputs."""
        x, lengths, states = self._unpack(xs)
        xp = namespace(*xs, self.weight_input)
        (n, steps, _), directions = x.shape, DIRECTIONS[self.direction]
        along = x.transpose(1, 0, 2)
        if lengths is not None:  # what lies after the end is not read
            along = xp.where(self._active(lengths, steps, xp), along, scalar(0, x))
        read = [self._turn(along, reverse, lengths, xp) for reverse in directions]
        states = states or (xp.zeros((n, len(directions), self.hidden), dtype=x.dtype),) * 2
        h, c = (state.transpose(1, 2, 0) for state in states)
        return steps_forward(self._weights(), read, (h, c), keep)

    def _weights(self) -> Weights:
        return Weights(self.weight_input, self.weight_hidden, self.bias)

    def _active(self, lengths: Array, steps: int, xp: Namespace) -> Array:
        """Return (T, N, 1) bool: the sample has this step."""
        return (xp.arange(steps)[:, None] < lengths)[..., None]

    def _turn(self, along: Array, reverse: bool, lengths: Array | None, xp: Namespace) -> Array:
        """Bring (T, N, ...) from the order of time into that of reading, or back: turning twice changes nothing."""
        if not reverse:
            return along
        if lengths is None:
            return along[::-1]
        # Positions less than 0 count from the end: they turn the steps after a sample's end among themselves.
        return along[lengths - 1 - xp.arange(along.shape[0])[:, None], xp.arange(along.shape[1])]

    # -- forward ------------------------------------------------------------------------------------------------

    def forward(self, *xs: Array) -> Any:
        """Return the outputs that ``returns`` names."""
        keep = {"last": "states" if self.lengths else "last", "sequence": "states", "all": "cell"}[self.returns]
        return self._outputs(self._steps_forward(xs, keep), xs)

    def forward_taped(self, *xs: Array) -> tuple[Any, Tape]:
        """Return the outputs and the tape of the steps, which the way back uses up."""
        tape = self._steps_forward(xs, "cell")
        return self._outputs(tape, xs), tape

    def _outputs(self, tape: Tape, xs: tuple[Array, ...]) -> Any:
        xp, (n, steps, _), count = namespace(tape.read), xs[0].shape, len(DIRECTIONS[self.direction])
        lengths = xs[1] if self.lengths else None
        if self.returns == "last":
            return self._last(tape.h, lengths, xp).reshape(n, count * self.hidden)
        sequence = xp.empty((n, steps, count * self.hidden), dtype=tape.h.dtype)
        for k, reverse in enumerate(DIRECTIONS[self.direction]):
            turned = self._turn(tape.h[1:, k].transpose(0, 2, 1), reverse, lengths, xp)
            sequence[:, :, k * self.hidden : (k + 1) * self.hidden] = turned.transpose(1, 0, 2)
        if lengths is not None:
            active = self._active(lengths, steps, xp).transpose(1, 0, 2)
            sequence = xp.where(active, sequence, scalar(0, sequence))
        if self.returns == "sequence":
            return sequence
        cells = xp.empty(tape.h.shape, dtype=tape.h.dtype)
        cells[0] = xs[-1].transpose(1, 2, 0) if self.state else 0.0
        cells[1:] = tape.parts[:, 0] + tape.parts[:, 1]
        return sequence, self._last(tape.h, lengths, xp), self._last(cells, lengths, xp)

    def _last(self, states: Array, lengths: Array | None, xp: Namespace) -> Array:
        """Return (N, D, hidden), the states (T + 1, D, hidden, N) after each sample's last step."""
        if lengths is None:
            return states[-1].transpose(2, 0, 1)
        return states.transpose(0, 3, 1, 2)[lengths, xp.arange(states.shape[3])]

    # -- backward -----------------------------------------------------------------------------------------------

    def _steps_back(self, xs: tuple[Array, ...], g: Any, tape: Tape, back: Any) -> tuple[Array, ...]:
        """Go back from what arrives at the outputs, ``g``.

        Returns:
            What arrives at each operand (lengths receive zeros), then at the initial h and c, (N, directions, hidden).
        """
        x, xp = xs[0], namespace(xs[0], self.weight_input)
        n, steps, _ = x.shape
        lengths = xs[1] if self.lengths else None
        arriving, beyond = self._arriving(g, lengths, n, steps, xp)
        first = steps_back(tape, arriving, back)
        if beyond is not None:  # a sample without a step hands everything to its initial states
            first = (first[0] + beyond[0], first[1] + beyond[1])
        ways = [tape.x[:, k].transpose(0, 2, 1) for k in range(len(DIRECTIONS[self.direction]))]
        whole, *others = map(self._turn, ways, DIRECTIONS[self.direction], repeat(lengths), repeat(xp))
        for way in others:  # in the tape's own memory
            whole += way
        received = buffers.empty(x.shape, x.dtype, xp)
        received[...] = whole.transpose(1, 0, 2)
        middle = (xp.zeros(lengths.shape, dtype=x.dtype),) if lengths is not None else ()
        return (received, *middle, *(a.transpose(2, 0, 1) for a in first))

    def _arriving(
        self, g: Any, lengths: Array | None, n: int, steps: int, xp: Namespace
    ) -> tuple[Arriving, tuple[Array, Array] | None]:
        """Sort what arrives at the outputs by steps; the second part is for samples without any step."""
        count, hidden = len(DIRECTIONS[self.direction]), self.hidden
        sequence = None if self.returns == "last" else g[0] if self.returns == "all" else g
        given = g if sequence is None else sequence
        zero = xp.zeros((count, hidden, n), dtype=given.dtype)
        last_h, last_c, steps_h = zero, zero, None
        if self.returns == "last":
            last_h = g.reshape(n, count, hidden).transpose(1, 2, 0)
        elif self.returns == "all":
            last_h, last_c = (a.transpose(1, 2, 0) for a in g[1:])
        if sequence is not None:
            steps_h = xp.empty((steps, count, hidden, n), dtype=given.dtype)
            for k, reverse in enumerate(DIRECTIONS[self.direction]):
                part = sequence[:, :, k * hidden : (k + 1) * hidden].transpose(1, 0, 2)
                steps_h[:, k] = self._turn(part, reverse, lengths, xp).transpose(0, 2, 1)
        if lengths is None:
            return Arriving(steps_h, None, last_h, last_c), None
        nothing = scalar(0, given)
        here = (xp.arange(1, steps + 1)[:, None] == lengths)[:, None, None]
        ends_h, ends_c = (xp.where(here, a, nothing) for a in (last_h, last_c))
        if steps_h is not None:
            active = self._active(lengths, steps, xp)[:, None, None, :, 0]
            ends_h = ends_h + xp.where(active, steps_h, nothing)
        never = lengths == 0
        beyond = (xp.where(never, last_h, nothing), xp.where(never, last_c, nothing))
        return Arriving(ends_h, ends_c if self.returns == "all" else None, zero, zero), beyond

    def _blank(self, xs: tuple[Array, ...]) -> Any:
        x, xp, count = self._unpack(xs)[0], namespace(*xs), len(DIRECTIONS[self.direction])
        sequence = xp.empty((0, x.shape[1], count * self.hidden), dtype=x.dtype)
        state = xp.empty((0, count, self.hidden), dtype=x.dtype)
        last = state.reshape(0, count * self.hidden)
        return {"sequence": sequence, "last": last, "all": (sequence, state, state)}[self.returns]

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the derivative: back-propagation through time."""
        tape = self._steps_forward(xs, "gates")
        pulled = self._steps_back(xs, g, tape, DerivativeBack(self._weights(), tape))
        return pulled if self.state else pulled[:-2]

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        return self._redistribute_taped(xs, relevances, rule, Given(z=z, tape=self._steps_forward(xs, "cell")))

    def _redistribute_taped(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, given: Given
    ) -> Redistribution:
        dense, state = self._rules(rule)
        tape: Tape = given.tape
        z = self._outputs(tape, xs) if given.z is None else given.z
        outputs = z if isinstance(z, tuple) else (z,)
        self._expect(relevances, len(outputs))
        for relevance, output in zip(relevances, outputs, strict=True):
            same_shape(self, relevance, output)
        back = relevance_back(self._weights(), tape, dense, state)
        received = self._steps_back(xs, relevances if self.returns == "all" else relevances[0], tape, back)
        dropped = back.dropped
        if self.lengths and self.returns != "last":
            dropped = dropped + self._after_the_end(xs, relevances[0], namespace(*relevances))
        if not self.state:
            dropped = dropped + sample_sum(received[-2]) + sample_sum(received[-1])
            received = received[:-2]
        return Redistribution(received, back.bias, back.stabiliser, dropped)

    def _after_the_end(self, xs: tuple[Array, ...], sequence: Array, xp: Namespace) -> Array:
        """Relevance (N,) of sequence outputs after each sample's end: they are constants."""
        ended = xp.arange(sequence.shape[1]) >= xs[1][:, None]
        return sample_sum(xp.where(ended[..., None], sequence, scalar(0, sequence)))

    def _rules(self, rule: AnyRule | None) -> tuple[Rule, Rule]:
        """Return the rules of the cell-input layer and of the cell's sum, which has no bias for a policy to change."""
        if isinstance(rule, WithBias):
            return rule, self._rules(rule.rule)[1]
        if isinstance(rule, Rule):
            biases = [run.bias for group in rule.groups for run in group.runs]
            if len(biases) == 1 and ZERO not in biases:
                return rule, rule
            raise ParameterError(
                f"LSTM: {rule!r} holds for its dense layer only; say what the cell's sum gets: "
                "lrp.rules.Recurrent(dense=..., state=lrp.rules.Epsilon(1e-3))"
            )
        dense, state = getattr(rule, "dense", None), getattr(rule, "state", None)
        if dense is None or state is None:
            raise self._refuse(rule)
        return dense, state
