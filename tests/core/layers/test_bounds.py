"""The last axis, size or index that a layer takes, and the first that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.fast.windows import output_size, pad_spatial
from lrp_ref.layers import (
    LSTM,
    AveragePool,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MaxPool,
    Mean,
    Pad,
    Slice,
    Softmax,
    Split,
    Squeeze,
    Sum,
    Transpose,
    Upsample,
)

X = np.arange(1.0, 25.0).reshape(2, 3, 4)
AXES = {1: 1, 2: 2, -1: 2, -2: 1}  # what each number means on three axes
WRONG = (0, -3, 3, -4, 7, -9)  # the batch, and axes that do not exist


@pytest.mark.parametrize("axis", AXES)
def test_axes_that_exist(axis: int) -> None:
    there = AXES[axis]
    size = X.shape[there]
    assert np.array_equal(Gather((1,), axis=axis).forward(X), np.take(X, [1], axis=there))
    assert np.array_equal(Concat(axis=axis).forward(X, X), np.concatenate([X, X], axis=there))
    np.testing.assert_allclose(Softmax(axis=axis).forward(X).sum(axis=there), 1.0)
    np.testing.assert_allclose(Sum(axes=(axis,), keepdims=False).forward(X), X.sum(axis=there))
    np.testing.assert_allclose(Mean(axes=(axis,), keepdims=True).forward(X), X.mean(axis=there, keepdims=True))
    first, rest = Split((1, size - 1), axis=axis).forward(X)
    assert np.array_equal(first, np.take(X, [0], axis=there))
    assert np.array_equal(rest, np.take(X, range(1, size), axis=there))
    one = np.take(X, [0], axis=there)
    assert np.array_equal(Squeeze((axis,)).forward(one), one.squeeze(there))


@pytest.mark.parametrize("axis", WRONG)
@pytest.mark.parametrize(
    "make",
    [
        lambda k: Gather((0,), axis=k),
        lambda k: Softmax(axis=k),
        lambda k: Sum(axes=(k,)),
        lambda k: Mean(axes=(k,)),
        lambda k: Split((1, 2), axis=k),
        lambda k: Squeeze((k,)),
        lambda k: Slice((k,), (0,), (1,)),
    ],
    ids=["Gather", "Softmax", "Sum", "Mean", "Split", "Squeeze", "Slice"],
)
def test_the_batch_and_axes_that_do_not_exist(make: Any, axis: int) -> None:
    with pytest.raises(ShapeError, match=r"batch"):
        make(axis).forward(X)


@pytest.mark.parametrize("axis", WRONG)
def test_concatenation_along_the_batch(axis: int) -> None:
    with pytest.raises(ShapeError, match=rf"Concat: axis {axis} of shape"):
        Concat(axis=axis).forward(X, X)


@pytest.mark.parametrize("axes", [(1, 1), (1, -2)])
def test_an_axis_twice(axes: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="must exist, differ"):
        Sum(axes=axes).forward(X)


@pytest.mark.parametrize(("index", "taken"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_indices_that_exist(index: int, taken: int) -> None:
    assert np.array_equal(Gather((index,)).forward(X), X[:, [taken]])
    assert np.array_equal(Gather(index).forward(X), X[:, taken])


@pytest.mark.parametrize("index", [3, 4, -4, -5])
def test_indices_that_do_not(index: int) -> None:
    for given in (index, (index,), (0, index)):
        with pytest.raises(ShapeError, match="do not fit axis 1"):
            Gather(given).forward(X)


def test_squeezing_an_empty_or_long_axis() -> None:
    assert Squeeze((1,)).forward(np.zeros((2, 1, 4))).shape == (2, 4)
    for size in (0, 2):
        with pytest.raises(LrpError):
            Squeeze((1,)).forward(np.zeros((2, size, 4)))


@pytest.mark.parametrize("axes", [(1, 0, 2), (0, 1, 1), (0, 0, 1), (0, 2, 3), (0, -1, 1), (2, 1, 0)])
def test_permutations_that_are_none(axes: tuple[int, ...]) -> None:
    with pytest.raises(LrpError):
        Transpose(axes).forward(X)


@pytest.mark.parametrize("wrong", [((1,), (0,), (1, 2), None), ((1,), (0, 1), (1,), None), ((1, 2), (0,), (1,), None)])
def test_a_slice_needs_as_many_starts_as_stops(wrong: tuple[Any, ...]) -> None:
    axes, starts, stops, _ = wrong
    with pytest.raises(LrpError):
        Slice(axes, starts, stops).forward(X)


# Padding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0), (1, 0), (0, 2), (3, 3), (-1, 0), (0, -2), (-1, 2), (2, -1), (-1, -1)]
)
@pytest.mark.parametrize("value", [0.0, -1.0, 2.0])
def test_padding_and_cropping(before: int, after: int, value: float) -> None:
    layer = Pad(((0, 0), (before, after)), value=value)
    expected = [
        [[row[k] if 0 <= k < 4 else value for k in range(-before, 4 + after)] for row in sample] for sample in X
    ]
    assert np.array_equal(layer.forward(X), np.array(expected))
    moved = pad_spatial(X, [(before, after)], value, np)
    assert np.array_equal(moved, np.array(expected))


@pytest.mark.parametrize(("mode", "source"), [("reflect", [2, 1, 0, 1, 2, 3, 2]), ("edge", [0, 0, 0, 1, 2, 3, 3])])
def test_padding_with_values_of_the_border(mode: str, source: list[int]) -> None:
    layer = Pad(((0, 0), (2, 1)), mode=mode)
    assert np.array_equal(layer.forward(X), X[:, :, source])
    back = layer.vjp(X, np.ones((2, 3, 7)))
    assert np.array_equal(back[0, 0], np.bincount(source, minlength=4))


@pytest.mark.parametrize("pads", [(4, 0), (0, 4), (5, 1)])
def test_reflections_longer_than_the_input(pads: tuple[int, int]) -> None:
    with pytest.raises(LrpError):
        Pad(((0, 0), pads), mode="reflect").forward(X)
    assert Pad(((0, 0), (3, 3)), mode="reflect").forward(X).shape == (2, 3, 10)


def test_relevance_of_constant_padding_is_dropped() -> None:
    layer = Pad(((0, 0), (1, 2)), value=3.0)
    r = np.arange(42.0).reshape(2, 3, 7)
    told = layer.redistribute(X, r)
    assert np.array_equal(told.relevances[0], r[:, :, 1:5])
    assert np.array_equal(told.dropped, r.sum(axis=(1, 2)) - r[:, :, 1:5].sum(axis=(1, 2)))


# Windows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("kernel", 0), ("kernel", -1), ("stride", 0), ("stride", -2), ("dilation", 0), ("dilation", -1)]
)
def test_windows_of_no_size(name: str, value: int) -> None:
    for pool in (MaxPool, AveragePool):
        arguments = {"kernel": 2, "stride": 1, "dilation": 1} | {name: value}
        with pytest.raises(ParameterError):
            pool(**arguments).forward(X)


def windows(n: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, ceil: bool) -> int:
    """Count the windows by walking: one every stride while it fits; with ceil a last one that starts inside."""
    reach, count, start = dilation * (kernel - 1) + 1, 0, -pads[0]
    while start + reach <= n + pads[1] or (ceil and start < n and count and start - stride + reach < n + pads[1]):
        count, start = count + 1, start + stride
    return count


@pytest.mark.parametrize("ceil", [False, True])
def test_numbers_of_windows(ceil: bool) -> None:
    for n in range(1, 9):
        for kernel in (1, 2, 3):
            for stride in (1, 2, 3, 4):
                for dilation in (1, 2):
                    for pads in ((0, 0), (1, 0), (0, 1), (1, 1)):
                        if max(pads) >= dilation * (kernel - 1) + 1 or dilation * (kernel - 1) + 1 > n + sum(pads):
                            continue
                        found = output_size(n, kernel, stride, pads, dilation, ceil)
                        expected = windows(n, kernel, stride, pads, dilation, ceil)
                        assert found == expected, (n, kernel, stride, pads, dilation)


def test_a_window_as_large_as_the_input() -> None:
    assert MaxPool(4).forward(X).shape == (2, 3, 1)
    for kernel in (5, 6):
        with pytest.raises(ShapeError, match="is smaller than the kernel"):
            MaxPool(kernel).forward(X)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("ceil", [False, True])
def test_pools_against_a_walk_over_windows(stride: int, dilation: int, ceil: bool) -> None:
    rng = np.random.default_rng(stride * 10 + dilation)
    x, n, kernel = rng.normal(size=(2, 2, 9)), 9, 3
    maximum = MaxPool(kernel, stride=stride, dilation=dilation, ceil_mode=ceil)
    average = AveragePool(kernel, stride=stride, dilation=dilation, ceil_mode=ceil)
    count = windows(n, kernel, stride, (0, 0), dilation, ceil)
    r = rng.normal(size=(2, 2, count))
    biggest, mean = np.zeros((2, 2, count)), np.zeros((2, 2, count))
    received = np.zeros_like(x)
    for sample in range(2):
        for channel in range(2):
            for j in range(count):
                taps = [k for k in range(j * stride, j * stride + dilation * kernel, dilation) if k < n]
                best = max(taps, key=lambda k: x[sample, channel, k])
                biggest[sample, channel, j] = x[sample, channel, best]
                mean[sample, channel, j] = sum(x[sample, channel, k] for k in taps) / len(taps)
                received[sample, channel, best] += r[sample, channel, j]
    assert np.array_equal(maximum.forward(x), biggest)
    np.testing.assert_allclose(average.forward(x), mean, rtol=1e-14)
    np.testing.assert_allclose(maximum.relevance_backward(x, r), received, rtol=1e-14)


def test_ties_are_first_or_shared_in_overlapping_windows() -> None:
    x, r = np.array([[[2.0, 2.0, 1.0, 2.0]]]), np.array([[[1.0, 10.0, 100.0]]])
    assert MaxPool(2, stride=1).relevance_backward(x, r).tolist() == [[[1.0, 10.0, 0.0, 100.0]]]
    assert MaxPool(2, stride=1, ties="share").relevance_backward(x, r).tolist() == [[[0.5, 10.5, 0.0, 100.0]]]
    three = np.array([[[2.0, 2.0, 2.0]]])
    assert MaxPool(3).relevance_backward(three, np.array([[[6.0]]])).tolist() == [[[6.0, 0.0, 0.0]]]
    assert MaxPool(3, ties="share").relevance_backward(three, np.array([[[6.0]]])).tolist() == [[[2.0, 2.0, 2.0]]]


# Weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_convolutions_refuse_other_channels(channels: int) -> None:
    with pytest.raises(ShapeError):
        Conv(np.ones((2, 2, 3))).forward(np.ones((1, channels, 5)))
    with pytest.raises(ShapeError):
        ConvTranspose(np.ones((2, 2, 3))).forward(np.ones((1, channels, 5)))


@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 5, 5), (1, 2, 5, 5, 5)])
def test_convolutions_refuse_other_numbers_of_axes(shape: tuple[int, ...]) -> None:
    for kind in (Conv, ConvTranspose):
        with pytest.raises(ShapeError):
            kind(np.ones((2, 2, 3))).forward(np.ones(shape))


@pytest.mark.parametrize("shape", [(2,), (2, 3, 1), ()])
def test_dense_weights_have_two_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(LrpError):
        Dense(np.ones(shape))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 1), (2, 3, 5), (2, 3, 3)])
def test_an_lstm_takes_sequences_of_its_features(shape: tuple[int, ...]) -> None:
    layer = LSTM(np.ones((1, 4, 2, 4)), np.ones((1, 4, 2, 2)), np.zeros((1, 4, 2)))
    with pytest.raises(ShapeError):
        layer.forward(np.ones(shape))


@pytest.mark.parametrize("factors", [(2, 0), (2, -1), (2,), (2, 2, 2)])
def test_upsampling_by_less_than_one(factors: tuple[int, ...]) -> None:
    with pytest.raises(LrpError):
        Upsample(factors).forward(np.ones((1, 1, 2, 2)))
    assert Upsample((1, 1)).forward(np.ones((1, 1, 2, 2))).shape == (1, 1, 2, 2)
