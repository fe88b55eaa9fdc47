"""Dense layers, convolutions, scales and shifts, sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....layers import Add, Affine, Concat, Conv, ConvTranspose, Dense, MatMul, Multiply
from .part import Part, writes


@writes(Dense)
def _dense(part: Part) -> None:
    layer: Dense = part.layer
    weight = part.weight(layer.weight, "weight")
    if layer.bias is None:
        part.end("MatMul", part.reads[0], weight)
        return
    # Its name is that of the product, where a reader looks for the weights.
    product = f"{part.name}/product"
    part.nodes.append(part.onnx.helper.make_node("MatMul", [part.reads[0], weight], [product], name=part.name))
    part.nodes.append(
        part.onnx.helper.make_node(
            "Add", [product, part.weight(layer.bias, "bias")], [part.makes[0]], name=f"{part.name}/add"
        )
    )


def _windows(layer: Any) -> dict[str, Any]:
    """Return the attributes that convolutions have in common."""
    return {
        "kernel_shape": layer.weight.shape[2:],
        "strides": layer.stride,
        "pads": [pair[0] for pair in layer.padding] + [pair[1] for pair in layer.padding],
        "dilations": layer.dilation,
        "group": layer.groups,
    }


@writes(Conv, ConvTranspose)
def _conv(part: Part) -> None:
    layer = part.layer
    attributes = _windows(layer)
    if isinstance(layer, ConvTranspose):
        axes = layer.weight.ndim - 2
        extra = layer.output_padding
        attributes["output_padding"] = [extra] * axes if isinstance(extra, int) else extra
    kind, inputs = type(layer).__name__, [part.reads[0], part.weight(layer.weight, "weight")]
    if layer.bias is None or layer.bias.ndim == 1:
        inputs += [] if layer.bias is None else [part.weight(layer.bias, "bias")]
        part.end(kind, *inputs, **attributes)
        return
    made = part.add(kind, *inputs, tag="windows", **attributes)
    part.end("Add", made, part.weight(layer.bias, "bias"))


def _as_long(part: Part, parameter: Any) -> Any:
    """Return as much of an Affine's parameter as its input is long, whose size must be known then."""
    for axis in part.layer.cut:
        place = axis - 1 if parameter.ndim == 1 else axis - (part.rank - parameter.ndim)
        if 0 <= place < parameter.ndim and parameter.shape[place] != 1:
            parameter = parameter[(slice(None),) * place + (slice(part.size(axis)),)]
    return parameter


@writes(Affine)
def _affine(part: Part) -> None:
    layer: Affine = part.layer
    scale, shift = (None if p is None else _as_long(part, p) for p in (layer.scale, layer.shift))
    channels = part.shapes[0][1] if part.rank > 1 else None
    if scale is not None and shift is not None and scale.shape == shift.shape == (channels,):
        # The mean is 0 and the variance 1, without an epsilon: scale and shift are what they are.
        zero, one = (np.full(scale.shape, value, dtype=scale.dtype) for value in (0, 1))
        names = (("scale", scale), ("shift", shift), ("mean", zero), ("variance", one))
        part.end("BatchNormalization", part.reads[0], *(part.weight(a, tag) for tag, a in names), epsilon=0.0)
        return
    x = part.reads[0]
    if scale is not None and shift is not None:
        x = part.add("Mul", x, part.fitted(scale, "scale"), tag="scaled")
        part.end("Add", x, part.fitted(shift, "shift"))
    elif scale is not None:
        part.end("Mul", x, part.fitted(scale, "scale"))
    else:
        part.end("Add", x, part.fitted(shift, "shift"))


@writes(Add)
def _add(part: Part) -> None:
    coefficients = part.layer.coefficients
    if coefficients == (1, -1):
        part.end("Sub", *part.reads)
        return
    terms = list(part.reads)
    for k, c in enumerate(coefficients):
        if c != 1:
            terms[k] = part.add("Mul", terms[k], part.number(c, f"coefficient{k}"), tag=f"term{k}")
    part.end("Add" if len(terms) == 2 else "Sum", *terms)


@writes(Multiply)
def _multiply(part: Part) -> None:
    part.end("Mul", *part.reads)


@writes(MatMul)
def _matmul(part: Part) -> None:
    part.end("MatMul", *part.reads)


@writes(Concat)
def _concat(part: Part) -> None:
    part.end("Concat", *part.reads, axis=part.layer.axis)
