"""Layers as torch modules with the same numbers: what torch has as a module of its own is that module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import layers as of
from ..layers.route import Gather, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze, Upsample
from . import torch_activations as activations
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


_MODULES: dict[type[of.Layer], Callable[[Any], Any]] = {
    of.Dense: weights.dense,
    of.Conv: weights.convolution,
    of.ConvTranspose: weights.convolution,
    of.Affine: weights.affine,
    of.MaxPool: windows.max_pool,
    of.AveragePool: windows.average_pool,
    of.SumPool: windows.sum_pool,
    of.GlobalMaxPool: windows.global_max_pool,
    of.Sum: windows.reduced,
    of.Normalize: windows.normalized,
    of.Softmax: activations.softmax,
    of.Identity: activations.own("Identity"),
    of.ReLU: activations.own("ReLU"),
    of.LeakyReLU: activations.leaky,
    of.ELU: activations.elu,
    of.SELU: activations.own("SELU"),
    of.GELU: activations.own("GELU", "approximate"),
    of.Sigmoid: activations.own("Sigmoid"),
    of.SiLU: activations.own("SiLU"),
    of.Tanh: activations.own("Tanh"),
    of.Softplus: activations.own("Softplus", "beta"),
    of.Clip: activations.clip,
    of.HardSigmoid: activations.hard_sigmoid,
    of.HardSwish: activations.own("Hardswish"),
    of.Abs: lambda layer: calls.call(lambda x: x.abs(), "abs"),
    of.Exp: lambda layer: calls.call(lambda x: x.exp(), "exp"),
    of.Log: lambda layer: calls.call(lambda x: x.log(), "log"),
    of.Power: activations.power,
    of.CELU: activations.own("CELU", "alpha"),
    of.Swish: activations.swish,
    of.Add: calls.added,
    of.MatMul: lambda layer: calls.call(lambda a, b: a @ b, "matmul"),
    of.Multiply: lambda layer: calls.call(lambda a, b: a * b, "multiply"),
    of.Concat: calls.concatenated,
    of.Constant: calls.constant,
    of.Flatten: calls.flattened,
    Reshape: lambda layer: calls.call(lambda x: x.reshape(x.shape[0], *layer.shape), "reshape"),
    Squeeze: lambda layer: calls.call(lambda x: x.squeeze(tuple(layer.axes)), "squeeze"),
    Unsqueeze: calls.unsqueezed,
    Split: calls.split,
    Transpose: lambda layer: calls.call(lambda x: x.permute(layer.axes), "permute"),
    Slice: calls.sliced,
    Gather: calls.gathered,
    Pad: calls.padded,
    Upsample: calls.repeated,
}
