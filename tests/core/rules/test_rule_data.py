"""Rules as data: printed, compared, moved; small points of rules; what they refuse."""

from __future__ import annotations

import itertools
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, SAMPLES, Draw, exactly
from strict import StrictArray, to_strict
from textbook import LINEAR_RULES, OTHER_RULES

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import LrpError
from lrp_ref.layers import Additive, Normalize, RecurrentLayer, SoftMin
from lrp_ref.layers.base import Linear
from lrp_ref.layers.descriptors import DescriptorSum
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Group, Rule, Run, WithBias

# Rules as data -----------------------------------------------------------------------------------------------

PRINTED = {
    rules.LRP0(): ("LRP0(stabiliser=exact)", "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j"),
    rules.Epsilon(0.25): (
        "Epsilon(epsilon=0.25, bias_share=0)",
        "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j + 0.25·sgn(z_j))·R_j",
    ),
    rules.Gamma(0.25): (
        "Gamma(gamma=0.25, stabiliser=exact)",
        "R_i = Σ_j a_i·(w_ij + 0.25·w_ij⁺) / (Σ_i a_i·(w_ij + 0.25·w_ij⁺) + (b_j + 0.25·b_j⁺))·R_j",
    ),
    rules.AlphaBeta(2, 1): (
        "AlphaBeta(alpha=2, beta=1, stabiliser=exact)",
        "R_i = Σ_j (2·(a_i⁺·w_ij⁺ + a_i⁻·w_ij⁻) / (Σ_i (a_i⁺·w_ij⁺ + a_i⁻·w_ij⁻) + b_j⁺) "
        "− 1·(a_i⁺·w_ij⁻ + a_i⁻·w_ij⁺) / (Σ_i (a_i⁺·w_ij⁻ + a_i⁻·w_ij⁺) + b_j⁻))·R_j",
    ),
    rules.ZPlus(): (
        "ZPlus(stabiliser=exact)",
        "R_i = Σ_j (a_i⁺·w_ij⁺ + a_i⁻·w_ij⁻) / (Σ_i (a_i⁺·w_ij⁺ + a_i⁻·w_ij⁻))·R_j",
    ),
    rules.WSquare(): ("WSquare(stabiliser=exact)", "R_i = Σ_j 1·w_ij² / (Σ_i 1·w_ij²)·R_j"),
    rules.Flat(): ("Flat(stabiliser=exact)", "R_i = Σ_j 1·1 / (Σ_i 1·1)·R_j"),
    rules.ZBox(-1, 2): (
        "ZBox(low=-1, high=2, stabiliser=exact)",
        "R_i = Σ_j (a_i·w_ij − l_i·w_ij⁺ − h_i·w_ij⁻) / (Σ_i (a_i·w_ij − l_i·w_ij⁺ − h_i·w_ij⁻))·R_j",
    ),
    rules.Reference((0.5, -1)): (
        "Reference(x0=(0.5, -1), stabiliser=exact)",
        "R_i = Σ_j (a_i − x0_i)·w_ij / (Σ_i (a_i − x0_i)·w_ij)·R_j",
    ),
    rules.LRP0(edits.clip(0.5)): (
        "LRP0(stabiliser=clip(0.5))",
        "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j clipped to |z| ≥ 0.5)·R_j",
    ),
    rules.Pass(): ("Pass()", "R_i = R_j"),
    rules.AllToOne(3): ("AllToOne(index=3)", "R_i = [i = 3]·Σ_j R_j"),
    rules.Product("half"): ("Product(product='half', stabiliser=exact)", "R_k = R/2"),
}


DEFAULTS: dict[Any, dict[str, Any]] = {  # as the docstrings, the presets' names and the guides say
    rules.Epsilon: {"epsilon": 1e-6, "bias_share": 0, "stabiliser_share": None},
    rules.Gamma: {"gamma": 0.25},
    rules.GeneralizedGamma: {"gamma": 0.25},
    rules.AlphaBeta: {"alpha": 2, "beta": 1},
    rules.Reference: {"x0": 0},
    rules.BetaSmooth: {"beta": 10},
    rules.ResponseNorm: {"kind": "taylor"},
    rules.Selection: {"product": "signal", "epsilon": 0},
    rules.Recurrent: {"dense": rules.Epsilon(1e-3), "state": rules.Epsilon(1e-3), "product": "signal"},
}


@pytest.mark.parametrize("rule", DEFAULTS)
def test_a_rule_without_numbers_has_the_documented_ones(rule: Any) -> None:
    assert rule() == rule(**DEFAULTS[rule])


@pytest.mark.parametrize("rule", PRINTED, ids=repr)
def test_rules_print_their_parameters_and_formulas(rule: Any) -> None:
    assert (repr(rule), rule.formula()) == PRINTED[rule]
    assert eval(repr(rule), {**vars(rules), "exact": edits.EXACT, "clip": edits.clip}) == rule  # noqa: S307


def test_every_rule_prints_compares_hashes_and_pickles() -> None:
    import pickle

    named = [r.rule for r in LINEAR_RULES] + list(OTHER_RULES.values())
    named.append(rules.ZBox(np.array([-1.0, 0.0]), np.array([1.0, 2.0])))
    named.append(rules.Reference(np.array([-1.0, 0.0])))
    for k, rule in enumerate(named):
        again = pickle.loads(pickle.dumps(rule))  # noqa: S301
        assert again == rule
        assert hash(again) == hash(rule)
        assert rule.formula()
        assert str(rule).startswith(type(rule.rule if isinstance(rule, WithBias) else rule).__name__)
        same = [other for j, other in enumerate(named) if j != k and other == rule]
        assert not same, f"{rule} equals {same}"
        assert rule.map_arrays(lambda a: a) == rule


def test_rules_move_to_another_array_module() -> None:
    sample, low = BY_NAME["Conv-1d"], Draw("low").positive(2, 6) - 7
    moved = to_strict(rules.ZBox(low, 4))
    assert type(moved.low) is StrictArray
    assert moved.high == 4
    assert type(to_strict(rules.Reference(low)).x0) is StrictArray
    for box in (
        rules.ZBox(low, 4), rules.ZBox(low, low + 9), rules.ZBox(low[:, 0], 5), rules.ZBox([-4, -3.5], [4, 5]),
        rules.Reference(low), rules.Reference(low[:, 0]), rules.Reference([-4, -3.5]),
    ):  # fmt: skip
        checks.check_backend(sample.layer(), sample.inputs(), sample.relevances(), box)


def test_without_bias_leaves_every_denominator_bare() -> None:
    for rule in (rules.LRP0(), rules.Epsilon(0.5, 1), rules.Gamma(2), rules.AlphaBeta(2, 1), rules.GeneralizedGamma()):
        bare = rule.with_bias("ignore")
        assert isinstance(bare, Rule)
        assert all(run.bias == edits.ZERO for group in bare.groups for run in group.runs)
        assert "b_j" not in bare.formula().replace("·b_j + ", "")
        for name in ("Dense", "Conv-asymmetric", "Affine-channels"):
            layer, (xs, r) = BY_NAME[name].layer(), checks.signed(BY_NAME[name], "grid")
            assert not layer.redistribute(xs, r, bare).bias.any()


# Small points ------------------------------------------------------------------------------------------------


def test_sign_of_zero_is_plus_for_every_stabiliser() -> None:
    z = np.array([[0.0, -0.0, 1e-300, -1e-300]])
    assert edits.add(0.5)(z).tolist() == [[0.5, 0.5, 0.5, -0.5]]
    assert edits.clip(0.5)(z).tolist() == [[0.5, 0.5, 0.5, -0.5]]
    big = np.array([[0.0, -0.0, 4.0, -4.0]])
    root = np.sqrt(8.0) / 2
    assert edits.relative(0.5)(big).tolist() == [[root, root, 4 + root, -4 - root]]
    assert edits.relative(0.5)(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [3 + 0.5 * np.sqrt(12.5), 4 + 0.5 * np.sqrt(12.5)],
        [0.0, 0.0],
    ]
    assert edits.EXACT(z) is z


def test_dead_units_are_dropped_and_counted_one_by_one() -> None:
    layer = layers.Dense(np.array([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0]]), np.array([0.0, 0.0, 0.0]))
    shared = layer.redistribute(np.array([[1.0, -1.0]]), np.array([[5.0, 7.0, 9.0]]), rules.LRP0())
    assert shared.dropped.tolist() == [12.0]
    assert shared.relevances[0].tolist() == [[6.0, 3.0]]
    shared = layer.redistribute(np.array([[1.0, -1.0]]), np.array([[5.0, 7.0, 9.0]]), rules.Epsilon(1.0))
    # z = 0: unit 0 gives (1, −1)/(0 + 1)·5, its stabiliser takes all of the 5.
    assert shared.relevances[0].tolist() == [[5 + 2 / 4 * 9, -5 + 1 / 4 * 9]]
    assert shared.stabiliser.tolist() == [5 + 7 + 9 / 4]


def test_a_rule_of_runs_with_signs_accounts_for_every_bias() -> None:
    """(a·w + b) − (a·w⁻ + b⁻) is (a·w⁺ + b⁺), messages, bias and all."""
    runs = Run(), Run(edits.KEEP, edits.NEG, edits.NEG, -1)
    other = Rule((Group((Run(edits.KEEP, edits.POS, edits.POS),)),))
    for name in ("Dense", "Conv-stride", "Affine-channels"):
        layer, (xs, r) = exactly(BY_NAME[name].layer()), exactly(checks.signed(BY_NAME[name], "grid"))
        shared = layer.redistribute(xs, r, Rule((Group(runs),)))
        checks.check_ledger(shared, (r,))
        assert shared.bias.any()
        checks.same_relevance(shared, layer.redistribute(xs, r, other), name)


def test_flat_is_uniform_over_the_taps_that_exist() -> None:
    layer = layers.Conv(np.ones((1, 1, 3)) * 5, padding=1)
    found = layer.relevance_backward(np.ones((1, 1, 3)), np.array([[[6.0, 12.0, 24.0]]]), rules.Flat())
    assert found.tolist() == [[[3 + 4, 3 + 4 + 12, 4 + 12]]]


def test_gate_sees_the_bias_also_where_it_is_ignored() -> None:
    """z = 1 − 3 < 0 with its bias: negative contributions are favoured, whether or not the bias is a contributor."""
    layer, a = layers.Dense(np.array([[1.0], [-1.0]]), np.array([-3.0])), np.array([[2.0, 1.0]])
    shared = layer.redistribute(a, np.array([[1.0]]), rules.GeneralizedGamma(1.0).with_bias("ignore"))
    # contributions 2·1 and 1·(−1 − 1): their sum is 0, so the unit is dead although z = −2.
    assert shared.dropped.tolist() == [1.0]
    shared = layer.redistribute(a, np.array([[1.0]]), rules.GeneralizedGamma(0.5).with_bias("ignore"))
    assert shared.relevances[0].tolist() == [[2 / 0.5, -1.5 / 0.5]]


def test_relevance_of_another_shape_is_refused() -> None:
    for sample in SAMPLES:
        layer, xs, rs = sample.layer(), sample.inputs(), sample.relevances()
        rule = checks.own_rule(layer)
        if rule is checks.NO_RULE:
            continue
        wrong = tuple(np.concatenate([r, r], axis=-1) for r in rs)
        with pytest.raises(LrpError, match="shape"):
            layer.redistribute(xs, wrong, rule)


def test_foreign_rules_are_refused() -> None:
    for sample, rule in itertools.product(SAMPLES, (rules.Epsilon(0.1), rules.Product("half"), "epsilon", object())):
        layer, xs, rs = sample.layer(), sample.inputs(), sample.relevances()
        sums = (
            Linear,
            RecurrentLayer,
            Normalize,
            Additive,
            DescriptorSum,
            SoftMin,
        )  # of terms, or with p held constant
        if isinstance(rule, rules.Epsilon) and isinstance(layer, sums):
            continue
        if isinstance(rule, rules.Product) and sample.kind in ("Multiply", "MatMul"):
            continue
        with pytest.raises(LrpError, match=r"is not a rule for|has no rule of its own|shares among terms"):
            layer.redistribute(xs, rs, rule)


@pytest.mark.parametrize("number", [np.array(0.25), np.float64(0.25), np.array([0.25])[0]], ids=repr)
def test_parameters_are_plain_numbers(number: Any) -> None:
    """An array without axes is one number, which certificates and formulas can take as well."""
    for made, plain in (
        (rules.Epsilon(number, number, number), rules.Epsilon(0.25, 0.25, 0.25)),
        (rules.Gamma(number), rules.Gamma(0.25)),
        (rules.GeneralizedGamma(number), rules.GeneralizedGamma(0.25)),
        (rules.AlphaBeta(1 + number, number), rules.AlphaBeta(1.25, 0.25)),
        (rules.BetaSmooth(number), rules.BetaSmooth(0.25)),
        (rules.LRP0(edits.clip(number)), rules.LRP0(edits.clip(0.25))),
    ):
        assert repr(made) == repr(plain)
        assert (made, hash(made)) == (plain, hash(plain))


def test_bounds_stay_what_they_were() -> None:
    """Whoever writes into an array afterwards, or into what it is a view of, does not change a rule made of it."""
    for low in (np.zeros(2), np.zeros((4, 2))[1], np.broadcast_to(base := np.zeros(1), (2,))):
        rule, const, reference = rules.ZBox(low, 5), edits.Const(low, "l"), rules.Reference(low)
        (low if low.flags.writeable else base)[...] = 3
        assert rule.low.tolist() == const.value.tolist() == reference.x0.tolist() == [0, 0]
        with pytest.raises(ValueError, match="read-only"):
            rule.low[0] = 1
        assert rule.groups[0].runs[1].inputs.value is rule.low, "no copy of a copy"
        assert reference.groups[0].runs[0].inputs.value is reference.x0


def test_a_network_does_not_remember_bounds_that_were_written_into() -> None:
    """z^B's constant denominators are large enough here to be kept: (1, 64, 80, 80) numbers."""
    rng = np.random.default_rng(1)
    conv = layers.Conv(rng.normal(size=(64, 3, 3, 3)), rng.normal(size=64), padding=1)
    net = lrp.Network.sequential([conv, layers.GlobalAveragePool()])
    x, low = rng.uniform(-1, 1, size=(1, 3, 80, 80)), np.full((3, 80, 80), -1.0)
    for bound in (-1.0, -2.0):
        low[...] = bound
        z = conv.forward(x)
        e = lrp.explain(net, x, composite="epsilon_gamma_box", low=low, high=1, target=1)
        sent = np.zeros(z.shape)
        sent[:, 1] = z[:, 1] / z[:, 1].sum() * z[:, 1].mean()  # the mean hands on in proportion, up to its ε of 1e-6
        w, none = conv.weight, np.zeros(64)
        positive, negative = (layers.Conv(part, none, padding=1) for part in (np.maximum(w, 0), np.minimum(w, 0)))
        bare = layers.Conv(w, none, padding=1)
        lows, highs = np.full(x.shape, bound), np.ones(x.shape)
        whole = bare.forward(x) - positive.forward(lows) - negative.forward(highs)
        m = sent / (whole + 1e-6)
        expected = x * bare.pull((x,), m)[0] - lows * positive.pull((x,), m)[0] - highs * negative.pull((x,), m)[0]
        np.testing.assert_allclose(e.relevance, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())
        assert e.ledger.residual < 1e-10


def test_notebooks_show_a_rule_and_its_formula_as_text() -> None:
    assert rules.Guided()._repr_html_() == "<p><code>Guided()</code></p><p>R_i = [a_i &gt; 0]·R_j⁺</p>"
    html = rules.LRP0().with_bias("ignore")._repr_html_()
    assert html.endswith("<p>R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij)·R_j</p>")
