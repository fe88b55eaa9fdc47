"""Arrays whose batch is not the first axis: taken and returned as the file declares, and said everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from onnx_graphs import onnx, run_ort, write

import lrp_ref as lrp
from lrp_ref.cli import main
from lrp_ref.errors import GraphError, LrpError, ModelFormatError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import LSTM, Dense, ReLU, Softmax
from lrp_ref.loaders import check_against_onnxruntime, load, save
from lrp_ref.network import Network, Node
from lrp_ref.network.inputs import Input

BUG = Path(__file__).parents[4] / "shared" / "bug-inputs"
GATES = [0, 2, 3, 1]  # ONNX has i, o, f, c; the layer i, f, g, o
F, H = 3, 4


def parameters(directions: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    shapes = {"w": (directions, 4 * H, F), "r": (directions, 4 * H, H), "b": (directions, 8 * H)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def layer(weights: dict[str, np.ndarray[Any, Any]], **more: Any) -> LSTM:
    """The same LSTM built by hand, batch first."""
    d = len(weights["w"])
    w, r = (weights[k].reshape(d, 4, H, -1)[:, GATES] for k in "wr")
    return LSTM(w, r, weights["b"].reshape(d, 2, 4, H).sum(axis=1)[:, GATES], **more)


def classifier(path: Path, time: Any = "T", batch: Any = "N") -> Path:
    """x (T, N, F) → LSTM → its last state → 2 classes, as PyTorch writes a module without batch_first."""
    rng = np.random.default_rng(4)
    weights = {
        **parameters(),
        "one": np.array([1], np.int64), "last": np.array(-1, np.int64),
        "o": rng.normal(size=(2, H)).astype(np.float32), "c": rng.normal(size=2).astype(np.float32),
    }  # fmt: skip
    steps = [
        ("LSTM", ["x", "w", "r", "b"], {"outputs": ["t0"], "hidden_size": H}),
        ("Squeeze", ["t0", "one"], {}),
        ("Gather", ["t1", "last"], {"axis": 0}),
        ("Gemm", ["t2", "o", "c"], {"transB": 1}),
    ]
    return write(path, steps, shape=(time, batch, F), weights=weights)


def sequence(path: Path) -> Path:
    """x (T, N, F) → LSTM → y (T, N, H)."""
    steps = [("LSTM", ["x", "w", "r", "b"], {"outputs": ["t0"], "hidden_size": H}), ("Squeeze", ["t0", "one"], {})]
    return write(path, steps, shape=("T", "N", F), weights={**parameters(), "one": np.array([1], np.int64)})


def signal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


# the array that onnxruntime takes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "batch"), [("T", "N"), (7, "N"), ("T", 2), (7, 2), (7, 1), ("seq", "batch_size")])
def test_a_file_with_time_first_takes_the_array_that_onnxruntime_takes(time: Any, batch: Any, tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", time, batch)
    net = load(path)
    (spec,) = net.inputs
    assert (spec.shape, spec.batch_axis) == ((time if isinstance(time, int) else None, None, F), 1)
    assert spec.axes == ("time", "batch", "features")
    assert net.output_axes == ()
    x = signal(7, batch if isinstance(batch, int) else 2, F)
    np.testing.assert_allclose(net.forward(x), run_ort(path, {"x": x})[0], rtol=1e-5, atol=1e-6)
    for n in (0, 1, 7):  # also where the batch has as many samples as there are steps
        assert net.forward(signal(7, n, F)).shape == (n, 2)


def test_the_relevance_has_the_shape_of_the_array_and_is_that_of_each_sample(tmp_path: Path) -> None:
    net, x = load(classifier(tmp_path / "m.onnx")), signal(5, 3, F).astype(np.float64)
    whole = lrp.explain(net, x, target=[1, 0, 1])
    assert whole.relevance.shape == x.shape
    assert whole.output.shape == (3, 2)
    (dense,) = [n.layer for n in net.nodes if isinstance(n.layer, Dense)]
    last = layer(parameters(), returns="last")
    by_hand = Network.sequential([last, dense]).astype(np.float64)
    expected = lrp.explain(by_hand, np.swapaxes(x, 0, 1), target=[1, 0, 1])
    np.testing.assert_allclose(whole.relevance, np.swapaxes(expected.relevance, 0, 1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(whole.output, expected.output, rtol=1e-12)
    for k in range(3):
        alone = lrp.explain(net, x[:, k : k + 1], target=[1, 0, 1][k])
        np.testing.assert_allclose(alone.relevance, whole.relevance[:, k : k + 1], rtol=1e-10, atol=1e-14)
    assert whole.checks()["ledger"]
    assert whole.trace.relevance["x"].shape == (3, 5, F)  # a trace has the batch first
    np.testing.assert_array_equal(np.moveaxis(whole.trace.relevance["x"], 0, 1), whole.relevance)
    assert lrp.explain(net, x[:, :0]).relevance.shape == (5, 0, F)


def test_an_output_with_time_first_is_returned_and_started_as_the_file_has_it(tmp_path: Path) -> None:
    path = sequence(tmp_path / "m.onnx")
    net, x = load(path), signal(4, 4, F).astype(np.float64)  # as many steps as samples: no shape tells them apart
    assert net.output_axes == (1,)
    (reference,) = run_ort(path, {"x": x.astype(np.float32)})
    np.testing.assert_allclose(net.forward(x), reference, rtol=1e-4, atol=1e-6)
    start = np.zeros_like(reference, dtype=np.float64)
    start[1, 2, 3] = 1.5  # step 1 of sample 2
    e = lrp.explain(net, x, start=start)
    np.testing.assert_array_equal(e.start_relevance, start)
    np.testing.assert_array_equal(e.output, net.forward(x))
    assert not e.relevance[:, [0, 1, 3]].any()
    assert e.relevance[:2, 2].all()
    assert not e.relevance[2:, 2].any()  # later steps do not reach step 1
    by_hand = Network.sequential([layer(parameters())]).astype(np.float64)
    expected = lrp.explain(by_hand, x.swapaxes(0, 1), start=start.swapaxes(0, 1))
    np.testing.assert_allclose(e.relevance, expected.relevance.swapaxes(0, 1), rtol=1e-12, atol=1e-15)
    assert e.checks() == expected.checks()
    again = lrp.explain(net, x, start=start).trace
    np.testing.assert_array_equal(again.relevance["x"].swapaxes(0, 1), e.relevance)
    one = lrp.explain(net, x, start=start[:, 2])  # one sample's start holds for all
    np.testing.assert_array_equal(one.start_relevance, np.repeat(start[:, 2:3], 4, axis=1))
    best = lrp.explain(net, x, target=4 * 3 + 1)  # of a sample's numbers (T, H): the last step's second
    assert best.start_relevance[3, :, 1].all()
    assert np.count_nonzero(best.start_relevance) == 4


def test_lengths_and_states_have_their_batch_where_the_file_has_it(tmp_path: Path) -> None:
    float_, int_ = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    inputs = {"n": (int_, ("N",)), "h": (float_, (2, "N", H)), "c": (float_, (2, "N", H))}
    step = ("LSTM", ["x", "w", "r", "b", "n", "h", "c"],
            {"outputs": ["Y", "Y_h", "Y_c"], "direction": "bidirectional", "hidden_size": H})  # fmt: skip
    path = write(
        tmp_path / "m.onnx", [step], shape=("T", "N", F), weights=parameters(2), inputs=inputs,
        outputs=("Y", "Y_h", "Y_c"),
    )  # fmt: skip
    net = load(path)
    assert {i.name: i.batch_axis for i in net.inputs} == {"x": 1, "n": 0, "h": 1, "c": 1}
    assert net.output_axes == (2, 1, 1)
    assert next(i for i in net.inputs if i.name == "h").axes == ("directions", "batch", "hidden")
    assert {i.name: i.element_type for i in net.inputs}["n"] == "int32"
    fed = {"x": signal(5, 2, F), "n": np.array([5, 3], np.int32), "h": signal(2, 2, H), "c": signal(2, 2, H) + 1}
    found = net.forward(fed)
    for value, reference in zip(net.outputs, run_ort(path, fed), strict=True):
        np.testing.assert_allclose(found[value], reference, rtol=1e-5, atol=1e-6)
    e = lrp.explain(net, fed, output=net.outputs[0], target=0)
    assert {k: r.shape for k, r in e.relevance.items()} == {k: fed[k].shape for k in ("x", "h", "c")}
    assert e.output.shape == (5, 2, 2, H)
    assert e.ledger.residual < 1e-5
    with pytest.raises(ShapeError, match=r"different batch sizes.*axis 1 of 'x' is its batch"):
        net.forward({**fed, "x": signal(2, 5, F)})


def test_a_mask_has_its_batch_at_the_axis_of_the_same_name(tmp_path: Path) -> None:
    steps = [
        ("LSTM", ["x", "w", "r", "b"], {"outputs": ["t0"], "hidden_size": H}), ("Squeeze", ["t0", "one"], {}),
        ("Unsqueeze", ["mask", "end"], {}), ("Mul", ["t1", "t2"], {}), ("ReduceSum", ["t3", "zero"], {"keepdims": 0}),
    ]  # fmt: skip
    weights = {**parameters(), **{k: np.array([v], np.int64) for k, v in {"one": 1, "end": -1, "zero": 0}.items()}}
    inputs = {"mask": (onnx.TensorProto.FLOAT, ("s3", "s77"))}
    path = write(tmp_path / "m.onnx", steps, shape=("s3", "s77", F), weights=weights, inputs=inputs)
    net, fed = load(path), {"x": signal(5, 2, F), "mask": np.ones((5, 2), np.float32)}
    assert [i.batch_axis for i in net.inputs] == [1, 1]
    np.testing.assert_allclose(net.forward(fed), run_ort(path, fed)[0], rtol=1e-5, atol=1e-6)


def test_what_a_convolution_or_dense_layer_or_a_name_says_of_the_batch(tmp_path: Path) -> None:
    steps = [("Transpose", ["x"], {"perm": [1, 2, 0]}), ("Conv", ["t0", "k"], {"kernel_shape": [2]})]
    path = write(tmp_path / "c.onnx", steps, shape=("T", "N", 3), weights={"k": signal(2, 3, 2)})
    net, x = load(path), signal(6, 2, 3)
    assert net.inputs[0].axes == ("length", "batch", "channels")
    np.testing.assert_allclose(net.forward(x), run_ort(path, {"x": x})[0], rtol=1e-5, atol=1e-6)
    steps = [("Gemm", ["x", "k"], {"transA": 1})]
    net = load(write(tmp_path / "g.onnx", steps, shape=(3, "N"), weights={"k": signal(3, 2)}))
    assert (net.inputs[0].batch_axis, net.inputs[0].axes) == (1, ("features", "batch"))
    path = write(tmp_path / "n.onnx", [("Relu", ["x"], {})], shape=(4, "batch", 3))
    assert (load(path).inputs[0].batch_axis, load(path).output_axes) == (1, (1,))
    assert (load(path, batch_axes={"x": 0}).inputs[0].batch_axis, load(path, batch_axes={"x": 2}).output_axes) == (
        0,
        (2,),
    )
    points = write(tmp_path / "p.onnx", [("Relu", ["x"], {})], shape=(1, 3, "N"))
    assert load(points).inputs[0].batch_axis == 0  # a name alone that may be a number of points says nothing


def test_one_value_as_two_outputs_with_the_batch_at_different_axes(tmp_path: Path) -> None:
    steps = [("Relu", ["x"], {"outputs": ["y"]}), ("Transpose", ["y"], {"perm": [1, 0, 2], "outputs": ["z"]})]
    path = write(tmp_path / "m.onnx", steps, shape=("batch", 4, 3), outputs=("y", "z"))
    net, x = load(path), signal(2, 4, 3)
    assert net.output_axes == (0, 1)
    for ours, theirs in zip(net.forward(x).values(), run_ort(path, {"x": x}), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_advice_for_a_batch_that_cannot_be_followed_works(tmp_path: Path) -> None:
    weights = {**parameters(), "shape": np.array([7, -1, F], np.int64)}
    steps = [("Reshape", ["x", "shape"], {}), ("LSTM", ["t0", "w", "r", "b"], {"outputs": ["y"], "hidden_size": H})]
    path = write(tmp_path / "m.onnx", steps, shape=(7, "N", F), weights=weights)
    with pytest.raises(UnsupportedError, match=r"axis 1 .*samples are at axis 0.*batch_axes=\{input name: axis\}"):
        load(path)
    net, x = load(path, batch_axes={"x": 1}), signal(7, 2, F)
    np.testing.assert_allclose(net.forward(x), run_ort(path, {"x": x})[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ParameterError, match="input 'x' has no axis 3"):
        load(path, batch_axes={"x": 3})


@pytest.mark.skipif(not BUG.exists(), reason="../shared is absent")
def test_the_stored_classifier_with_both_sizes_free() -> None:
    net, x = load(BUG / "lstm_time_first.onnx"), np.load(BUG / "lstm_time_first_input.npy")
    right = np.load(BUG / "lstm_time_first_right.npz")["output"]
    np.testing.assert_allclose(net.forward(x), right, rtol=1e-5, atol=1e-6)
    assert lrp.explain(net, x).relevance.shape == x.shape


# errors ----------------------------------------------------------------------------------------------------------


def test_errors_name_the_batch_axis(tmp_path: Path) -> None:
    net = load(classifier(tmp_path / "m.onnx", 7))
    with pytest.raises(
        ShapeError, match=r"shape \(2, 7, 3\); .*\(7, N, 3\): time, batch, features; axis 1 is the batch"
    ):
        net.forward(signal(2, 7, F))
    with pytest.raises(ShapeError, match="axis 1 must be the batch"):
        Network((Node("r", ReLU(), ("x",)),), (Input("x", None, 1),), ("r",)).forward(np.ones(3))
    with pytest.raises(GraphError, match="no axis 2, its batch"):
        Input("x", (None, 3), 2)
    with pytest.raises(GraphError, match="2 axes and 1 names"):
        Input("x", (None, 3), axes=("batch",))
    with pytest.raises(GraphError, match="1 outputs, and batch axes for 2"):
        Network(net.nodes, net.inputs, net.outputs, (0, 1))


def test_the_comparison_does_not_turn_arrays_round(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx")
    assert check_against_onnxruntime(path, signal(7, 2, F))[0].relative < 1e-5
    with pytest.raises(LrpError):
        check_against_onnxruntime(classifier(tmp_path / "f.onnx", 7, "N"), signal(2, 7, F))


# the rest of the package -----------------------------------------------------------------------------------------


def turned() -> Network:
    """relu(Wx + b), x (3, N) with the batch at axis 1, and its twin's weights."""
    dense = Dense(np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0]]), np.array([0.25, -0.5]))
    nodes = (Node("d", dense, ("x",)), Node("r", ReLU(), ("d",)))
    return Network(nodes, (Input("x", (3, None), 1),), ("r",), (1,))


def test_networks_are_saved_with_their_axes(tmp_path: Path) -> None:
    net = turned()
    save(net, tmp_path / "m.npz")
    assert lrp.load(tmp_path / "m.npz") == net
    save(net.batch_first(), tmp_path / "f.npz")
    versions = []
    for name in ("m", "f"):
        with np.load(tmp_path / f"{name}.npz") as file:
            versions.append(json.loads(file["header"].tobytes())["version"])
    assert versions == [2, 1]  # a reader that knows no batch axes refuses the file, rather than misread it
    named = Input("x", (3, None), 1, ("features", "batch"), "float32")
    save(Network(net.nodes, (named,), net.outputs, (1,), (("label", "ArgMax"),)), tmp_path / "n.npz")
    again = lrp.load(tmp_path / "n.npz")
    assert (again.inputs, again.left_out) == ((named,), (("label", "ArgMax"),))
    with np.load(tmp_path / "n.npz") as file:
        header, arrays = json.loads(file["header"].tobytes()), {k: file[k] for k in file.files if k != "header"}
    header["inputs"][0]["batch_axis"] = 5
    np.savez(tmp_path / "n.npz", header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    with pytest.raises(ModelFormatError, match="has no axis 5"):
        lrp.load(tmp_path / "n.npz")


def test_copies_of_a_network_keep_its_axes() -> None:
    net, x = turned(), np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]])
    expected = np.maximum(x.T @ net["d"].layer.weight + net["d"].layer.bias, 0).T
    for same in (net, lrp.canonize(net), net.astype(np.float64), net.to("numpy"), net.until("r")):
        np.testing.assert_allclose(same.forward(x), expected)
    head = Node("s", Softmax(), ("r",))
    assert lrp.canonize(Network((*net.nodes, head), net.inputs, ("s",), (1,))) == lrp.canonize(net)
    assert net.until("d").output_axes == ()
    assert net.until(("d", "r")).output_axes == (0, 1)
    first = net.batch_first()
    assert (first.inputs[0].shape, first.output_axes) == ((None, 3), ())
    np.testing.assert_allclose(first.forward(x.T), expected.T)
    assert first.batch_first() is first
    assert "axis 1 is the batch" in repr(net)


def test_certificates_and_formulas_take_the_same_array() -> None:
    pytest.importorskip("flint")
    net, x = turned(), np.array([[1.0], [3.0], [0.5]])
    e = lrp.explain(net, x, target=0, composite="lrp0")
    # z = 1 + 1.5 − 0.5 + 0.25: the shares of the inputs are 1, 1.5 and −0.5
    np.testing.assert_allclose(e.relevance, [[1.0], [1.5], [-0.5]])
    made = lrp.certify(net, x, target=0, composite="lrp0")
    assert made.certified
    heat = lrp.certificate.verify(made, net, x, heatmap=e.relevance)
    assert heat.accepted
    with pytest.raises(ShapeError, match=r"shape \(1, 3\), the input \(3, 1\)"):
        lrp.certificate.verify(made, net, x, heatmap=e.relevance.T)
    with pytest.raises(ParameterError, match=r"net\.batch_first\(\)"):
        lrp.certify(net, x, start=np.ones((2, 1)), composite="lrp0")
    assert lrp.certify(net.batch_first(), x.T, start=np.ones((1, 2)), composite="lrp0").certified
    pytest.importorskip("sympy")
    assert lrp.symbolic(net, x, composite="lrp0", target=0).residual == 0
    assert lrp.symbolic(net, composite="lrp0", target=0).residual == 0
    with pytest.raises(ShapeError, match="has 2 samples"):
        lrp.symbolic(net, np.ones((3, 2)), composite="lrp0")
    with pytest.raises(UnsupportedError, match=r"net\.batch_first\(\)"):
        lrp.taylor.decompose(net, x, target=0)
    assert lrp.taylor.decompose(net.batch_first(), x.T, target=0, search="gradient").relevance.shape == (1, 3)


def test_the_command_line_cuts_samples_along_the_batch_axis(tmp_path: Path) -> None:
    path, x = classifier(tmp_path / "m.onnx"), signal(5, 3, F)
    np.save(tmp_path / "x.npy", x)
    expected = lrp.explain(load(path), x)
    for options in ([], ["--batch-size", 2]):
        out = tmp_path / f"out{len(options)}"
        done = run("explain", path, tmp_path / "x.npy", "-o", out, *options)
        assert done.exit_code == 0, done.stderr
        assert "axis 1 is the batch" in done.stderr
        for k in range(3):
            with np.load(out / f"x_{k}.npz") as saved:
                found = saved["input_relevance/relevance"]
                assert found.shape == (5, 1, F)
                np.testing.assert_allclose(found, expected.relevance[:, k : k + 1], rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(saved["output"], expected.output[k : k + 1], rtol=1e-5)
    np.save(tmp_path / "one.npy", x[:, 1])  # a lone sample without a batch axis
    done = run("explain", path, tmp_path / "one.npy", "-o", tmp_path / "one")
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "one" / "one.npz") as saved:
        assert saved["input_relevance/relevance"].shape == (5, 1, F)
    shown = run("show", path).stdout
    assert "input x: time any × batch any × features 3; axis 1 is the batch, float32" in shown
    checked = run("check", path, tmp_path / "x.npy", "-c", "epsilon")
    assert checked.exit_code == 0, checked.stdout


def test_sequence_outputs_on_the_command_line(tmp_path: Path) -> None:
    path, x = sequence(tmp_path / "m.onnx"), signal(5, 2, F)
    np.save(tmp_path / "x.npy", x)
    done = run("explain", path, tmp_path / "x.npy", "-o", tmp_path / "out", "--top", 2, "--batch-size", 2)
    assert done.exit_code == 0, done.stderr
    outputs = np.moveaxis(load(path).forward(x), 1, 0).reshape(2, -1)
    for k in range(2):
        for target in np.argsort(-outputs[k], kind="stable")[:2]:
            with np.load(tmp_path / "out" / f"x_{k}_target{target}.npz") as saved:
                assert saved["output"].shape == (5, 1, H)
                expected = lrp.explain(load(path), x[:, k : k + 1], target=int(target)).relevance
                np.testing.assert_allclose(saved["input_relevance/relevance"], expected, rtol=1e-4, atol=1e-6)
    assert "(axis 1 is the batch)" in run("show", path).stdout
