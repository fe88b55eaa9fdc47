"""Activations and the softmax."""

from __future__ import annotations

import math
from typing import Any

from ....layers import (
    ELU,
    GELU,
    SELU,
    Abs,
    Clip,
    Exp,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Log,
    Power,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
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
        # ONNX broadcasts from the last axis.
        part.end("PRelu", part.reads[0], part.weight(alpha.reshape(alpha.shape + (1,) * (part.rank - 2)), "alpha"))
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
    part.end("Pow", part.reads[0], part.number(part.layer.exponent, "exponent"))


@writes(Softmax)
def _softmax(part: Part) -> None:
    part.end("LogSoftmax" if part.layer.log else "Softmax", part.reads[0], axis=part.layer.axis)
