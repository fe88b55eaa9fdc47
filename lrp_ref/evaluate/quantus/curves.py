"""What Quantus returns where it replaces more and more of an input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base.arrays import Array, to_numpy
from ...errors import ParameterError, ShapeError, unknown
from ..given import Host
from ..similarity import pearson
from .asked import Answer, F, numbers
from .maps import normalised

FILLS = ("black", "white", "mean")


def pixel_flipping(
    f: F, x: Array, relevance: Array, target: Any, *, fill: float | str = "black", step: int = 1, softmax: bool = True
) -> Host:
    """Return the outputs while numbers are replaced, the largest R first (N, steps), without the unperturbed one.

    Instead of :func:`lrp_ref.evaluate.pixel_flipping`: the curve begins behind the first step; a pixel goes channel by
    channel; "mean", "black" (the minimum) and "white" (the maximum) are of the input as it has become, so that the mean
    drifts; the probability is measured unless ``softmax=False``; ties are in the order of an unstable sort.

    Args:
        f: from a batch to outputs (N, K).
        x: (N, ...).
        relevance: of the shape of x, or of one channel or none.
        target: one output for each sample.
        fill: a number, or "black", "white" or "mean".
        step: numbers that are replaced at once; it divides the *pixels* of x.
        softmax: measure the probability.

    Raises:
        ShapeError: a map that does not fit x.
        ParameterError: another step or fill, or no target.

    Example:
        >>> w = np.array([[1.0], [2.0], [3.0]])
        >>> pixel_flipping(lambda x: x @ w, np.ones((1, 3)), w.T, 0, fill=0.0, softmax=False)
        array([[3., 1., 0.]])
    """
    scores, now = numbers(normalised(relevance), x)
    answer, curve = Answer(f, target, len(now), softmax), []
    answer(to_numpy(x))  # as a target is checked against the output
    for chosen in _steps(np.argsort(-scores, axis=1), step, x):
        now = replaced(now, chosen, fill)
        curve.append(answer(now.reshape(x.shape)))
    return np.stack(curve, axis=1)


def area(curve: Host) -> Host:
    """Return the area under each curve by trapezia of width 1, divided by nothing: it grows with the number of steps.

    Args:
        curve: (N, steps).

    Example:
        >>> area(np.array([[3.0, 1.0, 0.0]]))
        array([2.5])
    """
    return np.asarray((curve[:, 1:] + curve[:, :-1]).sum(axis=1) / 2)


def region_perturbation(
    f: F, x: Array, relevance: Array, target: Any, *, size: int = 8, fill: float | str = "black", order: str = "morf",
    regions: int = 100, softmax: bool = True,
) -> Host:  # fmt: skip
    """Return f(x) − f(x⁽ᵏ⁾) while squares are replaced (N, regions), without the 0 of the unperturbed input.

    Instead of :func:`lrp_ref.evaluate.region_perturbation`: the picture is padded with its edge to a multiple of the
    size, half on each side, so that squares are not where they seem; "black", "white" and "mean" are of that padded
    picture as it has become, over all channels.

    Args:
        f, x, relevance, target, fill, softmax: as of :func:`pixel_flipping`; x is (N, C, H, W).
        size: of a square.
        order: "morf" or "lerf".
        regions: at most.

    Raises:
        ShapeError: x that is no picture, or a map that does not fit it.
        ParameterError: another order, size or fill, or no target.

    Example:
        >>> x, f = np.ones((1, 1, 2, 2)), lambda x: x.reshape(len(x), -1).sum(axis=1, keepdims=True)
        >>> region_perturbation(f, x, np.array([[[[1.0, 4.0], [3.0, 2.0]]]]), 0, size=1, fill=0.0, softmax=False)
        array([[1., 2., 3., 4.]])
    """
    whole, after = _regions(f, x, relevance, target, size, fill, order, regions, softmax)
    return whole[:, None] - after


def selectivity(
    f: F, x: Array, relevance: Array, target: Any, *, size: int = 8, fill: float | str = "black", softmax: bool = True
) -> Host:
    """Return the outputs f(x⁽ᵏ⁾) themselves of :func:`region_perturbation` (N, regions), most relevant squares first.

    Args:
        f, x, relevance, target, size, fill, softmax: as of :func:`region_perturbation`.

    Example:
        >>> x, f = np.ones((1, 1, 2, 2)), lambda x: x.reshape(len(x), -1).sum(axis=1, keepdims=True)
        >>> selectivity(f, x, np.array([[[[1.0, 4.0], [3.0, 2.0]]]]), 0, size=1, fill=0.0, softmax=False)
        array([[3., 2., 1., 0.]])
    """
    return _regions(f, x, relevance, target, size, fill, "morf", None, softmax)[1]


def sensitivity_n(
    f: F, x: Array, relevance: Array, target: Any, *, fill: float | str = "black", step: int = 1, part: float = 0.8,
    softmax: bool = True, batch: int = 64,
) -> float:  # fmt: skip
    """Return a number for a whole batch that is not 1 for gradient × input on a linear model.

    Instead of :func:`lrp_ref.evaluate.sensitivity_n`: numbers are replaced in one fixed order, the largest R first. At
    each step the fall of the output through *all* steps so far is set against the relevance of *this* step, by
    Pearson's correlation over the *samples*; the result is the mean over the first steps, of the first batch alone.

    Args:
        f, x, relevance, target, fill, step, softmax: as of :func:`pixel_flipping`; x has axes behind the channels.
        part: of the steps that count, ``int(part · pixels / step)``, in pixels also where numbers are more.
        batch: of which the first is looked at.

    Raises:
        ShapeError: a map that does not fit x, or x without axes behind the channels.
        ParameterError: one sample, of which nothing can be correlated; another step or fill.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, w = rng.normal(size=(5, 1, 6)), rng.normal(size=(6, 1))
        >>> linear = lambda x: x.reshape(len(x), -1) @ w
        >>> sensitivity_n(linear, x, x * w[:, 0], 0, fill=0.0, softmax=False) < 0.9
        True
    """
    if x.ndim < 3:
        raise ShapeError(f"x has shape {tuple(x.shape)}: the steps that count are a part of the pixels of (N, C, ...)")
    scores, start = numbers(normalised(relevance), x)
    samples = min(batch, len(start))
    if samples < 2:
        raise ParameterError(f"sensitivity_n correlates over the samples of the first batch, and it has {samples}")
    scores, now = scores[:samples], start[:samples]
    chosen_target = target if np.ndim(target) == 0 else np.asarray(target)[:samples]
    answer, falls, sums = Answer(f, chosen_target, samples, softmax), [], []
    shape = (samples, *x.shape[1:])
    whole = answer(now.reshape(shape))
    for chosen in _steps(np.argsort(-scores, axis=1), step, x):
        now = replaced(now, chosen, fill)
        falls.append(whole - answer(now.reshape(shape)))
        sums.append(np.take_along_axis(scores, chosen, axis=1).sum(axis=1))
    count = int(part * np.prod(x.shape[2:]) // step)
    return float(np.mean(pearson(np.stack(falls[:count]), np.stack(sums[:count]))))


def _steps(order: Host, step: int, x: Array) -> list[Host]:
    """Return what goes at each step, (N, step); a step that Quantus refuses is refused."""
    pixels = math.prod(x.shape[2:])
    if step < 1 or pixels % step:
        raise ParameterError(f"step is {step!r}: Quantus takes divisors of {pixels}, the pixels of x {tuple(x.shape)}")
    return [order[:, k : k + step] for k in range(0, order.shape[1], step)]


def replaced(now: Host, chosen: Host, fill: float | str) -> Host:
    """Return rows (N, n) with the chosen numbers of each row replaced by what ``fill`` is of the row as it is."""
    if isinstance(fill, str) and fill not in FILLS:
        raise unknown("fill", fill, FILLS)
    value: Any = fill
    if isinstance(fill, str):
        taken: dict[str, Any] = {"black": now.min, "white": now.max, "mean": now.mean}
        value = taken[fill](axis=1)[:, None]
    made = now.copy()
    np.put_along_axis(made, chosen, value, axis=1)
    return made


def _regions(
    f: F, x: Array, relevance: Array, target: Any, size: int, fill: float | str, order: str, regions: int | None,
    softmax: bool,
) -> tuple[Host, Host]:  # fmt: skip
    """Return f(x) (N,) and f(x⁽ᵏ⁾) (N, regions)."""
    if x.ndim != 4:
        raise ShapeError(f"x has shape {tuple(x.shape)}: squares are of pictures (N, C, H, W)")
    if size < 1:
        raise ParameterError(f"size is {size!r}: a square has 1 pixel or more")
    if order not in ("morf", "lerf"):
        raise unknown("order", order, ("morf", "lerf"))
    flat, _ = numbers(normalised(relevance), x)
    host = np.array(to_numpy(x))
    n, channels, high, wide = host.shape
    before = [(-length % size) // 2 for length in (high, wide)]
    behind = [-length % size - b for length, b in zip((high, wide), before, strict=True)]
    edges = ((0, 0), (0, 0), *zip(before, behind, strict=True))
    scores = np.pad(flat.reshape(host.shape), edges)
    padded = np.pad(host, edges, mode="edge")
    rows, columns = padded.shape[2] // size, padded.shape[3] // size
    places = np.arange(padded[0].size).reshape(channels, rows, size, columns, size).transpose(1, 3, 0, 2, 4)
    squares = places.reshape(rows * columns, -1)
    sums = scores.reshape(n, -1)[:, squares].sum(axis=2)
    ranks = np.argsort(-sums if order == "morf" else sums, axis=1)[:, :regions]
    answer, now, after = Answer(f, target, n, softmax), padded.reshape(n, -1), []
    whole = answer(host)
    inner = (slice(None), slice(None), slice(before[0], before[0] + high), slice(before[1], before[1] + wide))
    for k in range(ranks.shape[1]):
        now = replaced(now, squares[ranks[:, k]], fill)
        after.append(answer(np.ascontiguousarray(now.reshape(padded.shape)[inner])))
    return whole, np.stack(after, axis=1)
