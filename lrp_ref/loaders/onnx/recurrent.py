"""Recurrent nodes: directions, layouts, lengths and initial states; their parameters are in ``cells``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...layers import Dense, Gather, RecurrentLayer, Reshape
from . import cells
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .layout import batched
from .values import PROBES, Constant, Refusal, Signal, Tensor

STATES = 5  # the first input that is an initial state


@operator("LSTM", axes=Axes.OTHER)
def _lstm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return _recurrent(ctx, op, cells.lstm)


@operator("GRU", axes=Axes.OTHER)
def _gru(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return _recurrent(ctx, op, cells.gru)


@operator("RNN", axes=Axes.OTHER)
def _rnn(ctx: Converter, op: Op) -> Sequence[Tensor]:
    return _recurrent(ctx, op, cells.rnn)


def _recurrent(
    ctx: Converter, op: Op, cell: Callable[[Converter, Op], tuple[type[RecurrentLayer], cells.Parameters]]
) -> Sequence[Tensor]:
    layout = op.attributes.get("layout", 0)
    x = ctx.number(op, ctx.signal(op, op.inputs[0]))
    if x.rank == 3:
        x = batched(ctx, op, x, 0 if layout else 1)
    if x.rank != 3 or x.batch != (0 if layout else 1):
        raise Refusal(
            f"axis {0 if layout else 1} of its input is its batch, and samples are at axis {x.batch}: "
            "say load(..., batch_axes={input name: axis}) where the file has the batch elsewhere, "
            "or fix a size that a branch of the file depends on, load(..., shapes=...)"
        )
    kind, parameters = cell(ctx, op)
    known, (directions, _, hidden, _) = len(kind.states), parameters["weight_input"].shape
    state = _states(ctx, op, x, (directions, hidden), layout, known)
    lengths = _lengths(ctx, op, x)
    used = [len(op.outputs) > k and bool(op.outputs[k]) and ctx.consumers[op.outputs[k]] > 0 for k in range(1 + known)]
    returns = "sequence" if not any(used[1:]) else "last" if not (used[0] or any(used[2:])) else "all"
    layer = kind(
        **parameters,
        direction=op.attributes.get("direction", "forward"),
        returns=returns,
        lengths=lengths is not None,
        state=bool(state),
    )
    reads = [x, *([] if lengths is None else [lengths]), *state]
    made = ctx.emit_all(op, layer, reads, outputs=1 + known if returns == "all" else 1, batch=0)
    return _outputs(made, returns, directions, hidden, layout)


def _outputs(made: list[Signal], returns: str, directions: int, hidden: int, layout: int) -> list[Tensor]:
    """Return Y, Y_h and an LSTM's Y_c as signals; Y (time, directions, N, hidden) reshapes what the layer returns."""
    batch_y, batch_h = (0, 0) if layout else (2, 1)

    def view(signal: Signal, batch: int, tail: tuple[int, ...], keep: int) -> Signal:
        sizes = tuple((*s[:keep], *tail) for s in signal.stored)
        return Signal(signal.value, batch, sizes, signal.stored)

    state = (directions, hidden)
    if returns == "last":
        h = view(made[0], batch_h, state, 0)
        return [h, h, h]  # nobody reads the first and the third
    y = view(made[0], batch_y, state, 1)
    if returns == "sequence":
        return [y, y, y]
    return [y, *(signal.moved(batch_h) for signal in made[1:])]


def _lengths(ctx: Converter, op: Op, x: Signal) -> Signal | None:
    if not ctx.has(op, 4):
        return None
    tensor = ctx.tensor(op.inputs[4])
    if isinstance(tensor, Constant):
        if all((tensor.probes[k] == x.sizes[k][0]).all() for k in range(PROBES)):
            return None  # every sample has all steps
        raise Refusal("lengths of sequences fixed in the file")
    lengths = batched(ctx, op, ctx.raw_signal(op.inputs[4]))
    if lengths.rank != 1 or lengths.pending:
        raise Refusal("lengths of sequences that are not one number per sample")
    return lengths


def _states(ctx: Converter, op: Op, x: Signal, shape: tuple[int, int], layout: int, known: int) -> list[Signal]:
    """Return the initial states as signals (N, *shape), or nothing where all are 0."""
    places = range(STATES, STATES + known)
    tensors = [ctx.tensor(op.inputs[k]) if ctx.has(op, k) else None for k in places]
    if all(t is None or (isinstance(t, Constant) and not any(p.any() for p in t.probes)) for t in tensors):
        return []
    batch = 0 if layout else 1
    found = []
    for k, tensor in zip(places, tensors, strict=True):
        if isinstance(tensor, Signal):
            signal = batched(ctx, op, ctx.signal(op, op.inputs[k]), batch)
            if signal.rank != 3 or signal.batch != batch:
                raise Refusal(f"an initial state whose batch is not where the {op.kind} has it")
            found.append(signal)
        else:
            found.append(_constant_state(ctx, op, x, tensor, shape, batch))
    return found


def _constant_state(ctx: Converter, op: Op, x: Signal, tensor: Any, shape: tuple[int, int], batch: int) -> Signal:
    """Return a constant state (directions, hidden) as the bias of a dense layer without weights on the first step."""
    value = np.zeros(shape, dtype=ctx.dtype)
    if tensor is not None:
        probes = [ctx.parameter(p, "initial state") for p in tensor.probes]
        value = np.take(probes[0], 0, axis=batch)
        if not all((p == np.expand_dims(value, batch)).all() for p in probes):
            raise Refusal("an initial state that differs between the samples of the batch")
    first = ctx.emit(op, Gather(0, 1), [x], batch=0, tag="first")
    weight = np.zeros((x.sizes[0][1], math.prod(shape)), dtype=ctx.dtype)
    dense = ctx.emit(op, Dense(weight, np.ascontiguousarray(value.reshape(-1))), [first], batch=0, tag="state")
    return ctx.emit(op, Reshape(shape), [dense], batch=batch, tag="state")
