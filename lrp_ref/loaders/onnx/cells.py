"""The parameters of recurrent nodes: gates reordered, biases added, activations by name; each node with its layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import GRU, LSTM, RNN, GeneralLSTM, RecurrentLayer
from ...layers.recurrent.activations import Activation
from .convert import Converter
from .file import Op
from .values import Refusal

Array = np.ndarray[Any, Any]
Parameters = dict[str, Any]

LSTM_GATES = (0, 2, 3, 1)  # ONNX has i, o, f, c; the layer i, f, g, o
GRU_GATES = (1, 0, 2)  # ONNX has z, r, h; the layer r, z, n
PEEPHOLES = (0, 2, 1)  # ONNX has i, o, f; the layer i, f, o
USUAL = ("sigmoid", "tanh", "tanh")  # of an LSTM: the gates, g and c_t

# ONNX's activations: the layer's name, and the parameters alpha and beta that each takes, if the file has none.
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "affine": ("affine", (1.0, 0.0)), "elu": ("elu", (1.0,)), "hardsigmoid": ("hardsigmoid", (0.2, 0.5)),
    "leakyrelu": ("leakyrelu", (0.01,)), "relu": ("relu", ()), "scaledtanh": ("scaledtanh", (1.0, 1.0)),
    "sigmoid": ("sigmoid", ()), "softplus": ("softplus", ()), "tanh": ("tanh", ()),
}  # fmt: skip


def lstm(ctx: Converter, op: Op) -> tuple[type[RecurrentLayer], Parameters]:
    """Return the layer of an LSTM node, and its parameters: the fast one where it is the usual LSTM."""
    found, _ = _weights(ctx, op, LSTM_GATES)
    activations, clip = _activations(op, USUAL), _clip(op)
    peephole = None
    if ctx.has(op, 7):
        directions, _, hidden, _ = found["weight_input"].shape
        peephole = ctx.weight(op.inputs[7]).reshape(directions, 3, hidden)[:, PEEPHOLES]
        peephole = np.ascontiguousarray(peephole) if peephole.any() else None
    coupled = bool(op.attributes.get("input_forget", 0))
    if activations == USUAL and clip is None and peephole is None and not coupled:
        return LSTM, found
    gate, activation, output = activations
    return GeneralLSTM, {
        **found, "peephole": peephole, "coupled": coupled, "gate": gate, "activation": activation,
        "output_activation": output, "clip": clip,
    }  # fmt: skip


def gru(ctx: Converter, op: Op) -> tuple[type[RecurrentLayer], Parameters]:
    """Return the layer of a GRU node, and its parameters."""
    found, biases = _weights(ctx, op, GRU_GATES)
    gate, activation = _activations(op, ("sigmoid", "tanh"))
    after = bool(op.attributes.get("linear_before_reset", 0))
    more: Parameters = {"reset_after": after, "gate": gate, "activation": activation, "clip": _clip(op)}
    if after and biases[:, 1, 2].any():
        found["bias"][:, 2] = biases[:, 0, 2]
        more["bias_hidden"] = np.ascontiguousarray(biases[:, 1, 2])
    return GRU, {**found, **more}


def rnn(ctx: Converter, op: Op) -> tuple[type[RecurrentLayer], Parameters]:
    """Return the layer of an RNN node, and its parameters."""
    (activation,) = _activations(op, ("tanh",))
    return RNN, {**_weights(ctx, op, (0,))[0], "activation": activation, "clip": _clip(op)}


def _weights(ctx: Converter, op: Op, order: tuple[int, ...]) -> tuple[Parameters, Array]:
    """Return the weights in the layer's order of gates, and both biases (directions, 2, gates, hidden)."""
    count, directions = len(order), 2 if op.attributes.get("direction", "forward") == "bidirectional" else 1
    w, r = ctx.weight(op.inputs[1]), ctx.weight(op.inputs[2])
    if w.ndim != 3 or r.ndim != 3 or w.shape[0] != directions or w.shape[1] % count or r.shape[:2] != w.shape[:2]:
        raise Refusal(f"weights of shapes {w.shape} and {r.shape} for {directions} directions")
    hidden = w.shape[1] // count
    if op.attributes.get("hidden_size", hidden) != hidden:
        raise Refusal(f"weights of shape {w.shape} for a hidden_size of {op.attributes['hidden_size']}")
    biases = np.zeros((directions, 2, count, hidden), dtype=ctx.dtype)
    if ctx.has(op, 3):
        biases = ctx.weight(op.inputs[3]).reshape(directions, 2, count, hidden)

    def gates(array: Array) -> Array:
        return np.ascontiguousarray(array[:, order])

    found = {
        "weight_input": gates(w.reshape(directions, count, hidden, -1)),
        "weight_hidden": gates(r.reshape(directions, count, hidden, -1)),
        "bias": gates(biases.sum(axis=1)),
    }
    return found, biases[:, :, order]


def _clip(op: Op) -> float | None:
    return float(op.attributes["clip"]) if op.attributes.get("clip", 0) else None


def _activations(op: Op, usual: tuple[str, ...]) -> tuple[Activation, ...]:
    """Return the activations of the node, which have to be the same in both directions.

    Parameters are given in one list for those activations that have some, in their order.
    """
    names = [str(name) for name in op.attributes.get("activations", ())] or list(usual)
    alphas, betas = (iter(op.attributes.get(f"activation_{k}", ())) for k in ("alpha", "beta"))
    found: list[Activation] = []
    for name in names:
        if name.lower() not in ACTIVATIONS:
            raise Refusal(f"activation {name}; supported are {', '.join(ACTIVATIONS)}")
        known, defaults = ACTIVATIONS[name.lower()]
        parameters = tuple(float(next(given, d)) for given, d in zip((alphas, betas), defaults, strict=False))
        found.append(_expressed(known, parameters))
    if len(found) not in (len(usual), 2 * len(usual)):
        raise Refusal(f"{len(found)} activations ({', '.join(names)}) where {len(usual)} are needed")
    if found[len(usual) :] not in ([], found[: len(usual)]):
        raise Refusal(f"activations that differ between the directions ({', '.join(names)})")
    return tuple(found[: len(usual)])


def _expressed(name: str, parameters: tuple[float, ...]) -> Activation:
    """Return an activation as the layers know it."""
    if name == "affine" and parameters == (1.0, 0.0):
        return "linear"
    if name == "scaledtanh" and parameters == (1.0, 1.0):
        return "tanh"
    if name in ("affine", "scaledtanh"):
        raise Refusal(f"activation {name} with the parameters {', '.join(f'{p:g}' for p in parameters)}")
    return (name, *parameters) if parameters else name
