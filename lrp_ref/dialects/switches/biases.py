"""What becomes of a bias, and of what is spread over the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...rules import linear
from ...rules.cells import Recurrent
from ...rules.rule import Rule
from ..foreign import BiasByMagnitude
from .switch import epsilon_of, shares_none, switch, weighted


@switch("no-bias-in-denominator", "the bias left out of every denominator")
def _no_bias(layer: Any, rule: Any) -> Any:
    changed = rule.with_bias("ignore") if isinstance(rule, Rule) and weighted(layer) else None
    return None if changed is rule else changed


@switch("bias-to-inputs", "what the bias takes is spread evenly over the inputs")
def _bias_to_inputs(layer: Any, rule: Any) -> Any:
    changed = rule.with_bias("spread") if isinstance(rule, Rule) and weighted(layer) else None
    return None if changed is rule else changed


@switch(
    "bias-by-magnitude",
    "the bias first takes |b|/(|z| + |b|), z without it; the rule shares the rest without bias; no paper has it",
    "autoLRP",
)
def _bias_by_magnitude(layer: Any, rule: Any) -> Any:
    if not weighted(layer) or not shares_none(rule):
        return None
    return BiasByMagnitude(rule.with_bias("ignore"))


@switch(
    "eps-twice",
    "as bias-by-magnitude, with |b|/(|z| + |b| + ε): the ε of the rule stands there too, even where the bias is 0",
    "autoLRP",
)
def _eps_twice(layer: Any, rule: Any) -> Any:
    whole = rule if isinstance(rule, BiasByMagnitude) else _bias_by_magnitude(layer, rule)
    epsilon = 0 if whole is None else epsilon_of(whole.rule)
    return replace(whole, epsilon=epsilon) if epsilon else None


@switch("lstm-eps-share", "δ = 0 drops the ε-share too; Arras et al. 2017 spread it over the inputs", "LRP_for_LSTM")
def _lstm_eps_share(layer: Any, rule: Any) -> Any:
    if isinstance(rule, Recurrent):
        dense, state = _lstm_eps_share(layer, rule.dense), _lstm_eps_share(layer, rule.state)
        changed = dense is not None or state is not None
        return replace(rule, dense=dense or rule.dense, state=state or rule.state) if changed else None
    own = isinstance(rule, linear.Epsilon) and rule.stabiliser_share not in (None, rule.bias_share)
    return replace(rule, stabiliser_share=None) if own else None
