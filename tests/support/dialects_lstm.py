"""A small LSTM of its own with its relevance, and what may be wrong in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dialects_base import Array, UnknownError, sgn, up
from dialects_right import Call

GATES = "ifgo"


@dataclass(frozen=True)
class Ways:
    """How the relevance goes back; the values here are right."""

    order: str = GATES
    epsilon: float | None = None
    bias: float = 1
    recurrence: float = 1
    clip: bool = False
    reverse_time: bool = False
    epsilon_shared: bool = False


WRONG = {
    "lstm-order-igfo": Ways(order="igfo"),
    "lstm-order-iofg": Ways(order="iofg"),
    "lstm-order-ofig": Ways(order="ofig"),
    "no-bias-in-denominator": Ways(bias=0),
    "recurrence-ignored": Ways(recurrence=0),
    "epsilon-ignored": Ways(epsilon=0),
    "eps-default": Ways(epsilon=0.1),
    "lstm-eps-share": Ways(epsilon_shared=True),
    "relevance-clipped": Ways(clip=True),
    "lstm-time-reversed": Ways(reverse_time=True),
}


def lstm(c: Call, ways: Ways) -> list[Array]:
    """The relevance of x (N, T, E) and, where they are inputs, of h_0 and c_0 (N, 1, D)."""
    spec, x, D = c.spec, c.xs[0], c.spec["weight_hidden"].shape[-1]
    if spec.get("direction", "forward") != "forward" or spec.get("lengths") or c.name != "Epsilon" or len(c.rule) > 2:
        raise UnknownError("an LSTM of both directions, of lengths, or under another rule")
    weights = [dict(zip(ways.order, spec[k][0], strict=True)) for k in ("weight_input", "weight_hidden", "bias")]
    W, U, b = weights
    h, cell = ([s[:, 0]] if s is not None else [np.zeros((len(x), D))] for s in (*c.xs[1:], None, None)[:2])
    steps = []
    for t in range(x.shape[1]):
        pre = {k: x[:, t] @ W[k].T + h[-1] @ U[k].T + b[k] for k in GATES}
        i, f, o = (1 / (1 + np.exp(-pre[k])) for k in "ifo")
        parts = (i * np.tanh(pre["g"]), f * cell[-1])
        steps.append((pre["g"], parts))
        cell.append(parts[0] + parts[1])
        h.append(o * np.tanh(cell[-1]))
    epsilon = c.rule["epsilon"] if ways.epsilon is None else ways.epsilon

    def st(z: Array) -> Array:
        return z + epsilon * sgn(z)

    R = up(c.R) if ways.clip else c.R
    if spec["returns"] == "last":
        R = np.concatenate([np.zeros((len(x), x.shape[1] - 1, D)), R[:, None]], axis=1)
    Rx, Rh, Rc = np.zeros(x.shape), np.zeros((len(x), D)), np.zeros((len(x), D))
    for t in reversed(range(x.shape[1])):
        z, parts = steps[t]
        into = (Rc + Rh + R[:, t]) / st(cell[t + 1])
        Rc = parts[1] * into
        factor = parts[0] * into / st(z - b["g"] * (1 - ways.bias))
        even = (factor * epsilon * sgn(z)).sum(axis=1, keepdims=True) / (x.shape[2] + D) * ways.epsilon_shared
        Rx[:, t] = x[:, t] * (factor @ W["g"]) + even
        Rh = ways.recurrence * h[t] * (factor @ U["g"]) + even
    if ways.reverse_time:
        Rx = Rx[:, ::-1]
    return [Rx, Rh[:, None], Rc[:, None]][: len(c.xs)]
