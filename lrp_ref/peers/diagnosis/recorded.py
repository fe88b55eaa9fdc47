"""What another program recorded, as a walk in which every node is judged by what arrived at it there.

A value is judged by what the node reads in the other program's trace, a relevance by what arrived there at the outputs
of the nodes that read it: so that one node's departure is not seen again at all the nodes after it. Names that the
other program does not show are computed from those that it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ...base.arrays import to_numpy, unwarned
from ...errors import LrpError, ParameterError
from ...layers import Layer, Linear
from ...network.network import Network, Node, owner, value_name
from ...propagation.differences import precision
from ...propagation.trace import Trace
from ...rules.rule import AnyRule
from .agreement import EPS, Limits, shaken

Array = np.ndarray[Any, Any]
Rules = Mapping[str, "AnyRule | None"]
PERTURBED = 2  # random perturbations from which the rounding of a prediction is estimated


class Recorded:
    """The other program's numbers on the nodes of a network, in float64.

    Args:
        network: its nodes are those of both traces.
        rules: node → rule as it was asked for; None, or no entry, for the layer's own way.
        ours: this package's trace; it gives the inputs and the start where the other one does not show them.
        theirs: the other program's trace, by the same names.
        tolerance: relative difference from which on numbers depart; None for that of their dtype.
    """

    def __init__(self, network: Network, rules: Rules, ours: Trace, theirs: Trace, tolerance: float | None) -> None:
        def double(array: Any) -> Any:
            array = to_numpy(array)
            return array.astype(np.float64) if array.dtype.kind == "f" else array

        self.network: Network = network.map_arrays(double)
        self.rules = {node.name: rules.get(node.name) for node in network.nodes}
        self.nodes = {node.name: node for node in self.network.nodes}
        own, other = ours.to_numpy(), theirs.to_numpy()
        self.given = {name: double(array) for name, array in other.values.items()}
        self.relevance = {name: double(array) for name, array in other.relevance.items()}
        self.start = {name: double(own.relevance[name]) for name in self.network.outputs if name in own.relevance}
        self.limits = {
            (kind, name): Limits.of(precision(array, mine[name]) if name in mine else precision(array), tolerance)
            for kind, mine, theirs in (
                ("value", own.values, other.values),
                ("relevance", own.relevance, other.relevance),
            )
            for name, array in theirs.items()
        }
        self.layers: dict[str, Layer] = {}  # layers as the other program computes them, where that is known
        self.values: dict[str, Any] = {}
        for source in self.network.inputs:
            found = self.given.get(source.name)
            if found is None and source.name not in own.values:
                raise ParameterError(f"neither trace has the values of the input '{source.name}'")
            self.values[source.name] = double(own.values[source.name]) if found is None else found

    def layer(self, node: Node) -> Layer:
        """Return a node's layer, as the other program computes it where that is known."""
        return self.layers.get(node.name, node.layer)

    # Names ---------------------------------------------------------------------------------------------------------

    @cached_property
    def readers(self) -> dict[str, list[tuple[Node, int]]]:
        """Name → the nodes that read it, each with the operand, in the order of execution."""
        found: dict[str, list[tuple[Node, int]]] = {}
        for node in self.network.nodes:
            for k, name in enumerate(node.inputs):
                found.setdefault(name, []).append((node, k))
        return found

    def outputs(self, node: str) -> list[str]:
        """Return the names of a node's outputs; the forward pass has to be there."""
        names = [node]
        while (more := value_name(node, len(names))) in self.values:
            names.append(more)
        return names

    @property
    def back(self) -> list[str]:
        """The names at which relevance was recorded, in the order in which a walk back completes them."""
        order = [i.name for i in self.network.inputs]
        order += [name for node in self.network.nodes for name in self.outputs(node.name)]
        return [name for name in reversed(order) if name in self.relevance]

    # Forward -------------------------------------------------------------------------------------------------------

    def forward(self, node: Node, changes: Mapping[str, Layer]) -> tuple[Array, ...]:
        """Return a node's outputs from what the other program shows above it.

        Args:
            node: the node.
            changes: node → layer in its place.
        """
        xs = tuple(self._read(name, changes) for name in node.inputs)
        with unwarned():
            made = changes.get(node.name, self.layer(node)).forward(*xs)
        return made if isinstance(made, tuple) else (made,)

    def _read(self, name: str, changes: Mapping[str, Layer]) -> Array:
        node = owner(name, self.nodes)
        value: Array = self.values[name]
        if name in self.given or not changes.keys() & self.unseen(name):
            return value
        place = 0 if name == node else int(name.rpartition(":")[2])
        return self.forward(self.nodes[node], changes)[place]

    def unseen(self, name: str) -> frozenset[str]:
        """Return the nodes between a value and those above it that the other program shows, itself among them."""
        node = owner(name, self.nodes)
        if node not in self.nodes:
            return frozenset()
        found = {node}
        for read in self.nodes[node].inputs:
            if read not in self.given:
                found |= self.unseen(read)
        return frozenset(found)

    # Back ----------------------------------------------------------------------------------------------------------

    def cone(self, name: str) -> Cone:
        """Return what hands relevance to a name."""
        return Cone(self, name)

    def shaken(self, seed: int, dtype: str) -> Recorded:
        """Return the same with every value off by its rounding, for seeing what that does to a prediction."""
        other: Recorded = object.__new__(Recorded)
        other.__dict__.update(self.__dict__)
        other.values = {name: shaken(a, seed, 4 * EPS[dtype]) for name, a in self.values.items()}
        return other


class Cone:
    """The nodes between a name and the relevances that were recorded above it, and what they hand to the name.

    Attributes:
        name: of the value whose relevance is predicted.
        nodes: whose rules have a part in it, in the order of the walk back.
        direct: the nodes that read the value itself, each with the operand.
        window: the part of the value that is predicted.
    """

    def __init__(self, recorded: Recorded, name: str, window: tuple[slice, ...] = ()) -> None:
        self.recorded, self.name, self.window = recorded, name, window
        self.direct = recorded.readers.get(name, [])
        self._above: dict[str, frozenset[str]] = {}
        for node, _ in self.direct:
            self._reach(node)
        self.nodes = [n for n in reversed(recorded.network.nodes) if n.name in self._above]
        self._done: dict[str, tuple[Array, ...]] = {}

    def _reach(self, node: Node) -> frozenset[str]:
        if node.name not in self._above:
            found = {node.name}
            self._above[node.name] = frozenset(found)
            names = self.recorded.outputs(node.name)
            if not any(n in self.recorded.relevance for n in names):
                for name in names:
                    for reader, _ in self.recorded.readers.get(name, []):
                        found |= self._reach(reader)
            self._above[node.name] = frozenset(found)
        return self._above[node.name]

    def arrived(self, node: Node, changes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Return the relevance of a node's outputs: as it was recorded, else as it is predicted."""
        recorded, found = self.recorded, []
        names = recorded.outputs(node.name)
        known = any(n in recorded.relevance for n in names)
        for name in names:
            if name in recorded.relevance:
                found.append(recorded.relevance[name])
                continue
            total = recorded.start.get(name, np.zeros(recorded.values[name].shape))
            if not known:
                for reader, k in recorded.readers.get(name, []):
                    total = total + self.handed(reader, changes)[k]
            found.append(total)
        return tuple(found)

    def handed(self, node: Node, changes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Return the relevance that a node hands to each of its operands.

        Args:
            node: the node.
            changes: node → rule in the place of that which was asked for.
        """
        unchanged = not self._above[node.name] & changes.keys()
        if unchanged and node.name in self._done:
            return self._done[node.name]
        rule = changes.get(node.name, self.recorded.rules[node.name])
        xs = tuple(self.recorded.values[name] for name in node.inputs)
        handed = redistributed(self.recorded.layer(node), xs, self.arrived(node, changes), rule)
        if unchanged:  # only what is asked for again and again: the layers may be large
            self._done[node.name] = handed
        return handed

    def contributions(self, changes: Mapping[str, Any]) -> list[Array]:
        """Return what each reader hands to the value, in the order of ``direct``."""
        return [self.handed(node, changes)[k][self.window] for node, k in self.direct]

    @property
    def value(self) -> Array:
        """The value itself."""
        found: Array = self.recorded.values[self.name][self.window]
        return found

    def predict(self, changes: Mapping[str, Any]) -> Array:
        """Return the relevance of the value; ``changes``: node → rule in the place of that which was asked for."""
        total = self.recorded.start.get(self.name, 0)
        for part in self.contributions(changes):
            total = total + part
        return np.asarray(total)

    def noise(self, dtype: str) -> Array:
        """Return by how much rounding can change the plain prediction, relative to each sample's largest (N,)."""
        plain = self.predict({})
        worst = np.zeros(len(plain))
        for seed in range(PERTURBED):
            try:
                other = self.recorded.shaken(seed, dtype).cone(self.name).predict({})
            except LrpError:
                continue
            with unwarned():
                gap = np.abs(other - plain).reshape(len(plain), -1).max(axis=1, initial=0.0)
            worst = np.maximum(worst, np.where(np.isfinite(gap), gap, 0.0))
        return worst


def redistributed(layer: Layer, xs: tuple[Array, ...], arrived: tuple[Array, ...], rule: Any) -> tuple[Array, ...]:
    """Return what a layer hands to its operands; nothing where nothing arrives at a layer that has no rule."""
    ruled = rule is not None or layer.own_rule is not None or isinstance(layer, Linear)
    if not ruled and not any(r.any() for r in arrived):
        return tuple(np.zeros(x.shape) for x in xs)
    with unwarned():
        shared = layer.redistribute(
            xs if len(xs) > 1 else xs[0], arrived if len(arrived) > 1 else arrived[0], rule
        ).only(layer.takes(xs))
    return tuple(np.broadcast_to(np.asarray(r), x.shape) for r, x in zip(shared.relevances, xs, strict=True))
