"""Fitted estimators of scikit-learn as networks: one file a family, entered by class name into one table."""

from . import bayes, linear_models, projections, refused, scaling, selection  # noqa: F401  (they enter their classes)
from .pipelines import from_fitted, from_sklearn, supported

__all__ = ["from_fitted", "from_sklearn", "supported"]
