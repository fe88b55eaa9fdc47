"""A file of bytes to a checked graph in plain Python: the only module that reads ONNX's own data structures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError, UnsupportedError, require
from .upgrade import upgraded

CHECKED = 1 << 30  # onnx's checker writes the whole model again, which must stay below 2 GiB
OLDEST = 7  # before that, BatchNormalization, Dropout and broadcasting had another meaning
DEFAULT_DOMAINS = ("", "ai.onnx")


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
    """What the converter needs of a model."""

    path: Path
    opset: int
    ops: tuple[Op, ...]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    constants: dict[str, np.ndarray[Any, Any]]
    notes: tuple[str, ...] = ()  # what the network says of how it was read

    @cached_property
    def makers(self) -> dict[str, Op]:
        """The node that makes each tensor."""
        return {output: op for op in self.ops for output in op.outputs if output}


def read(path: Path) -> Graph:
    """Read and check an ONNX file.

    Raises:
        ModelFormatError: truncated, not ONNX, damaged, or it points to data outside its folder.
        UnsupportedError: an opset that is too old or too new.
        MissingExtraError: the onnx package is not installed.
    """
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    model = _parse(path, onnx)
    opset = _opset(model, path, onnx)
    if model.functions:
        require("onnx.inliner", extra="onnx", purpose="read ONNX files")
        model = onnx.inliner.inline_local_functions(model)
    if _load_external(model, path, onnx) < CHECKED:
        _check(model, path, onnx)
    notes: tuple[str, ...] = ()
    if opset < OLDEST:
        model, note = upgraded(model, path, opset, OLDEST, onnx)
        opset, notes = OLDEST, (note,)
    graph = model.graph
    constants = {t.name: _array(t, path, onnx) for t in graph.initializer}
    if graph.sparse_initializer:
        raise UnsupportedError(f"{path}: sparse initialisers are not supported")
    ops = tuple(_op(node, path, onnx) for node in graph.node)
    inputs = tuple(_input(v, onnx) for v in graph.input if v.name not in constants)
    _check_order(path, ops, {*constants, *(v.name for v in graph.input)})
    return Graph(path, opset, ops, inputs, tuple(v.name for v in graph.output), constants, notes)


def _parse(path: Path, onnx: Any) -> Any:
    damaged = require("google.protobuf.message", extra="onnx", purpose="read ONNX files").DecodeError
    try:
        content = path.read_bytes()
        if not content:
            raise ModelFormatError(f"{path}: the file is empty")
        model = onnx.ModelProto.FromString(content)
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (damaged, RuntimeError, ValueError) as error:
        if isinstance(error, LrpError):
            raise
        raise ModelFormatError(f"{path}: not an ONNX file, or truncated ({_line(error)})") from error
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise ModelFormatError(f"{path}: not an ONNX file, or truncated (no version, graph or outputs in it)")
    return model


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
            raise ModelFormatError(f"{path}: not a valid ONNX model: {_line(error)}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelFormatError(f"{path}: cannot be checked: {_line(error)}") from error


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


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text[:200] + "…" if len(text) > 200 else text) or type(error).__name__


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _tensors(inner)


def _load_external(model: Any, path: Path, onnx: Any) -> int:
    """Load tensors that lie in other files; names that leave the model's folder and sizes that lie are refused.

    Returns:
        How many bytes were loaded.
    """
    folder, total = path.parent.resolve(), 0
    for tensor in _tensors(model.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {e.key: e.value for e in tensor.external_data}
        location = entries.get("location", "")
        what = f"{path}: tensor '{tensor.name}'"
        try:
            file = (folder / location).resolve()
            there = file.is_file()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ModelFormatError(f"{what} refers to {location[:60]!r}, which cannot be a file: {reason}") from error
        if not location or Path(location).is_absolute() or not file.is_relative_to(folder):
            raise ModelFormatError(f"{what} refers to '{location}', a path outside the model's folder; refused")
        if not there:
            raise ModelFormatError(f"{what} lies in '{location}', which is not in the model's folder")
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        except ValueError as error:
            raise ModelFormatError(f"{what}: offset and length of its data are no integers") from error
        needed = _bytes(tensor, onnx)
        if offset < 0 or length not in (-1, needed) or offset + needed > file.stat().st_size:
            raise ModelFormatError(
                f"{what} needs {needed} bytes at {offset} of '{location}', which has {file.stat().st_size}"
            )
        with file.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(needed)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        total += needed
    return total


def _bytes(tensor: Any, onnx: Any) -> int:
    try:
        itemsize: int = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"tensor '{tensor.name}' has the unknown type {tensor.data_type}") from error
    return math.prod(int(d) for d in tensor.dims) * itemsize


def _array(tensor: Any, path: Path, onnx: Any) -> np.ndarray[Any, Any]:
    try:
        if min(tensor.dims, default=0) < 0:
            raise ValueError("negative size")
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelFormatError(
            f"{path}: tensor '{tensor.name}' of shape {tuple(tensor.dims)} is damaged: {_line(error)}"
        ) from error


def _op(node: Any, path: Path, onnx: Any) -> Op:
    kind = node.op_type if node.domain in DEFAULT_DOMAINS else f"{node.domain}.{node.op_type}"
    attributes = {a.name: _attribute(a, path, onnx) for a in node.attribute}
    return Op(kind, node.name, tuple(node.input), tuple(node.output), attributes, node)


def _attribute(attribute: Any, path: Path, onnx: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return _array(value, path, onnx)
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
