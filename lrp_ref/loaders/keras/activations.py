"""Activations: by name, as settings of other layers, and as layers of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Add,
    Clip,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Layer,
    LeakyReLU,
    Multiply,
    ReLU,
    Shrink,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .build import Refusal, Signal, Site, layer, number
from .config import shown

PLAIN: dict[str, Callable[[], Layer]] = {
    "celu": CELU,
    "elu": ELU,
    "exponential": Exp,
    "gelu": GELU,
    "hard_shrink": Shrink,
    "hard_silu": HardSwish,
    "hard_swish": HardSwish,
    "hard_tanh": HardTanh,
    "leaky_relu": lambda: LeakyReLU(0.2),
    "relu": ReLU,
    "relu6": lambda: Clip(0, 6),
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "soft_shrink": lambda: Shrink(0.5, 0.5),
    "softplus": Softplus,
    "softsign": lambda: Function("softsign"),
    "swish": SiLU,
    "tanh": Tanh,
}
SOFTMAX = {"softmax": False, "log_softmax": True}


def hard_sigmoid(version: int) -> HardSigmoid:
    """Return what a version of Keras calls hard_sigmoid: 0.2 x + 0.5 until Keras 2, x/6 + 0.5 since, within 0 and 1."""
    return HardSigmoid() if version >= 3 else HardSigmoid(0.2, 0.5)


def activation_name(value: Any) -> str | None:
    """Return the name of an activation in a config: a text, or an object around it; None if it is a layer."""
    if isinstance(value, dict):
        kind, inner = value.get("class_name"), value.get("config")
        if kind == "function" and isinstance(inner, str):
            return inner
        return None
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise Refusal(f"the activation {shown(value)}")
    return value


def activated(site: Site, x: Signal, value: Any, tag: str | None = None) -> Signal:
    """Return the activation of a config applied to a signal.

    Args:
        site: where it is applied.
        x: the signal.
        value: as the config has it: a name, or an object with the name or a layer in it.
        tag: of the node; the name of the activation by default.
    """
    name = activation_name(value)
    if name is None:
        return _by_layer(site, x, value)
    tag = name if tag is None else tag
    if name == "linear":
        return x
    if name in SOFTMAX:
        return site.emit(Softmax(axis=x.axis(-1), log=SOFTMAX[name]), [x], tag)
    if name == "hard_sigmoid":
        return site.each(hard_sigmoid(site.builder.version), x, tag)
    if name in COMPOSED:
        return COMPOSED[name](site, x, tag)
    if name not in PLAIN:
        raise Refusal(f"the activation {shown(name)}")
    return site.each(PLAIN[name](), x, tag)


def _mish(site: Site, x: Signal, tag: str) -> Signal:
    """x·tanh(softplus(x)), whose second factor is a gate."""
    inner = site.each(Softplus(), x, _inside(tag, "softplus"))
    return site.emit(Multiply(gate=1), [x, site.each(Tanh(), inner, _inside(tag, "tanh"))], tag)


def _log_sigmoid(site: Site, x: Signal, tag: str) -> Signal:
    """−softplus(−x)."""
    turned = site.each(Function("negative"), x, _inside(tag, "negative"))
    return site.each(Function("negative"), site.each(Softplus(), turned, _inside(tag, "softplus")), tag)


def _tanh_shrink(site: Site, x: Signal, tag: str) -> Signal:
    """x − tanh(x)."""
    return site.emit(Add((1, -1)), [x, site.each(Tanh(), x, _inside(tag, "tanh"))], tag)


def _inside(tag: str, name: str) -> str:
    return f"{tag}.{name}" if tag else name


COMPOSED: dict[str, Callable[[Site, Signal, str], Signal]] = {
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "tanh_shrink": _tanh_shrink,
}


def _by_layer(site: Site, x: Signal, value: dict[str, Any]) -> Signal:
    """Return an activation that is given as a layer without weights."""
    kind, settings = value.get("class_name"), value.get("config")
    if kind not in LAYERS or not isinstance(settings, dict):
        raise Refusal(f"the activation {shown(kind)}")
    return LAYERS[kind](site, x, settings, "activation")


def _rectified(site: Site, x: Signal, settings: dict[str, Any], tag: str) -> Signal:
    slope = number(settings.get("negative_slope") or 0, "negative_slope")
    top = settings.get("max_value")
    if settings.get("threshold"):
        raise Refusal(f"threshold {shown(settings['threshold'])}")
    bound = None if top is None else number(top, "max_value")
    if slope == 0:
        return site.each(ReLU() if bound is None else Clip(0, bound), x, tag)
    if bound is None:
        return site.each(LeakyReLU(slope), x, tag)
    return site.each(Clip(None, bound), site.each(LeakyReLU(slope), x, tag), "clip")


def _leaky(site: Site, x: Signal, settings: dict[str, Any], tag: str) -> Signal:
    slope = settings.get("negative_slope", settings.get("alpha", 0.3))
    return site.each(LeakyReLU(number(slope, "negative_slope")), x, tag)


def _elu(site: Site, x: Signal, settings: dict[str, Any], tag: str) -> Signal:
    return site.each(ELU(alpha=number(settings.get("alpha", 1.0), "alpha")), x, tag)


def _softmax(site: Site, x: Signal, settings: dict[str, Any], tag: str) -> Signal:
    return site.emit(Softmax(axis=x.axis(settings.get("axis", -1))), [x], tag)


LAYERS: dict[str, Callable[[Site, Signal, dict[str, Any], str], Signal]] = {
    "ELU": _elu,
    "LeakyReLU": _leaky,
    "ReLU": _rectified,
    "Softmax": _softmax,
}


@layer(*LAYERS)
def _layer(site: Site) -> Sequence[Signal]:
    # A mask would come as a second input.
    return [LAYERS[site.spec.kind](site, site.only, dict(site.spec.settings), "")]


@layer("Activation")
def _activation(site: Site) -> Sequence[Signal]:
    return [activated(site, site.only, site.setting("activation"), "")]


@layer("PReLU")
def _prelu(site: Site) -> Sequence[Signal]:
    x = site.only
    (slope,) = site.weights("alpha")
    if slope.ndim != x.rank - 1:
        raise Refusal(f"slopes of shape {slope.shape} for an input with {x.rank} axes")
    if x.moved:
        slope = np.ascontiguousarray(np.moveaxis(slope, -1, 0))
        slope = slope.reshape(-1) if slope.size == slope.shape[0] else slope
    return [site.each(LeakyReLU(slope), x)]
