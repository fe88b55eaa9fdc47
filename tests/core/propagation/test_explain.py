"""Whole networks against the textbook, layer by layer; ledgers that close; properties of the walk back."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from strict import STRICT, StrictArray
from textbook_nets import BOUNDS, LITERAL, RNG, book, conv_net, draw, literal_walk, residual_net, seed

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational, to_float
from lrp_ref.errors import BackendError, ParameterError
from lrp_ref.layers import Add, Affine, Dense, MaxPool, ReLU
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites, prepare, workload
from lrp_ref.rules.edits import add


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    seed(request.node.name)


@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", LITERAL)
def test_whole_networks_against_the_textbook(name: str, build: Any, exact: bool) -> None:
    """Values, relevances and every column of the ledger, node by node; exactly on rationals."""
    net, shape = build()
    x, start = draw(2, *shape), draw(2, 3)
    if exact:
        net, x, start = rational(net), rational(x), rational(start)
    e = lrp.explain(net, x, start=start, composite=composites.get(name, **BOUNDS.get(name, {})))
    for n in range(2):
        values, relevance, columns = literal_walk(net, x[n], start[n], book(name, net, x))
        for found, expected in ((e.trace.values, values), (e.trace.relevance, relevance)):
            assert set(found) == set(expected)
            for key in expected:
                close(found[key][n], expected[key], f"{key} of sample {n}", exact)
        for row in e.ledger:
            for column, expected in columns[row.node].items():
                size = np.abs(relevance[row.node]).sum()
                difference = abs(getattr(row, column)[n] - expected)
                assert difference <= (0 if exact else 1e-9 * (1 + size + abs(expected))), f"{column} of {row.node}"


def close(found: Any, expected: Any, what: str, exact: bool) -> None:
    assert found.shape == expected.shape
    if exact:
        assert (found == expected).all(), what
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=what)


def test_the_textbook_comparison_can_fail() -> None:
    net, shape = conv_net()
    x, start = rational(draw(1, *shape)), rational(draw(1, 3))
    net = rational(net)
    e = lrp.explain(net, x, start=start, composite="epsilon_plus")
    _, relevance, _ = literal_walk(net, x[0], start[0], book("epsilon_alpha2_beta1", net, x))
    assert not (e.relevance[0] == relevance["input"]).all()
    other = net.replaced({"maxpool1": MaxPool(2, stride=1, ties="share")})
    shared = lrp.explain(other, x * 0, start=start, composite="epsilon_plus")
    _, first, _ = literal_walk(net, x[0] * 0, start[0], book("epsilon_plus", net, x))
    _, even, _ = literal_walk(net, x[0] * 0, start[0], book("epsilon_plus", net, x), ties="share")
    assert (shared.trace.relevance["relu1"][0] == even["relu1"]).all()
    assert not (even["relu1"] == first["relu1"]).all()


def test_a_residual_block_without_bias_is_gradient_times_input() -> None:
    """RES-1: y = o·(x + relu(A x)): ΣR = f and R = x·∂f/∂x, exactly; neither branch is forgotten."""
    a = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-0.5, 1.0, 0.5]])
    o = np.array([[1.0], [-2.0], [0.5]])
    nodes = (
        Node("a", Dense(a), ("x",)),
        Node("relu", ReLU(), ("a",)),
        Node("sum", Add(), ("x", "relu")),
        Node("top", Dense(o), ("sum",)),
    )
    net = Network(nodes, (Input("x"),), ("top",))
    x = np.array([[1.0, 2.0, -1.0], [-0.5, 1.0, 3.0], [2.0, -1.0, 0.25], [0.0, 0.5, 1.0]])
    entries = [((Dense, Add), rules.LRP0())]
    e = lrp.explain(rational(net), rational(x), composite=entries)
    active = (x @ a > 0).astype(float)
    slope = np.stack([o[:, 0] + a @ (active[n] * o[:, 0]) for n in range(4)])
    assert {*active.ravel()} == {0.0, 1.0}
    # A sum x_i + relu_i of exactly 0 would be dropped; here there is none.
    assert ((x + np.maximum(x @ a, 0)) != 0).all()
    assert to_float(e.relevance).tolist() == (x * slope).tolist()
    assert to_float(e.relevance.sum(axis=1)).tolist() == to_float(e.output[:, 0]).tolist()


def test_a_layer_used_twice_gets_relevance_per_use() -> None:
    """REUSE-1: the same layer at two nodes is the same as two equal layers."""
    w = Dense(draw(3, 3), draw(3))
    twice = Network.sequential([("one", w), ReLU(), ("two", w)])
    copies = Network.sequential([("one", w), ReLU(), ("two", Dense(w.weight.copy(), w.bias.copy()))])
    x = draw(2, 3)
    a, b = (lrp.explain(net, x, target=1, composite=rules.Epsilon(0.25)) for net in (twice, copies))
    assert a.trace.diff(b.trace, tolerance=0).equal
    assert [r.node for r in a.ledger] == ["two", "relu1", "one"]
    # In parallel branches the relevance of both uses adds up at the input: R_i = 2·(x_i w_ij / 2z_j)·R_j.
    nodes = (Node("p", w, ("x",)), Node("q", w, ("x",)), Node("sum", Add(), ("p", "q")))
    parallel = Network(nodes, (Input("x"),), ("sum",))
    both = lrp.explain(rational(parallel), rational(x), composite=[((Dense, Add), rules.LRP0())], start=np.ones(3))
    single = lrp.explain(rational(twice.until("one")), rational(x), composite=rules.LRP0(), start=np.ones(3))
    assert (both.relevance == single.relevance).all()


# Ledgers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", composites.names())
@pytest.mark.parametrize("start", ["logit", "clrp", "log_odds"])
def test_the_ledger_closes_for_every_preset(name: str, build: Any, start: str) -> None:
    net, shape = build()
    x = RNG.normal(size=(3, *shape))
    e = lrp.explain(net, x, target=[0, 1, 2], start=start, composite=composites.get(name, **BOUNDS.get(name, {})))
    assert e.ledger.residual < 1e-12
    accounted = e.relevance.reshape(3, -1).sum(axis=1) + sum(e.ledger.total().values())
    size = max(np.abs(r).reshape(3, -1).sum(axis=1).max() for r in e.trace.relevance.values())
    np.testing.assert_allclose(accounted, e.start_relevance.sum(axis=1), rtol=0, atol=1e-12 * size)


EXACT_RULES: list[Any] = [
    rules.LRP0(), rules.Epsilon(0.1), rules.Epsilon(0.1, bias_share=1), rules.AlphaBeta(2, 1), rules.Gamma(0.25),
    rules.GeneralizedGamma(0.25), rules.ZPlus(), rules.ZPlus(add(0.1)), rules.Flat(), rules.WSquare(),
    rules.ZBox(-2, 2),
]  # fmt: skip


@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("rule", EXACT_RULES, ids=repr)
def test_the_ledger_of_rationals_closes_with_exactly_zero(rule: Any, build: Any) -> None:
    net, shape = build()
    e = lrp.explain(rational(net), rational(draw(2, *shape)), start=rational(draw(2, 3)), composite=rule)
    for row in e.ledger:
        assert (row.residual == 0).all(), row.node
        assert all(type(v) in (Fraction, int) for c in ("bias", "stabiliser", "dropped") for v in getattr(row, c))
    assert e.ledger.residual == 0
    total = e.ledger.total()
    whole = e.relevance.reshape(2, -1).sum(axis=1) + total["bias"] + total["stabiliser"] + total["dropped"]
    assert (whole == e.start_relevance.sum(axis=1)).all()


def test_a_ledger_that_does_not_close_shows() -> None:
    """A layer that loses relevance without saying so."""

    class Leaking(ReLU):
        def _redistribute(self, xs: Any, relevances: Any, rule: Any, z: Any) -> Any:
            whole = super()._redistribute(xs, relevances, rule, z)
            return type(whole)((whole.relevances[0] * 0.5,), whole.bias, whole.stabiliser, whole.dropped)

    net = Network.sequential([Dense(np.eye(2)), ("leak", Leaking()), Dense(np.ones((2, 1)))])
    e = lrp.explain(net, np.array([[1.0, 3.0]]), composite="lrp0")
    assert e.ledger.residual == 0.5
    assert {r.node: r.residual[0] for r in e.ledger} == {"dense2": 0.0, "leak": 2.0, "dense1": 0.0}
    assert not e.checks()["ledger"]


# Properties --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LITERAL)
def test_relevance_is_linear_in_the_start(name: str) -> None:
    net, shape = conv_net()
    x, composite = RNG.normal(size=(2, *shape)), composites.get(name, **BOUNDS.get(name, {}))
    r, s = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))

    def relevance(start: Any) -> Any:
        return lrp.explain(net, x, start=start, composite=composite).relevance

    one, two = relevance(r), relevance(s)
    size = np.abs(one).max() + np.abs(two).max()
    np.testing.assert_allclose(relevance(2 * r - 0.75 * s), 2 * one - 0.75 * two, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("name", LITERAL)
@pytest.mark.parametrize("build", [conv_net, residual_net])
def test_samples_are_independent(name: str, build: Any) -> None:
    net, shape = build()
    x, composite = RNG.normal(size=(5, *shape)), composites.get(name, **BOUNDS.get(name, {}))
    whole = lrp.explain(net, x, target=1, composite=composite)
    for n in range(5):
        alone = lrp.explain(net, x[n : n + 1], target=1, composite=composite)
        size = np.abs(alone.relevance).max()
        np.testing.assert_allclose(whole.relevance[n : n + 1], alone.relevance, rtol=0, atol=1e-11 * size)
        scale = {name: np.abs(r).sum() for name, r in alone.trace.relevance.items()}
        for a, b in zip(whole.ledger, alone.ledger, strict=True):
            np.testing.assert_allclose(a.relevance_in[n], b.relevance_in[0], rtol=0, atol=1e-11 * scale[b.node])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_the_input_everywhere(dtype: Any) -> None:
    net, shape = conv_net()
    e = lrp.explain(net, draw(2, *shape).astype(dtype), composite="epsilon_alpha2_beta1_flat")
    arrays = [e.output, e.relevance, e.start_relevance, *e.trace.values.values(), *e.trace.relevance.values()]
    arrays += [getattr(r, c) for r in e.ledger for c in ("relevance_in", "bias", "stabiliser", "dropped", "residual")]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert e.ledger.residual < 100 * np.finfo(dtype).eps


@pytest.mark.parametrize("build", [conv_net, residual_net])
def test_without_a_trace_the_result_is_the_same(build: Any) -> None:
    net, shape = build()
    x = draw(2, *shape)
    full, lean = (lrp.explain(net, x, composite="epsilon_plus", trace=keep) for keep in (True, False))
    assert np.array_equal(full.relevance, lean.relevance)
    assert np.array_equal(full.output, lean.output)
    assert full.ledger.table() == lean.ledger.table()
    assert lean.kept is None
    assert list(lean.trace.values) == list(full.trace.values)
    assert list(lean.trace.relevance) == list(full.trace.relevance)
    assert full.trace.diff(lean.trace, tolerance=0).equal
    assert lean.trace is lean.kept


def test_micro_batches_are_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    net, shape = residual_net()
    x, start = draw(5, *shape), draw(5, 3)
    asked = [{"target": 1}, {"target": [0, 1, 2, 0, 1]}, {"target": [[0, 2]], "start": "logit"}]
    asked += [{"start": s} for s in (start, start.tolist(), start[0])]
    whole = [lrp.explain(net, x, composite="epsilon_plus", **how) for how in asked]
    taken = []
    monkeypatch.setattr(workload, "WORKING_BYTES", 1)
    monkeypatch.setattr(Network, "values", lambda *a, f=Network.values, **k: (taken.append(a), f(*a, **k))[1])
    for how, expected in zip(asked, whole, strict=True):
        e = lrp.explain(net, x, composite="epsilon_plus", **how)
        np.testing.assert_allclose(e.relevance, expected.relevance, rtol=1e-12, atol=1e-14)
        assert np.array_equal(e.start_relevance, expected.start_relevance)
        assert e.ledger.residual < 1e-13
        assert [len(r.bias) for r in e.ledger] == [5] * len(e.ledger)
    assert {len(next(iter(a[1].values()))) for a in taken} <= {0, 1}
    with pytest.raises(ParameterError, match="4 targets for 5 samples"):
        lrp.explain(net, x, target=[0, 1, 2, 0])


def kept(net: Network) -> list[Any]:
    return [v for v in net.cache.values() if isinstance(v, prepare.PreparedNetwork)]


def test_work_is_remembered_with_the_network_and_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "WORTH_BYTES", 0)
    net, shape = residual_net()
    x = draw(2, *shape)
    first = lrp.explain(net, x, composite="epsilon_plus").relevance
    made = kept(net)
    assert np.array_equal(lrp.explain(net, x, composite="epsilon_plus").relevance, first)
    assert kept(net) == made
    for k in range(6):
        lrp.explain(net, x, composite=rules.Epsilon(0.1 * k))
    assert len(kept(net)) == 4
    assert not pickle.loads(pickle.dumps(net)).cache  # noqa: S301 - our own value
    assert not net.astype("float32").cache
    assert pickle.loads(pickle.dumps(net)) == net  # noqa: S301 - our own value
    monkeypatch.setattr(prepare, "CACHED_BYTES", 1)
    assert np.array_equal(lrp.explain(net, x, composite="epsilon_plus_flat").relevance.shape, x.shape)
    assert len(kept(net)) == 4


def test_edited_weights_of_a_small_network_are_never_out_of_date() -> None:
    net, shape = residual_net()
    x = draw(2, *shape)
    first = lrp.explain(net, x, composite="epsilon_plus").relevance
    for parameter in net.parameters:
        parameter *= -1
    fresh = net.map_arrays(lambda a: a.copy())
    again = lrp.explain(net, x, composite="epsilon_plus").relevance
    assert np.array_equal(again, lrp.explain(fresh, x, composite="epsilon_plus").relevance)
    assert not np.allclose(again, first)


def test_inputs_are_not_changed() -> None:
    net, shape = residual_net()
    x, start = draw(2, *shape), draw(2, 3)
    x.flags.writeable = start.flags.writeable = False
    frozen = net.map_arrays(lambda a: (a.setflags(write=False), a)[1])
    first = lrp.explain(frozen, x, start=start, composite="epsilon")
    again = lrp.explain(frozen, x, start=start, composite="epsilon")
    assert np.array_equal(first.relevance, again.relevance)


def test_xp_numpy_and_a_module() -> None:
    net, shape = residual_net()
    x = draw(1, *shape)
    expected = lrp.explain(net, x).relevance
    assert np.array_equal(lrp.explain(net, x, xp="numpy").relevance, expected)
    assert np.array_equal(lrp.explain(net, {"x": x}, xp=np).relevance, expected)
    with pytest.raises(BackendError, match="array module 'torch' is not known"):
        lrp.explain(net, x, xp="torch")


def test_another_array_module_gives_the_same_and_only_its_own_arrays() -> None:
    net, shape = conv_net()
    x = RNG.normal(size=(2, *shape))
    for name in LITERAL:
        composite = composites.get(name, **BOUNDS.get(name, {}))
        e, there = (lrp.explain(net, x, composite=composite, target=2, xp=xp) for xp in (None, STRICT))
        found = [there.output, there.relevance, there.start_relevance, there.target, *there.trace.values.values()]
        assert {type(a) for a in (*found, *there.trace.relevance.values())} == {StrictArray}
        columns = ("relevance_in", "residual", "bias")
        assert {type(getattr(r, c)) for r in there.ledger for c in columns} == {StrictArray}
        host = there.to_numpy()
        np.testing.assert_allclose(host.relevance, e.relevance, rtol=1e-13, atol=1e-13 * np.abs(e.relevance).max())
        assert host.ledger.residual < 1e-12
        kept = [host.output, host.target, host.ledger[0].bias, *host.trace.relevance.values()]
        assert {type(a) for a in kept} == {np.ndarray}
        assert {type(p.layer.weight) for p in host.plan if hasattr(p.layer, "weight")} == {np.ndarray}


def test_what_little_was_merged_is_kept_until_somebody_writes_into_it() -> None:
    weight, scale = draw(3, 2), np.array([2.0, 3.0])
    net = Network.sequential([Dense(weight), Affine(scale), Dense(draw(2, 1))])
    x = draw(4, 3)
    first = lrp.explain(net, x)
    (made,) = kept(net)
    assert np.array_equal(lrp.explain(net, x).relevance, first.relevance)
    assert kept(net)[0] is made
    for array in (weight, scale):
        array *= 2
        again = lrp.explain(net, x)
        np.testing.assert_allclose(again.output, net.forward(x), rtol=1e-12)
        np.testing.assert_allclose(again.relevance.sum(axis=1), net.forward(x)[:, 0], rtol=1e-4)
    assert not np.allclose(again.relevance, first.relevance)
    exact = lrp.arithmetic.rational(net)
    lrp.explain(exact, lrp.arithmetic.rational(x[:1]))
    lrp.explain(exact, lrp.arithmetic.rational(x[:1]))
    assert len(kept(exact)) == 1
