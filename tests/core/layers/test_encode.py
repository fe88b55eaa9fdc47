"""Fisher vectors and histograms of visual words against their formulas, PyTorch, exact rationals and scikit-image."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from encoded import fisher_terms, golden, shared, stored, word_terms

from lrp_ref import rules
from lrp_ref.arithmetic import rational, to_float
from lrp_ref.layers import FisherVector, SoftAssign
from lrp_ref.layers import descriptors as sums
from lrp_ref.rules import edits


def mixture(seed: int, components: int = 3, dimensions: int = 2, convention: str = "perronnin") -> FisherVector:
    rng = np.random.default_rng(seed)
    weights, shape = rng.random(components) + 0.2, (components, dimensions)
    return FisherVector(weights / weights.sum(), rng.normal(size=shape), 0.3 + rng.random(shape), convention)


def words(seed: int, many: int = 4, dimensions: int = 2, **options: Any) -> SoftAssign:
    return SoftAssign(np.random.default_rng(seed).normal(size=(many, dimensions)), **options)


def image(seed: int, n: int = 2, count: int = 5, dimensions: int = 2) -> Any:
    return np.random.default_rng(seed).normal(size=(n, count, dimensions))


def relevance(layer: Any, x: Any, seed: int = 9) -> Any:
    return np.random.default_rng(seed).normal(size=layer.forward(x).shape)


# The formulas, one descriptor, component and dimension after the other: tests/support/encoded.py ----------------------

CASES = [
    *((mixture(k, *size), fisher_terms) for k, size in enumerate([(3, 2), (1, 2), (2, 1), (4, 3)])),
    (mixture(5, convention="skimage"), fisher_terms),
    (words(0, beta=0.7), word_terms),
    (words(1, 1), word_terms),
    (words(2, 3, hard=True), word_terms),
]


@pytest.mark.parametrize(("layer", "formula"), CASES, ids=[str(k) for k in range(len(CASES))])
@pytest.mark.parametrize("count", [1, 5])
def test_terms_sums_and_relevance_are_the_formulas(layer: Any, formula: Any, count: int) -> None:
    x = image(11, 3, count, layer._parameter.shape[1])
    r = relevance(layer, x)
    for k in range(3):
        terms = formula(layer, x[k])
        np.testing.assert_allclose(layer.contributions(x)[k], np.array(terms, dtype=float), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(layer.forward(x)[k], np.array(terms, dtype=float).sum(0), rtol=1e-12, atol=1e-15)
        for rule, epsilon in ((None, 0.0), (rules.LRP0(), 0.0), (rules.Epsilon(0.05), 0.05)):
            found = layer.redistribute(x, r, rule)
            if formula is word_terms and layer.hard and epsilon:
                continue  # ε shares nothing of a word without descriptors
            expected = shared([[float(m) for m in row] for row in terms], r[k], epsilon)
            np.testing.assert_allclose(found.relevances[0].sum(-1)[k], expected, rtol=1e-9, atol=1e-12)
            total = found.relevances[0][k].sum() + found.bias[k] + found.stabiliser[k] + found.dropped[k]
            assert abs(total - r[k].sum()) < 1e-11 * abs(found.relevances[0][k]).sum() + 1e-12
            assert epsilon or found.stabiliser[k] == found.dropped[k] == 0
    even = layer.relevance_backward(x, r)
    assert (even == even[..., :1]).all()


@pytest.mark.parametrize(
    "rule",
    [rules.AlphaBeta(2, 1), rules.Gamma(0.5), rules.ZPlus(), rules.WSquare(), rules.Flat(), rules.Epsilon(0.1, 1.0),
     rules.LRP0(edits.relative(0.25)), rules.GeneralizedGamma(0.25), rules.Epsilon(0.3).with_bias("ignore")],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("layer", [mixture(3), words(3)], ids=["fisher", "words"])
def test_rules_for_linear_layers_share_the_terms(layer: Any, rule: Any) -> None:
    """The terms as the weights of a dense layer on ones: what the rule makes of it is known elsewhere."""
    from lrp_ref.layers import Dense

    x = image(21, 2, 6)
    r = relevance(layer, x)
    found = layer.redistribute(x, r, rule)
    for k in range(2):
        dense = Dense(layer.contributions(x)[k])
        expected = dense.redistribute(np.ones((1, 6)), r[k : k + 1], rule)
        np.testing.assert_allclose(found.relevances[0].sum(-1)[k], expected.relevances[0][0], rtol=1e-10, atol=1e-12)
        for column in ("bias", "stabiliser", "dropped"):
            got, there = getattr(found, column)[k], getattr(expected, column)[0]
            np.testing.assert_allclose(got, there, rtol=1e-9, atol=1e-11)


# Exact numbers --------------------------------------------------------------------------------------------------------


def test_hard_words_are_exact_on_rationals_and_ties_go_to_the_first() -> None:
    layer = rational(SoftAssign(np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]]), hard=True))
    x = rational(np.array([[[0.5, 3.0], [1.0, 1.0], [0.25, 0.0]]]))
    assert layer.forward(x).tolist() == [[Fraction(2, 3), Fraction(1, 3), 0]]
    r = rational(np.array([[1.5, -0.25, 6.0]]))
    found = layer.redistribute(x, r)
    # The word without descriptors gives its 6 to all three alike, 2 each.
    assert found.relevances[0].sum(axis=-1).tolist() == [[Fraction(11, 4), Fraction(7, 4), Fraction(11, 4)]]
    assert found.relevances[0].sum() == r.sum()
    assert found.dropped.tolist() == found.bias.tolist() == found.stabiliser.tolist() == [0]
    found = layer.redistribute(x, r, rules.Epsilon(Fraction(1, 3)))
    taken = Fraction(3, 2) * Fraction(1, 3) / 1 + Fraction(-1, 4) * Fraction(1, 3) / Fraction(2, 3) + 6
    assert found.stabiliser.tolist() == [taken]
    assert found.relevances[0].sum() + taken == r.sum()


# Derivatives ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["perronnin", "skimage"])
@pytest.mark.parametrize("size", [(3, 2), (1, 1), (2, 4)])
def test_a_fisher_vectors_gradient_is_pytorchs(convention: str, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    layer, x = mixture(4, *size, convention), image(5, 2, 4, size[1])
    g = relevance(layer, x)
    there = torch.tensor(x, requires_grad=True)
    pi, mu, variance = (torch.tensor(a) for a in (layer.weights, layer.means, layer.variances))
    normal = torch.distributions.Normal(mu, variance.sqrt())
    logs = normal.log_prob(there[:, :, None, :]).sum(-1) + pi.log()
    q = torch.softmax(logs, -1)
    u = (there[:, :, None, :] - mu) / variance.sqrt()
    sign = 1 if convention == "perronnin" else -1
    blocks = (
        ((q - pi) / pi.sqrt()).mean(1),
        (q[..., None] * u / pi.sqrt()[:, None]).mean(1).flatten(1),
        (sign * q[..., None] * (u**2 - 1) / (2 * pi).sqrt()[:, None]).mean(1).flatten(1),
    )
    z = torch.cat(blocks, 1)
    z.backward(torch.tensor(g))
    np.testing.assert_allclose(layer.forward(x), z.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_a_soft_assignments_gradient_is_pytorchs_and_a_hard_one_has_none() -> None:
    torch = pytest.importorskip("torch")
    layer, x = words(6, beta=1.3), image(7, 3, 4)
    g = relevance(layer, x)
    there = torch.tensor(x, requires_grad=True)
    far = ((there[:, :, None, :] - torch.tensor(layer.codebook)) ** 2).sum(-1)
    h = torch.softmax(-1.3 * far, -1).mean(1)
    h.backward(torch.tensor(g))
    np.testing.assert_allclose(layer.forward(x), h.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-11, atol=1e-13)
    assert not words(6, hard=True).vjp(x, g).any()


# None, one and many descriptors; blocks -------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [mixture(3), words(3), words(3, hard=True)], ids=["fisher", "soft", "hard"])
def test_no_descriptors_and_no_images(layer: Any) -> None:
    for n, count in ((2, 0), (0, 3), (0, 0)):
        x = np.zeros((n, count, 2))
        assert layer.forward(x).shape == (n, layer._size)
        assert not layer.forward(x).any()
        assert layer.contributions(x).shape == (n, count, layer._size)
        r = np.full((n, layer._size), 0.5)
        for rule in (None, rules.Epsilon(0.1), rules.AlphaBeta(2, 1)):
            found = layer.redistribute(x, r, rule)
            assert found.relevances[0].shape == layer.vjp(x, r).shape == x.shape
            np.testing.assert_allclose(found.dropped + found.stabiliser, [0.5 * layer._size] * n)


@pytest.mark.parametrize("layer", [mixture(3), words(3), words(3, hard=True)], ids=["fisher", "soft", "hard"])
@pytest.mark.parametrize("numbers", [1, 12, 40])
def test_blocks_change_nothing_and_images_know_nothing_of_each_other(
    layer: Any, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = image(8, 4, 7)
    r = relevance(layer, x)
    whole = layer.forward(x), layer.relevance_backward(x, r), layer.vjp(x, r)
    monkeypatch.setattr(sums, "NUMBERS", numbers)
    some = layer.forward(x), layer.relevance_backward(x, r), layer.vjp(x, r)
    for a, b in zip(whole, some, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    for k in range(4):
        one, mine = x[k : k + 1], r[k : k + 1]
        alone = layer.forward(one), layer.relevance_backward(one, mine), layer.vjp(one, mine)
        for a, b in zip(some, alone, strict=True):
            assert (a[k : k + 1] == b).all()


def test_precision_stays() -> None:
    for layer in (mixture(3), words(3), words(3, hard=True)):
        single, x = layer.map_arrays(lambda a: a.astype(np.float32)), image(8).astype(np.float32)
        r = relevance(layer, image(8)).astype(np.float32)
        for found in (single.forward(x), single.contributions(x), single.relevance_backward(x, r), single.vjp(x, r)):
            assert found.dtype == np.float32


def test_far_descriptors_stay_finite() -> None:
    layer, x = mixture(3), image(8) * 1e3
    assert np.isfinite(layer.forward(x)).all()
    assert np.isfinite(words(3, beta=1e6).forward(x)).all()
    r = relevance(layer, x)
    assert np.isfinite(layer.relevance_backward(x, r)).all()
    assert np.isfinite(layer.vjp(x, r)).all()


# Other programs -------------------------------------------------------------------------------------------------------


def test_the_convention_of_scikit_image() -> None:
    fisher = pytest.importorskip("skimage.feature").fisher_vector
    mixtures = pytest.importorskip("sklearn.mixture")
    x = np.random.default_rng(3).normal(size=(60, 4))
    fitted = mixtures.GaussianMixture(3, covariance_type="diag", random_state=0).fit(x)
    layer = FisherVector(fitted.weights_, fitted.means_, fitted.covariances_, "skimage")
    np.testing.assert_allclose(layer.forward(x[None])[0], fisher(x, fitted), rtol=1e-10, atol=1e-13)


@golden
def test_stored_fisher_vector() -> None:
    case = stored("fisher_vector")
    layer = FisherVector(case["gmm_weights"], case["gmm_means"], case["gmm_covariances"])
    x = case["descriptors"][None]
    np.testing.assert_allclose(layer.contributions(x)[0], case["contributions"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.forward(x)[0], case["raw"], rtol=1e-9, atol=1e-12)
    found = layer.relevance_backward(x, case["relevance_dimension"][None]).sum(-1)[0]
    np.testing.assert_allclose(found, case["relevance_descriptor"], rtol=1e-9, atol=1e-9)


@golden
def test_stored_histogram_of_words() -> None:
    case = stored("bovw_soft_intersection")
    layer, x = SoftAssign(case["codebook"], 1.5), case["descriptors"][None]
    np.testing.assert_allclose(layer.contributions(x)[0] * 25, case["assignment"], rtol=1e-11)
    np.testing.assert_allclose(layer.forward(x)[0], case["histogram"], rtol=1e-11)
    found = layer.relevance_backward(x, case["relevance_word"][None]).sum(-1)[0]
    np.testing.assert_allclose(found, case["relevance_descriptor"], rtol=1e-11, atol=1e-13)


def test_to_float_of_exact_layers_is_the_layer() -> None:
    layer = words(3, hard=True)
    assert to_float(rational(layer)) == layer
