"""The pen: strokes, tips and gaps of a 3 that is drawn here, whose places are known."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.analysis import pen


def three() -> np.ndarray:
    """A 3 of straight lines one pixel wide: arms in the rows 4, 12, 22, from column 6, 9, 7 to the spine in 18."""
    image = np.zeros((28, 28), np.float32)
    image[4:23, 18] = 1
    for row, column in ((4, 6), (12, 9), (22, 7)):
        image[row, column:19] = 1
    return image


def test_the_tips_of_the_arms_are_found() -> None:
    assert pen.tips(three()).tolist() == [[4, 6], [12, 9], [22, 7]]


def test_the_gap_lies_between_the_tips_and_the_spine() -> None:
    places = pen.tips(three())
    found = pen.gap(three(), places[pen.UPPER], places[pen.MIDDLE])
    assert not found[:5].any()
    assert not found[12:].any()
    assert not (found & (three() > 0)).any()
    assert np.flatnonzero(found[8]).tolist() == list(range(8, 18))  # the line is at 6 + 3 · 4/8 = 7.5 there


def test_a_stroke_is_as_long_and_as_wide_as_asked() -> None:
    drawn = pen.stroke(np.array([10, 5]), np.array([10, 20]), width=3.0)
    assert drawn[10, 5:21].tolist() == [1.0] * 16
    assert drawn[8:13, 12].tolist() == [0, 1, 1, 1, 0]
    assert drawn.dtype == np.float32
    assert drawn.max() == 1


def test_a_stroke_between_the_tips_closes_the_gap() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    places = pen.tips(three())
    closed = np.maximum(three(), pen.stroke(places[pen.UPPER], places[pen.MIDDLE]))
    assert ndimage.label(three() == 0)[1] == 1
    assert ndimage.label(closed == 0)[1] == 2


def test_without_its_arm_a_three_keeps_what_is_above_and_the_spine() -> None:
    cut = pen.without_arm(three(), pen.tips(three()))
    assert (cut[:13] == three()[:13]).all()
    assert cut[13:, 18].sum() == 10
    assert not cut[13:, :18].any()


def test_the_bounding_box_is_that_of_the_ink() -> None:
    box = pen.in_box(three())
    assert box.sum() == 19 * 13
    assert box[4, 6]
    assert box[22, 18]
    assert not box[3].any()
