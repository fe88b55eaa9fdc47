"""What is compared with what: differences of all pairs of outputs, and the smallest of them, softly."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace
from ..base.frozen import real
from ..errors import ParameterError, ShapeError, unknown
from ..rules.edits import KEEP, Edit
from ..rules.linear import LRP0
from ..rules.rescale import Rescale
from ..rules.rule import AnyRule, Redistribution, Rule, Seen
from ..rules.share import Given, share
from . import winners
from .base import Layer, Linear, same_shape
from .promises import Promises

SHARES = ("most", "mean")


@dataclass(frozen=True, eq=False, repr=False)
class PairDifference(Linear):
    """The differences of each output to every other one: (N, K) → (N, K, K − 1).

    Formula: h_ck = f_c − f_k over the k ≠ c, in their order. LRP-0 is its own rule; a difference that is 0 drops its
    relevance, and an output that is 0 receives none.

    Args:
        plus, minus: the weights of f_c and f_k, which rules edit.

    Raises:
        ShapeError: an input that is not (N, K), or K < 2: there is nothing to compare with.

    Source: Montavon et al. 2019, §10.4 (log-odds); Kauffmann et al. 2022 (clusters).

    Example:
        >>> import numpy as np
        >>> PairDifference().forward(np.array([[5.0, 2.0, 1.0]]))
        array([[[ 3.,  4.],
                [-3.,  1.],
                [-4., -1.]]])
    """

    own_rule: ClassVar[str | None] = "LRP-0: in proportion to f_c and −f_k"
    promises: ClassVar[Promises] = Promises(stays_finite=False, makes_new=True)

    plus: Any = 1
    minus: Any = -1

    def default(self) -> Rule | None:
        """Return LRP-0."""
        return LRP0()

    def _places(self, x: Array) -> tuple[Any, int]:
        """Return c and k of every difference, as indices (K·(K − 1),), and K."""
        if x.ndim != 2:
            raise ShapeError(f"PairDifference: input of shape {x.shape}; expected (N, K)")
        many = x.shape[1]
        if many < 2:
            raise ShapeError(f"PairDifference compares outputs with each other; an input of shape {x.shape} has {many}")
        return namespace(x).arange(many * (many - 1)), many

    def forward(self, *xs: Array) -> Array:
        """Return h (N, K, K − 1)."""
        (x,) = xs
        place, many = self._places(x)
        c, k = place // (many - 1), place % (many - 1)
        xp = namespace(x)
        other = xp.where(k >= c, k + 1, k)
        h = xp.take(x, c, axis=1) * scalar(self.plus, x) + xp.take(x, other, axis=1) * scalar(self.minus, x)
        return h.reshape(len(x), many, many - 1)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_k g_ck − Σ_c' g_c'c."""
        (x,) = xs
        _, many = self._places(x)
        xp, g = namespace(x, g), g.reshape(len(x), many, many - 1)
        # Against k, class c stands at place c of the row of k if it comes before k, else one place earlier.
        at = xp.arange(many * many)
        k, c = at // many, at % many
        place = k * (many - 1) + xp.where(c > k, c - 1, xp.where(c < k, c, 0))
        against = xp.take(g.reshape(len(x), many * (many - 1)), place, axis=1)
        against = xp.where(c == k, scalar(0, g), against).astype(g.dtype).reshape(len(x), many, many)
        return (g.sum(axis=2) * scalar(self.plus, g) + against.sum(axis=1) * scalar(self.minus, g),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the layer with both weights edited."""
        return replace(self, plus=weights.number(self.plus), minus=weights.number(self.minus))


@dataclass(frozen=True, eq=False, repr=False)
class SoftMin(Layer):
    """The smallest of the numbers along the last axis, softly: (N, ..., K) → (N, ...); (N, K) → (N, 1).

    Formula: o = −γ⁻¹ log Σ_k exp(−γ h_k), or ``hard`` o = min_k h_k; p_k = exp(−γ h_k)/Σ_l exp(−γ h_l).

    ======  =============================================================================================
    most    R_k = p_k R: the smallest take most
    mean    o = Σ_k p_k h_k − H(p)/γ with p held constant: R_k = p_k h_k/o·R, and what the entropy
            H(p) = −Σ_k p_k log p_k takes is in the ledger as bias (if ``hard``, o − Σ_k p_k h_k is that)
    ======  =============================================================================================

    The soft minimum of all differences f_c − f_k at γ = 1 is the log-odds of class c, that of squared distances the
    outlier score of a density. With γ = ∞ all h_k that are the smallest share alike, also on exact numbers.

    Args:
        gamma: γ > 0.
        hard: whether the output is the minimum itself, and γ only weights the relevance.
        share: "most" or "mean"; a rule for linear layers that a composite names shares by "mean" as well.

    Raises:
        ParameterError: γ that is not > 0, or another way to share.
        ShapeError: an input without a number to take the smallest of.

    Source: Kauffmann et al. 2020, 2022 (most); Montavon et al. 2019, §10.4. "mean" is not published: it is what the
    definition of o says, with p held constant.

    Example:
        >>> import numpy as np
        >>> h = np.log(np.array([[1.0, 3.0]]))
        >>> SoftMin().relevance_backward(h, np.array([[4.0]]))
        array([[3., 1.]])
        >>> SoftMin(hard=True).forward(np.array([[2.0, 1.0]]))
        array([[1.]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True, tells_sign=True)

    gamma: float = 1.0
    hard: bool = False
    share: str = "most"

    def __post_init__(self) -> None:
        if not (isinstance(self.gamma, float) and self.gamma == math.inf):
            object.__setattr__(self, "gamma", real("SoftMin: gamma", self.gamma))
        if not self.gamma > 0:
            raise ParameterError(f"SoftMin: gamma must be > 0, got {self.gamma}")
        if self.share not in SHARES:
            raise unknown("share of SoftMin", str(self.share), SHARES)

    @property
    def own_rule(self) -> str:  # type: ignore[override]  # which of the two is the layer's own is its field
        """Which of the ways to share it is."""
        return "R_k = p_k·R" if self.share == "most" else "R_k = p_k·h_k / o·R"

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and self.least

    @property
    def least(self) -> bool:
        """Whether the output is the smallest number itself."""
        return self.hard or self.gamma == math.inf

    def compared(self, x: Array, beyond: object) -> Array | None:
        """Return the negative inputs, the largest of which is the smallest of them; None of a soft minimum."""
        if not self.least:
            return None
        numbers = namespace(x).moveaxis(-x, -1, 0)
        return numbers if x.ndim > 2 else numbers.reshape(*numbers.shape, 1)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return those of the smallest of samples and reference; a soft minimum has none."""
        if not self.least:
            return super().multipliers(here, there, gs, rule)
        return winners.multipliers(self, here, there, gs[0], rule, least=True)

    def _shares(self, h: Array) -> tuple[Array, Array, Array]:
        """Return min h, p and log Σ exp(−γ (h − min h)); the first and last with size 1 along the last axis."""
        if h.ndim < 2 or not h.shape[-1]:
            raise ShapeError(f"SoftMin: no number to take the smallest of in an input of shape {h.shape}")
        xp, least = namespace(h), h.min(axis=-1, keepdims=True)
        if self.gamma == math.inf:
            powers = xp.where(h == least, scalar(1, h), scalar(0, h)).astype(h.dtype)
        else:
            no_exact_value(h, "exp")
            powers = xp.exp(scalar(-self.gamma, h) * (h - least))
        total = powers.sum(axis=-1, keepdims=True)
        hardly = self.gamma == math.inf
        return least, powers / total, least * scalar(0, h) if hardly else xp.log(total)

    def _made(self, z: Array, h: Array) -> Array:
        """Return a result with size 1 along the last axis of h in the shape of the output."""
        return z if h.ndim == 2 else z.reshape(h.shape[:-1])

    def _over(self) -> Any:
        return 0 if self.gamma == math.inf else 1 / self.gamma

    def forward(self, *xs: Array) -> Array:
        """Return o (N, ...)."""
        (h,) = xs
        if self.least:
            if h.ndim < 2 or not h.shape[-1]:
                raise ShapeError(f"SoftMin: no number to take the smallest of in an input of shape {h.shape}")
            return self._made(h.min(axis=-1, keepdims=True), h)
        least, _, log_total = self._shares(h)
        return self._made(least - log_total * scalar(self._over(), h), h)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return p_k g; of a hard minimum g at the smallest, divided among ties."""
        (h,) = xs
        _, p, _ = (replace(self, gamma=math.inf) if self.hard else self)._shares(h)
        return (p * g.reshape(*h.shape[:-1], 1),)

    def held(self, h: Array) -> Linear:
        """Return the linear map that this one is with p held constant at h."""
        least, p, log_total = self._shares(h)
        if self.hard:
            rest = least - (p * h).sum(axis=-1, keepdims=True)
        else:  # −H(p)/γ, of log p_k = −γ (h_k − min h) − log Σ
            rest = -(p * (h - least)).sum(axis=-1, keepdims=True) - log_total * scalar(self._over(), h)
        return _Held(p, self._made(rest, h))

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        rule = LRP0() if rule is None and self.share == "mean" else rule
        if rule is not None and not isinstance(rule, Rule):
            raise self._refuse(rule)
        self._expect(relevances, 1)
        (h,), (relevance,) = xs, relevances
        z = self.forward(h) if z is None else z
        same_shape(self, relevance, z)
        if rule is None:
            _, p, _ = self._shares(h)
            return Redistribution.routed((p * relevance.reshape(*h.shape[:-1], 1),), relevance)
        return share(self.held(h), xs, relevance, rule, Given(z=z))


@dataclass(frozen=True, eq=False, repr=False)
class _Held(Linear):
    """o = Σ_k p_k h_k + c with p held constant.

    Args:
        p: (N, ..., K), as rules edit it.
        rest: c, of the shape of the output; None for 0.
    """

    p: Array
    rest: Array | None

    def forward(self, *xs: Array) -> Array:
        """Return o."""
        (h,) = xs
        o = (self.p * h).sum(axis=-1, keepdims=h.ndim == 2)
        return o if self.rest is None else o + self.rest

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return p_k g."""
        return (self.p * g.reshape(*self.p.shape[:-1], 1),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the map with p and c edited."""
        rest = self.rest if bias == KEEP or self.rest is None else bias(self.rest)
        return replace(self, p=weights(self.p), rest=rest)

    def bias_map(self, z: Array) -> Array | None:
        """Return c."""
        return self.rest
