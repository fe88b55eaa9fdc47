"""Which array of one trace belongs to which of another, where the names do not say it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base.arrays import unwarned

LOOKED_AT = 512  # elements of an array, evenly spread, by which arrays of one shape are told apart
ALIKE = 0.999  # from which on two arrays are the same one, wherever they stand
PAIRED, VALUES, KIND = 1.0, 2.0, 0.5  # what a pair of one shape, its equal values and its equal layers count

Named = Mapping[str, np.ndarray[Any, Any]]


def align(
    a: Named, b: Named, fixed: Mapping[str, str], same_kind: Callable[[str, str], bool] = lambda one, other: False
) -> dict[str, str]:
    """Return for names of ``a`` those of ``b`` that hold the same value, by order, shape and the numbers themselves.

    Arrays that agree with each other and with no third are a pair wherever they stand, as programs run parallel
    branches in either order. Of all ways to pair the rest in its order, each with one of its shape, that with the most
    pairs and the most similar numbers is taken (Needleman and Wunsch's alignment without a price for gaps).

    Args:
        a, b: name → array, in the order of execution.
        fixed: pairs that are known: nothing is paired across them by its order.
        same_kind: whether two names are values of the same kind of layer, as far as that is known.

    Example:
        >>> one = {"x": np.ones(2), "conv": np.array([1.0, -2.0]), "relu": np.array([1.0, 0.0])}
        >>> other = {"image": np.ones(2), "act": np.array([1.0, 0.0])}
        >>> align(one, other, {})
        {'x': 'image', 'relu': 'act'}
    """
    left = [name for name in a if name not in fixed]
    right = [name for name in b if name not in set(fixed.values())]
    if not left or not right:
        return {}
    gain = _gains(a, b, left, right, same_kind)
    same = gain >= PAIRED + VALUES * ALIKE
    alone = same & (same.sum(axis=1, keepdims=True) == 1) & (same.sum(axis=0, keepdims=True) == 1)
    pairs = {left[i]: right[j] for i, j in np.argwhere(alone).tolist()}
    before_a, before_b = _places(a, b, {**fixed, **pairs})
    across = np.array([[before_a[one] != before_b[other] for other in right] for one in left])
    done = alone.any(axis=1, keepdims=True) | alone.any(axis=0, keepdims=True)
    pairs |= {left[i]: right[j] for i, j in _path(np.where(across | done, 0.0, gain))}
    return {name: pairs[name] for name in left if name in pairs}


def _places(a: Named, b: Named, known: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many known pairs stand before each name, of the most pairs that have one order in both."""
    rank = {name: k for k, name in enumerate(b)}
    chains: list[tuple[int, ...]] = []  # the shortest-ending chain of each length, as ranks in b
    for name in a:
        if name in known and known[name] in rank:
            place = rank[known[name]]
            k = bisect_left([chain[-1] for chain in chains], place)
            chains[k : k + 1] = [(*(chains[k - 1] if k else ()), place)]
    kept = set(chains[-1]) if chains else set()
    inverse = {m: n for m, n in known.items() if rank.get(n) in kept}
    return _counts(a, set(inverse)), _counts(b, set(inverse.values()))


def _counts(arrays: Named, known: set[str]) -> dict[str, int]:
    found, before = {}, 0
    for name in arrays:
        found[name] = before
        before += name in known
    return found


def _gains(
    a: Named, b: Named, left: Sequence[str], right: Sequence[str], same_kind: Callable[[str, str], bool]
) -> np.ndarray[Any, Any]:
    """Return what each pair is worth, 0 where the shapes differ."""
    gain = np.zeros((len(left), len(right)))
    of_shape: dict[tuple[int, ...], list[int]] = {}
    for j, other in enumerate(right):
        of_shape.setdefault(b[other].shape, []).append(j)
    few = {shape: np.stack([_few(b[right[j]]) for j in places]) for shape, places in of_shape.items()}
    for i, one in enumerate(left):
        places = of_shape.get(a[one].shape, [])
        if places:
            alike = _alike(_few(a[one]), few[a[one].shape])
            kinds = np.array([same_kind(one, right[j]) for j in places])
            gain[i, places] = PAIRED + VALUES * alike + KIND * kinds
    return gain


def _few(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = array.reshape(-1)
    few: np.ndarray[Any, Any] = flat[:: max(1, -(-flat.size // LOOKED_AT))].astype(np.float64)
    return few


def _alike(one: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 1 − |u − v| / (|u| + |v|) for each v: 1 for equal numbers, 0 for opposite ones or what is not finite."""
    with unwarned():
        size = np.linalg.norm(one) + np.linalg.norm(others, axis=1)
        alike = 1 - np.linalg.norm(others - one, axis=1) / np.where(size > 0, size, 1.0)
    return np.where(np.isfinite(alike), alike, 0.0)


def agreeing(a: Named, b: Named, pairs: Mapping[str, str]) -> int:
    """Return how many pairs hold the same numbers, looked at as :func:`align` does."""
    same = [(_few(a[m]), _few(b[n])[None]) for m, n in pairs.items() if a[m].shape == b[n].shape]
    return sum(bool(_alike(*pair)[0] >= ALIKE) for pair in same)


def _path(gain: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """Return the pairs (i, j), both increasing, whose gains have the largest sum."""
    rows, columns = gain.shape
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        # Without a price for gaps the best sum never falls along a row, so that it is a running maximum.
        paired = np.where(gain[i] > 0, best[i, :-1] + gain[i], 0.0)
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], paired))
    pairs, i, j = [], rows, columns
    while i and j:
        if best[i, j] == best[i, j - 1]:
            j -= 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
