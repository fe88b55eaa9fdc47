"""What a walk keeps, what it makes again and what it overwrites: never to be seen in a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_numbers import F, rationals
from readied import ready, stand_ins
from walks import walk as plain_walk

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import NonFiniteError
from lrp_ref.layers.promises import Promises
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation.prepare import PreparedNetwork
from lrp_ref.rules import edits

RNG = np.random.default_rng(7)


def drawn(*shape: int) -> Any:
    return rationals(RNG, *shape)


def node(name: str, layer: Any, *inputs: str) -> Node:
    return Node(name, layer, inputs)


def convolutions() -> Network:
    """Biases so that many z are negative; integer-like numbers so that some are 0."""
    return Network(
        (
            node("conv1", layers.Conv(drawn(3, 2, 2, 2), drawn(3)), "x"),
            node("relu1", layers.ReLU(), "conv1"),
            node("pool", layers.MaxPool(2, stride=1), "relu1"),
            node("conv2", layers.Conv(drawn(3, 3, 2, 2), drawn(3)), "pool"),
            node("relu2", layers.ReLU(), "conv2"),
            node("flat", layers.Flatten(), "relu2"),
            node("dense1", layers.Dense(drawn(12, 5), drawn(5)), "flat"),
            node("relu3", layers.ReLU(), "dense1"),
            node("dense2", layers.Dense(drawn(5, 3), drawn(3)), "relu3"),
        ),
        (Input("x", (None, 2, 5, 5)),),
        ("dense2",),
    )


def residual() -> Network:
    """A sum below a ReLU, a ReLU that two nodes read, and z that two nodes read."""
    return Network(
        (
            node("one", layers.Dense(drawn(4, 4), drawn(4)), "x"),
            node("relu1", layers.ReLU(), "one"),
            node("two", layers.Dense(drawn(4, 4), drawn(4)), "relu1"),
            node("sum", layers.Add(), "two", "relu1"),
            node("relu2", layers.ReLU(), "sum"),
            node("three", layers.Dense(drawn(4, 4), drawn(4)), "relu2"),
            node("relu3", layers.ReLU(), "three"),
            node("both", layers.Add(), "three", "relu3"),
            node("relu4", layers.ReLU(), "both"),
            node("top", layers.Dense(drawn(4, 2), drawn(2)), "relu4"),
        ),
        (Input("x", (None, 4)),),
        ("top",),
    )


NETS = {"convolutions": (convolutions(), (4, 2, 5, 5)), "residual": (residual(), (6, 4))}
RULES = {
    "0": rules.LRP0(),
    "ε": rules.Epsilon(F(1, 4)),
    "ε, shared": rules.Epsilon(F(1, 4), bias_share=1),
    "0, clipped": rules.LRP0(edits.clip(F(1, 2))),
    "αβ": rules.AlphaBeta(F(2), F(1)),
    "z⁺": rules.ZPlus(),
    "γ": rules.Gamma(F(1, 4)),
    "γ, generalised": rules.GeneralizedGamma(F(1, 4), edits.add(F(1, 8))),
    "flat": rules.Flat(),
}


def plain(network: Network, x: Any, start: Any, plan: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Walk as the explanation's plan says, with nothing known."""
    named = {n.name: planned.rule for n, planned in zip(network.nodes, plan, strict=True)}
    return plain_walk(network, x, start, lambda n: named[n.name])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("net", NETS)
def test_a_lean_walk_hands_on_what_a_plain_one_does(net: str, name: str) -> None:
    network, shape = NETS[net]
    x, start, rule = drawn(*shape), drawn(shape[0], 3 if net == "convolutions" else 2), RULES[name]
    found = lrp.explain(network, x, composite=rule, start=start)
    expected, totals = plain(network, x, start, found.plan)
    assert np.array_equal(found.relevance, expected["x"])
    for column, total in totals.items():
        assert np.array_equal(sum(getattr(row, column) for row in found.ledger), total)
    assert found.ledger.residual == 0


@pytest.mark.parametrize("net", NETS)
def test_a_relative_stabiliser_sees_all_of_z(net: str) -> None:
    network, shape = NETS[net]
    network = network.astype("float64")
    x, start = (np.random.default_rng(1).normal(size=s) for s in (shape, (shape[0], 3 if shape[0] == 4 else 2)))
    rule = rules.LRP0(edits.relative(0.25))
    found = lrp.explain(network, x, composite=rule, start=start)
    expected, _ = plain(network, x, start, found.plan)
    np.testing.assert_allclose(found.relevance, expected["x"], rtol=1e-12, atol=1e-14)


def made_ready(network: Network, composite: Any) -> PreparedNetwork:
    network = network.astype("float64")
    x = np.ones((2, *network.inputs[0].shape[1:]))
    return ready(network, network.feed(x), composite)


def test_of_z_and_its_relu_one_is_kept() -> None:
    made = made_ready(convolutions(), rules.Epsilon(0.25))
    assert stand_ins(made) == {"conv1": "relu1", "conv2": "relu2", "dense1": "relu3"}
    assert made.unkept == {"conv1", "conv2", "dense1", "flat"}
    # Relevance may arrive where z ≤ 0: z itself is needed, and its ReLU can be made again.
    made = made_ready(convolutions(), rules.Flat())
    assert stand_ins(made) == {}
    assert made.unkept == {"relu1", "relu2", "relu3"}
    assert stand_ins(made_ready(convolutions(), rules.LRP0(edits.relative(0.25)))) == {}
    # Another rule at the ReLU may look at z.
    assert stand_ins(made_ready(convolutions(), rules.Gradient())) == {}
    composite = lrp.Composite([(layers.Conv, rules.Epsilon(0.25)), ("dense1", rules.Flat()), ("dense2", rules.ZPlus())])
    assert stand_ins(made_ready(convolutions(), composite)) == {"conv1": "relu1", "dense1": "relu3"}


def test_z_that_others_read_or_that_is_explained_is_kept() -> None:
    made = made_ready(residual(), rules.Epsilon(0.25))
    assert stand_ins(made) == {"one": "relu1", "sum": "relu2", "both": "relu4"}
    assert made.unkept == {"one", "sum", "both", "relu3"}
    ends = Network.sequential([layers.Dense(np.ones((2, 3))), layers.ReLU()])
    made = made_ready(Network(ends.nodes, (Input("input", (None, 2)),), (ends.nodes[0].name,)), rules.LRP0())
    assert stand_ins(made) == {}


def before_activations() -> Network:
    """Scale, shift and ReLU in front of each layer, over maps side by side; the last scale is read by two nodes."""
    return Network(
        (
            node("conv1", layers.Conv(drawn(3, 2, 2, 2), drawn(3)), "x"),
            node("norm1", layers.Affine(drawn(3), drawn(3)), "conv1"),
            node("relu1", layers.ReLU(), "norm1"),
            node("conv2", layers.Conv(drawn(2, 3, 1, 1), drawn(2)), "relu1"),
            node("both", layers.Concat(), "conv1", "conv2"),
            node("norm2", layers.Affine(drawn(5), drawn(5)), "both"),
            node("relu2", layers.ReLU(), "norm2"),
            node("conv3", layers.Conv(drawn(5, 5, 1, 1)), "relu2"),
            node("norm3", layers.Affine(drawn(5), None), "both"),
            node("relu3", layers.ReLU(), "norm3"),
            node("sum", layers.Add(), "norm3", "relu3", "conv3"),
            node("flat", layers.Flatten(), "sum"),
            node("dense", layers.Dense(drawn(80, 2), drawn(2)), "flat"),
        ),
        (Input("x", (None, 2, 5, 5)),),
        ("dense",),
    )


def test_what_relevance_passes_unchanged_need_not_be_kept_below_its_relu() -> None:
    network, x, start = before_activations(), drawn(3, 2, 5, 5), drawn(3, 2)
    made = made_ready(network, rules.Epsilon(0.25))
    assert {k: v for k, v in stand_ins(made).items() if k.startswith("norm")} == {"norm1": "relu1", "norm2": "relu2"}
    assert {"norm1", "norm2", "relu3"} <= made.unkept
    assert "norm3" not in made.unkept
    for rule in (RULES["ε"], RULES["αβ"]):
        found = lrp.explain(network, x, composite=rule, start=start)
        expected, totals = plain(network, x, start, found.plan)
        assert np.array_equal(found.relevance, expected["x"])
        for column, total in totals.items():
            assert np.array_equal(sum(getattr(row, column) for row in found.ledger), total)
        floats = (network.astype("float64"), x.astype(float), start.astype(float))
        few = lrp.explain(floats[0], floats[1], composite=rule, start=floats[2])
        np.testing.assert_allclose(few.relevance, found.relevance.astype(float), rtol=1e-9, atol=1e-9)
    # A rule of groups looks at z where relevance may arrive at z ≤ 0.
    composite = [(layers.Affine, rules.Epsilon(0.25)), ((layers.Conv, layers.Dense), rules.Flat())]
    assert not any(name.startswith("norm") for name in stand_ins(made_ready(network, composite)))
    # So may another rule for any layer.
    composite = [(layers.Affine, rules.Taylor()), ((layers.Conv, layers.Dense), rules.Epsilon(0.25))]
    assert not any(name.startswith("norm") for name in stand_ins(made_ready(network, composite)))


# -- overwriting --------------------------------------------------------------------------------------------------


def relu_of(*before: Node, reads: str, outputs: tuple[str, ...] = ("relu",), more: tuple[Node, ...] = ()) -> Network:
    return Network((*before, node("relu", layers.ReLU(), reads), *more), (Input("x", (None, 2)),), outputs)


X = np.array([[1.0, -2.0], [-3.0, 4.0]])
TURN = node("turn", layers.Dense(-np.eye(2)), "x")


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (relu_of(reads="x"), {"relu": np.maximum(X, 0)}),
        (relu_of(node("same", layers.Identity(), "x"), reads="same"), {"relu": np.maximum(X, 0)}),
        (relu_of(node("view", layers.Reshape((2, 1)), "x"), reads="view"), {"relu": np.maximum(X, 0)[..., None]}),
        (relu_of(TURN, reads="turn", outputs=("relu", "turn")), {"relu": np.maximum(-X, 0), "turn": -X}),
        (relu_of(TURN, node("view", layers.Reshape((2, 1)), "turn"), reads="turn", outputs=("relu", "view")),
         {"relu": np.maximum(-X, 0), "view": -X[..., None]}),
        (relu_of(TURN, reads="turn", outputs=("sum",), more=(node("sum", layers.Add(), "relu", "turn"),)),
         {"sum": np.maximum(-X, 0) - X}),
        (relu_of(TURN, reads="turn", outputs=("turn", "relu", "again"), more=(node("again", layers.ReLU(), "turn"),)),
         {"turn": -X, "relu": np.maximum(-X, 0), "again": np.maximum(-X, 0)}),
    ],
)  # fmt: skip
def test_a_relu_overwrites_only_what_nobody_else_has(net: Network, expected: dict[str, np.ndarray]) -> None:
    x = X.copy()
    values = net.values({"x": x}, keep=lambda value: False)
    assert np.array_equal(x, X)
    for name, value in expected.items():
        assert np.array_equal(values[name], value)


def test_a_relu_overwrites_what_is_read_by_nobody_else() -> None:
    made: list[np.ndarray] = []

    class Watched(layers.Dense):
        promises = Promises(makes_new=True)

        def forward(self, *xs: Any) -> Any:
            made.append(super().forward(*xs))
            return made[-1]

    net = relu_of(node("turn", Watched(-np.eye(2)), "x"), reads="turn")
    for keep, over in ((None, False), (lambda value: True, False), (lambda value: False, True)):
        relu = net.values({"x": X}, keep=keep)["relu"]
        assert np.array_equal(relu, np.maximum(-X, 0))
        assert (relu is made[-1]) == over


@pytest.mark.parametrize("layer", [layers.Conv, layers.Dense])
def test_layers_that_say_so_make_a_new_array(layer: Any) -> None:
    assert layer.promises.makes_new
    for shape in ((1, 1), (3, 1)) if layer is layers.Dense else ((1, 1, 1), (3, 1, 4)):
        for weight in (np.ones((1, 1)), np.zeros((1, 1))):
            for bias in (None, np.zeros(1)):
                made = layer(weight.reshape((1,) * max(2, len(shape))), bias)
                x = np.ones(shape)
                assert not any(np.may_share_memory(made.forward(x), a) for a in (x, made.weight, np.zeros(1)))
    assert not layers.ReLU.promises.makes_new


def test_a_transposed_convolution_makes_a_new_array() -> None:
    assert layers.ConvTranspose.promises.makes_new
    x, weight = np.ones((2, 1, 3)), np.ones((1, 1, 2))
    for layer in (layers.ConvTranspose(weight), layers.ConvTranspose(weight, np.zeros(1))):
        assert not any(np.may_share_memory(layer.forward(x), a) for a in (x, weight))


# -- what need not be looked at -----------------------------------------------------------------------------------


def test_scale_and_shift_make_a_new_array() -> None:
    assert layers.Affine.promises.makes_new
    one, none = np.ones(1), np.zeros(1)
    for x in (np.ones((2, 1)), np.ones((2, 1, 3)), np.ones((2, 3, 1)).transpose(0, 2, 1), np.ones(2)):
        for given in ((one, None), (None, none), (one, none)):
            assert not any(np.may_share_memory(layers.Affine(*given).forward(x), a) for a in (x, one, none))


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.Flatten(), layers.Reshape((4,)), layers.Squeeze((3,))])
def test_layers_that_say_so_stay_finite(layer: Any) -> None:
    assert layer.promises.stays_finite
    largest = np.finfo(float).max
    x = np.array([largest, -largest, 0.0, 5e-324]).reshape(1, 2, 2, 1)
    with np.errstate(all="raise"):
        assert np.isfinite(layer.forward(x)).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_node_that_is_not_finite_is_named(sign: int) -> None:
    """Also where a ReLU makes −∞ a 0."""
    big = node("big", layers.Dense(np.full((2, 2), sign * 1e308)), "x")
    net = relu_of(big, reads="big", outputs=("top",), more=(node("top", layers.Dense(np.ones((2, 1))), "relu"),))
    with pytest.raises(NonFiniteError, match="big"):
        lrp.explain(net, np.full((1, 2), 10.0))


def test_relevance_that_is_not_finite_is_named_and_a_sum_that_overflows_is_not() -> None:
    below = node("below", layers.Dense(np.eye(2)), "x")
    tiny = node("top", layers.Dense(np.array([[1.0], [-1.0]])), "below")
    one = node("top", layers.Dense(np.array([[1.0], [1.0]]), np.array([-1.0])), "below")
    for top, x, start, fails in ((tiny, [1.0, 1 - 2**-53], 1e300, True), (one, [1.0, 1.0], 1.5e308, False)):
        net = Network((below, top), (Input("x", (None, 2)),), ("top",))
        asked: dict[str, Any] = {"composite": rules.LRP0(), "start": np.array([[start]])}
        if fails:
            with pytest.raises(NonFiniteError, match="node 'top': the relevance of its input has 2 values"):
                lrp.explain(net, np.array([x]), **asked)
            continue
        with np.errstate(all="ignore"):  # the ledger's columns overflow
            assert lrp.explain(net, np.array([x]), **asked).relevance.tolist() == [[start, start]]
