"""Real networks on real inputs: are they the networks of their makers, and does every ledger close?

Two things are not part of the project and are skipped where they are absent: SqueezeNet, and foolbox 3.3.4 with its
20 labelled photos (installed, or LRP_REF_FOOLBOX names its wheel or unpacked folder).
"""

from __future__ import annotations

import importlib.util
import math
import os
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import RecurrentLayer
from lrp_ref.loaders.preprocess import Sidecar, load_sidecar, parse_sidecar, read_image
from lrp_ref.rules import share as sharing

pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
MODELS, SAMPLES = ROOT / "models", ROOT / "models" / "samples"
SQUEEZENET = ROOT.parent / "shared" / "data" / "squeezenet_dc.onnx"
EFFICIENTNET = MODELS / "efficientnet_lite0.onnx"
SAMPLE = {
    "digits_cnn": "digit_3.png",
    "efficientnet_lite0": "chelsea.png",
    "fashion_cnn": "fashion_coat.png",
    "fashion_dense": "fashion_coat.png",
    "sequence_lstm": "vowel_speaker4.npy",
    "squeezenet_dc": "chelsea.png",
}
NETWORKS = [pytest.param(path, id=path.stem) for path in sorted(MODELS.glob("*.onnx"))] + [
    pytest.param(
        SQUEEZENET,
        id=SQUEEZENET.stem,
        marks=pytest.mark.skipif(not SQUEEZENET.exists(), reason=f"{SQUEEZENET} is absent"),
    )
]


def sidecar(path: Path) -> Sidecar:
    """Return how a model reads its input; SqueezeNet is as its makers gave it: blue first, minus the mean colour."""
    if path != SQUEEZENET:
        found = load_sidecar(path)
        assert found is not None
        return found
    given = {"kind": "image", "size": [227, 227], "channels": "BGR", "layout": "NCHW", "resample": "bicubic"}
    return parse_sidecar({"input": {**given, "mean": [104, 117, 123], "scale": 1, "resize": "crop"}})


@cache
def double(path: Path) -> lrp.Network:
    return lrp.load(path).astype(np.float64)


@cache
def sample(path: Path) -> np.ndarray:
    """Return the model's sample input (1, ...) in float64."""
    file = SAMPLES / SAMPLE[path.stem]
    if file.suffix == ".npy":
        return np.load(file).astype(np.float64)
    return read_image(file, sidecar(path), dtype="float64")[0]


# Labelled photos -------------------------------------------------------------------------------------------------


def photos() -> list[tuple[str, bytes]]:
    """Return foolbox's ImageNet photos as (file name, content); skip where there are none."""
    spec = importlib.util.find_spec("foolbox")
    given = os.environ.get("LRP_REF_FOOLBOX")
    if given is None and spec is None:
        pytest.skip("foolbox 3.3.4 is not installed, and LRP_REF_FOOLBOX does not name its wheel or folder")
    place = Path(given) if given is not None else Path(spec.origin).parent
    if place.is_file():
        with zipfile.ZipFile(place) as wheel:
            found = [(Path(n).name, wheel.read(n)) for n in wheel.namelist() if "/data/imagenet_" in n]
    else:
        found = [(file.name, file.read_bytes()) for file in place.rglob("data/imagenet_*.jpg")]
    assert len(found) == 20, f"{place} has {len(found)} photos"
    return sorted(found)


def runtime_logits(path: Path, x: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[k : k + 1]})[0].reshape(1, -1) for k in range(len(x))])


@pytest.mark.parametrize(("path", "right"), [(SQUEEZENET, 16), (EFFICIENTNET, 17)], ids=lambda p: getattr(p, "stem", p))
def test_twenty_labelled_photos(path: Path, right: int, tmp_path: Path) -> None:
    """The number of right answers is what the weights give with this preprocessing in onnxruntime too."""
    if not path.exists():
        pytest.skip(f"{path} is absent")
    inputs, labels = [], []
    for name, content in photos():
        labels.append(int(Path(name).stem.split("_")[2]))
        (tmp_path / name).write_bytes(content)
        inputs.append(read_image(tmp_path / name, sidecar(path))[0][0])
    x = np.ascontiguousarray(np.stack(inputs))
    assert x.dtype == np.float32
    net = lrp.load(path)
    found = np.concatenate([net.forward(x[k : k + 5]).reshape(5, -1) for k in range(0, 20, 5)])
    assert (found.argmax(axis=1) == labels).sum() == right
    expected = runtime_logits(path, x)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    relative = np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)
    assert relative.max() <= 1e-4, relative  # float32; measured 1.5e-6


# Ledgers ---------------------------------------------------------------------------------------------------------


def preset(name: str, path: Path) -> lrp.Composite:
    if name not in ("epsilon_gamma_box", "montavon_vgg16"):
        return lrp.composites.get(name)
    x = sample(path)
    return lrp.composites.get(name, low=float(x.min()) - 0.1, high=float(x.max()) + 0.1)


def exact_sum(array: Any) -> float:
    return math.fsum(np.asarray(array).reshape(-1).tolist())


@pytest.mark.parametrize("name", lrp.composites.names())
@pytest.mark.parametrize("path", NETWORKS)
def test_every_ledger_closes(path: Path, name: str) -> None:
    """At every node, and from the output to the input; all of it within 1e-12 of the smaller of the two scales.

    Where the gates of a cell get half, shares grow beyond what arrives: rounding has the scale of what is handed on.
    """
    explained = lrp.explain(double(path), sample(path), composite=preset(name, path), trace=True)
    assert explained.relevance.dtype == np.float64
    begun = exact_sum(explained.start_relevance)
    largest = max(abs(float(row.relevance_out[0])) for row in explained.ledger)
    assert begun > 0
    grown = 0.0
    for row, planned in zip(explained.ledger, reversed(explained.plan), strict=True):
        size = exact_sum(np.abs(explained.trace.relevance[row.node]))
        scale = min(size or 1, largest)
        if getattr(planned.rule, "product", "") == "half" and isinstance(planned.layer, RecurrentLayer):
            read = lrp.canonize(double(path))[row.node].inputs
            scale = grown = max(scale, *(exact_sum(np.abs(explained.trace.relevance[n])) for n in read))
        assert abs(float(row.residual[0])) <= 1e-12 * scale, row.node
    assert explained.ledger.residual <= 1e-12 * max(1, grown / largest)
    absorbed = [float(getattr(row, c)[0]) for row in explained.ledger for c in ("bias", "stabiliser", "dropped")]
    assert abs(begun - exact_sum(explained.relevance) - math.fsum(absorbed)) <= 1e-12 * max(largest, grown)


@pytest.mark.parametrize("path", NETWORKS)
def test_the_ledger_s_columns_are_the_trace_s_sums(path: Path) -> None:
    explained = lrp.explain(double(path), sample(path), composite="epsilon_plus")
    for row in explained.ledger:
        expected = explained.trace.relevance[row.node]
        assert abs(float(row.relevance_out[0]) - exact_sum(expected)) <= 1e-13 * np.abs(expected).sum(), row.node


def test_a_column_that_is_forgotten_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = MODELS / "digits_cnn.onnx", sharing._bias_mass

    def forgetful(*arguments: Any) -> Any:
        mass, per_unit = kept(*arguments)
        return 0 * mass, per_unit

    monkeypatch.setattr(sharing, "_bias_mass", forgetful)
    assert lrp.explain(double(path), sample(path), composite="epsilon").ledger.residual > 1e-4


@pytest.mark.parametrize("path", NETWORKS)
def test_the_gradient_preset_is_the_derivative(path: Path) -> None:
    """A difference quotient of the whole network along a random direction; R = f_t ∂f_t/∂x for the start f_t.

    Taken beside the sample, because the equal pixels of a background are a kink of every max pool.
    """
    net, draw = double(path), np.random.default_rng(11)
    size = np.abs(sample(path)).max()
    x = sample(path) + 0.01 * size * draw.standard_normal(sample(path).shape)
    direction = size * draw.standard_normal(x.shape)
    explained = lrp.explain(net, x, composite="gradient", trace=False)
    target, logit = int(explained.target[0, 0]), explained.output.reshape(-1)
    step = 1e-9

    def output(shift: float) -> float:
        return float(net.forward(x + shift * direction).reshape(-1)[target])

    quotient = (output(step) - output(-step)) / (2 * step)
    slope = float((explained.relevance * direction).sum()) / logit[target]
    assert abs(slope - quotient) <= 1e-5 * abs(quotient)
