"""Properties of the rules and equivalences between networks, on random rationals, and where they do not hold."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from samples import BY_NAME, Draw, exactly
from strategies import arrays, exact, few, positives, unit
from textbook import MAIN_RULES

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.network import Network
from lrp_ref.rules import edits

F = Fraction
LAYER = {"a": arrays((2, 4)), "w": arrays((4, 3)), "b": arrays((3,)), "r": arrays((2, 3))}
ABOVE = {**LAYER, "a": arrays((2, 4), positives), "r": arrays((2, 3), positives)}


# Conservation ------------------------------------------------------------------------------------------------

BIAS_FREE = {
    "lrp0": rules.LRP0(), "gamma": rules.Gamma(F(1, 4)), "generalized": rules.GeneralizedGamma(F(1, 4)),
    "alpha-beta": rules.AlphaBeta(2, 1), "alpha-one": rules.AlphaBeta(1, 0), "half": rules.AlphaBeta(F(3, 2), F(1, 2)),
    "zplus": rules.ZPlus(), "wsquare": rules.WSquare(), "flat": rules.Flat(), "zbox": rules.ZBox(-6, 6),
}  # fmt: skip


@few
@given(**LAYER)
def test_without_bias_only_dropped_units_are_missing(a: Any, w: Any, b: Any, r: Any) -> None:
    """Every rule without stabiliser conserves on a layer without bias, but for units whose denominator is 0."""
    for name, rule in BIAS_FREE.items():
        shared = layers.Dense(w).redistribute(a, r, rule)
        assert not shared.bias.any(), name
        assert not shared.stabiliser.any(), name
        if not shared.dropped.any():
            checks.check_conservative(shared, (r,))
        else:
            whole = shared.relevances[0].sum(axis=1) + shared.dropped
            assert (whole == r.sum(axis=1)).all(), name


@few
@given(**LAYER)
def test_rules_without_bias_in_their_formula_conserve_on_any_layer(a: Any, w: Any, b: Any, r: Any) -> None:
    w[0] = np.where(w[0] == 0, F(1), w[0])  # w² and flat: every unit has an input with a weight
    for rule in (rules.WSquare(), rules.Flat()):
        checks.check_conservative(layers.Dense(w, b).redistribute(a, r, rule), (r,))
    for rule in (rules.ZPlus(), rules.ZBox(-6, 6)):
        shared = layers.Dense(w, b).redistribute(a, r, rule)
        assert not shared.bias.any()
        assert (shared.relevances[0].sum(axis=1) + shared.dropped == r.sum(axis=1)).all()


@few
@given(**LAYER)
def test_epsilon_and_gamma_conserve_up_to_the_stabiliser(a: Any, w: Any, b: Any, r: Any) -> None:
    stabiliser = edits.add(F(1, 8))
    for rule in (rules.Epsilon(F(1, 8)), rules.Gamma(F(1, 4), stabiliser), rules.ZPlus(stabiliser)):
        shared = layers.Dense(w).redistribute(a, r, rule)
        assert not shared.bias.any()
        assert not shared.dropped.any()
        assert (shared.relevances[0].sum(axis=1) + shared.stabiliser == r.sum(axis=1)).all()
    # With all of bias and ε spread over the inputs, nothing is left behind.
    checks.check_conservative(layers.Dense(w, b).redistribute(a, r, rules.Epsilon(F(1, 8), 1)), (r,))


NOT_CONSERVED = {
    "ε takes its part": (unit([1]), [1], rules.Epsilon(1), [F(1, 2)]),
    "a bias takes its part": (unit([1], 1), [1], rules.LRP0(), [F(1, 2)]),
    "αβ(1,0) gives to b⁺": (unit([1], 1), [1], rules.AlphaBeta(1, 0), [F(1, 2)]),
    "γ gives to the bias": (unit([1], 1), [1], rules.Gamma(1), [F(1, 2)]),
    "αβ without a negative part": (unit([1]), [1], rules.AlphaBeta(2, 1), [F(2)]),
    "αβ without a positive part": (unit([-1]), [1], rules.AlphaBeta(2, 1), [F(-1)]),
    "LRP-0 at z = 0": (unit([1, -1]), [1, 1], rules.LRP0(), [F(0), F(0)]),
    "z⁺ without a positive part": (unit([-1]), [1], rules.ZPlus(), [F(0)]),
    "generalised γ at z = 0": (unit([1, -1]), [1, 1], rules.GeneralizedGamma(1), [F(0), F(0)]),
    "z^B where a is the root": (unit([1]), [-1], rules.ZBox(-1, 1), [F(0)]),
}


@pytest.mark.parametrize("name", NOT_CONSERVED)
def test_where_conservation_does_not_hold(name: str) -> None:
    layer, a, rule, expected = NOT_CONSERVED[name]
    shared = layer.redistribute(exact(*a), exact(1), rule)
    assert shared.relevances[0][0].tolist() == expected
    checks.check_ledger(shared, (exact(1),))
    with pytest.raises(AssertionError, match="arrives"):
        checks.check_conservative(shared, (exact(1),))


# Positivity --------------------------------------------------------------------------------------------------


@few
@given(**{**LAYER, "r": arrays((2, 3), positives)})
def test_rules_that_are_positive_for_inputs_of_any_sign(a: Any, w: Any, b: Any, r: Any) -> None:
    for rule in (rules.ZPlus(), rules.WSquare(), rules.Flat(), rules.AlphaBeta(1, 0), rules.ZBox(-6, 6)):
        checks.check_positive(layers.Dense(w, b).redistribute(a, r, rule))
        for stabiliser in (edits.add(F(1, 8)), edits.clip(F(1, 2))):
            stable = type(rule)(*(v for v in vars(rule).values() if isinstance(v, int)), stabiliser=stabiliser)
            checks.check_positive(layers.Dense(w, b).redistribute(a, r, stable))


@few
@given(a=arrays((1, 4), positives), w=arrays((4, 1)), r=arrays((1, 1), positives))
def test_gamma_is_positive_in_the_limit(a: Any, w: Any, r: Any) -> None:
    """For a ≥ 0 the negative relevance is n/((1+γ)p − n)·R with the parts p and −n of z: it goes to 0 as 1/γ."""
    parts = (a.T * w).ravel()
    p, n = sum(v for v in parts if v > 0), -sum(v for v in parts if v < 0)
    assume(p > n)
    for gamma in (0, 1, 100, 10**6):
        found = layers.Dense(w).relevance_backward(a, r, rules.Gamma(gamma))
        negative = sum(v for v in found.ravel() if v < 0)
        assert negative == -n / ((1 + gamma) * p - n) * r[0, 0]


NOT_POSITIVE = {
    "LRP-0": (unit([2, -1]), [1, 1], rules.LRP0(), [2, -1]),
    "ε": (unit([3, -1]), [1, 1], rules.Epsilon(2), [F(3, 4), F(-1, 4)]),
    "γ at any γ": (unit([2, -1]), [1, 1], rules.Gamma(1), [F(4, 3), F(-1, 3)]),
    "plain γ needs a ≥ 0, at any γ": (unit([1, 1]), [2, -1], rules.Gamma(10**9), [2, -1]),
    "αβ with β > 0": (unit([2, -1]), [1, 1], rules.AlphaBeta(2, 1), [2, -1]),
    "z^B below l": (unit([1, 1]), [-2, 2], rules.ZBox(-1, 3), [F(-1, 2), F(3, 2)]),
    "z^B above h": (unit([-1, -1]), [4, 0], rules.ZBox(-1, 3), [F(-1, 2), F(3, 2)]),
}


@pytest.mark.parametrize("name", NOT_POSITIVE)
def test_where_positivity_does_not_hold(name: str) -> None:
    layer, a, rule, expected = NOT_POSITIVE[name]
    shared = layer.redistribute(exact(*a), exact(1), rule)
    assert shared.relevances[0][0].tolist() == expected
    with pytest.raises(AssertionError, match="negative relevance"):
        checks.check_positive(shared)


def test_plain_gamma_is_dead_where_signed_inputs_cancel() -> None:
    """a = (1, −1), w = (1, 1): no γ revives it; the generalised rule favours each input by its contribution."""
    layer, a = unit([1, 1], F(1, 2)), exact(1, -1)
    assert layer.relevance_backward(a, exact(1), rules.Gamma(10**9))[0].tolist() == [2, -2]
    limit = layer.relevance_backward(a, exact(1), rules.GeneralizedGamma(10**9))[0]
    assert abs(limit[0] - F(2, 3)) < F(1, 10**8)
    assert abs(limit[1]) < F(1, 10**8)


# 8. Limits between rules -------------------------------------------------------------------------------------


@few
@given(**LAYER)
def test_gamma_0_is_lrp0_and_epsilon_0_is_lrp0(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, b)
    said = layer.redistribute(a, r, rules.LRP0())
    for rule in (rules.Gamma(0), rules.Epsilon(0), rules.GeneralizedGamma(0), rules.LRP0(edits.relative(0))):
        checks.same_relevance(layer.redistribute(a, r, rule), said, repr(rule))


@few
@given(**ABOVE)
def test_gamma_to_infinity_is_zplus_for_units_with_a_positive_part(a: Any, w: Any, b: Any, r: Any) -> None:
    w[0], a[:, 0] = np.where(w[0] <= 0, F(1), w[0]), np.where(a[:, 0] == 0, F(1), a[:, 0])
    layer = layers.Dense(w)
    limit = layer.relevance_backward(a, r, rules.ZPlus())
    far = layer.relevance_backward(a, r, rules.Gamma(10**9))
    assert (abs(far - limit) <= F(1, 10**4) * (1 + abs(r).sum())).all()


def test_gamma_is_not_zplus_where_nothing_is_positive() -> None:
    layer, a = unit([-1, -3]), exact(1, 1)
    assert layer.relevance_backward(a, exact(1), rules.Gamma(10**9))[0].tolist() == [F(1, 4), F(3, 4)]
    assert layer.relevance_backward(a, exact(1), rules.ZPlus())[0].tolist() == [0, 0]


@few
@given(**LAYER)
def test_alpha_1_beta_0_is_zplus_for_no_positive_bias(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, -abs(b))
    checks.same_relevance(
        layer.redistribute(a, r, rules.AlphaBeta(1, 0)), layer.redistribute(a, r, rules.ZPlus()), "b ≤ 0"
    )


@few
@given(**ABOVE)
def test_zbox_from_0_to_a_is_zplus(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, b)
    checks.same_relevance(
        layer.redistribute(a, r, rules.ZBox(0, a)), layer.redistribute(a, r, rules.ZPlus()), "l = 0, h = a"
    )


# 9. Permutations ---------------------------------------------------------------------------------------------


@few
@given(
    ins=st.permutations(range(4)), hidden=st.permutations(range(5)), outs=st.permutations(range(3)),
    rule=st.sampled_from(MAIN_RULES),
)  # fmt: skip
def test_permuting_units_permutes_relevance(ins: Any, hidden: Any, outs: Any, rule: Any) -> None:
    draw = Draw("permute")
    w, b, v, c, x, r = (exactly(draw(*s)) for s in ((4, 5), (5,), (5, 3), (3,), (2, 4), (2, 3)))
    plain = Network.sequential([layers.Dense(w, b), layers.ReLU(), layers.Dense(v, c)])
    turned = Network.sequential(
        [
            layers.Dense(w[ins][:, hidden], b[hidden]),
            layers.ReLU(),
            layers.Dense(v[hidden][:, outs], c[outs]),
        ]
    )
    one = lrp.explain(plain, x, start=r, composite=rule.rule)
    two = lrp.explain(turned, x[:, ins], start=r[:, outs], composite=rule.rule)
    assert (one.output[:, outs] == two.output).all()
    assert (one.relevance[:, ins] == two.relevance).all()
    assert (one.trace.relevance["relu1"][:, hidden] == two.trace.relevance["relu1"]).all()


@pytest.mark.parametrize("name", ["Conv-2d", "Conv-stride", "Conv-3d-channels", "Conv-windows-in-padding"])
def test_permuting_channels_permutes_relevance(name: str) -> None:
    sample = BY_NAME[name]
    layer, (x,), (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    ins, outs = list(range(x.shape[1]))[::-1], [*range(1, r.shape[1]), 0]
    weight = layer.weight[outs][:, ins]
    turned = layers.Conv(weight, layer.bias[outs], layer.stride, layer.padding, layer.dilation)
    for rule in MAIN_RULES:
        one = layer.relevance_backward(x, r, rule.rule)
        assert (one[:, ins] == turned.relevance_backward(x[:, ins], r[:, outs], rule.rule)).all(), rule.name


# 11. Adjoints ------------------------------------------------------------------------------------------------


@few
@given(v=arrays((2, 4)), g=arrays((2, 3)), w=arrays((4, 3)), b=arrays((3,)))
def test_the_transpose_is_the_adjoint(v: Any, g: Any, w: Any, b: Any) -> None:
    checks.check_adjoint(layers.Dense(w, b), (v,), (g,))
    for edit in (edits.KEEP, edits.POS, edits.NEG, edits.SQUARE, edits.ONES, edits.ZERO, edits.Boost(2, "neg")):
        checks.check_adjoint(layers.Dense(w, b).edited(edit, edits.KEEP), (v,), (g,))
