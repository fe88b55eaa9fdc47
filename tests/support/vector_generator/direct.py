"""Layers whose literal formulas run on any kind of numbers: forward pass and relevance of one sample.

Expected answers come from fractions, tolerances from measured numbers, certain digits from balls (see ``kinds``).
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from typing import Any

import numpy as np

from lrp_ref.literal import attention, local_response, nonlinear, scan, stabilisers
from lrp_ref.literal.matrices import Matrix

from . import cells, formulas
from .cells import CELLS, Told
from .formulas import Rule
from .kinds import exp, root
from .layers import MATRIX_LAYERS, ROUTES, Layer, matrix_of, route
from .values import Array

DIRECT = ("Constant", "HardSwish", "LocalResponseNorm", "MatMul", "Normalize", "SelectiveScan", "Softmax", *CELLS)
SMOOTH = ("sigmoid", "tanh")  # functions of cells that leave the rationals


def leaves_the_rationals(layer: Layer) -> bool:
    """Return whether a layer computes exp or tanh."""
    kind = layer["type"]
    named = [layer.get(name, usual) for name, usual in _functions(kind)]
    return kind == "Softmax" or any(name in SMOOTH for name in named) or layer.get("decay") == "exp"


def _functions(kind: str) -> list[tuple[str, str]]:
    gate, activation, output = ("gate", "sigmoid"), ("activation", "tanh"), ("output_activation", "tanh")
    known = {"RNN": [activation], "GRU": [gate, activation]}
    return known.get(kind, [gate, activation, output] if kind in CELLS else [])


# Forward ---------------------------------------------------------------------------------------------------------


def forward(layer: Layer, operands: list[Array]) -> Array:
    """Return the value of a layer for one sample (operands without batch)."""
    kind, x = layer["type"], operands[0]
    if kind in CELLS:
        return cells.forward(layer, operands)
    if kind in ("Normalize", *MATRIX_LAYERS):
        return linear_of(layer, operands).forward(_flat(operands)).reshape(_made(layer, operands))
    if kind in ROUTES:
        return route(layer, operands)
    if kind == "ReLU":
        return np.asarray(np.maximum(x, 0))
    if kind == "HardSwish":
        return np.asarray(x * np.minimum(np.maximum((x + 3) / 6, 0), 1))
    if kind == "Constant":
        return np.asarray(layer["value"])
    if kind == "Multiply":
        return np.asarray(operands[0] * operands[1])
    if kind == "MatMul":
        return attention.matmul(*operands)
    if kind == "Softmax":
        axis = layer["axis"] - 1
        return np.moveaxis(attention.softmax(np.moveaxis(x, axis, -1), exp), -1, axis)
    if kind == "LocalResponseNorm":
        return _over_channels(x, lambda column: local_response.forward(_response(layer), column))
    if kind == "SelectiveScan":
        return scan.forward(_scan(layer, operands))[0]
    raise ValueError(f"no forward formula for {kind}")


def _flat(operands: list[Array]) -> Array:
    return np.concatenate([v.reshape(-1) for v in operands])


def _made(layer: Layer, operands: list[Array]) -> tuple[int, ...]:
    if layer["type"] == "Dense":
        return (*operands[0].shape[:-1], layer["weight"].shape[1])
    return operands[0].shape


def linear_of(layer: Layer, operands: list[Array]) -> Matrix:
    """Return the matrix of a linear layer, or of one that is linear with its deviation as a constant."""
    if layer["type"] != "Normalize":
        return matrix_of(layer, [v.shape for v in operands])
    shape, axes = operands[0].shape, sorted(a % (operands[0].ndim + 1) - 1 for a in layer["axes"])
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, index in enumerate(np.ndindex(*shape)):
        apart = [index[k] for k in range(len(shape)) if k not in axes]
        part = index[0] * layer.get("groups", 1) // shape[0] if 0 in axes else 0
        groups.setdefault((part, *apart), []).append(place)
    return attention.norm(_flat(operands), list(groups.values()), layer["epsilon"], layer["centre"], root)


def _over_channels(x: Array, function: Any) -> Array:
    """Return what a function of the channels at one position makes of every position; x (channels, *space)."""
    columns = x.reshape(len(x), -1)
    return np.stack([function(columns[:, p]) for p in range(columns.shape[1])], axis=1).reshape(x.shape)


def _response(layer: Layer) -> local_response.Normalization:
    names = (layer[name] for name in ("size", "alpha", "beta", "bias"))
    size, alpha, beta, k = names
    return local_response.Normalization(size, alpha, int(getattr(beta, "value", beta)), k, layer.get("window", "onnx"))


def _scan(layer: Layer, operands: list[Array]) -> scan.Scan:
    x, delta, b, c = operands[:4]
    none = np.zeros(layer["a"].shape, dtype=object)
    state, skip = operands[4] if layer["state"] else none, layer["skip"]
    decay = (lambda v: 1 + v) if layer["decay"] == "linear" else (lambda v: exp(np.array([v], dtype=object))[0])
    return scan.Scan(x, delta, b, c, layer["a"], none[:, 0] if skip is None else skip, state, decay)


# Relevance -------------------------------------------------------------------------------------------------------


def back(layer: Layer, rule: Rule, operands: list[Array], R: Array) -> Told:
    """Return the relevance of every operand of one sample, and the columns of the ledger."""
    kind, name = layer["type"], rule["name"]
    if name == "Zero":
        return Told([v * 0 for v in operands], 0, 0, R.sum())
    if kind in ("ReLU", "HardSwish") or name == "Pass":
        return Told([R], 0, 0, 0)
    if kind in CELLS:
        return cells.back(layer, rule, operands, R)
    if kind in ("Normalize", *MATRIX_LAYERS):
        shape = operands[0].shape
        told = formulas.messages(rule, linear_of(layer, operands), _flat(operands), R.reshape(-1), shape)
        ends = np.cumsum([v.size for v in operands])
        parts = [told.relevance[end - v.size : end].reshape(v.shape) for end, v in zip(ends, operands, strict=True)]
        return Told(parts, told.bias.sum(), told.stabiliser.sum(), told.dropped.sum())
    if kind in ROUTES:
        return _route_back(layer, operands, R)
    if kind == "Constant":
        return Told([v * 0 for v in operands], R.sum(), 0, 0)
    if kind in ("Multiply", "MatMul"):
        return _product(layer, rule, operands, R)
    if kind == "Softmax":
        axis = layer["axis"] - 1
        x, arrived = (np.moveaxis(v, axis, -1) for v in (operands[0], R))
        shares = attention.softmax_relevance(x, arrived, exp)
        return Told([np.moveaxis(v, -1, axis) for v in shares.inputs], 0, 0, shares.dropped.sum())
    if kind == "LocalResponseNorm":
        return _response_back(layer, rule, operands[0], R)
    if kind == "SelectiveScan":
        stabiliser = stabilisers.add(rule["epsilon"]) if rule.get("epsilon") else stabilisers.exact
        out = scan.relevance(_scan(layer, operands), R, rule["product"], stabiliser)
        received = [out.x, out.delta, out.b, out.c, *([out.state] if layer["state"] else [])]
        lost = 0 if layer["state"] else out.state.sum()
        return Told(received, 0, out.stabiliser, out.dropped + lost)
    raise ValueError(f"no relevance formula for {kind}")


def _route_back(layer: Layer, operands: list[Array], R: Array) -> Told:
    places, start = [], 0
    for v in operands:
        places.append(np.arange(start, start + v.size).reshape(v.shape))
        start += v.size
    received = np.zeros(start, dtype=object)
    for i, r in zip(route(layer, places).reshape(-1), R.reshape(-1), strict=True):
        received[i] += r
    return Told([received[p] for p in places], 0, 0, 0)


def _product(layer: Layer, rule: Rule, operands: list[Array], R: Array) -> Told:
    declared, stabiliser = rule.get("gate"), formulas.stabiliser_of(rule)
    gate = layer["gate"] if declared is None else declared
    if layer["type"] == "MatMul":
        shares = attention.matmul_relevance(operands[0], operands[1], R, rule["product"], gate, stabiliser)
        return Told(list(shares.inputs), 0, shares.stabiliser.sum(), shares.dropped.sum())
    ordered = operands[::-1] if gate == 1 else operands
    shares = nonlinear.product(ordered[0], ordered[1], R, rule["product"], stabiliser)
    inputs = list(shares.inputs)[:: -1 if gate == 1 else 1]
    return Told(inputs, 0, shares.stabiliser.sum(), shares.dropped.sum())


def _response_back(layer: Layer, rule: Rule, x: Array, R: Array) -> Told:
    columns, above, received = x.reshape(len(x), -1), R.reshape(len(x), -1), []
    dropped: Any = 0
    for p in range(columns.shape[1]):
        told, lost = local_response.relevance(_response(layer), columns[:, p], above[:, p], rule["kind"])
        received.append(told)
        dropped = dropped + lost.sum()
    return Told([np.stack(received, axis=1).reshape(x.shape)], 0, 0, dropped)
