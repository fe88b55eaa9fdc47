"""Layers that only move values."""

from __future__ import annotations

import numpy as np

from ....layers import Flatten, Gather, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze, Upsample
from ..values import Refusal
from .part import Part, Shape, writes

FAR = np.iinfo(np.int64)


def reshape(part: Part, x: str, sample: Shape) -> None:
    """End with a Reshape to samples of a shape with at most one free size."""
    part.end("Reshape", x, shape_of(part, sample, "shape"))


def shape_of(part: Part, sample: Shape, tag: str) -> str:
    """Return what a Reshape to samples of a shape reads; 0 stands for the batch as it is."""
    sizes = [-1 if n is None else n for n in sample]
    if 0 in sizes or sizes.count(-1) > 1:
        raise Refusal("samples without elements, or with several free sizes: fix them with save(..., shapes=...)")
    return part.integers([0, *sizes], tag)


@writes(Flatten)
def _flatten(part: Part) -> None:
    if part.layer.start == 1:
        part.end("Flatten", part.reads[0], axis=1)
    else:
        reshape(part, part.reads[0], part.out[0][1:])


@writes(Reshape)
def _reshape(part: Part) -> None:
    reshape(part, part.reads[0], part.out[0][1:])


@writes(Squeeze, Unsqueeze)
def _axes(part: Part) -> None:
    kind = type(part.layer).__name__
    if part.layer.axes:
        part.end(kind, part.reads[0], part.integers(part.layer.axes, "axes"))
    else:
        part.end("Identity", part.reads[0])


@writes(Transpose)
def _transpose(part: Part) -> None:
    part.end("Transpose", part.reads[0], perm=part.layer.axes)


@writes(Slice)
def _slice(part: Part) -> None:
    layer: Slice = part.layer
    steps = layer.steps or (1,) * len(layer.axes)
    if not layer.axes:
        part.end("Identity", part.reads[0])
        return
    starts = [(0 if k > 0 else FAR.max) if s is None else s for s, k in zip(layer.starts, steps, strict=True)]
    stops = [(FAR.max if k > 0 else FAR.min) if s is None else s for s, k in zip(layer.stops, steps, strict=True)]
    columns = (("starts", starts), ("stops", stops), ("axes", layer.axes), ("steps", steps))
    part.end("Slice", part.reads[0], *(part.integers(values, tag) for tag, values in columns))


@writes(Split)
def _split(part: Part) -> None:
    part.end("Split", part.reads[0], part.integers(part.layer.sizes, "sizes"), axis=part.layer.axis)


@writes(Gather)
def _gather(part: Part) -> None:
    part.end("Gather", part.reads[0], part.integers(part.layer.indices, "indices"), axis=part.layer.axis)


@writes(Pad)
def _pad(part: Part) -> None:
    layer: Pad = part.layer
    if hasattr(layer.value, "shape") and layer.value.ndim:
        raise Refusal("a value of its own for each channel: ONNX pads with one number")
    amounts = [0, *(a for a, _ in layer.amounts), 0, *(b for _, b in layer.amounts)]
    value = [part.number(layer.value, "value")] if layer.mode == "constant" and layer.value else []
    part.end("Pad", part.reads[0], part.integers(amounts, "amounts"), *value, mode=layer.mode)


@writes(Upsample)
def _upsample(part: Part) -> None:
    """Position k of the output is position ⌊k/f⌋ of the input."""
    scales = part.floats([1, 1, *part.layer.factors], "scales")
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    part.end("Resize", part.reads[0], "", scales, **modes)
