"""Counts of words: the norm that is held constant, its derivative, zeros and ties; presence and logarithms."""

from fractions import Fraction

import numpy as np
import pytest

from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Dense, LogCount, Step, UnitNorm
from lrp_ref.network import Network

RNG = np.random.default_rng(21)
ORDER = {"l1": 1, "l2": 2, "max": np.inf}


@pytest.mark.parametrize("norm", ORDER)
def test_division_by_the_norm(norm: str) -> None:
    x = RNG.normal(size=(7, 5))
    x[2], x[3, 1:] = 0, 0
    sizes = np.linalg.norm(x, ord=ORDER[norm], axis=1)
    sizes[2] = 1
    np.testing.assert_allclose(UnitNorm(norm).forward(x), x / sizes[:, None], rtol=1e-14)
    assert not UnitNorm(norm).forward(x)[2].any()
    words = RNG.normal(size=(2, 3, 5))  # along the last axis of more
    np.testing.assert_allclose(UnitNorm(norm).forward(words)[1], UnitNorm(norm).forward(words[1]), rtol=1e-14)
    assert UnitNorm(norm).forward(np.zeros((3, 0))).shape == (3, 0)
    assert UnitNorm(norm).forward(x[:0]).shape == (0, 5)


@pytest.mark.parametrize("norm", ORDER)
def test_the_derivative_is_that_of_torch(norm: str) -> None:
    torch = pytest.importorskip("torch")
    x, g = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 5))
    t = torch.tensor(x, requires_grad=True)
    (t / torch.linalg.vector_norm(t, ord=ORDER[norm], dim=1, keepdim=True)).backward(torch.tensor(g))
    np.testing.assert_allclose(UnitNorm(norm).vjp(x, g), t.grad.numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("norm", ORDER)
def test_the_derivative_times_the_input_sums_to_0(norm: str) -> None:
    """y does not change when x grows as a whole (Euler); of ties in the largest each has its part."""
    x = RNG.integers(-3, 4, size=(20, 5)) + 0.0
    g = RNG.normal(size=(20, 5))
    np.testing.assert_allclose((UnitNorm(norm).vjp(x, g) * x).sum(axis=1), np.zeros(20), atol=1e-13)


def test_norms_and_derivatives_on_rationals() -> None:
    x, g = rational(np.array([[1.0, 2.0, -3.0]])), rational(np.array([[1.0, 0.0, 0.0]]))
    assert list(UnitNorm("l1").forward(x)[0]) == [Fraction(1, 6), Fraction(1, 3), Fraction(-1, 2)]
    # ∂(x_0/Σ|x|)/∂x_i = δ_i0/6 − x_0 sign(x_i)/36
    assert list(UnitNorm("l1").vjp(x, g)[0]) == [Fraction(5, 36), Fraction(-1, 36), Fraction(1, 36)]
    assert list(UnitNorm("max").vjp(x, g)[0]) == [Fraction(1, 3), 0, Fraction(1, 9)]
    with pytest.raises(UnsupportedError, match="a root has no exact value"):
        UnitNorm("l2").forward(x)


@pytest.mark.parametrize("norm", ORDER)
@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_squares_neither_overflow_nor_vanish(norm: str, size: float) -> None:
    x = np.array([[3.0, -4.0, 0.0]])
    np.testing.assert_allclose(UnitNorm(norm).forward(x * size), UnitNorm(norm).forward(x), rtol=1e-14)


def test_relevance_passes() -> None:
    x, r = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5))
    for layer in (UnitNorm(), LogCount(), Step()):
        found = layer.redistribute(abs(x), r)
        assert (found.relevances[0] == r).all()
        assert not any(column.any() for column in (found.bias, found.dropped, found.stabiliser))
    with pytest.raises(UnsupportedError, match="is not a rule for UnitNorm"):
        UnitNorm().relevance_backward(x, r, rules.LRP0())


def test_a_row_alone_is_what_it_is_among_others() -> None:
    x = RNG.normal(size=(5, 4))
    for norm in ORDER:
        assert (UnitNorm(norm).forward(x[2:3])[0] == UnitNorm(norm).forward(x)[2]).all()


def test_logarithms_of_counts() -> None:
    x = np.array([[0.0, 1.0, 2.0, 7.0]])
    np.testing.assert_allclose(LogCount().forward(x), [[0, 1, 1 + np.log(2), 1 + np.log(7)]], rtol=1e-15)
    np.testing.assert_allclose(LogCount().slope(x), [[0, 1, 1 / 2, 1 / 7]], rtol=1e-15)
    assert LogCount().forward(x.astype("f4")).dtype == np.float32
    net = Network.sequential([LogCount(), Dense(np.ones((2, 1)))])
    with pytest.raises(NonFiniteError, match="logcount1"):
        net.forward(np.array([[-1.0, 2.0]]))


def test_steps() -> None:
    x = np.array([[-1.0, 0.0, 0.5, 0.75]])
    assert Step().forward(x).tolist() == [[0, 0, 1, 1]]
    assert Step(0.5).forward(x).tolist() == [[0, 0, 0, 1]]
    assert Step(0.5).kinks == (0.5,)
    assert list(Step(0.5).forward(rational(x))[0]) == [0, 0, 0, 1]


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="did you mean 'l2'"):
        UnitNorm("l22")
    with pytest.raises(ShapeError, match="no features"):
        UnitNorm().forward(np.zeros(3))
