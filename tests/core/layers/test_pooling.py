"""Pools: their windows counted by hand, what they refuse, and what they do in windows without any input."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.fast import blocks, buffers
from lrp_ref.layers import AveragePool, MaxPool, SumPool
from lrp_ref.layers.pooling import Geometry
from lrp_ref.rules import edits

POOLS = [SumPool, AveragePool, MaxPool]
every_pool = pytest.mark.parametrize("pool", POOLS)


def line(*values: float) -> Any:
    """Return one sample of one channel and one axis."""
    return np.array([[values]])


# Windows -----------------------------------------------------------------------------------------------------

#   size, kernel, stride, padding, dilation, ceil: windows, positions beyond the end, whether they are apart
WINDOWS = [
    (4, 2, None, 0, 1, False, 2, 0, True),
    (5, 2, None, 0, 1, False, 2, 0, True),
    (5, 2, None, 0, 1, True, 3, 1, True),
    (5, 2, 1, 0, 1, False, 4, 0, False),
    (5, 2, 3, 0, 1, False, 2, 0, True),
    (6, 2, 3, 0, 1, False, 2, 0, True),
    (6, 3, 2, 0, 1, True, 3, 1, False),
    (6, 3, 2, 1, 1, True, 4, 1, False),
    (6, 3, 2, 1, 1, False, 3, 0, False),
    (7, 3, 5, 0, 1, True, 2, 1, True),
    (7, 2, 2, 0, 3, False, 2, 0, False),
    (7, 2, 3, 0, 3, True, 2, 0, False),
    (8, 2, 3, 0, 3, True, 3, 2, False),
    (8, 2, 4, 0, 3, True, 2, 0, True),
    (9, 2, 4, 0, 3, True, 3, 3, True),
    (9, 3, 4, 0, 2, True, 2, 0, False),
    (9, 3, 5, 0, 2, True, 2, 1, True),
    (3, 1, None, 0, 1, False, 3, 0, True),
    (3, 1, 1, 0, 4, False, 3, 0, True),
    (1, 2, 1, 2, 3, False, 2, 0, False),
    (3, 3, 1, 2, 1, False, 5, 0, False),
    (2, 2, 2, (1, 0), 1, True, 2, 1, True),
    (2, 2, 2, (0, 1), 1, True, 1, 0, True),
]


PLANES = [
    ((2, 2), None, 0, 1, False), ((2, 2), None, 0, 1, True), ((1, 2), None, 0, 1, False), ((2, 1), None, 0, 1, False),
    ((1, 1), (2, 3), 0, 1, False), ((2, 2), (3, 2), 0, 1, False), ((2, 2), (2, 3), 0, 1, False),
    ((2, 2), 3, 0, 1, True), ((2, 2), 2, 0, (1, 2), False), ((2, 2), 2, 0, (2, 1), False), ((2, 2), 1, 0, 1, False),
    ((3, 2), (2, 2), 0, 1, False), ((2, 3), (2, 2), 0, 1, False), ((2, 2), None, 1, 1, False),
    ((3, 3), 4, 1, 1, True), ((2, 2), 4, 1, 3, False),
]  # fmt: skip


@pytest.mark.parametrize("ties", ["first", "share"])
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (6, 4), (7, 5), (3, 4)], ids=str)
@pytest.mark.parametrize("case", PLANES, ids=str)
def test_max_pooling_in_memory_that_was_used_before(
    case: tuple[Any, ...], size: tuple[int, int], ties: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions that no window reads get 0, and every maximum is one: what lay in the memory does not show."""
    layer, rng = MaxPool(*case, ties=ties), np.random.default_rng(4)
    x = rng.integers(-3, 4, (2, 3, *size)).astype(float)
    r = rng.standard_normal(layer.forward(x).shape)
    z, expected = layer.forward(rational(x)), layer.redistribute(rational(x), rational(r))
    monkeypatch.setattr(buffers, "empty", lambda shape, dtype, xp: np.full(tuple(shape), np.nan, dtype))
    assert np.array_equal(layer.forward(x), z.astype(float))
    told = layer.redistribute(x, r)
    assert np.isfinite(told.relevances[0]).all()
    np.testing.assert_allclose(told.relevances[0], expected.relevances[0].astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(told.dropped, expected.dropped.astype(float), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_windows_counted_by_hand(case: tuple[Any, ...]) -> None:
    size, kernel, stride, padding, dilation, ceil, out, overhang, apart = case
    before, after = pads = padding if isinstance(padding, tuple) else (padding, padding)
    layer = MaxPool(kernel, stride, (pads,), dilation, ceil)
    found = Geometry.of(layer, np.zeros((2, 3, size)))
    assert (found.out, found.overhang, found.apart) == ((out,), (overhang,), apart)
    assert found.reach == (dilation * (kernel - 1) + 1,)
    assert found.around == ((before, after + overhang),)
    assert found.blank(np.zeros((2, 3, size)), np).shape == (2, 3, before + size + after + overhang)
    plane = MaxPool((kernel, 2), (stride or kernel, 2), (pads, (0, 0)), (dilation, 1), ceil)
    both = Geometry.of(plane, np.zeros((2, 3, size, 5)))
    assert both.out == (out, 3 if ceil else 2)
    assert both.overhang == (overhang, int(ceil))
    assert both.apart is apart


def test_a_kernel_per_axis_and_padding_around() -> None:
    x = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))
    geometry = Geometry.of(SumPool((2, 3), 1, ((1, 0), (0, 2))), x)
    assert np.array_equal(geometry.pad(x, 0, np), padded)
    assert np.array_equal(geometry.crop(padded), x)
    expected = [[[[padded[0, 0, i : i + 2, j : j + 3].sum() for j in range(3)] for i in range(2)]]]
    assert np.array_equal(SumPool((2, 3), 1, ((1, 0), (0, 2))).forward(x), expected)


@every_pool
@pytest.mark.parametrize("name", ["kernel", "stride", "dilation"])
@pytest.mark.parametrize("value", [0, -1, (2, 0), (0, 2), (2, -3)])
def test_sizes_less_than_one(pool: Any, name: str, value: Any) -> None:
    options = {"kernel": 2, "stride": 1, "dilation": 1}
    for good in (1, 2):
        assert pool(**options | {name: good}).forward(np.ones((1, 1, 4, 4))).size
    with pytest.raises(ParameterError, match="must be at least 1"):
        pool(**options | {name: value}).forward(np.ones((1, 1, 4, 4)))


@every_pool
@pytest.mark.parametrize(
    ("kernel", "dilation", "most"), [(1, 1, 0), (1, 3, 0), (2, 1, 1), (3, 1, 2), (2, 3, 3), (3, 2, 4)]
)
def test_padding_is_smaller_than_a_window(pool: Any, kernel: int, dilation: int, most: int) -> None:
    x = np.ones((1, 1, 9))
    for pads in ((most, 0), (0, most), (most, most)):
        assert pool(kernel, 1, (pads,), dilation).forward(x).shape == (1, 1, 9 + sum(pads) - dilation * (kernel - 1))
    for pads in ((most + 1, 0), (0, most + 1), (most + 1, most + 1), (most + 2, 0), (-1, 0), (0, -1), (-1, most)):
        with pytest.raises(ParameterError, match=r"padding .* must not be negative and must be smaller"):
            pool(kernel, 1, (pads,), dilation).forward(x)


@every_pool
@pytest.mark.parametrize("shape", [(2, 3), (2,), ()])
def test_inputs_without_a_spatial_axis(pool: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="has no spatial axis"):
        pool(1).forward(np.ones(shape))


@every_pool
@pytest.mark.parametrize("shape", [(2, 3, 1), (0, 3, 1), (2, 0, 1), (0, 0, 2), (2, 3, 2, 3), (2, 3, 3, 2)])
def test_inputs_smaller_than_a_window(pool: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="smaller than the kernel"):
        pool(3, 1).forward(np.ones(shape))


@every_pool
@pytest.mark.parametrize(("shape", "out"), [((0, 3, 4), (0, 3, 2)), ((2, 0, 4), (2, 0, 2)), ((2, 3, 0), (2, 3, 0)),
                                            ((2, 3, 0, 3), (2, 3, 0, 1)), ((2, 3, 4, 0), (2, 3, 2, 0))])  # fmt: skip
def test_inputs_without_elements(pool: Any, shape: tuple[int, ...], out: tuple[int, ...]) -> None:
    x, layer = np.zeros(shape), pool(3, 1)
    assert layer.forward(x).shape == out
    assert layer.relevance_backward(x, np.zeros(out)).shape == shape
    assert layer.vjp(x, np.zeros(out)).shape == shape


@every_pool
def test_one_input_and_its_relevance(pool: Any) -> None:
    x, r = line(1.0, 2.0), line(1.0)
    for given in ((), (x, x)):
        with pytest.raises((ShapeError, ValueError)):
            pool(2).forward(*given)
        with pytest.raises(ShapeError, match="takes 1 inputs"):
            pool(2).redistribute(given, r)
    with pytest.raises(ShapeError, match="number of outputs"):
        pool(2).redistribute(x, (r, r))
    with pytest.raises(ShapeError, match="the output has shape"):
        pool(2).redistribute(x, line(1.0, 2.0))


# Sums and means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
@pytest.mark.parametrize("include", [False, True])
def test_a_mean_by_hand(include: bool, exact: bool) -> None:
    """(4 5 | 7) in windows of 2 with one position of padding before, and one beyond the end, which never counts."""
    x = np.array([[[4.0, 5.0, 7.0, 9.0]], [[1.0, 0.0, -1.0, -2.0]], [[8.0, 3.0, 1.0, 1.0]]]) * np.ones((1, 2, 1))
    layer = AveragePool(2, padding=((1, 0),), ceil_mode=True, count_include_pad=include, factor=3)
    n = np.array([2.0 if include else 1.0, 2.0, 1.0])
    sums = np.stack([x[:, :, 0], x[:, :, 1] + x[:, :, 2], x[:, :, 3]], axis=2)
    g = np.array([1.0, 2.0, 3.0]) * np.ones((3, 2, 3))
    spread = np.stack([3 * g[..., 0] / n[0], 3 * g[..., 1] / 2, 3 * g[..., 1] / 2, 3 * g[..., 2]], axis=2)
    if exact:
        x, g = rational(x), rational(g)
    z, back = layer.forward(x), layer.vjp(x, g)
    assert z.shape == (3, 2, 3)
    assert np.array_equal(z, 3 * sums / n)
    assert np.array_equal(back, spread)
    if exact:
        assert {type(v) for v in (*z.flat, *back.flat)} == {type(x.flat[0])}


@pytest.mark.parametrize(("include", "count"), [(False, 2), (True, 3)])
def test_a_mean_over_part_of_a_window(include: bool, count: int) -> None:
    """The window from −1 to 1 meets two positions, that from 2 to 4 two and one beyond the end, which never counts."""
    layer = AveragePool(3, padding=((1, 0),), ceil_mode=True, count_include_pad=include)
    assert layer.forward(line(6.0, 9.0, 4.0, 8.0)).tolist() == [[[15.0 / count, 6.0]]]


def test_thirds_are_exact() -> None:
    x = rational(line(1.0, 1.0, 5.0))
    assert AveragePool(3).forward(x)[0, 0, 0] == Fraction(7, 3)
    assert AveragePool(3, factor=Fraction(1, 7)).forward(x)[0, 0, 0] == Fraction(1, 3)
    assert SumPool(3, factor=Fraction(1, 7)).forward(x)[0, 0, 0] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_stays(dtype: Any) -> None:
    x, r = np.array([[[1.0, 2.0, 4.0]]], dtype=dtype), np.array([[[1.0, 3.0]]], dtype=dtype)
    for pool, options in itertools.product(POOLS, ({}, {"padding": 1, "stride": 2})):
        layer = pool(2, **{"stride": 1} | options)
        assert layer.forward(x).dtype == layer.vjp(x, r).dtype == layer.relevance_backward(x, r).dtype == dtype


@pytest.mark.parametrize("include", [False, True])
def test_a_window_in_the_padding_has_the_mean_zero(include: bool) -> None:
    """One position, two of padding on each side, taps 3 apart: the only window meets −2 and 1, both padding."""
    layer = AveragePool(2, 2, 2, 3, count_include_pad=include)
    x, r = np.array([[[5.0]], [[-2.0]]]), np.array([[[3.0]], [[4.0]]])
    assert layer.forward(x).tolist() == [[[0.0]], [[0.0]]]
    assert layer.vjp(x, r).tolist() == [[[0.0]], [[0.0]]]
    for ties in ("first", "share"):
        maximum = MaxPool(2, 2, 2, 3, ties=ties).redistribute(x, r)
        assert maximum.relevances[0].tolist() == [[[0.0]], [[0.0]]]
        assert maximum.dropped.tolist() == [3.0, 4.0]


def test_edited_weights_of_a_mean() -> None:
    """Weights 1/n_p, squared (w²-rule) or one (flat rule): relevance is shared equally within each window."""
    x, r = line(4.0, 5.0, 7.0), line(6.0, 10.0)
    layer = AveragePool(2, padding=((1, 0),), count_include_pad=False)
    assert layer.edited(edits.ONES, edits.ZERO).forward(x).tolist() == [[[4.0, 12.0]]]
    for rule in (rules.Flat(), rules.WSquare()):
        assert layer.relevance_backward(x, r, rule).tolist() == [[[6.0, 5.0, 5.0]]]
    assert SumPool(2, padding=((1, 0),), factor=3).edited(edits.ONES, edits.ZERO).forward(x).tolist() == [[[4.0, 12.0]]]


# Maxima ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", ["last", "", "First"])
def test_ties_that_do_not_exist(ties: str) -> None:
    with pytest.raises(ParameterError, match="ties must be"):
        MaxPool(2, ties=ties)


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("ties", ["first", "share"])
def test_negative_inputs_win_against_padding(stride: int, ties: str) -> None:
    x = line(-3.0, -1.0, -2.0, -5.0)
    layer = MaxPool(2, stride, ((1, 0),), ceil_mode=True, ties=ties)
    windows = [[0], [1, 2], [3]] if stride == 2 else [[0], [2, 3]]
    best = [max(w, key=lambda k: x[0, 0, k]) for w in windows]
    r = np.arange(1.0, len(best) + 1).reshape(1, 1, -1)
    assert layer.forward(x).tolist() == [[[x[0, 0, k] for k in best]]]
    told = layer.redistribute(x, r)
    assert told.relevances[0].tolist() == [[[float(best.index(k) + 1) if k in best else 0.0 for k in range(4)]]]
    assert not told.dropped.any()


@pytest.mark.parametrize("ties", ["first", "share"])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_padding_ties_with_nothing(ties: str, value: float) -> None:
    layer, r = MaxPool(2, padding=1, ties=ties), line(3.0, 5.0)
    told = layer.redistribute(line(value, value), r)
    assert told.relevances[0].tolist() == [[[3.0, 5.0]]]
    assert not told.dropped.any()


def test_maps_are_cut_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many maps at a time as fit into the cache: 2·3 maps of 4·5 floats; exact numbers have no bytes to count."""
    calls, whole = [], blocks.blocks
    monkeypatch.setattr(blocks, "blocks", lambda *args: calls.append(args[:2]) or whole(*args))
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    z = MaxPool(2).forward(x)
    assert calls == [(6, 160)]
    assert np.array_equal(MaxPool(2).forward(rational(x)), z)
    assert calls == [(6, 160)]


def test_ties_within_and_between_windows() -> None:
    """Rows by hand: the first of equals in row-major order, or all in equal parts; then what several windows give."""
    x = np.array([[[[1.0, 2.0, 2.0], [2.0, 0.0, 2.0]]]])
    r = np.array([[[[6.0, 10.0]]]])
    assert MaxPool((2, 2), 1).relevance_backward(x, r).tolist() == [[[[0.0, 16.0, 0.0], [0.0, 0.0, 0.0]]]]
    shared = [[0.0, 3.0 + 10 / 3, 10 / 3], [3.0, 0.0, 10 / 3]]
    np.testing.assert_allclose(MaxPool((2, 2), 1, ties="share").relevance_backward(x, r), [[shared]], rtol=1e-15)


@every_pool
def test_rules_for_each_kind(pool: Any) -> None:
    x, r = line(1.0, 3.0), line(8.0)
    expected = {SumPool: [2.0, 6.0], AveragePool: [2.0, 6.0], MaxPool: [0.0, 8.0]}[pool]
    assert pool(2).relevance_backward(x, r).tolist() == [[expected]]
    if pool is MaxPool:
        with pytest.raises(Exception, match="is not a rule for MaxPool"):
            pool(2).relevance_backward(x, r, rules.Flat())


@pytest.mark.parametrize("ties", ["first", "share"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_losers_get_a_zero_without_a_sign(ties: str, stride: int) -> None:
    """Also where the winner's relevance is negative."""
    layer = MaxPool(2, stride=stride, ties=ties)
    x = np.arange(1.0, 8.0).reshape(1, 1, 7)
    (relevance,) = layer.redistribute(x, -layer.forward(x)).relevances
    assert (relevance <= 0).all()
    assert not np.signbit(relevance[relevance == 0]).any()
    assert (relevance == 0).any()
