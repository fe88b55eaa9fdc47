"""Parameters that are no finite numbers, or would be passed over in silence, are refused where a model is built."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.neuralise import (
    bag_of_words,
    density,
    fisher_vector,
    kmeans,
    linear,
    log_density,
    mixture,
    naive_bayes,
    one_class,
    outlier_threshold,
    svc,
)

RNG = np.random.default_rng(5)
V, X = RNG.standard_normal((6, 5)), RNG.standard_normal((3, 5))
A = np.array([1.0, 2.0, 0.5, -1.0, -0.7, -2.0])
THREE = RNG.standard_normal((2, 6))
ONES, SHARES = np.ones((6, 5)), np.full(6, 1 / 6)
HOLE = np.where(np.arange(30).reshape(6, 5) == 7, np.nan, V)
ENDLESS = np.where(np.arange(30).reshape(6, 5) == 7, np.inf, ONES)
W = RNG.standard_normal(66)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linear(HOLE), "weight has 1 values that are not finite"),
        (lambda: linear(V, np.array([0, 0, 0, 0, np.inf])), "bias has 1 value"),
        (lambda: linear(V[:, :0]), "weight of shape (6, 0) has no column"),
        (lambda: naive_bayes(np.array([[-np.inf, 0.0]])), "the first is -inf at (0, 0): fit it with alpha > 0"),
        (lambda: naive_bayes(np.array([[0.0, -1.0], [-1.0, -1.0]]), kind="bernoulli"), "all must be < 0"),
        (lambda: naive_bayes(np.array([[0.5, -1.0], [-1.0, -1.0]]), kind="bernoulli"), "has 0.5"),
        (lambda: kmeans(HOLE), "centers has 1 value"),
        (lambda: kmeans(V, data=HOLE), "data has 1 value"),
        (lambda: kmeans(V, data=X.tolist()), "data must be an array of floats, got list"),
        (lambda: kmeans(V, data=X.astype(int)), "data must be an array of floats, got int64"),
        (lambda: kmeans(V, output=("pair", True, False)), "with their numbers"),
        (lambda: mixture(SHARES, HOLE, ONES), "means has 1 value"),
        (lambda: mixture(SHARES, V, ENDLESS), "precisions has 1 value"),
        (lambda: mixture(SHARES, V, ONES.tolist()), "precisions must be an array of floats, got list"),
        (lambda: mixture(SHARES, V, ONES.astype(int)), "precisions must be an array of floats, got int64"),
        (lambda: mixture(SHARES, V, np.triu(np.ones((6, 5, 5)))), "one of the matrices is not symmetric"),
        (lambda: one_class(HOLE, abs(A), 1.0), "support_vectors has 1 value"),
        (lambda: one_class(V, abs(A), 5e-324), "gamma 4.94066e-324: the logarithms"),
        (lambda: one_class(V, abs(A), 10**400), "gamma must be > 0 and a float"),
        (lambda: one_class(V, abs(A), 1.0, threshold=math.nan), "threshold must be a finite real number"),
        (lambda: outlier_threshold(A, 1.0, math.nan), "threshold must be a finite real number"),
        (lambda: density(HOLE, 1.0), "points has 1 value"),
        (lambda: density(V, 1e-300), "bandwidth 1e-300 is no size"),
        (lambda: density(V, 1e300), "bandwidth 1e+300 is no size"),
        (lambda: density(V, 5e-324, kernel="exponential"), "is no size of distances"),
        (lambda: log_density(np.zeros(1), 1e300, 2), "bandwidth 1e+300 is no size"),
        (lambda: svc(HOLE, A, gamma=1.0), "svc: support_vectors has 1 value"),
        (lambda: svc(V, A * np.nan, gamma=1.0, output="logodds"), "svc: coefficients has 6 values"),
        (lambda: svc(V, A, np.nan, gamma=1.0), "svc: bias has 1 value"),
        (lambda: svc(V, A, gamma=1.0, towards=HOLE), "svc: towards has 1 value"),
        (lambda: svc(V, A, gamma=1.0, towards=X.tolist()), "svc: towards must be an array of floats, got list"),
        (lambda: svc(V, A, gamma=1.0, towards=X.astype(int)), "svc: towards must be an array of floats, got int64"),
        (lambda: svc(V, A, gamma=10**400, output="logodds"), "svc: gamma must be > 0 and a float"),
        (lambda: svc(V, A, gamma=1.0, rule="mid"), "unknown rule of svc 'mid': did you mean 'midpoint'?"),
        (lambda: svc(V, A, gamma=1.0, rule="input"), "rule='input' is of output='logodds', and this is output="),
        (lambda: svc(V, A, gamma=1.0, intercept=False), "intercept=False is of output='logodds'"),
        (lambda: svc(V, THREE, gamma=1.0, n_support=[-1, 5, 2], output="margin"), "svc: n_support"),
        (lambda: svc(V, THREE, gamma=1.0, n_support="abc", output="margin"), "n_support must be a whole number for"),
        (lambda: fisher_vector(SHARES, V, ENDLESS, W), "fisher_vector: variances has 1 value"),
        (lambda: fisher_vector(6 * SHARES, V, ONES, W), "these sum to 6"),
        (lambda: bag_of_words(HOLE, abs(ONES[:4].repeat(2, 1)[:, :6]), A[:4]), "bag_of_words: codebook has 1 value"),
    ],
)  # fmt: skip
def test_what_is_no_parameter_is_refused_in_one_line(call, words) -> None:
    with pytest.raises(LrpError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pairs_are_asked_for_by_tuples_and_by_lists() -> None:
    for made in (lambda pair: kmeans(V, output=pair), lambda pair: mixture(SHARES, V, ONES, output=pair)):
        np.testing.assert_array_equal(made(["pair", 2, 0]).forward(X), made(("pair", 2, 0)).forward(X))


def test_coefficients_of_very_different_sizes_have_their_logarithms() -> None:
    """Their quotients are no floats: 1e-320/1e300."""
    net = one_class(V, np.array([1e-320, 1.0, 1.0, 1.0, 1.0, 1e300]), 1.0)
    offsets = net["distances"].layer.offset
    logs = [math.log(Fraction(1e300)) - math.log(Fraction(a)) for a in (1e-320, 1.0, 1e300)]
    np.testing.assert_allclose(offsets[[0, 1, 5]], logs, rtol=1e-14)
    assert np.isfinite(lrp.explain(net, X).relevance).all()
    with pytest.raises(LrpError, match="their sum is no float: divide them by the largest"):
        one_class(V, np.full(6, 1.5e308), 1.0)
    divided = one_class(V, np.full(6, 1.5e308) / 1.5e308, 1.0)["distances"].layer.offset
    np.testing.assert_allclose(divided, np.log(6), rtol=1e-15)


def test_precisions_that_rounding_makes_unsymmetric_are_taken() -> None:
    root = RNG.standard_normal((6, 5, 5))
    matrices = root @ np.moveaxis(root, 1, 2) + np.eye(5)
    rounded = matrices * (1 + 1e-5 * RNG.uniform(-1, 1, matrices.shape))
    found, exact = (mixture(SHARES, V, m).forward(X) for m in (rounded, matrices))
    np.testing.assert_allclose(found, exact, rtol=1e-3)


@pytest.mark.parametrize(
    "net",
    [
        svc(abs(V), A, kernel="linear"),
        svc(abs(V), A, kernel="chi2"),
        svc(V, A, gamma=1.0),
        svc(V, A, 0.5, gamma=1.0, output="logodds"),
        fisher_vector(SHARES, V, ONES, W),
        bag_of_words(V, abs(W[:24].reshape(4, 6)), A[:4]),
    ],
)
def test_a_network_says_what_it_takes(net, tmp_path) -> None:
    shape = net.inputs[0].shape
    assert shape[-1] == 5
    assert shape[:-1] == (None,) * (len(shape) - 1)
    with pytest.raises(LrpError, match=r"input 'input' has shape \(2, .*4\); the network expects \(N, .*5\)"):
        net.forward(np.ones((*[2] * (len(shape) - 1), 4)))
    lrp.save(net, tmp_path / "net.npz")
    assert lrp.load(tmp_path / "net.npz") == net
    alone, many = net.forward(np.ones((*[1] * (len(shape) - 1), 5))), net.forward(np.ones((*[3] * (len(shape) - 1), 5)))
    np.testing.assert_allclose(many, np.repeat(alone, 3, axis=0), rtol=1e-12)
