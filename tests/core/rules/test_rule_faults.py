"""Tests of the tests: planted faults in rules and in the share function, each caught by its check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import checks
import numpy as np
import pytest
from faults import BY_RULE, case, caught, messages, turned
from samples import BY_NAME, exactly

from lrp_ref import layers, rules
from lrp_ref.fast import quotient
from lrp_ref.rules import edits, prepared
from lrp_ref.rules import share as sharing
from lrp_ref.rules.rule import Group, Redistribution, Rule, Run

# Wrong rules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unsigned(edits.Stabiliser):
    """z + ε: the sign forgotten."""

    def offset(self, z: Any) -> Any:
        return np.full(z.shape, self.epsilon)


@dataclass(frozen=True)
class SignZeroMinus(edits.Stabiliser):
    """sgn(0) = −1."""

    def offset(self, z: Any) -> Any:
        return np.where(z > 0, self.epsilon, -self.epsilon)


@dataclass(frozen=True)
class WholeBatch(edits.Stabiliser):
    """ε times the RMS over the whole batch."""

    def offset(self, z: Any) -> Any:
        return np.where(z < 0, -1, 1) * self.epsilon * np.sqrt((z * z).mean())


CANCELLING = (
    replace(BY_NAME["Dense"], shapes=((3,),)),
    layers.Dense(np.array([[1.0, 2.0, -1.0], [-1.0, -2.25, 1.0], [0.0, 0.0, -0.5]])),
    (np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.125], [-1.0, 1.0, 3.0]]),),
    np.array([[3.0, 5.0, 7.0], [1.0, -1.0, 2.0], [0.5, 2.0, -1.0]]),
)  # z has zeros of contributions that cancel, and values smaller than ε


@pytest.mark.parametrize("fault", [Unsigned, SignZeroMinus])
def test_a_wrong_sign_of_epsilon_is_caught(fault: Any) -> None:
    healthy = BY_RULE["Epsilon-small"]
    wrong = replace(healthy, rule=Rule((Group((Run(),), stabiliser=fault("add", 0.125)),)))
    checks.check_messages(*CANCELLING, healthy, exact=False)
    caught(checks.check_messages, *CANCELLING, wrong, exact=False, match="off by")
    # The ledger closes with either sign: it says where relevance went, not whether the rule is right.
    _, layer, xs, r = CANCELLING
    checks.check_ledger(
        layer.redistribute(xs, r, Rule((Group((Run(),), stabiliser=SignZeroMinus("add", 0.125)),))), (r,)
    )


def test_a_stabiliser_of_the_whole_batch_mixes_samples() -> None:
    layer, xs, rs = case("Dense")
    checks.check_batch(layer, xs, rs, rules.LRP0(edits.relative(0.25)))
    mixing = Rule((Group((Run(),), stabiliser=WholeBatch("relative", 0.25)),))
    caught(checks.check_batch, layer, xs, rs, mixing)


def test_a_flat_rule_that_is_not_normalised_at_borders_is_caught() -> None:
    class FullWindows(layers.Conv):
        def forward(self, *xs: Any) -> Any:
            z = super().forward(*xs)
            ones = (self.weight == 1).all() and (self.bias is None or not self.bias.any())
            return z * 0 + self.weight[0].size if ones else z

    messages("Conv-windows-in-padding", "Flat-exact")
    fault = turned(BY_NAME["Conv-windows-in-padding"].layer(), FullWindows)
    caught(messages, "Conv-windows-in-padding", "Flat-exact", fault, match="off by")


RULE_FAULTS = {
    "αβ without its bias": ("AlphaBeta21-exact", rules.AlphaBeta(2, 1).with_bias("ignore")),
    "αβ with the whole bias": (
        "AlphaBeta10-exact",
        Rule((Group((Run(edits.POS, edits.POS, edits.KEEP), Run(edits.NEG, edits.NEG, edits.ZERO))),)),
    ),
    "αβ with each half by itself": (
        "AlphaBeta10-exact",
        Rule((Group((Run(edits.POS, edits.POS, edits.POS),)), Group((Run(edits.NEG, edits.NEG, edits.ZERO),)))),
    ),
    "β added, not subtracted": (
        "AlphaBeta21-exact",
        Rule(tuple(replace(g, weight=abs(g.weight)) for g in rules.AlphaBeta(2, 1).groups)),
    ),
    "z⁺ with b⁺": ("ZPlus-exact", rules.AlphaBeta(1, 0)),
    "z⁺ without negative inputs": ("ZPlus-exact", Rule((Group((Run(edits.POS, edits.POS, edits.ZERO),)),))),
    "w² with b²": ("WSquare-exact", Rule((Group((Run(edits.ONES, edits.SQUARE, edits.SQUARE),)),))),
    "w² times the input": ("WSquare-exact", Rule((Group((Run(edits.KEEP, edits.SQUARE, edits.ZERO),)),))),
    "γ with b unchanged": (
        "Gamma-exact",
        Rule((Group((Run(edits.KEEP, edits.Boost(0.25, "pos"), edits.KEEP),)),)),
    ),
    "γ on the negative weights": ("Gamma-exact", Rule((Group((Run(edits.KEEP, *(edits.Boost(0.25, "neg"),) * 2),)),))),
    "γ without its gate": ("GeneralizedGamma-exact", Rule(rules.GeneralizedGamma(0.25).groups[:1])),
    "γ with plain for generalised": ("GeneralizedGamma-exact", rules.Gamma(0.25)),
    "z^B with l and h exchanged": (
        "ZBox-exact",
        Rule((replace(rules.ZBox(-3, 3).groups[0], runs=(
            Run(edits.KEEP, edits.KEEP, edits.ZERO),
            Run(edits.Const(-3, "l"), edits.NEG, edits.ZERO, -1),
            Run(edits.Const(3, "h"), edits.POS, edits.ZERO, -1),
        )),)),
    ),
    "z^B with a bias": (
        "ZBox-exact",
        Rule((replace(rules.ZBox(-3, 3).groups[0], runs=(Run(), *rules.ZBox(-3, 3).groups[0].runs[1:])),)),
    ),
    "reference with a bias": ("Reference-exact", Rule((Group((Run(edits.Less(0.71875, "x0"),)),)),)),
    "reference as a constant": (
        "Reference-exact",
        Rule((Group((Run(edits.Const(0.71875, "x0"), edits.KEEP, edits.ZERO),)),)),
    ),
    "reference of the other sign": ("Reference-exact", rules.Reference(-0.71875)),
    "δ for the bias only": ("Epsilon-half", rules.Epsilon(0.5, 0.5, 0)),
    "ε half as large": ("Epsilon-small", rules.Epsilon(0.0625)),
    "clip for add": ("LRP0-add", rules.LRP0(edits.clip(0.125))),
}  # fmt: skip


@pytest.mark.parametrize("name", RULE_FAULTS)
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_dialects_of_rules_are_caught(name: str, exact: bool) -> None:
    """On each of several samples, not only somewhere in the battery."""
    healthy, fault = RULE_FAULTS[name]
    wrong = replace(BY_RULE[healthy], rule=fault)
    for sample in (BY_NAME["Dense"], BY_NAME["Conv-2d"], BY_NAME["ConvTranspose-2d"]):
        layer, (xs, r) = sample.layer(), checks.signed(sample, "grid")
        if exact:
            layer, xs, r = exactly(layer), exactly(xs), exactly(r)
        checks.check_messages(sample, layer, xs, r, BY_RULE[healthy], exact=exact)
        caught(checks.check_messages, sample, layer, xs, r, wrong, exact=exact, match=r"off by|is not")


SHARE_FAULTS: dict[str, Any] = {
    "0/0 := 1/1": (quotient, "divide", lambda divide: lambda n, d, xp: (n / np.where(d == 0, 1, d), d == 0)),
    "dead units are not counted": (
        quotient, "divide", lambda divide: lambda n, d, xp: (divide(n, d, xp)[0], np.zeros(d.shape, bool)),
    ),
    "the bias has no relevance": (
        sharing, "_bias_mass", lambda f: lambda passes, sent, *args: (0 * sent.taken, None),
    ),
    "the total forgets a run": (prepared, "_sum", lambda f: lambda passes, *known: f(passes[:1], *known)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARE_FAULTS)
def test_faults_in_the_share_function_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, fault = SHARE_FAULTS[name]
    given = CANCELLING
    if "bias" in name or "run" in name:
        sample = BY_NAME["Dense"]
        given = (sample, sample.layer(), *checks.signed(sample, "grid"))
    _, layer, xs, r = given
    some = [BY_RULE[k] for k in ("LRP0-exact", "AlphaBeta21-exact", "ZPlus-exact")]
    for rule in some:
        checks.check_messages(*given, rule, exact=False)
        checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))
    monkeypatch.setattr(module, attribute, fault(getattr(module, attribute)))
    failures = 0
    for rule in some:
        try:
            checks.check_messages(*given, rule, exact=False)
            checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))
        except AssertionError:
            failures += 1
    assert failures


def test_a_rule_that_is_not_linear_in_relevance_is_caught() -> None:
    class Clipped(rules.Universal):
        def run(self, layer: Any, xs: Any, relevances: Any) -> Any:
            return Redistribution.routed([np.maximum(relevances[0], 0)], relevances[0])

    layer, xs, rs = case("ReLU-0")
    others = BY_NAME["ReLU-0"].relevances(3)
    checks.check_linearity(layer, xs, rs, others, None)
    caught(checks.check_linearity, layer, xs, rs, others, Clipped())
