"""Input invariance: the shifted network is the same function, and the gradient does not see the shift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict import STRICT, to_strict

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import input_invariance
from lrp_ref.layers import Add, Conv, Dense, Flatten, MaxPool, ReLU, Reshape, Transpose
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(51)
X = RNG.normal(size=(4, 2, 6, 5))
CONV = Conv(RNG.normal(size=(3, 2, 2, 3)), RNG.normal(size=3), stride=(2, 1))
HEAD = [ReLU(), Flatten(), Dense(RNG.normal(size=(27, 4)), RNG.normal(size=4))]
DENSE = [Dense(RNG.normal(size=(60, 8)), RNG.normal(size=8)), ReLU(), Dense(RNG.normal(size=(8, 4)))]
NETS = {
    "convolution": Network.sequential([CONV, *HEAD]),
    "no bias": Network.sequential([Conv(CONV.weight, stride=(2, 1)), *HEAD]),
    "dilated": Network.sequential(
        [Conv(RNG.normal(size=(4, 1, 2, 2)), RNG.normal(size=4), dilation=2, groups=2), ReLU(), Flatten(),
         Dense(RNG.normal(size=(48, 4)))]
    ),
    "flat": Network.sequential([Flatten(), *DENSE]),
    "moved": Network.sequential([Transpose((0, 2, 3, 1)), Reshape((60,)), *DENSE]),
}  # fmt: skip
SHIFTS = [1.0, -0.7, np.array([0.5, -2.0]), np.array([0.5, -2.0]).reshape(2, 1, 1)]


def gradient(net: Network, x: Any, target: Any) -> Any:
    return lrp.attribute(net, x, "gradient", target=target).relevance


def gradient_x_input(net: Network, x: Any, target: Any) -> Any:
    return gradient(net, x, target) * x


def watched(found: list[Any]) -> Any:
    """An explainer that keeps what it was asked."""

    def explain(net: Network, x: Any, target: Any) -> Any:
        found.append((net, x, target))
        return gradient(net, x, target)

    return explain


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: str(np.ravel(shift)))
def test_the_shifted_network_takes_the_shift_off_again(name: str, shift: Any) -> None:
    net, asked = NETS[name], []
    found = input_invariance(net, watched(asked), X, 1, shift=shift)
    (first, x, _), (second, moved, _) = asked
    assert first is net
    whole = shift.reshape(2, 1, 1) if isinstance(shift, np.ndarray) else shift
    np.testing.assert_array_equal(moved, x + whole)
    np.testing.assert_allclose(second.forward(moved), net.forward(x), atol=1e-12)
    assert abs(net.forward(moved) - net.forward(x)).max() > 0.1
    assert found.shape == (4,)
    assert (found < 1e-12).all()


def test_a_shift_of_each_number_before_a_dense_layer() -> None:
    shift = RNG.normal(size=(2, 6, 5))
    asked: list[Any] = []
    assert (input_invariance(NETS["flat"], watched(asked), X, 1, shift=shift) < 1e-12).all()
    np.testing.assert_allclose(asked[1][0].forward(asked[1][1]), NETS["flat"].forward(X), atol=1e-12)


def test_exactly_zero_on_rationals() -> None:
    net = NETS["convolution"].map_arrays(lambda a: rational(a.round(2)))
    x = rational(X.round(2))
    asked: list[Any] = []
    assert (input_invariance(net, watched(asked), x, 1, shift=rational(np.array([0.5, -2.0]))) == 0).all()
    assert (asked[1][0].forward(asked[1][1]) == net.forward(x)).all()


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: str(np.ravel(shift)))
def test_what_multiplies_by_the_input_is_not_invariant(shift: Any) -> None:
    """R(x + m; f') − R(x; f) = g m, as the gradient is the same."""
    net = NETS["convolution"]
    found = input_invariance(net, gradient_x_input, X, 1, shift=shift)
    g = gradient(net, X, 1)
    whole = shift.reshape(2, 1, 1) if isinstance(shift, np.ndarray) else shift
    expected = abs(g * whole).max(axis=(1, 2, 3)) / abs(g * X).max(axis=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(-4, 4), ([-4, -5], [4, 5]), (np.full((2, 6, 5), -4.0), 4)], ids=str)
@pytest.mark.parametrize("shift", [0.5, np.array([0.5, -2.0])], ids=str)
def test_a_declared_range_moves_with_the_input(low: Any, high: Any, shift: Any) -> None:
    """z^B has the bounds of the input, and is then invariant as the gradient is."""
    inputs = (Input("input", (None, 2, 6, 5), low=low, high=high),)
    net = NETS["convolution"]
    net = Network(net.nodes, inputs, net.outputs)
    bounded = lambda net, x, target: lrp.explain(net, x, target=target, composite="epsilon_gamma_box").relevance  # noqa: E731
    assert abs(bounded(net, X, 1)).max() > 0
    assert (input_invariance(net, bounded, X, 1, shift=shift) < 1e-9).all()


def test_a_dense_layer_at_many_positions() -> None:
    """It has one bias for all of them."""
    layers = [Dense(RNG.normal(size=(5, 3)), RNG.normal(size=3)), ReLU(), Flatten(), Dense(RNG.normal(size=(18, 2)))]
    net, x = Network.sequential(layers), RNG.normal(size=(3, 6, 5))
    asked: list[Any] = []
    assert (input_invariance(net, watched(asked), x, 0, shift=np.ones((6, 5)) * np.arange(5)) < 1e-12).all()
    np.testing.assert_allclose(asked[1][0].forward(asked[1][1]), net.forward(x), atol=1e-12)
    with pytest.raises(ShapeError, match="differs between the positions"):
        input_invariance(net, gradient, x, 0, shift=np.arange(6.0))


def test_one_sample_none_and_a_batch() -> None:
    net = NETS["convolution"]
    whole = input_invariance(net, gradient_x_input, X)
    for k in range(4):
        assert input_invariance(net, gradient_x_input, X[k : k + 1])[0] == pytest.approx(whole[k], rel=1e-12)
    assert input_invariance(net, gradient_x_input, X[:0]).shape == (0,)
    zero = lambda net, x, target: x * 0  # noqa: E731
    assert np.isnan(input_invariance(net, zero, X)).all()
    np.testing.assert_array_equal(whole, input_invariance(net, gradient_x_input, X, net.forward(X).argmax(axis=1)))


def test_a_strict_array_module() -> None:
    net = NETS["convolution"]
    there = input_invariance(net.to(STRICT), gradient_x_input, to_strict(X), 1, shift=np.array([0.5, -2.0]))
    np.testing.assert_allclose(there, input_invariance(net, gradient_x_input, X, 1, shift=SHIFTS[2]), rtol=1e-12)


def two_readers() -> Network:
    nodes = (
        Node("a", Flatten(), ("input",)), Node("b", Flatten(), ("input",)), Node("c", Add(), ("a", "b")),
        Node("d", DENSE[0], ("c",)),
    )  # fmt: skip
    return Network(nodes, (Input("input"),), ("d",))


@pytest.mark.parametrize(
    ("net", "shift", "error", "words"),
    [
        (Network.sequential([Conv(CONV.weight, padding=(0, 1)), Flatten()]), 1.0, UnsupportedError, "pads with zeros"),
        (Network.sequential([MaxPool(2), Flatten()]), 1.0, UnsupportedError, r"'maxpool1' \(MaxPool\)"),
        (two_readers(), 1.0, UnsupportedError, r"'a' \(Flatten\), 'b' \(Flatten\)"),
        (NETS["convolution"], np.ones(3), ShapeError, "give a number, or one per channel"),
        (NETS["convolution"], np.ones((4, 2, 6, 5)), ShapeError, "give a number, or one per channel"),
        (NETS["convolution"], RNG.normal(size=(2, 6, 5)), ShapeError, "differs between the positions"),
        (Network((Node("x", DENSE[0], ("a",)),), (Input("a"), Input("b")), ("x",)), 1.0, UnsupportedError, "2 and 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_shifted_is_refused_in_one_line(
    net: Network, shift: Any, error: type[LrpError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        input_invariance(net, gradient, X, 0, shift=shift)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("explain", "words"),
    [
        (lambda net, x, target: 3.0, "the explainer returned float"),
        (lambda net, x, target: x[:1], r"the explainer returned shape \(1, 2, 6, 5\)"),
        (lambda net, x, target: x[:, 0, 0, 0], r"the explainer returned shape \(4,\)"),
    ],
)
def test_an_explainer_returns_maps(explain: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        input_invariance(NETS["convolution"], explain, X, 0)
    with pytest.raises(ParameterError, match="cast it"):
        input_invariance(NETS["convolution"], gradient, X.astype(int), 0)
