"""Mistakes that any program may have."""

from __future__ import annotations

from typing import Any

from ...layers import Add, Linear
from ...rules import linear, universal
from ...rules.rule import Rule
from ..foreign import ByMagnitude, NotDivided
from .switch import is_named, switch, weighted


@switch("rule-ignored", "LRP-0 whatever the rule")
def _rule_ignored(layer: Any, rule: Any) -> Any:
    return linear.LRP0() if isinstance(rule, Rule) and not isinstance(rule, linear.LRP0) else None


@switch("gradient", "Σ_j w_ij R_j: the gradient, not LRP")
def _gradient(layer: Any, rule: Any) -> Any:
    return universal.Gradient() if isinstance(rule, Rule) and weighted(layer) else None


@switch("gradient-times-input", "a_i Σ_j w_ij R_j: nothing is divided")
def _gradient_times_input(layer: Any, rule: Any) -> Any:
    # Of sums too: Captum multiplies what comes back through a bare + by the operand, where a module reads that as well.
    return NotDivided() if isinstance(rule, Rule) and (weighted(layer) or isinstance(layer, Add)) else None


@switch("input-factor-missing", "Σ_j w_ij R_j/(z_j + ε sgn z_j): a_i is missing")
def _input_factor_missing(layer: Any, rule: Any) -> Any:
    if not is_named(rule, "LRP0", "Epsilon") or not isinstance(layer, Linear):
        return None
    return NotDivided(factor=False, stabiliser=rule.groups[0].stabiliser)


@switch("absolute", "in proportion to |a_i w_ij|")
def _absolute(layer: Any, rule: Any) -> Any:
    return ByMagnitude() if isinstance(rule, Rule) and weighted(layer) else None


@switch("layer-skipped", "relevance is handed on unchanged")
def _layer_skipped(layer: Any, rule: Any) -> Any:
    return universal.Pass() if isinstance(rule, Rule) else None
