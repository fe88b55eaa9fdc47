"""The textbook's rules against exact answers, the ledger in rationals, and the theory of Deep Taylor."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals

from lrp_ref import literal
from lrp_ref.literal import Matrix, lstm, matrices, nonlinear, rules, stabilisers


def column(*weights: Any, bias: Any = 0) -> Matrix:
    """Return one neuron with these weights."""
    return matrices.dense(exact(*weights).reshape(-1, 1), exact(bias))


# --- small cases with exact answers ---------------------------------------------------------------

AB10, AB21 = partial(rules.alpha_beta, alpha=1, beta=0), partial(rules.alpha_beta, alpha=2, beta=1)
GAMMA, GENERAL = (partial(rule, gamma=F(1, 4)) for rule in (rules.gamma, rules.generalized_gamma))
EPSILON = partial(rules.epsilon, epsilon=1)
ZBOX = partial(rules.zbox, low=exact(0, 1), high=3)
NORM = matrices.affine(exact(1), exact("1/2"), input_shape=(1,))  # gamma=2, beta=1, mu=1/2, var=4
POOL = matrices.sum_pool((1, 2, 2), 2, dtype=object)

CASES: dict[str, tuple[Any, Matrix, Any, rules.Rule, Any, Any]] = {
    # name: (inputs, layer, relevance out, rule, relevance in, dropped)
    "AB-1 a1b0": ((1, 1), column(1, -1, bias=-1), -1, AB10, (-1, 0), 0),
    "AB-1 a2b1": ((1, 1), column(1, -1, bias=-1), -1, AB21, (-2, "1/2"), 0),
    "AB-2": ((1, -2), column(1, 1, bias="1/2"), "-1/2", AB10, ("-1/3", 0), 0),
    "AB-3 positive only": ((0, 1), column(-1, 1), 1, AB21, (0, 2), -1),
    "AB-3 negative only": ((1, 0), column(-1, 1), 1, AB21, (-1, 0), 2),
    "AB-3 both": ((2, 4), column(-1, 1), 1, AB21, (-1, 2), 0),
    "AB-4 z+": ((1, 2), column(1, "-1/4", bias="1/2"), 1, rules.zplus, (1, 0), 0),
    "AB-4 a1b0": ((1, 2), column(1, "-1/4", bias="1/2"), 1, AB10, ("2/3", 0), 0),
    "G-1 plain": ((1, 2), column(1, "-1/4", bias="1/2"), 1, GAMMA, ("10/11", "-4/11"), 0),
    "G-1 generalised": ((1, 2), column(1, "-1/4", bias="1/2"), 1, GENERAL, ("10/11", "-4/11"), 0),
    "G-2 plain": ((1, -1), column(1, 1, bias="1/2"), 1, GAMMA, (2, -2), 0),
    "G-2 generalised": ((1, -1), column(1, 1, bias="1/2"), 1, GENERAL, ("10/7", "-8/7"), 0),
    "G-2 mirrored, z < 0": ((1, -1), column(-1, -1, bias="-1/2"), 1, GENERAL, ("10/7", "-8/7"), 0),
    "generalised at z = 0": ((1, 1), column(1, -1), 3, GENERAL, (0, 0), 3),
    "W-1": ((7, -3), column(1, 2, bias=1), 1, rules.wsquare, ("1/5", "4/5"), 0),
    "BN-1 z-rule": (("3/2",), NORM, 1, rules.lrp0, ("3/4",), 0),
    "BN-1 pass": (("3/2",), NORM, 1, rules.pass_on, (1,), 0),
    "sum pool a2b1": ((1, 2, -1, 3), POOL, 2, AB21, ("2/3", "4/3", -2, 2), 0),
    "flat": ((5, 0, -1), column(0, 2, 3, bias=9), 1, rules.flat, ("1/3", "1/3", "1/3"), 0),
    "z^B": ((1, 2), column(1, -1, bias=5), 1, ZBOX, ("1/2", "1/2"), 0),
    "z+ signed": ((1, -2, 1), column(3, -1, -1), 1, rules.zplus, ("3/5", "2/5", 0), 0),
    "a2b1 signed": ((1, -2, 3, -1), column(3, -1, -2, 4, bias=1), 1, AB21, (1, "2/3", "-3/5", "-2/5"), 0),
    "generalised signed": ((-1, 1, 1), column(-2, 1, -1), 1, GENERAL, ("10/11", "5/11", "-4/11"), 0),
    "dead unit": ((1, 1), column(1, -1), 2, rules.lrp0, (0, 0), 2),
    "zero": ((1, 1), column(1, 3), 2, rules.zero, (0, 0), 2),
    "epsilon": ((1, 2), column(1, -1, bias=-1), 3, EPSILON, (-1, 2), 0),
    "bias and epsilon shared": ((1, 2), column(1, -1, bias=-1), 3, partial(EPSILON, bias_share=1), (0, 3), 0),
    "epsilon shared": (
        (1, 2),
        column(1, -1, bias=-1),
        3,
        partial(EPSILON, epsilon_share=1),
        ("-1/2", "5/2"),
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_small_cases_have_their_exact_answers(case: str) -> None:
    a, layer, relevance, rule, expected, dropped = CASES[case]
    told = rule(exact(*a), layer, exact(relevance))
    assert told.relevance.tolist() == exact(*expected).tolist()
    assert told.dropped.tolist() == [dropped]
    assert told.total.tolist() == exact(relevance).tolist()


@pytest.mark.parametrize(
    ("z", "denominator"),
    [("0", "1/10"), ("-1/20", "-3/20"), ("-1/10", "-1/5"), ("-1", "-11/10"), ("1/10", "1/5")],
)
def test_epsilon_has_the_sign_of_z_and_plus_at_zero(z: str, denominator: str) -> None:
    layer = matrices.dense(exact(1, -1).reshape(2, 1), exact(z))
    told = rules.epsilon(exact(1, 1), layer, exact(1), epsilon=F(1, 10))
    assert told.messages[:, 0].tolist() == [1 / F(denominator), -1 / F(denominator)]
    assert told.stabiliser[0] == F(1, 10) * (-1 if F(z) < 0 else 1) / F(denominator)
    same = rules.lrp0(exact(1, 1), layer, exact(1), stabiliser=stabilisers.add(F(1, 10)))
    assert (same.messages == told.messages).all()


def test_minus_zero_counts_as_positive() -> None:
    layer = matrices.dense(np.array([[1.0], [1.0]]), np.array([-0.0]))
    for stabiliser in (stabilisers.add(0.5), stabilisers.clip(0.5)):
        told = rules.lrp0(np.array([-0.0, -0.0]), layer, np.array([1.0]), stabiliser=stabiliser)
        assert told.total.tolist() == [1.0]
        assert told.stabiliser.tolist() == [1.0]
        assert stabiliser(np.array([-0.0, 0.0])).tolist() == [0.5, 0.5]


def test_cancelling_unit_is_exact_in_rationals() -> None:
    tiny = F(1, 10**7)
    told = rules.lrp0(exact(1, 1), column(1, -1 + tiny), exact(1))
    assert told.relevance.tolist() == [10**7, 1 - 10**7]


def test_clip_and_relative_stabilisers() -> None:
    layer = matrices.dense(np.array([[1.0, 7.0, -0.25]]))
    clipped = rules.lrp0(np.array([1.0]), layer, np.array([2.0, 3.0, 1.0]), stabiliser=stabilisers.clip(0.5))
    assert clipped.messages.tolist() == [[2.0, 3.0, 0.5]]
    assert clipped.stabiliser.tolist() == [0.0, 0.0, 0.5]
    layer, fifth = matrices.dense(np.array([[-1.0, 7.0]])), stabilisers.relative(0.2)  # rms = 5, a fifth is 1
    told = rules.lrp0(np.array([1.0]), layer, np.array([1.0, 1.0]), stabiliser=fifth)
    np.testing.assert_allclose(told.messages, [[1 / 2, 7 / 8]], rtol=1e-15)
    with pytest.raises(TypeError, match="square root"):
        rules.lrp0(exact(1), column(1), exact(1), stabiliser=stabilisers.relative(F(1, 2)))


# --- the ledger closes exactly --------------------------------------------------------------------


def build_layers() -> dict[str, Matrix]:
    rng = np.random.default_rng(20)
    conv: Any = {"stride": (2, 1), "padding": [(1, 0), (0, 2)], "dilation": (2, 1), "groups": 2}
    transposed: Any = {"stride": 3, "padding": [(1, 0)], "output_padding": 2, "dilation": 2, "groups": 2}
    conv, transposed = conv | {"input_shape": (2, 4, 5)}, transposed | {"input_shape": (2, 3)}
    pool: Any = {"stride": 2, "padding": [(1, 0), (0, 1)], "ceil_mode": True, "dtype": object}
    return {
        "dense": matrices.dense(rationals(rng, 6, 4), rationals(rng, 4)),
        "conv": matrices.conv(rationals(rng, 4, 1, 2, 3), rationals(rng, 4), **conv),
        "conv_transpose": matrices.conv_transpose(rationals(rng, 2, 1, 3), rationals(rng, 2), **transposed),
        "average_pool": matrices.average_pool((2, 4, 5), (2, 3), count_include_pad=False, **pool),
        "sum_pool": matrices.sum_pool((1, 5), 2, stride=1, padding=[(3, 0)], dtype=object),
        "global_average_pool": matrices.global_average_pool((3, 2, 3), dtype=object),
        "affine": matrices.affine(rationals(rng, 2), rationals(rng, 2, 3), input_shape=(2, 3)),
        "add": matrices.add(3, (2, 2), dtype=object),
    }


LAYERS = build_layers()
ST = {"exact": stabilisers.exact, "add": stabilisers.add(F(1, 3)), "clip": stabilisers.clip(F(1, 2))}
RULES: dict[str, rules.Rule] = {
    "epsilon 0": partial(rules.epsilon, epsilon=0, bias_share=1),
    "epsilon": partial(rules.epsilon, epsilon=F(1, 9)),
    "epsilon shared": partial(rules.epsilon, epsilon=F(1, 9), bias_share=1),
    "epsilon partly": partial(rules.epsilon, epsilon=F(1, 9), bias_share=F(1, 3), epsilon_share=F(1, 2)),
    "zero": rules.zero,
}
for name, st in ST.items():
    plain: Any
    for plain in (rules.lrp0, rules.zplus, rules.wsquare, rules.flat):
        RULES[f"{plain.__name__} {name}"] = partial(plain, stabiliser=st)
    for plain in (rules.gamma, rules.generalized_gamma):
        RULES[f"{plain.__name__} {name}"] = partial(plain, gamma=F(1, 4), stabiliser=st)
    for b in (F(0), F(1), F(1, 2)):
        RULES[f"alpha_beta {b} {name}"] = partial(rules.alpha_beta, alpha=1 + b, beta=b, stabiliser=st)
    RULES[f"zbox {name}"] = partial(rules.zbox, low=F(-5), high=F(5), stabiliser=st)
    RULES[f"reference {name}"] = partial(rules.reference, x0=F(2, 3), stabiliser=st)


def function_of(rule: Any) -> Any:
    return getattr(rule, "func", rule)


def test_every_rule_is_here() -> None:
    """But for ``pass_on``, which asks for as many outputs as inputs."""
    there = {f for name, f in vars(rules).items() if isinstance(f, FunctionType) and not name.startswith("_")}
    written = {f for f in there if f.__module__ == rules.__name__}
    assert {function_of(rule) for rule in RULES.values()} | {rules.pass_on} == written


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", LAYERS)
def test_ledger_closes_with_residual_exactly_zero(layer: str, rule: str) -> None:
    matrix = LAYERS[layer]
    rng = np.random.default_rng(len(rule))
    units = len(matrix.weight)
    for a in (rationals(rng, units), abs(rationals(rng, units)), exact(*[0] * units)):
        relevance = rationals(rng, len(matrix.bias))
        told = RULES[rule](a, matrix, relevance)
        assert told.total.tolist() == relevance.tolist()
        for array in (told.messages, told.bias, told.stabiliser, told.dropped):
            assert all(isinstance(number, int | F) for number in array.flat), "a float got in"
        assert not told.messages[~matrix.taps].any()
        if rule.endswith("exact"):
            assert not told.stabiliser.any()
        if "bias" not in inspect.signature(function_of(RULES[rule])).parameters or rule == "epsilon shared":
            # only units without any input can leave anything with a bias here
            assert not told.bias[matrix.taps.any(axis=0)].any()


def test_units_without_inputs_and_dead_units_are_dropped() -> None:
    pool = LAYERS["sum_pool"]  # its first two windows lie in the padding
    assert pool.taps.sum(axis=0).tolist() == [0, 0, 1, 2, 2, 2, 2]
    told = rules.flat(exact(1, 1, 1, 1, 1), pool, exact(3, 4, 5, 0, 0, 0, 1))
    assert told.dropped.tolist() == [3, 4, 0, 0, 0, 0, 0]
    assert told.relevance.tolist() == [5, 0, 0, F(1, 2), F(1, 2)]
    shared = rules.epsilon(exact(1, 1, 1, 1, 1), pool, exact(3, 4, 5, 0, 0, 0, 1), F(1, 2), bias_share=1)
    assert shared.stabiliser.tolist() == [3, 4, 0, 0, 0, 0, 0]


# --- rules against theory -------------------------------------------------------------------------


def root_point_messages(a: Any, matrix: Matrix, j: int, v: Any) -> Any:
    """Return w_ij (a_i - root_i) / z_j for the root of z_j on the line from a along v (Deep Taylor)."""
    w, z = matrix.weight[:, j], matrix.forward(a)[j]
    root = a - v * z / (w * v).sum()
    assert matrix.forward(root)[j] == 0
    return w * (a - root) / z


def test_deep_taylor_rules_are_first_order_terms_at_a_root() -> None:
    rng = np.random.default_rng(3)
    checked = 0
    matrix = matrices.dense(rationals(rng, 5, 8), rationals(rng, 8))
    a, low, high = abs(rationals(rng, 5)), exact(-1, -2, 0, -1, -3), exact(6, 5, 7, 8, 5)
    told = {
        "w2": rules.wsquare(a, matrix, exact(*[1] * 8)),
        "z+": rules.zplus(a, matrix, exact(*[1] * 8)),
        "zB": rules.zbox(a, matrix, exact(*[1] * 8), low, high),
        "gamma": rules.gamma(a, matrices.dense(matrix.weight), exact(*[1] * 8), F(1, 4)),
    }
    for j in range(8):
        w = matrix.weight[:, j]
        directions = {
            "w2": w,
            "z+": a * (w > 0),
            "zB": a - low * (w > 0) - high * (w < 0),
            "gamma": a + F(1, 4) * a * (w > 0),
        }
        for name, v in directions.items():
            if (w * v).sum() != 0 and matrix.forward(a)[j] != 0:
                assert told[name].messages[:, j].tolist() == root_point_messages(a, matrix, j, v).tolist(), name
                checked += 1
    assert checked >= 24


def test_limits_between_rules() -> None:
    rng = np.random.default_rng(5)
    matrix = matrices.dense(rationals(rng, 5, 6), -abs(rationals(rng, 6)))
    a, relevance = abs(rationals(rng, 5)), rationals(rng, 6)
    zplus = rules.zplus(a, matrix, relevance).messages
    assert (rules.alpha_beta(a, matrix, relevance, 1, 0).messages == zplus).all()
    assert (rules.zbox(a, matrix, relevance, 0, a).messages == zplus).all()
    signed = rationals(rng, 5)
    lrp0 = rules.lrp0(signed, matrix, relevance).messages
    assert lrp0.any()
    assert zplus.any()
    for rule in (rules.gamma, rules.generalized_gamma):
        assert (rule(signed, matrix, relevance, 0).messages == lrp0).all()
    matrix = matrices.dense(matrix.weight, -matrix.bias)
    above = relevance * (matrix.forward(a) > 0)
    plain, general = (rule(a, matrix, above, F(2, 3)) for rule in (rules.gamma, rules.generalized_gamma))
    assert above.any()
    assert (plain.messages == general.messages).all()
    assert (plain.bias == general.bias).all()


# --- refusals, independence -----------------------------------------------------------------------

BAD: Any = "bad"  # not what the annotations allow


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rules.lrp0(exact(1), column(1, 1), exact(1)), ValueError, "a has shape"),
        (lambda: rules.lrp0(exact(1, 1), column(1, 1), exact(1, 2)), ValueError, "R has shape"),
        (lambda: rules.lrp0(np.array([1.0, 2.0]), column(1, 1), exact(1)), TypeError, "exact"),
        (lambda: rules.lrp0(np.array([1, 2]), column(1, 1), exact(1)), TypeError, "int64"),
        (lambda: rules.alpha_beta(exact(1), column(1), exact(1), 2, 2), ValueError, "alpha - beta"),
        (lambda: rules.gamma(exact(1), column(1), exact(1), -1), ValueError, "gamma"),
        (lambda: rules.epsilon(exact(1), column(1), exact(1), 1, bias_share=2), ValueError, "shares"),
        (lambda: rules.zbox(exact(1), column(1), exact(1), 2, 1), ValueError, "above"),
        (lambda: rules.pass_on(exact(1, 1), column(1, 1), exact(1)), ValueError, "2 inputs"),
        (lambda: stabilisers.add(-1), ValueError, "epsilon"),
        (lambda: matrices.conv(np.ones((2, 2, 3)), input_shape=(3, 5)), ValueError, "do not fit"),
        (lambda: matrices.conv(np.ones((2, 2, 3)), input_shape=(2, 2)), ValueError, "does not fit"),
        (lambda: matrices.conv(np.ones((2, 2, 3)), input_shape=(2, 5), padding=BAD), ValueError, "pairs"),
        (
            lambda: matrices.conv_transpose(np.ones((2, 2, 1)), input_shape=(2, 2), padding=1),
            ValueError,
            "size",
        ),
        (lambda: matrices.affine(np.ones(3), None, input_shape=(2, 3)), ValueError, "scale"),
        (lambda: nonlinear.product(exact(1), exact(1), exact(1), BAD), ValueError, "bad"),
        (lambda: nonlinear.max_pool(exact([1]), exact([1]), 1, ties=BAD), ValueError, "bad"),
        (
            lambda: nonlinear.max_pool_forward(exact([1, 2]), 1, stride=2, padding=[(2, 1)]),
            ValueError,
            "no pixel",
        ),
        (
            lambda: lstm.split_gates(*(np.ones((4, 1)),) * 2, np.ones(4), None, order="ifco"),
            ValueError,
            "permutation",
        ),
    ],
)
def test_refusals_say_what_is_wrong(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_nothing_is_imported_from_the_rest_of_the_package() -> None:
    allowed = {
        "__future__",
        "collections",
        "dataclasses",
        "fractions",
        "functools",
        "itertools",
        "math",
        "typing",
        "numpy",
    }
    for path in Path(literal.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path.name  # 1: the folder itself
                names = [] if node.level else [str(node.module)]
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name}: {name}"


def test_inputs_are_left_alone_and_float32_stays() -> None:
    a, weight, relevance = (np.array(v, dtype=np.float32) for v in ([1, -2], [[1, 2], [3, 4]], [1, -1]))
    for array in (a, weight, relevance):
        array.setflags(write=False)
    layer = matrices.dense(weight)
    for told in (
        rules.epsilon(a, layer, relevance, 0.1, 0.5),
        rules.gamma(a, layer, relevance, 0.25),
        rules.lrp0(a, layer, relevance, stabilisers.relative(0.1)),
    ):
        assert told.messages.dtype == told.bias.dtype == told.dropped.dtype == np.float32
