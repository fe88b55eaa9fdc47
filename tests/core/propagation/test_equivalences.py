"""Networks that must have one relevance: LRP-0 and gradients, batches, layers in other clothes, BatchNorm."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import SAMPLES, Draw, Sample, exactly
from strategies import arrays, exact, few, fractions
from textbook import LINEAR_RULES, MAIN_RULES, MATRICES
from walks import gradient, small_networks, walk

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.network import Network, Node

F = Fraction


# 1. LRP-0 and the gradient -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense", "conv", "residual", "reused"])
@pytest.mark.parametrize("bias", [False, True], ids=["bias-free", "bias"])
def test_lrp0_of_a_relu_network_is_gradient_times_input(name: str, bias: bool) -> None:
    for seed in range(3):
        # Behind a sum of exactly 0 whose terms are not 0, LRP-0 is 0/0: generic numbers for the residual network.
        draw = Draw(f"gradient {name} {seed}", "normal" if name == "residual" else "grid")
        net, shape = small_networks(draw, bias=bias)[name]
        net, x = exactly(net), exactly(draw(3, *shape))
        out = net.forward(x)
        for target in range(3):
            start = np.where(np.arange(3) == target, out, F(0))
            slope = gradient(net, x, np.where(np.arange(3) == target, F(1), F(0)) + out * 0)
            found, totals = walk(net, x, start, lambda node: _lrp0(node))
            for n in range(3):
                if out[n, target] == 0 and bias:
                    continue  # 0/0 at the output itself
                alive = out[n, target] != 0
                assert (found[net.inputs[0].name][n] == x[n] * slope[n] * alive).all()
                left = out[n, target] - (x[n] * slope[n]).sum() * alive
                assert totals["bias"][n] + totals["dropped"][n] == left
                assert bias or left == 0 or not alive


def _lrp0(node: Node) -> Any:
    return rules.LRP0() if isinstance(node.layer, layers.Dense | layers.Conv | layers.Linear) else None


def test_explain_walks_as_the_plain_loop_does() -> None:
    for name, bias in itertools.product(("dense", "conv", "residual", "reused"), (False, True)):
        draw = Draw(f"loop {name}")
        net, shape = small_networks(draw, bias=bias)[name]
        x, start = draw(4, *shape), draw(4, 3)
        composite = lrp.Composite([(layers.Linear, rules.Epsilon(0.125))])
        e = lrp.explain(net, x, start=start, composite=composite, canonize=False)
        epsilon = rules.Epsilon(0.125)
        found, totals = walk(net, x, start, lambda n: epsilon if isinstance(n.layer, layers.Linear) else None)  # noqa: B023
        checks.close(e.relevance, found[net.inputs[0].name], rtol=1e-13)
        for column, value in totals.items():
            np.testing.assert_allclose(sum(getattr(row, column) for row in e.ledger), value, atol=1e-12)
        assert e.ledger.residual < 1e-12


# 2., 3. Batches and linearity in whole networks --------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense", "conv", "residual"])
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "epsilon_alpha2_beta1_flat", "epsilon_gamma_box"])
def test_explanations_do_not_mix_the_samples_of_a_batch(name: str, composite: str) -> None:
    draw = Draw(f"batch {name}", "normal")
    net, shape = small_networks(draw, bias=True)[name]
    x, start = draw(8, *shape), draw(8, 3)
    if composite == "epsilon_gamma_box":
        composite = lrp.composites.get(composite, low=-4.0, high=4.0)
    singles = [lrp.explain(net, x[k : k + 1], start=start[k : k + 1], composite=composite) for k in range(8)]
    for n in range(1, 9):
        whole = lrp.explain(net, x[:n], start=start[:n], composite=composite)
        for k in range(n):
            checks.close(whole.relevance[k], singles[k].relevance[0], rtol=1e-11)
            for a, b in zip(whole.ledger, singles[k].ledger, strict=True):
                np.testing.assert_allclose(a.dropped[k], b.dropped[0], rtol=1e-10, atol=1e-9)


@few
@given(r=arrays((2, 3)), s=arrays((2, 3)), factor=fractions)
def test_explanations_are_linear_in_the_start_relevance(r: Any, s: Any, factor: Fraction) -> None:
    draw = Draw("linear")
    net, shape = small_networks(draw, bias=True)["conv"]
    net, x = exactly(net), exactly(draw(2, *shape))

    def explained(start: Any) -> Any:
        return lrp.explain(net, x, start=start, composite=rules.AlphaBeta(2, 1), trace=False).relevance

    assert (explained(factor * r + s) == factor * explained(r) + explained(s)).all()


# 4., 5. The same layer in other clothes ----------------------------------------------------------------------

ALL = sorted({r.name for r in LINEAR_RULES})


def test_dense_is_pointwise_convolution_is_convolution_over_the_whole_input() -> None:
    draw = Draw("clothes")
    w, b, x, r = (exactly(draw(*shape)) for shape in ((12, 4), (4,), (2, 12), (2, 4)))
    dense = layers.Dense(w, b)
    pointwise = layers.Conv(w.T.reshape(4, 12, 1, 1), b)
    whole = layers.Conv(w.T.reshape(4, 3, 2, 2), b)
    back = layers.ConvTranspose(w.reshape(12, 4, 1), b)
    for rule in LINEAR_RULES:
        if rule.exact:
            said = dense.redistribute(x, r, rule.rule)
            for layer, shape, out in (
                (pointwise, (2, 12, 1, 1), (2, 4, 1, 1)),
                (whole, (2, 3, 2, 2), (2, 4, 1, 1)),
                (back, (2, 12, 1), (2, 4, 1)),
            ):
                checks.same_relevance(said, layer.redistribute(x.reshape(shape), r.reshape(out), rule.rule), rule.name)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "Conv" in s.kind], ids=lambda s: s.name)
def test_convolutions_are_their_dense_matrices(sample: Sample) -> None:
    """As Dense layers of this package; flat and the spreading of a bias see connections of weight 0, so not there."""
    layer, (x,), (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    matrix = sample.matrix(layer, exact=True)
    dense = layers.Dense(matrix.weight, matrix.bias)
    for rule in MAIN_RULES:
        spreads = any(g.bias_share or g.stabiliser_share for g in rule.rule.groups)
        if rule.kind != "Flat" and not spreads:
            said = dense.redistribute(x.reshape(2, -1), r.reshape(2, -1), rule.rule)
            checks.same_relevance(layer.redistribute(x, r, rule.rule), said, rule.name)


def test_flat_tells_a_convolution_from_its_matrix() -> None:
    conv = layers.Conv(exactly(np.ones((1, 1, 2))))
    dense = layers.Dense(exactly(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])))
    x, r = exact(1, 1, 1), exact(6, 12)
    assert conv.relevance_backward(x[:, None], r[:, None], rules.Flat())[0, 0].tolist() == [3, 9, 6]
    assert dense.relevance_backward(x, r, rules.Flat())[0].tolist() == [6, 6, 6]


geometry = st.fixed_dictionaries(
    {
        "axes": st.integers(1, 2), "size": st.integers(1, 4), "kernel": st.integers(1, 3), "stride": st.integers(1, 3),
        "before": st.integers(0, 2), "after": st.integers(0, 2), "dilation": st.integers(1, 2),
        "groups": st.integers(1, 2), "ins": st.integers(1, 2), "outs": st.integers(1, 2), "seed": st.integers(0, 999),
        "kind": st.sampled_from(["Conv", "ConvTranspose", "SumPool", "AveragePool"]), "flag": st.booleans(),
        "rule": st.sampled_from(MAIN_RULES),
    }
)  # fmt: skip


@settings(few, max_examples=60)
@given(g=geometry)
@example(g={"axes": 2, "size": 3, "kernel": 2, "stride": 1, "before": 1, "after": 0, "dilation": 2, "groups": 2,
            "ins": 1, "outs": 2, "seed": 0, "kind": "ConvTranspose", "flag": True, "rule": MAIN_RULES[0]})  # fmt: skip
def test_windows_of_any_geometry_are_the_textbooks(g: dict[str, Any]) -> None:
    """Random windows: forward, adjoint, and the messages of a random rule, exactly."""
    draw, channels, kernel = Draw(f"{g['seed']}"), g["ins"] * g["groups"], (g["kernel"],) * g["axes"]
    pads = ((g["before"], g["after"]),) * g["axes"]
    shape = (channels, *(g["size"] + k for k in range(g["axes"])))
    if g["kind"] in ("Conv", "ConvTranspose"):
        transposed = g["kind"] == "ConvTranspose"
        outs = g["outs"] * g["groups"]
        weight = draw(*((channels, g["outs"]) if transposed else (outs, g["ins"])), *kernel)
        options = {"stride": g["stride"], "padding": pads, "dilation": g["dilation"], "groups": g["groups"]}
        layer: Any = getattr(layers, g["kind"])(weight, draw(outs), **options)
    else:
        extra = {} if g["kind"] == "SumPool" else {"count_include_pad": g["flag"]}
        layer = getattr(layers, g["kind"])(
            kernel, stride=g["stride"], padding=pads, ceil_mode=g["seed"] % 2 == 0, **extra
        )
    sample = Sample(f"{g['kind']}-{g['seed']}", lambda d: layer, (shape,))
    try:
        MATRICES[g["kind"]](layer, sample.shapes, np.float64)
        fits = "Conv" in g["kind"] or all(p < g["kernel"] for p in pads[0])
    except ValueError:
        fits = False
    xs = exactly(sample.inputs(2))
    if not fits:
        with pytest.raises(lrp.errors.LrpError):
            layer.forward(*sample.inputs(2))
        return
    there = exactly(layer)
    z, matrix = there.forward(*xs), sample.matrix(there, exact=True)
    for n in range(2):
        assert (z[n].ravel() == matrix.forward(xs[0][n].ravel())).all()
    r = exactly(sample.relevances(2))
    checks.check_adjoint(there, xs, r)
    checks.check_messages(sample, there, xs, r[0], g["rule"], exact=True)
    checks.check_ledger(there.redistribute(xs, r, g["rule"].rule), r)


# 6. BatchNorm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Dense", "Conv", "ConvTranspose"])
@pytest.mark.parametrize("bias", [False, True], ids=["bias-free", "bias"])
def test_merging_batch_norm_changes_neither_output_nor_lrp0_relevance(kind: str, bias: bool) -> None:
    """Composed z-rules are the merged layer's z-rule: exactly, wherever no denominator is 0."""
    draw = Draw(f"merge {kind} {bias}", "normal")
    weight = {"Dense": (4, 3), "Conv": (3, 2, 2, 2), "ConvTranspose": (2, 3, 2, 2)}[kind]
    shape = (4,) if kind == "Dense" else (2, 3, 3)
    top = 3 if kind == "Dense" else 3 * (4 if kind == "Conv" else 16)
    layer = getattr(layers, kind)(draw(*weight), draw(3) if bias else None)
    norm = layers.Affine.batch_norm(draw(3), draw(3), draw(3), draw.positive(3), epsilon=1e-3)
    net = Network.sequential([layer, norm, layers.ReLU(), layers.Flatten(), layers.Dense(draw(top, 2), draw(2))])
    net, x, start = exactly(net), exactly(draw(2, *shape)), exactly(draw(2, 2))
    merged = lrp.canonize(net)
    assert len(merged) == len(net) - 1
    assert not any(isinstance(node.layer, layers.Affine) for node in merged.nodes)
    everywhere = lrp.Composite([(layers.Linear, rules.LRP0())])
    apart = lrp.explain(net, x, start=start, composite=everywhere, canonize=False)
    joined = lrp.explain(merged, x, start=start, composite=everywhere, canonize=False)
    assert (apart.output == joined.output).all()
    assert (apart.relevance == joined.relevance).all()
    assert apart.relevance.any()
    automatic = lrp.explain(net, x, start=start, composite=everywhere)
    assert (automatic.relevance == joined.relevance).all()
    # At ε > 0 they differ by what two stabilisers take instead of one, and agree in the limit.
    gaps = []
    for epsilon in (F(1, 10), F(1, 10**4), F(1, 10**8)):
        some = lrp.Composite([(layers.Linear, rules.Epsilon(epsilon))])
        both = [lrp.explain(n, x, start=start, composite=some, canonize=False).relevance for n in (net, merged)]
        gaps.append(abs(both[0] - both[1]).max())
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < abs(joined.relevance).max() / 10**5


# 10. The ledger ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense", "conv", "residual", "reused"])
def test_ledgers_of_networks_close_exactly_under_every_rule(name: str) -> None:
    draw = Draw(f"ledger {name}")
    net, shape = small_networks(draw, bias=True)[name]
    there, x, start = exactly(net), draw(2, *shape), draw(2, 3)
    x[0] = 0
    for rule in LINEAR_RULES:
        composite = lrp.Composite([(layers.Linear, rule.rule)])
        e = lrp.explain(net, x, start=start, composite=composite, canonize=False)
        assert e.ledger.residual < 1e-10, rule.name
        if rule.exact:
            e = lrp.explain(there, exactly(x), start=exactly(start), composite=composite, canonize=False)
            assert e.ledger.residual == 0, rule.name
            lost = sum(row.bias + row.stabiliser + row.dropped for row in e.ledger)
            arrived = e.relevance.reshape(2, -1).sum(axis=1)
            assert (exactly(start).sum(axis=1) == arrived + lost).all(), rule.name
