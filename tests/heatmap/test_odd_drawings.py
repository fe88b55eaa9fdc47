"""Graphs of messages and waterfalls of odd arguments: refused in one sentence, or drawn as text that can be written."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import BackendError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.heatmap import message_graph, waterfall

HALF = "a\ud800b"


def test_half_a_letter_can_be_written() -> None:
    drawn = message_graph([1], [1], [[1]], title=HALF, input_names=[HALF], output_names=[HALF])
    drawn += waterfall([(HALF, HALF, 1.0)], start=1.0, arrived=0.0, title=HALF)
    assert "a\ufffdb" in drawn
    drawn.encode()


def test_rows_of_different_lengths() -> None:
    with pytest.raises(ParameterError, match="inputs is no array: its rows have different lengths"):
        message_graph([[1], [1, 2]], [1], [[1]])
    with pytest.raises(ParameterError, match="waterfall is no array"):
        waterfall([("a", "bias", [1, 2])], start=1.0, arrived=0.0)  # type: ignore[list-item]


def test_sums_that_overflow_are_refused_and_not_drawn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NonFiniteError, match="sum of all messages"):
            message_graph([1, 1], [1], [[1.7e308], [1.7e308]])


def test_names_and_steps_of_another_kind() -> None:
    for names in ("a", 5):
        with pytest.raises(ShapeError, match="are no names"):
            message_graph([1], [1], [[1]], input_names=names)  # type: ignore[arg-type]
    for steps in ([("a", 1.0)], ["abc"], None, 5):
        with pytest.raises(ShapeError, match="a step is"):
            waterfall(steps, start=1.0, arrived=0.0)  # type: ignore[arg-type]
    steps: Any = (("a", "bias", 1.0) for _ in range(1))
    assert "a: bias" in waterfall(steps, start=1.0, arrived=0.0)


def test_a_table_of_nothing_and_of_no_arrays() -> None:
    for i, j in ((0, 1), (1, 0)):
        with pytest.raises(ShapeError, match="has nothing to show"):
            lrp.messages(lrp.layers.Dense(np.ones((i, j))), np.ones((1, i)), np.ones((1, j)), lrp.rules.LRP0())
    with pytest.raises(BackendError, match="is not a NumPy or CuPy array"):
        lrp.messages(lrp.layers.Dense(np.ones((1, 1))), np.ones((1, 1)), [[1.0]], lrp.rules.LRP0())  # type: ignore[arg-type]


def test_a_waterfall_of_the_smallest_numbers() -> None:
    drawn = waterfall([("a", "bias", 1e-320)], start=2e-320, arrived=1e-320)
    assert "nan" not in drawn
    assert "inf" not in drawn


def test_pass_needs_as_many_outputs_as_inputs() -> None:
    layer = lrp.layers.Dense(np.ones((2, 1)))
    with pytest.raises(ShapeError, match="needs as many outputs as inputs, got 1 and 2"):
        lrp.messages(layer, np.ones((1, 2)), np.ones((1, 1)), lrp.rules.Pass())
