"""Which rule of zennit's stands for which of lrp_ref's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, Pass, WSquare, ZBox, ZPlus
from ...rules.rule import WithBias
from ..named_rules import named
from ..task import NoRule

USUAL = 1e-6  # zennit's own, where a rule's denominators are to be taken as they are


def hook_of(layer: Any, rule: Any, operands: int) -> Any:
    """Return the hook of a layer under a rule; None for what zennit leaves to torch.

    Raises:
        NoRule: zennit has none of that name for the layer.
    """
    import zennit.rules

    match layer, named(layer, rule):
        case ((Route() | of.MaxPool() | of.Constant()), None):
            return None
        case ((of.Elementwise() | of.Affine()), Pass()):
            return zennit.rules.Pass()
        case of.Add(coefficients=()), (Epsilon() | LRP0()) as known:
            return _linear(known)
        case of.Linear(), known if operands == 1 and _weighs(layer, known):
            found = _linear(known)
            if found is not None:
                return found
    raise NoRule(f"zennit has no {type(rule).__name__} for a {type(layer).__name__}")


def _weighs(layer: Any, rule: Any) -> bool:
    """Return whether the layer's weights are parameters of its module, or the rule does not look at their signs."""
    plain = isinstance(layer, of.Affine) and any(p is not None and p.ndim > 1 for p in (layer.scale, layer.shift))
    if isinstance(layer, of.Unweighted):
        return isinstance(rule, Epsilon | LRP0 | Flat | WSquare)
    return not plain or isinstance(rule, Epsilon | LRP0)


def _linear(rule: Any) -> Any:
    from zennit import rules

    if isinstance(rule, WithBias):
        if rule.policy != "ignore":
            raise NoRule(f"zennit has no rule under the bias policy '{rule.policy}'")
        return _linear_of(rule.rule, ["bias"], rules)
    return _linear_of(rule, None, rules)


def _linear_of(rule: Any, zero: Any, rules: Any) -> Any:
    match rule:
        case Epsilon() | LRP0():
            return rules.Epsilon(_stabiliser(rule), zero)
        case ZPlus():
            return rules.ZPlus(_stabiliser(rule), zero)
        case AlphaBeta(alpha=alpha, beta=beta):
            return rules.AlphaBeta(float(alpha), float(beta), _stabiliser(rule), zero)
        case Gamma(gamma=gamma) | GeneralizedGamma(gamma=gamma):
            return rules.Gamma(float(gamma), _stabiliser(rule), zero)
        case ZBox(low=low, high=high) if low is not None and high is not None:
            return rules.ZBox(_bound(low), _bound(high), _stabiliser(rule), zero)
        case WSquare():
            return rules.WSquare(_stabiliser(rule), zero)
        case Flat():
            return rules.Flat(_stabiliser(rule), zero)
    return None


def _stabiliser(rule: Any) -> Any:
    from zennit.core import Stabilizer

    if isinstance(rule, Epsilon):
        if rule.bias_share or rule.stabiliser_share:
            raise NoRule("zennit has no ε-rule that spreads the bias over the inputs")
        return Stabilizer(float(rule.epsilon))
    kind, epsilon = rule.stabiliser.kind, float(rule.stabiliser.epsilon)
    if kind == "exact":
        return Stabilizer(USUAL)
    return Stabilizer(epsilon, clip=kind == "clip", norm_scale=kind == "relative")


def _bound(value: Any) -> Any:
    """Return a bound of the inputs: a number, one per channel, or one per value, with the batch in front."""
    import torch

    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0:
        return float(array)
    return torch.from_numpy(array.copy())[None]
