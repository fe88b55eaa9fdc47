"""Sums, products and quotients: of signals, and with constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Add, Affine, Conv, ConvTranspose, Dense, Multiply, Power, Softmax
from .batches import Axes
from .convert import Converter, operator
from .elementwise import reciprocal, sample_parameter
from .file import Op
from .grids import widened
from .kinds import NARROW, of_integers
from .layout import alike, constant_signal, finite, raised
from .patterns import activation
from .responses import local_response
from .values import WHOLE, Constant, Refusal, Signal, Tensor


def _operands(ctx: Converter, op: Op) -> tuple[Tensor, Tensor]:
    operands = [ctx.tensor(name) for name in op.inputs]
    for tensor in operands:
        if isinstance(tensor, Constant) and tensor.probes[0].dtype.name in NARROW.values():
            raise Refusal(
                f"it computes in {tensor.probes[0].dtype}, in which numbers outside of its range become others"
            )
    first, second = operands
    return first, second


def aligned(ctx: Converter, op: Op, names: Sequence[str]) -> tuple[list[Signal], int]:
    """Return signals that broadcast against each other, with the same number of axes, and the result's batch axis."""
    return aligned_signals(ctx, op, [ctx.signal(op, n) for n in names])


def aligned_signals(ctx: Converter, op: Op, signals: Sequence[Signal]) -> tuple[list[Signal], int]:
    """Return these signals with the same number of axes, and the batch axis of what is made of them."""
    signals = alike(ctx, op, signals)
    rank = max(s.rank for s in signals)
    if signals[0].batch != WHOLE and len({s.rank - s.batch for s in signals}) != 1:
        raise Refusal("the operands have their batch at different axes")
    out = [raised(ctx, op, signal, rank) for signal in signals]
    return out, out[0].batch


def alongside(ctx: Converter, op: Op, names: Sequence[str]) -> tuple[list[Signal], int]:
    """Return operands that broadcast against each other as :func:`aligned` does, constants among them as layers."""
    signals = {n: ctx.signal(op, n) for n in names if not isinstance(ctx.tensor(n), Constant)}
    rank = max(ctx.rank(n) for n in names)
    reads, _ = aligned(ctx, op, list(signals))
    found = dict(zip(signals, reads, strict=True))
    like = raised(ctx, op, reads[0], rank)
    for name in names:
        if name not in found:
            found[name] = constant_signal(ctx, op, name, like)
    ready = [raised(ctx, op, found[name], rank) for name in names]
    return ready, ready[0].batch


def affine(ctx: Converter, op: Op, name: str, *, scale: Any = None, shift: Any = None, tag: str = "") -> Signal:
    """Return scale·x + shift for constants that ONNX broadcasts against x."""
    x = ctx.raw_signal(name)
    rank = max(v.ndim for v in (scale, shift) if v is not None)
    single = rank <= x.rank and all(v is None or v.size == 1 for v in (scale, shift))
    factor = 1.0 if scale is None else float(scale.reshape(-1)[0])
    offset = 0.0 if shift is None else float(shift.reshape(-1)[0])
    bell = None
    if single:
        bell = ctx.patterns.scaled(x, factor)
        if shift is not None:
            bell = ctx.patterns.shifted(x, offset) if factor == 1.0 else None
    layer = activation(bell)
    if layer is not None and bell is not None:
        return ctx.emit(op, layer, [bell.source], tag=tag)
    x = raised(ctx, op, ctx.signal(op, name), rank)
    y = scaled(ctx, op, x, scale, shift, tag=tag)
    ctx.patterns.note_bell(y, bell)
    if single:
        ctx.patterns.note_affine(y, x, factor, offset)
        ctx.deviations.note_affine(y, x, factor, offset)
    return y


def scaled(ctx: Converter, op: Op, x: Signal, scale: Any, shift: Any, *, tag: str = "") -> Signal:
    """Return scale·x + shift as a layer of its own, whatever made the signal; None leaves out a part."""
    parts = [None if v is None else np.ascontiguousarray(sample_parameter(ctx, v, x)) for v in (scale, shift)]
    return ctx.emit(op, Affine(*parts), [wide_enough(ctx, op, x, parts)], tag=tag)


def wide_enough(ctx: Converter, op: Op, x: Signal, parts: Sequence[Any]) -> Signal:
    """Return the signal with what the parameters repeat repeated by a layer of its own."""
    if not x.sizes[0]:
        return x  # a sample is one number, and so is each parameter
    sizes = []
    for sample in x.sizes:
        tail = (1,) * (len(sample) - 1)
        shapes = [p.shape if p.ndim > 1 else (*p.shape, *tail) for p in parts if p is not None]
        try:
            sizes.append(tuple(int(n) for n in np.broadcast_shapes(sample, *shapes)))
        except ValueError as error:
            raise Refusal(f"constants of shapes {shapes} for samples of shape {sample}") from error
    return widened(ctx, op, x, sizes)


def _fold_bias(ctx: Converter, op: Op, name: str, shift: np.ndarray[Any, Any]) -> Signal | None:
    """Put an added constant into the layer before it, if that is its bias written as a node of its own."""
    built = ctx.only_consumer(name)
    if built is None:
        return None
    x, layer = ctx.raw_signal(name), built.layer
    if shift.ndim > x.rank:
        return None  # the sum has more axes than the layer's output
    if isinstance(layer, Affine) and layer.shift is None and shift.size > 1:
        # BatchNormalization as Keras writes it: a product, then a sum.
        parameter = np.ascontiguousarray(sample_parameter(ctx, shift, x))
        fits = layer.scale is not None and layer.scale.shape == parameter.shape
        return ctx.rewrite(name, replace(layer, shift=parameter)) if fits else None
    if not isinstance(layer, Conv | ConvTranspose | Dense) or layer.bias is not None:
        return None
    if isinstance(layer, Dense):
        if shift.shape[-1:] != (shift.size,) or shift.size != layer.weight.shape[1]:
            return None
        bias = shift.reshape(-1)
    else:
        outs = layer.weight.shape[0] if isinstance(layer, Conv) else layer.weight.shape[1] * layer.groups
        bias = sample_parameter(ctx, shift, x)
        if bias.shape != (outs,):
            return None
    return ctx.rewrite(name, replace(layer, bias=np.ascontiguousarray(bias)))


def _addend(ctx: Converter, name: str, signal: str) -> np.ndarray[Any, Any]:
    """Return an added constant: once, if it is the same for every sample; that of a mask may be −∞."""
    x = ctx.raw_signal(signal)
    return ctx.parameter(finite(ctx.constant(name).once(x.batch - x.rank).array(), ctx.dtype), name)


@operator("Add", "Sub", axes=Axes.EACH)
def _sum(ctx: Converter, op: Op) -> Sequence[Tensor]:
    a, b = _operands(ctx, op)
    minus = op.kind == "Sub"
    if isinstance(b, Constant):
        shift = _addend(ctx, *op.inputs[::-1])
        shift = -shift if minus else shift
        folded = _fold_bias(ctx, op, op.inputs[0], shift)
        return [affine(ctx, op, op.inputs[0], shift=shift) if folded is None else folded]
    if isinstance(a, Constant):
        shift = _addend(ctx, *op.inputs)
        if minus:
            return [affine(ctx, op, op.inputs[1], scale=np.full((), -1, dtype=ctx.dtype), shift=shift)]
        folded = _fold_bias(ctx, op, op.inputs[1], shift)
        return [affine(ctx, op, op.inputs[1], shift=shift) if folded is None else folded]
    (x, y), batch = aligned(ctx, op, op.inputs)
    z = ctx.emit(op, Add((1, -1)) if minus else Add(), [x, y], batch=batch)
    if minus:
        ctx.deviations.note_difference(z, x, y)
    else:
        ctx.patterns.note_sum(z, x, y)
    return [z]


@operator("Neg", axes=Axes.EACH)
def _negative(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return [affine(ctx, op, op.inputs[0], scale=np.full((), -1, dtype=ctx.dtype))]


@operator("Mul", axes=Axes.EACH)
def _product(ctx: Converter, op: Op) -> Sequence[Tensor]:
    a, b = _operands(ctx, op)
    if isinstance(b, Constant):
        return [affine(ctx, op, op.inputs[0], scale=ctx.weight(op.inputs[1]))]
    if isinstance(a, Constant):
        return [affine(ctx, op, op.inputs[1], scale=ctx.weight(op.inputs[0]))]
    left, right = (ctx.signal(op, n) for n in op.inputs)
    return [multiplied(ctx, op, left, right)]


def multiplied(ctx: Converter, op: Op, left: Signal, right: Signal, gate: int | None = None) -> Signal:
    """Return the product of two signals, or the activation or normalisation that it completes.

    Args:
        ctx, op: the conversion and the node.
        left, right: the signals.
        gate: which of them gates the other; None for the one that comes out of a sigmoid or softmax, if one does.
    """
    bell = ctx.patterns.multiplied(left, right)
    layer = activation(bell)
    if layer is not None and bell is not None:
        return ctx.emit(op, layer, [bell.source])
    found = ctx.deviations.product(left, right)
    if found is not None:
        return ctx.emit(op, found.layer, [found.source])
    (x, y), batch = aligned_signals(ctx, op, (left, right))
    if x == y:
        z = ctx.emit(op, Power(2), [x])
        ctx.deviations.note_power(z, x, 2)
    else:
        gates = [ctx.patterns.is_gate(s) for s in (x, y)]
        if gate is None:
            gate = gates.index(True) if sum(gates) == 1 else None
        z = ctx.emit(op, Multiply(gate=gate), [x, y], batch=batch)
    ctx.patterns.note_product(z, x, y)
    ctx.patterns.note_bell(z, bell)
    return z


@operator("Div", axes=Axes.EACH)
def _quotient(ctx: Converter, op: Op) -> Sequence[Tensor]:
    a, b = _operands(ctx, op)
    if of_integers(ctx.graph, op.inputs[0]):
        raise Refusal("a division of integers, which leaves out what is behind the point")
    if isinstance(b, Constant):
        divisor = ctx.weight(op.inputs[1])
        if not divisor.all():
            raise Refusal("a division by 0")
        return [affine(ctx, op, op.inputs[0], scale=1 / divisor)]
    if isinstance(a, Constant):
        factor = ctx.weight(op.inputs[0])
        inverse = raised(ctx, op, reciprocal(ctx, op, op.inputs[1], tag="reciprocal"), factor.ndim)
        if factor.size == 1 and factor.reshape(-1)[0] == 1:
            return [inverse]
        return [scaled(ctx, op, inverse, factor, None)]
    left, right = (ctx.signal(op, n) for n in op.inputs)
    found = ctx.deviations.quotient(left, right)
    if found is not None:
        y = ctx.emit(op, found.layer, [found.source])
        if isinstance(found.layer, Softmax):
            ctx.patterns.mark_gate(y)
        return [y]
    response = local_response(ctx, left, right)
    if response is not None:
        return [ctx.emit(op, response, [left])]
    # x/d = x·(1/d): what is divided takes all the relevance, the divisor is as a gate.
    return [multiplied(ctx, op, left, reciprocal(ctx, op, op.inputs[1], tag="reciprocal"), gate=1)]
