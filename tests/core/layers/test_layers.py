"""The battery: every registered layer's samples through every check, and against independent programs."""

from __future__ import annotations

from typing import Any

import checks
import numpy as np
import pytest
from samples import SAMPLES, Draw, Sample, exactly, first

from lrp_ref import layers
from lrp_ref.layers.base import Linear, Route

battery = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
MOVERS = [s for s in SAMPLES if isinstance(s.layer(), Linear | Route)]
NONLINEAR = [
    s for s in SAMPLES if not isinstance(s.layer(), Linear | Route) and s.name != "MaxPool-window-in-padding"
]  # that one is −∞ on purpose
EXACT = [s for s in SAMPLES if s.exact]


def test_every_registered_layer_has_samples() -> None:
    assert {s.kind for s in SAMPLES} == set(layers.LAYERS)
    assert len({s.name for s in SAMPLES}) == len(SAMPLES)
    for sample in SAMPLES:
        assert type(sample.layer()) is layers.LAYERS[sample.kind], sample.name


# Every layer, every check ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", MOVERS, ids=lambda s: s.name)
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_adjoint(sample: Sample, exact: bool) -> None:
    kind = "grid" if exact else "normal"
    layer, xs = sample.layer(kind), sample.inputs(3, kind)
    gs = sample.relevances(3, kind)
    checks.check_adjoint(*((exactly(layer), exactly(xs), exactly(gs)) if exact else (layer, xs, gs)))


@pytest.mark.parametrize("sample", NONLINEAR, ids=lambda s: s.name)
def test_derivative_is_the_limit_of_differences(sample: Sample) -> None:
    layer, xs, gs = sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3, "normal")
    checks.check_differences(layer, xs, gs, Draw(f"{sample.name} direction", "normal"))


@battery
def test_relevance_is_linear(sample: Sample) -> None:
    layer, xs = sample.layer("normal"), sample.inputs(3, "normal")
    rule = checks.own_rule(layer)
    if rule is not checks.NO_RULE:
        checks.check_linearity(layer, xs, sample.relevances(3, "normal"), sample.relevances(3), rule)


@battery
def test_purity(sample: Sample) -> None:
    layer = sample.layer()
    checks.check_purity(layer, sample.inputs(), sample.relevances(), checks.own_rule(layer))


@battery
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(sample: Sample, dtype: Any) -> None:
    layer = sample.layer()
    checks.check_dtype(layer, sample.inputs(), sample.relevances(), checks.own_rule(layer), dtype)


@battery
def test_batch_rows_are_single_samples(sample: Sample) -> None:
    layer = sample.layer("normal")
    xs = sample.inputs(8, "normal")
    checks.check_batch(layer, xs, sample.relevances(8, "normal", xs), checks.own_rule(layer))


@battery
def test_empty_batch(sample: Sample) -> None:
    layer = sample.layer()
    checks.check_empty(layer, sample.inputs(), sample.relevances(), checks.own_rule(layer))


@battery
@pytest.mark.parametrize("kind", ["grid", "normal"])
def test_strict_module_gives_numpys_results(sample: Sample, kind: str) -> None:
    layer = sample.layer(kind)
    checks.check_backend(layer, sample.inputs(3, kind), sample.relevances(3, kind), checks.own_rule(layer))


@pytest.mark.parametrize("sample", EXACT, ids=lambda s: s.name)
def test_rationals_stay_rationals(sample: Sample) -> None:
    layer = sample.layer()
    checks.check_exact(layer, sample.inputs(), sample.relevances(), checks.own_rule(layer))


@battery
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_ledger_closes(sample: Sample, exact: bool) -> None:
    layer, xs, rs = sample.layer(), sample.inputs(), sample.relevances()
    rule = checks.own_rule(layer)
    if rule is checks.NO_RULE or (exact and not sample.exact):
        return
    if exact:
        layer, xs, rs = exactly(layer), exactly(xs), exactly(rs)
    checks.check_ledger(layer.redistribute(xs, rs, rule), rs)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if not s.exact and s.kind != "LSTM"], ids=lambda s: s.name)
def test_what_has_no_exact_value_says_so(sample: Sample) -> None:
    layer, xs = exactly(sample.layer()), exactly(sample.inputs())
    if sample.kind == "SoftMin" and layer.hard:  # the minimum is one of its inputs, its shares are no rationals
        with pytest.raises(NotImplementedError, match="has no exact value on rationals"):
            layer.redistribute(xs, exactly(sample.relevances()))
        return
    with pytest.raises(NotImplementedError, match="has no exact value on rationals"):
        layer.forward(*xs)
    if sample.kind not in ("Log", "LogCount"):  # their derivative 1/x is rational
        with pytest.raises(NotImplementedError, match="has no exact value on rationals"):
            layer.vjp(xs, first(exactly(sample.relevances())))
