"""Local response normalisation: each channel is divided by a power of the squares of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value
from ..base.arrays import Array, namespace
from ..errors import ParameterError, ShapeError
from ..rules.rule import AnyRule, Redistribution
from .base import Layer
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class LocalResponseNorm(Layer):
    """Divide each channel by a power of the squares of its neighbours.

    Formula: y_k = x_k/d_k^β, d_k = bias + (α/size) Σ_j x_j² over the ``size`` channels around k, of an even number the
    one more behind it; outside there are zeros.

    It has no relevance rule of its own yet: name one of Pass(), Zero(), Gradient().

    Args:
        size: how many channels are looked at.
        alpha, beta, bias: as in the formula.

    Raises:
        ParameterError: a size less than 1.
        ShapeError: an input without channels.

    Source: Krizhevsky et al. 2012, §3.3; the constants and the place of an even window as in ONNX.

    Example:
        >>> import numpy as np
        >>> LocalResponseNorm(3, alpha=3.0, beta=1.0).forward(np.array([[1.0, 2.0, 0.0]]))
        array([[0.16666667, 0.33333333, 0.        ]])
    """

    own_rule: ClassVar[str | None] = None
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ParameterError(f"LocalResponseNorm: size must be at least 1, got {self.size}")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and self.alpha >= 0 and self.bias > 0

    def _around(self, x: Array, before: int) -> Array:
        """Return the sum over ``size`` channels from ``before`` before each on, as far as there are channels."""
        xp, channels = namespace(x), x.shape[1]
        reach = max(0, channels - 1)  # a window may be declared to be as wide as it likes
        before, behind = min(before, reach), min(self.size - 1 - before, reach)
        low, high = (xp.zeros((x.shape[0], n, *x.shape[2:]), dtype=x.dtype) for n in (before, behind))
        padded = xp.concatenate((low, x, high), axis=1)
        taps = (padded[:, k : k + channels] for k in range(1, before + behind + 1))
        return sum(taps, padded[:, :channels])

    def _divisor(self, x: Array) -> Array:
        no_exact_value(x, "a power")
        if x.ndim < 2:
            raise ShapeError(f"LocalResponseNorm: input of shape {x.shape} has no channels; expected (N, C, ...)")
        return self.bias + self.alpha / self.size * self._around(x * x, (self.size - 1) // 2)

    def forward(self, *xs: Array) -> Array:
        """Return y (N, C, ...)."""
        (x,) = xs
        return x * self._divisor(x) ** -self.beta

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g_i/d_i^β − 2 (α β/size) x_i Σ_k g_k x_k/d_k^{β+1} over the k that look at i."""
        (x,) = xs
        divisor = self._divisor(x)
        power = divisor**-self.beta
        # What looks at i from before it, i is behind: the window is mirrored.
        looking = self._around(g * x * power / divisor, self.size // 2)
        return (g * power - 2 * self.alpha * self.beta / self.size * x * looking,)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        raise self._refuse(rule, "Pass")
