"""Sums, means and maxima over whole axes: by hand, in rationals, and by rule."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from exact_numbers import EDITED, F, exact, rationals

from lrp_ref.arithmetic import ball
from lrp_ref.errors import ParameterError, ShapeError, UndecidedError, UnsupportedError
from lrp_ref.layers import GlobalAveragePool, GlobalMaxPool, Mean, Sum
from lrp_ref.rules import Epsilon, Flat
from lrp_ref.rules.edits import ZERO
from lrp_ref.rules.share import Given

X = rationals(np.random.default_rng(3), 2, 3, 2, 4)
AXES = [axes for count in (1, 2, 3) for axes in combinations((1, 2, 3), count)]


def windows(axes: tuple[int, ...]) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Which positions of X each output position of a reduction with kept axes reads."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for k in np.ndindex(X.shape):
        found.setdefault(tuple(0 if a in axes else n for a, n in enumerate(k)), []).append(k)
    return found


def rows(axes: tuple[int, ...]) -> Any:
    """One relevance for each output."""
    shape = tuple(1 if a in axes else n for a, n in enumerate(X.shape))
    return rationals(np.random.default_rng(sum(axes)), *shape)


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("factor", [1, 2, F(-3, 2), 0])
@pytest.mark.parametrize("kind", [Sum, Mean])
def test_values_and_transpose(kind: Any, factor: Any, axes: tuple[int, ...]) -> None:
    kept, bare = kind(axes, factor=factor), kind(axes, keepdims=False, factor=factor)
    from_the_end = kind(tuple(a - 4 for a in axes), factor=factor)
    g, back = rows(axes), np.empty(X.shape, object)
    y, size = kept.forward(X), math.prod(X.shape[a] for a in axes)
    weight = F(factor) / (size if kind is Mean else 1)
    for k, read in windows(axes).items():
        assert y[k] == weight * sum(X[i] for i in read)
        for i in read:
            back[i] = weight * g[k]
    assert np.array_equal(from_the_end.forward(X), y)
    assert np.array_equal(bare.forward(X), y.reshape([n for a, n in enumerate(X.shape) if a not in axes]))
    for layer, given in ((kept, g), (bare, g.reshape(bare.forward(X).shape)), (from_the_end, g)):
        assert np.array_equal(layer.vjp(X, given), back)


@pytest.mark.parametrize("kind", [Sum, Mean, GlobalAveragePool])
def test_the_spatial_axes_are_reduced_and_kept_unless_told_otherwise(kind: Any) -> None:
    assert np.array_equal(kind().forward(X), kind((2, 3), keepdims=True).forward(X))
    assert kind().forward(X).shape == (2, 3, 1, 1)
    assert kind().forward(X[:, :, :, 0]).shape == (2, 3, 1)
    assert kind(keepdims=False).forward(X).shape == (2, 3)
    assert GlobalMaxPool().forward(X).shape == (2, 3, 1, 1)
    assert GlobalMaxPool(keepdims=False).forward(X).shape == (2, 3)


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("kind", [Sum, Mean])
def test_lrp0_epsilon_and_flat(kind: Any, axes: tuple[int, ...]) -> None:
    """R_i = a_i/Σ a R; with ε in the denominator, of z and not of the sum; R/n."""
    r, size = rows(axes), math.prod(X.shape[a] for a in axes)
    own, damped, even = (kind(axes).redistribute(X, r, rule) for rule in (None, Epsilon(F(1, 8)), Flat()))
    lost = [F(0), F(0)]
    for k, read in windows(axes).items():
        whole = sum(X[i] for i in read)
        scale = size if kind is Mean else 1
        lost[k[0]] += 0 if whole else r[k]
        for i in read:
            assert own.relevances[0][i] == (X[i] / whole * r[k] if whole else 0)
            assert damped.relevances[0][i] == X[i] / (whole + scale * F(1 if whole >= 0 else -1, 8)) * r[k]
            assert even.relevances[0][i] == r[k] / size
    assert own.dropped.tolist() == lost


@pytest.mark.parametrize(("edit", "changed"), EDITED, ids=lambda e: getattr(e, "name", ""))
@pytest.mark.parametrize("factor", [1, F(5, 2), -3])
def test_edited_weights(edit: Any, changed: Any, factor: Any) -> None:
    """The weight of a sum is its factor, that of a mean factor/n."""
    for layer, weight in ((Sum((2,), factor=factor), F(factor)), (Mean((2, 3), factor=factor), F(factor) / 8)):
        whole = Sum(layer.axes).forward(X)
        assert np.array_equal(layer.edited(edit, ZERO).forward(X), F(changed(weight)) * whole)


def test_means_of_one_value_and_of_none() -> None:
    x = exact([[3], [-5]])
    assert np.array_equal(Mean((2,)).forward(x), x)
    assert np.array_equal(Mean((2,)).vjp(x, x), x)
    assert np.array_equal(Mean((1,)).forward(np.array([[4.0], [-2.0]])), [[4.0], [-2.0]])
    empty = np.zeros((2, 3, 0))
    assert np.array_equal(Mean((2,)).forward(empty), np.zeros((2, 3, 1)))
    assert Mean((2,)).vjp(empty, np.ones((2, 3, 1))).shape == (2, 3, 0)
    told = Mean((2,)).redistribute(empty, np.ones((2, 3, 1)))
    assert told.dropped.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("factor", "known"), [(1, True), (2, True), (0.5, True), (0, True), (-0.5, False), (-1, False)]
)
@pytest.mark.parametrize("kind", [Sum, Mean])
def test_where_a_sum_is_known_to_be_nonnegative(kind: Any, factor: float, known: bool) -> None:
    assert kind(factor=factor).nonnegative((True,)) is known
    assert kind(factor=factor).nonnegative((False,)) is False


@pytest.mark.parametrize("axes", [(), (0,), (-4,), (4,), (-5,), (5,), (1, 1), (1, -3), (2, 0), (2, 4), (0, 0)], ids=str)
@pytest.mark.parametrize("kind", [Sum, Mean])
def test_axes_that_are_refused(kind: Any, axes: tuple[int, ...]) -> None:
    for call in (lambda: kind(axes).forward(X), lambda: kind(axes).vjp(X, X[:, :1])):
        with pytest.raises(ShapeError, match="must exist, differ, and not be the batch"):
            call()


# Maxima --------------------------------------------------------------------------------------------------------

TIED = exact(
    [[[1, 3], [3, 2]], [[0, 0], [0, 0]], [[-5, -7], [-6, -5]]],
    [[[4, 1], [2, 3]], [[1, 2], [2, 2]], [[-1, 0], [0, -2]]],
)
FIRST = [[[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]]
SHARED = [
    [[0, "1/2", "1/2", 0], ["1/4"] * 4, ["1/2", 0, 0, "1/2"]],
    [[1, 0, 0, 0], [0, "1/3", "1/3", "1/3"], [0, "1/2", "1/2", 0]],
]  # fmt: skip


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize(("ties", "shares"), [("first", FIRST), ("share", SHARED)])
def test_the_winner_takes_all(ties: str, shares: Any, keepdims: bool) -> None:
    layer = GlobalMaxPool(keepdims, ties)
    z, r = exact([3, 0, -5], [4, 2, 0]), exact([6, -4, "1/3"], [5, 9, -8])
    z, r = (a.reshape(2, 3, 1, 1) if keepdims else a for a in (z, r))
    assert np.array_equal(layer.forward(TIED), z)
    expected = (exact(*shares) * r.reshape(2, 3, 1)).reshape(TIED.shape)
    for given in (None, z):
        told = layer.redistribute(TIED, r, given=Given(z=given))
        assert np.array_equal(told.relevances[0], expected)
        assert not np.concatenate([told.dropped, told.bias, told.stabiliser]).any()
    assert np.array_equal(layer.vjp(TIED, r), expected)
    floats = layer.vjp(TIED.astype(np.float32), r.astype(np.float32))
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, expected.astype(float), rtol=1e-6)


def test_the_first_of_equal_values_wins_unless_told_otherwise() -> None:
    r = np.full((1, 1, 1), 6.0)
    assert GlobalMaxPool().relevance_backward(np.ones((1, 1, 3)), r).tolist() == [[[6.0, 0.0, 0.0]]]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("ties", ["first", "share"])
def test_a_single_winner_at_any_place(place: int, ties: str) -> None:
    x, expected = np.zeros((1, 1, 5)), np.zeros((1, 1, 5))
    x[0, 0, place], expected[0, 0, place] = 1.0, 7.0
    assert np.array_equal(GlobalMaxPool(ties=ties).relevance_backward(x, np.full((1, 1, 1), 7.0)), expected)


def test_a_known_maximum_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    z, calls = GlobalMaxPool().forward(TIED), []
    real = GlobalMaxPool.forward
    monkeypatch.setattr(GlobalMaxPool, "forward", lambda self, *xs: calls.append(len(xs)) or real(self, *xs))
    GlobalMaxPool().redistribute(TIED, z, given=Given(z=z))
    assert calls == []
    GlobalMaxPool().redistribute(TIED, z)
    assert calls == [1]


def test_what_a_global_maximum_refuses() -> None:
    r = np.ones((2, 3, 1, 1))
    x = TIED.astype(float)
    with pytest.raises(UnsupportedError, match="the winner takes all"):
        GlobalMaxPool().relevance_backward(x, r, Epsilon(1))
    for z in (None, r):
        with pytest.raises(ShapeError, match="its relevance has shape"):
            GlobalMaxPool().redistribute(x, r[:, :2], given=Given(z=z))
    for call in (GlobalMaxPool().forward, lambda a: GlobalMaxPool().vjp(a, a)):
        with pytest.raises(ShapeError, match="has no spatial axis"):
            call(np.ones((2, 3)))
    assert GlobalMaxPool().vjp(np.ones((2, 3, 1)), np.ones((2, 3, 1))).shape == (2, 3, 1)
    for ties in ("last", "First", ""):
        with pytest.raises(ParameterError, match="must be 'first' or 'share'"):
            GlobalMaxPool(ties=ties)


def test_a_maximum_of_balls_is_the_one_that_is_surely_greatest() -> None:
    seventh, r = ball(np.array([[[1.0, 3.0, 2.0]]])) / ball(np.array(7.0)), ball(np.array([[[6.0]]]))
    for ties in ("first", "share"):
        layer = GlobalMaxPool(ties=ties)
        assert [float(v) for v in layer.relevance_backward(seventh, r).ravel()] == [0.0, 6.0, 0.0]
        with pytest.raises(UndecidedError, match="cannot tell"):
            layer.relevance_backward(seventh[:, :, [1, 0, 1]], r)
