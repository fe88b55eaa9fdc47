"""Exact numbers: the casts are exact, nothing slips back into floats, and what has no exact value says so."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from strict import STRICT

from lrp_ref import arithmetic, rules
from lrp_ref.arithmetic import rational, scalar, to_float
from lrp_ref.errors import BackendError, NonFiniteError, ShapeError, UnsupportedError
from lrp_ref.layers import LSTM, Conv, Dense, Gather, LeakyReLU, MaxPool, ReLU, Sigmoid, Tanh
from lrp_ref.network import Network


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-300, 5e-324, 1.7976931348623157e308, 2**53 + 1.0, -1 / 3])
def test_a_float_is_exactly_its_fraction(value: float) -> None:
    (exact,) = rational([value])
    numerator, denominator = value.as_integer_ratio()
    assert exact == Fraction(numerator, denominator)
    assert to_float(rational([value]))[0] == value


def test_random_floats_come_back_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float16, np.float32, np.float64):
        x = (rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-4, 4, size=(3, 4))).astype(dtype)
        back = to_float(rational(x), dtype)
        assert back.dtype == dtype
        assert np.array_equal(back, x)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_shapes_are_kept(shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    assert rational(x).shape == shape
    assert rational(x).dtype == object
    assert to_float(rational(x)).shape == shape


def test_layouts_do_not_matter() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    for view in (x.T, x[:, ::-2], np.asfortranarray(x), x[::-1].transpose(1, 0, 2)):
        assert rational(view).astype(float).tolist() == view.tolist()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, Fraction(3)),
        (np.int64(-2), Fraction(-2)),
        (True, Fraction(1)),
        (0.5, Fraction(1, 2)),
        (Fraction(1, 3), Fraction(1, 3)),
    ],
)
def test_single_numbers(given: Any, expected: Fraction) -> None:
    exact = rational(given)
    assert exact.shape == ()
    assert exact[()] == expected
    assert type(exact[()]) is Fraction


def test_integers_and_fractions_in_arrays() -> None:
    assert rational(np.array([2, 3], np.int8)).tolist() == [Fraction(2), Fraction(3)]
    third = np.array([Fraction(1, 3), 2, 0.5], dtype=object)
    assert rational(third).tolist() == [Fraction(1, 3), Fraction(2), Fraction(1, 2)]
    assert {type(v) for v in rational(third)} == {Fraction}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(NonFiniteError, match=r"^NaN and infinity have no rational value: remove them before rational"):
        rational([1.0, bad])
    with pytest.raises(NonFiniteError):
        rational(bad)
    with pytest.raises(NonFiniteError):
        rational(Network.sequential([Dense(np.array([[bad]]))]))


def test_networks_and_layers() -> None:
    net = Network.sequential([Conv(np.array([[[0.1]]]), np.array([0.2])), LeakyReLU(np.array([0.25])), MaxPool(1)])
    exact = rational(net)
    assert {p.dtype for p in exact.parameters} == {np.dtype(object)}
    assert exact["conv1"].layer.weight[0, 0, 0] == Fraction(0.1)  # type: ignore[attr-defined]
    assert to_float(exact) == net
    assert to_float(exact, np.float32) == net.astype("float32")
    assert rational(Dense(np.eye(2))).weight.tolist() == [[1, 0], [0, 1]]


def test_indices_stay_integers() -> None:
    class Indexed(Gather):
        """A layer whose field is an array of indices."""

    layer = Indexed(indices=np.array([1, 0]))
    assert rational(layer).indices.dtype == np.array([1]).dtype
    assert to_float(rational(layer)).indices.dtype == np.array([1]).dtype


def test_parameters_of_rules_are_taken_at_their_exact_float_value() -> None:
    """ε = 0.1 is the float 0.1 in both number systems, so exact and float results differ by rounding alone."""
    layer, x, r = rational(Dense(np.array([[1.0], [2.0]]))), rational([[1.0, 3.0]]), rational([[1.0]])
    found = layer.relevance_backward(x, r, rules.Epsilon(0.1))
    assert found[0, 0] == 1 / (7 + Fraction(0.1))
    assert found[0, 0] != 1 / (7 + Fraction(1, 10))
    assert layer.relevance_backward(x, r, rules.Epsilon(Fraction(1, 10)))[0, 0] == Fraction(10, 71)


def test_scalar_keeps_the_number_system() -> None:
    assert scalar(0.5, rational([1])) == Fraction(1, 2)
    assert type(scalar(2, rational([1]))) is Fraction
    assert type(scalar(2, np.ones(1, np.float32))) is float
    assert (np.ones(1, np.float32) * scalar(0.1, np.ones(1, np.float32))).dtype == np.float32


@pytest.mark.parametrize("layer", [Sigmoid(), Tanh(), LSTM(*(np.ones((1, 4, 1, 1)),) * 2, np.ones((1, 4, 1)))])
def test_what_has_no_exact_value_says_so(layer: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"has no exact value on rationals: use lrp.arithmetic.ball"):
        rational(layer).forward(rational(np.ones((1, 1, 1))))


def test_floats_never_mix_into_exact_numbers() -> None:
    net = rational(Network.sequential([Dense(np.eye(2)), ReLU()]))
    with pytest.raises(ShapeError, match="the inputs are exact numbers and the network's are not"):
        to_float(net).forward(rational([[1, 2]]))
    with pytest.raises(TypeError, match="the input is float64, the parameters are object"):
        rational(Dense(np.eye(2))).forward(np.ones((1, 2)))
    out = net.forward(np.ones((1, 2)))
    assert out.dtype == np.float64, "floats in, floats out"


def test_exact_sums_do_not_depend_on_their_order() -> None:
    """E-2: (1, 1)·(1, −1 + 1e-7) loses half of its digits in floats, none in rationals."""
    weight = np.array([[1.0], [-1 + 1e-7]])
    exact = rational(Dense(weight)).forward(rational([[1, 1]]))[0, 0]
    assert exact == 1 + Fraction(-1 + 1e-7)
    rng = np.random.default_rng(1)
    big = rng.normal(size=(1, 50)) * 10.0 ** rng.integers(-12, 12, size=(1, 50))
    order = rng.permutation(50)
    ones = rational(Dense(np.ones((50, 1))))
    assert ones.forward(rational(big))[0, 0] == ones.forward(rational(big[:, order]))[0, 0]
    assert ones.forward(rational(big))[0, 0] == sum(map(Fraction, big[0].tolist()))


def test_no_exact_value_leaves_floats_alone() -> None:
    arithmetic.no_exact_value(np.ones(1), "exp")
    with pytest.raises(UnsupportedError, match=r"^exp has no exact value on rationals"):
        arithmetic.no_exact_value(rational([1]), "exp")


def test_exact_numbers_stay_on_the_host() -> None:
    with pytest.raises(BackendError, match=r"^exact numbers live on the host, not in strict: use xp='numpy', or to_fl"):
        rational(Network.sequential([Dense(np.eye(2))])).to(STRICT)
