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
    makes = ["label", "y"] if kind.endswith("Classifier") else ["y"]
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


VECTORS = np.random.default_rng(13).normal(size=(6, 4)).astype(np.float32)
DUAL = np.random.default_rng(14).normal(size=(2, 6)).astype(np.float32)
KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
NO_VECTORS = {"support_vectors": None, "kernel_type": "LINEAR", "rho": [0.25]}


def machine(classes: int, **more: Any) -> dict[str, Any]:
    """The attributes of an SVMClassifier of two or three classes."""
    counts = [2, 4] if classes == 2 else [1, 3, 2]
    return {
        "support_vectors": VECTORS.ravel().tolist(), "coefficients": DUAL[: classes - 1].ravel().tolist(),
        "vectors_per_class": counts, "rho": [0.25, -0.5, -0.75][: 1 if classes == 2 else 3], "kernel_type": "RBF",
        "kernel_params": [0.25, 0.5, 2.0], "classlabels_ints": list(range(classes)), "post_transform": "NONE", **more,
    }  # fmt: skip


def regressor(**more: Any) -> dict[str, Any]:
    """The attributes of an SVMRegressor."""
    return {
        "support_vectors": VECTORS.ravel().tolist(), "coefficients": DUAL[0].tolist(), "n_supports": 6, "rho": [0.25],
        "kernel_type": "RBF", "kernel_params": [0.25, 0.5, 2.0], **more,
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
    *(("SVMClassifier", machine(n, kernel_type=kind)) for n in (2, 3) for kind in KERNELS),
    *(("SVMRegressor", regressor(kernel_type=kind)) for kind in KERNELS),
    ("SVMClassifier", machine(3, classlabels_ints=None, classlabels_strings=["a", "b", "c"])),
    ("SVMClassifier", machine(2, coefficients=np.abs(DUAL[0]).tolist(), rho=[-1.25])),
    ("SVMClassifier", machine(2, kernel_type=None)),
    ("SVMClassifier", machine(3, coefficients=WEIGHTS.ravel().tolist(), vectors_per_class=None, **NO_VECTORS)),
    ("SVMRegressor", regressor(n_supports=0, coefficients=WEIGHTS[0].tolist(), **NO_VECTORS)),
    ("SVMRegressor", regressor(post_transform="NONE")),
]


@pytest.mark.parametrize(("kind", "attributes"), CASES)
def test_it_equals_onnxruntime_and_its_ledger_closes(kind: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    path = classical(tmp_path / "m.onnx", kind, **attributes)
    net = load(path)
    expected = run_ort(path, {"x": X})[0]
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-6, atol=1e-6)
    for samples in (X[:0], X[:1]):
        np.testing.assert_allclose(net.forward(samples), expected[: len(samples)], rtol=1e-6, atol=1e-6)
    exact = lrp.explain(net.astype(np.float64), X.astype(np.float64), target=0, composite="lrp0")
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
        *((f"TreeEnsemble{kind}", {}, "TreeSHAP is the method for them") for kind in ("Regressor", "Classifier", "")),
        *((kind, {}, "a code of categories") for kind in ("OneHotEncoder", "LabelEncoder", "CategoryMapper")),
        ("Imputer", {}, "fill them before"),
        ("Binarizer", {"threshold": 0.0}, "which of two values it gives"),
        ("FeatureVectorizer", {}, "operator not supported"),
        ("SVMClassifier", machine(2, kernel_type="CHI2"), "kernel_type CHI2; LINEAR, POLY, RBF, SIGMOID are supported"),
        ("SVMClassifier", machine(2, post_transform="LOGISTIC"), "post_transform LOGISTIC; NONE alone"),
        ("SVMClassifier", machine(2, kernel_params=[0.1]), "1 kernel_params of the kernel RBF"),
        ("SVMClassifier", machine(2, kernel_params=[0.0, 0.0, 3.0]), "gamma must be > 0"),
        ("SVMClassifier", machine(2, classlabels_ints=None), "0 classes; two or more"),
        ("SVMClassifier", machine(2, rho=[0.5, 0.25]), "2 numbers rho where 1 are expected"),
        ("SVMClassifier", machine(3, rho=[0.5]), "1 numbers rho where 3 are expected"),
        ("SVMClassifier", machine(3, coefficients=[1.0] * 6), "6 coefficients where 12 are expected"),
        ("SVMClassifier", machine(3, vectors_per_class=[3, 3]), "2 counts for 3 classes"),
        ("SVMClassifier", machine(3, vectors_per_class=[7, -3, 2]), "-3 support vectors of a class"),
        ("SVMClassifier", machine(2, vectors_per_class=[2, 3]), "24 numbers of support vectors for 5 vectors of 4"),
        ("SVMClassifier", machine(2, support_vectors=[float("inf")] * 24), "'support_vectors' has values that are not"),
        ("SVMClassifier", machine(2, support_vectors=None, vectors_per_class=None), "no support vectors beside the"),
        ("SVMRegressor", regressor(one_class=1), "one_class gives 1 or −1, a label"),
        ("SVMRegressor", regressor(post_transform="SOFTMAX"), "post_transform SOFTMAX"),
        ("SVMRegressor", regressor(n_supports=5), "24 numbers of support vectors for 5 vectors of 4 features"),
        ("SVMRegressor", regressor(n_supports=-6), "for -6 vectors"),
        ("SVMRegressor", regressor(rho=None), "0 numbers rho where 1 are expected"),
        ("SVMRegressor", regressor(coefficients=[1.0] * 5), "5 coefficients where 6 are expected"),
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


def test_a_machine_of_very_many_classes_is_refused_before_its_pairs_are_made(tmp_path: Path) -> None:
    """2 MB of constants for 499,500 pairs of 1,000 classes, whose coefficients would take 4 GB."""
    classes = 1000
    attributes = {
        "support_vectors": [0.5] * (4 * classes), "coefficients": [1.0] * ((classes - 1) * classes),
        "vectors_per_class": [1] * classes, "rho": [0.0] * (classes * (classes - 1) // 2), "kernel_type": "LINEAR",
        "kernel_params": [0.5, 0.0, 3.0], "classlabels_ints": list(range(classes)),
    }  # fmt: skip
    with pytest.raises(UnsupportedError, match="the coefficients of all pairs of classes"):
        load(classical(tmp_path / "m.onnx", "SVMClassifier", **attributes))
