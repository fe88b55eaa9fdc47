"""Layers as torch modules with the same numbers: what torch has as a module of its own is that module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import layers as of
from ..layers.route import Gather, Pad, Reshape, Slice, Squeeze, Transpose, Upsample
from . import torch_calls as calls
from . import torch_weights as weights
from . import torch_windows as windows
from .task import NoRule


def module_of(layer: of.Layer) -> Any:
    """Return a layer as a torch module in evaluation mode, whose parameters ask for no gradient.

    Raises:
        NoRule: torch has no such layer, or not with these options.
    """
    import torch

    for kind in type(layer).__mro__:
        if kind in _MODULES:
            with torch.random.fork_rng(devices=[]):  # torch draws weights before they are set
                return _MODULES[kind](layer).eval().requires_grad_(False)
    raise NoRule(f"torch has no module for a {type(layer).__name__}")


def _activation(kind: str, *fields: str) -> Callable[[Any], Any]:
    """Return what makes an activation of torch's, whose options are fields of the layer."""

    def make(layer: Any) -> Any:
        from torch import nn

        return getattr(nn, kind)(*(getattr(layer, field) for field in fields))

    return make


def _elu(layer: of.ELU) -> Any:
    if layer.scale != 1:
        raise NoRule("torch has no scaled ELU but SELU")
    return _activation("ELU", "alpha")(layer)


def _clip(layer: of.Clip) -> Any:
    from torch import nn

    low, high = -math.inf if layer.low is None else layer.low, math.inf if layer.high is None else layer.high
    return nn.Hardtanh(float(low), float(high))


def _hard_sigmoid(layer: of.HardSigmoid) -> Any:
    if abs(layer.alpha - 1 / 6) > 1e-12 or layer.beta != 0.5:
        raise NoRule("torch's hard sigmoid is x/6 + 1/2")
    return _activation("Hardsigmoid")(layer)


def _softmax(layer: of.Softmax) -> Any:
    return _activation("LogSoftmax" if layer.log else "Softmax", "axis")(layer)


_MODULES: dict[type[of.Layer], Callable[[Any], Any]] = {
    of.Dense: weights.dense,
    of.Conv: weights.convolution,
    of.ConvTranspose: weights.convolution,
    of.Affine: weights.affine,
    of.MaxPool: windows.max_pool,
    of.AveragePool: windows.average_pool,
    of.SumPool: windows.sum_pool,
    of.Sum: windows.reduced,
    of.Normalize: windows.normalized,
    of.Softmax: _softmax,
    of.Identity: _activation("Identity"),
    of.ReLU: _activation("ReLU"),
    of.LeakyReLU: _activation("LeakyReLU", "alpha"),
    of.ELU: _elu,
    of.SELU: _activation("SELU"),
    of.GELU: _activation("GELU", "approximate"),
    of.Sigmoid: _activation("Sigmoid"),
    of.SiLU: _activation("SiLU"),
    of.Tanh: _activation("Tanh"),
    of.Softplus: _activation("Softplus", "beta"),
    of.Clip: _clip,
    of.HardSigmoid: _hard_sigmoid,
    of.HardSwish: _activation("Hardswish"),
    of.Add: calls.added,
    of.MatMul: lambda layer: calls.call(lambda a, b: a @ b, "matmul"),
    of.Multiply: lambda layer: calls.call(lambda a, b: a * b, "multiply"),
    of.Concat: calls.concatenated,
    of.Constant: calls.constant,
    of.Flatten: calls.flattened,
    Reshape: lambda layer: calls.call(lambda x: x.reshape(x.shape[0], *layer.shape), "reshape"),
    Squeeze: lambda layer: calls.call(lambda x: x.squeeze(tuple(layer.axes)), "squeeze"),
    Transpose: lambda layer: calls.call(lambda x: x.permute(layer.axes), "permute"),
    Slice: calls.sliced,
    Gather: calls.gathered,
    Pad: calls.padded,
    Upsample: calls.repeated,
}
