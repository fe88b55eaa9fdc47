"""A layer of the vectors as an explicit matrix, and its value, one sample at a time."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from lrp_ref.literal import matrices, nonlinear
from lrp_ref.literal.matrices import Matrix

from .values import Array, zeros

Layer = dict[str, Any]
WINDOW = ("stride", "padding", "dilation", "ceil_mode")
MATRIX_LAYERS = (
    "Dense", "Conv", "ConvTranspose", "AveragePool", "SumPool", "GlobalAveragePool", "Affine", "BatchNorm", "Add"
)  # fmt: skip
ROUTES = ("Concat", "Flatten", "Slice", "Pad", "Transpose", "Upsample")


def geometry(layer: Layer, *names: str) -> dict[str, Any]:
    """Return those of the named geometry parameters that a layer has."""
    return {name: layer[name] for name in names if name in layer}


def root(value: Fraction) -> Fraction:
    """Return the square root of a rational square; raises ValueError for other numbers."""
    result = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if result * result != value:
        raise ValueError(f"{value} is not a square of a rational")
    return result


def affine_of(layer: Layer) -> tuple[Array, Array]:
    """Return scale and shift of a BatchNorm in inference: gamma / sqrt(variance + epsilon), beta - mean scale."""
    scale = zeros(layer["gamma"].shape)
    for k, (gamma, variance) in enumerate(zip(layer["gamma"], layer["variance"], strict=True)):
        scale[k] = gamma / root(variance + layer["epsilon"])
    return scale, layer["beta"] - layer["mean"] * scale


def matrix_of(layer: Layer, shapes: list[tuple[int, ...]]) -> Matrix:
    """Return the matrix of a linear layer over its operands, flattened in a row; shapes are without batch."""
    kind, shape = layer["type"], shapes[0]
    if kind == "Dense":
        return matrices.dense(layer["weight"], layer["bias"])
    if kind == "Conv":
        names = geometry(layer, "stride", "padding", "dilation", "groups")
        return matrices.conv(layer["weight"], layer["bias"], input_shape=shape, **names)
    if kind == "ConvTranspose":
        names = geometry(layer, "stride", "padding", "output_padding", "dilation", "groups")
        return matrices.conv_transpose(layer["weight"], layer["bias"], input_shape=shape, **names)
    if kind == "AveragePool":
        names = geometry(layer, "stride", "padding", "ceil_mode", "count_include_pad")
        return matrices.average_pool(shape, layer["kernel"], dtype=object, **names)
    if kind == "SumPool":
        return matrices.sum_pool(
            shape, layer["kernel"], dtype=object, **geometry(layer, "stride", "padding", "ceil_mode")
        )
    if kind == "GlobalAveragePool":
        return matrices.global_average_pool(shape, dtype=object)
    if kind == "Affine":
        return matrices.affine(layer["scale"], layer["shift"], input_shape=shape)
    if kind == "BatchNorm":
        return matrices.affine(*affine_of(layer), input_shape=shape)
    if kind == "Add":
        return matrices.add(len(shapes), shape, dtype=object)
    raise ValueError(f"{kind} is not a linear layer")


def route(layer: Layer, operands: list[Array]) -> Array:
    """Return the output of a layer that only moves numbers; works on positions as well as on values.

    Constant padding is None where the operands are positions, its value otherwise.
    """
    kind, x = layer["type"], operands[0]
    if kind == "Concat":
        return np.concatenate(operands, axis=layer["axis"] - 1)
    if kind == "Flatten":
        return x.reshape(-1)
    if kind == "Transpose":
        return x.transpose([axis - 1 for axis in layer["axes"][1:]])
    if kind == "Slice":
        index: list[slice] = [slice(None)] * x.ndim
        for axis, start, stop, step in zip(layer["axes"], layer["starts"], layer["stops"], layer["steps"], strict=True):
            index[axis - 1] = slice(start, stop, step)
        return x[tuple(index)]
    if kind == "Upsample":
        for axis, factor in enumerate(layer["factors"]):
            x = np.repeat(x, factor, axis=axis + 1)
        return x
    if kind == "Pad" and layer["mode"] == "constant":
        return np.pad(x, layer["amounts"], constant_values=layer["value"])
    if kind == "Pad":
        return np.pad(x, layer["amounts"], mode=layer["mode"])
    raise ValueError(f"{kind} is not a route")


def forward(layer: Layer, operands: list[Array]) -> Array:
    """Return the value of a layer for one sample (operands without batch)."""
    kind, x = layer["type"], operands[0]
    if kind in MATRIX_LAYERS:
        matrix = matrix_of(layer, [v.shape for v in operands])
        flat = matrix.forward(np.concatenate([v.reshape(-1) for v in operands]))
        return np.asarray(flat.reshape(matrix.output_shape))
    if kind in ROUTES:
        return route(layer, operands)
    if kind == "ReLU":
        return np.asarray(np.maximum(x, 0))
    if kind == "MaxPool" and layer.get("_padding_wins"):
        padded = np.pad(x, [(0, 0), *layer["padding"]], constant_values=zeros(())[()])
        return nonlinear.max_pool_forward(padded, layer["kernel"], **{**geometry(layer, *WINDOW), "padding": 0})
    if kind == "MaxPool":
        return nonlinear.max_pool_forward(x, layer["kernel"], **geometry(layer, *WINDOW))
    if kind == "Multiply":
        return np.asarray(operands[0] * operands[1])
    raise ValueError(f"no forward formula for {kind}")
