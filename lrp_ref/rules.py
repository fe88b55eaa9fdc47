"""Every published rule on one page: its formula, its source, its groups.

Conventions: a_i inputs, w_ij weights, b_j bias, z_j = Σ_i a_i w_ij + b_j, x⁺ = max(x, 0), x⁻ = min(x, 0),
sgn(0) = +1. Rules are frozen values; ``rule.formula()`` prints the formula from the groups that are executed.
Without ``stabiliser=`` a denominator is taken as it is, and a unit whose denominator is exactly 0 is dropped and
counted in the ledger. A bias stands in the denominator; :meth:`Rule.with_bias` leaves it out, or spreads what it
takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from .arithmetic import scalar
from .arrays import Array, namespace, require_range, sample_sum
from .edits import EXACT, KEEP, NEG, ONES, POS, SQUARE, ZERO, Boost, Const, Stabiliser, add
from .errors import ParameterError, ShapeError
from .layers.base import Layer, Universal
from .layers.elementwise import Clip, Sigmoid
from .layers.merge import PRODUCT_RULES
from .rule import Group, Redistribution, Rule, Run
from .values import Value, frozen, real

# Rules for linear layers -----------------------------------------------------------------------------------------


def _settle(rule: Value, *names: str) -> None:
    """Make numbers of a rule's parameters, or raise for what is none."""
    for name in names:
        object.__setattr__(rule, name, real(f"{type(rule).__name__}: {name}", getattr(rule, name)))


def _at_least_zero(rule: Value, name: str) -> None:
    _settle(rule, name)
    value = getattr(rule, name)
    if not value >= 0:
        raise ParameterError(f"{type(rule).__name__}: {name} must be ≥ 0, got {value}")


@dataclass(frozen=True, eq=False, repr=False)
class _Named(Rule):
    """Base of the named rules: the groups come from the parameters."""

    own_groups: tuple[Group, ...] = field(default=(), init=False, repr=False)


@dataclass(frozen=True, eq=False, repr=False)
class LRP0(_Named):
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
class Epsilon(_Named):
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
        _at_least_zero(self, "epsilon")
        for name in ("bias_share",) if self.stabiliser_share is None else ("bias_share", "stabiliser_share"):
            _settle(self, name)
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(f"Epsilon: {name} must be in [0, 1], got {value}")

    @property
    def groups(self) -> tuple[Group, ...]:
        share = self.bias_share if self.stabiliser_share is None else self.stabiliser_share
        return (Group((Run(),), stabiliser=add(self.epsilon), bias_share=self.bias_share, stabiliser_share=share),)


@dataclass(frozen=True, eq=False, repr=False)
class Gamma(_Named):
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
        _at_least_zero(self, "gamma")

    @property
    def groups(self) -> tuple[Group, ...]:
        boost = Boost(self.gamma, "pos")
        return (Group((Run(KEEP, boost, boost),), stabiliser=self.stabiliser),)


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedGamma(_Named):
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
        _at_least_zero(self, "gamma")

    @property
    def groups(self) -> tuple[Group, ...]:
        up, down = Boost(self.gamma, "pos"), Boost(self.gamma, "neg")
        return (
            Group((Run(POS, up, up), Run(NEG, down, ZERO)), gate="positive", stabiliser=self.stabiliser),
            Group((Run(POS, down, down), Run(NEG, up, ZERO)), gate="negative", stabiliser=self.stabiliser),
        )


@dataclass(frozen=True, eq=False, repr=False)
class AlphaBeta(_Named):
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
        _settle(self, "alpha", "beta")
        if not abs(self.alpha - self.beta - 1) <= 1e-12 or not self.beta >= 0:
            raise ParameterError(f"AlphaBeta: α − β must be 1 and β ≥ 0, got α={self.alpha}, β={self.beta}")

    @property
    def groups(self) -> tuple[Group, ...]:
        positive = Group((Run(POS, POS, POS), Run(NEG, NEG, ZERO)), weight=self.alpha, stabiliser=self.stabiliser)
        negative = Group((Run(POS, NEG, NEG), Run(NEG, POS, ZERO)), weight=-self.beta, stabiliser=self.stabiliser)
        return (positive,) if self.beta == 0 else (positive, negative)


@dataclass(frozen=True, eq=False, repr=False)
class ZPlus(_Named):
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
class WSquare(_Named):
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
class Flat(_Named):
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
class ZBox(_Named):
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


# Rules for any layer ---------------------------------------------------------------------------------------------


class Pass(Universal):
    """R_i = R_j: relevance passes unchanged through a layer whose input and output have one shape."""

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        _, r = _one_shape(self, layer, xs, relevances)
        return Redistribution.routed((r,), r)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = R_j"


def _one_shape(
    rule: Universal, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]
) -> tuple[Array, Array]:
    """Return the layer's only input and its relevance; raise unless they are one each, and of one shape."""
    shapes = [x.shape for x in xs], [r.shape for r in relevances]
    if len(xs) != 1 or shapes[0] != shapes[1]:
        raise ShapeError(
            f"{type(rule).__name__} on {type(layer).__name__}: input and output shapes differ: {shapes[0]}, {shapes[1]}"
        )
    (x,), (r,) = xs, relevances
    return x, r


def _nothing(xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> list[Array]:
    """Return zeros for every input, of the relevances' dtype."""
    return [namespace(*relevances).zeros(x.shape, dtype=relevances[0].dtype) for x in xs]


class Zero(Universal):
    """R_i = 0: all relevance is dropped, and counted."""

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        dropped = sum(sample_sum(r) for r in relevances)
        return Redistribution.routed(_nothing(xs, relevances), relevances[0], dropped=dropped)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = 0"


class Gradient(Universal):
    """R_i = Σ_j ∂z_j/∂a_i R_j: the derivative. Not conservative; the difference is in the ledger as dropped.

    Source: Simonyan et al. 2014 (as a saliency map of the start relevance 1).
    """

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        received = layer.pull(xs, relevances if len(relevances) > 1 else relevances[0])
        return _by_definition(received, relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = Σ_j ∂z_j/∂a_i·R_j"


def _by_definition(received: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
    """Return the redistribution of a rule that conserves nothing: what is missing was dropped by its definition."""
    lost = sum(sample_sum(r) for r in relevances) - sum(sample_sum(r) for r in received)
    return Redistribution.routed(received, relevances[0], dropped=lost)


class Deconv(Universal):
    """ReLU, or ReLU6, in a deconvolution network: R_i = R_j⁺. Source: Zeiler & Fergus 2014."""

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        _, r = _one_shape(self, layer, xs, relevances)
        return _by_definition((POS(r),), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = R_j⁺"


class Guided(Universal):
    """ReLU in guided backpropagation: R_i = [a_i > 0] R_j⁺; a clip (ReLU6) is open between its bounds.

    Source: Springenberg et al. 2015.
    """

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        x, r = _one_shape(self, layer, xs, relevances)
        if isinstance(layer, Clip):
            return _by_definition(layer.pull(xs, POS(r)), relevances)
        return _by_definition((namespace(r).where(x > 0, POS(r), scalar(0, r)),), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = [a_i > 0]·R_j⁺"


@dataclass(frozen=True, eq=False, repr=False)
class BetaSmooth(Universal):
    """ReLU with the derivative of a softplus: R_i = σ(β a_i) R_j; a clip has one softplus at each bound (ReLU6).

    Args:
        beta: sharpness β > 0.

    Source: Dombrowski et al. 2019.
    """

    beta: float = 10.0

    def __post_init__(self) -> None:
        _settle(self, "beta")
        if not self.beta > 0:
            raise ParameterError(f"BetaSmooth: beta must be > 0, got {self.beta}")

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        x, r = _one_shape(self, layer, xs, relevances)
        low, high = (layer.low, layer.high) if isinstance(layer, Clip) else (0, None)
        slope: Any = 1 if low is None else Sigmoid().forward(self.beta * (x - low))
        if high is not None:
            slope = slope - Sigmoid().forward(self.beta * (x - high))
        return _by_definition((r * slope,), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return f"R_i = σ({self.beta}·a_i)·R_j"


# Teaching examples: consistent or not, they show what a decomposition may look like ------------------------------


class Uniform(Universal):
    """Uniform decomposition of the teaching slides: every one of d inputs receives Σ_j R_j / d."""

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        whole, xp = sum(sample_sum(r) for r in relevances), namespace(*xs)
        size = sum(math.prod(x.shape[1:]) for x in xs)
        each = whole / scalar(max(size, 1), whole)
        received = [xp.zeros(x.shape, dtype=each.dtype) + each.reshape(x.shape[:1] + (1,) * (x.ndim - 1)) for x in xs]
        return Redistribution.routed(received, relevances[0], dropped=None if size else whole)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = Σ_j R_j / d"


@dataclass(frozen=True, eq=False, repr=False)
class AllToOne(Universal):
    """All relevance to one input of the first operand: the teaching slides' degenerate decomposition.

    Args:
        index: position in a flattened sample (C order).
    """

    index: int = 0

    def run(self, layer: Layer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        size = math.prod(xs[0].shape[1:])
        if not -size <= self.index < size:
            raise ParameterError(f"AllToOne: index {self.index} does not exist in a sample of shape {xs[0].shape[1:]}")
        first, *others = _nothing(xs, relevances)
        flat = first.reshape(first.shape[0], size)
        flat[:, self.index] = sum(sample_sum(r) for r in relevances)
        return Redistribution.routed([flat.reshape(first.shape), *others], relevances[0])

    def formula(self) -> str:
        """Return the formula."""
        return f"R_i = [i = {self.index}]·Σ_j R_j"


class Natural(LRP0):
    """Natural decomposition of an additive function f = Σ_p f_p(x_p): R_p = f_p(x_p).

    On the layer that sums the parts (Sum, Add, Dense without bias) it is LRP-0, and with R = f exactly the parts.
    """


# Rules of particular layers --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Product(Value):
    """How a product of two signals shares its relevance: signal, prop, abs or half (see ``layers.Multiply``).

    Source: Arras et al. 2017 (LRP-all), 2019 (LRP-prop, -abs, -half).
    """

    shows_defaults: ClassVar[bool] = True

    product: str = "signal"

    def __post_init__(self) -> None:
        if self.product not in PRODUCT_RULES:
            raise ParameterError(f"Product: rule must be one of {', '.join(PRODUCT_RULES)}, got {self.product!r}")

    def formula(self) -> str:
        """Return the formula."""
        return {
            "signal": "R_signal = R, R_gate = 0",
            "prop": "R_k = x_k/(x_0 + x_1)·R",
            "abs": "R_k = |x_k|/(|x_0| + |x_1|)·R",
            "half": "R_k = R/2",
        }[self.product]


@dataclass(frozen=True, eq=False, repr=False)
class Recurrent(Value):
    """Rules inside a recurrent cell; a product of gate and signal gives all to the signal (LRP-all).

    ``Epsilon(ε, bias_share=δ)`` on an LSTM is short for ``Recurrent(Epsilon(ε, δ), Epsilon(ε, δ))``.

    Args:
        dense: rule of the cell-input pre-activations.
        state: rule of the sum c_t = i⊙g + f⊙c_{t−1}.

    Source: Arras et al. 2017, §2; 2019, §11.3.
    """

    shows_defaults: ClassVar[bool] = True

    dense: Rule = Epsilon(1e-3)
    state: Rule = Epsilon(1e-3)

    def with_bias(self, policy: str) -> Recurrent:
        """Return the rules under a bias policy, see ``Rule.with_bias``; the sum c_t has no bias.

        Raises:
            ParameterError: another policy.
        """
        return replace(self, dense=self.dense.with_bias(policy))

    def formula(self) -> str:
        """Return the formulas."""
        return f"cell input: {self.dense.formula()}; c_t: {self.state.formula()}; products: R_signal = R, R_gate = 0"


RULES: dict[str, type[Value]] = {
    rule.__name__: rule
    for rule in (
        AllToOne, AlphaBeta, BetaSmooth, Deconv, Epsilon, Flat, Gamma, GeneralizedGamma, Gradient, Guided, LRP0,
        Natural, Pass, Product, Recurrent, Uniform, WSquare, ZBox, ZPlus, Zero,
    )
}  # fmt: skip
