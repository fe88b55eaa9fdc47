"""Recurrent layers and selective scans of its own with their relevance, sample by sample, and what may be wrong."""

# ruff: noqa: N803  (R, W, U, B and C are the letters of the papers)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from dialects_base import FORWARD, Array, Linear, Sample, Spec, UnknownError, sgn
from dialects_right import BACK, Call, relevance, right
from dialects_wrong import on_call

CELLS = ("GRU", "RNN", "GeneralLSTM", "LSTM")
BLOCKS = ("weight_input", "weight_hidden", "bias")
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}

# One step --------------------------------------------------------------------------------------------------------


def function(told: Any, clip: float | None) -> Callable[[Array], Array]:
    name, *p = told if isinstance(told, list | tuple) else (told,)
    known: dict[str, Callable[[Array], Array]] = {
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "linear": lambda x: x,
        "hardsigmoid": lambda x: np.clip(p[0] * x + p[1], 0, 1),
    }
    return known[name] if clip is None else lambda x: known[name](np.clip(x, -clip, clip))


def through(rule: Spec, reads: list[Array], W: Array, b: Array, R: Array) -> list[Array]:
    """Relevance of several vectors that one dense layer reads in a row."""
    a = np.concatenate(reads)
    m = Linear(W, b, np.ones_like(W), R.shape)
    told = relevance(Sample({"type": "Dense"}, rule, m, a, R, [a.shape], a, (a @ W + b)[None]))
    return np.split(told, np.cumsum([len(r) for r in reads])[:-1])


def both(rule: Spec, terms: list[Array], R: Array) -> list[Array]:
    """Relevance of the two terms of a cell's sum."""
    eye = np.eye(len(R))
    return through(rule, terms, np.concatenate([eye, eye]), np.zeros(len(R)), R)


def factors(how: str, gate: Array, signal: Array, R: Array) -> tuple[Array, Array]:
    if how == "signal":
        return 0 * R, R
    if how == "half":
        return R / 2, R / 2
    g, s = (abs(gate), abs(signal)) if how == "abs" else (gate, signal)
    d = g + s
    share = np.divide(R, d, out=np.zeros_like(R), where=d != 0)
    return g * share, s * share


class Way:
    """One direction over one sample."""

    def __init__(self, spec: Spec, rule: Spec, k: int, x: Array, states: list[Array]) -> None:
        whole = rule if rule["name"] == "Recurrent" else {"dense": rule, "state": rule}
        self.dense, self.state, self.how = whole["dense"], whole["state"], whole.get("product", "signal")
        self.spec, self.k, self.x, self.units = spec, k, x, spec["bias"].shape[-1]
        clip = spec.get("clip")
        self.sigma = function(spec.get("gate", "sigmoid"), clip)
        self.f = function(spec.get("activation", "tanh"), clip)
        self.out = function(spec.get("output_activation", "tanh"), None)
        self.W, self.U = (spec[n][k].transpose(0, 2, 1) for n in BLOCKS[:2])
        self.b, self.h, self.c = spec["bias"][k], [states[0]], states[1:]
        self.tape: list[Any] = []
        for t in range(len(x)):
            self.forward(t)

    def joint(self, gate: int) -> Array:
        return np.concatenate([self.W[gate], self.U[gate]])

    def pre(self, gate: int, t: int) -> Array:
        return self.x[t] @ self.W[gate] + self.h[t] @ self.U[gate] + self.b[gate]


class Simple(Way):
    def forward(self, t: int) -> None:
        self.h.append(self.f(self.pre(0, t)))

    def back(self, t: int, R_h: Array, R_c: Array) -> tuple[Array, Array, Array]:
        return (*through(self.dense, [self.x[t], self.h[t]], self.joint(0), self.b[0], R_h), R_c)


class Gru(Way):
    @property
    def hidden_bias(self) -> Array:
        c = self.spec.get("bias_hidden")
        return np.zeros(self.units) if c is None else c[self.k]

    def forward(self, t: int) -> None:
        r, z = self.sigma(self.pre(0, t)), self.sigma(self.pre(1, t))
        after = self.spec["reset_after"]
        from_h = r * (self.h[t] @ self.U[2] + self.hidden_bias) if after else (r * self.h[t]) @ self.U[2]
        n = self.f(self.x[t] @ self.W[2] + self.b[2] + from_h)
        self.tape.append((r, z, n))
        self.h.append((1 - z) * n + z * self.h[t])

    def back(self, t: int, R_h: Array, R_c: Array) -> tuple[Array, Array, Array]:
        (r, z, n), x, h = self.tape[t], self.x[t], self.h[t]
        new, kept = both(self.state, [(1 - z) * n, z * h], R_h)
        left, to_n = factors(self.how, 1 - z, n, new)
        to_z, below = factors(self.how, z, h, kept)
        if not self.spec["reset_after"]:
            R_x, gated = through(self.dense, [x, r * h], self.joint(2), self.b[2], to_n)
            to_r, to_h = factors(self.how, r, h, gated)
        elif self.how == "signal":
            W = np.concatenate([self.W[2], self.U[2] * r])
            R_x, to_h = through(self.dense, [x, h], W, self.b[2] + r * self.hidden_bias, to_n)
            to_r = 0 * to_n
        else:
            whole = h @ self.U[2] + self.hidden_bias
            W = np.concatenate([self.W[2], np.eye(self.units)])
            R_x, gated = through(self.dense, [x, r * whole], W, self.b[2], to_n)
            to_r, to_whole = factors(self.how, r, whole, gated)
            (to_h,) = through(self.dense, [h], self.U[2], self.hidden_bias, to_whole)
        below = below + to_h
        if self.how != "signal":
            for gate, arrived in ((0, to_r), (1, to_z + left)):
                more_x, more_h = through(self.dense, [x, h], self.joint(gate), self.b[gate], arrived)
                R_x, below = R_x + more_x, below + more_h
        return R_x, below, R_c


class Lstm(Way):
    def looks(self, gate: int) -> Array | None:
        p = self.spec.get("peephole")
        return None if p is None or gate == 2 else p[self.k, {0: 0, 1: 1, 3: 2}[gate]]

    def peeped(self, gate: int, t: int, c: Array) -> Array:
        p = self.looks(gate)
        return self.pre(gate, t) + (0 if p is None else p * c)

    def forward(self, t: int) -> None:
        c = self.c[t]
        i, g = self.sigma(self.peeped(0, t, c)), self.f(self.pre(2, t))
        f = 1 - i if self.spec.get("coupled") else self.sigma(self.peeped(1, t, c))
        self.c.append(i * g + f * c)
        o = self.sigma(self.peeped(3, t, self.c[-1]))
        self.tape.append((i, f, g, o))
        self.h.append(o * self.out(self.c[-1]))

    def back(self, t: int, R_h: Array, R_c: Array) -> tuple[Array, Array, Array]:
        i, f, g, o = self.tape[t]
        found = [np.zeros(self.x.shape[1]), np.zeros(self.units)]

        def gate(number: int, c: Array, arrived: Array) -> Array:
            p, reads, W = self.looks(number), [self.x[t], self.h[t]], self.joint(number)
            if p is not None:
                reads, W = [*reads, c], np.concatenate([W, np.diag(p)])
            told = through(self.dense, reads, W, self.b[number], arrived)
            found[0], found[1] = found[0] + told[0], found[1] + told[1]
            return told[2] if p is not None else np.zeros(self.units)

        takes = self.how != "signal"
        to_o, to_c = factors(self.how, o, self.out(self.c[t + 1]), R_h)
        R_c = R_c + to_c + (gate(3, self.c[t + 1], to_o) if takes else 0)
        new, kept = both(self.state, [i * g, f * self.c[t]], R_c)
        to_i, to_g = factors(self.how, i, g, new)
        to_f, before = factors(self.how, f, self.c[t], kept)
        gate(2, self.c[t], to_g)
        if takes and self.spec.get("coupled"):
            before = before + gate(0, self.c[t], to_i + to_f)
        elif takes:
            before = before + gate(0, self.c[t], to_i) + gate(1, self.c[t], to_f)
        return found[0], found[1], before


KINDS = {"RNN": Simple, "GRU": Gru, "GeneralLSTM": Lstm, "LSTM": Lstm}

# All steps -------------------------------------------------------------------------------------------------------


def ways(spec: Spec, rule: Spec, xs: list[Array], n: int) -> list[tuple[int, bool, Any]]:
    rest = [x[n] for x in xs[1:]]
    length = int(rest.pop(0)) if spec["lengths"] else xs[0].shape[1]
    found = []
    for k, reverse in enumerate(DIRECTIONS[spec["direction"]]):
        units = spec["bias"].shape[-1]
        states = [s[k] for s in rest] if spec["state"] else [np.zeros(units)] * 2
        read = xs[0][n, :length]
        found.append((length, reverse, KINDS[spec["type"]](spec, rule, k, read[::-1] if reverse else read, states)))
    return found


def cell_forward(spec: Spec, xs: list[Array]) -> Array:
    rows = []
    for n in range(len(xs[0])):
        parts = []
        for length, reverse, way in ways(spec, {"name": "LRP0"}, xs, n):
            if spec["returns"] == "last":
                parts.append(way.h[-1])
                continue
            told = np.zeros((xs[0].shape[1], way.units))
            told[:length] = np.array(way.h[1:]).reshape(length, -1)[:: -1 if reverse else 1]
            parts.append(told)
        rows.append(np.concatenate(parts, axis=-1))
    return np.stack(rows)


def cell_back(c: Call, apart: bool = False) -> list[Array]:
    """Relevance of x, the lengths (0), and states that are inputs; ``apart``: nothing comes from later steps."""
    spec, x = c.spec, c.xs[0]
    known = 1 + bool(spec["lengths"])
    received = [np.zeros(v.shape) for v in c.xs]
    for n in range(len(x)):
        for k, (length, reverse, way) in enumerate(ways(spec, c.rule, c.xs, n)):
            given = c.R[n, ..., k * way.units : (k + 1) * way.units]
            R_h, R_c, order = np.zeros(way.units), np.zeros(way.units), slice(None, None, -1 if reverse else 1)
            arrived = np.zeros((length, way.units))
            if spec["returns"] == "sequence":
                arrived[:] = given[:length][order]
            elif length:
                arrived[-1] = given
            else:
                R_h = given
            to_x = np.zeros((length, x.shape[2]))
            for t in reversed(range(length)):
                to_x[t], R_h, R_c = way.back(t, arrived[t] + R_h, R_c)
                if apart and t:
                    R_h = 0 * R_h
            received[0][n, :length] += to_x[order]
            for into, state in zip(received[known:], (R_h, R_c), strict=False):
                into[n, k] = state
    return received


# Selective scan --------------------------------------------------------------------------------------------------


def decay(spec: Spec, v: Array) -> Array:
    return np.exp(v) if spec["decay"] == "exp" else 1 + v


def scan(spec: Spec, xs: list[Array]) -> tuple[Array, list[Array]]:
    x, delta, B, C = xs[:4]
    a, skip = spec["a"], 0 if spec["skip"] is None else spec["skip"]
    states, y = [xs[4] if spec["state"] else np.zeros((len(x), *a.shape))], np.zeros(x.shape)
    for t in range(x.shape[1]):
        step = delta[:, t, :, None]
        states.append(decay(spec, step * a) * states[t] + step * x[:, t, :, None] * B[:, t, None])
        y[:, t] = (states[-1] * C[:, t, None]).sum(axis=2) + skip * x[:, t]
    return y, states


def scan_back(c: Call, apart: bool = False) -> list[Array]:
    if c.name != "Selection":
        raise UnknownError(f"rule {c.name} of a scan")
    x, delta, B, C = c.xs[:4]
    y, h = scan(c.spec, c.xs)
    epsilon, half = c.rule["epsilon"], c.rule["product"] == "half"

    def share(parts: Array, z: Array, R: Array) -> Array:
        d = z + epsilon * sgn(z)
        return parts * np.divide(R, d, out=np.zeros_like(d), where=d != 0)

    received = [np.zeros(v.shape) for v in (x, delta, B, C)]
    R_h = np.zeros(h[0].shape)
    for t in reversed(range(x.shape[1])):
        terms = share(h[t + 1] * C[:, t, None], y[:, t, :, None], c.R[:, t, :, None])
        if c.spec["skip"] is not None:
            received[0][:, t] += share(c.spec["skip"] * x[:, t], y[:, t], c.R[:, t])
        received[3][:, t] += half * terms.sum(axis=1) / 2
        at = R_h + (terms / 2 if half else terms)
        step = delta[:, t, :, None]
        fed = share(step * x[:, t, :, None] * B[:, t, None], h[t + 1], at)
        kept = share(decay(c.spec, step * c.spec["a"]) * h[t], h[t + 1], at)
        if half:
            received[0][:, t] += fed.sum(axis=2) / 4
            received[1][:, t] += fed.sum(axis=2) / 4 + kept.sum(axis=2) / 2
            received[2][:, t] += fed.sum(axis=1) / 2
            R_h = kept / 2
        else:
            received[0][:, t] += fed.sum(axis=2)
            R_h = kept
        if apart and t:
            R_h = 0 * R_h
    return [*received, R_h] if c.spec["state"] else received


for _kind in CELLS:
    FORWARD[_kind], BACK[_kind] = cell_forward, cell_back
FORWARD["SelectiveScan"], BACK["SelectiveScan"] = (lambda spec, xs: scan(spec, xs)[0]), scan_back

# What may be wrong -----------------------------------------------------------------------------------------------


def other(c: Call, **more: Any) -> list[Array]:
    return right(replace(c, spec={**c.spec, **more}))


def reordered(c: Call, order: list[int]) -> list[Array]:
    return other(c, **{n: c.spec[n][:, order] for n in BLOCKS})


def lstm_order(order: str) -> Callable[[Call], list[Array]]:
    return lambda c: reordered(c, [order.index(gate) for gate in "ifgo"])


for _order in ("igfo", "iofg", "ofig"):
    on_call(f"lstm-order-{_order}", "GeneralLSTM", "LSTM")(lstm_order(_order))


@on_call("gru-order-zrn", "GRU")
def gru_order(c: Call) -> list[Array]:
    return reordered(c, [1, 0, 2])


@on_call("gru-reset", "GRU")
def gru_reset(c: Call) -> list[Array]:
    bias, hidden = c.spec["bias"].copy(), c.spec.get("bias_hidden")
    if hidden is not None:
        bias[:, 2] += hidden
    return other(c, bias=bias, bias_hidden=None, reset_after=not c.spec["reset_after"])


@on_call("gru-update-swapped", "GRU")
def gru_update(c: Call) -> list[Array]:
    blocks = {n: c.spec[n].copy() for n in BLOCKS}
    for v in blocks.values():
        v[:, 1] *= -1
    return other(c, **blocks)


@on_call("peephole-ignored", "GeneralLSTM")
def peephole_ignored(c: Call) -> list[Array] | None:
    return None if c.spec.get("peephole") is None else other(c, peephole=None)


@on_call("coupling-ignored", "GeneralLSTM")
def coupling_ignored(c: Call) -> list[Array] | None:
    return other(c, coupled=False) if c.spec.get("coupled") else None


@on_call("direction-ignored", *CELLS)
def direction_ignored(c: Call) -> list[Array] | None:
    """The steps of a direction that reads backwards are handed in turned round, so that it reads them forwards."""
    if c.spec["direction"] == "forward":
        return None
    units, known = c.spec["bias"].shape[-1], 1 + bool(c.spec["lengths"])
    received = [np.zeros(v.shape) for v in c.xs]
    for k in range(len(DIRECTIONS[c.spec["direction"]])):
        names = [n for n in (*BLOCKS, "bias_hidden", "peephole") if c.spec.get(n) is not None]
        one = {**c.spec, **{n: c.spec[n][k : k + 1] for n in names}, "direction": "forward"}
        xs = [*c.xs[:known], *(s[:, k : k + 1] for s in c.xs[known:])]
        told = right(replace(c, spec=one, xs=xs, R=c.R[..., k * units : (k + 1) * units]))
        received[0] += told[0]
        for into, state in zip(received[known:], told[known:], strict=True):
            into[:, k] = state[:, 0]
    return received


@on_call("lengths-ignored", *CELLS)
def lengths_ignored(c: Call) -> list[Array] | None:
    if not c.spec["lengths"]:
        return None
    full = np.full(c.xs[1].shape, c.xs[0].shape[1])
    return right(replace(c, xs=[c.xs[0], full, *c.xs[2:]]))


@on_call("lstm-time-reversed", *CELLS)
def time_reversed(c: Call) -> list[Array]:
    found = right(c)
    return [found[0][:, ::-1], *found[1:]]


@on_call("recurrence-ignored", "GRU", "RNN", "SelectiveScan")
def recurrence_ignored(c: Call) -> list[Array] | None:
    if c.kind == "SelectiveScan":
        return scan_back(c, apart=True)
    return None if c.spec["lengths"] or c.spec["direction"] != "forward" else cell_back(c, apart=True)


@on_call("scan-skip", "SelectiveScan")
def scan_skip(c: Call) -> list[Array] | None:
    return None if c.spec["skip"] is None else other(c, skip=None)


@on_call("no-bias-in-denominator", *CELLS)
def no_bias_in_denominator(c: Call) -> list[Array] | None:
    dense = c.rule.get("dense", c.rule)
    if dense["name"] not in ("LRP0", "Epsilon") or dense.get("bias_share"):
        return None
    whole = c.rule if c.name == "Recurrent" else {"dense": c.rule, "state": c.rule}
    rule = {**whole, "name": "Recurrent", "dense": {**dense, "bias": "ignore"}}
    return right(replace(c, rule=rule))
