"""Training: PyTorch's way of each layer is the layer's own, and what is trained is what comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref import Network, layers
from lrp_ref.errors import UnsupportedError
from lrp_ref.gallery import training
from lrp_ref.network import Input, Node

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(7)


def f32(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


# Every layer that can be trained, with an input.
CASES: dict[str, list[tuple[layers.base.Layer, tuple[Any, ...]]]] = {
    "Dense": [(layers.Dense(f32(3, 4), f32(4)), (f32(2, 5, 3),)), (layers.Dense(f32(3, 4)), (f32(2, 3),))],
    "Conv": [
        (layers.Conv(f32(4, 3, 3, 2), f32(4), stride=(2, 1), padding=((1, 0), (0, 2))), (f32(2, 3, 6, 5),)),
        (layers.Conv(f32(4, 1, 3), f32(4), dilation=2, groups=4), (f32(2, 4, 9),)),
        (layers.Conv(f32(2, 1, 2, 3, 2), None, padding=1), (f32(1, 1, 4, 4, 3),)),
    ],
    "ReLU": [(layers.ReLU(), (f32(2, 5),))],
    "Tanh": [(layers.Tanh(), (f32(2, 5),))],
    "Sigmoid": [(layers.Sigmoid(), (f32(2, 5),))],
    "Identity": [(layers.Identity(), (f32(2, 5),))],
    "MaxPool": [
        (layers.MaxPool(2), (f32(2, 3, 5, 4),)),
        (layers.MaxPool((3, 2), stride=(2, 1), padding=(1, 0)), (f32(2, 3, 6, 5),)),
        (layers.MaxPool(2, ceil_mode=True), (f32(2, 3, 5),)),
    ],
    "AveragePool": [
        (layers.AveragePool(2), (f32(2, 3, 4, 4, 4),)),
        (layers.AveragePool(3, stride=2, padding=1), (f32(2, 3, 7, 7),)),
        (layers.AveragePool(3, stride=2, padding=1, count_include_pad=False), (f32(2, 3, 7),)),
    ],
    "GlobalAveragePool": [(layers.GlobalAveragePool(), (f32(2, 3, 4, 5),))],
    "Mean": [(layers.Mean((1,), keepdims=False), (f32(2, 3, 4),))],
    "Sum": [(layers.Sum((1,), keepdims=False, factor=2), (f32(2, 3, 4),))],
    "GlobalMaxPool": [(layers.GlobalMaxPool(keepdims=False), (f32(2, 3, 4, 5),))],
    "Flatten": [(layers.Flatten(2), (f32(2, 3, 4, 5),))],
    "Reshape": [(layers.Reshape((-1, 2)), (f32(2, 3, 4),))],
    "Transpose": [(layers.Transpose((0, 2, 1)), (f32(2, 3, 4),))],
    "Add": [(layers.Add(), (f32(2, 3), f32(2, 3)))],
    "Gather": [
        (layers.Gather((2, 0, 2, -1)), (f32(2, 3, 4),)),
        (layers.Gather((1, 0), axis=2), (f32(2, 3, 4),)),
        (layers.Gather(1), (f32(2, 3, 4),)),
    ],
    "Constant": [(layers.Constant(f32(3, 2)), (f32(4, 5),))],
    "Concat": [(layers.Concat(1), (f32(2, 3), f32(2, 4)))],
    "LSTM": [
        (layers.LSTM(f32(w, 4, 3, 5), f32(w, 4, 3, 3), f32(w, 4, 3), direction, returns), (f32(2, 4, 5),))
        for w, direction in ((1, "forward"), (2, "bidirectional"))
        for returns in ("sequence", "last")
    ],
    "Embedding": [(layers.Embedding(f32(6, 3)), (np.array([[0, 5, 2], [1, 1, 4]]),))],
}


def test_every_layer_that_can_be_trained_is_here() -> None:
    assert set(CASES) == set(training._WAYS)


@pytest.mark.parametrize("case", [c for cases in CASES.values() for c in cases], ids=lambda c: repr(c[0])[:40])
def test_pytorch_computes_what_the_layer_does(case: tuple[layers.base.Layer, tuple[Any, ...]]) -> None:
    layer, xs = case
    names = tuple(f"x{k}" for k in range(len(xs)))
    net = Network((Node("layer", layer, names),), tuple(Input(name) for name in names), ("layer",))
    given = {name: torch.from_numpy(x) for name, x in zip(names, xs, strict=True)}
    found = training._forward(torch, net, {"layer": training._tensors(torch, layer)}, given)
    np.testing.assert_allclose(found.detach().numpy(), layer.forward(*xs), rtol=2e-5, atol=2e-6)


def test_a_line_is_found() -> None:
    """Least squares by training: y = 2 x₁ − x₂ + 3, which one dense layer has without an error."""
    x = f32(256, 2)
    y = (x @ np.array([[2.0], [-1.0]], np.float32) + 3).astype(np.float32)
    start = training.dense(np.random.default_rng(0), 2, 1)
    net = training.fit(Network.sequential([start]), x, y, epochs=100, rate=0.1, decay=0)
    np.testing.assert_allclose(net.nodes[0].layer.weight, [[2], [-1]], atol=1e-3)
    np.testing.assert_allclose(net.nodes[0].layer.bias, [3], atol=1e-3)
    assert not np.array_equal(start.weight, net.nodes[0].layer.weight)


def test_values_that_are_not_given_do_not_count() -> None:
    x, y = f32(64, 2), np.full((64, 2), np.nan, np.float32)
    y[:, 0] = 1
    start = training.dense(np.random.default_rng(0), 2, 2)
    net = training.fit(Network.sequential([start]), x, y, epochs=2, decay=0)
    assert np.array_equal(net.nodes[0].layer.weight[:, 1], start.weight[:, 1])
    assert not np.array_equal(net.nodes[0].layer.weight[:, 0], start.weight[:, 0])


def test_training_repeats_and_holds_what_is_held() -> None:
    x, y = f32(40, 4), RNG.integers(0, 3, 40)
    rng = np.random.default_rng(1)
    net = Network.sequential([training.dense(rng, 4, 5), layers.ReLU(), training.dense(rng, 5, 3)])
    one, two = (training.fit(net, x, y, epochs=3, batch=16, held=("dense1",)) for _ in range(2))
    assert one == two
    assert np.array_equal(one.nodes[0].layer.weight, net.nodes[0].layer.weight)
    assert not np.array_equal(one.nodes[2].layer.weight, net.nodes[2].layer.weight)


def test_a_layer_that_cannot_be_trained_is_named() -> None:
    net = Network.sequential([training.dense(np.random.default_rng(0), 2, 2), ("last", layers.Softmax())])
    with pytest.raises(UnsupportedError, match=r"node 'last': a Softmax cannot be trained here; known: Add, "):
        training.fit(net, f32(4, 2), np.zeros(4, int), epochs=1)
