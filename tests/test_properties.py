"""Properties of the rules and equivalences between networks, on random rationals, and where they do not hold."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from samples import BY_NAME, SAMPLES, Draw, Sample, exactly
from textbook import LINEAR_RULES, MATRICES
from walks import gradient, small_networks, walk

import lrp_ref as lrp
from lrp_ref import edits, layers, rules
from lrp_ref.network import Input, Network, Node

F = Fraction
few = settings(max_examples=25, deadline=None, derandomize=True, database=None)
MAIN = [r for r in LINEAR_RULES if r.main and r.exact]

fractions = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 4))
positives = st.builds(Fraction, st.integers(0, 6), st.integers(1, 4))


def arrays(shape: tuple[int, ...], elements: Any = fractions) -> Any:
    """Object arrays of rationals."""
    size = int(np.prod(shape))

    def build(values: list[Fraction]) -> Any:
        array = np.empty(size, object)
        array[:] = values
        return array.reshape(shape)

    return st.lists(elements, min_size=size, max_size=size).map(build)


def exact(*values: Any) -> Any:
    """One sample (1, ...) of rationals."""
    return np.vectorize(Fraction, otypes=[object])(np.array([values], object))


def unit(weights: Any, bias: Any = None) -> Any:
    """A dense layer with one output."""
    return layers.Dense(exact(*weights).T, None if bias is None else exact(bias)[0])


LAYER = {"a": arrays((2, 4)), "w": arrays((4, 3)), "b": arrays((3,)), "r": arrays((2, 3))}
ABOVE = {**LAYER, "a": arrays((2, 4), positives), "r": arrays((2, 3), positives)}


# Conservation ------------------------------------------------------------------------------------------------

BIAS_FREE = {
    "lrp0": rules.LRP0(), "gamma": rules.Gamma(F(1, 4)), "generalized": rules.GeneralizedGamma(F(1, 4)),
    "alpha-beta": rules.AlphaBeta(2, 1), "alpha-one": rules.AlphaBeta(1, 0), "half": rules.AlphaBeta(F(3, 2), F(1, 2)),
    "zplus": rules.ZPlus(), "wsquare": rules.WSquare(), "flat": rules.Flat(), "zbox": rules.ZBox(-6, 6),
}  # fmt: skip


@few
@given(**LAYER)
def test_without_bias_only_dropped_units_are_missing(a: Any, w: Any, b: Any, r: Any) -> None:
    """Every rule without stabiliser conserves on a layer without bias, but for units whose denominator is 0."""
    for name, rule in BIAS_FREE.items():
        shared = layers.Dense(w).redistribute(a, r, rule)
        assert not shared.bias.any(), name
        assert not shared.stabiliser.any(), name
        if not shared.dropped.any():
            checks.check_conservative(shared, (r,))
        else:
            whole = shared.relevances[0].sum(axis=1) + shared.dropped
            assert (whole == r.sum(axis=1)).all(), name


@few
@given(**LAYER)
def test_rules_without_bias_in_their_formula_conserve_on_any_layer(a: Any, w: Any, b: Any, r: Any) -> None:
    w[0] = np.where(w[0] == 0, F(1), w[0])  # w² and flat: every unit has an input with a weight
    for rule in (rules.WSquare(), rules.Flat()):
        checks.check_conservative(layers.Dense(w, b).redistribute(a, r, rule), (r,))
    for rule in (rules.ZPlus(), rules.ZBox(-6, 6)):
        shared = layers.Dense(w, b).redistribute(a, r, rule)
        assert not shared.bias.any()
        assert (shared.relevances[0].sum(axis=1) + shared.dropped == r.sum(axis=1)).all()


@few
@given(**LAYER)
def test_epsilon_and_gamma_conserve_up_to_the_stabiliser(a: Any, w: Any, b: Any, r: Any) -> None:
    stabiliser = edits.add(F(1, 8))
    for rule in (rules.Epsilon(F(1, 8)), rules.Gamma(F(1, 4), stabiliser), rules.ZPlus(stabiliser)):
        shared = layers.Dense(w).redistribute(a, r, rule)
        assert not shared.bias.any()
        assert not shared.dropped.any()
        assert (shared.relevances[0].sum(axis=1) + shared.stabiliser == r.sum(axis=1)).all()
    # With all of bias and ε spread over the inputs, nothing is left behind.
    checks.check_conservative(layers.Dense(w, b).redistribute(a, r, rules.Epsilon(F(1, 8), 1)), (r,))


NOT_CONSERVED = {
    "ε takes its part": (unit([1]), [1], rules.Epsilon(1), [F(1, 2)]),
    "a bias takes its part": (unit([1], 1), [1], rules.LRP0(), [F(1, 2)]),
    "αβ(1,0) gives to b⁺": (unit([1], 1), [1], rules.AlphaBeta(1, 0), [F(1, 2)]),
    "γ gives to the bias": (unit([1], 1), [1], rules.Gamma(1), [F(1, 2)]),
    "αβ without a negative part": (unit([1]), [1], rules.AlphaBeta(2, 1), [F(2)]),
    "αβ without a positive part": (unit([-1]), [1], rules.AlphaBeta(2, 1), [F(-1)]),
    "LRP-0 at z = 0": (unit([1, -1]), [1, 1], rules.LRP0(), [F(0), F(0)]),
    "z⁺ without a positive part": (unit([-1]), [1], rules.ZPlus(), [F(0)]),
    "generalised γ at z = 0": (unit([1, -1]), [1, 1], rules.GeneralizedGamma(1), [F(0), F(0)]),
    "z^B where a is the root": (unit([1]), [-1], rules.ZBox(-1, 1), [F(0)]),
}


@pytest.mark.parametrize("name", NOT_CONSERVED)
def test_where_conservation_does_not_hold(name: str) -> None:
    layer, a, rule, expected = NOT_CONSERVED[name]
    shared = layer.redistribute(exact(*a), exact(1), rule)
    assert shared.relevances[0][0].tolist() == expected
    checks.check_ledger(shared, (exact(1),))
    with pytest.raises(AssertionError, match="arrives"):
        checks.check_conservative(shared, (exact(1),))


# Positivity --------------------------------------------------------------------------------------------------


@few
@given(**{**LAYER, "r": arrays((2, 3), positives)})
def test_rules_that_are_positive_for_inputs_of_any_sign(a: Any, w: Any, b: Any, r: Any) -> None:
    for rule in (rules.ZPlus(), rules.WSquare(), rules.Flat(), rules.AlphaBeta(1, 0), rules.ZBox(-6, 6)):
        checks.check_positive(layers.Dense(w, b).redistribute(a, r, rule))
        for stabiliser in (edits.add(F(1, 8)), edits.clip(F(1, 2))):
            stable = type(rule)(*(v for v in vars(rule).values() if isinstance(v, int)), stabiliser=stabiliser)
            checks.check_positive(layers.Dense(w, b).redistribute(a, r, stable))


@few
@given(a=arrays((1, 4), positives), w=arrays((4, 1)), r=arrays((1, 1), positives))
def test_gamma_is_positive_in_the_limit(a: Any, w: Any, r: Any) -> None:
    """For a ≥ 0 the negative relevance is n/((1+γ)p − n)·R with the parts p and −n of z: it goes to 0 as 1/γ."""
    parts = (a.T * w).ravel()
    p, n = sum(v for v in parts if v > 0), -sum(v for v in parts if v < 0)
    assume(p > n)
    for gamma in (0, 1, 100, 10**6):
        found = layers.Dense(w).relevance_backward(a, r, rules.Gamma(gamma))
        negative = sum(v for v in found.ravel() if v < 0)
        assert negative == -n / ((1 + gamma) * p - n) * r[0, 0]


NOT_POSITIVE = {
    "LRP-0": (unit([2, -1]), [1, 1], rules.LRP0(), [2, -1]),
    "ε": (unit([3, -1]), [1, 1], rules.Epsilon(2), [F(3, 4), F(-1, 4)]),
    "γ at any γ": (unit([2, -1]), [1, 1], rules.Gamma(1), [F(4, 3), F(-1, 3)]),
    "plain γ needs a ≥ 0, at any γ": (unit([1, 1]), [2, -1], rules.Gamma(10**9), [2, -1]),
    "αβ with β > 0": (unit([2, -1]), [1, 1], rules.AlphaBeta(2, 1), [2, -1]),
    "z^B below l": (unit([1, 1]), [-2, 2], rules.ZBox(-1, 3), [F(-1, 2), F(3, 2)]),
    "z^B above h": (unit([-1, -1]), [4, 0], rules.ZBox(-1, 3), [F(-1, 2), F(3, 2)]),
}


@pytest.mark.parametrize("name", NOT_POSITIVE)
def test_where_positivity_does_not_hold(name: str) -> None:
    layer, a, rule, expected = NOT_POSITIVE[name]
    shared = layer.redistribute(exact(*a), exact(1), rule)
    assert shared.relevances[0][0].tolist() == expected
    with pytest.raises(AssertionError, match="negative relevance"):
        checks.check_positive(shared)


def test_plain_gamma_is_dead_where_signed_inputs_cancel() -> None:
    """a = (1, −1), w = (1, 1): no γ revives it; the generalised rule favours each input by its contribution."""
    layer, a = unit([1, 1], F(1, 2)), exact(1, -1)
    assert layer.relevance_backward(a, exact(1), rules.Gamma(10**9))[0].tolist() == [2, -2]
    limit = layer.relevance_backward(a, exact(1), rules.GeneralizedGamma(10**9))[0]
    assert abs(limit[0] - F(2, 3)) < F(1, 10**8)
    assert abs(limit[1]) < F(1, 10**8)


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


def same_relevance(one: Any, other: Any, what: str) -> None:
    for a, b in zip(checks.columns(one), checks.columns(other), strict=True):
        assert (a.reshape(b.shape) == b).all(), what


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
                same_relevance(said, layer.redistribute(x.reshape(shape), r.reshape(out), rule.rule), rule.name)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "Conv" in s.kind], ids=lambda s: s.name)
def test_convolutions_are_their_dense_matrices(sample: Sample) -> None:
    """As Dense layers of this package; flat and the spreading of a bias see connections of weight 0, so not there."""
    layer, (x,), (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    matrix = sample.matrix(layer, exact=True)
    dense = layers.Dense(matrix.weight, matrix.bias)
    for rule in MAIN:
        if rule.kind != "Flat" and not getattr(rule.rule, "bias_share", 0) and rule.name != "Epsilon-arras-2017":
            said = dense.redistribute(x.reshape(2, -1), r.reshape(2, -1), rule.rule)
            same_relevance(layer.redistribute(x, r, rule.rule), said, rule.name)


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
        "rule": st.sampled_from(MAIN),
    }
)  # fmt: skip


@settings(few, max_examples=60)
@given(g=geometry)
@example(g={"axes": 2, "size": 3, "kernel": 2, "stride": 1, "before": 1, "after": 0, "dilation": 2, "groups": 2,
            "ins": 1, "outs": 2, "seed": 0, "kind": "ConvTranspose", "flag": True, "rule": MAIN[0]})  # fmt: skip
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


# 7. Fused and unrolled LSTM ----------------------------------------------------------------------------------


def unrolled(lstm: Any, steps: int) -> Network:
    """The same forward LSTM as a graph of primitive nodes; initial h and c are inputs."""
    nodes, h, c = [], "h_start", "c_start"

    def node(name: str, layer: Any, *inputs: str) -> str:
        nodes.append(Node(name, layer, inputs))
        return name

    weights = {
        gate: layers.Dense(np.concatenate((lstm.weight_input[0, k].T, lstm.weight_hidden[0, k].T)), lstm.bias[0, k])
        for k, gate in enumerate("ifgo")
    }
    for t in range(steps):
        joint = node(f"joint{t}", layers.Concat(), node(f"x{t}", layers.Gather(t, axis=1), "x"), h)
        i, f, g, o = (
            node(f"{k}{t}", layers.Tanh() if k == "g" else layers.Sigmoid(), node(f"pre_{k}{t}", weights[k], joint))
            for k in "ifgo"
        )
        gated, kept = node(f"ig{t}", layers.Multiply(gate=0), i, g), node(f"fc{t}", layers.Multiply(gate=0), f, c)
        c = node(f"c{t}", layers.Add(), gated, kept)
        h = node(f"h{t}", layers.Multiply(gate=0), o, node(f"tanh{t}", layers.Tanh(), c))
    return Network(tuple(nodes), (Input("x"), Input("h_start"), Input("c_start")), (h,))


STATE_RULES = [rules.Epsilon(0.125), rules.LRP0(), rules.Gamma(0.25), rules.AlphaBeta(2, 1), rules.Flat(),
               rules.ZPlus(), rules.GeneralizedGamma(0.5), rules.LRP0(edits.relative(0.25))]  # fmt: skip


@pytest.mark.parametrize("dense", [r for r in LINEAR_RULES if r.main or not r.exact], ids=lambda r: r.name)
def test_fused_lstm_is_the_unrolled_graph(dense: Any) -> None:
    draw = Draw("unrolled", "normal")
    lstm = layers.LSTM(draw(1, 4, 3, 2), draw(1, 4, 3, 3), draw(1, 4, 3), returns="last", state=True)
    x, h, c, r = draw(3, 4, 2), draw(3, 1, 3), draw(3, 1, 3), draw(3, 3)
    graph = unrolled(lstm, 4)
    for state in STATE_RULES:

        def rule(node: Node, state: Any = state) -> Any:
            if node.name.startswith("pre_"):
                return dense.rule
            return state if isinstance(node.layer, layers.Add) else None

        fused = lstm.redistribute((x, h, c), r, rules.Recurrent(dense.rule, state))
        found, totals = walk(graph, {"x": x, "h_start": h[:, 0], "c_start": c[:, 0]}, r, rule)
        checks.close(fused.relevances[0], found["x"], rtol=1e-9)
        checks.close(fused.relevances[1][:, 0], found["h_start"], rtol=1e-9)
        checks.close(fused.relevances[2][:, 0], found["c_start"], rtol=1e-9)
        for column, value in totals.items():
            size = np.abs(value).max() + np.abs(found["x"]).max()
            np.testing.assert_allclose(getattr(fused, column), value, rtol=1e-9, atol=1e-10 * size)


# 8. Limits between rules -------------------------------------------------------------------------------------


@few
@given(**LAYER)
def test_gamma_0_is_lrp0_and_epsilon_0_is_lrp0(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, b)
    said = layer.redistribute(a, r, rules.LRP0())
    for rule in (rules.Gamma(0), rules.Epsilon(0), rules.GeneralizedGamma(0), rules.LRP0(edits.relative(0))):
        same_relevance(layer.redistribute(a, r, rule), said, repr(rule))


@few
@given(**ABOVE)
def test_gamma_to_infinity_is_zplus_for_units_with_a_positive_part(a: Any, w: Any, b: Any, r: Any) -> None:
    w[0], a[:, 0] = np.where(w[0] <= 0, F(1), w[0]), np.where(a[:, 0] == 0, F(1), a[:, 0])
    layer = layers.Dense(w)
    limit = layer.relevance_backward(a, r, rules.ZPlus())
    far = layer.relevance_backward(a, r, rules.Gamma(10**9))
    assert (abs(far - limit) <= F(1, 10**4) * (1 + abs(r).sum())).all()


def test_gamma_is_not_zplus_where_nothing_is_positive() -> None:
    layer, a = unit([-1, -3]), exact(1, 1)
    assert layer.relevance_backward(a, exact(1), rules.Gamma(10**9))[0].tolist() == [F(1, 4), F(3, 4)]
    assert layer.relevance_backward(a, exact(1), rules.ZPlus())[0].tolist() == [0, 0]


@few
@given(**LAYER)
def test_alpha_1_beta_0_is_zplus_for_no_positive_bias(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, -abs(b))
    same_relevance(layer.redistribute(a, r, rules.AlphaBeta(1, 0)), layer.redistribute(a, r, rules.ZPlus()), "b ≤ 0")


@few
@given(**ABOVE)
def test_zbox_from_0_to_a_is_zplus(a: Any, w: Any, b: Any, r: Any) -> None:
    layer = layers.Dense(w, b)
    same_relevance(layer.redistribute(a, r, rules.ZBox(0, a)), layer.redistribute(a, r, rules.ZPlus()), "l = 0, h = a")


# 9. Permutations ---------------------------------------------------------------------------------------------


@few
@given(
    ins=st.permutations(range(4)), hidden=st.permutations(range(5)), outs=st.permutations(range(3)),
    rule=st.sampled_from(MAIN),
)  # fmt: skip
def test_permuting_units_permutes_relevance(ins: Any, hidden: Any, outs: Any, rule: Any) -> None:
    draw = Draw("permute")
    w, b, v, c, x, r = (exactly(draw(*s)) for s in ((4, 5), (5,), (5, 3), (3,), (2, 4), (2, 3)))
    plain = Network.sequential([layers.Dense(w, b), layers.ReLU(), layers.Dense(v, c)])
    turned = Network.sequential(
        [
            layers.Dense(w[ins][:, hidden], b[hidden]),
            layers.ReLU(),
            layers.Dense(v[hidden][:, outs], c[outs]),
        ]
    )
    one = lrp.explain(plain, x, start=r, composite=rule.rule)
    two = lrp.explain(turned, x[:, ins], start=r[:, outs], composite=rule.rule)
    assert (one.output[:, outs] == two.output).all()
    assert (one.relevance[:, ins] == two.relevance).all()
    assert (one.trace.relevance["relu1"][:, hidden] == two.trace.relevance["relu1"]).all()


@pytest.mark.parametrize("name", ["Conv-2d", "Conv-stride", "Conv-3d-channels", "Conv-windows-in-padding"])
def test_permuting_channels_permutes_relevance(name: str) -> None:
    sample = BY_NAME[name]
    layer, (x,), (r,) = exactly(sample.layer()), exactly(sample.inputs(2)), exactly(sample.relevances(2))
    ins, outs = list(range(x.shape[1]))[::-1], [*range(1, r.shape[1]), 0]
    weight = layer.weight[outs][:, ins]
    turned = layers.Conv(weight, layer.bias[outs], layer.stride, layer.padding, layer.dilation)
    for rule in MAIN:
        one = layer.relevance_backward(x, r, rule.rule)
        assert (one[:, ins] == turned.relevance_backward(x[:, ins], r[:, outs], rule.rule)).all(), rule.name


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


# 11. Adjoints ------------------------------------------------------------------------------------------------


@few
@given(v=arrays((2, 4)), g=arrays((2, 3)), w=arrays((4, 3)), b=arrays((3,)))
def test_the_transpose_is_the_adjoint(v: Any, g: Any, w: Any, b: Any) -> None:
    checks.check_adjoint(layers.Dense(w, b), (v,), (g,))
    for edit in (edits.KEEP, edits.POS, edits.NEG, edits.SQUARE, edits.ONES, edits.ZERO, edits.Boost(2, "neg")):
        checks.check_adjoint(layers.Dense(w, b).edited(edit, edits.KEEP), (v,), (g,))
