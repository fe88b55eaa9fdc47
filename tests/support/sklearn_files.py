"""Writes tests/loaders/sklearn: small estimators of scikit-learn as skl2onnx exports them, and what both answer.

``python tests/support/sklearn_files.py`` in an environment with scikit-learn 1.9.1, skl2onnx 1.20.0 and onnxruntime;
the tests read what it wrote, and need none of the first two.

answers.npz has the inputs "x"; for each file "name" what scikit-learn returns in float64 for the output that is loaded,
and "name onnxruntime" what onnxruntime returns for the tensor of that output (of a machine with probabilities, without
them: its two attributes are taken out).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "loaders" / "sklearn"
RNG = np.random.default_rng(20261129)
X = np.concatenate([RNG.normal(loc=c, size=(8, 3)) for c in ((1, 0, 2), (2, 2, 0.5), (0.2, 2.5, 3))]).astype(np.float32)
Y = np.repeat([0, 1, 2], 8)
TWO = (Y != 1).astype(int)
NAMES = np.array(["ant", "bee", "cat"])[Y]
TARGET = X[:, 0] * 1.5 - X[:, 1] ** 2 / 4


def estimators() -> dict[str, tuple[Any, Any, str]]:
    """Return every estimator, fitted, with the name of what it answers, and of the tensor that is loaded."""
    from sklearn import (
        cluster,
        decomposition,
        discriminant_analysis,
        ensemble,
        linear_model,
        mixture,
        naive_bayes,
        preprocessing,
        svm,
    )  # fmt: skip
    from sklearn.pipeline import make_pipeline

    given = {"gamma": 0.2, "coef0": 0.5, "degree": 2}
    made: dict[str, tuple[Any, Any, str]] = {}
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        made[f"svc3_{kernel}"] = (svm.SVC(kernel=kernel, decision_function_shape="ovr", **given), Y, "pairs")
        made[f"svc2_{kernel}"] = (svm.SVC(kernel=kernel, **given), TWO, "both")
        made[f"svr_{kernel}"] = (svm.SVR(kernel=kernel, **given), TARGET, "column")
        made[f"one_class_{kernel}"] = (svm.OneClassSVM(kernel=kernel, nu=0.3, **given), None, "score")
    made["svc3_strings"] = (svm.SVC(gamma=0.2), NAMES, "pairs")
    made["svc3_ovo"] = (svm.SVC(gamma=0.2, decision_function_shape="ovo"), Y, "pairs")
    made["svc3_probability"] = (svm.SVC(gamma=0.2, probability=True, random_state=0), Y, "pairs")
    made["svc2_probability"] = (svm.SVC(gamma=0.2, probability=True, random_state=0), TWO, "both")
    made["nusvc"] = (svm.NuSVC(gamma=0.2, nu=0.3), Y, "pairs")
    made["nusvr"] = (svm.NuSVR(gamma=0.2), TARGET, "column")
    made["scaler_svc"] = (make_pipeline(preprocessing.StandardScaler(), svm.SVC(gamma=0.2)), TWO, "both")
    made["linear_svc"] = (svm.LinearSVC(), Y, "decision_function")
    made["ridge_classifier"] = (linear_model.RidgeClassifier(), NAMES, "decision_function")
    made["sgd"] = (linear_model.SGDClassifier(random_state=0), Y, "decision_function")
    made["logistic3"] = (linear_model.LogisticRegression(), Y, "predict_proba")
    made["logistic2"] = (linear_model.LogisticRegression(), TWO, "predict_proba")
    made["lda"] = (discriminant_analysis.LinearDiscriminantAnalysis(), Y, "predict_proba")
    made["ridge"] = (linear_model.Ridge(), np.stack([TARGET, X[:, 2]], axis=1), "predict")
    made["bernoulli"] = (naive_bayes.BernoulliNB(binarize=1.0), Y, "predict_proba")
    made["gaussian"] = (naive_bayes.GaussianNB(), Y, "predict_proba")
    made["kmeans"] = (cluster.KMeans(3, n_init=2, random_state=0), None, "transform")
    for kind in ("full", "tied", "diag", "spherical"):
        made[f"mixture_{kind}"] = (
            mixture.GaussianMixture(2, covariance_type=kind, random_state=0, reg_covar=0.1), None, "predict_proba",
        )  # fmt: skip
    for name, step in {
        "robust": preprocessing.RobustScaler(), "range": preprocessing.MinMaxScaler(),
        "l1": preprocessing.Normalizer("l1"),
        "l2": preprocessing.Normalizer("l2"), "whitened": decomposition.PCA(2, whiten=True),
        "svd": decomposition.TruncatedSVD(2),
    }.items():  # fmt: skip
        made[f"{name}_logistic"] = (make_pipeline(step, linear_model.LogisticRegression()), Y, "predict_proba")
    made["forest"] = (ensemble.RandomForestClassifier(2, max_depth=2, random_state=0), Y, "")
    made["boosting"] = (ensemble.GradientBoostingRegressor(n_estimators=2, max_depth=1, random_state=0), TARGET, "")
    for estimator, target, _ in made.values():
        estimator.fit(X, target)
    return made


def answer(estimator: Any, kind: str) -> Any:
    """Return what scikit-learn says of X, as the file has it."""
    if kind == "pairs":
        estimator.set_params(decision_function_shape="ovo")
        return estimator.decision_function(X)
    if kind == "both":
        scores = estimator.decision_function(X)
        return np.stack([scores, -scores], axis=1)
    if kind == "score":
        return estimator.decision_function(X)[:, None]
    if kind == "column":
        return estimator.predict(X)[:, None]
    return getattr(estimator, kind)(X)


def runtime_answer(content: bytes, kind: str) -> Any:
    """Return onnxruntime's tensor: behind a machine its scores, else the last output of the file."""
    import onnx
    import onnxruntime

    model = onnx.load_from_string(content)
    graph = model.graph
    (wanted,) = [o.name for o in graph.output][-1:]
    for node in graph.node:
        if node.op_type == "ZipMap":
            wanted = node.input[0]
        if node.op_type == "SVMClassifier":
            for attribute in [a for a in node.attribute if a.name in ("prob_a", "prob_b")]:
                node.attribute.remove(attribute)
    for node in graph.node:
        if node.op_type == "SVMClassifier" and kind == "pairs":
            wanted = node.output[1]
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([wanted], {session.get_inputs()[0].name: X})[0]


def text() -> bytes:
    """A pipeline that reads sentences."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    pipeline.fit(["a good film", "a bad film", "good one", "bad one"], [1, 0, 1, 0])
    return bytes(to_onnx(pipeline, initial_types=[("X", StringTensorType([None, 1]))]).SerializeToString())


def main() -> None:
    """Write everything."""
    from skl2onnx import to_onnx

    warnings.filterwarnings("ignore")
    FOLDER.mkdir(exist_ok=True)
    answers = {"x": X}
    for name, (estimator, _, kind) in estimators().items():
        content = to_onnx(estimator, X[:1]).SerializeToString()
        (FOLDER / f"{name}.onnx").write_bytes(content)
        if kind:
            answers[name] = np.asarray(answer(estimator, kind), np.float64)
            answers[f"{name} onnxruntime"] = runtime_answer(content, kind)
    (FOLDER / "text.onnx").write_bytes(text())
    np.savez_compressed(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
