"""The reference rule and the three rules that are cases of it, on dense layers, against sums written by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_numbers import F

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import ShapeError
from lrp_ref.rules import edits

RNG = np.random.default_rng(20261128)


def draw(*shape: int) -> Any:
    """Rationals of both signs, some of them 0."""
    made = [F(int(k), int(d)) for k, d in RNG.integers((-9, 1), (10, 7), size=(int(np.prod(shape)), 2))]
    found = np.empty(len(made), object)
    found[:] = made
    return found.reshape(shape)


def shared(a: Any, x0: Any, w: Any, r: Any) -> Any:
    """Σ_j (a_i − x0_i) w_ij / Σ_i (a_i − x0_i) w_ij · R_j for every sample, term by term."""
    found = np.empty(a.shape, object)
    for n in range(len(a)):
        for i in range(a.shape[1]):
            total = Fraction(0)
            for j in range(w.shape[1]):
                bottom = sum((a[n, k] - x0[k]) * w[k, j] for k in range(len(x0)))
                total += (a[n, i] - x0[i]) * w[i, j] / bottom * r[n, j] if bottom else 0
            found[n, i] = total
    return found


@pytest.mark.parametrize("samples", [0, 1, 5])
def test_it_is_the_formula(samples: int) -> None:
    w, b, a, x0, r = draw(4, 3), draw(3), draw(samples, 4), draw(4), draw(samples, 3)
    found = layers.Dense(w, b).redistribute(a, r, rules.Reference(x0))
    assert (found.relevances[0] == shared(a, x0, w, r)).all()
    assert not found.bias.any()
    assert not found.stabiliser.any()
    assert (found.relevances[0].sum(axis=1) + found.dropped == r.sum(axis=1)).all()


def test_at_0_it_is_lrp0_without_bias() -> None:
    w, b, a, r = draw(4, 3), draw(3), draw(5, 4), draw(5, 3)
    layer = layers.Dense(w, b)
    assert (shared(a, [F(0)] * 4, w, r) == layer.relevance_backward(a, r, rules.Reference())).all()
    bare = layer.relevance_backward(a, r, rules.LRP0().with_bias("ignore"))
    assert (bare == layer.relevance_backward(a, r, rules.Reference(0))).all()
    assert (bare != layer.relevance_backward(a, r, rules.LRP0())).any(), "the bias must matter here"


def test_at_the_mean_an_explanation_from_its_output_is_the_weighted_difference() -> None:
    w, b, data = draw(4, 1), draw(1), draw(20, 4)
    net = lrp.Network.sequential([layers.Dense(w, b)])
    mean, a = data.sum(axis=0) / F(20), data[:6]
    there = sum(mean[i] * w[i, 0] for i in range(4)) + b[0]
    e = lrp.explain(net, a, composite=rules.Reference(mean), start=lrp.start.Reference(there), target=0)
    assert (e.relevance == (a - mean) * w[:, 0]).all()
    assert (e.relevance.sum(axis=1) == e.output[:, 0] - there).all()
    assert e.ledger.residual == 0


def test_at_a_midpoint_the_bias_is_absorbed_exactly() -> None:
    """f = ‖x − μ_2‖² − ‖x − μ_1‖² is linear, 0 half-way, and Σ_i (x − m)_i w_i = f."""
    one, two, a = draw(4), draw(4), draw(6, 4)
    w, b = 2 * (one - two), (two * two).sum() - (one * one).sum()
    layer = layers.Dense(w.reshape(4, 1), np.array([b], object))
    f = layer.forward(a)
    assert (f[:, 0] == ((a - two) ** 2).sum(axis=1) - ((a - one) ** 2).sum(axis=1)).all()
    middle = (one + two) / F(2)
    assert layer.forward(middle.reshape(1, 4))[0, 0] == 0
    found = layer.redistribute(a, f, rules.Reference(middle))
    assert (found.relevances[0] == (a - middle) * w).all()
    assert (found.relevances[0].sum(axis=1) == f[:, 0]).all()
    assert b != 0
    assert not found.bias.any()


def test_an_input_at_its_reference_gets_exactly_nothing_in_floats() -> None:
    """What the two sums over a and over x0 round to does not matter: they are never subtracted."""
    w, x0 = RNG.normal(size=(300, 7)), RNG.normal(size=300)
    a = np.stack([x0, np.where(np.arange(300) % 3 == 0, x0 + RNG.normal(size=300), x0)])
    r = RNG.normal(size=(2, 7))
    for dtype, size in ((np.float64, 1e-12), (np.float32, 1e-4)):
        layer, here = layers.Dense(w.astype(dtype), RNG.normal(size=7).astype(dtype)), a.astype(dtype)
        found = layer.redistribute(here, r.astype(dtype), rules.Reference(x0))
        received = found.relevances[0]
        assert received.dtype == dtype
        assert not received[0].any()
        assert np.allclose(found.dropped, [r[0].sum(), 0], rtol=size, atol=0)
        assert not received[1, np.arange(300) % 3 != 0].any()
        assert abs(received[1].sum() - r[1].sum()) <= size * abs(received[1]).sum()


@pytest.mark.parametrize("x0", ["channels", "sample"])
def test_a_reference_of_channels_and_of_a_sample_on_a_convolution(x0: str) -> None:
    w, b, a = draw(2, 3, 2), draw(2), draw(2, 3, 4)
    layer = layers.Conv(w, b)
    at = draw(3) if x0 == "channels" else draw(3, 4)
    r = draw(*layer.forward(a).shape)
    wide = np.broadcast_to(at.reshape(3, -1), (3, 4))
    found = layer.relevance_backward(a, r, rules.Reference(at))
    dense = np.zeros((12, 6), object) * F(0)  # the convolution by index
    for o in range(2):
        for t in range(3):
            for c in range(3):
                for k in range(2):
                    dense[c * 4 + t + k, o * 3 + t] = w[o, c, k]
    expected = shared(a.reshape(2, 12), wide.ravel(), dense, r.reshape(2, 6))
    assert (found.reshape(2, 12) == expected).all()


def test_it_reads_what_the_node_reads_after_canonizing() -> None:
    """A scaler in front of the layer is merged into it; the rule's x0 is then in the unit of the network's input."""
    w, b, a, mean = draw(3, 1), draw(1), draw(4, 3), draw(3)
    scale = np.array([F(1, 2), F(3), F(2)], object)
    net = lrp.Network.sequential([layers.Affine(scale, -mean * scale), layers.Dense(w, b)])
    merged = lrp.explain(net, a, composite=rules.Reference(mean), target=0)
    loaded = lrp.explain(net, a, composite=[(layers.Dense, rules.Reference(0)), (layers.Affine, rules.Pass())],
                         canonize=False, target=0)  # fmt: skip
    assert (merged.relevance == loaded.relevance).all()
    assert (merged.relevance != lrp.explain(net, a, composite=rules.Reference(0), target=0).relevance).any()


def test_a_reference_that_fits_one_layer_alone_names_the_node() -> None:
    net = lrp.Network.sequential([layers.Dense(draw(4, 3)), layers.ReLU(), layers.Dense(draw(3, 2))])
    with pytest.raises(ShapeError, match=r"(?s)'dense2'.*x0_i of shape \(4,\) does not fit inputs of shape \(1, 3\)"):
        lrp.explain(net, draw(1, 4), composite=rules.Reference(draw(4)), target=0)


def test_less_is_printed_with_its_letter() -> None:
    less = edits.Less([0, 1], "c")
    assert less.symbol("a_i") == "(a_i − c)"
    assert less(np.array([[3.0, 3.0]])).tolist() == [[3, 2]]
    assert less == edits.Less((0, 1), "c")
