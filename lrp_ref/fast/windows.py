"""Windows: where the taps of a kernel meet an input, and the windows unrolled into the columns of a matrix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ..base.arrays import Array, Namespace, sliding
from . import buffers

Pads = tuple[tuple[int, int], ...]


def output_size(size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, ceil: bool = False) -> int:
    """Number of window positions along one axis.

    Formula: floor or ceil of (size + pads - dilation (kernel - 1) - 1) / stride, plus 1. In ceil mode a last
    window that would start in the padding after the input does not count.
    """
    span = size + sum(pads) - dilation * (kernel - 1) - 1
    if span < 0:
        return 0
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pads[0]:
        count -= 1
    return count


def pad_spatial(x: Array, pads: Pads, value: object, xp: Namespace) -> Array:
    """Return ``x`` (N, C, *spatial) with ``value`` around its spatial axes; negative amounts crop."""
    if not any(before or after for before, after in pads):
        return x
    shape = x.shape[:2] + tuple(n + a + b for n, (a, b) in zip(x.shape[2:], pads, strict=True))
    padded = buffers.zeros(shape, x.dtype, xp)
    if value != 0:
        padded[...] = value
    inner = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape[2:], pads, strict=True))
    source = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape[2:], pads, strict=True))
    padded[(slice(None), slice(None), *inner)] = x[(slice(None), slice(None), *source)]
    return padded


def windows(
    kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], out: Sequence[int]
) -> Iterator[tuple[slice, ...]]:
    """Yield, tap by tap in row-major order, the slices of a padded input that the tap meets in every window."""
    for tap in itertools.product(*(range(k) for k in kernel)):
        yield tuple(
            slice(t * d, t * d + s * (n - 1) + 1, s) for t, d, s, n in zip(tap, dilation, stride, out, strict=True)
        )


class Windows:
    """Where the taps of a kernel meet an input: per tap, output positions and the input positions that they read.

    Positions in the padding are left out, so nothing has to be padded.

    Attributes:
        reach: positions from the first to the last that a window reads, per axis.
        pointwise: whether a window is one position, and none lies in the padding.
    """

    def __init__(
        self, spatial: Sequence[int], out: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pads: Pads,
        dilation: Sequence[int],
    ) -> None:  # fmt: skip
        self.spatial, self.out, self.pads = tuple(spatial), tuple(out), pads
        self.kernel, self.stride, self.dilation = tuple(kernel), tuple(stride), tuple(dilation)
        self.reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
        self.pointwise = math.prod(kernel) == 1 and not any(map(any, pads))
        self.axes = [
            (size, s, [t * d - before for t in range(k)])
            for size, s, d, k, (before, _) in zip(spatial, stride, dilation, kernel, pads, strict=True)
        ]
        self.others = list(
            itertools.product(*(_meetings(axis, 0, n) for axis, n in zip(self.axes[1:], out[1:], strict=True)))
        )

    def taps(self, rows: slice) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Yield per tap, row-major, the slices of the output ``rows`` (counted from their start) and of the input."""
        for first in _meetings(self.axes[0], rows.start, rows.stop):
            for others in self.others:
                out, source = zip(first, *others, strict=True)
                yield out, source


def _meetings(axis: tuple[int, int, list[int]], start: int, stop: int) -> list[tuple[slice, slice]]:
    """Return, per tap of one axis, the positions in [start, stop) that meet the input, and where."""
    size, stride, shifts = axis
    found = []
    for shift in shifts:
        low, high = max(start, -(shift // stride)), min(stop, (size - 1 - shift) // stride + 1)
        if low < high:
            source = slice(low * stride + shift, (high - 1) * stride + shift + 1, stride)
            found.append((slice(low - start, high - start), source))
        else:
            found.append((slice(0, 0), slice(0, 0)))
    return found


class Columns:
    """The windows of a strip as the columns of a matrix, for one piece of the channels after another.

    A piece is put into a room with a margin of zeros, and from there all its windows are copied at once: what is in
    the padding needs no tap of its own to look for it.
    """

    def __init__(self, meets: Windows, shape: Sequence[int], rows: int, dtype: Any, xp: Namespace) -> None:
        """Make room for pieces of at most ``shape`` (N, groups, C) and strips of ``rows`` output rows."""
        self.meets, out = meets, (rows, *meets.out[1:])
        self.taps, self.positions = math.prod(meets.kernel), math.prod(out)
        self.array = buffers.empty((*shape, *meets.kernel, *out), dtype, xp)
        if meets.pointwise:
            return
        sizes = tuple(s * (n - 1) + r for s, n, r in zip(meets.stride, out, meets.reach, strict=True))
        self.room = buffers.zeros((*shape, *sizes), dtype, xp)
        self.others = [
            _overlap(n, size, before)
            for n, size, (before, _) in zip(sizes[1:], meets.spatial[1:], meets.pads[1:], strict=True)
        ]
        slid = sliding(self.room, meets.reach, meets.stride, meets.dilation)
        taps = windows(meets.kernel, meets.stride, meets.dilation, out)
        each = self.array.reshape(*shape, self.taps, *out)
        self.copies = (
            [(self.array, slid)]
            if slid is not None
            else [(each[:, :, :, k], self.room[(..., *tap)]) for k, tap in enumerate(taps)]
        )

    def begin(self, rows: slice) -> None:
        """Turn to the strip that the output ``rows`` are."""
        meets = self.meets
        if meets.pointwise:
            ((_, self.source),) = meets.taps(rows)
            return
        before = meets.pads[0][0] - meets.stride[0] * rows.start
        first = _overlap(self.room.shape[3], meets.spatial[0], before)
        self.place, self.source = zip(first, *self.others, strict=True)
        self.room[:, :, :, : first[0].start] = 0
        self.room[:, :, :, first[0].stop :] = 0

    def of(self, x: Array) -> Array:
        """Return the windows (N, groups, C·taps, positions) of the strip over x (N, groups, C, *spatial)."""
        some = slice(0, x.shape[2])
        array, taken = self.array[:, :, some], x[(..., *self.source)]
        if self.meets.pointwise:
            array.reshape(taken.shape)[...] = taken
        else:
            self.room[(slice(None), slice(None), some, *self.place)] = taken
            for column, window in self.copies:
                column[:, :, some] = window[:, :, some]
        return array.reshape(*array.shape[:2], array.shape[2] * self.taps, self.positions)


def _overlap(length: int, size: int, before: int) -> tuple[slice, slice]:
    """Return where ``length`` positions, ``before`` of them before an input of ``size``, meet it, and its positions."""
    start = min(max(before, 0), length)
    stop = max(min(before + size, length), start)
    return slice(start, stop), slice(start - before, stop - before)
