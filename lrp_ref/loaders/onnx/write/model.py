"""The whole graph: inputs and outputs as the network has them, the batch in front in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import LrpError, ShapeError, UnsupportedError, unknown
from ....layers import Identity, Layer, Number, Route
from ....network.inputs import Input
from ....network.network import Network, Node, value_name
from ....network.sizes import none_of, sample_shapes
from ..values import Refusal
from .part import NOT_WRITTEN, WRITERS, Part, Shape

IR_VERSION = 9
# What free sizes are in the second run: where both runs have the same size, it is fixed.
SECOND = (131, 97, 64, 224, 227, 256, 96, 48, 32, 24, 16, 12, 8, 5, 4, 3, 2)
BATCH = "batch"


def model(network: Network, path: Path, onnx: Any, opset: int, shapes: Mapping[str, tuple[int | None, ...]]) -> Any:
    """Return the network as a model.

    Raises:
        UnsupportedError: with every node that cannot be written, and why.
        ShapeError, ParameterError: as :func:`save` says.
    """
    whole = replace(network, inputs=tuple(_typed(network, _with_shape(i, shapes)) for i in network.inputs))
    for name in shapes:
        if name not in [i.name for i in network.inputs]:
            raise unknown(f"input of {path}", name, [i.name for i in network.inputs])
    return _Graph(whole, path, onnx, opset).model()


def _with_shape(spec: Input, shapes: Mapping[str, tuple[int | None, ...]]) -> Input:
    if spec.name not in shapes:
        return spec
    axis, sample = spec.batch_axis, shapes[spec.name]
    shape = sample if axis is None else (*sample[:axis], None, *sample[axis:])
    fits = spec.shape is None or (
        len(shape) == len(spec.shape) and all(n in (None, m) for n, m in zip(spec.shape, shape, strict=True))
    )
    if not fits:
        raise ShapeError(f"input '{spec.name}' is {spec.described()}; shapes={{'{spec.name}': {sample}}} does not fit")
    return replace(spec, shape=shape)


def _typed(network: Network, spec: Input) -> Input:
    """Return an input that declares integers where it is read as positions in a table or as lengths, and only so."""
    readers = [(n.layer, k) for n in network.nodes for k, read in enumerate(n.inputs) if read == spec.name]
    counts = bool(readers) and all(_takes_integers(layer, k) for layer, k in readers)
    return replace(spec, element_type="int64") if counts and not spec.element_type else spec


@dataclass
class _Value:
    """A value of the network: its shape with the batch in front, its tensor, and whether it holds integers."""

    shape: Shape
    tensor: str
    integer: bool = False


class _Graph:
    """The graph of one network while it is written."""

    def __init__(self, network: Network, path: Path, onnx: Any, opset: int) -> None:
        self.network, self.path, self.onnx, self.opset = network, path, onnx, opset
        self.dtype = self._dtype()
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.axes = dict(zip(network.outputs, network.output_axes or (0,) * len(network.outputs), strict=True))
        self.shapes = self._shapes()
        self.values: dict[str, _Value] = {}
        self.casts: dict[tuple[str, str], str] = {}

    def _dtype(self) -> np.dtype[Any]:
        found = {p.dtype for p in self.network.parameters} or {
            np.dtype(i.element_type) for i in self.network.inputs if i.element_type.startswith("float")
        }
        known = [np.dtype(t) for t in ("float32", "float64")]
        if len(found) > 1 or not found <= set(known):
            kinds = ", ".join(sorted(map(str, found)))
            raise UnsupportedError(f"{self.path}: parameters of {kinds}; networks of float32 or float64 are written")
        return found.pop() if found else known[0]

    # -- sizes ------------------------------------------------------------------------------------------------------

    def _shapes(self) -> dict[str, Shape]:
        """Return the shape of every value, None for the batch and for sizes that a free size of an input decides."""
        try:
            first = sample_shapes(self.network)
        except ShapeError as error:
            raise ShapeError(
                f"{self.path}: {str(error).partition(': give an INPUT')[0]}: say the shape of one sample with "
                "save(..., shapes={name: (sizes)}), None for a free size, or --shape NAME=SIZE,... on the command line"
            ) from error
        largest = max((n for shape in first.values() for n in shape), default=0)
        try:
            second = sample_shapes(self.network, sizes=[n for n in SECOND if n != largest])
        except LrpError:
            second = first  # no other size fits
        runs = [self._run(shapes) for shapes in (first, second)]
        return {
            name: (None, *(n if n == m else None for n, m in zip(shape[1:], runs[1][name][1:], strict=True)))
            for name, shape in runs[0].items()
        }

    def _run(self, shapes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
        values = self.network.values(none_of(self.network, shapes), check=False)
        return {name: tuple(a.shape) for name, a in values.items()}

    # -- the graph --------------------------------------------------------------------------------------------------

    def model(self) -> Any:
        """Return the model."""
        helper = self.onnx.helper
        inputs = [self._input(spec) for spec in self.network.inputs]
        refused = []
        for node in self.network.nodes:
            try:
                self._node(node)
            except Refusal as refusal:
                refused.append(f"{type(node.layer).__name__} '{node.name}' ({refusal})")
                self._declare(node, False)
        if refused:
            number = f"{len(refused)} node{'s' if len(refused) > 1 else ''}"
            raise UnsupportedError(f"{self.path}: {number} that ONNX cannot hold: {'; '.join(refused)}; .npz holds all")
        outputs = [self._output(name) for name in self.axes]
        self._refuse_doubles()
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, self.weights)
        imports = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, producer_name="lrp_ref", opset_imports=imports, ir_version=IR_VERSION)

    def _refuse_doubles(self) -> None:
        """Refuse names that the network has, and that helpers of other nodes have too."""
        made = Counter(name for node in self.nodes for name in node.output if name)
        made.update([t.name for t in self.weights] + [i.name for i in self.network.inputs])
        twice = [name for name, count in made.items() if count > 1]
        if twice:
            raise UnsupportedError(f"{self.path}: the name '{twice[0]}' would be there twice: rename the node")

    def _add(self, kind: str, inputs: Sequence[str], output: str, name: str = "", **attributes: Any) -> str:
        node = self.onnx.helper.make_node(kind, list(inputs), [output], name=name or output, **attributes)
        self.nodes.append(node)
        return output

    def _integers(self, values: Sequence[int], name: str) -> str:
        self.weights.append(self.onnx.numpy_helper.from_array(np.asarray(values, dtype=np.int64), name))
        return name

    def _input(self, spec: Input) -> Any:
        """Declare an input, and bring its batch to the front."""
        kind = np.dtype(spec.element_type or self.dtype)
        axis, name, shape = spec.batch_axis, spec.name, self.shapes[spec.name]
        if axis is None:
            tensor = self._add("Unsqueeze", [name, self._integers([0], f"{name}/axis")], f"{name}/batched")
        elif axis:
            order = (axis, *(k for k in range(len(shape)) if k != axis))
            tensor = self._add("Transpose", [name], f"{name}/batch_first", perm=order)
        else:
            tensor = name
        self.values[name] = _Value(shape, tensor, kind.kind != "f")
        if kind.kind == "f" and kind != self.dtype:
            self.values[name].tensor = self._cast(self.values[name], self.dtype)
        return self._declaration(name, kind, self._sizes(spec, shape), axis, spec.axes)

    def _sizes(self, spec: Input, shape: Shape) -> Shape:
        """Return the declared sizes in the order of the file, or else those that were found."""
        if spec.shape is not None:
            return spec.shape
        sample, axis = shape[1:], spec.batch_axis
        return sample if axis is None else (*sample[:axis], None, *sample[axis:])

    def _declaration(
        self, name: str, kind: np.dtype[Any], sizes: Shape, axis: int | None, axes: Sequence[str] = ()
    ) -> Any:
        dims: list[int | str | None] = list(sizes)
        for k, size in enumerate(sizes):
            free = axes[k] if axes and axes[k] and BATCH not in axes[k].lower() else None
            dims[k] = BATCH if k == axis else free if size is None else size
        return self.onnx.helper.make_tensor_value_info(name, self.onnx.helper.np_dtype_to_tensor_dtype(kind), dims)

    def _output(self, name: str) -> Any:
        """Declare an output, with its batch where the network returns it."""
        value, axis = self.values[name], self.axes[name]
        sample = value.shape[1:]
        sizes = sample if axis is None else (*sample[:axis], None, *sample[axis:])
        made, node = self._given(name), f"{name}/returned"
        if axis is None:
            self._add("Squeeze", [value.tensor, self._integers([0], f"{node}/axis")], made, node)
        elif axis:
            order = (*range(1, axis + 1), 0, *range(axis + 1, len(value.shape)))
            self._add("Transpose", [value.tensor], made, node, perm=order)
        elif value.tensor != made:
            self._add("Identity", [value.tensor], made, node)
        kind = np.dtype("int64") if value.integer else self.dtype
        return self._declaration(made, kind, sizes, axis)

    def _given(self, name: str) -> str:
        """Return the name of an output in the file: its own, unless it is that of an input."""
        return f"{name}/out" if any(i.name == name for i in self.network.inputs) else name

    def _declare(self, node: Node, integer: bool) -> list[_Value]:
        """Note the values that a node makes, with their tensors."""
        made: list[_Value] = []
        while (name := value_name(node.name, len(made))) in self.shapes:
            moved = self.axes.get(name, 0) != 0  # the tensor of that name has its batch elsewhere
            self.values[name] = _Value(self.shapes[name], f"{name}/inside" if moved else name, integer)
            made.append(self.values[name])
        return made

    def _node(self, node: Node) -> None:
        kind = type(node.layer)
        values = [self.values[name] for name in node.inputs]
        moves = isinstance(node.layer, Route | Identity) and all(v.integer for v in values)
        made = self._declare(node, moves)
        if kind not in WRITERS:
            raise Refusal(NOT_WRITTEN.get(kind, "a layer that is not in the table of lrp_ref.loaders.onnx.write"))
        part = Part(
            node.name,
            node.layer,
            tuple(self._read(node.layer, k, value, moves) for k, value in enumerate(values)),
            tuple(value.tensor for value in made),
            tuple(value.shape for value in values),
            tuple(value.shape for value in made),
            self.dtype,
            self.opset,
            self.onnx,
        )
        WRITERS[kind](part)
        self.nodes += part.nodes
        self.weights += part.weights

    # -- integers ---------------------------------------------------------------------------------------------------

    def _read(self, layer: Layer, k: int, value: _Value, moves: bool) -> str:
        """Return the tensor of an operand, as integers or as floats."""
        if isinstance(layer, Number):
            return value.tensor
        if _takes_integers(layer, k):
            return value.tensor if value.integer else self._cast(value, np.dtype("int64"))
        return self._cast(value, self.dtype) if value.integer and not moves else value.tensor

    def _cast(self, value: _Value, dtype: np.dtype[Any]) -> str:
        key = (value.tensor, str(dtype))
        if key not in self.casts:
            to = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
            self.casts[key] = self._add("Cast", [value.tensor], f"{value.tensor}/{dtype}", to=to)
        return self.casts[key]


def _takes_integers(layer: Layer, k: int) -> bool:
    return layer.tokens or (k == 1 and bool(getattr(layer, "lengths", False)))
