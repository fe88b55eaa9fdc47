"""The walk through a network made ready: forward, and back with the relevance; ``plain`` is it without economy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ..base.arrays import Array, namespace, only, require_finite, sample_sum, unwarned
from ..errors import LrpError, NonFiniteError, UndecidedError, UnsupportedError
from ..fast import buffers
from ..layers import Elementwise, Linear
from ..network.network import located, value_name
from ..rules.rule import Redistribution, Seen
from ..rules.share import Given
from ..rules.universal import Gradient
from . import composites
from .ledger import Row
from .prepare import PreparedNetwork, Step

Values = dict[str, Array]  # by name


def forward(
    prepared: PreparedNetwork, fed: Mapping[str, Array], *, keep: bool, check: bool = True
) -> tuple[Values, dict[str, Any]]:
    """Run the network, and return its values by name, and what its recurrent layers leave for the way back.

    Args:
        prepared: the network made ready.
        fed: its inputs by name, and those of other parts of the network.
        keep: whether all values stay; otherwise only those that the way back reads.
        check: whether to look for NaN and infinity after each node; arrays that cannot be looked at are not.
    """
    tapes = dict.fromkeys(step.node.name for step in prepared.steps if step.tapes)
    wanted = {i.name: fed[i.name] for i in prepared.net.inputs}
    kept = None if keep else lambda value: value not in prepared.unkept
    return prepared.net.values(wanted, check=check, keep=kept, tapes=tapes), tapes


def back(
    prepared: PreparedNetwork,
    values: Values,
    relevance: Values,
    tapes: dict[str, Any],
    *,
    keep: bool,
    reference: Values | None = None,
    masks: Mapping[str, Array] | None = None,
    held: Collection[str] = (),
) -> tuple[Values, list[Row]]:
    """Hand the relevance from node to node, last to first.

    Args:
        prepared: the network made ready.
        values: of the forward pass, by name; what is used up is taken out.
        relevance: what starts, by name of the value.
        tapes: what the forward pass left, by name of the node; it is used up.
        keep: whether values and relevances stay until the end; otherwise they are freed on the way.
        reference: the values of the input that the samples are compared with, for rules that look at it.
        masks: for named values, which of their numbers hand on relevance; that of the others is dropped there.
        held: names of values whose relevance, after its mask, stays until the end.

    Returns:
        The relevance by name, in the order of the walk, and the rows of the ledger.
    """
    way = _Back(prepared, values, relevance, keep, reference, masks or {})
    for step in reversed(prepared.steps):
        names = way.outputs(step)
        if any(name in relevance for name in names):
            way.take(step, names, tapes.pop(step.node.name, None))
        if not keep:
            way.free(names, held)
    if keep:
        # A value that several nodes read is complete only after the last of them: the order is that of the walk.
        return {n: relevance[n] for n in reversed(values) if n in relevance}, way.rows
    asked = {*(i.name for i in prepared.net.inputs), *held}
    return {n: r for n, r in relevance.items() if n in asked}, way.rows


class _Back:
    """The way back so far: what is left of the values, the relevance by name with its sums, and the ledger's rows."""

    def __init__(
        self,
        prepared: PreparedNetwork,
        values: Values,
        relevance: Values,
        keep: bool,
        reference: Values | None,
        masks: Mapping[str, Array],
    ) -> None:
        self.prepared, self.values, self.relevance, self.reference = prepared, values, relevance, reference
        self.masks = masks
        self.nodes = {step.node.name: step.node for step in prepared.steps}
        self.stand_ins = {} if keep else {s.node.name: s.stand_in for s in prepared.steps if s.stand_in}
        self.needed = set(self.stand_ins.values())
        self.sums = {name: sample_sum(r) for name, r in relevance.items()}
        self.rows: list[Row] = []

    def value(self, name: str, values: Values | None = None) -> Array:
        """Return a value, or what stands for it; what was not kept is made again.

        Args:
            name: of the value.
            values: those of the samples, unless others are given.
        """
        values = self.values if values is None else values
        name = self.stand_ins.get(name, name)
        if name not in values:
            node = self.nodes[name]
            values[name] = node.layer.forward(*(self.value(n, values) for n in node.inputs))
        return values[name]

    def read(self, step: Step) -> tuple[Array, ...]:
        """Return what a node reads; of what the derivative of a linear layer reads only the shape matters."""
        linear = isinstance(step.node.layer, Linear) and type(step.planned.rule) is Gradient
        return tuple(self.shaped(name) if linear else self.value(name) for name in step.node.inputs)

    def shaped(self, name: str) -> Array:
        """Return a value; of an activation that was not kept an array of its shape, which takes no memory."""
        node = self.nodes.get(name)
        if name in self.values or node is None or not isinstance(node.layer, Elementwise):
            return self.value(name)
        below = self.shaped(node.inputs[0])
        if below.dtype.kind != "f":  # exact numbers tell by themselves which they are
            return self.value(name)
        xp = namespace(below)
        return xp.broadcast_to(xp.zeros(1, dtype=below.dtype), below.shape)

    def seen(self, step: Step, names: list[str]) -> Seen | None:
        """Return what a node reads and makes of the reference; None where there is none."""
        if self.reference is None:
            return None
        xs = tuple(self.value(name, self.reference) for name in step.node.inputs)
        return Seen(xs, _one(tuple(self.value(name, self.reference) for name in names)))

    def outputs(self, step: Step) -> list[str]:
        """Return the names of a node's outputs."""
        names = [step.node.name]
        while (more := value_name(step.node.name, len(names))) in self.values:
            names.append(more)
        return names

    def free(self, names: list[str], held: Collection[str]) -> None:
        """Forget relevance and values of a node's outputs, except relevance that is held."""
        for name in names:
            if name not in held:
                self.relevance.pop(name, None)
            if name not in self.needed:
                self.values.pop(self.stand_ins.get(name, name), None)
                if self.reference is not None:
                    self.reference.pop(self.stand_ins.get(name, name), None)

    def masked(self, names: list[str]) -> Array | int:
        """Leave of the relevance of a node's outputs what their masks let through, and return the sum of the rest."""
        lost: Array | int = 0
        for name in names:
            if name in self.masks and name in self.relevance:
                left = only(self.relevance[name], self.masks[name])
                total = sample_sum(left)
                lost = lost + self.sums[name] - total
                self.relevance[name], self.sums[name] = left, total
        return lost

    def take(self, step: Step, names: list[str], tape: Any) -> None:
        """Redistribute the relevance of a node's outputs, add it to its inputs, and append the ledger's row."""
        node, relevance, sums = step.node, self.relevance, self.sums
        out = sum(sums[n] for n in names if n in sums)
        size = None if self.rows else sum(sample_sum(abs(relevance[n])) for n in names if n in relevance)
        lost = self.masked(names)
        xs = self.read(step)
        takes = node.layer.takes(xs)
        made: tuple[Any, ...] = tuple(self.values.get(self.stand_ins.get(n, n)) for n in names)  # None: not kept
        arrived = tuple(
            relevance[n] if n in relevance else namespace(v).zeros(v.shape, dtype=v.dtype)
            for n, v in zip(names, made, strict=True)
        )
        try:
            with unwarned():
                given = Given(_one(made), step.ready, tape, self.seen(step, names))
                shared = _redistributed(step, xs, arrived, given).only(takes)
                received = self._received(names, shared)
            whole = sum(received)
            if not _is_finite(whole):  # which it is only if every part is
                for part, total in zip(shared.relevances, received, strict=True):
                    require_finite(part, "the relevance of its input", total=total)
        except UndecidedError as error:
            raise located(error, node, self.values) from error
        except NonFiniteError as error:
            dtype = str(next(iter(relevance.values())).dtype)
            way = composites.instead(self.prepared.composite, self.prepared.bias, dtype)
            raise error.at(node.name).adding(f", as shares grow where denominators nearly vanish: {way}") from error
        except LrpError as error:
            raise error.at(node.name) from error
        for source, taken, part, total in zip(node.inputs, takes, shared.relevances, received, strict=True):
            if taken:
                relevance[source] = _sum(relevance[source], part) if source in relevance else part
                sums[source] = sums[source] + total if source in sums else total
        told = replace(shared, dropped=shared.dropped + lost) if self.masks else shared
        self.rows.append(Row.of(step.planned, out, whole, told, size))

    def _received(self, names: list[str], shared: Redistribution) -> list[Array]:
        """Return the sums (N,) of what every input received, of which some were formed before, or on the way."""
        formed = {id(self.relevance[n]): self.sums[n] for n in names if n in self.relevance}
        made = zip(shared.relevances, shared.totals, strict=False)
        formed.update({id(r): total for r, total in made if total is not None})
        return [formed[id(r)] if id(r) in formed else sample_sum(r) for r in shared.relevances]


def _redistributed(step: Step, xs: tuple[Array, ...], arrived: tuple[Array, ...], given: Given) -> Redistribution:
    """Return what a node's layer makes of the relevance that arrived."""
    layer, rule = step.node.layer, step.planned.rule
    ruled = rule is not None or layer.own_rule is not None or isinstance(layer, Linear)
    if not ruled and not any(map(_some, arrived)):
        # No rule is named, and none is needed: a softmax that makes a gate receives nothing to redistribute.
        return Redistribution.routed([namespace(x).zeros(x.shape, dtype=x.dtype) for x in xs], arrived[0])
    return layer.redistribute(_one(xs), _one(arrived), rule, given=given)


def _sum(a: Array, b: Array) -> Array:
    """Return a + b."""
    return buffers.computed(namespace(a, b).add, a, b)


def _is_finite(total: Any) -> bool:
    """Return whether a sum (N,) of floats holds neither NaN nor infinity."""
    return total.dtype.kind == "f" and bool(namespace(total).isfinite(total).all())


def _some(relevance: Array) -> bool:
    """Return whether there is relevance to redistribute; of what a recording does not know before it runs there is."""
    try:
        return bool((relevance != 0).any())
    except UnsupportedError:
        return True


def _one(arrays: tuple[Any, ...]) -> Any:
    """Return the only array of a tuple, or the tuple of several."""
    return arrays if len(arrays) > 1 else arrays[0]
