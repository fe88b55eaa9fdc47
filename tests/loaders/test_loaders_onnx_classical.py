"""Operators for classical models (domain ai.onnx.ml): each equals onnxruntime, or is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import helper, onnx, run_ort, runtime

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load

FLOAT = onnx.TensorProto.FLOAT
X = np.random.default_rng(11).normal(size=(5, 4)).astype(np.float32)
X[3] = 0  # of which the norm is 0
WEIGHTS = np.random.default_rng(12).normal(size=(3, 4)).astype(np.float32)
INTERCEPTS = [0.25, -1.5, 0.5]
LABEL = "a label, which small changes of the input do not change"


def classical(path: Path, kind: str, reads: tuple[str, ...] = ("x",), **attributes: Any) -> Path:
    """One node of the domain of classical models."""
    makes = ["label", "y"] if kind == "LinearClassifier" else ["y"]
    nodes = [helper.make_node(kind, reads, makes, name="node", domain="ai.onnx.ml", **attributes)]
    values = [helper.make_tensor_value_info(n, FLOAT, [None, k]) for n, k in (("x", 4), ("y", None))]
    numbers = onnx.numpy_helper.from_array(np.array([2, 0, 2]), "numbers")
    graph = helper.make_graph(nodes, "m", values[:1], values[1:], [numbers])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def classifier(rows: int, **more: Any) -> dict[str, Any]:
    """The attributes of a LinearClassifier with some rows of coefficients."""
    return {
        "coefficients": WEIGHTS[:rows].ravel().tolist(), "intercepts": INTERCEPTS[:rows],
        "classlabels_ints": list(range(max(rows, 2))), **more,
    }  # fmt: skip


CASES: list[tuple[str, dict[str, Any]]] = [
    ("Scaler", {"offset": [0.5, -1.0, 2.0, 0.0], "scale": [2.0, -0.5, 1.0, 3.0]}),
    ("Scaler", {"offset": [0.5], "scale": [2.0]}),
    ("Normalizer", {"norm": "L1"}),
    ("Normalizer", {"norm": "L2"}),
    ("ArrayFeatureExtractor", {"reads": ("x", "numbers")}),
    ("LinearRegressor", {"coefficients": [1.0, -2.0, 0.5, 3.0], "intercepts": [0.25]}),
    ("LinearRegressor", {"coefficients": [1.0, -2.0, 0.5, 3.0] * 2, "targets": 2, "intercepts": [0.25, -1.0]}),
    ("LinearRegressor", {"coefficients": [1.0, -2.0, 0.5, 3.0], "targets": 1}),
    *(
        ("LinearClassifier", classifier(rows, post_transform=after))
        for rows in (1, 2, 3)
        for after in ("NONE", "LOGISTIC", "SOFTMAX")
        if (rows, after) != (1, "SOFTMAX")
    ),
    ("LinearClassifier", classifier(3, classlabels_ints=None, classlabels_strings=["a", "b", "c"])),
]


@pytest.mark.parametrize(("kind", "attributes"), CASES)
def test_it_equals_onnxruntime_and_its_ledger_closes(kind: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    path = classical(tmp_path / "m.onnx", kind, **attributes)
    net = load(path)
    expected = run_ort(path, {"x": X})[0]
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-6, atol=1e-6)
    for samples in (X[:0], X[:1]):
        np.testing.assert_allclose(net.forward(samples), expected[: len(samples)], rtol=1e-6, atol=1e-6)
    exact = lrp.explain(net.astype(np.float64), X.astype(np.float64), composite="lrp0")
    assert exact.ledger.residual < 1e-12


@pytest.mark.parametrize(
    ("kind", "attributes", "reason"),
    [
        (
            "LinearRegressor",
            {"coefficients": [1.0, -2.0, 0.5, 3.0], "post_transform": "LOGISTIC"},
            "post_transform LOG",
        ),
        ("LinearRegressor", {"coefficients": [1.0] * 4, "intercepts": [1.0, 2.0]}, "2 intercepts for 1 rows"),
        ("LinearRegressor", {"coefficients": [float("nan")] * 4}, "'coefficients' has values that are not finite"),
        ("LinearClassifier", classifier(3, post_transform="PROBIT"), "post_transform PROBIT"),
        ("LinearClassifier", classifier(3, post_transform="SOFTMAX_ZERO"), "post_transform SOFTMAX_ZERO"),
        ("LinearClassifier", classifier(1, post_transform="SOFTMAX"), "a softmax of the score of one class"),
        ("LinearClassifier", classifier(3, classlabels_ints=[0, 1, 2, 3]), "3 intercepts for 4 rows"),
        ("LinearClassifier", classifier(3, classlabels_ints=None), "do not fit each other"),
        ("Normalizer", {"norm": "MAX"}, "norm MAX; only L1 and L2"),
        ("TreeEnsembleRegressor", {}, "operator not supported"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(
    kind: str, attributes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=rf"1 unsupported node: ai\.onnx\.ml\.{kind} 'node' \(.*{reason}"):
        load(classical(tmp_path / "m.onnx", kind, **attributes))


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_logistic_regression_loads_its_probabilities_and_starts_at_the_logit(zipmap: bool, tmp_path: Path) -> None:
    """As skl2onnx writes it, with the sum of a softmax's numbers divided out again."""
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        helper.make_node(
            "LinearClassifier", ["x"], ["label", "scores"], **ml, **classifier(3, post_transform="SOFTMAX")
        ),
        helper.make_node("Normalizer", ["scores"], ["probabilities"], norm="L1", **ml),
    ]
    x = helper.make_tensor_value_info("x", FLOAT, [None, 4])
    outputs = [helper.make_tensor_value_info("label", onnx.TensorProto.INT64, [None])]
    outputs += [helper.make_tensor_value_info("probabilities", FLOAT, [None, 3])]
    if zipmap:
        nodes.append(helper.make_node("ZipMap", ["probabilities"], ["table"], classlabels_int64s=[0, 1, 2], **ml))
        table = helper.make_map_type_proto(onnx.TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
        outputs[1] = helper.make_value_info("table", helper.make_sequence_type_proto(table))
    graph = helper.make_graph(nodes, "m", [x], outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    net = load(path)
    assert net.left_out == (("label", LABEL),)
    answer = runtime.InferenceSession(str(path)).run(None, {"x": X})[1]
    expected = np.array([[row[k] for k in range(3)] for row in answer]) if zipmap else answer
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-6)
    e = lrp.explain(net.astype(np.float64), X.astype(np.float64), target=1, composite="lrp0")
    np.testing.assert_allclose(e.relevance, X * WEIGHTS[1].astype(np.float64), rtol=1e-12)
