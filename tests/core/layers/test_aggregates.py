"""Maxima over any axes, products, and logarithms of sums of exponentials: one output after the other, in rationals."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals

from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import GlobalMaxPool, LogSumExp, Max, Prod
from lrp_ref.rules import Epsilon

X = rationals(np.random.default_rng(5), 2, 3, 2, 4)
AXES = [axes for count in (1, 2, 3) for axes in combinations((1, 2, 3), count)]


def outputs(axes: tuple[int, ...]) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Which positions of X each output position of a reduction with kept axes reads, row-major."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for k in np.ndindex(X.shape):
        found.setdefault(tuple(0 if a in axes else n for a, n in enumerate(k)), []).append(k)
    return found


def relevance(axes: tuple[int, ...]) -> Any:
    shape = tuple(1 if a in axes else n for a, n in enumerate(X.shape))
    return rationals(np.random.default_rng(sum(axes)), *shape)


def without(kind: Any, axes: tuple[int, ...], **options: Any) -> list[tuple[Any, Any]]:
    """Return the layer with kept axes and without, and what brings an array of the one's outputs to the other's."""
    bare = [n for a, n in enumerate(X.shape) if a not in axes]
    reverse = tuple(a - 4 for a in reversed(axes))
    return [
        (kind(axes, **options), lambda a: a),
        (kind(reverse, **options), lambda a: a),
        (kind(axes, keepdims=False, **options), lambda a: a.reshape(bare)),
    ]


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("ties", ["first", "share"])
def test_the_largest_takes_all(axes: tuple[int, ...], ties: str) -> None:
    x = np.vectorize(lambda v: F(round(v)), otypes=[object])(X)  # with ties
    r = relevance(axes)
    z, expected = np.empty(r.shape, object), np.full(X.shape, F(0), object)
    for k, read in outputs(axes).items():
        z[k] = max(x[i] for i in read)
        winners = [i for i in read if x[i] == z[k]]
        for i in winners[:1] if ties == "first" else winners:
            expected[i] = r[k] / (1 if ties == "first" else len(winners))
    for layer, as_output in without(Max, axes, ties=ties):
        assert np.array_equal(layer.forward(x), as_output(z))
        assert np.array_equal(layer.vjp(x, as_output(r)), expected)
        told = layer.redistribute(x, as_output(r))
        assert np.array_equal(told.relevances[0], expected)
        assert not np.concatenate([told.dropped, told.bias, told.stabiliser]).any()
        compared = layer.compared(x, None)
        assert np.array_equal(compared.max(axis=0).reshape(z.shape), z)


def test_over_all_of_space_it_is_the_global_max_pool() -> None:
    x, r = np.round(np.random.default_rng(1).normal(size=(3, 2, 4, 5))), np.random.default_rng(2).normal(size=(3, 2))
    for ties in ("first", "share"):
        one, other = Max(keepdims=False, ties=ties), GlobalMaxPool(keepdims=False, ties=ties)
        assert np.array_equal(one.forward(x), other.forward(x))
        assert np.array_equal(one.relevance_backward(x, r), other.relevance_backward(x, r))
        assert np.array_equal(one.compared(x, None), other.compared(x, None))


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("zeros", [0, 1, 2, 5])
def test_products_and_their_derivative(axes: tuple[int, ...], zeros: int) -> None:
    x = np.where(X == 0, F(2, 3), X)
    x.reshape(-1)[: 3 * zeros : 3] = F(0)
    r = relevance(axes)
    z, back, parts = np.empty(r.shape, object), np.empty(X.shape, object), np.empty(X.shape, object)
    for k, read in outputs(axes).items():
        z[k] = math.prod((x[i] for i in read), start=F(1))
        for i in read:
            back[i] = r[k] * math.prod((x[j] for j in read if j != i), start=F(1))
            parts[i] = r[k] / len(read)
    for layer, as_output in without(Prod, axes):
        assert np.array_equal(layer.forward(x), as_output(z))
        assert np.array_equal(layer.vjp(x, as_output(r)), back)
        assert np.array_equal(layer.relevance_backward(x, as_output(r)), parts)
        np.testing.assert_allclose(layer.forward(x.astype(float)), as_output(z).astype(float), rtol=1e-14)


def test_a_product_of_nothing_is_one_and_its_relevance_is_dropped() -> None:
    x, r = np.zeros((2, 0, 3)), np.full((2, 1, 3), 5.0)
    assert Prod((1,)).forward(x).tolist() == [[[1.0] * 3]] * 2
    (one,) = Prod((1,)).forward(np.zeros((1, 0), object)).flat
    assert isinstance(one, F)
    assert one == 1
    told = Prod((1,)).redistribute(x, r)
    assert told.relevances[0].shape == x.shape
    assert told.dropped.tolist() == [15.0, 15.0]


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_log_sum_exp_and_its_shares(axes: tuple[int, ...]) -> None:
    x, r = X.astype(float), relevance(axes).astype(float)
    z, parts = np.empty(r.shape), np.empty(X.shape)
    for k, read in outputs(axes).items():
        total = math.fsum(math.exp(x[i]) for i in read)
        z[k] = math.log(total)
        for i in read:
            parts[i] = r[k] * math.exp(x[i]) / total
    for layer, as_output in without(LogSumExp, axes):
        np.testing.assert_allclose(layer.forward(x), as_output(z), rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(layer.vjp(x, as_output(r)), parts, rtol=1e-13, atol=1e-14)
        told = layer.redistribute(x, as_output(r))
        np.testing.assert_allclose(told.relevances[0], parts, rtol=1e-13, atol=1e-14)
        assert not np.concatenate([told.dropped, told.bias, told.stabiliser]).any()


def test_log_sum_exp_of_large_numbers() -> None:
    x = np.array([[1e4, 1e4], [-1e4, -1e4], [0.0, 1e4]])
    np.testing.assert_allclose(LogSumExp((1,), keepdims=False).forward(x), [1e4 + math.log(2), math.log(2) - 1e4, 1e4])
    assert LogSumExp((1,)).relevance_backward(x, np.ones((3, 1))).tolist() == [[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize("layer", [Max((1,)), Prod((1,)), LogSumExp((1,))], ids=repr)
def test_no_other_rule_runs_on_them(layer: Any) -> None:
    with pytest.raises(UnsupportedError, match="its own way is "):
        layer.relevance_backward(np.ones((1, 2)), np.ones((1, 1)), Epsilon(1))


def test_exact_numbers_have_exact_products() -> None:
    assert Prod((1,)).forward(exact([F(1, 3), -6])).tolist() == [[F(-2)]]
