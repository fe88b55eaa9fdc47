"""Reductions over axes, and the largest, smallest and mean of several tensors: compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Add, Bounds, Clip, GlobalAveragePool, GlobalMaxPool, Max, Mean
from lrp_ref.loaders import load

KINDS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
AXES = [(1,), (-1,), (2, 3), (3, 1), (1, 2, 3)]
X = np.random.default_rng(8).normal(size=(3, 4, 2, 5)).astype(np.float32)
X[0, :, 0, 0] = 0.5  # ties


def opset_of(kind: str, old: bool) -> int:
    """Return an opset in which the axes are an attribute, or an input."""
    return (11 if old else 13) if kind == "Sum" else (17 if old else 18)


def reduced(kind: str, axes: tuple[int, ...], keep: int, old: bool) -> tuple[Step, dict[str, Any]]:
    attributes: dict[str, Any] = {"keepdims": keep}
    if old:
        return (f"Reduce{kind}", ["x"], {**attributes, "axes": list(axes)}), {}
    return (f"Reduce{kind}", ["x", "a"], attributes), {"a": whole(*axes)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("old", [True, False], ids=["attribute", "input"])
def test_a_reduction_agrees_with_onnxruntime(kind: str, axes: tuple[int, ...], old: bool, tmp_path: Path) -> None:
    x = np.abs(X) + 0.25 if kind == "LogSum" else X
    for keep in (0, 1):
        step, given = reduced(kind, axes, keep, old)
        path = tmp_path / f"{keep}.onnx"
        write(path, [step], shape=("N", *X.shape[1:]), weights=given, opset=opset_of(kind, old))
        for some in (x, x[:1]):
            net = agrees(path, some)
        assert net.forward(x[:0]).shape == (0, *net.forward(x[:1]).shape[1:])
        start = np.random.default_rng(0).normal(size=net.forward(x).shape)
        e = lrp.explain(net.astype(np.float64), x.astype(np.float64), composite="lrp0", start=start)
        assert e.ledger.residual < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_is_never_reduced(kind: str, tmp_path: Path) -> None:
    for axes in ((0,), (0, 1), (-4,)):
        step, given = reduced(kind, axes, 1, False)
        path = write(tmp_path / "m.onnx", [step], shape=("N", 4, 2, 5), weights=given, opset=18)
        with pytest.raises(UnsupportedError, match="axis 0 is the batch"):
            load(path)
    for name, reads in (("none", ["x"]), ("empty", ["x", "a"])):
        steps: list[Step] = [(f"Reduce{kind}", reads, {})]
        given = {"a": whole()} if name == "empty" else {}
        path = write(tmp_path / f"{name}.onnx", steps, shape=("N", 4, 2, 5), weights=given, opset=18)
        with pytest.raises(UnsupportedError, match="it reduces every axis, the batch too"):
            load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_reduced_where_the_file_says_so(kind: str, tmp_path: Path) -> None:
    steps: list[Step] = [("Relu", ["x"], {}), (f"Reduce{kind}", ["t0"], {"noop_with_empty_axes": 1})]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), opset=18)
    if kind in ("Max", "Mean", "Min", "Prod", "Sum"):
        assert np.array_equal(load(path).forward(X[:, :, 0, 0]), np.maximum(X[:, :, 0, 0], 0))
    else:
        with pytest.raises(UnsupportedError, match="noop_with_empty_axes"):
            load(path)


def test_reductions_over_all_of_space_are_global_pools(tmp_path: Path) -> None:
    for kind, layer in (("Max", GlobalMaxPool()), ("Mean", GlobalAveragePool())):
        step, given = reduced(kind, (2, 3), 1, True)
        net = load(write(tmp_path / "m.onnx", [step], shape=("N", 4, 2, 5), weights=given, opset=17))
        assert [n.layer for n in net.nodes] == [layer]
    for kind, other in (("Max", Max((1,), False)), ("Mean", Mean((1,), False))):
        step, given = reduced(kind, (1,), 0, True)
        net = load(write(tmp_path / "m.onnx", [step], shape=("N", 4, 2, 5), weights=given, opset=17))
        assert [n.layer for n in net.nodes] == [other]


def test_the_winner_of_a_minimum_takes_all(tmp_path: Path) -> None:
    step, given = reduced("Min", (1,), 0, True)
    net = load(write(tmp_path / "m.onnx", [step], shape=("N", 3), weights=given, opset=17)).astype(np.float64)
    e = lrp.explain(net, np.array([[2.0, 0.0, 1.0]]), start=np.array([5.0]))
    assert e.relevance.tolist() == [[0.0, 5.0, 0.0]]
    assert e.ledger.residual == 0


def test_a_batch_behind_other_axes_is_followed(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Transpose", ["x"], {"perm": [1, 2, 0]}),
        ("ReduceL2", ["t0"], {"axes": [0], "keepdims": 0}),
        ("ReduceMax", ["t1"], {"axes": [0], "keepdims": 1}),
    ]
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 4, 3), opset=17), X[:, :, 0, :3])
    assert net.output_axes == (1,)


# Of several tensors ------------------------------------------------------------------------------------------------

C = {"c": weight(5), "d": weight(2, 5), "w": weight(4, 1, 1), "n": number(0.25), "m": number(-0.25)}
SHAPE = ("N", 4, 2, 5)
SEVERAL: list[tuple[str, list[str]]] = [
    (kind, reads)
    for kind in ("Max", "Min", "Sum", "Mean")
    for reads in (
        ["x"], ["x", "t0"], ["t0", "x", "t1"], ["x", "c"], ["w", "x"], ["x", "n"], ["d", "x", "w"], ["x", "n", "m"],
        ["x", "t0", "c"], ["n", "x", "t0", "d"], ["x", "t2"],
    )
]  # fmt: skip


@pytest.mark.parametrize(("kind", "reads"), SEVERAL, ids=str)
def test_several_tensors_agree_with_onnxruntime(kind: str, reads: list[str], tmp_path: Path) -> None:
    before: list[Step] = [
        ("Tanh", ["x"], {}), ("LeakyRelu", ["x"], {}), ("ReduceMean", ["x"], {"axes": [2, 3]}),
    ]  # fmt: skip
    steps: list[Step] = [*before, (kind, reads, {"outputs": ["z"]}), ("Identity", ["z"], {})]
    given = {n: a for n, a in C.items() if n in reads}
    net = agrees(write(tmp_path / "m.onnx", steps, shape=SHAPE, weights=given), X)
    start = np.random.default_rng(0).normal(size=X.shape)
    e = lrp.explain(net.astype(np.float64), X.astype(np.float64), composite="lrp0", start=start)
    assert e.ledger.residual < 1e-10


def test_bounds_that_are_not_one_number_are_layers_of_their_own(tmp_path: Path) -> None:
    for kind, reads, expected in (
        ("Max", ["x", "n"], Clip(0.25, None)),
        ("Min", ["x", "c"], Bounds(high=C["c"].reshape(1, 1, 5))),
        ("Max", ["x", "w"], Bounds(low=C["w"].reshape(4))),
        ("Mean", ["x", "x"], Add((0.5, 0.5))),
    ):
        given = {n: a for n, a in C.items() if n in reads}
        net = load(write(tmp_path / "m.onnx", [(kind, reads, {})], shape=SHAPE, weights=given))
        assert [n.layer for n in net.nodes] == [expected]


def test_a_bound_may_enlarge_a_signal(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [("Max", ["x", "c"], {})], shape=("N", 4, 1), weights={"c": C["c"]})
    agrees(path, X[:, :, 0, :1])
    long = write(tmp_path / "l.onnx", [("Max", ["x", "d"], {})], shape=("N", 5), weights={"d": weight(1, 1, 5)})
    agrees(long, X[:, 0, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bounds_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    c = np.array([value, 1], np.float32)
    path = write(tmp_path / "m.onnx", [("Max", ["x", "c"], {})], shape=("N", 2), weights={"c": c})
    with pytest.raises(UnsupportedError, match=r"Max 'y' \((a bound that is no number|some of its bounds are inf)"):
        load(path)
