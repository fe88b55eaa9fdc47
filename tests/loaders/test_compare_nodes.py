"""Every value of a loaded network against onnxruntime: which tensors they are, and how far apart counts as far."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import helper, number, onnx, weight, write

from lrp_ref.loaders import compare_nodes, verify
from lrp_ref.loaders import onnx as loader

LSTM = {"hidden_size": 3, "outputs": ["t0", "h"]}


def test_all_values_are_compared_in_the_order_of_the_network(tmp_path: Path) -> None:
    """x W + b is one layer; its value is the tensor behind the sum, of several outputs each is compared."""
    path = write(
        tmp_path / "m.onnx",
        [
            ("MatMul", ["x", "w"], {}), ("Add", ["t0", "b"], {}), ("Relu", ["t1"], {}), ("Identity", ["t2"], {}),
            ("Split", ["t3"], {"outputs": ["a", "c"], "axis": 1, "num_outputs": 2}), ("Tanh", ["a"], {}),
            ("Concat", ["t5", "c"], {"axis": 1}),
        ],
        shape=("N", 4), weights={"w": weight(4, 6), "b": weight(6)}, opset=18,
    )  # fmt: skip
    found = compare_nodes(path, weight(5, 4))
    assert [c.tensor for c in found] == ["t1", "t3", "a", "c", "t5", "y"]
    assert max(c.relative for c in found) < 1e-6


def test_the_batch_is_where_the_file_has_it(tmp_path: Path) -> None:
    steps = [("LSTM", ["x", "w", "r"], LSTM), ("Squeeze", ["t0", "one"], {}), ("Tanh", ["t1"], {})]
    weights = {"w": weight(1, 12, 2), "r": weight(1, 12, 3), "one": np.array([1])}
    path = write(tmp_path / "m.onnx", steps, shape=("T", "N", 2), weights=weights)
    found = compare_nodes(path, weight(5, 4, 2))
    assert "y" in [c.tensor for c in found]
    assert max(c.relative for c in found) < 1e-6


def test_what_a_local_function_makes_for_itself_is_not_compared(tmp_path: Path) -> None:
    steps = [helper.make_node("MatMul", ["a", "b"], ["p"]), helper.make_node("Tanh", ["p"], ["c"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Block", ["a", "b"], ["c"], steps, opsets[:1])
    path = write(tmp_path / "m.onnx", [("Block", ["x", "w"], {}), ("Relu", ["t0"], {})], shape=("N", 4),
                 weights={"w": weight(4, 6)})  # fmt: skip
    model = onnx.load(path)
    model.graph.node[0].domain = "local"
    model.functions.append(function)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    path.write_bytes(model.SerializeToString())
    found = compare_nodes(path, weight(5, 4))
    assert [c.tensor for c in found] == ["t0", "y"]
    assert max(c.relative for c in found) < 1e-6


def test_a_node_whose_tensor_departs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(
        tmp_path / "m.onnx", [("MatMul", ["x", "w"], {}), ("Relu", ["t0"], {}), ("Mul", ["t1", "k"], {})],
        shape=("N", 4), weights={"w": weight(4, 6), "k": number(3)},
    )  # fmt: skip
    made = loader.convert(path)
    first = made.network.nodes[0]
    wrong = made.network.replaced({first.name: first.layer.map_arrays(lambda a: a * 2)})
    object.__setattr__(made, "network", wrong)
    monkeypatch.setattr(loader, "convert", lambda path: made)
    assert [round(c.relative, 6) for c in compare_nodes(path, weight(5, 4))] == [1, 1, 1]


@pytest.mark.parametrize(
    ("ours", "theirs", "read", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], [], 0.0),
        ([1.0, 2.5], [1.0, 2.0], [], 0.25),
        ([1.0, 2.5], [1.0, 2.0], [1.0], 0.25),
        ([0.5, 0.0], [0.0, 0.0], [1000.0], 0.05),  # what is left of 1000 − 1000 is measured by 10
        ([0.5, 0.0], [0.0, 0.0], [], 0.5),
        ([0.5, 0.0], [0.0, 0.0], [math.inf, 10.0], 5.0),
        ([1.0, math.inf], [1.0, math.inf], [], 0.0),
        ([1.0, math.nan], [1.0, math.nan], [], 0.0),
        ([1.5, math.inf], [1.0, math.inf], [], 0.5),
        ([1.0, math.nan], [1.0, 2.0], [], math.inf),
        ([1.0, math.inf], [1.0, -math.inf], [], math.inf),
        ([[1.0, 2.0]], [1.0, 2.0], [], math.inf),
    ],
)
def test_differences_are_relative(ours: list[float], theirs: list[float], read: list[float], expected: float) -> None:
    assert verify._apart(np.array(ours), np.array(theirs), [np.array(read)]) == expected
