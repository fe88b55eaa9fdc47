"""Functions of every element, and the activations that have a parameter or a bias in ONNX's and Microsoft's domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...layers import CELU, ELU, GELU, Exp, Function, Layer, Power, Shrink, SiLU, Swish, ThresholdedReLU
from .arithmetic import affine, wide_enough
from .batches import Axes
from .convert import Converter, operator
from .elementwise import reciprocal, sample_parameter
from .file import Op
from .layout import raised
from .values import Constant, Refusal, Signal, Tensor


def _swish(a: dict[str, Any]) -> Layer:
    return SiLU() if a.get("alpha", 1.0) == 1 else Swish(a["alpha"])


def _celu(a: dict[str, Any]) -> Layer:
    return ELU() if a.get("alpha", 1.0) == 1 else CELU(a["alpha"])


NAMED = (
    "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh",
    "Sign", "Floor", "Ceil", "Round", "Softsign",
)  # fmt: skip
LAYERS: dict[str, Callable[[dict[str, Any]], Layer]] = {
    "Celu": _celu,
    "Shrink": lambda a: Shrink(a.get("lambd", 0.5), a.get("bias", 0.0)),
    "Swish": _swish,
    "ThresholdedRelu": lambda a: ThresholdedReLU(a.get("alpha", 1.0)),
    "com.microsoft.Gelu": lambda a: GELU(),
    "com.microsoft.QuickGelu": lambda a: _swish({"alpha": a.get("alpha", 1.702)}),
}


@operator(*NAMED, *LAYERS, axes=Axes.EACH)
def _function(ctx: Converter, op: Op) -> Sequence[Tensor]:
    layer = Function(op.kind.lower()) if op.kind in NAMED else LAYERS[op.kind](op.attributes)
    return [ctx.emit(op, layer, [ctx.signal(op, op.inputs[0])])]


@operator("com.microsoft.BiasGelu", "com.microsoft.FastGelu", axes=Axes.EACH)
def _biased_gelu(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    if ctx.has(op, 1):
        x = affine(ctx, op, op.inputs[0], shift=ctx.weight(op.inputs[1]), tag="bias")
    return [ctx.emit(op, GELU("none" if op.kind.endswith("BiasGelu") else "tanh"), [x])]


@operator("Erf", axes=Axes.EACH)
def _erf(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    y = ctx.emit(op, Function("erf"), [x])
    ctx.patterns.start("erf", y, x)  # of a GELU, whose parts nobody needs once it is complete
    return [y]


@operator("CastLike", axes=Axes.OTHER)
def _cast_like(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """A cast to the type of another tensor, as functions have it that are written for every type."""
    given, like = (ctx.tensor(n) for n in op.inputs)
    if isinstance(like, Constant) and like.probes[0].dtype not in (np.float32, np.float64):
        raise Refusal(f"a cast to {like.probes[0].dtype}: only float32 and float64 are supported")
    if isinstance(like, Signal) and like.integer:
        raise Refusal("a cast to the type of an integer input")
    if isinstance(given, Constant):
        return [Constant(tuple(p.astype(ctx.dtype) for p in given.probes))]
    return [ctx.raw_signal(op.inputs[0])]


@operator("Pow", axes=Axes.EACH)
def _power(ctx: Converter, op: Op) -> Sequence[Tensor]:
    base, exponents = (ctx.tensor(n) for n in op.inputs)
    if isinstance(base, Constant):
        return [_exponential(ctx, op)]
    if isinstance(exponents, Signal):
        raise Refusal("a power of two signals")
    several = ctx.constant(op.inputs[1]).array()
    if several.size != 1:
        x = raised(ctx, op, ctx.signal(op, op.inputs[0]), several.ndim)
        parameter = np.ascontiguousarray(sample_parameter(ctx, several.astype(ctx.dtype), x))
        return [ctx.emit(op, Power(parameter), [wide_enough(ctx, op, x, [parameter])])]
    exponent = float(several.reshape(-1)[0])
    if exponent == -1:
        return [raised(ctx, op, reciprocal(ctx, op, op.inputs[0]), several.ndim)]
    x = raised(ctx, op, ctx.signal(op, op.inputs[0]), several.ndim)
    if exponent == 1:
        return [x]
    y = ctx.emit(op, Power(int(exponent) if exponent.is_integer() else exponent), [x])
    ctx.patterns.note_power(y, x, exponent)
    ctx.deviations.note_power(y, x, exponent)
    return [y]


def _exponential(ctx: Converter, op: Op) -> Signal:
    """Return c^x = exp(x·log c) of a constant c > 0."""
    base = ctx.constant(op.inputs[0]).array()
    if not (base > 0).all():
        raise Refusal("a power of a constant that is not positive")
    scaled = affine(ctx, op, op.inputs[1], scale=np.log(base.astype(np.float64)).astype(ctx.dtype), tag="log")
    return ctx.emit(op, Exp(), [scaled])
