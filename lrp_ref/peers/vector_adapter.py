"""Any peer as an adapter of the conformance vectors: a case becomes a task, and its relevances the answer.

    from lrp_ref import vectors
    from lrp_ref.peers.vector_adapter import adapter
    vectors.run(adapter("captum"))

A case that lrp_ref itself refuses to build (a negative ε, a stride of 0) cannot be handed to another program in its own
words, so that nothing is known about what the program would do: such a case is "unsupported", never "refused". What can
be built is asked as it stands, wrong shapes and numbers that are not finite included; what the program itself raises
then is its refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..base.arrays import is_float
from ..errors import LrpError
from ..network.inputs import Input
from ..network.network import Network, Node
from ..vectors.adapters import Unsupported
from ..vectors.own import make_layer, make_network, make_rule
from .peer import find
from .task import NoRule, Recording, Task

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
    found, where = find(peer), None if folder is None else Path(folder)

    def relevance(case: dict[str, Any]) -> Any:
        task = task_of(case)
        try:
            recording = found.load().record(task, where)
        except NoRule as error:
            raise Unsupported(str(error)) from error
        except LrpError as error:
            raise Unsupported(f"{NEVER_ASKED}{error}") from error
        return _answer(task, recording, named="network" in case)

    return relevance


def _answer(task: Task, recording: Recording, *, named: bool) -> Any:
    """Return the relevances of a case, or raise for what the program has no rule for."""
    known, inputs = recording.trace.relevance, [i.name for i in task.network.inputs]
    if any(name not in known and is_float(task.inputs[name]) for name in inputs):
        found = recording.left_out.items()
        raise Unsupported("; ".join(f"{node}: {why}" if named else why for node, why in found))
    if not named:
        return [known.get(name) for name in inputs]
    nodes = {n.name for n in task.network.nodes}
    return {name: array for name, array in known.items() if name in nodes or name in inputs}


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
