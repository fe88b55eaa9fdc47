"""Normalisation against explicit matrices: with the deviation as a constant it is a linear layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import literal, rules
from lrp_ref.layers import Normalize
from lrp_ref.literal import rules as textbook
from lrp_ref.network import Network

RNG = np.random.default_rng(11)
SHAPE = (2, 4, 3)
CASES = [
    ((-1,), True, 1), ((2,), False, 1), ((1,), True, 1), ((1, 2), True, 1), ((1, 2), False, 1), ((1, 2), True, 2),
    ((1,), False, 4), ((1,), True, 2),
]  # fmt: skip


def members(axes: tuple[int, ...], groups: int, shape: tuple[int, ...]) -> Any:
    """Return the number of the group of each value of a sample, by its place."""
    axes = tuple(a % (len(shape) + 1) for a in axes)
    found = {}
    for place in np.ndindex(shape):
        apart = tuple(k for a, k in enumerate(place, 1) if a not in axes)
        block = place[0] // (shape[0] // groups) if groups > 1 else 0
        found[place] = (*apart, block)
    numbers = {key: k for k, key in enumerate(sorted(set(found.values())))}
    return np.array([numbers[found[place]] for place in np.ndindex(shape)])


def matrix(x: Any, group: Any, epsilon: float, centre: bool) -> Any:
    """Return the weights (δ_ij − 1/n)/s of one sample, flat, and what they make of it."""
    weight = np.zeros((x.size, x.size))
    flat = x.ravel()
    for one in set(group.tolist()):
        where = np.flatnonzero(group == one)
        mean = math.fsum(flat[where]) / len(where) if centre else 0.0
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in flat[where]) / len(where) + epsilon)
        for i in where:
            for j in where:
                weight[i, j] = ((i == j) - (1 / len(where) if centre else 0)) / deviation
    return weight


def taps(group: Any, centre: bool) -> Any:
    return (group[:, None] == group) if centre else np.eye(len(group), dtype=bool)


LITERAL: list[tuple[Any, Any, Any]] = [
    (rules.LRP0(), textbook.lrp0, {}),
    (rules.Epsilon(0.25), textbook.epsilon, {"epsilon": 0.25}),
    (rules.Epsilon(0.25, 0.5), textbook.epsilon, {"epsilon": 0.25, "bias_share": 0.5}),
    (rules.GeneralizedGamma(0.5), textbook.generalized_gamma, {"gamma": 0.5}),
    (rules.AlphaBeta(2, 1), textbook.alpha_beta, {"alpha": 2, "beta": 1}),
    (rules.ZPlus(), textbook.zplus, {}),
    (rules.WSquare(), textbook.wsquare, {}),
    (rules.Flat(), textbook.flat, {}),
]


@pytest.mark.parametrize(("axes", "centre", "groups"), CASES, ids=str)
def test_normalisation_and_every_rule_is_that_of_its_matrix(axes: Any, centre: bool, groups: int) -> None:
    layer = Normalize(axes, 0.125, centre, groups)
    x, r = RNG.normal(size=SHAPE) + 0.5, RNG.normal(size=SHAPE)
    group = members(axes, groups, SHAPE[1:])
    y = layer.forward(x)
    for rule, literally, options in LITERAL:
        told = layer.redistribute(x, r, rule)
        for n in range(len(x)):
            weight = matrix(x[n], group, 0.125, centre)
            written = literal.Matrix(weight, np.zeros(x[n].size), taps(group, centre))
            np.testing.assert_allclose(y[n].ravel(), written.forward(x[n]), rtol=1e-12, atol=1e-13)
            said = literally(x[n].ravel(), written, r[n].ravel(), **options)
            np.testing.assert_allclose(told.relevances[0][n].ravel(), said.relevance, rtol=1e-9, atol=1e-10)
            for column in ("bias", "stabiliser", "dropped"):
                total = getattr(said, column).sum()
                np.testing.assert_allclose(getattr(told, column)[n], total, atol=1e-9, err_msg=f"{rule} {column}")
    own = layer.redistribute(x, r).relevances[0]
    assert np.array_equal(own, layer.redistribute(x, r, rules.LRP0()).relevances[0])


def test_without_centre_relevance_passes_but_for_zeros() -> None:
    x, r = np.array([[3.0, 0.0, -4.0]]), np.array([[1.0, 2.0, 5.0]])
    told = Normalize(centre=False).redistribute(x, r)
    np.testing.assert_allclose(told.relevances[0], [[1.0, 0.0, 5.0]], rtol=1e-15)
    assert told.dropped.tolist() == [2.0]


def test_by_hand() -> None:
    """x = (0, 8, 4), μ = 4, q = R/(x − μ): R_i = x_i (q_i − mean q); the third output is 0, and its R is dropped."""
    x, r = np.array([[0.0, 8.0, 4.0]]), np.array([[-4.0, 8.0, 6.0]])  # q = (1, 2, –)
    told = Normalize(epsilon=0.0).redistribute(x, r)
    np.testing.assert_allclose(told.relevances[0], [[0.0, 8.0, -4.0]], rtol=1e-13)
    assert told.dropped.tolist() == [6.0]


def test_the_derivative_sees_the_deviation_and_the_rules_do_not() -> None:
    x, g = RNG.normal(size=(1, 6)), RNG.normal(size=(1, 6))
    layer, step = Normalize(epsilon=0.5), 1e-6
    for k in range(6):
        moved = np.eye(6)[k] * step
        slope = ((layer.forward(x + moved) - layer.forward(x - moved)) * g).sum() / (2 * step)
        assert layer.vjp(x, g)[0, k] == pytest.approx(slope, rel=1e-6)


def test_large_numbers_with_small_differences() -> None:
    """The mean square is that of what is left of the mean, not E x² − (E x)², in which nothing is left in float32."""
    x = (1000 + np.array([[-0.25, 0.0, 0.25]])).astype(np.float32)
    np.testing.assert_allclose(Normalize(epsilon=0.0).forward(x), [[-math.sqrt(1.5), 0.0, math.sqrt(1.5)]], rtol=1e-6)


def test_explanations_take_a_small_epsilon_unless_told_otherwise() -> None:
    net = Network.sequential([Normalize(epsilon=1e-5)])
    x = np.array([[1.0, 2.0, 4.0, -2.0]])
    start = np.array([[1.0, 0.0, -2.0, 0.5]])
    for composite, rule in (("lrp0", rules.Epsilon(1e-6)), ([(Normalize, rules.Epsilon(0.5))], rules.Epsilon(0.5)),
                            ([(Normalize, rules.Pass())], rules.Pass())):  # fmt: skip
        e = lrp.explain(net, x, composite=composite, start=start)
        expected = Normalize(epsilon=1e-5).relevance_backward(x, start, rule)
        np.testing.assert_allclose(e.relevance, expected, rtol=1e-12)
        assert e.ledger.residual < 1e-14
