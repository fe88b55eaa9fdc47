"""Reductions over whole axes: sums, means, norms, products, largest and smallest values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...layers import (
    Abs,
    Function,
    GlobalAveragePool,
    GlobalMaxPool,
    Layer,
    Log,
    LogSumExp,
    Max,
    Mean,
    Power,
    Prod,
    Sum,
)
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .values import WHOLE, Refusal, Signal, Tensor

Axis = tuple[int, ...]
# What each operator is, one layer after the other. A smallest value is the largest of the negatives, so that the
# winner takes all the relevance.
STEPS: dict[str, Callable[[Axis, bool], list[Layer]]] = {
    "ReduceL1": lambda axes, keep: [Abs(), Sum(axes, keep)],
    "ReduceL2": lambda axes, keep: [Power(2), Sum(axes, keep), Power(0.5)],
    "ReduceLogSum": lambda axes, keep: [Sum(axes, keep), Log()],
    "ReduceLogSumExp": lambda axes, keep: [LogSumExp(axes, keep)],
    "ReduceMax": lambda axes, keep: [Max(axes, keep)],
    "ReduceMean": lambda axes, keep: [Mean(axes, keep)],
    "ReduceMin": lambda axes, keep: [Function("negative"), Max(axes, keep), Function("negative")],
    "ReduceProd": lambda axes, keep: [Prod(axes, keep)],
    "ReduceSum": lambda axes, keep: [Sum(axes, keep)],
    "ReduceSumSquare": lambda axes, keep: [Power(2), Sum(axes, keep)],
}
FACTORS = 1 << 16  # of a product, which are multiplied one after the other
UNCHANGED = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")  # what one value alone is to them


@operator(*STEPS, axes=Axes.OTHER)
def _reduce(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    given = ctx.integers(op, "axes", 1)
    if not given:
        if op.attributes.get("noop_with_empty_axes", 0):
            if op.kind not in UNCHANGED:
                raise Refusal("noop_with_empty_axes, of which it is not agreed whether each value is changed")
            return [x]
        if x.batch != WHOLE:
            raise Refusal("it reduces every axis, the batch too")
        given = list(range(x.rank))
    axes = tuple(sorted({x.axis(a) for a in given}))
    keep = bool(op.attributes.get("keepdims", 1))
    batch = x.batch if keep else x.batch - sum(a < x.batch for a in {a % x.rank for a in given})
    steps = STEPS[op.kind](axes, keep)
    if len(steps) == 1:
        steps = [pool_of(x, axes, keep, steps[0])]
    y = chained(ctx, op, x, steps, batch=batch)
    if op.kind == "ReduceMean":
        kept = y
        if not keep:  # a reshape behind it may bring the axes back, as in a variance of PyTorch's new exporter
            kept = ctx.emit(op, pool_of(x, axes, True, Mean(axes)), [x], tag="kept")
            ctx.deviations.note_kept(y, kept)
        ctx.deviations.note_reduced(kept, x, axes, mean=True)
    if op.kind == "ReduceSum" and keep:
        ctx.deviations.note_reduced(y, x, axes, mean=False)
    if op.kind == "ReduceMax" and keep:
        ctx.deviations.note_largest(y, x, axes)
    return [y]


def pool_of(x: Signal, axes: Axis, keep: bool, layer: Layer) -> Layer:
    """Return the global pool that a mean or maximum over all spatial axes is, else the layer itself."""
    if x.batch != 0 or axes != tuple(range(2, x.depth)):
        return layer
    if isinstance(layer, Max):
        return GlobalMaxPool(keepdims=keep)
    return GlobalAveragePool(keepdims=keep) if isinstance(layer, Mean) and x.depth > 3 else layer


def chained(
    ctx: Converter, op: Op, x: Signal, steps: Sequence[Layer], *, batch: int | None = None, tag: str = ""
) -> Signal:
    """Return what layers make of a signal, one after the other.

    Args:
        ctx, op, x: the conversion, the node, and what its first layer reads.
        steps: the layers; all but the last are helpers, named by their kind.
        batch: the ONNX batch axis behind the layer that reduces axes; that of x by default.
        tag: of the last layer, where it is a helper too.
    """
    for k, layer in enumerate(steps):
        last = k + 1 == len(steps)
        reduces = isinstance(layer, Sum | Max | GlobalMaxPool | Prod | LogSumExp)
        if isinstance(layer, Prod) and max(max(sizes, default=0) for sizes in x.sizes) > FACTORS:
            raise Refusal(f"a product over an axis of samples of shape {x.sizes[0]}; {FACTORS} factors are allowed")
        name = tag if last else type(layer).__name__.lower()
        x = ctx.emit(op, layer, [x], batch=batch if reduces else None, tag=name)
    return x
