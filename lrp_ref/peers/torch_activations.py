"""Activations as torch modules: torch's own where it has them with these options, else their formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import layers as of
from .task import NoRule
from .torch_calls import call, tensor


def own(kind: str, *fields: str) -> Callable[[Any], Any]:
    """Return what makes an activation of torch's, whose options are fields of the layer."""

    def make(layer: Any) -> Any:
        from torch import nn

        return getattr(nn, kind)(*(getattr(layer, field) for field in fields))

    return make


def leaky(layer: of.LeakyReLU) -> Any:
    """Return a LeakyReLU, or a PReLU where each channel has its slope."""
    from torch import nn

    if not hasattr(layer.alpha, "shape"):
        return nn.LeakyReLU(float(layer.alpha))
    made = nn.PReLU(len(layer.alpha))
    made.weight = nn.Parameter(tensor(layer.alpha))
    return made


def elu(layer: of.ELU) -> Any:
    """Return an ELU, scaled if it is one."""
    from torch.nn import functional

    if layer.scale == 1:
        return own("ELU", "alpha")(layer)
    return call(lambda x: layer.scale * functional.elu(x, layer.alpha), "elu")


def clip(layer: of.Clip) -> Any:
    """Return a Hardtanh with these bounds."""
    from torch import nn

    low, high = -math.inf if layer.low is None else layer.low, math.inf if layer.high is None else layer.high
    return nn.Hardtanh(float(low), float(high))


def hard_sigmoid(layer: of.HardSigmoid) -> Any:
    """Return a line between two bounds: the slope of torch's own Hardsigmoid has single precision, whatever x has."""
    return call(lambda x: (float(layer.alpha) * x + float(layer.beta)).clamp(0, 1), "hard sigmoid")


def power(layer: of.Power) -> Any:
    """Return a square, a root or another power."""
    if hasattr(layer.exponent, "shape"):
        raise NoRule("torch has no module for a power per channel")
    return call(lambda x: x ** float(layer.exponent), "power")


def swish(layer: of.Swish) -> Any:
    """Return x times the sigmoid of a multiple of x."""
    return call(lambda x: x * (layer.alpha * x).sigmoid(), "swish")


def softmax(layer: of.Softmax) -> Any:
    """Return a Softmax, or a LogSoftmax."""
    return own("LogSoftmax" if layer.log else "Softmax", "axis")(layer)
