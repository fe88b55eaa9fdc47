"""Samples that a file counts in one axis with heads, steps or windows: each keeps to itself, and the batch is free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError


def heads(softmax_axis: int) -> list[Step]:
    """Attention over steps with two heads, as (steps, N·heads, 3) and (N·heads, steps, 3)."""
    return [
        ("MatMul", ["x", "w"], {}), ("Reshape", ["t0", "apart"], {}), ("Transpose", ["t1"], {"perm": [1, 0, 2]}),
        ("Transpose", ["t2"], {"perm": [0, 2, 1]}), ("MatMul", ["t2", "t3"], {}), ("Mul", ["t4", "half"], {}),
        ("Softmax", ["t5"], {"axis": softmax_axis}), ("MatMul", ["t6", "t2"], {}),
        ("Transpose", ["t7"], {"perm": [1, 0, 2]}), ("Reshape", ["t8", "rows"], {}), ("Gemm", ["t9", "v", "b"], {}),
        ("Reshape", ["t10", "steps"], {}),
    ]  # fmt: skip


WEIGHTS = {
    "w": weight(4, 6), "v": weight(6, 2), "b": weight(2), "half": weight(1, 1, 1),
    "apart": whole(5, -1, 3), "rows": whole(-1, 6), "steps": whole(5, -1, 2),
}  # fmt: skip


@pytest.mark.parametrize("axis", [2, -1])
@pytest.mark.parametrize("samples", ["N", 3])
def test_heads_and_steps_are_followed(axis: int, samples: str | int, tmp_path: Path) -> None:
    path = write(tmp_path / "heads.onnx", heads(axis), shape=(5, samples, 4), weights=WEIGHTS, inputs={})
    net = lrp.load(path, batch_axes={"x": 1})
    x = weight(5, 3, 4)
    (theirs,) = run_ort(path, {"x": x})
    np.testing.assert_allclose(net.forward(x), theirs, rtol=2e-5, atol=1e-6)
    alone = np.concatenate([net.forward(x[:, k : k + 1]) for k in range(3)], axis=1)
    np.testing.assert_allclose(alone, theirs, rtol=2e-5, atol=1e-6)
    e = lrp.explain(net.astype("float64"), x.astype("f8"), start=weight(5, 3, 2).astype("f8"))
    assert e.relevance.shape == x.shape
    assert e.ledger.residual < 1e-12


def test_windows_in_front_of_the_samples_and_behind_them(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Reshape", ["x", "windows"], {}), ("MatMul", ["t0", "w"], {}), ("Relu", ["t1"], {}),
        ("Reshape", ["t2", "again"], {}),
    ]  # fmt: skip
    shapes = {"windows": whole(-1, 2, 3), "again": whole(-1, 4, 2, 5), "w": weight(3, 5)}
    path = write(tmp_path / "windows.onnx", steps, shape=("N", 8, 3), weights=shapes)
    for n in (0, 1, 3):
        agrees(path, weight(n, 8, 3))


@pytest.mark.parametrize(
    ("step", "weights", "reason"),
    [
        (("Softmax", ["t0"], {"axis": 0}), {}, "is the batch, merged with other axes"),
        (("Add", ["t0", "c"], {}), {"c": weight(6, 2)}, "along an axis in which the batch is merged"),
        (("Mul", ["t0", "x"], {}), {}, "the other has not"),
        (("ReduceSum", ["t0", "axes"], {}), {"axes": whole(1)}, "its batch is merged with other axes"),
        (("Slice", ["t0", "zero", "one", "zero"], {}), {"zero": whole(0), "one": whole(1)}, "merged with other axes"),
        (("Slice", ["t0", "zero", "one"], {}), {"zero": whole(0), "one": whole(1)}, "names no axes"),
        (("Gather", ["t0", "zero"], {}), {"zero": whole(0)}, "merged with other axes"),
        (("Split", ["t0"], {}), {}, "is the batch"),
        (("CumSum", ["t0", "one"], {}), {"one": np.array(1)}, "its batch is merged with other axes"),
        (("BatchNormalization", ["t0", "g", "g", "g", "v"], {}), {"g": weight(2), "v": weight(2) ** 2 + 1}, "merged"),
        (("MeanVarianceNormalization", ["t0"], {"axes": [1]}), {}, "its batch is merged with other axes"),
        (("Identity", ["t0"], {}), {}, "merges the batch with other axes"),
    ],
)
def test_what_would_mix_them_is_refused(step: Step, weights: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.onnx",
        [("Reshape", ["x", "s"], {}), step],
        shape=("N", 3, 2),
        weights={"s": whole(-1, 2), **weights},
    )
    with pytest.raises(UnsupportedError, match=reason):
        lrp.load(path)


ALONG = {
    "softmax": (("Softmax", ["t0"], {"axis": 1}), {}),
    "norm": (("LpNormalization", ["t0"], {"axis": 1}), {}),
    "layer norm": (("LayerNormalization", ["t0", "g"], {"axis": 2}), {"g": weight(3)}),
    "weights": (("MatMul", ["t0", "w"], {}), {"w": weight(3, 3)}),
    "weights on the left": (("MatMul", ["w", "t0"], {}), {"w": weight(2, 2)}),
    "slopes": (("PRelu", ["t0", "a"], {}), {"a": weight(2, 1)}),
    "factors": (("Mul", ["t0", "a"], {}), {"a": weight(1, 2, 3)}),
    "bounds": (("Clip", ["t0", "low"], {}), {"low": np.array(0.25, np.float32)}),
}


@pytest.mark.parametrize("name", ALONG)
def test_what_keeps_to_other_axes_goes_through_samples_merged_with_one_of_their_size(name: str, tmp_path: Path) -> None:
    """The merged axis has the size of the next one, so that nothing but the place of an axis tells them apart."""
    step, weights = ALONG[name]
    steps: list[Step] = [("Reshape", ["x", "s"], {}), step, ("Reshape", ["t1", "b"], {})]
    shapes = {"s": whole(-1, 2, 3), "b": whole(-1, 2, 2, 3)}
    path = write(tmp_path / "m.onnx", steps, shape=("N", 2, 2, 3), weights={**shapes, **weights})
    for n in (0, 1, 3):
        agrees(path, weight(n, 2, 2, 3))
