"""Numbers of a composite that are inputs of the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.arithmetic import Adjustable
from lrp_ref.network import Network

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def convolutional() -> Network:
    rng = np.random.default_rng(3)
    stack = [
        layers.Conv(rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3), padding=1),
        layers.ReLU(),
        layers.Conv(rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(rng.normal(size=(64, 5)), rng.normal(size=5)),
    ]
    return Network.sequential(stack)


def test_a_number_with_a_name_counts_as_a_plain_one_among_arrays() -> None:
    x, half = np.ones(2, dtype=np.float32), Adjustable(0.5, "half")
    for made in (x * half, half * x, x + half, x / half, np.add(half, x), np.maximum(x, half)):
        assert made.dtype == np.float32
    assert (x * half).tolist() == [0.5, 0.5]
    assert np.add(half, half) == 1


def test_what_is_fed_counts_and_has_no_default_in_the_graph(tmp_path: Path) -> None:
    """A runtime for JavaScript passes over what is fed for an input that has a default."""
    net, x = convolutional(), np.random.default_rng(4).normal(size=(2, 1, 6, 6)).astype(np.float32)
    written = lrp.export_onnx(
        net, "epsilon_gamma_box", tmp_path / "g.onnx", shapes=(1, 6, 6), adjustable=["gamma"], low=-3.0, high=3.0
    )
    assert ("gamma", "float32", "()") in written.inputs
    model = onnx.load(written.path)
    assert "gamma" not in [tensor.name for tensor in model.graph.initializer]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert sorted(each.name for each in session.get_inputs()) == ["gamma", "input"]
    for gamma in (0.1, 1.5):
        (found,) = session.run(["relevance"], {"input": x, "gamma": np.array(gamma, dtype=np.float32)})
        wide = x.astype("float64")
        expected = lrp.explain(net, wide, composite="epsilon_gamma_box", low=-3.0, high=3.0, gamma=gamma).relevance
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_compiled_explanation_has_the_composite_s_number() -> None:
    net, x = convolutional(), np.random.default_rng(5).normal(size=(2, 1, 6, 6)).astype(np.float32)
    named = lrp.composites.get("epsilon_gamma_box", low=-3.0, high=3.0, gamma=Adjustable(0.4, "gamma"))
    expected = lrp.explain(net, x.astype("float64"), composite="epsilon_gamma_box", low=-3.0, high=3.0, gamma=0.4)
    difference = np.abs(lrp.compile(net, named, example=x)(x).relevance - expected.relevance).max()
    assert difference < 1e-5 * np.abs(expected.relevance).max()
