"""``lrp-ref convert``: what is written computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import dense_model, run

import lrp_ref as lrp

pytest.importorskip("onnx")
X = np.array([[3.0, 1.0], [-0.5, 2.0]])


def test_a_network_goes_to_onnx_and_back(tmp_path: Path) -> None:
    model, there, back = dense_model(tmp_path), tmp_path / "there.onnx", tmp_path / "back.npz"
    done = run("convert", model, there, "--opset", "18")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{there}: 1 nodes, {there.stat().st_size} bytes\n"
    assert run("convert", there, back).exit_code == 0
    assert np.array_equal(lrp.load(back).forward(X), lrp.load(model).forward(X))
    assert run("convert", model, back, "--single").exit_code == 0
    assert lrp.load(back).dtype == np.float32
    assert run("convert", back, there, "--double").exit_code == 0
    assert lrp.load(there).dtype == np.float64


def test_a_part_of_a_network_of_the_toolbox(tmp_path: Path) -> None:
    (model := tmp_path / "net.txt").write_text("MaxPool 2 2 2 2\nRect\nFlatten\n")
    out = tmp_path / "net.onnx"
    done = run("convert", model, out, "--output", "relu1", "--shape", "input=4,6,1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert lrp.load(out).inputs[0].shape == (None, 4, 6, 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["net.txt", "net.onnx"], "the size of input 'input' is not fixed: say the shape of one sample with"),
        (["net.txt", "net.onnx", "--shape", "image=4,6,1"], "unknown input of"),
        (["net.txt", "net.onnx", "--shape", "four"], "--shape four: write NAME=SIZE,..."),
        (["net.txt", "net.pb"], "networks are saved as .npz or .onnx files"),
        (["net.txt", "net.npz", "--opset", "18"], "an .npz file has no option opset"),
        (["none.txt", "net.onnx"], "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], reason: str, tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text("Rect\nFlatten\n")
    done = run("convert", *(tmp_path / a if a.startswith(("net", "none")) else a for a in arguments))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["net.txt"]
