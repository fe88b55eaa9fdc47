"""Linear layers written out as explicit matrices: z_j = sum_i a_i w_ij + b_j, every connection one by one.

Inputs and outputs are one sample flattened in C order; the batch axis does not appear. Spatial layers have
shapes (channels, *space). A stride, dilation or kernel is one integer or one per axis, a padding one integer
or one (before, after) pair per axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .scalars import Array, common_dtype, divide, vector
from .windows import Geometry, Pairs, PerAxis, geometry, pairs, per_axis


@dataclass(frozen=True, eq=False)
class Matrix:
    """A linear layer of I inputs and J outputs, written out.

    weight (I, J) and bias (J,) are its numbers; taps (I, J) says which input is connected to which output
    (padding is no input; a connection exists even where its weight is 0); output_shape is the shape of one
    sample of the output, (-1,) where it is flat.
    """

    weight: Array
    bias: Array
    taps: npt.NDArray[np.bool_]
    output_shape: tuple[int, ...] = (-1,)

    def forward(self, a: Array) -> Array:
        """Return z_j = sum_i a_i w_ij + b_j, shape (J,), of one sample a of I numbers in any shape."""
        z = self.contributions(a).sum(axis=0) + self.bias
        return np.asarray(z)

    def contributions(self, a: Array) -> Array:
        """Return z_ij = a_i w_ij, shape (I, J); raises ValueError where a has not I numbers."""
        a = vector(np.asarray(a).reshape(-1), len(self.weight), "a")
        return a[:, np.newaxis] * self.weight


def dense(weight: Array, bias: Array | None = None) -> Matrix:
    """Return the matrix of z_j = sum_i a_i w_ij + b_j from weight (I, J) and bias (J,); all are connected."""
    weight = np.asarray(weight)
    if weight.ndim != 2:
        raise ValueError(f"dense: weight has shape {weight.shape}, expected (in, out)")
    taps = np.ones(weight.shape, dtype=bool)
    return Matrix(weight, _bias(bias, weight.shape[1], weight), taps, (weight.shape[1],))


def conv(
    weight: Array,
    bias: Array | None = None,
    *,
    input_shape: Sequence[int],
    stride: PerAxis = 1,
    padding: Pairs = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Matrix:
    """Return the matrix of a convolution (cross-correlation) of any number of dimensions.

    z[m, o] = b[m] + sum_{c, k} a[c, o stride - before + k dilation] w[m, c, k], over the taps k inside the
    image and the channels c of m's group. weight (out, in/groups, *kernel), bias (out,), input_shape (in,
    *space). Raises ValueError where shapes do not fit.

    >>> conv(np.array([[[1.0, 2.0]]]), input_shape=(1, 3), padding=[(1, 0)]).weight.tolist()
    [[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]]
    """
    weight, shape = np.asarray(weight), tuple(input_shape)
    channels_in, channels_out, per_group = shape[0], weight.shape[0], weight.shape[1]
    if weight.ndim != len(shape) + 1 or per_group * groups != channels_in or channels_out % groups:
        raise ValueError(f"conv: weight {weight.shape}, input {shape} and groups {groups} do not fit")
    windows = geometry(shape[1:], weight.shape[2:], stride=stride, padding=padding, dilation=dilation)
    output_shape = (channels_out, *windows.counts)
    matrix, taps = _unconnected(shape, output_shape, weight.dtype)
    for m in range(channels_out):
        group = m // (channels_out // groups)
        for o in windows.positions():
            for k, pixel in windows.pixels(o):
                for c in range(per_group):
                    i, j = _flat((group * per_group + c, *pixel), shape), _flat((m, *o), output_shape)
                    matrix[i, j] = weight[(m, c, *k)]
                    taps[i, j] = True
    return Matrix(matrix, _channel_bias(bias, output_shape, weight), taps, output_shape)


def conv_transpose(
    weight: Array,
    bias: Array | None = None,
    *,
    input_shape: Sequence[int],
    stride: PerAxis = 1,
    padding: Pairs = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Matrix:
    """Return the matrix of a transposed convolution of any number of dimensions.

    Input pixel (c, p) reaches output (m, p stride + k dilation - before) with weight w[c, m, k], for the m of
    c's group; padding crops the output (before, after), output_padding extends it at the end: size = (in - 1)
    stride + dilation (kernel - 1) + 1 - before - after + output_padding. weight (in, out/groups, *kernel),
    bias (out,), input_shape (in, *space). Raises ValueError where shapes do not fit.

    >>> conv_transpose(np.array([[[1.0, 2.0]]]), input_shape=(1, 2), stride=2).weight.tolist()
    [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]]
    """
    weight, shape, axes = np.asarray(weight), tuple(input_shape), len(input_shape) - 1
    if weight.ndim != len(shape) + 1 or weight.shape[0] != shape[0] or shape[0] % groups:
        raise ValueError(f"conv_transpose: weight {weight.shape}, input {shape}, groups {groups} do not fit")
    strides = per_axis(stride, axes, "stride", least=1)
    dilations = per_axis(dilation, axes, "dilation", least=1)
    crops, extra = pairs(padding, axes), per_axis(output_padding, axes, "output_padding", least=0)
    per_group, kernel = weight.shape[1], weight.shape[2:]
    size = tuple(
        (n - 1) * s + d * (k - 1) + 1 - before - after + e
        for n, s, d, k, (before, after), e in zip(shape[1:], strides, dilations, kernel, crops, extra, strict=True)
    )
    if min(size, default=1) < 1:
        raise ValueError(f"conv_transpose: input {shape} and padding {crops} leave an output of size {size}")
    output_shape = (per_group * groups, *size)
    matrix, taps = _unconnected(shape, output_shape, weight.dtype)
    for c, m in itertools.product(range(shape[0]), range(per_group)):
        channel = c // (shape[0] // groups) * per_group + m
        for p, k in itertools.product(_indices(shape[1:]), _indices(kernel)):
            o = tuple(
                x * s + t * d - before for x, s, t, d, (before, _) in zip(p, strides, k, dilations, crops, strict=True)
            )
            if all(0 <= x < n for x, n in zip(o, size, strict=True)):
                i, j = _flat((c, *p), shape), _flat((channel, *o), output_shape)
                matrix[i, j] = weight[(c, m, *k)]
                taps[i, j] = True
    return Matrix(matrix, _channel_bias(bias, output_shape, weight), taps, output_shape)


def average_pool(
    input_shape: Sequence[int],
    kernel: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Pairs = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    dtype: npt.DTypeLike = np.float64,
) -> Matrix:
    """Return the matrix of average pooling: z[c, o] = sum over the window's pixels / divisor.

    The divisor is the number of pixels inside the image or, with count_include_pad, inside the padded image:
    a ceil-mode window's overhang never counts. A window without any pixel gives 0 and is connected to
    nothing. input_shape (channels, *space), stride None = kernel; dtype object gives Fractions. Semantics of
    PyTorch's avg_pool and of ONNX AveragePool since opset 19.

    >>> average_pool((1, 3), 2, ceil_mode=True).weight.tolist()
    [[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]
    """
    windows = geometry(tuple(input_shape)[1:], kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)

    def divisor(o: tuple[int, ...]) -> int:
        return windows.padded_area(o) if count_include_pad else sum(1 for _ in windows.pixels(o))

    return _pool(tuple(input_shape), windows, lambda o: divide(1, divisor(o)), dtype)


def sum_pool(
    input_shape: Sequence[int],
    kernel: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Pairs = 0,
    ceil_mode: bool = False,
    dtype: npt.DTypeLike = np.float64,
) -> Matrix:
    """Return the matrix of sum pooling: z[c, o] = sum over the window's pixels; arguments as average_pool."""
    windows = geometry(tuple(input_shape)[1:], kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    return _pool(tuple(input_shape), windows, lambda o: 1, dtype)


def global_average_pool(input_shape: Sequence[int], *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Return the matrix of the mean over all spatial axes: (channels, *space) -> (channels, 1, ..., 1)."""
    return average_pool(input_shape, tuple(input_shape)[1:], dtype=dtype)


def affine(scale: Array, shift: Array | None, *, input_shape: Sequence[int]) -> Matrix:
    """Return the matrix of y_i = s_i x_i + t_i: only i is connected to i.

    scale and shift are one number, one per channel (channels,), or an array with as many axes as input_shape
    that broadcasts to it; anything else is a ValueError.
    """
    shape = tuple(input_shape)
    factors = _spread(scale, shape, "scale")
    matrix, taps = _unconnected(shape, shape, factors.dtype)
    for i, factor in enumerate(factors):
        matrix[i, i] = factor
        taps[i, i] = True
    terms = np.zeros(len(factors), dtype=factors.dtype) if shift is None else _spread(shift, shape, "shift")
    return Matrix(matrix, terms, taps, shape)


def multiply(constant: Array, *, input_shape: Sequence[int]) -> Matrix:
    """Return the matrix of the product with a constant, y_i = s_i x_i; constant as affine's scale."""
    return affine(constant, None, input_shape=input_shape)


def add(operands: int, input_shape: Sequence[int], *, dtype: npt.DTypeLike = np.float64) -> Matrix:
    """Return the matrix of y = x_1 + ... + x_n: the input is the n flattened operands in a row."""
    shape = tuple(input_shape)
    units = _size(shape)
    matrix, taps = _unconnected((operands, *shape), shape, dtype)
    for n, j in itertools.product(range(operands), range(units)):
        matrix[n * units + j, j] = 1
        taps[n * units + j, j] = True
    return Matrix(matrix, np.zeros(units, dtype=dtype), taps, shape)


def _pool(shape: tuple[int, ...], windows: Geometry, weight_of: Any, dtype: npt.DTypeLike) -> Matrix:
    output_shape = (shape[0], *windows.counts)
    matrix, taps = _unconnected(shape, output_shape, dtype)
    for c in range(shape[0]):
        for o in windows.positions():
            for _, pixel in windows.pixels(o):
                i, j = _flat((c, *pixel), shape), _flat((c, *o), output_shape)
                matrix[i, j] = weight_of(o)
                taps[i, j] = True
    return Matrix(matrix, np.zeros(_size(output_shape), dtype=dtype), taps, output_shape)


def _unconnected(
    shape: tuple[int, ...], output_shape: tuple[int, ...], dtype: npt.DTypeLike
) -> tuple[Array, npt.NDArray[np.bool_]]:
    size = (_size(shape), _size(output_shape))
    return np.zeros(size, dtype=dtype), np.zeros(size, dtype=bool)


def _bias(bias: Array | None, length: int, weight: Array) -> Array:
    if bias is None:
        bias = np.zeros(length, dtype=weight.dtype)
    bias = vector(bias, length, "bias")
    common_dtype(weight=weight, bias=bias)
    return bias


def _channel_bias(bias: Array | None, output_shape: tuple[int, ...], weight: Array) -> Array:
    return np.repeat(_bias(bias, output_shape[0], weight), _size(output_shape[1:]))


def _spread(value: Array, shape: tuple[int, ...], name: str) -> Array:
    value = np.asarray(value)
    if value.shape == shape[:1]:
        value = value.reshape(-1, *(1 for _ in shape[1:]))
    fits = all(v in (1, n) for v, n in zip(value.shape, shape, strict=False))
    if value.ndim not in (0, len(shape)) or not fits:
        raise ValueError(f"{name} has shape {value.shape}: not a number, not {shape[:1]}, not {shape}")
    common_dtype(**{name: value})
    return np.broadcast_to(value, shape).reshape(-1)


def _indices(shape: tuple[int, ...]) -> itertools.product[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


def _flat(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    position = 0
    for x, n in zip(index, shape, strict=True):
        position = position * n + x
    return position


def _size(shape: tuple[int, ...]) -> int:
    result = 1
    for n in shape:
        result *= n
    return result
