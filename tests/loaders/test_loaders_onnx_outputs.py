"""Which outputs of a file are loaded: the one that is asked for, or all that can be computed, with the rest said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from onnx_graphs import Step, helper, onnx, runtime, write

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.loaders import check_against_onnxruntime, load, save

FLOAT, INT64, STRING = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.STRING
RNG = np.random.default_rng(11)
WEIGHTS = {
    "w": RNG.normal(size=(4, 5)).astype(np.float32), "b": RNG.normal(size=5).astype(np.float32),
    "v": RNG.normal(size=(5, 3)).astype(np.float32), "c": RNG.normal(size=3).astype(np.float32),
}  # fmt: skip
X = RNG.normal(size=(2, 4)).astype(np.float32)
BODY: list[Step] = [
    ("MatMul", ["x", "w"], {"outputs": ["h"]}), ("Add", ["h", "b"], {"outputs": ["hb"]}),
    ("Relu", ["hb"], {"outputs": ["act"], "name": "/hidden/Relu"}),
    ("Gemm", ["act", "v", "c"], {"outputs": ["logits"]}), ("Softmax", ["logits"], {"outputs": ["probabilities"]}),
]  # fmt: skip


def sklearn(path: Path, *, zipmap: bool = True) -> Path:
    """A classifier as skl2onnx writes it: ArgMax, a look-up of the label's name, and a table of the probabilities."""
    nodes = [
        helper.make_node(kind, reads, attributes["outputs"], name=attributes.get("name", ""))
        for kind, reads, attributes in BODY
    ]
    ml = {"domain": "ai.onnx.ml"}
    nodes += [
        helper.make_node("ArgMax", ["probabilities"], ["best"], axis=1, name="ArgMax"),
        helper.make_node("ArrayFeatureExtractor", ["classes", "best"], ["picked"], **ml),
        helper.make_node("Reshape", ["picked", "flat"], ["output_label"]),
    ]
    outputs = [helper.make_tensor_value_info("output_label", STRING, [None])]
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap", ["probabilities"], ["output_probability"], classlabels_strings=["a", "b", "c"], **ml
            )
        )
        table = helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, []))
        kind = helper.make_sequence_type_proto(table)
        outputs.append(helper.make_value_info("output_probability", kind))
    else:
        outputs.append(helper.make_tensor_value_info("probabilities", FLOAT, [None, 3]))
    weights = [onnx.numpy_helper.from_array(a, n) for n, a in {**WEIGHTS, "flat": np.array([-1])}.items()]
    weights.append(helper.make_tensor("classes", STRING, [3], [b"a", b"b", b"c"]))
    graph = helper.make_graph(nodes, "clf", [helper.make_tensor_value_info("x", FLOAT, [None, 4])], outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def softmax(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    z = np.maximum(x @ WEIGHTS["w"] + WEIGHTS["b"], 0) @ WEIGHTS["v"] + WEIGHTS["c"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_with_labels_loads_its_probabilities_and_says_so(zipmap: bool, tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx", zipmap=zipmap)
    net = load(path)
    np.testing.assert_allclose(net.forward(X), softmax(X), rtol=1e-5)
    ((name, reason),) = net.left_out
    assert name == "output_label"
    assert "ArgMax 'ArgMax'" in reason
    assert "left out: output output_label" in repr(net)
    (found,) = check_against_onnxruntime(path, X)
    assert (found.output, found.relative < 1e-6) == ("probabilities", True)
    assert lrp.explain(net, X).ledger.residual < 1e-6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("probabilities", softmax(X)),
        ("act", np.maximum(X @ WEIGHTS["w"] + WEIGHTS["b"], 0)),
        ("hidden", np.maximum(X @ WEIGHTS["w"] + WEIGHTS["b"], 0)),  # the node, as `show` lists it
        ("logits", np.maximum(X @ WEIGHTS["w"] + WEIGHTS["b"], 0) @ WEIGHTS["v"] + WEIGHTS["c"]),
        ("x", X),
    ],
)
def test_any_tensor_or_node_is_an_output(name: str, expected: np.ndarray[Any, Any], tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx")
    net = load(path, output=name)
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-5, atol=1e-6)
    assert net.left_out == ()
    assert check_against_onnxruntime(path, X, output=name)[0].relative < 1e-6


def test_several_outputs_are_chosen_in_their_order(tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx")
    found = load(path, output=["logits", "act", "output_probability"]).forward(X)
    assert [a.shape for a in found.values()] == [(2, 3), (2, 5), (2, 3)]
    np.testing.assert_allclose(list(found.values())[2], softmax(X), rtol=1e-5)
    with pytest.raises(ParameterError, match="no output is asked for"):
        load(path, output=())


def test_a_name_that_is_not_there_lists_the_nearest(tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx")
    with pytest.raises(
        ParameterError, match=r"'probability'.* did you mean .*probabilities.* outputs are output_label"
    ):
        load(path, output="probability")
    save(load(path), tmp_path / "m.npz")
    with pytest.raises(ParameterError, match=r"unknown output of .*'hiden': did you mean 'hidden'"):
        load(tmp_path / "m.npz", output="hiden")
    net = load(tmp_path / "m.npz", output="hidden")
    np.testing.assert_allclose(net.forward(X), np.maximum(X @ WEIGHTS["w"] + WEIGHTS["b"], 0), rtol=1e-5, atol=1e-6)


def test_an_output_that_was_asked_for_and_cannot_be_computed_is_an_error_whose_advice_works(tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"ArgMax 'ArgMax'.*output='probabilities' \(on the command line"):
        load(path, output="output_label")
    label: list[Step] = [*BODY, ("ArgMax", ["logits"], {"outputs": ["label"]})]
    alone = write(tmp_path / "a.onnx", label, shape=("N", 4), weights=WEIGHTS, outputs=("label",))
    with pytest.raises(UnsupportedError, match="what comes before can be loaded: output='logits'"):
        load(alone, output="label")
    np.testing.assert_allclose(load(alone, output="logits").forward(X).argmax(axis=1), softmax(X).argmax(axis=1))
    # Where weights come after the refused node, what comes before is not the model: no such advice.
    inner: list[Step] = [("Relu", ["x"], {}), ("Bernoulli", ["t0"], {}), ("MatMul", ["t1", "w"], {})]
    with pytest.raises(UnsupportedError, match=r"Bernoulli 't1' \(its numbers are random\)$"):
        load(write(tmp_path / "i.onnx", inner, shape=("N", 4), weights={"w": WEIGHTS["w"]}))


CHOICES: dict[str, list[Step]] = {
    "ArgMax": [("ArgMax", ["logits"], {"axis": 1, "outputs": ["label"]})],
    "ArgMin and more": [
        ("ArgMin", ["logits"], {"axis": 1, "keepdims": 1}),
        ("Squeeze", ["t5", "one"], {}),
        ("Cast", ["t6"], {"to": FLOAT, "outputs": ["label"]}),
    ],
    "TopK": [("TopK", ["logits", "one"], {"outputs": ["values", "label"]})],
    "Hardmax": [("Hardmax", ["logits"], {"outputs": ["label"]})],
}


@pytest.mark.parametrize("name", CHOICES)
def test_where_only_labels_are_outputs_the_numbers_that_they_are_chosen_from_are_loaded(
    name: str, tmp_path: Path
) -> None:
    weights = {**WEIGHTS, "one": np.array([1])}
    used = {n for _, reads, _ in (*BODY, *CHOICES[name]) for n in reads}
    weights = {n: a for n, a in weights.items() if n in used}
    path = write(tmp_path / "m.onnx", [*BODY, *CHOICES[name]], shape=("N", 4), weights=weights, outputs=("label",))
    net = load(path)
    np.testing.assert_array_equal(net.forward(X), load(path, output="logits").forward(X))
    ((left, reason),) = net.left_out
    assert left == "label"
    assert name.split()[0] in reason
    assert reason.endswith("in its place stands 'logits', which it is chosen from")
    assert check_against_onnxruntime(path, X)[0].relative < 1e-6


def test_a_label_that_more_is_computed_from_is_still_refused(tmp_path: Path) -> None:
    steps: list[Step] = [
        *BODY,
        ("ArgMax", ["logits"], {"axis": 1, "outputs": ["label"]}),
        ("Gather", ["table", "label"], {"outputs": ["z"]}),
    ]
    path = write(
        tmp_path / "m.onnx", steps, shape=("N", 4), weights={**WEIGHTS, "table": np.ones((9, 2), np.float32)},
        outputs=("z",),
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match="ArgMax 'label'"):
        load(path)


def detector(path: Path) -> Path:
    """Two heads, a non-maximum suppression behind them that also takes the size of the picture, and a custom node."""
    steps: list[Step] = [
        ("Gemm", ["x", "w", "b"], {"outputs": ["boxes"], "name": "boxes"}),
        ("Gemm", ["x", "u"], {"outputs": ["raw"], "name": "scores"}),
        ("Sigmoid", ["raw"], {"outputs": ["scores"]}),
        ("ArgMax", ["scores"], {"outputs": ["class"], "name": "top"}),
        ("Cast", ["class"], {"outputs": ["classf"], "to": FLOAT}),
        ("Mul", ["boxes", "size"], {"outputs": ["scaled"]}),
        ("Custom", ["scaled"], {"outputs": ["kept"], "domain": "some.where", "name": "nms"}),
    ]
    weights = {"w": WEIGHTS["w"], "b": WEIGHTS["b"], "u": WEIGHTS["w"][:, :3].copy()}
    outputs = ("kept", "boxes", "scores", "classf")
    return write(path, steps, shape=("N", 4), weights=weights, outputs=outputs, inputs={"size": (FLOAT, (5,))})


def test_outputs_that_cannot_be_computed_are_left_out_with_their_own_reason(tmp_path: Path) -> None:
    path = detector(tmp_path / "m.onnx")
    net = load(path)
    assert len(net.outputs) == 2
    reasons = dict(net.left_out)
    assert set(reasons) == {"kept", "classf"}
    assert "some.where.Custom 'nms'" in reasons["kept"]
    assert "ArgMax 'top'" in reasons["classf"]
    assert "Custom" not in reasons["classf"]
    assert [i.name for i in net.inputs] == ["x"]  # nobody needs the size
    boxes, scores = net.forward(X).values()
    np.testing.assert_allclose(boxes, X @ WEIGHTS["w"] + WEIGHTS["b"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-(X @ WEIGHTS["w"][:, :3]))), rtol=1e-5)
    # onnxruntime knows no such node: only what is loaded is given to it, and only the inputs that are needed.
    with pytest.raises(Exception, match=r"Custom|some\.where"):
        runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [c.output for c in check_against_onnxruntime(path, X)] == ["boxes", "scores"]
    assert max(c.relative for c in check_against_onnxruntime(path, X)) < 1e-6


def test_pruning_comes_before_all_refusals(tmp_path: Path) -> None:
    """Indices of a pooling, running statistics, an input of texts: refused only where they are needed."""
    steps: list[Step] = [
        ("MaxPool", ["x"], {"kernel_shape": [2], "outputs": ["y", "places"]}),
        ("Bernoulli", ["places"], {"outputs": ["z"]}),
        ("Mul", ["x", "texts"], {"outputs": ["v"]}),
    ]
    inputs = {"texts": (onnx.TensorProto.STRING, ("N", 3, 6))}
    path = write(tmp_path / "m.onnx", steps, shape=("N", 3, 6), outputs=("y", "z", "v"), inputs=inputs)
    net = load(path)
    x = RNG.normal(size=(2, 3, 6)).astype(np.float32)
    np.testing.assert_allclose(net.forward(x), np.maximum(x[..., :-1], x[..., 1:]))
    assert [name for name, _ in net.left_out] == ["z", "v"]
    assert load(path, output="y").left_out == ()


def test_all_outputs_refused_is_one_error_with_all_nodes(tmp_path: Path) -> None:
    steps: list[Step] = [("Bernoulli", ["x"], {"outputs": ["y"]}), ("Det", ["x"], {"outputs": ["z"]})]
    with pytest.raises(UnsupportedError, match=r"2 unsupported nodes: Bernoulli 'y' .*; Det 'z' \(a determinant"):
        load(write(tmp_path / "m.onnx", steps, shape=("N", 4), outputs=("y", "z")))


def test_every_command_takes_the_output_and_tells_what_is_left_out(tmp_path: Path) -> None:
    path = sklearn(tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", X[:1])
    done = run("explain", path, tmp_path / "x.npy", "-o", tmp_path / "a", "-c", "lrp0")
    assert done.exit_code == 0
    assert "note: output 'output_label' of" in done.stderr
    done = run("explain", path, tmp_path / "x.npy", "-o", tmp_path / "b", "-c", "lrp0", "--output", "logits", "-t", 2)
    assert (done.exit_code, done.stderr) == (0, "")
    with np.load(tmp_path / "b" / "x.npz") as saved:
        active = X[:1] @ WEIGHTS["w"] + WEIGHTS["b"] > 0
        gradient = (WEIGHTS["w"] * active) @ WEIGHTS["v"][:, 2]  # LRP-0 of a ReLU network is x·∇f
        np.testing.assert_allclose(saved["input_relevance/relevance"][0], X[0] * gradient, rtol=1e-4, atol=1e-6)
        assert saved["output"].shape == (1, 3)
    checked = run("check", path, tmp_path / "x.npy", "-c", "epsilon", "--output", "act")
    assert checked.exit_code == 0, checked.output
    label: list[Step] = [*BODY, ("ArgMax", ["logits"], {"outputs": ["label"]})]
    alone = write(tmp_path / "a.onnx", label, shape=("N", 4), weights=WEIGHTS, outputs=("label",))
    checked = run("check", alone, "-c", "epsilon", "--output", "logits")
    assert checked.exit_code == 0, checked.output
    shown = run("show", path)
    assert "left out: output output_label: " in shown.stdout
    shown = run("show", path, "--output", "act")
    assert "left out" not in shown.stdout
    assert "hidden" in shown.stdout
    assert "output hidden" in shown.stdout
    unknown = run("show", path, "--output", "probability")
    assert unknown.exit_code == 2
    assert len(unknown.stderr.splitlines()) == 1
    refused = run("explain", path, tmp_path / "x.npy", "--output", "output_label")
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1


def test_formulas_and_certificates_of_a_chosen_output(tmp_path: Path) -> None:
    pytest.importorskip("sympy")
    pytest.importorskip("flint")
    path = sklearn(tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", X[:1])
    written = run("formula", path, tmp_path / "x.npy", "--output", "logits", "-t", 0, "-c", "lrp0")
    assert written.exit_code == 0, written.output
    assert "softmax" not in written.stdout.lower()
    file = tmp_path / "c.json"
    made = run("certify", path, tmp_path / "x.npy", "--output", "act", "-t", 1, "-o", file)
    assert made.exit_code == 0, made.output
    again = run("verify", file)
    assert again.exit_code == 0, again.output
    assert "accepted" in again.stdout
