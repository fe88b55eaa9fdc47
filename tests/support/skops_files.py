"""The estimators in ``tests/loaders/skops_files``: fitted by scikit-learn, saved by skops, with what they compute.

``PYTHONPATH=.:tests/support python tests/support/skops_files.py`` makes them again (scikit-learn 1.9.1, skops 0.16.0).
Tests read them without either package; ``expected.npz`` has samples and scikit-learn's own numbers for them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "loaders" / "skops_files"
DOCUMENTS = (
    "the shuttle reached its orbit", "a moon and a planet in orbit", "launch the shuttle to the moon",
    "the goalie stopped the puck", "two goals in the last period", "a goalie and a puck on ice",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """An estimator and its own numbers.

    Attributes:
        name: of the file.
        estimator: fitted.
        x: samples as the network reads them (N, D).
        expected: output of the network, or attribute → scikit-learn's numbers.
    """

    name: str
    estimator: Any
    x: np.ndarray[Any, Any]
    expected: dict[str, np.ndarray[Any, Any]]


def cases(seed: int = 0) -> Iterator[Case]:
    """Fit the estimators on other data for every seed."""
    from scipy.sparse import csr_array
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.mixture import GaussianMixture
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.neighbors import KernelDensity
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC, OneClassSVM

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 3)) + 3 * np.eye(3)[np.arange(24) % 3]
    y, two, new = np.arange(24) % 3, np.array(["ham", "spam"])[np.arange(24) % 2], rng.normal(size=(5, 3)) + 1
    counts = rng.poisson(1.5, size=(24, 3))

    svm = LinearSVC(random_state=0).fit(x, y)
    yield Case("linear_svc", svm, new, {"decision": svm.decision_function(new)})
    logistic = LogisticRegression().fit(x, two)
    # Two columns, of which the log-odds of the second are the score.
    score = logistic.decision_function(new)
    yield Case("logistic", logistic, new, {"decision": score[:, None], "logodds": np.stack([-score, score], axis=1)})
    named = LogisticRegression(class_weight={"ham": 1.0, "spam": 2.0}).fit(x, two.astype(object))
    yield Case("logistic_objects", named, new, {"decision": named.decision_function(new)[:, None]})
    kernel = SVC(gamma=0.3).fit(x, two)
    yield Case("svc_rbf", kernel, new, {"decision": kernel.decision_function(new)[:, None]})
    sparse = SVC(kernel="linear").fit(csr_array(np.where(x > 0.5, x, 0)), two)
    yield Case("svc_sparse", sparse, new, {"decision": sparse.decision_function(csr_array(new))[:, None]})
    text = make_pipeline(TfidfVectorizer(sublinear_tf=True), LinearSVC(random_state=0))
    text.fit(DOCUMENTS, np.arange(6) // 3)
    words = text[0]
    given = np.zeros((len(DOCUMENTS), len(words.vocabulary_)))
    split = words.build_analyzer()
    for k, document in enumerate(DOCUMENTS):
        for word in split(document):
            given[k, words.vocabulary_[word]] += 1
    yield Case("tfidf_linear_svc", text, given, {"decision": text.decision_function(DOCUMENTS)[:, None]})
    clusters = KMeans(3, n_init=1, random_state=seed).fit(x)
    squares = np.sort(clusters.transform(new) ** 2, axis=1)
    # Of the sample's own cluster; those of the others are negative.
    yield Case("kmeans", clusters, new, {"largest": squares[:, 1] - squares[:, 0], "label": clusters.predict(new)})
    mixture = GaussianMixture(2, random_state=seed).fit(x)
    joint = mixture._estimate_weighted_log_prob(new)  # predict_proba has lost the digits of a small 1 − p
    odds = np.stack([joint[:, 0] - joint[:, 1], joint[:, 1] - joint[:, 0]], axis=1)
    yield Case("mixture", mixture, new, {"logodds": odds, "outlier": -mixture.score_samples(new)[:, None]})
    bayes = MultinomialNB().fit(counts, y)
    known = bayes.predict_joint_log_proba(counts[:5])
    yield Case("multinomial_nb", bayes, counts[:5].astype(float), {"decision": known})
    one = OneClassSVM(gamma=0.3, nu=0.3).fit(x)
    o = -np.log(one.score_samples(new) / one.dual_coef_.sum()) / 0.3
    yield Case("one_class_svm", one, new, {"outlier": o[:, None]})
    chain = make_pipeline(StandardScaler(), PCA(2, whiten=True), LogisticRegression()).fit(x, y)
    yield Case("scaler_pca_logistic", chain, new, {"decision": chain.decision_function(new)})
    density = KernelDensity(bandwidth=0.7, rtol=0).fit(x)
    score = density.score_samples(new)
    o = -(score + 1.5 * np.log(2 * np.pi) + 3 * np.log(0.7)) * 2 * 0.7**2
    yield Case("kernel_density", density, new, {"outlier": o[:, None]})
    forest = RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y)
    yield Case("forest", forest, new, {})


def main() -> None:
    """Write the files, with dates that do not change."""
    import io

    import skops.io

    FOLDER.mkdir(exist_ok=True)
    expected = {}
    for case in cases():
        with zipfile.ZipFile(io.BytesIO(skops.io.dumps(case.estimator))) as made:
            # One file as skops writes it by itself, the others compressed, as it offers.
            method = zipfile.ZIP_STORED if case.name == "kmeans" else zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(FOLDER / f"{case.name}.skops", "w", method) as archive:
                for name in made.namelist():
                    entry = zipfile.ZipInfo(name)
                    entry.compress_type = method
                    archive.writestr(entry, made.read(name))
        expected[f"{case.name}/x"] = case.x
        expected.update({f"{case.name}/{key}": value for key, value in case.expected.items()})
    np.savez_compressed(FOLDER / "expected.npz", **expected)


if __name__ == "__main__":
    main()
