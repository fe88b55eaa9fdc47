"""Quadratic discriminant analysis: a Gaussian for each class, with a covariance of its own."""

from __future__ import annotations

import numpy as np

from ...network.network import Network
from ..clusters import compared
from ..fitted import Fitted
from ..scores import OUTPUTS, Output, asked, of_classes
from .scaling import numbers
from .table import estimator


@estimator("QuadraticDiscriminantAnalysis")
def quadratic(fitted: Fitted, output: Output) -> Network:
    """Return quadratic discriminant analysis: "decision" (default), of two classes in one column, or "logodds".

    Formula: f_c = −½ (x − μ_c)ᵀ P_c (x − μ_c) − ½ Σ log s_c + log π_c, P_c = V_c diag(1/s_c) V_cᵀ.
    """
    means, priors = numbers(fitted, "means_"), numbers(fitted, "priors_")
    classes = len(means)
    output = asked(output, OUTPUTS, fitted.kind, classes=classes)
    spreads = [np.asarray(s, dtype=means.dtype) for s in fitted["scalings_"]]
    turns = [np.asarray(r, dtype=means.dtype) for r in fitted["rotations_"]]
    precision = np.stack([(r / s) @ r.T for r, s in zip(turns, spreads, strict=True)])
    constants = np.log(priors) - 0.5 * np.array([np.log(s).sum() for s in spreads])
    column = output == "decision" and classes == 2
    net = compared(means, precision, constants, 0.5, ("pair", 1, 0) if column else output)
    return of_classes(net, fitted.get("classes_"), single=column)
