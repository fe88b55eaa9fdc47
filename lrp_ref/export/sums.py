"""Sums, extremes and products of values of a graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .values import BOOL, FLOAT, INT, Value, cast, elementwise, free, later, reshape, transpose


def axes_of(x: Value, axis: Any) -> tuple[int, ...]:
    """Return axes counted from the front; all for None."""
    if axis is None:
        return tuple(range(len(x.shape)))
    many = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(a % len(x.shape) for a in many)


def reduced(x: Value, axis: Any, keepdims: bool) -> tuple[int, ...]:
    """Return the shape of what is left of a value after a reduction."""
    axes = axes_of(x, axis)
    return tuple(1 if k in axes else s for k, s in enumerate(x.shape) if keepdims or k not in axes)


def total(x: Value, axis: Any = None, keepdims: bool = False) -> Value:
    """Return the sum along axes."""
    axes, shape = axes_of(x, axis), reduced(x, axis, keepdims)
    x = cast(x, INT) if x.dtype.kind == "b" else x
    if not axes:
        return x
    if x.uniform is not None and x.uniform == 0:
        return Value.constant(x.graph, x.uniform, shape)
    tensor = x.tensor or (1,) * len(x.shape)
    repeated = [x.shape[k] for k in axes if tensor[k] == 1 and x.shape[k] != 1]
    if any(map(free, repeated)):
        raise UnsupportedError("a sum over all samples of a constant cannot be written")
    times = math.prod(repeated)
    if x.data is not None:
        data = x.numbers.reshape(tensor).sum(axis=axes, keepdims=keepdims) * times
        return Value.constant(x.graph, data, shape)
    left = tuple(1 if k in axes else t for k, t in enumerate(tensor) if keepdims or k not in axes)
    kept = [k for k in axes if tensor[k] != 1 or not keepdims]
    name = x.name
    if kept:
        name = x.graph.one("ReduceSum", name, x.graph.integers(kept), keepdims=int(keepdims))
    made = x.made(name, shape, left, nonnegative=x.nonnegative)
    return made if times == 1 else elementwise("Mul", np.multiply, made, Value.constant(x.graph, x.dtype.type(times)))


def extreme(x: Value, which: str, axis: Any = None, keepdims: bool = False) -> Value:
    """Return the largest ("Max"), the smallest ("Min") or the product ("Prod") along axes."""
    axes, shape = axes_of(x, axis), reduced(x, axis, keepdims)
    if x.dtype.kind == "b":
        made = extreme(cast(x, INT), which, axis, keepdims)
        return made if which == "Prod" else cast(made, BOOL)
    if not axes:
        return x
    x = x.whole(but_samples=which != "Prod")
    hosts: dict[str, Callable[..., Any]] = {"Max": np.max, "Min": np.min, "Prod": np.prod}
    host = hosts[which]
    left = tuple(1 if k in axes else t for k, t in enumerate(x.tensor) if keepdims or k not in axes)
    if x.data is not None:
        return Value.constant(x.graph, host(x.numbers, axis=axes, keepdims=keepdims), shape)
    if x.graph.opset >= 18:
        name = x.graph.one(f"Reduce{which}", x.name, x.graph.integers(axes), keepdims=int(keepdims))
    else:
        name = x.graph.one(f"Reduce{which}", x.name, axes=axes, keepdims=int(keepdims))
    return x.made(name, shape, left, nonnegative=x.nonnegative)


def argmax(x: Value, axis: Any = None, keepdims: bool = False) -> Value:
    """Return where the largest is along an axis, the first of several."""
    if axis is None:
        found = argmax(reshape(x, (math.prod(x.shape),)), 0)
        return reshape(found, (1,) * len(x.shape)) if keepdims else found
    (place,), shape = axes_of(x, axis), reduced(x, axis, keepdims)
    x = (cast(x, INT) if x.dtype.kind == "b" else x).whole(but_samples=True)
    if x.data is not None:
        return Value.constant(x.graph, np.argmax(x.data, axis=place, keepdims=keepdims), shape)
    left = tuple(1 if k == place else t for k, t in enumerate(x.tensor) if keepdims or k != place)
    return x.made(x.graph.one("ArgMax", x.name, axis=place, keepdims=int(keepdims)), shape, left, dtype=INT)


def matmul(a: Value, b: Value) -> Value:
    """Return the matrix product over the last two axes."""
    one = len(a.shape) == 1, len(b.shape) == 1
    if any(one):
        a = reshape(a, (1, *a.shape)) if one[0] else a
        b = reshape(b, (*b.shape, 1)) if one[1] else b
        made = matmul(a, b)
        shape = made.shape[: -2 if all(one) else None]
        if not all(one):
            shape = (*made.shape[:-2], made.shape[-1]) if one[0] else made.shape[:-1]
        return reshape(made, shape)
    a, b = (v.whole(but_samples=not free(a.shape[-1])) for v in (a, b))
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul of shapes {a.shape} and {b.shape}")
    if a.data is not None and b.data is not None:
        return Value.constant(a.graph, np.matmul(a.numbers, b.numbers), shape)
    tensor = (*np.broadcast_shapes(a.tensor[:-2], b.tensor[:-2]), a.tensor[-2], b.tensor[-1])
    if shape[-2:] == (1, 1):  # a scalar product: a product of matrices would copy its operands first
        row = elementwise("Mul", np.multiply, a, transpose(b, (*range(len(b.shape) - 2), -1, -2)))
        return total(row, axis=-1, keepdims=True)
    positive = a.nonnegative and b.nonnegative
    turned = b.data is not None and b.data.ndim == 2 and b.data.T.flags.c_contiguous and not b.data.flags.c_contiguous
    # One copy of the weights serves both ways.
    if turned and len(a.shape) == 2 and b.data is not None and b.dtype == FLOAT:
        name = a.graph.one("Gemm", a.reference(), a.graph.constant(b.data.T), transB=1)
    else:
        name = a.graph.one("MatMul", a.reference(), b.reference())
    return Value(a.graph, shape, b.dtype, name, None, tensor, later((a, b)), positive)


def holds(x: Value, which: str, axis: Any = None, keepdims: bool = False) -> Value:
    """Return whether any ("Max") or all ("Min") of booleans hold along axes."""
    if x.uniform is not None and math.prod(x.shape) != 0:
        return Value.constant(x.graph, np.asarray(x.uniform, dtype=bool), reduced(x, axis, keepdims))
    if x.data is not None:
        host = np.any if which == "Max" else np.all
        data = host(np.broadcast_to(x.data, x.tensor or x.shape), axis=axis, keepdims=keepdims)
        return Value.constant(x.graph, data, reduced(x, axis, keepdims))
    return extreme(cast(x, BOOL), which, axis, keepdims)
