"""Parameters that are cut to the sample: axes that a file names wrongly are refused, not followed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import ShapeError
from lrp_ref.layers import Affine, Constant

VALUE, X = np.arange(12.0).reshape(4, 3), np.ones((2, 2, 3))


@pytest.mark.parametrize("cut", [((3, 1),), ((1, 5),), ((0, 1),), ((1, 0),)])
def test_a_constant_names_axes_that_there_are(cut: Any) -> None:
    with pytest.raises(ShapeError, match=r"axes . and . to cut it at are not those of a value"):
        Constant(VALUE, cut=cut).forward(X)
    assert np.array_equal(Constant(VALUE, cut=((1, 1),)).forward(X)[0], VALUE[:2])


@pytest.mark.parametrize("axis", [0, 7])
def test_an_affine_names_an_axis_that_there_is(axis: int) -> None:
    with pytest.raises(ShapeError, match=f"axis {axis} to cut its parameters at is none of an input"):
        Affine(VALUE, cut=(axis,)).forward(X)
    assert np.array_equal(Affine(VALUE, cut=(1,)).forward(X)[0], VALUE[:2])
