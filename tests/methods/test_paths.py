"""Integrated and expected gradients: stored numbers, sums that close exactly, how fast the others come near."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import (
    GELU,
    Abs,
    Add,
    AveragePool,
    Clip,
    Conv,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Multiply,
    ReLU,
    Softmax,
)
from lrp_ref.methods import DIALECTS, IntegratedGradients, dialect
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import MODELS, Golden

SUMS = {"left": "left", "right": "right", "middle": "midpoint", "trapezoid": "trapezoid", "gausslegendre": "gauss"}
BASELINES = ("zero", "baseline")


def quarters(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/4 of both signs, with zeros."""
    return rng.integers(-8, 9, size=shape) / 4


def picture_net(rng: np.random.Generator) -> Network:
    """Padding, overlapping max pools with ties, several kinds of kinks, a residual sum."""
    nodes = (
        Node("conv1", Conv(quarters(rng, 3, 2, 3, 3), quarters(rng, 3), padding=1), ("x",)),
        Node("relu1", ReLU(), ("conv1",)),
        Node("pool1", MaxPool(2, stride=1), ("relu1",)),
        Node("conv2", Conv(quarters(rng, 3, 3, 3, 3), quarters(rng, 3), padding=1), ("pool1",)),
        Node("leaky", LeakyReLU(0.25), ("conv2",)),
        Node("sum", Add(), ("leaky", "pool1")),
        Node("clip", Clip(-3.0, 40.0), ("sum",)),
        Node("pool2", AveragePool(2), ("clip",)),
        Node("flat", Flatten(), ("pool2",)),
        Node("fc1", Dense(quarters(rng, 12, 4), quarters(rng, 4)), ("flat",)),
        Node("abs", Abs(), ("fc1",)),
        Node("fc2", Dense(quarters(rng, 4, 3), quarters(rng, 3)), ("abs",)),
    )
    return Network(nodes, (Input("x"),), ("fc2",))


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_stored_sums(model: str, baseline: str) -> None:
    golden = Golden(model)
    b: Any = 0 if baseline == "zero" else golden["baseline"]
    compared = 0
    for stored, rule in SUMS.items():
        for steps in (8, 20, 100):
            key = f"ref/ig_{baseline}/{stored}_{steps}"
            if key in golden:
                a = lrp.attribute(
                    golden.net, golden.x, "integrated_gradients", target=golden.target, baseline=b, rule=rule,
                    steps=steps,
                )  # fmt: skip
                assert np.abs(a.relevance - golden[key]).max() <= 1e-12
                assert np.abs(a.explained - golden[f"ref/ig_{baseline}/f_difference"]).max() <= 1e-12
                compared += 1
    assert compared == 8


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_the_exact_path_closes_and_is_where_a_fine_sum_goes(model: str, baseline: str) -> None:
    golden = Golden(model)
    b: Any = 0 if baseline == "zero" else golden["baseline"]
    given = {"target": golden.target, "baseline": b}
    a = lrp.attribute(golden.net, golden.x, "integrated_gradients", rule="exact", **given)
    assert np.abs(a.completeness).max() <= 1e-12
    fine = lrp.attribute(golden.net, golden.x, "integrated_gradients", steps=20_000, **given)
    # A midpoint sum is wrong only in the step that holds a kink: by at most a step's width each.
    assert np.abs(a.relevance - fine.relevance).max() <= 5e-4


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_other_programs(model: str) -> None:
    golden = Golden(model)
    for baseline in BASELINES:
        b: Any = 0 if baseline == "zero" else golden["baseline"]
        given = {"target": golden.target, "baseline": b}
        for stored, rule in SUMS.items():
            rule = "trapezoid/n" if rule == "trapezoid" else rule
            a = lrp.attribute(
                golden.net, golden.x, "integrated_gradients", dialect="captum-0.9", rule=rule, steps=20, **given
            )
            assert np.abs(a.relevance - golden[f"captum/ig_{baseline}/{stored}_20"]).max() <= 1e-12
        a = lrp.attribute(golden.net, golden.x, "integrated_gradients", dialect="zennit-1.0", **given)
        assert np.abs(a.relevance - golden[f"zennit/ig_{baseline}/20"]).max() <= 1e-12


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", ["ref/expected_gradients", "captum/gradient_shap"])
def test_stored_expected_gradients(model: str, key: str) -> None:
    golden = Golden(model)
    a = lrp.attribute(
        golden.net, golden.x, "expected_gradients", target=golden.target, background=golden["background"],
        alpha=golden["noise/alpha"], index=golden["noise/background_index"],
    )  # fmt: skip
    assert np.abs(a.relevance - golden[key]).max() <= 1e-12


@pytest.mark.parametrize("seed", range(2))
def test_on_rationals_the_exact_path_misses_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net, x, b = rational(picture_net(rng)), rational(quarters(rng, 2, 2, 5, 5)), rational(quarters(rng, 2, 2, 5, 5))
    a = lrp.attribute(net, x, "integrated_gradients", target=1, baseline=b, rule="exact")
    assert (a.completeness == 0).all()
    assert (a.explained == net.forward(x)[:, 1] - net.forward(b)[:, 1]).all()
    assert (a.found["pieces"] > 5).all()


def test_the_exact_path_by_hand() -> None:
    """f(x) = relu(x − 1) + relu(2x − 3) from 0 to 4: the gradient is 0 up to 1, 1 up to 3/2, then 3."""
    net = Network.sequential([Dense(np.array([[1.0, 2.0]]), np.array([-1.0, -3.0])), ReLU(), Dense(np.ones((2, 1)))])
    a = lrp.attribute(rational(net), rational(np.array([[4.0]])), "integrated_gradients", rule="exact")
    assert a.relevance[0, 0] == Fraction(1, 2) + 3 * Fraction(5, 2)
    assert a.found["pieces"].tolist() == [3]


def test_a_linear_network_is_explained_by_any_sum() -> None:
    rng = np.random.default_rng(1)
    w, x, b = rng.normal(size=(4, 2)), rng.normal(size=(3, 4)), rng.normal(size=4)
    net = Network.sequential([Dense(w, rng.normal(size=2))])
    for rule in (*SUMS.values(), "exact"):
        a = lrp.attribute(net, x, "integrated_gradients", target=1, baseline=b, rule=rule)
        assert np.abs(a.relevance - (x - b) * w[:, 1]).max() <= 1e-14


@pytest.mark.parametrize("rule", ["left", "right"])
def test_one_sided_sums_fall_as_one_over_n(rule: str) -> None:
    """Of f(x) = x² (as x·x) the left and right sums miss x²/n exactly."""
    net = Network((Node("square", Multiply(), ("x", "x")),), (Input("x"),), ("square",))
    sign = -1 if rule == "left" else 1
    for steps in (1, 2, 4, 8, 64):
        a = lrp.attribute(
            rational(net), rational(np.array([[3.0]])), "integrated_gradients", rule=rule, steps=steps
        )  # fmt: skip
        assert a.completeness.tolist() == [Fraction(sign * 9, steps)]


def test_a_sample_alone_is_what_it_is_in_a_batch_though_each_has_its_own_pieces() -> None:
    rng = np.random.default_rng(3)
    net, x = picture_net(rng), quarters(rng, 4, 2, 5, 5)
    for given in ({"rule": "exact"}, {"steps": 7}):
        whole = lrp.attribute(net, x, "integrated_gradients", target=0, **given)
        for k in range(4):
            alone = lrp.attribute(net, x[k : k + 1], "integrated_gradients", target=0, **given)
            assert np.abs(alone.relevance - whole.relevance[k : k + 1]).max() <= 1e-11
        none = lrp.attribute(net, x[:0], "integrated_gradients", target=0, **given)
        assert none.relevance.shape == (0, 2, 5, 5)


def test_expected_gradients_draw_the_same_for_every_sample_and_seed() -> None:
    rng = np.random.default_rng(4)
    net, x, background = picture_net(rng), quarters(rng, 3, 2, 5, 5), quarters(rng, 6, 2, 5, 5)
    given = {"target": 1, "background": background, "samples": 9}
    whole = lrp.attribute(net, x, "expected_gradients", seed=5, **given)
    alone = lrp.attribute(net, x[2:], "expected_gradients", seed=5, **given)
    assert np.abs(alone.relevance - whole.relevance[2:]).max() <= 1e-12
    other = lrp.attribute(net, x, "expected_gradients", seed=6, **given)
    assert np.abs(other.relevance - whole.relevance).max() > 1e-3


def test_float32_stays_and_several_inputs_have_baselines_by_name() -> None:
    nodes = (
        Node("left", Dense(np.array([[1.0], [2.0]], dtype=np.float32)), ("x",)),
        Node("right", Dense(np.array([[3.0]], dtype=np.float32)), ("y",)),
        Node("sum", Add(), ("left", "right")),
    )
    net = Network(nodes, (Input("x"), Input("y")), ("sum",))
    fed = {"x": np.ones((2, 2), dtype=np.float32), "y": np.full((2, 1), 2.0, dtype=np.float32)}
    a = lrp.attribute(net, fed, "integrated_gradients", baseline={"y": 1.0})
    assert np.abs(a.relevance["x"] - [1.0, 2.0]).max() <= 1e-6
    assert np.abs(a.relevance["y"] - 3.0).max() <= 1e-6
    assert a.relevance["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"rule": "simpson"}, ParameterError, "rule must be one of"),
        ({"steps": 0}, ParameterError, "steps"),
        ({"rule": "exact", "steps": 5}, ParameterError, "leave steps out"),
        ({"pieces": 5}, ParameterError, "leave pieces out"),
        ({"baseline": np.zeros((3, 3))}, ShapeError, "baseline of shape"),
        ({"baseline": {"y": 1.0}}, ParameterError, "known: x"),
        ({"rule": "exact", "pieces": 2}, ParameterError, "pieces"),
        ({"dialect": "captum"}, ParameterError, "did you mean 'captum-0.9'"),
    ],
)
def test_errors(given: dict[str, Any], error: type[LrpError], text: str) -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(error, match=text):
        lrp.attribute(picture_net(rng), quarters(rng, 2, 2, 5, 5), "integrated_gradients", **given)


@pytest.mark.parametrize("layer", [GELU(), Softmax()])
def test_what_is_not_piecewise_linear_has_no_exact_path(layer: Any) -> None:
    net = Network.sequential([Dense(np.eye(3)), ("bent", layer), Dense(np.ones((3, 2)))])
    with pytest.raises(UnsupportedError, match="bent"):
        lrp.attribute(net, np.ones((1, 3)), "integrated_gradients", rule="exact")


def test_dialects_are_data() -> None:
    assert dialect("zennit-1.0")["integrated_gradients"] == IntegratedGradients(
        rule="right", steps=20, single="positions"
    )
    assert all(method.name == name for methods in DIALECTS.values() for name, method in methods.items())
    with pytest.raises(ParameterError, match="has no method 'cam'"):
        lrp.attribute(picture_net(np.random.default_rng(0)), np.zeros((1, 2, 5, 5)), "cam", dialect="zennit-1.0")
