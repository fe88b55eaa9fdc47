"""Products of matrices, softmax, norms and response normalisation of its own, and what may be wrong in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from dialects_base import FORWARD, Array, Linear, Spec, UnknownError, stabiliser
from dialects_right import BACK, HELD, Call, right
from dialects_wrong import on_call

# Products of matrices --------------------------------------------------------------------------------------------


def matmul_back(c: Call) -> list[Array]:
    how, gate = c.rule["product"], c.rule.get("gate")
    gate = c.spec["gate"] if gate is None else gate
    (A, B), y = c.xs, c.xs[0] @ c.xs[1]
    d = stabiliser({"name": "", "stabiliser": c.rule.get("stabiliser")})(y)
    S = np.divide(c.R, d, out=np.zeros_like(d), where=d != 0)
    parts = [summed(A * np.einsum("...jk,...ik->...ji", S, B), A), summed(B * np.einsum("...ji,...jk->...ik", A, S), B)]
    if how == "half":
        return [p / 2 for p in parts]
    if how != "signal":
        raise UnknownError(f"{how} of matrices")
    parts[gate] = 0 * parts[gate]
    return parts


def summed(x: Array, like: Array) -> Array:
    """Sum over the axes that were repeated to fit."""
    axes = tuple(k for k, (n, m) in enumerate(zip(x.shape, like.shape, strict=True)) if n != m)
    return x.sum(axis=axes, keepdims=True) if axes else x


# Softmax ---------------------------------------------------------------------------------------------------------


def softmax(spec: Spec, xs: list[Array]) -> Array:
    powers = np.exp(xs[0] - xs[0].max(axis=spec["axis"], keepdims=True))
    return np.asarray(powers / powers.sum(axis=spec["axis"], keepdims=True))


def softmax_back(c: Call) -> list[Array]:
    if c.name != "Taylor":
        raise UnknownError(f"rule {c.name} of a softmax")
    return [c.xs[0] * (c.R - softmax(c.spec, c.xs) * c.R.sum(axis=c.spec["axis"], keepdims=True))]


# Norms -----------------------------------------------------------------------------------------------------------


def apart(spec: Spec, x: Array) -> tuple[Array, tuple[int, ...]]:
    """x with its groups of channels on an axis of their own, and the axes of a group's numbers."""
    axes = tuple(a % x.ndim for a in spec["axes"])
    if spec["groups"] == 1:
        return x, axes
    return x.reshape(len(x), spec["groups"], -1, *x.shape[2:]), tuple(a + 1 for a in axes)


def deviation(spec: Spec, x: Array) -> tuple[Array, Array]:
    """x without its mean, and the deviation, in the shape that keeps groups apart."""
    grouped, axes = apart(spec, x)
    centred = grouped - grouped.mean(axis=axes, keepdims=True) * spec["centre"]
    return centred, np.sqrt((centred**2).mean(axis=axes, keepdims=True) + spec["epsilon"])


def normalize(spec: Spec, xs: list[Array]) -> Array:
    centred, s = deviation(spec, xs[0])
    return (centred / s).reshape(xs[0].shape)


def held_norm(spec: Spec, x: Array) -> Linear:
    """The matrix of one sample (without batch), by sending unit vectors through with the sample's deviation."""
    units = np.eye(x.size).reshape(-1, *x.shape)
    grouped, axes = apart(spec, units)
    W = (grouped - grouped.mean(axis=axes, keepdims=True) * spec["centre"]) / deviation(spec, x[None])[1]
    together = (grouped * 0 + grouped.mean(axis=axes, keepdims=True) != 0).reshape(x.size, -1)
    taps = together if spec["centre"] else np.eye(x.size)
    return Linear(W.reshape(x.size, -1), np.zeros(x.size), taps.astype(float), x.shape)


# Local response normalisation ------------------------------------------------------------------------------------


def looked_at(spec: Spec, channels: int) -> Array:
    """1 where channel k (row) looks at channel j."""
    before = (spec["size"] - 1) // 2 if spec["window"] == "onnx" else spec["size"] // 2
    k, j = np.indices((channels, channels))
    return ((j >= k - before) & (j < k - before + spec["size"])).astype(float)


def response(spec: Spec, xs: list[Array]) -> Array:
    squares = np.einsum("kj,nj...->nk...", looked_at(spec, xs[0].shape[1]), xs[0] ** 2)
    return np.asarray(xs[0] / (spec["bias"] + spec["alpha"] / spec["size"] * squares) ** spec["beta"])


def response_back(c: Call) -> list[Array]:
    if c.name != "ResponseNorm":
        raise UnknownError(f"rule {c.name} of a response norm")
    x, kind, beta, a = c.xs[0], c.rule["kind"], c.spec["beta"], c.spec["alpha"] / c.spec["size"]
    around = looked_at(c.spec, x.shape[1])
    rest = np.einsum("kj,nj...->nk...", around - np.eye(len(around)), x**2)
    alone, y = x / (c.spec["bias"] + a * x**2) ** beta, response(c.spec, c.xs)
    if kind == "path":
        slope = np.divide(y - alone, rest, out=np.zeros_like(y), where=rest != 0)
    else:
        slope = -2 * a * beta * x / (c.spec["bias"] + a * (x**2 + rest)) ** (beta + 1)
    total = alone + slope * rest
    m = c.R if kind == "toolbox" else np.divide(c.R, total, out=np.zeros_like(total), where=total != 0)
    neighbours = np.einsum("kj,nk...->nj...", around - np.eye(len(around)), slope * m)
    return [alone * m + x**2 * neighbours]


FORWARD["MatMul"], BACK["MatMul"] = (lambda spec, xs: xs[0] @ xs[1]), matmul_back
FORWARD["Softmax"], BACK["Softmax"] = softmax, softmax_back
FORWARD["LocalResponseNorm"], BACK["LocalResponseNorm"] = response, response_back
FORWARD["Normalize"], HELD["Normalize"] = normalize, held_norm
FORWARD["HardSwish"] = lambda spec, xs: xs[0] * np.clip(xs[0] / 6 + 0.5, 0, 1)
FORWARD["Constant"] = lambda spec, xs: np.broadcast_to(spec["value"], (len(xs[0]), *spec["value"].shape))
BACK["Constant"] = lambda c: [np.zeros(x.shape) for x in c.xs]

# What may be wrong -----------------------------------------------------------------------------------------------


def with_epsilon(rule: Any, epsilon: float) -> Any:
    """Another ε wherever a rule for sums has one that is not 0."""
    found = {name: with_epsilon(part, epsilon) if name in ("dense", "state") else part for name, part in rule.items()}
    return {**found, "epsilon": epsilon} if found.get("epsilon") else found


def under_epsilon(epsilon: float) -> Any:
    def wrong(c: Call) -> list[Array]:
        return right(replace(c, rule=with_epsilon(dict(c.rule), epsilon)))

    return wrong


SUMS = ("GRU", "RNN", "GeneralLSTM", "LSTM", "SelectiveScan")
on_call("epsilon-ignored", *SUMS)(under_epsilon(0.0))
on_call("eps-default", *SUMS)(under_epsilon(0.1))


@on_call("stabiliser-ignored", "MatMul")
def stabiliser_ignored(c: Call) -> list[Array]:
    return right(replace(c, rule={**c.rule, "stabiliser": None}))


@on_call("matmul-half-epsilon", "MatMul")
def matmul_half_epsilon(c: Call) -> list[Array] | None:
    told = c.rule.get("stabiliser") or {"kind": "exact"}
    if c.rule["product"] != "half" or told["kind"] != "add":
        return None
    (A, B), s = c.xs, c.R / (2 * c.xs[0] @ c.xs[1] + told["epsilon"])
    return [summed(A * np.einsum("...jk,...ik->...ji", s, B), A), summed(B * np.einsum("...ji,...jk->...ik", A, s), B)]


@on_call("softmax-last-axis", "Softmax")
def softmax_last_axis(c: Call) -> list[Array] | None:
    return [c.xs[0] * (c.R - softmax(c.spec, c.xs) * c.R.sum(axis=-1)[..., None])] if c.name == "Taylor" else None


@on_call("softmax-kind", "Softmax")
def softmax_kind(c: Call) -> list[Array]:
    return right(replace(c, rule={"name": "Taylor" if c.name == "Zero" else "Zero"}))


@on_call("norm-not-held", "Normalize")
def norm_not_held(c: Call) -> list[Array] | None:
    """By the whole Jacobian, number by number: R_i = x_i Σ_j ∂y_j/∂x_i R_j/y_j."""
    if c.name != "LRP0" or "stabiliser" in c.rule:
        return None
    rows = []
    for x, R in zip(c.xs[0], c.R, strict=True):
        y, m = normalize(c.spec, [x[None]]).reshape(-1), held_norm(c.spec, x)
        s = (deviation(c.spec, x[None])[1] + 0 * apart(c.spec, x[None])[0]).reshape(-1)
        together = m.taps if c.spec["centre"] else held_norm({**c.spec, "centre": True}, x).taps
        jacobian = m.W - together * np.outer(y, y) / together.sum(axis=0) / s
        ratio = np.divide(R.reshape(-1), y, out=np.zeros_like(y), where=y != 0)
        rows.append((x.reshape(-1) * (jacobian @ ratio)).reshape(x.shape))
    return [np.stack(rows)]


@on_call("norm-centre", "Normalize")
def norm_centre(c: Call) -> list[Array] | None:
    return [c.R] if c.name == "LRP0" and "stabiliser" not in c.rule and c.spec["centre"] else None


@on_call("lrn-kind", "LocalResponseNorm")
def lrn_kind(c: Call) -> list[Array]:
    return right(replace(c, rule={**c.rule, "kind": "taylor" if c.rule["kind"] == "toolbox" else "toolbox"}))


@on_call("lrn-terms", "LocalResponseNorm")
def lrn_terms(c: Call) -> list[Array] | None:
    other = {"taylor": "path", "path": "taylor"}.get(c.rule["kind"])
    return right(replace(c, rule={**c.rule, "kind": other})) if other else None


@on_call("lrn-window", "LocalResponseNorm")
def lrn_window(c: Call) -> list[Array]:
    return right(replace(c, spec={**c.spec, "window": "torch" if c.spec["window"] == "onnx" else "onnx"}))


@on_call("lrn-alpha", "LocalResponseNorm")
def lrn_alpha(c: Call) -> list[Array]:
    return right(replace(c, spec={**c.spec, "alpha": c.spec["alpha"] * c.spec["size"]}))
