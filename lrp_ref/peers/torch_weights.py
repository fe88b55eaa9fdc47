"""Layers with weights as torch modules: dense layers, convolutions, scale and shift."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..layers import Affine, Conv, ConvTranspose, Dense
from ..layers.conv import pairs
from .task import NoRule
from .torch_calls import scaled, tensor


def dense(layer: Dense) -> Any:
    """Return a Linear."""
    from torch import nn

    made = nn.Linear(1, 1, bias=layer.bias is not None)
    made.in_features, made.out_features = layer.weight.shape
    return _given(made, weight=layer.weight.T, bias=layer.bias)


def convolution(layer: Conv | ConvTranspose) -> Any:
    """Return a convolution of one, two or three axes, or a transposed one."""
    from torch import nn

    axes, transposed = layer.weight.ndim - 2, isinstance(layer, ConvTranspose)
    if axes > 3:
        raise NoRule(f"torch convolves at most three axes, not {axes}")
    if layer.bias is not None and layer.bias.ndim > 1:
        raise NoRule("torch has no convolution with a bias per position")
    kind, around = getattr(nn, f"Conv{'Transpose' * transposed}{axes}d"), pairs(layer.padding, axes, "padding")
    uneven = not transposed and any(before != after for before, after in around)
    made = (_padded(kind) if uneven else kind)(
        layer.groups, layer.groups, layer.weight.shape[2:], layer.stride,
        0 if uneven else same_padding(layer.padding, axes),
        dilation=layer.dilation, groups=layer.groups, bias=layer.bias is not None,
    )  # fmt: skip
    if uneven:
        made.around = [n for pair in reversed(around) for n in pair]
    channels = (layer.weight.shape[1] * layer.groups, layer.weight.shape[0])
    if isinstance(layer, ConvTranspose):
        channels, made.output_padding = channels[::-1], tuple(layer.output_padding)
    made.in_channels, made.out_channels = channels
    return _given(made, weight=layer.weight, bias=layer.bias)


@cache
def _padded(kind: Any) -> Any:
    """Return the class of convolutions that pad before and after by what they have as ``around``."""
    from torch.nn import functional

    def forward(self: Any, x: Any) -> Any:
        return kind.forward(self, functional.pad(x, self.around))

    return type(kind.__name__, (kind,), {"forward": forward})


def same_padding(padding: Any, axes: int) -> tuple[int, ...]:
    """Return the padding of each axis.

    Raises:
        NoRule: it differs before and after.
    """
    found = pairs(padding, axes, "padding")
    if any(before != after for before, after in found):
        raise NoRule(f"torch pads both sides alike, not by {found}")
    return tuple(before for before, _ in found)


def affine(layer: Affine) -> Any:
    """Return a batch normalisation that only scales and shifts; one product and one sum where it is not per channel."""
    given = [p for p in (layer.scale, layer.shift) if p is not None]
    if layer.cut:
        raise NoRule("torch has no module for a scale or shift that is cut")
    if any(p.ndim != 1 or p.shape != given[0].shape for p in given):
        return scaled(layer)
    zeros, ones = np.zeros_like(given[0]), np.ones_like(given[0])
    made = _batch_norm()(len(zeros), eps=0.0)
    made.running_mean, made.running_var = tensor(zeros), tensor(ones)
    scale, shift = (ones if layer.scale is None else layer.scale), (zeros if layer.shift is None else layer.shift)
    return _given(made, weight=scale, bias=shift)


@cache
def _batch_norm() -> Any:
    from torch import nn

    # Samples may have any number of axes: the network decides which.
    return type("BatchNorm2d", (nn.BatchNorm2d,), {"_check_input_dim": lambda self, x: None})


def _given(module: Any, **arrays: Any) -> Any:
    from torch import nn

    for name, array in arrays.items():
        setattr(module, name, None if array is None else nn.Parameter(tensor(array)))
    return module
