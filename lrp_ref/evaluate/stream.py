"""Inputs with more and more removed, a micro-batch at a time: in memory are one of them, and the curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, convert, namespace, require_finite
from ..errors import ParameterError
from .given import Host, Output, Progress

NUMBERS = 1 << 20  # of one micro-batch of inputs, where no size is given: 4 MB in float32
ROWS = 256  # at most, where no size is given
TOGETHER = 32  # samples whose steps go on together


class Rows(NamedTuple):
    """A micro-batch.

    Attributes:
        x: (samples · steps, ...), the steps of a sample behind each other.
        samples, steps: which of them.
    """

    x: Array
    samples: slice
    steps: slice


def batch_size(batch: int | None, x: Array) -> int:
    """Return the rows of a micro-batch: as given, or as many as have 2²⁰ numbers, and at most 256.

    Raises:
        ParameterError: no whole number above 0.
    """
    if batch is None:
        return max(1, min(ROWS, NUMBERS // max(1, int(math.prod(x.shape[1:])))))
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise ParameterError(f"batch is {batch!r}: give the rows of a micro-batch, 1 or more")
    return int(batch)


def blocks(samples: int, points: int, batch: int) -> Iterator[tuple[slice, list[slice]]]:
    """Return samples that go together, with their points of the curve in parts of at most ``batch`` rows each."""
    together = max(1, min(TOGETHER, batch, samples))
    for start in range(0, samples, together):
        cut = slice(start, min(start + together, samples))
        each = max(1, batch // (cut.stop - cut.start))
        yield cut, [slice(k, min(k + each, points)) for k in range(0, points, each)]


def replaced(
    x: Array,
    points: int,
    batch: int,
    steps_of: Callable[[slice], Host],
    filling: Callable[[slice], Array],
    *,
    insert: bool = False,
) -> Iterator[Rows]:
    """Return the inputs of curves: where step ≤ k the filling, else x; with ``insert`` the other way round.

    Args:
        x: (N, ...).
        points: of a curve, k = 0 … points − 1.
        batch: rows of a micro-batch.
        steps_of: from some samples to the step at which each number goes, of the shape of x or broadcasting to it.
        filling: from some samples to what takes the numbers' place.
        insert: begin with the filling, and put x in its place.
    """
    make = _in_place if namespace(x) is np else _chosen
    for cut, parts in blocks(len(x), points, batch):
        some, steps = x[cut], steps_of(cut)
        other = filling(cut)
        old, new = (other, some) if insert else (some, other)
        for part, rows in zip(parts, make(old, new, steps, some, parts), strict=True):
            yield Rows(rows, cut, part)


def _chosen(old: Any, new: Any, steps: Host, like: Array, parts: Sequence[slice]) -> Iterator[Array]:
    """Return where(step ≤ k, new, old): for a device, on which a choice costs as much as a copy."""
    xp = namespace(like)
    shape = tuple(like.shape)
    at = convert(np.broadcast_to(steps, shape).astype(np.int32), xp)[:, None]
    before, after = (xp.broadcast_to(side, shape)[:, None] for side in (old, new))
    for part in parts:
        k = convert(np.arange(part.start, part.stop, dtype=np.int32).reshape(1, -1, *(1,) * (len(shape) - 1)), xp)
        rows = xp.where(at <= k, after, before)
        yield rows.reshape(shape[0] * (part.stop - part.start), *shape[1:])


def _in_place(old: Any, new: Any, steps: Host, like: Array, parts: Sequence[slice]) -> Iterator[Array]:
    """Return the same on the host, where a choice mispredicts a branch at every second number.

    The numbers that go at one step are written into the inputs of the step before, which are then copied: each number
    is written once, and not chosen again at every step. The rows of one micro-batch are overwritten by the next.
    """
    shape, size = like.shape, like.size
    now = np.empty(shape, dtype=like.dtype)
    now[...] = old
    after = np.broadcast_to(np.asarray(new, dtype=like.dtype), shape).reshape(size)
    flat = np.broadcast_to(steps, shape).reshape(size)
    by_step = np.argsort(flat, kind="stable")
    ends = np.searchsorted(flat[by_step], np.arange(parts[-1].stop), side="right")
    rows = np.empty((shape[0], parts[0].stop - parts[0].start, *shape[1:]), dtype=like.dtype)
    done, written = 0, now.reshape(size)
    for part in parts:
        some = rows if part.stop - part.start == rows.shape[1] else rows[:, : part.stop - part.start].copy()
        for place, k in enumerate(range(part.start, part.stop)):
            which = by_step[done : ends[k]]
            written[which] = after[which]
            done = ends[k]
            some[:, place] = now
        yield some.reshape(shape[0] * some.shape[1], *shape[1:])


def measured(
    output: Output, x: Array, points: int, batch: int, made: Iterator[Rows], progress: Progress | None
) -> Array:
    """Return the measured output of every input that is made, as curves (N, points).

    Args:
        output: which number of f's output; its prediction on x is found first, where no target is given.
        x: (N, ...), the unperturbed input.
        points: of a curve.
        batch: rows of a micro-batch.
        made: the micro-batches.
        progress: is told how many inputs f has answered, and of how many.
    """
    xp, samples = namespace(x), len(x)
    total = samples * (points + (output.target is None))
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    if not samples:
        return xp.zeros((0, points), dtype=x.dtype)
    if output.target is None:
        output.predict(x, batch, told)
    parts: dict[int, list[Array]] = {}
    for rows in made:
        which = np.arange(rows.samples.start, rows.samples.stop).repeat(rows.steps.stop - rows.steps.start)
        values = output.of(rows.x, which).reshape(rows.samples.stop - rows.samples.start, -1)
        parts.setdefault(rows.samples.start, []).append(values)
        told(len(rows.x))
    found = xp.concatenate([xp.concatenate(part, axis=1) for part in parts.values()], axis=0)
    require_finite(found, "the output of f (samples, points of the curve)")
    return found
