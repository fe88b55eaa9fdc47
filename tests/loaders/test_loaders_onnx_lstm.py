"""LSTM files: directions, outputs, layouts, lengths and states, compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, onnx, run_ort, write

from lrp_ref.loaders import check_against_onnxruntime, load

LSTM_OUTPUTS = {"Y": (2, 0), "Y_h": (1, 1), "Y_c": (1, 2)}  # batch axis, position


def lstm_file(path: Path, direction: str, outputs: tuple[str, ...], layout: int = 0, **more: Any) -> Path:
    rng = np.random.default_rng(5)
    d = 2 if direction == "bidirectional" else 1
    weights = {
        "w": rng.normal(size=(d, 12, 4)).astype(np.float32),
        "r": rng.normal(size=(d, 12, 3)).astype(np.float32),
        "b": rng.normal(size=(d, 24)).astype(np.float32),
        **more.pop("weights", {}),
    }
    reads = ["x", "w", "r", "b", *more.pop("reads", [])]
    makes = [n if n in outputs else "" for n in LSTM_OUTPUTS]
    step = ("LSTM", reads, {"outputs": makes, "direction": direction, "hidden_size": 3, **more.pop("attributes", {})})
    if layout:
        step[2]["layout"] = 1
    shape = ("N", "T", 4) if layout else ("T", "N", 4)
    return write(path, [step], shape=shape, weights=weights, outputs=outputs, **more)


def check_lstm(path: Path, outputs: tuple[str, ...], layout: int = 0, **feeds: np.ndarray[Any, Any]) -> None:
    x = np.random.default_rng(6).normal(size=(2, 5, 4)).astype(np.float32)
    net = load(path)
    theirs = pytest.importorskip("onnx.reference").ReferenceEvaluator(str(path)) if layout else None
    fed = {"x": x if layout else x.swapaxes(0, 1), **feeds}
    expected = theirs.run(None, fed) if theirs else run_ort(path, fed)
    got = net.forward(fed)
    got = got if isinstance(got, dict) else {net.outputs[0]: got}
    batches = tuple(0 if layout else LSTM_OUTPUTS[name][0] for name in outputs)
    assert net.output_axes == (batches if any(batches) else ())
    for value, reference in zip(net.outputs, expected, strict=True):
        assert got[value].shape == reference.shape
        np.testing.assert_allclose(got[value], reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("outputs", [("Y",), ("Y_h",), ("Y_c",), ("Y", "Y_h", "Y_c")], ids="-".join)
def test_lstm_outputs(direction: str, outputs: tuple[str, ...], tmp_path: Path) -> None:
    check_lstm(lstm_file(tmp_path / "lstm.onnx", direction, outputs), outputs)


@pytest.mark.parametrize("outputs", [("Y",), ("Y_h",), ("Y", "Y_h", "Y_c")], ids="-".join)
def test_lstm_with_the_batch_first(outputs: tuple[str, ...], tmp_path: Path) -> None:
    # onnxruntime has no LSTM with layout 1; the onnx package's evaluator has, for one direction.
    check_lstm(lstm_file(tmp_path / "lstm.onnx", "forward", outputs, layout=1), outputs, layout=1)


def test_lstm_with_lengths_and_states(tmp_path: Path) -> None:
    outputs, float_, int_ = ("Y", "Y_h", "Y_c"), onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    inputs = {"n": (int_, ("N",)), "h": (float_, (2, "N", 3)), "c": (float_, (2, "N", 3))}
    path = lstm_file(
        tmp_path / "all.onnx", "bidirectional", outputs, reads=["n", "h", "c"], inputs=inputs,
    )  # fmt: skip
    rng = np.random.default_rng(8)
    h, c = rng.normal(size=(2, 2, 2, 3)).astype(np.float32)
    check_lstm(path, outputs, n=np.array([5, 3], np.int32), h=h, c=c)


def test_the_comparison_takes_the_array_that_onnxruntime_takes(tmp_path: Path) -> None:
    path = lstm_file(tmp_path / "lstm.onnx", "bidirectional", ("Y", "Y_h"))
    x = np.random.default_rng(6).normal(size=(5, 2, 4)).astype(np.float32)
    found = check_against_onnxruntime(path, x)
    assert [c.output for c in found] == ["Y", "Y_h"]
    assert [c.shape for c in found] == [(5, 2, 2, 3), (2, 2, 3)]
    assert max(c.relative for c in found) < 1e-5


def test_states_packed_in_one_input_tell_where_its_batch_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    weights = {
        "w": rng.normal(size=(1, 12, 4)).astype(np.float32),
        "r": rng.normal(size=(1, 12, 3)).astype(np.float32),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "axis": np.array([0], np.int64),
    }
    steps: list[Step] = [
        ("Unsqueeze", ["x", "axis"], {}),
        ("Gather", ["state", "zero"], {}),
        ("Unsqueeze", ["t1", "axis"], {}),
        ("Gather", ["state", "one"], {}),
        ("Unsqueeze", ["t3", "axis"], {}),
        ("LSTM", ["t0", "w", "r", "", "", "t2", "t4"], {"hidden_size": 3, "outputs": ["", "h", ""]}),
        ("Squeeze", ["h", "axis"], {}),
    ]
    inputs = {"state": (onnx.TensorProto.FLOAT, (2, "N", 3))}
    path = write(tmp_path / "packed.onnx", steps, shape=("N", 4), weights=weights, inputs=inputs)
    x, state = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=(2, 5, 3)).astype(np.float32)
    net = load(path)
    (expected,) = run_ort(path, {"x": x, "state": state})
    np.testing.assert_allclose(net.forward({"x": x, "state": state}), expected, rtol=1e-5, atol=1e-6)
    assert {i.name: (i.shape, i.batch_axis) for i in net.inputs} == {"x": ((None, 4), 0), "state": ((2, None, 3), 1)}


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_lstm_with_constant_states(value: float, tmp_path: Path) -> None:
    states = {"h": np.full((2, 2, 3), value, np.float32), "c": np.full((2, 2, 3), -value, np.float32)}
    path = lstm_file(tmp_path / "c.onnx", "bidirectional", ("Y",), reads=["", "h", "c"], weights=states)
    check_lstm(path, ("Y",))
    assert bool(load(path).nodes[-2].layer.state if value else load(path).nodes[0].layer.state) == bool(value)
