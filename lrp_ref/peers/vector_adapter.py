"""Any peer as an adapter of the conformance vectors: a case becomes a task, and its relevances the answer.

    from lrp_ref import vectors
    from lrp_ref.peers.vector_adapter import adapter
    vectors.run(adapter("captum"))

A case that lrp_ref itself refuses to build (a negative ε, a stride of 0) cannot be handed to another program in its own
words, so that nothing is known about what the program would do: such a case is "unsupported", never "refused". What can
be built is asked as it stands, wrong shapes and numbers that are not finite included, and what the program itself raises
is its refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LrpError
from ..network.inputs import Input
from ..network.network import Network, Node
from ..vectors.adapters import Unsupported
from ..vectors.own import make_layer, make_network, make_rule
from .peer import find
from .task import NoRule, PeerError, Recording, Task

LAYER = "layer"
NEVER_ASKED = "this case cannot reach the program, lrp_ref refuses it before: "


def adapter(
    peer: str, python: str | Path | None = None, folder: str | Path | None = None, timeout: float = 600.0
) -> Callable[[dict[str, Any]], Any]:
    """Return the function of one case that asks a peer; see ``vectors.run``.

    Args:
        peer: name of the program, see ``PEERS``.
        python: another interpreter to run it in; it is started once, for all cases.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds per case.

    Returns:
        A function case → list of relevances per operand; of a network, relevances by name.

    Raises:
        ParameterError: another peer.
    """
    find(peer)
    where = None if folder is None else Path(folder)
    return lambda case: _answer(case, find(peer).load().record(task_of(case), where))


def _answer(case: Mapping[str, Any], recording: Recording) -> Any:
    """Return the relevances that a case asks for, or raise for what the program has no rule for."""
    known = recording.trace.relevance
    names = list(case["network"]["inputs"]) if "network" in case else [str(k) for k in range(len(case["inputs"]))]
    if recording.left_out and any(name not in known for name in names):
        raise Unsupported("; ".join(f"{node}: {why}" if "network" in case else why for node, why in recording.left_out.items()))
    return dict(known) if "network" in case else [known.get(name) for name in names]


def task_of(case: Mapping[str, Any]) -> Task:
    """Return a case as a task: its network, or the one layer as a network of one node.

    Raises:
        Unsupported: lrp_ref refuses to build it.
    """
    try:
        if "network" in case:
            net = make_network(case)
            inputs = {name: case["inputs"][name] for name in case["network"]["inputs"]}
            rules = {name: make_rule(rule) for name, rule in case["rules"].items()}
            return Task(net, inputs, rules, case["start"])
        layer = make_layer(case["layer"], case.get("rule"))
        inputs = {str(k): x for k, x in enumerate(case["inputs"])}
        net = Network((Node(LAYER, layer, tuple(inputs)),), tuple(Input(name) for name in inputs), (LAYER,))
        return Task(net, inputs, {LAYER: make_rule(case.get("rule"))}, case["relevance_out"])
    except LrpError as error:
        raise Unsupported(f"{NEVER_ASKED}{error}") from error
