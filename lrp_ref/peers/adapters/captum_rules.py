"""Which rule of Captum's stands for which of lrp_ref's."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, AlphaBeta, Epsilon, Gamma, GeneralizedGamma, Pass, ZPlus
from ..named_rules import named, strength
from ..task import NoRule

FUNCTION = "function"  # what is no module: Captum has no rule for it, and torch's gradient is right
ACTIVATIONS = (of.ReLU, of.Tanh)  # those that Captum passes relevance through without a rule
USUAL = 1e-9


def rule_of(layer: Any, rule: Any, operands: int) -> Any:
    """Return the rule of a layer, None for activations that have none, or ``FUNCTION``.

    Raises:
        NoRule: Captum has none of that name for the layer.
    """
    from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    match layer, named(layer, rule):
        case ((Route() | of.Constant()), None):
            return FUNCTION
        case of.MaxPool(), None:
            return EpsilonRule()
        case of.Elementwise(), Pass():
            return None if type(layer) in ACTIVATIONS else IdentityRule()
        case of.Affine(), Pass():
            return IdentityRule()
        case ((of.Add(coefficients=()) | of.Affine()), (Epsilon() | LRP0()) as known) if operands == 1 + isinstance(
            layer, of.Add
        ):
            return EpsilonRule(strength(known, USUAL))
        case of.Linear(), known if operands == 1 and not isinstance(layer, of.Affine):
            found = _linear(known)
            if found is not None:
                return found
    raise NoRule(f"Captum has no {type(rule).__name__} for a {type(layer).__name__}")


def _linear(rule: Any) -> Any:
    from captum.attr._utils import lrp_rules

    match rule:
        case Epsilon() | LRP0():
            return lrp_rules.EpsilonRule(strength(rule, USUAL))
        case ZPlus():
            found = lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)
        case AlphaBeta(alpha=alpha, beta=beta) if alpha == 1 and beta == 0:
            found = lrp_rules.Alpha1_Beta0_Rule()
        case Gamma(gamma=gamma) | GeneralizedGamma(gamma=gamma):
            found = lrp_rules.GammaRule(float(gamma))
        case _:
            return None
    found.STABILITY_FACTOR = strength(rule, USUAL)
    return found
