"""Fitted estimators of scikit-learn as networks: one file a family, entered by class name into one table."""

from . import (  # noqa: F401  (most enter their classes themselves)
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
from .table import estimator

estimator("NuSVC", "SVC", options=("rule", "intercept", "towards", "way"))(svm.svc)
estimator("NuSVR", "SVR", options=("towards", "way"))(svm.svr)
estimator("KernelRidge", options=("towards", "way"))(svm.kernel_ridge)

__all__ = ["from_fitted", "from_sklearn", "supported"]
