"""Quantised networks, read as real numbers: weights dequantised exactly, activations in the range of their integers.

An integer q stands for the number (q − zero point)·scale. What quantising an activation does besides rounding is to
keep it within the smallest and largest integer, and that is kept as a Clip: programs that quantise leave out a
rectifier in front of integers that end at 0. The rounding is left out, and the network says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import require
from ...layers import Affine, Clip, MaxPool, Pad, Route
from .batches import Axes
from .convert import HANDLERS, Converter, operator
from .file import Op
from .values import Constant, Refusal, Signal, Special, Tensor

Array = np.ndarray[Any, Any]

# Operators that move or compare integers and compute with none: they do the same with the numbers that these stand for.
MOVING = (
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Resize", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
)  # fmt: skip
MICROSOFT = "com.microsoft."


@dataclass(frozen=True, eq=False)
class Quantised(Special):
    """Integers that stand for a signal.

    Attributes:
        signal: the numbers that they stand for, not rounded.
        scale, zero: of all of them; None where they depend on the input (``DynamicQuantizeLinear``).
        source: the node's output that names such a scale.
    """

    signal: Signal
    scale: float | None
    zero: int | None
    source: str = ""

    @property
    def described(self) -> str:
        scale = "a scale that depends on the input" if self.scale is None else f"scale {self.scale:.6g}"
        return f"holds quantised integers ({scale}); take what is computed before or behind them"

    def read_by(self, ctx: Converter, op: Op) -> Sequence[Tensor]:
        if op.kind not in MOVING:
            return HANDLERS[op.kind](ctx, op)
        read = {name: t for name in op.inputs if isinstance(t := ctx.tensor(name), Quantised)} if op.inputs else {}
        if any((t.scale, t.zero, t.source) != (self.scale, self.zero, self.source) for t in read.values()):
            raise Refusal("it puts integers of several scales together")
        for name, t in read.items():
            ctx.define(name, t.signal)
        try:
            made = HANDLERS[op.kind](ctx, replace(op, outputs=("",) * len(op.outputs)))
        finally:
            for name, t in read.items():
                ctx.define(name, t)
        return [replace(self, signal=t) if isinstance(t, Signal) else t for t in made]


def fixed(ctx: Converter, array: Array) -> Constant:
    """Return an array of numbers as a constant of the network's dtype."""
    return Constant.fixed(np.ascontiguousarray(array.astype(ctx.dtype)))


# -- reading operands --------------------------------------------------------------------------------------------------


def limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the smallest and the largest number of a type that activations are quantised to."""
    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    types = require("ml_dtypes", extra="onnx", purpose="read small integers and floats of ONNX files")
    try:
        facts = types.iinfo(dtype)
    except ValueError:
        facts = types.finfo(dtype)
    return float(facts.min), float(facts.max)


def _number(ctx: Converter, op: Op, k: int) -> float:
    """Return a scale: one positive number."""
    array = ctx.constant(op.inputs[k]).array().astype(np.float64)
    if array.size != 1:
        raise Refusal(f"scales of shape {array.shape} for an activation; one for all of it is supported")
    scale = float(array.reshape(-1)[0])
    if not (np.isfinite(scale) and scale > 0):
        raise Refusal(f"a scale of {scale:g}")
    return scale


def zero_point(ctx: Converter, op: Op, k: int) -> tuple[int, np.dtype[Any]]:
    """Return a zero point, and the type of the integers; 0 of uint8 where none is given."""
    if not ctx.has(op, k):
        return 0, np.dtype(np.uint8)
    array = ctx.constant(op.inputs[k]).array()
    if array.size != 1:
        raise Refusal(f"zero points of shape {array.shape} for an activation; one for all of it is supported")
    return int(array.reshape(-1)[0]), array.dtype


def real(ctx: Converter, op: Op, k: int, scale: int, zero: int, axis: int | None = None) -> str:
    """Return the name of the numbers that an operand stands for.

    Args:
        ctx, op: of the node.
        k, scale, zero: which inputs are the integers, their scale and their zero point.
        axis: of a weight, along which there is a scale for each position.
    """
    tensor = ctx.tensor(op.inputs[k])
    if isinstance(tensor, Constant):
        factors = ctx.constant(op.inputs[scale]).array().astype(np.float64)
        shift: Array = ctx.constant(op.inputs[zero]).array() if ctx.has(op, zero) else np.zeros((), np.int64)
        array = tensor.array().astype(np.float64)
        block = int(op.attributes.get("block_size", 0))
        parts = [along(p.astype(np.float64), array.shape, axis, block) for p in (factors, shift)]
        return ctx.named(fixed(ctx, (array - parts[1]) * parts[0]))
    if isinstance(tensor, Quantised):
        if tensor.scale is None or tensor.zero is None:
            raise Refusal(f"'{op.inputs[k]}' {tensor.described}")
        return ctx.named(_in_scale(ctx, op, tensor, _number(ctx, op, scale), zero_point(ctx, op, zero)[0]))
    if isinstance(tensor, Signal) and tensor.integer:
        factor = _number(ctx, op, scale)
        x = ctx.signal(op, op.inputs[k])
        # Pictures as bytes: here the input is the same numbers as floats.
        x = replace(x, integer=False) if ctx.holds_bytes(x) else ctx.number(op, x)
        offset = -zero_point(ctx, op, zero)[0] * factor
        parameters = (np.full((x.size(1) or 1,), v, dtype=ctx.dtype) for v in (factor, offset))
        return ctx.named(ctx.emit(op, Affine(*parameters), [x], tag="real"))
    raise Refusal(f"'{op.inputs[k]}' holds no integers")


def along(array: Array, shape: Sequence[int], axis: int | None, block: int = 0) -> Array:
    """Return scales that broadcast against a weight: one for all, for each position of an axis, or for blocks of it."""
    if array.size == 1 and not block:
        return array.reshape(())
    if axis is None or not -len(shape) <= axis < len(shape):
        raise Refusal(f"scales of shape {array.shape} for a weight of shape {tuple(shape)}")
    axis %= len(shape)
    if block:
        if array.ndim != len(shape) or array.shape[axis] * block < shape[axis]:
            raise Refusal(f"scales of shape {array.shape} for blocks of {block}")
        return np.repeat(array, min(block, shape[axis]), axis=axis).take(range(shape[axis]), axis=axis)
    if array.ndim != 1 or array.size != shape[axis]:
        raise Refusal(f"scales of shape {array.shape} for a weight of shape {tuple(shape)}")
    return array.reshape(tuple(array.size if k == axis else 1 for k in range(len(shape))))


def _in_scale(ctx: Converter, op: Op, x: Quantised, scale: float, zero: int) -> Signal:
    """Return the numbers that integers stand for; in another scale than they were made with, these are others."""
    assert x.scale is not None
    assert x.zero is not None
    if np.isclose(scale, x.scale, rtol=1e-6, atol=0) and zero == x.zero:
        return x.signal
    signal = ctx.signal(op, ctx.named(x.signal))
    ratio, shift = scale / x.scale, (x.zero - zero) * scale
    parameters = (np.full((signal.size(1) or 1,), v, dtype=ctx.dtype) for v in (ratio, shift))
    return ctx.emit(op, Affine(*parameters), [signal], tag="scale")


# -- quantising and back -----------------------------------------------------------------------------------------------


def quantised(ctx: Converter, op: Op, x: Signal, scale: float, zero: int, dtype: np.dtype[Any]) -> Quantised:
    """Return integers for a signal: it is kept within their range, and not rounded."""
    low, high = ((bound - zero) * scale for bound in limits(dtype))
    ctx.steps[op.outputs[0]] = scale
    found = _range(ctx, x)
    if found is None or found[0] < low or found[1] > high:
        x = ctx.emit(op, Clip(low, high), [x], tag="range")
    return Quantised(x, scale, zero)


def _range(ctx: Converter, x: Signal) -> tuple[float, float] | None:
    """Return the bounds of a signal, if a Clip in front of layers that only move values tells them."""
    value = x.value
    while value.startswith("#"):
        built = ctx.built[int(value[1:].partition(":")[0])]
        if isinstance(built.layer, Clip) and built.layer.low is not None and built.layer.high is not None:
            return float(built.layer.low), float(built.layer.high)
        if not isinstance(built.layer, Route | MaxPool) or isinstance(built.layer, Pad) or len(built.reads) != 1:
            return None
        value = built.reads[0]
    return None


@operator("QuantizeLinear", f"{MICROSOFT}QuantizeLinear", axes=Axes.OTHER)
def _quantise(ctx: Converter, op: Op) -> Sequence[Tensor]:
    zero, dtype = zero_point(ctx, op, 2)
    if not ctx.has(op, 2) and op.attributes.get("output_dtype", 0):
        onnx = require("onnx", extra="onnx", purpose="read ONNX files")
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(op.attributes["output_dtype"]))
    return [quantised(ctx, op, ctx.signal(op, op.inputs[0]), _number(ctx, op, 1), zero, dtype)]


@operator("DequantizeLinear", f"{MICROSOFT}DequantizeLinear", axes=Axes.OTHER)
def _dequantise(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [ctx.tensor(real(ctx, op, 0, 1, 2, int(op.attributes.get("axis", 1))))]


# -- operators on integers of known scales -----------------------------------------------------------------------------


def as_real(ctx: Converter, op: Op, kind: str, inputs: Sequence[str], **attributes: Any) -> Signal:
    """Return what the float operator makes of numbers; the node's own output are integers, so it has another name."""
    node = replace(op, kind=kind, inputs=tuple(inputs), outputs=("",), attributes={**op.attributes, **attributes})
    (made,) = HANDLERS[kind](ctx, node)
    return ctx.signal(op, ctx.named(made))


def _back(ctx: Converter, op: Op, x: Signal, scale: int, zero: int) -> Quantised:
    return quantised(ctx, op, x, _number(ctx, op, scale), *zero_point(ctx, op, zero))


@operator("QLinearConv", f"{MICROSOFT}QLinearConv", axes=Axes.CHANNELS_FIRST)
def _conv(ctx: Converter, op: Op) -> Sequence[Tensor]:
    _channels_first(op)
    inputs = [real(ctx, op, 0, 1, 2), real(ctx, op, 3, 4, 5, axis=0)]
    if ctx.has(op, 8):
        # The bias counts in units of both scales.
        unit = _number(ctx, op, 1) * ctx.constant(op.inputs[4]).array().astype(np.float64).reshape(-1)
        bias = ctx.constant(op.inputs[8]).array().astype(np.float64) * unit
        inputs.append(ctx.named(fixed(ctx, bias)))
    return [_back(ctx, op, as_real(ctx, op, "Conv", inputs), 6, 7)]


@operator("QLinearMatMul", axes=Axes.OTHER)
def _matmul(ctx: Converter, op: Op) -> Sequence[Tensor]:
    inputs = [real(ctx, op, 0, 1, 2), real(ctx, op, 3, 4, 5, axis=-1)]
    return [_back(ctx, op, as_real(ctx, op, "MatMul", inputs), 6, 7)]


@operator(f"{MICROSOFT}QGemm", axes=Axes.OTHER)
def _gemm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """α·(A·B + C), where the integers C count in units of both scales."""
    turned = bool(op.attributes.get("transB", 0))
    inputs = [real(ctx, op, 0, 1, 2), real(ctx, op, 3, 4, 5, axis=0 if turned else 1)]
    alpha = float(op.attributes.get("alpha", 1.0))
    if ctx.has(op, 6):
        unit = alpha * _number(ctx, op, 1) * ctx.constant(op.inputs[4]).array().astype(np.float64).reshape(-1)
        bias = ctx.constant(op.inputs[6]).array().astype(np.float64) * unit
        inputs.append(ctx.named(fixed(ctx, bias)))
    y = as_real(ctx, op, "Gemm", inputs, beta=1.0)
    return [_back(ctx, op, y, 7, 8) if ctx.has(op, 7) else y]


@operator(f"{MICROSOFT}QLinearAdd", f"{MICROSOFT}QLinearMul", axes=Axes.OTHER)
def _of_two(ctx: Converter, op: Op) -> Sequence[Tensor]:
    inputs = [real(ctx, op, 0, 1, 2), real(ctx, op, 3, 4, 5)]
    return [_back(ctx, op, as_real(ctx, op, op.kind.removeprefix(f"{MICROSOFT}QLinear"), inputs), 6, 7)]


OF_ONE = ("AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax", "ReduceMean")


@operator(*(f"{MICROSOFT}QLinear{kind}" for kind in OF_ONE), axes=Axes.OTHER)
def _of_one(ctx: Converter, op: Op) -> Sequence[Tensor]:
    _channels_first(op)
    if op.kind.endswith("Softmax") and int(op.attributes.get("opset", ctx.opset)) < 13:
        raise Refusal("the Softmax of an opset before 13")
    inputs = [real(ctx, op, 0, 1, 2)]
    return [_back(ctx, op, as_real(ctx, op, op.kind.removeprefix(f"{MICROSOFT}QLinear"), inputs), 3, 4)]


def _channels_first(op: Op) -> None:
    if op.attributes.get("channels_last", 0):
        raise Refusal("channels at the last axis")


@operator(f"{MICROSOFT}QLinearConcat", axes=Axes.OTHER)
def _concat(ctx: Converter, op: Op) -> Sequence[Tensor]:
    inputs = [real(ctx, op, k, k + 1, k + 2) for k in range(2, len(op.inputs), 3)]
    return [_back(ctx, op, as_real(ctx, op, "Concat", inputs), 0, 1)]
