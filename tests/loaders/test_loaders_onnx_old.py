"""Files of opsets before 7: converted by onnx itself, which the network says, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import helper, onnx, weight

from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load

WEIGHTS = {"w": weight(3, 4), "b": weight(4), "c": weight(2)}


def old(path: Path, nodes: list[Any], shape: tuple[int, ...], opset: int = 6) -> Path:
    """Write a model as old programs did: with the weights among the inputs."""
    used = {n: a for n, a in WEIGHTS.items() if any(n in node.input for node in nodes)}
    inputs = [
        helper.make_tensor_value_info(n, 1, s) for n, s in [("x", shape), *((n, a.shape) for n, a in used.items())]
    ]
    output = helper.make_tensor_value_info("y", 1, None)
    weights = [onnx.numpy_helper.from_array(a, n) for n, a in used.items()]
    graph = helper.make_graph(nodes, "old", inputs, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("opset", [5, 6])
def test_broadcasting_by_attributes_is_converted_and_said(opset: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], broadcast=1),
        helper.make_node("Dropout", ["g"], ["d"], is_test=1),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    net, x = load(old(tmp_path / "m.onnx", nodes, (2, 3), opset)), weight(2, 3)
    np.testing.assert_allclose(net.forward(x), np.maximum(x @ WEIGHTS["w"] + WEIGHTS["b"], 0), rtol=1e-5, atol=1e-6)
    (note,) = net.notes
    assert note.startswith(f"the file's operators, of opset {opset}, were converted to opset 7 by onnx ")


def test_what_onnx_does_not_convert_and_what_is_newer_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "c"], ["y"], broadcast=1, axis=1)]  # along an axis in the middle
    with pytest.raises(UnsupportedError, match=r"opset 6 is older than 7.*cannot convert it"):
        load(old(tmp_path / "m.onnx", nodes, (3, 2, 4)))
    with pytest.raises(UnsupportedError, match="opset 9999 is outside 1"):
        load(old(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], (1, 2), opset=9999))
