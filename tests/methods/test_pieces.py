"""Where piecewise linear networks bend along a line: every kind of kink and winner on exact numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import NonFiniteError, ParameterError, UnsupportedError
from lrp_ref.layers import (
    Abs,
    Add,
    Affine,
    Bounds,
    Centred,
    Clip,
    Compare,
    Concat,
    Constant,
    Conv,
    Dense,
    Flatten,
    Function,
    GlobalMaxPool,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    MatMul,
    Max,
    MaxPool,
    Multiply,
    PairDifference,
    ReLU,
    Reshape,
    Shrink,
    Sigmoid,
    Slice,
    SoftMin,
    Split,
    ThresholdedReLU,
    Where,
)
from lrp_ref.methods import pieces as sweep
from lrp_ref.network import Input, Network, Node

BENDING: dict[str, Layer] = {
    "relu": ReLU(),
    "leaky": LeakyReLU(Fraction(1, 3)),
    "a slope for each channel": LeakyReLU(rational(np.array([0.25, -1.0, 2.0, 0.0]))),
    "abs": Abs(),
    "clip at no float": Clip(Fraction(-1, 3), Fraction(2, 3)),
    "clip above": Clip(high=1),
    "hard tanh": HardTanh(),
    "hard sigmoid": HardSigmoid(),
    "hard sigmoid that falls": HardSigmoid(Fraction(-1, 3), Fraction(1, 7)),
    "hard sigmoid that is constant": HardSigmoid(0, 2),
    "bounds": Bounds(rational(np.array([-1.0, 0.0, 0.5, -2.0])), rational(np.array([1.0, 0.0, 2.0, 2.5]))),
    "bounds below": Bounds(low=rational(np.array([-1.0, 0.0, 0.5, -2.0]))),
    "soft shrinkage": Shrink(Fraction(2, 3), Fraction(2, 3)),
    "thresholded at 0": ThresholdedReLU(0),
    "identity": Identity(),
    "negative": Function("negative"),
    "scaler": Centred(rational(np.array([0.25, -1.0, 2.0, 0.0])), rational(np.array([0.5, -1.0, 0.0, 3.0]))),
    "smallest of all": SoftMin(math.inf),
    "hard minimum": SoftMin(math.inf, hard=True),
    "smallest of pairs": Network.sequential([Reshape((2, 2)), SoftMin(math.inf)]),  # type: ignore[dict-item]
    "smallest difference": Network.sequential([PairDifference(), SoftMin(math.inf)]),  # type: ignore[dict-item]
    "largest of all": Max((1,)),
    "largest of pairs": Network.sequential([Reshape((2, 2)), Max((2,), keepdims=False)]),  # type: ignore[dict-item]
}


def quarters(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/4 of both signs, with zeros."""
    return rng.integers(-8, 9, size=shape) / 4


def exact(net: Network, x: Any, **given: Any) -> lrp.Attribution:
    return lrp.attribute(net, x, "integrated_gradients", rule="exact", **given)


def between(net: Network, x: Any, b: Any, parts: int, target: int = 0) -> list[Any]:
    """The score at ``parts`` + 1 points of the line of one sample, whose second differences are 0 within a piece."""
    alpha = [Fraction(k, parts) for k in range(parts + 1)]
    points = np.concatenate([b + a * (x - b) for a in alpha])
    return list(net.forward(points)[:, target])


def bends_to(bend: Any) -> int:
    """Return how many numbers are left of four."""
    return int(rational(bend).forward(rational(np.zeros((1, 4)))).shape[1])


@pytest.mark.parametrize("kind", BENDING)
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_of_bend_is_found(kind: str, seed: int) -> None:
    """On rationals the sum over the pieces is f(x) − f(b) if and only if f is linear in each: f bends at random."""
    rng, bend = np.random.default_rng(seed), BENDING[kind]
    bends = [n.layer for n in bend.nodes] if isinstance(bend, Network) else [bend]
    wide = bends_to(bend)
    layers = [Dense(quarters(rng, 3, 4), quarters(rng, 4)), *bends, Dense(quarters(rng, wide, 2), quarters(rng, 2))]
    net = rational(Network.sequential(layers))
    x, b = rational(quarters(rng, 12, 3)), rational(quarters(rng, 12, 3))
    target = [0, 1] * 6
    a = exact(net, x, target=target, baseline=b)
    assert (a.completeness == 0).all()
    assert (a.explained == a.output[np.arange(12), target] - a.found["baseline_score"]).all()
    # Where f bends a sum of few terms must not close by itself, or nothing would have been shown.
    if kind not in ("identity", "negative", "scaler", "hard sigmoid that is constant"):
        rough = lrp.attribute(net, x, "integrated_gradients", target=target, baseline=b, steps=1)
        assert (rough.completeness != 0).any()
    else:
        assert a.found["pieces"].tolist() == [1] * 12


def test_the_envelope_of_many_lines_by_hand() -> None:
    """From 0 to 1 the largest of 0, 2α − 1/2, 4α − 2, 3α − 2 and α − 1/4: three lines are on top, the last two never.

    α − 1/4 passes through the corner of the first two, and 2α − 1/2 meets 4α − 2 at 3/4.
    """
    slopes, heights = np.array([[0.0, 2.0, 4.0, 3.0, 1.0]]), np.array([0.0, -0.5, -2.0, -2.0, -0.25])
    net = rational(Network.sequential([Dense(slopes, heights), Max((1,))]))
    a = exact(net, rational(np.array([[1.0], [-1.0], [0.75]])))
    assert a.found["pieces"].tolist() == [3, 1, 2]
    assert a.relevance[:, 0].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "pool",
    [MaxPool(2, stride=1), MaxPool(3, stride=2, padding=1), MaxPool(2, ties="share"), GlobalMaxPool(), Max((2, 3)),
     MaxPool((3, 1), stride=1, padding=((2, 0), (0, 0)), ceil_mode=True)],
    ids=repr,
)  # fmt: skip
def test_pools_with_padding_and_ties(pool: Layer) -> None:
    rng = np.random.default_rng(4)
    layers = [Conv(quarters(rng, 2, 1, 2, 2), quarters(rng, 2)), ReLU(), pool, Flatten()]
    size = Network.sequential(layers).forward(np.zeros((1, 1, 6, 6))).shape[1]
    net = rational(Network.sequential([*layers, Dense(quarters(rng, size, 2))]))
    x, b = rational(quarters(rng, 2, 1, 6, 6)), rational(quarters(rng, 2, 1, 6, 6))
    for baseline in (b, 0):
        assert (exact(net, x, target=1, baseline=baseline).completeness == 0).all()


def branching(rng: np.random.Generator) -> Network:
    """Parts of a split, a concatenation, products with a constant, a choice by integers, a second input."""
    nodes = (
        Node("fc", Dense(quarters(rng, 3, 4), quarters(rng, 4)), ("x",)),
        Node("parts", Split((2, 2)), ("fc",)),
        Node("relu", ReLU(), ("parts:1",)),
        Node("two", Constant(quarters(rng, 2)), ("parts",)),
        Node("bent", Abs(), ("two",)),
        Node("asked", Compare("greater", np.array([0.5])), ("bent",)),
        Node("scaled", Multiply(), ("bent", "parts")),
        Node("masked", Multiply(), ("relu", "asked")),
        Node("chosen", Where(), ("m", "masked", "scaled")),
        Node("beside", Concat(), ("chosen", "y", "scaled")),
        Node("abs", Abs(), ("beside",)),
        Node("top", Dense(quarters(rng, 5, 2)), ("abs",)),
    )
    return Network(nodes, (Input("x"), Input("y"), Input("m")), ("top",))


def test_a_graph_in_which_some_values_stay() -> None:
    rng = np.random.default_rng(6)
    net = rational(branching(rng))
    fed = {"x": rational(quarters(rng, 4, 3)), "y": rational(quarters(rng, 4, 1)), "m": rng.integers(0, 3, (4, 2))}
    baseline = {"x": rational(quarters(rng, 4, 3)), "y": Fraction(1, 2)}
    a = exact(net, fed, target=1, baseline=baseline)
    assert set(a.relevance) == {"x", "y"}
    assert (a.completeness == 0).all()
    assert a.found["pieces"].max() > 3
    at_b = net.forward({"x": baseline["x"], "y": rational(np.full((4, 1), 0.5)), "m": fed["m"]})
    assert (a.found["baseline_score"] == at_b[:, 1]).all()


def deep(rng: np.random.Generator) -> Network:
    return Network.sequential([
        Conv(rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3), padding=1), ReLU(), MaxPool(2),
        Conv(rng.normal(size=(4, 3, 2, 2)), rng.normal(size=4)), ReLU(), Flatten(),
        Dense(rng.normal(size=(16, 5)), rng.normal(size=5)), LeakyReLU(0.1), Dense(rng.normal(size=(5, 3))),
    ])  # fmt: skip


@pytest.mark.parametrize("fit", [2, 3, 7])
def test_few_points_at_a_time_find_the_same_pieces(fit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    net, x = deep(rng), rng.normal(size=(3, 1, 6, 6))
    whole = exact(net, x, target=0, baseline=0.3)
    one = whole.samples and lrp.methods.Scored.of(net, x).prepared.extent({"input": x}).numbers * 8
    looked_at: list[int] = []
    bends_between = sweep.bends_between
    monkeypatch.setattr(sweep, "WORKING_BYTES", one * fit)
    monkeypatch.setattr(sweep, "bends_between", lambda *a: looked_at.append(len(a[1])) or bends_between(*a))
    few = exact(net, x, target=0, baseline=0.3)
    assert max(looked_at) <= fit
    assert few.found["pieces"].tolist() == whole.found["pieces"].tolist()
    assert np.abs(few.relevance - whole.relevance).max() <= 1e-13


def test_pieces_are_linear_and_their_number_is_the_least() -> None:
    """A single ReLU unit for each of ten biases bends once each; a line along which none does is one piece."""
    biases = -np.arange(1.0, 11.0)
    net = rational(Network.sequential([Dense(np.ones((1, 10)), biases), ReLU(), Dense(np.ones((10, 1)))]))
    a = exact(net, rational(np.array([[20.0], [10.0], [0.5], [5.5], [0.0]])))
    assert a.found["pieces"].tolist() == [11, 10, 1, 6, 1]
    assert a.completeness.tolist() == [0] * 5
    values = between(net, rational(np.array([[20.0]])), rational(np.array([[0.0]])), 20)
    assert sum(values[k - 1] - 2 * values[k] + values[k + 1] != 0 for k in range(1, 20)) == 10


def test_floats_close_within_rounding_and_stay_floats() -> None:
    rng = np.random.default_rng(8)
    net, x, b = deep(rng), rng.normal(size=(4, 1, 6, 6)), rng.normal(size=(4, 1, 6, 6))
    a = exact(net, x, baseline=b)
    assert np.abs(a.completeness).max() <= 1e-12
    few = exact(net, x.astype(np.float32), baseline=b)
    assert few.relevance.dtype == few.found["baseline_score"].dtype == np.float32
    assert np.abs(few.completeness).max() <= 1e-4
    assert exact(net, x[:0]).found["pieces"].tolist() == []


def test_a_network_that_begins_with_its_only_kink_or_ends_with_it() -> None:
    for layers in ([ReLU(), Dense(np.array([[2.0], [3.0]]))], [Dense(np.array([[2.0], [3.0]])), ReLU()], [Abs()]):
        net = rational(Network.sequential(layers))
        a = exact(net, rational(np.array([[1.0, -2.0]])), baseline=rational(np.array([1.0, 0.5])), target=0)
        assert (a.completeness == 0).all()
        assert a.found["pieces"][0] > 1


REFUSED: list[tuple[Layer, str]] = [
    (Sigmoid(), "node 'bent': Sigmoid is not piecewise linear"),
    (HardSwish(), "node 'bent': HardSwish is not piecewise linear"),
    (Shrink(0.5), "node 'bent': Shrink.* jumps"),
    (ThresholdedReLU(1.0), "node 'bent': ThresholdedReLU.* jumps"),
    (Function("sign"), "node 'bent': Function.* jumps"),
    (Compare("less", np.array([0.5])), "node 'bent': Compare.* jumps"),
]


@pytest.mark.parametrize(("layer", "text"), REFUSED, ids=[type(layer).__name__ for layer, _ in REFUSED])
def test_what_is_no_sequence_of_straight_pieces_is_refused(layer: Layer, text: str) -> None:
    net = Network.sequential([Dense(np.eye(2)), ("bent", layer), ("top", Dense(np.ones((2, 1))))])
    with pytest.raises(UnsupportedError, match=text):
        exact(net, np.ones((1, 2)), start="output")
    assert lrp.attribute(net, np.ones((1, 2)), "integrated_gradients", rule="midpoint").relevance.shape == (1, 2)


def test_products_of_what_moves_are_refused_and_choices_by_it() -> None:
    nodes = [
        (Node("out", Multiply(), ("x", "fc")), "node 'out': Multiply multiplies two values"),
        (Node("out", MatMul(), ("row", "column")), "node 'out': MatMul multiplies two values"),
        (Node("out", Where(), ("fc", "x", "fc")), "node 'out': the condition of Where changes"),
    ]
    below = (
        Node("fc", Dense(np.eye(2)), ("x",)),
        Node("row", Reshape((1, 2)), ("fc",)),
        Node("column", Reshape((2, 1)), ("x",)),
    )
    for node, text in nodes:
        net = Network((*below, node), (Input("x"),), ("out",))
        with pytest.raises(UnsupportedError, match=text):
            exact(net, np.ones((1, 2)))


def test_too_many_pieces_are_refused_before_they_take_memory() -> None:
    net = Network.sequential([Dense(np.ones((1, 10)), -np.arange(1.0, 11.0)), ReLU(), Dense(np.ones((10, 1)))])
    x = np.array([[0.5], [20.0]])
    with pytest.raises(ParameterError, match=r"node 'relu1'.*the line to sample 1 has 11 pieces.*pieces=") as caught:
        exact(net, x, pieces=10)
    assert "rule='midpoint'" in str(caught.value)
    assert exact(net, x, pieces=11).found["pieces"].tolist() == [1, 11]


def test_an_overflow_is_named() -> None:
    net = Network.sequential([Dense(np.eye(1)), ReLU(), Affine(np.array([1e300]), np.array([0.0])), ReLU()])
    with pytest.raises(NonFiniteError, match="baseline has 1 values"):
        exact(net, np.ones((1, 1)), baseline=np.array([np.nan]))
    with pytest.raises(NonFiniteError, match="affine1"):
        exact(net, np.ones((1, 1)), baseline=np.array([1e10]))


def test_an_input_in_another_layout() -> None:
    rng = np.random.default_rng(9)
    inner = (
        Node("slice", Slice((1,), (0,), (2,)), ("x",)),
        Node("fc", Dense(quarters(rng, 2, 3), quarters(rng, 3)), ("slice",)),
        Node("relu", ReLU(), ("fc",)),
        Node("sum", Add(), ("relu", "fc")),
    )
    net = Network(inner, (Input("x", (3, None), batch_axis=1),), ("sum",))
    x, b = rational(quarters(rng, 3, 5)), rational(quarters(rng, 3, 5))
    for baseline in (b, b[:, :1], b[:, 0]):
        a = exact(rational(net), x, target=2, baseline=baseline)
        assert a.relevance.shape == (3, 5)
        assert (a.completeness == 0).all()
        first = exact(rational(net), x[:, :1], target=2, baseline=b[:, 0])
        assert (a.relevance[:, :1] == first.relevance).all()
