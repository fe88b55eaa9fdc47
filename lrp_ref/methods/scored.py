"""The score that a method looks at, f(x) = Σ_k c_k f_k(x): its values and gradients at variants of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.arrays import Array, is_float, namespace, require_finite, sample_dot
from ..errors import ParameterError, ShapeError, UnsupportedError, unknown
from ..network.inputs import batch_first
from ..network.network import Network
from ..propagation.explaining import Batch, at_the_door, output_place
from ..propagation.explanation import Explanation
from ..propagation.parts import in_parts
from ..propagation.prepare import PreparedNetwork, Question, prepare
from ..propagation.start import STARTS, Difference, OneHot, start_relevance
from ..propagation.workload import DIVIDED_BYTES, WORKING_BYTES
from .parameters import ByInput, numbers_like

STARTED = ("logit", "output")
FORWARD_PART = 4  # a forward pass alone keeps no more than this part of the values of an explanation, in most networks
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Block:
    """Some samples in some of the variants that a method makes of each.

    Attributes:
        rows: which samples.
        steps: which variants of each.
    """

    rows: slice
    steps: slice

    @property
    def shape(self) -> tuple[int, int]:
        """How many samples, and how many variants of each."""
        return self.rows.stop - self.rows.start, self.steps.stop - self.steps.start


@dataclass(frozen=True, eq=False)
class Scored:
    """The score of N samples under a network that was made ready once.

    Variants of the samples are arrays (n, s, ...): s of each of n samples. They are computed in blocks, of which the
    methods go through one at a time, so that the memory is that of one block.

    Attributes:
        net: with the batch in front of all its arrays.
        fed: its inputs by name (N, ...).
        question: output, canonizing and start, for whatever composite.
        prepared: the network made ready for its gradient: canonized, up to the output that is explained.
        output: f_k (N, ...) of the samples as they are.
        coefficients: c_k (N, ...).
        target: the outputs in the score (N, T).
        against: the output that is subtracted (N,), or None.
        progress: is called with the number of variants done, and of all.
        axes: of every input in the layout that was given, which axis counts the samples.
        probability: of the outputs (N, ...): σ or softmax of the logits; None where the network ends in neither.
    """

    net: Network
    fed: Mapping[str, Array]
    question: Question
    prepared: PreparedNetwork
    output: Array
    coefficients: Array
    target: Array
    against: Array | None = None
    progress: Progress | None = None
    done: list[int] = field(default_factory=lambda: [0, 0])
    axes: Mapping[str, int | None] = field(default_factory=dict)
    probability: Array | None = None

    @staticmethod
    def of(
        net: Network,
        x: Any,
        *,
        target: Any = None,
        start: str = "logit",
        against: Any = None,
        output: str | None = None,
        canonize: bool = True,
        xp: Any = None,
        progress: Progress | None = None,
    ) -> Scored:
        """Return the score of the target outputs; arguments and errors as of :func:`lrp_ref.attribute`."""
        if start not in STARTED:
            if isinstance(start, str) and start not in STARTS:
                raise unknown("start", start, STARTED)
            raise ParameterError(
                f"start={start!r}: a method looks at an output itself, start='logit' or 'output'; only LRP takes others"
            )
        place = output_place(net, output)
        net, fed = at_the_door(net, x, xp)
        axes, net = {i.name: i.batch_axis for i in net.inputs}, net.batch_first()
        question = Question("gradient", place, canonize, start)
        prepared = prepare(net, fed, question)
        out, chance = _with_probability(prepared, fed)
        coefficients, targets, _ = start_relevance(out, target, OneHot())
        subtracted = None
        if against is not None:
            other = Difference(against).settled(len(out), out.shape[1:])
            start_relevance(out, target, other)  # raises where both are one
            assert isinstance(other, Difference)
            subtracted = other.indices(out.reshape(len(out), -1)) if len(out) else targets
            coefficients = coefficients - start_relevance(out, subtracted, OneHot())[0]
        assert targets is not None
        flat = None if subtracted is None else subtracted.reshape(len(out))
        return Scored(
            net, fed, question, prepared, out, coefficients, targets, flat, progress, axes=axes, probability=chance
        )

    def __len__(self) -> int:
        return len(self.output)

    # -- the samples --------------------------------------------------------------------------------------------

    @property
    def score(self) -> Array:
        """f(x) of the samples as they are (N,)."""
        return sample_dot(self.coefficients, self.output)

    @property
    def receivers(self) -> dict[str, Array]:
        """The inputs that receive relevance (N, ...)."""
        return {name: a for name, a in self.fed.items() if self.net.receives(name, a)}

    @property
    def movable(self) -> dict[str, Array]:
        """The inputs that receive relevance and have values between two of theirs (N, ...).

        Raises:
            UnsupportedError: an input of tokens.
        """
        for name, array in self.receivers.items():
            if not is_float(array):
                raise UnsupportedError(
                    f"input '{name}' holds tokens, between which there are no values: explain the part of the network "
                    "above their embedding, net.since('the name of its node')"
                )
        return self.receivers

    def by_input(self, value: Any, what: str) -> dict[str, Any]:
        """Return a parameter by name of the input that moves; of a dict those that it has.

        Raises:
            ParameterError: a name that is none of these inputs.
        """
        named = dict(value.pairs) if isinstance(value, ByInput) else value
        if not isinstance(named, Mapping):
            return dict.fromkeys(self.movable, value)
        for name in named:
            if name not in self.movable:
                raise unknown(f"input of {what}", name, list(self.movable))
        return dict(named)

    def like_x(self, value: Any, what: str) -> dict[str, Array]:
        """Return a parameter by name of the input that moves, broadcast to its shape (N, ...).

        Args:
            value: a number, or an array (*sample), (1, *sample) or (N, *sample), the last two in the layout of the
                input; a dict of such by name, in which an input that is missing has 0.
            what: it is, for messages.

        Raises:
            ParameterError: a name that is no input.
            ShapeError: an array of another shape.
            NonFiniteError: NaN or infinity.
        """
        named, found = self.by_input(value, what), {}
        for name, x in self.movable.items():
            given = numbers_like(named.get(name, 0), x, what)
            require_finite(given, what)
            if given.ndim == x.ndim:
                given = batch_first(given, self.axes.get(name) or 0)
            if given.shape not in ((), x.shape[1:], x.shape, (1, *x.shape[1:])):
                raise ShapeError(
                    f"{what} of shape {given.shape} does not fit input '{name}' of shape {x.shape}: give a number, or "
                    f"an array {x.shape[1:]} or {x.shape}"
                )
            found[name] = namespace(x).broadcast_to(given, x.shape)
        return found

    def some(self, rows: slice) -> Scored:
        """Return the score of some of the samples."""
        return replace(
            self,
            fed={name: a[rows] for name, a in self.fed.items()},
            output=self.output[rows],
            coefficients=self.coefficients[rows],
            target=self.target[rows],
            against=None if self.against is None else self.against[rows],
            probability=None if self.probability is None else self.probability[rows],
            done=[0, 0],
        )

    def nothing(self) -> dict[str, Array]:
        """Return zeros by name of the input that moves (N, ...), to add up in."""
        return {name: namespace(x).zeros(x.shape, dtype=x.dtype) for name, x in self.movable.items()}

    # -- their variants -----------------------------------------------------------------------------------------

    def blocks(self, steps: int, *, back: bool = True) -> Iterator[Block]:
        """Go through ``steps`` variants of every sample, as many at a time as fit into the memory of an explanation.

        A block has all samples that fit, in one variant, or all N samples in several.

        Args:
            steps: variants.
            back: whether the way back is gone too; a forward pass alone keeps only the values that are still read.
        """
        n, total = len(self), len(self) * steps
        one = max(
            self.prepared.extent(self.fed).numbers * self._like.dtype.itemsize // (1 if back else FORWARD_PART), 1
        )
        fit = max(1, min(WORKING_BYTES // one, max(n, DIVIDED_BYTES // one)))
        rows = max(1, min(n, fit))
        together = max(1, fit // rows)
        self.done[0] = 0
        for first in range(0, max(n, 1), rows):  # of no samples one empty block, so that results have a shape
            for begin in range(0, steps, together):
                block = Block(slice(first, min(first + rows, n)), slice(begin, min(begin + together, steps)))
                yield block
                self.done[0] += block.shape[0] * block.shape[1]
                if self.progress is not None:
                    self.progress(self.done[0], total)

    def gradients(self, variants: Mapping[str, Array], block: Block, composite: Any = "gradient") -> dict[str, Array]:
        """Return ∂f/∂x (n, s, ...) of every input that moves, at the variants (n, s, ...) of a block.

        Args:
            variants: by name of the input.
            block: which samples they are of.
            composite: another backward pass with the same forward one, such as "guided_backprop".
        """
        found = self.explained(variants, block, composite).relevance
        return {name: found[name].reshape(*block.shape, *found[name].shape[1:]) for name in variants}

    def explained(
        self,
        variants: Mapping[str, Array],
        block: Block,
        composite: Any = "gradient",
        reference: Mapping[str, Array] | None = None,
    ) -> Explanation:
        """Return the explanation of the variants (n·s, ...) of a block that starts with the coefficients c.

        Args:
            variants: by name of the input (n, s, ...).
            block: which samples they are of.
            composite: another backward pass with the same forward one.
            reference: of each variant, by name (n, s, ...), for rules that look at one.
        """
        fed = self._flat(variants, block)
        prepared = prepare(self.net, fed, Question(composite, *self._asked))
        start = self._repeated(self.coefficients, block)
        beside = None if reference is None else self._flat(reference, block)
        return Batch(prepared, None, start, len(start), 0, False, reference=beside).explanation(fed)

    def values(self, variants: Mapping[str, Array], block: Block) -> Array:
        """Return f (n, s) of the variants (n, s, ...) of a block."""
        out = self.outputs(variants, block)
        return sample_dot(self._repeated(self.coefficients, block), out).reshape(block.shape)

    def outputs(self, variants: Mapping[str, Array], block: Block) -> Array:
        """Return the outputs f_k (n·s, ...) of the variants (n, s, ...) of a block."""
        return self.outputs_of(self._flat(variants, block))

    def outputs_of(self, fed: Mapping[str, Array]) -> Array:
        """Return the outputs f_k (M, ...) of any M samples, by name of the input."""
        return joined(in_parts(self.prepared, fed, lambda few, cut: _forward(self.prepared, few)))

    def score_at(self, others: Mapping[str, Array]) -> Array:
        """Return f (N,) where the inputs that move are others (N, ...), such as a baseline."""
        return sample_dot(self.coefficients, self.outputs_of({**self.fed, **others}))

    @property
    def _asked(self) -> tuple[int, bool, Any]:
        return self.question.output, self.question.canonize, self.question.start

    @property
    def _like(self) -> Array:
        return self.net.like(self.fed)

    def _flat(self, variants: Mapping[str, Array], block: Block) -> dict[str, Array]:
        """Return the inputs (n·s, ...) of variants; those that do not move are those of their samples."""
        n, s = block.shape
        return {
            name: variants[name].reshape(n * s, *a.shape[1:]) if name in variants else self._repeated(a, block)
            for name, a in self.fed.items()
        }

    @staticmethod
    def _repeated(array: Array, block: Block) -> Array:
        """Return the rows of an array (N, ...) as often as the block has variants of them (n·s, ...)."""
        few, (n, s) = array[block.rows], block.shape
        if s == 1:
            return few
        shape = few.shape[1:]
        return namespace(few).broadcast_to(few.reshape(n, 1, *shape), (n, s, *shape)).reshape(n * s, *shape)


def _with_probability(prepared: PreparedNetwork, fed: Mapping[str, Array]) -> tuple[Array, Array | None]:
    """Return the outputs of all samples and, where the network ends in a sigmoid or softmax, their probabilities."""
    above = [i.name for i in prepared.above.inputs] if prepared.above is not None else []
    looked = {*above, prepared.chance}

    def work(few: dict[str, Array], cut: slice) -> tuple[Array, Array | None]:
        wanted = {i.name: few[i.name] for i in prepared.net.inputs}
        values = prepared.net.values(wanted, keep=lambda name: name in looked)
        return values[prepared.net.outputs[0]], prepared.probability(values)

    parts = in_parts(prepared, fed, work)
    chances = [chance for _, chance in parts if chance is not None]
    return joined([out for out, _ in parts]), joined(chances) if chances else None


def _forward(prepared: PreparedNetwork, fed: Mapping[str, Array]) -> Array:
    """Return the output that is explained; nothing else is kept."""
    wanted = {i.name: fed[i.name] for i in prepared.net.inputs}
    return prepared.net.values(wanted, keep=lambda name: False)[prepared.net.outputs[0]]


def joined(parts: Sequence[Array]) -> Array:
    """Return arrays of some samples each as one of all."""
    return parts[0] if len(parts) == 1 else namespace(*parts).concatenate(parts, axis=0)
