"""The expected answer of one layer: value, relevance of every operand, ledger and scale, sample by sample."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal import nonlinear

from . import direct, formulas
from .formulas import Rule
from .kinds import Measured, converted
from .layers import MATRIX_LAYERS, ROUTES, WINDOW, Layer, forward, geometry, matrix_of, route
from .values import Array, zeros


@dataclass(frozen=True, eq=False)
class Answer:
    """Relevance and scale of every operand (its shape, with batch), and the three columns of the ledger (N,)."""

    relevance: list[Array]
    scale: list[Array]
    bias: Array
    stabiliser: Array
    dropped: Array


def value(layer: Layer, inputs: list[Array]) -> Array:
    """Return the output of a layer for a batch."""
    run = direct.forward if layer["type"] in direct.DIRECT else forward
    return np.stack([fractions(run(layer, [np.asarray(x[n]) for x in inputs])) for n in range(len(inputs[0]))])


def fractions(values: Array) -> Array:
    """Return an array in which plain zeros and ones stand next to fractions as fractions alone."""
    return zeros(values.shape) + values


def explain(layer: Layer, rule: Rule, inputs: list[Array], R: Array, R_scale: Array | None = None) -> Answer:
    """Return the answer for a batch; R_scale is the scale of R itself (|R| where it is given exactly)."""
    samples = []
    for n in range(len(R)):
        inherited = abs(R[n]) if R_scale is None else R_scale[n]
        samples.append(_sample(layer, rule, [np.asarray(x[n]) for x in inputs], R[n], inherited))
    count = len(inputs)
    answer = Answer(
        [np.stack([s.relevance[k] for s in samples]) for k in range(count)],
        [np.stack([s.scale[k] for s in samples]) for k in range(count)],
        *(zeros(len(R)) + [getattr(s, name) for s in samples] for name in ("bias", "stabiliser", "dropped")),
    )
    arrived = sum(r.reshape(len(R), -1).sum(axis=1) for r in answer.relevance)
    told = arrived + answer.bias + answer.stabiliser + answer.dropped
    if (told != R.reshape(len(R), -1).sum(axis=1)).any():
        raise ArithmeticError(f"the ledger of {layer['type']} under {rule['name']} does not close")
    return answer


def received(layer: Layer, rule: Rule, inputs: list[Array], R: Array) -> list[Array]:
    """Return the relevance alone, by the second formula where the layer is linear: quicker than :func:`explain`."""
    if by_literal_alone(layer, rule):
        told = [direct.back(layer, rule, [np.asarray(x[n]) for x in inputs], R[n]).inputs for n in range(len(R))]
        return [np.stack([fractions(np.asarray(t[k])) for t in told]) for k in range(len(inputs))]
    if layer["type"] not in MATRIX_LAYERS:
        return explain(layer, rule, inputs, R).relevance
    matrix, samples = matrix_of(layer, [x.shape[1:] for x in inputs]), []
    for n in range(len(R)):
        a = np.concatenate([x[n].reshape(-1) for x in inputs])
        flat = formulas.relevance(rule, matrix, a, R[n].reshape(-1), inputs[0].shape[1:])
        samples.append(split(flat, [x[n] for x in inputs]))
    return [np.stack([s[k] for s in samples]) for k in range(len(inputs))]


def _sample(layer: Layer, rule: Rule, operands: list[Array], R: Array, inherited: Array) -> Answer:
    kind = layer["type"]
    if by_literal_alone(layer, rule):
        return _direct(layer, rule, operands, R, inherited)
    if kind in MATRIX_LAYERS:
        return _linear(layer, rule, operands, R, inherited)
    if kind in ROUTES:
        return _route(layer, operands, R, inherited)
    if kind == "MaxPool" and layer.get("_padding_wins"):
        received, scale = (zero_padding_wins(layer, operands[0], v) for v in (R, inherited))
        return Answer([received], [scale], _zero(), _zero(), R.sum() - received.sum())
    if kind == "MaxPool":
        window = {**geometry(layer, *WINDOW), "ties": layer.get("ties", "first")}
        told = nonlinear.max_pool(operands[0], R, layer["kernel"], **window)
        carried = nonlinear.max_pool(operands[0], inherited, layer["kernel"], **window)
        return Answer(list(told.inputs), list(carried.inputs), _zero(), _zero(), told.dropped.sum())
    if kind == "ReLU":
        return Answer([R], [inherited], _zero(), _zero(), _zero())
    if kind == "Multiply":
        return _product(layer, rule, operands, R, inherited)
    raise ValueError(f"no relevance formula for {kind}")


def by_literal_alone(layer: Layer, rule: Rule) -> bool:
    """Return whether the literal formulas of ``direct`` stand for a layer under a rule."""
    more = bool({"gate", "stabiliser"} & set(rule))  # a product whose rule says more than how it shares
    return layer["type"] in direct.DIRECT or rule["name"] == "Zero" or (layer["type"] == "Multiply" and more)


def _direct(layer: Layer, rule: Rule, operands: list[Array], R: Array, inherited: Array) -> Answer:
    """The literal formula twice: on fractions, and on measured numbers for the size of the rounding errors."""
    told = direct.back(layer, rule, operands, R)
    given = [operand if whole_numbers(layer, k) else converted(operand, Measured) for k, operand in enumerate(operands)]
    above = np.empty(R.shape, dtype=object)
    for index in np.ndindex(*R.shape):
        above[index] = Measured(R[index], float(inherited[index]))
    sized = direct.back(converted(layer, Measured), converted(rule, Measured), given, above)
    return Answer(
        [fractions(np.asarray(r)) for r in told.inputs],
        [errors(np.asarray(r)) for r in sized.inputs],
        *(_zero() + v for v in (told.bias, told.stabiliser, told.dropped)),
    )


def whole_numbers(layer: Layer, operand: int) -> bool:
    """Return whether an operand holds whole numbers that count something."""
    return operand == 1 and bool(layer.get("lengths"))


def errors(values: Array) -> Array:
    """Return the errors of measured numbers as fractions."""
    found = zeros(values.shape)
    for index in np.ndindex(*values.shape):
        found[index] = Fraction(getattr(values[index], "error", 0.0))
    return found


def zero_padding_wins(layer: Layer, x: Array, R: Array) -> Array:
    """Return the relevance of a max pool whose padding is 0 and takes the relevance where it wins."""
    pads = [(0, 0), *map(tuple, layer["padding"])]
    padded = np.pad(x, pads, constant_values=zeros(())[()])
    window = {**geometry(layer, *WINDOW), "padding": 0}
    whole = nonlinear.max_pool(padded, R, layer["kernel"], **window).inputs[0]
    return np.asarray(whole[tuple(slice(a, n - b) for n, (a, b) in zip(whole.shape, pads, strict=True))])


def _zero() -> Any:
    return zeros(())[()]


def _linear(layer: Layer, rule: Rule, operands: list[Array], R: Array, inherited: Array) -> Answer:
    shape = operands[0].shape
    matrix = matrix_of(layer, [v.shape for v in operands])
    a, flat = np.concatenate([v.reshape(-1) for v in operands]), R.reshape(-1)
    told = formulas.messages(rule, matrix, a, flat, shape)
    if (told.relevance != formulas.relevance(rule, matrix, a, flat, shape)).any():
        raise ArithmeticError(f"two formulas of {rule['name']} differ on {layer['type']}")
    scale = formulas.scale(rule, matrix, a, inherited.reshape(-1), shape)
    return Answer(
        split(told.relevance, operands),
        split(scale, operands),
        told.bias.sum(),
        told.stabiliser.sum(),
        told.dropped.sum(),
    )


def split(flat: Array, operands: list[Array]) -> list[Array]:
    """Cut a vector over all operands in a row into one array per operand."""
    ends = np.cumsum([v.size for v in operands])
    return [flat[end - v.size : end].reshape(v.shape) for end, v in zip(ends, operands, strict=True)]


def _route(layer: Layer, operands: list[Array], R: Array, inherited: Array) -> Answer:
    positions, start = [], 0
    for v in operands:
        positions.append(np.arange(start, start + v.size).reshape(v.shape))
        start += v.size
    sources = route({**layer, "value": -1}, positions).reshape(-1)  # -1: constant padding, from nowhere
    received, scale, dropped = zeros(start), zeros(start), _zero()
    for j, i in enumerate(sources):
        if i < 0:
            dropped = dropped + R.reshape(-1)[j]
        else:
            received[i] += R.reshape(-1)[j]
            scale[i] += inherited.reshape(-1)[j]
    return Answer(split(received, operands), split(scale, operands), _zero(), _zero(), dropped)


def _product(layer: Layer, rule: Rule, operands: list[Array], R: Array, inherited: Array) -> Answer:
    gate = layer["gate"] if layer["gate"] is not None else 0
    ordered = [operands[gate], operands[1 - gate]]
    told = nonlinear.product(ordered[0], ordered[1], R, rule["product"])
    scales = list(nonlinear.product(ordered[0], ordered[1], inherited, rule["product"]).inputs)
    if rule["product"] in ("prop", "abs"):
        terms = abs(ordered[0]) + abs(ordered[1])
        whole = ordered[0] + ordered[1] if rule["product"] == "prop" else terms
        for k, v in enumerate(ordered):
            scales[k] = zeros(R.shape)
            for index in np.ndindex(*R.shape):
                if whole[index] != 0:
                    ratio = terms[index] / abs(whole[index])
                    scales[k][index] = abs(v[index]) / abs(whole[index]) * inherited[index] * (1 + ratio)
    back = slice(None, None, -1 if gate == 1 else 1)
    return Answer(
        [np.asarray(r) for r in told.inputs][back], scales[back], _zero(), told.stabiliser.sum(), told.dropped.sum()
    )
