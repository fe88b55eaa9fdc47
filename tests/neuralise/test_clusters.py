"""k-means and mixtures: stored numbers, the formulas one by one, exact shares, ties, signs that are not promised."""

import literal_clusters as literal
import numpy as np
import pytest
from golden_nonneural import Golden, needed

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.neuralise.clusters import kmeans, mixture

RNG = np.random.default_rng(1)
CENTERS = RNG.normal(size=(5, 3))
KINDS = ("full", "tied", "diag", "spherical")


def a_mixture(kind: str, k: int = 4, d: int = 3, seed: int = 0):
    """Return weights, means, precisions of a kind, and the same as matrices (K, D, D)."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d))
    full = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    precisions = {
        "full": full, "tied": full[0], "diag": rng.random((k, d)) + 0.2, "spherical": rng.random(k) + 0.2,
    }[kind]  # fmt: skip
    matrices = {
        "full": lambda: full,
        "tied": lambda: np.stack([full[0]] * k),
        "diag": lambda: np.stack([np.diag(p) for p in precisions]),
        "spherical": lambda: np.stack([p * np.eye(d) for p in precisions]),
    }[kind]()
    weights = rng.random(k) + 0.1
    return weights / weights.sum(), rng.normal(size=(k, d)), precisions, matrices


# k-means -------------------------------------------------------------------------------------------------------------


@needed
def test_stored_kmeans() -> None:
    g = Golden("kmeans")
    net = kmeans(g["centers"], beta=g.about["beta"])
    e = lrp.explain(net, g["x"], trace=True)
    rows = np.arange(12), g["cluster"]
    assert np.array_equal(e.target[:, 0], g["cluster"])
    g.agrees(e.output[rows], "output")
    g.agrees(e.trace.values["differences"][rows], "hidden")
    g.agrees(e.trace.relevance["differences"][rows], "relevance_hidden")
    g.agrees(e.relevance, "relevance")
    assert e.ledger.residual <= 1e-12


@pytest.mark.parametrize("target", [0, 1, 2, 3, 4])
def test_kmeans_is_the_midpoint_rule_of_the_formula(target: int) -> None:
    x = RNG.normal(size=(6, 3))
    e = lrp.explain(kmeans(CENTERS, beta=0.8), x, target=target)
    for n in range(6):
        f, relevance = literal.kmeans(x[n], CENTERS, target, 0.8)
        assert e.output[n, target] == pytest.approx(f, rel=1e-12)
        np.testing.assert_allclose(e.relevance[n], relevance, rtol=1e-9, atol=1e-12)
    assert not any((row.bias != 0).any() or (row.dropped != 0).any() for row in e.ledger)


def test_the_margin_is_the_hard_minimum_and_positive_for_the_nearest_alone() -> None:
    x = RNG.normal(size=(40, 3))
    square = ((x[:, None] - CENTERS) ** 2).sum(2)
    for beta in (0.01, 5.0):
        margin = kmeans(CENTERS, beta=beta).forward(x)
        for c in range(5):
            np.testing.assert_allclose(margin[:, c], np.delete(square, c, 1).min(1) - square[:, c], rtol=1e-10)
        assert np.array_equal(margin > 0, np.arange(5) == square.argmin(1)[:, None])


def test_given_the_shares_kmeans_is_exact_on_rationals() -> None:
    net = lrp.arithmetic.rational(kmeans(CENTERS.round(2), beta=1.0)).until("differences")
    x = lrp.arithmetic.rational(RNG.normal(size=(3, 3)).round(2))
    start = lrp.arithmetic.rational(RNG.normal(size=(3, 5, 4)).round(3))
    e = lrp.explain(net, x, start=start)
    assert e.ledger.residual == 0
    centers = lrp.arithmetic.rational(CENTERS.round(2))
    for n in range(3):  # w (x − m)/h·R in the same numbers
        expected = 0 * x[n]
        for c in range(5):
            for place, k in enumerate(k for k in range(5) if k != c):
                w, m = 2 * (centers[c] - centers[k]), (centers[c] + centers[k]) / 2
                h = (w * (x[n] - m)).sum()
                expected = expected + w * (x[n] - m) / h * start[n, c, place]
        assert (e.relevance[n] == expected).all()
    assert sum(e.relevance[0]) == start[0].sum()


def test_on_a_border_nothing_is_shared() -> None:
    net = kmeans(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 9.0]]), beta=1.0)
    x = np.array([[0.0, 2.0]])
    e = lrp.explain(net, x, target=0)
    assert e.output[0, 0] == 0
    assert (e.relevance == 0).all()
    given = lrp.explain(net.until("differences"), x, start=np.array([[[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]))
    assert given.ledger[0].dropped[0] == 2  # h = 0 with relevance: dropped, and said
    assert (given.relevance == 0).all()


def test_a_sample_on_a_centre() -> None:
    e = lrp.explain(kmeans(CENTERS, beta=0.5), CENTERS)
    nearest = np.array([np.delete(((c - CENTERS) ** 2).sum(1), k).min() for k, c in enumerate(CENTERS)])
    np.testing.assert_allclose(e.output[np.arange(5), np.arange(5)], nearest, rtol=1e-12)
    np.testing.assert_allclose(e.relevance.sum(1), nearest, rtol=1e-12)
    assert not any((row.dropped != 0).any() for row in e.ledger)
    for n in range(5):
        np.testing.assert_allclose(e.relevance[n], literal.kmeans(CENTERS[n], CENTERS, n, 0.5)[1], rtol=1e-11)


def test_two_clusters_are_a_linear_score() -> None:
    x = RNG.normal(size=(4, 3))
    e = lrp.explain(kmeans(CENTERS[:2]), x, target=0)
    w, middle = 2 * (CENTERS[0] - CENTERS[1]), CENTERS[:2].mean(0)
    np.testing.assert_allclose(e.relevance, w * (x - middle), rtol=1e-11, atol=1e-13)


def test_relevance_of_clusters_has_both_signs() -> None:
    relevance = lrp.explain(kmeans(CENTERS), RNG.normal(size=(20, 3))).relevance
    assert (relevance < 0).any()
    assert (relevance > 0).any()


def test_beta_is_one_over_the_mean_margin() -> None:
    data = RNG.normal(size=(50, 3))
    square = np.sort(((data[:, None] - CENTERS) ** 2).sum(2), axis=1)
    net = kmeans(CENTERS, data=data)
    assert net["pool"].layer.gamma == pytest.approx(1 / (square[:, 1] - square[:, 0]).mean(), rel=1e-12)
    assert net.notes[0].endswith("1/mean margin of the data")
    own = [np.delete(((c - CENTERS) ** 2).sum(1), k).min() for k, c in enumerate(CENTERS)]
    assert kmeans(CENTERS)["pool"].layer.gamma == pytest.approx(1 / np.mean(own), rel=1e-12)
    assert kmeans(CENTERS, beta=2)["pool"].layer.gamma == 2


def test_a_pair_of_clusters() -> None:
    x = RNG.normal(size=(4, 3))
    square = ((x[:, None] - CENTERS) ** 2).sum(2)
    for i, j in ((3, 1), (0, 4)):
        e = lrp.explain(kmeans(CENTERS, output=("pair", i, j)), x)
        np.testing.assert_allclose(e.output[:, 0], square[:, j] - square[:, i], rtol=1e-12)
        np.testing.assert_allclose(e.relevance, (x - CENTERS[j]) ** 2 - (x - CENTERS[i]) ** 2, rtol=1e-9, atol=1e-12)
    assert kmeans(CENTERS[:2], output=("pair", 1, 0)).forward(x).shape == (4, 1)


# Mixtures ------------------------------------------------------------------------------------------------------------


@needed
@pytest.mark.parametrize("kind", KINDS)
def test_stored_mixtures(kind: str) -> None:
    g = Golden(f"gmm_{kind}")
    rows = np.arange(12), g["component"]
    net = mixture(g["weights"], g["means"], g["precisions"])
    e = lrp.explain(net, g["x"], trace=True)
    g.agrees(e.trace.values["scores"], "log_prob")
    g.agrees(e.output[rows], "logit")
    g.agrees(e.relevance, "relevance")
    g.agrees(sum(row.bias for row in e.ledger), "bias")
    score = lrp.explain(mixture(g["weights"], g["means"], g["precisions"], output="outlier"), g["x"])
    g.agrees(-score.output[:, 0], "score_samples")
    g.agrees(score.relevance, "relevance_score")
    g.agrees(sum(row.bias for row in score.ledger), "constant_score")
    assert max(e.ledger.residual, score.ledger.residual) <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_are_their_formulas(kind: str) -> None:
    weights, means, precisions, matrices = a_mixture(kind)
    x = np.random.default_rng(3).normal(size=(5, 3))
    named = {"covariance": kind}
    odds = lrp.explain(mixture(weights, means, precisions, **named), x, target=2)
    outlier = lrp.explain(mixture(weights, means, precisions, output="outlier", **named), x)
    scores = mixture(weights, means, precisions, output="decision", **named).forward(x)
    pair = lrp.explain(mixture(weights, means, precisions, output=("pair", 3, 1), **named), x)
    apart = x[:, None] - means
    q = apart * np.einsum("kij,nkj->nki", matrices, apart)
    for n in range(5):
        joint = literal.log_joint(x[n], weights, means, matrices)
        np.testing.assert_allclose(scores[n], joint, rtol=1e-11)
        h = {k: joint[2] - joint[k] for k in (0, 1, 3)}
        o, p = literal.soft_minimum(list(h.values()), 1.0)
        assert odds.output[n, 2] == pytest.approx(o, rel=1e-9)
        expected = sum(s * o / h[k] * (q[n, k] - q[n, 2]) / 2 for s, k in zip(p, h, strict=True))
        np.testing.assert_allclose(odds.relevance[n], expected, rtol=1e-8, atol=1e-10)
        o, p = literal.soft_minimum([-v for v in joint], 1.0)
        assert outlier.output[n, 0] == pytest.approx(o, rel=1e-10)
        np.testing.assert_allclose(outlier.relevance[n], sum(p[k] * q[n, k] / 2 for k in range(4)), rtol=1e-9)
        assert pair.output[n, 0] == pytest.approx(joint[3] - joint[1], rel=1e-9)
        np.testing.assert_allclose(pair.relevance[n], (q[n, 1] - q[n, 3]) / 2, rtol=1e-7, atol=1e-10)
    assert max(e.ledger.residual for e in (odds, outlier, pair)) <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_only_without_correlations_an_outlier_score_has_no_negative_relevance(kind: str) -> None:
    weights, means, precisions, _ = a_mixture(kind, d=6, seed=1)
    net = mixture(weights, means, precisions, output="outlier")
    relevance = lrp.explain(net, np.random.default_rng(2).normal(size=(50, 6))).relevance
    assert (relevance < 0).any() == (kind in ("full", "tied"))


def test_equal_components_share_alike() -> None:
    net = mixture(np.array([0.5, 0.5]), np.zeros((2, 3)), np.ones(2))
    e = lrp.explain(net, RNG.normal(size=(3, 3)), target=0)
    assert (e.output == 0).all()
    assert (e.relevance == 0).all()


def test_one_component() -> None:
    net = mixture(np.ones(1), CENTERS[:1], np.ones(1), output="outlier")
    e = lrp.explain(net, CENTERS)
    square = (CENTERS - CENTERS[0]) ** 2
    np.testing.assert_allclose(e.output[:, 0], square.sum(1) / 2 + 1.5 * np.log(2 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(e.relevance, square / 2, rtol=1e-12)


def test_the_scores_of_a_mixture_are_exact_on_rationals() -> None:
    weights, means, precisions, _ = a_mixture("full")
    net = lrp.arithmetic.rational(mixture(weights, means.round(2), precisions.round(2))).until("differences")
    x = lrp.arithmetic.rational(RNG.normal(size=(2, 3)).round(2))
    e = lrp.explain(net, x, start=lrp.arithmetic.rational(RNG.normal(size=(2, 4, 3)).round(3)))
    assert e.ledger.residual == 0


@pytest.mark.parametrize("output", ["logodds", "outlier", "decision", ("pair", 0, 2)])
def test_single_precision_and_samples_alone(output) -> None:
    weights, means, precisions, _ = a_mixture("full")
    net, x = mixture(weights, means, precisions, output=output), RNG.normal(size=(4, 3))
    together = lrp.explain(net, x, target=0).relevance
    for n in range(4):
        np.testing.assert_allclose(lrp.explain(net, x[n : n + 1], target=0).relevance[0], together[n], rtol=1e-12)
    assert lrp.explain(net, x[:0], target=0).relevance.shape == (0, 3)
    single = mixture(weights, means.astype("float32"), precisions.astype("float32"), output=output)
    e = lrp.explain(single, x.astype("float32"), target=0)
    assert e.output.dtype == e.relevance.dtype == np.float32


SQUARE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: kmeans(CENTERS[:1]), ParameterError, "give at least 2 centers, got 1"),
        (lambda: kmeans(CENTERS[0]), ShapeError, "centers must be floats (K, D)"),
        (lambda: kmeans(CENTERS.tolist()), ParameterError, "centers must be an array of floats, got list"),
        (lambda: kmeans(CENTERS, beta=0.0), ParameterError, "beta must be > 0, got 0.0"),
        (lambda: kmeans(CENTERS[[0, 0]]), ParameterError, "the mean margin of 2 samples is 0.0: give beta"),
        (lambda: kmeans(CENTERS, data=CENTERS[:0]), ParameterError, "of 0 samples"),
        (lambda: kmeans(CENTERS, data=CENTERS[:, :2]), ShapeError, "data of shape (5, 2)"),
        (lambda: kmeans(CENTERS, output="decision"), ParameterError, "output of k-means 'decision'"),
        (lambda: kmeans(CENTERS, output=("pair", 1, 1)), ParameterError, "two different numbers, each 0 to 4"),
        (lambda: kmeans(CENTERS, output=("pair", 1, 5)), ParameterError, "each 0 to 4"),
        (lambda: kmeans(CENTERS, output=("pair", "cat", 1)), ParameterError, "with their numbers"),
        (lambda: mixture(np.ones(2), SQUARE, SQUARE), ShapeError, "weights must be (3,)"),
        (lambda: mixture(np.array([1, 1, 0.0]), SQUARE, SQUARE), ParameterError, "weights must be > 0, got 0.0"),
        (lambda: mixture(np.ones(3), SQUARE, SQUARE), ParameterError, "may be tied or diag: say which"),
        (lambda: mixture(np.ones(3), SQUARE, np.ones(4)), ShapeError, "expected one of full (3, 3, 3), tied"),
        (lambda: mixture(np.ones(3), SQUARE, np.ones(3), covariance="full"), ShapeError, "are not 'full'"),
        (lambda: mixture(np.ones(3), SQUARE, np.ones(3), covariance="diagonal"), ParameterError, "'diagonal'"),
        (lambda: mixture(np.ones(3), SQUARE, -np.ones(3)), ParameterError, "positive definite"),
        (lambda: mixture(np.ones(3), SQUARE, -SQUARE, covariance="tied"), ParameterError, "one of the matrices is not"),
        (lambda: mixture(np.ones(3), SQUARE, np.ones(3), output="margin"), ParameterError, "output 'margin'"),
        (lambda: mixture(np.ones(1), SQUARE[:1], np.ones(1)), ParameterError, "ask for output='outlier'"),
    ],
)
def test_refusals(call, error, words) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_the_advice_is_good() -> None:
    kmeans(CENTERS[[0, 0]], beta=1.0)
    kmeans(CENTERS[[0, 0]], data=CENTERS[:2], output=("pair", 0, 1))
    mixture(np.ones(3), SQUARE, SQUARE, covariance="tied")
    mixture(np.ones(1), SQUARE[:1], np.ones(1), output="outlier")


def test_the_gradient_of_a_margin_is_that_of_the_nearest_other_centre() -> None:
    x = RNG.normal(size=(6, 3))
    e = lrp.explain(kmeans(CENTERS), x, composite="gradient", start="one_hot")
    nearest = np.argsort(((x[:, None] - CENTERS) ** 2).sum(2), axis=1)
    np.testing.assert_allclose(e.relevance, 2 * (CENTERS[nearest[:, 0]] - CENTERS[nearest[:, 1]]), rtol=1e-12)


def test_the_gradient_of_log_odds_is_that_of_automatic_differentiation() -> None:
    torch = pytest.importorskip("torch")
    weights, means, precisions, matrices = a_mixture("full")
    x = torch.tensor(RNG.normal(size=(4, 3)), requires_grad=True)
    apart = x[:, None] - torch.tensor(means)
    q = torch.einsum("nki,kij,nkj->nk", apart, torch.tensor(matrices), apart)
    joint = torch.log(torch.tensor(weights)) + torch.logdet(torch.tensor(matrices)) / 2 - q / 2
    (joint[:, 1] - torch.logsumexp(joint[:, [0, 2, 3]], dim=1)).sum().backward()
    net = mixture(weights, means, precisions)
    e = lrp.explain(net, x.detach().numpy(), composite="gradient", start="one_hot", target=1)
    np.testing.assert_allclose(e.relevance, x.grad.numpy(), rtol=1e-9)
