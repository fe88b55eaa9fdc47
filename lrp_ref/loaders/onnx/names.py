"""Readable, stable names of nodes and inputs, from those in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...layers import Layer


@dataclass(frozen=True)
class Origin:
    """Where a layer of the network comes from.

    Attributes:
        name: of the ONNX node, may be empty.
        kind: its operator.
        tag: set for a helper layer (a reshape, a padding) next to the operator's own layer.
    """

    name: str
    kind: str
    tag: str = ""


WRAPPERS = ("StatefulPartitionedCall", "PartitionedCall")  # TensorFlow's functions, without a meaning of their own


def clean(name: str) -> str:
    """Return a name without the path and punctuation that exporters add.

    Example:
        >>> clean("/features/features.0/Conv"), clean("node_conv2d_1"), clean("input_1:0")
        ('features.0.Conv', 'conv2d_1', 'input_1')
    """
    name = re.sub(r":0$", "", name.partition(";")[0].strip("/"))
    name = re.sub(r"^node_", "", name)
    parts = [p for p in name.split("/") if p and p not in WRAPPERS]
    kept = [p for k, p in enumerate(parts) if k + 1 == len(parts) or not parts[k + 1].startswith(f"{p}.")]
    return re.sub(r"[^\w.\-]+|__+", "_", ".".join(kept)).strip("._")


def name_nodes(origins: Sequence[Origin], layers: Sequence[Layer], taken: Iterable[str]) -> list[str]:
    """Return one unique name per layer.

    The ONNX node's name is used where it has one; "module.Op" becomes "module" where only one layer comes from that
    module; a node without a name is called by the layer's kind and number (conv1, relu1).

    Args:
        origins, layers: of every node of the network, in order.
        taken: names of the inputs.
    """
    cleaned = [clean(o.name) for o in origins]
    modules = [_module(name, o.kind) for name, o in zip(cleaned, origins, strict=True)]
    shared = Counter(m for m, o in zip(modules, origins, strict=True) if not o.tag)
    whole = Counter(n for n, o in zip(cleaned, origins, strict=True) if not o.tag)
    used, numbers, names = set(taken), Counter[str](), []
    last = Counter[str]()  # the last number behind each name, so that equal names are not counted from 2 again
    for origin, layer, name, module in zip(origins, layers, cleaned, modules, strict=True):
        name = module if module and shared[module] == 1 and whole[module] == (module == name) else name
        kind = type(layer).__name__.lower()
        if not name:
            numbers[kind] += 1
            name = f"{kind}{numbers[kind]}"
        elif origin.tag:
            name = f"{name}.{origin.tag}"
        base = name
        while name in used:
            last[base] = max(last[base], 1) + 1
            name = f"{base}_{last[base]}"
        used.add(name)
        names.append(name)
    return names


def _module(name: str, kind: str) -> str:
    """Return "conv1" for "conv1.Conv" or "conv1.Conv_3", else the name."""
    head, _, last = name.rpartition(".")
    return head if head and re.fullmatch(rf"{re.escape(kind)}(_\d+)?", last) else name
