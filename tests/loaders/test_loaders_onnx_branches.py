"""If with a condition that the file knows: the branch that is taken, compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, helper, onnx, weight, whole, write

from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import check_against_onnxruntime, compare_nodes, load


def branch(name: str, kind: str, reads: list[str], **weights: np.ndarray[Any, Any]) -> Any:
    made = f"{name}_made"
    nodes = [helper.make_node(kind, reads, [made]), helper.make_node("Relu", [made], [f"{name}_out"])]
    out = helper.make_empty_tensor_value_info(f"{name}_out")
    return helper.make_graph(nodes, name, [], [out], [onnx.numpy_helper.from_array(a, n) for n, a in weights.items()])


THEN = branch("then", "Add", ["t0", "v"], v=weight(5))
ELSE = branch("else", "Mul", ["t0", "outer"])
CHOICE: Step = ("If", ["c"], {"then_branch": THEN, "else_branch": ELSE, "outputs": ["z"]})


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_reads_what_is_around_it(taken: bool, tmp_path: Path) -> None:
    """Its condition is a constant, or follows from shapes; a bias is not folded into what a branch reads as well."""
    weights = {"w": weight(4, 5), "outer": weight(5), "k": whole(4 if taken else 3), "b": weight(5), "one": whole(1)}
    steps: list[Step] = [
        ("MatMul", ["x", "w"], {}),
        ("Add", ["t0", "b"], {"outputs": ["beside"]}),
        ("Shape", ["x"], {}),
        ("Gather", ["t2", "one"], {}),
        ("Equal", ["t3", "k"], {"outputs": ["c"]}),
        CHOICE,
        ("Add", ["z", "beside"], {}),
    ]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights)
    net = agrees(path, weight(3, 4))
    assert "Relu" in [type(node.layer).__name__.replace("ReLU", "Relu") for node in net.nodes]
    # What the branch reads is compared with onnxruntime, what it makes for itself is not in the file's graph.
    found = {c.tensor: c.relative for c in compare_nodes(path, weight(3, 4))}
    assert {"t0", "beside", "y"} <= set(found)
    assert max(found.values()) < 1e-6
    # An output that needs the branch alone, so that the file has to be cut down to it.
    (cut,) = check_against_onnxruntime(path, weight(3, 4), output="z")
    assert cut.relative < 1e-6


def test_a_branch_that_the_input_chooses_and_a_node_inside_that_is_not_supported_are_named(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("MatMul", ["x", "w"], {}),
        ("Greater", ["x", "k"], {"outputs": ["c"]}),
        ("If", ["c"], {"then_branch": THEN, "else_branch": ELSE}),
    ]
    weights = {"w": weight(4, 5), "outer": weight(5), "k": np.array(1, np.float32)}
    with pytest.raises(UnsupportedError, match=r"If 'y' \(which branch it takes depends on the input"):
        load(write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights))
    strange = branch("then", "Det", ["t0"])
    steps = [("MatMul", ["x", "w"], {}), ("If", ["c"], {"then_branch": strange, "else_branch": ELSE})]
    weights = {"w": weight(4, 5), "outer": weight(5), "c": np.array(True)}
    with pytest.raises(UnsupportedError, match="1 unsupported node: Det 'then_made'"):
        load(write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights))


@pytest.mark.parametrize(
    ("kind", "reads", "reason"),
    [
        ("TopK", ["x", "one"], "where its values come from depends on the input"),
        ("Det", ["x"], "a determinant has no relevance rule"),
        ("RandomNormalLike", ["x"], "its numbers are random"),
        ("Unknown", ["x"], "operator not supported"),
    ],
)
def test_operators_without_a_relevance_say_why(kind: str, reads: list[str], reason: str, tmp_path: Path) -> None:
    attributes = {"domain": "some.where"} if kind == "Unknown" else {}
    steps: list[Step] = [(kind, reads, {**attributes, "outputs": ["t0"]}), ("Relu", ["t0"], {})]
    weights = {"one": whole(1)} if "one" in reads else {}
    with pytest.raises(UnsupportedError, match=rf"{kind} 't0' \({reason}"):
        load(write(tmp_path / "m.onnx", steps, shape=("N", 4, 4), weights=weights))
