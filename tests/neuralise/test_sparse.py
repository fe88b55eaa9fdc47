"""Sparse samples: the formulas word by word, dense explanations, blocks, and what has no place in a sparse matrix."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from golden_nonneural import Golden, needed
from scipy import sparse

import lrp_ref as lrp
from lrp_ref.errors import (
    BackendError,
    LrpError,
    NonFiniteError,
    ParameterError,
    ShapeError,
    UnsupportedError,
)
from lrp_ref.layers import (
    Affine,
    Centred,
    Dense,
    Exp,
    Gather,
    LogCount,
    Multiply,
    ReLU,
    Sigmoid,
    SquaredDistance,
    UnitNorm,
)
from lrp_ref.neuralise import explain_sparse
from lrp_ref.neuralise import sparse as module
from lrp_ref.neuralise.columns import Front

V, K = 30, 4


def words(n: int = 9, *, seed: int = 0, signed: bool = True) -> Any:
    """Return (N, V) with some three numbers a row, of both signs; the second row is empty."""
    draw = np.random.default_rng(seed)
    x = np.where(draw.random((n, V)) < 0.1, draw.normal(size=(n, V)) if signed else draw.integers(1, 5, (n, V)), 0)
    x = x.astype(float)
    if n > 1:
        x[1] = 0
        x[0, 3] = 1.5
    return sparse.csr_array(x)


def linear(seed: int = 1) -> lrp.Network:
    draw = np.random.default_rng(seed)
    return lrp.Network.sequential([("scores", Dense(draw.normal(size=(V, K)), draw.normal(size=K)))])


def by_hand(x: Any, weight: Any, bias: Any, target: Any, policy: str) -> Any:
    """Return R_i = x_i w_ic with the bias kept apart, left out of the denominator, or shared by the words there."""
    found = np.zeros(x.shape)
    for n in range(len(x)):
        shares = x[n] * weight[:, target[n]]
        if policy == "ignore" and shares.sum() != 0:
            shares = shares / shares.sum() * (shares.sum() + bias[target[n]])
        if policy == "nonzero" and (x[n] != 0).any():
            shares = shares + np.where(x[n] != 0, bias[target[n]] / (x[n] != 0).sum(), 0)
        found[n] = shares
    return found


@pytest.mark.parametrize("policy", ["absorb", "column", "ignore", "nonzero"])
@pytest.mark.parametrize("n", [0, 1, 9])
def test_the_formula_of_a_linear_model(n: int, policy: str) -> None:
    net, x = linear(), words(9)[:n]
    weight, bias = net["scores"].layer.weight, net["scores"].layer.bias
    e = explain_sparse(net, x, composite="lrp0", bias=policy)
    dense = x.toarray()
    output = dense @ weight + bias
    target = output.argmax(axis=1)
    np.testing.assert_allclose(e.output, output, rtol=0, atol=1e-14)
    assert e.target is not None
    assert e.target.ravel().tolist() == target.tolist()
    np.testing.assert_allclose(e.relevance.toarray(), by_hand(dense, weight, bias, target, policy), rtol=0, atol=1e-12)
    assert e.relevance.shape == x.shape
    assert np.array_equal(e.relevance.indices, x.indices)
    assert np.array_equal(e.relevance.indptr, x.indptr)
    (row,) = e.ledger
    kept = bias[target] if policy in ("absorb", "column") else np.where(np.diff(x.indptr) == 0, bias[target], 0)
    if policy != "ignore":
        np.testing.assert_allclose(row.bias, kept, rtol=0, atol=1e-13)
    np.testing.assert_allclose(row.relevance_out, output[np.arange(n), target], rtol=0, atol=1e-14)
    assert e.ledger.residual <= 1e-12


DRAW = np.random.default_rng(5)
BOTTOM, TOP_OF_IT = (Dense(DRAW.normal(size=s), DRAW.normal(size=s[1])) for s in ((V, 6), (6, K)))
DEEP = [BOTTOM, ReLU(), TOP_OF_IT]
TFIDF = [Affine(DRAW.random(V) + 0.5), UnitNorm("l1"), *DEEP]
SOME = [Gather((2, 3, 5, 11, 29, 0), -1), Affine(DRAW.random(6)), Gather((1, 4, 0), 1)]
SELECTED = [*SOME, Dense(DRAW.normal(size=(3, K)))]
SCALED = [Centred(np.zeros(V), DRAW.random(V) + 1), ReLU(), Affine(np.array([2.0])), *DEEP]
NETS = {"deep": DEEP, "tf-idf": TFIDF, "selected": SELECTED, "scaled": SCALED}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("composite", ["lrp0", "epsilon", "epsilon_plus", lrp.rules.AlphaBeta(2, 1)])
def test_it_is_the_dense_explanation(name: str, composite: Any) -> None:
    net, x = lrp.Network.sequential(NETS[name]), words()
    for asked in ({}, {"target": 2}, {"target": [k % K for k in range(9)]}, {"start": "difference", "against": 3,
                  "target": 1}, {"start": "one_hot", "target": [[0, 2]]}, {"bias": "ignore"}):  # fmt: skip
        d = lrp.explain(net, x.toarray(), composite=composite, **asked)
        s = explain_sparse(net, x, composite=composite, **asked)
        np.testing.assert_allclose(s.relevance.toarray(), d.relevance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(s.output, d.output, rtol=1e-12, atol=1e-13)
        assert [r.node for r in s.ledger] == [r.node for r in d.ledger]
        assert [r.rule for r in s.ledger] == [r.rule for r in d.ledger]
        for one, other in zip(s.ledger, d.ledger, strict=True):
            for column in ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped"):
                np.testing.assert_allclose(getattr(one, column), getattr(other, column), rtol=1e-9, atol=1e-11)
        assert (s.composite, s.start, s.bias) == (d.composite, d.start, d.bias)
        assert s.target is not None
        assert np.array_equal(s.target, d.target)
        assert np.array_equal(s.start_relevance, d.start_relevance) or name != "selected"


def test_a_network_is_explained_with_its_own_composite() -> None:
    from dataclasses import replace

    net = replace(lrp.Network.sequential(DEEP), composite="lrp0")
    assert explain_sparse(net, words()).composite == "lrp0"
    assert explain_sparse(net, words(), composite="epsilon").composite == "epsilon"


@pytest.mark.parametrize("block", [1, 40, 100])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = lrp.Network.sequential(TFIDF), words(25)
    target, start = np.arange(25) % K, np.random.default_rng(0).normal(size=(25, K))
    whole = [explain_sparse(net, x, target=target), explain_sparse(net, x, start=start)]
    monkeypatch.setattr(module, "BLOCK", block)
    assert len(list(module._blocks(x))) > 3
    for before, asked in zip(whole, ({"target": target}, {"start": start}), strict=True):
        now = explain_sparse(net, x, **asked)
        np.testing.assert_allclose(now.relevance.data, before.relevance.data, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(now.output, before.output, rtol=1e-12)
        assert len(now.ledger[0].bias) == 25


def test_a_row_alone_is_the_row_of_a_batch() -> None:
    net, x = lrp.Network.sequential(TFIDF), words(8)
    whole = explain_sparse(net, x)
    for k in range(8):
        one = explain_sparse(net, x[[k]])
        np.testing.assert_allclose(one.relevance.toarray()[0], whole.relevance.toarray()[k], rtol=1e-12, atol=1e-15)


def test_every_form_of_a_matrix() -> None:
    net, x = linear(), words()
    expected = explain_sparse(net, x).relevance.toarray()
    for form in ("csc", "coo", "lil", "dok", "bsr"):
        assert np.array_equal(explain_sparse(net, x.asformat(form)).relevance.toarray(), expected), form
    assert np.array_equal(explain_sparse(net, sparse.csr_matrix(x)).relevance.toarray(), expected)
    twice = sparse.csr_array((np.r_[0.5, 1.0, 2.0], np.r_[4, 4, 1], [0, 3]), shape=(1, V))
    once = sparse.csr_array((np.r_[2.0, 1.5], np.r_[1, 4], [0, 2]), shape=(1, V))
    given = twice.copy()
    assert np.array_equal(explain_sparse(net, twice).relevance.toarray(), explain_sparse(net, once).relevance.toarray())
    assert (given.data == twice.data).all(), "what was given is not changed"
    zeros = sparse.csr_array((np.r_[0.0, 1.5], np.r_[1, 4], [0, 2]), shape=(1, V))
    assert explain_sparse(net, zeros).relevance.nnz == 2


def test_the_type_of_the_numbers() -> None:
    net, x = linear(), sparse.csr_array(abs(words()).ceil())
    small = explain_sparse(net, x.astype(np.float32))
    assert small.relevance.dtype == small.output.dtype == np.float32
    counts = explain_sparse(net, x.astype(np.int64))
    assert counts.relevance.dtype == np.float64
    whole = sparse.csr_array(x.astype(np.int64).astype(float))
    assert np.array_equal(counts.relevance.data, explain_sparse(net, whole).relevance.data)
    assert explain_sparse(net.astype(np.float32), x.astype(np.int64)).relevance.dtype == np.float32


def test_no_array_of_all_columns_is_made() -> None:
    """A dense array of these samples would have 4 GB, one of the columns that occur in them 310 MB."""
    draw, n, v = np.random.default_rng(0), 2000, 500_000
    net = lrp.Network.sequential([Dense(draw.random((v, 3), dtype=np.float32))])
    x = sparse.csr_array(
        (np.ones(n * 20, np.float32), draw.integers(0, v, n * 20), np.arange(n + 1) * 20), shape=(n, v)
    )
    tracemalloc.start()
    try:
        e = explain_sparse(net, x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert e.relevance.shape == (n, v)
    assert peak < 40e6


@needed
@pytest.mark.parametrize("case", ["tfidf_linearsvc", "tfidf_linearsvc_sublinear"])
def test_stored_tfidf(case: str) -> None:
    g = Golden(case)
    front = [LogCount()] if "sublinear" in case else []
    top = Dense(g["weight"].reshape(-1, 1), g["bias"])
    net = lrp.Network.sequential([*front, Affine(g["idf"]), UnitNorm(), top])
    e = explain_sparse(net, sparse.csr_array(g["counts"]), composite="lrp0")
    g.agrees(e.output[:, 0], "output")
    g.agrees(e.relevance.toarray(), "relevance")


@needed
def test_stored_linear_model() -> None:
    g = Golden("linear_LinearSVC")
    net, x = lrp.Network.sequential([Dense(g["weight"], g["bias"])]), sparse.csr_array(g["x"])
    for policy in ("column", "nonzero"):
        every = [explain_sparse(net, x, target=c, composite="lrp0", bias=policy) for c in range(10)]
        g.agrees(np.stack([e.relevance.toarray() for e in every], axis=1), f"relevance_{policy}")
        g.agrees(np.stack([e.ledger[0].bias for e in every], axis=1) + 0.0, f"bias_{policy}")


# What is refused ------------------------------------------------------------------------------------------------------


def net_of(*layers: Any) -> lrp.Network:
    return lrp.Network.sequential(list(layers))


TOP = Dense(np.ones((V, K)))
MADE = {
    "shift": (net_of(Affine(None, np.ones(V)), TOP), "affine1.*its shift makes something"),
    "reference": (net_of(Centred(np.ones(V)), TOP), "centred1.*reference='zero'"),
    "sigmoid": (net_of(Sigmoid(), TOP), "sigmoid1.*makes something of a column that is 0"),
    "exponential": (net_of(Exp(), TOP), "makes something of a column that is 0"),
    "distance": (
        net_of(SquaredDistance(np.ones((K, V))), Dense(np.ones((K, 1)))),
        "distance1.*counts there too",
    ),
    "no score": (net_of(ReLU()), "has a number for every column"),
    "table": (net_of(Affine(np.ones((1, V))), TOP), "no row of columns"),
}


@pytest.mark.parametrize("name", MADE)
def test_a_network_that_makes_something_of_zeros_is_refused(name: str) -> None:
    net, said = MADE[name]
    with pytest.raises(UnsupportedError, match=said):
        explain_sparse(net, words())


def test_several_inputs_are_refused() -> None:
    two = lrp.Network((lrp.Node("m", Multiply(), ("a", "b")),), (lrp.Input("a"), lrp.Input("b")), ("m",))
    with pytest.raises(UnsupportedError, match=r"networks of one input \(N, columns\); this one takes a, b"):
        explain_sparse(two, words())
    square = lrp.Network((lrp.Node("m", Multiply(), ("a", "a")), lrp.Node("d", TOP, ("m",))), (lrp.Input("a"),), ("d",))
    with pytest.raises(UnsupportedError, match="puts several values together"):
        explain_sparse(square, words())


RULES: dict[str, Any] = {
    "gradient": "composite='lrp0'",
    "flat": "composite='lrp0'",
    "box": "composite='lrp0'",
    "spread": "bias='nonzero'",
    "uniform": "bias='nonzero'",
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n", [1, 9])
def test_a_rule_that_gives_to_zeros_is_refused(name: str, n: int) -> None:
    """Also of one sample, all of whose columns are not 0."""
    asked: dict[str, dict[str, Any]] = {
        "gradient": {"composite": "gradient"},
        "flat": {"composite": lrp.rules.Flat()},
        "box": {"composite": lrp.rules.ZBox(-1.0, 1.0)},
        "spread": {"composite": "lrp0", "bias": "spread"},
        "uniform": {"composite": "lrp0", "bias": "uniform"},
    }
    with pytest.raises(UnsupportedError, match=f"gives relevance to columns that are 0, take {RULES[name]}"):
        explain_sparse(linear(), words(n), **asked[name])


def test_a_rule_above_the_columns_may_be_any() -> None:
    net = lrp.Network.sequential(DEEP)
    composite = lrp.Composite([("dense2", lrp.rules.Flat()), (Dense, lrp.rules.LRP0())])
    d, s = lrp.explain(net, words().toarray(), composite=composite), explain_sparse(net, words(), composite=composite)
    np.testing.assert_allclose(s.relevance.toarray(), d.relevance, rtol=1e-9, atol=1e-12)


BAD: dict[str, tuple[Callable[[], Any], type[LrpError], str]] = {
    "array": (lambda: np.ones((2, V)), ParameterError, "ndarray is no matrix of scipy.sparse"),
    "list": (lambda: [[1.0]], ParameterError, "list is no matrix"),
    "width": (lambda: sparse.csr_array((2, V + 1)), ShapeError, "the matrix has 31 columns, the network takes 30"),
    "one axis": (lambda: sparse.coo_array(np.ones(V)), ShapeError, r"shape \(30,\); expected \(samples, columns\)"),
    "complex": (lambda: words().astype(complex), BackendError, "complex128"),
    "not finite": (lambda: sparse.csr_array(np.full((1, V), np.nan)), NonFiniteError, "the matrix"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_matrix_for_the_network_is_refused_in_a_line(name: str) -> None:
    made, kind, said = BAD[name]
    with pytest.raises(kind, match=said) as caught:
        explain_sparse(linear(), made())
    assert "\n" not in str(caught.value)


def test_the_dense_call_names_the_sparse_one() -> None:
    with pytest.raises(BackendError, match=r"shape \(9, 30\) is a sparse matrix: lrp.neuralise.explain_sparse\(net"):
        lrp.explain(linear(), words())


def test_messages_name_the_sample_of_the_matrix_not_of_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1)
    net, x = net_of(Dense(np.eye(2))), sparse.csr_array(np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0]]))
    with pytest.raises(ParameterError, match="the prediction of sample 2"):
        explain_sparse(net, x, start="difference", against=1)
    with pytest.raises(ParameterError, match="5 is out of range: the output has 2 classes"):
        explain_sparse(net, x, target=5)
    with pytest.raises(ParameterError, match="2 targets for 3 samples"):
        explain_sparse(net, x, target=[0, 1])


def test_a_front_tells_its_width() -> None:
    assert Front.of(linear()).width == V
    assert Front.of(lrp.Network.sequential(TFIDF)).width == V
    assert Front.of(lrp.Network.sequential(SELECTED)).width is None
    assert Front.of(lrp.Network.sequential(SELECTED)).needed.tolist() == [3]


def test_a_vocabulary_without_words_leaves_the_bias() -> None:
    net = lrp.neuralise.linear(np.zeros((0, 2)), np.array([0.5, -1.0]))
    e = lrp.neuralise.explain_sparse(net, sparse.csr_array((3, 0)), target=1)
    assert e.relevance.shape == (3, 0)
    np.testing.assert_array_equal(e.output, np.tile([0.5, -1.0], (3, 1)))
    np.testing.assert_array_equal(e.ledger[0].bias, [-1.0, -1.0, -1.0])


def test_targets_are_named_as_of_explain() -> None:
    weight = np.array([[1.0, -2.0], [0.5, 3.0]])
    net = lrp.Network.sequential([Dense(weight)])
    named = replace(net, classes=("ham", "spam"), composite="lrp0")
    counts = sparse.csr_array(np.array([[2.0, 1.0]]))
    for name, k in (("ham", 0), ("spam", 1)):
        assert (explain_sparse(named, counts, target=name).relevance.toarray() == counts.toarray() * weight[:, k]).all()
    started = explain_sparse(named, counts, target="spam", start="difference", against="ham").start_relevance
    assert started.tolist() == [[-2.5, -1.0]]
    with pytest.raises(ParameterError, match="unknown class 'eggs'"):
        explain_sparse(named, counts, target="eggs")
