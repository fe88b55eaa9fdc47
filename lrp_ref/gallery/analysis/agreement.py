"""Maps of several runs and categories: do they agree from run to run, and each with what is known of its category?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr, wilcoxon

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
        known: values of each category; where there is one only, there are no others, and their mean is NaN.

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
    rest = [rows[:category] + rows[category + 1 :] for rows, category in found]
    other = [np.mean(rows) if rows else np.nan for rows in rest]
    return np.array(own), np.array(other)


def halves(values: Values) -> Values:
    """Return, for each way to split 2k rows into halves, the mean |difference| of the halves' means.

    The first is the split into the first k rows and the last k: where it is the largest, rows of one half are like
    each other, and unlike the others.

    Example:
        >>> halves(np.array([[0.0], [1.0], [4.0], [5.0]])).tolist()
        [4.0, 1.0, 0.0]
    """
    count = len(values)
    some = [list(half) for half in combinations(range(count), count // 2) if 0 in half]
    differences = [values[half].mean(axis=0) - np.delete(values, half, axis=0).mean(axis=0) for half in some]
    return np.asarray(np.abs(differences).reshape(len(some), -1).mean(axis=1))


def p_value(one: Values, other: Values) -> float:
    """Return the p-value of Wilcoxon's signed-rank test that pairs do not differ; 1 for less than two pairs.

    Example:
        >>> p_value(np.array([1.0, 2, 3, 4, 5]), np.zeros(5))
        0.0625
    """
    return float(wilcoxon(one, other).pvalue) if len(one) > 1 else 1.0
