"""Layers that only move values: where every value goes, by indices written out, and what comes back."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers import Flatten, Gather, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze, Upsample
from lrp_ref.layers.base import Layer

RNG = np.random.default_rng(7)
X = RNG.normal(size=(2, 3, 4))


def goes_to(layer: Layer, x: Any, sources: Any) -> None:
    """Check forward, transpose and relevance against the flat input position (−1: none) of every output position."""
    sources = np.asarray(sources)
    y = layer.forward(x)
    assert y.shape == sources.shape
    assert np.array_equal(y[sources >= 0], x.ravel()[sources[sources >= 0]])
    g = RNG.normal(size=y.shape)
    back = np.zeros(x.size)
    np.add.at(back, sources[sources >= 0], g[sources >= 0])
    told = layer.redistribute(x, g)
    for received in (layer.vjp(x, g), told.relevances[0], layer.vjp((x,), g)[0]):
        assert received.shape == x.shape
        np.testing.assert_allclose(received.ravel(), back, rtol=1e-14, atol=1e-15)
    lost = np.where(sources >= 0, 0.0, g).sum(axis=tuple(range(1, g.ndim)))
    np.testing.assert_allclose(told.dropped, lost, rtol=1e-13, atol=1e-14)


def at(x: Any) -> Any:
    """Return the flat position of every value."""
    return np.arange(x.size).reshape(x.shape)


# Shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "result"),
    [
        (Flatten(), (2, 3, 4), (2, 12)), (Flatten(), (2, 12), (2, 12)), (Flatten(), (2,), (2, 1)),
        (Flatten(1), (2, 3, 4), (2, 12)), (Flatten(2), (2, 3, 4, 5), (2, 3, 20)), (Flatten(-1), (2, 3, 4), (2, 3, 4)),
        (Flatten(-2), (2, 3, 4), (2, 12)), (Flatten(2), (2, 3), (2, 3, 1)), (Flatten(3), (2, 3), (2, 3, 1)),
        (Flatten(), (0, 3, 4), (0, 12)), (Flatten(), (2, 0, 4), (2, 0)),
        (Reshape(), (2, 3, 4), (2, 12)), (Reshape((6, 2)), (2, 3, 4), (2, 6, 2)), (Reshape(()), (2, 1), (2,)),
        (Reshape((4, -1)), (2, 3, 4), (2, 4, 3)), (Reshape((-1, 1)), (2, 3), (2, 3, 1)),
        (Reshape((1, 1)), (2, 1), (2, 1, 1)), (Reshape((0, 5)), (2, 3, 0), (2, 0, 5)),
        (Reshape((5, -1)), (2, 3, 0), (2, 5, 0)), (Reshape((-1, 3)), (0, 6), (0, 2, 3)),
        (Squeeze((1,)), (2, 1, 3, 1), (2, 3, 1)), (Squeeze((1, 3)), (2, 1, 3, 1), (2, 3)),
        (Squeeze((-1,)), (2, 1, 3, 1), (2, 1, 3)), (Squeeze(), (2, 1), (2, 1)),
        (Unsqueeze((1,)), (2, 3), (2, 1, 3)), (Unsqueeze((-1,)), (2, 3), (2, 3, 1)), (Unsqueeze(), (2, 3), (2, 3)),
        (Unsqueeze((1, 3)), (2, 3), (2, 1, 3, 1)), (Unsqueeze((-2, 1)), (2, 3), (2, 1, 1, 3)),
    ],
    ids=str,
)  # fmt: skip
def test_other_shapes(layer: Layer, shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    goes_to(layer, x, at(x).reshape(result))


@pytest.mark.parametrize(
    ("shape", "sample"),
    [
        ((8,), (6,)), ((4,), (6,)), ((2, 2), (6,)), ((-1, 4), (6,)), ((-1, 12), (6,)), ((-1, -1), (6,)),
        ((-1, -1), (1,)), ((0, -1), (0,)), ((0, -1), (6,)), ((0,), (6,)), ((3,), (0,)), ((-2, 3), (6,)),
        ((-2, -3), (6,)), ((-2,), (1,)), ((-1, -2), (1,)), ((-6,), (6,)), ((-2, -1), (6,)), ((), (6,)), ((), (0,)),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("batch", [0, 2])
def test_samples_that_do_not_fit(shape: tuple[int, ...], sample: tuple[int, ...], batch: int) -> None:
    with pytest.raises(ShapeError, match="does not fit into"):
        Reshape(shape).forward(np.ones((batch, *sample)))


@pytest.mark.parametrize("axis", [0, -3, 3, -4, 5, -6])
def test_axes_that_do_not_exist(axis: int) -> None:
    one = np.ones((2, 1, 1))
    for call in (
        lambda: Flatten(axis).forward(X) if axis <= 0 else Squeeze((axis,)).forward(one),
        lambda: Squeeze((1, axis)).forward(one),
        lambda: Unsqueeze((axis,)).forward(np.ones((2, 3))),
        lambda: Slice((axis,), (0,), (1,)).forward(X),
        lambda: Slice((1, axis), (0, 0), (1, 1)).vjp(X, X),
        lambda: Split((1,), axis).forward(np.ones((1, 1, 1))),
        lambda: Split((1,), axis).vjp(np.ones((1, 1, 1)), np.ones((1, 1, 1))),
        lambda: Gather(0, axis).forward(X),
        lambda: Gather((0,), axis).vjp(X, X),
    ):
        with pytest.raises(ShapeError, match=rf"axis {axis} of 3 axes is the batch, or does not exist"):
            call()


@pytest.mark.parametrize(
    "axes", [(0,), (0, 1), (0, 2, 1), (0, 1, 2), (0, 3, 1, 2), (0, 2, 3, 1), (0, 3, 2, 1), (0, 2, 4, 1, 3)], ids=str
)
def test_permutations(axes: tuple[int, ...]) -> None:
    x = RNG.normal(size=(2, 3, 4, 2, 3)[: len(axes)])
    sources = np.empty([x.shape[a] for a in axes], int)
    for k in np.ndindex(x.shape):
        sources[tuple(k[a] for a in axes)] = at(x)[k]
    goes_to(Transpose(axes), x, sources)


@pytest.mark.parametrize("axes", [(), (1,), (-1,), (1, 0), (0, 0), (0, 2), (0, 1, 1), (0, -1), (0, 2, -1), (0, 1, 3)])
def test_no_permutations(axes: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match="must be a permutation that keeps the batch first"):
        Transpose(axes)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 4, 5)])
def test_a_permutation_of_other_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="does not have the 3 axes"):
        Transpose().forward(np.ones(shape))


# Parts ---------------------------------------------------------------------------------------------------------

ENDS = (None, 0, 1, 2, 3, 9, -1, -2, -9)


@pytest.mark.parametrize("step", [None, 1, 2, 3, -1, -2])
@pytest.mark.parametrize("axis", [1, -1])
def test_slices_are_pythons(axis: int, step: int | None) -> None:
    for start, stop in product(ENDS, ENDS):
        layer = Slice((axis,), (start,), (stop,), () if step is None else (step,))
        taken = at(X)[:, start:stop:step] if axis == 1 else at(X)[:, :, start:stop:step]
        goes_to(layer, X, taken)
    goes_to(Slice((2, 1), (1, None), (None, 2), (step or 1, 1)), X, at(X)[:, :2, 1 :: step or 1])
    goes_to(Slice(), X, at(X))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_slice_has_one_entry_for_each_axis(steps: int) -> None:
    for axes, starts, stops in product((1, 2), repeat=3):
        given = (tuple(range(1, 1 + axes)), (0,) * starts, (2,) * stops, (1,) * steps)
        if axes == starts == stops == (steps or axes):
            assert Slice(*given).forward(X).shape == ((2, 2, 4) if axes == 1 else (2, 2, 2))
        else:
            with pytest.raises(ParameterError, match="one start, stop and step for each axis"):
                Slice(*given)


@pytest.mark.parametrize("sizes", [(4,), (1, 3), (3, 1), (2, 2), (1, 2, 1), (0, 4), (2, 0, 2), (4, 0)])
def test_parts_in_their_order(sizes: tuple[int, ...]) -> None:
    layer, stops = Split(sizes, axis=2), np.cumsum(sizes)
    parts = layer.forward(X)
    assert isinstance(parts, tuple)
    for part, size, stop in zip(parts, sizes, stops, strict=True):
        assert np.array_equal(part, X[:, :, stop - size : stop])
    back = layer.vjp(X, parts)
    assert np.array_equal(back, X)
    assert np.array_equal(layer.relevance_backward(X, parts), X)
    if len(sizes) == 1:
        assert np.array_equal(layer.vjp(X, X), X)


@pytest.mark.parametrize("sizes", [(), (3,), (5,), (1, 2), (2, 3), (5, -1), (-1, 5), (4, -1, 1), (8, -4)])
def test_parts_that_do_not_add_up(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="do not add up to axis 2"):
        Split(sizes, axis=2).forward(X)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
@pytest.mark.parametrize("indices", [0, 2, -1, -3, (1,), (2, 0, 2, -1), (-3, -2, -1), ()], ids=str)
def test_positions_along_an_axis(indices: Any, axis: int) -> None:
    goes_to(Gather(indices, axis), X, np.take(at(X), np.asarray(indices, int), axis=axis))
    assert np.array_equal(Gather(indices).forward(X), Gather(indices, 1).forward(X))


# Padding -------------------------------------------------------------------------------------------------------


def source(k: int, size: int, mode: str) -> int:
    """Where an output position reads: by stepping back into the input, −1 for nowhere."""
    if mode == "constant":
        return k if 0 <= k < size else -1
    if mode == "edge":
        return sorted((0, k, size - 1))[1]
    while not 0 <= k < size:
        k = -k if k < 0 else 2 * size - 2 - k
    return k


AMOUNTS = [-4, -3, -1, 0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("axis", [1, 2])
def test_padding_and_cropping_both_ends(mode: str, axis: int) -> None:
    x = X if axis == 2 else X.swapaxes(1, 2)
    for before, after in product(AMOUNTS, AMOUNTS):
        pairs = [(0, 0), (0, 0)]
        pairs[axis - 1] = (before, after)
        layer = Pad(tuple(pairs), mode=mode, value=-2.5)
        if 4 + min(before, 0) + min(after, 0) < 0:
            with pytest.raises(ShapeError, match="crop more than an input of shape"):
                layer.forward(x)
            continue
        places = [source(k, 4, mode) for k in range(-before, 4 + after)]
        padded = np.full((2, 3, len(places)), -1)
        for k, place in enumerate(places):
            padded[:, :, k] = at(x).swapaxes(axis, 2)[:, :, place] if place >= 0 else -1
        goes_to(layer, x, padded.swapaxes(axis, 2))
        assert (layer.forward(x)[padded.swapaxes(axis, 2) < 0] == -2.5).all()


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_padding_of_two_axes_at_once(mode: str) -> None:
    rows, columns = ([source(k, n, mode) for k in range(-a, n + b)] for n, (a, b) in ((3, (2, 1)), (4, (-1, 3))))
    sources = [[[s * 12 + r * 4 + c if min(r, c) >= 0 else -1 for c in columns] for r in rows] for s in range(2)]
    goes_to(Pad(((2, 1), (-1, 3)), mode=mode), X, sources)


@pytest.mark.parametrize("amounts", [(-5, 0), (0, -5), (-5, 9), (9, -5), (-3, -2), (-2, -3), (-4, -1)])
@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_crops_beyond_the_input(mode: str, amounts: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="crop more than an input of shape"):
        Pad(((0, 0), amounts), mode=mode).forward(X)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("pairs", [0, 1, 3, 4])
def test_a_pair_for_every_axis(pairs: int, mode: str) -> None:
    with pytest.raises(ShapeError, match=rf"{pairs} pairs for an input of shape \(2, 3, 4\); give 2"):
        Pad(((0, 0),) * pairs, mode=mode).forward(X)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_a_gradient_of_another_shape(mode: str) -> None:
    layer = Pad(((0, 0), (1, 2)), mode=mode)
    for shape in ((2, 3, 6), (2, 3, 8), (2, 2, 7), (3, 3, 7), (2, 3)):
        with pytest.raises(ShapeError, match=r"the output has shape \(2, 3, 7\), its gradient has shape"):
            layer.vjp(X, np.ones(shape))
    with pytest.raises(ShapeError, match="2 pairs for an input of shape"):
        layer.vjp(np.ones((2, 7)), np.ones((2, 7)))


def test_one_value_is_its_own_border() -> None:
    x = RNG.normal(size=(2, 1, 1))
    goes_to(Pad(((2, 0), (1, 3)), mode="edge"), x, np.broadcast_to(at(x), (2, 3, 5)))


def test_borders_that_have_nothing_to_copy() -> None:
    empty = np.zeros((2, 3, 0))
    for mode in ("reflect", "edge"):
        assert Pad(((1, 1), (0, 0)), mode=mode).forward(empty).shape == (2, 5, 0)
        for amounts in ((1, 0), (0, 1)):
            with pytest.raises(ShapeError, match="needs more than the 0 values of axis 2"):
                Pad(((0, 0), amounts), mode=mode).forward(empty)
    for amounts in ((4, 0), (0, 4), (5, -1), (-1, 5)):
        with pytest.raises(ShapeError, match="needs more than the 4 values of axis 2"):
            Pad(((0, 0), amounts), mode="reflect").forward(X)
        assert Pad(((0, 0), amounts), mode="edge").forward(X).shape == (2, 3, 8)


def test_padding_is_with_zeros_unless_told_otherwise() -> None:
    assert Pad(((0, 0), (1, 0))).forward(np.ones((1, 1, 1))).tolist() == [[[0.0, 1.0]]]
    assert Pad(((1, 0), (1, 0)), value=np.array([2.0, 3.0])).forward(np.ones((1, 1, 1))).tolist() == [
        [[2.0, 2.0], [3.0, 1.0]]
    ]


def test_where_padding_is_known_to_be_nonnegative() -> None:
    for value, known in ((0, True), (0.5, True), (1, True), (-0.5, False), (-1, False), (np.ones(3), False)):
        for inputs in (True, False):
            assert Pad(value=value).nonnegative((inputs,)) is (known and inputs)
            for mode in ("reflect", "edge"):
                assert Pad(mode=mode, value=value).nonnegative((inputs,)) is inputs


def test_axes_without_padding_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    axes: list[int] = []
    real = Pad._sources
    monkeypatch.setattr(Pad, "_sources", lambda self, x, axis: axes.append(axis) or real(self, x, axis))
    for layer in (Pad(((0, 0), (1, 0)), mode="edge"), Pad(((0, 0), (0, 1)), mode="edge")):
        layer.pull((X,), layer.forward(X))
    assert axes == [2, 2, 2, 2]
    assert Pad(((0, 0), (0, 0)), mode="edge").forward(X) is X


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((2, 3), ()), ((2, 2, 3), (2,)), ((2, 2, 3), (1,)), ((1, 2, 2, 3), (3, 2)), ((1, 1, 2, 1, 2), (2, 1, 3))],
)
def test_every_value_is_repeated(shape: tuple[int, ...], factors: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    sources = at(x)
    for axis, factor in enumerate(factors):
        sources = np.repeat(sources, factor, axis=axis + 2)
    goes_to(Upsample(factors), x, sources)


@pytest.mark.parametrize("factors", [(), (2, 2), (0,), (-1,), (2, 1, 1)])
def test_factors_that_do_not_fit(factors: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="do not fit the spatial axes"):
        Upsample(factors).forward(X)
