"""Pooling: windows over the spatial axes (2 and up)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .. import kernels
from ..arithmetic import scalar
from ..arrays import Array, Namespace, namespace, sample_sum
from ..edits import Edit
from ..errors import ParameterError, ShapeError
from ..rule import Redistribution
from .base import Layer, Unweighted, same_shape
from .conv import pairs, per_axis


@dataclass(frozen=True)
class Geometry:
    """Window positions of one pooling call: everything per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: kernels.Pads
    dilation: tuple[int, ...]
    out: tuple[int, ...]
    overhang: tuple[int, ...]  # positions beyond the padding that a last window of ceil mode reaches

    def pad(self, x: Array, value: object, xp: Namespace) -> Array:
        """Return x with its padding and overhang filled by ``value``."""
        return kernels.pad_spatial(
            x, tuple((a, b + o) for (a, b), o in zip(self.pads, self.overhang, strict=True)), value, xp
        )

    def blank(self, x: Array, xp: Namespace) -> Array:
        """Return zeros of the padded shape of ``x``."""
        size = zip(x.shape[2:], self.pads, self.overhang, strict=True)
        return xp.zeros((*x.shape[:2], *(n + a + b + o for n, (a, b), o in size)), dtype=x.dtype)

    def views(self, padded: Array) -> list[Array]:
        """Return one view per kernel tap, row-major, each of the output's shape."""
        return [padded[(slice(None), slice(None), *tap)] for tap in self.taps()]

    def taps(self) -> list[tuple[slice, ...]]:
        """Return the slices of the padded input that each tap meets."""
        return list(kernels.windows(self.kernel, self.stride, self.dilation, self.out))

    def crop(self, padded: Array) -> Array:
        """Return the part of a padded array that is the input."""
        inner = tuple(
            slice(a, n - b - o) for n, (a, b), o in zip(padded.shape[2:], self.pads, self.overhang, strict=True)
        )
        return padded[(slice(None), slice(None), *inner)]


def _geometry(layer: Any, x: Array) -> Geometry:
    name, axes = type(layer).__name__, x.ndim - 2
    if axes < 1:
        raise ShapeError(f"{name}: input of shape {x.shape} has no spatial axis; expected (N, C, size, ...)")
    kernel = per_axis(layer.kernel, axes, f"{name}: kernel")
    stride = kernel if layer.stride is None else per_axis(layer.stride, axes, f"{name}: stride")
    dilation = per_axis(layer.dilation, axes, f"{name}: dilation")
    pads = pairs(layer.padding, axes, f"{name}: padding")
    if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1:
        raise ParameterError(f"{name}: kernel {kernel}, stride {stride}, dilation {dilation} must be at least 1")
    if any(max(p) >= d * (k - 1) + 1 for p, k, d in zip(pads, kernel, dilation, strict=True) if max(p) > 0):
        raise ParameterError(f"{name}: padding {pads} must be smaller than the kernel {kernel}")
    out = tuple(
        kernels.output_size(n, k, s, p, d, layer.ceil_mode)
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, pads, dilation, strict=True)
    )
    if 0 in out and 0 not in x.shape[2:]:
        raise ShapeError(f"{name}: input of shape {x.shape} with padding {pads} is smaller than the kernel {kernel}")
    overhang = tuple(
        max(0, (o - 1) * s + d * (k - 1) + 1 - n - sum(p))
        for o, s, d, k, n, p in zip(out, stride, dilation, kernel, x.shape[2:], pads, strict=True)
    )
    return Geometry(kernel, stride, pads, dilation, out, overhang)


@dataclass(frozen=True, eq=False, repr=False)
class SumPool(Unweighted):
    """Sum over windows.

    Formula: z_p = factor · Σ_{i in window p} a_i.

    Args:
        kernel, stride, padding, dilation: an integer or one per axis; stride None is the kernel; padding also pairs.
        ceil_mode: whether a last, incomplete window counts.
        factor: the common weight, a number (the LRP toolbox's sum pool has 1/sqrt(window size)).

    Example:
        >>> import numpy as np
        >>> SumPool(2).forward(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
        array([[[3., 7.]]])
    """

    kernel: Any
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil_mode: bool = False
    factor: Any = 1

    def weights(self, x: Array, geometry: Geometry) -> Any:
        """Return the weight of every output position, as a scalar or an array (*out)."""
        return scalar(self.factor, x)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.factor >= 0 and all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, C, *out)."""
        (x,) = xs
        xp, geometry = namespace(x), _geometry(self, x)
        total = xp.zeros((*x.shape[:2], *geometry.out), dtype=x.dtype)
        for view in geometry.views(geometry.pad(x, 0, xp)):
            total += view
        return total * self.weights(x, geometry)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g spread back over the windows."""
        (x,) = xs
        xp, geometry = namespace(x, g), _geometry(self, x)
        padded = geometry.blank(x, xp)
        scaled = g * self.weights(x, geometry)
        for tap in geometry.taps():
            padded[(slice(None), slice(None), *tap)] += scaled
        return (geometry.crop(padded),)

    def edited(self, weights: Edit, bias: Edit) -> SumPool:
        """Return a sum pool with the edited factor."""
        return replace(self, factor=weights.number(self.factor))


@dataclass(frozen=True, eq=False, repr=False)
class AveragePool(SumPool):
    """Mean over windows.

    Formula: z_p = (1/n_p) Σ_{i in window p} a_i with n_p = positions of the window; padding counts in n_p when
    ``count_include_pad``, the overhang of ceil mode never does.

    Args:
        count_include_pad: as in PyTorch (True by default there and here; ONNX's default is False).
        weight_edit: how a rule edited the weights 1/n_p; leave it alone.

    Example:
        >>> import numpy as np
        >>> AveragePool(2, padding=1, count_include_pad=False).forward(np.array([[[2.0, 4.0]]]))
        array([[[2., 4.]]])
    """

    count_include_pad: bool = True
    weight_edit: Any = None

    def weights(self, x: Array, geometry: Geometry) -> Any:
        """Return factor/n_p for every output position (*out)."""
        xp = namespace(x)
        ones = xp.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
        if x.dtype == object:
            ones = ones * scalar(1, x)
        if self.count_include_pad:
            inside = kernels.pad_spatial(ones, geometry.pads, scalar(1, x), xp)
            tail = tuple((0, o) for o in geometry.overhang)
            counted = kernels.pad_spatial(inside, tail, 0, xp)
        else:
            counted = geometry.pad(ones, 0, xp)
        count = sum(geometry.views(counted))
        # A window that lies in the padding altogether has n = 0 and the value 0.
        weights = scalar(self.factor, x) / xp.maximum(count, scalar(1, x))
        return (weights if self.weight_edit is None else self.weight_edit(weights))[0, 0]

    def edited(self, weights: Edit, bias: Edit) -> AveragePool:
        """Return an average pool whose weights 1/n_p are edited."""
        return replace(self, weight_edit=weights)


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool(Layer):
    """Maximum over windows; the winner takes all the relevance, padding never wins.

    Formula: z_p = max_{i in window p} a_i; R_i = Σ_p R_p [i wins p].

    Args:
        kernel, stride, padding, dilation, ceil_mode: as in :class:`SumPool`.
        ties: "first" (row-major, as PyTorch) or "share" (equal parts, as the LRP toolbox).

    Source: Bach et al. 2015 (max pooling as a winner-takes-all mapping).

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0, 3.0, 3.0]]])
        >>> MaxPool(3, ties="share").relevance_backward(x, np.array([[[1.0]]]))
        array([[[0. , 0.5, 0.5]]])
    """

    own_rule: ClassVar[str | None] = "the winner takes all"

    kernel: Any
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil_mode: bool = False
    ties: str = "first"

    def __post_init__(self) -> None:
        if self.ties not in ("first", "share"):
            raise ParameterError(f"MaxPool: ties must be 'first' or 'share', got {self.ties!r}")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, C, *out)."""
        xp, geometry = namespace(*xs), _geometry(self, xs[0])
        views = geometry.views(geometry.pad(xs[0], -math.inf, xp))
        best = views[0]
        for view in views[1:]:
            best = xp.maximum(best, view)
        return best

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g at the winners (shared among ties where ``ties`` says so)."""
        (x,) = xs
        xp, geometry = namespace(x, g), _geometry(self, x)
        views = geometry.views(geometry.pad(x, -math.inf, xp))
        best = views[0]
        for view in views[1:]:
            best = xp.maximum(best, view)
        received = geometry.blank(x, xp)
        zero = scalar(0, g)
        if self.ties == "share":
            winners = sum(xp.where(view == best, scalar(1, g), zero) for view in views)
            g = g / winners.astype(g.dtype)
            for tap, view in zip(geometry.taps(), views, strict=True):
                received[(slice(None), slice(None), *tap)] += xp.where(view == best, g, zero)
            return (geometry.crop(received),)
        apart = all(
            s >= d * (k - 1) + 1 for s, k, d in zip(geometry.stride, geometry.kernel, geometry.dilation, strict=True)
        )
        unclaimed = xp.ones(best.shape, dtype=bool)
        for tap, view in zip(geometry.taps(), views, strict=True):
            won = xp.logical_and(view == best, unclaimed)
            unclaimed = unclaimed != won  # the first winner takes it all, a tie that follows finds it claimed
            if apart:
                received[(slice(None), slice(None), *tap)] = xp.where(won, g, zero)
            else:
                received[(slice(None), slice(None), *tap)] += xp.where(won, g, zero)
        return (geometry.crop(received),)

    def _redistribute(self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: Any, z: Any) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        (relevance,), z = relevances, self.forward(*xs) if z is None else z
        same_shape(self, relevance, z)
        if not any(map(any, _geometry(self, xs[0]).pads)):
            return Redistribution.routed(self.pull(xs, relevance), relevance)
        # A window whose taps all lie in the padding has no winner: its maximum is −∞, its relevance is dropped.
        no_winner = namespace(relevance).where(z == -math.inf, relevance, scalar(0, relevance))
        return Redistribution.routed(self.pull(xs, relevance), relevance, dropped=sample_sum(no_winner))
