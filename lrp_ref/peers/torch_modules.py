"""Layers as torch modules with the same numbers: what torch has as a module of its own is that module."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..layers import (
    ELU, GELU, SELU, Abs, Add, Affine, AveragePool, Clip, Concat, Constant, Conv, ConvTranspose, Dense, Exp, Flatten,
    GlobalAveragePool, HardSigmoid, HardSwish, Identity, Layer, LeakyReLU, MatMul, MaxPool, Mean, Multiply, Normalize,
    ReLU, Sigmoid, SiLU, Softmax, Softplus, Sum, SumPool, Tanh,
)  # fmt: skip
from ..layers.conv import pairs
from ..layers.route import Gather, Pad, Reshape, Slice, Squeeze, Transpose, Unsqueeze, Upsample
from .task import NoRule


def module_of(layer: Layer, *, functional_add: bool = False) -> Any:
    """Return a layer as a torch module in evaluation mode, whose parameters ask for no gradient.

    Args:
        layer: of a network.
        functional_add: whether a sum is a bare ``+`` inside the network's forward, and no module: then None.

    Raises:
        NoRule: torch has no such layer, or not with these options.
    """
    if functional_add and type(layer) is Add and not layer.coefficients:
        return None
    for kind in type(layer).__mro__:
        if kind in _MODULES:
            return _MODULES[kind](layer).eval().requires_grad_(False)
    raise NoRule(f"torch has no module for a {type(layer).__name__}")


@cache
def calls() -> Any:
    """Return the module class that calls a function of its operands; torch is imported with it."""
    from torch import nn

    class Call(nn.Module):
        def __init__(self, function: Callable[..., Any], name: str = "", **arrays: Any) -> None:
            super().__init__()
            self.function, self.name = function, name
            for key, array in arrays.items():
                self.register_buffer(key, tensor(array))

        def forward(self, *xs: Any) -> Any:
            return self.function(*xs, *self.buffers())

        def extra_repr(self) -> str:
            return self.name

    return Call


def tensor(array: Any) -> Any:
    """Return a copy of a NumPy array as a tensor: of the same dtype, and nobody else's memory."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array).copy())


def _share(module: Any, **arrays: Any) -> Any:
    from torch import nn

    for name, array in arrays.items():
        setattr(module, name, None if array is None else nn.Parameter(tensor(array)))
    return module


def _named(name: str) -> Any:
    from torch import nn

    return getattr(nn, name)


# Linear ----------------------------------------------------------------------------------------------------------


def _dense(layer: Dense) -> Any:
    made = _named("Linear")(1, 1, bias=layer.bias is not None)
    made.in_features, made.out_features = layer.weight.shape
    return _share(made, weight=layer.weight.T, bias=layer.bias)


def _convolution(layer: Any) -> Any:
    axes, transposed = layer.weight.ndim - 2, isinstance(layer, ConvTranspose)
    if axes > 3:
        raise NoRule(f"torch convolves at most three axes, not {axes}")
    if layer.bias is not None and layer.bias.ndim > 1:
        raise NoRule("torch has no convolution with a bias per position")
    more = {"output_padding": layer.output_padding} if transposed else {}
    made = _named(f"Conv{'Transpose' * transposed}{axes}d")(
        layer.groups, layer.groups, layer.weight.shape[2:], layer.stride, _same(layer.padding, axes),
        dilation=layer.dilation, groups=layer.groups, bias=layer.bias is not None, **more,
    )  # fmt: skip
    made.in_channels, made.out_channels = layer.weight.shape[1] * layer.groups, layer.weight.shape[0]
    if transposed:
        made.in_channels, made.out_channels = made.out_channels, made.in_channels
    return _share(made, weight=layer.weight, bias=layer.bias)


def _same(padding: Any, axes: int) -> tuple[int, ...]:
    found = pairs(padding, axes, "padding")
    if any(before != after for before, after in found):
        raise NoRule(f"torch pads both sides alike, not by {found}")
    return tuple(before for before, _ in found)


@cache
def _batch_norm() -> Any:
    from torch import nn

    class BatchNorm(nn.BatchNorm2d):
        def _check_input_dim(self, x: Any) -> None:
            """Take samples of any number of axes: the network decides which."""

    return BatchNorm


def _affine(layer: Affine) -> Any:
    given = [p for p in (layer.scale, layer.shift) if p is not None]
    if layer.cut or any(p.shape != given[0].shape for p in given):
        raise NoRule("torch has no module for a scale and a shift of different shapes, or one that is cut")
    if given[0].ndim != 1:
        return _scaled(layer)
    scale = np.ones_like(given[0]) if layer.scale is None else layer.scale
    shift = np.zeros_like(given[0]) if layer.shift is None else layer.shift
    made = _batch_norm()(len(scale), eps=0.0)
    made.running_mean, made.running_var = tensor(np.zeros_like(scale)), tensor(np.ones_like(scale))
    return _share(made, weight=scale, bias=shift)


def _scaled(layer: Affine) -> Any:
    both = layer.scale is not None and layer.shift is not None
    scale, shift = ({k: v for k, v in ((n, getattr(layer, n)),) if v is not None} for n in ("scale", "shift"))

    def run(x: Any, *p: Any) -> Any:
        return x * p[0] + p[1] if both else (x * p[0] if layer.scale is not None else x + p[0])

    return calls()(run, "affine", **scale, **shift)


# Windows and axes ------------------------------------------------------------------------------------------------


def _pool(layer: Any, name: str) -> Callable[..., Any]:
    """Return the pooling function of as many axes as its input has; a kernel of one number fits any."""

    def run(x: Any) -> Any:
        from torch.nn import functional

        axes = x.ndim - 2
        return getattr(functional, f"{name}{axes}d")(x, layer.kernel, **_options(layer, axes))

    return run


def _options(layer: Any, axes: int) -> dict[str, Any]:
    found = {"stride": layer.stride, "padding": _same(layer.padding, axes), "ceil_mode": layer.ceil_mode}
    if isinstance(layer, MaxPool):
        return found | {"dilation": layer.dilation}
    return found | {"count_include_pad": getattr(layer, "count_include_pad", True)}


@cache
def _class(base: str) -> Any:
    """Return a subclass of a torch module whose forward pass is a function of any number of axes."""

    class Any_(_named(base)):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return self.function(x)

    Any_.__name__ = Any_.__qualname__ = base
    return Any_


def _with(base: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    made = _class(base)(*arguments, **options)
    made.function = function
    return made


def _max_pool(layer: MaxPool) -> Any:
    if layer.ties != "first":
        raise NoRule("torch gives the first of several winners all, it does not share")
    made = _with("MaxPool2d", _pool(layer, "max_pool"), layer.kernel)
    for name in ("stride", "padding", "dilation", "ceil_mode"):
        setattr(made, name, getattr(layer, name))
    made.stride = layer.kernel if layer.stride is None else layer.stride
    return made


def _average_pool(layer: AveragePool) -> Any:
    if layer.dilation not in (1, (1,) * len(np.atleast_1d(layer.dilation))) or layer.factor != 1 or layer.weight_edit:
        raise NoRule("torch has no average pool with gaps or with weights of its own")
    made = _with("AvgPool2d", _pool(layer, "avg_pool"), layer.kernel, count_include_pad=layer.count_include_pad)
    made.stride = layer.kernel if layer.stride is None else layer.stride
    made.padding, made.ceil_mode = layer.padding, layer.ceil_mode
    return made


def _sum_pool(layer: SumPool) -> Any:
    if layer.dilation not in (1, (1,) * len(np.atleast_1d(layer.dilation))) or layer.ceil_mode:
        raise NoRule("torch has no sum pool with gaps or incomplete windows")
    mean = _pool(layer, "avg_pool")

    def run(x: Any) -> Any:
        axes = x.ndim - 2
        size = layer.kernel**axes if isinstance(layer.kernel, int) else math.prod(layer.kernel)
        return mean(x) * (size * float(layer.factor))

    return calls()(run, "sum pool")


def _global_average(layer: GlobalAveragePool) -> Any:
    if layer.axes is not None or not layer.keepdims:
        return _reduction(layer, "mean")

    def run(x: Any) -> Any:
        from torch.nn import functional

        return getattr(functional, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1)

    return _with("AdaptiveAvgPool2d", run, 1)


def _reduction(layer: Any, how: str) -> Any:
    if layer.factor != 1 or getattr(layer, "weight_edit", None):
        raise NoRule(f"torch has no {how} with weights of its own")

    def run(x: Any) -> Any:
        axes = tuple(range(2, x.ndim)) if layer.axes is None else tuple(a % x.ndim for a in layer.axes)
        return getattr(x, how)(dim=axes, keepdim=layer.keepdims)

    return calls()(run, how)


def _normalize(layer: Normalize) -> Any:
    from torch.nn import functional

    if layer.groups > 1:
        if sorted(layer.axes)[0] < 1 or not layer.centre:
            raise NoRule("torch normalises groups of channels over all that follows")
        return calls()(lambda x: functional.group_norm(x, layer.groups, eps=layer.epsilon), "group norm")

    def run(x: Any) -> Any:
        axes = sorted(a % x.ndim for a in layer.axes)
        if axes != list(range(axes[0], x.ndim)):
            raise NoRule(f"torch normalises over the last axes, not over {layer.axes}")
        shape = tuple(x.shape[axes[0] :])
        return functional.layer_norm(x, shape, eps=layer.epsilon) if layer.centre else functional.rms_norm(
            x, shape, eps=layer.epsilon
        )

    return _with("LayerNorm", run, 1, eps=layer.epsilon, elementwise_affine=False) if layer.centre else calls()(run, "rms norm")


# Several operands, and places ------------------------------------------------------------------------------------


def _sum_of(*xs: Any, coefficients: Sequence[Any] = ()) -> Any:
    terms = [x if c == 1 else x * float(c) for x, c in zip(xs, coefficients or (1,) * len(xs), strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _slice(layer: Slice) -> Any:
    import torch

    def run(x: Any) -> Any:
        for axis, start, stop, step in zip(layer.axes, layer.starts, layer.stops, layer.steps or (1,) * len(layer.axes), strict=True):
            places = range(x.shape[axis])[slice(start, stop, step)]
            x = torch.index_select(x, axis, torch.tensor(list(places), dtype=torch.long))
        return x

    return calls()(run, "slice")


def _gather(layer: Gather) -> Any:
    import torch

    if isinstance(layer.indices, int):
        return calls()(lambda x: x.select(layer.axis, layer.indices), "select")
    return calls()(
        lambda x: torch.index_select(x, layer.axis, torch.tensor([k % x.shape[layer.axis] for k in layer.indices])), "gather"
    )


def _pad(layer: Pad) -> Any:
    from torch.nn import functional

    if layer.mode != "constant" or not isinstance(layer.value, int | float):
        raise NoRule("torch pads any axis with one constant, not with reflections or values per channel")
    around = [n for pair in reversed(layer.amounts) for n in pair]
    return calls()(lambda x: functional.pad(x, around, value=float(layer.value)), "pad")


def _upsample(layer: Upsample) -> Any:
    def run(x: Any) -> Any:
        for axis, factor in enumerate(layer.factors, start=2):
            x = x.repeat_interleave(factor, dim=axis)
        return x

    return calls()(run, "upsample")


def _constant(layer: Constant) -> Any:
    if layer.cut:
        raise NoRule("torch has no constant that is cut")
    return calls()(lambda x, value: value.expand(x.shape[0], *value.shape), "constant", value=layer.value)


def _elu(layer: ELU) -> Any:
    if layer.scale != 1:
        raise NoRule("torch has no scaled ELU but SELU")
    return _named("ELU")(layer.alpha)


def _clip(layer: Clip) -> Any:
    low, high = (-math.inf if layer.low is None else float(layer.low)), (math.inf if layer.high is None else float(layer.high))
    return _named("Hardtanh")(low, high)


def _hard_sigmoid(layer: HardSigmoid) -> Any:
    if abs(layer.alpha - 1 / 6) > 1e-12 or layer.beta != 0.5:
        raise NoRule("torch's hard sigmoid is x/6 + 1/2")
    return _named("Hardsigmoid")()


def _softmax(layer: Softmax) -> Any:
    return _named("LogSoftmax" if layer.log else "Softmax")(layer.axis)


def _call(function: Callable[[Any], Callable[..., Any]], name: str) -> Callable[[Any], Any]:
    return lambda layer: calls()(function(layer), name)


def _concatenated(layer: Concat) -> Any:
    import torch

    return calls()(lambda *xs: torch.cat(xs, layer.axis), "concatenate")


_MODULES: dict[type[Layer], Callable[[Any], Any]] = {
    Dense: _dense,
    Conv: _convolution,
    ConvTranspose: _convolution,
    Affine: _affine,
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    SumPool: _sum_pool,
    GlobalAveragePool: _global_average,
    Mean: lambda layer: _reduction(layer, "mean"),
    Sum: lambda layer: _reduction(layer, "sum"),
    Normalize: _normalize,
    Softmax: _softmax,
    Identity: lambda layer: _named("Identity")(),
    ReLU: lambda layer: _named("ReLU")(),
    LeakyReLU: lambda layer: _named("LeakyReLU")(float(layer.alpha)),
    ELU: _elu,
    SELU: lambda layer: _named("SELU")(),
    GELU: lambda layer: _named("GELU")(layer.approximate),
    Sigmoid: lambda layer: _named("Sigmoid")(),
    SiLU: lambda layer: _named("SiLU")(),
    Tanh: lambda layer: _named("Tanh")(),
    Softplus: lambda layer: _named("Softplus")(layer.beta),
    Clip: _clip,
    HardSigmoid: _hard_sigmoid,
    HardSwish: lambda layer: _named("Hardswish")(),
    Abs: _call(lambda layer: lambda x: x.abs(), "abs"),
    Exp: _call(lambda layer: lambda x: x.exp(), "exp"),
    Add: lambda layer: calls()(partial(_sum_of, coefficients=layer.coefficients), "add"),
    MatMul: _call(lambda layer: lambda a, b: a @ b, "matmul"),
    Multiply: _call(lambda layer: lambda a, b: a * b, "multiply"),
    Concat: _concatenated,
    Constant: _constant,
    Flatten: _call(lambda layer: lambda x: x.flatten(layer.start) if x.ndim > layer.start else x.unsqueeze(-1), "flatten"),
    Reshape: _call(lambda layer: lambda x: x.reshape(x.shape[0], *layer.shape), "reshape"),
    Squeeze: _call(lambda layer: lambda x: x.squeeze(tuple(layer.axes)), "squeeze"),
    Transpose: _call(lambda layer: lambda x: x.permute(layer.axes), "permute"),
    Slice: _slice,
    Gather: _gather,
    Pad: _pad,
    Upsample: _upsample,
}
