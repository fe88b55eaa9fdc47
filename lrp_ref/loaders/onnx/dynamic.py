"""Quantised networks whose scales depend on the input: integers in the range of the numbers that they stand for.

What products of such integers add up to counts in units of a scale that is multiplied in later: the node that does so
is the float operator, with its weight in real units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .batches import Axes
from .convert import HANDLERS, Converter, operator
from .file import Op
from .quantised import MICROSOFT, Quantised, along, as_real, fixed, real, zero_point
from .values import Constant, Refusal, Special, Tensor

Array = np.ndarray[Any, Any]


class InUnits(Special):
    """What is multiplied by a scale before it is read as a number."""

    def read_by(self, ctx: Converter, op: Op) -> Sequence[Tensor]:
        return [_scaled(ctx, op)] if op.kind == "Mul" else HANDLERS[op.kind](ctx, op)


@dataclass(frozen=True, eq=False)
class Unit(InUnits):
    """A scale that depends on the input, times a constant: ``of`` are the integers that have it."""

    of: tuple[str, ...]
    factor: Array

    @property
    def described(self) -> str:
        return "is a scale of integers that depends on the input"


@dataclass(frozen=True, eq=False)
class Products(InUnits):
    """Sums of products of integers, in units of a scale: what a float operator makes of the numbers in that scale.

    Attributes:
        kind: the float operator.
        op: the node.
        inputs: its first operand, and its weight without a scale.
        of: the integers whose scale the sums have.
        unit: the part of the scale that does not depend on the input.
    """

    kind: str
    op: Op
    inputs: tuple[str, str]
    of: tuple[str, ...]
    unit: float

    @property
    def described(self) -> str:
        return "holds sums of products of integers, whose scale is not given yet"

    def read_by(self, ctx: Converter, op: Op) -> Sequence[Tensor]:
        return [self] if op.kind == "Cast" else super().read_by(ctx, op)

    def times(self, ctx: Converter, op: Op, factor: Array) -> Tensor:
        """Return the sums as numbers: the operator with its weight in real units."""
        factor = factor.astype(np.float64) / self.unit
        weight = ctx.constant(self.inputs[1]).array().astype(np.float64)
        outs = weight.shape[0] if self.kind == "Conv" else weight.shape[-1]
        if factor.size not in (1, outs) or (self.kind != "Conv" and factor.size > 1 and factor.shape[-1] != outs):
            raise Refusal(f"scales of shape {factor.shape} for {outs} outputs")
        if factor.size > 1 and self.kind == "Conv" and factor.shape[-(weight.ndim - 1) :][:1] != (outs,):
            raise Refusal(f"scales of shape {factor.shape} for {outs} channels")
        by_output = factor.reshape((-1, *(1,) * (weight.ndim - 1)) if self.kind == "Conv" else (-1,))
        name = ctx.named(fixed(ctx, weight * by_output))
        node = replace(self.op, name=op.name or self.op.name, inputs=(self.inputs[0], name), outputs=op.outputs)
        (made,) = HANDLERS[self.kind](ctx, replace(node, kind=self.kind))
        return made


@operator("DynamicQuantizeLinear", axes=Axes.SAME)
def _dynamic(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Integers whose range is that of the numbers: nothing is cut off."""
    x = ctx.signal(op, op.inputs[0])
    ctx.steps[op.outputs[0]] = None
    scale = Unit((op.outputs[0],), np.ones((), np.float64))
    return [Quantised(x, None, None, op.outputs[0]), scale, Unit((), np.zeros((), np.float64))]


def _integers(ctx: Converter, op: Op, k: int, zero: int) -> tuple[str, tuple[str, ...], float]:
    """Return the numbers that integers stand for, and their scale: the name of one that is not known, or a number."""
    tensor = ctx.tensor(op.inputs[k])
    if not isinstance(tensor, Quantised):
        raise Refusal(f"'{op.inputs[k]}' holds no quantised integers")
    name = ctx.named(tensor.signal)
    if tensor.scale is None:
        return name, (tensor.source,), 1.0
    if ctx.has(op, zero) and zero_point(ctx, op, zero)[0] != tensor.zero:
        raise Refusal(f"the zero point of '{op.inputs[k]}' is not the one that it was made with")
    return name, (), tensor.scale


@operator("MatMulInteger", "ConvInteger", axes=Axes.OTHER)
def _of_integers(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x, of, unit = _integers(ctx, op, 0, 2)
    weight = ctx.constant(op.inputs[1]).array().astype(np.float64)
    if ctx.has(op, 3):
        shift = ctx.constant(op.inputs[3]).array().astype(np.float64)
        weight = weight - along(shift, weight.shape, 0 if op.kind == "ConvInteger" else -1)
    name = ctx.named(Constant.fixed(weight))
    return [Products(op.kind.removesuffix("Integer"), op, (x, name), of, unit)]


def _scaled(ctx: Converter, op: Op) -> Tensor:
    """Return a product of scales, or sums of products with their scale."""
    of: tuple[str, ...] = ()
    factor = np.ones((), np.float64)
    sums = []
    for name in op.inputs:
        tensor = ctx.tensor(name)
        if isinstance(tensor, Products):
            sums.append(tensor)
        elif isinstance(tensor, Unit):
            of, factor = (*of, *tensor.of), factor * tensor.factor
        else:
            factor = factor * ctx.constant(name).array().astype(np.float64)
    if not sums:
        return Unit(of, factor)
    if len(sums) > 1 or sorted(sums[0].of) != sorted(of):
        raise Refusal("sums of products of integers times a scale that is not theirs")
    return sums[0].times(ctx, op, factor)


@operator(f"{MICROSOFT}DynamicQuantizeMatMul", axes=Axes.OTHER)
def _dynamic_matmul(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """A·B, with A quantised on the way and B dequantised, plus a bias."""
    weight = real(ctx, op, 1, 2, 3, axis=-1)
    ctx.steps[op.outputs[0]] = None
    y = as_real(ctx, op, "MatMul", [op.inputs[0], weight])
    if not ctx.has(op, 4):
        return [y]
    return HANDLERS["Add"](ctx, replace(op, kind="Add", inputs=(ctx.named(y), op.inputs[4])))
