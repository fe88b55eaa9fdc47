"""Recurrent layers of the vectors: directions, lengths and states around the literal cells, one sample at a time."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal import gru, lstm, rnn
from lrp_ref.literal.matrices import Matrix
from lrp_ref.literal.recurrent import Function, Gate
from lrp_ref.literal.rules import Messages
from lrp_ref.literal.rules import Rule as Literal

from . import formulas
from .formulas import Rule
from .kinds import tanh
from .layers import Layer
from .values import Array

CELLS = ("GRU", "RNN", "GeneralLSTM", "LSTM")
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True, eq=False)
class Told:
    """Relevance of every operand of one sample, and what went to bias and stabiliser and was dropped."""

    inputs: list[Array]
    bias: Any
    stabiliser: Any
    dropped: Any


@dataclass(frozen=True, eq=False)
class Way:
    """One direction: its number, the steps that it reads in its order, and the states before the first, (D,) each."""

    number: int
    reverse: bool
    read: Array
    states: list[Array]


def function(told: Any, clip: Any = None) -> Function:
    """Return the function of a cell: a name, or a list of the name and its parameters; clip bounds what it gets."""
    name, *parameters = told if isinstance(told, list | tuple) else (told,)

    def plain(x: Array) -> Array:
        if name == "tanh":
            return tanh(x)
        if name == "sigmoid":
            return np.asarray((1 + tanh(x / 2)) / 2)
        if name == "relu":
            return np.asarray(np.maximum(x, 0))
        if name == "hardsigmoid":
            return np.asarray(np.minimum(np.maximum(parameters[0] * x + parameters[1], 0), 1))
        if name == "linear":
            return x
        raise ValueError(f"no function {name}")

    return plain if clip is None else lambda x: plain(np.asarray(np.minimum(np.maximum(x, -clip), clip)))


def ways(layer: Layer, operands: list[Array]) -> Iterator[Way]:
    """Yield the directions of a layer over one sample: x (T, E), with lengths a number, and states (directions, D)."""
    x, rest = operands[0], list(operands[1:])
    steps = int(rest.pop(0).item()) if layer["lengths"] else len(x)
    zero, known = layer["bias"][0, 0] * 0, 2 if layer["type"].endswith("LSTM") else 1
    for number, reverse in enumerate(DIRECTIONS[layer["direction"]]):
        states = [state[number] for state in rest] if layer["state"] else [zero] * known
        read = x[:steps][::-1] if reverse else x[:steps]
        yield Way(number, reverse, read, states)


def block(layer: Layer, way: int, number: int) -> Gate:
    """Return one block of weights of one direction."""
    w, u, b = (layer[name][way, number] for name in ("weight_input", "weight_hidden", "bias"))
    return Gate(w.T, u.T, b, b * 0)


def cell_of(layer: Layer, way: int) -> Any:
    """Return the literal cell of one direction."""
    if layer["type"] == "RNN":
        return block(layer, way, 0)
    if layer["type"] == "GRU":
        r, z, n = (block(layer, way, k) for k in range(3))
        c = layer.get("bias_hidden")
        n = Gate(n.input_weight, n.recurrent_weight, n.input_bias, n.recurrent_bias if c is None else c[way])
        return gru.Cell(r, z, n, layer.get("reset_after", True))
    i, f, g, o = (block(layer, way, k) for k in range(4))
    peephole = layer.get("peephole")
    if peephole is not None:
        i, f, o = (
            Gate(k.input_weight, k.recurrent_weight, k.input_bias, k.recurrent_bias, peephole[way, place])
            for place, k in enumerate((i, f, o))
        )
    return lstm.Cell(i, g, None if layer.get("coupled") else f, o)


def states_of(layer: Layer, way: Way) -> tuple[Any, Array]:
    """Return the literal states of one direction, and its h after every step, entry 0 being the initial one."""
    cell, clip = cell_of(layer, way.number), layer.get("clip")
    gate = function(layer.get("gate", "sigmoid"), clip)
    activation = function(layer.get("activation", "tanh"), clip)
    if layer["type"] == "RNN":
        h = rnn.forward(cell, way.read, way.states[0], tanh=activation)
        return h, h
    if layer["type"] == "GRU":
        of_gru = gru.forward(cell, way.read, way.states[0], sigmoid=gate, tanh=activation)
        return of_gru, of_gru.h
    out = function(layer.get("output_activation", "tanh"))
    told = lstm.forward(cell, way.read, *way.states, sigmoid=gate, tanh=activation, tanh_of_c=out)
    return told, told.h


def forward(layer: Layer, operands: list[Array]) -> Array:
    """Return what a layer returns of one sample: (T, directions D), or (directions D,) after the last step."""
    parts = []
    for way in ways(layer, operands):
        h = states_of(layer, way)[1]
        if layer["returns"] == "last":
            parts.append(h[-1])
            continue
        told = np.zeros((len(operands[0]), h.shape[1]), dtype=object)
        told[: len(h) - 1] = h[1:][::-1] if way.reverse else h[1:]
        parts.append(told)
    return np.concatenate(parts, axis=-1)


def literal(rule: Rule) -> Literal:
    """Return a rule for linear layers as the literal formulas take one."""

    def run(a: Array, matrix: Matrix, R: Array) -> Messages:
        return formulas.messages(rule, matrix, a, R, a.shape)

    return run


def back(layer: Layer, rule: Rule, operands: list[Array], R: Array) -> Told:
    """Return the relevance of x, the lengths (0), and the initial states; of states that are no operands it is dropped.

    A rule for linear layers holds for the dense layers and for the cell's sum, with products "signal".
    """
    whole: Rule = rule if rule["name"] == "Recurrent" else {"dense": rule, "state": rule}
    dense, state = literal(whole["dense"]), literal(whole["state"])
    product: Any = whole.get("product", "signal")
    x, units = operands[0], layer["bias"].shape[-1]
    r_x, r_states = np.zeros(x.shape, dtype=object), [np.zeros((0, units), dtype=object)] * 0
    bias: Any = 0
    stabiliser: Any = 0
    dropped: Any = 0
    for way in ways(layer, operands):
        told, h = states_of(layer, way)
        cell, steps, places = cell_of(layer, way.number), len(way.read), slice(way.number * units, None)
        arrived, given = np.zeros((steps, units), dtype=object), R[..., places][..., :units]
        beyond: Any = 0
        if layer["returns"] == "sequence":
            arrived[...] = given[:steps][::-1] if way.reverse else given[:steps]
            dropped = dropped + given[steps:].sum()
        elif steps:
            arrived[-1] = given
        else:
            beyond = given
        if layer["type"] == "RNN":
            out: Any = rnn.relevance(cell, way.read, h, arrived, dense=dense)
        elif layer["type"] == "GRU":
            out = gru.relevance(cell, way.read, told, arrived, dense=dense, state=state, product=product)
        else:
            out = lstm.relevance(
                cell, way.read, told, arrived, epsilon=1, input_rule=dense, sum_rule=state, product=product
            )
        r_x[:steps] = r_x[:steps] + (out.x[::-1] if way.reverse else out.x)
        initial = [out.h0 + beyond] + ([out.c0] if layer["type"].endswith("LSTM") else [])
        r_states.append(np.stack(initial))
        bias, stabiliser = bias + out.bias.sum(), stabiliser + out.stabiliser.sum()
        dropped = dropped + out.dropped.sum()
    by_state = [np.stack(parts) for parts in zip(*r_states, strict=True)]
    if not layer["state"]:
        dropped = dropped + sum(part.sum() for part in by_state)
    lengths = [np.array(Fraction(0), dtype=object)] if layer["lengths"] else []
    return Told([r_x, *lengths, *(by_state if layer["state"] else [])], bias, stabiliser, dropped)
