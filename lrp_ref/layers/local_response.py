"""Local response normalisation: each channel is divided by a power of the squares of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, SupportsIndex

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace, sample_sum
from ..base.frozen import real
from ..errors import ParameterError, ShapeError
from ..fast.quotient import divide
from ..rules.local_response import ResponseNorm
from ..rules.rule import AnyRule, Redistribution
from ..rules.universal import by_definition
from .base import Layer, same_shape
from .promises import Promises

WINDOWS = ("onnx", "torch")


@dataclass(frozen=True, eq=False, repr=False)
class LocalResponseNorm(Layer):
    """Divide each channel by a power of the squares of its neighbours.

    Formula: y_k = x_k/d_k^β, d_k = bias + (α/size) Σ_j x_j² over the ``size`` channels around k; outside there are
    zeros. Its rules are those of ``rules.ResponseNorm``, where the terms z_jk are told; its own is "taylor".

    Where frameworks differ:

    ==========================  =====================================================================================
    Caffe, ONNX                 an odd size is centred; an even one has one more channel behind k than before it
    PyTorch                     an even size has one more channel before k: ``window="torch"``
    TensorFlow, Krizhevsky      α stands before the sum, not divided by the size: :meth:`of_radius`
    ==========================  =====================================================================================

    Args:
        size: how many channels are looked at.
        alpha, beta, bias: as in the formula; ``bias`` is what frameworks call bias or k.
        window: where a window of even size has one channel more: "onnx" behind, "torch" before.

    Raises:
        ParameterError: a size that is no whole number of at least 1, a parameter that is no finite number, or another
            window.
        ShapeError: an input without channels.
        UnsupportedError: a beta that is no whole number, on rationals.

    Source: Krizhevsky et al. 2012, §3.3; the rules: Binder et al. 2016.

    Example:
        >>> import numpy as np
        >>> layer, x = LocalResponseNorm(3, alpha=3.0, beta=1.0), np.array([[1.0, 2.0, 0.0]])
        >>> layer.forward(x)
        array([[0.16666667, 0.33333333, 0.        ]])
        >>> layer.relevance_backward(x, np.array([[0.0, 1.0, 0.0]]))
        array([[-0.38461538,  1.38461538,  0.        ]])
    """

    own_rule: ClassVar[str | None] = "taylor: R_i = Σ_k z_ik/(Σ_j z_jk)·R_k"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    window: str = "onnx"

    def __post_init__(self) -> None:
        if not isinstance(self.size, SupportsIndex):
            raise ParameterError(f"LocalResponseNorm: size must be a whole number, got {self.size!r}")
        if self.size < 1:
            raise ParameterError(f"LocalResponseNorm: size must be at least 1, got {self.size}")
        for name in ("alpha", "beta", "bias"):
            if (number := real(f"LocalResponseNorm: {name}", getattr(self, name))) != number:  # NaN
                raise ParameterError(f"LocalResponseNorm: {name} must be a finite real number, got {number}")
        if self.window not in WINDOWS:
            raise ParameterError(f"LocalResponseNorm: window must be one of {', '.join(WINDOWS)}, got {self.window!r}")

    @classmethod
    def of_radius(cls, radius: int = 5, alpha: float = 1.0, beta: float = 0.5, bias: float = 1.0) -> LocalResponseNorm:
        """Return TensorFlow's layer, with its defaults: d_k = bias + α Σ_j x_j² over k − radius … k + radius.

        Example:
            >>> LocalResponseNorm.of_radius(1, alpha=0.5)
            LocalResponseNorm(size=3, alpha=1.5, beta=0.5)
        """
        size = 2 * radius + 1
        return cls(size, alpha * size, beta, bias)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and self.alpha >= 0 and self.bias > 0

    @property
    def _before(self) -> int:
        """How many channels before k its window reaches."""
        return (self.size - 1) // 2 if self.window == "onnx" else self.size // 2

    def _around(self, x: Array, before: int, *, own: bool = True) -> Array:
        """Return the sum over ``size`` channels from ``before`` before each on, as far as there are channels.

        Args:
            x: (N, C, ...).
            before: how many channels before each are looked at.
            own: whether each channel itself is among those that are summed.
        """
        if x.ndim < 2:
            raise ShapeError(f"LocalResponseNorm: input of shape {x.shape} has no channels; expected (N, C, ...)")
        xp, channels = namespace(x), x.shape[1]
        reach = max(0, channels - 1)  # a window may be declared to be as wide as it likes
        before, behind = min(before, reach), min(self.size - 1 - before, reach)
        low, high = (xp.zeros((x.shape[0], n, *x.shape[2:]), dtype=x.dtype) for n in (before, behind))
        padded = xp.concatenate((low, x, high), axis=1)
        places = [k for k in range(before + behind + 1) if own or k != before]
        if not places:
            return xp.zeros(x.shape, dtype=x.dtype)
        first, *others = (padded[:, k : k + channels] for k in places)
        return sum(others, first)

    def _factor(self, x: Array) -> Any:
        """Return α/size as a number of the system of x."""
        return scalar(self.alpha, x) / scalar(self.size, x)

    def _power(self, base: Array, exponent: float) -> Array:
        """Return base^exponent; on exact numbers for whole exponents, on balls for all."""
        if base.dtype != object:
            return base**exponent
        whole = round(exponent)
        if whole == exponent:
            return base**whole if whole >= 0 else scalar(1, base) / base**-whole
        no_exact_value(base, f"the power {exponent}")
        xp = namespace(base)
        return xp.exp(scalar(exponent, base) * xp.log(base))

    def _divisor(self, x: Array) -> Array:
        return scalar(self.bias, x) + self._factor(x) * self._around(x * x, self._before)

    def forward(self, *xs: Array) -> Array:
        """Return y (N, C, ...)."""
        (x,) = xs
        return x * self._power(self._divisor(x), -self.beta)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g_i/d_i^β − 2 (α β/size) x_i Σ_k g_k x_k/d_k^{β+1} over the k that look at i."""
        (x,) = xs
        divisor = self._divisor(x)
        power = self._power(divisor, -self.beta)
        # What looks at i from before it, i is behind: the window is mirrored.
        looking = self._around(g * x * power / divisor, self.size - 1 - self._before)
        slope = scalar(2, x) * self._factor(x) * scalar(self.beta, x)
        return (g * power - slope * x * looking,)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        rule = ResponseNorm() if rule is None else rule
        if not isinstance(rule, ResponseNorm):
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (x,), (relevance,) = xs, relevances
        same_shape(self, relevance, x)
        if rule.kind == "toolbox":
            own, slope, _ = self._expansion(x)
            return by_definition((self._given(x, own, slope, x * relevance),), relevances)
        own, slope, total = (self._expansion if rule.kind == "taylor" else self._path)(x)
        message, dead = divide(relevance, total, namespace(relevance))
        dropped = sample_sum(namespace(relevance).where(dead, relevance, scalar(0, relevance)))
        return Redistribution.routed((self._given(x, own, slope, message),), relevance, dropped=dropped)

    def _given(self, x: Array, own: Array, slope: Array, message: Array) -> Array:
        """Return what each channel receives: own_j m_j − x_j² Σ_k slope_k m_k over the other k that look at it."""
        looking = self._around(slope * message, self.size - 1 - self._before, own=False)
        return own * message - x * x * looking

    def _terms(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Return where x is 0; the sum of the squares of each channel's neighbours; the divisors without them and all.

        Where x is 0 the first divisor is not needed, and is not 0 either.
        """
        xp, squares = namespace(x), x * x
        none, others = x == 0, self._around(squares, self._before, own=False)
        alone = xp.where(none, scalar(1, x), scalar(self.bias, x) + self._factor(x) * squares)
        return none, others, alone, alone + self._factor(x) * others

    def _expansion(self, x: Array) -> tuple[Array, Array, Array]:
        """Return z_kk/x_k, −z_jk/(x_k x_j²), and Σ_j z_jk/x_k, which is 0 only where x_k is."""
        none, others, alone, whole = self._terms(x)
        own = self._power(alone, -self.beta)
        slope = scalar(2, x) * self._factor(x) * scalar(self.beta, x) * self._power(whole, -self.beta - 1)
        return own, slope, namespace(x).where(none, scalar(0, x), own - slope * others)

    def _path(self, x: Array) -> tuple[Array, Array, Array]:
        """Return the same terms divided by y_k, (bias + a S_k)^β/(bias + a x_k²)^β for the first; they sum to 1."""
        none, others, alone, whole = self._terms(x)
        own = self._power(whole / alone, self.beta)
        slope, _ = divide(own - scalar(1, x), others, namespace(x))
        return own, slope, namespace(x).where(none, scalar(0, x), scalar(1, x)).astype(x.dtype)
