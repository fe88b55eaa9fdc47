"""The relevance that arrives at a value inside a network: forward once, and back as often as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...base.arrays import Array, namespace
from ...errors import unknown
from ...network.network import Network
from ...propagation import composites
from ...propagation.explaining import at_the_door, output_place
from ...propagation.parts import in_parts
from ...propagation.prepare import PreparedNetwork, Question, prepare
from ...propagation.start import Start, find, start_relevance
from ...propagation.targets import some_targets
from ...propagation.walk import back, forward


@dataclass(frozen=True, eq=False)
class Walked:
    """Some samples after one way back.

    Attributes:
        prepared: the network made ready.
        values: of its nodes, as far as the way back reads them.
        relevance: that arrived at the values that were asked for, by name (n, ...).
        received: that arrived at the inputs, by name (n, ...).
        output: of the network (n, ...).
    """

    prepared: PreparedNetwork
    values: Mapping[str, Array]
    relevance: Mapping[str, Array]
    received: Mapping[str, Array]
    output: Array

    def below(self, at: str, relevance: Array, held: Sequence[str] = ()) -> dict[str, Array]:
        """Return what arrives at the inputs, and at the values ``held``, of relevance (n, ...) that starts at a value.

        Every walk goes back over the same values: what the forward pass left for one way back is made again.
        """
        found, _ = back(self.prepared, dict(self.values), {at: relevance}, {}, keep=False, held=held)
        return found

    def zeros(self, name: str) -> Array:
        """Return the relevance of a value that none arrived at."""
        value = self.values[name]
        return namespace(self.output).zeros(value.shape, dtype=self.output.dtype)


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

    def of(self, net: Network, x: Any, at: Sequence[str]) -> Arrived:
        """Return the question about these samples and values.

        Raises:
            ParameterError: a value that the network, as it is explained, has not; the nearest is named.
        """
        begin = find(self.start, self.against)
        chosen = composites.resolve(self.composite, self.parameters)
        place = output_place(net, self.output)
        net, fed = at_the_door(net, x, self.xp)
        net = net.batch_first()
        prepared = prepare(net, fed, Question(chosen, place, self.canonize, begin))
        shapes = prepared.shapes(fed)
        for name in at:
            if name not in shapes:
                raise unknown("node", name, [n.name for n in prepared.net.nodes])
        return Arrived(prepared, fed, tuple(at), self.target, begin, {name: shapes[name] for name in at})


@dataclass(frozen=True, eq=False)
class Arrived:
    """A network made ready for N samples, and the values inside it that are asked about.

    Attributes:
        prepared, fed: the network and its inputs (N, ...).
        at: names of the values.
        target, start: what is explained.
        shapes: of one sample's part of the values, by name.
    """

    prepared: PreparedNetwork
    fed: Mapping[str, Array]
    at: tuple[str, ...]
    target: Any
    start: Any
    shapes: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.fed.values())))

    @property
    def receivers(self) -> list[str]:
        """The names of the inputs that receive relevance."""
        return [name for name, a in self.fed.items() if self.prepared.net.receives(name, a)]

    def walked(self) -> list[Walked]:
        """Return the samples after their way back, in parts that fit into memory and that threads take."""
        return in_parts(self.prepared, self.fed, self._walked)

    def _walked(self, few: dict[str, Array], cut: slice) -> Walked:
        prepared, n = self.prepared, len(self)
        values, tapes = forward(prepared, few, keep=False)
        out = values[prepared.net.outputs[0]]
        start = self.start.settled(n, out.shape[1:]).some(cut, n) if isinstance(self.start, Start) else self.start
        if not isinstance(start, Start) and getattr(start, "shape", ())[:1] == (n,) and start.ndim == out.ndim:
            start = start[cut]
        chance = prepared.probability(values)
        target = some_targets(self.target, cut, n)
        begin, _, _ = start_relevance(out, target, start, first=cut.start, probability=chance)
        kept = dict(values)
        found, _ = back(prepared, values, {prepared.net.outputs[0]: begin}, tapes, keep=False, held=self.at)
        xp = namespace(out)

        def of(name: str, shape: tuple[int, ...]) -> Array:
            return found[name] if name in found else xp.zeros((len(out), *shape), dtype=out.dtype)

        arrived = {name: of(name, self.shapes[name]) for name in self.at}
        received = {name: of(name, few[name].shape[1:]) for name in self.receivers}
        return Walked(prepared, kept, arrived, received, out)

    @property
    def goes_around(self) -> dict[str, tuple[str, ...]]:
        """For each of the values, what is read above it besides it: relevance goes around it there."""
        found = {}
        for name in self.at:
            if name not in self.prepared.net.outputs:
                above = self.prepared.net.since(name)
                names = (i.name for i in above.inputs if i.name != name)
                found[name] = tuple(n for n in names if n in self.receivers)
        return {name: others for name, others in found.items() if others}
