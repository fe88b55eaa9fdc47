"""Functions of every element: compared with onnxruntime, also of samples that are single numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, helper, number, onnx, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import CELU, ELU, GELU, Function, LeakyReLU, Power, SiLU, Swish, ThresholdedReLU
from lrp_ref.loaders import load

X = np.array([[-3.0, -1.5, -0.5, 0.0, 0.25, 0.5, 1.0, 2.5]], np.float32) * np.ones((3, 1), np.float32)
X[1] *= 0.7
X[2] -= 0.1
PLAIN = (
    "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "Erf", "Sign", "Floor", "Ceil", "Round", "Softsign",
)  # fmt: skip
INSIDE = {"Asin": X / 4, "Acos": X / 4, "Atanh": X / 4, "Acosh": np.abs(X) + 1}
WITH: list[tuple[str, dict[str, Any], int]] = [
    ("Celu", {}, 12), ("Celu", {"alpha": 0.4}, 12), ("Shrink", {}, 17), ("Shrink", {"lambd": 0.25, "bias": 0.25}, 17),
    ("Shrink", {"bias": 1.0}, 17), ("ThresholdedRelu", {}, 17), ("ThresholdedRelu", {"alpha": 0.3}, 17),
    ("ThresholdedRelu", {"alpha": -1.0}, 17), ("Mish", {}, 18),
]  # fmt: skip


def passes(net: Any, x: Any) -> None:
    """Assert that an explanation hands the relevance on unchanged."""
    start = np.random.default_rng(0).normal(size=x.shape)
    e = lrp.explain(net.astype(np.float64), x.astype(np.float64), start=start)
    np.testing.assert_array_equal(e.relevance, start)
    assert e.ledger.residual == 0


@pytest.mark.parametrize("kind", [*PLAIN, *INSIDE])
def test_a_function_agrees_with_onnxruntime_and_hands_relevance_on(kind: str, tmp_path: Path) -> None:
    x = INSIDE.get(kind, X)
    net = agrees(write(tmp_path / "m.onnx", [(kind, ["x"], {})], shape=("N", 8)), x)
    assert [n.layer for n in net.nodes] == [Function(kind.lower())]
    passes(net, x)


@pytest.mark.parametrize(("kind", "attributes", "opset"), WITH, ids=str)
def test_an_activation_with_a_parameter(kind: str, attributes: dict[str, Any], opset: int, tmp_path: Path) -> None:
    net = agrees(write(tmp_path / "m.onnx", [(kind, ["x"], attributes)], shape=("N", 8), opset=opset), X)
    passes(net, X)


@pytest.mark.parametrize(("kind", "reads", "strictly"), [
    ("Greater", ["t0", "x", "zero"], True), ("LessOrEqual", ["t0", "zero", "x"], True),
    ("GreaterOrEqual", ["t0", "x", "zero"], False), ("Less", ["t0", "zero", "x"], False),
])  # fmt: skip
def test_a_choice_of_what_is_above_a_number_is_a_thresholded_relu(
    kind: str, reads: list[str], strictly: bool, tmp_path: Path
) -> None:
    steps: list[Step] = [(kind, ["x", "half"], {}), ("Where", reads, {})]
    given = {"half": number(0.5), "zero": number(0)}
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 8), weights=given), X)
    assert ([n.layer for n in net.nodes] == [ThresholdedReLU(0.5)]) is strictly


def test_swish_is_silu_where_it_is(tmp_path: Path) -> None:
    """onnxruntime does not know it yet: here the expected values are those of ONNX's text."""
    for attributes, layer in (({}, SiLU()), ({"alpha": 1.0}, SiLU()), ({"alpha": 0.5}, Swish(0.5))):
        path = write(tmp_path / "m.onnx", [("Swish", ["x"], attributes)], shape=("N", 8), opset=24)
        net = load(path)
        assert [n.layer for n in net.nodes] == [layer]
        alpha = attributes.get("alpha", 1.0)
        np.testing.assert_allclose(net.forward(X), X / (1 + np.exp(-alpha * X)), rtol=2e-6)
    for attributes, other in (({}, ELU()), ({"alpha": 2.0}, CELU(2.0))):
        path = write(tmp_path / "m.onnx", [("Celu", ["x"], attributes)], shape=("N", 8))
        assert [n.layer for n in load(path).nodes] == [other]


@pytest.mark.parametrize(
    ("kind", "reads", "attributes", "layers"),
    [
        ("Gelu", ["x"], {}, [GELU()]),
        ("QuickGelu", ["x"], {}, [Swish(1.702)]),
        ("QuickGelu", ["x"], {"alpha": 0.5}, [Swish(0.5)]),
        ("FastGelu", ["x"], {}, [GELU("tanh")]),
        ("FastGelu", ["x", "b"], {}, None),
        ("BiasGelu", ["x", "b"], {}, None),
    ],
    ids=str,
)
def test_onnxruntimes_own_activations(
    kind: str, reads: list[str], attributes: dict[str, Any], layers: Any, tmp_path: Path
) -> None:
    node = helper.make_node(kind, reads, ["y"], domain="com.microsoft", **attributes)
    tensors = [onnx.numpy_helper.from_array(weight(8), "b")] if "b" in reads else []
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ("N", 8)) for n in ("x", "y")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "g", values[:1], values[1:], tensors)
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    net = load(path)
    np.testing.assert_allclose(net.forward(X), run_ort(path, {"x": X})[0], rtol=2e-5, atol=1e-6)
    assert layers is None or [n.layer for n in net.nodes] == layers


# Powers ------------------------------------------------------------------------------------------------------------

POWERS = {
    "one": np.abs(weight(8)) + 0.5,  # whatever was drawn before: 0 has no power below 0
    "whole": whole(0, 1, 2, 3, 4, 1, 2, 3),
    "column": np.array([[[2.0]], [[3.0]]], np.float32),
}


@pytest.mark.parametrize("name", POWERS)
def test_one_exponent_for_each_element(name: str, tmp_path: Path) -> None:
    c = POWERS[name]
    shape = ("N", 2, 1, 8) if name == "column" else ("N", 8)
    x = np.abs(X) if name == "one" else X
    x = np.stack([x, -x], 1)[:, :, None] if name == "column" else x
    net = agrees(write(tmp_path / "m.onnx", [("Pow", ["x", "e"], {})], shape=shape, weights={"e": c}), x)
    assert isinstance(net.nodes[-1].layer, Power)


def test_a_constant_to_the_power_of_a_signal(tmp_path: Path) -> None:
    for c in (number(2.5), weight(8) ** 2 + 0.5):
        agrees(write(tmp_path / "m.onnx", [("Pow", ["c", "x"], {})], shape=("N", 8), weights={"c": c}), X)
    for c, reads, reason in (
        (number(0), ["c", "x"], "a power of a constant that is not positive"),
        (number(1), ["x", "x"], "a power of two signals"),
    ):
        given = {"c": c} if "c" in reads else {}
        path = write(tmp_path / "m.onnx", [("Pow", reads, {})], shape=("N", 8), weights=given)
        with pytest.raises(UnsupportedError, match=reason):
            load(path)


# Slopes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1,), (1, 1, 1), (4, 1, 1), (1, 2, 1), (5,), (2, 5), (4, 2, 5), (1, 4, 1, 1)], ids=str
)
def test_slopes_of_every_shape_that_fits(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(3, 4, 2, 5)).astype(np.float32)
    path = write(tmp_path / "m.onnx", [("PRelu", ["x", "s"], {})], shape=("N", 4, 2, 5), weights={"s": weight(*shape)})
    net = agrees(path, x)
    assert isinstance(net.nodes[0].layer, LeakyReLU)


@pytest.mark.parametrize(
    ("shape", "sample"),
    [((3,), (4, 2, 5)), ((4,), (4, 2, 5)), ((4, 1, 1), (1, 2, 5)), ((3,), (1,)), ((2, 1, 5, 1), (4, 5))],
)
def test_slopes_that_do_not_fit_are_refused(shape: tuple[int, ...], sample: tuple[int, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [("PRelu", ["x", "s"], {})], shape=("N", *sample), weights={"s": weight(*shape)})
    with pytest.raises(UnsupportedError, match=r"PRelu 'y' \((slopes|a constant) of shape") as caught:
        load(path)
    assert "\n" not in str(caught.value)


# Samples that are single numbers -----------------------------------------------------------------------------------

SINGLE: list[list[Step]] = [
    [("Neg", ["x"], {})], [("Mul", ["x", "two"], {}), ("Add", ["t0", "one"], {})], [("Add", ["x", "x"], {})],
    [("Pow", ["x", "two"], {})], [("Max", ["x", "half"], {})], [("PRelu", ["x", "half"], {})], [("Sin", ["x"], {})],
    [("Abs", ["x"], {}), ("Add", ["t0", "one"], {}), ("Div", ["x", "t1"], {})], [("Sub", ["one", "x"], {})],
    [("Div", ["two", "x"], {})], [("Clip", ["x", "half", "two"], {})],
]  # fmt: skip
NUMBERS = {"one": number(1), "two": number(2), "half": np.array([0.5], np.float32)}


@pytest.mark.parametrize("steps", SINGLE, ids=lambda s: " ".join(kind for kind, _, _ in s))
def test_samples_without_axes(steps: list[Step], tmp_path: Path) -> None:
    given = {n: a for n, a in NUMBERS.items() if any(n in reads for _, reads, _ in steps)}
    x = np.array([1.5, -2.0, 0.25, 3.0], np.float32)
    path = write(tmp_path / "m.onnx", steps, shape=("N",), weights=given)
    for some in (x, x[:1]):
        net = agrees(path, some)
    start = np.array([1.0, -2.0, 0.5, 3.0])
    e = lrp.explain(net.astype(np.float64), x.astype(np.float64), composite="lrp0", start=start)
    assert e.relevance.shape == x.shape
    assert e.ledger.residual < 1e-12


# Casts -------------------------------------------------------------------------------------------------------------


def test_a_cast_to_the_type_of_another_tensor(tmp_path: Path) -> None:
    steps: list[Step] = [("CastLike", ["two", "x"], {}), ("Mul", ["x", "t0"], {}), ("CastLike", ["t1", "x"], {}),
                         ("CastLike", ["t2", "one"], {}), ("Relu", ["t3"], {})]  # fmt: skip
    given = {"two": whole(2).reshape(()), "one": number(1)}
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 8), weights=given), X)
    assert [type(n.layer).__name__ for n in net.nodes] == ["Affine", "ReLU"]


def test_a_cast_to_integers_like_another_tensor_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [("CastLike", ["x", "i"], {})], shape=("N", 8), weights={"i": whole(1)})
    with pytest.raises(UnsupportedError, match=r"CastLike 'y' \(a cast to int64"):
        load(path)
