"""Cases small enough to compute by hand: exact in rationals, to the last digits in floats.

Every row has its answer from the formula of its paper; where public implementations are known to answer otherwise,
the row is here because of that.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from samples import Draw, exactly
from walks import gradient, walk

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import edits


def numbers(values: Any, exact: bool) -> Any:
    """Return nested lists of numbers or strings like "1/3" as rationals or floats."""
    array = np.array(values, dtype=object)
    flat = [Fraction(v) for v in array.ravel().tolist()]
    found = np.empty(array.size, object)
    found[:] = flat
    return found.reshape(array.shape) if exact else found.reshape(array.shape).astype(np.float64)


both = pytest.mark.parametrize("exact", [True, False], ids=["exact", "float"])

# id, a, w (one output), b, rule, R, answer, (bias, stabiliser, dropped)
CASES: list[tuple[str, Any, Any, Any, Any, Any, Any, Any]] = [
    ("AB-1 α1β0", [1, 1], [1, -1], -1, rules.AlphaBeta(1, 0), -1, [-1, 0], (0, 0, 0)),
    ("AB-1 α2β1", [1, 1], [1, -1], -1, rules.AlphaBeta(2, 1), -1, [-2, "1/2"], ("1/2", 0, 0)),
    ("AB-2 α1β0", [1, -2], [1, 1], "1/2", rules.AlphaBeta(1, 0), "-1/2", ["-1/3", 0], ("-1/6", 0, 0)),
    ("AB-3 no positive part missing", [0, 1], [-1, 1], 0, rules.AlphaBeta(2, 1), 1, [0, 2], (0, 0, -1)),
    ("AB-3 no positive part", [1, 0], [-1, 1], 0, rules.AlphaBeta(2, 1), 1, [-1, 0], (0, 0, 2)),
    ("AB-3 both parts", [2, 4], [-1, 1], 0, rules.AlphaBeta(2, 1), 1, [-1, 2], (0, 0, 0)),
    ("AB-4 z⁺", [1, 2], [1, "-1/4"], "1/2", rules.ZPlus(), 1, [1, 0], (0, 0, 0)),
    ("AB-4 αβ(1,0)", [1, 2], [1, "-1/4"], "1/2", rules.AlphaBeta(1, 0), 1, ["2/3", 0], ("1/3", 0, 0)),
    ("G-1", [1, 2], [1, "-1/4"], "1/2", rules.Gamma(0.25), 1, ["10/11", "-4/11"], ("5/11", 0, 0)),
    ("G-2 plain", [1, -1], [1, 1], "1/2", rules.Gamma(0.25), 1, [2, -2], (1, 0, 0)),
    ("G-2 generalised", [1, -1], [1, 1], "1/2", rules.GeneralizedGamma(0.25), 1, ["10/7", "-8/7"], ("5/7", 0, 0)),
    ("W-1", [5, -7], [1, 2], 1, rules.WSquare(), 1, ["1/5", "4/5"], (0, 0, 0)),
    ("E-1 z = 0", [1, 1], [1, -1], 0, rules.Epsilon(0.25), 1, [4, -4], (0, 1, 0)),
    ("E-1 z = ε", ["1/4"], [1], 0, rules.Epsilon(0.25), 1, ["1/2"], (0, "1/2", 0)),
    ("E-1 z = −ε", ["1/4"], [-1], 0, rules.Epsilon(0.25), 1, ["1/2"], (0, "1/2", 0)),
    ("E-1 z = −ε/2", ["1/8"], [-1], 0, rules.Epsilon(0.25), 1, ["1/3"], (0, "2/3", 0)),
    ("E-1 clip", ["1/8"], [-1], 0, rules.LRP0(edits.clip(0.25)), 1, ["1/2"], (0, "1/2", 0)),
    ("LRP-0 z = 0", [1, 1], [1, -1], 0, rules.LRP0(), 3, [0, 0], (0, 0, 3)),
    ("z^B", [1, 0], [2, -3], 5, rules.ZBox(-1, 1), 7, [4, 3], (0, 0, 0)),
    ("reference", [3, 2], [2, -1], 5, rules.Reference(1), 6, [8, -2], (0, 0, 0)),
    ("reference, ε", [3, 2], [2, -1], 5, rules.Reference(1.75, edits.add(0.25)), 10, [10, -1], (0, 1, 0)),
    ("reference itself", [3, 3], [2, -1], 5, rules.Reference(3), 9, [0, 0], (0, 0, 9)),
    ("flat", [0, 9], [5, 0], 3, rules.Flat(), 1, ["1/2", "1/2"], (0, 0, 0)),
    ("bias shared", [1, 2], [1, -1], 2, rules.Epsilon(0.5, 1), 3, ["9/2", "-3/2"], (0, 0, 0)),
    ("bias half shared", [1, 2], [1, -1], 2, rules.Epsilon(0.5, 0.5), 3, ["13/4", "-11/4"], (2, "1/2", 0)),
]


@both
@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_one_unit(case: Any, exact: bool) -> None:
    _, a, w, b, rule, r, answer, ledger = case
    for layer, shape in (
        (layers.Dense(numbers([[v] for v in w], exact), numbers([b], exact)), (1, len(a))),
        (layers.Conv(numbers([[[v] for v in w]], exact), numbers([b], exact)), (1, len(a), 1)),
        (layers.Conv(numbers([[w]], exact), numbers([b], exact)), (1, 1, len(a))),
    ):
        out = (1,) * len(shape)
        shared = layer.redistribute(numbers(a, exact).reshape(shape), numbers([r], exact).reshape(out), rule)
        checks.close(shared.relevances[0].reshape(-1), numbers(answer, exact), rtol=1e-15)
        for found, expected in zip((shared.bias, shared.stabiliser, shared.dropped), ledger, strict=True):
            checks.close(found, numbers([expected], exact), rtol=1e-15, scale=1.0)


def test_e1_minus_zero_is_positive() -> None:
    layer, one = layers.Dense(np.array([[-1.0], [1.0]])), np.array([[1.0]])
    found = layer.relevance_backward(np.array([[0.0, -0.0]]), one, rules.Epsilon(0.5))
    assert (layer.forward(np.array([[0.0, -0.0]])) == 0).all()
    assert not found.any()
    z = np.array([[-0.0, 0.0, 0.1, -0.1]])
    assert np.array_equal(edits.add(0.1)(z), [[0.1, 0.1, 0.2, -0.2]])


def test_e2_a_cancelling_unit_is_exact_in_rationals_and_as_good_as_its_condition_in_floats() -> None:
    tiny = Fraction(1, 10**7)
    w = numbers([[1], [-1 + tiny]], True)
    found = layers.Dense(w).relevance_backward(numbers([[1, 1]], True), numbers([[1]], True), rules.LRP0())
    assert found[0].tolist() == [10**7, 1 - 10**7]
    rounded = layers.Dense(w.astype(float)).relevance_backward(np.ones((1, 2)), np.ones((1, 1)), rules.LRP0())
    condition = 2 / float(tiny)
    error = np.abs(rounded - found.astype(float)).max() / 10**7
    assert 1e-12 < error < 2 * condition * np.finfo(float).eps


@both
def test_bn1_the_bias_of_a_batch_norm_takes_its_part(exact: bool) -> None:
    """γ = 2, β = 1, μ = ½, σ² = 4: y = x + ½; at x = 3/2 the z-rule gives 3/4 of R, pass gives R."""
    norm = layers.Affine.batch_norm(*(np.array([v]) for v in (2.0, 1.0, 0.5, 4.0)), epsilon=0.0)
    norm = exactly(norm) if exact else norm
    x, r = numbers([["3/2"]], exact), numbers([[8]], exact)
    assert norm.forward(x)[0, 0] == 2
    shared = norm.redistribute(x, r, rules.LRP0())
    assert (shared.relevances[0][0, 0], shared.bias[0]) == (6, 2)
    assert norm.relevance_backward(x, r, rules.Pass())[0, 0] == 8
    for shape in ((1, 1, 1), (1, 1, 1, 1)):
        assert norm.relevance_backward(x.reshape(shape), r.reshape(shape), rules.LRP0()).ravel()[0] == 6


def residual(draw: Any) -> Network:
    """y = o·(x + relu(A x)), without any bias."""
    return Network(
        (
            Node("A", layers.Dense(draw(5, 5)), ("x",)),
            Node("relu", layers.ReLU(), ("A",)),
            Node("add", layers.Add(), ("x", "relu")),
            Node("o", layers.Dense(draw(5, 1)), ("add",)),
        ),
        (Input("x"),),
        ("o",),
    )


@both
def test_res1_a_residual_connection_splits_relevance(exact: bool) -> None:
    draw = Draw("res-1", "grid" if exact else "normal")
    net, x = residual(draw), draw(4, 5)
    net, x = (exactly(net), exactly(x)) if exact else (net, x)
    f = net.forward(x)
    assert f.all()
    composite = lrp.Composite([(layers.Linear, rules.LRP0())])
    e = lrp.explain(net, x, composite=composite)
    expected = x * gradient(net, x, f * 0 + 1)
    checks.close(e.relevance, expected, rtol=1e-10)
    checks.close(e.relevance.sum(axis=1), f[:, 0], rtol=1e-10)
    small = lrp.explain(net, x, composite=rules.Epsilon(Fraction(1, 10**9) if exact else 1e-9))
    gap = np.abs((small.relevance - expected).astype(float)).max()
    assert gap < 1e-6 * np.abs(expected.astype(float)).max()


@both
def test_reuse1_a_layer_used_twice_gets_relevance_per_use(exact: bool) -> None:
    """y = relu(x W) W with W = [[1, 1], [0, 1]]: by hand, use by use."""
    shared = layers.Dense(numbers([[1, 1], [0, 1]], exact))
    net = Network.sequential([("one", shared), ("relu", layers.ReLU()), ("two", shared)])
    e = lrp.explain(net, numbers([[1, 2]], exact), start=numbers([[0, 4]], exact), composite=rules.LRP0())
    # z¹ = (1, 3), z² = (1, 4): R of relu = (1, 3); down: x_1 gets 1 + 3·1/3, x_2 gets 3·2/3.
    checks.close(e.trace.relevance["relu"], numbers([[1, 3]], exact), rtol=1e-15)
    checks.close(e.relevance, numbers([[2, 2]], exact), rtol=1e-15)
    # Side by side on one input, the relevances of both uses meet at the input.
    double = Network(
        (Node("a", shared, ("x",)), Node("b", shared, ("x",)), Node("y", layers.Add(), ("a", "b"))),
        (Input("x"),),
        ("y",),
    )
    everywhere = lrp.Composite([(layers.Linear, rules.LRP0())])
    e = lrp.explain(double, numbers([[1, 2]], exact), start=numbers([[2, 6]], exact), composite=everywhere)
    checks.close(e.relevance, numbers([[4, 4]], exact), rtol=1e-14)


@pytest.mark.parametrize("n", range(1, 9))
@both
def test_batch1_rows_are_samples(n: int, exact: bool) -> None:
    draw = Draw("batch-1", "grid" if exact else "normal")
    net = Network.sequential([layers.Dense(draw(6, 5), draw(5)), layers.ReLU(), layers.Dense(draw(5, 3), draw(3))])
    x = draw(8, 6)
    net, x = (exactly(net), exactly(x)) if exact else (net, x)
    for rule in (rules.Epsilon(0.125), rules.AlphaBeta(2, 1), rules.Gamma(0.25)):
        whole = lrp.explain(net, x[:n], target=1, composite=rule)
        for k in range(n):
            alone = lrp.explain(net, x[k : k + 1], target=1, composite=rule)
            checks.close(whole.relevance[k], alone.relevance[0], rtol=1e-12)


def test_lstm1_the_order_of_gates_is_a_matter_of_storage() -> None:
    """i,g,f,o; i,f,c,o and i,o,f,c stored weights, with one bias or two, are one layer with one relevance."""
    draw = Draw("lstm-1", "normal")
    blocks = {gate: (draw(3, 2), draw(3, 3), draw(3), draw(3)) for gate in "ifgo"}
    x, r = draw(2, 4, 2), draw(2, 3)
    found = []
    for order, one_bias in itertools.product(("igfo", "ifgo", "iofg"), (True, False)):
        stored = [np.stack([blocks[gate][k] for gate in order]) for k in range(4)]
        back = [order.index(gate) for gate in "ifgo"]
        w, u = stored[0][back][None], stored[1][back][None]
        b = (stored[2] + stored[3])[back][None] if one_bias else (stored[2][back] + stored[3][back])[None]
        lstm = layers.LSTM(w, u, b, returns="last")
        found.append(lstm.redistribute(x, r, rules.Epsilon(0.01)))
    for other in found[1:]:
        for a, c in zip(checks.columns(found[0]), checks.columns(other), strict=True):
            assert np.array_equal(a, c)
    wrong = layers.LSTM(w[:, [1, 0, 2, 3]], u, b, returns="last").redistribute(x, r, rules.Epsilon(0.01))
    assert not np.allclose(wrong.relevances[0], found[0].relevances[0])


POOLS = [
    # name, x, kernel, stride, padding, R, first, share
    ("ties", [1, 3, 3, 2], 4, 1, 0, [6], [0, 6, 0, 0], [0, 3, 3, 0]),
    ("all equal", [2, 2, 2], 3, 1, 0, [6], [6, 0, 0], [2, 2, 2]),
    ("overlap", [2, 2, 1, 1], 2, 1, 0, [1, 4, 16], [1, 4, 16, 0], ["1/2", "9/2", 8, 8]),
    ("padding never wins", [-3, -2], 2, 2, 1, [5, 7], [5, 7], [5, 7]),
    ("maximum 0", [0, -1], 2, 1, 0, [4], [4, 0], [4, 0]),
]


@both
@pytest.mark.parametrize("case", POOLS, ids=lambda c: c[0])
@pytest.mark.parametrize("ties", ["first", "share"])
def test_pool1_ties_overlap_and_padding(case: Any, ties: str, exact: bool) -> None:
    _, x, kernel, stride, padding, r, first, share = case
    pool = layers.MaxPool(kernel, stride=stride, padding=padding, ties=ties)
    shared = pool.redistribute(numbers([[x]], exact), numbers([[r]], exact))
    checks.close(shared.relevances[0][0, 0], numbers(first if ties == "first" else share, exact), rtol=1e-15)
    assert shared.relevances[0].sum() == sum(r)
    assert not shared.dropped.any()


@both
def test_average_pool_shares_in_proportion_not_uniformly(exact: bool) -> None:
    x, r = numbers([[[1, 2, -1, 2]]], exact), numbers([[[2]]], exact)
    found = layers.AveragePool(4).relevance_backward(x, r)
    checks.close(found, numbers([[["1/2", 1, "-1/2", 1]]], exact), rtol=1e-15)
    assert (layers.AveragePool(4).relevance_backward(x, r, rules.Flat()) == Fraction(1, 2)).all()


@both
def test_sum_pool_alpha_beta_multiplies_the_negative_part_once(exact: bool) -> None:
    x, r = numbers([[[1, 2, -1, 3]]], exact), numbers([[[2]]], exact)
    found = layers.SumPool(4).relevance_backward(x, r, rules.AlphaBeta(2, 1))
    checks.close(found, numbers([[["2/3", "4/3", -2, 2]]], exact), rtol=1e-15)


def test_flat_at_a_border_of_a_colour_image_keeps_all_relevance() -> None:
    conv = layers.Conv(np.ones((2, 3, 3, 3)), padding=1)
    r = Draw("border", "normal")(1, 2, 4, 4)
    found = conv.relevance_backward(np.zeros((1, 3, 4, 4)), r, rules.Flat())
    np.testing.assert_allclose(found.sum(), r.sum(), rtol=1e-13)
    corner = r[0, :, :2, :2] / (3 * np.array([[4, 6], [6, 9]]))
    np.testing.assert_allclose(found[0, 0, 0, 0], corner.sum(), rtol=1e-13)


def test_a_plain_sum_that_is_forgotten_would_double_relevance() -> None:
    """What a walk without the Add rule would give is not what the network's ledger allows."""
    draw = Draw("res-1", "normal")
    net, x = residual(draw), draw(4, 5)
    f = net.forward(x)
    found, totals = walk(net, x, f, lambda n: rules.LRP0() if isinstance(n.layer, layers.Dense) else None)
    whole = found["x"].sum(axis=1) + sum(totals.values())
    np.testing.assert_allclose(whole, f[:, 0], rtol=1e-10)
    copied, _ = walk(net, x, f, lambda n: Copied() if n.name == "add" else _lrp0_or_own(n))
    assert (np.abs(copied["x"].sum(axis=1) - f[:, 0]) > 1e-3).any()


def _lrp0_or_own(node: Node) -> Any:
    return rules.LRP0() if isinstance(node.layer, layers.Dense) else None


class Copied(rules.Universal):
    """The fault of a functional ``+``: every operand receives the whole relevance."""

    def run(self, layer: Any, xs: Any, relevances: Any) -> Any:
        return lrp.Redistribution.routed([relevances[0] for _ in xs], relevances[0])


@pytest.mark.parametrize("kind", ["add", "clip"])
def test_an_epsilon_that_the_dtype_cannot_hold_leaves_a_dead_unit_dropped(kind: str) -> None:
    layer = layers.Dense(np.array([[1], [-1]], np.float32))
    rule = rules.LRP0(edits.Stabiliser(kind, 1e-60))
    a, r = np.array([[2, 2]], np.float32), np.array([[3]], np.float32)
    told = layer.redistribute(a, r, rule)
    assert told.relevances[0].tolist() == [[0, 0]]
    assert (told.bias.tolist(), told.stabiliser.tolist(), told.dropped.tolist()) == ([0], [0], [3])
