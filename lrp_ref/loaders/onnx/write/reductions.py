"""Reductions over whole axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....layers import GlobalAveragePool, GlobalMaxPool, LogSumExp, Max, Mean, Prod, Sum
from ..values import Refusal
from .part import Part, writes
from .pooling import EDITED


def _axes(part: Part) -> list[int]:
    """Return the layer's axes in its order, counted from the front; all spatial ones where it names none."""
    axes = getattr(part.layer, "axes", None)
    return [a % part.rank for a in (range(2, part.rank) if axes is None else axes)]


def _reduce(part: Part, kind: str, axes: Sequence[int]) -> None:
    """End with an operator whose axes became an input in opset 18."""
    inputs, attributes = reduction(part, axes)
    part.end(kind, part.reads[0], *inputs, keepdims=int(part.layer.keepdims), **attributes)


def reduction(part: Part, axes: Sequence[int], tag: str = "axes") -> tuple[list[str], dict[str, Any]]:
    """Return the axes as inputs and as attributes of an operator that took them as an input from opset 18 on."""
    return ([], {"axes": list(axes)}) if part.opset < 18 else ([part.integers(axes, tag)], {})


@writes(Sum, Mean, GlobalAveragePool)
def _reduced(part: Part) -> None:
    layer, x = part.layer, part.reads[0]
    whole, axes = layer.axes is None, sorted(_axes(part))
    keep = int(layer.keepdims)
    factor = layer.factor
    if getattr(layer, "weight_edit", None) is not None:
        raise Refusal(EDITED)
    if isinstance(layer, Mean) and factor == 1:
        if isinstance(layer, GlobalAveragePool) and whole and keep:
            part.end("GlobalAveragePool", x)
        else:
            _reduce(part, "ReduceMean", axes)
        return
    if isinstance(layer, Mean):
        factor = factor / max(1, int(np.prod([part.size(a) for a in axes])))
    if factor == 1:
        part.end("ReduceSum", x, part.integers(axes, "axes"), keepdims=keep)
        return
    total = part.add("ReduceSum", x, part.integers(axes, "axes"), tag="sum", keepdims=1)
    if keep:
        part.end("Mul", total, part.number(factor, "factor"))
    else:
        product = part.add("Mul", total, part.number(factor, "factor"), tag="product")
        part.end("Squeeze", product, part.integers(axes, "removed"))


@writes(GlobalMaxPool)
def _global_max_pool(part: Part) -> None:
    if part.layer.keepdims:
        part.end("GlobalMaxPool", part.reads[0])
    else:
        _reduce(part, "ReduceMax", _axes(part))


@writes(Max)
def _max(part: Part) -> None:
    _reduce(part, "ReduceMax", sorted(_axes(part)))


@writes(LogSumExp)
def _log_sum_exp(part: Part) -> None:
    _reduce(part, "ReduceLogSumExp", sorted(_axes(part)))


@writes(Prod)
def _prod(part: Part) -> None:
    """ReduceProd; one for each axis where the layer multiplies in another order than that of the axes."""
    axes, x = _axes(part), part.reads[0]
    if axes == sorted(axes):
        _reduce(part, "ReduceProd", axes)
        return
    for k, axis in enumerate(axes):
        inputs, attributes = reduction(part, [axis], f"axis{k}")
        if part.layer.keepdims and k + 1 == len(axes):
            part.end("ReduceProd", x, *inputs, keepdims=1, **attributes)
            return
        x = part.add("ReduceProd", x, *inputs, tag=f"product{k}", keepdims=1, **attributes)
    part.end("Squeeze", x, part.integers(axes, "removed"))
