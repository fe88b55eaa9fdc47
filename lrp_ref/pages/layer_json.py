"""A layer as JSON and arrays, from which ``assets/connections.js`` knows what each of its units reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, to_numpy
from ..errors import UnsupportedError
from ..layers import Add, Affine, Conv, Dense, Elementwise, Flatten, Layer, MaxPool, Sum, SumPool
from ..layers.pooling import Geometry
from ..layers.reduction import reduced_axes

Described = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]


def layer_json(layer: Layer, read: Sequence[int], made: Sequence[int], operands: int = 1) -> Described:
    """Return a layer as a JSON value and its arrays by name: ``weight`` and, where it has one, ``bias``.

    The page puts the arrays into the value, ``{...layer, weight, bias}``, in which ``connections.js`` looks for them.

    Args:
        layer: dense, a convolution, a sum, average or max pool, a sum or mean over whole axes, a sum of operands of
            one shape, an affine or an elementwise layer, or Flatten.
        read, made: shapes of one sample of its input and its output.
        operands: how many inputs it has.

    Raises:
        UnsupportedError: another layer: a page has its messages only as they were computed.

    Example:
        >>> described, arrays = layer_json(SumPool(2), (1, 4), (1, 2))
        >>> described["kernel"], described["stride"], arrays["weight"]
        ([1, 2], [1, 2], array([1.]))
    """
    head = {"type": type(layer).__name__, "read": list(read), "made": list(made)}
    if isinstance(layer, Dense):
        return {**head, "kind": "dense"}, _arrays(layer.weight, layer.bias)
    if isinstance(layer, Conv):
        windows = _windows(layer.weight.shape[2:], layer.stride, layer.padding, layer.dilation)
        return {**head, "kind": "conv", **windows, "groups": layer.groups}, _arrays(layer.weight, layer.bias)
    if isinstance(layer, SumPool | MaxPool):
        x = np.zeros((1, *read))
        shape = Geometry.of(layer, x)
        windows = _windows((1, *shape.kernel), (1, *shape.stride), ((0, 0), *shape.pads), (1, *shape.dilation))
        weight = np.ones(1) if isinstance(layer, MaxPool) else np.asarray(layer.weights(x, shape), dtype=np.float64)
        return {**head, "kind": "window", **windows}, _arrays(weight)
    if isinstance(layer, Sum):
        x = np.zeros((1, *read))
        whole = [n if k in reduced_axes(layer, x) else 1 for k, n in enumerate(read, 1)]
        ones = [1] * len(whole)
        head["made"] = [n // size for n, size in zip(read, whole, strict=True)]  # as if the axes had stayed
        windows = _windows(whole, ones, [(0, 0)] * len(whole), ones)
        return {**head, "kind": "window", **windows}, _arrays(np.array([float(layer.weight(x))]))
    if isinstance(layer, Add):
        return {**head, "kind": "add"}, _arrays(np.array([float(c) for c in layer.coefficients or (1,) * operands]))
    if isinstance(layer, Affine) and not layer.cut and tuple(read) == tuple(made):
        parameters = [_parameter(p, read) for p in (layer.scale, layer.shift)]
        each = math.prod(read[1:]) if all(p is None or p.size == read[0] for p in parameters) else 1
        full = [p if p is None or each > 1 else np.broadcast_to(p, read) for p in parameters]
        return {**head, "kind": "affine", "each": each}, _arrays(*full)
    if isinstance(layer, Flatten) or (isinstance(layer, Elementwise) and tuple(read) == tuple(made)):
        return {**head, "kind": "elementwise"}, {}
    raise UnsupportedError(f"{head['type']}: a page knows no connections of it")


def _windows(kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    return {
        "kernel": [int(k) for k in kernel],
        "stride": [int(s) for s in stride],
        "padding": [[int(p) for p in pair] for pair in padding],
        "dilation": [int(d) for d in dilation],
    }


def _parameter(value: Array | None, read: Sequence[int]) -> np.ndarray[Any, Any] | None:
    """Return a parameter of an affine layer so that it broadcasts against a sample."""
    if value is None:
        return None
    array = to_numpy(value)
    return array.reshape(array.shape + (1,) * (len(read) - 1)) if array.ndim == 1 else array


def _arrays(weight: Array | None, bias: Array | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return what there is, as flat arrays in C order."""
    found = {"weight": weight, "bias": bias}
    return {name: to_numpy(array).reshape(-1) for name, array in found.items() if array is not None}
