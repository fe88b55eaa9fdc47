"""What random graphs found: constants that repeat what they meet, whole numbers, turned slices, batches that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import run
from onnx_graphs import run_ort, write

import lrp_ref as lrp
from lrp_ref import loaders
from lrp_ref.errors import BackendError, UnsupportedError

FLOAT, INT64, INT32, BOOL = 1, 7, 6, 9
R = np.random.default_rng(17)


def compared(kind: str) -> list[Any]:
    return [(kind, ["x", "c"], {}), ("Cast", ["t0"], {"to": FLOAT}), ("Mul", ["t1", "x"], {})]


@pytest.mark.parametrize("kind", ["Equal", "Greater", "LessOrEqual"])
@pytest.mark.parametrize(
    ("shape", "constant"),
    [((2, 3, 3), (3, 1)), ((2, 3, 3), (1, 3, 1)), ((6, 3, 1), (1, 3, 1)), ((2, 3, 4), (3, 1)), ((2, 3, 1), (3, 4))],
)
def test_a_comparison_meets_the_axes_that_broadcasting_says(
    kind: str, shape: tuple[int, ...], constant: tuple[int, ...], tmp_path: Path
) -> None:
    c = np.arange(np.prod(constant)).reshape(constant).astype("f4")
    path = write(tmp_path / "m.onnx", compared(kind), shape=shape, weights={"c": c}, opset=13)
    x = R.integers(0, 3, shape).astype("f4")
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


def test_either_of_two_truth_values_meets_the_same_axes(tmp_path: Path) -> None:
    steps = [("Greater", ["x", "z"], {}), ("Xor", ["t0", "m"], {}), ("Cast", ["t1"], {"to": FLOAT}),
             ("Mul", ["t2", "x"], {})]  # fmt: skip
    weights = {"z": np.zeros(1, "f4"), "m": np.array([[True], [False], [True]])}
    path = write(tmp_path / "m.onnx", steps, shape=(2, 3, 3), weights=weights, opset=13)
    x = R.normal(size=(2, 3, 3)).astype("f4")
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


def whole(tmp_path: Path, steps: list[Any], kind: int = INT64, **weights: Any) -> Path:
    return write(tmp_path / "m.onnx", steps, shape=(2, 3), inputs={"x": (kind, (2, 3))}, weights=weights, opset=13)


@pytest.mark.parametrize(
    "steps",
    [
        [("Div", ["x", "two"], {}), ("Cast", ["t0"], {"to": FLOAT})],
        [("Add", ["x", "two"], {}), ("Div", ["x", "t0"], {}), ("Cast", ["t1"], {"to": FLOAT})],
        [("Cast", ["x"], {"to": FLOAT}), ("Cast", ["t0"], {"to": INT64}), ("Div", ["t1", "two"], {}),
         ("Cast", ["t2"], {"to": FLOAT})],
    ],
)  # fmt: skip
def test_a_division_of_integers_is_refused(steps: list[Any], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="a division of integers"):
        lrp.load(whole(tmp_path, steps, two=np.array(2)))


def test_integers_that_were_made_floats_are_divided(tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": FLOAT}), ("Div", ["t0", "two"], {})]
    path = whole(tmp_path, steps, two=np.array(2, "f4"))
    x = R.integers(-3, 4, (2, 3))
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


@pytest.mark.parametrize("to", ["UINT8", "INT8", "UINT16", "INT16", "UINT32", "UINT64"])
def test_a_cast_in_which_numbers_become_others_is_refused(to: str, tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": onnx.TensorProto.DataType.Value(to)}), ("Cast", ["t0"], {"to": FLOAT})]
    with pytest.raises(UnsupportedError, match="numbers outside of it become others"):
        lrp.load(whole(tmp_path, steps))


def test_truth_values_are_cast_to_any_integers(tmp_path: Path) -> None:
    steps = [("Greater", ["x", "z"], {}), ("Transpose", ["t0"], {"perm": [0, 2, 1]}), ("Cast", ["t1"], {"to": 2}),
             ("Cast", ["t2"], {"to": FLOAT})]  # fmt: skip
    path = write(tmp_path / "m.onnx", steps, shape=(2, 3, 2), weights={"z": np.zeros(1, "f4")}, opset=13)
    x = R.normal(size=(2, 3, 2)).astype("f4")
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


def test_truth_values_look_up_a_table(tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": INT64}), ("Gather", ["table", "t0"], {})]
    path = whole(tmp_path, steps, BOOL, table=R.normal(size=(2, 4)).astype("f4"))
    x = np.array([[True, False, True], [False, False, True]])
    net = lrp.load(path)
    np.testing.assert_array_equal(net.forward(x), run_ort(path, {"x": x})[0])
    e = lrp.explain(net, x, start=np.ones((2, 3, 4), "f4"))
    np.testing.assert_array_equal(e.relevance, np.full((2, 3), 4.0))


def test_a_slice_backwards_to_the_largest_number_is_refused(tmp_path: Path) -> None:
    bounds = {"s": np.array([-1]), "e": np.array([2**63 - 1]), "a": np.array([1]), "d": np.array([-1])}
    with pytest.raises(UnsupportedError, match="nothing by the standard, all to onnxruntime"):
        lrp.load(write(tmp_path / "m.onnx", [("Slice", ["x", *bounds], {})], shape=(2, 3), weights=bounds, opset=13))
    bounds["e"] = np.array([-(2**63)])
    path = write(tmp_path / "m.onnx", [("Slice", ["x", *bounds], {})], shape=(2, 3), weights=bounds, opset=13)
    x = R.normal(size=(2, 3)).astype("f4")
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


def two_inputs(tmp_path: Path, first: Any, second: Any) -> Path:
    inputs = {"b": (FLOAT, second)}
    return write(tmp_path / "m.onnx", [("Add", ["x", "b"], {})], shape=first, inputs=inputs, opset=13)


def test_inputs_whose_first_axes_differ_have_no_batch(tmp_path: Path) -> None:
    path = two_inputs(tmp_path, (2, 3), (1, 3))
    net = lrp.load(path)
    x = {"x": R.normal(size=(2, 3)).astype("f4"), "b": R.normal(size=(1, 3)).astype("f4")}
    assert [i.batch_axis for i in net.inputs] == [None, None]
    np.testing.assert_array_equal(net.forward(x), x["x"] + x["b"])


def test_a_batch_has_the_name_that_another_inputs_first_axis_has(tmp_path: Path) -> None:
    steps = [("Transpose", ["b"], {"perm": [1, 0]}), ("Add", ["x", "t0"], {})]
    inputs = {"b": (FLOAT, (3, "N"))}
    net = lrp.load(write(tmp_path / "m.onnx", steps, shape=("N", 3), inputs=inputs, opset=13))
    assert {i.name: i.batch_axis for i in net.inputs} == {"x": 0, "b": 1}


def test_an_output_of_moved_integers_alone_is_not_explained(tmp_path: Path) -> None:
    steps = [("Relu", ["x"], {"outputs": ["y"]}), ("Transpose", ["i"], {"perm": [0, 1], "outputs": ["z"]})]
    inputs = {"i": (INT64, ("N", 2))}
    path = write(tmp_path / "m.onnx", steps, shape=("N", 3), inputs=inputs, outputs=("y", "z"), opset=13)
    model = onnx.load(path)
    model.graph.output[1].type.tensor_type.elem_type = INT64
    onnx.save(model, path)
    net = lrp.load(path)
    x = {"x": R.normal(size=(2, 3)).astype("f4"), "i": np.array([[1, 2], [3, 4]])}
    with pytest.raises(BackendError, match="nothing receives relevance from it"):
        lrp.explain(net, x, output=net.outputs[1])
    assert lrp.explain(net, x, output=net.outputs[0]).relevance["x"].shape == (2, 3)


@pytest.mark.parametrize("start", [-100, -4, -3, -1, 0, 2, 3, 100])
@pytest.mark.parametrize("end", [-(2**63), -100, -4, -3, -2, 0, 1, 3, 100])
@pytest.mark.parametrize("step", [-2, -1, 1, 2])
def test_bounds_beyond_an_axis_are_brought_into_it(start: int, end: int, step: int, tmp_path: Path) -> None:
    bounds = {k: np.array([v]) for k, v in {"s": start, "e": end, "a": 1, "d": step}.items()}
    path = write(tmp_path / "m.onnx", [("Slice", ["x", *bounds], {})], shape=(2, 3), weights=bounds, opset=13)
    x = R.normal(size=(2, 3)).astype("f4")
    expected = run_ort(path, {"x": x})[0]
    np.testing.assert_array_equal(lrp.load(path).forward(x), expected)


def test_whole_numbers_run_through_a_recurrent_layer(tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": FLOAT}), ("LSTM", ["t0", "w", "r"], {"hidden_size": 2})]
    weights = {"w": R.normal(size=(1, 8, 3)).astype("f4"), "r": R.normal(size=(1, 8, 2)).astype("f4")}
    inputs = {"x": (INT64, (4, 2, 3))}
    path = write(tmp_path / "m.onnx", steps, shape=(), inputs=inputs, weights=weights, opset=13)
    x = R.integers(-2, 3, (4, 2, 3))
    np.testing.assert_allclose(lrp.load(path).forward(x), run_ort(path, {"x": x})[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("slope", [(1,), (3, 1), (3, 4), (1, 4)])
def test_slopes_of_every_shape_are_written_as_they_are(slope: tuple[int, ...], tmp_path: Path) -> None:
    weights = {"a": R.normal(size=slope).astype("f4")}
    path = write(tmp_path / "m.onnx", [("PRelu", ["x", "a"], {})], shape=(2, 3, 4), weights=weights, opset=13)
    again = tmp_path / "again.onnx"
    lrp.save(lrp.load(path), again)
    x = R.normal(size=(2, 3, 4)).astype("f4")
    np.testing.assert_array_equal(lrp.load(again).forward(x), run_ort(path, {"x": x})[0])


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("other", [(1, 1, 1, 1), (4, 1, 1, 1), (3, 4), (1, 4), (3, 1), (1, 3, 4), ()])
def test_what_a_choice_never_takes_still_repeats_the_rest(chosen: bool, other: tuple[int, ...], tmp_path: Path) -> None:
    """A file with an axis in front of the samples', too, has what it has to onnxruntime."""
    reads = ["m", "x", "c"] if chosen else ["m", "c", "x"]
    weights = {"m": np.array(chosen), "c": R.normal(size=other).astype("f4")}
    path = write(tmp_path / "m.onnx", [("Where", reads, {})], shape=(2, 3, 1), weights=weights, opset=13)
    x = R.normal(size=(2, 3, 1)).astype("f4")
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


@pytest.mark.parametrize(
    "step",
    [
        ("ReduceMean", ["t0"], {"axes": [-1], "keepdims": 1}),
        ("Pad", ["t0", "pads", "half"], {}),
    ],
)
def test_numbers_that_are_not_whole_are_not_cast_to_integers(step: Any, tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": FLOAT}), step, ("Cast", ["t1"], {"to": INT64}), ("Cast", ["t2"], {"to": FLOAT})]
    pads = {"pads": np.array([0, 0, 0, 1]), "half": np.array(0.5, "f4")}
    with pytest.raises(UnsupportedError, match="to integers of what is whole"):
        lrp.load(whole(tmp_path, steps, BOOL, **pads))


@pytest.mark.parametrize("value", [0.5, -1.0, 300.0, 0.0])
@pytest.mark.parametrize("kind", [BOOL, INT64, INT32])
def test_a_border_of_integers_holds_any_number(kind: int, value: float, tmp_path: Path) -> None:
    steps = [("Cast", ["x"], {"to": FLOAT}), ("Pad", ["t0", "pads", "value"], {})]
    path = whole(tmp_path, steps, kind, pads=np.array([0, 0, 0, 1]), value=np.array(value, "f4"))
    x = R.integers(0, 2, (2, 3)).astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])


@pytest.mark.parametrize("value", [0.5, -1.0, 300.0])
def test_a_border_that_bytes_do_not_hold_is_named(value: float, tmp_path: Path) -> None:
    """A network of pictures as bytes is given the same numbers as floats."""
    steps = [("Cast", ["x"], {"to": FLOAT}), ("Pad", ["t0", "pads", "value"], {})]
    path = whole(tmp_path, steps, 2, pads=np.array([0, 0, 0, 1]), value=np.array(value, "f4"))
    net, x = lrp.load(path), R.integers(0, 2, (2, 3)).astype("uint8")
    with pytest.raises(BackendError, match="the input is uint8, the border is"):
        net.forward(x)
    np.testing.assert_array_equal(net.forward(x.astype("f4")), run_ort(path, {"x": x})[0])


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_sums_and_products_of_narrow_integers_are_refused(kind: str, tmp_path: Path) -> None:
    """255 + 1 is 0 to them."""
    steps = [("Greater", ["x", "z"], {}), ("Cast", ["t0"], {"to": 2}), (kind, ["c", "t1"], {}),
             ("Cast", ["t2"], {"to": FLOAT})]  # fmt: skip
    weights = {"z": np.zeros(1, "f4"), "c": np.array([255, 0, 2], "uint8")}
    with pytest.raises(UnsupportedError, match="it computes in uint8"):
        lrp.load(write(tmp_path / "m.onnx", steps, shape=(2, 3), weights=weights, opset=14))


@pytest.mark.parametrize("step", [("Sub", ["c", "t0"], {}), ("Neg", ["t0"], {})])
def test_a_single_number_stays_one(step: Any, tmp_path: Path) -> None:
    steps = [("ReduceMax", ["x"], {"keepdims": 0}), step]
    path = write(tmp_path / "m.onnx", steps, shape=(2, 3), weights={"c": np.array(0.5, "f4")}, opset=13)
    x = R.normal(size=(2, 3)).astype("f4")
    got, expected = lrp.load(path).forward(x), run_ort(path, {"x": x})[0]
    assert got.shape == expected.shape == ()
    np.testing.assert_array_equal(got, expected)


def test_an_output_of_truth_values_is_compared(tmp_path: Path) -> None:
    steps = [("Relu", ["x"], {"outputs": ["y"]})]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 3), inputs={"m": (BOOL, ("N", 2))}, outputs=("y", "m"))
    model = onnx.load(path)
    model.graph.output[1].type.tensor_type.elem_type = BOOL
    onnx.save(model, path)
    x = {"x": R.normal(size=(2, 3)).astype("f4"), "m": np.array([[True, False], [False, False]])}
    assert [c.difference for c in loaders.check_against_onnxruntime(path, x)] == [0, 0]


def test_a_mask_is_given_on_the_command_line_as_it_was_saved(tmp_path: Path) -> None:
    path = whole(tmp_path, [("Cast", ["x"], {"to": FLOAT}), ("MatMul", ["t0", "w"], {})], BOOL, w=np.eye(3, dtype="f4"))
    np.save(tmp_path / "x.npy", np.array([[True, False, True], [False, False, True]]))
    done = run("explain", path, tmp_path / "x.npy", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("kind", ["Add", "Max", "Where", "Greater", "MatMul"])
def test_rows_that_are_alike_repeat_a_batch_of_one(kind: str, tmp_path: Path) -> None:
    """Rows as many as the samples of a fixed batch are one; more than these are more to onnxruntime."""
    weights = {"c": np.ones((2, 1, 3) if kind != "MatMul" else (2, 3, 3), "f4"), "m": np.ones((2, 1, 1), bool)}
    steps: list[Any] = [(kind, ["x", "c"], {})]
    if kind == "Where":
        steps = [("Softmax", ["x"], {"axis": 2}), (kind, ["m", "x", "t0"], {})]
    if kind == "Greater":
        steps = [(kind, ["x", "c"], {}), ("Cast", ["t0"], {"to": FLOAT}), ("Mul", ["t1", "x"], {})]
    path = write(tmp_path / "m.onnx", steps, shape=(1, 2, 3), weights=weights, opset=13)
    x = R.normal(size=(1, 2, 3)).astype("f4")
    expected = run_ort(path, {"x": x})[0]
    net = lrp.load(path)
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-6)
    assert net.inputs[0].batch_axis is None
    again = lrp.load(write(tmp_path / "two.onnx", steps, shape=(2, 2, 3), weights=weights, opset=13))
    assert again.inputs[0].batch_axis == 0


@pytest.mark.parametrize("first", [True, False])
def test_a_product_with_a_constant_of_each_sample_is_written_and_read(first: bool, tmp_path: Path) -> None:
    reads, c = (["c", "x"], R.normal(size=(2, 4, 3))) if first else (["x", "c"], R.normal(size=(2, 5, 4)))
    weights = {"c": c.astype("f4")}
    path = write(tmp_path / "m.onnx", [("MatMul", reads, {})], shape=("N", 2, 3, 5), weights=weights, opset=13)
    again = tmp_path / "again.onnx"
    lrp.save(lrp.load(path), again)
    for n in (1, 3):
        x = R.normal(size=(n, 2, 3, 5)).astype("f4")
        np.testing.assert_allclose(lrp.load(again).forward(x), run_ort(path, {"x": x})[0], rtol=1e-5, atol=1e-6)


def test_a_start_that_a_free_axis_may_be_too_short_for_is_refused(tmp_path: Path) -> None:
    bounds = {"s": np.array([-2]), "e": np.array([-(2**63)]), "a": np.array([1]), "d": np.array([-1])}
    steps = [("Slice", ["x", *bounds], {})]
    path = write(tmp_path / "m.onnx", steps, shape=(2, "T", 3), weights=bounds, opset=13)
    with pytest.raises(UnsupportedError, match="depend on a free size"):
        lrp.load(path)
    bounds["s"] = np.array([-1])
    path = write(tmp_path / "m.onnx", steps, shape=(2, "T", 3), weights=bounds, opset=13)
    for n in (1, 4):
        x = R.normal(size=(2, n, 3)).astype("f4")
        np.testing.assert_array_equal(lrp.load(path).forward(x), run_ort(path, {"x": x})[0])
