"""Small points of the named rules: their defaults, the borders of their parameters, samples of one or no input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact

from lrp_ref import layers, rules
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers.base import Layer
from lrp_ref.rules import edits
from lrp_ref.rules.rule import WithBias

# Typed from the rules' documentation: what a rule is without parameters.
DEFAULTS: dict[str, str] = {
    "LRP0": "LRP0(stabiliser=exact)",
    "Epsilon": "Epsilon(epsilon=1e-06, bias_share=0)",
    "Gamma": "Gamma(gamma=0.25, stabiliser=exact)",
    "GeneralizedGamma": "GeneralizedGamma(gamma=0.25, stabiliser=exact)",
    "AlphaBeta": "AlphaBeta(alpha=2, beta=1, stabiliser=exact)",
    "ZPlus": "ZPlus(stabiliser=exact)",
    "WSquare": "WSquare(stabiliser=exact)",
    "Flat": "Flat(stabiliser=exact)",
    "ZBox": "ZBox(stabiliser=exact)",
    "Reference": "Reference(x0=0, stabiliser=exact)",
    "Natural": "Natural(stabiliser=exact)",
    "Pass": "Pass()",
    "Zero": "Zero()",
    "Gradient": "Gradient()",
    "Deconv": "Deconv()",
    "Guided": "Guided()",
    "BetaSmooth": "BetaSmooth(beta=10.0)",
    "Uniform": "Uniform()",
    "AllToOne": "AllToOne(index=0)",
    "Product": "Product(product='signal', stabiliser=exact)",
    "Taylor": "Taylor(stabiliser=exact)",
    "Recurrent": (
        "Recurrent(dense=Epsilon(epsilon=0.001, bias_share=0), state=Epsilon(epsilon=0.001, bias_share=0), "
        "product='signal')"
    ),
    "ResponseNorm": "ResponseNorm(kind='taylor')",
    "Selection": "Selection(product='signal', epsilon=0)",
}


@pytest.mark.parametrize("name", rules.RULES)
def test_defaults(name: str) -> None:
    assert repr(rules.RULES[name]()) == DEFAULTS[name]


FORMULAS: dict[Any, str] = {
    rules.Zero(): "R_i = 0",
    rules.Gradient(): "R_i = Σ_j ∂z_j/∂a_i·R_j",
    rules.Deconv(): "R_i = R_j⁺",
    rules.Guided(): "R_i = [a_i > 0]·R_j⁺",
    rules.BetaSmooth(3.0): "R_i = σ(3.0·a_i)·R_j",
    rules.Uniform(): "R_i = Σ_j R_j / d",
    rules.Product("signal"): "R_signal = R, R_gate = 0",
    rules.Product("prop"): "R_k = x_k/(x_0 + x_1)·R",
    rules.Product("abs"): "R_k = |x_k|/(|x_0| + |x_1|)·R",
    rules.ResponseNorm(): "R_i = Σ_k z_ik/(Σ_j z_jk)·R_k",
    rules.ResponseNorm("path"): "R_i = Σ_k z_ik/(Σ_j z_jk)·R_k",
    rules.ResponseNorm("toolbox"): "R_i = Σ_k z_ik·R_k",
    rules.Selection(): "products: R_signal = R, R_selection = 0; sums: R_k = z_k / (Σ_k z_k)·R",
    rules.Selection("half", 0.5): "products: R_k = R/2; sums: R_k = z_k / (Σ_k z_k + 0.5·sgn(z_j))·R",
    rules.Recurrent(rules.LRP0(), rules.Epsilon(0.5)): (
        "cell input: R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j; "
        "sum: R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j + 0.5·sgn(z_j))·R_j; products: R_signal = R, R_gate = 0"
    ),
    **{
        rules.Recurrent(rules.LRP0(), rules.Flat(), product): (
            "cell input and gates: R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j; "
            f"sum: R_i = Σ_j 1·1 / (Σ_i 1·1)·R_j; products: {shares}"
        )
        for product, shares in (
            ("prop", "R_g = g/(g + s)·R, R_s = s/(g + s)·R"),
            ("abs", "R_g = |g|/(|g| + |s|)·R, R_s = |s|/(|g| + |s|)·R"),
            ("half", "R_g = R_s = R/2"),
        )
    },
}


@pytest.mark.parametrize("rule", FORMULAS, ids=repr)
def test_formulas(rule: Any) -> None:
    assert rule.formula() == FORMULAS[rule]


# Borders of parameters ---------------------------------------------------------------------------------------


def test_parameters_at_their_borders_are_taken() -> None:
    for zero in (0, 0.0, F(0)):
        assert rules.Epsilon(zero, zero, zero).groups[0].stabiliser == edits.add(0)
        assert rules.Gamma(zero).gamma == rules.GeneralizedGamma(zero).gamma == 0
        assert len(rules.AlphaBeta(1, zero).groups) == 1
    assert rules.Epsilon(1, 1, 1).groups[0].bias_share == 1
    assert rules.BetaSmooth(0.5).beta == 0.5
    assert rules.BetaSmooth(1e-9).beta == 1e-9


def test_alpha_and_beta_may_be_off_by_rounding() -> None:
    step = F(1e-12)  # the tolerance itself
    for alpha in (2, 2 + step, 2 - step, 1.1 + 0.9, 2 + 4e-16):
        assert rules.AlphaBeta(alpha, 1).alpha == alpha
    for alpha in (2 + step * F(11, 10), 2 - step * F(11, 10), 2.001, 1, 3, float("nan")):
        with pytest.raises(ParameterError, match="α − β must be 1"):
            rules.AlphaBeta(alpha, 1)


def test_a_box_may_be_a_point_and_lists_are_values() -> None:
    for low, high in ((1, 1), (0.0, -0.0), ([0, 1], [0, 2]), (np.array([0.0, 1.0]), 1.0)):
        rules.ZBox(low, high)
    for listed, tupled in (
        (rules.ZBox([0, 1], [2, 3]), rules.ZBox((0, 1), (2, 3))),
        (rules.ZBox([[0, 1], [-1, -2]], 3), rules.ZBox(((0, 1), (-1, -2)), 3)),
    ):
        assert listed == tupled
        assert hash(listed) == hash(tupled)
        assert repr(listed) == repr(tupled)
    assert repr(rules.ZBox([0, 1], [2, 3])) == "ZBox(low=(0, 1), high=(2, 3), stabiliser=exact)"


def test_a_named_rule_without_groups_is_none() -> None:
    class Forgotten(rules.linear.Named):
        pass

    with pytest.raises(ParameterError, match="at least one group"):
        Forgotten()


# Samples of one or no input ----------------------------------------------------------------------------------


def test_uniform_shares_over_what_there_is() -> None:
    one = layers.Dense(exact([1, 2]))
    assert one.redistribute(exact([5], [6]), exact([3, 4], [-1, 0]), rules.Uniform()).relevances[0].tolist() == [
        [7],
        [-1],
    ]
    shared = layers.Sum(axes=(1,)).redistribute(np.ones((2, 0)), np.array([[3.0], [-4.0]]), rules.Uniform())
    assert shared.relevances[0].shape == (2, 0)
    assert shared.dropped.tolist() == [3, -4], "no input: all of it is dropped, and counted"
    whole = layers.Sum(axes=(1,)).redistribute(np.ones((2, 2)), np.array([[3.0], [-4.0]]), rules.Uniform())
    assert whole.dropped.tolist() == [0, 0]


@pytest.mark.parametrize("index", range(-6, 6))
def test_all_to_one_of_every_position(index: int) -> None:
    layer, r = layers.Dense(np.ones((2, 1))), np.array([[[1.0], [2.0], [12.0]], [[0.0], [0.0], [-1.0]]])
    (found,) = layer.redistribute(np.ones((2, 3, 2)), r, rules.AllToOne(index)).relevances
    wanted = np.zeros((2, 6))
    wanted[:, index] = 15, -1
    assert found.tolist() == wanted.reshape(2, 3, 2).tolist()


def test_all_to_one_is_of_the_first_operand() -> None:
    xs, r = (exact([1, 2, 3], [4, 5, 6]), exact([1], [2])), exact([1, 2, 4], [0, -3, 1])
    for index, wanted in ((-1, [[0, 0, 7], [0, 0, -2]]), (1, [[0, 7, 0], [0, -2, 0]])):
        found = layers.Add().redistribute(xs, r, rules.AllToOne(index))
        assert [x.tolist() for x in found.relevances] == [wanted, [[0], [0]]]
    for index in (3, -4):
        with pytest.raises(ParameterError, match="does not exist"):
            layers.Add().redistribute(xs, r, rules.AllToOne(index))


# Rules for any layer, by their formulas ----------------------------------------------------------------------

X = [F(-2), F(-1, 2), F(0), F(1, 2), F(1), F(2)]


def told(found: Any, r: Any) -> list[Any]:
    """The relevance of one operand, after a look at the ledger: what the inputs miss was dropped."""
    assert found.bias.tolist() == found.stabiliser.tolist() == [0]
    assert found.dropped[0] == pytest.approx(sum(r[0]) - sum(found.relevances[0][0]), rel=1e-15)
    return found.relevances[0][0].tolist()


@pytest.mark.parametrize("sign", [1, -1])
def test_rules_of_a_relu(sign: int) -> None:
    r = exact([sign * F(k + 1, 3) for k in range(6)])
    plus = [max(v, 0) for v in r[0]]
    relu, clip = layers.ReLU(), layers.Clip(F(-1, 2), F(1))
    assert told(relu.redistribute(exact(X), r, rules.Deconv()), r) == plus
    assert told(clip.redistribute(exact(X), r, rules.Deconv()), r) == plus
    assert told(relu.redistribute(exact(X), r, rules.Guided()), r) == [0, 0, 0, *plus[3:]]
    assert told(clip.redistribute(exact(X), r, rules.Guided()), r) == [0, 0, *plus[2:4], 0, 0]
    assert told(relu.redistribute(exact(X), r, rules.Pass()), r) == r[0].tolist()
    assert told(relu.redistribute(exact(X), r, rules.Zero()), r) == [0] * 6


@pytest.mark.parametrize("bounds", [None, (0, 6), (-1, 2), (None, 1.5), (-0.5, None), (None, None)], ids=str)
def test_the_smoothed_relu_has_a_softplus_at_each_bound(bounds: Any) -> None:
    """R_i = (σ(β(a_i − low)) − σ(β(a_i − high))) R_j; a bound that does not exist counts 1 or 0."""
    x, r, beta = np.array([X], dtype=float), np.array([[3.0, -5.0, 7.0, 1.0, -2.0, 4.0]]), 3.0
    low, high = (0, None) if bounds is None else bounds

    def sigma(v: float) -> float:
        return 1 / (1 + math.exp(-beta * v))

    layer = layers.ReLU() if bounds is None else layers.Clip(*bounds)
    found = told(layer.redistribute(x, r, rules.BetaSmooth(beta)), r)
    for a, rj, ri in zip(x[0], r[0], found, strict=True):
        up, down = 1 if low is None else sigma(a - low), 0 if high is None else sigma(a - high)
        assert ri == pytest.approx((up - down) * rj, rel=1e-13, abs=1e-15)


def test_the_gradient_of_one_output_and_of_several() -> None:
    dense = layers.Dense(exact([2, -1], [0, 3]), exact(1, 5))
    found = dense.redistribute(exact([4, 7]), exact([10, 1]), rules.Gradient())
    assert found.relevances[0].tolist() == [[19, 3]]
    assert found.dropped.tolist() == [10 + 1 - 19 - 3]
    split, r = layers.Split((1, 2)), (exact([10]), exact([3, 4]))
    found = split.redistribute(exact([1, 2, 3]), r, rules.Gradient())
    assert found.relevances[0].tolist() == [[10, 3, 4]]
    assert found.dropped.tolist() == [0]
    found = split.redistribute(exact([1, 2, 3]), r, rules.Zero())
    assert (found.relevances[0].tolist(), found.dropped.tolist()) == ([[0, 0, 0]], [17])
    found = split.redistribute(exact([1, 2, 3]), r, rules.Uniform())
    assert (found.relevances[0].tolist(), found.dropped.tolist()) == ([[F(17, 3)] * 3], [0])
    found = layers.Split((3,)).redistribute(exact([1, 2, 3]), (exact([3, 4, 5]),), rules.Gradient())
    assert found.relevances[0].tolist() == [[3, 4, 5]]


class Through(Layer):
    """Any number of inputs, as many outputs, unchanged."""

    operands = None

    def forward(self, *xs: Any) -> Any:
        return xs


@pytest.mark.parametrize("rule", [rules.Pass(), rules.Deconv(), rules.Guided(), rules.BetaSmooth()], ids=repr)
def test_rules_for_one_input_of_the_output_s_shape(rule: Any) -> None:
    one, two, long = np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 3))
    rule.run(Through(), (one,), (two,))
    for xs, rs in (((one, two), (one, two)), ((one,), (long,)), ((long,), (one,)), ((one,), (one, two)),
                   ((one, two), (one,)), ((), ())):  # fmt: skip
        with pytest.raises(ShapeError, match="shapes differ"):
            rule.run(Through(), xs, rs)


def test_a_bare_rule_keeps_weights_and_stabilisers() -> None:
    bare = rules.AlphaBeta(2, 1, edits.add(0.5)).with_bias("ignore")
    assert isinstance(bare, WithBias)
    assert bare.rule == rules.AlphaBeta(2, 1, edits.add(0.5))
    assert [(g.weight, g.stabiliser) for g in bare.groups] == [(2, edits.add(0.5)), (-1, edits.add(0.5))]
    assert bare.with_bias("ignore") == bare
    assert bare.with_bias("absorb") == bare.rule
    assert bare.with_bias("spread") == bare.rule.with_bias("spread")
    assert repr(bare) == "AlphaBeta(alpha=2, beta=1, stabiliser=add(0.5)).with_bias('ignore')"
    with pytest.raises(ParameterError, match=r"^unknown bias policy 'ignored': did you mean 'ignore'\?"):
        bare.with_bias("ignored")
    with pytest.raises(ParameterError, match="unknown bias policy 'None'"):
        WithBias(bare.rule, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["absorb", "ignore", "spread", "nonzero"])
def test_a_policy_leaves_rules_without_bias_alone(policy: str) -> None:
    for rule in (rules.ZPlus(), rules.WSquare(), rules.Flat(edits.add(1)), rules.ZBox(-1, 1)):
        assert rule.with_bias(policy) is rule
    spread = rules.Epsilon(0.5, bias_share=1)
    assert spread.with_bias("spread") is spread
    assert rules.Epsilon(0.5, bias_share=0.5).with_bias("spread").groups[0].bias_share == 1
    assert rules.Epsilon(0.5, bias_share=0.5).with_bias("ignore").groups[0].stabiliser_share == 0.5
