"""The relevance that arrives at values inside a network, and what lies below: forward once, back as often as asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ...base.arrays import Array, namespace
from ...errors import GraphError, ParameterError, unknown
from ...fast import threads
from ...network.network import Network, owner
from ...propagation import composites
from ...propagation.explaining import Batch, at_the_door, output_place
from ...propagation.parts import in_parts
from ...propagation.prepare import PreparedNetwork, Question, prepare
from ...propagation.start import Difference, Start, find
from ...propagation.targets import indices, is_tuple
from ...propagation.walk import back, forward
from ...propagation.workload import Divided

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Walked:
    """Some samples after one way back.

    Attributes:
        prepared: the network made ready.
        values: of its nodes, as far as the way back below the values that were asked for reads them.
        relevance: that arrived at these, by name (n, ...).
        output: of the network (n, ...).
    """

    prepared: PreparedNetwork
    values: Mapping[str, Array]
    relevance: Mapping[str, Array]
    output: Array

    def below(self, at: str, relevance: Array, held: Sequence[str] = ()) -> dict[str, Array]:
        """Return what arrives at the inputs, and at the values ``held``, of relevance that starts at a value.

        Every walk goes back over the same values: what the forward pass left for one way back is made again.

        Args:
            at: the value.
            relevance: (n, ...), or (n·t, ...) of t starts for each sample, one after the other.
            held: names of values below.
        """
        n = len(self.output)
        times = len(relevance) // n if n else 1
        values = {name: repeated(value, times) for name, value in self.values.items()}
        found, _ = back(self.prepared, values, {at: relevance}, {}, keep=False, held=held)
        return found


@dataclass(frozen=True, eq=False)
class Asked:
    """A question about values inside a network, whatever its samples are.

    Attributes:
        composite, target, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        parameters: of the composite.
    """

    composite: Any = "epsilon_plus"
    target: Any = None
    start: Any = "logit"
    against: Any = None
    output: str | None = None
    canonize: bool = True
    xp: Any = None
    parameters: Mapping[str, Any] | None = None

    @staticmethod
    def given(options: Mapping[str, Any]) -> Asked:
        """Return the question out of a function's arguments; what is none of its attributes is of the composite."""
        own = {f.name for f in fields(Asked)} - {"parameters"}
        named = {key: value for key, value in options.items() if key in own}
        return Asked(**named, parameters={key: value for key, value in options.items() if key not in own})

    def of(self, net: Network, x: Any, at: Sequence[str]) -> Arrived:
        """Return the question about these samples and values.

        Raises:
            ParameterError: a value that the network, as it is explained, has not (the nearest is named), or one of a
                single number, without channels.
            GraphError: an input: the relevance of its channels is in the map.
        """
        begin = find(self.start, self.against)
        chosen = composites.resolve(self.composite, self.parameters)
        place = output_place(net, self.output)
        net, fed = at_the_door(net, x, self.xp)
        prepared = prepare(net, fed, Question(chosen, place, self.canonize, begin))
        shapes = prepared.shapes(fed)
        for name in at:
            if name in fed:
                raise GraphError(
                    f"'{name}' is an input: the relevance of its channels is that of the map of lrp.explain"
                )
            if name not in shapes:
                raise unknown("node", name, [n.name for n in prepared.net.nodes])
            if not shapes[name]:
                raise ParameterError(f"'{name}' is one number for each sample and has no channels")
        n, target = len(next(iter(fed.values()))), self.target
        shape = shapes[prepared.net.outputs[0]] if is_tuple(target) or isinstance(begin, Difference) else ()
        target = indices(target, n, shape) if is_tuple(target) else target
        begin = begin.settled(n, shape) if isinstance(begin, Start) else begin
        batch = Batch(prepared, target, begin, n, net.output_axes[place] if net.output_axes else 0, False)
        return Arrived(batch, fed, tuple(at), {name: shapes[name] for name in at})


@dataclass(frozen=True, eq=False)
class Arrived:
    """A network made ready for N samples, and the values inside it that are asked about.

    Attributes:
        batch: the network, and what is explained.
        fed: its inputs (N, ...).
        at: names of the values.
        shapes: of one sample's part of the values, by name.
    """

    batch: Batch
    fed: Mapping[str, Array]
    at: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return self.batch.samples

    @property
    def prepared(self) -> PreparedNetwork:
        """The network made ready."""
        return self.batch.prepared

    @property
    def receivers(self) -> list[str]:
        """The names of the inputs that receive relevance."""
        return [name for name, a in self.fed.items() if self.prepared.net.receives(name, a)]

    def starts(self, n: int) -> int:
        """Return how many starts at a time walk back of each of ``n`` samples, which are one part of all."""
        divided = self.prepared.divided(self.fed, whole=False) is Divided.SAMPLES
        parts = min(-(-len(self) // max(n, 1)), threads.MOST) if divided else 1  # that may be worked on at once
        return max(1, self.prepared.batch(self.fed, whole=False) // max(n * parts, 1))

    def each(self, work: Callable[[Walked], Result]) -> list[Result]:
        """Return what ``work`` makes of the samples after their way back, in parts that fit into memory.

        A part is forgotten when its work is done, and threads may take parts of their own.
        """
        return in_parts(self.prepared, self.fed, lambda few, cut: work(self._walked(few, cut)))

    def active(self, work: Callable[[Array], Result]) -> list[Result]:
        """Return what ``work`` makes of the first of the values (n, ...), in parts that fit into memory."""
        below, (name, *_) = self.prepared.net.until(self.at), self.at
        wanted = [i.name for i in below.inputs]

        def some(few: Mapping[str, Array], cut: slice) -> Result:
            return work(below.values({n: few[n] for n in wanted}, keep=lambda value: value == name)[name])

        return in_parts(self.prepared, self.fed, some)

    def _walked(self, few: dict[str, Array], cut: slice) -> Walked:
        prepared = self.prepared
        values, tapes = forward(prepared, few, keep=False)
        out = values[prepared.net.outputs[0]]
        begin, _, _ = self.batch.begins(out, prepared.probability(values), cut)
        kept = self._below(values)
        found, _ = back(prepared, values, {prepared.net.outputs[0]: begin}, tapes, keep=False, held=self.at)
        xp = namespace(out)
        arrived = {
            name: found[name] if name in found else xp.zeros((len(out), *self.shapes[name]), dtype=out.dtype)
            for name in self.at
        }
        return Walked(prepared, kept, arrived, out)

    def _below(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return of all values those that the way back from the values asked for reads."""
        net = self.prepared.net
        nodes = {n.name for n in net.until(self.at).nodes}
        names = nodes | {step.stand_in for step in self.prepared.steps if step.node.name in nodes}
        known = {i.name for i in net.inputs} | {n.name for n in net.nodes}
        names |= {i.name for i in net.inputs}
        return {name: value for name, value in values.items() if owner(name, known) in names}

    def around(self, at: str) -> tuple[str, ...]:
        """Return the inputs to which relevance goes around a value, along paths that do not cross it."""
        net = self.prepared.net
        if at in net.outputs:
            return ()
        receivers = self.receivers
        return tuple(i.name for i in net.since(at).inputs if i.name != at and i.name in receivers)


def repeated(array: Array, times: int) -> Array:
    """Return each sample of an array (n, ...) several times, one after the other (n·times, ...)."""
    if times == 1:
        return array
    n, shape = len(array), array.shape[1:]
    return namespace(array).broadcast_to(array.reshape(n, 1, *shape), (n, times, *shape)).reshape(n * times, *shape)
