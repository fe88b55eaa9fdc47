"""Pooling by windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....layers import AveragePool, MaxPool, SumPool
from ....layers.pooling import Geometry
from ..values import Refusal
from .part import Part, Shape, writes

EDITED = "a copy with edited weights, as rules make them"


def _geometry(part: Part) -> Geometry:
    """Return the windows; a large size stands for a free one, since only the overhang depends on it."""
    sizes = [n if n is not None else 1 << 20 for n in part.shapes[0][2:]]
    return Geometry.of(part.layer, np.broadcast_to(np.zeros((), np.int8), (0, 1, *sizes)))


def _attributes(part: Part) -> dict[str, Any]:
    found = _geometry(part)
    pads = found.pads
    if part.layer.ceil_mode:
        pads = tuple(_without_last(found, part.shapes[0], k) for k in range(len(pads)))
    return {
        "kernel_shape": found.kernel,
        "strides": found.stride,
        "pads": [pair[0] for pair in pads] + [pair[1] for pair in pads],
        "dilations": found.dilation if set(found.dilation) != {1} else None,
        "ceil_mode": int(part.layer.ceil_mode),
    }


def _without_last(found: Geometry, shape: Shape, k: int) -> tuple[int, int]:
    """Return the padding of an axis, less behind it where ONNX would count a window that starts in there.

    onnxruntime leaves such a window out, as the layer does; the operator's definition does not.
    """
    before, after = found.pads[k]
    size, reach, stride = shape[k + 2], found.reach[k], found.stride[k]
    if size is None or 1 - (reach - size - before - after) // stride == found.out[k]:
        return before, after
    less = stride * (found.out[k] - 1) + reach - size - before
    if not 0 <= less <= after:
        raise Refusal("a last window that starts in the padding, which ONNX counts")
    return before, less


@writes(MaxPool)
def _max_pool(part: Part) -> None:
    part.end("MaxPool", part.reads[0], **_attributes(part))


@writes(AveragePool)
def _average_pool(part: Part) -> None:
    layer: AveragePool = part.layer
    if layer.weight_edit is not None:
        raise Refusal(EDITED)
    if layer.factor != 1:
        raise Refusal(f"its factor {layer.factor}: ONNX has none")
    attributes = _attributes(part)
    if attributes["dilations"] is not None and part.opset < 19:
        raise Refusal("its dilation, which opset 19 brought: save(..., opset=20)")
    part.end("AveragePool", part.reads[0], count_include_pad=int(layer.count_include_pad), **attributes)


@writes(SumPool)
def _sum_pool(part: Part) -> None:
    """The sum of one slice for each position of the window: ONNX has no sum over windows."""
    layer: SumPool = part.layer
    found, x, axes = _geometry(part), part.reads[0], list(range(2, part.rank))
    if layer.ceil_mode and None in part.shapes[0][2:]:
        raise Refusal("windows beyond the end of a free size: fix it with save(..., shapes=...)")
    if any(map(any, found.around)):
        pads = [0, 0, *(a for a, _ in found.around), 0, 0, *(b for _, b in found.around)]
        x = part.add("Pad", x, part.integers(pads, "pads"), tag="padded")
    axes_, steps = part.integers(axes, "axes"), part.integers(found.stride, "steps")
    terms = []
    for k, tap in enumerate(np.ndindex(*found.kernel)):
        starts = [t * d for t, d in zip(tap, found.dilation, strict=True)]
        # From the end, whatever the size: the last window ends there, or less than a stride before.
        behind = [r - 1 - s for r, s in zip(found.reach, starts, strict=True)]
        stops = [-b if b else np.iinfo(np.int64).max for b in behind]
        bounds = part.integers(starts, f"start{k}"), part.integers(stops, f"stop{k}")
        terms.append(part.add("Slice", x, *bounds, axes_, steps, tag=f"tap{k}"))
    if layer.factor == 1:
        part.end("Sum", *terms)
    else:
        part.end("Mul", part.add("Sum", *terms, tag="sum"), part.number(layer.factor, "factor"))
