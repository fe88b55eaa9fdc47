"""Which relevances of a walk are not known where a program left nodes out."""

from __future__ import annotations

from collections.abc import Iterable

from ..network.network import Network


def below(network: Network, left_out: Iterable[str]) -> set[str]:
    """Return the names of all values that a left-out node reads, and of those that they are made of.

    Their relevance is not known: the part that the node would hand down is missing.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([("one", Dense(np.eye(2))), ("two", ReLU()), ("three", Dense(np.eye(2)))])
        >>> sorted(below(net, ["two"]))
        ['input', 'one']
    """
    named, found = set(left_out), set[str]()
    for node in reversed(network.nodes):
        if node.name in named or node.name in found:
            found.update(node.inputs)
    return found
