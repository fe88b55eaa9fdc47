"""Explanations of whole networks against the textbook, layer by layer; exact ledgers; the result as a value."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strict import STRICT, StrictArray

import lrp_ref as lrp
from lrp_ref import composites, layers, rules
from lrp_ref.arithmetic import rational, to_float
from lrp_ref.edits import add
from lrp_ref.errors import BackendError, GraphError, LrpError, ModelFormatError, NonFiniteError, ParameterError
from lrp_ref.layers import (
    LSTM,
    Add,
    Affine,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Multiply,
    ReLU,
    Softmax,
    Split,
)
from lrp_ref.literal import matrices, nonlinear
from lrp_ref.literal import rules as textbook
from lrp_ref.literal import stabilisers as stable
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    """Multiples of 1/8 of both signs, some of them 0."""
    return RNG.integers(-12, 13, size=shape) / 8


# A textbook network: every layer as its matrix, one sample at a time -----------------------------------------


def literal_matrix(layer: Any, shape: tuple[int, ...], dtype: Any) -> matrices.Matrix:
    match layer:
        case Dense():
            return matrices.dense(layer.weight, layer.bias)
        case Conv():
            return matrices.conv(
                layer.weight, layer.bias, input_shape=shape, stride=layer.stride, padding=layer.padding
            )
        case AveragePool():
            return matrices.average_pool(shape, layer.kernel, stride=layer.stride, dtype=dtype)
        case Affine():
            return matrices.affine(layer.scale, layer.shift, input_shape=shape)
    raise AssertionError(layer)


Messages = Callable[[Any, matrices.Matrix, Any], textbook.Messages]


def literal_walk(
    net: Network, x: Any, start: Any, rule: Callable[[Node], Messages], ties: Any = "first"
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Return values, relevances and columns per node of one sample x (without batch axis), by the papers' formulas."""
    values = {net.inputs[0].name: x}
    for node in net.nodes:
        xs = [values[n] for n in node.inputs]
        match node.layer:
            case ReLU():
                out = np.where(xs[0] > 0, xs[0], xs[0] * 0)
            case Flatten():
                out = xs[0].reshape(-1)
            case MaxPool():
                out = nonlinear.max_pool_forward(xs[0], node.layer.kernel, stride=node.layer.stride)
            case Add():
                out = xs[0] + xs[1]
            case _:
                m = literal_matrix(node.layer, xs[0].shape, x.dtype)
                out = m.forward(xs[0]).reshape(m.output_shape)
        values[node.name] = out
    relevance, columns = {net.outputs[0]: start}, {}
    for node in reversed(net.nodes):
        xs, r = [values[n] for n in node.inputs], relevance[node.name]
        told: dict[str, Any] = dict.fromkeys(("bias", "stabiliser", "dropped"), 0)
        match node.layer:
            case ReLU() | Flatten():
                parts = [r.reshape(xs[0].shape)]
            case MaxPool():
                parts = [nonlinear.max_pool(xs[0], r, node.layer.kernel, stride=node.layer.stride, ties=ties).inputs[0]]
            case Add():
                shares = nonlinear.add(xs, r, stable.add(tiny(x)))
                parts = list(shares.inputs)
                told |= {"stabiliser": shares.stabiliser.sum(), "dropped": shares.dropped.sum()}
            case _:
                m = rule(node)(xs[0].reshape(-1), literal_matrix(node.layer, xs[0].shape, x.dtype), r.reshape(-1))
                parts = [m.relevance.reshape(xs[0].shape)]
                told = {"bias": m.bias.sum(), "stabiliser": m.stabiliser.sum(), "dropped": m.dropped.sum()}
        for name, part in zip(node.inputs, parts, strict=True):
            relevance[name] = relevance[name] + part if name in relevance else part
        columns[node.name] = told
    return values, relevance, columns


def tiny(x: Any) -> Any:
    """1e-6, the ε of the base map, in the number system of x."""
    return Fraction(1e-6) if x.dtype == object else 1e-6


def conv_net() -> tuple[Network, tuple[int, ...]]:
    """conv – ReLU – max pool – conv – ReLU – average pool – flatten – dense – ReLU – dense, biases everywhere."""
    net = Network.sequential([
        Conv(draw(3, 1, 2, 2), draw(3), padding=1), ReLU(), MaxPool(2, stride=1),
        Conv(draw(2, 3, 2, 2), draw(2), stride=2), ReLU(), AveragePool((1, 2)), Flatten(),
        Dense(draw(4, 4), draw(4)), ReLU(), Dense(draw(4, 3), draw(3)),
    ])  # fmt: skip
    return net, (1, 4, 5)


def residual_net() -> tuple[Network, tuple[int, ...]]:
    nodes = (
        Node("in", Dense(draw(4, 4), draw(4)), ("x",)),
        Node("relu", ReLU(), ("in",)),
        Node("a", Dense(draw(4, 4), draw(4)), ("relu",)),
        Node("act", ReLU(), ("a",)),
        Node("b", Dense(draw(4, 4), draw(4)), ("act",)),
        Node("sum", Add(), ("relu", "b")),
        Node("top", Dense(draw(4, 3), draw(3)), ("sum",)),
    )
    return Network(nodes, (Input("x"),), ("top",)), (4,)


def f(value: float, x: Any) -> Any:
    return Fraction(value) if x.dtype == object else value


def book(name: str, net: Network, x: Any) -> Callable[[Node], Messages]:
    """Return the textbook's rule of every node for a composite, by the composite's published description."""
    weighted = [n.name for n in net.nodes if isinstance(n.layer, Conv | Dense)]
    convolutions = [n.name for n in net.nodes if isinstance(n.layer, Conv)]
    small = stable.add(tiny(x))

    def epsilon(value: float) -> Messages:
        return lambda a, m, r: textbook.epsilon(a, m, r, f(value, x))

    def of_convolutions(node: Node) -> Messages:
        if name.endswith("_flat") and node.name == weighted[0]:
            return lambda a, m, r: textbook.flat(a, m, r, small)
        if name == "epsilon_gamma_box" and node.name == convolutions[0]:
            return lambda a, m, r: textbook.zbox(a, m, r, f(-2, x), f(2, x), small)
        if name == "epsilon_gamma_box":
            return lambda a, m, r: textbook.generalized_gamma(a, m, r, f(0.25, x), small)
        if "alpha2_beta1" in name:
            return lambda a, m, r: textbook.alpha_beta(a, m, r, f(2, x), f(1, x), small)
        return lambda a, m, r: textbook.zplus(a, m, r, small)

    def rule(node: Node) -> Messages:
        if isinstance(node.layer, AveragePool):
            return epsilon(1e-6)
        if name == "lrp0":
            return textbook.lrp0
        if name == "epsilon":
            return epsilon(1e-6)
        # A first dense layer is flat in the flat presets and ε in all others.
        flat = name.endswith("_flat") and node.name == weighted[0]
        if isinstance(node.layer, Conv) or flat or name == "excitation_backprop":
            return of_convolutions(node)
        return epsilon(1e-6)

    return rule


BOUNDS = {"epsilon_gamma_box": {"low": -2, "high": 2}, "montavon_vgg16": {"low": -2, "high": 2}}
LITERAL = (
    "lrp0", "epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
    "epsilon_gamma_box", "excitation_backprop",
)  # fmt: skip


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
    size = max(np.abs(r.size).max() for r in e.ledger)
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
        for a, b in zip(whole.ledger, alone.ledger, strict=True):
            np.testing.assert_allclose(a.relevance_in[n], b.relevance_in[0], rtol=0, atol=1e-11 * b.size[0])


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
    assert (len(lean.trace.values), len(lean.trace.relevance)) == (0, 0)


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
        columns = ("relevance_in", "residual", "size")
        assert {type(getattr(r, c)) for r in there.ledger for c in columns} == {StrictArray}
        host = there.to_numpy()
        np.testing.assert_allclose(host.relevance, e.relevance, rtol=1e-13, atol=1e-13 * np.abs(e.relevance).max())
        assert host.ledger.residual < 1e-12
        kept = [host.output, host.target, host.ledger[0].bias, *host.trace.relevance.values()]
        assert {type(a) for a in kept} == {np.ndarray}
        assert {type(p.layer.weight) for p in host.plan if hasattr(p.layer, "weight")} == {np.ndarray}


# Canonizing inside explain -----------------------------------------------------------------------------------


def test_canonize_false_keeps_the_network_as_it_is() -> None:
    net = Network.sequential([Dense(draw(3, 2), draw(2)), Affine(draw(2) + 2, draw(2)), Softmax()])
    x = draw(2, 3)
    assert [p.node for p in lrp.explain(net, x).plan] == ["dense1"]
    with pytest.raises(ParameterError, match="node 'softmax1': Softmax has no rule of its own"):
        lrp.explain(net, x, canonize=False)
    e = lrp.explain(net.until("affine1"), x, canonize=False)
    assert [(p.node, p.rule) for p in e.plan] == [("dense1", rules.Epsilon(1e-6)), ("affine1", rules.Pass())]
    named = lrp.explain(net, x, canonize=False, composite=[(Softmax, rules.Pass()), (Dense, rules.LRP0())])
    assert np.array_equal(named.start_relevance, named.trace.relevance["affine1"])


def test_outputs_keep_their_names_though_canonizing_renames_nodes() -> None:
    nodes = (
        Node("logits", Dense(draw(3, 2), draw(2)), ("x",)),
        Node("p", Softmax(), ("logits",)),
        Node("fc", Dense(draw(3, 2), draw(2)), ("x",)),
        Node("bn", Affine(draw(2), draw(2)), ("fc",)),
    )
    net = Network(nodes, (Input("x"),), ("p", "bn"))
    x = draw(2, 3)
    assert np.array_equal(lrp.explain(net, x, output="p").output, net.until("logits").forward(x))
    np.testing.assert_allclose(lrp.explain(net, x, output="bn").output, net.until("bn").forward(x), atol=1e-12)


# Several inputs and outputs ----------------------------------------------------------------------------------


def two_inputs() -> Network:
    nodes = (
        Node("left", Dense(draw(3, 2), draw(2)), ("a",)),
        Node("right", Dense(draw(4, 2), draw(2)), ("b",)),
        Node("sum", Add(), ("left", "right")),
        Node("alone", Dense(draw(2, 2)), ("left",)),
    )
    return Network(nodes, (Input("a"), Input("b")), ("sum", "alone"))


def test_several_inputs_give_a_dict() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(rational(net), {k: rational(v) for k, v in x.items()}, composite=[((Dense, Add), rules.LRP0())])
    assert {k: v.shape for k, v in e.relevance.items()} == {"a": (2, 3), "b": (2, 4)}
    arrived = sum(v.sum(axis=1) for v in e.relevance.values())
    assert (arrived + e.ledger.total()["bias"] + e.ledger.total()["dropped"] == e.start_relevance.sum(axis=1)).all()
    assert "relevance (2, 3), (2, 4)" in repr(e)


def test_an_input_that_the_output_does_not_need_receives_zeros() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(net, x, output="alone")
    assert [r.node for r in e.ledger] == ["alone", "left"]
    assert np.array_equal(e.relevance["b"], np.zeros((2, 4)))
    assert np.array_equal(e.relevance["a"], lrp.explain(net.until("alone"), x["a"]).relevance)


def test_an_output_is_chosen_by_name() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    assert np.array_equal(lrp.explain(net, x).output, net.forward(x)["sum"])
    assert np.array_equal(lrp.explain(net, x, output="alone").output, net.forward(x)["alone"])
    with pytest.raises(GraphError, match=r"^'left' is no output of the network; there are: sum, alone$"):
        lrp.explain(net, x, output="left")


def test_names_of_the_other_head_may_stand_in_a_composite() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    entries = [("right", rules.Flat()), (Dense, rules.LRP0())]
    assert [p.rule for p in lrp.explain(net, x, output="alone", composite=entries).plan] == [rules.LRP0()] * 2
    with pytest.raises(ParameterError, match="unknown node in composite 'custom': 'wrong'"):
        lrp.explain(net, x, composite=[("wrong", rules.Flat()), (Dense, rules.LRP0())])


def test_an_output_that_another_node_reads() -> None:
    net = Network.sequential([("one", Dense(draw(3, 3))), ("two", Dense(draw(3, 2)))])
    both = Network(net.nodes, net.inputs, ("one", "two"))
    x = draw(2, 3)
    inner = lrp.explain(both, x, composite="lrp0", target=2)
    assert np.array_equal(inner.relevance, lrp.explain(net.until("one"), x, composite="lrp0", target=2).relevance)
    outer = lrp.explain(both, x, composite="lrp0", output="two", target=1)
    assert np.array_equal(outer.relevance, lrp.explain(net, x, composite="lrp0", target=1).relevance)


def test_a_node_that_nothing_reads_is_left_out() -> None:
    nodes = (Node("used", Dense(draw(3, 2)), ("x",)), Node("unused", Dense(draw(3, 9)), ("x",)))
    e = lrp.explain(Network(nodes, (Input("x"),), ("used",)), draw(1, 3))
    assert [r.node for r in e.ledger] == ["used"]
    assert "unused" not in e.trace.values


@pytest.mark.parametrize("output", ["cut", "cut:1"])
def test_one_of_several_outputs_of_a_node(output: str) -> None:
    nodes = (Node("fc", Dense(draw(3, 3)), ("x",)), Node("cut", Split((1, 2)), ("fc",)))
    net = Network(nodes, (Input("x"),), (output,))
    x = draw(2, 3)
    e = lrp.explain(rational(net), rational(x), composite="lrp0", start="one_hot", target=0)
    whole = np.array([[1, 0, 0] if output == "cut" else [0, 1, 0]] * 2)
    fc = lrp.explain(rational(net.until("fc")), rational(x), composite="lrp0", start=rational(whole))
    assert (e.relevance == fc.relevance).all()
    assert (e.trace.relevance["fc"] == whole).all()


def test_parts_of_a_split_meet_again() -> None:
    nodes = (
        Node("cut", Split((2, 1, 1)), ("x",)),
        Node("relu", ReLU(), ("cut:2",)),
        Node("joined", Concat(), ("relu", "cut")),
        Node("fc", Dense(np.ones((3, 1))), ("joined",)),
    )
    net = Network(nodes, (Input("x"),), ("fc",))
    e = lrp.explain(net, np.array([[1.0, 2.0, 4.0, 8.0]]), composite="lrp0")
    assert e.relevance.tolist() == [[1.0, 2.0, 0.0, 8.0]], "the part that nothing reads receives nothing"
    assert {r.node: r.residual[0] for r in e.ledger} == dict.fromkeys(("fc", "joined", "relu", "cut"), 0.0)


def test_lengths_are_an_input_without_relevance() -> None:
    lstm = LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="all", lengths=True)
    nodes = (
        Node("lstm", lstm, ("x", "lengths")),
        Node("h", Flatten(), ("lstm:1",)),
        Node("fc", Dense(draw(2, 2), draw(2)), ("h",)),
    )
    net = Network(nodes, (Input("x"), Input("lengths")), ("fc",))
    x, lengths = draw(3, 5, 3), np.array([2, 5, 1])
    e = lrp.explain(net, {"x": x, "lengths": lengths}, composite=rules.Epsilon(0.01), target=1)
    assert list(e.relevance) == ["x"]
    assert e.ledger.residual < 1e-13
    for n, length in enumerate(lengths):
        assert (e.relevance["x"][n, length:] == 0).all()
        alone = lrp.explain(
            net, {"x": x[n : n + 1, :length], "lengths": np.array([length])}, composite=rules.Epsilon(0.01), target=1
        )
        np.testing.assert_allclose(e.relevance["x"][n, :length], alone.relevance["x"][0], rtol=0, atol=1e-13)


def test_gates_are_declared_by_the_node() -> None:
    nodes = (Node("g", Multiply(gate=0), ("gate", "signal")), Node("fc", Dense(np.ones((2, 1))), ("g",)))
    net = Network(nodes, (Input("gate"), Input("signal")), ("fc",))
    x = {"gate": np.array([[0.5, 2.0]]), "signal": np.array([[4.0, 1.0]])}
    e = lrp.explain(net, x, composite="lrp0")
    assert e.relevance["gate"].tolist() == [[0, 0]]
    assert e.relevance["signal"].tolist() == [[2, 2]]


# Edges and errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", composites.names())
def test_an_empty_batch(name: str, build: Any) -> None:
    net, shape = build()
    e = lrp.explain(net, np.zeros((0, *shape)), composite=composites.get(name, **BOUNDS.get(name, {})))
    assert e.relevance.shape == (0, *shape)
    assert e.target.shape == (0, 1)
    assert e.ledger.residual == 0
    assert e.checks() == {"conservative": True, "positive": True, "consistent": True, "ledger": True}
    assert "start 0" in repr(e)
    assert e._repr_html_().startswith("<p>Explanation(")


def test_one_number_per_sample() -> None:
    net = Network.sequential([Dense(np.array([[1.0], [2.0]])), layers.Squeeze((1,))])
    e = lrp.explain(net, np.array([[1.0, 1.0], [3.0, -1.0]]), composite="lrp0")
    assert e.output.tolist() == [3.0, 1.0]
    assert e.relevance.tolist() == [[1.0, 2.0], [3.0, -2.0]]


def test_a_value_that_is_not_finite_in_the_middle_names_its_node() -> None:
    net = Network.sequential([Dense(np.eye(2)), ("spectrum", layers.Log()), Dense(np.ones((2, 1)))])
    message = r"^node 'spectrum': the output has 1 values that are not finite; the first is -inf at \(0, 1\)$"
    with pytest.raises(NonFiniteError, match=message):
        lrp.explain(net, np.array([[1.0, 0.0]]))
    with pytest.raises(NonFiniteError, match=r"^input 'input' has 1 values that are not finite; the first is nan"):
        lrp.explain(net, np.array([[1.0, np.nan]]))


def test_a_relevance_that_is_not_finite_names_its_node() -> None:
    """Two inputs that cancel to z = 1.1e-16: R/z overflows."""
    net = Network.sequential([Dense(np.eye(2)), ("cancels", Dense(np.array([[1.0], [-1.0]]))), ReLU()])
    x = np.array([[1.0, np.nextafter(1.0, 0)]])
    assert np.isfinite(lrp.explain(net, x, composite="lrp0", start=np.array([[1e200]])).relevance).all()
    with pytest.raises(NonFiniteError, match=r"^node 'cancels': the relevance of its input has 2 values that are not"):
        lrp.explain(net, x, composite="lrp0", start=np.array([[1e300]]))


def test_integer_inputs_alone_have_no_relevance() -> None:
    net = Network.sequential([Flatten()])
    with pytest.raises(BackendError, match="no input holds floats or exact numbers, so there is nothing to give"):
        lrp.explain(net, np.ones((1, 2), dtype=int))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"composite": "epsilonn"}, ParameterError, "unknown composite 'epsilonn': did you mean 'epsilon'?"),
        ({"composite": "epsilon_gamma_box"}, ParameterError, "needs low= and high="),
        ({"target": 3}, ParameterError, "target 3 is out of range: the output has 3 classes, 0 to 2"),
        ({"start": "logits"}, ParameterError, "unknown start 'logits': did you mean 'logit'?"),
        ({"start": np.ones(3), "target": 1}, ParameterError, "leave target out"),
        ({"output": "nope"}, GraphError, "'nope' is no output of the network; there are: top"),
        ({"composite": [(Conv, rules.Flat())]}, ParameterError, r"has no rule for in \(Dense\), a \(Dense\), b "),
        ({"composite": [(Dense, rules.Deconv())]}, LrpError, "node 'top'"),
    ],
)
def test_errors(options: dict[str, Any], kind: type[LrpError], message: str) -> None:
    net, shape = residual_net()
    with pytest.raises(kind, match=message) as error:
        lrp.explain(net, draw(1, *shape), **options)
    assert "\n" not in str(error.value)


# The result as a value ---------------------------------------------------------------------------------------


def test_checks() -> None:
    plus = Network.sequential([Dense(np.array([[1.0], [2.0]])), ReLU()])
    x = np.array([[1.0, 1.0], [0.5, 2.0]])
    every = {"conservative": True, "positive": True, "consistent": True, "ledger": True}
    assert lrp.explain(plus, x, composite="lrp0").checks() == every
    negative = Network.sequential([Dense(np.array([[1.0], [-0.5]]))])
    assert lrp.explain(negative, x, composite="lrp0").checks() == every | {"positive": False, "consistent": False}
    biased = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([1.0]))])
    assert lrp.explain(biased, x, composite="lrp0").checks() == every | {"conservative": False, "consistent": False}
    assert lrp.explain(biased, x, composite="lrp0").checks(tolerance=0.4) == every
    # f = 0 implies R = 0 where an explanation is consistent.
    zero = lrp.explain(plus, x * 0, composite="lrp0")
    assert zero.checks() == every
    assert not zero.relevance.any()


def test_checks_measure_every_sample_by_itself() -> None:
    """A large sample must not hide that a small one is not conservative."""
    biased = Network.sequential([Dense(np.array([[1.0]]), np.array([1.0]))])
    x = np.array([[1e9], [1.0]])
    assert not lrp.explain(biased, x, composite="lrp0").checks()["conservative"]
    signed = Network.sequential([Dense(np.array([[1.0], [1.0]]))])
    x = np.array([[1e9, 0.0], [1.0, -0.5]])
    assert not lrp.explain(signed, x, composite="lrp0").checks()["positive"]


def test_checks_of_several_inputs_and_rationals() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    exact = lrp.explain(rational(net), {k: rational(v) for k, v in x.items()}, start="one_hot", target=0)
    checks = exact.checks(tolerance=0)
    assert checks["ledger"]
    assert {type(v) for v in checks.values()} == {bool}


def test_repr() -> None:
    net = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
    e = lrp.explain(net, np.array([[3.0, 1.0]]), composite="lrp0")
    assert repr(e) == (
        "Explanation(lrp0, Logit(), target [[0]]: relevance (1, 2), start 5.5, arrived at the input 5, "
        "ledger residual 0.0e+00)"
    )
    given = lrp.explain(net, np.array([[3.0, 1.0]]), composite="lrp0", start=np.array([[11.0]]))
    assert repr(given).startswith("Explanation(lrp0, array: relevance (1, 2), start 11, ")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_html_shows_pictures_and_the_ledger(channels: int) -> None:
    net = Network.sequential([("<b>", Conv(draw(1, channels, 2, 2))), Flatten(), Dense(draw(4, 2))])
    e = lrp.explain(net, draw(6, channels, 3, 3).astype(np.float32), composite="epsilon_plus")
    html = e._repr_html_()
    assert html.count("<img src=\"data:image/png;base64,") == 4, "at most four samples"
    assert "<td>&lt;b&gt;</td>" in html
    assert "<b>" not in html
    assert "<table>" in html
    silent = lrp.explain(net, draw(1, channels, 3, 3), composite="epsilon_plus", start=np.zeros((1, 2)))
    assert silent._repr_html_().count("<img") == 1


def test_html_without_pictures() -> None:
    net, shape = residual_net()
    e = lrp.explain(net, draw(1, *shape))
    assert "<img" not in e._repr_html_()
    exact = lrp.explain(rational(net), rational(draw(1, *shape)))
    assert "<img" not in exact._repr_html_()


def test_pickling() -> None:
    net, shape = conv_net()
    e = lrp.explain(net, draw(1, *shape), composite="epsilon_plus_flat")
    again = pickle.loads(pickle.dumps(e))  # noqa: S301  (our own bytes)
    assert np.array_equal(again.relevance, e.relevance)
    assert again.ledger.table() == e.ledger.table()
    assert repr(again.plan) == repr(e.plan)


# Saved and loaded --------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    net, shape = conv_net()
    e = lrp.explain(net, draw(2, *shape), target=[2, 0], composite="epsilon_plus")
    found = lrp.load_relevance(e.save(tmp_path / "e"))
    assert found["relevance"].dtype == np.float64
    assert np.array_equal(found["relevance"], e.relevance)
    assert np.array_equal(found["output"], e.output)
    assert np.array_equal(found["start_relevance"], e.start_relevance)
    assert found["target"].tolist() == [[2], [0]]
    assert (found["start"], found["composite"]) == ("Logit()", "epsilon_plus")
    assert found["ledger_residual"] == e.ledger.residual
    assert found["trace"].diff(e.trace, tolerance=0).equal
    assert set(found) == {
        "relevance", "output", "start_relevance", "target", "start", "composite", "ledger_residual", "trace",
    }  # fmt: skip


def test_save_and_load_several_inputs_without_target_or_trace(tmp_path: Path) -> None:
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(two_inputs(), x, start=np.ones(2), trace=False)
    found = lrp.load_relevance(e.save(tmp_path / "e.npz"))
    assert list(found["relevance"]) == ["a", "b"]
    assert all(np.array_equal(found["relevance"][k], e.relevance[k]) for k in x)
    assert "target" not in found
    assert len(found["trace"].values) == 0


def test_saving_exact_numbers_is_refused(tmp_path: Path) -> None:
    net, shape = residual_net()
    e = lrp.explain(rational(net), rational(draw(1, *shape)))
    with pytest.raises(ParameterError, match=r"holds exact numbers, which .npz cannot store"):
        e.save(tmp_path / "e.npz")
    assert not list(tmp_path.iterdir())


def test_loading_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="no such file"):
        lrp.load_relevance(tmp_path / "e.npz")
