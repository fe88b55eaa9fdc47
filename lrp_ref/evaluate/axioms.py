"""Axioms as numbers: does a map sum to what it explains, does it react where the output does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace, require_finite, to_numpy
from ..base.frozen import real
from ..errors import ParameterError, ShapeError
from .fills import filling
from .given import Host, Output, Progress, Units, ranked, require_input
from .similarity import pearson
from .stream import batch_size

F = Callable[[Array], Array]


def completeness(
    f: F, x: Array, relevance: Array, target: Any = None, *, baseline: Any = None, softmax: bool = False
) -> Array:
    """Return |Σ_i R_i − (f(x) − f(b))| (N,): by how much a map misses what it should add up to; 0 is complete.

    Args:
        f: from a batch to outputs (N, K).
        x: (N, ...).
        relevance: (N, ...), of any shape.
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output.
        baseline: b, as ``fill`` of :func:`lrp_ref.evaluate.pixel_flipping`; None for maps that add up to f(x) itself.
        softmax: measure the probability of the target.

    Returns:
        Numbers in the unit of f, of the library and number system of x: exact ones of exact maps.

    Raises:
        ShapeError: not one map per sample, or a baseline that does not fit x.
        ParameterError: a target or a baseline that is none.

    Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365, proposition 1.

    Example:
        >>> w = np.array([[2.0], [3.0]])
        >>> completeness(lambda x: x @ w + 1, np.array([[1.0, 2.0]]), np.array([[2.0, 6.0]]), 0)
        array([1.])
    """
    require_input(x)
    namespace(x, relevance)
    if relevance.shape[:1] != x.shape[:1]:
        raise ShapeError(f"relevance has shape {tuple(relevance.shape)}, and x {tuple(x.shape)}: one map per sample")
    require_finite(relevance, "relevance")
    total = relevance.reshape(len(x), math.prod(relevance.shape[1:])).sum(axis=1)
    if not len(x):
        return total
    output = Output(f, target, len(x), softmax)
    if target is None:
        output.predict(x, batch_size(None, x), lambda rows: None)
    rows = np.arange(len(x))
    explained = output.of(x, rows)
    if baseline is not None:
        other = namespace(x).broadcast_to(filling(baseline, x)(slice(0, len(x))), x.shape)
        explained = explained - output.of(other, rows)
    return abs(total - explained)


def sensitivity_n(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    n: int | None = None,
    draws: int = 100,
    subsets: Any = None,
    fill: Any = 0.0,
    per: str | None = None,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Host:
    """Return Pearson's correlation (N,) of Σ_{i∈S} R_i and f(x) − f(x without S) over random sets S of n units.

    It is 1 for gradient × input on a linear f with fill 0. NaN where one of both does not vary by more than rounding:
    by less than 8 ε of the largest number that is summed, or put out by f, with ε that of the dtype of x.

    Args:
        f, x, relevance, target, fill, per, softmax, batch, progress: as of :func:`lrp_ref.evaluate.pixel_flipping`.
        n: units of a set; None for a tenth of all, and at least one.
        draws: how many sets, the same for all samples.
        subsets: the sets themselves (draws, n), numbers of units in C order.
        seed: of the draws.

    Raises:
        ParameterError: a number of units that is not there, or one unit twice in a set.

    Source: Ancona et al. 2018, "Towards better understanding of gradient-based attribution methods".

    Example:
        >>> w = np.array([[2.0], [3.0], [-1.0]])
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> sensitivity_n(lambda x: x @ w, x, x * w.T, 0, n=2, draws=20).round(12)
        array([1.])
    """
    require_input(x)
    scores, units = ranked(relevance, x.shape, per)
    sets = _subsets(subsets, units.total, n, draws, seed)
    scores = scores.astype(float)
    sums = np.stack([scores[:, s].sum(axis=1) for s in sets], axis=1)

    def member(some: slice) -> Host:
        chosen = np.zeros((len(sets[some]), units.total), dtype=bool)
        chosen[np.arange(len(chosen))[:, None], sets[some]] = True
        return chosen

    falls, largest = _falls(f, x, target, member, len(sets), units, fill, softmax, seed, batch, progress)
    rounding = 8 * float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps)
    flat = [
        part.max(axis=1, initial=-math.inf) - part.min(axis=1, initial=math.inf) <= rounding * most
        for part, most in ((sums, abs(sums).max(axis=1, initial=0)), (falls, largest))
    ]
    return np.where(flat[0] | flat[1], math.nan, pearson(sums, falls))


def non_sensitivity(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    tolerance: float = 1e-6,
    change: float = 1e-6,
    fill: Any = 0.0,
    per: str | None = None,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Host:
    """Return |{i: R_i ≈ 0} Δ {i: f does not change without i}| (N,): in how many units map and output disagree.

    A relevance is taken for 0 up to ``tolerance`` of the largest of its sample, a change of the output up to ``change``
    of the largest change. A unit that already has the value that would take its place says nothing and is left out.

    Args:
        f, x, relevance, target, fill, per, softmax, seed, batch, progress: as of
            :func:`lrp_ref.evaluate.pixel_flipping`.
        tolerance: of relevance, relative to the largest |R_i| of a sample.
        change: of the output, relative to the largest |f(x) − f(x without i)| of a sample. In float32 the changes are
            rounded at ε f(x), which may be more.

    Raises:
        ParameterError: a negative tolerance.

    Source: Nguyen & Martínez 2020; Ancona et al. 2019.

    Example:
        >>> w = np.array([[2.0], [0.0], [-1.0]])
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> non_sensitivity(lambda x: x @ w, x, np.array([[2.0, 1.0, 0.0]]), 0)
        array([2])
    """
    require_input(x)
    for name, value in (("tolerance", tolerance), ("change", change)):
        if not real(name, value) >= 0:
            raise ParameterError(f"{name} is {value!r}: give a part of the largest number, 0 or more")
    scores, units = ranked(relevance, x.shape, per)

    def member(some: slice) -> Host:
        return np.asarray(np.arange(units.total)[some, None] == np.arange(units.total))

    falls, _ = _falls(f, x, target, member, units.total, units, fill, softmax, seed, batch, progress)
    new = np.broadcast_to(to_numpy(filling(fill, x, seed)(slice(0, len(x)))), tuple(x.shape))
    moved = (to_numpy(x) != new).reshape(len(x), units.channels, units.total).any(axis=1)
    zero, silent = (
        abs(part) <= limit * abs(part).max(axis=1, keepdims=True, initial=0)
        for part, limit in ((scores.astype(float), tolerance), (falls, change))
    )
    return np.asarray(((zero != silent) & moved).sum(axis=1))


def _subsets(given: Any, total: int, n: int | None, draws: int, seed: int) -> Host:
    """Return sets of units (draws, n) as integers."""
    if given is not None:
        sets = to_numpy(given) if hasattr(given, "dtype") else np.asarray(given)
        whole = sets.ndim == 2 and sets.dtype.kind in "iuf" and bool((sets == np.floor(sets)).all())
        if not whole or bool(((sets < 0) | (sets >= total)).any()):
            raise ParameterError(
                f"subsets of shape {sets.shape}: give (draws, n) numbers of units from 0 to {total - 1}"
            )
        # Sums over the same units in another order would differ by rounding.
        chosen = np.sort(sets.astype(int), axis=1)
        if bool((chosen[:, 1:] == chosen[:, :-1]).any()):
            raise ParameterError("a set of subsets= names one unit twice: give each once")
        return chosen
    size = max(1, total // 10) if n is None else n
    if not 1 <= size <= total:
        raise ParameterError(f"n={n}: a set has from 1 to all {total} units")
    if draws < 2:
        raise ParameterError(f"draws={draws}: a correlation needs at least two sets")
    rng = np.random.default_rng(seed)
    return np.sort(np.stack([rng.permutation(total)[:size] for _ in range(draws)]), axis=1)


def _falls(
    f: F, x: Array, target: Any, member: Callable[[slice], Host], sets: int, units: Units, fill: Any, softmax: bool,
    seed: int, batch: int | None, progress: Progress | None,
) -> tuple[Host, Host]:  # fmt: skip
    """Return f(x) − f(x without the units of each set) (N, sets), and the largest |f| of each sample (N,).

    ``member`` makes of some sets booleans (sets, units): of pixels one at a time, all would be too many at once.
    """
    n, xp = len(x), namespace(x)
    output, size = Output(f, target, n, softmax), batch_size(batch, x)
    if not n:
        return np.zeros((0, sets)), np.zeros(0)
    if target is None:
        output.predict(x, size, lambda rows: None)
    other = filling(fill, x, seed)
    shape = (1, *units.sizes) if units.per == "pixel" else units.sizes
    rows, found, largest, done = max(1, min(n, size)), np.zeros((n, sets)), np.zeros(n), 0
    each = max(1, size // rows)
    for first in range(0, n, rows):
        cut = slice(first, min(first + rows, n))
        which = np.arange(cut.start, cut.stop)
        whole, new = to_numpy(output.of(x[cut], which)), xp.broadcast_to(other(cut), tuple(x[cut].shape))
        for begin in range(0, sets, each):
            some = slice(begin, min(begin + each, sets))
            gone = member(some).reshape(some.stop - some.start, *shape)
            made = xp.where(convert(gone, xp)[None], new[:, None], x[cut][:, None]).astype(x.dtype)
            values = output.of(made.reshape(-1, *x.shape[1:]), which.repeat(len(gone)))
            without = to_numpy(values).reshape(len(which), -1)
            found[cut, some] = (whole[:, None] - without).astype(float)
            sizes = abs(np.concatenate([whole[:, None], without], axis=1)).astype(float)
            largest[cut] = np.maximum(largest[cut], sizes.max(axis=1))
            done += len(which) * len(gone)
            if progress is not None:
                progress(done, n * sets)
    return found, largest
