"""Normalisations: as one operator, and written out as exporters and ONNX's own functions write them."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphs
import pytest
from onnx_graphs import Step, agrees, helper, number, onnx, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import LrpError, UnsupportedError
from lrp_ref.layers import Affine, LocalResponseNorm, Multiply, Normalize, Softmax
from lrp_ref.loaders import load

BUG = Path(__file__).parents[2].parent / "shared" / "bug-inputs"
SHAPE = (2, 4, 3, 5)
X = np.random.default_rng(4).normal(size=(3, *SHAPE[1:])).astype(np.float32) * 2 + 0.5


def kinds(net: Any) -> list[str]:
    return [type(node.layer).__name__ for node in net.nodes]


def explained(net: Any, x: Any) -> None:
    """Assert that an explanation's ledger closes."""
    many = int(np.prod(net.forward(x).shape[1:]))
    start = np.random.default_rng(0).normal(size=net.forward(x).shape)
    e = lrp.explain(net.astype(np.float64), x.astype(np.float64), composite="lrp0", start=start)
    assert e.ledger.residual < 1e-9 * many


# As one operator ---------------------------------------------------------------------------------------------------

W = {"s": weight(5), "b": weight(5), "s2": weight(3, 5), "b2": weight(3, 5), "c": weight(4), "d": weight(4),
     "g": weight(2), "h": weight(2), "ones": np.ones(5, np.float32), "zeros": np.zeros(5, np.float32)}  # fmt: skip
CASES: list[tuple[str, list[Step], int, list[str]]] = [
    ("layer", [("LayerNormalization", ["x", "s", "b"], {})], 17, ["Normalize", "Affine"]),
    ("layer_no_bias", [("LayerNormalization", ["x", "s"], {"epsilon": 0.25})], 17, ["Normalize", "Affine"]),
    ("layer_plain", [("LayerNormalization", ["x", "ones", "zeros"], {"axis": 3})], 17, ["Normalize"]),
    ("layer_two", [("LayerNormalization", ["x", "s2", "b2"], {"axis": -2, "stash_type": 1})], 17,
     ["Normalize", "Affine"]),
    ("layer_broadcast", [("LayerNormalization", ["x", "s", "b"], {"axis": 1})], 17, ["Normalize", "Affine"]),
    ("rms", [("RMSNormalization", ["x", "s"], {"epsilon": 0.5})], 23, ["Normalize", "Affine"]),
    ("rms_two", [("RMSNormalization", ["x", "s2"], {"axis": 2})], 23, ["Normalize", "Affine"]),
    ("simplified", [("SimplifiedLayerNormalization", ["x", "s"], {"epsilon": 1e-6})], 17, ["Normalize", "Affine"]),
    ("instance", [("InstanceNormalization", ["x", "c", "d"], {"epsilon": 0.1})], 11, ["Normalize", "Affine"]),
    ("group_18", [("GroupNormalization", ["x", "g", "h"], {"num_groups": 2})], 18, ["Normalize", "Affine"]),
    ("group_21", [("GroupNormalization", ["x", "c", "d"], {"num_groups": 2, "epsilon": 0.2})], 21,
     ["Normalize", "Affine"]),
    ("mean_variance", [("MeanVarianceNormalization", ["x"], {"axes": [2, 3]})], 13, ["Normalize"]),
    ("lp_2", [("LpNormalization", ["x"], {"axis": 1})], 17,
     ["Power", "Sum", "Power", "Clip", "Power", "Multiply"]),
    ("lp_1", [("LpNormalization", ["x"], {"p": 1})], 17, ["Abs", "Sum", "Clip", "Power", "Multiply"]),
    *[(f"lrn_{size}", [("LRN", ["x"], {"size": size, "alpha": 0.5, "beta": 0.6, "bias": 1.5})], 13,
       ["LocalResponseNorm"]) for size in (1, 3, 5, 7)],
]  # fmt: skip


@pytest.mark.parametrize(("steps", "opset", "layers"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_normalisation_agrees_with_onnxruntime(
    steps: list[Step], opset: int, layers: list[str], tmp_path: Path
) -> None:
    given = {n: a for n, a in W.items() if n in steps[0][1]}
    path = write(tmp_path / "m.onnx", steps, shape=("N", *SHAPE[1:]), weights=given, opset=opset)
    for x in (X, X[:1], X[:0]) if "GroupNormalization" not in steps[0][0] else (X, X[:1]):
        net = agrees(path, x) if len(x) else load(path)
        assert net.forward(x).shape == x.shape
    assert kinds(net) == layers
    if "LocalResponseNorm" not in layers:
        explained(net, X)


def test_an_even_window_of_local_response_has_its_one_more_channel_behind(tmp_path: Path) -> None:
    """onnxruntime knows odd windows only: here the expected values are those of ONNX's text."""
    path = write(tmp_path / "m.onnx", [("LRN", ["x"], {"size": 2, "alpha": 2.0, "beta": 1.0})], shape=("N", 3, 1))
    x = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 3, 1)
    assert load(path).forward(x).ravel() == pytest.approx([1 / (1 + 5), 2 / (1 + 13), 3 / (1 + 9)])


def test_a_window_of_local_response_may_be_declared_as_wide_as_a_file_likes(tmp_path: Path) -> None:
    size = 2**60 + 1
    path = write(tmp_path / "m.onnx", [("LRN", ["x"], {"size": size, "alpha": float(size)})], shape=("N", 3, 1))
    x = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 3, 1)
    np.testing.assert_allclose(load(path).forward(x), x / 15**0.75, rtol=1e-6)


def test_local_response_is_explained_in_its_own_way_and_by_the_rule_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [("LRN", ["x"], {"size": 3, "alpha": 3.0, "name": "norm1"})], shape=("N", 3, 2))
    net, x, start = load(path).astype("float64"), X[:1, :3, 0, :2].astype(np.float64), np.ones((1, 3, 2))
    e = lrp.explain(net, x, start=start, composite="epsilon")
    assert e.plan[0].label == "taylor: R_i = Σ_k z_ik/(Σ_j z_jk)·R_k"
    np.testing.assert_allclose(e.relevance, net.nodes[0].layer.relevance_backward(x, start), rtol=1e-15)
    assert e.ledger.residual < 1e-15
    composite = [(lrp.layers.LocalResponseNorm, lrp.rules.Pass())]
    assert np.array_equal(lrp.explain(net, x, start=start, composite=composite).relevance, start)


RESPONSE: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "": ([], {}),
    "one more behind": ([], {"pads": whole(0, 0, 1, 0, 0, 0, 2, 0)}),
    "no power": ([("Pow", ["d", "one"], {"outputs": ["e"]})], {}),
    "no factor": ([("Identity", ["a"], {"outputs": ["m"]})], {}),
    "a further window": ([], {"pads": whole(0, 0, 3, 0, 0, 0, 0, 0)}),
    "another filling": ([("Pad", ["q", "pads", "one"], {"outputs": ["p"]})], {}),
    "space": ([("AveragePool", ["p"], {"kernel_shape": [4, 3], "pads": [0, 1, 0, 1], "outputs": ["w"]})], {}),
    "numbers of channels": ([], {"k": weight(1, 4, 1) + 3}),
    "another signal": ([("Mul", ["z", "z"], {"outputs": ["s"]})], {}),
    "a cube": ([("Mul", ["x", "z"], {"outputs": ["s"]})], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", RESPONSE)
def test_local_response_that_is_written_out_is_one_layer(name: str, tmp_path: Path) -> None:
    """As PyTorch writes it, for an even window; and what only looks like it."""
    others, given = RESPONSE[name]
    steps: list[Step] = [
        ("Mul", ["x", "x"], {"outputs": ["z"]}), ("Identity", ["z"], {"outputs": ["s"]}),
        ("Unsqueeze", ["s", "first"], {"outputs": ["q"]}), ("Pad", ["q", "pads"], {"outputs": ["p"]}),
        ("AveragePool", ["p"], {"kernel_shape": [4, 1], "outputs": ["w"]}),
        ("Squeeze", ["w", "first"], {"outputs": ["a"]}), ("Mul", ["a", "alpha"], {"outputs": ["m"]}),
        ("Add", ["m", "k"], {"outputs": ["d"]}), ("Pow", ["d", "beta"], {"outputs": ["e"]}),
        ("Div", ["x", "e"], {}),
    ]  # fmt: skip
    instead = {more["outputs"][0]: (op, reads, more) for op, reads, more in others}
    steps = [instead.get(more.get("outputs", [""])[0], (op, reads, more)) for op, reads, more in steps]
    constants = {"first": whole(1), "pads": whole(0, 0, 2, 0, 0, 0, 1, 0), "alpha": number(0.5), "k": number(1.5),
                 "beta": number(0.75), "one": number(1), **given}  # fmt: skip
    used = {n: a for n, a in constants.items() if any(n in reads for _, reads, _ in steps)}
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4, 5), weights=used, opset=17)
    net = agrees(path, np.abs(X[:, :4, 0]) if "cube" in name else X[:, :4, 0])
    found = {
        "": LocalResponseNorm(4, 0.5, 0.75, 1.5, "torch"),
        "one more behind": LocalResponseNorm(4, 0.5, 0.75, 1.5),
        "no power": LocalResponseNorm(4, 0.5, 1.0, 1.5, "torch"),
        "no factor": LocalResponseNorm(4, 1.0, 0.75, 1.5, "torch"),
    }
    if name in found:
        assert [node.layer for node in net.nodes] == [found[name]]
    else:
        assert "LocalResponseNorm" not in kinds(net)
    explained(net, np.abs(X[:, :4, 0]) if "cube" in name else X[:, :4, 0])


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_local_response_as_pytorch_writes_it(exporter: str, tmp_path: Path) -> None:
    torch, _ = pytest.importorskip("torch"), pytest.importorskip("onnxscript")
    for size, shape in ((4, (2, 5, 3)), (3, (2, 5, 4, 3)), (2, (2, 3, 2, 2, 3))):
        module, x, path = torch.nn.LocalResponseNorm(size, 0.5, k=2.0).eval(), torch.randn(shape), tmp_path / "m.onnx"
        free: Any = {"dynamic_axes": {"x": {0: "N"}}}
        if exporter == "dynamo":
            free = {"dynamic_shapes": ({0: torch.export.Dim("N")},), "verbose": False}
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x,), str(path), dynamo=exporter == "dynamo", input_names=["x"], **free)
        net = load(path)
        assert [node.layer for node in net.nodes] == [LocalResponseNorm(size, 0.5, 0.75, 2.0, "torch")]
        np.testing.assert_allclose(net.forward(x.numpy()), module(x).numpy(), rtol=1e-6)


def test_a_network_of_onnx_with_local_response_is_explained() -> None:
    """GoogLeNet without its weights, of which onnx has only the sizes: the ledger closes at every node."""
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_inception_v1.onnx"
    net = load(path).astype(np.float64)
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)) * 50
    e = lrp.explain(net, x, target=3, composite="epsilon")
    assert e.ledger.residual < 1e-12
    rows = [row for row in e.ledger if isinstance(net[row.node].layer, LocalResponseNorm)]
    assert len(rows) == 2
    for row in rows:
        assert row.rule == LocalResponseNorm.own_rule
        np.testing.assert_allclose(row.relevance_out, row.relevance_in + row.dropped, rtol=1e-12)


def test_a_norm_of_zeros_is_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [("LpNormalization", ["x"], {})], shape=("N", 3))
    x = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]], np.float32)
    agrees(path, x)


def test_mean_and_inverse_deviation_are_outputs_too(tmp_path: Path) -> None:
    steps: list[Step] = [("LayerNormalization", ["x", "s2"], {"axis": 2, "outputs": ["y", "mean", "inverse"]})]
    names = ("y", "mean", "inverse")
    path = write(tmp_path / "m.onnx", steps, shape=("N", *SHAPE[1:]), weights={"s2": W["s2"]}, outputs=names)
    net = load(path)
    assert net.left_out == ()
    for ours, theirs in zip(net.forward(X).values(), run_ort(path, {"x": X}), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("centre", [True, False])
def test_a_residual_sum_is_normalised_with_it_in_onnxruntimes_operator(centre: bool, tmp_path: Path) -> None:
    kind = "SkipLayerNormalization" if centre else "SkipSimplifiedLayerNormalization"
    reads = ["x", "t0", "s", "b", "extra"] if centre else ["x", "t0", "s", "extra"]
    nodes = [
        helper.make_node("Relu", ["x"], ["t0"]),
        helper.make_node(kind, reads, ["y", "", "", "sum"], domain="com.microsoft", epsilon=0.1),
    ]
    given = {"s": W["s"], "b": W["b"], "extra": weight(5)}
    path = model(nodes, given, tmp_path, outputs=("y", "sum"))
    x, net = X[:, 0], load(path)
    for ours, theirs in zip(net.forward(x).values(), run_ort(path, {"x": x}), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)
    assert "Normalize" in kinds(net)


def model(nodes: Any, weights: dict[str, Any], folder: Path, *, outputs: tuple[str, ...] = ("y",)) -> Path:
    """Write a model of an input (N, 3, 5) with operators of onnxruntime's own."""
    tensors = [onnx.numpy_helper.from_array(a, n) for n, a in weights.items() if any(n in o.input for o in nodes)]
    made = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in outputs]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("N", 3, 5))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "g", [x], made, tensors)
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


# Written out -------------------------------------------------------------------------------------------------------

MEAN: list[Step] = [("ReduceMean", ["x"], {"axes": [-1], "outputs": ["m"]}), ("Sub", ["x", "m"], {"outputs": ["c"]})]
ROOT: list[Step] = [("Add", ["v", "eps"], {"outputs": ["e"]}), ("Sqrt", ["e"], {"outputs": ["r"]})]
END: list[Step] = [("Mul", ["n", "s"], {"outputs": ["t"]}), ("Add", ["t", "b"], {})]
DIVIDE: list[Step] = [("Div", ["c", "r"], {"outputs": ["n"]}), *END]
TIMES: list[Step] = [("Mul", ["c", "i"], {"outputs": ["n"]}), *END]
MEAN_OF: Step = ("ReduceMean", ["q"], {"axes": [-1], "outputs": ["v"]})
SQUARE: list[Step] = [("Pow", ["c", "two"], {"outputs": ["q"]}), MEAN_OF]
OWN: list[Step] = [("Mul", ["x", "x"], {"outputs": ["q"]}), MEAN_OF]
WRITTEN: dict[str, tuple[list[Step], bool]] = {
    "torchscript": ([*MEAN, *SQUARE, *ROOT, *DIVIDE], True),
    "product of itself": (
        [*MEAN, ("Mul", ["c", "c"], {"outputs": ["q"]}), SQUARE[1], *ROOT, *DIVIDE],
        True,
    ),
    "reciprocal": (
        [*MEAN, *SQUARE, *ROOT, ("Reciprocal", ["r"], {"outputs": ["i"]}), *TIMES],
        True,
    ),
    "one over": (
        [*MEAN, *SQUARE, *ROOT, ("Div", ["one", "r"], {"outputs": ["i"]}),
         ("Mul", ["i", "c"], {"outputs": ["n"]}), *END],
        True,
    ),
    "power -1/2": (
        [*MEAN, *SQUARE, ROOT[0], ("Pow", ["e", "rsqrt"], {"outputs": ["i"]}), *TIMES],
        True,
    ),
    "power 1/2": (
        [*MEAN, *SQUARE, ROOT[0], ("Pow", ["e", "half"], {"outputs": ["r"]}), *DIVIDE],
        True,
    ),
    "mean of squares less square of the mean": (
        [MEAN[0], *OWN[:1], ("ReduceMean", ["q"], {"axes": [-1], "outputs": ["a"]}),
         ("Mul", ["m", "m"], {"outputs": ["mm"]}), ("Sub", ["a", "mm"], {"outputs": ["v"]}), *ROOT, MEAN[1], *DIVIDE],
        True,
    ),
    "two means": (
        [*MEAN, ("ReduceMean", ["x"], {"axes": [2], "outputs": ["m2"]}), ("Sub", ["x", "m2"], {"outputs": ["c2"]}),
         ("Mul", ["c2", "c2"], {"outputs": ["q"]}), SQUARE[1], *ROOT, *DIVIDE],
        True,
    ),
    "axes that a reshape brings back": (
        [*MEAN, SQUARE[0], ("ReduceMean", ["q"], {"axes": [-1], "keepdims": 0, "outputs": ["w"]}),
         ("Reshape", ["w", "shape"], {"outputs": ["v"]}), *ROOT, *DIVIDE],
        True,
    ),
    "root mean square": ([*OWN, *ROOT, ("Div", ["x", "r"], {"outputs": ["n"]}), *END], False),
    "root mean square by a product": (
        [*OWN, *ROOT, ("Reciprocal", ["r"], {"outputs": ["i"]}), ("Mul", ["x", "i"], {"outputs": ["n"]}), *END], False,
    ),
    "no epsilon": ([*MEAN, *SQUARE, ("Sqrt", ["v"], {"outputs": ["r"]}), *DIVIDE], True),
}  # fmt: skip
GIVEN = {"s": W["s"], "b": W["b"], "eps": number(0.03125), "two": number(2), "one": number(1), "rsqrt": number(-0.5),
         "half": number(0.5), "shape": whole(-1, 3, 1), "n5": number(5), "negative": number(-0.03125)}  # fmt: skip


def write_out(steps: list[Step], path: Path) -> Path:
    given = {n: a for n, a in GIVEN.items() if any(n in reads for _, reads, _ in steps)}
    return write(path, steps, shape=("N", 3, 5), weights=given, opset=17)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_normalisation_that_is_written_out_is_one_layer(name: str, tmp_path: Path) -> None:
    steps, centre = WRITTEN[name]
    net = agrees(write_out(steps, tmp_path / "m.onnx"), X[:, 0])
    layers = [node.layer for node in net.nodes]
    epsilon = 0.0 if name == "no epsilon" else 0.03125
    assert layers[0] == Normalize((2,), epsilon, centre)
    assert isinstance(layers[1], Affine)
    assert len(layers) == 2
    explained(net, X[:, 0])


DIVIDED: Step = ("Div", ["c", "r"], {})
ALMOST: dict[str, list[Step]] = {
    "the deviation of something else": [*MEAN, *OWN, *ROOT, DIVIDED],
    "not centred": [*MEAN, *SQUARE, *ROOT, ("Div", ["x", "r"], {})],
    "a sum of squares": [*MEAN, ("ReduceSumSquare", ["c"], {"axes": [-1], "outputs": ["v"]}), *ROOT, DIVIDED],
    "scaled": [*MEAN, *SQUARE, ("Mul", ["v", "n5"], {"outputs": ["u"]}), ("Add", ["u", "eps"], {"outputs": ["e"]}),
               ROOT[1], DIVIDED],
    "no root": [*MEAN, *SQUARE, ROOT[0], ("Div", ["c", "e"], {})],
    "behind the root": [*MEAN, *SQUARE, ("Sqrt", ["v"], {"outputs": ["u"]}), ("Add", ["u", "eps"], {"outputs": ["r"]}),
                        DIVIDED],
    "times the deviation": [*MEAN, *SQUARE, *ROOT, ("Mul", ["c", "r"], {})],
    "the wrong way": [*MEAN, *SQUARE, *ROOT, ("Div", ["r", "c"], {})],
    "the square of another mean": [
        *MEAN, ("ReduceMean", ["x"], {"axes": [1], "outputs": ["m1"]}), ("Mul", ["m1", "m1"], {"outputs": ["mm"]}),
        OWN[0], ("ReduceMean", ["q"], {"axes": [-1], "outputs": ["a"]}), ("Sub", ["a", "mm"], {"outputs": ["v"]}),
        ("Add", ["v", "n5"], {"outputs": ["e"]}), ROOT[1], DIVIDED,
    ],
    "a mean of squares less its square": [
        *MEAN, *SQUARE, ("Mul", ["v", "v"], {"outputs": ["w"]}), ("Sub", ["v", "w"], {"outputs": ["u"]}),
        ("Add", ["u", "n5"], {"outputs": ["e"]}), ROOT[1], ("Div", ["x", "r"], {}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ALMOST)
def test_what_only_looks_like_a_normalisation_is_computed_by_its_parts(name: str, tmp_path: Path) -> None:
    net = agrees(write_out(ALMOST[name], tmp_path / "m.onnx"), X[:, 0] / 8)
    assert "Normalize" not in kinds(net)


@pytest.mark.parametrize(("centred", "squared"), [(1, 2), (2, 1)])
def test_what_is_centred_along_other_axes_is_divided_by_a_root_mean_square(
    centred: int, squared: int, tmp_path: Path
) -> None:
    mean: Step = ("ReduceMean", ["x"], {"axes": [centred], "outputs": ["m"]})
    squares: Step = ("ReduceMean", ["q"], {"axes": [squared], "outputs": ["v"]})
    net = agrees(write_out([mean, MEAN[1], SQUARE[0], squares, *ROOT, DIVIDED], tmp_path / "m.onnx"), X[:, 0])
    assert net.nodes[-1].layer == Normalize((squared,), 0.03125, centre=False)


def test_a_quotient_of_two_signals_gives_all_to_what_is_divided(tmp_path: Path) -> None:
    steps: list[Step] = [("Abs", ["x"], {}), ("Add", ["t0", "one"], {}), ("Div", ["x", "t1"], {})]
    net = agrees(write_out(steps, tmp_path / "m.onnx"), X[:, 0])
    assert net.nodes[-1].layer == Multiply(gate=1)
    start = np.random.default_rng(1).normal(size=(3, 3, 5))
    e = lrp.explain(net.astype(np.float64), X[:, 0].astype(np.float64), composite="lrp0", start=start)
    np.testing.assert_allclose(e.relevance, start, rtol=1e-12)


@pytest.mark.parametrize("shifted", [True, False])
def test_a_softmax_that_is_written_out_is_one_layer(shifted: bool, tmp_path: Path) -> None:
    largest: Step = ("ReduceMax", ["x"], {"axes": [1], "outputs": ["m"]})
    before: list[Step] = [("Mul", ["x", "half"], {"outputs": ["z"]})]
    steps: list[Step] = [
        *([largest, ("Sub", ["x", "m"], {"outputs": ["z"]})] if shifted else before),
        ("Exp", ["z"], {"outputs": ["e"]}),
        ("ReduceSum", ["e", "axis"], {"outputs": ["total"]}),
        ("Div", ["e", "total"], {}),
    ]
    given = {"axis": whole(1)} | ({} if shifted else {"half": number(0.5)})
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 3, 5), weights=given), X[:, 0])
    assert net.nodes[-1].layer == Softmax(1)
    assert len(net.nodes) == (1 if shifted else 2)


@pytest.mark.parametrize("other", ["another sum", "another maximum"])
def test_what_only_looks_like_a_softmax_is_none(other: str, tmp_path: Path) -> None:
    axis = 2 if other == "another maximum" else 1
    steps: list[Step] = [
        ("ReduceMax", ["x"], {"axes": [axis], "outputs": ["m"]}),
        ("Sub", ["x", "m"], {"outputs": ["z"]}),
        ("Exp", ["z"], {"outputs": ["e"]}),
        ("Sigmoid", ["x"], {"outputs": ["f"]}),
        ("ReduceSum", ["f" if other == "another sum" else "e", "axis"], {"outputs": ["total"]}),
        ("Div", ["e", "total"], {}),
    ]
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 3, 5), weights={"axis": whole(1)}), X[:, 0])
    if other == "another sum":
        assert "Softmax" not in kinds(net)
    else:  # it is one, but of what is left of the maximum along another axis
        assert kinds(net) == ["GlobalMaxPool", "Add", "Softmax"]


# What is refused ---------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Step, dict[str, Any], int, str]] = [
    (("LayerNormalization", ["x", "s"], {"axis": 0}), {}, 17, "axis 0 is the batch"),
    (("LayerNormalization", ["x", "s"], {"axis": 4}), {}, 17, "axis 4 of a tensor with 4 axes does not exist"),
    (("LayerNormalization", ["x", "s"], {}), {"s": weight(3)}, 17, "constants of shapes"),
    (("LayerNormalization", ["x", "s"], {}), {"s": weight(2, 1, 1, 5)}, 17, "differs between the samples"),
    (("InstanceNormalization", ["x", "s", "s"], {}), {}, 17, r"of shapes \(5,\) and \(5,\) instead of \(4,\)"),
    (("GroupNormalization", ["x", "c", "c"], {"num_groups": 3}), {"c": weight(3)}, 18, r"instead of \(3,\)"),
    (("GroupNormalization", ["x", "c", "c"], {"num_groups": 3}), {"c": weight(4)}, 21, "do not divide into 3 groups"),
    (("MeanVarianceNormalization", ["x"], {}), {}, 13, "axis 0 is the batch"),
    (("LpNormalization", ["x"], {"axis": 0}), {}, 17, "axis 0 is the batch"),
    (("LRN", ["x"], {"size": 0}), {}, 13, "size must be at least 1, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "more", "opset", "reason"), REFUSED, ids=lambda v: str(v)[:40])
def test_a_normalisation_that_does_not_fit_is_refused_in_one_line(
    step: Step, more: dict[str, Any], opset: int, reason: str, tmp_path: Path
) -> None:
    given = {n: a for n, a in {**W, **more}.items() if n in step[1]}
    path = write(tmp_path / "m.onnx", [step], shape=("N", *SHAPE[1:]), weights=given, opset=opset)
    with pytest.raises(LrpError, match=reason) as caught:
        load(path)
    assert isinstance(caught.value, UnsupportedError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 600


@pytest.mark.skipif(not BUG.exists(), reason="../shared is absent")
@pytest.mark.parametrize("file", ["groupnorm", "layernorm", "masked_mean"])
def test_stored_files_with_norms_and_quotients(file: str) -> None:
    path = BUG / f"{file}.onnx"
    net, rng = load(path), np.random.default_rng(7)
    feeds = {i.name: rng.normal(size=[n or 2 for n in i.shape]).astype(np.float32) for i in net.inputs}
    tensors = {i.name: a for i, a in zip(onnx_graphs.onnx.load(path).graph.input, feeds.values(), strict=True)}
    (expected,) = run_ort(path, tensors)
    got = net.forward(feeds)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)
    e = lrp.explain(net.astype(np.float64), {n: a.astype(np.float64) for n, a in feeds.items()}, target=0,
                    composite="lrp0")  # fmt: skip
    assert e.ledger.residual < 1e-9
