"""Windows that slide over the positions of a sample: their masks, and what they give to the positions in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..base.arrays import Array, Namespace, like, namespace
from ..errors import ParameterError

BORDERS = ("cut", "wrap")


@dataclass(frozen=True)
class Windows:
    """The windows over a grid of positions, in C order of their places.

    Along an axis of n positions window k takes the positions k·s … k·s + p − 1. With the border "cut" there are
    ⌈(n − p)/s⌉ + 1 of them, and the last has what is left; with "wrap" ⌈n/s⌉, and what is beyond the end is the
    beginning again.

    Attributes:
        sizes: n, along each axis.
        patch: p; never more than n.
        stride: s; never more than n.
        border: "cut" or "wrap".

    Example:
        >>> import numpy as np
        >>> w = Windows.of((5,), 2, 2)
        >>> w.counts, w.masks(slice(0, 3), np).astype(int).tolist()
        ((3,), [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]])
        >>> w.spread(np.array([[4.0, 2.0, 1.0]]), mean=True)
        array([[4., 4., 2., 2., 1.]])
    """

    sizes: tuple[int, ...]
    patch: tuple[int, ...]
    stride: tuple[int, ...]
    border: str = "cut"

    @staticmethod
    def of(sizes: Sequence[int], patch: Any, stride: Any = None, border: str = "cut", what: str = "windows") -> Windows:
        """Return the windows for a patch and a stride, each one number or one for every axis.

        Args:
            sizes: of the grid.
            patch: width of a window; what is larger than the grid takes all of it.
            stride: from one window to the next; None for that of the patch: windows beside each other.
            border: "cut" or "wrap".
            what: whose grid it is, for the message.

        Raises:
            ParameterError: as many numbers as the grid has no axes.
        """
        found = []
        for name, given in (("patch", patch), ("stride", patch if stride is None else stride)):
            each = given if isinstance(given, tuple) else (given,) * len(sizes)
            if len(each) != len(sizes):
                raise ParameterError(
                    f"{name}={given!r} has {len(each)} numbers, and {what} has {len(sizes)} axes of positions, "
                    f"{tuple(sizes)}: give one number, or one for each"
                )
            found.append(tuple(max(1, min(p, n)) for p, n in zip(each, sizes, strict=True)))
        return Windows(tuple(sizes), found[0], found[1], border)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many windows there are along each axis."""
        axes = zip(self.sizes, self.patch, self.stride, strict=True)
        return tuple(-(-n // s) if self.border == "wrap" else -(-(n - p) // s) + 1 for n, p, s in axes)

    @property
    def covering(self) -> bool:
        """Whether every position is in a window."""
        return all(s <= p for p, s in zip(self.patch, self.stride, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def masks(self, cut: slice, xp: Namespace) -> Array:
        """Return which positions some windows take, True and False (windows, *sizes)."""
        index, inner = xp.arange(cut.start, cut.stop), len(self)
        found = xp.ones((len(index),) + (1,) * len(self.sizes), dtype=bool)
        for axis, count in enumerate(self.counts):
            inner //= count
            rows = self._rows(axis, index // inner % count, xp)
            found = xp.logical_and(found, rows.reshape(self._beside(axis, len(index))))
        return xp.broadcast_to(found, (len(index), *self.sizes))

    def spread(self, effects: Array, *, mean: bool) -> Array:
        """Return at each position the sum, or the mean, of the effects of the windows it is in (N, *sizes).

        Args:
            effects: of the windows (N, windows).
            mean: whether to divide by how many these are.
        """
        xp = namespace(effects)
        found = effects.reshape(len(effects), *self.counts)
        for axis, count in enumerate(self.counts):
            # The windows of a grid are products of those along its axes, so that each axis can be summed by itself.
            rows = like(xp.where(self._rows(axis, xp.arange(count), xp), 1, 0), effects)
            summed = xp.matmul(xp.moveaxis(found, axis + 1, -1), rows)
            found = xp.moveaxis(summed / rows.sum(axis=0) if mean else summed, -1, axis + 1)
        return found

    def _rows(self, axis: int, which: Array, xp: Namespace) -> Array:
        """Return the positions along one axis that the windows at some places along it take (windows, n)."""
        n, patch, stride = self.sizes[axis], self.patch[axis], self.stride[axis]
        ahead = xp.arange(n) - which.reshape(-1, 1) * stride
        ahead = ahead % n if self.border == "wrap" else ahead
        return xp.logical_and(ahead >= 0, ahead < patch)

    def _beside(self, axis: int, windows: int) -> tuple[int, ...]:
        """Return the shape of the positions along one axis, so that they broadcast over the others."""
        return (windows, *(n if k == axis else 1 for k, n in enumerate(self.sizes)))
