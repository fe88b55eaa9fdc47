"""Comparisons, choices, constants, and integers that become numbers or rows of a table."""

from __future__ import annotations

from ....layers import Compare, Constant, Embedding, Number, Where
from .part import Part, writes

COMPARISONS = {
    "equal": "Equal",
    "not_equal": "Equal",  # and turned round
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
}


def _to_float(part: Part) -> int:
    """Return ONNX's number of the network's type."""
    to: int = part.onnx.helper.np_dtype_to_tensor_dtype(part.dtype)
    return to


@writes(Compare)
def _compare(part: Part) -> None:
    layer: Compare = part.layer
    bound = part.reads[1] if layer.bound is None else part.weight(layer.bound, "bound")
    answer = part.add(COMPARISONS[layer.comparison], part.reads[0], bound, tag="answer")
    if layer.comparison == "not_equal":
        answer = part.add("Not", answer, tag="turned")
    part.end("Cast", answer, to=_to_float(part))


@writes(Where)
def _where(part: Part) -> None:
    condition = part.add("Cast", part.reads[0], tag="condition", to=part.onnx.TensorProto.BOOL)
    part.end("Where", condition, *part.reads[1:])


@writes(Constant)
def _constant(part: Part) -> None:
    value = part.layer.value
    for axis, other in part.layer.cut:
        value = value[(slice(None),) * (axis - 1) + (slice(part.size(other)),)]
    batch = part.add("Shape", part.reads[0], tag="batch", start=0, end=1)
    shape = part.add("Concat", batch, part.integers(value.shape, "sample"), tag="shape", axis=0)
    part.end("Expand", part.weight(value[None], "value"), shape)


@writes(Number)
def _number(part: Part) -> None:
    part.end("Cast", part.reads[0], to=_to_float(part))


@writes(Embedding)
def _embedding(part: Part) -> None:
    part.end("Gather", part.weight(part.layer.table, "table"), part.reads[0], axis=0)
