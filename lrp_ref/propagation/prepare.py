"""What depends on network, composite and shapes alone, made once: the network canonized, its steps, edited layers.

A :class:`PreparedNetwork` prints its steps; ``walk`` goes through them, forward and back. It is kept in the network's
cache, so that a second explanation of the same kind finds it; nothing of it is global.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import tables
from ..base.arrays import Array, namespace, unwarned
from ..errors import BackendError, LrpError, ParameterError, ShapeError
from ..layers import Linear
from ..network.canonization import canonized
from ..network.heads import Bare, Head, bare
from ..network.inputs import Input
from ..network.network import Network, Node, owner
from ..rules.prepared import Facts, PreparedRule
from ..rules.rule import AnyRule, Rule, Universal
from ..rules.universal import Pass
from . import composites
from .differences import TracedNode
from .domain import outside
from .facts import facts
from .hidden import hidden
from .plan import Composite, Plan, Planned
from .start import Start, called, find
from .workload import WORKING_BYTES, Divided, Extent, extent

CACHED_BYTES = 1 << 30  # of edited and canonized weights, and constants, that a network's cache may hold
SOURCE_BYTES = 4 << 20  # that are looked through at every call for what was written into them
EDITED_PART = 0.75  # of the layers that are edited, in bytes; what is more is made anew, for a few % of the time
WORTH_BYTES = 1 << 20  # fewer could be made anew in no time: they are kept only if nobody wrote into what they are of
MOST_SAMPLES = 64  # of a batch that the program chooses: more gain little, and an interrupted run loses them
TRACED = 4  # times the memory of a walk that keeps every value and every relevance


@dataclass(frozen=True, eq=False)
class Step:
    """One node made ready.

    Attributes:
        node: the node.
        planned: its rule, and why it has that one.
        ready: the rule made ready for its layer, if that is linear and the rule has groups.
        stand_in: the ReLU whose output stands for the node's own on the way back; "" where none does.
        kept: whether its output is kept for the way back; otherwise it is made again, or another stands for it.
    """

    node: Node
    planned: Planned
    ready: PreparedRule | None
    stand_in: str
    kept: bool

    @property
    def tapes(self) -> bool:
        """Whether the way back can make use of what the forward pass leaves."""
        return self.node.layer.promises.leaves_tape and not isinstance(self.planned.rule, Universal)

    def described(self) -> str:
        """Return in words what was made ready: "edited twice, z replaced by relu1"."""
        made = [] if self.ready is None else self.ready.edits()
        times = ("", "edited once", "edited twice", *(f"edited {n} times" for n in range(3, len(made) + 1)))[len(made)]
        here = 0 if self.ready is None else len(self.ready.edited)
        anew = (
            ""
            if here == len(made)
            else f"{len(made) - here} of them anew at each call"
            if here
            else "anew at each call"
        )
        constant = "constant part of z known" if self.ready is not None and self.ready.constants else ""
        z = f"z replaced by {self.stand_in}" if self.stand_in else "" if self.kept else "made again on the way back"
        return ", ".join(filter(None, (times, anew, constant, z)))


@dataclass(frozen=True, eq=False, repr=False)
class PreparedNetwork:
    """A network made ready for one composite.

    Attributes:
        net: canonized, up to the output that is explained.
        steps: its nodes made ready, in execution order.
        plan: the rule of every node.
        composite: the composite's name.
        bias: its bias policy.
        head: what the output is made of.
        chance: name of the value that holds the output's probabilities; "" where it has none.
        above: how that value is made of values of ``net``; None where it is one of them.
        told_by: what the arrays looked like that were merged or edited, if only few were; () where nobody looks.

    Example:
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.eye(2)), ReLU(), Dense(np.eye(2)), ReLU(), Dense(np.ones((2, 1)))])
        >>> prepare(net, {"input": np.ones((1, 2))}, Question("epsilon"))
        node    layer  rule                                  made ready
        ────────────────────────────────────────────────────────────────────────
        dense1  Dense  Epsilon(epsilon=1e-06, bias_share=0)  z replaced by relu1
        relu1   ReLU   R_i = R_j
        dense2  Dense  Epsilon(epsilon=1e-06, bias_share=0)  z replaced by relu2
        relu2   ReLU   R_i = R_j
        dense3  Dense  Epsilon(epsilon=1e-06, bias_share=0)
    """

    headers: ClassVar[tuple[str, ...]] = ("node", "layer", "rule", "made ready")

    net: Network
    steps: tuple[Step, ...]
    plan: Plan
    composite: str
    bias: str
    head: Head
    chance: str = ""
    above: Network | None = None
    told_by: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        rows = [[s.node.name, type(s.node.layer).__name__, s.planned.label, s.described()] for s in self.steps]
        return tables.text(self.headers, rows)

    def probability(self, values: Mapping[str, Array]) -> Array | None:
        """Return the output's probabilities from the values of a forward pass; None where it has none.

        Exact numbers have none: a start that asks for one says so.
        """
        if values[self.net.outputs[0]].dtype.kind != "f":
            return None
        if self.above is None:
            return values[self.chance] if self.chance else None
        fed = {i.name: values[i.name] for i in self.above.inputs}
        with unwarned():
            return self.above.values(fed, check=False)[self.chance]

    def notes(self, fed: Mapping[str, Array]) -> tuple[str, ...]:
        """Return what has to be known to read the relevance of these inputs, a sentence each."""
        begins = [f"start at {self.head.text}"] if self.head.text else []
        return (*begins, *outside(self.net, self.plan, fed), *hidden(self.net, fed))

    @cached_property
    def unkept(self) -> frozenset[str]:
        """The names of values that are not kept for the way back."""
        return frozenset(step.node.name for step in self.steps if not step.kept)

    @cached_property
    def traced(self) -> dict[str, TracedNode]:
        """What a trace tells of every node: its layer, its rule, and what it reads."""
        kinds = ((s.node, s.planned.label) for s in self.steps)
        return {n.name: TracedNode(type(n.layer).__name__, label, n.inputs) for n, label in kinds}

    # -- sizes --------------------------------------------------------------------------------------------------

    def extent(self, fed: Mapping[str, Array]) -> Extent:
        """Return how much one sample of ``fed`` takes, from a pass without samples."""
        shapes = tuple((name, tuple(a.shape[1:])) for name, a in fed.items())
        found: Extent | None = self.net.cache.get(shapes)
        if found is None:
            values = self._without_samples(fed)
            self.net.cache[shapes] = found = extent(self.net, values, self.unkept)
        return found

    def output_shape(self, fed: Mapping[str, Array]) -> tuple[int, ...]:
        """Return the shape of one sample's output, from a pass without samples."""
        return tuple(self._without_samples(fed)[self.net.outputs[0]].shape[1:])

    def shapes(self, fed: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
        """Return the shape of one sample of every value of the network, from a pass without samples."""
        return {name: tuple(a.shape[1:]) for name, a in self._without_samples(fed).items()}

    def _without_samples(self, fed: Mapping[str, Array]) -> dict[str, Array]:
        """Return the values of a pass without samples, which have the shapes of all."""
        wanted = {i.name: fed[i.name] for i in self.net.inputs}
        try:
            return self.net.values({name: a[:0] for name, a in wanted.items()}, check=False)
        except ShapeError:
            # An error that names the shape of no samples would be puzzling: that of one is what the caller gave.
            self.net.values({name: a[:1] for name, a in wanted.items()}, check=False)
            raise

    def divided(self, fed: Mapping[str, Array], *, whole: bool) -> Divided:
        """Return what threads should divide of the explanation of ``fed``; ``whole``: of all samples at once."""
        n, like = _samples(fed), self.net.like(fed)
        if not isinstance(like, np.ndarray) or like.dtype == object:
            return Divided.NOTHING
        return self.extent(fed).divided(n, like.itemsize, whole=whole)

    def samples(self, fed: Mapping[str, Array], threads: int, walks: int = 1) -> int:
        """Return how many samples of ``fed`` each thread takes at a time; ``walks``: passes that it keeps of each."""
        n, like = _samples(fed), self.net.like(fed)
        if n <= 1 or namespace(like).__name__ == "cupy":
            return max(n, 1)
        return self.extent(fed).samples(n, like.dtype.itemsize * walks, threads)

    def batch(self, fed: Mapping[str, Array], *, whole: bool) -> int:
        """Return how many samples like those of ``fed`` fill the working memory; ``whole`` if it keeps all values."""
        one = self.extent(fed).numbers * self.net.like(fed).dtype.itemsize * (TRACED if whole else 1)
        return int(max(1, min(WORKING_BYTES // max(one, 1), MOST_SAMPLES)))


def _samples(fed: Mapping[str, Array]) -> int:
    return len(next(iter(fed.values())))


# Making ready ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Question:
    """How a network is to be explained, whatever its inputs are.

    Attributes:
        composite: in any form that :func:`lrp_ref.explain` takes.
        output: which of the network's outputs, by its place.
        canonize: whether BatchNorm is merged, and a final softmax or sigmoid left out.
        start: a name, a ``Start`` or an array; None for the logit, or the output where there is none.
    """

    composite: Any = "epsilon"
    output: int = 0
    canonize: bool = True
    start: Any = None


def prepare(net: Network, fed: Mapping[str, Array], question: Question) -> PreparedNetwork:
    """Return a network made ready, if possible from an earlier call.

    Args:
        net: the network.
        fed: its checked inputs, as :meth:`Network.feed` returns them.
        question: what is asked.

    Raises:
        ParameterError: the start speaks of logits, and the output has none.
    """
    chosen, begin = composites.resolve(question.composite), find(question.start)
    leave_out = question.canonize and not (isinstance(begin, Start) and begin.keeps_head)
    shapes = tuple((name, a.dtype, a.shape[1:]) for name, a in fed.items())
    key = (chosen, question.output, question.canonize, leave_out, shapes)
    prepared: PreparedNetwork | None = net.cache.pop(key, None)
    if prepared is not None and prepared.told_by and prepared.told_by != _fingerprint(_sources(net, prepared)):
        prepared = None
    made_anew = prepared is None
    if prepared is None:
        prepared = _made(net, fed, replace(question, composite=chosen), leave_out)
    if leave_out and isinstance(begin, Start) and begin.of_logits and prepared.head.lost:
        _refuse(begin, prepared.head)
    if made_anew:
        known = {id(p) for p in net.parameters}
        size = sum({id(a): a.nbytes for a in cached_arrays(prepared) if id(a) not in known}.values())
        if size > CACHED_BYTES:
            bare_rules = [s if s.ready is None else replace(s, ready=s.ready.without_arrays()) for s in prepared.steps]
            return replace(prepared, steps=tuple(bare_rules))
        if 0 < size < WORTH_BYTES:
            sources = _sources(net, prepared)
            if sum(a.nbytes for a in sources) > SOURCE_BYTES or not all(isinstance(a, np.ndarray) for a in sources):
                return prepared
            prepared = replace(prepared, told_by=_fingerprint(sources))
    net.keep(key, prepared, most=4)
    return prepared


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


def _made(net: Network, fed: Mapping[str, Array], question: Question, leave_out: bool) -> PreparedNetwork:
    """Return the network made ready; ``leave_out`` says whether explanations start below a final sigmoid or softmax."""
    chosen: Composite = question.composite
    bared, net = _bared(net.like_input(fed).batch_first(), fed, question, leave_out)
    _require_receiver(net, fed)
    count = len(bared.heads)
    chance = next(iter(bared.net.outputs[count:]), "")
    head = bared.heads[question.output] if leave_out else replace(bared.heads[question.output], text="")
    plan = chosen.plan(net, check_names=False)
    above = _above(bared.net, net, chance)
    steps = _steps(net, plan, fed, _looked_at(net, above))
    steps = _kept(net, steps, {chance, *_looked_at(net, above)})
    if head.text:
        plan = Plan(plan, note=f"start at {head.text}")
    return PreparedNetwork(net, steps, plan, chosen.name, chosen.bias, head, chance, above)


def _require_receiver(net: Network, fed: Mapping[str, Array]) -> None:
    """Raise unless an input that receives relevance has a part in the output that is explained."""
    read = {name for node in net.nodes for name in node.inputs}
    if not any(name in read and net.receives(name, array) for name, array in fed.items()):
        raise BackendError(
            f"output '{net.outputs[0]}' holds integers of the input that are moved and not computed with: nothing "
            "receives relevance from it"
        )


def _bared(net: Network, fed: Mapping[str, Array], question: Question, leave_out: bool) -> tuple[Bare, Network]:
    """Return the whole network canonized as the question says, and its part up to the output that is explained."""
    # Canonizing may rename the outputs, never reorder them; the sizes of the inputs are known now.
    sized = replace(net, inputs=tuple(replace(i, shape=(None, *fed[i.name].shape[1:])) for i in net.inputs))
    chance, count = question.output, len(net.outputs)
    if question.canonize:
        counts = frozenset(name for name, array in fed.items() if not net.receives(name, array))
        bared = canonized(sized, leave_out=leave_out, chance=chance, counts=counts)
    else:
        bared = bare(net, leave_out=False, chance=chance)
    question.composite.check_names(bared.net.until(bared.net.outputs[:count]), net)
    return bared, bared.net.until(bared.net.outputs[question.output])


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


def _looked_at(net: Network, above: Network | None) -> set[str]:
    """Return the names of values that are read from outside: the outputs, and what makes the probabilities."""
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    return {*net.outputs, *(() if above is None else (owner(i.name, names) for i in above.inputs))}


def _steps(net: Network, plan: Plan, fed: Mapping[str, Array], looked_at: set[str]) -> tuple[Step, ...]:
    """Return the nodes made ready, all of them kept."""
    rules = [_prepared(n, p.rule, f) for n, p, f in zip(net.nodes, plan, facts(net, plan), strict=True)]
    sizes = [sum(a.nbytes for a in n.layer.arrays()) for n in net.nodes]
    edited = sum(size for size, ready in zip(sizes, rules, strict=True) if ready is not None and ready.edits())
    left = min(CACHED_BYTES, int(EDITED_PART * edited))
    replaced = _replaced(net, plan, rules, looked_at)
    steps = []
    for node, planned, ready, size in zip(net.nodes, plan, rules, sizes, strict=True):
        if ready is not None:
            fit = ready.edits()[: left // max(size, 1)]
            left -= len(fit) * size
            try:
                ready = _with_constants(ready.with_edited(fit), node, fed)
            except LrpError as error:
                raise error.at(node.name) from error
        steps.append(Step(node, planned, ready, replaced.get(node.name, ""), True))
    return tuple(steps)


def _prepared(node: Node, rule: AnyRule | None, here: Facts) -> PreparedRule | None:
    """Return the rule of groups that a node's linear layer has; None for another layer or rule."""
    if not isinstance(node.layer, Linear):
        return None
    rule = node.layer.default() if rule is None else rule
    return PreparedRule(node.layer, rule, here) if isinstance(rule, Rule) else None


def _with_constants(ready: PreparedRule, node: Node, fed: Mapping[str, Array]) -> PreparedRule:
    """Return the rule with its constant part of z, where the node reads inputs, whose shapes are known."""
    xs = tuple(fed[name] for name in node.inputs if name in fed)
    if len(xs) < len(node.inputs) or any(x.dtype.kind != "f" for x in xs):
        return ready
    return ready.with_constants(tuple(namespace(x).zeros((1, *x.shape[1:]), dtype=x.dtype) for x in xs))


def _replaced(net: Network, plan: Plan, rules: Iterable[PreparedRule | None], looked_at: set[str]) -> dict[str, str]:
    """Return the values z of layers for which max(z, 0) does on the way back, and the ReLU that makes it.

    Only that ReLU reads z. Of a layer that passes relevance on unchanged nothing but the shape of z matters. Of a
    linear layer with a rule of groups no relevance arrives where z ≤ 0: a denominator that is 0 there as well, and a
    gate that is closed, change nothing.
    """
    readers: dict[str, list[tuple[Node, AnyRule | None]]] = {}
    for node, planned in zip(net.nodes, plan, strict=True):
        for name in node.inputs:
            readers.setdefault(name, []).append((node, planned.rule))
    replaced = {}
    for node, planned, ready in zip(net.nodes, plan, rules, strict=True):
        read = readers.get(node.name, [])
        if len(read) != 1 or node.name in looked_at:
            continue
        reader, passes = read[0]
        if not reader.layer.promises.rectifies or passes is not None:
            continue
        if type(planned.rule) is Pass or (ready is not None and _ignores_negative(ready)):
            replaced[node.name] = reader.name
    return replaced


def _ignores_negative(ready: PreparedRule) -> bool:
    """Return whether outputs ≤ 0 might as well be 0: none has relevance, and no stabiliser looks at all of a sample."""
    return ready.facts.active and all(group.stabiliser.kind != "relative" for group in ready.rule.groups)


def _kept(net: Network, steps: tuple[Step, ...], wanted: set[str]) -> tuple[Step, ...]:
    """Return the steps with those not kept whose value another stands for, or one cheap layer makes again."""
    wanted = {*wanted, *(step.stand_in for step in steps)}
    cheap = {n.name for n in net.nodes if n.layer.promises.cheap and n.name not in wanted}
    again = {n.name for n in net.nodes if n.name in cheap and n.inputs[0] not in cheap}
    return tuple(replace(step, kept=not (step.stand_in or step.node.name in again)) for step in steps)


def cached_arrays(prepared: PreparedNetwork) -> list[Array]:
    """Return the parameters of the network and of all edited layers, and what is constant in denominators."""
    rules = [step.ready for step in prepared.steps if step.ready is not None]
    layers = [layer for ready in rules for layer in ready.edited.values()]
    parameters = [a for layer in layers if isinstance(layer, Linear) for a in layer.arrays()]
    return [*prepared.net.parameters, *parameters, *(a for ready in rules for a in ready.constants.values())]


def _sources(net: Network, prepared: PreparedNetwork) -> list[Array]:
    """Return the network's parameters that something else was made of: merged, edited, or constant in denominators."""
    kept = {id(a) for a in prepared.net.parameters}
    ready = [s for s in prepared.steps if s.ready is not None and (s.ready.edited or s.ready.constants)]
    return [*(a for a in net.parameters if id(a) not in kept), *(a for s in ready for a in s.node.layer.arrays())]


def _fingerprint(arrays: Iterable[Array]) -> tuple[Any, ...]:
    """Return what tells whether somebody wrote into the arrays; exact numbers tell by themselves."""
    return tuple(tuple(a.flat) if a.dtype == object else hash(a.tobytes()) for a in arrays)
