"""Which of zennit's hooks stands for which rule of lrp_ref's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers as of
from ... import rules
from ...layers.base import Route
from ...rules.rule import WithBias
from ..named_rules import named
from ..task import NoRule
from ..torch_calls import tensor

ON_RELU = {rules.Deconv: "ReLUDeconvNet", rules.Guided: "ReLUGuidedBackprop", rules.BetaSmooth: "ReLUBetaSmooth"}
UNSIGNED = (rules.Epsilon, rules.LRP0, rules.Flat, rules.WSquare)


def hook_of(zennit: Any, layer: of.Layer, rule: Any) -> Any:
    """Return the hook of a layer under a rule; None where torch's own gradient is its way.

    Raises:
        NoRule: there is none of that name for the layer.
    """
    policy = {"zero_params": "bias"} if isinstance(rule, WithBias) and rule.policy == "ignore" else {}
    known: Any = named(layer, rule.rule if policy else rule)
    if isinstance(known, rules.Gradient) or (
        known is None and isinstance(layer, Route | of.MaxPool | of.GlobalMaxPool | of.Constant)
    ):
        return None
    if isinstance(known, rules.Pass) and isinstance(layer, of.Elementwise | of.Affine | of.Softmax):
        return zennit.rules.Pass()
    if isinstance(layer, of.ReLU) and type(known) in ON_RELU:
        return getattr(zennit.rules, ON_RELU[type(known)])(*([float(known.beta)] if hasattr(known, "beta") else []))
    coefficients = isinstance(layer, of.Add) and layer.coefficients
    if not isinstance(layer, of.Linear) or coefficients or known is None:
        raise _missing(layer, rule)
    if isinstance(layer, of.Unweighted) and not isinstance(known, UNSIGNED):
        raise NoRule(
            f"zennit's {type(known).__name__} works on signs of parameters, and a {type(layer).__name__} has none"
        )
    if isinstance(known, rules.Epsilon | rules.LRP0):
        if isinstance(known, rules.Epsilon) and (known.bias_share or known.stabiliser_share):
            raise NoRule("zennit has no ε-rule that spreads the bias over the inputs")
        st = float(known.epsilon) if isinstance(known, rules.Epsilon) else _stabiliser(zennit, known)
        unweighted = isinstance(layer, of.Unweighted)
        return zennit.rules.Norm(st) if unweighted else zennit.rules.Epsilon(st, **policy)
    return _weighted(zennit.rules, known, {"stabilizer": _stabiliser(zennit, known), **policy}) or _fail(layer, rule)


def _weighted(hooks: Any, known: Any, more: dict[str, Any]) -> Any:
    match known:
        case rules.Gamma() | rules.GeneralizedGamma():  # one hook for both: the generalised rule
            return hooks.Gamma(float(known.gamma), **more)
        case rules.AlphaBeta():
            return hooks.AlphaBeta(float(known.alpha), float(known.beta), **more)
        case rules.ZPlus() | rules.WSquare() | rules.Flat():
            return getattr(hooks, type(known).__name__)(**more)
        case rules.ZBox():
            return hooks.ZBox(_bound(known.low), _bound(known.high), **more)
    return None


def _bound(value: Any) -> Any:
    """Return a bound as zennit takes it: a number, or a tensor with the batch in front."""
    array = np.asarray(value, dtype=np.float64)
    return tensor(array[None]) if array.ndim else float(array)


def _stabiliser(zennit: Any, rule: Any) -> Any:
    """Return the stabiliser of a rule: a number that is added, or zennit's own object."""
    found = rule.stabiliser
    if found.kind in ("exact", "add"):
        return float(found.epsilon)
    options = {"clip": True} if found.kind == "clip" else {"norm_scale": True}
    return zennit.core.Stabilizer(float(found.epsilon), **options)


def _missing(layer: Any, rule: Any) -> NoRule:
    return NoRule(f"zennit has no {type(rule).__name__} for a {type(layer).__name__}")


def _fail(layer: Any, rule: Any) -> Any:
    raise _missing(layer, rule)
