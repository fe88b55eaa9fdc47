"""Linear models, naive Bayes, tf-idf: stored numbers, rationals, what is explained of a classifier, and refusals."""

from fractions import Fraction

import numpy as np
import pytest
from golden_nonneural import Golden, needed

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Affine, Dense, UnitNorm
from lrp_ref.neuralise import Fitted, from_fitted, linear, naive_bayes
from lrp_ref.neuralise.scores import named_classes

RNG = np.random.default_rng(11)


def bias_of(e: lrp.Explanation) -> np.ndarray:
    return sum(row.bias for row in e.ledger)


# Stored numbers ------------------------------------------------------------------------------------------------------


@needed
@pytest.mark.parametrize("case", ["linear_LinearSVC", "linear_LogisticRegression"])
@pytest.mark.parametrize("policy", ["column", "uniform", "nonzero"])
def test_stored_linear_models(case: str, policy: str) -> None:
    g = Golden(case)
    net = linear(g["weight"], g["bias"])
    each = [lrp.explain(net, g["x"], target=c, bias=policy) for c in range(10)]
    g.agrees(each[0].output, "output")
    g.agrees(np.stack([e.relevance for e in each], axis=1), f"relevance_{policy}")
    kept = np.stack([bias_of(e) for e in each], axis=1)
    assert np.abs(kept - g[f"bias_{policy}"]).max() <= g.about["tolerance"]
    assert max(e.ledger.residual for e in each) <= 1e-12


@needed
@pytest.mark.parametrize("case", ["linear_LinearSVC", "linear_LogisticRegression"])
def test_stored_log_odds(case: str) -> None:
    g = Golden(case)
    g.agrees(linear(g["weight"], g["bias"], output="logodds").forward(g["x"])[:, 0], "logodds_class0")


@needed
def test_stored_naive_bayes() -> None:
    g = Golden("multinomial_nb")
    net = naive_bayes(g["weight"].T, g["bias"])
    e = lrp.explain(net, g["x"], target=g["target"])
    g.agrees(e.output[np.arange(12), g["target"]], "logodds")
    g.agrees(e.relevance, "relevance_logodds")
    g.agrees(bias_of(e), "bias_logodds")
    assert e.ledger.residual <= 1e-12
    scores = naive_bayes(g["weight"].T, g["bias"], output="decision")
    each = [lrp.explain(scores, g["x"], target=c) for c in range(10)]
    g.agrees(each[0].output, "output")
    g.agrees(np.stack([e.relevance for e in each], axis=1), "relevance_logit")


def tfidf(g: Golden, sublinear: bool = False) -> lrp.Network:
    held = {"norm": "l2", "use_idf": True, "sublinear_tf": sublinear, "idf_": g["idf"]}
    words = {word: k for k, word in enumerate(g.about["vocabulary"])}
    vectorizer = Fitted("TfidfVectorizer", {"_tfidf": Fitted("TfidfTransformer", held), "vocabulary_": words})
    svm = Fitted("LinearSVC", {"coef_": g["weight"].reshape(1, -1), "intercept_": g["bias"]})
    return from_fitted(Fitted("Pipeline", {"steps": (("tfidf", vectorizer), ("svm", svm))}))


@needed
@pytest.mark.parametrize("sublinear", [False, True])
def test_stored_tfidf(sublinear: bool) -> None:
    g = Golden("tfidf_linearsvc" + "_sublinear" * sublinear)
    net = tfidf(g, sublinear)
    assert net.inputs[0].shape == (None, 14)
    assert [n.name for n in net.nodes] == [*["sublinear"] * sublinear, "idf", "norm", "scores"]
    e = lrp.explain(net, g["counts"])
    g.agrees(e.output[:, 0], "output")
    g.agrees(e.relevance, "relevance")
    assert np.abs(bias_of(e) - g["bias"]).max() <= 1e-12
    assert e.ledger.residual <= 1e-12


@needed
def test_gradient_times_counts_is_a_contrast_that_sums_to_0() -> None:
    """The score without its bias does not change when all counts grow alike (Euler), so that it is no sum of this."""
    g = Golden("tfidf_linearsvc")
    a = lrp.attribute(tfidf(g), g["counts"], "gradient_x_input")
    g.agrees(a.relevance, "gradient_times_count")
    assert np.abs(a.relevance.sum(axis=1)).max() <= 1e-15
    assert np.abs(g["output"] - g["bias"]).max() > 0.5


@needed
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("reference", ["mean", "zero"])
def test_stored_pipeline(whiten: bool, reference: str) -> None:
    g = Golden("pipeline_scaler_pca_logistic" + "_whiten" * whiten)
    pca = {"mean_": g["pca_mean"], "components_": g["pca_components"], "explained_variance_": g["pca_variance"]}
    steps = (
        ("scale", Fitted("StandardScaler", {"mean_": g["scaler_mean"], "scale_": g["scaler_scale"]})),
        ("turn", Fitted("PCA", pca | {"whiten": whiten})),
        ("model", Fitted("LogisticRegression", {"coef_": g["weight"].reshape(1, -1), "intercept_": g["intercept"]})),
    )
    net = from_fitted(Fitted("Pipeline", {"steps": steps}), reference=reference)
    e = lrp.explain(net, g["x"])
    g.agrees(e.output[:, 0], "output")
    g.agrees(e.relevance, f"relevance_{reference}")
    kept = g["bias_zero"] if reference == "zero" else g["intercept"]
    assert np.abs(bias_of(e) - kept).max() <= 1e-10 * max(1, float(np.abs(kept).max()))
    assert e.ledger.residual <= 1e-12
    names = [n.name for n in net.nodes]
    assert names == (["scores"] if reference == "zero" else ["scaler", "pca", "scores"])
    assert ("reference of node scaler" in repr(net)) == (reference == "mean")
    assert not whiten or reference == "mean" or np.abs(e.relevance).max() > 0


# Exact numbers -------------------------------------------------------------------------------------------------------


def fractions(values) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=object))


X = fractions([[1, 0, -2], [0, 0, 0], ["1/3", 5, "-7/2"]])
W = fractions([[2, "-1/3", 0], [-1, 4, "1/7"], ["3/2", 0, -5]])
B = fractions(["1/2", 0, -3])


@pytest.mark.parametrize("output", ["decision", ("pair", 2, 0)])
@pytest.mark.parametrize("policy", ["column", "uniform", "nonzero"])
def test_linear_models_on_rationals(output, policy: str) -> None:
    w, b = (W, B) if output == "decision" else (W[:, [2]] - W[:, [0]], B[[2]] - B[[0]])
    start = fractions([[1, -2, "1/5"], [3, 1, 1], [0, "-4/7", 2]])[:, : w.shape[1]]
    scores = X @ w + b
    share = [[r / z if z else 0 for r, z in zip(*row, strict=True)] for row in zip(start, scores, strict=True)]
    e = lrp.explain(linear(W, B, output=output), X, start=start, bias=policy)
    assert (e.output == scores).all()
    for n in range(3):
        there = [i for i in range(3) if policy == "uniform" or (policy == "nonzero" and X[n, i])]
        for i in range(3):
            own = sum((X[n, i] * w[i, c] + (b[c] / len(there) if i in there else 0)) * share[n][c]
                      for c in range(w.shape[1]))  # fmt: skip
            assert e.relevance[n, i] == own
        kept = 0 if there else sum(b[c] * share[n][c] for c in range(w.shape[1]))
        assert e.ledger[0].bias[n] == kept
    assert all((row.residual == 0).all() for row in e.ledger)


def test_tfidf_given_the_norm_on_rationals() -> None:
    """Documents whose tf-idf vectors have rational norms, so that the numbers of the whole chain are known."""
    counts, idf = fractions([[3, 2, 0], [0, 5, 6], [1, 1, 1]]), fractions([1, 2, 2])
    weight, bias = fractions([["1/2"], [-3], [7]]), fractions(["1/9"])
    norms = fractions([5, 122, 3])  # of the second one it has no rational root: any constant will do
    for n in range(3):
        held = ("norm", Affine(fractions([1 / norms[n]])))
        chain = lrp.Network.sequential([("idf", Affine(idf)), held, ("scores", Dense(weight, bias))])
        e = lrp.explain(chain, counts[n : n + 1], composite="lrp0")
        expected = [counts[n, i] * idf[i] / norms[n] * weight[i, 0] for i in range(3)]
        assert list(e.relevance[0]) == expected
        assert e.output[0, 0] == sum(expected) + bias[0]
        assert all((row.residual == 0).all() for row in e.ledger)
    for norm in ("l1", "max"):  # these norms are rational
        net = lrp.Network.sequential([("idf", Affine(idf)), ("norm", UnitNorm(norm)), Dense(weight, bias)])
        e = lrp.explain(net, counts, composite="lrp0")
        sizes = [(sum if norm == "l1" else max)(c * i for c, i in zip(row, idf, strict=True)) for row in counts]
        expected = [[c * i / s * w[0] for c, i, w in zip(row, idf, weight, strict=True)]
                    for row, s in zip(counts, sizes, strict=True)]  # fmt: skip
        assert (e.relevance == fractions(expected)).all()
        assert all((row.residual == 0).all() for row in e.ledger)


# What is explained ---------------------------------------------------------------------------------------------------


def test_log_odds_are_those_of_a_softmax() -> None:
    weight, bias, x = RNG.normal(size=(4, 5)), RNG.normal(size=5), RNG.normal(size=(6, 4))
    f = x @ weight + bias
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(linear(weight, bias, output="logodds").forward(x), np.log(p / (1 - p)), rtol=1e-12)
    for c in range(5):
        e = lrp.explain(linear(weight, bias, output="logodds"), x, target=c)
        others = [k for k in range(5) if k != c]
        q = np.exp(f[:, others]) / np.exp(f[:, others]).sum(axis=1, keepdims=True)
        # R_i = Σ_k p_k o (w_c − w_k)_i x_i / (f_c − f_k)
        factor = q * e.output[:, [c]] / (f[:, [c]] - f[:, others])
        expected = x * (factor @ (weight[:, [c]] - weight[:, others]).T)
        np.testing.assert_allclose(e.relevance, expected, rtol=1e-9, atol=1e-12)
        assert e.ledger.residual <= 1e-12


def test_a_model_without_an_output_has_nothing_to_explain() -> None:
    net = lrp.Network.sequential([Dense(np.ones((3, 0)))])
    with pytest.raises(ShapeError, match=r"output of shape \(2, 0\) has no numbers for a sample"):
        lrp.explain(net, np.ones((2, 3)))


def test_a_name_that_is_too_long_is_near_to_none() -> None:
    """It may be a text of 1 MB in a file, with which a comparison would take hours."""
    kind = "linear svc " * 30
    with pytest.raises(UnsupportedError, match=r"supported\(\) lists") as caught:
        from_fitted(Fitted(kind, {}))
    assert "with names like it" not in str(caught.value)
    with pytest.raises(UnsupportedError, match="with names like it"):
        from_fitted(Fitted("linear svc", {}))
    with pytest.raises(ParameterError) as wrong:
        linear(np.ones(3), output="decision " * 10**5)
    assert len(str(wrong.value)) < 400
    assert "did you mean" not in str(wrong.value)


def test_one_score_for_two_classes() -> None:
    weight, x = np.array([1.0, -2.0]), np.array([[3.0, 0.5], [0.0, 0.0]])
    decision = linear(weight, np.array([0.25]))
    assert decision.forward(x).tolist() == [[2.25], [0.25]]
    both = linear(weight, 0.25, output="logodds")
    assert both.forward(x).tolist() == [[-2.25, 2.25], [-0.25, 0.25]]
    assert linear(weight, 0.25, output=("pair", 0, 1)).forward(x).tolist() == [[-2.25], [-0.25]]
    assert lrp.explain(both, x, target=0).relevance.tolist() == [[-3.0, 1.0], [0.0, 0.0]]
    assert lrp.explain(decision, x).relevance.tolist() == [[3.0, -1.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", ["multinomial", "complement", "bernoulli"])
@pytest.mark.parametrize("classes", [2, 4])
def test_naive_bayes_is_its_literal_sum(kind: str, classes: int) -> None:
    p = RNG.dirichlet(np.ones(6), size=classes) * (0.9 if kind == "bernoulli" else 1)
    prior = np.log(RNG.dirichlet(np.ones(classes)))
    x = RNG.poisson(1.0, size=(5, 6)).astype(float)
    expected = np.zeros((5, classes))
    for n in range(5):
        for c in range(classes):
            total = 0.0 if kind == "complement" else prior[c]
            for i in range(6):
                if kind == "bernoulli":
                    total += np.log(p[c, i]) if x[n, i] > 0 else np.log(1 - p[c, i])
                else:
                    total += x[n, i] * np.log(p[c, i])
            expected[n, c] = total
    options = {"kind": kind, "threshold": 0.0 if kind == "bernoulli" else None}
    scores = naive_bayes(np.log(p), prior, output="decision", **options).forward(x)
    np.testing.assert_allclose(scores, expected, rtol=1e-11)
    e = lrp.explain(naive_bayes(np.log(p), prior, **options), x)
    share = np.exp(expected - expected.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(1 / (1 + np.exp(-e.output)), share, rtol=1e-9, atol=1e-12)
    assert e.ledger.residual <= 1e-12


def test_relevance_of_log_likelihoods_is_never_positive_and_that_of_log_odds_is() -> None:
    """Why naive Bayes is explained by log-odds: no word ever speaks for a class by its likelihood."""
    p = RNG.dirichlet(np.ones(6), size=3)
    x = RNG.poisson(2.0, size=(9, 6)).astype(float)
    joint = lrp.explain(naive_bayes(np.log(p), output="decision"), x)
    assert (joint.relevance <= 0).all()
    odds = lrp.explain(naive_bayes(np.log(p)), x)
    assert (odds.relevance > 0).any(axis=1).all()


def test_single_precision_stays() -> None:
    net = linear(RNG.normal(size=(4, 3)).astype("f4"), RNG.normal(size=3).astype("f4"), output="logodds")
    e = lrp.explain(net, RNG.normal(size=(2, 4)).astype("f4"))
    assert e.output.dtype == e.relevance.dtype == np.float32


def test_whatever_is_rewritten_is_explained_by_lrp0() -> None:
    net = linear(np.ones((2, 3)), output=("pair", 0, 1))
    assert net.composite == "lrp0"
    assert lrp.explain(net, np.ones((1, 2))).composite == "lrp0"


def test_names_of_classes() -> None:
    assert named_classes(None) == named_classes([0, 1, 2]) == ()
    assert named_classes([False, True]) != ()
    (note,) = named_classes([f"c{k}" for k in range(20)])
    assert note.endswith("'c11', ...")


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: linear(np.ones((2, 2, 2))), ShapeError, "(2, 2, 2)"),
        (lambda: linear(np.ones((2, 3)), np.ones(2)), ShapeError, "bias must be (3,)"),
        (lambda: linear(np.array([["a"]])), ParameterError, "array of numbers"),
        (lambda: linear(np.ones((2, 3)), output="decisions"), ParameterError, "did you mean 'decision'"),
        (lambda: linear(np.ones((2, 3)), output=("pair", 0, 3)), ParameterError, "0 to 2"),
        (lambda: linear(np.ones((2, 3)), output=("pair", 1, 1)), ParameterError, "one class"),
        (lambda: linear(np.ones((2, 3)), output=("pair", True, 1)), ParameterError, "class True"),
        (lambda: naive_bayes(np.ones(3)), ShapeError, "(K, D)"),
        (lambda: naive_bayes(np.ones((2, 3)), np.ones(3)), ShapeError, "class_log_prior must be (2,)"),
        (lambda: naive_bayes(np.ones((2, 3)), kind="gaussian"), ParameterError, "kind of naive Bayes"),
        (lambda: naive_bayes(np.ones((2, 3)), threshold=1.0), ParameterError, "'bernoulli'"),
        (lambda: naive_bayes(rational(-np.ones((2, 3))), kind="bernoulli"), UnsupportedError, "log"),
    ],
)
def test_refusals(make, kind, words: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert words in str(caught.value)
