"""Trained networks on real images: every ledger closes exactly, and the floats are near the truth.

Small networks run on rationals, a convolutional network of LeNet's size in a prime field, the LSTM on balls. The large
network takes 6 to 25 s a composite; LRP_REF_EVERY_COMPOSITE=1 runs them all (4 minutes).
"""

from __future__ import annotations

import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lrp_ref as lrp
from lrp_ref import exact as cert
from lrp_ref.rules import share as sharing

pytest.importorskip("flint")

MODELS = Path(__file__).parents[2] / "models"
SAMPLES = MODELS / "samples"
TRANSCENDENTAL = "beta_smooth"  # its ReLU has the derivative of a softplus, a sigmoid
EXACT = [name for name in lrp.composites.PRESETS if name != TRANSCENDENTAL]
LARGE = EXACT if os.environ.get("LRP_REF_EVERY_COMPOSITE") else ["lrp0", "epsilon_plus_flat"]


def preset(name: str) -> lrp.Composite:
    bounds = {"low": 0.0, "high": 1.0} if name in ("epsilon_gamma_box", "montavon_vgg16") else {}
    return lrp.composites.get(name, **bounds)


@cache
def small(name: str) -> lrp.Network:
    return lrp.load(MODELS / f"{name}.npz").astype("float64")


@cache
def digits() -> np.ndarray[Any, Any]:
    images: np.ndarray[Any, Any] = np.load(SAMPLES / "digits8_test10.npz")["image"].astype(np.float64)
    return images


@cache
def lenet() -> tuple[lrp.Network, np.ndarray[Any, Any]]:
    pytest.importorskip("onnx")
    pixels = np.asarray(Image.open(SAMPLES / "digit_3.png").convert("L"), dtype=np.float64)
    return lrp.load(MODELS / "digits_cnn.onnx").astype("float64"), pixels[None, None] / 255


@pytest.mark.parametrize("model", ["digits8_mlp", "digits8_cnn"])
def test_the_small_networks_are_right_about_their_samples(model: str) -> None:
    assert small(model).forward(digits()).argmax(axis=1).tolist() == list(range(10))


@pytest.mark.parametrize("composite", EXACT)
@pytest.mark.parametrize("model", ["digits8_mlp", "digits8_cnn"])
def test_on_rationals_every_residual_is_exactly_0_and_floats_are_near(model: str, composite: str) -> None:
    net, x = small(model), digits()[2:5]
    floats = lrp.explain(net, x, composite=preset(composite))

    def exact(a: Any) -> Any:
        return lrp.arithmetic.rational(a, library="flint")

    true = lrp.explain(exact(net), exact(x), composite=preset(composite), target=floats.target)
    assert len(true.ledger) == len(net)
    for row in true.ledger:
        assert [v.fraction() for v in row.residual] == [Fraction(0)] * 3
        out = row.relevance_in + row.bias + row.stabiliser + row.dropped
        assert [v.fraction() for v in row.relevance_out] == [v.fraction() for v in out]
    for r, t in zip(floats.relevance, true.relevance, strict=True):
        largest = max(abs(v.fraction()) for v in t.flat)
        off = max(abs(Fraction(a) - b.fraction()) for a, b in zip(r.flat.copy().tolist(), t.flat, strict=True))
        assert off / Fraction(float(np.spacing(float(largest)))) <= 32


@pytest.mark.parametrize("system", ["rational", "field"])
def test_the_smooth_slope_is_refused_with_the_reason(system: str) -> None:
    found = cert.identities(small("digits8_cnn"), digits()[:1], composite=TRANSCENDENTAL, system=system)
    assert not found.hold
    assert "sigmoid has no exact value" in found.refused


def test_balls_hold_the_smooth_slope_too() -> None:
    """Here the slope at a ReLU's 0 is not 0, so windows of zeros, whose first takes all, are ties that matter."""
    net, x = small("digits8_cnn"), digits()[:2]
    certificate = lrp.certify(net, x, composite=TRANSCENDENTAL, system="none")
    assert certificate.verdict == "certified with ties"
    true = lrp.arithmetic.rational(net).until("relu1").forward(lrp.arithmetic.rational(x))
    windows = true.reshape(2, 4, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
    tied = sum(sorted(w)[-1] == sorted(w)[-2] for w in windows.tolist())
    assert tied > 5
    assert {d.node: d.ties for d in certificate.decisions if d.ties} == {"maxpool1": tied}
    assert certificate.residual < 1e-20


@pytest.mark.parametrize("composite", LARGE)
def test_in_the_prime_field_every_residual_of_a_large_network_is_0(composite: str) -> None:
    net, x = lenet()
    found = cert.identities(net, x, composite=preset(composite), system="field")
    assert found.hold
    assert found.rows == len(net)
    assert 0 < found.probability < 1e-17


def test_a_term_that_is_left_out_is_seen_in_the_prime_field(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sharing._bias_mass

    def without(passes: Any, sent: Any, *rest: Any) -> Any:
        bias, units = whole(passes, sent, *rest)
        return (bias * 0, units) if sent.message.shape[-1] == 10 else (bias, units)

    monkeypatch.setattr(sharing, "_bias_mass", without)
    found = cert.identities(small("digits8_cnn"), digits()[:2], composite="epsilon", system="field")
    assert found.nonzero == ("dense1",)


def test_the_certificate_of_a_large_network() -> None:
    net, x = lenet()
    certificate = lrp.certify(net, x, composite="epsilon_plus_flat", system="none")
    assert certificate.verdict == "certified"
    assert certificate.bits == 128
    assert certificate.worst is not None
    assert certificate.worst.relevance_ulp < 32
    assert certificate.residual < 1e-20
    assert sum(d.close + d.ties for d in certificate.decisions) == 0


@pytest.mark.parametrize("speaker", [1, 4, 9])
def test_the_certificate_of_the_lstm(speaker: int) -> None:
    pytest.importorskip("onnx")
    x = np.load(SAMPLES / f"vowel_speaker{speaker}.npy")
    certificate = lrp.certify(lrp.load(MODELS / "sequence_lstm.onnx"), x)
    assert certificate.verdict == "certified"
    assert [n.node for n in certificate.nodes] == ["dense", "lstm", "series"]
    assert certificate.worst is not None
    assert certificate.worst.relevance_ulp < 128
    assert certificate.residual < 1e-20
    assert "tanh has no exact value" in certificate.identities.refused
