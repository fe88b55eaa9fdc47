"""Tokens on the command line: integers in an array, beside a mask; what a mask hides is no difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run

import lrp_ref as lrp
from lrp_ref.layers import Dense, Embedding, Mean

R = np.random.default_rng(0)
TABLE, WEIGHT, BIAS = R.normal(size=(9, 4)), R.normal(size=(4, 3)), R.normal(size=3)
IDS = np.array([[0, 3, 8, 1, 3], [7, 7, 1, 0, 4]])


def words(path: Path) -> Path:
    lrp.save(lrp.Network.sequential([Embedding(TABLE), Mean((1,), keepdims=False), Dense(WEIGHT, BIAS)]), path)
    return path


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_tokens_are_explained(kind: str, tmp_path: Path) -> None:
    model, given = words(tmp_path / "words.npz"), tmp_path / f"ids.{kind}"
    if kind == "npy":
        np.save(given, IDS)
    else:
        np.savez(given, input=IDS)
    done = run("explain", model, given, "-c", "lrp0", "-t", 1, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for k, sample in enumerate(IDS):
        with np.load(tmp_path / "out" / f"ids_{k}.npz") as saved:
            found: Any = saved["input_relevance/relevance"][0]
        mean = TABLE[sample].mean(axis=0)  # which has ε = 1e-6 where no rule is named
        message = mean * WEIGHT[:, 1] / (mean + 1e-6 * np.sign(mean)) / len(sample)
        by_hand = (TABLE[sample] * message).sum(axis=1)
        np.testing.assert_allclose(found, by_hand, rtol=1e-9)


def test_a_token_that_is_no_row_is_one_line(tmp_path: Path) -> None:
    model = words(tmp_path / "words.npz")
    np.save(tmp_path / "ids.npy", IDS + 5)
    done = run("explain", model, tmp_path / "ids.npy", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "must be -9 to 8, got 13" in done.stderr


def test_masks_are_checked_against_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from onnx_graphs import onnx, write

    path = write(
        tmp_path / "masked.onnx",
        [("Cast", ["mask"], {"to": 9}), ("Where", ["t0", "x", "hidden"], {}), ("Softmax", ["t1"], {}),
         ("MatMul", ["t2", "w"], {})],
        shape=("N", 4),
        weights={"hidden": np.array(-np.inf, "f4"), "w": R.normal(size=(4, 2)).astype("f4")},
        inputs={"mask": (onnx.TensorProto.INT64, ("N", 4))},
    )  # fmt: skip
    np.savez(tmp_path / "in.npz", x=R.normal(size=(2, 4)).astype("f4"), mask=np.array([[1, 1, 0, 1], [1, 0, 0, 1]]))
    done = run("check", path, tmp_path / "in.npz", "-c", "lrp0")
    assert "every node against onnxruntime" in done.output
    assert "FAILS" not in done.output, done.output
