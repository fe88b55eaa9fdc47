"""The input domains of Deep Taylor: in each, the direction in which the root of a neuron is looked for.

A neuron z_j(x) = Σ_i x_i w_i + b_j has one root on the line a − t·v, and its first-order terms there are in
proportion to w_i v_i. So the direction v is the rule:

=============  ====================================================  =========
domain         v_i                                                   rule
=============  ====================================================  =========
Real           w_i                                                   w²
Positive       a_i·1[w_i > 0]                                        z⁺
Box            (a_i − l_i)·1[w_i > 0] + (a_i − h_i)·1[w_i < 0]       z^B
GammaDirection a_i·(1 + γ·1[w_i > 0])                                γ
=============  ====================================================  =========

Source: Montavon et al. 2017, §4 (w², z⁺, z^B); Montavon et al. 2019, §10.3 (γ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...arithmetic import scalar
from ...base.arrays import Array, namespace, to_numpy
from ...base.frozen import Value
from ...errors import ParameterError, unknown
from ...rules import Gamma, WSquare, ZBox, ZPlus
from ...rules.edits import Const
from ...rules.rule import Rule


class Domain(Value):
    """Base of the domains: a set of inputs, a direction for each neuron, and the rule that follows from it."""

    shows_defaults: ClassVar[bool] = True

    def direction(self, a: Array, weight: Array) -> Array:
        """Return v (N, ...) for inputs ``a`` and the weights of one neuron, both (N, ...)."""
        raise NotImplementedError

    def contains(self, x: Array) -> Array:
        """Return for each sample of ``x`` (N, ...) whether it is in the domain, border included: (N,) of bool."""
        raise NotImplementedError

    def rule(self) -> Rule:
        """Return the rule whose messages are the first-order terms at the root."""
        raise NotImplementedError

    def require(self, a: Array) -> None:
        """Raise if an expansion point lies outside of the domain, where the direction would not give the rule."""
        inside = to_numpy(self.contains(a))
        if not inside.all():
            raise ParameterError(f"sample {int(inside.argmin())} lies outside of the domain {self!r}: take another one")


def _every(found: Array) -> Array:
    return found.reshape(found.shape[0], -1).all(axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class Real(Domain):
    """Inputs of any sign, x ∈ ℝᵈ: v = w, the nearest root, the w²-rule.

    Source: Montavon et al. 2017, §4.
    """

    def direction(self, a: Array, weight: Array) -> Array:
        return weight

    def contains(self, x: Array) -> Array:
        return _every(x == x)

    def rule(self) -> Rule:
        return WSquare()


@dataclass(frozen=True, eq=False, repr=False)
class Positive(Domain):
    """Inputs x ≥ 0, such as those that come out of a ReLU: v_i = a_i·1[w_i > 0], the z⁺-rule.

    Source: Montavon et al. 2017, §4.
    """

    def direction(self, a: Array, weight: Array) -> Array:
        return namespace(a, weight).where(weight > 0, a, scalar(0, a))

    def contains(self, x: Array) -> Array:
        return _every(x >= 0)

    def rule(self) -> Rule:
        return ZPlus()


@dataclass(frozen=True, eq=False, repr=False)
class Box(Domain):
    """Inputs l ≤ x ≤ h, such as pixels: v_i = a_i − l_i·1[w_i > 0] − h_i·1[w_i < 0], the z^B-rule.

    Where w_i = 0 the input does not matter to the neuron and v_i is 0, so that the root stays in a box without 0.

    Args:
        low, high: a number, one per channel (C,), or an array of the sample's shape.

    Raises:
        ParameterError: low > high somewhere.

    Source: Montavon et al. 2017, §4.
    """

    low: Any
    high: Any

    def __post_init__(self) -> None:
        ZBox(self.low, self.high)

    def _bounds(self, x: Array) -> tuple[Array, Array]:
        return Const(self.low, "l_i")(x), Const(self.high, "h_i")(x)

    def direction(self, a: Array, weight: Array) -> Array:
        low, high = self._bounds(a)
        where = namespace(a, weight).where
        return where(weight > 0, a - low, where(weight < 0, a - high, scalar(0, a)))

    def contains(self, x: Array) -> Array:
        low, high = self._bounds(x)
        return _every((low <= x) & (x <= high))

    def rule(self) -> Rule:
        return ZBox(self.low, self.high)


@dataclass(frozen=True, eq=False, repr=False)
class GammaDirection(Domain):
    """The direction of LRP-γ, v_i = a_i·(1 + γ·1[w_i > 0]); stated for x ≥ 0, computed for any a.

    γ = 0 goes straight to the origin (LRP-0), γ → ∞ only along the positive weights (z⁺).

    Args:
        gamma: γ ≥ 0, without unit.

    Raises:
        ParameterError: γ < 0.

    Source: Montavon et al. 2019, §10.3.
    """

    gamma: Any = 0.25

    def __post_init__(self) -> None:
        Gamma(self.gamma)

    def direction(self, a: Array, weight: Array) -> Array:
        return a + scalar(self.gamma, a) * Positive().direction(a, weight)

    def contains(self, x: Array) -> Array:
        return Positive().contains(x)

    def rule(self) -> Rule:
        return Gamma(self.gamma)

    def require(self, a: Array) -> None:
        """Accept any a: the direction gives the γ-rule for every sign; ``inside`` tells whether the root is ≥ 0."""


DOMAINS: dict[str, type[Domain]] = {"real": Real, "positive": Positive, "box": Box, "gamma": GammaDirection}


def domain(name: str | Domain, **parameters: Any) -> Domain:
    """Return a domain by its name, or the domain that is given.

    Args:
        name: real, positive, box (with low=, high=), gamma (with gamma=), or a domain, which takes no parameters.

    Raises:
        ParameterError: a name or a parameter that is not known, or one that is missing.

    Example:
        >>> domain("box", low=0, high=1)
        Box(low=0, high=1)
    """
    if isinstance(name, Domain):
        if parameters:
            raise ParameterError(f"{name!r} has its parameters already; {', '.join(parameters)} would be ignored")
        return name
    if name not in DOMAINS:
        raise unknown("domain", str(name), DOMAINS)
    try:
        return DOMAINS[name](**parameters)
    except TypeError as error:
        given = ", ".join(parameters) or "nothing"
        raise ParameterError(
            f"domain '{name}': box needs low= and high=, gamma takes gamma=; given: {given}"
        ) from error
