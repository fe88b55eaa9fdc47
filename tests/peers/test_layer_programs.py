"""LXT, autoLRP and HiLRP, run live: what they compute, in exact numbers, and that they leave all else as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from lrp_ref import rules
from lrp_ref.layers import (
    Add,
    AveragePool,
    Conv,
    Dense,
    Flatten,
    Layer,
    MatMul,
    Mean,
    Multiply,
    Normalize,
    ReLU,
    Softmax,
    Transpose,
)  # fmt: skip
from lrp_ref.network.inputs import Input
from lrp_ref.network.network import Network, Node
from lrp_ref.peers import PeerError, Recording, Task, find
from lrp_ref.peers.installed import require
from lrp_ref.peers.interpreter import Interpreter
from lrp_ref.rules.edits import add

F = Fraction
OPEN: list[Interpreter] = []


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()
    other.cache_clear()


@cache
def other(program: str) -> Interpreter | None:
    """Return the interpreter that has a program; None for this one."""
    try:
        require(find(program))
        return None
    except PeerError:
        pass
    place = os.environ.get(f"LRP_REF_PEER_PYTHON_{program.upper()}")
    if place is None:
        pytest.skip(f"{program} is not installed, and LRP_REF_PEER_PYTHON_{program.upper()} names no interpreter")
    OPEN.append(Interpreter(program, place))
    return OPEN[-1]


def asked(program: str, task: Task) -> Recording:
    there = other(program)
    return find(program).load().record(task) if there is None else there.ask(task)


def one(layer: Layer, rule: Any, xs: Any, relevance: Any) -> Task:
    names = tuple(f"x{k}" for k in range(len(xs)))
    net = Network((Node("layer", layer, names),), tuple(Input(n) for n in names), ("layer",))
    return Task(net, dict(zip(names, map(floats, xs), strict=True)), {"layer": rule}, floats(relevance))


def floats(values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=object).astype(np.float64)


def dense(weights: Any, bias: Any = None) -> Dense:
    return Dense(floats([[w] for w in weights]), None if bias is None else floats([bias]))


HALF, NAN = Dense(floats([[1], [F(-1, 2)]]), floats([-1])), float("nan")
BOX, TINY = rules.ZBox(-1, 3), rules.Epsilon(0.25)
ONE, TWO = [[1, -3]], [[2, 1]]
ROW, COLUMN = [[[1, -3]]], [[[2], [1]]]
QUARTER = (1, F(-1, 4))
AUTOLRP = {
    "bias by magnitude": (HALF, rules.LRP0(), [[[1, 1]]], [[1]], [[[F(2, 3), F(-1, 3)]]]),
    "without bias": (dense((1, F(-1, 2))), rules.LRP0(), [[[1, 1]]], [[1]], [[[2, -1]]]),
    "epsilon twice": (dense((1,), 0), TINY, [[[F(1, 4)]]], [[1]], [[[F(1, 4)]]]),
    "epsilon once": (dense((1,)), TINY, [[[F(1, 4)]]], [[1]], [[[F(1, 2)]]]),
    "alpha1 beta0": (dense((1, -1), -1), rules.AlphaBeta(1, 0), [[[1, 1]]], [[-1]], [[[0, 0]]]),
    "alpha1 beta0 mixed": (dense((1, 1), F(1, 2)), rules.AlphaBeta(1, 0), [[[1, -2]]], [[F(-1, 2)]], [[[F(-1, 3), 0]]]),
    "alpha2 beta1": (dense((-1, 1), 0), rules.AlphaBeta(2, 1), [[[2, 4]]], [[1]], [[[-1, 2]]]),
    "zplus": (dense(QUARTER, F(1, 2)), rules.ZPlus(), [[[1, 2]]], [[1]], [[[F(1, 2), 0]]]),
    "zplus without bias": (dense(QUARTER), rules.ZPlus(), [[[1, 2]]], [[1]], [[[1, 0]]]),
    "gamma": (dense(QUARTER, F(1, 2)), rules.Gamma(0.25), [[[1, 2]]], [[1]], [[[F(5, 6), F(-1, 3)]]]),
    "generalised": (dense(QUARTER), rules.GeneralizedGamma(0.25), [[[1, 2]]], [[1]], [[[F(5, 3), F(-2, 3)]]]),
    "generalised at 0": (dense((1, 1)), rules.GeneralizedGamma(0.25), [[[1, -1]]], [[1]], [[[0, 0]]]),
    "small gamma": (dense(QUARTER), rules.Gamma(0.0078125), [[[1, 2]]], [[1]], [[[2, -1]]]),
    "zbox": (dense(QUARTER, F(1, 2)), BOX, [[[1, 2]]], [[1]], [[[F(4, 9), F(1, 18)]]]),
    "nothing guards 0/0": (dense((1,)), rules.LRP0(), [[[0]]], [[1]], [[[NAN]]]),
    "sum": (Add(), rules.LRP0(), [ONE, TWO], [[3, 2]], [[[1, F(3, 2)]], [[2, F(1, 2)]]]),
    "mean": (Mean((1,)), rules.LRP0(), [[[1, -3, 0]]], [[1]], [[[F(1, 4), F(3, 4), 0]]]),
    "average pool": (AveragePool(2), rules.LRP0(), [[[[1, -3]]]], [[[1]]], [[[[F(1, 2), F(1, 2)]]]]),
    "product": (Multiply(), rules.Product("abs"), [ONE, TWO], [[1, 2]], [[[F(1, 3), F(3, 2)]], [[F(2, 3), F(1, 2)]]]),
    "gated": (Multiply(gate=0), None, [ONE, TWO], [[1, 2]], [[[0, 0]], [[1, 2]]]),
    "matrices": (MatMul(), rules.Product("half"), [ROW, COLUMN], [[[1]]], [[[[-1, F(3, 2)]]], [[[-1], [F(3, 2)]]]]),
    "matrices of a gate": (MatMul(gate=0), None, [ROW, COLUMN], [[[1]]], [[[[0, 0]]], [[[-2], [3]]]]),
    "deviation held": (Normalize(centre=False), rules.LRP0(), [[[1, -3]]], [[1, 2]], [[[1, 2]]]),
}
LXT = {
    "epsilon": (dense((1,)), TINY, [[[F(1, 4)]]], [[1]], [[[F(1, 2)]]]),
    "epsilon has no sign": (dense((1,)), TINY, [[[F(-1, 8)]]], [[1]], [[[-1]]]),
    "epsilon at 0": (dense((1,)), TINY, [[[0]]], [[1]], [[[0]]]),
    "bias": (HALF, rules.LRP0(), [[[1, 1]]], [[1]], [[[-2, 1]]]),
    "convolution": (Conv(floats([[[1, 2]]])), TINY, [[[[1, -1]]]], [[[3]]], [[[[-4, 8]]]]),
    "sum": (Add(), rules.Epsilon(0.5), [[[1, -3]], [[2, 1]]], [[3, 3]], [[[F(6, 7), 6]], [[F(12, 7), -2]]]),
    "product": (Multiply(), rules.Product("half"), [ONE, TWO], [[1, 2]], [[[F(1, 2), 1]], [[F(1, 2), 1]]]),
    "half of epsilon": (
        MatMul(), rules.Product("half", stabiliser=add(0.5)), [ROW, COLUMN], [[[1]]],
        [[[[F(-4, 3), 2]]], [[[F(-4, 3)], [2]]]],
    ),
    "matrices of a gate": (
        MatMul(gate=0), rules.Product("signal", stabiliser=add(0.5)), [ROW, COLUMN], [[[1]]],
        [[[[0, 0]]], [[[-4], [6]]]],
    ),
    "deviation held": (Normalize(centre=False), rules.LRP0(), [[[1, -3]]], [[1, 2]], [[[1, 2]]]),
    "activation": (ReLU(), None, [[[1, -3]]], [[1, 2]], [[[1, 2]]]),
    "nothing of a softmax": (Softmax(), rules.Zero(), [[[1, -3]]], [[1, 2]], [[[0, 0]]]),
}  # fmt: skip
HILRP = {
    "epsilon": (dense((1,)), TINY, [[[F(-1, 4)]]], [[1]], [[[F(1, 2)]]]),
    "epsilon leaves 0": (dense((1,)), TINY, [[[0]]], [[1]], [[[NAN]]]),
    "bias": (HALF, rules.LRP0(), [[[1, 1]]], [[1]], [[[-2, 1]]]),
    "sum": (Add(), rules.Epsilon(0.5), [[[1, -3]], [[2, 1]]], [[3, 5]], [[[F(6, 7), 6]], [[F(12, 7), -2]]]),
    "matrices": (
        MatMul(), rules.Product("half", stabiliser=add(0.5)), [ROW, COLUMN], [[[1]]],
        [[[[F(-1, 3) * 2, 1]]], [[[F(-2, 3)], [1]]]],
    ),
    "normalisation": (Normalize(), rules.Pass(), [[[1, -3]]], [[1, 2]], [[[1, 2]]]),
}  # fmt: skip
ANSWERS = [
    pytest.param(program, *case, id=f"{program}: {name}")
    for program, table in {"autolrp": AUTOLRP, "lxt": LXT, "hilrp": HILRP}.items()
    for name, case in table.items()
]


@pytest.mark.filterwarnings("ignore:autoLRP")  # it says that a small γ is not computed as one
@pytest.mark.filterwarnings("ignore:zennit:UserWarning")
@pytest.mark.parametrize(("program", "layer", "rule", "xs", "relevance", "expected"), ANSWERS)
def test_what_a_program_computes(program: str, layer: Layer, rule: Any, xs: Any, relevance: Any, expected: Any) -> None:
    found = asked(program, one(layer, rule, xs, relevance))
    assert not found.left_out
    for k, wanted in enumerate(expected):
        got = found.trace.relevance[f"x{k}"]
        np.testing.assert_allclose(got, floats(wanted), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("program", ["lxt", "autolrp"])
def test_every_node_has_the_epsilon_that_was_asked_for_there(program: str) -> None:
    first, second = dense((F(1, 2),)), dense((1,))
    net = Network.sequential([("first", first), ("act", ReLU()), ("second", second)])
    asked_for = {"first": rules.Epsilon(1), "act": None, "second": rules.Epsilon(2)}
    found = asked(program, Task(net, {"input": floats([[4]])}, asked_for, floats([[8]])))
    # z is 2 in both: 8 · 2/(2 + 2) arrives in the middle, and 4 · 2/(2 + 1) at the input.
    assert found.trace.relevance["act"].item() == 4
    assert found.trace.relevance["first"].item() == 4
    np.testing.assert_allclose(found.trace.relevance["input"], floats([[F(8, 3)]]), rtol=1e-15)


@pytest.mark.parametrize(
    ("program", "without"), [("lxt", rules.Flat()), ("autolrp", rules.WSquare()), ("hilrp", rules.ZPlus())]
)
def test_what_a_program_has_no_rule_for_is_named_and_nothing_below_it_is_known(program: str, without: Any) -> None:
    net = Network.sequential([("first", dense((1,))), ("second", dense((2,))), ("third", dense((3,)))])
    asked_for = {"first": rules.LRP0(), "second": without, "third": rules.LRP0()}
    found = asked(program, Task(net, {"input": floats([[1]])}, asked_for, floats([[6]])))
    assert list(found.left_out) == ["second"]
    assert type(without).__name__ in found.left_out["second"]
    assert set(found.trace.relevance) == {"third", "second"}
    assert set(found.trace.values) == {"input", "first", "second", "third"}


def attention() -> tuple[Network, dict[str, Any], dict[str, Any]]:
    """One head without biases, its rules those of AttnLRP at ε = 0, and its weights."""
    random = np.random.default_rng(3)
    weights = {name: random.normal(size=(3, 3)) for name in ("query", "key", "value", "out")}
    layers: list[tuple[str, Layer, tuple[str, ...]]] = [
        ("query", Dense(weights["query"]), ("input",)),
        ("key", Dense(weights["key"]), ("input",)),
        ("value", Dense(weights["value"]), ("input",)),
        ("turned", Transpose((0, 2, 1)), ("key",)),
        ("scores", MatMul(), ("query", "turned")),
        ("weights", Softmax(axis=2), ("scores",)),
        ("mixed", MatMul(gate=0), ("weights", "value")),
        ("out", Dense(weights["out"]), ("mixed",)),
        ("sum", Add(), ("input", "out")),
    ]
    net = Network(tuple(Node(n, layer, inputs) for n, layer, inputs in layers), (Input("input"),), ("sum",))
    half = rules.Product("half")
    chosen = {"Dense": rules.LRP0(), "Add": rules.LRP0(), "MatMul": half, "Softmax": rules.Taylor(), "Transpose": None}
    return net, {n: chosen[type(layer).__name__] for n, layer, _ in layers}, weights


def test_attention_of_lxt_is_gradient_times_input_where_nothing_is_stabilised() -> None:
    torch = pytest.importorskip("torch")
    net, asked_for, weights = attention()
    x = np.random.default_rng(4).normal(size=(2, 4, 3))
    start = np.random.default_rng(5).normal(size=(2, 4, 3))
    found = asked("lxt", Task(net, {"input": x}, asked_for, start))
    known: dict[str, Any] = {}

    def value(name: str, tensor: Any) -> Any:
        tensor.retain_grad()
        known[name] = tensor
        return tensor

    def product(a: Any, b: Any) -> Any:  # each factor with half of its derivative
        return (a @ b.detach() + a.detach() @ b) / 2

    w = {name: torch.tensor(weight) for name, weight in weights.items()}
    here = value("input", torch.tensor(x, requires_grad=True))
    q, k, v = (value(name, here @ w[name]) for name in ("query", "key", "value"))
    scores = value("scores", product(q, value("turned", k.transpose(1, 2))))
    mixed = value("mixed", product(value("weights", torch.softmax(scores, 2)), v))
    total = value("sum", here + value("out", mixed @ w["out"]))
    total.backward(torch.tensor(start) / total.detach())
    assert set(found.trace.relevance) == set(known)
    for name, tensor in known.items():
        expected = (tensor.detach() * tensor.grad).numpy()
        np.testing.assert_allclose(found.trace.relevance[name], expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("program", ["lxt", "autolrp"])
def test_a_sample_is_explained_as_it_is_alone_and_numbers_stay_short(program: str) -> None:
    random = np.random.default_rng(6)
    weight, bias = random.normal(size=(2, 3, 2)).astype(np.float32), random.normal(size=2).astype(np.float32)
    net = Network.sequential(
        [Conv(weight.reshape(2, 3, 2), bias), ReLU(), Flatten(), Dense(random.normal(size=(6, 2)).astype(np.float32))]
    )
    asked_for = {n.name: rules.Epsilon(0.25) if n.name[:4] in ("conv", "dens") else None for n in net.nodes}
    x, start = random.normal(size=(5, 3, 4)).astype(np.float32), random.normal(size=(5, 2)).astype(np.float32)
    together = asked(program, Task(net, {"input": x}, asked_for, start)).trace.relevance["input"]
    assert together.dtype == np.float32
    for k in (0, 4):
        alone = asked(program, Task(net, {"input": x[k : k + 1]}, asked_for, start[k : k + 1])).trace.relevance["input"]
        np.testing.assert_allclose(alone[0], together[k], rtol=1e-5, atol=1e-6)
    none = asked(program, Task(net, {"input": x[:0]}, asked_for, start[:0])).trace.relevance["input"]
    assert none.shape == (0, 3, 4)


def test_autolrp_is_left_as_it_was() -> None:
    autolrp = pytest.importorskip("autolrp")
    before = [dict(table) for table in (autolrp.INSTALLERS, autolrp.ANALYZERS, autolrp.REWRITES, autolrp.BASE)]
    asked("autolrp", one(*AUTOLRP["zbox"][:4]))
    assert before == [dict(table) for table in (autolrp.INSTALLERS, autolrp.ANALYZERS, autolrp.REWRITES, autolrp.BASE)]


def test_hilrp_patches_nothing() -> None:
    pytest.importorskip("hilrp")
    torch = pytest.importorskip("torch")
    before = [torch.nn.GELU.forward, torch.nn.LayerNorm.forward, torch.nn.Linear.forward]
    asked("hilrp", one(*HILRP["normalisation"][:4]))
    assert before == [torch.nn.GELU.forward, torch.nn.LayerNorm.forward, torch.nn.Linear.forward]
