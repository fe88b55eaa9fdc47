"""Recurrent layers: gates reordered, time in front of the batch, as onnxruntime reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....layers import (
    ELU,
    GRU,
    LSTM,
    RNN,
    GeneralLSTM,
    HardSigmoid,
    Identity,
    LeakyReLU,
    RecurrentLayer,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from ....layers.recurrent.activations import Activation, function_of
from ..values import Refusal
from .part import Part, writes

LSTM_GATES = (0, 3, 1, 2)  # the layer has i, f, g, o; ONNX i, o, f, c
GRU_GATES = (1, 0, 2)  # the layer has r, z, n; ONNX z, r, h
NEW = 2  # the gate n of a GRU, in both orders
PEEPHOLES = (0, 2, 1)  # the layer has i, f, o; ONNX i, o, f
LENGTHS, STATES, PEEPHOLE = 4, 5, 7  # places among the inputs of an ONNX node
# ONNX's names, with the fields that become its alpha and beta.
FUNCTIONS: dict[type[Any], tuple[str, tuple[str, ...]]] = {
    ELU: ("Elu", ("alpha",)),
    HardSigmoid: ("HardSigmoid", ("alpha", "beta")),
    LeakyReLU: ("LeakyRelu", ("alpha",)),
    ReLU: ("Relu", ()),
    Sigmoid: ("Sigmoid", ()),
    Softplus: ("Softplus", ()),
    Tanh: ("Tanh", ()),
}


@writes(LSTM)
def _lstm(part: Part) -> None:
    _write(part, "LSTM", LSTM_GATES, {})


@writes(GeneralLSTM)
def _general_lstm(part: Part) -> None:
    layer: GeneralLSTM = part.layer
    attributes = _functions(part, (layer.gate, layer.activation, layer.output_activation), ("sigmoid", "tanh", "tanh"))
    attributes["input_forget"] = int(layer.coupled) or None
    more = {}
    if layer.peephole is not None:
        peephole = np.ascontiguousarray(layer.peephole[:, PEEPHOLES]).reshape(layer.peephole.shape[0], -1)
        more[PEEPHOLE] = part.weight(peephole, "peephole")
    _write(part, "LSTM", LSTM_GATES, attributes, more=more)


@writes(GRU)
def _gru(part: Part) -> None:
    layer: GRU = part.layer
    attributes = _functions(part, (layer.gate, layer.activation), ("sigmoid", "tanh"))
    attributes["linear_before_reset"] = int(layer.reset_after)
    second = np.zeros_like(layer.bias)
    if layer.bias_hidden is not None:
        second[:, NEW] = layer.bias_hidden
    _write(part, "GRU", GRU_GATES, attributes, second)


@writes(RNN)
def _rnn(part: Part) -> None:
    _write(part, "RNN", (0,), _functions(part, (part.layer.activation,), ("tanh",)))


def _functions(part: Part, activations: Sequence[Activation], usual: Sequence[str]) -> dict[str, Any]:
    """Return the attributes of a cell's functions and of its clip, for each direction in turn.

    Parameters stand in one list for those functions that have some.
    """
    attributes: dict[str, Any] = {"clip": None if part.layer.clip is None else _single(part, part.layer.clip, "clip")}
    if tuple(activations) == tuple(usual):
        return attributes
    directions = part.layer.weight_input.shape[0]
    found = [_function(part, a) for a in activations] * directions
    attributes["activations"] = [name for name, _ in found]
    for k, key in enumerate(("activation_alpha", "activation_beta")):
        attributes[key] = [parameters[k] for _, parameters in found if len(parameters) > k] or None
    return attributes


def _function(part: Part, activation: Activation) -> tuple[str, tuple[float, ...]]:
    """Return a cell's function as ONNX names it, with its parameters."""
    function = function_of(type(part.layer).__name__, activation)
    if isinstance(function, Identity):
        return "Affine", (1.0, 0.0)
    name, keys = FUNCTIONS.get(type(function), ("", ()))
    if not name or getattr(function, "scale", 1) != 1 or (name == "Softplus" and getattr(function, "beta", 1) != 1):
        raise Refusal(f"its activation {function!r}, which ONNX's recurrent operators do not have")
    return name, tuple(_single(part, getattr(function, key), f"{key} of {name}") for key in keys)


def _single(part: Part, value: Any, what: str) -> float:
    """Return a number of single precision, which attributes are; there is no default that could stand for it."""
    found = part.attribute(value, what, np.nan)
    assert found is not None
    return found


def _write(
    part: Part,
    kind: str,
    order: Sequence[int],
    attributes: dict[str, Any],
    second: Any = None,
    more: dict[int, str] | None = None,
) -> None:
    """Write a recurrent node, and what brings its inputs and outputs into the network's order.

    Args:
        part, kind: the layer, and the operator.
        order: ONNX's gates, by their place in the layer's.
        attributes: besides direction and size.
        second: the other bias, (directions, gates, hidden) as the layer has its gates; zeros by default.
        more: further inputs by their place.
    """
    layer: RecurrentLayer = part.layer
    count, gates, hidden = layer.weight_input.shape[:3]
    x = part.add("Transpose", part.reads[0], tag="time_first", perm=(1, 0, 2))
    weights = [
        part.weight(np.ascontiguousarray(array[:, order]).reshape(count, gates * hidden, -1), tag)
        for tag, array in (("weight_input", layer.weight_input), ("weight_hidden", layer.weight_hidden))
    ]
    biases = (layer.bias, np.zeros_like(layer.bias) if second is None else second)
    bias = np.concatenate([b[:, order].reshape(count, gates * hidden) for b in biases], axis=1)
    places = {1: weights[0], 2: weights[1], 3: part.weight(bias, "bias"), **(more or {})}
    if layer.lengths:
        places[LENGTHS] = part.add("Cast", part.reads[1], tag="lengths", to=part.onnx.TensorProto.INT32)
    if layer.state:
        for k, name in enumerate(layer.states):
            state = part.reads[k - len(layer.states)]
            places[STATES + k] = part.add("Transpose", state, tag=f"state_{name}", perm=(1, 0, 2))
    inputs = [x, *(places.get(k, "") for k in range(1, 1 + max(places)))]
    attributes = {"direction": layer.direction, "hidden_size": hidden, **attributes}
    _outputs(part, kind, inputs, {key: value for key, value in attributes.items() if value is not None})


def _outputs(part: Part, kind: str, inputs: list[str], attributes: dict[str, Any]) -> None:
    """Add the node with those outputs that are used, and bring them into the network's order."""
    layer: RecurrentLayer = part.layer
    count, hidden, states = layer.weight_input.shape[0], layer.hidden, layer.states
    used = {"sequence": (0,), "last": (1,), "all": tuple(range(1 + len(states)))}[layer.returns]
    tags = ("steps", *(f"last_{name}" for name in states))
    outputs = [f"{part.name}/{tag}" if k in used else "" for k, tag in enumerate(tags)]
    while not outputs[-1]:
        outputs.pop()
    part.nodes.append(part.onnx.helper.make_node(kind, inputs, outputs, name=part.name, **attributes))
    makes = iter(part.makes)
    if 0 in used:
        # (time, directions, N, hidden) to (N, time, directions·hidden).
        steps = part.add("Transpose", outputs[0], tag="batch_first", perm=(2, 0, 1, 3))
        shape = part.integers([0, 0, count * hidden], "shape")
        _named(part, "Reshape", [steps, shape], next(makes), "joined")
    if layer.returns == "last":
        last = part.add("Transpose", outputs[1], tag="batch_first", perm=(1, 0, 2))
        _named(part, "Reshape", [last, part.integers([0, count * hidden], "shape")], next(makes), "joined")
    if layer.returns == "all":
        for k in range(1, 1 + len(states)):
            _named(part, "Transpose", [outputs[k]], next(makes), f"batch_first{k}", perm=(1, 0, 2))


def _named(part: Part, kind: str, inputs: list[str], output: str, tag: str, **attributes: object) -> None:
    """Add a node that makes one of the layer's outputs, under a name of its own."""
    part.nodes.append(part.onnx.helper.make_node(kind, inputs, [output], name=f"{part.name}/{tag}", **attributes))
