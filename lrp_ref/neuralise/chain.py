"""Networks of named layers, as all rewritten models are: what they are explained with, and what stands before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..base.arrays import Array
from ..layers import Centred, Dense, Layer
from ..network import pairs
from ..network.inputs import Input
from ..network.joining import join
from ..network.network import Network, Node

COMPOSITE = "lrp0"  # every layer has its own exact way, and a dense one LRP-0
Named = tuple[str, Layer]


def chain(layers: Sequence[Named], *, features: int | None = None, notes: Sequence[str] = ()) -> Network:
    """Return a chain of named layers that LRP-0 explains unless another composite is asked for.

    Args:
        layers: (name, layer) pairs, of which the first reads the input.
        features: D, where it is known: the input is then (N, D).
        notes: sentences for whoever reads the results.

    Example:
        >>> import numpy as np
        >>> chain([("scores", Dense(np.eye(2)))], features=2).inputs[0].described()
        'any × 2'
    """
    net = Network.sequential(layers)
    return as_rewritten(net, features=features, notes=notes)


def as_rewritten(net: Network, *, features: int | None = None, notes: Sequence[str] = ()) -> Network:
    """Return a network of one input with what all rewritten models have: composite, size of the input, notes."""
    inputs = net.inputs if features is None else (replace(net.inputs[0], shape=(None, features)),)
    return replace(net, inputs=inputs, notes=(*net.notes, *notes), composite=COMPOSITE)


def behind(layers: Sequence[Named], net: Network, *, features: int | None = None, notes: Sequence[str] = ()) -> Network:
    """Return a network that reads what some layers make of the input.

    Args:
        layers: (name, layer) pairs, possibly none.
        net: of one input.
        features, notes: as of :func:`chain`; the notes come before the network's own.
    """
    spec = Input(net.inputs[0].name, None if features is None else (None, features))
    if not layers:
        spec = net.inputs[0] if features is None else spec
        return replace(net, inputs=(spec,), notes=(*notes, *net.notes))
    front = Network.sequential(list(layers), input_name=spec.name)
    whole = join(front, replace(net, notes=()))
    return replace(whole, inputs=(spec,), notes=(*notes, *net.notes), composite=net.composite)


def side_by_side(nets: Sequence[Network], layer: Layer, name: str) -> Network:
    """Return a network that computes several of the same input, and a layer of all their outputs.

    Args:
        nets: of one input and one output each.
        layer: of as many operands.
        name: of its node.
    """
    spec, nodes, ends = nets[0].inputs[0], list[Node](), list[str]()
    for k, net in enumerate(nets):
        new = {net.inputs[0].name: spec.name} | {node.name: f"{node.name}_{k}" for node in net.nodes}
        nodes += [Node(new[node.name], node.layer, tuple(new[n] for n in node.inputs)) for node in net.nodes]
        ends.append(new[net.outputs[0]])
    nodes.append(Node(name, layer, tuple(ends)))
    return Network(tuple(nodes), (spec,), (name,), composite=COMPOSITE)


def merged(net: Network, *, dense: bool = True) -> Network:
    """Return the network in which layers, one behind the other, that are one layer are one.

    That are two scalers with references, two scales with shifts, and, if ``dense``, a dense layer with what is a scale
    or a dense layer. The node of a dense layer keeps its name, of two dense layers that of the second, of two others
    that of the first.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Affine
        >>> scale, weight = Affine(np.array([2.0]), np.array([1.0])), Dense(np.array([[1.0]]))
        >>> one = merged(chain([("scaler", scale), ("scores", weight)]))
        >>> one.nodes, one["scores"].layer.bias
        ((Node(name='scores', layer=Dense(weight=float64[1, 1], bias=float64[1]), inputs=('input',)),), array([1.]))
    """
    kept: list[Node] = []
    new: dict[str, str] = {}
    for given in net.nodes:
        node = replace(given, inputs=tuple(new.get(name, name) for name in given.inputs))
        last = kept[-1] if kept else None
        alone = last is not None and node.inputs == (last.name,) and len(net.consumers(_was(new, last.name))) == 1
        pair = together(last.layer, node.layer, dense=dense) if alone and last is not None else None
        if pair is not None and last is not None:
            name = node.name if isinstance(node.layer, Dense) else last.name
            new = {old: name if now == last.name else now for old, now in new.items()}
            new |= {node.name: name, last.name: name}
            node = Node(name, pair, last.inputs)
            kept.pop()
        kept.append(node)
    return replace(net, nodes=tuple(kept), outputs=tuple(new.get(name, name) for name in net.outputs))


def _was(new: dict[str, str], name: str) -> str:
    """Return the last of the nodes that have become the node of a name: who reads it, reads its value."""
    return next((old for old, now in reversed(new.items()) if now == name), name)


def together(first: Layer, second: Layer, *, dense: bool) -> Layer | None:
    """Return the layer that two are, one behind the other, or None; see :func:`merged`."""
    if isinstance(first, Centred) and isinstance(second, Centred):
        shift = second.reference if first.scale is None else second.reference / first.scale
        return Centred(first.reference + shift, _product(first.scale, second.scale))
    if isinstance(first, Dense) and isinstance(second, Dense):
        if not dense:
            return None
        carried = None if first.bias is None else first.bias @ second.weight
        return Dense(first.weight @ second.weight, _sum(carried, second.bias))
    if not dense and (isinstance(first, Dense) or isinstance(second, Dense)):
        return None
    features = len(first.weight) if isinstance(first, Dense) else None
    return pairs.merged(first, second, lambda: (None, features), "two layers")


def _product(a: Array | None, b: Array | None) -> Array | None:
    return a if b is None else b if a is None else a * b


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return a if b is None else b if a is None else a + b
