"""Masks that hide a whole sample: there is then nothing to explain, which has to be said."""

from __future__ import annotations

from collections.abc import Mapping

from ..base.arrays import Array, to_numpy
from ..layers import Number
from ..network.network import Network


def hidden(net: Network, fed: Mapping[str, Array]) -> tuple[str, ...]:
    """Return a note for every input of integers beside others that is 0 throughout in some sample.

    Args:
        net: the network.
        fed: its inputs by name (N, ...).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Multiply
        >>> from lrp_ref.network import Input, Node
        >>> nodes = (Node("m", Number(np.ones(1)), ("mask",)), Node("y", Multiply(), ("x", "m")))
        >>> net = Network(nodes, (Input("x"), Input("mask")), ("y",))
        >>> hidden(net, {"x": np.ones((2, 2)), "mask": np.array([[1, 0], [0, 0]])})
        ("input 'mask' is 0 throughout in 1 of 2 samples: if it is a mask, it hides all of such a sample",)
    """
    notes = []
    for name, array in fed.items():
        if len(fed) == 1 or array.dtype.kind not in "biu" or array.ndim < 2 or not _is_number(net, name):
            continue
        count = len(array)
        empty = int((to_numpy(array).reshape(count, -1) == 0).all(axis=1).sum()) if array.size else 0
        if empty:
            told = f"input '{name}' is 0 throughout in {empty} of {count} samples"
            notes.append(f"{told}: if it is a mask, it hides all of such a sample")
    return tuple(notes)


def _is_number(net: Network, name: str) -> bool:
    """Whether every layer that reads an input, possibly after it was moved, takes its integers for numbers."""
    names, found = [name], False
    while names:
        for node in net.consumers(names.pop()):
            if node.layer.moves:
                names.append(node.name)
            elif not isinstance(node.layer, Number):
                return False
            else:
                found = True
    return found
