"""Pools, sums of signals, and BatchNorm."""

from __future__ import annotations

from typing import Any

from ...layers import Add, Affine, AveragePool, MaxPool, SumPool, Unweighted
from ...rules import linear, universal
from ...rules.edits import add
from ...rules.rule import Rule
from ..foreign import ByMagnitude, OfTheSum, Ties, TwiceR, TwoByTwo, WholeWindow, WinnerTimes
from .switch import epsilon_of, switch


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
    return ByMagnitude(0 if rule is None else epsilon_of(rule)) if taken else None


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
    return TwoByTwo(0 if rule is None else epsilon_of(rule)) if taken else None


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
