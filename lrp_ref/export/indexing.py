"""Parts of a value, read and written: slices, places and arrays of indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .values import FLOAT, INT, Value, cast, concatenate, elementwise, empty, free, later, reshape, where


def _spread(key: Any, axes: int) -> list[Any]:
    """Return one entry per axis of the value, with None where the result gets a new axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    given = sum(p is not None and p is not Ellipsis for p in parts)
    at = next((k for k, p in enumerate(parts) if p is Ellipsis), None)
    filler = [slice(None)] * (axes - given)
    return parts + filler if at is None else parts[:at] + filler + parts[at + 1 :]


def _plain(parts: Sequence[Any]) -> bool:
    return all(p is None or isinstance(p, slice | int) for p in parts)


def get(x: Value, key: Any) -> Value:
    """Return a part of a value, as indexing of NumPy does."""
    parts = _spread(key, len(x.shape))
    if not _plain(parts):
        return _picked(x, parts)
    axis, slices, shape = 0, [], []
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        if isinstance(part, int):
            if not -size <= part < size:
                raise IndexError(f"index {part} of an axis of size {size}")
            slices.append(slice(part % size, part % size + 1))
        else:
            slices.append(part)
            shape.append(len(range(*part.indices(size))))
        axis += 1
    return reshape(_cut(x, slices), tuple(shape))


def _cut(x: Value, slices: Sequence[slice]) -> Value:
    """Return the part of a value that slices, one per axis, leave."""
    ranges = [range(*s.indices(n)) for s, n in zip(slices, x.shape, strict=True)]
    shape = tuple(map(len, ranges))
    if any(not _known(n, r) for n, r in zip(x.shape, ranges, strict=True)):
        raise UnsupportedError("a part of the samples cannot be taken: how many there are is not known")
    if shape == x.shape and all(r.step > 0 for r in ranges):
        return x
    if x.uniform is not None:
        return replace(x, shape=shape)
    if 0 in shape:
        return empty(x, shape)
    cut = [k for k, r in enumerate(ranges) if x.tensor[k] != 1 and r != range(x.tensor[k])]
    tensor = tuple(t if k not in cut else len(ranges[k]) for k, t in enumerate(x.tensor))
    if x.data is not None:
        every = tuple(slices[k] if k in cut else slice(None) for k in range(len(shape)))
        return Value.constant(x.graph, x.data[every], shape)
    if not cut:
        return replace(x, shape=shape, tensor=tensor)
    # The last sample is counted from the end, wherever that is.
    starts = [ranges[k].start - (x.shape[k] if free(x.shape[k]) and ranges[k].start else 0) for k in cut]
    stops = [ranges[k].stop if ranges[k].stop >= 0 else -(1 << 40) for k in cut]
    steps = [ranges[k].step for k in cut]
    name = x.graph.one("Slice", x.name, *map(x.graph.integers, (starts, stops, cut, steps)))
    return x.made(name, shape, tensor, nonnegative=x.nonnegative)


def _known(size: int, places: range) -> bool:
    """Return whether places along an axis can be named: of a free one all, none, the first and the last."""
    return not free(size) or len(places) in (0, size) or (len(places) == 1 and places[0] in (0, size - 1))


def take(x: Value, indices: Value, axis: int) -> Value:
    """Return the parts of a value at indices along an axis."""
    axis %= len(x.shape)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    if x.uniform is not None:
        return replace(x, shape=shape)
    if x.tensor[axis] == 1 and x.shape[axis] != 1:
        x = x.whole(but_samples=not free(x.shape[axis]))
    if x.data is not None and indices.data is not None:
        places = indices.data.reshape(indices.tensor or (1,) * len(indices.shape))
        return Value.constant(x.graph, np.take(x.data, places, axis=axis), shape)
    whole = indices.whole(batch=x.batch)
    tensor = (*x.tensor[:axis], *whole.tensor, *x.tensor[axis + 1 :])
    name = x.graph.one("Gather", x.reference(), whole.reference(), axis=axis)
    return x.made(name, shape, tensor, nonnegative=x.nonnegative, batch=later((x, indices)))


def _picked(x: Value, parts: Sequence[Any]) -> Value:
    """Return a part that arrays of indices pick: along one axis, or along several that lie side by side."""
    if any(p is None for p in parts):
        raise UnsupportedError("an index of arrays with new axes cannot be written")
    at = [k for k, p in enumerate(parts) if isinstance(p, Value)]
    if any(isinstance(p, int) for p in parts) or at != list(range(at[0], at[-1] + 1)):
        raise UnsupportedError("an index of arrays and numbers mixed cannot be written")
    x = _cut(x, [p if isinstance(p, slice) else slice(None) for p in parts])
    if len(at) == 1:
        indices = parts[at[0]]
        size = Value.constant(x.graph, x.shape[at[0]])
        if free(x.shape[at[0]]):
            return take(x, indices, at[0])
        return take(x, wrapped(indices, size), at[0])
    found = [parts[k] for k in at]
    shape = np.broadcast_shapes(*(v.shape for v in found))
    flat = Value.constant(x.graph, 0)
    for k, v in zip(at, found, strict=True):
        if free(x.shape[k]):  # the last of them, so that no free size is multiplied with
            flat = elementwise("Mul", np.multiply, flat, count(x, k), dtype=INT)
        else:
            flat = elementwise("Mul", np.multiply, flat, Value.constant(x.graph, x.shape[k]), dtype=INT)
        v = v if free(x.shape[k]) else wrapped(v, Value.constant(x.graph, x.shape[k]))
        flat = elementwise("Add", np.add, flat, v, dtype=INT)
    joined = (*x.shape[: at[0]], math.prod(x.shape[k] for k in at), *x.shape[at[-1] + 1 :])
    return take(reshape(x.whole(), joined), flat.broadcast(shape), at[0])


def wrapped(indices: Value, size: Value) -> Value:
    """Return indices of which negative ones count from the end as those from the front."""
    zero = Value.constant(indices.graph, 0)
    below = elementwise("Less", np.less, indices, zero, dtype=bool)
    return where(below, elementwise("Add", np.add, indices, size, dtype=INT), indices)


def count(x: Value, axis: int) -> Value:
    """Return the size of an axis that is free."""
    name = x.graph.one("Shape", x.whole().name, start=axis, end=axis + 1)
    return x.made(name, (1,), (1,), dtype=INT)


def put(x: Value, key: Any, new: Value) -> Value:
    """Return a value with a part replaced."""
    parts = _spread(key, len(x.shape))
    if not _plain(parts) or any(p is None for p in parts):
        raise UnsupportedError("only a part that slices and numbers name can be written")
    slices = [slice(p % n, p % n + 1) if isinstance(p, int) else p for p, n in zip(parts, x.shape, strict=True)]
    ranges = [range(*s.indices(n)) for s, n in zip(slices, x.shape, strict=True)]
    here = tuple(map(len, ranges))
    if any(free(n) and len(r) != n for n, r in zip(x.shape, ranges, strict=True)):
        raise UnsupportedError("a part of the samples cannot be written: how many there are is not known")
    kept = tuple(n for n, p in zip(here, parts, strict=True) if not isinstance(p, int))
    new = reshape(cast(new, x.dtype).broadcast(kept) if new.shape != kept else cast(new, x.dtype), here)
    if here == x.shape and all(r.step == 1 for r in ranges):
        return new
    if 0 in here:
        return x
    if x.data is not None and new.data is not None and not any(map(free, x.shape)):
        data = np.array(np.broadcast_to(x.numbers, x.shape))
        data[tuple(slices)] = new.numbers
        return Value.constant(x.graph, data)
    if x.uniform is not None and all(r.step == 1 for r in ranges):
        return _padded(new, ranges, x)
    cut = [k for k, r in enumerate(ranges) if r != range(x.shape[k])]
    if len(cut) == 1 and ranges[cut[0]].step == 1:  # what is before it, it, and what is behind it
        k, r = cut[0], ranges[cut[0]]
        sides = [(slice(None),) * k + (s,) for s in (slice(0, r.start), slice(r.stop, None))]
        before, behind = (get(x, s) for s in sides)
        return concatenate([v for v in (before, new, behind) if v.shape[k]], k)
    return _laid(x, new, ranges, cut)


def _padded(new: Value, ranges: Sequence[range], around: Value) -> Value:
    """Return a value with the same number all around it."""
    before = [r.start for r in ranges]
    behind = [n - r.stop for r, n in zip(ranges, around.shape, strict=True)]
    padded = [k for k, (a, b) in enumerate(zip(before, behind, strict=True)) if a or b]
    new = new.whole(but_samples=True)
    if any(new.tensor[k] == 1 and new.shape[k] != 1 for k in padded):
        new = new.whole()
    tensor = tuple(around.shape[k] if k in padded else t for k, t in enumerate(new.tensor))
    amounts = new.graph.integers(before + behind)
    number = np.asarray(around.uniform, dtype=FLOAT if new.dtype.kind == "f" else new.dtype)
    name = new.graph.one("Pad", new.reference(), amounts, new.graph.constant(number))
    positive = new.nonnegative and around.nonnegative
    return new.made(name, around.shape, tensor, nonnegative=positive)


def _laid(x: Value, new: Value, ranges: Sequence[range], cut: Sequence[int]) -> Value:
    """Return a value in which every so many places along some axes hold those of another value."""
    mask = np.ones((1,) * len(x.shape), dtype=bool)
    for k in cut:
        size = x.shape[k]
        source, hit = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=bool)
        source[list(ranges[k])], hit[list(ranges[k])] = np.arange(len(ranges[k])), True
        new = take(new, Value.constant(x.graph, source), k)
        mask = mask & hit.reshape((1,) * k + (size,) + (1,) * (len(x.shape) - k - 1))
    return where(Value.constant(x.graph, mask, x.shape), new, x)


def moved(axes: int, source: int, destination: int) -> tuple[int, ...]:
    """Return the order of axes that has one of them at another place."""
    order = [k for k in range(axes) if k != source % axes]
    order.insert(destination % axes, source % axes)
    return tuple(order)
