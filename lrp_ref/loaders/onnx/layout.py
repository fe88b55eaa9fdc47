"""Where the batch of a signal is: brought to the front, given up where a file has none, the same for all operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import Constant as ConstantLayer
from ...layers import Squeeze, Unsqueeze
from .convert import Converter
from .file import Op
from .growing import Growing, cut_by, growing
from .values import WHOLE, Constant, Refusal, Signal, lowest


def batched(ctx: Converter, op: Op, x: Signal, axis: int = 0) -> Signal:
    """Return a signal with its batch at some axis; of a file without a batch, at ``axis`` where its size is 1.

    A convolution wants an axis of samples even where the rest of the file mixes them.
    """
    if x.batch != WHOLE:
        return x
    known = ctx.squeezed.get(x.value)
    if known is not None and known.batch == axis:
        return known
    if x.rank <= axis or x.size(axis + 1) != 1:
        raise Refusal(f"axis {axis} of its input {x.sizes[0]} holds samples that other nodes of the file mix")
    return ctx.emit(op, Squeeze((axis + 1,)), [x], batch=axis, tag="squeeze")


def alike(ctx: Converter, op: Op, signals: Sequence[Signal]) -> list[Signal]:
    """Return the operands of a node, all without a batch if one of them is."""
    if all(x.batch != WHOLE for x in signals):
        return list(signals)
    return [ctx.unbatched(op, x) for x in signals]


def raised(ctx: Converter, op: Op, x: Signal, rank: int) -> Signal:
    """Return a signal with axes of size 1 in front, as broadcasting against an operand with ``rank`` axes adds them."""
    missing = rank - x.rank
    if missing <= 0:
        return x
    batch = WHOLE if x.batch == WHOLE else x.batch + missing
    return ctx.emit(op, Unsqueeze(tuple(range(1, missing + 1))), [x], batch=batch, tag="unsqueeze")


def finite(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a mask with numbers that can be added in place of −∞: below a softmax they are 0 as well."""
    if array.dtype.kind != "f":
        return array
    return np.where(np.isneginf(array), np.asarray(lowest(dtype), dtype), array.astype(dtype))


def constant_signal(ctx: Converter, op: Op, name: str, like: Signal) -> Signal:
    """Return a constant as a layer that makes it for every sample.

    Args:
        ctx: the conversion.
        op: the node that reads it.
        name: of the constant.
        like: a signal whose batch axis the constant has, counted from the end: it tells the number of samples.
    """
    probes = [sample_of(ctx, p, like, ctx.samples[k]) for k, p in enumerate(ctx.constant(name).probes)]
    value = growing(Constant(tuple(finite(p, ctx.dtype) for p in probes)))
    return _made(ctx, op, value.map(lambda array: ctx.parameter(array, name)), like)


def layer_of(ctx: Converter, op: Op, value: Growing, like: Signal) -> Signal:
    """Return a constant that may have the batch axis of ``like`` as a layer that makes it for every sample."""
    return _made(
        ctx, op, value.map(lambda array: sample_of(ctx, array, like, array.shape[0] if array.ndim else 1)), like
    )


def _made(ctx: Converter, op: Op, value: Growing, like: Signal) -> Signal:
    """Return a sample's constant as a layer that reads ``like``, or an input that is as long as it, to cut it."""
    batch = like.batch if like.batch == WHOLE else value.array.ndim - (like.rank - 1 - like.batch)
    like, cut = cut_by(value, (like, *ctx.inputs.values()))
    layer = ConstantLayer(np.ascontiguousarray(value.array), cut=cut)
    return ctx.emit(op, layer, [like], batch=max(batch, WHOLE), tag="constant")


def sample_of(ctx: Converter, array: np.ndarray[Any, Any], like: Signal, samples: int) -> np.ndarray[Any, Any]:
    """Return what a constant is to each sample: without the batch axis of ``like``, along which it may not differ."""
    if like.batch == WHOLE:
        return array
    behind = like.rank - 1 - like.batch  # axes behind the batch
    if array.ndim <= behind:
        return array.reshape((1,) * (behind - array.ndim) + array.shape)
    axis = array.ndim - 1 - behind
    if not array.shape[axis]:
        raise Refusal(f"a constant of shape {array.shape} beside {samples} samples")
    ctx.require_rows(array.shape[axis])
    first = np.take(array, 0, axis=axis)
    # As many rows as the exporter's example had samples are one, if they are alike.
    if not (array == np.expand_dims(first, axis)).all():
        raise Refusal("a constant that differs between the samples of the batch")
    return np.ascontiguousarray(first)
