"""Fitted estimators of scikit-learn as networks: one file a family, entered by class name into one table."""

from . import (  # noqa: F401  (they enter their classes)
    bayes,
    centres,
    densities,
    discriminants,
    linear_models,
    perceptrons,
    projections,
    refused,
    scaling,
    selection,
    svm,
)
from .pipelines import from_fitted, from_sklearn, supported

__all__ = ["from_fitted", "from_sklearn", "supported"]
