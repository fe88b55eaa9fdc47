"""Which outputs an exported or compiled explanation explains, and where it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from compiled_cases import IMAGES, SIZES, D, X, agrees, close, conv, mlp, run, same, single
from samples import Draw

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref.errors import (
    LrpError,
    ParameterError,
)
from lrp_ref.network import Network, Node

# Targets -------------------------------------------------------------------------------------------------------------


def test_several_targets_of_one_sample() -> None:
    compiled = lrp.compile(mlp(), "epsilon", ledger=True)
    for target in ([0, 1, 2, 1], (2, 0), np.array([1, 2], dtype=np.uint8), [[1], [2]], [2]):
        each = np.asarray(target).reshape(-1).tolist()
        e = compiled(X[:1], target=target)
        same(e, lrp.explain(mlp(), np.repeat(X[:1], len(each), axis=0), target=each))
        assert e.trace.relevance["a"].shape == (len(each), 5)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (7, "7 is out of range"), (-1, "-1 is out of range"), ([0, 1, 2, 7, 0], "7 is out of range"),
        ([1, 2], "2 targets"), ([1], "1 targets"), ([[0, 1]] * 5, "add up"), (1.5, "class index"),
        (True, "class index"), ("x", "no class names"), ({1}, "class index"), ([], "class index"),
        ([None] * 5, "class index"), ([[0], [1, 2]], "different lengths"),
    ],
)  # fmt: skip
def test_targets_that_are_none(target: Any, message: str) -> None:
    compiled = lrp.compile(mlp(), "epsilon")
    with pytest.raises(ParameterError, match=message):
        compiled(X, target=target)


def test_no_targets_of_one_sample_are_refused_too() -> None:
    with pytest.raises(ParameterError, match="class index"):
        lrp.compile(mlp(), "epsilon")(X[:1], target=[])
    assert lrp.compile(mlp(), "epsilon")(X, target=np.array(2)).target.tolist() == [[2]] * 5


def test_targets_of_a_graph(tmp_path: Path) -> None:
    path, net, x = tmp_path / "e.onnx", conv(), IMAGES
    lrp.export_onnx(net, "epsilon", path, targets="input", **SIZES)
    best = int(net.forward(x[:1]).argmax())
    found = run(path, {"input": single(x[:1]), "target": np.array([0, 1, 2, -1])})
    wanted = lrp.explain(net, np.repeat(x[:1], 4, axis=0), target=[0, 1, 2, best])
    close(found["relevance"], wanted.relevance)
    assert found["explained"].tolist() == [[0], [1], [2], [best]]
    for count, targets in ((1, [3]), (5, [7] * 5), (5, [0, 1]), (5, [])):
        with pytest.raises(Exception, match="Non-zero status"):  # of the runtime, whose classes are its own
            run(path, {"input": single(x[:count]), "target": np.array(targets, dtype=int)})
    lrp.export_onnx(net, "epsilon", path, targets=[2, 0, 2], **SIZES)
    found = run(path, {"input": single(x[:1])})
    close(found["relevance"], lrp.explain(net, np.repeat(x[:1], 3, axis=0), target=[2, 0, 2]).relevance)
    assert found["output"].shape == (1, 3)
    with pytest.raises(Exception, match="invalid dimensions"):
        run(path, {"input": single(x[:2])})
    for targets in ("all", [3], [-1], [], 1.5, None, True, [[1]], {0, 1}, {0: 1}):
        with pytest.raises(ParameterError, match="target"):
            lrp.export_onnx(net, "epsilon", path, targets=targets, **SIZES)


# Starts --------------------------------------------------------------------------------------------------------------

ENDS = {"": (), "sigmoid": (Node("p", L.Sigmoid(), ("b",)),), "softmax": (Node("p", L.Softmax(), ("b",)),)}


@pytest.mark.parametrize("canonize", [True, False])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("start", [*lrp.start.STARTS, lrp.start.Difference(2), lrp.start.Reference(0.5)], ids=str)
def test_every_start_below_and_above_a_head(start: Any, end: str, canonize: bool) -> None:
    """Where the core refuses, the compiled explanation refuses in the same words."""
    net = mlp("input", *ENDS[end])
    try:
        lrp.explain(net, X, target=1, start=start, canonize=canonize)
    except LrpError as error:
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            lrp.compile(net, "epsilon", start=start, canonize=canonize)
        return
    agrees(net, X, target=1, start=start, canonize=canonize)


def test_starts_that_a_graph_does_not_have() -> None:
    with pytest.raises(ParameterError, match="start of type ndarray"):
        lrp.compile(mlp(), "epsilon", start=D(5, 3))
    with pytest.raises(ParameterError, match="against the targets of all samples"):
        lrp.compile(mlp(), "epsilon", start=lrp.start.Difference([0, 1, 2, 0, 1]))
    with pytest.raises(ParameterError, match="also what it is set against"):
        lrp.compile(mlp(), "epsilon", start=lrp.start.Difference(2), check=False)(X, target=2)


def test_a_tuple_is_one_unit_of_a_map() -> None:
    draw = Draw("map", "normal")
    net = Network.sequential([L.Conv(draw(2, 2, 3, 3), draw(2)), L.ReLU(), L.Conv(draw(3, 2, 3, 3), draw(3))])
    compiled = lrp.compile(net, "epsilon", ledger=True, **SIZES)
    for x in (IMAGES, IMAGES[:1]):
        same(compiled(x, target=(2, 0, 3)), lrp.explain(net, x, target=(2, 0, 3)))
    same(compiled(IMAGES, target=5), lrp.explain(net, IMAGES, target=5))
    with pytest.raises(ParameterError, match="out of range"):
        compiled(IMAGES[:1], target=(3, 0, 0))
    same(lrp.compile(mlp(), "epsilon", ledger=True)(X, target=(1,)), lrp.explain(mlp(), X, target=(1,)))


@pytest.mark.parametrize("against", [0, 1, 2])
def test_the_example_is_explained_whatever_its_largest_output(against: int) -> None:
    net, start = mlp(), lrp.start.Difference(against)
    compiled = lrp.compile(net, "epsilon", start=start, example=X, ledger=True)
    target = (against + 1) % 3
    same(compiled(X, target=target), lrp.explain(net, X, target=target, start=start))
    with pytest.raises(ParameterError, match=f"output {against} is the target of sample 0"):
        compiled(X, target=against)
    if against in net.forward(X).argmax(axis=1):
        with pytest.raises(ParameterError, match=f"output {against} is the prediction of sample"):
            compiled(X)
    else:
        same(compiled(X), lrp.explain(net, X, start=start))


def test_a_difference_of_the_largest_output_in_a_graph(tmp_path: Path) -> None:
    net, start = mlp(), lrp.start.Difference(1)
    apart = X[net.forward(X).argmax(axis=1) != 1]
    lrp.export_onnx(net, "epsilon", tmp_path / "e.onnx", start=start)
    close(
        run(tmp_path / "e.onnx", {"input": single(apart)})["relevance"], lrp.explain(net, apart, start=start).relevance
    )


def test_a_difference_of_units_of_a_map() -> None:
    draw = Draw("map", "normal")
    net = Network.sequential([L.Conv(draw(2, 2, 3, 3), draw(2)), L.ReLU(), L.Conv(draw(3, 2, 3, 3), draw(3))])
    start = lrp.start.Difference((2, 0, 3))
    compiled = lrp.compile(net, "epsilon", start=start, ledger=True, **SIZES)
    same(compiled(IMAGES, target=(1, 1, 1)), lrp.explain(net, IMAGES, target=(1, 1, 1), start=start))


def test_listed_targets_are_not_set_against_themselves(tmp_path: Path) -> None:
    start, path = lrp.start.Difference(1), tmp_path / "e.onnx"
    with pytest.raises(ParameterError, match="also what it is set against"):
        lrp.export_onnx(mlp(), "epsilon", path, targets=[0, 1], start=start)
    assert not path.exists()
    assert lrp.export_onnx(mlp(), "epsilon", path, targets=[0, 2], start=start).start == "Difference(against=1)"


def test_the_target_belongs_to_the_call() -> None:
    with pytest.raises(ParameterError, match=r"given at the call: lrp.compile\(net, ...\)\(x, target=3\)"):
        lrp.compile(mlp(), "epsilon", target=3)
