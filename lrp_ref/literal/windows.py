"""Geometry of sliding windows: how many there are along an axis, and which pixels each one sees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PerAxis = int | Sequence[int]
Pairs = int | Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Geometry:
    """Windows over the spatial axes of one sample.

    All fields have one entry per spatial axis: size of the image, kernel size, stride, dilation, and padding
    as (before, after). With ceil_mode the last window may hang over the padded image, but is left out if it
    starts beyond the image and its left padding (PyTorch; ONNX since opset 19).
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the number of windows along each axis; raises ValueError where one has none."""
        return tuple(self._count(axis) for axis in range(len(self.size)))

    def _count(self, axis: int) -> int:
        before, after = self.padding[axis]
        size, stride = self.size[axis], self.stride[axis]
        span = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        room = size + before + after - span
        if room < 0:
            raise ValueError(f"a window of {span} does not fit the {before} + {size} + {after} pixels of axis {axis}")
        if not self.ceil_mode:
            return room // stride + 1
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= size + before else count

    def positions(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of every window, row-major."""
        yield from itertools.product(*map(range, self.counts))

    def pixels(self, window: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield (tap, pixel) of a window, row-major, for those taps that lie inside the image."""
        for tap in itertools.product(*map(range, self.kernel)):
            pixel = tuple(
                o * s - before + k * d
                for o, s, (before, _), k, d in zip(window, self.stride, self.padding, tap, self.dilation, strict=True)
            )
            if all(0 <= p < n for p, n in zip(pixel, self.size, strict=True)):
                yield tap, pixel

    def padded_area(self, window: tuple[int, ...]) -> int:
        """Return how many taps of an undilated window lie in the padded image: not its overhang."""
        area = 1
        for o, s, (before, after), k, n in zip(window, self.stride, self.padding, self.kernel, self.size, strict=True):
            start = o * s - before
            area *= min(start + k, n + after) - start
        return area


def geometry(
    size: Sequence[int],
    kernel: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Pairs = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """Return the Geometry of windows over an image of this size.

    One number stands for all axes, stride None for the kernel size. Raises ValueError where they do not fit.

    >>> geometry((5,), 2).counts, geometry((5,), 2, ceil_mode=True).counts
    ((2,), (3,))
    """
    axes, stride = len(size), kernel if stride is None else stride
    return Geometry(
        size=tuple(size),
        kernel=per_axis(kernel, axes, "kernel", least=1),
        stride=per_axis(stride, axes, "stride", least=1),
        padding=pairs(padding, axes),
        dilation=per_axis(dilation, axes, "dilation", least=1),
        ceil_mode=ceil_mode,
    )


def per_axis(value: PerAxis, axes: int, name: str, *, least: int) -> tuple[int, ...]:
    """Return one number per axis; raises ValueError where the count is wrong or a number is below least."""
    result = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(result) != axes or any(entry < least for entry in result):
        raise ValueError(f"{name} must be {axes} integers >= {least}, got {value}")
    return result


def pairs(value: Pairs, axes: int) -> tuple[tuple[int, int], ...]:
    """Return one (before, after) pair per axis; raises ValueError where it is something else or negative."""
    if isinstance(value, int):
        value = ((value, value),) * axes
    if len(value) != axes or any(isinstance(pair, int) or len(pair) != 2 or min(pair) < 0 for pair in value):
        raise ValueError(f"padding must be {axes} pairs (before, after) >= 0, got {value}")
    return tuple((before, after) for before, after in value)
