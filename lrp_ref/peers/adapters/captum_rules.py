"""Which of Captum's rules stands for which of lrp_ref's."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ... import rules
from ...layers.base import Route
from ...rules.rule import WithBias
from ..named_rules import named, strength
from ..task import NoRule


def rule_of(layer: of.Layer, rule: Any) -> Any:
    """Return Captum's rule; None for a function, or an activation that it knows."""
    from captum.attr._utils import lrp_rules as theirs

    ignored = isinstance(rule, WithBias) and rule.policy == "ignore"
    known: Any = named(layer, rule.rule if ignored else rule)
    match layer, known:
        case ((Route() | of.Constant()), None) | ((of.ReLU() | of.Tanh()), rules.Pass()):
            return None
        case ((of.MaxPool() | of.GlobalMaxPool()), None):
            return theirs.EpsilonRule()
        case ((of.Elementwise() | of.Affine()), rules.Pass()):
            return theirs.IdentityRule()
        case ((of.Linear() | of.MaxPool()), (rules.Epsilon() | rules.LRP0())) if not ignored:
            return theirs.EpsilonRule(strength(known))
        case of.Linear(), (rules.Gamma() | rules.GeneralizedGamma()):  # it has one γ-rule
            found = theirs.GammaRule(float(known.gamma), ignored)
        case of.Linear(), rules.AlphaBeta(alpha=1, beta=0):
            found = theirs.Alpha1_Beta0_Rule(ignored)
        case of.Linear(), rules.ZPlus():  # which it calls Deep Taylor, with this option
            found = theirs.Alpha1_Beta0_Rule(set_bias_to_zero=True)
        case _:
            raise NoRule(f"Captum has no {type(rule).__name__} for a {type(layer).__name__}")
    found.STABILITY_FACTOR = strength(known)
    return found
