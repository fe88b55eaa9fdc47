"""Which axis of each input is the batch, and which sizes are free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from ...errors import ParameterError
from .file import Graph, GraphInput, Op
from .values import PROBES, WHOLE, Sizes


class Axes(Enum):
    """What an operator does with the axes of its first input (or of the only one that is no constant)."""

    EACH = "its output has them, and it takes every element by itself"
    SAME = "its output has them, and it may count along some of them"
    CHANNELS_FIRST = "the batch is at axis 0 of both, the channels at axis 1, space behind"
    OTHER = "they are followed by the operator's own way, or not at all"


AXES: dict[str, Axes] = {}  # of every operator, as it says where it is registered

RECURRENT = ("LSTM", "GRU", "RNN")
SPACE = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}

# Sizes that stand for a free size, by the number of the input's axes: large enough for every pooling, cheap, since they
# run with an empty batch; one with many divisors and one with none, their difference without small divisors, so that
# what depends on a size or its remainder differs between them.
STAND_INS = {2: (768, 1567), 3: (6144, 12301), 4: (384, 773), 5: (64, 131)}
BATCHES = (11, 24)
FEW = 64  # axes; no array has more


@dataclass(frozen=True)
class Choices:
    """What the caller of ``load`` fixed.

    Attributes:
        shapes: input name → shape as in the file; None for a free size.
        batch_axes: input name → its batch axis; None where the whole array is one sample.
        longest: the largest size that may stand for a free one, since the file has a table of that length; None where
            none is known.
    """

    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    batch_axes: Mapping[str, int | None] = field(default_factory=dict)
    longest: int | None = None

    def without_batch(self, graph: Graph) -> Choices | None:
        """Return the same choices with every input one sample, or None where an input has a batch of free size.

        A file that mixes what looks like samples computes one thing from all of them: it has no batch.
        """
        axes = batch_axes(graph, self)
        for spec in graph.inputs:
            shape, axis = self.shapes.get(spec.name, spec.shape), axes[spec.name]
            if axis == WHOLE or shape is None or (axis < len(shape) and not isinstance(shape[axis], int)):
                return None
        return replace(self, batch_axes=dict.fromkeys((i.name for i in graph.inputs), None))


def batch_axes(graph: Graph, choices: Choices) -> dict[str, int]:
    """Return the batch axis of every input.

    It is the one that the file shows: where a recurrent layer that reads the input has its batch, or else a
    convolution, pooling or dense layer; an axis that is called "batch"; an axis with the name of another input's batch.
    Otherwise it is 0.

    Raises:
        ParameterError: a choice for an input that does not exist, or an axis that it does not have.
    """
    names = {i.name: i for i in graph.inputs}
    for name in (*choices.shapes, *choices.batch_axes):
        if name not in names:
            raise ParameterError(f"{graph.path}: no input is called '{name}'; there are: {', '.join(names)}")
    called = {i.name: _axis_called(i, lambda text: "batch" in text.lower()) for i in graph.inputs}
    found = {name: axis for name, axis in called.items() if axis is not None}
    # What a recurrent layer says is looked at last, since it holds for every one.
    for op in sorted(graph.ops, key=lambda op: op.kind in RECURRENT):
        for tensor, roles in _roles(op):
            if "batch" in roles:
                origin = _origin(tensor, roles.index("batch"), graph)
                if origin is not None:
                    found[origin[0]] = origin[1]
    shared = {size for name, axis in found.items() if isinstance(size := _sizes(names[name])[axis], str)}
    # So is what the first axis of another input is called, where an input's own first axis has a fixed size.
    first = {size for name in names if name not in found and isinstance(size := _sizes(names[name])[0], str)}
    for spec in graph.inputs:
        fixed = isinstance(_sizes(spec)[0], int)
        axis = _axis_called(spec, (shared | first if fixed else shared).__contains__)
        if spec.name not in found and axis is not None:
            found[spec.name] = axis
    chosen = {name: WHOLE if axis is None else axis for name, axis in choices.batch_axes.items()}
    axes = dict.fromkeys(names, 0) | found | chosen
    for name, axis in choices.batch_axes.items():
        if axis is None:
            continue
        shape = choices.shapes.get(name, names[name].shape)
        if shape is not None and not 0 <= axis < len(shape):
            raise ParameterError(f"{graph.path}: input '{name}' has no axis {axis}: its shape is {shape}")
    return axes


def axis_names(graph: Graph, batches: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Return for every input what its axes are: by the nodes that read it, or as the file calls them; "" where neither
    says anything."""
    names = {spec.name: [spec.label(k) or "" for k in range(len(spec.shape))] for spec in graph.inputs if spec.shape}
    for op in graph.ops:
        for tensor, roles in _roles(op):
            for axis, role in enumerate(roles):
                origin = _origin(tensor, axis, graph)
                if origin is not None and origin[1] < len(names.get(origin[0], ())):
                    names[origin[0]][origin[1]] = role
    for name, found in names.items():
        found[:] = ["" if role == "batch" else role for role in found]
        if 0 <= batches[name] < len(found):
            found[batches[name]] = "batch"
    return {name: tuple(found) for name, found in names.items()}


def _axis_called(spec: GraphInput, fits: Callable[[str], bool]) -> int | None:
    """Return the axis whose name fits, if it is the only one."""
    places = [k for k, size in enumerate(spec.shape or ()) if isinstance(size, str) and fits(size)]
    return places[0] if len(places) == 1 else None


def _sizes(spec: GraphInput) -> dict[int, int | str | None]:
    """Return what the file says of each axis; of an input without a shape, nothing."""
    return defaultdict(lambda: None, enumerate(spec.shape or ()))


def _roles(op: Op) -> list[tuple[str, tuple[str, ...]]]:
    """Return tensors that a node reads, with what it takes their axes for."""
    if not op.inputs:
        return []  # a damaged node; its conversion says so
    if op.kind in RECURRENT:
        first = bool(op.attributes.get("layout", 0))
        sequence = ("batch", "time", "features") if first else ("time", "batch", "features")
        state = ("batch", "directions", "hidden") if first else ("directions", "batch", "hidden")
        read = [(k, roles) for k, roles in ((0, sequence), (4, ("batch",)), (5, state), (6, state))]
        return [(op.inputs[k], roles) for k, roles in read if k < len(op.inputs) and op.inputs[k]]
    if AXES.get(op.kind) is Axes.CHANNELS_FIRST:
        return [
            (op.inputs[0], ("batch", "channels", *SPACE.get(len(_list(op.attributes.get("kernel_shape")) or ()), ())))
        ]
    if op.kind == "Gemm":
        return [(op.inputs[0], ("features", "batch") if op.attributes.get("transA", 0) else ("batch", "features"))]
    return []


def _origin(name: str, axis: int, graph: Graph) -> tuple[str, int] | None:
    """Follow a tensor's axis back to an input and its axis, as long as the axes can be followed.

    What was found is kept for every tensor on the way, so that a long chain is not followed from each of its nodes.
    """
    way, place = [], (name, axis)
    while place not in graph.origins and place[0] in graph.makers:
        way.append(place)
        op = graph.makers[place[0]]
        source = _source_axis(op, place[1], graph)
        if source is None:
            graph.origins[place] = None
            break
        place = next((n for n in op.inputs if n and n not in graph.constants), ""), source
    found = graph.origins.get(place, place if place[0] in graph.input_names else None)
    graph.origins.update(dict.fromkeys(way, found))
    return found


def _source_axis(op: Op, axis: int, graph: Graph) -> int | None:
    """Return the axis of the node's input that is ``axis`` of its output, or None where that is not known."""
    kept = AXES.get(op.kind)
    if kept in (Axes.EACH, Axes.SAME) or (axis == 0 and kept is Axes.CHANNELS_FIRST):
        return axis
    if op.kind == "Transpose":
        permutation = _list(op.attributes.get("perm", ()))
        return permutation[axis] if permutation is not None and 0 <= axis < len(permutation) else None
    if op.kind == "Gather":
        # One index removes its axis; a list of one index keeps it, and is not followed.
        place = op.attributes.get("axis", 0)
        if not isinstance(place, int) or (given := _constant(op, graph)) is None or given.ndim:
            return None
        return axis + 1 if 0 <= place <= axis else axis if place > axis else None
    if op.kind == "Unsqueeze":
        new = _list(op.attributes["axes"] if "axes" in op.attributes else _constant(op, graph))
        if new is None or min(new, default=0) < 0 or axis in new:
            return None
        return axis - sum(a < axis for a in new)
    return None


def _constant(op: Op, graph: Graph) -> np.ndarray[Any, Any] | None:
    """Return the node's second input, if it is in the file."""
    name = op.inputs[1] if len(op.inputs) > 1 else ""
    maker = graph.makers.get(name)
    found = graph.constants.get(name) if maker is None else maker.attributes.get("value")
    return found if isinstance(found, np.ndarray) else None


def _list(value: Any) -> list[int] | None:
    """Return a few integers of an attribute or a constant; None where they are none."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size <= FEW:
        return [int(v) for v in value.reshape(-1).tolist()]
    return list(value) if isinstance(value, tuple) and all(isinstance(v, int) for v in value) else None


def shorter(longest: int) -> tuple[int, int]:
    """Return two sizes that stand for a free one up to ``longest``, which is one of them.

    The other and the difference have no small divisors where there is such a pair; the other is no batch size.

    Example:
        >>> shorter(512)
        (271, 512)
    """
    candidates = [n for n in range(max(2, longest // 2 - 3), longest) if n not in BATCHES]
    small = [3, 5, 7, 2]
    return min(candidates or [1], key=lambda n: sum(not m % p for p in small for m in (n, longest - n))), longest


class FreeSizes:
    """The sizes of the inputs in each probe.

    Attributes:
        samples: the batch size in each probe: the declared one where the file fixes it.
        declared: the batch size of each input for which the file fixes it.
    """

    def __init__(self, graph: Graph, choices: Choices, axes: Mapping[str, int]) -> None:
        self.choices = choices
        self._named: dict[str, tuple[int, ...]] = {}
        self.declared: dict[str, int] = {}
        for spec in graph.inputs:
            shape, axis = self._shape(spec), axes[spec.name]
            if shape is not None and 0 <= axis < len(shape) and isinstance(size := shape[axis], int):
                self.declared[spec.name] = size
        first = next(iter(self.declared.values()), None)
        if any(axis == WHOLE for axis in axes.values()):
            first = 1
        self.samples: tuple[int, ...] = BATCHES if first is None else (first,) * PROBES

    def _shape(self, spec: GraphInput) -> tuple[int | str | None, ...] | None:
        chosen = self.choices.shapes.get(spec.name)
        return spec.shape if chosen is None else tuple(chosen)

    def sizes(self, spec: GraphInput, batch: int) -> tuple[Sizes, ...] | None:
        """Return the sample's shape for each probe, or None for an input without a batch axis."""
        shape = self._shape(spec)
        if shape is None or batch >= len(shape):
            return None
        stand_ins = STAND_INS.get(len(shape), (64, 131))
        if self.choices.longest is not None and self.choices.longest < max(stand_ins):
            stand_ins = shorter(self.choices.longest)
        columns: list[tuple[int, ...]] = []
        for k, size in enumerate(shape):
            if k == batch:
                continue
            if isinstance(size, int):
                columns.append((size,) * PROBES)
            elif size is None:
                columns.append(stand_ins)
            else:
                columns.append(self._named.setdefault(size, stand_ins))
        return tuple(tuple(column[p] for column in columns) for p in range(PROBES))
