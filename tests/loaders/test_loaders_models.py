"""Real files: the shipped models, and networks that other programs wrote and ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref import layers
from lrp_ref.loaders import Comparison, check_against_onnxruntime, load, save

pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PEERS = sorted((SHARED / "peer-vectors" / "onnx").glob("*.onnx"))
MODELS = sorted((ROOT / "models").glob("*.onnx"))
SQUEEZENET = SHARED / "data" / "squeezenet_dc.onnx"


@pytest.mark.skipif(not PEERS, reason="../shared/peer-vectors is not there")
@pytest.mark.parametrize("path", PEERS, ids=lambda p: p.stem)
def test_the_forward_pass_of_other_programs(path: Path) -> None:
    vectors = np.load(sorted(path.parents[1].glob(f"{path.name[0]}__*.npz"))[0])
    net = load(path)
    double = "_f64_" in path.name
    assert net.dtype == (np.float64 if double else np.float32)
    got = net.forward(vectors["input"].astype(net.dtype))
    assert got.dtype == net.dtype
    tolerance = 1e-12 if double else 1e-5
    np.testing.assert_allclose(got, vectors["output"], rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not PEERS, reason="../shared/peer-vectors is not there")
def test_both_exporters_give_the_same_network() -> None:
    for path in PEERS:
        if "torchscript" not in path.name or "op13" in path.name:
            continue
        twin = load(path.with_name(path.name.replace("torchscript", "dynamo")))
        ours = load(path)
        assert [n.layer for n in ours.nodes] == [n.layer for n in twin.nodes], path.name


def sound(comparisons: tuple[Comparison, ...]) -> None:
    for found in comparisons:
        assert found.relative < 1e-5, found
        assert found.top1, found
        assert found.precision == "float32"


def some_input(path: Path, n: int) -> np.ndarray[Any, Any]:
    shape = tuple(size for size in load(path).inputs[0].shape or () if size is not None)
    return np.random.default_rng(3).random((n, *shape)).astype(np.float32)


@pytest.mark.skipif(not MODELS, reason="no models in models/")
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_the_shipped_models_compute_what_onnxruntime_computes(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    sound(check_against_onnxruntime(path, some_input(path, 2)))
    net = load(path)
    save(net, tmp_path / "net.npz")
    assert load(tmp_path / "net.npz") == net


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="../shared/data/squeezenet_dc.onnx is not there")
def test_squeezenet_computes_what_onnxruntime_computes() -> None:
    pytest.importorskip("onnxruntime")
    x = 255 * some_input(SQUEEZENET, 1) - 110
    sound(check_against_onnxruntime(SQUEEZENET, x))
    net = load(SQUEEZENET)
    assert sum(isinstance(n.layer, layers.Conv) for n in net.nodes) == 26


@pytest.mark.skipif(not PEERS, reason="../shared/peer-vectors is not there")
@pytest.mark.parametrize("name", ["B_f64_dynamo", "D_f64_torchscript", "G_bilstm_f64_torchscript"])
def test_a_float64_file_is_compared_in_float32_and_says_so(name: str) -> None:
    pytest.importorskip("onnxruntime")
    path = PEERS[0].with_name(f"{name}.onnx")
    x = np.load(sorted(path.parents[1].glob(f"{name[0]}__*.npz"))[0])["input"]
    (found,) = check_against_onnxruntime(path, x)
    assert found.cast
    assert found.precision == "float32"
    assert found.relative < 1e-5
    assert load(path).dtype == np.float64


def test_the_comparison_sees_a_wrong_network(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    path = ROOT / "models" / "digits_cnn.onnx"
    if not path.exists():
        pytest.skip("models/digits_cnn.onnx is not there")
    forward = layers.AveragePool.forward
    monkeypatch.setattr(layers.AveragePool, "forward", lambda self, x: forward(self, x) * np.float32(1.001))
    (found,) = check_against_onnxruntime(path, some_input(path, 2))
    assert found.relative > 1e-4
