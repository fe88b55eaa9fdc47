"""Files without a batch: they mix what looks like samples, or tell them apart by constants; all is one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import run_ort, write

import lrp_ref as lrp
from lrp_ref import loaders

R = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return R.normal(size=shape).astype("f4")


CONVOLUTION = [
    ("Unsqueeze", ["x", "a"], {}), ("Conv", ["t0", "w"], {}), ("Relu", ["t1"], {}),
    ("ReduceMean", ["t2"], {"axes": [0, 2, 3], "keepdims": 0}),
]  # fmt: skip
CASES: dict[str, tuple[Any, tuple[int, ...], dict[str, Any]]] = {
    "sum of everything": ([("ReduceMean", ["x"], {"keepdims": 0})], (2, 3), {}),
    "reduced first axis": ([("ReduceMean", ["x"], {"axes": [0], "keepdims": 0})], (4, 3), {}),
    "bias of every row": ([("Add", ["x", "b"], {})], (2, 3), {"b": drawn(2, 3)}),
    "no axis but one": ([("Mul", ["x", "b"], {}), ("Relu", ["t0"], {})], (3,), {"b": drawn(3)}),
    "turned": ([("Transpose", ["x"], {}), ("MatMul", ["t0", "w"], {})], (4, 3), {"w": drawn(4, 2)}),
    "rows as columns": (
        [("Reshape", ["x", "s"], {}), ("MatMul", ["t0", "w"], {})],
        (2, 3, 4),
        {"s": np.array([3, 8]), "w": drawn(8, 2)},
    ),
    "a picture without an axis of samples": (CONVOLUTION, (2, 5, 5), {"a": np.array([0]), "w": drawn(3, 2, 3, 3)}),
    "softmax over samples": ([("Softmax", ["x"], {"axis": 0})], (4, 2), {}),
    "joined with itself": ([("Concat", ["x", "x"], {"axis": 0})], (2, 3), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_mixes_samples_of_a_fixed_batch_is_one_sample(name: str, tmp_path: Path) -> None:
    steps, shape, weights = CASES[name]
    path = write(tmp_path / "whole.onnx", steps, shape=shape, weights=weights, opset=13)
    net, x = lrp.load(path), R.normal(size=shape).astype("f4")
    assert net.inputs[0].batch_axis is None
    assert "the array is one sample" in repr(net)
    (theirs,) = run_ort(path, {"x": x})
    ours = net.forward(x)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    again = tmp_path / "again.npz"
    loaders.save(net, again)
    assert lrp.load(again) == net


@pytest.mark.parametrize("name", [n for n in CASES if n != "softmax over samples"])
def test_it_is_explained_as_one_sample(name: str, tmp_path: Path) -> None:
    steps, shape, weights = CASES[name]
    net = lrp.load(write(tmp_path / "whole.onnx", steps, shape=shape, weights=weights, opset=13)).astype("float64")
    x = R.normal(size=shape)
    start = R.normal(size=np.shape(net.forward(x)))
    e = lrp.explain(net, x, start=start, composite="lrp0")
    assert e.relevance.shape == shape
    assert e.output.shape == start.shape
    columns = sum(row.bias + row.stabiliser + row.dropped for row in e.ledger)
    np.testing.assert_allclose(e.relevance.sum() + columns, start.sum(), rtol=1e-9, atol=1e-12)


def test_a_free_batch_is_mixed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "free.onnx", [("ReduceMean", ["x"], {"axes": [0], "keepdims": 0})], shape=("N", 3))
    with pytest.raises(lrp.errors.UnsupportedError, match="axis 0 is the batch"):
        lrp.load(path)
    net = loaders.load(path, batch_axes={"x": None}, shapes={"x": (5, 3)})
    x = R.normal(size=(5, 3)).astype("f4")
    np.testing.assert_allclose(net.forward(x), x.mean(0), rtol=1e-5)
    with pytest.raises(lrp.errors.ShapeError, match="the array is one sample"):
        net.forward(x[:4])


def test_samples_that_are_kept_apart_stay_a_batch(tmp_path: Path) -> None:
    net = lrp.load(write(tmp_path / "apart.onnx", [("Relu", ["x"], {})], shape=(1, 3)))
    assert net.inputs[0].batch_axis == 0
    assert net.forward(np.ones((4, 3), "f4")).shape == (4, 3)
