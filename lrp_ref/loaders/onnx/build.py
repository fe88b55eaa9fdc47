"""The last step: from the layers that were built to a network with final names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...layers import Layer
from ...network.gates import unopposed
from ...network.inputs import Input
from ...network.network import Network, Node
from .file import Graph, GraphInput
from .names import Origin, clean, name_nodes
from .values import WHOLE, Signal, Tensor, owner_of


@dataclass(frozen=True)
class Built:
    """One layer of the network that is being built.

    Attributes:
        layer: the layer.
        reads: provisional names of the values that it reads.
        origin: the ONNX node.
        makes: the ONNX tensor that it computes, "" for a helper.
    """

    layer: Layer
    reads: tuple[str, ...]
    origin: Origin
    makes: str


@dataclass(frozen=True)
class Conversion:
    """A network, and how its values lie in the file's tensors.

    Attributes:
        network: it takes and returns arrays in the layout of the file.
        inputs: for each network input: the tensor's name in the file.
        outputs: for each output: the tensor's name in the file, and the network's value.
        made: for each node: the tensor of the file that it computes; helpers compute none.
        values: for each value of the network that is a tensor of the file, in order: that tensor, and its batch axis
            (None: it has none).
        constants: of each input of the file that the caller gave a value: that value.
        rounding: "quantised" or "half" where the file rounds values in between that the network does not; else "".
    """

    network: Network
    inputs: dict[str, str]
    outputs: tuple[tuple[str, str], ...]
    made: dict[str, str]
    values: dict[str, tuple[str, int | None]]
    rounding: str = ""
    constants: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    graph: Graph,
    built: Sequence[Built],
    inputs: Mapping[str, Tensor],
    outputs: Sequence[tuple[str, Signal]],
    axes: Mapping[str, tuple[str, ...]],
    computed: Mapping[str, Signal],
    notes: tuple[str, ...] = (),
) -> Conversion:
    """Leave out what no output needs, and give everything its final name.

    Args:
        graph: the file's graph.
        built: every layer, in order; layer k makes the values "#k", "#k:1", ...
        inputs: the signal of every graph input; its value is "@name".
        outputs: name in the file and signal of every output.
        axes: what the axes of every graph input are.
        computed: the signal of every tensor of the file that a layer computes, in order.
        notes: what the network says of itself.
    """
    needed, kept = {owner_of(s.value) for _, s in outputs}, []
    for k in reversed(range(len(built))):
        if f"#{k}" in needed:
            kept.append(k)
            needed.update(owner_of(v) for v in built[k].reads)
    kept.reverse()
    read = [(i, s) for i in graph.inputs if isinstance(s := inputs[i.name], Signal) and s.value in needed]
    input_names = _input_names(spec for spec, _ in read)
    nodes = [built[k] for k in kept]
    names = name_nodes([b.origin for b in nodes], [b.layer for b in nodes], input_names.values())
    final = {f"#{k}": name for k, name in zip(kept, names, strict=True)}
    final.update({signal.value: input_names[spec.name] for spec, signal in read})

    def renamed(value: str) -> str:
        owner = owner_of(value)
        return final[owner] + value[len(owner) :]

    places = {renamed(s.value): _axis(s) for _, s in outputs}
    network = Network(
        tuple(Node(n, b.layer, tuple(map(renamed, b.reads))) for n, b in zip(names, nodes, strict=True)),
        tuple(_input(input_names[spec.name], spec, signal, axes.get(spec.name, ())) for spec, signal in read),
        tuple(places),
        tuple(places.values()) if any(axis != 0 for axis in places.values()) else (),
        notes=notes,
    )
    return Conversion(
        unopposed(network),
        {input_names[spec.name]: spec.name for spec, _ in read},
        tuple((name, renamed(s.value)) for name, s in outputs),
        {name: b.makes for name, b in zip(names, nodes, strict=True) if b.makes},
        # The last tensor of several with one value: a bias that follows a product has become part of it.
        {renamed(s.value): (name, _axis(s)) for name, s in computed.items() if owner_of(s.value) in final},
    )


def _axis(signal: Signal) -> int | None:
    return None if signal.batch == WHOLE else signal.batch


def _input_names(inputs: Iterable[GraphInput]) -> dict[str, str]:
    names: dict[str, str] = {}
    used: set[str] = set()
    last = Counter[str]()
    for k, spec in enumerate(inputs):
        base = name = clean(spec.name) or f"input{k + 1}"
        while name in used:
            last[base] = max(last[base], 1) + 1
            name = f"{base}_{last[base]}"
        used.add(name)
        names[spec.name] = name
    return names


def _input(name: str, spec: GraphInput, signal: Signal, axes: tuple[str, ...]) -> Input:
    """Return the network's input in the file's layout, None for free sizes."""
    sizes = [signal.size(k) for k in range(1, signal.depth)]
    if signal.batch == WHOLE:
        return Input(name, tuple(sizes), None, axes if any(axes) else (), spec.dtype.name)
    shape = (*sizes[: signal.batch], None, *sizes[signal.batch :])
    return Input(name, shape, signal.batch, axes if any(axes) else (), spec.dtype.name)
