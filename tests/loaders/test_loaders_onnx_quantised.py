"""Quantised files and half precision: read as real numbers, and equal to onnxruntime where nothing is rounded.

Inputs, weights and scales are chosen so that every value lies on the steps of its integers: then rounding changes
nothing, and both must agree exactly, also where values are beyond the range and are cut off.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, onnx, runtime, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Clip, Conv, Dense
from lrp_ref.loaders import check_against_onnxruntime, load

quantization = pytest.importorskip("onnxruntime.quantization")
RNG = np.random.default_rng(8)
MICROSOFT = {"domain": "com.microsoft"}


def number(value: float) -> np.ndarray[Any, Any]:
    return np.array(value, np.float32)


def small(*shape: int, step: float = 1, most: int = 5, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    """Return random multiples of ``step``."""
    return (RNG.integers(-most, most + 1, shape) * step).astype(dtype)


def run_ort(path: Path, feeds: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """Run a file as it stands: onnxruntime's optimisations round anew."""
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(v) for v in session.run(None, feeds)]


def write_with(path: Path, steps: list[Step], **options: Any) -> Path:
    """Write a model that also has onnxruntime's own operators."""
    write(path, steps, **options)
    model = onnx.load(path)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    path.write_bytes(model.SerializeToString())
    return path


BYTES = {"s": number(0.25), "z": np.array(7, np.uint8), "t": number(0.5), "u": np.array(128, np.uint8)}
IN: Step = ("QuantizeLinear", ["x", "s", "z"], {"outputs": ["xq"]})
OUT: Step = ("DequantizeLinear", ["yq", "t", "u"], {"outputs": ["y"]})
BIAS = {"c": small(3, dtype=np.int32), "v": number(2), "w": small(3, 2, 2, 2, dtype=np.int8), "k": np.array(1, np.int8)}
CHANNELS = {"v": np.array([2, 4, 8], np.float32), "k": np.array([1, 0, -2], np.int8)}
PICTURE, ROW = (2, 2, 4, 5), (2, 4)
MATRIX = {"w": small(4, 3, dtype=np.int8), "v": number(2), "k": np.array(1, np.int8)}
COLUMNS = {"v": np.array([2, 4, 8], np.float32), "k": np.array([1, 0, -2], np.int8)}
EXACT: dict[str, tuple[list[Step], tuple[int, ...], dict[str, Any]]] = {
    "there and back": (
        [("QuantizeLinear", ["x", "s", "z"], {}), ("DequantizeLinear", ["t0", "s", "z"], {})],
        ROW,
        BYTES,
    ),
    "another scale on the way back": (
        [("QuantizeLinear", ["x", "s", "z"], {}), ("DequantizeLinear", ["t0", "t", "z2"], {})],
        ROW,
        {**BYTES, "z2": np.array(5, np.uint8)},
    ),
    "a node without a zero point": (
        [("QuantizeLinear", ["x", "s"], {}), ("DequantizeLinear", ["t0", "s"], {})],
        ROW,
        BYTES,
    ),
    "integers that are moved": (
        [
            ("QuantizeLinear", ["x", "s", "z"], {}),
            ("Transpose", ["t0"], {"perm": [0, 2, 1, 3]}),
            ("MaxPool", ["t1"], {"kernel_shape": [2, 2]}),
            ("Reshape", ["t2", "shape"], {}),
            ("Concat", ["t3", "t3"], {"axis": 1}),
            ("DequantizeLinear", ["t4", "s", "z"], {}),
        ],
        PICTURE,
        {**BYTES, "shape": whole(0, -1)},
    ),
    "convolution": (
        [
            IN,
            ("QLinearConv", ["xq", "s", "z", "w", "v", "k", "t", "u", "c"], {"outputs": ["yq"], "pads": [1, 0, 0, 1]}),
            OUT,
        ],
        PICTURE,
        {**BYTES, **BIAS},
    ),
    "convolution without bias, by channel": (
        [IN, ("QLinearConv", ["xq", "s", "z", "w", "v", "k", "t", "u"], {"outputs": ["yq"]}), OUT],
        PICTURE,
        {**BYTES, **BIAS, **CHANNELS},
    ),
    "matrix": (
        [IN, ("QLinearMatMul", ["xq", "s", "z", "w", "v", "k", "t", "u"], {"outputs": ["yq"]}), OUT],
        ROW,
        {**BYTES, **MATRIX},
    ),
    "matrix by column": (
        [IN, ("QLinearMatMul", ["xq", "s", "z", "w", "v", "k", "t", "u"], {"outputs": ["yq"]}), OUT],
        ROW,
        {**BYTES, **MATRIX, **COLUMNS},
    ),
    "integer convolution": (
        [
            IN,
            ("ConvInteger", ["xq", "w", "z", "k"], {"outputs": ["i"], "strides": [2, 1]}),
            ("Cast", ["i"], {"to": 1, "outputs": ["f"]}),
            ("Mul", ["f", "unit"], {}),
            ("Add", ["t3", "b"], {"outputs": ["y"]}),
        ],
        PICTURE,
        {**BYTES, **BIAS, "unit": number(0.5), "b": small(3, 1, 1)},
    ),
    "integer matrix": (
        [
            IN,
            ("MatMulInteger", ["xq", "w", "z", "k"], {"outputs": ["i"]}),
            ("Cast", ["i"], {"to": 1, "outputs": ["f"]}),
            ("Mul", ["unit", "f"], {"outputs": ["y"]}),
        ],
        ROW,
        {**BYTES, **MATRIX, "unit": np.array([0.5, 0.25, 2], np.float32)},
    ),
    "weights by blocks": (
        [("DequantizeLinear", ["w", "v", "k"], {"axis": 0, "block_size": 2}), ("MatMul", ["x", "t0"], {})],
        ROW,
        {"w": small(4, 3, dtype=np.int8), "v": small(2, 3, step=0.5) + 4, "k": small(2, 3, dtype=np.int8)},
    ),
    "weights by channel": (
        [("DequantizeLinear", ["w", "v", "k"], {"axis": 0}), ("Conv", ["x", "t0"], {})],
        PICTURE,
        {**BIAS, **CHANNELS},
    ),
    "weights quantised in the file": (
        [
            ("QuantizeLinear", ["m", "t", "u"], {}),
            ("DequantizeLinear", ["t0", "t", "u"], {}),
            ("MatMul", ["x", "t1"], {}),
        ],
        ROW,
        {**BYTES, "m": small(4, 3, step=0.5)},
    ),
}
OWN: dict[str, tuple[list[Step], tuple[int, ...], dict[str, Any]]] = {
    "sum": (
        [IN, ("QLinearAdd", ["xq", "s", "z", "xq", "s", "z", "t", "u"], {"outputs": ["yq"], **MICROSOFT}), OUT],
        ROW,
        BYTES,
    ),
    "sum with a constant": (
        [
            IN,
            ("QLinearAdd", ["xq", "s", "z", "d", "v", "k", "t", "u"], {"outputs": ["yq"], **MICROSOFT}),
            ("DequantizeLinear", ["yq", "t", "u8"], {"outputs": ["y"]}),
        ],
        ROW,
        {
            **BYTES,
            "d": np.array([3, 0, 255, 9], np.uint8),
            "v": number(0.5),
            "k": np.array(4, np.uint8),
            "t": number(0.25),
            "u8": BYTES["u"],
        },
    ),
    "gemm": (
        [IN, ("QGemm", ["xq", "s", "z", "w", "v", "k", "c", "t", "u"], {"outputs": ["yq"], **MICROSOFT}), OUT],
        ROW,
        {**BYTES, **MATRIX, "c": small(3, dtype=np.int32)},
    ),
    "gemm to numbers": (
        [IN, ("QGemm", ["xq", "s", "z", "w", "v", "k", "c"], {"outputs": ["y"], "transB": 1, **MICROSOFT})],
        ROW,
        {**BYTES, "w": small(3, 4, dtype=np.int8), **COLUMNS, "c": small(3, dtype=np.int32)},
    ),
    "side by side": (
        [
            IN,
            ("QLinearConcat", ["t", "u8", "xq", "s", "z", "xq", "s", "z"], {"axis": 1, "outputs": ["yq"], **MICROSOFT}),
            ("DequantizeLinear", ["yq", "t", "u8"], {"outputs": ["y"]}),
        ],
        ROW,
        {**BYTES, "u8": np.array(3, np.uint8)},
    ),
    "leaky": (
        [
            IN,
            ("QLinearLeakyRelu", ["xq", "s", "z", "t", "u8"], {"alpha": 0.5, "outputs": ["yq"], **MICROSOFT}),
            ("DequantizeLinear", ["yq", "t2", "u8"], {"outputs": ["y"]}),
        ],
        ROW,
        {**BYTES, "t": number(0.125), "t2": number(0.125), "u8": np.array(90, np.uint8)},
    ),
    "average": (
        [
            IN,
            ("QLinearGlobalAveragePool", ["xq", "s", "z", "t", "u8"], {"outputs": ["yq"], **MICROSOFT}),
            ("DequantizeLinear", ["yq", "t", "u8"], {"outputs": ["y"]}),
        ],
        (2, 2, 2, 2),
        {**BYTES, "t": number(0.0625), "u8": np.array(90, np.uint8)},
    ),
    "sixteen bits": (
        [("QuantizeLinear", ["x", "s", "z"], MICROSOFT), ("DequantizeLinear", ["t0", "s", "z"], MICROSOFT)],
        ROW,
        {"s": number(0.25), "z": np.array(-9, np.int16)},
    ),
}


@pytest.mark.parametrize("name", [*EXACT, *OWN])
def test_what_lies_on_the_steps_is_equal_to_onnxruntime(name: str, tmp_path: Path) -> None:
    steps, shape, weights = (EXACT | OWN)[name]
    used = {n: a for n, a in weights.items() if any(n in reads for _, reads, _ in steps)}
    writes = write_with if name in OWN else write
    path = writes(tmp_path / "m.onnx", steps, shape=shape, weights=used, opset=21 if "block" in name else 17)
    x = small(*shape, step=0.5, most=12)
    x.reshape(-1)[:2] = (500, -500)  # beyond the range of bytes
    if name in ("weights by blocks", "average"):
        x = small(*shape, step=0.5, most=12)
    net = load(path)
    (expected,) = run_ort(path, {"x": x})
    np.testing.assert_array_equal(net.forward(x), expected)
    if not name.startswith("weights"):
        assert "read as real numbers, not rounded, within the range of" in net.notes[0]
        assert f"note: {net.notes[0]}" in repr(net)
    e = lrp.explain(net.astype(np.float64), x.astype(np.float64), composite="lrp0", start="output")
    assert e.ledger.residual < 1e-12


DYNAMIC: list[Step] = [("DynamicQuantizeLinear", ["x"], {"outputs": ["xq", "xs", "xz"]})]


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("kind", ["MatMulInteger", "ConvInteger"])
def test_a_scale_that_depends_on_the_input_and_makes_whole_steps(kind: str, order: bool, tmp_path: Path) -> None:
    """−127…128 are 256 steps of size 1."""
    matrix = kind == "MatMulInteger"
    shape = (1, 4) if matrix else (1, 2, 4, 4)
    weights = {**(MATRIX if matrix else BIAS), "unit": number(0.5), "b": small(3) if matrix else small(3, 1, 1)}
    steps: list[Step] = [
        *DYNAMIC,
        ("Mul", ["xs", "unit"][:: -1 if order else 1], {"outputs": ["both"]}),
        (kind, ["xq", "w", "xz", "k"], {"outputs": ["i"]}),
        ("Cast", ["i"], {"to": 1, "outputs": ["f"]}),
        ("Mul", ["f", "both"][:: -1 if order else 1], {"outputs": ["p"]}),
        ("Add", ["p", "b"], {"outputs": ["y"]}),
    ]
    used = {n: weights[n] for n in ("w", "k", "unit", "b")}
    path = write(tmp_path / "m.onnx", steps, shape=shape, weights=used)
    x = small(*shape, most=120)
    x.reshape(-1)[:2] = (-127, 128)
    net = load(path)
    np.testing.assert_allclose(net.forward(x), run_ort(path, {"x": x})[0], rtol=1e-6)
    (node,) = net.nodes  # the scale is part of the weight, the constant is its bias
    assert isinstance(node.layer, Dense if matrix else Conv)
    assert node.layer.bias is not None
    assert "scale depends on the input" in net.notes[0]


def test_integers_as_input_are_numbers_of_their_scale(tmp_path: Path) -> None:
    steps: list[Step] = [("DequantizeLinear", ["q", "s", "z"], {}), ("MatMul", ["t0", "w"], {})]
    weights = {"s": number(0.25), "z": np.array(7, np.uint8), "w": small(4, 3)}
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights, inputs={"q": (2, ("N", 4))})
    model = onnx.load(path)
    del model.graph.input[0]
    path.write_bytes(model.SerializeToString())
    q = RNG.integers(0, 256, (3, 4)).astype(np.uint8)
    expected = run_ort(path, {"q": q})[0]
    np.testing.assert_array_equal(load(path).forward(q.astype(np.float32)), expected)


@pytest.mark.parametrize(
    ("steps", "weights", "reason"),
    [
        ([("QuantizeLinear", ["x", "s", "z"], {})], BYTES, r"output 'y' holds quantised integers \(scale 0\.25\)"),
        (
            [*DYNAMIC, ("Identity", ["xq"], {"outputs": ["y"]})],
            {},
            "holds quantised integers .a scale that depends",
        ),
        ([*DYNAMIC, ("Identity", ["xs"], {"outputs": ["y"]})], {}, "is a scale of integers that depends on the input"),
        ([("QuantizeLinear", ["x", "v"], {})], {"v": number(0)}, "a scale of 0"),
        (
            [("QuantizeLinear", ["x", "v"], {"axis": 1})],
            {"v": np.ones(4, np.float32)},
            "one for all of it is supported",
        ),
        ([*DYNAMIC, ("MatMulInteger", ["xq", "w", "xz"], {"outputs": ["y"]})], MATRIX, "holds sums of products"),
        (
            [IN, ("QLinearConcat", ["t", "u", "xq", "s", "z"], {"axis": 0, "outputs": ["yq"], **MICROSOFT})],
            BYTES,
            "is the batch",
        ),
        (
            [
                *DYNAMIC,
                ("MatMulInteger", ["xq", "w", "xz"], {"outputs": ["i"]}),
                ("Cast", ["i"], {"to": 1, "outputs": ["f"]}),
                ("Mul", ["f", "v"], {"outputs": ["y"]}),
            ],
            MATRIX,
            "a scale that is not theirs",
        ),
        (
            [
                ("QuantizeLinear", ["x", "s", "z"], {}),
                ("Relu", ["x"], {}),
                ("QuantizeLinear", ["t1", "t", "z"], {}),
                ("Concat", ["t0", "t2"], {"axis": 1}),
            ],
            BYTES,
            "integers of several scales",
        ),
    ],
)
def test_integers_that_are_not_read(steps: list[Step], weights: dict[str, Any], reason: str, tmp_path: Path) -> None:
    used = {n: a for n, a in weights.items() if any(n in reads for _, reads, _ in steps)}
    outputs = (steps[-1][2].get("outputs", ["y"])[0],)
    path = write_with(tmp_path / "m.onnx", steps, shape=("N", 4), weights=used, outputs=outputs)
    with pytest.raises(UnsupportedError, match=reason):
        load(path)


# a small network, as onnxruntime quantises it ------------------------------------------------------------------------


class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.left = [{"x": rng.normal(size=(4, 1, 10, 10)).astype(np.float32)} for _ in range(4)]

    def get_next(self) -> Any:
        return self.left.pop() if self.left else None


def convolutional(path: Path) -> Path:
    rng = np.random.default_rng(4)

    def random(*shape: int) -> np.ndarray[Any, Any]:
        fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        return (rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32)

    steps: list[Step] = [
        ("Conv", ["x", "w", "b"], {"pads": [1, 1, 1, 1]}),
        ("Relu", ["t0"], {}),
        ("Conv", ["t1", "w2", "b2"], {"pads": [1, 1, 1, 1]}),
        ("Relu", ["t2"], {}),
        ("Add", ["t1", "t3"], {}),
        ("MaxPool", ["t4"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", ["t5"], {}),
        ("Gemm", ["t6", "w3", "b3"], {}),
    ]
    weights = {
        "w": random(6, 1, 3, 3), "b": random(6), "w2": random(6, 6, 3, 3), "b2": random(6), "w3": random(150, 5),
        "b3": random(5),
    }  # fmt: skip
    return write(path, steps, shape=("N", 1, 10, 10), weights=weights)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    logging.disable(logging.WARNING)  # it recommends a step of its own
    folder = tmp_path_factory.mktemp("quantised")
    plain, found = convolutional(folder / "plain.onnx"), {}
    for kind in ("QDQ", "QOperator"):
        for per_channel in (False, True):
            path = found[f"{kind} {per_channel}"] = folder / f"{kind}{per_channel}.onnx"
            form = quantization.QuantFormat[kind]
            quantization.quantize_static(plain, path, Pictures(), quant_format=form, per_channel=per_channel)
    found["dynamic"] = folder / "dynamic.onnx"
    quantization.quantize_dynamic(plain, found["dynamic"])
    logging.disable(logging.NOTSET)
    return {"plain": plain, **found}


@pytest.mark.parametrize("kind", ["QDQ False", "QDQ True", "QOperator False", "QOperator True", "dynamic"])
def test_a_quantised_network_is_close_to_onnxruntime_and_says_what_differs(
    kind: str, quantised: dict[str, Path], tmp_path: Path
) -> None:
    path, x = quantised[kind], np.random.default_rng(9).normal(size=(16, 1, 10, 10)).astype(np.float32)
    (compared,) = check_against_onnxruntime(path, x)
    assert compared.rounding == "quantised"
    # Eight bits: some steps of 1/255 in each of three layers.
    assert 0 < compared.relative < 0.05
    net = load(path)
    assert net.notes[0].startswith(("5 ", "7 ", "3 "))
    lrp.save(net, tmp_path / "m.npz")
    assert load(tmp_path / "m.npz") == net
    assert net.until(net.outputs).notes == net.notes
    if kind != "dynamic":
        # The rectifiers are what the range of the integers begins with.
        assert [node.layer.low for node in net.nodes if isinstance(node.layer, Clip)].count(0) >= 1
    before, after = (lrp.explain(load(p), x[:1], composite="epsilon", target=0) for p in (quantised["plain"], path))
    assert after.ledger.residual < 1e-5
    assert np.corrcoef(before.relevance.ravel(), after.relevance.ravel())[0, 1] > 0.98


# half precision ------------------------------------------------------------------------------------------------------


def halved(path: Path, steps: list[Step], half: int, **options: Any) -> Path:
    """Write a model of which inputs, outputs and weights are of another type."""
    write(path, steps, **options)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            kind = onnx.helper.tensor_dtype_to_np_dtype(half)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(kind), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = half
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("half", [onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16])
def test_half_precision_is_computed_in_single_and_said(half: int, tmp_path: Path) -> None:
    steps: list[Step] = [("Gemm", ["x", "w", "b"], {}), ("Relu", ["t0"], {}), ("Gemm", ["t1", "v"], {})]
    weights = {"w": small(4, 5, step=0.25), "b": small(5, step=0.25), "v": small(5, 2, step=0.25)}
    path = halved(tmp_path / "m.onnx", steps, half, shape=("N", 4), weights=weights)
    net, x = load(path), small(3, 4, step=0.5)
    assert net.dtype == np.float32
    assert [text for text in net.notes if "half precision" in text]
    expected = np.maximum(x @ weights["w"] + weights["b"], 0) @ weights["v"]  # exact in every type
    np.testing.assert_array_equal(net.forward(x), expected)
    if half == onnx.TensorProto.FLOAT16:
        (compared,) = check_against_onnxruntime(path, x)
        assert (compared.rounding, compared.difference) == ("half", 0)


def test_casts_to_half_precision_and_back_are_no_layers(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Cast", ["x"], {"to": onnx.TensorProto.FLOAT16}),
        ("Relu", ["t0"], {}),
        ("Cast", ["t1"], {"to": onnx.TensorProto.FLOAT}),
    ]
    net = load(write(tmp_path / "m.onnx", steps, shape=("N", 4)))
    assert len(net) == 1
    assert len(net.notes) == 1
    unused: list[Step] = [("Relu", ["x"], {})]
    path = write(tmp_path / "u.onnx", unused, shape=("N", 4), weights={"h": np.ones(2, np.float16)})
    assert load(path).notes == ()
