"""Random rationals for Hypothesis, and layers written with exact numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from lrp_ref import layers

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

fractions = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 4))
positives = st.builds(Fraction, st.integers(0, 6), st.integers(1, 4))


def arrays(shape: tuple[int, ...], elements: Any = fractions) -> Any:
    """Object arrays of rationals."""
    size = int(np.prod(shape))

    def build(values: list[Fraction]) -> Any:
        array = np.empty(size, object)
        array[:] = values
        return array.reshape(shape)

    return st.lists(elements, min_size=size, max_size=size).map(build)


def exact(*values: Any) -> Any:
    """One sample (1, ...) of rationals."""
    return np.vectorize(Fraction, otypes=[object])(np.array([values], object))


def unit(weights: Any, bias: Any = None) -> Any:
    """A dense layer with one output."""
    return layers.Dense(exact(*weights).T, None if bias is None else exact(bias)[0])
