"""PyTorch's recurrent modules: one layer of this package for each of ``num_layers``.

The batch is the first axis here: ``batch_first`` is true and cannot be false. PyTorch returns all steps and the last
state; ``returns`` says which of them the next entry reads: "sequence" (all steps), or "last" (the state after the last
step of each direction, one direction behind the other).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...layers import GRU, LSTM, RNN, Layer
from .entry import Entry, Floats
from .modules import Made, module

_OPTIONS: dict[str, Any] = {
    "num_layers": 1, "bias": True, "batch_first": True, "bidirectional": False, "dropout": 0.0,
    "input_size": None, "hidden_size": None, "returns": "sequence",
}  # fmt: skip
_TENSORS = "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0"
# From weights of x and h and both biases, (directions, gates, hidden, ...), direction and returns to a layer.
Cell = Callable[[Floats, Floats, Floats, Floats, str, str], Layer]


@module("LSTM", tensors=_TENSORS, proj_size=0, **_OPTIONS)
def _lstm(entry: Entry) -> Made:
    entry.only("proj_size", 0)
    return _layers(entry, 4, lambda w, u, b, c, direction, returns: LSTM(w, u, b + c, direction, returns))


@module("GRU", tensors=_TENSORS, **_OPTIONS)
def _gru(entry: Entry) -> Made:
    """The second bias of n stands inside r⊙(...), the others outside, where they are added to the first."""

    def cell(w: Floats, u: Floats, b: Floats, c: Floats, direction: str, returns: str) -> Layer:
        outside = c.copy()
        outside[:, 2] = 0
        return GRU(w, u, b + outside, direction, returns, bias_hidden=c[:, 2])

    return _layers(entry, 3, cell)


@module("RNN", tensors=_TENSORS, nonlinearity="tanh", **_OPTIONS)
def _rnn(entry: Entry) -> Made:
    activation = entry.only("nonlinearity", "tanh", "relu")

    def cell(w: Floats, u: Floats, b: Floats, c: Floats, direction: str, returns: str) -> Layer:
        return RNN(w, u, b + c, direction, returns, activation=activation)

    return _layers(entry, 1, cell)


def _layers(entry: Entry, gates: int, cell: Cell) -> Made:
    """Return the layers of a module, the first of which reads its input."""
    if entry["batch_first"] is not True:
        raise ParameterError("batch_first must be true: the batch is the first axis of the input, (N, time, features)")
    count, returns = entry.integer("num_layers", 1), entry.only("returns", "sequence", "last")
    ways = ("", "_reverse") if entry.flag("bidirectional") else ("",)
    direction = "bidirectional" if len(ways) == 2 else "forward"
    made: list[tuple[str, Layer]] = []
    features: int | None = None
    for k in range(count):
        directions = [_direction(entry, f"l{k}{way}", gates, features) for way in ways]
        w, u, b, c = (np.stack(parts) for parts in zip(*directions, strict=True))
        hidden = w.shape[2]
        if k == 0:
            entry.agrees("input_size", w.shape[3])
            entry.agrees("hidden_size", hidden)
        last = k == count - 1
        made.append(("" if last else f"l{k}", cell(w, u, b, c, direction, returns if last else "sequence")))
        features = hidden * len(ways)
    return made


def _direction(entry: Entry, end: str, gates: int, features: int | None) -> tuple[Floats, Floats, Floats, Floats]:
    """Return both weights (gates, hidden, ...) and both biases (gates, hidden) of one layer in one direction."""
    w = entry.tensor(f"weight_ih_{end}", None, features)
    rows, features = w.shape
    if rows % gates:
        raise ParameterError(f"weight_ih_{end} has {rows} rows, which are not {gates} gates")
    hidden = rows // gates
    u = entry.tensor(f"weight_hh_{end}", rows, hidden)
    biases = [np.zeros(rows, w.dtype), np.zeros(rows, w.dtype)]
    if entry.flag("bias"):
        biases = [entry.tensor(f"bias_{which}_{end}", rows) for which in ("ih", "hh")]
    b, c = (bias.reshape(gates, hidden) for bias in biases)
    return w.reshape(gates, hidden, features), u.reshape(gates, hidden, hidden), b, c
