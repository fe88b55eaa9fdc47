"""Heavy primitives that an array module brings itself: it is asked for them before its small functions compute them.

NumPy and CuPy bring none. A module that does has an attribute ``kernels`` with the methods of :class:`Kernels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..base.arrays import Array, Namespace


class Kernels(Protocol):
    """What a module may bring; a method that returns None leaves this one to the small functions."""

    def convolve(self, x: Array, weight: Array, geometry: Any) -> Array | None:
        """Return the correlation of (N, C, *spatial) with a kernel bank, without a bias."""

    def convolve_adjoint(self, g: Array, weight: Array, geometry: Any, spatial: Sequence[int]) -> Array | None:
        """Return its transpose, applied to g (N, O, *out)."""

    def divide(self, numerator: Array, denominator: Array) -> tuple[Array, Array]:
        """Return the quotient, 0 where the denominator is 0, and the mask of those."""

    def sum_windows(self, x: Array, windows: Any) -> Array | None:
        """Return the sums over the windows of a pool."""

    def spread_windows(self, g: Array, windows: Any, spatial: Sequence[int]) -> Array | None:
        """Return its transpose, applied to g (N, C, *out)."""

    def greatest(self, x: Array, windows: Any) -> Array | None:
        """Return the maxima of the windows of a pool, in which padding counts as −∞."""

    def hand_back(self, x: Array, g: Array, windows: Any) -> Array | None:
        """Return g at the first winner of each window of x."""


def kernels(xp: Namespace) -> Kernels | None:
    """Return the heavy primitives of an array module; None where it has none.

    Example:
        >>> import numpy as np
        >>> kernels(np) is None
        True
    """
    found: Kernels | None = getattr(xp, "kernels", None)
    return found
