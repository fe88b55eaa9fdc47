"""The rules for linear layers: each with its formula, its source and its groups.

Conventions: a_i inputs, w_ij weights, b_j bias, z_j = Σ_i a_i w_ij + b_j, x⁺ = max(x, 0), x⁻ = min(x, 0),
sgn(0) = +1. Without ``stabiliser=`` a denominator is taken as it is, and a unit whose denominator is exactly 0 is
dropped and counted in the ledger. A bias stands in the denominator; :meth:`Rule.with_bias` leaves it out, or spreads
what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..base.arrays import require_range
from ..base.frozen import Value, frozen, real, reals
from ..errors import ParameterError
from .edits import EXACT, KEEP, NEG, ONES, POS, SQUARE, ZERO, Boost, Const, Less, Stabiliser, add
from .rule import Group, Rule, Run


def settle(rule: Value, *names: str) -> None:
    """Make numbers of a rule's parameters, or raise for what is none."""
    for name in names:
        object.__setattr__(rule, name, real(f"{type(rule).__name__}: {name}", getattr(rule, name)))


def at_least_zero(rule: Value, name: str) -> None:
    """Make a number of a rule's parameter, or raise unless it is ≥ 0."""
    settle(rule, name)
    value = getattr(rule, name)
    if not value >= 0:
        raise ParameterError(f"{type(rule).__name__}: {name} must be ≥ 0, got {value}")


@dataclass(frozen=True, eq=False, repr=False)
class Named(Rule):
    """Base of the named rules: the groups come from the parameters."""

    own_groups: tuple[Group, ...] = field(default=(), init=False, repr=False)


@dataclass(frozen=True, eq=False, repr=False)
class LRP0(Named):
    """LRP-0 (z-rule): R_i = Σ_j a_i w_ij / z_j · R_j.

    Args:
        stabiliser: of the denominator; exact by default.

    Source: Bach et al. 2015; Montavon et al. 2019, §10.2.1.
    """

    stabiliser: Stabiliser = EXACT

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group((Run(),), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class Epsilon(Named):
    """LRP-ε: R_i = Σ_j a_i w_ij / (z_j + ε sgn z_j) · R_j.

    With δ (``bias_share``), δ (b_j + ε sgn z_j)/(z_j + ε sgn z_j) · R_j is spread evenly over the N_j inputs of unit
    j, so that δ = 1 conserves exactly.

    Args:
        epsilon: ε ≥ 0, in the unit of z.
        bias_share: δ in [0, 1].
        stabiliser_share: the share of the ε-term that is spread, where it differs from δ (Arras et al. 2017 spread
            all of it at δ = 0 too); None for δ.

    Raises:
        ParameterError: ε < 0, or a share outside [0, 1].

    Source: Bach et al. 2015; Montavon et al. 2019, §10.2.1; δ: Arras et al. 2017, 2019.

    Example:
        >>> Epsilon(0.25).formula()
        'R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j + 0.25·sgn(z_j))·R_j'
    """

    epsilon: Any = 1e-6
    bias_share: Any = 0
    stabiliser_share: Any = None

    def __post_init__(self) -> None:
        at_least_zero(self, "epsilon")
        for name in ("bias_share",) if self.stabiliser_share is None else ("bias_share", "stabiliser_share"):
            settle(self, name)
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(f"Epsilon: {name} must be in [0, 1], got {value}")

    @property
    def groups(self) -> tuple[Group, ...]:
        share = self.bias_share if self.stabiliser_share is None else self.stabiliser_share
        return (Group((Run(),), stabiliser=add(self.epsilon), bias_share=self.bias_share, stabiliser_share=share),)


@dataclass(frozen=True, eq=False, repr=False)
class Gamma(Named):
    """LRP-γ (plain): R_i = Σ_j a_i (w_ij + γ w_ij⁺) / Σ_i (…) · R_j; the bias is a weight, b_j + γ b_j⁺.

    Stated for a ≥ 0; with negative inputs see :class:`GeneralizedGamma`.

    Args:
        gamma: γ ≥ 0, without unit.
        stabiliser: of the denominator; exact by default.

    Raises:
        ParameterError: γ < 0.

    Source: Montavon et al. 2019, §10.2.1.
    """

    gamma: Any = 0.25
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        at_least_zero(self, "gamma")

    @property
    def groups(self) -> tuple[Group, ...]:
        boost = Boost(self.gamma, "pos")
        return (Group((Run(KEEP, boost, boost),), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedGamma(Named):
    """Generalised LRP-γ for inputs and outputs of any sign; relevance of units with z_j = 0 is dropped.

    Formula: z_j > 0: (a⁺(w + γw⁺) + a⁻(w + γw⁻)) / (Σ + b + γb⁺);
    z_j < 0: (a⁺(w + γw⁻) + a⁻(w + γw⁺)) / (Σ + b + γb⁻).

    Args:
        gamma: γ ≥ 0.
        stabiliser: of the denominators; exact by default.

    Raises:
        ParameterError: γ < 0.

    Source: Andéol et al. 2021.
    """

    gamma: Any = 0.25
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        at_least_zero(self, "gamma")

    @property
    def groups(self) -> tuple[Group, ...]:
        up, down = Boost(self.gamma, "pos"), Boost(self.gamma, "neg")
        return (
            Group((Run(POS, up, up), Run(NEG, down, ZERO)), gate="positive", stabiliser=self.stabiliser),
            Group((Run(POS, down, down), Run(NEG, up, ZERO)), gate="negative", stabiliser=self.stabiliser),
        )


@dataclass(frozen=True, eq=False, repr=False)
class AlphaBeta(Named):
    """LRP-αβ: R_i = Σ_j (α z_ij⁺/(Σ_i z_ij⁺ + b_j⁺) − β z_ij⁻/(Σ_i z_ij⁻ + b_j⁻)) · R_j with α − β = 1.

    A unit whose positive or negative part is empty drops that group's relevance; the ledger counts it.

    Args:
        alpha, beta: α − β = 1, β ≥ 0.
        stabiliser: of both denominators; exact by default.

    Raises:
        ParameterError: α − β ≠ 1 or β < 0.

    Source: Bach et al. 2015 (there α + β = 1 with β ≤ 0).
    """

    alpha: Any = 2
    beta: Any = 1
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        settle(self, "alpha", "beta")
        if not abs(self.alpha - self.beta - 1) <= 1e-12 or not self.beta >= 0:
            raise ParameterError(f"AlphaBeta: α − β must be 1 and β ≥ 0, got α={self.alpha}, β={self.beta}")

    @property
    def groups(self) -> tuple[Group, ...]:
        positive = Group((Run(POS, POS, POS), Run(NEG, NEG, ZERO)), weight=self.alpha, stabiliser=self.stabiliser)
        negative = Group((Run(POS, NEG, NEG), Run(NEG, POS, ZERO)), weight=-self.beta, stabiliser=self.stabiliser)
        return (positive,) if self.beta == 0 else (positive, negative)


@dataclass(frozen=True, eq=False, repr=False)
class ZPlus(Named):
    """z⁺-rule: R_i = Σ_j z_ij⁺ / Σ_i z_ij⁺ · R_j, without any bias.

    Not the same as AlphaBeta(1, 0), which has b⁺ in the denominator.

    Args:
        stabiliser: of the denominator; exact by default.

    Source: Montavon et al. 2017 (Deep Taylor Decomposition), domain a ≥ 0.
    """

    stabiliser: Stabiliser = EXACT

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group((Run(POS, POS, ZERO), Run(NEG, NEG, ZERO)), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class WSquare(Named):
    """w²-rule: R_i = Σ_j w_ij² / Σ_i w_ij² · R_j, over the taps that exist (padding does not).

    Args:
        stabiliser: of the denominator; exact by default.

    Source: Montavon et al. 2017 (Deep Taylor Decomposition), domain ℝᵈ.
    """

    stabiliser: Stabiliser = EXACT

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group((Run(ONES, SQUARE, ZERO),), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class Flat(Named):
    """Flat rule: R_i = Σ_j 1/N_j · R_j, uniform over the N_j inputs of unit j that exist (padding does not).

    Args:
        stabiliser: of the denominator; exact by default.

    Source: Lapuschkin et al. 2017.
    """

    stabiliser: Stabiliser = EXACT

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group((Run(ONES, ONES, ZERO),), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class ZBox(Named):
    """z^B-rule for l ≤ a ≤ h: R_i = Σ_j (a_i w_ij − l_i w_ij⁺ − h_i w_ij⁻) / Σ_i (…) · R_j, without bias.

    Args:
        low, high: bounds of the inputs in the network's input space: a number, one per channel (C,), or an array of
            the sample's shape; None for the range that the network's input declares (``Input.low`` and ``high``), which
            a composite fills in.
        stabiliser: of the denominator; exact by default.

    Raises:
        ParameterError: low > high somewhere.

    Source: Montavon et al. 2017 (Deep Taylor Decomposition), domain of bounded inputs.
    """

    low: Any = None
    high: Any = None
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if self.low is not None and self.high is not None:
            require_range("ZBox", self.low, self.high)

    @property
    def groups(self) -> tuple[Group, ...]:
        low, high = Const(self.low, "l_i"), Const(self.high, "h_i")
        runs = (Run(KEEP, KEEP, ZERO), Run(low, POS, ZERO, -1), Run(high, NEG, ZERO, -1))
        return (Group(runs, stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class Reference(Named):
    """Reference rule: R_i = Σ_j (a_i − x0_i) w_ij / Σ_i (a_i − x0_i) w_ij · R_j, without bias.

    What is shared is z_j(a) − z_j(x0): an input that does not differ from x0 gets nothing. To be used where the zero of
    an input is no natural point to compare with. Three rules are cases of it:

    - x0 = 0: LRP-0 without bias, ``LRP0().with_bias("ignore")``.
    - x0 = the mean of the training data. Started at R_j = z_j(a) − z_j(x0) (``lrp.start.Reference(z_j(x0))``), R_i is
      Σ_j (a_i − x0_i) w_ij, what the input adds to the output of the mean. Another R_j is shared in the same
      proportions, which are scaled by R_j / (z_j(a) − z_j(x0)): large where the output is nearly that of the mean.
    - x0 = a root of the unit, z_j(x0) = 0, such as the midpoint of two centres for the difference of the squared
      distances to them. The denominator is then z_j with its bias: the inputs absorb the bias exactly.

    Args:
        x0: the reference, in the unit of what the node reads in the network as it is explained (canonizing merges an
            Affine into the layer behind it, which then reads the Affine's input): a number, one per channel (C,), or
            an array of the sample's shape. Unlike the bounds of z^B it is not taken from the network's input: a range
            is declared there, a reference is a choice. Padding has no reference: its zeros stay zeros.
        stabiliser: of the denominator; exact by default.

    Raises:
        ParameterError: x0 is no finite number, nor an array of such.
        ShapeError: x0 does not fit the inputs, when the rule runs.

    Source: Bach et al. 2015 (Taylor decomposition at a root; a linear unit is its first order); Kauffmann et al. 2022
    (midpoint).

    See also: :class:`lrp_ref.start.Reference`, another thing: the value of an output that its relevance starts from.

    Example:
        >>> Reference(0.5).formula()
        'R_i = Σ_j (a_i − x0_i)·w_ij / (Σ_i (a_i − x0_i)·w_ij)·R_j'
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense
        >>> layer = Dense(np.array([[2.0], [-1.0]]), np.array([-1.0]))  # 0 at (1, 1)
        >>> layer.relevance_backward(np.array([[3.0, 2.0]]), np.array([[3.0]]), Reference([1.0, 1.0]))
        array([[ 4., -1.]])
    """

    x0: Any = 0
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        object.__setattr__(self, "x0", reals("Reference: x0", self.x0))

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group((Run(Less(self.x0, "x0_i"), KEEP, ZERO),), stabiliser=self.stabiliser),)
