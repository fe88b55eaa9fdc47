"""Linear maps to other features: principal components and the like; discriminants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Dense
from ..chain import Named
from ..fitted import Fitted
from .scaling import numbers, shifted
from .table import step


def projected(name: str, mean: Any, components: Any, reference: str, scale: Any = None) -> list[Named]:
    """Return the layers of (x − mean) componentsᵀ · scale.

    Args:
        name: of the dense layer's node; the mean's is called after it.
        mean: (D,) or None.
        components: (M, D).
        reference: "mean" or "zero".
        scale: (M,) or None.
    """
    weight = components.T if scale is None else components.T * scale
    return [*shifted(f"{name}_mean", mean, None, reference), (name, Dense(np.ascontiguousarray(weight)))]


@step("PCA", "IncrementalPCA")
def principal(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Principal components, of deviation 1 if they are whitened."""
    scale = None
    if fitted.get("whiten", False):
        deviation = np.sqrt(numbers(fitted, "explained_variance_"))
        scale = 1 / np.maximum(deviation, np.finfo(deviation.dtype).eps)
    return projected("pca", numbers(fitted, "mean_"), numbers(fitted, "components_"), reference, scale)


@step("TruncatedSVD")
def singular(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Singular vectors, without a mean."""
    return projected("svd", None, numbers(fitted, "components_"), reference)


@step("FastICA")
def independent(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Independent components."""
    mean = numbers(fitted, "mean_") if fitted.get("whiten", True) else None
    return projected("ica", mean, numbers(fitted, "components_"), reference)


@step("NeighborhoodComponentsAnalysis")
def neighbourhood(fitted: Fitted, reference: str) -> Sequence[Named]:
    """A linear map."""
    return projected("nca", None, numbers(fitted, "components_"), reference)


@step("FactorAnalysis")
def factors(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The expected factors: (x − mean) Ψ⁻¹ Wᵀ (1 + W Ψ⁻¹ Wᵀ)⁻¹ for loadings W and noise Ψ."""
    loadings, noise = numbers(fitted, "components_"), numbers(fitted, "noise_variance_")
    weighted = loadings / noise
    spread = np.linalg.inv(np.eye(len(loadings)) + weighted @ loadings.T)
    return projected("factors", numbers(fitted, "mean_"), spread.T @ weighted, reference)


@step("GaussianRandomProjection", "SparseRandomProjection")
def random(fitted: Fitted, reference: str) -> Sequence[Named]:
    """A random map, also held as a sparse matrix."""
    held = fitted["components_"]
    return projected("projection", None, held.toarray() if hasattr(held, "toarray") else held, reference)


@step("LinearDiscriminantAnalysis")
def discriminants(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The discriminants of an analysis that stands before another model."""
    many = int(fitted["_max_components"])
    mean = numbers(fitted, "xbar_") if fitted.get("solver", "svd") == "svd" else None
    return projected("discriminants", mean, numbers(fitted, "scalings_")[:, :many].T, reference)
