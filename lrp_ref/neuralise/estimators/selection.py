"""Selections of features: which they keep, told by what was fitted as scikit-learn tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError, UnsupportedError, unknown
from ...layers import Gather
from ..chain import Named
from ..fitted import Fitted
from .scaling import numbers
from .table import part, step

Mask = NDArray[np.bool_]


def selected(mask: Mask, what: str) -> list[Named]:
    """Return the layer that takes the features of a mask (D,).

    Raises:
        ParameterError: there is none.
    """
    if not mask.any():
        raise ParameterError(f"{what} keeps none of {mask.size} features, so there is nothing to explain")
    return [] if mask.all() else [("selection", Gather(tuple(int(k) for k in np.flatnonzero(mask)), 1))]


@step("RFE", "RFECV", "SequentialFeatureSelector")
def supported(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The features of its mask."""
    return selected(np.asarray(fitted["support_"], dtype=bool), fitted.kind)


@step("VarianceThreshold")
def varying(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Features with a variance above a threshold."""
    return selected(numbers(fitted, "variances_") > float(fitted.get("threshold", 0.0)), fitted.kind)


MODES = {
    "SelectFdr": ("fdr", "alpha"),
    "SelectFpr": ("fpr", "alpha"),
    "SelectFwe": ("fwe", "alpha"),
    "SelectKBest": ("k_best", "k"),
    "SelectPercentile": ("percentile", "percentile"),
}


@step("GenericUnivariateSelect", *MODES)
def univariate(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Features by a test of each of them alone."""
    mode, name = MODES.get(fitted.kind, (str(fitted.get("mode")), "param"))
    return selected(_by_tests(fitted, mode, fitted[name]), fitted.kind)


def _by_tests(fitted: Fitted, mode: str, bound: Any) -> Mask:
    if mode in ("k_best", "percentile"):
        scores: NDArray[Any] = numbers(fitted, "scores_")
        if bound == "all" or (mode == "percentile" and bound == 100):
            return np.ones(scores.shape, dtype=bool)
        scores = np.nan_to_num(scores, nan=np.finfo(scores.dtype).min, posinf=np.inf, neginf=-np.inf)
        if bound == 0:
            return np.zeros(scores.shape, dtype=bool)
        return _best(scores, int(bound)) if mode == "k_best" else _upper(scores, float(bound))
    chances = numbers(fitted, "pvalues_")
    if mode == "fpr":
        return np.asarray(chances < float(bound))
    if mode == "fwe":
        return np.asarray(chances < float(bound) / len(chances))
    if mode != "fdr":
        raise unknown("mode of GenericUnivariateSelect", mode, [m for m, _ in MODES.values()])
    ordered = np.sort(chances)
    passed = ordered[ordered <= float(bound) / len(chances) * np.arange(1, len(chances) + 1)]
    return np.asarray(chances <= passed.max()) if passed.size else np.zeros(chances.shape, dtype=bool)


def _best(scores: NDArray[Any], many: int) -> Mask:
    """Return the ``many`` with the highest scores, of ties the last."""
    mask = np.zeros(scores.shape, dtype=bool)
    mask[np.argsort(scores, kind="stable")[-many:]] = True
    return mask


def _upper(scores: NDArray[Any], percentile: float) -> Mask:
    """Return the upper ``percentile`` of the scores, of ties the first."""
    threshold = np.percentile(scores, 100 - percentile)
    mask = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    mask[ties[: int(len(scores) * percentile / 100) - int(mask.sum())]] = True
    return np.asarray(mask)


@step("SelectFromModel")
def from_model(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Features whose coefficients in a linear model are large."""
    prefit = "estimator_" not in fitted and fitted.get("prefit", False)
    inner = part(fitted, "estimator" if prefit else "estimator_")
    if fitted.get("importance_getter", "auto") != "auto" or "coef_" not in inner:
        raise UnsupportedError(
            f"SelectFromModel is supported for the coefficients of a linear model, not for those of {inner.kind}: take "
            "its get_support() and give the features themselves"
        )
    held = inner["coef_"]
    size = np.abs(held.toarray() if hasattr(held, "toarray") else np.asarray(held))
    if size.ndim > 1:
        size = np.linalg.norm(size, axis=0, ord=fitted.get("norm_order", 1))
    mask = size >= _threshold(fitted, inner, size)
    most = fitted.get("max_features_", fitted.get("max_features"))
    if most is not None:
        first = np.zeros(size.shape, dtype=bool)
        first[np.argsort(-size, kind="stable")[: int(most)]] = True
        mask &= first
    return selected(mask, fitted.kind)


def _threshold(fitted: Fitted, inner: Fitted, size: NDArray[Any]) -> float:
    """Return the size from which on a coefficient is large."""
    asked = fitted.get("threshold")
    if asked is None:
        asked = 1e-5 if _is_sparse(inner) else "mean"
    if not isinstance(asked, str):
        return float(asked)
    factor, _, name = asked.rpartition("*")
    references = {"mean": float(np.mean(size)), "median": float(np.median(size))}
    try:
        return float(factor or 1) * references[name.strip()]
    except (KeyError, ValueError) as error:
        raise ParameterError(f"SelectFromModel: its threshold {asked!r} is none of scikit-learn's") from error


def _is_sparse(inner: Fitted) -> bool:
    """Return whether a model was fitted with an l1 penalty alone, under which coefficients become 0."""
    if inner.get("penalty") == "l1" or "Lasso" in inner.kind:
        return True
    name = {"ElasticNet": "l1_ratio", "LogisticRegression": "l1_ratio"}.get(inner.kind, "l1_ratio_")
    known = ("ElasticNet", "ElasticNetCV", "LogisticRegression", "LogisticRegressionCV")
    ratio = inner.get(name) if inner.kind in known else None
    return ratio is not None and bool(np.all(np.isclose(np.asarray(ratio, dtype=float), 1.0)))
