"""Simple Taylor decomposition: stored numbers at a given root, exact roots on rationals, and samples without one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational, to_float
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers import Add, Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Tanh
from lrp_ref.methods import SimpleTaylor, roots
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.exact_numbers import rationals
from tests.support.golden_methods import MODELS, Golden

RNG = np.random.default_rng(192)


def crossing(*below: Any, size: int, shape: tuple[int, ...]) -> Network:
    """Return a network whose outputs are above 0 as often as below, so that there are roots to find."""
    weight, draws = rationals(RNG, size, 2), rationals(RNG, 41, *shape)
    middle = np.sort(Network.sequential([*below, Dense(weight)]).forward(draws), axis=0)[20]
    return Network.sequential([*below, Dense(weight, Fraction(1, 7) - middle)])


W = [rationals(RNG, *shape) for shape in ((3, 9), (9,), (9, 8), (8,), (2, 2, 3), (2,))]
DEEP = crossing(Dense(W[0], W[1]), ReLU(), Dense(W[2], W[3]), ReLU(), size=8, shape=(3,))
MAP = crossing(Conv(W[4], W[5], padding=1), MaxPool(2, stride=1), ReLU(), Flatten(), size=10, shape=(2, 6))
LINEAR = Network.sequential([Dense(np.array([[2.0], [-1.0]]), np.array([-2.0]))])


def floats(net: Network) -> Network:
    return net.map_arrays(lambda a: a.astype(float))


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_stored_numbers_at_stored_roots(model: str) -> None:
    golden = Golden(model)
    there = golden["taylor/found"] > 0
    x, target = golden.x[there], golden.target[there]
    a = lrp.attribute(golden.net, x, "simple_taylor", target=target, root=golden["taylor/root"][there])
    assert there.any()
    assert np.abs(a.relevance - golden["ref/taylor_at_root"][there]).max() <= 1e-12
    assert np.abs(a.found["score_at_root"] - golden["taylor/f_at_root"][there]).max() <= 1e-12
    assert np.abs(a.found["distance"] - np.sqrt(((x - a.found["root"]) ** 2).reshape(len(x), -1).sum(1))).max() <= 1e-12


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_the_descent_finds_a_root_wherever_one_is_stored_and_none_farther(model: str) -> None:
    golden = Golden(model)
    a = lrp.attribute(golden.net, golden.x, "simple_taylor", target=golden.target, search="descent")
    assert a.found["exists"].all()
    rows = np.arange(len(golden.x))
    f = golden.net.forward(a.found["root"])[rows, golden.target]
    assert np.abs(f).max() <= 1e-9 * np.abs(golden["output"]).max()
    stored = np.sqrt(((golden.x - golden["taylor/root"]) ** 2).reshape(len(rows), -1).sum(1))
    assert (a.found["distance"] <= stored + 1e-9).all()


def scores(net: Network, points: Any, k: int) -> Any:
    return net.forward(points)[:, k]


@pytest.mark.parametrize("net", [DEEP, MAP], ids=["dense", "max pool"])
def test_a_root_on_the_segment_is_exact_on_rationals_and_the_nearest(net: Network) -> None:
    shape = (3,) if net is DEEP else (2, 6)
    draws = rationals(RNG, 60, 2, *shape)
    ends = [pair for pair in draws if scores(net, pair, 0)[0] * scores(net, pair, 0)[1] < 0][:6]
    assert len(ends) >= 3
    x, b = np.array([pair[0] for pair in ends]), np.array([pair[1] for pair in ends])
    a = lrp.attribute(net, x, "simple_taylor", target=0, towards=b, steps=16)
    assert (a.found["score_at_root"] == 0).all()
    assert (scores(net, a.found["root"], 0) == 0).all()
    assert (a.found["remainder"] == -a.completeness).all()
    f = scores(net, x, 0)
    for k in range(len(x)):
        away, way = (x - a.found["root"])[k].ravel(), (x - b)[k].ravel()
        part = next(p / q for p, q in zip(away, way, strict=True) if q)
        assert (away == part * way).all()
        assert 0 < part < 1
        # No sign changes between the sample and the root, as far as fifty points between them tell.
        between = np.array([x[k] - part * Fraction(j, 51) * (x - b)[k] for j in range(51)])
        assert (scores(net, between, 0) * f[k] > 0).all()
    gradient = lrp.attribute(net, a.found["root"], "gradient", target=0).relevance
    assert (a.relevance == gradient * (x - a.found["root"])).all()


def test_the_root_of_a_linear_score_is_its_foot_and_nothing_remains() -> None:
    x = RNG.normal(size=(6, 2))
    a = lrp.attribute(LINEAR, x, "simple_taylor", search="descent")
    w, f = np.array([2.0, -1.0]), x @ np.array([2.0, -1.0]) - 2
    assert np.abs(a.found["root"] - (x - np.outer(f, w) / 5)).max() <= 1e-14
    assert np.abs(a.found["distance"] - np.abs(f) / np.sqrt(5)).max() <= 1e-14
    assert np.abs(a.completeness).max() <= 1e-14
    exact = lrp.attribute(rational(LINEAR), rational(x), "simple_taylor", search="descent")
    assert (exact.found["remainder"] == 0).all()


def test_a_sample_that_is_a_root_is_its_own() -> None:
    x = np.array([[1.0, 0.0], [4.0, 1.0]])
    for search in ("segment", "descent"):
        a = lrp.attribute(LINEAR, x, "simple_taylor", search=search)
        assert a.found["root"][0].tolist() == [1.0, 0.0]
        assert (a.found["distance"][0], a.relevance[0].tolist(), a.found["exists"].tolist()) == (0, [0, 0], [True] * 2)


def test_smooth_networks_to_the_tolerance() -> None:
    net = Network.sequential([Dense(RNG.normal(size=(3, 8))), Tanh(), Dense(RNG.normal(size=(8, 1)))])
    x = RNG.normal(size=(40, 3))
    for search in ("segment", "descent"):
        for tolerance in (None, 1e-3):
            a = lrp.attribute(net, x, "simple_taylor", search=search, towards=-x, tolerance=tolerance)
            there = a.found["exists"]
            assert there.sum() >= 10
            f, at = net.forward(x)[there, 0], net.forward(a.found["root"][there])[:, 0]
            assert (np.abs(at) <= (tolerance or 1e-9) * np.abs(f)).all()


def test_samples_without_a_root_are_told_apart() -> None:
    net = Network.sequential([Dense(np.array([[1.0]]), np.array([0.0])), Sigmoid(), Dense(np.eye(1), np.array([-0.3]))])
    x = np.array([[2.0], [-3.0], [1.0]])
    a = lrp.attribute(net, x, "simple_taylor", towards=np.array([[-2.0], [-4.0], [0.0]]))
    assert a.found["exists"].tolist() == [True, False, False]
    assert np.isnan(a.relevance).ravel().tolist() == [False, True, True]
    assert np.isnan(a.found["root"]).ravel().tolist() == [False, True, True]
    assert abs(a.found["root"][0, 0] - np.log(0.3 / 0.7)) <= 1e-8
    assert a.found["tried"].tolist() == [4.0, 1.0, 1.0]
    assert "within a distance of 1, for samples 1, 2: their relevance is NaN" in repr(a)
    with pytest.raises(ParameterError, match=r"64 steps on the segment, within a distance of 1, for any sample: give"):
        lrp.attribute(net, x[1:], "simple_taylor", towards=np.array([[-4.0], [0.0]]))
    lrp.attribute(net, x[1:], "simple_taylor", search="descent")  # as the error says
    always = Network.sequential([Dense(np.eye(1)), Sigmoid(), Dense(np.eye(1), np.array([1.0]))])
    with pytest.raises(ParameterError, match="by descent, within a distance of"):
        lrp.attribute(always, x, "simple_taylor", search="descent")


def test_exact_numbers_have_no_nan() -> None:
    x = rational(np.array([[4.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(ParameterError, match="for samples 1: give search='descent'"):
        lrp.attribute(rational(LINEAR), x, "simple_taylor")


def test_a_flat_score_has_no_way_down() -> None:
    net = Network.sequential([Dense(np.eye(2)), ReLU(), Dense(np.ones((2, 1)), np.array([1.0]))])
    with pytest.raises(ParameterError, match="by descent, within a distance of 0, for any sample"):
        lrp.attribute(net, np.array([[-1.0, -2.0]]), "simple_taylor", search="descent")


def test_bounds_keep_the_descent_inside() -> None:
    x = np.array([[0.9, 0.2]])
    net = Network.sequential([Dense(np.array([[1.0], [3.0]]), np.array([-0.5]))])
    a = lrp.attribute(net, x, "simple_taylor", search="descent", bounds=(0.1, 1.0))
    assert a.found["root"].min() >= 0.1
    assert abs(net.forward(a.found["root"]).item()) <= 1e-9
    assert lrp.attribute(net, x, "simple_taylor", search="descent").found["root"].min() < 0.1


@pytest.mark.parametrize("search", ["segment", "descent"])
def test_a_sample_alone_is_what_it_is_in_a_batch(search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = floats(DEEP), RNG.normal(size=(9, 3)) * 3
    whole = lrp.attribute(net, x, "simple_taylor", search=search, target=0, towards=-x)
    there = whole.found["exists"]
    assert there.any()
    for k in np.flatnonzero(there):
        alone = lrp.attribute(net, x[k : k + 1], "simple_taylor", search=search, target=0, towards=-x[k : k + 1])
        assert np.abs(alone.relevance - whole.relevance[k : k + 1]).max() <= 1e-12
        assert np.abs(whole.sample(int(k)).found["root"] - alone.found["root"]).max() <= 1e-12
    monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", 1_000)
    few = lrp.attribute(net, x, "simple_taylor", search=search, target=0, towards=-x)
    assert np.abs(few.relevance[there] - whole.relevance[there]).max() <= 1e-12


def test_no_samples_and_floats() -> None:
    a = lrp.attribute(LINEAR, np.zeros((0, 2)), "simple_taylor")
    assert (a.relevance.shape, a.found["root"].shape, a.found["distance"].shape) == ((0, 2), (0, 2), (0,))
    small = LINEAR.astype("float32")
    for search in ("segment", "descent"):
        b = lrp.attribute(small, np.array([[4.0, 1.0], [3.0, 0.5]], dtype=np.float32), "simple_taylor", search=search)
        assert {v.dtype for v in (b.relevance, b.found["root"], b.found["distance"], b.found["remainder"])} == {
            np.dtype(np.float32)
        }
        assert np.abs(b.completeness).max() <= 1e-5


def test_several_inputs() -> None:
    nodes = (
        Node("left", Dense(np.array([[1.0]])), ("x",)),
        Node("right", Dense(np.array([[3.0], [-1.0]])), ("y",)),
        Node("sum", Add(), ("left", "right")),
    )
    net = Network(nodes, (Input("x"), Input("y")), ("sum",))
    fed = {"x": np.array([[2.0]]), "y": np.array([[1.0, 1.0]])}
    a = lrp.attribute(net, fed, "simple_taylor", search="descent")
    parts = np.concatenate([a.found["root/x"], a.found["root/y"]], axis=1)
    assert np.abs(parts - (np.array([2, 1, 1]) - 4 * np.array([1, 3, -1]) / 11)).max() <= 1e-14
    b = lrp.attribute(net, fed, "simple_taylor", towards={"x": -2.0, "y": -1.0})
    assert np.abs(b.found["root/y"]).max() <= 1e-12


def test_errors() -> None:
    x = np.array([[4.0, 1.0]])
    for wrong, told in (
        ({"search": "bisection"}, "'segment' or 'descent'"),
        ({"steps": 0}, "whole number above 0"),
        ({"steps": 2.5}, "whole number above 0"),
        ({"tolerance": -1.0}, "tolerance must be ≥ 0"),
        ({"bounds": (1.0,)}, r"bounds are \(low, high\)"),
        ({"bounds": (1.0, 0.0)}, "low must be ≤ high"),
    ):
        with pytest.raises(ParameterError, match=told):
            lrp.attribute(LINEAR, x, "simple_taylor", **wrong)
    with pytest.raises(ShapeError, match=r"towards of shape \(3,\)"):
        lrp.attribute(LINEAR, x, "simple_taylor", towards=np.zeros(3))
    with pytest.raises(ShapeError, match=r"root of shape \(2, 2\)"):
        lrp.attribute(LINEAR, x, "simple_taylor", root=np.zeros((2, 2)))
    assert SimpleTaylor(search="descent") != SimpleTaylor()


def test_a_fault_of_the_tangent_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tangents halvings alone never meet a root exactly."""
    x, b = rational(np.array([[4.0, 1.0]])), 0
    right = lrp.attribute(rational(LINEAR), x, "simple_taylor", towards=b)
    assert (right.found["score_at_root"] == 0).all()
    monkeypatch.setattr(roots, "dot", lambda a, b: sum((v.reshape(len(v), -1) * 0).sum(1) for v in a.values()))
    monkeypatch.setattr(roots, "REFINED", 20)
    with pytest.raises(ParameterError, match="no root"):
        lrp.attribute(rational(LINEAR), x, "simple_taylor", towards=b)
    assert abs(to_float(right.completeness)).max() == 0
