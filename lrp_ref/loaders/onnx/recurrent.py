"""The LSTM: gates reordered, two biases added, constant zero states dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import LSTM, Dense, Gather, Reshape
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .values import PROBES, Constant, Refusal, Signal, Tensor

ACTIVATIONS = ("sigmoid", "tanh", "tanh")
GATES = (0, 2, 3, 1)  # ONNX has i, o, f, c; the layer i, f, g, o


@operator("LSTM", axes=Axes.OTHER)
def _lstm(ctx: Converter, op: Op) -> Sequence[Tensor]:
    x = ctx.signal(op, op.inputs[0])
    layout = op.attributes.get("layout", 0)
    if x.rank != 3 or x.batch != (0 if layout else 1):
        raise Refusal(
            f"axis {0 if layout else 1} of its input is its batch, and samples are at axis {x.batch}: "
            "say load(..., batch_axes={input name: axis}) where the file has the batch elsewhere"
        )
    weights = _weights(ctx, op)
    directions = weights["weight_input"].shape[0]
    state = _state(ctx, op, x, (directions, weights["weight_input"].shape[2]), layout)
    lengths = _lengths(ctx, op, x)
    used = [len(op.outputs) > k and bool(op.outputs[k]) and ctx.consumers[op.outputs[k]] > 0 for k in range(3)]
    returns = "sequence" if not (used[1] or used[2]) else "last" if not (used[0] or used[2]) else "all"
    layer = LSTM(
        **weights,
        direction=op.attributes.get("direction", "forward"),
        returns=returns,
        lengths=lengths is not None,
        state=bool(state),
    )
    reads = [x, *([] if lengths is None else [lengths]), *state]
    made = ctx.emit_all(op, layer, reads, outputs=3 if returns == "all" else 1, batch=0)
    return _outputs(made, returns, directions, layer.hidden, layout)


def _outputs(made: list[Signal], returns: str, directions: int, hidden: int, layout: int) -> list[Tensor]:
    """Return Y, Y_h and Y_c as signals; Y (time, directions, N, hidden) is a reshape of what the layer returns."""
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
    return [y, made[1].moved(batch_h), made[2].moved(batch_h)]


def _weights(ctx: Converter, op: Op) -> dict[str, Any]:
    """Return the layer's parameters; everything that it cannot express is refused."""
    a = op.attributes
    direction = a.get("direction", "forward")
    directions = 2 if direction == "bidirectional" else 1
    given = tuple(v.lower() for v in a.get("activations", ()))
    if given and given != ACTIVATIONS * directions:
        raise Refusal(f"activations {', '.join(given)}; only sigmoid, tanh, tanh are supported")
    if a.get("input_forget", 0):
        raise Refusal("coupled input and forget gates")
    if a.get("clip", 0):
        raise Refusal(f"clip {a['clip']}")
    if ctx.has(op, 7) and ctx.weight(op.inputs[7]).any():
        raise Refusal("peepholes that are not 0")
    w, r = ctx.weight(op.inputs[1]), ctx.weight(op.inputs[2])
    if w.ndim != 3 or r.ndim != 3 or w.shape[0] != directions or w.shape[1] % 4 or r.shape[1] != w.shape[1]:
        raise Refusal(f"weights of shapes {w.shape} and {r.shape} for {directions} directions")
    hidden = w.shape[1] // 4
    bias = np.zeros((directions, 4, hidden), dtype=ctx.dtype)
    if ctx.has(op, 3):
        bias = ctx.weight(op.inputs[3]).reshape(directions, 2, 4, hidden).sum(axis=1)

    def gates(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(array[:, GATES, :])

    return {
        "weight_input": gates(w.reshape(directions, 4, hidden, -1)),
        "weight_hidden": gates(r.reshape(directions, 4, hidden, -1)),
        "bias": gates(bias),
    }


def _lengths(ctx: Converter, op: Op, x: Signal) -> Signal | None:
    if not ctx.has(op, 4):
        return None
    tensor = ctx.tensor(op.inputs[4])
    if isinstance(tensor, Constant):
        if all((tensor.probes[k] == x.sizes[k][0]).all() for k in range(PROBES)):
            return None  # every sample has all steps
        raise Refusal("lengths of sequences fixed in the file")
    lengths = ctx.raw_signal(op.inputs[4])
    if lengths.rank != 1 or lengths.pending:
        raise Refusal("lengths of sequences that are not one number per sample")
    return lengths


def _state(ctx: Converter, op: Op, x: Signal, shape: tuple[int, int], layout: int) -> list[Signal]:
    """Return the initial h and c as signals (N, *shape), or nothing where both are 0."""
    tensors = [ctx.tensor(op.inputs[k]) if ctx.has(op, k) else None for k in (5, 6)]
    if all(t is None or (isinstance(t, Constant) and not any(p.any() for p in t.probes)) for t in tensors):
        return []
    batch = 0 if layout else 1
    found = []
    for k, tensor in zip((5, 6), tensors, strict=True):
        if isinstance(tensor, Signal):
            signal = ctx.signal(op, op.inputs[k])
            if signal.rank != 3 or signal.batch != batch:
                raise Refusal("an initial state whose batch is not where the LSTM has it")
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
