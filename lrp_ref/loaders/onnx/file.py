"""A file of bytes to a checked graph in plain Python.

Only this module and those of its single steps know ONNX's own data structures: ``wire`` goes through the bytes before
protobuf does, ``tensors`` and ``external`` check what is declared before anything is read, ``functions`` counts what
calls become before they are put in their places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError, UnsupportedError, require
from ..limits import Budget, bound
from .decomposed import decomposed
from .functions import DEFAULT_DOMAINS, inlined
from .tensors import check_declared, dense, to_array
from .upgrade import upgraded
from .wire import LARGEST, scan

CHECKED = 1 << 30  # onnx's checker writes the whole model again, which must stay below 2 GiB
OLDEST = 7  # before that, BatchNormalization, Dropout and broadcasting had another meaning


@dataclass(frozen=True)
class Op:
    """One ONNX node.

    Attributes:
        kind: operator name; with its domain in front where that is not ONNX's own.
        name: as in the file, may be empty or repeated.
        inputs: tensor names, "" for one left out.
        outputs: likewise.
        attributes: values in plain Python; tensors as NumPy arrays.
        proto: the node itself, for the evaluator of constants.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    proto: Any = field(repr=False)

    @property
    def label(self) -> str:
        """What errors call it: its name, or that of its first output."""
        return self.name or next(iter(self.outputs), "")


@dataclass(frozen=True)
class GraphInput:
    """An input: its shape has None for a free size without a name, a text for one with a name."""

    name: str
    shape: tuple[int | str | None, ...] | None
    dtype: np.dtype[Any]

    def label(self, axis: int) -> str | None:
        """Return the name that the file gives an axis; None where it gives none, or a number in place of one."""
        size = None if self.shape is None else self.shape[axis]
        return size if isinstance(size, str) and not any(c.isdigit() for c in size) else None


@dataclass(frozen=True)
class Graph:
    """What the converter needs of a model; its size is in bytes, with all files that belong to it."""

    path: Path
    opset: int
    size: int
    ops: tuple[Op, ...]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    constants: dict[str, np.ndarray[Any, Any]]
    notes: tuple[str, ...] = ()  # what the network says of how it was read

    @cached_property
    def input_names(self) -> frozenset[str]:
        """The inputs' names."""
        return frozenset(i.name for i in self.inputs)

    @cached_property
    def origins(self) -> dict[tuple[str, int], tuple[str, int] | None]:
        """Where axes of tensors come from, as far as that was looked up: input and axis."""
        return {}

    @cached_property
    def makers(self) -> dict[str, Op]:
        """The node that makes each tensor."""
        return {output: op for op in self.ops for output in op.outputs if output}


def read(path: Path) -> Graph:
    """Read and check an ONNX file.

    Raises:
        ModelFormatError: truncated, not ONNX, damaged, larger than a file of its size may be, or it points to data
            outside its folder.
        UnsupportedError: an opset that is too old or too new.
        MissingExtraError: the onnx package is not installed.
    """
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    model, size = _parse(path, onnx)
    del model.training_info[:]
    opset = _opset(model, path, onnx)
    loaded = check_declared(model, path, size, onnx)
    model = inlined(model, bound(size + loaded), str(path))
    if loaded < CHECKED:
        _check(model, path, onnx)
    notes: tuple[str, ...] = ()
    if opset < OLDEST:
        model, note = upgraded(model, path, opset, OLDEST, onnx)
        opset, notes = OLDEST, (note,)
    model = decomposed(model, path, onnx)
    graph = model.graph
    constants = _constants(graph, path, size + loaded, onnx)
    ops = tuple(_op(node, path, onnx) for node in graph.node)
    _check_names(path, graph)
    inputs = tuple(_input(v, onnx) for v in graph.input if v.name not in constants)
    _check_order(path, ops, {*constants, *(v.name for v in graph.input)})
    outputs = tuple(v.name for v in graph.output)
    return Graph(path, opset, size + loaded, ops, inputs, outputs, constants, notes)


def _parse(path: Path, onnx: Any) -> tuple[Any, int]:
    """Return what protobuf makes of the file, and the file's size."""
    damaged = require("google.protobuf.message", extra="onnx", purpose="read ONNX files").DecodeError
    try:
        if path.stat().st_size >= LARGEST:
            raise ModelFormatError(
                f"{path}: an ONNX file has less than 2 GB, and its weights beside it if they are more"
            )
        content = path.read_bytes()
        if not content:
            raise ModelFormatError(f"{path}: the file is empty")
        scan(content, onnx.ModelProto.DESCRIPTOR, str(path))
        model = onnx.ModelProto.FromString(content)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (damaged, RuntimeError, ValueError) as error:
        if isinstance(error, LrpError):
            raise
        raise ModelFormatError(f"{path}: not an ONNX file, or truncated ({error})") from error
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise ModelFormatError(f"{path}: not an ONNX file, or truncated (no version, graph or outputs in it)")
    return model, len(content)


def _constants(graph: Any, path: Path, size: int, onnx: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors that the file holds, by name."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    for tensor in graph.initializer:
        _add(found, tensor.name, to_array(tensor, path, onnx), path)
    budget = Budget(bound(size), str(path))
    for sparse in graph.sparse_initializer:
        _add(found, sparse.values.name, dense(sparse, path, budget, onnx), path)
    return found


def _add(found: dict[str, np.ndarray[Any, Any]], name: str, array: np.ndarray[Any, Any], path: Path) -> None:
    if name in found or not name:
        raise ModelFormatError(f"{path}: tensor '{name}' is {'there twice' if name else 'without a name'}")
    found[name] = array


def _check_names(path: Path, graph: Any) -> None:
    for what, values in (("input", graph.input), ("output", graph.output)):
        names = Counter(v.name for v in values)
        name, times = names.most_common(1)[0] if names else ("", 1)
        if times > 1 or "" in names:
            raise ModelFormatError(f"{path}: {what} '{name}' is there {times} times")


def _opset(model: Any, path: Path, onnx: Any) -> int:
    versions = {o.domain: o.version for o in model.opset_import}
    opset = int(next((versions[d] for d in DEFAULT_DOMAINS if d in versions), 0))
    newest = onnx.defs.onnx_opset_version()
    if not 1 <= opset <= newest:
        raise UnsupportedError(
            f"{path}: opset {opset} is outside 1–{newest}, which lrp_ref reads with onnx {onnx.__version__}; "
            "convert it with onnx.version_converter or update onnx"
        )
    return opset


def _check(model: Any, path: Path, onnx: Any) -> None:
    """Run onnx's own checker, less what the converter reports better: unknown operators, inputs without a shape."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        text = str(error)
        if not any(known in text for known in ("No Op registered", "No opset import", "Field 'shape' of 'type'")):
            raise ModelFormatError(f"{path}: not a valid ONNX model: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelFormatError(f"{path}: cannot be checked: {error}") from error


def _check_order(path: Path, ops: Sequence[Op], known: set[str]) -> None:
    """Refuse nodes that read a tensor before it is made, or that make one anew.

    onnx's own checker says so too, but not behind an operator that it does not know, nor of a model that is too large.
    """
    for op in ops:
        where = f"{path}: {op.kind} '{op.label}'"
        early = [name for name in op.inputs if name and name not in known]
        if early:
            raise ModelFormatError(f"{where} reads tensor '{early[0]}' before any node makes it")
        for name in filter(None, op.outputs):
            if name in known:
                raise ModelFormatError(f"{where} makes tensor '{name}', which is there already")
            known.add(name)


def _op(node: Any, path: Path, onnx: Any) -> Op:
    kind = node.op_type if node.domain in DEFAULT_DOMAINS else f"{node.domain}.{node.op_type}"
    attributes = {a.name: _attribute(a, path, onnx) for a in node.attribute}
    if len(attributes) != len(node.attribute):
        raise ModelFormatError(f"{path}: {kind} '{node.name}' has an attribute twice")
    return Op(kind, node.name, tuple(node.input), tuple(node.output), attributes, node)


def _attribute(attribute: Any, path: Path, onnx: Any) -> Any:
    try:
        value = onnx.helper.get_attribute_value(attribute)
    except ValueError as error:
        raise ModelFormatError(f"{path}: attribute '{attribute.name}' has no value: {error}") from error
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return to_array(value, path, onnx)
    if attribute.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
        return tuple(value)
    if attribute.type == onnx.AttributeProto.STRINGS:
        return tuple(v.decode("utf-8", "replace") for v in value)
    return value


def _input(value: Any, onnx: Any) -> GraphInput:
    tensor = value.type.tensor_type
    shape: tuple[int | str | None, ...] | None = None
    if tensor.HasField("shape"):
        shape = tuple(int(d.dim_value) if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim)
        # Exporters write 0 or −1 for a free size.
        shape = tuple(None if isinstance(d, int) and d <= 0 else d for d in shape)
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except (KeyError, TypeError):
        dtype = np.dtype(object)
    return GraphInput(value.name, shape, dtype)


def node_of(node: Any, path: Path, onnx: Any) -> Op:
    """Return a node of a graph inside another, as :func:`read` has those of the outer one."""
    return _op(node, path, onnx)
