"""Gradients at noisy inputs: stored numbers, known answers, draws that do not depend on the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.layers import Dense, Multiply, ReLU
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import MODELS, Golden

KINDS = ("smoothgrad", "smoothgrad_squared", "vargrad")
STORED = {
    "ref/smoothgrad_absolute_sigma_0.3": ("smoothgrad", {"sigma": 0.3, "relative": False}),
    "ref/smoothgrad_sq_absolute_sigma_0.3": ("smoothgrad_squared", {"sigma": 0.3, "relative": False}),
    "ref/vargrad_absolute_sigma_0.3": ("vargrad", {"sigma": 0.3, "relative": False}),
    "ref/smoothgrad_zennit_convention": ("smoothgrad", {"dialect": "zennit-1.0"}),
    "zennit/smoothgrad": ("smoothgrad", {"dialect": "zennit-1.0"}),
    "captum/smoothgrad_sigma_0.3": ("smoothgrad", {"dialect": "captum-0.9", "sigma": 0.3}),
    "captum/smoothgrad_sq_sigma_0.3": ("smoothgrad_squared", {"dialect": "captum-0.9", "sigma": 0.3}),
    "captum/vargrad_sigma_0.3": ("vargrad", {"dialect": "captum-0.9", "sigma": 0.3}),
}


def cube() -> Network:
    """f(x) = x³, whose gradient 3x² is moved by noise."""
    nodes = (Node("square", Multiply(), ("x", "x")), Node("cube", Multiply(), ("square", "x")))
    return Network(nodes, (Input("x"),), ("cube",))


def kinked() -> Network:
    rng = np.random.default_rng(2)
    return Network.sequential([Dense(rng.normal(size=(4, 6)), rng.normal(size=6)), ReLU(),
                               Dense(rng.normal(size=(6, 3)))])  # fmt: skip


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", STORED)
def test_stored_numbers(model: str, key: str) -> None:
    golden, (method, given) = Golden(model), STORED[key]
    if key not in golden:
        pytest.skip(f"{key} is not stored for this network")
    a = lrp.attribute(
        golden.net, golden.x, method, target=golden.target, noise=golden["noise/standard_normal"], **given
    )
    assert np.abs(a.relevance - golden[key]).max() <= 1e-12


def test_known_answers() -> None:
    """At x = 1 with the draws ±1 and σ = 1/2 the gradients of x³ are 3/4 and 27/4."""
    noise, x = np.array([[-1.0], [1.0]]), np.array([[1.0]])
    given = {"noise": noise, "sigma": 0.5, "relative": False, "target": 0}
    g = np.array([0.75, 6.75])
    expected = {"smoothgrad": g.mean(), "smoothgrad_squared": (g * g).mean(), "vargrad": g.var()}
    for method, value in expected.items():
        assert lrp.attribute(cube(), x, method, **given).relevance.tolist() == [[value]]


def test_without_noise_it_is_the_gradient_and_nothing_varies() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    gradient = lrp.attribute(kinked(), x, "gradient").relevance
    smooth = lrp.attribute(kinked(), x, "smoothgrad", sigma=0).relevance
    assert np.abs(smooth - gradient).max() <= 1e-15
    assert np.abs(lrp.attribute(kinked(), x, "smoothgrad_squared", sigma=0).relevance - gradient**2).max() <= 1e-14
    assert np.abs(lrp.attribute(kinked(), x, "vargrad", sigma=0).relevance).max() <= 1e-30
    clean = lrp.attribute(kinked(), x, "smoothgrad", draws=1, last_clean=True).relevance
    assert np.abs(clean - gradient).max() <= 1e-15


@pytest.mark.parametrize("method", KINDS)
def test_a_sample_alone_is_what_it_is_in_a_batch(method: str) -> None:
    x = np.random.default_rng(1).normal(size=(5, 4))
    whole = lrp.attribute(kinked(), x, method, sigma=0.5, seed=3)
    for k in range(5):
        alone = lrp.attribute(kinked(), x[k : k + 1], method, sigma=0.5, seed=3)
        assert np.abs(alone.relevance - whole.relevance[k : k + 1]).max() <= 1e-13
    assert lrp.attribute(kinked(), x[:0], method).relevance.shape == (0, 4)


@pytest.mark.parametrize("method", KINDS)
def test_a_seed_gives_the_same_numbers_and_another_seed_others(method: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 4))
    one, again, other = (lrp.attribute(kinked(), x, method, sigma=1.0, seed=s).relevance for s in (3, 3, 4))
    assert (one == again).all()
    assert np.abs(one - other).max() > 1e-3


def test_more_draws_begin_with_the_same_ones() -> None:
    """Sums over the first draws follow from the means: K·mean of K draws has the first sum in it."""
    x = np.array([[1.0]])
    given = {"sigma": 0.5, "relative": False, "target": 0, "seed": 1}
    sums = [k * lrp.attribute(cube(), x, "smoothgrad", draws=k, **given).relevance[0, 0] for k in (1, 2, 3)]
    third = np.random.default_rng([1, 2, 0]).standard_normal((1,))[0]
    assert abs((sums[2] - sums[1]) - 3 * (1 + 0.5 * third) ** 2) <= 1e-12


def test_noise_relative_to_the_range_of_each_sample() -> None:
    x, noise = np.array([[0.0, 2.0, 1.0, 1.0], [0.0, 8.0, 1.0, 1.0]]), np.ones((1, 4))
    moved = lrp.attribute(kinked(), x, "smoothgrad", noise=noise, sigma=0.25, target=1).relevance
    by_hand = lrp.attribute(kinked(), x + np.array([[0.5], [2.0]]), "gradient", target=1).relevance
    assert np.abs(moved - by_hand).max() <= 1e-15


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"sigma": -1}, ParameterError, "sigma must be ≥ 0"),
        ({"draws": 0}, ParameterError, "draws"),
        ({"noise": np.zeros((2, 3))}, ShapeError, "noise of shape"),
        ({"noise": np.zeros((2, 4)), "draws": 3}, ParameterError, "leave draws out"),
        ({"seed": -1}, ParameterError, "seed"),
    ],
)
def test_errors(given: dict[str, Any], error: type[LrpError], text: str) -> None:
    with pytest.raises(error, match=text):
        lrp.attribute(kinked(), np.zeros((2, 4)), "smoothgrad", **given)
