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

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import is_float
from ..errors import LrpError
from ..layers import Dense, ReLU
from ..network.inputs import Input
from ..network.network import Network, Node
from ..rules import Epsilon
from ..vectors.adapters import AdapterError, Answer, PythonAdapter, Unsupported, short
from ..vectors.own import make_layer, make_network, make_rule
from ..vectors.program import Program
from .forward_pass import departure
from .installed import require
from .interpreter import Interpreter, ProgramError
from .peer import Peer, find
from .task import NoRule, PeerError, Recording, Task

LAYER = "layer"
NEVER_ASKED = "this case cannot reach the program, lrp_ref refuses it before: "


def adapter(
    peer: str, python: str | Path | None = None, folder: str | Path | None = None, timeout: float = 600.0
) -> PeerAdapter:
    """Return the function of one case that asks a peer; see ``vectors.run``.

    Args:
        peer: name of the program, see ``PEERS``.
        python: another interpreter to run it in; it is started once, for all cases, and ends with the run.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds per case.

    Returns:
        A function case → list of relevances per operand; of a network, relevances by name.

    Raises:
        ParameterError: another peer.
        AdapterError: the program is not installed, or the interpreter cannot be used.
    """
    found, where = find(peer), None if folder is None else Path(folder)
    try:
        if python is None:
            require(found, where)
            return PeerAdapter(found, None, where, timeout)
        asked = PeerAdapter(found, Interpreter(peer, python, where, timeout), where, timeout)
    except PeerError as error:
        raise AdapterError(str(error)) from error
    asked.require_program()
    return asked


class PeerAdapter:
    """A peer that is asked cases: a function of one case, and an ``Adapter`` of the runner, which closes it.

    Args:
        peer: the program.
        other: the interpreter that has it; None for this one.
        folder: where the program's files are.
        timeout: seconds per case.
    """

    def __init__(self, peer: Peer, other: Interpreter | None, folder: Path | None, timeout: float) -> None:
        self.peer, self.other, self.folder, self.timeout = peer, other, folder, timeout
        self._version = ""  # as its recordings tell it

    @property
    def program(self) -> Program:
        """What is asked; its version is known from its first answer on."""
        return Program(self.peer.title, self._version, "Python", self.peer.homepage, self.peer.issues)

    def __call__(self, case: Mapping[str, Any]) -> Any:
        """Return the relevances of a case.

        Raises:
            Unsupported: the program has no rule for it, or it never reaches the program.
            PeerError: the program crashes or hangs; what it raises itself comes as it is, from another interpreter as
                a ``ProgramError``.
        """
        task = task_of(case)
        values = _values(task)
        try:
            recording = self._record(task)
        except NoRule as error:
            raise Unsupported(str(error)) from error
        except ProgramError:
            raise
        except LrpError as error:
            if isinstance(error, PeerError) and values is not None:
                raise
            raise Unsupported(f"{NEVER_ASKED}{error}") from error
        departs = None if values is None else departure(values, recording.trace.values)
        if departs is not None:
            raise Unsupported(f"its forward pass departs at '{departs.name}', so that no relevance can be compared")
        return _relevances(task, recording, named="network" in case)

    def ask(self, question: dict[str, Any]) -> Answer:
        """Return the answer to a question; what the program raises is its refusal, under the name it raises."""
        try:
            return PythonAdapter(self, self.timeout).ask(question) if self.other is None else self._asked(question)
        except ProgramError as error:
            return Answer("refused", short(error.said))
        except PeerError as error:
            return Answer("refused", short(str(error)))

    def _asked(self, question: dict[str, Any]) -> Answer:
        """Return the answer without a thread: the other interpreter keeps its own time."""
        from ..vectors.adapters import read_answer

        try:
            return read_answer(self(question), f"{self.peer.title}, on {question['id']}")
        except Unsupported as error:
            return Answer("unsupported", short(str(error)))

    def close(self) -> None:
        """End the other interpreter, where one was started."""
        if self.other is not None:
            self.other.close()

    def require_program(self) -> None:
        """Ask one small task, so that a program that is not there is not taken for one that refuses every case.

        Raises:
            AdapterError: the program is not there.
        """
        net = Network.sequential([(LAYER, Dense(np.eye(2))), ReLU()])
        try:
            self._record(Task(net, {"input": np.ones((1, 2))}, {LAYER: Epsilon(0.25)}, np.ones((1, 2))))
        except NoRule:
            pass
        except PeerError as error:
            self.close()
            raise AdapterError(str(error)) from error

    def _record(self, task: Task) -> Recording:
        found = self.peer.load().record(task, self.folder) if self.other is None else self.other.ask(task)
        self._version = found.version
        return found


def task_of(case: Mapping[str, Any]) -> Task:
    """Return a case as a task: its network, or the one layer as a network of one node.

    Raises:
        Unsupported: lrp_ref refuses to build it.

    Example:
        >>> dense = {"type": "Dense", "weight": np.array([[1.0], [1.0]]), "bias": None}
        >>> case = {"layer": dense, "inputs": [np.array([[1.0, 3.0]])], "rule": {"name": "LRP0"}}
        >>> task_of({**case, "relevance_out": np.array([[1.0]])}).network
        Network 0 → output layer
          layer  Dense(weight=float64[2, 1])  ← 0
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


def _values(task: Task) -> dict[str, Any] | None:
    """Return the values of lrp_ref's forward pass; None where it refuses the inputs."""
    try:
        return task.network.values(dict(task.inputs))
    except LrpError:
        return None


def _relevances(task: Task, recording: Recording, *, named: bool) -> Any:
    """Return the relevances of a case, or raise for what the program has no rule for."""
    known, inputs = recording.trace.relevance, [i.name for i in task.network.inputs]
    if any(name not in known and is_float(task.inputs[name]) for name in inputs):
        left_out = recording.left_out.items()
        raise Unsupported("; ".join(f"{node}: {why}" if named else why for node, why in left_out))
    if not named:
        return [known.get(name) for name in inputs]
    nodes = {n.name for n in task.network.nodes}
    return {name: array for name, array in known.items() if name in nodes or name in inputs}
