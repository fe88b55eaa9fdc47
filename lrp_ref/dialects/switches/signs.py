"""Rules that look at signs: αβ, z⁺ and γ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...rules import linear
from ...rules.edits import KEEP, NEG, POS
from ...rules.groups import Run
from ..foreign import SquaredBoost, grouped
from .switch import is_named, switch, with_biases


@switch(
    "ab-bias-both",
    "αβ: the whole bias b⁺ + b⁻ in both denominators; Bach et al. 2015: b⁺ in one, b⁻ in the other",
    "iNNvestigate",
)
def _ab_bias_both(layer: Any, rule: Any) -> Any:
    return with_biases(rule, "ab-bias-both", KEEP) if is_named(rule, "AlphaBeta") else None


@switch(
    "ab-bias-full",
    "α1β0: weights clamped, inputs not split by sign, the whole bias in the denominator; Bach et al. 2015: b⁺",
    "Captum",
)
def _ab_bias_full(layer: Any, rule: Any) -> Any:
    if not is_named(rule, "AlphaBeta") or len(rule.groups) != 1:
        return None
    return grouped(rule, "ab-bias-full", lambda g: replace(g, runs=(Run(KEEP, POS, KEEP),)))


@switch("ab-no-bias", "αβ without any bias; Bach et al. 2015: b⁺ and b⁻ in the denominators", "iNNvestigate, TorchLRP")
def _ab_no_bias(layer: Any, rule: Any) -> Any:
    return rule.with_bias("ignore") if is_named(rule, "AlphaBeta") else None


@switch(
    "ab-split-denominators",
    "αβ, z⁺: what positive and what negative inputs contribute is divided by a sum of its own; published is one sum",
    "Transformer-Explainability",
)
def _ab_split_denominators(layer: Any, rule: Any) -> Any:
    if not is_named(rule, "AlphaBeta", "ZPlus"):
        return None
    return grouped(rule, "ab-split-denominators", lambda g: [replace(g, runs=(run,)) for run in g.runs])


@switch(
    "unsplit",
    "αβ, z⁺ as a·w⁺ (a·w⁻): inputs not split by sign, as published for inputs ≥ 0 only",
    "Captum, iNNvestigate (ZPlusFast), many ports",
)
def _unsplit(layer: Any, rule: Any) -> Any:
    if not is_named(rule, "AlphaBeta", "ZPlus") or len(rule.groups) > 2:  # another switch has split them
        return None
    signs = iter((POS, NEG))
    return grouped(rule, "unsplit", lambda g: replace(g, runs=(replace(g.runs[0], inputs=KEEP, weights=next(signs)),)))


@switch(
    "zplus-bias",
    "the rule called z⁺ has b⁺ in the denominator: it is αβ with α = 1, β = 0; Montavon et al. 2017 have no bias",
    "zennit, RelevancePropagation.jl",
)
def _zplus_bias(layer: Any, rule: Any) -> Any:
    return linear.AlphaBeta(1, 0, rule.stabiliser) if isinstance(rule, linear.ZPlus) else None


@switch(
    "deep-taylor-input",
    "z⁺ in the first layer too, where Montavon et al. 2017 take w² or z^B",
    "iNNvestigate",
)
def _deep_taylor_input(layer: Any, rule: Any) -> Any:
    return linear.ZPlus(rule.stabiliser) if isinstance(rule, linear.WSquare | linear.ZBox) else None


# γ -------------------------------------------------------------------------------------------------------------------


@switch("gamma-bias", "γ: the bias is not enhanced; in Montavon et al. 2019 it is a weight, b + γb⁺", "Captum")
def _gamma_bias(layer: Any, rule: Any) -> Any:
    if not is_named(rule, "Gamma", "GeneralizedGamma"):
        return None
    return with_biases(rule, "gamma-bias", KEEP)


@switch("gamma-square", "w + γ(w⁺)²; Montavon et al. 2019: w + γw⁺", "TorchLRP")
def _gamma_square(layer: Any, rule: Any) -> Any:
    if not isinstance(rule, linear.Gamma):
        return None
    boost = SquaredBoost.of(rule.gamma)
    return grouped(rule, "gamma-square", lambda g: replace(g, runs=(Run(KEEP, boost, boost),)))


@switch(
    "gamma-generalised",
    "the rule called γ is the generalised one of Andéol et al. 2021, by the signs of inputs and z",
    "zennit",
)
def _gamma_generalised(layer: Any, rule: Any) -> Any:
    return linear.GeneralizedGamma(rule.gamma, rule.stabiliser) if isinstance(rule, linear.Gamma) else None


@switch("gamma-plain", "the plain γ-rule in place of the generalised one", "RelevancePropagation.jl, Captum")
def _gamma_plain(layer: Any, rule: Any) -> Any:
    return linear.Gamma(rule.gamma, rule.stabiliser) if isinstance(rule, linear.GeneralizedGamma) else None


@switch("gamma-small-as-epsilon", "γ ≤ 0.01 is computed as the ε-rule", "autoLRP")
def _gamma_small(layer: Any, rule: Any) -> Any:
    if not isinstance(rule, linear.Gamma | linear.GeneralizedGamma) or not rule.gamma <= 0.01:
        return None
    return linear.LRP0(rule.stabiliser)


@switch("gamma-ignored", "γ = 0")
def _gamma_ignored(layer: Any, rule: Any) -> Any:
    gammas = isinstance(rule, linear.Gamma | linear.GeneralizedGamma)
    return linear.LRP0(rule.stabiliser) if gammas else None
