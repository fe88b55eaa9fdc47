"""Constants that are longer for longer inputs: tables of positions, causal masks, angles of rotary positions.

A file computes them from the size of an axis that it leaves free. Of two sizes, the constant of the smaller one must be
the beginning of that of the larger one: then a layer keeps the longest, and takes as much of it as a sample is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .values import Constant, Refusal, Signal, Tensor

FREE = "a parameter depends on a free size of the input: fix it with load(..., shapes=...)"
Array = np.ndarray[Any, Any]
Lengths = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class Growing:
    """A constant for the largest sizes.

    Attributes:
        array: it.
        lengths: axis, counted from the end (below 0) → its size in each probe; none for what is always the same.
    """

    array: Array
    lengths: Lengths = field(default_factory=dict)

    def map(self, function: Callable[[Array], Array]) -> Growing:
        """Return the same for what a function makes of every element."""
        return replace(self, array=function(self.array))


def growing(constant: Constant) -> Growing:
    """Return a constant for the largest sizes, of which that for smaller sizes is the beginning.

    Raises:
        Refusal: it is another one for other sizes.
    """
    if constant.is_fixed:
        return Growing(constant.probes[0])
    if len({(p.ndim, p.dtype) for p in constant.probes}) > 1:
        raise Refusal(FREE)
    largest = max(constant.probes, key=lambda p: p.size)
    lengths = {}
    for probe in constant.probes:
        if any(n > m for n, m in zip(probe.shape, largest.shape, strict=True)):
            raise Refusal(FREE)
        if not np.array_equal(probe, largest[tuple(map(slice, probe.shape))], equal_nan=probe.dtype.kind == "f"):
            raise Refusal(FREE)
    for axis in range(-largest.ndim, 0):
        sizes = tuple(p.shape[axis] for p in constant.probes)
        if len(set(sizes)) > 1:
            lengths[axis] = sizes
    return Growing(largest, lengths)


def followed(x: Signal, lengths: Lengths) -> tuple[int, ...] | None:
    """Return the network's axes of a signal along which a constant is cut to its size, None where it is not as long.

    Raises:
        Refusal: the constant is another one for each sample.
    """
    axes = []
    for axis, sizes in lengths.items():
        place = x.rank + axis
        if place == x.batch:
            raise Refusal(FREE)
        if place < 0:
            return None
        found = x.axis(place)
        if tuple(s[found - 1] for s in x.sizes) != sizes:
            return None
        axes.append(found)
    return tuple(sorted(axes))


def cut_by(value: Growing, candidates: Iterable[Tensor]) -> tuple[Signal, tuple[tuple[int, int], ...]]:
    """Return the first signal that is as long as a constant in each probe, and the axes of both (1 and up).

    Raises:
        Refusal: none is.
    """
    for x in candidates:
        if not isinstance(x, Signal):
            continue
        axes = {tuple(s[axis - 1] for s in x.sizes): axis for axis in reversed(range(1, x.depth))}
        if all(sizes in axes for sizes in value.lengths.values()):
            return x, tuple((value.array.ndim + own + 1, axes[sizes]) for own, sizes in value.lengths.items())
    raise Refusal(FREE)
