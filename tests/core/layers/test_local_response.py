"""Local response normalisation and its rules: plain loops, stored relevances of other programs, and a theorem."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import exactly

import lrp_ref as lrp
from lrp_ref import literal, rules
from lrp_ref.arithmetic import ball, rational
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers import Dense, LocalResponseNorm, ReLU
from lrp_ref.literal.local_response import Normalization
from lrp_ref.network import Network

GOLDEN = Path(__file__).parents[4] / "shared" / "golden-nonneural"
RNG = np.random.default_rng(12)
KINDS: tuple[Any, ...] = ("taylor", "path", "toolbox")
SIZES = [1, 2, 3, 4, 5, 9]
SHAPES = [(2, 6), (2, 5, 3), (1, 4, 2, 2), (3, 1, 2)]


def some(*shape: int) -> Any:
    """Numbers of both signs, multiples of 1/4, with zeros and ties."""
    return RNG.integers(-6, 7, size=shape) / 4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", ["onnx", "torch"])
def test_it_is_its_definition(size: int, shape: tuple[int, ...], window: Any) -> None:
    """An even window reaches one channel further behind its centre, or before it."""
    x = RNG.normal(size=shape)
    less, more = (size - 1) // 2, math.ceil((size - 1) / 2)
    before, behind = (less, more) if window == "onnx" else (more, less)
    expected = np.empty(shape)
    for c in range(shape[1]):
        squares = sum(x[:, k] ** 2 for k in range(max(0, c - before), min(shape[1] - 1, c + behind) + 1))
        expected[:, c] = x[:, c] / (1.5 + 0.75 / size * squares) ** 0.6
    layer = LocalResponseNorm(size, alpha=0.75, beta=0.6, bias=1.5, window=window)
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-13)


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("shape", [(2, 6, 1), (2, 5, 3), (1, 4, 2, 2)], ids=str)
def test_windows_and_derivatives_are_pytorchs(size: int, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    x, g = RNG.normal(size=shape), RNG.normal(size=shape)
    there = torch.tensor(x, requires_grad=True)
    y = torch.nn.LocalResponseNorm(size, alpha=0.9, beta=0.7, k=1.25)(there)
    y.backward(torch.tensor(g))
    layer = LocalResponseNorm(size, 0.9, 0.7, 1.25, "torch")
    np.testing.assert_allclose(layer.forward(x), y.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-12, atol=1e-14)
    other = LocalResponseNorm(size, 0.9, 0.7, 1.25)
    assert np.allclose(other.forward(x), layer.forward(x)) == (size % 2 == 1 or size > 2 * shape[1])


def test_a_radius_is_tensorflows() -> None:
    """Its formula: output = input / (bias + alpha·Σ over radius channels to either side of input²)^beta."""
    x = RNG.normal(size=(2, 7, 2))
    squares = np.zeros_like(x)
    for c in range(7):
        squares[:, c] = (x[:, max(0, c - 2) : c + 3] ** 2).sum(axis=1)
    layer = LocalResponseNorm.of_radius(2, alpha=0.3, beta=0.6, bias=2.0)
    np.testing.assert_allclose(layer.forward(x), x / (2.0 + 0.3 * squares) ** 0.6, rtol=1e-13)
    assert LocalResponseNorm.of_radius() == LocalResponseNorm(11, 11.0, 0.5, 1.0)  # TensorFlow's defaults


# The rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", ["onnx", "torch"])
@pytest.mark.parametrize("beta", [1, 2, 0])
def test_rules_are_the_textbooks_exactly(size: int, shape: tuple[int, ...], window: Any, beta: int) -> None:
    """On rationals every number is that of the loops over channels; the ledger closes exactly."""
    x, r = exactly(some(*shape)), exactly(some(*shape))
    layer = LocalResponseNorm(size, alpha=0.75, beta=beta, bias=1.5, window=window)
    norm = Normalization(size, Fraction(3, 4), beta, Fraction(3, 2), window)
    y = layer.forward(x)
    for kind in KINDS:
        told = layer.redistribute(x, r, rules.ResponseNorm(kind))
        received, dropped = np.zeros(shape, object), np.zeros(shape, object)
        for place in np.ndindex(shape[0], *shape[2:]):
            at = (place[0], slice(None), *place[1:])
            assert (literal.local_response.forward(norm, x[at]) == y[at]).all()
            received[at], dropped[at] = literal.local_response.relevance(norm, x[at], r[at], kind)
        assert (told.relevances[0] == received).all(), kind
        assert (told.dropped == dropped.reshape(shape[0], -1).sum(axis=1)).all(), kind
        assert (told.bias == 0).all()
        assert (told.stabiliser == 0).all()
        whole = received.reshape(shape[0], -1).sum(axis=1) + told.dropped
        assert (whole == r.reshape(shape[0], -1).sum(axis=1)).all()
        if kind != "toolbox":  # what is dropped is what units that are 0 received
            zeros = np.where(x == 0, r, Fraction(0)).reshape(shape[0], -1).sum(axis=1)
            assert (told.dropped == zeros).all()
    own = layer.redistribute(x, r)
    assert (own.relevances[0] == layer.redistribute(x, r, rules.ResponseNorm("taylor")).relevances[0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rules_with_broken_powers_are_the_textbooks(kind: Any) -> None:
    x, r = some(2, 7, 3), some(2, 7, 3)
    for beta, dtype, rtol in ((0.75, np.float64, 1e-12), (0.5, np.float32, 1e-4)):
        layer = LocalResponseNorm(4, alpha=0.75, beta=beta, bias=1.5)
        norm = Normalization(4, 0.75, beta, 1.5)
        told = layer.redistribute(x.astype(dtype), r.astype(dtype), rules.ResponseNorm(kind))
        assert told.relevances[0].dtype == dtype
        for n, place in np.ndindex(2, 3):
            received, _ = literal.local_response.relevance(norm, x[n, :, place], r[n, :, place], kind)
            np.testing.assert_allclose(told.relevances[0][n, :, place], received, rtol=rtol, atol=rtol / 10)


def test_balls_hold_the_value_of_a_broken_power() -> None:
    pytest.importorskip("flint")
    x, r = np.array([[0.5, -1.25, 0.75]]), np.array([[1.0, -2.0, 0.5]])
    layer, enclosed = LocalResponseNorm(3, alpha=0.9, beta=0.75), (ball(x, bits=100), ball(r, bits=100))
    for kind in KINDS:
        rule = rules.ResponseNorm(kind)
        told = layer.relevance_backward(*enclosed, rule)
        np.testing.assert_allclose(layer.relevance_backward(x, r, rule), told.astype(float), rtol=1e-13)
        assert max(b.radius for b in told.flat) < 1e-25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["caffenet", "strong", "whole"])
@pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is absent: the stored relevances are not distributed")
def test_stored_relevances(case: str, kind: str) -> None:
    told, stored = json.loads((GOLDEN / f"lrn_{case}.json").read_text()), np.load(GOLDEN / f"lrn_{case}.npz")
    layer = LocalResponseNorm(*(told[key] for key in ("size", "alpha", "beta", "k")))
    x, r = stored["x"], stored["relevance_out"]
    np.testing.assert_allclose(layer.forward(x), stored["output"], rtol=1e-14)
    ours = layer.redistribute(x, r, rules.ResponseNorm(kind))
    expected = stored["relevance_toolbox_caffe" if kind == "toolbox" else f"relevance_{kind}"]
    np.testing.assert_allclose(ours.relevances[0], expected, rtol=told["tolerance"], atol=1e-13)
    if kind != "toolbox":
        assert ours.dropped.sum() == pytest.approx(told["dropped"], rel=1e-12)


def test_path_sums_to_the_output_and_taylor_only_nearly() -> None:
    """With R_k = y_k and no zeros, "path" gives z_jk itself: summed over k by columns it is y_k for every b."""
    x = rational(np.array([[0.5, -1.25, 0.75, 2.0]]))
    norm = Normalization(3, Fraction(6), 2, Fraction(1))
    y = literal.local_response.forward(norm, x[0])
    assert (literal.local_response.contributions(norm, x[0], "path").sum(axis=0) == y).all()
    assert (literal.local_response.contributions(norm, x[0], "taylor").sum(axis=0) != y).all()
    layer = LocalResponseNorm(3, 6, 2)
    for k in range(4):  # one output at a time: what arrives is z_jk
        start = rational(np.zeros((1, 4)))
        start[0, k] = y[k]
        column = literal.local_response.contributions(norm, x[0], "path")[:, k]
        assert (layer.relevance_backward(x, start, rules.ResponseNorm("path"))[0] == column).all()


NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-3)


@given(
    x=st.lists(NUMBERS, min_size=1, max_size=7),
    size=st.integers(1, 8),
    alpha=st.floats(0, 1e3),
    beta=st.floats(0.01, 4.0),
    bias=st.floats(1e-2, 1e2),
    window=st.sampled_from(["onnx", "torch"]),
)
def test_denominators_have_the_sign_of_their_channel(
    x: list[float], size: int, alpha: float, beta: float, bias: float, window: Any
) -> None:
    """Σ_j z_jk/z_kk ≥ 1 − 2 (c/(1 + c))^{c+1} > 1 − 2/e for every input: nothing needs a stabiliser."""
    layer, channels = LocalResponseNorm(size, alpha, beta, bias, window), len(x)
    given_x = np.array([x] * channels)
    start = np.eye(channels)  # row k: one unit of relevance at output k, so that what arrives are the shares of k
    told = layer.redistribute(given_x, start)
    shares, bound = told.relevances[0], 1 - 2 * (beta / (1 + beta)) ** (beta + 1)
    assert bound > 1 - 2 / math.e
    for k in range(channels):
        if x[k] == 0:
            assert (shares[k] == 0).all()
            assert told.dropped[k] == 1
            continue
        assert told.dropped[k] == 0
        assert shares[k].sum() == pytest.approx(1, rel=1e-12)
        assert 1 - 1e-9 <= shares[k, k] <= (1 + 1e-9) / bound
        assert (np.delete(shares[k], k) <= 0).all()
        z = literal.local_response.contributions(Normalization(size, alpha, beta, bias, window), given_x[k], "taylor")
        assert z[:, k].sum() * x[k] > 0
        assert z[:, k].sum() / z[k, k] >= bound - 1e-9


def test_the_bound_is_met_where_the_neighbours_are_as_large_as_it_says() -> None:
    """The minimum over S lies at b·S' = 1/c for x_k → 0, S' the neighbours' squares; at c = 3/4 the share is 1.83."""
    c = 0.75
    x = np.array([[1e-6, math.sqrt(1 / c)]])
    share = LocalResponseNorm(3, 3.0, c).relevance_backward(x, np.array([[1.0, 0.0]]))[0, 0]
    assert share == pytest.approx(1 / (1 - 2 * (c / (1 + c)) ** (c + 1)), rel=1e-9)
    assert 1.83 < share < 1.84


def test_a_network_with_it_is_explained_and_the_ledger_closes() -> None:
    weights = [rational(some(4, 6)), rational(some(6)), rational(some(6, 3)), rational(some(3))]
    net = Network.sequential([Dense(*weights[:2]), ReLU(), LocalResponseNorm(3, 1.5, 1), Dense(*weights[2:])])
    x, start = rational(some(3, 4)), rational(some(3, 3))
    for kind in KINDS:
        composite = [(Dense, rules.Epsilon(0.25)), (LocalResponseNorm, rules.ResponseNorm(kind))]
        assert lrp.explain(net, x, composite=composite, start=start).ledger.residual == 0
    own = lrp.explain(net, x, composite="epsilon", start=start)
    assert own.plan[2].label == "taylor: R_i = Σ_k z_ik/(Σ_j z_jk)·R_k"
    assert own.ledger.residual == 0


def test_what_neighbours_are_given_is_never_divided_by_a_sum_of_nothing() -> None:
    """One channel has no neighbours: every rule but the toolbox's hands the relevance on, and that one scales it."""
    x, r = np.array([[[2.0, 0.0]]]), np.array([[[3.0, 5.0]]])
    for kind in ("taylor", "path"):
        told = LocalResponseNorm(5, 1.0, 0.75).redistribute(x, r, rules.ResponseNorm(kind))
        assert told.relevances[0].tolist() == [[[3.0, 0.0]]]
        assert told.dropped.tolist() == [5.0]
    toolbox = LocalResponseNorm(1, 0.5, 1.0, 1.0).redistribute(x, r, rules.ResponseNorm("toolbox"))
    assert toolbox.relevances[0].tolist() == [[[2.0 / 3.0 * 3.0, 0.0]]]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"size": 2.5}, "size must be a whole number, got 2.5"),
        ({"size": "3"}, "size must be a whole number, got '3'"),
        ({"size": 3, "alpha": "x"}, "alpha"),
        ({"size": 3, "beta": None}, "beta"),
        ({"size": 3, "bias": float("nan")}, "bias"),
    ],
)
def test_parameters_that_are_none(parameters: Any, reason: str) -> None:
    with pytest.raises(ParameterError, match=f"^LocalResponseNorm: {reason}"):
        LocalResponseNorm(**parameters)
    assert LocalResponseNorm(np.int64(3)).forward(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_an_input_without_channels_is_refused_on_the_way_back_too() -> None:
    with pytest.raises(ShapeError, match=r"input of shape \(3,\) has no channels"):
        LocalResponseNorm(3).relevance_backward(np.ones(3), np.ones(3))
