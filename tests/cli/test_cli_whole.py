"""A file whose input has no batch axis, on the command line: the whole array is one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from command import run

import lrp_ref as lrp

onnx = pytest.importorskip("onnx")

Array = np.ndarray[Any, Any]
WEIGHT = np.array([[1.5, -0.5], [-2.0, 0.75], [0.25, 1.0]], dtype=np.float32)
BIAS = np.array([0.5, -0.25], dtype=np.float32)
X = np.array([[1, 0, 2], [-1, 0.5, 0], [0, -2, 1], [2, 1, -1]], dtype=np.float32)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write y = mean over the rows of relu(x W + b), x 4 × 3, with inputs, and go there."""
    helper = onnx.helper
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"], name="dense"),
        helper.make_node("Add", ["h", "b"], ["z"], name="bias"),
        helper.make_node("Relu", ["z"], ["a"], name="relu"),
        helper.make_node("ReduceMean", ["a"], ["y"], name="mean", axes=[0], keepdims=0),
    ]
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", (4, 3)), ("y", (2,)))
    )
    weights = [onnx.numpy_helper.from_array(a, name) for name, a in (("W", WEIGHT), ("b", BIAS))]
    graph = helper.make_graph(nodes, "graph", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "several.npy", np.stack([X, -X, X[::-1]]))
    np.save(tmp_path / "wide.npy", np.ones((4, 5), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*arguments: str) -> Result:
    """Run the command, which has to succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def by_hand(x: Array) -> tuple[Array, Array]:
    """Return the output, and the relevance of its largest number at the input by LRP-0.

    Each row has a fourth of its activation as relevance, which a row x shares among x_i w_i; its bias keeps its own.
    """
    a = np.maximum(x.astype(np.float64) @ WEIGHT + BIAS, 0)
    k = int(a.mean(axis=0).argmax())
    return a.mean(axis=0), x * WEIGHT[:, k] * (a[:, k : k + 1] > 0) / len(x)


def test_show_says_that_no_axis_is_the_batch(folder: Path) -> None:
    out = done("show", "net.onnx").stdout
    assert "input x: 4 × 3; no axis is the batch: the array is one sample, float32" in out
    assert "output mean (no axis is the batch)" in out


def test_explain_one_array(folder: Path) -> None:
    assert "the array is one sample" in done("explain", "net.onnx", "x.npy", "-c", "lrp0").output
    output, relevance = by_hand(X)
    with np.load(folder / "explanations" / "x.npz") as made:
        assert np.allclose(made["output"], output, rtol=1e-6)
        assert np.allclose(made["input_relevance/relevance"], relevance, rtol=1e-5, atol=1e-7)
    assert (folder / "explanations" / "x.png").stat().st_size > 0


def test_explain_several_arrays_of_one_file(folder: Path) -> None:
    out = done("explain", "net.onnx", "several.npy", "-c", "lrp0").stdout
    for k, x in enumerate((X, -X, X[::-1])):
        assert f"several_{k}: output" in out
        with np.load(folder / "explanations" / f"several_{k}.npz") as made:
            assert np.allclose(made["input_relevance/relevance"], by_hand(x)[1], rtol=1e-5, atol=1e-7)


def test_what_cannot_be_explained_is_one_line(folder: Path) -> None:
    for arguments, line in (
        (("wide.npy",), "wide.npy: input 'x' has shape (4, 5); the network expects (4, 3); the array is one sample"),
        (("x.npy", "-t", "7"), "target 7 is out of range: the output has 2 classes, 0 to 1"),
    ):
        result = run("explain", "net.onnx", *arguments)
        assert result.exit_code == 2
        assert [n for n in result.stderr.splitlines() if not n.startswith("note")] == [f"lrp-ref: error: {line}"]


@pytest.mark.parametrize("given", [(), ("x.npy",)])
def test_check_compares_every_node(given: tuple[str, ...], folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    out = done("check", "net.onnx", *given).stdout
    assert "x (4, 3)" in out
    held = [line for line in out.splitlines() if line.rstrip().endswith("holds")]
    assert [line.split("  ")[0] for line in held][:2] == [
        "output against onnxruntime (float32)",
        "every node against onnxruntime (float32)",
    ]


@pytest.mark.parametrize("name", ["net.npz", "again.onnx"])
def test_convert_keeps_that_the_array_is_one_sample(name: str, folder: Path) -> None:
    done("convert", "net.onnx", name)
    assert lrp.load(name) == lrp.load("net.onnx")
    assert done("show", name).stdout == done("show", "net.onnx").stdout


def test_a_certificate_of_one_array(folder: Path) -> None:
    done("certify", "net.onnx", "x.npy", "-o", "certificate.json")
    assert "accepted: certificate.json" in done("verify", "certificate.json").stdout
