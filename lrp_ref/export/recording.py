"""An explanation recorded: the network made ready for a composite walks forward and back on the arrays of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.arrays import is_float
from ..network.network import Network
from ..propagation import walk
from ..propagation.ledger import COLUMNS, Ledger
from ..propagation.prepare import PreparedNetwork, Question, prepare
from ..propagation.start import begun, find, start_relevance
from .graph import Graph
from .recorded import Recorded, Recorder
from .values import INT, Value

TARGET = "target"


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be recorded.

    Attributes:
        net: the network.
        shapes: of one sample of every input, by name.
        dtypes: of every input.
        question: composite, output, start.
        targets: "argmax", "input", or numbers of outputs, each of which is explained for the one sample.
        start: a name or a ``Start``.
    """

    net: Network
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype[Any]]
    question: Question
    targets: Any = "argmax"
    start: Any = "logit"


@dataclass(eq=False)
class Recording:
    """A recorded explanation.

    Attributes:
        prepared: the network made ready, its arrays those of the graph.
        xp: the array module with the graph.
        output, relevance: what the graph makes; relevance by the name of the input.
        ledger: whose columns are arrays of the graph.
        target: what is explained (N, T).
        start: described.
    """

    prepared: PreparedNetwork
    xp: Recorder
    output: Recorded
    relevance: dict[str, Recorded]
    ledger: Ledger
    target: Recorded | None
    start: str
    fed: dict[str, Recorded] = field(default_factory=dict)

    def columns(self) -> Recorded:
        """Return the ledger as one array (N, nodes, columns)."""
        rows = [self.xp.stack([self._column(getattr(row, c)) for c in COLUMNS], axis=1) for row in self.ledger]
        return self.xp.stack(rows, axis=1)

    def _column(self, column: Recorded) -> Recorded:
        return column.reshape(-1)


def record(asked: Asked, graph: Graph) -> Recording:
    """Record an explanation in a graph.

    Raises:
        LrpError: any of its kinds, with the node's name where one is involved.
    """
    xp = Recorder(graph)
    single = not isinstance(asked.targets, str)
    fed: dict[str, Recorded] = {}
    for name, shape in asked.shapes.items():
        fed[name] = xp.input(name, shape, samples=True, dtype=asked.dtypes[name])
    if single:  # one sample, whatever the number of targets
        fed = {name: Recorded(xp, _of_one(array.value)) for name, array in fed.items()}
    net = asked.net.to(xp)
    prepared = prepare(net, fed, asked.question)
    values, tapes = walk.forward(prepared, fed, keep=False, check=False)
    out = values[prepared.net.outputs[0]]
    chance = prepared.probability(values)
    target = _target(asked.targets, xp)
    start = find(asked.start)
    if target is None:
        begin, targets, _ = start_relevance(out, None, start, probability=chance)
    else:
        targets = target.reshape(-1, 1)
        begin = begun(out, targets, start, chance)
    relevance, rows = walk.back(prepared, values, {prepared.net.outputs[0]: begin}, tapes, keep=False)
    received = {
        key: relevance[key] if key in relevance else xp.zeros(array.shape, dtype=float)
        for key, array in fed.items()
        if asked.net.receives(key, np.zeros(0, dtype=array.dtype)) or is_float(array)
    }
    return Recording(prepared, xp, out, received, Ledger(rows), targets, repr(start), fed)


def _of_one(value: Value) -> Value:
    from dataclasses import replace

    return replace(value, tensor=(1, *value.tensor[1:]))


def _target(targets: Any, xp: Recorder) -> Recorded | None:
    """Return the targets as an array of the graph; None for the largest output of each sample."""
    if isinstance(targets, str) and targets == "argmax":
        return None
    if isinstance(targets, str):
        array = xp.input(TARGET, (), samples=True, dtype=int)
        value = Value(xp.graph, array.shape, INT, TARGET, None, array.shape, TARGET)
    else:
        numbers = np.asarray(list(targets), dtype=np.int64)
        name = xp.graph.constant(numbers)
        shape = xp.input("", (), samples=True).shape
        value = Value(xp.graph, shape, INT, name, None, shape, name)
    xp.graph.batch = xp.graph.start = value.name
    return xp.wrapped(value)
