"""How values are read, from the inputs up: which come out of a sigmoid or softmax, and what their logits are.

The table is in :mod:`lrp_ref.network.heads`. A reading emits the nodes that make an equivalent head of the logits;
those that nobody asks for are left behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..layers import (
    Add,
    Affine,
    Bilinear,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Exp,
    GlobalMaxPool,
    HardSigmoid,
    Identity,
    Layer,
    Log,
    MaxPool,
    Multiply,
    Pad,
    RecurrentLayer,
    ReLU,
    Route,
    Sigmoid,
    Softmax,
    Tanh,
)
from .network import Network, Node, owner

WEIGHTED = (Dense, Conv, ConvTranspose, RecurrentLayer)  # what comes out of them is a number like any other
ENDS = (Sigmoid, HardSigmoid, Softmax)
RISING = (Identity, Clip, ReLU, Exp, Log, Tanh)  # they keep the order of probabilities
RAW, SIGMOID, SOFTMAX = "raw", "sigmoid", "softmax"


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of a value.

    Attributes:
        kinds: as in :class:`Head`.
        logit: name of the value to start at.
        activation: the layer that makes the probability of the logit, if one layer does.
        chance: else the name of the value that holds the probability.
        ends: the nodes with sigmoid or softmax.
        over: nodes above them that are left out with them.
        scale, offset: the value is scale·probability + offset, the same for all elements.
        curved: it is not, but some rising function of the probability.
        negated: whether 1 − σ(z) is among it.
        lost: why there is no logit, or "".
        pure: whether it is computed from probabilities alone, also where the logit is lost.
    """

    kinds: frozenset[str]
    logit: str
    activation: Layer | None = None
    chance: str = ""
    ends: tuple[Node, ...] = ()
    over: tuple[Node, ...] = ()
    scale: Any = 1
    offset: Any = 0
    curved: bool = False
    negated: bool = False
    lost: str = ""
    pure: bool = False

    @property
    def found(self) -> bool:
        """Whether every number comes out of a sigmoid or softmax, and the logits are known."""
        return not self.lost and RAW not in self.kinds

    @property
    def plain(self) -> bool:
        """Whether it is a value like any other."""
        return not self.lost and self.kinds == {RAW}


class Reader:
    """Reads every value of a network, first to last, and emits the nodes of equivalent heads.

    Attributes:
        new: the emitted nodes, in order; their names are provisional.
        origins: provisional name → name of the node that it stands for.
        signs: emitted Affines that only turn signs.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        self.new: list[Node] = []
        self.origins: dict[str, str] = {}
        self.signs: list[str] = []
        self.names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
        self.readings: dict[str, Reading] = {}
        for node in net.nodes:
            self.readings[node.name] = self._read(node)

    def of(self, name: str) -> Reading:
        """Return the reading of a value."""
        found = self.readings.get(owner(name, self.names))
        if found is None or found.plain:
            return _raw(name)
        index = name[len(owner(name, self.names)) :]
        if index and not found.lost:  # one of several outputs, of a Split
            return replace(found, logit=found.logit + index, chance=found.chance and found.chance + index)
        return found

    def emit(self, layer: Layer, inputs: tuple[str, ...], origin: str) -> str:
        """Append a node that stands for ``origin``, and return its provisional name."""
        name = f"{origin} «{len(self.new)}»"
        self.new.append(Node(name, layer, inputs))
        self.origins[name] = origin
        return name

    def chance(self, r: Reading) -> str:
        """Return the name of the value that holds the probabilities of a reading; "" where it has none."""
        if r.lost or r.activation is None:
            return "" if r.lost else r.chance
        return self.emit(r.activation, (r.logit,), r.ends[-1].name)

    def _read(self, node: Node) -> Reading:
        layer, parts = node.layer, [self.of(name) for name in node.inputs]
        if isinstance(layer, WEIGHTED) or (all(r.plain for r in parts) and not isinstance(layer, ENDS)):
            return _raw(node.name)
        first = parts[0]
        if isinstance(layer, ENDS):
            return self._end(node, first)
        if isinstance(layer, Add) and any(r.plain for r in parts):
            return _raw(node.name)
        if isinstance(layer, Multiply) and self._gates_itself(node):
            return _raw(node.name)
        if isinstance(layer, Bilinear) and any(r.plain for r in parts):
            weighted = all(r.plain or ((r.found or r.pure) and r.kinds == {SOFTMAX}) for r in parts)
            return _raw(node.name) if weighted else _lost(node, parts)
        if any(r.lost for r in parts):
            return _lost(node, parts)
        if isinstance(layer, Concat):
            return self._joined(node, parts)
        if isinstance(layer, Identity):
            return first
        if isinstance(layer, Route) and not _pads(layer):
            return self._moved(node, first)
        if isinstance(layer, MaxPool | GlobalMaxPool) and first.kinds == {SIGMOID}:
            return self._moved(node, first)
        if isinstance(layer, RISING) and first.found:
            # A clip only bends the ends, so that 1 − clip(σ) still is what it looks like.
            return replace(first, over=(*first.over, node), curved=first.curved or not isinstance(layer, Clip | ReLU))
        if isinstance(layer, Affine) and first.found:
            return self._affine(node, first) or _lost(node, parts)
        return _lost(node, parts)

    def _gates_itself(self, node: Node) -> bool:
        """Whether a product is an activation z·σ(z) or z·σ(βz) (SiLU, Hardswish) written out: no head, but a number."""
        nodes = {n.name: n for n in self.net.nodes}
        for gate, signal in (node.inputs, node.inputs[::-1]):
            end = nodes.get(gate)
            if end is None or not isinstance(end.layer, Sigmoid | HardSigmoid):
                continue
            before = nodes.get(end.inputs[0])
            scaled = before is not None and isinstance(before.layer, Affine) and before.layer.shift is None
            if signal in (end.inputs[0], before.inputs[0] if scaled and before is not None else None):
                return True
        return False

    def _end(self, node: Node, inner: Reading) -> Reading:
        """Read a sigmoid or softmax: of logits, or of what is a probability already."""
        layer, (source,) = node.layer, node.inputs
        soft = isinstance(layer, Softmax)
        chance = node.name
        if isinstance(layer, Softmax) and layer.log:
            chance = self.emit(replace(layer, log=False), (source,), node.name)
        if inner.found:
            return replace(
                inner, activation=None, chance=chance, ends=(*inner.ends, node), curved=True,
                kinds=frozenset({SOFTMAX}) if soft else inner.kinds,
            )  # fmt: skip
        return Reading(
            frozenset({SOFTMAX if soft else SIGMOID}), source, None if soft else layer, chance, (node,),
            curved=isinstance(layer, Softmax) and layer.log,
        )  # fmt: skip

    def _moved(self, node: Node, r: Reading) -> Reading:
        """Read a node that moves values of one operand."""
        logit = self.emit(node.layer, (r.logit,), node.name)
        if r.activation is not None:
            return replace(r, logit=logit)
        return replace(r, logit=logit, chance=self._again(node, (r.chance,)))

    def _again(self, node: Node, chances: tuple[str, ...]) -> str:
        """Return what the node makes of probabilities instead of its inputs; "" where some have none."""
        if not all(chances):
            return ""
        return node.name if chances == node.inputs else self.emit(node.layer, chances, node.name)

    def _joined(self, node: Node, parts: list[Reading]) -> Reading:
        """Read a concatenation, also of logits and other numbers."""
        first = parts[0]
        one = all(r.activation is not None and r.activation == first.activation for r in parts)
        alike = all((r.scale, r.offset, r.curved) == (first.scale, first.offset, False) for r in parts)
        return Reading(
            frozenset().union(*(r.kinds for r in parts)),
            self.emit(node.layer, tuple(r.logit for r in parts), node.name),
            activation=first.activation if one else None,
            chance="" if one else self._again(node, tuple(map(self._part, parts))),
            ends=_unique(n for r in parts for n in r.ends),
            over=_unique(n for r in parts for n in r.over),
            scale=first.scale if alike else 1,
            offset=first.offset if alike else 0,
            curved=not alike,
            negated=any(r.negated for r in parts),
        )

    def _part(self, r: Reading) -> str:
        """Return the probabilities of a part of a concatenation; NaN stands where there is none."""
        like = next(iter(self.net.parameters), None)
        if not r.plain or like is None or like.dtype == object:
            return self.chance(r)
        zero = namespace(like).zeros((1,), dtype=like.dtype)
        return self.emit(Affine(zero, zero + math.nan), (r.logit,), "none")

    def _affine(self, node: Node, r: Reading) -> Reading | None:
        """Read scale·p + shift, which is rising or falling in the logit, or None if it mixes up the elements' order."""
        layer = node.layer
        assert isinstance(layer, Affine)
        given = [p for p in (layer.scale, layer.shift) if p is not None]
        if len({p.shape for p in given if math.prod(p.shape) != 1}) > 1:
            return None
        largest = max(given, key=lambda p: (math.prod(p.shape), p.ndim))
        one = largest * scalar(0, largest) + scalar(1, largest)
        factor = one if layer.scale is None else one * layer.scale
        offset = factor * scalar(r.offset, largest) + (scalar(0, largest) if layer.shift is None else layer.shift)
        factor = factor * scalar(r.scale, largest)
        rising = factor > scalar(0, largest)
        size = namespace(largest).abs(factor)
        if not bool((size > scalar(0, largest)).all()):
            return None
        if not r.curved:  # scale·p + offset with a scale below 0 is |scale|·(1 − p) + what is left
            offset = offset - namespace(largest).where(rising, scalar(0, largest), size)
        if not _uniform(size) or not _uniform(offset) or (r.curved and not _uniform(rising)):
            return None
        state = (1, 0) if r.curved else (size.reshape(-1)[0], offset.reshape(-1)[0])
        same = replace(r, over=(*r.over, node), scale=state[0], offset=state[1])
        if bool(rising.all()) and math.prod(largest.shape) == 1:
            return same
        return self._signed(node, same, rising, largest)

    def _signed(self, node: Node, r: Reading, rising: Array, like: Array) -> Reading | None:
        """Turn the logits' signs where a probability p has become 1 − p."""
        xp, falls = namespace(like), not bool(rising.all())
        if falls and SOFTMAX in r.kinds:
            return None
        sign = xp.where(rising, scalar(1, like), scalar(-1, like)).astype(like.dtype)
        less = xp.where(rising, scalar(0, like), scalar(1, like)).astype(like.dtype)
        logit = self.emit(Affine(sign), (r.logit,), node.name)
        self.signs.append(logit)
        activation = r.activation
        if isinstance(activation, HardSigmoid) and falls:
            turned = replace(activation, beta=1 - activation.beta)  # 1 − h(z) = h'(−z)
            if turned != activation and bool(rising.any()):
                return None
            activation = turned
        over = r.over[:-1] if falls else r.over  # it is not left out: its sign stays
        r = replace(r, logit=logit, activation=activation, negated=r.negated or falls, over=over)
        if activation is not None or not r.chance:
            return r
        return replace(r, chance=self.emit(Affine(sign, less), (r.chance,), node.name))


def _raw(name: str) -> Reading:
    return Reading(frozenset({RAW}), name)


def _lost(node: Node, parts: list[Reading]) -> Reading:
    """Return the reading of a value above a sigmoid or softmax from which no logit can be told."""
    ends = _unique(n for r in parts for n in r.ends)
    why = next((r.lost for r in parts if r.lost), "")
    why = why or f"{described(node)} is computed from {listed(ends)}"
    pure = all(r.found or r.pure for r in parts)
    kinds = frozenset().union(*(r.kinds for r in parts)) if pure else frozenset()
    return Reading(kinds, node.name, ends=ends, lost=why, pure=pure)


def _unique(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple({n.name: n for n in nodes}.values())


def _uniform(array: Array) -> bool:
    flat = array.reshape(-1)
    return bool((flat == flat[0]).all())


def _pads(layer: Route) -> bool:
    """Whether a route adds numbers of its own, or looks at another operand."""
    return isinstance(layer, Pad) and layer.mode == "constant" and any(n > 0 for pair in layer.amounts for n in pair)


def described(node: Node) -> str:
    """Return what a node is, and its name: "sigmoid 'act'"."""
    words = {Sigmoid: "sigmoid", HardSigmoid: "hard sigmoid", Softmax: "softmax"}
    return f"{words.get(type(node.layer), type(node.layer).__name__)} '{node.name}'"


def listed(nodes: tuple[Node, ...]) -> str:
    """Return several nodes as text."""
    *most, last = map(described, nodes)
    return f"{', '.join(most)} and {last}" if most else last
