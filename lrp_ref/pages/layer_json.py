"""A layer as JSON and arrays, from which ``assets/connections.js`` knows what each of its units reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, to_numpy
from ..errors import UnsupportedError
from ..layers import Affine, AveragePool, Conv, Dense, Elementwise, Flatten, Layer, MaxPool, SumPool
from ..layers.pooling import Geometry
from ..layers.reduction import Mean

Described = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]


def layer_json(layer: Layer, read: Sequence[int], made: Sequence[int]) -> Described:
    """Return a layer as a JSON value and its arrays by name: ``weight`` and, where it has one, ``bias``.

    The page puts the arrays into the value, ``{...layer, weight, bias}``, in which ``connections.js`` looks for them.

    Args:
        layer: dense, a convolution, a sum, average or max pool, a mean over all spatial axes, an affine or an
            elementwise one, or Flatten.
        read, made: shapes of one sample of its input and its output.

    Raises:
        UnsupportedError: another layer: a page has its messages only as they were computed.

    Example:
        >>> described, arrays = layer_json(SumPool(2), (1, 4), (1, 2))
        >>> described["kernel"], described["stride"], arrays["weight"]
        ([2], [2], array([1.]))
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
        windows = _windows(shape.kernel, shape.stride, shape.pads, shape.dilation)
        weight = np.ones(1) if isinstance(layer, MaxPool) else np.asarray(layer.weights(x, shape), dtype=np.float64)
        return {**head, "kind": "pool", **windows}, _arrays(weight)
    if isinstance(layer, Mean) and len(read) > 1 and layer.reduced(np.zeros((1, *read))) == tuple(range(2, len(read) + 1)):
        size = read[1:]  # its one window is the whole map; where its axes are gone, the places are the same
        windows = _windows(size, [1] * len(size), [(0, 0)] * len(size), [1] * len(size))
        head["made"] = [read[0], *(1 for _ in size)]
        return {**head, "kind": "pool", **windows}, _arrays(np.array([1 / math.prod(size)]))
    if isinstance(layer, Affine) and not layer.cut and tuple(read) == tuple(made):
        parameters = [_parameter(p, read) for p in (layer.scale, layer.shift)]
        each = math.prod(read[1:]) if all(p is None or p.size == read[0] for p in parameters) else 1
        whole = [p if p is None or each > 1 else np.broadcast_to(p, read) for p in parameters]
        return {**head, "kind": "affine", "each": each}, _arrays(*whole)
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
