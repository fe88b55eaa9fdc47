"""The method as it is read gives what the fast code gives: to the digit on rationals, to rounding in floats."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import checks
import numpy as np
import pytest
from exact_numbers import F
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import BY_NAME, LINEAR, SAMPLES, Draw, Sample, exactly
from textbook import LINEAR_RULES
from textbook_nets import BOUNDS, conv_net, residual_net
from walks import small_networks

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.arithmetic import rational
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import plain
from lrp_ref.propagation.ledger import COLUMNS
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Group, Rule, Run
from lrp_ref.rules.share import share

STABILISERS = [edits.EXACT, edits.add(F(1, 4)), edits.clip(F(1, 2))]
EDITS = [edits.KEEP, edits.POS, edits.NEG, edits.ZERO, edits.ONES, edits.SQUARE, edits.Boost(F(1, 4), "pos")]
NAMED: list[Rule] = [
    rules.LRP0(), rules.Epsilon(F(1, 8)), rules.Epsilon(F(1, 4), bias_share=F(1, 2)),
    rules.Epsilon(F(1, 4), bias_share=0, stabiliser_share=1), rules.Gamma(F(1, 4)), rules.GeneralizedGamma(F(1, 2)),
    rules.AlphaBeta(2, 1), rules.AlphaBeta(1, 0), rules.ZPlus(), rules.WSquare(), rules.Flat(), rules.ZBox(-3, 3),
    rules.Reference(0.75),
    rules.AlphaBeta(2, 1).with_bias("spread"), rules.GeneralizedGamma(F(1, 2)).with_bias("spread"),
    rules.Gamma(F(1, 4)).with_bias("ignore"), rules.Natural(), rules.AlphaBeta(2, 1).with_bias("nonzero"),
    rules.Epsilon(F(1, 4), bias_share=0, stabiliser_share=1).with_bias("nonzero"),
]  # fmt: skip
NAMED += [case.rule for case in LINEAR_RULES if type(case.rule) not in {type(r) for r in NAMED}]


def test_it_fits_on_a_page() -> None:
    assert len(Path(inspect.getfile(plain)).read_text().splitlines()) <= 80


def test_every_named_rule_for_linear_layers_is_here() -> None:
    linear = {kind for kind in rules.RULES.values() if issubclass(kind, Rule)}
    assert linear <= {type(r) for r in NAMED}


@pytest.mark.parametrize("rule", NAMED, ids=repr)
@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
def test_one_layer_to_the_digit_on_rationals(sample: Sample, rule: Rule) -> None:
    layer, (xs, r) = exactly(sample.layer()), checks.signed(sample, "grid")
    xs, r = exactly(tuple(x[:3] for x in xs)), exactly(r[:3])
    checks.same_relevance(plain.share(layer, xs, r, rule), share(layer, xs, r, rule), f"{rule!r} on {sample.name}")


@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
def test_one_layer_to_rounding_in_floats(sample: Sample) -> None:
    xs, r = checks.signed(sample, "normal")
    layer = sample.layer("normal")
    for rule in (*NAMED, rules.LRP0(edits.relative(0.25))):
        found, expected = plain.share(layer, xs, r, rule), share(layer, xs, r, rule)
        for a, b in zip(checks.columns(found), checks.columns(expected), strict=True):
            size = max(float(np.abs(c).max(initial=0.0)) for c in checks.columns(expected))
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * size + 1e-300, err_msg=repr(rule))


def runs() -> Any:
    inputs = st.sampled_from([edits.KEEP, edits.POS, edits.NEG, edits.ONES, edits.Const(F(3, 2), "l_i")])
    return st.builds(Run, inputs, st.sampled_from(EDITS), st.sampled_from(EDITS), st.sampled_from([1, -1]))


def groups() -> Any:
    parts = st.sampled_from([0, F(1, 2), 1])
    return st.builds(
        Group, st.lists(runs(), min_size=1, max_size=3).map(tuple), st.sampled_from([1, 2, F(-1, 2)]),
        st.sampled_from([None, "positive", "negative"]), st.sampled_from(STABILISERS), parts, parts, st.booleans(),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(groups(), min_size=1, max_size=3).map(tuple), st.sampled_from(["Dense", "Conv-asymmetric", "Add-three"])
)
def test_any_rule_that_can_be_written(some: tuple[Group, ...], name: str) -> None:
    sample, rule = BY_NAME[name], Rule(some)
    layer, xs, (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    checks.same_relevance(plain.share(layer, xs, r, rule), share(layer, xs, r, rule), repr(rule))


def same(one: Any, other: Any, rtol: float) -> None:
    """Compare two explanations: relevances, and ledgers row by row; exactly for rtol 0."""
    assert one.parts().keys() == other.parts().keys()
    assert [(r.node, r.rule) for r in one.ledger] == [(r.node, r.rule) for r in other.ledger]
    pairs = [(one.parts()[k], other.parts()[k]) for k in one.parts()] + [(one.output, other.output)]
    for a, b in zip(one.ledger, other.ledger, strict=True):
        pairs += [(getattr(a, c), getattr(b, c)) for c in COLUMNS[:-1]]
    size = float(max(np.abs(b).astype(float).max(initial=0.0) for _, b in pairs))
    for a, b in pairs:
        assert a.shape == b.shape
        assert (a == b).all() if not rtol else np.abs(a - b).max(initial=0.0) <= rtol * size


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rule", NAMED[:12], ids=repr)
@pytest.mark.parametrize("name", ["dense", "conv", "residual", "reused"])
def test_networks_to_the_digit_on_rationals(name: str, rule: Rule, bias: bool) -> None:
    net, shape = small_networks(Draw(name), bias=bias)[name]
    x = rational(Draw(f"{name} x")(2, *shape))
    composite = lrp.Composite([(layers.Linear, rule)]) if rule != rules.ZBox(-3, 3) else rule
    same(plain.explain(rational(net), x, composite=composite, target=0),
         lrp.explain(rational(net), x, composite=composite, target=0), 0)  # fmt: skip


@pytest.mark.parametrize("start", ["logit", "one_hot", "contrastive", "positive"])
@pytest.mark.parametrize("name", lrp.composites.names())
@pytest.mark.parametrize("build", [conv_net, residual_net])
def test_presets_to_rounding(build: Any, name: str, start: str) -> None:
    net, shape = build()
    x = Draw(name, "normal")(3, *shape)
    composite = lrp.composites.get(name, **BOUNDS.get(name, {}))
    same(
        plain.explain(net, x, composite=composite, start=start),
        lrp.explain(net, x, composite=composite, start=start),
        1e-9,
    )


def wrapped(sample: Sample) -> Network:
    """Return a network of one layer, whose operands are its inputs."""
    names = [f"x{k}" for k in range(len(sample.inputs(1)))]
    return Network((Node("layer", sample.layer("normal"), tuple(names)),), tuple(map(Input, names)), ("layer",))


FINITE = [s for s in SAMPLES if s.name != "MaxPool-window-in-padding"]  # its maximum of nothing is −∞, and refused


@pytest.mark.parametrize("sample", FINITE, ids=lambda s: s.name)
def test_every_layer_in_its_own_way(sample: Sample) -> None:
    net, xs = wrapped(sample), sample.inputs(3, "normal")
    fed = dict(zip((i.name for i in net.inputs), xs, strict=True))
    out = net.values(fed)["layer"]
    composite = [
        (layers.Linear, rules.Epsilon(0.25)),
        (layers.LSTM, rules.Epsilon(0.25)),
    ]
    arguments: Any = {"composite": composite, "start": Draw(sample.name, "normal")(*out.shape)}
    same(plain.explain(net, fed, **arguments), lrp.explain(net, fed, **arguments), 1e-9)


def test_a_head_layouts_and_several_inputs_are_those_of_explain() -> None:
    nodes = (
        Node("a", layers.Dense(Draw("a", "normal")(3, 4)), ("x",)), Node("g", layers.Sigmoid(), ("a",)),
        Node("m", layers.Multiply(gate=0), ("g", "y")), Node("f", layers.Dense(Draw("f", "normal")(4, 2)), ("m",)),
        Node("p", layers.Softmax(), ("f",)),
    )  # fmt: skip
    net = Network(nodes, (Input("x", (None, 3)), Input("y", (None, 4))), ("p",))
    fed = {"x": Draw("x", "normal")(2, 3), "y": Draw("y", "normal")(2, 4)}
    one, other = plain.explain(net, fed, target=1), lrp.explain(net, fed, target=1)
    same(one, other, 1e-12)
    assert np.array_equal(one.probability, other.probability)
    assert one.starts_at == other.starts_at
    turned = Network((Node("r", layers.ReLU(), ("x",)),), (Input("x", (7, None, 3), batch_axis=1),), ("r",), (1,))
    x = Draw("turned", "normal")(7, 2, 3)
    same(plain.explain(turned, x), lrp.explain(turned, x), 1e-12)


def test_a_fault_in_either_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, rule = BY_NAME["Dense"], rules.Epsilon(F(1, 4))
    layer, xs, (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    monkeypatch.setattr(plain, "divide", lambda n, d, xp: (n * 0, d == 0))
    with pytest.raises(AssertionError):
        checks.same_relevance(plain.share(layer, xs, r, rule), share(layer, xs, r, rule), "")
