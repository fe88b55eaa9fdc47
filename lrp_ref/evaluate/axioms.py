"""Axioms as numbers: does a map sum to what it explains, does it react where the output does, to what it should not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, like, namespace, to_numpy
from ..errors import ParameterError, ShapeError, UnsupportedError
from ..layers import Conv, Dense
from ..network.network import Network
from ..rules.edits import KEEP, ZERO
from .explainers import Asking, Explainer, norms
from .fills import filling
from .given import Host, Output, Progress, quotient, ranked, require_input
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

    Example:
        >>> w = np.array([[2.0], [3.0]])
        >>> completeness(lambda x: x @ w + 1, np.array([[1.0, 2.0]]), np.array([[2.0, 6.0]]), 0)
        array([1.])
    """
    require_input(x)
    if len(relevance) != len(x):
        raise ShapeError(f"relevance has {len(relevance)} maps and x {len(x)} samples")
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

    It is 1 for gradient × input on a linear f with fill 0. NaN where one of both does not vary.

    Args:
        f, x, relevance, target, fill, per, softmax, batch, progress: as of :func:`lrp_ref.evaluate.pixel_flipping`.
        n: units of a set; None for a tenth of all, and at least one.
        draws: how many sets, the same for all samples.
        subsets: the sets themselves (draws, n), numbers of units in C order.
        seed: of the draws.

    Raises:
        ParameterError: a number of units that is not there.

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
    sums = np.stack([scores[:, s].sum(axis=1) for s in sets], axis=1)
    member = np.zeros((len(sets), units.total), dtype=bool)
    member[np.arange(len(sets))[:, None], sets] = True
    falls = _falls(f, x, target, member, units, fill, softmax, seed, batch, progress)
    return _pearson(sums.astype(float), falls)


def non_sensitivity(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    tolerance: float = 1e-6,
    fill: Any = 0.0,
    per: str | None = None,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Host:
    """Return |{i: R_i ≈ 0} Δ {i: f does not change without i}| (N,): in how many units map and output disagree.

    A number is taken for 0 up to ``tolerance`` of the largest of its sample. A unit that already has the value that
    would take its place says nothing and is left out.

    Args:
        f, x, relevance, target, fill, per, softmax, seed, batch, progress: as of
            :func:`lrp_ref.evaluate.pixel_flipping`.
        tolerance: relative to the largest absolute number of a sample.

    Source: Nguyen & Martínez 2020; Ancona et al. 2019.

    Example:
        >>> w = np.array([[2.0], [0.0], [-1.0]])
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> non_sensitivity(lambda x: x @ w, x, np.array([[2.0, 1.0, 0.0]]), 0)
        array([2])
    """
    require_input(x)
    scores, units = ranked(relevance, x.shape, per)
    falls = _falls(
        f, x, target, np.eye(units.total, dtype=bool), units, fill, softmax, seed, batch, progress
    )  # fmt: skip
    other = filling(fill, x, seed)
    moved = np.ones((len(x), units.total), dtype=bool)
    for k in range(len(x)):
        one = slice(k, k + 1)
        new = np.broadcast_to(to_numpy(other(one)), x[one].shape)
        moved[k] = (to_numpy(x[one]) != new).reshape(1, units.channels, -1).any(axis=1)[0]
    silent = [abs(a) <= tolerance * abs(a).max(axis=1, keepdims=True, initial=0) for a in (scores.astype(float), falls)]
    return np.asarray(((silent[0] != silent[1]) & moved).sum(axis=1))


def input_invariance(net: Network, explain: Explainer, x: Array, target: Any = None, *, shift: Any = 1.0) -> Host:
    """Return max |R(x; f) − R(x + m; f')| / max |R(x; f)| (N,), where f' takes m off again: f'(x + m) = f(x).

    The first layer of f' has the bias b − W m, so that all further values are the same. 0 where the map does not depend
    on where the origin of the input is; NaN where R is 0 throughout.

    Args:
        net: a network whose input is read by one dense layer, or one convolution without padding.
        explain: (net, x, target) → a map like x.
        x: (N, ...).
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output.
        shift: m: a number, or an array (C,); before a dense layer also one of the sample's shape.

    Raises:
        UnsupportedError: a first layer that has no bias to take the shift: padded, or of another kind.

    Source: Kindermans et al. 2019, "The (un)reliability of saliency methods".

    Example:
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> input_invariance(net, lambda net, x, target: x * np.array([[2.0, 3.0]]), x, 0)
        array([0.5])
    """
    asking = Asking.of(net, explain, x, target)
    m, shifted = _shifted(net, x, shift)
    still = asking.maps()
    moved = asking.maps(x + m, net=shifted)
    n = len(x)
    difference = abs(to_numpy(moved - still).astype(float)).reshape(n, -1).max(axis=1, initial=0)
    return quotient(difference, abs(to_numpy(still).astype(float)).reshape(n, -1).max(axis=1, initial=0))


def _subsets(given: Any, total: int, n: int | None, draws: int, seed: int) -> Host:
    """Return sets of units (draws, n) as integers."""
    if given is not None:
        sets = to_numpy(given) if hasattr(given, "dtype") else np.asarray(given)
        if sets.ndim != 2 or bool((sets != np.floor(sets)).any()) or bool(((sets < 0) | (sets >= total)).any()):
            raise ParameterError(
                f"subsets of shape {sets.shape}: give (draws, n) numbers of units from 0 to {total - 1}"
            )
        return np.asarray(sets, dtype=int)
    size = max(1, total // 10) if n is None else n
    if not 1 <= size <= total:
        raise ParameterError(f"n={n}: a set has from 1 to all {total} units")
    if draws < 2:
        raise ParameterError(f"draws={draws}: a correlation needs at least two sets")
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(total)[:size] for _ in range(draws)])


def _falls(
    f: F, x: Array, target: Any, member: Host, units: Any, fill: Any, softmax: bool, seed: int,
    batch: int | None, progress: Progress | None,
) -> Host:  # fmt: skip
    """Return f(x) − f(x without the units of each set) (N, sets), for sets as booleans (sets, units)."""
    n, sets, xp = len(x), len(member), namespace(x)
    output, size = Output(f, target, n, softmax), batch_size(batch, x)
    if not n:
        return np.zeros((0, sets))
    if target is None:
        output.predict(x, size, lambda rows: None)
    other = filling(fill, x, seed)
    shape = (1, *units.sizes) if units.per == "pixel" else units.sizes
    gone = member.reshape(sets, *shape)
    rows, found, done = max(1, min(n, size)), np.zeros((n, sets)), 0
    each = max(1, size // rows)
    for first in range(0, n, rows):
        cut = slice(first, min(first + rows, n))
        which = np.arange(cut.start, cut.stop)
        whole, new = to_numpy(output.of(x[cut], which)).astype(float), xp.broadcast_to(other(cut), x[cut].shape)
        for begin in range(0, sets, each):
            some = gone[begin : begin + each]
            made = xp.where(convert(some, xp)[None], new[:, None], x[cut][:, None]).astype(x.dtype)
            values = output.of(made.reshape(-1, *x.shape[1:]), which.repeat(len(some)))
            found[cut, begin : begin + each] = whole[:, None] - to_numpy(values).astype(float).reshape(len(which), -1)
            done += len(which) * len(some)
            if progress is not None:
                progress(done, n * sets)
    return found


def _pearson(a: Host, b: Host) -> Host:
    a, b = (part - part.mean(axis=1, keepdims=True) for part in (a, b))
    size = [norms(part, 1) for part in (a, b)]
    # Sums of the same numbers in another order differ by rounding: that is not variance.
    flat = [s <= 1e-12 * abs(part).max(axis=1, initial=0) for s, part in zip(size, (a, b), strict=True)]
    found = quotient((a * b).sum(axis=1), size[0] * size[1])
    return np.where(flat[0] | flat[1], math.nan, found)


def _shifted(net: Network, x: Array, shift: Any) -> tuple[Array, Network]:
    """Return m as it is added to x, and the network that takes it off again."""
    if len(net.inputs) != 1:
        raise UnsupportedError(f"input_invariance is of networks with one input; this has {len(net.inputs)}")
    readers = net.consumers(net.inputs[0].name)
    first = readers[0] if len(readers) == 1 else None
    layer = None if first is None else first.layer
    if first is None or not isinstance(layer, Dense | Conv):
        kinds = ", ".join(f"'{n.name}' ({type(n.layer).__name__})" for n in readers)
        raise UnsupportedError(
            f"input_invariance needs one dense or convolution layer at the input, to shift its bias: {kinds}"
        )
    if isinstance(layer, Conv) and np.any(np.asarray(layer.padding) != 0):
        raise UnsupportedError(
            f"node '{first.name}' pads with zeros, which a shifted input does not have: no bias undoes the shift there"
        )
    m = like(shift, x)
    if m.ndim == 1 and x.ndim > 2 and len(m) == x.shape[1]:
        m = m.reshape(1, -1, *(1,) * (x.ndim - 2))
    elif m.ndim and (m.shape != x.shape[1:] or isinstance(layer, Conv)):
        raise ShapeError(f"shift of shape {m.shape} does not fit x {x.shape}: give a number or one per channel")
    whole = namespace(x).broadcast_to(m if m.ndim == x.ndim else m[None] if m.ndim else m, (1, *x.shape[1:]))
    z = layer.edited(KEEP, ZERO).forward(whole)
    each = z.reshape(*z.shape[:2], -1)[0, :, 0]
    bias = -each if layer.bias is None else layer.bias - each
    return whole, net.replaced({first.name: replace(layer, bias=bias)})
