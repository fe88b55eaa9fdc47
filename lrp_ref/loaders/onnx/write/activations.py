"""Functions of every element, and the softmax."""

from __future__ import annotations

import math
from typing import Any

from ....layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Abs,
    Bounds,
    Clip,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Log,
    Power,
    ReLU,
    Shrink,
    Sigmoid,
    SignedRoot,
    SiLU,
    Softmax,
    Softplus,
    Swish,
    Tanh,
    ThresholdedReLU,
)
from .part import WRITERS, Part, Writer, writes

PLAIN: dict[type[Layer], str] = {
    Abs: "Abs",
    Exp: "Exp",
    HardSwish: "HardSwish",
    Identity: "Identity",
    Log: "Log",
    ReLU: "Relu",
    SELU: "Selu",  # whose defaults are the layer's
    Sigmoid: "Sigmoid",
    Tanh: "Tanh",
}


def _plain(kind: str) -> Writer:
    return lambda part: part.end(kind, part.reads[0])


WRITERS.update({layer: _plain(kind) for layer, kind in PLAIN.items()})


@writes(LeakyReLU)
def _leaky_relu(part: Part) -> None:
    alpha: Any = part.layer.alpha
    if hasattr(alpha, "shape"):
        part.end("PRelu", part.reads[0], part.fitted(alpha, "alpha"))
    elif alpha == 0.01 or part.dtype == "float32":
        part.end("LeakyRelu", part.reads[0], alpha=part.attribute(alpha, "alpha", 0.01))
    else:
        part.end("PRelu", part.reads[0], part.number(alpha, "alpha", (1,)))


@writes(ELU)
def _elu(part: Part) -> None:
    layer: ELU = part.layer
    if layer.scale == 1:
        part.end("Elu", part.reads[0], alpha=part.attribute(layer.alpha, "alpha", 1.0))
        return
    alpha, scale = (part.attribute(getattr(layer, key), key, math.nan) for key in ("alpha", "scale"))
    part.end("Selu", part.reads[0], alpha=alpha, gamma=scale)


@writes(CELU)
def _celu(part: Part) -> None:
    """Celu, which ONNX has in single precision only; else α·Elu(x/α)."""
    alpha, x = part.layer.alpha, part.reads[0]
    if part.dtype == "float32":
        part.end("Celu", x, alpha=part.attribute(alpha, "alpha", 1.0))
        return
    if alpha == 1:
        part.end("Elu", x)
        return
    inner = part.add("Div", x, part.number(alpha, "divisor"), tag="divided")
    part.end("Mul", part.add("Elu", inner, tag="elu"), part.number(alpha, "alpha"))


@writes(GELU)
def _gelu(part: Part) -> None:
    """Gelu, which opset 20 brought; before that x·(1 + s)/2 with s = erf(x/√2) or its approximation by tanh."""
    x, approximate = part.reads[0], part.layer.approximate
    if part.opset >= 20:
        part.end("Gelu", x, approximate=approximate)
        return
    if approximate == "none":
        inner = part.add("Mul", x, part.number(math.sqrt(0.5), "root"), tag="inner")
        bell = part.add("Erf", inner, tag="erf")
    else:
        cube = part.add("Pow", x, part.number(3, "three"), tag="cube")
        weighted = part.add("Mul", cube, part.number(0.044715, "weight"), tag="weighted")
        total = part.add("Add", x, weighted, tag="sum")
        inner = part.add("Mul", total, part.number(math.sqrt(2 / math.pi), "root"), tag="inner")
        bell = part.add("Tanh", inner, tag="tanh")
    gate = part.add("Add", bell, part.number(1, "one"), tag="gate")
    half = part.add("Mul", x, part.number(0.5, "half"), tag="halved")
    part.end("Mul", half, gate)


@writes(SiLU)
def _silu(part: Part) -> None:
    part.end("Mul", part.reads[0], part.add("Sigmoid", part.reads[0], tag="sigmoid"))


@writes(Swish)
def _swish(part: Part) -> None:
    scaled = part.add("Mul", part.reads[0], part.number(part.layer.alpha, "alpha"), tag="scaled")
    part.end("Mul", part.reads[0], part.add("Sigmoid", scaled, tag="sigmoid"))


@writes(Softplus)
def _softplus(part: Part) -> None:
    beta, x = part.layer.beta, part.reads[0]
    if beta == 1:
        part.end("Softplus", x)
        return
    inner = part.add("Mul", x, part.number(beta, "beta"), tag="scaled")
    part.end("Div", part.add("Softplus", inner, tag="softplus"), part.number(beta, "divisor"))


@writes(Clip, HardTanh)
def _clip(part: Part) -> None:
    low, high = part.layer.low, part.layer.high
    if low is None and high is None:
        part.end("Identity", part.reads[0])
        return
    bounds = ["" if v is None else part.number(v, tag) for tag, v in (("low", low), ("high", high))]
    part.end("Clip", part.reads[0], *(bounds if bounds[1] else bounds[:1]))


@writes(Bounds)
def _bounds(part: Part) -> None:
    layer: Bounds = part.layer
    sides = [
        (kind, b, tag) for kind, b, tag in (("Max", layer.low, "low"), ("Min", layer.high, "high")) if b is not None
    ]
    if not sides:
        part.end("Identity", part.reads[0])
        return
    x, (*first, (kind, bound, tag)) = part.reads[0], sides
    for before, low, name in first:
        x = part.add(before, x, part.fitted(low, name), tag="above")
    part.end(kind, x, part.fitted(bound, tag))


@writes(Shrink)
def _shrink(part: Part) -> None:
    layer: Shrink = part.layer
    threshold, bias = part.attribute(layer.threshold, "threshold", 0.5), part.attribute(layer.bias, "bias", 0.0)
    part.end("Shrink", part.reads[0], lambd=threshold, bias=bias)


@writes(ThresholdedReLU)
def _thresholded_relu(part: Part) -> None:
    part.end("ThresholdedRelu", part.reads[0], alpha=part.attribute(part.layer.alpha, "alpha", 1.0))


@writes(HardSigmoid)
def _hard_sigmoid(part: Part) -> None:
    layer: HardSigmoid = part.layer
    if (layer.alpha, layer.beta) == (1 / 6, 0.5):
        part.end("HardSigmoid", part.reads[0], alpha=1 / 6)  # rounded to single precision, which readers know
        return
    alpha, beta = part.attribute(layer.alpha, "alpha", 0.2), part.attribute(layer.beta, "beta", 0.5)
    part.end("HardSigmoid", part.reads[0], alpha=alpha, beta=beta)


@writes(Power)
def _power(part: Part) -> None:
    exponent: Any = part.layer.exponent
    given = part.fitted(exponent, "exponent") if hasattr(exponent, "shape") else part.number(exponent, "exponent")
    part.end("Pow", part.reads[0], given)


@writes(Function)
def _function(part: Part) -> None:
    name = part.layer.name
    part.end("Neg" if name == "negative" else name.capitalize(), part.reads[0])


@writes(SignedRoot)
def _signed_root(part: Part) -> None:
    x = part.reads[0]
    part.end("Mul", part.add("Sign", x, tag="sign"), part.add("Sqrt", part.add("Abs", x, tag="abs"), tag="sqrt"))


@writes(Softmax)
def _softmax(part: Part) -> None:
    part.end("LogSoftmax" if part.layer.log else "Softmax", part.reads[0], axis=part.layer.axis)
