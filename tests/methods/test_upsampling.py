"""Upsampling against the interpolation of another program, against the convention written out, and exactly."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.methods import upsampled

RNG = np.random.default_rng(193)
SIZES = [(1, 1), (1, 5), (2, 3), (3, 3), (3, 13), (4, 9), (5, 11), (7, 224), (9, 17)]


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("convention", ["half_pixel", "corners", "nearest"])
def test_one_axis_written_out(n: int, m: int, convention: str) -> None:
    x = [Fraction(int(v), 4) for v in RNG.integers(-8, 9, size=n)]
    expected = []
    for i in range(m):
        if convention == "nearest":
            expected.append(x[math.floor(Fraction(i * n, m))])
            continue
        place = Fraction(2 * i + 1, 2) * Fraction(n, m) - Fraction(1, 2)
        if convention == "corners":
            place = Fraction(i * (n - 1), m - 1) if m > 1 else Fraction(0)
        place = min(max(place, Fraction(0)), Fraction(n - 1))
        low = math.floor(place)
        expected.append(x[low] + (place - low) * (x[min(low + 1, n - 1)] - x[low]))
    exact = upsampled(rational(np.array(x, dtype=object).reshape(1, 1, n)), (m,), convention)
    assert [Fraction(str(v)) for v in exact[0, 0]] == expected
    for dtype, close in ((np.float64, 1e-14), (np.float32, 2e-6)):
        maps = np.array([float(v) for v in x], dtype=dtype).reshape(1, 1, n)
        found = upsampled(maps, (m,), convention)
        assert found.dtype == dtype
        assert np.abs(found[0, 0] - np.array([float(v) for v in expected])).max() <= close


GRIDS = [((3,), (13,)), ((5,), (5,)), ((1,), (7,)), ((3, 3), (13, 13)), ((7, 2), (30, 9)), ((2, 3, 1), (5, 7, 4))]


@pytest.mark.parametrize(("grid", "sizes"), GRIDS)
@pytest.mark.parametrize("convention", ["half_pixel", "corners", "nearest"])
def test_another_program(grid: Any, sizes: Any, convention: str) -> None:
    torch = pytest.importorskip("torch")
    maps = RNG.normal(size=(2, 3, *grid))
    mode = "nearest" if convention == "nearest" else {1: "linear", 2: "bilinear", 3: "trilinear"}[len(grid)]
    corners = {"half_pixel": False, "corners": True, "nearest": None}[convention]
    expected = torch.nn.functional.interpolate(torch.from_numpy(maps), size=sizes, mode=mode, align_corners=corners)
    assert np.abs(upsampled(maps, sizes, convention) - expected.numpy()).max() <= 1e-14


def test_every_size_to_every_larger_one() -> None:
    torch = pytest.importorskip("torch")
    for n, m in itertools.product(range(1, 20), range(1, 40)):
        if m < n:
            continue
        maps = RNG.normal(size=(1, 1, n))
        for mode, corners, convention in (("linear", False, "half_pixel"), ("linear", True, "corners")):
            expected = torch.nn.functional.interpolate(
                torch.from_numpy(maps), size=(m,), mode=mode, align_corners=corners
            )
            assert np.abs(upsampled(maps, (m,), convention) - expected.numpy()).max() <= 1e-13


def test_none_and_read_only() -> None:
    maps = np.ones((0, 1, 3, 3))
    assert upsampled(maps, (5, 7)).shape == (0, 1, 5, 7)
    locked = np.arange(4.0).reshape(1, 1, 4)
    locked.flags.writeable = False
    assert upsampled(locked, (8,)).shape == (1, 1, 8)


def test_nothing_is_sampled_down() -> None:
    maps = np.ones((1, 1, 4, 4))
    for sizes in ((3, 4), (4, 3), (8,), (8, 8, 8)):
        with pytest.raises(ShapeError, match="cannot be upsampled to"):
            upsampled(maps, sizes)
    with pytest.raises(ParameterError, match="did you mean 'nearest'"):
        upsampled(maps, (8, 8), "nearst")
