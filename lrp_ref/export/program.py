"""A recorded explanation as a model: its inputs and outputs by name, and what the file says about itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..errors import ParameterError, ShapeError
from ..exact.hashes import network_hash
from ..network.inputs import Input
from ..network.network import Network
from ..propagation.explaining import output_place
from ..propagation.ledger import COLUMNS
from ..propagation.prepare import Question, prepare
from ..propagation.start import Difference, Start, find, require_apart
from ..propagation.targets import class_number, indices, is_tuple
from .graph import OPSETS, Graph
from .recorded import Recorded
from .recording import Asked, Recording, record

MOST_NUMBERS = 1 << 48  # of a sample
Described = tuple[str, str, np.dtype[Any], list[Any]]  # an output: shown name, name in the graph, dtype, shape


@dataclass(frozen=True)
class Form:
    """How a graph is written.

    Attributes:
        opset: of the standard operators, 17 to 23.
        optimize: "size" keeps one copy of the weights; "speed" a second one where the way back is faster by it.
        dtype: of the floats, "float32" or "float64" (few programs run convolutions in the latter).
    """

    opset: int = 17
    optimize: str = "size"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.opset, int) or self.opset not in OPSETS:
            raise ParameterError(f"opset must be {OPSETS[0]} to {OPSETS[-1]}, got {self.opset!r}")
        if self.optimize not in ("size", "speed"):
            raise ParameterError(f"optimize must be 'size' or 'speed', got {self.optimize!r}")
        if self.dtype not in ("float32", "float64"):
            raise ParameterError(f"dtype must be 'float32' or 'float64', got {self.dtype!r}")

    def graph(self) -> Graph:
        """Return an empty graph of this form."""
        return Graph(self.opset, np.dtype(self.dtype), self.optimize == "speed")


@dataclass(frozen=True, eq=False)
class Program:
    """A graph with its interface.

    Attributes:
        asked: what was recorded.
        form: how.
        graph: nodes and constants.
        recording: the arrays that are shown.
        outputs: what the model shows: names, dtypes and shapes.
        shown: what each output is called, by what it is: another name where an input is called so.
        relevances: what the relevance of each input that receives one is in ``shown``.
    """

    asked: Asked
    form: Form
    graph: Graph
    recording: Recording
    outputs: list[Described] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    relevances: dict[str, str] = field(default_factory=dict)

    def inputs(self, *, forward: bool = False) -> list[tuple[str, np.dtype[Any], list[Any]]]:
        """Return names, dtypes and shapes of what is fed."""
        many: Any = "N" if isinstance(self.asked.targets, str) else 1
        found: list[tuple[str, np.dtype[Any], list[Any]]] = []
        for name, array in self.recording.fed.items():
            kind = self.graph.dtype if array.dtype.kind == "f" else array.dtype
            found.append((name, kind, [many, *array.shape[1:]]))
        if forward:
            return found
        if self.recording.asks:
            found.append((self.recording.asks, np.dtype(np.int64), ["M"]))
        return found + [(name, self.graph.dtype, []) for name in self.graph.adjustable]

    def model(self, net: Network) -> Any:
        """Return the explanation as an ``onnx.ModelProto``; ``net`` is told by its hash."""
        return self.graph.model(self.inputs(), self.outputs, self._metadata(net))

    def loadable(self) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the explanation as a model without its large constants, and these by name."""
        beside: dict[str, np.ndarray] = {}
        return self.graph.model(self.inputs(), self.outputs, {}, beside), beside

    def forward(self, net: Network) -> Any:
        """Return the forward pass alone as an ``onnx.ModelProto``, without what is adjustable in the way back."""
        kept = [o for o in self.outputs if o[0] in (self.shown["output"], self.shown.get("probability"))]
        said = {k: v for k, v in self._metadata(net).items() if k in ("lrp_ref", "network", "classes", "notes")}
        return self.graph.model(self.inputs(forward=True), kept, said)

    def _metadata(self, net: Network) -> dict[str, str]:
        from .. import __version__

        prepared = self.recording.prepared
        rows = [{"node": r.node, "rule": r.rule} for r in self.recording.ledger]
        said: dict[str, Any] = {
            "lrp_ref": __version__,
            "network": network_hash(net),
            "composite": prepared.composite,
            "bias": prepared.bias,
            "start": repr(find(self.asked.question.start)),
            "starts_at": prepared.head.text,
            "targets": self.asked.targets if isinstance(self.asked.targets, str) else list(self.asked.targets),
            "plan": [[p.node, type(p.layer).__name__, p.label] for p in prepared.plan],
            "ledger_columns": list(COLUMNS),
            "ledger_nodes": rows,
            "classes": list(net.classes),
            "adjustable": self.graph.adjustable,
            "notes": list(net.notes),
        }
        return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in said.items()}


def program(asked: Asked, form: Form) -> Program:
    """Return a recorded explanation with its interface.

    Raises:
        LrpError: any of its kinds.
    """
    graph = form.graph()
    recording = record(asked, graph)
    made = Program(asked, form, graph, recording)
    listed = not isinstance(asked.targets, str)
    samples: Any = 1 if listed else "N"
    many: Any = len(asked.targets) if listed else "M" if recording.asks else "N"

    def show(name: str, array: Recorded, first: Any) -> str:
        made.shown[name] = shown = graph.unused(name)
        graph.taken.add(shown)
        whole = array.value.whole()
        kind = graph.dtype if whole.dtype.kind == "f" else whole.dtype
        made.outputs.append((shown, whole.reference(), kind, [first, *array.shape[1:]]))
        return name

    show("output", recording.output, samples)
    if recording.chance is not None:
        show("probability", recording.chance, samples)
    several = len(recording.relevance) > 1
    for name, array in recording.relevance.items():
        made.relevances[name] = show(f"relevance.{name}" if several else "relevance", array, many)
    if asked.ledger:
        show("ledger", recording.columns(), many)
    show("explained", recording.target, many)
    show("start", recording.began, many)
    for name, array in recording.trace.values.items():
        show(f"value.{name}", array, samples)
    for name, array in recording.trace.relevance.items():
        show(f"relevance.{name}", array, many)
    return made


def asking(
    net: Network, *, composite: Any, targets: Any, start: Any, output: str | None, canonize: bool, shapes: Any,
    ledger: bool = True, trace: bool = False,
) -> Asked:  # fmt: skip
    """Return what is to be recorded, checked.

    Raises:
        ParameterError, ShapeError, GraphError: targets, sizes or an output that the network does not have.
    """
    place = output_place(net, output)
    begin = find(start)
    if not isinstance(begin, Start):
        said = repr(start) if isinstance(start, str) else f"of type {type(start).__name__}"
        raise ParameterError(f"start {said}: a graph starts by a name of lrp.start.NAMES or an lrp.start.Start")
    if isinstance(begin, Difference) and np.ndim(begin.against) and not is_tuple(begin.against):
        raise ParameterError(f"start {begin!r}: a graph sets one output against the targets of all samples")
    blank = blanks(net, shapes)
    front = net.batch_first()
    question = Question(composite, place, canonize, begin)
    asked = Asked(front, blank, question, targets, ledger, trace)
    return replace(asked, targets=_checked(asked, net.classes if place == 0 else ()))


def _checked(asked: Asked, classes: Sequence[str]) -> Any:
    """Return targets as numbers, or "argmax" or "input"."""
    targets = asked.targets
    if isinstance(targets, str) and targets in ("argmax", "input"):
        return targets
    if isinstance(targets, str | int | np.integer):
        targets = [targets]
    prepared = prepare(asked.net, asked.blank, asked.question)
    shape = tuple(prepared.output_shape(asked.blank))
    if is_tuple(targets) and len(targets) == len(shape) > 1:
        targets = [targets]  # one index into an output of several axes
    try:
        numbers = [_number(t, classes, shape) for t in targets]
        ordered = isinstance(targets, Sequence) or hasattr(targets, "ndim")  # a set has no order, a dict no rows
        whole = all(isinstance(t, int | np.integer) and not isinstance(t, bool) for t in numbers)
        known = ordered and bool(numbers) and whole
    except TypeError:
        known = False
    if not known:
        raise ParameterError(f"targets must be 'argmax', 'input', or numbers of outputs, got {asked.targets!r}")
    many = int(np.prod(shape))
    for number in numbers:
        if not 0 <= number < many:
            raise ParameterError(f"targets: there are {many} outputs, 0 to {many - 1}; got {number}")
    begin = find(asked.question.start)
    if isinstance(begin, Difference):
        require_apart(np.array([numbers]), indices(begin.against, 1, shape, "against"), False, 0)
    return tuple(map(int, numbers))


def _number(target: Any, classes: Sequence[str], shape: Sequence[int]) -> Any:
    """Return the number of an output that a name or an index of several numbers stands for; others as they are."""
    target = class_number(target, classes)
    if is_tuple(target) and len(target) == len(shape):
        return int(indices(target, 1, shape, "targets")[0, 0])
    return target


def _kind(net: Network, one: Input) -> np.dtype[Any]:
    """Return what an input holds: floats, unless its file or what reads it says otherwise."""
    if one.element_type == "bool":
        return np.dtype(bool)
    lengths = {n.inputs[1] for n in net.nodes if getattr(n.layer, "lengths", False)}
    whole = one.name in net.tokens or one.name in lengths or one.element_type.startswith(("int", "uint"))
    return np.dtype(np.int64 if whole else np.float64)


def blanks(net: Network, shapes: Any) -> dict[str, Array]:
    """Return one array per input without samples, of the sizes of one sample.

    Args:
        net: the network.
        shapes: of one sample, where the network leaves sizes free: a tuple for the only input, or a dict by name.

    Raises:
        ShapeError: sizes that are still free, or that do not fit the network's.
        ParameterError: a name that is none of the inputs.
    """
    if not all(i.name for i in net.inputs):
        raise ParameterError("an input of the network has the name '', which no input of a graph can have: name it")
    given = shapes if isinstance(shapes, Mapping) else {net.inputs[0].name: shapes} if shapes is not None else {}
    for name in given:
        if name not in {i.name for i in net.inputs}:
            raise ParameterError(f"shapes: '{name}' is no input; there are: {', '.join(i.name for i in net.inputs)}")
    found = {}
    for one in net.batch_first().inputs:
        declared = None if one.shape is None else one.shape[1:]
        wanted = given.get(one.name, declared)
        if wanted is None or (isinstance(wanted, tuple | list) and None in wanted):
            sizes = "any shape" if wanted is None else str(tuple(wanted)).replace("None", "any")
            raise ShapeError(
                f"input '{one.name}' has sizes that are free, {sizes} without the samples: say which the graph is for, "
                f"shapes={{'{one.name}': (…)}} (lrp-ref export --shape {one.name}=…)"
            )
        if not isinstance(wanted, tuple | list) or not all(isinstance(n, int | np.integer) for n in wanted):
            raise ParameterError(
                f"shapes: {wanted!r} is no tuple of sizes, such as (1, 28, 28), for input '{one.name}'"
            )
        wanted = tuple(map(int, wanted))
        fits = declared is None or (
            len(wanted) == len(declared) and all(d in (None, n) for n, d in zip(wanted, declared, strict=True))
        )
        if math.prod(wanted) > MOST_NUMBERS:
            raise ShapeError(f"shapes: no computer holds a sample of shape {wanted} for input '{one.name}'")
        if not fits or any(n < 1 for n in wanted):
            of = f", {one.expected()}, N the samples" if one.shape is not None else ": no size is below 1"
            raise ShapeError(f"shapes: {wanted} does not fit input '{one.name}'{of}")
        found[one.name] = np.zeros((0, *wanted), dtype=_kind(net, one))
    return found
