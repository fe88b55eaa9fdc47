"""Conciseness: on how few numbers a map lies. It says nothing of whether they are the right ones."""

from __future__ import annotations

import numpy as np

from ..arithmetic.casts import no_exact_value
from ..base.arrays import Array
from ..base.frozen import real
from ..errors import ParameterError
from .given import back, quotient, values


def gini(relevance: Array, *, per: str | None = None) -> Array:
    """Return the Gini index of |R|, Σ_i (2i − n − 1) |R|₍ᵢ₎ / (n Σ|R|) with |R| rising, per sample (N,).

    0 where all are equal, (n − 1)/n where one has everything; NaN for a map of zeros.

    Args:
        relevance: maps (N, ...), any unit.
        per: "pixel", after the sum over channels, the default for (N, C, H, W) and longer; or "number".

    Raises:
        ShapeError, ParameterError, NonFiniteError: a map that is none, another ``per``.

    Source: Chalasani et al. 2020, arXiv:1810.06583, §5.

    Example:
        >>> import numpy as np
        >>> gini(np.array([[0.0, 0.0, -4.0, 0.0], [1.0, 1.0, 1.0, 1.0]]))
        array([0.75, 0.  ])
    """
    size = np.sort(np.abs(values(relevance, per)), axis=1)
    count = size.shape[1]
    weights = 2 * np.arange(1, count + 1) - count - 1
    if size.dtype == object:
        weights = weights.astype(object)
    return back(quotient((size * weights).sum(axis=1), size.sum(axis=1) * count), relevance)


def entropy(relevance: Array, *, per: str | None = None) -> Array:
    """Return the entropy of the parts p = |R|/Σ|R|, −Σ p ln p in nats, per sample (N,).

    From 0, where one number has everything, to ln n, where all are equal. A map of zeros has 0.

    Args:
        relevance: maps (N, ...), any unit.
        per: as in :func:`gini`.

    Raises:
        ShapeError, ParameterError, NonFiniteError: a map that is none, another ``per``.
        UnsupportedError: rationals, whose logarithms have no exact value.

    Source: Bhatt, Weller, Moura 2020, arXiv:2005.00631, §3 (complexity).

    Example:
        >>> import numpy as np
        >>> entropy(np.array([[0.0, 0.0, -4.0], [1.0, -1.0, 0.0]])) / np.log(2)
        array([0., 1.])
    """
    size = np.abs(values(relevance, per))
    no_exact_value(size, "the entropy")
    total = size.sum(axis=1, keepdims=True)
    part = size / np.where(total == 0, 1, total)
    return back(-(part * np.log(np.where(part > 0, part, 1))).sum(axis=1) + 0.0, relevance)


def effective_complexity(relevance: Array, *, epsilon: float = 1e-5, per: str | None = None) -> Array:
    """Return how many |R| exceed ε · max|R|, the maximum of that sample, per sample (N,); 0 for a map of zeros.

    Args:
        relevance: maps (N, ...), any unit.
        epsilon: ε, 0 or more, as a part of the largest |R|.
        per: as in :func:`gini`.

    Raises:
        ShapeError, ParameterError, NonFiniteError: a map that is none, another ``per``, a negative epsilon.

    Source: Nguyen, Martínez 2020, arXiv:2007.07584, §3.2, with a threshold for each sample.

    Example:
        >>> import numpy as np
        >>> effective_complexity(np.array([[0.0, 1.0, -4.0]]), epsilon=0.5)
        array([1.])
    """
    if not real("epsilon", epsilon) >= 0:
        raise ParameterError(f"epsilon is {epsilon!r}: give a part of the largest |R|, 0 or more")
    size = np.abs(values(relevance, per)).astype(np.float64)
    return back(
        (size > epsilon * size.max(axis=1, keepdims=True, initial=0.0)).sum(axis=1).astype(np.float64), relevance
    )
