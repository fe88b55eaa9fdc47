"""The composites of the primitives on a transformer block, against gradients of the block with its factors frozen.

Under ε = 0, a rule of the family hands relevance down as input × gradient does, when the function is changed so that
what a primitive takes for granted is frozen at the point: g·s with g frozen (detach), x·(f(x)/x) with the quotient
frozen (identity), half of each product with either factor frozen (half). The oracle is that function in plain NumPy,
with its derivative by central differences; nothing of the library is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.errors import ParameterError
from lrp_ref.layers import (
    GELU,
    Add,
    Affine,
    Compare,
    Constant,
    Dense,
    Embedding,
    Function,
    Layer,
    MatMul,
    Mean,
    Multiply,
    Normalize,
    Number,
    Power,
    RecurrentLayer,
    Reshape,
    SelectiveScan,
    Sigmoid,
    SiLU,
    Softmax,
    Sum,
    Transpose,
    Unsqueeze,
)
from lrp_ref.network.gates import gated, unopposed
from lrp_ref.network.inputs import Input
from lrp_ref.network.network import Network, Node

Floats = NDArray[np.float64]
T, D, HEADS, FFN = 3, 4, 2, 6


def block(rng: np.random.Generator, mask: Floats | None = None) -> tuple[Network, dict[str, Any]]:
    """Return a pre-norm encoder block with a gated MLP and a logit on the mean of the tokens, and its parameters."""
    sizes = {"q": (D, D), "k": (D, D), "v": (D, D), "o": (D, D), "g": (D, FFN), "u": (D, FFN), "d": (FFN, D)}
    p: dict[str, Any] = {name: rng.normal(size=s) for name, s in sizes.items()}
    p |= {f"{name}_b": rng.normal(size=s[1]) for name, s in sizes.items()}
    p |= {"s": rng.normal(size=D), "t": rng.normal(size=D), "top": rng.normal(size=(D, 2)), "top_b": rng.normal(size=2)}
    heads, back = Reshape((T, HEADS, D // HEADS)), Reshape((T, D))
    nodes = [
        Node("norm", Normalize(), ("x",)),
        Node("scale", Affine(p["s"][None], p["t"][None]), ("norm",)),
        *(Node(n, Dense(p[n], p[f"{n}_b"]), ("scale",)) for n in "qkv"),
        *(Node(f"{n}h", heads, (n,)) for n in "qkv"),
        Node("qt", Transpose((0, 2, 1, 3)), ("qh",)),
        Node("kt", Transpose((0, 2, 3, 1)), ("kh",)),
        Node("vt", Transpose((0, 2, 1, 3)), ("vh",)),
        Node("scores", MatMul(), ("qt", "kt")),
        Node("masked", Affine(None, mask[None] if mask is not None else np.zeros((1, T, T))), ("scores",)),
        Node("weights", Softmax(-1), ("masked",)),
        Node("read", MatMul(), ("weights", "vt")),
        Node("order", Transpose((0, 2, 1, 3)), ("read",)),
        Node("joined", back, ("order",)),
        Node("o", Dense(p["o"], p["o_b"]), ("joined",)),
        Node("residual", Add(), ("x", "o")),
        Node("g", Dense(p["g"], p["g_b"]), ("residual",)),
        Node("act", SiLU(), ("g",)),
        Node("u", Dense(p["u"], p["u_b"]), ("residual",)),
        Node("gated", Multiply(), ("act", "u")),
        Node("d", Dense(p["d"], p["d_b"]), ("gated",)),
        Node("out", Add(), ("residual", "d")),
        Node("mean", Mean((1,), keepdims=False), ("out",)),
        Node("top", Dense(p["top"], p["top_b"]), ("mean",)),
    ]
    return Network(tuple(nodes), (Input("x", (None, T, D)),), ("top",)), p


def softmax(s: Floats) -> Floats:
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def values(x: Floats, p: dict[str, Any], mask: Floats) -> dict[str, Floats]:
    """Return the factors that the primitives freeze, at x (T, D)."""
    v: dict[str, Floats] = {}
    centred = x - x.mean(-1, keepdims=True)
    v["deviation"] = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    n = centred / v["deviation"] * p["s"] + p["t"]
    q, k, val = ((n @ p[m] + p[f"{m}_b"]).reshape(T, HEADS, -1).transpose(1, 0, 2) for m in "qkv")
    v |= {"q": q, "k": k, "v": val, "weights": softmax(q @ k.transpose(0, 2, 1) + mask)}
    a = (v["weights"] @ val).transpose(1, 0, 2).reshape(T, D)
    r = x + a @ p["o"] + p["o_b"]
    g = r @ p["g"] + p["g_b"]
    v |= {"slope": 1 / (1 + np.exp(-g)), "act": g / (1 + np.exp(-g)), "u": r @ p["u"] + p["u_b"]}
    return v


def frozen(x: Floats, p: dict[str, Any], mask: Floats, v: dict[str, Floats], attention: str, gate: str) -> Floats:
    """Return the logits of the block with its factors frozen as the primitives say."""

    def half(a: Floats, b: Floats, a0: Floats, b0: Floats, product: Callable[[Floats, Floats], Floats]) -> Floats:
        return (product(a0, b) + product(a, b0)) / 2

    n = (x - x.mean(-1, keepdims=True)) / v["deviation"] * p["s"] + p["t"]
    q, k, val = ((n @ p[m] + p[f"{m}_b"]).reshape(T, HEADS, -1).transpose(1, 0, 2) for m in "qkv")
    if attention == "half":
        scores = half(q, k.transpose(0, 2, 1), v["q"], v["k"].transpose(0, 2, 1), np.matmul)
        read = half(softmax(scores + mask), val, v["weights"], v["v"], np.matmul)
    else:
        read = v["weights"] @ val
    r = x + read.transpose(1, 0, 2).reshape(T, D) @ p["o"] + p["o_b"]
    act, u = (r @ p["g"] + p["g_b"]) * v["slope"], r @ p["u"] + p["u_b"]
    product = half(act, u, v["act"], v["u"], np.multiply) if gate == "half" else v["act"] * u
    out = r + product @ p["d"] + p["d_b"]
    return np.asarray(out.mean(0) @ p["top"] + p["top_b"])


def gradient_times_input(function: Callable[[Floats], float], x: Floats) -> Floats:
    step, found = 1e-5, np.empty_like(x)
    for index in np.ndindex(*x.shape):
        e = np.zeros_like(x)
        e[index] = step
        found[index] = x[index] * (function(x + e) - function(x - e)) / (2 * step)
    return found


FAMILIES = {"attnlrp": ("half", "half"), "cp_lrp": ("detach", "half"), "mamba_lrp": ("detach", "half"),
            "relp": ("detach", "half")}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("masked", [False, True])
def test_a_family_is_the_gradient_of_the_block_with_its_factors_frozen(name: str, masked: bool) -> None:
    rng = np.random.default_rng(4)
    mask = np.triu(np.full((T, T), np.finfo(float).min), 1) if masked else np.zeros((T, T))
    net, p = block(rng, mask)
    x = rng.normal(size=(3, T, D))
    e = lrp.explain(net, x, target=1, composite=name, epsilon=0.0)
    for k in range(3):
        v = values(x[k], p, mask)
        wanted = gradient_times_input(lambda y, v=v: float(frozen(y, p, mask, v, *FAMILIES[name])[1]), x[k])  # type: ignore[misc]
        assert np.abs(e.relevance[k] - wanted).max() <= 1e-7 * np.abs(wanted).max()
    assert e.ledger.residual <= 1e-10
    dropped = {row.node: np.abs(row.dropped).max() for row in e.ledger}
    assert (dropped["weights"] > 1e-3) == (name == "attnlrp")


def test_a_declared_gate_of_the_rule_changes_what_is_frozen() -> None:
    rng = np.random.default_rng(5)
    mask = np.zeros((T, T))
    net, p = block(rng, mask)
    x = rng.normal(size=(1, T, D))
    base = lrp.composites.get("cp_lrp", epsilon=0.0)
    composite = lrp.Composite([("gated", rules.Product("signal", gate=0)), *base.entries])
    e = lrp.explain(net, x, target=1, composite=composite)
    v = values(x[0], p, mask)
    wanted = gradient_times_input(lambda y: float(frozen(y, p, mask, v, "detach", "detach")[1]), x[0])
    assert np.abs(e.relevance[0] - wanted).max() <= 1e-7 * np.abs(wanted).max()
    (row,) = (row for row in e.plan if row.node == "gated")
    assert row.why == "gated; the gate is 'act'"


# Masks, constants and divisors ---------------------------------------------------------------------------------


def pooled() -> Network:
    """Return a masked mean of word vectors, divided by its norm, under a logit."""
    rng = np.random.default_rng(6)
    nodes = (
        Node("words", Embedding(rng.normal(size=(7, D))), ("ids",)),
        Node("numbers", Number(np.ones(1)), ("mask",)),
        Node("row", Unsqueeze((2,)), ("numbers",)),
        Node("kept", Multiply(), ("words", "row")),
        Node("sum", Sum((1,), keepdims=False), ("kept",)),
        Node("count", Sum((1,), keepdims=False), ("row",)),
        Node("inverse", Power(-1), ("count",)),
        Node("mean", Multiply(), ("sum", "inverse")),
        Node("gate", Sigmoid(), ("mean",)),
        Node("gated", Multiply(), ("mean", "gate")),
        Node("top", Dense(rng.normal(size=(D, 1)), rng.normal(size=1)), ("gated",)),
    )
    return Network(nodes, (Input("ids", (None, None)), Input("mask", (None, None))), ("top",))


def test_masks_and_divisors_are_held_and_gates_are_not() -> None:
    net = gated(pooled())
    layers = {n.name: n.layer for n in net.nodes if isinstance(n.layer, Multiply)}
    assert layers == {"kept": Multiply(1, True), "mean": Multiply(1, True), "gated": Multiply(1)}
    ids, mask = np.array([[1, 2, 0, 3], [4, 5, 6, 0]]), np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    e = lrp.explain(net, {"ids": ids, "mask": mask}, composite="attnlrp")
    assert not np.abs(e.relevance["mask"]).any()
    assert not np.abs(e.relevance["ids"])[0, 2:].any()
    why = {row.node: row.why for row in e.plan}
    assert why["kept"] == "default; the gate is 'row', which is no signal"
    assert why["gated"] == "Bilinear"


def test_a_mask_that_hides_everything_gives_no_relevance_and_no_nan() -> None:
    nodes = (*pooled().nodes[:5], Node("top", Dense(np.ones((D, 1))), ("sum",)))
    net = Network(nodes, pooled().inputs, ("top",))
    e = lrp.explain(net, {"ids": np.array([[1, 2], [1, 2]]), "mask": np.array([[0, 0], [1, 0]])}, composite="attnlrp")
    assert e.relevance["ids"][0].tolist() == [0, 0]
    assert e.output[0] == 0
    assert e.relevance["ids"][1, 0] != 0
    assert e.relevance["ids"][1, 1] == 0
    scores, r = np.array([[-np.inf, 0.5], [np.finfo(float).min, 0.5]]), np.array([[3.0, 2.0]] * 2)
    told = Softmax().redistribute(scores, r, rules.Taylor())
    assert told.relevances[0].tolist() == [[0, 0.5 * (2 - 2)]] * 2  # R = 3 of y = 0 sends nothing


def masked(kind: str, *between: Node, read: str = "mask") -> Network:
    """Return the sum over steps of x times a mask of a type, under a dense layer."""
    nodes = (
        *between,
        Node("row", Unsqueeze((2,)), (read,)),
        Node("kept", Multiply(), ("x", "row")),
        Node("sum", Sum((1,), keepdims=False), ("kept",)),
        Node("top", Dense(np.random.default_rng(6).normal(size=(D, 1))), ("sum",)),
    )
    return Network(nodes, (Input("x", (None, T, D)), Input("mask", (None, T), element_type=kind)), ("top",))


@pytest.mark.parametrize("kind", ["int64", "int32", "bool", "uint8"])
def test_integers_that_a_product_reads_as_they_are_are_held(kind: str) -> None:
    x, mask = np.random.default_rng(7).normal(size=(2, T, D)), np.ones((2, T))
    mask[0, 1:] = 0
    inputs = {"x": x, "mask": mask.astype(kind)}
    weight = masked(kind)["top"].layer.weight  # type: ignore[attr-defined]
    for name in FAMILIES:
        e = lrp.explain(masked(kind), inputs, composite=name, epsilon=0.0)
        assert list(e.relevance) == ["x"]
        wanted = x * mask[..., None] * weight[:, 0]
        np.testing.assert_allclose(e.relevance["x"], wanted, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(wanted.sum((1, 2)), e.output[:, 0], rtol=1e-12)
    as_floats = lrp.explain(masked(kind), {"x": x, "mask": mask}, composite="attnlrp", epsilon=0.0)
    np.testing.assert_allclose(as_floats.relevance["mask"].sum(1), as_floats.output[:, 0] / 2, rtol=1e-12)


def test_what_integers_would_receive_is_dropped() -> None:
    x, mask = np.random.default_rng(7).normal(size=(2, T, D)), np.ones((2, T), dtype="int64")
    composite = lrp.Composite([("kept", rules.Product("half")), *lrp.composites.get("attnlrp", epsilon=0.0).entries])
    for explain in (lrp.explain, lrp.plain.explain):
        e = explain(masked("int64"), {"x": x, "mask": mask}, composite=composite)
        (row,) = (row for row in e.ledger if row.node == "kept")
        np.testing.assert_allclose(row.dropped, e.output[:, 0] / 2, rtol=1e-12)
        np.testing.assert_allclose(row.relevance_in, e.relevance["x"].sum((1, 2)), rtol=1e-12)
        assert np.abs(row.residual).max() <= 1e-14 * np.abs(row.relevance_out).max()


def gate_of(net: Network) -> Layer:
    return gated(net)["kept"].layer


def test_pixels_and_features_are_numbers_and_answers_are_not() -> None:
    number = Node("number", Number(np.ones(1)), ("mask",))
    held, free = Multiply(1, True), Multiply()
    assert gate_of(masked("int64", number, read="number")) == held
    assert gate_of(masked("bool", number, read="number")) == held
    assert gate_of(masked("uint8", number, read="number")) == free  # pixels
    fifth = Node("fifth", Affine(np.array([0.2])), ("number",))
    above = Node("above", Compare("greater", np.array([0.1])), ("fifth",))
    weights = np.ones((T, T))
    aside = Node("aside", Dense(weights), ("fifth",))
    assert gate_of(masked("int64", number, fifth, aside, read="fifth")) == free  # features
    assert gate_of(masked("int64", number, fifth, aside, read="aside")) == free
    assert gate_of(masked("int64", number, fifth, aside, above, read="above")) == held  # asked of features
    assert gate_of(masked("uint8", number, fifth, above, read="above")) == held
    asked = Node("asked", Dense(weights), ("above",))
    assert gate_of(masked("int64", number, fifth, above, asked, read="fifth")) == held  # weights read the answers only
    assert (
        gate_of(masked("float32", Node("above", Compare("greater", np.array([0.5])), ("mask",)), read="above")) == held
    )
    act = Node("act", Sigmoid(), ("aside",))  # features, times a gate that is made of them
    nodes: Any = (number, Node("aside", Dense(weights), ("number",)), act, Node("kept", Multiply(), ("number", "act")))
    assert gate_of(Network(nodes, (Input("mask", (None, T), element_type="int64"),), ("kept",))) == Multiply(1)


def test_a_gate_beside_a_mask_is_what_the_mask_holds_back() -> None:
    """As a loader finds them: the softmax by what makes it, and the mask that a comparison makes of it."""
    nodes = (
        Node("gate", Sigmoid(), ("x",)),
        Node("open", Compare("greater", np.array([0.4])), ("gate",)),
        Node("row", Constant(np.ones((1, D))), ("x",)),
        Node("kept", Multiply(gate=0), ("gate", "open")),
        Node("turned", Multiply(gate=1), ("row", "gate")),
        Node("weighted", Multiply(gate=1), ("x", "gate")),
        Node("both", Multiply(gate=0), ("row", "open")),
    )
    net = unopposed(Network(nodes, (Input("x", (None, T, D)),), ("kept", "turned", "weighted", "both")))
    found = [net[name].layer for name in ("kept", "turned", "weighted", "both")]
    assert found == [Multiply(1, True), Multiply(0, True), Multiply(gate=1), Multiply(gate=0)]


def test_a_divisor_times_a_weight_is_held() -> None:
    """x·(w/d) + (b − m·(w/d)), as a normalisation is exported that folds its scale into the deviation."""
    rng = np.random.default_rng(9)
    w, b, top = rng.normal(size=D), rng.normal(size=D), rng.normal(size=(D, 1))
    nodes = (
        Node("mean", Mean((1,)), ("x",)),
        Node("less", Add((1, -1)), ("x", "mean")),
        Node("square", Power(2), ("less",)),
        Node("variance", Mean((1,)), ("square",)),
        Node("inverse", Power(-0.5), ("variance",)),
        Node("scaled", Affine(w), ("inverse",)),
        Node("kept", Multiply(), ("x", "scaled")),
        Node("moved", Multiply(), ("scaled", "mean")),
        Node("rest", Affine(-np.ones(D), b), ("moved",)),
        Node("sum", Add(), ("kept", "rest")),
        Node("top", Dense(top), ("sum",)),
    )
    net = Network(nodes, (Input("x", (None, D)),), ("top",))
    x = rng.normal(size=(3, D))
    scale = w / x.std(1, keepdims=True) * top[:, 0]
    wanted = x * (scale - scale.sum(1, keepdims=True) / D)  # the gradient with the deviation frozen
    for name in FAMILIES:
        e = lrp.explain(net, x, composite=name, epsilon=0.0)
        np.testing.assert_allclose(e.relevance, wanted, rtol=1e-9, atol=1e-12)
    shifted = net.replaced({"scaled": Affine(w, b)})  # w/d + b is no divisor
    assert gated(shifted)["kept"].layer == Multiply()


def test_constants_are_held_but_not_two_of_a_kind() -> None:
    nodes = (
        Node("query", Constant(np.ones((1, D))), ("x",)),
        Node("scores", MatMul(), ("query", "x")),
        Node("other", Constant(np.ones((1, T))), ("x",)),
        Node("both", MatMul(), ("other", "other2")),
    )
    nodes = (*nodes[:3], Node("other2", Constant(np.ones((T, 2))), ("x",)), nodes[3])
    net = gated(Network(nodes, (Input("x", (None, D, T)),), ("scores", "both")))
    assert net["scores"].layer == MatMul(0, True)
    assert net["both"].layer == MatMul()


def test_a_rule_for_a_node_by_name_holds_also_where_the_gate_is_held() -> None:
    net, inputs = gated(pooled()), {"ids": np.array([[1, 2]]), "mask": np.array([[1, 1]])}
    composite = lrp.Composite([("kept", rules.Product("half")), *lrp.composites.get("attnlrp").entries])
    assert np.abs(lrp.explain(net, inputs, composite=composite).relevance["mask"]).all()
    with pytest.raises(ParameterError, match=r"say which operand is held: Multiply\(gate=0, held=True\)"):
        Multiply(held=True)


# The rules by themselves ---------------------------------------------------------------------------------------


def test_a_matrix_product_under_a_stabiliser_is_the_formula() -> None:
    rng = np.random.default_rng(7)
    a, b, r = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 3, 5))
    a[0, 0] = 0  # y = 0: the stabiliser takes all
    epsilon = 0.3
    y = np.einsum("nji,nik->njk", a, b)
    message = r / (y + epsilon * np.where(y >= 0, 1, -1))
    left = np.einsum("nji,nik,njk->nji", a, b, message)
    right = np.einsum("nji,nik,njk->nik", a, b, message)
    rule = rules.Product("half", stabiliser=lrp.edits.add(epsilon))
    told = MatMul().redistribute((a, b), r, rule)
    np.testing.assert_allclose(told.relevances[0], left / 2, rtol=0, atol=1e-12)
    np.testing.assert_allclose(told.relevances[1], right / 2, rtol=0, atol=1e-12)
    taken = (message * (y + epsilon * np.where(y >= 0, 1, -1) - y)).sum((1, 2))
    np.testing.assert_allclose(told.stabiliser, taken, rtol=1e-12)
    assert not told.dropped.any()
    told = MatMul(gate=0).redistribute((a, b), r, rules.Product("signal", stabiliser=lrp.edits.add(epsilon)))
    np.testing.assert_allclose(told.relevances[1], right, rtol=0, atol=1e-12)
    assert not told.relevances[0].any()
    told = MatMul(gate=0).redistribute((a, b), r, rules.Product("signal", gate=1))
    exact = np.einsum("nji,nik,njk->nji", a, b, np.where(y == 0, 0, r / np.where(y == 0, 1, y)))
    np.testing.assert_allclose(told.relevances[0], exact, rtol=0, atol=1e-10)
    np.testing.assert_allclose(told.dropped, np.where(y == 0, r, 0).sum((1, 2)), rtol=0, atol=1e-12)


def test_taylor_is_the_formula_of_attnlrp_on_a_softmax_along_any_axis() -> None:
    rng = np.random.default_rng(8)
    x, r = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    for axis in (1, 2, -1):
        y = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
        told = Softmax(axis).redistribute(x, r, rules.Taylor())
        wanted = x * (r - y * r.sum(axis, keepdims=True))
        np.testing.assert_allclose(told.relevances[0], wanted, rtol=0, atol=1e-12)
        np.testing.assert_allclose(told.dropped, (r - wanted).sum((1, 2)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 0, D), (0, 0, D), (0, T, D), (2, 1, D)])
@pytest.mark.parametrize("name", FAMILIES)
def test_sequences_without_steps_and_batches_without_samples(name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    nodes = (
        Node("query", Dense(rng.normal(size=(D, D))), ("x",)),
        Node("keys", Transpose((0, 2, 1)), ("x",)),
        Node("scores", MatMul(), ("query", "keys")),
        Node("weights", Softmax(-1), ("scores",)),
        Node("read", MatMul(), ("weights", "x")),
        Node("sum", Sum((1,), keepdims=False), ("read",)),
    )
    net = Network(nodes, (Input("x", (None, None, D)),), ("sum",))
    x = rng.normal(size=shape)
    e = lrp.explain(net, x, composite=name, epsilon=0.0)
    np.testing.assert_allclose(e.output, x.sum(1), rtol=1e-12)  # a softmax of one score is 1, of none there is none
    assert e.relevance.shape == shape
    target = np.zeros((len(x), D)) if not len(x) else np.eye(D)[x.sum(1).argmax(1)]
    wanted = x * target[:, None, :] * (0.5 if name == "attnlrp" else 1)
    np.testing.assert_allclose(e.relevance, wanted, rtol=1e-12, atol=1e-14)
    for log in (False, True):
        assert Softmax(2, log=log).forward(np.ones((2, 3, 0))).shape == (2, 3, 0)


def test_taylor_on_any_layer_is_its_first_order_terms() -> None:
    x, r = np.array([[0.5, -1.5]]), np.array([[2.0, 3.0]])
    for layer, f, slope in ((GELU("tanh"), None, None), (Function("sin"), np.sin, np.cos)):
        y, d = layer.forward(x), layer.vjp(x, np.ones_like(x))
        if f is not None and slope is not None:
            y, d = f(x), slope(x)
        np.testing.assert_allclose(layer.relevance_backward(x, r, rules.Taylor()), x * d * r / y, rtol=1e-12)
    dense = Dense(np.array([[1.0], [2.0]]), np.array([0.5]))  # LRP-0: z = 0.5 − 3 + 0.5 = −2
    told = dense.redistribute(x, np.array([[4.0]]), rules.Taylor())
    np.testing.assert_allclose(told.relevances[0], [[-1.0, 6.0]], rtol=1e-12)
    np.testing.assert_allclose(told.dropped, [-1.0], rtol=1e-12)
    assert rules.Taylor(lrp.edits.add(0.5)).formula() == "R_i = Σ_j a_i·∂z_j/∂a_i / (z_j + 0.5·sgn(z_j))·R_j"


def test_half_of_a_product_is_exact_on_rationals_and_its_ledger_closes() -> None:
    exact = lrp.arithmetic.rational
    a, b, r = (exact(np.array(v)) for v in ([[[1.0, 2.0]]], [[[3.0], [-1.0]]], [[[5.0]]]))
    told = MatMul().redistribute((a, b), r, rules.Product("half", stabiliser=lrp.edits.add(exact(np.array([0.5]))[0])))
    assert [str(v) for v in told.relevances[0].ravel()] == ["5", "-10/3"]  # y = 1: m = 5/(3/2)/2
    assert [str(v) for v in told.relevances[1].ravel()] == ["5", "-10/3"]
    assert str(told.stabiliser[0]) == "5/3"
    assert told.dropped[0] == 0


def test_a_family_says_what_cells_and_scans_do() -> None:
    kinds = {"attnlrp": ("half", "half"), "cp_lrp": ("signal", "signal"), "mamba_lrp": ("half", "signal")}
    for name, (cells, selection) in {**kinds, "relp": kinds["mamba_lrp"]}.items():
        entries = dict(lrp.composites.get(name, epsilon=0.5).entries)
        assert entries[RecurrentLayer] == rules.Recurrent(rules.Epsilon(0.5), rules.Epsilon(0.5), cells)
        assert entries[SelectiveScan] == rules.Selection(selection, 0.5)
