"""A layer of the vectors as an explicit matrix, and its value, one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrp_ref.literal import matrices, nonlinear
from lrp_ref.literal.matrices import Matrix

from .values import Array, square_root, zeros

Layer = dict[str, Any]
WINDOW = ("stride", "padding", "dilation", "ceil_mode")
MATRIX_LAYERS = (
    "Dense", "Conv", "ConvTranspose", "AveragePool", "SumPool", "GlobalAveragePool", "Affine", "BatchNorm", "Add"
)  # fmt: skip
ROUTES = ("Concat", "Flatten", "Slice", "Pad", "Transpose", "Upsample")


def geometry(layer: Layer, *names: str) -> dict[str, Any]:
    """Return those of the named geometry parameters that a layer has."""
    return {name: layer[name] for name in names if name in layer}


def affine_of(layer: Layer) -> tuple[Array, Array]:
    """Return scale and shift of a BatchNorm in inference: gamma / sqrt(variance + epsilon), beta - mean scale."""
    scale = zeros(layer["gamma"].shape)
    for k, (gamma, variance) in enumerate(zip(layer["gamma"], layer["variance"], strict=True)):
        scale[k] = gamma / square_root(variance + layer["epsilon"])
    return scale, layer["beta"] - layer["mean"] * scale


def matrix_of(layer: Layer, shapes: list[tuple[int, ...]]) -> Matrix:
    """Return the matrix of a linear layer over its operands, flattened in a row; shapes are without batch."""
    kind, shape = layer["type"], shapes[0]
    if kind == "Dense":
        return _on_the_last_axis(matrices.dense(layer["weight"], layer["bias"]), shape)
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


def _on_the_last_axis(one: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Return a dense layer over every row of numbers of a sample: the same block for each."""
    rows = int(np.prod(shape[:-1]))
    if len(shape) == 1:
        return one
    (inputs, outputs), eye = one.weight.shape, np.eye(rows, dtype=bool)
    weight = np.zeros((rows * inputs, rows * outputs), dtype=object)
    taps = np.kron(eye, np.ones((inputs, outputs), dtype=bool))
    for k in range(rows):
        weight[k * inputs : (k + 1) * inputs, k * outputs : (k + 1) * outputs] = one.weight
    return Matrix(weight, np.concatenate([one.bias] * rows), taps, (*shape[:-1], outputs))


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
