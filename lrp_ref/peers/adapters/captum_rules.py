"""captum's rules by their names."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ...rules import LRP0, AlphaBeta, Epsilon, Gamma, Pass, ZPlus
from ...rules.rule import WithBias
from ..named_rules import strength
from ..task import NoRule


def named_rule(layer: Any, rule: Any) -> Any:
    """Return captum's rule of the same name with the same numbers; its own one for max pools.

    Raises:
        NoRule: captum has none of this name for such a layer.
    """
    from captum.attr._utils import lrp_rules as rules

    ignored = isinstance(rule, WithBias) and rule.policy == "ignore"
    asked = rule.rule if ignored else rule
    if isinstance(asked, Epsilon | LRP0) or (asked is None and isinstance(layer, of.MaxPool)):
        strong = strength(asked) if asked is not None else 0.0
        return rules.EpsilonRule(strong) if strong else rules.EpsilonRule()
    if isinstance(asked, Gamma):
        return rules.GammaRule(float(asked.gamma), set_bias_to_zero=ignored)
    if isinstance(asked, ZPlus) or (isinstance(asked, AlphaBeta) and (asked.alpha, asked.beta) == (1, 0)):
        return rules.Alpha1_Beta0_Rule(set_bias_to_zero=ignored or isinstance(asked, ZPlus))
    if isinstance(asked, Pass):
        return rules.IdentityRule()
    raise NoRule(f"captum has no {type(asked).__name__ if asked is not None else 'rule'} for a {type(layer).__name__}")
