"""What ``share`` promises besides its numbers: what it computes once, leaves out, counts as dropped and refuses."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact
from readied import known

from lrp_ref import rules
from lrp_ref.errors import ParameterError, UndecidedError
from lrp_ref.fast.quotient import Sent, quotients
from lrp_ref.layers import Add, Affine, Conv, Dense
from lrp_ref.rules import edits
from lrp_ref.rules.edits import KEEP, NEG, ONES, POS, SQUARE, ZERO, Edit
from lrp_ref.rules.prepared import Facts, PreparedRule
from lrp_ref.rules.rule import Group, Redistribution, Rule, Run
from lrp_ref.rules.share import Given, share

W, B = [[F(1), F(-2)], [F(3), F(1)], [F(-1, 3), F(5)]], [F(1, 2), F(-7)]
SIGNED, POSITIVE = exact([2, -1, 3], [-1, 4, "1/2"]), exact([2, 0, 3], [1, 4, "1/2"])
R = exact([3, -5], [7, 2])


class Watched:
    """A linear layer that keeps a record of what was asked of it, shared with the layers edited from it."""

    def __init__(self, layer: Any, calls: list[tuple[str, Any]] | None = None) -> None:
        self.layer, self.calls = layer, [] if calls is None else calls

    def forward(self, *xs: Any) -> Any:
        self.calls.append(("forward", xs))
        return self.layer.forward(*xs)

    def pull(self, xs: Any, g: Any) -> Any:
        self.calls.append(("pull", xs))
        return self.layer.pull(xs, g)

    def edited(self, weights: Any, bias: Any) -> Watched:
        self.calls.append(("edited", (weights, bias)))
        return Watched(self.layer.edited(weights, bias), self.calls)

    def bias_map(self, z: Any) -> Any:
        return self.layer.bias_map(z)

    def evenly(self) -> Any:
        return self.layer.evenly()

    def asked(self, what: str) -> list[Any]:
        return [given for name, given in self.calls if name == what]


def dense() -> Dense:
    return Dense(exact(*W), exact(*B))


def same(a: Redistribution, b: Redistribution) -> None:
    for x, y in zip((*a.relevances, a.bias, a.stabiliser, a.dropped), (*b.relevances, b.bias, b.stabiliser, b.dropped),
                    strict=True):  # fmt: skip
        assert x.tolist() == y.tolist()


# What is computed once or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rules.LRP0(), rules.Epsilon(F(1, 4)), rules.LRP0(edits.clip(F(1, 2)))], ids=repr)
def test_a_known_output_is_not_computed_again(rule: Rule) -> None:
    layer = Watched(dense())
    share(layer, (SIGNED,), R, rule, given=Given(z=dense().forward(SIGNED)))
    assert not layer.asked("forward")
    share(layer, (SIGNED,), R, rule)
    assert len(layer.asked("forward")) == 1


@pytest.mark.parametrize("run", [Run(POS), Run(ONES), Run(KEEP, POS), Run(KEEP, KEEP, ZERO)], ids=Run.formula)
def test_a_known_output_is_only_that_of_the_unedited_run(run: Run) -> None:
    layer, rule = Watched(dense()), Rule((Group((run,)),))
    found = share(layer, (SIGNED,), R, rule, given=Given(z=dense().forward(SIGNED)))
    assert len(layer.asked("forward")) == 1
    same(found, share(dense(), (SIGNED,), R, rule))


def test_the_output_that_a_gate_needs_is_not_computed_where_it_is_known() -> None:
    layer, rule = Watched(dense()), rules.GeneralizedGamma(F(1, 4))
    share(layer, (SIGNED,), R, rule, given=Given(z=dense().forward(SIGNED)))
    assert len(layer.asked("forward")) == 4  # the denominators' runs alone


# Edits of (weights, bias) by the rules' formulas; those over a⁻ are not needed where every a ≥ 0.
PREPARED: list[tuple[Rule, set[Any], set[Any]]] = [
    (rules.LRP0(), set(), set()),
    (rules.Epsilon(F(1, 8)), set(), set()),
    (rules.AlphaBeta(2, 1), {(POS, POS), (NEG, ZERO), (NEG, NEG), (POS, ZERO)}, {(POS, POS), (NEG, NEG)}),
    (rules.AlphaBeta(1, 0), {(POS, POS), (NEG, ZERO)}, {(POS, POS)}),
    (rules.ZPlus(), {(POS, ZERO), (NEG, ZERO)}, {(POS, ZERO)}),
    (rules.WSquare(), {(SQUARE, ZERO)}, {(SQUARE, ZERO)}),
    (rules.ZBox(-3, 5), {(KEEP, ZERO), (POS, ZERO), (NEG, ZERO)}, {(KEEP, ZERO), (POS, ZERO), (NEG, ZERO)}),
    (rules.Reference(2), {(KEEP, ZERO)}, {(KEEP, ZERO)}),
    (Rule((Group((Run(NEG, POS, POS),)),)), {(POS, POS)}, {(POS, POS)}),  # one run always stays
    (Rule((Group((Run(POS, POS, POS), Run(KEEP, POS, POS, -1))),)), {(POS, POS)}, {(POS, POS)}),
]


@pytest.mark.parametrize("nonnegative", [False, True], ids=["signed", "nonnegative"])
@pytest.mark.parametrize("case", PREPARED, ids=lambda c: repr(c[0])[:40])
def test_layers_are_edited_once_and_only_as_the_rule_needs(case: Any, nonnegative: bool) -> None:
    rule, *wanted = case
    layer, x = Watched(dense()), POSITIVE if nonnegative else SIGNED
    needed = PreparedRule(layer, rule, Facts(nonnegative=nonnegative)).edits()
    assert len(set(needed)) == len(needed)
    assert set(needed) == wanted[nonnegative]
    made = {edit: layer.edited(*edit) for edit in needed}
    layer.calls.clear()
    found = share(layer, (x,), R, rule, known(layer, rule, nonnegative=nonnegative, edited=made))
    assert not layer.asked("edited")
    same(found, share(dense(), (x,), R, rule))


def test_layers_of_a_gate_that_is_closed_everywhere_are_not_made() -> None:
    rule, up, down = rules.GeneralizedGamma(F(2)), edits.Boost(F(2), "pos"), edits.Boost(F(2), "neg")
    for active, wanted in (
        (False, {(up, up), (down, ZERO), (down, down), (up, ZERO)}),
        (True, {(up, up), (down, ZERO)}),
    ):
        assert set(PreparedRule(dense(), rule, Facts(active=active)).edits()) == wanted
    assert set(PreparedRule(dense(), rule, Facts(nonnegative=True)).edits()) == {(up, up), (down, down)}


def test_runs_over_negative_parts_of_nonnegative_inputs_are_left_out() -> None:
    for rule, runs in ((rules.ZPlus(), 1), (rules.AlphaBeta(2, 1), 2)):
        layer = Watched(dense())
        found = share(layer, (POSITIVE,), R, rule, known(layer, rule, nonnegative=True))
        assert len(layer.asked("forward")) == len(layer.asked("pull")) == runs
        assert all(given[0] is POSITIVE for given in layer.asked("forward")), "max(a, 0) of a ≥ 0 needs no pass"
        same(found, share(dense(), (POSITIVE,), R, rule))
        layer = Watched(dense())
        share(layer, (SIGNED,), R, rule)
        assert len(layer.asked("forward")) == 2 * runs


def test_a_run_over_negative_parts_that_carries_the_bias_stays() -> None:
    """b_j⁺ of the run over a⁻ stands in the denominator whatever the inputs are: R = 6, z = 2·1 + 4."""
    rule = Rule((Group((Run(POS, POS, ZERO), Run(NEG, NEG, POS))),))
    layer, x, r = Dense(exact([2]), exact(4)), exact([1]), exact([6])
    for nonnegative in (False, True):
        found = share(layer, (x,), r, rule, known(layer, rule, nonnegative=nonnegative))
        assert (found.relevances[0].tolist(), found.bias.tolist()) == ([[2]], [4])


@pytest.mark.parametrize("bias", [KEEP, ZERO], ids=repr)
def test_shares_of_nothing_leave_exact_numbers_exact(bias: Edit) -> None:
    """Neither a bias nor an ε that could be spread: a_i w_ij / z_j R_j, in rationals."""
    group = Group((Run(bias=bias),), bias_share=1, stabiliser_share=1)
    for b in (None, exact(4)) if bias == ZERO else (None,):
        found = share(Dense(exact([1], [2]), b), (exact([1, 1]),), exact([1]), Rule((group,)))
        assert found.relevances[0].tolist() == [[F(1, 3), F(2, 3)]]
        assert all(type(v) is F for v in found.relevances[0].flat)
    assert (
        group.formula()
        == {
            KEEP: "(a_i·w_ij + (1·b_j + 1·ε_j)/N_j) / (Σ_i a_i·w_ij + b_j)",
            ZERO: "(a_i·w_ij + 1·ε_j/N_j) / (Σ_i a_i·w_ij)",
        }[bias]
    )


def test_formulas_name_no_share_of_a_bias_that_is_not_there() -> None:
    assert Group((Run(bias=ZERO),), bias_share=1).formula() == "a_i·w_ij / (Σ_i a_i·w_ij)"
    minus = Group((Run(sign=-1),), bias_share=1)
    assert minus.formula() == "(− a_i·w_ij + (− b_j)/N_j) / (Σ_i − a_i·w_ij − b_j)"


def test_a_group_of_nothing_but_empty_runs_is_dead() -> None:
    only = Rule((Group((Run(NEG, POS, ZERO),)),))
    found = share(dense(), (POSITIVE,), R, only, known(dense(), only, nonnegative=True))
    assert not found.relevances[0].any()
    assert found.dropped.tolist() == [3 - 5, 7 + 2]


@pytest.mark.parametrize("turn", [1, -1], ids=["positive first", "negative first"])
def test_only_units_above_zero_have_relevance_behind_a_relu(turn: int) -> None:
    """With R_j = 0 where z_j ≤ 0 the gates are not asked, and the group for z_j < 0 is left out, wherever it stands."""
    layer = Dense(exact([1, -2, 3], [3, 1, -1]), exact(1, -3, 0))
    a, r = exact([1, 3]), exact([5, 0, 0])  # z = (11, −2, 0)
    whole = rules.GeneralizedGamma(F(1, 2))
    rule, watched = Rule(whole.groups[::turn]), Watched(layer)
    found = share(watched, (a,), r, rule, known(watched, rule, active=True))
    assert len(watched.asked("forward")) == len(watched.asked("pull")) == 2
    same(found, share(layer, (a,), r, whole))
    assert found.relevances[0].tolist() == [[F(5 * 3, 2) / F(33, 2), F(5 * 27, 2) / F(33, 2)]]
    assert found.bias.tolist() == [F(5 * 3, 2) / F(33, 2)]


# What is dropped ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1,), (0,), (1, 1), (1, 1, 1), (2, -1), (F(1, 2), 1), (1, 0), (0, 0), (-1,)])
def test_what_the_groups_do_not_cover_is_dropped(weights: tuple[Any, ...]) -> None:
    """Groups of one quotient with weights α_k: R_i = Σ_k α_k times LRP-0, and (1 − Σ_k α_k) Σ_j R_j is dropped."""
    found = share(dense(), (SIGNED,), R, Rule(tuple(Group((Run(),), weight=w) for w in weights)))
    whole = sum(weights)
    for n, (x, r) in enumerate(zip(SIGNED.tolist(), R.tolist(), strict=True)):
        z = [sum(x[i] * W[i][j] for i in range(3)) + B[j] for j in range(2)]
        assert found.relevances[0][n].tolist() == [
            whole * sum(x[i] * W[i][j] * r[j] / z[j] for j in range(2)) for i in range(3)
        ]
        assert found.bias[n] == whole * sum(B[j] * r[j] / z[j] for j in range(2))
        assert found.dropped[n] == (1 - whole) * sum(r)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", [(1,), (1, 1), (1, 1, 1), (1, 2), (2, 1), (1, 0.5, 1)])
def test_what_is_covered_more_than_once_is_dropped_with_its_sign(weights: tuple[float, ...], dtype: Any) -> None:
    """The same in floats with z + ε sgn z, where no unit is dead and a group of weight 1 covers everything."""
    layer, a = Dense(np.array([[1.0, -2.0], [0.5, 4.0]], dtype)), np.array([[2.0, -1.0], [3.0, 1.0]], dtype)
    r = np.array([[3.0, -0.5], [7.0, 2.0]], dtype)
    found = share(layer, (a,), r, Rule(tuple(Group((Run(),), weight=w, stabiliser=edits.add(0.25)) for w in weights)))
    assert found.dropped.tolist() == [(1 - sum(weights)) * 2.5, (1 - sum(weights)) * 9.0]
    assert found.dropped.dtype == dtype


def test_gates_open_at_zero_exactly() -> None:
    """z = (1/2, −1/2, 0): each gate keeps one unit and drops the relevance of the two others."""
    layer, r = Dense(exact([1, 1, 1]), exact("1/4", "-3/4", "-1/4")), exact([2, 3, 5])
    for gate, kept in (("positive", 2), ("negative", 3)):
        found = share(layer, (exact(["1/4"]),), r, Rule((Group((Run(ONES, SQUARE, ZERO),), gate=gate),)))
        assert found.relevances[0].tolist() == [[kept]]
        assert found.dropped.tolist() == [10 - kept]


# What the bias receives --------------------------------------------------------------------------------------


def grid(*shape: int) -> Any:
    return np.array([F(k % 7 - 3, 2) + F(1, 5) for k in range(int(np.prod(shape)))]).reshape(shape)


CONV = exact([[2]], [[-3]])  # 1x1, one channel to two
BIASED: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (Dense(exact(*W), exact(*B)), (2, 3)),
    "dense on sequences": (Dense(exact(*W), exact(*B)), (2, 4, 3)),
    "dense on as many steps as units": (Dense(exact(*W), exact(*B)), (2, 2, 3)),
    "dense on grids": (Dense(exact(*W), exact(*B)), (2, 2, 5, 3)),
    "convolution": (Conv(CONV, exact(*B)), (3, 1, 4)),
    "convolution of as many samples as channels": (Conv(CONV, exact(*B)), (2, 1, 2)),
    "convolution with a bias per unit": (Conv(CONV, grid(2, 4)), (2, 1, 4)),
    "convolution with a bias per unit of channels": (Conv(CONV, grid(2, 2)), (2, 1, 2)),
    "shift": (Affine(shift=exact("1/3")), (2, 3, 4)),
    "shift of channels": (Affine(exact(2, 3), exact("1/3", 5)), (2, 2, 4)),
    "shift of columns": (Affine(exact(2), grid(1, 4)), (3, 2, 4)),
    "shift of rows": (Affine(exact(2), grid(2, 1)), (3, 2, 4)),
    "shift of units": (Affine(exact(2), grid(2, 2)), (2, 2, 2)),
}


@pytest.mark.parametrize("name", BIASED)
def test_the_bias_receives_its_share_of_every_unit(name: str) -> None:
    """Σ_j b_j R_j/z_j per sample, with a bias of any shape; per unit with δ = 0 or δ = 1/3 of it spread."""
    layer, shape = BIASED[name]
    x = grid(*shape)
    z = layer.forward(x)
    bias = z - layer.edited(KEEP, ZERO).forward(x)
    r = grid(*z.shape)[::-1] + z  # relevance of either sign
    part = bias * r / (z + np.where(z < 0, F(-1, 8), F(1, 8)))
    whole = [sum(row.ravel().tolist()) for row in part]
    assert share(layer, (x,), r, rules.Epsilon(F(1, 8))).bias.tolist() == whole
    spread = share(layer, (x,), r, rules.Epsilon(F(1, 8), bias_share=F(1, 3), stabiliser_share=0))
    assert spread.bias.tolist() == [F(2, 3) * v for v in whole]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_without_bias_gives_it_nothing(sign: int) -> None:
    layer = Dense(exact(*W))
    for runs in (
        (Run(sign=sign),),
        (Run(), Run(edits.Const(F(-2), "l_i"), POS, KEEP, sign)),
        (Run(KEEP, KEEP, ZERO, sign),),
    ):
        found = share(layer, (SIGNED,), R, Rule((Group(runs),)))
        assert found.bias.tolist() == [0, 0]


def test_a_share_may_be_negative() -> None:
    """δ = −1/2 by the formula: what the inputs receive less, the bias has more."""
    rule = Rule((Group((Run(),), bias_share=F(-1, 2)),))
    found, plain = (share(dense(), (SIGNED,), R, each) for each in (rule, rules.LRP0()))
    assert found.bias.tolist() == [F(3, 2) * v for v in plain.bias.tolist()]


def test_a_unit_without_inputs_keeps_its_shares() -> None:
    """1x1 convolution with padding 1: only the middle window has an input, the borders are (b + ε) alone."""
    layer, epsilon = Conv(exact([[2]]), exact("1/2"), padding=1), F(1, 4)
    found = share(layer, (exact([[3]]),), exact([[1, 10, 100]]), rules.Epsilon(epsilon, bias_share=F(1, 3)))
    middle = 10 / (F(13, 2) + epsilon)
    assert found.relevances[0].tolist() == [[[6 * middle + F(1, 3) * (F(1, 2) + epsilon) * middle]]]
    borders = F(101) / (F(1, 2) + epsilon)
    assert found.bias.tolist() == [F(1, 2) * (borders + F(2, 3) * middle)]
    assert found.stabiliser.tolist() == [epsilon * (borders + F(2, 3) * middle)]


# What is printed ---------------------------------------------------------------------------------------------

FORMULAS = {
    Rule((Group((Run(sign=-1), Run(KEEP, NEG, NEG))),)): (
        "(− a_i·w_ij + a_i·w_ij⁻) / (Σ_i (− a_i·w_ij + a_i·w_ij⁻) − b_j + b_j⁻)"
    ),
    Rule((Group((Run(), Run(KEEP, POS, POS), Run(KEEP, NEG, NEG, -1))),)): (
        "(a_i·w_ij + a_i·w_ij⁺ − a_i·w_ij⁻) / (Σ_i (a_i·w_ij + a_i·w_ij⁺ − a_i·w_ij⁻) + b_j + b_j⁺ − b_j⁻)"
    ),
    rules.Epsilon(0.25, stabiliser_share=1): (
        "(a_i·w_ij + 1·ε_j/N_j) / (Σ_i a_i·w_ij + b_j + 0.25·sgn(z_j))"
    ),
    rules.Epsilon(0.25, bias_share=1, stabiliser_share=0): (
        "(a_i·w_ij + b_j/N_j) / (Σ_i a_i·w_ij + b_j + 0.25·sgn(z_j))"
    ),
    rules.GeneralizedGamma(2): (
        "([z_j > 0] (a_i⁺·(w_ij + 2·w_ij⁺) + a_i⁻·(w_ij + 2·w_ij⁻)) / "
        "(Σ_i (a_i⁺·(w_ij + 2·w_ij⁺) + a_i⁻·(w_ij + 2·w_ij⁻)) + (b_j + 2·b_j⁺)) + "
        "[z_j < 0] (a_i⁺·(w_ij + 2·w_ij⁻) + a_i⁻·(w_ij + 2·w_ij⁺)) / "
        "(Σ_i (a_i⁺·(w_ij + 2·w_ij⁻) + a_i⁻·(w_ij + 2·w_ij⁺)) + (b_j + 2·b_j⁻)))"
    ),
    Rule((Group((Run(),), weight=-3),)): "-3·a_i·w_ij / (Σ_i a_i·w_ij + b_j)",
    Rule((Group((Run(),), weight=0),)): "0·a_i·w_ij / (Σ_i a_i·w_ij + b_j)",
}  # fmt: skip


@pytest.mark.parametrize("rule", FORMULAS, ids=range(len(FORMULAS)))
def test_formulas_of_signs_shares_gates_and_weights(rule: Rule) -> None:
    assert rule.formula() == f"R_i = Σ_j {FORMULAS[rule]}·R_j"


# What is refused ---------------------------------------------------------------------------------------------


def test_runs_and_groups_that_mean_nothing_are_refused() -> None:
    for sign in (0, 2, -2):
        with pytest.raises(ParameterError, match="sign must be 1 or -1"):
            Run(sign=sign)
    with pytest.raises(ParameterError, match="at least one run"):
        Group(())
    with pytest.raises(ParameterError, match="gate must be"):
        Group((Run(),), gate="zero")
    with pytest.raises(ParameterError, match="at least one group"):
        Rule()


class Unsure(edits.Stabiliser):
    """A stabiliser that cannot tell the sign of the second sample's first denominator."""

    def offset(self, z: Any) -> Any:
        raise UndecidedError("on which side of 0 is not known", (z[1, 0],))


def test_a_denominator_without_a_sign_is_named_by_its_unit() -> None:
    with pytest.raises(UndecidedError, match=r"^the denominator of unit \(1, 0\): on which side of 0 is not known$"):
        share(dense(), (SIGNED,), R, rules.LRP0(Unsure("add", F(1, 2))))


class Forgetful(Add):
    """An Add whose transpose forgets its last operand."""

    def pull(self, xs: Any, g: Any) -> Any:
        return super().pull(xs, g)[:-1]


class Loses(Forgetful):
    """The same in its edited layers only."""

    def pull(self, xs: Any, g: Any) -> Any:
        return Add.pull(self, xs, g)

    def evenly(self) -> Any:
        return Forgetful()


@pytest.mark.parametrize("layer", [Forgetful(), Loses()], ids=lambda v: type(v).__name__)
def test_a_transpose_that_forgets_an_operand_is_an_error(layer: Any) -> None:
    xs = exact([1, 2]), exact([3, -5])
    rule = rules.Epsilon(F(1, 2), bias_share=1) if isinstance(layer, Loses) else rules.LRP0()
    with pytest.raises(ValueError, match=r"argument [23] is shorter"):
        share(layer, xs, exact([1, 1]), rule)


# The bundles and functions themselves ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Given, PreparedRule, Sent])
def test_what_is_known_does_not_change(kind: Any) -> None:
    bundle = kind(*[None] * sum(f.default is MISSING for f in fields(kind)))
    with pytest.raises(FrozenInstanceError):
        setattr(bundle, fields(kind)[0].name, 1)


@pytest.mark.parametrize(("function", "named"), [
    (share, set()), (quotients, set()), (PreparedRule.denominators, set()),
])  # fmt: skip
def test_options_are_given_by_name_and_the_rest_as_one_likes(function: Any, named: set[str]) -> None:
    kinds = {name: p.kind for name, p in inspect.signature(function).parameters.items()}
    assert {name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY} == named
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds.values()
