"""DeepLIFT by the rescale rule: it closes exactly, node by node, and is what slow loops over fractions give."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import layers as kinds
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import base, winners
from lrp_ref.methods import DeepLift, Scored
from lrp_ref.methods.dialects import DIALECTS
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation.explaining import Batch
from lrp_ref.propagation.prepare import Question, prepare
from tests.support import golden_methods
from tests.support.exact_numbers import rationals
from tests.support.golden_methods import MODELS, Golden
from tests.support.walks import small_networks

RNG = np.random.default_rng(191)


def drawn(*shape: int) -> Any:
    return rationals(RNG, *shape)


def chain(*layers: Any) -> Network:
    return Network.sequential(list(layers))


def nets() -> dict[str, tuple[Network, tuple[int, ...]]]:
    """Piecewise linear networks with everything that the rule has a way for, and the shape of a sample."""
    head = [kinds.Flatten(), kinds.Dense(drawn(12, 3), drawn(3))]
    first = kinds.Conv(drawn(2, 2, 3), drawn(2), padding=1)
    between = Network(
        (
            Node("a", kinds.Dense(drawn(4, 4), drawn(4)), ("x",)),
            Node("b", kinds.LeakyReLU(Fraction(1, 10)), ("a",)),
            Node("c", kinds.Add((1, -2)), ("b", "x")),
            Node("d", kinds.Concat(), ("c", "a")),
            Node("e", kinds.Clip(Fraction(-1), Fraction(1)), ("d",)),
            Node("f", kinds.Dense(drawn(8, 3), drawn(3)), ("e",)),
        ),
        (Input("x"),),
        ("f",),
    )
    return {
        **small_networks(drawn, bias=True),
        "windows that overlap": (chain(first, kinds.MaxPool(3, stride=1, padding=1), kinds.ReLU(), *head), (2, 6)),
        "ties that share": (chain(kinds.MaxPool(3, stride=1, padding=1, ties="share"), kinds.Abs(), *head), (2, 6)),
        "windows after an activation": (
            chain(first, kinds.ReLU(), kinds.MaxPool(2, stride=1, padding=((1, 0),)), *head),
            (2, 6),
        ),
        "the largest of all": (
            chain(first, kinds.GlobalMaxPool(keepdims=False), kinds.Dense(drawn(2, 3), drawn(3))),
            (2, 6),
        ),
        "the largest of an axis": (
            chain(kinds.Max((1,), keepdims=False), kinds.HardTanh(), kinds.Dense(drawn(6, 3), drawn(3))),
            (2, 6),
        ),
        "paths that part and meet": (between, (4,)),
        "the smallest of differences": (
            chain(kinds.Dense(drawn(4, 3), drawn(3)), kinds.PairDifference(), kinds.SoftMin(math.inf)),
            (4,),
        ),
        "the hard minimum of some": (
            chain(kinds.Dense(drawn(4, 6), drawn(6)), kinds.Reshape((3, 2)), kinds.SoftMin(math.inf, hard=True)),
            (4,),
        ),
        "squared distances of a scaled input": (
            chain(
                kinds.Centred(drawn(4), drawn(4)),
                kinds.SquaredDistance(drawn(3, 4), drawn(3, 4), drawn(3), factor=Fraction(-1, 2)),
                kinds.ReLU(),
                kinds.Dense(drawn(3, 3), drawn(3)),
            ),
            (4,),
        ),
    }


NETS = nets()


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("reference", ["zero", "baseline"])
def test_stored_numbers(model: str, reference: str) -> None:
    golden = Golden(model)
    b = 0 if reference == "zero" else golden["baseline"]
    a = lrp.attribute(golden.net, golden.x, "deeplift", target=golden.target, baseline=b)
    assert np.abs(a.relevance - golden[f"ref/deeplift_{reference}"]).max() <= 1e-12
    assert np.abs(a.completeness).max() <= 1e-12
    other = lrp.attribute(golden.net, golden.x, "deeplift", target=golden.target, baseline=b, stacked="derivative")
    for way in ("batched", "one_by_one"):
        assert np.abs(other.relevance - golden[f"captum/deeplift_{reference}_{way}"]).max() <= 1e-12
    if model != "A" and reference == "baseline":
        assert np.abs(other.completeness).max() > 0.01  # what captum misses, which is not small


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("reference", ["zero", "per sample", "partly equal"])
def test_the_shares_sum_to_the_difference_exactly(name: str, reference: str) -> None:
    net, shape = NETS[name]
    x = drawn(5, *shape)
    b: Any = {"zero": 0, "per sample": drawn(5, *shape)}.get(reference)
    if b is None:
        b = np.where(RNG.random(x.shape) < 0.5, x, drawn(5, *shape))
    a = lrp.attribute(net, x, "deeplift", baseline=b, target=1)
    at_b = net.forward(np.broadcast_to(b, x.shape) * Fraction(1))
    assert (a.explained == net.forward(x)[:, 1] - at_b[:, 1]).all()
    assert (a.completeness == 0).all()
    assert (a.relevance != 0).any()


@pytest.mark.parametrize("name", NETS)
def test_every_node_closes_exactly(name: str) -> None:
    """Σ m Δ of what a node reads is Σ m Δ of what it makes, so no node's fault can hide behind another's."""
    net, shape = NETS[name]
    x, b = drawn(4, *shape), drawn(4, *shape)
    source = net.inputs[0].name
    prepared = prepare(net, {source: x}, Question(DeepLift().composite(net)))
    start = drawn(4, 3)
    trace = Batch(prepared, None, start, 4, 0, True, reference={source: b}).explanation({source: x}).trace
    there = prepared.net.values({source: b})
    total = (start * (trace.values[net.outputs[0]] - there[net.outputs[0]])).sum(axis=1)
    for k in range(len(net.nodes)):
        # What crosses the cut below node k: every value made before it that it, or a node after it, reads.
        made = {source, *(n.name for n in net.nodes[:k])}
        crossing = made & {name for n in net.nodes[k:] for name in n.inputs}
        if any({*nodes_before(net, k)} & {n.name for n in net.consumers(name)} for name in crossing):
            continue  # its multipliers also hold what came from below the cut
        moved = [(trace.relevance[v] * (trace.values[v] - there[v])).reshape(4, -1).sum(axis=1) for v in crossing]
        assert (sum(moved) == total).all(), net.nodes[k].name


def nodes_before(net: Network, k: int) -> list[str]:
    return [n.name for n in net.nodes[:k]]


def literal(x: list[Any], b: list[Any], w: Any, c: Any, v: Any, target: int) -> list[Any]:
    """Dense(w, c) → ReLU → largest of three neighbours at every place → Dense(v): loops over single numbers."""
    size = len(c)

    def run(u: list[Any]) -> tuple[list[Any], list[Any], list[Any], list[int]]:
        z = [sum(u[i] * w[i][j] for i in range(len(u))) + c[j] for j in range(size)]
        r = [max(a, Fraction(0)) for a in z]
        windows = [[k for k in (j - 1, j, j + 1) if 0 <= k < size] for j in range(size)]
        won = [next(k for k in places if r[k] == max(r[q] for q in places)) for places in windows]
        return z, r, [r[k] for k in won], won

    (z, r, p, won), (z_b, r_b, p_b, won_b) = run(x), run(b)
    given = [Fraction(0)] * size
    plain = [Fraction(0)] * size
    for j in range(size):
        m, top = v[j][target], max(p[j], p_b[j])
        given[won[j]] += (top - p_b[j]) * m
        given[won_b[j]] += (p[j] - top) * m
        plain[won[j]] += m
    of_r = [plain[j] if r[j] == r_b[j] else given[j] / (r[j] - r_b[j]) for j in range(size)]
    of_z = [of_r[j] * ((z[j] > 0) if z[j] == z_b[j] else (r[j] - r_b[j]) / (z[j] - z_b[j])) for j in range(size)]
    return [sum(w[i][j] * of_z[j] for j in range(size)) * (x[i] - b[i]) for i in range(len(x))]


def test_loops_over_fractions_give_the_same() -> None:
    w, c, v = drawn(4, 6), drawn(6), drawn(6, 3)
    x, b = drawn(8, 4), drawn(8, 4)
    b[3] = x[3]
    layers = [
        kinds.Dense(w, c),
        kinds.ReLU(),
        kinds.Reshape((1, 6)),
        kinds.MaxPool(3, stride=1, padding=1),
        kinds.Flatten(),
        kinds.Dense(v),
    ]
    a = lrp.attribute(chain(*layers), x, "deeplift", baseline=b, target=2)
    for k in range(8):
        assert a.relevance[k].tolist() == literal(list(x[k]), list(b[k]), w, c, v, 2)
    floats = lrp.attribute(chain(*layers).map_arrays(lambda q: q.astype(float)), x.astype(float), "deeplift",
                           baseline=b.astype(float), target=2)  # fmt: skip
    assert np.abs(floats.relevance - a.relevance.astype(float)).max() <= 1e-12


@pytest.mark.parametrize(
    "activation", [kinds.Sigmoid(), kinds.GELU(), kinds.Tanh(), kinds.SiLU(), kinds.Softplus(), kinds.ELU()]
)
def test_smooth_activations_close(activation: Any) -> None:
    w = [RNG.normal(size=shape) for shape in ((4, 6), (6,), (6, 3), (3,))]
    net = chain(kinds.Dense(w[0], w[1]), activation, kinds.Dense(w[2], w[3]), kinds.Sigmoid())
    x, b = RNG.normal(size=(5, 4)), RNG.normal(size=4)
    for start in ("logit", "output"):
        a = lrp.attribute(net, x, "deeplift", baseline=b, start=start)
        assert np.abs(a.completeness).max() <= 1e-13
        gradient = lrp.attribute(net, x, "gradient_x_input", start=start)
        assert np.abs(a.relevance - gradient.relevance).max() > 1e-3


def test_below_the_threshold_stands_the_derivative() -> None:
    """Of Δ = 1e-8 the quotient of a square is 2x + Δ, its derivative 2x: the two are told apart."""
    net = chain(kinds.Power(2.0), kinds.Dense(np.array([[1.0]])))
    x, b = np.array([[1e-8]]), np.array([[0.0]])
    quotient, derivative = (
        lrp.attribute(net, x, "deeplift", baseline=b, threshold=t).relevance.item() for t in (1e-10, 1e-7)
    )
    assert quotient == pytest.approx(1e-16, rel=1e-12)
    assert derivative == pytest.approx(2e-16, rel=1e-12)
    same = lrp.attribute(chain(kinds.Sigmoid(), kinds.Dense(np.eye(1))), x, "deeplift", baseline=x)
    assert same.relevance.tolist() == [[0.0]]


def gated() -> Network:
    nodes = (
        Node("signal", kinds.Dense(drawn(3, 3), drawn(3)), ("x",)),
        Node("gate", kinds.Dense(drawn(3, 3), drawn(3)), ("x",)),
        Node("open", kinds.ReLU(), ("gate",)),
        Node("product", kinds.Multiply(gate=1), ("signal", "open")),
        Node("top", kinds.Dense(drawn(3, 2)), ("product",)),
    )
    return Network(nodes, (Input("x"),), ("top",))


def test_products_are_refused_unless_they_are_asked_for() -> None:
    net, x = gated(), drawn(4, 3)
    with pytest.raises(UnsupportedError, match=r"product.*both factors differ.*products='midpoint'"):
        lrp.attribute(net, x, "deeplift")
    a = lrp.attribute(net, x, "deeplift", products="midpoint", target=1)
    assert (a.completeness == 0).all()


def test_the_multipliers_of_a_product_half_way() -> None:
    net = Network((Node("y", kinds.Multiply(), ("a", "b")),), (Input("a"), Input("b")), ("y",))
    fed = {"a": np.array([[3.0]]), "b": np.array([[5.0]])}
    a = lrp.attribute(net, fed, "deeplift", baseline={"a": 1.0, "b": 2.0}, products="midpoint")
    assert a.relevance["a"].item() == (3 - 1) * (5 + 2) / 2
    assert a.relevance["b"].item() == (5 - 2) * (3 + 1) / 2
    assert a.completeness.item() == 0
    of_matrices = Network((Node("y", kinds.MatMul(), ("a", "b")),), (Input("a"), Input("b")), ("y",))
    pair = {"a": drawn(3, 2, 4), "b": drawn(3, 4, 2)}
    found = lrp.attribute(of_matrices, pair, "deeplift", baseline=1, products="midpoint", target=(1, 0))
    assert (found.completeness == 0).all()


def test_a_product_of_which_one_factor_is_the_references_needs_no_asking() -> None:
    net = Network((Node("y", kinds.Multiply(), ("a", "b")),), (Input("a"), Input("b")), ("y",))
    fed = {"a": drawn(2, 3), "b": drawn(2, 3)}
    a = lrp.attribute(net, fed, "deeplift", baseline={"a": fed["a"], "b": 0}, target=0)
    assert (a.relevance["b"][:, 0] == fed["a"][:, 0] * fed["b"][:, 0]).all()
    assert (a.completeness == 0).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (kinds.Softmax(), (3,)),
        (kinds.Normalize((1,), 0.1), (3,)),
        (kinds.SoftMin(), (3,)),
        (kinds.LSTM(np.full((1, 4, 2, 3), 0.1), np.full((1, 4, 2, 2), 0.2), np.zeros((1, 4, 2))), (5, 3)),
    ],
)
def test_what_has_no_multipliers_is_refused_by_name(layer: Any, shape: tuple[int, ...]) -> None:
    net = Network(
        (Node("inner", layer, ("x",)), Node("top", kinds.Transpose(tuple(range(len(shape) + 1))), ("inner",))),
        (Input("x"),),
        ("top",),
    )
    with pytest.raises(UnsupportedError, match=rf"inner.*{type(layer).__name__} has no multipliers"):
        lrp.attribute(net, RNG.normal(size=(2, *shape)), "deeplift", target=0, start="output")


def test_a_minimum_has_the_multipliers_of_the_maximum_of_negatives() -> None:
    """Also where the smallest of the reference is where it was, and nothing can be divided by its difference."""
    x, b = drawn(9, 4), drawn(9, 4)
    b[:3, :2], x[0], b[0] = x[:3, :2], [1, 5, 2, 9], [1, 5, 0, 9]
    pairs = Network.sequential([kinds.Reshape((2, 2)), kinds.SoftMin(math.inf)])
    turned = Network.sequential([
        kinds.Function("negative"), kinds.Reshape((2, 2)), kinds.Max((2,), keepdims=False, ties="share"),
        kinds.Function("negative"),
    ])  # fmt: skip
    for target in (0, 1):
        one, other = (
            lrp.attribute(net, x, "deeplift", baseline=b, target=target, start="output") for net in (pairs, turned)
        )
        assert (one.relevance == other.relevance).all()
        assert (one.completeness == 0).all()
    all_of = Network.sequential([kinds.SoftMin(math.inf)])
    a = lrp.attribute(all_of, x, "deeplift", baseline=b, target=0)
    assert (a.completeness == 0).all()
    assert a.relevance[0].tolist() == [0, 0, 1, 0]


def test_squared_distances_have_the_multipliers_of_their_squares() -> None:
    """Term by term s p ((x − μ)² − (b − μ)²); matrices multiply inputs, and half-way they close as well."""
    x, b, centers, precision = drawn(3, 4), drawn(3, 4), drawn(2, 4), drawn(2, 4)
    net = Network.sequential([kinds.SquaredDistance(centers, precision, drawn(2), factor=Fraction(-1, 2))])
    for k in range(2):
        a = lrp.attribute(net, x, "deeplift", baseline=b, target=k)
        wanted = -Fraction(1, 2) * precision[k] * ((x - centers[k]) ** 2 - (b - centers[k]) ** 2)
        assert (a.relevance == wanted).all()
        assert (a.completeness == 0).all()
    full = Network.sequential([kinds.SquaredDistance(centers, drawn(2, 4, 4))])
    with pytest.raises(UnsupportedError, match="give products='midpoint'"):
        lrp.attribute(full, x, "deeplift", baseline=b, target=0)
    assert (lrp.attribute(full, x, "deeplift", baseline=b, target=0, products="midpoint").completeness == 0).all()


def test_a_choice_closes_where_the_reference_chooses_alike() -> None:
    where = Node("y", kinds.Where(), ("mask", "a", "b"))
    net = Network((where,), (Input("mask"), Input("a"), Input("b")), ("y",))
    mask = np.array([[1.0, 0.0]])
    fed = {"mask": mask, "a": np.array([[2.0, 3.0]]), "b": np.array([[5.0, 7.0]])}
    a = lrp.attribute(net, fed, "deeplift", baseline={"mask": mask}, target=1)
    assert a.relevance["b"].tolist() == [[0.0, 7.0]]
    with pytest.raises(UnsupportedError, match="choose alike"):
        lrp.attribute(net, fed, "deeplift", target=1)


@pytest.mark.parametrize("name", ["conv", "windows that overlap", "paths that part and meet"])
def test_a_sample_alone_is_what_it_is_in_a_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, shape = NETS[name]
    x, b = drawn(5, *shape), drawn(5, *shape)
    whole = lrp.attribute(net, x, "deeplift", baseline=b)
    for k in range(5):
        alone = lrp.attribute(net, x[k : k + 1], "deeplift", baseline=b[k : k + 1])
        assert (alone.relevance == whole.relevance[k : k + 1]).all()
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", lambda *a: 2)
    assert (lrp.attribute(net, x, "deeplift", baseline=b).relevance == whole.relevance).all()
    assert lrp.attribute(net, x[:0], "deeplift").relevance.shape == (0, *shape)


def test_an_explanation_of_two_walks_takes_as_few_samples_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def samples(self: Any, fed: Any, threads: int, walks: int = 1) -> int:
        told.append(walks)
        return 3

    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", samples)
    net, shape = NETS["dense"]
    lrp.attribute(net, drawn(2, *shape), "deeplift")
    assert 2 in told


def test_floats_and_layouts() -> None:
    net = Network((Node("d", kinds.Dense(np.ones((2, 2), np.float32)), ("x",)),), (Input("x", (2, None), 1),), ("d",))
    x = RNG.normal(size=(2, 5)).astype(np.float32)
    a = lrp.attribute(net, x, "deeplift", baseline=np.array([1.0, 2.0]), target=0)
    assert (a.relevance.shape, a.relevance.dtype) == ((2, 5), np.float32)
    assert np.abs(a.relevance - (x - np.array([[1.0], [2.0]]))).max() <= 1e-6


def test_the_difference_of_two_outputs() -> None:
    net, shape = NETS["conv"]
    x = drawn(3, *shape)
    a = lrp.attribute(net, x, "deeplift", target=0, against=2)
    each = [lrp.attribute(net, x, "deeplift", target=k).relevance for k in (0, 2)]
    assert (a.relevance == each[0] - each[1]).all()


def test_errors() -> None:
    net, x = NETS["dense"][0], drawn(2, 4)
    with pytest.raises(ParameterError, match="threshold must be ≥ 0"):
        lrp.attribute(net, x, "deeplift", threshold=-1)
    with pytest.raises(ParameterError, match="'refuse' or 'midpoint'"):
        lrp.attribute(net, x, "deeplift", products="half")
    with pytest.raises(ParameterError, match="'rescale' or 'derivative'"):
        lrp.attribute(net, x, "deeplift", stacked="captum")
    with pytest.raises(ShapeError, match=r"baseline of shape \(3,\)"):
        lrp.attribute(net, x, "deeplift", baseline=np.zeros(3))
    with pytest.raises(ParameterError, match=r"dense3.*an explanation has none: lrp.attribute\(net, x, 'deeplift'"):
        lrp.explain(net, x, composite=[(kinds.Layer, lrp.rules.Rescale())])


def test_the_method_is_data() -> None:
    scored = Scored.of(NETS["dense"][0], drawn(2, 4))
    assert repr(DeepLift().composite(scored.prepared.net).entries) == repr(DeepLift().composite(scored.net).entries)
    assert repr(DeepLift()) == "DeepLift(baseline=0, threshold=1e-10, products='refuse', stacked='rescale')"
    assert DeepLift(products="midpoint") != DeepLift() == DeepLift(0)


# The tests above can fail -----------------------------------------------------------------------------------------


def derivative(self: Any, here: Any, there: Any, gs: Any, rule: Any) -> Any:
    return self.pull(here.xs, gs[0])


class Lowest:
    where, maximum = np.where, np.minimum


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (base.Elementwise, "multipliers", derivative),
        (kinds.MaxPool, "multipliers", derivative),
        (winners, "namespace", lambda *arrays: Lowest),
    ],
    ids=["an activation's derivative", "a pool's derivative", "t is the smaller of the two"],
)
def test_faults_are_seen(owner: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net, shape = NETS["windows after an activation"]
    x, b = drawn(6, *shape), drawn(6, *shape)
    right = lrp.attribute(net, x, "deeplift", baseline=b, target=0)
    monkeypatch.setattr(owner, name, fault)
    wrong = lrp.attribute(net, x, "deeplift", baseline=b, target=0)
    assert (right.completeness == 0).all()
    assert (wrong.relevance != right.relevance).any()
    assert (wrong.completeness != 0).any()


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_the_dialect_of_captum(model: str) -> None:
    golden = Golden(model)
    a = lrp.attribute(golden.net, golden.x, DIALECTS["captum-0.9"]["deeplift"], target=golden.target)
    assert np.abs(a.relevance - golden["captum/deeplift_zero_batched"]).max() <= 1e-12


def test_of_two_that_are_stacked_the_upper_one_hands_down_its_derivative() -> None:
    """By hand: x goes from −1 to 3, its size from 1 to 3, and that cut at 2 from 1 to 2."""
    net = chain(kinds.Abs(), kinds.Clip(0.0, 2.0), kinds.Dense(np.array([[1.0]])))
    x, b = np.array([[3.0]]), np.array([[-1.0]])
    right = lrp.attribute(net, x, "deeplift", baseline=b)
    assert right.relevance.tolist() == [[4 * (2 / 4) * (1 / 2)]]
    other = lrp.attribute(net, x, "deeplift", baseline=b, stacked="derivative")
    assert other.relevance.tolist() == [[0.0]]  # the clip is closed at 3
    pooled = chain(kinds.MaxPool(2), kinds.ReLU(), kinds.Flatten(), kinds.Dense(np.array([[1.0]])))
    with pytest.raises(UnsupportedError, match="max pool 'maxpool1' below 'relu1'"):
        lrp.attribute(pooled, np.array([[[3.0, -2.0]]]), "deeplift", stacked="derivative")


def test_a_product_of_no_samples_is_no_error() -> None:
    nodes = (Node("a", kinds.Dense(np.ones((2, 2))), ("x",)), Node("b", kinds.Dense(np.eye(2)), ("x",)))
    net = Network((*nodes, Node("m", kinds.Multiply(), ("a", "b"))), (Input("x"),), ("m",))
    assert lrp.attribute(net, np.zeros((0, 2)), "deeplift", target=0).relevance.shape == (0, 2)
