"""The sums along a path on what is known of them, expected gradients by hand and by counting, draws and layouts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.base.quadrature import SUMS, points
from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Add, Dense, Multiply, Power, ReLU, Sigmoid, Where
from lrp_ref.methods import METHODS, ExpectedGradients, IntegratedGradients, SmoothGrad
from lrp_ref.network import Input, Network, Node


def powers(exponent: int) -> Network:
    """f(x) = x^exponent."""
    below = [Node(f"x{k}", Multiply(), ("x" if k == 2 else f"x{k - 1}", "x")) for k in range(2, exponent + 1)]
    return Network(tuple(below), (Input("x"),), (below[-1].name,))


def kinked(rng: np.random.Generator, dtype: Any = np.float64) -> Network:
    shapes = ((4, 6), (6,), (6, 3), (3,))
    w, b, v, c = ((rng.integers(-8, 9, size=s) / 4).astype(dtype) for s in shapes)
    return Network.sequential([Dense(w, b), ReLU(), Dense(v, c)])


@pytest.mark.parametrize("rule", SUMS)
@pytest.mark.parametrize("n", [2, 3, 8])
def test_positions_and_weights(rule: str, n: int) -> None:
    at, weights = points(rule, n)
    assert len(at) == len(weights) == n
    assert list(at) == sorted(at)
    assert 0 <= at[0] < at[-1] <= 1
    total = sum(weights)
    assert abs(total - (Fraction(n - 1, n) if rule == "trapezoid/n" else 1)) <= 1e-15
    if rule in ("midpoint", "trapezoid", "trapezoid/n", "gauss"):  # symmetric: linear functions come out right
        assert abs(sum(w * a for a, w in zip(at, weights, strict=True)) - total / 2) <= 1e-15


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_gauss_is_exact_for_polynomials_of_degree_below_twice_its_steps(n: int) -> None:
    for degree in range(2 * n + 1):
        a = lrp.attribute(powers(degree + 2), np.array([[1.5]]), "integrated_gradients", rule="gauss", steps=n)
        assert (abs(a.completeness[0]) <= 1e-12) == (degree + 1 < 2 * n), "the gradient has one degree less than f"


def test_a_midpoint_and_a_trapezoid_of_a_parabola_are_exact_and_of_a_cubic_err_as_one_over_n_squared() -> None:
    x = rational(np.array([[2.0]]))
    for n in (1, 2, 4, 8):
        cubic = lrp.attribute(rational(powers(3)), x, "integrated_gradients", steps=n).completeness[0]
        assert cubic == Fraction(-2, n * n)  # ∫ 3x²: the midpoint sum misses x³/(4n²)
        if n > 1:
            other = lrp.attribute(rational(powers(3)), x, "integrated_gradients", rule="trapezoid", steps=n)
            assert other.completeness[0] == Fraction(4, (n - 1) ** 2)
    assert lrp.attribute(rational(powers(2)), x, "integrated_gradients", steps=1).completeness[0] == 0


@pytest.mark.parametrize("rule", ["left", "right"])
def test_one_sided_sums_fall_as_one_over_n_on_a_network_of_relus(rule: str) -> None:
    """They miss (g(1) − g(0))/2n·(x − b) where no step holds a kink inside: here the kinks lie at whole 1/8."""
    net = Network.sequential([Dense(np.ones((1, 3)), np.array([-1.0, -2.0, -5.0])), ReLU(), Dense(np.ones((3, 1)))])
    x = rational(np.array([[8.0]]))
    errors = [
        lrp.attribute(rational(net), x, "integrated_gradients", rule=rule, steps=n).completeness[0]
        for n in (8, 16, 32, 64, 128)
    ]
    # At a kink the derivative is that of the left side, so that the right sum is exact from here on, and the left one
    # misses a step at each kink.
    expected = [Fraction(-3 * 8, n) if rule == "left" else Fraction(0) for n in (8, 16, 32, 64, 128)]
    assert errors == expected


@pytest.mark.parametrize("rule", ["left", "right", "midpoint", "trapezoid"])
def test_halving_the_steps_halves_the_bound_of_the_error(rule: str) -> None:
    """|error| ≤ (total variation of the directional derivative)/n for every one of these sums."""
    rng = np.random.default_rng(3)
    net, x, b = kinked(rng), rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    w, shift, v = net.nodes[0].layer.weight, net.nodes[0].layer.bias, net.nodes[2].layer.weight
    step, ends = (x - b) @ w, [(b @ w + shift), (x @ w + shift)]
    passes = (ends[0] * ends[1]) < 0  # a unit whose sign changes switches its share of the derivative
    variation = (abs(step * v[:, 1]) * passes).sum(axis=1)
    assert (variation > 0).any()
    for n in (2, 4, 8, 16, 32, 64, 128, 256):
        a = lrp.attribute(net, x, "integrated_gradients", target=1, baseline=b, rule=rule, steps=n)
        assert (abs(a.completeness) <= variation / (n - (rule == "trapezoid")) + 1e-12).all()


def test_gauss_nodes_are_no_exact_numbers() -> None:
    with pytest.raises(UnsupportedError, match=r"irrational.*rule='midpoint'"):
        lrp.attribute(rational(powers(2)), rational(np.ones((1, 1))), "integrated_gradients", rule="gauss")


def test_what_is_rounded_to_single_precision() -> None:
    """Third parts are none in binary: rounded to float32 they differ in the eighth digit, and so do the sums."""
    x = np.array([[1.0]])
    sums = {s: lrp.attribute(powers(2), x, "integrated_gradients", rule="right", steps=3, single=s).relevance[0, 0]
            for s in (None, "weights", "positions")}  # fmt: skip
    third, two = float(np.float32(1 / 3)), float(np.float32(2 / 3))
    assert sums[None] == pytest.approx(4 / 3, abs=1e-15)
    assert sums["weights"] == pytest.approx(third * 4, abs=1e-15)
    assert sums["positions"] == pytest.approx((third + two + 1) * 2 / 3, abs=1e-15)
    assert abs(sums["weights"] - sums[None]) > 1e-9
    assert abs(sums["positions"] - sums[None]) > 1e-9


# Expected gradients ------------------------------------------------------------------------------------------------


def test_expected_gradients_by_hand_on_rationals() -> None:
    """f(x) = x²: (x − b)·2(b + α(x − b)), over the draws (1, 0), (1/2, 2), (0, 2) from x = 4."""
    given = {"background": rational(np.array([[0.0], [1.0], [2.0]])), "alpha": [1, 0.5, 0], "index": [0, 2, 2]}
    a = lrp.attribute(rational(powers(2)), rational(np.array([[4.0]])), "expected_gradients", **given)
    assert a.relevance[0, 0] == Fraction(4 * 8 + 2 * 6 + 2 * 4, 3)
    assert a.found["baseline_score"][0] == Fraction(0 + 1 + 4, 3)
    assert a.explained[0] == 16 - Fraction(5, 3)


def test_of_one_baseline_and_the_points_of_a_sum_it_is_integrated_gradients() -> None:
    rng = np.random.default_rng(5)
    net, x, b = kinked(rng), rng.normal(size=(3, 4)), rng.normal(size=4)
    alpha = [(k + 0.5) / 12 for k in range(12)]
    a = lrp.attribute(net, x, "expected_gradients", background=b[None], alpha=alpha)
    integrated = lrp.attribute(net, x, "integrated_gradients", baseline=b, steps=12)
    assert np.abs(a.relevance - integrated.relevance).max() <= 1e-14
    assert np.abs(a.completeness - integrated.completeness).max() <= 1e-14


def test_the_mean_over_every_baseline_and_many_steps_closes() -> None:
    rng = np.random.default_rng(6)
    net, x, background = kinked(rng), rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    alpha, index = np.meshgrid((np.arange(400) + 0.5) / 400, np.arange(5))
    a = lrp.attribute(net, x, "expected_gradients", target=[0, 1, 2], background=background,
                      alpha=alpha.reshape(-1), index=index.reshape(-1))  # fmt: skip
    means = net.forward(background).mean(axis=0)
    assert np.abs(a.found["baseline_score"] - means[[0, 1, 2]]).max() <= 1e-14
    assert np.abs(a.completeness).max() <= 0.05  # of values of some tens


def test_draws_of_its_own_for_each_sample() -> None:
    rng = np.random.default_rng(7)
    net, x, background = kinked(rng), rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    alpha, index = rng.random((6, 3)), rng.integers(5, size=(6, 3))
    whole = lrp.attribute(net, x, "expected_gradients", target=1, background=background, alpha=alpha, index=index)
    for k in range(3):
        alone = lrp.attribute(net, x[k : k + 1], "expected_gradients", target=1, background=background,
                              alpha=alpha[:, k], index=index[:, k])  # fmt: skip
        assert np.abs(alone.relevance - whole.relevance[k]).max() <= 1e-14


def gated() -> Network:
    """Where the integers say so x, elsewhere −x: an input beside the one that moves."""
    nodes = (Node("minus", Dense(-np.eye(3)), ("x",)), Node("chosen", Where(), ("m", "x", "minus")),
             Node("sum", Dense(np.ones((3, 1))), ("chosen",)))  # fmt: skip
    return Network(nodes, (Input("x"), Input("m")), ("sum",))


def test_the_mean_score_where_an_input_does_not_move_and_blocks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    fed = {"x": rng.normal(size=(4, 3)), "m": rng.integers(0, 2, (4, 3))}
    background, sign = rng.normal(size=(7, 3)), np.where(fed["m"] != 0, 1, -1)
    for small in (False, True):
        if small:
            monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", 200)
            monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", 400)
        a = lrp.attribute(gated(), fed, "expected_gradients", background={"x": background}, samples=9)
        assert set(a.relevance) == {"x"}
        assert np.abs(a.found["baseline_score"] - (background @ sign.T).mean(axis=0)).max() <= 1e-14
        rows = ExpectedGradients(background=background, samples=9)._draws(lrp.methods.Scored.of(gated(), fed), 7)[1]
        assert np.abs(a.relevance["x"] - sign * (fed["x"] - background[rows[0]].mean(axis=0))).max() <= 1e-14


# What all of them have in common -----------------------------------------------------------------------------------

GIVEN: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 5},
    "expected_gradients": {"background": np.linspace(-1, 1, 12).reshape(3, 4), "samples": 7},
    "smoothgrad": {"draws": 7},
    "smoothgrad_squared": {"draws": 7},
    "vargrad": {"draws": 7},
}


@pytest.mark.parametrize("method", GIVEN)
def test_blocks_of_any_size_give_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    net, x = kinked(rng), rng.normal(size=(5, 4))
    whole = lrp.attribute(net, x, method, target=1, **GIVEN[method]).relevance
    for most in (1, 400, 1000):
        monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", most)
        monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", most)
        told: list[tuple[int, ...]] = []
        few = lrp.attribute(net, x, method, target=1, progress=lambda *now: told.append(now), **GIVEN[method])  # noqa: B023
        assert np.abs(few.relevance - whole).max() <= 1e-13
        assert len(told) > 2


@pytest.mark.parametrize("method", GIVEN)
def test_float32_stays_and_of_no_samples_there_is_an_empty_map(method: str) -> None:
    rng = np.random.default_rng(10)
    net, x = kinked(rng, np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    a = lrp.attribute(net, x, method, **GIVEN[method])
    assert a.relevance.dtype == a.output.dtype == a.explained.dtype == np.float32
    fine = lrp.attribute(net, x.astype(float), method, **GIVEN[method])
    assert np.abs(a.relevance - fine.relevance).max() <= 1e-4
    assert lrp.attribute(net, x[:0], method, **GIVEN[method]).relevance.shape == (0, 4)


@pytest.mark.parametrize("method", GIVEN)
def test_the_difference_of_two_outputs_and_the_output_as_it_is(method: str) -> None:
    rng = np.random.default_rng(11)
    inner, x = kinked(rng), rng.normal(size=(3, 4))
    net = Network.sequential([*(n.layer for n in inner.nodes), Sigmoid()])
    for start, against in (("logit", 2), ("output", 2), ("output", None)):
        given = {"target": 0, "start": start, "against": against, **GIVEN[method]}
        a = lrp.attribute(net, x, method, **given)
        y = net.forward(x) if start == "output" else inner.forward(x)
        assert np.abs(a.output - y).max() <= 1e-14
        if method == "integrated_gradients":
            there = net.forward(x * 0) if start == "output" else inner.forward(x * 0)
            score = [v[:, 0] - (0 if against is None else v[:, 2]) for v in (y, there)]
            assert np.abs(a.explained - (score[0] - score[1])).max() <= 1e-14
            fine = lrp.attribute(net, x, method, **{**given, "steps": 2000})
            assert np.abs(fine.completeness).max() <= 0.02


@pytest.mark.parametrize("method", ["smoothgrad", "smoothgrad_squared", "vargrad"])
def test_noise_on_rationals_is_exact(method: str) -> None:
    """Of x² at 1 with the noise 1/2 and −1 and σ = 1/2 of the range 4 the gradients are 4 and −2, and 2 without."""
    noise = np.array([[0.5, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    net = Network((Node("square", Power(2), ("x",)), Node("sum", Dense(np.ones((2, 1))), ("square",))), (Input("x"),),
                  ("sum",))  # fmt: skip
    a = lrp.attribute(rational(net), rational(np.array([[1.0, 5.0]])), method, noise=noise, sigma=0.5)
    expected = {"smoothgrad": Fraction(4, 3), "smoothgrad_squared": 8, "vargrad": 8 - Fraction(16, 9)}
    assert a.relevance[0, 0] == expected[method]
    assert a.relevance[0, 1] == {"smoothgrad": 10, "smoothgrad_squared": 100, "vargrad": 0}[method]


def test_variance_in_single_precision_is_not_lost_in_the_square_of_the_mean() -> None:
    """Gradients 1000 ± 0.01: a difference of mean squares would have nothing left, or less."""
    x, noise = np.full((1, 1), 500.0, dtype=np.float32), np.array([[1.0], [-1.0]] * 32, dtype=np.float32)
    square = Network((Node("square", Power(2), ("x",)),), (Input("x"),), ("square",))
    a = lrp.attribute(square, x, "vargrad", noise=noise, sigma=0.05, relative=False)
    assert a.relevance.dtype == np.float32
    assert abs(float(a.relevance[0, 0]) - 0.01) <= 1e-4
    assert lrp.attribute(square, x, "vargrad", noise=noise * 0).relevance[0, 0] == 0


def test_noise_and_background_in_the_layout_of_the_input_and_by_its_name() -> None:
    rng = np.random.default_rng(12)
    w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    nodes = (Node("fc", Dense(w), ("x",)), Node("gate", Sigmoid(), ("fc",)), Node("y2", Dense(np.ones((1, 4))), ("y",)),
             Node("both", Add(), ("gate", "y2")), Node("top", Dense(v), ("both",)))  # fmt: skip
    turned = Network(nodes, (Input("x", (3, None), batch_axis=1), Input("y")), ("top",))
    plain = Network(nodes, (Input("x"), Input("y")), ("top",))
    x, y, noise = rng.normal(size=(5, 3)), rng.normal(size=(5, 1)), rng.normal(size=(6, 5, 3))
    rows = rng.normal(size=(7, 3))
    cases = [
        ("smoothgrad", {"noise": {"x": noise}}, {"noise": {"x": np.moveaxis(noise, 1, 2)}}),
        ("vargrad", {"noise": {"x": noise[:, 0]}}, {"noise": {"x": noise[:, 0]}}),
        ("expected_gradients", {"background": {"x": rows, "y": rows[:, :1]}},
         {"background": {"x": rows.T, "y": rows[:, :1]}}),
        ("integrated_gradients", {"baseline": {"x": x[::-1]}}, {"baseline": {"x": x[::-1].T}}),
        ("integrated_gradients", {"baseline": {"x": rows[0]}}, {"baseline": {"x": rows[0]}}),
    ]  # fmt: skip
    for method, given, there in cases:
        a = lrp.attribute(plain, {"x": x, "y": y}, method, target=1, **given)
        b = lrp.attribute(turned, {"x": x.T, "y": y}, method, target=1, **there)
        assert b.relevance["x"].shape == (3, 5)
        assert np.abs(b.relevance["x"].T - a.relevance["x"]).max() <= 1e-14
        assert np.abs(b.relevance["y"] - a.relevance["y"]).max() <= 1e-14


def test_parameters_are_values() -> None:
    b = np.ones(3)
    one = IntegratedGradients(baseline={"x": b}, steps=4)
    b += 1
    assert repr(one) == "IntegratedGradients(baseline={'x': float64[3]}, steps=4, rule='midpoint')"
    assert one == IntegratedGradients(baseline={"x": np.ones(3)}, steps=4) != IntegratedGradients(steps=4)
    assert hash(one) == hash(IntegratedGradients(baseline={"x": np.ones(3)}, steps=4))
    assert repr(IntegratedGradients(rule="exact")) == "IntegratedGradients(baseline=0, rule='exact', pieces=10000)"
    assert SmoothGrad(noise=np.zeros((4, 2))).draws == 4
    for name in GIVEN:
        assert "_i" in METHODS[name]().formula()


@pytest.mark.parametrize(
    ("method", "given", "error", "text"),
    [
        ("integrated_gradients", {"single": "both"}, ParameterError, "'positions' or 'weights'"),
        ("integrated_gradients", {"single": "weights", "rule": "exact"}, ParameterError, "leave it out"),
        ("integrated_gradients", {"rule": "trapezoid", "steps": 1}, ParameterError, "at least 2"),
        ("integrated_gradients", {"steps": 2.5}, ParameterError, "whole number"),
        ("integrated_gradients", {"baseline": np.full(4, np.inf)}, NonFiniteError, "baseline"),
        ("expected_gradients", {}, ParameterError, "give background="),
        ("expected_gradients", {"background": np.zeros((0, 4))}, ShapeError, "at least one"),
        ("expected_gradients", {"background": np.zeros((2, 5))}, ShapeError, "background of shape"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "alpha": [0.5], "index": [0, 1]}, ParameterError,
         "as many of each"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "alpha": 0.5}, ParameterError, "draws, N"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "alpha": [0.5, 1.5]}, ParameterError,
         "between 0 and 1"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "index": [0, 2]}, ParameterError, "0 to 1, got 2"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "index": [[0, 1]]}, ShapeError, "for 2 samples"),
        ("expected_gradients", {"background": np.zeros((2, 4)), "samples": 0}, ParameterError, "at least 1"),
        ("smoothgrad", {"sigma": "wide"}, ParameterError, "sigma"),
        ("smoothgrad", {"sigma": float("nan")}, ParameterError, "sigma"),
        ("vargrad", {"noise": np.full((2, 4), np.nan)}, NonFiniteError, "noise"),
        ("vargrad", {"noise": {"z": np.zeros((2, 4))}}, ParameterError, "known: input"),
        ("smoothgrad", {"dialect": "zenit-1.0"}, ParameterError, "did you mean 'zennit-1.0'"),
        ("vargrad", {"dialect": "zennit-1.0"}, ParameterError, "it has deconvnet, gradient"),
        ("epsilon", {"dialect": "zennit-1.0"}, ParameterError, "leave dialect out"),
        ("smothgrad", {"dialect": "zennit-1.0"}, ParameterError, "did you mean 'smoothgrad'"),
    ],
)  # fmt: skip
def test_errors(method: str, given: dict[str, Any], error: type[LrpError], text: str) -> None:
    rng = np.random.default_rng(13)
    with pytest.raises(error, match=text):
        lrp.attribute(kinked(rng), rng.normal(size=(3, 4)), method, **given)


def test_the_parameters_of_a_dialect_give_way() -> None:
    rng = np.random.default_rng(14)
    net, x = kinked(rng), rng.normal(size=(3, 4))
    for method, given, dialect, follows in [
        ("smoothgrad", {"noise": rng.normal(size=(3, 4))}, "captum-0.9", {"draws": 3, "sigma": 1.0, "relative": False}),
        ("smoothgrad", {"draws": 4}, "innvestigate-2.1", {"sigma": 1.0, "relative": False, "draws": 4}),
        ("integrated_gradients", {"rule": "exact"}, "zennit-1.0", {"steps": None, "single": None}),
        ("integrated_gradients", {"rule": "left"}, "captum-0.9", {"steps": 50, "single": "weights"}),
        ("expected_gradients", {"background": x, "alpha": [0.5] * 4}, "captum-0.9", {"samples": 4}),
        ("expected_gradients", {"background": x}, "captum-0.9", {"samples": 5}),
    ]:  # fmt: skip
        made = lrp.attribute(net, x, method, dialect=dialect, **given).method
        assert {key: getattr(made, key) for key in follows} == follows
