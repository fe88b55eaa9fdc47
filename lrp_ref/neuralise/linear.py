"""Linear models and naive Bayes as one dense layer: a number of every feature times a weight, and a bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arithmetic import no_exact_value
from ..base.arrays import Array, is_float, namespace, require_finite
from ..errors import NonFiniteError, ParameterError, ShapeError, unknown
from ..layers import Dense, Step
from ..network.network import Network
from .chain import Named, chain
from .scores import Output, told

SMOOTHED = "fit it with alpha > 0 and priors > 0"
KINDS = ("multinomial", "complement", "bernoulli")


def linear(weight: Array, bias: Array | None = None, *, output: Output = None) -> Network:
    """Return a linear model as a network of one dense layer.

    Formula: f_c = Σ_i x_i w_ic + b_c; R_i = x_i w_ic, and b_c is in the ledger (see ``bias`` of
    :func:`lrp_ref.explain` for who else may have it: all features alike, or those that are not 0).

    Args:
        weight: (D, K), or (D,) for one output.
        bias: (K,), also as one number for one output; None for none.
        output: "decision" (default), the f_c (N, K); "logodds" (N, K); ("pair", i, j) (N, 1). One output is the score
            of the second of two classes against the first: "logodds" is then (N, 2). See
            :mod:`lrp_ref.neuralise.scores`.

    Returns:
        A network (N, D) → (N, K) with the node "scores".

    Raises:
        ShapeError: a bias that does not fit the weight.
        ParameterError: an output that there is not.

    Source: Bach et al. 2015; Arras et al. 2017 (bags of words).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> net = linear(np.array([[1.0], [-2.0], [4.0]]), np.array([0.5]))
        >>> e = explain(net, np.array([[3.0, 1.0, 0.0]]))
        >>> e.output.item(), e.relevance, e.ledger[0].bias
        (1.5, array([[ 3., -2.,  0.]]), array([0.5]))
        >>> explain(net, np.array([[3.0, 1.0, 0.0]]), bias="nonzero").relevance
        array([[ 3.25, -1.75,  0.  ]])
    """
    return linear_model([], weight, bias, output, "a linear model")


def naive_bayes(
    feature_log_prob: Array, class_log_prior: Array | None = None, *, kind: str = "multinomial",
    output: Output = "logodds", threshold: float | None = None,
) -> Network:  # fmt: skip
    """Return naive Bayes as a network: its joint log-likelihood is linear in the counts.

    ===========  =====================================================================================
    multinomial  f_c = Σ_i x_i log P(i|c) + log P(c)
    complement   the same of scikit-learn's complement weights, without a prior if there are two classes or more
    bernoulli    f_c = Σ_i x_i (log P(i|c) − log(1 − P(i|c))) + log P(c) + Σ_i log(1 − P(i|c)), x_i 0 or 1
    ===========  =====================================================================================

    All weights of the multinomial kind are ≤ 0, so that no word ever speaks for a class by its likelihood: what is
    explained, unless "decision" or a pair is asked for, are the log-odds of a class against all others.

    Args:
        feature_log_prob: log P(i|c) (K, D), as scikit-learn has it.
        class_log_prior: log P(c) (K,); None for none.
        kind: as above.
        output: "logodds" (default), "decision" for the joint log-likelihood (N, K), or ("pair", i, j).
        threshold: of "bernoulli": a feature is there where x is above it; None for an input of 0 and 1.

    Returns:
        A network (N, D) → (N, K); the nodes are "scores", "differences" and "pool", before them "binarize".

    Raises:
        ShapeError: a prior that does not fit.
        ParameterError: another kind, or an output that there is not.
        UnsupportedError: "bernoulli" of rationals, for the logarithm.

    Example:
        >>> import numpy as np
        >>> p = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
        >>> net = naive_bayes(np.log(p), np.log(np.array([0.5, 0.5])))
        >>> net.forward(np.array([[2.0, 1.0, 0.0]])) / np.log(2)  # two words that are twice as likely in class 0
        array([[ 2., -2.]])
    """
    if kind not in KINDS:
        raise unknown("kind of naive Bayes", str(kind), KINDS)
    logs = _logarithms("feature_log_prob", feature_log_prob)
    if logs.ndim != 2:
        raise ShapeError(f"feature_log_prob must be (K, D), got shape {logs.shape}")
    if threshold is not None and kind != "bernoulli":
        raise ParameterError(f"naive Bayes: a threshold is of kind 'bernoulli', not of {kind!r}")
    prior = None if class_log_prior is None else _logarithms("class_log_prior", class_log_prior)
    if prior is not None and prior.shape != logs.shape[:1]:
        raise ShapeError(f"class_log_prior must be ({len(logs)},), got shape {prior.shape}")
    prior = None if kind == "complement" and len(logs) > 1 else prior
    weight, front = logs.T, list[Named]()
    if kind == "bernoulli":
        no_exact_value(logs, "log")
        if not bool((logs < 0).all()):
            raise ParameterError(
                f"naive Bayes: feature_log_prob has {float(logs.max())}, and of kind 'bernoulli' all must be < 0: no "
                f"word may be in every document: {SMOOTHED}"
            )
        xp = namespace(logs)
        absent = xp.log(-xp.expm1(logs))
        weight = (logs - absent).T
        prior = absent.sum(axis=1) if prior is None else prior + absent.sum(axis=1)
        front = [] if threshold is None else [("binarize", Step(float(threshold)))]
    return linear_model(front, weight, prior, output, "naive Bayes", single=False)


def _logarithms(what: str, value: Any) -> Array:
    try:
        return floats(what, value)
    except NonFiniteError as error:
        raise NonFiniteError(f"{error}: {SMOOTHED}") from error


def linear_model(
    front: list[Named], weight: Array, bias: Array | None, output: Output, what: str, *, single: bool | None = None
) -> Network:
    """Return the network of a linear model, or of what is asked for of it; errors as of :func:`linear`."""
    weight = floats("weight", weight)
    weight = weight.reshape(-1, 1) if weight.ndim == 1 else weight
    if weight.ndim != 2:
        raise ShapeError(f"weight must be (D, K) or (D,), got shape {weight.shape}")
    features, columns = weight.shape
    if not columns:
        raise ShapeError(f"weight of shape {weight.shape} has no column: there is no output to explain")
    if bias is not None:
        bias = floats("bias", bias)
        bias = bias.reshape(1) if bias.ndim == 0 else bias
        if bias.shape != (columns,):
            raise ShapeError(f"bias must be ({columns},), one for each column of the weight, got shape {bias.shape}")
        bias = bias.astype(weight.dtype)
    net = chain([*front, ("scores", Dense(weight, bias))], features=features)
    return told(net, output, what, columns=columns, single=columns == 1 if single is None else single)


def floats(what: str, value: Any) -> Array:
    """Return an array of floats or exact numbers; integers as floats."""
    if not hasattr(value, "dtype") or not hasattr(value, "reshape"):
        value = np.asarray(value)
    if value.dtype.kind in "iub":
        return value.astype(float)
    if not is_float(value):
        raise ParameterError(f"{what} must be an array of numbers, got {value.dtype}")
    require_finite(value, what)
    return value
