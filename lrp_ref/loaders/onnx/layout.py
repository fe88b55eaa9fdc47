"""Where the batch of a signal is: brought to the front, given up where a file has none, the same for all operands."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers import Squeeze, Unsqueeze
from .convert import Converter
from .file import Op
from .values import WHOLE, Refusal, Signal


def batched(ctx: Converter, op: Op, x: Signal) -> Signal:
    """Return a signal with its batch at some axis; of a file without a batch, axis 0 where its size is 1.

    A convolution wants an axis of samples even where the rest of the file mixes them.
    """
    if x.batch != WHOLE:
        return x
    if x.value in ctx.squeezed:
        return ctx.squeezed[x.value]
    if not x.sizes[0] or any(s[0] != 1 for s in x.sizes):
        raise Refusal(f"axis 0 of its input {x.sizes[0]} holds samples that other nodes of the file mix")
    return ctx.emit(op, Squeeze((1,)), [x], batch=0, tag="squeeze")


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
