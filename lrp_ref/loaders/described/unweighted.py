"""PyTorch's modules without weights: activations, pooling, padding, shapes; Add, Concat, Multiply of several values."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import ParameterError
from ...layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Add,
    AveragePool,
    Clip,
    Concat,
    Flatten,
    Function,
    GlobalAveragePool,
    GlobalMaxPool,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    MaxPool,
    Multiply,
    Pad,
    ReLU,
    Shrink,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Upsample,
)
from .entry import WIDEST, Entry, integer, shown_value
from .modules import REQUIRED, Made, module


def _always(layer: Layer) -> Callable[[Entry], Made]:
    """Return what makes this layer, whatever the entry says."""
    return lambda entry: layer


module("ReLU", inplace=False)(_always(ReLU()))
module("ReLU6", inplace=False)(_always(Clip(0, 6)))
module("SELU", inplace=False)(_always(SELU()))
module("SiLU", inplace=False)(_always(SiLU()))
module("Sigmoid")(_always(Sigmoid()))
module("Tanh")(_always(Tanh()))
module("Hardsigmoid", inplace=False)(_always(HardSigmoid()))
module("Hardswish", inplace=False)(_always(HardSwish()))
module("Identity")(_always(Identity()))
module("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", main="p", p=0.5, inplace=False)(
    _always(Identity())
)
module("Hardtanh", min_val=-1.0, max_val=1.0, inplace=False)(
    lambda entry: HardTanh(entry.number("min_val"), entry.number("max_val"))
)
module("LeakyReLU", main="negative_slope", negative_slope=0.01, inplace=False)(
    lambda entry: LeakyReLU(entry.number("negative_slope"))
)
module("CELU", main="alpha", alpha=1.0, inplace=False)(lambda entry: CELU(_above_zero(entry, "alpha")))
module("Softsign")(_always(Function("softsign")))
module("LogSigmoid")(
    lambda entry: [("negative", Function("negative")), ("softplus", Softplus()), ("", Function("negative"))]
)
module("Hardshrink", main="lambd", lambd=0.5)(lambda entry: Shrink(_above_zero(entry, "lambd")))
module("Softshrink", main="lambd", lambd=0.5)(lambda entry: Shrink(*2 * [_above_zero(entry, "lambd")]))
module("ELU", main="alpha", alpha=1.0, inplace=False)(lambda entry: ELU(entry.number("alpha")))
module("GELU", main="approximate", approximate="none")(lambda entry: GELU(entry.only("approximate", "none", "tanh")))
module("Softmax", main="dim", dim=REQUIRED)(lambda entry: Softmax(_axis(entry)))
module("LogSoftmax", main="dim", dim=REQUIRED)(lambda entry: Softmax(_axis(entry), log=True))


def _above_zero(entry: Entry, key: str) -> float:
    """Return an option that is a number above 0."""
    if not entry.number(key) > 0:
        raise ParameterError(f"{key} must be above 0")
    return entry.number(key)


def _axis(entry: Entry) -> int:
    """Return the option ``dim``, which may count from the last axis and is not the batch."""
    axis = entry["dim"]
    if not isinstance(axis, int) or isinstance(axis, bool) or not -32 < axis < 32 or axis == 0:
        raise ParameterError(f"dim must be an axis other than the batch, 0, got {shown_value(axis)}")
    return axis


@module("Softplus", main="beta", beta=1.0, threshold=20.0)
def _softplus(entry: Entry) -> Made:
    # Above the threshold PyTorch returns x itself, which at 20 differs by 2·10⁻⁹ and less.
    if entry.number("threshold") < 20:
        raise ParameterError("threshold below 20, where log(1 + exp x) is not x")
    return Softplus(_above_zero(entry, "beta"))


def _windows(entry: Entry) -> dict[str, object]:
    """Return kernel, stride, padding and ceil mode of a pooling module."""
    stride = None if entry["stride"] is None else entry.sizes("stride")
    return {
        "kernel": entry.sizes("kernel_size"),
        "stride": stride,
        "padding": entry.padding(),
        "ceil_mode": entry.flag("ceil_mode"),
    }


@module(
    "MaxPool1d", "MaxPool2d", "MaxPool3d", main="kernel_size", kernel_size=REQUIRED, stride=None, padding=0,
    dilation=1, ceil_mode=False, return_indices=False,
)  # fmt: skip
def _max_pool(entry: Entry) -> Made:
    entry.only("return_indices", False)
    return MaxPool(**_windows(entry), dilation=entry.sizes("dilation"))  # type: ignore[arg-type]


@module(
    "AvgPool1d", "AvgPool2d", "AvgPool3d", main="kernel_size", kernel_size=REQUIRED, stride=None, padding=0,
    ceil_mode=False, count_include_pad=True, divisor_override=None,
)  # fmt: skip
def _avg_pool(entry: Entry) -> Made:
    entry.only("divisor_override", None)
    return AveragePool(**_windows(entry), count_include_pad=entry.flag("count_include_pad"))  # type: ignore[arg-type]


@module("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", main="output_size", output_size=1)
def _mean_of_all(entry: Entry) -> Made:
    _one(entry)
    return GlobalAveragePool()


@module("AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", main="output_size", output_size=1)
def _max_of_all(entry: Entry) -> Made:
    _one(entry)
    return GlobalMaxPool()


def _one(entry: Entry) -> None:
    if set(entry.sizes("output_size")) != {1}:
        raise ParameterError(
            f"output_size {shown_value(entry['output_size'])}; only 1 is supported: write MaxPool or AvgPool with the "
            "kernel_size that your input's size makes of it"
        )


def _pad(mode: str) -> Callable[[Entry], Made]:
    return lambda entry: Pad(((0, 0), *_around(entry)), mode)


module("ZeroPad1d", "ZeroPad2d", "ZeroPad3d", main="padding", padding=REQUIRED)(_pad("constant"))
module("ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", main="padding", padding=REQUIRED)(_pad("reflect"))
module("ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", main="padding", padding=REQUIRED)(_pad("edge"))


def _around(entry: Entry) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis from one number, or from PyTorch's list, which begins at the last axis."""
    value = entry["padding"]
    if not isinstance(value, list | tuple):
        return entry.padding()
    ends = [integer("padding", n) for n in value]
    if len(ends) != 2 * entry.axes or max(ends) >= WIDEST:
        raise ParameterError(f"padding must be one number or {2 * entry.axes}, got {shown_value(value)}")
    return tuple((ends[k], ends[k + 1]) for k in range(2 * entry.axes - 2, -1, -2))


@module("Upsample", main="scale_factor", scale_factor=REQUIRED, mode="nearest", size=None, align_corners=None)
def _upsample(entry: Entry) -> Made:
    entry.only("mode", "nearest")
    entry.only("size", None)
    value = entry["scale_factor"]
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 3:
        raise ParameterError("scale_factor must have one integer for each spatial axis, such as [2, 2]")
    return Upsample(tuple(integer("scale_factor", n, 1) for n in value))


@module("Flatten", main="start_dim", start_dim=1, end_dim=-1)
def _flatten(entry: Entry) -> Made:
    entry.only("end_dim", -1)
    return Flatten(entry.integer("start_dim", 1))


@module("Add", main="inputs", operands=None)
def _add(entry: Entry) -> Made:
    return Add()


@module("Concat", main="inputs", operands=None, dim=1)
def _concat(entry: Entry) -> Made:
    return Concat(_axis(entry))


@module("Multiply", main="inputs", operands=2)
def _multiply(entry: Entry) -> Made:
    return Multiply()
