"""Maps of several runs and categories: do they agree from run to run, and each with what is known of its category?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Values = NDArray[np.floating[Any]]


def across_runs(maps: Values) -> tuple[float, float]:
    """Return the mean correlation of two maps of different runs: of the same category, and of different ones.

    Args:
        maps: (runs, categories, values); rows of NaN are left out. NaN where there are no two such maps.

    Example:
        >>> across_runs(np.array([[[1.0, 2, 3], [3, 2, 1]], [[2.0, 4, 6], [3, 2, 1]]]))
        (1.0, -1.0)
    """
    runs, categories = maps.shape[:2]
    flat = maps.reshape(runs * categories, -1)
    known = ~np.isnan(flat).any(axis=1)
    run, category = (index[known] for index in np.divmod(np.arange(runs * categories), categories))
    between = np.atleast_2d(np.corrcoef(flat[known]))
    apart, alike = run[:, None] != run, category[:, None] == category
    same, different = (float(between[some].mean()) if some.any() else float("nan")
                       for some in (apart & alike, apart & ~alike))  # fmt: skip
    return same, different


def with_known(maps: Values, known: Sequence[Values]) -> tuple[Values, Values]:
    """Return the rank correlation of each map with what is known of its category, and the mean of those with others.

    Args:
        maps: (runs, categories, values); rows of NaN are left out.
        known: values of each category.

    Example:
        >>> maps, known = np.array([[[1.0, 2, 3], [3, 2, 1]]]), [np.array([1.0, 5, 9]), np.array([9.0, 5, 1])]
        >>> own, other = with_known(maps, known)
        >>> own.tolist(), other.tolist()
        ([1.0, 1.0], [-1.0, -1.0])
    """
    found = [
        ([float(spearmanr(one, values).statistic) for values in known], category)
        for of_run in maps
        for category, one in enumerate(of_run)
        if not np.isnan(one).any()
    ]
    own = [rows[category] for rows, category in found]
    other = [np.mean(rows[:category] + rows[category + 1 :]) for rows, category in found]
    return np.array(own), np.array(other)
