"""Small ONNX files for tests: written with onnx.helper, run with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.loaders import load
from lrp_ref.network import Network

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
helper = onnx.helper

RNG = np.random.default_rng(20)
Step = tuple[str, list[str], dict[str, Any]]


def weight(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.int64)


def number(value: float) -> np.ndarray[Any, Any]:
    return np.array(value, dtype=np.float32)


def write(
    path: Path,
    steps: list[Step],
    *,
    shape: tuple[int | str, ...],
    weights: dict[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
    outputs: tuple[str, ...] = ("y",),
    inputs: dict[str, tuple[Any, ...]] | None = None,
    name_nodes: bool = False,
) -> Path:
    """Write a model of (operator, inputs, attributes); step k makes "t{k}", the last "y", or what "outputs" says."""
    nodes = []
    for k, (kind, reads, attributes) in enumerate(steps):
        attributes = dict(attributes)
        makes = attributes.pop("outputs", ["y" if k + 1 == len(steps) else f"t{k}"])
        name = attributes.pop("name", "")
        nodes.append(helper.make_node(kind, reads, makes, name=name, **attributes))
    declared = {"x": (onnx.TensorProto.FLOAT, shape), **(inputs or {})}
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in declared.items()],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in outputs],
        [onnx.numpy_helper.from_array(a, n) for n, a in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def run_ort(path: Path, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(v) for v in session.run(None, feeds)]


def agrees(path: Path, x: np.ndarray[Any, Any], **options: Any) -> Network:
    """Assert that the loaded network computes what onnxruntime computes; return it."""
    net = load(path, **options)
    (expected,) = run_ort(path, {"x": x})
    got = net.forward(x)
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5 * max(1, float(np.abs(expected).max(initial=0))))
    return net
