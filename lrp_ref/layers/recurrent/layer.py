"""What recurrent layers have in common: inputs and outputs, lengths, states, and the order in which directions read.

A cell adds its loop over the steps, forward and back; its arrays hold all directions D at once, step by step in the
order in which each direction reads: (T, D, units, N).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, ClassVar, Protocol

from ...arithmetic import scalar
from ...base.arrays import Array, Namespace, namespace, require_dtype, require_indices, sample_sum
from ...errors import ParameterError, ShapeError, UnsupportedError
from ...fast import buffers
from ...rules.cells import Product, Recurrent
from ...rules.edits import ZERO
from ...rules.rule import AnyRule, Redistribution, Rule, WithBias
from ...rules.share import Given
from ..base import Layer, same_shape
from ..promises import Promises
from .steps import Arriving, Recorded, StepsBack, steps_back

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
RETURNS = ("sequence", "last", "all")


class Accounted(StepsBack, Protocol):
    """Steps back that redistribute relevance, with the columns of the ledger (N,)."""

    bias: Array
    stabiliser: Array
    dropped: Array


@dataclass(frozen=True, eq=False, repr=False)
class RecurrentLayer(Layer):
    """Base of the layers over (N, time, features) that hand states from step to step.

    Class attributes:
        gates: number of blocks of weights, one after the other.
        states: names of the states that a step hands on; the first is what the layer returns of every step.
    """

    operands: ClassVar[int | None] = None
    promises: ClassVar[Promises] = Promises(leaves_tape=True)
    recurrent: ClassVar[bool] = True
    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)

    weight_input: Array
    weight_hidden: Array
    bias: Array
    direction: str = "forward"
    returns: str = "sequence"
    lengths: bool = False
    state: bool = False

    def __post_init__(self) -> None:
        name, gates = type(self).__name__, self.gates
        if self.direction not in DIRECTIONS:
            raise ParameterError(f"{name}: direction must be one of {', '.join(DIRECTIONS)}, got {self.direction!r}")
        if self.returns not in RETURNS:
            raise ParameterError(f"{name}: returns must be one of {', '.join(RETURNS)}, got {self.returns!r}")
        count = len(DIRECTIONS[self.direction])
        shape = self.weight_input.shape
        if len(shape) != 4 or shape[:2] != (count, gates):
            raise ShapeError(f"{name}: weight_input must be ({count}, {gates}, hidden, features), got {shape}")
        hidden = shape[2]
        if self.weight_hidden.shape != (count, gates, hidden, hidden) or self.bias.shape != (count, gates, hidden):
            raise ShapeError(
                f"{name}: weight_hidden {self.weight_hidden.shape} and bias {self.bias.shape} do not fit "
                f"({count}, {gates}, {hidden}, {hidden}) and ({count}, {gates}, {hidden})"
            )

    @property
    def hidden(self) -> int:
        """Number of units of one direction."""
        return int(self.weight_input.shape[2])

    # -- what a cell adds ---------------------------------------------------------------------------------------

    def _loop(self, read: list[Array], start: tuple[Array, ...], keep: str) -> Any:
        """Return the tape of the steps, see ``Recorded``.

        Args:
            read: what each direction reads, (T, N, features), in its order.
            start: the states before the first step, (D, hidden, N) each.
            keep: what it is for: "last" (the last h), "states" (every h), "cell" (relevance), "gates" (derivative).
        """
        raise NotImplementedError

    def _more_states(self, tape: Any, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the states behind h before each step and after the last, (T + 1, D, hidden, N) each."""
        return ()

    def _derivative(self, tape: Any) -> StepsBack:
        """Return the steps back of the derivative."""
        raise NotImplementedError

    def _relevance(self, tape: Any, rule: Recurrent) -> Accounted:
        """Return the steps back of relevance, under the rules of dense layers, of the cell's sum and of products."""
        raise NotImplementedError

    # -- inputs -------------------------------------------------------------------------------------------------

    def _unpack(self, xs: tuple[Array, ...]) -> tuple[Array, Array | None, tuple[Array, ...]]:
        name, known = type(self).__name__, len(self.states)
        expected = 1 + self.lengths + known * self.state
        if len(xs) != expected:
            raise ShapeError(
                f"{name}: expects {expected} inputs (x, lengths if declared, {' and '.join(self.states)} if declared), "
                f"got {len(xs)}"
            )
        x = xs[0]
        if x.ndim != 3 or x.shape[2] != self.weight_input.shape[3]:
            raise ShapeError(f"{name}: input of shape {x.shape} is not (N, time, {self.weight_input.shape[3]})")
        require_dtype(x, self.weight_input, name)
        lengths = xs[1] if self.lengths else None
        if lengths is not None and lengths.shape != (x.shape[0],):
            raise ShapeError(f"{name}: lengths of shape {lengths.shape} for {x.shape[0]} samples")
        if lengths is not None:
            require_indices(lengths, x.shape[1] + 1, f"{name}: lengths")
        states = xs[-known:] if self.state else ()
        for state in states:
            require_dtype(state, self.weight_hidden, name)
            if state.shape != (x.shape[0], self.weight_input.shape[0], self.hidden):
                raise ShapeError(
                    f"{name}: initial state of shape {state.shape} is not (N, directions, hidden) = "
                    f"{(x.shape[0], self.weight_input.shape[0], self.hidden)}"
                )
        return x, lengths, states

    def _steps_forward(self, xs: tuple[Array, ...], keep: str) -> Any:
        """Run all directions over the inputs, and return the tape."""
        x, lengths, states = self._unpack(xs)
        xp = namespace(*xs, self.weight_input)
        (n, steps, _), directions = x.shape, DIRECTIONS[self.direction]
        along = x.transpose(1, 0, 2)
        if lengths is not None:  # what lies after the end is not read
            along = xp.where(self._active(lengths, steps, xp), along, scalar(0, x))
        read = [self._turn(along, reverse, lengths, xp) for reverse in directions]
        states = states or (_zeros((n, len(directions), self.hidden), x, xp),) * len(self.states)
        return self._loop(read, tuple(state.transpose(1, 2, 0) for state in states), keep)

    def _active(self, lengths: Array, steps: int, xp: Namespace) -> Array:
        """Return (T, N, 1) bool: the sample has this step."""
        return (xp.arange(steps)[:, None] < lengths)[..., None]

    def _turn(self, along: Array, reverse: bool, lengths: Array | None, xp: Namespace) -> Array:
        """Bring (T, N, ...) from the order of time into that of reading, or back: turning twice changes nothing."""
        if not reverse:
            return along
        if lengths is None:
            return along[::-1]
        # Positions less than 0 count from the end: they turn the steps after a sample's end among themselves. Integers
        # without a sign have no such numbers, and so lengths are counted as positions are.
        position = xp.arange(along.shape[0])[:, None]
        return along[lengths.astype(position.dtype) - 1 - position, xp.arange(along.shape[1])]

    # -- forward ------------------------------------------------------------------------------------------------

    def forward(self, *xs: Array) -> Any:
        """Return the outputs that ``returns`` names."""
        keep = {"last": "states" if self.lengths else "last", "sequence": "states", "all": "cell"}[self.returns]
        return self._outputs(self._steps_forward(xs, keep), xs)

    def forward_taped(self, *xs: Array) -> tuple[Any, Any]:
        """Return the outputs and the tape of the steps, which the way back uses up."""
        tape = self._steps_forward(xs, "cell")
        return self._outputs(tape, xs), tape

    def _outputs(self, tape: Recorded, xs: tuple[Array, ...]) -> Any:
        xp, (n, steps, _), count = namespace(tape.h), xs[0].shape, len(DIRECTIONS[self.direction])
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
        return sequence, *(self._last(s, lengths, xp) for s in (tape.h, *self._more_states(tape, xs)))

    def _last(self, states: Array, lengths: Array | None, xp: Namespace) -> Array:
        """Return (N, D, hidden), the states (T + 1, D, hidden, N) after each sample's last step."""
        if lengths is None:
            return states[-1].transpose(2, 0, 1)
        return states.transpose(0, 3, 1, 2)[lengths, xp.arange(states.shape[3])]

    def _blank(self, xs: tuple[Array, ...]) -> Any:
        x, xp, count = self._unpack(xs)[0], namespace(*xs), len(DIRECTIONS[self.direction])
        sequence = xp.empty((0, x.shape[1], count * self.hidden), dtype=x.dtype)
        state = xp.empty((0, count, self.hidden), dtype=x.dtype)
        last = state.reshape(0, count * self.hidden)
        everything = (sequence, *repeat(state, len(self.states)))
        return {"sequence": sequence, "last": last, "all": everything}[self.returns]

    # -- backward -----------------------------------------------------------------------------------------------

    def _steps_back(self, xs: tuple[Array, ...], g: Any, tape: Recorded, back: StepsBack) -> tuple[Array, ...]:
        """Go back from what arrives at the outputs, ``g``.

        Returns:
            What arrives at each operand (lengths receive zeros), then at the initial states, (N, directions, hidden).
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
        return (received, *middle, *(a.transpose(2, 0, 1) for a in first[: len(self.states)]))

    def _arriving(
        self, g: Any, lengths: Array | None, n: int, steps: int, xp: Namespace
    ) -> tuple[Arriving, tuple[Array, Array] | None]:
        """Sort what arrives at the outputs by steps; the second part is for samples without any step.

        At the c of a cell that has none arrives 0.
        """
        count, hidden = len(DIRECTIONS[self.direction]), self.hidden
        sequence = None if self.returns == "last" else g[0] if self.returns == "all" else g
        given = g if sequence is None else sequence
        zero = _zeros((count, hidden, n), given, xp)
        last_h, last_c, steps_h = zero, zero, None
        if self.returns == "last":
            last_h = g.reshape(n, count, hidden).transpose(1, 2, 0)
        elif self.returns == "all":
            last_h, last_c = [*(a.transpose(1, 2, 0) for a in g[1:]), zero][:2]
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

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the derivative: back-propagation through time."""
        tape = self._steps_forward(xs, "gates")
        pulled = self._steps_back(xs, g, tape, self._derivative(tape))
        return pulled if self.state else pulled[: -len(self.states)]

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        return self._redistribute_taped(xs, relevances, rule, Given(z=z, tape=self._steps_forward(xs, "cell")))

    def _redistribute_taped(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, given: Given
    ) -> Redistribution:
        rules, tape = self._rules(rule), given.tape
        z = self._outputs(tape, xs) if given.z is None else given.z
        outputs = z if isinstance(z, tuple) else (z,)
        self._expect(relevances, len(outputs))
        for relevance, output in zip(relevances, outputs, strict=True):
            same_shape(self, relevance, output)
        back = self._relevance(tape, rules)
        received = self._steps_back(xs, relevances if self.returns == "all" else relevances[0], tape, back)
        dropped = back.dropped
        if self.lengths and self.returns != "last":
            dropped = dropped + self._after_the_end(xs, relevances[0], namespace(*relevances))
        if not self.state:
            known = len(self.states)
            for initial in received[-known:]:
                dropped = dropped + sample_sum(initial)
            received = received[:-known]
        return Redistribution(received, back.bias, back.stabiliser, dropped)

    def _after_the_end(self, xs: tuple[Array, ...], sequence: Array, xp: Namespace) -> Array:
        """Relevance (N,) of sequence outputs after each sample's end: they are constants."""
        ended = xp.arange(sequence.shape[1]) >= xs[1][:, None]
        return sample_sum(xp.where(ended[..., None], sequence, scalar(0, sequence)))

    def _rules(self, rule: AnyRule | None) -> Recurrent:
        """Return the rules inside the cell; its sum has no bias for a policy to change."""
        if isinstance(rule, Recurrent):
            return rule
        if isinstance(rule, WithBias):
            return replace(self._rules(rule.rule), dense=rule)
        if isinstance(rule, Rule):
            biases = [run.bias for group in rule.groups for run in group.runs]
            if len(biases) == 1 and ZERO not in biases:
                return Recurrent(rule, rule)
            raise ParameterError(
                f"{type(self).__name__}: {rule!r} holds for its dense layer only; say what the cell's sum gets: "
                "lrp.rules.Recurrent(dense=..., state=lrp.rules.Epsilon(1e-3))"
            )
        if isinstance(rule, Product):
            raise UnsupportedError(
                f"{rule!r} is not a rule for {type(self).__name__}: for the products inside a cell give "
                f"lrp.rules.Recurrent(product={rule.product!r})"
            )
        raise self._refuse(rule)


def _zeros(shape: tuple[int, ...], like: Array, xp: Namespace) -> Array:
    """Return zeros of the number system of ``like``."""
    zeros = xp.zeros(shape, dtype=like.dtype)
    return zeros + scalar(0, like) if like.dtype == object else zeros
