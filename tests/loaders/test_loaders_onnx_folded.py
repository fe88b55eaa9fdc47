"""Constants that an ONNX file computes: the memory that they take while they are made, and what is there in the end."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from hostile_files import graph, said

import lrp_ref as lrp
from lrp_ref.layers import Conv, Dense
from lrp_ref.loaders import limits
from lrp_ref.loaders.onnx import fold
from lrp_ref.loaders.onnx.file import Op

onnx = pytest.importorskip("onnx")

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
RESNET = LIGHT / "light_resnet50.onnx"
ALLOWED = 256_000_000  # docs/safety.md, of a file of some kB
ELEMENTS = 400_000
SLACK = 200_000  # bytes of the node, the evaluator and buffers of NumPy, of whatever size the constant is
# Not strings of their own: docs/operators.md lists the tests that name an operator for what becomes of a signal there.
FLOATS = "Ceil Cos Erf Exp Floor Gelu Log LogSoftmax Round Sin Sqrt Tanh"
ONE = f"{FLOATS} Abs Clip Identity Neg Reciprocal Relu Sigmoid Sign Softmax Trilu"
TWO = "Add Div Max Min Mul Pow Sub Sum"
OWN = "Erf Gelu Sigmoid"
PRODUCTS = "LayerNormalization Gemm Gemm Einsum"
QUERY = "LayerNormalization Gemm Gelu Clip Einsum LogSoftmax MatMul"
INTEGERS = set(f"{ONE} {TWO}".split()) - set(FLOATS.split())  # those that the standard has for integers too


def peak(kind: str, inputs: list[Any], **attributes: Any) -> tuple[int, int]:
    """Evaluate a node; return the most bytes that were there at once, and the elements of its result."""
    names = [f"in{k}" for k in range(len(inputs))]
    proto = onnx.helper.make_node(kind, names, ["out"], **attributes)
    op = Op(kind, "", tuple(names), ("out",), attributes, proto)
    fold.evaluate(op, inputs, 21, fold.Allowance(0))  # what is imported then is not counted
    tracemalloc.start()
    try:
        (found,) = fold.evaluate(op, inputs, 21, fold.Allowance(0))
        return tracemalloc.get_traced_memory()[1], found.size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [*((kind, "float64") for kind in f"{ONE} {TWO}".split()), *((kind, "int64") for kind in sorted(INTEGERS))],
)
def test_an_operator_takes_the_memory_that_is_allowed_for_it(kind: str, dtype: str) -> None:
    x = (np.arange(ELEMENTS).reshape(-1, 100) % 7 + 1).astype(dtype)
    taken, size = peak(kind, [x, x[:1]][: 1 + (kind in TWO.split())])
    assert size == ELEMENTS
    assert taken <= 8 * ELEMENTS * fold.WHILE.get(kind, fold.USUAL) + SLACK


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_and_products_of_constants_take_the_memory_that_is_allowed_for_them(dtype: str) -> None:
    x = (np.arange(ELEMENTS).reshape(-1, 100) % 7 + 1).astype(dtype)
    column, row = x[:2000, :1], x[:1, :100].repeat(2, 1)
    given: list[tuple[list[Any], dict[str, Any]]] = [
        ([x, x[0], x[1]], {}),
        ([column, row, row], {"alpha": 2.0, "beta": 0.5}),
        ([column.T, row.T], {"transA": 1, "transB": 1}),
        ([column[:, 0], row[0]], {"equation": "i,j->ij"}),
    ]
    for kind, (inputs, attributes) in zip(PRODUCTS.split(), given, strict=True):
        taken, size = peak(kind, inputs, **attributes)
        assert size == ELEMENTS
        assert taken <= 8 * ELEMENTS * fold.WHILE.get(kind, fold.USUAL) + SLACK


def test_constants_of_a_learned_query_are_those_of_onnxruntime(tmp_path: Path) -> None:
    """Latents that are normalised, projected and activated before they ask, and prototypes divided by their norms."""
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(3)
    parts = {name: rng.normal(size=s).astype(np.float32) for name, s in
             {"l": (2, 6), "g": (6,), "b": (6,), "w": (3, 6), "c": (3,), "u": (3, 4), "v": (4,)}.items()}  # fmt: skip
    given: list[tuple[list[str], dict[str, Any]]] = [
        (["l", "g", "b"], {"axis": -1}),
        (["t0", "w", "c"], {"transB": 1, "alpha": 0.5}),
        (["t1"], {}),
        (["t2", "low"], {}),
        (["t3", "u"], {"equation": "qi,ij->jq"}),
        (["t4"], {"axis": 0}),
        (["x", "t5"], {}),
    ]
    steps = [(kind, reads, attributes) for kind, (reads, attributes) in zip(QUERY.split(), given, strict=True)]
    path = graph(*steps, low=np.float32(-0.1), shape=("N", 4), opset=20, **parts)(tmp_path)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    wanted = ort.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(lrp.load(path).forward(x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "reason"),
    [
        ("...i,ij->j", "not named one by one"),
        ("i,ij->j", "not named one by one"),
        ("ki,ij->jkkz", "cannot be evaluated"),
        ("ki,mj->kimj", "a constant of up to 3600000000 elements"),
    ],
)
def test_equations_on_constants_that_are_refused(equation: str, reason: str, tmp_path: Path) -> None:
    wide = np.ones((600, 100), np.float32)
    steps = ((PRODUCTS.split()[-1], ["a", "b"], {"equation": equation}), (TWO.split()[0], ["x", "t0"], {}))
    path = graph(*steps, a=wide, b=wide if "m" in equation else wide[:100])(tmp_path)
    assert reason in said(path)
    assert hostile.fault(path) is None


@pytest.mark.parametrize("kind", OWN.split())
def test_operators_of_their_own_factor_need_it(kind: str) -> None:
    x = np.linspace(-1, 1, ELEMENTS).reshape(-1, 100)
    assert peak(kind, [x])[0] > 8 * ELEMENTS * fold.USUAL


STEPS = (("Expand", ["v", "s"], {}), ("Erf", ["t0"], {}), ("ReduceSum", ["t1", "a"], {"keepdims": 0}))


@pytest.mark.parametrize(("rows", "reason"), [(300, "loaded"), (400, "Erf 'node1' (a constant of up")])
def test_an_error_function_stays_within_the_bound(
    rows: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the numbers in a tenth of the bound, which take a tenth of the time."""
    monkeypatch.setattr(limits, "LEAST", ALLOWED // 10)
    make = graph(
        *STEPS, ("Add", ["x", "t2"], {}), v=np.ones(1, np.float32), s=np.array([rows, 1000]), a=np.array([0, 1])
    )
    path = make(tmp_path)
    assert reason in said(path)
    assert hostile.fault(path) is None


@pytest.mark.skipif(not RESNET.exists(), reason="this onnx ships no light_resnet50.onnx")
def test_a_small_file_that_makes_a_hundred_megabytes_of_weights_loads() -> None:
    """ResNet-50 with weights that are one number each: 53 convolutions and a dense layer, of 25,502,912 weights."""
    tracemalloc.start()
    try:
        net = lrp.load(RESNET)
        assert tracemalloc.get_traced_memory()[1] < ALLOWED
    finally:
        tracemalloc.stop()
    weights = [n.layer.weight.size for n in net.nodes if isinstance(n.layer, Conv | Dense)]
    assert (len(weights), sum(weights)) == (54, 25_502_912)
    theirs = onnx.numpy_helper.to_array(
        onnx.TensorProto.FromString((LIGHT / "light_resnet50_output_0.pb").read_bytes())
    )
    ramp = np.linspace(0, 1, 3 * 224 * 224, dtype=np.float32).reshape(1, 3, 224, 224)  # they do not depend on the input
    np.testing.assert_allclose(net.forward(ramp), theirs, rtol=1e-5)


@pytest.mark.skipif(not RESNET.exists(), reason="this onnx ships no light models")
@pytest.mark.parametrize("name", ["bvlc_alexnet", "vgg19", "zfnet512"])
def test_weights_that_would_be_more_than_the_bound_are_refused(name: str) -> None:
    """Each makes a dense layer of 150 MB and more."""
    path = LIGHT / f"light_{name}.onnx"
    assert "ConstantOfShape" in said(path)
    assert "would be made" in said(path)
    assert hostile.fault(path) is None
