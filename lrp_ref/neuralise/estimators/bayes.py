"""Naive Bayes whose joint log-likelihood is linear in the counts."""

from __future__ import annotations

import numpy as np

from ...errors import ParameterError
from ...network.network import Network
from ..fitted import Fitted
from ..linear import naive_bayes
from ..scores import Output, of_classes
from .table import estimator

KINDS = {"BernoulliNB": "bernoulli", "ComplementNB": "complement", "MultinomialNB": "multinomial"}


@estimator(*KINDS)
def discrete(fitted: Fitted, output: Output) -> Network:
    """Return naive Bayes: "logodds" (default), "decision" for the joint log-likelihood, or a pair of classes."""
    if output is None and len(np.asarray(fitted["feature_log_prob_"])) < 2:
        raise ParameterError(
            f"{fitted.kind} was fitted to one class, which has none to be compared with: ask for output='decision'"
        )
    binarize = fitted.get("binarize") if fitted.kind == "BernoulliNB" else None
    net = naive_bayes(
        np.asarray(fitted["feature_log_prob_"]),
        np.asarray(fitted["class_log_prior_"]),
        kind=KINDS[fitted.kind],
        output="logodds" if output is None else output,
        threshold=binarize,
    )
    return of_classes(net, fitted.get("classes_")) if not isinstance(output, tuple | list) else net
