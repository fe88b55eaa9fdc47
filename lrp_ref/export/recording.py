"""An explanation recorded: the network made ready for a composite walks forward and back on the arrays of a graph."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import LrpError, UnsupportedError
from ..network.network import Network, value_name
from ..propagation import walk
from ..propagation.ledger import COLUMNS, Ledger
from ..propagation.prepare import PreparedNetwork, Question, Step, prepare
from ..propagation.start import begun, find, start_relevance
from ..propagation.trace import Trace
from ..rules.share import Given
from .graph import Graph
from .recorded import Recorded, Recorder
from .values import INT, SAMPLES, Value

TARGET = "target"  # the input that says what is explained, unless an input of the network is called so


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be recorded.

    Attributes:
        net: the network, the batch in front of all its arrays.
        blank: one array per input, without samples: its shape and its kind of numbers.
        question: composite, output, start, and whether the network is canonized.
        targets: "argmax", "input", or numbers of outputs, each of which is explained for the one sample.
        ledger: whether the ledger is made.
        trace: whether the values and relevances between the nodes are kept.
    """

    net: Network
    blank: Mapping[str, Array]
    question: Question
    targets: Any = "argmax"
    ledger: bool = True
    trace: bool = False


@dataclass(frozen=True, eq=False)
class Recording:
    """An explanation as arrays of a graph.

    Attributes:
        prepared: the network made ready.
        fed: the inputs.
        output: of the network.
        relevance: of the inputs that receive it.
        ledger: whose columns are arrays of the graph.
        began: the relevance that started.
        target: what is explained (N, T).
        chance: the probabilities of the output, or None.
        asks: the input that says what is explained, where one does.
        trace: values and relevances by the names of nodes, where they were asked for.
    """

    prepared: PreparedNetwork
    fed: dict[str, Recorded]
    output: Recorded
    relevance: dict[str, Recorded]
    ledger: Ledger
    began: Recorded
    target: Recorded
    chance: Recorded | None
    asks: str = ""
    trace: Trace = field(default_factory=Trace)

    def columns(self) -> Recorded:
        """Return the ledger as one array (N, nodes, columns)."""
        xp = self.output.xp
        rows = [xp.stack([getattr(row, c).reshape(-1) for c in COLUMNS], axis=1) for row in self.ledger]
        made: Recorded = xp.stack(rows, axis=1)
        return made


def record(asked: Asked, graph: Graph) -> Recording:
    """Record an explanation in a graph.

    Raises:
        UnsupportedError: with all nodes that cannot be written, and why.
        LrpError: any other of its kinds, with the node's name where one is involved.
    """
    xp = Recorder(graph)
    graph.taken.update(asked.blank)
    single = not isinstance(asked.targets, str)
    fed = {}
    for name, array in asked.blank.items():
        fed[name] = xp.input(name, array.shape[1:], samples=True, dtype=array.dtype)
        if single:  # one sample, whatever the number of targets
            value = fed[name].value
            fed[name] = xp.wrapped(replace(value, tensor=(1, *value.tensor[1:])))
    try:
        prepared = prepare(asked.net.to(xp), fed, asked.question)
        return _walked(asked, prepared, fed, xp)
    except UnsupportedError as error:
        everything = refused(asked)
        raise _free(error if everything is None else everything) from error
    except LrpError as error:
        raise _free(error) from error


def _free(error: LrpError) -> LrpError:
    """Return an error that says N for the number of samples."""
    named = type(error)(re.sub(rf"\b{SAMPLES}\b", "N", str(error)))
    named.node = error.node
    return named


def _walked(asked: Asked, prepared: PreparedNetwork, fed: dict[str, Recorded], xp: Recorder) -> Recording:
    values, tapes = walk.forward(prepared, fed, keep=asked.trace, check=False)
    name = prepared.net.outputs[0]
    out, chance = values[name], prepared.probability(values)
    start = find(asked.question.start).settled(1, out.shape[1:])
    targets: Any
    asks = xp.graph.unused(TARGET) if asked.targets == "input" else ""
    xp.graph.taken.add(asks)
    if asked.targets == "argmax":
        _, targets, _ = start_relevance(out, None)
    else:
        targets = _targets(asked.targets, out, xp, asks)
    begin = begun(out, targets, start, chance)
    relevance, rows = walk.back(prepared, values, {name: begin}, tapes, keep=asked.trace)
    received = {
        key: relevance[key] if key in relevance else xp.zeros(array.shape, dtype=float)
        for key, array in fed.items()
        if prepared.net.receives(key, array)
    }
    ledger = Ledger(rows if asked.ledger else ())
    between = Trace(*({k: v for k, v in part.items() if k not in fed} for part in (values, relevance)))
    trace = between if asked.trace else Trace()
    return Recording(prepared, fed, out, received, ledger, begin, targets, chance, asks, trace)


def _targets(targets: Any, out: Recorded, xp: Any, asks: str) -> Recorded:
    """Return the targets (N, 1); a negative one stands for the largest output, one too large stops the graph."""
    many = int(np.prod(out.shape[1:]))
    if isinstance(targets, str):
        given = xp.input(asks, (), samples=True, dtype=int)
        value = replace(given.value, batch=asks)
    else:
        numbers = np.asarray(list(targets), dtype=np.int64)
        name = xp.graph.constant(numbers)
        shape = (xp.input("", (), samples=True).shape[0],)
        value = Value(xp.graph, shape, INT, name, None, shape, name)
    xp.graph.batch = xp.graph.start = value.batch
    array: Any = xp.wrapped(value)
    if isinstance(targets, str):
        largest = out.reshape(len(out), many).argmax(axis=1)
        known = xp.take(xp.arange(many), xp.maximum(array, 0))
        array = xp.where(array < 0, largest, known)
    made: Recorded = array.reshape(-1, 1)
    return made


# What cannot be written ----------------------------------------------------------------------------------------------


def refused(asked: Asked) -> UnsupportedError | None:
    """Return an error that names every node whose layer or rule cannot be written; None where each alone can."""
    prepared = prepare(asked.net, asked.blank, asked.question)
    values = prepared.net.values(dict(asked.blank), check=False)
    found = []
    for step in prepared.steps:
        reason = _reason(step, values)
        if reason:
            found.append(f"'{step.node.name}' ({type(step.node.layer).__name__}, {step.planned.label}): {reason}")
    if not found:
        return None
    nodes = "node" if len(found) == 1 else f"{len(found)} nodes"
    return UnsupportedError(f"{nodes} cannot be written as a graph: " + "; ".join(found))


def _reason(step: Step, values: Mapping[str, Array]) -> str:
    """Return why a node cannot be written; "" where it can."""
    xp = Recorder(Graph())
    layer = step.node.layer.map_arrays(xp.asarray)
    xs = tuple(
        xp.input(f"x{k}", values[name].shape[1:], samples=True, dtype=values[name].dtype)
        for k, name in enumerate(step.node.inputs)
    )
    try:
        made = layer.forward(*xs)
        several = isinstance(made, tuple)
        names = [value_name(step.node.name, k) for k in range(len(made) if several else 1)]
        sent = tuple(xp.input(f"r{k}", values[n].shape[1:], samples=True) for k, n in enumerate(names))
        if step.planned.rule is not None or layer.own_rule is not None:
            given = Given(z=made)
            layer.redistribute(
                xs if len(xs) > 1 else xs[0], sent if several else sent[0], step.planned.rule, given=given
            )
    except UnsupportedError as error:
        return str(error)
    except LrpError:
        return ""  # another kind of error is told by the walk
    return ""
