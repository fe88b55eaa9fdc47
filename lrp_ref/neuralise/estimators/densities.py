"""Estimators of a density, and one-class SVMs: which arrays of theirs make which network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...errors import ParameterError, UnsupportedError, require
from ...network.network import Network
from ..clusters import gaussians, mixture
from ..fitted import Fitted
from ..one_class import density, one_class
from ..scores import Output, asked, of_classes
from .table import estimator

MIXTURES = ("logodds", "outlier", "decision")


def dense(fitted: Fitted, name: str) -> Array:
    """Return an attribute as an array, also where it is a sparse matrix.

    Raises:
        ParameterError: there is none, or it is no array of numbers.

    Example:
        >>> dense(Fitted("KMeans", {"cluster_centers_": np.eye(2)}), "cluster_centers_").shape
        (2, 2)
    """
    value = fitted[name]
    array = value.toarray() if hasattr(value, "toarray") else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ParameterError(f"{fitted.kind}: {name} is no array of numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


@estimator("OneClassSVM")
def one_class_svm(fitted: Fitted, output: Output = None) -> Network:
    """Return a OneClassSVM with kernel "rbf" as :func:`.one_class.one_class` makes it, with its threshold.

    Its ``score_samples`` and ``decision_function`` are those of :mod:`lrp_ref.neuralise.one_class`, of the network's
    output with ``dual_coef_`` and the kernel's gamma.

    Raises:
        ParameterError: it is not fitted, or another output.
        UnsupportedError: another kernel.

    Example:
        >>> svm = {"kernel": "rbf", "_gamma": 0.5, "intercept_": np.array([-1.0])}
        >>> svm |= {"support_vectors_": np.eye(2), "dual_coef_": np.ones((1, 2))}
        >>> one_class_svm(Fitted("OneClassSVM", svm)).forward(np.eye(2)).round(3)
        array([[0.76],
               [0.76]])
    """
    asked(output, ("outlier",), fitted.kind)
    kernel = fitted.get("kernel", "rbf")
    if kernel != "rbf":
        raise UnsupportedError(
            f"OneClassSVM with kernel {kernel!r}: its score is no density; one with kernel 'rbf' is supported"
        )
    points, weights = dense(fitted, "support_vectors_"), dense(fitted, "dual_coef_")
    return one_class(points, weights, fitted["_gamma"], threshold=-float(dense(fitted, "intercept_")[0]))


@estimator("KernelDensity")
def kernel_density(fitted: Fitted, output: Output = None) -> Network:
    """Return a KernelDensity with kernel "gaussian" or "exponential" as :func:`.one_class.density` makes it.

    Its ``score_samples`` is :func:`.one_class.log_density` of the network's output with ``bandwidth_``.

    Raises:
        ParameterError: it is not fitted, another output, or a kernel that is 0 from some distance on.
        UnsupportedError: another metric.

    Example:
        >>> tree = Fitted("KDTree", {"data": np.array([[0.0], [2.0]]), "sample_weight": None})
        >>> kde = Fitted("KernelDensity", {"kernel": "gaussian", "bandwidth_": 1.0, "tree_": tree})
        >>> kernel_density(kde).forward(np.array([[0.0]])).round(3)
        array([[1.132]])
    """
    asked(output, ("outlier",), fitted.kind)
    metric = fitted.get("metric", "euclidean")
    if metric not in ("euclidean", "l2") and not (metric == "minkowski" and _order(fitted) == 2):
        raise UnsupportedError(
            f"KernelDensity with metric {metric!r}: the network has distances with metric 'euclidean'"
        )
    tree = fitted["tree_"]
    if not isinstance(tree, Fitted):
        raise ParameterError(f"KernelDensity: its points are in tree_, which is no tree but a {type(tree).__name__}")
    weights = tree.get("sample_weight")
    weights = None if weights is None else np.asarray(weights, dtype=float)
    return density(
        dense(tree, "data"), float(fitted["bandwidth_"]), weights=weights, kernel=str(fitted.get("kernel", "gaussian"))
    )


def _order(fitted: Fitted) -> Any:
    parameters = fitted.get("metric_params")
    return parameters.get("p", 2) if isinstance(parameters, Mapping) else 2


@estimator("GaussianMixture")
def gaussian_mixture(fitted: Fitted, output: Output = None) -> Network:
    """Return a GaussianMixture as :func:`.clusters.mixture` makes it, by default its log-odds.

    ``score_samples`` is the negative of the output "outlier", and ``predict_proba`` σ of the log-odds.

    Raises:
        ParameterError: it is not fitted, or another output.

    Example:
        >>> gmm = {"covariance_type": "spherical", "weights_": np.array([0.5, 0.5])}
        >>> gmm |= {"means_": np.array([[0.0], [2.0]]), "precisions_": np.array([1.0, 1.0])}
        >>> gaussian_mixture(Fitted("GaussianMixture", gmm)).forward(np.array([[0.0]]))
        array([[ 2., -2.]])
    """
    weights, means, precisions = (dense(fitted, name) for name in ("weights_", "means_", "precisions_"))
    output = asked(output, MIXTURES, fitted.kind, classes=len(means))
    return mixture(weights, means, precisions, covariance=str(fitted["covariance_type"]), output=output)


@estimator("BayesianGaussianMixture")
def bayesian_mixture(fitted: Fitted, output: Output = None) -> Network:
    """Return a BayesianGaussianMixture as :func:`.clusters.gaussians` makes it, by default its log-odds.

    Its scores are those of a mixture but for their constants: the expectations of log π_k and of log|Λ_k| under the
    posterior take the place of the logarithms.

    Raises:
        ParameterError: it is not fitted, or another output.
        MissingExtraError: SciPy is not installed, which has the digamma function of these expectations.

    Source: Bishop 2006, equations 10.64 to 10.66.
    """
    means, precisions = dense(fitted, "means_"), dense(fitted, "precisions_")
    output = asked(output, MIXTURES, fitted.kind, classes=len(means))
    digamma = require("scipy.special", extra="sklearn", purpose="read a BayesianGaussianMixture").digamma
    many, features = means.shape
    freedom, strength = (np.asarray(fitted[name], dtype=float) for name in ("degrees_of_freedom_", "mean_precision_"))
    concentration = fitted["weight_concentration_"]
    if fitted["weight_concentration_prior_type"] == "dirichlet_process":
        first, second = (np.asarray(part, dtype=float) for part in concentration)
        rest = digamma(second) - digamma(first + second)  # of the stick, before component k
        logs = digamma(first) - digamma(first + second) + np.concatenate([np.zeros(1), np.cumsum(rest)[:-1]])
    else:
        whole = np.asarray(concentration, dtype=float)
        logs = digamma(whole) - digamma(whole.sum())
    halves = (freedom.reshape(-1, 1) - np.arange(features)) / 2
    scale = features * math.log(2) + digamma(halves).sum(axis=1) - features * np.log(freedom.reshape(-1))
    logs = logs + (scale - features / strength) / 2 + np.zeros(many)
    return gaussians(logs, means, precisions, covariance=str(fitted["covariance_type"]), output=output)


@estimator("GaussianNB")
def gaussian_naive_bayes(fitted: Fitted, output: Output = None) -> Network:
    """Return a GaussianNB as :func:`.clusters.mixture` with diagonal precisions makes it, by default its log-odds.

    Its output "decision" is the joint log likelihood (``predict_joint_log_proba``), a column for each class.

    Raises:
        ParameterError: it is not fitted, another output, or a class of prior 0.

    Example:
        >>> nb = {"theta_": np.array([[0.0], [2.0]]), "var_": np.ones((2, 1)), "class_prior_": np.array([0.5, 0.5])}
        >>> gaussian_naive_bayes(Fitted("GaussianNB", nb)).forward(np.array([[0.0]]))
        array([[ 2., -2.]])
    """
    means, variances, prior = (dense(fitted, name) for name in ("theta_", "var_", "class_prior_"))
    output = asked(output, ("logodds", "decision"), fitted.kind, classes=len(means))
    if output == "logodds" and len(means) < 2:
        raise ParameterError(
            "GaussianNB was fitted to one class, which has none to be compared with: ask for output='decision'"
        )
    if not (variances > 0).all():
        raise ParameterError("GaussianNB: a variance in var_ is not > 0, so the density of its class is no number")
    net = mixture(prior, means, 1 / variances, covariance="diag", output=output)
    return net if isinstance(output, tuple) or output == "outlier" else of_classes(net, fitted.get("classes_"))
