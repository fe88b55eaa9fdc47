"""Tensors of an ONNX file: what they declare is checked before any is read; then they are NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ..limits import Budget, bound, size_of
from .external import Folder
from .functions import all_nodes, inner_graphs

RANK = 32
TEXT = 64  # bytes of memory of a text in a tensor, besides its letters
FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_PLAIN = ("FLOAT", "DOUBLE", "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


def check_declared(model: Any, path: Path, size: int, onnx: Any) -> int:
    """Check every tensor of a model, and load those that lie in other files.

    Tensors are those of the graph, of attributes, of graphs inside it and of functions.

    Args:
        model: what protobuf made of the file.
        path: the file.
        size: its bytes.
        onnx: the package.

    Returns:
        How many bytes were loaded from other files.

    Raises:
        ModelFormatError: a size, type or path that is refused, data of another size than declared, or more of it than
            :func:`~lrp_ref.loaders.limits.bound` of all the files' sizes.
    """
    folder = Folder(path)
    outside: list[Any] = []
    inside: list[Any] = []
    for tensor in _tensors(model, str(path)):
        away = tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data)
        (outside if away else inside).append(tensor)
    entries = [_entries(tensor, path) for tensor in outside]
    for tensor, entry in zip(outside, entries, strict=True):
        folder.measure(entry, _called(tensor, path))
    budget, loaded = Budget(bound(size + folder.size), str(path)), 0
    for tensor in inside:
        _check_data(tensor, path, budget, onnx)
    for tensor, entry in zip(outside, entries, strict=True):
        needed, _ = _needs(tensor, path, onnx)
        budget.take(needed, f"tensor '{tensor.name}'")
        tensor.raw_data = folder.read(entry, needed, _called(tensor, path))
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        _check_data(tensor, path, Budget(needed, str(path)), onnx)
        loaded += needed
    return loaded


def _called(tensor: Any, path: Path) -> str:
    return f"{path}: tensor '{tensor.name}'"


def _tensors(model: Any, what: str) -> Iterator[Any]:
    yield from _of_graph(model.graph)
    for node in all_nodes(model.graph.node, what):
        yield from _of_attributes(node.attribute)
        for graph in inner_graphs(node):
            yield from _of_graph(graph)
    for function in model.functions:
        yield from _of_attributes(function.attribute_proto)
        for node in all_nodes(function.node, what):
            yield from _of_attributes(node.attribute)
            for graph in inner_graphs(node):
                yield from _of_graph(graph)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _of_attributes(attributes: Any) -> Iterator[Any]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()),
                       *attribute.sparse_tensors):  # fmt: skip
            yield from (sparse.values, sparse.indices)


def _entries(tensor: Any, path: Path) -> dict[str, str]:
    found = {entry.key: entry.value for entry in tensor.external_data}
    if len(found) != len(tensor.external_data):
        raise ModelFormatError(f"{_called(tensor, path)} says twice where its data lie")
    return found


def _needs(tensor: Any, path: Path, onnx: Any) -> tuple[int, int]:
    """Return the bytes of a tensor's data as a file has them, and how many numbers it has."""
    what = _called(tensor, path)
    if len(tensor.dims) > RANK:
        raise ModelFormatError(f"{what} has {len(tensor.dims)} axes; {RANK} are allowed")
    elements = size_of(tensor.dims, 1, what)
    if tensor.data_type == onnx.TensorProto.STRING:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelFormatError(f"{what} holds texts, which never lie in another file")
        return 0, elements
    bits = _bits(tensor.data_type, onnx)
    if bits is None:
        raise ModelFormatError(f"{what} has the unknown type {tensor.data_type}")
    return -(-elements * bits // 8), elements


@lru_cache(maxsize=64)
def _bits(kind: int, onnx: Any) -> int | None:
    """Return how many bits an element of a type takes in raw data; None for types that are no numbers."""
    name = next((n for n, number in onnx.TensorProto.DataType.items() if number == kind), "UNDEFINED")
    if name in ("UNDEFINED", "STRING"):
        return None
    if name.endswith(("INT4", "FLOAT4E2M1")):
        return 4
    if name.endswith("INT2"):
        return 2
    return 8 * int(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).itemsize)


def _check_data(tensor: Any, path: Path, budget: Budget, onnx: Any) -> None:
    """Refuse data that are not as many as the shape says, or more than the budget."""
    needed, elements = _needs(tensor, path, onnx)
    what = _called(tensor, path)
    held = {field: len(getattr(tensor, field)) for field in FIELDS if len(getattr(tensor, field))}
    raw = len(tensor.raw_data)
    if tensor.HasField("segment") or len(held) + bool(raw) > 1:
        raise ModelFormatError(f"{what} has its data in several places")
    if tensor.data_type == onnx.TensorProto.STRING:
        budget.take(elements * TEXT + sum(map(len, tensor.string_data)), f"tensor '{tensor.name}'")
        allowed = {"string_data": elements}
    else:
        budget.take(max(needed, elements), f"tensor '{tensor.name}'")
        field, numbers = _field(tensor.data_type, elements, onnx)
        allowed = {field: numbers}
    if (raw or not held) and raw == needed and "string_data" not in allowed:
        return
    if raw or held != {field: n for field, n in allowed.items() if n}:
        found = f"{raw} bytes" if raw or not held else f"{next(iter(held.values()))} numbers"
        shape = tuple(tensor.dims)
        raise ModelFormatError(f"{what} of shape {shape} has {found} of data; it needs {needed} bytes")


def _field(kind: int, elements: int, onnx: Any) -> tuple[str, int]:
    """Return which field has the numbers of a type that is not in raw data, and how many numbers those are."""
    field = onnx.helper.tensor_dtype_to_field(kind)
    bits = _bits(kind, onnx) or 8
    if bits < 8:
        return field, -(-elements * bits // 8)
    return field, elements * (2 if "COMPLEX" in onnx.TensorProto.DataType.Name(kind) else 1)


def to_array(tensor: Any, path: Path, onnx: Any) -> np.ndarray[Any, Any]:
    """Return a tensor that was checked as an array."""
    shape = tuple(tensor.dims)
    try:
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        if name in _PLAIN and not tensor.raw_data:
            # Without a list of Python numbers in between, which takes many times the memory.
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            held = getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type))
            return np.fromiter(held, dtype=dtype, count=math.prod(shape)).reshape(shape)
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelFormatError(f"{_called(tensor, path)} of shape {shape} is damaged: {error}") from error


def dense(sparse: Any, path: Path, budget: Budget, onnx: Any) -> np.ndarray[Any, Any]:
    """Return a sparse tensor as an array with zeros in it.

    Raises:
        ModelFormatError: it would be larger than the budget, or an index is not in it.
    """
    values, indices = to_array(sparse.values, path, onnx), to_array(sparse.indices, path, onnx)
    shape, what = tuple(sparse.dims), _called(sparse.values, path)
    if len(shape) > RANK:
        raise ModelFormatError(f"{what} has {len(shape)} axes; {RANK} are allowed")
    budget.take(size_of(shape, values.itemsize, what), f"sparse tensor '{sparse.values.name}'")
    if (
        values.ndim != 1
        or indices.dtype != np.int64
        or indices.shape not in ((values.size,), (values.size, len(shape)))
    ):
        raise ModelFormatError(f"{what}: {values.shape} values at {indices.shape} indices of {indices.dtype}")
    made = np.zeros(shape, dtype=values.dtype)
    sizes = np.array([made.size] if indices.ndim == 1 else shape, dtype=np.int64)
    columns = indices.reshape(values.size, -1)
    if ((columns < 0) | (columns >= sizes)).any():
        raise ModelFormatError(f"{what}: an index is outside its shape {shape}")
    if indices.ndim == 1:
        made.reshape(-1)[indices] = values
    else:
        made[tuple(columns.T)] = values
    return made
