"""What becomes of the counts of words: how much a repeated word counts, whether it is there, division by the norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace
from ..base.functions import length
from ..errors import ShapeError, unknown
from ..rules.rule import Redistribution
from .base import Elementwise, OwnWay
from .promises import Promises

NORMS = ("l1", "l2", "max")


@dataclass(frozen=True, eq=False, repr=False)
class LogCount(Elementwise):
    """y = 1 + log x for a word that is there, 0 for one that is not: the sublinear term frequency.

    Relevance passes, R_i = R_j. At 0 the derivative is 0; a negative count has no logarithm, and is not finite.

    Source: Manning et al. 2008, §6.4.1.

    Example:
        >>> import numpy as np
        >>> LogCount().forward(np.array([[0.0, 1.0, np.e]]))
        array([[0., 1., 2.]])
    """

    @property
    def kinks(self) -> tuple[float, ...]:
        """0, which has no logarithm."""
        return (0.0,)

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        xp, one, zero = namespace(x), scalar(1, x), scalar(0, x)
        no_exact_value(x, "log")
        none = x == 0
        return xp.where(none, zero, one + xp.log(xp.where(none, one, x).astype(x.dtype))).astype(x.dtype)

    def slope(self, x: Array) -> Array:
        """Return 1/x, 0 at 0."""
        xp, one, zero = namespace(x), scalar(1, x), scalar(0, x)
        none = x == 0
        return xp.where(none, zero, one / xp.where(none, one, x).astype(x.dtype)).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class Step(Elementwise):
    """y = 1 for x > threshold, else 0: whether a word is there. The derivative is 0; relevance passes, R_i = R_j.

    Args:
        threshold: a number.

    Example:
        >>> import numpy as np
        >>> Step().forward(np.array([[-1.0, 0.0, 3.0]]))
        array([[0., 0., 1.]])
    """

    promises: ClassVar[Promises] = Promises(stays_finite=True, makes_new=True, tells_sign=True)

    threshold: Any = 0

    @property
    def kinks(self) -> tuple[float, ...]:
        """The threshold."""
        return (float(self.threshold),)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def forward(self, *xs: Array) -> Array:
        """Return y."""
        (x,) = xs
        return namespace(x).where(x > scalar(self.threshold, x), scalar(1, x), scalar(0, x)).astype(x.dtype)

    def slope(self, x: Array) -> Array:
        """Return 0."""
        return namespace(x).zeros(x.shape, dtype=x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class UnitNorm(OwnWay):
    """Divide each sample by its norm along the last axis: y = x/n; a row of zeros stays one.

    ====  =================
    l1    n = Σ_i abs(x_i)
    l2    n = sqrt(Σ_i x_i²)
    max   n = max_i abs(x_i)
    ====  =================

    With the norm held constant the layer is linear and diagonal, and relevance passes: R_i = R_j. Its derivative is
    that of all of it, and answers another question: y does not change when x grows as a whole, so that the derivative
    times x sums to 0 (Euler): gradient × input is a contrast of words, and no decomposition of a score.

    Args:
        norm: "l1", "l2" or "max".

    Raises:
        ParameterError: another norm.
        ShapeError: an input without features.
        UnsupportedError: "l2" on rationals, which have no roots.

    Source: the norm as a constant, as deviations are: Ali et al. 2022, Achtibat et al. 2024.

    Example:
        >>> import numpy as np
        >>> layer, x = UnitNorm(), np.array([[3.0, 4.0], [0.0, 0.0]])
        >>> layer.forward(x)
        array([[0.6, 0.8],
               [0. , 0. ]])
        >>> g = np.array([[1.0, 0.0], [1.0, 0.0]])
        >>> (layer.vjp(x, g) * x).sum(axis=1).round(15)
        array([0., 0.])
    """

    own_rule: ClassVar[str | None] = "R_i = R_j, with the norm as a constant"
    promises: ClassVar[Promises] = Promises(stays_finite=True, makes_new=True, tells_sign=True)

    norm: str = "l2"

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise unknown("norm", str(self.norm), NORMS)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def _size(self, x: Array) -> Array:
        """Return n (N, ..., 1), 1 where it would be 0."""
        if x.ndim < 2:
            raise ShapeError(f"UnitNorm: input of shape {x.shape} has no features; expected (N, ..., D)")
        xp, one = namespace(x), scalar(1, x)
        if not x.shape[-1]:
            return xp.ones((*x.shape[:-1], 1), dtype=x.dtype)
        if self.norm == "l2":
            no_exact_value(x, "a root")
            size, _ = length(x)
        elif self.norm == "l1":
            size = abs(x).sum(axis=-1, keepdims=True)
        else:
            size = abs(x).max(axis=-1, keepdims=True)
        return xp.where(size == 0, one, size).astype(x.dtype)

    def forward(self, *xs: Array) -> Array:
        """Return y, same shape."""
        (x,) = xs
        return x / self._size(x)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return (g − n' Σ_j y_j g_j)/n with n' the derivative of the norm; of "max" shared by ties."""
        (x,) = xs
        size = self._size(x)
        y = x / size
        xp, zero, one = namespace(x), scalar(0, x), scalar(1, x)
        sign = xp.where(x > 0, one, xp.where(x < 0, -one, zero)).astype(x.dtype)
        if self.norm == "l2":
            slope = y
        elif self.norm == "l1":
            slope = sign
        else:
            largest = xp.where(abs(x) == size, one, zero).astype(x.dtype)
            many = largest.sum(axis=-1, keepdims=True)
            slope = sign * largest / xp.where(many == 0, one, many).astype(x.dtype)
        return ((g - slope * (y * g).sum(axis=-1, keepdims=True)) / size,)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        return Redistribution.routed((relevance,), relevance)
