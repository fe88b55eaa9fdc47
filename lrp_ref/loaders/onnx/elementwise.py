"""Activations, softmax, and the nodes that do nothing in inference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...base.arrays import fits
from ...layers import (
    ELU,
    GELU,
    SELU,
    Abs,
    Affine,
    Clip,
    Exp,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Log,
    Multiply,
    Power,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from ...layers.base import Layer
from ..notes import HALF, OF_HALF
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .kinds import INTEGERS, NARROW
from .values import WHOLE, Refusal, Signal, Tensor, count, merge_sizes


def _gelu(a: dict[str, Any]) -> Layer:
    return GELU(a.get("approximate", "none"))


def _selu(a: dict[str, Any]) -> Layer:
    alpha, scale = a.get("alpha"), a.get("gamma")
    default = SELU()
    # The file has single precision: 1.67326… and 1.05070… mean the constants of the paper.
    if all(v is None or math.isclose(v, d, rel_tol=1e-6) for v, d in ((alpha, default.alpha), (scale, default.scale))):
        return default
    return ELU(alpha=default.alpha if alpha is None else alpha, scale=default.scale if scale is None else scale)


SIMPLE: dict[str, Callable[[dict[str, Any]], Layer]] = {
    "Abs": lambda a: Abs(),
    "Elu": lambda a: ELU(alpha=a.get("alpha", 1.0)),
    "Gelu": _gelu,
    "HardSwish": lambda a: HardSwish(),
    "LeakyRelu": lambda a: LeakyReLU(a.get("alpha", 0.01)),
    "Log": lambda a: Log(),
    "Relu": lambda a: ReLU(),
    "Selu": _selu,
}


@operator(*SIMPLE, axes=Axes.EACH)
def _simple(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [ctx.emit(op, SIMPLE[op.kind](op.attributes), [ctx.signal(op, op.inputs[0])])]


@operator("Sigmoid", axes=Axes.EACH)
def _sigmoid(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [_sigmoid_of(ctx, op, ctx.signal(op, op.inputs[0]))]


def _sigmoid_of(ctx: Converter, op: Op, x: Signal) -> Signal:
    y = ctx.emit(op, Sigmoid(), [x])
    ctx.patterns.mark_gate(y)
    ctx.patterns.start("sigmoid", y, x)
    return y


def _unary(ctx: Converter, op: Op, layer: Layer) -> tuple[Signal, Signal]:
    """Return the only operand of a node, and what the layer makes of it."""
    x = ctx.signal(op, op.inputs[0])
    return x, ctx.emit(op, layer, [x])


@operator("Sqrt", axes=Axes.EACH)
def _root(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, y = _unary(ctx, op, Power(0.5))
    ctx.deviations.note_power(y, x, 0.5)
    return [y]


@operator("Exp", axes=Axes.EACH)
def _exp(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, y = _unary(ctx, op, Exp())
    ctx.patterns.note_exponential(y, x)
    ctx.deviations.note_exponential(y, x)
    return [y]


@operator("Reciprocal", axes=Axes.OTHER)
def _reciprocal(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [reciprocal(ctx, op, op.inputs[0])]


def reciprocal(ctx: Converter, op: Op, name: str, tag: str = "") -> Signal:
    """Return 1/x; of x = 1 + exp(−z), as a sigmoid is written out, that is σ(z)."""
    x = ctx.signal(op, name)
    found = ctx.patterns.inverse_sigmoid(x)
    if found is None:
        y = ctx.emit(op, Power(-1), [x], tag=tag)
        ctx.deviations.note_power(y, x, -1)
        return y
    z, negated = found
    if not negated:
        z = ctx.emit(op, Affine(np.full((1,), -1, dtype=ctx.dtype)), [z], tag="negative")
    return _sigmoid_of(ctx, op, z)


@operator("HardSigmoid", axes=Axes.EACH)
def _hard_sigmoid(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    alpha, beta = op.attributes.get("alpha", 0.2), op.attributes.get("beta", 0.5)
    torch = math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5
    # 1/6 is written in single precision; HardSigmoid's own default is meant.
    y = ctx.emit(op, HardSigmoid() if torch else HardSigmoid(alpha, beta), [x])
    ctx.patterns.mark_gate(y)
    if torch:
        ctx.patterns.start("hardsigmoid", y, x)
    return [y]


@operator("Tanh", axes=Axes.EACH)
def _tanh(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, y = _unary(ctx, op, Tanh())
    ctx.patterns.start("tanh", y, x)
    if ctx.patterns.is_softplus(x):
        ctx.patterns.mark_gate(y)  # of a Mish
    return [y]


@operator("Softplus", axes=Axes.EACH)
def _softplus(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, y = _unary(ctx, op, Softplus())
    ctx.patterns.note_softplus(y, x)
    return [y]


@operator("Mish", axes=Axes.OTHER)
def _mish(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """x·tanh(softplus(x)), whose second factor is a gate."""
    x = ctx.signal(op, op.inputs[0])
    inner = ctx.emit(op, Softplus(), [x], tag="softplus")
    gate = ctx.emit(op, Tanh(), [inner], tag="tanh")
    return [ctx.emit(op, Multiply(gate=1), [x, gate])]


@operator("PRelu", axes=Axes.EACH)
def _prelu(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, slope = ctx.signal(op, op.inputs[0]), ctx.weight(op.inputs[1])
    if slope.size == 1 and slope.ndim <= x.rank:
        return [ctx.emit(op, LeakyReLU(float(slope.reshape(-1)[0])), [x])]
    alpha = sample_parameter(ctx, slope, x)
    shape = (*alpha.shape, *(1,) * (len(x.sizes[0]) - 1)) if alpha.ndim == 1 else alpha.shape
    if not all(fits(shape, sizes) for sizes in x.sizes):
        raise Refusal(f"slopes of shape {slope.shape} for samples of shape {x.sizes[0]}")
    return [ctx.emit(op, LeakyReLU(alpha), [x])]


def _bound(ctx: Converter, op: Op, k: int, attribute: str, side: int) -> float | None:
    """Return a lower (side −1) or upper (side 1) bound; None where every number is within it."""
    if attribute in op.attributes:
        return bound_of(float(op.attributes[attribute]), side)
    if not ctx.has(op, k):
        return None
    array = ctx.constant(op.inputs[k]).array()
    if array.size != 1:
        raise Refusal(f"a bound of shape {array.shape}")
    return bound_of(float(array.reshape(-1)[0]), side)


def bound_of(value: float, side: int) -> float | None:
    """Return a number as a lower (side −1) or upper (side 1) bound, or None where every number is within it."""
    if side * value >= float(np.finfo(np.float32).max):
        return None
    if not math.isfinite(value):
        raise Refusal(f"{value} as its {'upper' if side > 0 else 'lower'} bound")
    return value


@operator("Clip", axes=Axes.EACH)
def _clip(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [clipped(ctx, op, _bound(ctx, op, 1, "min", -1), _bound(ctx, op, 2, "max", 1), ctx.signal(op, op.inputs[0]))]


def clipped(ctx: Converter, op: Op, low: float | None, high: float | None, x: Signal) -> Signal:
    """Return a signal between two numbers; None leaves a side open."""
    if low is None and high is None:
        return x
    y = ctx.emit(op, ReLU() if low == 0 and high is None else Clip(low, high), [x])
    if (low, high) == (0, 6):
        ctx.patterns.start("relu6", y, x)
    return y


@operator("Softmax", "LogSoftmax", axes=Axes.OTHER)
def _softmax(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    log = op.kind == "LogSoftmax"
    if ctx.opset >= 13:
        y = ctx.emit(op, Softmax(x.axis(op.attributes.get("axis", -1)), log), [x])
    else:
        y = _coerced_softmax(ctx, op, x, log)
    if not log:
        ctx.patterns.mark_gate(y)
    return [y]


def _coerced_softmax(ctx: Converter, op: Op, x: Signal, log: bool) -> Signal:
    """Before opset 13, all axes from ``axis`` on are one."""
    first = x.axis(op.attributes.get("axis", 1))
    if x.batch != WHOLE and x.batch >= op.attributes.get("axis", 1) % x.rank:
        raise Refusal("the batch is among the axes that are normalised")
    wide = [k for k in range(first, x.depth) if x.size(k) != 1]
    if len(wide) <= 1:
        return ctx.emit(op, Softmax(wide[0] if wide else first, log), [x])
    shape = merge_sizes(tuple((*s[: first - 1], count(s[first - 1 :])) for s in x.sizes))
    flat = ctx.emit(op, Reshape(shape), [x], tag="flatten")
    y = ctx.emit(op, Softmax(first, log), [flat])
    return ctx.emit(op, Reshape(merge_sizes(x.sizes)), [y], batch=x.batch, tag="reshape")


@operator("Identity", "Dropout", axes=Axes.EACH)
def _nothing(ctx: Converter, op: Op) -> Sequence[Tensor]:
    if op.kind == "Dropout":
        if len(op.outputs) > 1 and any(ctx.consumers[n] for n in op.outputs[1:]):
            raise Refusal("its mask is used")
        if ctx.has(op, 2) and bool(ctx.constant(op.inputs[2]).array()):
            raise Refusal("it is in training mode")
    return [ctx.raw_signal(op.inputs[0])]


CASTS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
TRUTH = 9


@operator("Cast", axes=Axes.EACH)
def _cast(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, to = ctx.raw_signal(op.inputs[0]), op.attributes["to"]
    if to in INTEGERS and ctx.kinds.is_whole(x):
        source = next((i.dtype for i in ctx.graph.inputs if f"@{i.name}" == x.value), np.dtype("int64"))
        if to in NARROW and not ctx.kinds.is_truth(x) and not np.can_cast(source, NARROW[to]):
            raise Refusal("a cast to integers of another range, in which numbers outside of it become others")
        return [x]
    if to == TRUTH:
        return [ctx.compared(op, "not_equal", [ctx.signal(op, op.inputs[0])], np.zeros(1, ctx.dtype))]
    if to not in CASTS:
        raise Refusal("only casts to floating point are supported, and to integers of what is whole")
    if CASTS[to] in HALF:
        ctx.note(OF_HALF)
    if x.integer and ctx.holds_bytes(x):
        # A network of images as bytes: here its input is the same numbers as floats.
        return [Signal(x.value, x.batch, x.sizes, x.stored)]
    return [x]


LONGEST = 1 << 24  # elements of a number repeated along the channels


def sample_parameter(ctx: Converter, array: np.ndarray[Any, Any], x: Signal) -> np.ndarray[Any, Any]:
    """Return a constant that ONNX broadcasts against ``x`` in the network's layout, without the batch.

    Returns:
        (C,) where it is constant along all axes behind the channels (one number where a sample has no axes), else an
        array of the sample's rank.
    """
    rank, batch = x.rank, x.batch
    if array.ndim > rank:
        raise Refusal(f"a constant of shape {array.shape} has more axes than the signal")
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    first = array if batch == WHOLE else np.take(array, 0, axis=batch)
    if batch != WHOLE:
        ctx.require_rows(array.shape[batch])
    if batch != WHOLE and array.shape[batch] != 1 and not (array == np.expand_dims(first, batch)).all():
        raise Refusal("a constant that differs between the samples of the batch")
    if not first.ndim:
        return first.reshape(1)
    if first.size == 1:
        if (x.size(1) or 1) > LONGEST:
            raise Refusal(f"one number for {x.size(1)} channels; {LONGEST} are allowed")
        return np.full((x.size(1) or 1,), first.reshape(-1)[0], dtype=array.dtype)
    return first.reshape(-1) if all(n == 1 for n in first.shape[1:]) else first
