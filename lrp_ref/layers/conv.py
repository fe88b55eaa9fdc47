"""Convolution and transposed convolution in one, two or three dimensions: one implementation each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

from ..base.arrays import Array, namespace, require_dtype
from ..errors import ParameterError, ShapeError
from ..fast import convolution as kernels
from ..fast.windows import Pads
from ..rules.edits import Edit
from .base import Linear
from .promises import Promises


def per_axis(value: Any, axes: int, what: str) -> tuple[int, ...]:
    """Return one integer per spatial axis from an integer or a sequence."""
    values = (int(value),) * axes if isinstance(value, Integral) else tuple(int(v) for v in value)
    if len(values) != axes:
        raise ShapeError(f"{what} {value} does not have one number for each of {axes} spatial axes")
    return values


def pairs(value: Any, axes: int, what: str) -> Pads:
    """Return (before, after) per spatial axis from an integer, one integer per axis, or pairs."""
    values = (value,) * axes if isinstance(value, Integral) else tuple(value)
    found = tuple((v, v) if isinstance(v, Integral) else tuple(v) for v in values)
    if len(found) != axes or any(len(pair) != 2 for pair in found):
        raise ShapeError(f"{what} {value} does not have one entry for each of {axes} spatial axes")
    return tuple((int(before), int(after)) for before, after in found)


def _spatial_bias(bias: Array, z: Array) -> Array:
    """Shape a bias (out,) or (out, *spatial) so that it broadcasts against z (N, out, *spatial)."""
    return bias if bias.ndim > 1 else bias.reshape(bias.shape + (1,) * (z.ndim - 2))


def _check(layer: Any, *, transposed: bool) -> None:
    name, weight, groups = type(layer).__name__, layer.weight, layer.groups
    axes = weight.ndim - 2
    if axes < 1 or 0 in weight.shape[2:]:
        raise ShapeError(f"{name}: weight must have at least one kernel axis, none empty, got shape {weight.shape}")
    outs = weight.shape[1] * groups if transposed else weight.shape[0]
    if groups < 1 or weight.shape[0] % groups:
        raise ShapeError(f"{name}: {weight.shape[0]} first-axis channels do not split into {groups} groups")
    for key in ("stride", "dilation"):
        object.__setattr__(layer, key, per_axis(getattr(layer, key), axes, f"{name}: {key}"))
        if min(getattr(layer, key)) < 1:
            raise ParameterError(f"{name}: {key} must be at least 1, got {getattr(layer, key)}")
    object.__setattr__(layer, "padding", pairs(layer.padding, axes, f"{name}: padding"))
    if min(min(p) for p in layer.padding) < 0:
        raise ParameterError(f"{name}: padding must not be negative, got {layer.padding}")
    if layer.bias is not None and (layer.bias.ndim not in (1, axes + 1) or layer.bias.shape[0] != outs):
        raise ShapeError(f"{name}: bias of shape {layer.bias.shape} does not fit {outs} output channels")


def _check_input(layer: Any, x: Array, channels: int) -> None:
    if x.ndim != layer.weight.ndim or x.shape[1] != channels:
        raise ShapeError(
            f"{type(layer).__name__}: input of shape {x.shape} is not (N, {channels}"
            f"{', size' * (layer.weight.ndim - 2)}) as weight {layer.weight.shape} with groups={layer.groups} expects"
        )
    require_dtype(x, layer.weight, type(layer).__name__)


def _geometry(layer: Conv | ConvTranspose) -> kernels.Geometry:
    """Return how the windows lie on the input of a convolution, or on the output of a transposed one."""
    return kernels.Geometry(layer.stride, layer.padding, layer.dilation, layer.groups)


@dataclass(frozen=True, eq=False, repr=False)
class Conv(Linear):
    """Convolution (cross-correlation, as every framework calls it) in 1, 2 or 3 dimensions.

    Formula: z[n, o, p] = Σ_{c,k} x[n, c, p·stride + k·dilation − padding] w[o, c, k] + b[o].

    Args:
        weight: (out, in/groups, *kernel).
        bias: (out,) or (out, *output size), or None.
        stride, dilation: an integer, or one per axis.
        padding: zeros around the input: an integer, one per axis, or (before, after) per axis.
        groups: number of groups; ``groups == in`` is a depthwise convolution.

    Raises:
        ShapeError, ParameterError: shapes or numbers that do not fit.

    Example:
        >>> import numpy as np
        >>> Conv(np.ones((1, 1, 2)), stride=2).forward(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
        array([[[3., 7.]]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True)

    weight: Array
    bias: Array | None = None
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1

    def __post_init__(self) -> None:
        _check(self, transposed=False)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, out, *output size) for an input (N, in, *size)."""
        return self._convolved(lambda part: None, *xs)

    def forward_then(self, finish: Callable[[Array], object], *xs: Array) -> Array:
        """Return z after ``finish`` was called on each part of it."""
        return self._convolved(finish, *xs)

    def _convolved(self, finish: Callable[[Array], object], *xs: Array) -> Array:
        (x,) = xs
        _check_input(self, x, self.weight.shape[1] * self.groups)
        xp = namespace(x, self.weight)
        one_each = self.bias is None or self.bias.ndim == 1
        z = kernels.convolve(
            x,
            self.weight,
            _geometry(self),
            xp,
            kernels.Ending(self.bias, finish) if one_each else kernels.Ending(),
        )
        if not one_each:
            z += self.bias
            finish(z)
        return z

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int]:
        """Return the weights, and the positions of the output."""
        return self.weight.size, math.prod(made[2:])

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the transposed convolution of g, of the input's shape."""
        (x,) = xs
        xp = namespace(g, self.weight)
        return (kernels.convolve_adjoint(g, self.weight, _geometry(self), x.shape[2:], xp),)

    def edited(self, weights: Edit, bias: Edit) -> Conv:
        """Return the layer with edited weight and bias."""
        return replace(self, weight=weights(self.weight), bias=None if self.bias is None else bias(self.bias))

    def bias_map(self, z: Array) -> Array | None:
        """Return the bias as (out, 1, ...) or (out, *size)."""
        return None if self.bias is None else _spatial_bias(self.bias, z)


@dataclass(frozen=True, eq=False, repr=False)
class ConvTranspose(Linear):
    """Transposed convolution in 1, 2 or 3 dimensions: the adjoint of :class:`Conv`, plus a bias.

    Formula: z[n, o, q] = Σ_{c,k,p: q = p·stride + k·dilation − padding} x[n, c, p] w[c, o, k] + b[o];
    output size = (size − 1) stride + dilation (kernel − 1) + 1 − padding + output_padding.

    Args:
        weight: (in, out/groups, *kernel).
        bias: (out,) or (out, *output size), or None.
        stride, dilation, groups: as in :class:`Conv`.
        padding: what is cropped from the output: an integer, one per axis, or (before, after) per axis.
        output_padding: positions added at the end of each axis.

    Example:
        >>> import numpy as np
        >>> ConvTranspose(np.ones((1, 1, 2)), stride=2).forward(np.array([[[1.0, 2.0]]]))
        array([[[1., 1., 2., 2.]]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True)

    weight: Array
    bias: Array | None = None
    stride: Any = 1
    padding: Any = 0
    output_padding: Any = 0
    dilation: Any = 1
    groups: int = 1

    def __post_init__(self) -> None:
        _check(self, transposed=True)
        axes = self.weight.ndim - 2
        extra = per_axis(self.output_padding, axes, "ConvTranspose: output_padding")
        if any(e < 0 for e in extra):
            raise ParameterError(f"ConvTranspose: output_padding must not be negative, got {extra}")
        object.__setattr__(self, "output_padding", extra)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, out, *output size) for an input (N, in, *size)."""
        (x,) = xs
        _check_input(self, x, self.weight.shape[0])
        xp = namespace(x, self.weight)
        # The adjoint kernel wants the geometry of the matching convolution: its input is this layer's output.
        full = tuple(
            (n - 1) * s + d * (k - 1) + 1 + extra
            for n, s, d, k, extra in zip(
                x.shape[2:], self.stride, self.dilation, self.weight.shape[2:], self.output_padding, strict=True
            )
        )
        spatial = tuple(n - a - b for n, (a, b) in zip(full, self.padding, strict=True))
        least = 0 if 0 in x.shape[2:] else 1
        if min(spatial) < least:
            raise ShapeError(f"ConvTranspose: padding {self.padding} crops the whole output of size {full}")
        z = kernels.convolve_adjoint(x, self.weight, _geometry(self), spatial, xp)
        return z if self.bias is None else z + _spatial_bias(self.bias, z)

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int]:
        """Return the weights, and the positions of the input."""
        return self.weight.size, math.prod(read[2:])

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the convolution of g, of the input's shape."""
        (x,) = xs
        pulled = kernels.convolve(g, self.weight, _geometry(self), namespace(g, self.weight))
        inner = tuple(slice(0, n) for n in x.shape[2:])
        return (pulled[(slice(None), slice(None), *inner)],)

    def edited(self, weights: Edit, bias: Edit) -> ConvTranspose:
        """Return the layer with edited weight and bias."""
        return replace(self, weight=weights(self.weight), bias=None if self.bias is None else bias(self.bias))

    def bias_map(self, z: Array) -> Array | None:
        """Return the bias as (out, 1, ...) or (out, *size)."""
        return None if self.bias is None else _spatial_bias(self.bias, z)
