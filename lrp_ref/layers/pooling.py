"""Pooling: windows over the spatial axes (2 and up)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, Namespace, namespace, no_minus, only, sample_sum, write_only
from ..errors import ParameterError, ShapeError
from ..fast import blocks, buffers, threads, windows
from ..fast.own import kernels
from ..rules.edits import Edit
from ..rules.rescale import Rescale
from ..rules.rule import AnyRule, Redistribution, Seen
from . import winners
from .base import Layer, Unweighted, same_shape
from .conv import pairs, per_axis
from .promises import Promises


@dataclass(frozen=True)
class Geometry:
    """Windows of one pooling call: everything per spatial axis."""

    stride: tuple[int, ...]
    pads: windows.Pads
    dilation: tuple[int, ...]
    kernel: tuple[int, ...]
    reach: tuple[int, ...]  # positions from the first to the last of a window
    out: tuple[int, ...]
    overhang: tuple[int, ...]  # positions beyond the padding that a last window of ceil mode reaches

    @classmethod
    def of(cls, layer: SumPool | MaxPool, x: Array) -> Geometry:
        """Return the windows of a pool over an input (N, C, *spatial).

        Raises:
            ShapeError: x has no spatial axis, or is smaller than the kernel.
            ParameterError: a size is less than 1, or the padding is negative or not smaller than a window.
        """
        name, axes = type(layer).__name__, x.ndim - 2
        if axes < 1:
            raise ShapeError(f"{name}: input of shape {x.shape} has no spatial axis; expected (N, C, size, ...)")
        kernel = per_axis(layer.kernel, axes, f"{name}: kernel")
        stride = kernel if layer.stride is None else per_axis(layer.stride, axes, f"{name}: stride")
        dilation = per_axis(layer.dilation, axes, f"{name}: dilation")
        pads = pairs(layer.padding, axes, f"{name}: padding")
        if min(*kernel, *stride, *dilation) < 1:
            raise ParameterError(f"{name}: kernel {kernel}, stride {stride}, dilation {dilation} must be at least 1")
        reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
        if any(min(p) < 0 or max(p) >= r for p, r in zip(pads, reach, strict=True)):
            raise ParameterError(
                f"{name}: padding {pads} must not be negative and must be smaller than a window, {reach} positions"
            )
        sizes = list(zip(x.shape[2:], pads, reach, stride, strict=True))
        out = tuple(windows.output_size(n, r, s, p, 1, layer.ceil_mode) for n, p, r, s in sizes)
        if 0 in out and 0 not in x.shape[2:]:
            raise ShapeError(
                f"{name}: input of shape {x.shape} with padding {pads} is smaller than the kernel {kernel}"
            )
        ends = (s * (o - 1) + r for o, (_, _, r, s) in zip(out, sizes, strict=True))
        overhang = tuple(max(0, end - n - sum(p)) for end, (n, p, _, _) in zip(ends, sizes, strict=True))
        return cls(stride, pads, dilation, kernel, reach, out, overhang)

    @property
    def apart(self) -> bool:
        """Whether no position lies in two windows."""
        return all(s >= r for s, r in zip(self.stride, self.reach, strict=True))

    @property
    def around(self) -> windows.Pads:
        """Padding and overhang together."""
        return tuple((a, b + o) for (a, b), o in zip(self.pads, self.overhang, strict=True))

    def pad(self, x: Array, value: object, xp: Namespace) -> Array:
        """Return x with its padding and overhang filled by ``value``."""
        return windows.pad_spatial(x, self.around, value, xp)

    def blank(self, x: Array, xp: Namespace) -> Array:
        """Return zeros of the padded shape of ``x``."""
        sizes = (n + a + b for n, (a, b) in zip(x.shape[2:], self.around, strict=True))
        return buffers.zeros((*x.shape[:2], *sizes), x.dtype, xp)

    def views(self, padded: Array) -> list[Array]:
        """Return one view per kernel tap, row-major, each of the output's shape."""
        return [padded[(slice(None), slice(None), *tap)] for tap in self.taps()]

    def taps(self) -> list[tuple[slice, ...]]:
        """Return the slices of the padded input that each tap meets."""
        return list(windows.windows(self.kernel, self.stride, self.dilation, self.out))

    def greatest(self, padded: Array, out: Array, xp: Namespace) -> None:
        """Write the maxima of all windows into ``out``: along one axis after the other, which gives the same."""
        last = len(self.kernel) - 1
        for axis, size in enumerate(self.kernel):
            taps = windows.windows((size,), (self.stride[axis],), (self.dilation[axis],), (self.out[axis],))
            first, *others = [padded[(slice(None),) * (2 + axis) + tap] for tap in taps]
            padded = out if axis == last else buffers.empty(first.shape, out.dtype, xp)
            if not others:
                padded[...] = first
            for k, view in enumerate(others):
                xp.maximum(padded if k else first, view, out=padded)

    def covers(self, padded: Array) -> bool:
        """Whether every position lies in exactly one window (windows with gaps do not lie side by side)."""
        whole = all(s * o == n for s, o, n in zip(self.stride, self.out, padded.shape[2:], strict=True))
        return whole and self.stride == self.kernel

    def crop(self, padded: Array) -> Array:
        """Return the part of a padded array that is the input."""
        inner = (slice(a, n - b) for n, (a, b) in zip(padded.shape[2:], self.around, strict=True))
        return padded[(slice(None), slice(None), *inner)]


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
        """Return the weight of every output position, as a scalar or an array (1, 1, *out)."""
        return scalar(self.factor, x)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.factor >= 0 and all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, C, *out)."""
        (x,) = xs
        xp, geometry = namespace(x), Geometry.of(self, x)
        own = kernels(xp)
        if own is not None and (sums := own.sum_windows(x, geometry)) is not None:
            return sums * self.weights(x, geometry)
        total = xp.zeros((*x.shape[:2], *geometry.out), dtype=x.dtype)
        for view in geometry.views(geometry.pad(x, 0, xp)):
            total += view
        return total * self.weights(x, geometry)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g spread back over the windows."""
        (x,) = xs
        xp, geometry = namespace(x, g), Geometry.of(self, x)
        scaled, own = g * self.weights(x, geometry), kernels(xp)
        if own is not None and (spread := own.spread_windows(scaled, geometry, x.shape[2:])) is not None:
            return (spread,)
        padded = geometry.blank(x, xp)
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
        """Return factor/n_p for every output position (1, 1, *out)."""
        xp = namespace(x)
        inside = xp.ones((1, 1, *x.shape[2:]), dtype=int)
        if self.count_include_pad:
            inside = windows.pad_spatial(inside, geometry.pads, 1, xp)
            inside = windows.pad_spatial(inside, tuple((0, o) for o in geometry.overhang), 0, xp)
        else:
            inside = geometry.pad(inside, 0, xp)
        # A window that lies in the padding altogether has n = 0 and the value 0.
        count = xp.maximum(sum(geometry.views(inside)), 1).astype(x.dtype)
        weights = scalar(self.factor, x) / count
        return weights if self.weight_edit is None else self.weight_edit(weights)

    def edited(self, weights: Edit, bias: Edit) -> AveragePool:
        """Return an average pool whose weights 1/n_p are edited."""
        return replace(self, weight_edit=weights)


def _maps(first: Array, *others: Array, xp: Namespace) -> Iterator[list[Array]]:
    """Yield views (1, maps, ...) of arrays (N, C, ...), as many maps at a time as several passes find in the cache."""
    maps = [a.reshape(1, math.prod(a.shape[:2]), *a.shape[2:]) for a in (first, *others)]
    for some in blocks.blocks(maps[0].shape[1], math.prod(first.shape[2:]) * first.dtype.itemsize, xp):
        yield [a[:, some] for a in maps]


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
    promises: ClassVar[Promises] = Promises(tells_sign=True)

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

    def vanishes(self, above: bool) -> bool:
        return above

    def compared(self, x: Array, beyond: object) -> Array:
        """Return one array (N, C, *out) per position of a window."""
        xp, geometry = namespace(x), Geometry.of(self, x)
        return xp.stack(geometry.views(geometry.pad(x, beyond, xp)))

    def forward(self, *xs: Array) -> Array:
        """Return z (N, C, *out)."""
        (x,) = xs
        xp, geometry = namespace(x), Geometry.of(self, x)
        own = kernels(xp)
        if own is not None and (best := own.greatest(x, geometry)) is not None:
            return best
        padded = geometry.pad(x, -math.inf, xp)
        if x.dtype == object:
            return reduce(xp.maximum, geometry.views(padded))
        z = buffers.empty((*x.shape[:2], *geometry.out), x.dtype, xp)

        def work(parts: Iterator[list[Array]]) -> None:
            for inside, here in parts:
                geometry.greatest(inside, here, xp)

        threads.each(_maps(padded, z, xp=xp), work)
        return z

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g at the winners (shared among ties where ``ties`` says so)."""
        return (self._hand_back(xs[0], self.forward(*xs), g),)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return those of the winners of samples and reference."""
        return winners.multipliers(self, here, there, gs[0], rule)

    def _hand_back(self, x: Array, z: Array, g: Array) -> Array:
        xp, geometry = namespace(x, g), Geometry.of(self, x)
        own = kernels(xp) if self.ties == "first" else None
        if own is not None and (given := own.hand_back(x, g, geometry)) is not None:
            return given
        padded, taps = geometry.pad(x, -math.inf, xp), geometry.taps()
        received = buffers.empty(padded.shape, g.dtype, xp)
        won = self._shared if self.ties == "share" else self._first

        def work(parts: Iterator[list[Array]]) -> None:
            for inside, best, relevance, here in parts:
                if not geometry.covers(inside):
                    here[...] = scalar(0, g)
                masks, part = won(geometry.views(inside), best, relevance, xp)
                for tap, mask in zip(taps, masks, strict=True):
                    view = here[(slice(None), slice(None), *tap)]
                    if geometry.apart:
                        write_only(view, part, mask)
                    else:
                        view += only(part, mask)
                if geometry.apart:
                    no_minus(here)

        threads.each(_maps(padded, z, g, received, xp=xp), work)
        return geometry.crop(received)

    def _first(self, views: list[Array], best: Array, g: Array, xp: Namespace) -> tuple[Iterator[Array], Array]:
        """Return the winner of each tap, and what it gets: the first takes all, a tie that follows finds it taken."""

        def masks() -> Iterator[Array]:
            unclaimed = xp.ones(best.shape, dtype=bool)
            for view in views:
                won = xp.logical_and(view == best, unclaimed)
                unclaimed = unclaimed != won
                yield won

        return masks(), g

    def _shared(self, views: list[Array], best: Array, g: Array, xp: Namespace) -> tuple[Iterator[Array], Array]:
        winners = sum(xp.where(view == best, scalar(1, g), scalar(0, g)) for view in views)
        return (view == best for view in views), g / winners.astype(g.dtype)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (x,), (relevance,) = xs, relevances
        z = self.forward(x) if z is None else z
        same_shape(self, relevance, z)
        if not any(map(any, Geometry.of(self, x).pads)):
            return Redistribution.routed((self._hand_back(x, z, relevance),), relevance)
        # A window whose taps all lie in the padding has no winner: its maximum is −∞, its relevance is dropped.
        no_winner = namespace(relevance).where(z == -math.inf, relevance, scalar(0, relevance))
        return Redistribution.routed((self._hand_back(x, z, relevance),), relevance, dropped=sample_sum(no_winner))
