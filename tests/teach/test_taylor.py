"""Deep Taylor: every rule is the first-order term at its root, exactly, for every linear layer with one operand."""

from __future__ import annotations

import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from samples import LINEAR, Sample, exactly
from strategies import arrays, exact, few, fractions, positives, unit

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.literal import rules as textbook
from lrp_ref.teach import taylor
from lrp_ref.teach.taylor.__main__ import main as command
from lrp_ref.teach.taylor.figure import BLUE, GREEN, GREY, RED, figure

F = Fraction
GAMMA = F(1, 4)
ONE_OPERAND = [s for s in LINEAR if len(s.inputs()) == 1]
DOMAINS = ["real", "positive", "box", "gamma"]
MOST = 12  # outputs of one layer that are looked at


def draw(rng: np.random.Generator, *shape: int) -> Any:
    """Multiples of 1/4 of both signs, about one in five 0, as rationals."""
    return rational(np.where(rng.random(shape) < 0.2, 0.0, rng.integers(-12, 13, size=shape) / 4))


def case(sample: Sample, name: str, rng: np.random.Generator) -> tuple[Any, Any, taylor.Domain]:
    """Return exact layer, inputs in the domain (2, ...) and the domain."""
    layer = exactly(sample.layer())
    a = exactly(sample.inputs(2)[0])
    if name == "box":
        low, high = a.min(axis=0) - abs(draw(rng, *a.shape[1:])), a.max(axis=0) + abs(draw(rng, *a.shape[1:]))
        return layer, a, taylor.Box(low, high)
    if name == "gamma":
        return layer, a, taylor.GammaDirection(GAMMA)
    return (layer, a, taylor.Real()) if name == "real" else (layer, abs(a), taylor.Positive())


def told_by_the_textbook(domain: taylor.Domain, a: Any, matrix: Any, relevance: Any) -> textbook.Messages:
    match domain:
        case taylor.Real():
            return textbook.wsquare(a, matrix, relevance)
        case taylor.Positive():
            return textbook.zplus(a, matrix, relevance)
        case taylor.Box():
            return textbook.zbox(a, matrix, relevance, domain.low, domain.high)
    return textbook.gamma(a, matrix, relevance, GAMMA)


def direction_of_the_papers(domain: taylor.Domain, a: Any, w: Any) -> Any:
    """Return v as the papers' table has it, by hand, one number at a time."""
    found = []
    lows = domain.low.reshape(-1) if isinstance(domain, taylor.Box) else a
    highs = domain.high.reshape(-1) if isinstance(domain, taylor.Box) else a
    for a_i, w_i, low, high in zip(a, w, lows, highs, strict=True):
        positive = 1 if w_i > 0 else 0
        match domain:
            case taylor.Real():
                found.append(w_i)
            case taylor.Positive():
                found.append(a_i * positive)
            case taylor.Box():
                found.append(a_i - low * positive - high * (1 if w_i < 0 else 0))
            case _:
                found.append(a_i * (1 + GAMMA * positive))
    return np.array(found, object)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("sample", ONE_OPERAND, ids=lambda s: s.name)
def test_messages_are_first_order_terms_at_the_root(sample: Sample, name: str) -> None:
    rng = np.random.default_rng(zlib.crc32(f"{sample.name} {name}".encode()))
    layer, inputs, domain = case(sample, name, rng)
    matrix = sample.matrix(layer, exact=True)
    outputs = matrix.weight.shape[1]
    for a in (inputs[:1], inputs[1:]):
        flat, relevance = a.reshape(-1), draw(rng, outputs)
        told = told_by_the_textbook(domain, flat, matrix, relevance)
        for j in range(min(outputs, MOST)):
            w, z, r = matrix.weight[:, j], matrix.forward(flat)[j], relevance[j]
            along = (w * direction_of_the_papers(domain, flat, w)).sum()
            if along == 0 and z != 0:
                with pytest.raises(taylor.NoRootError, match=f"unit {j}: no root"):
                    lrp.root_point(layer, a, j, domain)
                assert name == "gamma" or told.dropped[j] == r
                continue
            root = lrp.root_point(layer, a, j, domain)
            assert root.point.shape == a.shape
            assert all(isinstance(v, F) for part in (root.point, root.t, root.terms) for v in part.flat), "a float"
            assert matrix.forward(root.point.reshape(-1))[j] == 0
            assert root.z[0] == z
            assert root.t[0] * along == z
            terms = w * (flat - root.point.reshape(-1))
            assert root.terms.reshape(-1).tolist() == terms.tolist()
            assert terms.sum() == z
            messages = root.messages(relevance[j : j + 1]).reshape(-1)
            if along == 0:
                assert not messages.any()
            elif name == "gamma":  # the bias of this rule is a weight, so its relevance is no input's
                left = r - told.bias[j] if told.dropped[j] == 0 else None
                assert left is None or (messages * left).tolist() == (told.messages[:, j] * r).tolist()
            else:
                assert messages.tolist() == told.messages[:, j].tolist()
                assert (told.messages[:, j] * z).tolist() == (r * terms).tolist()


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("kind", ["dense", "conv1", "conv2", "conv3"])
def test_the_fast_rules_add_up_the_terms_of_all_units(kind: str, name: str) -> None:
    rng = np.random.default_rng(zlib.crc32(f"{kind} {name}".encode()))
    axes = {"dense": 0, "conv1": 1, "conv2": 2, "conv3": 3}[kind]
    layer: Any
    if axes:
        layer = layers.Conv(draw(rng, 2, 2, *(2,) * axes), draw(rng, 2), stride=2, padding=((1, 0),) * axes)
        a = draw(rng, 3, 2, *(3,) * axes)
    else:
        layer, a = layers.Dense(draw(rng, 6, 5), draw(rng, 5)), draw(rng, 3, 6)
    chosen = {"box": taylor.Box(-4, 5), "gamma": taylor.GammaDirection(GAMMA), "real": taylor.Real()}
    domain = chosen.get(name, taylor.Positive())
    a = abs(a) if name == "positive" else a
    z = layer.forward(a)
    relevance, rule = draw(rng, *z.shape), domain.rule().with_bias("ignore")
    total, seen = 0 * a, 0
    for k, j in np.ndindex(len(a), z[0].size):
        r = relevance[k].reshape(-1)  # a view
        try:
            total[k] += lrp.root_point(layer, a[k : k + 1], j, domain).messages(r[j : j + 1])[0]
            seen += 1
        except taylor.NoRootError:
            r[j] = 0
    assert seen > z.size // 4
    assert (layer.relevance_backward(a, relevance, rule) == total).all()
    assert total.any()


def test_small_cases_by_hand() -> None:
    layer = unit([2, -1], -1)
    root = lrp.root_point(layer, exact(1, F(1, 2)), 0, "positive")
    assert (root.point.tolist(), root.t.tolist()) == ([[F(3, 4), F(1, 2)]], [F(1, 4)])
    assert root.terms.tolist() == [[F(1, 2), 0]]
    root = lrp.root_point(layer, exact(1, F(1, 2)), 0, "real")
    assert root.point.tolist() == [[F(4, 5), F(3, 5)]]
    assert root.squared_distance.tolist() == [F(1, 20)]
    root = lrp.root_point(layer, exact(1, F(1, 2)), 0, "box", low=-1, high=2)  # v = (2, -3/2), w·v = 11/2, t = 1/11
    assert root.point.tolist() == [[F(9, 11), F(7, 11)]]
    assert root.inside.tolist() == [True]
    root = lrp.root_point(layer, exact(1, F(1, 2)), 0, "gamma", gamma=1)  # v = (2, 1/2), w·v = 7/2, t = 1/7
    assert root.point.tolist() == [[F(5, 7), F(3, 7)]]
    tied = lrp.root_point(unit([1, 1], -3), exact(1, 2), 0, "positive")  # z = 0: the point is its own root
    assert tied.point.tolist() == [[1, 2]]
    assert tied.terms.tolist() == [[0, 0]]
    assert tied.messages(exact(6)[0]).tolist() == [[2, 4]]
    dead = lrp.root_point(unit([0, 0], 0), exact(1, 2), 0, "real")
    assert (dead.point.tolist(), dead.shares.tolist()) == ([[1, 2]], [[0, 0]])


# --- where the root is ----------------------------------------------------------------------------

biases = st.builds(Fraction, st.integers(-6, 0), st.integers(1, 4))


@few
@given(arrays((1, 4), positives), arrays((4,)), fractions)
def test_a_positive_root_is_inside_exactly_if_the_far_end_is_not_active(a: Any, w: Any, b: Fraction) -> None:
    """The end of the segment keeps only inputs with w ≤ 0, where z = b + Σ z_ij⁻."""
    contributions = (a[0] * w).tolist()
    assume(any(c > 0 for c in contributions))
    root = lrp.root_point(unit(w, b), a, 0, "positive")
    assert root.inside.tolist() == [b + sum(min(c, F(0)) for c in contributions) <= 0]


@few
@given(arrays((1, 4), positives), arrays((4,)), biases, st.sampled_from(["positive", "gamma"]))
def test_roots_for_no_positive_bias_are_positive(a: Any, w: Any, b: Fraction, name: str) -> None:
    total = (a[0] * w).sum() + GAMMA * sum(max(c, F(0)) for c in a[0] * w)
    assume(any(a[0] * w > 0) and total > 0)
    parameters = {"gamma": GAMMA} if name == "gamma" else {}
    root = lrp.root_point(unit(w, b), a, 0, name, **parameters)
    assert root.inside.tolist() == [True]
    assert (root.point >= 0).all()
    assert root.t[0] <= 1


@few
@given(arrays((4,), positives), arrays((4,), positives), arrays((4,), positives), arrays((4,)), fractions)
def test_a_box_root_is_inside_exactly_if_the_corner_is_not_active(x: Any, y: Any, p: Any, w: Any, b: Any) -> None:
    low, high = x - y - 1, x - y + p
    a = (low + (high - low) * F(2, 3))[None]
    z = (a[0] * w).sum() + b
    corner = sum(lo * v if v > 0 else hi * v for lo, hi, v in zip(low, high, w, strict=True)) + b
    assume(z > 0 and z != corner)
    root = lrp.root_point(unit(w, b), a, 0, taylor.Box(low, high))
    assert root.inside.tolist() == [corner <= 0]
    assert (0 < root.t[0] <= 1) == (corner <= 0)


@few
@given(arrays((1, 4)), arrays((4,)), biases)
def test_a_box_around_0_and_no_positive_bias_keep_active_roots_inside(a: Any, w: Any, b: Fraction) -> None:
    assume((a[0] * w).sum() + b > 0)
    root = lrp.root_point(unit(w, b), a, 0, "box", low=-7, high=7)
    assert root.inside.tolist() == [True]


@few
@given(arrays((1, 4)), arrays((1, 4)), arrays((4,)), fractions)
def test_no_root_is_nearer_than_that_of_the_square_rule(a: Any, other: Any, w: Any, b: Fraction) -> None:
    assume(w.any())
    layer = unit(w, b)
    root = lrp.root_point(layer, a, 0, "real")
    elsewhere = lrp.root_point(layer, other, 0, "real").point  # some other root
    assert layer.forward(elsewhere).tolist() == [[0]]
    assert ((a - elsewhere) ** 2).sum() >= root.squared_distance[0]
    assert root.squared_distance[0] == root.z[0] ** 2 / (w * w).sum()


# --- arguments ------------------------------------------------------------------------------------


def test_batches_units_and_dtypes() -> None:
    rng = np.random.default_rng(4)
    layer = layers.Conv(rng.normal(size=(3, 2, 2, 2)), rng.normal(size=3), padding=1)
    x = rng.random((4, 2, 3, 3))
    whole = lrp.root_point(layer, x, (1, 2, 0), "positive")
    assert whole.unit == 1 * 16 + 2 * 4 + 0 == lrp.root_point(layer, x, 24 - 48, "positive").unit
    for k in range(4):
        one = lrp.root_point(layer, x[k : k + 1], 24, "positive")
        np.testing.assert_allclose(one.point[0], whole.point[k], rtol=1e-13)
    np.testing.assert_allclose(layer.forward(whole.point)[:, 1, 2, 0], 0, atol=1e-12)
    small = lrp.root_point(
        layer.map_arrays(lambda v: v.astype("float32")), x.astype("float32"), 24, "box", low=0, high=1
    )
    assert {v.dtype for v in (small.point, small.t, small.terms, small.shares)} == {np.dtype("float32")}
    pixels = taylor.Box((0, -1), (1, 2))  # one bound per channel
    assert lrp.root_point(layer, x, 0, pixels).domain == pixels
    integers = layers.Dense(np.array([[1], [2]], object))
    assert lrp.root_point(integers, np.array([[1, 1]], object), 0).point.tolist() == [[F(2, 5), F(-1, 5)]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 1), ParameterError, r"no output unit 1.*\(1,\)"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), (0, 0)), ParameterError, "no output unit"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 0, "reel"), ParameterError, "did you mean 'real'"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 0, "box"), ParameterError, "low= and high="),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 0, "box", low=2, high=1), ParameterError, "low"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 0, "gamma", gamma=-1), ParameterError, "gamma"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2), 0, taylor.Real(), gamma=1), ParameterError, "ignored"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, -2), 0, "positive"), ParameterError, "sample 0 lies outside"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 3), 0, "box", low=0, high=2), ParameterError, "outside"),
        (lambda: lrp.root_point(unit([1, -1]), exact(1, 2, 3), 0), ShapeError, "features"),
        (lambda: lrp.root_point(unit([-1, -1]), exact(1, 2), 0, "positive"), taylor.NoRootError, "z_j = -3"),
        (lambda: lrp.root_point(unit([0, 0], 1), exact(1, 2), 0), taylor.NoRootError, "no input contributes"),
        (lambda: lrp.root_point(layers.ReLU(), exact(1, 2), 0), UnsupportedError, "linear layer"),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_root_is_refused_in_one_line(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- a whole network at one root ------------------------------------------------------------------


def small_net(seed: int, *sizes: int, biases: bool = True) -> Any:
    """A ReLU network of rationals; the last size is the number of outputs."""
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        found += [layers.Dense(draw(rng, inputs, outputs), draw(rng, outputs) if biases else None), layers.ReLU()]
    return lrp.Network.sequential(found[:-1])


def derivative(net: Any, x: Any, direction: Any) -> Fraction:
    """The one-sided derivative of output 0 along a direction, as an exact difference quotient at a tiny step."""
    step = F(1, 10**12)
    return (net.forward(x + step * direction)[0, 0] - net.forward(x)[0, 0]) / step


@pytest.mark.parametrize("search", ["nearest", "gradient", "point"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 6, 8])  # of these networks f has both signs
def test_the_root_of_a_network_is_exact_and_the_first_on_its_line(seed: int, search: str) -> None:
    net = small_net(seed, 3, 5, 4, 1)
    rng = np.random.default_rng(100 + seed)
    x = draw(rng, 1, 3)
    f = net.forward(x)[0, 0]
    others = (draw(rng, 1, 3) * 4 for _ in range(100))
    opposite = next(p for p in others if (net.forward(p)[0, 0] > 0) != (f > 0))
    try:
        d = taylor.decompose(net, x, 0, search=opposite if search == "point" else search)
    except taylor.NoRootError:
        # Between a positive and a negative value there is a root; down a gradient there need not be one.
        assert (search, seed) in {(s, k) for s in ("nearest", "gradient") for k in (3, 8)}
        return
    assert net.forward(d.point).tolist() == [[0]]
    assert (d.at_root.tolist(), d.output.tolist()) == ([0], [f])
    assert d.relevance.tolist() == (d.gradient * (x - d.point)).tolist()
    assert d.residual[0] == f - d.relevance.sum()
    np.testing.assert_allclose(d.distance**2, float(((x - d.point) ** 2).sum()), rtol=1e-12)
    # The gradient is that of the piece in which the segment ends: its slope is the one-sided derivative there.
    assert d.relevance.sum() == derivative(net, d.point, x - d.point)
    for k in range(200):  # no earlier root
        assert (net.forward(x + F(k, 200) * (d.point - x))[0, 0] > 0) == (f > 0)
    if all(net.forward(x + F(k, 99) * (d.point - x))[0, 0] == f * (1 - F(k, 99)) for k in range(99)):
        assert d.residual.tolist() == [0]
    assert d.pieces[0] > 1 or d.residual[0] == 0


def test_the_residual_by_hand() -> None:
    """f = relu(x) + relu(x − 1), 5 at x = 3: at the root 0 the slope is 1, so 2 is left over, in two pieces."""
    one = layers.Dense(exact(1, 1), exact(0, -1)[0])
    net = lrp.Network.sequential([one, layers.ReLU(), unit([1, 1])])
    d = taylor.decompose(net, exact(3), 0, search="origin")
    assert (d.output.tolist(), d.point.tolist(), d.relevance.tolist()) == ([5], [[0]], [[3]])
    assert (d.residual.tolist(), d.pieces.tolist(), d.distance.tolist()) == ([2], [2], [3.0])
    assert d.norm.tolist() == [3.0]
    linear = taylor.decompose(lrp.Network.sequential([unit([3, 4], -5)]), exact(3, 4), 0)
    assert linear.relevance.tolist() == lrp.root_point(unit([3, 4], -5), exact(3, 4), 0).terms.tolist()
    assert linear.distance.tolist() == [4.0]  # 20 / |(3, 4)|


@pytest.mark.parametrize("seed", range(4))
def test_without_biases_the_expansion_at_the_origin_is_lrp_0(seed: int) -> None:
    net = small_net(seed, 4, 6, 5, 1, biases=False)
    x = draw(np.random.default_rng(seed), 3, 4) + F(1, 3)
    assert net.forward(x).any()
    d = taylor.decompose(net, x, 0, search="origin")
    live = net.forward(x)[:, 0] != 0
    assert d.residual.tolist() == [0, 0, 0]
    assert not d.point[live].any()
    e = lrp.explain(net, x, target=0, composite=lrp.rules.LRP0())
    assert d.relevance[live].tolist() == e.relevance[live].tolist()


def test_floats_find_the_roots_of_the_rationals() -> None:
    net = small_net(6, 4, 8, 8, 2)
    x = draw(np.random.default_rng(9), 3, 4)
    for search in ("nearest", "gradient"):
        whole = taylor.decompose(net, x, search=search)
        same = taylor.decompose(lrp.arithmetic.to_float(net), x.astype(float), search=search)
        assert whole.target.tolist() == same.target.tolist()
        assert whole.pieces.tolist() == same.pieces.tolist()
        for name in ("point", "relevance", "gradient", "residual"):
            np.testing.assert_allclose(getattr(same, name), getattr(whole, name).astype(float), rtol=1e-9, atol=1e-9)


def test_convolutions_pools_and_sums_are_walked_too() -> None:
    rng = np.random.default_rng(1)
    nodes = [
        lrp.Node("conv", layers.Conv(draw(rng, 2, 1, 2), draw(rng, 2), padding=((1, 0),)), ("input",)),
        lrp.Node("relu", layers.ReLU(), ("conv",)),
        lrp.Node("again", layers.Conv(draw(rng, 2, 2, 1)), ("relu",)),
        lrp.Node("sum", layers.Add(), ("relu", "again")),
        lrp.Node("pad", layers.Pad(((0, 0), (1, 0)), value=2), ("sum",)),
        lrp.Node("pool", layers.AveragePool(2), ("pad",)),
        lrp.Node("flat", layers.Flatten(), ("pool",)),
        lrp.Node("out", layers.Dense(draw(rng, 4, 1), exact(-1)[0]), ("flat",)),
    ]
    net = lrp.Network(tuple(nodes), (lrp.Input("input"),), ("out",))
    x = draw(rng, 1, 1, 4)
    d = taylor.decompose(net, x, 0)
    assert net.forward(d.point).tolist() == [[0]]
    assert d.relevance.sum() == derivative(net, d.point, x - d.point)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda net, x: taylor.decompose(net, x, 3), ParameterError, "target 3"),
        (lambda net, x: taylor.decompose(net, x, 0, search="far"), ParameterError, "'far'.*nearest, gradient, origin"),
        (lambda net, x: taylor.decompose(net, x, 0, search=exact(1, 2, 3)), ShapeError, r"\(1, 3\)"),
        (lambda net, x: taylor.decompose(net, x, 0, search=x), taylor.NoRootError, "sample 0"),
        (
            lambda net, x: taylor.decompose(lrp.Network.sequential([layers.Sigmoid()]), x.astype(float), 0),
            UnsupportedError,
            "node 'sigmoid1'",
        ),
        (
            lambda net, x: taylor.decompose(lrp.Network.sequential([unit([0, 0], 1)]), x, 0),
            taylor.NoRootError,
            "sample 0: Newton's steps",
        ),
        (
            lambda net, x: taylor.decompose(lrp.Network.sequential([unit([1, 1], 9)]), x, 0, search="origin"),
            taylor.NoRootError,
            "before f has a root",
        ),
        (lambda net, x: taylor.random_network(0), ParameterError, "at least 1"),
        (lambda net, x: taylor.autocorrelation(x, 1), ShapeError, "lag 1"),
    ],
)
def test_a_decomposition_that_is_not_possible_says_why(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call(small_net(0, 2, 3, 1), exact(1, 2))
    assert "\n" not in str(caught.value)


# --- shattering -----------------------------------------------------------------------------------


def test_gradient_is_the_difference_quotient_per_input() -> None:
    net = small_net(5, 3, 6, 6, 2)
    x = draw(np.random.default_rng(2), 4, 3) + F(1, 7)  # away from the borders of the pieces
    found = taylor.gradient(net, x, 1)
    step = F(1, 10**12)
    for i in range(3):
        moved = x.copy()
        moved[:, i] += step
        assert found[:, i].tolist() == ((net.forward(moved) - net.forward(x))[:, 1] / step).tolist()


def test_autocorrelation_tells_a_wave_from_noise() -> None:
    wave = np.sin(np.linspace(0, 2 * np.pi, 201))
    assert taylor.autocorrelation(wave, 1) > 0.999
    assert taylor.autocorrelation(wave, 100) < -0.9
    assert abs(taylor.autocorrelation(np.random.default_rng(0).normal(size=(4000, 3)), 1)) < 0.03
    assert taylor.autocorrelation(np.ones((5, 2)), 1) == 0
    shifted = np.stack([wave, wave + 9], axis=1)
    assert abs(taylor.autocorrelation(shifted, 7) - taylor.autocorrelation(wave, 7)) < 1e-12


def test_gradients_shatter_with_depth_and_deep_taylor_does_not() -> None:
    shallow, deep = taylor.study((1, 16), networks=5)
    assert shallow.autocorrelation["gradient"] > 0.8 > 0.75 > deep.autocorrelation["gradient"]
    for measured in (shallow, deep):
        assert measured.autocorrelation["deep Taylor"] > 0.9
        assert measured.missed["deep Taylor"] < 1e-12
        assert measured.missed["LRP-ε"] > 0.01  # what it gives to the biases
    assert deep.without_root >= shallow.without_root == 0
    assert deep.missed["Taylor"] > shallow.missed["Taylor"]
    assert shallow.targets["deep Taylor"] < deep.targets["deep Taylor"]  # the price: maps that tell outputs apart less


def test_the_command_writes_the_figure_and_the_table(tmp_path: Path) -> None:
    goal = tmp_path / "figure.png"
    done = CliRunner().invoke(command, [str(goal), "--networks", "2", "--depths", "1", "--depths", "3"])
    assert done.exit_code == 0, done.output
    shallow, deep = taylor.study((1, 3), networks=2)
    assert [row.split()[-2:] for row in done.stdout.splitlines()[2:5]] == [
        [f"{m.distance[k]:.3f}" for m in (shallow, deep)] for k in range(3)
    ]
    with Image.open(goal) as picture:
        assert picture.width > 1000
        colours = {c for _, c in picture.convert("RGB").getcolors(1 << 20)}
    assert {RED, BLUE, GREEN, GREY} <= colours  # every curve is there
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_a_depth_without_any_root_is_drawn_too() -> None:
    nothing = dict.fromkeys(("gradient", "LRP-ε", "LRP-γ", "deep Taylor"), 0.5)
    lost = taylor.Measured(4, (float("inf"),) * 3, 1.0, nothing | {"Taylor": float("nan")}, nothing, nothing)
    assert figure([taylor.study((1,), networks=1)[0], lost]).size == figure([lost]).size
