"""Product rules inside recurrent cells: the layer, the textbook's loop and the unrolled graph give the same numbers."""

from __future__ import annotations

import functools
import itertools
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from samples import Draw, exactly
from unrolled import PRODUCTS, READS, Told, by_graph, by_loop

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import LrpError, ParameterError, UnsupportedError
from lrp_ref.literal import rules as textbook
from lrp_ref.network import Network

N, STEPS, HIDDEN, FEATURES = 4, 3, 2, 3
LENGTHS = np.array([2, 0, 3, 1])
RATIONAL = {"gate": ("hardsigmoid", 0.25, 0.5), "activation": "relu"}
# A cell, with what it has besides weights; a tuple of a shape is drawn, behind the number of directions.
CELLS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "LSTM": ("LSTM", 4, {}),
    "peepholes": ("GeneralLSTM", 4, {"peephole": (3, HIDDEN)}),
    "coupled": ("GeneralLSTM", 4, {"peephole": (3, HIDDEN), "coupled": True, "output_activation": "linear"}),
    "GRU": ("GRU", 3, {"bias_hidden": (HIDDEN,)}),
    "GRU without the second bias": ("GRU", 3, {}),
    "GRU before": ("GRU", 3, {"reset_after": False}),
    "RNN": ("RNN", 1, {}),
    "exact LSTM": ("GeneralLSTM", 4, {**RATIONAL, "output_activation": "relu"}),
    "exact peepholes": ("GeneralLSTM", 4, {**RATIONAL, "output_activation": "linear", "peephole": (3, HIDDEN)}),
    "exact coupled": (
        "GeneralLSTM", 4, {**RATIONAL, "output_activation": "linear", "peephole": (3, HIDDEN), "coupled": True}
    ),
    "exact GRU": ("GRU", 3, {**RATIONAL, "bias_hidden": (HIDDEN,)}),
    "exact GRU before": ("GRU", 3, {**RATIONAL, "activation": "linear", "reset_after": False}),
    "exact RNN": ("RNN", 1, {"activation": "relu"}),
}  # fmt: skip
FORMS = list(itertools.product(READS, ("sequence", "last", "all"), (False, True), (False, True)))
every_cell = pytest.mark.parametrize("cell", CELLS)
every_product = pytest.mark.parametrize("product", PRODUCTS)
GATED = PRODUCTS[1:]
LRP0 = rules.LRP0()


def eps(size: Any, share: Any = 0, **more: Any) -> Any:
    return lambda number: lambda a, m, r: textbook.epsilon(a, m, r, number(size), number(share), **more)


def same(function: Any, *parameters: Any, **more: Any) -> Any:
    return lambda number: lambda a, m, r: function(a, m, r, *map(number, parameters), **more)


# Rules of dense layers and of the sum: ours, and the textbook's, given what makes a number exact.
RULES: dict[str, tuple[Any, Any, Any, Any]] = {
    "lrp0": (rules.LRP0(), rules.LRP0(), same(textbook.lrp0), same(textbook.lrp0)),
    "epsilon": (rules.Epsilon(0.125), rules.Epsilon(0.25), eps(0.125), eps(0.25)),
    "shared": (rules.Epsilon(0.25, 0.5), rules.Epsilon(0.25, 0.5), eps(0.25, 0.5), eps(0.25, 0.5)),
    "spread": (
        rules.Epsilon(0.125).with_bias("spread"), rules.LRP0(), eps(0.125, bias="spread"), same(textbook.lrp0),
    ),
    "ignore": (
        rules.Epsilon(0.125).with_bias("ignore"), rules.Epsilon(0.5), eps(0.125, bias="ignore"), eps(0.5),
    ),
    "gamma": (rules.Gamma(0.25), rules.ZPlus(), same(textbook.gamma, 0.25), same(textbook.zplus)),
    "alpha-beta": (rules.AlphaBeta(2, 1), rules.LRP0(), same(textbook.alpha_beta, 2, 1), same(textbook.lrp0)),
    "flat": (rules.Flat(), rules.Epsilon(0.5), same(textbook.flat), eps(0.5)),
    "w²": (rules.WSquare(), rules.Epsilon(0.5), same(textbook.wsquare), eps(0.5)),
}  # fmt: skip


@functools.cache  # draws are looked for once, and no test changes them
def make(cell: str, direction: str, returns: str, lengths: bool, state: bool) -> tuple[Any, tuple[Any, ...], Any]:
    """Return a layer, operands for it and relevance of its outputs; rationals where the cell's functions have such.

    Floats are those of the first draw in which no product's g + s nearly vanishes: relevance grows by the reciprocal,
    and rounding with it, so that two right answers differ by more than 1e-12 there. The bound is 10, and twice as much
    after each 200 draws: cells of many gates hardly ever keep below it. Rationals are the first draw.
    """
    for attempt in itertools.count():
        layer, xs, rs = drawn(cell, Draw(f"{cell} {direction} {returns} {lengths} {state} {attempt}"), direction,
                              returns, lengths, state)  # fmt: skip
        if cell.startswith("exact"):
            return exactly(layer), exactly(xs), exactly(rs)
        received = layer.redistribute(
            xs, rs, rules.Recurrent(rules.Epsilon(0.25), rules.Epsilon(0.25), "prop")
        ).relevances
        bound = 10 * 2 ** (attempt // 200) * max(np.abs(r).max() for r in rs)
        if max(np.abs(r).max() for r in received) < bound:
            return layer, xs, rs
    raise AssertionError


def drawn(cell: str, draw: Draw, direction: str, returns: str, lengths: bool, state: bool) -> tuple[Any, Any, Any]:
    """Return a layer of floats, operands and relevance."""
    (kind, gates, options), count = CELLS[cell], len(READS[direction])
    own = {k: draw(count, *v) if k in ("peephole", "bias_hidden") else v for k, v in options.items()}
    weights = draw(count, gates, HIDDEN, FEATURES), draw(count, gates, HIDDEN, HIDDEN) / 2, draw(count, gates, HIDDEN)
    layer = getattr(layers, kind)(*weights, direction, returns, lengths, state, **own)
    states = tuple(draw(N, count, HIDDEN) for _ in layer.states) if state else ()
    xs = (draw(N, STEPS, FEATURES), *((LENGTHS,) if lengths else ()), *states)
    return layer, xs, tuple(draw(*out.shape) for out in checks.outputs(layer.forward(*xs)))


def of_sample(layer: Any, xs: Any, rs: Any, n: int, way: Any, rule: Any, product: str) -> Told:
    """Return what sample n's operands receive and its account, direction by direction, by the loop or by the graph."""
    known, dtype, steps = len(layer.states), xs[0].dtype, xs[0].shape[1]
    length = int(xs[1][n]) if layer.lengths else steps
    zero = np.zeros(HIDDEN, dtype) + xs[0].reshape(-1)[0] * 0
    x_said, firsts, account = np.zeros(xs[0].shape[1:], dtype), [], np.zeros(3, dtype)
    for k, reverse in enumerate(READS[layer.direction]):
        part, order = slice(k * HIDDEN, (k + 1) * HIDDEN), slice(None, None, -1) if reverse else slice(None)
        initial = [a[n, k] for a in xs[-known:]] if layer.state else [zero] * known
        put, last = np.array([zero] * length, dtype).reshape(length, HIDDEN), [zero] * known
        if layer.returns != "last":
            put = rs[0][n, :length, part][order] + put
            account[2] += rs[0][n, length:, part].sum()
        if layer.returns == "last":
            last = [rs[0][n, part], *last[1:]]
        elif layer.returns == "all":
            last = [r[n, k] for r in rs[1:]]
        if not length:
            firsts.append(last)
            continue
        x = xs[0][n, :length]
        told = way(layer, k, x[order] if way is by_loop else x, initial, put, last, rule, product)
        x_said[:length] += told.x[order] if way is by_loop else told.x
        account += told.account
        firsts.append(told.states)
    states = [np.array([f[j] for f in firsts]) for j in range(known)]
    if not layer.state:
        account[2] += sum(s.sum() for s in states)
    return Told(x_said, states, account)


def compare(layer: Any, xs: Any, rs: Any, way: Any, rule: str, product: str) -> None:
    """Demand the same numbers of the layer: exactly on rationals, else to 1e-12 of the largest one."""
    ours = rules.Recurrent(*RULES[rule][:2], product)
    told = layer.redistribute(xs, rs, ours)
    checks.check_ledger(told, rs)
    exact = xs[0].dtype == object
    pair = [make_(Fraction if exact else float) for make_ in RULES[rule][2:]] if way is by_loop else RULES[rule][:2]
    assert [r.shape for r in told.relevances] == [x.shape for x in xs]
    for n in range(N):
        said = of_sample(layer, xs, rs, n, way, pair, product)
        found = [told.relevances[0][n], np.array([told.bias[n], told.stabiliser[n], told.dropped[n]], xs[0].dtype)]
        expected = [said.x, said.account]
        if layer.state:
            found += [r[n] for r in told.relevances[-len(layer.states) :]]
            expected += said.states
        if exact:
            for a, b in zip(found, expected, strict=True):
                assert np.all(a == b), f"sample {n}"
        else:
            size = max(float(np.abs(e).max(initial=0)) for e in expected)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * size, err_msg=f"sample {n}")


@every_cell
@every_product
@pytest.mark.parametrize("rule", RULES)
def test_the_layer_is_the_textbooks_loop(cell: str, product: str, rule: str) -> None:
    compare(*make(cell, "bidirectional", "all", True, True), by_loop, rule, product)


@every_cell
@pytest.mark.parametrize(("direction", "returns", "lengths", "state"), FORMS)
def test_the_layer_is_the_textbooks_loop_in_every_form(
    cell: str, direction: str, returns: str, lengths: bool, state: bool
) -> None:
    for product in GATED:
        compare(*make(cell, direction, returns, lengths, state), by_loop, "shared", product)


GRAPH_RULES = ("lrp0", "epsilon", "spread", "alpha-beta", "flat")  # not "shared": a graph's sum spreads over two terms


@every_cell
@every_product
@pytest.mark.parametrize("rule", GRAPH_RULES)
def test_the_layer_is_the_unrolled_graph(cell: str, product: str, rule: str) -> None:
    """A GRU's reset gate after the product is a constant of the dense layer under "signal": test_cells has that."""
    if product == "signal" and "GRU" in cell and "before" not in cell:
        pytest.skip("under 'signal' n is one dense layer with a gate in its weights, which no graph of primitives has")
    compare(*make(cell, "bidirectional", "all", True, True), by_graph, rule, product)


@every_cell
@pytest.mark.parametrize(("direction", "returns"), [("reverse", "sequence"), ("forward", "last")])
def test_the_layer_is_the_unrolled_graph_in_other_forms(cell: str, direction: str, returns: str) -> None:
    for product, lengths, state in itertools.product(GATED, (False, True), (False, True)):
        compare(*make(cell, direction, returns, lengths, state), by_graph, "epsilon", product)


def test_a_gate_that_takes_none_is_seen() -> None:
    """The faults that these comparisons must find: another product rule, and a gate that hands on a little less."""
    layer, xs, rs = make("exact coupled", "forward", "all", False, True)
    told = layer.redistribute(xs, rs, rules.Recurrent(*RULES["epsilon"][:2], "half"))
    pair = [function(Fraction) for function in RULES["epsilon"][2:]]
    for product in PRODUCTS:
        said = of_sample(layer, xs, rs, 0, by_loop, pair, product)
        assert (product == "half") == bool(np.all(told.relevances[0][0] == said.x))


# By hand -----------------------------------------------------------------------------------------------------------

HALVES: dict[str, tuple[float, ...]] = {  # of x, h_0 and c_0; bias, stabiliser and dropped
    "signal": (-2.0, 0.0, 8.0, 0.0, 0.0, 0.0),
    "prop": (10.0, 0.0, 2.0, -5.0, 0.0, -1.0),
    "abs": (9.5, 0.0, 2.0, -5.0, 0.0, -0.5),
    "half": (9.5, 0.0, 2.0, -5.0, 0.0, -0.5),
}


@every_product
def test_one_unit_by_hand(product: str) -> None:
    """One step of x = 1, h_0 = 0, c_0 = 1 with relevance 6, under LRP-0.

    i = ½ of z = 0, g = −½, f = 1 of z = 1·x + 1, c = ½·(−½) + 1·1 = ¾, o = ¾ of z = 3·x − 2, h = ¾·¾. Both factors
    of h are ¾ and both of f⊙c_0 are 1, so that prop, abs and half give them 3 each of the 6, and half each of what the
    sum hands on: 3·(−¼)/¾ = −1 to i⊙g, 3·1/¾ = 4 to f⊙c_0. Of −1 prop finds i + g = 0 and drops it; abs and half give
    −½ to i, whose z is 0, and to g, whose z is −½·x. R_x is 3·3/1 from o, 2·1/2 from f, and what g gets.
    """
    weight, bias = np.zeros((1, 4, 1, 1)), np.zeros((1, 4, 1))
    weight[0, :, 0, 0], bias[0, :, 0] = (0, 1, -0.5, 3), (0, 1, 0, -2)
    layer = layers.GeneralLSTM(
        weight, weight * 0, bias, returns="last", state=True, gate=("hardsigmoid", 0.25, 0.5), activation="linear",
        output_activation="linear",
    )  # fmt: skip
    one = np.ones((1, 1, 1))
    assert layer.forward(one, one * 0, one) == 0.5625
    told = layer.redistribute((one, one * 0, one), np.full((1, 1), 6.0), rules.Recurrent(LRP0, LRP0, product))
    found = (*(r.item() for r in told.relevances), told.bias.item(), told.stabiliser.item(), told.dropped.item())
    assert found == HALVES[product]
    assert sum(found) == 6


# In a network --------------------------------------------------------------------------------------------------------


@every_product
def test_a_network_of_rationals_has_no_residual(product: str) -> None:
    gru, (x, *_), _ = make("exact GRU", "bidirectional", "sequence", False, False)
    draw = Draw("between")
    wide = exactly(layers.GeneralLSTM(draw(1, 4, 2, 4), draw(1, 4, 2, 2), draw(1, 4, 2), peephole=draw(1, 3, 2),
                                      returns="last", output_activation="relu", **RATIONAL))  # fmt: skip
    net = Network.sequential([gru, wide, exactly(layers.Dense(draw(2, 3), draw(3)))])
    rule = rules.Recurrent(rules.Epsilon(0.25), rules.Epsilon(0.125), product)
    e = lrp.explain(net, x, target=1, composite=[(layers.RecurrentLayer, rule), (layers.Dense, rules.Epsilon(0.25))])
    assert e.ledger.residual == 0
    assert all((row.residual == 0).all() for row in e.ledger)
    assert e.plan[0].rule == rule
    assert f"product={product!r}" in str(e.plan)


@every_product
def test_a_network_of_floats_has_no_residual(product: str) -> None:
    lstm, (x, *_), _ = make("LSTM", "bidirectional", "last", False, False)
    draw = Draw("above")
    net = Network.sequential([lstm, layers.Dense(draw(2 * HIDDEN, 3), draw(3))])
    rule = rules.Recurrent(product=product)
    for bias in ("absorb", "ignore", "spread", "nonzero"):
        e = lrp.explain(net, x, target=1, bias=bias,
                        composite=[(layers.LSTM, rule), (layers.Dense, rules.Epsilon(0.25))])  # fmt: skip
        assert e.ledger.residual < 1e-10
        if bias != "absorb":
            assert not any(row.bias.any() for row in e.ledger)


@pytest.mark.parametrize("product", ["signal", "abs", "half"])
def test_with_all_shares_words_and_the_rest_are_the_score(product: str) -> None:
    """Arras et al. 2017: with δ = 1 neither bias nor stabiliser keeps anything; initial states are all of the rest."""
    draw = Draw("score", "normal")
    cell = draw(2, 4, 5, 4), draw(2, 4, 5, 5) / 2, draw(2, 4, 5)
    x, top, shared = draw(3, 7, 4), layers.Dense(draw(10, 5), draw(5)), rules.Epsilon(1e-3, bias_share=1)
    net = Network.sequential([layers.LSTM(*cell, "bidirectional", returns="last"), top])
    rule = rules.Recurrent(shared, shared, product)
    e = lrp.explain(net, x, target=2, composite=[(layers.LSTM, rule), (layers.Dense, shared)])
    zero = np.zeros((3, 2, 5))
    given = layers.LSTM(*cell, "bidirectional", returns="last", state=True).redistribute(
        (x, zero, zero), top.relevance_backward(net.nodes[0].layer.forward(x), e.start_relevance, shared), rule
    )
    rest = sum(r.sum(axis=(1, 2)) for r in given.relevances[1:])
    np.testing.assert_allclose(e.relevance.sum(axis=(1, 2)) + rest, e.output[:, 2], rtol=1e-10)
    assert np.abs(rest).max() > 1e-3
    for row in e.ledger:
        np.testing.assert_allclose(row.bias, 0, atol=1e-12)
        np.testing.assert_allclose(row.stabiliser, 0, atol=1e-12)


@every_product
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.startswith("exact")])
def test_with_all_shares_everything_is_the_score_exactly(cell: str, product: str) -> None:
    """The same in rationals, with given initial states; prop and abs may find a denominator of 0."""
    layer, (x, *states), _ = make(cell, "bidirectional", "last", False, True)
    shared = rules.Epsilon(0.25, bias_share=1)
    score = layer.forward(x, *states)
    told = layer.redistribute((x, *states), score, rules.Recurrent(shared, shared, product))
    assert not told.bias.any()
    assert not told.stabiliser.any()
    arrived = sum(r.reshape(N, -1).sum(axis=1) for r in told.relevances)
    assert (arrived + told.dropped == score.sum(axis=1)).all()
    assert product in ("prop", "abs") or not told.dropped.any()


@every_cell
@every_product
def test_single_precision_stays_and_samples_do_not_meet(cell: str, product: str) -> None:
    layer, xs, rs = drawn(cell, Draw(f"single {cell}"), "bidirectional", "all", True, True)
    rule = rules.Recurrent(rules.Epsilon(0.25, 0.5), rules.Epsilon(0.5), product)
    told = checks.columns(layer.redistribute(xs, rs, rule))
    for n in range(N):
        one = slice(n, n + 1)
        alone = checks.columns(layer.redistribute(tuple(x[one] for x in xs), tuple(r[one] for r in rs), rule))
        for a, b in zip(told, alone, strict=True):
            np.testing.assert_allclose(a[one], b, rtol=1e-9, atol=1e-9)

    def single(a: Any) -> Any:
        return a.astype(np.float32) if a.dtype.kind == "f" else a

    found = layer.map_arrays(single).redistribute(tuple(map(single, xs)), tuple(map(single, rs)), rule)
    assert all(a.dtype == np.float32 for a in checks.columns(found) if a.dtype.kind == "f")


@every_cell
@pytest.mark.parametrize("product", GATED)
def test_a_strict_module_gives_numpys_results(cell: str, product: str) -> None:
    layer, xs, rs = drawn(cell, Draw(f"strict {cell}"), "bidirectional", "all", True, True)
    checks.check_backend(layer, xs, rs, rules.Recurrent(rules.Epsilon(0.25), rules.Epsilon(0.5), product))


@pytest.mark.parametrize(("n", "steps"), [(0, 3), (2, 0), (0, 0)])
@every_cell
def test_no_samples_and_no_steps(cell: str, n: int, steps: int) -> None:
    layer, xs, _ = drawn(cell, Draw("none"), "bidirectional", "all", False, True)
    xs = (np.zeros((n, steps, FEATURES)), *(a[:n] for a in xs[1:]))
    rs = layer.forward(*xs)
    for product in GATED:
        told = layer.redistribute(xs, rs, rules.Recurrent(product=product))
        assert [r.shape for r in told.relevances] == [x.shape for x in xs]
        if not steps:
            for received, arrived in zip(told.relevances[1:], rs[1:], strict=True):
                assert np.array_equal(received, arrived)


@every_cell
def test_what_lies_after_the_end_is_not_read(cell: str) -> None:
    layer, xs, rs = drawn(cell, Draw("after"), "bidirectional", "all", True, True)
    spoilt = (np.where((np.arange(STEPS) >= LENGTHS[:, None])[..., None], np.nan, xs[0]), *xs[1:])
    for product in GATED:
        rule = rules.Recurrent(product=product)
        pair = (checks.columns(layer.redistribute(some, rs, rule)) for some in (xs, spoilt))
        assert all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["epsilon", None, rules.Product("half")])
def test_rules_that_are_none(wrong: Any) -> None:
    for name in ("dense", "state"):
        with pytest.raises(ParameterError, match=f"Recurrent: {name} must be a rule of linear layers, such as Epsilon"):
            rules.Recurrent(**{name: wrong})


@every_product
def test_without_a_unit_nothing_arrives(product: str) -> None:
    x, rule = np.ones((2, 3, 1)), rules.Recurrent(product=product)
    for kind, gates in ((layers.LSTM, 4), (layers.GRU, 3), (layers.RNN, 1)):
        layer = kind(np.ones((1, gates, 0, 1)), np.ones((1, gates, 0, 0)), np.ones((1, gates, 0)))
        assert not layer.relevance_backward(x, np.ones((2, 3, 0)), rule).any()
        assert not layer.vjp(x, np.ones((2, 3, 0))).any()


def test_a_product_that_is_none() -> None:
    with pytest.raises(ParameterError) as told:
        rules.Recurrent(product="all")
    assert str(told.value) == "Recurrent: product must be one of signal, prop, abs, half, got 'all'"


def test_rules_at_nodes_that_they_do_not_fit() -> None:
    draw = Draw("refused")
    net = Network.sequential([layers.LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="last"),
                              layers.Dense(draw(2, 2))])  # fmt: skip
    x = draw(2, 4, 3)
    with pytest.raises(UnsupportedError) as told:
        lrp.explain(net, x, target=0, composite=[("lstm1", rules.Product("half")), (layers.Dense, LRP0)])
    assert str(told.value) == (
        "node 'lstm1': Product(product='half', stabiliser=exact) is not a rule for LSTM: for the products inside a "
        "cell give lrp.rules.Recurrent(product='half')"
    )
    advised = [("lstm1", rules.Recurrent(product="half")), (layers.Dense, LRP0)]
    assert lrp.explain(net, x, target=0, composite=advised).relevance.shape == x.shape
    with pytest.raises(UnsupportedError) as told:
        lrp.explain(net, x, target=0, composite=[(layers.Dense, rules.Recurrent()), (layers.LSTM, LRP0)])
    assert str(told.value) == (
        f"node 'dense1': {rules.Recurrent()!r} is not a rule for Dense: it is one for recurrent layers, "
        "(lrp.layers.RecurrentLayer, lrp.rules.Recurrent()) in a composite"
    )
    for other in (layers.Multiply(gate=0), layers.MatMul(gate=0)):
        operands = (np.ones((1, 2, 2)), np.ones((1, 2, 2)))
        with pytest.raises(LrpError, match=f"is not a rule for {type(other).__name__}: it is one for recurrent layers"):
            other.redistribute(operands, np.ones((1, 2, 2)), rules.Recurrent())
