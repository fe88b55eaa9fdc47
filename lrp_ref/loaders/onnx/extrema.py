"""The largest, the smallest and the mean of several tensors, signals or constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Add, Bounds, Concat, Function, Max, Unsqueeze
from .arithmetic import aligned, scaled, wide_enough
from .batches import Axes
from .convert import Converter, operator
from .elementwise import bound_of, clipped, sample_parameter
from .file import Op
from .grids import widened
from .layout import raised
from .values import PROBES, Constant, Refusal, Signal, Tensor


def _apart(ctx: Converter, op: Op) -> tuple[list[str], list[np.ndarray[Any, Any]]]:
    """Return the names of the node's signals, and its constants."""
    names = [n for n in op.inputs if not isinstance(ctx.tensor(n), Constant)]
    return names, [ctx.constant(n).array() for n in op.inputs if n not in names]


@operator("Max", "Min", axes=Axes.OTHER)
def _extremum(ctx: Converter, op: Op) -> Sequence[Tensor]:
    names, constants = _apart(ctx, op)
    if not constants and len(names) == 1:
        return [ctx.raw_signal(names[0])]
    x = ctx.signal(op, names[0]) if len(names) == 1 else _largest(ctx, op, names, helper=bool(constants))
    if not constants:
        return [x]
    least = op.kind == "Min"
    bound = constants[0]
    for more in constants[1:]:
        bound = np.minimum(bound, more) if least else np.maximum(bound, more)
    return [_bounded(ctx, op, raised(ctx, op, x, bound.ndim), bound, least)]


def _largest(ctx: Converter, op: Op, names: Sequence[str], *, helper: bool) -> Signal:
    """Return the largest, or the smallest, of several signals: they are stacked, and the winner takes all."""
    signals, batch = aligned(ctx, op, names)
    sizes = [tuple(map(int, np.broadcast_shapes(*(s.sizes[k] for s in signals)))) for k in range(PROBES)]
    least, stacked = op.kind == "Min", []
    for signal in signals:
        wide = widened(ctx, op, signal, sizes)
        if least:
            wide = ctx.emit(op, Function("negative"), [wide], tag="negative")
        stacked.append(ctx.emit(op, Unsqueeze((1,)), [wide], tag="unsqueeze"))
    together = ctx.emit(op, Concat(1), stacked, tag="concat")
    tag = "max" if helper or least else ""
    best = ctx.emit(op, Max((1,), keepdims=False), [together], batch=batch, tag=tag)
    return ctx.emit(op, Function("negative"), [best], tag="min" if helper else "") if least else best


def _bounded(ctx: Converter, op: Op, x: Signal, bound: np.ndarray[Any, Any], least: bool) -> Signal:
    """Return the signal with a bound, which may be another number for each element."""
    if np.isnan(bound).any():
        raise Refusal("a bound that is no number")
    if bound.size == 1:
        number = bound_of(float(bound.reshape(-1)[0]), 1 if least else -1)
        return clipped(ctx, op, None, number, x) if least else clipped(ctx, op, number, None, x)
    if not np.isfinite(bound).all():
        raise Refusal("some of its bounds are infinite")
    parameter = np.ascontiguousarray(sample_parameter(ctx, bound.astype(ctx.dtype), x))
    x = wide_enough(ctx, op, x, [parameter])
    return ctx.emit(op, Bounds(high=parameter) if least else Bounds(low=parameter), [x])


@operator("Sum", "Mean", axes=Axes.OTHER)
def _sum_of_many(ctx: Converter, op: Op) -> Sequence[Tensor]:
    names, _ = _apart(ctx, op)
    constants = [ctx.weight(n) for n in op.inputs if n not in names]
    part = 1 if op.kind == "Sum" else 1 / len(op.inputs)
    if len(names) == 1 and part == 1 and not constants:
        return [ctx.raw_signal(names[0])]
    signals, batch = aligned(ctx, op, names)
    x = signals[0]
    if len(names) > 1 or part != 1:
        layer = Add() if part == 1 else Add((part,) * len(names))
        x = ctx.emit(op, layer, signals, batch=batch, tag="add" if constants else "")
    if not constants:
        return [x]
    shift = constants[0]
    for more in constants[1:]:
        shift = shift + more
    shift = np.asarray(shift * part, dtype=ctx.dtype)
    return [scaled(ctx, op, raised(ctx, op, x, shift.ndim), None, shift)]
