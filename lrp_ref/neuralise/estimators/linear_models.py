"""Linear classifiers and regressors, and those that are linear in what stands before them."""

from __future__ import annotations

import numpy as np

from ...base.arrays import Array
from ...errors import ShapeError, UnsupportedError
from ...layers import Centred, Dense
from ...network.network import Network
from ..chain import behind, chain
from ..fitted import Fitted
from ..linear import linear, linear_model
from ..scores import Output, asked, of_classes
from .table import estimator

LOG = "the output is the linear predictor; the prediction is its exponential"


def coefficients(fitted: Fitted, name: str = "coef_") -> Array:
    """Return the coefficients (D, K); sparse ones as an array."""
    held = fitted[name]
    held = held.toarray() if hasattr(held, "toarray") else np.asarray(held)
    if held.dtype.kind not in "fiu" or held.ndim not in (1, 2):
        raise ShapeError(f"{fitted.kind}: {name} must be numbers (D,) or (K, D), got {held.dtype} {held.shape}")
    return held.reshape(-1, 1) if held.ndim == 1 else held.T


def intercept(fitted: Fitted, columns: int, name: str = "intercept_") -> Array | None:
    """Return the intercept (columns,), None where all of it is 0."""
    held = np.asarray(fitted.get(name, 0.0))
    if held.dtype.kind not in "fiu":
        raise ShapeError(f"{fitted.kind}: {name} must be numbers, got {held.dtype}")
    held = held.astype(float).reshape(-1)
    if held.size not in (1, columns):
        raise ShapeError(f"{fitted.kind}: {name} has {held.size} numbers for {columns} outputs")
    return None if not held.any() else np.broadcast_to(held, (columns,)).copy()


@estimator(
    "LinearDiscriminantAnalysis", "LinearSVC", "LogisticRegression", "LogisticRegressionCV",
    "PassiveAggressiveClassifier", "Perceptron", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier",
)  # fmt: skip
def classifier(fitted: Fitted, output: Output) -> Network:
    """Return a linear classifier: "decision" (default) is its decision function, of two classes in one column."""
    weight = coefficients(fitted)
    columns = weight.shape[1]
    if output not in (None, "decision") and _multilabel(fitted):
        raise UnsupportedError(
            f"{fitted.kind} was fitted to labels of which several may hold: its outputs are no classes to compare; "
            "explain 'decision'"
        )
    net = linear_model([], weight, intercept(fitted, columns), output, fitted.kind)
    if output not in (None, "decision", "logodds") or _multilabel(fitted):
        return net
    return of_classes(net, fitted.get("classes_"), single=columns == 1 and output != "logodds")


def _multilabel(fitted: Fitted) -> bool:
    binarizer = fitted.get("_label_binarizer")
    return isinstance(binarizer, Fitted) and str(binarizer.get("y_type_", "")).startswith("multilabel")


@estimator(
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "LarsCV", "Lasso",
    "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression", "LinearSVR", "MultiTaskElasticNet",
    "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV", "PassiveAggressiveRegressor", "QuantileRegressor", "Ridge", "RidgeCV",
    "SGDRegressor", "TheilSenRegressor",
)  # fmt: skip
def regressor(fitted: Fitted, output: Output) -> Network:
    """Return a linear regressor: "decision" is what it predicts."""
    asked(output, ("decision",), fitted.kind)
    weight = coefficients(fitted)
    return linear(weight, intercept(fitted, weight.shape[1]))


@estimator("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
def generalized(fitted: Fitted, output: Output) -> Network:
    """Return a generalized linear model: its linear predictor, of which the prediction may be the exponential."""
    net = regressor(fitted, output)
    link = fitted.get("link", "log") if fitted.kind == "TweedieRegressor" else "log"
    if link == "auto":
        link = "identity" if fitted["power"] <= 0 else "log"
    return net if link == "identity" else behind([], net, notes=(LOG,))


@estimator("CCA", "PLSCanonical", "PLSRegression")
def partial_least_squares(fitted: Fitted, output: Output, *, reference: str = "mean") -> Network:
    """Return regression by partial least squares: linear in x minus the mean of the data."""
    asked(output, ("decision",), fitted.kind)
    weight = coefficients(fitted)
    bias, mean = intercept(fitted, weight.shape[1]), np.asarray(fitted["_x_mean"])
    if reference == "zero":
        shift = mean @ weight
        return linear(weight, -shift if bias is None else bias - shift)
    return chain([("mean", Centred(mean)), ("scores", Dense(weight, bias))], features=len(weight))


@estimator("SGDOneClassSVM")
def one_class(fitted: Fitted, output: Output) -> Network:
    """Return a linear one-class SVM: "decision" (default), < 0 for outliers, or "outlier", which is −decision."""
    output = asked(output, ("decision", "outlier"), fitted.kind)
    weight, bias = coefficients(fitted), -np.asarray(fitted["offset_"], dtype=float).reshape(-1)
    return linear(weight, bias) if output == "decision" else linear(-weight, -bias)
