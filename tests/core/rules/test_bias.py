"""Bias policies: what becomes of the relevance of a bias, in rules, networks, files and composites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import checks
import numpy as np
import peers
import pytest
from exact_numbers import F, exact, rationals
from peer_cases import FOLDER, names, read
from peer_recipes import composite as weighted
from peer_recipes import recipe
from samples import LINEAR, SAMPLES, Draw, Sample, exactly
from textbook import LINEAR_RULES

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.layers import LSTM, Add, Affine, AveragePool, Conv, Dense, Flatten, Layer, ReLU
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Rule, WithBias

POLICIES = ("absorb", "ignore", "spread", "nonzero")
STATED = {
    "LRP-0": rules.LRP0(),
    "ε": rules.Epsilon(F(1, 8)),
    "γ": rules.Gamma(F(1, 4)),
    "generalised γ": rules.GeneralizedGamma(F(1, 4)),
    "α1β0": rules.AlphaBeta(1, 0),
    "α2β1": rules.AlphaBeta(2, 1, edits.add(F(1, 8))),
    "z⁺": rules.ZPlus(),
}
every_rule = pytest.mark.parametrize("rule", STATED.values(), ids=STATED.keys())
every_policy = pytest.mark.parametrize("policy", POLICIES)


# One unit, by hand ---------------------------------------------------------------------------------------------------


def unit(w: Any, b: Any, a: Any, rule: Any, r: Any = 1) -> tuple[list[Any], Any, Any, Any]:
    """Return what the inputs, the bias, the stabiliser and nobody get of one unit z = Σ a_i w_i + b."""
    layer = Dense(exact(*[[v] for v in w]), exact(b))
    shared = layer.redistribute(exact(a), exact([r]), rule)
    return shared.relevances[0][0].tolist(), shared.bias[0], shared.stabiliser[0], shared.dropped[0]


def test_the_policies_of_one_unit() -> None:
    """z = 1·1 + 5·1 + 2 = 8, R = 24: 3 a_i and 6 to the bias; 24/6 = 4 a_i; or 3 a_i + 6/2."""
    z_rule = rules.LRP0()
    assert unit([1, 1], 2, [1, 5], z_rule, 24) == ([3, 15], 6, 0, 0)
    assert unit([1, 1], 2, [1, 5], z_rule.with_bias("ignore"), 24) == ([4, 20], 0, 0, 0)
    assert unit([1, 1], 2, [1, 5], z_rule.with_bias("spread"), 24) == ([6, 18], 0, 0, 0)
    assert unit([1, 1], 2, [1, 5], z_rule.with_bias("nonzero"), 24) == ([6, 18], 0, 0, 0)


def test_nonzero_counts_the_inputs_that_are_not_0() -> None:
    """z = 1·1 + 5·1 + 0·7 − 0·1 + 2 = 8, R = 24: 6/4 to each input, or 6/2 to each of the two that are not 0."""
    rule = rules.LRP0()
    w, a = [1, 1, 7, -1], [1, 5, 0, 0]
    assert unit(w, 2, a, rule.with_bias("spread"), 24) == ([F(9, 2), F(33, 2), F(3, 2), F(3, 2)], 0, 0, 0)
    assert unit(w, 2, a, rule.with_bias("nonzero"), 24) == ([6, 18, 0, 0], 0, 0, 0)
    # An input with weight 0 is connected, and one that is negative is there.
    assert unit([0, 1, 7], 2, [3, -1, 0], rule.with_bias("nonzero"), 1) == ([1, -1 + 1, 0], 0, 0, 0)


def test_an_empty_document_keeps_its_bias_in_the_ledger() -> None:
    """All inputs are 0: there is nobody to spread over, and no denominator without the bias."""
    rule = rules.LRP0()
    assert unit([1, 2], 3, [0, 0], rule.with_bias("nonzero"), 5) == ([0, 0], 5, 0, 0)
    assert unit([1, 2], 3, [0, 0], rule.with_bias("spread"), 5) == ([F(5, 2), F(5, 2)], 0, 0, 0)
    assert unit([1, 2], 3, [0, 0], rule.with_bias("ignore"), 5) == ([0, 0], 0, 0, 5)


def test_a_shared_stabiliser_goes_to_the_same_inputs() -> None:
    """Arras et al. 2017: ε sgn(z) is shared as the bias is. z = 6 + 2, ε = 2, R = 20: each unit of z gets 2."""
    rule = rules.Epsilon(2, bias_share=0, stabiliser_share=1)
    assert unit([1, 1, 9], 2, [1, 5, 0], rule, 20) == ([2 + F(4, 3), 10 + F(4, 3), F(4, 3)], 4, 0, 0)
    assert unit([1, 1, 9], 2, [1, 5, 0], rule.with_bias("nonzero"), 20) == ([2 + 4, 10 + 4, 0], 0, 0, 0)


def test_each_part_of_alpha_beta_counts_alike() -> None:
    """The bias of z⁺ goes to all inputs that are not 0, also to those with a negative part only."""
    rule = rules.AlphaBeta(2, 1).with_bias("nonzero")
    assert unit([2, -3, 5], 4, [1, 1, 0], rule, 6) == ([4 + 4, -6 + 4, 0], 0, 0, 0)


@pytest.mark.parametrize(("alias", "policy"), [("column", "absorb"), ("uniform", "spread")])
def test_the_names_of_papers_on_bags_of_words(alias: str, policy: str) -> None:
    for rule in STATED.values():
        assert rule.with_bias(alias) == rule.with_bias(policy)
        assert repr(rule.with_bias(alias)) == repr(rule.with_bias(policy))
    assert WithBias(rules.LRP0(), alias) == WithBias(rules.LRP0(), policy)
    assert composites.get("epsilon", bias=alias).bias == policy
    net, x = small(np.random.default_rng(2)), np.random.default_rng(3).normal(size=(1, 2, 4, 4))
    e = lrp.explain(net, x, bias=alias)
    assert e.bias == policy
    assert np.array_equal(e.relevance, lrp.explain(net, x, bias=policy).relevance)


def test_the_last_policy_holds() -> None:
    """Also where the one before it was spread, and where nonzero is taken back."""
    for first in POLICIES:
        for last in POLICIES:
            twice, once = rules.LRP0().with_bias(first).with_bias(last), rules.LRP0().with_bias(last)
            assert twice.groups == once.groups
    (present,) = rules.LRP0().with_bias("nonzero").groups
    assert (present.with_bias("spread").present, present.with_bias("spread").bias_share) == (False, 1)


def test_the_stabiliser_keeps_its_part() -> None:
    """z = 8 with ε = 2: 24/10; without bias 24/8."""
    rule = rules.Epsilon(2)
    assert unit([1, 1], 2, [1, 5], rule, 24)[1:] == (F(24, 10) * 2, F(24, 10) * 2, 0)
    assert unit([1, 1], 2, [1, 5], rule.with_bias("ignore"), 24) == ([3, 15], 0, 6, 0)
    received, bias, taken, dropped = unit([1, 1], 2, [1, 5], rule.with_bias("spread"), 24)
    assert (received, bias, taken, dropped) == ([F(24, 10) * 2, F(24, 10) * 6], 0, F(24, 10) * 2, 0)


def test_each_part_of_alpha_beta_has_its_own_bias() -> None:
    """a = (1, 1), w = (2, −3), b = 4: z⁺ = 2 + 4, z⁻ = −3; R = 6: α R z⁺ = 12·(2, 0)/6 and 12·4/6 of the bias."""
    rule = rules.AlphaBeta(2, 1)
    assert unit([2, -3], 4, [1, 1], rule, 6) == ([4, -6], 8, 0, 0)
    assert unit([2, -3], 4, [1, 1], rule.with_bias("ignore"), 6) == ([12, -6], 0, 0, 0)
    assert unit([2, -3], 4, [1, 1], rule.with_bias("spread"), 6) == ([4 + 4, -6 + 4], 0, 0, 0)
    # b = −4: the negative part is −3 − 4, of which −β R (−4)/(−7) is the bias'.
    spread = unit([2, -3], -4, [1, 1], rule.with_bias("spread"), 7)
    assert spread == ([14 - 2, -3 - 2], 0, 0, 0)


def test_a_part_that_is_the_bias_alone_is_dropped_where_the_bias_is_ignored() -> None:
    rule = rules.AlphaBeta(1, 0)
    assert unit([-1, -2], 4, [1, 1], rule, 3) == ([0, 0], 3, 0, 0)
    assert unit([-1, -2], 4, [1, 1], rule.with_bias("ignore"), 3) == ([0, 0], 0, 0, 3)
    assert unit([-1, -2], 4, [1, 1], rule.with_bias("spread"), 3) == ([F(3, 2), F(3, 2)], 0, 0, 0)


def test_spread_goes_to_the_inputs_that_exist() -> None:
    """A kernel of three ones, b = 6, zero padding: units have 2, 3 and 2 inputs; R = z, so that R b/z = 6."""
    layer = Conv(exact([[1, 1, 1]]), exact(6), padding=1)
    x = exact([1, 2, 4])[None]
    z = layer.forward(x)
    shared = layer.redistribute(x, z, rules.LRP0().with_bias("spread"))
    assert shared.relevances[0][0, 0].tolist() == [1 * 2 + 3 + 2, 2 * 3 + 3 + 2 + 3, 4 * 2 + 2 + 3]
    assert not shared.bias.any()


def test_a_unit_without_input_keeps_its_bias() -> None:
    """Windows that lie in the padding: nothing to spread over; without the bias there is no denominator."""
    layer = Conv(exact([[2]]), exact(3), padding=1)
    x, r = exact([1])[None], exact([5, 10, 7])[None]
    told = {p: layer.redistribute(x, r, rules.LRP0().with_bias(p)) for p in POLICIES}
    assert [(t.relevances[0][0, 0, 0], t.bias[0], t.dropped[0]) for t in told.values()] == [
        (4, 6 + 12, 0), (10, 0, 12), (10, 12, 0), (10, 12, 0),
    ]  # fmt: skip


# On every layer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
def test_where_relevance_goes_under_a_policy(sample: Sample) -> None:
    """The ledger closes exactly; ignored, no bias gets anything; spread, only one without an input (≠ 0) does."""
    layer, (xs, r) = exactly(sample.layer()), exactly(checks.signed(sample, "grid"))
    xs, r = tuple(x[:2] for x in xs), r[:2]
    present = layer.evenly().forward(*((x != 0) * edits.ONES(x) for x in xs)) != 0
    connected = layer.evenly().forward(*(edits.ONES(x) for x in xs)) != 0
    for rule in STATED.values():
        told = {p: layer.redistribute(xs, r, rule.with_bias(p)) for p in POLICIES}
        for shared in told.values():
            checks.check_ledger(shared, (r,))
        assert not told["ignore"].bias.any()
        for policy, there in (("spread", connected), ("nonzero", present)):
            spread, alone = told[policy], (r * ~there).reshape(2, -1).any(axis=1)
            assert ((spread.bias == 0) | alone).all()
            arrived = sum(a.reshape(2, -1).sum(axis=1) for a in spread.relevances)
            sent = r.reshape(2, -1).sum(axis=1)
            assert (arrived == sent - spread.bias - spread.stabiliser - spread.dropped).all()
            assert (spread.stabiliser == told["absorb"].stabiliser).all()
            assert (spread.dropped == told["absorb"].dropped).all()
        for x, a, b in zip(xs, told["nonzero"].relevances, told["absorb"].relevances, strict=True):
            assert (a == b)[x == 0].all()  # what is not there gets no part of a bias


@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
@pytest.mark.parametrize("kind", ["exact", "float64"])
def test_without_biases_the_policies_are_one(sample: Sample, kind: str) -> None:
    layer, (xs, r) = sample.layer(), checks.signed(sample, "grid")
    for name in ("bias", "shift"):
        if getattr(layer, name, None) is not None and (name != "shift" or layer.scale is not None):
            layer = replace(layer, **{name: 0 * getattr(layer, name)})
    if isinstance(layer, Affine) and layer.scale is None:
        layer = replace(layer, shift=0 * layer.shift)
    if kind == "exact":
        layer, xs, r = exactly(layer), exactly(xs), exactly(r)
    for rule in STATED.values():
        absorb, *others = (layer.redistribute(xs, r, rule.with_bias(p)) for p in POLICIES)
        for one in others:
            for a, b in zip(checks.columns(absorb), checks.columns(one), strict=True):
                assert np.array_equal(a, b)


def test_layers_that_have_no_bias_at_all_have_one_policy() -> None:
    for sample in LINEAR:
        if sample.kind in ("Add", "SumPool", "AveragePool", "GlobalAveragePool", "Sum", "Mean"):
            layer, (xs, r) = sample.layer("normal"), checks.signed(sample, "normal")
            absorb, *others = (layer.redistribute(xs, r, rules.Epsilon(0.5).with_bias(p)) for p in POLICIES)
            for other in others:
                for a, b in zip(checks.columns(absorb), checks.columns(other), strict=True):
                    checks.close(a, b, rtol=1e-13)


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_rows_of_a_batch_are_independent(policy: str) -> None:
    net, x = small(rng := np.random.default_rng(3)), rng.normal(size=(5, 2, 4, 4))
    x[:, :, rng.random((4, 4)) < 0.3] = 0
    x[3] = 0
    for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1"):
        e = lrp.explain(net, x, composite=name, bias=policy, epsilon=0.25)
        for n in range(5):
            alone = lrp.explain(net, x[n : n + 1], composite=name, bias=policy, epsilon=0.25)
            np.testing.assert_allclose(alone.relevance[0], e.relevance[n], rtol=1e-9, atol=1e-12)
    none = lrp.explain(net, x[:0], composite="epsilon", bias=policy)
    assert none.relevance.shape == (0, 2, 4, 4)


def test_the_textbook_without_the_bias_is_the_textbook_that_ignores_it() -> None:
    """literal: bias="ignore" is the rule on the matrix whose bias is 0, but for the gate of the generalised γ."""
    from lrp_ref.literal import Matrix, stabilisers
    from lrp_ref.literal import rules as textbook

    rng = np.random.default_rng(5)
    w, b, a, r = rationals(rng, 4, 3), rationals(rng, 3), rationals(rng, 4), rationals(rng, 3)
    full, bare = (Matrix(w, v, np.ones(w.shape, bool)) for v in (b, 0 * b))
    stable = stabilisers.add(F(1, 7))
    for rule, parameters in (
        (textbook.lrp0, {"stabiliser": stable}), (textbook.epsilon, {"epsilon": F(1, 3), "bias_share": F(1, 2)}),
        (textbook.gamma, {"gamma": F(1, 4), "stabiliser": stable}),
        (textbook.alpha_beta, {"alpha": 2, "beta": 1, "stabiliser": stable}),
    ):  # fmt: skip
        told, said = rule(a, full, r, bias="ignore", **parameters), rule(a, bare, r, **parameters)
        for column in ("messages", "bias", "stabiliser", "dropped"):
            assert getattr(told, column).tolist() == getattr(said, column).tolist()
    with pytest.raises(ValueError, match="bias must be absorb, ignore, spread or nonzero, got 'none'"):
        textbook.lrp0(a, full, r, bias="none")  # type: ignore[arg-type]


def test_policies_of_samples_are_all_there() -> None:
    """The battery of tests/core/rules/test_rules.py compares literal and fast rule under all other policies."""
    kinds = {(r.kind, r.rule.policy) for r in LINEAR_RULES if isinstance(r.rule, WithBias)}
    runs = {r.kind: [run for group in r.rule.groups for run in group.runs] for r in LINEAR_RULES}
    stated = {kind for kind, its in runs.items() if any(run.bias != edits.ZERO for run in its)} - {"Natural"}
    assert kinds == {(kind, policy) for kind in stated for policy in POLICIES[1:]}


# In a network --------------------------------------------------------------------------------------------------------


def small(rng: np.random.Generator) -> Network:
    """Two convolutions, a scale and shift of its own, a residual sum, a pool and a dense layer; all have biases."""
    nodes = [
        Node("conv", Conv(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), padding=1), ("x",)),
        Node("relu", ReLU(), ("conv",)),
        Node("norm", Affine(rng.normal(size=3), rng.normal(size=3)), ("relu",)),
        Node("add", Add(), ("relu", "norm")),
        Node("pool", AveragePool(2), ("add",)),
        Node("flatten", Flatten(), ("pool",)),
        Node("fc", Dense(rng.normal(size=(12, 3)), rng.normal(size=3)), ("flatten",)),
    ]
    return Network(tuple(nodes), (Input("x", (None, 2, 4, 4)),), ("fc",))


@every_policy
@pytest.mark.parametrize("name", [n for n in composites.names() if n not in composites.DERIVATIVES])
def test_every_preset_takes_a_policy_and_its_ledger_closes_exactly(name: str, policy: str) -> None:
    rng = np.random.default_rng(1)
    net = small(rng)
    bounds = {"low": -4, "high": 4} if "low" in composites.takes(name) else {}
    x = rng.integers(-3, 4, size=(2, 2, 4, 4)) / 4
    e = lrp.explain(rational(net), rational(x), composite=name, bias=policy, **bounds)
    assert e.bias == policy
    assert e.ledger.residual == 0
    assert all((row.residual == 0).all() for row in e.ledger)
    arrived = e.relevance.reshape(2, -1).sum(axis=1)
    total = {k: sum(getattr(row, k) for row in e.ledger) for k in ("bias", "stabiliser", "dropped")}
    assert (arrived + sum(total.values()) == e.start_relevance.sum(axis=1)).all()
    if policy in ("ignore", "spread"):
        assert (total["bias"] == 0).all()
    if policy == "nonzero":  # every window sees an input that is not 0, not so the scale of each number alone
        assert {row.node for row in e.ledger if (row.bias != 0).any()} <= {"norm"}


def test_the_policy_is_seen_in_plan_formula_result_and_file(tmp_path: Path) -> None:
    net, x = small(np.random.default_rng(2)), np.random.default_rng(3).normal(size=(1, 2, 4, 4))
    e = lrp.explain(net, x, composite="epsilon_plus", bias="ignore")
    labels = {p.node: p.label for p in e.plan}
    assert labels["conv"] == "ZPlus(stabiliser=add(1e-06))"
    assert labels["fc"] == "Epsilon(epsilon=1e-06, bias_share=0).with_bias('ignore')"
    assert labels["norm"] == "Pass()"
    assert labels["add"] == labels["pool"] == "Epsilon(epsilon=1e-06, bias_share=0)"
    assert repr(e).startswith("Explanation(epsilon_plus, bias ignore, Logit()")
    assert (e.bias, e.rules) == ("ignore", "epsilon_plus, bias ignore")
    assert lrp.load_relevance(e.save(tmp_path / "e"))["bias"] == "ignore"
    assert e.trace.relevance["x"].tolist() == e.relevance.tolist()
    plain = lrp.explain(net, x, composite="epsilon_plus")
    assert "bias" not in repr(plain)
    assert plain.rules == "epsilon_plus"
    assert e.plan[-1].rule.formula() == "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + 1e-06·sgn(z_j))·R_j"
    spread = lrp.explain(net, x, composite="lrp0", bias="spread").plan[0].rule
    assert spread.formula() == "R_i = Σ_j (a_i·w_ij + b_j/N_j) / (Σ_i a_i·w_ij + b_j)·R_j"
    nonzero = lrp.explain(net, x, composite="lrp0", bias="nonzero").plan[0].rule
    assert nonzero.formula() == "R_i = Σ_j (a_i·w_ij + [a_i ≠ 0] b_j/N_j) / (Σ_i a_i·w_ij + b_j)·R_j"


def test_files_from_before_the_policies_were_absorbing(tmp_path: Path) -> None:
    net, x = small(np.random.default_rng(2)), np.zeros((1, 2, 4, 4))
    path = lrp.explain(net, x).save(tmp_path / "e", trace=False)
    with np.load(path) as file:
        content = {k: file[k] for k in file.files if k != "bias"}
    old = tmp_path / "old.npz"
    np.savez(old, **content)
    with np.load(old) as file:
        assert "bias" not in file.files
    assert lrp.load_relevance(old)["bias"] == "absorb"


def test_every_form_of_a_composite_takes_a_policy() -> None:
    net, x = small(np.random.default_rng(2)), np.random.default_rng(3).normal(size=(2, 2, 4, 4))
    expected = lrp.explain(net, x, composite=[(composites.WEIGHTED, rules.LRP0().with_bias("spread"))]).relevance
    for composite in ("lrp0", rules.LRP0(), [(composites.WEIGHTED, rules.LRP0())], composites.get("lrp0"),
                      composites.get("lrp0", bias="ignore"), rules.LRP0().with_bias("ignore")):  # fmt: skip
        assert np.array_equal(lrp.explain(net, x, composite=composite, bias="spread").relevance, expected)
    assert np.array_equal(lrp.explain(net, x, composite=rules.LRP0().with_bias("spread")).relevance, expected)
    mixed = [(Conv, rules.LRP0().with_bias("ignore")), (Dense, rules.LRP0())]
    plan = composites.resolve(mixed).plan(net)
    assert [repr(p.rule) for p in plan if p.node in ("conv", "fc")] == [
        "LRP0(stabiliser=exact).with_bias('ignore')", "LRP0(stabiliser=exact)",
    ]  # fmt: skip


def test_a_rule_for_the_shift_of_a_scale_follows_the_policy_too() -> None:
    net = Network.sequential([Affine(exact(2), exact(6)), Dense(exact([1]), exact(0))])
    for policy, expected in (("absorb", F(2, 8) * 8), ("ignore", 8), ("spread", 8), ("nonzero", 8)):
        e = lrp.explain(net, exact([1]), composite=[((Affine, Dense), rules.LRP0())], bias=policy)
        assert e.relevance.tolist() == [[expected]]


def test_an_lstm_follows_the_policy_and_its_sum_has_no_bias() -> None:
    draw = Draw("policy", "normal")
    lstm = LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="last")
    net, x = Network.sequential([lstm, Dense(draw(2, 2), draw(2))]), draw(3, 5, 3)
    for policy in POLICIES[1:]:
        rule = rules.Epsilon(0.25)
        recurrent = rules.Recurrent(rule.with_bias(policy), rule)
        expected = lrp.explain(net, x, composite=[(LSTM, recurrent), (Dense, rule.with_bias(policy))])
        for composite in ("epsilon", [(LSTM, rules.Recurrent(rule, rule)), (Dense, rule)]):
            given = {"epsilon": 0.25} if composite == "epsilon" else {}
            e = lrp.explain(net, x, composite=composite, bias=policy, **given)
            assert np.array_equal(e.relevance, expected.relevance)
            assert (sum(row.bias for row in e.ledger) == 0).all()
            np.testing.assert_allclose(e.ledger.residual, 0, atol=1e-12)
        assert np.array_equal(lrp.explain(net, x, composite=rule.with_bias(policy)).relevance, expected.relevance)
        default = lrp.explain(net, x, composite="epsilon_plus", bias=policy).plan[0].rule
        assert default == rules.Recurrent(rules.Epsilon(1e-3).with_bias(policy), rules.Epsilon(1e-3))


@pytest.mark.parametrize("composite", [*composites.DERIVATIVES, rules.Gradient(), [(Layer, rules.Pass())]], ids=repr)
def test_a_policy_for_rules_without_denominators_is_refused(composite: Any) -> None:
    with pytest.raises(ParameterError, match=r"has no denominator in which a bias could stand; leave bias out$"):
        composites.resolve(composite, {"bias": "ignore"})
    assert composites.resolve(composite, {"bias": "absorb"}).bias == "absorb"
    assert composites.resolve(composite, {"bias": None}).bias == "absorb"


@pytest.mark.parametrize("policy", ["none", 0, True, ["ignore"], np.array(["ignore"])], ids=repr)
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    for given in (lambda: composites.get("lrp0", bias=policy), lambda: rules.LRP0().with_bias(policy)):
        with pytest.raises(ParameterError, match="unknown bias policy"):
            given()


def test_a_mixed_composite_takes_a_policy() -> None:
    mixed = [(ReLU, rules.Deconv()), (Dense, rules.LRP0()), (Layer, rules.Gradient())]
    plan = composites.resolve(mixed, {"bias": "ignore"}).plan(small(np.random.default_rng(0)))
    assert [repr(p.rule) for p in plan][-1] == "LRP0(stabiliser=exact).with_bias('ignore')"
    assert composites.resolve([(ReLU, rules.Deconv())], {"bias": "ignore"}).bias == "ignore"  # an LSTM may follow


EXPECTED = {"absorb": [3, 15], "ignore": [4, 20], "spread": [6, 18], "nonzero": [6, 18]}


@every_policy
def test_messages_tell_the_policy(policy: str) -> None:
    layer = rational(Dense(np.array([[1.0], [1.0]]), np.array([2.0])))
    table = lrp.messages(layer, exact([1, 5]), exact([24]), rules.LRP0().with_bias(policy))
    assert table.messages[:, 0].tolist() == EXPECTED[policy]
    assert table.bias.tolist() == [6 if policy == "absorb" else 0]
    assert table.formula == rules.LRP0().with_bias(policy).formula()
    with pytest.raises(UnsupportedError, match="has no textbook form"):
        lrp.messages(layer, exact([1, 5]), exact([24]), Rule(rules.LRP0().groups).with_bias("ignore"))


# Formulas and certificates -------------------------------------------------------------------------------------------


@every_policy
@every_rule
def test_formulas_have_the_policy_and_close(policy: str, rule: Any) -> None:
    pytest.importorskip("sympy")
    net = Network.sequential([Dense(np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([0.5, -1.0]))])
    made = lrp.symbolic(net, np.array([[1.0, 2.0]]), composite=rule, bias=policy, target=0)
    assert made.residual == 0
    bottom = str(made.steps[0].relevances[0].expr)
    if rule in (STATED["LRP-0"], STATED["ε"]):
        letter = {"absorb": ("z_1", True), "ignore": ("b_1", False)}
        wanted = letter.get(policy, ("b_1", True))
        assert (wanted[0] in bottom) is wanted[1]
    letters = {letter.letter for letter in made.letters.values()}
    assert ("ε" in letters) is (rule in (STATED["ε"], STATED["α2β1"]))
    assert ("γ" in letters) is (rule in (STATED["γ"], STATED["generalised γ"]))


def test_symbolic_takes_the_parameters_of_a_preset() -> None:
    pytest.importorskip("sympy")
    net = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
    one = lrp.symbolic(net, composite="epsilon", epsilon=0.5, bias="ignore")
    other = lrp.symbolic(net, composite=rules.Epsilon(0.5).with_bias("ignore"))
    assert one.text == other.text
    with pytest.raises(ParameterError, match=r"not 'numbrs' \(did you mean 'numbers'\?\); symbolic itself takes"):
        lrp.symbolic(net, numbrs=True)


def test_a_certificate_holds_under_a_policy_and_is_verified() -> None:
    pytest.importorskip("flint")
    from lrp_ref.exact import verify

    rng = np.random.default_rng(4)
    net, x = small(rng), rng.normal(size=(1, 2, 4, 4))
    for composite, given in (("epsilon_plus", {"epsilon": 0.5}), (rules.LRP0(), {})):
        made = lrp.certify(net, x, composite=composite, bias="spread", **given)
        assert made.certified
        assert made.request.parameters["bias"] == "spread"
        assert "with_bias('spread')" in " ".join(node.rule for node in made.nodes)
        again = verify(made, net, x, composite=None if isinstance(composite, str) else composite)
        assert again.accepted, again
        relevance = lrp.explain(net, x, composite=composite, bias="spread", **given).relevance
        assert verify(made, net, x, composite=None if made.request.preset else composite, heatmap=relevance).accepted
    forged = replace(made, request=replace(made.request, parameters={"bias": "ignore"}))
    assert not verify(forged, net, x, composite=rules.LRP0()).accepted


# Other programs ------------------------------------------------------------------------------------------------------

NO_BIAS = [n for n in names() if n.endswith("__zennit") and "nobias" in n]


@pytest.mark.skipif(not NO_BIAS, reason=f"{FOLDER} is absent: the peers' numbers are not distributed")
def test_all_of_zennits_cases_without_bias_are_here() -> None:
    assert len(NO_BIAS) == 3 * 8


@pytest.mark.parametrize("name", NO_BIAS)
def test_ignore_is_zennits_zero_params(name: str) -> None:
    """The rules as they are stated and bias="ignore", on every network and layer; z⁺ is there αβ(1, 0)."""
    case = read(name)
    tiny, given = edits.add(1e-6), case.parameters
    box = (lrp.first(*composites.WEIGHTED), rules.ZBox(given.get("low", 0), given.get("high", 1), tiny))
    stated = {
        "zplus": weighted(rules.AlphaBeta(1, 0, tiny)),
        "alpha2beta1": weighted(rules.AlphaBeta(2, 1, tiny)),
        "gamma_0.25": weighted(rules.GeneralizedGamma(0.25, tiny)),
        "wsquare": weighted(rules.WSquare(tiny)),
        "epsilon_1e-6": weighted(rules.Epsilon(1e-6)),
        "zbox_then_epsilon": weighted(rules.Epsilon(1e-6), box),
        "zbox_scalar_then_epsilon": weighted(rules.Epsilon(1e-6), box),
    }
    composite = stated.get(case.rule.replace("_nobias", ""))
    assert composite is not None
    # Theirs may leave the bias out of z^B alone, which has none here.
    everywhere = case.rule.endswith("_nobias")
    chosen = replace(recipe(case), instead=replace(composite, bias="ignore" if everywhere else "absorb"))
    differences = peers.compare(case, chosen)
    assert max(differences.values()) <= case.tolerance, differences
    if everywhere and "wsquare" not in name:
        absorbed = peers.compare(case, replace(chosen, instead=composite))
        assert max(absorbed.values()) > 100 * case.tolerance


def test_samples_with_biases_are_among_those_that_are_tried() -> None:
    assert {s.kind for s in SAMPLES} >= {"Dense", "Conv", "ConvTranspose", "Affine", "LSTM"}
