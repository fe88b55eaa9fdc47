"""Every rule on every linear layer against the textbook's messages, and the rules of particular layers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, LINEAR, SAMPLES, Draw, Sample, exactly
from textbook import LINEAR_RULES, MAIN_RULES, OTHER_RULES, RELATIVE, RuleSample

from lrp_ref import layers, rules
from lrp_ref.errors import LrpError
from lrp_ref.literal import nonlinear
from lrp_ref.literal import rules as textbook
from lrp_ref.rules import RULES
from lrp_ref.rules.share import Given

every_linear = pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)


def test_every_registered_rule_has_samples() -> None:
    assert {r.kind for r in LINEAR_RULES} | set(OTHER_RULES) == set(RULES)
    assert all(type(rule).__name__ == name for name, rule in OTHER_RULES.items())
    assert len({r.name for r in LINEAR_RULES}) == len(LINEAR_RULES)


# Linear layers × linear rules --------------------------------------------------------------------------------


@every_linear
def test_messages_sum_to_the_fast_rule(sample: Sample) -> None:
    for rule, kind in itertools.product(LINEAR_RULES, ("grid", "normal")):
        xs, r = checks.signed(sample, kind)
        checks.check_messages(sample, sample.layer(kind), xs, r, rule, exact=False)
    xs, r = checks.signed(sample, "grid")  # numbers that float32 holds exactly
    for rule in MAIN_RULES:
        checks.check_messages(sample, sample.layer(), xs, r, rule, exact=False, dtype=np.float32)


@every_linear
def test_messages_are_exactly_the_fast_rule_on_rationals(sample: Sample) -> None:
    layer, (xs, r) = sample.layer(), checks.signed(sample, "grid")
    there, few, rs = exactly(layer), tuple(x[:2] for x in exactly(xs)), exactly(r)[:2]
    for rule in MAIN_RULES:
        checks.check_messages(sample, there, few, rs, rule, exact=True)


@every_linear
def test_ledger_closes_for_every_rule(sample: Sample) -> None:
    for rule, kind in itertools.product(LINEAR_RULES, ("grid", "normal")):
        layer, (xs, r) = sample.layer(kind), checks.signed(sample, kind)
        checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))


@every_linear
def test_ledger_closes_exactly_and_rationals_stay_rationals(sample: Sample) -> None:
    layer, (xs, r) = exactly(sample.layer()), exactly(checks.signed(sample, "grid"))
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
    layer, (xs, r) = sample.layer(), checks.signed(sample, "grid")
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
            with_z = layer.redistribute(xs, r, rule, given=Given(z=layer.forward(*xs)))
            for a, b in zip(checks.columns(with_z), checks.columns(layer.redistribute(xs, r, rule)), strict=True):
                assert np.array_equal(a, b)


def test_own_rules_of_fixed_linear_layers_are_lrp0() -> None:
    for sample in LINEAR:
        layer, (xs, r) = sample.layer(), checks.signed(sample, "grid")
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
        low, high = (layer.low, layer.high) if isinstance(layer, layers.Clip) else (0, None)
        above = x > (-np.inf if low is None else low)
        below = x < (np.inf if high is None else high)
        rise = 1 if low is None else 1 / (1 + np.exp(-2.0 * (x - low)))
        fall = 0 if high is None else 1 / (1 + np.exp(-2.0 * (x - high)))
        expected = {
            "Pass": r,
            "Deconv": np.maximum(r, 0),
            "Guided": np.where(above & below, np.maximum(r, 0), 0),
            "BetaSmooth": r * (rise - fall),
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
