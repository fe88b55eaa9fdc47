"""Distances and kernels of numbers whose squares no float holds: the same as of numbers near 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrp_ref.base.functions import length
from lrp_ref.layers import AdditiveKernel, Distance, FeatureDistance, KernelMachine

SCALES = {np.float64: (1e-200, 1.0, 1e200), np.float32: (1e-30, 1.0, 1e30), np.float16: (1e-3, 1.0, 400.0)}
CASES = [(dtype, scale) for dtype, scales in SCALES.items() for scale in scales]
X = np.array([[1.0, 2.0, 0.5], [4.0, 0.0, 1.0]])
V = np.array([[3.0, 1.0, 1.0], [4.0, 0.0, 1.0]])


def scaled(dtype, scale):
    """Return samples, and centres of which one is a sample, and how near results have to be, relative to scale."""
    factor = 2.0 ** np.round(np.log2(scale))
    tolerance = {np.float64: 1e-14, np.float32: 1e-6, np.float16: 4e-3}[dtype]
    return (X * factor).astype(dtype), (V * factor).astype(dtype), factor, tolerance


@pytest.mark.parametrize(("dtype", "scale"), CASES)
def test_a_distance_is_that_of_numbers_of_any_size(dtype, scale) -> None:
    x, v, factor, tolerance = scaled(dtype, scale)
    found = Distance(v).forward(x)
    expected = [[math.dist(p, q) for q in V] for p in X]
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype(float) / factor, expected, rtol=tolerance)
    received = Distance(v).relevance_backward(x, found)
    squares = (X[:, None] - V) ** 2
    shares = (squares / np.maximum(np.array(expected), 1e-9)[..., None]).sum(axis=1)
    np.testing.assert_allclose(received.astype(float) / factor, shares, rtol=tolerance)


@pytest.mark.parametrize(("dtype", "scale"), CASES)
def test_the_cosine_kernel_does_not_depend_on_the_size_of_numbers(dtype, scale) -> None:
    x, v, factor, tolerance = scaled(dtype, scale)
    layer = KernelMachine(v, np.array([[1.0], [-2.0]], dtype=dtype), kernel="cosine")
    cosines = (X @ V.T) / np.sqrt((X * X).sum(axis=1))[:, None] / np.sqrt((V * V).sum(axis=1))
    found = layer.forward(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, cosines @ [[1.0], [-2.0]], rtol=0, atol=2 * tolerance)
    g = layer.vjp(x, np.ones((2, 1), dtype=dtype))
    sizes = np.sqrt((X * X).sum(axis=1))[:, None]
    units = V / np.sqrt((V * V).sum(axis=1))[:, None]
    slopes = (np.array([[1.0, -2.0]]) @ units - (cosines @ [[1.0], [-2.0]]) * X / sizes) / sizes
    np.testing.assert_allclose(g.astype(float) * factor, slopes, rtol=0, atol=4 * tolerance)


@pytest.mark.parametrize(("dtype", "scale"), CASES)
@pytest.mark.parametrize("kernel", ["chi2", "additive_chi2"])
def test_chi_squared_kernels_grow_as_their_numbers(kernel, dtype, scale) -> None:
    x, v, factor, tolerance = scaled(dtype, scale)
    found = AdditiveKernel(v, np.eye(2, dtype=dtype), kernel=kernel).forward(x)
    a, b = X[:, None], V[None]
    total = np.where(a + b == 0, 1, a + b)
    terms = 2 * a * b / total if kernel == "chi2" else -((a - b) ** 2) / total
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype(float) / factor, terms.sum(axis=2), rtol=tolerance, atol=0)
    if kernel == "additive_chi2":
        apart = FeatureDistance(v, "chi2").forward(x)
        np.testing.assert_allclose(apart.astype(float) / factor, -terms.sum(axis=2), rtol=tolerance, atol=0)


def test_the_length_of_no_numbers_and_of_zeros_is_0() -> None:
    for x in (np.zeros((2, 0)), np.zeros((2, 3))):
        n, unit = length(x)
        np.testing.assert_array_equal(n, [[0.0], [0.0]])
        assert unit.shape == x.shape
        assert not unit.any()
