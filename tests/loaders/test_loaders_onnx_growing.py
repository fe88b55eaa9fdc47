"""Constants that are longer for longer inputs: tables of positions, masks, running sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import ShapeError, UnsupportedError
from lrp_ref.layers import Affine, Constant
from lrp_ref.loaders import load

ROWS = 9
WEIGHTS = {
    "table": weight(1, ROWS, 4), "squares": weight(ROWS, ROWS), "zero": whole(0), "one": whole(1), "two": whole(2),
    "first": np.array(0), "step": np.array(1), "last": np.array(1), "nth": number(0.5), "low": number(-1e4),
    "w": weight(4, 3), "both": whole(1, 2), "corner": whole(0, 0), "ends": whole(2, 4), "axes01": whole(0, 1),
}  # fmt: skip
TIME: list[Step] = [("Shape", ["x"], {"start": 1, "end": 2})]  # t0
STEPS: dict[str, list[Step]] = {
    "a table of positions": [*TIME, ("Slice", ["table", "zero", "t0", "one"], {}), ("Add", ["x", "t1"], {})],
    "a factor for each position": [*TIME, ("Slice", ["table", "zero", "t0", "one"], {}), ("Mul", ["t1", "x"], {})],
    "less a table": [*TIME, ("Slice", ["table", "zero", "t0", "one"], {}), ("Sub", ["t1", "x"], {})],
    "counted positions": [
        *TIME, ("Squeeze", ["t0", "zero"], {}), ("Range", ["first", "t1", "step"], {}), ("Cast", ["t2"], {"to": 1}),
        ("Unsqueeze", ["t3", "one"], {}), ("Sin", ["t4"], {}), ("Add", ["x", "t5"], {}),
    ],
    "a mask of pairs": [
        *TIME, ("Concat", ["t0", "t0"], {"axis": 0}), ("Slice", ["squares", "corner", "t1", "axes01"], {}),
        ("Transpose", ["x"], {"perm": [0, 2, 1]}), ("MatMul", ["x", "t3"], {}), ("Add", ["t4", "t2"], {}),
        ("Softmax", ["t5"], {"axis": -1}),
    ],
    "a choice by a mask": [
        *TIME, ("Concat", ["t0", "t0"], {"axis": 0}), ("ConstantOfShape", ["t1"], {}), ("Cast", ["t2"], {"to": 9}),
        ("Not", ["t3"], {}), ("Cast", ["t4"], {"to": 1}), ("Trilu", ["t5"], {"upper": 0}), ("Cast", ["t6"], {"to": 9}),
        ("Transpose", ["x"], {"perm": [0, 2, 1]}), ("MatMul", ["x", "t8"], {}), ("Where", ["t7", "t9", "low"], {}),
    ],
    "a running sum": [("CumSum", ["x", "last"], {})],
    "a running sum from the end": [("CumSum", ["x", "last"], {"reverse": 1, "exclusive": 1})],
    "one repeated for every step": [
        ("ReduceMean", ["x"], {"axes": [1], "keepdims": 1}), ("Shape", ["x"], {}), ("Expand", ["t0", "t1"], {}),
        ("Add", ["x", "t2"], {}),
    ],
    "no more than four steps": [("Slice", ["x", "zero", "ends4", "one"], {})],
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_it_agrees_with_onnxruntime_for_every_length(name: str, tmp_path: Path) -> None:
    given = {n: a for n, a in {**WEIGHTS, "ends4": whole(4)}.items() if any(n in reads for _, reads, _ in STEPS[name])}
    path = write(tmp_path / "m.onnx", STEPS[name], shape=("N", "T", 4), weights=given, opset=17)
    for n, time in ((2, 3), (1, 1), (3, ROWS), (0, 2)):
        net = agrees(path, weight(n, time, 4)) if n else load(path)
        assert net.forward(np.zeros((n, time, 4), np.float32)).shape[0] == n
    x = weight(2, 5, 4).astype("f8")
    start = np.random.default_rng(1).normal(size=net.forward(x.astype("f4")).shape)
    composite = lrp.Composite([(lrp.layers.Softmax, lrp.rules.Gradient())], base=lrp.composites.get("epsilon").entries)
    e = lrp.explain(net.astype("float64"), x, composite=composite, start=start)
    assert e.ledger.residual < 1e-10


@pytest.mark.parametrize("name", ["a table of positions", "a factor for each position", "a choice by a mask"])
def test_it_is_explained_as_the_same_file_with_a_fixed_length(name: str, tmp_path: Path) -> None:
    given = {n: a for n, a in WEIGHTS.items() if any(n in reads for _, reads, _ in STEPS[name])}
    path = write(tmp_path / "m.onnx", STEPS[name], shape=("N", "T", 4), weights=given, opset=17)
    x = weight(2, 5, 4)
    free, fixed = load(path), load(path, shapes={"x": (None, 5, 4)})
    assert [type(n.layer) for n in free.nodes] == [type(n.layer) for n in fixed.nodes]
    start = weight(*fixed.forward(x).shape)
    ours, theirs = (lrp.explain(net, x, start=start, composite="epsilon").relevance for net in (free, fixed))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["a table of positions", "a mask of pairs", "a running sum"])
def test_it_is_saved_in_the_own_format_and_as_onnx_for_a_length_that_is_known(name: str, tmp_path: Path) -> None:
    given = {n: a for n, a in WEIGHTS.items() if any(n in reads for _, reads, _ in STEPS[name])}
    net, x = load(write(tmp_path / "m.onnx", STEPS[name], shape=("N", "T", 4), weights=given)), weight(2, 5, 4)
    lrp.save(net, tmp_path / "net.npz")
    np.testing.assert_array_equal(lrp.load(tmp_path / "net.npz").forward(x), net.forward(x))
    lrp.save(net, tmp_path / "net.onnx", shapes={"x": (5, 4)})
    (theirs,) = run_ort(tmp_path / "net.onnx", {"x": x})
    np.testing.assert_allclose(theirs, net.forward(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(UnsupportedError, match="is free: fix it"):
        lrp.save(net, tmp_path / "free.onnx")


def test_a_table_along_one_axis_does_not_hide_what_is_cut_along_another(tmp_path: Path) -> None:
    """The sizes that stand for both are at most 9 then, and 12 is beyond them."""
    steps: list[Step] = [
        *TIME, ("Slice", ["column", "zero", "t0", "one"], {}), ("Add", ["x", "t1"], {}),
        ("Slice", ["t2", "zero", "twelve", "two"], {}),
    ]  # fmt: skip
    given = {n: WEIGHTS[n] for n in ("zero", "one", "two")} | {"column": weight(1, ROWS, 1), "twelve": whole(12)}
    path = write(tmp_path / "m.onnx", steps, shape=("N", "T", "S"), weights=given)
    for shape in ((2, 5, 20), (1, 9, 12), (2, 3, 4)):
        agrees(path, weight(*shape))


def test_a_sequence_that_is_longer_than_the_table_is_refused_in_one_line(tmp_path: Path) -> None:
    steps = STEPS["a table of positions"]
    given = {n: WEIGHTS[n] for n in ("table", "zero", "one")}
    net = load(write(tmp_path / "m.onnx", steps, shape=("N", "T", 4), weights=given))
    with pytest.raises(ShapeError, match=r"longer than 9 along axis 1") as caught:
        net.forward(np.zeros((1, ROWS + 1, 4), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "steps",
    [
        # x + places/length: other numbers for another length, of which none is the beginning of the other.
        [*STEPS["counted positions"][:4], ("Cast", ["t0"], {"to": 1}), ("Div", ["t3", "t4"], {}),
         ("Unsqueeze", ["t5", "one"], {}), ("Add", ["x", "t6"], {})],
        # x + the last rows of a table.
        [*TIME, ("Neg", ["t0"], {}), ("Slice", ["table", "t1", "far", "one"], {}), ("Add", ["x", "t2"], {})],
    ],
)  # fmt: skip
def test_what_is_no_beginning_of_a_longer_one_is_refused(steps: list[Step], tmp_path: Path) -> None:
    given = {n: a for n, a in {**WEIGHTS, "far": whole(1 << 40)}.items() if any(n in reads for _, reads, _ in steps)}
    path = write(tmp_path / "m.onnx", steps, shape=("N", "T", 4), weights=given)
    with pytest.raises(UnsupportedError):
        load(path)
    agrees(path, weight(2, 5, 4), shapes={"x": (None, 5, 4)})  # the way out of the message


def test_parameters_are_cut_to_the_sample() -> None:
    x = np.arange(6.0).reshape(1, 3, 2)
    layer = Affine(np.arange(10.0).reshape(5, 2), None, cut=(1,))
    np.testing.assert_array_equal(layer.forward(x), x * np.arange(6.0).reshape(3, 2))
    received = layer.redistribute(x, np.ones((1, 3, 2)), lrp.rules.LRP0())
    np.testing.assert_array_equal(received.relevances[0], [[[0, 1], [1, 1], [1, 1]]])
    (pulled,) = layer.pull((x,), np.ones((1, 3, 2)))
    np.testing.assert_array_equal(pulled, np.arange(6.0).reshape(1, 3, 2))
    with pytest.raises(ShapeError, match="longer than 5 along axis 1"):
        layer.forward(np.zeros((1, 6, 2)))


def test_a_constant_is_cut_to_its_input() -> None:
    layer = Constant(np.arange(12.0).reshape(4, 3), cut=((1, 2), (2, 1)))
    np.testing.assert_array_equal(layer.forward(np.zeros((2, 1, 3)))[1], [[0.0], [3.0], [6.0]])
    with pytest.raises(ShapeError, match="longer than 4 along axis 2"):
        layer.forward(np.zeros((2, 1, 5)))


def test_parameters_that_are_cut_are_not_merged(tmp_path: Path) -> None:
    dense = lrp.layers.Dense(weight(4, 4).astype("f8"), weight(4).astype("f8"))
    net = lrp.Network.sequential([dense, Affine(weight(4).astype("f8"), None, cut=(1,)), dense])
    assert [type(n.layer).__name__ for n in lrp.canonize(net).nodes] == ["Dense", "Affine", "Dense"]
