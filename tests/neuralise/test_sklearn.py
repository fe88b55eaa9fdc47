"""scikit-learn's estimators, refitted: their own scores, class by class, step by step; which are refused and why."""

import pickle
import warnings

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ParameterError, UnsupportedError
from lrp_ref.layers import Centred
from lrp_ref.neuralise import Fitted, from_sklearn, supported
from lrp_ref.neuralise.estimators.pipelines import HOLDS, SELECTS, SEVERAL
from lrp_ref.neuralise.estimators.table import ESTIMATORS, REFUSED, STEPS

pytest.importorskip("sklearn")
from sklearn import (
    base,
    discriminant_analysis,
    feature_extraction,
    feature_selection,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neural_network,
    pipeline,
    preprocessing,
    svm,
)
from sklearn.utils import all_estimators

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CLASSES = dict(all_estimators())
OUR_OWN_SCORE = {  # what has no score of its own that is linear or a sum is compared elsewhere
    "AffinityPropagation", "BayesianGaussianMixture", "BisectingKMeans", "GaussianMixture", "KMeans", "KernelDensity",
    "MeanShift", "MiniBatchKMeans", "OneClassSVM",
}  # fmt: skip
LOG_LINK = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
pytestmark = pytest.mark.filterwarnings("ignore")


class Data:
    """Samples with labels of two and three classes, numbers, and several numbers; drawn anew for each seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(90, 6)) * np.array([1, 5, 0.2, 1, 1, 2]) + np.array([0, 40, -3, 0, 1, 0])
        z = (self.x - self.x.mean(axis=0)) / self.x.std(axis=0)
        numbers = z @ rng.normal(size=6) + 0.1 * rng.normal(size=90)
        self.two = np.where(numbers > 0, "spam", "ham")
        self.three = np.digitize(z[:, 0] + 0.5 * rng.normal(size=90), [-0.5, 0.5]) * 2 + 3
        self.number, self.numbers = np.exp(numbers / 3), np.stack([numbers, z[:, 1] - numbers], axis=1)
        self.q = self.x[:9] + rng.normal(size=(9, 6))
        self.counts, self.q_counts = rng.poisson(1.0, size=(90, 6)) + 0.0, rng.poisson(1.0, size=(9, 6)) + 0.0

    def targets(self):
        return self.two, self.three, self.number, self.numbers


def column(values) -> np.ndarray:
    values = np.asarray(values)
    return values.reshape(len(values), -1)


def model(name: str):
    """Return the estimator of that name as it comes, but for a seed where it draws."""
    made = CLASSES[name]()
    return made.set_params(random_state=0) if "random_state" in made.get_params() else made


def agrees(net: lrp.Network, q: np.ndarray, expected, *, conserves: bool = True) -> None:
    """Check the output, that the ledger closes, and that a sample alone is what it is in the batch.

    Rounding grows with the terms, not with the score that they add up to: a score near zero is measured by them.
    """
    found, expected = net.forward(q), column(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max())
    if conserves:
        e = lrp.explain(net, q)
        terms, start = np.abs(e.relevance).sum(axis=1), np.abs(e.ledger[0].relevance_out)
        assert e.ledger.residual <= 1e-12 * max(1.0, (terms / start).max())
        alone = lrp.explain(net, q[4:5])
        np.testing.assert_allclose(alone.relevance[0], e.relevance[4], rtol=1e-9, atol=1e-12)


# All of them ---------------------------------------------------------------------------------------------------------


def test_every_class_is_supported_or_refused_with_a_reason() -> None:
    known = supported()
    assert {n for n in CLASSES if n not in known["models"] and n not in known["steps"] and n not in REFUSED} == set()


def test_no_class_is_both() -> None:
    assert {*supported()["models"], *supported()["steps"]} & REFUSED.keys() == set()


def test_names_in_the_table_are_those_of_scikit_learn() -> None:
    experimental = {"HalvingGridSearchCV", "HalvingRandomSearchCV", "IterativeImputer"}
    assert {*ESTIMATORS, *STEPS, *HOLDS, *SELECTS, *SEVERAL, *REFUSED} - CLASSES.keys() == experimental


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_class_says_why(name: str) -> None:
    alone = Fitted(name, {"coef_": np.ones(2)})
    behind = Fitted("Pipeline", {"steps": (("a", alone), ("b", Fitted("Ridge", {"coef_": np.ones(2)})))})
    for one in (alone, behind):
        with pytest.raises(UnsupportedError) as caught:
            lrp.neuralise.from_fitted(one)
        assert str(caught.value) == f"{name} is not supported: {REFUSED[name]}"


@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - OUR_OWN_SCORE))
@pytest.mark.parametrize("seed", [0, 1])
def test_every_model_has_the_score_of_its_estimator(name: str, seed: int) -> None:
    data, done = Data(seed), 0
    for y in data.targets():
        counts = name in ("BernoulliNB", "ComplementNB", "MultinomialNB")
        x, q = (data.counts, data.q_counts) if counts else (data.x, data.q)
        if name in ("SVC", "NuSVC") and len(set(map(str, y.reshape(len(y), -1)[:, 0]))) > 2:
            continue  # votes
        try:
            fitted = model(name).fit(x, y)
        except (ValueError, TypeError):
            continue  # not for such targets
        done += 1
        if hasattr(fitted, "decision_function"):
            expected = fitted.decision_function(q)
        elif hasattr(fitted, "predict_joint_log_proba"):
            expected = fitted.predict_joint_log_proba(q)
        elif hasattr(fitted, "predict_proba"):
            chances = fitted.predict_proba(q)  # a perceptron: up to a constant, the logits
            found = column(from_sklearn(fitted, "decision").forward(q))
            if found.shape[1] == 1:
                expected = np.log(chances[:, 1] / chances[:, 0])
            else:
                expected = np.log(chances) + (found - np.log(chances)).mean(axis=1, keepdims=True)
        else:
            expected = fitted.predict(q)
        net = from_sklearn(fitted, "decision")
        if name in LOG_LINK and net.notes:
            expected = np.log(expected)
        # Kernel machines at a root have their own tests, and perceptrons are explained by ε.
        agrees(net, q, expected, conserves=name not in ("KernelRidge", "NuSVC", "NuSVR", "SVC", "SVR"))
    assert done


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("reference", ["mean", "zero"])
@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_is_what_it_is_in_a_pipeline(name: str, seed: int, reference: str) -> None:
    data = Data(seed)
    own = {
        "Binarizer": {"threshold": 1.0},
        "FastICA": {"random_state": 0},
        "GenericUnivariateSelect": {"mode": "k_best", "param": 3},
        "SelectKBest": {"k": 3},
        "SelectPercentile": {"percentile": 40},
        "TruncatedSVD": {"n_components": 3},
    }.get(name, {})
    if name in ("GaussianRandomProjection", "SparseRandomProjection"):
        own = {"n_components": 4, "random_state": 0}
    x, q = (data.counts, data.q_counts) if "Tfidf" in name else (data.x, data.q)
    if "Vectorizer" in name:
        texts = [" ".join(f"word{k}" for k in range(6) for _ in range(int(row[k]))) for row in data.counts]
        made = pipeline.make_pipeline(CLASSES[name](), linear_model.LogisticRegression()).fit(texts, data.three)
        counter = CLASSES[name](norm=None) if "Hashing" in name else feature_extraction.text.CountVectorizer()
        q = counter.fit(texts).transform(texts[:5]).toarray().astype(float)
        agrees(from_sklearn(made, "decision"), q, made.decision_function(texts[:5]), conserves="Hashing" not in name)
        return
    step = CLASSES[name]
    if name in ("RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector"):
        made = step(linear_model.LogisticRegression())
    else:
        made = step(**own)
    whole = pipeline.make_pipeline(made, linear_model.LogisticRegression()).fit(x, data.three)
    net = from_sklearn(whole, reference=reference)
    assert net.inputs[0].shape == (None, 6)
    agrees(net, q, whole.decision_function(q))
    if reference == "zero":
        assert not any(isinstance(node.layer, Centred) for node in net.nodes)


# Outputs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_log_odds_are_those_of_predict_proba(seed: int) -> None:
    data = Data(seed)
    models = [
        linear_model.LogisticRegression(max_iter=1000),
        naive_bayes.GaussianNB(),
        discriminant_analysis.LinearDiscriminantAnalysis(),
        discriminant_analysis.QuadraticDiscriminantAnalysis(),
        neural_network.MLPClassifier((7,), max_iter=50, random_state=0),
    ]
    for model in models:
        for y in (data.two, data.three):
            p = model.fit(data.x, y).predict_proba(data.q)
            net = from_sklearn(model, "logodds")
            o = net.forward(data.q)
            np.testing.assert_allclose(1 / (1 + np.exp(-o)), p, rtol=1e-9, atol=1e-12)
            assert lrp.explain(net, data.q, target=1).ledger.residual <= 1e-12


def test_the_sign_of_one_column_is_that_of_the_second_class() -> None:
    data = Data(3)
    for model in (
        svm.LinearSVC(),
        linear_model.RidgeClassifier(),
        discriminant_analysis.QuadraticDiscriminantAnalysis(),
    ):
        model.fit(data.x, data.two)
        net = from_sklearn(model)
        assert model.classes_.tolist() == ["ham", "spam"]
        assert np.array_equal(net.forward(data.q)[:, 0] > 0, model.predict(data.q) == "spam")
        assert "> 0 for class 'spam'" in repr(net)


def test_target_counts_classes_as_classes_does() -> None:
    data = Data(4)
    model = linear_model.LogisticRegression().fit(data.x, data.three)
    e = lrp.explain(from_sklearn(model), data.q)
    assert np.array_equal(model.classes_[e.target[:, 0]], model.predict(data.q))
    assert "outputs 0, 1, 2 are the classes 3, 5, 7" in repr(from_sklearn(model))


def test_a_difference_of_two_classes() -> None:
    data = Data(5)
    model = linear_model.LogisticRegression().fit(data.x, data.three)
    f = model.decision_function(data.q)
    agrees(from_sklearn(model, ("pair", 2, 0)), data.q, f[:, 2] - f[:, 0])
    discriminant = discriminant_analysis.QuadraticDiscriminantAnalysis().fit(data.x, data.three)
    f = discriminant.decision_function(data.q)
    agrees(from_sklearn(discriminant, ("pair", 0, 1)), data.q, f[:, 0] - f[:, 1])


def test_labels_of_which_several_hold() -> None:
    data = Data(6)
    y = np.stack([data.two == "spam", data.three == 3, data.three == 7], axis=1).astype(int)
    ridge = linear_model.RidgeClassifier().fit(data.x, y)
    agrees(from_sklearn(ridge), data.q, ridge.decision_function(data.q))
    with pytest.raises(UnsupportedError, match="several may hold"):
        from_sklearn(ridge, "logodds")
    several = multiclass.OneVsRestClassifier(svm.LinearSVC()).fit(data.x, y)
    agrees(from_sklearn(several), data.q, several.decision_function(data.q))
    net = neural_network.MLPClassifier((5,), max_iter=20, random_state=0).fit(data.x, y)
    p = net.predict_proba(data.q)
    np.testing.assert_allclose(1 / (1 + np.exp(-from_sklearn(net).forward(data.q))), p, rtol=1e-11)
    for model in (several, net):
        with pytest.raises(ParameterError, match="unknown output"):
            from_sklearn(model, "logodds")


def test_linear_one_class_svm() -> None:
    data = Data(7)
    model = linear_model.SGDOneClassSVM(random_state=0).fit(data.x)
    agrees(from_sklearn(model, "outlier"), data.q, -model.decision_function(data.q))


def test_sparse_coefficients_and_none_of_them() -> None:
    data = Data(8)
    model = linear_model.LogisticRegression().fit(data.x, data.three).sparsify()
    agrees(from_sklearn(model), data.q, model.decision_function(data.q))
    model = svm.LinearSVC(fit_intercept=False).fit(data.x, data.two)
    agrees(from_sklearn(model), data.q, model.decision_function(data.q))
    assert from_sklearn(model)["scores"].layer.bias is None


# What holds a model, and pipelines -----------------------------------------------------------------------------------


def test_what_holds_a_model_is_that_model() -> None:
    data = Data(9)
    logistic = linear_model.LogisticRegression()
    grid = model_selection.GridSearchCV(logistic, {"C": [0.1, 1.0]}).fit(data.x, data.two)
    agrees(from_sklearn(grid), data.q, grid.decision_function(data.q))
    tuned = model_selection.TunedThresholdClassifierCV(logistic).fit(data.x, data.two)
    agrees(from_sklearn(tuned), data.q, tuned.estimator_.decision_function(data.q))
    ransac = linear_model.RANSACRegressor(random_state=0).fit(data.x, data.number)
    agrees(from_sklearn(ransac), data.q, ransac.predict(data.q))
    chosen = feature_selection.RFE(logistic, n_features_to_select=2).fit(data.x, data.three)
    net = from_sklearn(chosen)
    agrees(net, data.q, chosen.decision_function(data.q))
    assert not lrp.explain(net, data.q).relevance[:, ~chosen.support_].any()
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(preprocessing.StandardScaler().fit(data.x))
    whole = pipeline.make_pipeline(frozen, logistic).fit(data.x, data.two)
    agrees(from_sklearn(whole), data.q, whole.decision_function(data.q))


@pytest.mark.parametrize(
    "inner", [svm.LinearSVC(), pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC())]
)
def test_several_models_side_by_side(inner) -> None:
    data = Data(10)
    for y in (data.two, data.three):
        model = multiclass.OneVsRestClassifier(inner).fit(data.x, y)
        agrees(from_sklearn(model), data.q, model.decision_function(data.q))
        f = column(model.decision_function(data.q))
        f = f if f.shape[1] > 1 else np.concatenate([np.zeros_like(f), f], axis=1)
        agrees(from_sklearn(model, ("pair", 1, 0)), data.q, f[:, 1] - f[:, 0])
        o = from_sklearn(model, "logodds").forward(data.q)
        others = [np.log(np.exp(np.delete(f, c, axis=1)).sum(axis=1)) for c in range(f.shape[1])]
        np.testing.assert_allclose(o, f - np.stack(others, axis=1), rtol=1e-9, atol=1e-9)
    regressors = multioutput.MultiOutputRegressor(linear_model.Ridge()).fit(data.x, data.numbers)
    agrees(from_sklearn(regressors), data.q, regressors.predict(data.q))


def test_a_long_pipeline_and_its_parts() -> None:
    data = Data(11)
    inner = pipeline.make_pipeline(preprocessing.RobustScaler(), "passthrough", None)
    whole = pipeline.make_pipeline(
        feature_selection.VarianceThreshold(0.1),
        preprocessing.StandardScaler(),
        inner,
        CLASSES["PCA"](3, whiten=True),
        preprocessing.MinMaxScaler((-1, 2)),
        preprocessing.FunctionTransformer(),
        linear_model.LogisticRegression(),
    ).fit(data.x, data.three)
    mean, zero = from_sklearn(whole), from_sklearn(whole, reference="zero")
    agrees(mean, data.q, whole.decision_function(data.q))
    agrees(zero, data.q, whole.decision_function(data.q))
    assert [n.name for n in mean.nodes] == ["selection", "scaler", "pca", "scaler_2", "scores"]
    assert [n.name for n in zero.nodes] == ["selection", "scores"]
    # R = x w_eff, with the derivative for w_eff
    for c in range(3):
        slope = lrp.attribute(zero, data.q, "gradient", target=c).relevance
        np.testing.assert_allclose(lrp.explain(zero, data.q, target=c).relevance, slope * data.q, rtol=1e-9, atol=1e-12)


def test_relative_to_the_mean() -> None:
    """R = (x − mean) w_eff, and the bias is what the model says of the mean."""
    data = Data(12)
    whole = pipeline.make_pipeline(preprocessing.StandardScaler(), CLASSES["PCA"](4), svm.LinearSVC()).fit(
        data.x, data.two
    )
    net = from_sklearn(whole)
    e = lrp.explain(net, data.q)
    slope = lrp.attribute(net, data.q, "gradient").relevance
    np.testing.assert_allclose(e.relevance, slope * (data.q - data.x.mean(axis=0)), rtol=1e-9, atol=1e-12)
    at_mean = whole.decision_function(data.x.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(sum(row.bias for row in e.ledger), np.repeat(at_mean, 9), rtol=1e-9)


def test_scalers_of_other_models_and_of_parts() -> None:
    data = Data(13)
    scalers = [
        preprocessing.StandardScaler(with_mean=False),
        preprocessing.StandardScaler(with_std=False),
        preprocessing.StandardScaler(with_mean=False, with_std=False),
        preprocessing.RobustScaler(with_centering=False),
        preprocessing.RobustScaler(with_scaling=False),
        preprocessing.MinMaxScaler((2, 3), clip=True),
        preprocessing.MaxAbsScaler(),
    ]
    for scaler in scalers:
        for reference in ("mean", "zero"):
            whole = pipeline.make_pipeline(scaler, linear_model.Ridge()).fit(data.x, data.number)
            agrees(from_sklearn(whole, reference=reference), data.q, whole.predict(data.q))


@pytest.mark.parametrize("norm", ["l1", "l2", None])
@pytest.mark.parametrize("idf", [True, False])
@pytest.mark.parametrize("sublinear", [True, False])
def test_tfidf_of_all_kinds(norm, idf: bool, sublinear: bool) -> None:
    data = Data(14)
    transformer = feature_extraction.text.TfidfTransformer(
        norm=norm, use_idf=idf, sublinear_tf=sublinear, smooth_idf=not sublinear
    )
    q = data.q_counts.copy()
    q[0] = 0  # an empty document
    whole = pipeline.make_pipeline(transformer, svm.LinearSVC()).fit(data.counts, data.three)
    net = from_sklearn(whole)
    agrees(net, q, whole.decision_function(q))
    for c in range(3):
        e = lrp.explain(net, q, target=c)
        tfidf = whole[0].transform(q).toarray()
        np.testing.assert_allclose(e.relevance, tfidf * whole[1].coef_[c], rtol=1e-10, atol=1e-14)


# Selections ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selection",
    [
        feature_selection.SelectKBest(k=2),
        feature_selection.SelectKBest(k="all"),
        feature_selection.SelectPercentile(percentile=55),
        feature_selection.SelectPercentile(percentile=100),
        feature_selection.SelectFpr(alpha=0.2),
        feature_selection.SelectFdr(alpha=0.5),
        feature_selection.SelectFwe(alpha=0.3),
        *(feature_selection.GenericUnivariateSelect(mode=m, param=p) for m, p in
          (("fdr", 0.5), ("fpr", 0.3), ("fwe", 0.3), ("k_best", 2), ("percentile", 50))),
        feature_selection.SelectFromModel(svm.LinearSVC(C=0.01, penalty="l1", dual=False)),
        feature_selection.SelectFromModel(linear_model.LogisticRegression(), threshold="0.8*median"),
        feature_selection.SelectFromModel(linear_model.Lasso(0.01), max_features=2),
        feature_selection.SelectFromModel(linear_model.Ridge(), threshold=0.01, norm_order=2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ties", [False, True])
def test_selections_keep_what_they_keep(selection, ties: bool) -> None:
    data = Data(15)
    x = data.x.copy()
    if ties:
        x[:, 4], x[:, 1] = x[:, 0], x[:, 0]
    y = (data.three > 4) * 1
    fitted = selection.fit(x, y)
    whole = Fitted("Pipeline", {"steps": (("s", Fitted.of(fitted)), ("m", Fitted("Ridge", {"coef_": np.ones(3)})))})
    (front, *_) = [STEPS[Fitted.of(fitted).kind](Fitted.of(fitted), "mean")]
    kept = list(front[0][1].indices) if front else list(range(6))
    assert kept == np.flatnonzero(fitted.get_support()).tolist()
    assert whole.kind == "Pipeline"


def test_a_selection_of_nothing() -> None:
    data = Data(16)
    nothing = Fitted.of(feature_selection.SelectKBest(k=1).fit(data.x, data.two).set_params(k=0))
    with pytest.raises(ParameterError, match="keeps none of 6 features"):
        lrp.neuralise.from_fitted(
            Fitted("Pipeline", {"steps": (("s", nothing), ("m", Fitted("Ridge", {"coef_": np.ones(0)})))})
        )


# What notes and errors say -------------------------------------------------------------------------------------------


def test_notes_are_about_the_classes_of_the_whole() -> None:
    data = Data(20)
    told = "the output is > 0 for class 'spam' and < 0 for class 'ham'"
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC())
    for inner in (svm.LinearSVC(), scaled, discriminant_analysis.QuadraticDiscriminantAnalysis()):
        model = multiclass.OneVsRestClassifier(inner).fit(data.x, data.two)
        net, f = from_sklearn(model), column(model.decision_function(data.q))
        assert net.notes[-1] == told
        assert len(net.notes) == 1 + (inner is scaled)
        assert np.array_equal(net.forward(data.q)[:, 0] > 0, model.predict(data.q) == "spam")
        np.testing.assert_allclose(from_sklearn(model, ("pair", 0, 1)).forward(data.q), -f, rtol=1e-11)
        np.testing.assert_allclose(from_sklearn(model, "logodds").forward(data.q)[:, [1]], f, rtol=1e-11)
        assert "outputs 0, 1 are the classes 'ham', 'spam'" in from_sklearn(model, "logodds").notes
        assert not any("class" in note for note in from_sklearn(model, ("pair", 0, 1)).notes)
        model = multiclass.OneVsRestClassifier(inner).fit(data.x, data.three)
        assert from_sklearn(model).notes[-1] == "outputs 0, 1, 2 are the classes 3, 5, 7"
    words = naive_bayes.MultinomialNB().fit(data.counts, data.two)
    assert from_sklearn(words, ("pair", 0, 1)).notes == ()


def test_several_models_keep_what_holds_for_all_of_them() -> None:
    data = Data(21)
    poisson = multioutput.MultiOutputRegressor(linear_model.PoissonRegressor()).fit(data.x, np.exp(data.numbers / 5))
    net = from_sklearn(poisson)
    agrees(net, data.q, np.log(poisson.predict(data.q)))
    assert net.notes == from_sklearn(poisson.estimators_[0]).notes != ()
    perceptron = neural_network.MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, random_state=0)
    for targets in (data.numbers, data.numbers[:, :1]):
        both = multioutput.MultiOutputRegressor(perceptron).fit(data.x, targets)
        assert from_sklearn(both).composite == from_sklearn(both.estimators_[0]).composite == ""
        agrees(from_sklearn(both), data.q, both.predict(data.q))


def test_a_threshold_of_its_own_is_told() -> None:
    data, logistic = Data(22), linear_model.LogisticRegression()
    fixed = model_selection.FixedThresholdClassifier(logistic, threshold=0.9).fit(data.x, data.two)
    assert "FixedThresholdClassifier answers by a threshold of 0.9 on its own response, not by this sign" in (
        from_sklearn(fixed).notes
    )
    usual = model_selection.FixedThresholdClassifier(logistic).fit(data.x, data.two)
    assert len(from_sklearn(usual).notes) == 1
    tuned = model_selection.TunedThresholdClassifierCV(logistic).fit(data.x, data.two)
    assert f"threshold of {tuned.best_threshold_:.6g} " in from_sklearn(tuned).notes[-1]


def test_what_cannot_be_is_named() -> None:
    data, one = Data(23), np.zeros(90)
    ridge, nb, cluster = linear_model.Ridge(), naive_bayes, pytest.importorskip("sklearn.cluster")
    broken, text = ridge.fit(data.x, data.number), linear_model.Ridge().fit(data.x, data.number)
    broken.coef_ = np.where(np.arange(6) == 1, np.nan, broken.coef_)
    text.intercept_ = "0"
    never = data.counts * (data.two != "ham").reshape(-1, 1)  # a word that a class never has, and no smoothing
    far = -((data.x[:, None] - data.x) ** 2).sum(axis=2)
    grid = model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [1, 2]}, refit=False)
    for model, words in (
        (broken, "Ridge: weight has 1 values that are not finite; the first is nan"),
        (text, "Ridge: intercept_ must be numbers"),
        (
            nb.MultinomialNB(class_prior=[1, 0]).fit(data.counts, data.two),
            "MultinomialNB: class_log_prior has 1 values.* fit it with alpha > 0 and priors > 0",
        ),
        (nb.BernoulliNB(alpha=0, force_alpha=True).fit(never, data.two), "BernoulliNB: .* fit it with alpha > 0"),
        (nb.GaussianNB(priors=[1, 0]).fit(data.x, data.two), "GaussianNB: weights must be > 0, got 0.0"),
        (nb.GaussianNB().fit(data.x, one), "GaussianNB was fitted to one class.*'decision'"),
        (nb.MultinomialNB().fit(data.counts, one), "MultinomialNB was fitted to one class.*'decision'"),
        (cluster.KMeans(1).fit(data.x), "KMeans: k-means compares each cluster with the others"),
        (cluster.AffinityPropagation(max_iter=1).fit(data.x), "AffinityPropagation: its fit found no cluster"),
        (cluster.AffinityPropagation(affinity="precomputed").fit(far), "has kept no centers"),
        (grid.fit(data.x, data.number), "GridSearchCV: with refit=False it keeps no fitted estimator"),
        (
            pipeline.make_pipeline(feature_selection.SelectFromModel(linear_model.Ridge()), broken),
            "SelectFromModel: it has no estimator_: it was not fitted",
        ),
    ):
        with pytest.raises(LrpError, match=words):
            from_sklearn(model)
    for model in (nb.GaussianNB().fit(data.x, one), nb.MultinomialNB().fit(data.counts, one)):
        agrees(from_sklearn(model, "decision"), data.q_counts, model.predict_joint_log_proba(data.q_counts))
    both = np.stack([data.two == "ham", data.x[:, 0] > -1e9], axis=1).astype(int)  # the second holds always
    with pytest.raises(UnsupportedError, match="OneVsRestClassifier: all samples of its fit have one of its labels"):
        from_sklearn(multiclass.OneVsRestClassifier(svm.LinearSVC()).fit(data.x, both))
    whole = linear_model.Ridge().fit(data.x, data.number)
    for options in ({"output": np.array([1, 2])}, {"output": 3}, {"reference": data.x}):
        with pytest.raises(ParameterError, match=r"output must be a name or|unknown reference"):
            from_sklearn(whole, **options)


# Classes of one's own ------------------------------------------------------------------------------------------------


class Renamed(linear_model.LogisticRegression):
    """Computes what its base computes."""


class Turned(linear_model.LogisticRegression):
    def decision_function(self, x):
        return -super().decision_function(x)


class Doubled(base.TransformerMixin, base.BaseEstimator):
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return 2 * x


class Voter(base.ClassifierMixin, base.BaseEstimator):
    def fit(self, x, y):
        self.coef_, self.intercept_ = np.ones((1, 6)), np.zeros(1)
        return self


def test_classes_of_ones_own() -> None:
    data = Data(15)
    agrees(from_sklearn(model := Renamed().fit(data.x, data.two)), data.q, model.decision_function(data.q))
    whole = pipeline.make_pipeline(preprocessing.StandardScaler(), Renamed()).fit(data.x, data.two)
    agrees(from_sklearn(whole), data.q, whole.decision_function(data.q))
    logistic = linear_model.LogisticRegression()
    patched = linear_model.LogisticRegression().fit(data.x, data.two)
    patched.decision_function = lambda x: -np.ones(len(x))
    for model, words in (
        (Turned().fit(data.x, data.two), "Turned is a LogisticRegression with its own decision_function: what"),
        (patched, "this LogisticRegression has its own decision_function instead of its class's"),
        (Voter().fit(data.x, data.two), r"a \S*Voter is not an estimator of scikit-learn"),
        (
            pipeline.make_pipeline(Doubled(), logistic).fit(data.x, data.two),
            r"a step of a Pipeline that is a \S*Doubled is not supported, as it is not of scikit-learn",
        ),
        (
            pipeline.make_pipeline(preprocessing.StandardScaler(), Voter()).fit(data.x, data.two),
            r"a Pipeline that ends in a \S*Voter is not supported",
        ),
    ):
        with pytest.raises(UnsupportedError, match=words):
            from_sklearn(model)


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: svm.LinearSVC(), "LinearSVC: it has no coef_: it was not fitted"),
        (lambda d: svm.LinearSVC, "LinearSVC is a class, not a fitted estimator"),
        (lambda d: preprocessing.StandardScaler().fit(d.x), "put it into a Pipeline, in front of a model"),
        (lambda d: pipeline.make_pipeline(svm.LinearSVC(), "passthrough"), "ends in 'passthrough'"),
        (lambda d: object(), "is not an estimator of scikit-learn"),
        (
            lambda d: pipeline.make_pipeline(preprocessing.FunctionTransformer(np.sqrt), svm.LinearSVC()),
            "what numpy.sqrt computes is not known",
        ),
        (
            lambda d: pipeline.make_pipeline(CLASSES["RandomForestClassifier"](3)).fit(d.x, d.two),
            "TreeSHAP explains trees",
        ),
        (
            lambda d: feature_selection.SelectFromModel(CLASSES["RandomForestClassifier"](3)).fit(d.x, d.two),
            "put it into a Pipeline",
        ),
    ],
)
def test_errors(make, words: str) -> None:
    with pytest.raises(LrpError) as caught:
        from_sklearn(make(Data(17)))
    assert words in str(caught.value)


def test_an_output_or_option_that_the_model_has_not() -> None:
    data = Data(18)
    ridge = linear_model.Ridge().fit(data.x, data.number)
    with pytest.raises(ParameterError, match="unknown output of Ridge 'logodds': known: decision"):
        from_sklearn(ridge, "logodds")
    with pytest.raises(ParameterError, match="unknown option of Ridge 'refrence': did you mean 'reference'"):
        from_sklearn(ridge, refrence="mean")
    with pytest.raises(ParameterError, match="unknown reference 'median'"):
        from_sklearn(ridge, reference="median")
    model = linear_model.LogisticRegression().fit(data.x, data.three)
    with pytest.raises(ParameterError, match="class 3 of a pair must be one of 0 to 2"):
        from_sklearn(model, ("pair", 0, 3))
    with pytest.raises(ParameterError, match=r"target|output"):
        lrp.explain(from_sklearn(model), data.q, target=3)


def test_networks_of_estimators_can_be_kept() -> None:
    data = Data(19)
    net = from_sklearn(pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC()).fit(data.x, data.two))
    assert pickle.loads(pickle.dumps(net)) == net  # noqa: S301  (our own)
