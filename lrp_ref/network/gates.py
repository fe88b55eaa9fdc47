"""Which operand of a product gates the other, and which gates are no signals: by the graph, and not by values."""

from __future__ import annotations

from dataclasses import replace

from ..layers import Bilinear, Constant, Conv, ConvTranspose, Dense, Embedding, Layer, Power, RecurrentLayer, Route
from .network import Network, Node, owner
from .readings import SIGMOID, SOFTMAX, Reader

WEIGHTED = (Dense, Conv, ConvTranspose, RecurrentLayer)


def gated(net: Network) -> Network:
    """Return the network with the gate declared at products of a signal with what only weights it.

    ====================================================  ============================================================
    what comes out of a sigmoid or softmax                a gate, also computed from several: the mean of several heads;
                                                          where both operands do, a softmax is that of a sigmoid
    a constant; numbers made of integers and constants    a gate that is held: no rule for products in general makes it
    alone, but for rows that they look up (masks)         a signal
    1/d, of any d                                         held likewise, in x·(1/d)
    ====================================================  ============================================================

    A gate that a layer declares stays.

    Example:
        >>> from lrp_ref.layers import Multiply, Sigmoid
        >>> nodes = (Node("a", Sigmoid(), ("x",)), Node("product", Multiply(), ("a", "x")))
        >>> gated(Network(nodes, Network.sequential([Sigmoid()], input_name="x").inputs, ("product",)))["product"].layer
        Multiply(gate=0)
    """
    products = [n for n in net.nodes if isinstance(n.layer, Bilinear) and not n.layer.held]
    if not products:
        return net
    held, reader = _held(net), Reader(net) if any(_gate(n) is None for n in products) else None
    names, changes = {i.name for i in net.inputs} | {n.name for n in net.nodes}, dict[str, Layer]()
    for node in products:
        still = [owner(name, names) in held for name in node.inputs]
        gate = _gate(node)
        if gate is None and sum(still) == 1:
            gate = still.index(True)
        elif gate is None and reader is not None:
            gate = _weighs(node, reader)
        if gate is not None:
            assert isinstance(node.layer, Bilinear)
            changes[node.name] = replace(node.layer, gate=gate, held=still[gate] and not all(still))
    changes = {name: layer for name, layer in changes.items() if layer != net[name].layer}
    return net.replaced(changes) if changes else net


def _gate(node: Node) -> int | None:
    """Return the gate that a product declares."""
    return node.layer.gate if isinstance(node.layer, Bilinear) else None


def _weighs(node: Node, reader: Reader) -> int | None:
    """Return which operand alone comes out of a sigmoid or softmax, or out of a softmax; None where neither does."""
    parts = [reader.of(name) for name in node.inputs]
    for kinds in ({SIGMOID, SOFTMAX}, {SOFTMAX}):
        gates = [k for k, r in enumerate(parts) if (r.found or r.pure) and r.kinds <= kinds]
        if len(gates) == 1:
            return gates[0]
    return None


def _held(net: Network) -> set[str]:
    """Return the names of values that are no signals: constants, numbers made of integers alone, and divisors."""
    constants, counted, divisors = set[str](), set(net.tokens), set[str]()
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    for node in net.nodes:
        read = {owner(name, names) for name in node.inputs}
        if isinstance(node.layer, Constant) or read <= constants:
            constants.add(node.name)
        elif read <= counted | constants and not isinstance(node.layer, (Embedding, *WEIGHTED)):
            counted.add(node.name)
        if _inverts(node.layer) or (isinstance(node.layer, Route) and read <= divisors):
            divisors.add(node.name)
    return constants | counted | divisors


def _inverts(layer: Layer) -> bool:
    """Return whether a layer makes a divisor: a power with an exponent less than 0."""
    return isinstance(layer, Power) and not hasattr(layer.exponent, "shape") and bool(layer.exponent < 0)
