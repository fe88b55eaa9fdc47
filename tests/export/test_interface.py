"""Names, layouts and kinds of the inputs of exported and compiled explanations, and what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from compiled_cases import IMAGES, SIZES, D, X, agrees, close, conv, mlp, run, single
from samples import Draw

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref.arithmetic import Adjustable
from lrp_ref.errors import (
    BackendError,
    GraphError,
    ParameterError,
    ShapeError,
)
from lrp_ref.network import Input, Network, Node

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


def test_a_trace_gives_what_is_between_the_nodes(tmp_path: Path) -> None:
    net, path = mlp("x"), tmp_path / "e.onnx"
    written = lrp.export_onnx(net, "epsilon", path, targets="input", trace=True)
    found = run(path, {"x": single(X[:1]), "target": np.arange(3)})
    e = lrp.explain(net, np.repeat(X[:1], 3, axis=0), target=np.arange(3), composite="epsilon", trace=True)
    names = [node.name for node in net.nodes]
    assert {n for n, _, _ in written.outputs if "." in n} == {
        f"{kind}.{n}" for kind in ("value", "relevance") for n in names
    }
    for name in names:
        close(found[f"value.{name}"], e.trace.values[name][:1])
        close(found[f"relevance.{name}"], e.trace.relevance[name])
    assert not [n for n, _, _ in lrp.export_onnx(net, "epsilon", path).outputs if "." in n]
