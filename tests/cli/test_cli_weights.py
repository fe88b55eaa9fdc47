"""Weights files on the command line: every command that reads a model takes the description of its network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import weights_files
from command import array, dense_model, run

WEIGHT, BIAS = np.array([[1.0, 2.0], [-1.0, 3.0]]), np.array([0.5, -1.0])  # of dense_model
DESCRIBED = {"layers": [{"Linear": "fc"}]}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    weights_files.torch_file(tmp_path / "w.pth", {"fc.weight": WEIGHT, "fc.bias": BIAS})
    (tmp_path / "net.json").write_text(json.dumps(DESCRIBED))
    array(tmp_path / "x.npy", [[1.0, -2.0]])
    return tmp_path / "w.pth"


@pytest.mark.parametrize("command", ["show", "explain", "check", "formula", "certify"])
def test_a_command_takes_the_description(
    command: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = () if command == "show" else ("x.npy",)
    done = run(command, weights, *inputs)
    assert done.exit_code == 2
    assert "describe it in w.architecture.json" in done.stderr
    done = run(command, weights, *inputs, "--architecture", "net.json")
    assert done.exit_code == 0, done.output
    # The same network in the package's own format gives the same.
    other = run(command, dense_model(tmp_path), *inputs)
    assert (
        done.stdout.replace(str(weights), "").splitlines()[1:]
        == (other.stdout.replace(str(tmp_path / "dense.npz"), "").splitlines()[1:])
    )
    (tmp_path / "w.architecture.json").write_text(json.dumps(DESCRIBED))
    assert run(command, weights, *inputs).stdout == done.stdout


def test_a_certificate_of_weights_is_verified(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("certify", weights, "x.npy", "--architecture", "net.json", "-o", "c.json").exit_code == 0
    assert run("verify", "c.json").exit_code == 2
    assert run("verify", "c.json", "--architecture", "net.json").exit_code == 0
    other = {"layers": [{"Linear": "fc"}, "Tanh"]}
    (tmp_path / "net.json").write_text(json.dumps(other))
    assert run("verify", "c.json", "--architecture", "net.json").exit_code == 1


def test_half_precision_is_a_note(tmp_path: Path) -> None:
    halves = {"fc.weight": WEIGHT.astype(np.float16), "fc.bias": BIAS.astype(np.float16)}
    weights_files.torch_file(tmp_path / "w.pth", halves)
    (tmp_path / "w.architecture.json").write_text(json.dumps(DESCRIBED))
    done = run("show", tmp_path / "w.pth")
    note = "note: 2 of 2 tensors are float16 in the file; they are computed with in float32"
    assert (done.exit_code, done.stderr, done.stdout.count(note)) == (0, "", 1)
    assert "6 parameters, float32" in done.stdout


def test_a_weights_file_is_no_input(weights: Path, tmp_path: Path) -> None:
    done = run("explain", dense_model(tmp_path), weights)
    assert done.exit_code == 2
    assert "a model, not an input" in done.stderr


def test_a_description_is_for_weights_alone(weights: Path, tmp_path: Path) -> None:
    done = run("show", dense_model(tmp_path), "--architecture", tmp_path / "net.json")
    assert done.exit_code == 2
    assert "its architecture is in the file" in done.stderr
