"""Every rule on every linear layer against the textbook's messages, and the rules of particular layers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, LINEAR, SAMPLES, Draw, Sample, exactly
from strict import StrictArray, to_strict
from test_layers import textbook_cell
from textbook import LINEAR_RULES, RuleSample

from lrp_ref import edits, layers, rules
from lrp_ref.errors import LrpError
from lrp_ref.layers.base import Linear
from lrp_ref.layers.recurrent import DIRECTIONS
from lrp_ref.literal import lstm as literal_lstm
from lrp_ref.literal import nonlinear
from lrp_ref.literal import rules as textbook
from lrp_ref.rule import Rule
from lrp_ref.rules import RULES

every_linear = pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
MAIN_RULES = [r for r in LINEAR_RULES if r.main and r.exact]
RELATIVE = [r for r in LINEAR_RULES if not r.exact][:1]

# One universal or particular rule each, so that every registered rule has a sample.
OTHER_RULES = {
    "AllToOne": rules.AllToOne(1), "BetaSmooth": rules.BetaSmooth(2.0), "Deconv": rules.Deconv(),
    "Gradient": rules.Gradient(), "Guided": rules.Guided(), "Pass": rules.Pass(), "Uniform": rules.Uniform(),
    "Zero": rules.Zero(), "Product": rules.Product("abs"), "Recurrent": rules.Recurrent(),
}  # fmt: skip


def signed(sample: Sample, kind: str) -> tuple[tuple[Any, ...], Any]:
    """Return operands and relevance with every combination of signs: any, all positive, all negative, zero."""
    xs, (r,) = sample.inputs(5, kind), sample.relevances(5, kind)
    turned = []
    for x in xs:
        x = x.copy()
        x[1], x[2], x[4] = abs(x[1]), -abs(x[2]), x[4] * 0
        turned.append(x)
    r = r.copy()
    r[2], r[3] = abs(r[2]), -abs(r[3])
    return tuple(turned), r


def test_every_registered_rule_has_samples() -> None:
    assert {type(r.rule).__name__ for r in LINEAR_RULES} - {"Rule"} | set(OTHER_RULES) == set(RULES)
    assert all(type(rule).__name__ == name for name, rule in OTHER_RULES.items())
    assert len({r.name for r in LINEAR_RULES}) == len(LINEAR_RULES)


# Linear layers × linear rules --------------------------------------------------------------------------------


@every_linear
def test_messages_sum_to_the_fast_rule(sample: Sample) -> None:
    for rule, kind in itertools.product(LINEAR_RULES, ("grid", "normal")):
        xs, r = signed(sample, kind)
        checks.check_messages(sample, sample.layer(kind), xs, r, rule, exact=False)
    xs, r = signed(sample, "grid")  # numbers that float32 holds exactly
    for rule in MAIN_RULES:
        checks.check_messages(sample, sample.layer(), xs, r, rule, exact=False, dtype=np.float32)


@every_linear
def test_messages_are_exactly_the_fast_rule_on_rationals(sample: Sample) -> None:
    layer, (xs, r) = sample.layer(), signed(sample, "grid")
    there, few, rs = exactly(layer), tuple(x[:2] for x in exactly(xs)), exactly(r)[:2]
    for rule in MAIN_RULES:
        checks.check_messages(sample, there, few, rs, rule, exact=True)


@every_linear
def test_ledger_closes_for_every_rule(sample: Sample) -> None:
    for rule, kind in itertools.product(LINEAR_RULES, ("grid", "normal")):
        layer, (xs, r) = sample.layer(kind), signed(sample, kind)
        checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))


@every_linear
def test_ledger_closes_exactly_and_rationals_stay_rationals(sample: Sample) -> None:
    layer, (xs, r) = exactly(sample.layer()), exactly(signed(sample, "grid"))
    some, part = tuple(x[3:] for x in xs), r[3:]
    for rule in LINEAR_RULES:
        if rule.exact:
            shared = layer.redistribute(some, part, rule.rule)
            checks.check_ledger(shared, (part,))
            for column in checks.columns(shared):
                kinds = {type(v) for v in column.ravel().tolist()}
                assert kinds <= {Fraction, int}, f"{rule.name}: rationals became {kinds}"


@every_linear
def test_every_rule_is_linear_pure_and_keeps_dtypes(sample: Sample) -> None:
    layer, xs, rs = sample.layer("normal"), sample.inputs(2, "normal"), sample.relevances(2, "normal")
    others = sample.relevances(2)
    for rule in LINEAR_RULES:
        checks.check_linearity(layer, xs, rs, others, rule.rule)
        checks.check_purity(layer, xs, rs, rule.rule)
        checks.check_dtype(layer, xs, rs, rule.rule, np.float32)


@every_linear
def test_every_rule_on_an_empty_batch_on_rows_and_on_the_strict_module(sample: Sample) -> None:
    layer, xs, rs = sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3, "normal")
    for rule in MAIN_RULES + RELATIVE:
        checks.check_empty(layer, xs, rs, rule.rule)
        checks.check_batch(layer, xs, rs, rule.rule, rtol=1e-11)
        checks.check_backend(layer, xs, rs, rule.rule)


@every_linear
def test_box_bounds_may_be_numbers_channels_or_arrays(sample: Sample) -> None:
    layer, (xs, r) = sample.layer(), signed(sample, "grid")
    if len(sample.shapes) > 1:
        return
    (shape,), draw = sample.shapes, Draw(f"{sample.name} box")
    by_channel = len(shape) > 1
    for bounds in ((shape[0],), shape):
        low, high = -3 - draw.positive(*bounds), 3 + draw.positive(*bounds)

        def messages(a: Any, m: Any, r: Any, exact: bool, low: Any = low, high: Any = high) -> Any:
            spread = [
                np.broadcast_to(v.reshape(-1, *(1,) * (len(shape) - 1)) if v.ndim == 1 and by_channel else v, shape)
                for v in (low, high)
            ]
            return textbook.zbox(a, m, r, *(exactly(v) if exact else v for v in spread))

        rule = RuleSample("ZBox", rules.ZBox(low, high), messages)
        checks.check_messages(sample, layer, xs, r, rule, exact=False)
        few = tuple(x[:2] for x in xs)
        checks.check_messages(sample, exactly(layer), exactly(few), exactly(r[:2]), rule, exact=True)
        checks.check_backend(layer, xs, (r,), rule.rule)


def test_known_output_changes_no_bit() -> None:
    for sample in LINEAR:
        layer, xs, (r,) = sample.layer("normal"), sample.inputs(2, "normal"), sample.relevances(2, "normal")
        for rule in (rules.Epsilon(0.125), rules.GeneralizedGamma(0.25)):
            with_z = layer.redistribute(xs, r, rule, z=layer.forward(*xs))
            for a, b in zip(checks.columns(with_z), checks.columns(layer.redistribute(xs, r, rule)), strict=True):
                assert np.array_equal(a, b)


def test_own_rules_of_fixed_linear_layers_are_lrp0() -> None:
    for sample in LINEAR:
        layer, (xs, r) = sample.layer(), signed(sample, "grid")
        if layer.own_rule is None:
            with pytest.raises(LrpError, match="has no rule of its own"):
                layer.redistribute(xs, r)
        else:
            for a, b in zip(*(checks.columns(layer.redistribute(xs, r, x)) for x in (None, rules.LRP0())), strict=True):
                assert np.array_equal(a, b)


# Max pools, products, sums -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [s.name for s in SAMPLES if s.kind == "Multiply"])
@pytest.mark.parametrize("product", [None, "signal", "prop", "abs", "half"])
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_products_are_the_textbooks(name: str, product: str | None, exact: bool) -> None:
    layer, xs, (r,) = BY_NAME[name].layer(), BY_NAME[name].inputs(4), BY_NAME[name].relevances(4)
    xs[0][0], xs[1][0] = 0.0, 0.0
    xs, r = (exactly(xs), exactly(r)) if exact else (xs, r)
    rule = None if product is None else rules.Product(product)
    if product == "signal" and layer.gate is None:
        with pytest.raises(LrpError, match="needs a declared gate"):
            layer.redistribute(xs, r, rule)
        return
    kind: Any = product or ("half" if layer.gate is None else "signal")
    shared = layer.redistribute(xs, r, rule)
    checks.check_ledger(shared, (r,))
    full = np.broadcast_arrays(*xs)
    gate, signal = (0, 1) if layer.gate in (0, None) else (1, 0)
    for n in range(4):
        said = nonlinear.product(full[gate][n], full[signal][n], r[n], kind)
        for place, share in zip((gate, signal), said.inputs, strict=True):
            axes = tuple(k for k, (a, b) in enumerate(zip(xs[place].shape[1:], r.shape[1:], strict=True)) if a != b)
            folded = share.sum(axis=axes, keepdims=True) if axes else share
            checks.close(shared.relevances[place][n], folded.reshape(xs[place].shape[1:]), rtol=1e-14)
        expected = said.dropped.sum()
        assert shared.dropped[n] == expected if exact else abs(shared.dropped[n] - expected) < 1e-13
    for rule in (rules.Epsilon(0.1), rules.Recurrent()):
        with pytest.raises(LrpError, match="is not a rule for Multiply"):
            layer.redistribute(xs, r, rule)


def test_sums_of_operands_are_the_textbooks() -> None:
    xs, r = tuple(exactly(Draw(f"add {k}")(3, 4)) for k in range(3)), exactly(Draw("add r")(3, 4))
    shared = layers.Add().redistribute(xs, r)
    for n in range(3):
        said = nonlinear.add([x[n] for x in xs], r[n])
        assert all((a[n] == b).all() for a, b in zip(shared.relevances, said.inputs, strict=True))
        assert shared.dropped[n] == said.dropped.sum()


# LSTM --------------------------------------------------------------------------------------------------------

LSTM_RULES = {
    "epsilon": (rules.Epsilon(0.125), {"epsilon": 0.125}),
    "share": (rules.Epsilon(0.25, 1), {"epsilon": 0.25, "bias_share": 1.0}),
    "half": (rules.Epsilon(0.25, 0.5), {"epsilon": 0.25, "bias_share": 0.5}),
    "short": (
        rules.Recurrent(rules.Epsilon(0.25, 0.5), rules.Epsilon(0.25, 0.5)), {"epsilon": 0.25, "bias_share": 0.5}
    ),
    "zplus": (
        rules.Recurrent(rules.ZPlus(), rules.Epsilon(0.125)), {"epsilon": 0.125, "input_rule": textbook.zplus}
    ),
    "gamma": (
        rules.Recurrent(rules.Gamma(0.25), rules.Epsilon(0.5)),
        {"epsilon": 0.5, "input_rule": lambda a, m, r: textbook.gamma(a, m, r, 0.25)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind == "LSTM"], ids=lambda s: s.name)
@pytest.mark.parametrize("rule", LSTM_RULES)
def test_lstm_is_the_textbooks(sample: Sample, rule: str) -> None:
    layer, xs, rs = sample.layer("normal"), sample.inputs(5, "normal"), sample.relevances(5, "normal")
    ours, options = LSTM_RULES[rule]
    shared = layer.redistribute(xs, rs, ours)
    checks.check_ledger(shared, rs)
    for n in range(5):
        x_said, said_h, said_c, account, beyond = lstm_by_hand(layer, xs, rs, n, options)
        checks.close(shared.relevances[0][n], x_said, rtol=1e-10)
        if layer.state:
            checks.close(shared.relevances[-2][n], said_h, rtol=1e-10)
            checks.close(shared.relevances[-1][n], said_c, rtol=1e-10)
        lost = beyond if layer.state else beyond + said_h.sum() + said_c.sum()
        found = [shared.bias[n], shared.stabiliser[n], shared.dropped[n]]
        np.testing.assert_allclose(found, account + np.array([0.0, 0.0, lost]), rtol=1e-10, atol=1e-12)
        if layer.lengths:
            assert not shared.relevances[1].any()


def lstm_by_hand(layer: Any, xs: Any, rs: Any, n: int, options: Any) -> Any:
    """Return sample n's relevance of x, h_0 and c_0, its account, and what lay after its end."""
    steps, hidden = xs[0].shape[1], layer.hidden
    length = int(xs[1][n]) if layer.lengths else steps
    x_said, account, beyond = np.zeros(xs[0].shape[1:]), np.zeros(3), 0.0
    firsts = []
    for k, reverse in enumerate(DIRECTIONS[layer.direction]):
        part = slice(k * hidden, (k + 1) * hidden)
        order = slice(None, None, -1) if reverse else slice(None)
        h0, c0 = (xs[-2][n, k], xs[-1][n, k]) if layer.state else (np.zeros(hidden), np.zeros(hidden))
        put_h, put_c = np.zeros((length, hidden)), np.zeros(hidden)
        last = np.zeros(hidden)
        if layer.returns != "last":
            put_h += rs[0][n, :length, part][order]
            beyond += rs[0][n, length:, part].sum()
        if layer.returns == "last":
            last = rs[0][n, part]
        elif layer.returns == "all":
            last, put_c = rs[1][n, k], rs[2][n, k]
        if not length:
            firsts.append((last, put_c))
            continue
        put_h[-1] += last
        cell, x = textbook_cell(layer, k), xs[0][n, :length][order]
        states = literal_lstm.forward(cell, x, h0, c0)
        told = literal_lstm.relevance(cell, x, states, put_h, put_c, **options)
        x_said[:length] += told.x[order]
        account += [told.bias.sum(), told.stabiliser.sum(), told.dropped.sum()]
        firsts.append((told.h0, told.c0))
    return x_said, *(np.array(v) for v in zip(*firsts, strict=True)), account, beyond


def test_lstm_refuses_rules_that_say_nothing_about_its_sum() -> None:
    layer, xs, rs = (getattr(BY_NAME["LSTM-last"], what)() for what in ("layer", "inputs", "relevances"))
    for rule, words in (
        (None, "has no rule of its own"),
        (rules.ZPlus(), "say what the cell's sum gets"),
        (rules.AlphaBeta(2, 1), "say what the cell's sum gets"),
        (rules.Product("half"), "is not a rule for LSTM"),
    ):
        with pytest.raises(LrpError, match=words):
            layer.redistribute(xs, rs, rule)


# Rules for any layer -----------------------------------------------------------------------------------------


def all_columns(shared: Any) -> list[Any]:
    return [*shared.relevances, shared.bias, shared.stabiliser, shared.dropped]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_universal_rules_follow_their_definitions(sample: Sample) -> None:
    layer, xs, rs = sample.layer(), sample.inputs(), sample.relevances()
    whole = sum(r.reshape(len(r), -1).sum(axis=1) for r in rs)
    gs = rs if isinstance(layer.forward(*xs), tuple) else rs[0]
    one = len(xs) == len(rs) == 1 and xs[0].shape == rs[0].shape
    for rule in (rules.Zero(), rules.Gradient(), rules.AllToOne(1 if xs[0][0].size > 1 else 0), rules.Uniform()):
        shared = layer.redistribute(xs, rs, rule)
        checks.check_ledger(shared, rs, rtol=1e-11)
        assert [r.shape for r in shared.relevances] == [x.shape for x in xs]
        assert not shared.bias.any()
        assert not shared.stabiliser.any()
        if rule == rules.Zero():
            assert not any(r.any() for r in shared.relevances)
            np.testing.assert_allclose(shared.dropped, whole, atol=1e-13)
        elif rule == rules.Gradient():
            for a, b in zip(shared.relevances, layer.vjp(xs, gs), strict=True):
                assert np.array_equal(a, b)
        elif isinstance(rule, rules.AllToOne):
            flat = np.concatenate([r.reshape(len(r), -1) for r in shared.relevances], axis=1)
            np.testing.assert_allclose(flat[:, rule.index], whole, atol=1e-13)
            assert np.count_nonzero(flat) <= len(flat)
        else:
            size = sum(x[0].size for x in xs)
            for r in shared.relevances:
                np.testing.assert_allclose(r, (whole / size).reshape(-1, *(1,) * (r.ndim - 1)) + r * 0, atol=1e-13)
    for rule in (rules.Pass(), rules.Deconv(), rules.Guided(), rules.BetaSmooth(2.0)):
        if not one:
            with pytest.raises(LrpError, match="input and output shapes differ"):
                layer.redistribute(xs, rs, rule)
            continue
        shared, (x,), (r,) = layer.redistribute(xs, rs, rule), xs, rs
        checks.check_ledger(shared, rs)
        expected = {
            "Pass": r,
            "Deconv": np.maximum(r, 0),
            "Guided": np.where(x > 0, np.maximum(r, 0), 0),
            "BetaSmooth": r / (1 + np.exp(-2.0 * x)),
        }[type(rule).__name__]
        checks.close(shared.relevances[0], expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["ReLU-0", "Dense", "Add-two", "Split-three", "MaxPool-overlap"])
def test_universal_rules_run_on_rationals_and_on_the_strict_module(name: str) -> None:
    sample = BY_NAME[name]
    layer, xs, rs = sample.layer(), sample.inputs(), sample.relevances()
    for rule in (rules.Zero(), rules.Gradient(), rules.AllToOne(1), rules.Uniform()):
        checks.check_exact(layer, xs, rs, rule)
        checks.check_backend(layer, xs, rs, rule)
        checks.check_purity(layer, xs, rs, rule)
        checks.check_dtype(layer, xs, rs, rule, np.float32)
        checks.check_empty(layer, xs, rs, rule)
    if name == "ReLU-0":
        for rule in (rules.Pass(), rules.Deconv(), rules.Guided()):
            checks.check_exact(layer, xs, rs, rule)
            checks.check_backend(layer, xs, rs, rule)
        checks.check_backend(layer, xs, rs, rules.BetaSmooth(3.0))


def test_natural_decomposition_returns_the_parts() -> None:
    parts = tuple(exactly(Draw(f"part {k}")(2, 1)) for k in range(3))
    whole = layers.Add().forward(*parts)
    found = layers.Add().relevance_backward(parts, whole, rules.Natural())
    assert all((a == b).all() for a, b in zip(found, parts, strict=True))


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
    rules.LRP0(edits.clip(0.5)): (
        "LRP0(stabiliser=clip(0.5))",
        "R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j clipped to |z| ≥ 0.5)·R_j",
    ),
    rules.Pass(): ("Pass()", "R_i = R_j"),
    rules.AllToOne(3): ("AllToOne(index=3)", "R_i = [i = 3]·Σ_j R_j"),
    rules.Product("half"): ("Product(product='half')", "R_k = R/2"),
}


@pytest.mark.parametrize("rule", PRINTED, ids=repr)
def test_rules_print_their_parameters_and_formulas(rule: Any) -> None:
    assert (repr(rule), rule.formula()) == PRINTED[rule]
    assert eval(repr(rule), {**vars(rules), "exact": edits.EXACT, "clip": edits.clip}) == rule  # noqa: S307


def test_every_rule_prints_compares_hashes_and_pickles() -> None:
    import pickle

    named = [r.rule for r in LINEAR_RULES if not r.name.endswith("-bare")] + list(OTHER_RULES.values())
    named.append(rules.ZBox(np.array([-1.0, 0.0]), np.array([1.0, 2.0])))
    for k, rule in enumerate(named):
        again = pickle.loads(pickle.dumps(rule))  # noqa: S301
        assert again == rule
        assert hash(again) == hash(rule)
        assert rule.formula()
        assert str(rule).startswith(type(rule).__name__)
        same = [other for j, other in enumerate(named) if j != k and other == rule]
        assert not same, f"{rule} equals {same}"
        assert rule.map_arrays(lambda a: a) == rule


def test_rules_move_to_another_array_module() -> None:
    sample, low = BY_NAME["Conv-1d"], Draw("low").positive(2, 6) - 7
    moved = to_strict(rules.ZBox(low, 4))
    assert type(moved.low) is StrictArray
    assert moved.high == 4
    for box in (rules.ZBox(low, 4), rules.ZBox(low, low + 9), rules.ZBox(low[:, 0], 5), rules.ZBox([-4, -3.5], [4, 5])):
        checks.check_backend(sample.layer(), sample.inputs(), sample.relevances(), box)


def test_without_bias_leaves_every_denominator_bare() -> None:
    for rule in (rules.LRP0(), rules.Epsilon(0.5, 1), rules.Gamma(2), rules.AlphaBeta(2, 1), rules.GeneralizedGamma()):
        bare = rule.without_bias()
        assert isinstance(bare, Rule)
        assert all(run.bias == edits.ZERO for group in bare.groups for run in group.runs)
        assert "b_j" not in bare.formula().replace("·b_j + ", "")
        for name in ("Dense", "Conv-asymmetric", "Affine-channels"):
            layer, (xs, r) = BY_NAME[name].layer(), signed(BY_NAME[name], "grid")
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


def test_flat_is_uniform_over_the_taps_that_exist() -> None:
    layer = layers.Conv(np.ones((1, 1, 3)) * 5, padding=1)
    found = layer.relevance_backward(np.ones((1, 1, 3)), np.array([[[6.0, 12.0, 24.0]]]), rules.Flat())
    assert found.tolist() == [[[3 + 4, 3 + 4 + 12, 4 + 12]]]


def test_gate_sees_the_bias_also_without_bias() -> None:
    """z = 1 − 3 < 0 with its bias: negative contributions are favoured, whether or not the bias is a contributor."""
    layer, a = layers.Dense(np.array([[1.0], [-1.0]]), np.array([-3.0])), np.array([[2.0, 1.0]])
    shared = layer.redistribute(a, np.array([[1.0]]), rules.GeneralizedGamma(1.0).without_bias())
    # contributions 2·1 and 1·(−1 − 1): their sum is 0, so the unit is dead although z = −2.
    assert shared.dropped.tolist() == [1.0]
    shared = layer.redistribute(a, np.array([[1.0]]), rules.GeneralizedGamma(0.5).without_bias())
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
        if isinstance(rule, rules.Epsilon) and (isinstance(layer, Linear) or sample.kind == "LSTM"):
            continue
        if isinstance(rule, rules.Product) and sample.kind == "Multiply":
            continue
        with pytest.raises(LrpError, match=r"is not a rule for|has no rule of its own"):
            layer.redistribute(xs, rs, rule)
