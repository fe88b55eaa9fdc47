"""``lrp-ref export`` and ``lrp-ref explain --engine onnxruntime``: what is written, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime as runtime
from command import array, dense_model, pixel_model, run

import lrp_ref as lrp

X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
MODELS = Path(__file__).parents[2] / "models"
SIZE = ("--shape", "input=1,2,2")


def last_line(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1, done.stderr
    return str(done.stderr.strip())


def test_the_file_explains_as_the_command_says(tmp_path: Path) -> None:
    model, path = pixel_model(tmp_path, classes=["a", "b", "c"]), tmp_path / "e.onnx"
    done = run("export", model, "-o", path, "-t", "c", "-t", "a", "--forward", *SIZE)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("composite lrp0, start Logit(), targets c, a\n")
    assert f"{tmp_path / 'e.forward.onnx'}: " in done.stdout
    x = np.array([[[[1, 2], [3, 4]]]], dtype=np.float32)
    session = runtime.InferenceSession(path)
    relevance, explained = session.run(["relevance", "explained"], {"input": x})
    wanted = lrp.explain(lrp.load(model), np.repeat(x, 2, axis=0), target=[2, 0], composite="lrp0")
    assert np.allclose(relevance, wanted.relevance, rtol=1e-6, atol=0)
    assert explained.ravel().tolist() == [2, 0]


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    model = pixel_model(tmp_path)
    sidecar, forward = model.with_suffix(".json"), tmp_path / "n.forward.onnx"
    held = model.read_bytes()
    for path in (model, sidecar):
        assert "would be written over" in last_line("export", model, "-o", path)
    (tmp_path / "other.json").write_bytes(sidecar.read_bytes())
    assert (
        run("export", model, "-o", tmp_path / "other.json", *SIZE).exit_code == 0
    )  # a file that this run does not read
    forward.write_bytes(held)
    forward = forward.rename(tmp_path / "n.forward.onnx")
    assert "n.forward.onnx would be" in last_line("export", forward, "-o", tmp_path / "n.onnx", "--forward")
    assert model.read_bytes() == forward.read_bytes() == held


def test_a_target_is_not_set_against_itself(tmp_path: Path) -> None:
    model = dense_model(tmp_path)
    said = last_line("export", model, "-o", tmp_path / "e.onnx", "-t", 1, "--against", 1, "--shape", "input=2")
    assert said.endswith("--target and --against are both 1: give two different outputs")
    done = run("export", model, "-o", tmp_path / "e.onnx", "--against", 1, "--shape", "input=2", "-c", "epsilon")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("composite epsilon, start Difference(against=1), targets argmax\n")


def test_the_engine_is_told_what_it_does_not_do(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", X)
    engine = ("--engine", "onnxruntime", "-o", tmp_path / "out")
    said = last_line("explain", model, x, "-t", "0+1", *engine)
    assert said.endswith("--target 0+1: --engine onnxruntime adds no outputs up: leave --engine out")
    assert run("explain", model, x, "-t", "0+1", "-o", tmp_path / "out").exit_code == 0
    for option in ("--float64", "--trace"):
        assert f"onnxruntime and {option} exclude" in last_line("explain", model, x, option, *engine)


@pytest.mark.parametrize("more", [(), ("--top", "2"), ("-t", "0", "--against", "1"), ("-c", "lrp0", "-c", "epsilon")])
def test_both_engines_say_the_same(tmp_path: Path, more: tuple[str, ...]) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", X)
    made = {}
    for engine in ("numpy", "onnxruntime"):
        done = run("explain", model, x, "--engine", engine, "-o", tmp_path / engine, *more)
        assert done.exit_code == 0, done.output
        made[engine] = {p.name: lrp.load_relevance(p) for p in sorted((tmp_path / engine).glob("*.npz"))}
    assert list(made["numpy"]) == list(made["onnxruntime"])
    for ours, theirs in zip(made["numpy"].values(), made["onnxruntime"].values(), strict=True):
        assert np.allclose(ours["relevance"], theirs["relevance"], rtol=1e-5, atol=1e-6)
        assert np.array_equal(ours["target"], theirs["target"])


def test_a_size_that_the_network_leaves_free_is_the_sidecars(tmp_path: Path) -> None:
    net = lrp.load(MODELS / "digits_cnn.onnx")
    free = lrp.Network(net.nodes, (lrp.Input("image", (None, 1, None, None)),), net.outputs)
    lrp.save(free, tmp_path / "m.npz")
    refused = last_line("export", tmp_path / "m.npz", "-o", tmp_path / "e.onnx")
    assert "lrp-ref export --shape image=" in refused
    (tmp_path / "m.json").write_bytes((MODELS / "digits_cnn.json").read_bytes())
    done = run("export", tmp_path / "m.npz", "-o", tmp_path / "e.onnx")
    assert done.exit_code == 0, done.output
    assert "(N, 1, 28, 28)" in done.stdout
