"""Operators whose outputs are values of the input at places that the file fixes.

Where each value comes from is found by moving numbers in place of values: the operator is carried out on the numbers of
all positions, for the batch sizes of the probes. What samples have in common is a route of one sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers import Add, Affine, Flatten, Gather, Layer, Reshape
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .maps import chained
from .values import PROBES, WHOLE, Constant, Refusal, Signal, Sizes, Tensor, count

FREE = "it depends on a free size of the input: fix it with load(..., shapes=...)"
LARGEST = 1 << 22  # positions of one operator: each is an integer of the route
NOWHERE = -1  # the number of a value that comes from no position

Array = np.ndarray[Any, Any]
Move = Callable[[Array, int], Array]


@dataclass(frozen=True)
class Places:
    """Where the values of one sample come from.

    Attributes:
        table: for each value of the output's sample, its position in the input's sample; NOWHERE for none.
        batch: the batch axis of the output.
    """

    table: Array
    batch: int


def moved(ctx: Converter, op: Op, x: Signal, move: Move, *, shift: Array | None = None, part: bool = False) -> Signal:
    """Return the signal with its values moved, and 0 where nothing has moved to.

    Args:
        ctx, op: of the node.
        x: the signal; its sizes must be fixed.
        move: takes the numbers of all positions as the file's tensor has them, and which probe it is.
        shift: a constant that is added, of one sample.
        part: whether it is only a part of what the node computes.
    """
    to = places(ctx, x, move)
    steps = _steps(x, to)
    there = to.table >= 0
    if not there.all() or shift is not None:
        scale = None if there.all() else np.ascontiguousarray(there.astype(ctx.dtype))
        steps.append(("mask", Affine(scale, shift)))
    return chained(ctx, op, x, steps, to.batch, part=part)


def places(ctx: Converter, x: Signal, move: Move) -> Places:
    """Return where the values of a sample come from, which must be the same for every sample and batch size."""
    if any(s != x.sizes[0] for s in x.sizes):
        raise Refusal(FREE)
    found = []
    for k in range(PROBES):
        n = 1 if x.batch == WHOLE else ctx.samples[k]
        bounded(n * count(x.sizes[0]))
        numbers = np.arange(n * count(x.sizes[0])).reshape((n, *x.sizes[0]))
        out = move(numbers[0] if x.batch == WHOLE else np.moveaxis(numbers, 0, x.batch), k)
        found.append(_of_a_sample(out, n, count(x.sizes[0]), x.batch))
    if any(p.batch != found[0].batch or not np.array_equal(p.table, found[0].table) for p in found):
        raise Refusal(FREE)
    return found[0]


def bounded(elements: int) -> None:
    """Refuse more positions than a route may have."""
    if elements > LARGEST:
        raise Refusal(f"{elements} positions; the limit is {LARGEST}")


def _of_a_sample(out: Array, n: int, size: int, batch: int) -> Places:
    """Return where a sample's values come from, if each is from its own sample and they agree.

    Args:
        out: numbers of positions, for ``n`` samples of ``size`` values.
        n, size: how many samples, and values of each.
        batch: the batch axis of the input; WHOLE for one sample without an axis.
    """
    if batch == WHOLE:
        return Places(out, batch)
    axes = [q for q in range(out.ndim) if out.shape[q] == n]
    for q in sorted(axes, key=lambda q: q != batch):
        rows = np.moveaxis(out, q, 0)
        own = np.arange(n).reshape((n,) + (1,) * (rows.ndim - 1))
        table = np.where(rows < 0, NOWHERE, rows % size)
        if ((rows < 0) | (rows // size == own)).all() and (table == table[:1]).all():
            return Places(table[0], q)
    raise Refusal("samples would be mixed")


def _steps(x: Signal, to: Places) -> list[tuple[str, Layer]]:
    """Return the routes, with a name for each: along the axes, or of all values of the sample side by side."""
    table, sizes = to.table, x.sizes[0]
    bounded(table.size)
    steps: list[tuple[str, Layer]] = []
    own = np.arange(count(sizes))
    if table.size != own.size or ((table >= 0) & (table != own.reshape(table.shape))).any():
        axes = _per_axis(table, sizes)
        if axes is None:
            positions = tuple(np.maximum(table, 0).reshape(-1).tolist())
            steps += [] if len(sizes) == 1 else [("flatten", Flatten())]
            steps.append(("gather", Gather(positions, 1)))
            sizes = (table.size,)
        else:
            whole = [tuple(range(n)) for n in sizes]
            steps += [("gather", Gather(p, k)) for k, p in enumerate(axes, 1) if p != whole[k - 1]]
            sizes = table.shape
    if sizes != table.shape:
        steps.append(("reshape", Reshape(table.shape)))
    return steps


def _per_axis(table: Array, sizes: Sizes) -> list[tuple[int, ...]] | None:
    """Return the positions along each axis, if they do not depend on the others."""
    if table.ndim != len(sizes) or (table < 0).any() or not table.size:
        return None
    found = []
    for axis, places_of_axis in enumerate(np.unravel_index(table, sizes)):
        first = places_of_axis[tuple(slice(None) if k == axis else slice(0, 1) for k in range(table.ndim))]
        if (places_of_axis != first).any():
            return None
        found.append(tuple(int(p) for p in first.reshape(-1)))
    return found


# -- gathering ---------------------------------------------------------------------------------------------------------


def _inside(indices: Array, size: int) -> Array:
    """Return indices counted from the start of an axis."""
    if ((indices < -size) | (indices >= size)).any():
        raise Refusal(f"a position is outside an axis of size {size}")
    return np.where(indices < 0, indices + size, indices)


def _axis(numbers: Array, axis: int) -> int:
    if not -numbers.ndim <= axis < numbers.ndim:
        raise Refusal(f"axis {axis} of a tensor with {numbers.ndim} axes does not exist")
    return axis % numbers.ndim


@operator("GatherElements", axes=Axes.OTHER)
def _gather_elements(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """y[i, j] = x[indices[i, j], j] for axis 0."""
    indices = ctx.constant(op.inputs[1]).probes

    def move(numbers: Array, k: int) -> Array:
        axis = _axis(numbers, int(op.attributes.get("axis", 0)))
        place = _inside(indices[k], numbers.shape[axis])
        part = numbers[tuple(slice(None) if d == axis else slice(n) for d, n in enumerate(place.shape))]
        return np.take_along_axis(part, place, axis)

    return [moved(ctx, op, ctx.signal(op, op.inputs[0]), move)]


def gathered_points(ctx: Converter, op: Op, x: Signal) -> Signal:
    """Return GatherND of positions that are no grid, or that name the batch."""
    indices, shared = ctx.constant(op.inputs[1]).probes, int(op.attributes.get("batch_dims", 0))

    def move(numbers: Array, k: int) -> Array:
        rows, depth = indices[k], indices[k].shape[-1]
        if not 0 <= shared < rows.ndim or numbers.shape[:shared] != rows.shape[:shared]:
            raise Refusal(f"batch_dims {shared} of tensors of shapes {numbers.shape} and {rows.shape}")
        bounded(count(rows.shape[:-1]) * count(numbers.shape[shared + depth :]))
        lead = np.indices(rows.shape[:-1], sparse=True)[:shared]
        return np.asarray(numbers[(*lead, *(_inside(rows[..., d], numbers.shape[shared + d]) for d in range(depth)))])

    return moved(ctx, op, x, move)


@operator("Compress", axes=Axes.OTHER)
def _compress(ctx: Converter, op: Op) -> Sequence[Tensor]:
    conditions = ctx.constant(op.inputs[1]).probes

    def move(numbers: Array, k: int) -> Array:
        axis = op.attributes.get("axis")
        return np.compress(conditions[k].reshape(-1).astype(bool), numbers, None if axis is None else int(axis))

    return [moved(ctx, op, ctx.signal(op, op.inputs[0]), move)]


@operator("ReverseSequence", axes=Axes.OTHER)
def _reverse_sequence(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The first values along the time axis in reverse order, as many as the length of each sequence."""
    lengths = ctx.constant(op.inputs[1]).probes
    time, batch = int(op.attributes.get("time_axis", 0)), int(op.attributes.get("batch_axis", 1))

    def move(numbers: Array, k: int) -> Array:
        rows, out = np.moveaxis(numbers, (batch, time), (0, 1)), np.moveaxis(numbers.copy(), (batch, time), (0, 1))
        for row, length in enumerate(lengths[k].reshape(-1).tolist()):
            if not 0 <= length <= rows.shape[1]:
                raise Refusal(f"a sequence of length {length} of {rows.shape[1]}")
            out[row, :length] = rows[row, :length][::-1]
        return np.moveaxis(out, (0, 1), (batch, time))

    return [moved(ctx, op, ctx.signal(op, op.inputs[0]), move)]


@operator("Trilu", axes=Axes.OTHER)
def _trilu(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The upper or lower triangle of the matrices of the last two axes."""
    k = ctx.constant(op.inputs[1]).integers()[0] if ctx.has(op, 1) else 0
    triangle = np.triu if op.attributes.get("upper", 1) else np.tril

    def move(numbers: Array, probe: int) -> Array:
        del probe
        return np.asarray(triangle(numbers - NOWHERE, k)) + NOWHERE

    return [moved(ctx, op, ctx.signal(op, op.inputs[0]), move)]


# -- scattering --------------------------------------------------------------------------------------------------------


def _scattered(kind: str, axis: int, into: Array, indices: Array, updates: Array) -> Array:
    """Return a copy of ``into`` with the updates at their places; a later one stays where two have the same place."""
    out = into.copy()
    if kind == "ScatterND":
        depth = indices.shape[-1]
        place = tuple(_inside(indices[..., d], into.shape[d]) for d in range(depth))
        if updates.shape != (*indices.shape[:-1], *into.shape[depth:]):
            raise Refusal(f"updates of shape {updates.shape} at indices of shape {indices.shape}")
        out[place] = updates
    else:
        if updates.shape != indices.shape or indices.ndim != into.ndim:
            raise Refusal(f"updates of shape {updates.shape} at indices of shape {indices.shape}")
        axis = _axis(into, axis)
        grid: list[Array] = list(np.indices(indices.shape, sparse=True))
        grid[axis] = _inside(indices, into.shape[axis])
        out[tuple(grid)] = updates
    return out


@operator("ScatterND", "ScatterElements", "Scatter", axes=Axes.OTHER)
def _scatter(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """The data, with updates at places that the file fixes: each part moved or masked, and their sum."""
    if op.attributes.get("reduction", "none") != "none":
        raise Refusal(f"reduction {op.attributes['reduction']}")
    indices, axis = ctx.constant(op.inputs[1]).probes, int(op.attributes.get("axis", 0))
    data, updates = ctx.tensor(op.inputs[0]), ctx.tensor(op.inputs[2])
    for places_of_probe in indices:
        _require_distinct(op.kind, places_of_probe)

    def shapes(tensor: Tensor, k: int) -> Sizes:
        if isinstance(tensor, Signal):
            return tensor.shape(k, ctx.samples[k])
        shape: Sizes = ctx.constant(op.inputs[0 if tensor is data else 2]).probes[k].shape
        return shape

    def kept(numbers: Array, k: int) -> Array:
        return _scattered(op.kind, axis, numbers, indices[k], np.full(shapes(updates, k), NOWHERE))

    def placed(numbers: Array, k: int) -> Array:
        shape = shapes(data, k)
        bounded(count(shape))
        return _scattered(op.kind, axis, np.full(shape, NOWHERE), indices[k], numbers)

    x, y = (ctx.signal(op, op.inputs[k]) if isinstance(t, Signal) else None for k, t in ((0, data), (2, updates)))
    if x is not None and y is not None:
        parts = [moved(ctx, op, x, kept, part=True), moved(ctx, op, y, placed, part=True)]
        if parts[0].batch != parts[1].batch:
            raise Refusal("the operands have their batch at different axes")
        return [ctx.emit(op, Add(), parts)]
    values = _constants(ctx, op, data, updates, indices, axis)
    if x is not None:
        return [moved(ctx, op, x, kept, shift=sample_of(ctx, op, places(ctx, x, kept).batch, values))]
    assert y is not None
    return [moved(ctx, op, y, placed, shift=sample_of(ctx, op, places(ctx, y, placed).batch, values))]


def _require_distinct(kind: str, indices: Array) -> None:
    if kind == "ScatterND" and indices.ndim > 1:
        rows = indices.reshape(-1, indices.shape[-1])
        if len(np.unique(rows, axis=0)) != len(rows):
            raise Refusal("two updates of one place")


def _constants(
    ctx: Converter, op: Op, data: Tensor, updates: Tensor, indices: Sequence[Array], axis: int
) -> list[Array]:
    """Return for each probe the constants that the result has, and 0 where it has values of the signal."""
    found = []
    for k in range(PROBES):
        if isinstance(updates, Constant):
            n = ctx.samples[k]
            shape = data.shape(k, n) if isinstance(data, Signal) else ()
            values = updates.probes[k]
            ctx.allowance.take(2 * count(shape))
            found.append(_scattered(op.kind, axis, np.zeros(shape, values.dtype), indices[k], values))
        else:
            values = ctx.constant(op.inputs[0]).probes[k]
            shape = updates.shape(k, ctx.samples[k]) if isinstance(updates, Signal) else ()
            found.append(_scattered(op.kind, axis, values, indices[k], np.zeros(shape, values.dtype)))
    return found


def sample_of(ctx: Converter, op: Op, batch: int, values: Sequence[Array]) -> Array | None:
    """Return one sample of constants with a batch axis, which are the same for all samples; None where they are 0."""
    found: Array | None = None
    for array in values:
        rows = array[None] if batch == WHOLE else np.moveaxis(array, batch, 0)
        if (rows != rows[:1]).any() or (found is not None and not np.array_equal(found, rows[0])):
            raise Refusal("a constant that differs between the samples of the batch")
        found = rows[0]
    if found is None or not found.any():
        return None
    return np.array(ctx.parameter(found, op.inputs[0]))
