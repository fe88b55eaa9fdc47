"""The LSTM: gates reordered, time in front of the batch, as onnxruntime reads it."""

from __future__ import annotations

import numpy as np

from ....layers import LSTM
from .part import Part, writes

GATES = (0, 3, 1, 2)  # the layer has i, f, g, o; ONNX i, o, f, c


@writes(LSTM)
def _lstm(part: Part) -> None:
    layer: LSTM = part.layer
    count, hidden = layer.weight_input.shape[0], layer.hidden
    x = part.add("Transpose", part.reads[0], tag="time_first", perm=(1, 0, 2))
    weights = [
        part.weight(np.ascontiguousarray(array[:, GATES]).reshape(count, 4 * hidden, -1), tag)
        for tag, array in (("weight_input", layer.weight_input), ("weight_hidden", layer.weight_hidden))
    ]
    bias = np.zeros((count, 8 * hidden), dtype=layer.bias.dtype)
    bias[:, : 4 * hidden] = layer.bias[:, GATES].reshape(count, 4 * hidden)
    inputs = [x, *weights, part.weight(bias, "bias"), "", "", ""]
    if layer.lengths:
        inputs[4] = part.add("Cast", part.reads[1], tag="lengths", to=part.onnx.TensorProto.INT32)
    if layer.state:
        for k, name in ((5, "state_h"), (6, "state_c")):
            inputs[k] = part.add("Transpose", part.reads[k - 7], tag=name, perm=(1, 0, 2))
    while not inputs[-1]:
        inputs.pop()
    used = {"sequence": (0,), "last": (1,), "all": (0, 1, 2)}[layer.returns]
    outputs = [f"{part.name}/{tag}" if k in used else "" for k, tag in enumerate(("steps", "last_h", "last_c"))]
    while not outputs[-1]:
        outputs.pop()
    attributes = {"direction": layer.direction, "hidden_size": hidden}
    part.nodes.append(part.onnx.helper.make_node("LSTM", inputs, outputs, name=part.name, **attributes))
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
        for k in (1, 2):
            _named(part, "Transpose", [outputs[k]], next(makes), f"batch_first{k}", perm=(1, 0, 2))


def _named(part: Part, kind: str, inputs: list[str], output: str, tag: str, **attributes: object) -> None:
    """Add a node that makes one of the layer's outputs, under a name of its own."""
    part.nodes.append(part.onnx.helper.make_node(kind, inputs, [output], name=f"{part.name}/{tag}", **attributes))
