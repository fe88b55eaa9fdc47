"""GRU, RNN and unusual LSTM files: directions, conventions, activations, clipping, compared with onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import onnx, run_ort, write

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.errors import LrpError, UnsupportedError
from lrp_ref.loaders import load
from lrp_ref.loaders import onnx as loader

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
BATCHES = {"Y": 2, "Y_h": 1, "Y_c": 1}
STEPS, FEATURES, HIDDEN = 6, 4, 3


def draw(*shape: int, seed: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def recurrent_file(
    path: Path, kind: str, attributes: dict[str, Any] | None = None, outputs: tuple[str, ...] = (), **more: Any
) -> Path:
    """Write a file of one recurrent node that reads x (T, N, 4) and other inputs and weights by name."""
    attributes = {"direction": "forward", **(attributes or {})}
    d, rows = 2 if attributes["direction"] == "bidirectional" else 1, GATES[kind] * HIDDEN
    weights = {
        "w": draw(d, rows, FEATURES), "r": draw(d, rows, HIDDEN, seed=6), "b": draw(d, 2 * rows, seed=7),
        **more.pop("weights", {}),
    }  # fmt: skip
    made = outputs or OUTPUTS[kind]
    names = [name if name in made else "" for name in OUTPUTS[kind]]
    reads = ["x", "w", "r", *(more.pop("reads", ["b"]))]
    shape = ("N", "T", FEATURES) if attributes.get("layout") else ("T", "N", FEATURES)
    step = (kind, reads, {"outputs": names, "hidden_size": HIDDEN, **attributes})
    return write(path, [step], shape=shape, weights=weights, outputs=made, **more)


def check(path: Path, size: float = 1.0, **feeds: np.ndarray[Any, Any]) -> lrp.Network:
    """Assert that every output is onnxruntime's, for several batches; return the network."""
    net = load(path)
    for n in (3,) if feeds else (1, 3):
        fed = {"x": size * draw(STEPS, n, FEATURES, seed=n), **feeds}
        got, expected = net.forward(fed), run_ort(path, fed)
        got = got if isinstance(got, dict) else {net.outputs[0]: got}
        for value, reference in zip(net.outputs, expected, strict=True):
            assert got[value].shape == reference.shape
            scale = max(1.0, float(np.abs(reference).max()))
            np.testing.assert_allclose(got[value], reference, rtol=1e-5, atol=2e-6 * scale)
    return net


DIRECTIONS = pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
CONVENTIONS = pytest.mark.parametrize(
    ("kind", "convention"),
    [("GRU", {"linear_before_reset": 0}), ("GRU", {"linear_before_reset": 1}), ("RNN", {}),
     ("LSTM", {"input_forget": 1})],
    ids=["GRU-0", "GRU-1", "RNN", "LSTM"],
)  # fmt: skip


@DIRECTIONS
@CONVENTIONS
def test_directions_and_conventions(kind: str, convention: dict[str, int], direction: str, tmp_path: Path) -> None:
    for outputs in (("Y",), ("Y_h",), OUTPUTS[kind]):
        path = recurrent_file(tmp_path / "m.onnx", kind, {"direction": direction, **convention}, outputs)
        net = check(path)
        assert net.output_axes == tuple(BATCHES[name] for name in outputs)
        assert [i.batch_axis for i in net.inputs] == [1]
    check(recurrent_file(tmp_path / "m.onnx", kind, {"direction": direction, **convention}, reads=[]))


@CONVENTIONS
def test_relevance_through_a_file_closes_its_ledger(kind: str, convention: dict[str, int], tmp_path: Path) -> None:
    path = recurrent_file(tmp_path / "m.onnx", kind, {"direction": "bidirectional", **convention}, ("Y_h",))
    net = load(path).astype(np.float64)
    x = draw(STEPS, 3, FEATURES).astype(np.float64)
    for composite in ("epsilon", "epsilon_plus", "gradient", lrp.rules.Epsilon(0.25, 0.5)):
        found = lrp.explain(net, x, composite=composite, target=1, start="output")
        assert found.relevance.shape == x.shape
        assert found.ledger.residual < 1e-12


@DIRECTIONS
@CONVENTIONS
def test_lengths_and_states(kind: str, convention: dict[str, int], direction: str, tmp_path: Path) -> None:
    d, float_, int_ = 2 if direction == "bidirectional" else 1, onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    names = ("h", "c")[: 1 + (kind == "LSTM")]
    inputs = {"n": (int_, ("N",)), **dict.fromkeys(names, (float_, (d, "N", HIDDEN)))}
    path = recurrent_file(
        tmp_path / "m.onnx", kind, {"direction": direction, **convention}, reads=["b", "n", *names], inputs=inputs
    )
    states = {name: draw(d, 3, HIDDEN, seed=k) for k, name in enumerate(names)}
    check(path, n=np.array([6, 3, 1], np.int32), **states)


@CONVENTIONS
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_constant_states(kind: str, convention: dict[str, int], value: float, tmp_path: Path) -> None:
    weights = {"h": np.full((2, 3, HIDDEN), value, np.float32) * draw(2, 1, HIDDEN)}
    attributes = {"direction": "bidirectional", **convention}
    path = recurrent_file(tmp_path / "m.onnx", kind, attributes, reads=["b", "", "h"], weights=weights)
    net, x = load(path), draw(STEPS, 3, FEATURES)
    for output, expected in zip(net.outputs, run_ort(path, {"x": x}), strict=True):
        np.testing.assert_allclose(net.forward({"x": x})[output], expected, rtol=1e-5, atol=1e-6)
    (layer,) = [n.layer for n in net.nodes if isinstance(n.layer, layers.RecurrentLayer)]
    assert layer.state == bool(value)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
@pytest.mark.parametrize("outputs", [("Y",), ("Y_h",), ("Y", "Y_h")], ids="-".join)
def test_the_batch_first(kind: str, outputs: tuple[str, ...], tmp_path: Path) -> None:
    """onnxruntime has no layout 1; the onnx package's evaluator has, for one direction."""
    path = recurrent_file(tmp_path / "m.onnx", kind, {"layout": 1}, outputs)
    x, net = draw(3, STEPS, FEATURES), load(path)
    got = net.forward(x)
    got = got if isinstance(got, dict) else {net.outputs[0]: got}
    for value, expected in zip(
        net.outputs,
        pytest.importorskip("onnx.reference").ReferenceEvaluator(str(path)).run(None, {"x": x}),
        strict=True,
    ):
        np.testing.assert_allclose(got[value], expected, rtol=1e-5, atol=1e-6)


# Activations, clipping, peepholes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "parameters", "expected"),
    [
        ("Relu", (), "relu"), ("Tanh", (), "tanh"), ("Sigmoid", (), "sigmoid"), ("Softplus", (), "softplus"),
        ("HardSigmoid", (), ("hardsigmoid", 0.2, 0.5)), ("HardSigmoid", (0.25, 0.75), ("hardsigmoid", 0.25, 0.75)),
        ("LeakyRelu", (0.25,), ("leakyrelu", 0.25)), ("Elu", (0.5,), ("elu", 0.5)), ("Elu", (), ("elu", 1.0)),
        ("Affine", (1.0, 0.0), "linear"), ("ScaledTanh", (1.0, 1.0), "tanh"),
    ],
    ids=str,
)  # fmt: skip
def test_activations(activation: str, parameters: tuple[float, ...], expected: Any, tmp_path: Path) -> None:
    given = {f"activation_{name}": [p] for name, p in zip(("alpha", "beta"), parameters, strict=False)}
    weights = {"r": 0.3 * draw(1, HIDDEN, HIDDEN)}
    path = recurrent_file(tmp_path / "m.onnx", "RNN", {"activations": [activation], **given}, weights=weights)
    (node,) = (n for n in check(path).nodes if isinstance(n.layer, layers.RNN))
    assert node.layer.activation == expected


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("GRU", {"activations": ["HardSigmoid", "LeakyRelu"] * 2, "direction": "bidirectional",
                 "activation_alpha": [0.25, 0.125, 0.25, 0.125], "activation_beta": [0.5, 0.5]}),
        ("GRU", {"activations": ["Sigmoid", "Relu"], "linear_before_reset": 1}),
        ("LSTM", {"activations": ["HardSigmoid", "Relu", "Sigmoid"], "activation_alpha": [0.25],
                  "activation_beta": [0.5]}),
        ("LSTM", {"activations": ["Sigmoid", "Elu", "LeakyRelu"], "activation_alpha": [0.5, 0.25]}),
        ("LSTM", {"activations": ["sigmoid", "TANH", "Tanh"]}),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_belong_to_the_activations_that_have_some(
    kind: str, attributes: dict[str, Any], tmp_path: Path
) -> None:
    check(recurrent_file(tmp_path / "m.onnx", kind, attributes))


@CONVENTIONS
@pytest.mark.parametrize("clip", [0.5, 2.0])
def test_what_activations_are_applied_to_is_clipped(
    kind: str, convention: dict[str, int], clip: float, tmp_path: Path
) -> None:
    attributes = {"direction": "bidirectional", "clip": clip, **convention}
    net = check(recurrent_file(tmp_path / "m.onnx", kind, attributes), size=4.0)
    usual = load(recurrent_file(tmp_path / "u.onnx", kind, {"direction": "bidirectional", **convention}))
    x = 4 * draw(STEPS, 2, FEATURES)
    assert (
        max(np.abs(a - b).max() for a, b in zip(net.forward(x).values(), usual.forward(x).values(), strict=True)) > 0.1
    )


def test_the_cell_of_an_lstm_is_not_clipped(tmp_path: Path) -> None:
    """All gates at their bound σ(½) and g at tanh(½): c_t goes to σ(½) tanh(½)/(1 − σ(½)) = 0.76, above the bound."""
    weights = {"w": np.ones((1, 4 * HIDDEN, FEATURES), np.float32)}
    path = recurrent_file(tmp_path / "m.onnx", "LSTM", {"clip": 0.5}, ("Y_h", "Y_c"), weights=weights)
    x = np.full((40, 1, FEATURES), 9, np.float32)
    h, c = load(path).forward(x).values()
    expected = run_ort(path, {"x": x})
    np.testing.assert_allclose(c, expected[1], rtol=1e-5)
    np.testing.assert_allclose(h, expected[0], rtol=1e-5)
    np.testing.assert_allclose(c, np.tanh(0.5) * np.exp(0.5), rtol=1e-5)


@DIRECTIONS
@pytest.mark.parametrize("more", [{}, {"input_forget": 1}, {"clip": 0.75}, {"clip": 0.75, "input_forget": 1}], ids=str)
def test_peepholes(direction: str, more: dict[str, Any], tmp_path: Path) -> None:
    d = 2 if direction == "bidirectional" else 1
    weights, reads = {"p": draw(d, 3 * HIDDEN, seed=9)}, ["b", "", "", "", "p"]
    path = recurrent_file(tmp_path / "m.onnx", "LSTM", {"direction": direction, **more}, weights=weights, reads=reads)
    net = check(path)
    assert any(isinstance(n.layer, layers.GeneralLSTM) for n in net.nodes)
    weights = {"p": 0 * weights["p"]}
    path = recurrent_file(tmp_path / "z.onnx", "LSTM", {"direction": direction}, weights=weights, reads=reads)
    assert any(isinstance(n.layer, layers.LSTM) for n in check(path).nodes)  # peepholes of 0 are none


# Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "attributes", "more", "reason"),
    [
        ("RNN", {"activations": ["Softsign"]}, {}, "activation Softsign; supported are affine, elu"),
        ("RNN", {"activations": ["Affine"], "activation_alpha": [2.0], "activation_beta": [0.5]}, {},
         "activation affine with the parameters 2, 0.5"),
        ("RNN", {"activations": ["ScaledTanh"], "activation_alpha": [1.5]}, {}, "activation scaledtanh with"),
        ("GRU", {"activations": ["Sigmoid"]}, {}, "1 activations (Sigmoid) where 2 are needed"),
        ("LSTM", {"direction": "bidirectional", "activations": ["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Relu", "Tanh"]},
         {}, "activations that differ between the directions"),
        ("GRU", {"hidden_size": 4}, {}, "for a hidden_size of 4"),
        ("GRU", {"direction": "sideways"}, {}, "direction must be one of forward, reverse, bidirectional"),
        ("GRU", {}, {"weights": {"w": draw(2, 9, 4)}}, "for 1 directions"),
        ("GRU", {}, {"weights": {"w": draw(1, 8, 4)}}, "weights of shapes (1, 8, 4)"),
        ("GRU", {}, {"weights": {"r": draw(1, 9, 2)}}, "weight_hidden (1, 3, 3, 2)"),
        ("GRU", {}, {"weights": {"b": draw(1, 9)}}, "do not fit each other"),
        ("GRU", {"clip": -1.0}, {}, "clip must be above 0"),
        ("LSTM", {}, {"reads": ["b", "", "", "", "p"], "weights": {"p": np.ones((1, 8), np.float32)}}, "do not fit"),
        ("RNN", {}, {"reads": ["b", "n"], "weights": {"n": np.array([2, 3, 1], np.int32)}}, "lengths of sequences"),
        ("RNN", {}, {"reads": ["b", "", "h"], "weights": {"h": draw(1, 2, HIDDEN)}}, "differs between the samples"),
    ],
    ids=lambda v: str(v)[:40],
)  # fmt: skip
def test_what_cannot_be_expressed_is_refused_by_name(
    kind: str, attributes: dict[str, Any], more: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = recurrent_file(tmp_path / "m.onnx", kind, attributes, **more)
    with pytest.raises(LrpError) as caught:
        load(path)
    text = str(caught.value)
    assert isinstance(caught.value, UnsupportedError)
    assert reason in text
    assert f"{kind} 'Y'" in text
    assert "\n" not in text
    assert len(text) <= 600


# Files of PyTorch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GRU", "RNN", "LSTM"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_packed_sequences(kind: str, batch_first: bool, tmp_path: Path) -> None:
    """Two stacked layers of both directions over samples of several lengths. Only the older exporter writes such."""
    torch = pytest.importorskip("torch")
    rnn = torch.nn.utils.rnn

    class Packed(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cells = getattr(torch.nn, kind)(4, 3, num_layers=2, bidirectional=True, batch_first=batch_first)

        def forward(self, x: Any, n: Any) -> Any:
            y, h = self.cells(rnn.pack_padded_sequence(x, n, batch_first=batch_first))
            h = h[0] if isinstance(h, tuple) else h
            return torch.cat([h[-2], h[-1]], 1), rnn.pad_packed_sequence(y, batch_first=batch_first)[0]

    torch.manual_seed(3)
    module, n, axis = Packed().eval(), torch.tensor([7, 4, 2]), 1 - batch_first
    x, path = torch.randn(*((3, 7, 4) if batch_first else (7, 3, 4))), tmp_path / "packed.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x, n), str(path), dynamo=False, input_names=["x", "n"], output_names=["h", "y"],
            dynamic_axes={"x": {axis: "N"}, "n": {0: "N"}}, opset_version=17,
        )  # fmt: skip
        with torch.no_grad():
            expected = module(x, n)
    net = load(path)
    got = net.forward({"x": x.numpy(), "n": n.numpy()})
    for value, reference in zip(net.outputs, expected, strict=True):
        np.testing.assert_allclose(got[value], reference.numpy(), rtol=1e-5, atol=1e-6)
    one = net.until(net.outputs[0]).astype(np.float64)
    found = lrp.explain(one, {"x": x.numpy().astype(np.float64), "n": n.numpy()}, target=2)
    assert found.ledger.residual < 1e-12
    received = found.relevance["x"] if batch_first else found.relevance["x"].swapaxes(0, 1)
    assert not received[1, 4:].any()  # behind the end of the second sample
    assert received[1, :4].any()


BUG = Path(__file__).parents[3] / "shared" / "bug-inputs" / "ecg_gru.onnx"


@pytest.mark.skipif(not BUG.exists(), reason="../shared is absent")
def test_a_stored_network_with_a_gru() -> None:
    conversion = loader.convert(BUG)
    net, x = conversion.network, draw(5, 2, 40)
    np.testing.assert_allclose(net.forward(x), run_ort(BUG, {"x": x})[0], rtol=1e-5, atol=1e-6)
    found = lrp.explain(net.astype(np.float64), x.astype(np.float64), target=0)
    assert found.ledger.residual < 1e-12
