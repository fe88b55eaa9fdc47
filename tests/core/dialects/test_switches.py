"""Switches and dialects: their numbers are those of faults that a second implementation computed exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dialects_page import PAGE, page

import lrp_ref as lrp
from lrp_ref import rules, vectors
from lrp_ref.dialects import DIALECTS, SWITCHES, Dialect, dialect
from lrp_ref.errors import ParameterError
from lrp_ref.layers import Add, AveragePool, Dense, MaxPool, ReLU
from lrp_ref.vectors import own

CASES = [
    case for case in vectors.load(groups=["core", "alternatives"]) if case.topic in ("", "gamma-signs", "max-pool-ties")
]
# Flags of the vectors that mean a larger family of mistakes than the switch of that name, which is for single layers.
ELSEWHERE = {
    "lstm-eps-share": "the reverse: the share is dropped here, spread there",
    "sumpool-scale": "of sums there, of means here",
}
FLAGGED = sorted({name for case in CASES for name in case.faults if name in SWITCHES and name not in ELSEWHERE})


APART = {  # what the second implementation computes otherwise there, with the reason
    ("eps-rms", "core/norm/epsilon/constant"): "there every sample's own deviation is taken for that of all",
    ("maxpool-zero", "alternatives/max-pool-ties/overlap/share"): "ties are not shared",
    ("maxpool-zero", "alternatives/max-pool-ties/dead/share"): "ties are not shared",
}


def answer(case: vectors.Case, switch: str) -> Any:
    """Return what lrp_ref computes with the switch, flat; None where the switch leaves the rule as it is."""
    question = case.question()
    layer, rule = own.make_layer(question["layer"], question.get("rule")), own.make_rule(question.get("rule"))
    changed = SWITCHES[switch](layer, rule)
    if changed is None:
        return None
    with np.errstate(all="ignore"):
        found = layer.relevance_backward(tuple(question["inputs"]), question["relevance_out"], changed)
    return np.concatenate([np.ravel(part) for part in found])


@pytest.mark.parametrize("switch", FLAGGED)
def test_a_switch_gives_the_numbers_of_the_fault_of_its_name(switch: str) -> None:
    compared = 0
    for case in CASES:
        fault = case.faults.get(switch)
        kind = case.body["layer"]["type"]
        if (
            fault is None
            or (switch, case.id) in APART
            or kind in ("LSTM", "GRU", "RNN", "GeneralLSTM", "SelectiveScan", "MatMul", "Multiply")
        ):
            continue
        try:
            found = answer(case, switch)
        except lrp.LrpError:
            assert switch in ("layer-skipped", "maxpool-flat"), case.id
            continue
        if found is None:
            continue
        known = np.isfinite(fault.values)
        np.testing.assert_allclose(found[known], fault.values[known], rtol=2e-5, atol=1e-9, err_msg=case.id)
        compared += 1
    assert compared >= 1


def test_every_switch_is_compared_here_or_below() -> None:
    below = {
        "eps-no-sign0", "eps-undivided", "zero-division-nan", "avgpool-gradient", "lstm-eps-share", "sumpool-scale",
    }  # fmt: skip
    assert SWITCHES.keys() - set(FLAGGED) <= below


def ask(layer: Any, x: Any, relevance: Any, rule: Any) -> list[float]:
    return np.ravel(layer.relevance_backward(np.array(x), np.array(relevance), rule)).tolist()


UNIT = Dense(np.array([[1.0], [-1.0]]))


def test_epsilon_at_zero() -> None:
    x, r, epsilon = [[1.0, 1.0]], [[1.0]], rules.Epsilon(0.5)
    assert ask(UNIT, x, r, epsilon) == [2, -2]
    assert ask(UNIT, x, r, SWITCHES["eps-sign0"](UNIT, epsilon)) == [-2, 2]
    assert ask(UNIT, x, r, SWITCHES["eps-undivided"](UNIT, epsilon)) == [1, -1]
    assert ask(UNIT, x, r, SWITCHES["eps-no-sign0"](UNIT, epsilon)) == [0, 0]  # 0/0 is dropped, not NaN
    assert ask(UNIT, [[3.0, 1.0]], r, SWITCHES["eps-no-sign0"](UNIT, epsilon)) == ask(UNIT, [[3.0, 1.0]], r, epsilon)


def test_nan_at_zero() -> None:
    found = ask(UNIT, [[1.0, 1.0]], [[0.0]], SWITCHES["zero-division-nan"](UNIT, rules.LRP0()))
    assert np.isnan(found).all()
    layer = Dense(np.array([[1.0, 2.0], [-1.0, 1.0]]), np.array([0.5, -1.0]))
    x, r = [[1.0, 2.0]], [[1.0, 3.0]]
    for rule in (rules.LRP0(), rules.AlphaBeta(2, 1), rules.GeneralizedGamma(0.25), rules.ZBox(-1, 3)):
        assert ask(layer, x, r, SWITCHES["zero-division-nan"](layer, rule)) == pytest.approx(ask(layer, x, r, rule))


def test_a_mean_by_its_derivative_loses_what_the_padding_gets() -> None:
    pool = AveragePool(2, stride=1, padding=1)
    found = ask(pool, [[[1.0, 3.0]]], [[[1.0, 1.0, 1.0]]], SWITCHES["avgpool-gradient"](pool, rules.LRP0()))
    assert found == [1, 1]  # half of each of two windows, of three


def test_the_stabiliser_of_the_sum() -> None:
    pool = AveragePool(2)
    found = ask(pool, [[[1.0, 3.0]]], [[[1.0]]], SWITCHES["sumpool-scale"](pool, rules.Epsilon(1.0)))
    assert found == pytest.approx([1 / 5, 3 / 5], rel=1e-15)  # a/(Σa + ε)


def test_the_share_of_epsilon_that_is_dropped() -> None:
    asked = rules.Epsilon(0.5, bias_share=0, stabiliser_share=1)
    assert ask(UNIT, [[2.0, 1.0]], [[1.0]], SWITCHES["lstm-eps-share"](UNIT, asked)) == pytest.approx([4 / 3, -2 / 3])
    assert SWITCHES["lstm-eps-share"](UNIT, rules.Epsilon(0.5)) is None


def test_a_bias_by_magnitude_of_rationals() -> None:
    exact = lrp.arithmetic.rational
    layer = Dense(exact(np.array([[1.0], [-0.5]])), exact(np.array([-1.0])))
    ones = exact(np.ones((1, 1)))
    found = layer.redistribute(exact(np.ones((1, 2))), ones, SWITCHES["bias-by-magnitude"](layer, rules.LRP0()))
    assert [str(v) for v in found.relevances[0][0]] == ["2/3", "-1/3"]
    assert str(found.bias[0]) == "2/3"


# Dialects --------------------------------------------------------------------------------------------------------


def small() -> lrp.Network:
    rng = np.random.default_rng(3)
    return lrp.Network.sequential(
        [
            ("one", Dense(rng.normal(size=(5, 4)), rng.normal(size=4))),
            ("act", ReLU()),
            ("two", Dense(rng.normal(size=(4, 3)), rng.normal(size=3))),
        ]
    )


def test_a_dialect_is_seen_in_results_plans_and_files(tmp_path: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5))
    e = lrp.explain(small(), x, composite=rules.Gamma(0.25), dialect="captum-0.9")
    assert "as captum-0.9" in repr(e)
    assert "gamma-bias" in repr(e.plan)
    e.save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as saved:
        assert b"as captum-0.9" in saved["header"].tobytes()


def test_nothing_is_spoken_unless_asked_for() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5))
    for composite in ("epsilon", "epsilon_plus", rules.AlphaBeta(2, 1)):
        plain = lrp.explain(small(), x, composite=composite)
        paper = lrp.explain(small(), x, composite=composite, dialect="paper:bach2015")
        np.testing.assert_array_equal(plain.relevance, paper.relevance)
        assert " as " not in plain.composite


def test_bounds_policies_and_rules_of_layers_that_nobody_named() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5))
    boxed = lrp.Composite([("one", rules.ZBox(-4, 4)), (Dense, rules.ZPlus())], dialect="zennit-1.0")
    assert repr(boxed.plan(small())[0].rule) == repr(rules.ZBox(-4, 4, lrp.edits.add(1e-6)))
    ignored = lrp.explain(small(), x, composite=rules.ZPlus(), dialect="zennit-1.0", bias="ignore")
    plus = lrp.explain(small(), x, composite=rules.ZPlus(lrp.edits.add(1e-6)))
    np.testing.assert_allclose(ignored.relevance, plus.relevance, rtol=1e-12)
    unasked = DIALECTS["captum-0.9"].rule(Add(), rules.Epsilon(1e-6), asked=False)
    assert repr(unasked).startswith("Epsilon(epsilon=1e-09")
    assert DIALECTS["captum-0.9"].rule(MaxPool(2), None).formula().endswith("(z_p + 1e-09·sgn(z_j))")


def test_names_of_dialects() -> None:
    assert dialect("gamma-bias+maxpool-zero").switches == ("gamma-bias", "maxpool-zero")
    assert lrp.dialect(DIALECTS["lxt-2.1"]) is DIALECTS["lxt-2.1"]
    with pytest.raises(ParameterError, match=r"unknown dialect 'captum-0\.8': did you mean 'captum-0\.9'"):
        dialect("captum-0.8")
    with pytest.raises(ParameterError, match="is no dialect: give a name"):
        dialect(3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="unknown switch 'gama-bias': did you mean 'gamma-bias'"):
        Dialect.of("gama-bias")
    with pytest.raises(ParameterError, match="not 'dialekt'"):
        lrp.explain(small(), np.zeros((1, 5)), composite="epsilon", dialekt="captum-0.9")


def test_a_composite_in_another_dialect_has_its_name_alone() -> None:
    once = lrp.composites.get("epsilon_plus", dialect="zennit-1.0")
    assert once.spoken("captum-0.9").name == "epsilon_plus as captum-0.9"


@pytest.mark.parametrize("first", sorted(SWITCHES))
def test_any_two_switches_go_together(first: str) -> None:
    """Every pair is a rule, or none, of every layer and rule; what it computes may be no number."""
    dense = [rules.AlphaBeta(2, 1), rules.ZPlus(), rules.GeneralizedGamma(0.005), rules.ZBox(-1, 1), rules.WSquare()]
    others = [(AveragePool(2), rules.Epsilon(0.5)), (Add(), None), (MaxPool(2), None)]
    for second in SWITCHES:
        both = Dialect.of(first, second)
        for layer, given in [*((UNIT, rule) for rule in dense), *others]:
            rule = both.rule(layer, given)
            assert rule is None or (repr(rule) and rule.formula())
            if layer is UNIT and "layer-skipped" not in (first, second):
                with np.errstate(all="ignore"):
                    found = UNIT.relevance_backward(np.array([[0.5, -1.0]]), np.array([[1.0]]), rule)
                assert found.shape == (1, 2)


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/support/dialects_page.py"


@pytest.mark.parametrize("first", SWITCHES)
def test_a_switch_after_another_makes_a_rule_or_does_not_concern_it(first: str) -> None:
    """Also of rules whose groups another switch has split: none of the pairs ends in an error of Python."""
    layer = Dense(np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.5, -1.0]))
    x, arrived = np.array([[1.0, -0.5]]), np.array([[1.0, -2.0]])
    for rule in (rules.AlphaBeta(2, 1), rules.AlphaBeta(1, 0), rules.ZPlus(), rules.Gamma(0.25), rules.Epsilon(0.1)):
        once = SWITCHES[first](layer, rule)
        for second in SWITCHES:
            twice = SWITCHES[second](layer, rule if once is None else once)
            if twice is not None:
                assert layer.relevance_backward(x, arrived, twice).shape == x.shape
