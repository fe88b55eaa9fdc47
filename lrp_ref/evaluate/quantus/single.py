"""What Quantus returns for the axioms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.arrays import Array, to_numpy
from ..given import Host
from .asked import Answer, F, numbers
from .curves import replaced
from .maps import normalised


def completeness(
    f: F, x: Array, relevance: Array, target: Any, *, fill: float | str = "black", normalise: bool = True,
    softmax: bool = False,
) -> Host:  # fmt: skip
    """Return whether ΣR == f(x) − f(b), as floats are equal, with R divided by its largest number (N,).

    Instead of :func:`lrp_ref.evaluate.completeness`, a number: a complete map is divided by its maximum and no longer
    adds up, and without the division the last bit decides.

    Args:
        f: from a batch to outputs (N, K).
        x: (N, ...).
        relevance: (N, ...).
        target: one output for each sample.
        fill: the baseline: a number, or "black" (the minimum of the sample), "white" or "mean".
        normalise: divide by the largest |R| of the batch.
        softmax: measure the probability.

    Example:
        >>> w, x = np.array([[1.0], [2.0]]), np.array([[3.0, 1.0]])
        >>> completeness(lambda x: x @ w, x, x * w.T, 0, fill=0.0)
        array([False])
    """
    scores = normalised(relevance) if normalise else np.array(to_numpy(relevance), dtype=float)
    host = np.array(to_numpy(x)).reshape(len(x), -1)
    answer = Answer(f, target, len(host), softmax)
    everything = np.broadcast_to(np.arange(host.shape[1]), host.shape)
    whole = answer(host.reshape(x.shape))
    fall = whole - answer(replaced(host, everything, fill).reshape(x.shape))
    return np.asarray(scores.reshape(len(host), -1).sum(axis=1) == fall)


def non_sensitivity(
    f: F, x: Array, relevance: Array, target: Any, *, epsilon: float = 1e-5, fill: float | str = "black",
    softmax: bool = True,
) -> Host:  # fmt: skip
    """Return in how many numbers |R|/max|R| < ε and |f(x) − f(x without it)| < ε disagree (N,).

    Instead of :func:`lrp_ref.evaluate.non_sensitivity`: one absolute ε for what has no unit and for the output; R is
    divided by the maximum of the batch; of a probability near 1 the changes all seem 0; a number that already has the
    value of the fill counts as insensitive.

    Args:
        f, x, relevance, target, fill, softmax: as of :func:`completeness`, with the probability measured.
        epsilon: absolute.

    Example:
        >>> w, x = np.array([[1.0], [2.0]]), np.array([[3.0, 1.0]])
        >>> non_sensitivity(lambda x: 1e-6 * x @ w, x, x * w.T, 0, fill=0.0, softmax=False)
        array([2])
    """
    scores, host = numbers(normalised(relevance, absolute=True), x)
    answer = Answer(f, target, len(host), softmax)
    whole = answer(host.reshape(x.shape))
    found = np.zeros(len(host), dtype=int)
    for k in range(host.shape[1]):
        without = answer(replaced(host, np.full((len(host), 1), k), fill).reshape(x.shape))
        found += (abs(without - whole) < epsilon) != (scores[:, k] < epsilon)
    return found
