"""Every number system gives what ``Fraction`` gives: the layers and rules are the same code on each."""

from __future__ import annotations

import math
import operator
import pickle
from fractions import Fraction
from typing import Any

import checks
import numpy as np
import pytest
from exact_numbers import F
from hypothesis import given
from hypothesis import strategies as st
from samples import LINEAR, SAMPLES, Sample, exactly
from textbook import LINEAR_RULES

pytest.importorskip("flint", reason="python-flint (the extra 'exact') is not installed")

import lrp_ref as lrp
from lrp_ref import arithmetic, rules
from lrp_ref.arithmetic import Ball, Modular, Rational, ball, modular, rational, to_float
from lrp_ref.errors import NonFiniteError, ParameterError, UndecidedError, UnsupportedError
from lrp_ref.layers import LSTM, Conv, Dense, MaxPool, ReLU, Sigmoid
from lrp_ref.network import Network

SYSTEMS: dict[str, Any] = {
    "flint": lambda v: rational(v, library="flint"),
    "ball": lambda v: ball(v, bits=300),
    "modular": lambda v: modular(v, bits=300),
}
KINDS = {"flint": Rational, "ball": Ball, "modular": Modular}
systems = pytest.mark.parametrize("system", SYSTEMS)


def within(system: str, values: Any) -> Any:
    """Floats, arrays, tuples and layers in a number system; integer arrays stay indices."""
    if isinstance(values, tuple):
        return tuple(within(system, v) for v in values)
    if hasattr(values, "dtype") and values.dtype.kind not in "fO":
        return values
    return SYSTEMS[system](values)


def holds(system: str, found: Any, expected: Fraction) -> bool:
    """Whether a number of the system is the expected rational (a ball: contains it, tightly)."""
    if isinstance(found, float) or isinstance(expected, float):
        return bool(found == expected)  # −∞ of a window in the padding
    if isinstance(found, int | Fraction):
        return bool(found == expected)
    if system == "ball":
        return bool(found.contains(expected) and found.radius <= 1e-60 * (1 + abs(float(expected))))
    return bool(found == expected)


def same(system: str, found: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert {type(v) for v in a.flat} <= {KINDS[system], int, Fraction, float}
        for index, (v, w) in enumerate(zip(a.flat, b.flat, strict=True)):
            assert holds(system, v, w), f"element {index}: {v!r} is not {w}"


@systems
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.exact], ids=lambda s: s.name)
def test_layers(system: str, sample: Sample) -> None:
    layer, xs, rs = sample.layer(), sample.inputs(2), sample.relevances(2)
    rule = checks.own_rule(layer)
    results = []
    for cast in (exactly, lambda v: within(system, v)):
        there, inputs, given = cast(layer), cast(xs), cast(rs)
        arrays = (*checks.outputs(there.forward(*inputs)), *checks.pull(there, inputs, given))
        if rule is not checks.NO_RULE:
            arrays += checks.columns(there.redistribute(inputs, given, rule))
        results.append(arrays)
    same(system, results[1], results[0])


@systems
@pytest.mark.parametrize("rule", [r for r in LINEAR_RULES if r.exact], ids=lambda r: r.name)
@pytest.mark.parametrize("name", ["Dense", "Conv", "AveragePool", "Add"])
def test_rules(system: str, name: str, rule: Any) -> None:
    sample = next(s for s in LINEAR if s.kind == name)
    layer, xs, rs = sample.layer(), sample.inputs(2), sample.relevances(2)
    expected = exactly(layer).redistribute(exactly(xs), exactly(rs), rule.rule)
    found = within(system, layer).redistribute(within(system, xs), within(system, rs), rule.rule)
    same(system, checks.columns(found), checks.columns(expected))


# Numbers -----------------------------------------------------------------------------------------------------

finite = st.fractions(min_value=-100, max_value=100, max_denominator=1000)


@systems
@given(a=finite, b=finite)
def test_operations(system: str, a: Fraction, b: Fraction) -> None:
    x, y = SYSTEMS[system](np.array([a, b], dtype=object))
    for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
        if operation is operator.truediv and b == 0:
            continue
        expected = operation(a, b)
        assert holds(system, operation(x, y), expected)
        assert holds(system, operation(x, b), expected), "a Fraction on the right"
        assert holds(system, operation(a, y), expected), "a Fraction on the left"
    assert holds(system, -x, -a)
    assert holds(system, abs(x), abs(a))
    assert holds(system, x**2, a**2)
    if a != b or system != "ball":
        assert [f(x, y) for f in COMPARE] == [f(a, b) for f in COMPARE]
        assert [f(x, b) for f in COMPARE] == [f(a, b) for f in COMPARE]
        assert [f(a, y) for f in COMPARE] == [f(a, b) for f in COMPARE]


COMPARE = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


@systems
def test_floats_are_taken_at_their_exact_value(system: str) -> None:
    (tenth,) = SYSTEMS[system]([0.1])
    assert holds(system, tenth, Fraction(0.1))
    assert not holds(system, tenth, F(1, 10))
    assert holds(system, tenth + 0.2, Fraction(0.1) + Fraction(0.2))
    assert to_float(SYSTEMS[system]([0.1, -2.5])).tolist() == [0.1, -2.5]


@systems
def test_values_survive_a_pickle_and_print(system: str) -> None:
    number = SYSTEMS[system](np.array([F(1, 3)], dtype=object))[0]
    back = pickle.loads(pickle.dumps(number))  # noqa: S301
    assert holds(system, back, F(1, 3)) if system != "ball" else back.contains(F(1, 3))
    assert type(number).__name__ in repr(number)


@systems
def test_what_is_not_finite_is_refused(system: str) -> None:
    for bad in (math.nan, math.inf):
        with pytest.raises(NonFiniteError, match="remove them before"):
            SYSTEMS[system]([1.0, bad])


# Balls: no guess ---------------------------------------------------------------------------------------------


def test_a_ball_that_holds_zero_has_no_sign() -> None:
    unknown = 1 / ball(3, bits=64)[()] * 3 - 1
    assert unknown.contains(0)
    for compare in (operator.lt, operator.gt, operator.ge, operator.le, operator.eq, operator.ne):
        with pytest.raises(UndecidedError, match="64 bits cannot tell"):
            compare(unknown, 0)
    with pytest.raises(UndecidedError):
        np.maximum(np.array([unknown]), 0)
    assert unknown == unknown, "one number is equal to itself"


def test_an_undecided_comparison_names_node_and_unit() -> None:
    third = 1 / ball(np.full((2, 2), 3.0), bits=64)
    layer = Dense(ball(np.array([[1.0, 3.0], [0.5, 0.0]]), bits=64))
    shifted = layer.forward(third) - 1
    assert shifted[0, 1].contains(0)
    with pytest.raises(UndecidedError, match=r"^node 'cut': 'input' of unit \(0, 1\): balls of 64 bits cannot tell"):
        Network.sequential([("cut", ReLU())]).forward(shifted)


def test_a_denominator_that_may_be_zero_names_its_unit() -> None:
    layer = Dense(ball(np.array([[1.0, 1.0], [2.0, -1.0]]), bits=64), ball(np.array([0.0, 0.0]), bits=64))
    third = 1 / ball(3.0, bits=64)[()]
    x = np.array([[third, third]], dtype=object)
    with pytest.raises(UndecidedError, match=r"the denominator of unit \(0, 1\)"):
        layer.redistribute(x, ball([[1.0, 1.0]], bits=64), rules.LRP0())


def test_more_bits_decide() -> None:
    gap = Dense(np.array([[1.0], [-1.0 + 2.0**-40]]))
    tiny = np.array([[1.0, 1.0]]) / 3  # z = 2⁻⁴⁰/3, exactly
    coarse = Network.sequential([ball(gap, bits=30), ReLU()])
    third = 1 / ball(np.array([[3.0, 3.0]]), bits=30)
    with pytest.raises(UndecidedError):
        coarse.forward(third)
    out = Network.sequential([ball(gap, bits=200), ReLU()]).forward(ball(tiny, bits=200))
    assert to_float(out)[0, 0] == pytest.approx(2.0**-40 / 3, rel=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=4))
def test_transcendental_functions_hold_the_true_value(values: list[float]) -> None:
    import flint

    x = ball(values, bits=100)
    for name in ("exp", "expm1", "tanh"):
        found = getattr(np, name)(x)
        for v, f in zip(values, found, strict=True):
            with arithmetic.precision(400):
                exact = getattr(flint.arb(v), name)()
            assert f.value.overlaps(exact)
            assert f.radius <= 1e-25 * (1 + abs(float(exact)))


def test_networks_with_tanh_and_exp_run_on_balls() -> None:
    rng = np.random.default_rng(3)
    net = Network.sequential(
        [Dense(rng.normal(size=(3, 4)), rng.normal(size=4)), Sigmoid(), Dense(rng.normal(size=(4, 2)))]
    )
    x = rng.normal(size=(2, 3))
    e, exact = (
        lrp.explain(cast(net), cast(x), composite=rules.Epsilon(0.1)) for cast in (lambda v: v, SYSTEMS["ball"])
    )
    np.testing.assert_allclose(to_float(exact.relevance), e.relevance, rtol=1e-13)
    assert max(v.radius for v in exact.relevance.flat) < 1e-80


def test_the_precision_of_flint_is_left_as_it_was() -> None:
    import flint

    before = flint.ctx.prec
    net = Network.sequential([Dense(np.array([[0.1], [0.7]])), ReLU()])
    e = lrp.explain(ball(net, bits=500), 1 / ball([[3.0, 7.0]], bits=500), composite=rules.Epsilon(0.1))
    assert flint.ctx.prec == before
    assert max(v.radius for v in e.relevance.flat) < 1e-140, "500 bits, not flint's 53"
    third = 1 / ball(3.0, bits=500)[()]
    assert (third * third).radius < 1e-140


# Residues ----------------------------------------------------------------------------------------------------


@given(finite, finite)
def test_residues_are_those_of_the_fraction(a: Fraction, b: Fraction) -> None:
    modulus = math.prod(arithmetic.PRIMES)
    x, y = modular(np.array([a, b], dtype=object))
    value = a * b - a + 3
    assert (x * y - x + 3).residue == value.numerator * pow(value.denominator, -1, modulus) % modulus


def test_a_residue_of_zero_is_a_zero_where_a_ball_cannot_tell() -> None:
    (third,) = 1 / modular([3.0], bits=64)
    nothing = third + third + third - 1
    assert nothing.value.contains(0)
    assert not nothing.value.is_exact()
    assert nothing == 0
    assert not nothing < 0
    assert not nothing > 0
    assert float(nothing) == 0
    assert np.maximum(np.array([nothing]), 0)[0] == 0


def test_a_sign_that_the_ball_cannot_tell_is_refused() -> None:
    (third,) = 1 / modular([3.0], bits=64)
    little = third * 3 - 1 + modular(2.0**-80)[()]
    assert little != 0
    with pytest.raises(UndecidedError, match="differ, and balls of 64 bits cannot tell"):
        little > 0  # noqa: B015


def test_ties_of_a_max_pool_are_ties() -> None:
    x = np.array([[[1 / 3, 1 / 3, -1.0, 0.25]]])
    expected = MaxPool(2).relevance_backward(x, np.array([[[2.0, 3.0]]]))
    found = MaxPool(2).relevance_backward(modular(x), modular([[[2.0, 3.0]]]))
    assert to_float(found).tolist() == expected.tolist()


@pytest.mark.parametrize("primes", [(4,), (7, 7), (), (2, 3)])
def test_moduli_must_be_different_odd_primes(primes: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match=r"^the moduli must be different odd primes"):
        modular(1.0, primes=primes)


def test_a_denominator_divisible_by_a_prime_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"^a denominator is divisible by one of the primes \(7, 11\)"):
        1 / modular(14.0, primes=(7, 11))[()]


def test_a_wrong_ledger_does_not_vanish_in_the_field() -> None:
    """Plant a fault: an ε-share of 2⁻⁵² of a term left out is seen, though no float would show it."""
    layer, x, r = (modular(v) for v in (Dense(np.array([[0.3], [0.7]]), np.array([0.1])), [[1.0, 2.0]], [[1.0]]))
    told = layer.redistribute(x, r, rules.Epsilon(2.0**-52))
    arrived = told.relevances[0].sum() + told.bias[0] + told.dropped[0]
    assert r[0, 0] - arrived - told.stabiliser[0] == 0
    assert r[0, 0] - arrived != 0
    assert abs(float(told.stabiliser[0])) < 2e-16


def test_random_primes_differ_by_seed_and_bound_the_error() -> None:
    assert arithmetic.random_primes(1) == arithmetic.random_primes(1) != arithmetic.random_primes(2)
    assert all(2**60 < p < 2**61 for p in arithmetic.random_primes(5, 4))
    assert arithmetic.error_probability(6e6, count=1) == pytest.approx(1e5 / 2.6e16)
    assert arithmetic.error_probability(6e6) == pytest.approx((1e5 / 2.6e16) ** 2)


# What has no value -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["flint", "modular"])
@pytest.mark.parametrize("layer", [Sigmoid(), LSTM(*(np.ones((1, 4, 1, 1)),) * 2, np.ones((1, 4, 1)))])
def test_transcendental_layers_name_the_alternative(system: str, layer: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"has no exact value on numbers of type .*: use lrp\.arithmetic\.ball"):
        within(system, layer).forward(SYSTEMS[system](np.ones((1, 1, 1))))


def test_the_library_of_rationals_must_be_known() -> None:
    with pytest.raises(ParameterError, match="'gmp' is not known: use 'fractions' or 'flint'"):
        rational(1.0, library="gmp")


def test_balls_need_bits() -> None:
    with pytest.raises(ParameterError, match="at least 2 bits"):
        ball(1.0, bits=1)


def test_systems_convert_into_each_other() -> None:
    exact = rational(Conv(np.array([[[0.1, 0.2]]]), np.array([0.3])))
    for system, cast in SYSTEMS.items():
        layer = cast(exact)
        assert type(layer.weight.flat[0]) is KINDS[system]
        assert to_float(layer) == to_float(exact)
    assert rational(rational([0.1], library="flint"))[0] == Fraction(0.1)
    assert type(rational(rational([0.1], library="flint"))[0]) is Fraction


# Explanations ------------------------------------------------------------------------------------------------


@systems
def test_an_explanation_prints_and_its_ledger_closes(system: str) -> None:
    rng = np.random.default_rng(8)
    net = Network.sequential(
        [Dense(rng.normal(size=(3, 4)), rng.normal(size=4)), ReLU(), Dense(rng.normal(size=(4, 2)))]
    )
    x = rng.normal(size=(2, 3))
    e = lrp.explain(SYSTEMS[system](net), SYSTEMS[system](x), composite=rules.Epsilon(0.1), target=0)
    assert e.ledger.residual <= 1e-80 if system == "ball" else e.ledger.residual == 0
    assert "ledger residual" in repr(e)
    assert "relevance_out" in repr(e.ledger)


def test_the_largest_value_of_a_ball_is_above_it() -> None:
    third = -1 / ball([3.0, 7.0], bits=40)
    found = arithmetic.largest(third)
    assert found.dtype == np.float64
    for bound, exact in zip(found, (F(1, 3), F(1, 7)), strict=True):
        assert exact < Fraction(float(bound)) < exact + F(1, 2**38)


def test_residues_keep_the_precision_of_their_balls() -> None:
    rng = np.random.default_rng(9)
    net = Network.sequential([Conv(rng.normal(size=(2, 1, 3)), rng.normal(size=2)), ReLU()])
    e = lrp.explain(
        modular(net, bits=300),
        modular(rng.normal(size=(1, 1, 6)), bits=300),
        composite=rules.Flat(),
        start=np.ones((1, 2, 4)),
    )
    assert max(float(v.value.rad()) for v in e.relevance.flat if isinstance(v, Modular)) < 1e-80
