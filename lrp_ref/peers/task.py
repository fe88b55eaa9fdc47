"""What another program is asked, and what it answered: by the names of a network's nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import LrpError
from ..network.network import Network
from ..propagation.trace import Trace
from ..rules.rule import AnyRule

Arrays = Mapping[str, np.ndarray[Any, Any]]


class NoRule(LrpError):  # noqa: N818 - no error: the program says what it does not have
    """Raised by an adapter for a layer or a rule that its program does not have.

    Example:
        >>> raise NoRule("Epsilon with a bias share")
        Traceback (most recent call last):
        lrp_ref.peers.task.NoRule: Epsilon with a bias share
    """


class PeerError(LrpError):
    """A program that cannot be asked: it is not installed, crashes, hangs, or its forward pass gives other numbers."""


@dataclass(frozen=True, eq=False)
class Task:
    """One explanation, as another program is asked for it.

    Attributes:
        network: with the batch in front, canonized or not; its nodes are what the program runs, one for one.
        inputs: name → array (N, ...).
        rules: node → rule as it was asked for here; None for the layer's own way.
        start: relevance of the network's first output, of its shape.
        functional_add: whether sums are bare ``+`` in the program's model instead of modules.
    """

    network: Network
    inputs: Arrays
    rules: Mapping[str, AnyRule | None]
    start: np.ndarray[Any, Any]
    functional_add: bool = False


@dataclass(frozen=True, eq=False)
class Recording:
    """What another program computed.

    Attributes:
        trace: values and relevances by the names of the network's inputs and nodes, as far as the program shows them.
        program, version: what computed it.
        left_out: node → why the program has no rule for it; what is above such a node is compared, below nothing is.
        notes: sentences about how the program ran.
    """

    trace: Trace
    program: str
    version: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
