"""Operators that move values: reshape, transpose, slice, gather, pad, concat, split; and shapes as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Concat, Flatten, Gather, Layer, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .grids import wrapped
from .layout import alike, constant_signal
from .lookup import looked_up
from .merged import place_in, transposed
from .values import PROBES, WHOLE, Constant, Refusal, Signal, Sizes, Tensor, count, merge_sizes, network_axis

FAR = 1 << 31  # starts and ends beyond this mean "to the end"


@operator("Shape", "Size", axes=Axes.OTHER)
def _shape(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0], merged=True)
    shapes = [x.file_shape(k, ctx.samples[k]) for k in range(PROBES)]
    if op.kind == "Size":
        return [Constant(tuple(np.asarray(count(s), dtype=np.int64) for s in shapes))]
    part = slice(op.attributes.get("start"), op.attributes.get("end"))
    return [Constant(tuple(np.asarray(s[part], dtype=np.int64) for s in shapes))]


def reshaped(ctx: Converter, op: Op, x: Signal, sizes: tuple[Sizes, ...], batch: int, layer: Layer | None) -> Signal:
    """Return x with other sample shapes, in the same order of values.

    A signal whose reshape is pending stays so, and one that gets its stored shape back needs no layer.

    Args:
        x: the signal.
        sizes: for each probe, the new sample shape.
        batch: the batch axis of the new ONNX tensor.
        layer: what to add; None for a Reshape or Flatten.
    """
    if x.pending or sizes == x.stored:
        return replace(x, sizes=sizes, batch=batch, merged=None)
    kept = ctx.deviations.with_axes(x, sizes)
    if kept is not None:
        return replace(kept, batch=batch)
    if layer is None:
        shape = merge_sizes(sizes)
        layer = Flatten() if len(shape) == 1 else Reshape(shape)
    return ctx.emit(op, layer, [x], batch=batch)


@operator("Reshape", axes=Axes.OTHER)
def _reshape(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0], merged=True)
    if "shape" in op.attributes:
        targets = [list(op.attributes["shape"])] * PROBES
    else:
        targets = [[int(v) for v in p.reshape(-1)] for p in ctx.constant(op.inputs[1]).probes]
    keep_zero = bool(op.attributes.get("allowzero", 0))
    shapes = [_resolve(x.file_shape(k, ctx.samples[k]), target, keep_zero) for k, target in enumerate(targets)]
    return [_to_shapes(ctx, op, x, shapes)]


def _resolve(shape: Sizes, target: Sequence[int], keep_zero: bool) -> Sizes:
    """Return the full shape that a Reshape's target means."""
    filled = [shape[k] if t == 0 and not keep_zero and k < len(shape) else t for k, t in enumerate(target)]
    known = count(tuple(t for t in filled if t != -1))
    if filled.count(-1) > 1 or (-1 in filled and (known == 0 or count(shape) % known)):
        raise Refusal(f"a tensor of shape {shape} does not fit into {tuple(target)}: the batch size is fixed in it")
    filled = [count(shape) // known if t == -1 else t for t in filled]
    if count(tuple(filled)) != count(shape):
        raise Refusal(f"a tensor of shape {shape} does not fit into {tuple(target)}: the batch size is fixed in it")
    return tuple(filled)


def _to_shapes(ctx: Converter, op: Op, x: Signal, shapes: Sequence[Sizes]) -> Signal:
    """Reshape to full ONNX shapes, which must keep the samples of the batch apart."""
    if x.batch == WHOLE:
        return reshaped(ctx, op, x, tuple(shapes), WHOLE, None)
    places = None
    for k, shape in enumerate(shapes):
        n = ctx.samples[k]
        lead = count(x.sizes[k][: x.batch])
        here = {q for q, size in enumerate(shape) if size == n and count(shape[:q]) == lead}
        places = here if places is None else places & here
    if not places:
        found = place_in(x, shapes, ctx.samples)
        if found is not None:
            batch, apart, group = found
            return replace(reshaped(ctx, op, x, tuple(apart), batch, None), merged=group)
        raise Refusal(f"it merges the batch with other axes: {x.shape(0, ctx.samples[0])} to {shapes[0]}")
    batch = x.batch if x.batch in places else min(places)
    sizes = tuple((*s[:batch], *s[batch + 1 :]) for s in shapes)
    return reshaped(ctx, op, x, sizes, batch, None)


@operator("Flatten", axes=Axes.OTHER)
def _flatten(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0])
    axis = op.attributes.get("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    shapes = [x.shape(k, ctx.samples[k]) for k in range(PROBES)]
    return [_to_shapes(ctx, op, x, [(count(s[:axis]), count(s[axis:])) for s in shapes])]


@operator("Squeeze", axes=Axes.OTHER)
def _squeeze(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0])
    given = ctx.integers(op, "axes", 1)
    if given is None:
        given = [k for k in range(x.rank) if k != x.batch and x.size(x.axis(k)) == 1]
    if ctx.whole and x.batch != WHOLE and [a % x.rank for a in given] == [x.batch]:
        return [x.moved(WHOLE)]  # the axis for one sample that was put in front of it
    axes = tuple(sorted(x.axis(a) for a in given))
    if any(x.size(a) != 1 for a in axes):
        raise Refusal(f"axes {given} are not all of size 1")
    sizes = tuple(tuple(n for k, n in enumerate(s, 1) if k not in axes) for s in x.sizes)
    batch = x.batch - sum(a % x.rank < x.batch for a in given)
    return [reshaped(ctx, op, x, sizes, batch, Squeeze(axes))]


@operator("Unsqueeze", axes=Axes.OTHER)
def _unsqueeze(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0])
    given = ctx.integers(op, "axes", 1) or []
    rank = x.rank + len(given)
    new = {a % rank for a in given if -rank <= a < rank}
    if len(new) != len(given):
        raise Refusal(f"axes {given} are not different axes of a tensor with {rank} axes")
    if x.batch == WHOLE and new == {0}:
        return [x.moved(0)]  # samples are counted in the new axis; whoever wants it in the sample puts it there
    old = [k for k in range(rank) if k not in new]
    batch = WHOLE if x.batch == WHOLE else old[x.batch]
    axes = tuple(sorted(network_axis(a, batch) for a in new))
    sizes = []
    for sample in x.sizes:
        rest = iter(sample)
        sizes.append(tuple(1 if k in axes else next(rest) for k in range(1, len(sample) + len(axes) + 1)))
    return [reshaped(ctx, op, x, tuple(sizes), batch, Unsqueeze(axes))]


@operator("Transpose", axes=Axes.OTHER)
def _transpose(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.raw_signal(op.inputs[0], merged=True)
    if x.merged is not None:
        return [_transposed_merged(ctx, op, x)]
    permutation = tuple(op.attributes.get("perm", tuple(reversed(range(x.rank)))))
    if sorted(permutation) != list(range(x.rank)):
        raise Refusal(f"perm {permutation} is no order of {x.rank} axes")
    batch = WHOLE if x.batch == WHOLE else permutation.index(x.batch)
    axes = tuple(x.axis(p) for p in permutation if p != x.batch)
    if axes == tuple(range(1, len(axes) + 1)):
        return [x.moved(batch)]  # only the batch moves, and the network has it first anyway
    return [ctx.emit(op, Transpose((0, *axes)), [ctx.signal(op, op.inputs[0])], batch=batch)]


def _transposed_merged(ctx: Converter, op: Op, x: Signal) -> Signal:
    assert x.merged is not None
    rank = x.rank - (x.merged[1] - x.merged[0] - 1)
    permutation = tuple(op.attributes.get("perm", tuple(reversed(range(rank)))))
    if sorted(permutation) != list(range(rank)):
        raise Refusal(f"perm {permutation} is no order of {rank} axes")
    order, group = transposed(x, permutation)
    y = ctx.settled(op, replace(x, merged=None))
    batch = order.index(y.batch)
    axes = tuple(y.axis(p) for p in order if p != y.batch)
    if axes != tuple(range(1, len(axes) + 1)):
        y = ctx.emit(op, Transpose((0, *axes)), [y], batch=batch)
    return replace(y, batch=batch, merged=group)


@operator("Concat", axes=Axes.OTHER)
def _concat(ctx: Converter, op: Op) -> Sequence[Tensor]:
    names = [n for n in op.inputs if not _is_empty(ctx.tensor(n))]
    signals = joined_operands(ctx, op, names)
    if len({(s.batch, s.rank) for s in signals}) != 1:
        raise Refusal("the operands have their batch at different axes")
    axis = signals[0].axis(op.attributes["axis"])
    return [signals[0]] if len(signals) == 1 else [ctx.emit(op, Concat(axis), signals)]


def joined_operands(ctx: Converter, op: Op, names: Sequence[str]) -> list[Signal]:
    """Return what is joined, constants among it as layers."""
    found = {n: ctx.signal(op, n) for n in names if not isinstance(ctx.tensor(n), Constant)}
    found = dict(zip(found, alike(ctx, op, list(found.values())), strict=True))
    if not found:
        raise Refusal("it joins nothing that depends on the input")
    like = next(iter(found.values()))
    return [found[n] if n in found else constant_signal(ctx, op, n, like) for n in names]


def _is_empty(tensor: Tensor) -> bool:
    return isinstance(tensor, Constant) and tensor.probes[0].size == 0


@operator("Split", axes=Axes.OTHER)
def _split(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    axis = x.axis(op.attributes.get("axis", 0))
    size, parts = x.size(axis), len(op.outputs)
    if size is None:
        raise Refusal("it splits an axis of free size")
    sizes = ctx.integers(op, "split", 1)
    if sizes is None:
        parts = op.attributes.get("num_outputs", parts)
        if parts != len(op.outputs):
            raise Refusal(f"{parts} parts for {len(op.outputs)} outputs")
        chunk = -(-size // parts)
        sizes = [min(chunk, size - k * chunk) for k in range(parts)]
    if len(sizes) != len(op.outputs):
        raise Refusal(f"{len(sizes)} parts for {len(op.outputs)} outputs")
    return ctx.emit_all(op, Split(tuple(sizes), axis), [x], outputs=len(sizes))


@operator("Slice", axes=Axes.SAME)
def _slice(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    columns: list[Any] = []
    for k, name in enumerate(("starts", "ends", "axes", "steps"), 1):
        if name in op.attributes:
            columns.append([list(op.attributes[name])] * PROBES)
        elif ctx.has(op, k):
            columns.append([p.reshape(-1).tolist() for p in ctx.constant(op.inputs[k]).probes])
        else:
            columns.append(None)
    starts, ends, axes, steps = columns
    length = len(starts[0])
    where = list(range(length)) if axes is None else _same(axes, "axes")
    strides = [1] * length if steps is None else _same(steps, "steps")
    kept = []
    for j, (axis, step) in enumerate(zip(where, strides, strict=True)):
        sizes = [x.shape(k, ctx.samples[k])[axis] for k in range(PROBES)]
        if step < 0 and all(e[j] >= FAR for e in ends):
            raise Refusal("it runs backwards to the last of all places: nothing by the standard, all to onnxruntime")
        start = _bound([s[j] for s in starts], sizes, step, first=True)
        stop = _bound([e[j] for e in ends], sizes, step, first=False)
        if (start, stop, step) == (None, None, 1):
            continue  # the whole axis, which may be the batch
        kept.append((x.axis(axis), start, stop, int(step)))
    if not kept:
        return [x]
    kept.sort(key=lambda entry: entry[0])
    wheres, firsts, lasts, hops = zip(*kept, strict=True)
    return [ctx.emit(op, Slice(wheres, firsts, lasts, hops), [x])]


def _same(values: Sequence[Any], what: str) -> list[Any]:
    if any(v != values[0] for v in values):
        raise Refusal(f"its {what} depend on a free size of the input: fix it with load(..., shapes=...)")
    return list(values[0])


def _bound(values: Sequence[int], sizes: Sequence[int], step: int, *, first: bool) -> int | None:
    """Return a start or stop as Python has it: None for the end of the axis, negative numbers from its end."""
    end_is_none = (step > 0) != first  # the default start of forward slices is 0, their default stop the size
    if end_is_none and all(v >= n or v >= FAR for v, n in zip(values, sizes, strict=True)):
        # What is far for the sizes of the probes may not be for others.
        said = len(set(sizes)) > 1 and len(set(values)) == 1 and values[0] < FAR
        return int(values[0]) if said else None
    if not end_is_none and step < 0 and all(v < -n for v, n in zip(values, sizes, strict=True)):
        return None
    if first and step < 0 and all(v < -n for v, n in zip(values, sizes, strict=True)):
        return 0  # a start is brought into the axis; to Python it would lie in front of it
    if first and step > 0 and all(v == 0 or v <= -n for v, n in zip(values, sizes, strict=True)):
        return None
    # A start before a free axis that is too short for it is brought into it, which Python does not do backwards.
    short = first and step < 0 and len(set(sizes)) > 1 and min(values) < -1
    if all(v == values[0] for v in values) and not short:
        return int(values[0])
    from_end = {v - n for v, n in zip(values, sizes, strict=True)}
    if len(from_end) == 1 and min(from_end) < 0:
        return int(from_end.pop())
    raise Refusal("its bounds depend on a free size of the input: fix it with load(..., shapes=...)")


@operator("Gather", axes=Axes.OTHER)
def _gather(ctx: Converter, op: Op) -> Sequence[Tensor]:
    if isinstance(ctx.tensor(op.inputs[0]), Constant):
        return [looked_up(ctx, op)]
    indices = ctx.constant(op.inputs[1])
    x = ctx.raw_signal(op.inputs[0])
    axis = x.axis(op.attributes.get("axis", 0))
    size = x.size(axis)
    positions = _positions([p.reshape(-1).tolist() for p in indices.probes], [z[axis - 1] for z in x.sizes])
    scalar = indices.probes[0].ndim == 0
    batch = x.batch - (1 if scalar and op.attributes.get("axis", 0) % x.rank < x.batch else 0)
    if scalar and size == 1:
        sizes = tuple((*s[: axis - 1], *s[axis:]) for s in x.sizes)
        return [reshaped(ctx, op, x, sizes, batch, Squeeze((axis,)))]
    x, grid = ctx.signal(op, op.inputs[0]), indices.probes[0].shape
    taken = Gather(positions[0] if scalar else tuple(positions), axis)
    if len(grid) < 2:
        return [ctx.emit(op, taken, [x], batch=batch)]
    if any(p.shape != grid for p in indices.probes):
        raise Refusal("its indices depend on a free size of the input: fix it with load(..., shapes=...)")
    sizes = tuple((*s[: axis - 1], *grid, *s[axis:]) for s in x.sizes)
    side_by_side = ctx.emit(op, taken, [x], tag="gather")
    before = op.attributes.get("axis", 0) % x.rank < x.batch
    return [ctx.emit(op, Reshape(merge_sizes(sizes)), [side_by_side], batch=x.batch + before * (len(grid) - 1))]


def _positions(probes: Sequence[Sequence[int]], sizes: Sequence[int]) -> list[int]:
    """Return indices that hold for every size: as they are, or counted from the end where that is the same."""
    for indices, size in zip(probes, sizes, strict=True):
        wrong = [i for i in indices if not -size <= i < size]
        if wrong:
            raise Refusal(f"index {wrong[0]} is outside an axis of size {size}")
    from_end = [[i - n if i >= 0 else i for i in indices] for indices, n in zip(probes, sizes, strict=True)]
    for candidates in (probes, from_end):
        if all(list(c) == list(candidates[0]) for c in candidates):
            return [int(i) for i in candidates[0]]
    raise Refusal("its indices depend on a free size of the input: fix it with load(..., shapes=...)")


@operator("Pad", axes=Axes.SAME)
def _pad(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    mode = op.attributes.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise Refusal(f"mode {mode}")
    key = "paddings" if "paddings" in op.attributes else "pads"
    amounts = ctx.integers(op, key, 1)
    if amounts is None:
        raise Refusal("no amounts are given")
    axes = ctx.constant(op.inputs[3]).integers() if ctx.has(op, 3) else list(range(x.rank))
    value: float = op.attributes.get("value", 0.0)
    if ctx.has(op, 2):
        value = float(ctx.constant(op.inputs[2]).array().reshape(-1)[0])
    pairs = [(0, 0)] * (x.depth - 1)
    for j, axis in enumerate(axes):
        pair = (amounts[j], amounts[j + len(axes)])
        if pair != (0, 0):
            pairs[x.axis(axis) - 1] = pair
    if not any(map(any, pairs)):
        return [x]
    if max(map(max, pairs)) <= 0:
        mode, value = "constant", 0.0
    if mode != "constant" and min(map(min, pairs)) < 0:
        # What is cropped is not copied.
        x = ctx.emit(op, Pad(tuple((min(a, 0), min(b, 0)) for a, b in pairs)), [x], tag="crop")
        pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode != "constant":  # a list of positions is made for each axis
        for sizes in x.sizes:
            ctx.allowance.require(
                5 * sum(n + max(0, *pair) * 2 for n, pair in zip(sizes, pairs, strict=True)), "positions"
            )
    if mode == "wrap":
        return [wrapped(ctx, op, x, pairs)]
    number = int(value) if float(value).is_integer() else value
    return [ctx.emit(op, Pad(tuple(pairs), mode, number), [x])]
