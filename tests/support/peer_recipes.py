"""Which rule of this package reproduces which case of which program.

:func:`recipe` also says whether that is the rule of the paper that the case's name refers to, under that name here
("paper"), or a departure from it ("dialect", with the ids of ``DIALECTS``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from peer_cases import Case

from lrp_ref import rules
from lrp_ref.dialects import SWITCHES
from lrp_ref.layers import LSTM, AveragePool, Conv, Dense, MaxPool, SumPool
from lrp_ref.propagation import composites
from lrp_ref.propagation.composites import first

WEIGHTED = (Dense, Conv)
POOLS = (AveragePool, SumPool)

DIALECTS = {
    "first-layer": "the rule for the first layer does not reach a convolution behind a padding layer",
    **{
        name: SWITCHES[name].statement
        for name in (
            "ab-bias-both", "ab-bias-full", "ab-no-bias", "deep-taylor-input", "gamma-bias", "gamma-generalised",
            "lstm-eps-share", "maxpool-flat", "maxpool-ties", "maxpool-zero", "sumpool-scale", "unsplit",
            "wsquare-bias", "zplus-bias",
        )
    },
}  # fmt: skip


# Recipes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a case is reproduced.

    Attributes:
        paper: the papers' rules, as the case's name asks for them.
        dialects: ids of ``DIALECTS``, what of them changes the case; empty where the papers' rules are computed.
        spoken: the dialect of ``lrp.dialects`` that computes the program's numbers.
        start: "stored", or "one" or "positive": the stored start relevance as 1, or without negative values.
        times_input: whether the input's relevance is multiplied by the input.
        options: of :func:`network`.
        instead: the composite that reproduces the case, where no dialect does.
    """

    paper: Any
    dialects: tuple[str, ...] = ()
    spoken: str = ""
    start: str = "stored"
    times_input: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    instead: Any = None

    @property
    def composite(self) -> Any:
        """The papers' rules as the program computes them, or what stands in their place."""
        if self.instead is not None:
            return self.instead
        return composites.resolve(self.paper, {"dialect": self.spoken or None})

    @property
    def status(self) -> str:
        return "dialect" if self.dialects else "paper"


def composite(weighted: Any, *special: tuple[Any, Any], pools: Any = None) -> composites.Composite:
    """Return one rule for dense and convolution layers, special entries first, another rule for average pools."""
    entries = [*special, (WEIGHTED, weighted)]
    return composites.Composite([*entries, (POOLS, pools)] if pools is not None else entries)


def zennit(case: Case) -> Recipe:
    """Return the recipe of a case of zennit: every denominator + 1e-6, average pools ε = 1e-6."""
    name, given, has_conv = case.rule, case.parameters, case.model != "A"
    bare = name.removesuffix("_nobias")
    epsilon = rules.Epsilon(given.get("epsilon", 1e-6))
    dialects: tuple[str, ...] = ()
    if name in ZENNIT_PRESETS:
        preset = ZENNIT_PRESETS[name]
        paper = composites.get(preset, **{k: given[k] for k in ("low", "high") if k in given})
        dialects = ("zplus-bias",) if name.startswith("EpsilonPlus") and has_conv else ()
        return Recipe(paper, dialects, "" if preset in composites.DERIVATIVES else ZENNIT)
    rule: Any
    if bare in ("zplus", "ExcitationBackprop"):
        rule, dialects = rules.ZPlus(), ("zplus-bias",)
    elif bare.startswith("alpha"):
        rule = rules.AlphaBeta(given["alpha"], given["beta"])
    elif bare.startswith("gamma"):
        rule, dialects = rules.Gamma(given["gamma"]), ("gamma-generalised",)
    elif bare.startswith("wsquare"):
        rule, dialects = rules.WSquare(), ("wsquare-bias",)
    elif bare.startswith(("flat", "zbox")):
        rule = rules.Flat() if bare.startswith("flat") else rules.ZBox(given["low"], given["high"])
    else:
        rule = rules.LRP0() if name == "lrp0" else epsilon
    if "_then_epsilon" in name or name.startswith("zbox"):
        rest = epsilon.with_bias("ignore") if name.endswith("epsilon_nobias") else epsilon
        return Recipe(composite(rest, (first(*WEIGHTED), rule)), dialects, ZENNIT)
    if name == bare:
        return Recipe(composite(rule), dialects, "" if name == "lrp0" else ZENNIT)
    if bare.startswith("alpha"):
        return Recipe(
            composite(rule), ("ab-no-bias",), ZENNIT, instead=replace(composite(rule), bias="ignore").spoken(ZENNIT)
        )
    kept = dialects if bare.startswith("gamma") else ()
    return Recipe(replace(composite(rule), bias="ignore"), kept, ZENNIT)


ZENNIT = "zennit-1.0"
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
    given, nobias = case.parameters, case.rule.endswith("_nobias")
    dialects: tuple[str, ...] = ()
    rule: Any
    if case.rule.startswith("alpha1beta0"):
        rule, dialects = rules.AlphaBeta(1, 0), ("unsplit" if nobias else "ab-bias-full",)
    elif case.rule.startswith("gamma"):
        rule, dialects = rules.Gamma(given["gamma"]), () if nobias else ("gamma-bias",)
    else:
        rule = rules.Epsilon(given["epsilon"])
    rule = rule.with_bias("ignore") if nobias else rule
    if case.model == "A":
        return Recipe(composite(rule), dialects, "captum-0.9")
    pools = rules.Epsilon(given["pool_epsilon"])
    theirs = composite(rule, (MaxPool, pools), pools=pools).spoken("captum-0.9")  # the ε-rule on max pools too
    return Recipe(composite(rule, pools=pools), (*dialects, "maxpool-zero"), instead=theirs)


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
        paper = composite(rules.ZPlus(), (first(*WEIGHTED), rules.WSquare()))
        # Both targets of B are negative, so that all relevance is 0 by any rule.
        dialects = () if case.model == "B" else ("deep-taylor-input",)
        return Recipe(paper, dialects, "innvestigate-2.1:deep-taylor", start="positive")
    if name.startswith("alpha_"):
        rule = composite(rules.AlphaBeta(int(name[6]), int(name[13])), pools=pools)
        dialect = "ab-no-bias" if name.endswith("_IB") else "ab-bias-both"
        return Recipe(rule, (dialect,), dialect)
    if name.startswith("sequential_preset"):
        paper = composites.get("lrp." + name.removesuffix("_eps1e-6"), epsilon=given.get("epsilon", 0.1))
        return Recipe(paper, ("ab-bias-both",) if has_conv else (), "innvestigate-2.1")
    if name.startswith("epsilon"):
        epsilon = rules.Epsilon(given.get("epsilon", 1e-7))
        plain = composite(epsilon.with_bias("ignore") if name.endswith("_nobias") else epsilon, pools=pools)
        if not name.endswith("_input_box"):
            return Recipe(plain, options=options)
        boxed = composite(epsilon, (first(*WEIGHTED), rules.ZBox(*given["input_layer_rule"])), pools=pools)
        if options:  # the first layer is there the padding
            return Recipe(boxed, ("first-layer",), options=options, instead=plain)
        return Recipe(boxed)
    if name == "z_plus_fast":
        return Recipe(composite(rules.ZPlus(), pools=pools), ("unsplit",), "unsplit")
    rule = {"z": rules.LRP0(), "z_plus": rules.ZPlus(), "flat": rules.Flat(), "w_square": rules.WSquare()}[name]
    return Recipe(composite(rule, pools=pools), options=options)


def lrp_toolbox(case: Case) -> Recipe:
    """Return the recipe of a case of the LRP toolbox: padding outside the layers, ties of max pools shared."""
    name, param = case.rule.removesuffix("_poolsimple"), case.parameters["param"]
    plain = {"simple": rules.Epsilon(1e-16), "flat": rules.Flat(), "ww": rules.WSquare()}
    rule = plain.get(name) or (rules.AlphaBeta(param, param - 1) if "alpha" in name else rules.Epsilon(param))
    if case.model == "A":
        return Recipe(composite(rule))
    pools = rules.Flat() if name == "ww" else rules.Epsilon(1e-12) if name == "simple" else rule
    dialects, spoken = [], "toolbox-1.3"
    if name != case.rule:
        pools = rules.Epsilon(1e-12)
        if name in ("flat", "ww"):  # the other rules bring no relevance to a window whose maxima are all 0
            dialects.append("maxpool-ties")
    elif name in ("flat", "ww"):
        dialects, spoken = ["maxpool-flat"], "toolbox-1.3:flat"
    if case.model == "B" and isinstance(pools, rules.Epsilon) and pools.epsilon > 1e-12:  # below, ε is not seen
        dialects.append("sumpool-scale")
    return Recipe(composite(rule, pools=pools), tuple(dialects), spoken, options={"padding_layer": True})


def lrp_for_lstm(case: Case) -> Recipe:
    """Return the recipe of a case of LRP_for_LSTM: δ is the share of the bias and of ε."""
    epsilon, delta = case.parameters["eps"], case.parameters["bias_factor"]
    paper = composites.Composite([((LSTM, Dense), rules.Epsilon(epsilon, bias_share=delta, stabiliser_share=1))])
    return Recipe(paper, () if delta == 1 else ("lstm-eps-share",), "lrp-for-lstm-2020")


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
