"""What goes into an exported or compiled explanation and what comes out, and how what it does not take is refused."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime as runtime
from samples import Draw

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref.arithmetic import Adjustable
from lrp_ref.errors import (
    BackendError,
    GraphError,
    LrpError,
    MissingExtraError,
    NonFiniteError,
    ParameterError,
    ShapeError,
    UnsupportedError,
)
from lrp_ref.network import Input, Network, Node

D = Draw("interface", "normal")
X = D(5, 4)
EQUAL = 2e-6  # of the largest relevance


def mlp(name: str = "input", *more: Node, outputs: int = 3, **how: Any) -> Network:
    draw = Draw("mlp", "normal")
    nodes = (
        Node("a", L.Dense(draw(4, 5), draw(5)), (name,)), Node("r", L.ReLU(), ("a",)),
        Node("b", L.Dense(draw(5, outputs), draw(outputs)), ("r",)), *more,
    )  # fmt: skip
    return Network(nodes, (Input(name, (None, 4), **how),), (nodes[-1].name,))


def conv() -> Network:
    draw = Draw("conv", "normal")
    return Network.sequential([
        L.Conv(draw(4, 2, 3, 3), draw(4), padding=1), L.ReLU(), L.MaxPool(2), L.Flatten(),
        L.Dense(draw(64, 3), draw(3)),
    ])  # fmt: skip


def deep() -> Network:
    draw = Draw("deep", "normal")
    return Network.sequential([
        L.Conv(draw(4, 2, 3, 3), draw(4)), L.ReLU(), L.Conv(draw(3, 4, 3, 3), draw(3)), L.ReLU(), L.Flatten(),
        L.Dense(draw(48, 3), draw(3)),
    ])  # fmt: skip


IMAGES = Draw("images", "normal")(5, 2, 8, 8)
SIZES = {"shapes": (2, 8, 8)}


def close(found: Any, wanted: Any) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    size = float(np.abs(wanted).max(initial=0)) or 1.0
    assert float(np.abs(found - wanted).max(initial=0)) <= EQUAL * size


def planned(e: lrp.Explanation) -> list[Any]:
    return [e.plan.note, *((p.node, p.layer, p.rule, p.why) for p in e.plan)]


def same(e: lrp.Explanation, wanted: lrp.Explanation) -> None:
    """Assert that a compiled explanation is what the core returns, in every part."""
    assert e.maps().keys() == wanted.maps().keys()
    for name, part in wanted.maps().items():
        close(e.maps()[name], part)
    close(e.output, wanted.output)
    close(e.start_relevance, wanted.start_relevance)
    assert (e.probability is None) == (wanted.probability is None)
    if e.probability is not None:
        close(e.probability, wanted.probability)
    assert np.asarray(e.target).tolist() == np.asarray(wanted.target).tolist()
    for key in ("start", "composite", "bias", "head", "output_axis", "relevance_axes"):
        assert getattr(e, key) == getattr(wanted, key)
    assert planned(e) == planned(wanted)
    assert [(r.node, r.rule) for r in e.ledger] == [(r.node, r.rule) for r in wanted.ledger]
    size = max(float(np.abs(r.relevance_out).max(initial=0)) for r in wanted.ledger) or 1.0
    for a, b in zip(e.ledger, wanted.ledger, strict=True):
        for column in ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual"):
            assert getattr(a, column).shape == getattr(b, column).shape
            assert np.abs(getattr(a, column) - getattr(b, column)).max(initial=0) <= 1e-5 * size


def agrees(net: Network, x: Any, target: Any = None, composite: Any = "epsilon", **how: Any) -> None:
    """Assert that a compiled explanation is the core's, with and without its check."""
    compiled = lrp.compile(net, composite, ledger=True, **how)
    how.pop("shapes", None)
    same(compiled(x, target=target), lrp.explain(net, x, target=target, composite=composite, **how))


def run(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def single(x: Any) -> Any:
    return np.asarray(x, dtype=np.float32)


# Names ---------------------------------------------------------------------------------------------------------------

NAMES = (
    "target", "output", "relevance", "ledger", "explained", "start", "probability", "epsilon", "v0", "v3", "v3_", "c0",
    "c1", "N", "M", "x0", "r0", "an input", "ü",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_input_may_be_called_as_anything_in_the_graph(name: str, tmp_path: Path) -> None:
    net = mlp(name)
    agrees(net, X, target=1)
    path, more = tmp_path / "e.onnx", {} if name == "epsilon" else {"epsilon": single(0.5)}
    written = lrp.export_onnx(net, "epsilon", path, targets="input", adjustable=tuple(more))
    asks = written.inputs[1][0]
    found = run(path, {name: single(X), asks: np.ones(5, dtype=int), **more})
    assert asks == ("target_" if name == "target" else "target")
    wanted = lrp.explain(net, X, target=1, epsilon=0.5 if more else None)
    close(found["relevance_" if name == "relevance" else "relevance"], wanted.relevance)


def test_inputs_called_as_each_others_relevance() -> None:
    draw = Draw("two", "normal")
    nodes = (
        Node("a", L.Dense(draw(4, 5)), ("relevance.output",)), Node("c", L.Dense(draw(3, 5)), ("output",)),
        Node("s", L.Add(), ("a", "c")), Node("b", L.Dense(draw(5, 3), draw(3)), ("s",)),
        Node("z", L.Dense(draw(5, 2), draw(2)), ("s",)),
    )  # fmt: skip
    inputs = (Input("relevance.output", (None, 4)), Input("output", (None, 3)))
    net, x = Network(nodes, inputs, ("b", "z")), {"relevance.output": X, "output": draw(5, 3)}
    agrees(net, x, target=[0, 1, 2, 0, 1])
    agrees(net, x, target=1, output="z")
    with pytest.raises(GraphError, match="'q' is no output"):
        lrp.compile(net, "epsilon", output="q")
    unread = Network(nodes, (*inputs, Input("unread", (None, 2))), ("b",))
    agrees(unread, {**x, "unread": draw(5, 2)}, target=1)


def test_an_adjustable_number_has_a_name_of_its_own(tmp_path: Path) -> None:
    for name in ("input", "target", "v3", "c0", ""):
        rule = lrp.rules.Epsilon(Adjustable(0.1, name))
        with pytest.raises(ParameterError, match="is no name, or that of something else"):
            lrp.export_onnx(mlp(), rule, tmp_path / "e.onnx", targets="input")
    one, other = (lrp.rules.Epsilon(Adjustable(number, "e")) for number in (0.1, 0.2))
    with pytest.raises(ParameterError, match=r"'e' is 0\.\d and 0\.\d"):
        lrp.export_onnx(mlp(), lrp.Composite([("a", one), ("b", other)]), tmp_path / "e.onnx")
    lrp.export_onnx(mlp(), lrp.rules.Epsilon(Adjustable(0.1, "output")), tmp_path / "e.onnx")
    found = run(tmp_path / "e.onnx", {"input": single(X), "output": single(0.5)})
    assert set(found) == {"output_", "relevance", "ledger", "explained", "start"}
    close(found["relevance"], lrp.explain(mlp(), X, composite=lrp.rules.Epsilon(0.5)).relevance)


# Layouts and kinds of inputs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("output_axes", [(), (1,)])
def test_the_batch_may_be_at_another_axis(output_axes: tuple[int, ...]) -> None:
    net = mlp()
    turned = Network(net.nodes, (Input("input", (4, None), batch_axis=1),), ("b",), output_axes=output_axes)
    agrees(turned, X.T, target=2)
    agrees(turned, X.T)


def test_an_input_may_be_one_sample() -> None:
    net = mlp()
    alone = Network(net.nodes, (Input("input", (4,), batch_axis=None),), ("b",), output_axes=(None,))
    agrees(alone, X[0], target=2)
    agrees(alone, X[0])


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_tokens(dtype: str) -> None:
    words = Network.sequential([L.Embedding(D(9, 4)), L.Flatten(), L.Dense(D(24, 3), D(3))])
    ids = (np.arange(30).reshape(5, 6) * 7 % 9).astype(dtype)
    agrees(words, ids, target=1, shapes=(6,))
    compiled = lrp.compile(words, "epsilon", shapes=(6,))
    with pytest.raises(ShapeError, match="takes integers"):
        compiled(ids.astype(float))
    with pytest.raises(BackendError, match="out of data bounds"):
        compiled(ids + 5)


def test_lengths_are_integers() -> None:
    cell = L.LSTM(D(1, 4, 2, 3) / 2, D(1, 4, 2, 2) / 2, D(1, 4, 2) / 2, lengths=True)
    net = Network((Node("cell", cell, ("x", "n")), Node("d", L.Dense(D(2, 3), D(3)), ("cell",))),
                  (Input("x", (None, 4, 3)), Input("n", (None,))), ("d",))  # fmt: skip
    agrees(net, {"x": D(5, 4, 3), "n": np.array([4, 1, 3, 2, 4])}, target=1)


def test_sizes_that_are_free_are_asked_for() -> None:
    with pytest.raises(ShapeError, match=r"any shape without the samples.*shapes={'input': \(…\)}"):
        lrp.compile(conv(), "epsilon")
    agrees(conv(), IMAGES, target=1, **SIZES)
    agrees(conv(), IMAGES, target=1, shapes={"input": (2, 8, 8)})
    for shapes, message in (
        ((2, 8), "node 'conv1'"), ({"q": (4,)}, "'q' is no input"), ((2, 0, 8), "no size is below 1"),
        ("abc", "no tuple"), (6, "no tuple"), ((2, 8.5, 8), "no tuple"), ((2, 2, 2), "node 'dense1'"),
        ((2, None, 8), "sizes that are free"),
    ):  # fmt: skip
        with pytest.raises((ShapeError, ParameterError), match=message) as caught:
            lrp.compile(conv(), "epsilon", shapes=shapes)
        assert "1000003" not in str(caught.value)
    with pytest.raises(ShapeError, match=r"does not fit input 'input', \(N, 4\)"):
        lrp.compile(mlp(), "epsilon", shapes=(5,))
    with pytest.raises(ShapeError, match="compiled for"):
        lrp.compile(conv(), "epsilon", **SIZES)(D(1, 2, 9, 9))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_any_number_of_samples(count: int, tmp_path: Path) -> None:
    x = D(count, 2, 8, 8)
    agrees(conv(), x, target=1, **SIZES)
    agrees(conv(), x, **SIZES)
    agrees(conv(), x, target=[k % 3 for k in range(count)], composite="epsilon_alpha2_beta1", **SIZES)
    lrp.export_onnx(conv(), "epsilon", tmp_path / "e.onnx", **SIZES)
    close(run(tmp_path / "e.onnx", {"input": single(x)})["relevance"], lrp.explain(conv(), x).relevance)


def test_networks_of_one_node_and_constants() -> None:
    agrees(Network.sequential([L.Dense(D(4, 3))]), X, target=1, shapes=(4,))
    agrees(Network.sequential([L.ReLU()]), X, target=1, shapes=(4,))
    agrees(Network.sequential([L.Flatten()]), D(3, 2, 2), target=1, shapes=(2, 2))
    agrees(mlp(outputs=1), X)
    draw, x = Draw("constants", "normal"), Input("x", (None, 4))
    constant = Node("k", L.Constant(draw(4)), ("x",))
    for merge, size in ((L.Add(), 4), (L.Concat(), 8)):
        dense = Node("d", L.Dense(draw(size, 3)), ("m",))
        agrees(Network((constant, Node("m", merge, ("x", "k")), dense), (x,), ("d",)), X, target=0)
    agrees(Network((constant,), (x,), ("k",)), X, target=0)
    twice = (Node("d", L.Dense(draw(4, 3)), ("x",)), Node("m", L.Multiply(), ("d", "d")))
    agrees(Network(twice, (x,), ("m",)), X, target=0)


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


# Forms of the graph --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", range(17, 24))
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_alpha2_beta1"])
def test_every_opset_and_both_ways_of_writing(composite: str, opset: int, tmp_path: Path) -> None:
    wanted = lrp.explain(conv(), IMAGES, target=1, composite=composite).relevance
    for optimize in ("size", "speed"):
        path = tmp_path / f"{optimize}.onnx"
        lrp.export_onnx(conv(), composite, path, targets="input", opset=opset, optimize=optimize, **SIZES)
        assert onnx.load(path).opset_import[0].version == opset
        close(run(path, {"input": single(IMAGES), "target": np.ones(5, dtype=int)})["relevance"], wanted)


def test_float64(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    path = tmp_path / "e.onnx"
    lrp.export_onnx(conv(), "epsilon", path, dtype="float64", **SIZES)
    graph, e = ReferenceEvaluator(str(path)), lrp.explain(conv(), IMAGES)
    found = dict(zip(graph.output_names, graph.run(None, {"input": IMAGES}), strict=True))
    np.testing.assert_allclose(found["relevance"], e.relevance, rtol=1e-9, atol=1e-12 * np.abs(e.relevance).max())


@pytest.mark.parametrize(
    "form", [{"opset": 16}, {"opset": 24}, {"opset": "17"}, {"opset": 17.0}, {"optimize": "fast"}, {"dtype": "float16"}]
)
def test_forms_that_are_none(form: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="must be"):
        lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx", **form)


def test_epsilon_and_gamma_stay_adjustable(tmp_path: Path) -> None:
    path, box = tmp_path / "e.onnx", {"composite": "epsilon_gamma_box", "low": -3, "high": 3}
    lrp.export_onnx(deep(), path=path, targets="input", adjustable=("epsilon", "gamma"), forward=True, **box, **SIZES)
    feeds = {"input": single(IMAGES), "target": np.ones(5, dtype=int)}
    with pytest.raises(ValueError, match="missing from input feed"):
        run(path, feeds)
    for epsilon, gamma in ((1e-6, 1.0), (0.5, 0.25), (2.0, 0.0)):
        found = run(path, {**feeds, "epsilon": single(epsilon), "gamma": single(gamma)})
        wanted = lrp.explain(deep(), IMAGES, target=1, epsilon=epsilon, gamma=gamma, **box)
        close(found["relevance"], wanted.relevance)
    assert set(run(tmp_path / "e.forward.onnx", {"input": single(IMAGES)})) == {"output"}
    for adjustable, message in (
        ("gamma", "has epsilon to adjust"), (("bias",), "has epsilon to adjust"), (("epsilon",), "epsilon is 0"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=message):
            lrp.export_onnx(mlp(), "epsilon", path, adjustable=adjustable, epsilon=0 if "0" in message else None)


# What is refused -----------------------------------------------------------------------------------------------------


class Looking(L.ReLU):
    """A layer that branches on what it reads."""

    def forward(self, *xs: Any) -> Any:
        if bool((xs[0] > 1e30).any()):
            raise NonFiniteError("too large")
        return super().forward(*xs)


def test_all_nodes_that_cannot_be_written_are_named_at_once(tmp_path: Path) -> None:
    dense = [L.Dense(D(4, 4)) for _ in range(3)]
    net = Network.sequential([dense[0], ("first", Looking()), dense[1], ("second", Looking()), dense[2]])
    for made in (
        lambda: lrp.export_onnx(net, "epsilon", tmp_path / "e.onnx", shapes=(4,)),
        lambda: lrp.compile(net, "epsilon", shapes=(4,)),
    ):
        with pytest.raises(UnsupportedError, match=r"^2 nodes .*'first' \(Looking.*'second' \(Looking"):
            made()
    with pytest.raises(UnsupportedError, match=r"^node cannot be written as a graph: 'first'"):
        lrp.compile(net.until("first"), "epsilon", shapes=(4,))
    assert not (tmp_path / "e.onnx").exists()


@pytest.mark.parametrize(
    ("made", "kind", "message"),
    [
        (lambda: np.ones((2, 4), dtype=int), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=bool), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=complex), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=object), BackendError, "holds object.*use lrp.explain"),
        (lambda: "text", BackendError, "not a NumPy or CuPy array"),
        (lambda: [[1.0, 2.0, 3.0, 4.0]], BackendError, "not a NumPy or CuPy array"),
        (lambda: np.full((2, 4), np.nan), NonFiniteError, "not finite"),
        (lambda: np.full((2, 4), 1e300), NonFiniteError, "float32 cannot hold"),
        (lambda: np.ones((2, 5)), ShapeError, r"expects \(N, 4\)"),
        (lambda: np.ones(4), ShapeError, r"expects \(N, 4\)"),
        (lambda: {"y": X}, GraphError, "inputs are input; given: y"),
        (dict, GraphError, "inputs are input"),
    ],
)  # fmt: skip
def test_inputs_that_are_none(made: Callable[[], Any], kind: type[LrpError], message: str) -> None:
    compiled = lrp.compile(mlp(), "epsilon")
    with pytest.raises(kind, match=message):
        compiled(made())


def test_floats_of_any_type_are_rounded_to_float32() -> None:
    compiled, x = lrp.compile(mlp(), "epsilon"), X.astype(np.float16)
    assert compiled(x).relevance.dtype == np.float32
    close(compiled(x).relevance, lrp.explain(mlp(), x.astype(float)).relevance)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"composite": "epsilonn"}, "did you mean 'epsilon'"), ({"composite": 3}, "is no composite"),
        ({"gama": 2}, "not 'gama'"), ({"xp": "numpy"}, "not 'xp'"), ({"target": 1}, "not 'target'"),
        ({"conditions": {}}, "not 'conditions'"), ({"start": "zz"}, "unknown start"), ({"epsilon": -1}, "must be ≥ 0"),
        ({"example": np.full((1, 4), np.nan)}, "not finite"), ({"example": np.ones((1, 5))}, r"expects \(N, 4\)"),
        ({"example": np.ones((0, 4))}, "no sample"), ({"example": "text"}, "not a NumPy or CuPy array"),
    ],
)  # fmt: skip
def test_questions_that_are_none(how: dict[str, Any], message: str) -> None:
    with pytest.raises(LrpError, match=message):
        lrp.compile(mlp(), **{"composite": "epsilon", **how})


def test_numbers_that_float32_cannot_hold(tmp_path: Path) -> None:
    for size in (4, 4000):
        large = Network.sequential([L.Dense(np.full((size, 3), 1e60))])
        for made in (
            lambda net=large, n=size: lrp.compile(net, "epsilon", shapes=(n,)),
            lambda net=large, n=size: lrp.export_onnx(net, "epsilon", tmp_path / "e.onnx", shapes=(n,)),
        ):
            with pytest.raises(NonFiniteError, match=r"1e\+60, which float32 cannot hold"):
                made()
        lrp.export_onnx(large, "epsilon", tmp_path / "e.onnx", shapes=(size,), dtype="float64")


def test_what_is_not_a_network_and_files_that_cannot_be_written(tmp_path: Path) -> None:
    for function in (lrp.compile, lrp.export_onnx):
        with pytest.raises(ParameterError, match="takes a Network, got a str"):
            function("model.onnx", "epsilon")
    for path in (tmp_path, tmp_path / "none" / "e.onnx"):
        with pytest.raises(ParameterError, match="cannot be written"):
            lrp.export_onnx(mlp(), "epsilon", path)
    exact = lrp.arithmetic.rational(mlp())
    with pytest.raises(BackendError, match="exact numbers"):
        lrp.compile(exact, "epsilon")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_packages_that_are_missing(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=f"{missing} is needed to .*pip install"):
        lrp.compile(mlp(), "epsilon")
    if missing == "onnx":
        with pytest.raises(MissingExtraError, match="onnx is needed to write a graph"):
            lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx")
    else:
        assert lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx").nodes


def test_an_explanation_without_its_ledger() -> None:
    e = lrp.compile(mlp(), "epsilon")(X, target=1)
    assert "ledger residual nan" in repr(e)
    assert e.sample(2).relevance.shape == (1, 4)
    assert repr(pickle.loads(pickle.dumps(e))) == repr(e)  # noqa: S301
    with pytest.raises(UnsupportedError, match="compiled without its ledger"):
        list(e.ledger)
    assert e.trace.relevance["a"].shape == (5, 5)
