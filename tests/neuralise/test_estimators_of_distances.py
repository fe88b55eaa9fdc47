"""scikit-learn's densities, mixtures and clusters, refitted: its own scores, and assignments sample by sample."""

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.neuralise.estimators import centres, densities
from lrp_ref.neuralise.fitted import Fitted
from lrp_ref.neuralise.one_class import decision, log_density, outlier_threshold, score_samples

RNG = np.random.default_rng(5)
BLOBS = np.concatenate([RNG.normal(size=(40, 3)) + shift for shift in ([0, 0, 0], [3, 0, 1], [0, 4, -2], [-3, 2, 2])])
LABELS = np.repeat([3, 5, 7, 9], 40)
X = RNG.normal(size=(25, 3)) * 3
COVARIANCES = ("full", "tied", "diag", "spherical")


converted = lrp.neuralise.from_sklearn


def sigmoid(o):
    return 1 / (1 + np.exp(-o))


def closes(net, x=X, **options) -> None:
    """Check the ledger, and that the batch, explained at once, is what each sample is alone."""
    e = lrp.explain(net, x, **options)
    assert e.ledger.residual <= 1e-12
    np.testing.assert_allclose(lrp.explain(net, x[3:4], **options).relevance[0], e.relevance[3], rtol=1e-10)


@pytest.mark.parametrize("parameters", [{"nu": 0.2}, {"nu": 0.5, "gamma": 0.3}, {"nu": 0.01, "gamma": "auto"}])
def test_one_class_svm(parameters) -> None:
    svm = pytest.importorskip("sklearn.svm").OneClassSVM(**parameters).fit(BLOBS)
    net = converted(svm)
    o, weights = net.forward(X)[:, 0], svm.dual_coef_
    # Its own score is the decision function with the threshold added again, so small scores have lost digits.
    np.testing.assert_allclose(score_samples(o, weights, svm._gamma), svm.score_samples(X), rtol=1e-11, atol=1e-14)
    rho = float(svm.offset_[0])
    np.testing.assert_allclose(decision(o, weights, svm._gamma, rho), svm.decision_function(X), atol=1e-11)
    assert np.array_equal(np.where(o > outlier_threshold(weights, svm._gamma, rho), -1, 1), svm.predict(X))
    closes(net)
    closes(net, bias="ignore")


def test_one_class_svm_of_sparse_data() -> None:
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(np.where(abs(BLOBS) < 1, 0, BLOBS))
    svm = pytest.importorskip("sklearn.svm").OneClassSVM(nu=0.3).fit(sparse)
    o = converted(svm).forward(X)[:, 0]
    np.testing.assert_allclose(score_samples(o, svm.dual_coef_.toarray(), svm._gamma), svm.score_samples(X), rtol=1e-11)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_kernel_density(kernel: str, weighted: bool, algorithm: str) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    # In one leaf all points are summed; far from them the bounds that a tree of several adds up have lost digits, even
    # with rtol=0: 5e-5 of the log density here.
    kde = neighbors.KernelDensity(bandwidth=0.8, kernel=kernel, algorithm=algorithm, leaf_size=400)
    kde.fit(BLOBS, sample_weight=np.arange(160) % 7 + 0.5 if weighted else None)
    net = converted(kde)
    found = log_density(net.forward(X)[:, 0], kde.bandwidth_, 3, kernel=kernel)
    np.testing.assert_allclose(found, kde.score_samples(X), rtol=1e-12)
    closes(net)


def test_a_density_with_a_bandwidth_by_rule() -> None:
    kde = pytest.importorskip("sklearn.neighbors").KernelDensity(bandwidth="scott", leaf_size=400).fit(BLOBS)
    np.testing.assert_allclose(
        log_density(converted(kde).forward(X)[:, 0], kde.bandwidth_, 3), kde.score_samples(X), rtol=1e-12
    )


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("kind", ["GaussianMixture", "process", "distribution"])
def test_mixtures(covariance: str, kind: str) -> None:
    models = pytest.importorskip("sklearn.mixture")
    if kind == "GaussianMixture":
        model = models.GaussianMixture(4, covariance_type=covariance, random_state=0)
    else:
        prior = f"dirichlet_{kind}"
        model = models.BayesianGaussianMixture(
            n_components=4,
            covariance_type=covariance,
            random_state=0,
            weight_concentration_prior_type=prior,
            max_iter=500,
        )
    model.fit(BLOBS)
    odds, outlier = converted(model), converted(model, "outlier")
    np.testing.assert_allclose(-outlier.forward(X)[:, 0], model.score_samples(X), rtol=1e-11)
    np.testing.assert_allclose(sigmoid(odds.forward(X)), model.predict_proba(X), rtol=1e-8, atol=1e-12)
    assert np.array_equal(odds.forward(X).argmax(axis=1), model.predict(X))
    scores = converted(model, "decision").forward(X)
    np.testing.assert_allclose(np.log(np.exp(scores).sum(axis=1)), model.score_samples(X), rtol=1e-10)
    np.testing.assert_allclose(
        converted(model, ("pair", 2, 0)).forward(X)[:, 0], scores[:, 2] - scores[:, 0], rtol=1e-9, atol=1e-11
    )
    for net in (odds, outlier, converted(model, ("pair", 2, 0))):
        closes(net)


def test_a_mixture_of_one() -> None:
    model = pytest.importorskip("sklearn.mixture").GaussianMixture(1).fit(BLOBS)
    np.testing.assert_allclose(-converted(model, "outlier").forward(X)[:, 0], model.score_samples(X), rtol=1e-12)
    with pytest.raises(ParameterError, match="ask for output='outlier'"):
        converted(model)


@pytest.mark.parametrize("classes", [2, 4])
def test_gaussian_naive_bayes(classes: int) -> None:
    kept = np.isin(LABELS, [3, 5, 7, 9][:classes])
    nb = pytest.importorskip("sklearn.naive_bayes").GaussianNB().fit(BLOBS[kept], LABELS[kept])
    odds, joint = converted(nb), converted(nb, "decision")
    np.testing.assert_allclose(joint.forward(X), nb.predict_joint_log_proba(X), rtol=1e-11)
    np.testing.assert_allclose(sigmoid(odds.forward(X)), nb.predict_proba(X), rtol=1e-9, atol=1e-14)
    assert odds.forward(X).shape == (25, classes)
    closes(odds)
    closes(joint)


@pytest.mark.parametrize("kind", ["KMeans", "MiniBatchKMeans", "MeanShift", "AffinityPropagation"])
def test_nearest_centers(kind: str) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    options = (
        {"n_clusters": 5, "random_state": 0} if "KMeans" in kind else {"bandwidth": 2.0} if kind == "MeanShift" else {}
    )
    model = getattr(cluster, kind)(**options).fit(BLOBS)
    net = converted(model, data=BLOBS)
    margin = net.forward(X)
    assert np.array_equal(margin.argmax(axis=1), model.predict(X))
    assert np.array_equal((margin > 0).sum(axis=1), np.ones(25))
    if hasattr(model, "transform"):
        apart = np.sort(model.transform(X) ** 2, axis=1)
        np.testing.assert_allclose(margin.max(axis=1), apart[:, 1] - apart[:, 0], rtol=1e-10)
    closes(net)


@pytest.mark.parametrize("strategy", ["largest_cluster", "biggest_inertia"])
@pytest.mark.parametrize("clusters", [2, 3, 9])
def test_bisecting_kmeans_goes_down_its_tree(strategy: str, clusters: int) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    model = cluster.BisectingKMeans(clusters, bisecting_strategy=strategy, random_state=1).fit(BLOBS + 10)
    net = converted(model, data=BLOBS + 10)
    x = RNG.normal(size=(400, 3)) * 4 + 10
    margin = net.forward(x)
    assert np.array_equal(margin.argmax(axis=1), model.predict(x))
    assert np.array_equal((margin > 0).sum(axis=1), np.ones(400))
    if clusters == 9:  # the nearest of all centres is not always where the tree leads: the test can tell
        nearest = ((x[:, None] - model.cluster_centers_) ** 2).sum(2).argmin(1)
        assert not np.array_equal(nearest, model.predict(x))
    e = lrp.explain(net, x)
    np.testing.assert_allclose(e.relevance.sum(axis=1), margin.max(axis=1), rtol=1e-9)
    assert e.ledger.residual <= 1e-11


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("options", [{}, {"shrink_threshold": 0.3}, {"priors": "empirical"}])
def test_nearest_centroid(classes: int, options) -> None:
    kept = np.isin(LABELS, [3, 5, 7, 9][:classes]) & (np.arange(160) % 40 < np.repeat([10, 20, 30, 40], 40))
    model = pytest.importorskip("sklearn.neighbors").NearestCentroid(**options).fit(BLOBS[kept], LABELS[kept])
    if not hasattr(model, "decision_function"):
        pytest.skip("this version of scikit-learn has no scores of NearestCentroid")
    net, expected = converted(model), model.decision_function(X)
    np.testing.assert_allclose(net.forward(X), expected.reshape(25, -1), rtol=1e-11)
    np.testing.assert_allclose(sigmoid(converted(model, "logodds").forward(X)), model.predict_proba(X), rtol=1e-9)
    if options.get("priors") != "empirical":
        chosen = converted(model, "margin").forward(X).argmax(axis=1)
        assert np.array_equal(model.classes_[chosen], model.predict(X))
    assert any("predict goes by" in n for n in net.notes) == (options.get("priors") != "empirical")
    closes(net, target=0)


def test_estimators_of_single_precision() -> None:
    model = pytest.importorskip("sklearn.cluster").KMeans(3, random_state=0).fit(BLOBS.astype("float32"))
    e = lrp.explain(converted(model), X.astype("float32"))
    assert e.relevance.dtype == np.float32


SVM = {"support_vectors_": np.eye(2), "dual_coef_": np.ones((1, 2)), "_gamma": 0.5, "intercept_": np.array([-1.0])}
TREE = Fitted("KDTree", {"data": np.eye(2), "sample_weight": None})


@pytest.mark.parametrize(
    ("converter", "kind", "attributes", "error", "words"),
    [
        (densities.one_class_svm, "OneClassSVM", SVM | {"kernel": "poly"}, UnsupportedError, "kernel 'poly'"),
        (densities.one_class_svm, "OneClassSVM", {"kernel": "rbf"}, ParameterError, "not fitted"),
        (
            densities.kernel_density, "KernelDensity",
            {"kernel": "tophat", "bandwidth_": 1.0, "tree_": TREE}, ParameterError, "is 0 from some distance on",
        ),
        (
            densities.kernel_density, "KernelDensity",
            {"metric": "manhattan", "bandwidth_": 1.0, "tree_": TREE}, UnsupportedError, "metric 'manhattan'",
        ),
        (densities.kernel_density, "KernelDensity", {"tree_": "oak"}, ParameterError, "no tree but a str"),
        (densities.kernel_density, "KernelDensity", {}, ParameterError, "no tree_: it was not fitted"),
        (centres.nearest_center, "KMeans", {}, ParameterError, "no cluster_centers_: it was not fitted"),
        (centres.nearest_center, "KMeans", {"cluster_centers_": "two"}, ParameterError, "no array of numbers"),
        (centres.nearest_center, "KMeans", {"cluster_centers_": np.eye(2)[:1]}, ParameterError, "at least 2 centers"),
        (centres.bisecting_kmeans, "BisectingKMeans", {}, ParameterError, "no _bisecting_tree"),
        (
            centres.bisecting_kmeans, "BisectingKMeans",
            {"_bisecting_tree": Fitted("_BisectingTree", {"left": None, "label": 0})}, ParameterError, "one cluster",
        ),
        (centres.nearest_centroid, "NearestCentroid", {"metric": "manhattan"}, UnsupportedError, "metric 'manhattan'"),
        (
            centres.nearest_centroid, "NearestCentroid",
            {"centroids_": np.eye(2), "within_class_std_dev_": np.ones(2), "class_prior_": np.array([0.0, 1.0])},
            ParameterError, "class of prior 0",
        ),
        (
            densities.gaussian_naive_bayes, "GaussianNB",
            {"theta_": np.eye(2), "var_": np.eye(2), "class_prior_": np.ones(2) / 2}, ParameterError, "var_ is not > 0",
        ),
    ],
)  # fmt: skip
def test_refusals(converter, kind, attributes, error, words) -> None:
    with pytest.raises(error) as caught:
        converter(Fitted(kind, attributes))
    assert words in str(caught.value)


NB = {
    "theta_": np.eye(2),
    "var_": np.ones((2, 2)),
    "class_prior_": np.ones(2) / 2,
    "classes_": np.array(["cat", "dog"]),
}


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("OneClassSVM", SVM), ("GaussianNB", NB), ("KMeans", {"cluster_centers_": np.eye(2)})],
)
def test_outputs_are_refused_by_name(kind, attributes) -> None:
    with pytest.raises(ParameterError, match=f"unknown output of {kind} 'probability'"):
        lrp.neuralise.from_fitted(Fitted(kind, attributes), "probability")


def test_classes_are_told() -> None:
    note = "outputs 0, 1 are the classes 'cat', 'dog'"
    assert note in lrp.neuralise.from_fitted(Fitted("GaussianNB", NB)).notes
    centroids = {"centroids_": np.eye(2), "within_class_std_dev_": np.ones(2), "classes_": NB["classes_"]}
    centroids["class_prior_"] = np.ones(2) / 2
    fitted = Fitted("NearestCentroid", centroids)
    assert note in lrp.neuralise.from_fitted(fitted, "margin").notes
    assert "the output is > 0 for class 'dog' and < 0 for class 'cat'" in lrp.neuralise.from_fitted(fitted).notes
    assert lrp.neuralise.from_fitted(fitted).forward(np.array([[0.0, 1.0]])) > 0  # the centroid of dogs


def test_without_scikit_learn() -> None:
    o = densities.one_class_svm(Fitted("OneClassSVM", SVM)).forward(X[:, :2])
    direct = np.exp(-0.5 * ((X[:, None, :2] - np.eye(2)) ** 2).sum(2)).sum(1)
    np.testing.assert_allclose(score_samples(o[:, 0], np.ones(2), 0.5), direct, rtol=1e-12)
    nodes = {side: Fitted("_BisectingTree", {"center": c, "left": None, "label": k}) for k, (side, c) in enumerate(
        {"left": np.array([0.0, 0.0]), "right": np.array([2.0, 0.0])}.items()
    )}  # fmt: skip
    tree = Fitted("_BisectingTree", {"label": None, **nodes})
    net = centres.bisecting_kmeans(
        Fitted("BisectingKMeans", {"_bisecting_tree": tree, "_X_mean": np.array([1.0, 1.0])})
    )
    np.testing.assert_allclose(net.forward(np.array([[1.5, 7.0]])), [[2.0, -2.0]])  # 1.5² − 0.5², around (1, 1), (3, 1)
