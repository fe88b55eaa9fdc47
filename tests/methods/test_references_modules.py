"""DeepLIFT, simple Taylor and activation maximisation on a strict stand-in for a GPU's array library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict import STRICT, StrictArray, to_strict

import lrp_ref as lrp
from lrp_ref.base.arrays import to_numpy
from lrp_ref.layers import Conv, Dense, Flatten, MaxPool, Multiply, ReLU, Reshape, Sigmoid
from lrp_ref.methods import L2, TotalVariation, maximise, prototypes
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(196)
BELOW = [
    Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3), padding=1), ReLU(), MaxPool(2, stride=1), Sigmoid(),
    Flatten(),
]  # fmt: skip
WEIGHT = RNG.normal(size=(90, 3)) / 9
MIDDLE = Network.sequential([*BELOW, Dense(WEIGHT)]).forward(9 * RNG.normal(size=(99, 2, 5, 6)))
NET = Network.sequential([*BELOW, Dense(WEIGHT, -np.median(MIDDLE, axis=0))])
X = RNG.normal(size=(3, 2, 5, 6))


def other_side() -> np.ndarray:
    """Return a point for each sample at which its score, f_k of the k-th, has the other sign."""
    rows, far = np.arange(3), RNG.normal(size=(400, 1, 2, 5, 6)) * 9 * np.ones((3, 1, 1, 1))
    signs = NET.forward(far.reshape(-1, 2, 5, 6)).reshape(400, 3, 3)[:, rows, rows] * NET.forward(X)[rows, rows]
    assert (signs < 0).any(axis=0).all()
    return far[(signs < 0).argmax(axis=0), rows]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("deeplift", {}),
        ("deeplift", {"baseline": np.ones((2, 5, 6))}),
        ("deeplift", {"stacked": "rescale", "threshold": 1e-3}),
        ("simple_taylor", {"root": np.ones((2, 5, 6))}),
        ("simple_taylor", {"search": "descent", "bounds": (-3, 3)}),
        ("simple_taylor", {"towards": other_side()}),
    ],
    ids=str,
)
def test_methods(method: str, parameters: dict[str, Any]) -> None:
    host = lrp.attribute(NET, X, method, target=[0, 1, 2], **parameters)
    there = lrp.attribute(NET.to(STRICT), to_strict(X), method, target=[0, 1, 2], **parameters)
    assert isinstance(there.relevance, StrictArray)
    assert all(isinstance(array, StrictArray) for array in there.found.values())
    back = there.to_numpy()
    np.testing.assert_allclose(back.relevance, host.relevance, rtol=0, atol=1e-12)
    for key, array in host.found.items():
        np.testing.assert_allclose(back.found[key], array, rtol=0, atol=1e-12)


def test_products_half_way() -> None:
    net = Network((Node("y", Multiply(), ("a", "b")),), (Input("a"), Input("b")), ("y",))
    fed = {name: RNG.normal(size=(3, 4)) for name in ("a", "b")}
    host = lrp.attribute(net, fed, "deeplift", products="midpoint", baseline=0.5)
    there = lrp.attribute(net, {n: to_strict(a) for n, a in fed.items()}, "deeplift", products="midpoint", baseline=0.5)
    for name in fed:
        np.testing.assert_allclose(to_numpy(there.relevance[name]), host.relevance[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"jitter": 1, "blur": 0.7, "bounds": (-1, np.ones((2, 5, 6)))},
        {"optimiser": "adam", "penalties": [L2(0.1), TotalVariation(0.1), TotalVariation(0.1, 1)]},
    ],
    ids=["jitter, blur and bounds", "adam and penalties"],
)
def test_maximising(options: dict[str, Any]) -> None:
    host = maximise(NET, X, target=1, steps=4, **options)
    there = maximise(NET.to(STRICT), to_strict(X), target=1, steps=4, **options)
    assert isinstance(there.x, StrictArray)
    assert isinstance(there.scores, StrictArray)
    np.testing.assert_allclose(to_numpy(there.x), host.x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(there.scores), host.scores, rtol=0, atol=1e-12)


def test_a_generator() -> None:
    generator = Network.sequential([Dense(RNG.normal(size=(4, 60)) / 8), Reshape((2, 5, 6))])
    z = RNG.normal(size=(2, 4))
    host = maximise(NET, z, target=1, generator=generator, steps=3, code_bounds=(-1, 1))
    there = maximise(
        NET.to(STRICT), to_strict(z), target=1, generator=generator.to(STRICT), steps=3, code_bounds=(-1, 1)
    )
    np.testing.assert_allclose(to_numpy(there.x), host.x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(there.code), host.code, rtol=0, atol=1e-12)


def test_prototypes() -> None:
    found, host = prototypes(NET.to(STRICT), to_strict(X), k=2), prototypes(NET, X, k=2)
    assert isinstance(found.x, StrictArray)
    assert (to_numpy(found.x) == host.x).all()
    assert found.index.tolist() == host.index.tolist()
