"""Faults of recurrent layers and of selective scans."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from typing import Any

import numpy as np

from ..cells import CELLS, DIRECTIONS
from ..explain import received, value
from ..formulas import Rule
from ..layers import Layer
from ..values import Array, zeros
from . import faults
from .base import Call, also, dialect

EXTENDED = (faults,)  # what ``also`` extends is registered there

# The LSTM whose one rule is an epsilon is flagged where its cases are made (``recurrent``).


def cell(call: Call) -> bool:
    """Return whether a call is one of a recurrent layer."""
    return call.layer["type"] in CELLS


def with_bias(rule: Rule, policy: str) -> Rule:
    """Return the rules of a cell whose dense layers treat their bias otherwise."""
    dense = rule["dense"] if rule["name"] == "Recurrent" else rule
    state = rule["state"] if rule["name"] == "Recurrent" else rule
    product = rule.get("product", "signal")
    return {"name": "Recurrent", "dense": {**dense, "_bias": policy}, "state": state, "product": product}


@also("no-bias-in-denominator")
def _no_bias(call: Call) -> Any:
    dense = call.rule.get("dense", call.rule)
    if not cell(call) or dense["name"] not in ("LRP0", "Epsilon") or dense.get("bias_share"):
        return None
    return received(call.layer, with_bias(call.rule, "ignore"), call.inputs, call.R)


def _blocks(layer: Layer, order: list[int], **more: Any) -> Layer:
    """Return a layer that reads its blocks of weights in another order."""
    names = ("weight_input", "weight_hidden", "bias")
    return {**layer, **{name: layer[name][:, order] for name in names}, **more}


def _as_order(order: str) -> Any:
    def read(call: Call) -> Any:
        if call.layer["type"] not in ("GeneralLSTM", "LSTM"):
            return None
        return received(_blocks(call.layer, [order.index(k) for k in "ifgo"]), call.rule, call.inputs, call.R)

    return read


for _order in ("igfo", "iofg", "ofig"):
    dialect(f"lstm-order-{_order}")(_as_order(_order))


@dialect("gru-order-zrn")
def _gru_order(call: Call) -> Any:
    """Blocks of weights read as z, r, n."""
    return received(_blocks(call.layer, [1, 0, 2]), call.rule, call.inputs, call.R) if _is(call, "GRU") else None


def _is(call: Call, kind: str) -> bool:
    return bool(call.layer["type"] == kind)


@dialect("gru-reset")
def _gru_reset(call: Call) -> Any:
    """The reset gate on the other side of the product with the weights."""
    if not _is(call, "GRU"):
        return None
    other = {**call.layer, "reset_after": not call.layer["reset_after"]}
    hidden = other.pop("bias_hidden", None)
    if hidden is not None:
        bias = other["bias"].copy()
        bias[:, 2] = bias[:, 2] + hidden
        other["bias"] = bias
    return received(other, call.rule, call.inputs, call.R)


@dialect("gru-update-swapped")
def _gru_update(call: Call) -> Any:
    """z and 1 − z exchanged: both functions have σ(−x) = 1 − σ(x)."""
    if not _is(call, "GRU"):
        return None
    sign = np.array([1, -1, 1], dtype=object)
    block = sign[:, None, None]
    names: dict[str, Array] = {"weight_input": block, "weight_hidden": block, "bias": sign[:, None]}
    return received({**call.layer, **{k: call.layer[k] * v for k, v in names.items()}}, call.rule, call.inputs, call.R)


@dialect("peephole-ignored")
def _peephole(call: Call) -> Any:
    """No peepholes."""
    if call.layer.get("peephole") is None:
        return None
    return received({**call.layer, "peephole": None}, call.rule, call.inputs, call.R)


@dialect("coupling-ignored")
def _coupling(call: Call) -> Any:
    """A coupled forget gate with weights of its own."""
    if not call.layer.get("coupled"):
        return None
    return received({**call.layer, "coupled": False}, call.rule, call.inputs, call.R)


@dialect("direction-ignored")
def _direction(call: Call) -> Any:
    """Every direction reads from the first step on."""
    if not cell(call) or call.layer["direction"] == "forward":
        return None
    count, units = len(DIRECTIONS[call.layer["direction"]]), call.layer["bias"].shape[-1]
    known, total = 1 + bool(call.layer["lengths"]), None
    for k in range(count):
        names = [n for n in ("weight_input", "weight_hidden", "bias", "bias_hidden", "peephole") if n in call.layer]
        cut: Layer = {n: call.layer[n][k : k + 1] for n in names}
        one = {**call.layer, **cut, "direction": "forward"}
        inputs = [*call.inputs[:known], *(s[:, k : k + 1] for s in call.inputs[known:])]
        found = received(one, call.rule, inputs, call.R[..., k * units : (k + 1) * units])
        if total is None:
            total = found
        else:
            states = [np.concatenate(pair, axis=1) for pair in zip(total[known:], found[known:], strict=True)]
            total = [total[0] + found[0], *total[1:known], *states]
    return total


@dialect("lengths-ignored")
def _lengths(call: Call) -> Any:
    """Every sample read to the end of the array."""
    if not call.layer.get("lengths"):
        return None
    inputs = [call.inputs[0], *call.inputs[2:]]
    found = received({**call.layer, "lengths": False}, call.rule, inputs, call.R)
    return [found[0], zeros(call.inputs[1].shape), *found[1:]]


@dialect("lstm-time-reversed")
def _time_reversed(call: Call) -> Any:
    """Relevance of the steps in reverse order."""
    if not cell(call):
        return None
    found = received(call.layer, call.rule, call.inputs, call.R)
    return [found[0][:, ::-1], *found[1:]]


@dialect("recurrence-ignored")
def _recurrence(call: Call) -> Any:
    """Every step explained alone: what it hands to the state before it is forgotten."""
    scan = _is(call, "SelectiveScan")
    if not scan and (not cell(call) or call.layer["type"] not in ("GRU", "RNN") or _turned(call.layer)):
        return None
    known = 4 if scan else 1
    x, steps = call.inputs[0], call.inputs[0].shape[1]
    R = call.R if scan or call.layer["returns"] == "sequence" else _last(call.R, steps)
    layer = {**call.layer, "state": True, **({} if scan else {"returns": "sequence"})}
    parts: list[list[Array]] = []
    first = None
    for t in range(steps):
        state = call.inputs[known:] if t == 0 and call.layer["state"] else _state(call, t)
        inputs = [v[:, t : t + 1] for v in call.inputs[:known]]
        found = received(layer, call.rule, [*inputs, *state], R[:, t : t + 1])
        first = found[known:] if t == 0 else first
        parts.append(found[:known])
    joined = [np.concatenate([p[k] for p in parts], axis=1) for k in range(known)]
    assert x.shape == joined[0].shape
    return [*joined, *(first or [] if call.layer["state"] else [])]


def _turned(layer: Layer) -> bool:
    return bool(layer["lengths"]) or layer["direction"] != "forward"


def _last(R: Array, steps: int) -> Array:
    found = zeros((len(R), steps, R.shape[1]))
    found[:, -1] = R
    return found


def _state(call: Call, t: int) -> list[Array]:
    """Return the state before step t."""
    if _is(call, "SelectiveScan"):
        return [_scanned(call, t)]
    if t == 0:
        return [zeros((len(call.R), 1, call.layer["bias"].shape[-1]))]
    whole = value({**call.layer, "returns": "sequence"}, call.inputs)
    return [whole[:, t - 1 : t]]


def _scanned(call: Call, t: int) -> Array:
    """Return the state (N, D, S) of a scan before step t: read with C = 1 for one state at a time, without a skip."""
    a = call.layer["a"]
    states = zeros((len(call.R), *a.shape))
    if t == 0:
        return states
    x, delta, b, c, *state = call.inputs
    for s in range(a.shape[1]):
        chosen = zeros(c.shape)
        chosen[:, :, s] += 1
        y = value({**call.layer, "skip": None}, [x, delta, b, chosen, *state])
        states[:, :, s] = y[:, t - 1]
    return states


@dialect("scan-skip")
def _scan_skip(call: Call) -> Any:
    """The skip of a scan forgotten."""
    if not _is(call, "SelectiveScan") or call.layer["skip"] is None:
        return None
    return received({**call.layer, "skip": None}, call.rule, call.inputs, call.R)
