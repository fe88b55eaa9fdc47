"""Which operand of a product gates the other, and which gates are no signals: by the graph, and not by values."""

from __future__ import annotations

from dataclasses import replace

from ..layers import (
    Affine,
    Bilinear,
    Compare,
    Constant,
    Conv,
    ConvTranspose,
    Dense,
    Embedding,
    Layer,
    Power,
    RecurrentLayer,
    Route,
)
from .network import Network, Node, owner
from .readings import SIGMOID, SOFTMAX, Reader

WEIGHTED = (Dense, Conv, ConvTranspose, RecurrentLayer)
PIXELS = ("uint8", "int8")  # the types of pictures and of quantised numbers; masks have wider ones, or bool


def gated(net: Network, counts: frozenset[str] = frozenset()) -> Network:
    """Return the network with the gate declared at products of a signal with what only weights it.

    ====================================================  ============================================================
    what comes out of a sigmoid or softmax                a gate, also computed from several: the mean of several heads;
                                                          where both operands do, a softmax is that of a sigmoid
    a constant; numbers made of integers and constants    a gate that is held: no rule for products in general makes it
    alone, but for rows that they look up (masks)         a signal
    answers to comparisons, of any numbers (masks)        held likewise
    c/d, of any d and a constant c                        held likewise, in x·(c/d)
    ====================================================  ============================================================

    Integers are numbers like any other, and no mask, in inputs of 8-bit integers (pixels), and where weights multiply
    them as they are (features). A gate that a layer declares stays.

    Args:
        net: the network.
        counts: inputs of integers that receive no relevance, whatever their type and their use.

    Example:
        >>> from lrp_ref.layers import Multiply, Sigmoid
        >>> nodes = (Node("a", Sigmoid(), ("x",)), Node("product", Multiply(), ("a", "x")))
        >>> gated(Network(nodes, Network.sequential([Sigmoid()], input_name="x").inputs, ("product",)))["product"].layer
        Multiply(gate=0)
    """
    products = [n for n in net.nodes if isinstance(n.layer, Bilinear) and not n.layer.held]
    if not products:
        return net
    held, reader = _held(net, counts), Reader(net) if any(_gate(n) is None for n in products) else None
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


def unopposed(net: Network) -> Network:
    """Return the network without gates on what is no signal: beside a mask or a constant, a gate is what it holds back.

    That is for gates which a loader finds by what makes them, and not for those that somebody declared.

    Example:
        >>> from lrp_ref.layers import Compare, Multiply, Sigmoid
        >>> from lrp_ref.network import Input
        >>> nodes = (Node("a", Sigmoid(), ("x",)), Node("b", Compare("greater"), ("x", "y")))
        >>> net = Network((*nodes, Node("c", Multiply(gate=0), ("a", "b"))), (Input("x"), Input("y")), ("c",))
        >>> unopposed(net)["c"].layer
        Multiply(gate=1, held=True)
    """
    gates = [n for n in net.nodes if isinstance(n.layer, Bilinear) and n.layer.gate is not None and not n.layer.held]
    if not gates:
        return net
    held, changes = _held(net, frozenset()), dict[str, Layer]()
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    for node in gates:
        still = [owner(name, names) in held for name in node.inputs]
        if sum(still) == 1 and not still[_gate(node) or 0]:
            assert isinstance(node.layer, Bilinear)
            changes[node.name] = replace(node.layer, gate=still.index(True), held=True)
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


def _held(net: Network, counts: frozenset[str]) -> set[str]:
    """Return the names of values that are no signals: constants, numbers made of integers alone, and divisors."""
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    constants, divisors = _constants(net, names), set[str]()
    pixels = {i.name for i in net.inputs if i.element_type in PIXELS}
    # Which integers are features is seen where all of them are followed to the weights.
    features = {name for found in _counted(net, names, constants, net.tokens | counts)[1] for name in found}
    counted, _ = _counted(net, names, constants, net.tokens - pixels - features | counts)
    for node in net.nodes:
        read = _read(node, names)
        keeps = _scales(node.layer) and read <= constants | divisors and not read <= constants
        if keeps or _inverts(node.layer):
            divisors.add(node.name)
    return constants | set(counted) | divisors


def _read(node: Node, names: set[str]) -> set[str]:
    """Return the nodes and inputs that a node reads."""
    return {owner(name, names) for name in node.inputs}


def _constants(net: Network, names: set[str]) -> set[str]:
    """Return the names of values that are the same for all inputs."""
    constants = set[str]()
    for node in net.nodes:
        if isinstance(node.layer, Constant) or _read(node, names) <= constants:
            constants.add(node.name)
    return constants


def _counted(
    net: Network, names: set[str], constants: set[str], integers: frozenset[str]
) -> tuple[dict[str, set[str]], list[set[str]]]:
    """Return the values made of integers and constants alone, each with the inputs whose numbers it has.

    Args:
        net, names, constants: the network, what its values are called, and which of them are constants.
        integers: the inputs that hold integers.

    Returns:
        The values; and, for each layer with weights that reads one of them, the inputs whose numbers it reads.
    """
    counted, weighted = {name: {name} for name in integers}, list[set[str]]()
    for node in net.nodes:
        read = _read(node, names)
        if isinstance(node.layer, Compare):
            counted[node.name] = set()  # an answer holds no numbers of what was asked
        elif isinstance(node.layer, WEIGHTED):
            weighted.append(counted.get(owner(node.inputs[0], names), set()))
        elif read <= counted.keys() | constants and not read <= constants and not isinstance(node.layer, Embedding):
            counted[node.name] = set().union(*(counted.get(name, set()) for name in read))
    return counted, weighted


def _scales(layer: Layer) -> bool:
    """Return whether a layer makes divisors of divisors: it moves them, or multiplies them, also with constants."""
    return isinstance(layer, (Route, Bilinear)) or (isinstance(layer, Affine) and layer.shift is None)


def _inverts(layer: Layer) -> bool:
    """Return whether a layer makes a divisor: a power with an exponent less than 0."""
    return isinstance(layer, Power) and not hasattr(layer.exponent, "shape") and bool(layer.exponent < 0)
