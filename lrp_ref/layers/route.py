"""Layers that only move values: reshape, transpose, slice, pad, upsample, split, gather.

The batch axis stays first and is never touched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..base.arrays import Array, Namespace, channelwise, namespace, sample_sum, to_numpy
from ..errors import BackendError, ParameterError, ShapeError
from .base import Route
from .promises import Promises


def _axis(layer: Any, axis: int, ndim: int) -> int:
    """Return a non-negative axis, and refuse the batch."""
    if not -ndim < axis < ndim or axis == 0:
        raise ShapeError(f"{type(layer).__name__}: axis {axis} of {ndim} axes is the batch, or does not exist")
    return axis % ndim


class _Reshaping(Route):
    """A route that keeps the order of values: its transpose is the reshape back."""

    promises = Promises(stays_finite=True, cheap=True, tells_sign=True)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g in the input's shape."""
        (x,) = xs
        return (g.reshape(x.shape),)


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(_Reshaping):
    """Join all axes from ``start`` on, in C order; where there are none, add one of size 1.

    Example:
        >>> import numpy as np
        >>> Flatten().forward(np.zeros((2, 3, 4, 5))).shape
        (2, 60)
    """

    start: int = 1

    def forward(self, *xs: Array) -> Array:
        """Return (N, ..., product)."""
        (x,) = xs
        start = _axis(self, self.start, x.ndim) if x.ndim > self.start else self.start
        return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))


@dataclass(frozen=True, eq=False, repr=False)
class Reshape(_Reshaping):
    """Give each sample another shape.

    Args:
        shape: of a sample, without the batch; one entry may be −1.
    """

    shape: tuple[int, ...] = (-1,)

    def forward(self, *xs: Array) -> Array:
        """Return (N, *shape)."""
        (x,) = xs
        size = math.prod(x.shape[1:])
        known = math.prod(s for s in self.shape if s >= 0)
        fits = known and not size % known if -1 in self.shape else known == size
        if not fits or self.shape.count(-1) > 1 or any(s < -1 for s in self.shape):
            raise ShapeError(f"Reshape: a sample of shape {x.shape[1:]} does not fit into {self.shape}")
        return x.reshape(x.shape[0], *(s if s >= 0 else size // known for s in self.shape))


@dataclass(frozen=True, eq=False, repr=False)
class Squeeze(_Reshaping):
    """Remove axes of size 1."""

    axes: tuple[int, ...] = ()

    def forward(self, *xs: Array) -> Array:
        """Return x without ``axes``."""
        (x,) = xs
        axes = {_axis(self, a, x.ndim) for a in self.axes}
        if any(x.shape[a] != 1 for a in axes):
            raise ShapeError(f"Squeeze: axes {self.axes} of shape {x.shape} are not all of size 1")
        return x.reshape(tuple(n for k, n in enumerate(x.shape) if k not in axes))


@dataclass(frozen=True, eq=False, repr=False)
class Unsqueeze(_Reshaping):
    """Insert axes of size 1 at the given places of the output."""

    axes: tuple[int, ...] = ()

    def forward(self, *xs: Array) -> Array:
        """Return x with new axes."""
        (x,) = xs
        ndim = x.ndim + len(self.axes)
        axes = {_axis(self, a, ndim) for a in self.axes}
        sizes = iter(x.shape)
        return x.reshape(tuple(1 if k in axes else next(sizes) for k in range(ndim)))


@dataclass(frozen=True, eq=False, repr=False)
class Transpose(Route):
    """Permute the axes; ``axes[0]`` must be 0.

    Example:
        >>> import numpy as np
        >>> Transpose((0, 3, 1, 2)).forward(np.zeros((1, 5, 6, 3))).shape
        (1, 3, 5, 6)
    """

    axes: tuple[int, ...] = (0, 2, 1)

    def __post_init__(self) -> None:
        if [*self.axes[:1], *sorted(self.axes[1:])] != [0, *range(1, len(self.axes))]:
            raise ParameterError(f"Transpose: axes {self.axes} must be a permutation that keeps the batch first")

    def forward(self, *xs: Array) -> Array:
        """Return the permuted array."""
        (x,) = xs
        if x.ndim != len(self.axes):
            raise ShapeError(
                f"Transpose: input of shape {x.shape} does not have the {len(self.axes)} axes of {self.axes}"
            )
        return x.transpose(self.axes)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g permuted back."""
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (g.transpose(tuple(back)),)

    @property
    def keeps_channels(self) -> bool:
        """True: what was told of channels holds for them where they are put first."""
        return True


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Route):
    """Take start:stop:step along some axes, as Python slices do.

    Args:
        axes: which axes, never the batch.
        starts, stops, steps: one entry per axis; None in stops runs to the end; steps may be negative.
    """

    axes: tuple[int, ...] = ()
    starts: tuple[int | None, ...] = ()
    stops: tuple[int | None, ...] = ()
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.axes) == len(self.starts) == len(self.stops) == len(self.steps or self.axes):
            raise ParameterError(f"Slice: give one start, stop and step for each axis, got {self!r}")
        if 0 in self.steps:
            raise ParameterError("Slice: steps must not be 0")

    def _index(self, ndim: int) -> tuple[slice, ...]:
        index = [slice(None)] * ndim
        steps = self.steps or (1,) * len(self.axes)
        for axis, start, stop, step in zip(self.axes, self.starts, self.stops, steps, strict=True):
            index[_axis(self, axis, ndim)] = slice(start, stop, step)
        return tuple(index)

    def forward(self, *xs: Array) -> Array:
        """Return the slice."""
        (x,) = xs
        return x[self._index(x.ndim)]

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return zeros of the input's shape with g at the slice."""
        (x,) = xs
        received = namespace(g).zeros(x.shape, dtype=g.dtype)
        received[self._index(x.ndim)] = g
        return (received,)


@dataclass(frozen=True, eq=False, repr=False)
class Split(Route):
    """Cut one axis into consecutive parts: several outputs.

    Args:
        sizes: length of every part.
        axis: which axis is cut.
    """

    sizes: tuple[int, ...] = ()
    axis: int = 1

    def forward(self, *xs: Array) -> tuple[Array, ...]:
        """Return the parts."""
        (x,) = xs
        axis, start, parts = _axis(self, self.axis, x.ndim), 0, []
        if sum(self.sizes) != x.shape[axis] or any(size < 0 for size in self.sizes):
            raise ShapeError(f"Split: sizes {self.sizes} do not add up to axis {axis} of shape {x.shape}")
        for size in self.sizes:
            parts.append(x[(slice(None),) * axis + (slice(start, start + size),)])
            start += size
        return tuple(parts)

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the parts joined again."""
        (x,) = xs
        parts = g if isinstance(g, tuple) else (g,)
        return (namespace(*parts).concatenate(parts, axis=_axis(self, self.axis, x.ndim)),)


@dataclass(frozen=True, eq=False, repr=False)
class Gather(Route):
    """Take positions along an axis: y[..., k, ...] = x[..., indices[k], ...].

    Args:
        indices: a tuple of positions (they may repeat), or one integer, which removes the axis.
        axis: which axis, never the batch.
    """

    indices: Any = ()
    axis: int = 1

    def _positions(self, x: Array) -> tuple[int, tuple[int, ...]]:
        axis = _axis(self, self.axis, x.ndim)
        positions = (self.indices,) if isinstance(self.indices, int) else tuple(self.indices)
        size = x.shape[axis]
        if any(not -size <= p < size for p in positions):
            raise ShapeError(f"Gather: indices {self.indices} do not fit axis {axis} of shape {x.shape}")
        return axis, tuple(p % size for p in positions)

    def forward(self, *xs: Array) -> Array:
        """Return the taken positions."""
        (x,) = xs
        xp, (axis, positions) = namespace(x), self._positions(x)
        if isinstance(self.indices, int):
            return x[(slice(None),) * axis + positions]
        return xp.take(x, xp.asarray(positions, dtype=int), axis=axis)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g added up where its values came from."""
        (x,) = xs
        axis, positions = self._positions(x)
        xp = namespace(g)
        if not isinstance(self.indices, int) and len(set(positions)) == len(positions):
            places = dict(zip(positions, range(len(positions)), strict=True))
            nowhere = xp.zeros((*g.shape[:axis], 1, *g.shape[axis + 1 :]), dtype=g.dtype)
            back = [places.get(p, len(positions)) for p in range(x.shape[axis])]
            return (xp.take(xp.concatenate((g, nowhere), axis=axis), xp.asarray(back, dtype=int), axis=axis),)
        received = xp.zeros(x.shape, dtype=g.dtype)
        lead = (slice(None),) * axis
        for k, position in enumerate(positions):
            received[(*lead, position)] += g if isinstance(self.indices, int) else g[(*lead, k)]
        return (received,)


@dataclass(frozen=True, eq=False, repr=False)
class Pad(Route):
    """Padding around any axis but the batch; negative amounts crop.

    Relevance of constant padding has no source and is dropped; relevance of reflected and edge padding returns to
    the value that was copied.

    Args:
        amounts: (before, after) for every axis after the batch, channels first.
        mode: "constant", "reflect" (the border is not repeated) or "edge".
        value: of constant padding: a number, or one per channel (C,).

    Example:
        >>> import numpy as np
        >>> Pad(((0, 0), (1, 1)), mode="reflect").forward(np.array([[[1.0, 2.0, 3.0]]]))
        array([[[2., 1., 2., 3., 2.]]])
    """

    amounts: tuple[tuple[int, int], ...] = ()
    mode: str = "constant"
    value: Any = 0

    def __post_init__(self) -> None:
        if self.mode not in ("constant", "reflect", "edge"):
            raise ParameterError(f"Pad: mode must be constant, reflect or edge, got {self.mode!r}")

    def _sources(self, x: Array, axis: int) -> list[int]:
        """Input position of every output position along ``axis``, in the modes that copy values."""
        last, (before, after) = x.shape[axis] - 1, self.amounts[axis - 1]
        if last < (0 if self.mode == "edge" else max(before, after)):
            raise ShapeError(
                f"Pad: mode {self.mode} by {(before, after)} needs more than the {last + 1} values of axis {axis}"
            )
        places = range(-before, x.shape[axis] + after)
        if self.mode == "edge":
            return [min(max(k, 0), last) for k in places]
        return [last - abs(last - abs(k)) for k in places]

    @property
    def keeps_channels(self) -> bool:
        """True unless there are channels more, or less."""
        return not any(self.amounts[0])

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and (self.mode != "constant" or (isinstance(self.value, int | float) and self.value >= 0))

    def forward(self, *xs: Array) -> Array:
        """Return the padded array."""
        (x,) = xs
        xp, shape = namespace(x), self._shape(x)
        if self.mode != "constant":
            for axis in range(1, x.ndim):
                if any(self.amounts[axis - 1]):
                    x = xp.take(x, xp.asarray(self._sources(x, axis), dtype=int), axis=axis)
            return x
        if x.dtype.kind in "iub":
            self._require_whole(x)
        padded = xp.zeros(shape, dtype=x.dtype)
        padded[...] = channelwise(self.value, x)
        inner, source = self._inner(x)
        padded[inner] = x[source]
        return padded

    def _shape(self, x: Array) -> tuple[int, ...]:
        """Shape of the output, once the amounts fit the input."""
        if len(self.amounts) != x.ndim - 1:
            raise ShapeError(f"Pad: {len(self.amounts)} pairs for an input of shape {x.shape}; give {x.ndim - 1}")
        axes = list(zip(x.shape[1:], self.amounts, strict=True))
        if any(n + min(a, 0) + min(b, 0) < 0 for n, (a, b) in axes):
            raise ShapeError(f"Pad: amounts {self.amounts} crop more than an input of shape {x.shape} has")
        return (x.shape[0], *(n + a + b for n, (a, b) in axes))

    def _require_whole(self, x: Array) -> None:
        """Raise unless an array of integers can hold the border."""
        bits = {"b": 1, "u": 8 * x.dtype.itemsize, "i": 8 * x.dtype.itemsize - 1}[x.dtype.kind]
        low, high = (-(1 << bits) if x.dtype.kind == "i" else 0), (1 << bits) - 1
        values = to_numpy(self.value).reshape(-1).tolist() if hasattr(self.value, "dtype") else [self.value]
        wrong = [v for v in values if v % 1 or not low <= v <= high]
        if wrong:
            raise BackendError(f"Pad: the input is {x.dtype}, the border is {wrong[0]}, which is none of its numbers")

    def _inner(self, x: Array) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Slices of the padded array and of the input that hold the same values (a slice ends at its array's end)."""
        inner, source = [slice(None)], [slice(None)]
        for n, (a, b) in zip(x.shape[1:], self.amounts, strict=True):
            inner.append(slice(max(a, 0), n + a))
            source.append(slice(max(-a, 0), n + b))
        return tuple(inner), tuple(source)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g where its values came from."""
        (x,) = xs
        xp = namespace(g)
        if self.mode == "constant":
            inner, source = self._inner(x)
            received = xp.zeros(x.shape, dtype=g.dtype)
            received[source] = g[inner]
            return (received,)
        for axis in reversed(range(1, x.ndim)):
            if any(self.amounts[axis - 1]):
                g = self._fold(x, g, axis, xp)
        return (g,)

    def _fold(self, x: Array, g: Array, axis: int, xp: Namespace) -> Array:
        """Add the copies along one axis back to their sources: the middle in one piece, the borders by position."""
        lead = (slice(None),) * axis
        inner, source = (slices[axis] for slices in self._inner(x))
        folded = xp.zeros((*g.shape[:axis], x.shape[axis], *g.shape[axis + 1 :]), dtype=g.dtype)
        folded[(*lead, source)] = g[(*lead, inner)]
        sources = self._sources(x, axis)
        for k in (*range(inner.start), *range(inner.stop, len(sources))):
            folded[(*lead, sources[k])] += g[(*lead, k)]
        return folded

    def lost(self, relevances: tuple[Array, ...]) -> Array | None:
        """Return the relevance of constant padding."""
        if self.mode != "constant":
            return None
        (relevance,) = relevances
        whole = sample_sum(relevance)
        index: list[slice] = [slice(None)]
        for n, (a, b) in zip(relevance.shape[1:], self.amounts, strict=True):
            index.append(slice(max(a, 0), n - b))  # (ends at the array's end where b < 0)
        return whole - sample_sum(relevance[tuple(index)])


@dataclass(frozen=True, eq=False, repr=False)
class Upsample(Route):
    """Nearest-neighbour upsampling by an integer factor: every value is repeated.

    Args:
        factors: one integer per spatial axis.

    Example:
        >>> import numpy as np
        >>> Upsample((2,)).forward(np.array([[[1.0, 2.0]]]))
        array([[[1., 1., 2., 2.]]])
    """

    factors: tuple[int, ...] = ()

    @property
    def keeps_channels(self) -> bool:
        """True."""
        return True

    def _split(self, x: Array) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Shape with a repeat axis after every spatial axis, the final shape, and the repeat axes."""
        if len(self.factors) != x.ndim - 2 or any(f < 1 for f in self.factors):
            raise ShapeError(f"Upsample: factors {self.factors} do not fit the spatial axes of shape {x.shape}")
        shape, final = x.shape[:2], x.shape[:2]
        for n, f in zip(x.shape[2:], self.factors, strict=True):
            shape, final = (*shape, n, f), (*final, n * f)
        return shape, final, tuple(range(3, len(shape), 2))

    def forward(self, *xs: Array) -> Array:
        """Return the repeated values."""
        (x,) = xs
        shape, final, repeats = self._split(x)
        thin = tuple(1 if k in repeats else n for k, n in enumerate(shape))
        return namespace(x).broadcast_to(x.reshape(thin), shape).reshape(final)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g summed over the copies."""
        (x,) = xs
        shape, _, repeats = self._split(x)
        return (g.reshape(shape).sum(axis=repeats),)
