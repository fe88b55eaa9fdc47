"""The walk: forward through the nodes, back with the relevance, a few samples at a time.

What depends on the network and the composite alone (canonizing, the plan, edited weights, what is known from the
graph) is made once by :func:`ready` and remembered with the network; nothing of it is global.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float, namespace, require_finite, sample_sum, unwarned
from ..errors import LrpError, NonFiniteError, ParameterError, ShapeError, UndecidedError
from ..layers import Clip, Flatten, Identity, LeakyReLU, Linear, ReLU, Reshape
from ..network.canonization import canonized
from ..network.heads import Head, bare
from ..network.inputs import Input
from ..network.network import Network, Node, located, owner, value_name
from ..rules.edits import Edit
from ..rules.rule import Redistribution, Rule, Universal
from ..rules.share import Known, constants, edits_of
from . import composites
from .differences import TracedNode
from .facts import Facts, facts
from .ledger import Row
from .start import Start, called, find
from .workload import WORKING_BYTES, Extent, Sharing, extent

REMEMBERED_BYTES = 1 << 30  # of edited and canonized weights, and constants, that a network may remember
EDITED_SHARE = 0.75  # of the layers that are edited, in bytes; what is more is made anew, for a few % of the time
WORTH_BYTES = 1 << 20  # fewer are made anew in no time, and cannot be out of date if somebody writes into an array
MOST_SAMPLES = 64  # of a batch that the program chooses: more gain little, and an interrupted run loses them
TRACED = 4  # times the memory of a walk that keeps every value and every relevance
CHEAP = (ReLU, Clip, LeakyReLU, Identity, Flatten, Reshape)  # run again on the way back rather than kept


@dataclass(frozen=True, eq=False)
class Walk:
    """A network made ready for one composite.

    Attributes:
        net: canonized, up to the output that is explained.
        plan: the rule of every node.
        composite: the composite's name.
        bias: its bias policy.
        known: what the graph tells about every node, and its edited layers.
        head: what the output is made of.
        chance: name of the value that holds the output's probabilities; "" where it has none.
        above: how that value is made of values of ``net``; None where it is one of them.
    """

    net: Network
    plan: composites.Plan
    composite: str
    bias: str
    known: tuple[Known, ...]
    head: Head
    chance: str = ""
    above: Network | None = None

    def probability(self, values: Mapping[str, Array]) -> Array | None:
        """Return the output's probabilities from the values of a forward pass; None where it has none."""
        if self.above is None:
            return values[self.chance] if self.chance else None
        fed = {i.name: values[i.name] for i in self.above.inputs}
        with unwarned():
            return self.above.values(fed, check=False)[self.chance]

    @cached_property
    def stand_ins(self) -> dict[str, str]:
        """Values z of linear layers for which max(z, 0) does on the way back, and the ReLU that makes it.

        Only that ReLU reads z, and no relevance arrives where z ≤ 0: a denominator that is 0 there as well, and a
        gate that is closed, change nothing.
        """
        readers: dict[str, list[tuple[Node, Any]]] = {}
        for node, planned in zip(self.net.nodes, self.plan, strict=True):
            for name in node.inputs:
                readers.setdefault(name, []).append((node, planned.rule))
        found = {}
        looked_at = {*self.net.outputs, *(() if self.above is None else (i.name for i in self.above.inputs))}
        for node, planned, known in zip(self.net.nodes, self.plan, self.known, strict=True):
            read, layer = readers.get(node.name, []), node.layer
            if len(read) != 1 or not known.active or node.name in looked_at or not isinstance(layer, Linear):
                continue
            rule = layer.default() if planned.rule is None else planned.rule
            reader, passes = read[0]
            if type(reader.layer) is not ReLU or passes is not None or not isinstance(rule, Rule):
                continue
            if all(group.stabiliser.kind != "relative" for group in rule.groups):  # that looks at all z of a sample
                found[node.name] = reader.name
        return found

    @property
    def _names(self) -> set[str]:
        return {i.name for i in self.net.inputs} | {n.name for n in self.net.nodes}

    @cached_property
    def dropped(self) -> frozenset[str]:
        """Values that are not kept for the way back: another stands in, or one cheap layer makes them again."""
        kept = {*self.net.outputs, *self.stand_ins.values(), self.chance}
        kept |= set() if self.above is None else {owner(i.name, self._names) for i in self.above.inputs}
        cheap = {n.name for n in self.net.nodes if type(n.layer) in CHEAP and n.name not in kept}
        again = {n.name for n in self.net.nodes if n.name in cheap and n.inputs[0] not in cheap}
        return frozenset(again | self.stand_ins.keys())

    @cached_property
    def traced(self) -> dict[str, TracedNode]:
        """What a trace tells of every node: its layer, its rule, and what it reads."""
        planned = zip(self.net.nodes, self.plan, strict=True)
        return {n.name: TracedNode(type(n.layer).__name__, p.label, n.inputs) for n, p in planned}

    @cached_property
    def remembering(self) -> tuple[str, ...]:
        """Nodes whose way back can make use of what their forward pass leaves."""
        planned = zip(self.net.nodes, self.plan, strict=True)
        return tuple(node.name for node, p in planned if not isinstance(p.rule, Universal))

    def extent(self, fed: Mapping[str, Array]) -> Extent:
        """Return how much one sample of ``fed`` takes, from a pass without samples."""
        shapes = tuple((name, tuple(a.shape[1:])) for name, a in fed.items())
        found: Extent | None = self.net.memory.get(shapes)
        if found is None:
            values = self._without_samples(fed)
            self.net.memory[shapes] = found = extent(self.net, values, self.dropped)
        return found

    def output_shape(self, fed: Mapping[str, Array]) -> tuple[int, ...]:
        """Return the shape of one sample's output, from a pass without samples."""
        return tuple(self._without_samples(fed)[self.net.outputs[0]].shape[1:])

    def _without_samples(self, fed: Mapping[str, Array]) -> dict[str, Array]:
        """Return the values of a pass without samples, which have the shapes of all."""
        wanted = {i.name: fed[i.name] for i in self.net.inputs}
        try:
            return self.net.values({name: a[:0] for name, a in wanted.items()}, check=False)
        except ShapeError:
            # An error that names the shape of no samples would be puzzling: that of one is what the caller gave.
            self.net.values({name: a[:1] for name, a in wanted.items()}, check=False)
            raise

    def sharing(self, fed: Mapping[str, Array], *, whole: bool) -> Sharing:
        """Return what several threads should share of the explanation of ``fed``; ``whole``: of all samples at once."""
        n, like = _batch(fed)
        if not isinstance(like, np.ndarray) or like.dtype == object:
            return Sharing.NOTHING
        return self.extent(fed).sharing(n, like.itemsize, whole=whole)

    def samples(self, fed: Mapping[str, Array], threads: int) -> int:
        """Return how many samples of ``fed`` each thread takes at a time."""
        n, like = _batch(fed)
        if n <= 1 or namespace(like).__name__ == "cupy":
            return max(n, 1)
        return self.extent(fed).samples(n, like.dtype.itemsize, threads)

    def batch(self, fed: Mapping[str, Array], *, whole: bool) -> int:
        """Return how many samples like those of ``fed`` fill the working memory; ``whole`` if it keeps all values."""
        one = self.extent(fed).numbers * _batch(fed)[1].dtype.itemsize * (TRACED if whole else 1)
        return int(max(1, min(WORKING_BYTES // max(one, 1), MOST_SAMPLES)))


def _batch(fed: Mapping[str, Array]) -> tuple[int, Array]:
    """Return the number of samples and an array of their number system."""
    return len(next(iter(fed.values()))), next(a for a in fed.values() if is_float(a))


def ready(
    net: Network, fed: Mapping[str, Array], composite: Any, *, output: int, canonize: bool, start: Any = None
) -> Walk:
    """Return the walk for a network, its checked inputs, a composite and a start, if possible from an earlier call.

    Without a start, it begins at the logit, or at the output where there is none.

    Raises:
        ParameterError: the start speaks of logits, and the output has none.
    """
    chosen, begin = composites.resolve(composite), find(start)
    drop = canonize and not (isinstance(begin, Start) and begin.keeps_head)
    shapes = tuple((name, a.dtype, a.shape[1:]) for name, a in fed.items())
    key = (chosen, output, canonize, drop, shapes)
    walk: Walk | None = net.memory.pop(key, None)
    made_anew = walk is None
    if walk is None:
        walk = _make(net, fed, chosen, output, canonize, drop)
    if drop and isinstance(begin, Start) and begin.of_logits and walk.head.lost:
        _refuse(begin, walk.head)
    if made_anew:
        known = {id(p) for p in net.parameters}
        made = {id(p): p.nbytes for p in (*walk.net.parameters, *_remembered(walk)) if id(p) not in known}
        size = sum(made.values())
        if size > REMEMBERED_BYTES:
            return replace(walk, known=tuple(replace(k, edited=None, constants=None) for k in walk.known))
        if 0 < size < WORTH_BYTES:
            return walk
    net.remember(key, walk, most=4)
    return walk


def _refuse(begin: Start, head: Head) -> None:
    """Raise because a start that speaks of logits finds none."""
    rule = (
        ", and a rule for the softmax: (lrp.layers.Softmax, lrp.rules.Pass()) in the composite" if head.softmax else ""
    )
    option = " --rule Softmax=Pass" if head.softmax else ""
    raise ParameterError(
        f"start {called(begin)} needs a logit, and output '{head.output}' has none ({head.lost}): give start='output', "
        f"which starts at the output's value as it is{rule} (lrp-ref explain --start output{option})"
    )


def _make(
    net: Network, fed: Mapping[str, Array], chosen: composites.Composite, output: int, canonize: bool, drop: bool
) -> Walk:
    net = net.like_input(fed).batch_first()
    # Canonizing may rename the outputs, never reorder them; the sizes of the inputs are known now.
    sized = replace(net, inputs=tuple(replace(i, shape=(None, *fed[i.name].shape[1:])) for i in net.inputs))
    bared = canonized(sized, drop=drop, chance=output) if canonize else bare(net, drop=False, chance=output)
    count = len(net.outputs)
    chosen.check_names(bared.net.until(bared.net.outputs[:count]), net)
    net = bared.net.until(bared.net.outputs[output])
    chance = next(iter(bared.net.outputs[count:]), "")
    head = bared.heads[output] if drop else replace(bared.heads[output], text="")
    plan = chosen.plan(net, check_names=False)
    known: list[Known] = []
    found = facts(net, plan)
    edits = [_edits(node, planned.rule, fact) for node, planned, fact in zip(net.nodes, plan, found, strict=True)]
    edited = sum(_bytes(node.layer) for node, some in zip(net.nodes, edits, strict=True) if some)
    left = min(REMEMBERED_BYTES, int(EDITED_SHARE * edited))
    for node, planned, fact, some in zip(net.nodes, plan, found, edits, strict=True):
        fit = some[: left // max(_bytes(node.layer), 1)]
        left -= len(fit) * _bytes(node.layer)
        try:
            known.append(_known(node, planned.rule, fact, fit, fed))
        except LrpError as error:
            raise error.at(node.name) from error
    if head.text:
        plan = composites.Plan(plan, note=f"start at {head.text}")
    return Walk(net, plan, chosen.name, chosen.bias, tuple(known), head, chance, _above(bared.net, net, chance))


def _above(whole: Network, net: Network, chance: str) -> Network | None:
    """Return the part of ``whole`` that makes the probabilities of values of ``net``; None where they are one."""
    if not chance:
        return None
    names = {n.name for n in net.nodes}
    nodes = tuple(n for n in whole.until(chance).nodes if n.name not in names)
    if not nodes:
        return None
    made = {n.name for n in nodes}
    read = dict.fromkeys(name for n in nodes for name in n.inputs if owner(name, made) not in made)
    return Network(nodes, tuple(Input(name) for name in read), (chance,))


def _edits(node: Node, rule: Any, fact: Facts) -> list[tuple[Edit, Edit]]:
    """Return the edits of weights and bias that the rule needs at a node."""
    if not (isinstance(node.layer, Linear) and isinstance(rule, Rule)):
        return []
    return edits_of(rule, nonnegative=fact.nonnegative, active=fact.active)


def _known(node: Node, rule: Any, fact: Facts, edits: list[tuple[Edit, Edit]], fed: Mapping[str, Array]) -> Known:
    """Return what the graph tells about a node, its edited layers, and what is constant in its denominators."""
    known = Known(nonnegative=fact.nonnegative, active=fact.active)
    if not (isinstance(node.layer, Linear) and isinstance(rule, Rule)):
        return known
    known = replace(known, edited={edit: node.layer.edited(*edit) for edit in edits})
    xs = tuple(fed[name] for name in node.inputs if name in fed)
    if len(xs) < len(node.inputs) or any(x.dtype.kind != "f" for x in xs):
        return known  # the shapes of other values are not known yet
    one = tuple(namespace(x).zeros((1, *x.shape[1:]), dtype=x.dtype) for x in xs)
    return replace(known, constants=constants(node.layer, rule, one, known))


def _bytes(layer: Any) -> int:
    return sum(a.nbytes for a in layer.arrays())


def _remembered(walk: Walk) -> list[Array]:
    """Return the parameters of all edited layers, and what is constant in denominators."""
    layers = [layer for known in walk.known for layer in (known.edited or {}).values()]
    parameters = [a for layer in layers if isinstance(layer, Linear) for a in layer.arrays()]
    return parameters + [a for known in walk.known for a in (known.constants or {}).values()]


def walk_back(
    walk: Walk, values: dict[str, Array], relevance: dict[str, Array], memories: dict[str, Any], *, keep: bool
) -> tuple[dict[str, Array], list[Row]]:
    """Hand the relevance from node to node, last to first.

    Args:
        walk: the network made ready.
        values: of the forward pass, by name.
        relevance: what starts, by name of the value.
        memories: what the forward pass left, by name of the node; it is used up.
        keep: whether values and relevances stay until the end; otherwise they are freed on the way.

    Returns:
        The relevance by name, in the order of the walk, and the rows of the ledger.
    """
    rows: list[Row] = []
    net, nodes = walk.net, {n.name: n for n in walk.net.nodes}
    inputs = {i.name for i in net.inputs}
    stand_ins: dict[str, str] = {} if keep else walk.stand_ins
    needed = set(stand_ins.values())

    def value(name: str) -> Array:
        name = stand_ins.get(name, name)
        if name not in values:
            node = nodes[name]
            values[name] = node.layer.forward(*(value(n) for n in node.inputs))
        return values[name]

    sums = {name: sample_sum(r) for name, r in relevance.items()}
    for node, planned, known in zip(reversed(net.nodes), reversed(walk.plan), reversed(walk.known), strict=True):
        names = [node.name]
        while (more := value_name(node.name, len(names))) in values:
            names.append(more)
        if any(n in relevance for n in names):
            known = replace(known, memory=memories.pop(node.name, None))
            try:
                row = _step(node, planned, known, names, value, values, stand_ins, relevance, sums, first=not rows)
            except NonFiniteError as error:
                way = composites.instead(walk.composite, walk.bias, str(next(iter(relevance.values())).dtype))
                raise error.adding(f", as shares grow where denominators nearly vanish: {way}") from error
            rows.append(row)
        if not keep:
            for n in names:
                relevance.pop(n, None)
                if n not in needed:
                    values.pop(stand_ins.get(n, n), None)
    if keep:
        # A value that several nodes read is complete only after the last of them: the order is that of the walk.
        return {n: relevance[n] for n in reversed(values) if n in relevance}, rows
    return {n: r for n, r in relevance.items() if n in inputs}, rows


def _needs_no_rule(node: Node, rule: Any, arrived: tuple[Array, ...]) -> bool:
    """Whether no rule is named for a layer that has none, and no relevance arrives (a softmax that makes a gate)."""
    if rule is not None or node.layer.own_rule is not None or isinstance(node.layer, Linear):
        return False
    return not any(bool((r != 0).any()) for r in arrived)


def _step(
    node: Node,
    planned: composites.Planned,
    known: Known,
    names: list[str],
    value: Any,
    values: Mapping[str, Array],
    stand_ins: Mapping[str, str],
    relevance: dict[str, Array],
    sums: dict[str, Array],
    *,
    first: bool,
) -> Row:
    """Redistribute the relevance of one node's outputs, add it to its inputs, and return the ledger's row."""
    xs = tuple(value(name) for name in node.inputs)
    outputs: tuple[Any, ...] = tuple(values.get(stand_ins.get(n, n)) for n in names)  # None for what was not kept
    arrived = tuple(
        relevance[n] if n in relevance else namespace(v).zeros(v.shape, dtype=v.dtype)
        for n, v in zip(names, outputs, strict=True)
    )
    try:
        with unwarned():
            z = outputs if len(outputs) > 1 else outputs[0]
            if _needs_no_rule(node, planned.rule, arrived):
                nothing = [namespace(x).zeros(x.shape, dtype=x.dtype) for x in xs]
                shared = Redistribution.routed(nothing, arrived[0])
            else:
                shared = node.layer.redistribute(
                    xs if len(xs) > 1 else xs[0],
                    arrived if len(arrived) > 1 else arrived[0],
                    planned.rule,
                    z=z,
                    known=known,
                )
            # Relevance that passes unchanged has been added up before, and some while it was made.
            formed = {id(relevance[n]): sums[n] for n in names if n in relevance}
            made = zip(shared.relevances, shared.totals, strict=False)
            formed.update({id(r): total for r, total in made if total is not None})
            received = [formed[id(r)] if id(r) in formed else sample_sum(r) for r in shared.relevances]
        for part, total in zip(shared.relevances, received, strict=True):
            require_finite(part, "the relevance of its input", total=total)
    except UndecidedError as error:
        raise located(error, node, values) from error
    except LrpError as error:
        raise error.at(node.name) from error
    for source, x, part, total in zip(node.inputs, xs, shared.relevances, received, strict=True):
        if is_float(x):
            relevance[source] = relevance[source] + part if source in relevance else part
            sums[source] = sums[source] + total if source in sums else total
    out, whole = sum(sums[n] for n in names if n in sums), sum(received)
    residual = out - whole - shared.bias - shared.stabiliser - shared.dropped
    size = sum(sample_sum(abs(r)) for r in arrived) if first else None
    return Row(node.name, planned.label, out, whole, shared.bias, shared.stabiliser, shared.dropped, residual, size)
