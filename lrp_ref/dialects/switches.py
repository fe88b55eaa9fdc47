"""Switches: each is one thing that programs compute otherwise under a rule's name, by the id that it is told by.

A switch is a function of a layer and the rule that was asked for there; it returns the rule that is computed in its
place, or None where it does not concern them. What is published, and who differs, stands in ``statement``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..layers import Add, Affine, AveragePool, Conv, Layer, Linear, MaxPool, SumPool, Unweighted
from ..rules import linear, universal
from ..rules.cells import Recurrent
from ..rules.edits import EXACT, KEEP, NEG, POS, SQUARE, ZERO, Stabiliser, add
from ..rules.groups import Group, Run
from ..rules.rule import AnyRule, Rule, WithBias
from .foreign import (
    BiasByMagnitude,
    ByMagnitude,
    NotDivided,
    OfTheSum,
    PositionsAlone,
    SquaredBoost,
    Switched,
    Ties,
    TwiceR,
    TwoByTwo,
    Unguarded,
    WholeWindow,
    WinnerTimes,
    grouped,
)
from .stabilisers import AtZero, OfBatch, Unsigned

Change = Callable[[Any, Any], Any]  # (layer, rule or None) → rule or None


@dataclass(frozen=True, eq=False)
class Switch:
    """One thing that programs compute otherwise.

    Attributes:
        id: the name that it is told by.
        statement: what is computed, and what is published.
        who: the programs that are known to do it; "" for a mistake that any program may have.
        change: (layer, rule) → the rule that is computed, None where it does not concern them.
    """

    id: str
    statement: str
    who: str
    change: Change = field(repr=False)

    @property
    def is_fault(self) -> bool:
        """Whether it is a mistake that any program may have, rather than a program's way."""
        return not self.who

    def __call__(self, layer: Layer, rule: AnyRule | None) -> AnyRule | None:
        """Return the rule that is computed at a layer in place of ``rule``, or None.

        The bias policy of ``rule`` holds for what takes its place too.
        """
        if isinstance(rule, WithBias):
            changed = self.change(layer, rule.rule)
            return changed.with_bias(rule.policy) if isinstance(changed, Rule) else changed
        return self.change(layer, rule)  # type: ignore[no-any-return]


SWITCHES: dict[str, Switch] = {}


def switch(name: str, statement: str, who: str = "") -> Callable[[Change], Change]:
    """Register a function as a switch."""

    def register(change: Change) -> Change:
        SWITCHES[name] = Switch(name, statement, who, change)
        return change

    return register


def _is(rule: Any, *names: str) -> bool:
    """Return whether a rule is, or was asked for as, one of the named rules for linear layers."""
    asked = rule.asked if isinstance(rule, Switched) else rule
    return isinstance(rule, Rule) and isinstance(asked, tuple(getattr(linear, n) for n in names))


def _weighted(layer: Any) -> bool:
    return isinstance(layer, Linear) and not isinstance(layer, Unweighted)


def _with_biases(rule: Rule, name: str, edit: Any) -> Switched:
    """Return a rule with another edit of the bias, wherever a denominator has one or nobody split it."""

    def changed(group: Group) -> Group:
        first, *others = group.runs
        bare = len(rule.groups) > 2 and first.bias == ZERO  # half of a denominator that was split
        return group if bare else replace(group, runs=(replace(first, bias=edit), *others))

    return grouped(rule, name, changed)


# αβ and z⁺ -------------------------------------------------------------------------------------------------------


@switch(
    "ab-bias-both",
    "αβ: the whole bias b⁺ + b⁻ in both denominators; Bach et al. 2015: b⁺ in one, b⁻ in the other",
    "iNNvestigate",
)
def _ab_bias_both(layer: Any, rule: Any) -> Any:
    return _with_biases(rule, "ab-bias-both", KEEP) if _is(rule, "AlphaBeta") else None


@switch(
    "ab-bias-full",
    "α1β0: weights clamped, inputs not split by sign, the whole bias in the denominator; Bach et al. 2015: b⁺",
    "Captum",
)
def _ab_bias_full(layer: Any, rule: Any) -> Any:
    if not _is(rule, "AlphaBeta") or len(rule.groups) != 1:
        return None
    return grouped(rule, "ab-bias-full", lambda g: replace(g, runs=(Run(KEEP, POS, KEEP),)))


@switch("ab-no-bias", "αβ without any bias; Bach et al. 2015: b⁺ and b⁻ in the denominators", "iNNvestigate, TorchLRP")
def _ab_no_bias(layer: Any, rule: Any) -> Any:
    return rule.with_bias("ignore") if _is(rule, "AlphaBeta") else None


@switch(
    "ab-split-denominators",
    "αβ, z⁺: what positive and what negative inputs contribute is divided by a sum of its own; published is one sum",
    "Transformer-Explainability",
)
def _ab_split_denominators(layer: Any, rule: Any) -> Any:
    if not _is(rule, "AlphaBeta", "ZPlus"):
        return None
    return grouped(rule, "ab-split-denominators", lambda g: [replace(g, runs=(run,)) for run in g.runs])


@switch(
    "unsplit",
    "αβ, z⁺ as a·w⁺ (a·w⁻): inputs not split by sign, as published for inputs ≥ 0 only",
    "Captum, iNNvestigate (ZPlusFast), many ports",
)
def _unsplit(layer: Any, rule: Any) -> Any:
    if not _is(rule, "AlphaBeta", "ZPlus") or len(rule.groups) > 2:  # another switch has split them
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


# Denominators ----------------------------------------------------------------------------------------------------


def _restabilised(name: str, change: Callable[[Stabiliser], Stabiliser | None]) -> Change:
    """Return the change that gives every stabiliser of a rule another form."""

    def new(rule: Any) -> Any:
        if isinstance(rule, Recurrent):
            dense, state = new(rule.dense), new(rule.state)
            return (
                None if dense is state is None else replace(rule, dense=dense or rule.dense, state=state or rule.state)
            )
        if isinstance(rule, Rule):
            if all(change(g.stabiliser) is None for g in rule.groups):
                return None
            return grouped(rule, name, lambda g: replace(g, stabiliser=change(g.stabiliser) or g.stabiliser))
        own = getattr(rule, "stabiliser", None) if "stabiliser" in getattr(rule, "__dataclass_fields__", ()) else None
        other = change(own) if isinstance(own, Stabiliser) else None
        return None if other is None else replace(rule, stabiliser=other)

    return lambda layer, rule: new(rule)


def _added(make: Callable[[Any], Stabiliser]) -> Callable[[Stabiliser], Stabiliser | None]:
    return lambda s: make(s.epsilon) if type(s) is Stabiliser and s.kind == "add" and s.epsilon else None


switch(
    "eps-unsigned",
    "z + ε whatever the sign of z; Bach et al. 2015: z + ε sgn z (Achtibat et al. 2024 write z + ε)",
    "lxt, the heatmapping.org tutorial, kaifishr",
)(_restabilised("eps-unsigned", _added(lambda e: Unsigned("add", e))))
switch("eps-sign0", "sgn 0 = −1; Bach et al. 2015: +1", "TorchLRP")(
    _restabilised("eps-sign0", _added(lambda e: AtZero("add", e, "minus")))
)
switch("eps-no-sign0", "sgn 0 = 0, so that ε does not stabilise z = 0; Bach et al. 2015: sgn 0 = +1", "hilrp")(
    _restabilised("eps-no-sign0", _added(lambda e: AtZero("add", e, "zero")))
)
switch("eps-undivided", "at z = 0 nothing is divided; Bach et al. 2015 divide by +ε", "the toolbox for Caffe")(
    _restabilised("eps-undivided", _added(lambda e: AtZero("add", e, "undivided")))
)
switch("eps-rms", "ε is a quarter of the root mean square of z over the whole batch", "the heatmapping.org tutorial")(
    _restabilised("eps-rms", lambda s: OfBatch("relative", 0.25) if s.kind == "add" else None)
)
switch("eps-default", "ε = 0.1, the program's default, in place of the given one", "TorchLRP")(
    _restabilised("eps-default", _added(lambda e: add(0.1)))
)
switch("epsilon-ignored", "ε = 0")(_restabilised("epsilon-ignored", _added(lambda e: EXACT)))


@switch("nan-at-zero", "nothing guards a quotient: 0/0 is NaN", "zennit and autoLRP at ε = 0, LRP toolbox (slow αβ)")
def _nan_at_zero(layer: Any, rule: Any) -> Any:
    return Unguarded(rule) if isinstance(rule, Rule) and isinstance(layer, Linear) else None


# γ ---------------------------------------------------------------------------------------------------------------


@switch("gamma-bias", "γ: the bias is not enhanced; in Montavon et al. 2019 it is a weight, b + γb⁺", "Captum")
def _gamma_bias(layer: Any, rule: Any) -> Any:
    if not _is(rule, "Gamma", "GeneralizedGamma"):
        return None
    return _with_biases(rule, "gamma-bias", KEEP)


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


# First layers ----------------------------------------------------------------------------------------------------


@switch("wsquare-bias", "w² with b² in the denominator; Montavon et al. 2017 have no bias", "zennit")
def _wsquare_bias(layer: Any, rule: Any) -> Any:
    return _with_biases(rule, "wsquare-bias", SQUARE) if isinstance(rule, linear.WSquare) else None


@switch("flat-border", "flat divided by the kernel's positions alone, whatever the channels", "the toolbox for Caffe")
def _flat_border(layer: Any, rule: Any) -> Any:
    return PositionsAlone() if isinstance(rule, linear.Flat) and isinstance(layer, Conv) else None


@switch("zbox-bounds-swapped", "z^B with l and h exchanged")
def _zbox_swapped(layer: Any, rule: Any) -> Any:
    if not isinstance(rule, linear.ZBox):
        return None

    def swapped(group: Group) -> Group:
        plain, low, high = group.runs
        return replace(group, runs=(plain, replace(low, inputs=high.inputs), replace(high, inputs=low.inputs)))

    return grouped(rule, "zbox-bounds-swapped", swapped)


@switch("zbox-bias", "z^B with the bias in the denominator; Montavon et al. 2017 have none, it cancels")
def _zbox_bias(layer: Any, rule: Any) -> Any:
    return _with_biases(rule, "zbox-bias", KEEP) if isinstance(rule, linear.ZBox) else None


# Biases ----------------------------------------------------------------------------------------------------------


@switch("no-bias-in-denominator", "the bias left out of every denominator")
def _no_bias(layer: Any, rule: Any) -> Any:
    changed = rule.with_bias("ignore") if isinstance(rule, Rule) and _weighted(layer) else None
    return None if changed is rule else changed


@switch("bias-to-inputs", "what the bias takes is spread evenly over the inputs")
def _bias_to_inputs(layer: Any, rule: Any) -> Any:
    changed = rule.with_bias("spread") if isinstance(rule, Rule) and _weighted(layer) else None
    return None if changed is rule else changed


def _epsilon_of(rule: Any) -> Any:
    """Return the ε of a rule's denominators, 0 where they have none."""
    return next((g.stabiliser.epsilon for g in rule.groups if g.stabiliser.kind == "add"), 0)


def _shares_none(rule: Any) -> bool:
    """Return whether a rule for linear layers spreads nothing of bias and stabiliser."""
    return isinstance(rule, Rule) and not any(g.bias_share or g.stabiliser_share for g in rule.groups)


@switch(
    "bias-by-magnitude",
    "the bias first takes |b|/(|z| + |b|), z without it; the rule shares the rest without bias; no paper has it",
    "autoLRP",
)
def _bias_by_magnitude(layer: Any, rule: Any) -> Any:
    if not _weighted(layer) or not _shares_none(rule):
        return None
    return BiasByMagnitude(rule.with_bias("ignore"))


@switch(
    "eps-twice",
    "as bias-by-magnitude, with |b|/(|z| + |b| + ε): the ε of the rule stands there too, even where the bias is 0",
    "autoLRP",
)
def _eps_twice(layer: Any, rule: Any) -> Any:
    whole = rule if isinstance(rule, BiasByMagnitude) else _bias_by_magnitude(layer, rule)
    epsilon = 0 if whole is None else _epsilon_of(whole.rule)
    return replace(whole, epsilon=epsilon) if epsilon else None


@switch("lstm-eps-share", "δ = 0 drops the ε-share too; Arras et al. 2017 spread it over the inputs", "LRP_for_LSTM")
def _lstm_eps_share(layer: Any, rule: Any) -> Any:
    if isinstance(rule, Recurrent):
        dense, state = _lstm_eps_share(layer, rule.dense), _lstm_eps_share(layer, rule.state)
        changed = dense is not None or state is not None
        return replace(rule, dense=dense or rule.dense, state=state or rule.state) if changed else None
    own = isinstance(rule, linear.Epsilon) and rule.stabiliser_share not in (None, rule.bias_share)
    return replace(rule, stabiliser_share=None) if own else None


# Pools, sums, norms ----------------------------------------------------------------------------------------------


@switch("maxpool-flat", "flat and w² hand relevance to every position of a max pool's window", "LRP toolbox")
def _maxpool_flat(layer: Any, rule: Any) -> Any:
    return WholeWindow() if isinstance(layer, MaxPool) and rule is None else None


@switch(
    "maxpool-ties",
    "equal winners of a max pool share, or the first takes all, the reverse of what is asked",
    "LRP toolbox",
)
def _maxpool_ties(layer: Any, rule: Any) -> Any:
    return Ties("share" if layer.ties == "first" else "first") if isinstance(layer, MaxPool) and rule is None else None


@switch(
    "maxpool-zero",
    "max pool multiplies by a/(a + ε sgn a): a little is lost, all of it where the maximum is 0",
    "Captum, RelevancePropagation.jl",
)
def _maxpool_zero(layer: Any, rule: Any) -> Any:
    if not isinstance(layer, MaxPool) or not (rule is None or isinstance(rule, linear.Epsilon)):
        return None
    return WinnerTimes(add(1e-9 if rule is None else rule.epsilon))


def _is_pool(layer: Any) -> bool:
    return isinstance(layer, Unweighted) and not isinstance(layer, Add)


@switch(
    "avgpool-uniform",
    "means and sums shared evenly; Bach et al. 2015: in proportion to the inputs",
    "innsight, iNNvestigate (Deep Taylor)",
)
def _avgpool_uniform(layer: Any, rule: Any) -> Any:
    return linear.Flat() if _is_pool(layer) and (rule is None or isinstance(rule, Rule)) else None


@switch(
    "avgpool-gradient",
    "means by their derivative: even, what padding would get is lost; Bach et al. 2015: in proportion to the inputs",
    "TorchLRP, autoLRP",
)
def _avgpool_gradient(layer: Any, rule: Any) -> Any:
    return universal.Gradient() if _is_pool(layer) and (rule is None or isinstance(rule, Rule)) else None


@switch("mean-by-magnitude", "means shared by |a|; Bach et al. 2015: in proportion to a", "autoLRP")
def _mean_by_magnitude(layer: Any, rule: Any) -> Any:
    taken = _is_pool(layer) and (rule is None or isinstance(rule, Rule))
    return ByMagnitude(0 if rule is None else _epsilon_of(rule)) if taken else None


@switch("sumpool-scale", "the stabiliser belongs to the sum over the window, before it is scaled", "LRP toolbox")
def _sumpool_scale(layer: Any, rule: Any) -> Any:
    if not isinstance(layer, AveragePool) or not isinstance(rule, linear.Epsilon):
        return None
    return OfTheSum(rule)


@switch("toolbox-sumpool-ab", "the negative part of αβ on a sum pool is multiplied by R twice", "LRP toolbox")
def _toolbox_sumpool(layer: Any, rule: Any) -> Any:
    return TwiceR(rule) if isinstance(layer, SumPool) and isinstance(rule, linear.AlphaBeta) else None


@switch(
    "residual-forgotten",
    "every operand of a sum gets the whole relevance; published is a split in proportion",
    "Captum and zennit where + is a function",
)
def _residual_forgotten(layer: Any, rule: Any) -> Any:
    return universal.Gradient() if isinstance(layer, Add) and not isinstance(rule, universal.Gradient) else None


@switch("add-by-magnitude", "a sum of signals is split by |a| : |b|; published is a split in proportion", "autoLRP")
def _add_by_magnitude(layer: Any, rule: Any) -> Any:
    taken = isinstance(layer, Add) and (rule is None or isinstance(rule, Rule))
    return TwoByTwo(0 if rule is None else _epsilon_of(rule)) if taken else None


@switch(
    "bn-kind",
    "BatchNorm hands relevance on unchanged where the z-rule is asked for, or the reverse",
    "Captum, innsight",
)
def _bn_kind(layer: Any, rule: Any) -> Any:
    if not isinstance(layer, Affine):
        return None
    return (
        universal.Pass()
        if isinstance(rule, Rule)
        else linear.LRP0()
        if rule is None or isinstance(rule, universal.Pass)
        else None
    )


# Mistakes that any program may have ------------------------------------------------------------------------------


@switch("rule-ignored", "LRP-0 whatever the rule")
def _rule_ignored(layer: Any, rule: Any) -> Any:
    return linear.LRP0() if isinstance(rule, Rule) and not isinstance(rule, linear.LRP0) else None


@switch("gradient", "Σ_j w_ij R_j: the gradient, not LRP")
def _gradient(layer: Any, rule: Any) -> Any:
    return universal.Gradient() if isinstance(rule, Rule) and _weighted(layer) else None


@switch("gradient-times-input", "a_i Σ_j w_ij R_j: nothing is divided")
def _gradient_times_input(layer: Any, rule: Any) -> Any:
    # Of sums too: Captum multiplies what comes back through a bare + by the operand, where a module reads that as well.
    return NotDivided() if isinstance(rule, Rule) and (_weighted(layer) or isinstance(layer, Add)) else None


@switch("input-factor-missing", "Σ_j w_ij R_j/(z_j + ε sgn z_j): a_i is missing")
def _input_factor_missing(layer: Any, rule: Any) -> Any:
    if not _is(rule, "LRP0", "Epsilon") or not isinstance(layer, Linear):
        return None
    return NotDivided(factor=False, stabiliser=rule.groups[0].stabiliser)


@switch("absolute", "in proportion to |a_i w_ij|")
def _absolute(layer: Any, rule: Any) -> Any:
    return ByMagnitude() if isinstance(rule, Rule) and _weighted(layer) else None


@switch("layer-skipped", "relevance is handed on unchanged")
def _layer_skipped(layer: Any, rule: Any) -> Any:
    return universal.Pass() if isinstance(rule, Rule) else None
