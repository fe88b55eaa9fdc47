"""Measured numbers, from which tolerances come, and the digits of balls."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from vector_generator import direct
from vector_generator.kinds import Measured, ball, certain, converted, digits, exp, measured, root, tanh
from vector_generator.sequence_cases import cell, cell_rule, scan
from vector_generator.values import Draw

EPS = 2.0**-23
OPERATIONS: list[Callable[[Any, Any], Any]] = [operator.add, operator.sub, operator.mul, operator.truediv]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda f: f.__name__)
def test_an_operation_in_single_precision_stays_within_its_measure(operation: Callable[[Any, Any], Any]) -> None:
    """Operands of both signs that are wrong by as much as they say, in both directions."""
    rng = np.random.default_rng(3)
    for a, b in rng.normal(size=(200, 2)) + 0.1:
        a, b = (Fraction(float(np.float32(v))) for v in (a, b))
        found = operation(Measured(a, 1.5 * abs(float(a))), Measured(b, 0.75 * abs(float(b))))
        assert found.value == operation(a, b)
        for da, db in itertools.product((-1, 0, 1), repeat=2):
            wrong = [np.float32(float(v) * (1 + s * EPS)) for v, s in ((a, 1.5 * da), (b, 0.75 * db))]
            got = float(operation(*wrong))
            assert abs(got - float(found.value)) <= found.error * EPS * 1.01


def test_what_is_exact_adds_no_error() -> None:
    x = Measured(Fraction(1, 3), 2.0)
    for same in (x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, abs(x)):
        assert (same.value, same.error) == (x.value, 2.0)
    assert (x * 0).error == (0 * x).error == (Measured(0) / x).error == 0
    assert (x * -1).error == (-x).error == 2.0
    assert (x > 0, x >= 1, x < 1, x <= 0, x == Fraction(1, 3)) == (True, False, True, False, True)
    assert (x**2).value == Fraction(1, 9)
    assert measured(x) is x


def test_long_fractions_are_shortened_but_not_felt() -> None:
    long = Fraction(3**200, 7**150)
    assert abs(Measured(long).value - long) < abs(long) / 2**150
    assert Measured(long).value.denominator.bit_length() < 400
    assert Measured(Fraction(-1, 3)).value == Fraction(-1, 3)


def test_functions_on_all_three_kinds() -> None:
    pytest.importorskip("flint")
    x = np.array([Fraction(1, 2), Fraction(-3)], dtype=object)
    for function, known in ((exp, np.exp), (tanh, np.tanh)):
        for kind in (Fraction, Measured, ball):
            values = [float(getattr(v, "value", v)) for v in function(converted(x, kind))]
            np.testing.assert_allclose(values, known([0.5, -3.0]), rtol=1e-14)
    slope = exp(np.array([Measured(Fraction(1, 2), 10.0)], dtype=object))[0]
    assert slope.error == pytest.approx(np.exp(0.5) * 11)
    assert root(Measured(Fraction(9, 4), 6.0)).error == pytest.approx(1.5 + 6.0 / 3)
    assert root(Fraction(9, 4)) == Fraction(3, 2)
    with pytest.raises(ValueError, match="not a square"):
        root(Fraction(2))


def test_uncertain_digits_and_signs_are_refused() -> None:
    flint = pytest.importorskip("flint")
    assert digits(ball(Fraction(1, 3)) * 3 * 0) == "0"
    with flint.ctx.workprec(320):
        assert digits(ball(Fraction(2, 3))) == "0.66666666666666666667"
        nothing = ball(Fraction(1, 3)) * 3 - 1
    with pytest.raises(ArithmeticError, match="not certain"):
        digits(flint.arb(1, 1e-12))
    with pytest.raises(ArithmeticError, match="sign"):
        certain(np.array([flint.arb(1), nothing], dtype=object))


def alive(layer: Any, inputs: Any) -> bool:
    return bool((direct.forward(layer, [x[0] for x in inputs]) != 0).all())


@pytest.mark.parametrize("make", [cell("GRU"), cell("GeneralLSTM", peephole=True), scan()], ids=["gru", "lstm", "scan"])
def test_the_literal_formula_in_single_precision_stays_within_the_measured_errors(make: Any) -> None:
    """The textbook's own loop on float32 is off by what its measured twin says at most, and not by next to nothing."""
    layer, inputs = next(made for k in range(99) if alive(*(made := make(Draw(f"numbers/{k}")))))
    if layer["type"] == "SelectiveScan":
        rule: dict[str, Any] = {"name": "Selection", "product": "half", "epsilon": Fraction(1, 4)}
    else:
        rule = cell_rule("prop")
    operands = [x[0] for x in inputs]
    R = Draw("relevance")(*direct.forward(layer, operands).shape, nonzero=True)
    sized = direct.back(*(converted(v, Measured) for v in (layer, rule, operands, R)))

    def single(entry: Any) -> Any:
        return converted(entry, lambda number: np.float32(float(number)))

    rough = direct.back(*(single(v) for v in (layer, rule, operands, R)))
    ratios = [
        abs(float(got) - float(told.value)) / (told.error * EPS)
        for gots, tolds in zip(rough.inputs, sized.inputs, strict=True)
        for got, told in zip(gots.reshape(-1), tolds.reshape(-1), strict=True)
        if measured(told).error
    ]
    assert ratios
    assert 1e-5 < max(ratios) < 1
