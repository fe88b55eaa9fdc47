"""Sizes of an input where none is given: what the layers tell, what is tried, and what has to be asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref import layers as L  # noqa: N812
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.network import Input, Network, Node
from lrp_ref.network.sizes import SMALLEST, USUAL, parse_shape, sample_shapes


def net(*made: Any, shape: tuple[int | None, ...] | None = None) -> Network:
    chain = Network.sequential(made, input_name="x")
    return Network(chain.nodes, (Input("x", shape),), chain.outputs)


def kernel(*shape: int) -> np.ndarray[Any, Any]:
    return np.ones(shape)


CASES: dict[str, tuple[Network, tuple[int, ...]]] = {
    "fixed": (net(L.Dense(kernel(4, 2)), shape=(None, 4)), (4,)),
    "dense": (net(L.Dense(kernel(4, 2))), (4,)),
    "behind elements": (net(L.ReLU(), L.Affine(np.ones(4), np.zeros(4)), L.Dense(kernel(4, 2))), (4,)),
    "behind flatten": (net(L.Flatten(), L.Dense(kernel(6, 2))), (6,)),
    "dense over steps": (net(L.Dense(kernel(4, 2)), shape=(None, None, None)), (1, 4)),
    "convolution": (net(L.Conv(kernel(2, 3, 5, 4))), (3, 5, 5)),
    "signal": (net(L.Conv(kernel(2, 3, 7))), (3, 7)),
    "groups": (net(L.Conv(kernel(4, 2, 3, 3), groups=2)), (4, 3, 3)),
    "transposed": (net(L.ConvTranspose(kernel(5, 2, 3, 3))), (5, 1, 1)),
    "channels told": (net(L.Conv(kernel(2, 3, 5, 5)), shape=(None, 3, None, 9)), (3, 5, 9)),
    "pooled before dense": (
        net(L.Conv(kernel(2, 1, 3, 3)), L.MaxPool((2, 2)), L.Flatten(), L.Dense(kernel(18, 2))),
        (1, 8, 8),  # (8 − 2)/2 = 3, 2·3·3 = 18
    ),
    "GRU": (net(L.GRU(kernel(1, 3, 2, 5), kernel(1, 3, 2, 2), kernel(1, 3, 2))), (1, 5)),
    "LSTM": (net(L.LSTM(kernel(1, 4, 2, 5), kernel(1, 4, 2, 2), kernel(1, 4, 2))), (1, 5)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_least_size_that_fits(case: str) -> None:
    network, expected = CASES[case]
    assert sample_shapes(network) == {"x": expected}
    network.values({"x": np.ones((2, *expected))})


def test_usual_sizes_are_tried_first() -> None:
    assert sample_shapes(net(L.Conv(kernel(2, 3, 5, 5))), sizes=USUAL) == {"x": (3, 32, 32)}
    assert sorted(USUAL) == sorted(SMALLEST)


def test_what_is_known_and_what_is_given() -> None:
    flat = net(L.Flatten(), L.Dense(kernel(6, 2)))
    assert sample_shapes(flat, known=(1, 2, 3)) == {"x": (1, 2, 3)}
    assert sample_shapes(flat, known=(1, 2, 3), given={"x": (3, 2)}) == {"x": (3, 2)}
    fixed = net(L.Dense(kernel(4, 2)), shape=(None, 4))
    assert sample_shapes(fixed, known=(9,)) == {"x": (4,)}, "the file's own sizes are believed"


def test_several_inputs() -> None:
    nodes = (
        Node("a", L.Conv(kernel(2, 3, 3, 3)), ("left",)),
        Node("b", L.Conv(kernel(2, 1, 3, 3)), ("right",)),
        Node("sum", L.Add(), ("a", "b")),
    )
    both = Network(nodes, (Input("left"), Input("right")), ("sum",))
    assert sample_shapes(both) == {"left": (3, 3, 3), "right": (1, 3, 3)}
    assert sample_shapes(both, given={"left": (3, 7, 9), "right": (1, 7, 9)})["right"] == (1, 7, 9)


@pytest.mark.parametrize(
    ("network", "option"),
    [
        (net(L.ReLU()), "--shape x=SIZE,..."),
        (net(L.Flatten(), L.Dense(kernel(997, 2)), shape=(None, 2, None, None)), "--shape x=2,HEIGHT,WIDTH"),
        (net(L.Flatten(), L.Dense(kernel(997, 2)), shape=(None, None, None)), "--shape x=LENGTH,FEATURES"),
        (net(L.Flatten(), L.Dense(kernel(9970, 2)), shape=(None, 2, None, 2, None)), "--shape x=2,SIZE2,2,SIZE4"),
    ],
)
def test_what_cannot_be_told_is_asked(network: Network, option: str) -> None:
    with pytest.raises(ShapeError, match="is not fixed: give an INPUT, or the sizes") as error:
        sample_shapes(network)
    assert str(error.value).endswith(option)


def test_sizes_that_do_not_fit_are_refused() -> None:
    conv = net(L.Conv(kernel(2, 3, 5, 5)), shape=(None, 3, None, None))
    with pytest.raises(ParameterError, match="unknown input 'X': did you mean 'x'"):
        sample_shapes(conv, given={"X": (3, 9, 9)})
    with pytest.raises(ShapeError, match="x=1,9,9: the network's input is x=3,HEIGHT,WIDTH"):
        sample_shapes(conv, given={"x": (1, 9, 9)})
    with pytest.raises(ShapeError, match="x=3,9: the network's input is x=3,HEIGHT,WIDTH"):
        sample_shapes(conv, given={"x": (3, 9)})
    with pytest.raises(ShapeError, match="--shape x=3,4,9 does not fit: node 'conv1': "):
        sample_shapes(conv, given={"x": (3, 4, 9)})


@pytest.mark.parametrize("text", ["x", "=3", "x=", "x=3,", "x=3,a", "x=-3", "x=3.5", "x=0"])
def test_a_shape_is_a_name_and_sizes(text: str) -> None:
    if text == "=3":
        assert parse_shape(text) == ("", (3,))  # a name that is unknown, then
        return
    with pytest.raises(ParameterError, match="write NAME=SIZE,"):
        parse_shape(text)
    assert parse_shape("a=b=3, 4") == ("a=b", (3, 4))
