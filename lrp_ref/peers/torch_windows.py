"""Pools, means and normalisations as torch modules; how many axes they run over is known when they run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..layers import AveragePool, GlobalMaxPool, MaxPool, Mean, Normalize, Sum, SumPool
from ..layers.conv import pairs
from .task import NoRule
from .torch_calls import call
from .torch_weights import same_padding


def max_pool(layer: MaxPool) -> Any:
    """Return a MaxPool2d, whatever the number of axes is."""
    if layer.ties != "first":
        raise NoRule("torch gives the first of several winners all, it does not share")
    return _pool(layer, "MaxPool2d", "max_pool", dilation=layer.dilation)


def global_max_pool(layer: GlobalMaxPool) -> Any:
    """Return an AdaptiveMaxPool2d, whatever the number of axes is."""
    from torch.nn import functional

    if layer.ties != "first":
        raise NoRule("torch gives the first of several winners all, it does not share")

    def run(x: Any) -> Any:
        found = getattr(functional, f"adaptive_max_pool{x.ndim - 2}d")(x, 1)
        return found if layer.keepdims else found.flatten(1)

    return _module("AdaptiveMaxPool2d", run, 1)


def average_pool(layer: AveragePool) -> Any:
    """Return an AvgPool2d, whatever the number of axes is."""
    _plain(layer, "average pool")
    return _pool(layer, "AvgPool2d", "avg_pool", count_include_pad=layer.count_include_pad)


def sum_pool(layer: SumPool) -> Any:
    """Return an average pool times the size of its windows."""
    _plain(layer, "sum pool")
    if layer.ceil_mode:
        raise NoRule("torch has no sum pool with incomplete windows")
    mean = _run(layer, "avg_pool", {"count_include_pad": True})

    def run(x: Any) -> Any:
        size = math.prod(np.broadcast_to(layer.kernel, x.ndim - 2).tolist())
        return mean(x) * (size * float(layer.factor))

    return call(run, "sum pool")


def _plain(layer: SumPool, what: str) -> None:
    factor = 1 if type(layer) is SumPool else layer.factor
    if np.any(np.not_equal(layer.dilation, 1)) or factor != 1 or getattr(layer, "weight_edit", None):
        raise NoRule(f"torch has no {what} with gaps or with weights of its own")


def _pool(layer: Any, kind: str, function: str, **options: Any) -> Any:
    stride = layer.kernel if layer.stride is None else layer.stride
    made = _module(kind, _run(layer, function, options), layer.kernel)
    for name, value in {"stride": stride, "padding": layer.padding, "ceil_mode": layer.ceil_mode, **options}.items():
        setattr(made, name, value)
    return made


def _run(layer: Any, function: str, options: dict[str, Any]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        from torch.nn import functional

        axes = x.ndim - 2
        around = pairs(layer.padding, axes, "padding")
        if function == "max_pool" and not layer.ceil_mode and any(before != after for before, after in around):
            x = functional.pad(x, [n for pair in reversed(around) for n in pair], value=-math.inf)
            padding: Any = 0
        else:
            padding = same_padding(layer.padding, axes)
        return getattr(functional, f"{function}{axes}d")(
            x, layer.kernel, layer.stride, padding, ceil_mode=layer.ceil_mode, **options
        )

    return run


def reduced(layer: Sum) -> Any:
    """Return a sum or mean over whole axes; that of images over all positions is an AdaptiveAvgPool2d."""
    how = "mean" if isinstance(layer, Mean) else "sum"
    if layer.factor != 1 or getattr(layer, "weight_edit", None):
        raise NoRule(f"torch has no {how} with weights of its own")
    if how == "mean" and layer.axes is None and layer.keepdims:
        return _module("AdaptiveAvgPool2d", _average, 1)

    def run(x: Any) -> Any:
        axes = tuple(range(2, x.ndim)) if layer.axes is None else tuple(a % x.ndim for a in layer.axes)
        return getattr(x, how)(dim=axes, keepdim=layer.keepdims)

    return call(run, how)


def _average(x: Any) -> Any:
    from torch.nn import functional

    return getattr(functional, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1)


def normalized(layer: Normalize) -> Any:
    """Return a LayerNorm without scale, a group norm, or a division by the root of the mean square."""
    from torch.nn import functional

    if layer.groups > 1:
        if not layer.centre:
            raise NoRule("torch has no group norm that does not take the mean away")
        return call(lambda x: functional.group_norm(x, layer.groups, eps=layer.epsilon), "group norm")
    norm = functional.layer_norm if layer.centre else functional.rms_norm

    def run(x: Any) -> Any:
        axes = sorted(a % x.ndim for a in layer.axes)
        if axes != list(range(axes[0], x.ndim)):
            raise NoRule(f"torch normalises over the last axes, not over {layer.axes}")
        return norm(x, tuple(x.shape[axes[0] :]), eps=layer.epsilon)

    return _module("LayerNorm", run, 1, layer.epsilon, False) if layer.centre else call(run, "rms norm")


def _module(kind: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return a module of a class of torch's whose forward pass is a function of any number of axes."""
    made = _class(kind)(*arguments)
    made.function = function
    return made


@cache
def _class(kind: str) -> Any:
    from torch import nn

    return type(kind, (getattr(nn, kind),), {"forward": lambda self, x: self.function(x)})
