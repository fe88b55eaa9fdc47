"""Values of a graph, and what can be asked of them: every function of the array module, as standard operators.

A value's tensor may be smaller than the value: where the two differ, the tensor broadcasts. What is known before the
graph runs is a constant, and what is made of constants alone is computed at once, by NumPy in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .graph import Graph

SAMPLES = 1_000_003  # stands for the number of samples, which is free: no other size is a multiple of this prime

FLOAT, BOOL, INT = np.dtype(np.float64), np.dtype(bool), np.dtype(np.int64)


def free(size: int) -> bool:
    """Return whether a size is a multiple of the number of samples."""
    return size > 0 and size % SAMPLES == 0


@dataclass(frozen=True, eq=False)
class Value:
    """What one name in the graph stands for, or a constant.

    Attributes:
        graph: that it belongs to.
        shape: of the value; a multiple of ``SAMPLES`` is free.
        dtype: float64 for every float: of which type the graph's floats are is the graph's matter.
        name: in the graph; "" for a constant.
        data: the numbers of a constant, as they were given.
        tensor: the shape of what the name or the data hold; it broadcasts to ``shape``.
        batch: the name of the value that has the number of samples as its first size; "" where no size is free.
        nonnegative: whether no number is negative, by what it was made of.
    """

    graph: Graph
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str = ""
    data: np.ndarray | None = None
    tensor: tuple[int, ...] = ()
    batch: str = ""
    nonnegative: bool = False

    @classmethod
    def constant(cls, graph: Graph, data: Any, shape: tuple[int, ...] | None = None) -> Value:
        """Return a constant; ``shape`` where it is larger than the data, which broadcast to it."""
        data = np.asarray(data)
        data = data.astype(INT, copy=False) if data.dtype.kind in "iu" else data
        shape = data.shape if shape is None else shape
        if data.size == 1:
            data = data.reshape(())
        elif data.ndim < len(shape):
            data = data.reshape((1,) * (len(shape) - data.ndim) + data.shape)
        positive = data.dtype.kind == "f" and data.size > 0 and bool(data.min() >= 0)
        kind = FLOAT if data.dtype.kind == "f" else data.dtype
        return cls(graph, shape, kind, data=data, tensor=data.shape, nonnegative=positive)

    def made(self, name: str, shape: tuple[int, ...], tensor: tuple[int, ...] | None = None, **how: Any) -> Value:
        """Return another value of the same graph."""
        how = {"dtype": self.dtype, "batch": self.batch, **how}
        return Value(self.graph, shape, name=name, tensor=shape if tensor is None else tensor, **how)

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of a constant to compute with: floats in float64."""
        assert self.data is not None
        return self.data.astype(FLOAT, copy=False) if self.dtype == FLOAT else self.data

    @property
    def uniform(self) -> Any:
        """The one number that a constant consists of, or None."""
        return self.data[()] if self.data is not None and self.data.ndim == 0 else None

    def is_all(self, number: Any) -> bool:
        """Return whether it is a constant that consists of this number alone."""
        return self.uniform is not None and bool(self.uniform == number)

    def reference(self) -> str:
        """Return the name in the graph, of a constant too."""
        return self.name if self.data is None else self.graph.constant(self.data)

    def broadcast(self, shape: tuple[int, ...]) -> Value:
        """Return the value with a larger shape, and the same tensor."""
        if shape == self.shape:
            return self
        if np.broadcast_shapes(self.shape, shape) != shape:
            raise ValueError(f"shape {self.shape} does not broadcast to {shape}")
        lead = (1,) * (len(shape) - len(self.shape))
        if self.data is not None:
            return Value.constant(self.graph, self.data.reshape(lead + self.tensor if self.tensor else ()), shape)
        if lead:
            name = self.graph.one("Reshape", self.name, _sizes(lead + self.tensor, self.graph))
            return replace(self, name=name, shape=shape, tensor=lead + self.tensor)
        return replace(self, shape=shape)

    def whole(self, *, but_samples: bool = False, batch: str = "") -> Value:
        """Return the value with a tensor of its full shape.

        Args:
            but_samples: leave out free sizes that the tensor has as 1.
            batch: a value that has the number of samples, where this one does not know it.
        """
        tensor = self.tensor or (1,) * len(self.shape)
        wanted = tuple(1 if but_samples and t == 1 and free(s) else s for s, t in zip(self.shape, tensor, strict=True))
        if wanted == self.tensor:
            return self
        if self.data is not None and not any(map(free, wanted)):
            data = np.broadcast_to(self.data, wanted)
            return replace(self, data=np.ascontiguousarray(data), tensor=wanted)
        batch = self.batch or batch or self.graph.batch
        name = self.reference()
        if not self.tensor and wanted:
            name = self.graph.one("Reshape", name, self.graph.integers((1,) * len(wanted)))
        name = self.graph.one("Expand", name, sizes(self.graph, wanted, batch))
        return replace(self, name=name, data=None, tensor=wanted, batch=batch)


def sizes(graph: Graph, shape: Sequence[int], batch: str) -> str:
    """Return the name of a shape of which some sizes are only known when the graph runs."""
    if not any(map(free, shape)):
        return graph.integers(shape)
    batch = batch or graph.batch
    if not batch:
        raise UnsupportedError("a constant is needed once for every sample, and nothing says how many there are")
    samples = graph.one("Shape", batch, start=0, end=1)
    parts: list[str] = []
    for size in shape:
        many = size // SAMPLES
        part = graph.integers((size,))
        if free(size):
            part = samples if many == 1 else graph.one("Mul", samples, graph.integers((many,)))
        parts.append(part)
    return graph.one("Concat", *parts, axis=0)


def _sizes(shape: Sequence[int], graph: Graph) -> str:
    """Return the name of a shape for Reshape, which finds out the only free size by itself."""
    if sum(map(free, shape)) > 1:
        raise UnsupportedError(f"a shape with several free sizes, {tuple(shape)}, cannot be written")
    return graph.integers(-1 if free(s) else s for s in shape)


def later(values: Sequence[Value]) -> str:
    """Return the batch of what several values make: that of the targets where one has it."""
    found = {v.batch for v in values if v.batch}
    start = values[0].graph.start
    return start if start in found else min(found, default="")


# Element by element --------------------------------------------------------------------------------------------------


def elementwise(operator: str, host: Callable[..., Any], *values: Value, dtype: Any = None, **how: Any) -> Value:
    """Return what an operator makes of values, number by number.

    Args:
        operator: of the graph.
        host: the same of NumPy, for constants.
        values: that broadcast.
        dtype: of the result; that of the values by default.
        how: attributes, and ``nonnegative``.
    """
    graph = values[0].graph
    nonnegative = how.pop("nonnegative", False)
    shape = np.broadcast_shapes(*(v.shape for v in values))
    if all(v.data is not None for v in values):
        with np.errstate(all="ignore"):
            return Value.constant(graph, host(*(v.numbers for v in values)), shape)
    tensors = [v.tensor for v in values]
    tensor = np.broadcast_shapes(*tensors)
    tensor = (1,) * (len(shape) - len(tensor)) + tensor
    name = graph.one(operator, *(v.reference() for v in values), **how)
    name = _raised(graph, name, max(map(len, tensors)), tensor)
    kind = dtype or values[-1].dtype
    return Value(graph, shape, np.dtype(kind), name, None, tensor, later(values), nonnegative)


def _raised(graph: Graph, name: str, axes: int, tensor: tuple[int, ...]) -> str:
    """Return the name of a tensor with 1s in front, where it has fewer axes than it should."""
    return name if axes == len(tensor) else graph.one("Reshape", name, _sizes(tensor, graph))


def cast(x: Value, dtype: Any) -> Value:
    """Return a value as floats, integers or booleans."""
    kind = np.dtype(dtype)
    kind = FLOAT if kind.kind == "f" else INT if kind.kind in "iu" else kind
    if kind == x.dtype:
        return x
    if x.data is not None:
        return Value.constant(x.graph, x.data.astype(kind), x.shape)
    onnx_kind = {"f": x.graph.dtype, "i": INT, "b": BOOL}[kind.kind]
    number = {"float32": 1, "float64": 11, "int64": 7, "bool": 9}[onnx_kind.name]  # of TensorProto
    return replace(x, name=x.graph.one("Cast", x.name, to=number), dtype=kind)


def where(mask: Value, a: Value, b: Value) -> Value:
    """Return a where the mask holds, else b."""
    shape = np.broadcast_shapes(mask.shape, a.shape, b.shape)
    if mask.uniform is not None:
        return (a if mask.uniform else b).broadcast(shape)
    made = elementwise("Where", np.where, mask, a, b, dtype=a.dtype)
    return replace(made, nonnegative=a.nonnegative and b.nonnegative) if made.data is None else made


# Shapes --------------------------------------------------------------------------------------------------------------


def reshape(x: Value, shape: Sequence[int]) -> Value:
    """Return a value in another shape, of which one size may be −1."""
    if -1 in shape:
        known = math.prod(s for s in shape if s != -1)
        shape = tuple(math.prod(x.shape) // max(known, 1) if s == -1 else s for s in shape)
    shape = tuple(int(s) for s in shape)
    if math.prod(shape) != math.prod(x.shape):
        raise ValueError(f"cannot reshape {x.shape} into {shape}")
    if shape == x.shape:
        return x
    if x.uniform is not None:
        return replace(x, shape=shape)
    if 0 in shape:
        return empty(x, shape)
    kept = len(shape) > 0 and len(x.shape) > 0 and shape[0] == x.shape[0] and x.tensor[0] == 1 and free(shape[0])
    x = x.whole(but_samples=kept)
    tensor = (1, *shape[1:]) if kept else shape
    if x.data is not None and math.prod(x.tensor) == math.prod(tensor):
        return Value.constant(x.graph, x.data.reshape(tensor), shape)
    x = x if x.data is None else x.whole()
    return x.made(x.graph.one("Reshape", x.name, _sizes(tensor, x.graph)), shape, tensor, nonnegative=x.nonnegative)


def empty(x: Value, shape: tuple[int, ...]) -> Value:
    """Return what is left of a value where nothing is left."""
    return Value.constant(x.graph, np.zeros((), dtype=x.dtype), shape)


def transpose(x: Value, order: Sequence[int]) -> Value:
    """Return a value with its axes in another order."""
    order = tuple(o % len(x.shape) for o in order)
    shape = tuple(x.shape[o] for o in order)
    if order == tuple(range(len(order))):
        return x
    if x.uniform is not None:
        return replace(x, shape=shape)
    if x.data is not None:
        return replace(x, data=x.data.transpose(order), shape=shape, tensor=tuple(x.tensor[o] for o in order))
    name = x.graph.one("Transpose", x.name, perm=order)
    return x.made(name, shape, tuple(x.tensor[o] for o in order), nonnegative=x.nonnegative)


def concatenate(values: Sequence[Value], axis: int) -> Value:
    """Return values one behind the other along an axis."""
    axis %= len(values[0].shape)
    first, batch = values[0], later(values)
    shape = (*first.shape[:axis], sum(v.shape[axis] for v in values), *first.shape[axis + 1 :])
    if len(values) == 1:
        return first
    dtype = next((v.dtype for v in values if v.dtype.kind == "f"), first.dtype)
    values = [cast(v, dtype) for v in values]
    alike = {v.uniform for v in values}
    if len(alike) == 1 and None not in alike:
        return Value.constant(first.graph, values[0].uniform, shape)
    lazy = [v.whole(but_samples=True) for v in values]
    some = {v.tensor[k] == 1 and free(v.shape[k]) for v in lazy for k in range(len(shape)) if free(v.shape[k])}
    if some == {False, True} or len({v.batch for v in lazy if v.batch}) > 1 or free(shape[axis]):
        lazy = [per_sample(v, batch) for v in values]
    if all(v.data is not None for v in lazy):
        return Value.constant(first.graph, np.concatenate([v.numbers for v in lazy], axis), shape)
    tensor = tuple(sum(v.tensor[k] for v in lazy) if k == axis else lazy[0].tensor[k] for k in range(len(shape)))
    name = first.graph.one("Concat", *(v.reference() for v in lazy), axis=axis)
    positive = all(v.nonnegative for v in values)
    return Value(first.graph, shape, dtype, name, None, tensor, batch, positive)


def per_sample(x: Value, batch: str) -> Value:
    """Return a value with a tensor that has every sample, as many as ``batch`` has."""
    if x.tensor == x.shape and x.batch == batch:
        return x
    name = x.reference()
    if not x.tensor and x.shape:
        name = x.graph.one("Reshape", name, x.graph.integers((1,) * len(x.shape)))
    name = x.graph.one("Expand", name, sizes(x.graph, x.shape, batch))
    return replace(x, name=name, data=None, tensor=x.shape, batch=batch if any(map(free, x.shape)) else x.batch)
