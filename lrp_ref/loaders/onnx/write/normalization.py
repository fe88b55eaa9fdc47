"""Normalisation by a sample's own deviation, and by neighbouring channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....layers import LocalResponseNorm, Normalize
from ..values import Refusal
from .part import Part, writes
from .reductions import reduction
from .routes import reshape, shape_of

EPSILON = 1e-5  # what the operators have where a file says nothing
RANK = 4  # of what onnxruntime's LRN takes


@writes(Normalize)
def _normalize(part: Part) -> None:
    """An operator where there is one, else the quotient written out.

    None of the operators leaves out the mean; ε has single precision, in which two of them compute as well.
    """
    layer: Normalize = part.layer
    axes, single = sorted(a % part.rank for a in layer.axes), part.dtype == np.float32
    space, channels = list(range(2, part.rank)), part.shapes[0][1]
    named = layer.centre and (single or float(np.float32(layer.epsilon)) == layer.epsilon)
    if named and layer.groups == 1 and axes == space and channels is not None:
        _scaled(part, "InstanceNormalization", (channels,))
    elif named and single and layer.groups == 1 and axes == list(range(axes[0], part.rank)) and _fixed(part, axes):
        _scaled(part, "LayerNormalization", tuple(part.size(a) for a in axes), axis=axes[0])
    elif named and single and axes == [1, *space] and space and channels is not None and part.opset >= 21:
        _scaled(part, "GroupNormalization", (channels,), num_groups=layer.groups)
    elif layer.groups == 1:
        part.end("Div", *_quotient(part, part.reads[0], axes))
    else:
        _grouped(part, axes)


def _fixed(part: Part, axes: list[int]) -> bool:
    return all(part.shapes[0][a] is not None for a in axes)


def _scaled(part: Part, kind: str, shape: tuple[int, ...], **attributes: Any) -> None:
    """End with an operator that has a scale and a shift as well, here 1 and 0."""
    scale, shift = part.number(1, "scale", shape), part.number(0, "shift", shape)
    epsilon = part.attribute(part.layer.epsilon, "epsilon", EPSILON)
    part.end(kind, part.reads[0], scale, shift, epsilon=epsilon, **attributes)


def _quotient(part: Part, x: str, axes: list[int]) -> tuple[str, str]:
    """Return what is left of the mean, and the deviation."""
    layer: Normalize = part.layer
    inputs, attributes = reduction(part, axes)
    if layer.centre:
        mean = part.add("ReduceMean", x, *inputs, tag="mean", keepdims=1, **attributes)
        x = part.add("Sub", x, mean, tag="centred")
    square = part.add("Pow", x, part.number(2, "two"), tag="square")
    variance = part.add("ReduceMean", square, *inputs, tag="variance", keepdims=1, **attributes)
    if layer.epsilon:
        variance = part.add("Add", variance, part.number(layer.epsilon, "epsilon"), tag="sum")
    return x, part.add("Sqrt", variance, tag="deviation")


def _grouped(part: Part, axes: list[int]) -> None:
    """Give the groups of axis 1 an axis of their own, and take it away behind the division."""
    groups, space = part.layer.groups, part.shapes[0][2:]
    apart = shape_of(part, (groups, part.size(1) // groups, *space), "groups")
    grouped = part.add("Reshape", part.reads[0], apart, tag="grouped")
    y = part.add("Div", *_quotient(part, grouped, [a + 1 for a in axes]), tag="normalized")
    reshape(part, y, (part.size(1), *space))


@writes(LocalResponseNorm)
def _local_response_norm(part: Part) -> None:
    layer: LocalResponseNorm = part.layer
    if layer.size % 2 == 0 and layer.window != "onnx":
        raise Refusal("a window of even size with one more channel before its centre: ONNX has one more behind it")
    defaults = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    attributes = {key: part.attribute(getattr(layer, key), key, value) for key, value in defaults.items()}
    if part.rank >= RANK:
        part.end("LRN", part.reads[0], size=layer.size, **attributes)
        return
    missing = list(range(part.rank, RANK))
    image = part.add("Unsqueeze", part.reads[0], part.integers(missing, "axes"), tag="image")
    normalized = part.add("LRN", image, tag="normalized", size=layer.size, **attributes)
    part.end("Squeeze", normalized, part.integers(missing, "removed"))
