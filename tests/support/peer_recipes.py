"""Which rule of this package reproduces which case of which program.

:func:`recipe` also says whether that is the rule of the paper that the case's name refers to, under that name here
("paper"), or a departure from it ("dialect", with the ids of ``DIALECTS``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peer_cases import Case

from lrp_ref import rules
from lrp_ref.base.arrays import sample_sum
from lrp_ref.layers import LSTM, AveragePool, Conv, Dense, Layer, MaxPool, SumPool
from lrp_ref.propagation import composites
from lrp_ref.propagation.composites import first
from lrp_ref.rules import Universal
from lrp_ref.rules.edits import EXACT, KEEP, NEG, ONES, POS, SQUARE, ZERO, Boost, Stabiliser, add
from lrp_ref.rules.rule import Group, Redistribution, Rule, Run

WEIGHTED = (Dense, Conv)
POOLS = (AveragePool, SumPool)

DIALECTS = {
    "ab-bias-both": "αβ: the whole bias b⁺ + b⁻ in both denominators; Bach et al. 2015: b⁺ in one, b⁻ in the other",
    "ab-bias-full": "α1β0: the whole bias in the denominator, weights clamped, inputs not split by sign",
    "ab-no-bias": "αβ without any bias; Bach et al. 2015 have b⁺ and b⁻ in the denominators",
    "deep-taylor-input": "Deep Taylor with z⁺ in the first layer too, where inputs of both signs call for w² or z^B",
    "first-layer": "the rule for the first layer does not reach a convolution behind a padding layer",
    "gamma-bias": "γ: the bias is not enhanced; in Montavon et al. 2019 it is a weight, b + γb⁺",
    "gamma-generalised": "the rule called γ is the generalised one of Andéol et al. 2021",
    "lstm-eps-share": "bias share δ = 0: the ε-share is dropped too; Arras et al. 2017 spread it",
    "maxpool-flat": "flat and w² hand relevance to every position of a max pool's window, not to the winner",
    "maxpool-ties": "max pool: equal winners share; elsewhere the first takes all",
    "maxpool-zero": "max pool multiplies by a/(a + ε sgn a): a little is lost, all of it where the maximum is 0",
    "sumpool-scale": "the pool is a sum scaled by 1/√window, and its stabiliser belongs to the sum before the scaling",
    "unsplit": "α1β0 or z⁺ as a·w⁺: inputs not split by sign, as published for a ≥ 0 only",
    "wsquare-bias": "w² with b² in the denominator; Montavon et al. 2017 have no bias",
    "zplus-bias": "the rule called z⁺ has b⁺ in the denominator: it is αβ with α = 1, β = 0",
}


# Rules that other programs have and no paper ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class WinnerTimes(Universal):
    """Max pool as the ε-rule of its derivative: R_i = a_i Σ_p [i wins p] R_p/(z_p + ε sgn z_p)."""

    epsilon: float = 1e-6

    def run(self, layer: Layer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        (x,), (relevance,) = xs, relevances
        (pulled,) = layer.pull(xs, relevance / add(self.epsilon)(layer.forward(x)))
        received = x * pulled
        return Redistribution.routed((received,), relevance, dropped=sample_sum(relevance) - sample_sum(received))

    def formula(self) -> str:
        return f"R_i = a_i Σ_p [i wins p] R_p/(z_p + {self.epsilon}·sgn(z_p))"


@dataclass(frozen=True, eq=False, repr=False)
class WholeWindow(Universal):
    """Max pool by the flat rule: R_i = Σ_p [i in window p] R_p/(size of the window)."""

    def run(self, layer: Layer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        return SumPool(layer.kernel, layer.stride).redistribute(xs[0], relevances[0], rules.Flat())

    def formula(self) -> str:
        return "R_i = Σ_p [i in window p] R_p/N_p"


def both_biases(alpha: float, beta: float) -> Rule:
    """αβ with the whole bias in both denominators."""
    positive = Group((Run(POS, POS, KEEP), Run(NEG, NEG, ZERO)), weight=alpha)
    negative = Group((Run(POS, NEG, KEEP), Run(NEG, POS, ZERO)), weight=-beta)
    return Rule((positive, negative) if beta else (positive,))


def clamped(bias: Any, stabiliser: Stabiliser) -> Rule:
    """α1β0 with clamped weights, inputs of both signs and the bias as ``bias`` leaves it."""
    return Rule((Group((Run(KEEP, POS, bias),), stabiliser=stabiliser),))


def gamma_keeping_bias(gamma: float, stabiliser: Stabiliser) -> Rule:
    """γ whose bias is not enhanced."""
    return Rule((Group((Run(KEEP, Boost(gamma, "pos"), KEEP),), stabiliser=stabiliser),))


def square_of_bias(stabiliser: Stabiliser) -> Rule:
    """w² with b² in the denominator."""
    return Rule((Group((Run(ONES, SQUARE, SQUARE),), stabiliser=stabiliser),))


# Recipes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a case is reproduced.

    Attributes:
        composite: of this package.
        dialects: ids of ``DIALECTS``; empty where this is the papers' rule.
        paper: what the papers' rule would be, where that is something else.
        start: "stored", or "one" or "positive": the stored start relevance as 1, or without negative values.
        times_input: whether the input's relevance is multiplied by the input.
        options: of :func:`network`; the papers' rule is tried without ``sum_pool`` and ``ties``.
    """

    composite: Any
    dialects: tuple[str, ...] = ()
    paper: Any = None
    start: str = "stored"
    times_input: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return "dialect" if self.dialects else "paper"


def composite(weighted: Any, *special: tuple[Any, Any], pools: Any = None) -> composites.Composite:
    """Return one rule for dense and convolution layers, special entries first, another rule for average pools."""
    entries = [*special, (WEIGHTED, weighted)]
    return composites.Composite([*entries, (POOLS, pools)] if pools is not None else entries)


def flat_first(stabiliser: Stabiliser = EXACT) -> tuple[Any, Any]:
    return first(*WEIGHTED), rules.Flat(stabiliser)


def zennit(case: Case) -> Recipe:
    """Return the recipe of a case of zennit: every denominator + 1e-6, average pools ε = 1e-6."""
    name, given, has_conv = case.rule, case.parameters, case.model != "A"
    tiny = add(1e-6)
    bare = name.removesuffix("_nobias")
    epsilon = rules.Epsilon(given.get("epsilon", 1e-6))
    if name in ZENNIT_PRESETS:
        chosen = composites.get(ZENNIT_PRESETS[name], **{k: given[k] for k in ("low", "high") if k in given})
        if name.startswith("EpsilonPlus") and has_conv:
            special = [flat_first(tiny)] if name.endswith("Flat") else []
            return Recipe(composite(epsilon, *special, (Conv, rules.AlphaBeta(1, 0, tiny))), ("zplus-bias",), chosen)
        return Recipe(chosen)
    if bare in ("zplus", "ExcitationBackprop"):
        if name != bare:
            return Recipe(composite(rules.ZPlus(tiny)))
        return Recipe(composite(rules.AlphaBeta(1, 0, tiny)), ("zplus-bias",), composite(rules.ZPlus(tiny)))
    if bare.startswith("alpha"):
        rule = rules.AlphaBeta(given["alpha"], given["beta"], tiny)
        return (
            Recipe(composite(rule))
            if name == bare
            else Recipe(composite(rule.with_bias("ignore")), ("ab-no-bias",), composite(rule))
        )
    if bare.startswith("gamma"):
        rule, plain = rules.GeneralizedGamma(given["gamma"], tiny), rules.Gamma(given["gamma"], tiny)
        chosen, paper = (rule, plain) if name == bare else (rule.with_bias("ignore"), plain.with_bias("ignore"))
        return Recipe(composite(chosen), ("gamma-generalised",), composite(paper))
    if bare.startswith("wsquare"):
        if name != bare:
            return Recipe(composite(rules.WSquare(tiny)))
        if name == "wsquare":
            return Recipe(composite(square_of_bias(tiny)), ("wsquare-bias",), composite(rules.WSquare(tiny)))
        theirs, paper = ((first(*WEIGHTED), rule) for rule in (square_of_bias(tiny), rules.WSquare(tiny)))
        return Recipe(composite(epsilon, theirs), ("wsquare-bias",), composite(epsilon, paper))
    if name.startswith("zbox"):
        box = first(*WEIGHTED), rules.ZBox(given["low"], given["high"], tiny)
        return Recipe(composite(epsilon.with_bias("ignore") if name.endswith("epsilon_nobias") else epsilon, box))
    return Recipe(
        {
            "flat": composite(rules.Flat(tiny)),
            "flat_then_epsilon": composite(epsilon, flat_first(tiny)),
            "lrp0": composite(rules.LRP0()),
        }.get(name)
        or composite(epsilon if name == bare else epsilon.with_bias("ignore"))
    )


ZENNIT_PRESETS = {
    "BetaSmooth": "beta_smooth",
    "DeconvNet": "deconvnet",
    "EpsilonAlpha2Beta1": "epsilon_alpha2_beta1",
    "EpsilonAlpha2Beta1Flat": "epsilon_alpha2_beta1_flat",
    "EpsilonGammaBox": "epsilon_gamma_box",
    "EpsilonPlus": "epsilon_plus",
    "EpsilonPlusFlat": "epsilon_plus_flat",
    "GuidedBackprop": "guided_backprop",
    "gradient": "gradient",
}


def captum(case: Case) -> Recipe:
    """Return the recipe of a case of captum: pools, also max pools, by an ε-rule."""
    given, nobias, tiny = case.parameters, case.rule.endswith("_nobias"), add(1e-9)
    if case.rule.startswith("alpha1beta0"):
        rule, dialect = clamped(ZERO if nobias else KEEP, tiny), ("unsplit" if nobias else "ab-bias-full",)
        paper = rules.ZPlus(tiny) if nobias else rules.AlphaBeta(1, 0, tiny)
    elif case.rule.startswith("gamma"):
        paper = rules.Gamma(given["gamma"], tiny)
        rule, dialect = gamma_keeping_bias(given["gamma"], tiny), ("gamma-bias",)
        if nobias:
            rule, paper, dialect = paper.with_bias("ignore"), paper.with_bias("ignore"), ()
    else:
        rule = paper = rules.Epsilon(given["epsilon"])
        dialect = ()
    pools = rules.Epsilon(given["pool_epsilon"])
    if case.model == "A":
        return Recipe(composite(rule), dialect, composite(paper) if dialect else None)
    winner = (MaxPool, WinnerTimes(given["pool_epsilon"]))
    return Recipe(composite(rule, winner, pools=pools), (*dialect, "maxpool-zero"), composite(paper, pools=pools))


def innvestigate(case: Case) -> Recipe:
    """Return the recipe of a case of iNNvestigate: only denominators of exactly 0 are replaced, pools by LRP-0."""
    name, given, has_conv = case.rule.removeprefix("lrp."), case.parameters, case.model != "A"
    options = {"padding_layer": True} if name.endswith("_zeropadlayer") else {}
    name, pools = name.removesuffix("_zeropadlayer"), rules.LRP0()
    if name in ("gradient", "input_t_gradient"):
        return Recipe("gradient", start="one", times_input=name == "input_t_gradient")
    if name in ("deconvnet", "guided_backprop"):
        return Recipe(name)
    if name == "deep_taylor":
        theirs = composite(rules.ZPlus(), pools=rules.Gradient())
        if case.model == "B":  # both targets are negative, so that all relevance is 0 by any rule
            return Recipe(theirs, start="positive")
        paper = composite(rules.ZPlus(), (first(*WEIGHTED), rules.WSquare()))
        return Recipe(theirs, ("deep-taylor-input",), paper, start="positive")
    if name.startswith("alpha_"):
        alpha, beta = int(name[6]), int(name[13])
        theirs, dialect = both_biases(alpha, beta), "ab-bias-both"
        if name.endswith("_IB"):
            theirs, dialect = rules.AlphaBeta(alpha, beta).with_bias("ignore"), "ab-no-bias"
        paper = composite(rules.AlphaBeta(alpha, beta), pools=pools)
        return Recipe(composite(theirs, pools=pools), (dialect,), paper)
    if name.startswith("sequential_preset"):
        preset = "lrp." + name.removesuffix("_eps1e-6")
        chosen = composites.get(preset, epsilon=given.get("epsilon", 0.1))
        if not has_conv:
            return Recipe(chosen)
        dense = Dense, rules.Epsilon(given.get("epsilon", 0.1))
        special = [flat_first(), dense] if name.endswith("_flat") else [dense]
        theirs = both_biases(*((1, 0) if preset.startswith("lrp.sequential_preset_a") else (2, 1)))
        return Recipe(composite(theirs, *special, pools=pools), ("ab-bias-both",), chosen)
    if name.startswith("epsilon"):
        epsilon = rules.Epsilon(given.get("epsilon", 1e-7))
        plain = composite(epsilon.with_bias("ignore") if name.endswith("_nobias") else epsilon, pools=pools)
        if not name.endswith("_input_box"):
            return Recipe(plain, options=options)
        boxed = composite(epsilon, (first(*WEIGHTED), rules.ZBox(*given["input_layer_rule"])), pools=pools)
        return Recipe(plain, ("first-layer",), boxed, options=options) if options else Recipe(boxed)
    if name == "z_plus_fast":
        paper = composite(rules.ZPlus(), pools=pools)
        return Recipe(composite(clamped(ZERO, EXACT), pools=pools), ("unsplit",), paper)
    rule = {"z": rules.LRP0(), "z_plus": rules.ZPlus(), "flat": rules.Flat(), "w_square": rules.WSquare()}[name]
    return Recipe(composite(rule, pools=pools), options=options)


def lrp_toolbox(case: Case) -> Recipe:
    """Return the recipe of a case of the LRP toolbox: padding outside the layers, ties of max pools shared."""
    name, param = case.rule.removesuffix("_poolsimple"), case.parameters["param"]
    plain = {"simple": rules.Epsilon(1e-16), "flat": rules.Flat(), "ww": rules.WSquare()}
    rule = plain.get(name) or (rules.AlphaBeta(param, param - 1) if "alpha" in name else rules.Epsilon(param))
    options, special, dialects = {"padding_layer": True, "ties": "share"}, [], []
    pools = rules.Flat() if name == "ww" else rules.Epsilon(1e-12) if name == "simple" else rule
    if name != case.rule:
        pools = rules.Epsilon(1e-12)
        if name in ("flat", "ww"):  # the other rules bring no relevance to a window whose maxima are all 0
            dialects.append("maxpool-ties")
    elif name in ("flat", "ww"):
        special, dialects = [(MaxPool, WholeWindow())] if case.model != "A" else [], ["maxpool-flat"]
    if case.model == "A":
        return Recipe(composite(rule))
    if case.model == "B":
        options["sum_pool"] = True
        if isinstance(pools, rules.Epsilon) and pools.epsilon > 1e-12:  # below, the scale of ε is not seen
            dialects.append("sumpool-scale")
    theirs = composite(rule, *special, pools=pools)
    return Recipe(theirs, tuple(dialects), composite(rule, pools=pools) if dialects else None, options=options)


def lrp_for_lstm(case: Case) -> Recipe:
    """Return the recipe of a case of LRP_for_LSTM: δ is the share of the bias and of ε."""
    epsilon, delta = case.parameters["eps"], case.parameters["bias_factor"]
    both = (LSTM, Dense)
    theirs = composites.Composite([(both, rules.Epsilon(epsilon, bias_share=delta))])
    if delta == 1:
        return Recipe(theirs)
    spread = rules.Epsilon(epsilon, bias_share=delta, stabiliser_share=1)
    return Recipe(theirs, ("lstm-eps-share",), composites.Composite([(both, spread)]))


RECIPES: dict[str, Callable[[Case], Recipe]] = {
    "LRP_for_LSTM": lrp_for_lstm,
    "captum": captum,
    "innvestigate": innvestigate,
    "lrp_toolbox": lrp_toolbox,
    "zennit": zennit,
}


def recipe(case: Case) -> Recipe:
    """Return how a case is reproduced."""
    return RECIPES[case.peer](case)
